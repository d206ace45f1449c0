"""A package's sheet with codes to scan, and as a PDF. Pure.

The PDF has a page of A4 for each of two languages, in a font with Vietnamese letters. It is drawn from the rendered
page, so that both have the same text; unknown HTML is an error. The same page gives the same bytes. The libraries are
slow to import, so this module is separate.
"""

import io
import re
from collections.abc import Mapping
from functools import cache, lru_cache
from html import escape, unescape
from html.parser import HTMLParser
from itertools import zip_longest
from typing import Final

import segno
from reportlab.lib.colors import black, grey
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, Frame, Paragraph, Table
from ttf_opensans import OPENSANS_BOLD, OPENSANS_REGULAR

from provisioner.base.errors import RenderError
from provisioner.desired.render.host import RenderedFile

_QUIET = 2  #: Width of the light border in modules; enough beside text.
_SIDE: Final = 14 * mm
_TOP: Final = 12 * mm
_WIDTH: Final = A4[0] - 2 * _SIDE
_HEIGHT: Final = A4[1] - 2 * _TOP
_CODE_SIDE: Final = 34 * mm
_FACE, _BOLD, _MONO = "OpenSans", "OpenSans-Bold", "Courier"
#: Font sizes in points. The largest that fits a language on one page is used, else the smallest.
_SIZES: Final = (9.5, 9.0, 8.5, 8.0, 7.5, 7.0)
_LARGER: Final = {"h1": 1.5, "h2": 1.15, "device": 0.9}
_Look = tuple[str, tuple[int, int], tuple[int, int], *tuple[object, ...]]
_BOX: Final = '<font face="ZapfDingbats">\u274f</font> '
_INLINE: Final = {"strong": f'<font face="{_BOLD}">', "code": f'<font face="{_MONO}">', "span": _BOX}
_BLOCKS: Final = frozenset({"h1", "h2", "p", "li", "th", "td"})
_AROUND: Final = frozenset({"html", "head", "body", "meta", "title", "style"})
_FIGURE = re.compile(r'(<figure class="qr" data-text="([^"]*)">)')


# --- codes -----------------------------------------------------------------------------------------
def code_svg(text: str) -> str:
    """Return a code as an SVG element."""
    return _qr(text).svg_inline(omitsize=True, border=_QUIET, svgclass=None, lineclass=None)


@lru_cache(maxsize=16)
def _qr(text: str) -> segno.QRCode:
    return segno.make_qr(text, error="m")


def code_rows(text: str) -> list[list[bool]]:
    """Return a code's modules by row, `True` if dark."""
    return [[bool(module) for module in row] for row in _qr(text).matrix_iter(border=_QUIET)]


# --- the PDF ---------------------------------------------------------------------------------------
def sheet_pdf(page: str) -> bytes:
    """Return a sheet as PDF with codes drawn; `RenderError` for unknown HTML."""
    whole = _Sheet(page, _SIZES[0])
    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=A4, invariant=1, lang="vi")
    canvas.setTitle(whole.title)
    for number in range(len(whole.articles)):
        _put(canvas, _sized(page, number))
    canvas.save()
    return buffer.getvalue()


def _sized(page: str, number: int) -> list[Flowable]:
    for size in _SIZES:
        # Measuring wears flowables out: each is made anew.
        if _fits(_Sheet(page, size).articles[number]):
            break
    return _Sheet(page, size).articles[number]


def _fits(article: list[Flowable]) -> bool:
    remaining = list(article)
    _frame().addFromList(remaining, Canvas(io.BytesIO(), pagesize=A4))
    return not remaining


def _put(canvas: Canvas, article: list[Flowable]) -> None:
    """Put an article on pages; a part beyond one raises `RenderError`."""
    remaining = list(article)
    while remaining:
        before = len(remaining)
        _frame().addFromList(remaining, canvas)
        if len(remaining) == before and not isinstance(remaining[0], Table):
            raise RenderError("a sheet has a text that is longer than a page", object="setup.html")
        canvas.showPage()


def _frame() -> Frame:
    return Frame(_SIDE, _TOP, _WIDTH, _HEIGHT, 0, 0, 0, 0)


class _Code(Flowable):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.width = self.height = _CODE_SIDE
        self._rows = code_rows(text)

    def draw(self) -> None:
        side = _CODE_SIDE / len(self._rows)
        for down, row in enumerate(self._rows, start=1):
            for across, dark in enumerate(row):
                if dark:
                    # A hair wider than it is, so that no viewer shows gaps.
                    self.canv.rect(across * side, _CODE_SIDE - down * side, side * 1.02, side * 1.02, stroke=0, fill=1)


class _Sheet(HTMLParser):
    """A sheet's articles as flowables of the PDF."""

    def __init__(self, page: str, size: float) -> None:
        super().__init__()
        self.title = ""
        self._size = size
        self.articles: list[list[Flowable]] = []
        self._around = ""
        self._block: list[str] | None = None
        self._kind = ""
        self._numbers: int | None = None
        self._devices: list[Flowable] | None = None
        self._rows: list[list[Flowable]] = []
        self._qr = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag in _BLOCKS:
            self._block, self._kind = [], attributes.get("class", "")
        elif tag in _INLINE:
            self._text(_INLINE[tag])
        elif tag in _AROUND:
            self._around = tag
        else:
            self._begin_element(tag, attributes)

    def _begin_element(self, tag: str, attributes: Mapping[str, str]) -> None:
        match tag:
            case "article":
                self.articles.append([])
            case "ol":
                self._numbers = 0
            case "ul":
                self._devices = []
            case "table":
                self._rows = []
            case "tr":
                self._rows.append([])
            case "figure":
                self._qr = attributes["data-text"]
            case _:
                raise RenderError(f"a sheet has <{tag}>, which the printed one does not know", object="setup.html")

    def handle_endtag(self, tag: str) -> None:
        self._around = ""
        match tag:
            case "strong" | "code":
                self._text("</font>")
            case "ul":
                self._add(_columns(self._devices or []))
                self._devices = None
            case "table":
                self._add(_table(self._rows))
            case "figure":
                self._qr = ""
            case _ if tag in _BLOCKS:
                self._end_block(tag)

    def handle_data(self, data: str) -> None:
        if self._around == "title":
            self.title = data
        elif self._block is not None:
            self._text(escape(data, quote=False))

    def _text(self, text: str) -> None:
        if self._block is not None:
            self._block.append(text)

    def _add(self, flowable: Flowable) -> None:
        self.articles[-1].append(flowable)

    def _end_block(self, tag: str) -> None:
        text, self._block = "".join(self._block or ()), None
        if tag in {"td", "th"}:
            self._rows[-1].append(Paragraph(text, _paragraph_style(tag, self._size)))
        elif self._devices is not None:
            self._devices.append(Paragraph(text, _paragraph_style("device", self._size)))
        elif tag == "li":
            self._numbers = (self._numbers or 0) + 1
            self._add(Paragraph(text, _paragraph_style(tag, self._size), bulletText=f"{self._numbers}."))
        elif self._qr:
            self._add(_side_by_side(_Code(self._qr), Paragraph(text, _paragraph_style(tag, self._size))))
        elif self._kind == "until":
            self._add(_framed(Paragraph(text, _paragraph_style(tag, self._size))))
        else:
            self._add(Paragraph(text, _paragraph_style(tag, self._size)))


@cache
def _paragraph_style(name: str, usual: float) -> ParagraphStyle:
    for face, font in ((_FACE, OPENSANS_REGULAR), (_BOLD, OPENSANS_BOLD)):
        if face not in pdfmetrics.getRegisteredFontNames():
            pdfmetrics.registerFont(TTFont(face, str(font.path)))
    size = usual * _LARGER.get(name, 1.0)
    return ParagraphStyle(
        name,
        fontName=_BOLD if name in {"h1", "h2", "th"} else _FACE,
        fontSize=size,
        leading=size * 1.3,
        spaceBefore=6 if name == "h2" else 1,
        spaceAfter=3 if name == "h1" else 1.5,
        leftIndent=16 if name == "li" else 0,
        bulletFontName=_FACE,
        bulletFontSize=size,
    )


def _table(rows: list[list[Flowable]]) -> Table:
    widths = [8 * mm, 0.5 * (_WIDTH - 8 * mm), 0.5 * (_WIDTH - 8 * mm)]
    looks: list[_Look] = [("GRID", (0, 0), (-1, -1), 0.5, grey), ("VALIGN", (0, 0), (-1, -1), "TOP"), *_padding(1.5)]
    return Table(rows, widths, repeatRows=1, style=looks, spaceBefore=2, spaceAfter=2)


def _columns(devices: list[Flowable]) -> Table:
    half = (len(devices) + 1) // 2
    rows = [list(row) for row in zip_longest(devices[:half], devices[half:], fillvalue="")]
    return Table(rows, [_WIDTH / 2] * 2, style=_padding(0), spaceBefore=2, spaceAfter=2)


def _side_by_side(code: Flowable, text: Flowable) -> Table:
    looks: list[_Look] = [("VALIGN", (0, 0), (-1, -1), "TOP"), *_padding(0)]
    return Table([[code, text]], [_CODE_SIDE + 4 * mm, _WIDTH - _CODE_SIDE - 4 * mm], style=looks, spaceBefore=3)


def _framed(text: Flowable) -> Table:
    looks: list[_Look] = [("BOX", (0, 0), (-1, -1), 1.2, black), *_padding(4)]
    return Table([[text]], [_WIDTH], style=looks, spaceBefore=2, spaceAfter=3)


def _padding(points: float) -> list[_Look]:
    names = ("LEFTPADDING", "RIGHTPADDING", "TOPPADDING", "BOTTOMPADDING")
    least = {"LEFTPADDING": max(points, 3), "RIGHTPADDING": 3} if points else {}
    return [(name, (0, 0), (-1, -1), least.get(name, points)) for name in names]


def printed_sheet(sheet: RenderedFile) -> list[RenderedFile]:
    """Return a sheet with drawn codes, and its PDF, or raise `RenderError`."""
    text = sheet.content.decode()
    pdf = sheet_pdf(text)
    page = _FIGURE.sub(lambda figure: figure[1] + code_svg(unescape(figure[2])), text)
    return [
        RenderedFile(sheet.path, page.encode(), sheet.mode, secret=sheet.secret),
        RenderedFile(f"{sheet.path.removesuffix('.html')}.pdf", pdf, sheet.mode, secret=sheet.secret),
    ]
