"""Texts and documents of several commands: edits, frozen facilities, unproved hosts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import wraps
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, TypeVar

import click

from provisioner.base.document import Known, Printed, ProblemRow, Truth, of
from provisioner.base.errors import FrozenFacility, HostError, InventoryError, UsageError, worst_of
from provisioner.base.files import read_regular
from provisioner.base.git import Checkout, commit_files, committing
from provisioner.base.language import ENGLISH, Translator, marked
from provisioner.base.text import local_time, msg, printable
from provisioner.cli.support.completion import facilities_like
from provisioner.cli.support.context import Invocation, echo_lines, print_document, problem_lines, said, spoken, today
from provisioner.cli.support.options import limit_option
from provisioner.cli.support.terminal import ValidPath
from provisioner.desired.limit import parse_limits
from provisioner.inventory.outline import Outline
from provisioner.operations.edit.file_edit import Edits, FileEdit
from provisioner.operations.edit.shared_files import chosen_facilities
from provisioner.report.tables import some_of

if TYPE_CHECKING:
    from provisioner.cli.support.terminal import Terminal
    from provisioner.plan.diff.paths import Quarantined

_MOST_IDS = 1 << 20  #: Bytes of a list of ids.
#: People compare a digest's beginning; documents have all of it.
_DIGEST = re.compile(r"(sha256:[0-9a-f]{8})[0-9a-f]{56}")

F = TypeVar("F", bound=Callable[..., object])
HOSTS_KEEP = marked("hosts keep their state")

#: Hint for unannounced new hardware.
IF_NEW = "if it is the new hardware, and that address and host key are its own, add --allow trust=1"


Edited = tuple[FileEdit | tuple[FileEdit, ...], str]  #: Edits, and the message of their commit.
EditedWithNext = tuple[FileEdit, str, str]  #: The same of a file that is no facility's, and the line of the next step.
commit_option = click.option("--commit", "commits", is_flag=True, help="Commit the written files, and no other ones.")


def edit_options(command: F) -> F:
    """Add the options of editing commands."""
    command = click.option("--commit", "commits", is_flag=True, help="Commit the file, and no other one.")(command)
    return click.option("--dry-run", is_flag=True, help="Show the changes without writing them.")(command)


def edits_file(command: Callable[..., Edited | EditedWithNext]) -> Callable[..., int]:
    """Add these options to a command that returns an edit; finish that."""

    @wraps(command)
    def finished(invocation: Invocation, /, *arguments: object, dry_run: bool, commits: bool, **options: object) -> int:
        edit, message, *then = command(invocation, *arguments, **options)
        edits = (edit,) if isinstance(edit, FileEdit) else edit
        return _finish_edits(invocation, edits, message, "".join(then), dry_run=dry_run, commits=commits)

    return edit_options(finished)


def edits_of(invocation: Invocation) -> Edits:
    """Return the inventory that a command edits."""
    return Edits(invocation.inventory, today(), invocation.env)


def many_options(command: F) -> F:
    """Add the ways to choose several facilities."""
    command = click.option(
        "--file",
        "listing",
        type=ValidPath(dir_okay=False),
        metavar="FILE",
        help="Also the facilities in this file, one id a line.",
    )(command)
    argument = click.argument("names", nargs=-1, metavar="[FACILITY]…", shell_complete=facilities_like)
    return argument(limit_option(command))


class Choice(TypedDict):
    """The values of `many_options`."""

    names: tuple[str, ...]
    limits: tuple[str, ...]
    listing: Path | None


def chosen_of(edits: Edits, choice: Choice, suits: Callable[[Outline], bool]) -> tuple[str, ...]:
    """Return the facilities that these options choose, or raise `UsageError`."""
    if not any(choice.values()):
        hint = marked("name their ids, or --limit KIND=NAME, or --file FILE with an id a line")
        raise UsageError(marked("no facility is named"), hint=hint)
    names = *choice["names"], *_ids_in(choice["listing"])
    return chosen_facilities(edits, names, parse_limits(choice["limits"]), suits)


def _ids_in(listing: Path | None) -> list[str]:
    if listing is None:
        return []
    try:
        text = read_regular(listing, most=_MOST_IDS).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        hint = marked("name a text file with one id a line")
        raise UsageError(msg("{file} cannot be read as a list of ids", str(listing)), hint=hint) from None
    return [name for line in text.splitlines() if (name := line.partition("#")[0].strip())]


def _finish_edits(
    invocation: Invocation, edits: Sequence[FileEdit], message: str, then: str, *, dry_run: bool, commits: bool
) -> int:
    """Write edits unless dry run; print them and the next step.

    Raises `UsageError` if it cannot be committed: before writing, or after Git's refusal.
    """
    refuse_both(dry_run=dry_run, commits=commits)
    commit = write_edits(invocation, edits, message, commits=commits) if not dry_run else ""
    if invocation.json:
        document = SharedEditDocument if then else EditDocument
        rows = [document.made_of(edit, written=edit.changed and not dry_run, commit=commit) for edit in edits]
        print_document((rows[0] if len(rows) == 1 else EditsDocument(edits=rows)).plain)
        return 0
    for edit in edits:
        echo_lines(diff_lines(edit) if edit.changed else [said(f"{edit.path}: {edit.facility} is so already")])
        echo_lines(problem_lines(edit.warnings, invocation.say), err=True)
    if commit:
        click.echo(said(f"committed as {commit[:12]}: {message}"))
    changed = [edit for edit in edits if edit.changed]
    then = then if len(edits) == 1 else "next: provisioner status"
    echo_lines(map(said, _edit_ending(changed, then, dry_run=dry_run) if changed else ()))
    return 0


class _Edit(Printed):
    facility: str
    object: str = of("facility")
    file: Path = of("path")
    written: bool
    commit: Known
    diff: tuple[str, ...]
    warnings: tuple[ProblemRow, ...]
    to_be_signed: Truth = of("sign_offs")  #: Whether parties have to sign the edited file.


class EditDocument(_Edit, name="facility-edit", title="An edit", without=("object",)):
    """Output of commands that edit a facility's file."""


class SharedEditDocument(
    _Edit, name="file-edit", title="An edit of a file that is no facility's", without=("facility", "to_be_signed")
):
    """Output of commands that edit maintenance.yml, designations.yml or a carrier's file."""


class EditsDocument(Printed, name="facility-edits", title="Edits of several facilities"):
    """Output of commands that edit several facilities at once."""

    edits: tuple[EditDocument, ...]


def _edit_ending(edits: Sequence[FileEdit], then: str, *, dry_run: bool) -> list[str]:
    held = [edit.facility for edit in edits if edit.sign_offs]
    lines = [f"{facility} is held until its present content is signed: hosts keep their state" for facility in held]
    if dry_run:
        return [*lines, "dry run: no files were written; repeat without --dry-run"]
    return [*lines, then or f"next: provisioner facility next {edits[0].facility}"]


def diff_lines(edit: FileEdit) -> list[str]:
    """Return an edit's file and changed lines."""
    return [f"{edit.path}:", *("  " + printable(_DIGEST.sub(r"\1…", line)) for line in edit.diff)]


def refuse_both(*, dry_run: bool, commits: bool) -> None:
    """Raise `UsageError` for a commit of a dry run."""
    if dry_run and commits:
        raise UsageError("--dry-run and --commit exclude each other", hint="name one of them")


def checkout_for(invocation: Invocation, *, commits: bool) -> Checkout | None:
    """Return the checkout of a command that commits, or raise `UsageError`."""
    return committing(invocation.inventory) if commits else None


def write_edits(invocation: Invocation, edits: Iterable[FileEdit], message: str, *, commits: bool) -> str:
    """Write edits that change their files; return the commit, if any."""
    changed = [edit for edit in edits if edit.changed]
    checkout = checkout_for(invocation, commits=commits) if changed else None
    for edit in changed:
        edit.write(invocation.inventory)
    return committed(checkout, {edit.path: edit.after for edit in changed}, message) if checkout else ""


def commit_written(invocation: Invocation, checkout: Checkout | None, files: Iterable[Path], message: str) -> None:
    """Commit and print written files in a checkout, or raise `UsageError`."""
    contents = {file: file.read_bytes() for file in files} if checkout else {}
    if checkout and contents:
        commit = committed(checkout, contents, message)
        click.echo(said(f"committed as {commit[:12]}: {message}"), err=invocation.json)


def written_line(file: Path, checkout: Checkout | None) -> str:
    """Return a written file's line, with the remaining step."""
    return said(f"wrote {file}" if checkout else f"wrote {file}: commit it")


def committed(checkout: Checkout, contents: Mapping[Path, bytes], message: str) -> str:
    """Commit written files; return the id, or raise `UsageError`."""
    try:
        return commit_files(checkout, contents, message)
    except UsageError as error:
        raise UsageError(
            f"{', '.join(map(str, contents))} is written, and not committed: {error}", hint=error.hint
        ) from error


def frozen_lines(
    frozen: Sequence[FrozenFacility], consequence: str = HOSTS_KEEP, say: Translator = ENGLISH
) -> Iterator[str]:
    """Yield frozen facilities, their position, cause and `consequence`."""
    if not frozen:
        return
    facilities = say.counted(len(frozen), "facility")
    line = say("HELD: {facilities} with errors: {what}", facilities=facilities, what=say.restated(consequence))
    yield click.style(line, fg="red", bold=True)
    for facility in frozen:
        yield f"  {facility.id}: {printable(say.restated(facility.reason))}"
        if facility.position:
            yield f"    {printable(facility.position)}"
        if facility.hint:
            yield f"    {say('hint')}: {printable(say.restated(facility.hint))}"


def print_frozen(frozen: Sequence[FrozenFacility], *, consequence: str) -> None:
    """Print frozen facilities on standard error."""
    echo_lines(frozen_lines(frozen, consequence, spoken()), err=True)


def code_with_frozen(code: int, frozen: Sequence[object]) -> int:
    """Return the exit code: 3 with frozen facilities, unless worse."""
    return worst_of(code, InventoryError.exit_code) if frozen else code


def quarantine_lines(
    paths: Sequence[Quarantined], terminal: Terminal, *, apart: bool = True, most: int = 0, say: Translator = ENGLISH
) -> Iterator[str]:
    """Yield at most `most` quarantined paths (0: all), maybe set `apart`."""
    if not paths:
        return
    if apart:
        yield ""
    line = say("QUARANTINED: {paths} with a refused password", paths=say.counted(len(paths), "path"))
    yield click.style(line, fg="red", bold=True)
    ordered = sorted(paths, key=lambda entry: (entry.host, entry.device, entry.next_step, entry.path))[: most or None]
    for (host, device, step), group in groupby(ordered, key=lambda entry: (entry.host, entry.device, entry.next_step)):
        entries = list(group)
        since = local_time(min(entry.since for entry in entries))
        head = say("{device} since {since}", device=printable(device), since=since)
        yield from terminal.below(f"  {host}: {head}", say.restated(step), 4)
        yield from (f"    {printable(entry.path)}" for entry in entries)
    if len(ordered) < len(paths):
        more = say.counted(len(paths) - len(ordered), "path")
        yield "  " + say("… and {paths} more: provisioner quarantine list", paths=more)


def unproved_error(host: str, hint: str) -> HostError:
    """Return the error of an unproved, unannounced host."""
    message = f"{host} has not proved that it is the host that was managed before; it was sent nothing"
    return HostError(message, hint=hint, object=host)


def proof_line(place: str, say: Translator = ENGLISH, *, is_new: bool) -> str:
    """Return a line on where keys go, and the hardware's proof."""
    if is_new:
        return say("to {place}, without a proof of identity, like new hardware:", place=place)
    return say("to {place}, which has this inventory's key already:", place=place)


def listed(names: Sequence[str], say: Translator = ENGLISH) -> str:
    """Return `: ` and names, or empty."""
    return f": {some_of(list(names), say)}" if names else ""
