"""Whatever was recorded, changed or taken away, and whenever months were summed: the answer is that of the rows."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from provisioner.base.secret import Secret
from provisioner.base.text import VIETNAM
from provisioner.desired.limit import parse_limits
from provisioner.operations.questions.availability import AvailabilityAsked, AvailabilityReport, availability_of
from provisioner.record.availability.measured import GroupedBy, Span
from provisioner.record.availability.verdict_table import VERDICTS, KeptVerdict, SweptPaths
from provisioner.record.database import open_database
from provisioner.record.entries import Cut, Ending, Operation, Run
from provisioner.record.month_sums import keep_month_sums, read_summed
from provisioner.record.place import StatePlace, state_place_of
from provisioner.record.retention import prune
from provisioner.record.seal import record_keys
from provisioner.record.store import open_history

SETTINGS = Path(__file__).parents[2] / "inventories/example/inventory.yml"
START = datetime(2021, 3, 20, tzinfo=VIETNAM)
APRIL = datetime(2021, 4, 1, tzinfo=VIETNAM)
LONGEST = timedelta(hours=26)
PATHS = ("a/k-1/c-1/sub", "a/k-1/c-2/sub", "a/k-10/c-1/sub", "a/k-2/c-1/main", "b/k-3/c-1/sub")
CARRIERS = ("viettel", "viettel", "vnpt", "viettel", "vnpt")
LIMITS = ((), ("carrier=vnpt",), ("province=a",), ("facility=k-1", "facility=k-3"), ("province=a", "carrier=viettel"))
_NAMES = count()


@dataclass(frozen=True)
class Night:
    """What a run saw, and which paths it knew."""

    at: datetime
    paths: Sequence[int]
    looks: Mapping[int, KeptVerdict]
    moved: bool
    whole: bool


places = st.sets(st.sampled_from(range(len(PATHS))), min_size=1).map(sorted)
kept = st.builds(KeptVerdict, st.sampled_from(VERDICTS), st.just(""), st.integers(0, 7), maintenance=st.booleans())
# Some nights end in the very moment in which a month does, or a microsecond beside it.
edges = st.builds(
    lambda month, off: datetime(2021, month, 1, tzinfo=VIETNAM) + timedelta(microseconds=off),
    st.sampled_from((4, 5, 6)),
    st.sampled_from((-1, 0, 1)),
)
moments = st.integers(0, 100 * 24).map(lambda hours: START + timedelta(hours=hours)) | edges
night = st.builds(
    Night, moments, places, st.dictionaries(st.sampled_from(range(len(PATHS))), kept), st.booleans(), st.booleans()
)
sum_up = st.tuples(st.just("sum"), st.sampled_from((1, 200)), moments)
forget = st.tuples(st.just("forget"), moments, moments)
MARKS_OF_ANOTHER = (
    "UPDATE provisioner_verdicts SET marks = (SELECT v.marks FROM provisioner_verdicts v"
    " WHERE v.paths = provisioner_verdicts.paths ORDER BY (v.number + :m) % 5, v.number LIMIT 1)"
    " WHERE number = :n"
)
A_LIST_LESS = (
    "DELETE FROM provisioner_path_lists"
    " WHERE digest = (SELECT paths FROM provisioner_verdicts WHERE number = :n AND province = 'a')"
)
CHANGES = (
    "DELETE FROM provisioner_verdicts WHERE number = :n AND province = 'a'",
    MARKS_OF_ANOTHER,
    "UPDATE provisioner_verdicts SET at = at + 3600000000 WHERE number = :n AND province = 'a'",
    "UPDATE provisioner_verdicts SET marks = 'junk' WHERE number = :n AND province = 'a'",
    A_LIST_LESS,
    "UPDATE provisioner_month_sums SET packed = x'00' WHERE rows % 2 = :n % 2",
    "UPDATE provisioner_month_sums SET of = 'sha256:0'",
)
change = st.tuples(st.just("change"), st.sampled_from(CHANGES), st.integers(1, 6), st.integers(1, 5))
prunes = st.tuples(st.just("prune"), moments)
steady = st.builds(
    Night,
    moments,
    st.just(tuple(range(len(PATHS)))),
    st.dictionaries(st.sampled_from(range(len(PATHS))), kept, min_size=4),
    st.just(value=False),
    st.just(value=True),
)
nights = st.lists(steady, min_size=4, max_size=8)
summed_up = st.just(("sum", 200, START + timedelta(days=100)))
later = st.lists(st.one_of(steady, night, sum_up, forget, change, change, change, prunes), min_size=1, max_size=4)
stories = st.tuples(nights, st.lists(night, max_size=2), summed_up, later).map(
    lambda parts: [*parts[0], *parts[1], parts[2], *parts[3]]
)


@st.composite
def spans(draw: st.DrawFn) -> Span:
    begin, until = sorted((draw(moments), draw(moments)))
    wholes = Span(START, START + timedelta(days=100)), Span(APRIL, APRIL + timedelta(days=61))
    return draw(st.sampled_from((*wholes, Span(begin, until))))


@dataclass(frozen=True)
class Question:
    """What is asked of the record."""

    span: Span
    by: GroupedBy
    limits: tuple[str, ...]
    before: bool


class Told:
    """A record that grows by a story."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "example"
        self.root.mkdir(parents=True)
        shutil.copy(SETTINGS, self.root)
        self.environment = {"PROVISIONER_STATE": str(folder / "state")}
        self.place: StatePlace = replace(
            state_place_of(self.environment, "example"), keys=record_keys(Secret("a" * 64), {}, "example")
        )
        self.number = 0

    def take(self, step: object) -> None:
        match step:
            case Night():
                self.number += 1
                carriers = [("fpt" if step.moved and place == 0 else CARRIERS[place]) for place in range(len(PATHS))]
                known = {*step.paths, *step.looks}
                swept = SweptPaths(
                    {PATHS[place]: seen for place, seen in step.looks.items()},
                    {PATHS[place]: carriers[place] for place in known},
                    step.whole,
                )
                run = Run(f"run-{self.number}", Operation.VERIFY, step.at, "", "", {}, "")
                with closing(open_history(self.place)) as history:
                    history.end(run, Ending(step.at, "", swept=swept))
            case ("sum", int() as at_once, datetime() as now):
                keep_month_sums(self.place, LONGEST, now, at_once)
            case ("forget", datetime() as begin, datetime() as until):
                values = {"begin": micro(min(begin, until)), "until": micro(max(begin, until))}
                self.write("DELETE FROM provisioner_verdicts WHERE at >= :begin AND at < :until", values)
            case ("change", str() as statement, int() as number, int() as other):
                self.write(statement, {"n": number, "m": other})
            case ("prune", datetime() as before):
                self.prune(before)
            case _:
                raise AssertionError(step)

    def prune(self, before: datetime) -> None:
        with closing(open_history(self.place)) as history:
            whole = history.verify_chain().whole
        if whole:
            self.number += 1
            run = Run(f"run-{self.number}", Operation.PRUNE, before, "", "", {}, "")
            prune(self.place, run, before, Cut(verdicts=before))

    def write(self, statement: str, values: Mapping[str, object]) -> None:
        database = open_database(self.place, create=True)
        assert database is not None
        with closing(database), database.writing() as connection:
            names = {name: value for name, value in values.items() if f":{name}" in statement}
            connection.execute(text(statement), names)

    def answer(self, question: Question) -> AvailabilityReport:
        span, limit = question.span, parse_limits(question.limits)
        asked = AvailabilityAsked(span, span.until, question.by, limit, before=question.before, is_strict=False)
        return availability_of(self.root, self.environment, asked)


def micro(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stories")


questions = st.builds(
    Question,
    spans(),
    st.sampled_from((*[by for by in GroupedBy if by is not GroupedBy.CAMERA] * 2, GroupedBy.CAMERA)),
    st.sampled_from(LIMITS),
    st.booleans(),
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(stories, questions)
def test_by_sums_it_is_what_it_is_by_rows(folder: Path, story: list[object], question: Question) -> None:
    told = Told(folder / str(next(_NAMES)))
    for step in story:
        told.take(step)
    by_former_sums = told.answer(question)
    keep_month_sums(told.place, LONGEST, question.span.until + timedelta(days=1))
    by_new_sums = told.answer(question)
    told.write("DELETE FROM provisioner_month_sums", {})
    by_rows = told.answer(question)
    assert by_former_sums == by_rows == by_new_sums
    shutil.rmtree(told.root.parent)


def test_such_stories_are_answered_by_sums(folder: Path) -> None:
    """The law is about something: whole months of them are not read row by row."""
    told = Told(folder / "sums")
    everything = {place: KeptVerdict("up") for place in range(len(PATHS))}
    for day in range(100):
        told.take(Night(START + timedelta(days=day), tuple(everything), everything, moved=False, whole=True))
    assert keep_month_sums(told.place, LONGEST, START + timedelta(days=100)) == 6
    summed = read_summed(told.place, Span(START, START + timedelta(days=100)), LONGEST)
    assert summed is not None
    assert (set(summed.provinces), summed.others, summed.newest) == ({"a", "b"}, (), 100)
