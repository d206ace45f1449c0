"""Where a relay is connected, out of what `ss` and nft print."""

import json
from subprocess import CompletedProcess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner_host.relay import source_log
from provisioner_host.relay.source_log import SourceLink, connections_in, evidence, halted_since
from tests.hostile import CAMERA

UID = 997
# As iproute2 6.1 prints it, one connection a line.
PRINTED = """\
0 0 10.91.0.1:39192 10.91.0.4:10554 timer:(keepalive,9sec,0) uid:997 ino:2382138 sk:104e cgroup:/ <-> ts sack \
bytes_sent:640 bytes_acked:641 bytes_received:123456 segs_out:36
0      0       10.91.0.1:8554  10.90.0.2:40000 uid:997 ino:3 sk:1 <-> bytes_received:9
0      0     127.0.0.1:9997  127.0.0.1:50000 uid:997 ino:4 sk:2 <-> bytes_received:9
0      0     10.91.0.1:50001  10.91.0.4:10554 uid:64 ino:5 sk:3 <-> bytes_received:9
0      0     10.91.0.1:50002  10.91.0.4:10554 ino:6 sk:4 <-> bytes_received:9
0      0         [::1]:50003      [::1]:9997 uid:997 ino:7 sk:5 <->
0 0 [::ffff:10.91.0.1]:50004 [::ffff:192.0.2.7]:554 uid:997 ino:8 sk:6 <-> bytes_received:10
nonsense
"""


def test_connections_that_mediamtx_opened_count_and_no_others() -> None:
    assert connections_in(PRINTED, UID) == {
        SourceLink(39192, "10.91.0.4", 10554): 123456,
        SourceLink(50003, "::1", 9997): 0,
        SourceLink(50004, "192.0.2.7", 554): 10,
    }


@CAMERA
@given(st.text())
def test_whatever_is_printed_is_no_error(said: str) -> None:
    connections_in(said, UID)


def test_a_connection_brings_a_picture_if_the_same_brings_more_than_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_log, "run", lambda *_a, **_k: CompletedProcess([], 1, "", "no such set"))
    camera, other = ("10.91.0.4", 10554), ("10.91.0.5", 10554)
    before = {SourceLink(1, *camera): 0, SourceLink(2, *camera): 0, SourceLink(3, *other): 0}
    after = {SourceLink(1, *camera): 90_000, SourceLink(2, *camera): 700, SourceLink(4, *other): 90_000}
    assert evidence(before, after) == {
        "connections": [
            {"address": "10.91.0.4", "port": 10554, "count": 2, "flowing": 1, "now": 2},
            {"address": "10.91.0.5", "port": 10554, "count": 1, "flowing": 0, "now": 1},
        ],
        "halted": [],
    }
    assert evidence(None, after) is None
    assert evidence(before, None) is None


def test_halted_devices_are_read_from_the_firewalls_set(monkeypatch: pytest.MonkeyPatch) -> None:
    elements = [
        {"elem": {"val": {"concat": ["10.91.0.4", 10554]}, "expires": 19}},
        {"concat": ["10.91.0.5", 554]},
        "nonsense",
        {"elem": {"val": "10.91.0.6"}},
    ]
    listed = json.dumps({"nftables": [{"metainfo": {}}, {"set": {"name": "halted", "elem": elements}}]})
    monkeypatch.setattr(source_log, "run", lambda *_a, **_k: CompletedProcess([], 0, listed, ""))
    places = evidence({}, {})
    assert places is not None
    assert places["halted"] == [{"address": "10.91.0.4", "port": 10554}, {"address": "10.91.0.5", "port": 554}]


def test_a_device_that_is_halted_while_causes_are_looked_for_is_named_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def listed(*places: tuple[str, int]) -> CompletedProcess[str]:
        elements = [{"concat": list(place)} for place in places]
        return CompletedProcess([], 0, json.dumps({"nftables": [{"set": {"name": "halted", "elem": elements}}]}), "")

    monkeypatch.setattr(source_log, "run", lambda *_a, **_k: listed(("10.91.0.4", 10554)))
    before = evidence({}, {})
    monkeypatch.setattr(source_log, "run", lambda *_a, **_k: listed(("10.91.0.4", 10554), ("10.91.0.5", 554)))
    after = halted_since(before)
    assert after is not None
    assert after["halted"] == [{"address": "10.91.0.4", "port": 10554}, {"address": "10.91.0.5", "port": 554}]
    # One whose time is over meanwhile stays: what was dropped was dropped for it.
    monkeypatch.setattr(source_log, "run", lambda *_a, **_k: listed())
    assert halted_since(after) == after
    assert halted_since(None) is None
