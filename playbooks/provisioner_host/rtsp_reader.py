"""One real read of one stream: ffmpeg pulls it over RTSP/TCP until a key frame is decoded.

The address holds a password, so it never stands in an argument: ffmpeg gets an `ffconcat` script on its
standard input, which may name an address and the options for it (measured on ffmpeg 5.1).
"""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

from provisioner_host.shell import PATH, Failed, scrub

if TYPE_CHECKING:
    from provisioner_host.wire import ReadAnswer

# From the beginning of a line: what a stream says of itself, its title for one, may stand anywhere else.
_CODEC = re.compile(r"^ {2}Stream #\d+:\d+(?:\[0x[0-9a-f]+\])?(?:\(\w*\))?: Video: (\w+)", re.MULTILINE)
_FRAME = re.compile(r"^\[Parsed_showinfo_0 @ 0x[0-9a-f]+\] n: [^\n]*\bs:(\d+)x(\d+) [^\n]*\biskey:1\b", re.MULTILINE)
_STATUS = re.compile(r"method [A-Z]+ failed: (\d{3})\b|Server returned (\d{3})\b")
# What `nice` ends with when it cannot start a program: then nothing was read.
_NOT_STARTED = {126, 127}
_SHOWN = 300
# ffmpeg's last lines, which it prints with or without an error.
_NO_ERROR = ("frame=", "video:", "size=")
# Enough to learn what a stream is when its description does not say it; the key frame itself ends the read.
_PROBE_BYTES = 500_000
# A stream can make ffmpeg complain of every slice of every picture, and say that it is as large as it likes.
_MOST_SAID = 2_000_000
_MOST_PIXELS = 7680 * 4320
_ANALYZE_US = 500_000


@dataclass(frozen=True)
class Login:
    """Where and as whom to read."""

    address: str
    port: int
    user: str
    password: str = field(repr=False)

    def script(self, path: str, timeout_s: float) -> str:
        """The `ffconcat` script that reads a path. Every part is percent-encoded, so nothing can end the line."""
        who = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}"
        return (
            "ffconcat version 1.0\n"
            f"file rtsp://{who}@{self.address}:{self.port}/{quote(path)}\n"
            "option rtsp_transport tcp\n"
            "option allowed_media_types video\n"
            f"option timeout {round(timeout_s * 1_000_000)}\n"
            f"option analyzeduration {_ANALYZE_US}\n"
            f"option probesize {_PROBE_BYTES}\n"
            "option fpsprobesize 0\n"
        )

    def scrubbed(self, text: str) -> str:
        """Take the password out of what another program said, in every form that it was given."""
        for form in {self.password, quote(self.password, safe="")} - {""}:
            text = text.replace(form, "***")
        return scrub(text)


def read(
    login: Login, path: str, timeout_s: float, wrap: Callable[[list[str]], list[str]] = lambda argv: argv
) -> ReadAnswer:
    """Read a path until one key frame is decoded: what it was, or what went wrong.

    Args:
        login: where and as whom.
        path: the path's name.
        timeout_s: how long the whole read may take.
        wrap: gives the command that runs as a user with few rights; a stream is foreign input.
    """
    begun = time.monotonic()
    try:
        code, said = _run(wrap(_command()), login.script(path, timeout_s), timeout_s)
        # Read first, scrubbed after: a short password may be part of ffmpeg's own words.
        result = parse(said)
        if "error" in result:
            result["error"] = login.scrubbed(result["error"])[-_SHOWN:]
        if code in _NOT_STARTED:
            # Nothing was read, so it is evidence of nothing.
            result = {"not_run": result.get("error", "ffmpeg was not started")}
    except Failed as error:
        result = {"error": login.scrubbed(str(error)), "status": None, "timed_out": "no answer within" in str(error)}
    result["seconds"] = round(time.monotonic() - begun, 2)
    return result


def _run(argv: list[str], script: str, timeout_s: float) -> tuple[int, str]:
    """Run ffmpeg: its code, and what it said.

    Raises:
        Failed: it is not there, took too long, or said more than anybody would read.
    """
    environment = {"PATH": PATH, "LC_ALL": "C.UTF-8"}
    pipe = subprocess.PIPE
    until = time.monotonic() + timeout_s
    try:
        process = subprocess.Popen(argv, env=environment, stdin=pipe, stdout=subprocess.DEVNULL, stderr=pipe)
    except FileNotFoundError:
        raise Failed(f"{argv[0]}: no such program on this host") from None
    with process:
        try:
            said = _heard(process, script.encode(), until)
            return process.wait(max(0.1, until - time.monotonic())), said.decode(errors="replace")
        except (TimeoutError, subprocess.TimeoutExpired):
            raise Failed(f"{argv[0]}: no answer within {timeout_s:g} s") from None
        finally:
            process.kill()


def _heard(process: subprocess.Popen[bytes], script: bytes, until: float) -> bytes:
    assert process.stdin is not None  # noqa: S101 (for the type checker)
    assert process.stderr is not None  # noqa: S101
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(script)
        process.stdin.close()
    said = bytearray()
    with selectors.DefaultSelector() as waiting:
        waiting.register(process.stderr, selectors.EVENT_READ)
        while waiting.select(max(0.0, until - time.monotonic())):
            chunk = os.read(process.stderr.fileno(), 65536)
            said += chunk
            if not chunk:
                return bytes(said)
            if len(said) > _MOST_SAID:
                raise Failed("ffmpeg said too much: the stream is damaged, or means harm")
    raise TimeoutError


def _command() -> list[str]:
    quiet = ["nice", "-n", "10", "ffmpeg", "-hide_banner", "-nostats", "-loglevel", "info"]
    source = ["-protocol_whitelist", "pipe,rtsp,rtp,tcp", "-f", "concat", "-safe", "0"]
    cheap = ["-probesize", "32", "-analyzeduration", "0", "-fpsprobesize", "0", "-threads", "1", "-skip_frame", "nokey"]
    small = ["-max_pixels", str(_MOST_PIXELS)]
    frame = ["-map", "0:v:0", "-an", "-sn", "-dn", "-vf", "showinfo=checksum=0", "-frames:v", "1", "-f", "null", "-"]
    return [*quiet, *source, *cheap, *small, "-i", "pipe:0", *frame]


def parse(said: str) -> ReadAnswer:
    """A decoded key frame's codec and size from ffmpeg's output, or the error in it."""
    codec, frame = _CODEC.search(said), _FRAME.search(said)
    if codec and frame:
        return {"codec": codec[1], "width": int(frame[1]), "height": int(frame[2])}
    status = _STATUS.search(said)
    lines = [line for line in said.splitlines() if line.strip() and not line.startswith(_NO_ERROR)]
    number = int(status[1] or status[2]) if status else None
    return {"error": (lines or ["ffmpeg said nothing"])[-1], "status": number, "timed_out": False}
