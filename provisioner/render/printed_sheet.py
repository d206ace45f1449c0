"""A package's sheet as it is handed out: with its codes to scan, and as a PDF beside it. Pure.

Apart: what draws takes as long to import as all the rest.
"""

from __future__ import annotations

import re
from html import unescape

from provisioner.render.files import RenderedFile
from provisioner.render.scan_code import code_svg
from provisioner.render.sheet_pdf import sheet_pdf

_CODE = re.compile(r'(<figure class="qr" data-text="([^"]*)">)')


def printed_sheet(sheet: RenderedFile) -> list[RenderedFile]:
    """A sheet with its codes drawn, and the same as a PDF.

    Args:
        sheet: a page as the templates make it, in which a code is a figure with its text.

    Raises:
        RenderError: it has what the PDF cannot show.
    """
    text = sheet.content.decode()
    pdf = sheet_pdf(text)
    page = _CODE.sub(lambda figure: figure[1] + code_svg(unescape(figure[2])), text)
    return [
        RenderedFile(sheet.path, page.encode(), sheet.mode, secret=sheet.secret),
        RenderedFile(f"{sheet.path.removesuffix('.html')}.pdf", pdf, sheet.mode, secret=sheet.secret),
    ]
