"""What each host is given before its first boot: who may log in, which devices a site has."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from typing import Any, Final

from .topology import FRAME_RATE, MANAGED_HOSTS, SSH_USER, Device, Gateway

_WANTS: Final = "etc/systemd/system/multi-user.target.wants"
# The first user that the image creates.
_SSH_UID: Final = 1000


class Bundle:
    """A tar archive in memory."""

    def __init__(self) -> None:
        """Start an empty archive."""
        self._bytes = io.BytesIO()
        self._tar = tarfile.open(fileobj=self._bytes, mode="w")  # noqa: SIM115 - closed by `finish`

    def file(self, name: str, content: str, *, mode: int = 0o644, uid: int = 0) -> None:
        """Add a file."""
        data = content.encode()
        info = tarfile.TarInfo(name)
        info.size, info.mode, info.uid, info.gid = len(data), mode, uid, uid
        self._tar.addfile(info, io.BytesIO(data))

    def link(self, name: str, target: str) -> None:
        """Add a symbolic link."""
        info = tarfile.TarInfo(name)
        info.type, info.linkname = tarfile.SYMTYPE, target
        self._tar.addfile(info)

    def finish(self) -> bytes:
        """Return the archive."""
        self._tar.close()
        return self._bytes.getvalue()


def managed(public_key: str) -> bytes:
    """Return the files of a relay or centre: sshd runs and takes the run's key."""
    bundle = Bundle()
    bundle.file(f"home/{SSH_USER}/.ssh/authorized_keys", public_key, mode=0o600, uid=_SSH_UID)
    bundle.link(f"{_WANTS}/ssh.service", "/lib/systemd/system/ssh.service")
    bundle.link(
        "etc/systemd/system/ssh.service.requires/lab-host-key.service", "/etc/systemd/system/lab-host-key.service"
    )
    return bundle.finish()


def site(gateway: Gateway, passwords: Mapping[str, str]) -> bytes:
    """Return the files of a gateway: its LAN, and a unit with a configuration for each device."""
    bundle = Bundle()
    bundle.file("etc/lab/site.json", json.dumps(_lan(gateway)))
    bundle.link(f"{_WANTS}/lab-lan.service", "/etc/systemd/system/lab-lan.service")
    for device in gateway.devices:
        password = passwords[f"{gateway.facility}/{device.id}"]
        bundle.file(f"etc/lab/devices/{device.id}.json", device_document(device, password), mode=0o600)
        bundle.link(f"{_WANTS}/camera@{device.id}.service", "/etc/systemd/system/camera@.service")
    return bundle.finish()


def seeds(public_key: str, gateways: tuple[Gateway, ...], passwords: Mapping[str, str]) -> dict[str, bytes]:
    """Return the files of every host."""
    return {
        **{host: managed(public_key) for host in MANAGED_HOSTS},
        **{gateway.name: site(gateway, passwords) for gateway in gateways},
    }


def device_document(device: Device, password: str) -> str:
    """Return the configuration of one device's program."""
    streams = [
        {
            "target": stream.target,
            "camera": camera.id,
            "clip": str(camera.picture),
            "kind": stream.kind.value,
            "width": stream.width,
            "height": stream.height,
            "rate": FRAME_RATE,
        }
        for camera in (*device.cameras, *device.spare)
        for stream in camera.streams
    ]
    realm = f"{device.make.value} {device.id}"
    return json.dumps(
        {"port": device.port, "realm": realm, "user": device.user, "password": password, "streams": streams}
    )


def _lan(gateway: Gateway) -> dict[str, Any]:
    devices = [
        {"id": device.id, "address": str(device.address), "cable": f"lan-{device.id}"} for device in gateway.devices
    ]
    return {"bridge": gateway.bridge, "address": str(gateway.lan), "devices": devices}
