"""Parallel reads of many streams by a confined program.

A camera's stream may compromise its decoder. So this module is two programs: `read_all` runs as root and passes logins
on standard input; `serve` runs confined and answers one line per read. These answers are hostile.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from provisioner_host.look import (
    batch_decoder,
    cpu_budget,
    early_end,
    media_units,
    older_codecs,
    picture_look,
    picture_measures,
    rtsp_talk,
    stream_reader,
)
from provisioner_host.look.picture_look import PictureLook
from provisioner_host.look.picture_measures import checked_picture, number
from provisioner_host.look.rtsp_talk import Login
from provisioner_host.look.stream_reader import ReadLimits, StreamTurn
from provisioner_host.machine import confined, patterns, shell, stream_logins
from provisioner_host.machine.patterns import pattern
from provisioner_host.onvif import digest
from provisioner_host.relay import pinned_tls

if TYPE_CHECKING:
    from provisioner_host.wire import LookToTake, ReadAnswer, ReadersRequest

# The modules that `serve` needs, in the order of their imports: the confined user can read none of ours.
_SHIPPED = (
    patterns,
    cpu_budget,
    stream_logins,
    shell,
    confined,
    picture_measures,
    picture_look,
    pinned_tls,
    digest,
    media_units,
    older_codecs,
    rtsp_talk,
    early_end,
    batch_decoder,
    stream_reader,
)
# An ffmpeg that decodes a large picture, and what measures beside it, for each stream.
_READER_MIB, _SPARE_MIB = 192, 128
_TASKS_A_READER, _SPARE_TASKS = 24, 32
# Each process's own, so that they hold where the kernel has no cgroup v2.
_PROCESS_LIMITS = ("LimitDATA=768M", "LimitFSIZE=0", "LimitNOFILE=512", "Nice=10", "SystemCallFilter=setpriority")
_GRACE_S = 3
_LONGEST_ERROR, _LARGEST, _LONGEST_S = 300, 65536, 1e4
_WORD = pattern(r"\w{1,32}", re.ASCII)

Turn = tuple[str, str]  #: A login's name and the path to read.


# --- root's part ----------------------------------------------------------------------------------
class ReadTimes:
    """Limits of reads: number in parallel, seconds until a key frame, deadline.

    The deadline is on the monotonic clock. `cores` limits CPU time in processors; `None` is no limit. Reads begin at
    `start`, with the readers already running; `None` is at once. `brief` are the numbers of turns that another visit
    reads again if they fail.
    """

    def __init__(
        self,
        readers: int,
        read_s: float,
        until: float,
        cores: float | None = None,
        start: confined.Start | None = None,
        *,
        brief: Iterable[int] = (),
    ) -> None:
        self.readers, self.read_s, self.until, self.cores, self.start = readers, read_s, until, cores, start
        self.brief = sorted(brief)


def read_all(
    logins: Mapping[str, Login],
    turns: Sequence[Turn],
    times: ReadTimes,
    done: Callable[[int, ReadAnswer], None],
    looks: Mapping[int, LookToTake] = MappingProxyType({}),
) -> None:
    """Read all streams and report each result at once.

    `done` is called once per turn with its number and result, in any order. `looks` are by turn number; other reads end
    with their key frame.
    """
    waiting = set(range(len(turns)))

    def report_once(number: int, answer: ReadAnswer) -> bool:
        if number in waiting:
            waiting.discard(number)
            done(number, answer)
        return not waiting

    why = _read_confined(logins, _request(logins, turns, times, looks), times, report_once) if turns else ""
    for turn in sorted(waiting):
        done(turn, {"not_run": why or "the readers ended before it was read"})


def _read_confined(
    logins: Mapping[str, Login], request: bytes, times: ReadTimes, done: Callable[[int, ReadAnswer], bool]
) -> str:
    """Run the reads; return the confined program's error output.

    `done` returns whether that was the last read. The program's farewells to relays are not awaited.
    """
    from provisioner_host.machine import sandbox  # noqa: PLC0415 (the confined part has no such module)

    if refusal := sandbox.refusal():
        return refusal

    def hear(lines: Iterator[bytes]) -> bool:
        return any(done(turn, answer) for turn, answer in answered(lines))

    modules = confined.sources((*_SHIPPED, sys.modules[__name__]))
    output = confined.run(command(logins, times), modules, request, times.until + _GRACE_S, hear, start=times.start)
    for login in logins.values():
        output = login.scrubbed(output)
    return _line(sandbox.not_started(output) or output)


def command(logins: Mapping[str, Login], times: ReadTimes) -> list[str]:
    """Return the confined command, limited to the relays' addresses."""
    from provisioner_host.machine import sandbox  # noqa: PLC0415 (the confined part has no such module)

    addresses = " ".join(sorted({login.address for login in logins.values()}))
    limits = (
        "IPAddressDeny=any",
        f"IPAddressAllow={addresses}",
        "RestrictAddressFamilies=AF_INET",
        f"MemoryMax={_SPARE_MIB + times.readers * _READER_MIB}M",
        f"TasksMax={_SPARE_TASKS + times.readers * _TASKS_A_READER}",
        f"RuntimeMaxSec={max(1, math.ceil(times.until + _GRACE_S - time.monotonic()))}",
        *_PROCESS_LIMITS,
    )
    return sandbox.confined(confined.PROGRAM, "probe", limits)


def _request(
    logins: Mapping[str, Login], turns: Sequence[Turn], times: ReadTimes, looks: Mapping[int, LookToTake]
) -> bytes:
    request: ReadersRequest = {
        "logins": {name: (x.address, x.port, x.user, x.password, x.fingerprint) for name, x in logins.items()},
        "turns": [list(turn) for turn in turns],
        "looks": {str(turn): look for turn, look in looks.items()},
        "brief": times.brief,
        "readers": times.readers,
        "read_s": times.read_s,
        "until": times.until,
        "cores": times.cores,
    }
    return json.dumps(request).encode()


def answered(lines: Iterable[bytes]) -> Iterator[tuple[int, ReadAnswer]]:
    """Yield valid answers with their turn numbers; skip other lines."""
    for line in lines:
        with contextlib.suppress(ValueError, TypeError, KeyError, RecursionError):
            turn, answer = json.loads(line)
            if isinstance(turn, int) and not isinstance(turn, bool):
                yield turn, _checked_answer(answer)


def _checked_answer(answer: dict[str, Any]) -> ReadAnswer:
    """Check and return an answer, or raise `ValueError`."""
    if "not_run" in answer:
        return {"not_run": _line(answer["not_run"])}
    read = _checked_read(answer)
    read["seconds"] = round(number(answer["seconds"], 0, 1e6), 2) if "seconds" in answer else 0.0
    if "keys" in answer:
        names = ("without_s", "between_s", "waited_s")
        without_s, between_s, waited_s = (number(answer["keys"][name], 0, _LONGEST_S) for name in names)
        read["keys"] = {"without_s": without_s, "between_s": between_s, "waited_s": waited_s}
    return read


def _checked_read(answer: dict[str, Any]) -> ReadAnswer:
    if "codec" in answer:
        codec = answer["codec"]
        if not isinstance(codec, str) or not _WORD.fullmatch(codec):
            raise ValueError
        width, height = (int(number(answer[side], 1, _LARGEST)) for side in ("width", "height"))
        read: ReadAnswer = {"codec": codec, "width": width, "height": height}
        if "picture" in answer:
            read["picture"] = None if answer["picture"] is None else checked_picture(answer["picture"])
        return read
    status = answer["status"]
    return {
        "error": _line(answer["error"]),
        "status": None if status is None else int(number(status, 0, 999)),
        "timed_out": answer["timed_out"] is True,
    }


def _line(text: object) -> str:
    if not isinstance(text, str):
        raise TypeError
    return "".join(letter if letter.isprintable() else " " for letter in text[-_LONGEST_ERROR:])


# --- the confined part ----------------------------------------------------------------------------
def serve(request: ReadersRequest) -> None:
    """Read the requested streams; print a line per read."""
    import ctypes  # noqa: PLC0415 (root's part does without it)

    # Nobody of the same user looks into this process, which holds the logins.
    ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
    logins = {name: Login(*parts) for name, parts in request["logins"].items()}
    until, turns, brief = request["until"], list[StreamTurn](), frozenset(request["brief"])
    for turn, (name, path) in enumerate(request["turns"]):
        wanted = request["looks"].get(str(turn))
        look = PictureLook(wanted, until) if wanted else None
        turns.append(StreamTurn(turn, logins[name], path, look, turn in brief))

    def tell(turn: int, read: ReadAnswer) -> None:
        sys.stdout.buffer.write(json.dumps([turn, read]).encode() + b"\n")
        sys.stdout.flush()

    budget = cpu_budget.CpuBudget(request["cores"])
    limits = ReadLimits(request["readers"], request["read_s"], until, budget)
    stream_reader.read_streams(turns, limits, tell)
