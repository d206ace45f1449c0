"""`provisioner contacts`: check, find, erase and list."""

import json
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

import click
from pydantic import BeforeValidator

from provisioner.base.document import Count, Moment, Ordered, Printed, ProblemRow, Row, of
from provisioner.base.errors import InventoryError, Problem, Severity, UsageError
from provisioner.base.files import refuse_existing, write_private
from provisioner.base.text import counted
from provisioner.base.vault import refuse_proposed_password
from provisioner.cli.contacts.access import (
    ContactRow,
    PlaceRow,
    facilities_option,
    folder_option,
    force_option,
    open_access,
    print_records,
    records,
    texts_argument,
)
from provisioner.cli.support.completion import provinces_like
from provisioner.cli.support.context import (
    Invocation,
    ask,
    echo_lines,
    print_document,
    problem_lines,
    refuse_unattended,
    show,
)
from provisioner.cli.support.terminal import ValidPath, purpose_by_default, purpose_option, requester_option
from provisioner.importing.contacts import checks, erasure
from provisioner.importing.contacts.erasure import Erasure, Person, Renewal, SearchTerm
from provisioner.importing.contacts.store import (
    Contact,
    ContactsFile,
    in_order,
    names_a_person,
    provinces_in,
    read_contacts,
    valid_contacts,
    vault_id,
)
from provisioner.inventory.model.facility import Facility, Operating


@click.command()
@click.option(
    "--province", metavar="SLUG", shell_complete=provinces_like, help="Only this province. Default: all provinces."
)
@purpose_by_default("check")
@requester_option
@folder_option
def check(
    invocation: Invocation, *, province: str | None, purpose: str, requester: str | None, chosen: Path | None
) -> int:
    """Check that every open facility has a representative with contact data.

    The command checks every field of every contact and shows none of them. It needs the passwords of all chosen
    provinces. Exit code 3: there is an error; 0: warnings only.

    Example: provisioner -i DIR contacts check --province bac-giang
    """
    access = open_access(invocation, chosen, purpose, requester)
    if province is not None:
        access.province_name(province)
    facilities = access.inventory.facilities
    every = {facility.province for facility in facilities.values()} | set(provinces_in(access.folder))
    judged = frozenset(every if province is None else [province])
    loaded = read_contacts(access.folder, access.passwords, None if province is None else judged)
    persons = _contacts_in(loaded.files)
    access.record("check", judged, len(persons), persons=persons)
    at = loaded.places, loaded.broken, access.today, access.folder
    view = checks.ContactsView(loaded.files, facilities, judged, *at, unread=access.unread)
    return _show_checked(invocation, sorted([*loaded.problems, *checks.check_contacts(view)]), judged, len(persons))


def _contacts_in(files: Mapping[str, ContactsFile]) -> list[Contact]:
    return [contact for file in files.values() for contact in file.contacts]


def _show_checked(invocation: Invocation, problems: Collection[Problem], judged: Collection[str], count: int) -> int:
    errors = sum(problem.severity is Severity.ERROR for problem in problems)
    code = InventoryError.exit_code if errors else 0
    if invocation.json:
        of_check = {"provinces": judged, "contacts": count, "problems": problems}
        print_document(CheckDocument(ok=not errors, **of_check).plain)
        return code
    echo_lines(problem_lines(problems, invocation.say))
    click.echo(
        _summary(errors, len(problems) - errors, f"{counted(count, 'contact')} in {counted(len(judged), 'province')}")
    )
    return code


class CheckDocument(Printed, name="contacts", title="Contacts"):
    """What `provisioner contacts check --output json` prints."""

    command: Literal["check"] = "check"
    ok: bool
    provinces: Ordered
    contacts: Count
    problems: tuple[ProblemRow, ...]


def _summary(errors: int, warnings: int, extent: str) -> str:
    if errors:
        return f"invalid: {counted(errors, 'error')}, {counted(warnings, 'warning')} ({extent})"
    return f"valid: {extent}" + (f" ({counted(warnings, 'warning')})" if warnings else "")


@click.command()
@texts_argument
@facilities_option
@click.option("--show", is_flag=True, help="Show the personal data too, not only its place.")
@click.option("--out", type=ValidPath(), metavar="FILE.json", help="Write the records for the person.")
@force_option
@purpose_option
@requester_option
@folder_option
def find(
    invocation: Invocation,
    *,
    texts: tuple[str, ...],
    facilities: tuple[str, ...],
    show: bool,
    out: Path | None,
    force: bool,
    purpose: str,
    requester: str | None,
    chosen: Path | None,
) -> None:
    """Find all records of one person, in all provinces.

    TEXT is a phone number, an e-mail address or a name, with or without accents; a record has to match each TEXT. Other
    users of this machine can see a command's arguments: `-` reads them from standard input, one a line. Exit code 2: no
    record; 12: a province could not be searched.

    Example: provisioner -i DIR contacts find - --purpose "request of the person" < person.txt
    """
    access = open_access(invocation, chosen, purpose, requester)
    terms = terms_of_person(texts, purpose)
    if out is not None:
        invocation.refuse_tracked_links(out)
        refuse_existing(out, force=force)
    files = valid_contacts(access.folder, access.passwords).files
    contacts = erasure.find(files, terms, facilities=facilities)
    access.record("export" if out else "show" if show else "find", files, len(contacts), persons=_contacts_in(files))
    if not contacts:
        raise nobody(files)
    if out is not None:
        exported = ExportDocument(as_of=access.now, records=contacts).plain
        write_private(out, (json.dumps(exported, ensure_ascii=False, indent=1) + "\n").encode(), force=force)
    if invocation.json:
        found = records(contacts, show=show)
        print_document(FindDocument(provinces=files, found=found, exported=out).plain)
        return
    print_records(contacts, show=show)
    click.echo(f"{counted(len(contacts), 'record')} found, {counted(len(files), 'province')} searched")
    if out is not None:
        click.echo(f"wrote {out}: it holds personal data")


class FindDocument(Printed, name="contacts", title="A search for a person"):
    """What `provisioner contacts find --output json` prints."""

    command: Literal["find"] = "find"
    provinces: Ordered  #: The searched ones.
    found: tuple[ContactRow | PlaceRow, ...]  #: Personal data only with `--show`.
    exported: Annotated[str, BeforeValidator(lambda out: str(out or ""))]  #: The written file, or empty.


class ExportDocument(Printed, name="contacts", title="The records of a person"):
    """What `provisioner contacts find --out FILE` writes."""

    command: Literal["export"] = "export"
    as_of: Moment
    records: tuple[ContactRow, ...]


def terms_of_person(texts: tuple[str, ...], purpose: str) -> tuple[SearchTerm, ...]:
    """Read search terms from the command line or standard input.

    Raises `UsageError` if a text is no personal data, or the recorded purpose contains it.
    """
    lines = sys.stdin.read().splitlines() if texts == ("-",) else texts
    terms = tuple(erasure.search_term(line) for line in lines if line.strip())
    if not terms:
        raise UsageError("nothing to search for was given", hint="give a phone number, an e-mail address or a name")
    if any(term.is_named_in(purpose) for term in terms):
        raise names_a_person()
    return terms


def nobody(searched: Iterable[str]) -> UsageError:
    """Return the error of an empty search, without the person."""
    names = ", ".join(sorted(searched)) or "no province"
    return UsageError("no record matches", hint=f"searched: {names}; a phone number or an e-mail has to be whole")


@click.command()
@texts_argument
@facilities_option
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option(
    "--new-password-file",
    "new_password_file",
    type=ValidPath(),
    metavar="FILE",
    help="A file with your new password, if a program returns the old one.",
)
@purpose_option
@requester_option
@folder_option
def erase(
    invocation: Invocation,
    *,
    texts: tuple[str, ...],
    facilities: tuple[str, ...],
    yes: bool,
    new_password_file: Path | None,
    purpose: str,
    requester: str | None,
    chosen: Path | None,
) -> None:
    """Erase all records of one person, in older commits too.

    The province's contacts get a new password. The command destroys the old password in its file, so that the contacts
    in old commits can no longer be read. TEXT is as in find, but a name has to be complete. If the command is
    interrupted, run it again: it finishes first. Commit the files that it names.

    Example: provisioner -i DIR contacts erase - --yes --purpose "request of the person" < person.txt
    """
    access = open_access(invocation, chosen, purpose, requester)
    if new_password_file is not None:
        refuse_proposed_password(new_password_file, invocation.inventory, access.folder)
    person = Person(terms_of_person(texts, purpose), facilities)
    finished = erasure.finish_interrupted(access.folder, access.passwords)
    for province in finished:
        click.echo(f"finished what was interrupted: {vault_id(province)} has its new password", err=True)
    planned = erasure.plan_erasure(access.folder, access.passwords, person, new_password_file)
    if planned.contacts:
        _ask_for_erasure(invocation, planned, yes=yes)
        provinces, persons = zip(*((found.province, found.contact) for found in planned.contacts), strict=True)
        access.record("erase", {*provinces}, len(persons), persons=persons)
        erasure.erase(access.folder, access.passwords, person, planned)
    else:
        searched = provinces_in(access.folder)
        access.record("erase", searched, 0, persons=())
        if not finished:
            raise nobody(searched)
    _show_erased(invocation, planned, finished)


def _ask_for_erasure(invocation: Invocation, planned: Erasure, *, yes: bool) -> None:
    if yes:
        return
    refuse_unattended(invocation, "whether to erase", hint="look at the records with find, then add --yes")
    print_records(planned.contacts, show=False)
    names = ", ".join(vault_id(renewal.province) for renewal in planned.renewals)
    ask(f"Erase {counted(len(planned.contacts), 'record')} and renew the password of {names}?")


def _show_erased(invocation: Invocation, planned: Erasure, finished: tuple[str, ...]) -> None:
    if invocation.json:
        print_document(EraseDocument.made_of(planned, finished=finished).plain)
        return
    print_records(planned.contacts, show=False)
    click.echo(f"erased {counted(len(planned.contacts), 'record')}")
    for renewal in planned.renewals:
        echo_lines(_renewal_lines(renewal))
    if planned.related:
        related = counted(planned.related, "other record")
        click.echo(f"{related} with the same phone, e-mail or name: look with find")


class RenewedRow(Row):
    """A province's new password."""

    province: str
    file: Path
    password_file: Path
    old_password: Annotated[
        Literal["destroyed", "to-be-destroyed"],
        BeforeValidator(lambda source: "destroyed" if source else "to-be-destroyed"),
    ] = of("source")
    earlier_versions: Count | None = of("earlier")  #: In Git here; null if unknown.


class EraseDocument(Printed, name="contacts", title="An erasure"):
    """What `provisioner contacts erase --output json` prints."""

    command: Literal["erase"] = "erase"
    erased: tuple[PlaceRow, ...] = of("contacts")
    renewed: tuple[RenewedRow, ...] = of("renewals")
    finished: tuple[str, ...]  #: Provinces of an interrupted erasure that is finished now.
    related: Count  #: Other records with the same phone, e-mail or name.


def _renewal_lines(renewal: Renewal) -> Iterator[str]:
    name = vault_id(renewal.province)
    if renewal.source:
        yield f"{name}: {renewal.source} holds a new password; the old one is destroyed there"
        yield "  copies of the old password elsewhere still open old commits: have them destroyed"
    else:
        yield f"{name}: encrypted with the password of {renewal.new_password_file}"
        yield "  put it in the place of the old one in your store, then destroy the old one and its versions there"
    if renewal.earlier is None:
        yield "  Git: nothing is known of earlier versions here"
    else:
        yield f"  Git: {counted(renewal.earlier, 'earlier version')} here, none opens with another password that is set"
    yield f"  commit {renewal.file}"


@click.command("list")
@click.option("--province", required=True, metavar="SLUG", shell_complete=provinces_like, help="The list's province.")
@click.option("--out", type=ValidPath(), required=True, metavar="FILE.xlsx", help="The spreadsheet to write.")
@force_option
@purpose_option
@requester_option
@folder_option
def list_(
    invocation: Invocation,
    *,
    province: str,
    out: Path,
    force: bool,
    purpose: str,
    requester: str | None,
    chosen: Path | None,
) -> None:
    """Write a province's list of contacts for the ministry (Vietnamese spreadsheet).

    The list has each person with a duty today at a facility that is not closed. Below them are the facilities, open or
    in preparation, without a complete representative. The file has mode 0600.

    Example: provisioner -i DIR contacts list --province bac-giang --out list.xlsx --purpose "letter 1407"
    """
    access = open_access(invocation, chosen, purpose, requester)
    invocation.refuse_tracked_links(out)
    refuse_existing(out, force=force)
    name = access.province_name(province)
    file = valid_contacts(access.folder, access.passwords, [province]).files.get(province)
    stored = file.contacts if file else ()
    facilities = {f.id: f for f in access.inventory.facilities.values() if f.province == province}
    served = _with_operating(facilities.values(), Operating.OPEN, Operating.PREPARING, Operating.STANDBY)
    listed = [c for c in in_order(stored) if c.is_current(access.today) and c.facility in served]
    opened = _with_operating(facilities.values(), Operating.OPEN, Operating.PREPARING)
    without = [f for f in sorted(opened) if checks.lacks_representative(stored, f, access.today)]
    content = checks.consolidated_list(
        checks.ListRequest(name, access.now, access.requester, purpose),
        listed,
        {f.id: f.name for f in facilities.values()},
        without,
    )
    access.record("list", [province], len(listed), persons=stored)
    write_private(out, content, force=force)
    of_list = {"file": out, "province": province, "contacts": len(listed), "without_representative": without}
    lines = [f"wrote {out}: {counted(len(listed), 'contact')} of {province}; it holds personal data"]
    if without:
        lines.append(f"without a complete representative: {', '.join(without)}")
    show(invocation, ListDocument(**of_list), lines)


class ListDocument(Printed, name="contacts", title="A list of contacts"):
    """What `provisioner contacts list --output json` prints."""

    command: Literal["list"] = "list"
    file: Path
    province: str
    contacts: Count
    without_representative: tuple[str, ...]  #: Facilities.


def _with_operating(facilities: Iterable[Facility], *states: Operating) -> set[str]:
    return {facility.id for facility in facilities if facility.operating in states}
