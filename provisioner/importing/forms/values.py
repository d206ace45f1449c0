"""From a cell to a value of the model: what people write, and what Excel makes of it. Nothing here raises."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from provisioner.base.vietnamese import clean, fold
from provisioner.contacts.field import FieldReading
from provisioner.contacts.messages import CATALOGUE, Language
from provisioner.contacts.names import read_line
from provisioner.importing.cells.findings import Level, Remark, error, warning
from provisioner.importing.cells.grid import Cell
from provisioner.importing.forms.choices import NO_OBSTACLE, OBSTACLES, YES_NO, Choice, YesNo, word_key
from provisioner.importing.forms.privacy import holds_login, holds_personal_data
from provisioner.inventory.explanation.sentences import is_inside_a_room


@dataclass(frozen=True, slots=True)
class Taken:
    """A cell as it was understood.

    Attributes:
        value: in the form that the inventory's files have; None where an error stands against it.
        remarks: one error, or any number of warnings.
    """

    value: Any
    remarks: tuple[Remark, ...] = ()


Reader = Callable[[Cell], Taken]

_UNITS = re.compile(
    r"\s*(?:người|phòng|tầng|camera|cam|cái|chiếc|kênh|mbps|mbit/s|mb/s|mb|kbps|kbit/s|kb|fps|hình/giây|khung)\s*$",
    re.IGNORECASE,
)
_GROUPED = re.compile(r"[0-9]{1,3}(?:[.][0-9]{3})+|[0-9]{1,3}(?:,[0-9]{3})+")
_RANGE = re.compile(r"[0-9]+\s*(?:-|\u2013|đến|tới|~|/)\s*[0-9]+")
_QUOTED = re.compile(r"'+[=+\-@]")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.-]*")
_LONGEST_ID = 63
_IN_ROOM = re.compile(
    r"(?:trong-|ben-trong-)?(?:phong-(?:o|ngu|cach-ly|benh|tam)|nha-tam|nha-ve-sinh|toilet|wc)(?:-|$)"
)


def unquoted(text: str) -> str:
    """A text without the quote that keeps a spreadsheet from taking it for a formula."""
    return text[1:] if _QUOTED.match(text) else text


def line(cell: Cell) -> Taken:
    """Read one line of text that may stand in a facility's file: no password, no phone, no e-mail."""
    if isinstance(cell.value, bool | date | timedelta):
        return Taken(None, (error("text-not-text"),))
    text = unquoted(cell.text)
    taken = taken_from(read_line(text))
    if taken.value is None:
        return taken
    if holds_login(text):
        return Taken(None, (error("password-in-text"),))
    return Taken(None, (error("personal-in-text"),)) if holds_personal_data(text) else taken


def location(cell: Cell) -> Taken:
    """Read where a camera hangs; the inside of a room is what order 4403/CV-BCĐ forbids."""
    taken = line(cell)
    if taken.value is None:
        return taken
    if is_inside_a_room(taken.value):
        return Taken(None, (error("zone-forbidden"),))
    return Taken(taken.value, (warning("location-room"),)) if _IN_ROOM.match(fold(taken.value)) else taken


def taken_from(reading: FieldReading) -> Taken:
    """Take over what a reader of contacts gives; its suggestion is personal data and stays behind."""
    value = None if reading.value is None else reading.value.reveal()
    return Taken(value, tuple(Remark(p.code, Level(p.severity.value)) for p in reading.problems))


def known_to_contacts(code: str) -> bool:
    """Tell whether a code's sentences are among those of the contacts' readers."""
    return code in CATALOGUE[Language.EN]


def identifier(cell: Cell) -> Taken:
    """Read an id; capitals, spaces and underscores are taken for what they stand for."""
    if not isinstance(cell.value, str):
        return Taken(None, (error("id-number"),))
    text = clean(cell.value)
    value = fold(text)
    fits = _ID.fullmatch(text) and value and len(value) <= _LONGEST_ID
    return Taken(value) if fits else Taken(None, (error("id-form"),))


def whole(least: int, most: int) -> Reader:
    """The reader of a whole number."""

    def read(cell: Cell) -> Taken:
        number, remarks = _number(cell)
        if number is None:
            return Taken(None, remarks)
        if not float(number).is_integer():
            return Taken(None, (error("number-not-whole"),))
        if not least <= number <= most:
            return Taken(None, (error("number-range", least=least, most=most),))
        return Taken(int(number), remarks)

    return read


def decimal(most: int) -> Reader:
    """The reader of a positive number with a comma or a point."""

    def read(cell: Cell) -> Taken:
        if isinstance(cell.value, str) and _GROUPED.fullmatch(_UNITS.sub("", clean(cell.value)).strip()):
            return Taken(None, (error("number-ambiguous"),))
        number, remarks = _number(cell)
        if number is None:
            return Taken(None, remarks)
        if not 0 < number <= most:
            return Taken(None, (error("number-range", least=0, most=most),))
        return Taken(int(number) if float(number).is_integer() else number, remarks)

    return read


def _number(cell: Cell) -> tuple[float | None, tuple[Remark, ...]]:
    value = cell.value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (value, ()) if abs(value) < 10**12 else (None, (error("number-form"),))
    if not isinstance(value, str):
        return None, (error("number-day" if isinstance(value, date) else "number-form"),)
    text = _UNITS.sub("", clean(value)).strip()
    if _RANGE.fullmatch(text):
        return None, (error("number-several"),)
    if _GROUPED.fullmatch(text):
        number = int(re.sub("[.,]", "", text))
        return number, (warning("number-grouped", number=number),)
    if re.fullmatch(r"[0-9]{1,9}(?:[.,][0-9]{1,6})?", text):
        return float(text.replace(",", ".")), ()
    return None, (error("number-form"),)


def one_of(choice: Choice) -> Reader:
    """The reader of a word from a list."""

    def read(cell: Cell) -> Taken:
        found = choice.find(_word(cell))
        return Taken(found) if found else Taken(None, (error("choice-unknown", allowed="; ".join(choice.labels)),))

    return read


def zone(choice: Choice) -> Reader:
    """The reader of a zone; the inside of rooms, toilets and baths has a message of its own."""

    def read(cell: Cell) -> Taken:
        if is_inside_a_room(_word(cell)):
            return Taken(None, (error("zone-forbidden"),))
        return one_of(choice)(cell)

    return read


def obstacle(cell: Cell) -> Taken:
    """Read what blocks a facility; `no obstacle` is an answer too, and gives an empty text."""
    return Taken("") if word_key(_word(cell)) in NO_OBSTACLE else one_of(OBSTACLES)(cell)


def some_of(choice: Choice) -> Reader:
    """The reader of several words in one cell, parted by semicolons, commas or line breaks."""

    def read(cell: Cell) -> Taken:
        found: list[str] = []
        for part in re.split(r"[;\n\r+]|\bvà\b", _word(cell)):
            values = _comma_parts(part, choice) if part.strip() else ()
            if values is None:
                return Taken(None, (error("choice-unknown", allowed="; ".join(choice.labels)),))
            found += values
        return Taken(list(dict.fromkeys(found)))

    return read


def _comma_parts(text: str, choice: Choice) -> tuple[str, ...] | None:
    """Part a text at commas, but not within a word of the list that has a comma itself; the longest comes first."""
    pieces = text.split(",")
    for length in range(len(pieces), 0, -1):
        found = choice.find(",".join(pieces[:length]))
        if found:
            rest = _comma_parts(",".join(pieces[length:]), choice) if pieces[length:] else ()
            return None if rest is None else (found, *rest)
    return None if text.strip() else ()


def yes_no(cell: Cell) -> Taken:
    """Read a mark."""
    taken = one_of(YES_NO)(cell)
    return taken if taken.value is None else Taken(taken.value == YesNo.YES)


def _word(cell: Cell) -> str:
    return unquoted(cell.text)
