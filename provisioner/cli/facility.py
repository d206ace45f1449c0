"""`provisioner facility`: edits of its file, and its next step."""

from collections.abc import Sequence
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Unpack

import click
from pydantic import BeforeValidator

from provisioner.base.document import Printed, of
from provisioner.base.errors import PolicyError, UsageError
from provisioner.base.language import Translator
from provisioner.cli.support.commands import NamedGroup
from provisioner.cli.support.completion import facilities_like, hosts_like, provinces_like
from provisioner.cli.support.context import (
    Invocation,
    answer,
    echo_lines,
    is_attended,
    now,
    print_document,
    refuse_missing,
    said,
    today,
)
from provisioner.cli.support.options import field_options, in_order
from provisioner.cli.support.terminal import DAY, Amount, ListedWord
from provisioner.cli.support.texts import Choice, Edited, chosen_of, edits_file, edits_of, many_options
from provisioner.inventory.model.facility import (
    Access,
    Facility,
    FacilityKind,
    GatewaySystem,
    Operating,
    Party,
    SurveyVerdict,
    UplinkKind,
)
from provisioner.inventory.model.orders import ManagingBody
from provisioner.inventory.outline import Outline
from provisioner.operations.edit import facilities as facility_edits
from provisioner.operations.questions import next_step
from provisioner.record.lifecycle.state import FacilityState

_KINDS = ListedWord([kind.value for kind in FacilityKind])
_BODIES = ListedWord([body.value for body in ManagingBody])
_OPENINGS = ListedWord([one.value for one in (Operating.OPEN, Operating.PREPARING, Operating.STANDBY)])
_PROVINCE = "The province, e.g. bac-giang."
_of_relay = partial(click.option, default="", shell_complete=hosts_like)
_OF_FACILITY = in_order(
    field_options(Facility)
    | {
        "province": click.option("--province", metavar="SLUG", shell_complete=provinces_like, help=_PROVINCE),
        "operating": click.option(
            "--operating", type=_OPENINGS, help="The operating state. Default: open; with --opens-on, preparing."
        ),
    }
)


_TO_CHANGE = field_options(Facility, name="", kind="", managing_body="", location="", capacity="")


@click.command("next")
@click.argument("name", metavar="FACILITY", shell_complete=facilities_like)
@click.option("--commit", "commits", is_flag=True, help="Commit the files that each step writes, and no other ones.")
@click.pass_context
def next_(ctx: click.Context, invocation: Invocation, name: str, *, commits: bool) -> int:
    """Show the next step of a facility, and its command.

    In a terminal the command offers to run the step, asks for missing values, and goes on until a step needs another
    party. If you know that party's answer, such as the key of a gateway, type it, and it goes on. Elsewhere it only
    shows the step.

    Example: provisioner -i DIR facility next kcl-bg-003
    """
    step = next_step.facility_step(invocation.inventory, name, invocation.env, now())
    if invocation.json:
        print_document(StepDocument.made_of(step, secrets_checked=not step.unchecked).plain)
        return 0
    done: next_step.Command | None = None
    while True:
        echo_lines(map(said, _afterwards(step)) if step.command == done else _step_lines(step, invocation.say))
        if not step.command or not is_attended(invocation):
            return 0
        done = step.command if step.command != done and click.confirm(said("Run it now?"), err=True) else None
        if not (words := _filled_words(done) if done else _answered_words(step.afterwards)):
            return 0
        if code := _run_command(ctx, invocation, [*words, "--commit"] if commits and _commits(ctx, words) else words):
            return code
        step = next_step.facility_step(invocation.inventory, name, invocation.env, now())


def _named(command: next_step.Command) -> list[str]:
    """Return a command's words; unknown ones in angle brackets."""
    return [f"<{word.name}>" if isinstance(word, next_step.Placeholder) else word for word in command]


Words = Annotated[tuple[str, ...], BeforeValidator(_named)]


class StepDocument(Printed, name="facility-next", title="A facility's next step"):
    """Output of `provisioner facility next --output json`."""

    facility: str
    state: str
    next: str = of("sentence")
    command: Words  #: The command; angle brackets mark values that only a person knows.
    afterwards: Words
    secrets_checked: bool


def _step_lines(step: next_step.FacilityStep, say: Translator) -> list[str]:
    state = FacilityState(step.state.replace(" ", "_"))
    lines = [f"{step.facility}: {say.word(state, step.state)}"]
    if step.unchecked:
        lines.append(said("secrets not checked: no vault password is set"))
    lines.append(f"{say('next')}: {say.restated(step.sentence)}")
    if step.command:
        lines.append(f"  provisioner {_command_text(step.command)}")
    return [*lines, *map(said, _afterwards(step))]


def _afterwards(step: next_step.FacilityStep) -> list[str]:
    if not step.afterwards:
        return []
    text = _command_text(step.afterwards)
    return [f"  then: provisioner {text}" if step.command else f"  when that is so: provisioner {text}"]


def _command_text(command: next_step.Command) -> str:
    return " ".join(word.name if isinstance(word, next_step.Placeholder) else word for word in command)


def _run_command(ctx: click.Context, invocation: Invocation, arguments: Sequence[str]) -> int:
    """Run another command for the same inventory; its errors are raised."""
    program = ctx.find_root().command
    options = ["-i", str(invocation.inventory), "--language", invocation.language.value]
    code = program.main(
        [*options, *arguments], prog_name="provisioner", standalone_mode=False, obj=invocation.configuration
    )
    return code if isinstance(code, int) else 0


def _commits(ctx: click.Context, words: Sequence[str]) -> bool:
    """Whether the command that begins with these words has `--commit`."""
    command: click.Command | None = ctx.find_root().command
    for word in words:
        if not isinstance(command, click.Group):
            break
        command = command.get_command(ctx, word)
    return command is not None and any(option.name == "commits" for option in command.params)


def _filled_words(command: next_step.Command, default: str | None = None) -> list[str]:
    """Ask for a command's unknown words; an empty answer gives none."""
    words: list[str] = []
    for word in command:
        if isinstance(word, next_step.Placeholder):
            question = said(f"{word.name}: {word.question}")
            typed = str(click.prompt(question, default=default, show_default=False, err=True))
            if not typed or (word.listed and Path(typed).is_file()):
                return [*word.listed, typed] if typed else []
            words.append(typed)
        else:
            words.append(word)
    return words


def _answered_words(command: next_step.Command) -> list[str]:
    """Ask for another party's answer; give no words without one."""
    if not any(isinstance(word, next_step.Placeholder) for word in command):
        return []
    click.echo(said("if you have it already, type it; Enter leaves it for later"), err=True)
    return _filled_words(command, "")


@click.group(cls=NamedGroup)
def facility() -> None:
    """Add, plan, move, close and reopen a facility; show its next step."""


facility.add_command(next_)


@facility.command()
@click.argument("identifier", metavar="[ID]", required=False, default="")
@_OF_FACILITY
@click.option("--same-name", is_flag=True, help="Allow the name of another facility in the province.")
@edits_file
def add(invocation: Invocation, /, identifier: str, *, same_name: bool, **words: object) -> Edited:
    """Add a facility: write its file.

    In a terminal the command asks for missing values. Without an ID the facility gets the lowest unused id of its
    province. Enter no name, phone number or address of a person here. For many facilities, `provisioner import` reads a
    province's spreadsheet.

    Example: provisioner -i DIR facility add --province bac-giang --kind school --managing-body ubnd_tinh
    """
    needed = ("province", "name", "kind", "managing_body")
    refuse_missing(invocation, "a new facility", [f"--{key.replace('_', '-')}" for key in needed if not words[key]])
    ask = partial(answer, invocation, subject="a new facility")
    answers = {
        "province": words["province"] or ask("--province", "The province's slug"),
        "name": words["name"] or ask("--name", "The building's name"),
        "kind": words["kind"] or ask("--kind", "The building's normal use", kind=_KINDS),
        "managing_body": words["managing_body"] or ask("--managing-body", "Who runs it", kind=_BODIES),
        "operating": words["operating"] or (Operating.PREPARING if words["opens_on"] else Operating.OPEN).value,
    }
    edit = facility_edits.added(edits_of(invocation), words | answers, identifier=identifier, same_name=same_name)
    return edit, f"{edit.facility}: registered"


@facility.command("set")
@click.argument("identifier", metavar="FACILITY", shell_complete=facilities_like)
@in_order(_TO_CHANGE)
@edits_file
def set_(invocation: Invocation, /, identifier: str, **words: object) -> Edited:
    """Correct a facility's name, use, body, address or capacity.

    Name only the values that changed. The id and the province never change, as paths and addresses contain them. No
    host changes, and no sign-off is needed. `camera move` sets the zone and location of a camera.

    Example: provisioner -i DIR facility set kcl-bg-001 --name "Trường THPT Ví Dụ 1"
    """
    return facility_edits.described(edits_of(invocation), identifier, words), f"{identifier}: its description"


@facility.command()
@click.argument("name", metavar="FACILITY", shell_complete=facilities_like)
@click.option("--on", "day", type=DAY, help="The first day. Default: today.")
@edits_file
def contact(invocation: Invocation, name: str, day: datetime | None) -> Edited:
    """Record that the DIC's list names a facility's current representative.

    The name itself is in contacts/ only.

    Example: provisioner -i DIR facility contact kcl-bg-003 --on 2021-05-07
    """
    edit = facility_edits.contact_confirmed(edits_of(invocation), name, _day(day) or today())
    return edit, f"{name}: its representative is confirmed"


@facility.command()
@click.argument("name", metavar="FACILITY", shell_complete=facilities_like)
@click.option("--on", "connected_on", type=DAY, help="The day of the connection, as in the source.")
@click.option("--source", metavar="TEXT", help="The report or annex that names the connection.")
@click.option("--carrier", metavar="ID", help="The company that made the connection.")
@click.option("--cameras", type=click.IntRange(0, 10_000), help="The number of cameras, as in the source.")
@click.option("--note", metavar="TEXT", help="A note.")
@click.option("--remove", "withdrawn", is_flag=True, help="Remove the claim.")
@edits_file
def claim(
    invocation: Invocation, /, name: str, *, connected_on: datetime | None, withdrawn: bool, **words: object
) -> Edited:
    """Record a connection from before this program, with its source.

    It is a claim, counted apart from proved connections, until a verification proves the facility. Values of an
    existing claim stay unless you name them.

    Example: provisioner -i DIR facility claim kcl-qn-003 --on 2021-05-20 --source "02/PL" --cameras 4
    """
    day = connected_on and connected_on.date().isoformat()
    values = {key: value for key, value in {"connected_on": day, **words}.items() if value is not None}
    edit = facility_edits.claimed(edits_of(invocation), name, values, withdrawn=withdrawn)
    return edit, f"{name}: its connection from before"


@facility.command()
@click.argument("name", metavar="FACILITY", shell_complete=facilities_like)
@click.option("--on", "day", type=DAY, help="The day of the survey. Default: today.")
@click.option(
    "--by", type=ListedWord([p.value for p in Party]), multiple=True, required=True, help="The parties of the survey."
)
@click.option("--uplink", type=ListedWord([k.value for k in UplinkKind]), required=True, help="The uplink's type.")
@click.option(
    "--upload", type=Amount(min=0, min_open=True), metavar="MBPS", help="The upload rate towards the Internet."
)
@click.option("--present", type=click.IntRange(min=0), required=True, help="The number of cameras on site.")
@click.option("--fit", type=click.IntRange(min=0), help="The number of suitable cameras. Default: all.")
@click.option(
    "--missing", type=click.IntRange(min=0), default=0, show_default=True, help="The number of cameras to add."
)
@click.option(
    "--verdict", type=ListedWord([v.value for v in SurveyVerdict]), required=True, help="The result of the survey."
)
@edits_file
def survey(
    invocation: Invocation, /, name: str, day: datetime | None, **words: Unpack[facility_edits.SurveyRequest]
) -> Edited:
    """Record the survey of a facility by DIC, Health and the carrier.

    Values of an older survey stay unless you name them.

    Example: provisioner -i DIR facility survey kcl-bg-003 --by dic --uplink fibre --present 4 --verdict ready
    """
    edit = facility_edits.surveyed(edits_of(invocation), name, _day(day) or today(), words)
    return edit, f"{name}: surveyed"


@facility.command()
@many_options
@_of_relay("--relay", metavar="NAME", help="The relay. Default: the only possible one.")
@_of_relay(
    "--backup-relay", metavar="NAME", help="Another relay, for readers if the first one fails; `none` removes it."
)
@click.option("--lan", default="", metavar="NETWORK", help="The site's network. Default: the network of its devices.")
@click.option("--lan-interface", default="", metavar="NAME", help="The gateway's LAN interface. Default: br-lan.")
@click.option(
    "--system",
    type=ListedWord([system.value for system in GatewaySystem]),
    help="The gateway's system. Default: linux.",
)
@click.option(
    "--relay-port",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="The UDP port that the gateway dials, one of its relays' ports; 0 restores their first one.",
)
@click.option(
    "--access",
    type=ListedWord([mode.value for mode in Access]),
    help="The relay's way to the devices. Default in a new plan: pull_portmap.",
)
@edits_file
def plan(
    invocation: Invocation,
    /,
    names: tuple[str, ...],
    limits: tuple[str, ...],
    listing: Path | None,
    **words: Unpack[facility_edits.ConnectionPlanRequest],
) -> Edited:
    """Propose the relay of facilities, and describe their gateways.

    The parties then sign this plan, with the recorders and cameras in the file. A change of --access makes another
    plan: all three parties sign again, and the gateway needs a new package. A --limit takes open facilities with
    cameras and without an agreed plan. If one facility is refused, no file is written.

    Example: provisioner -i DIR facility plan --limit province=bac-giang --relay relay-viettel-1
    """
    edits = edits_of(invocation)
    chosen = chosen_of(edits, Choice(names=names, limits=limits, listing=listing), _needs_plan)
    made = edits.of_many(chosen, lambda edits, name: facility_edits.planned(edits, name, words))
    return made, f"{', '.join(chosen)}: a plan is proposed"


def _needs_plan(site: Outline) -> bool:
    return site.operating.is_carried and bool(site.cameras) and not (site.plan and site.plan.agreed)


@facility.command()
@click.argument("name", metavar="FACILITY", shell_complete=facilities_like)
@click.option("--on", "day", type=DAY, help="The day of the closure. Default: today.")
@edits_file
def close(invocation: Invocation, name: str, day: datetime | None) -> Edited:
    """Close a facility: the next apply removes it from every host.

    Its paths, peers and secrets go. Its address becomes a tombstone with the next `allocate`. A protected facility is
    refused.

    Example: provisioner -i DIR facility close kcl-bg-002 --on 2021-06-30
    """
    return facility_edits.closed(edits_of(invocation), name, _day(day)), f"{name}: closed"


@facility.command()
@click.argument("name", metavar="FACILITY", shell_complete=facilities_like)
@click.option("--on", "day", type=DAY, help="The day of arrival. Default: today.")
@click.option("--opens-on", type=DAY, help="The planned day of arrival; until then the facility is in preparation.")
@edits_file
def reopen(invocation: Invocation, name: str, day: datetime | None, opens_on: datetime | None) -> Edited:
    """Reopen a facility that is closed, on standby or in preparation.

    Example: provisioner -i DIR facility reopen kcl-bg-002 --opens-on 2021-08-01
    """
    if day and opens_on:
        raise UsageError("--on and --opens-on exclude each other", hint="name the day of one of them")
    state = Operating.PREPARING if opens_on else Operating.OPEN
    edit = facility_edits.reopened(edits_of(invocation), name, state, _day(opens_on or day))
    return edit, f"{name}: {state.value}"


def _day(moment: datetime | None) -> date | None:
    return moment.date() if moment else None


@facility.command()
@click.argument("name", metavar="FACILITY", shell_complete=facilities_like)
@_of_relay("--to", "relay", metavar="RELAY", help="The new relay.")
@click.option("--finish", "finishes", is_flag=True, help="Make the successor the plan; the old relay stops.")
@click.option("--unproved", is_flag=True, help="With --finish: before the successor's connection is accepted.")
@click.option(
    "--at-once",
    is_flag=True,
    help="With --to a relay of the same carrier: move at once, without a successor, with a cut.",
)
@edits_file
def move(invocation: Invocation, name: str, relay: str, *, finishes: bool, unproved: bool, at_once: bool) -> Edited:
    """Move a facility to another relay of the same or another carrier.

    --to writes a successor, which the parties sign like a plan. Both relays serve the facility until the new connection
    is accepted; then --finish makes the successor the plan. --to with the present relay removes the successor.

    If no host has the plan yet, another relay of the same carrier replaces the relay at once. --at-once does so for a
    connected facility whose devices allow no second relay: its pictures are cut until the site's new package is
    installed.

    Example: provisioner -i DIR facility move kcl-hd-001 --to relay-vnpt-1
    """
    if bool(relay) == finishes or (unproved and not finishes) or (at_once and finishes):
        hint = "--unproved goes with --finish alone, --at-once with --to"
        raise UsageError("name either --to RELAY or --finish", hint=hint)
    if relay:
        return facility_edits.moved(edits_of(invocation), name, relay, at_once=at_once), f"{name}: to {relay}"
    edit = facility_edits.succeeded(edits_of(invocation), name)
    if not unproved:
        _refuse_unproved(invocation, name)
    return edit, f"{name}: the successor is the plan"


def _refuse_unproved(invocation: Invocation, name: str) -> None:
    """Raise `PolicyError` unless the new connection is accepted."""
    if not next_step.has_accepted_successor(invocation.inventory, name, invocation.env, now()):
        message = f"the successor's connection of {name} is not accepted: its pictures would be cut"
        hint = "verify it twice, a day apart; with --unproved it is made the plan all the same"
        raise PolicyError(message, hint=hint, object=name)
