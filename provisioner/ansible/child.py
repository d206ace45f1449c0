"""The process that ansible-runner runs in.

ansible-runner replaces signal handlers and kills its process group on cancel, so it gets a process of its
own. What it learns of a host without an answer becomes a file at once; the answers are files already.

Standard input is the parent's sign of life: at its end, however that came, the private folder is removed
and every process below this one is ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import ansible_runner


def main(private: str, playbooks: str, timeout_s: str, forks: str) -> int:
    """Run the one playbook over the private folder; 0 when ansible-runner itself worked."""
    folder = Path(private)
    threading.Thread(target=_guard, args=(folder,), daemon=True).start()

    def on_event(event: dict[str, Any]) -> bool:
        kind = event.get("event", "")
        if kind in {"runner_on_unreachable", "runner_on_failed"}:
            data = event["event_data"]
            result = data.get("res") or {}
            said = str(result.get("msg") or result.get("censored") or "no reason given")
            failure = {"kind": kind.removeprefix("runner_on_"), "message": said}
            beside = folder / "failures" / f".{data['host']}"
            beside.write_text(json.dumps(failure))
            beside.replace(folder / "failures" / f"{data['host']}.json")
        return False  # nothing is kept on disk

    done = ansible_runner.run(
        private_data_dir=private,
        project_dir=playbooks,
        playbook="operation.yml",
        inventory=str(folder / "inventory/hosts.json"),
        envvars=json.loads((folder / "environment.json").read_text()),
        event_handler=on_event,
        quiet=True,
        forks=int(forks),
        timeout=int(float(timeout_s)),
    )
    (folder / "outcome.json").write_text(json.dumps({"status": done.status}))
    return 0


def _guard(folder: Path) -> None:
    """Wait for the parent's end, then leave nothing: neither files nor processes."""
    while os.read(0, 1024):
        pass
    # What still writes into the folder goes first; hosts finish what they have begun without us.
    for pid in _below(os.getpid()):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


def _below(root: int) -> list[int]:
    """Give every process below one; pexpect gives Ansible a session of its own, so a group is not enough."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    found, new = set[int](), {root}
    while new:
        new = {pid for pid, parent in parents.items() if parent in new} - found
        found |= new
    return sorted(found)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
