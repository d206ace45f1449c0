"""The process of ansible-runner, and its supervisor.

ansible-runner replaces signal handlers and kills its process group on cancel, so it gets its own process. The reason
for a worker's end is written to a file at once, as answers are.

The end of standard input means the end of the controller. The supervisor then kills all processes below it and removes
the private folder. This includes shared connections: ssh puts them into the background, and the supervisor adopts them.
"""

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
    host: str
    res: NotRequired[dict[str, object] | None]


class _Event(TypedDict):
    event: NotRequired[str]
    event_data: _EventData


def main(private: str, playbooks: str, forks: str) -> int:
    """Run the playbook over the private folder; return 0 if ansible-runner worked."""
    folder = Path(private)
    _adopt_orphans()
    pid = os.fork()
    if pid:
        return _wait_and_clean_up(pid, folder)
    _run_playbook(folder, playbooks, int(forks))
    return 0


def _run_playbook(folder: Path, playbooks: str, forks: int) -> None:
    import ansible_runner  # noqa: PLC0415 (who watches does without it)

    def write_failure(event: _Event) -> bool:
        kind = event.get("event", "")
        if kind in {"runner_on_unreachable", "runner_on_failed"}:
            data = event["event_data"]
            result = data.get("res") or {}
            message = str(result.get("msg") or result.get("censored") or "no reason given")
            failure = {"kind": kind.removeprefix("runner_on_"), "error": message[:_LONGEST_ERROR]}
            draft = folder / FAILURES / f".{data['host']}"
            draft.write_text(json.dumps(failure))
            draft.replace(folder / FAILURES / data["host"])
        return False  # nothing is kept on disk

    done = ansible_runner.run(
        private_data_dir=str(folder),
        project_dir=playbooks,
        playbook="operation.yml",
        inventory=str(folder / HOSTS_PIPE),
        envvars=json.loads((folder / ENVIRONMENT).read_text()),
        event_handler=write_failure,
        quiet=True,
        forks=forks,
    )
    (folder / OUTCOME).write_text(json.dumps({"status": done.status}))


def _start_work(folder: Path) -> None:
    """Give the waiting Ansible its hosts at the controller's first word."""
    if os.fork() == 0:
        try:
            # This blocks until Ansible opens the pipe; otherwise the process ends with the others.
            (folder / HOSTS_PIPE).write_bytes((folder / HOSTS).read_bytes())
        finally:
            os._exit(0)
    _open_jumps(folder)


def _open_jumps(folder: Path) -> None:
    """Start a shared connection to each jump host.

    Otherwise fifty workers would connect to one sshd at once, which refuses some of them (MaxStartups). If a connection
    fails, each call makes its own and reports the error.
    """
    environment = json.loads((folder / ENVIRONMENT).read_text())
    child_env = {name: environment[name] for name in ("LC_ALL", "PATH", "SSH_AUTH_SOCK") if name in environment}
    for name in json.loads((folder / JUMPS).read_text()):
        with contextlib.suppress(OSError):
            start_silently(
                ["ssh", "-F", str(folder / CONFIG), "-o", "ControlMaster=yes", "-N", "-T", name], child_env, folder
            )


def _wait_and_clean_up(pid: int, folder: Path) -> int:
    """Wait for the work or the controller to end; clean up."""
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
            _start_work(folder)
    # End all writers into the folder first; hosts finish their work without us.
    _end_all_below(os.getpid())
    os.waitpid(pid, 0)
    shutil.rmtree(folder, ignore_errors=True)
    return 1


def _adopt_orphans() -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def _end_all_below(root: int) -> None:
    """Kill all descendants. Stop them first, so that they start no others."""
    stopped = set[int]()
    calm = 0
    while calm < 2:  # noqa: PLR2004 (one that was beginning another when it was stopped shows at the second look)
        new = _descendants(root) - stopped
        calm = 0 if new else calm + 1
        for pid in new:
            _signal(pid, signal.SIGSTOP)
        stopped |= new
    for pid in stopped:
        _signal(pid, signal.SIGKILL)


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _descendants(root: int) -> set[int]:
    """Return all descendants, also those in another session (pexpect)."""
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
