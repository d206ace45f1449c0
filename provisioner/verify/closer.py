"""What a host learnt when it looked closer at what does not flow, as typed values. Pure.

Devices that took a connection were asked for their picture, gateways and relays for small and large packets, and the
packets of the probe were followed through the host's own rules. A field that is missing says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import AddressValueError, IPv4Address, ip_address

from provisioner.desired.names import HostNames
from provisioner.hosts.document import Fields, UnreadableError

Device = tuple[str, int]

_LARGEST_PORT = 65_535
_LARGEST_CODE = 255
_MOST = 1_000
_KINDS = frozenset({"nothing", "closed", "rtsp", "http", "tls", "other"})
_MEDIA = frozenset({"video", "audio", "application", "text"})


@dataclass(frozen=True, slots=True)
class Icmp:
    """The ICMP message that ended a connection; `own` is one that the host that connects said itself."""

    sender: str
    type: int
    code: int
    own: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """What a device answered when it was asked for its picture without a login; `kind` as `wire.SaidAnswer` has it."""

    kind: str
    status: int | None = None
    media: tuple[str, ...] = ()
    redirect: str = ""


@dataclass(frozen=True, slots=True)
class FarEnd:
    """How the other end of a tunnel answers small packets, and those of `size` bytes.

    Attributes:
        refuses: it refuses ports that it does not map, so that its silence about one means that it maps it.
    """

    small: bool
    full: bool
    size: int
    refuses: bool


@dataclass(frozen=True, slots=True)
class Drop:
    """A chain of the host's rules that dropped a packet of the probe; `tunnel` of one of the tunnel's own packets."""

    table: tuple[str, str]
    chain: str
    incoming: bool
    tunnel: bool
    place: Device

    def is_of(self, host: HostNames) -> bool:
        """Whether it is our own table on a host that drops."""
        return self.table == ("inet", host.table)

    @property
    def named(self) -> str:
        """The table and the chain, in words."""
        return f"table {' '.join(self.table)}, chain {self.chain}"


@dataclass(frozen=True, slots=True)
class BaseChain:
    """A chain of another table that packets of the host pass."""

    table: tuple[str, str]
    chain: str
    hook: str
    policy: str

    @property
    def named(self) -> str:
        """The table and the chain, in words."""
        return f"table {' '.join(self.table)}, chain {self.chain}"


@dataclass(frozen=True, slots=True)
class Closer:
    """All of it; `icmp` and `said` are of connections, by address and port, `gateways` by address."""

    icmp: Mapping[Device, Icmp] = field(default_factory=dict)
    said: Mapping[Device, Said] = field(default_factory=dict)
    gateways: Mapping[str, FarEnd] = field(default_factory=dict)
    drops: tuple[Drop, ...] = ()
    chains: tuple[BaseChain, ...] = ()

    def drop_of(self, place: Device) -> Drop | None:
        """The chain that drops what goes to a device or comes from it, None where none was seen to."""
        of_place = (d for d in self.drops if not d.tunnel and d.place[0] == place[0] and d.place[1] in {place[1], 0})
        return next(of_place, None)

    @property
    def tunnel_drop(self) -> Drop | None:
        """The chain that drops the tunnel's own packets, None where none was seen to."""
        return next((drop for drop in self.drops if drop.tunnel), None)

    def too_large(self, address: str) -> int | None:
        """The size of packets that do not come through to an address though small ones do; None where they do."""
        gateway = self.gateways.get(address)
        return gateway.size if gateway and gateway.small and not gateway.full else None


NOTHING_CLOSER = Closer()
"""Nothing was learnt, or nothing was to be."""


def closer_in(answer: Fields, devices: Iterable[Fields]) -> Closer:
    """A host's closer look, from the part of its answer that has it and what it says of each device.

    Raises:
        UnreadableError: it cannot be read.
    """
    listed = list(devices)
    look = answer.below_or_none("closer")
    return Closer(
        icmp={device_of(d): _icmp(d.below("icmp")) for d in listed if d.has("icmp")},
        said={device_of(d): _said(d.below("said")) for d in listed if d.has("said")},
        gateways=dict(map(_gateway, look.each("gateways"))) if look else {},
        drops=tuple(map(_drop, _few(look, "drops"))) if look and look.has("drops") else (),
        chains=tuple(map(_chain, _few(answer, "chains"))) if answer.has("chains") else (),
    )


def device_of(fields: Fields) -> Device:
    """The address and port of something that has both.

    Raises:
        UnreadableError: it has not.
    """
    port = fields.amount("port")
    if not 0 < port <= _LARGEST_PORT:
        raise UnreadableError(f"{fields.place}.port is no port")
    return fields.text("address"), port


def _few(fields: Fields, name: str) -> list[Fields]:
    listed = list(fields.each(name))
    if len(listed) > _MOST:
        raise UnreadableError(f"{fields.place_of(name)} has more than {_MOST} parts")
    return listed


def _icmp(icmp: Fields) -> Icmp:
    kind, code = icmp.amount("type"), icmp.amount("code")
    if kind > _LARGEST_CODE or code > _LARGEST_CODE:
        raise UnreadableError(f"{icmp.place} is no message of ICMP")
    return Icmp(_address(icmp, "sender"), kind, code, own=icmp.has("own") and icmp.flag("own"))


def _address(fields: Fields, name: str) -> str:
    try:
        return str(IPv4Address(fields.text(name)))
    except AddressValueError:
        raise UnreadableError(f"{fields.place_of(name)} is no address") from None


def _either_address(fields: Fields, name: str) -> str:
    """Of either family: the tunnel's own packets may go over IPv6."""
    try:
        address = ip_address(fields.text(name))
    except ValueError:
        address = None
    if address is None or getattr(address, "scope_id", None):
        raise UnreadableError(f"{fields.place_of(name)} is no address")
    return str(address)


def _said(said: Fields) -> Said:
    kind = said.text("kind")
    if kind not in _KINDS:
        raise UnreadableError(f"{said.place_of('kind')} is none of {', '.join(sorted(_KINDS))}")
    media = tuple(word for word in said.texts("media") if word in _MEDIA) if said.has("media") else ()
    return Said(kind, said.number_or_none("status"), media, said.sentence("redirect", ""))


def _gateway(gateway: Fields) -> tuple[str, FarEnd]:
    return _address(gateway, "address"), FarEnd(
        gateway.flag("small"), gateway.flag("full"), gateway.amount("size"), gateway.flag("refuses")
    )


def _drop(drop: Fields) -> Drop:
    return Drop(
        table=(drop.sentence("family"), drop.sentence("table")),
        chain=drop.sentence("chain"),
        incoming=drop.flag("incoming"),
        tunnel=drop.flag("tunnel"),
        place=(_either_address(drop, "address"), drop.amount("port")),
    )


def _chain(chain: Fields) -> BaseChain:
    table = chain.sentence("family"), chain.sentence("table")
    return BaseChain(table, chain.sentence("chain"), chain.sentence("hook"), chain.sentence("policy", ""))
