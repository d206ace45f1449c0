"""JSON Schemas (draft 2020-12) of inventory files, made from the models. Pure."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final

from provisioner.base.document import DIALECT, field_notes
from provisioner.base.text import Document
from provisioner.inventory.explanation.problems import PATTERN_HINTS
from provisioner.inventory.model.base import Model, use_of
from provisioner.inventory.model.facility import Facility, Maintenance
from provisioner.inventory.model.hosts import Allocations, Carrier, Centre
from provisioner.inventory.model.orders import Designations, Instructions, Intents
from provisioner.inventory.model.policy import Settings
from provisioner.inventory.model.receivers import Receivers, Signers

#: Kinds of files, with their models and paths.
KINDS: Final[Mapping[str, tuple[type[Model], str]]] = {
    "inventory": (Settings, "inventory.yml"),
    "instructions": (Instructions, "instructions.yml"),
    "designations": (Designations, "designations.yml"),
    "signers": (Signers, "signers.yml"),
    "maintenance": (Maintenance, "maintenance.yml"),
    "intents": (Intents, "intents.yml"),
    "receivers": (Receivers, "receivers.yml"),
    "carrier": (Carrier, "carriers/*.yml"),
    "centre": (Centre, "centres/*.yml"),
    "facility": (Facility, "facilities/*/*.yml"),
    "allocations": (Allocations, "allocations.lock.yml"),
}

_OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_ADDRESS = rf"{_OCTET}(\.{_OCTET}){{3}}"
_GROUP = "[0-9A-Fa-f]{1,4}"
_SHORTENED = [rf"({_GROUP}:){{1,{7 - n}}}(:{_GROUP}){{1,{n}}}" for n in range(1, 7)]
#: Without dotted ends, which are rare or IPv4 addresses and left to `validate`.
_ADDRESS_V6 = (
    f"({'|'.join((rf'({_GROUP}:){{7}}{_GROUP}', rf'({_GROUP}:){{1,7}}:', *_SHORTENED, rf':((:{_GROUP}){{1,7}}|:)'))})"
)
_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST_NAME = rf"(?=.{{1,253}}$)({_LABEL}\.)+[A-Za-z]([A-Za-z0-9-]{{0,61}}[A-Za-z0-9])?"
#: Forms as patterns, since editors do not check JSON Schema's `format`.
_FORMS: Final[Mapping[str, dict[str, object]]] = {
    "date": {
        "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
        "description": "A day: YYYY-MM-DD.",
        "examples": ["2021-05-10"],
    },
    "ipv4": {"pattern": f"^{_ADDRESS}$", "description": "An IPv4 address.", "examples": ["192.168.1.10"]},
    "ipv4network": {
        "pattern": rf"^{_ADDRESS}(/([0-9]|[12][0-9]|3[0-2]|{_ADDRESS}))?$",
        "description": "An IPv4 network: its first address and its length.",
        "examples": ["192.168.1.0/24"],
    },
    "ipv6": {
        "pattern": f"^{_ADDRESS_V6}$",
        "description": "An IPv6 address, without brackets and zone.",
        "examples": ["2001:db8::10"],
    },
    "ipv6network": {
        "pattern": rf"^{_ADDRESS_V6}(/([0-9]|[1-9][0-9]|1[01][0-9]|12[0-8]))?$",
        "description": "An IPv6 network: its first address and its length.",
        "examples": ["2001:db8::/48"],
    },
    "hostname": {
        "pattern": f"^{_HOST_NAME}$",
        "description": "A full host name; the machine that uses it resolves it.",
        "examples": ["relay.example.com"],
    },
}


def schema_of(kind: str) -> Document:
    """Return the schema of a kind of file, or raise `KeyError`."""
    model, path = KINDS[kind]
    bare = model.model_json_schema(mode="validation")
    for name, part in {model.__name__: bare, **bare.get("$defs", {})}.items():
        _describe(part, _notes().get(name, {}))
    title = f"{path} of an inventory"
    return {"$schema": DIALECT, "$id": f"provisioner:{kind}", **_with_forms(bare), "title": title}


def _describe(part: Document, notes: Mapping[str, str]) -> None:
    for name, node in part.get("properties", {}).items():
        if name in notes:
            node["description"] = notes[name]


@cache
def _notes() -> dict[str, dict[str, str]]:
    return {model.__name__: dict(_said_of(model)) for model in _models(Model)}


def _said_of(model: type[Model]) -> Iterator[tuple[str, str]]:
    """Yield each field's option help, then its note, which replaces it."""
    for name, field in model.model_fields.items():
        if text := use_of(field).option:
            yield name, text
    yield from field_notes(model)


def _models(model: type[Model]) -> Iterator[type[Model]]:
    for below in model.__subclasses__():
        yield below
        yield from _models(below)


def _formed_within(value: object) -> object:
    if isinstance(value, list):
        return [_formed_within(item) for item in value]
    return _with_forms(value) if isinstance(value, dict) else value


def _with_forms(node: Document) -> Document:
    """Add to each text its form, in words and by an example."""
    schema: Document = {key: _formed_within(value) for key, value in node.items()}
    if "patternProperties" in schema:
        schema.setdefault("additionalProperties", False)
    if schema.get("type") != "string":
        return schema
    form = _FORMS.get(schema.get("format", ""), {})
    if schema.get("format") in {"ipv4network", "ipv6network"}:
        del schema["format"]  # of our own making: nobody else knows it
    if schema.get("pattern") in PATTERN_HINTS:
        hint = PATTERN_HINTS[schema["pattern"]]
        example = hint.partition(", e.g. ")[2]
        form = {"description": f"{hint[0].upper()}{hint[1:]}."} | ({"examples": [example]} if example else {})
    return form | schema
