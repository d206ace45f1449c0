"""A scratch inventory for the bench's relays: real relays, sites that nobody built, cameras that nobody reaches.

A site of it has a key and no endpoint, so a relay dials its cameras into a tunnel that leads nowhere.
"""

import json
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from provisioner.base.vault import SECRETS_ID, encrypt
from provisioner.cli.support.context import today
from provisioner.inventory.files.edit import write_lock
from provisioner.inventory.new_secrets import recorded
from provisioner.inventory.rules.lock import GATEWAY_KEY_MISSING, HOST_KEYS_MISSING
from tests import inventories
from tests.bench.rollout.hosts import RelayHosts
from tests.inventories import load_inventory
from tests.lab.engine import Engine
from tests.lab.topology import SSH_USER

FACILITIES: Final = 50
CAMERAS: Final = 6
CARRIER: Final = "viettel"
CENTRE: Final = "centre"
_PROVINCE: Final = "bac-giang"
_POOLS: Final = {"centres": "10.90.0.0/24", "carriers": {CARRIER: "10.91.0.0/16"}}
_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64"}
# What the change adds to the management networks, so that the rules differ.
_OTHER_NETWORK: Final = "198.51.100.0/28"


class Inventory:
    """The files, and the two changes that are made to every relay and taken back.

    The whole change differs in a path, a tunnel peer and the firewall's rules. The small one differs in a path
    that is pulled on demand, so that no gate has to wait for a picture that cannot come.
    """

    def __init__(self, root: Path, hosts: RelayHosts, engine: Engine) -> None:
        """Take where the files go, and the hosts and program that they name."""
        self.root = root
        self._hosts = hosts
        self._engine = engine
        self._whole = False
        self._small = False

    def write(self, password: str) -> None:
        """Write everything that a person would have written."""
        architecture = _ARCHITECTURES[platform.machine()]
        artefact = {
            "version": "1.20.1",
            "source": f"file:{self._engine.path.resolve()}",
            "sha256": {architecture: self._engine.sha256},
        }
        documents: dict[str, Any] = {
            "inventory.yml": inventories.settings(id="bench", mediamtx=artefact, pools=_POOLS),
            "instructions.yml": {"version": 1, "instructions": []},
            "designations.yml": {"version": 1, "designations": [inventories.designation(_PROVINCE, CARRIER)]},
            # Nothing answers there, and nothing asks: every command is limited to the relays.
            f"centres/{CENTRE}.yml": inventories.centre(CENTRE, address=str(self._hosts.subnet[-2])),
        }
        inventories.write_files(self.root, documents | self._varying() | dict(self._facilities()))
        self._write_logins(password)

    def change_whole(self) -> None:
        """Change one camera's stream and one site's key on every relay, and the management networks; or back."""
        self._whole = not self._whole
        inventories.write_files(self.root, self._varying())

    def change_small(self) -> None:
        """Change one stream that is pulled on demand on every relay, or back."""
        self._small = not self._small
        inventories.write_files(self.root, self._varying())

    def add_centre_key(self) -> None:
        """Record a key of the monitoring centre, which is no host here and cannot make one."""
        tolerate = {HOST_KEYS_MISSING, GATEWAY_KEY_MISSING}
        lock = load_inventory(self.root, today=today(), tolerate=tolerate).allocations
        write_lock(self.root, recorded(lock, {CENTRE: {"public_key": inventories.public_key(CENTRE)}}))

    # --- documents ----------------------------------------------------------------------------------
    def _varying(self) -> dict[str, Any]:
        """The files that the change touches, in the present variant."""
        first = {_site(relay, 1): relay for relay in self._hosts.names}
        facilities = {
            _file(site): _facility(site, relay, whole=self._whole, small=self._small) for site, relay in first.items()
        }
        return {f"carriers/{CARRIER}.yml": self._carrier()} | facilities

    def _facilities(self) -> Iterator[tuple[str, Any]]:
        for relay in self._hosts.names:
            for number in range(2, FACILITIES + 1):
                site = _site(relay, number)
                yield _file(site), _facility(site, relay)

    def _carrier(self) -> dict[str, Any]:
        networks = [str(self._hosts.subnet), *([_OTHER_NETWORK] if self._whole else [])]
        relays = [
            inventories.relay(
                name,
                0,
                address=str(self._hosts.addresses[name]),
                ssh={"user": SSH_USER, "host_key": self._hosts.host_keys[name]},
            )
            for name in self._hosts.names
        ]
        return inventories.carrier(CARRIER, centres=[CENTRE], management_networks=networks, relays=relays)

    def _write_logins(self, password: str) -> None:
        login = {"username": "admin", "password": "mật khẩu@:/#?%$G1"}
        devices = {_camera(number): login for number in range(1, CAMERAS + 1)}
        sites = [_site(relay, number) for relay in self._hosts.names for number in range(1, FACILITIES + 1)]
        text = json.dumps(dict.fromkeys(sites, devices), ensure_ascii=False).encode()
        encrypted = encrypt(text, password.encode(), SECRETS_ID)
        inventories.write_files(self.root, {f"secrets/cameras/{_PROVINCE}.yml": encrypted})


def _facility(site: str, relay: str, *, whole: bool = False, small: bool = False) -> Mapping[str, Any]:
    cameras = [inventories.camera(_camera(number), 10 + number) for number in range(1, CAMERAS + 1)]
    cameras[0]["streams"] = {
        "sub": {"width": 640, "height": 360} | ({"rtsp_path": "/other"} if whole else {}),
        "main": {"width": 1920, "height": 1080} | ({"rtsp_path": "/other"} if small else {}),
    }
    key = inventories.public_key(f"{site}-new" if whole else site)
    return inventories.facility(
        site,
        province=_PROVINCE,
        plan={"state": "agreed", "carrier": CARRIER, "relay": relay},
        gateway={"public_key": key, "lan": "192.168.1.0/24", "lan_interface": "br-lan"},
        cameras=cameras,
    )


def _site(relay: str, number: int) -> str:
    return f"kcl-{relay.rpartition('-')[2]}-{number:03}"


def _file(site: str) -> str:
    return f"facilities/{_PROVINCE}/{site}.yml"


def _camera(number: int) -> str:
    return f"cam-{number:02}"
