"""Client of a NetBox or a Nautobot.

Lists are read page by page. Answers are limited in size and checked. A page begins after the objects that came, as a
server may send fewer than asked (NetBox's `MAX_PAGE_SIZE`). The next-page address in an answer is ignored, so that the
token goes only to the mapping's server. A list counts only if it has as many objects as the server says.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode, urlsplit

from provisioner.base.http import (
    Advice,
    HttpAnswer,
    HttpLimits,
    ReachError,
    Request,
    exchange,
    successful_answer,
    try_often,
)
from provisioner.base.secret import Secret
from provisioner.base.text import Document
from provisioner.importing.dcim.objects import DcimKind, DcimMapping, DcimObject, ObjectMapping, table_of
from provisioner.importing.forms.columns import FormKind
from provisioner.importing.grid import MAX_ROWS, CellPosition, FileRefusedError, Finding, error
from provisioner.importing.tables.files import InputFiles
from provisioner.importing.tables.records import read_records
from provisioner.importing.tables.sheet_reader import SheetTables

PAGE: Final = 100
# Ten thousand objects on pages of twenty.
_MOST_CALLS: Final = 500
_READINGS: Final = 3
_MOST_BYTES: Final = 8 * 1024 * 1024
_ADVICE: Final = Advice("the mapping", "the token")
_ID: Final = re.compile(r"[0-9]{1,18}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
LISTS: Final[Mapping[DcimKind, Mapping[FormKind, str]]] = {
    DcimKind.NETBOX: {FormKind.FACILITIES: "dcim/sites", FormKind.CAMERAS: "dcim/devices"},
    DcimKind.NAUTOBOT: {FormKind.FACILITIES: "dcim/locations", FormKind.CAMERAS: "dcim/devices"},
}
# Of what an object refers to Nautobot tells by itself no name.
_MORE: Final[Mapping[DcimKind, Mapping[str, str]]] = {DcimKind.NETBOX: {}, DcimKind.NAUTOBOT: {"depth": "1"}}


@dataclass(frozen=True)
class DcimClient:
    """A client of one server with its token."""

    mapping: DcimMapping
    token: Secret = field(repr=False)
    patience: HttpLimits

    def objects(self, kind: FormKind, chosen: ObjectMapping) -> tuple[DcimObject, ...]:
        """Return the mapped objects, each once, in the server's order.

        A list that changed meanwhile is read again. An unreachable server, a malformed answer, or a list with another
        number of objects than the server says, raises `FileRefusedError`.
        """
        where = LISTS[self.mapping.kind][kind]
        listed: dict[str, DcimObject] = {}
        counts: set[int] = set()
        for _ in range(_READINGS):
            listed, counts = {}, set()
            for count, page in self._row_pages(where, chosen):
                counts.add(count)
                for row in page:
                    name = _id_of(row)
                    listed.setdefault(name, DcimObject(f"{where}/{name}", row))
            if counts == {len(listed)}:
                return tuple(listed.values())
        raise FileRefusedError(error("dcim-incomplete", count=max(counts), read=len(listed)))

    def _row_pages(self, where: str, chosen: ObjectMapping) -> Iterator[tuple[int, list[Document]]]:
        """Yield the server's count with each page's objects."""
        offset = 0
        for _ in range(_MOST_CALLS):
            query = {**chosen.filter, **_MORE[self.mapping.kind], "limit": PAGE, "offset": offset}
            document = self._document_from(f"{self.mapping.url.rstrip('/')}/api/{where}/?{urlencode(query)}")
            count, rows = document.get("count"), document.get("results")
            if type(count) is not int or count < 0 or not isinstance(rows, list) or len(rows) > PAGE:
                raise FileRefusedError(error("dcim-odd"))
            if count > MAX_ROWS:
                raise FileRefusedError(error("dcim-too-many", limit=MAX_ROWS))
            if not all(isinstance(row, dict) for row in rows):
                raise FileRefusedError(error("dcim-odd"))
            offset += len(rows)
            yield count, rows
            if not rows or offset >= count:
                return

    def _document_from(self, url: str) -> Document:
        try:
            answer = self._answer_to(url)
            document = json.loads(answer.body)
        except ReachError as failure:
            raise FileRefusedError(error("dcim-unreachable", cause=failure.reason)) from None
        except (ValueError, RecursionError):
            raise FileRefusedError(error("dcim-odd")) from None
        if answer.is_cut or not isinstance(document, dict):
            raise FileRefusedError(error("dcim-odd"))
        return document

    @property
    def server(self) -> str:
        """The server's name in findings."""
        return urlsplit(self.mapping.url).netloc

    def _answer_to(self, url: str) -> HttpAnswer:
        headers = {"Authorization": f"Token {self.token.reveal()}", "Accept": "application/json"}
        request = Request("GET", url, headers=headers, most_bytes=_MOST_BYTES)

        def attempt(seconds: float) -> HttpAnswer:
            answer = exchange(request, seconds=seconds, advice=_ADVICE, authorities=self.patience.authorities)
            return successful_answer(answer, _ADVICE)

        return try_often(attempt, self.patience).value


def read_server(client: DcimClient) -> InputFiles:
    """Read the mapped objects; an unreadable list is a finding."""
    server = client.server
    sheets: list[SheetTables] = []
    for number, (kind, chosen) in enumerate(client.mapping.mappings.items(), start=1):
        position = CellPosition(server, number, LISTS[client.mapping.kind][kind])
        try:
            sheets.append(SheetTables([table_of(position, kind, chosen, client.objects(kind, chosen))]))
        except FileRefusedError as refused:
            sheets.append(SheetTables(findings=[Finding(position, refused.remark)]))
    records, findings = read_records(sheets)
    tables = tuple(table for sheet in sheets for table in sheet.tables)
    return InputFiles((server,), tables, tuple(records), tuple(findings))


def _id_of(row: Document) -> str:
    identifier = row.get("id")
    name = str(identifier) if isinstance(identifier, str) or type(identifier) is int else ""
    if not _ID.fullmatch(name):
        raise FileRefusedError(error("dcim-odd"))
    return name
