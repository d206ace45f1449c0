"""A node of one carrier that wants the other's, somebody without a certificate, and whoever has the broker's disk."""

import asyncio
import signal
import ssl
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import nats
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from provisioner.hosts.runner import CallOutcome
from provisioner.nodes.broker import issued, new_authority
from provisioner.nodes.controller import NodePace, NodeRunner
from provisioner.nodes.envelope import (
    API,
    CONTROLLER,
    DOMAIN,
    PART_BYTES,
    REPORTS,
    UNITS,
    cut,
    new_exchange_key,
    node_name,
)
from provisioner.nodes.jetstream import JetStreamMailbox, MailboxError, controller_mailbox, node_mailbox
from tests.hostile import NODE
from tests.lab.patience import stretched
from tests.nodes.broker import CARRIERS, BrokerServer, broker_of
from tests.nodes.carrying import CountingHosts, call_of, host_of

CANARY: Final = "canary-of-a-camera-4242"
WAIT_S: Final = 1.0


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[BrokerServer]:
    with broker_of(tmp_path) as server:
        yield server


@asynccontextmanager
async def dialled(broker: BrokerServer, name: str, refused: list[str]) -> AsyncIterator[Client]:
    """A connection with an end's certificate, and what the broker refuses of what is asked over it."""
    one = broker.broker(name)
    context = ssl.create_default_context(cafile=str(one.ca))
    context.load_cert_chain(str(one.certificate), str(one.certificate_key))

    async def keep(error: Exception) -> None:
        refused.append(str(error))

    client = await nats.connect(one.url, tls=context, error_cb=keep, inbox_prefix=f"_INBOX.{name}", connect_timeout=5)
    try:
        yield client
    finally:
        await client.close()


@NODE
def test_a_node_neither_reads_nor_writes_what_is_another_carriers(broker: BrokerServer) -> None:
    hosts = CountingHosts()
    with broker.both_ends(hosts=hosts) as (runner, _):
        assert runner.call([call_of(host_of(1))], timeout_s=20)["relay-1"].outcome is CallOutcome.ANSWERED
        refused: list[str] = []
        came = asyncio.run(_tried(broker, refused))
        # All that was tried changed nothing for the one whose it is.
        assert runner.call([call_of(host_of(2))], timeout_s=20)["relay-2"].outcome is CallOutcome.ANSWERED
    assert came == []
    kinds = [sum(f"violation for {kind}" in one.lower() for one in refused) for kind in ("subscription", "publish")]
    assert kinds == [len(SUBSCRIBED), len(PUBLISHED)], refused
    sys.stderr.write(f"a node of another carrier: {sum(kinds)} tries, all refused by the broker\n")


_OTHER: Final = node_name("vnpt")
SUBSCRIBED: Final = (
    "provisioner.units.vnpt",
    "provisioner.units.*",
    "provisioner.>",
    "provisioner.reports.*.*",
    "_INBOX.controller.>",
    f"_INBOX.{_OTHER}.>",
    ">",
    "$JS.>",
    "$JS.EVENT.>",
)
_ASKED: Final = (
    f"CONSUMER.MSG.NEXT.{UNITS}.{_OTHER}",
    f"CONSUMER.MSG.NEXT.{REPORTS}.controller-1",
    f"CONSUMER.INFO.{UNITS}.{_OTHER}",
    f"CONSUMER.CREATE.{UNITS}",
    f"CONSUMER.DURABLE.CREATE.{UNITS}.mine",
    f"CONSUMER.DELETE.{UNITS}.{_OTHER}",
    f"CONSUMER.NAMES.{UNITS}",
    f"STREAM.INFO.{UNITS}",
    f"STREAM.MSG.GET.{UNITS}",
    f"DIRECT.GET.{REPORTS}",
    f"STREAM.UPDATE.{UNITS}",
    f"STREAM.PURGE.{UNITS}",
    f"STREAM.DELETE.{REPORTS}",
    "STREAM.CREATE.MINE",
    "STREAM.NAMES",
    "INFO",
)
PUBLISHED: Final = (
    "provisioner.units.vnpt",
    "provisioner.units.viettel",
    "provisioner.reports.vnpt.controller-1",
    "_INBOX.controller.1",
    f"$JS.ACK.{UNITS}.{_OTHER}.1.1.1.1.1",
    *(f"{api}.{asked}" for api in ("$JS.API", API) for asked in _ASKED),
)


async def _tried(broker: BrokerServer, refused: list[str]) -> list[bytes]:
    came: list[bytes] = []

    async def keep(message: Msg) -> None:
        came.append(message.data)

    async with dialled(broker, node_name("viettel"), refused) as client:
        for subject in SUBSCRIBED:
            await client.subscribe(subject, cb=keep)
        for subject in PUBLISHED:
            await client.publish(subject, b"forged", reply=f"_INBOX.{node_name('viettel')}.1")
        await client.flush()
        await asyncio.sleep(WAIT_S)
    return came


@NODE
def test_half_messages_of_one_node_displace_no_part_of_anothers(broker: BrokerServer) -> None:
    controller, message = controller_mailbox(broker.broker(CONTROLLER), CARRIERS), bytes(range(256)) * 5000
    assert controller.receive(0.1) is None

    async def send() -> None:
        first, *rest = cut(message)
        flood = [next(cut(bytes(PART_BYTES + 1))) for _ in range(40)]
        async with dialled(broker, node_name("viettel"), []) as own, dialled(broker, node_name("vnpt"), []) as other:
            for client, carrier, parts in (own, "viettel", [first]), (other, "vnpt", flood), (own, "viettel", rest):
                stream = client.jetstream(domain=DOMAIN)
                for part in parts:
                    await stream.publish(f"provisioner.reports.{carrier}.{controller.own}", part)

    asyncio.run(send())
    assert controller.receive(20) == message
    controller.close()


@NODE
def test_what_lies_at_the_broker_and_in_its_log_tells_nobody_a_secret(broker: BrokerServer) -> None:
    hosts = CountingHosts()
    with broker.both_ends(hosts=hosts) as (runner, working):
        host = replace(host_of(1), identity=type(host_of(1).identity)(f"{CANARY}-identity"))
        call = replace(call_of(host, 1), files={"nft": CANARY.encode()})
        call = replace(call, request={**call.request, "units": [f"provisioner-{CANARY.lower()}.service"]})
        assert runner.call([call], timeout_s=20)["relay-1"].outcome is CallOutcome.ANSWERED
        assert hosts.calls[0].files == {"nft": CANARY.encode()}
        lines = "\n".join(working.lines)
    broker.end()
    stored = b"".join(file.read_bytes() for file in broker.folder.rglob("*") if file.is_file())
    assert b"provisioner.reports.vnpt." in stored, "nothing was stored"
    assert CANARY.encode() not in stored
    assert CANARY not in lines


@NODE
@pytest.mark.parametrize("kind", ["none", "another authority's", "another name's"])
def test_who_has_no_certificate_of_the_broker_gets_nowhere(broker: BrokerServer, kind: str) -> None:
    now, one = datetime.now(UTC), broker.broker(CONTROLLER)
    match kind:
        case "none":
            one = replace(one, certificate=None, certificate_key=None)
        case "another authority's":
            broker.write("false", issued(new_authority(now), CONTROLLER, [], now, 2))
            one = broker.broker("false")
        case _:
            broker.write("false", issued(broker.authority, "somebody", [], now, 2))
            one = broker.broker("false")
    mailbox = controller_mailbox(one, ["vnpt"])
    begun = time.monotonic()
    with pytest.raises(MailboxError, match=r"the broker 127\.0\.0\.1:\d+ "):
        mailbox.send("vnpt", b"let me in")
    assert time.monotonic() - begun < stretched(15)
    mailbox.close()


@NODE
def test_a_broker_with_a_false_certificate_is_told_nothing(broker: BrokerServer, tmp_path: Path) -> None:
    (tmp_path / "other.pem").write_text(new_authority(datetime.now(UTC)).certificate)
    mailbox = controller_mailbox(replace(broker.broker(CONTROLLER), ca=tmp_path / "other.pem"), ["vnpt"])
    with pytest.raises(MailboxError, match="is not the one that the file names: CERTIFICATE_VERIFY_FAILED"):
        mailbox.send("vnpt", b"units")
    mailbox.close()


@pytest.mark.parametrize(("days", "said"), [(1.0, "certificate is not yet valid"), (-9.0, "certificate has expired")])
def test_a_certificate_out_of_its_time_names_the_clock(broker: BrokerServer, days: float, said: str) -> None:
    places = [broker.place, "localhost"]
    broker.write("broker", issued(broker.authority, "broker", places, datetime.now(UTC) + timedelta(days=days), 2))
    broker.end()
    broker.start()
    mailbox = controller_mailbox(broker.broker(CONTROLLER), ["vnpt"])
    with pytest.raises(
        MailboxError, match=rf"the broker 127\.0\.0\.1:\d+ shows no valid certificate: {said}"
    ) as failure:
        mailbox.send("vnpt", b"units")
    assert "see whether this machine's clock is right" in (failure.value.hint or "")
    mailbox.close()


def test_a_broker_without_jetstream_is_called_that(broker: BrokerServer) -> None:
    broker.end()
    text = broker.configuration.read_text()
    broker.configuration.write_text(text[: text.index("jetstream {")] + text[text.index("tls {") :])
    broker.start()
    mailbox = controller_mailbox(broker.broker(CONTROLLER), ["vnpt"])
    with pytest.raises(MailboxError, match="has no JetStream, or not the streams of provisioner"):
        mailbox.send("vnpt", b"units")
    mailbox.close()


def test_a_broker_that_is_down_is_said_within_seconds_and_is_used_again(broker: BrokerServer) -> None:
    hosts = CountingHosts()
    with broker.both_ends(hosts=hosts) as (runner, working):
        assert runner.call([call_of(host_of(1), 1)], timeout_s=20)["relay-1"].outcome is CallOutcome.ANSWERED
        broker.end(signal.SIGKILL)
        begun = time.monotonic()
        answer = runner.call([call_of(host_of(1), 2)], timeout_s=20)["relay-1"]
        assert time.monotonic() - begun < stretched(10)
        assert answer.outcome is CallOutcome.UNREACHABLE
        assert answer.error.startswith(f"the broker 127.0.0.1:{broker.port} ")
        time.sleep(max(0.0, 10 - (time.monotonic() - begun)))
        assert not any("the broker is reached again" in line for line in working.lines)
        broker.start()
        until = time.monotonic() + 30
        while (one := runner.call([call_of(host_of(1), 3)], timeout_s=20))["relay-1"].error:
            assert time.monotonic() < until, one
        assert any("the broker is reached again" in line for line in working.lines)
    assert hosts.done["relay-1", 3] == 1


def test_a_broker_that_dies_while_hosts_are_called_and_stays_down_is_the_cause(broker: BrokerServer) -> None:
    with broker.both_ends(hosts=CountingHosts(takes_s=2.0)) as (runner, _):
        answers = runner.stream([call_of(host_of(n)) for n in range(3)], timeout_s=3)
        assert next(answers).outcome is CallOutcome.ANSWERED
        broker.end(signal.SIGKILL)
        for answer in answers:
            assert answer.error.startswith(f"the broker 127.0.0.1:{broker.port} ")
            assert "see whether it runs" in answer.hint


def test_a_broker_that_dies_while_hosts_are_called_costs_no_answer(broker: BrokerServer) -> None:
    hosts = CountingHosts(takes_s=2.0)
    with broker.both_ends(hosts=hosts) as (runner, _):
        answers = runner.stream([call_of(host_of(n)) for n in range(3)], timeout_s=60)
        assert next(answers).outcome is CallOutcome.ANSWERED
        broker.end(signal.SIGKILL)
        time.sleep(2)
        broker.start()
        assert [answer.outcome for answer in answers] == [CallOutcome.ANSWERED] * 2
    assert set(hosts.done.values()) == {1}


def test_a_node_that_is_there_before_any_controller_takes_the_first_unit(broker: BrokerServer) -> None:
    key, mailbox = new_exchange_key(), node_mailbox(broker.broker(node_name("vnpt")), "vnpt")
    assert not _comes(mailbox, 1.0)
    runner = NodeRunner(broker.controller(), key, {"vnpt": key.public}, NodePace(begin=5.0, ask=1.0, margin=1.0))
    runner.call([call_of(host_of(1))], timeout_s=1)
    assert _comes(mailbox)
    runner.close()
    mailbox.close()


def _comes(mailbox: JetStreamMailbox, seconds: float = 15.0) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            if mailbox.receive(0.5) is not None:
                return True
        except MailboxError:
            time.sleep(0.1)
    return False
