"""The same pages as files: one a province and one a facility, so that each opens at once; nothing of persons."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from provisioner.base.atomic_file import replace_file
from provisioner.base.errors import UsageError
from provisioner.base.language import Language
from provisioner.web.app import ASSETS, asset
from provisioner.web.board import Board
from provisioner.web.filters import Filters
from provisioner.web.links import FACILITIES, INCIDENTS, Links
from provisioner.web.pages import (
    Sheet,
    facilities_page,
    facility_page,
    incidents_page,
    overview_page,
    province_page,
)
from provisioner.web.past import Past

_SUFFIX: Final = ".html"
_MARK: Final = ".provisioner-pages"
"""The file by which a folder of pages is known: only such a one, or an empty one, is written into."""
_FRONT: Final = """<!DOCTYPE html>
<html lang="vi"><head><meta charset="utf-8"><title>provisioner</title>
<meta http-equiv="refresh" content="0; url=vi/index.html"></head>
<body><main><h1>provisioner</h1>
<p><a href="vi/index.html">Tiếng Việt</a> · <a href="en/index.html" lang="en">English</a></p></main></body></html>
"""


def write_pages(folder: Path, board: Board, past: Past, now: datetime) -> int:
    """Write all pages in both languages: how many files there are.

    Args:
        folder: where to; made where it is missing. What is in it of earlier pages is replaced, and what is of no page
            any more is taken away.
        board: what is shown.
        past: how paths were.
        now: the moment.

    Raises:
        UsageError: the folder holds something else, or cannot be written.
    """
    try:
        _refuse_other(folder)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / _MARK).touch()
        written = set()
        for name, content in files_of(board, past, now):
            path = folder / name
            path.parent.mkdir(mode=0o700, exist_ok=True)
            replace_file(path, content, lasting=False)
            written.add(path)
        for path in folder.rglob("*"):
            if path.suffix == _SUFFIX and path.is_file() and path not in written:
                path.unlink()
    except OSError as error:
        hint = "make room or correct the folder's permissions, then run the command again"
        raise UsageError(f"pages cannot be written into {folder}: {error.strerror}", hint=hint) from error
    return len(written)


def _refuse_other(folder: Path) -> None:
    """Refuse a folder that holds something else: pages take away what is of no page."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / _MARK).is_file():
        raise UsageError(f"{folder} holds something that is no page", hint="name an empty folder, or a new one")


def files_of(board: Board, past: Past, now: datetime) -> Iterator[tuple[str, bytes]]:
    """Every file by its name; each is made when it is asked for."""
    yield "index.html", _FRONT.encode()
    for name in ASSETS:
        yield f"assets/{name}", asset(name)
    for language in Language:
        sheet = Sheet(board, Links(language, suffix=_SUFFIX), now, past)
        for page, html in _pages(sheet):
            yield f"{language.value}/{page}{_SUFFIX}", html.encode()


def _pages(sheet: Sheet) -> Iterator[tuple[str, str]]:
    def at(page: str) -> Sheet:
        return replace(sheet, links=replace(sheet.links, page=page))

    yield "index", overview_page(sheet)
    yield INCIDENTS, incidents_page(at(INCIDENTS), Filters(), size=0)
    yield FACILITIES, facilities_page(at(FACILITIES), Filters(), size=0)
    for slug in sheet.board.provinces:
        page = f"provinces/{slug}"
        yield page, province_page(at(page), slug, size=0) or ""
    for facility in sheet.board.facilities:
        page = f"{FACILITIES}/{facility.id}"
        yield page, facility_page(at(page), facility.id) or ""
