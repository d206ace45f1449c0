"""Building of a plan from facts: comparison, guards, lockout checks. Pure."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final

from provisioner.base.errors import Problem
from provisioner.base.groups import gathered, grouped
from provisioner.base.text import msg, named
from provisioner.desired.limit import Limit
from provisioner.desired.names import is_of_a_side
from provisioner.desired.render.host import RenderedFile
from provisioner.desired.spec import DesiredState, HostSpec
from provisioner.desired.trust import approval_terms
from provisioner.hosts.facts import HostFacts
from provisioner.inventory.files.positions import Places
from provisioner.inventory.model.inventory import Inventory
from provisioner.plan.change import Change, pending
from provisioner.plan.diff import changes_of, needs_of_sites
from provisioner.plan.diff.comparison import Fleet
from provisioner.plan.diff.files import frozen_on, overrides_ours
from provisioner.plan.diff.packages import former_keys, sites_of
from provisioner.plan.diff.paths import quarantined_on
from provisioner.plan.diff.trust import policy_changes
from provisioner.plan.guards import reachability
from provisioner.plan.guards.approvals import HostTerms, approval_needs
from provisioner.plan.guards.policy import PlanInQuestion, PlanRefusal, refusals_of
from provisioner.plan.plan import Basis, FrozenInPlan, Plan, desired_digest, planned_digest

_NOTED = 5  #: Maximum number of files in notes: a host can report any number.
OUTSIDE: Final = "held outside --limit"  #: Start of the note about frozen facilities outside the limit.


@dataclass(frozen=True)
class Observed:
    """Input of a plan: chosen hosts, their files and facts."""

    inventory: Inventory
    state: DesiredState
    hosts: Sequence[HostSpec]
    files: Mapping[str, tuple[RenderedFile, ...]]
    facts: Mapping[str, HostFacts]
    unreadable: Mapping[str, str] = field(default_factory=dict)  #: Errors of the hosts without facts.
    before: Inventory | None = None  #: An older revision to compare with; its protections count.
    unproved: frozenset[str] = frozenset()  #: Unreadable hosts that did not prove that they were managed before.
    served_elsewhere: int = 0  #: Number of served paths outside `state`, without changes.
    places: Places | None = None


def build_plan(observed: Observed, basis: Basis, limit: Limit, now: datetime, commit: str = "") -> Plan:
    """Build the plan; `basis` gets the hosts, `now` is for freeze windows."""
    facts, files = observed.facts, observed.files
    fleet = fleet_of(observed)
    read_hosts = [spec for spec in observed.hosts if spec.id in facts]
    changes = changes_of_all(read_hosts, files, facts, now, fleet)
    changing = pending(changes)
    outside = reachability.outside_of(limit, changing)
    uncounted = frozenset(spec.id for spec in read_hosts if spec.media and not facts[spec.id].counted)
    by_host = grouped(changing, lambda change: change.host)
    subject = _subject(observed, changing, fleet, uncounted)
    rendered = {name: spec for name, spec in observed.state.hosts.items() if name in observed.files}
    refused = [
        *refusals_of(observed.inventory.settings.policy, subject, now, basis.allow),
        *_outside_refusals(outside),
        *(refusal for spec in read_hosts if spec.id in by_host for refusal in _lock_out_refusals(observed, spec)),
        *(refusal for spec in read_hosts if spec.id in by_host for refusal in _network_conflicts(spec, facts[spec.id])),
        *reachability.broken_intents(observed.inventory, rendered, partial(_rules, observed), by_host),
    ]
    frozen = _frozen_in_plan(observed, limit, read_hosts)
    not_opened = observed.state.left_out.keys() - observed.unreadable.keys()
    return Plan(
        basis=Basis(
            basis.inventory,
            basis.templates,
            {spec.id: facts[spec.id].live_digest for spec in read_hosts},
            basis.version,
            {spec.id: desired_digest(spec, files[spec.id]) for spec in read_hosts},
            {spec.id: planned_digest(by_host.get(spec.id, ())) for spec in read_hosts},
            basis.allow,
            tuple(observed.state.held),
        ),
        changes=tuple(changes),
        commit=commit,
        left_out=tuple(sorted((set(observed.state.hosts) - {spec.id for spec in observed.hosts}) | not_opened)),
        outside=outside,
        carriers=carriers_of(observed.state),
        refused=tuple(refused),
        uncounted=tuple(sorted(uncounted)),
        unreadable=observed.unreadable,
        unproved=tuple(sorted(observed.unproved)),
        site_packages=needs_of_sites(
            [spec for spec in observed.state.hosts.values() if spec.relay], read_hosts, files, facts, fleet
        ),
        warnings=tuple(_warnings(observed, read_hosts)),
        notes=(*_plan_notes(observed, read_hosts, by_host, frozen), *_of_recovery(observed, fleet.former_keys)),
        held=frozen,
        approvals=approval_needs(changing, _host_terms(read_hosts, facts), approval_terms(observed.inventory)),
        quarantined=tuple(path for spec in read_hosts for path in quarantined_on(spec, facts[spec.id]).values()),
    )


def _host_terms(read: Iterable[HostSpec], facts: Mapping[str, HostFacts]) -> dict[str, HostTerms]:
    remembered = ((spec, facts[spec.id].policy) for spec in read)
    return {
        spec.id: HostTerms(spec.carriers, policy.approvals if policy else None, is_known=policy is not None)
        for spec, policy in remembered
    }


def _frozen_in_plan(observed: Observed, limit: Limit, read: Sequence[HostSpec]) -> tuple[FrozenInPlan, ...]:
    hosts = gathered((name, spec.id) for spec in read for name in frozen_on(spec, observed.facts[spec.id]))
    return tuple(
        FrozenInPlan(frozen_facility, tuple(sorted(hosts[name])), limit.takes_frozen(frozen_facility, hosts[name]))
        for name, frozen_facility in observed.state.held.items()
    )


def changes_of_all(
    read: Iterable[HostSpec],
    files: Mapping[str, tuple[RenderedFile, ...]],
    facts: Mapping[str, HostFacts],
    now: datetime,
    fleet: Fleet | None = None,
) -> list[Change]:
    """Return all changes of the hosts, changes of the policy first."""
    hosts = list(read)
    changes = [change for spec in hosts for change in policy_changes(spec, facts[spec.id].policy, now)]
    changes += (c for spec in hosts for c in changes_of(spec, files[spec.id], facts[spec.id], fleet))
    return changes


def carriers_of(state: DesiredState) -> dict[str, str]:
    """Return the carrier of each relay."""
    return {spec.id: spec.carriers[0] for spec in state.hosts.values() if spec.relay}


def fleet_of(observed: Observed) -> Fleet:
    """Return facts about all hosts, for each host's comparison."""
    relays = [spec for spec in observed.state.hosts.values() if spec.relay]
    chosen = [spec for spec in observed.hosts if spec.id in observed.facts]
    return Fleet(
        serving={spec.id: frozenset(path.name for path in spec.paths) for spec in relays},
        relays={str(spec.tunnel.address): spec.id for spec in relays},
        audiences={host: facts.viewers for host, facts in observed.facts.items()},
        sites={
            facility.gateway.public_key: (facility.province, facility.id)
            for facility in observed.inventory.facilities.values()
            if facility.gateway and facility.gateway.public_key
        },
        former_keys=former_keys(chosen, observed.facts, _recorded_keys(observed.inventory)),
        holders=_relays_by_peer(chosen, observed.facts),
        served_sites=frozenset(site for spec in relays for site in sites_of(spec)),
        cached_sites=frozenset(observed.inventory.facilities),
        next_keys={
            relay: entry.next_key.public_key
            for relay, entry in observed.inventory.allocations.relays.items()
            if entry.next_key is not None
        },
    )


def _recorded_keys(inventory: Inventory) -> dict[str, frozenset[str]]:
    """Return each relay's recorded public keys: the present and the next."""
    lock = inventory.allocations.relays
    keys = {
        name: (entry.public_key, entry.next_key.public_key if entry.next_key else None) for name, entry in lock.items()
    }
    return {name: frozenset(filter(None, entry)) for name, entry in keys.items() if any(entry)}


def _relays_by_peer(hosts: Iterable[HostSpec], facts: Mapping[str, HostFacts]) -> dict[str, frozenset[str]]:
    tunnels = ((spec.id, facts[spec.id].tunnel) for spec in hosts if spec.relay)
    holders = gathered((key, host) for host, live in tunnels if live for key in live["peers"])
    return {key: frozenset(names) for key, names in holders.items()}


def _subject(observed: Observed, changing: Sequence[Change], fleet: Fleet, uncounted: frozenset[str]) -> PlanInQuestion:
    inventories = [observed.inventory, *([observed.before] if observed.before else [])]
    return PlanInQuestion(
        changes=changing,
        # Frozen facilities are served as well and count in the share of all paths.
        served=frozenset().union(*fleet.serving.values(), *(facts.held["paths"] for facts in observed.facts.values())),
        uncounted=uncounted,
        protected=frozenset(name for inventory in inventories for name in _protected_facilities(inventory)),
        protected_keys={key: owner for inventory in inventories for key, owner in _protected_keys(inventory)},
        unproved=observed.unproved,
        served_elsewhere=observed.served_elsewhere,
    )


def _protected_facilities(inventory: Inventory) -> set[str]:
    named = {f.id for f in inventory.facilities.values() if f.protected}
    marks = (mark.partition("/") for mark in inventory.allocations.protected)
    return named | {name for kind, _, name in marks if kind == "facility" and name not in inventory.facilities}


def _protected_keys(inventory: Inventory) -> Iterator[tuple[str, str]]:
    lock = inventory.allocations
    relays = {name for name, (_, relay) in inventory.relays.items() if relay.protected}
    centres = {name for name, centre in inventory.centres.items() if centre.protected}
    for kind, recorded, protected in (("relay", lock.relays, relays), ("centre", lock.centres, centres)):
        for name, entry in recorded.items():
            if entry.public_key and (name in protected or f"{kind}/{name}" in lock.protected):
                yield entry.public_key, f"{kind} {name}"


def _outside_refusals(outside: Sequence[Change]) -> Iterator[PlanRefusal]:
    """Refuse changes outside the limit: hosts only change as a whole."""
    if outside:
        named = ", ".join(f"{c.resource.value} {c.name} on {c.host}" for c in outside[:5])
        more = len(outside) - 5
        listed = msg("{named} and {more} more", named, more) if more > 0 else named
        message = msg("changes outside the limit are pending on a chosen host: {listed}", listed)
        hint = "apply without --limit, or with --limit host=…: a host is changed whole"
        yield PlanRefusal(
            "outside_limit", message=message, hint=hint, limit=0, value=len(outside), host=outside[0].host
        )


def _rules(observed: Observed, spec: HostSpec) -> str:
    return next((f.content.decode() for f in observed.files[spec.id] if f.path == spec.names.nft_file), "")


def _lock_out_refusals(observed: Observed, spec: HostSpec) -> Iterator[PlanRefusal]:
    if spec.firewall is None:
        return
    sources = [*reachability.required_sources(spec.firewall.management_networks, observed.facts[spec.id].ssh_peer)]
    file = f"carriers/{spec.carriers[0]}.yml" if spec.relay else f"centres/{spec.id}.yml"
    for source in reachability.locked_out(_rules(observed, spec), spec.ssh.port, sources):
        message = msg("{id}: its new rules would refuse new SSH connections from {who}", spec.id, source.who)
        hint = msg("add it to management_networks of {file}, if SSH is to come from there", file)
        yield PlanRefusal("lock_out", message=message, hint=hint, host=spec.id)
    if reachability.deaf_to_neighbours(_rules(observed, spec), sources):
        message = msg(
            "{id}: its new rules would drop neighbour discovery (ICMPv6): it could not be reached over IPv6", spec.id
        )
        hint = (
            "compare the template with ours: it accepts nd-router-advert, nd-neighbor-solicit and -advert from anybody"
        )
        yield PlanRefusal("lock_out", message=message, hint=hint, host=spec.id)


def _network_conflicts(spec: HostSpec, facts: HostFacts) -> Iterator[PlanRefusal]:
    """Refuse tunnel networks that another side of a shared centre already uses."""
    for network, device in facts.routes_elsewhere:
        if spec.side and is_of_a_side(device):
            message = msg(
                "{id}: {network} is reached by {device} there, the tunnel of another inventory's side",
                spec.id,
                network,
                device,
            )
            hint = (
                "two inventories on one centre need pools that do not meet: whoever comes later writes others, before"
                " addresses are recorded"
            )
            yield PlanRefusal("networks_taken", message=message, hint=hint, host=spec.id)


def _program_notes(specs: Iterable[HostSpec], facts: Mapping[str, HostFacts]) -> Iterator[str]:
    for spec in specs:
        if other_owners := facts[spec.id].beside:
            own_inventory = spec.owner.inventory if spec.owner else "this inventory"
            listed = "; ".join(owner.words for owner in other_owners)
            yield msg("{id} is shared: this is the side of {own}; beside it: {listed}", spec.id, own_inventory, listed)


def _plan_notes(
    observed: Observed, read: Sequence[HostSpec], changed: Collection[str], frozen: Sequence[FrozenInPlan]
) -> Iterator[str]:
    yield from (host.reason for host in observed.state.left_out.values())
    yield from _program_notes(read, observed.facts)
    yield from _machine_notes(read, observed.facts)
    if untouched := [entry.facility.id for entry in frozen if not entry.chosen]:
        yield msg("{outside}, and what hosts have of it stays as it is: {aside}", OUTSIDE, ", ".join(untouched))
    silent = [spec.id for spec in read if spec.firewall and spec.id in changed and not observed.facts[spec.id].ssh_peer]
    if silent and observed.before is None:
        yield (
            msg(
                "lock-out was checked for the management networks only: {silent} did not tell from which "
                "address this controller comes",
                ", ".join(silent),
            )
        )


def _warnings(observed: Observed, read: Iterable[HostSpec]) -> Iterator[Problem]:
    places = observed.places or Places({})
    for spec in read:
        yield from reachability.host_warnings(observed.inventory, places, spec, observed.facts[spec.id])


def _of_recovery(observed: Observed, former: Collection[str]) -> Iterator[str]:
    """Note that a recovery key avoids new packages after a relay's loss."""
    if former and observed.inventory.settings.recovery is None:
        yield (
            msg(
                "{former} has a new key, which its sites do not know; with a recovery key new hardware "
                "has a lost relay's key, and no site needs a package: provisioner keys recovery",
                named(sorted(former)),
            )
        )


def _machine_notes(specs: Iterable[HostSpec], facts: Mapping[str, HostFacts]) -> Iterator[str]:
    """Note the machine's own drop-ins for all services, which we keep."""
    hosts: dict[str, list[str]] = defaultdict(list)
    for spec in specs:
        units = facts[spec.id].units.values()
        for path in {path for unit in units for path in unit["drop_ins"] if not overrides_ours(spec, path)}:
            hosts[path].append(spec.id)
    for path, names in sorted(hosts.items())[:_NOTED]:
        yield (
            msg(
                "{path} on {names} changes units of ours, too: it is the machine's own, and no apply "
                "removes it; if it is not meant for them, remove it there",
                path,
                named(sorted(names)),
            )
        )
