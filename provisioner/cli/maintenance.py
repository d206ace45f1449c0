"""`provisioner maintenance`: announced work."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

import click
from pydantic import Field

from provisioner.base.document import Printed, Row, UtcMoment
from provisioner.base.errors import UsageError
from provisioner.base.language import Translator
from provisioner.base.text import VIETNAM
from provisioner.cli.support.commands import NamedGroup
from provisioner.cli.support.context import Invocation, now, show
from provisioner.cli.support.options import MomentWord, limit_option
from provisioner.cli.support.texts import EditedWithNext, edits_file, edits_of
from provisioner.desired.limit import parse_limits
from provisioner.inventory.model.facility import MaintenanceWindow
from provisioner.operations.edit import shared_files
from provisioner.report.tables import some_of

_MOST_LIMITS = 5
_UNITS = {"d": "days", "h": "hours", "m": "minutes"}


class Duration(click.ParamType[timedelta]):
    """A length of time: `2h`, `90m`, `1d`, `1h30m`."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Parse days, hours and minutes."""
        if isinstance(value, timedelta):
            return value
        if not (match := re.fullmatch(r"(?:(\d{1,2})d)?(?:(\d{1,3})h)?(?:(\d{1,4})m)?", str(value))) or not match[0]:
            self.fail("not a length of time: write it as 2h, 90m, 1d or 1h30m", param, ctx)
        return timedelta(**{unit: int(part or 0) for unit, part in zip(_UNITS.values(), match.groups(), strict=True)})


@click.group(cls=NamedGroup)
def maintenance() -> None:
    """Announce work, whose outages raise no alarm; list and end it.

    Inside a window paths are measured and shown, but are no incident. The windows are in maintenance.yml.
    """


@maintenance.command()
@limit_option
@click.option("--everything", is_flag=True, help="Every path of the inventory, instead of --limit.")
@click.option("--from", "begin", type=MomentWord(), metavar="TIME", help="The first minute. Default: now.")
@click.option("--for", "length", type=Duration(), metavar="LENGTH", help="The length: 2h, 90m, 1d, 1h30m.")
@click.option("--until", type=MomentWord(), metavar="TIME", help="The first minute after it, instead of --for.")
@click.option("--reason", required=True, metavar="TEXT", help="The work; no name of a person.")
@edits_file
def add(
    invocation: Invocation,
    /,
    limits: tuple[str, ...],
    *,
    everything: bool,
    begin: datetime | None,
    length: timedelta | None,
    until: datetime | None,
    reason: str,
) -> EditedWithNext:
    """Announce work on facilities, hosts or carriers.

    Times are Vietnam's. A province stands for the facilities that it has now. Several kinds of --limit choose the
    facilities that fit all of them.

    Example: provisioner -i DIR maintenance add --limit facility=kcl-bg-001 --for 2h --reason "new switch"
    """
    if (length is None) == (until is None):
        raise UsageError("say when the work ends", hint="name --for LENGTH or --until TIME")
    if bool(limits) == everything:
        raise UsageError("say what the work is on", hint="name --limit KIND=NAME, or --everything")
    first = (begin or now()).replace(second=0, microsecond=0)
    end = until or first + (length or timedelta())
    limit = None if everything else parse_limits(limits)
    edit, number = shared_files.window_added(edits_of(invocation), limit, (first, end), reason, now())
    then = invocation.say("next, after the work: {command}", command=f"provisioner maintenance end {number}")
    return edit, f"Maintenance: {reason}", then


@maintenance.command()
@click.argument("number", type=click.IntRange(min=1), required=False)
@edits_file
def end(invocation: Invocation, number: int | None) -> EditedWithNext:
    """End a window, or cancel a coming one: remove its entry.

    NUMBER is as in `maintenance list`. Without it the command ends the only window that is open now. Git remembers the
    entry, and the history the checks inside it.

    Example: provisioner -i DIR maintenance end 2
    """
    edit, window = shared_files.window_ended(edits_of(invocation), number, now())
    objects = list(_objects(window))
    kind, names = objects[0] if len(objects) == 1 else ("everything", ())
    limits = "" if kind == "everything" or len(names) > _MOST_LIMITS else "".join(f" --limit {kind}={n}" for n in names)
    then = invocation.say("next: {command}", command=f"provisioner verify{limits}")
    return edit, f"Maintenance is over: {window.reason}", then


class WindowRow(Row):
    """A maintenance window."""

    number: int
    begin: UtcMoment = Field(validation_alias="begin", serialization_alias="from")
    until: UtcMoment
    state: str  #: `coming`, `open` or `over`.
    reason: str
    facilities: tuple[str, ...]
    hosts: tuple[str, ...]
    carriers: tuple[str, ...]
    everything: bool
    sites: tuple[shared_files.CoveredSite, ...]


class WindowsDocument(Printed, name="maintenance-list", title="Maintenance windows"):
    """Output of `provisioner maintenance list --output json`."""

    windows: tuple[WindowRow, ...]


@maintenance.command("list")
def list_(invocation: Invocation) -> None:
    """List maintenance windows, with the sites and relays of each.

    A site with two relays is listed once, with both.

    Example: provisioner -i DIR maintenance list
    """
    moment = now()
    listed = shared_files.windows_listed(edits_of(invocation).load())
    say = invocation.say
    rows = tuple(WindowRow.made_of(one, **dict(one.window), state=_state(one.window, moment)) for one in listed)
    lines = [line for one in listed for line in _window_lines(one, moment, say)]
    show(invocation, WindowsDocument(windows=rows), lines or [say("no maintenance window is announced")])


def _state(window: MaintenanceWindow, moment: datetime) -> str:
    if window.is_over(moment):
        return "over"
    return "open" if window.is_open(moment) else "coming"


def _objects(window: MaintenanceWindow) -> Iterator[tuple[str, tuple[str, ...]]]:
    yield from (("everything", ("everything",)),) if window.everything else ()
    kinds = {"facility": window.facilities, "host": window.hosts, "carrier": window.carriers}
    yield from ((kind, names) for kind, names in kinds.items() if names)


def _window_lines(one: shared_files.ListedWindow, moment: datetime, say: Translator) -> Iterator[str]:
    window = one.window
    begin, until = (at.astimezone(VIETNAM).strftime("%Y-%m-%d %H:%M") for at in (window.begin, window.until))
    heads = {
        "over": say("over; remove it: {command}", command=f"provisioner maintenance end {one.number}"),
        "open": say("open now"),
        "coming": say("coming"),
    }
    head = say("{begin} to {until}", begin=begin, until=until)
    yield f"{one.number}: {head}, {heads[_state(window, moment)]}: {window.reason}"
    names = [name for _, names in _objects(window) for name in names]
    yield f"  {some_of(names, say)}"
    sites = []
    for site in one.sites:
        text = say("{facility} on {relays}", facility=site.facility, relays=" + ".join(site.relays))
        but = say("{text}, not on {relays}", text=text, relays=" + ".join(site.outside))
        sites.append(but if site.outside else text)
    count = say.counted(len(sites), "site")
    yield f"  {count}: {some_of(sites, say)}" if sites else f"  {say('no site is carried there')}"
