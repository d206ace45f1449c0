"""One real read of one stream: ffmpeg pulls it over RTSP/TCP until a key frame is decoded.

The address holds a password, so it never stands in an argument: ffmpeg gets an `ffconcat` script on its
standard input, which may name an address and the options for it (measured on ffmpeg 5.1).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

from provisioner_host.shell import Failed, run, scrub

if TYPE_CHECKING:
    from provisioner_host.wire import ReadAnswer

_CODEC = re.compile(r"Stream #\d+:\d+[^\n]*?: Video: (\w+)")
_FRAME = re.compile(r"Parsed_showinfo[^\n]*\bs:(\d+)x(\d+)\b[^\n]*\biskey:1\b")
_STATUS = re.compile(r"method [A-Z]+ failed: (\d{3})\b|Server returned (\d{3})\b")
# What `nice` and `setpriv` end with when they cannot start a program: then nothing was read.
_NOT_STARTED = {126, 127}
_SHOWN = 300
# ffmpeg's last lines, which it prints with or without an error.
_NO_ERROR = ("frame=", "video:", "size=")
# Enough to learn what a stream is when its description does not say it; the key frame itself ends the read.
_PROBE_BYTES = 500_000
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
        done = run(wrap(_command()), stdin=login.script(path, timeout_s), timeout_s=timeout_s, check=False)
        # Read first, scrubbed after: a short password may be part of ffmpeg's own words.
        result = parse(done.stderr)
        if "error" in result:
            result["error"] = login.scrubbed(result["error"])[-_SHOWN:]
        if done.returncode in _NOT_STARTED or done.stderr.startswith("setpriv: "):
            # Nothing was read, so it is evidence of nothing.
            result = {"not_run": result.get("error", "ffmpeg was not started")}
    except Failed as error:
        result = {"error": login.scrubbed(str(error)), "status": None, "timed_out": "no answer within" in str(error)}
    except UnicodeDecodeError:
        result = {"error": "ffmpeg's output is no text", "status": None, "timed_out": False}
    result["seconds"] = round(time.monotonic() - begun, 2)
    return result


def _command() -> list[str]:
    quiet = ["nice", "-n", "10", "ffmpeg", "-hide_banner", "-nostats", "-loglevel", "info"]
    source = ["-protocol_whitelist", "pipe,rtsp,rtp,tcp", "-f", "concat", "-safe", "0"]
    cheap = ["-probesize", "32", "-analyzeduration", "0", "-fpsprobesize", "0", "-threads", "1", "-skip_frame", "nokey"]
    frame = ["-map", "0:v:0", "-an", "-sn", "-dn", "-vf", "showinfo=checksum=0", "-frames:v", "1", "-f", "null", "-"]
    return [*quiet, *source, *cheap, "-i", "pipe:0", *frame]


def parse(said: str) -> ReadAnswer:
    """A decoded key frame's codec and size from ffmpeg's output, or the error in it."""
    codec, frame = _CODEC.search(said), _FRAME.search(said)
    if codec and frame:
        return {"codec": codec[1], "width": int(frame[1]), "height": int(frame[2])}
    status = _STATUS.search(said)
    lines = [line for line in said.splitlines() if line.strip() and not line.startswith(_NO_ERROR)]
    number = int(status[1] or status[2]) if status else None
    return {"error": (lines or ["ffmpeg said nothing"])[-1], "status": number, "timed_out": False}
