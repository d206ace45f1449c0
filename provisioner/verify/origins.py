"""Where a relay's pictures come from: MediaMTX follows a camera's redirect to anywhere, so its connections count. Pure.

A source has one connection. A device with fewer connections than paths that give a picture redirects one of them. A
place with more connections that bring a picture than paths that are there is where somebody was redirected to. Whose
path that is, the first count says, unless a connection that brings no picture stands in for the missing one: then no
device that has such a connection, or may have one, is known to be where its pictures come from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from provisioner.desired.spec import HostSpec, MediaPath
from provisioner.verify.evidence import Device, RelayEvidence, Sources


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


NOWHERE: Device = ("", 0)
"""Where a relay finds the device of a path that its site pushes: nothing is ever heard of it."""


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
