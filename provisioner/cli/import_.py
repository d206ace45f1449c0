"""`provisioner import`."""

from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import click

from provisioner.base.document import Printed
from provisioner.base.errors import InventoryError, SecretsError, UsageError, raised_as
from provisioner.base.files import is_tracked_path, read_regular, write_private
from provisioner.base.http import HttpLimits
from provisioner.base.language import Language
from provisioner.base.secret import Secret
from provisioner.base.service import Stage, at_stage
from provisioner.base.text import VIETNAM, printable
from provisioner.base.vault import VaultPasswords, outside_of
from provisioner.cli.support import texts
from provisioner.cli.support.completion import provinces_like
from provisioner.cli.support.context import Invocation, echo_lines, print_document, show, state_dir
from provisioner.cli.support.terminal import ValidPath, purpose_by_default, requester_option
from provisioner.importing.dcim import DcimClient, read_mapping, read_server
from provisioner.importing.grid import CellPosition, Finding, FindingLevel, warning
from provisioner.importing.proposal.answers import answered, read_answer
from provisioner.importing.proposal.build import propose, provinces_of_contacts
from provisioner.importing.proposal.proposal import Baseline, ContactsByProvince, ImportResult
from provisioner.importing.report import text as report_text
from provisioner.importing.report.document import import_document, report_sheet
from provisioner.importing.report.messages import LEVELS
from provisioner.importing.tables.files import InputFiles, read_input_files
from provisioner.importing.write import ContactFiles, FacilityFiles, TemplateContent, filled_template, folder_for, write
from provisioner.inventory.geography import SCHEMES, Province, by_slug
from provisioner.inventory.loader.cache import cache_of
from provisioner.inventory.loader.load import Loaded, load_partial
from provisioner.inventory.model.inventory import Inventory

_MOST_TOKEN = 4096


def dcim_client(invocation: Invocation, mapping: Path, token_file: Path | None) -> DcimClient:
    """Return a mapping's client, with the token in a file.

    Raises `UsageError` if the token or the mapping cannot be read, or the mapping is in the checkout; `InventoryError`
    if the mapping is invalid.
    """
    if is_tracked_path(mapping, invocation.inventory):
        message = (
            f"{mapping} is a part of the inventory's checkout: whoever proposes a change would choose who is asked"
        )
        hint = "keep the mapping outside of the checkout: the token goes to the server that it names"
        raise UsageError(message, hint=hint)
    return DcimClient(read_mapping(mapping), _token(token_file), HttpLimits.of(invocation.env))


def _token(file: Path | None) -> Secret:
    """Read the token from a file: all users can read arguments."""
    hint = "name a file of your own with the token alone"
    with raised_as(UsageError("the file with the token cannot be read", hint=hint), OSError, UnicodeDecodeError):
        token = read_regular(file, most=_MOST_TOKEN).decode().strip() if file is not None else ""
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise UsageError("what is to be the server's token is none", hint=hint)
    return Secret(token)


_COLOURS = {
    FindingLevel.ERROR: "red",
    FindingLevel.QUESTION: "magenta",
    FindingLevel.WARNING: "yellow",
    FindingLevel.NOTE: "cyan",
}
_path = ValidPath()
_of_province = partial(click.option, metavar="SLUG", shell_complete=provinces_like)


@dataclass(frozen=True, kw_only=True)
class _Options:
    files: tuple[Path, ...]
    mapping: Path | None
    token_file: Path | None
    to_write: bool
    partial: bool
    commits: bool
    report: Path | None
    province: str | None
    answers: tuple[str, ...]
    whole: tuple[str, ...]
    template: Path | None
    fill: str | None
    with_contacts: bool
    chosen: Path | None
    purpose: str
    requester: str | None
    force: bool


@click.command("import")
@click.argument("files", nargs=-1, type=_path, metavar="FILE…")
@click.option("--mapping", type=_path, metavar="MAPPING.yml", help="Read the NetBox or Nautobot in this mapping file.")
@click.option("--token-file", type=_path, metavar="FILE", help="With --mapping: the file with the server's token.")
@click.option("--write", "to_write", is_flag=True, help="Write the sheets' content if they have no errors.")
@click.option("--partial", is_flag=True, help="With --write: write the correct rows even if others have errors.")
@texts.commit_option
@click.option("--report", type=_path, metavar="OUT.xlsx", help="Write the findings as a spreadsheet too.")
@_of_province("--province", help="The province of rows without one.")
@click.option("--answer", "answers", multiple=True, metavar="ROW=ID", help="Answer a question: ROW=ID or ROW=new.")
@_of_province("--whole-list", "whole", multiple=True, help="The sheets have all sites of their province.")
@click.option("--template", type=_path, metavar="OUT.xlsx", help="Write the workbook that provinces fill in.")
@_of_province("--fill", help="With --template: fill in the province's data of the inventory.")
@click.option("--with-contacts", is_flag=True, help="With --fill: fill in the contacts too (personal data).")
@click.option("--contacts", "chosen", type=_path, metavar="DIR", help="The folder of contacts.")
@purpose_by_default("import")
@requester_option
@click.option("--force", is_flag=True, help="Overwrite an existing OUT.xlsx.")
# `Any`: each option has a type of its own, which click makes and `_Options` names.
def import_(invocation: Invocation, /, **options: Any) -> int:
    """Check a province's spreadsheet cell by cell, and write its sites.

    The command reads XLSX and CSV, or with --mapping the sites and devices of a NetBox or Nautobot. It changes files
    only with --write: facility files and encrypted contacts get the smallest edit. It shows no value that may be a
    password or personal data. If a row may be an existing site and does not name it, the command asks a person and does
    not write the row. Exit code 3: the sheets have errors, or rows wait for an answer; 12: contacts cannot be
    decrypted.

    Example: provisioner -i DIR import bac-giang.xlsx --language en
    """
    chosen = _Options(**options)
    _refuse_options_together(chosen)
    invocation.refuse_tracked_links(*chosen.files, chosen.mapping, chosen.token_file, chosen.report, chosen.template)
    if chosen.template is not None:
        return _write_template(invocation, chosen, chosen.template)
    return _Import(invocation, chosen, datetime.now(VIETNAM)).run()


def _refuse_options_together(options: _Options) -> None:
    if sum(map(bool, (options.files, options.mapping, options.template))) != 1:
        hint = "see provisioner import --help"
        raise UsageError("name the files to read, or --mapping MAPPING.yml, or --template OUT.xlsx", hint=hint)
    if (options.mapping is None) != (options.token_file is None):
        raise UsageError("--mapping and --token-file go together", hint="put the token alone into a file of your own")
    if (options.partial or options.commits) and not options.to_write:
        raise UsageError("--partial and --commit are about --write", hint="add --write, or leave them out")
    if (options.fill and options.template is None) or (options.with_contacts and not options.fill):
        raise UsageError("--fill is about --template, and --with-contacts about --fill", hint="add what is missing")
    if (options.answers or options.whole) and options.template is not None:
        raise UsageError("--answer and --whole-list are about files to read", hint="leave them out")
    if options.to_write and options.template is not None:
        raise UsageError("--write is about files to read", hint="leave it out")


def _loaded(invocation: Invocation, now: datetime) -> tuple[Loaded, Inventory]:
    cache = cache_of(invocation.inventory, invocation.env)
    return load_partial(invocation.inventory, today=now.date(), cache=cache)


def _contact_files(invocation: Invocation, options: _Options, inventory: Inventory) -> ContactFiles:
    folder = folder_for(options.chosen, invocation.env, invocation.inventory)
    return ContactFiles(
        folder,
        outside_of(VaultPasswords.from_environment(invocation.env), invocation.inventory, folder),
        state_dir(invocation.env) / inventory.settings.id,
        options.purpose,
        options.requester,
    )


@dataclass(frozen=True)
class _Import:
    invocation: Invocation
    options: _Options
    now: datetime

    def run(self) -> int:
        checkout = texts.checkout_for(self.invocation, commits=self.options.commits)
        loaded, inventory = _loaded(self.invocation, self.now)
        default = self._default(inventory)
        contacts = _contact_files(self.invocation, self.options, inventory)
        files = FacilityFiles(self.invocation.inventory, inventory)
        baseline = Baseline(inventory, loaded.broken, files.read, default, self.now.date())
        with at_stage(Stage.SHEETS):
            inputs = self._read()
        complete = [by_slug(slug, inventory.settings.province_scheme).slug for slug in self.options.whole]
        opened, not_opened = self._open(contacts, inputs, baseline)
        with at_stage(Stage.PROPOSE):
            proposal = propose(inputs.records, baseline, opened, [*inputs.findings, *not_opened], complete)
        written: tuple[str, ...] = ()
        if self.options.to_write and (self.options.partial or not proposal.errors):
            written = write(proposal, files, contacts)
        committed = [Path(file) for file in written if checkout and Path(file).resolve().is_relative_to(checkout.top)]
        texts.commit_written(self.invocation, checkout, committed, " ".join(["import", *map(str, inputs.files)]))
        by_hand = tuple(file for file in written if Path(file) not in committed)
        self._show_result(ImportResult(inputs, proposal, self.options.to_write, written, by_hand))
        return InventoryError.exit_code if proposal.errors or proposal.waiting else 0

    def _read(self) -> InputFiles:
        mapping = self.options.mapping
        if mapping is None:
            inputs = read_input_files(self.options.files)
        else:
            inputs = read_server(dcim_client(self.invocation, mapping, self.options.token_file))
        return replace(inputs, records=tuple(answered(inputs.records, map(read_answer, self.options.answers))))

    def _default(self, inventory: Inventory) -> Province | None:
        named = self.options.province
        return by_slug(named, inventory.settings.province_scheme) if named else None

    def _open(
        self, contacts: ContactFiles, inputs: InputFiles, baseline: Baseline
    ) -> tuple[ContactsByProvince, tuple[Finding, ...]]:
        """Open the contacts that rows concern; a dry run works without."""
        provinces = provinces_of_contacts(inputs.records, baseline)
        if not provinces:
            return {}, ()
        brought = [name for row in inputs.records if (name := row.text("full_name"))]
        if self.options.to_write:
            return contacts.open(provinces, self.now, to_write=True, brought=brought), ()
        lacking = contacts.without_own_password(provinces)
        remarks = [warning("contacts-password", province=province) for province in lacking]
        opened: ContactsByProvince = {}
        try:
            opened = contacts.open(provinces, self.now, to_write=False, brought=brought)
        except SecretsError as closed:
            if closed.object not in lacking:
                listed = ", ".join(sorted(provinces))
                remarks.append(warning("contacts-not-compared", province=listed, cause=closed.message))
        return opened, tuple(Finding(CellPosition(inputs.files[0]), remark) for remark in remarks)

    @property
    def _language(self) -> Language:
        return self.invocation.language if self.invocation.chose_language else Language.VI

    def _show_result(self, result: ImportResult) -> None:
        language = self._language
        if self.options.report is not None:
            write_private(self.options.report, report_sheet(result, language), force=self.options.force)
        if self.invocation.json:
            print_document(import_document(result, language).plain)
            return
        echo_lines(map(printable, report_text.read_lines(result.inputs, language)))
        weighty, notes = report_text.in_order_of_weight(result.proposal.findings)
        for level, message, hint in report_text.finding_lines(weighty, language):
            self._say(level, message)
            label = report_text.word("answer" if level is FindingLevel.QUESTION else "hint", language)
            click.echo(f"  {label}: {printable(hint)}")
        for question in result.proposal.questions:
            text = report_text.question_text(question, language)
            self._say(FindingLevel.QUESTION, f"{text.place}: {text.message}")
            for candidate in text.candidates:
                click.echo(f"    {printable(candidate)}")
            click.echo(f"  {report_text.word('answer', language)}: {printable(text.answer)}")
        for message in report_text.note_lines(notes, language):
            self._say(FindingLevel.NOTE, message)
        echo_lines(report_text.summary_lines(result, language))
        if self.options.report is not None:
            click.echo(report_text.word("report", language).format(file=printable(str(self.options.report))))

    def _say(self, level: FindingLevel, message: str) -> None:
        styled = click.style(f"{LEVELS[self._language][level]}:", fg=_COLOURS[level], bold=True)
        click.echo(f"{styled} {printable(message)}")


class TemplateDocument(Printed, name="import-template", title="A template for imports"):
    """Output of `provisioner import --template --output json`."""

    file: Path
    province: str  #: Empty if it is not filled in.
    contacts: bool


def _write_template(invocation: Invocation, options: _Options, out: Path) -> int:
    now = datetime.now(VIETNAM)
    named = invocation.chosen or invocation.env.get("PROVISIONER_INVENTORY")
    inventory = _loaded(invocation, now)[1] if named or options.fill else None
    content = None
    if inventory is not None and options.fill:
        inventory.province_of_folder(options.fill)
        contacts = {}
        if options.with_contacts:
            opened = _contact_files(invocation, options, inventory)
            contacts = opened.open([options.fill], now, to_write=False, action="export")
        content = TemplateContent(inventory, options.fill, contacts.get(options.fill, ()))
    scheme = inventory.settings.province_scheme if inventory else SCHEMES[-1]
    write_private(out, filled_template(scheme, content), force=options.force)
    document = TemplateDocument(file=out, province=options.fill or "", contacts=options.with_contacts)
    show(invocation, document, [f"wrote {out}" + ("; it holds personal data" if options.with_contacts else "")])
    return 0
