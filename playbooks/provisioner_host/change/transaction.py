"""One run on this host: request, staged files, steps, way back."""

from __future__ import annotations

import contextlib
import stat
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from provisioner_host.firewall import lockout
from provisioner_host.machine import files, paths
from provisioner_host.machine.files import words_of
from provisioner_host.machine.shell import Failed, scrub
from provisioner_host.state import dead_man, last_good, leases, removed

if TYPE_CHECKING:
    from typing import Unpack

    from provisioner_host import wire

_Done = TypeVar("_Done")

# How long a lease holds from one operation to the next; while one runs the lock itself holds the host.
OPERATION_S = 60.0


class Transaction:
    """One run on this host, with its steps and its way back."""

    # No dataclass: to import what makes one takes longer than most steps.
    def __init__(self, request: wire.ChangeRequest, folder: Path) -> None:
        self.request = request
        self.folder = folder
        self.steps: list[wire.StepAnswer] = []
        self.notes: list[str] = []

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.request["run"]

    @property
    def confirm_s(self) -> float:
        """Seconds that the switch waits for the controller."""
        return float(self.request["confirm_s"])

    @property
    def who(self) -> str:
        """The author of the change."""
        return self.request["who"]

    def step(self, name: str, work: Callable[[], _Done]) -> _Done:
        """Run and time a step; put its name before errors."""
        started = time.monotonic()
        try:
            return work()
        except Failed as error:
            # Of the same kind: what a change is refused for is told by it.
            raise type(error)(f"{name}: {error}") from None
        except OSError as error:
            raise Failed(f"{name}: {words_of(error)}") from None
        finally:
            self.steps.append({"name": name, "seconds": round(time.monotonic() - started, 3)})

    def answer(self, outcome: wire.Outcome, cause: str = "", **parts: Unpack[wire.ChangeParts]) -> wire.ChangeAnswer:
        """Return the answer to the controller."""
        return {
            "outcome": outcome,
            "cause": scrub(cause),
            "steps": self.steps,
            "run": self.run_id,
            "notes": [scrub(note) for note in self.notes],
            **parts,
        }

    def receipt(self, outcome: str, cause: str = "", **more: Any) -> str:
        """Write the receipt; return its path."""
        if record := self.request.get("record"):
            more["record"] = record
        last_good.receipt(self.run_id, outcome, scrub(cause), self.steps, notes=self.notes, who=self.who, **more)
        return str(paths.RECEIPTS / f"{self.run_id}.json")

    # --- ends that change nothing, or nothing that stays ------------------------------------------
    def refused(self, error: Failed) -> wire.ChangeAnswer:
        """End the run before the switch, with the host unchanged."""
        leases.release(self.run_id)
        receipt = self.receipt("refused", str(error))
        return self.answer("refused", str(error), refusal=lockout.refusal_of(error), receipt=receipt)

    def back(self, cause: str) -> wire.ChangeAnswer:
        """Return to last-good now; on failure the dead-man switch tries on."""
        cause = scrub(cause)
        try:
            self.step("return to last-good", last_good.restore)
        except Failed as error:
            cause = f"{cause}; then: {error}"
            receipt = self.receipt("rollback-failed", cause)
            with contextlib.suppress(OSError):
                _is_overdue()
            return self.answer("rollback-failed", cause, receipt=receipt)
        dead_man.disarm()
        leases.release(self.run_id)
        receipt = self.receipt("rolled-back", cause)
        return self.answer("rolled-back", cause, receipt=receipt)


class ApplyTransaction(Transaction):
    """An apply with its wanted and staged files.

    Attributes:
        had_programs: programs in the manifest before the install.
        ended: notes on ended sessions.
    """

    request: wire.ApplyRequest

    def __init__(self, request: wire.ApplyRequest, folder: Path) -> None:
        super().__init__(request, folder)
        self.had_programs: frozenset[str] = frozenset()
        self.ended: list[str] = []

    @property
    def wanted(self) -> Mapping[str, wire.FileToPut]:
        """The desired files by path: mode, owner, group, name in the bundle."""
        return self.request["files"]

    def content(self, path: str) -> bytes:
        """Return a desired file's content."""
        return self.staged(Path(path)).read_bytes()

    def staged(self, path: Path) -> Path:
        """Return a desired file's path in the bundle."""
        return self.folder / "files" / self.wanted[str(path)]["content"]

    def differs(self, path: Path) -> bool:
        """Return whether a file is missing or differs in content or mode."""
        wanted = self.wanted[str(path)]
        try:
            rights = stat.S_IMODE(path.stat().st_mode)
            return rights != wanted["mode"] or path.read_bytes() != self.content(str(path))
        except FileNotFoundError:
            return True

    def misowned(self, path: Path) -> bool:
        """Return whether a file has another owner or group than wanted."""
        wanted = self.wanted[str(path)]
        return (path.owner(), path.group()) != (wanted["owner"], wanted["group"])

    def put(self, path: Path) -> None:
        """Write a wanted file atomically."""
        wanted = self.wanted[str(path)]
        content = self.content(str(path))
        files.write(path, content, mode=wanted["mode"], owner=wanted["owner"], group=wanted["group"])


def _is_overdue() -> None:
    armed = dead_man.armed()
    if armed is not None:
        files.write_json(paths.ARMED, {**armed, "due": 0.0})


def begin(change: Transaction) -> wire.ChangeAnswer | None:
    """Take the lease; return an answer if the run must end.

    An expired change that its watcher did not revert is reverted here. `Locked` is raised if another run has the lease.
    """
    past = last_good.receipt_of(change.run_id)
    if past is not None and past["outcome"] != "armed":
        # A bundle is sealed for ever: what was done once is not done again for who kept it.
        return change.answer("refused", f"run {change.run_id} is over on this host: {past['outcome']}")
    number = change.request.get("epoch")
    if overtaken := leases.epoch_refusal(leases.last_epoch(), change.run_id, number):
        receipt = change.receipt("stale", overtaken) if past is None else ""
        return change.answer("stale", overtaken, receipt=receipt)
    armed = dead_man.armed()
    if armed is not None and armed["due"] > leases.now() - 5:
        holder = leases.sentence(leases.holder())
        cause = f"run {armed['run']} waits for its confirmation" + (f": {holder}" if holder else "")
        return change.answer("locked", cause, holder=leases.holder())
    note = leases.take(change.run_id, change.who, OPERATION_S)
    leases.take_epoch(change.run_id, change.who, number)
    change.notes += [note] if note else []
    if armed is not None:
        cause = dead_man.cause_of(armed)
        change.step("return to last-good", lambda: dead_man.give_back(armed, cause, live=True))
        dead_man.disarm()
        leases.take(change.run_id, change.who, OPERATION_S)
        change.notes.append(f"run {armed['run']} was returned to last-good: {cause}")
    change.notes += removed.finish_interrupted_tombstones()
    return None
