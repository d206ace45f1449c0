"""`provisioner config` and `provisioner schema`.

The JSON Schemas (draft 2020-12) of printed documents are a contract: fields may be added, none changes its meaning.
"""

import json
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Final

import click
from pydantic import Field

from provisioner.base.document import Printed, Row, absent, schema_of_documents
from provisioner.base.errors import os_errors
from provisioner.base.files import replace_file
from provisioner.base.language import Translator
from provisioner.base.text import Document, msg
from provisioner.cli.support.configuration import SETTINGS, VARIABLE, Configuration, file_of
from provisioner.cli.support.context import Invocation, print_document, show
from provisioner.cli.support.terminal import ListedWord, ValidPath, stdout_of
from provisioner.inventory.explanation.schema import KINDS, schema_of

#: Names of documents by the module of their models.
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
    "cli.keys_rotate": "keys-rotate keys-rotate-relay keys-status-relay",
    "cli.maintenance": "maintenance-list",
    "cli.man": "completion man",
    "cli.monitoring": "metrics monitoring",
    "cli.nightly": "notify",
    "cli.node": "node-broker node-key",
    "cli.plan": "plan plan-check plan-pushed",
    "cli.policy": "policy-test",
    "cli.prove": "prove readers",
    "cli.quarantine": "quarantine",
    "cli.relay": "relay-replace relay-restore",
    "cli.relay_drain": "relay-drain relay-keep",
    "cli.render": "render site-package",
    "cli.report": "report-publish",
    "cli.sign_off": "approve plan-sheet sign-off sign-offs",
    "cli.support.texts": "facility-edit facility-edits file-edit",
    "cli.validate": "allocate validate",
    "cli.view": "view-status",
    "cli.watch": "watch",
    "importing.report.document": "import",
    "integrations.notify.formats": "notice",
    "inventory.policy_rules.document": "policy-input",
    "ministry.bundle": "controller-report",
    "operations.apply.run": "apply",
    "operations.hosts.prepare": "hosts-prepare",
    "operations.nightly.night": "nightly",
    "plan.document": "compare drift",
    "plan.saved.comparison": "plan-diff",
    "report.availability": "availability",
    "report.exports": "export",
    "report.facilities": "keys-status",
    "report.status": "status",
    "verify.document": "verify",
}
#: Module of each document's model; its field `schema` is `provisioner/` and the name.
DOCUMENTS: Final[Mapping[str, str]] = dict(
    sorted((name, f"provisioner.{module}") for module, names in _IN.items() for name in names.split())
)


def document_schema(name: str) -> Document:
    """Make the schema of a document."""
    module = import_module(DOCUMENTS[name])
    models = (value for value in vars(module).values() if isinstance(value, type) and issubclass(value, Printed))
    defined = (model for model in models if model.__module__ == module.__name__)
    schema = f"provisioner/{name}"
    return schema_of_documents(
        name, [document for document in defined if document.model_fields["schema_"].default == schema]
    )


_HIDDEN = "a database (its URL is not shown)"
_KINDS = {
    **{kind: path for kind, (_, path) in KINDS.items()},
    **{name: f"what `{name}` prints with --output json" for name in DOCUMENTS},
    "compare": "what `plan --offline` prints with --output json",
    "plan-check": "what `plan --check` prints with --output json",
    "plan-diff": "what `plan diff` prints with --output json",
    "policy-input": "what Rego rules see of a plan, and `policy input` prints",
    "notice": "what a webhook is sent of a night",
    "error": "what any command prints with --output json where it has no result",
}


class SettingRow(Row):
    """A setting, its value, and its origin."""

    setting: str
    value: str
    from_: str = Field(alias="from")


class ConfigDocument(Printed, name="config", title="Settings"):
    """Output of `provisioner config --output json`."""

    file: Path | None
    exists: bool
    settings: tuple[SettingRow, ...]


class SchemaDocument(Printed, name="schema", title="Kinds of files and documents"):
    """Output of `provisioner schema --output json` without a kind, or with `--out`."""

    written: tuple[Path, ...] | None = absent()
    kinds: dict[str, str] | None = absent()


@click.command()
def config(invocation: Invocation) -> None:
    """Show each setting with its source: the environment or your configuration file.

    The file is ~/.config/provisioner/config.toml, or the file in PROVISIONER_CONFIG. An option of a command overrides
    the environment; the environment overrides the file.

    Example: provisioner config
    """
    chosen, file = invocation.configuration, file_of(invocation.configuration.caller)
    rows = list(_setting_rows(chosen))
    if invocation.json:
        settings = [SettingRow(setting=name, value=value, from_=source) for name, value, source in rows]
        print_document(ConfigDocument(file=file or None, exists=chosen.file is not None, settings=settings).plain)
        return
    say, terminal = invocation.say, stdout_of(invocation.env)
    terminal.print([_config_head(say, file, exists=chosen.file is not None)])
    width = max(map(len, SETTINGS))
    for name, value, source in rows:
        terminal.print([f"  {name:{width}}  {value}  ({source})" if value else f"  {name:{width}}  -"])


def _setting_rows(chosen: Configuration) -> Iterator[tuple[str, str, str]]:
    for name, setting in SETTINGS.items():
        value = chosen.environment.get(setting.variable, "")
        yield name, _HIDDEN if "://" in value else value, chosen.source(setting.variable)


def _config_head(say: Translator, file: Path | None, *, exists: bool) -> str:
    if file is None:
        return say("no configuration file: {variable} is empty, or there is no HOME", variable=VARIABLE)
    return say("file: {file}", file=file) if exists else say("file: {file}, which is not there", file=file)


@click.command()
@click.argument("kind", required=False, type=ListedWord(list(_KINDS)), metavar="[KIND]")
@click.option(
    "--out",
    type=ValidPath(file_okay=False),
    metavar="DIR",
    help="Write the schema of every kind into DIR, as KIND.schema.json.",
)
def schema(invocation: Invocation, kind: str | None, out: Path | None) -> None:
    """Print the JSON Schema of a kind of file, or of a command's document.

    Without a kind, and without --out, it lists the kinds with their files or commands.

    Example: provisioner schema facility
    """
    if out is not None:
        invocation.refuse_tracked_links(out)
        written = _write_schemas(out, [kind] if kind else list(KINDS))
        show(invocation, SchemaDocument(written=written), (f"wrote {path}" for path in written))
    elif kind is not None:
        print_document(_schema(kind))
    else:
        width = max(map(len, _KINDS))
        lines = (f"{name:{width}}  {source}" for name, source in _KINDS.items())
        show(invocation, SchemaDocument(kinds=_KINDS), lines)


def _write_schemas(folder: Path, kinds: list[str]) -> list[str]:
    written = []
    with os_errors(f"{folder} cannot be written", msg("name another folder")):
        folder.mkdir(parents=True, exist_ok=True)
        for kind in kinds:
            path = folder / f"{kind}.schema.json"
            text = json.dumps(_schema(kind), ensure_ascii=False, indent=2) + "\n"
            replace_file(path, text.encode(), mode=0o644, lasting=False)  # in the place of a link, never over it
            written.append(str(path))
    return written


def _schema(kind: str) -> Document:
    return schema_of(kind) if kind in KINDS else document_schema(kind)
