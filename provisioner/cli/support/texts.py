"""Texts and documents of several commands: edits, held facilities, unproved hosts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, TypeVar

import click

from provisioner.base.document import ProblemRow
from provisioner.base.errors import HostError, InventoryError, UsageError, worst_of
from provisioner.base.frozen import HeldFacility
from provisioner.base.git import Checkout, commit_files, committing
from provisioner.base.language import ENGLISH, Translator, marked
from provisioner.base.text import Document, printable
from provisioner.cli.support.context import Invocation, today
from provisioner.cli.support.output import print_document, problem_lines
from provisioner.operations.edit.file_edit import Edits, FileEdit
from provisioner.report.tables import some_of

if TYPE_CHECKING:
    from provisioner.cli.support.terminal import Terminal
    from provisioner.plan.diff import Quarantined

_DIGEST = re.compile(r"(sha256:[0-9a-f]{8})[0-9a-f]{56}")
"""People compare the beginning of what was signed; a document has all of it."""

F = TypeVar("F", bound=Callable[..., object])
HOSTS_KEEP = marked("hosts keep what they have")

IF_NEW = "if it is the new hardware, and that address and host key are its own, add --allow trust=1"
"""What to do about new hardware that was not announced."""


@dataclass(frozen=True, slots=True)
class Writing:
    """What becomes of an edit.

    Attributes:
        dry_run: whether it is only shown.
        commits: whether the file is committed as well.
        message: what that commit says of itself.
    """

    dry_run: bool
    commits: bool
    message: str


def edit_options(command: F) -> F:
    """The options of a command that edits."""
    command = click.option("--commit", "commits", is_flag=True, help="Commit the file as well, and nothing else.")(
        command
    )
    return click.option("--dry-run", is_flag=True, help="Show what would change, and write nothing.")(command)


def edits_of(invocation: Invocation) -> Edits:
    """The inventory that a command edits."""
    return Edits(invocation.inventory, today(), invocation.env)


def finish(invocation: Invocation, edit: FileEdit, writing: Writing) -> int:
    """Write an edit, unless it is only to be seen, and say what changes and what comes next.

    Raises:
        LockedError, InventoryError: it cannot be written.
        UsageError: it cannot be committed here; then nothing is written; if Git refuses it later, that is said.
    """
    dry_run = writing.dry_run
    refuse_both(dry_run=dry_run, commits=writing.commits)
    commit = ""
    if not dry_run and edit.changed:
        checkout = committing(invocation.inventory) if writing.commits else None
        edit.write(invocation.inventory)
        commit = committed(checkout, [edit], str(edit.path), writing.message) if checkout else ""
    if invocation.json:
        print_document(_edit_document(edit, commit, dry_run=dry_run))
        return 0
    if not edit.changed:
        click.echo(f"{edit.path}: {edit.facility} is so already")
        return 0
    for line in diff_lines(edit):
        click.echo(line)
    for line in problem_lines(edit.warnings):
        click.echo(line, err=True, color=invocation.color)
    if commit:
        click.echo(f"committed as {commit[:12]}: {writing.message}")
    for line in _edit_ending(edit, dry_run=dry_run):
        click.echo(line)
    return 0


def _edit_document(edit: FileEdit, commit: str, *, dry_run: bool) -> Document:
    return {
        "schema": "provisioner/facility-edit",
        "version": 1,
        "facility": edit.facility,
        "file": str(edit.path),
        "written": edit.changed and not dry_run,
        "commit": commit or None,
        "diff": list(edit.diff),
        "warnings": ProblemRow.listed(edit.warnings),
        "to_be_signed": bool(edit.sign_offs),
    }


def _edit_ending(edit: FileEdit, *, dry_run: bool) -> list[str]:
    """The last lines: that hosts do not take it up yet, that nothing is written, what comes next."""
    lines = []
    if edit.sign_offs:
        lines.append(f"{edit.facility} is held until what it says now is signed: hosts keep what they have")
    if dry_run:
        return [*lines, "nothing is written: leave --dry-run out to write it"]
    return [*lines, f"next: provisioner facility next {edit.facility}"]


def diff_lines(edit: FileEdit) -> list[str]:
    """An edit as people read it: the file, and the lines that change."""
    return [f"{edit.path}:", *("  " + printable(_DIGEST.sub(r"\1…", line)) for line in edit.diff)]


def refuse_both(*, dry_run: bool, commits: bool) -> None:
    """Refuse to commit what is only to be shown.

    Raises:
        UsageError: that is asked for.
    """
    if dry_run and commits:
        raise UsageError("--dry-run and --commit exclude each other", hint="name one of them")


def committed(checkout: Checkout, edits: Iterable[FileEdit], what: str, message: str) -> str:
    """The id of the commit of edits that are written; `what` they are is said where there is none.

    Raises:
        UsageError: Git refuses it; the message says that the files are written all the same.
    """
    try:
        return commit_files(checkout, {edit.path: edit.after for edit in edits}, message)
    except UsageError as error:
        raise UsageError(f"{what} is written, and not committed: {error}", hint=error.hint) from error


def held_lines(held: Sequence[HeldFacility], what: str = HOSTS_KEEP, say: Translator = ENGLISH) -> Iterator[str]:
    """Who is held, with why and where that is mended.

    Args:
        held: the facilities.
        what: what that means for the command.
        say: whoever says it.
    """
    if not held:
        return
    facilities = say.counted(len(held), "facility")
    line = say("HELD: {facilities} with errors: {what}", facilities=facilities, what=say.restated(what))
    yield click.style(line, fg="red", bold=True)
    for one in held:
        yield f"  {one.id}: {printable(say.restated(one.reason))}"
        if one.place:
            yield f"    {printable(one.place)}"
        if one.hint:
            yield f"    {say('hint')}: {printable(say.restated(one.hint))}"


def print_held(held: Sequence[HeldFacility], *, color: bool | None, what: str, say: Translator = ENGLISH) -> None:
    """Say on standard error who is held."""
    for line in held_lines(held, what, say):
        click.echo(line, err=True, color=color)


def code_with_held(code: int, held: Sequence[object]) -> int:
    """The exit code: 3 where something is held, unless something worse happened."""
    return worst_of(code, InventoryError.exit_code) if held else code


def quarantine_lines(
    paths: Sequence[Quarantined], terminal: Terminal, *, apart: bool = True, most: int = 0, say: Translator = ENGLISH
) -> Iterator[str]:
    """The paths that relays do not pull since their devices refuse the password; nothing where there are none.

    Args:
        paths: those paths.
        terminal: what the lines are laid out for.
        apart: whether an empty line comes first.
        most: so many of them are listed; 0 lists all.
        say: whoever says it.
    """
    if not paths:
        return
    if apart:
        yield ""
    line = say("QUARANTINED: {paths} with a refused password", paths=say.counted(len(paths), "path"))
    yield click.style(line, fg="red", bold=True)
    ordered = sorted(paths, key=lambda one: (one.host, one.device, one.next_step, one.path))[: most or None]
    for (host, device, step), group in groupby(ordered, key=lambda one: (one.host, one.device, one.next_step)):
        of = list(group)
        since = min(one.since_text for one in of)
        head = say("{device} since {since}", device=printable(device), since=since)
        yield from terminal.below(f"  {host}: {head}", say.restated(step), 4)
        yield from (f"    {printable(one.path)}" for one in of)
    if len(ordered) < len(paths):
        more = say.counted(len(paths) - len(ordered), "path")
        yield "  " + say("… and {paths} more: provisioner quarantine list", paths=more)


def unproved(host: str, hint: str) -> HostError:
    """The error of a host that proved nothing, and was not announced as one that cannot."""
    message = f"{host} has not proved that it is the host that was managed before; it was sent nothing"
    return HostError(message, hint=hint, object=host)


def proof_line(place: str, say: Translator = ENGLISH, *, is_new: bool) -> str:
    """Where new keys or old ones go: the hardware's place, and what it proves."""
    if is_new:
        return say("to {place}, which proves nothing, as new hardware does:", place=place)
    return say("to {place}, which has this inventory's key already:", place=place)


def listed(names: Sequence[str], say: Translator = ENGLISH) -> str:
    """Names behind their number; nothing where there are none."""
    return f": {some_of(list(names), say)}" if names else ""
