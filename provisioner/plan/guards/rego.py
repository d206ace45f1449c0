"""What Rego rules said of a plan, as reasons to refuse it and as warnings. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from provisioner.base.counted import counted
from provisioner.base.diagnostics import Problem, Severity
from provisioner.plan.guards.policy import PlanRefusal
from provisioner.plan.guards.rego_input import MOST_CHANGES
from provisioner.rego.verdict import RegoFinding, RegoVerdict

REGO = "rego"


def rego_refusals(verdict: RegoVerdict) -> tuple[PlanRefusal, ...]:
    """Why a plan is not to be applied: what rules deny, and rules that came to no answer."""
    denied = (PlanRefusal(REGO, f"{one.place}: {one.message}", one.hint or _hint(one)) for one in verdict.denied)
    failed = (PlanRefusal(REGO, f"{one.place}: {one.message}", one.hint) for one in verdict.failed)
    return (*failed, *denied)


def too_large(changes: int) -> PlanRefusal:
    """Why a plan is refused that rules cannot judge for its size."""
    message = f"Rego rules judge plans of up to {MOST_CHANGES} changes, and this one has {counted(changes, 'change')}"
    hint = "plan and apply it in parts, e.g. by --limit province=… or --limit host=…"
    return PlanRefusal(REGO, message, hint, MOST_CHANGES, changes)


def rego_warnings(warned: Iterable[RegoFinding]) -> tuple[Problem, ...]:
    """What rules ask people to look at, each at its rule."""
    return tuple(
        Problem(one.file, one.line, 1, "rego-warns", one.message, one.hint or _LOOK, one.file, Severity.WARNING)
        for one in warned
    )


_LOOK = "look at it before this plan is applied: a rule of the inventory asks for that"


def _hint(one: RegoFinding) -> str:
    return f"change what the plan does; or the rule at {one.place}, in a change of its own that somebody reviews"
