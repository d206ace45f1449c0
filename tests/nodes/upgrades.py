"""A node's machine in memory: packages, units, a way back that outlives whoever upgrades; anything in it may fail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from provisioner.base.errors import HostError
from provisioner.nodes.upgrade import NodeStanding, UpgradeOrders

OLD, NEW = "1.2.0-1~deb12", "1.3.0-1~deb12"
UNITS = ("provisioner-node@vnpt.service",)


class KilledUpgradeError(BaseException):
    """The command ends here: nothing of it is done any more."""


class NodeHealth(StrEnum):
    """What becomes of a node with a version."""

    GOOD = "good"
    DOES_NOT_START = "does not start"
    DOES_NOT_REACH = "does not reach its broker"
    ENDS_SOON = "ends again and again"


class Fault(StrEnum):
    """What happens at a step of the command."""

    FAILS = "fails"
    KILLED = "killed"
    KILLED_AFTER = "killed once it is done"
    INTERRUPTED = "interrupted"
    REBOOTED = "the machine is started anew"
    LATE = "it takes longer than the machine waits"


@dataclass
class SimulatedMachine:
    """The machine.

    Attributes:
        newer: what becomes of its node with the newer version.
        broker: whether the broker is there.
        faults: what happens at which step of the command, by its number.
        returns_at: when it returns by itself; None where it is not armed.
        half: whether dpkg has not finished.
    """

    newer: NodeHealth = NodeHealth.GOOD
    broker: bool = True
    faults: Mapping[int, Fault] = field(default_factory=dict)
    installed: str = OLD
    half: bool = False
    returns_at: float | None = None
    clock: float = 0.0
    started_at: float = 0.0
    steps: int = 0
    confirmed: bool = False
    told: list[str] = field(default_factory=list)

    @property
    def keeps(self) -> bool:
        """Whether the newer version does what the one before does."""
        return self.newer is NodeHealth.GOOD or (self.newer is NodeHealth.DOES_NOT_REACH and not self.broker)

    def orders(self) -> UpgradeOrders:
        """The orders of an upgrade of it."""
        return UpgradeOrders(NEW, OLD, self.standings(UNITS), 120.0, 20.0, self.told.append)

    def _step(self) -> Fault | None:
        self.steps += 1
        fault = self.faults.get(self.steps)
        if fault is Fault.FAILS:
            raise HostError("it does not work")
        if fault is Fault.KILLED:
            raise KilledUpgradeError
        if fault is Fault.INTERRUPTED:
            raise KeyboardInterrupt
        if fault is Fault.REBOOTED:
            self.reboot()
            raise KilledUpgradeError
        if fault is Fault.LATE:
            self.sleep(4000)
        return fault

    def reboot(self) -> None:
        """Start it anew: what is armed returns at once."""
        if self.returns_at is not None:
            self._return()

    def run_out(self) -> None:
        """Let all time pass that it may wait for."""
        self.sleep(10_000)

    def _return(self) -> None:
        self.returns_at, self.installed, self.half, self.started_at = None, OLD, False, self.clock

    def health(self) -> NodeHealth:
        """What becomes of its node now."""
        return NodeHealth.GOOD if self.installed == OLD else self.newer

    # --- as an upgrade sees it --------------------------------------------------------------------

    def now(self) -> float:
        """Its clock."""
        return self.clock

    def sleep(self, seconds: float) -> None:
        """Wait; in time it returns by itself."""
        until = self.clock + seconds
        if self.returns_at is not None and self.returns_at <= until:
            self.clock = self.returns_at
            self._return()
        self.clock = until

    def standings(self, units: Sequence[str]) -> Sequence[NodeStanding]:
        """How its node stands."""
        health, runs_s = self.health(), self.clock - self.started_at
        dead = self.half or health is NodeHealth.DOES_NOT_START
        dead |= health is NodeHealth.ENDS_SOON and runs_s % 10 > 9
        turns = int(runs_s // 10) if health is NodeHealth.ENDS_SOON else 0
        process = 0 if dead else 100 + turns
        reaches = None if dead else self.broker and health is not NodeHealth.DOES_NOT_REACH
        state = "activating (auto-restart)" if dead else "active (running)"
        return [NodeStanding(unit, state, process, reaches) for unit in units]

    def version(self) -> str:
        """What is installed."""
        return "" if self.half else self.installed

    def arm(self, units: Sequence[str], seconds: float) -> None:
        """Arm it."""
        assert units == UNITS
        fault = self._step()
        self.returns_at = self.clock + seconds
        self._after(fault)

    def disarm(self) -> bool:
        """Disarm it, where it has not returned."""
        fault = self._step()
        if self.returns_at is None:
            return False
        self.returns_at, self.confirmed = None, True
        self._after(fault)
        return True

    def install(self, timeout_s: float) -> None:
        """Exchange the package; what happens in the middle leaves half of it."""
        self.half = True
        fault = self._step()
        if self.clock > timeout_s:
            raise HostError("dpkg has not ended")
        self.installed, self.half, self.started_at = NEW, False, self.clock
        self._after(fault)

    def go_back(self, timeout_s: float) -> None:
        """Return now."""
        assert timeout_s > 0
        fault = self._step()
        if self.returns_at is not None:
            self._return()
        self._after(fault)

    @staticmethod
    def _after(fault: Fault | None) -> None:
        if fault is Fault.KILLED_AFTER:
            raise KilledUpgradeError
