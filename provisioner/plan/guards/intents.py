"""Would a plan let anybody reach what he must not, or cut somebody off who has to? Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from provisioner.base.counted import counted
from provisioner.base.diagnostics import Problem
from provisioner.desired.spec import HostSpec
from provisioner.inventory.files.positions import Places
from provisioner.inventory.model import Inventory
from provisioner.plan.guards.policy import PlanRefusal
from provisioner.reach.cells import Reachability, ReachCell
from provisioner.reach.roads import CellReach
from provisioner.reach.statements import Origin, StatementResult, judged, statements_of
from provisioner.render.host import firewall_file
from provisioner.render.templates import Templates

INTENT = "intent"
"""The policy by which such a plan is refused; no allowance settles it."""
_OWNER = "intents"
_NAMED = 3


def firewall_text(templates: Templates) -> Callable[[HostSpec], str]:
    """What gives the firewall file that is rendered for a host."""
    return lambda spec: firewall_file(spec, templates).content.decode()


def broken_intents(
    inventory: Inventory, specs: Mapping[str, HostSpec], rules: Callable[[HostSpec], str], changed: Collection[str]
) -> Iterator[PlanRefusal]:
    """The statements that the desired state breaks on a road over a host that would change.

    Args:
        inventory: whose statements they are, beside the built-in ones.
        specs: what every host should hold.
        rules: gives a host's firewall file as it is rendered.
        changed: the hosts that would change.

    Raises:
        RenderError: rules are not of the form of our templates: nothing can be said.
    """
    if not changed:
        return
    reachability = Reachability(inventory, specs, rules)
    for result in judged(statements_of(inventory), reachability, changed):
        if result.broken:
            yield PlanRefusal(INTENT, sentence(result), hint_of(result), 0, len(result.broken))


def sentence(result: StatementResult) -> str:
    """What does not hold: whose statement it is, what it says, and where it is otherwise."""
    statement = result.statement
    name, says = statement.name, statement.words
    cases = "; ".join(words_of(cell) for cell in result.broken[:_NAMED])
    if (left := len(result.broken) - _NAMED) > 0:
        cases = f"{cases}; and {counted(left, 'more case')}"
    if statement.origin is Origin.BUILT_IN:
        return f"built-in statement {name} does not hold: {says}; but {cases}"
    if statement.reason:
        return f"intent {name} ({statement.reason}) does not hold: {says}; but {cases}"
    return f"intent {name} does not hold: {says}; but {cases}"


def words_of(cell: ReachCell) -> str:
    """One case in words, with the rule that decides it."""
    source, service, target, rules = cell.source, cell.service.value, cell.target, ", ".join(cell.by)
    if cell.program:
        source = f"{source} ({cell.program.value})"
    match cell.reach:
        case CellReach.YES:
            return f"{source} reaches {service} of {target}: {rules}"
        case CellReach.NO:
            return f"{source} does not reach {service} of {target}: {rules}"
        case CellReach.PART:
            return f"{source} reaches {service} of {target} in part: {rules}"


def hint_of(result: StatementResult) -> str:
    """What to do about a statement that does not hold."""
    statement = result.statement
    if statement.origin is Origin.INVENTORY:
        return f"undo the edit that breaks it; or change intent {statement.name} in intents.yml, and have that reviewed"
    return "compare the templates with ours, and management networks with the pools: provisioner prove --why"


def problem_of(places: Places, result: StatementResult) -> Problem:
    """A statement that does not hold, at its place in the inventory's files; a built-in one at inventory.yml."""
    statement = result.statement
    path = () if statement.place is None else (_OWNER, statement.place)
    place = places.at(_OWNER if path else "inventory", *path)
    code = "intent-broken"
    named = f"intent/{statement.name}"
    return Problem(place.file, place.line, place.column, code, sentence(result), hint_of(result), named)
