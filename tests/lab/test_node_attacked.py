"""A broker that keeps, reorders and replays what it carries; a node with a wrong clock, or without its state."""

import asyncio
import shutil
import threading
import time
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from provisioner.nodes.broker import issued
from provisioner.nodes.envelope import UNITS_SUBJECT
from tests.hostile import NODE
from tests.nodes.broker import BrokerServer
from tests.nodes.test_hostile_broker import dialled

from .carrier_node import CARRIER, RELAY, NodeOfTheLab, node_of_the_lab
from .deployment import Deployment
from .fingerprint import fingerprint
from .patience import stretched
from .test_rollout import fewer_cameras, host_in, until

pytestmark = [pytest.mark.lab, pytest.mark.soak]
_DAY_S: Final = 86400.0
_OWNER: Final = "owner"
_MEMORY: Final = "cd /var/lib/provisioner && sha256sum receipts/* epoch.json manifest.json"


@pytest.fixture
def node(deployment: Deployment, tmp_path: Path) -> Iterator[NodeOfTheLab]:
    with node_of_the_lab(deployment, tmp_path) as one:
        yield one


class BrokersOwner:
    """A person who runs the broker, and has each message that it carries."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, bytes]] = []
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()
        self._client: Client | None = None

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(stretched(20))

    async def _listen(self, broker: BrokerServer, listens: threading.Event) -> None:
        async def keep(message: Msg) -> None:
            self.kept.append((message.subject, message.data))

        async with dialled(broker, _OWNER, []) as client:
            await client.subscribe("provisioner.>", cb=keep)
            await client.flush()
            self._client = client
            listens.set()
            await self._over.wait()

    @contextmanager
    def at_work(self, broker: BrokerServer) -> Iterator[None]:
        """Keep all that comes, for a while."""
        listens = threading.Event()
        thread = threading.Thread(target=self._loop.run_until_complete, args=(self._listen(broker, listens),))
        thread.start()
        assert listens.wait(stretched(20))
        try:
            yield
        finally:
            self._loop.call_soon_threadsafe(self._over.set)
            thread.join(stretched(20))

    def send(self, messages: Iterable[tuple[str, bytes]]) -> None:
        """Send messages in this order."""

        async def sent() -> None:
            assert self._client is not None
            for subject, data in messages:
                await self._client.publish(subject, data)
            await self._client.flush()

        self._run(sent())


def opened(broker: BrokerServer) -> None:
    """Let the broker's owner take and send everything."""
    broker.write(_OWNER, issued(broker.authority, _OWNER, [], broker.made, 4))
    text = broker.configuration.read_text(encoding="utf-8")
    everything = f'  users: [\n    {{ user: "CN={_OWNER}" }}\n'
    broker.configuration.write_text(text.replace("  users: [\n", everything), encoding="utf-8")
    broker.end()
    broker.start()


@NODE
def test_a_broker_that_replays_a_change_to_a_node_without_its_state_changes_no_host(
    node: NodeOfTheLab, capsys: pytest.CaptureFixture[str]
) -> None:
    deployment, lab, owner = node.deployment, node.deployment.lab, BrokersOwner()
    opened(node.broker)
    node.start()
    with owner.at_work(node.broker):
        fewer_cameras(deployment)
        begun = time.time()
        assert host_in(deployment.document("apply", "--yes"), RELAY)["outcome"] == "applied"
        attacked = time.monotonic()
        after, memory = fingerprint(lab, RELAY), lab.exec(RELAY, ["sh", "-c", _MEMORY]).stdout
        sent, carried = list(owner.kept), node.journal.count(" is begun: ")
        units = [one for one in sent if one[0].startswith(UNITS_SUBJECT)]
        assert len(units) > 3
        owner.send([*reversed(sent), *sent])
        time.sleep(stretched(2))
        assert node.journal.count(" is begun: ") == carried

        # Installed anew: its list of begun units is new, too.
        node.stop()
        shutil.rmtree(node.state)
        node.start()
        owner.send(units)
        until(lambda: "is refused: it was " in node.journal, 20)
        assert " is begun: " not in node.journal

        # The same with its clock before the change: now the hosts alone know that it was made.
        node.stop()
        shutil.rmtree(node.state)
        node.start(ahead_s=begun - time.time() - 2)
        owner.send([*reversed(units), *units])
        until(lambda: " is begun: apply" in node.journal and " is begun: confirm" in node.journal, 20)
        until(lambda: node.journal.count(" is over") >= node.journal.count(" is begun: "), 30)
        assert " is over: " not in node.journal, node.journal
        assert fingerprint(lab, RELAY).differences(after) == []
        assert lab.exec(RELAY, ["sh", "-c", _MEMORY]).stdout == memory, node.journal

    node.stop()
    shutil.rmtree(node.state)
    for ahead_s, why in ((_DAY_S, "it was to be begun until "), (-_DAY_S, "it is of ")):
        node.start(ahead_s=ahead_s)
        done = deployment.run("drift", "--limit", f"host={RELAY}", check=False)
        assert done.returncode == 5
        assert f"the node of {CARRIER} refuses: {why}" in done.stderr, done.stderr + node.journal
        assert "by the node's clock it is " in done.stderr
        assert " is begun: " not in node.journal
    with capsys.disabled():
        print(f"a replayed change, and clocks a day off: {time.monotonic() - attacked:.1f} s")  # noqa: T201 (a figure)
