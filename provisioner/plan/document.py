"""A plan as its JSON document (docs/daily/plan.md) and its last lines. Pure.

No secret is in it. The last lines begin with the worst, each with the next step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from provisioner.base.text import Document, counted, printable
from provisioner.inventory.policy_rules.engine import RegoVerdict
from provisioner.plan.change import Action, Change, Impact, distinct_trust, pending
from provisioner.plan.diff import SitePackageNeed
from provisioner.plan.guards.approvals import need_documents
from provisioner.plan.guards.policy import PlanRefusal, named
from provisioner.plan.plan import HeldInPlan, Plan, Totals, totals_of

SCHEMA = "provisioner/plan"
DRIFT_SCHEMA = "provisioner/drift"
COMPARE_SCHEMA = "provisioner/compare"


def plan_document(plan: Plan, *, everything: bool = False, schema: str = SCHEMA) -> Document:
    """The plan's document; no-ops are counted, and listed with `everything`."""
    changing = plan.pending
    totals = totals_of(changing, plan.carriers)
    counts = summary(plan.changes, totals) | {"viewers_unknown": list(plan.uncounted)}
    counts["noop"] = plan.resources - len(changing)
    listed = plan.changes if everything else changing
    return {
        "schema": schema,
        "version": 1,
        "digest": plan.basis.digest,
        "meaning": plan.basis.meaning,
        "inventory": {"commit": plan.commit, "digest": plan.basis.inventory},
        "templates": plan.basis.templates,
        "tool": plan.basis.version,
        "live": dict(sorted(plan.basis.live.items())),
        "desired": dict(sorted(plan.basis.desired.items())),
        "planned": dict(sorted(plan.basis.planned.items())),
        "allow": dict(sorted(plan.basis.allow.items())),
        "requests": {host: dict(of) for host, of in sorted(plan.basis.requests.items())},
        "summary": counts,
        "totals": totals_document(totals),
        "viewers_by_path": {relay: dict(paths) for relay, paths in totals.cut.items()},
        "changes": [change_document(change) for change in listed],
        "left_out": list(plan.left_out),
        "outside_limit": [{"host": c.host, "resource": c.resource.value, "name": c.name} for c in plan.outside],
        "refused": [refusal_document(refusal) for refusal in plan.refused],
        "unreadable": dict(sorted(plan.unreadable.items())),
        "unproved": list(plan.unproved),
        "site_packages": [need._asdict() for need in plan.site_packages],
        "notes": [*plan.lacking, *plan.notes, *(f"{one.message}; {one.hint}" for one in plan.warnings)],
        "warnings": [one.document for one in plan.warnings],
        "held": [held_document(one) for one in plan.held],
        "quarantined": [one.document for one in plan.quarantined],
        "approvals": need_documents(plan.approvals),
        "rego": rego_document(plan.rego),
    }


def compare_document(plan: Plan, *, everything: bool = False) -> Document:
    """The document of two revisions compared: a plan's, without hosts, digest and viewers."""
    whole = plan_document(plan, everything=everything, schema=COMPARE_SCHEMA)
    of_hosts = {
        *("digest", "meaning", "live", "desired", "planned", "requests", "unreadable", "unproved", "viewers_by_path"),
        *("quarantined", "warnings"),
    }
    document = {key: value for key, value in whole.items() if key not in of_hosts}
    for key in ("viewers_dropped", "viewers_unknown"):
        del document["summary"][key]
    for row in (row for rows in document["totals"].values() for row in rows):
        del row["viewers"]
    for change in document["changes"]:
        del change["viewers"], change["viewers_by_path"]
    against = plan.against
    revision = {"name": against.name, "commit": against.commit, "digest": against.digest} if against else None
    return document | {"against": revision}


def summary(changes: Iterable[Change], totals: Totals) -> dict[str, object]:
    """The counts of a plan's document; `changes` are all, no-ops included."""
    changes = list(changes)
    actions = Counter(change.action for change in changes)
    changing = pending(changes)
    impacts = Counter(change.impact for change in changing)
    return {
        **{action.value: actions[action] for action in Action},
        "trust": len(distinct_trust(changing)),
        "hosts": len({change.host for change in changing}),
        "viewers_dropped": totals.viewers,
        "impact": {impact.value: impacts[impact] for impact in Impact},
    }


def totals_document(totals: Totals) -> dict[str, list[dict[str, object]]]:
    """The rows of carriers, provinces and facilities."""
    return {
        "carriers": [{"carrier": name, **row.document()} for name, row in totals.carriers.items()],
        "provinces": [{"province": name, **row.document()} for name, row in totals.provinces.items()],
        "facilities": [
            {"province": province, "facility": facility, **row.document()}
            for (province, facility), row in totals.facilities.items()
        ],
    }


def change_document(change: Change) -> dict[str, object]:
    """One change."""
    return {
        "host": change.host,
        "resource": change.resource.value,
        "name": change.name,
        "action": change.action.value,
        "impact": change.impact.value,
        "viewers": change.viewers,
        "viewers_by_path": {relay: dict(paths) for relay, paths in change.cut.items()},
        "reason": change.reason,
        "province": change.province,
        "facility": change.facility,
    }


def held_document(held: HeldInPlan) -> dict[str, object]:
    """One facility that is held, and which of the hosts that were read have something of it."""
    return held.facility.document | {"hosts": list(held.hosts), "chosen": held.chosen}


def rego_document(verdict: RegoVerdict | None) -> dict[str, int] | None:
    """What Rego rules said of a plan, counted; their words are among what is refused and the warnings."""
    if verdict is None:
        return None
    said = {"denied": len(verdict.denied), "warned": len(verdict.warned), "failed": len(verdict.failed)}
    return {"files": verdict.files, "rules": verdict.rules} | said


def refusal_document(refusal: PlanRefusal) -> dict[str, object]:
    """One refusal; `limit` and `value` are null where it is about no number."""
    return {
        "policy": refusal.policy,
        "limit": refusal.limit,
        "value": refusal.value,
        "host": refusal.host,
        "message": refusal.message,
        "hint": refusal.hint,
    }


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
