"""An inventory's file: content, problems, outline and details."""

import hashlib
import os
from dataclasses import dataclass, replace
from datetime import date
from typing import Final, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json, to_json

from provisioner.base.errors import REGO_RULES, InventoryError, Problem
from provisioner.base.files import open_regular
from provisioner.base.language import marked
from provisioner.base.text import canonical_json, msg
from provisioner.inventory import rules
from provisioner.inventory.explanation.problems import ParsedFile, problems_of
from provisioner.inventory.files.layout import LOCK_NAME, File
from provisioner.inventory.files.positions import KeyPath, Position, SourceFile
from provisioner.inventory.files.yaml import CONFLICT, parse
from provisioner.inventory.model.base import Model
from provisioner.inventory.model.facility import Facility
from provisioner.inventory.outline import Outline, outline_of
from provisioner.inventory.policy_rules.file import MOST_BYTES

M = TypeVar("M", bound=BaseModel)

#: Enough for three thousand cameras in one facility; a larger file is refused within seconds.
MAX_FILE_BYTES = 1024 * 1024
MAX_LOCK_BYTES = 32 * 1024 * 1024  #: The lock of a hundred thousand sites has 21 MiB.
MAX_SECRETS_BYTES = 16 * 1024 * 1024  #: A province's logins: a thousand facilities have 1 MiB.
MAX_ENCRYPTED_BYTES = 5 * MAX_SECRETS_BYTES  #: A vault file has four characters a byte, and line ends.

_TAKE_BACK = marked("take the main branch's file back from Git, then run: provisioner allocate")
_MOSTLY = 64 * 1024
_BLOCK = 4 * 1024 * 1024
_DETAILS: Final = ("name", "survey")


@dataclass(frozen=True, slots=True)
class FileContent:
    """Content of one file."""

    digest: str
    text: str  #: Its content as JSON; empty if it is no strict YAML, as `value`.
    model: Model | None  #: Its content, typed; `None` if it does not fit.
    problems: tuple[Problem, ...]
    source: SourceFile
    value: object = None


@dataclass(frozen=True, slots=True)
class OnDisk:
    """A file with its SHA-256, read again to find a position."""

    file: File
    digest: str

    @property
    def display_path(self) -> str:
        """The file's path as the user would type it."""
        return self.file.display_path

    def at(self, path: KeyPath, *, key: bool = False) -> Position:
        """Return a value's position; no line and column if the file changed."""
        try:
            data = bytes_of(self.file)
        except OSError:
            data = b""
        if hashlib.sha256(data).hexdigest() != self.digest:
            return Position(self.display_path, 0, 0)
        return SourceFile(self.display_path, data).at(path, key=key)


class Site(NamedTuple):
    """One facility's file: outline and problems."""

    digest: str  #: The SHA-256 of its bytes; empty if unreadable.
    outline: Outline | None  #: Facts for the rest of the inventory; `None` if the file is invalid.
    faults: tuple[Problem, ...]  #: Why it is invalid, or that it is misplaced.
    problems: tuple[Problem, ...]
    since: date  #: The first day with the same problems; `before` is the first day after them.
    before: date
    text: str = ""  #: Its content as JSON; empty if invalid or from the cache.
    content: str = ""  #: The SHA-256 of its content, without comments and order of keys.
    details: str = ""  #: Its name and survey as JSON; empty as `text`.

    def holds_on(self, today: date) -> bool:
        """Return whether the problems are the same on a day."""
        return self.since <= today < self.before


def bytes_of(file: File) -> bytes:
    """Return a file's bytes, or raise `OSError` if it is irregular."""
    descriptor = open_regular(f"{file.root}/{file.relative}")
    try:
        data = os.read(descriptor, _MOSTLY)
        if len(data) < _MOSTLY:
            return data
        parts = [data]
        remaining = max_bytes(file) + 1 - len(data)
        while remaining > 0 and (block := os.read(descriptor, min(remaining, _BLOCK))):
            parts.append(block)
            remaining -= len(block)
        return b"".join(parts)
    finally:
        os.close(descriptor)


def max_bytes(file: File) -> int:
    """Return the maximum size of a file."""
    if file.kind == REGO_RULES:
        return MOST_BYTES
    if file.model is None:
        return MAX_ENCRYPTED_BYTES
    return MAX_LOCK_BYTES if file.relative == LOCK_NAME else MAX_FILE_BYTES


def read(file: File, data: bytes) -> FileContent:
    """Check a file's YAML, model and name; encrypted ones raise `ValueError`."""
    if file.model is None:
        raise ValueError(msg("{relative} is encrypted", file.relative))
    source = SourceFile(file.display_path, data)
    document = parse(data, max_bytes=max_bytes(file))
    text = "" if document.faults else as_json(document.value)
    problems: tuple[Problem, ...] = ()
    model = None
    if document.faults:
        name = file.owner.replace("/", " ", 1)
        problems = tuple(
            replace(f, file=file.display_path, message=f"{name}: {f.message}", object=file.owner, hint=_hint(file, f))
            for f in document.faults
        )
    else:
        try:
            model = validated_text(file.model, text)
        except ValidationError as error:
            problems = tuple(problems_of(error, ParsedFile(source, file.owner, document.value, file.model)))
    if model is not None:
        problems = _name_problems(file, model, source)
    return FileContent(hashlib.sha256(data).hexdigest(), text, model, problems, source, document.value)


def _hint(file: File, fault: Problem) -> str:
    """Return a fault's hint; the lock's conflicts need another one."""
    is_of_lock = fault.code == CONFLICT and file.relative == LOCK_NAME
    return _TAKE_BACK if is_of_lock else fault.hint


def _name_problems(file: File, model: Model, source: SourceFile) -> tuple[Problem, ...]:
    problems = []
    for key, expected in file.expected.items():
        value = getattr(model, key)
        if value != expected:
            position = source.at((key,))
            message = msg(
                "{owner}: {key} is {value}, but the file stands at {relative}",
                file.owner.replace("/", " ", 1),
                key,
                value,
                file.relative,
            )
            hint = msg(
                "move the file to {key}, or write {key_2}: {expected}",
                file.path_after_change(key, value),
                key,
                expected,
            )
            problems.append(Problem(*position, f"{file.kind}-file-misplaced", message, hint, file.owner))
    return tuple(problems)


def as_json(value: object) -> str:
    """Return a plain value as JSON, in the order of its keys."""
    return to_json(value).decode()


def content_of(text: str, digest: str) -> str:
    """Return a mapping's SHA-256 whatever its comments and key order, else `digest`."""
    return content_of_value(from_json(text) if text else None, digest)


def content_of_value(value: object, digest: str) -> str:
    """As `content_of`, of plain values."""
    if not isinstance(value, dict):
        return digest
    return hashlib.sha256(canonical_json(value)).hexdigest()


def validated(model: type[M], value: object) -> M:
    """Validate a plain value with a model, or raise `ValidationError`."""
    # JSON mode accepts texts for addresses, days and enums, without other conversions.
    return validated_text(model, as_json(value))


def text_of(file: File, digest: str) -> str:
    """Read a valid file again as JSON; a changed one raises `InventoryError`."""
    try:
        data = bytes_of(file)
    except OSError:
        data = b""
    if hashlib.sha256(data).hexdigest() != digest:
        message = msg("{shown} was changed while the inventory was read", file.display_path)
        raise InventoryError(message, hint="run the command again", object=file.owner)
    return as_json(parse(data, max_bytes=max_bytes(file)).value)


def validated_text(model: type[M], text: str) -> M:
    """Validate a JSON text with a model; as `validated`."""
    return model.model_validate_json(text)


def read_site(file: File, today: date) -> Site:
    """Read and check one facility's file; never raises because of its content."""
    try:
        data = bytes_of(file)
    except OSError as error:
        return Site("", None, (unreadable(file, error),), (), date.min, date.max)
    return site_of(file, data, today)


def site_of(file: File, data: bytes, today: date) -> Site:
    """As `read_site`, from the file's bytes."""
    content = read(file, data)
    if not isinstance(content.model, Facility):
        return Site(content.digest, None, content.problems, (), date.min, date.max)
    days = rules.Days(today)
    outline = outline_of(content.model)
    problems = rules.check_site(rules.SiteView(content.model, days, content.source, outline))
    days_and_text = (days.since, days.before, content.text, content_of_value(content.value, content.digest))
    return Site(content.digest, outline, content.problems, problems, *days_and_text, details_of(content.value))


def details_of(value: object) -> str:
    """Return a facility's name and survey as JSON; empty without a mapping."""
    return as_json({key: value[key] for key in _DETAILS if key in value}) if isinstance(value, dict) else ""


def unreadable(file: File, error: OSError) -> Problem:
    """Return the problem of an unreadable file."""
    message = msg("cannot be read: {strerror}", error.strerror)
    return Problem(file.display_path, 0, 0, "file-unreadable", message, "correct its permissions", file.owner)
