"""Hosts that count what they are asked, and a node at work in a thread."""

import hashlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from tempfile import mkdtemp

from provisioner.base.secret import Secret
from provisioner.desired.owner import Owner
from provisioner.hosts.call_target import CallTarget, TargetHost
from provisioner.hosts.identity import HostKeyScans
from provisioner.hosts.runner import CallOutcome, HostAnswer, HostCall, OpenRunner
from provisioner.inventory.model.hosts import JumpHost, Ssh
from provisioner.nodes.controller import NodePace, NodeRunner
from provisioner.nodes.envelope import ExchangeKey, new_exchange_key
from provisioner.nodes.jetstream import Mailbox
from provisioner.nodes.node import ArtefactCache, Node, NodeParts, NodeRules, StartedUnits
from tests.nodes.mailboxes import MemoryMailbox, Post

HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFmpfCFrQd8eV0TDJQR7IXpTvAkybmvA/FpUVmrfF2mI"
NETWORK = IPv4Network("192.0.2.0/24")
PROGRAM = bytes(range(256)) * 6000
RULES = NodeRules("vnpt", (NETWORK,), mediamtx=frozenset({hashlib.sha256(PROGRAM).hexdigest()}))
# Asks soon, and waits as long as a loaded machine takes.
QUICK = NodePace(begin=30.0, ask=0.2, most_ask=0.4, margin=30.0)


def host_of(
    number: int, carriers: tuple[str, ...] = ("vnpt",), address: str = "", jump: JumpHost | None = None
) -> TargetHost:
    """A relay of a carrier."""
    return TargetHost(
        id=f"relay-{number}",
        carriers=carriers,
        address=IPv4Address(address) if address else NETWORK[number + 1],
        ssh=Ssh(user="noc", host_key=HOST_KEY),
        jump=jump,
        side="",
        identity=Secret(f"identity-of-{number}"),
        owner=Owner("vn", "0" * 32, at="2026-11-28T00:00:00Z", host=f"relay-{number}"),
        adopted=None,
    )


def call_of(host: CallTarget, number: int = 0) -> HostCall:
    """A look with a number, by which it is counted."""
    return HostCall(host, _observe(number), {"nft": b"table" * 3})


def _observe(number: int) -> dict[str, object]:
    return {"operation": "observe", "digest_key": str(number), "files": [], "units": [], "program": None}


def apply_of(host: CallTarget, artefact: Path, number: int = 0) -> HostCall:
    """A change that brings a program, with a number."""
    request = {
        "operation": "apply",
        "run": "run-1",
        "who": "noc",
        "confirm_s": 60.0,
        "units": [],
        "peers": [],
        "sentinel": "",
        "files": {},
        "observe": _observe(number),
        "expected_live_digest": "",
        "gate": None,
        "elsewhere": [],
        "restart": [],
        "lockout": {"check": True, "ssh_port": 22, "networks": []},
        "program": {"path": "/usr/local/lib/provisioner/mediamtx-1", "artefact": True, "sha256": sum_of(artefact)},
    }
    return HostCall(host, request, artefact=artefact)


def look_request(operation: str) -> dict[str, object]:
    """A request that changes nothing; of another operation one that no host takes."""
    limits = {"deadline_s": 1, "max_readers": 1, "sample_s": 1, "read_s": 1}
    change = {"run": "run-1", "who": "noc", "confirm_s": 60.0, "units": [], "peers": [], "sentinel": ""}
    requests: dict[str, dict[str, object]] = {
        "observe": _observe(0),
        "probe": {"operation": "probe", "observe": _observe(0), **limits},
        "flow": {"operation": "flow", "paths": [], "sample_s": 1},
        "status": {"operation": "status", **change, "program": None},
    }
    return requests.get(operation, {"operation": operation})


def sum_of(artefact: Path) -> str:
    """A file's SHA-256."""
    return hashlib.sha256(artefact.read_bytes()).hexdigest()


def naming(*artefacts: Path) -> NodeRules:
    """The rules of a node whose file names some programs."""
    return replace(RULES, mediamtx=frozenset(map(sum_of, artefacts)))


@dataclass
class CountingHosts(OpenRunner):
    """Hosts in the place of real ones: each call is counted, answered with its own number, and takes a moment."""

    done: Counter[tuple[str, int]] = field(default_factory=Counter)
    calls: list[HostCall] = field(default_factory=list)
    takes_s: float = 0.0
    silent: frozenset[str] = frozenset()
    closed: int = 0
    artefacts: list[bytes] = field(default_factory=list)

    def stream(self, calls: Sequence[HostCall], *, timeout_s: float) -> Iterator[HostAnswer]:
        """An answer for every call, in their order."""
        for call in calls:
            time.sleep(self.takes_s)
            self.calls.append(call)
            self.artefacts += [call.artefact.read_bytes()] if call.artefact else []
            if call.spec.id in self.silent:
                error = f"no answer within {timeout_s:.0f} s"
                yield HostAnswer(call.spec.id, CallOutcome.UNREACHABLE, error=error)
                continue
            number = int(call.request.get("observe", call.request)["digest_key"])
            self.done[call.spec.id, number] += 1
            yield HostAnswer(call.spec.id, CallOutcome.ANSWERED, {"number": number})

    def close(self) -> None:
        """Count it."""
        self.closed += 1


@dataclass
class Working:
    """A node at work."""

    node: Node
    key: ExchangeKey
    hosts: CountingHosts
    lines: list[str]


@contextmanager
def node_at_work(
    mailbox: Mailbox,
    controllers: Sequence[ExchangeKey],
    folder: Path,
    *,
    key: ExchangeKey | None = None,
    hosts: CountingHosts | None = None,
    rules: NodeRules = RULES,
    scans: HostKeyScans | None = None,
) -> Iterator[Working]:
    """A node in a thread of its own, until the end."""
    hosts, key, lines = hosts or CountingHosts(), key or new_exchange_key(), list[str]()
    begun = StartedUnits(folder / "begun", time.time())
    runner: Callable[[], CountingHosts] = lambda: hosts  # noqa: E731 (one for all sessions)
    kept = ArtefactCache(folder / "artefacts")
    names = {one.public.name: one.public for one in controllers}
    own, scans = lambda: Path(mkdtemp(dir=folder)), scans or HostKeyScans({})
    parts = NodeParts(mailbox, key, names, rules, begun, runner, own, lines.append, kept, scans)
    node, stop = Node(parts), threading.Event()
    thread = threading.Thread(target=node.run, args=(stop,), daemon=True)
    thread.start()
    try:
        yield Working(node, key, hosts, lines)
    finally:
        stop.set()
        thread.join(30)
        begun.close()


@contextmanager
def both_ends(
    post: Post,
    folder: Path,
    *,
    hosts: CountingHosts | None = None,
    rules: NodeRules = RULES,
    pace: NodePace = QUICK,
    scans: HostKeyScans | None = None,
) -> Iterator[tuple[NodeRunner, Working]]:
    """A controller and the node of VNPT over a way in memory."""
    key = new_exchange_key()
    with node_at_work(MemoryMailbox(post, "vnpt"), [key], folder, hosts=hosts, rules=rules, scans=scans) as working:
        runner = NodeRunner(MemoryMailbox(post, "controller-1"), key, {"vnpt": working.key.public}, pace)
        try:
            yield runner, working
        finally:
            runner.close()
