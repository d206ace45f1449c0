"""`provisioner history` and `provisioner retention`."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import click
from click.shell_completion import CompletionItem

from provisioner.base.document import AsGiven, Count, Moment, Printed, Row, absent, of
from provisioner.base.errors import HostError
from provisioner.base.text import Document, counted, local_time, msg, printable
from provisioner.cli.support import context
from provisioner.cli.support.commands import NamedGroup
from provisioner.cli.support.completion import runs_like
from provisioner.cli.support.context import Invocation, make_sure, now, print_document, print_warning
from provisioner.cli.support.options import DAMAGED_HINT
from provisioner.cli.support.session import session_of
from provisioner.cli.support.terminal import ValidPath
from provisioner.inventory.model.policy import Retention
from provisioner.operations.pipeline.session import Session
from provisioner.operations.questions.history import (
    CheckOptions,
    HistoryCheck,
    PastRuns,
    check_history,
    past_runs,
    prune_expired,
    retention_preview,
)
from provisioner.record.chain import HistoryFault
from provisioner.record.entries import OF_SINGLE_HOSTS, Event, Operation, RecordedApproval
from provisioner.record.retention import RetentionClass
from provisioner.report.tables import text_table

_FAULTY = 1
_ENTRY = re.compile("[0-9]{1,9}")
_UNFINISHED_HINT = msg(
    "provisioner apply --resume goes on with the last one, apply --abort ends it; one that was killed is ended by the"
    " next apply or rollback that reads all of its hosts, once none of them waits for it"
)
_HOSTS_NOT_ASKED = "hosts were not asked for their entries: provisioner history verify --hosts"
_NONE_EXPIRED = "no record is older than policy.retention allows"
_KIB = 1024
_OF_VERIFY = ("--hosts", "--public-key", "--lost")


class _Runs(NamedGroup):
    """A group in which a word that is no command names a run."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Accept `history --hosts verify`, as earlier versions did."""
        before = args[: args.index("verify")] if "verify" in args else []
        if any(word.partition("=")[0] in _OF_VERIFY for word in before):
            args = ["verify", *before, *args[len(before) + 1 :]]
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; `history RUN` is `history show RUN`."""
        return super().resolve_command(ctx, args if args[0] in self.commands else ["show", *args])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete commands and recorded runs."""
        return super().shell_complete(ctx, incomplete) + runs_like(ctx, self.params[0], incomplete)


@click.group(cls=_Runs, invoke_without_command=True, subcommand_metavar="[COMMAND|RUN]")
@click.option("--rows", "number", type=click.IntRange(min=1), default=20, show_default=True, help="The number of runs.")
@click.pass_context
def history(ctx: click.Context, invocation: Invocation, /, *, number: int) -> None:
    """Show runs: time, author, outcome and steps.

    Without an argument it lists runs, newest first. `history RUN` is `history show RUN`.

    Example: provisioner -i DIR history verify
    """
    if ctx.invoked_subcommand is None:
        with past_runs(session_of(invocation)) as runs:
            _show_runs(invocation, runs, number)


@history.command()
@click.argument("run", metavar="RUN", shell_complete=runs_like)
def show(invocation: Invocation, /, run: str) -> None:
    """Show the hosts, steps and causes of a run, also of a run in progress.

    Example: provisioner -i DIR history show 20210615T010000Z-aaaaaa
    """
    with past_runs(session_of(invocation)) as runs:
        _show_run(invocation, runs, run)


@history.command()
@click.option("--hosts", is_flag=True, help="Compare with the hosts' copies of the record, over SSH.")
@click.option(
    "--public-key",
    "public",
    multiple=True,
    type=ValidPath(),
    metavar="FILE",
    help="Check signatures with this key. May be repeated.",
)
@click.option("--lost", default="", metavar="FIRST-LAST", help="Entries that were lost when a backup was restored.")
def verify(invocation: Invocation, /, *, hosts: bool, public: tuple[Path, ...], lost: str) -> int:
    """Prove that no entry of the history was changed, forged or cut off.

    The command checks the entries against their hashes and seals, and against the copies on this machine, in Git notes
    and (with --hosts) on hosts. Exit code 1: an entry was changed, forged or cut off.

    Example: provisioner -i DIR history verify --hosts
    """
    check = check_history(session_of(invocation), CheckOptions(hosts, public, _lost_entries(lost)))
    return _show_check(invocation, check)


def _show_check(invocation: Invocation, check: HistoryCheck) -> int:
    seals = {"checked": not check.closed, **asdict(check.seals)}
    unanswered = [{"host": host, "message": error.message} for host, error in sorted(check.unanswered.items())]
    of_check = {"command": "verify", "ok": not check.faults, "seals": seals, "unanswered": unanswered}
    context.show(invocation, CheckDocument.made_of(check, **of_check), _check_lines(check))
    if check.closed:
        message = msg("the seals of entries were not checked: {closed}", check.closed)
        print_warning(message, msg("set the vault's password, as for apply"))
    if check.unanswered:
        return HostError.exit_code
    return _FAULTY if check.faults else 0


class Unanswered(Row):
    """A host that was not read."""

    host: str
    message: str


class _OfCommand(Printed):
    command: Literal["list", "run", "verify"]


class CheckDocument(_OfCommand, name="history", title="The history checked"):
    """Output of `provisioner history verify --output json`."""

    ok: bool
    entries: Count = of("length")
    head: str
    faults: tuple[HistoryFault, ...]
    remarks: tuple[HistoryFault, ...]
    seals: dict[str, bool | int]  #: Whether seals were `checked`, and how many entries are proved by which kind.
    notes: Count
    hosts: tuple[str, ...] | None  #: Null if no host was read.
    unanswered: tuple[Unanswered, ...]


def _check_lines(check: HistoryCheck) -> Iterator[str]:
    for fault in check.faults:
        yield printable(f"entry {fault.number}: {fault.message}" if not fault.hint else fault.message)
        if fault.hint:
            yield f"  hint: {fault.hint}"
    for remark in check.remarks:
        yield printable(f"note: entry {remark.number}: {remark.message}")
    for host, error in sorted(check.unanswered.items()):
        yield f"{host} was not asked: {error.message}"
    result = "is whole" if not check.faults else f"has {counted(len(check.faults), 'fault')}"
    yield f"the chain of {counted(check.length, 'entry')} {result}; its head is {check.head}"
    yield from _seal_lines(check)
    if check.notes:
        yield f"{counted(check.notes, 'Git note')} compared with it"
    if check.hosts is None:
        yield _HOSTS_NOT_ASKED
    else:
        answered = len(check.hosts) - len(check.unanswered)
        yield f"{counted(answered, 'host')} of {len(check.hosts)} gave their entries of it"


def _seal_lines(check: HistoryCheck) -> Iterator[str]:
    seals = check.seals
    if check.length:
        yield f"{seals.keyed} keyed by the vault, {seals.unkeyed} unkeyed, {seals.unproved} with an unknown key"
    if check.length and not check.closed and not seals.keyed:
        yield "no entry is keyed: anybody who can write the database can have written all of them"
    if seals.signed:
        yield f"{seals.proved} of {counted(seals.signed, 'signature')} by a known key"


def _lost_entries(text: str) -> range:
    first, _, last = text.partition("-")
    if not text:
        return range(0)
    if not (_ENTRY.fullmatch(first) and _ENTRY.fullmatch(last) and int(first) <= int(last)):
        raise click.UsageError("--lost takes the numbers of the first and the last lost entry, e.g. --lost 41-50")
    return range(int(first), int(last) + 1)


def _show_run(invocation: Invocation, runs: PastRuns, name: str) -> None:
    past = runs.run(name)
    if past.damaged:
        print_warning(past.damaged, DAMAGED_HINT)
    if invocation.json:
        more = {"document": runs.document(name), "steps": [_event_row(event) for event in past.events]}
        print_document(RunDocument.made_of(past, command="run", **more).plain)
        return
    run = past.recorded.run
    _echo(f"run {run.id}: {run.operation.value}, {past.state}")
    _echo(f"by {run.who.get('user', '')}@{run.who.get('machine', '')} {run.who.get('job', '')}".rstrip())
    if run.who.get("approval"):
        _echo(f"approved by: {run.who['approval']}")
    for row in run.approvals:
        _echo(f"approved by {row.approver} as {', '.join(row.roles)} with {row.key} at {row.local_at}, plan {row.plan}")
    if run.operation in OF_SINGLE_HOSTS:
        _echo(f"hosts: {', '.join(past.recorded.done_to) or 'none'}")
    if run.plan:
        _echo(f"plan {run.plan}, inventory {run.digest}")
    for event in past.events:
        _echo(_event_line(event))
    if not past.events:
        _echo(f"no steps; its result: provisioner --output json history {run.id}")


def _event_row(event: Event) -> "EventRow":
    # The beginning of a run holds its whole plan, which `document` and the plan itself show better.
    is_begin = (event.step, event.state) == ("run", "begin")
    return EventRow.made_of(event, detail=None if is_begin else event.detail)


def _event_line(event: Event) -> str:
    line = f"{local_time(event.at)}  {event.host or 'run'}  {event.step} {event.state}"
    cause = str(event.detail.get("cause", "") or event.detail.get("error", ""))
    return f"{line}: {printable(cause)}" if cause else line


def _show_runs(invocation: Invocation, runs: PastRuns, number: int) -> None:
    newest, damaged = runs.newest(number), runs.damaged(number)
    if invocation.json:
        print_document(RunsDocument(command="list", runs=newest, damaged=damaged).plain)
    else:
        for past in newest:
            run = past.recorded.run
            author = f"{run.who.get('user', '')}@{run.who.get('machine', '')}"
            _echo(f"{local_time(run.started)}  {run.id}  {run.operation.value}  {past.state}  {author}")
    for past in newest if not invocation.json else ():
        if past.recorded.finished is None and not past.damaged:
            print_warning(msg("run {run} has not ended", past.recorded.run.id), _UNFINISHED_HINT)
    for entry in damaged:
        print_warning(msg("entry {entry} cannot be read, and is not shown", entry), DAMAGED_HINT)


class RecordedInventory(Row):
    """The inventory's commit and digest, as the run recorded them."""

    commit: str
    digest: str


class PastRunRow(Row):
    """A recorded run."""

    run: str = of("recorded", "run", "id")
    operation: Operation = of("recorded", "run", "operation")
    started_at: AsGiven = of("recorded", "run", "started")
    finished_at: AsGiven | None = of("recorded", "finished")
    state: str
    plan: str = of("recorded", "run", "plan")
    inventory: RecordedInventory = of("recorded", "run")
    who: dict[str, str] = of("recorded", "run", "who")
    approvals: tuple[RecordedApproval, ...] = of("recorded", "run", "approvals")
    hosts: tuple[str, ...] = of("recorded", "done_to")


class EventRow(Row):
    """A step of a run."""

    at: AsGiven
    host: str
    step: str
    state: str
    detail: Document | None = absent()


class RunsDocument(_OfCommand, name="history", title="The newest runs"):
    """Output of `provisioner history --output json`."""

    runs: tuple[PastRunRow, ...]
    damaged: tuple[str, ...]  #: Numbers of damaged entries.


class RunDocument(PastRunRow, _OfCommand, name="history", title="A run"):
    """Output of `provisioner history RUN --output json`."""

    document: Document | None
    steps: tuple[EventRow, ...]


def _echo(line: str) -> None:
    """Print a stored line; its writer must not control the terminal."""
    click.echo(printable(line))


@click.command()
@click.option("--prune", is_flag=True, help="Delete the expired documents.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def retention(invocation: Invocation, /, *, prune: bool, yes: bool) -> None:
    """Show the history's documents by class; delete expired ones.

    `policy.retention` in inventory.yml has the days for which whole documents of verifications and verdicts on paths
    stay; without it all stay. Runs, checks of facilities, the hosts' states and the newest document always stay. The
    history records each deletion, so that `history verify` finds no gap. Exit code 13: the history is damaged; it keeps
    everything.

    Example: provisioner -i DIR retention --prune
    """
    moment = now()
    policy, stored = retention_preview(invocation.inventory, invocation.env, moment)
    leaving = sum(record_class.leaving for record_class in stored)
    if not prune:
        _show_retention(invocation, policy, stored, done=False)
        return
    session = Session(invocation.inventory, invocation.env, moment.date())
    make_sure(invocation, f"Delete {counted(leaving, 'record')} for ever?", "whether to delete them", yes=yes)
    _show_retention(invocation, policy, prune_expired(session, moment), done=True)


def _show_retention(invocation: Invocation, policy: Retention, stored: Sequence[RetentionClass], *, done: bool) -> None:
    days = _days(policy)
    classes = [RetentionClassRow.made_of(record_class, days=days[record_class.name]) for record_class in stored]
    lines = _retention_lines(policy, stored, done=done)
    context.show(invocation, RetentionDocument(pruned=done, classes=classes), lines)


class RetentionClassRow(Row):
    """A class of records, with the records to delete."""

    name: str
    days: int | None  #: Null if all stay.
    kept: Count = of("rows")
    bytes: Count = of("size")
    oldest: Moment | None
    leaving: Count
    leaving_bytes: Count = of("leaving_size")


class RetentionDocument(Printed, name="retention", title="Retention of records"):
    """Output of `provisioner retention --output json`."""

    pruned: bool
    classes: tuple[RetentionClassRow, ...]


def _retention_lines(policy: Retention, stored: Sequence[RetentionClass], *, done: bool) -> Iterator[str]:
    verb = "deleted" if done else "expired"
    days = _days(policy)
    rows = [
        (
            record_class.name,
            counted(kept, "day") if (kept := days[record_class.name]) else "for ever",
            str(record_class.rows),
            _size(record_class.size),
            local_time(record_class.oldest) if record_class.oldest else "",
            str(record_class.leaving),
            _size(record_class.leaving_size),
        )
        for record_class in stored
    ]
    yield from text_table(("class", "limit", "stored", "size", "oldest", verb, "size"), rows, numbers=False)
    yield ""
    leaving, size = (
        sum(record_class.leaving for record_class in stored),
        sum(record_class.leaving_size for record_class in stored),
    )
    if done:
        yield f"{counted(leaving, 'record')} deleted, {_size(size)}; the run is recorded"
    elif leaving:
        yield f"{counted(leaving, 'record')} expired, {_size(size)}; to delete them: provisioner retention --prune"
    else:
        yield _NONE_EXPIRED if any(days.values()) else "policy.retention is not set: all records stay"


def _days(policy: Retention) -> dict[str, int | None]:
    return {"documents": policy.document_days, "verdicts": policy.verdict_days}


def _size(size: int) -> str:
    if size < _KIB:
        return f"{size} B"
    return f"{size / _KIB:.1f} KiB" if size < _KIB**2 else f"{size / _KIB**2:.1f} MiB"
