"""Edits of files, checked against all rules before they are written.

Names for completion come from file names: quickly, without the vault, whatever the files' errors.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from difflib import unified_diff
from itertools import chain
from pathlib import Path

from provisioner.base.errors import InventoryError, LockedError, Problem, Severity, UsageError
from provisioner.base.files import read_regular, write_atomic
from provisioner.base.text import counted, did_you_mean, msg, printable
from provisioner.base.vietnamese import clean
from provisioner.inventory import rules
from provisioner.inventory.allocation import devices_of
from provisioner.inventory.files.edit import EditError, edited, removed, renamed
from provisioner.inventory.files.layout import File, file_at, object_files_of
from provisioner.inventory.files.positions import KeyPath, Places, SourceFile
from provisioner.inventory.files.yaml import MAX_BYTES, parse
from provisioner.inventory.loader.cache import cache_of
from provisioner.inventory.loader.load import Loaded, check, load, with_file
from provisioner.inventory.loader.site import read, site_of
from provisioner.inventory.model.base import Model, inner_model, use_of
from provisioner.inventory.model.devices import Camera, Recorder, device_of
from provisioner.inventory.model.facility import Facility
from provisioner.inventory.model.free_texts import text_keys
from provisioner.inventory.model.hosts import Carrier
from provisioner.inventory.model.inventory import BaseInventory
from provisioner.inventory.rules.plans import SIGN_OFFS, UNFINISHED
from provisioner.inventory.rules.view import without_consequences

_SHOWN = 80
_ID_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_CONTEXT = 1


@dataclass(frozen=True, slots=True)
class Names:
    """Ids and slugs for `--limit`, sorted."""

    carrier: tuple[str, ...] = ()
    province: tuple[str, ...] = ()
    facility: tuple[str, ...] = ()
    host: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FacilityText:
    """A facility file's bytes during an edit."""

    path: Path
    data: bytes

    def with_values(self, changes: Mapping[KeyPath, object]) -> FacilityText:
        """Return the file with values set, or raise `InventoryError`."""
        try:
            return FacilityText(self.path, edited(self.data, changes))
        except EditError as error:
            raise self._refusal(error) from error

    def without(self, *key_paths: KeyPath) -> FacilityText:
        """Return the file without entries, if present, or raise `InventoryError`."""
        try:
            data = self.data
            for key_path in key_paths:
                data = removed(data, key_path)
        except EditError as error:
            raise self._refusal(error) from error
        return FacilityText(self.path, data)

    def with_key(self, key_path: KeyPath, name: str) -> FacilityText:
        """Return the file with an entry's key renamed, or raise `InventoryError`."""
        try:
            return FacilityText(self.path, renamed(self.data, key_path, name))
        except EditError as error:
            raise self._refusal(error) from error

    def _refusal(self, error: EditError) -> InventoryError:
        hint = "edit it by hand; `provisioner validate` says whether it is right"
        return InventoryError(f"{self.path} cannot be edited: {error}", hint=hint)


@dataclass(frozen=True, slots=True)
class FileEdit:
    """An edit of a file."""

    facility: str  #: The facility; of another file its object, e.g. a relay.
    path: Path
    before: bytes | None  #: Its present content; `None` for a new file.
    after: bytes
    warnings: tuple[Problem, ...] = ()
    sign_offs: tuple[Problem, ...] = ()  #: Stale sign-offs; until the parties sign anew, hosts keep their state.

    @property
    def changed(self) -> bool:
        """Whether the bytes change."""
        return self.before != self.after

    @property
    def diff(self) -> tuple[str, ...]:
        """The changed lines with `-` or `+`, and a line of context."""
        old_lines, new_lines = ((text or b"").decode("utf-8-sig").splitlines() for text in (self.before, self.after))
        if self.before is None:
            return tuple(f"+{line}" for line in new_lines)
        lines = unified_diff(old_lines, new_lines, n=_CONTEXT, lineterm="")
        return tuple("…" if line.startswith("@@") else line for line in lines if not line.startswith(("---", "+++")))

    def write(self, root: Path) -> None:
        """Write the file if it changes, or raise `LockedError`."""
        if not self.changed:
            return
        if self.before is None and os.path.lexists(self.path):
            hint = "run the command again; if it says the same, `provisioner validate` says why that file is not read"
            raise InventoryError(f"{self.path} is there already", hint=hint, object=self.facility)
        if self.before is not None and _bytes_of(self.path) != self.before:
            raise LockedError(f"{self.path} was changed meanwhile", hint="run the same command again")
        write_atomic(self.path, self.after.decode(), within=root)


@dataclass(frozen=True, slots=True)
class EditsOfMany:
    """Edits of several facilities at once."""

    edits: tuple[FileEdit, ...]
    refused: Mapping[str, tuple[Problem, ...]]


@dataclass(frozen=True, slots=True)
class _Judged:
    """Problems of the inventory after edits: errors, new ones, all."""

    errors: tuple[Problem, ...]
    new: tuple[Problem, ...]
    after: tuple[Problem, ...]

    @classmethod
    def judge_edits(cls, loaded: Loaded, root: Path, edits: Sequence[FileEdit], today: date) -> _Judged:
        previous = {(problem.code, problem.object, problem.message) for problem in check(loaded)}
        after = tuple(without_consequences(sorted(_problems_after(loaded, root, edits, today))))
        new = tuple(p for p in after if (p.code, p.object, p.message) not in previous)
        return cls(tuple(p for p in new if p.stops and p.code not in UNFINISHED), new, after)

    def errors_of(self, edit: FileEdit) -> tuple[Problem, ...]:
        return tuple(p for p in self.errors if edit.facility in p.facilities)

    def new_problems(self, edit: FileEdit) -> tuple[Problem, ...]:
        return tuple(p for p in self.new if edit.facility in p.facilities)

    def with_warnings(self, edit: FileEdit, new: Iterable[Problem]) -> FileEdit:
        """Add new warnings and stale sign-offs to an edit."""
        warnings = tuple(p for p in new if p.severity is Severity.WARNING and p.code not in SIGN_OFFS)
        stale = tuple(p for p in self.after if p.code in SIGN_OFFS and edit.facility in p.facilities and p.stops)
        return FileEdit(edit.facility, edit.path, edit.before, edit.after, warnings, stale)


@dataclass(frozen=True)
class Edits:
    """The inventory to edit, as its files are now."""

    root: Path
    today: date
    environment: Mapping[str, str] = field(repr=False)
    together: Loaded | None = None  #: The inventory as read once, if its edits are checked together afterwards.

    def load(self) -> Loaded:
        """Load the inventory, or raise `InventoryError` if it does not exist."""
        return self.together or load(self.root, today=self.today, cache=cache_of(self.root, self.environment))

    def edit(self, loaded: Loaded, facility: str, before: bytes | None, after: FacilityText) -> FileEdit:
        """Make a checked edit; see `checked_against_rules`."""
        edit = FileEdit(facility, after.path, before, after.data)
        return edit if self.together else checked_against_rules(loaded, self.root, edit, self.today)

    def of_many(self, facilities: Iterable[str], make: Callable[[Edits, str], FileEdit]) -> tuple[FileEdit, ...]:
        """Make edits of several facilities, all checked, or raise."""
        loaded = self.load()
        edits = [make(replace(self, together=loaded), name) for name in facilities]
        return checked_together(loaded, self.root, edits, self.today)

    def open(self, facility: str) -> OpenFacility:
        """Open a facility for an edit."""
        loaded = self.load()
        site = facility_named(loaded, facility)
        return OpenFacility(self, loaded, site, text_of_file(facility_file(self.root, site)))


@dataclass(frozen=True)
class OpenFacility:
    """A facility being edited: its inventory, values and file."""

    edits: Edits
    loaded: Loaded
    site: Facility
    text: FacilityText

    def edited(self, after: FacilityText) -> FileEdit:
        """Return a checked edit; a new error raises `InventoryError`."""
        return self.edits.edit(self.loaded, self.site.id, self.text.data, after)

    @property
    def unchanged(self) -> FileEdit:
        """An edit without a change."""
        return FileEdit(self.site.id, self.text.path, self.text.data, self.text.data)


def facility_named(loaded: Loaded, name: str) -> Facility:
    """Return the facility of an id, or raise `UsageError`."""
    if loaded.frame and name in loaded.outlines:
        return loaded.facility(name)
    if {f"facility/{name}", "inventory"} & {problem.object for problem in loaded.problems}:
        hint = "run `provisioner validate` and correct each problem"
        raise InventoryError(f"facility {name} cannot be read", hint=hint)
    hint = did_you_mean(name, loaded.outlines, "name the id in its file")
    raise UsageError(f"there is no facility {printable(name, _SHOWN)}", hint=hint, object=name)


def facility_file(root: Path, facility: Facility) -> Path:
    """Return a facility file's path."""
    return root / "facilities" / facility.province / f"{facility.id}.yml"


def edit_file(root: Path, path: Path, changes: Mapping[KeyPath, object], by_hand: str) -> tuple[bytes, bytes]:
    """Set values in a file; return both texts, or raise `InventoryError`."""
    before, after = edited_file(path, changes, by_hand)
    if after != before:
        write_atomic(path, after.decode(), within=root)
    return before, after


def edited_file(path: Path, changes: Mapping[KeyPath, object], by_hand: str) -> tuple[bytes, bytes]:
    """Return a file's text before and after; as `edit_file`, without writing."""
    before = read_regular(path, most=MAX_BYTES)
    try:
        return before, edited(before, changes)
    except EditError as error:
        raise InventoryError(f"{path} cannot be edited: {error}", hint=by_hand) from error


def named_values(model: type[Model], options: Mapping[str, object]) -> dict[str, object]:
    """Return a model's fields that options name, as in a file."""
    values: dict[str, object] = {}
    for name, field_ in model.model_fields.items():
        option = options.get(name)
        if use_of(field_).option is not None and option not in (None, ""):
            value = clean(str(option)) if name in text_keys(model) else _in_file(option)
            values |= {name: value} if value != "" or field_.is_required() else {}
        elif (inner := inner_model(field_)) and (below := named_values(inner, options)):
            values[name] = below
    return values


def _in_file(value: object) -> object:
    return value.date().isoformat() if isinstance(value, datetime) else value


def key_path_of_device(site: Facility, device: str) -> tuple[KeyPath, Camera | Recorder]:
    """Return a device and its key path, or raise `UsageError`."""
    for index, recorder in enumerate(site.recorders):
        if recorder.id == device:
            return ("recorders", index), recorder
    for index, camera in enumerate(site.cameras):
        if camera.id == device:
            return ("cameras", index), camera
    ids = [*(recorder.id for recorder in site.recorders), *(camera.id for camera in site.cameras)]
    hint = did_you_mean(device, ids, f"its devices are: {', '.join(ids) or 'none'}")
    raise UsageError(f"facility {site.id} has no device {printable(device, _SHOWN)}", hint=hint, object=site.id)


def device_named(loaded: Loaded, name: str) -> tuple[Facility, str]:
    """Return facility and device of `FACILITY/DEVICE`, or raise `UsageError`.

    The device is a recorder, or a camera with its own address: a recorder's channel has the recorder's login.
    """
    site, slash, device = name.partition("/")
    if not slash:
        hint = "name a facility and one of its devices: FACILITY/DEVICE"
        raise UsageError(f"{printable(name, _SHOWN)} names no device", hint=hint, object=name)
    facility = facility_named(loaded, site)
    devices = devices_of(facility)
    if device in devices:
        return facility, device
    for camera in facility.cameras:
        if camera.id == device:
            recorder = device_of(camera)
            message = f"{site}/{device} is a channel of {recorder}, which has the login of all its channels"
            raise UsageError(message, hint=f"name {site}/{recorder}", object=name)
    hint = did_you_mean(device, devices, f"its devices are: {', '.join(devices) or 'none'}")
    raise UsageError(f"facility {site} has no device {printable(device, _SHOWN)}", hint=hint, object=name)


def names_of(root: Path) -> Names:
    """Return the names in an inventory's folder, without unreadable files."""
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
            hosts.update(_ids_in(file.path, "relays"))
        else:
            hosts.add(name)
    kinds = (carriers, provinces, facilities, hosts)
    return Names(*(tuple(sorted(filter(_ID_NAME.fullmatch, names))) for names in kinds))


def devices_in(root: Path, facility: str) -> list[str]:
    """Return the ids in a facility's file, sorted; empty if unreadable."""
    files = (file.path for file in object_files_of(root) if file.kind == "facility" and file.expected["id"] == facility)
    names = (name for path in files for key in ("recorders", "cameras") for name in _ids_in(path, key))
    return sorted(filter(_ID_NAME.fullmatch, names))


def _ids_in(path: Path, key: str) -> Iterator[str]:
    try:
        value = parse(read_regular(path, most=MAX_BYTES)).value
    except OSError:
        return
    rows = value.get(key) if isinstance(value, dict) else None
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, dict) and isinstance(row.get("id"), str):
            yield row["id"]


def text_of_file(path: Path) -> FacilityText:
    """Read a facility file, or raise `InventoryError`."""
    data = _bytes_of(path)
    if data is None:
        raise InventoryError(f"{path} cannot be read", hint="see that it is a file, and that you may read it")
    return FacilityText(path, data)


def _bytes_of(path: Path) -> bytes | None:
    try:
        return read_regular(path, most=MAX_BYTES)
    except OSError:
        return None


def checked_against_rules(loaded: Loaded, root: Path, edit: FileEdit, today: date) -> FileEdit:
    """Check an edit against the rules; return it with warnings.

    Existing problems do not count, nor those that other commands solve (addresses, keys, sign-offs). Raises
    `InventoryError` if the edit adds an error.
    """
    problems = _Judged.judge_edits(loaded, root, [edit], today)
    if problems.errors:
        subject = f"facility {edit.facility}" if _file_of(root, edit).model is Facility else str(edit.path)
        message = f"{subject} would be invalid: {counted(len(problems.errors), 'problem')}; nothing is written"
        raise InventoryError(message, problems=problems.errors, hint="correct the values", object=edit.facility)
    return problems.with_warnings(edit, problems.new)


def _file_of(root: Path, edit: FileEdit) -> File:
    return file_at(root, edit.path.relative_to(root).as_posix())


def checked_together(loaded: Loaded, root: Path, edits: Iterable[FileEdit], today: date) -> tuple[FileEdit, ...]:
    """Return edits, all checked, or raise `InventoryError` for any new error."""
    made = all_checked_against_rules(loaded, root, edits, today)
    if made.refused:
        problems = tuple(chain.from_iterable(made.refused.values()))
        message = msg("{facilities} would be invalid; nothing is written", ", ".join(sorted(made.refused)))
        raise InventoryError(message, problems=problems, hint="correct the values")
    return made.edits


def all_checked_against_rules(loaded: Loaded, root: Path, edits: Iterable[FileEdit], today: date) -> EditsOfMany:
    """Check edits together; those with errors of their own facility are refused.

    Raises `InventoryError` if together they add an error of no single facility.
    """
    accepted, refused = list(edits), dict[str, tuple[Problem, ...]]()
    while True:
        problems = _Judged.judge_edits(loaded, root, accepted, today)
        blamed = {edit.facility: errors for edit in accepted if (errors := problems.errors_of(edit))}
        shared = tuple(p for p in problems.errors if not any(p in errors for errors in blamed.values()))
        if shared:
            message = f"the inventory would be invalid: {counted(len(shared), 'problem')}; nothing is written"
            raise InventoryError(message, problems=shared, hint="correct the values", object=shared[0].object)
        if not blamed:
            return EditsOfMany(
                tuple(problems.with_warnings(edit, problems.new_problems(edit)) for edit in accepted), refused
            )
        refused |= blamed
        accepted = [edit for edit in accepted if edit.facility not in blamed]


def frame_of(loaded: Loaded) -> BaseInventory:
    """Return the inventory without facilities, or raise `InventoryError`."""
    if loaded.frame is None:
        hint = "run `provisioner validate` and correct each problem"
        raise InventoryError("inventory.yml or the lock cannot be understood", hint=hint)
    return loaded.frame


def relay_named(base_inventory: BaseInventory, name: str) -> tuple[Carrier, int]:
    """Return a relay's carrier and its index there, or raise `UsageError`."""
    relays = base_inventory.relays
    if name not in relays:
        hint = did_you_mean(name, relays, msg("relays are: {relays}", ", ".join(sorted(relays)) or "none"))
        raise UsageError(msg("there is no relay {name}", printable(name, _SHOWN)), hint=hint, object=name)
    carrier, _ = relays[name]
    return carrier, next(index for index, relay in enumerate(carrier.relays) if relay.id == name)


def _problems_after(loaded: Loaded, root: Path, edits: Iterable[FileEdit], today: date) -> Collection[Problem]:
    problems: list[Problem] = []
    outlines, sources, broken = dict(loaded.outlines), dict(loaded.places.sources), set(loaded.broken)
    frame, is_understood = loaded.frame, loaded.frame is not None
    for edit in edits:
        file = _file_of(root, edit)
        owner = file.owner
        if file.model is not Facility:
            content = read(file, edit.after)
            problems += content.problems
            sources[owner] = content.source
            broken.discard(owner)
            if content.model is None:
                is_understood = False
            elif frame is not None:
                frame = with_file(frame, owner, content.model)
            continue
        site = site_of(file, edit.after, today)
        problems += (*site.faults, *site.problems)
        if site.outline is None:
            is_understood = False
            continue
        outlines[edit.facility] = site.outline
        sources[owner] = SourceFile(file.display_path, edit.after)
        broken.discard(owner)
    if frame is None or not is_understood:
        return problems
    view = rules.View(frame, dict(sorted(outlines.items())), Places(sources), today, frozenset(broken))
    return (*problems, *rules.check_across(view))
