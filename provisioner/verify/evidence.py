"""Evidence about paths, strictly parsed from hosts' answers. Pure.

An unreadable or impossible document is no evidence, e.g. one with a handshake in the future. Only a path's own relay
and centres are evidence for it. Connections are counted, since MediaMTX follows a camera's redirect to any address
(docs/internals/verify.md).
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from provisioner.base.errors import UnreadableError
from provisioner.desired.spec import HostSpec, MediaPath
from provisioner.hosts.answers import read, wire
from provisioner.hosts.facts import HostFacts, facts_in, source_in
from provisioner.hosts.runner import CallOutcome, HostAnswer
from provisioner.verify import words
from provisioner.verify.devices import NOTHING_CLOSER, CloserLook, Device, closer_look_in, device_in
from provisioner.verify.result import DeviceAccount, accounts_in

# ffmpeg's names of what the inventory names otherwise.
_CODECS = {"hevc": "h265"}
_UNAUTHORIZED = 401
_ENDPOINT = re.compile(r"rtsps?://([^/\s]+):(\d{1,5})(?:/|$)")

LONGEST_S: Final = 60.0  #: The most seconds of a full look, if key frames are rare.

NOWHERE: Device = ("", 0)  #: The device of a path that its site pushes, since relays do not connect to it.


@dataclass(frozen=True, slots=True)
class Publishing:
    """Sites that push to a relay."""

    #: The pushing address by path; `None` if the relay could not list its sessions.
    comes_from: Mapping[str, str] | None = None
    #: Recently refused addresses, with the number of attempts.
    refused: Mapping[str, int] = field(default_factory=dict)


NOBODY_SEEN = Publishing()


Samples = tuple[wire.SampleAnswer | None, wire.SampleAnswer | None]  #: Two samples of a path.


@dataclass(frozen=True, slots=True)
class Read:
    """One real read. A read that did not run is no evidence."""

    run: bool
    frame: tuple[str, int, int] | None  #: Codec, width and height of a decoded key frame, if any.
    error: str
    status: int | None
    timed_out: bool
    after: wire.SampleAnswer | None  #: An on-demand path's state just after its read.
    pulled: int = 0  #: The number of pulled paths of an on-demand path's device.
    connected: int | None = None  #: The number of connections to the device; `None` if unknown.
    looked: bool = False  #: Whether a picture look was requested and went past its key frame.
    picture: wire.PictureAnswer | None = None  #: The look's measurement, if any.
    keys: wire.KeyFramesAnswer | None = None  #: The times without key frames, if these are rare.

    @property
    def is_refused(self) -> bool:
        """Whether the host has no reader, or the relay refused its login."""
        return self.status == _UNAUTHORIZED or (not self.run and not words.is_for_time(self.error))


@dataclass(frozen=True, slots=True)
class Sources:
    """Connections of a relay's sources between two samples, by device."""

    connections: dict[Device, int]  #: The number of connections.
    flowing: dict[Device, int]  #: Those that carried more than words.
    halted: frozenset[Device]  #: Devices that the firewall blocks after too many connections.
    #: The number of connections at the second sample; a missing device has an unknown one.
    now: Mapping[Device, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RelayEvidence:
    """A relay's evidence, by path name or by device."""

    unit: str
    api_error: str
    tunnel: wire.TunnelEvidenceAnswer
    devices: dict[Device, str]
    samples: dict[str, Samples]
    reads: dict[str, Read]
    errors: Mapping[str, Sequence[str]]
    sources: Sources | None = None  #: `None` if unknown.
    unsteady: frozenset[str] = frozenset()  #: Paths that appeared or disappeared during the look.
    ends: Mapping[str, wire.StreamEndsAnswer] = field(default_factory=dict)  #: How the streams of paths ended lately.
    closer: CloserLook = NOTHING_CLOSER  #: The closer look at devices without flow.
    deliveries: wire.RelayDeliveriesAnswer | None = None  #: Measurements of its streams; `None` if unknown.
    accounts: Mapping[str, DeviceAccount] = field(default_factory=dict)  #: Devices' accounts of themselves, by name.
    #: States of on-demand paths while a centre read them instead.
    on_demand: Mapping[str, wire.OnDemandAnswer] = field(default_factory=dict)
    publishing: Publishing = NOBODY_SEEN  #: Sites that push.
    #: Devices without a connection, since the installed rules lack them.
    not_installed: frozenset[Device] = frozenset()
    service: wire.ServiceAnswer | None = None  #: The state of its MediaMTX; `None` if unknown.
    logins_taken: frozenset[Device] = frozenset()  #: Devices that take a login which they refuse MediaMTX.

    def pulled(self, name: str) -> wire.OnDemandAnswer | None:
        """Return an on-demand path's state just after its read."""
        read = self.reads.get(name)
        if read is not None and read.after is not None:
            return {"after": read.after, "pulled": read.pulled, "connected": read.connected}
        return self.on_demand.get(name) if read is None else None


@dataclass(frozen=True, slots=True)
class CentreEvidence:
    """A centre's reads, and its connections to relays meanwhile."""

    tunnel: wire.TunnelEvidenceAnswer
    reads: dict[str, dict[str, Read]]
    incoming: Sequence[wire.ArrivalAnswer] = ()
    routes: Mapping[Device, str] = field(default_factory=dict)
    closer: CloserLook = NOTHING_CLOSER


@dataclass(frozen=True, slots=True)
class HostEvidence:
    """All evidence of one host, or the reason without any."""

    host: str
    outcome: CallOutcome
    error: str = ""
    facts: HostFacts | None = field(default=None, repr=False)
    relay: RelayEvidence | None = None
    centre: CentreEvidence | None = None
    clock: Sequence[float] | None = None  #: Its clock at start and end, in seconds since 1970; `None` if unknown.
    disks: Sequence[wire.DiskAnswer] = ()  #: The file systems of our folders.


@dataclass(frozen=True, slots=True)
class Origins:
    """The result of counting one relay's connections."""

    short: frozenset[Device]  #: Devices with fewer connections than paths with a picture.
    strange: tuple[Device, ...]  #: Sources of a picture that belong to no path.
    unsure: frozenset[Device]  #: Devices whose pictures' origin is unknown.


@dataclass(frozen=True, slots=True)
class _PathSample:
    """A path in two samples; `waits` if it tries to start."""

    device: Device
    flows: bool
    there: bool
    waits: bool


def parse_evidence(answer: HostAnswer) -> HostEvidence:
    """Parse a host's evidence; an unreadable document becomes a failed host."""
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
    """Convert a relay's answer to evidence, or raise `UnreadableError`."""
    paths, devices = relay["paths"], relay["devices"]
    return RelayEvidence(
        unit=relay["unit"],
        api_error=relay["api_error"],
        tunnel=relay["tunnel"],
        devices={device_in(device): device["outcome"] for device in devices},
        samples={name: _samples(path) for name, path in paths.items()},
        reads={name: _read_in(path["read"]) for name, path in paths.items() if path["read"] is not None},
        errors=relay["errors"],
        sources=_sources(relay["sources"]) if relay["sources"] else None,
        unsteady=frozenset(name for name, path in paths.items() if path.get("unsteady")),
        ends={name: path["ends"] for name, path in paths.items() if "ends" in path},
        closer=closer_look_in(relay.get("closer"), devices, relay.get("chains") or ()),
        deliveries=relay.get("deliveries"),
        accounts=accounts_in(relay.get("onvif", {})),
        on_demand={name: path["on_demand"] for name, path in paths.items() if "on_demand" in path},
        publishing=_publishing(relay["publishing"]) if "publishing" in relay else NOBODY_SEEN,
        not_installed=frozenset(map(device_in, relay.get("not_installed", ()))),
        service=relay.get("service"),
        logins_taken=frozenset(map(device_in, relay.get("logins_taken", ()))),
    )


def _publishing(answer: wire.PublishingAnswer) -> Publishing:
    listed = answer["sessions"]
    return Publishing(
        None if listed is None else {session["path"]: session["address"] for session in listed}, answer["refused"]
    )


def _sources(sources: wire.SourcesAnswer) -> Sources:
    connections = {device_in(connection): connection for connection in sources["connections"]}
    return Sources(
        connections={device: connection["count"] for device, connection in connections.items()},
        flowing={device: connection["flowing"] for device, connection in connections.items()},
        halted=frozenset(map(device_in, sources["halted"])),
        now={device: connection["now"] for device, connection in connections.items() if "now" in connection},
    )


def _centre(centre: wire.CentreEvidenceAnswer) -> CentreEvidence:
    connections = centre.get("ways", [])
    return CentreEvidence(
        centre["tunnel"],
        {
            relay: {name: _read_in(answer) for name, answer in reads.items()}
            for relay, reads in centre["relays"].items()
        },
        centre.get("incoming", ()),
        {device_in(connection): connection["outcome"] for connection in connections},
        closer_look_in(centre.get("closer"), connections),
    )


def _samples(path: wire.PathEvidenceAnswer) -> Samples:
    first, second = path["samples"]
    return first, second


def codecs_in(sample: wire.SampleAnswer) -> list[str]:
    """Return the codecs of a path's tracks, in MediaMTX's words."""
    return [codec for track in sample.get("tracks", ()) if (codec := track.get("codec"))]


def _read_in(read: wire.ReadAnswer) -> Read:
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
        keys=read.get("keys"),
    )


def device_of(path: MediaPath) -> Device:
    """Return the address and port of a path's device."""
    if path.source is None:
        return NOWHERE
    return str(path.source.address), path.source.port


def is_pulled_elsewhere(path: MediaPath, facts: HostFacts | None) -> bool:
    """Return whether the relay's own file names another device for a path."""
    live = facts.relay["paths"].get(path.name) if facts is not None and facts.relay else None
    endpoint = _ENDPOINT.match(source_in(live) or "") if live is not None else None
    return endpoint is not None and (endpoint[1], int(endpoint[2])) != device_of(path)


def origins_of(
    spec: HostSpec, relay: RelayEvidence, held: wire.FrozenAnswer | None = None, elsewhere: Collection[str] = ()
) -> Origins | None:
    """Compare a relay's connections with its paths; `None` if unknown.

    `held` are the parts of frozen facilities, whose cameras the relay goes on pulling. The relay's file names another
    device for the paths in `elsewhere`, so their own devices lack no connection.
    """
    if relay.sources is None:
        return None
    samples = tuple(_path_samples(spec, relay, elsewhere))
    flowing = Counter(path.device for path in samples if path.flows)
    lacking = +Counter({device: count - relay.sources.connections.get(device, 0) for device, count in flowing.items()})
    strange = _without_held(+Counter(_surplus_connections(spec, relay, relay.sources, samples)), held)
    # A path that came up in between, and has no connection to its device then, brought one of the strange ones.
    there = Counter(path.device for path in samples if path.there)
    late = +Counter({d: count - max(relay.sources.now.get(d, count), flowing[d]) for d, count in there.items()})
    unsure: set[Device] = set()
    if strange.total() > lacking.total() + late.total():
        idle = {d for d, count in relay.sources.connections.items() if count > relay.sources.flowing.get(d, 0)}
        unsure = (idle | {path.device for path in samples if path.waits}) & flowing.keys()
    return Origins(frozenset(lacking), tuple(sorted(strange)), frozenset(unsure))


def _without_held(strange: Counter[Device], held: wire.FrozenAnswer | None) -> Counter[Device]:
    """Remove frozen cameras that the relay goes on pulling."""
    cameras = set(held["cameras"]) if held else set[str]()
    frozen = sorted(device for device in strange if f"{device[0]} . {device[1]}" in cameras)
    left = len(held["paths"]) if held else 0
    rest = strange.copy()
    for device in frozen:
        taken = min(left, rest[device])
        rest[device], left = rest[device] - taken, left - taken
    return +rest


def _path_samples(spec: HostSpec, relay: RelayEvidence, elsewhere: Collection[str]) -> Iterator[_PathSample]:
    for path in (pulled for pulled in spec.paths if pulled.source is not None):
        first, second = relay.samples.get(path.name, (None, None))
        if first is not None and second is not None:
            # One that came up in between had no connection yet when those were counted.
            flows = first["available"] and second["available"] and second["inbound_bytes"] > first["inbound_bytes"]
            waits = not second["available"] and not path.on_demand
            device = NOWHERE if path.name in elsewhere else device_of(path)
            yield _PathSample(device, flows, second["available"], waits)


def _surplus_connections(
    spec: HostSpec, relay: RelayEvidence, sources: Sources, samples: tuple[_PathSample, ...]
) -> dict[Device, int]:
    configured = {device_of(path) for path in spec.paths if path.source is not None}
    # A device of which only some paths were read may have others.
    partly = {device_of(path) for path in spec.paths if path.name not in relay.samples}
    available = Counter(path.device for path in samples if path.there)
    # A path that came up in between has its own connection later alone: the earlier one is another path's.
    late = {path.device for path in samples if path.there and not path.flows}
    surplus = {
        device: max(sources.flowing.get(device, 0), sources.now.get(device, 0) if device in late else 0)
        - available[device]
        for device in sources.connections
        if device in configured - partly
    }
    return surplus | {device: count for device, count in sources.connections.items() if device not in configured}
