"""pyinfra doing the same on the same hosts: from a virtual environment of its own, with its defaults."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.bench.child import BenchError, Usage, run
from tests.bench.rollout.hosts import RelayHosts
from tests.lab.topology import SSH_USER

VERSION: Final = "3.10.0"
_DEPLOY: Final = Path(__file__).with_name("pyinfra_deploy.py")
# Its last table: operations, then those that changed something, failed, changed nothing.
_TOTAL: Final = re.compile(r"Grand total +\d+ +(\S+) +\S+ +\S+")
_INSTALL_S: Final = 300
_TIMEOUT_S: Final = 600
# pyinfra runs this file: the hosts with their values.
_INVENTORY: Final = """\
import json
from pathlib import Path

hosts = [
    (host["address"], host["data"] | {"wanted": json.loads(Path(host["wanted"]).read_text(encoding="utf-8"))})
    for host in json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
]
"""


def install() -> Path:
    """Pyinfra's program, installed first where it is not there.

    Raises:
        BenchError: it could not be installed.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / f"provisioner/bench/pyinfra-{VERSION}"
    if not (folder / "installed").exists():
        for argv in (
            [sys.executable, "-m", "venv", "--clear", str(folder)],
            [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", f"pyinfra=={VERSION}"],
        ):
            done = subprocess.run(argv, capture_output=True, text=True, timeout=_INSTALL_S, check=False)
            if done.returncode:
                raise BenchError(f"pyinfra {VERSION} could not be installed: {done.stderr.strip()[-500:]}")
        (folder / "installed").touch()
    return folder / "bin/pyinfra"


class Pyinfra:
    """One run of pyinfra over all hosts."""

    name = "pyinfra"

    def __init__(self, hosts: RelayHosts, wanted: Path, program: Path) -> None:
        """Take the hosts, the folder of what they should hold, and pyinfra's program."""
        self._hosts = hosts
        self._wanted = wanted
        self._program = program
        self._folder = hosts.directory / "pyinfra"
        self._folder.mkdir(mode=0o700)

    def take(self) -> None:
        """Take what is wanted now: this is no part of what is measured."""
        known = [f"{self._hosts.addresses[name]} {self._hosts.host_keys[name]}\n" for name in self._hosts.names]
        (self._folder / "known_hosts").write_text("".join(known), encoding="ascii")
        shared = {
            "ssh_user": SSH_USER,
            "ssh_key": str(self._hosts.ssh_key),
            "ssh_known_hosts_file": str(self._folder / "known_hosts"),
            "ssh_strict_host_key_checking": "yes",
        }
        listed = [
            {"address": str(address), "data": shared, "wanted": str(self._wanted / f"{name}.json")}
            for name, address in self._hosts.addresses.items()
        ]
        (self._folder / "inventory.py").write_text(_INVENTORY, encoding="utf-8")
        (self._folder / "inventory.json").write_text(json.dumps(listed), encoding="utf-8")

    def run(self, *, changes: bool) -> Usage:
        """Run the deploy over new connections; it has to change something, or nothing.

        Raises:
            BenchError: it failed, or did the other thing.
        """
        argv = ["sh", "-c", 'exec "$@" 2>&1', "sh", str(self._program)]
        argv += ["-y", str(self._folder / "inventory.py"), str(_DEPLOY)]
        environment = {"HOME": str(self._folder), "LC_ALL": "C.UTF-8", "PATH": "/usr/local/bin:/usr/bin:/bin"}
        usage = run(argv, environment, cwd=self._folder, timeout_s=_TIMEOUT_S)
        total = _TOTAL.search(usage.output)
        if total is None or (total[1] != "-") is not changes:
            raise BenchError(f"pyinfra should change {'each host' if changes else 'nothing'}:\n{usage.output[-4000:]}")
        return usage
