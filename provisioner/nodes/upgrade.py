"""A node's upgrade as one change: the newer version is proved and confirmed, or the one before runs again.

At each moment after the way back was armed either of two hands ends it: this one, or the machine's own. Who may end it
the machine decides once (`disarm`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn, Protocol

from provisioner.base.errors import ApplyError, ProvisionerError, RollbackError
from provisioner.nodes.upgrade_rules import NodeStanding, UpgradeProof

STOP_S: Final = 15 * 60.0
"""So long nodes may take to end what they have begun, as their unit says."""
EXCHANGE_S: Final = 10 * 60.0
_SPARE_S: Final = 5 * 60.0
_LOOK_S: Final = 0.5
_BACK_LOOK_S: Final = 90.0


class UpgradeMachine(Protocol):
    """The machine of a node, as its upgrade sees it. Whatever does not work is a ProvisionerError."""

    def now(self) -> float:
        """Seconds that only grow."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...

    def standings(self, units: Sequence[str]) -> Sequence[NodeStanding]:
        """How units stand."""
        ...

    def version(self) -> str:
        """Which version is installed; empty where none is, or half of one."""
        ...

    def arm(self, units: Sequence[str], seconds: float) -> None:
        """Let the machine return by itself after so long, and when it is started anew; all of it, or nothing."""
        ...

    def disarm(self) -> bool:
        """Let it not return any more; False where it has begun to."""
        ...

    def install(self, timeout_s: float) -> None:
        """Exchange the package for the newer one."""
        ...

    def go_back(self, timeout_s: float) -> None:
        """Have the machine return now, and wait until it has."""
        ...


@dataclass(frozen=True, slots=True)
class UpgradeOrders:
    """What an upgrade is to do.

    Attributes:
        new: the newer version.
        back: the one that is installed.
        before: how its nodes stand.
        timeout_s: so long the newer one has to be proved, from when it is installed.
        stay_s: so long its nodes have to run in one go.
        tell: takes a line of how far it is.
    """

    new: str
    back: str
    before: Sequence[NodeStanding]
    timeout_s: float
    stay_s: float
    tell: Callable[[str], None] = lambda _: None

    @property
    def units(self) -> tuple[str, ...]:
        """Its nodes."""
        return tuple(one.unit for one in self.before)

    @property
    def returns_s(self) -> float:
        """After so long the machine returns by itself."""
        return STOP_S + EXCHANGE_S + self.timeout_s + _SPARE_S


def upgrade(machine: UpgradeMachine, orders: UpgradeOrders) -> None:
    """Bring the newer version, whose nodes were proved, or leave the one before at work.

    Raises:
        ApplyError: the one before is back.
        RollbackError: it could not be brought back by now; the machine goes on trying.
    """
    machine.arm(orders.units, orders.returns_s)
    try:
        orders.tell(f"{orders.new} is being installed; nodes end what they have begun first")
        machine.install(STOP_S + EXCHANGE_S)
        orders.tell(f"{orders.new} is installed: its nodes are watched")
        lacks = _watched(machine, orders)
    except ProvisionerError as error:
        lacks = error.message
    except BaseException:
        # Whoever interrupts has the node as it was, too.
        _gone_back(machine, orders, "it was interrupted")
        raise
    if not lacks and not machine.disarm():
        lacks = "nobody confirmed it in time"
    if lacks:
        _gone_back(machine, orders, lacks)
        hint = "see journalctl -u " + " -u ".join(orders.units)
        raise ApplyError(f"{orders.new} was not kept: {lacks}; {orders.back} runs again", hint=hint)


def _watched(machine: UpgradeMachine, orders: UpgradeOrders) -> str:
    """What the newer version's nodes lack; empty where they are as those before were."""
    proof, until = UpgradeProof(orders.before, orders.stay_s), machine.now() + orders.timeout_s
    if (version := machine.version()) != orders.new:
        return f"{version or 'no whole version'} is installed"
    while not proof.is_proved(machine.now(), machine.standings(orders.units)):
        if machine.now() >= until:
            return f"after {orders.timeout_s:.0f} s {proof.lacks}"
        machine.sleep(_LOOK_S)
    return ""


def _gone_back(machine: UpgradeMachine, orders: UpgradeOrders, lacks: str) -> None:
    """Have the machine return, and see that it has.

    Raises:
        RollbackError: it has not.
    """
    orders.tell(f"{orders.new} is not kept: {lacks}; {orders.back} comes back")
    try:
        machine.go_back(STOP_S + EXCHANGE_S)
        until = machine.now() + _BACK_LOOK_S
        while (version := machine.version()) != orders.back or _idle(machine, orders):
            if machine.now() >= until:
                idle = ", ".join(_idle(machine, orders)) or "none"
                _stuck(orders, lacks, f"{version or 'no whole version'} is installed; nodes that do not run: {idle}")
            machine.sleep(_LOOK_S)
    except RollbackError:
        raise
    except ProvisionerError as error:
        _stuck(orders, lacks, error.message)


def _idle(machine: UpgradeMachine, orders: UpgradeOrders) -> list[str]:
    return [one.unit for one in machine.standings(orders.units) if not one.is_active]


def _stuck(orders: UpgradeOrders, lacks: str, said: str) -> NoReturn:
    raise RollbackError(
        f"{orders.new} was not kept: {lacks}; and {orders.back} is not back: {said}",
        hint="see journalctl -u provisioner-node-return, and install the earlier package by hand: dpkg -i",
    )
