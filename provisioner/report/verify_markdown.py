"""A verification as one comment on a merge request, or for a chat. Pure; bounded and escaped as `comment` has it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from provisioner.base.clock import local_time
from provisioner.base.language import ENGLISH, Translator
from provisioner.report.comment import Comment, cell, code
from provisioner.report.text import proof_sentence, scope_lines, seconds_of, sentence, verify_ending, worst_of
from provisioner.report.totals import SEVERITY, Total, totals_by
from provisioner.report.under_change import settings_under_change
from provisioner.verify.result import Incident, PathVerdict, Verdict, VerifyResult

_DETAIL: Final = 400
_INCIDENTS: Final = 40
_ROWS: Final = 80
_LISTED: Final = 3
_SETTINGS: Final = 20


def verify_comment(result: VerifyResult, say: Translator = ENGLISH) -> str:
    """A verification as Markdown, of no more bytes than forges take."""
    page = Comment("provisioner verify --detail", say)
    page.must(_head(result, say))
    page.must(_held(result, say))
    page.must(_under_change(result, say))
    page.must(_totals(say("carrier"), totals_by(result.paths, lambda path: path.carrier), say))
    page.must(_totals(say("province"), totals_by(result.paths, lambda path: path.province), say))
    by_name = {path.path: path for path in result.paths}
    incidents = [_incident(one, [by_name[name] for name in one.paths], say) for one in result.incidents]
    page.may(say("**Incidents**, the highest layer first:"), incidents[:_INCIDENTS], len(incidents), "incident")
    bad = sorted((p for p in result.paths if p.verdict is not Verdict.UP), key=_worst_first)
    names = (say("path"), say("verdict"), say("cause"), say("failed at level"), say("last proof"))
    heading = [f"| {' | '.join(names)} |", "|---|---|---|--:|---|"]
    page.fold(say("Paths that are not up"), heading, [_row(path, result, say) for path in bad], "path")
    return page.text()


def _head(result: VerifyResult, say: Translator) -> Iterator[str]:
    yield f"### {say('Verification: {sentence}', sentence=sentence(result, say))}"
    yield ""
    values = {"at": local_time(result.finished_at), "seconds": seconds_of(result), "engine": code(result.engine)}
    yield say("As of {at} (took {seconds} s), engine {engine}.", **values)
    yield ""
    lines = [*scope_lines(result, say), *verify_ending(result, say)]
    yield from (f"- {code(line, _DETAIL)}" for line in lines)
    if lines:
        yield ""


def _held(result: VerifyResult, say: Translator) -> Iterator[str]:
    if not result.held:
        return
    yield say("**Held, not checked:** {facilities} with errors", facilities=say.counted(len(result.held), "facility"))
    yield ""
    for one in result.held[:_LISTED]:
        yield f"- {code(say.restated(one.text), _DETAIL)}"
    if len(result.held) > _LISTED:
        more = len(result.held) - _LISTED
        yield "- " + say("… and {facilities} more: `provisioner validate` lists them", facilities=more)
    yield ""


def _under_change(result: VerifyResult, say: Translator) -> Iterator[str]:
    settings = settings_under_change(result.paths, say)
    if not settings:
        return
    yield f"**{say('Settings under change')}**"
    yield ""
    yield from (f"- {code(one, _DETAIL)}" for one in settings[:_SETTINGS])
    if len(settings) > _SETTINGS:
        yield "- " + say("and {number} more", number=len(settings) - _SETTINGS)
    yield ""


def _totals(noun: str, totals: Sequence[Total], say: Translator) -> Iterator[str]:
    if not totals:
        return
    others = [v for v in SEVERITY if v is not Verdict.UP and any(total.counts.get(v) for total in totals)]
    columns = (Verdict.UP, *others)
    yield f"| {noun} | {say('paths')} | {' | '.join(say.word(verdict) for verdict in columns)} |"
    yield f"|---|--:|{'--:|' * len(columns)}"
    ranked = sorted(totals, key=lambda total: (total.up - total.paths, total.name))[:_ROWS]
    for total in sorted(ranked, key=lambda one: one.name):
        counts = " | ".join(str(total.counts.get(verdict, 0)) for verdict in columns)
        yield f"| {cell(total.name, 80)} | {total.paths} | {counts} |"
    yield ""
    if len(totals) > _ROWS:
        yield say("{rows} left out.", rows=say.counted(len(totals) - _ROWS, "more row"))
        yield ""


def _incident(incident: Incident, paths: Sequence[PathVerdict], say: Translator) -> str:
    verdict = say.word(worst_of(paths)) if paths else say("warning")
    count = f", {say.counted(len(paths), 'path')}" if paths else ""
    listed, more = ", ".join(code(path.path, 80) for path in paths[:_LISTED]), len(paths) - _LISTED
    listed = say("{listed} and {more} more", listed=listed, more=more) if more > 0 else listed
    detail = f": {code(say.restated(incident.detail), _DETAIL)}" if incident.detail else ""
    where = f"{say.word(incident.layer)} {code(incident.object)}"
    return f"- **{verdict}** {where}: {say.word(incident.cause)}{count}{detail}{f' ({listed})' if paths else ''}"


def _worst_first(path: PathVerdict) -> tuple[int, str]:
    return SEVERITY.index(path.verdict), path.path


def _row(path: PathVerdict, result: VerifyResult, say: Translator) -> str:
    level = str(path.failed_level) if path.failed_level else ""
    proof = proof_sentence(path, result.finished_at, say)
    return f"| {cell(path.path, 100)} | {say.word(path.verdict)} | {say.word(path.cause)} | {level} | {proof} |"
