"""A verification as JUnit XML, which pipelines show beside their tests: a case a path, a suite a facility. Pure.

The elements and attributes are those that GitLab and Jenkins read (Jenkins' xunit `junit-10.xsd`). What fails there is
what makes the command end with 1, by the same `--fail-on`: a path that was checked and is not good enough is a failure,
one of which nobody knows is an error, and what nobody asked for, is in a maintenance window or is let pass is skipped.
Only what is up has passed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from provisioner.base.clock import local_iso, local_time
from provisioner.base.held import HeldFacility
from provisioner.base.printable import printable
from provisioner.report.text import proof_sentence
from provisioner.verify.result import Cause, PathVerdict, Verdict, VerifyResult, fails, was_asked

_STEPS: Final = {
    Verdict.DOWN: "repair what is named here, then verify again",
    Verdict.UNKNOWN: "what was not checked may be down: settle why it was not, then verify again",
    Verdict.QUARANTINED: "correct the password in secrets/ and apply, or try it again: provisioner quarantine lift",
    Verdict.DEGRADED: "see its incident; where a host drifted, provisioner plan shows what apply would correct",
}


@dataclass(frozen=True, slots=True)
class TestOutcome:
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
class _Case:
    suite: str
    name: str
    outcome: TestOutcome


def junit_report(result: VerifyResult, fail_on: Verdict = Verdict.DEGRADED) -> str:
    """The report.

    Args:
        result: what was found.
        fail_on: how bad a path has to be to fail.
    """
    cases = [_Case(_suite(path), path.path, outcome_of(path, result, fail_on)) for path in result.paths]
    cases += [_Case(_held_suite(one), one.id, _held(one)) for one in result.held]
    if not any(map(was_asked, result.paths)):
        nothing = "no path was measured, so nothing is proved; see --limit, --sample and --level"
        cases.append(_Case("verification", "something was measured", TestOutcome("error", "nothing", nothing, nothing)))
    suites: dict[str, list[_Case]] = defaultdict(list)
    for case in cases:
        suites[case.suite].append(case)
    seconds = max(0.0, (result.finished_at - result.started_at).total_seconds())
    head = f'<testsuites name="provisioner verify" {_counts([case.outcome for case in cases])} time="{seconds:.3f}">'
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', head]
    at = local_iso(result.finished_at)
    for name, listed in sorted(suites.items()):
        lines.extend(_suite_lines(name, listed, at))
    return "\n".join([*lines, "</testsuites>", ""])


def outcome_of(path: PathVerdict, result: VerifyResult, fail_on: Verdict) -> TestOutcome:
    """What became of one path."""
    if path.verdict is Verdict.UP:
        return TestOutcome()
    kind = path.cause.value or path.verdict.value
    message, text = f"{path.verdict.value}: {kind}", "\n".join(_text(path, result))
    if fails(path, fail_on):
        return TestOutcome("error" if path.verdict is Verdict.UNKNOWN else "failure", kind, message, text)
    if path.maintenance:
        message = f"maintenance until {local_time(path.maintenance.until)}: without it {path.without_window.value}"
    elif path.cause is not Cause.NOT_ASKED:
        message += f", let pass by --fail-on {fail_on.value}"
    return TestOutcome("skipped", kind, message, text)


def _text(path: PathVerdict, result: VerifyResult) -> Iterator[str]:
    yield f"path: {path.path} on {path.relay}"
    if path.layer:
        yield f"what: {path.layer.value} {path.object}"
    if path.detail:
        yield f"evidence: {path.detail}"
    if path.failed_level:
        yield f"failed at level {path.failed_level}"
    if proof := proof_sentence(path, result.finished_at):
        yield proof
    if path.verdict in _STEPS and path.cause is not Cause.NOT_ASKED:
        yield f"next: {_STEPS[path.verdict]}"


def _held(one: HeldFacility) -> TestOutcome:
    text = "\n".join(part for part in (one.text, one.hint) if part)
    return TestOutcome("error", "held", f"held, not checked: {one.reason}", text)


def _suite(path: PathVerdict) -> str:
    return f"{path.province}.{path.facility}"


def _held_suite(one: HeldFacility) -> str:
    return f"{one.province}.{one.id}" if one.province else one.id


# --- XML ------------------------------------------------------------------------------------------


def _counts(outcomes: Sequence[TestOutcome]) -> str:
    def of(element: str) -> int:
        return sum(outcome.element == element for outcome in outcomes)

    kinds = f'failures="{of("failure")}" errors="{of("error")}" skipped="{of("skipped")}"'
    return f'tests="{len(outcomes)}" {kinds}'


def _suite_lines(name: str, cases: Iterable[_Case], at: str) -> Iterator[str]:
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
