"""Which paths, peers and rules a change of one host touches. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from provisioner.desired.render.host import POLICY_FILE, TRUST_FILE, TUNNEL_FILE
from provisioner.desired.spec import LEFT, HostSpec, MediaPath
from provisioner.hosts.facts import ElementSet, device_value, element_of
from provisioner.plan.change import Action, Change, Impact, Resource, site_of_peer

# Paths that are read because everything on the relay may be touched: so many, spread over the sites.
_SAMPLE = 48
_OF_DEVICES = frozenset({ElementSet.CAMERAS, ElementSet.ONVIF})
# Of these none stands between a relay and a camera that stays: packets that come back belong to what was let out.
_HARMLESS = _OF_DEVICES | {ElementSet.MANAGEMENT, ElementSet.MANAGEMENT_V6, ElementSet.CENTRES, ElementSet.PUBLISHERS}


@dataclass(frozen=True, slots=True)
class Served:
    """What a relay is to serve once the change is through: what the plan does not name has to be there all the same.

    Attributes:
        paths: its paths by name.
        peers: the public keys of its peers, by the facility behind them; what is no facility's by the peer's own name.
        devices: the devices that its rules let it reach, each `address . port`.
        changing: public keys of the peers of sites whose gateways change their keys: their addresses are where the
            gateway is.
    """

    paths: Mapping[str, MediaPath] = field(default_factory=dict)
    peers: Mapping[str, str] = field(default_factory=dict)
    devices: frozenset[str] = frozenset()
    changing: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Touched:
    """What a change of one host touches.

    Attributes:
        read: pulled paths that are read, those that the plan names before those that are a sample.
        new: of these, those that the relay does not have yet.
        named: every path that the plan names, read or not.
        direct: every path that it touches by name: its own, its device's, its site's.
        peers: public keys of the peers that the plan names.
        devices: the cameras' elements that it names.
        shared: the devices of the paths that it touches by name: others may be pulled from them too.
        everything: whether every path of the relay may reconnect by this plan.
        rules: whether rules change that are no single camera's.
        bars: whether such a one is no element of a set of those who may come in: any path may be hit.
        link: whether the link of the tunnel changes.
        live: whether it changes anything that a running program reads.
        planned: whether a plan names it; a rollback has none.
        left: paths whose readers the plan ends, some or all of them, without touching the path.
        served: what the relay is to serve.
    """

    read: tuple[MediaPath, ...] = ()
    new: frozenset[str] = frozenset()
    named: frozenset[str] = frozenset()
    direct: frozenset[str] = frozenset()
    peers: frozenset[str] = frozenset()
    devices: frozenset[str] = frozenset()
    shared: frozenset[str] = frozenset()
    everything: bool = False
    rules: bool = False
    bars: bool = False
    link: bool = False
    live: bool = True
    planned: bool = True
    left: frozenset[str] = frozenset()
    served: Served = Served()


def touched_by(spec: HostSpec, changes: Iterable[Change]) -> Touched:
    """What a host's changes touch; nothing on a host without a relay."""
    pending = [c for c in changes if c.host == spec.id and c.action is not Action.NOOP]
    if spec.relay is None or not pending:
        return Touched(live=False)
    named = {c.name for c in pending if c.resource is Resource.PATH}
    new = {c.name for c in pending if c.resource is Resource.PATH and c.action is Action.CREATE}
    peers = {c.name for c in pending if c.resource is Resource.PEER}
    sites = {site for name in peers if (site := site_of_peer(name))}
    # Whom the plan leaves in the dark has no picture to come back.
    dark = {name.removeprefix(LEFT) for name in peers if name.startswith(LEFT)}
    devices = _devices(pending)
    direct = [p for p in spec.paths if p.name in named or p.facility in sites or device_of(p) in devices]
    everything = any(c.impact is Impact.ALL for c in pending)
    rules, link = _touches_rules(pending, but=_OF_DEVICES), _touches_link(pending)
    indirect = spec.paths if everything or rules or link else ()
    gone = frozenset(p.name for p in spec.paths if p.facility in dark)
    read = {p.name: p for p in (*direct, *_spread(indirect)) if not p.on_demand and p.name not in gone}
    return Touched(
        read=tuple(read.values()),
        new=frozenset(new & set(read)),
        named=frozenset(named) | gone,
        direct=frozenset(p.name for p in direct) | gone,
        peers=frozenset(peer.public_key for peer in spec.tunnel.peers if peer.name in peers),
        devices=frozenset(devices),
        shared=frozenset(map(device_of, direct)) - {""},
        everything=everything,
        rules=rules,
        bars=_touches_rules(pending, but=_HARMLESS),
        link=link,
        live=any(_is_live(c) for c in pending),
        left=frozenset(path for c in pending for path in c.cut.get(spec.id, ())),
        served=_served(spec),
    )


def touched_names(spec: HostSpec, names: Iterable[str], removed: Iterable[str]) -> Touched:
    """What is touched where a host itself says which paths differ (a rollback), and which go."""
    named, gone = frozenset(names), frozenset(removed)
    read = tuple(p for p in spec.paths if p.name in named - gone and not p.on_demand)
    return Touched(read=read, named=named, direct=named, everything=True, planned=False, served=_served(spec))


def device_of(path: MediaPath) -> str:
    """A path's device, as the rules name it; empty of one that its site pushes."""
    if path.source is None:
        return ""
    return device_value(path.source.address, path.source.port)


def _served(spec: HostSpec) -> Served:
    cameras = spec.firewall.cameras if spec.firewall else ()
    return Served(
        paths={path.name: path for path in spec.paths},
        peers={peer.name.removeprefix("site/"): peer.public_key for peer in spec.tunnel.peers},
        devices=frozenset(device_value(address, port) for address, port in cameras),
        changing=frozenset(key for pair in spec.key_changes.values() for key in pair),
    )


def _devices(pending: Iterable[Change]) -> set[str]:
    elements = (element_of(c.name) for c in pending if c.resource is Resource.RULE)
    return {one.value for one in elements if one and one.set is ElementSet.CAMERAS}


def _touches_rules(pending: Iterable[Change], *, but: Collection[ElementSet]) -> bool:
    """Whether anything of the table is touched but elements of these sets."""
    elements = (element_of(c.name) for c in pending if c.resource is Resource.RULE)
    return any(one is None or one.set not in but for one in elements)


def _touches_link(pending: Iterable[Change]) -> bool:
    return any(c.resource is Resource.FILE and c.name == TUNNEL_FILE for c in pending)


def _is_live(change: Change) -> bool:
    return change.resource is not Resource.TRUST and change.name not in {TRUST_FILE, POLICY_FILE}


def _spread(paths: Sequence[MediaPath]) -> list[MediaPath]:
    """Choose paths one site after the other, so that every site is in a sample before any is in it twice."""
    by_site: dict[str, list[MediaPath]] = defaultdict(list)
    for path in paths:
        if not path.on_demand:
            by_site[path.facility].append(path)
    turns = max((len(of) for of in by_site.values()), default=0)
    ordered = [of[turn] for turn in range(turns) for of in by_site.values() if turn < len(of)]
    return ordered[:_SAMPLE]
