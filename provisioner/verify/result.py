"""The result of a verification; times of a visit's parts overlap. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final, Literal, Self, TypeVar

from pydantic import AliasChoices, BeforeValidator, Field, WithJsonSchema

from provisioner.base.document import Count, Day, Positive, UtcMoment
from provisioner.base.errors import FrozenFacility, UnreadableError
from provisioner.base.language import marked
from provisioner.base.text import msg
from provisioner.hosts.answers import read, wire
from provisioner.hosts.facts import HostFacts
from provisioner.plan.change import Change
from provisioner.record.availability.path_state import PathState
from provisioner.verify.picture_measures import PictureView

#: The parts of a visit: the host program's words and ours.
PARTS: Mapping[str, str] = {
    "reads": "pictures",
    "centre reads": "pictures",
    "samples": "flow",
    "facts": "facts",
    "ports": "ports",
    "causes": "causes",
}

_SAID: Final = {**PARTS, "awaited": "centres' reads", "again": "failures again"}  #: The parts that people are told of.

# Shorter ones are not worth a reader's time.
_SHOWN_S = 0.1

TOLD, SILENT, NO_ANSWER = "told", "silent", "wrong answer"
REFUSED, REFUSED_BEFORE, NOT_ASKED, NOT_RUN = "login refused", "login refused before", "not asked", "not run"

OLD: Final = "old"
NEW: Final = "new"
InUse = Literal["old", "new"] | None


@dataclass(frozen=True, slots=True)
class HostWait:
    """A host's times."""

    host: str
    answered_s: float | None = None  #: Seconds from the question to its answer, if any.
    visit_s: float | None = None  #: Seconds on the host itself, if known.
    parts: Mapping[str, float] = field(default_factory=dict)  #: Seconds by the host program's words.


@dataclass(frozen=True, slots=True)
class Waits:
    """Times before the question, until the last answer, and by host."""

    before_s: float = 0.0
    asked_s: float = 0.0
    hosts: Mapping[str, HostWait] = field(default_factory=dict)

    @property
    def total_s(self) -> float:
        """The total."""
        return self.before_s + self.asked_s

    @property
    def last(self) -> HostWait | None:
        """The last host to answer."""
        answered = [wait for wait in self.hosts.values() if wait.answered_s is not None]
        return max(answered, key=lambda wait: wait.answered_s or 0.0, default=None)


@dataclass(frozen=True, slots=True)
class DeviceAccount:
    """The result of asking a device; `detail` explains a missing account."""

    outcome: str
    detail: str = ""
    model: str = ""
    serial: str = ""
    firmware: str = ""
    clock: wire.DeviceClockAnswer | None = None
    profile: wire.MediaProfileAnswer | None = None


_Word = TypeVar("_Word", bound=StrEnum)


def choice_or_default(choices: type[_Word], default: _Word) -> BeforeValidator:
    """Replace an unknown word of a later version with another."""
    values = frozenset(choices)
    return BeforeValidator(lambda value: default if isinstance(value, str) and value not in values else value)


def one_of(*words: str) -> WithJsonSchema:
    """Put today's words into the schema; words of later versions stay valid."""
    return WithJsonSchema({"enum": list(words)})


class Verdict(StrEnum):
    """The state of a path."""

    UP = "up"
    DEGRADED = "degraded"
    UNKNOWN = "unknown"
    DOWN = "down"
    MAINTENANCE = "maintenance"
    QUARANTINED = "quarantined"


SaidVerdict = Annotated[Verdict, choice_or_default(Verdict, Verdict.UNKNOWN)]  #: A verdict of any version.


class Layer(StrEnum):
    """Layers of broken objects, highest first: higher faults explain lower ones."""

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
    """Why a path is not up: a word, and its next step."""

    next_step: str

    def __new__(cls, word: str, next_step: str = "") -> Self:
        """Make a member; its word is its value."""
        self = str.__new__(cls, word)
        self._value_, self.next_step = word, next_step
        return self

    NONE = ""
    HOST_UNREACHABLE = "host unreachable", "whoever runs the host: it cannot be reached over SSH"
    RELAY_STOPPED = "relay stopped", "the relay: its log; then provisioner plan, and apply"
    FIREWALL = "firewall", "the relay: look at provisioner plan, then apply"
    FOREIGN_FIREWALL = "foreign firewall", "whoever set that rule, on the named host or device (nft list ruleset)"
    TUNNEL_DOWN = "tunnel down", "the named site's line and gateway; of a named relay, its own line"
    CARRIER_NETWORK_DOWN = "carrier network down", "the carrier: its route to the site; then the site's line and power"
    CARRIER_OR_CAMERA = (
        "carrier network or camera",
        "the site: does the device run; then the carrier: its route, and what filters on the way",
    )
    PACKETS_TOO_LARGE = "packets too large", "the carrier: the line's MTU; else lower the tunnel's"
    SITE_NETWORK_DOWN = "site network down", "the site: LAN cable, switch and power"
    NOT_FORWARDED = "gateway forwards nothing", "the gateway: IP forwarding, and its own rules"
    PORT_MAP_MISSING = "port map missing", "the gateway: install its newest site package"
    PORT_MAP_OR_CAMERA = "port map or camera", "the gateway: install its newest site package, which tells"
    ADDRESS_MAP_MISSING = "address map missing", "the gateway: install its newest site package"
    ADDRESS_MAP_OR_CAMERA = "address map or camera", "the gateway: install its newest site package, which tells"
    SITE_SILENT = (
        "site does not publish",
        "the named site: line, power, its gateway's log; of a named relay, its own line",
    )
    PUBLISHER_REFUSED = "publisher refused", "the gateway: install its newest site package; else apply to the relay"
    NOT_PUBLISHED = "stream not published", "the site: its gateway's log says why"
    CAMERA_REFUSES = "camera refuses", "the camera: is RTSP on, and on that port?"
    CAMERA_UNPLUGGED = "camera unplugged", "the camera: power, cable and address"
    CAMERA_SHUT = "camera firewall", "the camera: its own filter; otherwise restart it"
    CAMERA_HUNG = "camera hung", "the camera: restart it"
    WRONG_ANSWER = "wrong answer", "the camera: restart it; then its settings, and the port in the inventory"
    WRONG_PASSWORD = (
        "wrong password",
        "whoever set the password: correct it in secrets/ and apply, or provisioner quarantine lift",
    )
    NO_SUCH_STREAM = "no such stream", "the inventory: channel and make"
    SILENT = "silent", "the camera: restart it; else its recorder's input"
    PICTURE_DIFFERS = "picture differs", "the camera's settings, or the inventory"
    SENDS_SOUND = "sends sound", "the camera's settings: switch sound off, or write audio: true if it was asked for"
    BLACK_PICTURE = "black picture", "the camera: lens, cover, light and cable"
    FLAT_PICTURE = "flat picture", "the camera: lens, cover, light and cable"
    NO_VIDEO = "no video card", "the recorder's input, or the camera behind it"
    PICTURE_REPEATS = "picture repeats", "the camera: restart it"
    CORRUPT = "corrupt picture", "the camera's network and uplink"
    TIME_STUCK = "timestamps stuck", "the camera: restart it; else its line"
    RATE_TOO_LOW = "rate too low", "the camera, or its line; write fps if fewer frames are agreed"
    STARVED = "starved", "the named line, the camera's cable and load, or the centre's readers"
    REDIRECTED = "camera redirects", "the camera: somebody may have changed it"
    ANOTHER_DEVICE = "another device", "the device: is it in its place? Swap the devices, or correct the inventory"
    PROFILE_DIFFERS = "profile differs", "the camera's settings, or the inventory"
    DEVICE_CLOCK_OFF = "device clock off", "the camera: its clock, time zone and time server"
    ACCOUNT_LACKING = (
        "device tells nothing",
        "the camera: ONVIF on, with a user of the same login; then verify --onvif-again",
    )
    CENTRE_CANNOT_READ = "centre cannot read", "the connection between the relay and the centre"
    KEY_FRAMES_RARE = "key frames rare", "the camera's settings: a key frame every 4 s or less"
    STREAM_ENDS = "stream ends", "the camera: restart it"
    PORT_MAP_WRONG = "port map wrong", "the gateway: install its newest site package; else swap the devices' addresses"
    RELAY_RESTARTS = "relay restarts", "the relay: its log says why it ends"
    RELAY_STRAINED = (
        "relay lacks resources",
        "the host: more files (LimitNOFILE), processor (CPUQuota) or memory for the relay",
    )
    FOREIGN_ACCESS = "foreign access", "the relay: find who added it; provisioner plan, then apply, takes it away"
    HUB_CANNOT_SERVE = "hub cannot serve", "the hub at the centre: its MediaMTX, and its login at the relay"
    ANOTHER_CERTIFICATE = "another certificate", "the relay: apply, so that it shows its own certificate"
    DRIFT = "drift", "look at provisioner plan, then apply"
    HELD = "held", "the facility's file: see provisioner validate"
    FLAPPING = "flapping", "the camera's power and line"
    NOT_CHECKED = "not checked", "verify again"
    CANNOT_CHECK = "cannot check", "the host: the detail says what it lacks"
    DISK_FULL = "disk full", "the host: make room"
    CLOCK_OFF = "clock off", "the host: set its clock"
    ANOTHER_FIREWALL = "another firewall", "the host: let our ports in there too, or switch it off"
    CERTIFICATE_ENDS = "certificate ends", "whoever keeps the inventory: renew the certificate, and apply"
    NOT_ASKED = "not asked for"
    UNKNOWN = "unknown", "see the detail"


#: Next steps if the broken object is a recorder, not one of its cameras.
OF_RECORDER: Final = {
    Cause.CAMERA_REFUSES: marked("the recorder: is RTSP on, and on that port?"),
    Cause.CAMERA_UNPLUGGED: marked("the recorder: power, cable and address"),
    Cause.CAMERA_SHUT: marked("the recorder: its own filter; otherwise restart it"),
    Cause.CAMERA_HUNG: marked("the recorder: restart it"),
    Cause.SILENT: marked("the recorder: restart it"),
    Cause.STREAM_ENDS: marked("the recorder: restart it"),
    Cause.WRONG_ANSWER: marked("the recorder: restart it; then its settings, and the port in the inventory"),
    Cause.PROFILE_DIFFERS: marked("the recorder's settings, or the inventory"),
    Cause.DEVICE_CLOCK_OFF: marked("the recorder: its clock, time zone and time server"),
    Cause.ACCOUNT_LACKING: marked("the recorder: ONVIF on, with a user of the same login; then verify --onvif-again"),
}

#: Causes with a picture that differs from the agreed one.
IMPERFECT = frozenset(
    {
        *(Cause.PICTURE_DIFFERS, Cause.SENDS_SOUND, Cause.STARVED),
        *(Cause.CORRUPT, Cause.TIME_STUCK, Cause.RATE_TOO_LOW, Cause.ANOTHER_DEVICE, Cause.KEY_FRAMES_RARE),
    }
)

#: Causes inferred from a silence; all others were reported or read from a host.
INFERRED = frozenset(
    {
        *(Cause.PORT_MAP_MISSING, Cause.ADDRESS_MAP_MISSING, Cause.SILENT, Cause.UNKNOWN, Cause.NOT_CHECKED),
        *(Cause.SITE_SILENT, Cause.NOT_PUBLISHED),
    }
)


#: Causes of a missing picture, the most specific first: a less specific one is the same failure.
TELLING = (
    *(Cause.WRONG_PASSWORD, Cause.REDIRECTED, Cause.CAMERA_HUNG, Cause.WRONG_ANSWER, Cause.CAMERA_REFUSES),
    *(Cause.NO_SUCH_STREAM, Cause.STREAM_ENDS, Cause.SILENT),
)
VAGUE = frozenset({Cause.SILENT, Cause.UNKNOWN})  #: Causes that give way to a more specific one of the same camera.

#: Causes of the whole device; others are of one stream.
OF_DEVICE = frozenset(
    {
        *(Cause.WRONG_PASSWORD, Cause.CAMERA_REFUSES, Cause.CAMERA_UNPLUGGED, Cause.CAMERA_HUNG, Cause.CAMERA_SHUT),
        Cause.WRONG_ANSWER,
    }
)

#: Symptoms of lost large packets.
STALLED = frozenset({Cause.SILENT, Cause.CAMERA_HUNG, Cause.STREAM_ENDS, Cause.UNKNOWN})

#: Causes that MediaMTX's own state explains: all of it is said by MediaMTX, or of its streams.
OF_MEDIAMTX = frozenset(
    {
        *(Cause.RELAY_STOPPED, Cause.SITE_SILENT, Cause.NOT_PUBLISHED, Cause.CAMERA_HUNG, Cause.SILENT, Cause.STARVED),
        *(Cause.CORRUPT, Cause.TIME_STUCK, Cause.RATE_TOO_LOW, Cause.REDIRECTED, Cause.CENTRE_CANNOT_READ),
        *(Cause.HUB_CANNOT_SERVE, Cause.KEY_FRAMES_RARE, Cause.STREAM_ENDS, Cause.NOT_CHECKED, Cause.CANNOT_CHECK),
        Cause.UNKNOWN,
    }
)

#: Causes of the answers of another device in the agreed one's place.
OF_ANOTHER_DEVICE = frozenset(
    {
        *(Cause.WRONG_PASSWORD, Cause.NO_SUCH_STREAM, Cause.PICTURE_DIFFERS, Cause.WRONG_ANSWER, Cause.CAMERA_REFUSES),
        *(Cause.SILENT, Cause.UNKNOWN, Cause.REDIRECTED),
    }
)


@dataclass(frozen=True, slots=True)
class LastingFailure:
    """A present failure."""

    since: UtcMoment
    looks: Positive
    confirmed: bool  #: Whether the looks suffice for `down`.


@dataclass(frozen=True, slots=True)
class LastProof:
    """A path's highest proved level, and its last proof."""

    level: int
    at: datetime


@dataclass(frozen=True, slots=True)
class InMaintenance:
    """A path's maintenance window, and its verdict without it."""

    begin: Annotated[UtcMoment, Field(validation_alias=AliasChoices("from", "begin"), serialization_alias="from")]
    until: UtcMoment
    reason: str
    would_be: Annotated[SaidVerdict, one_of(*(one for one in Verdict if one is not Verdict.MAINTENANCE))]


_RANKS: Final[Mapping[str | None, int]] = {layer: rank for rank, layer in enumerate(Layer)}


@dataclass(frozen=True, slots=True)
class Finding:
    """A broken object as one value from check to page."""

    cause: Cause
    layer: Layer | None = None  #: `None` without a fault, or if the object is unknown.
    object: str = ""
    detail: str = ""  #: A `Sentence`; plain English text if it comes from a record.
    level: int = 0  #: The failed level's number, or 0.
    has_frame: bool = field(default=True, compare=False)  #: Whether a read with a fault had a picture, by its frame.

    @property
    def rank(self) -> int:
        """The layer's position, 0 for the highest; without a layer the last."""
        return _RANKS.get(self.layer, len(_RANKS))


NO_FINDING: Final = Finding(Cause.NONE)  #: The finding of a path that is up.


class WithFinding:
    """Base of a value with a finding, whose parts are its attributes."""

    __slots__ = ()
    finding: Finding

    @property
    def cause(self) -> Cause:
        """The cause."""
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

    @property
    def next_step(self) -> str:
        """The action on the broken object; empty if there is none."""
        of_recorder = OF_RECORDER.get(self.cause, "") if self.layer is Layer.RECORDER else ""
        return of_recorder or self.cause.next_step


@dataclass(frozen=True, slots=True)
class PlacedFinding(WithFinding):
    """A fault with its paths, and their places."""

    finding: Finding
    paths: tuple[str, ...] = ()
    facilities: tuple[str, ...] = ()
    provinces: tuple[str, ...] = ()
    carriers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PathLook:
    """The result of one look at a path, for its memory (`verify.memory`)."""

    path: str  #: The memory's key.
    at: datetime  #: The time of the evidence.
    verdict: Verdict  #: Of this look alone: `up`, `degraded`, `unknown` or `down`.
    finding: Finding | None = None  #: The fault; `None` if up.
    proved: tuple[int, ...] = ()  #: The levels that passed.
    content: str = ""  #: The hash of the desired path.
    complete: bool = False  #: Whether the highest level was requested.
    full: bool = False  #: Whether a full look found no fault.
    keys: tuple[str, ...] = ()  #: Hashes of key packets, in order.
    suspects: frozenset[str] | None = None  #: Kinds of suspicions; `None` if the picture was not judged.
    noise: float | None = None  #: The smallest difference of two key pictures, in levels, if measured.
    maintenance: bool = False  #: Whether the path was in a maintenance window.
    since: datetime | None = None  #: The start of its run, whose looks are one check; `None` for a single look.


@dataclass(frozen=True, slots=True)
class ReferenceReport:
    """The report on a path's references."""

    count: int  #: Their number.
    newest: datetime  #: The time of the newest view.
    lights: tuple[str, ...]  #: `day`, `night` or `between`.
    move_shows: bool  #: Whether all of them would show a move.


@dataclass(frozen=True, slots=True)
class Accepted:
    """A path of `--accept`."""

    path: str
    accepted: bool
    refused: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SuspectSign:
    """A suspicion of one look."""

    kind: str  #: In the memory.
    word: str  #: The appearance.
    detail: str = ""  #: The evidence in words.


@dataclass(frozen=True, slots=True)
class ToLookAt:
    """A suspected fault for a person to check."""

    word: str
    since: UtcMoment  #: The first check that found it, without a good one since.
    checks: Positive  #: Their number.
    detail: str = ""


@dataclass(frozen=True, slots=True)
class PictureReport:
    """The report of a picture look."""

    state: str  #: `good`, `faulty`, `dark: cannot judge`, `not measured`, or `not due` without a look.
    full: bool = False  #: Whether the look was full.
    seconds: float = 0.0  #: Its duration.
    suspects: tuple[str, ...] = ()  #: Words of suspicions, for a person if they last.
    labels: tuple[str, ...] = ()  #: Limits of this camera's checks, e.g. `freeze not decidable`.
    keys: tuple[str, ...] = field(default=(), repr=False)  #: Hashes of its key packets.
    noise: float | None = None  #: The smallest difference of two key pictures, in levels, if measured.
    fps: float | None = None  #: Received frames per second.
    kbps: int | None = None  #: The received bit rate.
    view: PictureView | None = field(default=None, repr=False)  #: The last picture's measures, if any.
    seen: tuple[SuspectSign, ...] = ()  #: Suspicions of this look, with evidence.
    undecided: str = ""  #: Which comparison of the view was impossible and why; empty if none.

    @property
    def look(self) -> str | None:
        """The kind of look, if any."""
        return ("full" if self.full else "quick") if self.seconds else None

    @property
    def is_notable(self) -> bool:
        """Whether the report has more than a good or faulty state."""
        return bool(self.seconds) and (self.state not in {"good", "faulty"} or bool(self.suspects or self.labels))


@dataclass(frozen=True, slots=True)
class AcceptedSetting:
    """A setting under change, with old and new value accepted."""

    setting: Literal["login", "picture"]  #: The login of a device, or the picture of a stream.
    object: str  #: The device or camera within its facility.
    until: Day  #: The last day on which both values are accepted.
    seen: InUse  #: The value in use, by the picture; null without a picture.


@dataclass(frozen=True, slots=True)
class PathVerdict(WithFinding):
    """The verdict on one path."""

    path: str
    carrier: str
    province: str
    facility: str
    camera: str
    relay: str
    verdict: Verdict
    #: The highest level of `judge.LEVELS` passed with all lower ones; 0 if none. The first is the host's, so a good
    #: picture over a drifted host has level 0 and is `degraded`; `passed` shows how far it came.
    level: int
    finding: Finding
    checked_at: datetime | None  #: The time of the evidence, if any.
    passed: tuple[int, ...] = ()  #: Every level that passed.
    standing: LastingFailure | None = None  #: The present failure, if any.
    last_proof: LastProof | None = None  #: The last proof of a path that is not up, if remembered.
    maintenance: InMaintenance | None = None  #: Its maintenance window, if any.
    picture: PictureReport | None = None  #: The report of its picture look; `None` without evidence.
    to_look_at: tuple[ToLookAt, ...] = ()  #: Lasting suspicions; they change no verdict.
    settings: tuple[AcceptedSetting, ...] = ()  #: Settings under change.

    @property
    def without_window(self) -> Verdict:
        """The verdict without a maintenance window."""
        return self.maintenance.would_be if self.maintenance else self.verdict

    @property
    def is_measured(self) -> bool:
        """Whether this run measured the path as far as requested."""
        is_known = self.without_window is not Verdict.UNKNOWN or self.standing is not None
        return is_known or (self.cause is Cause.NOT_ASKED and self.checked_at is not None)


@dataclass(frozen=True, slots=True)
class Incident(WithFinding):
    """A fault and its paths."""

    finding: Finding
    paths: tuple[str, ...]
    more: tuple[str, ...] = ()  #: Further details, each a line.

    @property
    def details(self) -> tuple[str, ...]:
        """All details, each a line."""
        return tuple(detail for detail in (self.finding.detail, *self.more) if detail)


@dataclass(frozen=True, slots=True)
class HostReport:
    """A host's answer, drift and faults."""

    host: str
    outcome: str  #: `answered`, `unreachable` or `failed`.
    error: str
    drift: tuple[Change, ...] | None  #: Differences from the desired state; `None` if unknown.
    held: tuple[str, ...] = ()  #: Frozen facilities with parts on it.
    findings: tuple[Finding, ...] = ()  #: Faults of the host itself, which degrade no path.
    facts: HostFacts | None = field(default=None, repr=False)


class DeviceState(StrEnum):
    """Results of devices' accounts, best first; values never change their meaning."""

    AS_AGREED = "as agreed"
    NOT_COMPARED = "not compared"
    NOT_ASKED = "not asked"
    NOT_TOLD = "not told"
    LOGIN_REFUSED = "login refused"
    ANOTHER = "another device"


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """The report of a device at one relay, from its account."""

    facility: str
    province: str
    device: str  #: A recorder, or a camera with its own address, within its facility.
    relay: str
    carrier: str
    layer: Layer
    state: DeviceState
    detail: str = ""  #: The difference, or why there is no account; else empty.
    model: str = ""  #: In its own words, as `serial` and `firmware`; empty if unknown.
    serial: str = ""
    firmware: str = ""
    clock_off_s: int | None = None  #: The least seconds its clock is ahead (below 0: behind), if known.
    shown_off_s: int | None = None  #: The same for the time in its picture, compared with Vietnam's.
    findings: tuple[Finding, ...] = ()  #: Faults of the device itself, which degrade no path.
    misled: bool = False  #: Whether the gateway leads its port to another device of the site.

    @property
    def name(self) -> str:
        """The device within its facility, as in verdicts."""
        return f"{self.facility}/{self.device}"


@dataclass(frozen=True, slots=True)
class CameraSample:
    """A sample of cameras to measure."""

    asked: str  #: The share or number, as written.
    week: str  #: The sample's week, e.g. `2021-W19`.
    cameras: Count
    of_cameras: Count


@dataclass(frozen=True, slots=True)
class Scope:
    """The extent of a run."""

    level: int | None = None  #: The highest level; `None` for all.
    sample: CameraSample | None = None  #: `None` for all cameras.
    deadline_s: float | None = None  #: The longest duration; `None` for no limit.
    once: bool = False  #: Whether one look decides.


@dataclass(frozen=True, slots=True)
class VerifyResult:
    """The result of a verification."""

    engine: str  #: The media server's own name; the lab's stand-in is never called MediaMTX.
    started_at: datetime
    finished_at: datetime
    paths: tuple[PathVerdict, ...]
    incidents: tuple[Incident, ...]
    hosts: tuple[HostReport, ...] = ()
    held: tuple[FrozenFacility, ...] = ()  #: Chosen frozen facilities, whose live paths were not checked.
    scope: Scope = Scope()  #: The requested extent.
    forgot: str = ""  #: Why there is no memory; empty if readable.
    looks: tuple[PathLook, ...] = field(default=(), repr=False)  #: For the memory; in no document.
    waits: Waits = field(default_factory=Waits)  #: The times of hosts.
    #: Reports on references, by path name.
    references: Mapping[str, ReferenceReport] = field(default_factory=dict, repr=False)
    accepted: tuple[Accepted, ...] | None = None  #: Results of acceptances; `None` without `--accept`.
    #: States from earlier verifications of paths that are not up.
    before: Mapping[str, PathState] = field(default_factory=dict, repr=False)
    devices: tuple[DeviceReport, ...] = ()  #: Reports of asked devices.

    @property
    def all_up(self) -> bool:
        """Whether there are paths and all are up."""
        return bool(self.paths) and all(p.verdict is Verdict.UP for p in self.paths)


# Mildest first: each fails together with those after it. Unchecked paths may be down.
_FAILURES = (Verdict.DEGRADED, Verdict.UNKNOWN, Verdict.QUARANTINED, Verdict.DOWN)

#: The verdicts in the order of documents.
COUNTED = (Verdict.UP, Verdict.DEGRADED, Verdict.DOWN, Verdict.UNKNOWN, Verdict.MAINTENANCE, Verdict.QUARANTINED)


def together(rounds: Iterable[Waits]) -> Waits:
    """Combine the times of several rounds; a host's first round counts."""
    every = list(rounds)
    hosts = {host: wait for waits in reversed(every) for host, wait in waits.hosts.items()}
    return Waits(sum(waits.before_s for waits in every), sum(waits.asked_s for waits in every), hosts)


def host_wait(host: str, document: Mapping[str, object], answered_s: float | None) -> HostWait:
    """Return a host's times from its answer, as far as readable."""
    try:
        times = read(wire.TimesAnswer, document)
    except UnreadableError:
        return HostWait(host, answered_s)
    seconds = {span["what"]: max(0.0, span["seconds"]) for span in times.get("spans", ())}
    parts = {part: seconds[part] for part in _SAID if part in seconds}
    return HostWait(host, answered_s, max(0.0, times["seconds"]), parts)


def waits_line(waits: Waits) -> str:
    """Return the times in one line, for the last host to answer."""
    head = msg("took {total_s} s: {before_s} s until hosts were asked", f"{waits.total_s:.1f}", f"{waits.before_s:.1f}")
    last = waits.last
    if last is None or last.answered_s is None:
        return msg("{head}, {asked_s} s for answers that did not come", head, f"{waits.asked_s:.1f}")
    if last.visit_s is None:
        return msg("{head}, {answered_s} s for {host}, the last to answer", head, f"{last.answered_s:.1f}", last.host)
    transport_s = max(0.0, last.answered_s - last.visit_s)
    head = msg(
        "{head}, {way} s on the way to {host}, {visit_s} s there",
        head,
        f"{transport_s:.1f}",
        last.host,
        f"{last.visit_s:.1f}",
    )
    parts = sorted(last.parts.items(), key=lambda part: -part[1])
    named = ", ".join(f"{_SAID[name]} {seconds:.1f} s" for name, seconds in parts if seconds >= _SHOWN_S)
    return f"{head} ({named})" if named else head


def accounts_in(accounts: Mapping[str, wire.AccountAnswer]) -> Mapping[str, DeviceAccount]:
    """Return devices' accounts by name; `UnreadableError` if a clock ran backwards."""
    return {name: _account_in(answer) for name, answer in accounts.items()}


def _account_in(answer: wire.AccountAnswer) -> DeviceAccount:
    clock = answer.get("clock")
    if clock and clock["before"] > clock["after"]:
        raise UnreadableError("relay.onvif has what is no span of time")
    return DeviceAccount(
        outcome=answer["outcome"],
        detail=answer.get("detail", ""),
        model=answer.get("model", "").strip(),
        serial=answer.get("serial", "").strip(),
        firmware=answer.get("firmware", "").strip(),
        clock=clock,
        profile=answer.get("profile"),
    )


def exit_code(result: VerifyResult, fail_on: Verdict = Verdict.DEGRADED) -> int:
    """Return 1 if a path is as bad as `fail_on` or worse.

    Also 1 if no path was measured, else 0. Unrequested paths and levels do not fail, nor do paths in a maintenance
    window.
    """
    return int(not any(map(was_requested, result.paths)) or any(fails(path, fail_on) for path in result.paths))


def was_requested(path: PathVerdict) -> bool:
    """Return whether a run was to measure a path."""
    return path.cause is not Cause.NOT_ASKED or path.checked_at is not None


def fails(path: PathVerdict, fail_on: Verdict) -> bool:
    """Return whether a path is as bad as `fail_on` or worse."""
    return path.verdict in _FAILURES[_FAILURES.index(fail_on) :] and path.cause is not Cause.NOT_ASKED


def summary_of(verdicts: Iterable[Verdict]) -> dict[str, int]:
    """Count the verdicts of paths."""
    counts = Counter(verdicts)
    return {"paths": counts.total(), **{v.value: counts[v] for v in COUNTED}}
