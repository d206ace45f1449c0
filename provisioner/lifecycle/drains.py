"""Relays that are being emptied: how far each is, by the files and by what relays were seen to hold. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from provisioner.inventory.model import Inventory, Operating
from provisioner.lifecycle.evidence import Evidence


@dataclass(frozen=True, slots=True)
class DrainStanding:
    """How far a relay's drain is.

    Attributes:
        relay: the relay that is being emptied.
        to: the relay that takes its sites.
        remaining: the facilities whose plan is still over it.
        both: those of them whose successor over the other one is agreed.
        held: other facilities that it holds by its last word.
    """

    relay: str
    to: str
    remaining: tuple[str, ...]
    both: tuple[str, ...]
    held: tuple[str, ...]

    @property
    def is_over(self) -> bool:
        """Whether nothing is left there, as far as anybody knows."""
        return not (self.remaining or self.held)

    @property
    def command(self) -> str:
        """What comes next."""
        words = (
            ("hosts", "decommission", self.relay) if self.is_over else ("relay", "drain", self.relay, "--to", self.to)
        )
        return " ".join(("provisioner", *words))


def drain_standings(inventory: Inventory, evidence: Evidence) -> tuple[DrainStanding, ...]:
    """Every relay that is being emptied, in the order of ids."""
    relays = {name: relay.drain_to for name, (_, relay) in inventory.relays.items() if relay.drain_to}
    return tuple(_standing(inventory, evidence, relay, to) for relay, to in sorted(relays.items()))


def _standing(inventory: Inventory, evidence: Evidence, relay: str, to: str) -> DrainStanding:
    plans = [(f, f.plan, f.successor) for f in inventory.facilities.values() if f.operating is not Operating.CLOSED]
    remaining = sorted(f.id for f, plan, _ in plans if plan and plan.relay == relay)
    both = sorted(f.id for f, _, later in plans if f.id in remaining and later and later.relay == to and later.agreed)
    word = evidence.words.get(relay)
    return DrainStanding(relay, to, tuple(remaining), tuple(both), _others(word.held if word else (), remaining))


def _others(held: Iterable[str] | None, remaining: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(held or ()) - set(remaining)))
