"""A verification as one HTML page: no script, nothing from elsewhere, readable on paper and in the dark. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from provisioner.base.clock import local_time
from provisioner.base.language import ENGLISH, Translator
from provisioner.report.freshness import since_words
from provisioner.report.page_template import page_template
from provisioner.report.text import (
    picture_word,
    picture_words,
    proof_sentence,
    scope_lines,
    seconds_of,
    sentence,
    worst_of,
)
from provisioner.report.totals import SEVERITY, Total, total_of, totals_by
from provisioner.report.under_change import settings_under_change
from provisioner.verify.in_a_row import in_a_row
from provisioner.verify.levels import LEVELS
from provisioner.verify.result import Incident, PathVerdict, Verdict, VerifyResult

MOST_LISTED = 3000
"""Above so many paths only those that are not up are listed: a page of 100 MB helps nobody."""

_DRIFT_LISTED = 20
_ALWAYS = (Verdict.UP, Verdict.DEGRADED, Verdict.DOWN, Verdict.UNKNOWN)


@dataclass(frozen=True, slots=True)
class _Facility:
    """A facility's paths, with the worst verdict among them."""

    name: str
    province: str
    worst: Verdict
    total: Total
    paths: Sequence[PathVerdict]


def html_page(result: VerifyResult, say: Translator = ENGLISH) -> str:
    """The page. Every value is printable and escaped; it holds ids and verdicts, never names of people or secrets."""
    complete = len(result.paths) <= MOST_LISTED
    total = total_of("", result.paths)
    return page_template("verify.html.j2").render(
        result=result,
        say=say,
        sentence=sentence(result, say),
        as_of=local_time(result.finished_at),
        seconds=seconds_of(result),
        verdicts=total.verdicts(*_ALWAYS),
        total=total,
        share=f"{100 * total.up / total.paths:.1f}".rstrip("0").rstrip(".") if total.paths else "0",
        incidents=_with_verdicts(result),
        totals=[
            (say("Carrier"), totals_by(result.paths, lambda p: p.carrier)),
            (say("Province"), totals_by(result.paths, lambda p: p.province)),
        ],
        hosts=sorted(result.hosts, key=lambda h: (h.outcome == "answered" and h.drift == (), h.host)),
        drift_listed=_DRIFT_LISTED,
        facilities=_facilities(result.paths, complete=complete),
        complete=complete,
        levels=LEVELS,
        scope=tuple(scope_lines(result, say)),
        maintenance=tuple(path for path in result.paths if path.maintenance)[:MOST_LISTED],
        settings=settings_under_change(result.paths, say),
        local_time=local_time,
        since_words=since_words,
        row_of=lambda incident: in_a_row(result, incident),
        proof=lambda path: proof_sentence(path, result.finished_at, say),
        picture_words=picture_words,
        picture_word=picture_word,
    )


def _with_verdicts(result: VerifyResult) -> list[tuple[Verdict | None, Incident]]:
    """The incidents, each with the worst verdict of its paths; with None where no path hangs on it."""
    by_name = {p.path: p for p in result.paths}
    return [(worst_of(by_name[name] for name in i.paths) if i.paths else None, i) for i in result.incidents]


def _facilities(paths: Sequence[PathVerdict], *, complete: bool) -> list[_Facility]:
    groups: dict[tuple[str, str], list[PathVerdict]] = defaultdict(list)
    for path in paths:
        groups[path.province, path.facility].append(path)
    facilities = []
    for (province, name), group in groups.items():
        listed = group if complete else [p for p in group if p.verdict is not Verdict.UP]
        if listed:
            facilities.append(_Facility(name, province, worst_of(group), total_of(name, group), listed))
    return sorted(facilities, key=lambda f: (SEVERITY.index(f.worst), f.province, f.name))
