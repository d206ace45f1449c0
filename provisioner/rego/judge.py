"""Rules asked about a plan, and about their tests: each file in a process of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from provisioner.base.diagnostics import Problem, Severity
from provisioner.rego.answer import RegoAnswer
from provisioner.rego.cases import RegoCases, cases_of
from provisioner.rego.check import EMPTY, never_fault, problem_of, rego_problems, text_fault, unloaded_fault
from provisioner.rego.door import (
    JUDGED,
    MOST_SECONDS,
    TESTED,
    RegoFailureError,
    RegoQuery,
    RegoTextFaultError,
    RegoUnloadedError,
    ask_rego,
)
from provisioner.rego.file import RegoFile
from provisioner.rego.module import RegoModule
from provisioner.rego.verdict import RegoVerdict, failed_verdict, verdict_of


@dataclass(frozen=True, slots=True)
class RegoJudgement:
    """What the rules of an inventory said of a plan, or why they cannot judge any.

    Attributes:
        verdict: what they said.
        problems: why they say nothing of any plan; there is no verdict then.
    """

    verdict: RegoVerdict
    problems: tuple[Problem, ...] = ()


def judge(files: Sequence[RegoFile], root: Path, document: Mapping[str, object]) -> RegoJudgement:
    """Ask all rules about a plan.

    Args:
        files: rules and tests of the inventory.
        root: its folder.
        document: what rules see of the plan.
    """
    problems = [one for one in rego_problems(files, root, evaluates=False) if one.severity is Severity.ERROR]
    verdict, end = RegoVerdict(), time.monotonic() + MOST_SECONDS
    for file in sorted(files):
        if problems or file.is_test:
            continue
        judged = _judged(file, root, document, end)
        if isinstance(judged, Problem):
            problems.append(judged)
        else:
            verdict = verdict.joined(judged)
    return RegoJudgement(verdict, tuple(problems))


def _judged(file: RegoFile, root: Path, document: Mapping[str, object], end: float) -> RegoVerdict | Problem:
    module = file.module
    text, named = module.placed()
    try:
        queries = [RegoQuery(f"data.{module.package}.{name}") for name in named]
        answers = ask_rego([text], queries, [document], JUDGED.until(end))
    except RegoTextFaultError as error:
        return problem_of(root, file, text_fault(module, error))
    except RegoUnloadedError as error:
        return problem_of(root, file, unloaded_fault(error))
    except RegoFailureError as error:
        return failed_verdict(file.path, module.judging, str(error))
    never = next((answer for answer in answers if answer.never), None)
    if never is not None:
        return problem_of(root, file, never_fault(never))
    return verdict_of(file.path, tuple(named.values()), answers)


class RegoTestEnd(StrEnum):
    """How a test ended."""

    PASSED = "passed"
    FAILED = "failed"
    UNTESTED = "untested"
    """Of a rule: no test fails without it."""


@dataclass(frozen=True, slots=True)
class RegoTest:
    """A test, or a rule that none needs.

    Attributes:
        file: where it stands.
        line: the same.
        name: what it is called.
        end: how it ended.
        detail: why it failed, where there is something to be said.
    """

    file: str
    line: int
    name: str
    end: RegoTestEnd
    detail: str = ""


def run_tests(files: Sequence[RegoFile]) -> tuple[RegoTest, ...]:
    """Run every test of files that have no problems, and see of each rule whether a test needs it.

    A rule is needed if a test that passed fails once the rule is called otherwise.
    """
    tests = {file.name: file for file in files if file.is_test}
    pairs = [(file, tests[file.name]) for file in sorted(files) if not file.is_test and file.name in tests]
    alone = [file for file in sorted(files) if not file.is_test and file.name not in tests]
    end = time.monotonic() + MOST_SECONDS
    ended = [one for pair in pairs for one in _tests_of(*pair, end)]
    ended += [
        RegoTest(file.path, rule.head.line, rule.name, RegoTestEnd.UNTESTED)
        for file in alone
        for rule in file.module.judging
    ]
    return tuple(ended)


def _tests_of(file: RegoFile, test: RegoFile, end: float) -> Iterator[RegoTest]:
    rules, tests = file.module, _PlannedTests.of(file.module, test.module, end)
    answers = tests.answers(rules.text)
    for rule, answer in zip(test.module.tests, answers, strict=True):
        passed = _passed(answer)
        detail = "" if passed else answer.error or "its conditions do not all hold"
        yield RegoTest(
            test.path, rule.head.line, rule.name, RegoTestEnd.PASSED if passed else RegoTestEnd.FAILED, detail
        )
    if not all(map(_passed, answers)):
        return
    for rule in rules.judging:
        if all(map(_passed, tests.answers(rules.without(rule)))):
            yield RegoTest(file.path, rule.head.line, rule.name, RegoTestEnd.UNTESTED, "no test fails without it")


def _passed(answer: RegoAnswer) -> bool:
    return answer.is_defined and answer.value is True


@dataclass(frozen=True, slots=True)
class _PlannedTests:
    """The tests of a file, with the plan that each is about, or why there is none; `end` is when time is over."""

    module: RegoModule
    cases: RegoCases
    plans: tuple[RegoAnswer, ...]
    end: float

    @classmethod
    def of(cls, rules: RegoModule, tests: RegoModule, end: float) -> _PlannedTests:
        cases = cases_of(tests)
        asked = [RegoQuery(f"data.{tests.package}.{case.plan}") for case in cases.cases if case.plan]
        answers = iter(_asked([rules.text, cases.text], asked, [EMPTY], end))
        plans = (next(answers) if case.plan else RegoAnswer(EMPTY, is_defined=True) for case in cases.cases)
        return cls(tests, cases, tuple(plans), end)

    def answers(self, text: str) -> tuple[RegoAnswer, ...]:
        """What each test comes to, with some text of the rules."""
        queries = [RegoQuery(f"data.{self.module.package}.{c.rule.name}", n) for n, c in enumerate(self.cases.cases)]
        came_to = _asked([text, self.cases.text], queries, [plan.value for plan in self.plans], self.end)
        return tuple(
            answer if plan.is_defined else RegoAnswer(error=plan.error or "its plan comes to nothing")
            for plan, answer in zip(self.plans, came_to, strict=True)
        )


def _asked(
    texts: Sequence[str], queries: Sequence[RegoQuery], documents: Sequence[object], end: float
) -> tuple[RegoAnswer, ...]:
    """What some queries come to, up to a moment; a failure of the whole is each one's."""
    try:
        return ask_rego(texts, queries, documents, TESTED.until(end))
    except RegoTextFaultError as error:
        why = f"it is no Rego: {error.message}"
    except RegoFailureError as error:
        why = str(error)
    return tuple(RegoAnswer(error=why) for _ in queries)
