"""A plan as input of Rego rules (`schema policy-input`); their answers. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from provisioner.base.errors import Problem, Severity
from provisioner.base.groups import gathered
from provisioner.base.text import VIETNAM, Document, aware, counted, msg
from provisioner.desired.spec import HostSpec
from provisioner.inventory.policy_rules import document
from provisioner.inventory.policy_rules.engine import RegoFinding, RegoVerdict
from provisioner.plan.change import Action, Change, Impact, Resource, cut_by, distinct_trust, pending
from provisioner.plan.guards.policy import PlanRefusal

_Of = Callable[[Change], Sequence[str]]

MOST_CHANGES: Final = 20_000  #: Maximum number of changes: the library takes a second and 550 MiB for these.
_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

REGO = "rego"

_LOOK = "look at it before this plan is applied: a rule of the inventory asks for that"


@dataclass(frozen=True, slots=True)
class PlanForRego:
    """A plan, for Rego rules."""

    inventory: str
    changes: Sequence[Change]  #: Also no-ops.
    hosts: Mapping[str, HostSpec]  #: The readable ones.
    cameras: Mapping[str, int]  #: By facility.
    offline: bool = False  #: Whether no host was asked.


def rego_input(plan: PlanForRego, now: datetime) -> Document:
    """Return the rules' input, for the time of evaluation."""
    changing = pending(plan.changes)
    carriers = {name: sorted(spec.carriers) for name, spec in plan.hosts.items()}
    by_host = _changes_by_name(changing, lambda change: (change.host,))
    by_carrier = _changes_by_name(changing, lambda change: carriers.get(change.host, ()))
    by_facility = _changes_by_name(changing, lambda change: (change.facility,) if change.facility else ())
    by_province = _changes_by_name(changing, lambda change: (change.province,) if change.facility else ())
    not_new = {c.facility for c in plan.changes if c.resource is Resource.PATH and c.action is not Action.CREATE}
    return document.RegoInput(
        now=_moment(now),
        inventory=plan.inventory,
        offline=plan.offline,
        summary=_counts(changing),
        hosts=[
            document.RegoHost(
                id=host,
                kind="relay" if host in plan.hosts and plan.hosts[host].relay else "centre",
                carriers=carriers.get(host, []),
                trust=len(distinct_trust(changes)),
                counts=_counts(changes),
            )
            for host, changes in by_host.items()
        ],
        carriers=[document.RegoCarrier(id=carrier, counts=_counts(changes)) for carrier, changes in by_carrier.items()],
        provinces=[
            document.RegoProvince(
                id=name, facilities=len({change.facility for change in changes}), counts=_counts(changes)
            )
            for name, changes in by_province.items()
        ],
        facilities=[
            document.RegoFacility(
                id=name,
                province=changes[0].province,
                carriers=sorted({carrier for change in changes for carrier in carriers.get(change.host, ())}),
                cameras=plan.cameras.get(name, 0),
                new=name in plan.cameras and name not in not_new,
                known=name in plan.cameras,
                counts=_counts(changes),
            )
            for name, changes in by_facility.items()
        ],
        changes=[_change(change, carriers.get(change.host, [])) for change in changing],
    ).plain


def _changes_by_name(changes: Iterable[Change], names_of: _Of) -> dict[str, list[Change]]:
    return dict(sorted(gathered((name, change) for change in changes for name in names_of(change)).items()))


def _counts(changes: Sequence[Change]) -> document.RegoCounts:
    actions = Counter(change.action for change in changes)
    return document.RegoCounts(
        create=actions[Action.CREATE],
        update=actions[Action.UPDATE],
        delete=actions[Action.DELETE],
        viewers=sum(sum(paths.values()) for paths in cut_by(changes).values()),
        impact=max((change.impact for change in changes), key=lambda impact: impact.rank, default=Impact.NONE).value,
    )


def _change(change: Change, carriers: Sequence[str]) -> document.RegoChange:
    kinds = {"resource": change.resource.value, "action": change.action.value, "impact": change.impact.value}
    return document.RegoChange.made_of(change, **kinds, carriers=carriers)


def _moment(now: datetime) -> document.RegoMoment:
    local = aware(now).astimezone(VIETNAM)
    at, date = local.isoformat(timespec="seconds"), local.date().isoformat()
    return document.RegoMoment.made_of(local, at=at, date=date, weekday=_WEEKDAYS[local.weekday()])


def rego_refusals(verdict: RegoVerdict) -> tuple[PlanRefusal, ...]:
    """Return refusals: what rules deny, and rules without a result."""
    denied = (
        PlanRefusal(REGO, message=f"{finding.position}: {finding.message}", hint=finding.hint or _hint(finding))
        for finding in verdict.denied
    )
    failed = (
        PlanRefusal(REGO, message=f"{finding.position}: {finding.message}", hint=finding.hint)
        for finding in verdict.failed
    )
    return (*failed, *denied)


def too_large(changes: int) -> PlanRefusal:
    """Return the refusal of a plan that is too large for rules."""
    message = msg(
        "Rego rules judge plans of up to {most_changes} changes, and this one has {changes}",
        MOST_CHANGES,
        counted(changes, "change"),
    )
    hint = "plan and apply it in parts, e.g. by --limit province=… or --limit host=…"
    return PlanRefusal(REGO, message=message, hint=hint, limit=MOST_CHANGES, value=changes)


def rego_warnings(warned: Iterable[RegoFinding]) -> tuple[Problem, ...]:
    """Return the rules' warnings, with the rules' positions."""
    return tuple(
        Problem(
            finding.file,
            finding.line,
            1,
            "rego-warns",
            finding.message,
            finding.hint or _LOOK,
            finding.file,
            Severity.WARNING,
        )
        for finding in warned
    )


def _hint(finding: RegoFinding) -> str:
    return msg(
        "change what the plan does; or the rule at {place}, in a change of its own that somebody reviews",
        finding.position,
    )
