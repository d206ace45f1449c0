"""Paragraphs and tables of a text document as WordprocessingML (ISO/IEC 29500-1, 17.3 and 17.4). Pure.

They are written out as text and read in one piece: to make a table of a thousand rows cell by cell takes minutes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from xml.sax.saxutils import escape

from provisioner.base.printable import printable
from provisioner.base.vietnamese import clean

_TWIPS_PER_MM = 1440 / 25.4
_BORDER = '<w:{side} w:val="single" w:sz="4" w:space="0" w:color="000000"/>'
_WHOLE = "<w:trPr><w:cantSplit/></w:trPr>"
_FIXED = '<w:tblLayout w:type="fixed"/>'
_SIDES = ("top", "left", "bottom", "right", "insideH", "insideV")


class Stand(StrEnum):
    """Where a paragraph's lines stand."""

    LEFT = "left"
    CENTRE = "center"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class ParagraphLook:
    """How a paragraph looks.

    Attributes:
        points: the size of its letters.
        first_mm: how far its first line stands to the right.
        after: the points below it; `before` are those above it.
        line: the height of its lines, in lines.
        stays: whether it is on one page with what follows.
    """

    points: int = 14
    stand: Stand = Stand.BOTH
    is_bold: bool = False
    is_italic: bool = False
    first_mm: int = 0
    before: int = 0
    after: int = 0
    line: float = 1.0
    stays: bool = False


def twips(millimetres: float) -> int:
    """Millimetres as twentieths of a point."""
    return round(millimetres * _TWIPS_PER_MM)


def plain(text: str) -> str:
    """A text as a document may have it: one line, composed, nothing in it that XML cannot hold."""
    return printable(clean(text))


def paragraph(text: str, look: ParagraphLook) -> str:
    """A paragraph."""
    style = f"{'<w:b/>' if look.is_bold else ''}{'<w:i/>' if look.is_italic else ''}"
    size = f'<w:sz w:val="{look.points * 2}"/><w:szCs w:val="{look.points * 2}"/>'
    run = (
        f'<w:r><w:rPr>{style}{size}</w:rPr><w:t xml:space="preserve">{escape(plain(text))}</w:t></w:r>' if text else ""
    )
    keep = "<w:keepNext/>" if look.stays else ""
    first = f'<w:ind w:firstLine="{twips(look.first_mm)}"/>' if look.first_mm else ""
    return (
        f'<w:p><w:pPr>{keep}{_spacing(look)}{first}<w:jc w:val="{look.stand}"/><w:rPr>{size}</w:rPr></w:pPr>{run}</w:p>'
    )


def _spacing(look: ParagraphLook) -> str:
    before, after, line = look.before * 20, look.after * 20, round(look.line * 240)
    return f'<w:spacing w:before="{before}" w:after="{after}" w:line="{line}" w:lineRule="auto"/>'


def rule(width_mm: float, within_mm: float, after: int = 0) -> str:
    """A line of that width in the middle of that space: it is drawn, no text is underlined."""
    side = max(0, twips((within_mm - width_mm) / 2))
    border = '<w:pBdr><w:top w:val="single" w:sz="6" w:space="0" w:color="000000"/></w:pBdr>'
    spacing = f'<w:spacing w:before="60" w:after="{after * 20}" w:line="40" w:lineRule="exact"/>'
    indent = f'<w:ind w:left="{side}" w:right="{side}"/>'
    return f'<w:p><w:pPr>{border}{spacing}{indent}<w:jc w:val="center"/><w:rPr><w:sz w:val="2"/></w:rPr></w:pPr></w:p>'


def page_number(points: int) -> str:
    """The number of the page, in the middle of its line."""
    size = f'<w:rPr><w:sz w:val="{points * 2}"/><w:szCs w:val="{points * 2}"/></w:rPr>'
    field = f'<w:fldSimple w:instr=" PAGE "><w:r>{size}<w:t>2</w:t></w:r></w:fldSimple>'
    spacing = '<w:spacing w:before="0" w:after="0" w:line="240" w:lineRule="auto"/>'
    return f'<w:p><w:pPr>{spacing}<w:jc w:val="center"/></w:pPr>{field}</w:p>'


def bare_table(widths_mm: Sequence[int], rows: Iterable[Sequence[str]]) -> str:
    """A table that is not seen: paragraphs side by side, no row of which is on two pages.

    Args:
        widths_mm: its columns' widths.
        rows: its cells, each the paragraphs in it.
    """
    margins = '<w:tblCellMar><w:left w:w="0" w:type="dxa"/><w:right w:w="0" w:type="dxa"/></w:tblCellMar>'
    body = "".join(f"<w:tr>{_WHOLE}{''.join(map(_cell, widths_mm, cells))}</w:tr>" for cells in rows)
    return _table(widths_mm, _FIXED + margins, body)


def ruled_table(
    widths_mm: Sequence[int], header: Sequence[str], rows: Iterable[Sequence[str]], *, total: Sequence[str] = ()
) -> str:
    """A table with lines; its header stands on every page.

    Args:
        widths_mm: its columns' widths.
        header: the cells of its first row, each the paragraphs in it.
        rows: the same of the other rows.
        total: the same of the last one; none where it is empty.
    """
    borders = "".join(_BORDER.format(side=side) for side in _SIDES)
    margins = '<w:tblCellMar><w:left w:w="57" w:type="dxa"/><w:right w:w="57" w:type="dxa"/></w:tblCellMar>'
    middle = '<w:vAlign w:val="center"/>'

    def row(cells: Sequence[str], properties: str) -> str:
        inner = "".join(_cell(width, one, middle) for width, one in zip(widths_mm, cells, strict=True))
        return f"<w:tr>{properties}{inner}</w:tr>"

    head = row(header, "<w:trPr><w:cantSplit/><w:tblHeader/></w:trPr>")
    body = "".join(row(cells, _WHOLE) for cells in (*rows, *([total] if total else [])))
    return _table(widths_mm, f"<w:tblBorders>{borders}</w:tblBorders>{_FIXED}{margins}", head + body)


def _table(widths_mm: Sequence[int], properties: str, rows: str) -> str:
    grid = "".join(f'<w:gridCol w:w="{twips(width)}"/>' for width in widths_mm)
    width = f'<w:tblW w:w="{twips(sum(widths_mm))}" w:type="dxa"/>'
    head = f'<w:tblPr>{width}<w:jc w:val="center"/>{properties}</w:tblPr><w:tblGrid>{grid}</w:tblGrid>'
    return f"<w:tbl>{head}{rows}</w:tbl>"


def _cell(width_mm: int, paragraphs: str, more: str = "") -> str:
    return f'<w:tc><w:tcPr><w:tcW w:w="{twips(width_mm)}" w:type="dxa"/>{more}</w:tcPr>{paragraphs}</w:tc>'
