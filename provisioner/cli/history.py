"""`provisioner history`."""

from __future__ import annotations

import click

from provisioner.base.counted import counted
from provisioner.base.json_document import Document
from provisioner.base.printable import printable
from provisioner.cli.context import Invocation, today
from provisioner.cli.output import print_document
from provisioner.history.event_log import Event
from provisioner.pipeline import Session
from provisioner.runs.history import PastRun, PastRuns, past_runs

_FAILED = 1


@click.command()
@click.argument("what", required=False, metavar="[RUN|verify]")
@click.option("--limit", "number", type=click.IntRange(min=1), default=20, show_default=True, help="So many runs.")
@click.pass_obj
def history(invocation: Invocation, what: str | None, number: int) -> int:
    """Show what was changed and verified: when, by whom, and what became of it.

    Alone it lists runs, the newest first. With a RUN it shows its hosts, steps and causes, also while it
    goes on. With `verify` it proves that no entry was changed, and ends with 1 if one was.

    Example: provisioner -i inventories/example history verify
    """
    with past_runs(Session(invocation.inventory, invocation.env, today())) as runs:
        if what == "verify":
            return _verify(invocation, runs)
        if what:
            _one(invocation, runs, what)
        else:
            _list(invocation, runs, number)
    return 0


def _verify(invocation: Invocation, runs: PastRuns) -> int:
    check = runs.verify()
    if invocation.json:
        faults = [{"number": fault.number, "message": fault.message} for fault in check.faults]
        _print("verify", {"ok": not faults, "entries": check.length, "head": check.head, "faults": faults})
    else:
        for fault in check.faults:
            click.echo(f"entry {fault.number}: {printable(fault.message)}")
        words = "is whole" if not check.faults else f"has {counted(len(check.faults), 'fault')}"
        click.echo(f"the chain of {counted(check.length, 'entry')} {words}; its head is {check.head}")
    return _FAILED if check.faults else 0


def _list(invocation: Invocation, runs: PastRuns, number: int) -> None:
    newest = runs.newest(number)
    if invocation.json:
        _print("list", {"runs": [_run_document(past) for past in newest]})
        return
    for past in newest:
        run = past.recorded.run
        who = printable(f"{run.who.get('user', '')}@{run.who.get('machine', '')}")
        click.echo(f"{run.started:%Y-%m-%d %H:%M:%S} UTC  {run.id}  {run.operation.value}  {past.state}  {who}")


def _one(invocation: Invocation, runs: PastRuns, name: str) -> None:
    past = runs.run(name)
    if invocation.json:
        steps = [_event_document(event) for event in past.events]
        _print("run", _run_document(past) | {"document": runs.document(name), "steps": steps})
        return
    run = past.recorded.run
    click.echo(f"run {run.id}: {run.operation.value}, {past.state}")
    by = f"by {run.who.get('user', '')}@{run.who.get('machine', '')} {run.who.get('job', '')}"
    click.echo(printable(by).rstrip())
    if run.who.get("approval"):
        click.echo(f"approved by: {printable(run.who['approval'])}")
    if run.plan:
        click.echo(f"plan {run.plan}, inventory {run.digest}")
    for event in past.events:
        click.echo(_event_line(event))


def _event_line(event: Event) -> str:
    line = f"{event.at:%H:%M:%S}  {event.host or 'run'}  {event.step} {event.state}"
    cause = str(event.detail.get("cause", "") or event.detail.get("error", ""))
    return f"{line}: {printable(cause)}" if cause else line


def _print(command: str, fields: Document) -> None:
    print_document({"schema": "provisioner/history", "version": 1, "command": command} | fields)


def _run_document(past: PastRun) -> Document:
    run, finished = past.recorded.run, past.recorded.finished
    return {
        "run": run.id,
        "operation": run.operation.value,
        "started_at": run.started.isoformat(),
        "finished_at": finished.isoformat() if finished else None,
        "state": past.state,
        "plan": run.plan,
        "inventory": {"commit": run.commit, "digest": run.digest},
        "who": dict(run.who),
        "hosts": list(past.recorded.hosts),
    }


def _event_document(event: Event) -> Document:
    document = {"at": event.at.isoformat(), "host": event.host, "step": event.step, "state": event.state}
    # The beginning of a run holds its whole plan, which `document` and the plan itself show better.
    return document | ({} if (event.step, event.state) == ("run", "begin") else {"detail": dict(event.detail)})
