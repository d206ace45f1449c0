"""What a node carries, by its own file: whatever a controller signs, a carrier's people have the last word. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from provisioner.base.printable import printable
from provisioner.hosts.shown_key import SHOW_KEY
from provisioner.inventory.model.addresses import AnyNetwork, HostName, HostPlace
from provisioner.nodes.unit import CarriedCall

_LOOKS: Final = frozenset({"observe", "probe", "flow", "status", SHOW_KEY})
"""What changes nothing on a host."""
_SHOWN: Final = 80


@dataclass(frozen=True, slots=True)
class NodeRules:
    """Which calls a node carries.

    Attributes:
        carrier: whose hosts.
        networks: where they and their jump hosts are.
        names: the host names by which they may be called.
        changes: whether hosts may be changed, or only looked at.
        scripts: whether a shell script may go to a host that has no Python yet.
    """

    carrier: str
    networks: tuple[AnyNetwork, ...]
    names: frozenset[str] = frozenset()
    changes: bool = True
    scripts: bool = False

    def refusal(self, call: CarriedCall) -> str:
        """Why a call is not carried; empty where it is."""
        host = call.host
        if host.carriers != (self.carrier,):
            return f"it is no host of {self.carrier} alone"
        for place in [host.address, *([host.jump.address] if host.jump else [])]:
            if not self._is_within(place):
                return f"{printable(str(place), _SHOWN)} is in none of the networks of the node's file"
        if call.script is not None and not self.scripts:
            return "the node's file allows no scripts"
        operation = "a script" if call.script else str(call.request.get("operation"))
        if operation not in _LOOKS and not self.changes:
            return f"the node's file allows looks alone, and this is {printable(operation, _SHOWN)}"
        return ""

    def _is_within(self, place: HostPlace) -> bool:
        if isinstance(place, HostName):
            return str(place) in self.names
        return any(place.version == network.version and place in network for network in self.networks)


def apart(own: str, other: str) -> str:
    """Why two versions do not work together; empty where they are at most one minor apart.

    Args:
        own: this end's, e.g. `1.4.0`.
        other: the other end's.
    """
    ours, theirs = _minor(own), _minor(other)
    if not fits(own, other):
        older = "the node" if ours is not None and theirs is not None and ours < theirs else "the controller"
        return (
            f"the controller has provisioner {printable(other, 40)} and the node {own}: install a newer one at {older}"
        )
    return ""


def fits(one: str, other: str) -> bool:
    """Whether two versions are at most one minor apart."""
    ours, theirs = _minor(one), _minor(other)
    return ours is not None and theirs is not None and ours[0] == theirs[0] and abs(ours[1] - theirs[1]) <= 1


def _minor(version: str) -> tuple[int, int] | None:
    parts: Sequence[str] = version.split(".")
    if len(parts) < 2 or not all(part.isdecimal() for part in parts[:2]):  # noqa: PLR2004 (major and minor)
        return None
    return int(parts[0]), int(parts[1])
