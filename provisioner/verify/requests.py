"""What each host is asked: one `probe` a host, relays and centres in the same round. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Any

from provisioner.desired.spec import HostSpec
from provisioner.hosts.runner import HostCall
from provisioner.verify.picture.due import longest_s
from provisioner.verify.wanted import PathToCheck

if TYPE_CHECKING:  # the host's own package: its types are for the type checker, the module is not installed here
    from provisioner_host import wire

# Reads of silent paths take the longest, several at once; beyond half an hour what is left is not checked.
_FIXED_S = 120.0
_PER_PATH_S = 4.0
_LONGEST_S = 1800.0
# A site's line is planned for the streams that are always pulled; main streams come on top while they are read.
_AT_ONE_SITE = 8


@dataclass(frozen=True, slots=True)
class ObserveCall:
    """How a host's own facts are read: the request of `observe`, and the files that go with it."""

    request: wire.ObserveRequest
    files: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class ProbeLimits:
    """How much a probe may take of a host.

    Attributes:
        deadline_s: when it has to answer; None: by the number of paths.
        max_readers: how many paths a host reads at once; of one site alone eight.
        sample_s: for how long at most a path may take to show that it flows.
        looks: by path, how its picture is looked at; the others end with their key frame.
    """

    deadline_s: float | None = None
    max_readers: int = 32
    sample_s: float = 5
    read_s: float = 25
    looks: Mapping[str, wire.LookToTake] = field(default_factory=dict)

    def deadline_for(self, paths: int) -> float:
        """The deadline of a host with so many paths to read."""
        return self.deadline_s or min(_LONGEST_S, _FIXED_S + _PER_PATH_S * paths)

    def readers_for(self, sites: int) -> int:
        """How many paths of so many sites a host reads at once."""
        return max(1, min(self.max_readers, _AT_ONE_SITE * sites))


def probe_calls(
    wanted: Iterable[PathToCheck], observe: Mapping[str, ObserveCall], limits: ProbeLimits, *, read: bool = True
) -> tuple[HostCall, ...]:
    """One call for every relay that serves, and every centre that reads, one of the paths.

    Args:
        wanted: the paths to check; hosts read them in this order, as far as their time lasts.
        observe: by host id, how its facts are read.
        limits: how much a probe may take.
        read: whether relays read the paths; where no picture is asked for they do not.
    """
    of_relay: dict[str, list[PathToCheck]] = defaultdict(list)
    of_centre: dict[str, list[PathToCheck]] = defaultdict(list)
    hosts: dict[str, HostSpec] = {}
    for one in wanted:
        of_relay[one.relay.id].append(one)
        hosts[one.relay.id] = one.relay
        for centre in one.centres:
            of_centre[centre.id].append(one)
            hosts[centre.id] = centre
    calls = []
    for host, spec in sorted(hosts.items()):
        request = _base(observe[host], limits, of_relay[host] + of_centre[host])
        if of_relay[host]:
            request["relay"] = _relay(spec, of_relay[host], read=read)
        if of_centre[host]:
            request["centre"] = _centre(spec, of_centre[host])
        # The proof of which host it is and the question go over one connection: it is the same call.
        calls.append(HostCall(spec, request, observe[host].files, shares=True))
    return with_looks(calls, limits)


def with_looks(calls: Iterable[HostCall], limits: ProbeLimits) -> tuple[HostCall, ...]:
    """Calls whose paths are looked at, by relays and by centres at the same time."""
    return tuple(replace(call, request=_looking(call.request, limits)) for call in calls)


def _looking(request: Mapping[str, Any], limits: ProbeLimits) -> Mapping[str, Any]:
    relay, centre, looks = request.get("relay"), request.get("centre"), limits.looks
    asked = dict(request)
    taken = []
    if relay is not None:
        paths = [{**path, "look": looks[path["name"]]} if path["name"] in looks else path for path in relay["paths"]]
        asked["relay"] = {**relay, "paths": paths}
        taken += [path["look"] for path in paths if "look" in path]
    if centre is not None:
        there = [_at_centre(one["paths"], looks) for one in centre["relays"]]
        relays = [one | {"looks": of} if of else one for one, of in zip(centre["relays"], there, strict=True)]
        asked["centre"] = {**centre, "relays": relays}
        taken += [look for of in there for look in of.values()]
    if not limits.deadline_s:
        longer = sum(map(longest_s, taken)) / request["max_readers"]
        asked["deadline_s"] = min(request["deadline_s"] + longer, _LONGEST_S)
    return asked


def _at_centre(paths: Iterable[str], looks: Mapping[str, wire.LookToTake]) -> dict[str, wire.LookToTake]:
    """A centre counts what arrives: it has no need to decode more than key frames."""
    return {name: {**looks[name], "every": False} for name in paths if name in looks}


def paths_by_host(wanted: Iterable[PathToCheck]) -> dict[str, int]:
    """How many paths each host is asked about, the relays that serve them and the centres that read them."""
    return dict(sorted(Counter(spec.id for one in wanted for spec in (one.relay, *one.centres)).items()))


def taking_turns(wanted: Iterable[PathToCheck]) -> list[PathToCheck]:
    """Paths in the order in which hosts read them: those that are always pulled first, and sites take turns.

    Relays and centres read in the same order, so that a main stream is pulled once for both.
    """
    by_site: dict[tuple[bool, str, str], list[PathToCheck]] = defaultdict(list)
    for one in wanted:
        by_site[one.path.on_demand, one.relay.id, one.path.facility].append(one)
    pulled, on_demand = ([by_site[key] for key in sorted(by_site) if key[0] is kind] for kind in (False, True))
    return [one for sites in (pulled, on_demand) for one in chain(*zip_longest(*sites)) if one is not None]


def _base(observe: ObserveCall, limits: ProbeLimits, wanted: list[PathToCheck]) -> wire.ProbeRequest:
    return {
        "operation": "probe",
        "observe": observe.request,
        "deadline_s": limits.deadline_for(len(wanted)),
        "max_readers": limits.readers_for(len({(one.relay.id, one.path.facility) for one in wanted})),
        "sample_s": limits.sample_s,
        "read_s": limits.read_s,
    }


def _relay(spec: HostSpec, wanted: list[PathToCheck], *, read: bool) -> wire.RelayToProbe:
    asked: wire.RelayToProbe = {
        "address": str(spec.tunnel.address),
        "paths": [
            {
                "name": w.path.name,
                "on_demand": w.path.on_demand,
                "address": str(w.path.source.address),
                "port": w.path.source.port,
                "peer": w.peer_key,
            }
            for w in wanted
        ],
    }
    return asked if read else {**asked, "read": False}


def _centre(spec: HostSpec, wanted: list[PathToCheck]) -> wire.CentreToProbe:
    by_relay: dict[str, list[PathToCheck]] = defaultdict(list)
    for one in wanted:
        by_relay[one.relay.id].append(one)
    return {
        "relays": [
            {
                "relay": relay,
                "address": str(of[0].relay.tunnel.address),
                "user": f"centre-{spec.id}",
                "secret": spec.readers[of[0].carrier].reveal(),
                "paths": [w.path.name for w in of],
            }
            for relay, of in sorted(by_relay.items())
        ]
    }
