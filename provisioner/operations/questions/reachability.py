"""Who can reach what by an inventory alone, and which statements it breaks: no host is asked, no vault is opened."""

from __future__ import annotations

from dataclasses import dataclass

from provisioner.base.errors import Problem, UsageError
from provisioner.base.frozen import HeldFacility
from provisioner.base.text import asked, nearest, printable
from provisioner.desired.state import desired_state
from provisioner.inventory.model import Inventory
from provisioner.operations.pipeline.session import Session
from provisioner.plan.guards.reachability import firewall_text, problem_of
from provisioner.plan.offline import placeholders
from provisioner.plan.reach.roads import INTERNET
from provisioner.plan.reach.statements import (
    ALL,
    MANAGEMENT,
    Reachability,
    ReachCell,
    ReachQuery,
    StatementResult,
    judged,
    statements_of,
)

_LONGEST = 80


@dataclass(frozen=True, slots=True)
class ReachProof:
    """What is so by an inventory.

    Attributes:
        cells: between the places that were asked for.
        results: of every statement, whatever was asked for.
        problems: of those that do not hold, each at its place in the files.
        held: facilities with errors of their own, of which nothing is said.
    """

    cells: tuple[ReachCell, ...]
    results: tuple[StatementResult, ...]
    problems: tuple[Problem, ...]
    held: tuple[HeldFacility, ...]

    @property
    def about_nothing(self) -> tuple[StatementResult, ...]:
        """The inventory's own statements that are about nothing that is there."""
        return tuple(j for j in self.results if not j.cells and j.statement.place is not None)


def prove(session: Session, sources: tuple[str, ...], targets: tuple[str, ...]) -> ReachProof:
    """Hold the rules that are rendered against each other and against every statement.

    Args:
        session: the inventory.
        sources: places from which cells are wanted; all of them by default.
        targets: places to which.

    Raises:
        InventoryError: the inventory is invalid, or an address or a key is not recorded.
        RenderError: the templates are not of a form of which anything can be said.
        UsageError: there is no such place.
    """
    part = session.readable
    inventory = part.inventory
    wanted = ReachQuery(_known(inventory, sources) or ALL.sources, _known(inventory, targets) or ALL.targets)
    state = desired_state(inventory, placeholders(inventory), part.held, session.today)
    reachability = Reachability(inventory, state.hosts, firewall_text(session.templates))
    results = tuple(judged(statements_of(inventory), reachability))
    return ReachProof(
        cells=tuple(reachability.cells(wanted)),
        results=results,
        problems=tuple(problem_of(session.loaded.places, one) for one in results if one.broken),
        held=tuple(part.held.values()),
    )


def _known(inventory: Inventory, names: tuple[str, ...]) -> tuple[str, ...]:
    """Places as somebody typed them.

    Raises:
        UsageError: one of them is not there.
    """
    whole = (INTERNET, MANAGEMENT, "centres", "relays", "sites")
    known = {
        *whole,
        *(f"site/{facility}" for facility in inventory.facilities),
        *(f"province/{facility.province}" for facility in inventory.facilities.values()),
        *(f"relay/{relay}" for relay in inventory.relays),
        *(f"centre/{centre}" for centre in inventory.centres),
        *(f"{MANAGEMENT}/{owner}" for owner in (*inventory.carriers, *inventory.centres)),
    }
    for name in names:
        if name not in known:
            ask = asked(nearest(name, known))
            hint = f"{ask} places are {', '.join(whole)}, site/…, province/…, relay/…, centre/… and {MANAGEMENT}/…"
            raise UsageError(f"there is no place {printable(name, _LONGEST)}", hint=hint.lstrip())
    return names
