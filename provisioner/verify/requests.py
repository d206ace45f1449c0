"""What each host is asked: one `probe` a host, relays and centres in the same round. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
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
        looks: by path, how its picture is looked at; the others end with their key frame.
    """

    deadline_s: float | None = None
    max_readers: int = 8
    sample_s: float = 5
    read_s: float = 25
    looks: Mapping[str, wire.LookToTake] = field(default_factory=dict)

    def deadline_for(self, paths: int) -> float:
        """The deadline of a host with so many paths to read."""
        return self.deadline_s or min(_LONGEST_S, _FIXED_S + _PER_PATH_S * paths)


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
        request = _base(observe[host], limits, len(of_relay[host]) + len(of_centre[host]))
        if of_relay[host]:
            request["relay"] = _relay(spec, of_relay[host], read=read)
        if of_centre[host]:
            request["centre"] = _centre(spec, of_centre[host])
        calls.append(HostCall(spec, request, observe[host].files))
    return with_looks(calls, limits)


def with_looks(calls: Iterable[HostCall], limits: ProbeLimits) -> tuple[HostCall, ...]:
    """Calls whose paths are looked at; centres read them for a key frame alone."""
    return tuple(replace(call, request=_looking(call.request, limits)) for call in calls)


def _looking(request: Mapping[str, Any], limits: ProbeLimits) -> Mapping[str, Any]:
    if "relay" not in request:
        return request
    relay, looks = request["relay"], limits.looks
    paths = [{**path, "look": looks[path["name"]]} if path["name"] in looks else path for path in relay["paths"]]
    looking_s = sum(longest_s(path["look"]) for path in paths if "look" in path)
    longer = 0.0 if limits.deadline_s else looking_s / limits.max_readers
    return {
        **request,
        "relay": {**relay, "paths": paths},
        "deadline_s": min(request["deadline_s"] + longer, _LONGEST_S),
    }


def _base(observe: ObserveCall, limits: ProbeLimits, paths: int) -> wire.ProbeRequest:
    return {
        "operation": "probe",
        "observe": observe.request,
        "deadline_s": limits.deadline_for(paths),
        "max_readers": limits.max_readers,
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
