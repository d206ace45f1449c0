"""The door to a NetBox or a Nautobot, read and told.

Its lists are read page by page, as files of an import are. Answers are bounded, and of known types. Pages are asked for
by number: the address that an answer names for the next one is not called, so that the token goes nowhere but to the
server that the mapping names. A server is told custom fields of its sites that differ from the facilities' state.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import urlencode, urlsplit

from provisioner.base.errors import NoticeError
from provisioner.base.http import Advice, HttpAnswer, Patience, ReachError, Request, exchange, taken, try_often
from provisioner.base.secret import Secret
from provisioner.base.text import Document, counted
from provisioner.importing.dcim.objects import (
    DcimKind,
    DcimMapping,
    DcimObject,
    ObjectMapping,
    StatusMapping,
    table_of,
    value_at,
)
from provisioner.importing.forms.columns import FormKind
from provisioner.importing.grid import MAX_ROWS, CellPosition, FileRefusedError, Finding, error
from provisioner.importing.tables.files import InputFiles
from provisioner.importing.tables.records import read_records
from provisioner.importing.tables.sheet_reader import SheetTables

PAGE: Final = 100
_TOLD_AT_ONCE: Final = 50
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
    """One server, as whoever has the token."""

    mapping: DcimMapping
    token: Secret = field(repr=False)
    patience: Patience

    def objects(self, kind: FormKind, chosen: ObjectMapping) -> tuple[DcimObject, ...]:
        """The objects of a kind that the mapping chooses, each once, in the server's order.

        Raises:
            FileRefusedError: the server was not reached, or answers what cannot be.
        """
        where = LISTS[self.mapping.kind][kind]
        listed: dict[str, DcimObject] = {}
        for page in self._pages(where, chosen):
            for one in page:
                name = _id_of(one)
                listed.setdefault(name, DcimObject(f"{where}/{name}", one))
            if len(listed) > MAX_ROWS:
                raise FileRefusedError(error("dcim-too-many", limit=MAX_ROWS))
        return tuple(listed.values())

    def _pages(self, where: str, chosen: ObjectMapping) -> Iterator[list[Document]]:
        for number in range(MAX_ROWS // PAGE + 1):
            asked = {**chosen.filter, **_MORE[self.mapping.kind], "limit": PAGE, "offset": number * PAGE}
            document = self._document(f"{self.mapping.url.rstrip('/')}/api/{where}/?{urlencode(asked)}")
            count, results = document.get("count"), document.get("results")
            if type(count) is not int or not isinstance(results, list) or len(results) > PAGE:
                raise FileRefusedError(error("dcim-odd"))
            yield [one for one in results if isinstance(one, dict)]
            if not results or (number + 1) * PAGE >= count:
                return
        raise FileRefusedError(error("dcim-too-many", limit=MAX_ROWS))

    def _document(self, url: str) -> Document:
        try:
            answer = self._asked(Request("GET", url, most_bytes=_MOST_BYTES))
            document = json.loads(answer.body)
        except ReachError as failure:
            raise FileRefusedError(error("dcim-unreachable", cause=failure.reason)) from None
        except (ValueError, RecursionError):
            raise FileRefusedError(error("dcim-odd")) from None
        if answer.is_cut or not isinstance(document, dict):
            raise FileRefusedError(error("dcim-odd"))
        return document

    def tell(self, changes: Sequence[tuple[DcimObject, Mapping[str, object]]]) -> int:
        """Write custom fields of sites, some at a time: how many were written.

        Raises:
            NoticeError: the server was not reached, or took nothing; what it took before stays.
        """
        where = LISTS[self.mapping.kind][FormKind.FACILITIES]
        for first in range(0, len(changes), _TOLD_AT_ONCE):
            part = changes[first : first + _TOLD_AT_ONCE]
            body = json.dumps([{"id": one.fields["id"], "custom_fields": dict(of)} for one, of in part]).encode()
            try:
                self._asked(Request("PATCH", f"{self.mapping.url.rstrip('/')}/api/{where}/", body))
            except ReachError as failure:
                done = f"{first} of {counted(len(changes), 'site')} told"
                message = f"{self.server} was not told: {failure.reason}; {done}"
                hint = (
                    "see that the custom fields of the mapping are there, for sites, and that the token may write them"
                )
                raise NoticeError(message, hint=hint) from None
        return len(changes)

    @property
    def server(self) -> str:
        """What findings call it."""
        return urlsplit(self.mapping.url).netloc

    def _asked(self, request: Request) -> HttpAnswer:
        headers = {"Authorization": f"Token {self.token.reveal()}", "Accept": "application/json"}
        whole = replace(request, headers=headers)

        def attempt(seconds: float) -> HttpAnswer:
            answer = exchange(whole, seconds=seconds, advice=_ADVICE, authorities=self.patience.authorities)
            return taken(answer, _ADVICE)

        return try_often(attempt, self.patience).value


@dataclass(frozen=True, slots=True)
class ToTell:
    """What a server has to be told.

    Attributes:
        changes: by object, the custom fields that differ.
        same: how many sites are as they should be.
        missing: facilities that no site of the server is.
        doubled: facilities that several sites of the server are; they are told nothing.
    """

    changes: tuple[tuple[DcimObject, Mapping[str, object]], ...]
    same: int
    missing: tuple[str, ...]
    doubled: tuple[str, ...]


def read_server(client: DcimClient) -> InputFiles:
    """Read what the mapping chooses; a list that cannot be read is a finding, and the other one is read."""
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


def to_tell(objects: Iterable[DcimObject], mapping: StatusMapping, facilities: Iterable[Document]) -> ToTell:
    """What to tell a server of facilities.

    Args:
        objects: its sites.
        mapping: which site is which facility, and which custom field is what.
        facilities: of the `status` document.
    """
    sites: dict[str, list[DcimObject]] = {}
    for one in objects:
        name = value_at(one.fields, mapping.facility_id)
        if isinstance(name, str):
            sites.setdefault(name, []).append(one)
    changes: list[tuple[DcimObject, Mapping[str, object]]] = []
    missing: list[str] = []
    doubled: list[str] = []
    same = 0
    for facility in facilities:
        name = str(facility["facility"])
        known = sites.get(name, [])
        if len(known) != 1:
            (doubled if known else missing).append(name)
            continue
        differing = _differing(known[0], mapping, facility)
        same += not differing
        changes += [(known[0], differing)] if differing else []
    return ToTell(tuple(changes), same, tuple(missing), tuple(doubled))


def _differing(site: DcimObject, mapping: StatusMapping, facility: Document) -> Mapping[str, object]:
    present = site.fields.get("custom_fields")
    fields = present if isinstance(present, dict) else {}
    wanted = {custom: facility[ours] for custom, ours in mapping.fields.items()}
    return {name: value for name, value in wanted.items() if name not in fields or fields[name] != value}


def _id_of(one: Document) -> str:
    known = one.get("id")
    name = str(known) if isinstance(known, str) or type(known) is int else ""
    if not _ID.fullmatch(name):
        raise FileRefusedError(error("dcim-odd"))
    return name
