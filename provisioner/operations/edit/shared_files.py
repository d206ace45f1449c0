"""Edits of files that belong to no facility: maintenance windows, designations, relays."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from pathlib import Path

from provisioner.base.errors import InventoryError, Problem, UsageError
from provisioner.base.language import marked
from provisioner.base.text import VIETNAM, counted, did_you_mean, msg, printable
from provisioner.base.vietnamese import fold
from provisioner.desired.limit import Limit
from provisioner.inventory.files.edit import Flow
from provisioner.inventory.files.positions import KeyPath
from provisioner.inventory.geography import match
from provisioner.inventory.loader.load import Loaded
from provisioner.inventory.model.facility import MaintenanceWindow
from provisioner.inventory.model.hosts import Carrier
from provisioner.inventory.model.orders import Designation
from provisioner.inventory.outline import Outline, OutlinedInventory
from provisioner.operations.edit.file_edit import (
    Edits,
    FacilityText,
    FileEdit,
    facility_named,
    frame_of,
    relay_named,
    text_of_file,
)

_WINDOWS = "maintenance.yml"
_DESIGNATIONS = "designations.yml"
Place = tuple[str, str]  #: A cell of a sheet, e.g. `B5`, and its text.
_NEW = b"version: 1\nwindows: []\n"
_LISTS = {"facility": "facilities", "host": "hosts", "carrier": "carriers"}
_LISTED = 20
_SHOWN = 80
NONE = "none"  #: Value that removes a setting of a relay.


@dataclass(frozen=True, slots=True)
class CoveredSite:
    """A carried facility in a window, once, with its relays."""

    facility: str
    relays: tuple[str, ...]
    outside: tuple[str, ...]  #: Its relays whose paths the window does not cover.


@dataclass(frozen=True, slots=True)
class ListedWindow:
    """A window with its number in the file."""

    number: int
    window: MaintenanceWindow
    sites: tuple[CoveredSite, ...]


def window_added(
    edits: Edits, limit: Limit | None, span: tuple[datetime, datetime], reason: str, now: datetime
) -> tuple[FileEdit, int]:
    """Return an edit that adds a window, and its number; no limit means everything.

    Raises `UsageError` for times and objects that do not fit.
    """
    begin, until = (moment.astimezone(VIETNAM).strftime("%Y-%m-%dT%H:%M") for moment in span)
    if span[1] <= max(span[0], now):
        message = msg("a window that ends at {until} is over or never begins", until)
        raise UsageError(message, hint="name its end with --until, or its length with --for, e.g. --for 2h")
    loaded = edits.load()
    values: dict[str, object] = {"from": begin, "until": until, "reason": reason}
    values |= {"everything": True} if limit is None else _objects(loaded, limit)
    count = len(frame_of(loaded).maintenance)
    path = edits.root / _WINDOWS
    is_new = not path.exists()
    text = FacilityText(path, _NEW) if is_new else text_of_file(path)
    changes: dict[KeyPath, object] = {("windows", count): values} if count else {("windows",): [values]}
    edit = edits.edit(loaded, f"window {count + 1}", None if is_new else text.data, text.with_values(changes))
    return edit, count + 1


def _objects(loaded: Loaded, limit: Limit) -> Mapping[str, list[str]]:
    """Return a limit as a window's objects, mixed ones as facilities."""
    inventory = _outlined(loaded)
    limit = limit.of(inventory)
    if not limit.wanted:
        hint = "name them with --limit KIND=NAME, or all with --everything"
        raise UsageError("a window has objects: the facilities, hosts or carriers of the work", hint=hint)
    if len(limit.wanted) == 1 and (key := _LISTS.get(*limit.wanted)):
        (names,) = limit.wanted.values()
        return {key: sorted(names)}
    sites = [site.id for site in loaded.outlines.values() if limit.takes(_names_of(inventory, site))]
    if not sites:
        raise UsageError("no facility is chosen by --limit", hint="kinds are joined by `and`: name fewer")
    return {"facilities": sites}


def _names_of(inventory: OutlinedInventory, site: Outline) -> dict[str, tuple[str, ...]]:
    plans = [plan for plan in (site.plan, site.successor) if plan]
    return {
        "carrier": tuple(plan.carrier for plan in plans),
        "province": (site.province, inventory.province_counted(site)),
        "facility": (site.id,),
        "host": tuple(plan.relay for plan in plans),
    }


def chosen_facilities(
    edits: Edits, names: Sequence[str], limit: Limit, suits: Callable[[Outline], bool]
) -> tuple[str, ...]:
    """Return the named facilities, or those of a limit that suit.

    Raises `UsageError` for an unknown name, or if no facility is chosen.
    """
    loaded = edits.load()
    for name in names:
        facility_named(loaded, name)
    found = tuple(dict.fromkeys(names))
    if limit.wanted:
        inventory = _outlined(loaded)
        limit = limit.of(inventory)
        sites = [site for site in loaded.outlines.values() if not names or site.id in names]
        found = tuple(site.id for site in sites if limit.takes(_names_of(inventory, site)) and suits(site))
    if not found:
        hint = marked("a limit takes open facilities with cameras that still need this; name others by their ids")
        raise UsageError(marked("no facility is chosen"), hint=hint)
    return found


def _outlined(loaded: Loaded) -> OutlinedInventory:
    frame_of(loaded)
    assert loaded.outlined is not None  # noqa: S101 (as the frame)
    return loaded.outlined


def windows_listed(loaded: Loaded) -> tuple[ListedWindow, ...]:
    """Return the windows in the order of the file."""
    inventory = _outlined(loaded)
    sites = partial(_covered_sites, inventory, {name: carrier for name, (carrier, _) in inventory.relays.items()})
    return tuple(
        ListedWindow(number, window, tuple(sites(window))) for number, window in enumerate(inventory.maintenance, 1)
    )


def _covered_sites(
    inventory: OutlinedInventory, carriers: Mapping[str, Carrier], window: MaintenanceWindow
) -> Iterator[CoveredSite]:
    for site in inventory.facilities.values():
        whole = window.everything or site.id in window.facilities
        covered = tuple(relay for relay in site.relays if whole or _covers(window, relay, carriers.get(relay)))
        if covered:
            yield CoveredSite(site.id, covered, tuple(relay for relay in site.relays if relay not in covered))


def _covers(window: MaintenanceWindow, relay: str, carrier: Carrier | None) -> bool:
    hosts = {relay, *(carrier.centres if carrier else ())}
    return not hosts.isdisjoint(window.hosts) or (carrier is not None and carrier.id in window.carriers)


def window_ended(edits: Edits, number: int | None, now: datetime) -> tuple[FileEdit, MaintenanceWindow]:
    """Return an edit without a window, and the window; or raise `UsageError`.

    Without a number it is the only open one.
    """
    loaded = edits.load()
    windows = frame_of(loaded).maintenance
    if number is None:
        open_ones = [n for n, window in enumerate(windows, 1) if window.is_open(now)]
        if len(open_ones) != 1:
            numbers = ", ".join(map(str, open_ones[:_LISTED]))
            message = msg("{count} windows are open now: {numbers}", len(open_ones), numbers)
            message = message if open_ones else msg("no window is open now")
            raise UsageError(message, hint="name its number: provisioner maintenance list")
        number = open_ones[0]
    if not 1 <= number <= len(windows):
        raise UsageError(msg("there is no window number {number}", number), hint="see provisioner maintenance list")
    text = text_of_file(edits.root / _WINDOWS)
    edit = edits.edit(loaded, f"window {number}", text.data, text.without(("windows", number - 1)))
    return edit, windows[number - 1]


# --- designations ----------------------------------------------------------------------------------
def designated(edits: Edits, province: str, values: Mapping[str, object]) -> FileEdit:
    """Return an edit that adds a designation, or raise `InventoryError`."""
    loaded = edits.load()
    count = len(frame_of(loaded).designations)
    row = {name: value for name, value in values.items() if value is not None}
    text = text_of_file(edits.root / _DESIGNATIONS)
    changes: dict[KeyPath, object] = {("designations", count): Flow(row)} if count else {("designations",): [row]}
    return edits.edit(loaded, province, text.data, text.with_values(changes))


def annexed(edits: Edits, file: Path, annex: Iterable[tuple[Place, Place]], values: Mapping[str, object]) -> FileEdit:
    """Return an edit that adds the designations of an annex's cells.

    Designations that are in force already are left out. Raises `InventoryError` with each cell that names no province
    or no carrier.
    """
    loaded = edits.load()
    base_inventory, own = frame_of(loaded), {name: value for name, value in values.items() if value is not None}
    scheme, since = str(own.get("province_scheme", base_inventory.settings.province_scheme)), str(own["since"])
    rows, wrong = list[dict[str, object]](), list[str]()
    for province, carrier in annex:
        unit, names = match(province[1], scheme), _carriers_in(base_inventory.carriers, carrier[1])
        if unit is None:
            wrong.append(msg("cell {place} names no province of {scheme}", province[0], scheme))
        elif not names:
            wrong.append(msg("cell {place} names no carrier of this inventory", carrier[0]))
        else:
            rows += [{"province": unit.slug, "carrier": name, **own} for name in names]
    if wrong:
        hint = msg("correct these cells; carriers of this inventory: {names}", ", ".join(base_inventory.carriers))
        problems = tuple(Problem(str(file), 0, 0, "annex-cell", message) for message in wrong)
        raise InventoryError(
            msg("{cells} cannot be read; no file is written", counted(len(wrong), "cell")), problems=problems, hint=hint
        )
    if not rows:
        hint = marked("its sheet has a column of provinces and one of carriers (Doanh nghiệp), an id or a name each")
        raise InventoryError(msg("{file} is no annex of designations; nothing is written", str(file)), hint=hint)
    known = {
        (row.province, row.carrier)
        for row in base_inventory.designations
        if str(row.since) <= since and (row.until is None or str(row.until) >= since)
    }
    new = [row for row in rows if (row["province"], row["carrier"]) not in known]
    text, count = text_of_file(edits.root / _DESIGNATIONS), len(base_inventory.designations)
    changes: dict[KeyPath, object] = {("designations", count + n): Flow(row) for n, row in enumerate(new)}
    changes = changes if count else {("designations",): new}
    return edits.edit(loaded, "designations", text.data, text.with_values(changes) if new else text)


def _carriers_in(carriers: Mapping[str, Carrier], text: str) -> list[str]:
    """Return the carriers that a cell names; empty if one is unknown."""
    by_name = {fold(name): one.id for one in carriers.values() for name in (one.id, one.name)}
    names = [fold(part) for part in re.split(r"[,;/&\n]| và ", text)]
    return list(dict.fromkeys(by_name[name] for name in names)) if by_name.keys() >= set(names) else []


def designation_ended(edits: Edits, province: str, carrier: str, day: date) -> FileEdit:
    """Return an edit that ends a designation, or raise `UsageError`."""
    loaded = edits.load()
    rows = frame_of(loaded).designations
    named = [(n, row) for n, row in enumerate(rows) if (row.province, row.carrier) == (province, carrier)]
    found = [n for n, row in named if row.since <= day and (row.until is None or row.until >= day)]
    if len(found) != 1:
        listed = sorted({f"{row.province} {row.carrier}" for row in rows})
        wanted = f"{printable(province, _SHOWN)} {printable(carrier, _SHOWN)}"
        message = msg("no single designation of {wanted} is in force on {day}", wanted, day)
        spans = [_span_of(row) for _, row in named]
        hint = msg("its days: {spans}; name one of them with --on", "; ".join(spans))
        hint = hint if spans else did_you_mean(wanted, listed, f"there are {', '.join(listed[:_LISTED])}")
        raise UsageError(message, hint=hint)
    text = text_of_file(edits.root / _DESIGNATIONS)
    return edits.edit(
        loaded, province, text.data, text.with_values({("designations", found[0], "until"): day.isoformat()})
    )


def _span_of(row: Designation) -> str:
    return msg("{since} to {until}", row.since, row.until) if row.until else msg("from {since} on", row.since)


# --- relays ----------------------------------------------------------------------------------------
def relay_changed(edits: Edits, relay: str, values: Mapping[str, object]) -> FileEdit:
    """Return an edit of a relay's settings; `none` removes one."""
    loaded = edits.load()
    carrier, index = relay_named(frame_of(loaded), relay)
    text, at = text_of_file(edits.root / "carriers" / f"{carrier.id}.yml"), ("relays", index)
    after = text.without(*((*at, key) for key, value in values.items() if value == NONE))
    after = after.with_values({(*at, key): value for key, value in values.items() if value != NONE})
    return edits.edit(loaded, relay, text.data, after)
