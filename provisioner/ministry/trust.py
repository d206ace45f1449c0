"""Trusted keys, each controller's chain of reports, and its state. Pure.

The state is a function of the reports, the file of keys, the head that the view showed before, and the time. Neither
the order in which reports arrive nor a report that arrives twice changes it, and no report changes the state of another
controller.

The chain begins with a whole report and goes on without a gap. A report that skips one, that names another predecessor,
or that has a rival with the same number, is a finding, and neither it nor a later one is shown. The file of keys ends
such a state: `begins` names the number of a whole report with which the chain begins anew. From there on
withdrawn keys count no more beside others.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from itertools import pairwise
from typing import Final, NoReturn

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from provisioner.base.errors import UsageError
from provisioner.base.service import toml_settings
from provisioner.base.signing import public_key_in
from provisioner.base.text import counted, local_time, msg, printable
from provisioner.inventory import geography
from provisioner.inventory.model.base import Slug
from provisioner.ministry.bundle import MOST_FACILITIES, BundleError, Content, Link, OpenedReport, ReportKind, key_name
from provisioner.record.lifecycle.state import AHEAD

_HOURS: Final = 26  #: A night and two hours.
_MOST_HOURS: Final = 24 * 31
_SHOWN: Final = 80
MOST_CHANGES: Final = 512  #: Reports of changes after a whole one.
_EXAMPLE: Final = 'e.g. [controllers.north] with keys = ["ssh-ed25519 AAAA…"]'


# --- the file of keys -----------------------------------------------------------------------------
class _Written(BaseModel):
    """A controller in the file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    keys: list[str] = Field(min_length=1)
    withdrawn: list[str] = []
    hours: float = Field(_HOURS, ge=1 / 60, le=_MOST_HOURS)
    begins: int = Field(0, ge=0)
    provinces: dict[Slug, list[Slug]] = Field(min_length=1)


@dataclass(frozen=True)
class TrustedController:
    """A controller with its keys, carriers and provinces."""

    inventory: str
    keys: Mapping[str, Ed25519PublicKey] = field(repr=False)  #: By name, withdrawn ones too.
    withdrawn: frozenset[str]  #: Names of keys whose reports are not shown.
    longest: timedelta  #: The agreed time between two reports.
    begins: int  #: The number of the report that begins the chain anew; 0 without one.
    provinces: Mapping[str, frozenset[str]]  #: Slugs by carrier.


@dataclass(frozen=True)
class Trust:
    """The file of keys."""

    scheme: str  #: The list of the slugs, by which the view counts.
    controllers: Mapping[str, TrustedController]  #: By inventory, in the file's order.

    @cached_property
    def keys(self) -> Mapping[str, Ed25519PublicKey]:
        """All keys by name."""
        return {name: key for one in self.controllers.values() for name, key in one.keys.items()}

    @cached_property
    def owners(self) -> Mapping[str, TrustedController]:
        """The controller of each key."""
        return {name: one for one in self.controllers.values() for name in one.keys}

    def designated(self, carrier: str | None, provinces: Iterable[str]) -> tuple[str, ...]:
        """Return the controllers that may report a carrier in these provinces."""
        slugs = frozenset(provinces)
        return tuple(
            name
            for name, one in self.controllers.items()
            if any(not slugs.isdisjoint(own) for of, own in one.provinces.items() if carrier in {None, of})
        )


def read_trust(text: str, file: str) -> Trust:
    """Parse the file of keys, or raise `UsageError`."""
    values = toml_settings(text, file, {"scheme", "controllers"}, _EXAMPLE)
    scheme, listed = values.get("scheme"), values.get("controllers")
    if not isinstance(scheme, str) or scheme not in geography.SCHEMES:
        _refuse(f"{file}: scheme is no list of provinces", 'write scheme = "gso-2021", or "gso-2025"')
    if not isinstance(listed, dict) or not listed:
        _refuse(f"{file}: controllers is empty", f"write a table for each, {_EXAMPLE}")
    known = {province.slug for province in geography.provinces(scheme)}
    controllers = {name: _controller(file, name, value, known) for name, value in listed.items()}
    names = [name for one in controllers.values() for name in one.keys]
    if len(set(names)) < len(names):
        _refuse(f"{file}: two controllers have one key", "each controller signs with keys of its own")
    return Trust(scheme, controllers)


def _controller(file: str, name: str, value: object, known: set[str]) -> TrustedController:
    place = f"{file}: controllers.{printable(name, _SHOWN)}"
    try:
        written = _Written.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = printable(".".join(map(str, first["loc"])), _SHOWN)
        _refuse(f"{place}.{where}: {first['msg']}", "it has keys, provinces, withdrawn, hours and begins")
    for carrier, slugs in written.provinces.items():
        for slug in slugs:
            if slug not in known:
                _refuse(f"{place}: {carrier} has no province {slug}", "provisioner geography list has the slugs")
    current, withdrawn = (
        {key_name(key): key for key in _keys(place, lines)} for lines in (written.keys, written.withdrawn)
    )
    provinces = {carrier: frozenset(slugs) for carrier, slugs in written.provinces.items()}
    longest = timedelta(hours=written.hours)
    return TrustedController(name, current | withdrawn, frozenset(withdrawn), longest, written.begins, provinces)


def _keys(place: str, lines: Sequence[str]) -> Iterator[Ed25519PublicKey]:
    for line in lines:
        key = public_key_in(line.encode())
        if key is None:
            _refuse(f"{place}: {printable(line, _SHOWN)} is no Ed25519 key", "write the line of its .pub file")
        yield key


def _refuse(message: str, hint: str) -> NoReturn:
    raise UsageError(message, hint=hint)


# --- findings -------------------------------------------------------------------------------------
class Doubt(StrEnum):
    """Kinds of findings about reports."""

    UNREADABLE = "unreadable"
    UNKNOWN_KEY = "unknown key"
    FOREIGN = "signed for another controller"
    RIVALS = "two reports with one number"
    SKIPPED = "reports missing"
    BROKEN = "predecessor differs"
    OLDER = "older than the beginning"
    WENT_BACK = "sequence goes back"
    WITHDRAWN = "key withdrawn"
    CLOCK_AHEAD = "clock ahead"
    SILENT = "silent"
    NEVER = "never reported"
    UNDESIGNATED = "province not designated"
    TWICE = "reported twice"


@dataclass(frozen=True, slots=True, order=True)
class ReportFinding:
    """A finding, with both sides if there are two."""

    doubt: Doubt
    controller: str  #: Empty if unknown.
    subject: str  #: A facility, or the name of a file; empty for the controller.
    text: str
    others: tuple[str, ...] = ()  #: The controllers of the other side.


class ReportState(StrEnum):
    """Whether a controller's words count now."""

    CURRENT = "current"
    SILENT = "silent"
    NEVER = "never reported"
    DOUBTED = "doubted"  #: Its key is withdrawn, its clock is ahead, or its sequence goes back.


@dataclass(frozen=True, slots=True)
class Head:
    """The newest report that a view has shown."""

    sequence: int
    hash: str
    begins: int = 0  #: The beginning that the file of keys named then; a later one ends what this says.


@dataclass(frozen=True)
class ControllerState:
    """A controller with its last good report and its state."""

    controller: TrustedController
    standing: ReportState
    last: OpenedReport | None  #: The newest report of the chain.
    content: Content
    findings: tuple[ReportFinding, ...]
    needed: frozenset[str] = frozenset()  #: The hashes of the reports that make the content.
    whole_numbers: tuple[int, ...] = ()  #: The numbers of the chain's whole reports.

    @property
    def is_current(self) -> bool:
        """Whether its verdicts count now; else they are unknown."""
        return self.standing is ReportState.CURRENT

    @property
    def head(self) -> Head | None:
        """The head to remember."""
        last, begins = self.last, self.controller.begins
        return Head(last.report.sequence, last.hash, begins) if last else None


# --- the chain ------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Walk:
    links: tuple[Link, ...]
    findings: tuple[ReportFinding, ...]

    def whole_numbers(self, last: int) -> tuple[int, ...]:
        """Return the numbers of whole reports up to the last one shown."""
        return tuple(one.sequence for one in self.links if one.kind is ReportKind.WHOLE and one.sequence <= last)


def state_of(
    controller: TrustedController,
    links: Iterable[Link],
    load: Callable[[str], OpenedReport],
    head: Head | None,
    now: datetime,
) -> ControllerState:
    """Return a controller's state; `load` returns a report, or raises `BundleError`."""
    walk = _walked(controller, links, head)
    tail = _tail(walk.links)
    findings, content, last = list(walk.findings), Content(), None
    used: list[str] = []
    rows = 0
    for link in tail:
        try:
            report = load(link.hash)
            rows += len(report.report.facilities) if link.kind is ReportKind.CHANGES else 0
            _check_changes(len(used), rows)
            content = content.after(report)
        except BundleError as error:
            findings.append(_finding(Doubt.BROKEN, controller, msg("report {n}: {why}", link.sequence, str(error))))
            break
        last = report
        used.append(link.hash)
    standing, reason = _judged(controller, last, None if _is_over(controller, head) else head, now)
    findings += [reason] if reason else []
    whole_numbers = walk.whole_numbers(last.report.sequence) if last else ()
    return ControllerState(controller, standing, last, content, tuple(findings), frozenset(used), whole_numbers)


def _check_changes(number: int, rows: int) -> None:
    if number > MOST_CHANGES or rows > MOST_FACILITIES:
        raise BundleError(
            f"more than {MOST_CHANGES} reports or {MOST_FACILITIES} rows of changes follow a whole report"
        )


def _is_over(controller: TrustedController, head: Head | None) -> bool:
    return head is not None and head.begins < controller.begins


def _tail(links: Sequence[Link]) -> Sequence[Link]:
    """Return the last whole report and the changes after it."""
    whole = max((place for place, link in enumerate(links) if link.kind is ReportKind.WHOLE), default=0)
    return links[whole:]


def _walked(controller: TrustedController, links: Iterable[Link], head: Head | None) -> _Walk:
    since = [link for link in links if link.sequence >= controller.begins]
    good = [link for link in since if link.key not in controller.withdrawn]
    findings: list[ReportFinding] = []
    if controller.begins and good and len(good) < len(since):
        text = msg("signed with a withdrawn key, and not counted: {reports}", counted(len(since) - len(good), "report"))
        findings, since = [_finding(Doubt.WITHDRAWN, controller, text)], good
    by_number: dict[int, dict[str, Link]] = defaultdict(dict)
    for link in _unpruned(since, None if _is_over(controller, head) else head):
        by_number[link.sequence][link.hash] = link
    chain: list[Link] = []
    for number, rivals in sorted(by_number.items()):
        link = min(rivals.values(), key=lambda one: one.hash)
        doubt = _doubt(controller, chain, rivals, link, head)
        if doubt is None:
            chain.append(link)
            continue
        findings.append(_finding(doubt[0], controller, doubt[1]))
        if doubt[0] is not Doubt.OLDER:
            later = sum(map(len, (found for n, found in by_number.items() if n > number)))
            if later:
                text = msg("not shown after number {n}: {reports}", number, counted(later, "report"))
                findings.append(_finding(doubt[0], controller, text))
            break
    return _Walk(tuple(chain), tuple(findings))


def _unpruned(links: Sequence[Link], head: Head | None) -> Sequence[Link]:
    """Leave out pruned reports that were sent again.

    They stand before a gap in what was shown, and a whole report behind it.
    """
    shown = [link for link in links if head and link.sequence <= head.sequence]
    whole = max((link.sequence for link in shown if link.kind is ReportKind.WHOLE), default=0)
    numbers = sorted(link.sequence for link in shown)
    first = max((later for number, later in pairwise(numbers) if number + 1 < later <= whole), default=0)
    return [link for link in links if link.sequence >= first]


def _doubt(
    controller: TrustedController, chain: Sequence[Link], rivals: Mapping[str, Link], link: Link, head: Head | None
) -> tuple[Doubt, str] | None:
    if len(rivals) > 1:
        return Doubt.RIVALS, msg("{n} different reports have the number {number}", len(rivals), link.sequence)
    is_over = _is_over(controller, head)
    if head and not is_over and link.sequence == head.sequence and link.hash != head.hash:
        return Doubt.RIVALS, msg("report {n} is another one than this view has shown", link.sequence)
    if not chain:
        return _doubt_of_first(controller, link, head)
    if link.sequence != chain[-1].sequence + 1:
        missing = link.sequence - chain[-1].sequence - 1
        return Doubt.SKIPPED, msg("missing before number {n}: {reports}", link.sequence, counted(missing, "report"))
    if link.previous != chain[-1].hash:
        return Doubt.BROKEN, msg("report {n} names another predecessor", link.sequence)
    return None


def _doubt_of_first(controller: TrustedController, link: Link, head: Head | None) -> tuple[Doubt, str] | None:
    number = link.sequence
    if _is_over(controller, head):
        head = Head(controller.begins - 1, "", controller.begins)  # all from the new beginning on are due
    if link.kind is not ReportKind.WHOLE:
        return Doubt.OLDER, msg("report {n} has changes only, and its predecessor is not here", number)
    if number == controller.begins or head is None or number <= head.sequence:
        return None
    if number != head.sequence + 1:
        missing = counted(number - head.sequence - 1, "report")
        return Doubt.SKIPPED, msg("missing before number {n}: {reports}", number, missing)
    if link.previous != head.hash:
        return Doubt.BROKEN, msg("report {n} names another predecessor", number)
    return None


def _judged(
    controller: TrustedController, last: OpenedReport | None, head: Head | None, now: datetime
) -> tuple[ReportState, ReportFinding | None]:
    if last is None:
        return ReportState.NEVER, _finding(Doubt.NEVER, controller, msg("no report of it can be shown"))
    at, number = last.report.at, last.report.sequence
    if last.key in controller.withdrawn:
        text = msg("report {n} is signed with a key that was withdrawn", number)
        return ReportState.DOUBTED, _finding(Doubt.WITHDRAWN, controller, text)
    if head and number < head.sequence:
        text = msg("report {n} is the newest here, and {later} was shown", number, head.sequence)
        return ReportState.DOUBTED, _finding(Doubt.WENT_BACK, controller, text)
    if at - now > AHEAD:
        text = msg("report {n} is of {time}, which is yet to come", number, local_time(at))
        return ReportState.DOUBTED, _finding(Doubt.CLOCK_AHEAD, controller, text)
    if now - at > controller.longest:
        hours, minutes = divmod(round(controller.longest / timedelta(minutes=1)), 60)
        span = counted(60 * hours + minutes, "minute") if minutes else counted(hours, "hour")
        text = msg("the last report is of {time}; one every {hours} is agreed", local_time(at), span)
        return ReportState.SILENT, _finding(Doubt.SILENT, controller, text)
    return ReportState.CURRENT, None


def _finding(doubt: Doubt, controller: TrustedController, text: str) -> ReportFinding:
    return ReportFinding(doubt, controller.inventory, "", text)


def units_of(slug: str, scheme: str, wanted: str) -> tuple[str, ...]:
    """Return a province's slugs in another list; empty if unknown."""
    try:
        return tuple(unit.slug for unit in geography.convert(geography.by_slug(slug, scheme), wanted))
    except geography.ProvinceError:
        return ()
