"""An official document in Vietnamese, as a value. Pure.

The parts and their order are those of Decree 30/2020/NĐ-CP on records (5 March 2020), Appendix I: the national name and
motto, the issuing body, number and symbol, place and date, kind and subject, content, recipients, and the signature.
Texts that only a person knows come as `KEY=TEXT`; without them they are empty here, and a dotted line on paper.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum
from typing import Final

from provisioner.base.errors import UsageError
from provisioner.base.text import VIETNAM, did_you_mean, printable
from provisioner.base.vietnamese import clean
from provisioner.inventory.model import Facility

DOTS = "………………"
"""Where a person writes something in by hand."""

LINE_OF_DOTS = "…" * 30
"""The same, as wide as the page."""

_NO_ZERO_FROM = 3

KEYS: Final = {
    "parent": "parent",
    "issuer": "issuer",
    "number": "number",
    "place": "place",
    "date": "dated",
    "to": "addressees",
    "recipient": "recipients",
    "position": "position",
    "signer": "signer",
    "dic": "dic",
}
"""What can be filled in, and which attribute of `Letterhead` it is."""

_LIST_KEYS: Final = frozenset({"to", "recipient"})
_LONGEST: Final = 200
_YEARS: Final = range(2000, 2101)


class DocumentKind(Enum):
    """A kind of document: its name, and its abbreviation in the symbol (Appendix III of the decree, part I)."""

    REPORT = "BÁO CÁO", "BC"
    MINUTES = "BIÊN BẢN", "BB"

    @property
    def title(self) -> str:
        """The name of the kind, as it stands above the subject."""
        return self.value[0]

    @property
    def symbol(self) -> str:
        """Its abbreviation."""
        return self.value[1]


@dataclass(frozen=True, slots=True)
class Letterhead:
    """What only a person knows of a document; what is empty becomes a dotted line.

    Attributes:
        parent: the body above the issuing one.
        issuer: the issuing body.
        number: the number, with the symbol where the person writes it too, e.g. `15/BC-STTTT`.
        place: the place of issue.
        dated: the day of issue.
        addressees: whom a report is sent to.
        recipients: who else gets it.
        position: the position of whoever signs; of several lines, one after a `/` each.
        signer: their name.
        dic: what the leading department is called; it was merged into another in 2025.
    """

    parent: str = ""
    issuer: str = ""
    number: str = ""
    place: str = ""
    dated: date | None = None
    addressees: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    position: str = ""
    signer: str = ""
    dic: str = "Sở Thông tin và Truyền thông"


class PassageRole(Enum):
    """What a paragraph is: it looks like that."""

    CONTENT = "content"
    TITLE = "title"
    NOTE = "note"
    FORM = "form"
    """It has dots to write on, and is not stretched."""
    LAST = "last"
    """It stands on one page with the signatures."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A paragraph."""

    text: str
    role: PassageRole = PassageRole.CONTENT


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column of a table.

    Attributes:
        width_mm: how wide it is.
        is_centred: whether its cells are; numbers and days are, texts stand to the left.
    """

    name: str
    width_mm: int
    is_centred: bool = False


@dataclass(frozen=True, slots=True)
class OfficialTable:
    """A table; its header is repeated on every page.

    Attributes:
        columns: its columns.
        rows: texts and numbers, as many as there are columns.
        total: a last row in bold; none where it is empty.
    """

    columns: Sequence[TableColumn]
    rows: Sequence[Sequence[str | int]]
    total: Sequence[str | int] = ()


Block = Passage | OfficialTable


@dataclass(frozen=True, slots=True)
class Annex:
    """An annex, on pages of its own across the paper.

    Attributes:
        title: what it lists.
        blocks: its content.
    """

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True, slots=True)
class OfficialDocument:
    """A document.

    Attributes:
        kind: what it is.
        subject: what it is about (trích yếu).
        letterhead: what a person knows of it.
        blocks: its content.
        signers: of minutes, the parties that sign, each with the words above its place.
        annexes: what follows the signatures.
    """

    kind: DocumentKind
    subject: str
    letterhead: Letterhead
    blocks: Sequence[Block]
    signers: Sequence[str] = ()
    annexes: Sequence[Annex] = field(default=())


def day_in_words(day: date | None) -> str:
    """A day as documents have it: days below ten and the months one and two have a zero before them.

    That is Decree 30/2020/NĐ-CP, Appendix I, part II, item 4; without a day there is room for one.
    """
    if day is None:
        return "ngày …… tháng …… năm ……"
    month = f"{day.month:02}" if day.month < _NO_ZERO_FROM else str(day.month)
    return f"ngày {day.day:02} tháng {month} năm {day.year}"


def moment_in_words(moment: datetime) -> str:
    """A moment as documents have it, by Vietnam's clock."""
    local = moment.astimezone(VIETNAM)
    return f"{local:%H} giờ {local:%M} phút, {day_in_words(local.date())}"


def place_in_words(facility: Facility, province: str) -> str:
    """Where a facility is: its own address, as far as its file has it, and the province."""
    location = facility.location
    parts: Iterable[str | None] = (location.street, location.ward, location.district) if location else ()
    return ", ".join([*(part for part in parts if part), province])


def short_digest(digest: str) -> str:
    """A digest as people compare it: its first sixteen digits."""
    kind, colon, digits = digest.partition(":")
    return f"{kind}:{digits[:16]}…" if colon and len(digits) > 16 else digest  # noqa: PLR2004 (as said)


def letterhead_of(filled: Sequence[str]) -> Letterhead:
    """What was filled in.

    Raises:
        UsageError: a text is no `KEY=TEXT`, its key is none, it is there twice, or what it says cannot be.
    """
    texts: dict[str, list[str]] = defaultdict(list)
    for one in filled:
        key, equals, text = one.partition("=")
        _refuse_unknown(key, equals)
        texts[key].append(_line(key, text))
    for key, listed in texts.items():
        if len(listed) > 1 and key not in _LIST_KEYS:
            raise UsageError(f"--fill {key} is there {len(listed)} times", hint=f"write --fill {key}=TEXT once")
    days = texts.pop("date", None)
    plain = {KEYS[key]: listed[0] for key, listed in texts.items() if key not in _LIST_KEYS}
    return Letterhead(
        **plain,
        dated=_day(days[0]) if days else None,
        addressees=tuple(texts.get("to", ())),
        recipients=tuple(texts.get("recipient", ())),
    )


def _refuse_unknown(key: str, equals: str) -> None:
    keys = f"the keys are: {', '.join(KEYS)}"
    if key not in KEYS:
        message = f"--fill {printable(key, 80)!r}: there is no such key"
        raise UsageError(message, hint=did_you_mean(key, KEYS, keys))
    if not equals:
        raise UsageError(f"--fill {key} says nothing", hint=f"write --fill {key}=TEXT; {keys}")


def _line(key: str, text: str) -> str:
    line = printable(clean(text))
    if not line:
        raise UsageError(f"--fill {key} is empty", hint="leave it out for a dotted line")
    if len(line) > _LONGEST:
        hint = f"a line of a document's head has {_LONGEST} characters at most"
        raise UsageError(f"--fill {key} has {len(line)} characters", hint=hint)
    return line


def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.year not in _YEARS:
        raise UsageError(f"--fill date: {text!r} is no day", hint="write it as YYYY-MM-DD, e.g. 2021-05-17")
    return day
