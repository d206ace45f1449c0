"""JSON Schemas (draft 2020-12) of the documents that commands print with `--output json`.

They are a contract: fields may be added, none changes its meaning.
"""

from __future__ import annotations

import json
from importlib import resources
from typing import Final

from provisioner.base.text import Document
from provisioner.inventory.policy_rules.judge import input_fields

DOCUMENTS: Final = (
    "apply",
    "availability",
    "compare",
    "drift",
    "error",
    "export",
    "import",
    "nightly",
    "notice",
    "notify",
    "plan",
    "plan-check",
    "plan-diff",
    "policy-input",
    "prove",
    "rollback",
    "status",
    "validate",
    "verify",
)
"""The documents that have a schema; the field `schema` of a document is `provisioner/` and one of these."""


def document_schema(name: str) -> Document:
    """The schema of a document.

    Raises:
        FileNotFoundError: there is no such document, or the installation is broken.
    """
    if name == "policy-input":
        return dict(input_fields().schema)
    text = resources.files(__name__).joinpath(f"{name}.json").read_text(encoding="utf-8")
    schema: Document = json.loads(text)
    return schema
