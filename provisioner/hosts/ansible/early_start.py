"""Ansible starts before the hosts are known.

Its start takes a second of processor time, and so does reading an inventory: both run in parallel. Ansible waits for
the hosts at a named pipe and connects to no host before. Its start uses no inventory data, and of the environment only
the search path and the agent's socket.
"""

import contextlib
import json
import os
import shlex
import shutil
import signal
import sys
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from provisioner.base.processes import Running, StillRunningError, search_path, small_environment, start_module
from provisioner.desired.render.templates import data_folder
from provisioner.hosts.ansible.private_folder import make_private_folder

MAX_WORKERS: Final = 50  #: Each worker is a process; in a play of more hosts each worker takes one call and ends.
CONFIG: Final = "ssh_config"
#: Files of a private folder: hosts, their pipe, environment, jump hosts.
HOSTS, HOSTS_PIPE, ENVIRONMENT, JUMPS = "hosts", "inventory/hosts.json", "environment.json", "jumps.json"
#: Likewise: failures, output, result.
FAILURES, SAID, OUTCOME = "failures", "said", "outcome.json"
_CHILD = "provisioner.hosts.ansible.child"
# Time for children to end by themselves on a busy machine: killed ones leave files behind.
_GRACE_S = 10.0


class WaitingAnsible:
    """An Ansible process that waits for its hosts; needs a tmpfs (`HostError`)."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.folder = make_private_folder(environment)
        try:
            self.process = self._start_child(environment)
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        self._end = weakref.finalize(self, _end_child, self.process, self.folder)
        self._needs, self._is_taken = _needs(environment), False

    def is_taken(self, environment: Mapping[str, str]) -> bool:
        """Claim the process once, if it runs and this environment fits."""
        if self._is_taken or self.process.poll() is not None or self._needs != _needs(environment):
            return False
        self._is_taken = True
        return True

    def tell_hosts(self) -> None:
        """Let Ansible continue: the folder now has the hosts and ssh's files."""
        if self.process.stdin is not None:
            # If it has ended, the reader of its answer reports that.
            with contextlib.suppress(OSError):
                self.process.stdin.write(b"\n")
                self.process.stdin.flush()

    def close(self) -> None:
        """End the process and remove its folder."""
        self._end()

    def _start_child(self, environment: Mapping[str, str]) -> Running:
        folder = self.folder
        for name in ("inventory", "home", FAILURES):
            (folder / name).mkdir(mode=0o700)
        os.mkfifo(folder / HOSTS_PIPE, 0o600)
        (folder / ENVIRONMENT).write_text(json.dumps(_ansible_environment(folder, environment)))
        child_env = {"HOME": str(folder / "home"), **_isolated(environment)}
        # A session of its own: Ctrl-C at the terminal reaches only us, and we decide about hosts under way. At the end
        # of its pipe the child removes the private folder and ends, too.
        with (folder / SAID).open("wb") as output:
            arguments = [str(folder), str(data_folder("playbooks")), str(MAX_WORKERS)]
            return start_module(_CHILD, arguments, child_env, folder, output)


def _end_child(process: Running, folder: Path) -> None:
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
    with contextlib.suppress(StillRunningError):
        process.wait(_GRACE_S)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    shutil.rmtree(folder, ignore_errors=True)


def _needs(environment: Mapping[str, str]) -> tuple[str, ...]:
    names = ("XDG_RUNTIME_DIR", "SSH_AUTH_SOCK")
    return search_path(environment), *(environment.get(name, "") for name in names)


def _isolated(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment; Python loads no modules from the working folder."""
    path = f"{Path(sys.executable).parent}:{search_path(environment)}"
    return small_environment(environment) | {"PATH": path, "PYTHONNOUSERSITE": "1", "PYTHONSAFEPATH": "1"}


def _ansible_environment(folder: Path, environment: Mapping[str, str]) -> dict[str, str]:
    variables = {
        "ANSIBLE_CONFIG": str(data_folder("playbooks") / "ansible.cfg"),
        "ANSIBLE_HOME": str(folder / "home"),
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        "ANSIBLE_LOCAL_TEMP": str(folder / "home/tmp"),
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_SSH_ARGS": f"-F {shlex.quote(str(folder / CONFIG))}",
        **_isolated(environment),
    }
    if agent := environment.get("SSH_AUTH_SOCK"):
        variables["SSH_AUTH_SOCK"] = agent
    return variables
