"""`provisioner contacts erase`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from provisioner.base.counted import counted
from provisioner.base.password_place import refuse_proposed_password
from provisioner.cli.contacts.access import (
    contacts_document,
    facilities_option,
    folder_option,
    open_access,
    print_records,
    purpose_option,
    records,
    requester_option,
    texts_argument,
)
from provisioner.cli.contacts.find import nobody, terms_of_person
from provisioner.cli.context import Invocation
from provisioner.cli.output import print_document
from provisioner.cli.question import ask, refuse_unattended
from provisioner.cli.word import Place
from provisioner.contacts import erasure
from provisioner.contacts.erasure import Erasure, Person
from provisioner.contacts.keyring import vault_id
from provisioner.contacts.renewal import Renewal
from provisioner.contacts.store import provinces_in


@click.command()
@texts_argument
@facilities_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--new-password-file",
    "new_password_file",
    type=Place(path_type=Path),
    metavar="FILE",
    help="A new password of your own making, where the old one comes from a program.",
)
@purpose_option
@requester_option
@folder_option
@click.pass_obj
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
) -> int:
    """Erase every record of one person, and the password that opens what older commits say.

    The province's contacts get a new password, and the old one is destroyed where it lies, so that old
    commits cannot be read any more. TEXT is as in find, but a name has to be whole. If it is
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
        _ask(invocation, planned, yes=yes)
        access.record("erase", {contact.province for contact in planned.contacts}, len(planned.contacts))
        erasure.erase(access.folder, access.passwords, person, planned)
    else:
        searched = provinces_in(access.folder)
        access.record("erase", searched, 0)
        if not finished:
            raise nobody(searched)
    _show(invocation, planned, finished)
    return 0


def _ask(invocation: Invocation, planned: Erasure, *, yes: bool) -> None:
    if yes:
        return
    refuse_unattended(invocation, "whether to erase", hint="look at the records with find, then add --yes")
    print_records(planned.contacts, show=False)
    names = ", ".join(vault_id(renewal.province) for renewal in planned.renewals)
    ask(f"Erase {counted(len(planned.contacts), 'record')} and renew the password of {names}?")


def _show(invocation: Invocation, planned: Erasure, finished: tuple[str, ...]) -> None:
    if invocation.json:
        fields = {
            "erased": records(planned.contacts, show=False),
            "renewed": [_renewed(renewal) for renewal in planned.renewals],
            "finished": list(finished),
            "related": planned.related,
        }
        print_document(contacts_document("erase", **fields))
        return
    print_records(planned.contacts, show=False)
    click.echo(f"erased {counted(len(planned.contacts), 'record')}")
    for renewal in planned.renewals:
        for line in _lines(renewal):
            click.echo(line)
    if planned.related:
        others = counted(planned.related, "other record")
        click.echo(f"{others} with the same phone, e-mail or name: look with find")


def _renewed(renewal: Renewal) -> dict[str, object]:
    return {
        "province": renewal.province,
        "file": str(renewal.file),
        "password_file": str(renewal.source or renewal.new_password_file),
        "old_password": "destroyed" if renewal.source else "to-be-destroyed",
        "earlier_versions": renewal.earlier,
    }


def _lines(renewal: Renewal) -> Iterator[str]:
    """Say what was renewed, and what is left to be done by people."""
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
