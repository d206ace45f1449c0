"""Laws of what looks come to: no rule makes a failing path up, a cause is stable, one failure is not yet down."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.record.availability.path_state import PathState
from provisioner.verify.memory import NOTHING, REMEMBERED_FOR, Failing, PastVerdict, PathMemory, quality
from provisioner.verify.path_history import (
    APART,
    FLAPPING_CHANGES,
    FLAPPING_WINDOW,
    Window,
    in_window,
    look_of,
    needs_second_look,
    remembered,
    settled,
    with_camera_suspicions,
)
from provisioner.verify.paths import select
from provisioner.verify.reference import TELLING, ViewDoubt
from provisioner.verify.result import NO_FINDING, Cause, Finding, Layer, PathLook, PathVerdict, Scope, ToLookAt, Verdict
from tests.unit.verify import world

NOW = datetime(2021, 5, 11, 17, 0, tzinfo=UTC)
TARGET = select(world.state())[0]
ONCE, TWICE = Scope(once=True), Scope()
SAID = [Cause.WRONG_PASSWORD, Cause.CAMERA_REFUSES, Cause.TUNNEL_DOWN, Cause.RELAY_STOPPED]
SILENT = [Cause.SILENT, Cause.PORT_MAP_MISSING, Cause.UNKNOWN]
LEVELS = (1, 2, 3, 4, 5, 7)


def look(verdict: Verdict, at: datetime = NOW, cause: Cause = Cause.CAMERA_REFUSES, level: int = 3) -> PathVerdict:
    """What one look showed of the path."""
    up = verdict is Verdict.UP
    return PathVerdict(
        *TARGET.names,
        verdict=verdict,
        level=7 if up else level - 1,
        finding=NO_FINDING if up else Finding(cause, Layer.CAMERA, "kcl-001/cam-01", f"it says {cause.value}", level),
        checked_at=at,
        passed=LEVELS if up else tuple(number for number in LEVELS if number < level),
    )


moments = st.integers(-10 * 86_400, 86_400).map(lambda s: NOW + timedelta(seconds=s))
verdicts = st.sampled_from([Verdict.UP, Verdict.DEGRADED, Verdict.UNKNOWN, Verdict.DOWN])
causes = st.sampled_from([*SAID, *SILENT])
findings = st.builds(Finding, cause=causes, layer=st.just(Layer.CAMERA), object=st.just("x"), level=st.integers(0, 7))


@st.composite
def failings(draw: st.DrawFn) -> Failing:
    first, last = sorted([draw(moments), draw(moments)])
    return Failing(PathState("down", "", 0, first, draw(st.integers(1, 9)), last), draw(findings))


@st.composite
def memories(draw: st.DrawFn) -> PathMemory:
    """Any memory that anybody could have written."""
    rows = draw(st.lists(st.builds(PastVerdict, at=moments, verdict=verdicts, cause=causes), max_size=12))
    return PathMemory(
        past=tuple(sorted(rows, key=lambda row: row.at)),
        failing=draw(st.none() | failings()),
        finding=draw(st.none() | findings),
        proofs=draw(st.dictionaries(st.sampled_from(LEVELS), moments)),
    )


@st.composite
def looks(draw: st.DrawFn) -> list[PathVerdict]:
    """One or two looks of one run; the second is a minute later, as runs have it."""
    first = look(draw(verdicts), NOW, draw(causes), draw(st.sampled_from(LEVELS)))
    if draw(st.booleans()):
        return [first]
    return [first, look(draw(verdicts), NOW + APART, draw(causes), draw(st.sampled_from(LEVELS)))]


@st.composite
def looks_that_end_in_a_failure(draw: st.DrawFn) -> list[PathVerdict]:
    """One look or two, of which the last that says anything failed."""
    failed = look(Verdict.DOWN, NOW, draw(causes), draw(st.sampled_from(LEVELS)))
    later = look(draw(st.sampled_from([Verdict.UNKNOWN, Verdict.DOWN])), NOW + APART, draw(causes))
    earlier = look(draw(verdicts), NOW - APART, draw(causes), draw(st.sampled_from(LEVELS)))
    return draw(st.sampled_from([[failed], [failed, later], [earlier, failed]]))


@given(looks(), memories(), st.booleans())
@settings(max_examples=300)
def test_nothing_but_a_look_at_all_levels_makes_a_path_up(
    seen: list[PathVerdict],
    memory: PathMemory,
    once: bool,  # noqa: FBT001
) -> None:
    if settled(seen, memory, Scope(once=once)).verdict is Verdict.UP:
        last = next(one for one in reversed(seen) if one.verdict is not Verdict.UNKNOWN)
        assert last.verdict is Verdict.UP
        assert last.passed == LEVELS


@given(looks_that_end_in_a_failure(), memories(), st.booleans())
@settings(max_examples=300)
def test_a_path_that_failed_last_is_down_or_unknown_and_keeps_a_cause(
    seen: list[PathVerdict],
    memory: PathMemory,
    once: bool,  # noqa: FBT001
) -> None:
    said = settled(seen, memory, Scope(once=once))
    assert said.verdict in {Verdict.DOWN, Verdict.UNKNOWN}
    assert said.cause is not Cause.NONE
    assert said.layer is not None
    assert said.standing is not None
    assert said.standing.confirmed == (said.verdict is Verdict.DOWN)
    assert said.verdict is Verdict.DOWN or not once


@given(looks(), memories())
def test_down_rests_on_two_failures_a_minute_apart_in_a_row(seen: list[PathVerdict], memory: PathMemory) -> None:
    said = settled(seen, memory, TWICE)
    if said.verdict is not Verdict.DOWN:
        return
    assert said.checked_at is not None
    assert said.standing is not None
    assert said.checked_at - said.standing.since >= APART
    assert said.standing.looks >= 2
    before = [one for one in seen if one.checked_at != said.checked_at and one.verdict is not Verdict.UNKNOWN]
    assert all(one.verdict is Verdict.DOWN for one in before)


@given(memories(), findings, causes)
def test_a_failure_long_or_a_moment_ago_confirms_none(memory: PathMemory, finding: Finding, cause: Cause) -> None:
    for first, last in (
        (NOW - 2 * REMEMBERED_FOR, NOW - REMEMBERED_FOR - timedelta(seconds=1)),
        (NOW - APART + timedelta(seconds=1), NOW),
        (NOW + APART, NOW + APART),
    ):
        known = replace(memory, failing=Failing(PathState("down", "", 0, first, 5, last), finding))
        assert settled([look(Verdict.DOWN, cause=cause)], known, TWICE).verdict is Verdict.UNKNOWN
        assert needs_second_look(look(Verdict.DOWN, cause=cause), known)
    known = replace(memory, failing=Failing(PathState("down", "", 0, NOW - APART, 1, NOW - APART), finding))
    assert settled([look(Verdict.DOWN, cause=cause)], known, TWICE).verdict is Verdict.DOWN
    assert not needs_second_look(look(Verdict.DOWN, cause=cause), known)


def _run(memory: PathMemory, at: datetime, *shown: tuple[Verdict, Cause, int]) -> tuple[PathVerdict, PathMemory]:
    """One run with its looks, a minute apart, and the memory after it."""
    seen = [look(verdict, at + number * APART, cause, level) for number, (verdict, cause, level) in enumerate(shown)]
    told = [one for one in (look_of(verdict, TARGET, maintenance=False) for verdict in seen) if one is not None]
    return settled(seen, memory, TWICE), remembered(memory, told)


@given(st.sampled_from(SAID), st.lists(st.sampled_from([Cause.SILENT, Cause.UNKNOWN]), min_size=3, max_size=3))
def test_a_silence_between_does_not_hide_what_was_said(said: Cause, noise: list[Cause]) -> None:
    """Three runs, each a look that says it and one that shows a silence in any order: one cause."""
    memory, told = NOTHING, []
    for number, silence in enumerate(noise):
        shown = [(Verdict.DOWN, said, 4), (Verdict.DOWN, silence, 4)]
        verdict, memory = _run(memory, NOW + number * timedelta(minutes=10), *(shown if number != 1 else shown[::-1]))
        told.append((verdict.verdict, verdict.cause))
    assert told == [(Verdict.DOWN, said)] * 3


@given(st.lists(causes, min_size=2, max_size=8), st.sampled_from(LEVELS[1:]))
def test_a_cause_flips_only_to_one_known_better_or_that_two_looks_share(shown: list[Cause], level: int) -> None:
    memory, before = NOTHING, None
    for number, cause in enumerate(shown):
        verdict, memory = _run(memory, NOW + number * timedelta(minutes=5), (Verdict.DOWN, cause, level))
        if before is not None and verdict.cause is not before:
            agreed = number > 0 and shown[number - 1] is cause
            assert verdict.cause is cause
            assert agreed or quality(cause) > quality(before)
        before = verdict.cause


@given(st.sampled_from(SAID), st.sampled_from(SILENT))
def test_what_is_good_again_is_no_cause_any_more(said: Cause, silence: Cause) -> None:
    _, memory = _run(NOTHING, NOW, (Verdict.DOWN, said, 2), (Verdict.DOWN, said, 2))
    verdict, _ = _run(memory, NOW + timedelta(minutes=9), (Verdict.DOWN, silence, 4))
    assert verdict.cause is silence


# --- flapping -------------------------------------------------------------------------------------
@given(st.lists(st.sampled_from([Verdict.UP, Verdict.DOWN, Verdict.UNKNOWN]), max_size=20), st.booleans())
def test_flapping_is_so_many_changes_in_the_window_and_never_what_is_not_up(
    shown: list[Verdict],
    maintenance: bool,  # noqa: FBT001
) -> None:
    step = FLAPPING_WINDOW / 25
    past = tuple(
        PastVerdict(NOW - (len(shown) - number) * step, verdict, maintenance=maintenance)
        for number, verdict in enumerate(shown)
    )
    told = [verdict for verdict in shown if verdict is not Verdict.UNKNOWN and not maintenance] + [Verdict.UP]
    changes = sum(one is not other for one, other in pairwise(told))
    said = settled([look(Verdict.UP)], PathMemory(past=past), TWICE)
    assert (said.verdict is Verdict.DEGRADED) == (changes >= FLAPPING_CHANGES)
    assert (said.cause is Cause.FLAPPING) == (changes >= FLAPPING_CHANGES)
    assert settled([look(Verdict.DOWN)], PathMemory(past=past), ONCE).cause is not Cause.FLAPPING
    assert settled([look(Verdict.UP)], PathMemory(past=past), ONCE) == look(Verdict.UP)


OUTAGES = st.lists(st.sampled_from([Cause.TUNNEL_DOWN, Cause.CAMERA_REFUSES, Cause.SILENT, Cause.FIREWALL]), max_size=6)


def outages(causes: list[Cause]) -> tuple[PastVerdict, ...]:
    """A path that went down for each cause and came up again after each, an hour apart."""
    shown = [PastVerdict(NOW, Verdict.UP), *(p for c in causes for p in (down(c), PastVerdict(NOW, Verdict.UP)))]
    return tuple(replace(past, at=NOW - timedelta(hours=len(shown) - n)) for n, past in enumerate(shown))


def down(cause: Cause) -> PastVerdict:
    return PastVerdict(NOW, Verdict.DOWN, cause)


@given(OUTAGES)
def test_only_what_goes_down_for_one_cause_again_flaps_and_not_what_people_mend(causes: list[Cause]) -> None:
    said = settled([look(Verdict.UP)], PathMemory(past=outages(causes)), TWICE)
    came_back = any(causes.count(cause) > 1 for cause in set(causes) - {Cause.FIREWALL})
    assert (said.cause is Cause.FLAPPING) == came_back


@given(OUTAGES, st.integers(0, 6))
def test_what_a_change_or_a_window_explains_is_no_flapping(causes: list[Cause], number: int) -> None:
    past = outages(causes)
    explained = NOW - timedelta(hours=number)
    memory = PathMemory(past=past)
    said = settled([look(Verdict.UP)], memory, TWICE, lambda before, at: before <= explained <= at)
    assert said.cause is not Cause.FLAPPING or settled([look(Verdict.UP)], memory, TWICE).cause is Cause.FLAPPING
    assert settled([look(Verdict.UP)], memory, TWICE, lambda *_: True).verdict is Verdict.UP


def test_changes_of_before_the_window_do_not_count() -> None:
    past = [PastVerdict(NOW - timedelta(days=30 - n), [Verdict.UP, Verdict.DOWN][n % 2]) for n in range(20)]
    assert settled([look(Verdict.UP)], PathMemory(past=tuple(past)), TWICE).verdict is Verdict.UP


# --- maintenance ----------------------------------------------------------------------------------
@given(verdicts, moments, moments, moments, st.sampled_from(["facility", "relay", "centre", "carrier", "all", "other"]))
def test_a_window_hides_its_own(verdict: Verdict, begin: datetime, until: datetime, at: datetime, about: str) -> None:
    window = Window(
        begin,
        until,
        "new switch",
        frozenset(
            {
                ("facilities", TARGET.path.facility if about == "facility" else "kcl-of-others"),
                ("hosts", world.RELAY if about == "relay" else world.CENTRE if about == "centre" else "host-x"),
                ("carriers", TARGET.carrier if about == "carrier" else "another"),
            }
        ),
        everything=about == "all",
    )
    inside = begin <= at < until and about != "other"
    assert (window.holds(at) and window.is_about(TARGET)) == inside
    shown = in_window(look(verdict, at), window if inside else None)
    assert shown.without_window is verdict
    assert (shown.verdict is Verdict.MAINTENANCE) == inside


@given(st.lists(verdicts, min_size=1, max_size=5))
def test_failures_in_a_window_begin_nothing(shown: list[Verdict]) -> None:
    memory = NOTHING
    for number, verdict in enumerate(shown):
        seen = look_of(look(verdict, NOW + number * APART), TARGET, maintenance=True)
        assert isinstance(seen, PathLook)
        memory = remembered(memory, [seen])
    assert memory.failing is None
    said = settled([look(Verdict.DOWN, NOW + timedelta(hours=1))], memory, TWICE)
    assert said.verdict is Verdict.UNKNOWN


# --- streams of one camera ----------------------------------------------------------------------------
doubts = st.lists(st.sampled_from([*ViewDoubt, "frozen"]), max_size=3, unique=True).map(
    lambda words: tuple(ToLookAt(str(word), NOW, 3, f"as {word} looks") for word in words)
)
streams = st.lists(
    st.tuples(st.sampled_from(["cam-01", "cam-02"]), st.sampled_from(["main", "sub"]), doubts), max_size=5
)


@given(streams)
def test_streams_of_one_camera_say_the_same_of_its_view(drawn: list[tuple[str, str, tuple[ToLookAt, ...]]]) -> None:
    before = [
        replace(look(Verdict.UP), path=f"p/kcl-001/{camera}/{stream}", camera=camera, to_look_at=words)
        for camera, stream, words in drawn
    ]
    after = with_camera_suspicions(before)
    assert sorted(map(str, (replace(one, to_look_at=()) for one in after))) == sorted(
        map(str, (replace(one, to_look_at=()) for one in before))
    )
    for camera in {one.camera for one in before}:
        seen = [word for one in before if one.camera == camera for word in one.to_look_at]
        said = [word for one in after if one.camera == camera for word in one.to_look_at]
        assert len(said) == len(seen)
        views = {one.word for one in seen if one.word in TELLING}
        # The most telling word that a stream had, and nobody's own invention.
        assert {one.word for one in said if one.word in TELLING} == set(sorted(views, key=_tells)[:1])
        assert [one for one in said if one.word not in TELLING] == [one for one in seen if one.word not in TELLING]
        assert all(f"as {one.word} looks" in one.detail for one in said)


def _tells(word: str) -> int:
    return TELLING.index(ViewDoubt(word))


def test_a_camera_whose_small_stream_shows_less_is_covered_in_both() -> None:
    main, sub = (
        replace(look(Verdict.UP), path=f"p/kcl-001/cam-01/{name}", to_look_at=(ToLookAt(word, NOW, 3, detail),))
        for name, word, detail in (
            ("main", "covered", "100% of the former edges are gone"),
            ("sub", "moved", "it shows another view than was accepted"),
        )
    )
    assert [one.to_look_at[0].word for one in with_camera_suspicions([sub, main])] == ["covered", "covered"]
    assert (
        with_camera_suspicions([sub, main])[0].to_look_at[0].detail
        == "100% of the former edges are gone, by its stream main"
    )
    assert with_camera_suspicions([sub]) == (sub,)
