"""Which names an inventory has, by its files' names: quickly, whatever is wrong in them, and without a vault."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from provisioner.base.regular_file import read_regular
from provisioner.inventory.files.layout import object_files_of
from provisioner.inventory.files.strict_yaml import MAX_BYTES, parse

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Names:
    """Ids and slugs as `--limit` takes them, each in the order of the alphabet."""

    carrier: tuple[str, ...] = ()
    province: tuple[str, ...] = ()
    facility: tuple[str, ...] = ()
    host: tuple[str, ...] = ()


def names_of(root: Path) -> Names:
    """The names in an inventory's folder; of what cannot be read there are none."""
    carriers: set[str] = set()
    provinces: set[str] = set()
    facilities: set[str] = set()
    hosts: set[str] = set()
    for file in object_files_of(root):
        name = file.expected["id"]
        if file.kind == "facility":
            facilities.add(name)
            provinces.add(file.expected["province"])
        elif file.kind == "carrier":
            carriers.add(name)
            hosts.update(_relays(file.path))
        else:
            hosts.add(name)
    return Names(*map(_sorted, (carriers, provinces, facilities, hosts)))


def _sorted(names: set[str]) -> tuple[str, ...]:
    return tuple(sorted(name for name in names if _NAME.fullmatch(name)))


def _relays(path: Path) -> Iterator[str]:
    try:
        value = parse(read_regular(path, most=MAX_BYTES)).value
    except OSError:
        return
    relays = value.get("relays") if isinstance(value, dict) else None
    for relay in relays if isinstance(relays, list) else ():
        if isinstance(relay, dict) and isinstance(relay.get("id"), str):
            yield relay["id"]
