"""An edit of a facility's file: shown as a diff, written unless somebody only wants to see it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

import click

from provisioner.base.errors import UsageError
from provisioner.base.git import Checkout
from provisioner.base.git_commit import commit_files, committing
from provisioner.base.json_document import Document
from provisioner.base.printable import printable
from provisioner.cli.context import Invocation, today
from provisioner.cli.output import print_document, problem_document, problem_lines
from provisioner.inventory.operations.file_edit import Edits, FileEdit

_DIGEST = re.compile(r"(sha256:[0-9a-f]{8})[0-9a-f]{56}")
"""People compare the beginning of what was signed; a document has all of it."""

F = TypeVar("F", bound=Callable[..., object])


def edit_options(command: F) -> F:
    """The options of a command that edits."""
    command = click.option("--commit", "commits", is_flag=True, help="Commit the file as well, and nothing else.")(
        command
    )
    return click.option("--dry-run", is_flag=True, help="Show what would change, and write nothing.")(command)


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
        print_document(_document(edit, commit, dry_run=dry_run))
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
    for line in _ending(edit, dry_run=dry_run):
        click.echo(line)
    return 0


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


def _ending(edit: FileEdit, *, dry_run: bool) -> list[str]:
    """The last lines: that hosts do not take it up yet, that nothing is written, what comes next."""
    lines = []
    if edit.sign_offs:
        lines.append(f"{edit.facility} is held until what it says now is signed: hosts keep what they have")
    if dry_run:
        return [*lines, "nothing is written: leave --dry-run out to write it"]
    return [*lines, f"next: provisioner facility next {edit.facility}"]


def _document(edit: FileEdit, commit: str, *, dry_run: bool) -> Document:
    return {
        "schema": "provisioner/facility-edit",
        "version": 1,
        "facility": edit.facility,
        "file": str(edit.path),
        "written": edit.changed and not dry_run,
        "commit": commit or None,
        "diff": list(edit.diff),
        "warnings": [problem_document(problem) for problem in edit.warnings],
        "to_be_signed": bool(edit.sign_offs),
    }
