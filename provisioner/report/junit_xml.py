"""JUnit XML: cases in suites, as pipelines show them beside their tests. Pure.

The elements and attributes are those that GitLab and Jenkins read (Jenkins' xunit `junit-10.xsd`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from xml.sax.saxutils import escape, quoteattr

from provisioner.base.clock import local_iso
from provisioner.base.printable import printable


@dataclass(frozen=True, slots=True)
class JUnitOutcome:
    """What became of a case.

    Attributes:
        element: `failure`, `error` or `skipped`; empty where it passed.
        kind: why, in a word.
        message: why, in a line.
        text: all that is known, and what to do.
    """

    element: str = ""
    kind: str = ""
    message: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class JUnitCase:
    """A case: its suite, its name in it, and what became of it."""

    suite: str
    name: str
    outcome: JUnitOutcome


def junit_xml(name: str, cases: Sequence[JUnitCase], *, seconds: float, at: datetime) -> str:
    """The document: a suite's cases stand together.

    Args:
        name: of the whole.
        cases: in the order in which those of a suite are shown.
        seconds: how long it took.
        at: when it was over.
    """
    suites: dict[str, list[JUnitCase]] = defaultdict(list)
    for case in cases:
        suites[case.suite].append(case)
    head = f'<testsuites name={_quoted(name)} {_counts([case.outcome for case in cases])} time="{seconds:.3f}">'
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', head]
    for suite, listed in sorted(suites.items()):
        lines.extend(_suite_lines(suite, listed, local_iso(at)))
    return "\n".join([*lines, "</testsuites>", ""])


def _counts(outcomes: Sequence[JUnitOutcome]) -> str:
    def of(element: str) -> int:
        return sum(outcome.element == element for outcome in outcomes)

    kinds = f'failures="{of("failure")}" errors="{of("error")}" skipped="{of("skipped")}"'
    return f'tests="{len(outcomes)}" {kinds}'


def _suite_lines(name: str, cases: Iterable[JUnitCase], at: str) -> Iterator[str]:
    listed = list(cases)
    yield f'  <testsuite name={_quoted(name)} {_counts([case.outcome for case in listed])} timestamp="{at}">'
    for case in listed:
        start = f"    <testcase classname={_quoted(name)} name={_quoted(case.name)}"
        outcome = case.outcome
        if not outcome.element:
            yield f"{start}/>"
            continue
        yield f"{start}>"
        kind = f" type={_quoted(outcome.kind)}" if outcome.element != "skipped" else ""
        text = "\n".join(escape(printable(line)) for line in outcome.text.splitlines())
        yield f"      <{outcome.element} message={_quoted(outcome.message)}{kind}>{text}</{outcome.element}>"
        yield "    </testcase>"
    yield "  </testsuite>"


def _quoted(text: str) -> str:
    return quoteattr(printable(text))
