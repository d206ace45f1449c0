"""Models of documents: the order of keys, keys that are left out, rows made of values, and what the schema says."""

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Annotated, Any

import pytest
from pydantic import ValidationError

from provisioner.base.document import (
    Count,
    Printed,
    Row,
    UnlessEmpty,
    absent,
    of,
    schema_of_document,
    ungiven,
    unprinted,
)
from provisioner.inventory.model.base import Day, Model


class Colour(StrEnum):
    """A colour."""

    RED = "red"


@dataclass(frozen=True)
class Place:
    """A value that a row is made of."""

    id: str = "relay-1"
    colour: Colour = Colour.RED
    inside: dict[str, int] = field(default_factory=lambda: {"cameras": 2})


class PlaceRow(Row, title="place"):
    """One place."""

    place: str = of("id")  #: Its id.
    colour: Colour
    note: str | None = absent()
    run: str | None = ungiven()


@dataclass(frozen=True)
class Fault:
    """A fault. It is printed whole.

    People do not read this.
    """

    number: Count  #: Its number.
    host: UnlessEmpty = ""
    cause: str | None = None
    inside: Annotated[dict[str, object], unprinted] = field(default_factory=dict)


class Closed(Model):
    """An object of a file."""

    day: Day  #: Its day.
    note: str | None = None


class WholeDocument(Printed, name="whole", title="Values"):
    """What nothing prints either."""

    faults: tuple[Fault, ...]
    closed: Closed


class ListDocument(Printed, name="list", title="A list", version=2):
    """What nothing prints."""

    places: tuple[PlaceRow, ...]
    count: Count
    rest: str | None


class ShortDocument(ListDocument, name="short", title="A short list", without=("count",)):
    """The same without a count."""


def _schema(model: type[Row]) -> Any:
    return schema_of_document("list", model)


def test_keys_stand_in_the_order_of_the_fields_and_null_is_written() -> None:
    document = ListDocument(rest=None, count=-1, places=[Place()]).plain
    assert list(document) == ["schema", "version", "places", "count", "rest"]
    assert document == {
        "schema": "provisioner/list",
        "version": 2,
        "places": [{"place": "relay-1", "colour": "red"}],
        "count": -1,
        "rest": None,
    }


def test_a_key_is_left_out_while_it_is_none_or_unless_it_is_given() -> None:
    assert PlaceRow.made_of(Place(), note="x", run=None).plain == {
        "place": "relay-1",
        "colour": "red",
        "note": "x",
        "run": None,
    }
    assert PlaceRow.made_of(Place(), id="relay-2").plain == {"place": "relay-2", "colour": "red"}
    with pytest.raises(ValidationError):
        PlaceRow.model_validate({"place": "relay-1", "colour": "blue"})


def test_a_document_is_the_same_when_it_is_read() -> None:
    document = ListDocument(places=[Place()], count=1, rest="x").plain
    assert ListDocument.model_validate(document | {"more": 1}).plain == document
    with pytest.raises(ValidationError):
        ListDocument.model_validate(document | {"schema": "provisioner/short"})


def test_a_schema_has_what_the_model_has() -> None:
    schema = _schema(ListDocument)
    assert schema["properties"]["version"] == {"const": 2}
    assert schema["properties"]["count"] == {"type": "integer", "minimum": 0}
    assert schema["properties"]["places"]["items"] == {"$ref": "#/$defs/place"}
    assert schema["required"] == ["schema", "version", "places", "count", "rest"]
    place = schema["$defs"]["place"]
    assert place["required"] == ["place", "colour"]
    assert place["properties"]["place"] == {"type": "string", "description": "Its id."}
    assert place["properties"]["note"] == {"type": "string"}
    assert place["properties"]["run"] == {"anyOf": [{"type": "string"}, {"type": "null"}]}


def test_a_document_may_lack_fields_of_another_one() -> None:
    assert ShortDocument.model_validate({"places": [], "rest": None}).plain == {
        "schema": "provisioner/short",
        "version": 1,
        "places": [],
        "rest": None,
    }
    assert "count" not in _schema(ShortDocument)["properties"]
    assert "count" in _schema(ListDocument)["properties"]


def test_a_value_is_printed_whole_and_its_schema_says_so() -> None:
    faults = [Fault(1), Fault(2, "relay-1", "no answer", {"never": object()})]
    document = WholeDocument.model_validate({"faults": faults, "closed": Closed(day=date(2021, 5, 10))}).plain
    assert [*map(list, document["faults"])] == [["number", "cause"], ["number", "host", "cause"]]
    assert document["closed"] == {"day": "2021-05-10", "note": None}
    schema = _schema(WholeDocument)["properties"]
    fault, closed = schema["faults"]["items"], schema["closed"]
    assert (fault["description"], fault["required"]) == ("A fault. It is printed whole.", ["number", "cause"])
    assert fault["properties"]["number"] == {"type": "integer", "minimum": 0, "description": "Its number."}
    assert (fault["properties"]["host"], "inside" in fault["properties"]) == ({"type": "string"}, False)
    assert (closed["required"], "additionalProperties" in closed) == (["day", "note"], False)
    assert closed["properties"]["day"] == {"type": "string", "format": "date", "description": "Its day."}
    assert {"type": "null"} in closed["properties"]["note"]["anyOf"]
