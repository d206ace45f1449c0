"""JSON Schemas (draft 2020-12) of the documents that commands print with `--output json`.

They are a contract: fields may be added, none changes its meaning.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import import_module, resources
from typing import TYPE_CHECKING, Any, Final

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from provisioner.base.document import Row, Ungiven, field_docstrings
from provisioner.base.text import Document
from provisioner.inventory.explanation.schema import DIALECT
from provisioner.inventory.policy_rules.judge import input_fields

if TYPE_CHECKING:
    from pydantic_core import core_schema

DOCUMENTS: Final[Mapping[str, str]] = {
    "apply": "provisioner.operations.apply.intent:ApplyDocument",
    "availability": "provisioner.report.availability:AvailabilityDocument",
    "compare": "provisioner.plan.document:CompareDocument",
    "drift": "provisioner.plan.document:DriftDocument",
    "error": "provisioner.base.document:ErrorDocument",
    "export": "provisioner.report.exports:ExportDocument",
    "import": "provisioner.importing.report.document:ImportDocument",
    "nightly": "provisioner.operations.nightly.night:NightDocument",
    "notice": "provisioner.integrations.notify.formats:NoticeDocument",
    "notify": "provisioner.cli.nightly:NotifyDocument",
    "plan": "provisioner.cli.plan:WholePlanDocument",
    "plan-check": "provisioner.cli.plan:PlanCheckDocument",
    "plan-diff": "provisioner.plan.saved.comparison:PlanDiffDocument",
    "policy-input": "",
    "prove": "provisioner.report.reachability:ProveDocument",
    "rollback": "provisioner.cli.apply_run:RollbackDocument",
    "status": "provisioner.report.status:StatusDocument",
    "validate": "provisioner.cli.validate:ValidateDocument",
    "verify": "",
}
"""The documents that have a schema, and the model of each; the field `schema` of one is `provisioner/` and its name."""


def document_schema(name: str) -> Document:
    """The schema of a document.

    Raises:
        FileNotFoundError: there is no such document, or the installation is broken.
    """
    if name == "policy-input":
        return dict(input_fields().schema)
    module, _, model = DOCUMENTS.get(name, "").partition(":")
    if module:
        return _schema_of(name, getattr(import_module(module), model))
    text = resources.files(__name__).joinpath(f"{name}.json").read_text(encoding="utf-8")
    schema: Document = json.loads(text)
    return schema


def _schema_of(name: str, model: type[Row]) -> Document:
    """Make the JSON Schema of a document.

    A part stands where it is used; one that has a title of its own stands in `$defs`.
    """
    schema = model.model_json_schema(mode="serialization", schema_generator=_Generator)
    schema["description"] += " More fields may come; none changes its meaning."
    parts: Document = schema.pop("$defs", {})
    parts |= {name: {"enum": part["enum"]} for name, part in parts.items() if "enum" in part}
    titled = {part["title"]: _inlined(part, parts) for part in parts.values() if "title" in part}
    head = {"$schema": DIALECT, "$id": f"https://provisioner.example/schemas/{name}.json"}
    return {**head, **_inlined(schema, parts), **({"$defs": titled} if titled else {})}


class _Generator(GenerateJsonSchema):
    """Pydantic's generator, without titles made of names, with the docstrings of fields."""

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002 (as the base's)
        return False

    def field_is_required(self, field: Any, total: bool) -> bool:  # noqa: ARG002, FBT001 (as the base's)
        schema = field["schema"]
        return schema["type"] != "default" or schema.get("default", ()) not in (None, Ungiven)

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        inner = schema["schema"]
        if schema.get("default") is None and inner["type"] == "nullable":
            inner = inner["schema"]  # absent, never null
        return self.generate_inner(inner)

    def literal_schema(self, schema: core_schema.LiteralSchema) -> JsonSchemaValue:
        values = [getattr(value, "value", value) for value in schema["expected"]]
        return {"enum": values} if values[1:] else {"const": values[0]}

    def enum_schema(self, schema: core_schema.EnumSchema) -> JsonSchemaValue:
        return {"enum": [member.value for member in schema["members"]]}

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        made, model = super().model_schema(schema), schema["cls"]
        made["description"] = " ".join(made["description"].split())
        if not model.model_config.get("title"):
            made.pop("title", None)
        for base in reversed(model.__mro__):
            if issubclass(base, Row) and base is not Row:
                for name, said in field_docstrings(base):
                    if name in made["properties"]:
                        made["properties"][name]["description"] = " ".join(said.split())
        return made


def _inlined(value: Any, parts: Document) -> Any:
    if isinstance(value, list):
        return [_inlined(item, parts) for item in value]
    if not isinstance(value, dict):
        return value
    rest = {key: _inlined(item, parts) for key, item in value.items() if key != "$ref"}
    if "$ref" not in value:
        return rest
    part = parts[value["$ref"].rpartition("/")[2]]
    return {"$ref": f"#/$defs/{part['title']}", **rest} if "title" in part else {**_inlined(part, parts), **rest}
