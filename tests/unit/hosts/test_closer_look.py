"""What the on-host program learns of devices that do not flow: parsers that believe no word, and real packets."""

import socket
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner_host.firewall import drops
from provisioner_host.look import device_probe, reach
from provisioner_host.machine.namespace import Scratch, scratch
from provisioner_host.machine.shell import Failed
from provisioner_host.relay import relay, source_log
from provisioner_host.tunnel import endpoints

OWN = "inet provisioner_probe"


# --- what a device says ---------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("answer", "hung_up", "kind", "status", "media"),
    [
        (b"", False, "nothing", None, []),
        (b"", True, "closed", None, []),
        (b"\r\n", True, "closed", None, []),
        (b"RTSP/1.0 401 Unauthorized\r\n\r\n", False, "rtsp", 401, []),
        (b"RTSP/1.0 503 Busy\r\n\r\n", False, "rtsp", 503, []),
        (b"RTSP/1.0 200 OK\r\n\r\nv=0\r\nm=audio 0 RTP/AVP 0\r\n", False, "rtsp", 200, ["audio"]),
        (b"RTSP/1.0 200 OK\r\n\r\nm=video 0 x\r\nm=audio 0 x\r\n", False, "rtsp", 200, ["video", "audio"]),
        (b"RTSP/1.0 200 OK\r\nm=audio 0 x\r\n\r\n", False, "rtsp", 200, []),
        # A letter a second: who begins so speaks RTSP, unless it hangs up.
        (b"RTS", False, "slow", None, []),
        (b"RTSP/1.0 ", False, "slow", None, []),
        (b"RTS", True, "other", None, []),
        (b"RTM", False, "other", None, []),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", True, "http", None, []),
        (b"<html><body>", True, "http", None, []),
        (b"\x15\x03\x01\x00\x02\x02\x46", True, "tls", None, []),
        (b"SSH-2.0-OpenSSH\r\n", False, "other", None, []),
    ],
)
def test_the_first_words_of_a_device_say_what_it_is(
    answer: bytes, *, hung_up: bool, kind: str, status: int | None, media: list[str]
) -> None:
    said = device_probe.parse(answer, hung_up)
    assert (said["kind"], said["status"], said["media"]) == (kind, status, media)


@given(answer=st.binary(), hung_up=st.booleans())
def test_whatever_a_device_says_is_a_few_clean_words(answer: bytes, *, hung_up: bool) -> None:
    for text in (answer, b"RTSP/1.0 200 OK\r\n\r\n" + answer, b"RTSP/1.0 302 x\r\nLocation: rtsp://" + answer):
        said = device_probe.parse(text, hung_up)
        assert set(said["media"]) <= {"video", "audio", "application", "text"}
        assert len(said["media"]) <= 8
        assert said["status"] is None or 0 <= said["status"] <= 999
        assert said.get("redirect", "").isprintable()


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("rtsp://100.64.0.4:10554/Streaming/Channels/102", "/Streaming/Channels/102"),
        ("rtsp://100.64.0.4:10554/cam/realmonitor?channel=1&subtype=1", "/cam/realmonitor?channel=1&subtype=1"),
        ("rtsp://100.64.0.4:10554/***", "/"),
        ("rtsp://100.64.0.4:10554", "/"),
        ("rtsp://100.64.0.4:10554/a b", "/"),
        ("rtsp://100.64.0.4:10554/a\r\nX: y", "/"),
        ("", "/"),
    ],
)
def test_a_device_is_asked_for_its_own_stream_and_for_nothing_that_ends_a_line(source: str, target: str) -> None:
    assert device_probe.target_of(source) == target


# --- who ended a connection -----------------------------------------------------------------------
@given(st.binary(max_size=64))
def test_whatever_the_kernel_keeps_of_an_error_is_a_message_or_none(error: bytes) -> None:
    icmp = reach.icmp_in(error)
    assert icmp is None or (0 <= icmp["type"] <= 255 and socket.inet_aton(icmp["sender"]))


def test_a_message_of_icmp_is_read_with_its_sender() -> None:
    place = struct.pack("=HH4s8x", socket.AF_INET, 0, socket.inet_aton("100.64.0.4"))
    assert reach.icmp_in(struct.pack("=IBBBxII", 111, 2, 3, 3, 0, 0) + place) == {
        "sender": "100.64.0.4",
        "type": 3,
        "code": 3,
    }
    # One of the host's own making is none.
    assert reach.icmp_in(struct.pack("=IBBBxII", 111, 1, 0, 0, 0, 0) + place) is None


# --- gateways -------------------------------------------------------------------------------------
def _packet(message: bytes) -> bytes:
    return b"\x45" + bytes(19) + message


@given(st.binary(max_size=200), st.integers(0, 65_535))
def test_no_packet_of_a_stranger_breaks_the_asking(packet: bytes, us: int) -> None:
    assert endpoints.answered(packet, us) in {0, 1, 2, 3}


@given(st.integers(0, 65_535), st.integers(0, 65_535))
def test_only_answers_to_our_own_questions_count(us: int, other: int) -> None:
    refused = b"\x03\x03" + bytes(6) + _packet(endpoints.question(13, us, 3, 12))
    assert endpoints.answered(_packet(refused), us) == 3
    assert endpoints.answered(_packet(struct.pack("!BBHHH", 0, 0, 0, us, 2)), us) == 2
    if other != us:
        assert endpoints.answered(_packet(refused), other) == 0
        assert endpoints.answered(_packet(struct.pack("!BBHHH", 0, 0, 0, us, 1)), other) == 0


# --- what drops -----------------------------------------------------------------------------------
OUT = 'oif "wg-prov" ip saddr 100.64.0.1 ip daddr 100.64.0.5 ip protocol tcp tcp sport 52208 tcp dport 10554'
IN = 'iif "wg-prov" ip saddr 100.64.0.5 ip daddr 100.64.0.1 ip protocol tcp tcp sport 10554 tcp dport 52208'


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        (
            [f"inet provisioner_probe out packet: {OUT}", "ip corp OUT rule tcp dport 10554 drop (verdict drop)"],
            "corp OUT",
        ),
        ([f"inet provisioner_probe out packet: {OUT}", "ip corp OUT policy drop meta mark 0x70726f62 "], "corp OUT"),
        (
            [
                f"inet provisioner_probe out packet: {OUT}",
                'inet x o rule drop comment "(verdict drop)" (verdict accept)',
            ],
            "",
        ),
        ([f"inet provisioner_probe out packet: {OUT}", "inet provisioner_probe out policy drop"], ""),
        ([f"inet provisioner_probe out packet: {OUT}", "ip corp OUT policy accept "], ""),
        (["ip corp OUT rule drop (verdict drop)"], ""),
    ],
)
def test_a_trace_names_the_chain_that_drops_and_no_other(lines: list[str], named: str) -> None:
    seen = drops.parse([f"trace id a47c6d64 {line}" for line in lines], OWN, 51820)
    assert [f"{d['table']} {d['chain']}" for d in seen] == ([named] if named else [])


def test_whose_packet_was_dropped_is_known_by_its_far_end() -> None:
    own = 'oif "eth0" ip saddr 192.0.2.1 ip daddr 198.51.100.7 ip protocol udp udp sport 51820 udp dport 4500'
    lines = [
        *(f"trace id a1 inet provisioner_probe back packet: {IN}", "trace id a1 ip f in rule drop (verdict drop)"),
        *(f"trace id a2 inet provisioner_probe out packet: {own}", "trace id a2 ip f out rule drop (verdict drop)"),
    ]
    first, second = drops.parse(lines * 2, OWN, 51820)
    assert (first["incoming"], first["tunnel"], first["address"], first["port"]) == (True, False, "100.64.0.5", 10554)
    assert (second["incoming"], second["tunnel"], second["address"]) == (False, True, "198.51.100.7")


_WORDS = st.sampled_from(
    ["trace", "id", "a1", "ip", "x", "packet:", "rule", "policy", "drop", "(verdict drop)", OUT, IN]
)


@given(st.lists(st.lists(st.one_of(_WORDS, st.text()), max_size=9).map(" ".join), max_size=20))
def test_whatever_a_trace_says_is_a_few_drops_or_none(lines: list[str]) -> None:
    for drop in drops.parse(lines, OWN, 51820):
        assert (drop["family"], drop["table"]) != ("inet", "provisioner_probe")
        assert drop["address"]


# --- with real packets ----------------------------------------------------------------------------
RELAY, SITE = "100.64.0.1", "100.64.0.5"
_GATEWAY = """
table inet provisioner_site {
	map port_maps {
		type inet_service : ipv4_addr . inet_service
		elements = { 10554 : 192.168.1.64 . 554, 10555 : 192.168.1.65 . 554 }
	}
	chain prerouting {
		type nat hook prerouting priority dstnat; policy accept;
		ip daddr 100.64.0.5 dnat ip to tcp dport map @port_maps
	}
	chain input {
		type filter hook input priority filter; policy accept;
		iifname "lo" accept
		ct state established,related accept
		icmp type { echo-request, destination-unreachable, time-exceeded, parameter-problem } accept
		UNMAPPED
	}
}
"""


@contextmanager
def _two_hosts(unmapped: str) -> Iterator[tuple[Scratch, Scratch]]:
    """A relay and a gateway with a tunnel between them, which is a cable here."""
    with scratch() as relay, scratch() as gateway:
        relay.ip(["link set lo up", "link add wg-prov type veth peer name far"])
        relay.ip(
            [f"link set far netns {_id_of(gateway)}", f"address add {RELAY}/24 dev wg-prov", "link set wg-prov up"]
        )
        gateway.ip(["link set lo up", f"address add {SITE}/24 dev far", "link set far up"])
        gateway.ip(["link add lan type veth peer name wire", "address add 192.168.1.1/24 dev lan", "link set lan up"])
        gateway.ip(["link set wire up"])
        gateway.run(["sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"], check=False)
        gateway.run(["nft", "-f", "-"], stdin=_GATEWAY.replace("UNMAPPED", unmapped))
        yield relay, gateway


def _id_of(namespace: Scratch) -> str:
    # `ip` takes a process's number, and a thread of ours is one to it.
    return namespace.path.split("/task/")[1].split("/")[0]


REFUSES, DROPS = "reject with icmp port-unreachable", "drop"


@pytest.mark.skipif(sys.platform != "linux", reason="namespaces are Linux's")
@pytest.mark.parametrize(("unmapped", "refuses"), [(REFUSES, True), (DROPS, False)])
def test_a_gateway_says_whether_it_refuses_what_it_does_not_map(unmapped: str, *, refuses: bool) -> None:
    with _two_hosts(unmapped) as (relay, _):
        (answer,) = relay.call(lambda: endpoints.answers([SITE], 1420, time.monotonic() + 10))
    assert (answer["small"], answer["full"], answer["refuses"]) == (True, True, refuses)


def test_packets_that_are_too_large_for_the_way_are_told_from_a_gateway_that_is_silent() -> None:
    with _two_hosts(REFUSES) as (relay, gateway):
        gateway.run(
            ["nft", "insert", "rule", "inet", "provisioner_site", "input", "meta", "length", ">", "1300", "drop"]
        )
        both = relay.call(lambda: endpoints.answers([SITE, "100.64.0.77"], 1420, time.monotonic() + 10))
    assert [(one["small"], one["full"]) for one in both] == [(True, False), (False, False)]


def test_a_port_that_is_not_mapped_and_a_device_that_is_away_are_told_by_the_gateway() -> None:
    with _two_hosts(REFUSES) as (relay, _):
        tried = relay.call(lambda: reach.connect_all([(SITE, 10554), (SITE, 10999)], 8))
    away, unmapped = sorted(tried, key=lambda one: one["port"])
    assert (away["outcome"], away["icmp"]["sender"], away["icmp"]["code"]) == ("no-route", SITE, 1)
    assert (unmapped["outcome"], unmapped["icmp"]["sender"], unmapped["icmp"]["code"]) == ("refused", SITE, 3)


def test_a_camera_that_refuses_is_told_from_a_gateway_that_does() -> None:
    with _two_hosts("accept") as (relay, _):
        (tried,) = relay.call(lambda: reach.connect_all([(SITE, 10999)], 8))
    assert tried["outcome"] == "refused"
    assert "icmp" not in tried


CORP = """
table inet corp {{
	chain guard {{
		type filter hook {hook} priority 10; policy accept;
		{rule}
	}}
}}
"""


@pytest.mark.parametrize(
    ("hook", "rule", "outcome"),
    [
        ("output", "tcp dport 10999 drop", "timeout"),
        ("input", "tcp sport 10999 drop", "timeout"),
        ("output", "", "refused"),
    ],
)
def test_a_foreign_table_that_drops_is_named_and_the_probes_own_is_gone(hook: str, rule: str, outcome: str) -> None:
    def look() -> tuple[str, list[str] | None]:
        with drops.traced([(SITE, 10999)], 0) as trace:
            (tried,) = reach.connect_all([(SITE, 10999)], 1.5, drops.MARK)
        seen = None if trace.drops is None else [f"{d['table']}/{d['chain']} {d['address']}" for d in trace.drops]
        return tried["outcome"], seen

    with _two_hosts("accept") as (relay, _):
        relay.run(["nft", "-f", "-"], stdin=CORP.format(hook=hook, rule=rule))
        said = relay.call(look)
        tables = relay.run(["nft", "list", "tables"]).stdout
    assert said == (outcome, [f"corp/guard {SITE}"] if rule else [])
    assert "provisioner_probe" not in tables


def test_a_look_that_fails_takes_its_table_away_all_the_same() -> None:
    def look() -> None:
        with drops.traced([(SITE, 10999)], 51820):
            raise RuntimeError

    with _two_hosts("accept") as (relay, _):
        with pytest.raises(RuntimeError):
            relay.call(look)
        assert relay.run(["nft", "list", "tables"]).stdout == ""


# --- the log --------------------------------------------------------------------------------------
NOON = datetime(2021, 5, 11, 12, 0, tzinfo=UTC)


def _line(text: str, ago_s: float) -> str:
    at = (NOON - timedelta(seconds=ago_s)).isoformat().replace("+00:00", ".123456789Z")
    return f'{{"timestamp": "{at}", "level": "ERR", "message": "[path hn/a] [RTSP source] {text}"}}'


def _came(ago_s: float) -> str:
    text = "stream is available and online, 1 track (H264)"
    return _line("x", ago_s).replace("ERR", "INF").replace("[RTSP source] x", text)


def _cycles(word: str, lasted_s: float, *ago_s: float) -> list[str]:
    return [line for ago in ago_s for line in (_came(ago + lasted_s), _line(word, ago))]


@pytest.mark.parametrize(
    ("lines", "ends"),
    [
        (
            [_line("TCP timeout", 60), _line("dial tcp 10.0.0.1:554: i/o timeout", 30), _line("TCP timeout", 20)],
            (2, 0, None),
        ),
        (_cycles("TCP timeout", 16, 45, 24, 3), (3, 0, 16.0)),
        (_cycles("EOF", 3, 18, 10, 2), (0, 3, 3.0)),
        # Whatever its words, an error after a start is an end; one that follows it is none.
        ([*_cycles("read: connection reset by peer", 4, 18, 2), _line("bad status code: 453 (x)", 1)], (0, 2, 4.0)),
        (_cycles("EOF", 45, 60), (0, 1, 45.0)),
        # It has flowed since then for longer than one that goes on stopping does.
        ([_line("TCP timeout", 80), _line("TCP timeout", 60)], None),
        (_cycles("EOF", 3, 60, 52), None),
        # A relay that was started anew ended no stream.
        ([_came(30), _came(5)], None),
        ([_line("EOF", 20), _line("EOF", 5)], None),
        ([_line("dial tcp 10.0.0.1:554: i/o timeout", 5)], None),
        ([_line("TCP timeout", 5).replace("2021", "x")], None),
        ([_line("TCP timeout", 5).replace("hn/a", "hn/b")], None),
        # A camera's own words start and end nothing.
        ([_line("[path hn/a] stream is available", 20), _line("EOF", 5)], None),
    ],
)
def test_a_stream_that_ends_again_and_again_is_counted_and_no_other(
    lines: list[str], ends: tuple[int, int, float | None] | None
) -> None:
    found = source_log.ends("\n".join([*lines, "x"]), {"hn/a"}, NOON.timestamp()).get("hn/a")
    assert (found and (found["stopped"], found["closed"], found["lasted_s"])) == ends


def test_how_long_the_present_stream_goes_on_is_told_beside_those_that_ended() -> None:
    lines = [*_cycles("TCP timeout", 12, 60, 44), *_cycles("TCP timeout", 10, 30), _came(8)]
    found = source_log.ends("\n".join(lines), {"hn/a"}, NOON.timestamp())["hn/a"]
    assert found["longest_s"] == pytest.approx(12.0, abs=1.0)
    assert found["since_s"] == pytest.approx(8.0, abs=1.0)
    again = source_log.ends("\n".join(lines[:-1]), {"hn/a"}, NOON.timestamp())["hn/a"]
    assert again["since_s"] is None


@given(st.text())
def test_no_line_of_a_log_breaks_the_count_of_ends(text: str) -> None:
    lines = [text, _line(text, 5), _came(5).replace("12:00", text), *_cycles("EOF", 3, 18, 10, 2)]
    source_log.ends("\n".join(lines), {"hn/a"}, NOON.timestamp())


_CAME = '{"level": "INF", "message": "[path hn/a] stream is available and online, 1 track (H264)"}'


@pytest.mark.parametrize(
    ("lines", "errors"),
    [
        ([_line("EOF", 60), _line("TCP timeout", 20)], ["TCP timeout", "EOF"]),
        # What was before its last stream is over, and a stream of another path ends nothing.
        ([_line("EOF", 60), _CAME, _line("TCP timeout", 20)], ["TCP timeout"]),
        ([_line("EOF", 60), _CAME], None),
        ([_line("EOF", 60), _CAME.replace("hn/a", "hn/b")], ["EOF"]),
        # A camera's own words are no word of the relay's.
        ([_line("EOF", 60), _line("[path hn/a] stream is available", 20)], ["[path hn/a] stream is available", "EOF"]),
    ],
)
def test_an_error_from_before_the_last_stream_is_no_reason_now(lines: list[str], errors: list[str] | None) -> None:
    assert source_log.errors_in("\n".join(lines), {"hn/a"}, {}).get("hn/a") == errors


class _Api:
    """The Control API of 1.21, with what it says of sources."""

    def __init__(self, said: dict[str, object]) -> None:
        self.said, self.asked = said, 0

    def __call__(self, path: str) -> object:
        self.asked += 1
        name = path.removeprefix("/v3/paths/static-sources/get/")
        if name not in self.said:
            raise Failed("the relay's Control API: HTTP/1.0 404 Not Found")
        return self.said[name]


@pytest.mark.parametrize(
    ("version", "asked"),
    [("v1.21.0", True), ("v1.21.3+standin", True), ("v2.0.0", True), ("v1.20.1", False), ("", False)],
)
def test_from_1_21_on_the_api_says_why_a_source_is_down(
    monkeypatch: pytest.MonkeyPatch, version: str, *, asked: bool
) -> None:
    said: dict[str, object] = {
        "hn/a": {
            "state": "error",
            "lastError": "GET rtsp://admin:canary-77@10.0.0.1/x: bad status code: 404 (Not Found)",
        },
        "hn/b": {"state": "running", "lastError": "an old one"},
        "hn/c": ["no", "object"],
        "hn/d": {"state": "error", "lastError": 7},
    }
    api = _Api(said)
    monkeypatch.setattr(relay, "api", api)
    monkeypatch.setattr(relay, "read_file", lambda: "")
    errors = source_log.errors_of_api([*said, "hn/e"], version)
    assert list(errors) == (["hn/a"] if asked else [])
    assert api.asked == (5 if asked else 0)
    assert "canary" not in str(errors)
