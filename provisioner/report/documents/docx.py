"""An official document as DOCX, by Decree 30/2020/NĐ-CP. Pure.

The figures are those of the decree's Appendix I, parts I (the page) and II (the parts of a document). A4; margins of 20
to 25 mm above and below, 30 to 35 mm left, 15 to 20 mm right; Times New Roman in black. The page number has Arabic
digits, size 13 to 14, in the middle of the upper margin, and not on the first page.

- National name: capitals, size 12 to 13, bold. Motto: size 13 to 14, bold, with a line of its length below.
- Issuing body: size 12 to 13, bold, with a line of a third to a half of its length. Number: size 13.
- Place and date: size 13 to 14, italic. Kind and subject: size 13 to 14, bold, a line below the subject.
- Content: size 13 to 14, first lines indented 10 or 12.7 mm, 6 points or more between paragraphs, line height 1 to 1.5.
- "Nơi nhận": size 12, bold and italic; its list size 11.

Annexes have their own pages with their own numbers. Minutes are like form 1.9 of Appendix III: no place and date above.

Paragraphs and tables are written as WordprocessingML text (ISO/IEC 29500-1, 17.3 and 17.4): the library needs minutes
for a table of a thousand rows.
"""

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from itertools import zip_longest
from typing import Final
from xml.sax.saxutils import escape

import docx
from docx.document import Document as DocxFile
from docx.enum.section import WD_ORIENT, WD_SECTION
from docx.enum.text import WD_LINE_SPACING
from docx.oxml import OxmlElement, parse_xml
from docx.oxml.ns import nsdecls, qn
from docx.section import Section
from docx.shared import Mm, Pt

from provisioner.base.spreadsheet import steady_zip
from provisioner.base.text import printable
from provisioner.base.vietnamese import clean
from provisioner.report.documents import official

_TWIPS_PER_MM = 1440 / 25.4
_BORDER = '<w:{side} w:val="single" w:sz="4" w:space="0" w:color="000000"/>'
_WHOLE = "<w:trPr><w:cantSplit/></w:trPr>"
_FIXED = '<w:tblLayout w:type="fixed"/>'
_SIDES = ("top", "left", "bottom", "right", "insideH", "insideV")
SHORT_MM, LONG_MM = 210, 297

TOP_MM, BOTTOM_MM, LEFT_MM, RIGHT_MM = 20, 20, 30, 15  #: The page, and its margins.

_WITHIN: Final = SHORT_MM - LEFT_MM - RIGHT_MM
_ACROSS: Final = LONG_MM - LEFT_MM - RIGHT_MM
_HEAD: Final = (65, 100)

_LONGEST_SUBJECT: Final = 70  #: Characters of a subject in one line.
_CAPITAL_MM: Final = 2.8  #: The mean width of a bold capital of size 12.

_MOTTO_MM: Final = 61  #: The length of the motto and of the line below.

_SMALL: Final = 8  #: Rows of a table that no page breaks.
_ROMAN: Final = ("", "I", "II", "III", "IV", "V")
_FACE: Final = "Times New Roman"
_FIRST_PLACE: Final = 0x0D0C0000

#: Unneeded parts of the library's empty file, by kind.
_UNWANTED: Final = ("/thumbnail", "/stylesWithEffects", "/customXml")


class Stand(StrEnum):
    """The alignment of a paragraph."""

    LEFT = "left"
    CENTRE = "center"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class ParagraphLook:
    """The format of a paragraph; spaces in points, line height in lines."""

    points: int = 14
    stand: Stand = Stand.BOTH
    is_bold: bool = False
    is_italic: bool = False
    first_mm: int = 0
    before: int = 0
    after: int = 0
    line: float = 1.0
    stays: bool = False  #: On one page with its successor.


_CENTRE: Final = ParagraphLook(stand=Stand.CENTRE)
_BODY: Final = ParagraphLook(first_mm=10, after=6, line=1.15)
_LOOKS: Final = {
    official.PassageRole.CONTENT: _BODY,
    official.PassageRole.TITLE: replace(_BODY, is_bold=True, stays=True),
    official.PassageRole.NOTE: replace(_BODY, is_italic=True, stand=Stand.LEFT, stays=True),
    official.PassageRole.FORM: replace(_BODY, stand=Stand.LEFT),
    official.PassageRole.LAST: replace(_BODY, stays=True),
}
_CELL: Final = ParagraphLook(points=11, stand=Stand.LEFT, before=1, after=1)


def twips(millimetres: float) -> int:
    """Return millimetres as twentieths of a point."""
    return round(millimetres * _TWIPS_PER_MM)


def plain(text: str) -> str:
    """Return a text as one composed line without characters that XML excludes."""
    return printable(clean(text))


def paragraph(text: str | Sequence[str], look: ParagraphLook) -> str:
    """Return a paragraph, with the given line breaks."""
    lines = [text] if isinstance(text, str) else text
    words = '</w:t><w:br/><w:t xml:space="preserve">'.join(escape(plain(line)) for line in lines)
    style = f"{'<w:b/>' if look.is_bold else ''}{'<w:i/>' if look.is_italic else ''}"
    size = f'<w:sz w:val="{look.points * 2}"/><w:szCs w:val="{look.points * 2}"/>'
    run = f'<w:r><w:rPr>{style}{size}</w:rPr><w:t xml:space="preserve">{words}</w:t></w:r>' if words else ""
    keep = "<w:keepNext/>" if look.stays else ""
    first = f'<w:ind w:firstLine="{twips(look.first_mm)}"/>' if look.first_mm else ""
    return (
        f'<w:p><w:pPr>{keep}{_spacing(look)}{first}<w:jc w:val="{look.stand}"/><w:rPr>{size}</w:rPr></w:pPr>{run}</w:p>'
    )


def _spacing(look: ParagraphLook) -> str:
    before, after, line = look.before * 20, look.after * 20, round(look.line * 240)
    return f'<w:spacing w:before="{before}" w:after="{after}" w:line="{line}" w:lineRule="auto"/>'


_NOTHING: Final = paragraph("", _CENTRE)
_BLANK: Final = paragraph("", replace(_CENTRE, stays=True))


def rule(width_mm: float, within_mm: float, after: int = 0) -> str:
    """Return a drawn, centred line; no text is underlined."""
    side = max(0, twips((within_mm - width_mm) / 2))
    border = '<w:pBdr><w:top w:val="single" w:sz="6" w:space="0" w:color="000000"/></w:pBdr>'
    spacing = f'<w:spacing w:before="60" w:after="{after * 20}" w:line="40" w:lineRule="exact"/>'
    indent = f'<w:ind w:left="{side}" w:right="{side}"/>'
    return f'<w:p><w:pPr>{border}{spacing}{indent}<w:jc w:val="center"/><w:rPr><w:sz w:val="2"/></w:rPr></w:pPr></w:p>'


def page_number(points: int) -> str:
    """Return the number of the page, centred."""
    size = f'<w:rPr><w:sz w:val="{points * 2}"/><w:szCs w:val="{points * 2}"/></w:rPr>'
    field = f'<w:fldSimple w:instr=" PAGE "><w:r>{size}<w:t>2</w:t></w:r></w:fldSimple>'
    spacing = '<w:spacing w:before="0" w:after="0" w:line="240" w:lineRule="auto"/>'
    return f'<w:p><w:pPr>{spacing}<w:jc w:val="center"/></w:pPr>{field}</w:p>'


def bare_table(widths_mm: Sequence[int], rows: Iterable[Sequence[str]]) -> str:
    """Return an invisible table of paragraphs, without rows over two pages."""
    margins = '<w:tblCellMar><w:left w:w="0" w:type="dxa"/><w:right w:w="0" w:type="dxa"/></w:tblCellMar>'
    body = "".join(f"<w:tr>{_WHOLE}{''.join(map(_cell, widths_mm, cells))}</w:tr>" for cells in rows)
    return _table_xml(widths_mm, _FIXED + margins, body)


def ruled_table(
    widths_mm: Sequence[int], header: Sequence[str], rows: Iterable[Sequence[str]], *, total: Sequence[str] = ()
) -> str:
    """Return a table of paragraphs, with lines and a repeated header."""
    borders = "".join(_BORDER.format(side=side) for side in _SIDES)
    margins = '<w:tblCellMar><w:left w:w="57" w:type="dxa"/><w:right w:w="57" w:type="dxa"/></w:tblCellMar>'
    middle = '<w:vAlign w:val="center"/>'

    def row(cells: Sequence[str], properties: str) -> str:
        inner = "".join(_cell(width, text, middle) for width, text in zip(widths_mm, cells, strict=True))
        return f"<w:tr>{properties}{inner}</w:tr>"

    head = row(header, "<w:trPr><w:cantSplit/><w:tblHeader/></w:trPr>")
    body = "".join(row(cells, _WHOLE) for cells in (*rows, *([total] if total else [])))
    return _table_xml(widths_mm, f"<w:tblBorders>{borders}</w:tblBorders>{_FIXED}{margins}", head + body)


def _cell(width_mm: int, paragraphs: str, more: str = "") -> str:
    return f'<w:tc><w:tcPr><w:tcW w:w="{twips(width_mm)}" w:type="dxa"/>{more}</w:tcPr>{paragraphs}</w:tc>'


def _table_xml(widths_mm: Sequence[int], properties: str, rows: str) -> str:
    grid = "".join(f'<w:gridCol w:w="{twips(width)}"/>' for width in widths_mm)
    width = f'<w:tblW w:w="{twips(sum(widths_mm))}" w:type="dxa"/>'
    head = f'<w:tblPr>{width}<w:jc w:val="center"/>{properties}</w:tblPr><w:tblGrid>{grid}</w:tblGrid>'
    return f"<w:tbl>{head}{rows}</w:tbl>"


def parts_of(document: official.OfficialDocument) -> Iterator[str]:
    """Yield a document's paragraphs and tables, without its annexes."""
    head = document.letterhead
    yield bare_table(_HEAD, _head_rows(document))
    yield paragraph(document.kind.title, replace(_CENTRE, is_bold=True, before=18, stays=True))
    subject = _subject_lines(document.subject)
    yield paragraph(subject, replace(_CENTRE, is_bold=True, stays=True))
    yield rule(_third_of(subject[-1], _WITHIN), _WITHIN, after=12)
    if document.kind is official.DocumentKind.REPORT:
        yield from _addressee_paragraphs(head.addressees)
    yield from _block_paragraphs(document.blocks)
    if document.signers:
        yield bare_table(_halves(), _party_rows(document.signers))
        yield paragraph("", replace(_CENTRE, points=6))
        yield bare_table(_halves(), [(_recipient_paragraphs(document), _NOTHING)])
    else:
        yield paragraph("", replace(_CENTRE, points=6, stays=True))
        yield bare_table(_halves(), [(_recipient_paragraphs(document), _signature(head))])


def _head_rows(document: official.OfficialDocument) -> Iterator[tuple[str, str]]:
    head = document.letterhead
    above, issuer = replace(_CENTRE, points=12), replace(_CENTRE, points=12, is_bold=True)
    parent = head.parent or ("" if head.issuer else official.DOTS)
    lines = _even_lines((head.issuer or official.DOTS).upper(), _HEAD[0])
    left = paragraph(_even_lines(parent.upper(), _HEAD[0]), above) if parent else ""
    left += paragraph(lines, issuer)
    right = paragraph("CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", replace(_CENTRE, points=13, is_bold=True))
    right += paragraph("Độc lập - Tự do - Hạnh phúc", replace(_CENTRE, is_bold=True))
    yield left + rule(_third_of(lines[-1], _HEAD[0]), _HEAD[0]), right + rule(_MOTTO_MM, _HEAD[1])
    number = paragraph(f"Số: {_document_number(document)}", replace(_CENTRE, points=13, before=4))
    when = f"{head.place or official.DOTS}, {official.day_in_words(head.dated)}"
    dated = document.kind is official.DocumentKind.REPORT
    yield number, paragraph(when if dated else "", replace(_CENTRE, is_italic=True, before=4))


def _even_lines(name: str, within_mm: int) -> list[str]:
    """Split a long name in capitals into two even lines."""
    words = plain(name).split()
    if len(name) * _CAPITAL_MM <= within_mm or len(words) < 2:  # noqa: PLR2004 (a word is not broken)
        return [name]
    breaks = (
        (max(len(first), len(rest)), -len(first), [first, rest])
        for first, rest in ((" ".join(words[:n]), " ".join(words[n:])) for n in range(1, len(words)))
    )
    return min(breaks)[2]


def _subject_lines(subject: str) -> list[str]:
    """Return a long subject in two lines, the second with the territory."""
    what, where, whose = subject.partition(" trên địa bàn ")
    return [what, f"{where.strip()} {whose}"] if where and len(subject) > _LONGEST_SUBJECT else [subject]


def _third_of(text: str, within_mm: int) -> float:
    """Return 40 % of a text's length (a third to a half)."""
    return min(len(text) * _CAPITAL_MM, within_mm) * 0.4


def _addressee_paragraphs(names: Sequence[str]) -> Iterator[str]:
    if len(names) < 2:  # noqa: PLR2004 (one is in one line with the words)
        yield paragraph(f"Kính gửi: {names[0] if names else official.DOTS}", replace(_CENTRE, after=12))
        return
    line = replace(_BODY, first_mm=45, after=0)
    yield paragraph("Kính gửi:", line)
    for number, name in enumerate(names, start=1):
        end = "." if number == len(names) else ";"
        yield paragraph(f"- {name}{end}", replace(line, after=12 if end == "." else 0))


def _halves() -> tuple[int, int]:
    return _WITHIN // 2, _WITHIN - _WITHIN // 2


def _party_rows(signers: Sequence[str]) -> Iterator[tuple[str, str]]:
    places = [_party(name) for name in signers]
    places += [_NOTHING] * (len(places) % 2)
    yield from zip(places[::2], places[1::2], strict=True)


def _party(name: str) -> str:
    look = replace(_CENTRE, points=13, stays=True)
    title = paragraph(_even_lines(name.upper(), _halves()[0]), replace(look, is_bold=True, before=6))
    return title + paragraph("(Ký, ghi rõ họ tên)", replace(look, is_italic=True)) + _BLANK * 4


def _recipient_paragraphs(document: official.OfficialDocument) -> str:
    first = "Các bên ký tên" if document.signers else "Như trên"
    lines = [first, *(document.letterhead.recipients or (official.DOTS,))]
    look = ParagraphLook(points=11, stand=Stand.LEFT)
    title = paragraph("Nơi nhận:", replace(look, points=12, is_bold=True, is_italic=True))
    listed = (paragraph(f"- {line};", look) for line in lines)
    return "".join([title, *listed, paragraph("- Lưu: VT, …….", look)])


def _signature(head: official.Letterhead) -> str:
    bold = replace(_CENTRE, is_bold=True, stays=True)
    position = [paragraph(line.strip().upper(), bold) for line in (head.position or official.DOTS).split("/")]
    return "".join([*position, *([_BLANK] * 4), paragraph(head.signer or official.DOTS, replace(bold, stays=False))])


def annex_parts(document: official.OfficialDocument, annex: official.Annex, number: int) -> Iterator[str]:
    """Yield an annex's paragraphs and tables; a single annex has number 0."""
    bold = replace(_CENTRE, is_bold=True, stays=True)
    yield paragraph(f"Phụ lục {_ROMAN[number]}".strip(), bold)
    yield paragraph(annex.title.upper(), bold)
    head = document.letterhead
    kind = document.kind.title.capitalize()
    issuer = f" của {head.issuer}" if head.issuer else ""
    with_what = f"(Kèm theo {kind} số {_document_number(document)} {official.day_in_words(head.dated)}{issuer})"
    yield paragraph(with_what, replace(_CENTRE, points=13, is_italic=True, stays=True))
    yield rule(60, _ACROSS, after=8)
    yield from _block_paragraphs(annex.blocks)


def _document_number(document: official.OfficialDocument) -> str:
    number, symbol = document.letterhead.number, f"{document.kind.symbol}-……"
    if "/" in number:
        return number
    return f"{number or '……'}/{symbol}"


def _block_paragraphs(blocks: Iterable[official.Block]) -> Iterator[str]:
    listed = list(blocks)
    for block, following in zip_longest(listed, listed[1:]):
        if isinstance(block, official.OfficialTable):
            yield _official_table(block)
            yield paragraph("", replace(_CENTRE, points=6))
        elif block:
            stays = block.text.endswith(":") or isinstance(following, official.OfficialTable)
            look = _LOOKS[block.role]
            yield paragraph(block.text, replace(look, stays=look.stays or stays))


def _official_table(table: official.OfficialTable) -> str:
    looks = [replace(_CELL, stand=Stand.CENTRE if column.is_centred else Stand.LEFT) for column in table.columns]
    bold = [replace(look, is_bold=True) for look in looks]
    head = replace(_CELL, stand=Stand.CENTRE, is_bold=True, stays=True)
    header = [paragraph(column.name, head) for column in table.columns]
    # A header is never the last line of a page, a total never alone on one, and a small table is on one page.
    last = len(table.rows) - (not table.total)
    first = 0 if len(table.rows) <= _SMALL else last - 1
    staying = [replace(look, stays=True) for look in looks]
    rows = (_cells(row, staying if first <= n < last else looks) for n, row in enumerate(table.rows))
    widths = [column.width_mm for column in table.columns]
    return ruled_table(widths, header, rows, total=_cells(table.total, bold) if table.total else ())


def _cells(row: Sequence[str | int], looks: Sequence[ParagraphLook]) -> list[str]:
    return [paragraph(str(cell), look) for cell, look in zip(row, looks, strict=True)]


def official_docx(document: official.OfficialDocument, as_of: datetime) -> bytes:
    """Return a document's file, the same bytes for the same moment."""
    file = docx.Document()
    _prepare_file(file)
    _lay_out(file.sections[0], across=False)
    _add_placeholder(file, 0)
    texts = ["".join(parts_of(document))]
    for number, annex in enumerate(document.annexes, start=1):
        _lay_out(_begin_annex(file), across=True)
        _add_placeholder(file, number)
        texts.append("".join(annex_parts(document, annex, number if document.annexes[1:] else 0)))
    _set_title_and_date(file, document, as_of)
    out = io.BytesIO()
    file.save(out)
    return steady_zip(out.getvalue(), {"word/document.xml": lambda body: _with_texts_at_marks(body, texts)})


def _prepare_file(file: DocxFile) -> None:
    """Remove unneeded parts of the library's empty file, and set the font."""
    for relations in (file.part.package.rels, file.part.rels):
        for name in [name for name, relation in relations.items() if relation.reltype.endswith(_UNWANTED)]:
            del relations[name]
    style = file.styles["Normal"].element
    style.append(
        parse_xml(f'<w:pPr {nsdecls("w")}><w:spacing w:before="0" w:after="0" w:line="240" w:lineRule="auto"/></w:pPr>')
    )
    faces = " ".join(f'w:{script}="{_FACE}"' for script in ("ascii", "hAnsi", "eastAsia", "cs"))
    style.append(
        parse_xml(
            f'<w:rPr {nsdecls("w")}><w:rFonts {faces}/><w:color w:val="000000"/><w:sz w:val="28"/><w:szCs w:val="28"/>'
            f'<w:lang w:val="vi-VN"/></w:rPr>'
        )
    )


def _lay_out(section: Section, *, across: bool) -> None:
    """Set a section's pages; annexes are landscape, with their own numbers."""
    section.orientation = WD_ORIENT.LANDSCAPE if across else WD_ORIENT.PORTRAIT
    sides = (LONG_MM, SHORT_MM) if across else (SHORT_MM, LONG_MM)
    section.page_width, section.page_height = map(Mm, sides)
    section.top_margin, section.bottom_margin = Mm(TOP_MM), Mm(BOTTOM_MM)
    section.left_margin, section.right_margin = Mm(LEFT_MM), Mm(RIGHT_MM)
    section.header_distance = section.footer_distance = Mm(10)
    section.different_first_page_header_footer = True
    for grid in section._sectPr.findall(qn("w:docGrid")):  # noqa: SLF001 (lines of its own height have no public name)
        section._sectPr.remove(grid)  # noqa: SLF001
    if across:
        numbers = OxmlElement("w:pgNumType")
        numbers.set(qn("w:start"), "1")
        section._sectPr.find(qn("w:cols")).addprevious(numbers)  # noqa: SLF001
        return
    header = section.header
    header.is_linked_to_previous = False
    (number,) = parse_xml(f"<w:hdr {nsdecls('w')}>{page_number(14)}</w:hdr>")
    empty = header.paragraphs[0]._p  # noqa: SLF001
    empty.getparent().replace(empty, number)


def _add_placeholder(file: DocxFile, number: int) -> None:
    """Add a placeholder: moving thousands of rows in a tree takes minutes."""
    place = OxmlElement("w:p")
    place.set(qn("w:rsidR"), _mark_id(number))
    file.element.body.sectPr.addprevious(place)


def _begin_annex(file: DocxFile) -> Section:
    """Begin a section; the last paragraph before has no height."""
    section: Section = file.add_section(WD_SECTION.NEW_PAGE)
    last = file.paragraphs[-1]
    last.paragraph_format.line_spacing_rule = WD_LINE_SPACING.EXACTLY
    last.paragraph_format.line_spacing = Pt(1)
    return section


def _set_title_and_date(file: DocxFile, document: official.OfficialDocument, as_of: datetime) -> None:
    moment = as_of.astimezone(UTC).replace(tzinfo=None)
    properties = file.core_properties
    properties.author, properties.last_modified_by, properties.comments = "provisioner", "", ""
    properties.title, properties.language = plain(f"{document.kind.title}: {document.subject}")[:255], "vi"
    properties.identifier = plain(document.source)[:255]
    properties.created = properties.modified = moment
    properties.revision = 1


def _with_texts_at_marks(body: bytes, texts: Sequence[str]) -> bytes:
    for number, text in enumerate(texts):
        before, mark, after = body.partition(f'<w:p w:rsidR="{_mark_id(number)}"/>'.encode())
        if not mark:
            raise ValueError(f"there is no place for text {number}")
        body = before + text.encode() + after
    return body


def _mark_id(number: int) -> str:
    return f"{_FIRST_PLACE + number:08X}"
