"""Runs that look twice, know of earlier ones, have little time or measure a part: what is asked, what is said."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from provisioner.hosts.runner import CallOutcome, HostAnswer, HostCall, OpenRunner
from provisioner.report.verify_text import verify_ending
from provisioner.verify.memory import NOTHING, Memories, PathMemory
from provisioner.verify.path_history import Timepiece, VerifyOptions, Window, remembered
from provisioner.verify.paths import select
from provisioner.verify.result import Cause, PathVerdict, Verdict, VerifyResult, exit_code
from provisioner.verify.rotation import share_of
from provisioner.verify.run import verify

from .world import CENTRE, PATHS, RELAY, STARTED, documents, observe_requests, state

OTHER = "bac-giang/kcl-002/cam-01/sub"
LONE = "bac-giang/kcl-001/cam-09/sub"
REFUSING, ALONE = ("100.64.0.5", 10554), ("100.64.0.4", 10555)
Answers = Mapping[str, HostAnswer]


class Hosts:
    """A runner that answers each round with the next of some answers, and takes some seconds for it."""

    def __init__(self, *rounds: Answers, seconds: float = 9) -> None:
        self.rounds = list(rounds)
        self.calls: list[list[HostCall]] = []
        self.timeouts: list[float] = []
        self.now = STARTED
        self.paused: list[float] = []
        self._seconds = seconds

    def call(self, calls: Sequence[HostCall], *, timeout_s: float) -> dict[str, HostAnswer]:
        answers = self.rounds[min(len(self.calls), len(self.rounds) - 1)]
        self.calls.append(list(calls))
        self.timeouts.append(timeout_s)
        self.now += timedelta(seconds=self._seconds)
        return {call.spec.id: answers[call.spec.id] for call in calls if call.spec.id in answers}

    def pause(self, seconds: float) -> None:
        self.paused.append(seconds)
        self.now += timedelta(seconds=seconds)

    def asked(self, number: int) -> list[str]:
        """The paths that the relay was asked about in a round."""
        requests = [call.request for call in self.calls[number] if "relay" in call.request]
        return [path["name"] for request in requests for path in request["relay"]["paths"]]


def well() -> dict[str, HostAnswer]:
    return {host: HostAnswer(host, CallOutcome.ANSWERED, document) for host, document in documents().items()}


def failing(name: str = OTHER, device: tuple[str, int] = REFUSING, outcome: str = "refused") -> dict[str, HostAnswer]:
    """Answers in which one camera does not send."""
    hosts: dict[str, dict[str, Any]] = documents()
    relay = hosts[RELAY]["relay"]
    for one in relay["devices"]:
        if (one["address"], one["port"]) == device:
            one["outcome"] = outcome
    sample = {"available": False, "online": False, "inbound_bytes": 0, "tracks": []}
    relay["paths"][name] = {"samples": [sample, sample], "read": {"error": "x", "status": 404, "timed_out": False}}
    hosts[CENTRE]["centre"]["relays"][RELAY][name] = {"error": "x", "status": 404, "timed_out": False}
    return {host: HostAnswer(host, CallOutcome.ANSWERED, document) for host, document in hosts.items()}


def run(hosts: Hosts, **options: Any) -> VerifyResult:
    said: list[str] = options.setdefault("said", [])
    del options["said"]
    return verify(
        select(state()),
        hosts,
        observe=observe_requests(),
        compare=lambda _facts: (),
        watch=Timepiece(lambda: hosts.now, hosts.pause),
        options=VerifyOptions(say=said.append, **options),
    )


def verdict_of(result: VerifyResult, name: str = OTHER) -> PathVerdict:
    return next(path for path in result.paths if path.path == name)


def memories_after(*results: VerifyResult) -> Memories:
    known: dict[str, PathMemory] = {}
    for result in results:
        for look in result.looks:
            known[look.path] = remembered(known.get(look.path, NOTHING), [look])
    return known


def test_a_healthy_run_looks_once_and_waits_for_nothing() -> None:
    hosts, said = Hosts(well()), list[str]()
    result = run(hosts, said=said)
    assert (len(hosts.calls), hosts.paused, said) == (1, [], [])
    assert result.all_up


def test_what_failed_is_looked_at_again_with_its_site_a_minute_later() -> None:
    hosts, said = Hosts(failing()), list[str]()
    result = run(hosts, said=said)
    assert hosts.asked(1) == [OTHER]
    assert hosts.paused == [60]
    assert said == ["1 path is not up; looking again in 60 s"]
    path = verdict_of(result)
    assert (path.verdict, path.cause) == (Verdict.DOWN, Cause.CAMERA_REFUSES)
    assert path.standing is not None
    assert (path.standing.looks, path.standing.confirmed) == (2, True)
    assert [incident.cause for incident in result.incidents] == [Cause.CAMERA_REFUSES]
    assert exit_code(result) == 1


class StreamingHosts(Hosts, OpenRunner):
    """The same; whatever is judged, some host takes 40 s more."""

    def stream(self, calls: Sequence[HostCall], *, timeout_s: float) -> Iterator[HostAnswer]:
        answers = self.call(calls, timeout_s=timeout_s)
        for host in (RELAY, CENTRE, *(answers.keys() - {RELAY, CENTRE})):
            if host in answers:
                yield answers[host]
        self.now += timedelta(seconds=40)


def test_the_minute_begins_when_the_failing_relay_was_judged_however_long_others_take() -> None:
    hosts = StreamingHosts(failing())
    result = run(hosts)
    assert hosts.paused == [20]
    path = verdict_of(result)
    assert path.standing is not None
    assert (path.verdict, path.standing.confirmed) == (Verdict.DOWN, True)


def test_the_neighbours_of_what_failed_are_looked_at_too() -> None:
    hosts = Hosts(failing(LONE, ALONE))
    run(hosts)
    assert sorted(hosts.asked(1)) == sorted(path.name for path in PATHS if path.facility == "kcl-001")


def test_a_camera_that_was_coming_back_is_up() -> None:
    result = run(Hosts(failing(), well()))
    assert result.all_up
    assert [look.verdict for look in result.looks if look.path == OTHER] == [Verdict.DOWN, Verdict.UP]


def test_a_neighbour_that_fails_at_the_second_look_is_not_up() -> None:
    both = failing(LONE, ALONE)
    result = run(Hosts(failing(LONE, ALONE), failing("bac-giang/kcl-001/cam-02/sub", ALONE)))
    assert both
    path = verdict_of(result, "bac-giang/kcl-001/cam-02/sub")
    assert path.verdict is Verdict.UNKNOWN
    assert path.standing is not None
    assert not path.standing.confirmed


def test_once_is_down_at_the_first_failure() -> None:
    hosts = Hosts(failing())
    result = run(hosts, once=True)
    assert len(hosts.calls) == 1
    assert verdict_of(result).verdict is Verdict.DOWN
    assert result.scope.once


def test_a_run_that_does_not_confirm_ends_without_the_minute() -> None:
    hosts, said = Hosts(failing()), list[str]()
    result = run(hosts, said=said, confirms=False)
    assert (len(hosts.calls), hosts.paused, said) == (1, [], [])
    assert verdict_of(result).verdict is Verdict.UNKNOWN
    # The next run's failure confirms it.
    hosts.now += timedelta(minutes=2)
    assert verdict_of(run(hosts, confirms=False, memories=memories_after(result))).verdict is Verdict.DOWN


def test_a_single_failure_is_unknown_with_its_cause() -> None:
    hosts = Hosts(failing())
    result = run(hosts, deadline_s=60)
    assert len(hosts.calls) == 1
    path = verdict_of(result)
    assert (path.verdict, path.cause) == (Verdict.UNKNOWN, Cause.CAMERA_REFUSES)
    assert path.detail.endswith(" (failed once at 2021-05-12 00:00:09 +07:00, not yet confirmed)")
    assert [incident.paths for incident in result.incidents] == [(OTHER,)]
    assert exit_code(result) == 1


def test_a_second_look_that_shows_nothing_leaves_the_first() -> None:
    lost = {host: HostAnswer(host, CallOutcome.UNREACHABLE, error="no route") for host in (RELAY, CENTRE)}
    path = verdict_of(run(Hosts(failing(), lost)))
    assert (path.verdict, path.cause) == (Verdict.UNKNOWN, Cause.CAMERA_REFUSES)


def test_a_failure_that_is_remembered_is_the_first() -> None:
    memories = memories_after(run(Hosts(failing()), once=True))
    hosts = Hosts(failing())
    hosts.now += timedelta(minutes=10)
    result = run(hosts, memories=memories)
    assert len(hosts.calls) == 1
    path = verdict_of(result)
    assert path.verdict is Verdict.DOWN
    assert path.standing is not None
    assert path.standing.since == STARTED + timedelta(seconds=9)


# --- maintenance ----------------------------------------------------------------------------------
def window(begin: datetime, **about: Any) -> Window:
    return Window(begin, begin + timedelta(hours=2), "new switch", **about)


def test_what_is_in_maintenance_is_measured_and_raises_no_alarm() -> None:
    hosts = Hosts(failing())
    result = verify_in(hosts, window(STARTED, names=frozenset({("facilities", "kcl-002")})))
    path = verdict_of(result)
    assert (path.verdict, path.without_window) == (Verdict.MAINTENANCE, Verdict.DOWN)
    assert path.cause is Cause.CAMERA_REFUSES
    assert result.incidents == ()
    assert len(hosts.calls) == 1
    assert exit_code(result) == 0
    assert not result.all_up
    assert all(one.verdict is Verdict.UP for one in result.paths if one.path != OTHER)


def verify_in(hosts: Hosts, *windows: Window, **options: Any) -> VerifyResult:
    return run(hosts, windows=windows, **options)


@pytest.mark.parametrize("begin", [STARTED - timedelta(hours=2), STARTED + timedelta(minutes=5)])
def test_outside_of_its_window_an_outage_is_one(begin: datetime) -> None:
    result = verify_in(Hosts(failing()), window(begin, everything=True))
    assert verdict_of(result).verdict is Verdict.DOWN
    assert len(result.incidents) == 1
    assert exit_code(result) == 1


def test_a_window_over_a_centre_is_over_all_that_it_reads() -> None:
    result = verify_in(Hosts(well()), window(STARTED, names=frozenset({("hosts", CENTRE)})))
    assert {path.verdict for path in result.paths} == {Verdict.MAINTENANCE}
    assert {path.without_window for path in result.paths} == {Verdict.UP}


# --- budgets --------------------------------------------------------------------------------------
def test_up_to_a_level_nothing_above_is_asked_and_nothing_is_up() -> None:
    hosts = Hosts(well())
    result = run(hosts, level=5)
    assert [call.spec.id for call in hosts.calls[0]] == [RELAY]
    assert {(path.verdict, path.cause, path.level) for path in result.paths} == {(Verdict.UNKNOWN, Cause.NOT_ASKED, 5)}
    assert (exit_code(result), result.all_up, result.incidents) == (0, False, ())
    assert all(path.is_measured for path in result.paths)


def test_below_the_picture_nothing_is_read() -> None:
    hosts = Hosts(well())
    run(hosts, level=3)
    assert hosts.calls[0][0].request["relay"]["read"] is False
    hosts = Hosts(well())
    run(hosts, level=4)
    relay = hosts.calls[0][0].request["relay"]
    assert ("read" in relay, relay["samples_suffice"]) == (False, True)
    hosts = Hosts(well())
    run(hosts, level=5)
    assert "samples_suffice" not in hosts.calls[0][0].request["relay"]


def test_a_failure_below_the_asked_level_is_one() -> None:
    result = run(Hosts(failing()), level=3)
    assert verdict_of(result).verdict is Verdict.DOWN
    assert exit_code(result) == 1


def test_what_is_outside_of_a_sample_is_unknown_with_its_last_proof() -> None:
    before = run(Hosts(well()))
    hosts = Hosts(well())
    hosts.now += timedelta(days=3)
    result = run(hosts, sample=share_of("1"), memories=memories_after(before))
    measured = [path for path in result.paths if path.is_measured]
    left = [path for path in result.paths if not path.is_measured]
    assert sorted(hosts.asked(0)) == sorted(path.path for path in measured)
    assert {path.verdict for path in measured} == {Verdict.UP}
    assert {(path.verdict, path.cause, path.checked_at) for path in left} == {(Verdict.UNKNOWN, Cause.NOT_ASKED, None)}
    assert {path.last_proof.level for path in left if path.last_proof} == {7}
    assert exit_code(result) == 0
    assert not result.all_up
    assert result.scope.sample is not None
    assert (result.scope.sample.cameras, result.scope.sample.of_cameras) == (1, 4)


def test_a_deadline_bounds_the_hosts_and_what_they_do_not_reach_is_unknown() -> None:
    late = well()
    document: Any = late[RELAY].document
    document["relay"]["paths"][LONE]["read"] = {"not_run": "no time was left"}
    hosts = Hosts(late)
    result = run(hosts, deadline_s=40)
    assert hosts.timeouts == [40]
    assert {call.request["deadline_s"] for call in hosts.calls[0]} == {30}
    assert verdict_of(result, LONE).verdict is Verdict.UNKNOWN
    assert exit_code(result) == 1


def test_where_time_is_short_what_was_proved_longest_ago_is_read_first() -> None:
    memories = {path.name: PathMemory(proofs={7: STARTED - timedelta(days=n)}) for n, path in enumerate(PATHS)}
    hosts = Hosts(well())
    run(hosts, deadline_s=60, memories=memories)
    assert hosts.asked(0) == [path.name for path in reversed(PATHS)]


def test_the_second_look_keeps_to_the_deadline() -> None:
    hosts = Hosts(failing())
    run(hosts, deadline_s=300)
    assert len(hosts.calls) == 2
    assert hosts.timeouts == [300, 300 - 9 - 60]


# --- the last lines -------------------------------------------------------------------------------
def test_the_last_lines_say_what_to_do_and_nothing_of_what_nobody_asked_for() -> None:
    assert verify_ending(run(Hosts(well()), level=3)) == ("5 of 5 paths measured, 5 good up to level 3",)
    sampled = verify_ending(run(Hosts(well()), sample=share_of("1")))
    assert len(sampled) == 1
    assert sampled[0].endswith(" up; the other 4 are unknown")
    step = "they failed once; verify again in a minute (or with --confirm), or see their incidents"
    assert verify_ending(run(Hosts(failing()), deadline_s=60)) == (
        f"1 of 5 paths failing and not yet confirmed on edge-1; {step}",
        "5 of 5 paths measured, 4 up",
    )
    assert verify_ending(
        verify_in(Hosts(failing()), window(STARTED, names=frozenset({("facilities", "kcl-002")})))
    ) == ("1 of 5 paths in maintenance: without it 1 down; not counted as up, no alarm raised",)


# --- suspicions -----------------------------------------------------------------------------------


# --- flapping -------------------------------------------------------------------------------------
def test_outages_during_changes_of_a_host_are_no_flapping() -> None:
    hosts, memories = Hosts(failing()), dict[str, PathMemory]()
    begins = list[datetime]()
    for number in range(6):
        hosts.rounds = [failing() if number % 2 else well()]
        hosts.now += timedelta(minutes=20)
        begins.append(hosts.now - timedelta(minutes=10))
        hosts.calls.clear()
        for look in run(hosts, once=True).looks:
            memories[look.path] = remembered(memories.get(look.path, NOTHING), [look])
    hosts.rounds, hosts.now = [well()], hosts.now + timedelta(minutes=20)
    hosts.calls.clear()
    assert verdict_of(run(hosts, memories=memories)).cause is Cause.FLAPPING
    applied = [
        Window(b, b + timedelta(minutes=1), "change of edge-1", names=frozenset({("facilities", "kcl-002")}))
        for b in begins
    ]
    asked = list[datetime]()

    def changes(since: datetime) -> Sequence[Window]:
        asked.append(since)
        return [window for window in applied if since <= window.until]

    hosts.calls.clear()
    assert verdict_of(run(hosts, memories=memories, changes=changes)).verdict is Verdict.UP
    # What happened before is asked for once, and only if a path changed often.
    assert len([since for since in asked if since < hosts.now - timedelta(days=1)]) == 1
