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
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from provisioner.base.host_answer import Fields, UnreadableError, fields_of
from provisioner.desired.spec import HostSpec, MediaPath
from provisioner.hosts.condition import Disk, clock_in, disks_in
from provisioner.hosts.facts import HostFacts, facts_in
from provisioner.hosts.runner import CallOutcome, HostAnswer
from provisioner.verify import words
from provisioner.verify.devices import NOTHING_CLOSER, Closer, Device, closer_in, device_in
from provisioner.verify.picture_measures import Picture, picture_in
from provisioner.verify.result import DeviceAccount, accounts_in
from provisioner.verify.transport import Arrival, Deliveries, Seen, arrivals_in, deliveries_in, seen_of

# ffmpeg's names of what the inventory names otherwise.
_CODECS = {"hevc": "h265"}
# A clock may have jumped; but not by a year.
_YEAR_S = 366 * 86_400.0
_MOST_LINES = 50
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


@dataclass(frozen=True, slots=True)
class LivePeer:
    """A live peer. `received` and `sent` are the bytes before and after packets were sent to its devices."""

    allowed_ips: tuple[str, ...]
    handshake_age_s: float | None
    received: tuple[int, int]
    sent: tuple[int, int]


@dataclass(frozen=True, slots=True)
class LiveTunnel:
    """The live tunnel: its routes and its peers by public key."""

    routes: tuple[str, ...]
    peers: dict[str, LivePeer]


@dataclass(frozen=True, slots=True)
class Sample:
    """What MediaMTX said of a path at one moment; `codecs` are those of its tracks, in MediaMTX's words.

    `damaged` are the pictures of which parts did not come, as it counts them since the path is there.
    """

    available: bool
    online: bool
    inbound_bytes: int
    codecs: tuple[str, ...] = ()
    damaged: int = 0


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
    after: Sample | None
    pulled: int = 0
    connected: int | None = None
    looked: bool = False
    picture: Picture | None = None

    @property
    def is_refused(self) -> bool:
        """Whether its host could not read at all: it has no reader, or the relay refused its login."""
        return self.status == _UNAUTHORIZED or (not self.run and not words.is_for_time(self.error))

    @property
    def seen(self) -> Seen | None:
        """What its look saw come; None where nothing was measured."""
        return None if self.picture is None else seen_of(self.picture)


@dataclass(frozen=True, slots=True)
class PulledOnDemand:
    """An on-demand path while somebody read it.

    Attributes:
        after: its state.
        pulled: how many paths of its device the relay had then.
        connected: over how many connections to the device; None where that was not told.
    """

    after: Sample
    pulled: int
    connected: int | None


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
    tunnel: LiveTunnel
    devices: dict[Device, str]
    samples: dict[str, tuple[Sample | None, Sample | None]]
    reads: dict[str, Read]
    errors: dict[str, tuple[str, ...]]
    sources: Sources | None = None
    unsteady: frozenset[str] = frozenset()
    stalls: Mapping[str, int] = field(default_factory=dict)
    closer: Closer = NOTHING_CLOSER
    deliveries: Deliveries | None = None
    accounts: Mapping[str, DeviceAccount] = field(default_factory=dict)
    on_demand: Mapping[str, PulledOnDemand] = field(default_factory=dict)
    publishing: Publishing = NOBODY_SEEN
    not_installed: frozenset[Device] = frozenset()

    def pulled(self, name: str) -> PulledOnDemand | None:
        """How an on-demand path was just after its read on the relay, else while a centre read it."""
        read = self.reads.get(name)
        if read is not None and read.after is not None:
            return PulledOnDemand(read.after, read.pulled, read.connected)
        return self.on_demand.get(name) if read is None else None


@dataclass(frozen=True, slots=True)
class CentreEvidence:
    """What a centre read, by relay and path, and what came over its connections to relays meanwhile.

    `ways` are outcomes of connections to relays that it could not read.
    """

    tunnel: LiveTunnel
    reads: dict[str, dict[str, Read]]
    incoming: tuple[Arrival, ...] = ()
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
    clock: tuple[float, float] | None = None
    disks: tuple[Disk, ...] = ()


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


def publishing_in(relay: Fields) -> Publishing:
    """What a relay's answer says of sites that push.

    Raises:
        UnreadableError: it cannot be read.
    """
    if not relay.has("publishing"):
        return NOBODY_SEEN
    said = relay.below("publishing")
    listed = said.each("sessions") if said.has("sessions") else None
    return Publishing(
        None if listed is None else {one.sentence("path"): one.sentence("address") for one in listed},
        {address: said.below("refused").amount(address) for address in said.below("refused").values},
    )


def parse_evidence(answer: HostAnswer) -> HostEvidence:
    """A host's evidence from its answer; a document that cannot be read makes the host a failed one."""
    if answer.outcome is not CallOutcome.ANSWERED:
        return HostEvidence(answer.host, answer.outcome, answer.error)
    try:
        return _evidence(answer.host, fields_of(answer.document))
    except UnreadableError as error:
        # The name of the field, never the document: it is another program's output.
        return HostEvidence(answer.host, CallOutcome.FAILED, f"its answer cannot be read: {error}")


def _evidence(host: str, answer: Fields) -> HostEvidence:
    relay, centre = answer.below_or_none("relay"), answer.below_or_none("centre")
    return HostEvidence(
        host=host,
        outcome=CallOutcome.ANSWERED,
        error=answer.sentence("facts_error", ""),
        facts=facts_in(host, answer.below("facts")) if answer.has("facts") else None,
        relay=relay_evidence(relay) if relay else None,
        centre=_centre(centre) if centre else None,
        clock=clock_in(answer) if answer.has("clock") else None,
        disks=disks_in(answer) if answer.has("disks") else (),
    )


def relay_evidence(relay: Fields) -> RelayEvidence:
    """What a relay tells of its paths, in a probe and in the looks of a change.

    Raises:
        UnreadableError: it cannot be read.
    """
    paths = dict(relay.named("paths"))
    return RelayEvidence(
        unit=relay.sentence("unit"),
        api_error=relay.sentence("api_error"),
        tunnel=_tunnel(relay.below("tunnel")),
        devices={device_in(device): device.sentence("outcome") for device in relay.each("devices")},
        samples={name: _samples(path) for name, path in paths.items()},
        reads={name: _read(path.below("read")) for name, path in paths.items() if path.has("read")},
        errors=_errors(relay.below("errors")),
        sources=_sources(relay.below("sources")) if relay.has("sources") else None,
        unsteady=frozenset(name for name, path in paths.items() if path.has("unsteady") and path.flag("unsteady")),
        stalls={name: path.amount("stalls") for name, path in paths.items() if path.has("stalls")},
        closer=closer_in(relay, relay.each("devices")),
        deliveries=deliveries_in(relay.below("deliveries")) if relay.has("deliveries") else None,
        accounts=accounts_in(relay),
        on_demand=dict(_on_demand(paths)),
        publishing=publishing_in(relay),
        not_installed=frozenset(map(device_in, relay.each("not_installed") if relay.has("not_installed") else ())),
    )


def _on_demand(paths: Mapping[str, Fields]) -> Iterator[tuple[str, PulledOnDemand]]:
    for name, path in paths.items():
        if path.has("on_demand"):
            seen = path.below("on_demand")
            after = _sample(seen.values.get("after"), seen.place)
            if after is None:
                raise UnreadableError(f"{seen.place}.after is nothing")
            yield name, PulledOnDemand(after, seen.amount("pulled"), seen.number_or_none("connected"))


def _errors(errors: Fields) -> dict[str, tuple[str, ...]]:
    return {name: errors.sentences(name, _MOST_LINES) for name in errors.names()}


def _sources(sources: Fields) -> Sources:
    connections = {device_in(one): one for one in sources.each("connections")}
    return Sources(
        connections={place: one.amount("count") for place, one in connections.items()},
        flowing={place: one.amount("flowing") for place, one in connections.items()},
        halted=frozenset(device_in(one) for one in sources.each("halted")),
    )


def _centre(centre: Fields) -> CentreEvidence:
    reads = {
        relay: {name: _read(of.below(name)) for name in of.names() if of.has(name)}
        for relay, of in centre.named("relays")
    }
    incoming = arrivals_in(centre, "incoming") if centre.has("incoming") else ()
    ways = list(centre.each("ways")) if centre.has("ways") else []
    outcomes = {device_in(way): way.sentence("outcome") for way in ways}
    return CentreEvidence(_tunnel(centre.below("tunnel")), reads, incoming, outcomes, closer_in(centre, ways))


def _tunnel(tunnel: Fields) -> LiveTunnel:
    return LiveTunnel(tunnel.texts("routes"), {key: _peer(peer) for key, peer in tunnel.named("peers")})


def _peer(peer: Fields) -> LivePeer:
    return LivePeer(
        allowed_ips=peer.texts("allowed_ips"),
        handshake_age_s=_age(peer) if peer.has("handshake_age_s") else None,
        received=_before_and_after(peer, "received_bytes"),
        sent=_before_and_after(peer, "sent_bytes"),
    )


def _age(peer: Fields) -> float:
    age = peer.measure("handshake_age_s")
    if age < -_YEAR_S:
        raise UnreadableError(f"{peer.place}.handshake_age_s is in a year to come")
    return age


def _before_and_after(peer: Fields, name: str) -> tuple[int, int]:
    match peer.amounts(name):
        case (before, after):
            return before, after
        case _:
            raise UnreadableError(f"{peer.place}.{name} is no pair")


def _samples(path: Fields) -> tuple[Sample | None, Sample | None]:
    match path.list_of("samples"):
        case [first, second]:
            return _sample(first, path.place), _sample(second, path.place)
        case _:
            raise UnreadableError(f"{path.place}.samples is no pair")


def _sample(document: object, place: str) -> Sample | None:
    if document is None:
        return None
    sample = fields_of(document, f"{place}.sample")
    return Sample(
        available=sample.flag("available"),
        online=sample.flag("online"),
        inbound_bytes=sample.amount("inbound_bytes"),
        damaged=sample.amount("damaged") if sample.has("damaged") else 0,
        codecs=tuple(t.text("codec") for t in sample.each("tracks") if t.has("codec")) if sample.has("tracks") else (),
    )


def _read(read: Fields) -> Read:
    frame = None
    if read.has("codec"):
        codec = read.sentence("codec")
        frame = (_CODECS.get(codec, codec), read.amount("width"), read.amount("height"))
    return Read(
        run=not read.has("not_run"),
        frame=frame,
        error=read.sentence("error", "") or read.sentence("not_run", ""),
        status=read.number_or_none("status"),
        timed_out=read.has("timed_out") and read.flag("timed_out"),
        after=_sample(read.values.get("after"), read.place),
        pulled=read.number("pulled") if read.has("pulled") else 0,
        connected=read.number_or_none("connected"),
        looked="picture" in read.values,
        picture=picture_in(read.below("picture")) if read.has("picture") else None,
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
            flows = first.available and second.available and second.inbound_bytes > first.inbound_bytes
            waits = not second.available and not path.on_demand
            yield _Seen(device_of(path), flows, second.available, waits)


def _strange(spec: HostSpec, relay: RelayEvidence, sources: Sources, seen: tuple[_Seen, ...]) -> dict[Device, int]:
    own = {device_of(path) for path in spec.paths if path.source is not None}
    # Of a device that was not asked about as a whole there may be paths that nobody counted.
    partly = {device_of(path) for path in spec.paths if path.name not in relay.samples}
    there = Counter(path.device for path in seen if path.there)
    known = {d: sources.flowing.get(d, 0) - there[d] for d in sources.connections if d in own - partly}
    return known | {d: count for d, count in sources.connections.items() if d not in own}
