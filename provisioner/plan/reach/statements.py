"""The matrix of `prove`, and statements checked against it. Pure."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from enum import StrEnum
from functools import cached_property, partial
from ipaddress import IPv4Network, collapse_addresses
from itertools import product
from typing import Final, NamedTuple

from provisioner.desired.spec import HostKind, HostSpec
from provisioner.inventory.model.inventory import Inventory
from provisioner.inventory.model.orders import Program, Service
from provisioner.plan.reach import roads
from provisioner.plan.reach.packets import Networks
from provisioner.plan.reach.roads import (
    INTERNET,
    OF_CENTRE,
    OF_SITE,
    CellReach,
    Outcome,
    Outside,
    RelaySites,
    RuledHost,
    Sites,
    internet_but,
)

MANAGEMENT: Final = "management"
_OUTSIDE_A_CENTRE: Final = (Service.SSH,)  #: A centre's other ports belong to its machine.
_OF_ITSELF: Final = (Service.VIDEO, Service.API)
_ELSEWHERE: Final = (Service.OTHER,)
_OF_CENTRE: Final = (Program.PROBE, Program.OTHERS)

_OUTSIDE: Final = (INTERNET, MANAGEMENT)


class ReachCell(NamedTuple):
    """Whether traffic passes from one place to another."""

    source: str  #: e.g. `centre/btttt`, as `target`.
    program: Program | None
    target: str
    service: Service
    reach: CellReach
    by: tuple[str, ...]  #: The deciding rules.
    hosts: frozenset[str]  #: The managed hosts on the route.


class ReachQuery(NamedTuple):
    """Wanted places, as in statements, services and programs (default: all)."""

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    services: tuple[Service, ...] = ()
    programs: tuple[Program, ...] = ()
    touching: Collection[str] | None = None

    def takes(self, *hosts: str) -> bool:
        """Return whether routes over these hosts are wanted."""
        return self.touching is None or not set(hosts).isdisjoint(self.touching)


#: Every cell, with the sites of a relay as one place.
ALL: Final = ReachQuery((INTERNET, MANAGEMENT, "centres", "relays", "sites"), (INTERNET, "centres", "relays", "sites"))


class _Flow(NamedTuple):
    source: str
    program: Program | None
    target: str
    services: tuple[Service, ...]
    hosts: tuple[str, ...]
    outcome: Callable[[Service], Outcome]


class Statement(NamedTuple):
    """A statement about reachability."""

    name: str  #: Its name, unique within its origin.
    allows: bool  #: Whether the traffic must arrive; otherwise it must not.
    wanted: ReachQuery
    reason: str = ""  #: The reason for people, if any.
    place: int | None = None  #: Its index in `intents.yml`; `None` if built-in.

    @property
    def origin(self) -> "Origin":
        """Origin of the statement."""
        return Origin.BUILT_IN if self.place is None else Origin.INVENTORY

    @property
    def words(self) -> str:
        """The statement in words, e.g. `deny sites to sites`."""
        wanted = self.wanted
        services = f" ({', '.join(wanted.services)})" if wanted.services else ""
        programs = f" by {', '.join(wanted.programs)}" if wanted.programs else ""
        verb = "allow" if self.allows else "deny"
        return f"{verb} {', '.join(wanted.sources)}{programs} to {', '.join(wanted.targets)}{services}"


def _deny(
    name: str,
    sources: Iterable[str],
    targets: Iterable[str],
    services: Iterable[Service] = (),
    programs: Iterable[Program] = (),
) -> Statement:
    wanted = ReachQuery(tuple(sources), tuple(targets), tuple(services), tuple(programs))
    return Statement(name, allows=False, wanted=wanted)


#: Statements for every inventory; no plan may break them. Docs: docs/operate/reachability.md.
BUILT_IN: Final = (
    _deny("hosts-shut-to-the-internet", [INTERNET], ["relays", "centres"], [Service.SSH]),
    _deny("relays-shut-outside", _OUTSIDE, ["relays"], [Service.VIDEO, Service.API, Service.OTHER]),
    _deny("sites-shut-outside", _OUTSIDE, ["sites"]),
    _deny("sites-apart", ["sites"], ["sites"]),
    _deny("sites-reach-nobody", ["sites"], ["centres", INTERNET]),
    _deny(
        "sites-open-nothing-at-relays", ["sites"], ["relays"], [Service.SSH, Service.VIDEO, Service.API, Service.OTHER]
    ),
    _deny("centres-only-watch", ["centres"], ["relays"], [Service.SSH, Service.PUBLISH, Service.API, Service.OTHER]),
    _deny("centres-watch-by-relays", ["centres"], ["sites"]),
    _deny("relays-open-nothing-at-centres", ["relays"], ["centres"]),
    _deny("mediamtx-stays-inside", ["relays"], [INTERNET, "centres", "relays"], (), [Program.RELAY]),
    _deny("mediamtx-pulls-cameras-alone", ["relays"], ["sites"], [Service.ONVIF, Service.OTHER], [Program.RELAY]),
    _deny("probe-stays-inside", ["relays", "centres"], [INTERNET], (), [Program.PROBE, Program.RELAY]),
    _deny("probe-pulls-no-camera", ["relays"], ["sites"], [Service.CAMERAS, Service.OTHER], [Program.PROBE]),
    _deny("api-is-root-s", ["relays"], ["relays"], [Service.API], [Program.RELAY, Program.PROBE]),
    _deny("nobody-scans-sites", ["relays"], ["sites"], [Service.OTHER]),
)


class Origin(StrEnum):
    """Origin of a statement."""

    BUILT_IN = "built-in"
    INVENTORY = "intents.yml"


class StatementResult(NamedTuple):
    """Result of a statement."""

    statement: Statement
    cells: int  #: Number of its cells; 0 if its places do not exist.
    broken: tuple[ReachCell, ...]

    @property
    def holds(self) -> bool:
        """Whether it has cells, and all of them comply."""
        return self.cells > 0 and not self.broken


class Reachability:
    """Reachability by the desired state; hosts without rules are unknown places."""

    def __init__(self, inventory: Inventory, specs: Mapping[str, HostSpec], rules: Callable[[HostSpec], str]) -> None:
        self._inventory = inventory
        hosts = {name: RuledHost(spec, rules) for name, spec in specs.items() if spec.firewall is not None}
        self._relays = {name: host for name, host in hosts.items() if host.spec.kind is HostKind.RELAY}
        self._centres = {name: host for name, host in hosts.items() if host.spec.kind is HostKind.CENTRE}
        self._sites = {name: RelaySites(host.spec) for name, host in self._relays.items()}

    def cells(self, wanted: ReachQuery) -> Iterator[ReachCell]:
        """Yield the wanted cells between places; unknown rules raise `RenderError`."""
        for flow in self._wanted_flows(wanted):
            foreign = wanted.programs and flow.program is not None and flow.program not in wanted.programs
            if foreign or not wanted.takes(*flow.hosts):
                continue
            for service in flow.services:
                if not wanted.services or service in wanted.services:
                    outcome = flow.outcome(service)
                    hosts = frozenset(flow.hosts)
                    yield ReachCell(flow.source, flow.program, flow.target, service, outcome.reach, outcome.by, hosts)

    # --- places
    def _province(self, facility: str) -> str:
        entry = self._inventory.facilities.get(facility)
        return entry.province if entry else ""

    def _site_groups(self, names: Iterable[str], relay: str) -> Iterator[Sites]:
        sites = self._sites[relay]
        for name in names:
            kind, _, place_id = name.partition("/")
            for facilities, lead in ((sites.facilities, ""), (sites.routed, "routed ")):
                members: Collection[str] = ()
                if kind == "sites":
                    members = facilities
                elif kind == "site":
                    members = facilities & {place_id}
                elif kind == "province":
                    members = [facility for facility in facilities if self._province(facility) == place_id]
                if members:
                    label = (
                        f"{lead}sites of {relay}" if kind == "sites" else name if kind == "site" else f"{lead}{name}"
                    )
                    yield sites.of(label, members)

    def _outsides(self, names: Iterable[str], host: HostSpec) -> Iterator[Outside]:
        """Yield senders without a tunnel; the internet excludes management networks."""
        for name in names:
            if name == INTERNET:
                yield internet_but(host.firewall.management_networks if host.firewall else ())
            for owner, networks in self._management_networks.items():
                if name in {MANAGEMENT, f"{MANAGEMENT}/{owner}"}:
                    yield Outside(f"{MANAGEMENT}/{owner}", networks)

    @cached_property
    def _management_networks(self) -> Mapping[str, Networks]:
        carriers, centres = self._inventory.carriers, self._inventory.centres
        of_each: dict[str, Networks] = {}
        for owner in sorted(carriers.keys() | centres.keys()):
            entries = [entry for entry in (carriers.get(owner), centres.get(owner)) if entry is not None]
            if networks := Networks(network for entry in entries for network in entry.management_networks):
                of_each[owner] = networks
        return of_each

    # --- ways
    def _wanted_flows(self, wanted: ReachQuery) -> Iterator[_Flow]:
        yield from self._flows_from_outside(wanted)
        yield from self._flows_from_centres(wanted)
        yield from self._flows_from_relays(wanted)
        yield from self._flows_from_sites(wanted)
        yield from self._flows_from_pushing(wanted)

    def _flows_from_outside(self, wanted: ReachQuery) -> Iterator[_Flow]:
        for name, relay in _chosen_hosts(wanted.targets, "relays", self._relays):
            for outside in self._outsides(wanted.sources, relay.spec):
                to_it = partial(roads.outside_to_host, outside, relay)
                yield _Flow(outside.name, None, f"relay/{name}", roads.of_relay(relay.spec), (name,), to_it)
        for name, centre in _chosen_hosts(wanted.targets, "centres", self._centres):
            for outside in self._outsides(wanted.sources, centre.spec):
                to_it = partial(roads.outside_to_host, outside, centre)
                services = (*_OUTSIDE_A_CENTRE, Service.VIDEO) if centre.spec.hub else _OUTSIDE_A_CENTRE
                yield _Flow(outside.name, None, f"centre/{name}", services, (name,), to_it)
        for name, relay in self._relays.items():
            if not wanted.takes(name):
                continue
            for outside, sites in product(
                self._outsides(wanted.sources, relay.spec), self._site_groups(wanted.targets, name)
            ):
                through = partial(roads.outside_to_sites, outside, relay, sites)
                yield _Flow(outside.name, None, sites.name, _services_of(sites), (name,), through)

    def _flows_from_centres(self, wanted: ReachQuery) -> Iterator[_Flow]:
        pairs = product(_chosen_hosts(wanted.sources, "centres", self._centres), Program)
        # MediaMTX's user is at hubs alone.
        for (centre_id, centre), program in (pair for pair in pairs if pair[1] in _OF_CENTRE or pair[0][1].spec.hub):
            source = f"centre/{centre_id}"
            for name, relay in _chosen_hosts(wanted.targets, "relays", self._relays):
                to_it = partial(roads.centre_to_relay, centre, program, relay)
                yield _Flow(source, program, f"relay/{name}", roads.of_relay(relay.spec), (centre_id, name), to_it)
            for name, relay in self._relays.items():
                for sites in self._site_groups(wanted.targets, name) if wanted.takes(centre_id, name) else ():
                    through = partial(roads.centre_to_sites, centre, program, relay, sites)
                    yield _Flow(source, program, sites.name, _services_of(sites), (centre_id, name), through)
            if INTERNET in wanted.targets:
                yield _Flow(
                    source,
                    program,
                    INTERNET,
                    _ELSEWHERE,
                    (centre_id,),
                    partial(roads.host_to_internet, centre, program),
                )

    def _flows_from_relays(self, wanted: ReachQuery) -> Iterator[_Flow]:
        for (relay_id, relay), program in product(_chosen_hosts(wanted.sources, "relays", self._relays), Program):
            source = f"relay/{relay_id}"
            for sites in self._site_groups(wanted.targets, relay_id) if wanted.takes(relay_id) else ():
                to_them = partial(roads.relay_to_sites, relay, program, sites)
                yield _Flow(source, program, sites.name, _services_of(sites), (relay_id,), to_them)
            for name, centre in _chosen_hosts(wanted.targets, "centres", self._centres):
                to_it = partial(roads.relay_to_centre, relay, program, centre)
                yield _Flow(source, program, f"centre/{name}", OF_CENTRE, (relay_id, name), to_it)
            if any(name == relay_id for name, _ in _chosen_hosts(wanted.targets, "relays", self._relays)):
                to_itself = partial(roads.relay_to_itself, relay, program)
                yield _Flow(source, program, source, _OF_ITSELF, (relay_id,), to_itself)
            if INTERNET in wanted.targets:
                yield _Flow(
                    source, program, INTERNET, _ELSEWHERE, (relay_id,), partial(roads.host_to_internet, relay, program)
                )

    def _flows_from_sites(self, wanted: ReachQuery) -> Iterator[_Flow]:
        for name, relay in self._relays.items():
            for sites in self._site_groups(wanted.sources, name) if wanted.takes(name, *self._centres) else ():
                yield from self._flows_from_sites_of(wanted, relay, sites)

    def _flows_from_pushing(self, wanted: ReachQuery) -> Iterator[_Flow]:
        """Yield routes of pushing sites, which have no tunnel, as the internet."""
        for name, relay in _chosen_hosts(wanted.targets, "relays", self._relays):
            for outside in self._pushers(wanted.sources, name):
                to_it = partial(roads.outside_to_host, outside, relay)
                yield _Flow(outside.name, None, f"relay/{name}", roads.of_relay(relay.spec), (name,), to_it)

    def _pushers(self, names: Iterable[str], relay: str) -> Iterator[Outside]:
        pushing_sources = self._sites[relay].pushing_sources
        for name in names if pushing_sources else ():
            kind, _, place_id = name.partition("/")
            if kind == "sites":
                yield Outside(f"pushing sites of {relay}", _all_of(pushing_sources.values()))
            elif kind == "site" and place_id in pushing_sources:
                yield Outside(name, pushing_sources[place_id])
            elif kind == "province":
                matching = [
                    networks for facility, networks in pushing_sources.items() if self._province(facility) == place_id
                ]
                if matching:
                    yield Outside(f"pushing {name}", _all_of(matching))

    def _flows_from_sites_of(self, wanted: ReachQuery, relay: RuledHost, sites: Sites) -> Iterator[_Flow]:
        relay_id = relay.spec.id
        if any(name == relay_id for name, _ in _chosen_hosts(wanted.targets, "relays", self._relays)):
            to_it = partial(roads.site_to_relay, sites, relay)
            yield _Flow(sites.name, None, f"relay/{relay_id}", roads.of_relay(relay.spec), (relay_id,), to_it)
        for target_sites in self._site_groups(wanted.targets, relay_id):
            # A site's own packets stay behind its gateway.
            if len(sites.facilities | target_sites.facilities) > 1:
                through = partial(roads.site_to_sites, sites, relay, target_sites)
                yield _Flow(sites.name, None, target_sites.name, _services_of(target_sites), (relay_id,), through)
        for name, centre in _chosen_hosts(wanted.targets, "centres", self._centres):
            to_centre = partial(roads.site_to_centre, sites, relay, centre)
            yield _Flow(sites.name, None, f"centre/{name}", OF_CENTRE, (relay_id, name), to_centre)
        if INTERNET in wanted.targets:
            yield _Flow(
                sites.name, None, INTERNET, _ELSEWHERE, (relay_id,), partial(roads.site_to_internet, sites, relay)
            )


def _all_of(networks: Iterable[Networks]) -> Networks:
    four = (network for each in networks for network in each if isinstance(network, IPv4Network))
    return Networks(collapse_addresses(four))


def _chosen_hosts(places: Iterable[str], kind: str, hosts: Mapping[str, RuledHost]) -> Iterator[tuple[str, RuledHost]]:
    """Yield hosts of a kind: all (`relays`) or one (`relay/…`)."""
    for place in places:
        singular, _, host_id = place.partition("/")
        if place == kind:
            yield from hosts.items()
        elif f"{singular}s" == kind and host_id in hosts:
            yield host_id, hosts[host_id]


def _services_of(sites: Sites) -> tuple[Service, ...]:
    return tuple(service for service in OF_SITE if sites.ports(service, 0))


def statements_of(inventory: Inventory) -> Iterator[Statement]:
    """Yield the built-in statements, then the inventory's own."""
    yield from BUILT_IN
    for index, intent in enumerate(inventory.intents):
        traffic = intent.traffic
        wanted = ReachQuery(traffic.sources, traffic.targets, traffic.services, traffic.programs)
        yield Statement(intent.id, intent.allow is not None, wanted, intent.reason or "", index)


def judged(
    statements: Iterable[Statement], reachability: Reachability, touching: Collection[str] | None = None
) -> Iterator[StatementResult]:
    """Yield each statement's result, over `touching` hosts if given; errors as `cells`."""
    for statement in statements:
        expected = CellReach.YES if statement.allows else CellReach.NO
        cells = [*reachability.cells(statement.wanted._replace(touching=touching))]
        yield StatementResult(statement, len(cells), tuple(cell for cell in cells if cell.reach is not expected))
