"""Paths to check (`--limit` chooses them), and drift that affects them. Pure."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from provisioner.base.errors import UsageError
from provisioner.base.groups import gathered
from provisioner.desired.limit import Limit, refuse_all_shut, refuse_frozen, refuse_shut
from provisioner.desired.spec import DesiredState, HostKind, HostSpec, LeftOutHost, MediaPath
from provisioner.hosts.facts import ElementSet, device_value, element_of
from provisioner.plan.change import Change, Impact, Resource
from provisioner.plan.diff.users import with_live_logins

if TYPE_CHECKING:
    from provisioner.hosts.facts import HostFacts


_EVERYTHING = Limit()

# The names are a contract: docs/internals/host-program.md.
_RELAY_FILE = "/etc/provisioner/mediamtx.yml"


@dataclass(frozen=True, slots=True)
class PathToCheck:
    """A path to check, with its relay and its centres."""

    relay: HostSpec
    path: MediaPath
    centres: tuple[HostSpec, ...]
    closed_centres: Sequence[LeftOutHost] = ()  #: Not asked, since their secrets are closed.

    @property
    def carrier(self) -> str:
        """The carrier of the path's relay."""
        return self.relay.carriers[0]

    @property
    def names(self) -> tuple[str, str, str, str, str, str]:
        """The names that begin its verdict: path, carrier, province, facility, camera, relay."""
        path = self.path
        return path.name, self.carrier, path.province, path.facility, path.camera, self.relay.id

    @property
    def remembered_as(self) -> str:
        """The memory's key; with two relays one for each."""
        return f"{self.relay.id}:{self.path.name}" if self.path.beside else self.path.name


def peer_keys(spec: HostSpec) -> Mapping[str, str]:
    """Return the public keys of a host's peers, by name."""
    return {peer.name: peer.public_key for peer in reversed(spec.tunnel.peers)}


def with_logins_in_use(targets: Sequence[PathToCheck], facts: "Mapping[str, HostFacts]") -> tuple[PathToCheck, ...]:
    """Return the paths with the login that their relay has now."""
    relays = with_live_logins({target.relay.id: target.relay for target in targets}.values(), facts)
    if not relays:
        return tuple(targets)
    paths = {host: {path.name: path for path in spec.paths} for host, spec in relays.items()}
    return tuple(
        replace(target, relay=relays[target.relay.id], path=paths[target.relay.id][target.path.name])
        if target.relay.id in relays
        else target
        for target in targets
    )


def select(state: DesiredState, limit: Limit = _EVERYTHING) -> tuple[PathToCheck, ...]:
    """Return the paths to check, sorted; `host` may be a centre.

    Without any path it raises `UsageError`, if all are frozen `InventoryError`, and for closed secrets (of all
    selected hosts; of some without a limit) `SecretsError`.
    """
    refuse_shut(state, limit)
    closed = (host for host in state.left_out.values() if host.kind is HostKind.CENTRE)
    closed_centres = gathered((carrier, host) for host in closed for carrier in host.carriers)
    opened = sorted((host for host in state.hosts.values() if host.kind is HostKind.CENTRE), key=lambda h: h.id)
    centres = gathered((carrier, host) for host in opened for carrier in host.carriers)
    every = (_to_check(h, p, centres[h.carriers[0]], closed_centres[h.carriers[0]]) for h, p in state.paths)
    chosen = tuple(sorted((w for w in every if _is_in_limit(limit, w)), key=lambda w: (w.path.name, w.relay.id)))
    if not chosen:
        refuse_all_shut(state, limit)
        refuse_frozen(state, limit)
        options = " ".join(f"--limit {k}={v}" for k, vs in sorted(limit.wanted.items()) for v in sorted(vs))
        message = f"{options} selects no path" if options else "the inventory has no path to check"
        hint = "only facilities that are open and whose plan is agreed have paths; see provisioner validate"
        raise UsageError(message, hint=hint)
    return chosen


def _to_check(
    relay: HostSpec, path: MediaPath, centres: Sequence[HostSpec], closed_centres: Sequence[LeftOutHost]
) -> PathToCheck:
    reading = tuple(centre for centre in centres if centre.may_read(path.name))
    return PathToCheck(relay, path, reading, tuple(centre for centre in closed_centres if centre.may_read(path.name)))


def _is_in_limit(limit: Limit, target: PathToCheck) -> bool:
    named = limit.wanted.get("host", frozenset())
    if named & {c.id for c in target.centres}:
        limit = replace(limit, wanted={kind: names for kind, names in limit.wanted.items() if kind != "host"})
    return limit.takes_path(target.relay, target.path)


class HostDrift:
    """A host's drift by what it may affect.

    A file that differs only in paths or peers is left out: they are separate changes.
    """

    def __init__(self, changes: Iterable[Change], host: HostSpec) -> None:
        self._host = host
        listed = tuple(changes)
        resources = {change.resource for change in listed}
        self._by_subject: dict[str, list[tuple[int, Change]]] = defaultdict(list)
        for number, change in enumerate(listed):
            if not _is_sum(change, host, resources):
                self._by_subject[_subject_of(change)].append((number, change))

    def touching(self, target: PathToCheck) -> tuple[Change, ...]:
        """Return the changes that may affect a path, in their order."""
        source = target.path.source
        subjects = {"", target.path.name, f"site/{target.path.facility}"}
        subjects |= {f"centre/{centre.id}" for centre in target.centres}
        subjects |= {f"centre/{centre.id}" for centre in target.closed_centres}
        if source is not None:
            subjects.add(device_value(source.address, source.port))
        found = sorted(row for subject in subjects for row in self._by_subject.get(subject, ()))
        return tuple(change for _, change in found if _may_affect(change, self._host, target))


def _subject_of(change: Change) -> str:
    """Return a change's path, peer or device; empty for any."""
    if change.resource is Resource.PATH:
        return change.name
    if change.resource is Resource.PEER and change.name.startswith(("site/", "centre/")):
        return change.name
    element = element_of(change.name) if change.resource is Resource.RULE else None
    return element.value if element is not None and element.set is ElementSet.CAMERAS else ""


def _is_sum(change: Change, host: HostSpec, resources: Collection[Resource]) -> bool:
    """Return whether a file differs only in changes listed beside it."""
    if change.resource is not Resource.FILE:
        return False
    if change.name == _RELAY_FILE:
        # Its settings would cut somebody.
        return change.impact is Impact.NONE and Resource.PATH in resources
    return change.name in {host.names.wg_file, host.names.psk_file} and Resource.PEER in resources


def _may_affect(change: Change, host: HostSpec, target: PathToCheck) -> bool:
    match change.resource:
        case Resource.PATH:
            return change.name == target.path.name
        case Resource.PEER:
            return _is_peer_of(change, host, target)
        case Resource.RULE:
            return _is_element_of(change.name, target)
        case _:
            return not change.of_strangers


def _is_peer_of(change: Change, host: HostSpec, target: PathToCheck) -> bool:
    """Return whether a peer may affect a path; unknown peers may."""
    kind, _, name = change.name.partition("/")
    match kind:
        case "site":
            return name == target.path.facility
        case "centre":
            return name in {centre.id for centre in target.centres} | {centre.id for centre in target.closed_centres}
        case "relay":
            return host.kind is not HostKind.CENTRE or name == target.relay.id
        case _:
            return change.facility in {"", target.path.facility}


def _is_element_of(rule: str, target: PathToCheck) -> bool:
    """Return whether a rule may affect a path; set elements only theirs."""
    if (element := element_of(rule)) is None:
        return True
    match element.set:
        case ElementSet.CAMERAS:
            source = target.path.source
            return source is not None and element.value == device_value(source.address, source.port)
        case ElementSet.ONVIF | ElementSet.PUBLISHERS:
            # By the one a device is asked about itself, and no picture comes that way; by the other sites come to push.
            return element.set is ElementSet.PUBLISHERS and target.path.access.is_pushed
        case ElementSet.CENTRES:
            return element.value in {str(centre.tunnel.address) for centre in target.centres} or bool(
                target.closed_centres
            )
        case ElementSet.RELAYS:
            return element.value == str(target.relay.tunnel.address)
        case ElementSet.MANAGEMENT | ElementSet.MANAGEMENT_V6 | ElementSet.ROUTED:
            return element.set is not ElementSet.ROUTED or not target.path.access.has_tunnel
