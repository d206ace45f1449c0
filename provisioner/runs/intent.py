"""All that a run needs to be taken up again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import NotRequired, TypedDict, cast

from provisioner.apply import Wave
from provisioner.plan import Basis
from provisioner.plan.changes import Action, Change, Impact, Resource
from provisioner.plan.cuts import HostCut, cut_from


class _PlainBasis(TypedDict):
    """The basis, by the names of its attributes."""

    inventory: str
    templates: str
    live: dict[str, str]
    version: str
    desired: dict[str, str]
    planned: dict[str, str]
    allow: dict[str, int]
    held: NotRequired[list[str]]


class _PlainIntent(TypedDict):
    """The intent as the journal has it; a change is its resource, name, action and impact."""

    basis: _PlainBasis
    waves: list[tuple[str, list[str]]]
    live: dict[str, str]
    changes: dict[str, list[list[str]]]
    rollback: dict[str, str]
    max_failed: int
    cuts: NotRequired[dict[str, dict[str, object]]]
    warrant: NotRequired[str]


@dataclass(frozen=True, slots=True)
class Intent:
    """All that a run needs to be taken up again: what it rests on, and what it is about to do.

    Attributes:
        live: each host's live digest in the plan that is applied.
        changes: the plan's changes by host, for the path gate.
        rollback: by host, the run whose change is undone; empty for an apply.
        cuts: by host, what its change cuts; hosts that cut nothing are not in it.
        warrant: the plan and who approved it, for carriers whose own people have to; empty where nobody did.
    """

    basis: Basis
    waves: tuple[Wave, ...]
    live: Mapping[str, str]
    changes: Mapping[str, tuple[Change, ...]]
    rollback: Mapping[str, str] = field(default_factory=dict)
    max_failed: int = 0
    cuts: Mapping[str, HostCut] = field(default_factory=dict)
    warrant: bytes = b""

    def plain(self) -> dict[str, object]:
        """The intent as plain values for the journal."""
        return {
            "basis": asdict(self.basis) | {"live": dict(self.basis.live)},
            "waves": [[wave.name, list(wave.hosts)] for wave in self.waves],
            "live": dict(self.live),
            "changes": {host: [_plain_change(c) for c in of] for host, of in self.changes.items()},
            "rollback": dict(self.rollback),
            "max_failed": self.max_failed,
            "cuts": {host: cut.plain() for host, cut in self.cuts.items()},
        } | ({"warrant": self.warrant.decode()} if self.warrant else {})


def intent_of(plain: Mapping[str, object]) -> Intent:
    """An intent as the journal has it."""
    own = cast("_PlainIntent", plain)  # our own document, which the journal's hashes hold
    basis = own["basis"]
    return Intent(
        basis=Basis(
            basis["inventory"],
            basis["templates"],
            basis["live"],
            basis["version"],
            basis["desired"],
            basis["planned"],
            basis["allow"],
            tuple(basis.get("held", ())),
        ),
        waves=tuple(Wave(name, tuple(hosts)) for name, hosts in own["waves"]),
        live=dict(own["live"]),
        changes={host: tuple(_change(host, c) for c in of) for host, of in own["changes"].items()},
        rollback=dict(own["rollback"]),
        max_failed=int(own["max_failed"]),
        # A run that an older version began says nothing of it.
        cuts={host: cut_from(host, cut) for host, cut in own.get("cuts", {}).items()},
        warrant=own.get("warrant", "").encode(),
    )


def _plain_change(change: Change) -> list[str]:
    return [change.resource.value, change.name, change.action.value, change.impact.value]


def _change(host: str, plain: Sequence[str]) -> Change:
    resource, name, action, impact = plain
    return Change(host, Resource(resource), name, Action(action), Impact(impact), "as recorded")
