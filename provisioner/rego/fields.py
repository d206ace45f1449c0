"""What rules may refer to: the fields of the document that they see, by its JSON FieldSchema. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from provisioner.base.json_document import Document

FieldSchema = Document


@dataclass(frozen=True)
class InputFields:
    """The document that rules see, as its schema has it."""

    schema: FieldSchema

    @property
    def root(self) -> FieldSchema:
        """The whole document."""
        return self.schema

    def field(self, node: FieldSchema, name: str) -> FieldSchema | None:
        """A field of an object; None where it has none of this name, or is no object."""
        below = self._resolved(node).get("properties", {})
        return self._resolved(below[name]) if name in below else None

    def element(self, node: FieldSchema) -> FieldSchema | None:
        """What an array is of; None of what is none."""
        items = self._resolved(node).get("items")
        return self._resolved(items) if items else None

    def names(self, node: FieldSchema) -> tuple[str, ...]:
        """The fields of an object."""
        return tuple(self._resolved(node).get("properties", {}))

    def kind(self, node: FieldSchema) -> str:
        """What it is: `object`, `array`, `string`, `integer`, `boolean`."""
        resolved = self._resolved(node)
        return str(resolved.get("type") or ("string" if isinstance(resolved.get("const"), str) else "integer"))

    def values(self, node: FieldSchema) -> tuple[str, ...]:
        """All values that a text may have; none where it may have any."""
        return tuple(self._resolved(node).get("enum", ()))

    @property
    def all_names(self) -> frozenset[str]:
        """Every field's name, wherever it stands."""
        return frozenset(self._all_names(self.schema))

    def _all_names(self, node: FieldSchema) -> Iterator[str]:
        node = self._resolved(node)
        for name, below in node.get("properties", {}).items():
            yield name
            yield from self._all_names(below)
        if "items" in node:
            yield from self._all_names(node["items"])

    def _resolved(self, node: FieldSchema) -> FieldSchema:
        reference = node.get("$ref")
        if not isinstance(reference, str):
            return node
        return dict(self.schema["$defs"][reference.rpartition("/")[2]])
