"""A seeded generator of inventories: `python -m tests.bench.fleet DIR CAMERAS SEED`.

It writes what people, `allocate` and `keys init` would have written, in the form of inventories/example:
about ten cameras a facility, two carriers, enough relays for the paths, every login and key in the vault.
"""

import random
import sys
from collections.abc import Iterator, Mapping
from datetime import date
from hashlib import sha256
from math import ceil
from pathlib import Path
from typing import Any, Final

from provisioner.base.secret import Secret
from provisioner.base.vault import SECRETS_ID, VaultPasswords, encrypt
from provisioner.inventory.files.edit import render_mapping, write_lock
from provisioner.inventory.geography import provinces
from provisioner.inventory.loader.secrets import write_carrier_secrets, write_inventory_secrets
from provisioner.inventory.model.inventory import Inventory
from provisioner.inventory.model.secrets import InventorySecrets
from provisioner.inventory.rules.lock import ALLOCATION_MISSING, HOST_KEYS_MISSING
from tests import fleets, inventories
from tests.inventories import load_inventory

PASSWORD_FILE: Final = "vault-password"
TODAY: Final = date(2021, 5, 9)
_PASSWORD: Final = "bench"
_PROGRAM: Final = b"a stand-in for the program: nothing here runs it\n"
_CARRIERS: Final = ("viettel", "vnpt")
_PROVINCES: Final = ("bac-giang", "bac-ninh", "hai-duong", "ha-nam", "vinh-phuc", "quang-nam", "da-nang", "long-an")
_MAKES: Final = ("hikvision", "dahua", "kbvision", "imou", "uniview", "axis", "ezviz")
_ZONES: Final = ("hanh_lang", "sanh_tang", "san", "lay_mau", "tiep_don", "nhan_do", "cong")
_KINDS: Final = ("school", "dormitory", "hotel", "barracks")
_MAX_PATHS: Final = 1000
_FILL: Final = 0.8
_CAMERAS: Final = (6, 14)


def generate(root: Path, cameras: int, seed: int) -> None:
    """Write an inventory of exactly so many cameras into `root`, and the vault's password beside it."""
    chance = random.Random(seed)  # noqa: S311 (the same inventory for the same seed is the point)
    sizes = list(_sizes(chance, cameras))
    relays = _relays(cameras)
    facilities = [_Facility(chance, number, size, relays) for number, size in enumerate(sizes, start=1)]
    _write_settings(root, relays)
    for facility in facilities:
        path = root / "facilities" / facility.province / f"{facility.id}.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(facility.text, encoding="utf-8")
    root.with_name(PASSWORD_FILE).write_text(_PASSWORD, encoding="ascii")
    _complete(root, facilities)


def _sizes(chance: random.Random, cameras: int) -> Iterator[int]:
    while cameras > 0:
        size = min(chance.randint(*_CAMERAS), cameras)
        cameras -= size
        yield size


def _relays(cameras: int) -> dict[str, list[str]]:
    """Each carrier's relays: two paths a camera at most, and every relay filled to four fifths."""
    each = max(1, ceil(cameras * 2 / (_MAX_PATHS * _FILL) / len(_CARRIERS)))
    return {carrier: [f"relay-{carrier}-{n}" for n in range(1, each + 1)] for carrier in _CARRIERS}


# --- one facility ---------------------------------------------------------------------------------
class _Facility:
    """One facility's file and logins: one in two has a recorder, the others' cameras stand alone."""

    def __init__(self, chance: random.Random, number: int, cameras: int, relays: Mapping[str, list[str]]) -> None:
        self.province = _PROVINCES[number % len(_PROVINCES)]
        self.id = f"kcl-{number:05}"
        carrier = _CARRIERS[number % len(_PROVINCES) % len(_CARRIERS)]
        listed = relays[carrier]
        relay = listed[number // len(_CARRIERS) % len(listed)]
        with_recorder = chance.random() < 0.5
        self.devices = ["nvr-01"] if with_recorder else [f"cam-{n:02}" for n in range(1, cameras + 1)]
        self.logins = {device: _login(chance) for device in self.devices}
        head = _HEAD.format(
            id=self.id,
            province=self.province,
            number=number,
            kind=chance.choice(_KINDS),
            carrier=carrier,
            relay=relay,
            key=inventories.public_key(self.id),
        )
        recorders = _RECORDERS.format(make=chance.choice(_MAKES)) if with_recorder else ""
        self.text = head + recorders + "cameras:\n" + "".join(_cameras(chance, cameras, recorder=with_recorder))
        self.text = inventories.signed_text(self.text)


_HEAD: Final = """\
version: 1
id: {id}
province: {province}
name: Trường THPT Ví Dụ {number}
kind: {kind}
managing_body: ubnd_tinh
operating: open
survey:
  surveyed_on: 2021-05-07
  by: [dic, carrier]
  uplink: {{ kind: fibre, upload_mbps: 40, address: dynamic }}
  cameras: {{ present: 10, fit: 10, missing: 0 }}
  verdict: ready
plan:
  state: agreed
  carrier: {carrier}
  relay: {relay}
gateway:
  public_key: {key}
  lan: 192.168.1.0/24
  lan_interface: br-lan
"""
_RECORDERS: Final = """\
recorders:
  - {{ id: nvr-01, make: {make}, address: 192.168.1.20 }}
"""


def _cameras(chance: random.Random, count: int, *, recorder: bool) -> Iterator[str]:
    for number in range(1, count + 1):
        yield f"  - id: cam-{number:02}\n    zone: {chance.choice(_ZONES)}\n"
        if recorder:
            yield f"    recorder: nvr-01\n    channel: {number}\n"
        else:
            yield f"    make: {chance.choice(_MAKES)}\n    address: 192.168.1.{30 + number}\n"
        yield "    streams:\n      sub: { width: 640, height: 360 }\n"
        if chance.random() < 0.8:
            yield "      main: { width: 1920, height: 1080 }\n"


def _login(chance: random.Random) -> dict[str, str]:
    return {"username": "admin", "password": "".join(chance.choices("abcdefghkmnpqrstuvwxyz23456789@:/#?%$", k=12))}


# --- the rest of the folder -----------------------------------------------------------------------
def _write_settings(root: Path, relays: Mapping[str, list[str]]) -> None:
    root.mkdir(parents=True, exist_ok=True)
    known = {province.slug for province in provinces("gso-2021")}
    assert set(_PROVINCES) <= known
    program = root.with_name("mediamtx")
    program.write_bytes(_PROGRAM)
    artefact = {"version": "1.20.1", "source": f"file:{program}", "sha256": {"amd64": sha256(_PROGRAM).hexdigest()}}
    documents: dict[str, dict[str, Any]] = {
        "inventory.yml": inventories.settings(mediamtx=artefact),
        "instructions.yml": {"version": 1, "instructions": []},
        "designations.yml": {"version": 1, "designations": list(_designations())},
        "centres/centre.yml": inventories.centre(),
    }
    for index, carrier in enumerate(_CARRIERS):
        listed = [_relay(name, index, number) for number, name in enumerate(relays[carrier], start=1)]
        documents[f"carriers/{carrier}.yml"] = inventories.carrier(carrier, relays=listed)
    inventories.write_files(root, documents)


def _designations() -> Iterator[dict[str, Any]]:
    for index, province in enumerate(_PROVINCES):
        yield inventories.designation(province, _CARRIERS[index % len(_CARRIERS)])


def _relay(name: str, carrier: int, number: int) -> dict[str, Any]:
    return inventories.relay(name, number, address=f"198.18.{carrier}.{number}", max_paths=_MAX_PATHS)


def _complete(root: Path, facilities: list[_Facility]) -> None:
    """Add the lock and the encrypted half."""
    bare = load_inventory(root, today=TODAY, tolerate={ALLOCATION_MISSING, HOST_KEYS_MISSING})
    inventory = fleets.complete(bare)
    write_lock(root, inventory.allocations)
    passwords = VaultPasswords((("default", root.with_name(PASSWORD_FILE)),))
    _write_made_secrets(root, inventory, passwords)
    by_province: dict[str, dict[str, Any]] = {}
    for facility in facilities:
        by_province.setdefault(facility.province, {})[facility.id] = facility.logins
    for province, logins in by_province.items():
        path = root / f"secrets/cameras/{province}.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(encrypt(render_mapping(logins).encode(), _PASSWORD.encode(), SECRETS_ID), encoding="ascii")


def _write_made_secrets(root: Path, inventory: Inventory, passwords: VaultPasswords) -> None:
    secrets = fleets.secrets_of(inventory)
    for carrier, found in secrets.carriers.items():
        write_carrier_secrets(root, carrier, found, passwords)
    write_inventory_secrets(root, InventorySecrets(digest_key=Secret("bench")), passwords)


if __name__ == "__main__":
    generate(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
