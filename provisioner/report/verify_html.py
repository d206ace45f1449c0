"""A verification as an HTML page and as a comment. Pure.

The page has no script and loads no resource. Every value in it is printable and escaped. The comment is limited and
escaped like a plan's (`plan_markdown`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from provisioner.base.groups import grouped
from provisioner.base.language import ENGLISH, Translator
from provisioner.base.text import local_time
from provisioner.report import verify_text
from provisioner.report.plan_markdown import Comment, cell, code
from provisioner.report.status import since_words
from provisioner.report.tables import page_template
from provisioner.verify.incidents import in_a_row
from provisioner.verify.judge import LEVELS
from provisioner.verify.result import Incident, PathVerdict, Verdict, VerifyResult

MOST_LISTED = 3000  #: Above this number, only paths that are not up are listed: a page of 100 MB is useless.

_DRIFT_LISTED = 20
_ALWAYS = (Verdict.UP, Verdict.DEGRADED, Verdict.DOWN, Verdict.UNKNOWN)
_DETAIL: Final = 400
_INCIDENTS: Final = 40
_ROWS: Final = 80
_LISTED: Final = 3
_SETTINGS: Final = 20


@dataclass(frozen=True, slots=True)
class _Facility:
    name: str
    province: str
    worst: Verdict
    total: verify_text.Total
    paths: Sequence[PathVerdict]


def html_page(result: VerifyResult, say: Translator = ENGLISH) -> str:
    """Return the page: ids and verdicts, no personal names or secrets."""
    complete = len(result.paths) <= MOST_LISTED
    total = verify_text.total_of("", result.paths)
    return page_template("verify.html.j2").render(
        result=result,
        say=say,
        sentence=verify_text.sentence(result, say),
        as_of=local_time(result.finished_at),
        seconds=verify_text.seconds_of(result),
        verdicts=total.verdicts(*_ALWAYS),
        total=total,
        share=f"{100 * total.up / total.paths:.1f}".rstrip("0").rstrip(".") if total.paths else "0",
        incidents=_with_verdicts(result),
        totals=[
            (say("Carrier"), verify_text.totals_by(result.paths, lambda p: p.carrier)),
            (say("Province"), verify_text.totals_by(result.paths, lambda p: p.province)),
        ],
        hosts=sorted(result.hosts, key=lambda h: (h.outcome == "answered" and h.drift == (), h.host)),
        drift_listed=_DRIFT_LISTED,
        facilities=_facility_groups(result.paths, complete=complete),
        complete=complete,
        levels=LEVELS,
        scope=tuple(verify_text.scope_lines(result, say)),
        maintenance=tuple(path for path in result.paths if path.maintenance)[:MOST_LISTED],
        settings=verify_text.settings_under_change(result.paths, say),
        local_time=local_time,
        since_words=since_words,
        next_words=verify_text.next_words,
        row_of=lambda incident: in_a_row(result, incident),
        proof=lambda path: verify_text.proof_sentence(path, result.finished_at, say),
        picture_words=verify_text.picture_words,
        picture_word=verify_text.picture_word,
    )


def _with_verdicts(result: VerifyResult) -> list[tuple[Verdict | None, Incident]]:
    by_name = {p.path: p for p in result.paths}
    return [(verify_text.worst_of(by_name[name] for name in i.paths) if i.paths else None, i) for i in result.incidents]


def _facility_groups(paths: Sequence[PathVerdict], *, complete: bool) -> list[_Facility]:
    groups = grouped(paths, lambda path: (path.province, path.facility))
    facilities = []
    for (province, name), group in groups.items():
        listed = group if complete else [p for p in group if p.verdict is not Verdict.UP]
        if listed:
            facilities.append(
                _Facility(name, province, verify_text.worst_of(group), verify_text.total_of(name, group), listed)
            )
    return sorted(facilities, key=lambda f: (verify_text.SEVERITY.index(f.worst), f.province, f.name))


def verify_comment(result: VerifyResult, say: Translator = ENGLISH) -> str:
    """Return a verification as Markdown within the forges' limit."""
    page = Comment("provisioner verify --details", say)
    page.must(_head_lines(result, say))
    page.must(_frozen_lines(result, say))
    page.must(_change_lines(result, say))
    page.must(_totals_table(say("carrier"), verify_text.totals_by(result.paths, lambda path: path.carrier), say))
    page.must(_totals_table(say("province"), verify_text.totals_by(result.paths, lambda path: path.province), say))
    by_name = {path.path: path for path in result.paths}
    incidents = [
        _incident_line(incident, [by_name[name] for name in incident.paths], say) for incident in result.incidents
    ]
    page.may(say("**Incidents**, the highest layer first:"), incidents[:_INCIDENTS], len(incidents), "incident")
    bad = sorted((p for p in result.paths if p.verdict is not Verdict.UP), key=_worst_first)
    names = (say("path"), say("verdict"), say("cause"), say("failed at level"), say("last proof"))
    heading = [f"| {' | '.join(names)} |", "|---|---|---|--:|---|"]
    page.fold(say("Paths that are not up"), heading, [_row(path, result, say) for path in bad], "path")
    return page.text()


def _head_lines(result: VerifyResult, say: Translator) -> Iterator[str]:
    yield f"### {say('Verification: {sentence}', sentence=verify_text.sentence(result, say))}"
    yield ""
    values = {
        "at": local_time(result.finished_at),
        "seconds": verify_text.seconds_of(result),
        "engine": code(result.engine),
    }
    yield say("As of {at} (took {seconds} s), engine {engine}.", **values)
    yield ""
    lines = [*verify_text.scope_lines(result, say), *verify_text.verify_ending(result, say)]
    yield from (f"- {code(line, _DETAIL)}" for line in lines)
    if lines:
        yield ""


def _frozen_lines(result: VerifyResult, say: Translator) -> Iterator[str]:
    if not result.held:
        return
    yield say("**Held, not checked:** {facilities} with errors", facilities=say.counted(len(result.held), "facility"))
    yield ""
    for facility in result.held[:_LISTED]:
        yield f"- {code(say.restated(facility.text), _DETAIL)}"
    if len(result.held) > _LISTED:
        more = len(result.held) - _LISTED
        yield "- " + say("… and {facilities} more: `provisioner validate` lists them", facilities=more)
    yield ""


def _change_lines(result: VerifyResult, say: Translator) -> Iterator[str]:
    settings = verify_text.settings_under_change(result.paths, say)
    if not settings:
        return
    yield f"**{say('Settings under change')}**"
    yield ""
    yield from (f"- {code(setting, _DETAIL)}" for setting in settings[:_SETTINGS])
    if len(settings) > _SETTINGS:
        yield "- " + say("and {number} more", number=len(settings) - _SETTINGS)
    yield ""


def _totals_table(noun: str, totals: Sequence[verify_text.Total], say: Translator) -> Iterator[str]:
    if not totals:
        return
    other_verdicts = [
        v for v in verify_text.SEVERITY if v is not Verdict.UP and any(total.counts.get(v) for total in totals)
    ]
    columns = (Verdict.UP, *other_verdicts)
    yield f"| {noun} | {say('paths')} | {' | '.join(say.word(verdict) for verdict in columns)} |"
    yield f"|---|--:|{'--:|' * len(columns)}"
    ranked = sorted(totals, key=lambda total: (total.up - total.paths, total.name))[:_ROWS]
    for total in sorted(ranked, key=lambda row: row.name):
        counts = " | ".join(str(total.counts.get(verdict, 0)) for verdict in columns)
        yield f"| {cell(total.name, 80)} | {total.paths} | {counts} |"
    yield ""
    if len(totals) > _ROWS:
        yield say("{rows} left out.", rows=say.counted(len(totals) - _ROWS, "more row"))
        yield ""


def _incident_line(incident: Incident, paths: Sequence[PathVerdict], say: Translator) -> str:
    verdict = say.word(verify_text.worst_of(paths)) if paths else say("warning")
    count = f", {say.counted(len(paths), 'path')}" if paths else ""
    listed, more = ", ".join(code(path.path, 80) for path in paths[:_LISTED]), len(paths) - _LISTED
    listed = say("{listed} and {more} more", listed=listed, more=more) if more > 0 else listed
    details = "; ".join(map(say.restated, incident.details))
    detail = f": {code(details, _DETAIL)}" if details else ""
    step = f" → {say(incident.next_step)}" if incident.next_step else ""
    where = f"{say.word(incident.layer)} {code(incident.object)}"
    return f"- **{verdict}** {where}: {say.word(incident.cause)}{count}{detail}{step}{f' ({listed})' if paths else ''}"


def _worst_first(path: PathVerdict) -> tuple[int, str]:
    return verify_text.SEVERITY.index(path.verdict), path.path


def _row(path: PathVerdict, result: VerifyResult, say: Translator) -> str:
    level = str(path.finding.level or "")
    proof = verify_text.proof_sentence(path, result.finished_at, say)
    return f"| {cell(path.path, 100)} | {say.word(path.verdict)} | {say.word(path.cause)} | {level} | {proof} |"
