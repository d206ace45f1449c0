"""Since when, night by night, shares of time: held against a slow reading of the same looks, one path at a time."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from provisioner.base.text import VIETNAM
from provisioner.record.availability.measured import (
    NOTHING_MEASURED,
    GroupedBy,
    Measured,
    Span,
    group_times,
    measured,
    total_of,
)
from provisioner.record.availability.path_state import (
    ABSENT,
    MARKS,
    VERDICTS,
    LookTable,
    PathList,
    PathState,
    StoredVerdict,
    Sweep,
    WorstOfDay,
    after,
    mark_of,
    nights,
    since,
    table_of,
    verdict_of_mark,
)
from provisioner.verify.result import Cause, Verdict

START = datetime(2021, 5, 8, tzinfo=UTC)
PATHS = ("a/k-1/c-1/sub", "a/k-1/c-2/sub", "a/k-10/c-1/sub", "a/k-2/c-1/main")
CARRIER = dict(zip(PATHS, ("viettel", "vnpt", "vnpt", "viettel"), strict=True))
CAUSES = ("", "camera unplugged", "drift")
LONGEST = timedelta(hours=26)

kept = st.builds(
    StoredVerdict, st.sampled_from(VERDICTS), st.sampled_from(CAUSES), st.integers(0, 7), maintenance=st.booleans()
)
moments = st.integers(0, 20 * 24 * 60).map(lambda minutes: START + timedelta(minutes=minutes))
looks = st.dictionaries(st.sampled_from(PATHS), kept)
told = st.dictionaries(moments, st.tuples(st.sets(st.sampled_from(PATHS), min_size=1), looks), max_size=12)
Told = Mapping[datetime, tuple[set[str], Mapping[str, StoredVerdict]]]


@st.composite
def spans(draw: st.DrawFn) -> Span:
    return Span(*sorted((draw(moments), draw(moments))))


def sweep(at: datetime, paths: set[str], seen: Mapping[str, StoredVerdict]) -> Sweep:
    names = tuple(sorted(paths | seen.keys()))
    words = tuple(CAUSES)
    marks = bytes(mark_of(seen[path]) if path in seen else ABSENT for path in names)
    causes = bytes(words.index(seen[path].cause) if path in seen else 0 for path in names)
    order = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    carriers = tuple(CARRIER.get(path, "") for path in names)
    return Sweep(order, "", PathList(names, carriers), marks, causes, words)


def table(of: Told) -> LookTable:
    return table_of(sweep(at, *rest) for at, rest in of.items())


def seen_of(of: Told, path: str) -> list[tuple[datetime, StoredVerdict]]:
    return [(at, seen[path]) for at, (_, seen) in sorted(of.items()) if path in seen]


def slowly(of: Told, path: str, span: Span, longest: timedelta) -> Measured:
    """The same, look by look."""
    looked = [(at, one) for at, one in seen_of(of, path) if at <= span.until]
    sums = dict.fromkeys(("up", "degraded", "down", "maintenance", "unmeasured"), timedelta())
    sums["unmeasured"] = span.until - span.begin
    for place, (at, one) in enumerate(looked):
        following = looked[place + 1][0] if place + 1 < len(looked) else span.until
        lasts = min(following, at + longest, span.until) - max(at, span.begin)
        kind = "down" if one.verdict == "quarantined" else one.verdict
        kind = "maintenance" if one.maintenance and kind != "unknown" else kind
        if kind != "unknown" and lasts > timedelta():
            sums[kind] += lasts
            sums["unmeasured"] -= lasts
    times = {name: lasts // timedelta(microseconds=1) for name, lasts in sums.items()}
    return Measured(**times, outages=outages_slowly(looked, span, longest))


def named_slowly(by: GroupedBy, path: str) -> str:
    province, facility, camera, _ = path.split("/")
    named = {GroupedBy.PROVINCE: province, GroupedBy.FACILITY: facility, GroupedBy.CARRIER: CARRIER.get(path, "")}
    return (named | {GroupedBy.CAMERA: f"{province}/{facility}/{camera}", GroupedBy.ALL: "all"})[by]


def outages_slowly(looked: list[tuple[datetime, StoredVerdict]], span: Span, longest: timedelta) -> int:
    """How many looks saw it down for which none of the looks before, that still stood, was the last to tell so."""
    known = [(at, one) for at, one in looked if one.verdict != "unknown"]
    down = [one.verdict in {"down", "quarantined"} and not one.maintenance for _, one in known]
    outages = 0
    for place, (at, _) in enumerate(known):
        goes_on = place > 0 and down[place - 1] and at - known[place - 1][0] <= longest
        outages += down[place] and span.begin <= at < span.until and not goes_on
    return outages


def test_a_mark_holds_what_is_kept_and_is_never_that_of_no_look() -> None:
    assert {mark_of(verdict_of_mark(mark, "drift")) for mark in MARKS} == MARKS
    assert ABSENT not in MARKS


def test_the_kept_words_are_those_of_verification() -> None:
    assert set(VERDICTS) == {verdict.value for verdict in Verdict} - {Verdict.MAINTENANCE.value}
    assert len(Cause) < ABSENT


@given(told, spans(), st.sampled_from((LONGEST, timedelta(hours=1), timedelta(days=30))))
def test_time_is_what_a_slow_reading_makes_of_it(of: Told, span: Span, longest: timedelta) -> None:
    by_path = measured(table(of), span, longest)
    assert set(by_path) == {path for paths, seen in of.values() for path in paths | seen.keys()}
    assert {path: slowly(of, path, span, longest) for path in by_path} == by_path


@given(told, told, spans(), st.sampled_from(GroupedBy), st.sets(st.sampled_from(PATHS)))
def test_a_group_is_what_its_chosen_paths_come_to_path_by_path(
    one: Told, other: Told, span: Span, by: GroupedBy, left_out: set[str]
) -> None:
    moved = {
        at: ({f"b{p[1:]}" for p in paths}, {f"b{p[1:]}": k for p, k in seen.items()})
        for at, (paths, seen) in other.items()
    }
    slow: dict[str, list[Measured]] = defaultdict(list)
    named: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for of in (one, moved):
        for path in {path for paths, seen in of.values() for path in paths | seen.keys()} - left_out:
            slow[named_slowly(by, path)].append(slowly(of, path, span, LONGEST))
            named[named_slowly(by, path)].add((path.split("/")[1], CARRIER.get(path, "")))
    groups = group_times(by, (table(one), table(moved)), span, LONGEST, lambda path, _: path not in left_out)
    assert {name: (group.paths, group.measured) for name, group in groups.items()} == {
        name: (len(parts), total_of(parts)) for name, parts in slow.items()
    }
    assert {name: group.carriers for name, group in groups.items()} == {
        name: {carrier for _, carrier in pairs} for name, pairs in named.items()
    }
    if not left_out:
        assert groups == group_times(by, (table(one), table(moved)), span)


@given(told, spans(), moments)
def test_the_parts_of_a_span_come_to_the_whole(of: Told, span: Span, cut: datetime) -> None:
    cut = min(max(cut, span.begin), span.until)
    whole, parts = table(of), (Span(span.begin, cut), Span(cut, span.until))
    for path, all_of_it in measured(whole, span).items():
        assert total_of(measured(whole, part)[path] for part in parts) == all_of_it


@given(told, spans())
def test_the_time_is_all_there_and_gaps_are_never_up(of: Told, span: Span) -> None:
    length = (span.until - span.begin) // timedelta(microseconds=1)
    for path, one in measured(table(of), span).items():
        assert one.total == length
        most = len(seen_of(of, path)) * LONGEST // timedelta(microseconds=1)
        assert one.total - one.unmeasured <= most
    assert total_of(()) == NOTHING_MEASURED


@given(told, spans(), st.randoms(use_true_random=False))
def test_the_order_in_which_sweeps_come_changes_nothing(of: Told, span: Span, chance: st.DataObject) -> None:
    sweeps = [sweep(at, *rest) for at, rest in of.items()]
    mixed = sorted(sweeps, key=lambda _: chance.random())  # type: ignore[attr-defined]
    assert table_of(mixed) == table_of(sweeps)
    assert measured(table_of(mixed), span) == measured(table(of), span)


@given(told, st.sampled_from(("", "a/", "a/k-1/", "a/k-1", "a/k-1/c-2/sub", "b/")))
def test_a_prefix_takes_the_paths_that_begin_so_and_changes_nothing_of_them(of: Told, prefix: str) -> None:
    whole = table(of)
    part = table_of((sweep(at, *rest) for at, rest in of.items()), prefix)
    assert part.paths == tuple(path for path in whole.paths if path.startswith(prefix))
    assert since(part) == {path: one for path, one in since(whole).items() if path.startswith(prefix)}


@given(told, moments)
def test_since_is_the_first_look_that_no_other_state_came_after(of: Told, as_of: datetime) -> None:
    states = {"quarantined": "down"}
    said = since(table(of), as_of)
    for path in PATHS:
        looked = [(at, one) for at, one in seen_of(of, path) if at <= as_of]
        known = [(at, one) for at, one in looked if one.verdict != "unknown"]
        assert (path in said) == bool(looked)
        if not known:
            assert not looked or said[path].verdict == "unknown"
            continue
        of_state = [states.get(one.verdict, one.verdict) for _, one in known]
        row = next((n for n, state in enumerate(reversed(of_state)) if state != of_state[-1]), len(known))
        one = said[path]
        assert (one.since, one.looks, one.last_look) == (known[-row][0], row, known[-1][0])
        assert (one.verdict, one.cause, one.level) == (known[-1][1].verdict, known[-1][1].cause, known[-1][1].level)
        assert one.last_up == max((at for at, k in known if k.verdict in {"up", "degraded"}), default=None)
        after = [at for at, k in looked if k.verdict == "unknown" and at > known[-1][0]]
        assert one.unknown_since == min(after, default=None)


def folded(checks: Iterable[tuple[datetime, StoredVerdict]], state: PathState | None = None) -> PathState | None:
    for at, kept in checks:
        state = after(state, kept, at)
    return state


@given(told, moments)
def test_one_check_after_the_other_comes_to_what_all_together_do(of: Told, half: datetime) -> None:
    whole = since(table(of))
    for path in PATHS:
        checks = seen_of(of, path)
        earlier = [one for one in checks if one[0] <= half]
        assert folded(checks) == whole.get(path)
        assert folded(checks[len(earlier) :], folded(earlier)) == whole.get(path)


@given(told, st.integers(0, 21), st.integers(1, 30))
def test_a_night_is_the_worst_that_its_looks_could_tell(of: Told, back: int, number: int) -> None:
    last = date(2021, 5, 8) + timedelta(days=back)
    worst = ("down", "quarantined", "degraded", "up", "unknown")
    for path, strip in nights(table(of), last, number).items():
        assert len(strip) == number
        for place, night in enumerate(strip):
            day = last - timedelta(days=number - 1 - place)
            looked = [one for at, one in seen_of(of, path) if at.astimezone(VIETNAM).date() == day]
            shown = min(looked, key=lambda one: worst.index(one.verdict), default=None)
            word = shown and ("maintenance" if shown.maintenance else shown.verdict)
            assert night == WorstOfDay(day, word or "")
