"""Reachability by an inventory alone, and broken statements."""

from dataclasses import dataclass

from provisioner.base.errors import FrozenFacility, Problem, UsageError
from provisioner.base.text import nearest, printable, which_was_meant
from provisioner.desired.state import desired_state
from provisioner.inventory.model.inventory import Inventory
from provisioner.operations.pipeline.session import Session
from provisioner.plan.guards.reachability import firewall_text, problem_of
from provisioner.plan.offline import placeholders
from provisioner.plan.reach import statements as reach
from provisioner.plan.reach.roads import INTERNET

_LONGEST = 80


@dataclass(frozen=True, slots=True)
class ReachProof:
    """Reachability between requested places, and broken statements with their position."""

    cells: tuple[reach.ReachCell, ...]
    results: tuple[reach.StatementResult, ...]
    problems: tuple[Problem, ...]
    held: tuple[FrozenFacility, ...]

    @property
    def about_nothing(self) -> tuple[reach.StatementResult, ...]:
        """The inventory's own statements that match no object."""
        return tuple(j for j in self.results if not j.cells and j.statement.place is not None)


def prove(session: Session, sources: tuple[str, ...], targets: tuple[str, ...]) -> ReachProof:
    """Compare the rendered rules with each other and with every statement.

    `sources` and `targets` are the places of the cells, all by default. Raises `InventoryError` for the inventory or a
    missing address or key, `RenderError` for templates of an unknown form, `UsageError` without such a place.
    """
    part = session.readable
    inventory = part.inventory
    wanted = reach.ReachQuery(
        _checked_places(inventory, sources) or reach.ALL.sources,
        _checked_places(inventory, targets) or reach.ALL.targets,
    )
    state = desired_state(inventory, placeholders(inventory), part.held, session.today)
    reachability = reach.Reachability(inventory, state.hosts, firewall_text(session.templates))
    results = tuple(reach.judged(reach.statements_of(inventory), reachability))
    return ReachProof(
        cells=tuple(reachability.cells(wanted)),
        results=results,
        problems=tuple(problem_of(session.loaded.places, result) for result in results if result.broken),
        held=tuple(part.held.values()),
    )


def _checked_places(inventory: Inventory, names: tuple[str, ...]) -> tuple[str, ...]:
    kinds = (INTERNET, reach.MANAGEMENT, "centres", "relays", "sites")
    places = {
        *kinds,
        *(f"site/{facility}" for facility in inventory.facilities),
        *(f"province/{facility.province}" for facility in inventory.facilities.values()),
        *(f"relay/{relay}" for relay in inventory.relays),
        *(f"centre/{centre}" for centre in inventory.centres),
        *(f"{reach.MANAGEMENT}/{owner}" for owner in (*inventory.carriers, *inventory.centres)),
    }
    for name in names:
        if name not in places:
            ask = which_was_meant(nearest(name, places))
            hint = (
                f"{ask} places are {', '.join(kinds)}, site/…, province/…, relay/…, centre/… and {reach.MANAGEMENT}/…"
            )
            raise UsageError(f"there is no place {printable(name, _LONGEST)}", hint=hint.lstrip())
    return names
