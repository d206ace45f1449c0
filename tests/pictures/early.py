"""The same film by the reader of many streams, by a clock of its own: what it says if it ends the look early."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from typing import Any

from provisioner_host.look import batch_decoder
from provisioner_host.look.batch_decoder import DecodedAnswer, StreamToDecode
from provisioner_host.look.early_end import Decoded
from provisioner_host.look.media_units import Unfit
from provisioner_host.look.picture_look import PictureLook
from provisioner_host.look.rtsp_talk import VideoTrack
from provisioner_host.look.stream_reader import LookedStream
from provisioner_host.machine.shell import Failed
from provisioner_host.wire import LookToTake
from tests.pictures.sending import Sent

_QUICK_S = 3.0
_DECODED_S = 60.0
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
                looked.shown(Decoded([_UNLIKE] * (looked.keys - 1), None))
            if not looked.is_answered(at):
                continue
            decoded, differences = _decoded(b"".join(blocks))
            shown = len(differences)
            looked.shown(Decoded(differences, None))
            if decoded is None:
                return None
            if looked.is_answered(at):
                return looked.answer(decoded, at)  # type: ignore[return-value]
    except Unfit:
        pass
    return None


def _decoded(data: bytes) -> tuple[DecodedAnswer | None, Sequence[float]]:
    """What a decoder makes of a part of a stream: None where it complains."""
    source, sink = os.pipe()

    def write() -> None:
        with open(sink, "wb") as stream:  # noqa: PTH123 (a pipe has no path)
            stream.write(data)

    writing = threading.Thread(target=write)
    writing.start()
    try:
        streams = [StreamToDecode("h264", every=True, source=source)]
        (decoded,) = batch_decoder.decode(streams, time.monotonic() + _DECODED_S)
    except Failed:
        return None, ()
    finally:
        writing.join()
    return decoded, decoded.differences if decoded else ()
