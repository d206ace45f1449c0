"""The type that a path into a file leads to, by the models: what a value there has to be."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, get_args, get_origin

from pydantic import BaseModel

from provisioner.inventory.files.positions import KeyPath


def schema_at(schema: object, path: KeyPath) -> object:
    """The type that a path leads to, without `Annotated` and `None`."""
    here = _bare(schema)
    for part in path:
        origin, args = get_origin(here), get_args(here)
        if isinstance(here, type) and issubclass(here, BaseModel):
            field = next((f for name, f in here.model_fields.items() if (f.alias or name) == part), None)
            here = _bare(field.annotation) if field else None
        elif origin is dict:
            here = _bare(args[1])
        elif origin is tuple:
            here = _bare(args[0])
        else:
            return None
    return here


def _bare(annotation: object) -> object:
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    options = [a for a in get_args(annotation) if a is not type(None)]
    if type(None) in get_args(annotation) and len(options) == 1:
        return _bare(options[0])
    return annotation


def keys_of(schema: object) -> list[str]:
    """The keys that a mapping of this type may have, as they stand in files."""
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        return [field.alias or name for name, field in schema.model_fields.items()]
    return []


def choices_of(schema: object) -> str:
    """The values of an enumeration, one after the other; nothing for another type."""
    if isinstance(schema, type) and issubclass(schema, Enum):
        return ", ".join(str(member.value) for member in schema)
    return ""
