"""An official document in Vietnamese as a value: what is in it, in which order. Pure; `docx_file` lays it out.

The parts and their order are those of Decree 30/2020/NĐ-CP on records (5 March 2020), Appendix I: the national
name and motto, the issuing body, number and symbol, place and date, kind and subject, content, recipients, and
the signature. What only a person knows stays empty here, and a dotted line there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import Enum

DOTS = "………………"
"""Where a person writes something in by hand."""

LINE_OF_DOTS = "…" * 30
"""The same, as wide as the page."""


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
