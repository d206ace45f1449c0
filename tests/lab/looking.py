"""Looking at cameras from within a site, past relays and tunnels: what the tests of the lab go by."""

import json
from dataclasses import dataclass
from typing import Final

from .lab import Lab
from .patience import stretched
from .topology import Gateway

# A stream is read as one entry of a play list: URLs hold passwords, and a command line is seen by everybody.
_READ_SECONDS: Final = 12
_READ: Final = (
    "ffprobe", "-v", "error", "-f", "concat", "-safe", "0", "-protocol_whitelist", "pipe,fd,file,rtsp,rtp,tcp,udp",
    "-select_streams", "v", "-show_entries", "stream=codec_name,profile:frame=key_frame,width,height",
    "-read_intervals", "%+2", "-of", "json", "pipe:0",
)  # fmt: skip
_CONNECT: Final = """
import errno, json, socket, sys
address, port = json.load(sys.stdin)
try:
    socket.create_connection((address, port), 8).close()
    print("connected")
except TimeoutError:
    print("timeout")
except OSError as error:
    print(errno.errorcode[error.errno])
"""


@dataclass(frozen=True, slots=True)
class Look:
    """What a reader in the site's LAN got."""

    codec: str
    profile: str
    frames: tuple[tuple[bool, int, int], ...]
    error: str

    @property
    def plays(self) -> bool:
        """Whether a key frame came."""
        return any(key for key, _, _ in self.frames)


def look(lab: Lab, gateway: Gateway, url: str, seconds: float | None = None) -> Look:
    """Read two seconds of a stream from the gateway; so long it is waited for, or as long as this machine needs."""
    playlist = f"ffconcat version 1.0\nfile '{url}'\noption rtsp_transport tcp\n"
    limited = ("timeout", f"{seconds or stretched(_READ_SECONDS):.0f}", *_READ)
    done = lab.exec(gateway.name, limited, stdin=playlist, check=False, timeout=30)
    document = json.loads(done.stdout or "{}")
    stream: dict[str, str] = next(iter(document.get("streams", [])), {})
    frames = tuple((frame["key_frame"] == 1, frame["width"], frame["height"]) for frame in document.get("frames", []))
    return Look(stream.get("codec_name", ""), stream.get("profile", ""), frames, done.stderr)


def knock(lab: Lab, gateway: Gateway, address: str, port: int) -> str:
    """Open a connection from the gateway; return `connected`, `timeout`, or the name of the error."""
    request = json.dumps([address, port])
    return lab.exec(gateway.name, ["python3", "-c", _CONNECT], stdin=request).stdout.strip()
