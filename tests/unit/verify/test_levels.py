"""The table of levels: docs/daily/watching.md lists it, and a new level is a row and its check."""

import json
import re
from collections.abc import Collection, Sequence
from itertools import pairwise, takewhile
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioner.hosts.runner import HostAnswer
from provisioner.plan.change import Action, Change, Impact, Resource
from provisioner.verify import judge
from provisioner.verify.case import PASSED, Case, Check, failed, not_checked
from provisioner.verify.judge import GATE_LEVELS, LEVELS, Level, Subject
from provisioner.verify.network import host_check
from provisioner.verify.result import Cause, Layer, Verdict
from provisioner.verify.stream import read_check, relay_check
from tests.unit.docs.pages import section, text_of

from .test_verify_laws import applicable, worlds
from .world import answers, judged, printed

SECTION = section(text_of("docs/daily/watching.md"), "Every path")
STATEMENTS = {int(number): text for number, text in re.findall(r"^\| (\d) \| (.+) \|$", SECTION, re.MULTILINE)}


def test_numbers_ascend_and_names_are_unique() -> None:
    assert all(lower.number < higher.number for lower, higher in pairwise(LEVELS))
    assert len({level.name for level in LEVELS}) == len(LEVELS)


def test_every_level_of_the_page_is_a_row_with_its_statement() -> None:
    assert {level.number: level.statement for level in LEVELS} == STATEMENTS


def test_documents_name_the_levels_of_the_table() -> None:
    names = json.loads(printed(judged(answers())))["level_names"]
    assert names == {str(level.number): level.name for level in LEVELS}


def test_the_gate_judges_by_what_is_decoded_before_what_is_received() -> None:
    assert [level.check for level in GATE_LEVELS] == [read_check, relay_check]


FAILED = failed(Layer.PICTURE, "x", Cause.UNKNOWN)
UNKNOWN = not_checked("x", "not looked at")
INVENTED = 90


def _highest(table: Sequence[Level], passed: Collection[int]) -> int:
    unbroken = list(takewhile(lambda level: level.number in passed, table))
    return unbroken[-1].number if unbroken else 0


@given(given_answers=worlds(), outcome=st.sampled_from([PASSED, FAILED, UNKNOWN]), place=st.integers(1, len(LEVELS)))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_new_level_is_a_row_and_its_check(given_answers: dict[str, HostAnswer], outcome: Check, place: int) -> None:
    def check(_case: Case) -> Check:
        return outcome

    row = Level(INVENTED, "invented", "invented", check, Subject.PICTURE)
    table = (*LEVELS[:place], row, *LEVELS[place:])
    before = judged(given_answers).paths
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(judge, "LEVELS", table)
        after = judged(given_answers).paths
    for old, new in zip(before, after, strict=True):
        if old.checked_at is None:
            assert new == old
            continue
        assert (INVENTED in new.passed) == (outcome is PASSED)
        assert set(new.passed) - {INVENTED} == set(old.passed)
        assert new.level == _highest(
            [level for level in table if level.number in {*applicable(old), INVENTED}], new.passed
        )
        assert (new.verdict is Verdict.UP) == (old.verdict is Verdict.UP and outcome is PASSED)


@pytest.mark.parametrize("number", range(1, 8))
def test_what_differs_on_a_host_is_named_or_counted_each(number: int) -> None:
    changes = [Change("edge-1", Resource.PATH, f"p-{n}", Action.UPDATE, Impact.PATH, "") for n in range(number)]
    target = SimpleNamespace(relay=SimpleNamespace(id="edge-1"), centres=())
    case: Any = SimpleNamespace(target=target, hosts={}, drift_of=lambda _host: changes)
    finding = host_check(case).finding
    assert finding
    more = re.search(r" and (\d+) more$", finding.detail)
    assert len(re.findall(r"update path p-\d", finding.detail)) + int(more[1] if more else 0) == number
    assert (more is None) is (number <= 3)
