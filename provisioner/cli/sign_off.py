"""`provisioner sign-off` and `provisioner approve`: signatures of people."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict, Unpack

import click

from provisioner.base.document import Day, Digest, Printed, absent, of, ungiven
from provisioner.base.errors import UsageError, os_errors
from provisioner.base.files import read_regular
from provisioner.base.language import Language, Translator, marked, translator
from provisioner.base.text import msg, named, printable
from provisioner.cli.support import texts
from provisioner.cli.support.context import (
    Invocation,
    echo_lines,
    make_sure,
    now,
    print_document,
    print_warning,
    show,
    today,
)
from provisioner.cli.support.options import MomentWord
from provisioner.cli.support.session import read_plan, session_of, write_report
from provisioner.cli.support.terminal import DAY, ListedWord, Terminal, ValidPath, stdout_of
from provisioner.inventory.model.facility import Party
from provisioner.inventory.outline import Outline
from provisioner.inventory.signed import NAMESPACE, signed_content
from provisioner.operations.edit.sign_off import (
    Agreement,
    PlanToSign,
    Signed,
    made_signature,
    plan_to_sign,
    statement_of,
)
from provisioner.operations.edit.sign_off import sign_off as record_agreements
from provisioner.plan.change import Change, Impact, cut_by, distinct_trust
from provisioner.plan.guards.approvals import APPROVAL_NAMESPACE, Approval, approval_statement
from provisioner.report.documents.minutes import plan_minutes
from provisioner.report.documents.official import Letterhead
from provisioner.report.documents.plan_sheet import PlanNames, plan_sheet, sheet_page, sheet_text

if TYPE_CHECKING:
    from provisioner.operations.apply.approvals import ApprovalMade
    from provisioner.plan.saved.file import WrittenPlan


class PlanSheetDocument(Printed, name="plan-sheet", title="A plan sheet"):
    """Output of `provisioner sign-off --show --output json`."""

    facility: str
    plan: Literal["plan", "successor"]
    content: Digest
    file: Path | None


def show_plan(invocation: Invocation, facility: str, *, successor: bool, out: Path | None) -> int:
    """Print a facility's plan, or write page or minutes; or raise `UsageError`."""
    invocation.refuse_tracked_links(out)
    wanted = plan_to_sign(
        invocation.inventory, facility, successor=successor, today=today(), environment=invocation.env
    )
    names = PlanNames(wanted.province, wanted.carrier)
    if out is not None:
        write_report(out, _sheet_content(wanted, names, out), force=False)
    if invocation.json:
        content = signed_content(wanted.facility, wanted.plan)
        plan = "successor" if successor else "plan"
        print_document(PlanSheetDocument(facility=facility, plan=plan, content=content, file=out).plain)
    elif out is not None:
        click.echo(f"wrote {out}")
    else:
        echo_lines(sheet_text(plan_sheet(wanted.facility, wanted.plan, names, invocation.say)))
    return 0


def _sheet_content(wanted: PlanToSign, names: PlanNames, out: Path) -> bytes:
    if out.suffix == ".html":
        return sheet_page(wanted.facility, wanted.plan, names).encode()
    if out.suffix != ".docx":
        raise UsageError(f"{out} is neither .html nor .docx", hint="name the file by what it is to be")
    from provisioner.report.documents.docx import official_docx  # noqa: PLC0415 (its library takes time)

    sheet = plan_sheet(wanted.facility, wanted.plan, names, translator(Language.VI))
    return official_docx(plan_minutes(wanted.facility, wanted.plan, names, sheet, Letterhead()), now())


_MOST_SIGNATURE = 64 * 1024
_CUTTING = 20


class _Chosen(TypedDict):
    key: Path | None
    signature: Path | None
    shown: bool
    at: datetime | None
    folder: Path | None
    keeps: bool
    yes: bool


@click.command("sign-off")
@texts.many_options
@click.option(
    "--by",
    "parties",
    type=ListedWord([p.value for p in Party]),
    multiple=True,
    help="The party that signs. May be repeated.",
)
@click.option("--all-parties", is_flag=True, help="Sign for DIC, Health and the carrier: one document signed by all.")
@click.option("--on", "day", type=DAY, help="The day of the agreement. Default: today.")
@click.option("--source", default="", metavar="TEXT", help="The minutes or letter of the agreement.")
@click.option("--successor", is_flag=True, help="Sign the successor's plan instead of the present one.")
@click.option("--show", "reads", is_flag=True, help="Show the plan on one sheet, without signing.")
@click.option(
    "--out",
    type=ValidPath(dir_okay=False),
    metavar="FILE",
    help="With --show: a page in both languages (.html), or Vietnamese minutes to sign (.docx).",
)
@click.option("--statement", "shown", is_flag=True, help="Print the statement that the party signs, and exit.")
@click.option(
    "--signature",
    type=ValidPath(dir_okay=False, exists=True),
    metavar="FILE",
    help="Record the party's signature: the .sig file of `ssh-keygen -Y sign`.",
)
@click.option(
    "--key",
    type=ValidPath(dir_okay=False, exists=True),
    metavar="FILE",
    help="Sign with the party's key, through ssh-keygen; a .pub file for a key in an agent.",
)
@texts.commit_option
def sign_off(
    invocation: Invocation,
    /,
    parties: tuple[str, ...],
    day: datetime | None,
    source: str,
    *,
    signature: Path | None,
    key: Path | None,
    successor: bool,
    shown: bool,
    all_parties: bool,
    reads: bool,
    out: Path | None,
    commits: bool,
    **choice: Unpack[texts.Choice],
) -> int:
    """Record in facilities' files that the parties agreed to their plans.

    DIC, Health and the carrier each agree to the carrier, the relay, the access mode, the recorders and the cameras
    with their streams. The sign-off has a hash of exactly that: it shows a later edit. The rest of the file stays as it
    is. Write no name of a person into --source.

    With --key or --signature the sign-off is the party's own, with a key of signers.yml; otherwise it is your statement
    about the party. After all three sign-offs the plan is agreed. A party without Git signs the output of --statement
    anywhere: ssh-keygen -Y sign -n plan@provisioner -f KEY FILE.

    --show prints the plan for people before anybody signs: as text, or with --out as a page or as minutes.

    A --limit takes the facilities whose plan one of the parties has still to sign. If one facility is refused, no file
    is written. --show, --statement and --signature take one facility.

    Example: provisioner -i DIR sign-off kcl-bg-001 --by dic --by health --by carrier --source "12/BB"
    """
    if reads or out:
        if any((parties, all_parties, source, shown, signature, key, day, commits)) or not reads:
            raise UsageError("--show and --out take nothing else but --successor", hint="sign afterwards")
        (facility,) = _chosen_to_sign(invocation, choice, (), successor=successor, only_one=True)
        return show_plan(invocation, facility, successor=successor, out=out)
    if not source:
        raise UsageError("a sign-off names its minutes or letter", hint='add --source "12/BB"')
    if sum(map(bool, (shown, signature, key))) > 1:
        raise UsageError("--statement, --signature and --key exclude each other", hint="name one of them")
    if bool(parties) == all_parties:
        raise UsageError("name either --by or --all-parties", hint="e.g. --by dic --by health")
    parties = tuple(party.value for party in Party) if all_parties else parties
    plan, signed_on = "successor" if successor else "plan", day.date() if day else today()
    only_one = shown or signature is not None
    chosen = _chosen_to_sign(invocation, choice, parties, successor=successor, only_one=only_one)
    agreements = [Agreement(name, plan, parties, signed_on, source) for name in chosen]
    checkout = texts.checkout_for(invocation, commits=commits)
    if shown:
        text = statement_of(invocation.inventory, agreements[0], today=today(), environment=invocation.env)
        _show_statement(invocation, SignOffDocument, agreements[0], text, NAMESPACE)
        return 0
    pairs = [(agreement, _agreement_signature(invocation, agreement, signature, key)) for agreement in agreements]
    signed = record_agreements(invocation.inventory, pairs, today=today(), environment=invocation.env)
    message = f"{', '.join(chosen)}: {plan} signed by {', '.join(parties)}"
    _report_agreements(invocation, agreements, signed)
    texts.commit_written(invocation, checkout, [one.path for one in signed], message)
    return 0


def _chosen_to_sign(
    invocation: Invocation, choice: texts.Choice, parties: Collection[str], *, successor: bool, only_one: bool
) -> tuple[str, ...]:
    def needs_signature(site: Outline) -> bool:
        plan = site.successor if successor else site.plan
        return site.operating.is_carried and plan is not None and not {*plan.unsigned}.isdisjoint(parties or Party)

    chosen = texts.chosen_of(texts.edits_of(invocation), choice, needs_signature)
    if only_one and len(chosen) != 1:
        hint = marked("name one facility; --key and sign-offs without a signature take several")
        raise UsageError(marked("--show, --statement and --signature take one facility"), hint=hint)
    return chosen


def _show_statement(
    invocation: Invocation, document: type[Printed], signed: Agreement | Approval, statement: bytes, namespace: str
) -> None:
    text = statement.decode()
    if invocation.json:
        print_document(document.made_of(signed, statement=text, namespace=namespace).plain)
    else:
        click.echo(text, nl=False)


def _agreement_signature(
    invocation: Invocation, agreement: Agreement, signature: Path | None, key: Path | None
) -> bytes | None:
    if key:
        message = statement_of(invocation.inventory, agreement, today=today(), environment=invocation.env)
        return made_signature(message, key, NAMESPACE, invocation.env)
    return _read(signature) if signature else None


def _read(signature: Path) -> bytes:
    with os_errors(f"{signature} cannot be read", "name the .sig file"):
        return read_regular(signature, most=_MOST_SIGNATURE)


def _report_agreements(invocation: Invocation, agreements: Sequence[Agreement], signed: Sequence[Signed]) -> None:
    rows, lines = [], list[str]()
    for agreement, one in zip(agreements, signed, strict=True):
        of_file = {"file": one.path, "content": one.content, "key": one.key or None}
        rows.append(SignOffDocument.made_of(agreement, agreed=one.agreed, **of_file))
        by = ", ".join(Party(party).words for party in agreement.parties) + (f" ({one.key})" if one.key else "")
        lines.append(
            msg("{file}: {plan} signed by {parties} on {day}", one.path, agreement.plan, by, agreement.signed_on)
        )
        if one.agreed:
            lines.append(
                msg("all three have signed: the {plan} of {facility} is agreed", agreement.plan, agreement.facility)
            )
        if one.missing:
            names = ", ".join(Party(party).words for party in one.missing)
            lines.append(msg("still to sign what {facility} says now: {parties}", agreement.facility, names))
    if len(rows) == 1:
        show(invocation, rows[0], [*lines, f"next: provisioner facility next {agreements[0].facility}"])
    else:
        show(invocation, SignOffsDocument(sign_offs=rows), [*lines, "next: provisioner status"])


class SignOffDocument(Printed, name="sign-off", title="A sign-off"):
    """Output of `provisioner sign-off --output json`."""

    facility: str
    plan: Literal["plan", "successor"]
    by: tuple[str, ...] = of("parties")
    signed_on: Day
    statement: str | None = absent()  #: The statement to sign; only with `--statement`, as is `namespace`.
    namespace: str | None = absent()
    file: Path | None = absent()
    content: str | None = absent()
    key: str | None = ungiven()  #: The fingerprint of the key that signed; null if the sign-off is claimed.
    agreed: bool | None = absent()


class SignOffsDocument(Printed, name="sign-offs", title="Sign-offs of several facilities"):
    """Output of `provisioner sign-off --output json` for several facilities."""

    sign_offs: tuple[SignOffDocument, ...]


@click.command()
@click.argument("saved", type=ValidPath(), metavar="PLAN")
@click.option("--as", "person", required=True, metavar="ID", help="The approver's id in signers.yml.")
@click.option("--role", "roles", multiple=True, metavar="ROLE", help="The approver's role. Default: all roles of ID.")
@click.option(
    "--key",
    type=ValidPath(dir_okay=False, exists=True),
    metavar="FILE",
    help="Sign with this key, through ssh-keygen; a .pub file for a key in an agent.",
)
@click.option("--statement", "shown", is_flag=True, help="Print the statement to sign, and exit.")
@click.option(
    "--signature",
    type=ValidPath(dir_okay=False, exists=True),
    metavar="FILE",
    help="Read a signature made elsewhere: the .sig file of `ssh-keygen -Y sign`; with --at.",
)
@click.option("--at", type=MomentWord(), metavar="MOMENT", help="The signed time. Default: now.")
@click.option(
    "--approvals-dir",
    "folder",
    type=ValidPath(file_okay=False),
    metavar="DIR",
    help="The folder for the approval. Default: approvals/ of the inventory.",
)
@click.option(
    "--keep-plan", "keeps", is_flag=True, help="Store the plan there too, so that later differences can be shown."
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def approve(
    invocation: Invocation, saved: Path, person: str, roles: tuple[str, ...], **chosen: Unpack[_Chosen]
) -> None:
    """Approve a saved plan with your own key.

    The command shows the changes of PLAN and writes a file for a merge request or an artefact: the approver, the role
    and the time, signed with SSH. The approval covers the plan's changes, not its commit: it stays valid for a new plan
    with the same changes, and is void if a change or a host's desired state differs. The command calls no host and
    opens no vault; apply proves the origin of the plan.

    Without a checkout, sign the output of --statement anywhere: ssh-keygen -Y sign -n approval@provisioner -f KEY FILE.

    Example: provisioner -i DIR approve plan.json --as noc-viettel-1 --key ~/.ssh/id_ed25519
    """
    # A run's modules, which a sign-off does without.
    from provisioner.operations.apply.approvals import approval_to_sign, keep_plan, record_approval, sign  # noqa: PLC0415

    folder = chosen["folder"]
    invocation.refuse_tracked_links(saved, folder)
    if sum(map(bool, (chosen["key"], chosen["signature"], chosen["shown"]))) != 1:
        raise UsageError("an approval is signed in one way", hint="name one of --key, --signature and --statement")
    if chosen["signature"] and chosen["at"] is None:
        raise UsageError("--signature needs the moment that was signed", hint="add --at, as the statement says it")
    session, (plan, content) = session_of(invocation), read_plan(saved)
    approval = approval_to_sign(session, plan, person, roles, chosen["at"] or now())
    if chosen["shown"]:
        _show_statement(invocation, ApproveDocument, approval, approval_statement(approval), APPROVAL_NAMESPACE)
        return
    if chosen["signature"]:
        signature = _read(chosen["signature"])
    else:
        signature = sign(approval, _confirmed_key(invocation, plan, chosen), invocation.env)
    made = record_approval(session, approval, signature, folder)
    stored = keep_plan(session, plan, content, folder) if chosen["keeps"] else None
    _report_approval(invocation, made, stored)
    if person in plan.maker.approvers:
        hint = "somebody else has to approve it as well"
        print_warning(f"{person} made this plan", hint)


def _confirmed_key(invocation: Invocation, plan: "WrittenPlan", chosen: _Chosen) -> Path:
    if not invocation.json:
        terminal = stdout_of(invocation.env)
        terminal.print(_plan_lines(plan, terminal, invocation.say))
    make_sure(invocation, "Approve this plan?", "whether to approve this plan", yes=chosen["yes"])
    key = chosen["key"]
    if key is None:
        raise UsageError("no key is named", hint="add --key FILE")
    return key


def _plan_lines(plan: "WrittenPlan", terminal: Terminal, say: Translator) -> Iterator[str]:
    """Yield a plan's effects, most dangerous first: trust, reconnections, allowances."""
    changes, cut = plan.changes, cut_by(plan.changes)
    trusted = distinct_trust(changes)
    if trusted:
        line = say("TRUST: {changes} of trust", changes=say.counted(len(trusted), "change"))
        yield click.style(line, fg="red", bold=True)
    for hosts, change in trusted:
        subject = f"{say.word(change.action)} {printable(say.restated(change.name))}"
        head = "  " + say("{what} on {host}", what=subject, host=printable(named(hosts)))
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
    yield from _cutting_change_lines(
        [change for change in changes if change.impact.rank >= Impact.PATH.rank], terminal, say
    )
    if plan.basis.allow:
        allowed = ", ".join(f"{name}={number}" for name, number in plan.basis.allow.items())
        yield say("allowed for this plan: {allowed}", allowed=printable(allowed))
    if plan.basis.held:
        yield say("held, and no part of it: {facilities}", facilities=printable(named(plan.basis.held)))
    for host in sorted(plan.unreadable):
        yield say("not read, and no part of it: {host}", host=printable(host))
    yield say("plan {digest}", digest=plan.basis.digest)
    yield say("its changes {digest}", digest=plan.basis.meaning)


def _cutting_change_lines(cutting: list[Change], terminal: Terminal, say: Translator) -> Iterator[str]:
    ranked = sorted(cutting, key=lambda change: (-change.impact.rank, -change.viewers, change.host, change.name))
    for change in ranked[:_CUTTING]:
        subject = f"{say.word(change.action)} {say.word(change.resource)} {printable(say.restated(change.name))}"
        head = f"  {say('{what} on {host}', what=subject, host=printable(change.host))} [{say.word(change.impact)}]"
        yield from terminal.below(head, printable(say.restated(change.reason)), 6)
    if len(cutting) > _CUTTING:
        yield "  " + say("… and {number} more", number=len(cutting) - _CUTTING)


def _report_approval(invocation: Invocation, made: "ApprovalMade", stored: Path | None) -> None:
    approval = made.approval
    of_file = {"file": made.file, "key": made.key.fingerprint, "kept_plan": stored}
    lines = [f"{made.file}: {approval.approver} approves as {', '.join(approval.roles)} with {made.key.fingerprint}"]
    if stored:
        lines.append(f"{stored}: the plan is kept beside it")
    show(invocation, ApproveDocument.made_of(approval, **of_file), lines)


class ApproveDocument(Printed, name="approve", title="An approval"):
    """Output of `provisioner approve --output json`."""

    approver: str
    roles: tuple[str, ...]
    at: str = of("at_text")
    meaning: str
    plan: str
    statement: str | None = absent()  #: The statement to sign; only with `--statement`, as is `namespace`.
    namespace: str | None = absent()
    file: Path | None = absent()
    key: str | None = absent()
    kept_plan: Path | None = ungiven()
