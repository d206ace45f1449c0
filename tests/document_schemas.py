"""Documents held against their schemas, which describe every field."""

import json
from functools import cache
from typing import Any

import jsonschema

from provisioner.cli.config import DOCUMENTS, document_schema

LARGEST = 1_000_000


def closed(schema: Any) -> Any:
    """A schema that allows no field beyond those that it describes."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: closed(value) for key, value in schema.items()}
    described = isinstance(schema.get("properties"), dict) and not {"additionalProperties", "anyOf"} & schema.keys()
    return inner | ({"additionalProperties": False} if described else {})


@cache
def validator(name: str) -> jsonschema.Draft202012Validator:
    """What documents of a name are held against; that the schema is one is tested once, since it takes long."""
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    return jsonschema.Draft202012Validator(closed(document_schema(name)), format_checker=checker)


def holds(name: str, document: Any) -> None:
    """Check a document against its schema, and that it is the one it says it is."""
    assert document["schema"] == f"provisioner/{name}"
    validator(name).validate(document)


def schema_faults(text: str) -> list[str]:
    """Say what is not as the schema of a document says; nothing of one that has no schema, or is very large."""
    document = json.loads(text) if len(text) < LARGEST else {}
    name = str(document.get("schema", "")).removeprefix("provisioner/")
    return [f"{name}: {fault}" for fault in validator(name).iter_errors(document)] if name in DOCUMENTS else []
