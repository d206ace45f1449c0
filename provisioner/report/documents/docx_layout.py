"""The text of an official document, in the layout of Decree 30/2020/NĐ-CP. Pure; `docx_file` makes the file.

The figures are those of the decree's Appendix I, parts I (the page) and II (the parts of a document). A4; margins of 20
to 25 mm above and below, 30 to 35 mm at the left, 15 to 20 mm at the right; Times New Roman in black; the page's number
in Arabic digits, size 13 to 14, in the middle of the upper margin, and not on the first page. The national name in
capitals, size 12 to 13, bold; its motto size 13 to 14, bold, with a line of its length below; the issuing body size 12
to 13, bold, with a line of a third to a half of its length; number size 13; place and date size 13 to 14, italic; kind
and subject size 13 to 14, bold, a line below the subject; content size 13 to 14, first lines 10 or 12.7 mm in, at least
6 points between paragraphs, lines of 1 to 1.5; "Nơi nhận" size 12, bold and italic, what is listed below it size 11.
Annexes have pages of their own, numbered anew. Minutes are like form 1.9 of Appendix III: no place and date above.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from provisioner.report.documents.docx_parts import ParagraphLook, Stand, bare_table, paragraph, rule, ruled_table
from provisioner.report.documents.official import (
    DOTS,
    Annex,
    Block,
    DocumentKind,
    Letterhead,
    OfficialDocument,
    OfficialTable,
    PassageRole,
)
from provisioner.report.documents.words import day_in_words

SHORT_MM, LONG_MM = 210, 297
TOP_MM, BOTTOM_MM, LEFT_MM, RIGHT_MM = 20, 20, 30, 15
"""The page, and its margins."""

_WITHIN: Final = SHORT_MM - LEFT_MM - RIGHT_MM
_ACROSS: Final = LONG_MM - LEFT_MM - RIGHT_MM
_HEAD: Final = (65, 100)
_MOTTO_MM: Final = 61
"""How long the motto is in its size: the line below it is as long."""

_CENTRE: Final = ParagraphLook(stand=Stand.CENTRE)
_BODY: Final = ParagraphLook(first_mm=10, after=6, line=1.15)
_LOOKS: Final = {
    PassageRole.CONTENT: _BODY,
    PassageRole.TITLE: replace(_BODY, is_bold=True, stays=True),
    PassageRole.NOTE: replace(_BODY, is_italic=True, stand=Stand.LEFT),
    PassageRole.FORM: replace(_BODY, stand=Stand.LEFT),
    PassageRole.LAST: replace(_BODY, stays=True),
}
_CELL: Final = ParagraphLook(points=11, stand=Stand.LEFT, before=1, after=1)


def parts_of(document: OfficialDocument) -> Iterator[str]:
    """The paragraphs and tables of a document, without its annexes."""
    head = document.letterhead
    yield bare_table(_HEAD, _head_rows(document))
    yield paragraph(document.kind.title, replace(_CENTRE, is_bold=True, before=18, stays=True))
    yield paragraph(document.subject, replace(_CENTRE, is_bold=True, stays=True))
    yield rule(_third_of(document.subject, _WITHIN), _WITHIN, after=12)
    if document.kind is DocumentKind.REPORT:
        yield from _addressees(head.addressees)
    yield from _blocks(document.blocks)
    if document.signers:
        yield bare_table(_halves(), _party_rows(document.signers))
        yield paragraph("", replace(_CENTRE, points=6))
        yield bare_table(_halves(), [(_recipients(document), _NOTHING)])
    else:
        yield paragraph("", replace(_CENTRE, points=6))
        yield bare_table(_halves(), [(_recipients(document), _signature(head))])


def _head_rows(document: OfficialDocument) -> Iterator[tuple[str, str]]:
    head = document.letterhead
    above, issuer = replace(_CENTRE, points=12), replace(_CENTRE, points=12, is_bold=True)
    parent = head.parent or ("" if head.issuer else DOTS)
    name = (head.issuer or DOTS).upper()
    left = (paragraph(parent.upper(), above) if parent else "") + paragraph(name, issuer)
    right = paragraph("CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", replace(_CENTRE, points=13, is_bold=True))
    right += paragraph("Độc lập - Tự do - Hạnh phúc", replace(_CENTRE, is_bold=True))
    yield left + rule(_third_of(name, _HEAD[0]), _HEAD[0]), right + rule(_MOTTO_MM, _HEAD[1])
    number = paragraph(f"Số: {_number(document)}", replace(_CENTRE, points=13, before=4))
    when = f"{head.place or DOTS}, {day_in_words(head.dated)}"
    dated = document.kind is DocumentKind.REPORT
    yield number, paragraph(when if dated else "", replace(_CENTRE, is_italic=True, before=4))


def _number(document: OfficialDocument) -> str:
    number, symbol = document.letterhead.number, f"{document.kind.symbol}-……"
    if "/" in number:
        return number
    return f"{number or '……'}/{symbol}"


def _third_of(text: str, within_mm: int) -> float:
    """The length of the line below a text: a third to a half of the text's, which is about 2.8 mm a letter."""
    return min(len(text) * 2.8, within_mm) * 0.4


def _halves() -> tuple[int, int]:
    return _WITHIN // 2, _WITHIN - _WITHIN // 2


def _addressees(names: Sequence[str]) -> Iterator[str]:
    if len(names) < 2:  # noqa: PLR2004 (one is in one line with the words)
        yield paragraph(f"Kính gửi: {names[0] if names else DOTS}", replace(_CENTRE, after=12))
        return
    line = replace(_BODY, first_mm=45, after=0)
    yield paragraph("Kính gửi:", line)
    for number, name in enumerate(names, start=1):
        end = "." if number == len(names) else ";"
        yield paragraph(f"- {name}{end}", replace(line, after=12 if end == "." else 0))


def _blocks(blocks: Iterable[Block]) -> Iterator[str]:
    for block in blocks:
        if isinstance(block, OfficialTable):
            yield _table(block)
            yield paragraph("", replace(_CENTRE, points=6))
        else:
            yield paragraph(block.text, _LOOKS[block.role])


def _table(table: OfficialTable) -> str:
    looks = [replace(_CELL, stand=Stand.CENTRE if column.is_centred else Stand.LEFT) for column in table.columns]
    bold = [replace(look, is_bold=True) for look in looks]
    header = [paragraph(column.name, replace(_CELL, stand=Stand.CENTRE, is_bold=True)) for column in table.columns]
    rows = (_cells(row, looks) for row in table.rows)
    widths = [column.width_mm for column in table.columns]
    return ruled_table(widths, header, rows, total=_cells(table.total, bold) if table.total else ())


def _cells(row: Sequence[str | int], looks: Sequence[ParagraphLook]) -> list[str]:
    return [paragraph(str(cell), look) for cell, look in zip(row, looks, strict=True)]


# --- signatures and recipients --------------------------------------------------------------------


def _signature(head: Letterhead) -> str:
    bold = replace(_CENTRE, is_bold=True, stays=True)
    position = [paragraph(line.strip().upper(), bold) for line in (head.position or DOTS).split("/")]
    return "".join([*position, *([_BLANK] * 4), paragraph(head.signer or DOTS, replace(bold, stays=False))])


def _party_rows(signers: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The places of the parties, two beside each other."""
    places = [_party(name) for name in signers]
    places += [_NOTHING] * (len(places) % 2)
    yield from zip(places[::2], places[1::2], strict=True)


def _party(name: str) -> str:
    look = replace(_CENTRE, points=13, stays=True)
    words = paragraph(name.upper(), replace(look, is_bold=True, before=6))
    return words + paragraph("(Ký, ghi rõ họ tên)", replace(look, is_italic=True)) + _BLANK * 4


def _recipients(document: OfficialDocument) -> str:
    first = "Các bên ký tên" if document.signers else "Như trên"
    lines = [first, *(document.letterhead.recipients or (DOTS,))]
    look = ParagraphLook(points=11, stand=Stand.LEFT)
    title = paragraph("Nơi nhận:", replace(look, points=12, is_bold=True, is_italic=True))
    listed = (paragraph(f"- {line};", look) for line in lines)
    return "".join([title, *listed, paragraph("- Lưu: VT, ……", look)])


_NOTHING: Final = paragraph("", _CENTRE)
_BLANK: Final = paragraph("", replace(_CENTRE, stays=True))


# --- annexes --------------------------------------------------------------------------------------


def annex_parts(document: OfficialDocument, annex: Annex, number: int) -> Iterator[str]:
    """The paragraphs and tables of an annex; 0 is the number of the only one."""
    bold = replace(_CENTRE, is_bold=True, stays=True)
    yield paragraph(f"Phụ lục {_ROMAN[number]}".strip(), bold)
    yield paragraph(annex.title.upper(), bold)
    head = document.letterhead
    kind = document.kind.title.capitalize()
    issuer = f" của {head.issuer}" if head.issuer else ""
    with_what = f"(Kèm theo {kind} số {_number(document)} {day_in_words(head.dated)}{issuer})"
    yield paragraph(with_what, replace(_CENTRE, points=13, is_italic=True, stays=True))
    yield rule(60, _ACROSS, after=8)
    yield from _blocks(annex.blocks)


_ROMAN: Final = ("", "I", "II", "III", "IV", "V")
