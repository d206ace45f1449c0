"""Traffic between places, hop by hop: tunnels, rules and logins. Pure.

Gateways are not managed: their packages count as installed, and further filters of theirs are ignored. Only packets to
other hosts are judged, except a relay's own API and the video that its probe reads.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Network, collapse_addresses
from typing import Final, NamedTuple

from provisioner.base.groups import gathered
from provisioner.desired.render.host import RELAY_USER
from provisioner.desired.spec import ANYWHERE, API_PORT, RTSP_PORT, RTSPS_PORT, HostSpec, User
from provisioner.inventory.model.orders import Program, Service
from provisioner.plan.reach import packets
from provisioner.plan.reach.packets import rulings

INTERNET: Final = "internet"
EVERYWHERE: Final[tuple[packets.Network, ...]] = (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))
_SITE: Final = "site/"

#: Possible services at every relay; one for pushing sites also has `publish`.
OF_RELAY: Final = (Service.SSH, Service.TUNNEL, Service.VIDEO, Service.API, Service.OTHER)
OF_CENTRE: Final = (Service.SSH, Service.OTHER)
OF_SITE: Final = (Service.CAMERAS, Service.ONVIF, Service.OTHER)
_LOOPBACK: Final = packets.Networks((IPv4Network("127.0.0.1/32"),))
_LO: Final = "lo"
_UNUSED: Final = (9, 13, 17, 19, 37)  #: Ports that we do not use; one that no device uses stands for all others.

_ALLOWED: Final = packets.Ruling(accepted=True, rule="allowed IPs")
_FOREIGN: Final = packets.Ruling(accepted=False, rule="no peer has that address")


class RuledHost:
    """A managed host with its desired rules, parsed on first use."""

    def __init__(self, spec: HostSpec, text: Callable[[HostSpec], str]) -> None:
        self.spec, self._text = spec, text

    @cached_property
    def rules(self) -> packets.Ruleset:
        """Its rules; `RenderError` unless of our templates' form."""
        return packets.parse_ruleset(self._text(self.spec))


@dataclass(frozen=True)
class Outside:
    """Senders without a tunnel: the internet, or management networks."""

    name: str
    networks: packets.Networks


@dataclass(frozen=True, slots=True)
class SitePort:
    """A port of some addresses at sites."""

    networks: packets.Networks
    port: int


@dataclass(frozen=True)
class Sites:
    """Sites of one relay, behind its tunnel or in the carrier's network."""

    name: str  #: As in statements, `site/kcl-bg-001`; for all sites of a relay `sites of RELAY`.
    facilities: frozenset[str]
    #: Their addresses in the relay's tunnel; without a tunnel the routed networks around them.
    networks: packets.Networks
    cameras: tuple[SitePort, ...]  #: Addresses of their devices.
    asked: tuple[SitePort, ...]  #: ONVIF addresses of their devices.
    interface: str = ""  #: The relay's interface to them; empty for one that rules do not name.

    def ports(self, service: Service, other_port: int) -> tuple[SitePort, ...]:
        """Return the addresses of a service."""
        if service is Service.CAMERAS:
            return self.cameras
        return self.asked if service is Service.ONVIF else (SitePort(self.networks, other_port),)


class CellReach(StrEnum):
    """Whether all, some or no packets arrive."""

    YES = "yes"
    NO = "no"
    PART = "part"


_ORDER: Final = (CellReach.YES, CellReach.PART, CellReach.NO)


class Hop(NamedTuple):
    """Verdicts of one host, e.g. `relay-viettel-1 input`; several if addresses differ."""

    where: str
    rulings: frozenset[packets.Ruling]


class Outcome(NamedTuple):
    """Result of a route, with rules like `relay-viettel-1 input: readers`."""

    reach: CellReach
    by: tuple[str, ...]


class RelaySites:
    """The sites of a relay, grouped once."""

    def __init__(self, spec: HostSpec) -> None:
        self._spec = spec
        self._named: dict[str, Sites] = {}

    @cached_property
    def _networks(self) -> Mapping[str, tuple[IPv4Network, ...]]:
        peers = self._spec.tunnel.peers
        return {p.name.removeprefix(_SITE): p.allowed_ips for p in peers if p.name.startswith(_SITE)}

    @cached_property
    def _cameras(self) -> Mapping[str, set[tuple[IPv4Address, int]]]:
        pulled = ((path.facility, path.source) for path in self._spec.paths if path.source is not None)
        return _endpoints_by_facility((facility, (source.address, source.port)) for facility, source in pulled)

    @cached_property
    def _onvif(self) -> Mapping[str, set[tuple[IPv4Address, int]]]:
        devices = self._spec.relay.asked if self._spec.relay else ()
        return _endpoints_by_facility((device.facility, (device.address, device.port)) for device in devices)

    @cached_property
    def _routed(self) -> Mapping[str, tuple[IPv4Network, ...]]:
        """Networks of sites without a tunnel, as in the rules."""
        networks = self._spec.firewall.routed if self._spec.firewall else ()
        devices = gathered(
            (path.facility, path.source.address)
            for path in self._spec.paths
            if path.source is not None and not path.access.has_tunnel
        )
        return {
            name: tuple(n for n in networks if any(a in n for a in addresses)) for name, addresses in devices.items()
        }

    @cached_property
    def pushing_sources(self) -> Mapping[str, packets.Networks]:
        """Source networks of pushing sites: the addresses of their logins."""
        firewall, media = self._spec.firewall, self._spec.relay
        facilities = {path.name: path.facility for path in self._spec.paths if path.access.is_pushed}
        managed = firewall.management_networks if firewall else ()
        anywhere = [network for network in internet_but(managed).networks if isinstance(network, IPv4Network)]
        sources: dict[str, set[IPv4Network]] = defaultdict(set)
        for user in media.users if media and facilities else ():
            if user.publishes in facilities:
                sources[facilities[user.publishes]] |= {IPv4Network(address) for address in user.addresses} or {
                    ANYWHERE
                }
        return {
            name: packets.Networks(anywhere if ANYWHERE in networks else sorted(networks))
            for name, networks in sources.items()
        }

    @property
    def facilities(self) -> frozenset[str]:
        """Facilities behind the relay's tunnel."""
        return frozenset(self._networks)

    @property
    def routed(self) -> frozenset[str]:
        """Facilities that it reaches without a tunnel."""
        return frozenset(self._routed)

    def of(self, name: str, facilities: Iterable[str]) -> Sites:
        """Return sites, all tunneled or all routed, under one unique name."""
        if name not in self._named:
            members = set(facilities)
            routed = not members.isdisjoint(self.routed)
            networks = self._routed if routed else self._networks
            chosen = sorted(members.intersection(networks))
            self._named[name] = Sites(
                name,
                frozenset(chosen),
                packets.Networks(collapse_addresses(network for facility in chosen for network in networks[facility])),
                _site_ports(endpoint for facility in chosen for endpoint in self._cameras.get(facility, ())),
                _site_ports(endpoint for facility in chosen for endpoint in self._onvif.get(facility, ())),
                "" if routed else self._spec.names.tunnel,
            )
        return self._named[name]


def _endpoints_by_facility(
    endpoints: Iterable[tuple[str, tuple[IPv4Address, int]]],
) -> Mapping[str, set[tuple[IPv4Address, int]]]:
    of_each: dict[str, set[tuple[IPv4Address, int]]] = defaultdict(set)
    for facility, endpoint in endpoints:
        of_each[facility].add(endpoint)
    return of_each


def _site_ports(places: Iterable[tuple[IPv4Address, int]]) -> tuple[SitePort, ...]:
    by_port: dict[int, list[IPv4Network]] = defaultdict(list)
    networks: dict[IPv4Address, IPv4Network] = {}
    for address, port in places:
        if address not in networks:
            networks[address] = IPv4Network(address)
        by_port[port].append(networks[address])
    return tuple(SitePort(packets.Networks(addresses), port) for port, addresses in sorted(by_port.items()))


@lru_cache(maxsize=64)
def internet_but(networks: tuple[packets.Network, ...]) -> Outside:
    """Return the internet without some networks; a plan repeats the same ones."""
    return Outside(
        INTERNET, packets.Networks(remainder for whole in EVERYWHERE for remainder in _network_without(whole, networks))
    )


def _network_without(whole: packets.Network, networks: Sequence[packets.Network]) -> Iterator[packets.Network]:
    inside = next((n for n in networks if n.version == whole.version and n.overlaps(whole)), None)
    if inside is None:
        yield whole
    elif not whole.subnet_of(inside):  # type: ignore[arg-type]  # of one version
        for half in whole.subnets():
            yield from _network_without(half, networks)


def outcome(hops: Sequence[Hop]) -> Outcome:
    """Return the result of a route: the first blocking host decides."""
    for hop in hops:
        if not any(ruling.accepted for ruling in hop.rulings):
            return Outcome(CellReach.NO, _named(hop, accepted=False))
    torn = [hop for hop in hops if any(not ruling.accepted for ruling in hop.rulings)]
    if torn:
        return Outcome(CellReach.PART, tuple(name for hop in torn for name in _named(hop, accepted=False)))
    return Outcome(CellReach.YES, _named(hops[-1], accepted=True))


def together(outcomes: Iterable[Outcome]) -> Outcome:
    """Return the combined result of several packets."""
    results = list(outcomes)
    reaches = {result.reach for result in results}
    reach = reaches.pop() if len(reaches) == 1 else CellReach.PART
    # A partial result names the rules that refuse.
    refusing = [result.by for result in results if reach is not CellReach.PART or result.reach is not CellReach.YES]
    return Outcome(reach, tuple(sorted({name for names in refusing for name in names})))


def _named(hop: Hop, *, accepted: bool) -> tuple[str, ...]:
    return tuple(sorted(f"{hop.where}: {d.rule}" for d in hop.rulings if d.accepted is accepted))


# --- hops -----------------------------------------------------------------------------------------
def other_port(spec: HostSpec) -> int:
    """Return a port that stands for all unused ones."""
    used = {path.source.port for path in spec.paths if path.source is not None} | {spec.ssh.port}
    return next((port for port in _UNUSED if port not in used), _UNUSED[0])


def of_relay(spec: HostSpec) -> tuple[Service, ...]:
    """Return the possible services at a relay."""
    return (*OF_RELAY, Service.PUBLISH) if spec.relay is not None and spec.relay.publishing is not None else OF_RELAY


def _ports(spec: HostSpec, service: Service) -> tuple[int, ...]:
    # Video may have two (encrypted or not), the tunnel more.
    if service is Service.TUNNEL and spec.firewall is not None and spec.firewall.wireguard_port:
        return spec.firewall.tunnel_ports
    if service is Service.VIDEO and spec.firewall is not None:
        return spec.firewall.hub.ports if spec.firewall.hub else spec.firewall.reader_ports
    return (_port(spec, service),)


def _at_ports(service: Service, outcomes: Iterable[Outcome]) -> Outcome:
    """Return the combined result for a service with several ports."""
    # A reader may use any port, so one is enough. A gateway dials a particular one.
    if service is Service.TUNNEL:
        return together(outcomes)
    return min(outcomes, key=lambda result: _ORDER.index(result.reach))


def _port(spec: HostSpec, service: Service) -> int:
    """Return a service's port; of video, the port of the own probe."""
    firewall = spec.firewall
    ports = {
        Service.SSH: spec.ssh.port,
        Service.TUNNEL: firewall.wireguard_port if firewall and firewall.wireguard_port else 0,
        Service.VIDEO: firewall.reader_ports[0] if firewall else RTSP_PORT,
        Service.API: API_PORT,
        Service.PUBLISH: RTSPS_PORT,
    }
    return ports.get(service) or other_port(spec)


def _protocol(service: Service) -> str:
    return "udp" if service is Service.TUNNEL else "tcp"


def _chain(host: RuledHost, chain: str, packet: packets.NetPacket) -> Hop:
    return Hop(f"{host.spec.id} {chain}", rulings(host.rules, chain, packet))


def _tunnel_hop(host: RuledHost, peer: str, networks: Sequence[packets.Network]) -> Hop:
    """Return WireGuard's verdict: only the allowed IPs of a peer pass."""
    allowed = [n for p in host.spec.tunnel.peers if p.name == peer for n in p.allowed_ips]
    inside = {any(network.version == net.version and network.subnet_of(net) for net in allowed) for network in networks}
    return Hop(
        f"{host.spec.id} tunnel", frozenset(_ALLOWED if is_allowed else _FOREIGN for is_allowed in inside or {False})
    )


def _login_hop(host: RuledHost, sources: Sequence[packets.Network], action: str = "read") -> Hop:
    """Return MediaMTX's verdict: a login works from its addresses only."""
    media = host.spec.media
    users = [user for user in media.users if user.action == action] if media else []
    listed = [(_of_whom(user), network) for user in users for network in _networks_of(user)]
    matches = [(name, allowed, source) for name, allowed in listed for source in sources if allowed.overlaps(source)]
    accepted = {packets.Ruling(accepted=True, rule=f"login of {name}") for name, _, _ in matches}
    covered = {
        source for _, allowed, source in matches if source.version == allowed.version and source.subnet_of(allowed)
    }
    refused = set() if covered.issuperset(sources) else {packets.Ruling(accepted=False, rule="no login")}
    return Hop(f"{host.spec.id} MediaMTX", frozenset(accepted | refused))


def _of_whom(user: User) -> str:
    return "a site that pushes" if user.action == "publish" else user.name


def _networks_of(user: User) -> Sequence[IPv4Network]:
    return [IPv4Network(address) for address in user.addresses] or [ANYWHERE]


def _arrival_hops(
    host: RuledHost, service: Service, sources: packets.Networks, came_by: str, at: int | None = None
) -> Iterator[Hop]:
    port = at or _port(host.spec, service)
    yield _chain(host, "input", packets.NetPacket(sources, port=port, protocol=_protocol(service), came_by=came_by))
    if service is Service.VIDEO:
        yield _login_hop(host, sources)
    if service is Service.PUBLISH:
        yield _login_hop(host, sources, "publish")


def _user(host: RuledHost, program: Program) -> str:
    return {Program.RELAY: RELAY_USER, Program.PROBE: host.spec.names.probe_user}.get(program, "")


def _leaves(
    host: RuledHost, program: Program, targets: packets.Networks, port: int, *, interface: str, protocol: str = "tcp"
) -> Hop:
    user = _user(host, program)
    return _chain(
        host, "output", packets.NetPacket(targets=targets, port=port, protocol=protocol, leaves_by=interface, user=user)
    )


def _through(
    relay: RuledHost, sources: packets.Networks, targets: packets.Networks, port: int, ways: tuple[str, str]
) -> Hop:
    """Return a relay's verdict on packets forwarded between two interfaces (`ways`)."""
    came_by, leaves_by = ways
    return _chain(relay, "forward", packets.NetPacket(sources, targets, port, came_by=came_by, leaves_by=leaves_by))


# --- roads ----------------------------------------------------------------------------------------
def outside_to_host(outside: Outside, host: RuledHost, service: Service) -> Outcome:
    """Judge traffic from outside to a host."""
    ports, networks = _ports(host.spec, service), outside.networks
    if service is Service.PUBLISH:
        # Sites push over IPv4; no service listens there over IPv6.
        networks = packets.Networks(network for network in networks if isinstance(network, IPv4Network)) or networks
    return _at_ports(service, (outcome([*_arrival_hops(host, service, networks, "", port)]) for port in ports))


def outside_to_sites(outside: Outside, relay: RuledHost, sites: Sites, service: Service) -> Outcome:
    """Judge traffic from outside through a relay to its sites."""
    interface = sites.interface
    return together(
        outcome([_through(relay, outside.networks, target.networks, target.port, ("", interface))])
        for target in sites.ports(service, other_port(relay.spec))
    )


def site_to_relay(sites: Sites, relay: RuledHost, service: Service) -> Outcome:
    """Judge traffic from behind a gateway to its own relay."""
    ports, interface = _ports(relay.spec, service), sites.interface
    return _at_ports(
        service, (outcome([*_arrival_hops(relay, service, sites.networks, interface, port)]) for port in ports)
    )


def site_to_sites(sites: Sites, relay: RuledHost, target_sites: Sites, service: Service) -> Outcome:
    """Judge traffic from behind a gateway through its relay to its sites."""
    interfaces = (sites.interface, target_sites.interface)
    return together(
        outcome([_through(relay, sites.networks, target.networks, target.port, interfaces)])
        for target in target_sites.ports(service, other_port(relay.spec))
    )


def site_to_centre(sites: Sites, relay: RuledHost, centre: RuledHost, service: Service) -> Outcome:
    """Judge traffic from behind a gateway through its relay to a centre."""
    tunnel, to = relay.spec.names.tunnel, _own(centre)
    return outcome(
        [
            _through(relay, sites.networks, to, _port(centre.spec, service), (sites.interface, tunnel)),
            _tunnel_hop(centre, f"relay/{relay.spec.id}", sites.networks),
            *_arrival_hops(centre, service, sites.networks, centre.spec.names.tunnel),
        ]
    )


def site_to_internet(sites: Sites, relay: RuledHost, service: Service) -> Outcome:
    """Judge traffic from behind a gateway through its relay to elsewhere."""
    port = _port(relay.spec, service)
    return outcome([_through(relay, sites.networks, _elsewhere(relay), port, (sites.interface, ""))])


def relay_to_sites(relay: RuledHost, program: Program, sites: Sites, service: Service) -> Outcome:
    """Judge traffic from a relay's program to its sites."""
    return together(
        outcome([_leaves(relay, program, target.networks, target.port, interface=sites.interface)])
        for target in sites.ports(service, other_port(relay.spec))
    )


def relay_to_centre(relay: RuledHost, program: Program, centre: RuledHost, service: Service) -> Outcome:
    """Judge traffic from a relay's program through the tunnel to a centre."""
    return outcome(
        [
            _leaves(relay, program, _own(centre), _port(centre.spec, service), interface=relay.spec.names.tunnel),
            _tunnel_hop(relay, f"centre/{centre.spec.id}", _own(centre)),
            _tunnel_hop(centre, f"relay/{relay.spec.id}", _own(relay)),
            *_arrival_hops(centre, service, _own(relay), centre.spec.names.tunnel),
        ]
    )


def host_to_internet(host: RuledHost, program: Program, service: Service) -> Outcome:
    """Judge traffic from a host's program to anywhere, without a tunnel."""
    return outcome([_leaves(host, program, _elsewhere(host), _port(host.spec, service), interface="")])


def relay_to_itself(relay: RuledHost, program: Program, service: Service) -> Outcome:
    """Judge traffic from a relay's program to its own MediaMTX."""
    # The API is on loopback only.
    addresses = _own(relay) if service is Service.VIDEO else _LOOPBACK
    port = _port(relay.spec, service)
    return outcome(
        [_leaves(relay, program, addresses, port, interface=_LO), *_arrival_hops(relay, service, addresses, _LO)]
    )


def centre_to_relay(centre: RuledHost, program: Program, relay: RuledHost, service: Service) -> Outcome:
    """Judge traffic from a centre's program through the tunnel to a relay."""
    tunnel, protocol = centre.spec.names.tunnel, _protocol(service)
    each = (
        outcome(
            [
                _leaves(centre, program, _own(relay), port, interface=tunnel, protocol=protocol),
                _tunnel_hop(centre, f"relay/{relay.spec.id}", _own(relay)),
                _tunnel_hop(relay, f"centre/{centre.spec.id}", _own(centre)),
                *_arrival_hops(relay, service, _own(centre), relay.spec.names.tunnel, port),
            ]
        )
        for port in _ports(relay.spec, service)
    )
    return _at_ports(service, each)


def centre_to_sites(centre: RuledHost, program: Program, relay: RuledHost, sites: Sites, service: Service) -> Outcome:
    """Judge traffic from a centre's program through a relay to its sites."""
    tunnel = relay.spec.names.tunnel
    return together(
        outcome(
            [
                _leaves(centre, program, target.networks, target.port, interface=centre.spec.names.tunnel),
                _tunnel_hop(centre, f"relay/{relay.spec.id}", target.networks),
                _through(relay, _own(centre), target.networks, target.port, (tunnel, sites.interface)),
            ]
        )
        for target in sites.ports(service, other_port(relay.spec))
    )


def _elsewhere(host: RuledHost) -> packets.Networks:
    """Return all networks except routed ones, where sites are."""
    routed = host.spec.firewall.routed if host.spec.firewall else ()
    return packets.Networks(n for n in internet_but(routed).networks if n.version == 4) if routed else packets.EVERYBODY  # noqa: PLR2004


def _own(host: RuledHost) -> packets.Networks:
    return packets.Networks((IPv4Network(host.spec.tunnel.address),))
