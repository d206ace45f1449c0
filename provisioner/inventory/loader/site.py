"""One file of an inventory: its content and its problems.

A facility's file has an outline and details beside it, for what needs no cameras.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from datetime import date
from typing import Final, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import from_json, to_json

from provisioner.base.errors import REGO_RULES, InventoryError, Problem
from provisioner.base.files import open_regular
from provisioner.base.text import canonical_json, msg
from provisioner.inventory import rules
from provisioner.inventory.explanation.problems import ParsedFile, problems_of
from provisioner.inventory.files.layout import LOCK_NAME, File, PlacesIn, locate
from provisioner.inventory.files.positions import KeyPath, Position, SourceFile
from provisioner.inventory.files.yaml import parse
from provisioner.inventory.model import Facility, Model
from provisioner.inventory.outline import Outline, outline_of
from provisioner.inventory.policy_rules.file import MOST_BYTES

M = TypeVar("M", bound=BaseModel)

MAX_FILE_BYTES = 1024 * 1024
"""Three thousand cameras in one facility: far more than any has, and little enough to be refused in seconds."""
MAX_LOCK_BYTES = 16 * 1024 * 1024
"""The lock grows with the country: ten thousand sites take one and a half MiB."""

MAX_SECRETS_BYTES = 16 * 1024 * 1024
"""A province's logins: those of a thousand facilities take one MiB."""
MAX_ENCRYPTED_BYTES = 5 * MAX_SECRETS_BYTES
"""A vault file has four letters for a byte, and ends of lines."""

_MOSTLY = 64 * 1024
_BLOCK = 4 * 1024 * 1024
_DETAILS: Final = ("name", "survey")


@dataclass(frozen=True, slots=True)
class FileContent:
    """What one file says.

    Attributes:
        digest: the SHA-256 of its bytes.
        text: what it says as JSON; empty where it cannot be understood.
        model: the same, typed; None where it does not fit.
        problems: what is wrong with it.
        source: where its values stand.
        value: what it says, as plain values; None where it cannot be understood.
    """

    digest: str
    text: str
    model: Model | None
    problems: tuple[Problem, ...]
    source: SourceFile
    value: object = None


@dataclass(frozen=True, slots=True)
class OnDisk:
    """A file that is read again when a place in it is wanted; `digest` is the SHA-256 of what was read before."""

    file: File
    digest: str

    @property
    def shown(self) -> str:
        """The file's path as the user would type it."""
        return self.file.shown

    def at(self, path: KeyPath, *, key: bool = False) -> Position:
        """The place of a value in this file, without line and column where the file is another by now."""
        try:
            data = bytes_of(self.file)
        except OSError:
            data = b""
        if hashlib.sha256(data).hexdigest() != self.digest:
            return Position(self.shown, 0, 0)
        mark = locate(data, path, key=key)
        return Position(self.shown, mark.line, mark.column)


class Site(NamedTuple):
    """What one facility's file says, in outline, and its problems.

    Attributes:
        digest: the SHA-256 of its bytes; empty where it cannot be read.
        outline: what the rest of the inventory needs to know; None where the file cannot be understood.
        faults: why it cannot be understood, or that it stands in the wrong place.
        problems: what the rules on single files find wrong.
        since: the first day on which the rules find the same, and `before` the first day after those.
        text: what it says, as JSON; empty where it is not understood, or was not read anew.
        content: the SHA-256 of what it says; comments and the order of keys do not count.
        details: its name and its survey, as JSON, like `text`.
    """

    digest: str
    outline: Outline | None
    faults: tuple[Problem, ...]
    problems: tuple[Problem, ...]
    since: date
    before: date
    text: str = ""
    content: str = ""
    details: str = ""

    def holds_on(self, today: date) -> bool:
        """Tell whether the rules find the same on a day."""
        return self.since <= today < self.before


def bytes_of(file: File) -> bytes:
    """A file's bytes; of one that is too large, no more than shows that.

    Raises:
        OSError: it cannot be read, or is no regular file.
    """
    descriptor = open_regular(f"{file.root}/{file.relative}")
    try:
        data = os.read(descriptor, _MOSTLY)
        if len(data) < _MOSTLY:
            return data
        parts = [data]
        left = max_bytes(file) + 1 - len(data)
        while left > 0 and (more := os.read(descriptor, min(left, _BLOCK))):
            parts.append(more)
            left -= len(more)
        return b"".join(parts)
    finally:
        os.close(descriptor)


def max_bytes(file: File) -> int:
    """The size up to which a file is read."""
    if file.kind == REGO_RULES:
        return MOST_BYTES
    if file.model is None:
        return MAX_ENCRYPTED_BYTES
    return MAX_LOCK_BYTES if file.relative == LOCK_NAME else MAX_FILE_BYTES


def read(file: File, data: bytes) -> FileContent:
    """Hold a file against strict YAML, its model, and its own name.

    Raises:
        ValueError: the file is an encrypted one, which has no model.
    """
    if file.model is None:
        raise ValueError(msg("{relative} is encrypted", file.relative))
    source = SourceFile(file.shown, data, PlacesIn)
    document = parse(data, max_bytes=max_bytes(file))
    text = "" if document.faults else as_json(document.value)
    problems: tuple[Problem, ...] = ()
    model = None
    if document.faults:
        name = file.owner.replace("/", " ", 1)
        problems = tuple(
            Problem(file.shown, f.line, f.column, f.code, f"{name}: {f.message}", f.hint, file.owner)
            for f in document.faults
        )
    else:
        try:
            model = validated_text(file.model, text)
        except ValidationError as error:
            problems = tuple(problems_of(error, ParsedFile(source, file.owner, document.value, file.model)))
    if model is not None:
        problems = _misnamed(file, model, source)
    return FileContent(hashlib.sha256(data).hexdigest(), text, model, problems, source, document.value)


def _misnamed(file: File, model: Model, source: SourceFile) -> tuple[Problem, ...]:
    """Hold a file's name and folder against the ids in it."""
    problems = []
    for key, expected in file.expected.items():
        value = getattr(model, key)
        if value != expected:
            place = source.at((key,))
            message = msg(
                "{owner}: {key} is {value}, but the file stands at {relative}",
                file.owner.replace("/", " ", 1),
                key,
                value,
                file.relative,
            )
            hint = msg("move the file to {key}, or write {key_2}: {expected}", file.moved(key, value), key, expected)
            code = f"{file.kind}-file-misplaced"
            problems.append(Problem(place.file, place.line, place.column, code, message, hint, file.owner))
    return tuple(problems)


def as_json(value: object) -> str:
    """A plain value as JSON, in the order of its keys."""
    return to_json(value).decode()


def content_of(text: str, digest: str) -> str:
    """The SHA-256 of what a file says; comments and the order of keys do not count.

    Args:
        text: what it says, as JSON; empty where it cannot be understood.
        digest: the SHA-256 of its bytes, which counts where it says no mapping.
    """
    return content_of_value(from_json(text) if text else None, digest)


def content_of_value(value: object, digest: str) -> str:
    """As `content_of`, of plain values."""
    if not isinstance(value, dict):
        return digest
    return hashlib.sha256(canonical_json(value)).hexdigest()


def validated(model: type[M], value: object) -> M:
    """Hold a plain value against a model; JSON mode lets texts be addresses, days and enums, and nothing more.

    Raises:
        ValidationError: it does not fit.
    """
    return validated_text(model, as_json(value))


def text_of(file: File, digest: str) -> str:
    """Read a file without faults once more, for what it says, as JSON.

    Raises:
        InventoryError: it is not the file any more that was read before.
    """
    try:
        data = bytes_of(file)
    except OSError:
        data = b""
    if hashlib.sha256(data).hexdigest() != digest:
        message = msg("{shown} was changed while the inventory was read", file.shown)
        raise InventoryError(message, hint="run the command again", object=file.owner)
    return as_json(parse(data, max_bytes=max_bytes(file)).value)


def validated_text(model: type[M], text: str) -> M:
    """Hold a value that is written as JSON against a model; as `validated`."""
    return model.model_validate_json(text)


def read_site(file: File, today: date) -> Site:
    """Read one facility's file and judge it by the rules on single files; never raises for what a file is."""
    try:
        data = bytes_of(file)
    except OSError as error:
        return Site("", None, (unreadable(file, error),), (), date.min, date.max)
    return site_of(file, data, today)


def site_of(file: File, data: bytes, today: date) -> Site:
    """As `read_site`, of what a file says or is to say."""
    content = read(file, data)
    if not isinstance(content.model, Facility):
        return Site(content.digest, None, content.problems, (), date.min, date.max)
    days = rules.Days(today)
    outline = outline_of(content.model)
    problems = rules.check_site(rules.SiteView(content.model, days, content.source, outline))
    days_and_text = (days.since, days.before, content.text, content_of_value(content.value, content.digest))
    return Site(content.digest, outline, content.problems, problems, *days_and_text, details_of(content.value))


def details_of(value: object) -> str:
    """A facility's name and survey as JSON, from its file's plain values; empty if these are no mapping."""
    return as_json({key: value[key] for key in _DETAILS if key in value}) if isinstance(value, dict) else ""


def unreadable(file: File, error: OSError) -> Problem:
    """Say that a file cannot be read."""
    message = msg("cannot be read: {strerror}", error.strerror)
    return Problem(file.shown, 0, 0, "file-unreadable", message, "correct its permissions", file.owner)
