"""How streams travel while a host is visited, out of what `ss` prints and MediaMTX counts."""

import time
from collections.abc import Mapping
from subprocess import CompletedProcess
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner_host.look import deliveries
from provisioner_host.look.deliveries import CountedLink, parse
from provisioner_host.look.rtsp_talk import Login
from provisioner_host.relay import relay
from provisioner_host.wire import PathToRead
from tests.hostile import CAMERA

PATH = "bac-giang/kcl-001/cam-01/sub"
PATHS: dict[str, PathToRead] = {PATH: {"name": PATH, "on_demand": False, "address": "10.91.0.2", "port": 10554}}
# As iproute2 6.1 prints them, one connection a line, shortened.
TO_A_READER = (
    "0 {unsent} 10.91.0.1:8554 10.90.0.2:40001 bbr rto:204 bytes_sent:{sent} bytes_retrans:700 bytes_acked:1 "
    "bytes_received:900 segs_out:9 data_segs_in:3 send 4bps busy:{busy}ms rwnd_limited:250ms(25.0%) unacked:1"
)
FROM_A_DEVICE = (
    "{unread} 0 [::ffff:10.91.0.1]:41904 [::ffff:10.91.0.2]:10554 bbr bytes_sent:2186 bytes_received:{received} "
    "segs_in:2474 data_segs_in:{received} rcv_ooopack:4 snd_wnd:65536"
)


def session(packets: int, discarded: int) -> dict[str, Any]:
    return {
        "id": "b2", "state": "read", "path": PATH, "user": "centre-ioc-hn", "remoteAddr": "10.90.0.2:40001",
        "outboundRTPPackets": packets, "outboundRTPPacketsDiscarded": discarded,
    }  # fmt: skip


def test_connections_are_read_with_their_totals() -> None:
    said = TO_A_READER.format(unsent=5000, sent=9000, busy=1000) + "\nnonsense\n"
    said += FROM_A_DEVICE.format(unread=7, received=123)
    assert dict(parse(said)) == {
        ("10.91.0.1", 8554, "10.90.0.2", 40001): CountedLink(
            0,
            5000,
            {
                "bytes_sent": 9000,
                "bytes_retrans": 700,
                "bytes_received": 900,
                "data_segs_in": 3,
                "busy": 1000,
                "rwnd_limited": 250,
            },
        ),
        ("10.91.0.1", 41904, "10.91.0.2", 10554): CountedLink(
            7, 0, {"bytes_sent": 2186, "bytes_received": 123, "data_segs_in": 123, "rcv_ooopack": 4}
        ),
    }


@CAMERA
@given(st.text())
def test_whatever_is_printed_is_no_error(said: str) -> None:
    list(parse(said))


class Host:
    """MediaMTX and `ss` as they answer from look to look; the last answer stays."""

    def __init__(self, *looks: tuple[list[dict[str, Any]], int, str]) -> None:
        self.looks = list(looks)

    def api(self, path: str) -> Mapping[str, Any]:
        sessions, received, _ = self.looks[0]
        if "sessions" in path:
            return {"items": sessions}
        return {"items": [{"name": PATH, "available": True, "inboundBytes": received}]}

    def run(self, _argv: list[str], **_more: object) -> CompletedProcess[str]:
        look = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        return CompletedProcess([], 0, look[2], "")


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> None:
    sockets = [
        "\n".join(
            [
                TO_A_READER.format(unsent=waiting, sent=sent, busy=busy),
                FROM_A_DEVICE.format(unread=0, received=received),
            ]
        )
        for waiting, sent, busy, received in ((90_000, 1000, 0, 10), (5_000, 3000, 1000, 30), (70_000, 9000, 2500, 70))
    ]
    host = Host(
        ([session(100, 0)], 5_000, sockets[0]),
        ([session(150, 2)], 6_000, sockets[1]),
        ([session(190, 7)], 9_000, sockets[2]),
    )
    monkeypatch.setattr(relay, "api", host.api)
    monkeypatch.setattr(deliveries, "run", host.run)
    monkeypatch.setattr(deliveries, "_EVERY_S", 0.1)


@pytest.mark.usefixtures("watched")
def test_what_grew_between_the_first_look_and_the_last_counts() -> None:
    with deliveries.watched(PATHS) as watch:
        time.sleep(0.25)
    answer = watch.evidence()
    (reader,) = answer["readers"]
    assert (reader["user"], reader["path"], reader["address"], reader["port"]) == (
        "centre-ioc-hn",
        PATH,
        "10.90.0.2",
        40001,
    )
    assert (reader["packets"], reader["discarded"]) == (90, 7)
    assert (reader["sent"], reader["again"], reader["busy_s"], reader["unread_s"]) == (8000, 0, 2.5, 0.0)
    # What waits at one moment may be a key picture on its way: it has to wait at two.
    assert reader["waiting"] in (5_000, 70_000)
    (source,) = answer["sources"]
    assert (source["address"], source["port"], source["received"], source["segments"]) == ("10.91.0.2", 10554, 60, 60)
    assert answer["flows"][PATH]["bytes"] == 4_000
    assert answer["flows"][PATH]["seconds"] > 0.1


@pytest.mark.usefixtures("watched")
def test_a_centre_tells_of_its_connections_to_relays_alone() -> None:
    with deliveries.incoming([Login("10.91.0.2", 10554, "x", "y")]) as watch:
        time.sleep(0.25)
    (arrival,) = watch.evidence()
    assert (arrival["address"], arrival["port"], arrival["own_port"]) == ("10.91.0.2", 10554, 41904)
    assert arrival["received"] == 60


@pytest.mark.parametrize("items", [None, [7], [{"state": "read", "path": PATH, "id": 3}], [{"state": ["read"]}]])
def test_an_answer_of_another_form_is_no_evidence(monkeypatch: pytest.MonkeyPatch, items: object) -> None:
    monkeypatch.setattr(relay, "api", lambda _path: {"items": items})
    monkeypatch.setattr(deliveries, "run", lambda *_a, **_k: CompletedProcess([], 0, "", ""))
    with deliveries.watched(PATHS) as watch:
        pass
    answer = watch.evidence()
    assert (answer["readers"], answer["sources"], answer["flows"][PATH]["bytes"]) == ([], [], 0)


def test_a_path_that_is_pulled_anew_counts_from_there() -> None:
    looks = [
        deliveries.Snapshot(at, {}, {}, {PATH: received})
        for at, received in ((0, 9_000), (1, 9_500), (2, 100), (3, 700))
    ]
    watch = deliveries.RelayWatch(PATHS)
    watch.snapshots = looks
    assert watch.evidence()["flows"] == {PATH: {"seconds": 2, "bytes": 1_100, "still_s": 0}}


def test_the_longest_stretch_in_which_nothing_came_is_told() -> None:
    received = (0, 0, 500, 500, 500, 500, 900, 900, 100, 100)
    watch = deliveries.RelayWatch(PATHS)
    watch.snapshots = [deliveries.Snapshot(at, {}, {}, {PATH: so_far}) for at, so_far in enumerate(received)]
    # What was away in between stood not still.
    watch.snapshots.append(deliveries.Snapshot(20, {}, {}, {}))
    watch.snapshots.append(deliveries.Snapshot(30, {}, {}, {PATH: 100}))
    assert watch.evidence()["flows"][PATH]["still_s"] == 3
