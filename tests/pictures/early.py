"""The same film by a clock of its own: the measures of a look that ends early."""

from collections.abc import Sequence
from typing import Any

from provisioner_host.look.batch_decoder import DecodedAnswer
from provisioner_host.look.early_end import Decoded
from provisioner_host.look.media_units import Unfit
from provisioner_host.look.picture_look import PictureLook
from provisioner_host.look.rtsp_talk import VideoTrack
from provisioner_host.look.stream_reader import LookedStream
from provisioner_host.wire import LookToTake
from tests.looks import decoded
from tests.pictures.sending import Sent

_QUICK_S = 3.0
# More than any two key pictures of one sensor differ.
_UNLIKE = 255.0


def early_look(stream: Sent, sets: Sequence[bytes], fps: int) -> dict[str, Any] | None:
    """What a look measures that ends as soon as nothing is in doubt; None where it goes on for its whole time.

    The relay in between hands packets on under numbers of its own: that one is missing does not show by these.
    """
    early = {"fps": float(fps), "least_kbps": None}
    wanted: LookToTake = {"seconds": _QUICK_S, "most_s": _QUICK_S, "keys": 0, "every": True}
    wanted["early"] = early  # type: ignore[typeddict-item]
    track = VideoTrack("h264", 96, "", b"".join(b"\0\0\0\1" + one for one in sets))
    looked, blocks = LookedStream(track, PictureLook(wanted)), list[bytes]()
    shown = 0
    try:
        for number, (packet, at) in enumerate(zip(stream.packets, stream.at, strict=True)):
            blocks += looked.packet(packet[:2] + (number & 0xFFFF).to_bytes(2, "big") + packet[4:], at)
            if looked.keys - 1 > shown:
                # Which is only decoded where it could be enough.
                looked.take_progress(Decoded([_UNLIKE] * (looked.keys - 1), None))
            if not looked.is_answered(at):
                continue
            answer, differences = _decoded(b"".join(blocks))
            shown = len(differences)
            looked.take_progress(Decoded(differences, None))
            if answer is None:
                return None
            if looked.is_answered(at):
                return looked.answer(answer, at)  # type: ignore[return-value]
    except Unfit:
        pass
    return None


def _decoded(data: bytes) -> tuple[DecodedAnswer | None, Sequence[float]]:
    """What a decoder makes of a part of a stream: `None` if it complains."""
    batch = decoded([data], ["h264"])
    (answer,) = batch.answers
    return (answer, answer.differences) if answer and batch.is_clean else (None, ())
