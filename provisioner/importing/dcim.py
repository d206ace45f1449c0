"""Imports from NetBox and Nautobot: mapping of objects to rows; client.

The mapping names the server, and the fields of its objects with our columns' values. Each object is a row.

Lists are read page by page. Answers are limited in size and checked. A page begins after the objects that came, as a
server may send fewer than asked (NetBox's `MAX_PAGE_SIZE`). The next-page address in an answer is ignored, so that the
token goes only to the mapping's server. A list counts only if it has as many objects as the server says.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlencode, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from provisioner.base import http
from provisioner.base.errors import InventoryError, os_errors
from provisioner.base.files import read_regular
from provisioner.base.secret import Secret
from provisioner.base.text import Document, checked_url
from provisioner.importing.forms.columns import Form, FormKind
from provisioner.importing.forms.forms import FORMS
from provisioner.importing.grid import MAX_ROWS, Cell, CellPosition, CellState, FileRefusedError, Finding, error
from provisioner.importing.tables.files import InputFiles, read_records
from provisioner.importing.tables.sheet_reader import SheetTables, Table, TableRow
from provisioner.inventory.explanation.problems import ParsedFile, problems_of
from provisioner.inventory.files.positions import SourceFile
from provisioner.inventory.files.yaml import parse
from provisioner.inventory.loader.site import validated

_MOST_BYTES: Final = 256 * 1024
_NAME: Final = "mapping"
_FORMS = {form.kind: form for form in FORMS}

DottedPath = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+){0,5}$", max_length=120)]
ServerUrl = Annotated[
    str, StringConstraints(pattern=r"^https?://[\x21-\x7e]+$", max_length=500), AfterValidator(checked_url)
]
FilterName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,64}$")]
Word = Annotated[str, StringConstraints(min_length=1, max_length=200)]
_ADDRESSES: Final = frozenset({"address"})
_HUGE: Final = 2**53
_CONTROL: Final = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")


class DcimKind(StrEnum):
    """The kind of API."""

    NETBOX = "netbox"
    NAUTOBOT = "nautobot"


class _MappingPart(BaseModel):
    """An immutable part of a mapping, without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class FieldSource(_MappingPart):
    """The source of a column's value."""

    path: DottedPath | None = None  #: The object's field as a dotted path: `site.slug`, `custom_fields.people`.
    value: Word | None = None  #: Instead of `path`: one value for every object.
    values: dict[str, Word] = Field(default_factory=dict)  #: Our word for each of the server's; other words stay.

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.path is None) == (self.value is None):
            raise ValueError("a column has either path or value")
        return self


class ObjectMapping(_MappingPart):
    """The chosen objects, and their columns."""

    #: Query parameters that choose objects, e.g. `tag: quarantine`.
    filter: dict[FilterName, Word] = Field(default_factory=dict)
    #: The source of each column's value, by the column's key.
    columns: dict[str, DottedPath | FieldSource] = Field(min_length=1)

    @property
    def places(self) -> Mapping[str, FieldSource]:
        """The source of each column's value."""
        return {
            key: place if isinstance(place, FieldSource) else FieldSource(path=place)
            for key, place in self.columns.items()
        }


class DcimMapping(_MappingPart):
    """The mapping file."""

    version: Literal[1]
    kind: DcimKind
    url: ServerUrl  #: The server's address, without /api.
    sites: ObjectMapping | None = None  #: NetBox's sites or Nautobot's locations: our facilities.
    devices: ObjectMapping | None = None  #: Devices: our cameras and recorders.

    @model_validator(mode="after")
    def _check_columns(self) -> Self:
        if self.sites is None and self.devices is None:
            raise ValueError("name sites, devices, or both")
        for kind, mapping in self.mappings.items():
            stored = {column.key for column in form_of(kind).columns if column.stored}
            if unknown := sorted(mapping.columns.keys() - stored):
                raise ValueError(f"{unknown[0]} is no column of {kind}: they are {', '.join(sorted(stored))}")
        if self.devices is not None and not {"facility_id", "facility_name"} & self.devices.columns.keys():
            raise ValueError("devices need the column facility_id or facility_name")
        return self

    @property
    def mappings(self) -> Mapping[FormKind, ObjectMapping]:
        """The mapping of each kind of objects to read."""
        listed = {FormKind.FACILITIES: self.sites, FormKind.CAMERAS: self.devices}
        return {kind: mapping for kind, mapping in listed.items() if mapping is not None}


@dataclass(frozen=True)
class DcimObject:
    """One object of a server, untrusted; `place` is e.g. `dcim/sites/17`."""

    place: str
    fields: Document = field(repr=False)


@dataclass(frozen=True)
class ObjectTable(Table):
    """A list of objects as a table, with each row's object."""

    objects: tuple[str, ...] = ()

    def at(self, row: int, key: str = "") -> CellPosition:
        """Return the position of an object's field, or of the object."""
        position = super().at(row, key)
        return replace(position, sheet=self.objects[row - 1]) if 0 < row <= len(self.objects) else position


def form_of(kind: FormKind) -> Form:
    """Return the form of a kind of rows."""
    return _FORMS[kind]


def read_mapping(path: Path) -> DcimMapping:
    """Read a mapping file, or raise `UsageError` or, with every problem, `InventoryError`."""
    with os_errors(f"{path} cannot be read", "name the file of the mapping"):
        data = read_regular(path, most=_MOST_BYTES)
    source = SourceFile(str(path), data)
    document = parse(data, max_bytes=_MOST_BYTES)
    if document.faults:
        fault = document.faults[0]
        raise InventoryError(f"{path}:{fault.line}:{fault.column}: {fault.message}", hint=fault.hint)
    try:
        return validated(DcimMapping, document.value)
    except ValidationError as error:
        problems = problems_of(error, ParsedFile(source, _NAME, document.value, DcimMapping))
        hint = "correct the places listed"
        raise InventoryError(f"{path} is not in order", problems=tuple(problems), hint=hint) from None


def table_of(
    position: CellPosition, kind: FormKind, chosen: ObjectMapping, objects: Sequence[DcimObject]
) -> ObjectTable:
    """Return the objects' rows, numbered from 1."""
    places = chosen.places
    columns = {key: number for number, key in enumerate(places, start=1)}
    rows = []
    for row, entry in enumerate(objects, start=1):
        cells = {key: _cell_of(entry, place, key, Cell(row, columns[key])) for key, place in places.items()}
        rows.append(TableRow(row, {key: cell for key, cell in cells.items() if not cell.is_empty}))
    return ObjectTable(position, form_of(kind), 0, columns, tuple(rows), tuple(entry.place for entry in objects))


def _cell_of(entry: DcimObject, place: FieldSource, key: str, empty: Cell) -> Cell:
    value: object = place.value if place.path is None else _value_at(entry.fields, place.path)
    if isinstance(value, str):
        # An address in a text field of several lines.
        value = ", ".join(" ".join(line.split()) for line in value.splitlines() if line.strip())
        value = place.values.get(value, value)
        if key in _ADDRESSES:
            value = value.partition("/")[0]  # an address there has its network's length
    if value is not None and not _is_plain(value):
        return replace(empty, state=CellState.BROKEN)
    return replace(empty, value=value)


def _is_plain(value: object) -> bool:
    if isinstance(value, str):
        return _CONTROL.search(value) is None
    return isinstance(value, int | float) and abs(value) < _HUGE  # what is no number is not less


def _value_at(fields: object, path: str) -> object:
    for part in path.split("."):
        if not isinstance(fields, dict):
            return None
        fields = fields.get(part)
    return fields


PAGE: Final = 100
# Ten thousand objects on pages of twenty.
_MOST_CALLS: Final = 500
_READINGS: Final = 3
_MOST_ANSWERED: Final = 8 * 1024 * 1024
_ADVICE: Final = http.Advice("the mapping", "the token")
_ID: Final = re.compile(r"[0-9]{1,18}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
LISTS: Final[Mapping[DcimKind, Mapping[FormKind, str]]] = {
    DcimKind.NETBOX: {FormKind.FACILITIES: "dcim/sites", FormKind.CAMERAS: "dcim/devices"},
    DcimKind.NAUTOBOT: {FormKind.FACILITIES: "dcim/locations", FormKind.CAMERAS: "dcim/devices"},
}


@dataclass(frozen=True)
class DcimClient:
    """A client of one server with its token."""

    mapping: DcimMapping
    token: Secret = field(repr=False)
    patience: http.HttpLimits

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
        offset = 0
        for _ in range(_MOST_CALLS):
            query = {**chosen.filter, **self._depth_of(chosen), "limit": PAGE, "offset": offset}
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

    def _depth_of(self, chosen: ObjectMapping) -> Mapping[str, int]:
        """Return how far Nautobot has to follow references; by itself it names only their ids (seen in 3.2.7)."""
        if self.mapping.kind is not DcimKind.NAUTOBOT:
            return {}
        return {"depth": max(1, *((place.path or "").count(".") for place in chosen.places.values()))}

    def _document_from(self, url: str) -> Document:
        try:
            answer = self._answer_to(url)
            document = json.loads(answer.body)
        except http.ReachError as failure:
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

    def _answer_to(self, url: str) -> http.HttpAnswer:
        headers = {"Authorization": f"Token {self.token.reveal()}", "Accept": "application/json"}
        request = http.Request("GET", url, headers=headers, most_bytes=_MOST_ANSWERED)

        def attempt(seconds: float) -> http.HttpAnswer:
            answer = http.exchange(request, seconds=seconds, advice=_ADVICE, authorities=self.patience.authorities)
            return http.successful_answer(answer, _ADVICE)

        return http.try_often(attempt, self.patience).value


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
