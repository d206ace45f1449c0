"""Laws of level 6: what a look measures, what that comes to, and which path gets which look."""

from datetime import UTC, datetime, time, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.base.errors import UnreadableError
from provisioner.desired.spec import MediaPath
from provisioner.desired.state import desired_state
from provisioner.hosts.answers import read, wire
from provisioner.hosts.runner import CallOutcome, HostAnswer
from provisioner.verify.evidence import LONGEST_S, parse_evidence
from provisioner.verify.memory import PastVerdict, PathMemory
from provisioner.verify.paths import select
from provisioner.verify.picture_check import (
    NOT_DECIDABLE,
    NOTHING_AGREED,
    NOTHING_BEFORE,
    Agreed,
    Before,
    Judgement,
    State,
    Suspect,
    is_full,
    judged,
    report_of,
    signs_of,
)
from provisioner.verify.picture_measures import Looks
from provisioner.verify.reference import Daylight, SuspectView, ViewDoubt, ViewJudgement, daylight
from provisioner.verify.requests import FULL_S, QUICK_S, Hours, ProbeLimits, hours_of, look_at, looks_at, probe_calls
from provisioner.verify.result import Cause, SuspectSign, Verdict
from provisioner.verify.rotation import full_look_reason
from tests import fleets
from tests import inventories as make
from tests.laws.test_reference_laws import accepted
from tests.laws.test_reference_laws import scene as scene_of_views
from tests.unit.verify.world import CENTRE, PATHS, RELAY, documents, observe_requests, packets, picture, scene, state

NOON, MIDNIGHT = datetime(2021, 5, 11, 5, tzinfo=UTC), datetime(2021, 5, 11, 17, tzinfo=UTC)
SUB, MAIN = PATHS[1], PATHS[0]
TARGET = next(target for target in select(state()) if target.path.name == SUB.name)
KEYS = [f"{number:016x}" for number in range(30)]


def look(**changes: Any) -> wire.PictureAnswer:
    """What a look measured, but for some changes."""
    return read(wire.PictureAnswer, picture(**changes))


def cause_of(
    measured: wire.PictureAnswer, agreed: Agreed = NOTHING_AGREED, before: Before = NOTHING_BEFORE, damaged: int = 0
) -> str:
    """The cause that is named at noon; empty where nothing is wrong."""
    fault = judged(measured, NOON, agreed, before, damaged).fault
    return fault.cause.value if fault else ""


_SCENES = st.builds(
    scene,
    median=st.integers(0, 255),
    bright=st.integers(0, 255),
    spread=st.integers(0, 255),
    levels=st.integers(1, 256),
    one_level=st.floats(0, 1),
    three_levels=st.floats(0, 1),
    flat_cells=st.floats(0, 1),
    gradient_p90=st.floats(0, 1000),
    gradient_p99=st.floats(0, 1000),
    sharpness=st.floats(0, 2),
)
_PACKETS = st.builds(
    packets,
    count=st.integers(0, 200),
    bytes=st.integers(0, 10**6),
    span_s=st.floats(0, 60),
    arrived_s=st.floats(0, 60),
    step_s=st.floats(0, 1),
    gaps=st.integers(0, 20),
    equal=st.integers(0, 20),
    backward=st.integers(0, 3),
    keys=st.lists(st.sampled_from(KEYS), max_size=16),
)
_LOOKS = st.builds(
    look,
    scene=st.none() | _SCENES,
    packets=_PACKETS,
    frames=st.integers(0, 200),
    owed=st.integers(0, 200),
    complaints=st.integers(0, 9),
    missed=st.integers(0, 9),
    declared_fps=st.none() | st.floats(0, 100),
    differences=st.lists(st.floats(0, 5), max_size=5),
)
_MOMENTS = st.integers(0, 87_600).map(lambda hours: NOON + timedelta(hours=hours))


@given(_LOOKS, _MOMENTS)
@settings(max_examples=300, deadline=None)
def test_a_picture_has_one_state_and_a_fault_leaves_no_suspect(measured: wire.PictureAnswer, at: datetime) -> None:
    judgement = judged(measured, at)
    assert (judgement.state is State.FAULTY) == (judgement.fault is not None)
    assert not (judgement.fault and (judgement.suspects or judgement.labels))
    if judgement.fault:
        # Words of ours, that say what to do or what was agreed.
        assert judgement.fault.detail.isprintable()
        assert len(judgement.fault.detail) < 160


@given(_LOOKS, _MOMENTS, st.lists(st.sampled_from(KEYS)))
@settings(max_examples=300, deadline=None)
def test_memory_makes_no_picture_better(measured: wire.PictureAnswer, at: datetime, keys: list[str]) -> None:
    without, knowing = judged(measured, at), judged(measured, at, before=Before(keys))
    assert without.fault is None or knowing.fault is not None
    if not set(keys) & set(measured["packets"]["keys"]):
        assert without == knowing


@given(_LOOKS, _MOMENTS)
@settings(max_examples=300, deadline=None)
def test_what_is_agreed_to_be_dark_excuses_no_other_fault(measured: wire.PictureAnswer, at: datetime) -> None:
    always = Agreed(dark_hours=(Hours(time(0), time(12)), Hours(time(12), time(0))))
    with_, without = judged(measured, at, always), judged(measured, at)
    if with_.fault != without.fault:
        assert without.fault
        assert without.fault.cause in {Cause.BLACK_PICTURE, Cause.NO_VIDEO}


@given(_LOOKS, st.integers(0, 9), st.integers(0, 9))
@settings(max_examples=200, deadline=None)
def test_more_damage_is_never_less_of_a_fault(measured: wire.PictureAnswer, complaints: int, damaged: int) -> None:
    more: wire.PictureAnswer = {**measured, "complaints": measured["complaints"] + complaints}
    assert not cause_of(measured) or cause_of(more, damaged=damaged)


@pytest.mark.parametrize(
    ("agreed", "changes", "cause"),
    [
        (Agreed(fps=15), {}, ""),
        (Agreed(fps=25), {}, "rate too low"),
        (Agreed(fps=20), {}, ""),
        (Agreed(), {"declared_fps": 30.0}, "rate too low"),
        (Agreed(fps=15), {"declared_fps": 30.0}, ""),
        (Agreed(), {"declared_fps": None}, ""),
        (Agreed(least_kbps=200), {}, ""),
        (Agreed(least_kbps=400), {}, "rate too low"),
    ],
)
def test_a_rate_is_held_against_what_was_agreed_before_what_is_declared(
    agreed: Agreed, changes: dict[str, Any], cause: str
) -> None:
    assert cause_of(look(**changes), agreed) == cause


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"equal": 2}, ""),
        ({"equal": 3}, "timestamps stuck"),
        ({"backward": 1}, "timestamps stuck"),
        ({"span_s": 0.2}, "timestamps stuck"),
        # A slow line, or a host so busy that its reader gets a part of the time: not the camera's clock.
        ({"count": 12, "span_s": 0.2, "arrived_s": 3.0}, ""),
        # Half the speed, at the full rate; a line with four fifths of what is needed brings fewer.
        ({"span_s": 1.5, "step_s": 0.0333}, "timestamps stuck"),
        ({"count": 37, "span_s": 2.4}, ""),
        ({"count": 24, "span_s": 1.5}, ""),
        # An hour ahead within three seconds; and what a camera left out while its line stood still.
        ({"span_s": 3602.9, "longest_s": 3600.0}, "timestamps stuck"),
        ({"span_s": 11.0, "longest_s": 8.0}, ""),
        # A file, or what was held up: nothing follows from how fast it came.
        ({"arrived_s": 0.1}, ""),
        ({"span_s": 90.0}, ""),
        ({"gaps": 2}, ""),
        ({"gaps": 3}, "corrupt picture"),
    ],
)
def test_clocks_and_gaps(changes: dict[str, Any], cause: str) -> None:
    assert cause_of(look(packets=packets(**changes))) == cause


@pytest.mark.parametrize(
    ("changes", "damaged", "cause"),
    [
        ({"complaints": 1}, 0, ""),
        ({"complaints": 2}, 0, "corrupt picture"),
        ({"frames": 42}, 0, ""),
        ({"frames": 40}, 0, "corrupt picture"),
        ({}, 1, ""),
        ({}, 2, "corrupt picture"),
        ({"missed": 2}, 0, "corrupt picture"),
    ],
)
def test_damage(changes: dict[str, Any], damaged: int, cause: str) -> None:
    assert cause_of(look(**changes), damaged=damaged) == cause


def test_a_dark_picture_repeats_nothing() -> None:
    dark = scene(median=2, bright=40, gradient_p90=3.0, gradient_p99=12.0)
    again = packets(keys=[KEYS[0]] * 3)
    assert cause_of(look(packets=again)) == "picture repeats"
    assert judged(look(packets=again, scene=dark), MIDNIGHT).state is State.DARK


def test_a_key_picture_that_an_earlier_look_saw_is_a_repetition() -> None:
    here = look(packets=packets(keys=KEYS[:3]))
    assert cause_of(here, before=Before(KEYS[3:])) == ""
    assert cause_of(here, before=Before(KEYS[2:])) == "picture repeats"


def test_a_black_picture_is_a_fault_but_in_the_hours_that_are_named() -> None:
    black = look(scene=scene(median=0, bright=0, spread=0, one_level=1.0, gradient_p90=0.0, gradient_p99=0.0))
    at_noon = Agreed(dark_hours=(hours_of("11:00-13:00"),))
    assert (cause_of(black), cause_of(black, at_noon)) == ("black picture", "")
    assert judged(black, NOON, at_noon).state is State.DARK


NOISE = {"median": 17, "bright": 27, "gradient_p50": 4.2, "gradient_p90": 11.0}


@pytest.mark.parametrize(
    ("changes", "by_day"),
    [
        ({"spread": 24, "gradient_p99": 17.5, "sharpness": 1.25}, "black picture"),
        ({"spread": 6, "gradient_p99": 8.0, "sharpness": 1.0}, "black picture"),
        # A dim room has shapes.
        ({"spread": 5, "gradient_p99": 11.7, "sharpness": 0.6}, ""),
        ({"spread": 24, "gradient_p99": 17.5, "sharpness": 0.6}, ""),
        ({"spread": 24, "gradient_p99": 30.0, "sharpness": 1.25}, ""),
        # A nearly black room with a clock: where its walls are it is steeper than elsewhere.
        ({"median": 6, "gradient_p90": 6.32, "gradient_p99": 12.65, "sharpness": 1.0}, ""),
    ],
)
def test_noise_in_the_dark_is_black_by_day_and_not_judged_at_night(changes: dict[str, Any], by_day: str) -> None:
    black = look(scene=scene(**NOISE | changes))
    assert cause_of(black) == by_day
    assert (judged(black, MIDNIGHT).state, judged(black, MIDNIGHT).suspects) == (State.DARK, ())
    assert judged(black, NOON, Agreed(dark_hours=(hours_of("11:00-13:00"),))).fault is None


@pytest.mark.parametrize(
    ("at", "day"),
    [
        # Almanacs: at the solstices the sun rises in Hanoi at 5:17 and 6:32, and sets in Saigon at 18:17 and 17:33.
        ("2021-06-21T05:00", False),
        ("2021-06-21T06:30", True),
        ("2021-06-21T17:30", True),
        ("2021-06-21T18:15", False),
        ("2021-12-21T06:30", False),
        ("2021-12-21T07:30", True),
        ("2021-12-21T16:30", True),
        ("2021-12-21T17:30", False),
        ("2021-03-21T12:00", True),
        ("2021-03-21T00:00", False),
    ],
)
def test_it_is_day_while_the_sun_is_up_everywhere(at: str, *, day: bool) -> None:
    assert (daylight(datetime.fromisoformat(f"{at}+07:00")) is Daylight.DAY) == day


def test_a_still_picture_is_suspected_of_a_camera_that_was_not_still_once_and_of_no_other() -> None:
    still = look(differences=[0.0, 0.01, 0.0])
    assert judged(still, NOON).suspects == ()
    assert judged(still, NOON).labels == (NOT_DECIDABLE,)
    assert judged(still, NOON, before=Before(noise=0.3)).suspects == (Suspect.FROZEN,)
    assert judged(still, NOON, before=Before(noise=0.01)).suspects == ()
    assert judged(look(differences=[0.0, 0.0]), NOON, before=Before(noise=0.3)).suspects == ()


def test_covered_is_a_suspicion_and_no_fault() -> None:
    covered = judged(look(scene=scene(gradient_p90=9.0, gradient_p99=14.0)), NOON)
    assert (covered.state, covered.suspects) == (State.GOOD, (Suspect.COVERED,))


# --- hours ----------------------------------------------------------------------------------------
@given(st.times(), st.times(), st.times())
def test_hours_and_the_hours_between_are_a_day(begin: time, end: time, moment: time) -> None:
    if begin != end:
        assert Hours(begin, end).hold(moment) != Hours(end, begin).hold(moment)


def test_hours_are_read_as_an_inventory_writes_them() -> None:
    assert hours_of("22:00-05:00") == Hours(time(22), time(5))


# --- which look -----------------------------------------------------------------------------------
@pytest.mark.parametrize("looks", Looks)
def test_each_way_of_looking_gives_its_looks(looks: Looks) -> None:
    targets = select(state())
    # The night after a full look nothing is due that has not its turn.
    last = next(
        NOON + timedelta(days=day)
        for day in range(7)
        if full_look_reason(TARGET, PathMemory(full_look=NOON), NOON + timedelta(days=day)) is None
    )
    given_ = looks_at(targets, looks, last, {SUB.name: PathMemory(full_look=NOON)})
    seconds = {name: one["seconds"] for name, one in given_.items()}
    full = dict.fromkeys((path.name for path in PATHS), FULL_S)
    quick = dict.fromkeys((path.name for path in PATHS), QUICK_S)
    expected = {Looks.OFF: {}, Looks.QUICK: quick, Looks.FULL: full, Looks.DUE: full | {SUB.name: QUICK_S}}
    assert seconds == expected[looks]


@pytest.mark.parametrize(
    ("memory", "longest"),
    [
        (PathMemory(full_look=NOON), (3.0, 0)),
        # Nobody knows how often its key frames come: the second one is waited for, as long as healthy ones take.
        (PathMemory(), (13.0, 2)),
        (PathMemory(full_look=NOON, past=(PastVerdict(NOON, Verdict.DOWN, Cause.SILENT),)), (13.0, 2)),
        (PathMemory(full_look=NOON, past=(PastVerdict(NOON, Verdict.DEGRADED, Cause.KEY_FRAMES_RARE),)), (60.0, 2)),
    ],
)
def test_a_quick_look_waits_for_a_second_key_of_unknown_pace(memory: PathMemory, longest: tuple[float, int]) -> None:
    night = next(
        NOON + timedelta(days=day)
        for day in range(7)
        if full_look_reason(TARGET, PathMemory(full_look=NOON), NOON + timedelta(days=day)) is None
    )
    look = looks_at([TARGET], Looks.QUICK, night, {TARGET.remembered_as: memory})[TARGET.path.name]
    assert (look["seconds"], look["most_s"], look["keys"]) == (QUICK_S, *longest)


def test_of_a_large_picture_key_frames_alone_are_decoded() -> None:
    def asked(path: MediaPath, *, full: bool) -> tuple[bool, bool]:
        look = look_at(path, full=full)
        return look["every"], look["skips"]

    assert asked(SUB, full=False) == (True, False)
    assert asked(MAIN, full=True) == (False, True)
    assert asked(SUB._replace(fps=120), full=False) == (False, True)


def test_a_look_is_asked_of_relay_and_centre_and_the_time_for_it_is_given() -> None:
    targets = select(state())
    looks = looks_at(targets, Looks.FULL, NOON, {})
    plain, looking = (
        {call.spec.id: call.request for call in probe_calls(targets, observe_requests(), limits)}
        for limits in (ProbeLimits(), ProbeLimits(looks=looks))
    )
    (there,) = looking[CENTRE]["centre"]["relays"]
    assert there["looks"] == {name: {**look, "every": False} for name, look in looks.items()}
    assert "looks" not in plain[CENTRE]["centre"]["relays"][0]
    assert {path["name"]: path["look"] for path in looking[RELAY]["relay"]["paths"]} == looks
    for host in (RELAY, CENTRE):
        longer = looking[host]["deadline_s"] - plain[host]["deadline_s"]
        assert longer == pytest.approx(LONGEST_S * len(PATHS) / looking[host]["max_readers"])
    assert not any("look" in path for path in plain[RELAY]["relay"]["paths"])


@pytest.mark.parametrize(
    ("seconds", "keys", "full"), [(3.0, 4, False), (10.0, 4, True), (9.9, 3, False), (60.0, 1, True), (30.0, 3, False)]
)
def test_a_look_is_full_that_saw_enough_key_frames_or_took_as_long_as_it_could(
    seconds: float,
    keys: int,
    full: bool,  # noqa: FBT001 (a test's)
) -> None:
    assert is_full(look(looked_s=seconds, key_frames=keys)) == full


# --- a hostile host -------------------------------------------------------------------------------
@given(
    st.sampled_from(sorted(picture())),
    st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(), st.lists, max_leaves=5),
)
@settings(max_examples=300, deadline=None)
def test_a_look_that_cannot_be_is_that_hosts_error_and_breaks_nothing(name: str, value: Any) -> None:
    try:
        measured = read(wire.PictureAnswer, picture() | {name: value})
    except UnreadableError:
        return
    judged(measured, NOON)


def test_a_host_that_says_what_cannot_be_is_not_believed() -> None:
    document = documents()[RELAY]
    document["relay"]["paths"][SUB.name]["read"]["picture"] = picture(scene=scene(one_level=1.5))
    host = parse_evidence(HostAnswer(RELAY, CallOutcome.ANSWERED, document))
    assert host.outcome is CallOutcome.FAILED
    assert "one_level is more than 1" in host.error


@pytest.mark.parametrize("doubt", [ViewDoubt.COVERED, ViewDoubt.PARTLY_COVERED, ViewDoubt.MOVED])
def test_a_lens_without_an_edge_is_covered_and_said_once(doubt: ViewDoubt) -> None:
    compared = ViewJudgement((SuspectView(doubt, "70% of the former edges are gone"),))
    signs = signs_of(Judgement(State.GOOD, suspects=(Suspect.COVERED,)), compared)
    assert signs == (SuspectSign("view", "covered", "70% of the former edges are gone"),)
    seen = [sign.word for sign in signs_of(Judgement(State.GOOD), compared)]
    assert seen == [doubt.value]


@pytest.mark.parametrize(("tour", "words"), [(False, ("moved",)), (True, ())])
def test_a_path_of_a_camera_on_tour_is_compared_as_one(tour: bool, words: tuple[str, ...]) -> None:  # noqa: FBT001
    seen = scene_of_views(3)
    measured = look(scene=scene(grid=seen.grid, strengths=seen.strengths, sharpness=seen.sharpness))
    path = SUB._replace(tour=tour)
    case: Any = SimpleNamespace(
        read=SimpleNamespace(run=True, frame=("h264", 640, 360), looked=True, picture=measured),
        path_as_decoded=path,
        target=SimpleNamespace(path=path),
        relay=SimpleNamespace(samples={}),
        memory=PathMemory(),
        at=MIDNIGHT,
        references=accepted(scene_of_views(1)),
        others={},
    )
    assert report_of(case).suspects == words


def test_a_path_knows_from_the_inventory_that_its_camera_turns() -> None:
    cameras = [make.camera("cam-01", 11, tour=True), make.camera("cam-02", 12)]
    facility = make.facility(cameras=cameras)
    whole = fleets.complete(make.inventory(facilities=[facility]))
    found = {path.camera: path.tour for _, path in desired_state(whole, fleets.secrets_of(whole)).paths}
    assert found == {"cam-01": True, "cam-02": False}
