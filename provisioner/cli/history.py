"""`provisioner history`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from provisioner.base.errors import UsageError
from provisioner.cli.context import Invocation, today
from provisioner.cli.output import counted, print_document
from provisioner.history.event_log import Event, EventLog
from provisioner.history.records import Recorded
from provisioner.history.store import History, find_history
from provisioner.pipeline import Session
from provisioner.runs.journal import state_place
from provisioner.runs.unfinished import state_of

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
    place = state_place(Session(invocation.inventory, invocation.env, today()))
    found = find_history(place)
    if found is None:
        raise UsageError(
            "no run was ever recorded here", hint=f"looked in {place.shown}; PROVISIONER_STATE names another"
        )
    log = EventLog(place)
    try:
        if what == "verify":
            return _verify(invocation, found, log)
        if what:
            _one(invocation, found, log, what)
        else:
            _list(invocation, found, log, number)
    finally:
        log.close()
        found.close()
    return 0


def _verify(invocation: Invocation, found: History, log: EventLog) -> int:
    chain = found.verify_chain()
    faults = [{"number": fault.number, "message": fault.message} for fault in chain.faults]
    for recorded in found.runs():
        told = found.document(recorded.run.id) if recorded.finished else None
        if told and told.get("journal") and told["journal"] != log.digest_of(recorded.run.id):
            faults.append({"number": 0, "message": f"the journal of run {recorded.run.id} was changed"})
    if invocation.json:
        told = {"schema": "provisioner/history", "version": 1, "command": "verify", "ok": not faults}
        print_document(told | {"entries": chain.length, "head": chain.head, "faults": faults})
    else:
        for fault in faults:
            click.echo(f"entry {fault['number']}: {fault['message']}")
        what = "is whole" if not faults else f"has {counted(len(faults), 'fault')}"
        click.echo(f"the chain of {counted(chain.length, 'entry')} {what}; its head is {chain.head}")
    return _FAILED if faults else 0


def _list(invocation: Invocation, found: History, log: EventLog, number: int) -> None:
    runs = found.runs(number)
    rows = [(recorded, log.of(recorded.run.id) if recorded.finished is None else ()) for recorded in runs]
    if invocation.json:
        told = {"schema": "provisioner/history", "version": 1, "command": "list"}
        print_document(told | {"runs": [_run_document(*row) for row in rows]})
        return
    for recorded, events in rows:
        run = recorded.run
        who = f"{run.who.get('user', '')}@{run.who.get('machine', '')}"
        state = state_of(recorded, events)
        click.echo(f"{run.started:%Y-%m-%d %H:%M:%S} UTC  {run.id}  {run.operation.value}  {state}  {who}")


def _run_document(recorded: Recorded, events: Sequence[Event]) -> dict[str, Any]:
    run = recorded.run
    return {
        "run": run.id,
        "operation": run.operation.value,
        "started_at": run.started.isoformat(),
        "finished_at": recorded.finished.isoformat() if recorded.finished else None,
        "state": state_of(recorded, events),
        "plan": run.plan,
        "inventory": {"commit": run.commit, "digest": run.digest},
        "who": dict(run.who),
        "hosts": list(recorded.hosts),
    }


def _one(invocation: Invocation, found: History, log: EventLog, name: str) -> None:
    recorded = next((r for r in found.runs() if r.run.id == name), None)
    if recorded is None:
        raise UsageError(f"no run is called {name}", hint="see provisioner history", object=name)
    events = log.of(name)
    if invocation.json:
        told = {"schema": "provisioner/history", "version": 1, "command": "run"} | _run_document(recorded, events)
        print_document(told | {"document": found.document(name), "steps": [_event_document(e) for e in events]})
        return
    run = recorded.run
    click.echo(f"run {run.id}: {run.operation.value}, {state_of(recorded, events)}")
    click.echo(f"by {run.who.get('user', '')}@{run.who.get('machine', '')} {run.who.get('job', '')}".rstrip())
    if run.who.get("approval"):
        click.echo(f"approved by: {run.who['approval']}")
    if run.plan:
        click.echo(f"plan {run.plan}, inventory {run.digest}")
    for event in events:
        about = event.host or "run"
        cause = str(event.detail.get("cause", "") or event.detail.get("error", ""))
        shown = f"{event.at:%H:%M:%S}  {about}  {event.step} {event.state}"
        click.echo(f"{shown}: {cause}" if cause else shown)


def _event_document(event: Event) -> dict[str, Any]:
    told = {"at": event.at.isoformat(), "host": event.host, "step": event.step, "state": event.state}
    # The beginning of a run holds its whole plan, which `document` and the plan itself tell better.
    return told | ({} if (event.step, event.state) == ("run", "begin") else {"detail": dict(event.detail)})
