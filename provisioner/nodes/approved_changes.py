"""Whether a carrier's own people have approved a change: what its plan means, and who signed that. Pure.

A controller that somebody else has taken can sign units; it cannot make up a plan's approval. So the node believes it
nothing here: it takes the plan's meaning from the warrant that comes along, the people from its own file, and what the
host is to hold from the very files that it is about to send.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from provisioner.base.json_document import Document
from provisioner.base.printable import printable
from provisioner.base.secret import Secret
from provisioner.base.ssh_signature import SshPublicKey
from provisioner.hosts.shown_key import SHOW_KEY
from provisioner.nodes.unit import CarriedCall
from provisioner.plan.basis import content_digest
from provisioner.plan.guards.approval_file import Approval, ApprovalFormError, key_that_signed, moment_text
from provisioner.plan.kept.warrant import Warrant, WarrantError, warrant_in
from provisioner.render.files import RenderedFile

_AHEAD: Final = timedelta(minutes=5)
"""So far a signer's clock may be ahead of the node's."""
_LONGEST_SWITCH_S: Final = 900
_WITHOUT: Final = frozenset(
    {"observe", "probe", "flow", "status", "look", "confirm", "abort", "rollback", "keys", SHOW_KEY}
)
"""What needs no approval: looks, the end of a change that had one, a way back, and keys that are born on a host."""
_SHOWN: Final = 80


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


def _people(rules: ApprovalRules) -> str:
    return "an approval of its own people" if rules.people == 1 else f"approvals of {rules.people} of its own people"


def _shown(text: str) -> str:
    return printable(text, _SHOWN)
