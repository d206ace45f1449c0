"""The check of a picture by its measures, and its report. Pure.

Each threshold has a name and a reason here. They come from synthetic pictures: drawn and photographed scenes by
day, in fog, under infrared light, by lamps and almost in the dark, encoded as cameras do. If no healthy and no
faulty picture is near, a threshold lies between the two. An uncertain fault is a suspicion, which changes no
verdict.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from math import ceil
from typing import Final

from provisioner.base.text import counted, msg
from provisioner.hosts.answers import wire
from provisioner.verify.case import NOT_DUE, PASSED, Case, Check, failed, not_checked
from provisioner.verify.delivery import rare_key_check, received_check
from provisioner.verify.evidence import LONGEST_S, Read
from provisioner.verify.network import site_line_check
from provisioner.verify.picture_measures import PictureView
from provisioner.verify.reference import Daylight, SuspectView, ViewDoubt, ViewJudgement, daylight, judge_view
from provisioner.verify.requests import FULL_KEYS, FULL_S, QUICK_S, Hours, hours_of
from provisioner.verify.result import Cause, Finding, Layer, PictureReport, SuspectSign

# --- thresholds -----------------------------------------------------------------------------------
# In rooms without light half of all pixels are at most this light; under infrared light no room is as dark. Cameras
# that wrongly claim the full range have black at 16.
_DARK_MEDIAN: Final = 24
# A picture that is dark and nevertheless has edges shows something: it is judged as any other.
_DARK_EDGES: Final = 46.0
# A black picture has no lighter spot (dark rooms with any content have one of 6) and no slope but noise (such rooms
# have at least 4, noise alone 2).
_BLACK_SPOT: Final = 5
_BLACK_EDGES: Final = 3.5
# Noise alone: as steep between neighbours as between distant pixels.
_NOISE_EDGES: Final = 20.0
_NOISE_SHARPNESS: Final = 1.0
# And all over alike: its steepest slopes are at most 1.95 of those of a tenth, a nearly black room's with a clock 2.0.
_NOISE_TAIL: Final = 1.97
# One surface: no camera's picture has so many equal pixels, as its sensor is never quite still.
_FLAT_CELLS: Final = 0.97
_FLAT_LEVELS: Final = 0.88
_FLAT_SPREAD: Final = 8
# A card has one level nearly everywhere, and letters with the steepest possible edges. No night scene has both: lamps
# are round and soft.
_CARD_LEVEL: Final = 0.9
_CARD_EDGES: Final = 100.0
# A card of several colours has as few levels as a program has colours, far apart, and no level nearly everywhere.
_BARS_LEVELS: Final = 12
_BARS_SPREAD: Final = 160
_BARS_LEVEL: Final = 0.25
# A lens that is covered lets light through and no edge; a room that is nearly dark has no edges either, and less light.
_COVERED_MEDIAN: Final = 24
_COVERED_P90: Final = 12.0
_COVERED_P99: Final = 19.0
# Two pictures of a sensor are never the same in a thousandth of a level; those of an encoder that has settled on one
# picture are. Below the higher figure a camera is so quiet that neither can be said.
_STILL: Final = 0.02
_QUIET: Final = 0.05
_FEWEST_COMPARED: Final = 3

# One complaint may be of a packet that was lost once in a day.
_COMPLAINTS: Final = 2
_DAMAGED: Final = 2
# MediaMTX counts packets: of a picture that lacks one packet every later one, and those of other tracks (measured on
# 1.20.1). A small packet is so large, and its two samples are at most so far apart.
_SMALL_PACKET: Final = 500
_SAMPLES_S: Final = 10.0
# If every fourth picture is damaged, the decoder causes its look.
_RUINED: Final = 0.25
# Pictures that a decoder has not yet returned at the end of a look, for streams with reordered pictures.
_KEPT_BACK: Final = 4
_NOT_DECODED: Final = 0.05
_GAPS: Final = 3
_GAPS_SHARE: Final = 0.06
# Half the rate, with room for a camera that lets its rate follow the light a little.
_SLOWER: Final = 1.5
_FEWEST_PACKETS: Final = 4
# Stuck: not one pair of pictures at one moment, as a camera may send once after it has set its clock.
_EQUAL: Final = 3
_EQUAL_SHARE: Final = 0.05
# So near to the wanted rate pictures come where the line and our host keep up.
_IN_TIME: Final = 0.15
# A clock of pictures that is slow: at that rate a true one shows 0.85 of the time, and no less than 1 in 1.5. Where a
# network is too slow fewer pictures come, and faster where they were held up: neither says anything of the clock.
_CLOCK_SLOW: Final = 1.5
# A step of the clock that is so much longer than the whole look, in which both pictures came.
_JUMP_S: Final = 10.0
_LONG_ENOUGH_S: Final = 2.0
_KBIT: Final = 125.0

VIETNAM: Final = timedelta(hours=7)  #: The difference from UTC, all year.

#: The label of a camera too quiet to tell a frozen picture from an empty room.
NOT_DECIDABLE: Final = "freeze not decidable"

NOT_LOOKED = "not due"
NOT_MEASURED = "not measured"

_ALMOST_S = 0.5

# An unknown time counts as night, so that a dark picture is not a suspicion.
_NO_TIME = datetime(2021, 1, 1, 17, tzinfo=UTC)


class Suspect(StrEnum):
    """Suspicions for a person, once they last."""

    COVERED = "covered"
    FROZEN = "frozen"


class State(StrEnum):
    """The result of a picture look."""

    GOOD = "good"
    DARK = "dark: cannot judge"
    FAULTY = "faulty"


@dataclass(frozen=True, slots=True)
class Agreed:
    """A stream's agreed values, if any, and the hours of allowed darkness."""

    fps: float | None = None
    least_kbps: int | None = None
    dark_hours: tuple[Hours, ...] = ()


@dataclass(frozen=True, slots=True)
class Before:
    """Earlier looks' key packets and noise."""

    keys: Collection[str] = ()
    noise: float | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """The result for one picture."""

    state: State
    fault: Finding | None = None  #: The worst fault, if any.
    suspects: tuple[Suspect, ...] = ()  #: Suspicions for a person, if they last.
    labels: tuple[str, ...] = ()  #: Limits of this camera's checks.
    noise: float | None = None  #: The smallest difference of two key pictures, if measured.


NOTHING_AGREED: Final = Agreed()
NOTHING_BEFORE: Final = Before()


def judged(
    picture: wire.PictureAnswer,
    at: datetime,
    agreed: Agreed = NOTHING_AGREED,
    before: Before = NOTHING_BEFORE,
    damaged: int = 0,
) -> Judgement:
    """Judge one look's picture; `damaged` counts pictures with missing packets."""
    dark = picture["scene"] is not None and is_dark(picture["scene"])
    allowed = dark and any(hours.hold(_local(at)) for hours in agreed.dark_hours)
    by_day = not allowed and daylight(at) is Daylight.DAY
    fault = next(_faults(picture, agreed, before, damaged, dark_allowed=allowed, by_day=by_day), None)
    noise = min(picture["differences"]) if len(picture["differences"]) >= _FEWEST_COMPARED and not dark else None
    if fault is not None:
        return Judgement(State.FAULTY, fault)
    if dark:
        return Judgement(State.DARK, suspects=(Suspect.COVERED,) if by_day else ())
    labels = (NOT_DECIDABLE,) if noise is not None and noise < _QUIET else ()
    return Judgement(State.GOOD, None, tuple(_suspects_in(picture, before)), labels, noise)


def _local(at: datetime) -> time:
    return (at.astimezone(UTC) + VIETNAM).time()


def _faults(
    picture: wire.PictureAnswer, agreed: Agreed, before: Before, damaged: int, *, dark_allowed: bool, by_day: bool
) -> Iterator[Finding]:
    """Yield faults, worst first; a badly corrupt picture hides all others."""
    corrupt = corruption(picture, damaged)
    if corrupt is not None and picture["complaints"] >= _RUINED * max(1, picture["frames"]):
        yield corrupt
    scene = picture["scene"]
    if scene is not None and not dark_allowed and (fault := no_picture(scene, by_day=by_day)):
        yield fault
    if (scene is None or not is_dark(scene)) and (repeated := repetition(picture, before.keys)):
        yield repeated
    if corrupt is not None:
        yield corrupt
    yield from filter(None, (stuck_clock(picture, agreed), slow_rate(picture, agreed), low_bits(picture, agreed)))


# --- one picture ----------------------------------------------------------------------------------
def is_dark(scene: wire.SceneAnswer) -> bool:
    """Return whether it is too dark to judge the picture."""
    return scene["median"] <= _DARK_MEDIAN and scene["gradient_p99"] < _DARK_EDGES


def no_picture(scene: wire.SceneAnswer, *, by_day: bool = False) -> Finding | None:
    """Return the fault of a picture without sensor; by day, noise counts."""
    if scene["median"] <= _DARK_MEDIAN and scene["bright"] <= _BLACK_SPOT and scene["gradient_p99"] < _BLACK_EDGES:
        return Finding(Cause.BLACK_PICTURE, detail="the picture is black, without a light or an edge")
    if by_day and is_dark(scene) and _is_noise(scene):
        return Finding(Cause.BLACK_PICTURE, detail="the picture is black by day, with noise alone")
    card = scene["one_level"] >= _CARD_LEVEL and scene["gradient_p99"] >= _CARD_EDGES
    colours = scene["levels"] <= _BARS_LEVELS and scene["one_level"] <= _BARS_LEVEL
    bars = colours and scene["spread"] >= _BARS_SPREAD and scene["median"] > _DARK_MEDIAN
    if card or bars:
        return Finding(Cause.NO_VIDEO, detail="it shows a card, as recorders do that get no video")
    flat = (
        scene["flat_cells"] >= _FLAT_CELLS and scene["three_levels"] >= _FLAT_LEVELS and scene["spread"] <= _FLAT_SPREAD
    )
    if flat and scene["median"] > _DARK_MEDIAN:
        return Finding(Cause.FLAT_PICTURE, detail="the picture is one flat surface")
    return None


def _is_noise(scene: wire.SceneAnswer) -> bool:
    """Return whether a dark picture shows nothing but its sensor's noise."""
    edges = min(_NOISE_EDGES, _NOISE_TAIL * scene["gradient_p90"])
    return scene["sharpness"] >= _NOISE_SHARPNESS and scene["gradient_p99"] <= edges


def _suspects_in(picture: wire.PictureAnswer, before: Before) -> Iterator[Suspect]:
    if picture["scene"] is not None and is_covered(picture["scene"]):
        yield Suspect.COVERED
    if is_still(picture, before.noise):
        yield Suspect.FROZEN


def is_covered(scene: wire.SceneAnswer) -> bool:
    """Return whether there is light but no edge."""
    soft = scene["gradient_p90"] < _COVERED_P90 and scene["gradient_p99"] < _COVERED_P99
    return soft and scene["median"] > _COVERED_MEDIAN


def is_still(picture: wire.PictureAnswer, noise: float | None) -> bool:
    """Return whether key pictures are equal, of a camera known to vary."""
    still = len(picture["differences"]) >= _FEWEST_COMPARED and max(picture["differences"]) <= _STILL
    return still and noise is not None and noise >= _QUIET


# --- a stream -------------------------------------------------------------------------------------
def repetition(picture: wire.PictureAnswer, earlier: Collection[str]) -> Finding | None:
    """Return a fault if a key packet repeats: no sensor does that."""
    keys = picture["packets"]["keys"]
    if len(set(keys)) < len(keys):
        repeated = len(keys) - len(set(keys))
        detail = msg("{again} of {keys} key pictures are repetitions, byte for byte", repeated, len(keys))
        return Finding(Cause.PICTURE_REPEATS, detail=detail)
    if repeated_keys := set(keys) & set(earlier):
        detail = msg("{known} of {keys} key pictures came before, byte for byte", len(repeated_keys), len(keys))
        return Finding(Cause.PICTURE_REPEATS, detail=detail)
    return None


def corruption(picture: wire.PictureAnswer, damaged: int) -> Finding | None:
    """Return damage reported by decoder, relay or reader, if any."""
    packets = picture["packets"]
    undecoded = picture["owed"] - picture["frames"]
    if picture["complaints"] >= _COMPLAINTS:
        text = msg(
            "the decoder reports damage {complaints} times in {frames} pictures",
            picture["complaints"],
            picture["frames"],
        )
    elif undecoded > max(_KEPT_BACK, _NOT_DECODED * picture["owed"]):
        text = msg("{undecoded} of {owed} pictures could not be decoded", undecoded, picture["owed"])
    elif damaged >= _DAMAGED:
        text = msg("the relay received {damaged} pictures with parts missing", damaged)
    elif picture["missed"] >= _COMPLAINTS:
        text = msg("{missed} packets are missing between the relay and its reader", picture["missed"])
    elif packets["gaps"] >= max(_GAPS, _GAPS_SHARE * packets["count"]):
        text = msg(
            "{gaps} times in {pictures} the next one did not come",
            packets["gaps"],
            counted(packets["count"], "picture"),
        )
    else:
        return None
    return Finding(Cause.CORRUPT, detail=text)


def stuck_clock(picture: wire.PictureAnswer, agreed: Agreed) -> Finding | None:
    """Return a fault if the pictures' timestamps do not advance properly."""
    packets = picture["packets"]
    if packets["equal"] >= max(_EQUAL, _EQUAL_SHARE * packets["count"]):
        text = msg(
            "of {pictures}, {equal} with the time of the one before",
            counted(packets["count"], "picture"),
            packets["equal"],
        )
    elif packets["backward"]:
        text = msg(
            "of {pictures}, {backward} timed long before earlier ones",
            counted(packets["count"], "picture"),
            packets["backward"],
        )
    elif packets["longest_s"] > packets["arrived_s"] + _JUMP_S:
        text = msg(
            "from one picture to the next its clock goes on by {jump_s} s, in a look of {arrived_s} s",
            f"{packets['longest_s']:.0f}",
            f"{packets['arrived_s']:.0f}",
        )
    elif _is_long(packets) and packets["span_s"] < packets["arrived_s"] / _CLOCK_SLOW and _is_in_time(picture, agreed):
        text = msg(
            "its pictures of {arrived_s} s are marked as {span_s} s",
            f"{packets['arrived_s']:.1f}",
            f"{packets['span_s']:.1f}",
        )
    else:
        return None
    return Finding(Cause.TIME_STUCK, detail=msg("{said}: players stop or jump", text))


def _is_in_time(picture: wire.PictureAnswer, agreed: Agreed) -> bool:
    """Return whether pictures arrive at their rate; a slow line brings fewer."""
    packets, expected = picture["packets"], picture["declared_fps"] or agreed.fps
    return expected is not None and abs(packets["count"] / packets["arrived_s"] - expected) <= _IN_TIME * expected


def _is_long(packets: wire.PacketsAnswer) -> bool:
    return packets["count"] >= _FEWEST_PACKETS and packets["arrived_s"] >= _LONG_ENOUGH_S


def slow_rate(picture: wire.PictureAnswer, agreed: Agreed) -> Finding | None:
    """Return a fault for fewer frames a second than agreed or declared."""
    packets, expected = picture["packets"], agreed.fps or picture["declared_fps"]
    if not expected or packets["count"] < _FEWEST_PACKETS or packets["step_s"] <= 0:
        return None
    received = 1 / packets["step_s"]
    if expected < _SLOWER * received:
        return None
    origin = "were agreed" if agreed.fps else "are what the stream declares"
    return Finding(
        Cause.RATE_TOO_LOW,
        detail=msg("{comes} frames a second come, {wanted} {whose}", f"{received:.1f}", f"{expected:g}", origin),
    )


def low_bits(picture: wire.PictureAnswer, agreed: Agreed) -> Finding | None:
    """Return a fault for a bit rate below the agreed minimum."""
    packets = picture["packets"]
    seconds = packets["span_s"] + packets["step_s"]
    if not agreed.least_kbps or packets["count"] < _FEWEST_PACKETS or seconds <= 0:
        return None
    received = packets["bytes"] / _KBIT / seconds
    if received >= agreed.least_kbps:
        return None
    return Finding(
        Cause.RATE_TOO_LOW,
        detail=msg("{comes} kbit/s come, {least_kbps} were agreed as the least", f"{received:.0f}", agreed.least_kbps),
    )


def picture_check(case: Case) -> Check:
    """Check a due, lit look's picture: real, complete and as agreed."""
    read = _read(case)
    if read is None or not read.looked:
        return rare_key_check(case) or NOT_DUE
    if read.picture is None:
        return not_checked(case.target.relay.id, "its picture could not be measured")
    judgement, received = _judgement_of(case, read.picture), received_check(case)
    if received.finding and _goes_before(received.finding, judgement, case):
        return received
    if judgement.fault is not None:
        # Of a camera, so that its streams are one incident.
        return failed(Layer.PICTURE, case.camera_name, judgement.fault.cause, judgement.fault.detail)
    if doubt := early_doubt(read.picture, _damaged(case, read.picture)):
        return not_checked(case.target.relay.id, doubt)
    return rare_key_check(case) or (NOT_DUE if judgement.state is State.DARK else PASSED)


def early_doubt(picture: wire.PictureAnswer, damaged: int) -> str:
    """Return why a look that ended early is insufficient, or empty."""
    parts = damaged + picture["complaints"]
    if picture["looked_s"] >= QUICK_S or not parts:
        return ""
    return msg(
        "in the {looked_s} s of its look {pictures} came with parts missing",
        f"{picture['looked_s']:.1f}",
        counted(parts, "picture"),
    )


def _goes_before(finding: Finding, judgement: Judgement, case: Case) -> bool:
    """Return whether the delivery's fault explains more than the picture's."""
    # A camera that sends no more has no picture.
    if finding.cause is Cause.SILENT or judgement.fault is None:
        return True
    # A line that repeats lost packets brings pictures in heaps, and readers give each heap one time. The kernel counts
    # such repeats; without them the camera's clock may be the cause.
    if judgement.fault.cause is Cause.TIME_STUCK:
        return site_line_check(case) is not None
    # Late or partial pictures do not show the camera's rate.
    return judgement.fault.cause is Cause.RATE_TOO_LOW


def report_of(case: Case) -> PictureReport:
    """Return the report of a path's picture."""
    read = _read(case)
    if read is None or not read.looked:
        return PictureReport(NOT_LOOKED)
    if read.picture is None:
        return PictureReport(NOT_MEASURED)
    picture, judgement = read.picture, _judgement_of(case, read.picture)
    packets, view = picture["packets"], view_of(picture)
    dark, tour = judgement.state is State.DARK, case.target.path.tour
    compared = judge_view(view, case.references, case.others, case.at or _NO_TIME, dark=dark, tour=tour)
    signs = signs_of(judgement, compared)
    return PictureReport(
        state=judgement.state.value,
        full=is_full(picture),
        seconds=picture["looked_s"],
        suspects=tuple(sign.word for sign in signs),
        labels=judgement.labels,
        # A picture without light is the same as any other without light.
        keys=() if judgement.state is State.DARK else tuple(packets["keys"]),
        noise=judgement.noise,
        fps=round(1 / packets["step_s"], 1) if packets["step_s"] > 0 else None,
        kbps=round(packets["bytes"] / _KBIT / packets["span_s"]) if packets["span_s"] > 0 else None,
        view=view,
        seen=signs,
        undecided=compared.not_decidable,
    )


def view_of(picture: wire.PictureAnswer) -> PictureView | None:
    """Return a look's view, if measured."""
    scene = picture["scene"]
    if scene is None:
        return None
    return PictureView(scene["grid"], scene["strengths"], scene["sharpness"], tuple(scene["colours"]))


def signs_of(judgement: Judgement, compared: ViewJudgement) -> tuple[SuspectSign, ...]:
    """Return suspicions: of the picture itself, then against its references."""
    if judgement.fault is not None:
        return ()
    of_view = tuple(
        SuspectSign(suspect.kind, _suspicion_of(suspect, judgement), suspect.detail) for suspect in compared.suspects
    )
    view_words = {suspect.word for suspect in of_view}
    of_picture = (
        SuspectSign(suspect.value, suspect.value) for suspect in judgement.suspects if suspect.value not in view_words
    )
    return (*of_picture, *of_view)


def _suspicion_of(suspect: SuspectView, judgement: Judgement) -> str:
    """Return a view's suspicion; a picture without any edge is covered."""
    unlike = suspect.word in {ViewDoubt.PARTLY_COVERED, ViewDoubt.MOVED}
    return (ViewDoubt.COVERED if unlike and Suspect.COVERED in judgement.suspects else suspect.word).value


def is_full(picture: wire.PictureAnswer) -> bool:
    """Return whether time and key frames suffice for a full look."""
    return picture["looked_s"] >= FULL_S - _ALMOST_S and (
        picture["key_frames"] >= FULL_KEYS or picture["looked_s"] >= LONGEST_S - _ALMOST_S
    )


def _judgement_of(case: Case, picture: wire.PictureAnswer) -> Judgement:
    path = case.path_as_decoded
    agreed = Agreed(path.fps, path.least_kbps, tuple(map(hours_of, path.dark_hours)))
    return judged(
        picture, case.at or _NO_TIME, agreed, Before(case.memory.keys, case.memory.noise), _damaged(case, picture)
    )


def _damaged(case: Case, picture: wire.PictureAnswer) -> int:
    """Return how many pictures were damaged between MediaMTX's samples, at least.

    A new stream counts from zero. A count beyond what came in that time is no evidence. The packets from one key
    picture to the next may be one picture's.
    """
    first, second = case.relay.samples.get(case.target.path.name, (None, None))
    damaged = second.get("damaged", 0) - first.get("damaged", 0) if first and second else 0
    came = picture["packets"]["count"] + picture["packets"]["bytes"] / _SMALL_PACKET
    if not 0 < damaged <= came / max(picture["looked_s"], 1.0) * _SAMPLES_S:
        return 0
    return ceil(damaged * max(1, picture["packets"]["key_count"]) / came)


def _read(case: Case) -> Read | None:
    read = case.read
    return read if read is not None and read.run and read.frame is not None else None
