"""An official document as a DOCX file: its pages, their numbers, its properties. Apart: its library takes time. Pure.

Its text is `docx_layout`'s, which says what the figures are of.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import docx
from docx.document import Document as DocxFile
from docx.enum.section import WD_ORIENT, WD_SECTION
from docx.enum.text import WD_LINE_SPACING
from docx.oxml import OxmlElement, parse_xml
from docx.oxml.ns import nsdecls, qn
from docx.section import Section
from docx.shared import Mm, Pt

from provisioner.base.steady_zip import steady_zip
from provisioner.report.documents.docx_layout import (
    BOTTOM_MM,
    LEFT_MM,
    LONG_MM,
    RIGHT_MM,
    SHORT_MM,
    TOP_MM,
    annex_parts,
    parts_of,
)
from provisioner.report.documents.docx_parts import page_number, plain
from provisioner.report.documents.official import OfficialDocument

_FACE: Final = "Times New Roman"
_FIRST_PLACE: Final = 0x0D0C0000
_UNWANTED: Final = ("/thumbnail", "/stylesWithEffects", "/customXml")
"""Parts of the library's empty file that say nothing of this document, by the ends of their kinds."""


def official_docx(document: OfficialDocument, as_of: datetime) -> bytes:
    """A document's file: the same document at the same moment is the same bytes.

    Args:
        document: what is in it.
        as_of: the moment of what it says, with its zone.
    """
    file = docx.Document()
    _prepare(file)
    _lay_out(file.sections[0], across=False)
    _mark(file, 0)
    texts = ["".join(parts_of(document))]
    for number, annex in enumerate(document.annexes, start=1):
        _lay_out(_begin_annex(file), across=True)
        _mark(file, number)
        texts.append("".join(annex_parts(document, annex, number if document.annexes[1:] else 0)))
    _sign(file, document, as_of)
    out = io.BytesIO()
    file.save(out)
    return steady_zip(out.getvalue(), {"word/document.xml": lambda body: _filled(body, texts)})


# --- the file -------------------------------------------------------------------------------------


def _prepare(file: DocxFile) -> None:
    """Take away what the library's empty file has of its own, and set the letters."""
    for relations in (file.part.package.rels, file.part.rels):
        for name in [name for name, one in relations.items() if one.reltype.endswith(_UNWANTED)]:
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
    """Make a section's pages: their size, margins and numbers; those of an annex lie across and are numbered anew."""
    section.orientation = WD_ORIENT.LANDSCAPE if across else WD_ORIENT.PORTRAIT
    section.page_width, section.page_height = (Mm(side) for side in _sides(across=across))
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


def _sides(*, across: bool) -> tuple[int, int]:
    return (LONG_MM, SHORT_MM) if across else (SHORT_MM, LONG_MM)


def _mark(file: DocxFile, number: int) -> None:
    """Put a paragraph where a text is to stand: to move a table of thousands of rows in a tree takes minutes."""
    place = OxmlElement("w:p")
    place.set(qn("w:rsidR"), _place(number))
    file.element.body.sectPr.addprevious(place)


def _place(number: int) -> str:
    return f"{_FIRST_PLACE + number:08X}"


def _filled(body: bytes, texts: Sequence[str]) -> bytes:
    """The text of the file with every paragraph of `_mark` made the text that is to stand there."""
    for number, text in enumerate(texts):
        before, mark, after = body.partition(f'<w:p w:rsidR="{_place(number)}"/>'.encode())
        if not mark:
            raise ValueError(f"there is no place for text {number}")
        body = before + text.encode() + after
    return body


def _begin_annex(file: DocxFile) -> Section:
    """Begin a new section; the paragraph that ends the one before has no height, and makes no page."""
    section: Section = file.add_section(WD_SECTION.NEW_PAGE)
    last = file.paragraphs[-1]
    last.paragraph_format.line_spacing_rule = WD_LINE_SPACING.EXACTLY
    last.paragraph_format.line_spacing = Pt(1)
    return section


def _sign(file: DocxFile, document: OfficialDocument, as_of: datetime) -> None:
    """Say in the file's own properties what it is and of when; who ran the program stands nowhere."""
    moment = as_of.astimezone(UTC).replace(tzinfo=None)
    properties = file.core_properties
    properties.author, properties.last_modified_by, properties.comments = "provisioner", "", ""
    properties.title, properties.language = plain(f"{document.kind.title}: {document.subject}")[:255], "vi"
    properties.created = properties.modified = moment
    properties.revision = 1
