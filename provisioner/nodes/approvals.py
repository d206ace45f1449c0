"""Approvals by a carrier's own people, and the moments already used.

A controller that somebody else took over can sign units, but cannot make up a plan's approval. So the node trusts
nothing of the controller here: the plan's meaning comes from the warrant that travels along, the people from the node's
own file, and the host's content from the files that the node is about to send. After an approval was used for a host,
no older one counts there.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from provisioner.base.errors import StateError
from provisioner.base.files import read_regular, replace_file
from provisioner.base.secret import Secret
from provisioner.base.ssh_signature import SshPublicKey
from provisioner.base.text import Document, printable
from provisioner.desired.render.host import RenderedFile
from provisioner.hosts.identity import SHOW_KEY
from provisioner.nodes.unit import CarriedCall
from provisioner.plan.guards.approvals import Approval, ApprovalFormError, key_that_signed, moment_text
from provisioner.plan.plan import content_digest
from provisioner.plan.saved.file import Warrant, WarrantError, warrant_in

_AHEAD: Final = timedelta(minutes=5)
"""So far a signer's clock may be ahead of the node's."""

_LONGEST_SWITCH_S: Final = 900

_WITHOUT: Final = frozenset(
    {"observe", "probe", "flow", "status", "look", "confirm", "abort", "rollback", "keys", SHOW_KEY}
)
"""What needs no approval: looks, the end of a change that had one, a way back, and keys that are born on a host."""

_SHOWN: Final = 80
_MOST_FILE_BYTES: Final = 16 * 1024 * 1024
_FORM: Final = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class NodeApprover:
    """A person of the carrier, by a post's id, and a key of his or hers."""

    id: str
    key: SshPublicKey


@dataclass(frozen=True, slots=True)
class ApprovalRules:
    """Whose approvals a node asks for before it changes a host.

    Attributes:
        inventory: of which inventory's plans.
        people: so many different ones have to have approved.
        valid_hours: so long an approval counts.
        approvers: who may.
    """

    inventory: str
    people: int
    valid_hours: int
    approvers: tuple[NodeApprover, ...]


@dataclass(frozen=True, slots=True)
class ApprovalVerdict:
    """What comes of a call: why it is not carried, empty where it is; and when the newest approval of it was given."""

    refusal: str = ""
    at: datetime | None = None


_NEEDS_NONE: Final = ApprovalVerdict()


class ApprovedMoments(Mapping[str, datetime]):
    """By host id, the moment; what is added is on the disk before anything is carried for it.

    Args:
        file: where they stand, a line each.

    Raises:
        StateError: it cannot be read, or holds what the node never wrote: a plan of before would count again.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        try:
            lines = read_regular(file, most=_MOST_FILE_BYTES).decode().splitlines() if file.exists() else []
            self._moments = {host: _moment(at) for host, _, at in (line.partition(" ") for line in lines)}
        except OSError as error:
            raise StateError(f"{file} cannot be read: {error.strerror}", hint="see that it is the node's own") from None
        except ValueError:
            hint = "its people look who wrote to it; without the file, approvals of before count again for their hours"
            raise StateError(f"{file} is damaged: which approvals were used is not known", hint=hint) from None

    def __getitem__(self, host: str) -> datetime:
        return self._moments[host]

    def __iter__(self) -> Iterator[str]:
        return iter(self._moments)

    def __len__(self) -> int:
        return len(self._moments)

    def add(self, host: str, at: datetime) -> None:
        """Write down a host's moment.

        Raises:
            StateError: it cannot be written.
        """
        if self._moments.get(host) == at:
            return
        moments = self._moments | {host: at}
        try:
            text = "".join(f"{one} {moment_text(moment)}\n" for one, moment in sorted(moments.items()))
            replace_file(self._file, text.encode())
        except OSError as error:
            hint = "nothing is changed without it: see that the disk has room and that the folder is the node's own"
            raise StateError(f"{self._file} cannot be written: {error.strerror}", hint=hint) from None
        self._moments = moments


class NodeApprovals:
    """The approvals that a node asks for, and those that it has used.

    Args:
        rules: whose it asks for.
        moments: when those were given that it used last.
    """

    def __init__(self, rules: ApprovalRules, moments: ApprovedMoments) -> None:
        self._rules, self._moments = rules, moments
        self._lock = threading.Lock()

    def refusal(self, call: CarriedCall, now: datetime) -> str:
        """Why a call is not carried, empty where it is; of one that is, its approval is remembered first.

        Raises:
            StateError: it cannot be remembered.
        """
        with self._lock:
            verdict = approval_verdict(call, self._rules, self._moments, now)
            if verdict.at is not None and not verdict.refusal:
                self._moments.add(call.host.id, verdict.at)
        return verdict.refusal


def approval_verdict(
    call: CarriedCall, rules: ApprovalRules, last: Mapping[str, datetime], now: datetime
) -> ApprovalVerdict:
    """Hold a call against the approvals that it brings.

    Args:
        call: the call.
        rules: the node's.
        last: by host, when the newest approval was given of what was carried there last: nothing older comes after.
        now: the moment.
    """
    operation = "a script" if call.script else str(call.request.get("operation"))
    if operation in _WITHOUT:
        return _NEEDS_NONE
    if operation != "apply":
        return ApprovalVerdict(
            f"the node's file asks for approvals, and {printable(operation, _SHOWN)} is in no plan: its people take"
            " [approvals] out of it for as long as that takes"
        )
    try:
        return _of_apply(call, rules, last.get(call.host.id), now)
    except WarrantError as error:
        return ApprovalVerdict(f"the approval that it brings {error}")
    except (KeyError, TypeError, ValueError, AttributeError):
        return ApprovalVerdict("it is no change as controllers make them")


def _of_apply(call: CarriedCall, rules: ApprovalRules, last: datetime | None, now: datetime) -> ApprovalVerdict:
    if not call.warrant:
        return ApprovalVerdict(
            f"its file asks for {_people(rules)}, and this change brings none: save the plan (plan --out), let them"
            " sign it (approve), and apply that file"
        )
    warrant = warrant_in(call.warrant)
    if warrant.inventory != rules.inventory:
        return ApprovalVerdict(f"its file approves plans of {rules.inventory}, not of {_shown(warrant.inventory)}")
    if reason := _unplanned(call, warrant):
        return ApprovalVerdict(reason)
    counted, aside = _counted(warrant, rules, now)
    if len({person for person, _ in counted}) < rules.people or len({key for _, key in counted}) < rules.people:
        has = f": only {' and '.join(sorted({person for person, _ in counted}))} approved it" if counted else ""
        why = f" (not counted: {'; '.join(aside)})" if aside else ""
        return ApprovalVerdict(f"its file asks for {_people(rules)} of this plan{has}{why}")
    at = max(counted.values())
    if last is not None and at < last:
        return ApprovalVerdict(
            f"what was approved at {moment_text(at)} is older than what was carried to it last, of {moment_text(last)}:"
            " have the plan approved anew"
        )
    return ApprovalVerdict(at=at)


def _people(rules: ApprovalRules) -> str:
    return "an approval of its own people" if rules.people == 1 else f"approvals of {rules.people} of its own people"


def _unplanned(call: CarriedCall, warrant: Warrant) -> str:
    """What of a change is not in the plan; empty where all of it is."""
    host, request = call.host.id, call.request
    if host not in warrant.basis.changing:
        return "the plan that was approved does not change it"
    key = Secret(str(request["observe"]["digest_key"]))
    programs = warrant.programs.get(host, {})
    if content_digest(key, _files(call), programs) != warrant.basis.desired.get(host):
        return "what it is to hold is not what the plan that was approved says"
    if call.artefact_sha256 and call.artefact_sha256 not in programs.values():
        return "the program that comes along is none of the plan that was approved"
    if not request["lockout"]["check"] or request["gate"] is None or not 0 < request["confirm_s"] <= _LONGEST_SWITCH_S:
        return "it would skip a check that every change has"
    owner = request.get("owner")
    if owner is not None and owner["inventory"] != warrant.inventory:
        return f"it would make the host one of the inventory {_shown(str(owner['inventory']))}"
    return ""


def _files(call: CarriedCall) -> list[RenderedFile]:
    files: Document = call.request["files"]
    return [
        RenderedFile(path, call.files[one["content"]], mode=one["mode"], owner=one["owner"], group=one["group"])
        for path, one in files.items()
    ]


def _counted(
    warrant: Warrant, rules: ApprovalRules, now: datetime
) -> tuple[dict[tuple[str, bytes], datetime], list[str]]:
    """The approvals that count, by person and key with their moments, and why others do not."""
    counted: dict[tuple[str, bytes], datetime] = {}
    aside = []
    meaning = warrant.basis.meaning
    for approval in warrant.approvals:
        try:
            key = key_that_signed(approval)
        except ApprovalFormError as error:
            aside.append(f"that of {_shown(approval.approver)} {error}")
            continue
        if reason := _refusal(approval, key, meaning, rules, now):
            aside.append(f"that of {_shown(approval.approver)} {reason}")
        else:
            whose = approval.approver, key.blob
            counted[whose] = max(approval.at, counted.get(whose, approval.at))
    return counted, aside


def _shown(text: str) -> str:
    return printable(text, _SHOWN)


def _refusal(approval: Approval, key: SshPublicKey, meaning: str, rules: ApprovalRules, now: datetime) -> str:
    if (approval.inventory, approval.meaning) != (rules.inventory, meaning):
        return "is of another plan"
    if not any((one.id, one.key.blob) == (approval.approver, key.blob) for one in rules.approvers):
        return f"is by {key.fingerprint}, which the node's file does not have of that person"
    if approval.at > now + _AHEAD:
        return f"is of {approval.at_text}, which is yet to come"
    if now >= approval.at + timedelta(hours=rules.valid_hours):
        return f"is of {approval.at_text}: the node's file lets it count for {rules.valid_hours} h"
    return ""


def _moment(text: str) -> datetime:
    return datetime.strptime(text, _FORM).replace(tzinfo=UTC)
