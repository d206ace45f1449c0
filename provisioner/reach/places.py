"""The places between which something may pass, with the addresses that stand for them. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network, IPv6Network, collapse_addresses
from typing import Final

from provisioner.desired.spec import ANYWHERE, HostSpec
from provisioner.inventory.model import Service
from provisioner.reach.ruleset import Network, Networks, Ruleset, parse_ruleset

INTERNET: Final = "internet"
EVERYWHERE: Final[tuple[Network, ...]] = (IPv4Network("0.0.0.0/0"), IPv6Network("::/0"))
_SITE: Final = "site/"


class RuledHost:
    """A managed host with the rules that it is to have, which are read when somebody asks."""

    def __init__(self, spec: HostSpec, text: Callable[[HostSpec], str]) -> None:
        """Take the host, and what gives the firewall file that is rendered for it."""
        self.spec, self._text = spec, text

    @cached_property
    def rules(self) -> Ruleset:
        """Its rules.

        Raises:
            RenderError: they are not of the form of our templates.
        """
        return parse_ruleset(self._text(self.spec))


@dataclass(frozen=True)
class Outside:
    """Whoever comes to hosts by no tunnel: the internet, or the networks from which somebody manages."""

    name: str
    networks: Networks


@dataclass(frozen=True, slots=True)
class SitePort:
    """A port of some addresses behind a tunnel."""

    networks: Networks
    port: int


@dataclass(frozen=True)
class Sites:
    """Sites of one relay, as that relay knows them: behind its tunnel, or where the carrier's network leads.

    Attributes:
        name: as statements name them, `site/kcl-bg-001`; of all of a relay `sites of RELAY`.
        facilities: whose sites they are.
        networks: the addresses of theirs that the relay's tunnel takes; without a tunnel the networks they lie in.
        cameras: where their devices are found.
        asked: where their devices are asked about themselves.
        interface: by which interface the relay sends to them and hears of them; empty for one that no rule names.
    """

    name: str
    facilities: frozenset[str]
    networks: Networks
    cameras: tuple[SitePort, ...]
    asked: tuple[SitePort, ...]
    interface: str = ""

    def ports(self, service: Service, other_port: int) -> tuple[SitePort, ...]:
        """Where a service of theirs is found."""
        if service is Service.CAMERAS:
            return self.cameras
        return self.asked if service is Service.ONVIF else (SitePort(self.networks, other_port),)


class RelaySites:
    """The sites of a relay, taken apart once."""

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
        return _by_facility((facility, (source.address, source.port)) for facility, source in pulled)

    @cached_property
    def _asked(self) -> Mapping[str, set[tuple[IPv4Address, int]]]:
        devices = self._spec.relay.asked if self._spec.relay else ()
        return _by_facility((device.facility, (device.address, device.port)) for device in devices)

    @cached_property
    def _routed(self) -> Mapping[str, tuple[IPv4Network, ...]]:
        """Of each site without a tunnel the networks that the rules know it by."""
        networks = self._spec.firewall.routed if self._spec.firewall else ()
        devices: dict[str, set[IPv4Address]] = defaultdict(set)
        for path in self._spec.paths:
            if path.source is not None and not path.access.has_tunnel:
                devices[path.facility].add(path.source.address)
        return {name: tuple(n for n in networks if any(a in n for a in of)) for name, of in devices.items()}

    @cached_property
    def pushing(self) -> Mapping[str, Networks]:
        """From where each site comes that pushes to the relay: from the addresses of its logins."""
        firewall, media = self._spec.firewall, self._spec.relay
        facilities = {path.name: path.facility for path in self._spec.paths if path.access.is_pushed}
        managed = firewall.management_networks if firewall else ()
        anywhere = [network for network in internet_but(managed).networks if isinstance(network, IPv4Network)]
        known: dict[str, set[IPv4Network]] = defaultdict(set)
        for user in media.users if media and facilities else ():
            if user.publishes in facilities:
                known[facilities[user.publishes]] |= {IPv4Network(one) for one in user.addresses} or {ANYWHERE}
        return {name: Networks(anywhere if ANYWHERE in of else sorted(of)) for name, of in known.items()}

    @property
    def facilities(self) -> frozenset[str]:
        """Whose sites the relay's tunnel knows."""
        return frozenset(self._networks)

    @property
    def routed(self) -> frozenset[str]:
        """Whose sites it reaches without a tunnel."""
        return frozenset(self._routed)

    def of(self, name: str, facilities: Iterable[str]) -> Sites:
        """Some of them, under one name, all behind the tunnel or none; which they are is known by the name."""
        if name not in self._named:
            meant = set(facilities)
            routed = not meant.isdisjoint(self.routed)
            known = self._routed if routed else self._networks
            chosen = sorted(meant.intersection(known))
            self._named[name] = Sites(
                name,
                frozenset(chosen),
                Networks(collapse_addresses(n for facility in chosen for n in known[facility])),
                _site_ports(place for facility in chosen for place in self._cameras.get(facility, ())),
                _site_ports(place for facility in chosen for place in self._asked.get(facility, ())),
                "" if routed else self._spec.names.tunnel,
            )
        return self._named[name]


def _by_facility(
    places: Iterable[tuple[str, tuple[IPv4Address, int]]],
) -> Mapping[str, set[tuple[IPv4Address, int]]]:
    of_each: dict[str, set[tuple[IPv4Address, int]]] = defaultdict(set)
    for facility, place in places:
        of_each[facility].add(place)
    return of_each


def _site_ports(places: Iterable[tuple[IPv4Address, int]]) -> tuple[SitePort, ...]:
    by_port: dict[int, list[IPv4Network]] = defaultdict(list)
    networks: dict[IPv4Address, IPv4Network] = {}
    for address, port in places:
        if address not in networks:
            networks[address] = IPv4Network(address)
        by_port[port].append(networks[address])
    return tuple(SitePort(Networks(of), port) for port, of in sorted(by_port.items()))


def internet_but(networks: Sequence[Network]) -> Outside:
    """The whole internet without some networks."""
    return Outside(INTERNET, Networks(left for whole in EVERYWHERE for left in _without(whole, networks)))


def _without(whole: Network, networks: Sequence[Network]) -> Iterator[Network]:
    """What is left of a network when others are taken out of it."""
    inside = next((n for n in networks if n.version == whole.version and n.overlaps(whole)), None)
    if inside is None:
        yield whole
    elif not whole.subnet_of(inside):  # type: ignore[arg-type]  # of one version
        for half in whole.subnets():
            yield from _without(half, networks)
