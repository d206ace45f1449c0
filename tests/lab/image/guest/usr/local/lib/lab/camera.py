"""A camera, or a recorder with several channels: an RTSP server that sends prepared H.264 clips for ever.

Usage: `camera.py DEVICE`. `/etc/lab/devices/DEVICE.json` says what the device is; `/run/lab/pictures/DEVICE.json`,
read at start and at SIGHUP, says what each camera, or one of its streams (`cam-01/sub`), does: a word of `MODES`, and
after a colon how much of it for the words in `DEGREES` (`stalls:6`).
Clips are sent as they are: nothing is encoded here, so that twelve of these cost next to nothing. Only the clock in the
top row is written when a picture is sent, so that a healthy camera never sends the same picture twice.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import signal
import socket
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402
from top_row import Geometry, Row, is_slice, nals  # type: ignore[import-not-found]  # noqa: E402 - beside it

CLIPS = Path("/usr/share/lab-camera")
DEVICES = Path("/etc/lab/devices")
PICTURES = Path("/run/lab/pictures")
_MILLISECOND = 1_000_000
_SOON = 20  # milliseconds until the first look at a stream's clock
# A clip starts each access unit with a delimiter: NAL type 9 of H.264, 35 of H.265.
DELIMITER = re.compile(rb"\x00\x00\x00\x01(?:\x09|\x46\x01)")
# No byte of what is random may look like the start of another unit.
_NO_START = bytes(max(byte, 4) for byte in range(256))
# A packet fits into a segment that passes the tunnel: a larger one would be two, each with an answer of its own.
_SOURCE = (
    "appsrc name=source is-live=true format=time max-bytes=0 "
    "caps=video/x-{codec},stream-format=byte-stream,alignment=au,width={width},height={height},framerate={rate}/1 "
    "! rtp{codec}pay pt=96 mtu=1300 config-interval=0 name="
)
_SOUND = (
    "appsrc name=sound is-live=true format=time max-bytes=0 caps=audio/x-alaw,rate=8000,channels=1 "
    "! rtppcmapay pt=8 name="
)
# A millisecond of silence.
_QUIET = b"\xd5" * 8
#: What a stream is made of; in `lossy` a share of its packets gets lost within the camera.
LAUNCHES = {
    "video": f"( {_SOURCE}pay0 )",
    "sound": f"( {_SOURCE}pay0 {_SOUND}pay1 )",
    "audio": f"( {_SOUND}pay0 )",
    "lossy": f"( {_SOURCE}payload ! identity name=pay0 drop-probability={{lost}} )",
}


@dataclass(frozen=True)
class Mode:
    """What a camera does."""

    clip: str = ""  #: What it shows, where that is not its own picture.
    clock: tuple[int, int] = (16, 235)  #: Levels of the clock's ground and digits, where the clip has room for one.
    codec: str = "h264"
    launch: str = "video"  #: What its stream is made of.
    slower: float = 1  #: How many times as long each picture lasts.
    stuck: bool = False  #: Whether all pictures bear the time of the first.
    noise: bool = False  #: Whether the pictures' contents are random bytes.
    seconds: float = float("inf")  #: How long each reader gets pictures.
    starts: bool = True  #: Whether a reader gets a first picture, or no more than what describes the stream.
    ends: float = float("inf")  #: After how many seconds the camera closes a reader's connection.
    lost: float = 0.25  #: The share of packets that get lost within the camera.

    @property
    def way(self) -> Mode:
        """The same but for what it shows: a change of this ends what is running."""
        return replace(self, clip="", clock=(0, 0), noise=False, starts=True)


_DARK = (17, 19)
MODES = {
    "moving": Mode(),
    **{
        name: Mode(name)
        for name in (
            *("frozen", "black", "grey", "video-loss", "no-signal", "corridor", "still", "night", "snow", "rare-key"),
            *("moved", "blurred", "covered", "loop", "small", "key-30", "key-60"),
        )
    },
    "dark": Mode("dark", _DARK),
    "silent": Mode(starts=False),
    "hevc": Mode("hevc", codec="h265"),
    "sound": Mode(launch="sound"),
    "audio-only": Mode(launch="audio"),
    "packets-missing": Mode(launch="lossy"),
    "half-rate": Mode(slower=2),
    "stuck-time": Mode(stuck=True),
    "random-slices": Mode(noise=True),
    "stalls": Mode(seconds=4),
    "ends": Mode(ends=3),
}
DEGREES = {"stalls": "seconds", "ends": "ends", "half-rate": "slower", "packets-missing": "lost"}


def mode_of(words: str) -> Mode:
    """Return the mode that a word names, with its degree."""
    word, _, degree = words.partition(":")
    changed: dict[str, Any] = {DEGREES[word]: float(degree)} if degree else {}
    return replace(MODES[word], **changed)


def access_units(clip: bytes) -> list[bytes]:
    """Split an Annex B stream into its pictures."""
    starts = [match.start() for match in DELIMITER.finditer(clip)]
    return [clip[start:end] for start, end in zip(starts, [*starts[1:], len(clip)], strict=True)]


def without_key_picture(units: list[bytes]) -> bytes:
    """Return parameter sets and a dependent picture: enough to be described, nothing that can be shown."""
    nals = re.split(rb"(?=\x00\x00\x00\x01)|(?<!\x00)(?=\x00\x00\x01)", units[0])
    sets = b"".join(nal for nal in nals if nal.lstrip(b"\x00")[1:2] and nal.lstrip(b"\x00")[1] & 31 in {7, 8})
    return sets + units[1]


def scrambled(unit: bytes) -> bytes:
    """A picture whose parts begin as they should and go on with random bytes."""
    made = bytearray()
    for nal in nals(unit):
        content = os.urandom(len(nal)).translate(_NO_START) if is_slice(nal) else nal[12:]
        made += b"\x00\x00\x00\x01" + nal[:12] + content
    return bytes(made)


@dataclass
class Channel:
    """One stream of one camera: its clips, and what it does at present."""

    camera: str
    clip: str
    kind: str
    rate: int
    width: int
    height: int
    pictures: dict[str, str]
    clips: dict[str, list[bytes]] = field(default_factory=dict)

    @property
    def mode(self) -> Mode:
        """What it does at present."""
        return mode_of(self.pictures.get(f"{self.camera}/{self.kind}") or self.pictures.get(self.camera, "moving"))

    @property
    def launch(self) -> str:
        """What its stream is made of."""
        mode = self.mode
        shape = {"width": self.width, "height": self.height, "rate": self.rate}
        return LAUNCHES[mode.launch].format(codec=mode.codec, lost=mode.lost, **shape)

    def units(self, clip: str) -> list[bytes]:
        """Return the pictures of a clip, loaded once."""
        name = f"{clip}-{self.kind}"
        if name not in self.clips:
            self.clips[name] = access_units((CLIPS / f"{name}.h264").read_bytes())
        return self.clips[name]

    def first(self, moment: float) -> int:
        """The number of the picture with which a reader starts who comes at a moment: the latest key picture."""
        mode = self.mode
        number, units = int(moment) * self.rate, self.units(mode.clip or self.clip)
        while mode.codec == "h264" and not is_key(units[number % len(units)]):
            number -= 1
        return number

    def unit(self, number: int, *, first: bool) -> bytes | None:
        """Return picture `number`, or nothing where the camera keeps silent; `first` is a reader's first."""
        mode = self.mode
        units = self.units(mode.clip or self.clip)
        if not mode.starts:
            return without_key_picture(units) if first else None
        unit = units[number % len(units)]
        if mode.noise:
            return scrambled(unit)
        if mode.codec == "h264" and has_room(unit):
            return bytes(self.row(unit, mode.clock).over(unit, time.strftime("%d%H%M%S")))
        return unit

    def row(self, unit: bytes, clock: tuple[int, int]) -> Row:
        """What writes the clock over a key picture."""
        sps = next(nal for nal in nals(unit) if nal[0] & 31 == 7)
        return Row(Geometry.of(sps), *clock)


def is_key(unit: bytes) -> bool:
    """Whether a picture depends on no other."""
    return any(nal[0] & 31 == 5 for nal in nals(unit))


def has_room(unit: bytes) -> bool:
    """Whether a key picture lacks its top row."""
    slices = [nal for nal in nals(unit) if nal[0] & 31 == 5]
    # The first number of a slice is where it begins: a single bit where that is the top.
    return bool(slices) and not slices[0][1] & 0x80


def push(source: Gst.Element, data: bytes, moment: int, duration: int) -> bool:
    """Hand something over that is to be sent."""
    buffer = Gst.Buffer.new_wrapped(data)
    buffer.pts = buffer.dts = moment
    buffer.duration = duration
    return bool(source.emit("push-buffer", buffer) == Gst.FlowReturn.OK)


class Feed:
    """Sends one reader's pictures, each at its time."""

    def __init__(self, media: GstRtspServer.RTSPMedia, channel: Channel) -> None:
        """Start with the key picture of this second: what a reader sees depends on when it looks."""
        self.channel = channel
        self.mode = channel.mode
        self.pipeline = media.get_element()
        self.source = self.pipeline.get_by_name("source")
        self.sound = self.pipeline.get_by_name("sound")
        self.start = channel.first(time.monotonic())
        self.until = time.monotonic() + self.mode.seconds
        self.sent = 0
        self.origin: int | None = None
        self.timer = GLib.timeout_add(_SOON, self.tick)
        self.over = False
        media.connect("unprepared", self.stop)

    def now(self) -> int | None:
        """Return the running time of the stream, once it has a clock and the time at which it began."""
        # Another thread sets first the one and then the other. Between them the running time is that since the machine
        # was started: a picture of that time would wait in the sink for days, and all others behind it.
        source = self.source or self.sound
        clock, base = source.get_clock(), source.get_base_time()
        return clock.get_time() - base if clock and base else None

    def tick(self) -> bool:
        """Send all pictures that are due, and wait for the next: each has its time, so that delays never add up."""
        if self.over:
            return False
        now, interval = self.now(), int(self.mode.slower * Gst.SECOND) // self.channel.rate
        if now is None or time.monotonic() > self.until:
            return True
        if self.origin is None or self.origin + self.sent * interval > now + interval:
            # The first picture, or the stream's time has begun anew.
            self.origin = now - self.sent * interval
        while (due := self.origin + self.sent * interval) <= now and self.send(due, interval):
            self.sent += 1
        # While a stream is flushed, as at its start, it takes nothing: that is no end. A reader that has gone is told.
        wait = -(-(due - now) // _MILLISECOND) if due > now else _SOON
        self.timer = GLib.timeout_add(wait, self.tick)
        return False

    def send(self, moment: int, duration: int) -> bool:
        """Send one picture, and the sound of its time; false when it is not taken now."""
        if self.sound and not push(self.sound, _QUIET * (duration // _MILLISECOND), moment, duration):
            return False
        unit = self.channel.unit(self.start + self.sent, first=self.sent == 0) if self.source else None
        if unit is None:
            return True
        return push(self.source, unit, self.origin if self.mode.stuck and self.origin else moment, duration)

    def stop(self, _media: GstRtspServer.RTSPMedia) -> None:
        """End with the reader."""
        self.over = True
        if self.timer:
            GLib.source_remove(self.timer)
            self.timer = 0


class Mounts(GstRtspServer.RTSPMountPoints):  # type: ignore[misc]  # bindings are untyped
    """Mount points whose name includes the query, as for cameras that put the channel there."""

    def do_make_path(self, url: GstRtsp.RTSPUrl) -> str:
        """Name the stream of a request."""
        return f"{url.abspath}?{url.query}" if url.query else str(url.abspath)


class Url(ctypes.Structure):
    """`GstRTSPUrl`, up to the query."""

    _fields_ = (
        ("transports", ctypes.c_int),
        ("family", ctypes.c_int),
        ("user", ctypes.c_void_p),
        ("password", ctypes.c_void_p),
        ("host", ctypes.c_void_p),
        ("port", ctypes.c_uint16),
        ("path", ctypes.c_void_p),
        ("query", ctypes.c_void_p),
    )


class Context(ctypes.Structure):
    """`GstRTSPContext`, up to the URL."""

    _fields_ = (
        ("server", ctypes.c_void_p),
        ("connection", ctypes.c_void_p),
        ("client", ctypes.c_void_p),
        ("request", ctypes.c_void_p),
        ("url", ctypes.POINTER(Url)),
    )


def trim_query(context: GstRtspServer.RTSPContext) -> None:
    """Take the slash off the end of the request's query, in place.

    The answer to DESCRIBE gives a base URL with a slash at its end, and clients come back with it. The library takes
    that slash off a path, but not off a query, and Python's own bindings only ever show a copy of the URL.
    """
    url = Context.from_address(hash(context)).url
    if url and url.contents.query:
        query = ctypes.string_at(url.contents.query)
        if query.endswith(b"/"):
            ctypes.memset(url.contents.query + len(query) - 1, 0, 1)


class Auth(GstRtspServer.RTSPAuth):  # type: ignore[misc]  # bindings are untyped
    """Authentication, which is where every request passes first."""

    def do_check(self, context: GstRtspServer.RTSPContext, check: str) -> bool:
        """Put the URL in order, then check as usual."""
        trim_query(context)
        return bool(GstRtspServer.RTSPAuth.do_check(self, context, check))


def authentication(device: dict[str, Any]) -> GstRtspServer.RTSPAuth:
    """Accept the device's one user, by digest only."""
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    auth = Auth()
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    auth.set_realm(device["realm"])
    auth.add_digest(device["user"], device["password"], token)
    return auth


def factory(channel: Channel) -> GstRtspServer.RTSPMediaFactory:
    """Make what serves one stream; each reader gets its own, so that no reader can hold up another."""
    made = GstRtspServer.RTSPMediaFactory()
    made.set_launch(channel.launch)
    made.set_shared(False)
    made.set_latency(0)
    permissions = GstRtspServer.RTSPPermissions()
    for permission in ("media.factory.access", "media.factory.construct"):
        permissions.add_permission_for_role("viewer", permission, True)  # noqa: FBT003 - the library's signature
    made.set_permissions(permissions)
    made.connect("media-configure", lambda _factory, media: Feed(media, channel))
    return made


def end_later(client: Any, context: GstRtspServer.RTSPContext, targets: dict[str, Channel]) -> None:
    """Close a reader's connection after as long as the stream that it plays says."""
    path = Mounts().do_make_path(context.uri)
    lasts = [channel.mode.ends for target, channel in targets.items() if path.startswith(target)]
    if lasts and min(lasts) < float("inf"):
        GLib.timeout_add(int(min(lasts) * 1000), lambda: bool(client.close()))


def read_pictures(device: str, into: dict[str, str]) -> None:
    """Read what each camera does."""
    file = PICTURES / f"{device}.json"
    into.clear()
    if file.exists():
        into.update(json.loads(file.read_text(encoding="utf-8")))


def tell_systemd(message: bytes) -> None:
    """Say that the device is ready."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
            connection.sendto(message, address.replace("@", "\0", 1) if address.startswith("@") else address)


def main(name: str) -> None:
    """Serve for ever."""
    device = json.loads((DEVICES / f"{name}.json").read_text(encoding="utf-8"))
    pictures: dict[str, str] = {}
    read_pictures(name, pictures)
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("0.0.0.0")  # noqa: S104 - within its own network namespace
    server.set_service(str(device["port"]))
    mounts, served = Mounts(), []
    for stream in device["streams"]:
        target = stream.pop("target")
        channel = Channel(**stream, pictures=pictures)
        made = factory(channel)
        mounts.add_factory(target, made)
        served.append((target, channel, made))
    server.set_mount_points(mounts)
    targets = {target: channel for target, channel, _ in served}
    server.connect("client-connected", lambda _, client: client.connect("play-request", end_later, targets) and None)
    server.set_auth(authentication(device))
    if not server.attach(None):
        sys.exit(f"{name}: port {device['port']} cannot be opened")
    loop = GLib.MainLoop()

    def reload() -> bool:
        before = [channel.mode.way for _, channel, _ in served]
        read_pictures(name, pictures)
        for _, channel, made in served:
            made.set_launch(channel.launch)
        if before != [channel.mode.way for _, channel, _ in served]:
            # What runs is made in another way: readers come again, as after a change of settings on a real one.
            server.client_filter(lambda *_: GstRtspServer.RTSPFilterResult.REMOVE)
        return True

    GLib.unix_signal_add(GLib.PRIORITY_HIGH, signal.SIGHUP, reload)
    # Sessions of readers that vanished are only forgotten when asked.
    GLib.timeout_add_seconds(2, lambda: server.get_session_pool().cleanup() >= 0)
    tell_systemd(b"READY=1")
    loop.run()


if __name__ == "__main__":
    main(sys.argv[1])
