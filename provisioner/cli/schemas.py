"""JSON Schemas (draft 2020-12) of the documents that commands print with `--output json`.

They are a contract: fields may be added, none changes its meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Final

from provisioner.base.document import schema_of_document
from provisioner.base.text import Document

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
    "policy-input": "provisioner.inventory.policy_rules.document:RegoInput",
    "prove": "provisioner.report.reachability:ProveDocument",
    "rollback": "provisioner.cli.apply_run:RollbackDocument",
    "status": "provisioner.report.status:StatusDocument",
    "validate": "provisioner.cli.validate:ValidateDocument",
    "verify": "provisioner.verify.document:VerifyDocument",
}
"""The documents that have a schema, and the model of each; the field `schema` of one is `provisioner/` and its name."""


def document_schema(name: str) -> Document:
    """Make the schema of a document."""
    module, _, model = DOCUMENTS[name].partition(":")
    return schema_of_document(name, getattr(import_module(module), model))
