"""A broker in a carrier's own network that dials out to the controller's (docs/operate/scale.md has both files).

Its owner may do with it what he likes: what gets through is what his certificate allows at the other one.
"""

import asyncio
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import nats
import pytest
from nats.aio.msg import Msg

from provisioner.hosts.runner import CallOutcome
from provisioner.nodes.controller import NodeRunner
from provisioner.nodes.envelope import new_exchange_key, node_name
from provisioner.nodes.jetstream import node_mailbox
from tests.hostile import NODE
from tests.nodes.broker import PACE, BrokerServer
from tests.nodes.carrying import CountingHosts, call_of, host_of, node_at_work
from tests.nodes.test_hostile_broker import PUBLISHED, SUBSCRIBED, WAIT_S
from tests.processes import free_port

PAGE: Final = Path(__file__).parents[2] / "docs/operate/scale.md"
_PORT: Final = 7422
_OF_HUB, _OF_LEAF = "/etc/provisioner-broker/", "/etc/provisioner-broker/hub/"


def documented(words: str) -> str:
    """The part of a broker's file that the page has and that has such words in it."""
    blocks = re.findall(r"^ *```\n(.*?)^ *```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (block,) = (block for block in blocks if block.lstrip().startswith("leafnodes {") and words in block)
    return str(block)


class Hub(BrokerServer):
    """The controller's broker, to which others dial in."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.leaf_port = free_port()
        own = documented("listen:").replace(f"[::]:{_PORT}", f"127.0.0.1:{self.leaf_port}")
        text = self.configuration.read_text() + own.replace(_OF_HUB, f"{folder}/")
        self.configuration.write_text(text)

    def leaf(self, folder: Path, end: str, *, trusts_all: bool = False) -> BrokerServer:
        """A carrier's broker, known here as some end; one that trusts all asks nobody who he is."""
        leaf = BrokerServer(folder)
        text = leaf.configuration.read_text()
        before, after = text.split("jetstream {")
        text = before + after.partition("}\n")[2]
        remote = documented("remotes:").replace("node-vnpt", end).replace(_OF_LEAF, f"{self.folder}/")
        remote = remote.replace(f"broker.example.com:{_PORT}", f"127.0.0.1:{self.leaf_port}")
        text = f'listen: "127.0.0.1:{leaf.port}"\n' if trusts_all else text
        leaf.configuration.write_text(text + remote)
        return leaf


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    broker = Hub(tmp_path / "hub")
    broker.start()
    yield broker
    broker.end()


def test_a_node_works_by_its_carriers_own_broker_also_when_that_dies(hub: Hub, tmp_path: Path) -> None:
    leaf, hosts, key = hub.leaf(tmp_path / "leaf", node_name("vnpt")), CountingHosts(), new_exchange_key()
    leaf.start()
    mailbox = node_mailbox(leaf.broker(node_name("vnpt")), "vnpt")
    with node_at_work(mailbox, [key], tmp_path, hosts=hosts) as working:
        runner = NodeRunner(hub.controller(), key, {"vnpt": working.key.public}, PACE)
        for number in range(4):
            call = call_of(host_of(1), number)
            assert runner.call([call], timeout_s=20)["relay-1"].outcome is CallOutcome.ANSWERED
            if number == 1:
                leaf.end(signal.SIGKILL)
                leaf.start()
            if number == 2:
                hub.end(signal.SIGKILL)
                hub.start()
                until = time.monotonic() + 30
                while runner.call([call_of(host_of(2), 9)], timeout_s=20)["relay-2"].error:
                    assert time.monotonic() < until
        runner.close()
    mailbox.close()
    leaf.end()
    assert set(hosts.done.values()) == {1}


@NODE
def test_a_carriers_broker_lets_its_owner_do_nothing_with_what_is_another_ones(hub: Hub, tmp_path: Path) -> None:
    leaf, hosts = hub.leaf(tmp_path / "leaf", node_name("viettel"), trusts_all=True), CountingHosts()
    leaf.start()
    with hub.both_ends(hosts=hosts) as (runner, working):
        assert runner.call([call_of(host_of(1), 1)], timeout_s=20)["relay-1"].outcome is CallOutcome.ANSWERED
        came = asyncio.run(_tried(leaf, lambda: runner.call([call_of(host_of(2), 2)], timeout_s=20)))
        assert runner.call([call_of(host_of(3), 3)], timeout_s=20)["relay-3"].outcome is CallOutcome.ANSWERED
        assert not [line for line in working.lines if "passed over" in line]
    leaf.end()
    hub.end()
    assert came == []
    stored = b"".join(file.read_bytes() for file in hub.store.rglob("*") if file.is_file())
    assert b"provisioner.reports.vnpt." in stored, "nothing was stored"
    assert b"forged" not in stored
    assert hosts.done == {("relay-1", 1): 1, ("relay-2", 2): 1, ("relay-3", 3): 1}


async def _tried(leaf: BrokerServer, meanwhile: Callable[[], object]) -> list[bytes]:
    """Try at a carrier's broker what another carrier's node may not: what comes of it."""
    came: list[bytes] = []

    async def keep(message: Msg) -> None:
        # One's own words are heard at one's own broker.
        came.extend([message.data] if message.data != b"forged" else [])

    client = await nats.connect(f"nats://127.0.0.1:{leaf.port}", connect_timeout=5)
    for subject in SUBSCRIBED:
        await client.subscribe(subject, cb=keep)
    for subject in PUBLISHED:
        await client.publish(subject, b"forged", reply=f"_INBOX.{node_name('viettel')}.1")
    await client.flush()
    await asyncio.to_thread(meanwhile)
    await asyncio.sleep(WAIT_S)
    await client.close()
    return came
