"""What Rego rules see of a plan. Pure; its JSON Schema is `provisioner/rego/document.json`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from provisioner.base.clock import VIETNAM, aware
from provisioner.base.json_document import Document
from provisioner.desired.spec import HostSpec
from provisioner.plan.changes import Action, Change, Impact, Resource, cut_by, distinct_trust, pending

_Of = Callable[[Change], Sequence[str]]

MOST_CHANGES: Final = 20_000
"""More than these are judged by nobody: the library takes a second and 550 MiB for so many."""
_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True, slots=True)
class PlanForRego:
    """What is said to rules of a plan.

    Attributes:
        inventory: its id.
        changes: all changes of the plan, what is as desired included.
        hosts: those that were read.
        cameras: how many cameras each facility of the inventory has, by its id.
        offline: whether no host was asked.
    """

    inventory: str
    changes: Sequence[Change]
    hosts: Mapping[str, HostSpec]
    cameras: Mapping[str, int]
    offline: bool = False


def rego_input(plan: PlanForRego, now: datetime) -> Document:
    """The document that rules see.

    Args:
        plan: what is said of the plan.
        now: the moment in which it is judged.
    """
    changing = pending(plan.changes)
    carriers = {name: sorted(spec.carriers) for name, spec in plan.hosts.items()}
    by_host = _by(changing, lambda change: (change.host,))
    by_carrier = _by(changing, lambda change: carriers.get(change.host, ()))
    by_facility = _by(changing, lambda change: (change.facility,) if change.facility else ())
    by_province = _by(changing, lambda change: (change.province,) if change.facility else ())
    not_new = {c.facility for c in plan.changes if c.resource is Resource.PATH and c.action is not Action.CREATE}
    return {
        "schema": "provisioner/policy-input",
        "version": 1,
        "now": _moment(now),
        "inventory": plan.inventory,
        "offline": plan.offline,
        "summary": _counts(changing),
        "hosts": [
            {
                "id": host,
                "kind": "relay" if host in plan.hosts and plan.hosts[host].relay else "centre",
                "carriers": carriers.get(host, []),
                "trust": len(distinct_trust(changes)),
                "counts": _counts(changes),
            }
            for host, changes in by_host.items()
        ],
        "carriers": [{"id": carrier, "counts": _counts(changes)} for carrier, changes in by_carrier.items()],
        "provinces": [
            {"id": name, "facilities": len({change.facility for change in changes}), "counts": _counts(changes)}
            for name, changes in by_province.items()
        ],
        "facilities": [
            {
                "id": name,
                "province": changes[0].province,
                "carriers": sorted({carrier for change in changes for carrier in carriers.get(change.host, ())}),
                "cameras": plan.cameras.get(name, 0),
                "new": name in plan.cameras and name not in not_new,
                "known": name in plan.cameras,
                "counts": _counts(changes),
            }
            for name, changes in by_facility.items()
        ],
        "changes": [_change(change, carriers.get(change.host, [])) for change in changing],
    }


def _by(changes: Iterable[Change], of: _Of) -> dict[str, list[Change]]:
    """Changes by what they are about, in the order of names."""
    listed: dict[str, list[Change]] = defaultdict(list)
    for change in changes:
        for name in of(change):
            listed[name].append(change)
    return dict(sorted(listed.items()))


def _counts(changes: Sequence[Change]) -> dict[str, object]:
    actions = Counter(change.action for change in changes)
    return {
        "create": actions[Action.CREATE],
        "update": actions[Action.UPDATE],
        "delete": actions[Action.DELETE],
        "viewers": sum(sum(paths.values()) for paths in cut_by(changes).values()),
        "impact": max((change.impact for change in changes), key=lambda impact: impact.rank, default=Impact.NONE).value,
    }


def _change(change: Change, carriers: Sequence[str]) -> dict[str, object]:
    return {
        "host": change.host,
        "resource": change.resource.value,
        "name": change.name,
        "action": change.action.value,
        "impact": change.impact.value,
        "reason": change.reason,
        "viewers": change.viewers,
        "carriers": carriers,
        "province": change.province,
        "facility": change.facility,
    }


def _moment(now: datetime) -> dict[str, object]:
    local = aware(now).astimezone(VIETNAM)
    return {
        "at": local.isoformat(timespec="seconds"),
        "date": local.date().isoformat(),
        "year": local.year,
        "month": local.month,
        "day": local.day,
        "hour": local.hour,
        "minute": local.minute,
        "weekday": _WEEKDAYS[local.weekday()],
    }
