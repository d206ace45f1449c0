"""Problems as JUnit XML, which pipelines show beside their tests: a case a problem, a suite a file. Pure.

What fails there is what makes `validate` end with 3: an error is a failure, a warning is skipped. An inventory without
errors is one case that has passed, so that a report that is missing is not taken for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from provisioner.base.diagnostics import Problem, Severity
from provisioner.report.junit_xml import JUnitCase, JUnitOutcome, junit_xml
from provisioner.report.problem_places import path_from

_ELEMENTS: Final = {Severity.ERROR: "failure", Severity.WARNING: "skipped"}
_WHOLE: Final = "inventory"


def junit_problems(problems: Sequence[Problem], *, folder: str, at: datetime) -> str:
    """The report of one run of `validate`.

    Args:
        problems: what was found.
        folder: the absolute path that files are shown relative to.
        at: when it was over.
    """
    errors = sum(problem.severity is Severity.ERROR for problem in problems)
    said = f"{errors} errors: `provisioner validate` lists them"
    whole = JUnitOutcome("failure", "inventory-invalid", said, said) if errors else JUnitOutcome()
    cases = [JUnitCase(_WHOLE, "the inventory has no error", whole)]
    seen: Counter[str] = Counter()
    for problem in problems:
        place = path_from(folder, problem.file) if problem.file else _WHOLE
        name = f"{problem.code}: {problem.object or place}"
        seen[name] += 1
        # A name twice in a suite is one case for those who read it.
        unique = f"{name} ({seen[name]})" if seen[name] > 1 else name
        where = f"{place}:{problem.line}:{problem.column}" if problem.line else place
        text = "\n".join(part for part in (where, problem.message, problem.hint) if part)
        outcome = JUnitOutcome(_ELEMENTS[problem.severity], problem.code, problem.message, text)
        cases.append(JUnitCase(place, unique, outcome))
    return junit_xml("provisioner validate", cases, seconds=0.0, at=at)
