"""Codes to scan (QR) of a sheet: as a drawing in a page, and as rows of modules. Pure."""

from __future__ import annotations

from functools import lru_cache

import segno

_QUIET = 2
"""How many modules around a code are light: beside a sheet's text that is enough."""


@lru_cache(maxsize=16)
def _code(text: str) -> segno.QRCode:
    return segno.make_qr(text, error="m")


def code_svg(text: str) -> str:
    """A code as an element of a page."""
    return _code(text).svg_inline(omitsize=True, border=_QUIET, svgclass=None, lineclass=None)


def code_rows(text: str) -> list[list[bool]]:
    """A code's modules by rows, whether each is dark."""
    return [[bool(module) for module in row] for row in _code(text).matrix_iter(border=_QUIET)]
