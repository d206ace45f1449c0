"""What a host has of facilities that are held: it stays, byte for byte, and is no change. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from provisioner.base.held import HeldFacility
from provisioner.desired.spec import HostSpec
from provisioner.hosts.facts import HostFacts
from provisioner.plan.changes import Change, Resource
from provisioner.plan.diff.comparison import Comparison, owner_of_path


def held_changes(at: Comparison) -> Iterator[Change]:
    """A no-op for each path, peer and element that is held, with why."""
    known = at.spec.held_names
    for name, facility in at.facts.held.paths.items():
        if facility in known:
            where = owner_of_path(name)[0] or known[facility].province, known[facility].id
            yield at.noop(Resource.PATH, name, _reason(known[facility]), where)
    for name in sorted(at.facts.held.peers.values()):
        facility = name.partition("/")[2]
        if facility in known:
            one = known[facility]
            yield at.noop(Resource.PEER, name, _reason(one), (one.province, one.id))


def _reason(held: HeldFacility) -> str:
    return f"held: {held.reason}"


def held_on(spec: HostSpec, facts: HostFacts) -> frozenset[str]:
    """The ids of the held facilities of which a host has something."""
    known = spec.held_names
    owners = set(facts.held.paths.values())
    owners |= {name.partition("/")[2] for name in facts.held.peers.values()}
    return frozenset(known[owner].id for owner in owners if owner in known)
