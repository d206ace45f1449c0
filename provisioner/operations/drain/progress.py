"""Progress of a drain, from the inventory's files and both relays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address

from provisioner.base.errors import HostError, PolicyError
from provisioner.base.text import named
from provisioner.desired.limit import Limit
from provisioner.desired.spec import NEXT, RTSP_PORT, SITE
from provisioner.hosts.facts import HostFacts
from provisioner.inventory.model.facility import Facility
from provisioner.inventory.signed import unsigned_by
from provisioner.operations.edit.relay_drain import DrainRequest, refuse_pair
from provisioner.operations.pipeline.session import Session
from provisioner.operations.pipeline.stages import Planned, make_plan
from provisioner.plan.change import Action, Change, Impact, Resource

_RELAY_IS_DEAD = "a relay that is dead is not drained: provisioner relay restore, or relay replace"


@dataclass(frozen=True)
class DrainLook:
    """Progress of a drain; a facility is in one group at most.

    Attributes:
        unsigned: the parties still have to sign the successor.
        waiting: the new relay does not have the signed successor yet.
        unseen: the new relay never heard the gateway: its package is not installed, or it is off.
        both: both relays and the gateway are connected; pictures are to be proved.
        leaving: the files name the new relay, but the old one still has it.
        held: frozen facilities of which the old relay has something.
        address: the new relay's tunnel address for readers.
    """

    request: DrainRequest
    planned: Planned
    unsigned: tuple[str, ...]
    waiting: tuple[str, ...]
    unseen: tuple[str, ...]
    both: tuple[str, ...]
    leaving: tuple[str, ...]
    paths: Mapping[str, int]
    viewers: Mapping[str, int]
    held: frozenset[str]
    address: IPv4Address
    port: int = RTSP_PORT

    @property
    def read_on(self) -> str:
        """The new relay's URL for readers, without a path."""
        return f"{'rtsp' if self.port == RTSP_PORT else 'rtsps'}://{self.address}:{self.port}"

    @property
    def is_over(self) -> bool:
        """Whether no site is left at the old relay or moving."""
        return not (self.unsigned or self.waiting or self.unseen or self.both or self.leaving)


def look_at_drain(session: Session, request: DrainRequest, *, allow: Mapping[str, int]) -> DrainLook:
    """Read a drain's progress from both relays and the files.

    Raises:
        UsageError: the relays are no pair.
        PolicyError: another inventory owns a relay, or the new one was never applied.
    """
    refuse_pair(session.served, request)
    planned = make_plan(session, Limit({"host": frozenset({request.relay, request.to})}), allow=allow)
    planned.refuse_foreign()
    _refuse_unready(planned, request)
    moving = [f for f in session.served.facilities.values() if _is_moving(f, request)]
    changing = {change.facility for change in planned.plan.pending if change.host == request.to}
    signed = [f.id for f in moving if f.successor and f.successor.agreed and not unsigned_by(f, f.successor)]
    reached = _heard_facilities(session, planned.facts[request.to], request.to)
    carried = [name for name in signed if name not in changing]
    spec = session.state.hosts[request.relay]
    target_sites = {f.id for f in session.served.facilities.values() if f.plan and f.plan.relay == request.to}
    relay_facts = planned.facts[request.relay]
    target = session.state.hosts[request.to]
    return DrainLook(
        request,
        planned,
        unsigned=tuple(f.id for f in moving if f.id not in signed),
        waiting=tuple(name for name in signed if name in changing),
        unseen=tuple(name for name in carried if name not in reached),
        both=tuple(name for name in carried if name in reached),
        leaving=tuple(
            sorted({c.facility for c in planned.plan.pending if _removes_site(c, request.relay)} & target_sites)
        ),
        paths=dict(sorted(Counter(path.facility for path in spec.paths).items())),
        viewers={path: number for path, number in sorted(relay_facts.viewers.items()) if number},
        held=frozenset(frozen.facility.id for frozen in planned.plan.held if request.relay in frozen.hosts),
        address=target.tunnel.address,
        port=target.relay.own_port if target.relay else RTSP_PORT,
    )


def _is_moving(facility: Facility, request: DrainRequest) -> bool:
    plan, successor = facility.plan, facility.successor
    pair = (plan.relay, successor.relay) if plan and successor else None
    return pair == (request.relay, request.to) and facility.operating.is_carried


def _removes_site(change: Change, relay: str) -> bool:
    is_site = change.resource in {Resource.PATH, Resource.PEER}
    return change.host == relay and is_site and change.action is Action.DELETE and bool(change.facility)


def _heard_facilities(session: Session, facts: HostFacts, relay: str) -> frozenset[str]:
    """Return the facilities whose gateways the relay heard (WireGuard has an endpoint).

    Sites without a tunnel always count; the verification proves whether the relay reaches their devices.
    """
    live_peers = facts.tunnel["peers"] if facts.tunnel else {}
    heard_keys = {key for key, peer in live_peers.items() if peer["endpoint"]}
    spec = session.state.hosts[relay]
    peers = [p for p in spec.tunnel.peers if p.name.startswith((SITE, NEXT)) and p.public_key in heard_keys]
    routed = {path.facility for path in spec.paths if not path.access.has_tunnel}
    return frozenset({*(peer.name.partition("/")[2] for peer in peers), *routed})


def _refuse_unready(planned: Planned, request: DrainRequest) -> None:
    for host in (request.relay, request.to):
        if host in planned.unreadable:
            error = planned.unreadable[host]
            hint = f"{error.hint}; {_RELAY_IS_DEAD}" if host == request.relay else error.hint
            raise HostError(error.message, hint=hint, object=host)
    if not planned.facts[request.to].confirmed:
        hint = "apply it first, with the centres that are to read there: provisioner apply --allow trust=NUMBER"
        raise PolicyError(f"{request.to} was never applied", hint=hint, object=request.to)


def refuse_cutting(planned: Planned, relay: str, allowed: Collection[str]) -> None:
    """Raise `PolicyError` if readers of facilities beside `allowed` are cut."""
    cutting = [c for c in planned.plan.pending if c.impact.rank >= Impact.PATH.rank and c.facility not in allowed]
    if cutting:
        names = sorted({f"{c.resource.value} {c.name}" for c in cutting})
        hint = f"look at them, and apply them first: provisioner plan --limit host={relay} --details"
        raise PolicyError(
            f"other changes of {relay} would cut readers as well: {named(names)}", hint=hint, object=relay
        )
