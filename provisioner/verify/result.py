"""The result of a verification (docs/internals/verify.md). Pure.

Parts of a visit overlap, so that their times add up to more than the whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Self

from provisioner.base.errors import UnreadableError
from provisioner.base.frozen import HeldFacility
from provisioner.base.text import msg
from provisioner.hosts.answers import read, wire
from provisioner.hosts.facts import HostFacts
from provisioner.plan.change import Change
from provisioner.record.availability.path_state import PathState
from provisioner.verify.picture_measures import PictureView

PARTS: Mapping[str, str] = MappingProxyType(
    {
        "reads": "pictures",
        "centre reads": "pictures",
        "samples": "flow",
        "facts": "facts",
        "ports": "ports",
        "causes": "causes",
    }
)
"""The parts of a visit, in the host program's words, and in ours."""

# Shorter ones are not worth a reader's time.
_SHOWN_S = 0.1

TOLD, SILENT, NO_ANSWER = "told", "silent", "wrong answer"
REFUSED, REFUSED_BEFORE, NOT_ASKED, NOT_RUN = "login refused", "login refused before", "not asked", "not run"

OLD: Final = "old"
NEW: Final = "new"


@dataclass(frozen=True, slots=True)
class HostWait:
    """One host: when it had answered, how long its visit took by its own word, and what for.

    Attributes:
        answered_s: seconds from when all were asked until its answer; None where none came.
        visit_s: seconds on the host itself; None where it did not say.
        parts: seconds by the host program's words for them.
    """

    host: str
    answered_s: float | None = None
    visit_s: float | None = None
    parts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Waits:
    """The whole: until hosts were asked, until the last one had answered, and each host."""

    before_s: float = 0.0
    asked_s: float = 0.0
    hosts: Mapping[str, HostWait] = field(default_factory=dict)

    @property
    def total_s(self) -> float:
        """All of it."""
        return self.before_s + self.asked_s

    @property
    def last(self) -> HostWait | None:
        """The host that all waited for, of those that answered."""
        answered = [wait for wait in self.hosts.values() if wait.answered_s is not None]
        return max(answered, key=lambda wait: wait.answered_s or 0.0, default=None)


@dataclass(frozen=True, slots=True)
class DeviceAccount:
    """What came of asking one device; `detail` is what it did instead of telling."""

    outcome: str
    detail: str = ""
    model: str = ""
    serial: str = ""
    firmware: str = ""
    clock: wire.DeviceClockAnswer | None = None
    profile: wire.MediaProfileAnswer | None = None


class Verdict(StrEnum):
    """What is said of a path, from the best to the worst that can be said."""

    UP = "up"
    DEGRADED = "degraded"
    UNKNOWN = "unknown"
    DOWN = "down"
    MAINTENANCE = "maintenance"
    QUARANTINED = "quarantined"


class Layer(StrEnum):
    """Where something is broken, from the highest: what is broken above explains what is broken below."""

    HOST = "host"
    RELAY = "relay"
    FIREWALL = "firewall"
    TUNNEL = "tunnel"
    CARRIER = "carrier network"
    SITE = "site"
    RECORDER = "recorder"
    CAMERA = "camera"
    STREAM = "stream"
    PICTURE = "picture"


class Cause(StrEnum):
    """Why a path is not up, and who goes where: its word and its next step."""

    next_step: str

    def __new__(cls, word: str, next_step: str = "") -> Self:
        """Make a member; its word is its value."""
        self = str.__new__(cls, word)
        self._value_, self.next_step = word, next_step
        return self

    NONE = ""
    HOST_UNREACHABLE = "host unreachable", "whoever runs the host: it cannot be reached over SSH"
    RELAY_STOPPED = "relay stopped", "the relay: look at provisioner plan, then apply"
    FIREWALL = "firewall", "the relay: look at provisioner plan, then apply"
    FOREIGN_FIREWALL = "foreign firewall", "whoever set that table, on the host that is named"
    TUNNEL_DOWN = "tunnel down", "the site's line and its gateway"
    CARRIER_NETWORK_DOWN = "carrier network down", "the carrier: its route to the site, and the site's line"
    CARRIER_OR_CAMERA = (
        "carrier network or camera",
        "the site: does the device run; then the carrier: its route, and what filters on the way",
    )
    PACKETS_TOO_LARGE = "packets too large", "the carrier: the line's MTU"
    SITE_NETWORK_DOWN = "site network down", "the site: LAN cable, switch and power"
    NOT_FORWARDED = "gateway forwards nothing", "the gateway: IP forwarding, and its own rules"
    PORT_MAP_MISSING = "port map missing", "the gateway: install its newest site package"
    PORT_MAP_OR_CAMERA = "port map or camera", "the gateway: install its newest site package, which tells"
    ADDRESS_MAP_MISSING = "address map missing", "the gateway: install its newest site package"
    ADDRESS_MAP_OR_CAMERA = "address map or camera", "the gateway: install its newest site package, which tells"
    SITE_SILENT = "site does not publish", "the site: its line, its power, and its gateway's log"
    PUBLISHER_REFUSED = "publisher refused", "the gateway: install its newest site package"
    NOT_PUBLISHED = "stream not published", "the site: its gateway's log says why"
    CAMERA_REFUSES = "camera refuses", "the camera: is RTSP on, and on that port?"
    CAMERA_UNPLUGGED = "camera unplugged", "the camera: power, cable and address"
    CAMERA_SHUT = "camera firewall", "the camera: its own filter; otherwise restart it"
    CAMERA_HUNG = "camera hung", "the camera: restart it"
    WRONG_ANSWER = "wrong answer", "the camera's settings, and the port in the inventory"
    WRONG_PASSWORD = "wrong password", "whoever set the password: correct it in secrets/ and apply"
    NO_SUCH_STREAM = "no such stream", "the inventory: channel and make"
    SILENT = "silent", "the camera, or its recorder's input"
    PICTURE_DIFFERS = "picture differs", "the camera's settings, or the inventory"
    SENDS_SOUND = "sends sound", "the camera's settings: nobody asked for sound"
    BLACK_PICTURE = "black picture", "the camera: lens, cover, light and cable"
    FLAT_PICTURE = "flat picture", "the camera: lens, cover, light and cable"
    NO_VIDEO = "no video card", "the recorder's input, or the camera behind it"
    PICTURE_REPEATS = "picture repeats", "the camera: restart it"
    CORRUPT = "corrupt picture", "the camera, or its line"
    TIME_STUCK = "timestamps stuck", "the camera, or its line"
    RATE_TOO_LOW = "rate too low", "the camera, or its line"
    STARVED = "starved", "the line that is named: it does not bear what is sent"
    REDIRECTED = "camera redirects", "the camera: somebody may have changed it"
    ANOTHER_DEVICE = "another device", "the device: is it the one of the inventory, and in its place?"
    PROFILE_DIFFERS = "profile differs", "the camera's settings, or the inventory"
    DEVICE_CLOCK_OFF = "device clock off", "the camera: its clock, time zone and time server"
    ACCOUNT_LACKING = "device tells nothing", "the camera: is ONVIF on, with a user of its own?"
    CENTRE_CANNOT_READ = "centre cannot read", "the connection between the relay and the centre"
    HUB_CANNOT_SERVE = "hub cannot serve", "the hub at the centre: its MediaMTX, and its login at the relay"
    ANOTHER_CERTIFICATE = "another certificate", "the relay: apply, so that it shows its own certificate"
    DRIFT = "drift", "look at provisioner plan, then apply"
    HELD = "held", "the facility's file: see provisioner validate"
    FLAPPING = "flapping", "the camera's power and line"
    NOT_CHECKED = "not checked", "verify again: nobody could look"
    CANNOT_CHECK = "cannot check", "the host: the detail says what it lacks"
    DISK_FULL = "disk full", "the host: make room"
    CLOCK_OFF = "clock off", "the host: set its clock"
    ANOTHER_FIREWALL = "another firewall", "the host: let our ports in there too, or switch it off"
    CERTIFICATE_ENDS = "certificate ends", "whoever keeps the inventory: renew the certificate, and apply"
    NOT_ASKED = "not asked for"
    UNKNOWN = "unknown", "see the detail"


IMPERFECT = frozenset(
    {
        *(Cause.PICTURE_DIFFERS, Cause.SENDS_SOUND, Cause.STARVED),
        *(Cause.CORRUPT, Cause.TIME_STUCK, Cause.RATE_TOO_LOW, Cause.ANOTHER_DEVICE),
    }
)
"""A picture comes, and it is not what was agreed."""

INFERRED = frozenset(
    {
        *(Cause.PORT_MAP_MISSING, Cause.ADDRESS_MAP_MISSING, Cause.SILENT, Cause.UNKNOWN, Cause.NOT_CHECKED),
        *(Cause.SITE_SILENT, Cause.NOT_PUBLISHED),
    }
)
"""What is concluded from a silence; any other cause was said by somebody, or read off a host."""


@dataclass(frozen=True, slots=True)
class StandingFailure:
    """A failure that stands: since when, how many looks saw it, and whether that is enough for `down`."""

    since: datetime
    looks: int
    confirmed: bool


@dataclass(frozen=True, slots=True)
class LastProof:
    """The highest level that was ever proved of a path, and when that was the last time."""

    level: int
    at: datetime


@dataclass(frozen=True, slots=True)
class InMaintenance:
    """The maintenance window that a path is in, and what would be said of it without one."""

    begin: datetime
    until: datetime
    reason: str
    would_be: Verdict


_RANKS: Final[Mapping[str | None, int]] = MappingProxyType({layer: rank for rank, layer in enumerate(Layer)})


@dataclass(frozen=True, slots=True)
class Finding:
    """A broken object: cause, layer, evidence. It goes from the check to the page as one value.

    Attributes:
        layer: `None` if nothing is broken, or if the object is unknown.
        detail: a `Sentence`; plain English text if it comes from a record.
        level: the number of the level that failed; 0 if none did.
    """

    cause: Cause
    layer: Layer | None = None
    object: str = ""
    detail: str = ""
    level: int = 0

    @property
    def rank(self) -> int:
        """The layer's place, 0 for the highest; without a layer the last."""
        return _RANKS.get(self.layer, len(_RANKS))


NO_FINDING: Final = Finding(Cause.NONE)
"""The finding of a path that is up."""


class WithFinding:
    """Base of a value with a finding: documents and pages read its parts by name."""

    __slots__ = ()
    finding: Finding

    @property
    def cause(self) -> Cause:
        """Why it is not up."""
        return self.finding.cause

    @property
    def layer(self) -> Layer | None:
        """The layer of the broken object."""
        return self.finding.layer

    @property
    def object(self) -> str:
        """The broken object."""
        return self.finding.object

    @property
    def detail(self) -> str:
        """The evidence."""
        return self.finding.detail


@dataclass(frozen=True, slots=True)
class PathLook:
    """What one look showed of a path by itself, to be remembered (`verify.memory`).

    Attributes:
        path: what the path's memory is called.
        at: when the evidence was gathered.
        verdict: by this look alone: `up`, `degraded`, `unknown` or `down`.
        finding: what is broken; None when up.
        proved: the levels that passed.
        content: the hash of what the path was to be.
        complete: whether the highest level of all was among those that were asked for.
        full: whether a full look was taken at the picture, and nothing failed in it.
        keys: hashes of key packets that were seen, in their order.
        suspects: kinds that were seen; None where the picture was not judged, so that nothing is known of them.
        noise: the least that two of its key pictures differed, in levels; None where that was not measured.
        maintenance: whether the path was in a maintenance window.
    """

    path: str
    at: datetime
    verdict: Verdict
    finding: Finding | None = None
    proved: tuple[int, ...] = ()
    content: str = ""
    complete: bool = False
    full: bool = False
    keys: tuple[str, ...] = ()
    suspects: frozenset[str] | None = None
    noise: float | None = None
    maintenance: bool = False


@dataclass(frozen=True, slots=True)
class ReferenceReport:
    """What is told of a path's references.

    Attributes:
        count: how many there are.
        newest: when the newest was seen.
        lights: in which light they were taken: `day`, `night` or `between`.
        move_shows: whether a move would be seen in all of them.
    """

    count: int
    newest: datetime
    lights: tuple[str, ...]
    move_shows: bool


@dataclass(frozen=True, slots=True)
class Accepted:
    """What came of a path whose picture was to be accepted.

    Attributes:
        refused: why it was not; empty where it was.
        notes: what a person should know of it.
    """

    path: str
    refused: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SuspectSign:
    """What one look makes suspect.

    Attributes:
        kind: under which it is remembered.
        word: what it looks like.
        detail: the evidence, in words.
    """

    kind: str
    word: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ToLookAt:
    """What has been suspect for long enough to send a person to look.

    Attributes:
        since: the first check that saw it; none since saw that it was gone.
        checks: how many did.
    """

    word: str
    since: datetime
    checks: int
    detail: str = ""


@dataclass(frozen=True, slots=True)
class PictureReport:
    """What a look made of a path's picture.

    Attributes:
        state: `good`, `faulty`, `dark: cannot judge`, `not measured`, or `not due` where nobody looked.
        full: whether the look was a full one.
        seconds: how long it took.
        suspects: kinds that a person should look at once they last.
        labels: what cannot be said of this camera, e.g. `freeze not decidable`.
        keys: what its key packets are known by.
        noise: the least that two of its key pictures differed, in levels; None where that was not measured.
        fps: how many frames a second came.
        kbps: how much came.
        view: what the last picture shows, in measures; None where none was measured.
        seen: what is suspect in this look, with its evidence.
        undecided: why its view was compared with nothing, or what cannot be said of it; empty where all was.
    """

    state: str
    full: bool = False
    seconds: float = 0.0
    suspects: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    keys: tuple[str, ...] = field(default=(), repr=False)
    noise: float | None = None
    fps: float | None = None
    kbps: int | None = None
    view: PictureView | None = field(default=None, repr=False)
    seen: tuple[SuspectSign, ...] = ()
    undecided: str = ""

    @property
    def look(self) -> str | None:
        """How it was looked at; `None` if nobody looked."""
        return ("full" if self.full else "quick") if self.seconds else None

    @property
    def is_notable(self) -> bool:
        """Whether there is more to say of it than that it is good."""
        return bool(self.seconds) and (self.state not in {"good", "faulty"} or bool(self.suspects or self.labels))

    @property
    def in_words(self) -> str:
        """What is to be said of it."""
        return f"picture {', '.join((self.state, *self.suspects, *self.labels))}"


@dataclass(frozen=True, slots=True)
class SettingSeen:
    """A setting under change, of which either is taken (`accept` in a facility's file).

    Attributes:
        setting: `login` of a device, or `picture` of a stream.
        object: the device or camera that it is of, within its facility.
        until: the last day on which either is taken.
        seen: `old` or `new`; empty where no picture told which it is.
    """

    setting: str
    object: str
    until: date
    seen: str


@dataclass(frozen=True, slots=True)
class PathVerdict(WithFinding):
    """What is said of one path.

    Attributes:
        level: the highest level passed with all lower ones of `judge.LEVELS` passed; 0 is none. The first one
            is about the host, so that a good picture over a drifted host has level 0, is `degraded`, and shows
            in `passed` how far it really came.
        passed: every level that passed.
        checked_at: when evidence was gathered; None where there is none.
        standing: the failure that stands, where the path failed.
        last_proof: what was last proved of a path that is not up, as far as it is remembered.
        maintenance: the window that it is in.
        picture: what a look made of its picture; None where no host told anything of the path.
        to_look_at: what a person should look at; it changes no verdict.
        settings: those of it that are under change, and which of the two each was seen by.
    """

    path: str
    carrier: str
    province: str
    facility: str
    camera: str
    relay: str
    verdict: Verdict
    level: int
    finding: Finding
    checked_at: datetime | None
    passed: tuple[int, ...] = ()
    standing: StandingFailure | None = None
    last_proof: LastProof | None = None
    maintenance: InMaintenance | None = None
    picture: PictureReport | None = None
    to_look_at: tuple[ToLookAt, ...] = ()
    settings: tuple[SettingSeen, ...] = ()

    @property
    def without_window(self) -> Verdict:
        """What is said of it, or would be if it were in no maintenance window."""
        return self.maintenance.would_be if self.maintenance else self.verdict

    @property
    def is_measured(self) -> bool:
        """Whether this run came to know how the path is, as far as it was asked."""
        is_known = self.without_window is not Verdict.UNKNOWN or self.standing is not None
        return is_known or (self.cause is Cause.NOT_ASKED and self.checked_at is not None)


@dataclass(frozen=True, slots=True)
class Incident(WithFinding):
    """One thing that is broken, and the paths that suffer from it."""

    finding: Finding
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class HostReport:
    """One host: whether it answered, its drift, and its condition.

    Attributes:
        outcome: `answered`, `unreachable` or `failed`.
        drift: what differs from the desired state; None where that could not be read.
        findings: what is wrong with the host itself, which degrades no path.
        held: the facilities that are held and of which it has something.
        facts: those about the machine; `None` if it did not tell them.
    """

    host: str
    outcome: str
    error: str
    drift: tuple[Change, ...] | None
    held: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    facts: HostFacts | None = field(default=None, repr=False)


class DeviceState(StrEnum):
    """What a device's account of itself comes to, from the best to the worst; never changes its meaning."""

    AS_AGREED = "as agreed"
    NOT_COMPARED = "not compared"
    NOT_ASKED = "not asked"
    NOT_TOLD = "not told"
    LOGIN_REFUSED = "login refused"
    ANOTHER = "another device"


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """One device that is asked about itself, at one relay.

    Attributes:
        device: within its facility: a recorder, or a camera with an address of its own.
        detail: why it is another one, or why it told nothing; empty where it did.
        model: in its own words, as `serial` and `firmware`; empty where it does not tell.
        clock_off_s: by how many seconds its clock is ahead (or behind, below 0) at least; None where nothing is known.
        shown_off_s: the same of the time that it shows in its picture, beside Vietnam's.
        findings: what is wrong with the device itself, which degrades no path.
    """

    facility: str
    province: str
    device: str
    relay: str
    carrier: str
    layer: Layer
    state: DeviceState
    detail: str = ""
    model: str = ""
    serial: str = ""
    firmware: str = ""
    clock_off_s: int | None = None
    shown_off_s: int | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def name(self) -> str:
        """The device within its facility, as verdicts name it."""
        return f"{self.facility}/{self.device}"


@dataclass(frozen=True, slots=True)
class CameraSample:
    """The cameras that a run was to measure, of those that were chosen.

    Attributes:
        asked: the share or the number, as it was written.
        week: the week whose sample it is, e.g. `2021-W19`.
    """

    asked: str
    week: str
    cameras: int
    of_cameras: int


@dataclass(frozen=True, slots=True)
class Scope:
    """How far a run was asked to go.

    Attributes:
        level: up to which level; None is all of them.
        sample: None where every path was to be measured.
        deadline_s: how long it could take at most; None: as long as it takes.
        once: whether paths were to be judged by one look alone.
    """

    level: int | None = None
    sample: CameraSample | None = None
    deadline_s: float | None = None
    once: bool = False


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """What came of a verification.

    Attributes:
        engine: what serves the paths, as it names itself; the lab's stand-in is never called MediaMTX.
        held: of what was chosen, the facilities with errors of their own: what is live of them was not checked.
        scope: how far it was asked to go.
        forgot: why nothing is remembered of earlier runs; empty where the memory could be read.
        looks: what each look showed, to be remembered; in no document.
        references: what is known of the references of paths, by their names.
        accepted: what came of paths whose pictures were to be accepted; None where none were.
        waits: where the time went.
        before: since when paths that are not up had been what they were, by earlier verifications.
        devices: those that were asked about themselves; none where the inventory asks nobody.
    """

    engine: str
    started_at: datetime
    finished_at: datetime
    paths: tuple[PathVerdict, ...]
    incidents: tuple[Incident, ...]
    hosts: tuple[HostReport, ...] = ()
    held: tuple[HeldFacility, ...] = ()
    scope: Scope = Scope()
    forgot: str = ""
    looks: tuple[PathLook, ...] = field(default=(), repr=False)
    waits: Waits = field(default_factory=Waits)
    references: Mapping[str, ReferenceReport] = field(default_factory=dict, repr=False)
    accepted: tuple[Accepted, ...] | None = None
    before: Mapping[str, PathState] = field(default_factory=dict, repr=False)
    devices: tuple[DeviceReport, ...] = ()

    @property
    def all_up(self) -> bool:
        """Whether there are paths and every one of them is up."""
        return bool(self.paths) and all(p.verdict is Verdict.UP for p in self.paths)


# From the mildest: each fails together with those after it. What was not checked may be down.
_FAILURES = (Verdict.DEGRADED, Verdict.UNKNOWN, Verdict.QUARANTINED, Verdict.DOWN)

COUNTED = (
    Verdict.UP,
    Verdict.DEGRADED,
    Verdict.DOWN,
    Verdict.UNKNOWN,
    Verdict.MAINTENANCE,
    Verdict.QUARANTINED,
)
"""The verdicts in the order in which documents count them."""


def together(rounds: Iterable[Waits]) -> Waits:
    """The waits of several rounds in one; what is said of a host is of the round in which it was first asked."""
    every = list(rounds)
    hosts = {host: wait for one in reversed(every) for host, wait in one.hosts.items()}
    return Waits(sum(one.before_s for one in every), sum(one.asked_s for one in every), hosts)


def host_wait(host: str, document: Mapping[str, object], answered_s: float | None) -> HostWait:
    """A host's part, out of its answer; what it says of its time is worth nothing where it cannot be read."""
    try:
        times = read(wire.TimesAnswer, document)
    except UnreadableError:
        return HostWait(host, answered_s)
    seconds = {span["what"]: max(0.0, span["seconds"]) for span in times.get("spans", ())}
    parts = {what: seconds[what] for what in PARTS if what in seconds}
    return HostWait(host, answered_s, max(0.0, times["seconds"]), parts)


def waits_line(waits: Waits) -> str:
    """The whole in one line, for the host that all others waited for; what it did side by side, the longest first."""
    head = msg("took {total_s} s: {before_s} s until hosts were asked", f"{waits.total_s:.1f}", f"{waits.before_s:.1f}")
    last = waits.last
    if last is None or last.answered_s is None:
        return msg("{head}, {asked_s} s for answers that did not come", head, f"{waits.asked_s:.1f}")
    if last.visit_s is None:
        return msg("{head}, {answered_s} s for {host}, the last to answer", head, f"{last.answered_s:.1f}", last.host)
    way = max(0.0, last.answered_s - last.visit_s)
    head = msg(
        "{head}, {way} s on the way to {host}, {visit_s} s there", head, f"{way:.1f}", last.host, f"{last.visit_s:.1f}"
    )
    parts = sorted(last.parts.items(), key=lambda part: -part[1])
    named = ", ".join(f"{PARTS[what]} {seconds:.1f} s" for what, seconds in parts if seconds >= _SHOWN_S)
    return f"{head} ({named})" if named else head


def accounts_in(accounts: Mapping[str, wire.AccountAnswer]) -> Mapping[str, DeviceAccount]:
    """The accounts in a relay's answer, by the devices' names; none where nobody was asked.

    Raises:
        UnreadableError: a clock ran backwards.
    """
    return {name: _account(one) for name, one in accounts.items()}


def _account(one: wire.AccountAnswer) -> DeviceAccount:
    clock = one.get("clock")
    if clock and clock["before"] > clock["after"]:
        raise UnreadableError("relay.onvif has what is no span of time")
    return DeviceAccount(
        outcome=one["outcome"],
        detail=one.get("detail", ""),
        model=one.get("model", "").strip(),
        serial=one.get("serial", "").strip(),
        firmware=one.get("firmware", "").strip(),
        clock=clock,
        profile=one.get("profile"),
    )


def exit_code(result: VerifyResult, fail_on: Verdict = Verdict.DEGRADED) -> int:
    """The exit code: 1 if a path is as bad as `fail_on` or worse, or if no path was measured, else 0.

    What nobody asked for fails nothing: paths outside of a sample, levels above the asked one. What is in a
    maintenance window does not, either.
    """
    return int(not any(map(was_asked, result.paths)) or any(fails(path, fail_on) for path in result.paths))


def was_asked(path: PathVerdict) -> bool:
    """Whether a run was to measure a path, however far."""
    return path.cause is not Cause.NOT_ASKED or path.checked_at is not None


def fails(path: PathVerdict, fail_on: Verdict) -> bool:
    """Whether a path is as bad as `fail_on` or worse."""
    return path.verdict in _FAILURES[_FAILURES.index(fail_on) :] and path.cause is not Cause.NOT_ASKED


def summary_of(verdicts: Iterable[Verdict]) -> dict[str, int]:
    """Count the verdicts of paths."""
    counts = Counter(verdicts)
    return {"paths": counts.total(), **{v.value: counts[v] for v in COUNTED}}
