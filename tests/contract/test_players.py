"""Players of others at a relay: each reads a path with its login, plain and encrypted, and gets pictures.

A table of docs/operate/readers.md says which of them check a relay's certificate; here it is tried.
"""

import os
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from typing import Final

import pytest

from tests.processes import beside, free_port
from tests.real.programs import GO2RTC

from .conftest import REAL
from .relay import LATE, READER, READER_PASSWORD, wait_for
from .test_encrypted_readers import PATH, Server, server

__all__ = ["server"]  # the fixture

pytestmark = [pytest.mark.contract, pytest.mark.soak]

_MOST_S: Final = 40 + LATE
_FRAMES: Final = 3
_TRUSTED: Final = "/etc/ssl/certs/ca-certificates.crt"

#: Play an address, with files in a folder: whether pictures came.
Play = Callable[[str, Path], bool]


def played(words: list[str | Path], folder: Path) -> bool:
    """Let a player write its pictures into a folder, one a file."""
    folder.mkdir()
    with suppress(subprocess.TimeoutExpired):
        subprocess.run(words, cwd=folder, capture_output=True, check=False, timeout=_MOST_S, stdin=subprocess.DEVNULL)
    return len([file for file in folder.iterdir() if file.stat().st_size]) >= _FRAMES


def ffmpeg(address: str, folder: Path) -> bool:
    words = ["ffmpeg", "-nostdin", "-loglevel", "error", "-rtsp_transport", "tcp", "-i", address]
    return played([*words, "-frames:v", str(_FRAMES), "frame-%d.jpg"], folder)


def mpv(address: str, folder: Path) -> bool:
    words = ["mpv", "--no-config", "--no-terminal", "--rtsp-transport=tcp", "--ao=null", "--vo=image"]
    return played([*words, f"--frames={_FRAMES}", address], folder)


def gstreamer(address: str, folder: Path) -> bool:
    source = ["rtspsrc", f"location={address}", "protocols=tcp"]
    words = ["rtph264depay", "h264parse", "avdec_h264", f"identity eos-after={_FRAMES + 1}", "videoconvert", "jpegenc"]
    pipeline = [word for element in [*words, "multifilesink location=frame-%d.jpg"] for word in ("!", *element.split())]
    return played(["gst-launch-1.0", "-q", *source, *pipeline], folder)


def trusting(file: Path, play: Play) -> Play:
    """Put a certificate into the system's store, as this player alone sees it."""
    script = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'

    def run(address: str, folder: Path) -> bool:
        tools = folder.with_name(f"{folder.name}-tools")
        tools.mkdir()
        program = str(shutil.which("gst-launch-1.0"))
        wrapper = tools / "gst-launch-1.0"
        wrapper.write_text(
            f"#!/bin/sh\nexec unshare --mount sh -c '{script}' sh {file} {_TRUSTED} {program} \"$@\"\n",
            encoding="utf-8",
        )
        wrapper.chmod(0o755)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
            return play(address, folder)

    return run


@contextmanager
def go2rtc_of(address: str, folder: Path) -> Iterator[str]:
    port = free_port()
    folder.mkdir()
    file = folder / "go2rtc.yaml"
    silent = "rtsp: {listen: ''}\nwebrtc: {listen: ''}\nsrtp: {listen: ''}\n"
    text = f"api: {{listen: '127.0.0.1:{port}'}}\n{silent}streams:\n  camera: {address}\n"
    file.write_text(text, encoding="utf-8")
    with beside([GO2RTC, "-config", file], folder / "log"):
        yield f"http://127.0.0.1:{port}"


def go2rtc(address: str, folder: Path) -> bool:
    with go2rtc_of(address, folder) as url:
        answer: list[bytes] = []

        def answers() -> bool:
            film = f"{url}/api/stream.mp4?src=camera&duration=1"
            try:
                answer.append(urllib.request.urlopen(film, timeout=_MOST_S).read())  # noqa: S310 (loopback)
            except urllib.error.HTTPError as error:
                # Its port is open before it serves all of its pages.
                if error.code == HTTPStatus.NOT_FOUND:
                    return False
                answer.append(error.read())
            except OSError:
                return False
            return True

        wait_for(answers, _MOST_S)
    return b"moof" in answer[0]


#: By a player's name its program, and what plays with it.
PLAYERS: Final[dict[str, tuple[str, Play]]] = {
    "ffmpeg": ("ffmpeg", ffmpeg),
    "mpv": ("mpv", mpv),
    "gstreamer": ("gst-launch-1.0", gstreamer),
    "go2rtc": (str(GO2RTC), go2rtc),
}
CHECKS: Final = {"gstreamer"}  #: Players that check the certificate.


@pytest.mark.parametrize("player", PLAYERS)
def test_a_player_reads_with_its_login_plain_and_encrypted(server: Server, tmp_path: Path, player: str) -> None:
    program, play = PLAYERS[player]
    if server.relay.engine.name != REAL or shutil.which(program) is None:
        pytest.skip(f"a real MediaMTX and {program} are needed: scripts/soak real")
    plain = server.relay.url(PATH)
    encrypted = f"rtsps://{READER}:{READER_PASSWORD}@127.0.0.1:{server.port}/{PATH}"
    assert play(plain, tmp_path / "plain")
    assert not play(server.relay.url(PATH, password="wrong"), tmp_path / "wrong")
    assert play(encrypted, tmp_path / "unknown-certificate") == (player not in CHECKS)
    if player in CHECKS:
        assert trusting(server.file, play)(encrypted, tmp_path / "trusted-certificate")
