"""What a person is told where the way to a carrier's hosts is broken, how soon, and what becomes of the hosts."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from time import sleep
from types import SimpleNamespace
from typing import Final

import pytest

from provisioner.hosts.runner import CallOutcome
from provisioner.nodes import controller, jetstream
from provisioner.nodes.broker import issued, new_authority
from provisioner.nodes.envelope import CONTROLLER, node_name
from provisioner.operations.rollout import job
from provisioner.operations.rollout.job import CONFIRM_S
from tests.hostile import NODE
from tests.lab.patience import stretched
from tests.nodes.broker import BrokerServer, may_have_disks
from tests.nodes.carrying import CountingHosts, call_of, host_of
from tests.nodes.own_process import waited
from tests.nodes.served_hosts import HostTimes
from tests.nodes.two_carriers import Carriers, built, two_carriers

SPEED: Final = 20.0
TIMES: Final = HostTimes(before=0.02, held_up=0.02, after=0.02, confirm=CONFIRM_S / SPEED)
NOT_READ: Final = 5
SOON_S: Final = 6.0  #: On a quiet machine: what is promised are five seconds and the start of a command.
RELAYS: Final = frozenset(f"relay-{carrier}-{number}" for carrier in ("viettel", "vnpt") for number in (1, 2, 3))
OF_VNPT: Final = frozenset(relay for relay in RELAYS if "vnpt" in relay)


@dataclass
class Told:
    """What a command told, and after how many seconds."""

    code: int
    text: str
    seconds: float


def told(carriers: Carriers, *words: str) -> Told:
    """Call the controller's program."""
    log, begun = carriers.folder / "controller.log", time.monotonic()
    log.unlink(missing_ok=True)
    code = waited(carriers.begin(*words))
    return Told(code, log.read_text(encoding="utf-8"), time.monotonic() - begun)


@pytest.fixture
def carriers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Carriers]:
    (tmp_path / "site").mkdir()
    terminal = built(tmp_path / "site", monkeypatch, capsys)
    with two_carriers(terminal, monkeypatch, TIMES, 1) as both:
        yield both


@contextmanager
def changed(file: Path, old: str, new: str) -> Iterator[None]:
    """Have another text in a file for a while."""
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")
    try:
        yield
    finally:
        file.write_text(text, encoding="utf-8")


@contextmanager
def broken(carriers: Carriers, how: str) -> Iterator[None]:
    """Break the way in one of several manners, and mend it."""
    broker, nodes, now = carriers.broker, carriers.folder / "nodes.toml", datetime.now(UTC)
    match how:
        case "down" | "no jetstream":
            text = broker.configuration.read_text()
            broker.end()
            if how == "no jetstream":
                broker.configuration.write_text(text[: text.index("jetstream {")] + text[text.index("tls {") :])
                broker.start()
            yield
            broker.end()
            broker.configuration.write_text(text)
            broker.start()
        case "another authority":
            (carriers.folder / "other.pem").write_text(new_authority(now).certificate)
            with changed(nodes, f"{broker.folder}/ca.pem", "other.pem"):
                yield
        case _:
            broker.write("somebody", issued(broker.authority, "somebody", [], now, 2))
            with changed(nodes, f"{broker.folder}/{CONTROLLER}.", f"{broker.folder}/somebody."):
                yield


WAYS: Final = {
    "down": "is not reached: Connection refused",
    "no jetstream": "has no JetStream, or not the streams of provisioner",
    "another authority": "is not the one that the file names: CERTIFICATE_VERIFY_FAILED",
    "another name": "is not reached: nats: 'Authorization Violation'",
}


@NODE
def test_a_way_that_is_broken_is_said_within_seconds_and_nothing_is_half_done(carriers: Carriers) -> None:
    carriers.edit()
    place = f"the broker 127.0.0.1:{carriers.broker.port} "
    for how, said in WAYS.items():
        with broken(carriers, how):
            for words in (
                ("plan", "--allow", "trust=99"),
                ("apply", "--yes", "--allow", "trust=99", "--limit", "carrier=vnpt"),
            ):
                one = told(carriers, *words)
                assert one.code == NOT_READ, one
                assert one.seconds < stretched(SOON_S), one
                assert f"{place}{said}" in one.text, one
                assert "see whether the broker runs, and whether the certificates and the addresses" in one.text
    _, events = carriers.hosts.told()
    assert {event.host for event in events} <= {"centre-hn"}
    done = told(carriers, "apply", "--yes", "--allow", "trust=99")
    assert (done.code, "a fresh plan is empty" in done.text) == (0, True), (done, carriers.logs())


def test_a_node_that_is_down_hides_no_other_carrier_and_begins_nothing_later(carriers: Carriers) -> None:
    carriers.edit()
    carriers.kill_node("vnpt")
    done = told(carriers, "apply", "--yes", "--allow", "trust=99")
    assert done.code == NOT_READ
    assert "the node of vnpt did not take it within 10 s, and will not begin it any more" in done.text
    assert (
        "see whether the node of vnpt runs and reaches the broker: systemctl status provisioner-node@vnpt" in done.text
    )
    _, events = carriers.hosts.told()
    assert {event.host for event in events if event.kind == "applied"} == {"centre-hn", *RELAYS - OF_VNPT}
    # What lay at the broker meanwhile is too old for the node that comes back.
    carriers.start_node("vnpt")
    done = told(carriers, "apply", "--yes", "--allow", "trust=99")
    assert done.code == 0, (done, carriers.logs())
    log = (carriers.folder / "node-vnpt.log").read_text(encoding="utf-8")
    assert "is refused: it was to be begun until " in log
    assert log.index("is refused: ") < log.index("is begun: ")


@pytest.mark.parametrize("minutes", [4, pytest.param(10, marks=pytest.mark.soak)])
def test_a_network_that_is_cut_between_a_wave_and_its_confirmation_leaves_hosts_as_they_were(
    carriers: Carriers, monkeypatch: pytest.MonkeyPatch, minutes: int
) -> None:
    # Whoever waits here has so many more seconds than the clock.
    quick = SimpleNamespace(
        monotonic=lambda: SPEED * time.monotonic(), time=time.time, sleep=lambda s: sleep(s / SPEED)
    )
    assert told(carriers, "drift").code == 0
    carriers.edit()
    log = carriers.folder / "controller.log"
    log.unlink(missing_ok=True)
    with monkeypatch.context() as patch:
        patch.setattr(job, "time", quick)
        patch.setattr(controller, "time", quick)
        patch.setattr(jetstream, "_SEND_S", 0.5)
        process = carriers.begin("apply", "--yes", "--allow", "trust=99")
    while not (begun := [event for event in carriers.hosts.told()[1] if event.kind == "armed"]):
        sleep(0.01)
    with carriers.broker.frozen():
        cut = time.monotonic()
        code = waited(process)
        text = log.read_text(encoding="utf-8")
        sleep(max(0.0, 60 * minutes / SPEED - (time.monotonic() - cut)))
    assert code == NOT_READ, text
    assert "no new connection after the change; the host returns to last-good by itself: " in text
    assert "what became of it is not known: " in text
    assert "once it answers, plan and apply again" in text
    hosts, events = carriers.hosts.told()
    ends = {event.host: (event.kind, event.cause) for event in events if event.kind != "armed"}
    assert set(ends) >= {event.host for event in begun}
    assert set(ends.values()) == {("rolled-back", "nobody confirmed")}, events
    assert not [name for name, host in hosts.items() if host.armed]
    # What was on its way when the network came back is too late for everybody.
    sleep(1)
    assert carriers.hosts.told()[1] == events
    done = told(carriers, "apply", "--yes", "--allow", "trust=99")
    assert (done.code, "a fresh plan is empty" in done.text) == (0, True), (done, carriers.logs())


@NODE
def test_a_node_with_another_ones_certificate_gets_nothing_and_its_people_are_told(carriers: Carriers) -> None:
    file, log = carriers.folder / "vnpt/node.toml", carriers.folder / "node-vnpt.log"
    carriers.kill_node("vnpt")
    log.unlink(missing_ok=True)
    its, others = (f"{carriers.broker.folder}/{node_name(carrier)}." for carrier in ("vnpt", "viettel"))
    with changed(file, its, others):
        carriers.start_node("vnpt")
        assert told(carriers, "plan", "--limit", "carrier=vnpt").code == NOT_READ
    carriers.kill_node("vnpt")
    lines = log.read_text(encoding="utf-8").splitlines()
    (said,) = (line for line in lines if "does not let node-vnpt do what it has to: " in line)
    assert "permissions violation" in said.lower()
    assert len(lines) == 2, lines


@pytest.mark.skipif(not may_have_disks(), reason="no process may have a disk of its own here")
@pytest.mark.parametrize(("size", "said"), [(16, "has no room: "), (300_000, "")])
def test_a_broker_whose_disk_is_full_says_so_and_is_used_again(tmp_path: Path, size: int, said: str) -> None:
    hosts, broker = CountingHosts(), BrokerServer(tmp_path / "broker")
    broker.has_small_disk = True
    broker.start()
    call = replace(call_of(host_of(1), 2), files={"nft": bytes(size)})
    with broker.both_ends(hosts=hosts) as (runner, _):
        assert runner.call([call_of(host_of(1), 1)], timeout_s=20)["relay-1"].outcome is CallOutcome.ANSWERED
        with broker.full_disk():
            begun = time.monotonic()
            answer = runner.call([call], timeout_s=20)["relay-1"]
            assert time.monotonic() - begun < stretched(SOON_S)
        assert answer.outcome is CallOutcome.UNREACHABLE
        assert answer.error.startswith(f"the broker 127.0.0.1:{broker.port} {said}")
        assert "make room" in answer.hint
        assert "store_dir" in answer.hint
        # Debian's may hang where a part of a message was written; it is killed, and its disk is a new one.
        broker.end(signal.SIGKILL)
        broker.start()
        until = time.monotonic() + 30
        while (one := runner.call([call_of(host_of(1), 3)], timeout_s=20))["relay-1"].error:
            assert time.monotonic() < until, one
    broker.end()
    assert hosts.done == {("relay-1", 1): 1, ("relay-1", 3): 1}
