"""Where pictures come from: whatever one device does, no picture of another place is up, and nobody else is accused."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.hosts.runner import CallOutcome
from provisioner.report.verify_html import html_page
from provisioner.report.verify_text import text_report
from provisioner.verify.result import Cause, PathVerdict, Verdict, VerifyResult
from tests.hostile import CAMERA, GATEWAY, RELAY

from .world import OTHER, OWN, PATHS, RECORDER, answers, documents, judged, printed
from .world import RELAY as EDGE

PULLED = tuple(path for path in PATHS if not path.on_demand)
HOSTILE = {path.name for path in PULLED if (str(path.pulled.address), path.pulled.port) == RECORDER}
_GONE = {"available": False, "online": True, "inbound_bytes": 0, "tracks": []}
Place = tuple[str, int]


@dataclass
class Truth:
    """Where each path's connection really leads; None where a path has no picture.

    `idle` are connections without one; `late` are paths that came up between the two samples.
    """

    places: dict[str, Place | None]
    idle: Counter[Place]
    late: frozenset[str] = frozenset()


@st.composite
def truths(draw: st.DrawFn) -> Truth:
    """A hostile recorder that redirects what it likes and holds connections open; others are honest, some are dead."""
    places: dict[str, Place | None] = {}
    idle: Counter[Place] = Counter()
    for path in PULLED:
        own = str(path.pulled.address), path.pulled.port
        if path.name in HOSTILE:
            targets = [own, OWN, OTHER, ("127.0.0.1", 8554), ("2001:db8::9", 554), None]
            places[path.name] = draw(st.sampled_from(targets))
        else:
            places[path.name] = draw(st.sampled_from([own, own, own, None]))
        if places[path.name] is None and draw(st.booleans()):
            idle[own] += 1  # it was called, and has not answered yet
    came = sorted(name for name, place in places.items() if place)
    some: st.SearchStrategy[frozenset[str]] = st.frozensets(st.sampled_from(came or [""]), max_size=2)
    return Truth(places, idle, draw(some) if came else frozenset())


def seen(truth: Truth) -> VerifyResult:
    """What is judged of the evidence that the truth leaves."""
    document = documents()[EDGE]
    flowing = Counter(place for name, place in truth.places.items() if place and name not in truth.late)
    counts = flowing + truth.idle
    now = counts + Counter(place for name, place in truth.places.items() if place and name in truth.late)
    document["relay"]["sources"] = {
        "connections": [
            {"address": a, "port": p, "count": counts[a, p], "flowing": flowing[a, p], "now": now[a, p]} for a, p in now
        ],
        "halted": [],
    }
    for name in truth.late:
        document["relay"]["paths"][name]["samples"][0] = _GONE
    for name, place in truth.places.items():
        if place is None:
            document["relay"]["paths"][name] = {"samples": [_GONE, _GONE], "read": {"error": "404", "status": 404}}
    return judged(answers({EDGE: document}))


@CAMERA
@given(truths())
@settings(max_examples=400, deadline=None)
def test_a_picture_that_is_pulled_from_another_place_is_never_up(truth: Truth) -> None:
    for path in seen(truth).paths:
        place = truth.places.get(path.path)
        if place and path.path in HOSTILE and place != RECORDER:
            assert path.verdict is not Verdict.UP, (path, truth)


@CAMERA
@given(truths())
@settings(max_examples=400, deadline=None)
def test_no_honest_device_is_accused_of_what_another_one_does(truth: Truth) -> None:
    for path in seen(truth).paths:
        if path.path in truth.places and path.path not in HOSTILE:
            assert path.cause is not Cause.REDIRECTED
            came = truth.places[path.path] is not None and path.path not in truth.late
            assert (path.verdict is Verdict.UP) == came


@given(truths())
@settings(max_examples=200, deadline=None)
def test_an_honest_relay_is_judged_as_if_nobody_had_counted(truth: Truth) -> None:
    honest = {n: (RECORDER if n in HOSTILE and place else place) for n, place in truth.places.items()}
    paths = seen(Truth(honest, truth.idle, truth.late)).paths
    assert Cause.REDIRECTED not in {path.cause for path in paths}
    assert {p.path for p in paths if p.verdict is Verdict.UP} >= {
        name for name, place in honest.items() if place and name not in truth.late
    }


def told(line: str, **sources: Any) -> PathVerdict:
    """The verdict on one camera whose relay's log ends with a line."""
    document = documents()[EDGE]
    name = next(path.name for path in PATHS if path.device == "cam-09")
    document["relay"]["paths"][name] = {"samples": [_GONE, _GONE], "read": {"error": "404", "status": 404}}
    document["relay"]["errors"] = {name: [line]}
    document["relay"]["sources"] |= sources
    return next(path for path in judged(answers({EDGE: document})).paths if path.path == name)


@CAMERA
@pytest.mark.parametrize(
    ("line", "place"),
    [
        ("dial tcp 127.0.0.1:9997: i/o timeout", "127.0.0.1:9997"),
        ("dial tcp 100.64.0.1:8554: i/o timeout", "100.64.0.1:8554"),
        ("dial tcp 100.64.0.5:10554: connect: connection refused", "100.64.0.5:10554"),
        ("dial tcp 100.64.0.4:22: i/o timeout", "100.64.0.4:22"),
        ("dial tcp :554: i/o timeout", ":554"),
        ("dial tcp [::1]:9997: connect: network is unreachable", "[::1]:9997"),
        ("dial tcp 169.254.169.254:80: i/o timeout", "169.254.169.254:80"),
        ("dial tcp: lookup c2.example.com on 10.0.0.53:53: write udp 10.0.0.9:5->10.0.0.53:53: x", "c2.example.com"),
        ("read tcp 100.64.0.1:40000->192.0.2.7:554: read: connection reset by peer", "192.0.2.7:554"),
    ],
)
def test_a_redirect_is_named_by_where_the_relay_was_sent(line: str, place: str) -> None:
    verdict = told(line)
    assert (verdict.verdict, verdict.cause) == (Verdict.DOWN, Cause.REDIRECTED)
    assert verdict.detail == f"the camera redirects to {place}"


@pytest.mark.parametrize(
    "line",
    [
        "dial tcp 100.64.0.4:10555: i/o timeout",
        "dial tcp 100.64.0.4:10555: connect: connection refused",
        "read tcp 100.64.0.1:40000->100.64.0.4:10555: read: connection reset by peer",
        "bad status code: 401 (Unauthorized)",
        "EOF",
    ],
)
def test_a_failure_at_the_cameras_own_port_is_no_redirect(line: str) -> None:
    assert told(line).cause is not Cause.REDIRECTED


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        *((status, Cause.NO_SUCH_STREAM) for status in (404, 454)),
        *((status, Cause.WRONG_ANSWER) for status in (403, 415, 461, 551)),
    ],
)
def test_only_a_status_about_the_address_blames_the_address(status: int, cause: Cause) -> None:
    assert told(f"bad status code: {status} (as RFC 2326 names it)").cause is cause


@CAMERA
def test_no_word_of_a_camera_brings_a_login_or_a_terminals_commands_into_a_report() -> None:
    line = "dial tcp: lookup admin:s3cr3t-canary@\x1b[2Jxn--evil\u202e.example.com" + "a" * 400 + " on 10.0.0.53:53: x"
    verdict = told(line)
    assert verdict.cause is Cause.REDIRECTED
    assert "canary" not in verdict.detail
    assert verdict.detail.isprintable()
    assert len(verdict.detail) < 140


def test_a_path_that_comes_up_while_it_is_looked_at_accuses_nobody_and_is_not_up_yet() -> None:
    document = documents()[EDGE]
    main = next(path.name for path in PATHS if path.on_demand)
    own = next(path.name for path in PATHS if path.device == "cam-09")
    flowing = {"available": True, "online": True, "inbound_bytes": 9000, "tracks": []}
    document["relay"]["paths"][main]["samples"] = [_GONE, flowing]
    document["relay"]["paths"][own]["samples"] = [_GONE, flowing]
    verdicts = {path.path: path.verdict for path in judged(answers({EDGE: document})).paths}
    assert verdicts.pop(own) is Verdict.UNKNOWN
    assert set(verdicts.values()) == {Verdict.UP}


@RELAY
@pytest.mark.parametrize("lost", ["sources", "pulled", "connected"])
def test_a_relay_that_does_not_tell_where_it_is_connected_has_no_path_up(lost: str) -> None:
    document = documents()[EDGE]
    if lost == "sources":
        document["relay"]["sources"] = None
    for path in document["relay"]["paths"].values():
        path["read"].pop(lost, None)
    silent = {path.name for path in PATHS if path.on_demand == (lost != "sources")}
    for judgement in judged(answers({EDGE: document})).paths:
        assert judgement.verdict is (Verdict.UNKNOWN if judgement.path in silent else Verdict.UP)


@RELAY
@pytest.mark.parametrize("bad", [{}, {"connections": 7}, {"connections": [{"address": "x"}], "halted": []}, "no"])
def test_an_answer_about_sources_that_cannot_be_read_is_no_evidence(bad: object) -> None:
    document = documents()[EDGE]
    document["relay"]["sources"] = bad
    result = judged(answers({EDGE: document}))
    assert {path.verdict for path in result.paths} == {Verdict.UNKNOWN}
    assert result.hosts[0].outcome == CallOutcome.FAILED.value


@GATEWAY
def test_a_redirect_is_shown_in_every_report() -> None:
    document = documents()[EDGE]
    for connection in document["relay"]["sources"]["connections"]:
        if (connection["address"], connection["port"]) == OWN:
            connection |= {"count": 0, "flowing": 0}
        if (connection["address"], connection["port"]) == OTHER:
            connection |= {"count": 2, "flowing": 2}
    result = judged(answers({EDGE: document}))
    for report in (printed(result), text_report(result), html_page(result)):
        assert "camera redirects" in report
        assert "100.64.0.5:10554" in report
