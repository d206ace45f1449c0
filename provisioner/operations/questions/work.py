"""Runs, hosts, unapproved plans and other waiting work for pages. Read-only."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

from provisioner.base.certificate import read_certificate
from provisioner.base.errors import StalePlanError, UsageError
from provisioner.base.files import read_regular
from provisioner.base.git import ask_git, checkout_of
from provisioner.base.text import in_vietnam
from provisioner.desired.trust import approval_terms
from provisioner.inventory.files.revision import keys_since
from provisioner.inventory.model.inventory import Inventory
from provisioner.operations.apply.approvals import FOLDER, PLAN_ENDING, approval_files, plan_to_approve
from provisioner.operations.apply.run import Intent, beginning_of, intent_of, progress_of, state_of
from provisioner.operations.apply.saved_plan import REFERENCES, plan_blob
from provisioner.operations.questions.overview import Overview
from provisioner.operations.questions.packages import package_statuses
from provisioner.plan.guards import approvals as guard
from provisioner.plan.saved.file import MAX_PLAN_BYTES, WrittenPlan, written_plan
from provisioner.record.entries import OF_SINGLE_HOSTS, Operation, Recorded, Run
from provisioner.record.event_log import EventLog
from provisioner.record.lifecycle.evidence import KeyAge, key_ages
from provisioner.record.lifecycle.site_packages import PackageState, PackageStatus
from provisioner.record.state_folder import StateFolder, who_text
from provisioner.record.store import History, find_history
from provisioner.record.tables import DAMAGE, DamagedRecordError
from provisioner.verify import work
from provisioner.verify.document import VerifyDocument
from provisioner.verify.result import Cause, Finding, Layer
from provisioner.verify.work import WaitingPlan

MOST_RUNS: Final = 5000  #: Runs on pages, newest first; about a year of a large country.
CERTIFICATE: Final = "certificate"  #: A due date's kind, beside the kinds of keys.
_FACILITY: Final = "facility="
_SOON: Final = timedelta(days=60)
_CHANGES: Final = frozenset(Operation) - {Operation.VERIFY}
_SIGNS: Final = {"create": "+", "update": "~", "delete": "-"}
_WAITING: Final = frozenset({PackageState.HANDED_OUT, PackageState.EXPIRED, PackageState.OLDER})


def read_work(overview: Overview, documents: Sequence[VerifyDocument]) -> work.Work:
    """Return runs, hosts and waiting work; `documents` are verifications, oldest first."""
    history = find_history(overview.place)
    if history is None:
        return _work(overview, (), documents, {}, {})
    with closing(history):
        recorded = history.past(MOST_RUNS, _CHANGES).runs
        read = _work(overview, recorded, documents, history.psks_drawn(), history.publish_keys_drawn())
        try:
            return replace(read, packages=tuple(_packages(overview, history)))
        except DamagedRecordError:
            return replace(read, is_damaged=True)


def _work(
    overview: Overview,
    recorded: Sequence[Recorded],
    documents: Sequence[VerifyDocument],
    psks: Mapping[str, datetime],
    to_push: Mapping[str, datetime],
) -> work.Work:
    inventory = overview.whole_inventory
    runs = tuple(_run_row(overview.place, one) for one in recorded)
    ages = key_ages(inventory, _keys_since(overview.root, overview.loaded.digest), psks, to_push)
    return work.Work(
        runs=runs,
        hosts=tuple(_hosts(inventory, runs, documents)),
        due=tuple(sorted(_due(inventory, ages, in_vietnam(overview.now).date() + _SOON))),
        plans=waiting_plans(
            overview.root, inventory, overview.loaded.digest, [one.run for one in recorded], overview.now
        ),
    )


def _run_row(place: StateFolder, recorded: Recorded) -> work.RunRow:
    run = recorded.run
    return work.RunRow(
        id=run.id,
        operation=run.operation.value,
        state=recorded.outcome if recorded.finished else _state_of_unfinished(place, recorded),
        started=run.started,
        finished=recorded.finished,
        hosts=recorded.done_to if run.operation in OF_SINGLE_HOSTS else recorded.hosts,
        facilities=tuple(sorted(text.removeprefix(_FACILITY) for text in run.limit if text.startswith(_FACILITY))),
        who=who_text(run.who),
        approval=run.who.get("approval", ""),
        plan=run.plan,
        tool=run.tool,
        approvals=tuple((f"{one.approver} ({', '.join(one.roles)})", one.local_at) for one in run.approvals),
    )


def _state_of_unfinished(place: StateFolder, recorded: Recorded) -> str:
    log = EventLog(place, create=False)
    with closing(log):
        try:
            return state_of(recorded, log.of(recorded.run.id))
        except DamagedRecordError:
            return "damaged"


def read_changes(place: StateFolder, run: str) -> Mapping[str, work.HostChanges]:
    """Return a run's changes by host; empty without a readable journal."""
    log = EventLog(place, create=False)
    with closing(log):
        try:
            events = log.of(run)
            start = beginning_of(events)
            intent, results = intent_of(start.detail) if start else None, progress_of(events).results
        except (DamagedRecordError, *DAMAGE):
            return {}
    planned = intent.changes if intent else {}
    back = intent.rollback if intent else {}
    return {
        host: work.HostChanges(
            host,
            results[host].outcome.value if host in results else "",
            results[host].cause if host in results else "",
            _in_short(intent, host) if intent else "",
            back.get(host, ""),
        )
        for host in sorted(planned.keys() | results.keys() | back.keys())
    }


def _in_short(intent: Intent, host: str) -> str:
    """Return a host's changes as `path +2 ~1, peer -1`."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for change in intent.changes.get(host, ()):
        counts[change.resource.value][change.action.value] += 1
    signs = {
        resource: " ".join(f"{sign}{of[action]}" for action, sign in _SIGNS.items() if of[action])
        for resource, of in sorted(counts.items())
    }
    return ", ".join(f"{resource} {text}" for resource, text in signs.items() if text)


def _hosts(
    inventory: Inventory, runs: Sequence[work.RunRow], documents: Sequence[VerifyDocument]
) -> Iterator[work.HostRow]:
    rows = {
        relay.id: work.HostRow(relay.id, carrier.id, most_paths=relay.max_paths)
        for carrier, relay in inventory.relays.values()
    }
    rows |= {centre.id: work.HostRow(centre.id, name=centre.name) for centre in inventory.centres.values()}
    for document in documents:
        for seen in document.hosts:
            if row := rows.get(seen.host):
                findings = tuple(
                    Finding(Cause(found.cause), Layer.HOST, seen.host, found.detail) for found in seen.findings
                )
                at = document.finished_at
                row = replace(row, outcome=seen.outcome, error=seen.error, looked_at=at, findings=findings)
                if seen.drift is not None:
                    drift = tuple(
                        f"{_SIGNS.get(item.action, item.action)} {item.resource.value} {item.name}"
                        for item in seen.drift
                    )
                    row = replace(row, drift=drift, compared_at=at)
                if seen.engine or seen.system:
                    row = replace(row, engine=seen.engine, system=seen.system, readers=seen.readers)
                rows[seen.host] = row
    applied: dict[str, work.RunRow] = {}
    for run in runs:
        if run.operation in {Operation.APPLY, Operation.ROLLBACK}:
            for host in run.hosts:
                applied.setdefault(host, run)
    for name, row in sorted(rows.items(), key=lambda pair: (pair[1].carrier == "", pair[1].carrier, pair[0])):
        yield replace(row, applied=applied.get(name))


@lru_cache(maxsize=2)
def _keys_since(root: Path, _digest: str) -> Mapping[str, datetime]:
    """Return when keys came into Git."""
    return keys_since(root)


def _due(inventory: Inventory, ages: Iterable[KeyAge], until: date) -> Iterator[work.Expiry]:
    """Yield certificates and keys whose next one is due until a day."""
    sites = {name: plan.carrier for name, site in inventory.facilities.items() for plan in reversed(site.carried_plans)}
    for age in ages:
        relay = inventory.relays.get(age.owner)
        carrier = relay[0].id if relay else sites.get(age.owner, "")
        if age.due is not None and age.due <= until:
            yield work.Expiry(age.due, age.owner, age.kind.value, carrier, "" if relay else age.owner)
    lock = inventory.allocations
    chains = {name: entry.certificates for name, entry in lock.relays.items() if name in inventory.relays}
    chains |= {name: entry.certificates for name, entry in lock.centres.items() if name in inventory.centres}
    for name, chain in chains.items():
        relay = inventory.relays.get(name)
        with suppress(ValueError):
            if chain and (end := in_vietnam(read_certificate(chain[0]).until).date()) <= until:
                yield work.Expiry(end, name, CERTIFICATE, relay[0].id if relay else "")


def _packages(overview: Overview, history: History) -> Iterator[PackageStatus]:
    """Yield site packages that are not known to be installed, oldest first."""
    records = history.packages()
    facilities = [site for name, site in overview.inventory.facilities.items() if name in records]
    today = in_vietnam(overview.now).date()
    found = package_statuses(overview.inventory, records, overview.evidence, facilities, today=today)
    waiting = ((one.handed.observed.at, one) for one in found if one.handed and one.state in _WAITING)
    yield from (one for _, one in sorted(waiting, key=lambda pair: (pair[0], pair[1].facility)) if not one.installed)


_MOST: Final = 100


class _Source(NamedTuple):
    origin: str
    stamp: str  #: Changes with the content.
    made: datetime


def waiting_plans(
    root: Path, inventory: Inventory, content: str, runs: Sequence[Run], now: datetime
) -> tuple[WaitingPlan, ...]:
    """Return unapplied plans that lack approvals by the inventory's terms.

    Terms that hosts remember are unknown here, and `apply` requires those, too. A plan of other content counts only as
    long as an approval does.
    """
    terms = approval_terms(inventory)
    if terms is None:
        return ()
    with suppress(UsageError):
        files = approval_files(root, None).files
        applied, waiting = {run.plan for run in runs}, {}
        for source in (*_kept_plans(root), *_fetched_plans(root)):
            plan = _read_plan(root, source.origin, source.stamp)
            if plan is None or plan.basis.digest in applied or not plan.changes:
                continue
            is_current = plan.basis.inventory == content
            if not is_current and source.made < now - timedelta(hours=terms.valid_hours):
                continue
            of_plan = [run for run in runs if any(one.meaning == plan.basis.meaning for one in run.approvals)]
            subject = plan_to_approve(inventory, plan, of_plan, now)
            hosts = Counter(change.host for change in plan.changes)
            needs = guard.approval_needs(plan.changes, {host: _host_terms(inventory, host) for host in hosts}, terms)
            if lacking := guard.approved(needs, files, subject).lacking:
                maker = plan.maker
                waiting[plan.basis.digest] = WaitingPlan(
                    source.origin,
                    plan.basis.digest,
                    dict(sorted(hosts.items())),
                    " ".join(filter(None, (f"{maker.user}@{maker.machine}" if maker.user else "", maker.job))),
                    is_current,
                    lacking,
                )
        return tuple(sorted(waiting.values(), key=lambda plan: (not plan.is_current, plan.origin)))
    return ()


def _host_terms(inventory: Inventory, host: str) -> guard.HostTerms:
    relay = inventory.relays.get(host)
    centre = tuple(name for name, carrier in sorted(inventory.carriers.items()) if host in carrier.centres)
    return guard.HostTerms((relay[0].id,) if relay else centre)


def _kept_plans(root: Path) -> Iterator[_Source]:
    folder = root / FOLDER
    if folder.is_symlink() or not folder.is_dir():
        return
    with suppress(OSError), os.scandir(folder) as listing:
        for entry in sorted((one for one in listing if one.name.endswith(PLAN_ENDING)), key=lambda one: one.name)[
            :_MOST
        ]:
            if entry.is_file(follow_symlinks=False):
                status = entry.stat(follow_symlinks=False)
                stamp = f"{status.st_mtime_ns} {status.st_size} {status.st_ino}"
                yield _Source(f"{FOLDER}/{entry.name}", stamp, datetime.fromtimestamp(status.st_mtime, UTC))


def _fetched_plans(root: Path) -> Iterator[_Source]:
    checkout = checkout_of(root)
    if checkout is None:
        return
    fields = "%(objectname) %(committerdate:unix) %(refname)"
    options = (f"--count={_MOST}", "--sort=-committerdate", f"--format={fields}")
    listed = ask_git(checkout, "for-each-ref", *options, REFERENCES)
    for line in listed.output.decode(errors="replace").splitlines() if listed.code == 0 else ():
        stamp, made, name = line.split(" ", 2)
        with suppress(ValueError, OverflowError):
            yield _Source(name, stamp, datetime.fromtimestamp(int(made), UTC))


@lru_cache(maxsize=2 * _MOST)
def _read_plan(root: Path, origin: str, _stamp: str) -> WrittenPlan | None:
    """Read a plan once; `None` if it is no valid plan."""
    try:
        if origin.startswith(REFERENCES):
            checkout = checkout_of(root)
            content = plan_blob(checkout, origin).output if checkout else b""
        else:
            content = read_regular(root / origin, most=MAX_PLAN_BYTES)
        return written_plan(content, origin)
    except (OSError, StalePlanError, UsageError):
        return None
