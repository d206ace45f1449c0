"""The process that ansible-runner runs in, and the one that watches over it.

ansible-runner replaces signal handlers and kills its process group on cancel, so it gets a process of its
own. Why a host's worker has ended becomes a file at once; the answers are files already.

Standard input is the controller's sign of life: at its end, however that came, every process below the
watching one is ended and the private folder is removed. Connections that wait for another call are below it
too: ssh puts them into the background, and what loses its parent there becomes the watching one's.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import sys
from pathlib import Path
from typing import NotRequired, TypedDict

from provisioner.base.processes import start_silently
from provisioner.hosts.ansible.early_start import CONFIG, ENVIRONMENT, FAILURES, HOSTS, HOSTS_PIPE, JUMPS, OUTCOME

_PR_SET_CHILD_SUBREAPER = 36
_LONGEST_ERROR = 2000


class _EventData(TypedDict):
    """Of a task's event: the host, and what the task said."""

    host: str
    res: NotRequired[dict[str, object] | None]


class _Event(TypedDict):
    """What is read of an event of ansible-runner, which has no types."""

    event: NotRequired[str]
    event_data: _EventData


def main(private: str, playbooks: str, forks: str) -> int:
    """Run the one playbook over the private folder; 0 when ansible-runner itself worked."""
    folder = Path(private)
    _adopt_orphans()
    pid = os.fork()
    if pid:
        return _watch(pid, folder)
    _carry(folder, playbooks, int(forks))
    return 0


def _carry(folder: Path, playbooks: str, forks: int) -> None:
    import ansible_runner  # noqa: PLC0415 (who watches does without it)

    def on_event(event: _Event) -> bool:
        kind = event.get("event", "")
        if kind in {"runner_on_unreachable", "runner_on_failed"}:
            data = event["event_data"]
            result = data.get("res") or {}
            said = str(result.get("msg") or result.get("censored") or "no reason given")
            failure = {"kind": kind.removeprefix("runner_on_"), "error": said[:_LONGEST_ERROR]}
            beside = folder / FAILURES / f".{data['host']}"
            beside.write_text(json.dumps(failure))
            beside.replace(folder / FAILURES / data["host"])
        return False  # nothing is kept on disk

    done = ansible_runner.run(
        private_data_dir=str(folder),
        project_dir=playbooks,
        playbook="operation.yml",
        inventory=str(folder / HOSTS_PIPE),
        envvars=json.loads((folder / ENVIRONMENT).read_text()),
        event_handler=on_event,
        quiet=True,
        forks=forks,
    )
    (folder / OUTCOME).write_text(json.dumps({"status": done.status}))


def _go_on(folder: Path) -> None:
    """The hosts are known: have Ansible read them, and begin the connections to jump hosts."""
    if os.fork() == 0:
        try:
            # Opened when Ansible opens it; where it never does this process ends with the others.
            (folder / HOSTS_PIPE).write_bytes((folder / HOSTS).read_bytes())
        finally:
            os._exit(0)
    _open_jumps(folder)


def _open_jumps(folder: Path) -> None:
    """Begin a connection to each jump host, over which calls go as soon as it is there.

    So fifty workers that begin at once do not knock at one sshd together, which would turn some away (MaxStartups).
    Where there is none each call makes its own, and says what is wrong.
    """
    environment = json.loads((folder / ENVIRONMENT).read_text())
    own = {name: environment[name] for name in ("LC_ALL", "PATH", "SSH_AUTH_SOCK") if name in environment}
    for name in json.loads((folder / JUMPS).read_text()):
        with contextlib.suppress(OSError):
            start_silently(
                ["ssh", "-F", str(folder / CONFIG), "-o", "ControlMaster=yes", "-N", "-T", name], own, folder
            )


def _watch(pid: int, folder: Path) -> int:
    """Wait for the end of what carries, or of the controller; after that one's leave neither files nor processes."""
    carrying, waits = os.pidfd_open(pid), True
    while True:
        ready, _, _ = select.select([0, carrying], [], [])
        if carrying in ready:
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            _end_all_below(os.getpid())
            return code
        if not os.read(0, 1024):
            break
        if waits:
            waits = False
            _go_on(folder)
    # What still writes into the folder goes first; hosts finish what they have begun without us.
    _end_all_below(os.getpid())
    os.waitpid(pid, 0)
    shutil.rmtree(folder, ignore_errors=True)
    return 1


def _adopt_orphans() -> None:
    """Become the parent of every process below whose own has ended (prctl(2), PR_SET_CHILD_SUBREAPER)."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def _end_all_below(root: int) -> None:
    """End every process below one. All are stopped before the first is killed, so that none begins another."""
    stopped = set[int]()
    calm = 0
    while calm < 2:  # noqa: PLR2004 (one that was beginning another when it was stopped shows at the second look)
        new = _below(root) - stopped
        calm = 0 if new else calm + 1
        for pid in new:
            _signal(pid, signal.SIGSTOP)
        stopped |= new
    for pid in stopped:
        _signal(pid, signal.SIGKILL)


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _below(root: int) -> set[int]:
    """Every process below one; pexpect gives Ansible a session of its own, so a group is not enough."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    below, new = set[int](), {root}
    while new:
        new = {pid for pid, parent in parents.items() if parent in new} - below
        below |= new
    return below


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
