"""The check of a picture by its measures, and its report. Pure.

Each threshold stands here by its name with its reason. They come from synthetic pictures (drawn and photographed
scenes by day, in fog, under infrared light, by lamps and nearly without light, encoded as cameras do). If none of the
healthy and none of the faulty ones is near, a threshold lies between the two. A fault that is not certain is a
suspicion: it changes no verdict.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from typing import Final

from provisioner.base.text import counted, msg
from provisioner.hosts.answers import wire
from provisioner.verify.case import NOT_DUE, PASSED, Case, Check, failed, not_checked
from provisioner.verify.delivery import received_check
from provisioner.verify.evidence import Read
from provisioner.verify.network import site_line_check
from provisioner.verify.picture_measures import PictureView
from provisioner.verify.reference import SuspectView, ViewDoubt, ViewJudgement, judge_view
from provisioner.verify.requests import FULL_KEYS, FULL_S, LONGEST_S, QUICK_S, Hours, hours_of
from provisioner.verify.result import Cause, Finding, Layer, PictureReport, SuspectSign

# --- thresholds -----------------------------------------------------------------------------------

# Half of all pixels are no lighter than this in rooms without light; under infrared light none is as dark. Of cameras
# that say that they use all levels, and do not, 16 is black.
_DARK_MEDIAN: Final = 24
# A picture that is dark and nevertheless has edges shows something: it is judged as any other.
_DARK_EDGES: Final = 46.0
# Nothing at all: no spot that is lighter (the dark rooms that show anything have one of 6), and no slope but that of
# noise (the least that such rooms have is 4; noise alone has 2).
_BLACK_SPOT: Final = 5
_BLACK_EDGES: Final = 3.5
# One surface: no camera's picture has so many equal pixels, as its sensor is never quite still.
_FLAT_CELLS: Final = 0.97
_FLAT_LEVELS: Final = 0.88
_FLAT_SPREAD: Final = 8
# A card: one level nearly everywhere, and letters, whose edges are as steep as edges can be (nothing by night has
# both: lamps are round and soft).
_CARD_LEVEL: Final = 0.9
_CARD_EDGES: Final = 100.0
# A card of several colours: as few levels as a program has colours, far apart, none of them nearly everywhere.
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
# A blurred picture's edges are less steep than those of its reference by this factor (one in thirty healthy ones is).
_BLURRED: Final = 0.71

# One complaint may be of a packet that was lost once in a day.
_COMPLAINTS: Final = 2
_DAMAGED: Final = 2
# Where every fourth picture is damaged, what it looks like is the decoder's doing.
_RUINED: Final = 0.25
# What a decoder keeps back at the end of a look, of streams whose pictures come in another order than they are shown.
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
# A clock of pictures that hardly goes. Where a network is too slow pictures come later than they are shown, and faster
# where they were held up: neither says anything of the camera's clock.
_CLOCK_SLOW: Final = 10.0
# So large a part of the wanted pictures comes where the line and our host keep up.
_IN_TIME: Final = 0.75
_LONG_ENOUGH_S: Final = 2.0
_KBIT: Final = 125.0

VIETNAM: Final = timedelta(hours=7)
"""Before UTC, all the year."""
NIGHT: Final = Hours(time(17, 30), time(6, 30))
"""When it may be dark in Vietnam, all the year, dusk and dawn included."""

NOT_DECIDABLE: Final = "freeze not decidable"
"""The label of a camera that is too quiet to tell a frozen picture from one of an empty room."""

NOT_LOOKED = "not due"
NOT_MEASURED = "not measured"

_ALMOST_S = 0.5

# Where no time is known it is night: a dark picture is no suspicion then.
_NO_TIME = datetime(2021, 1, 1, 17, tzinfo=UTC)


class Suspect(StrEnum):
    """What a person should look at, once it lasts."""

    COVERED = "covered"
    BLURRED = "blurred"
    FROZEN = "frozen"


class State(StrEnum):
    """What a look made of a picture."""

    GOOD = "good"
    DARK = "dark: cannot judge"
    FAULTY = "faulty"


@dataclass(frozen=True, slots=True)
class Agreed:
    """What was agreed of a stream, as far as it was, and when its camera may see nothing."""

    fps: float | None = None
    least_kbps: int | None = None
    dark_hours: tuple[Hours, ...] = ()


@dataclass(frozen=True, slots=True)
class Before:
    """What earlier looks left: key packets that were seen, how quiet the camera was, and how sharp its reference is."""

    keys: Collection[str] = ()
    noise: float | None = None
    sharpness: float | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, and in which words."""

    cause: Cause
    detail: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is said of a picture.

    Attributes:
        fault: what is wrong, the worst first found; None where nothing is.
        suspects: what a person should look at, if it lasts.
        labels: what cannot be said of this camera.
        noise: the least that two of its key pictures differ; None where that was not measured.
    """

    state: State
    fault: Fault | None = None
    suspects: tuple[Suspect, ...] = ()
    labels: tuple[str, ...] = ()
    noise: float | None = None


NOTHING_AGREED: Final = Agreed()
NOTHING_BEFORE: Final = Before()


def judged(
    picture: wire.PictureAnswer,
    at: datetime,
    agreed: Agreed = NOTHING_AGREED,
    before: Before = NOTHING_BEFORE,
    damaged: int = 0,
) -> Judgement:
    """What is said of a picture by one look.

    Args:
        picture: what the look measured.
        at: when it was taken.
        agreed: what was agreed of the stream.
        before: what earlier looks left.
        damaged: pictures of which MediaMTX says that packets of them did not come, between its two samples.
    """
    dark = picture["scene"] is not None and is_dark(picture["scene"])
    allowed = dark and any(hours.hold(_local(at)) for hours in agreed.dark_hours)
    fault = next(_faults(picture, agreed, before, damaged, dark_allowed=allowed), None)
    noise = min(picture["differences"]) if len(picture["differences"]) >= _FEWEST_COMPARED and not dark else None
    if fault is not None:
        return Judgement(State.FAULTY, fault)
    if dark:
        by_day = not NIGHT.hold(_local(at)) and not allowed
        return Judgement(State.DARK, suspects=(Suspect.COVERED,) if by_day else ())
    labels = (NOT_DECIDABLE,) if noise is not None and noise < _QUIET else ()
    return Judgement(State.GOOD, None, tuple(_suspects(picture, before)), labels, noise)


def _local(at: datetime) -> time:
    return (at.astimezone(UTC) + VIETNAM).time()


def _faults(
    picture: wire.PictureAnswer, agreed: Agreed, before: Before, damaged: int, *, dark_allowed: bool
) -> Iterator[Fault]:
    """What is wrong, the worst first: of a picture that a decoder had to make up nothing else can be said."""
    corrupt = corruption(picture, damaged)
    if corrupt is not None and picture["complaints"] >= _RUINED * max(1, picture["frames"]):
        yield corrupt
    scene = picture["scene"]
    if scene is not None and not dark_allowed and (shown := no_picture(scene)):
        yield shown
    if (scene is None or not is_dark(scene)) and (again := repetition(picture, before.keys)):
        yield again
    if corrupt is not None:
        yield corrupt
    yield from filter(None, (stuck_clock(picture, agreed), slow_rate(picture, agreed), low_bits(picture, agreed)))


# --- one picture ----------------------------------------------------------------------------------


def is_dark(scene: wire.SceneAnswer) -> bool:
    """Whether there is so little light that nothing can be said of the picture."""
    return scene["median"] <= _DARK_MEDIAN and scene["gradient_p99"] < _DARK_EDGES


def no_picture(scene: wire.SceneAnswer) -> Fault | None:
    """A picture that no camera's sensor made: black, a card, one flat surface."""
    if scene["median"] <= _DARK_MEDIAN and scene["bright"] <= _BLACK_SPOT and scene["gradient_p99"] < _BLACK_EDGES:
        return Fault(Cause.BLACK_PICTURE, "the picture is black, without a light or an edge: look at lens and sensor")
    card = scene["one_level"] >= _CARD_LEVEL and scene["gradient_p99"] >= _CARD_EDGES
    colours = scene["levels"] <= _BARS_LEVELS and scene["one_level"] <= _BARS_LEVEL
    bars = colours and scene["spread"] >= _BARS_SPREAD and scene["median"] > _DARK_MEDIAN
    if card or bars:
        detail = "a card is shown, as recorders do that get no video: look at the camera behind it and its cable"
        return Fault(Cause.NO_VIDEO, detail)
    flat = (
        scene["flat_cells"] >= _FLAT_CELLS and scene["three_levels"] >= _FLAT_LEVELS and scene["spread"] <= _FLAT_SPREAD
    )
    if flat and scene["median"] > _DARK_MEDIAN:
        return Fault(Cause.FLAT_PICTURE, "the picture is one flat surface: look at the camera, and restart it")
    return None


def _suspects(picture: wire.PictureAnswer, before: Before) -> Iterator[Suspect]:
    if picture["scene"] is not None:
        if is_covered(picture["scene"]):
            yield Suspect.COVERED
        elif before.sharpness and picture["scene"]["sharpness"] < _BLURRED * before.sharpness:
            yield Suspect.BLURRED
    if is_still(picture, before.noise):
        yield Suspect.FROZEN


def is_covered(scene: wire.SceneAnswer) -> bool:
    """Whether there is light and no edge."""
    soft = scene["gradient_p90"] < _COVERED_P90 and scene["gradient_p99"] < _COVERED_P99
    return soft and scene["median"] > _COVERED_MEDIAN


def is_still(picture: wire.PictureAnswer, noise: float | None) -> bool:
    """Whether all key pictures are one, of a camera that was once seen not to be as quiet as that."""
    still = len(picture["differences"]) >= _FEWEST_COMPARED and max(picture["differences"]) <= _STILL
    return still and noise is not None and noise >= _QUIET


# --- a stream -------------------------------------------------------------------------------------


def repetition(picture: wire.PictureAnswer, earlier: Collection[str]) -> Fault | None:
    """A key packet that came twice, in this look or in one before: no sensor gives the same picture twice."""
    keys = picture["packets"]["keys"]
    if len(set(keys)) < len(keys):
        again = len(keys) - len(set(keys))
        detail = msg(
            "{again} of {keys} key pictures are repetitions, byte for byte: restart the camera", again, len(keys)
        )
        return Fault(Cause.PICTURE_REPEATS, detail)
    if known := set(keys) & set(earlier):
        detail = msg(
            "{known} of {keys} key pictures came before, byte for byte: restart the camera", len(known), len(keys)
        )
        return Fault(Cause.PICTURE_REPEATS, detail)
    return None


def corruption(picture: wire.PictureAnswer, damaged: int) -> Fault | None:
    """A picture with damage: by the decoder, by what it did not decode, by what the relay missed."""
    packets = picture["packets"]
    undecoded = picture["owed"] - picture["frames"]
    if picture["complaints"] >= _COMPLAINTS:
        said = msg(
            "the decoder reports damage {complaints} times in {frames} pictures",
            picture["complaints"],
            picture["frames"],
        )
    elif undecoded > max(_KEPT_BACK, _NOT_DECODED * picture["owed"]):
        said = msg("{undecoded} of {owed} pictures could not be decoded", undecoded, picture["owed"])
    elif damaged >= _DAMAGED:
        said = msg("the relay received {damaged} pictures with parts missing", damaged)
    elif picture["missed"] >= _COMPLAINTS:
        said = msg("{missed} packets are missing between the relay and its reader", picture["missed"])
    elif packets["gaps"] >= max(_GAPS, _GAPS_SHARE * packets["count"]):
        said = msg(
            "{gaps} times in {pictures} the next one did not come",
            packets["gaps"],
            counted(packets["count"], "picture"),
        )
    else:
        return None
    return Fault(Cause.CORRUPT, msg("{said}: look at the camera's network and its uplink", said))


def stuck_clock(picture: wire.PictureAnswer, agreed: Agreed) -> Fault | None:
    """A stream whose pictures are not marked with the time at which they are shown."""
    packets = picture["packets"]
    if packets["equal"] >= max(_EQUAL, _EQUAL_SHARE * packets["count"]):
        said = msg(
            "of {pictures}, {equal} with the time of the one before",
            counted(packets["count"], "picture"),
            packets["equal"],
        )
    elif packets["backward"]:
        said = msg(
            "of {pictures}, {backward} timed long before earlier ones",
            counted(packets["count"], "picture"),
            packets["backward"],
        )
    elif _is_long(packets) and packets["span_s"] < packets["arrived_s"] / _CLOCK_SLOW and _is_in_time(picture, agreed):
        said = msg(
            "its pictures of {arrived_s} s are marked as {span_s} s",
            f"{packets['arrived_s']:.1f}",
            f"{packets['span_s']:.1f}",
        )
    else:
        return None
    return Fault(Cause.TIME_STUCK, msg("{said}: players stop or jump; restart the camera", said))


def _is_in_time(picture: wire.PictureAnswer, agreed: Agreed) -> bool:
    """Whether as many pictures come as are wanted; a slow line or a busy host brings fewer, whatever their marks."""
    packets, wanted = picture["packets"], agreed.fps or picture["declared_fps"]
    return wanted is not None and packets["count"] >= _IN_TIME * wanted * packets["arrived_s"]


def _is_long(packets: wire.PacketsAnswer) -> bool:
    return packets["count"] >= _FEWEST_PACKETS and packets["arrived_s"] >= _LONG_ENOUGH_S


def slow_rate(picture: wire.PictureAnswer, agreed: Agreed) -> Fault | None:
    """A stream with fewer frames a second than was agreed, or where nothing was, than it declares itself."""
    packets, wanted = picture["packets"], agreed.fps or picture["declared_fps"]
    if not wanted or packets["count"] < _FEWEST_PACKETS or packets["step_s"] <= 0:
        return None
    comes = 1 / packets["step_s"]
    if wanted < _SLOWER * comes:
        return None
    whose = "were agreed" if agreed.fps else "are what the stream declares; write fps where fewer are agreed"
    return Fault(
        Cause.RATE_TOO_LOW, msg("{comes} frames a second come, {wanted} {whose}", f"{comes:.1f}", f"{wanted:g}", whose)
    )


def low_bits(picture: wire.PictureAnswer, agreed: Agreed) -> Fault | None:
    """A stream with a lower bit rate than was agreed as the least."""
    packets = picture["packets"]
    seconds = packets["span_s"] + packets["step_s"]
    if not agreed.least_kbps or packets["count"] < _FEWEST_PACKETS or seconds <= 0:
        return None
    comes = packets["bytes"] / _KBIT / seconds
    if comes >= agreed.least_kbps:
        return None
    return Fault(
        Cause.RATE_TOO_LOW,
        msg("{comes} kbit/s come, {least_kbps} were agreed as the least", f"{comes:.0f}", agreed.least_kbps),
    )


def picture_check(case: Case) -> Check:
    """Check what a look measured: that it is a picture of something, whole, and comes as was agreed.

    Where no look was due nothing is said, and of a picture without light nothing can be.
    """
    read = _read(case)
    if read is None or not read.looked:
        return NOT_DUE
    if read.picture is None:
        return not_checked(case.target.relay.id, "its picture could not be measured")
    judgement, received = _judged(case, read.picture), received_check(case)
    if received.finding and _goes_before(received.finding, judgement, case):
        return received
    if judgement.fault is not None:
        # Of a camera, so that its streams are one incident.
        return failed(Layer.PICTURE, case.camera_name, judgement.fault.cause, judgement.fault.detail)
    if doubt := early_doubt(read.picture, _damaged(case)):
        return not_checked(case.target.relay.id, doubt)
    return NOT_DUE if judgement.state is State.DARK else PASSED


def early_doubt(picture: wire.PictureAnswer, damaged: int) -> str:
    """Why a look that ended before its time does not do; empty where it does, or went on for its whole time.

    The relay's own count, and what the decoder complained of at the end, have to be without a fault, too.
    """
    parts = damaged + picture["complaints"]
    if picture["looked_s"] >= QUICK_S or not parts:
        return ""
    return msg(
        "in the {looked_s} s of its look {pictures} came with parts missing",
        f"{picture['looked_s']:.1f}",
        counted(parts, "picture"),
    )


def _goes_before(finding: Finding, judgement: Judgement, case: Case) -> bool:
    """Whether what is wrong with how a stream came says more than what is wrong with its picture."""
    # A camera that sends no more has no picture.
    if finding.cause is Cause.SILENT or judgement.fault is None:
        return True
    # Pictures that a line brings in heaps, as it sends again what was lost, get one time from whoever reads them. That
    # it does is counted by the kernel: what is short by the pictures' own times alone may be their clock.
    if judgement.fault.cause is Cause.TIME_STUCK:
        return site_line_check(case) is not None
    # What comes late or in part is no camera's rate.
    return judgement.fault.cause is Cause.RATE_TOO_LOW


def report_of(case: Case) -> PictureReport:
    """What is told of a path's picture."""
    read = _read(case)
    if read is None or not read.looked:
        return PictureReport(NOT_LOOKED)
    if read.picture is None:
        return PictureReport(NOT_MEASURED)
    picture, judgement = read.picture, _judged(case, read.picture)
    packets, view = picture["packets"], view_of(picture)
    compared = judge_view(view, case.references, case.others, case.at or _NO_TIME, dark=judgement.state is State.DARK)
    seen = signs_of(judgement, compared)
    return PictureReport(
        state=judgement.state.value,
        full=is_full(picture),
        seconds=picture["looked_s"],
        suspects=tuple(one.word for one in seen),
        labels=judgement.labels,
        # A picture without light is the same as any other without light.
        keys=() if judgement.state is State.DARK else tuple(packets["keys"]),
        noise=judgement.noise,
        fps=round(1 / packets["step_s"], 1) if packets["step_s"] > 0 else None,
        kbps=round(packets["bytes"] / _KBIT / packets["span_s"]) if packets["span_s"] > 0 else None,
        view=view,
        seen=seen,
        undecided=compared.not_decidable,
    )


def view_of(picture: wire.PictureAnswer) -> PictureView | None:
    """What a look saw of the view; None where no picture was measured."""
    scene = picture["scene"]
    return None if scene is None else PictureView(scene["grid"], scene["strengths"], scene["sharpness"])


def signs_of(judgement: Judgement, compared: ViewJudgement) -> tuple[SuspectSign, ...]:
    """What is suspect in one look: of the picture by itself, then against its references, which know better."""
    if judgement.fault is not None:
        return ()
    beside = tuple(SuspectSign(one.kind, _word(one, judgement), one.detail) for one in compared.suspects)
    known = {one.word for one in beside}
    alone = (SuspectSign(one.value, one.value) for one in judgement.suspects if one.value not in known)
    return (*alone, *beside)


def _word(suspect: SuspectView, judgement: Judgement) -> str:
    """What a view is suspected of: one in which there is no edge at all is covered, whatever is left of its pattern."""
    unlike = suspect.word in {ViewDoubt.PARTLY_COVERED, ViewDoubt.MOVED}
    return (ViewDoubt.COVERED if unlike and Suspect.COVERED in judgement.suspects else suspect.word).value


def is_full(picture: wire.PictureAnswer) -> bool:
    """Whether it was looked at for as long, and over as many key frames, as a full look takes."""
    return picture["looked_s"] >= FULL_S - _ALMOST_S and (
        picture["key_frames"] >= FULL_KEYS or picture["looked_s"] >= LONGEST_S - _ALMOST_S
    )


def _judged(case: Case, picture: wire.PictureAnswer) -> Judgement:
    path = case.path_as_seen
    agreed = Agreed(path.fps, path.least_kbps, tuple(map(hours_of, path.dark_hours)))
    return judged(picture, case.at or _NO_TIME, agreed, Before(case.memory.keys, case.memory.noise), _damaged(case))


def _damaged(case: Case) -> int:
    """Of how many pictures a part did not come to the relay between its samples, by MediaMTX's count."""
    samples = case.relay.samples.get(case.target.path.name, (None, None))
    return samples[1].get("damaged", 0) - samples[0].get("damaged", 0) if samples[0] and samples[1] else 0


def _read(case: Case) -> Read | None:
    read = case.read
    return read if read is not None and read.run and read.frame is not None else None
