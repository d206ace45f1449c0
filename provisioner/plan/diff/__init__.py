"""One host: desired state and rendered files against facts, as changes. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from provisioner.desired.spec import HostSpec
from provisioner.desired.units import UNIT_MEDIAMTX, UNIT_NFT, UNIT_REVERT, UNIT_WG, units_of
from provisioner.hosts.facts import HostFacts
from provisioner.plan.changes import Change
from provisioner.plan.diff.comparison import Comparison, Fleet
from provisioner.plan.diff.files import file_changes
from provisioner.plan.diff.held import held_changes, held_on
from provisioner.plan.diff.paths import path_changes
from provisioner.plan.diff.peers import peer_changes
from provisioner.plan.diff.relay_file import canonical, sentinel_of
from provisioner.plan.diff.rules import rule_changes
from provisioner.plan.diff.trust import policy_changes, trust_changes
from provisioner.plan.diff.units import unit_changes
from provisioner.render.files import RenderedFile

__all__ = [
    "UNIT_MEDIAMTX",
    "UNIT_NFT",
    "UNIT_REVERT",
    "UNIT_WG",
    "Fleet",
    "canonical",
    "changes_of",
    "held_on",
    "policy_changes",
    "sentinel_of",
    "units_of",
]


def changes_of(
    spec: HostSpec, files: Iterable[RenderedFile], facts: HostFacts, fleet: Fleet | None = None
) -> tuple[Change, ...]:
    """Every change of a host, no-ops included, each with its reason and whom it cuts.

    Args:
        spec: what the host should hold.
        files: the same as files.
        facts: what it holds.
        fleet: what is known of the other hosts; without it a path that moved is merely gone here, and whom a
            centre's change cuts at its relays is not counted.
    """
    at = Comparison(spec, {file.path: file for file in files}, facts, fleet or Fleet())
    return (
        *trust_changes(at),
        *path_changes(at),
        *peer_changes(at),
        *rule_changes(at),
        *file_changes(at),
        *unit_changes(at),
        *held_changes(at),
    )
