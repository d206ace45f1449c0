"""`provisioner approve`: a person's own word that a saved plan may be applied."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TypedDict, Unpack

import click

from provisioner.base.errors import UsageError
from provisioner.base.json_document import Document
from provisioner.base.language import Translator
from provisioner.base.printable import printable
from provisioner.base.regular_file import read_regular
from provisioner.cli.context import Invocation, now
from provisioner.cli.moment import MomentWord
from provisioner.cli.output import print_document, print_warning
from provisioner.cli.plan_file import read_plan
from provisioner.cli.question import make_sure
from provisioner.cli.session import session_of
from provisioner.cli.terminal import Terminal, stdout_of
from provisioner.cli.word import Place
from provisioner.plan import WrittenPlan
from provisioner.plan.changes import Change, Impact, cut_by, distinct_trust
from provisioner.plan.guards.approval_file import APPROVAL_NAMESPACE, Approval, approval_statement
from provisioner.plan.guards.measures import named
from provisioner.runs.approvals.made import (
    ApprovalAsked,
    ApprovalMade,
    approval_to_sign,
    keep_plan,
    record_approval,
    sign,
)

_MOST_SIGNATURE = 64 * 1024
_CUTTING = 20


class _Chosen(TypedDict):
    """How it is signed, as click hands it in."""

    key: Path | None
    signature: Path | None
    shown: bool
    at: datetime | None
    folder: Path | None
    keeps: bool
    yes: bool


@click.command()
@click.argument("saved", type=Place(path_type=Path), metavar="PLAN")
@click.option("--as", "person", required=True, metavar="ID", help="Who approves: an approver of signers.yml.")
@click.option("--role", "roles", multiple=True, metavar="ROLE", help="As what; otherwise as all that ID is.")
@click.option(
    "--key",
    type=Place(path_type=Path, dir_okay=False, exists=True),
    metavar="FILE",
    help="Sign by this key, through ssh-keygen; a .pub file for a key in an agent.",
)
@click.option("--statement", "shown", is_flag=True, help="Print what has to be signed, and write nothing.")
@click.option(
    "--signature",
    type=Place(path_type=Path, dir_okay=False, exists=True),
    metavar="FILE",
    help="Take what was signed elsewhere: the .sig file of `ssh-keygen -Y sign`; with --at.",
)
@click.option("--at", type=MomentWord(), metavar="MOMENT", help="The moment that is signed; this one otherwise.")
@click.option(
    "--approvals",
    "folder",
    type=Place(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where the approval is written; approvals/ of the inventory otherwise.",
)
@click.option("--keep-plan", "keeps", is_flag=True, help="Keep the plan there, too: what moves later can be said then.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def approve(invocation: Invocation, saved: Path, person: str, roles: tuple[str, ...], **chosen: Unpack[_Chosen]) -> int:
    """Approve a saved plan by a key of your own.

    It shows what PLAN does, and writes a file that a merge request or an artefact can carry: who approves it, as what
    and when, signed with SSH. It is of what the plan does, and not of its commit: a plan made anew that does the same
    is approved by it, and one that moves a change, or what a host is to hold, is not. No host is asked and no vault is
    opened: apply proves that the plan is the one that was made.

    Who has no checkout signs what --statement prints, anywhere: ssh-keygen -Y sign -n approval@provisioner -f KEY FILE.

    Example: provisioner -i DIR approve plan.json --as noc-viettel-1 --key ~/.ssh/id_ed25519
    """
    folder = chosen["folder"]
    invocation.refuse_proposed(saved, folder)
    if sum(map(bool, (chosen["key"], chosen["signature"], chosen["shown"]))) != 1:
        raise UsageError("an approval is signed in one way", hint="name one of --key, --signature and --statement")
    if chosen["signature"] and chosen["at"] is None:
        raise UsageError("--signature needs the moment that was signed", hint="add --at, as the statement says it")
    session, (plan, content) = session_of(invocation), read_plan(saved)
    approval = approval_to_sign(session, plan, ApprovalAsked(person, roles, chosen["at"] or now()))
    if chosen["shown"]:
        _show_statement(invocation, approval)
        return 0
    signature = _signature(invocation, plan, approval, chosen)
    made = record_approval(session, approval, signature, folder)
    kept = keep_plan(session, plan, content, folder) if chosen["keeps"] else None
    _report(invocation, made, kept)
    if person in plan.maker.approvers:
        hint = "somebody else has to approve it as well"
        print_warning(f"{person} made this plan", hint, color=invocation.color, say=invocation.say)
    return 0


def _signature(invocation: Invocation, plan: WrittenPlan, approval: Approval, chosen: _Chosen) -> bytes:
    if chosen["signature"]:
        try:
            return read_regular(chosen["signature"], most=_MOST_SIGNATURE)
        except OSError as error:
            message = f"{chosen['signature']} cannot be read: {error.strerror}"
            raise UsageError(message, hint="name the .sig file") from None
    if not invocation.json:
        terminal = stdout_of(invocation.env, color=invocation.color)
        terminal.print(_plan_lines(plan, terminal, invocation.say))
    make_sure(invocation, "Approve this plan?", "whether to approve this plan", yes=chosen["yes"])
    key = chosen["key"]
    if key is None:
        raise UsageError("no key is named", hint="add --key FILE")
    return sign(approval, key, invocation.env)


def _show_statement(invocation: Invocation, approval: Approval) -> None:
    text = approval_statement(approval).decode()
    if invocation.json:
        print_document({**_document(approval), "statement": text, "namespace": APPROVAL_NAMESPACE})
    else:
        click.echo(text, nl=False)


def _document(approval: Approval) -> Document:
    return {
        "schema": "provisioner/approve",
        "version": 1,
        "approver": approval.approver,
        "roles": list(approval.roles),
        "at": approval.at_text,
        "meaning": approval.meaning,
        "plan": approval.plan,
    }


def _report(invocation: Invocation, made: ApprovalMade, kept: Path | None) -> None:
    approval = made.approval
    if invocation.json:
        of_file = {"file": str(made.file), "key": made.key.fingerprint, "kept_plan": str(kept) if kept else None}
        print_document({**_document(approval), **of_file})
        return
    roles = ", ".join(approval.roles)
    click.echo(f"{printable(str(made.file))}: {approval.approver} approves as {roles} with {made.key.fingerprint}")
    if kept:
        click.echo(f"{printable(str(kept))}: the plan is kept beside it")


# --- what is approved -----------------------------------------------------------------------------


def _plan_lines(plan: WrittenPlan, terminal: Terminal, say: Translator) -> Iterator[str]:
    """What a plan does, the most dangerous first: trust, then who reconnects, then what it was allowed."""
    changes, cut = plan.changes, cut_by(plan.changes)
    trusted = distinct_trust(changes)
    if trusted:
        line = say("TRUST: {changes} of who and what is trusted", changes=say.counted(len(trusted), "change"))
        yield click.style(line, fg="red", bold=True)
    for hosts, change in trusted:
        what = f"{say.word(change.action)} {printable(say.restated(change.name))}"
        head = "  " + say("{what} on {host}", what=what, host=printable(named(hosts)))
        yield from terminal.below(head, printable(say.restated(change.reason)), 6)
    number = len({change.host for change in changes})
    worst = max((change.impact for change in changes), key=lambda impact: impact.rank, default=Impact.NONE)
    counts = {"changes": say.counted(len(changes), "change"), "hosts": say.counted(number, "host")}
    viewers = sum(sum(paths.values()) for paths in cut.values())
    yield say(
        "{changes} on {hosts}; worst impact: {worst}; viewers dropped as it was made: {viewers}",
        **counts,
        worst=say.word(worst),
        viewers=viewers,
    )
    yield from _cutting([change for change in changes if change.impact.rank >= Impact.PATH.rank], terminal, say)
    if plan.basis.allow:
        allowed = ", ".join(f"{name}={number}" for name, number in plan.basis.allow.items())
        yield say("allowed for this plan: {allowed}", allowed=printable(allowed))
    if plan.basis.held:
        yield say("held, and no part of it: {facilities}", facilities=printable(named(plan.basis.held)))
    for host in sorted(plan.unreadable):
        yield say("not read, and no part of it: {host}", host=printable(host))
    yield say("plan {digest}", digest=plan.basis.digest)
    yield say("what it does {digest}", digest=plan.basis.meaning)


def _cutting(cutting: list[Change], terminal: Terminal, say: Translator) -> Iterator[str]:
    ranked = sorted(cutting, key=lambda change: (-change.impact.rank, -change.viewers, change.host, change.name))
    for change in ranked[:_CUTTING]:
        what = f"{say.word(change.action)} {say.word(change.resource)} {printable(say.restated(change.name))}"
        head = f"  {say('{what} on {host}', what=what, host=printable(change.host))} [{say.word(change.impact)}]"
        yield from terminal.below(head, printable(say.restated(change.reason)), 6)
    if len(cutting) > _CUTTING:
        yield "  " + say("… and {number} more", number=len(cutting) - _CUTTING)
