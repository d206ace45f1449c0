"""`provisioner contacts find`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path

import click

from provisioner.base.counted import counted
from provisioner.base.errors import UsageError
from provisioner.base.private_file import refuse_existing, write_private
from provisioner.cli.contacts.access import (
    contacts_document,
    facilities_option,
    folder_option,
    force_option,
    open_access,
    print_records,
    purpose_option,
    records,
    requester_option,
    texts_argument,
)
from provisioner.cli.context import Invocation
from provisioner.cli.output import print_document
from provisioner.cli.word import Place
from provisioner.contacts import search
from provisioner.contacts.search import SearchTerm
from provisioner.contacts.store import valid_contacts


@click.command()
@texts_argument
@facilities_option
@click.option("--show", is_flag=True, help="Show the personal data, too, not only where it is.")
@click.option(
    "--export", "out", type=Place(path_type=Path), metavar="FILE.json", help="Write the records for the person."
)
@force_option
@purpose_option
@requester_option
@folder_option
@click.pass_obj
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
) -> int:
    """Find every record of one person, in all provinces.

    TEXT is a phone number, an e-mail address or a name, accents or not; a record has to have all that
    are given. Other users of this machine can see a command's words: with - they are read from standard
    input, one a line. Ends with 2 if nothing is found, with 12 if a province could not be searched.

    Example: provisioner -i DIR contacts find - --purpose "request of the person" < person.txt
    """
    access = open_access(invocation, chosen, purpose, requester)
    terms = terms_of_person(texts, purpose)
    if out is not None:
        invocation.refuse_proposed(out)
        refuse_existing(out, force=force)
    files = valid_contacts(access.folder, access.passwords).files
    contacts = search.find(files, terms, facilities=facilities)
    access.record("export" if out else "show" if show else "find", files, len(contacts))
    if not contacts:
        raise nobody(files)
    if out is not None:
        exported = contacts_document(
            "export", as_of=access.now.isoformat(timespec="seconds"), records=records(contacts, show=True)
        )
        write_private(out, (json.dumps(exported, ensure_ascii=False, indent=1) + "\n").encode(), force=force)
    if invocation.json:
        fields = {"provinces": sorted(files), "found": records(contacts, show=show), "exported": str(out or "")}
        print_document(contacts_document("find", **fields))
        return 0
    print_records(contacts, show=show)
    click.echo(f"{counted(len(contacts), 'record')} found, {counted(len(files), 'province')} searched")
    if out is not None:
        click.echo(f"wrote {out}: it holds personal data")
    return 0


def terms_of_person(texts: tuple[str, ...], purpose: str) -> tuple[SearchTerm, ...]:
    """Take what is known of a person, from the command line or from standard input.

    Raises:
        UsageError: a text is nothing that a person has, or it stands in the purpose, which is recorded.
    """
    lines = sys.stdin.read().splitlines() if texts == ("-",) else texts
    terms = tuple(search.search_term(line) for line in lines if line.strip())
    if not terms:
        raise UsageError("nothing to search for was given", hint="give a phone number, an e-mail address or a name")
    if any(term.is_named_in(purpose) for term in terms):
        hint = "say what for without naming the person: the access log holds no personal data"
        raise UsageError("the purpose names the person", hint=hint)
    return terms


def nobody(searched: Iterable[str]) -> UsageError:
    """The error of a search that found nothing; it says where was searched, and not for whom."""
    names = ", ".join(sorted(searched)) or "no province"
    return UsageError("no record matches", hint=f"searched: {names}; a phone number or an e-mail has to be whole")
