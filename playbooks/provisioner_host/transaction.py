"""One run on this host: what is wanted, where it is staged, what was done so far, and the way back."""

from __future__ import annotations

import contextlib
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from provisioner_host import dead_man, files, last_good, lease, paths
from provisioner_host.shell import Failed, scrub

# How long a lease holds from one operation to the next; while one runs the lock itself holds the host.
OPERATION_S = 60.0


class Transaction:
    """One run on this host: what is wanted, where it is staged, and what was done so far."""

    # No dataclass: to import what makes one takes longer than most steps.
    def __init__(self, request: dict[str, Any], folder: Path) -> None:
        self.request = request
        self.folder = folder
        self.steps: list[dict[str, Any]] = []
        self.notes: list[str] = []

    @property
    def run_id(self) -> str:
        """The run's id."""
        return str(self.request["run"])

    @property
    def confirm_s(self) -> float:
        """How long the switch waits for a word of the controller."""
        return float(self.request["confirm_s"])

    @property
    def wanted(self) -> dict[str, dict[str, Any]]:
        """The desired files by path: mode, owner, group, and where in the bundle the content is."""
        return dict(self.request["files"])

    def content(self, path: str) -> bytes:
        """A desired file's content."""
        return self.staged(Path(path)).read_bytes()

    def staged(self, path: Path) -> Path:
        """Where a desired file lies in the bundle, for a program to try it."""
        return self.folder / "files" / str(self.wanted[str(path)]["content"])

    def differs(self, path: Path) -> bool:
        """Whether a wanted file is not on the host as it is wanted, or has other rights."""
        wanted = self.wanted[str(path)]
        try:
            rights = stat.S_IMODE(path.stat().st_mode)
            return rights != wanted["mode"] or path.read_bytes() != self.content(str(path))
        except FileNotFoundError:
            return True

    def misowned(self, path: Path) -> bool:
        """Whether a file is somebody else's than wanted."""
        wanted = self.wanted[str(path)]
        return (path.owner(), path.group()) != (wanted["owner"], wanted["group"])

    def put(self, path: Path) -> None:
        """Put a wanted file where it belongs, in one step."""
        wanted = self.wanted[str(path)]
        content = self.content(str(path))
        files.write(path, content, mode=wanted["mode"], owner=wanted["owner"], group=wanted["group"])

    def step(self, name: str, work: Callable[[], Any]) -> Any:
        """Do a step, and write down how long it took.

        Raises:
            Failed: with the step's name in front.
        """
        started = time.monotonic()
        try:
            return work()
        except Failed as error:
            raise Failed(f"{name}: {error}") from None
        except OSError as error:
            raise Failed(f"{name}: {error.strerror or error}") from None
        finally:
            self.steps.append({"name": name, "seconds": round(time.monotonic() - started, 3)})

    def answer(self, outcome: str, cause: str = "", **more: Any) -> dict[str, Any]:
        """The answer to the controller."""
        told = {"outcome": outcome, "cause": scrub(cause), "steps": self.steps, "run": self.run_id}
        return told | {"notes": [scrub(note) for note in self.notes]} | more

    def receipt(self, outcome: str, cause: str = "", **more: Any) -> str:
        """Write the receipt and give its place."""
        told = {"notes": self.notes, "who": self.request.get("who", "")}
        last_good.receipt(self.run_id, outcome, scrub(cause), self.steps, **told, **more)
        return str(paths.RECEIPTS / f"{self.run_id}.json")

    # --- ends that change nothing, or nothing that stays ------------------------------------------

    def refused(self, cause: str) -> dict[str, Any]:
        """End before the switch: nothing was touched."""
        lease.release(self.run_id)
        receipt = self.receipt("refused", cause)
        return self.answer("refused", cause, receipt=receipt)

    def back(self, cause: str) -> dict[str, Any]:
        """Return to last-good now. Where that fails the switch stays armed, and its watcher tries on."""
        cause = scrub(cause)
        try:
            self.step("return to last-good", last_good.restore)
        except Failed as error:
            cause = f"{cause}; then: {error}"
            receipt = self.receipt("rollback-failed", cause)
            with contextlib.suppress(OSError):
                _due_now()
            return self.answer("rollback-failed", cause, receipt=receipt)
        dead_man.disarm()
        lease.release(self.run_id)
        receipt = self.receipt("rolled-back", cause)
        return self.answer("rolled-back", cause, receipt=receipt)


def _due_now() -> None:
    found = dead_man.armed()
    if found is not None:
        files.write_json(paths.ARMED, found | {"due": 0.0})


def begin(change: Transaction) -> dict[str, Any] | None:
    """Take the lease, and see whether another change waits; give the answer that ends the run, or None to go on.

    A change whose time is over is returned here, where its own watcher did not.

    Raises:
        Locked: somebody else's lease has not expired.
    """
    found = dead_man.armed()
    if found is not None and found["due"] > lease.now() - 5:
        holder = lease.told(lease.holder())
        cause = f"run {found['run']} waits for its confirmation" + (f": {holder}" if holder else "")
        return change.answer("locked", cause, holder=lease.holder())
    note = lease.take(change.run_id, str(change.request.get("who", "")), OPERATION_S)
    change.notes += [note] if note else []
    if found is not None:
        cause = dead_man.cause_of(found)
        change.step("return to last-good", lambda: dead_man.give_back(found, cause, live=True))
        dead_man.disarm()
        lease.take(change.run_id, str(change.request.get("who", "")), OPERATION_S)
        change.notes.append(f"run {found['run']} was returned to last-good: {cause}")
    return None
