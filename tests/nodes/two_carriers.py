"""Two carriers with a node each, a broker, a controller: processes of their own, over hosts that outlive them."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from provisioner.base.text import VIETNAM
from provisioner.cli.main import run as command
from provisioner.inventory.files.yaml import parse
from provisioner.nodes import settings
from provisioner.nodes.controller import NodePace, NodeRunner
from provisioner.operations.pipeline.session import Session
from provisioner.operations.rollout import host_change
from tests.example_terminal import EXAMPLE, ExampleTerminal, applied
from tests.nodes.broker import CARRIERS, BrokerServer, broker_of
from tests.nodes.own_process import begun, kill
from tests.nodes.served_hosts import HostTimes, ServedHosts, served
from tests.prepared import prepared

PACE: Final = NodePace(begin=10.0, ask=0.5, most_ask=2.0, margin=10.0)
RETRY_S: Final = 0.3  #: After which a host that gave no answer is asked again.
#: Facilities of the example that are carried by another relay here.
MOVED: Final = {
    "kcl-bg-002": ("relay-viettel-1", "relay-viettel-2"),
    "kcl-hd-002": ("relay-viettel-1", "relay-viettel-3"),
}
_NETWORKS: Final = ["203.0.113.0/24", "198.51.100.0/24"]
_FACILITY: Final = "facilities/bac-giang/kcl-bg-001.yml"
_FIRST_CHANNEL: Final = 17
_ALL_SIGN: Final = ("--by", "dic", "--by", "health", "--by", "carrier", "--on", "2021-06-01", "--source", "02/BB")


class Carriers:
    """The two carriers, the controller's checkout, and all that runs.

    Args:
        terminal: the checkout, and somebody who works in it.
        broker: the broker.
        hosts: the hosts of both carriers, and their centre.
    """

    def __init__(self, terminal: ExampleTerminal, broker: BrokerServer, hosts: ServedHosts) -> None:
        self.terminal, self.broker, self.hosts, self.edits = terminal, broker, hosts, 0
        self.folder = terminal.root
        self._nodes: dict[str, int] = {}
        self.since = datetime.now(UTC)
        sums = re.findall(r"[0-9a-f]{64}", terminal.file("inventory.yml").read_text(encoding="utf-8"))
        self._file = broker.write_both(self.folder, _NETWORKS, f"mediamtx = {sums}\n")

    @property
    def environment(self) -> dict[str, str]:
        """The controller's."""
        return {
            "HOME": str(self.folder),
            "XDG_STATE_HOME": str(self.folder / "state"),
            "ANSIBLE_VAULT_PASSWORD_FILE": f"{EXAMPLE}/.vault-password",
            "PROVISIONER_NODES": str(self._file),
        }

    # --- what runs --------------------------------------------------------------------------------
    def start_node(self, carrier: str) -> None:
        """Start a carrier's node."""
        words = ["node", "run", str(self.folder / carrier / "node.toml")]
        log = self.folder / f"node-{carrier}.log"
        self._nodes[carrier] = begun(lambda: command(words, {"HOME": str(self.folder)}), log)

    def kill_node(self, carrier: str) -> None:
        """Kill a carrier's node, if it runs."""
        if process := self._nodes.pop(carrier, 0):
            kill(process)

    def begin(self, *words: str) -> int:
        """Begin a command of the controller: its process."""

        def work() -> int:
            print(f"$ provisioner {' '.join(words)}")  # noqa: T201 (into the process's own log)
            return command(["-i", EXAMPLE, *words], self.environment)

        return begun(work, self.folder / "controller.log")

    def edit(self) -> None:
        """Change all hosts in a way that was never before: who may log in, and what a camera's channel is."""
        self.edits += 1
        for carrier, last in zip(CARRIERS, (self.edits, 255 - self.edits), strict=True):
            file = self.terminal.file(f"carriers/{carrier}.yml")
            lines = file.read_text(encoding="utf-8").splitlines()
            (at,) = (number for number, line in enumerate(lines) if line.startswith("management_networks: ["))
            own = lines[at].partition("[")[2].partition("]")[0].split(", ")[0]
            lines[at] = f"management_networks: [{own}, 192.0.2.{last}/32]"
            file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        channel = _FIRST_CHANNEL + self.edits
        self.terminal.edit(_FACILITY, f"channel: {channel - 1}\n", f"channel: {channel}\n")
        self.work("sign-off", "kcl-bg-001", *_ALL_SIGN)

    def work(self, *words: str) -> None:
        """Call the program in the checkout, without a node and a host."""
        code, out, err = self.terminal(*words)
        assert code == 0, out + err

    def logs(self) -> str:
        """What all of them wrote."""
        return "\n".join(f"{file.name}:\n{file.read_text()}" for file in sorted(self.folder.glob("*.log")))


def _plain(file: Path) -> Any:
    return parse(file.read_bytes()).value


def _more_relays(terminal: ExampleTerminal) -> None:
    """Give each carrier three relays."""
    for carrier in CARRIERS:
        file = terminal.file(f"carriers/{carrier}.yml")
        listed = _plain(file)["relays"]
        (first,) = listed
        head, _, last = first["address"].rpartition(".")
        first.pop("endpoint", None)
        added = [first | {"id": f"relay-{carrier}-{n}", "address": f"{head}.{int(last) + n}"} for n in (2, 3)]
        lines = "".join(f"  - {json.dumps(relay)}\n" for relay in added)
        terminal.edit(f"carriers/{carrier}.yml", "relays:\n", f"relays:\n{lines}")
    for facility, (old, new) in MOVED.items():
        (file,) = terminal.file("facilities").rglob(f"{facility}.yml")
        terminal.edit(str(file.relative_to(terminal.file("."))), f"relay: {old}", f"relay: {new}")


def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> ExampleTerminal:
    """A checkout of two carriers with three relays each, all of it applied."""
    terminal = applied(ExampleTerminal, tmp_path, monkeypatch, capsys)

    def build() -> None:
        _more_relays(terminal)
        for words in (
            *(("sign-off", facility, *_ALL_SIGN) for facility in MOVED),
            ("allocate",),
            ("keys", "init"),
            ("apply", "--yes", "--allow", "trust=9", "--allow", "all_impact=9"),
        ):
            code, out, err = terminal(*words)
            assert code == 0, out + err

    prepared(tmp_path, terminal.hosts, "two-carriers", build)
    return terminal


@contextmanager
def two_carriers(
    terminal: ExampleTerminal, monkeypatch: pytest.MonkeyPatch, times: HostTimes, seed: int
) -> Iterator[Carriers]:
    """Both carriers at work: broker, nodes and hosts run, the controller may be called."""
    folder = terminal.root
    environment = {"ANSIBLE_VAULT_PASSWORD_FILE": f"{EXAMPLE}/.vault-password"}
    session = Session(folder / EXAMPLE, environment, datetime.now(VIETNAM).date())
    hosts = served(terminal.hosts.hosts, session.state.hosts, times, seed)
    monkeypatch.setattr("provisioner.operations.pipeline.session.AnsibleRunner", lambda _templates, _environment: hosts)
    monkeypatch.setattr(settings, "AnsibleRunner", lambda _templates, _environment: hosts)
    monkeypatch.setattr(settings, "NodeRunner", partial(NodeRunner, pace=PACE))
    monkeypatch.setattr(host_change, "_RETRY_S", RETRY_S)
    try:
        with broker_of(folder) as broker:
            carriers = Carriers(terminal, broker, hosts)
            try:
                for carrier in CARRIERS:
                    carriers.start_node(carrier)
                yield carriers
            finally:
                for carrier in CARRIERS:
                    carriers.kill_node(carrier)
    finally:
        kill(hosts.process)
