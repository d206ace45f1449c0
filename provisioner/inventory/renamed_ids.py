"""Renamed ids (`moved` in inventory.yml), and next free ids. Pure.

A site's address, ports, pre-shared key and logins belong to the site: they move to the new id and leave no tombstone.
Paths differ. MediaMTX cannot rename a path: under a new name it is a new path, and readers of the old one are cut. So
relays serve both names while the entry exists, each with its own source. That costs a second session with each camera.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, TypeVar

from provisioner.inventory.model.hosts import Allocations, SiteAllocation, Tombstone
from provisioner.inventory.model.policy import Move
from provisioner.inventory.model.secrets import CarrierSecrets, Secrets

DEVICE_DIGITS: Final = 2  #: Minimum number of digits in ids of cameras and recorders.
_FACILITY_DIGITS: Final = 3
T = TypeVar("T")
_FACILITY, _DEVICE = 2, 3


def old_names(moves: Sequence[Move], name: str) -> tuple[str, ...]:
    """Return a path's former names, latest first."""
    names: list[str] = []
    current = name
    while move := _latest(moves, current):
        current = move.old + current[len(move.new) :]
        if current in names or current == name:
            break  # a circle, which the rules report
        names.append(current)
    return tuple(names)


def _latest(moves: Sequence[Move], name: str) -> Move | None:
    """Return the move with the longest prefix: a device's before its facility's."""
    fitting = [m for m in moves if (name == m.new or name.startswith(m.new + "/")) and _is_of_one_kind(m)]
    return max(fitting, key=lambda move: len(move.new), default=None)


def _is_of_one_kind(move: Move) -> bool:
    return len(_parts(move.old)) == len(_parts(move.new))


def old_facilities(moves: Sequence[Move], facility: str) -> tuple[str, ...]:
    """Return a facility's former ids, latest first."""
    before = {
        _parts(m.new)[1]: _parts(m.old)[1] for m in moves if len(_parts(m.new)) == len(_parts(m.old)) == _FACILITY
    }
    return _earlier_names(before, facility)


def old_devices(moves: Sequence[Move], facility: str, device: str) -> tuple[str, ...]:
    """Return a device's former ids, latest first."""
    facility_ids = {facility, *old_facilities(moves, facility)}
    renames = [
        move
        for move in moves
        if len(_parts(move.new)) == len(_parts(move.old)) == _DEVICE and _parts(move.new)[1] in facility_ids
    ]
    return _earlier_names({_parts(move.new)[2]: _parts(move.old)[2] for move in renames}, device)


def _parts(prefix: str) -> list[str]:
    return prefix.split("/")


def _earlier_names(before: Mapping[str, str], name: str) -> tuple[str, ...]:
    names: list[str] = []
    while (name := before.get(name, "")) and name not in names:
        names.append(name)
    return tuple(names)


# --- the lock -------------------------------------------------------------------------------------
def moved_lock(lock: Allocations, moves: Sequence[Move], devices: Mapping[str, Collection[str]]) -> Allocations:
    """Return the lock with moved entries under new ids; unchanged if possible."""
    old_ids = {name: old for name in devices if (old := _old_id_of(lock.sites, moves, name, devices))}
    sites: dict[str, SiteAllocation] = {}
    renamed = {old: new for new, old in old_ids.items()}
    for name, site in lock.sites.items():
        new = renamed.get(name, name)
        sites[new] = _renamed_ports(site, moves, new, devices.get(new, ()))
    if list(sites.items()) == list(lock.sites.items()):
        return lock
    tombstones = tuple(_renamed_stone(tombstone, renamed) for tombstone in lock.tombstones)
    marks = tuple(_renamed_mark(mark, renamed) for mark in lock.protected)
    return lock.model_copy(update={"sites": dict(sorted(sites.items())), "tombstones": tombstones, "protected": marks})


def _old_id_of(
    entries: Mapping[str, object], moves: Sequence[Move], name: str, existing: Collection[str]
) -> str | None:
    if name in entries:
        return None
    return next((old for old in old_facilities(moves, name) if old in entries and old not in existing), None)


def _renamed_ports(
    site: SiteAllocation, moves: Sequence[Move], facility: str, devices: Collection[str]
) -> SiteAllocation:
    ports = dict(sorted(_with_renamed_devices(site.ports, moves, facility, devices).items()))
    onvif_ports = dict(sorted(_with_renamed_devices(site.device_onvif_ports, moves, facility, devices).items())) or None
    numbers = dict(sorted(_with_renamed_devices(site.device_numbers, moves, facility, devices).items())) or None
    if (ports, onvif_ports, numbers) == (site.ports, site.onvif_ports, site.numbers):
        return site
    return site.model_copy(update={"ports": ports, "onvif_ports": onvif_ports, "numbers": numbers})


def _renamed_stone(tombstone: Tombstone, renamed: Mapping[str, str]) -> Tombstone:
    pool, owner = (_renamed_site(text, renamed) for text in (tombstone.pool, tombstone.object))
    return tombstone.model_copy(update={"pool": pool, "object": owner})


def _renamed_site(text: str, renamed: Mapping[str, str]) -> str:
    parts = text.split("/")
    return "/".join([parts[0], renamed.get(parts[1], parts[1]), *parts[2:]]) if parts[0] == "site" else text


def _renamed_mark(mark: str, renamed: Mapping[str, str]) -> str:
    kind, _, name = mark.partition("/")
    return f"{kind}/{renamed.get(name, name)}" if kind == "facility" else mark


# --- secrets --------------------------------------------------------------------------------------
def moved_secrets(secrets: Secrets, moves: Sequence[Move], devices: Mapping[str, Collection[str]]) -> Secrets:
    """Return the secrets with moved entries under new ids."""
    if not moves:
        return secrets
    cameras = _moved_logins(secrets.cameras, moves, devices)
    of_carriers = {name: _moved_logins(logins, moves, devices) for name, logins in secrets.carrier_cameras.items()}
    carriers = {name: _moved_carrier(carrier, moves, devices) for name, carrier in secrets.carriers.items()}
    return secrets.model_copy(update={"cameras": cameras, "carrier_cameras": of_carriers, "carriers": carriers})


def _moved_logins(
    by_facility: Mapping[str, Mapping[str, T]], moves: Sequence[Move], devices: Mapping[str, Collection[str]]
) -> dict[str, dict[str, T]]:
    cameras = _renamed(by_facility, moves, devices)
    return {name: _with_renamed_devices(logins, moves, name, devices.get(name, ())) for name, logins in cameras.items()}


def _with_renamed_devices(
    logins: Mapping[str, T], moves: Sequence[Move], facility: str, devices: Collection[str]
) -> dict[str, T]:
    renamed = dict(logins)
    for device in sorted(set(devices) - set(renamed)):
        old = next((o for o in old_devices(moves, facility, device) if o in renamed and o not in devices), None)
        if old:
            renamed[device] = renamed.pop(old)
    return renamed


def _moved_carrier(
    carrier: CarrierSecrets, moves: Sequence[Move], devices: Mapping[str, Collection[str]]
) -> CarrierSecrets:
    psks, following = _renamed(carrier.site_psks, moves, devices), _renamed(carrier.next_psks, moves, devices)
    return carrier.model_copy(update={"site_psks": psks, "next_psks": following})


def _renamed(values: Mapping[str, T], moves: Sequence[Move], existing: Collection[str]) -> dict[str, T]:
    new_ids = {old: name for name in existing if (old := _old_id_of(values, moves, name, existing))}
    return {new_ids.get(name, name): value for name, value in values.items()}


def moved_owner(owners: Mapping[str, str], moves: Sequence[Move], existing: Collection[str]) -> dict[str, str]:
    """Return the files of facilities' logins, by new id."""
    return _renamed(owners, moves, existing)


# --- the next free id ------------------------------------------------------------------------------
def facility_prefix(province: str) -> str:
    """Return `kcl-` and the initials of a province's slug."""
    return "kcl-" + "".join(syllable[0] for syllable in province.split("-"))


def next_facility(province: str, used: Iterable[str]) -> str:
    """Return the id of a province's next facility; `used` includes retired ids."""
    return next_free(facility_prefix(province), _FACILITY_DIGITS, used)


def next_free(prefix: str, digits: int, used: Iterable[str]) -> str:
    """Return `prefix-NNN` after the highest used number; gaps may be retired ids."""
    pattern = re.compile(rf"{re.escape(prefix)}-([0-9]{{1,9}})")
    numbers = [int(match[1]) for name in used if (match := pattern.fullmatch(name))]
    return f"{prefix}-{max(numbers, default=0) + 1:0{digits}}"
