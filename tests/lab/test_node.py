"""A carrier whose hosts only its node can log in to: planned, changed and proved over a real broker."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from tests.hostile import NODE
from tests.nodes.broker import BrokerServer, broker_of
from tests.processes import end, started

from .deployment import Deployment
from .patience import stretched
from .topology import JUMP, RELAYS, SSH_USER, Network

pytestmark = [pytest.mark.lab, pytest.mark.soak]
CARRIER: Final = JUMP.carrier
RELAY: Final = next(relay.name for relay in RELAYS if relay.carrier == CARRIER)
FACILITY, CAMERA = "kcl-qn-001", r"  - id: cam-02(?:.*\n)+"
KEYS: Final = f"/home/{SSH_USER}/.ssh/authorized_keys"


class NodeOfTheLab(NamedTuple):
    """The node of the lab's second carrier, and the broker."""

    deployment: Deployment
    broker: BrokerServer
    file: Path
    log: Path

    def start(self) -> subprocess.Popen[bytes]:
        """Start it."""
        program = Path(sys.executable).with_name("provisioner")
        kept = {"PATH", "XDG_RUNTIME_DIR"}
        own = {name: value for name, value in self.deployment.environment.items() if name in kept}
        return started([program, "node", "run", str(self.file)], self.log, environment=own)


@pytest.fixture
def node(deployment: Deployment, tmp_path: Path) -> Iterator[NodeOfTheLab]:
    """A node whose key alone opens its carrier's hosts: the controller's is taken out of them."""
    lab = deployment.lab
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "ssh_key")],
        check=True,
        timeout=stretched(30),
    )
    public = (tmp_path / "ssh_key.pub").read_text(encoding="utf-8")
    hosts = (RELAY, JUMP.name)
    for host in hosts:
        lab.exec(host, ["cp", "-p", KEYS, f"{KEYS}.kept"])
        lab.exec(host, ["sh", "-c", f"cat > {KEYS}"], stdin=public)
    try:
        with broker_of(tmp_path) as broker:
            networks = [lab.subnet(Network.MGMT)]
            nodes = broker.write_files(tmp_path, CARRIER, networks, tmp_path / "ssh_key")
            deployment.variables["PROVISIONER_NODES"] = str(nodes)
            one = NodeOfTheLab(deployment, broker, tmp_path / "node.toml", tmp_path / "node.log")
            process = one.start()
            try:
                yield one
            finally:
                end(process, stretched(30))
    finally:
        deployment.variables.clear()
        for host in hosts:
            lab.exec(host, ["mv", f"{KEYS}.kept", KEYS])


@NODE
def test_a_carriers_hosts_are_planned_changed_and_proved_by_its_node_alone(
    node: NodeOfTheLab, capsys: pytest.CaptureFixture[str]
) -> None:
    deployment = node.deployment
    assert deployment.run("drift").returncode == 0
    deployment.edit_facility(FACILITY, CAMERA, "")
    deployment.run("allocate")
    begun = time.monotonic()
    applied = deployment.document("apply", "--yes")
    seconds = time.monotonic() - begun
    assert [(one["host"], one["outcome"]) for one in applied["hosts"] if one["host"] == RELAY] == [(RELAY, "applied")]
    verified = deployment.document("verify", "--once", codes=(0,))
    assert {path["verdict"] for path in verified["paths"]} == {"up"}
    # What only the node can do, the controller cannot.
    with_node = deployment.variables.pop("PROVISIONER_NODES")
    assert deployment.run("drift", check=False).returncode == 5
    deployment.variables["PROVISIONER_NODES"] = with_node
    journal = node.log.read_text(encoding="utf-8")
    assert f"is begun: apply on {RELAY}" in journal
    passwords = _secrets(deployment)
    told = [journal, *deployment.transcript]
    stored = [file.read_bytes() for file in node.broker.folder.rglob("*") if file.is_file()]
    assert len(stored) > 8
    assert not [one for one in passwords for text in told if one in text]
    assert not [one for one in passwords for content in stored if one.encode() in content]
    with capsys.disabled():
        print(f"one edit, applied by a carrier's node: {seconds:.1f} s")  # noqa: T201 (a figure for people)


def _secrets(deployment: Deployment) -> list[str]:
    lines = deployment.lab.exec(RELAY, ["sh", "-c", "cat /etc/provisioner/keys/*.password"]).stdout.split()
    assert len(lines) >= 2
    return lines


def test_where_the_broker_is_gone_its_hosts_alone_are_unknown(node: NodeOfTheLab) -> None:
    deployment = node.deployment
    node.broker.end(signal.SIGKILL)
    begun = time.monotonic()
    done = deployment.run("drift", check=False)
    assert done.returncode == 5
    assert time.monotonic() - begun < stretched(20)
    assert f"{RELAY} " in done.stdout + done.stderr
    assert "the broker 127.0.0.1" in done.stdout + done.stderr
    others = [relay.name for relay in RELAYS if relay.name != RELAY]
    assert not [name for name in others if f"{name} (" in done.stderr]
    shutil.rmtree(node.broker.store)
    node.broker.start()
    assert deployment.run("drift").returncode == 0
