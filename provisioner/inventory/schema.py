"""The files of an inventory as JSON Schemas (draft 2020-12), for editors and other people's tools. Pure.

They are made of the models, and say all that JSON Schema can say of one file. What it cannot say is left
to `validate`: whether a day exists, whether a network has host bits, what two keys have to agree on, and
everything between files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from provisioner.inventory.model import (
    Allocations,
    Carrier,
    Centre,
    Designations,
    Facility,
    Instructions,
    Model,
    Settings,
)
from provisioner.inventory.wording import PATTERN_HINTS

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
KINDS: Final[Mapping[str, type[Model]]] = {
    "inventory": Settings,
    "instructions": Instructions,
    "designations": Designations,
    "carrier": Carrier,
    "centre": Centre,
    "facility": Facility,
    "allocations": Allocations,
}
"""The kinds of files, with the model of each."""
PATHS: Final[Mapping[str, str]] = {
    "inventory": "inventory.yml",
    "instructions": "instructions.yml",
    "designations": "designations.yml",
    "carrier": "carriers/*.yml",
    "centre": "centres/*.yml",
    "facility": "facilities/*/*.yml",
    "allocations": "allocations.lock.yml",
}
"""Where files of each kind stand."""

_OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_ADDRESS = rf"{_OCTET}(\.{_OCTET}){{3}}"
_FORMS: Final[Mapping[str, dict[str, Any]]] = {
    "date": {
        "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
        "description": "A day: YYYY-MM-DD.",
        "examples": ["2021-05-10"],
    },
    "ipv4": {
        "pattern": f"^{_ADDRESS}$",
        "description": "An IPv4 address.",
        "examples": ["192.168.1.10"],
    },
    "ipv4network": {
        "pattern": rf"^{_ADDRESS}(/([0-9]|[12][0-9]|3[0-2]|{_ADDRESS}))?$",
        "description": "An IPv4 network: its first address and its length.",
        "examples": ["192.168.1.0/24"],
    },
}
"""Forms that editors would otherwise not check: to JSON Schema `format` is a comment."""


def schema_of(kind: str) -> dict[str, Any]:
    """Give the schema of a kind of file.

    Raises:
        KeyError: there is no such kind.
    """
    model = KINDS[kind]
    found: dict[str, Any] = _formed(model.model_json_schema(mode="validation"))
    return {"$schema": DIALECT, "$id": f"provisioner:{kind}", **found, "title": f"{PATHS[kind]} of an inventory"}


def _formed(node: Any) -> Any:
    """Add to each text what it has to look like, in words and by an example."""
    if isinstance(node, list):
        return [_formed(item) for item in node]
    if not isinstance(node, dict):
        return node
    found = {key: _formed(value) for key, value in node.items()}
    if "patternProperties" in found:
        found.setdefault("additionalProperties", False)
    if found.get("type") != "string":
        return found
    form = _FORMS.get(found.get("format", ""), {})
    if found.get("format") == "ipv4network":
        del found["format"]  # of our own making: nobody else knows it
    if found.get("pattern") in PATTERN_HINTS:
        hint = PATTERN_HINTS[found["pattern"]]
        example = hint.partition(", e.g. ")[2]
        form = {"description": _sentence(hint)} | ({"examples": [example]} if example else {})
    return form | found


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
