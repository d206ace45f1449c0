"""A node: each unit once, in time, for whom it believes, and only what its own file allows."""

import hashlib
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv6Network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.base.text import HostName
from provisioner.hosts.call_target import TargetHost
from provisioner.hosts.identity import SHOW_KEY
from provisioner.hosts.runner import CallOutcome, HostAnswer, HostCall, ShellScript
from provisioner.inventory.model.hosts import JumpHost, Ssh
from provisioner.nodes import controller as controller_module
from provisioner.nodes import node as node_module
from provisioner.nodes.broker import broker_status_line
from provisioner.nodes.controller import NodePace, NodeRunner
from provisioner.nodes.envelope import new_exchange_key
from provisioner.nodes.node import ArtefactCache, NodeRules, version_gap
from provisioner.nodes.unit import CarriedCall, pack_unit, unit_in
from tests.hostile import NODE
from tests.lab.patience import stretched
from tests.nodes.carrying import (
    HOST_KEY,
    NETWORK,
    QUICK,
    RULES,
    CountingHosts,
    apply_of,
    both_ends,
    call_of,
    host_of,
    look_request,
    naming,
    node_at_work,
)
from tests.nodes.mailboxes import MemoryMailbox, Post


@NODE
def test_a_unit_that_is_sent_again_is_not_carried_again(tmp_path: Path) -> None:
    post, hosts = Post(), CountingHosts()
    with both_ends(post, tmp_path, hosts=hosts) as (runner, working):
        runner.call([call_of(host_of(1))], timeout_s=5)
        sent = list(post.seen)
        for part in sent:
            post.put("vnpt", part)
        # Put together anew, the same envelopes in other parts.
        again = MemoryMailbox(post, "eavesdropper")
        for part in sent:
            post.put("eavesdropper", part)
        while (message := again.receive(0.1)) is not None:
            again.send("vnpt", message)
        time.sleep(1)
        assert runner.call([call_of(host_of(2))], timeout_s=5)["relay-2"].outcome is CallOutcome.ANSWERED
        assert sum("is begun" in line for line in working.lines) == 2
    assert set(hosts.done.values()) == {1}


@NODE
def test_a_node_that_was_started_anew_carries_nothing_that_it_has_begun(tmp_path: Path) -> None:
    post, hosts, key, own = Post(), CountingHosts(takes_s=0.3), new_exchange_key(), new_exchange_key()
    runner = NodeRunner(MemoryMailbox(post, "controller-1"), key, {"vnpt": own.public}, QUICK)
    answers = list[HostAnswer]()
    asking = threading.Thread(
        target=lambda: answers.extend(runner.stream([call_of(host_of(n)) for n in range(3)], timeout_s=10))
    )
    with node_at_work(MemoryMailbox(post, "vnpt"), [key], tmp_path, key=own, hosts=hosts) as first:
        asking.start()
        while not first.hosts.done:
            time.sleep(0.01)
        sent = list(post.seen)
    done = sum(hosts.done.values())
    with node_at_work(MemoryMailbox(post, "vnpt"), [key], tmp_path, key=own, hosts=hosts) as second:
        for part in sent:
            post.put("vnpt", part)
        asking.join(30)
        time.sleep(0.5)
        assert not [line for line in second.lines if "is begun" in line]
    runner.close()
    assert sum(hosts.done.values()) == done
    assert len(answers) == 3


def again(post: Post, sent: Sequence[bytes]) -> None:
    """Send the same envelopes again, in other parts."""
    keeper = MemoryMailbox(post, "keeper")
    for part in sent:
        post.put("keeper", part)
    while (message := keeper.receive(0.1)) is not None:
        keeper.send("vnpt", message)


@NODE
@pytest.mark.parametrize("days", [1.5, 400.0])
def test_a_unit_that_was_kept_for_days_is_not_carried_again_by_a_clock_that_was_set_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: float
) -> None:
    post, hosts, ahead_s, real = Post(), CountingHosts(), [0.0], time.time
    monkeypatch.setattr(time, "time", lambda: real() + ahead_s[0])
    with both_ends(post, tmp_path, hosts=hosts) as (runner, working):
        runner.call([call_of(host_of(1))], timeout_s=5)
        sent = list(post.seen)
        ahead_s[0] = days * 86400
        runner.call([call_of(host_of(2))], timeout_s=5)
        ahead_s[0] = 0.0
        again(post, sent)
        later = runner.call([call_of(host_of(3))], timeout_s=5)["relay-3"]
    assert {host for host, _ in hosts.done.elements()} == {"relay-1", "relay-2"}
    assert later.outcome is CallOutcome.UNREACHABLE
    assert "the node last began one by a clock" in later.error
    assert sum("is begun" in line for line in working.lines) == 2


@NODE
@pytest.mark.parametrize("is_emptied", [False, True], ids=["no list", "an empty list"])
def test_a_node_installed_anew_begins_nothing_that_was_sent_before(tmp_path: Path, *, is_emptied: bool) -> None:
    post, key, own = Post(), new_exchange_key(), new_exchange_key()
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    if is_emptied:
        (tmp_path / "second/begun").touch()
    runner = NodeRunner(MemoryMailbox(post, "controller-1"), key, {"vnpt": own.public}, QUICK)
    with node_at_work(MemoryMailbox(post, "vnpt"), [key], tmp_path / "first", key=own):
        runner.call([call_of(host_of(1))], timeout_s=5)
        sent = list(post.seen)
    # Within the seconds in which it may begin: a container without its volume starts as fast.
    for _ in ("installed anew", "started once more"):
        with node_at_work(MemoryMailbox(post, "vnpt"), [key], tmp_path / "second", key=own) as second:
            again(post, sent)
            time.sleep(0.5)
        assert not second.hosts.done, second.lines
        assert sum("is refused: it was sent before" in line for line in second.lines) == 1, second.lines
    time.sleep(1.0)
    with node_at_work(MemoryMailbox(post, "vnpt"), [key], tmp_path / "second", key=own) as second:
        assert runner.call([call_of(host_of(2))], timeout_s=5)["relay-2"].outcome is CallOutcome.ANSWERED
    runner.close()


class MuteMailbox(MemoryMailbox):
    """The end of a node whose messages get nowhere."""

    def send(self, to: str, message: bytes) -> None:
        """Lose it."""


def test_a_controller_that_asks_for_what_a_dead_node_has_begun_is_told_so(tmp_path: Path) -> None:
    post, key, own = Post(), new_exchange_key(), new_exchange_key()
    runner = NodeRunner(MemoryMailbox(post, "controller-1"), key, {"vnpt": own.public}, QUICK)
    hosts, came = CountingHosts(takes_s=1.0), list[HostAnswer]()
    asking = threading.Thread(target=lambda: came.extend(runner.stream([call_of(host_of(1))], timeout_s=20)))
    with node_at_work(MuteMailbox(post, "vnpt"), [key], tmp_path, key=own, hosts=hosts) as first:
        asking.start()
        while not any("is begun" in line for line in first.lines):
            time.sleep(0.01)
    with node_at_work(MemoryMailbox(post, "vnpt"), [key], tmp_path, key=own):
        asking.join(20)
    runner.close()
    (answer,) = came
    assert answer.outcome is CallOutcome.UNREACHABLE
    assert "only the host knows" in answer.error


@NODE
@pytest.mark.parametrize("until", [-1.0, 500.0])
def test_what_comes_late_or_counts_too_long_is_not_begun_and_its_clock_told(tmp_path: Path, until: float) -> None:
    hosts = CountingHosts()
    # The refusal is waited for: with `ask` above the seconds of a loaded machine the runner gives up only after it.
    with both_ends(Post(), tmp_path, hosts=hosts, pace=replace(QUICK, begin=until, ask=30.0)) as (runner, _):
        answer = runner.call([call_of(host_of(1))], timeout_s=60)["relay-1"]
    assert not hosts.done
    assert answer.outcome is CallOutcome.UNREACHABLE
    assert "by the node's clock it is" in answer.error
    assert "see whether the clocks agree" in answer.error
    assert "the node of vnpt refuses: " in answer.error
    assert answer.hint == "", "that it runs is known"


def test_without_a_node_a_unit_is_given_up_and_never_begun_later(tmp_path: Path) -> None:
    post, key, own = Post(), new_exchange_key(), new_exchange_key()
    runner = NodeRunner(MemoryMailbox(post, "controller-1"), key, {"vnpt": own.public}, replace(QUICK, begin=0.3))
    begun = time.monotonic()
    answer = runner.call([call_of(host_of(1))], timeout_s=60)["relay-1"]
    assert time.monotonic() - begun < stretched(10)
    assert answer.outcome is CallOutcome.UNREACHABLE
    assert "did not take it within 0 s, and will not begin it any more" in answer.error
    assert "systemctl status provisioner-node@vnpt" in answer.hint
    with node_at_work(MemoryMailbox(post, "vnpt"), [key], tmp_path, key=own) as late:
        time.sleep(1)
        assert not late.hosts.done
    runner.close()


@NODE
def test_whom_a_node_does_not_know_it_does_nothing_for(tmp_path: Path) -> None:
    post, known, stranger = Post(), new_exchange_key(), new_exchange_key()
    with node_at_work(MemoryMailbox(post, "vnpt"), [known], tmp_path) as working:
        runner = NodeRunner(
            MemoryMailbox(post, "controller-2"), stranger, {"vnpt": working.key.public}, replace(QUICK, begin=0.5)
        )
        answer = runner.call([call_of(host_of(1))], timeout_s=5)["relay-1"]
        runner.close()
        assert answer.outcome is CallOutcome.UNREACHABLE
        assert "a message is passed over: it is signed by nobody who is known here" in working.lines
    assert not working.hosts.done


@NODE
def test_reports_of_another_node_are_nobodys(tmp_path: Path) -> None:
    post, key = Post(), new_exchange_key()
    with (
        node_at_work(MemoryMailbox(post, "vnpt"), [key], tmp_path) as right,
        node_at_work(MemoryMailbox(post, "vnpt"), [key], tmp_path / "..") as wrong,
    ):
        nodes = {"vnpt": right.key.public, "viettel": wrong.key.public}
        runner = NodeRunner(MemoryMailbox(post, "controller-1"), key, nodes, QUICK)
        assert runner.call([call_of(host_of(1))], timeout_s=5)["relay-1"].outcome is CallOutcome.ANSWERED
        runner.close()
    assert not wrong.hosts.done


JUMP = JumpHost(address=NETWORK[9], ssh=Ssh(user="noc", host_key=HOST_KEY))
ELSEWHERE = JumpHost.model_validate({"address": "203.0.113.9", "ssh": {"user": "noc", "host_key": HOST_KEY}})
NAMED = JumpHost(address=HostName("jump.example.com"), ssh=Ssh(user="noc", host_key=HOST_KEY))
LOOKS = replace(RULES, changes=False)
SCRIPT = ShellScript("id", as_root=True)


def carried(host: TargetHost, operation: str = "observe", script: ShellScript | None = None) -> CarriedCall:
    return CarriedCall(host, {"operation": "prepare"} if script else look_request(operation), script=script)


@NODE
@pytest.mark.parametrize(
    ("call", "rules", "reason"),
    [
        (carried(host_of(1, ("viettel",))), RULES, "it is no host of vnpt alone"),
        (carried(host_of(1, ("vnpt", "viettel"))), RULES, "it is no host of vnpt alone"),
        (carried(host_of(1, ())), RULES, "it is no host of vnpt alone"),
        *(
            (carried(replace(host_of(1), id=name)), RULES, "it is no host of vnpt alone")
            for name in ("", "..", "relay\n1", "relay-1" * 1000)
        ),
        (
            carried(host_of(1, address="203.0.113.7")),
            RULES,
            "203.0.113.7 is in none of the networks of the node's file",
        ),
        (carried(host_of(1, jump=ELSEWHERE)), RULES, "203.0.113.9 is in none of the networks of the node's file"),
        (carried(host_of(1, jump=NAMED)), RULES, "jump.example.com is in none of the networks of the node's file"),
        (carried(host_of(1, jump=NAMED)), replace(RULES, names=frozenset({"jump.example.com"})), ""),
        (carried(host_of(1, jump=JUMP)), RULES, ""),
        (carried(host_of(1)), replace(RULES, networks=(IPv6Network("::/0"),)), "192.0.2.2 is in none of the networks"),
        *((carried(host_of(1), look), LOOKS, "") for look in ("observe", "probe", "flow")),
        *(
            (carried(host_of(1), change), LOOKS, f"the node's file allows looks alone, and this is {change}")
            for change in (
                *("keys", "remove", "release", "apply", "rollback", "look", "confirm", "abort", "status", "None"),
            )
        ),
        (carried(host_of(1), script=SCRIPT), RULES, "the node's file allows no scripts"),
        (carried(host_of(1), script=SCRIPT), replace(RULES, scripts=True), ""),
        (carried(host_of(1), script=SCRIPT), replace(LOOKS, scripts=True), "the node's file allows looks alone"),
    ],
)
def test_a_nodes_own_file_has_the_last_word(call: CarriedCall, rules: NodeRules, reason: str) -> None:
    said = rules.refusal(call)
    assert said.startswith(reason)
    assert bool(said) == bool(reason)


@NODE
@pytest.mark.parametrize(
    ("request_", "script"),
    [
        ({"operation": SHOW_KEY, "files": ["/etc/shadow"]}, None),
        ({"operation": "observe"}, SCRIPT),
        ({"operation": "prepare", "files": []}, SCRIPT),
        ({"operation": SHOW_KEY}, SCRIPT),
        ({}, SCRIPT),
    ],
)
def test_a_call_for_no_host_program_has_its_own_request_alone(request_: Any, script: ShellScript | None) -> None:
    rules = replace(RULES, scripts=True)
    for operation in ("prepare", "approach") if script else (SHOW_KEY,):
        assert not rules.refusal(CarriedCall(host_of(1), {"operation": operation}, script=script))
    assert rules.refusal(CarriedCall(host_of(1), request_, script=script)).startswith("no host takes it: it ")


@NODE
def test_a_request_without_end_is_refused_by_the_node_itself() -> None:
    request = carried(host_of(1), "status").request
    longest = dict(request) | {"who": "x" * 4096, "units": ["provisioner-wg.service"] * 200_000}
    (call,) = unit_in(pack_unit("1.0", [HostCall(host_of(1), longest)], 5)).calls
    assert RULES.refusal(call).startswith(
        "no host takes it: it has more than 4194304 bytes, the most that status may have"
    )


@NODE
def test_a_call_that_is_refused_hides_no_other(tmp_path: Path) -> None:
    hosts = CountingHosts()
    with both_ends(Post(), tmp_path, hosts=hosts) as (runner, working):
        calls = [call_of(host_of(1, address="203.0.113.7")), call_of(host_of(2))]
        answers = runner.call(calls, timeout_s=5)
    assert answers["relay-2"].outcome is CallOutcome.ANSWERED
    assert answers["relay-1"].outcome is CallOutcome.REFUSED
    assert answers["relay-1"].error.startswith("the node of vnpt refuses: 203.0.113.7 is in none of the networks")
    assert [name for name, _ in hosts.done] == ["relay-2"]
    assert any("relay-1 is refused" in line for line in working.lines)


@pytest.mark.parametrize(
    ("own", "other", "older"),
    [
        ("1.4.0", "1.4.9", ""),
        ("1.4.0", "1.5.0", ""),
        ("1.4.0", "1.3.2", ""),
        ("1.4.0", "1.6.0", "the node"),
        ("1.4.0", "1.2.9", "the controller"),
        ("1.4.0", "2.4.0", "the node"),
        ("1.4.0", "1.x", "the controller"),
    ],
)
def test_one_minor_apart_works_and_more_names_who_is_older(own: str, other: str, older: str) -> None:
    said = version_gap(own, other)
    assert said.endswith(f"install a newer one at {older}") if older else not said


def test_a_nodes_line_says_whether_it_reaches_its_broker() -> None:
    url = "tls://broker.example.com:4222"
    assert broker_status_line(url, reaches=True) == "reaches the broker broker.example.com:4222"
    assert broker_status_line(url, reaches=False) == "does not reach the broker broker.example.com:4222"


def test_a_controller_two_minors_newer_is_refused_by_the_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controller_module, "__version__", "1.6.0")
    monkeypatch.setattr(node_module, "__version__", "1.4.0")
    hosts = CountingHosts()
    with both_ends(Post(), tmp_path, hosts=hosts) as (runner, _):
        error = runner.call([call_of(host_of(1))], timeout_s=5)["relay-1"].error
    assert error == (
        "the node of vnpt refuses: the controller has provisioner 1.6.0 and the node 1.4.0: install a newer one"
        " at the node"
    )
    assert not hosts.done


def test_a_session_that_ends_leaves_nothing_open_at_the_node(tmp_path: Path) -> None:
    post, hosts = Post(), CountingHosts()
    with both_ends(post, tmp_path, hosts=hosts) as (runner, _):
        runner.call([call_of(host_of(1))], timeout_s=5)
        runner.call([call_of(host_of(2))], timeout_s=5)
        assert hosts.closed == 0
        runner.close()
        until = time.monotonic() + 60
        while not hosts.closed and time.monotonic() < until:
            time.sleep(0.05)
        assert hosts.closed == 1


def test_an_artefact_is_gone_from_the_node_once_it_was_handed_on(tmp_path: Path) -> None:
    artefact, hosts = tmp_path / "mediamtx", CountingHosts()
    artefact.write_bytes(b"program")
    with both_ends(Post(), tmp_path, hosts=hosts, rules=naming(artefact)) as (runner, _):
        runner.call([apply_of(host_of(1), artefact)], timeout_s=5)
    assert hosts.artefacts == [b"program"]
    assert not hosts.calls[0].artefact or not hosts.calls[0].artefact.exists()


def test_a_large_file_comes_once_and_is_kept_for_who_comes_next(tmp_path: Path) -> None:
    artefact, hosts, post = tmp_path / "mediamtx", CountingHosts(), Post()
    artefact.write_bytes(bytes(range(256)) * 4000)
    call = apply_of(host_of(1), artefact)
    # A repeated unit has its file with it: no clock of the test's machine repeats one here.
    patient = replace(QUICK, ask=60.0, most_ask=60.0)
    with both_ends(post, tmp_path, hosts=hosts, rules=naming(artefact), pace=patient) as (runner, _):
        for _ in range(3):
            assert runner.call([call], timeout_s=5)["relay-1"].outcome is CallOutcome.ANSWERED
        travelled = sum(len(part) for part in post.seen)
    assert hosts.artefacts == [artefact.read_bytes()] * 3
    assert travelled < 2 * artefact.stat().st_size
    again = Post()
    with both_ends(again, tmp_path, hosts=hosts, rules=naming(artefact), pace=patient) as (runner, _):
        # Of a node that was started anew a controller hears what it keeps with its first look.
        runner.call([call_of(host_of(2))], timeout_s=5)
        assert runner.call([call], timeout_s=5)["relay-1"].outcome is CallOutcome.ANSWERED
        assert sum(len(part) for part in again.seen) < artefact.stat().st_size
    assert len(hosts.artefacts) == 4


@given(size=st.integers(0, 10**12), begin=st.floats(1, 60))
def test_a_unit_is_not_sent_again_or_given_up_while_it_travels(size: int, begin: float) -> None:
    own = NodePace(begin=begin)
    pace, transit_s = own.with_transit(size), min(size / 10**6, 115 - begin)
    for name in ("begin", "ask", "most_ask", "margin"):
        assert getattr(pace, name) - getattr(own, name) == pytest.approx(transit_s)
    # A node refuses units that are to begin later than two minutes after they were sent.
    assert pace.begin < 120


def test_a_large_unit_that_nobody_takes_is_sent_once_and_is_then_asked_about(tmp_path: Path) -> None:
    artefact, post, own = tmp_path / "mediamtx", Post(), new_exchange_key()
    artefact.write_bytes(bytes(range(256)) * 4000)
    pace = NodePace(begin=0.4, ask=0.1, most_ask=0.1, margin=30.0)
    runner = NodeRunner(MemoryMailbox(post, "controller-1"), new_exchange_key(), {"vnpt": own.public}, pace)
    answer = runner.call([apply_of(host_of(1), artefact)], timeout_s=5)["relay-1"]
    runner.close()
    assert "did not take it within 1 s" in answer.error
    assert sum(map(len, post.seen)) < 2 * artefact.stat().st_size


@NODE
@pytest.mark.parametrize("change", ["gone", "changed"])
def test_a_kept_file_that_is_gone_is_sent_anew_or_the_call_not_carried(tmp_path: Path, change: str) -> None:
    artefact, hosts = tmp_path / "mediamtx", CountingHosts()
    artefact.write_bytes(b"program" * 1000)
    call = apply_of(host_of(1), artefact)
    with both_ends(Post(), tmp_path, hosts=hosts, rules=naming(artefact)) as (runner, _):
        runner.call([call], timeout_s=5)
        (kept,) = (tmp_path / "artefacts").iterdir()
        if change == "gone":
            kept.unlink()
        else:
            kept.write_bytes(b"another")
        answers = [runner.call([call], timeout_s=5)["relay-1"].outcome for _ in range(2)]
    # What was changed is found out once it is read: it goes, and comes whole with the next call.
    assert answers == [CallOutcome.ANSWERED if change == "gone" else CallOutcome.UNREACHABLE, CallOutcome.ANSWERED]
    assert set(hosts.artefacts) == {artefact.read_bytes()}


def test_a_node_keeps_the_files_that_were_used_last(tmp_path: Path) -> None:
    kept = ArtefactCache(tmp_path / "artefacts")
    for number in range(4):
        kept.add(sha256(bytes([number])), bytes([number]))
        os.utime(tmp_path / "artefacts" / sha256(bytes([number])), (number, number))
    assert kept.content(sha256(b"\0")) == b"\0"
    kept.add(sha256(b"one more"), b"one more")
    assert kept.names == {sha256(one) for one in (b"\0", b"\2", b"\3", b"one more")}
    assert kept.content(sha256(b"\1")) is None


def test_a_disk_that_keeps_nothing_holds_nobody_up(tmp_path: Path) -> None:
    (tmp_path / "artefacts").write_text("no folder", encoding="utf-8")
    artefact, hosts = tmp_path / "mediamtx", CountingHosts()
    artefact.write_bytes(b"program")
    with both_ends(Post(), tmp_path, hosts=hosts, rules=naming(artefact)) as (runner, _):
        call = apply_of(host_of(1), artefact)
        assert runner.call([call], timeout_s=5)["relay-1"].outcome is CallOutcome.ANSWERED


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_long_call_is_told_to_go_on_and_is_asked_for_no_more_than_that(tmp_path: Path) -> None:
    post, hosts = Post(), CountingHosts(takes_s=3.5)
    with both_ends(post, tmp_path, hosts=hosts, pace=NodePace(begin=1.0, ask=3.0)) as (runner, _):
        assert runner.call([call_of(host_of(1))], timeout_s=20)["relay-1"].outcome is CallOutcome.ANSWERED
        # The unit, that it is begun, that it goes on, the answer, that all is over; on a loaded machine one more.
        until = time.monotonic() + 60
        while len(post.seen) < 5 and time.monotonic() < until:
            time.sleep(0.05)
        assert 5 <= len(post.seen) <= 6
