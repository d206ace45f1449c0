"""The `probe` of each host of a verification, in one round. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Final

from provisioner.base.groups import gathered, grouped
from provisioner.desired.readers import centre_user
from provisioner.desired.spec import SITE, HostSpec, MediaPath
from provisioner.hosts.runner import HostCall
from provisioner.verify.evidence import LONGEST_S, device_of
from provisioner.verify.memory import NOTHING, Memories, PathMemory
from provisioner.verify.paths import PathToCheck, peer_keys
from provisioner.verify.picture_measures import Looks
from provisioner.verify.rotation import full_look_reason, second_key_s

if TYPE_CHECKING:
    from provisioner_host import wire


QUICK_S: Final = 3.0  #: The seconds of a quick look: one or two key frames, and packets for rate and damage.
FULL_S: Final = 10.0  #: The least seconds of a full look.
FULL_KEYS: Final = 4  #: The key frames of a full look. Two may repeat two others if an encoder numbers them in turn.
QUICK_KEYS: Final = 2  #: Key frames of a quick look if the stream's interval is unknown.

# A quarter of a second of one processor for ten seconds. Of larger streams only key frames are decoded, unless frames
# are reordered: then they would come too late.
_PIXELS_A_SECOND: Final = 6_000_000
_USUAL_FPS: Final = 25

# Reads of silent paths take the longest, several at once. After half an hour the remaining paths are not checked.
_FIXED_S = 120.0
_PER_PATH_S = 4.0
_LONGEST_S = 1800.0
# A relay is there for those who watch: so much of its processors readers of a visit may take, and no more.
CPU_SHARE: Final = 0.5
# A site's line is planned for the streams that are always pulled; main streams come on top while they are read.
_AT_ONE_SITE = 8


@dataclass(frozen=True, slots=True)
class Hours:
    """A part of the day; may pass midnight."""

    begin: time
    end: time

    def hold(self, moment: time) -> bool:
        """Return whether a time is inside; the end is not."""
        if self.begin <= self.end:
            return self.begin <= moment < self.end
        return moment >= self.begin or moment < self.end


@dataclass(frozen=True, slots=True)
class ObserveCall:
    """The `observe` request for a host's facts, with its files."""

    request: wire.ObserveRequest
    files: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class ProbeLimits:
    """The limits of a probe."""

    deadline_s: float | None = None  #: `None` derives it from the number of paths.
    max_readers: int = 32  #: Simultaneous reads of a host; eight per site.
    sample_s: float = 5  #: The longest time for a path to show flow.
    read_s: float = 25
    #: Picture looks by path; other reads end with their key frame.
    looks: Mapping[str, wire.LookToTake] = field(default_factory=dict)
    early: bool = False  #: Whether a centre's only look may end once the picture is certain.
    asks: bool = False  #: Whether devices are asked about themselves, if the inventory has how.
    asks_again: bool = False  #: Whether devices get a login again that they refused.
    once: frozenset[str] = frozenset()  #: Paths that relays skip if a centre looks at them.
    #: Those of them that relays read for a key frame anyway, to show that they can.
    tried: frozenset[str] = frozenset()
    samples_suffice: bool = False  #: Whether relays read only on-demand paths.

    def is_once(self, target: PathToCheck) -> bool:
        """Return whether only centres read a path."""
        return target.path.name in self.once and bool(target.centres) and target.path.name in self.looks

    def deadline_for(self, paths: Collection[str], readers: int) -> float:
        """Return the deadline of a host for these paths."""
        looking_s = sum(longest_s(self.looks[name]) for name in paths if name in self.looks) / readers
        return self.deadline_s or min(_LONGEST_S, _FIXED_S + _PER_PATH_S * len(paths) + looking_s)

    def readers_for(self, sites: int) -> int:
        """Return the number of simultaneous reads for some sites."""
        return max(1, min(self.max_readers, _AT_ONE_SITE * sites))


def looks_at(
    targets: Iterable[PathToCheck], looks: Looks, at: datetime, memories: Memories
) -> dict[str, wire.LookToTake]:
    """Return each path's picture look, by name."""
    if looks is Looks.OFF:
        return {}
    remembered = ((target, memories.get(target.remembered_as, NOTHING)) for target in targets)
    return {target.path.name: _look_at(target, looks, memory, at) for target, memory in remembered}


def _look_at(target: PathToCheck, looks: Looks, memory: PathMemory, at: datetime) -> wire.LookToTake:
    reason = full_look_reason(target, memory, at)
    if looks is Looks.FULL or (looks is Looks.DUE and reason is not None):
        return look_at(target.path, full=True)
    look = look_at(target.path, full=False)
    waits_s = second_key_s(reason, memory)
    return {**look, "keys": QUICK_KEYS, "most_s": waits_s} if waits_s else look


def look_at(path: MediaPath, *, full: bool) -> wire.LookToTake:
    """Return a picture look at a path."""
    small = path.width * path.height * (path.fps or _USUAL_FPS) <= _PIXELS_A_SECOND
    if full:
        return {"seconds": FULL_S, "most_s": LONGEST_S, "keys": FULL_KEYS, "every": small, "skips": not small}
    return {"seconds": QUICK_S, "most_s": QUICK_S, "keys": 0, "every": small, "skips": not small}


def longest_s(look: wire.LookToTake) -> float:
    """Return the longest duration of a look."""
    return max(look["seconds"], look["most_s"])


def hours_of(text: str) -> Hours:
    """Parse hours, e.g. `22:00-05:00`, or raise `ValueError`."""
    begin, _, end = text.partition("-")
    return Hours(time.fromisoformat(begin), time.fromisoformat(end))


def probe_calls(
    targets: Iterable[PathToCheck], observe: Mapping[str, ObserveCall], limits: ProbeLimits, *, read: bool = True
) -> tuple[HostCall, ...]:
    """Return a call for each host with its paths in this order."""
    targets = tuple(targets)
    of_relay = grouped(targets, lambda target: target.relay.id)
    of_centre = gathered((centre.id, target) for target in targets for centre in target.centres)
    hosts = {spec.id: spec for target in targets for spec in (target.relay, *target.centres)}
    calls = []
    for host, spec in sorted(hosts.items()):
        request = _base(observe[host], limits, of_relay[host] + of_centre[host])
        if of_relay[host]:
            request["relay"] = _relay_request(spec, of_relay[host], limits, read=read)
            request["cpu_share"] = CPU_SHARE
            if limits.asks and (devices := _devices(spec, of_relay[host], again=limits.asks_again)):
                request["relay"]["onvif"] = devices
        if of_centre[host]:
            request["centre"] = _centre_request(spec, of_centre[host], limits)
        # The proof of which host it is and the question go over one connection: it is the same call.
        calls.append(HostCall(spec, request, observe[host].files, shares=True))
    return tuple(calls)


def paths_by_host(targets: Iterable[PathToCheck]) -> dict[str, int]:
    """Count the paths of each relay and centre."""
    return dict(sorted(Counter(spec.id for target in targets for spec in (target.relay, *target.centres)).items()))


def first_of_each_relay(targets: Iterable[PathToCheck]) -> frozenset[str]:
    """Return the first path of each relay."""
    first: dict[str, str] = {}
    for target in targets:
        first.setdefault(target.relay.id, target.path.name)
    return frozenset(first.values())


def taking_turns(targets: Iterable[PathToCheck]) -> list[PathToCheck]:
    """Order paths for reading: always pulled first, alternating between sites."""
    by_site = grouped(targets, lambda target: (target.path.on_demand, target.relay.id, target.path.facility))
    pulled, on_demand = ([by_site[key] for key in sorted(by_site) if key[0] is kind] for kind in (False, True))
    return [target for sites in (pulled, on_demand) for target in chain(*zip_longest(*sites)) if target is not None]


def _base(observe: ObserveCall, limits: ProbeLimits, targets: list[PathToCheck]) -> wire.ProbeRequest:
    readers = limits.readers_for(len({(target.relay.id, target.path.facility) for target in targets}))
    return {
        "operation": "probe",
        "observe": observe.request,
        "deadline_s": limits.deadline_for([target.path.name for target in targets], readers),
        "max_readers": readers,
        "sample_s": limits.sample_s,
        "read_s": limits.read_s,
    }


def _relay_request(spec: HostSpec, targets: list[PathToCheck], limits: ProbeLimits, *, read: bool) -> wire.RelayToProbe:
    keys = peer_keys(spec)
    request: wire.RelayToProbe = {
        "address": str(spec.tunnel.address),
        "paths": [_path_request(target, limits, keys.get(f"{SITE}{target.path.facility}", "")) for target in targets],
    }
    if limits.samples_suffice:
        request["samples_suffice"] = True
    return request if read else {**request, "read": False}


def _devices(spec: HostSpec, targets: Iterable[PathToCheck], *, again: bool) -> list[wire.DeviceToAsk]:
    paths = gathered((f"{target.path.facility}/{target.path.device}", target.path.name) for target in targets)
    return [
        {
            "name": device.name,
            "address": str(device.address),
            "port": device.port,
            "paths": paths[device.name],
            "profile": device.profile or "",
            "again": again,
        }
        for device in (spec.relay.asked if spec.relay else ())
        if device.name in paths
    ]


def _path_request(target: PathToCheck, limits: ProbeLimits, peer: str) -> wire.PathToProbe:
    address, port = device_of(target.path)
    request: wire.PathToProbe = {
        "name": target.path.name,
        "on_demand": target.path.on_demand,
        "address": address,
        "port": port,
        "peer": peer,
    }
    if limits.is_once(target):
        once: wire.PathToProbe = {**request, "read_by": [centre_user(centre.id) for centre in target.centres]}
        return {**once, "tried": True} if target.path.name in limits.tried else once
    return {**request, "look": limits.looks[target.path.name]} if target.path.name in limits.looks else request


def _centre_request(spec: HostSpec, targets: list[PathToCheck], limits: ProbeLimits) -> wire.CentreToProbe:
    by_relay = grouped(targets, lambda target: target.relay.id)
    return {"relays": [_relay_to_read(spec, of_relay, limits) for _, of_relay in sorted(by_relay.items())]}


def _relay_to_read(centre: HostSpec, targets: list[PathToCheck], limits: ProbeLimits) -> wire.RelayToRead:
    relay, names = targets[0].relay, [target.path.name for target in targets]
    request: wire.RelayToRead = {
        "relay": relay.id,
        "address": str(relay.tunnel.address),
        "user": centre_user(centre.id),
        "secret": centre.readers[targets[0].carrier].reveal(),
        "paths": names,
    }
    if relay.relay is not None and (tls := relay.relay.tls) is not None:
        request["fingerprint"] = tls.fingerprint
    if centre.hub is not None:
        # As its readers: through the hub, which pulls from the relay with the same login.
        hub = centre.hub
        request["through"] = {
            "address": str(hub.address),
            "port": hub.own_port,
            "fingerprint": hub.tls.fingerprint if hub.tls.strict else "",
        }
    looking = _at_centre(targets, limits)
    return {**request, "looks": looking} if looking else request


def _at_centre(targets: Sequence[PathToCheck], limits: ProbeLimits) -> dict[str, wire.LookToTake]:
    """Return a centre's looks: key frames only, unless it looks alone."""
    looks: dict[str, wire.LookToTake] = {}
    for path in (target.path for target in targets if target.path.name in limits.looks):
        looks[path.name] = {**limits.looks[path.name], "every": False}
    for target in (target for target in targets if limits.is_once(target)):
        alone: wire.LookToTake = {**limits.looks[target.path.name]}
        if limits.early:
            alone["early"] = {"fps": target.path.fps, "least_kbps": target.path.least_kbps}
        looks[target.path.name] = alone
    return looks
