"""A verification as JUnit XML, which pipelines show beside their tests: a case a path, a suite a facility. Pure.

What fails there is what makes the command end with 1, by the same `--fail-on`: a path that was checked and is not good
enough is a failure, one of which nobody knows is an error, and what nobody asked for, is in a maintenance window or is
let pass is skipped. Only what is up has passed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from provisioner.base.clock import local_time
from provisioner.base.held import HeldFacility
from provisioner.report.junit_xml import JUnitCase, JUnitOutcome, junit_xml
from provisioner.report.text import proof_sentence
from provisioner.verify.result import Cause, PathVerdict, Verdict, VerifyResult, fails, was_asked

_STEPS: Final = {
    Verdict.DOWN: "repair what is named here, then verify again",
    Verdict.UNKNOWN: "what was not checked may be down: settle why it was not, then verify again",
    Verdict.QUARANTINED: "correct the password in secrets/ and apply, or try it again: provisioner quarantine lift",
    Verdict.DEGRADED: "see its incident; where a host drifted, provisioner plan shows what apply would correct",
}


def junit_report(result: VerifyResult, fail_on: Verdict = Verdict.DEGRADED) -> str:
    """The report.

    Args:
        result: what was found.
        fail_on: how bad a path has to be to fail.
    """
    cases = [JUnitCase(_suite(path), path.path, outcome_of(path, result, fail_on)) for path in result.paths]
    cases += [JUnitCase(_held_suite(one), one.id, _held(one)) for one in result.held]
    if not any(map(was_asked, result.paths)):
        nothing = "no path was measured, so nothing is proved; see --limit, --sample and --level"
        cases.append(
            JUnitCase("verification", "something was measured", JUnitOutcome("error", "nothing", nothing, nothing))
        )
    seconds = max(0.0, (result.finished_at - result.started_at).total_seconds())
    return junit_xml("provisioner verify", cases, seconds=seconds, at=result.finished_at)


def outcome_of(path: PathVerdict, result: VerifyResult, fail_on: Verdict) -> JUnitOutcome:
    """What became of one path."""
    if path.verdict is Verdict.UP:
        return JUnitOutcome()
    kind = path.cause.value or path.verdict.value
    message, text = f"{path.verdict.value}: {kind}", "\n".join(_text(path, result))
    if fails(path, fail_on):
        return JUnitOutcome("error" if path.verdict is Verdict.UNKNOWN else "failure", kind, message, text)
    if path.maintenance:
        message = f"maintenance until {local_time(path.maintenance.until)}: without it {path.without_window.value}"
    elif path.cause is not Cause.NOT_ASKED:
        message += f", let pass by --fail-on {fail_on.value}"
    return JUnitOutcome("skipped", kind, message, text)


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


def _held(one: HeldFacility) -> JUnitOutcome:
    text = "\n".join(part for part in (one.text, one.hint) if part)
    return JUnitOutcome("error", "held", f"held, not checked: {one.reason}", text)


def _suite(path: PathVerdict) -> str:
    return f"{path.province}.{path.facility}"


def _held_suite(one: HeldFacility) -> str:
    return f"{one.province}.{one.id}" if one.province else one.id
