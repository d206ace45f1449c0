"""The real commands on the scratch inventory, as a pipeline would call them."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from tests.bench.child import BenchError, Usage, run
from tests.bench.rollout.hosts import RelayHosts
from tests.bench.rollout.inventory import Inventory
from tests.lab.engine import Engine

ROOT: Final = Path(__file__).parents[3]
_TIMEOUT_S: Final = 300
_UNREACHABLE: Final = 5
_AT_ONCE: Final = 4


class Controller:
    """Runs `provisioner`, and the bench's own child processes that call the same code."""

    def __init__(self, hosts: RelayHosts, engine: Engine) -> None:
        """Take the hosts, and the relay program to deploy."""
        self.hosts = hosts
        self._folder = hosts.directory
        self.engine = engine
        self._artefacts = engine.path.resolve().parent
        self.inventory = Inventory(self._folder / "inventory", hosts, engine)

    @property
    def environment(self) -> dict[str, str]:
        """What a pipeline would set."""
        kept = {k: v for k, v in os.environ.items() if k in {"PATH", "HOME", "LANG"}}
        return kept | {
            "ANSIBLE_VAULT_PASSWORD_FILE": str(self._folder / "vault-password"),
            "PROVISIONER_ARTEFACTS": str(self._artefacts),
            "PROVISIONER_INVENTORY": str(self.inventory.root),
            "PROVISIONER_SSH_KEY": str(self.hosts.ssh_key),
            "PROVISIONER_STATE": str(self._folder / "state"),
            "XDG_CACHE_HOME": str(self._folder / "cache"),
            "XDG_RUNTIME_DIR": str(self._folder / "runtime"),
        }

    def deploy(self) -> None:
        """Write the inventory, make addresses and keys, and bring every host to it for the first time.

        Without gates: no camera answers here, and a gate waits for those. A few hosts at a time: each first
        start of a relay takes a core for a while.

        Raises:
            BenchError: a command failed, or a host was not changed.
        """
        (self._folder / "runtime").mkdir(mode=0o700)
        password = secrets.token_urlsafe(24)
        file = self._folder / "vault-password"
        file.touch(mode=0o600)
        file.write_text(password, encoding="ascii")
        self.inventory.write(password)
        self._prepare("allocate")
        self.inventory.add_centre_key()
        self._prepare("keys", "init", "--allow", f"trust={len(self.hosts.names) + 1}", codes=(0, _UNREACHABLE))
        for number in range(0, len(self.hosts.names), _AT_ONCE):
            self._child("tests.bench.rollout.transaction", *self.hosts.names[number : number + _AT_ONCE])
        self.apply(outcome="nothing-to-do")

    def transaction(self) -> Usage:
        """Bring all hosts to the inventory in one call, and confirm."""
        return self._child("tests.bench.rollout.transaction", *self.hosts.names)

    def write_wanted(self, folder: Path) -> None:
        """Write what every host should hold, for the sides that the product is compared with."""
        self._child("tests.bench.rollout.wanted", str(folder), *self.hosts.names)

    def apply(self, *, outcome: str, nodes: Path | None = None) -> Usage:
        """Apply to every relay, gates and all, by a node where `nodes` names one; give what the command cost.

        Raises:
            BenchError: it failed, or had another outcome than the one that is to be measured.
        """
        limits = [word for host in self.hosts.names for word in ("--limit", f"host={host}")]
        environment = self.environment | ({"PROVISIONER_NODES": str(nodes)} if nodes else {})
        if nodes:
            del environment["PROVISIONER_SSH_KEY"]
        argv = [self._program, "--output", "json", "apply", "--yes", *limits]
        usage = run(argv, environment, timeout_s=_TIMEOUT_S)
        told: dict[str, Any] = json.loads(usage.output)
        if told["outcome"] != outcome or {host["host"] for host in told["hosts"]} != set(self.hosts.names):
            raise BenchError(f"the apply should end with {outcome}: {usage.output[-2000:]}")
        return usage

    def _child(self, module: str, *words: str) -> Usage:
        argv = [sys.executable, "-m", module, str(self.inventory.root), *words]
        return run(argv, self.environment, cwd=ROOT, timeout_s=_TIMEOUT_S)

    @property
    def _program(self) -> str:
        return str(Path(sys.executable).with_name("provisioner"))

    def _prepare(self, *words: str, codes: Sequence[int] = (0,)) -> None:
        done = subprocess.run(
            [self._program, *words],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        if done.returncode not in codes:
            raise BenchError(f"provisioner {' '.join(words)} ended with {done.returncode}: {done.stdout}{done.stderr}")
