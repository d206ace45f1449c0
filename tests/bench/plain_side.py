"""The other side of the comparison: the ordinary role in `plain_role`, on the same hosts."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import yaml

from tests.bench.child import BenchError, Usage, run
from tests.lab.deployment import Deployment
from tests.lab.topology import SSH_USER, Network

_PLAYBOOK: Final = Path(__file__).with_name("plain_role.yml")
_OWN_TASKS: Final = frozenset({"mediamtx.yml", "provisioner.nft"})
_CHANGED: Final = re.compile(r"\bchanged=(\d+)")


class PlainRole:
    """Runs the role with Ansible's defaults: facts gathered, five forks, no pipelining, connections shared."""

    def __init__(self, deployment: Deployment, hosts: Sequence[str]) -> None:
        """Take the deployment whose files are to be installed, and where."""
        self._deployment = deployment
        self._hosts = hosts
        self._folder = deployment.lab.directory / "plain"
        self._folder.mkdir(mode=0o700)
        (self._folder / "ansible.cfg").touch()

    def take(self) -> None:
        """Take the files as the inventory asks for now: this is no part of what is measured."""
        rendered = self._folder / "rendered"
        shutil.rmtree(rendered, ignore_errors=True)
        self._deployment.run("render", "--out", str(rendered))
        hosts = {host: self._variables(host, rendered / host) for host in self._hosts}
        text = yaml.safe_dump({"all": {"hosts": hosts}}, allow_unicode=True)
        (self._folder / "hosts.yml").write_text(text, encoding="utf-8")
        lab = self._deployment.lab
        known = [f"{lab.address(host, Network.MGMT)} {lab.host_key(host)}\n" for host in self._hosts]
        (self._folder / "known_hosts").write_text("".join(known), encoding="ascii")

    def _variables(self, host: str, folder: Path) -> dict[str, Any]:
        files = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
        relay = yaml.safe_load((folder / "etc/provisioner/mediamtx.yml").read_text(encoding="utf-8"))
        return {
            "ansible_host": str(self._deployment.lab.address(host, Network.MGMT)),
            "ansible_user": SSH_USER,
            "ansible_ssh_private_key_file": str(self._deployment.lab.ssh_key),
            "ansible_ssh_common_args": f"-o IdentitiesOnly=yes -o UserKnownHostsFile={self._folder / 'known_hosts'}",
            "bench_folder": str(folder),
            "bench_files": [file for file in files if Path(file).name not in _OWN_TASKS],
            "bench_mediamtx": relay,
        }

    def run(self, *, changes: bool) -> Usage:
        """Run the role over new connections; it has to change something, or nothing.

        Raises:
            BenchError: it failed, or did the other thing.
        """
        argv = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(self._folder / "hosts.yml")]
        with _home() as home:
            usage = run([*argv, str(_PLAYBOOK)], self._environment(home), cwd=self._folder)
        changed = [int(count) for count in _CHANGED.findall(usage.output)]
        if len(changed) != len(self._hosts) or any(bool(count) is not changes for count in changed):
            raise BenchError(
                f"the ordinary role should change {'each host' if changes else 'nothing'}:\n{usage.output}"
            )
        return usage

    def _environment(self, home: Path) -> Mapping[str, str]:
        return {
            "ANSIBLE_CONFIG": str(self._folder / "ansible.cfg"),
            "ANSIBLE_HOME": str(home),
            "HOME": str(home),
            "LC_ALL": "C.UTF-8",
            "PATH": self._deployment.environment["PATH"],
        }


@contextmanager
def _home() -> Iterator[Path]:
    """Give Ansible a home of its own, and end the shared connections that it leaves there."""
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
