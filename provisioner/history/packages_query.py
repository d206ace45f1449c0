"""Which packages of sites were handed out and installed, by the runs that say so; read with care."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from typing import Final

from sqlalchemy import Connection, select

from provisioner.history.records import OF_PACKAGES, EntryKind, Operation
from provisioner.history.rows import DAMAGE, entry_content, plain_object, unpacked
from provisioner.history.tables import documents, entries, moment, stored
from provisioner.lifecycle.evidence import Shown
from provisioner.lifecycle.site_packages import HandedPackage, NamedRelay, PackageRecord

_SHOWN: Final = 63
_BY: Final = "user"


def package_records(connection: Connection, inventory: str) -> tuple[dict[str, PackageRecord], tuple[str, ...]]:
    """What is recorded of each site's packages, and the runs whose word on it cannot be read."""
    handed: dict[str, list[HandedPackage]] = defaultdict(list)
    installed: dict[str, list[tuple[Shown, str]]] = defaultdict(list)
    damaged = []
    kinds = entries.c.operation.in_(sorted(kind.value for kind in OF_PACKAGES))
    ended = entries.c.inventory == inventory, kinds, entries.c.step == EntryKind.ENDED.value
    own = documents.c.inventory == entries.c.inventory, documents.c.run == entries.c.run
    columns = (stored(entries.c.number), stored(entries.c.run), stored(entries.c.at), stored(entries.c.content))
    query = select(*columns, stored(documents.c.packed)).where(*ended, *own).order_by(entries.c.at, entries.c.number)
    for number, run, at, content, packed in connection.execute(query):
        try:
            entry = entry_content(content, number)
            shown = Shown(moment(at), str(run))  # type: ignore[arg-type]
            of_sites = plain_object(unpacked(packed))["packages"]
            for facility, said in _items(of_sites):
                if entry["operation"] == Operation.INSTALLED.value:
                    installed[facility].append((shown, _text(said["digest"])))
                else:
                    _add(handed[facility], _handed(shown, str(entry["who"].get(_BY, "")), said))
        except DAMAGE:
            damaged.append(str(run)[:_SHOWN])
    names = sorted(handed.keys() | installed.keys())
    return {one: PackageRecord(tuple(handed[one]), tuple(installed[one])) for one in names}, tuple(damaged)


def _add(packages: list[HandedPackage], one: HandedPackage) -> None:
    if not packages or packages[-1].digest != one.digest:
        packages.append(one)
    elif packages[-1].until is not None:
        # The same once more: who has the later one may install it for longer.
        until = None if one.until is None else max(one.until, packages[-1].until)
        packages[-1] = replace(packages[-1], until=until)


def _handed(shown: Shown, by: str, said: Mapping[str, object]) -> HandedPackage:
    relays = said["relays"]
    if not isinstance(relays, list):
        raise TypeError("a package lists its relays")
    named = tuple(NamedRelay(*(_text(relay[name]) for name in NamedRelay._fields)) for relay in relays)
    # Left out of what was recorded before packages had an end, and of those that have none.
    until = date.fromisoformat(_text(said["valid_until"])) if said.get("valid_until") is not None else None
    return HandedPackage(shown, by, named, _text(said["digest"]), said["takes_down"] is True, until)


def _items(value: object) -> Iterator[tuple[str, Mapping[str, object]]]:
    if not isinstance(value, dict):
        raise TypeError("packages are by facility")
    for facility, said in value.items():
        if not isinstance(said, dict):
            raise TypeError("a package says something")
        yield facility, said


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise TypeError("this is a text")
    return value
