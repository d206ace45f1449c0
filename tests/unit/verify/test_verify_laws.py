"""Laws of verdicts: no evidence is never up, drift never helps, order never matters, secrets never show."""

import copy
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.hosts.runner import CallOutcome, HostAnswer
from provisioner.report.verify_html import html_page
from provisioner.report.verify_text import text_report
from provisioner.verify.document import verify_document
from provisioner.verify.evidence import parse_evidence
from provisioner.verify.judge import LEVELS, judge
from provisioner.verify.paths import select
from provisioner.verify.result import Cause, PathVerdict, Verdict, VerifyResult

from .world import (
    CANARY,
    CENTRE,
    FINISHED,
    PATHS,
    RELAY,
    answers,
    change,
    documents,
    judged,
    picture,
    quarantined,
    scene,
    state,
)

EVERY = tuple(level.number for level in LEVELS)
PICTURE = 6
_GOODNESS = [Verdict.DOWN, Verdict.UNKNOWN, Verdict.DEGRADED, Verdict.UP]
_SAMPLES = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {
            "available": st.booleans(),
            "online": st.booleans(),
            "inbound_bytes": st.integers(0, 3),
            "tracks": st.lists(st.fixed_dictionaries({"codec": st.sampled_from(["H264", "G711", "KLV"])}), max_size=2),
        }
    ),
)
_BLACK = {"median": 0, "bright": 0, "gradient_p90": 0.0, "gradient_p99": 0.0}
_DARK = {"median": 2, "bright": 40, "gradient_p90": 3.0, "gradient_p99": 12.0}
_LOOKS = st.one_of(
    st.none(),
    st.builds(picture),
    st.sampled_from([_BLACK, _DARK]).map(lambda changes: picture(scene=scene(**changes))),
    st.integers(0, 3).map(lambda complaints: picture(complaints=complaints)),
)
_READS = st.one_of(
    st.none(),
    st.just({"not_run": "no time was left"}),
    st.fixed_dictionaries(
        {"error": st.just("x"), "status": st.sampled_from([None, 400, 401, 404]), "timed_out": st.booleans()}
    ),
    st.fixed_dictionaries(
        {
            "codec": st.sampled_from(["h264", "hevc"]),
            "width": st.sampled_from([640, 1920]),
            "height": st.sampled_from([360, 1080]),
            "after": _SAMPLES,
        },
        optional={"picture": _LOOKS},
    ),
)
_OUTCOMES = st.sampled_from(["ok", "refused", "no-route", "timeout", "not-permitted", "ECONNRESET"])
_LOG = st.sampled_from(["bad status code: 401 (Unauthorized)", "TCP timeout", "no route to host", "EOF"])


@st.composite
def worlds(draw: st.DrawFn) -> dict[str, HostAnswer]:
    """Answers in which anything may be broken, or kept as it is when all is well."""
    hosts = documents()
    relay = hosts[RELAY]["relay"]
    for device in relay["devices"]:
        device["outcome"] = draw(st.one_of(st.just("ok"), _OUTCOMES))
    for peer in relay["tunnel"]["peers"].values():
        peer["handshake_age_s"] = draw(st.sampled_from([30, 30, 900, None]))
        peer["received_bytes"] = draw(st.sampled_from([[1, 2], [1, 1]]))
        peer["sent_bytes"] = draw(st.sampled_from([[1, 2], [1, 1]]))
    for name in sorted(relay["paths"]):
        _break_path(draw, relay, hosts[CENTRE]["centre"]["relays"][RELAY], name)
    if draw(st.integers(0, 5)) == 0:
        relay["unit"] = "failed"
    for host in (RELAY, CENTRE):
        if draw(st.integers(0, 5)) == 0:
            hosts[host]["facts"] = None
    outcome = st.sampled_from([CallOutcome.ANSWERED] * 6 + [CallOutcome.UNREACHABLE, CallOutcome.FAILED])
    outcomes = {host: draw(outcome) for host in hosts}
    return {
        host: HostAnswer(host, outcomes[host], document if outcomes[host] is CallOutcome.ANSWERED else {})
        for host, document in hosts.items()
    }


def _break_path(draw: st.DrawFn, relay: dict[str, Any], read_at_centre: dict[str, Any], name: str) -> None:
    if draw(st.booleans()):
        relay["paths"][name]["samples"] = [draw(_SAMPLES), draw(_SAMPLES)]
    if draw(st.booleans()):
        relay["paths"][name]["read"] = draw(_READS)
    if draw(st.booleans()):
        read_at_centre[name] = draw(_READS)
    if draw(st.booleans()):
        relay["errors"][name] = [draw(_LOG)]


@given(worlds())
@settings(max_examples=150, deadline=None)
def test_summary_counts_add_up_and_every_path_has_a_verdict(given_answers: dict[str, HostAnswer]) -> None:
    result = judged(given_answers)
    summary = verify_document(result).plain["summary"]
    assert summary["paths"] == len(PATHS) == sum(v for k, v in summary.items() if k != "paths")


@given(worlds(), st.sampled_from([p.name for p in PATHS]), st.sampled_from(["read", "samples", "centre", "device"]))
@settings(max_examples=150, deadline=None)
def test_a_path_without_evidence_is_never_up(given_answers: dict[str, HostAnswer], name: str, lost: str) -> None:
    hosts: dict[str, dict[str, Any]] = {
        host: copy.deepcopy(dict(answer.document)) for host, answer in given_answers.items()
    }
    if hosts[RELAY] and lost in {"read", "samples"}:
        hosts[RELAY]["relay"]["paths"][name][lost] = None if lost == "read" else [None, None]
    if hosts[RELAY] and lost == "device":
        hosts[RELAY]["relay"]["devices"] = []
    if hosts[CENTRE] and lost == "centre":
        del hosts[CENTRE]["centre"]["relays"][RELAY][name]
    result = judged({h: HostAnswer(h, a.outcome, hosts[h]) for h, a in given_answers.items()})
    assert next(p for p in result.paths if p.path == name).verdict is not Verdict.UP


@given(worlds())
@settings(max_examples=150, deadline=None)
def test_drift_never_makes_a_path_better(given_answers: dict[str, HostAnswer]) -> None:
    before = judged(given_answers)
    for host in (RELAY, CENTRE):
        after = judged(given_answers, {host: [change(host=host)]})
        for old, new in zip(before.paths, after.paths, strict=True):
            assert _GOODNESS.index(new.verdict) <= _GOODNESS.index(old.verdict)
            assert new.level <= old.level


@given(worlds(), st.sets(st.sampled_from([p.name for p in PATHS])))
@settings(max_examples=150, deadline=None)
def test_what_is_quarantined_is_so_whatever_else_is_and_is_nobody_elses_matter(
    given_answers: dict[str, HostAnswer], names: set[str]
) -> None:
    document: dict[str, Any] = copy.deepcopy(dict(given_answers[RELAY].document))
    if document and document["facts"]:
        document["facts"]["quarantine"] = {name: quarantined(name) for name in names}
    told = bool(document and document["facts"] and names)
    relay = HostAnswer(RELAY, given_answers[RELAY].outcome, document)
    before, after = judged(given_answers), judged({**given_answers, RELAY: relay})
    for old, new in zip(before.paths, after.paths, strict=True):
        if told and new.path in names:
            assert new.verdict is Verdict.QUARANTINED
            assert new.cause in {Cause.WRONG_PASSWORD, Cause.REDIRECTED}
            assert new.level <= 3
        else:
            assert new == old


@given(worlds(), st.randoms())
@settings(max_examples=100, deadline=None)
def test_the_order_of_hosts_and_paths_never_matters(given_answers: dict[str, HostAnswer], random: Any) -> None:
    wanted = list(select(state()))
    evidence = [parse_evidence(a) for a in given_answers.values()]
    first = judge(wanted, {e.host: e for e in evidence}, {}, FINISHED)
    random.shuffle(wanted)
    random.shuffle(evidence)
    assert judge(wanted, {e.host: e for e in evidence}, {}, FINISHED) == first


@given(worlds())
@settings(max_examples=150, deadline=None)
def test_every_path_that_is_not_up_is_in_exactly_one_incident(given_answers: dict[str, HostAnswer]) -> None:
    result = judged(given_answers, {RELAY: [change()]})
    listed = sorted(path for incident in result.incidents for path in incident.paths)
    assert listed == sorted(p.path for p in result.paths if p.verdict is not Verdict.UP)


def applicable(path: PathVerdict) -> tuple[int, ...]:
    """The levels that apply to a path: that of the picture where one was looked at, and had light."""
    judged_at_all = path.picture is not None and path.picture.state not in {"not due", "dark: cannot judge"}
    return tuple(number for number in EVERY if number != PICTURE or judged_at_all)


@given(worlds())
@settings(max_examples=150, deadline=None)
def test_a_faulty_picture_is_never_up_and_what_was_not_seen_never_good(given_answers: dict[str, HostAnswer]) -> None:
    for path in judged(given_answers).paths:
        state_of = path.picture.state if path.picture else ""
        assert (PICTURE in path.passed) == (state_of == "good")
        assert path.verdict is not Verdict.UP or state_of in {"good", "not due", "dark: cannot judge"}


@given(worlds())
@settings(max_examples=150, deadline=None)
def test_up_means_every_applicable_level_passed(given_answers: dict[str, HostAnswer]) -> None:
    for path in judged(given_answers).paths:
        assert (path.verdict is Verdict.UP) == (path.passed == applicable(path))
        assert (path.level == EVERY[-1]) == (path.verdict is Verdict.UP)


def test_no_secret_is_in_the_result_or_in_a_report() -> None:
    result: VerifyResult = judged(answers())
    shown = [
        repr(result),
        json.dumps(verify_document(result).plain),
        text_report(result, detail=True),
        html_page(result),
    ]
    assert not [text for text in shown if CANARY in text]


def test_an_answer_that_cannot_be_read_is_no_evidence() -> None:
    broken = documents()[RELAY]
    del broken["relay"]["tunnel"]
    result = judged(answers({RELAY: broken}))
    assert {p.verdict for p in result.paths} == {Verdict.UNKNOWN}
    assert result.hosts[0].error == "its answer cannot be read: relay.tunnel is missing"
