"""Factories of inventories, as plain values and as files; every test changes what it is about."""

import base64
import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from provisioner.base.errors import Problem
from provisioner.inventory import rules
from provisioner.inventory.files.edit import Flow, edited
from provisioner.inventory.files.positions import Places
from provisioner.inventory.files.yaml import parse
from provisioner.inventory.loader.load import load, valid_inventory
from provisioner.inventory.loader.site import validated
from provisioner.inventory.model.facility import Facility, Party, Survey
from provisioner.inventory.model.hosts import Allocations
from provisioner.inventory.model.inventory import Inventory
from provisioner.inventory.signed import signed_content

TODAY = date(2021, 5, 9)
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"


@dataclass(frozen=True)
class WholeFacilities:
    """Loaded facilities as a `FacilityReader`."""

    by_id: Mapping[str, Facility]

    def name(self, facility: str, /) -> str:
        """Return its name."""
        return self.by_id[facility].name

    def survey(self, facility: str, /) -> Survey | None:
        """Return its survey."""
        return self.by_id[facility].survey

    def facility(self, facility: str, /) -> Facility:
        """Return the whole facility."""
        return self.by_id[facility]


def load_inventory(root: Path, *, today: date, tolerate: Collection[str] = ()) -> Inventory:
    """A valid inventory; of another one the error has every problem."""
    return valid_inventory(load(root, today=today), root, tolerate=tolerate)


def public_key(name: str) -> str:
    """A key that has the form of a WireGuard key."""
    return base64.b64encode(hashlib.sha256(name.encode()).digest()).decode()


def key_blob(kind: str) -> str:
    """The inside of an SSH public key of a kind, in base64; the key itself is invented."""
    return base64.b64encode(len(kind).to_bytes(4, "big") + kind.encode() + (64).to_bytes(4, "big") + b"k" * 64).decode()


def settings(**changes: Any) -> dict[str, Any]:
    pools = {"centres": "10.90.0.0/24", "carriers": {"viettel": "10.91.0.0/16", "vnpt": "10.92.0.0/16"}}
    artefact = {"version": "1.20.1", "sha256": {"amd64": "0" * 64}}
    plain = {"version": 1, "id": "test", "province_scheme": "gso-2021", "pools": pools, "mediamtx": artefact}
    return plain | changes


def relay(name: str, number: int, **changes: Any) -> dict[str, Any]:
    ssh = {"user": "deploy", "host_key": HOST_KEY}
    return {"id": name, "address": f"203.0.113.{number}", "ssh": ssh} | changes


def carrier(name: str = "viettel", number: int = 11, **changes: Any) -> dict[str, Any]:
    plain = {
        "version": 1,
        "id": name,
        "name": name,
        "management_networks": ["198.51.100.0/27"],
        "centres": ["centre"],
        "relays": [relay(f"relay-{name}-1", number)],
    }
    return plain | changes


def centre(name: str = "centre", number: int = 31, **changes: Any) -> dict[str, Any]:
    ssh = {"user": "deploy", "host_key": HOST_KEY}
    return {"version": 1, "id": name, "name": name, "address": f"203.0.113.{number}", "ssh": ssh} | changes


def camera(name: str = "cam-01", host: int = 11, **changes: Any) -> dict[str, Any]:
    plain = {
        "id": name,
        "zone": "cong",
        "make": "hikvision",
        "address": f"192.168.1.{host}",
        "streams": {"sub": {"width": 640, "height": 360}},
    }
    return {key: value for key, value in (plain | changes).items() if value is not None}


def channel(name: str, number: int, recorder: str = "nvr-01", **changes: Any) -> dict[str, Any]:
    return camera(name, make=None, address=None, recorder=recorder, channel=number, **changes)


def recorder(name: str = "nvr-01", host: int = 20, **changes: Any) -> dict[str, Any]:
    return {"id": name, "make": "hikvision", "address": f"192.168.1.{host}"} | changes


def facility(name: str = "kcl-bg-001", **changes: Any) -> dict[str, Any]:
    plain = {
        "version": 1,
        "id": name,
        "province": "bac-giang",
        "name": "Trường Ví Dụ",
        "kind": "school",
        "managing_body": "ubnd_tinh",
        "operating": "open",
        "plan": {"state": "agreed", "carrier": "viettel", "relay": "relay-viettel-1"},
        "gateway": {"public_key": public_key(name), "lan": "192.168.1.0/24", "lan_interface": "br-lan"},
        "survey": survey(),
        "cameras": [camera()],
    }
    return signed(plain | changes)


def survey(**changes: Any) -> dict[str, Any]:
    counts = {"present": 1, "fit": 1, "missing": 0}
    plain = {"surveyed_on": "2021-05-07", "by": ["dic", "carrier"], "uplink": {"kind": "fibre"}, "cameras": counts}
    return plain | {"verdict": "ready"} | changes


def signed(plain: dict[str, Any]) -> dict[str, Any]:
    """A facility whose agreed plans are signed by all three; what is no facility stays as it is."""
    try:
        found = Facility.model_validate_json(json.dumps(plain))
    except ValidationError:
        return plain
    plans = {"plan": found.plan, "successor": found.successor}
    return plain | {
        key: plain[key] | {"sign_offs": sign_offs(signed_content(found, plan))}
        for key, plan in plans.items()
        if plan and plan.agreed
    }


def sign_file(path: Path) -> None:
    """Let all three agree anew to what a facility's file says."""
    path.write_text(signed_text(path.read_text(encoding="utf-8")), encoding="utf-8")


def signed_text(text: str) -> str:
    """A facility file's text with its agreed plans signed by all three."""
    data = text.encode()
    found: Facility = validated(Facility, parse(data).value)
    plans = {"plan": found.plan, "successor": found.successor}
    new: dict[tuple[str | int, ...], Any] = {
        (key, "sign_offs"): [Flow(item) for item in sign_offs(signed_content(found, plan))]
        for key, plan in plans.items()
        if plan and plan.agreed
    }
    return edited(data, new).decode()


def sign_offs(content: str) -> list[dict[str, str]]:
    return [{"by": p.value, "signed_on": "2021-05-08", "content": content, "source": "invented"} for p in Party]


def designation(province: str = "bac-giang", carrier: str = "viettel", **changes: Any) -> dict[str, Any]:
    return {"province": province, "carrier": carrier, "since": "2021-05-06", "source": "invented"} | changes


def inventory(**changes: Any) -> Inventory:
    """An inventory from plain values; lists of objects become mappings by id."""
    plain: dict[str, Any] = {
        "settings": settings(),
        "instructions": [],
        "designations": [designation(), designation("quang-nam", "vnpt")],
        "carriers": [carrier()],
        "centres": [centre()],
        "facilities": [facility()],
        "allocations": {},
    }
    plain |= changes
    for listing in ("carriers", "centres", "facilities"):
        plain[listing] = {item["id"]: item for item in sorted(plain[listing], key=lambda item: str(item["id"]))}
    return Inventory.model_validate_json(json.dumps(plain))


def with_lock(found: Inventory, lock: Allocations) -> Inventory:
    return found.model_copy(update={"allocations": lock})


def check(found: Inventory, *, today: date = TODAY) -> tuple[Problem, ...]:
    """Hold an inventory against every rule."""
    return rules.check(found, Places({}), today)


def write_inventory(root: Path, files: Mapping[str, Any] | None = None) -> Path:
    """Write an inventory's files as JSON, which is YAML; `files` replaces, or with None removes, some."""
    plain: dict[str, Any] = {
        "inventory.yml": settings(),
        "instructions.yml": {"version": 1, "instructions": []},
        "designations.yml": {"version": 1, "designations": [designation()]},
        "carriers/viettel.yml": carrier(),
        "carriers/vnpt.yml": carrier("vnpt", 21),
        "centres/centre.yml": centre(),
        "facilities/bac-giang/kcl-bg-001.yml": facility(),
    }
    return write_files(root, plain | dict(files or {}))


def write_files(root: Path, files: Mapping[str, Any]) -> Path:
    """Write some files of an inventory; None leaves one out."""
    for name, value in files.items():
        if value is None:
            continue
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(value, bytes):
            path.write_bytes(value)
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            path.write_text(text, encoding="utf-8")
    return root
