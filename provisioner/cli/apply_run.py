"""What `provisioner apply` does once hosts are being read: it plans, asks, applies, and shows what became of it."""

from __future__ import annotations

from provisioner.base.errors import UsageError
from provisioner.cli.plan_text import ending_lines, plan_lines
from provisioner.cli.support.context import Invocation
from provisioner.cli.support.question import ask, refuse_unattended
from provisioner.cli.support.results import run_options_of, show_applied
from provisioner.cli.support.terminal import stderr_of
from provisioner.operations.apply.apply import abort, apply_plan, resume
from provisioner.operations.apply.intent import Applied, RunOptions
from provisioner.operations.apply.saved_plan import plan_again, reviewed_plan
from provisioner.operations.pipeline.session import Session
from provisioner.operations.pipeline.stages import Planned, make_plan

__all__ = ["abort", "apply_made", "apply_reviewed", "make_plan", "resume", "run_options_of", "show_applied"]


def apply_reviewed(session: Session, saved: str, options: RunOptions, *, given: bool) -> Applied:
    """Apply a saved plan; which hosts it takes and what it is allowed stands in it.

    Raises:
        UsageError: something of that was given beside it.
    """
    if given:
        hint = "leave --limit and --allow out, or make a new plan with them: provisioner plan --out FILE"
        raise UsageError(f"{saved} is applied as it was reviewed", hint=hint)
    reviewed = reviewed_plan(session, saved)
    return apply_plan(session, plan_again(session, reviewed), saved=reviewed, options=options)


def apply_made(
    invocation: Invocation, session: Session, planned: Planned, options: RunOptions, *, yes: bool
) -> Applied:
    """Show a plan that was made now, ask, and apply it."""
    if not invocation.json:
        terminal = stderr_of(invocation.env, color=invocation.color)
        terminal.print(plan_lines(planned.plan, terminal, say=invocation.say))
        terminal.print(ending_lines(planned.plan, terminal, say=invocation.say))
    planned.refuse_foreign()
    if not (planned.plan.is_empty or planned.plan.refused or yes):
        refuse_unattended(invocation, "whether to apply this plan", hint="add --yes, or name a saved plan")
        ask("Apply this plan?")
    return apply_plan(session, planned, options=options)
