"""JSON Schemas (draft 2020-12) of the documents that commands print.

They are a contract: fields may be added, none changes its meaning.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Final

from provisioner.base.document import Printed, schema_of_documents
from provisioner.base.text import Document

_IN: Final[Mapping[str, str]] = {
    "base.document": "error",
    "cli.agent": "agent",
    "cli.apply_run": "rollback",
    "cli.certificate": "certificate certificate-request certificates",
    "cli.config": "config schema",
    "cli.contacts.commands": "contacts",
    "cli.facility": "facility-next",
    "cli.forge": "forge",
    "cli.gateway": "gateway-installed gateway-set-key",
    "cli.geography": "geography",
    "cli.history": "history retention",
    "cli.hosts": "hosts-adopt hosts-decommission hosts-release hosts-scan-key",
    "cli.import_": "import-template",
    "cli.init": "init",
    "cli.keys": "keys keys-recovery keys-recovery-check secrets-set",
    "cli.keys_rotate": "keys-rotate",
    "cli.keys_rotate_relay": "keys-rotate-relay keys-status-relay",
    "cli.man": "man",
    "cli.monitoring": "metrics monitoring",
    "cli.nightly": "notify",
    "cli.node": "node-broker node-key",
    "cli.plan": "plan plan-check plan-pushed",
    "cli.plan_sheet": "plan-sheet",
    "cli.policy": "policy-test",
    "cli.prove": "readers",
    "cli.quarantine": "quarantine",
    "cli.relay": "relay-replace relay-restore",
    "cli.relay_drain": "relay-drain relay-keep",
    "cli.render": "render site-package",
    "cli.sign_off": "approve sign-off",
    "cli.support.texts": "facility-edit",
    "cli.validate": "allocate validate",
    "cli.verify": "watch",
    "importing.report.document": "import",
    "integrations.notify.formats": "notice",
    "inventory.policy_rules.document": "policy-input",
    "operations.apply.intent": "apply",
    "operations.hosts.prepare": "hosts-prepare",
    "operations.nightly.night": "nightly",
    "plan.document": "compare drift",
    "plan.saved.comparison": "plan-diff",
    "report.availability": "availability",
    "report.exports": "export",
    "report.facilities": "keys-status",
    "report.reachability": "prove",
    "report.status": "status",
    "verify.document": "verify",
}
"""Names of documents by the module of their models."""
DOCUMENTS: Final[Mapping[str, str]] = dict(
    sorted((name, f"provisioner.{module}") for module, names in _IN.items() for name in names.split())
)
"""Module of each document's model; its field `schema` is `provisioner/` and the name."""


def document_schema(name: str) -> Document:
    """Make the schema of a document."""
    module = import_module(DOCUMENTS[name])
    models = (value for value in vars(module).values() if isinstance(value, type) and issubclass(value, Printed))
    defined = (model for model in models if model.__module__ == module.__name__)
    schema = f"provisioner/{name}"
    return schema_of_documents(
        name, [document for document in defined if document.model_fields["schema_"].default == schema]
    )
