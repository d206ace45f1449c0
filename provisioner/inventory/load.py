"""From an inventory's files to typed values, with every problem that the files have and its place."""

from __future__ import annotations

import gc
import hashlib
import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from provisioner.diagnostics import Problem, Severity
from provisioner.errors import InventoryError
from provisioner.inventory import rules
from provisioner.inventory.explain import Subject, problems_of
from provisioner.inventory.layout import File, layout_of
from provisioner.inventory.model import (
    Allocations,
    Carrier,
    Centre,
    Designations,
    Facility,
    Instructions,
    Inventory,
    Model,
    Settings,
)
from provisioner.inventory.places import Places, Source
from provisioner.inventory.strict_yaml import Document, parse
from provisioner.inventory.yaml_places import PlacesIn

M = TypeVar("M", bound=Model)


@dataclass(frozen=True)
class Loaded:
    """What the files say.

    Attributes:
        inventory: the inventory, or None where any file has an error.
        partial: what could be read, for the rules to judge as well; None without settings or lock.
        broken: owners whose files have errors: nothing is known about them.
        problems: what is wrong with single files, sorted by place.
        digest: `sha256:…` over all contents but contacts/; comments, file order and commits do not count.
        places: where each object stands.
    """

    inventory: Inventory | None
    partial: Inventory | None
    broken: frozenset[str]
    problems: tuple[Problem, ...]
    digest: str
    places: Places


def load(root: Path) -> Loaded:
    """Read every file of an inventory; finds all problems, raises only where there is no inventory at all.

    Raises:
        InventoryError: the folder holds no inventory.yml.
    """
    if not (root / "inventory.yml").is_file():
        hint = "name the inventory's folder with -i DIR or PROVISIONER_INVENTORY"
        raise InventoryError(f"{root} holds no inventory.yml", hint=hint)
    with _without_collector():
        reading = _Reading(root)
        reading.read_all()
        return reading.result()


def check(loaded: Loaded, *, today: date) -> tuple[Problem, ...]:
    """Give all problems of an inventory: of its files and across them, sorted by place."""
    found = list(loaded.problems)
    if loaded.partial:
        found += rules.check(loaded.partial, loaded.places, today, loaded.broken)
    return tuple(sorted(found))


def load_inventory(root: Path, *, today: date, tolerate: Collection[str] = ()) -> Inventory:
    """Load an inventory that has to be valid.

    Args:
        root: the inventory's folder.
        today: the day on which designations have to hold.
        tolerate: codes of problems that the calling command is there to solve, e.g. `allocation-missing`.

    Raises:
        InventoryError: with every problem.
    """
    return valid_inventory(load(root), root, today=today, tolerate=tolerate)


def valid_inventory(loaded: Loaded, root: Path, *, today: date, tolerate: Collection[str] = ()) -> Inventory:
    """Give what was loaded, if it is valid; as `load_inventory`.

    Raises:
        InventoryError: with every problem.
    """
    errors = [p for p in check(loaded, today=today) if p.severity is Severity.ERROR and p.code not in tolerate]
    if errors or loaded.inventory is None:
        count = f"{len(errors)} problem" + ("s" if len(errors) != 1 else "")
        raise InventoryError(
            f"the inventory {root} is invalid: {count}", problems=tuple(errors), hint="correct the places listed"
        )
    return loaded.inventory


def marks_of(data: bytes) -> PlacesIn:
    """Give the places of a file's values; they are looked up when they are asked for."""
    return PlacesIn(data)


@contextmanager
def _without_collector() -> Iterator[None]:
    """Switch the cyclic collector off: on 3,000 files it costs more than the parser does."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@dataclass
class _Reading:
    """One pass over the files; the only mutable thing here, and it does not leave this module."""

    root: Path
    problems: list[Problem] = field(default_factory=list)
    sources: dict[str, Source] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    parsed: dict[str, Model] = field(default_factory=dict)
    contents: list[tuple[str, str]] = field(default_factory=list)

    def read_all(self) -> None:
        layout = layout_of(self.root)
        for file in layout.files:
            self._read(file)
        self.problems += layout.problems
        for name in ("instructions", "designations"):
            if name not in self.sources:
                message, hint = f"{name}.yml is missing", f"write {name}.yml; see inventories/example"
                self._problem(File(self.root, f"{name}.yml", name, Model), "file-missing", message, hint)

    def _read(self, file: File) -> None:
        try:
            data = file.path.read_bytes()
        except OSError as error:
            self.broken.add(file.owner)
            self._problem(file, "file-unreadable", f"cannot be read: {error.strerror}", "correct its permissions")
            return
        if file.model is None:
            self._take_encrypted(file, data)
            return
        source = Source(file.shown, data, marks_of)
        document = parse(data)
        self.contents.append((file.relative, _canonical(document, data)))
        if file.owner in self.sources:
            self._duplicate(file, source)
            return
        self.sources[file.owner] = source
        self._validate(file, document, source)

    def _take_encrypted(self, file: File, data: bytes) -> None:
        self.contents.append((file.relative, hashlib.sha256(data).hexdigest()))
        if not data.startswith(b"$ANSIBLE_VAULT;"):
            message = f"{file.owner}: the file is not encrypted"
            hint = (
                f"ansible-vault encrypt --encrypt-vault-id secrets {file.shown}; if it was ever committed in the"
                " clear, change the secrets in it: Git does not forget"
            )
            self._problem(file, "secret-not-encrypted", message, hint)

    def _validate(self, file: File, document: Document, source: Source) -> None:
        before = len(self.problems)
        for fault in document.faults:
            message = f"{file.owner.replace('/', ' ', 1)}: {fault.message}"
            self.problems.append(
                Problem(file.shown, fault.line, fault.column, fault.code, message, fault.hint, file.owner)
            )
        if not document.faults:
            try:
                self.parsed[file.owner] = validated(file.model, document.value)
            except ValidationError as error:
                self.problems += problems_of(error, Subject(source, file.owner, document.value, file.model))
            else:
                self._check_name(file, source)
        if len(self.problems) > before:
            self.broken.add(file.owner)

    def _check_name(self, file: File, source: Source) -> None:
        """Hold a file's name and folder against the ids in it."""
        model = self.parsed[file.owner]
        for key, expected in file.expected.items():
            value = getattr(model, key)
            if value != expected:
                place = source.at((key,))
                message = f"{file.owner.replace('/', ' ', 1)}: {key} is {value}, but the file stands at {file.relative}"
                hint = f"move the file to {file.moved(key, value)}, or write {key}: {expected}"
                code = f"{file.kind}-file-misplaced"
                self.problems.append(Problem(place.file, place.line, place.column, code, message, hint, file.owner))

    def _duplicate(self, file: File, source: Source) -> None:
        first = self.sources[file.owner].shown
        self.broken.add(file.owner)
        message = f"{file.owner.replace('/', ' ', 1)}: the id is used twice: in {first} and in {file.shown}"
        hint = "give one of the two another id: a facility's id is unique in the whole inventory"
        place = source.at(("id",))
        code = f"{file.kind}-id-duplicate"
        self.problems.append(Problem(place.file, place.line, place.column, code, message, hint, file.owner))

    def _problem(self, file: File, code: str, message: str, hint: str) -> None:
        self.problems.append(Problem(file.shown, 0, 0, code, message, hint, file.owner))

    def result(self) -> Loaded:
        partial = self._inventory()
        whole = partial if not any(p.severity is Severity.ERROR for p in self.problems) else None
        digest = hashlib.sha256(json.dumps(sorted(self.contents)).encode()).hexdigest()
        return Loaded(
            inventory=whole,
            partial=partial,
            broken=frozenset(self.broken),
            problems=tuple(sorted(self.problems)),
            digest=f"sha256:{digest}",
            places=Places(self.sources),
        )

    def _inventory(self) -> Inventory | None:
        settings, lock = self.parsed.get("inventory"), self.parsed.get("allocations", Allocations())
        if not isinstance(settings, Settings) or not isinstance(lock, Allocations) or "allocations" in self.broken:
            return None
        instructions, designations = self.parsed.get("instructions"), self.parsed.get("designations")
        return Inventory.model_construct(
            settings=settings,
            instructions=instructions.instructions if isinstance(instructions, Instructions) else (),
            designations=designations.designations if isinstance(designations, Designations) else (),
            carriers=self._by_id(Carrier),
            centres=self._by_id(Centre),
            facilities=self._by_id(Facility),
            allocations=lock,
        )

    def _by_id(self, model: type[M]) -> dict[str, M]:
        found = {m.id: m for m in self.parsed.values() if isinstance(m, model)}  # type: ignore[attr-defined]
        return dict(sorted(found.items()))


def validated(model: Any, value: Any) -> Any:
    """Hold a plain value against a model; JSON mode lets texts be addresses, days and enums, and nothing more."""
    return model.model_validate_json(json.dumps(value))


def _canonical(document: Document, data: bytes) -> str:
    """Give what counts of a file: its values where it has some, its bytes where it has not (vault files)."""
    if document.faults or not isinstance(document.value, dict):
        return hashlib.sha256(data).hexdigest()
    return json.dumps(document.value, sort_keys=True)
