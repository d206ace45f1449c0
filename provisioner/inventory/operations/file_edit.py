"""An edit of one facility's file as a command proposes it: held against all rules before anything is written."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from difflib import unified_diff
from pathlib import Path

from provisioner.base.atomic_file import write_atomic
from provisioner.base.counted import counted
from provisioner.base.diagnostics import Problem, Severity
from provisioner.base.errors import InventoryError, LockedError
from provisioner.base.regular_file import read_regular
from provisioner.inventory import rules
from provisioner.inventory.files.edit import EditError, edited
from provisioner.inventory.files.layout import File
from provisioner.inventory.files.positions import KeyPath, Places, SourceFile
from provisioner.inventory.files.removal import removed, renamed
from provisioner.inventory.files.strict_yaml import MAX_BYTES
from provisioner.inventory.files.yaml_places import PlacesIn
from provisioner.inventory.loader.cache import cache_of
from provisioner.inventory.loader.load import Loaded, check, load
from provisioner.inventory.loader.site import site_of
from provisioner.inventory.model import Facility, Frame
from provisioner.inventory.operations.named import facility_file, facility_named
from provisioner.inventory.rules import ALLOCATION_MISSING, GATEWAY_KEY_MISSING, HOST_KEYS_MISSING
from provisioner.inventory.rules.consequences import without_consequences

SIGN_OFFS = frozenset({"sign-off-stale", "sign-off-missing"})
_OF_OTHER_COMMANDS = frozenset({ALLOCATION_MISSING, GATEWAY_KEY_MISSING, HOST_KEYS_MISSING, *SIGN_OFFS})
_CONTEXT = 1


@dataclass(frozen=True, slots=True)
class FacilityText:
    """A facility's file while it is edited.

    Attributes:
        path: where it stands.
        data: what it says.
    """

    path: Path
    data: bytes

    def with_values(self, changes: Mapping[KeyPath, object]) -> FacilityText:
        """The file with values set, as `edited` takes them.

        Raises:
            InventoryError: it cannot be edited.
        """
        try:
            return FacilityText(self.path, edited(self.data, changes))
        except EditError as error:
            raise self._refusal(error) from error

    def without(self, *places: KeyPath) -> FacilityText:
        """The file without some entries; what is not there is no matter.

        Raises:
            InventoryError: it cannot be edited.
        """
        try:
            data = self.data
            for place in places:
                data = removed(data, place)
        except EditError as error:
            raise self._refusal(error) from error
        return FacilityText(self.path, data)

    def with_key(self, place: KeyPath, name: str) -> FacilityText:
        """The file with another key for one entry.

        Raises:
            InventoryError: it cannot be edited.
        """
        try:
            return FacilityText(self.path, renamed(self.data, place, name))
        except EditError as error:
            raise self._refusal(error) from error

    def _refusal(self, error: EditError) -> InventoryError:
        hint = "edit it by hand; `provisioner validate` says whether it is right"
        return InventoryError(f"{self.path} cannot be edited: {error}", hint=hint)


@dataclass(frozen=True, slots=True)
class FileEdit:
    """What becomes of a facility's file.

    Attributes:
        facility: the facility's id.
        path: its file.
        before: what the file says; None where there is none yet.
        after: what it says then.
        warnings: what is new among the warnings of the inventory.
        sign_offs: what the parties have to sign anew: while they have not, hosts keep what they have.
    """

    facility: str
    path: Path
    before: bytes | None
    after: bytes
    warnings: tuple[Problem, ...] = ()
    sign_offs: tuple[Problem, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether a single byte changes."""
        return self.before != self.after

    @property
    def diff(self) -> tuple[str, ...]:
        """The lines that change, each with `-` or `+`, and the line before and behind with a space."""
        was, now = ((text or b"").decode("utf-8-sig").splitlines() for text in (self.before, self.after))
        if self.before is None:
            return tuple(f"+{line}" for line in now)
        lines = unified_diff(was, now, n=_CONTEXT, lineterm="")
        return tuple("…" if line.startswith("@@") else line for line in lines if not line.startswith(("---", "+++")))

    def write(self, root: Path) -> None:
        """Write the file, where it changes.

        Raises:
            LockedError: somebody else has written it meanwhile.
            InventoryError: it cannot be written.
        """
        if not self.changed:
            return
        if self.before is None and os.path.lexists(self.path):
            hint = "run the command again; if it says the same, `provisioner validate` says why that file is not read"
            raise InventoryError(f"{self.path} is there already", hint=hint, object=self.facility)
        if self.before is not None and _bytes_of(self.path) != self.before:
            raise LockedError(f"{self.path} was changed meanwhile", hint="run the same command again")
        write_atomic(self.path, self.after.decode(), within=root)


def text_of_file(path: Path) -> FacilityText:
    """A facility's file as it stands there.

    Raises:
        InventoryError: it cannot be read.
    """
    data = _bytes_of(path)
    if data is None:
        raise InventoryError(f"{path} cannot be read", hint="see that it is a file, and that you may read it")
    return FacilityText(path, data)


def _bytes_of(path: Path) -> bytes | None:
    try:
        return read_regular(path, most=MAX_BYTES)
    except OSError:
        return None


def held_against_rules(loaded: Loaded, root: Path, edit: FileEdit, today: date) -> FileEdit:
    """The same edit, with the warnings that it brings.

    What is wrong already is no reason to refuse an edit that has nothing to do with it, and what other commands are
    there for (addresses, keys, sign-offs) is none.

    Raises:
        InventoryError: the file would have an error that the inventory has not now; nothing is written.
    """
    problems = _Judged.of(loaded, root, [edit], today)
    if problems.errors:
        message = (
            f"facility {edit.facility} would be invalid: {counted(len(problems.errors), 'problem')}; nothing is written"
        )
        raise InventoryError(message, problems=problems.errors, hint="correct what is asked for", object=edit.facility)
    return problems.shown_with(edit, problems.new)


@dataclass(frozen=True, slots=True)
class EditsOfMany:
    """Edits of several facilities at once.

    Attributes:
        edits: those that bring no error, each with its warnings.
        refused: by facility, why its own edit is left out.
    """

    edits: tuple[FileEdit, ...]
    refused: Mapping[str, tuple[Problem, ...]]


def all_held_against_rules(loaded: Loaded, root: Path, edits: Iterable[FileEdit], today: date) -> EditsOfMany:
    """Edits that are made together: one that would bring an error of its own facility is left out, the others stay.

    Raises:
        InventoryError: together they bring an error that is of no one facility; nothing is written.
    """
    accepted, refused = list(edits), dict[str, tuple[Problem, ...]]()
    while True:
        problems = _Judged.of(loaded, root, accepted, today)
        blamed = {edit.facility: own for edit in accepted if (own := problems.errors_of(edit))}
        shared = tuple(p for p in problems.errors if not any(p in own for own in blamed.values()))
        if shared:
            message = f"the inventory would be invalid: {counted(len(shared), 'problem')}; nothing is written"
            raise InventoryError(message, problems=shared, hint="correct what is asked for", object=shared[0].object)
        if not blamed:
            return EditsOfMany(tuple(problems.shown_with(edit, problems.of_one(edit)) for edit in accepted), refused)
        refused |= blamed
        accepted = [edit for edit in accepted if edit.facility not in blamed]


@dataclass(frozen=True, slots=True)
class _Judged:
    """The problems of an inventory as it would be: those that stop, that warn, and what is to be signed anew."""

    errors: tuple[Problem, ...]
    new: tuple[Problem, ...]
    after: tuple[Problem, ...]

    @classmethod
    def of(cls, loaded: Loaded, root: Path, edits: Sequence[FileEdit], today: date) -> _Judged:
        known = {(problem.code, problem.object, problem.message) for problem in check(loaded)}
        after = tuple(without_consequences(sorted(_problems(loaded, root, edits, today))))
        new = tuple(p for p in after if (p.code, p.object, p.message) not in known)
        return cls(tuple(p for p in new if p.stops and p.code not in _OF_OTHER_COMMANDS), new, after)

    def errors_of(self, edit: FileEdit) -> tuple[Problem, ...]:
        return tuple(p for p in self.errors if edit.facility in p.facilities)

    def of_one(self, edit: FileEdit) -> tuple[Problem, ...]:
        return tuple(p for p in self.new if edit.facility in p.facilities)

    def shown_with(self, edit: FileEdit, new: Iterable[Problem]) -> FileEdit:
        """An edit with what of the new problems only warns, and with what the parties have to sign anew."""
        warnings = tuple(p for p in new if p.severity is Severity.WARNING and p.code not in SIGN_OFFS)
        stale = tuple(p for p in self.after if p.code in SIGN_OFFS and edit.facility in p.facilities and p.stops)
        return FileEdit(edit.facility, edit.path, edit.before, edit.after, warnings, stale)


def _problems(loaded: Loaded, root: Path, edits: Iterable[FileEdit], today: date) -> Collection[Problem]:
    """All problems of the inventory as it would be."""
    own: list[Problem] = []
    outlines, sources, broken = dict(loaded.outlines), dict(loaded.places.sources), set(loaded.broken)
    is_understood = loaded.frame is not None
    for edit in edits:
        owner = f"facility/{edit.facility}"
        file = File(root, edit.path.relative_to(root).as_posix(), owner, Facility)
        site = site_of(file, edit.after, today)
        own += (*site.faults, *site.problems)
        if site.outline is None:
            is_understood = False
            continue
        outlines[edit.facility] = site.outline
        sources[owner] = SourceFile(file.shown, edit.after, PlacesIn)
        broken.discard(owner)
    if loaded.frame is None or not is_understood:
        return own
    view = rules.View(loaded.frame, dict(sorted(outlines.items())), Places(sources), today, frozenset(broken))
    return (*own, *rules.check_across(view))


@dataclass(frozen=True)
class Edits:
    """The inventory that commands edit, as its files say it now.

    Attributes:
        root: the inventory's folder.
        today: the day in Vietnam.
        environment: the caller's environment (where the cache is).
    """

    root: Path
    today: date
    environment: Mapping[str, str] = field(repr=False)

    def load(self) -> Loaded:
        """Read it.

        Raises:
            InventoryError: there is none.
        """
        return load(self.root, today=self.today, cache=cache_of(self.root, self.environment))

    def edit(self, loaded: Loaded, facility: str, before: bytes | None, after: FacilityText) -> FileEdit:
        """An edit, held against the rules; see `held_against_rules`."""
        return held_against_rules(loaded, self.root, FileEdit(facility, after.path, before, after.data), self.today)

    def open(self, facility: str) -> OpenFacility:
        """A facility of the inventory, to be edited.

        Raises:
            UsageError: there is no such facility.
            InventoryError: it cannot be read.
        """
        loaded = self.load()
        site = facility_named(loaded, facility)
        return OpenFacility(self, loaded, site, text_of_file(facility_file(self.root, site)))


@dataclass(frozen=True)
class OpenFacility:
    """A facility that is edited.

    Attributes:
        edits: the inventory that it is of.
        loaded: the same as it was read.
        site: the facility as its file says it now.
        text: that file.
    """

    edits: Edits
    loaded: Loaded
    site: Facility
    text: FacilityText

    def edited(self, after: FacilityText) -> FileEdit:
        """What makes its file say something else, held against the rules.

        Raises:
            InventoryError: the inventory would have an error that it has not now.
        """
        return self.edits.edit(self.loaded, self.site.id, self.text.data, after)

    @property
    def unchanged(self) -> FileEdit:
        """What leaves its file as it is."""
        return FileEdit(self.site.id, self.text.path, self.text.data, self.text.data)


def frame_of(loaded: Loaded) -> Frame:
    """The inventory but for its facilities.

    Raises:
        InventoryError: it cannot be understood.
    """
    if loaded.frame is None:
        hint = "run `provisioner validate` and correct what it lists"
        raise InventoryError("inventory.yml or the lock cannot be understood", hint=hint)
    return loaded.frame
