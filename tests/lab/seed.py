"""What each host is given before its first boot: who may log in, which devices a site has."""

import io
import json
import tarfile
from collections.abc import Mapping
from typing import Any, Final

from .topology import BEHIND_JUMP, FRAME_RATE, JUMP, MANAGED_HOSTS, SSH_USER, Device, Gateway

_WANTS: Final = "etc/systemd/system/multi-user.target.wants"
# Docker gives the machine that runs the lab the first address of each network.
_NO_WAY: Final = """\
#!/usr/bin/python3 -I
import ipaddress, json, subprocess
said = subprocess.run(["ip", "-j", "-4", "address", "show", "scope", "global"], capture_output=True, check=True)
for own in [address for link in json.loads(said.stdout) for address in link["addr_info"]]:
    network = ipaddress.ip_interface(f"{own['local']}/{own['prefixlen']}").network
    subprocess.run(["ip", "route", "replace", "blackhole", str(network[1])], check=True)
"""
_NO_WAY_UNIT: Final = """\
[Unit]
Description=No way to the machine that runs the lab
Before=ssh.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/etc/lab/no-way
"""
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


def jump(public_key: str) -> bytes:
    """Return the files of a jump host: who may log in."""
    bundle = Bundle()
    _let_in(bundle, public_key)
    return bundle.finish()


def _let_in(bundle: Bundle, public_key: str) -> None:
    bundle.file(f"home/{SSH_USER}/.ssh/authorized_keys", public_key, mode=0o600, uid=_SSH_UID)


def managed(public_key: str, *, behind_jump: bool = False) -> bytes:
    """Return the files of a relay or centre: sshd runs and takes the run's key.

    One behind a jump host has no way back to the controller: nothing that comes from there is ever answered.
    """
    bundle = Bundle()
    _let_in(bundle, public_key)
    if behind_jump:
        bundle.file("etc/lab/no-way", _NO_WAY, mode=0o755)
        bundle.file("etc/systemd/system/lab-no-way.service", _NO_WAY_UNIT)
        bundle.link(f"{_WANTS}/lab-no-way.service", "/etc/systemd/system/lab-no-way.service")
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
        **{host: managed(public_key, behind_jump=host in BEHIND_JUMP) for host in MANAGED_HOSTS},
        JUMP.name: jump(public_key),
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
