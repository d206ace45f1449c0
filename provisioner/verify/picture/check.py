"""The check of level 6, and what is told of a picture beside the verdict. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from provisioner.base.counted import counted
from provisioner.verify.case import NOT_DUE, PASSED, Case, Check, Shortfall, failed, not_checked
from provisioner.verify.delivery import received_check
from provisioner.verify.evidence import Read
from provisioner.verify.lossy import site_line_check
from provisioner.verify.picture.due import FULL_KEYS, FULL_S, LONGEST_S, QUICK_S
from provisioner.verify.picture.hours import hours_of
from provisioner.verify.picture.measures import Picture
from provisioner.verify.picture.rules import Agreed, Before, Judgement, State, Suspect, judged
from provisioner.verify.reference import SuspectView, ViewDoubt, ViewJudgement, judge_view
from provisioner.verify.result import Cause, Layer, PictureReport, SuspectSign
from provisioner.verify.view import PictureView

NOT_LOOKED = "not due"
NOT_MEASURED = "not measured"

_KBIT = 125.0
_ALMOST_S = 0.5


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


def early_doubt(picture: Picture, damaged: int) -> str:
    """Why a look that ended before its time does not do; empty where it does, or went on for its whole time.

    What its reader cannot see, the relay's own count, has to be without a fault, too: it is looked at whole then.
    """
    if picture.looked_s >= QUICK_S or not damaged:
        return ""
    return f"in the {picture.looked_s:.1f} s of its look {counted(damaged, 'picture')} came with parts missing"


def _goes_before(shortfall: Shortfall, judgement: Judgement, case: Case) -> bool:
    """Whether what is wrong with how a stream came says more than what is wrong with its picture."""
    # A camera that sends no more has no picture.
    if shortfall.cause is Cause.SILENT or judgement.fault is None:
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
    packets, view = picture.packets, view_of(picture)
    compared = judge_view(view, case.references, case.others, case.at or _NO_TIME, dark=judgement.state is State.DARK)
    seen = signs_of(judgement, compared)
    return PictureReport(
        state=judgement.state.value,
        full=is_full(picture),
        seconds=picture.looked_s,
        suspects=tuple(one.word for one in seen),
        labels=judgement.labels,
        # A picture without light is the same as any other without light.
        keys=() if judgement.state is State.DARK else packets.keys,
        noise=judgement.noise,
        fps=round(1 / packets.step_s, 1) if packets.step_s > 0 else None,
        kbps=round(packets.bytes / _KBIT / packets.span_s) if packets.span_s > 0 else None,
        view=view,
        seen=seen,
        undecided=compared.not_decidable,
    )


def view_of(picture: Picture) -> PictureView | None:
    """What a look saw of the view; None where no picture was measured."""
    scene = picture.scene
    return None if scene is None else PictureView(scene.grid, scene.strengths, scene.sharpness)


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


def is_full(picture: Picture) -> bool:
    """Whether it was looked at for as long, and over as many key frames, as a full look takes."""
    return picture.looked_s >= FULL_S - _ALMOST_S and (
        picture.key_frames >= FULL_KEYS or picture.looked_s >= LONGEST_S - _ALMOST_S
    )


def _judged(case: Case, picture: Picture) -> Judgement:
    path = case.path_as_seen
    agreed = Agreed(path.fps, path.least_kbps, tuple(map(hours_of, path.dark_hours)))
    return judged(picture, case.at or _NO_TIME, agreed, Before(case.memory.keys, case.memory.noise), _damaged(case))


def _damaged(case: Case) -> int:
    """Of how many pictures a part did not come to the relay between its samples, by MediaMTX's count."""
    samples = case.relay.samples.get(case.target.path.name, (None, None))
    return samples[1].damaged - samples[0].damaged if samples[0] and samples[1] else 0


def _read(case: Case) -> Read | None:
    read = case.read
    return read if read is not None and read.run and read.frame is not None else None


# Where no time is known it is night: a dark picture is no suspicion then.
_NO_TIME = datetime(2021, 1, 1, 17, tzinfo=UTC)
