"""Reads and looks as hosts take them: over RTSP, or of a film as fast as it is decoded."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from provisioner_host.look import batch_decoder
from provisioner_host.look.batch_decoder import DecodedBatch, StreamToDecode
from provisioner_host.look.cpu_budget import CpuBudget
from provisioner_host.look.picture_look import PictureLook
from provisioner_host.look.rtsp_talk import Login, VideoTrack
from provisioner_host.look.stream_reader import LookedStream, ReadLimits, StreamTurn, read_streams
from tests.films import CLOCK, PAYLOAD_TYPE, Film

if TYPE_CHECKING:
    from provisioner_host.wire import PictureAnswer, ReadAnswer

_DECODED_S = 60.0
_AT_ONCE = 32


def read(login: Login, path: str, timeout_s: float, look: PictureLook | None = None) -> ReadAnswer:
    """Read one path: until its key picture is decoded, or as long as a look goes on."""
    until = min(look.until if look else 1e12, time.monotonic() + timeout_s + _DECODED_S)
    (answer,) = read_all([StreamTurn(0, login, path, look)], timeout_s, until)
    return answer


def read_all(turns: Iterable[StreamTurn], read_s: float, until: float, at_once: int = _AT_ONCE) -> list[ReadAnswer]:
    """Read streams, numbered from 0 on, and return their answers in that order."""
    answers: dict[int, Any] = {}

    def tell(number: int, answer: ReadAnswer) -> None:
        assert number not in answers
        answers[number] = answer

    read_streams(list(turns), ReadLimits(at_once, read_s, until, CpuBudget(None)), tell)
    return [answers[number] for number in range(len(answers))]


def look_at_film(film: Film, look: PictureLook) -> PictureAnswer | None:
    """Look at a film's packets by its own clock; `None` if no picture of it can be decoded."""
    (picture,) = look_at_films([film], look)
    return picture


def look_at_films(films: Sequence[Film], look: PictureLook) -> list[PictureAnswer | None]:
    """Look at films that are decoded by one process."""
    looks, coded = list[LookedStream](), list[bytes]()
    for film in films:
        looked, blocks = LookedStream(VideoTrack(film.codec, PAYLOAD_TYPE, "", b""), look), list[bytes]()
        for due, packets in film.packets():
            for packet in packets:
                blocks += looked.packet(packet, due / CLOCK)
        blocks += looked.release(every=False)
        looks.append(looked)
        coded.append(b"".join(blocks))
    answers = decoded(coded, [film.codec for film in films], every=look.every).answers
    return [
        looked.answer(one, film.step * len(film.pictures) / CLOCK) if one else None
        for looked, film, one in zip(looks, films, answers, strict=True)
    ]


def decoded(coded: Sequence[bytes], codecs: Sequence[str], *, every: bool = True) -> DecodedBatch:
    """Decode streams by one process, as they go over their pipes."""
    pipes = [os.pipe() for _ in coded]

    def write(sink: int, data: bytes) -> None:
        with open(sink, "wb") as stream:
            stream.write(data)

    writing = [threading.Thread(target=write, args=(pipe[1], data)) for pipe, data in zip(pipes, coded, strict=True)]
    for thread in writing:
        thread.start()
    streams = [StreamToDecode(codec, every, pipe[0]) for codec, pipe in zip(codecs, pipes, strict=True)]
    try:
        return batch_decoder.decode(streams, time.monotonic() + _DECODED_S)
    finally:
        for thread in writing:
            thread.join()
