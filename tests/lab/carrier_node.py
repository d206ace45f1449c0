"""The node of the lab's second carrier: it and its broker have machines of their own, and it alone enters the hosts."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.dates import another_clock
from tests.nodes.broker import BrokerServer, broker_of
from tests.processes import end, started

from .deployment import Deployment
from .own_machine import OwnMachine, own_machine
from .patience import stretched
from .topology import JUMP, RELAYS, SSH_USER, Network

CARRIER: Final = JUMP.carrier
RELAY: Final = next(relay.name for relay in RELAYS if relay.carrier == CARRIER)
_KEYS: Final = f"/home/{SSH_USER}/.ssh/authorized_keys"
SIDES: Final = ("node", "controller")  #: Who may be cut off from the broker.


@dataclass(frozen=True)
class NodePlace:
    """Where a node and its broker are: the files of both, and a machine for each."""

    deployment: Deployment
    folder: Path
    broker: BrokerServer
    broker_at: OwnMachine
    node_at: OwnMachine


class NodeOfTheLab:
    """The node, which has its file, its machine and its log, and the broker on a machine beside it."""

    def __init__(self, place: NodePlace) -> None:
        self.deployment, self.broker = place.deployment, place.broker
        self.file, self.log = place.folder / "node.toml", place.folder / "node.log"
        self.state = place.folder / "state"
        self._broker_at, self._node_at = place.broker_at, place.node_at
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def journal(self) -> str:
        """What the node says since it was started."""
        return self.log.read_text(encoding="utf-8")

    def start(self, more: str = "", *, ahead_s: float = 0.0) -> None:
        """Start the node, anew where it runs; more is written into its file before, and its clock may be another."""
        self.stop()
        with self.file.open("a", encoding="utf-8") as file:
            file.write(more)
        kept = {"PATH", "XDG_RUNTIME_DIR"}
        own = {name: value for name, value in self.deployment.environment.items() if name in kept}
        own |= another_clock(self.file.parent, f"{ahead_s:+.0f}s") if ahead_s else {}
        self._process = started(self._words(), self.log, environment=own)

    def _words(self) -> Sequence[str | Path]:
        """The node's command."""
        program = Path(sys.executable).with_name("provisioner")
        return [*self._node_at.inside, program, "node", "run", self.file]

    def stop(self) -> int | None:
        """Stop the node, if it runs: the code that it ended with."""
        if (process := self._process) is None:
            return None
        self._process = None
        end(process, stretched(30))
        return process.returncode

    def cut_off(self, side: str) -> AbstractContextManager[None]:
        """Cut the way between the broker and one of the two sides."""
        lab = self.deployment.lab
        return self._broker_at.cut_off(self._node_at.address if side == "node" else lab.controller_address())


@contextmanager
def node_of_the_lab(
    deployment: Deployment, folder: Path, made: Callable[[NodePlace], NodeOfTheLab] = NodeOfTheLab
) -> Iterator[NodeOfTheLab]:
    """A node whose key alone opens its carrier's hosts: the controller's is taken out of them."""
    lab, key = deployment.lab, folder / "ssh_key"
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)]
    subprocess.run(argv, check=True, timeout=stretched(30))
    public = key.with_suffix(".pub").read_text(encoding="utf-8")
    hosts = (RELAY, JUMP.name)
    for host in hosts:
        lab.exec(host, ["cp", "-p", _KEYS, f"{_KEYS}.kept"])
        lab.exec(host, ["sh", "-c", f"cat > {_KEYS}"], stdin=public)
    try:
        with (
            own_machine(lab, "broker") as broker_at,
            own_machine(lab, "node") as node_at,
            broker_of(folder, str(broker_at.address), broker_at.inside) as broker,
        ):
            program = f'mediamtx = ["{deployment.engine.sha256}"]\n'
            nodes = broker.write_files(folder, CARRIER, [lab.subnet(Network.MGMT)], key, program)
            deployment.variables["PROVISIONER_NODES"] = str(nodes)
            one = made(NodePlace(deployment, folder, broker, broker_at, node_at))
            one.start()
            try:
                # A new node refuses what was sent before its list of begun units began.
                end_s = time.monotonic() + stretched(30)
                while " works" not in one.journal and time.monotonic() < end_s:
                    time.sleep(0.05)
                yield one
            finally:
                one.stop()
    finally:
        deployment.variables.clear()
        for host in hosts:
            lab.exec(host, ["mv", f"{_KEYS}.kept", _KEYS])
