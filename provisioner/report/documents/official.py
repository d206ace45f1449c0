"""An official document in Vietnamese, as a value. Pure.

The parts and their order are those of Decree 30/2020/NĐ-CP on records (5 March 2020), Appendix I: national name and
motto, issuing body, number and symbol, place and date, kind and subject, content, recipients, signature. Values from a
person come as `KEY=TEXT`; a missing one is a dotted line on paper.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum
from typing import Final

from provisioner.base.errors import UsageError
from provisioner.base.text import VIETNAM, did_you_mean, printable
from provisioner.base.vietnamese import clean
from provisioner.inventory.model.facility import Facility
from provisioner.inventory.model.orders import Instruction

DOTS = "………………"  #: Space for handwriting.
LINE_OF_DOTS = "…" * 30  #: Space as wide as the page.

_NO_ZERO_FROM = 3

#: The keys that can be filled in, with the attributes of `Letterhead`.
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

_LIST_KEYS: Final = frozenset({"to", "recipient"})
_LONGEST: Final = 200
_YEARS: Final = range(2000, 2101)


class DocumentKind(Enum):
    """A kind: its name and abbreviation (the decree's Appendix III, part I)."""

    REPORT = "BÁO CÁO", "BC"
    MINUTES = "BIÊN BẢN", "BB"

    @property
    def title(self) -> str:
        """The name above the subject."""
        return self.value[0]

    @property
    def symbol(self) -> str:
        """The abbreviation."""
        return self.value[1]


@dataclass(frozen=True, slots=True)
class Letterhead:
    """The values from a person; an empty one becomes a dotted line."""

    parent: str = ""  #: The body above the issuing one.
    issuer: str = ""
    number: str = ""  #: Perhaps with the symbol, e.g. `15/BC-STTTT`.
    place: str = ""
    dated: date | None = None  #: The day of issue.
    addressees: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()  #: Of copies.
    position: str = ""  #: Of the signer; `/` separates lines.
    signer: str = ""
    dic: str = "Sở Thông tin và Truyền thông"  #: The leading department's name; it was merged into another in 2025.


class PassageRole(Enum):
    """The role of a paragraph, which determines its format."""

    CONTENT = "content"
    TITLE = "title"
    NOTE = "note"
    FORM = "form"  #: A form with dots, not justified.
    LAST = "last"  #: On one page with the signatures.


@dataclass(frozen=True, slots=True)
class Passage:
    """A paragraph."""

    text: str
    role: PassageRole = PassageRole.CONTENT


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column of a table; numbers and days are centred."""

    name: str
    width_mm: int
    is_centred: bool = False


@dataclass(frozen=True, slots=True)
class OfficialTable:
    """A table with a header on every page; an optional bold total."""

    columns: Sequence[TableColumn]
    rows: Sequence[Sequence[str | int]]
    total: Sequence[str | int] = ()


Block = Passage | OfficialTable


@dataclass(frozen=True, slots=True)
class Annex:
    """An annex on landscape pages of its own."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True, slots=True)
class OfficialDocument:
    """A document: subject (trích yếu), values from a person, content, annexes."""

    kind: DocumentKind
    subject: str
    letterhead: Letterhead
    blocks: Sequence[Block]
    signers: Sequence[str] = ()  #: The words above each signature of minutes.
    annexes: Sequence[Annex] = field(default=())
    source: str = ""  #: The data and runs, for programs: in the file's properties, not on paper.


def day_in_words(day: date | None) -> str:
    """Return a day as in documents, or space for one.

    Days below ten and the months one and two have a leading zero (Decree 30/2020/NĐ-CP, Appendix I, part II, item 4).
    """
    if day is None:
        return "ngày …… tháng …… năm ……"
    month = f"{day.month:02}" if day.month < _NO_ZERO_FROM else str(day.month)
    return f"ngày {day.day:02} tháng {month} năm {day.year}"


def moment_in_words(moment: datetime) -> str:
    """Return a time as in documents, by Vietnam's clock."""
    local = moment.astimezone(VIETNAM)
    return f"{local:%H} giờ {local:%M} phút, {day_in_words(local.date())}"


#: Kinds of orders by the abbreviation in their symbol (the decree's Appendix III, part I); a letter has none.
_ORDER_KINDS: Final = {
    "QĐ": "Quyết định",
    "NQ": "Nghị quyết",
    "CT": "Chỉ thị",
    "TB": "Thông báo",
    "HD": "Hướng dẫn",
    "KH": "Kế hoạch",
    "CĐ": "Công điện",
}


def order_text(order: Instruction) -> str:
    """Return an order as documents cite it: kind, number, day, issuer."""
    _, slash, symbol = order.ref.rpartition("/")
    kind = _ORDER_KINDS.get(symbol.partition("-")[0], "Công văn" if slash else "Văn bản")
    return f"{kind} số {order.ref} {day_in_words(order.issued_on)} của {order.issuer}"


def address_text(facility: Facility, province: str) -> str:
    """Return a facility's known address and its province."""
    location = facility.location
    parts: Iterable[str | None] = (location.street, location.ward, location.district) if location else ()
    return ", ".join([*(part for part in parts if part), province])


def short_digest(digest: str) -> str:
    """Return a digest's first sixteen digits, which people compare."""
    kind, colon, digits = digest.partition(":")
    return f"{kind}:{digits[:16]}…" if colon and len(digits) > 16 else digest  # noqa: PLR2004 (as said)


def letterhead_of(filled: Sequence[str]) -> Letterhead:
    """Parse the values from a person, or raise `UsageError`."""
    texts: dict[str, list[str]] = defaultdict(list)
    for pair in filled:
        key, equals, text = pair.partition("=")
        keys = f"the keys are: {', '.join(KEYS)}"
        if key not in KEYS:
            raise UsageError(f"--fill {printable(key, 80)!r}: there is no such key", hint=did_you_mean(key, KEYS, keys))
        if not equals:
            raise UsageError(f"--fill {key} says nothing", hint=f"write --fill {key}=TEXT; {keys}")
        texts[key].append(_checked_line(key, text))
    for key, listed in texts.items():
        if len(listed) > 1 and key not in _LIST_KEYS:
            raise UsageError(f"--fill {key} is there {len(listed)} times", hint=f"write --fill {key}=TEXT once")
    days = texts.pop("date", None)
    plain = {KEYS[key]: listed[0] for key, listed in texts.items() if key not in _LIST_KEYS}
    return Letterhead(
        **plain,
        dated=_checked_day(days[0]) if days else None,
        addressees=tuple(texts.get("to", ())),
        recipients=tuple(texts.get("recipient", ())),
    )


def _checked_line(key: str, text: str) -> str:
    line = printable(clean(text))
    if not line:
        raise UsageError(f"--fill {key} is empty", hint="leave it out for a dotted line")
    if len(line) > _LONGEST:
        hint = f"a line of a document's head has {_LONGEST} characters at most"
        raise UsageError(f"--fill {key} has {len(line)} characters", hint=hint)
    return line


def _checked_day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.year not in _YEARS:
        raise UsageError(f"--fill date: {text!r} is no day", hint="write it as YYYY-MM-DD, e.g. 2021-05-17")
    return day
