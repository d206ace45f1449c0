"""How a plan ends for who reads the last lines alone: the worst first, with what to do next. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from provisioner.base.counted import counted
from provisioner.base.printable import printable
from provisioner.plan.changes import Action
from provisioner.plan.diff import SitePackageNeed
from provisioner.plan.guards.measures import named
from provisioner.plan.model import Plan


def no_change(plan: Plan, since: str = "") -> str:
    """That nothing has to change (since when), said of the hosts that were read and of no other one."""
    read = len(plan.basis.live)
    all_of_them = read + len(plan.unreadable) + len(plan.left_out)
    if all_of_them and not read:
        return f"nothing is known: none of {counted(all_of_them, 'host')} was read"
    where = f" on {read} of {counted(all_of_them, 'host')}" if all_of_them > read else ""
    return f"no change{where}{since}: {counted(plan.resources, 'resource')} as desired"


def packages_by_cause(needs: Iterable[SitePackageNeed]) -> dict[tuple[str, str], list[str]]:
    """The sites that need a new package, by relay and reason."""
    by_cause: dict[tuple[str, str], list[str]] = {}
    for need in needs:
        by_cause.setdefault((need.relay, need.reason), []).append(need.facility)
    return by_cause


def plan_ending(plan: Plan, *, judged: bool = True) -> tuple[str, ...]:
    """The sentences at a plan's end, in the order of its exit codes.

    Args:
        plan: the plan.
        judged: whether what policy refuses decides; in `drift`, which tells about hosts, it comes last.
    """
    of_hosts = (*_unproved(plan), *_unreadable(plan), *plan.lacking, *_held(plan), _changes(plan))
    refused = tuple(_refused(plan))
    return (*refused, *of_hosts) if judged else (*of_hosts, *refused)


def _refused(plan: Plan) -> Iterator[str]:
    if plan.refused:
        policies = named(sorted({refusal.policy for refusal in plan.refused}))
        reasons = counted(len(plan.refused), "reason")
        yield f"refused, for {reasons} ({policies}): nothing of it is applied until each is settled as its hint says"


def _unproved(plan: Plan) -> Iterator[str]:
    if plan.unproved:
        hosts = f"{counted(len(plan.unproved), 'host')} did not prove that it was managed before"
        next_step = "its changes are not in this plan; find out why, or if it is new say so: --allow trust=NUMBER"
        yield f"{hosts}: {named(plan.unproved)}; {next_step}"


def _unreadable(plan: Plan) -> Iterator[str]:
    others = sorted(set(plan.unreadable) - set(plan.unproved))
    if not others:
        return
    first = printable(plan.unreadable[others[0]])
    were = "was" if len(others) == 1 else "were"
    why = first if first.startswith(others[0]) else f"{others[0]}: {first}"
    yield (
        f"{counted(len(others), 'host')} {were} not read, and what would change there is not in this plan:"
        f" {named(others)} ({why}); repair that and plan again"
    )


def _held(plan: Plan) -> Iterator[str]:
    if plan.held_back:
        yield held_ending([one.facility.id for one in plan.held_back])


def held_ending(names: Sequence[str]) -> str:
    """What is said at the end of facilities that are held: that nothing was done for them, and what to do."""
    facilities, are = counted(len(names), "facility"), "is" if len(names) == 1 else "are"
    return f"{facilities} {are} held: {named(names)}; hosts keep what they have: mend what provisioner validate lists"


def _changes(plan: Plan) -> str:
    changing = plan.pending
    if not changing:
        return no_change(plan)
    actions = Counter(change.action for change in changing)
    words = ", ".join(f"{actions[action]} to {action.value}" for action in Action if actions[action])
    return f"{words} on {counted(len(plan.hosts), 'host')}"
