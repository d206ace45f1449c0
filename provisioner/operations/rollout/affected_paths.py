"""Paths, peers and rules that a change of one host touches. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from provisioner.base.groups import grouped
from provisioner.desired.render.host import POLICY_FILE, TRUST_FILE, TUNNEL_FILE
from provisioner.desired.spec import LEFT, HostSpec, MediaPath
from provisioner.hosts.facts import ElementSet, device_value, element_of
from provisioner.plan.change import Action, Change, Impact, Resource, site_of_peer

# Paths that are read because everything on the relay may be touched: so many, spread over the sites.
_SAMPLE = 48
_OF_DEVICES = frozenset({ElementSet.CAMERAS, ElementSet.ONVIF})
# These sets do not filter between a relay and a remaining camera: answers belong to admitted connections.
_HARMLESS = _OF_DEVICES | {ElementSet.MANAGEMENT, ElementSet.MANAGEMENT_V6, ElementSet.CENTRES, ElementSet.PUBLISHERS}


@dataclass(frozen=True, slots=True)
class Served:
    """Paths that a relay serves after the change, in the plan or not."""

    paths: Mapping[str, MediaPath] = field(default_factory=dict)
    peers: Mapping[str, str] = field(default_factory=dict)  #: Public keys by facility, or by the peer's own name.
    devices: frozenset[str] = frozenset()
    changing: frozenset[str] = frozenset()  #: Keys of gateways that change keys: their addresses follow the gateway.


@dataclass(frozen=True, slots=True)
class Touched:
    """The parts of a host that a change touches."""

    read: tuple[MediaPath, ...] = ()  #: Pulled paths to read, those of the plan before a sample.
    new: frozenset[str] = frozenset()  #: Those of them that the relay does not have yet.
    named: frozenset[str] = frozenset()
    direct: frozenset[str] = frozenset()  #: Every path touched by its own, its device's or its site's name.
    peers: frozenset[str] = frozenset()
    devices: frozenset[str] = frozenset()
    shared: frozenset[str] = frozenset()  #: Devices of `direct` paths; other paths may use them too.
    everything: bool = False  #: Whether every path of the relay may reconnect.
    rules: bool = False  #: Whether rules change other than single cameras'.
    bars: bool = False  #: Whether such a rule restricts more than incoming readers, so that any path may be hit.
    link: bool = False  #: Whether the tunnel's link changes.
    live: bool = True
    planned: bool = True  #: Whether there is a plan; a rollback has none.
    left: frozenset[str] = frozenset()  #: Paths whose readers the plan ends without touching the path.
    served: Served = Served()


def touched_by(spec: HostSpec, changes: Iterable[Change]) -> Touched:
    """Return what a host's changes touch; only relays count."""
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
    rules = _touches_rules(pending, but=_OF_DEVICES)
    link = any(c.resource is Resource.FILE and c.name == TUNNEL_FILE for c in pending)
    indirect = spec.paths if everything or rules or link else ()
    dark_paths = frozenset(p.name for p in spec.paths if p.facility in dark)
    read = {p.name: p for p in (*direct, *_sample_of_sites(indirect)) if not p.on_demand and p.name not in dark_paths}
    return Touched(
        read=tuple(read.values()),
        new=frozenset(new & set(read)),
        named=frozenset(named) | dark_paths,
        direct=frozenset(p.name for p in direct) | dark_paths,
        peers=frozenset(peer.public_key for peer in spec.tunnel.peers if peer.name in peers),
        devices=frozenset(devices),
        shared=frozenset(map(device_of, direct)) - {""},
        everything=everything,
        rules=rules,
        bars=_touches_rules(pending, but=_HARMLESS),
        link=link,
        live=any(c.resource is not Resource.TRUST and c.name not in {TRUST_FILE, POLICY_FILE} for c in pending),
        left=frozenset(path for c in pending for path in c.cut.get(spec.id, ())),
        served=_served(spec),
    )


def touched_names(spec: HostSpec, names: Iterable[str], removed: Iterable[str]) -> Touched:
    """Return what a rollback touches, by the host's list of paths."""
    named, removed_names = frozenset(names), frozenset(removed)
    read = tuple(p for p in spec.paths if p.name in named - removed_names and not p.on_demand)
    return Touched(read=read, named=named, direct=named, everything=True, planned=False, served=_served(spec))


def device_of(path: MediaPath) -> str:
    """Return a path's device as in the rules; empty if pushed."""
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
    return {element.value for element in elements if element and element.set is ElementSet.CAMERAS}


def _touches_rules(pending: Iterable[Change], *, but: Collection[ElementSet]) -> bool:
    """Return whether rules change outside elements of these sets."""
    elements = (element_of(c.name) for c in pending if c.resource is Resource.RULE)
    return any(element is None or element.set not in but for element in elements)


def _sample_of_sites(paths: Sequence[MediaPath]) -> list[MediaPath]:
    """Choose paths in turns, so that the sample covers each site first."""
    by_site = grouped((path for path in paths if not path.on_demand), lambda path: path.facility)
    turns = max((len(of_site) for of_site in by_site.values()), default=0)
    ordered = [of_site[rank] for rank in range(turns) for of_site in by_site.values() if rank < len(of_site)]
    return ordered[:_SAMPLE]
