"""`provisioner facility`: edits of its file, and its next step."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from functools import partial
from typing import Annotated, Unpack

import click
from pydantic import BeforeValidator

from provisioner.base.document import Printed, of
from provisioner.base.errors import PolicyError, UsageError
from provisioner.cli.support.commands import NamedGroup
from provisioner.cli.support.completion import facilities_like, hosts_like, provinces_like
from provisioner.cli.support.context import Invocation, now, today
from provisioner.cli.support.options import field_options, in_order
from provisioner.cli.support.output import print_document
from provisioner.cli.support.question import answer, is_attended
from provisioner.cli.support.terminal import Amount, ListedWord
from provisioner.cli.support.texts import Writing, edit_options, edits_of, finish
from provisioner.inventory.model import (
    Access,
    Facility,
    GatewaySystem,
    ManagingBody,
    Operating,
    Party,
    SurveyVerdict,
    UplinkKind,
)
from provisioner.inventory.model.facility import FacilityKind
from provisioner.operations.edit.facilities import (
    PlanOrder,
    SurveyOrder,
    added,
    closed,
    contact_confirmed,
    moved,
    planned,
    reopened,
    succeeded,
    surveyed,
)
from provisioner.operations.questions.next_step import (
    Asked,
    Command,
    FacilityStep,
    facility_step,
    has_accepted_successor,
)

_DAY = click.DateTime(["%Y-%m-%d"])
_KINDS = ListedWord([kind.value for kind in FacilityKind])
_BODIES = ListedWord([body.value for body in ManagingBody])
_OPENINGS = ListedWord([one.value for one in (Operating.OPEN, Operating.PREPARING, Operating.STANDBY)])
_PROVINCE = "The province, e.g. bac-giang."
_OF_FACILITY = in_order(
    field_options(Facility)
    | {
        "province": click.option("--province", metavar="SLUG", shell_complete=provinces_like, help=_PROVINCE),
        "operating": click.option("--operating", type=_OPENINGS, help="open; with --opens-on it is preparing."),
    }
)


@click.command("next")
@click.argument("name", metavar="FACILITY", shell_complete=facilities_like)
@click.pass_context
def next_(ctx: click.Context, name: str) -> int:
    """Say what has to happen next for a facility, and the command that does it.

    In a terminal it offers to run that command, asks for the words that only you know, and goes on to the next
    step, until one is somebody else's. Elsewhere it only says it.

    Example: provisioner -i DIR facility next kcl-bg-003
    """
    invocation = ctx.ensure_object(Invocation)
    step = facility_step(invocation.inventory, name, invocation.env, now())
    if invocation.json:
        print_document(StepDocument.made_of(step, secrets_checked=not step.unchecked).plain)
        return 0
    while True:
        for line in _step_lines(step):
            click.echo(line)
        if not step.command or not is_attended(invocation) or not click.confirm("Run it now?", err=True):
            return 0
        if code := _run_command(ctx, invocation, _filled_words(step.command)):
            return code
        before, step = step, facility_step(invocation.inventory, name, invocation.env, now())
        if step.command == before.command:
            for line in _afterwards(step):
                click.echo(line)
            return 0


def _named(command: Command) -> list[str]:
    """Return a command's words; unknown ones in angle brackets."""
    return [f"<{word.name}>" if isinstance(word, Asked) else word for word in command]


Words = Annotated[tuple[str, ...], BeforeValidator(_named)]


class StepDocument(Printed, name="facility-next", title="What comes next for a facility"):
    """What `provisioner facility next --output json` prints."""

    facility: str
    state: str
    next: str = of("sentence")
    command: Words
    """A word that only a person knows stands in angle brackets."""
    afterwards: Words
    secrets_checked: bool


def _step_lines(step: FacilityStep) -> list[str]:
    lines = [f"{step.facility}: {step.state}"]
    if step.unchecked:
        lines.append("secrets not checked: no vault password is set")
    lines.append(f"next: {step.sentence}")
    if step.command:
        lines.append(f"  provisioner {_shown(step.command)}")
    return [*lines, *_afterwards(step)]


def _afterwards(step: FacilityStep) -> list[str]:
    lead = "then" if step.command else "when that is so"
    return [f"  {lead}: provisioner {_shown(step.afterwards)}"] if step.afterwards else []


def _shown(command: Command) -> str:
    return " ".join(word.name if isinstance(word, Asked) else word for word in command)


def _run_command(ctx: click.Context, invocation: Invocation, words: Sequence[str]) -> int:
    """Run another command for the same inventory; its errors are raised."""
    program = ctx.find_root().command
    options = ["-i", str(invocation.inventory), "--language", invocation.language.value]
    code = program.main(
        [*options, *words], prog_name="provisioner", standalone_mode=False, obj=invocation.configuration
    )
    return code if isinstance(code, int) else 0


def _filled_words(command: Command) -> list[str]:
    """Ask for a command's unknown words."""
    words = (click.prompt(f"{w.name}: {w.question}", err=True) if isinstance(w, Asked) else w for w in command)
    return [str(word) for word in words]


@click.group(cls=NamedGroup)
def facility() -> None:
    """Register, plan, move, close and reopen a facility; say what comes next for it."""


facility.add_command(next_)


@facility.command()
@click.argument("identifier", metavar="[ID]", required=False, default="")
@_OF_FACILITY
@click.option("--same-name", is_flag=True, help="Another facility of the province has that name, and is another one.")
@edit_options
@click.pass_obj
def add(
    invocation: Invocation, /, identifier: str, *, same_name: bool, dry_run: bool, commits: bool, **words: object
) -> int:
    """Register a facility: write its file, with what is known of it now.

    In a terminal it asks for what it needs and was not told. Without an ID it gets the next free one of its
    province. No name, phone number or address of a person belongs here. Of many facilities, `provisioner import`
    reads a province's spreadsheet.

    Example: provisioner -i DIR facility add --province bac-giang --kind school --managing-body ubnd_tinh
    """
    ask = partial(answer, invocation, what="a new facility")
    asked = {
        "province": words["province"] or ask("--province", "The province's slug"),
        "name": words["name"] or ask("--name", "The building's name"),
        "kind": words["kind"] or ask("--kind", "What it is otherwise", kind=_KINDS),
        "managing_body": words["managing_body"] or ask("--managing-body", "Who runs it", kind=_BODIES),
        "operating": words["operating"] or (Operating.PREPARING if words["opens_on"] else Operating.OPEN).value,
    }
    edit = added(edits_of(invocation), words | asked, identifier=identifier, same_name=same_name)
    return finish(invocation, edit, Writing(dry_run, commits, f"{edit.facility}: registered"))


@facility.command()
@click.argument("name", metavar="FACILITY", shell_complete=facilities_like)
@click.option("--on", "day", type=_DAY, help="Since when; today if left out.")
@edit_options
@click.pass_obj
def contact(invocation: Invocation, name: str, day: datetime | None, *, dry_run: bool, commits: bool) -> int:
    """Note that the DIC's list names a facility's current representative; who it is stands in contacts/ alone.

    Example: provisioner -i DIR facility contact kcl-bg-003 --on 2021-05-07
    """
    edit = contact_confirmed(edits_of(invocation), name, _day(day) or today())
    return finish(invocation, edit, Writing(dry_run, commits, f"{name}: its representative is confirmed"))


@facility.command()
@click.argument("name", metavar="FACILITY", shell_complete=facilities_like)
@click.option("--on", "day", type=_DAY, help="The day of the survey; today if left out.")
@click.option("--by", type=ListedWord([p.value for p in Party]), multiple=True, required=True, help="Who was there.")
@click.option("--uplink", type=ListedWord([k.value for k in UplinkKind]), required=True, help="Its line.")
@click.option("--upload", type=Amount(min=0, min_open=True), metavar="MBPS", help="Towards the Internet.")
@click.option("--present", type=click.IntRange(min=0), required=True, help="How many cameras are there.")
@click.option("--fit", type=click.IntRange(min=0), help="How many of them will do; all if left out.")
@click.option("--missing", type=click.IntRange(min=0), default=0, show_default=True, help="How many are to be added.")
@click.option("--verdict", type=ListedWord([v.value for v in SurveyVerdict]), required=True)
@edit_options
@click.pass_obj
def survey(
    invocation: Invocation,
    /,
    name: str,
    day: datetime | None,
    *,
    dry_run: bool,
    commits: bool,
    **words: Unpack[SurveyOrder],
) -> int:
    """Write down what DIC, Health and the carrier found at a facility; what else an older survey says stays.

    Example: provisioner -i DIR facility survey kcl-bg-003 --by dic --uplink fibre --present 4 --verdict ready
    """
    edit = surveyed(edits_of(invocation), name, _day(day) or today(), words)
    return finish(invocation, edit, Writing(dry_run, commits, f"{name}: surveyed"))


@facility.command()
@click.argument("name", metavar="FACILITY", shell_complete=facilities_like)
@click.option(
    "--relay",
    default="",
    metavar="NAME",
    shell_complete=hosts_like,
    help="The relay; the only one that may serve it if left out.",
)
@click.option(
    "--backup-relay",
    default="",
    metavar="NAME",
    shell_complete=hosts_like,
    help="Another relay of its carrier, for readers when the first one is gone; `none` takes it back.",
)
@click.option("--lan", default="", metavar="NETWORK", help="The site's network; that of its devices if left out.")
@click.option("--lan-interface", default="", metavar="NAME", help="The gateway's interface in it; br-lan if left out.")
@click.option(
    "--system",
    type=ListedWord([system.value for system in GatewaySystem]),
    help="What the gateway runs; linux if left out.",
)
@click.option(
    "--relay-port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="The UDP port of its relays that the gateway dials, of those that they offer; 0 is their first one again.",
)
@click.option(
    "--access",
    type=ListedWord([mode.value for mode in Access]),
    help="How the relay reaches the devices; pull_portmap in a new plan.",
)
@edit_options
@click.pass_obj
def plan(invocation: Invocation, /, name: str, *, dry_run: bool, commits: bool, **words: Unpack[PlanOrder]) -> int:
    """Propose over which relay a facility is to be connected, and describe its gateway.

    What its parties then sign is this plan, with the recorders and the cameras as the file has them. Another --access
    of a plan that is there is another plan: all three sign anew, and the gateway needs its new package.

    Example: provisioner -i DIR facility plan kcl-bg-003 --relay relay-viettel-1
    """
    edit = planned(edits_of(invocation), name, words)
    return finish(invocation, edit, Writing(dry_run, commits, f"{name}: a plan is proposed"))


@facility.command()
@click.argument("name", metavar="FACILITY", shell_complete=facilities_like)
@click.option("--on", "day", type=_DAY, help="The day on which it was closed; today if left out.")
@edit_options
@click.pass_obj
def close(invocation: Invocation, name: str, day: datetime | None, *, dry_run: bool, commits: bool) -> int:
    """Close a facility: the next apply takes its paths, peers and secrets off every host.

    Its address becomes a tombstone with the next `allocate`. One that is protected is refused.

    Example: provisioner -i DIR facility close kcl-bg-002 --on 2021-06-30
    """
    edit = closed(edits_of(invocation), name, _day(day))
    return finish(invocation, edit, Writing(dry_run, commits, f"{name}: closed"))


@facility.command()
@click.argument("name", metavar="FACILITY", shell_complete=facilities_like)
@click.option("--on", "day", type=_DAY, help="The day on which people came; today if left out.")
@click.option("--opens-on", type=_DAY, help="The day on which people are to come: it is prepared until then.")
@edit_options
@click.pass_obj
def reopen(
    invocation: Invocation, name: str, day: datetime | None, opens_on: datetime | None, *, dry_run: bool, commits: bool
) -> int:
    """Open a facility that is closed, on standby or prepared: people are in it, or come on a day.

    Example: provisioner -i DIR facility reopen kcl-bg-002 --opens-on 2021-08-01
    """
    if day and opens_on:
        raise UsageError("--on and --opens-on exclude each other", hint="name the day of one of them")
    state = Operating.PREPARING if opens_on else Operating.OPEN
    edit = reopened(edits_of(invocation), name, state, _day(opens_on or day))
    return finish(invocation, edit, Writing(dry_run, commits, f"{name}: {state.value}"))


def _day(moment: datetime | None) -> date | None:
    return moment.date() if moment else None


@facility.command()
@click.argument("name", metavar="FACILITY", shell_complete=facilities_like)
@click.option(
    "--to",
    "relay",
    default="",
    metavar="RELAY",
    shell_complete=hosts_like,
    help="The relay that it is to be pulled by.",
)
@click.option("--finish", "finishes", is_flag=True, help="Make the successor the plan: the old carrier lets go.")
@click.option("--unproved", is_flag=True, help="With --finish: although the successor's connection is not accepted.")
@click.option("--at-once", is_flag=True, help="With --to a relay of the same carrier: no successor, with a cut.")
@edit_options
@click.pass_obj
def move(
    invocation: Invocation,
    name: str,
    relay: str,
    *,
    finishes: bool,
    unproved: bool,
    at_once: bool,
    dry_run: bool,
    commits: bool,
) -> int:
    """Move a facility to another relay, of the same carrier or of another one.

    --to writes a successor, which is signed like a plan: both relays serve until the new connection is accepted, and
    --finish makes it the plan. --to with the present relay takes a successor back. A plan that no host carries yet
    gets another relay of the same carrier at once; so does one that is carried with --at-once, where the devices bear
    no second relay: then its pictures are cut until the site's new package is installed.

    Example: provisioner -i DIR facility move kcl-hd-001 --to relay-vnpt-1
    """
    if bool(relay) == finishes or (unproved and not finishes) or (at_once and finishes):
        hint = "--unproved goes with --finish alone, --at-once with --to"
        raise UsageError("name either --to RELAY or --finish", hint=hint)
    if relay:
        edit = moved(edits_of(invocation), name, relay, at_once=at_once)
        return finish(invocation, edit, Writing(dry_run, commits, f"{name}: to {relay}"))
    edit = succeeded(edits_of(invocation), name)
    if not unproved:
        _refuse_unproved(invocation, name)
    return finish(invocation, edit, Writing(dry_run, commits, f"{name}: the successor is the plan"))


def _refuse_unproved(invocation: Invocation, name: str) -> None:
    """Raise `PolicyError` unless the new connection is accepted."""
    if not has_accepted_successor(invocation.inventory, name, invocation.env, now()):
        message = f"the successor's connection of {name} is not accepted: its pictures would be cut"
        hint = "verify it twice, a day apart; with --unproved it is made the plan all the same"
        raise PolicyError(message, hint=hint, object=name)
