"""Evidence about paths, parsed strictly from hosts' answers. Pure.

A document is no evidence if it cannot be read or states something impossible, such as a handshake in a year to come.
A path is judged by its own relay and centres only.

Connections count because MediaMTX follows a camera's redirect to any address. Each source has one connection. A device
with fewer connections than paths that give a picture redirects one of them. A place with more connections that bring a
picture than paths receives the redirected one. If an idle connection may stand in for the missing one, the origin of
the pictures of that device is not known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from provisioner.base.errors import UnreadableError
from provisioner.desired.spec import HostSpec, MediaPath
from provisioner.hosts.answers import read, wire
from provisioner.hosts.facts import HostFacts, facts_in
from provisioner.hosts.runner import CallOutcome, HostAnswer
from provisioner.verify import words
from provisioner.verify.devices import NOTHING_CLOSER, Closer, Device, closer_in, device_in
from provisioner.verify.result import DeviceAccount, accounts_in

# ffmpeg's names of what the inventory names otherwise.
_CODECS = {"hevc": "h265"}
_UNAUTHORIZED = 401

NOWHERE: Device = ("", 0)
"""Where a relay finds the device of a path that its site pushes: nothing is ever heard of it."""


@dataclass(frozen=True, slots=True)
class Publishing:
    """Who pushes to a relay.

    Attributes:
        comes_from: by path, the address that pushes it; None where the relay could not list its sessions.
        refused: the addresses from which somebody wanted to push of late, and was refused, each with how often.
    """

    comes_from: Mapping[str, str] | None = None
    refused: Mapping[str, int] = field(default_factory=dict)


NOBODY_SEEN = Publishing()


Samples = tuple[wire.SampleAnswer | None, wire.SampleAnswer | None]
"""A path at two moments."""


@dataclass(frozen=True, slots=True)
class Read:
    """One real read. A read that was not run is evidence of nothing.

    Attributes:
        frame: codec, width and height of a decoded key frame, or None.
        after: an on-demand path's state just after its read.
        pulled: how many paths of an on-demand path's device the relay had then.
        connected: over how many connections to the device; None where that was not told.
        looked: whether a look at its picture was asked for and went on from its key frame.
        picture: what that look measured; None where it could not.
    """

    run: bool
    frame: tuple[str, int, int] | None
    error: str
    status: int | None
    timed_out: bool
    after: wire.SampleAnswer | None
    pulled: int = 0
    connected: int | None = None
    looked: bool = False
    picture: wire.PictureAnswer | None = None

    @property
    def is_refused(self) -> bool:
        """Whether its host could not read at all: it has no reader, or the relay refused its login."""
        return self.status == _UNAUTHORIZED or (not self.run and not words.is_for_time(self.error))


@dataclass(frozen=True, slots=True)
class Sources:
    """Where a relay's sources were connected between its two samples, by address and port.

    Attributes:
        connections: how many connections lead there.
        flowing: how many of them brought more than words.
        halted: devices that the relay connected to so often that its firewall opens nothing more.
    """

    connections: dict[Device, int]
    flowing: dict[Device, int]
    halted: frozenset[Device]


@dataclass(frozen=True, slots=True)
class RelayEvidence:
    """What a relay says of its paths, by name; `devices` by address and port.

    Attributes:
        sources: None where it cannot say.
        unsteady: paths that came or went while they were looked at.
        stalls: how often the source of a path stopped sending of late while it was connected.
        closer: what it learnt of devices that do not flow.
        deliveries: how its streams travelled; None where it does not say.
        accounts: what devices told of themselves, by their names.
        on_demand: on-demand paths as they were while a centre read them in the relay's stead.
        publishing: who pushes to it.
        not_installed: devices that it did not connect to, as its installed rules do not have them.
    """

    unit: str
    api_error: str
    tunnel: wire.TunnelEvidenceAnswer
    devices: dict[Device, str]
    samples: dict[str, Samples]
    reads: dict[str, Read]
    errors: Mapping[str, Sequence[str]]
    sources: Sources | None = None
    unsteady: frozenset[str] = frozenset()
    stalls: Mapping[str, int] = field(default_factory=dict)
    closer: Closer = NOTHING_CLOSER
    deliveries: wire.RelayDeliveriesAnswer | None = None
    accounts: Mapping[str, DeviceAccount] = field(default_factory=dict)
    on_demand: Mapping[str, wire.OnDemandAnswer] = field(default_factory=dict)
    publishing: Publishing = NOBODY_SEEN
    not_installed: frozenset[Device] = frozenset()

    def pulled(self, name: str) -> wire.OnDemandAnswer | None:
        """How an on-demand path was just after its read on the relay, else while a centre read it."""
        read = self.reads.get(name)
        if read is not None and read.after is not None:
            return {"after": read.after, "pulled": read.pulled, "connected": read.connected}
        return self.on_demand.get(name) if read is None else None


@dataclass(frozen=True, slots=True)
class CentreEvidence:
    """What a centre read, by relay and path, and what came over its connections to relays meanwhile.

    `ways` are outcomes of connections to relays that it could not read.
    """

    tunnel: wire.TunnelEvidenceAnswer
    reads: dict[str, dict[str, Read]]
    incoming: Sequence[wire.ArrivalAnswer] = ()
    ways: Mapping[Device, str] = field(default_factory=dict)
    closer: Closer = NOTHING_CLOSER


@dataclass(frozen=True, slots=True)
class HostEvidence:
    """All that one host says, or why it says nothing.

    Attributes:
        clock: its clock when it began and when it ended, in seconds since 1970; None where it did not say.
        disks: those below the folders that we need.
    """

    host: str
    outcome: CallOutcome
    error: str = ""
    facts: HostFacts | None = field(default=None, repr=False)
    relay: RelayEvidence | None = None
    centre: CentreEvidence | None = None
    clock: Sequence[float] | None = None
    disks: Sequence[wire.DiskAnswer] = ()


@dataclass(frozen=True, slots=True)
class Origins:
    """What the count says of one relay.

    Attributes:
        short: devices with fewer connections than paths that give a picture.
        strange: places that a picture is pulled from which belongs to no path of theirs.
        unsure: devices of which it cannot be said whether their pictures come from there.
    """

    short: frozenset[Device]
    strange: tuple[Device, ...]
    unsure: frozenset[Device]


@dataclass(frozen=True, slots=True)
class _Seen:
    """A path as two samples show it; `waits` of one that has no picture and tries to get one."""

    device: Device
    flows: bool
    there: bool
    waits: bool


def parse_evidence(answer: HostAnswer) -> HostEvidence:
    """A host's evidence from its answer; a document that cannot be read makes the host a failed one."""
    if answer.outcome is not CallOutcome.ANSWERED:
        return HostEvidence(answer.host, answer.outcome, answer.error)
    try:
        return _evidence(answer.host, read(wire.ProbeAnswer, answer.document))
    except UnreadableError as error:
        # The name of the field, never the document: it is another program's output.
        return HostEvidence(answer.host, CallOutcome.FAILED, f"its answer cannot be read: {error}")


def _evidence(host: str, answer: wire.ProbeAnswer) -> HostEvidence:
    return HostEvidence(
        host=host,
        outcome=CallOutcome.ANSWERED,
        error=answer["facts_error"],
        facts=facts_in(host, answer["facts"]) if answer["facts"] else None,
        relay=relay_evidence(answer["relay"]) if "relay" in answer else None,
        centre=_centre(answer["centre"]) if "centre" in answer else None,
        clock=answer.get("clock"),
        disks=answer.get("disks", ()),
    )


def relay_evidence(relay: wire.RelayEvidenceAnswer) -> RelayEvidence:
    """What a relay tells of its paths, in a probe and in the looks of a change.

    Raises:
        UnreadableError: it cannot be.
    """
    paths, devices = relay["paths"], relay["devices"]
    return RelayEvidence(
        unit=relay["unit"],
        api_error=relay["api_error"],
        tunnel=relay["tunnel"],
        devices={device_in(device): device["outcome"] for device in devices},
        samples={name: _samples(path) for name, path in paths.items()},
        reads={name: _read(path["read"]) for name, path in paths.items() if path["read"] is not None},
        errors=relay["errors"],
        sources=_sources(relay["sources"]) if relay["sources"] else None,
        unsteady=frozenset(name for name, path in paths.items() if path.get("unsteady")),
        stalls={name: path["stalls"] for name, path in paths.items() if "stalls" in path},
        closer=closer_in(relay.get("closer"), devices, relay.get("chains") or ()),
        deliveries=relay.get("deliveries"),
        accounts=accounts_in(relay.get("onvif", {})),
        on_demand={name: path["on_demand"] for name, path in paths.items() if "on_demand" in path},
        publishing=_publishing(relay["publishing"]) if "publishing" in relay else NOBODY_SEEN,
        not_installed=frozenset(map(device_in, relay.get("not_installed", ()))),
    )


def _publishing(said: wire.PublishingAnswer) -> Publishing:
    listed = said["sessions"]
    return Publishing(None if listed is None else {one["path"]: one["address"] for one in listed}, said["refused"])


def _sources(sources: wire.SourcesAnswer) -> Sources:
    connections = {device_in(one): one for one in sources["connections"]}
    return Sources(
        connections={place: one["count"] for place, one in connections.items()},
        flowing={place: one["flowing"] for place, one in connections.items()},
        halted=frozenset(map(device_in, sources["halted"])),
    )


def _centre(centre: wire.CentreEvidenceAnswer) -> CentreEvidence:
    ways = centre.get("ways", [])
    return CentreEvidence(
        centre["tunnel"],
        {relay: {name: _read(one) for name, one in of.items()} for relay, of in centre["relays"].items()},
        centre.get("incoming", ()),
        {device_in(way): way["outcome"] for way in ways},
        closer_in(centre.get("closer"), ways),
    )


def _samples(path: wire.PathEvidenceAnswer) -> Samples:
    first, second = path["samples"]
    return first, second


def codecs_in(sample: wire.SampleAnswer) -> list[str]:
    """The codecs of a path's tracks, in MediaMTX's words."""
    return [codec for track in sample.get("tracks", ()) if (codec := track.get("codec"))]


def _read(read: wire.ReadAnswer) -> Read:
    codec = read.get("codec")
    if codec is not None and not {"width", "height"} <= read.keys():
        raise UnreadableError("a read has a picture without a size")
    return Read(
        run="not_run" not in read,
        frame=(_CODECS.get(codec, codec), read["width"], read["height"]) if codec is not None else None,
        error=read.get("error") or read.get("not_run", ""),
        status=read.get("status"),
        timed_out=read.get("timed_out", False),
        after=read.get("after"),
        pulled=read.get("pulled", 0),
        connected=read.get("connected"),
        looked="picture" in read,
        picture=read.get("picture"),
    )


def device_of(path: MediaPath) -> Device:
    """Where a path's own device is found."""
    if path.source is None:
        return NOWHERE
    return str(path.source.address), path.source.port


def origins_of(spec: HostSpec, relay: RelayEvidence) -> Origins | None:
    """Count a relay's connections against its paths; None where it did not tell of its connections."""
    if relay.sources is None:
        return None
    seen = tuple(_seen(spec, relay))
    flowing = Counter(path.device for path in seen if path.flows)
    lacking = +Counter({device: count - relay.sources.connections.get(device, 0) for device, count in flowing.items()})
    strange = +Counter(_strange(spec, relay, relay.sources, seen))
    unsure: set[Device] = set()
    if strange.total() > lacking.total():
        idle = {d for d, count in relay.sources.connections.items() if count > relay.sources.flowing.get(d, 0)}
        unsure = (idle | {path.device for path in seen if path.waits}) & flowing.keys()
    return Origins(frozenset(lacking), tuple(sorted(strange)), frozenset(unsure))


def _seen(spec: HostSpec, relay: RelayEvidence) -> Iterator[_Seen]:
    for path in (one for one in spec.paths if one.source is not None):
        first, second = relay.samples.get(path.name, (None, None))
        if first is not None and second is not None:
            # One that came up in between had no connection yet when those were counted.
            flows = first["available"] and second["available"] and second["inbound_bytes"] > first["inbound_bytes"]
            waits = not second["available"] and not path.on_demand
            yield _Seen(device_of(path), flows, second["available"], waits)


def _strange(spec: HostSpec, relay: RelayEvidence, sources: Sources, seen: tuple[_Seen, ...]) -> dict[Device, int]:
    own = {device_of(path) for path in spec.paths if path.source is not None}
    # Of a device that was not asked about as a whole there may be paths that nobody counted.
    partly = {device_of(path) for path in spec.paths if path.name not in relay.samples}
    there = Counter(path.device for path in seen if path.there)
    known = {d: sources.flowing.get(d, 0) - there[d] for d in sources.connections if d in own - partly}
    return known | {d: count for d, count in sources.connections.items() if d not in own}
