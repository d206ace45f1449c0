"""Which paths a host's drift can touch: a drifted peer those of its site, a file of the relay all. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from provisioner.desired.spec import HostKind, HostSpec
from provisioner.hosts.elements import ElementSet, device_value, element_of
from provisioner.plan.changes import Change, Impact, Resource
from provisioner.verify.wanted import PathToCheck

# The names are a contract: docs/design.md, part 4.
_RELAY_FILE = "/etc/provisioner/mediamtx.yml"


def touching(changes: Iterable[Change], host: HostSpec, target: PathToCheck) -> tuple[Change, ...]:
    """Those of a host's changes that can touch a path.

    A file that differs in its paths or peers touches those: they are changes of their own.
    """
    listed = tuple(changes)
    resources = {change.resource for change in listed}
    return tuple(c for c in listed if not _is_sum(c, host, resources) and _touches(c, host, target))


def _is_sum(change: Change, host: HostSpec, resources: Collection[Resource]) -> bool:
    """Whether a file differs in nothing but what is listed beside it."""
    if change.resource is not Resource.FILE:
        return False
    if change.name == _RELAY_FILE:
        # Its settings would cut somebody.
        return change.impact is Impact.NONE and Resource.PATH in resources
    return change.name in {host.names.wg_file, host.names.psk_file} and Resource.PEER in resources


def _touches(change: Change, host: HostSpec, target: PathToCheck) -> bool:
    match change.resource:
        case Resource.PATH:
            return change.name == target.path.name
        case Resource.PEER:
            return _is_peer_of(change, host, target)
        case Resource.RULE:
            return _is_element_of(change.name, target)
        case _:
            return True


def _is_peer_of(change: Change, host: HostSpec, target: PathToCheck) -> bool:
    """Whether a peer of a tunnel leads to a path; a stranger may, unless it has the addresses of another site."""
    kind, _, name = change.name.partition("/")
    match kind:
        case "site":
            return name == target.path.facility
        case "centre":
            return name in {centre.id for centre in target.centres} | {centre.id for centre in target.shut}
        case "relay":
            return host.kind is not HostKind.CENTRE or name == target.relay.id
        case _:
            return change.facility in {"", target.path.facility}


def _is_element_of(rule: str, target: PathToCheck) -> bool:
    """Whether a rule can touch a path: of elements of a set only its own, of anything else all."""
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
            return element.value in {str(centre.tunnel.address) for centre in target.centres} or bool(target.shut)
        case ElementSet.RELAYS:
            return element.value == str(target.relay.tunnel.address)
        case ElementSet.MANAGEMENT | ElementSet.MANAGEMENT_V6 | ElementSet.ROUTED:
            return element.set is not ElementSet.ROUTED or not target.path.access.has_tunnel
