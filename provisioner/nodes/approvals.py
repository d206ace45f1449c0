"""Approvals by a carrier's own people, and the record of used ones.

A compromised controller can sign units but cannot forge a plan's approval. So the node does not trust the controller
here: the plan's meaning comes from the attached warrant, the approvers from the node's own file, and the change from a
digest over the whole call as the host will read it.

A run uses up its approval. Afterwards the host accepts no older approval, none of a run that was rolled back, and none
from before the node's record.
"""

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from provisioner.base.errors import StateError, os_errors
from provisioner.base.files import read_regular, replace_file
from provisioner.base.ssh_signature import SshPublicKey
from provisioner.base.text import canonical_json, printable
from provisioner.hosts.call_target import target_digest
from provisioner.hosts.identity import SHOW_KEY
from provisioner.hosts.runner import call_digest
from provisioner.nodes.unit import CarriedCall
from provisioner.plan.guards import approvals
from provisioner.plan.saved.file import Warrant, WarrantError, warrant_in

_AHEAD: Final = timedelta(minutes=5)  #: The most that a signer's clock may be ahead.

_LONGEST_SWITCH_S: Final = 900

#: Operations without approval: looks, and the end of an approved change.
_WITHOUT: Final = frozenset({"observe", "probe", "flow", "status", "look", "abort", SHOW_KEY})

_SHOWN: Final = 80
_MOST_FILE_BYTES: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class NodeApprover:
    """A person of the carrier (a post's id) with a key."""

    id: str
    key: SshPublicKey


@dataclass(frozen=True, slots=True)
class ApprovalRules:
    """Approvals that a node requires before it changes a host."""

    inventory: str  #: The inventory of the plans.
    people: int  #: The required number of different approvers.
    valid_hours: int  #: Validity of an approval.
    approvers: tuple[NodeApprover, ...]  #: The permitted approvers.
    #: Ids of hosts that may receive a controller's key or another host's tunnel key.
    new_hosts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class AdmittedChange:
    """The last change that a node admitted on a host."""

    at: datetime  #: Time of the newest approval that counted, also for the change before a rollback.
    run: str  #: The run.
    confirm: str = ""  #: Digest of the confirming call; empty for a rollback, which the host verifies.
    owner: str = ""  #: The permitted owner mark; empty in records of earlier versions.
    takes_back: str = ""  #: Of a rollback, the run that it reverts.


@dataclass(frozen=True, slots=True)
class StartedPlan:
    """A started plan: start of its first change, and the run."""

    at: datetime
    run: str


@dataclass(frozen=True, slots=True)
class NodeMemory:
    """A node's record of approvals."""

    since: datetime  #: Start of the record; the use of older approvals is unknown.
    changes: Mapping[str, AdmittedChange] = field(default_factory=dict)  #: The last admitted change by host.
    used: Mapping[str, str] = field(default_factory=dict)  #: The run that used each approval.
    taken_back: frozenset[str] = frozenset()  #: The runs that were rolled back.
    #: The last run by plan meaning: it uses up the plan's other approvals too.
    plans: Mapping[str, StartedPlan] = field(default_factory=dict)


_MEMORY: Final = TypeAdapter(NodeMemory)


class ApprovalMemory:
    """The record in a file, durable before a call is carried.

    A new record starts at `now`. A damaged one raises `StateError`: an old plan could count again.
    """

    def __init__(self, file: Path, now: datetime) -> None:
        self._file = file
        try:
            if file.exists():
                self.memory = _MEMORY.validate_json(read_regular(file, most=_MOST_FILE_BYTES), strict=True)
            else:
                self.keep(NodeMemory(now.replace(microsecond=0)))
        except OSError as error:
            raise StateError(f"{file} cannot be read: {error.strerror}", hint="see that it is the node's own") from None
        except ValueError:
            hint = "its people look who wrote to it; without the file, approvals have to be given anew"
            raise StateError(f"{file} is damaged: which approvals were used is not known", hint=hint) from None

    def keep(self, memory: NodeMemory) -> None:
        """Write the record, or raise `StateError`."""
        hint = "nothing is changed without it: see that the disk has room and that the folder is the node's own"
        with os_errors(f"{self._file} cannot be written", hint, StateError):
            replace_file(self._file, _MEMORY.dump_json(memory, indent=1) + b"\n")
        self.memory = memory


class NodeApprovals:
    """The approvals that a node requires, and its record."""

    def __init__(self, rules: ApprovalRules, memory: ApprovalMemory) -> None:
        self._rules, self._memory = rules, memory
        self._lock = threading.Lock()

    def refusal(self, call: CarriedCall, now: datetime) -> str:
        """Record a call's approval; return its refusal, or empty; or raise `StateError`."""
        with self._lock:
            refusal, memory = approval_verdict(call, self._rules, self._memory.memory, now)
            if not refusal and memory != self._memory.memory:
                self._memory.keep(memory)
        return refusal


def approval_verdict(
    call: CarriedCall, rules: ApprovalRules, memory: NodeMemory, now: datetime
) -> tuple[str, NodeMemory]:
    """Check an accepted call's approvals; return refusal and new record."""
    operation = "a script" if call.script else str(call.request.get("operation"))
    owner = call.request.get("owner")
    if owner is not None and owner["inventory"] != rules.inventory:
        refusal = f"it would make the host one of the inventory {_clean(str(owner['inventory']))}"
    elif operation not in {"a script", SHOW_KEY} and call.request.get("confirm_s", 0) > _LONGEST_SWITCH_S:
        refusal = "it would keep a change from its return"
    elif operation in _WITHOUT:
        refusal = ""
    elif operation == "keys":
        refusal = _refusal_of_keys(call, rules)
    elif operation == "confirm":
        refusal = _refusal_of_confirm(call, memory)
    elif operation == "rollback":
        refusal = _refusal_of_skipped_checks(call) or _refusal_of_rollback(call, memory)
        memory = _taken_back(call, memory, now)
    elif operation == "apply":
        try:
            return _refusal_of_apply(call, rules, memory, now)
        except WarrantError as error:
            refusal = f"the approval that it brings {error}"
    else:
        refusal = (
            f"the node's file asks for approvals, and {printable(operation, _SHOWN)} is in no plan: its people take"
            " [approvals] out of it for as long as that takes"
        )
    return refusal, memory


def to_carry(call: CarriedCall) -> CarriedCall:
    """Return a rollback's call without the leave to remove everything."""
    return replace(call, request={key: value for key, value in call.request.items() if key != "bare"})


def _refusal_of_keys(call: CarriedCall, rules: ApprovalRules) -> str:
    """Return why keys are refused; a host may make keys for itself."""
    brings = {"identity", "tunnel-key", "next-key"} & call.files.keys()
    if not (brings or "restores" in call.request) or call.spec.id in rules.new_hosts:
        return ""
    return (
        f"it brings {call.spec.id} a key, and the node's file asks for approvals: its people write"
        f' new_hosts = ["{call.spec.id}"] below [approvals] for as long as that takes'
    )


def _refusal_of_confirm(call: CarriedCall, memory: NodeMemory) -> str:
    """Return why a confirmation is refused, unless it matches the admitted change."""
    admitted = memory.changes.get(call.spec.id)
    if admitted is None or admitted.run != call.request["run"]:
        return "it confirms a change that this node did not let begin: the host returns by itself"
    if admitted.confirm and admitted.confirm != call_digest(call.request, call.files):
        return "it confirms something else than the plan that was approved: the host returns by itself"
    return _marking(call, admitted)


def _refusal_of_rollback(call: CarriedCall, memory: NodeMemory) -> str:
    """Return why a rollback is refused; only the last change qualifies."""
    run, target, last = call.request["run"], call.request["target"], memory.changes.get(call.spec.id)
    if run in memory.used.values():
        return "it goes by the run of a change that was approved, which it could then confirm"
    if last is None or target != (last.takes_back if run == last.run else last.run):
        return (
            "it takes back another change than the last one that this node let begin: apply a plan of what is to be"
            " there, which its people approve"
        )
    return _marking(call, last)


def _marking(call: CarriedCall, last: AdmittedChange) -> str:
    if last.owner and _owner_of(call) not in {"", last.owner}:
        return "it would mark the host otherwise than the plan that was approved"
    return ""


def _owner_of(call: CarriedCall) -> str:
    owner = call.request.get("owner")
    return canonical_json(owner).decode() if owner is not None else ""


def _taken_back(call: CarriedCall, memory: NodeMemory, now: datetime) -> NodeMemory:
    """Record a rollback: the reverted run is over on every host."""
    previous = memory.changes.get(call.spec.id)
    # The state before an earlier run also takes back later runs.
    runs = {call.request["target"], previous.run if previous else ""}
    at, owner = (previous.at, previous.owner) if previous else (_second_of(now), "")
    admitted = AdmittedChange(at, call.request["run"], owner=owner, takes_back=call.request["target"])
    taken_back = memory.taken_back | (runs & set(memory.used.values()))
    return replace(memory, changes={**memory.changes, call.spec.id: admitted}, taken_back=taken_back)


def _refusal_of_skipped_checks(call: CarriedCall) -> str:
    request = call.request
    if not request["lockout"]["check"] or request["gate"] is None or not 0 < request["confirm_s"] <= _LONGEST_SWITCH_S:
        return "it would skip a check that every change has"
    return ""


def _refusal_of_apply(
    call: CarriedCall, rules: ApprovalRules, memory: NodeMemory, now: datetime
) -> tuple[str, NodeMemory]:
    if not call.warrant:
        text = f"its file asks for {_people(rules)}, and this change brings none"
        if call.request.get("lift"):
            taken = "its people take [approvals] out of the file for as long as that takes"
            return f"{text}: it lifts a quarantine, which is in no saved plan; {taken}", memory
        return f"{text}: save the plan (plan --out), let them sign it (approve), and apply that file", memory
    warrant, run, host = warrant_in(call.warrant), str(call.request["run"]), call.spec.id
    if reason := _refusal_of_unplanned(call, warrant, rules, memory):
        return reason, memory
    counted, aside = _valid_approvals(warrant, rules, _Now(now, run, memory))
    if len({person for person, _ in counted}) < rules.people or len({key for _, key in counted}) < rules.people:
        has = f": only {' and '.join(sorted({person for person, _ in counted}))} approved it" if counted else ""
        not_counted = f" (not counted: {'; '.join(aside)})" if aside else ""
        return f"its file asks for {_people(rules)} of this plan{has}{not_counted}", memory
    at = max(approval.at for approval in counted.values())
    last = memory.changes.get(host)
    if last is not None and at < last.at:
        return (
            f"what was approved at {approvals.moment_text(at)} is older than what was carried to it last, of"
            f" {approvals.moment_text(last.at)}: have the plan approved anew"
        ), memory
    admitted = AdmittedChange(at, run, warrant.basis.requests[host]["confirm"], _owner_of(call))
    used = {**memory.used, **{_id_of(approval): run for approval in counted.values()}}
    plans, meaning = memory.plans, warrant.basis.meaning
    if meaning not in plans or plans[meaning].run != run:
        plans = {**plans, meaning: StartedPlan(_second_of(now), run)}
    return "", replace(memory, changes={**memory.changes, host: admitted}, used=used, plans=plans)


def _people(rules: ApprovalRules) -> str:
    return "an approval of its own people" if rules.people == 1 else f"approvals of {rules.people} of its own people"


def _refusal_of_unplanned(call: CarriedCall, warrant: Warrant, rules: ApprovalRules, memory: NodeMemory) -> str:
    """Return why a change differs from its plan or the plan expired."""
    host = call.spec.id
    if warrant.inventory != rules.inventory:
        return f"its file approves plans of {rules.inventory}, not of {_clean(warrant.inventory)}"
    if call.request["run"] in memory.taken_back:
        return f"run {_clean(call.request['run'])} was taken back: have the plan approved anew"
    planned = warrant.basis.requests.get(host, {})
    if host not in warrant.basis.changing or "confirm" not in planned:
        return "the plan that was approved does not change it"
    is_elsewhere = target_digest(call.spec) != planned.get("host")
    if is_elsewhere or call_digest(call.request, call.files) != planned.get("apply"):
        difference = (
            "it goes to another machine than in the plan" if is_elsewhere else "the call is not the one of the plan"
        )
        return f"{difference} that was approved"
    program = call.request["program"] or {"sha256": ""}
    if call.artefact_sha256 not in {"", program["sha256"]}:
        return "the program that comes along is none of the plan that was approved"
    return _refusal_of_skipped_checks(call)


@dataclass(frozen=True, slots=True)
class _Now:
    """The time, the run, and the node's record."""

    at: datetime
    run: str
    memory: NodeMemory


def _valid_approvals(
    warrant: Warrant, rules: ApprovalRules, now: _Now
) -> tuple[dict[tuple[str, bytes], approvals.Approval], list[str]]:
    """Return the newest valid approvals, and reasons against the others."""
    counted: dict[tuple[str, bytes], approvals.Approval] = {}
    not_counted = []
    meaning = warrant.basis.meaning
    for approval in warrant.approvals:
        try:
            key = approvals.key_that_signed(approval)
        except approvals.ApprovalFormError as error:
            not_counted.append(f"that of {_clean(approval.approver)} {error}")
            continue
        whose = approval.approver, key.blob
        if reason := _refusal_of_approval(approval, key, meaning, rules, now):
            not_counted.append(f"that of {_clean(approval.approver)} {reason}")
        elif whose not in counted or counted[whose].at < approval.at:
            counted[whose] = approval
    return counted, not_counted


def _id_of(approval: approvals.Approval) -> str:
    """Return an approval's id from its statement, which may have several signatures."""
    return hashlib.sha256(approvals.approval_statement(approval)).hexdigest()


def _clean(text: str) -> str:
    return printable(text, _SHOWN)


def _refusal_of_approval(
    approval: approvals.Approval, key: SshPublicKey, meaning: str, rules: ApprovalRules, now: _Now
) -> str:
    if (approval.inventory, approval.meaning) != (rules.inventory, meaning):
        return "is of another plan"
    if not any((approver.id, approver.key.blob) == (approval.approver, key.blob) for approver in rules.approvers):
        return f"is by {key.fingerprint}, which the node's file does not have of that person"
    return _refusal_of_time(approval, rules, now)


def _refusal_of_time(approval: approvals.Approval, rules: ApprovalRules, now: _Now) -> str:
    if approval.at > now.at + _AHEAD:
        return f"is of {approval.at_text}, which is yet to come"
    if now.at >= approval.at + timedelta(hours=rules.valid_hours):
        return f"is of {approval.at_text}: the node's file lets it count for {rules.valid_hours} h"
    if approval.at < now.memory.since:
        return f"is of {approval.at_text}, and the node remembers since {approvals.moment_text(now.memory.since)} alone"
    if now.memory.used.get(_id_of(approval), now.run) != now.run:
        return f"is of {approval.at_text}, and run {_clean(now.memory.used[_id_of(approval)])} has used it up"
    started = now.memory.plans.get(approval.meaning)
    if started is not None and started.run != now.run and approval.at < started.at:
        return f"is of {approval.at_text}, and run {_clean(started.run)} began with this plan later and has used it up"
    return ""


def _second_of(now: datetime) -> datetime:
    return now.astimezone(UTC).replace(microsecond=0)
