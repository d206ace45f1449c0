"""What a watch makes of looks: down after a minute, one thing told once, nothing known that nobody saw."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.hosts.runner import CallOutcome, HostAnswer
from provisioner.verify.path_history import Window
from provisioner.verify.paths import PathToCheck, select
from provisioner.verify.result import Cause, Finding, Layer, PathVerdict, Verdict
from provisioner.verify.watch_states import FlowLook, PathStates, WatchView, flow_call, flow_in, verdict_on
from tests.hostile import RELAY as RELAY_IN_OTHER_HANDS
from tests.unit.verify.world import PATHS, RELAY, relay_spec, state

NOON = datetime(2021, 5, 12, 5, tzinfo=UTC)
EVERY = timedelta(seconds=10)
TARGETS = tuple(target for target in select(state()) if not target.path.on_demand)
NAMES = frozenset(target.path.name for target in TARGETS)
RECORDED = frozenset({"bac-giang/kcl-001/cam-01/sub", "bac-giang/kcl-001/cam-02/sub"})
LONELY = "bac-giang/kcl-002/cam-01/sub"


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def looked(seconds: float, *, still: frozenset[str] = frozenset(), gone: frozenset[str] = frozenset()) -> FlowLook:
    flowing = NAMES - still - gone
    return FlowLook(RELAY, at(seconds), 2.0, CallOutcome.ANSWERED, flowing=flowing, standing=still)


def silent(seconds: float) -> FlowLook:
    return FlowLook(RELAY, at(seconds), 10.0, CallOutcome.UNREACHABLE, "no route to it")


def states(*windows: Window) -> PathStates:
    return PathStates(TARGETS, windows)


def visited(seconds: float, names: frozenset[str], layer: Layer, name: str, cause: Cause) -> list[PathVerdict]:
    of = [target for target in TARGETS if target.path.name in names]
    return [verdict_on(t, Verdict.DOWN, at(seconds), Finding(cause, layer, name, "", 3)) for t in of]


def said(view: WatchView) -> dict[str, str]:
    return {one.path: one.verdict.value for one in view.standing}


def test_what_stands_still_for_a_minute_is_down_and_one_thing() -> None:
    one = states()
    one.look(looked(0))
    assert one.view(at(1)).number(Verdict.UP) == len(NAMES)
    one.look(looked(10, still=RECORDED))
    assert set(said(one.view(at(11))).values()) == {"unknown"}
    assert one.to_visit(RELAY, at(11)) == ()
    one.look(looked(20, still=RECORDED))
    asked = {target.path.name for target in one.to_visit(RELAY, at(21))}
    assert asked == {name for name in NAMES if "/kcl-001/" in name}, "the whole site, and no other"
    one.visit(RELAY, visited(22, RECORDED, Layer.RECORDER, "kcl-001/nvr-1", Cause.CAMERA_UNPLUGGED), at(22))
    assert one.to_visit(RELAY, at(41)) == ()
    assert one.view(at(60)).incidents == ()
    assert one.next_look_at(RELAY, EVERY) == at(30)
    one.look(looked(62, still=RECORDED))
    assert one.next_look_at(RELAY, EVERY) == at(70), "exactly a minute after the first look that failed"
    one.look(looked(70, still=RECORDED))
    view = one.view(at(71))
    assert said(view) == dict.fromkeys(RECORDED, "down")
    (incident,) = view.incidents
    assert (incident.layer, incident.object) == (Layer.RECORDER, "kcl-001/nvr-1")
    assert (incident.cause, frozenset(incident.paths)) == (Cause.CAMERA_UNPLUGGED, RECORDED)
    one.look(looked(80))
    assert one.view(at(81)).incidents == ()
    assert one.view(at(81)).number(Verdict.UP) == len(NAMES)


@given(st.lists(st.tuples(st.integers(5, 30), st.booleans()), min_size=1, max_size=30))
def test_down_needs_two_failures_a_minute_apart_and_nothing_good_between(looks: list[tuple[int, bool]]) -> None:
    one, now, first = states(), 0, None
    for pause, stands in looks:
        now += pause
        one.look(looked(now, still=frozenset({LONELY}) if stands else frozenset()))
        one.visit(RELAY, [], at(now))
        first = (now if first is None else first) if stands else None
        expected = first is not None and now - first >= 60
        assert (said(one.view(at(now))).get(LONELY) == "down") is expected
        # Whoever goes by what is due never waits longer than a pause, nor past the minute.
        due = one.next_look_at(RELAY, EVERY)
        assert due is not None
        assert at(now) < due <= at(now) + EVERY


def test_what_was_not_looked_at_for_a_minute_is_unknown_and_what_was_down_stays_so() -> None:
    one = states()
    assert one.view(at(0)).number(Verdict.UNKNOWN) == len(NAMES)
    for seconds in (0, 10, 60):
        one.look(looked(seconds, still=frozenset({LONELY})))
        one.visit(RELAY, visited(seconds, frozenset({LONELY}), Layer.CAMERA, "x", Cause.CAMERA_HUNG), at(seconds))
    assert one.view(at(119)).number(Verdict.UP) == len(NAMES) - 1
    later = one.view(at(125))
    assert (later.number(Verdict.UNKNOWN), later.number(Verdict.DOWN)) == (len(NAMES) - 1, 1)
    assert later.total == len(NAMES)


def test_a_relay_that_does_not_answer_is_an_incident_after_a_minute_and_asked_more_seldom() -> None:
    one = states()
    one.look(looked(0))
    one.look(silent(10))
    assert one.next_look_at(RELAY, EVERY) == at(30)
    assert one.view(at(30)).incidents == ()
    one.look(silent(50))
    assert one.view(at(60)).incidents == ()
    one.look(silent(70))
    (incident,) = one.view(at(80)).incidents
    assert (incident.layer, incident.object, incident.cause) == (Layer.HOST, RELAY, Cause.HOST_UNREACHABLE)
    assert set(incident.paths) == NAMES
    assert one.to_visit(RELAY, at(80)) == ()
    one.look(looked(90))
    assert one.view(at(91)).incidents == ()


def test_a_path_that_its_relay_has_not_got_is_unknown_until_a_visit_says_that_it_is_quarantined() -> None:
    one, lonely = states(), frozenset({LONELY})
    for seconds in (0, 10, 70, 140):
        one.look(looked(seconds, gone=lonely))
    assert said(one.view(at(141))) == {LONELY: "unknown"}
    (target,) = one.to_visit(RELAY, at(141))
    kept = verdict_on(
        target, Verdict.QUARANTINED, at(141), Finding(Cause.WRONG_PASSWORD, Layer.CAMERA, "kcl-002/cam-01")
    )
    one.visit(RELAY, [kept], at(141))
    one.look(looked(150, gone=lonely))
    (incident,) = one.view(at(151)).incidents
    assert (incident.cause, incident.object) == (Cause.WRONG_PASSWORD, "kcl-002/cam-01")
    one.look(looked(160))
    assert one.view(at(161)).number(Verdict.UP) == len(NAMES)


def test_nothing_of_a_maintenance_window_raises_an_alarm() -> None:
    window = Window(at(0), at(600), "new switch", names=frozenset({("facilities", "kcl-002")}))
    one = states(window)
    for seconds in (0, 10, 70, 130):
        one.look(looked(seconds, still=frozenset({LONELY})))
    view = one.view(at(131))
    assert (said(view), view.incidents) == ({LONELY: "maintenance"}, ())
    assert said(one.view(at(601))) == {LONELY: "unknown"}, "what failed inside begins nothing"


def test_a_relay_whose_service_stopped_is_one_thing() -> None:
    one = states()
    for seconds in (0, 10, 60):
        one.look(replace(looked(seconds), flowing=frozenset(), standing=NAMES, stopped="failed"))
        one.visit(RELAY, [], at(seconds + 1))
    (incident,) = one.view(at(61)).incidents
    assert (incident.layer, incident.cause) == (Layer.RELAY, Cause.RELAY_STOPPED)
    assert set(incident.paths) == NAMES


def test_what_goes_and_comes_again_and_again_is_flapping() -> None:
    one, now = states(), 0
    for _ in range(3):
        for still in (frozenset({LONELY}), frozenset[str]()):
            now += 30
            one.look(looked(now, still=still))
    assert said(one.view(at(now))) == {LONELY: "degraded"}
    later = now + int(timedelta(hours=49).total_seconds())
    one.look(looked(later))
    assert one.view(at(later)).number(Verdict.UP) == len(NAMES)


def test_another_inventory_keeps_what_is_known_of_the_paths_that_stay() -> None:
    one = states()
    for seconds in (0, 60):
        one.look(looked(seconds, still=frozenset({LONELY})))
        one.visit(RELAY, [], at(seconds + 1))
    one.replace_targets([target for target in TARGETS if target.path.name in {LONELY, *RECORDED}], ())
    view = one.view(at(61))
    assert (view.total, said(view)) == (3, {LONELY: "down"})
    one.replace_targets([target for target in TARGETS if target.path.name in RECORDED], ())
    assert one.view(at(61)).number(Verdict.UP) == 2
    one.look(replace(looked(70), host="nobody"))


@pytest.mark.soak
def test_a_round_of_looks_at_a_country_costs_a_part_of_its_ten_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    spec, path = relay_spec(), PATHS[4]
    country = [
        PathToCheck(
            replace(spec, id=f"relay-{relay:02}"),
            path._replace(name=f"p-{relay:02}/kcl-{relay:02}-{n // 10:03}/cam-{n % 10}/sub", camera=f"cam-{n % 10}"),
            (),
        )
        for relay in range(87)
        for n in range(1150)
    ]
    one, seconds = PathStates(country, ()), {}
    for number, share in enumerate((0.0, 0.01, 0.01, 0.3)):
        begun = time.process_time()
        for host in one.hosts:
            names = list(one.targets(host))
            flows = {name: place >= share * len(names) for place, name in enumerate(names)}
            document = {"unit": "active", "api_error": "", "flows": flows, "seconds": 2.0}
            answered = HostAnswer(host, CallOutcome.ANSWERED, document)
            one.look(flow_in(answered, names, at(10 * number), 2.0))
        seconds[share] = time.process_time() - begun
    with capsys.disabled():
        words = ", ".join(f"{share:.0%} still: {cost:.2f} s" for share, cost in seconds.items())
        print(f"\none round of looks at {len(country)} paths on 87 relays: {words}")  # noqa: T201 (a figure of the page)
    assert one.view(at(31)).total == len(country)
    assert seconds[0.01] < 5


# --- what hosts say -------------------------------------------------------------------------------
def answer(document: object) -> FlowLook:
    return flow_in(HostAnswer(RELAY, CallOutcome.ANSWERED, document), NAMES, NOON, 1.0)  # type: ignore[arg-type]


def test_an_answer_says_what_flows_and_nothing_of_what_nobody_asked() -> None:
    look = answer({"unit": "active", "api_error": "", "flows": {LONELY: True, "x/y/z/sub": True}, "seconds": 2.0})
    assert (look.flowing, look.standing, look.is_answered) == (frozenset({LONELY}), frozenset(), True)
    call = flow_call({target.path.name: target for target in TARGETS})
    assert call.request["paths"] == sorted(NAMES)
    assert call.shares


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=8), below, max_size=3),
    max_leaves=8,
)


@RELAY_IN_OTHER_HANDS
@given(st.dictionaries(st.sampled_from(["unit", "api_error", "flows", "seconds", "other"]), JUNK))
def test_whatever_a_relay_answers_is_a_look_or_none(document: dict[str, object]) -> None:
    look = answer(document)
    assert look.flowing <= NAMES
    assert look.flowing.isdisjoint(look.standing)
    one = states()
    one.look(look)
    assert one.view(NOON).total == len(NAMES)


def test_a_stopped_service_stands_still_and_a_silent_api_says_nothing() -> None:
    stopped = answer({"unit": "failed", "api_error": "connection refused", "flows": {LONELY: True}, "seconds": 2.0})
    assert (stopped.stopped, stopped.flowing, stopped.is_answered) == ("failed", frozenset(), True)
    silent_api = answer({"unit": "active", "api_error": "timed out", "flows": {}, "seconds": 2.0})
    assert not silent_api.is_answered
    assert silent_api.error


def test_targets_are_pulled_paths_alone() -> None:
    assert all(isinstance(target, PathToCheck) and not target.path.on_demand for target in TARGETS)
    assert len(NAMES) == 4
