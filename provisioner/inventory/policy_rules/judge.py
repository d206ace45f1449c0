"""Checks and tests of Rego rules, and their verdict (docs/internals/inventory.md)."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Final

from provisioner.base.document import schema_of_document
from provisioner.base.errors import Problem, Severity
from provisioner.base.text import msg
from provisioner.inventory.policy_rules import engine
from provisioner.inventory.policy_rules.document import RegoInput, RegoMoment
from provisioner.inventory.policy_rules.engine import MOST_CPU_S, ask_rego, is_installed
from provisioner.inventory.policy_rules.file import (
    FOLDER,
    MOST_FILES,
    RegoFile,
    RegoModule,
    RegoRule,
    RegoWord,
    RegoWordKind,
    fault_at,
)
from provisioner.inventory.policy_rules.references import InputFields, reference_faults

_ENDS: Final = frozenset({";", "with"})
_ONE: Final = "a test is about one plan: write a test for each"
NOT_INSTALLED: Final = "rego-not-installed"
_MOST_FAULTS: Final = 50
_NOON: Final = {"at": "2021-05-20T12:00:00+07:00", "date": "2021-05-20", "year": 2021, "month": 5, "day": 20}
#: Rules' input for a plan without changes.
EMPTY: Final = RegoInput(
    now=RegoMoment(**_NOON, hour=12, minute=0, weekday="thursday"), inventory="none", offline=True
).plain
_EVALUATOR: Final = (
    "install it beside provisioner: pip install 'regopy>=1.5.2,<1.6', which needs glibc 2.34"
    " or later; until then every plan is refused"
)
_LIBRARIES: Final = (
    "install the missing library (on Debian: apt-get install libatomic1 libstdc++6); until then every plan is refused"
)


@dataclass(frozen=True, slots=True)
class RegoCase:
    """A test, and the name of its plan's rule, if any."""

    rule: RegoRule
    plan: str = ""


@dataclass(frozen=True, slots=True)
class RegoCases:
    """The tests of a file; `text` has each plan as a rule."""

    text: str = field(repr=False)
    cases: tuple[RegoCase, ...] = ()
    faults: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class _Replacement:
    """The words of `with input as` and its plan."""

    first: RegoWord
    words: tuple[RegoWord, ...]

    @property
    def expression(self) -> tuple[RegoWord, ...]:
        return self.words[3:]

    @property
    def end(self) -> int:
        return self.words[-1].offset + len(self.words[-1].text)


@dataclass(frozen=True, slots=True)
class RegoJudgement:
    """The rules' verdict on a plan, or the problems that prevent one."""

    verdict: engine.RegoVerdict
    problems: tuple[Problem, ...] = ()


class RegoTestEnd(StrEnum):
    """Outcome of a test."""

    PASSED = "passed"
    FAILED = "failed"
    UNTESTED = "untested"  #: Of a rule: no test fails without it.


@dataclass(frozen=True, slots=True)
class RegoTest:
    """Outcome of a test, or a rule that no test needs."""

    file: str
    line: int
    name: str
    end: RegoTestEnd
    detail: str = ""


def cases_of(module: RegoModule) -> RegoCases:
    """Separate the tests of a file from their plans."""
    text, faults = module.text, list[Problem]()
    cases, plans = list[RegoCase](), list[str]()
    replacements: list[_Replacement] = []
    for rule in module.rules:
        replaced = list(_with_replacements(rule.words))
        replacements += replaced
        faults += _replacement_problems(rule, replaced, is_test=rule in module.tests)
        if rule not in module.tests:
            continue
        name = f"plan_at_{rule.head.line}" if replaced else ""
        cases.append(RegoCase(rule, name))
        if replaced and len(replaced[0].expression):
            expression = replaced[0].expression
            plans.append(f"{name} := {text[expression[0].offset : replaced[0].end]}")
    for replacement in reversed(replacements):
        # Empty lines keep the line numbers of the rest.
        lines = "\n" * text[replacement.first.offset : replacement.end].count("\n")
        text = text[: replacement.first.offset] + lines + text[replacement.end :]
    return RegoCases("\n".join((text, *plans, "")), tuple(cases), tuple(faults))


def _with_replacements(words: Sequence[RegoWord]) -> Iterator[_Replacement]:
    for number, word in enumerate(words):
        if word.text != "with" or word.kind is not RegoWordKind.NAME:
            continue
        end = number + 1
        while end < len(words) and not _ends_expression(words[end], word):
            end += 1
        yield _Replacement(word, tuple(words[number:end]))


def _ends_expression(word: RegoWord, start: RegoWord) -> bool:
    if word.depth < start.depth:
        return True
    if word.depth > start.depth or word.text in {"]", ")"}:
        return False
    closes = word.text == "}"
    return (
        word.text in _ENDS
        or (word.begins_line and not closes)
        or (closes and word.begins_line and word.depth < start.depth)
    )


def _replacement_problems(rule: RegoRule, replaced: Sequence[_Replacement], *, is_test: bool) -> Iterator[Problem]:
    for replacement in replaced:
        beginning = [word.text for word in replacement.words[:3]]
        if beginning != ["with", "input", "as"] or not replacement.expression:
            hint = "write `with input as`, and the whole plan after it"
            yield fault_at(replacement.first, "it replaces something else than input", hint)
        elif not is_test:
            yield fault_at(
                replacement.first, msg("{name} is no test, and says a plan", rule.name), "say it in the test itself"
            )
    plans = {tuple(word.text for word in replacement.expression) for replacement in replaced}
    if len(plans) > 1:
        yield fault_at(replaced[1].first, msg("{name} is about several plans", rule.name), _ONE)
    names = {word.text for replacement in replaced for word in replacement.expression if word.kind is RegoWordKind.NAME}
    for number, word in enumerate(rule.words[:-1]):
        if rule.words[number + 1].text == ":=" and word.text in names:
            hint = "make it a rule of the file of tests"
            yield fault_at(word, msg("the plan of {name} is made of its own {text}", rule.name, word.text), hint)


@cache
def input_fields() -> InputFields:
    """Return the fields of the rules' input."""
    return InputFields(schema_of_document("policy-input", RegoInput))


def rego_problems(files: Sequence[RegoFile], root: Path, *, evaluates: bool = True) -> tuple[Problem, ...]:
    """Return rules' problems by position; `evaluates` runs regopy for each file."""
    return tuple(sorted(_rego_problems(sorted(files), root, evaluates=evaluates)))


def _rego_problems(files: Sequence[RegoFile], root: Path, *, evaluates: bool) -> Iterator[Problem]:
    if not files:
        return
    if len(files) > MOST_FILES:
        message = msg("{folder} holds more than {most_files} files of Rego", FOLDER, MOST_FILES)
        yield Problem(str(root / FOLDER), 0, 0, "rego-form", message, "put what belongs together into one", FOLDER)
        return
    if not is_installed():
        message = msg("the rules of {folder} cannot be evaluated: regopy is not installed", FOLDER)
        yield Problem(str(root / FOLDER), 0, 0, NOT_INSTALLED, message, _EVALUATOR, FOLDER)
    modules, end = {file: file.module for file in files}, time.monotonic() + engine.MOST_SECONDS
    rules = {file.name: file for file in files if not file.is_test}
    tests = {file.name: file for file in files if file.is_test}
    for name, file in tests.items():
        if name not in rules:
            hint = msg("call it {rules}_test.rego, or write {folder}/{name}.rego", "{rules}", FOLDER, name)
            yield problem_of(
                root, file, Problem("", 1, 1, "rego-form", msg("there are no rules {name} for these tests", name), hint)
            )
    shares = engine.RegoShares(len(rules), MOST_CPU_S)
    for name, file in rules.items():
        test = tests.get(name)
        with shares.next_share() as cpu_s:
            yield from _problems_of_file(
                root, modules, file, test, (end, cpu_s) if evaluates and is_installed() else None
            )
        if test is None or not modules[test].tests:
            hint = msg("write {folder}/{name}_test.rego; provisioner policy test runs it", FOLDER, name)
            fault = Problem("", 0, 0, "rego-untested", "no test shows that these rules hold anything back", hint)
            yield problem_of(root, file, fault, Severity.WARNING)


def _problems_of_file(
    root: Path,
    modules: dict[RegoFile, RegoModule],
    file: RegoFile,
    test: RegoFile | None,
    time_of: tuple[float, float] | None,
) -> Iterator[Problem]:
    # regopy runs only if there is time for it.
    module, faults = modules[file], static_faults(modules[file])
    listed = [problem_of(root, file, fault) for fault in faults]
    if test is not None:
        listed += [problem_of(root, test, fault) for fault in static_faults(modules[test], tested=module)]
    yield from listed
    if not listed and time_of is not None:
        members = [file, *([test] if test else [])]
        fault_of = evaluation_fault([modules[member] for member in members], module, *time_of)
        if fault_of is not None:
            number, fault = fault_of
            yield problem_of(root, members[number], fault)


def static_faults(module: RegoModule, tested: RegoModule | None = None) -> list[Problem]:
    """Return the faults found without evaluation."""
    faults = list(module.faults)
    faults = faults or [*reference_faults(module, input_fields(), tested), *cases_of(module).faults * module.is_test]
    return faults[:_MOST_FAULTS]


def evaluation_fault(
    modules: Sequence[RegoModule], judging: RegoModule, end: float, cpu_s: float
) -> tuple[int, Problem] | None:
    """Return regopy's fault, with the index of its file, or `None`."""
    # The rules are evaluated with an empty plan; faults that depend on a plan appear later.
    bounds = replace(engine.CHECKED, cpu_s=cpu_s)
    names = sorted({rule.name for rule in judging.judging})
    names += [rule.name for module in modules if module.is_test for rule in module.tests]
    texts = [cases_of(module).text if module.is_test else module.text for module in modules]
    try:
        answers = ask_rego(
            texts, [engine.RegoQuery(f"data.{judging.package}.{name}") for name in names], [EMPTY], bounds.until(end)
        )
    except engine.RegoTextFaultError as error:
        return error.text, text_fault(modules[error.text], error)
    except engine.RegoUnloadedError as error:
        return 0, unloaded_fault(error)
    except engine.RegoFailureError as error:
        return 0, Problem(
            "", 0, 0, "rego-form", msg("it cannot be evaluated: {error}", error), "make the rules simpler"
        )
    unevaluable = next((answer for answer in answers if answer.is_unevaluable), None)
    return (0, unevaluable_fault(unevaluable)) if unevaluable else None


def unloaded_fault(error: engine.RegoUnloadedError) -> Problem:
    """Return the fault of a missing system library."""
    return Problem("", 0, 0, NOT_INSTALLED, msg("it cannot be evaluated: {error}", error), _LIBRARIES)


def text_fault(module: RegoModule, error: engine.RegoTextFaultError) -> Problem:
    """Return the fault of an invalid text."""
    before = module.text.encode()[: error.offset].decode(errors="replace")
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    return Problem(
        "",
        line,
        column,
        "rego-form",
        msg("it is no Rego: {message}", error.message),
        "correct it there, or just before",
    )


def unevaluable_fault(answer: engine.RegoAnswer) -> Problem:
    """Return the fault of a file that cannot be evaluated."""
    return Problem("", 0, 0, "rego-form", msg("it cannot be evaluated: {error}", answer.error), "correct the rule")


def problem_of(root: Path, file: RegoFile, fault: Problem, severity: Severity = Severity.ERROR) -> Problem:
    """Convert a file's fault to a problem of the inventory."""
    message = f"{file.path}: {fault.message}"
    return replace(fault, file=str(root / file.path), message=message, object=file.path, severity=severity)


def judge(files: Sequence[RegoFile], root: Path, document: Mapping[str, object]) -> RegoJudgement:
    """Evaluate all rules for a plan; `document` is their input."""
    problems = [
        problem for problem in rego_problems(files, root, evaluates=False) if problem.severity is Severity.ERROR
    ]
    verdict, end = engine.RegoVerdict(), time.monotonic() + engine.MOST_SECONDS
    for file in sorted(files):
        if problems or file.is_test:
            continue
        judged = _verdict_or_problem(file, root, document, end)
        if isinstance(judged, Problem):
            problems.append(judged)
        else:
            verdict = verdict.joined(judged)
    return RegoJudgement(verdict, tuple(problems))


def _verdict_or_problem(
    file: RegoFile, root: Path, document: Mapping[str, object], end: float
) -> engine.RegoVerdict | Problem:
    module = file.module
    text, rules_by_name = module.text_with_rule_names()
    try:
        queries = [engine.RegoQuery(f"data.{module.package}.{name}") for name in rules_by_name]
        answers = ask_rego([text], queries, [document], engine.JUDGED.until(end))
    except engine.RegoTextFaultError as error:
        return problem_of(root, file, text_fault(module, error))
    except engine.RegoUnloadedError as error:
        return problem_of(root, file, unloaded_fault(error))
    except engine.RegoFailureError as error:
        return engine.failed_verdict(file.path, module.judging, str(error))
    unevaluable = next((answer for answer in answers if answer.is_unevaluable), None)
    if unevaluable is not None:
        return problem_of(root, file, unevaluable_fault(unevaluable))
    return engine.verdict_of(file.path, tuple(rules_by_name.values()), answers)


def run_tests(files: Sequence[RegoFile]) -> tuple[RegoTest, ...]:
    """Run all tests of valid files, and find rules without a test."""
    # A rule has a test if a passed test fails after the rule is renamed.
    tests = {file.name: file for file in files if file.is_test}
    pairs = [(file, tests[file.name]) for file in sorted(files) if not file.is_test and file.name in tests]
    untested_files = [file for file in sorted(files) if not file.is_test and file.name not in tests]
    end = time.monotonic() + engine.MOST_SECONDS
    results = [test for pair in pairs for test in _test_results(*pair, end)]
    results += [
        RegoTest(file.path, rule.head.line, rule.name, RegoTestEnd.UNTESTED)
        for file in untested_files
        for rule in file.module.judging
    ]
    return tuple(results)


def _test_results(file: RegoFile, test: RegoFile, end: float) -> Iterator[RegoTest]:
    """Yield the results of tests, then rules that no test needs."""
    rules, tests = file.module, _PlannedTests.from_modules(file.module, test.module, end)
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


def _passed(answer: engine.RegoAnswer) -> bool:
    return answer.is_defined and answer.value is True


@dataclass(frozen=True, slots=True)
class _PlannedTests:
    """The tests of a file with their plans; `end` is the deadline."""

    module: RegoModule
    cases: RegoCases
    plans: tuple[engine.RegoAnswer, ...]
    end: float

    @classmethod
    def from_modules(cls, rules: RegoModule, tests: RegoModule, end: float) -> "_PlannedTests":
        cases = cases_of(tests)
        queries = [engine.RegoQuery(f"data.{tests.package}.{case.plan}") for case in cases.cases if case.plan]
        answers = iter(_answers([rules.text, cases.text], queries, [EMPTY], end))
        plans = (next(answers) if case.plan else engine.RegoAnswer(EMPTY, is_defined=True) for case in cases.cases)
        return cls(tests, cases, tuple(plans), end)

    def answers(self, text: str) -> tuple[engine.RegoAnswer, ...]:
        queries = [
            engine.RegoQuery(f"data.{self.module.package}.{test_case.rule.name}", number)
            for number, test_case in enumerate(self.cases.cases)
        ]
        raw_answers = _answers([text, self.cases.text], queries, [plan.value for plan in self.plans], self.end)
        return tuple(
            answer if plan.is_defined else engine.RegoAnswer(error=plan.error or "its plan has no value")
            for plan, answer in zip(self.plans, raw_answers, strict=True)
        )


def _answers(
    texts: Sequence[str], queries: Sequence[engine.RegoQuery], documents: Sequence[object], end: float
) -> tuple[engine.RegoAnswer, ...]:
    """Evaluate queries before a deadline; a failure is each query's result."""
    try:
        return ask_rego(texts, queries, documents, engine.TESTED.until(end))
    except engine.RegoTextFaultError as error:
        reason = msg("it is no Rego: {message}", error.message)
    except engine.RegoFailureError as error:
        reason = str(error)
    return tuple(engine.RegoAnswer(error=reason) for _ in queries)
