"""The plan: every change of every host, its digest, its summary and its document. Pure."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from provisioner import __version__
from provisioner.changes import Action, Change, Impact, Resource
from provisioner.errors import StalePlanError

SCHEMA = "provisioner/plan"
DRIFT_SCHEMA = "provisioner/drift"


@dataclass(frozen=True, slots=True)
class Basis:
    """What a plan rests on: with another one of these, it is another plan.

    Attributes:
        live: each host's live digest.
    """

    inventory: str
    templates: str
    live: Mapping[str, str]
    version: str = __version__

    @property
    def digest(self) -> str:
        """One digest over all of it. Commit, times and viewers are not in it."""
        text = json.dumps({**asdict(self), "live": dict(self.live)}, sort_keys=True, separators=(",", ":"))
        return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Plan:
    """Every change of the chosen hosts, no-ops included.

    Attributes:
        commit: the inventory's commit, shown and not in the digest; empty outside Git.
        left_out: hosts that a limit leaves out.
    """

    basis: Basis
    changes: tuple[Change, ...]
    commit: str = ""
    left_out: tuple[str, ...] = ()

    @property
    def pending(self) -> tuple[Change, ...]:
        """The changes that are no no-ops."""
        return tuple(c for c in self.changes if c.action is not Action.NOOP)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing but no-ops."""
        return not self.pending

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that change, in order."""
        return tuple(sorted({c.host for c in self.pending}))


def summary(changes: Iterable[Change]) -> dict[str, Any]:
    """Give the counts of a plan's document."""
    changes = list(changes)
    actions = Counter(c.action for c in changes)
    pending = [c for c in changes if c.action is not Action.NOOP]
    impacts = Counter(c.impact for c in pending)
    return {
        **{action.value: actions[action] for action in Action},
        "hosts": len({c.host for c in pending}),
        "viewers_dropped": viewers_dropped(pending),
        "impact": {impact.value: impacts[impact] for impact in Impact},
    }


def viewers_dropped(pending: Iterable[Change]) -> int:
    """Count live viewers that are cut, nobody twice: an `all` change of a relay takes in its paths' viewers."""
    everybody: dict[str, int] = {}
    by_path: Counter[str] = Counter()
    for change in pending:
        if change.impact is Impact.ALL:
            everybody[change.host] = max(everybody.get(change.host, 0), change.viewers)
        elif change.resource is Resource.PATH:
            by_path[change.host] += change.viewers
    return sum(max(everybody.get(host, 0), by_path[host]) for host in {*everybody, *by_path})


def document(plan: Plan, *, everything: bool = False, schema: str = SCHEMA) -> dict[str, Any]:
    """Give the plan's JSON document; no-ops are counted, and listed with `everything`. No secret is in it."""
    listed = plan.changes if everything else plan.pending
    return {
        "schema": schema,
        "version": 1,
        "digest": plan.basis.digest,
        "inventory": {"commit": plan.commit, "digest": plan.basis.inventory},
        "templates": plan.basis.templates,
        "tool": plan.basis.version,
        "live": dict(sorted(plan.basis.live.items())),
        "summary": summary(plan.changes),
        "changes": [_change(c) for c in listed],
        "left_out": list(plan.left_out),
        "refused": [],
    }


def _change(change: Change) -> dict[str, Any]:
    return {
        "host": change.host,
        "resource": change.resource.value,
        "name": change.name,
        "action": change.action.value,
        "impact": change.impact.value,
        "viewers": change.viewers,
        "reason": change.reason,
    }


def read_saved(text: str, origin: str) -> Basis:
    """Give the basis of a saved plan.

    Raises:
        StalePlanError: the file is no plan, or was changed after it was made.
    """
    try:
        saved = json.loads(text)
        schema, digest = saved["schema"], saved["digest"]
        basis = Basis(saved["inventory"]["digest"], saved["templates"], dict(saved["live"]), saved["tool"])
    except (ValueError, KeyError, TypeError):
        schema = None
    if schema != SCHEMA:
        raise StalePlanError(f"{origin} is not a saved plan", hint="make one: provisioner plan --out FILE")
    if digest != basis.digest:
        raise StalePlanError(f"{origin} was changed after it was made", hint="make a new one: provisioner plan --out")
    return basis


def refuse_other(saved: Basis, now: Basis, origin: str) -> None:
    """Refuse a saved plan of another inventory, other templates or another version of this tool.

    Hosts that moved are refused one by one, on the host itself.

    Raises:
        StalePlanError: it names what moved.
    """
    for what, old, new in (
        ("the inventory", saved.inventory, now.inventory),
        ("the templates", saved.templates, now.templates),
        ("this tool", saved.version, now.version),
    ):
        if old != new:
            raise StalePlanError(
                f"{origin} is stale: {what} was {old} when the plan was made and is {new} now",
                hint="make a new plan, and have it reviewed: provisioner plan --out FILE",
            )
