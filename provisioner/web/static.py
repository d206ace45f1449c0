"""Pages as files, one per province and facility, without personal data."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from itertools import product
from pathlib import Path
from typing import Final

from provisioner.base.errors import UsageError, os_errors
from provisioner.base.files import replace_file
from provisioner.base.language import Language
from provisioner.base.service import Stage, at_stage
from provisioner.record.availability.measured import Measured, Span
from provisioner.record.availability.path_state import WorstOfDay
from provisioner.verify.work import HostChanges, RunRow
from provisioner.web import pages
from provisioner.web.app import ASSETS, asset
from provisioner.web.board import Board
from provisioner.web.filters import FACILITIES, Filters, Links
from provisioner.web.noc_pages import LISTS
from provisioner.web.source import Past

_SUFFIX: Final = ".html"
#: The file that marks a folder of pages. Pages are written only into such a folder or an empty one.
_MARK: Final = ".provisioner-pages"
_FRONT: Final = """<!DOCTYPE html>
<html lang="vi"><head><meta charset="utf-8"><title>provisioner</title>
<meta http-equiv="refresh" content="0; url=vi/index.html"></head>
<body><main><h1>provisioner</h1>
<p><a href="vi/index.html">Tiếng Việt</a> · <a href="en/index.html" lang="en">English</a></p></main></body></html>
"""


def write_pages(folder: Path, board: Board, past: Past, now: datetime, dashboard: str = "") -> int:
    """Replace a folder's pages; return their number, or raise `UsageError`."""
    hint = "make room or correct the folder's permissions, then run the command again"
    with os_errors(f"pages cannot be written into {folder}", hint):
        if folder.is_dir() and any(folder.iterdir()) and not (folder / _MARK).is_file():
            raise UsageError(f"{folder} holds something that is no page", hint="name an empty folder, or a new one")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(folder / _MARK, b"", lasting=False)
        written = set()
        with at_stage(Stage.PAGES, number_of(board)) as advanced:
            for name, content in files_of(board, past, now, dashboard):
                path = folder / name
                path.parent.mkdir(mode=0o700, exist_ok=True)
                replace_file(path, content, lasting=False)
                written.add(path)
                advanced(1)
        for path in folder.rglob("*"):
            if path.suffix == _SUFFIX and path.is_file() and path not in written:
                path.unlink()
    return len(written)


def number_of(board: Board) -> int:
    """Return the number of files of `files_of`."""
    return 1 + len(ASSETS) + len(Language) * (6 + len(board.provinces) + len(board.facilities))


def files_of(board: Board, past: Past, now: datetime, dashboard: str = "") -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each file."""
    yield "index.html", _FRONT.encode()
    for name in ASSETS:
        yield f"assets/{name}", asset(name)
    province_past = _ProvincePast(past)
    sheets = [
        pages.PageSheet(board, Links(language, suffix=_SUFFIX), now, province_past, dashboard=dashboard)
        for language in Language
    ]
    for sheet in sheets:
        yield _file(sheet, "index", pages.overview_page(sheet))
        for page, make in LISTS.items():
            if sheet.has(page):
                yield _file(sheet, page, make(_at(sheet, page), Filters(), 0))
        for slug in board.provinces:
            page = f"provinces/{slug}"
            yield _file(sheet, page, pages.province_page(_at(sheet, page), slug, size=0) or "")
    # One facility after the other in both languages: the nights of its province are read once.
    for facility, sheet in product(sorted(board.facilities, key=lambda row: (row.folder, row.id)), sheets):
        page = f"{FACILITIES}/{facility.id}"
        yield _file(sheet, page, pages.facility_page(_at(sheet, page), facility.id) or "")


def _at(sheet: pages.PageSheet, page: str) -> pages.PageSheet:
    return replace(sheet, links=replace(sheet.links, page=page))


def _file(sheet: pages.PageSheet, page: str, html: str) -> tuple[str, bytes]:
    return f"{sheet.links.language.value}/{page}{_SUFFIX}", html.encode()


class _ProvincePast:
    """A path history that reads a whole province once for its facilities."""

    def __init__(self, past: Past) -> None:
        self._past = past
        self._asked: tuple[str, date, int] | None = None
        self._known: dict[str, dict[str, Sequence[WorstOfDay]]] = {}
        self._span: tuple[str, Span] | None = None
        self._shares: dict[str, dict[str, Measured]] = {}

    def nights(self, prefix: str, last: date, number: int) -> Mapping[str, Sequence[WorstOfDay]]:
        province = prefix.partition("/")[0] + "/"
        if self._asked != (province, last, number):
            self._asked, self._known = (province, last, number), {}
            for path, squares in self._past.nights(province, last, number).items():
                self._known.setdefault(_facility(path), {})[path] = squares
        return self._known.get(prefix, {})

    def measured(self, prefix: str, span: Span) -> Mapping[str, Measured]:
        province = prefix.partition("/")[0] + "/"
        if self._span != (province, span):
            self._span, self._shares = (province, span), {}
            for path, measured in self._past.measured(province, span).items():
                self._shares.setdefault(_facility(path), {})[path] = measured
        return self._shares.get(prefix, {})

    def changes(self, run: RunRow) -> Mapping[str, HostChanges]:
        return self._past.changes(run)


def _facility(path: str) -> str:
    return path.rsplit("/", 2)[0] + "/"
