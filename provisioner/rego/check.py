"""Files of rules looked over: what keeps them from judging, before there is a plan."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Final

from provisioner.base.diagnostics import Problem, Severity
from provisioner.rego.answer import RegoAnswer
from provisioner.rego.cases import cases_of
from provisioner.rego.door import (
    CHECKED,
    MOST_SECONDS,
    RegoFailureError,
    RegoQuery,
    RegoTextFaultError,
    RegoUnloadedError,
    ask_rego,
    is_installed,
)
from provisioner.rego.fields import InputFields
from provisioner.rego.file import FOLDER, MOST_FILES, RegoFile
from provisioner.rego.module import RegoFault, RegoModule
from provisioner.rego.references import reference_faults

NOT_INSTALLED: Final = "rego-not-installed"
_MOST_FAULTS: Final = 50
_SCHEMA: Final = Path(__file__).with_name("document.json")
_NOTHING: Final = {"create": 0, "update": 0, "delete": 0, "viewers": 0, "impact": "none"}
EMPTY: Final[dict[str, object]] = {
    "schema": "provisioner/policy-input",
    "version": 1,
    "now": {
        "at": "2021-05-20T12:00:00+07:00",
        "date": "2021-05-20",
        "year": 2021,
        "month": 5,
        "day": 20,
        "hour": 12,
        "minute": 0,
        "weekday": "thursday",
    },
    "inventory": "none",
    "offline": True,
    "summary": _NOTHING,
    "hosts": [],
    "carriers": [],
    "provinces": [],
    "facilities": [],
    "changes": [],
}
"""What rules see of a plan in which nothing changes."""
_EVALUATOR: Final = (
    "install it beside provisioner: pip install 'regopy>=1.5.2,<1.6', which needs glibc 2.34 or later; until then"
    " nothing is planned or applied"
)
_LIBRARIES: Final = (
    "install what it names (on Debian: apt-get install libatomic1 libstdc++6); until then nothing is planned or applied"
)


@cache
def input_fields() -> InputFields:
    """The document that rules see."""
    return InputFields(json.loads(_SCHEMA.read_text(encoding="utf-8")))


def rego_problems(files: Sequence[RegoFile], root: Path, *, evaluates: bool = True) -> tuple[Problem, ...]:
    """Everything that is wrong with the rules of an inventory, sorted by place.

    Args:
        files: rules and tests.
        root: the inventory's folder.
        evaluates: whether regopy is asked, too, in a process for each file.
    """
    return tuple(sorted(_problems(sorted(files), root, evaluates=evaluates)))


def _problems(files: Sequence[RegoFile], root: Path, *, evaluates: bool) -> Iterator[Problem]:
    if not files:
        return
    if len(files) > MOST_FILES:
        message = f"{FOLDER} holds more than {MOST_FILES} files of Rego"
        yield Problem(str(root / FOLDER), 0, 0, "rego-form", message, "put what belongs together into one", FOLDER)
        return
    if not is_installed():
        message = f"the rules of {FOLDER} cannot be evaluated: regopy is not installed"
        yield Problem(str(root / FOLDER), 0, 0, NOT_INSTALLED, message, _EVALUATOR, FOLDER)
    modules, end = {file: file.module for file in files}, time.monotonic() + MOST_SECONDS
    rules = {file.name: file for file in files if not file.is_test}
    tests = {file.name: file for file in files if file.is_test}
    for name, file in tests.items():
        if name not in rules:
            hint = f"call it {{rules}}_test.rego, or write {FOLDER}/{name}.rego"
            yield problem_of(
                root, file, RegoFault(1, 1, "rego-form", f"there are no rules {name} for these tests", hint)
            )
    for name, file in rules.items():
        test = tests.get(name)
        yield from _of_one(root, modules, file, test, end if evaluates and is_installed() else None)
        if test is None or not modules[test].tests:
            hint = f"write {FOLDER}/{name}_test.rego; provisioner policy test runs it"
            fault = RegoFault(0, 0, "rego-untested", "no test shows that these rules hold anything back", hint)
            yield problem_of(root, file, fault, Severity.WARNING)


def _of_one(
    root: Path, modules: dict[RegoFile, RegoModule], file: RegoFile, test: RegoFile | None, end: float | None
) -> Iterator[Problem]:
    """The problems of a file of rules, and of its tests; regopy is asked up to a moment, or not at all."""
    module, faults = modules[file], static_faults(modules[file])
    listed = [problem_of(root, file, fault) for fault in faults]
    if test is not None:
        listed += [problem_of(root, test, fault) for fault in static_faults(modules[test], tested=module)]
    yield from listed
    if not listed and end is not None:
        both = [file, *([test] if test else [])]
        fault_of = evaluation_fault([modules[one] for one in both], module, end)
        if fault_of is not None:
            number, fault = fault_of
            yield problem_of(root, both[number], fault)


def static_faults(module: RegoModule, tested: RegoModule | None = None) -> list[RegoFault]:
    """What is wrong with a file by its text alone."""
    faults = list(module.faults)
    faults = faults or [*reference_faults(module, input_fields(), tested), *cases_of(module).faults * module.is_test]
    return faults[:_MOST_FAULTS]


def evaluation_fault(modules: Sequence[RegoModule], judging: RegoModule, end: float) -> tuple[int, RegoFault] | None:
    """What regopy itself has against a file of rules and its tests: which of the two it is, and what; None if nothing.

    It is asked about a plan in which nothing changes: what depends on a plan is seen when there is one.
    """
    names = sorted({rule.name for rule in judging.judging})
    names += [rule.name for one in modules if one.is_test for rule in one.tests]
    texts = [cases_of(one).text if one.is_test else one.text for one in modules]
    try:
        answers = ask_rego(
            texts, [RegoQuery(f"data.{judging.package}.{name}") for name in names], [EMPTY], CHECKED.until(end)
        )
    except RegoTextFaultError as error:
        return error.text, text_fault(modules[error.text], error)
    except RegoUnloadedError as error:
        return 0, unloaded_fault(error)
    except RegoFailureError as error:
        return 0, RegoFault(0, 0, "rego-form", f"it cannot be evaluated: {error}", "make the rules simpler")
    never = next((answer for answer in answers if answer.never), None)
    return (0, never_fault(never)) if never else None


def unloaded_fault(error: RegoUnloadedError) -> RegoFault:
    """What the machine lacks for any rule to be evaluated."""
    return RegoFault(0, 0, NOT_INSTALLED, f"it cannot be evaluated: {error}", _LIBRARIES)


def text_fault(module: RegoModule, error: RegoTextFaultError) -> RegoFault:
    """What regopy has against a text."""
    before = module.text.encode()[: error.offset].decode(errors="replace")
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    return RegoFault(line, column, "rego-form", f"it is no Rego: {error.message}", "correct it there, or just before")


def never_fault(answer: RegoAnswer) -> RegoFault:
    """What regopy has against all that a file says."""
    return RegoFault(0, 0, "rego-form", f"it cannot be evaluated: {answer.error}", "correct the rule")


def problem_of(root: Path, file: RegoFile, fault: RegoFault, severity: Severity = Severity.ERROR) -> Problem:
    """A fault of a file as a problem of the inventory."""
    message = f"{file.path}: {fault.message}"
    return Problem(
        str(root / file.path), fault.line, fault.column, fault.code, message, fault.hint, file.path, severity
    )
