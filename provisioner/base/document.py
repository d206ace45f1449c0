"""Models of the JSON documents that commands print, from which their JSON Schemas are made. Pure.

A document's keys stand in the order of its fields. The model holds types and known values; the form of a text or the
bounds of a number stand in the schema alone, so that no odd value stops a command from printing its result.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from datetime import date, datetime
from itertools import pairwise
from textwrap import dedent
from typing import Annotated, Any, Literal

from pydantic import AliasPath, BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic.fields import FieldInfo

from provisioner.base.errors import Severity
from provisioner.base.text import Document, local_iso


def form(**keywords: Any) -> Any:
    """Name what the schema says of a value, and the model does not check."""
    return Field(json_schema_extra=keywords)


def absent() -> Any:
    """Default of a key that is left out while it is `None`; a field without a default is written as `null`."""
    return Field(default=None, exclude_if=lambda value: value is None)


class Ungiven:
    """Stands for a key that is left out, where `None` is written as `null`."""


def ungiven() -> Any:
    """Default of a key that is left out unless it is given, even as `None`."""
    return Field(default=Ungiven, exclude_if=lambda value: value is Ungiven)


def of(*attributes: str) -> Any:
    """Name the attribute that a field is made from, or the path to it, if it is not the field's name."""
    return Field(validation_alias=AliasPath(*attributes))


Count = Annotated[int, form(minimum=0)]
Positive = Annotated[int, form(minimum=1)]
Said = Annotated[str, form(minLength=1)]
"""A text that is not empty."""
Share = Annotated[float, form(minimum=0, maximum=1)]
Seconds = Annotated[int | float, WithJsonSchema({"type": "number", "minimum": 0})]
"""A time that is written as it was told: `2` and `2.0` are two texts."""
Digest = Annotated[str, form(pattern="^sha256:[0-9a-f]{64}$")]
KeyedDigest = Annotated[str, form(pattern="^hmac-sha256:[0-9a-f]{64}$")]
MomentText = Annotated[str, form(format="date-time")]
DayText = Annotated[str, form(format="date")]
Moment = Annotated[datetime, PlainSerializer(local_iso, return_type=str), form(format="date-time")]
"""A time, written in Vietnam's zone."""
Day = Annotated[date, PlainSerializer(date.isoformat, return_type=str), form(format="date")]


class Row(BaseModel):
    """Base of documents and their parts, made from keywords or from a value with attributes of the same names."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", from_attributes=True, validate_by_name=True, defer_build=True
    )

    def __init_subclass__(cls, **keywords: Any) -> None:
        """Take the keywords below."""

    @classmethod
    def __pydantic_init_subclass__(
        cls, *, name: str = "", version: int = 1, without: tuple[str, ...] = (), **keywords: Any
    ) -> None:
        """Finish a class.

        Args:
            name: what document it is; its field `schema` is `provisioner/` and this.
            version: of that document.
            without: the fields of its base that it does not have.
            keywords: pydantic's own.
        """
        super().__pydantic_init_subclass__(**keywords)
        fields = cls.__pydantic_fields__
        if name:
            fields["schema_"] = _only(f"provisioner/{name}", "schema")
            fields["version"] = _only(version)
        for field in without:
            del fields[field]

    @property
    def plain(self) -> Document:
        """The printed form."""
        return self.model_dump(mode="json", by_alias=True)


class Printed(Row):
    """Base of whole documents; a class names its own with `name=`, and with `version=` if it is not the first."""

    schema_: str = Field("", alias="schema")
    version: int = 1


def _only(value: str | int, alias: str | None = None) -> FieldInfo:
    """Make a field that has one value."""
    only: Any = Literal
    return FieldInfo.from_annotated_attribute(only[value], Field(value, alias=alias))


class ProblemRow(Row):
    """A problem in the inventory."""

    severity: Severity
    code: Annotated[str, form(pattern="^[a-z0-9-]+$")]
    """docs/reference/problems.md lists them."""
    message: Said
    hint: str
    file: str
    """Empty where no file is concerned."""
    line: Count
    """1 is the first; 0 is not known."""
    column: Count
    """1 is the first; 0 is not known."""
    object: str
    """E.g. `facility/kcl-bg-001`."""


class HeldRow(Row):
    """A facility with errors of its own."""

    facility: str = of("id")
    province: str
    """Empty where nothing says it."""
    reason: str
    hint: str
    file: str
    """The file to correct."""
    line: Count
    """0 where there is none."""


class ErrorDocument(Printed, name="error", title="An error"):
    """What any command prints with `--output json` where it has no result."""

    code: Annotated[str, form(pattern="^[a-z-]+$")]
    message: Said
    hint: str
    object: str
    problems: tuple[ProblemRow, ...] | None = absent()
    """Only where there are some."""


def field_docstrings(model: type[BaseModel]) -> Iterator[tuple[str, str]]:
    """Read the docstrings of a model's own fields, each under the name that files and documents use."""
    (body,) = ast.parse(dedent(inspect.getsource(model))).body
    statements = body.body if isinstance(body, ast.ClassDef) else []
    for field, text in pairwise(statements):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(said))):
                yield model.model_fields[name].serialization_alias or name, inspect.cleandoc(said)
