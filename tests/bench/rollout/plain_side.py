"""An ordinary Ansible role that does the same on the same hosts, with Ansible's defaults."""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.bench.child import BenchError, Usage, run
from tests.bench.rollout.hosts import RelayHosts
from tests.lab.topology import SSH_USER

_PLAYBOOK: Final = Path(__file__).with_name("plain_role.yml")
_CHANGED: Final = re.compile(r"\bchanged=(\d+)")
_TIMEOUT_S: Final = 1500


class PlainRole:
    """Facts gathered, five forks, no pipelining, connections shared within a run and not between runs."""

    name = "ordinary role"

    def __init__(self, hosts: RelayHosts, wanted: Path) -> None:
        """Take the hosts, and the folder of what they should hold (`tests.bench.rollout.wanted`)."""
        self._hosts = hosts
        self._wanted = wanted
        self._folder = hosts.directory / "plain"
        self._folder.mkdir(mode=0o700)
        (self._folder / "ansible.cfg").touch()
        known = [f"{hosts.addresses[name]} {hosts.host_keys[name]}\n" for name in hosts.names]
        (self._folder / "known_hosts").write_text("".join(known), encoding="ascii")

    def take(self) -> None:
        """Take what is wanted now as the role's variables: this is no part of what is measured."""
        listed = {name: self._variables(name) for name in self._hosts.names}
        text = json.dumps({"all": {"hosts": listed}}, ensure_ascii=False)
        (self._folder / "hosts.json").write_text(text, encoding="utf-8")

    def _variables(self, host: str) -> dict[str, Any]:
        return {
            "ansible_host": str(self._hosts.addresses[host]),
            "ansible_user": SSH_USER,
            "ansible_ssh_private_key_file": str(self._hosts.ssh_key),
            "ansible_ssh_common_args": f"-o IdentitiesOnly=yes -o UserKnownHostsFile={self._folder / 'known_hosts'}",
            "bench": json.loads((self._wanted / f"{host}.json").read_text(encoding="utf-8")),
        }

    def run(self, *, changes: bool) -> Usage:
        """Run the role over new connections; it has to change every host, or none.

        Raises:
            BenchError: it failed, or did the other thing.
        """
        argv = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(self._folder / "hosts.json")]
        with _home() as home:
            argv.append(str(_PLAYBOOK))
            usage = run(argv, self._environment(home), cwd=self._folder, timeout_s=_TIMEOUT_S)
        changed = [int(count) for count in _CHANGED.findall(usage.output)]
        if len(changed) != len(self._hosts.names) or any(bool(count) is not changes for count in changed):
            wanted = "each host" if changes else "nothing"
            raise BenchError(f"the ordinary role should change {wanted}:\n{usage.output[-4000:]}")
        return usage

    def _environment(self, home: Path) -> Mapping[str, str]:
        return {
            "ANSIBLE_CONFIG": str(self._folder / "ansible.cfg"),
            "ANSIBLE_HOME": str(home),
            "HOME": str(home),
            "LC_ALL": "C.UTF-8",
            "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        }


@contextmanager
def _home() -> Iterator[Path]:
    """Ansible a home of its own, and end the shared connections that it leaves there."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        try:
            yield Path(folder)
        finally:
            for socket in Path(folder).glob("cp/*"):
                subprocess.run(
                    ["ssh", "-F", "none", "-o", f"ControlPath={socket}", "-O", "exit", "host"],
                    check=False,
                    capture_output=True,
                    timeout=10,
                )
