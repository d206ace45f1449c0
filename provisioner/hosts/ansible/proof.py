"""Which hosts have proved themselves to this process, and what goes with a call so that they can.

A host key that a merge request may have changed proves no more than who wrote the request. So a host is challenged by
the key that was left on it; from then on its SSH host key is known to be its own, and speaks for it until we end.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from provisioner.base.secret import proof_of, seal_of
from provisioner.hosts.call_target import CallTarget
from provisioner.hosts.owner import claims_of
from provisioner.hosts.runner import CallOutcome, HostCall
from provisioner.inventory.model import JumpHost, Ssh

SEAL = "PROVISIONER-CALL "
"""What begins the line before a sealed bundle; the host knows it by the same words."""

_LATER = frozenset({"look", "confirm", "abort", "status"})
"""What is asked of a host after a word that has changed it: by then it holds this inventory's key."""

_LAST = frozenset({"remove"})
"""What leaves no key on a host."""

Place = tuple[str, Ssh, JumpHost | None]
"""The address, how it is logged in to and what it is known by, and the jump host on the way there."""


def place_of(spec: CallTarget) -> Place:
    """Where a host is called, and what it is known by there."""
    return str(spec.address), spec.ssh, spec.jump


@dataclass
class Proofs:
    """The places whose host has proved itself, and those that were taken without a proof because somebody said so."""

    _proved: set[Place] = field(default_factory=set)
    _accepted: set[Place] = field(default_factory=set)

    def challenge(self, call: HostCall) -> dict[str, str] | None:
        """A challenge and the proof that answers it; None where the host needs none."""
        return None if call.unproved else self.challenge_to(call.spec)

    def challenge_to(self, spec: CallTarget) -> dict[str, str] | None:
        """A challenge to a host before there is a call, and the proof that answers it; None where it needs none."""
        if self._known(spec):
            return None
        challenge = secrets.token_hex(32)
        return {"challenge": challenge, "proof": proof_of(spec.identity, challenge)}

    def seal(self, call: HostCall, bundle: bytes) -> str | None:
        """The seal that the host's installed program takes; None where nothing of ours is known to be installed."""
        if call.unproved or place_of(call.spec) in self._accepted:
            return None
        return seal_of(call.spec.identity, bundle)

    def claims(self, call: HostCall) -> list[list[str]] | None:
        """Whose the host may be that need not prove itself; None where it is not asked whose it is."""
        if not call.unproved or call.request["operation"] in _LATER:
            return None
        return claims_of(call.spec)

    def answered(self, call: HostCall, outcome: CallOutcome) -> None:
        """Keep that a host answered: one that got no bundle without its proof has proved itself.

        One that has given up its key proves nothing any more; one that read a script has proved nothing by that.
        """
        if call.script is not None:
            return
        if outcome is CallOutcome.ANSWERED and call.request["operation"] in _LAST:
            self._proved.discard(place_of(call.spec))
            self._accepted.discard(place_of(call.spec))
            return
        if outcome is CallOutcome.ANSWERED and not self._known(call.spec):
            (self._accepted if call.unproved else self._proved).add(place_of(call.spec))

    def _known(self, spec: CallTarget) -> bool:
        return place_of(spec) in self._proved | self._accepted
