"""A country's hosts planned, applied and verified through two carriers' nodes, over a real broker."""

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network
from pathlib import Path
from tempfile import mkdtemp

import pytest

from provisioner.desired.limit import Limit
from provisioner.desired.spec import HostSpec
from provisioner.hosts.identity import HostKeyScans
from provisioner.hosts.runner import HostAnswer, HostCall, OpenRunner
from provisioner.nodes.controller import NodeRunner, RoutedRunner
from provisioner.nodes.envelope import CONTROLLER, ExchangeKey, PublicExchangeKey, new_exchange_key, node_name
from provisioner.nodes.jetstream import controller_mailbox, node_mailbox
from provisioner.nodes.node import ArtefactCache, Node, NodeParts, NodeRules, StartedUnits
from provisioner.operations.apply.apply import apply_plan
from provisioner.operations.apply.run import RunOptions
from provisioner.operations.pipeline.session import Session
from provisioner.operations.pipeline.stages import make_plan
from provisioner.operations.rollout.job import RolloutOptions
from provisioner.operations.rollout.result import HostOutcome
from provisioner.plan.change import Action
from tests.bench import fleet
from tests.nodes.broker import CARRIERS, PACE, BrokerServer, broker_of, server_program
from tests.simulated import SimulatedHosts

NETWORKS = (IPv4Network("198.18.0.0/15"),)
# A first plan changes more hosts than policy lets through unasked, and none of them has proved itself before.
ALLOW = {"hosts": 1_000, "trust": 1_000}
MOST_S_A_HOST = 2.0


@dataclass
class HostsBehind(OpenRunner):
    """Hosts in memory behind one end: each call is counted, and is answered as soon as it is there."""

    #: What they are: a node is not shown it, and hosts in memory describe themselves by it.
    specs: Mapping[str, HostSpec]
    hosts: SimulatedHosts = field(default_factory=SimulatedHosts)
    calls: Counter[tuple[str, str]] = field(default_factory=Counter)  #: By host and operation.

    def stream(self, calls: Sequence[HostCall], *, timeout_s: float) -> Iterator[HostAnswer]:
        """An answer for every call, in their order."""
        for call in calls:
            self.calls[call.spec.id, str(call.request["operation"])] += 1
            known = replace(call, spec=self.specs[call.spec.id])
            yield from self.hosts.call([known], timeout_s=timeout_s).values()

    @property
    def mediamtx(self) -> frozenset[str]:
        """The checksums of the programs that these hosts may get."""
        return frozenset(
            sha for spec in self.specs.values() if spec.media for sha in spec.media.artefact.sha256.values()
        )

    def did(self, operation: str) -> dict[str, int]:
        """How often each host was called for an operation."""
        return {host: number for (host, what), number in self.calls.items() if what == operation}


@contextmanager
def node_of(
    carrier: str, broker: BrokerServer, controller: PublicExchangeKey, hosts: HostsBehind, folder: Path
) -> Iterator[PublicExchangeKey]:
    """A carrier's node at work in a thread: its key."""
    key, stop = new_exchange_key(), threading.Event()
    mailbox = node_mailbox(broker.broker(node_name(carrier)), carrier)
    begun = StartedUnits(folder / f"begun-{carrier}", time.time())
    parts = NodeParts(
        mailbox=mailbox,
        key=key,
        controllers={controller.name: controller},
        rules=NodeRules(carrier, NETWORKS, mediamtx=hosts.mediamtx),
        begun=begun,
        runner=lambda: hosts,
        folder=lambda: Path(mkdtemp(dir=folder)),
        tell=lambda _line: None,
        artefacts=ArtefactCache(folder / f"artefacts-{carrier}"),
        scans=HostKeyScans({}),
    )
    thread = threading.Thread(target=Node(parts).run, args=(stop,), daemon=True)
    thread.start()
    try:
        yield key.public
    finally:
        stop.set()
        thread.join(30)
        mailbox.close()
        begun.close()


@dataclass
class TwoNodes:
    """A session whose relays are called by their carriers' nodes, and all hosts by who calls them."""

    session: Session
    behind: Mapping[str, HostsBehind]

    def host_ids(self, carrier: str) -> set[str]:
        """The hosts of one carrier alone."""
        return {spec.id for spec in self.session.state.hosts.values() if spec.carriers == (carrier,)}


@contextmanager
def two_nodes(folder: Path, relays: int, cameras: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[TwoNodes]:
    """An inventory with so many relays of each carrier, empty hosts, a broker and both nodes."""
    named = {carrier: [f"relay-{carrier}-{n}" for n in range(1, relays + 1)] for carrier in CARRIERS}
    monkeypatch.setattr(fleet, "_relays", lambda _cameras: named)
    root = folder / "inventory"
    fleet.generate(root, cameras, seed=1)
    environment = {
        "ANSIBLE_VAULT_PASSWORD_FILE": str(folder / fleet.PASSWORD_FILE),
        "PROVISIONER_ARTEFACTS": str(folder),
        "XDG_STATE_HOME": str(folder / "state"),
        "XDG_CACHE_HOME": str(folder / "cache"),
    }
    session = Session(root, environment, fleet.TODAY)
    behind = {name: HostsBehind(session.state.hosts) for name in (*CARRIERS, "here")}
    own: ExchangeKey = new_exchange_key()
    with ExitStack() as open_ends:
        broker = open_ends.enter_context(broker_of(folder))
        mailbox = controller_mailbox(broker.broker(CONTROLLER), CARRIERS)
        nodes = {
            carrier: open_ends.enter_context(node_of(carrier, broker, own.public, behind[carrier], folder))
            for carrier in CARRIERS
        }
        remote = NodeRunner(mailbox, own, nodes, PACE)
        runner = RoutedRunner(behind["here"], remote, CARRIERS)
        vars(session)["runner"] = runner
        open_ends.callback(runner.close)
        yield TwoNodes(session, behind)


def planned_and_applied(country: TwoNodes) -> str:
    """Plan and apply everything; each host ends with a receipt, and none is changed twice: what it took, in words."""
    begun = time.monotonic()
    planned = make_plan(country.session, Limit(), allow=ALLOW)
    every = {spec.id for spec in country.session.state.hosts.values()}
    assert planned.unreadable == {}
    assert set(planned.plan.hosts) == every
    planned_s = time.monotonic() - begun
    options = RunOptions(RolloutOptions(sleep=lambda _seconds: None))
    applied = apply_plan(country.session, planned, options=options)
    applied_s = time.monotonic() - begun - planned_s
    assert {result.outcome for result in applied.results} == {HostOutcome.APPLIED}
    assert {result.host for result in applied.results} == every
    assert not applied.remaining
    for name, behind in country.behind.items():
        own = country.host_ids(name) if name in CARRIERS else every - set().union(*map(country.host_ids, CARRIERS))
        # A carrier's hosts were called by its node and by nobody else.
        assert set(behind.hosts.hosts) == own
        assert behind.did("apply") == behind.did("confirm") == dict.fromkeys(own, 1)
        for host in behind.hosts.hosts.values():
            assert (host.writes, list(host.receipts.values())) == (1, [("applied", "")])
    again = make_plan(country.session, Limit(), allow=ALLOW)
    assert {change.action for change in again.plan.changes} == {Action.NOOP}
    hosts, paths = len(every), len(country.session.state.paths)
    return f"{hosts} hosts, {paths} paths: planned in {planned_s:.1f} s, applied in {applied_s:.1f} s"


@pytest.mark.skipif(not server_program(), reason="this machine has no nats-server")
def test_a_few_relays_are_planned_and_applied_by_two_nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with two_nodes(tmp_path, 2, 24, monkeypatch) as country:
        planned_and_applied(country)


@pytest.mark.soak
@pytest.mark.skipif(not server_program(), reason="this machine has no nats-server")
def test_130_relays_are_planned_and_applied_through_two_nodes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    begun = time.process_time()
    with two_nodes(tmp_path, 65, 13_000, monkeypatch) as country:
        said = planned_and_applied(country)
    taken = time.process_time() - begun
    with capsys.disabled():
        print(f"\n{said}; {taken:.0f} s of CPU, with the hosts in memory and the inventory")  # noqa: T201 (figures)
    assert taken < MOST_S_A_HOST * 131
