"""The mapping: which server, and where in its objects the values of our columns stand."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from provisioner.base.errors import InventoryError, UsageError
from provisioner.base.regular_file import read_regular
from provisioner.base.url import checked_url
from provisioner.importing.forms.all_forms import FORMS
from provisioner.importing.forms.columns import Form, FormKind
from provisioner.inventory.explanation.problems import ParsedFile, problems_of
from provisioner.inventory.files.positions import SourceFile
from provisioner.inventory.files.strict_yaml import parse
from provisioner.inventory.files.yaml_places import PlacesIn
from provisioner.inventory.loader.file_content import validated

_MOST_BYTES: Final = 256 * 1024
_NAME: Final = "mapping"
_FORMS = {form.kind: form for form in FORMS}

DottedPath = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+){0,5}$", max_length=120)]
ServerUrl = Annotated[
    str, StringConstraints(pattern=r"^https?://[\x21-\x7e]+$", max_length=500), AfterValidator(checked_url)
]
FilterName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,64}$")]
ToldField = Literal[
    "state",
    "since",
    "connected_at",
    "cameras",
    "cameras_up",
    "up_now",
    "looked_at",
    "last_proved",
    "down_since",
    "timeliness",
]
"""What may be told of a facility: fields of the `status` document, none of them of a person."""
Word = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class DcimKind(StrEnum):
    """Whose API it is."""

    NETBOX = "netbox"
    NAUTOBOT = "nautobot"


class _MappingPart(BaseModel):
    """A part of a mapping: it says nothing that is not known, and stays as it is."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class FieldPlace(_MappingPart):
    """Where a column's value stands, and what it is called there."""

    path: DottedPath | None = None
    """The field of the object, its parts joined by dots: `site.slug`, `custom_fields.people`."""
    value: Word | None = None
    """In place of `path`: the same for every object."""
    values: dict[str, Word] = Field(default_factory=dict)
    """What the server's words are in ours; a word that is not in it stays as it is."""

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.path is None) == (self.value is None):
            raise ValueError("a column has either path or value")
        return self


class ObjectMapping(_MappingPart):
    """Which objects are read, and their columns."""

    filter: dict[FilterName, Word] = Field(default_factory=dict)
    """Parameters of the query, e.g. `tag: quarantine`: only what fits is read."""
    columns: dict[str, DottedPath | FieldPlace] = Field(min_length=1)
    """By the key of our column, where its value stands."""

    @property
    def places(self) -> Mapping[str, FieldPlace]:
        """Where each column's value stands."""
        return {
            key: place if isinstance(place, FieldPlace) else FieldPlace(path=place)
            for key, place in self.columns.items()
        }


class StatusMapping(_MappingPart):
    """What the server is told of facilities, and where."""

    facility_id: DottedPath
    """Where the id of our facility stands in a site of theirs."""
    fields: dict[FilterName, ToldField] = Field(min_length=1)
    """By the name of their custom field, which of our fields it is."""


class DcimMapping(_MappingPart):
    """The mapping file."""

    version: Literal[1]
    kind: DcimKind
    url: ServerUrl
    """The server's address, without /api."""
    sites: ObjectMapping | None = None
    """Sites of NetBox, locations of Nautobot: our facilities."""
    devices: ObjectMapping | None = None
    """Devices: our cameras and recorders."""
    status: StatusMapping | None = None
    """What `status --to` writes; nothing, where it is left out."""

    @model_validator(mode="after")
    def _known_columns(self) -> Self:
        if self.sites is None and self.devices is None:
            raise ValueError("name sites, devices, or both")
        for kind, mapping in self.mappings.items():
            known = {column.key for column in form_of(kind).columns if column.stored}
            if unknown := sorted(mapping.columns.keys() - known):
                raise ValueError(f"{unknown[0]} is no column of {kind}: they are {', '.join(sorted(known))}")
        if self.devices is not None and not {"facility_id", "facility_name"} & self.devices.columns.keys():
            raise ValueError("devices need the column facility_id or facility_name")
        return self

    @property
    def mappings(self) -> Mapping[FormKind, ObjectMapping]:
        """The mapping of each kind of objects that is read."""
        listed = {FormKind.FACILITIES: self.sites, FormKind.CAMERAS: self.devices}
        return {kind: mapping for kind, mapping in listed.items() if mapping is not None}


def form_of(kind: FormKind) -> Form:
    """The columns of a kind of rows."""
    return _FORMS[kind]


def read_mapping(path: Path) -> DcimMapping:
    """Read a mapping file.

    Raises:
        UsageError: it cannot be read.
        InventoryError: it is not in order; every problem has its place.
    """
    try:
        data = read_regular(path, most=_MOST_BYTES)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", hint="name the file of the mapping") from None
    source = SourceFile(str(path), data, PlacesIn)
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
