"""A path that its centre looks at is not read on its relay as well, unless that look does not prove it."""

import copy
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.hosts.runner import CallOutcome, HostAnswer, HostCall
from provisioner.verify.evidence import parse_evidence
from provisioner.verify.judge import is_proved, judge_each, put_together
from provisioner.verify.memory import NOTHING, Memories
from provisioner.verify.path_history import NoOnlooker, Timepiece, VerifyOptions, remembered
from provisioner.verify.paths import select
from provisioner.verify.picture_measures import Looks
from provisioner.verify.result import Cause, Incident, Verdict, VerifyResult
from provisioner.verify.run import verify

from .test_verify_laws import worlds
from .world import CENTRE, FINISHED, PATHS, RELAY, STARTED, documents, observe_requests, packets, picture, scene, state

ONE = "bac-giang/kcl-002/cam-01/sub"
MAIN = "bac-giang/kcl-001/cam-01/main"
NAMES = [path.name for path in PATHS]
BLACK = picture(scene=scene(median=0, bright=0, spread=0, one_level=1.0, gradient_p90=0.0, gradient_p99=0.0))
SHORT = picture(packets=packets(count=12, span_s=0.8, arrived_s=2.9, bytes=30_000))
REFUSED = {"error": "x", "status": 404, "timed_out": False}
Break = Callable[[dict[str, Any], dict[str, Any]], None]


class Hosts:
    """A relay and a centre that do what they are asked; `breaks` changes what they would see of the paths."""

    def __init__(self, breaks: Break = lambda *_: None, **outcomes: CallOutcome) -> None:
        self.breaks, self.outcomes = breaks, outcomes
        self.calls: list[dict[str, HostCall]] = []
        self.now = STARTED

    def call(self, calls: Sequence[HostCall], *, timeout_s: float) -> dict[str, HostAnswer]:
        assert timeout_s > 0
        self.calls.append({call.spec.id: call for call in calls})
        self.now += timedelta(seconds=6)
        return {call.spec.id: self._answer(call) for call in calls}

    def _answer(self, call: HostCall) -> HostAnswer:
        outcome = self.outcomes.get(call.spec.id.replace("-", "_"), CallOutcome.ANSWERED)
        if outcome is not CallOutcome.ANSWERED:
            return HostAnswer(call.spec.id, outcome, error="no route")
        every = documents()
        relay, centre = every[RELAY]["relay"]["paths"], every[CENTRE]["centre"]["relays"][RELAY]
        for read in (*(path["read"] for path in relay.values()), *centre.values()):
            read["picture"] = picture()
        self.breaks(relay, centre)
        document = every[call.spec.id]
        if call.spec.id == RELAY:
            document["relay"]["paths"] = {p["name"]: as_asked(p, relay[p["name"]]) for p in self.asked(call)}
        else:
            read = call.request["centre"]["relays"][0]["paths"]
            document["centre"]["relays"][RELAY] = {name: centre[name] for name in read}
        return HostAnswer(call.spec.id, CallOutcome.ANSWERED, document)

    def asked(self, call: HostCall | None = None, number: int = -1) -> list[dict[str, Any]]:
        """What a relay was asked of each path, in a round."""
        asked: list[dict[str, Any]] = (call or self.calls[number][RELAY]).request["relay"]["paths"]
        return asked

    def pause(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def as_asked(path: Mapping[str, Any], seen: dict[str, Any]) -> dict[str, Any]:
    """What a relay says of a path: its own read where it was to read it, else how it was while a centre did."""
    if "read_by" not in path:
        return seen
    read = seen["read"]
    pulled = {key: read[key] for key in ("after", "pulled", "connected")} if read.get("after") else None
    own = {key: value for key, value in read.items() if key != "picture"} if path.get("tried") else None
    return {**seen, "read": own, **({"on_demand": pulled} if pulled else {})}


def run(hosts: Hosts, **options: Any) -> VerifyResult:
    return verify(
        select(state()),
        hosts,
        observe=observe_requests(),
        compare=lambda _facts: (),
        watch=Timepiece(lambda: hosts.now, hosts.pause),
        options=VerifyOptions(**{"once": True, **options}),
    )


def of(result: VerifyResult, name: str = ONE) -> Any:
    return next(path for path in result.paths if path.path == name)


def at_centre(name: str, read: Mapping[str, Any]) -> Break:
    """Only the centre sees it so."""

    def breaks(_relay: dict[str, Any], centre: dict[str, Any]) -> None:
        centre[name] = {**centre[name], **read} if "picture" in read else dict(read)

    return breaks


def everywhere(name: str, seen: Mapping[str, Any]) -> Break:
    """Whoever looks sees it so."""

    def breaks(relay: dict[str, Any], centre: dict[str, Any]) -> None:
        for read in (relay[name]["read"], centre[name]):
            read["picture"] = dict(seen)

    return breaks


def test_healthy_paths_are_read_at_the_centre_alone() -> None:
    hosts = Hosts()
    result = run(hosts)
    assert len(hosts.calls) == 1
    assert [path["read_by"] for path in hosts.asked()] == [["centre-ioc-hn"]] * len(PATHS)
    assert not any("look" in path for path in hosts.asked())
    # One of them shows that the relay could read as well.
    assert len([path for path in hosts.asked() if path.get("tried")]) == 1
    looks = hosts.calls[0][CENTRE].request["centre"]["relays"][0]["looks"]
    assert sorted(looks) == sorted(NAMES)
    # The small ones with every picture, as a relay would.
    assert looks[ONE]["every"] is True
    # A quick look may end early, by what was agreed of the stream.
    agreed = {path.name: {"fps": path.fps, "least_kbps": path.least_kbps} for path in PATHS}
    assert {name: look["early"] for name, look in looks.items()} == agreed
    assert {(path.verdict, path.level, path.passed) for path in result.paths} == {
        (Verdict.UP, 7, (1, 2, 3, 4, 5, 6, 7))
    }
    assert {path.picture.state for path in result.paths if path.picture} == {"good"}


class _Told(NoOnlooker):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[float, int, int, list[str]]] = []

    def so_far(self, seconds: float, up: int, of_paths: int, incidents: Sequence[Incident]) -> None:
        named = [f"{one.layer} {one.object}: {one.cause}, {len(one.paths)}" for one in incidents]
        self.told.append((seconds, up, of_paths, named))


class _RefusingHosts(Hosts):
    """A camera refuses every connection."""

    def _answer(self, call: HostCall) -> HostAnswer:
        answer = super()._answer(call)
        document: Mapping[str, Any] = answer.document
        for device in document["relay"]["devices"] if "relay" in document else ():
            device["outcome"] = "refused" if device["address"] == "100.64.0.5" else device["outcome"]
        return answer


def _gone(relay: dict[str, Any], centre: dict[str, Any]) -> None:
    relay[ONE] |= {"samples": [{"available": False, "online": True, "inbound_bytes": 5, "tracks": []}] * 2}
    relay[ONE]["read"] = centre[ONE] = {**REFUSED, "seconds": 0.1}


@pytest.mark.parametrize("once", [True, False])
def test_what_is_certain_is_told_once_before_the_end(*, once: bool) -> None:
    told = _Told()
    result = run(_RefusingHosts(_gone), onlooker=told, once=once)
    assert told.told[0] == (6.0, len(PATHS) - 1, len(PATHS), ["camera kcl-002/cam-01: camera refuses, 1"])
    assert len(told.told) == 1
    assert of(result).cause is Cause.CAMERA_REFUSES


def test_a_host_that_cannot_be_reached_is_told_while_others_are_waited_for() -> None:
    told = _Told()
    run(Hosts(edge_1=CallOutcome.UNREACHABLE), onlooker=told)
    assert [(seconds, up, named) for seconds, up, _, named in told.told] == [
        (6.0, 0, [f"host {RELAY}: host unreachable, {len(PATHS)}"])
    ]


def test_of_a_run_without_a_fault_nothing_is_told_before_the_end() -> None:
    told = _Told()
    run(Hosts(), onlooker=told)
    assert told.told == []


@pytest.mark.parametrize("looks", [Looks.DUE, Looks.FULL])
def test_looks_that_the_night_takes_go_on_for_their_whole_time(looks: Looks) -> None:
    hosts = Hosts()
    run(hosts, looks=looks)
    taken = hosts.calls[0][CENTRE].request["centre"]["relays"][0]["looks"]
    assert not any("early" in look for look in taken.values())


@pytest.mark.parametrize(
    ("looked_s", "damaged", "complaints", "visits"), [(1.1, 1, 0, 2), (1.1, 0, 1, 2), (1.1, 0, 0, 1), (3.3, 1, 0, 1)]
)
def test_damage_that_a_relay_counts_or_a_decoder_sees_has_a_look_that_ended_early_taken_whole(
    looked_s: float, damaged: int, complaints: int, visits: int
) -> None:
    def breaks(relay: dict[str, Any], centre: dict[str, Any]) -> None:
        relay[ONE]["samples"][1]["damaged"] = damaged
        centre[ONE]["picture"] = picture(looked_s=looked_s, complaints=complaints)

    hosts = Hosts(breaks)
    result = run(hosts)
    assert len(hosts.calls) == visits
    # Once by itself is nothing that is reported: the second look says so, and it is a whole one on the relay.
    assert of(result).verdict is Verdict.UP
    if visits > 1:
        assert all("early" not in path.get("look", {}) for path in hosts.asked())
        assert not any(
            "early" in look for look in hosts.calls[1][CENTRE].request["centre"]["relays"][0]["looks"].values()
        )


def test_where_no_time_is_left_for_a_whole_look_it_is_unknown() -> None:
    def breaks(relay: dict[str, Any], centre: dict[str, Any]) -> None:
        relay[ONE]["samples"][1]["damaged"] = 1
        centre[ONE]["picture"] = picture(looked_s=1.1)

    hosts = Hosts(breaks)
    path = of(run(hosts, deadline_s=12))
    assert len(hosts.calls) == 1
    assert (path.verdict, path.level) == (Verdict.UNKNOWN, 5)
    assert "in the 1.1 s of its look 1 picture came with parts missing" in path.detail


@pytest.mark.parametrize(
    ("breaks", "verdict", "cause", "passed"),
    [
        (at_centre(ONE, REFUSED), Verdict.DOWN, Cause.CENTRE_CANNOT_READ, {4, 5, 6}),
        (everywhere(ONE, BLACK), Verdict.DOWN, Cause.BLACK_PICTURE, {4, 5, 7}),
        (everywhere(ONE, picture(complaints=9)), Verdict.DEGRADED, Cause.CORRUPT, {4, 5, 7}),
        (everywhere(ONE, SHORT), Verdict.DEGRADED, Cause.STARVED, {4, 5, 7}),
    ],
)
def test_what_one_read_does_not_prove_is_read_on_the_relay_too_with_its_site(
    breaks: Break, verdict: Verdict, cause: Cause, passed: set[int]
) -> None:
    hosts, said = Hosts(breaks), list[str]()
    result = run(hosts, say=said.append)
    assert said == ["1 path is of sites with doubtful pictures; reading on relays, too"]
    assert [path["name"] for path in hosts.asked()] == [ONE]
    assert all("look" in path and "read_by" not in path for path in hosts.asked())
    asked = hosts.calls[1][CENTRE].request["centre"]["relays"][0]
    assert asked["paths"] == [ONE]
    # Of a fault the relay's look says what it is, for its whole time.
    assert not any(look["every"] or "early" in look for look in asked["looks"].values())
    assert (of(result).verdict, of(result).cause) == (verdict, cause)
    assert passed <= set(of(result).passed)
    assert {path.verdict for path in result.paths if path.path != ONE} == {Verdict.UP}


def test_a_centre_that_gets_less_than_all_proves_nothing_and_the_relays_own_look_tells() -> None:
    hosts = Hosts(at_centre(ONE, {"picture": SHORT}))
    result = run(hosts)
    assert len(hosts.calls) == 2
    # Nothing bears the shortage out: the centre's reader was slow by itself.
    assert of(result).verdict is Verdict.UP


@pytest.mark.parametrize(
    "refused", [{"not_run": "this host has no reader"}, {"error": "401", "status": 401, "timed_out": False}]
)
def test_a_relay_that_could_not_read_is_known_before_there_is_trouble(refused: dict[str, Any]) -> None:
    def breaks(relay: dict[str, Any], _centre: dict[str, Any]) -> None:
        for path in relay.values():
            path["read"] = refused

    hosts = Hosts(breaks)
    result = run(hosts)
    assert len(hosts.calls) == 2
    assert {(path.verdict, path.cause) for path in result.paths if not path.path.endswith("main")} == {
        (Verdict.UNKNOWN, Cause.CANNOT_CHECK)
    }


def test_a_try_that_fails_for_its_camera_says_nothing_of_the_others() -> None:
    first = next(path["name"] for path in asked_of_a_healthy_relay() if path.get("tried"))

    def breaks(relay: dict[str, Any], _centre: dict[str, Any]) -> None:
        relay[first]["read"] = dict(REFUSED)

    hosts = Hosts(breaks)
    assert run(hosts).all_up
    assert len(hosts.calls) == 1


def asked_of_a_healthy_relay() -> list[dict[str, Any]]:
    hosts = Hosts()
    run(hosts)
    return hosts.asked()


def test_an_on_demand_path_whose_relay_did_not_see_it_is_read_there() -> None:
    def breaks(relay: dict[str, Any], _centre: dict[str, Any]) -> None:
        relay[MAIN]["read"]["after"] = None

    hosts = Hosts(breaks)
    assert of(run(hosts), MAIN).verdict is Verdict.UNKNOWN
    assert len(hosts.calls) == 2


def test_a_redirected_on_demand_path_is_found_while_its_centre_reads_it() -> None:
    def breaks(relay: dict[str, Any], _centre: dict[str, Any]) -> None:
        relay[MAIN]["read"]["connected"] = 1

    assert (of(run(Hosts(breaks)), MAIN).cause) is Cause.REDIRECTED


def test_where_a_centre_is_not_reached_relays_read_and_it_is_not_asked_again() -> None:
    hosts = Hosts(ioc_hn=CallOutcome.UNREACHABLE)
    result = run(hosts)
    assert [sorted(calls) for calls in hosts.calls] == [[RELAY, CENTRE], [RELAY]]
    assert {(path.verdict, path.cause, path.level) for path in result.paths} == {
        (Verdict.UNKNOWN, Cause.HOST_UNREACHABLE, 6)
    }


def test_a_relay_that_is_not_reached_is_not_asked_again() -> None:
    hosts = Hosts(edge_1=CallOutcome.UNREACHABLE)
    result = run(hosts)
    assert len(hosts.calls) == 1
    assert {path.cause for path in result.paths} == {Cause.HOST_UNREACHABLE}


@pytest.mark.parametrize("options", [{"level": 5}, {"level": 6}, {"looks": Looks.OFF}])
def test_where_no_centre_looks_relays_read(options: dict[str, Any]) -> None:
    hosts = Hosts()
    run(hosts, **options)
    assert len(hosts.calls) == 1
    assert not any("read_by" in path for path in hosts.asked())


def test_the_site_of_what_failed_before_is_read_twice_at_once() -> None:
    before = run(Hosts(everywhere(ONE, BLACK)))
    memories: Memories = {look.path: remembered(NOTHING, [look]) for look in before.looks if look.path == ONE}
    hosts = Hosts(everywhere(ONE, BLACK))
    hosts.now += timedelta(days=1)
    result = run(hosts, memories=memories)
    assert len(hosts.calls) == 1
    assert {path["name"] for path in hosts.asked() if "read_by" not in path} == {ONE}
    looks = hosts.calls[0][CENTRE].request["centre"]["relays"][0]["looks"]
    assert {name for name, look in looks.items() if "early" not in look} == {ONE}
    assert of(result).cause is Cause.BLACK_PICTURE


def test_without_time_for_a_second_visit_nothing_is_made_up() -> None:
    hosts = Hosts(everywhere(ONE, BLACK))
    result = run(hosts, deadline_s=12)
    assert len(hosts.calls) == 1
    assert of(result).verdict is not Verdict.UP


@given(worlds())
@settings(max_examples=150, deadline=None)
def test_one_read_proves_nothing_that_two_like_it_would_not(given_answers: dict[str, HostAnswer]) -> None:
    """A relay that read what its centre did would come to the same, wherever the centre's read is enough."""
    hosts: dict[str, dict[str, Any]] = {
        host: copy.deepcopy(dict(answer.document)) for host, answer in given_answers.items()
    }
    centre = hosts[CENTRE].get("centre", {}).get("relays", {}).get(RELAY, {})
    relay: dict[str, Any] = hosts[RELAY].get("relay", {}).get("paths", {})
    for read in centre.values():
        if read and "codec" in read:
            read.setdefault("picture", picture())
    twice = copy.deepcopy(relay)
    for name, seen in relay.items():
        read = seen["read"] or {}
        pulled = {"after": read.get("after"), "pulled": read.get("pulled", 0), "connected": read.get("connected")}
        seen["read"] = None
        if pulled["after"]:
            seen["on_demand"] = pulled
        twice[name]["read"] = {**centre[name], **pulled} if centre.get(name) else None
    once = judged_of(given_answers, hosts, once=NAMES)
    if hosts[RELAY]:
        hosts[RELAY]["relay"]["paths"] = twice
    both = judged_of(given_answers, hosts)
    proved = [name for name, verdict in once.items() if is_proved(verdict)]
    assert {name: once[name].verdict for name in proved} == {name: both[name].verdict for name in proved}
    assert all(twice[name]["read"]["picture"] is not None for name in proved)


def judged_of(answers: Mapping[str, HostAnswer], hosts: Mapping[str, Any], once: Sequence[str] = ()) -> dict[str, Any]:
    given_now = {host: HostAnswer(host, answer.outcome, hosts[host]) for host, answer in answers.items()}
    evidence = {host: parse_evidence(answer) for host, answer in given_now.items()}
    drift = {host: () for host, one in evidence.items() if one.facts is not None}
    paths = select(state())
    return {one.path: one for one in put_together([judge_each(paths, evidence, drift, FINISHED, once=once)], paths)}


@given(st.sampled_from(NAMES), st.sampled_from(["read", "picture", "samples", "on_demand"]))
def test_a_path_that_is_read_once_is_not_up_without_its_centre_or_its_relay(name: str, lost: str) -> None:
    def breaks(relay: dict[str, Any], centre: dict[str, Any]) -> None:
        if lost == "read":
            del centre[name]["codec"]
            centre[name].update(REFUSED)
        elif lost == "picture":
            centre[name]["picture"] = None
        elif lost == "samples" or name != MAIN:
            relay[name]["samples"] = [None, None]
        else:
            relay[name]["read"]["after"] = None

    # There is no time for more.
    assert of(run(Hosts(breaks), deadline_s=12), name).verdict is not Verdict.UP
