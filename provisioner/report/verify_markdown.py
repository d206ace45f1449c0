"""A verification as one comment on a merge request, or for a chat. Pure; bounded and escaped as `comment` has it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from provisioner.base.clock import local_time
from provisioner.base.counted import counted
from provisioner.report.comment import Comment, cell, code
from provisioner.report.text import proof_sentence, scope_lines, seconds_of, sentence, verify_ending, worst_of
from provisioner.report.totals import SEVERITY, Total, totals_by
from provisioner.verify.result import Incident, PathVerdict, Verdict, VerifyResult

_DETAIL: Final = 400
_INCIDENTS: Final = 40
_ROWS: Final = 80
_LISTED: Final = 3


def verify_comment(result: VerifyResult) -> str:
    """A verification as Markdown, of no more bytes than forges take."""
    page = Comment("provisioner verify --detail")
    page.must(_head(result))
    page.must(_held(result))
    page.must(_totals("carrier", totals_by(result.paths, lambda path: path.carrier)))
    page.must(_totals("province", totals_by(result.paths, lambda path: path.province)))
    by_name = {path.path: path for path in result.paths}
    incidents = [_incident(one, [by_name[name] for name in one.paths]) for one in result.incidents]
    page.may("**Incidents**, the highest layer first:", incidents[:_INCIDENTS], len(incidents), "incident")
    bad = sorted((p for p in result.paths if p.verdict is not Verdict.UP), key=_worst_first)
    heading = ["| path | verdict | cause | failed at level | last proof |", "|---|---|---|--:|---|"]
    page.fold("Paths that are not up", heading, [_row(path, result) for path in bad], "path")
    return page.text()


def _head(result: VerifyResult) -> Iterator[str]:
    yield f"### Verification: {sentence(result)}"
    yield ""
    yield f"As of {local_time(result.finished_at)} (took {seconds_of(result)} s), engine {code(result.engine)}."
    yield ""
    lines = [*scope_lines(result), *verify_ending(result)]
    yield from (f"- {code(line, _DETAIL)}" for line in lines)
    if lines:
        yield ""


def _held(result: VerifyResult) -> Iterator[str]:
    if not result.held:
        return
    yield f"**Held, not checked:** {counted(len(result.held), 'facility')} with errors"
    yield ""
    for one in result.held[:_LISTED]:
        yield f"- {code(one.text, _DETAIL)}"
    if len(result.held) > _LISTED:
        yield f"- … and {len(result.held) - _LISTED} more: `provisioner validate` lists them"
    yield ""


def _totals(noun: str, totals: Sequence[Total]) -> Iterator[str]:
    if not totals:
        return
    others = [v for v in SEVERITY if v is not Verdict.UP and any(total.counts.get(v) for total in totals)]
    columns = (Verdict.UP, *others)
    yield f"| {noun} | paths | {' | '.join(verdict.value for verdict in columns)} |"
    yield f"|---|--:|{'--:|' * len(columns)}"
    ranked = sorted(totals, key=lambda total: (total.up - total.paths, total.name))[:_ROWS]
    for total in sorted(ranked, key=lambda one: one.name):
        counts = " | ".join(str(total.counts.get(verdict, 0)) for verdict in columns)
        yield f"| {cell(total.name, 80)} | {total.paths} | {counts} |"
    yield ""
    if len(totals) > _ROWS:
        yield f"{counted(len(totals) - _ROWS, 'more row')} left out."
        yield ""


def _incident(incident: Incident, paths: Sequence[PathVerdict]) -> str:
    verdict = worst_of(paths).value if paths else "warning"
    count = f", {counted(len(paths), 'path')}" if paths else ""
    named = ", ".join(code(path.path, 80) for path in paths[:_LISTED])
    more = f" and {len(paths) - _LISTED} more" if len(paths) > _LISTED else ""
    detail = f": {code(incident.detail, _DETAIL)}" if incident.detail else ""
    where = f"{incident.layer.value} {code(incident.object)}"
    return f"- **{verdict}** {where}: {incident.cause.value}{count}{detail}{f' ({named}{more})' if paths else ''}"


def _worst_first(path: PathVerdict) -> tuple[int, str]:
    return SEVERITY.index(path.verdict), path.path


def _row(path: PathVerdict, result: VerifyResult) -> str:
    level = str(path.failed_level) if path.failed_level else ""
    proof = proof_sentence(path, result.finished_at)
    return f"| {cell(path.path, 100)} | {path.verdict.value} | {path.cause.value} | {level} | {proof} |"
