"""One real read of one stream: ffmpeg pulls it over RTSP/TCP until a key frame is decoded, and looks on if asked to.

The address holds a password, so it never stands in an argument: ffmpeg gets an `ffconcat` script on its
standard input, which may name an address and the options for it (measured on ffmpeg 5.1, 6.1, 7.1 and 9.0).
"""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import subprocess
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from provisioner_host.look import picture_look
from provisioner_host.look.picture_look import HeldBackError, PacketWatch, PictureLook
from provisioner_host.machine.shell import PATH, Failed, scrub
from provisioner_host.relay import pinned_tls

if TYPE_CHECKING:
    from provisioner_host.wire import ReadAnswer

SHORTEST_READ_S = 5
"""A read that is cut this short says nothing about the camera."""

# From the beginning of a line: what a stream says of itself, its title for one, may stand anywhere else.
_CODEC = re.compile(r"^ {2}Stream #\d+:\d+(?:\[0x[0-9a-f]+\])?(?:\(\w*\))?: Video: (\w+)", re.MULTILINE)
_KEY_FRAME = "select=key,showinfo=checksum=0"
# Of a look the first filter, of a read the second.
_FRAME = re.compile(r"^\[Parsed_showinfo_[01] @ 0x[0-9a-f]+\] n: [^\n]*\bs:(\d+)x(\d+) [^\n]*\biskey:1\b", re.MULTILINE)
_STATUS = re.compile(r"method [A-Z]+ failed: (\d{3})\b|Server returned (\d{3})\b")
# What `nice` ends with when it cannot start a program: then nothing was read.
_NOT_STARTED = {126, 127}
_SHOWN = 300
# ffmpeg's last lines, which it prints with or without an error.
_NO_ERROR = ("frame=", "video:", "size=")
# Enough to learn what a stream is when its description does not say it, for who copies packets. Who only decodes needs
# not know it before: its key frame ends the read, and says the rest.
_PROBE_BYTES = 500_000
# A stream can make ffmpeg complain of every slice of every picture, and say that it is as large as it likes.
_MOST_SAID = 2_000_000
_MOST_PIXELS = 7680 * 4320
_ANALYZE_US, _AT_ONCE_US = 500_000, 1
_NETWORK = "rtsp,rtp,tcp"
_ENCRYPTED = f"{_NETWORK},tls"
# How long ffmpeg may take to close what it reads and writes.
_ENDING_S = 1.5
# ffmpeg's words for a stream whose description does not say how large its pictures are.
_SIZE_UNKNOWN = "dimensions not set"


class Login(NamedTuple):
    """Where and as whom to read; `fingerprint` is of the relay's certificate, empty where nothing is encrypted."""

    address: str
    port: int
    user: str
    password: str
    fingerprint: str = ""

    def __repr__(self) -> str:
        """It without the password."""
        return f"Login({self.user!r}, {self.address!r}, {self.port})"

    @property
    def scheme(self) -> str:
        """What its addresses begin with."""
        return "rtsps" if self.fingerprint else "rtsp"

    def script(self, path: str, timeout_s: float, *, copies: bool = False) -> str:
        """The `ffconcat` script that reads a path. Every part is percent-encoded, so nothing can end the line.

        Args:
            path: the path's name.
            timeout_s: how long it may take.
            copies: whether packets are copied, too, and not only decoded.
        """
        who = f"{quote(self.user, safe='')}:{quote(self.password, safe='')}"
        return (
            "ffconcat version 1.0\n"
            f"file {self.scheme}://{who}@{self.address}:{self.port}/{quote(path)}\n"
            "option rtsp_transport tcp\n"
            "option allowed_media_types video\n"
            f"option timeout {round(timeout_s * 1_000_000)}\n"
            f"option analyzeduration {_ANALYZE_US if copies else _AT_ONCE_US}\n"
            f"option probesize {_PROBE_BYTES}\n"
            "option fpsprobesize 0\n"
        )

    def scrubbed(self, text: str) -> str:
        """Take the password out of what another program said, in every form that it was given."""
        for form in {self.password, quote(self.password, safe="")} - {""}:
            text = text.replace(form, "***")
        return scrub(text)


def read(
    login: Login,
    path: str,
    timeout_s: float,
    wrap: Callable[[list[str]], list[str]] = lambda argv: argv,
    look: PictureLook | None = None,
) -> ReadAnswer:
    """Read a path until one key frame is decoded: what it was, or what went wrong.

    Args:
        login: where and as whom.
        path: the path's name.
        timeout_s: how long it may take until that key frame.
        wrap: gives the command that runs as a user with few rights; a stream is foreign input.
        look: how it goes on from there; None where the key frame is the end.
    """
    begun = time.monotonic()
    if login.fingerprint and (why := pinned_tls.refusal(login.address, login.port, login.fingerprint, timeout_s)):
        # ffmpeg knows no fingerprints: who shows another certificate does not get the login.
        seconds = round(time.monotonic() - begun, 2)
        return {"error": why, "status": None, "timed_out": why.startswith("no answer within"), "seconds": seconds}
    try:
        result = _scrubbed(_read_once(login, path, timeout_s, wrap, look), login)
    except HeldBackError:
        # It has shown that it sends: the time for its next key frame begins anew.
        result = _read_all(login, path, timeout_s, wrap, look)
    left = begun + timeout_s - time.monotonic()
    if look is not None and _SIZE_UNKNOWN in result.get("error", "") and left > 0:
        # ffmpeg copies no packets of which it does not know how large the picture is; it can decode them.
        result = _scrubbed(_read_once(login, path, left, wrap), login)
        if "codec" in result:
            result["picture"] = None
    result["seconds"] = round(time.monotonic() - begun, 2)
    return result


def _read_all(
    login: Login, path: str, timeout_s: float, wrap: Callable[[list[str]], list[str]], look: PictureLook | None
) -> ReadAnswer:
    """Read a path with every picture decoded, however much that costs."""
    if look is not None:
        look, timeout_s = look.of_all(), min(timeout_s, max(1.0, look.until - time.monotonic()))
    return _scrubbed(_read_once(login, path, timeout_s, wrap, look), login)


def _read_once(
    login: Login,
    path: str,
    timeout_s: float,
    wrap: Callable[[list[str]], list[str]],
    look: PictureLook | None = None,
) -> ReadAnswer:
    protocols = _ENCRYPTED if login.fingerprint else _NETWORK
    script = login.script(path, timeout_s, copies=look is not None)
    return read_script(script, timeout_s, wrap, look, protocols)


def _scrubbed(result: ReadAnswer, login: Login) -> ReadAnswer:
    """A read without the login in its words. A short password may be part of ffmpeg's own, so first it is read."""
    if "error" in result:
        result["error"] = login.scrubbed(result["error"])[-_SHOWN:]
    if "not_run" in result:
        result["not_run"] = login.scrubbed(result["not_run"])[-_SHOWN:]
    return result


def read_script(
    script: str,
    timeout_s: float,
    wrap: Callable[[list[str]], list[str]] = lambda argv: argv,
    look: PictureLook | None = None,
    protocols: str = _NETWORK,
) -> ReadAnswer:
    """Read what an `ffconcat` script names until one key frame is decoded, and look on if asked to.

    Args:
        script: what to read, and how.
        timeout_s: how long it may take until that key frame.
        wrap: gives the command that runs as a user with few rights.
        look: how it goes on from there; None where the key frame is the end.
        protocols: over which ffmpeg may read.

    Raises:
        HeldBackError: of key frames alone none is shown.
    """
    try:
        with _Pipes(look) as pipes:
            argv = wrap(_command(look, pipes.writing, protocols))
            code, said = _run(argv, script, timeout_s, pipes)
        result = parse(said)
        if pipes.watch and "codec" in result:
            result["picture"] = pipes.watch.answer()
        if code in _NOT_STARTED:
            # Nothing was read, so it is evidence of nothing.
            result = {"not_run": result.get("error", "ffmpeg was not started")}
    except Failed as error:
        result = {"error": str(error), "status": None, "timed_out": "no answer within" in str(error)}
    return result


class _Pipes:
    """What ffmpeg writes to beside its words while a look goes on, and what is made of it."""

    def __init__(self, look: PictureLook | None) -> None:
        self.watch = PacketWatch(look) if look else None
        self.reading: list[int] = []
        self.writing: list[int] = []

    @property
    def sinks(self) -> list[tuple[int, Callable[[bytes], None]]]:
        """What takes what comes, by what it comes from."""
        return [(self.reading[number], sink) for number, sink in enumerate(self.watch.sinks if self.watch else ())]

    def __enter__(self) -> _Pipes:  # noqa: PYI034 (Python 3.9 has no Self)
        for _ in self.watch.sinks if self.watch else ():
            reading, writing = os.pipe()
            self.reading.append(reading)
            self.writing.append(writing)
        return self

    def __exit__(self, *_: object) -> None:
        self.started()
        while self.reading:
            os.close(self.reading.pop())

    def started(self) -> None:
        """Close our end of what another program writes to."""
        while self.writing:
            os.close(self.writing.pop())


def _run(argv: list[str], script: str, timeout_s: float, pipes: _Pipes) -> tuple[int, str]:
    """Run ffmpeg: its code, and what it said.

    Raises:
        Failed: it is not there, took too long, or said more than anybody would read.
    """
    environment = {"PATH": PATH, "LC_ALL": "C.UTF-8"}
    pipe = subprocess.PIPE
    until = time.monotonic() + timeout_s
    kept = tuple(pipes.writing)
    try:
        process = subprocess.Popen(
            argv, env=environment, stdin=pipe, stdout=subprocess.DEVNULL, stderr=pipe, pass_fds=kept
        )
    except FileNotFoundError:
        raise Failed(f"{argv[0]}: no such program on this host") from None
    with process:
        pipes.started()
        try:
            said, until = _heard(process, script.encode(), until, pipes)
            return process.wait(max(0.1, until - time.monotonic())), said.decode(errors="replace")
        except (TimeoutError, subprocess.TimeoutExpired):
            raise Failed(f"{argv[0]}: no answer within {timeout_s:g} s") from None
        finally:
            process.kill()


def _heard(process: subprocess.Popen[bytes], script: bytes, until: float, pipes: _Pipes) -> tuple[bytes, float]:
    """What ffmpeg says until it ends, by itself or as it is told when it has looked long enough; and its last moment.

    Raises:
        TimeoutError: there was no key frame until then.
        HeldBackError: one came, and was not shown.
    """
    assert process.stdin is not None  # noqa: S101 (for the type checker)
    assert process.stderr is not None  # noqa: S101
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(script)
        process.stdin.close()
    said, watch, ended = bytearray(), pipes.watch, False
    with selectors.DefaultSelector() as waiting:
        waiting.register(process.stderr, selectors.EVENT_READ, _hearing(said, watch))
        for reading, sink in pipes.sinks:
            waiting.register(reading, selectors.EVENT_READ, sink)
        while waiting.get_map():
            enough = watch.until if watch and not ended else None
            patient_until = watch.patient_until if watch else None
            left = min(until if enough is None else enough, patient_until or until) - time.monotonic()
            if left > 0:
                _take(waiting, left)
            elif patient_until is not None:
                raise HeldBackError
            elif enough is not None:
                # It says its last words, and closes its session.
                process.terminate()
                until, ended = time.monotonic() + _ENDING_S, True
            elif ended:
                process.kill()
                break
            else:
                raise TimeoutError
    return bytes(said), until + 1.0 if ended else until


def _take(waiting: selectors.BaseSelector, left: float) -> None:
    for ready, _ in waiting.select(left):
        chunk = os.read(ready.fd, 65536)
        if chunk:
            ready.data(chunk)
        else:
            waiting.unregister(ready.fileobj)


def _hearing(said: bytearray, watch: PacketWatch | None) -> Callable[[bytes], None]:
    def hear(chunk: bytes) -> None:
        said.extend(chunk)
        if len(said) > _MOST_SAID:
            raise Failed("ffmpeg said too much: the stream is damaged, or means harm")
        if watch:
            watch.said(chunk)

    return hear


def _command(look: PictureLook | None, pipes: list[int], protocols: str) -> list[str]:
    quiet = ["nice", "-n", "10", "ffmpeg", "-hide_banner", "-nostats", "-loglevel", "info"]
    source = ["-protocol_whitelist", f"pipe,{protocols}", "-f", "concat", "-safe", "0"]
    cheap = ["-probesize", "32", "-analyzeduration", "0", "-fpsprobesize", "0", "-threads", "1"]
    small = ["-max_pixels", str(_MOST_PIXELS)]
    # All frames are decoded until there is a key frame: see `picture_look.decoding` for what skipping costs.
    frame = ["-map", "0:v:0", "-an", "-sn", "-dn", "-vf", _KEY_FRAME, "-frames:v", "1", "-f", "null", "-"]
    written = picture_look.outputs(look, pipes) if look else frame
    decoding = picture_look.decoding(look) if look else []
    return [*quiet, *source, *cheap, *decoding, *small, "-i", "pipe:0", *written]


def parse(said: str) -> ReadAnswer:
    """A decoded key frame's codec and size from ffmpeg's output, or the error in it."""
    codec, frame = _CODEC.search(said), _FRAME.search(said)
    if codec and frame:
        return {"codec": codec[1], "width": int(frame[1]), "height": int(frame[2])}
    status = _STATUS.search(said)
    lines = [line for line in said.splitlines() if line.strip() and not line.startswith(_NO_ERROR)]
    number = int(status[1] or status[2]) if status else None
    return {"error": (lines or ["ffmpeg said nothing"])[-1], "status": number, "timed_out": False}
