"""A verification and an inventory's problems in the formats of pipelines. Pure.

A JUnit case fails if it makes the command fail: `verify` with the same `--fail-on`, `validate` with errors. A checked
path that is not good enough is a failure; a path with an unknown state is an error. An inventory without errors is one
passed case, so that a missing report is not taken for a pass.

JUnit's elements and attributes are those that GitLab and Jenkins read (Jenkins' xunit `junit-10.xsd`). The Code Quality
report has the fields of GitLab ("Code Quality report format"), which compares two branches by the fingerprint. The log
is SARIF 2.1.0 (OASIS).
"""

import hashlib
import posixpath
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from provisioner.base.errors import FrozenFacility, Problem, Severity
from provisioner.base.groups import grouped
from provisioner.base.text import Document, local_iso, local_time, printable
from provisioner.report.problem_catalogue import CATALOGUE, ProblemEntry
from provisioner.report.verify_text import proof_sentence
from provisioner.verify.result import Cause, PathVerdict, Verdict, VerifyResult, fails, was_requested

_CODE_QUALITY_SEVERITIES: Final = {Severity.ERROR: "critical", Severity.WARNING: "minor"}
SARIF_SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_SARIF_ROOT: Final = "%SRCROOT%"
_SARIF_LEVELS: Final = {Severity.ERROR: "error", Severity.WARNING: "warning"}
_STEPS: Final = {
    Verdict.DOWN: "repair what is named here, then verify again",
    Verdict.UNKNOWN: "unchecked paths may be down: remove the reason, then verify again",
    Verdict.QUARANTINED: "correct the password in secrets/ and apply, or try it again: provisioner quarantine lift",
    Verdict.DEGRADED: "see its incident; where a host drifted, provisioner plan shows what apply would correct",
}
_JUNIT_ELEMENTS: Final = {Severity.ERROR: "failure", Severity.WARNING: "skipped"}
_WHOLE: Final = "inventory"


@dataclass(frozen=True, slots=True)
class JUnitOutcome:
    """The outcome of a case: cause (word, line) and details."""

    element: str = ""  #: `failure`, `error` or `skipped`; empty for a pass.
    kind: str = ""
    message: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class JUnitCase:
    """A case: its suite, its name, and its outcome."""

    suite: str
    name: str
    outcome: JUnitOutcome


def path_from(folder: str, file: str) -> str:
    """Return a file's path from the working folder (a checkout's top)."""
    return posixpath.relpath(PurePosixPath(folder, file), folder)


def fingerprint_of(problem: Problem, path: str) -> str:
    """Return a problem's identity in another run, in which lines may move."""
    parts = f"{problem.code}\n{path}\n{problem.object}\n{problem.message}"
    return hashlib.sha256(parts.encode("utf-8", "backslashreplace")).hexdigest()


def code_quality(problems: Sequence[Problem], *, folder: str) -> list[Document]:
    """Return the Code Quality report of `validate`, with paths below `folder`."""
    report: dict[str, Document] = {}
    for problem in problems:
        path = path_from(folder, problem.file) if problem.file else "."
        description = f"{problem.message}; {problem.hint}" if problem.hint else problem.message
        fingerprint = fingerprint_of(problem, path)
        # GitLab drops a finding with a known fingerprint, so the same problem on another line would be lost.
        number = 1
        while fingerprint in report:
            number += 1
            fingerprint = fingerprint_of(problem, f"{path} {number}")
        report[fingerprint] = {
            "description": printable(description),
            "check_name": problem.code,
            "fingerprint": fingerprint,
            "severity": _CODE_QUALITY_SEVERITIES[problem.severity],
            "location": {"path": path, "lines": {"begin": max(problem.line, 1)}},
        }
    return list(report.values())


def sarif_log(problems: Sequence[Problem], *, version: str, folder: str) -> Document:
    """Return the SARIF log of `validate`, with paths relative to `folder`."""
    codes = sorted({problem.code for problem in problems})
    run = {
        "tool": {"driver": {"name": "provisioner", "version": version, "rules": [_sarif_rule(code) for code in codes]}},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {_SARIF_ROOT: {"description": {"text": "The folder in which the command was run."}}},
        "invocations": [{"executionSuccessful": True}],
        "results": [_sarif_result(problem, codes.index(problem.code), folder) for problem in problems],
    }
    return {"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}


def _sarif_rule(code: str) -> Document:
    """Describe a code, by its name alone if the catalogue lacks it."""
    entry = CATALOGUE.get(code, ProblemEntry(f"{code}.", "Do what the message says."))
    return {
        "id": code,
        "name": "".join(word.capitalize() for word in code.split("-")),
        "shortDescription": {"text": entry.meaning},
        "help": {
            "text": f"{entry.meaning} {entry.mending}",
            "markdown": f"{entry.meaning}\n\n**To mend it:** {entry.mending}",
        },
    }


def _sarif_result(problem: Problem, index: int, folder: str) -> Document:
    uri = quote(path_from(folder, problem.file), safe="/") if problem.file else ""
    result: Document = {
        "ruleId": problem.code,
        "ruleIndex": index,
        "level": _SARIF_LEVELS[problem.severity],
        "message": {"text": _plain(f"{problem.message}; {problem.hint}" if problem.hint else problem.message)},
        "locations": [_sarif_location(problem, uri)] if uri else [],
        "partialFingerprints": {"problem/v1": fingerprint_of(problem, uri)},
    }
    if problem.object:
        result["properties"] = {"object": printable(problem.object)}
    return result


def _plain(message: str) -> str:
    """Return a message without links, which `[words](place)` would be (3.11.6)."""
    return printable(message).replace("](", "] (")


def _sarif_location(problem: Problem, uri: str) -> Document:
    physical: Document = {"artifactLocation": {"uri": uri, "uriBaseId": _SARIF_ROOT}}
    if problem.line:
        physical["region"] = {"startLine": problem.line, "startColumn": max(problem.column, 1)}
    return {"physicalLocation": physical}


def junit_xml(name: str, cases: Sequence[JUnitCase], *, seconds: float, at: datetime) -> str:
    """Return the JUnit document, with each suite's cases together."""
    suites = grouped(cases, lambda case: case.suite)
    head = (
        f'<testsuites name={_quoted(name)} {_count_attributes([case.outcome for case in cases])} time="{seconds:.3f}">'
    )
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', head]
    for suite, listed in sorted(suites.items()):
        lines.extend(_suite_lines(suite, listed, local_iso(at)))
    return "\n".join([*lines, "</testsuites>", ""])


def _suite_lines(name: str, cases: Iterable[JUnitCase], at: str) -> Iterator[str]:
    listed = list(cases)
    yield f'  <testsuite name={_quoted(name)} {_count_attributes([case.outcome for case in listed])} timestamp="{at}">'
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


def _count_attributes(outcomes: Sequence[JUnitOutcome]) -> str:
    def of(element: str) -> int:
        return sum(outcome.element == element for outcome in outcomes)

    kinds = f'failures="{of("failure")}" errors="{of("error")}" skipped="{of("skipped")}"'
    return f'tests="{len(outcomes)}" {kinds}'


def junit_report(result: VerifyResult, fail_on: Verdict = Verdict.DEGRADED) -> str:
    """Return the JUnit report of a verification; `fail_on` is the limit."""
    cases = [
        JUnitCase(f"{path.province}.{path.facility}", path.path, outcome_of(path, result, fail_on))
        for path in result.paths
    ]
    cases += [JUnitCase(_frozen_suite(facility), facility.id, _frozen_outcome(facility)) for facility in result.held]
    if not any(map(was_requested, result.paths)):
        nothing = "no path was measured, so nothing is proved; see --limit, --sample and --level"
        cases.append(
            JUnitCase("verification", "something was measured", JUnitOutcome("error", "nothing", nothing, nothing))
        )
    seconds = max(0.0, (result.finished_at - result.started_at).total_seconds())
    return junit_xml("provisioner verify", cases, seconds=seconds, at=result.finished_at)


def _frozen_suite(facility: FrozenFacility) -> str:
    return f"{facility.province}.{facility.id}" if facility.province else facility.id


def _frozen_outcome(facility: FrozenFacility) -> JUnitOutcome:
    text = "\n".join(part for part in (facility.text, facility.hint) if part)
    return JUnitOutcome("error", "held", f"held, not checked: {facility.reason}", text)


def outcome_of(path: PathVerdict, result: VerifyResult, fail_on: Verdict) -> JUnitOutcome:
    """Return the outcome of one path."""
    if path.verdict is Verdict.UP:
        return JUnitOutcome()
    kind = path.cause.value or path.verdict.value
    message, text = f"{path.verdict.value}: {kind}", "\n".join(_path_text(path, result))
    if fails(path, fail_on):
        return JUnitOutcome("error" if path.verdict is Verdict.UNKNOWN else "failure", kind, message, text)
    if path.maintenance:
        message = f"maintenance until {local_time(path.maintenance.until)}: without it {path.without_window.value}"
    elif path.cause is not Cause.NOT_ASKED:
        message += f", let pass by --fail-on {fail_on.value}"
    return JUnitOutcome("skipped", kind, message, text)


def _path_text(path: PathVerdict, result: VerifyResult) -> Iterator[str]:
    yield f"path: {path.path} on {path.relay}"
    if path.layer:
        yield f"what: {path.layer.value} {path.object}"
    if path.detail:
        yield f"evidence: {path.detail}"
    if path.finding.level:
        yield f"failed at level {path.finding.level}"
    if proof := proof_sentence(path, result.finished_at):
        yield proof
    if path.verdict in _STEPS and path.cause is not Cause.NOT_ASKED:
        yield f"next: {_STEPS[path.verdict]}"


def junit_problems(problems: Sequence[Problem], *, folder: str, at: datetime) -> str:
    """Return the JUnit report of `validate`, with paths relative to `folder`."""
    errors = sum(problem.severity is Severity.ERROR for problem in problems)
    summary = f"{errors} errors: `provisioner validate` lists them"
    overall = JUnitOutcome("failure", "inventory-invalid", summary, summary) if errors else JUnitOutcome()
    cases = [JUnitCase(_WHOLE, "the inventory has no error", overall)]
    counts: Counter[str] = Counter()
    for problem in problems:
        position = path_from(folder, problem.file) if problem.file else _WHOLE
        name = f"{problem.code}: {problem.object or position}"
        counts[name] += 1
        # A name twice in a suite is one case for those who read it.
        unique = f"{name} ({counts[name]})" if counts[name] > 1 else name
        where = f"{position}:{problem.line}:{problem.column}" if problem.line else position
        text = "\n".join(part for part in (where, problem.message, problem.hint) if part)
        outcome = JUnitOutcome(_JUNIT_ELEMENTS[problem.severity], problem.code, problem.message, text)
        cases.append(JUnitCase(position, unique, outcome))
    return junit_xml("provisioner validate", cases, seconds=0.0, at=at)
