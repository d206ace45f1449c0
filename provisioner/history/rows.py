"""Rows as they come back from the database, read with care. Pure.

Who can write the database's file can put anything in any column. What cannot be read is a damaged row of the record,
and no defect of this program.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from datetime import datetime
from typing import NoReturn, TypeGuard, cast

from provisioner.base.errors import StateError
from provisioner.history.records import BegunContent, EndedContent, EntryKind, Operation, canonical

# An entry names its hosts and a hash or two; a document has every path of a country.
LARGEST_ENTRY = 16 * 2**20
LARGEST_DOCUMENT = 256 * 2**20

# What reading a row that was tampered with may raise, wherever it is taken apart.
DAMAGE = (TypeError, ValueError, LookupError, ArithmeticError, AttributeError, RecursionError, zlib.error)

_HINT = "see all that is wrong: provisioner history verify; keep a copy of this database, and take a backup of before"
_LONGEST_NAME = 63
_TEXTS = ("run", "step", "at", "operation", "started", "plan", "tool")


class DamagedRecordError(StateError):
    """A row of the record cannot be read."""

    def __init__(self, message: str, *, object: str = "") -> None:  # noqa: A002 (the documents' own word)
        super().__init__(message, hint=_HINT, object=object)


def entry_name(number: object) -> str:
    """An entry's number for people, whatever stands there."""
    return str(number) if isinstance(number, int) else "of no number"


def entry_content(text: object, number: object) -> BegunContent | EndedContent:
    """What an entry says.

    Raises:
        ValueError: it is not as entries are, or not the one of its number.
    """
    if not isinstance(text, str) or len(text) > LARGEST_ENTRY:
        raise ValueError("an entry's content is a text, and no endless one")
    content = plain_object(text)
    if content["number"] != number or not isinstance(number, int):
        raise ValueError("an entry says which it is")
    of = content["inventory"]
    if not _are_texts(*(content[name] for name in _TEXTS)) or not isinstance(of, dict):
        raise ValueError("an entry says what it is of in texts")
    if not _are_texts(of["commit"], of["digest"], *_items(content["who"])) or not _is_texts(content["limit"]):
        raise ValueError("an entry says who and what in texts")
    if not str(content["run"]).isprintable() or len(str(content["run"])) > _LONGEST_NAME:
        raise ValueError("a run's id is a word")
    Operation(str(content["operation"]))
    _moment(content["started"]), _moment(content["at"])
    if EntryKind(str(content["step"])) is EntryKind.BEGUN:
        if not _is_texts(content["hosts"]):
            raise ValueError("hosts are texts")
    elif not _are_texts(content["outcome"], content["checks"], *([content["document"]] if content["document"] else [])):
        raise ValueError("an ending says what became of the run in texts")
    return cast("BegunContent | EndedContent", content)


def plain_object(text: str | bytes) -> dict[str, object]:
    """A JSON object that can be written again.

    Raises:
        ValueError, RecursionError: it is none: a number that is none, half of a character, nested without end.
    """
    value = json.loads(text, parse_constant=_refuse)
    if not isinstance(value, dict):
        raise TypeError("it is no object")
    canonical(value).encode()
    return value


def unpacked(packed: object) -> str:
    """A packed document's text.

    Raises:
        ValueError, zlib.error: it is not packed as documents are, or never ends.
    """
    if isinstance(packed, memoryview):
        packed = bytes(packed)
    if not isinstance(packed, bytes):
        raise TypeError("a packed document is bytes")
    machine = zlib.decompressobj()
    text = machine.decompress(packed, LARGEST_DOCUMENT)
    if not machine.eof or machine.unused_data:
        raise ValueError("a packed document ends where its bytes end")
    return text.decode()


def _refuse(_text: str) -> NoReturn:
    raise ValueError("no number of ours is infinite")


def _moment(text: object) -> datetime:
    moment = datetime.fromisoformat(str(text))
    if moment.tzinfo is None:
        raise ValueError("a moment has a zone")
    return moment


def _are_texts(*values: object) -> bool:
    return all(isinstance(value, str) for value in values)


def _is_texts(value: object) -> TypeGuard[list[str]]:
    return isinstance(value, list) and _are_texts(*value)


def _items(value: object) -> list[object]:
    if not isinstance(value, Mapping):
        raise TypeError("it is no object")
    return [*value.keys(), *value.values()]
