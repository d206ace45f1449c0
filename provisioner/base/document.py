"""Models of printed JSON documents, and their JSON Schemas. Pure.

Keys follow the order of fields. The model checks types and known values. Formats and bounds stand in the schema only,
so that an odd value never prevents a command from printing.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from datetime import date, datetime
from functools import partial, reduce
from itertools import takewhile
from textwrap import dedent
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self, TypeVar, cast

from pydantic import (
    AliasPath,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from provisioner.base.errors import Severity
from provisioner.base.text import Document, local_iso, utc_text

if TYPE_CHECKING:
    from pydantic_core import core_schema

    _Field = core_schema.ModelField | core_schema.DataclassField | core_schema.TypedDictField

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def form(**keywords: JsonValue) -> FieldInfo:
    """Add schema keywords that the model does not check."""
    return FieldInfo(json_schema_extra=keywords)


#: Default of a key that is left out if `None`; without a default `None` becomes `null`.
absent = partial(Field, default=None, exclude_if=lambda value: value is None)


unprinted = Field(exclude=True)  #: Leaves a field of a dataclass out of documents.
_T = TypeVar("_T")
LeftOut = Annotated[_T | None, absent()]  #: The same for a field of a dataclass.


class Ungiven:
    """Marker of a missing key whose `None` is written as `null`."""


#: Default of a key that is left out unless set, even to `None`.
ungiven = partial(Field, default=Ungiven, exclude_if=lambda value: value is Ungiven)


# `Any`: as of pydantic's `Field`, which stands where a default of any type stands.
def of(first: str, *others: str, or_none: bool = False) -> Any:
    """Name a field's attribute path, if it differs from the name.

    With `or_none` the field is `None` if an attribute before the last one is `None`.
    """
    if not or_none:
        return Field(validation_alias=AliasPath(first, *others))
    field = Field(validation_alias=first)
    field.metadata.append(BeforeValidator(lambda value: reduce(_of_known, others, value)))
    return field


def _of_known(value: object, name: str) -> object:
    return None if value is None else getattr(value, name)


Count = Annotated[int, form(minimum=0)]
Positive = Annotated[int, form(minimum=1)]
Said = Annotated[str, form(minLength=1)]  #: A text that is not empty.
OrNull = BeforeValidator(lambda value: value or None)  #: Writes an empty value of a field as `null`.
Known = Annotated[str | None, OrNull]
UnlessEmpty = Annotated[str, Field(exclude_if=lambda value: not value)]  #: A text that is left out if empty.
Truth = Annotated[bool, BeforeValidator(bool)]
Ordered = Annotated[tuple[str, ...], BeforeValidator(sorted)]  #: Texts in alphabetical order.
InOrder = BeforeValidator(lambda value: dict(sorted(value.items())))  #: Writes a field's keys in alphabetical order.
#: Messages of errors, by host or relay.
Messages = Annotated[dict[str, str], BeforeValidator(lambda errors: {k: e.message for k, e in sorted(errors.items())})]
Share = Annotated[float, form(minimum=0, maximum=1)]
#: A time as received: `2` and `2.0` are different texts.
Seconds = Annotated[int | float, WithJsonSchema({"type": "number", "minimum": 0})]
Digest = Annotated[str, form(pattern="^sha256:[0-9a-f]{64}$")]
KeyedDigest = Annotated[str, form(pattern="^hmac-sha256:[0-9a-f]{64}$")]
MomentText = Annotated[str, form(format="date-time")]
#: A time, written in Vietnam's time zone.
Moment = Annotated[datetime, PlainSerializer(local_iso, return_type=str), form(format="date-time")]
#: A time, written in UTC.
UtcMoment = Annotated[AwareDatetime, PlainSerializer(utc_text, return_type=str), form(format="date-time")]
#: A time, written in its own time zone.
AsGiven = Annotated[datetime, PlainSerializer(datetime.isoformat, return_type=str), form(format="date-time")]
Day = Annotated[date, PlainSerializer(date.isoformat, return_type=str), form(format="date")]


class Row(BaseModel):
    """Base of documents and their parts, made from keywords or attributes."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", from_attributes=True, validate_by_name=True, defer_build=True
    )

    def __init_subclass__(cls, **keywords: object) -> None:
        """Take the keywords below."""

    @classmethod
    def __pydantic_init_subclass__(
        cls, *, name: str = "", version: int = 1, without: tuple[str, ...] = (), **keywords: object
    ) -> None:
        """Finish a class.

        `schema` is `provisioner/` and the document's `name`; `without` removes inherited fields.
        """
        super().__pydantic_init_subclass__(**keywords)
        fields = cls.__pydantic_fields__
        if name:
            fields["schema_"] = _only(f"provisioner/{name}", "schema")
            fields["version"] = _only(version)
        for field in without:
            del fields[field]

    @classmethod
    def made_of(cls, value: object, **more: object) -> Self:
        """Make a row from a value's attributes and from further ones."""
        return cls.model_validate(_Joined(value, more))

    @classmethod
    def listed(cls, values: Iterable[object]) -> list[Document]:
        """Return the printed form of each value."""
        return [cls.model_validate(value).plain for value in values]

    @property
    def plain(self) -> Document:
        """The printed form."""
        return self.model_dump(mode="json", by_alias=True)


class _Joined:
    def __init__(self, value: object, more: Mapping[str, object]) -> None:
        self._value, self._more = value, more

    def __getattr__(self, name: str) -> object:
        return self._more[name] if name in self._more else getattr(self._value, name)


class Printed(Row):
    """Base of whole documents, named with `name=`, and `version=` after the first."""

    schema_: str = Field("", alias="schema")
    version: int = 1


def _only(value: str | int, alias: str | None = None) -> FieldInfo:
    return FieldInfo.from_annotated_attribute(cast("type", Literal.__getitem__(value)), Field(value, alias=alias))


class ProblemRow(Row):
    """A problem in the inventory."""

    severity: Severity
    code: Annotated[str, form(pattern="^[a-z0-9-]+$")]  #: A code of docs/reference/problems.md.
    message: Said
    hint: str
    file: str  #: Empty without a file.
    line: Count  #: Counted from 1; 0 if unknown.
    column: Count  #: Counted from 1; 0 if unknown.
    object: str  #: E.g. `facility/kcl-bg-001`.


class HeldRow(Row):
    """A frozen facility."""

    facility: str = of("id")
    province: str  #: Empty if unknown.
    reason: str
    hint: str
    file: str  #: The file to correct.
    line: Count  #: 0 if unknown.


class ErrorDocument(Printed, name="error", title="An error"):
    """Output of any command with `--output json` if it has no result."""

    code: Annotated[str, form(pattern="^[a-z-]+$")]
    message: Said
    hint: str
    object: str
    problems: tuple[ProblemRow, ...] | None = absent()  #: Absent without problems.


def schema_of_documents(name: str, models: Sequence[type[Row]]) -> Document:
    """Return the JSON Schema of a document that has several forms."""
    first, *others = (schema_of_document(name, model) for model in models)
    common = ("$schema", "$id", "type", "title", "description", "required", "properties")
    head = {key: first[key] for key in common} | {"required": ["schema", "version"]}
    head["properties"] = {key: first["properties"][key] for key in head["required"]}
    forms = [{key: item for key, item in form.items() if key not in common[:2]} for form in (first, *others)]
    return {**head, "anyOf": forms} if others else first


def schema_of_document(name: str, model: type[Row]) -> Document:
    """Make a document's JSON Schema: untitled parts inline, titled ones in `$defs`."""
    schema = model.model_json_schema(mode="serialization", schema_generator=_Generator)
    schema["description"] += " More fields may come; no field changes its meaning."
    parts: Document = schema.pop("$defs", {})
    parts |= {name: {"enum": part["enum"]} for name, part in parts.items() if "enum" in part}
    titled = {part["title"]: _with_inlined_refs(part, parts) for part in parts.values() if "title" in part}
    head = {"$schema": DIALECT, "$id": f"https://provisioner.example/schemas/{name}.json"}
    return {**head, **_with_inlined_refs(schema, parts), **({"$defs": titled} if titled else {})}


def field_notes(kind: type) -> Iterator[tuple[str, str]]:
    """Yield the notes (`#:`) of a model's or dataclass's fields, by printed name."""
    lines = dedent(inspect.getsource(kind)).splitlines()
    fields = kind.model_fields if issubclass(kind, BaseModel) else {}
    (body,) = ast.parse("\n".join(lines)).body
    for field in body.body if isinstance(body, ast.ClassDef) else ():
        match field:
            case ast.AnnAssign(target=ast.Name(id=name), lineno=first, end_lineno=int(last)):
                above = [*takewhile(lambda line: line.lstrip().startswith("#:"), reversed(lines[: first - 1]))][::-1]
                note = "\n".join(line.partition("#:")[2].strip() for line in above or (lines[last - 1],))
                if note:
                    yield getattr(fields.get(name), "serialization_alias", None) or name, note


class _Generator(GenerateJsonSchema):
    """Pydantic's generator, without generated titles, with notes of fields."""

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002 (as the base's)
        return False

    def field_is_required(self, field: _Field, total: bool) -> bool:  # noqa: ARG002, FBT001 (as the base's)
        return "serialization_exclude_if" not in field

    def dataclass_field_schema(self, schema: core_schema.DataclassField) -> JsonSchemaValue:
        return self._field_schema(schema)

    def model_field_schema(self, schema: core_schema.ModelField) -> JsonSchemaValue:
        return self._field_schema(schema)

    def _field_schema(self, field: _Field) -> JsonSchemaValue:
        inner = field["schema"]
        if "serialization_exclude_if" in field and inner["type"] == "default" and inner.get("default", ()) is None:
            inner = inner["schema"]
            inner = inner["schema"] if inner["type"] == "nullable" else inner  # absent, never null
        return self.generate_inner(inner)

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def literal_schema(self, schema: core_schema.LiteralSchema) -> JsonSchemaValue:
        values = [getattr(value, "value", value) for value in schema["expected"]]
        return {"enum": values} if values[1:] else {"const": values[0]}

    def enum_schema(self, schema: core_schema.EnumSchema) -> JsonSchemaValue:
        return {"enum": [member.value for member in schema["members"]]}

    def dataclass_schema(self, schema: core_schema.DataclassSchema) -> JsonSchemaValue:
        made, kind = super().dataclass_schema(schema), schema["cls"]
        del made["title"]
        made["description"] = " ".join(made["description"].partition("\n\n")[0].split())
        return _noted(made, kind)

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        made, model = super().model_schema(schema), schema["cls"]
        made["description"] = " ".join(made["description"].split())
        if not model.model_config.get("title"):
            made.pop("title", None)
        if not issubclass(model, Row):
            made.pop("additionalProperties", None)  # a file's object is closed; its printed form is not
        return _noted(made, model)


def _noted(made: JsonSchemaValue, kind: type) -> JsonSchemaValue:
    for base in reversed(kind.__mro__):
        if (is_dataclass(base) or issubclass(base, BaseModel)) and base not in {Row, BaseModel}:
            for name, note in field_notes(base):
                if name in made["properties"]:
                    made["properties"][name]["description"] = " ".join(note.split())
    return made


def _with_inlined_refs(schema: Document, parts: Document) -> Document:
    rest = {key: item for key, item in schema.items() if key != "$ref"}
    part = parts[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else {}
    if part and "title" not in part:
        return _with_inlined_refs({**part, **rest}, parts)
    named = {"$ref": f"#/$defs/{part['title'].replace(' ', '%20')}"} if part else {}
    return named | {key: _item(item, parts) for key, item in rest.items()}


def _item(item: object, parts: Document) -> object:
    if isinstance(item, list):
        return [_item(element, parts) for element in item]
    return _with_inlined_refs(item, parts) if isinstance(item, dict) else item
