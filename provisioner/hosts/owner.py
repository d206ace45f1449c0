"""Whether a host is anybody else's: judged by its mark before it is sent anything that it could keep. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from provisioner.desired.owner import Owner
from provisioner.hosts.call_target import CallTarget
from provisioner.hosts.runner import UNPROVED, CallOutcome, HostAnswer

if TYPE_CHECKING:  # the host's own package: its types are for the type checker, the module is not installed here
    from provisioner_host.wire import OwnerToMark

_NOT_PROVED = UNPROVED.partition(";")[0]


def is_open(spec: CallTarget, owner: Owner | None) -> bool:
    """Whether a host that has not proved itself may be taken for new, if somebody says so.

    Args:
        spec: the host.
        owner: whose it is by its mark; None where nothing of anybody's is on it.
    """
    if owner is None or is_free(spec, owner):
        return True
    if owner.shape:
        return False
    return spec.adopted is not None and owner.claim == spec.adopted.claim


def is_free(spec: CallTarget, owner: Owner) -> bool:
    """Whether there is nobody to take a host over from: by its mark it is this inventory's, or was let go."""
    return not owner.shape and (owner.released or _is_own(spec, owner))


def _is_own(spec: CallTarget, owner: Owner) -> bool:
    return spec.owner is not None and owner.is_same(spec.owner)


def claims_of(spec: CallTarget) -> list[list[str]]:
    """The same as a list for who stands between: inventory, key and moment of each mark that is no hindrance.

    An empty moment with an inventory is any moment; all empty is what has no mark.
    """
    own = [[spec.owner.inventory, spec.owner.key, ""]] if spec.owner else []
    return own + ([[spec.adopted.inventory, spec.adopted.key, spec.adopted.at]] if spec.adopted else [])


def judged(spec: CallTarget, answer: HostAnswer) -> HostAnswer:
    """An answer, with whose the host is in its words where it is another one's."""
    if answer.outcome is not CallOutcome.UNPROVED or is_open(spec, answer.owner):
        return answer
    owner = answer.owner.words if answer.owner else ""
    said = f"{_NOT_PROVED}, and belongs to {owner}; nothing was sent to it"
    shaped = answer.owner is not None and answer.owner.shape
    adopt = "" if shaped else f": to take it over, provisioner hosts adopt {spec.id}"
    return replace(answer, error=f"{said}{adopt}", foreign=True)


def owner_to_mark(spec: CallTarget) -> OwnerToMark | None:
    """What a host's mark is to say of whose it is."""
    owner = spec.owner
    return {"inventory": owner.inventory, "key": owner.key, "host": spec.id} if owner else None
