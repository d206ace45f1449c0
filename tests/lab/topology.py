"""What the lab consists of, as data: the same for every run."""

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from ipaddress import IPv4Interface
from typing import Final
from urllib.parse import quote

SSH_USER: Final = "noc"
SSH_PORT: Final = 22
FRAME_RATE: Final = 5  #: Pictures a second of every stream; the clips are made with the same.


class Make(StrEnum):
    """Makes of cameras and recorders, each with its own form of URL."""

    HIKVISION = "hikvision"
    DAHUA = "dahua"
    UNIVIEW = "uniview"
    AXIS = "axis"
    EZVIZ = "ezviz"
    GENERIC = "generic"


class StreamKind(StrEnum):
    """The two streams of every camera."""

    MAIN = "main"
    SUB = "sub"


class Network(StrEnum):
    """The Docker networks of a lab."""

    MGMT = "mgmt"
    WAN = "wan"


_LAN: Final = IPv4Interface("192.168.1.1/24")
_SIZES: Final = {StreamKind.MAIN: (640, 360), StreamKind.SUB: (352, 288)}


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream of a camera; `target` is the path and query of its URL."""

    kind: StreamKind
    target: str

    @property
    def width(self) -> int:
        """Width of the picture."""
        return _SIZES[self.kind][0]

    @property
    def height(self) -> int:
        """Height of the picture."""
        return _SIZES[self.kind][1]


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera, or one channel of a recorder. `picture` numbers its clip: no two cameras show the same."""

    id: str
    channel: int
    picture: int
    streams: tuple[Stream, ...]

    def stream(self, kind: StreamKind) -> Stream:
        """Return the main or the sub stream."""
        return next(stream for stream in self.streams if stream.kind is kind)


@dataclass(frozen=True, slots=True)
class Device:
    """What has an address in a site's LAN: a camera with itself as the one channel, or a recorder with several.

    A recorder's `spare` channels show something, too, and belong to no camera of the inventory.
    """

    id: str
    make: Make
    address: IPv4Interface
    port: int
    user: str
    cameras: tuple[Camera, ...]
    spare: tuple[Camera, ...] = ()

    @property
    def is_recorder(self) -> bool:
        """Whether its channels are cameras of their own."""
        return self.cameras[0].id != self.id

    def url(self, stream: Stream, password: str) -> str:
        """Return the URL of a stream as seen in the site's LAN."""
        user, secret = quote(self.user, safe=""), quote(password, safe="")
        return f"rtsp://{user}:{secret}@{self.address.ip}:{self.port}{stream.target}"


@dataclass(frozen=True)
class Gateway:
    """A site: its facility, the relay that serves it, and its devices behind the gateway."""

    name: str
    province: str
    facility: str
    carrier: str
    relay: str
    devices: tuple[Device, ...]
    lan: IPv4Interface = _LAN
    bridge: str = "lan0"

    @cached_property
    def cameras(self) -> tuple[Camera, ...]:
        """All cameras of the site."""
        return tuple(camera for device in self.devices for camera in device.cameras)


@dataclass(frozen=True, slots=True)
class Relay:
    """A carrier's relay host."""

    name: str
    carrier: str


@dataclass(frozen=True, slots=True)
class Jump:
    """A carrier's jump host: sshd and nothing else. The controller has no other way to the carrier's relays."""

    name: str
    carrier: str


@dataclass(frozen=True, slots=True)
class Centre:
    """The monitoring centre."""

    name: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a camera is: its site, its device, and itself."""

    gateway: Gateway
    device: Device
    camera: Camera

    @property
    def id(self) -> str:
        """Name of the camera in the whole lab, `facility/camera`."""
        return f"{self.gateway.facility}/{self.camera.id}"

    def path(self, kind: StreamKind) -> str:
        """Return the path of a stream at its relay."""
        return f"{self.gateway.province}/{self.id}/{kind}"


def targets(make: Make, channel: int, *, recorder: bool) -> tuple[Stream, ...]:
    """Return the main and sub stream of a channel, with the URLs of its make."""
    forms = {
        Make.HIKVISION: (f"/Streaming/Channels/{channel}01", f"/Streaming/Channels/{channel}02"),
        Make.DAHUA: tuple(f"/cam/realmonitor?channel={channel}&subtype={subtype}" for subtype in (0, 1)),
        Make.UNIVIEW: (f"/unicast/c{channel}/s0/live", f"/unicast/c{channel}/s1/live")
        if recorder
        else ("/media/video1", "/media/video2"),
        Make.AXIS: tuple(f"/axis-media/media.amp?camera={channel}&streamprofile={name}" for name in ("main", "sub")),
        Make.EZVIZ: (f"/h264/ch{channel}/main/av_stream", f"/h264/ch{channel}/sub/av_stream"),
        Make.GENERIC: ("/live/main", "/live/sub"),
    }
    main, sub = forms[make]
    return Stream(StreamKind.MAIN, main), Stream(StreamKind.SUB, sub)


def _camera(name: str, make: Make, host: int, picture: int, *, port: int = 554, user: str = "admin") -> Device:
    camera = Camera(name, 1, picture, targets(make, 1, recorder=False))
    return Device(name, make, IPv4Interface(f"192.168.1.{host}/24"), port, user, (camera,))


def _recorder(name: str, make: Make, host: int, pictures: range, *, spare: int) -> Device:
    *cameras, last = (
        Camera(f"cam-{channel:02}", channel, picture, targets(make, channel, recorder=True))
        for channel, picture in enumerate((*pictures, spare), start=1)
    )
    return Device(name, make, IPv4Interface(f"192.168.1.{host}/24"), 554, "admin", tuple(cameras), (last,))


RELAYS: Final = (Relay("relay-viettel-1", "viettel"), Relay("relay-vnpt-1", "vnpt"))
JUMP: Final = Jump("jump-vnpt", "vnpt")
CENTRE: Final = Centre("centre")
GATEWAYS: Final = (
    Gateway(
        name="gw-1",
        province="bac-giang",
        facility="kcl-bg-001",
        carrier="viettel",
        relay="relay-viettel-1",
        devices=(
            _camera("cam-01", Make.HIKVISION, 64, 0),
            _camera("cam-02", Make.DAHUA, 108, 1),
            _camera("cam-03", Make.UNIVIEW, 13, 2),
            _camera("cam-04", Make.GENERIC, 20, 3, port=8554, user="giám sát"),
        ),
    ),
    Gateway(
        name="gw-2",
        province="bac-giang",
        facility="kcl-bg-002",
        carrier="viettel",
        relay="relay-viettel-1",
        devices=(_recorder("nvr-01", Make.UNIVIEW, 30, range(4, 7), spare=12),),
    ),
    Gateway(
        name="gw-3",
        province="hai-duong",
        facility="kcl-hd-001",
        carrier="viettel",
        relay="relay-viettel-1",
        devices=(
            _camera("cam-01", Make.AXIS, 90, 7, user="root"),
            _camera("cam-02", Make.EZVIZ, 51, 8),
            _camera("cam-03", Make.HIKVISION, 64, 9),
        ),
    ),
    Gateway(
        name="gw-4",
        province="quang-nam",
        facility="kcl-qn-001",
        carrier="vnpt",
        relay="relay-vnpt-1",
        devices=(_camera("cam-01", Make.DAHUA, 108, 10), _camera("cam-02", Make.HIKVISION, 64, 11)),
    ),
)
PLACES: Final = tuple(
    Place(gateway, device, camera) for gateway in GATEWAYS for device in gateway.devices for camera in device.cameras
)
MANAGED_HOSTS: Final = (*(relay.name for relay in RELAYS), CENTRE.name)
BEHIND_JUMP: Final = tuple(relay.name for relay in RELAYS if relay.carrier == JUMP.carrier)
MACHINES: Final = (*MANAGED_HOSTS, *(gateway.name for gateway in GATEWAYS))  #: The hosts that boot a systemd.
HOSTS: Final = (*MACHINES, JUMP.name)


def place(camera: str) -> Place:
    """Find a camera by `facility/camera`."""
    return next(found for found in PLACES if found.id == camera)
