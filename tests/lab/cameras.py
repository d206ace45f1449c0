"""Control over one camera: what goes wrong with cameras in the field, on demand."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from subprocess import CompletedProcess
from typing import Final, Protocol

from .seed import device_document
from .topology import Device, Place, Stream, StreamKind

_PICTURES: Final = "/run/lab/pictures"
_WRITE: Final = 'umask 077; mkdir -p "$(dirname "$0")" && cat > "$0.new" && mv "$0.new" "$0"'


# By the kernel of the device's own network: whatever its program and its relay say.
_COUNT: Final = """
ip netns exec "$0" nft destroy table inet lab_count 2>/dev/null || ip netns exec "$0" nft delete table inet lab_count \
  2>/dev/null || true
ip netns exec "$0" nft -f - <<END
table inet lab_count {{
  counter new {{ }}
  chain input {{
    type filter hook input priority -200;
    tcp dport {port} tcp flags & (syn | ack) == syn counter name new
  }}
}}
END
"""


class Picture(StrEnum):
    """What a camera does; every word but MOVING is one of its program's modes, which are described there."""

    MOVING = "moving"
    # A single picture, again and again.
    FROZEN = "frozen"
    BLACK = "black"
    GREY = "grey"
    VIDEO_LOSS = "video-loss"
    NO_SIGNAL = "no-signal"
    # Another picture than before.
    LOOP = "loop"
    MOVED = "moved"
    BLURRED = "blurred"
    COVERED = "covered"
    SMALL = "small"
    HEVC = "hevc"
    # What healthy cameras show.
    CORRIDOR = "corridor"
    STILL = "still"
    NIGHT = "night"
    DARK = "dark"
    SNOW = "snow"
    RARE_KEY = "rare-key"
    KEY_30 = "key-30"
    KEY_60 = "key-60"
    # Something else than pictures, each at its time. SILENT answers every request and then sends nothing.
    SILENT = "silent"
    STALLS = "stalls"
    ENDS = "ends"
    SOUND = "sound"
    AUDIO_ONLY = "audio-only"
    PACKETS_MISSING = "packets-missing"
    HALF_RATE = "half-rate"
    STUCK_TIME = "stuck-time"
    RANDOM_SLICES = "random-slices"


class Execute(Protocol):
    """How a command is run in a host."""

    def __call__(self, host: str, argv: Sequence[str], *, stdin: str | None = None) -> CompletedProcess[str]:
        """Run the command."""


@dataclass(frozen=True)
class CameraControl:
    """One camera of a running lab.

    What concerns the device as a whole (stop, unplug, password) concerns all channels where the device is a recorder.
    A reboot of the gateway undoes all but a changed password.
    """

    place: Place
    execute: Execute = field(repr=False)
    read_password: Callable[[], str] = field(repr=False)
    keep_password: Callable[[str], None] = field(repr=False)

    @property
    def device(self) -> Device:
        """The device that the camera is, or whose channel it is."""
        return self.place.device

    @property
    def password(self) -> str:
        """The device's present password."""
        return self.read_password()

    def url(self, stream: Stream) -> str:
        """Return the URL of a stream within the site's LAN, with user and password."""
        return self.device.url(stream, self.password)

    def stop(self) -> None:
        """End the device's program: connections are refused."""
        self._run("systemctl", "stop", self._unit)

    def start(self) -> None:
        """Start the device's program again."""
        self._run("systemctl", "start", self._unit)

    def unplug(self) -> None:
        """Pull the device's network cable: it answers nothing, not even ARP."""
        self._run("ip", "link", "set", self._cable, "down")
        self._forget_neighbour()

    def plug(self) -> None:
        """Put the cable back."""
        self._run("ip", "link", "set", self._cable, "up")
        self._forget_neighbour()

    def change_password(self, password: str) -> None:
        """The device another password; as with real ones, that ends what was running."""
        document = device_document(self.device, password)
        self._write(f"/etc/lab/devices/{self.device.id}.json", document)
        self._run("systemctl", "restart", self._unit)
        self.keep_password(password)

    def count_connections(self) -> None:
        """Count from now on who connects to the device's port."""
        rules = _COUNT.format(port=self.device.port)
        self._run("sh", "-ec", rules, self.device.id)

    @property
    def connections(self) -> int:
        """How often somebody has connected since the count began."""
        listed = self._run("ip", "netns", "exec", self.device.id, "nft", "-j", "list", "table", "inet", "lab_count")
        [counter] = [entry["counter"] for entry in json.loads(listed.stdout)["nftables"] if "counter" in entry]
        return int(counter["packets"])

    def show(self, picture: Picture, kind: StreamKind | None = None, degree: str = "") -> None:
        """Change what this camera shows, in one of its streams or in both, for those who watch already too.

        Args:
            picture: the word.
            kind: the stream; both if `None`.
            degree: how much of it, for the words that its program lists: seconds, a factor or a share.
        """
        file = f"{_PICTURES}/{self.device.id}.json"
        shown = self._run("sh", "-c", 'if [ -e "$0" ]; then cat "$0"; fi', file).stdout
        pictures: dict[str, str] = json.loads(shown) if shown else {}
        name = self.place.camera.id
        words = f"{picture.value}:{degree}" if degree else picture.value
        changed = {f"{name}/{kind}" if kind else name: words}
        # A word for the camera as a whole ends those for its streams.
        kept = pictures if kind else {n: w for n, w in pictures.items() if not n.startswith(f"{name}/")}
        self._write(file, json.dumps({**kept, **changed}))
        self._run("systemctl", "try-reload-or-restart", self._unit)

    @property
    def _unit(self) -> str:
        return f"camera@{self.device.id}.service"

    @property
    def _cable(self) -> str:
        return f"lan-{self.device.id}"

    def _forget_neighbour(self) -> None:
        # The gateway must ask for the device anew, and not wait for what it remembers of it.
        self._run("ip", "neigh", "flush", "dev", self.place.gateway.bridge)

    def _run(self, *argv: str, stdin: str | None = None) -> CompletedProcess[str]:
        return self.execute(self.place.gateway.name, argv, stdin=stdin)

    def _write(self, path: str, content: str) -> None:
        self._run("sh", "-c", _WRITE, path, stdin=content)
