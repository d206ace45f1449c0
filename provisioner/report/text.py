"""A verification as text, for terminals and logs. Pure; colours only when they are asked for."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

import click

from provisioner.base.clock import local_time
from provisioner.base.counted import are, counted
from provisioner.base.held import HeldFacility
from provisioner.base.printable import printable
from provisioner.plan.guards.measures import named
from provisioner.report.tables import text_table
from provisioner.report.totals import SEVERITY, Total, total_of, totals_by
from provisioner.verify.in_a_row import in_a_row
from provisioner.verify.result import Cause, HostReport, Incident, PathVerdict, Verdict, VerifyResult
from provisioner.verify.waits import waits_line

_COLOURS = {Verdict.UP: "green", Verdict.DEGRADED: "yellow", Verdict.DOWN: "red", Verdict.UNKNOWN: "magenta"}
_NO_PATH = "warning"
_LISTED = 5
_DRIFT_LISTED = 10


def text_report(result: VerifyResult, *, detail: bool = False, color: bool = False) -> str:
    """The report: the engine, totals, incidents with their causes, with `detail` every path, and what to do next."""
    sections = [
        _head(result, color=color),
        _totals("carrier", totals_by(result.paths, lambda p: p.carrier)),
        _totals("province", totals_by(result.paths, lambda p: p.province)),
        _incidents(result, detail=detail, color=color),
        _maintenance(result, detail=detail),
        _not_reached(result, detail=detail),
        _held(result.held, color=color),
        _hosts(result.hosts),
        _pictures(result.paths),
        _to_look_at(result.paths),
        _references(result) if detail else (),
        _accepted(result),
        _paths(result.paths, result.finished_at, color=color) if detail else (),
        [printable(waits_line(result.waits))] if result.waits.total_s else (),
        map(printable, verify_ending(result)),
    ]
    return "\n\n".join("\n".join(lines) for lines in map(list, sections) if lines) + "\n"


def sentence(result: VerifyResult) -> str:
    """Say in one line how many paths are up, and what the others are."""
    total = total_of("", result.paths)
    if not total.paths:
        return "no path was checked"
    if total.up == total.paths:
        return f"all {counted(total.paths, 'path')} are up" if total.paths > 1 else "the path is up"
    others = ", ".join(f"{total.counts[v]} {v.value}" for v in SEVERITY if v is not Verdict.UP and v in total.counts)
    return f"{total.up} of {counted(total.paths, 'path')} {are(total.paths)} up: {others}"


_NEXT_STEPS = {
    Verdict.DOWN: "repair what its incidents name, those of the highest layer first, then verify again",
    Verdict.UNKNOWN: "what was not checked may be down: settle why it was not, then verify again",
    Verdict.QUARANTINED: "correct the password in secrets/ and apply, or try it again: provisioner quarantine lift",
    Verdict.DEGRADED: "see its incidents; where a host drifted, provisioner plan shows what apply would correct",
}


def verify_ending(result: VerifyResult) -> tuple[str, ...]:
    """The last lines, the worst first, with what to do next; none where all is as it should be."""
    share = f"of {counted(len(result.paths), 'path')}"
    sentences = []
    for verdict, step in _NEXT_STEPS.items():
        if paths := [path for path in result.paths if path.verdict is verdict and _is_for_whoever_reads(path)]:
            sentences.append(f"{len(paths)} {share} {verdict.value}{_on(paths)}; {step}")
    if once := [path for path in result.paths if _failed_once(path)]:
        step = "they failed once; verify again in a minute, or see their incidents"
        sentences.append(f"{len(once)} {share} failing and not yet confirmed{_on(once)}; {step}")
    sentences += [line for line in (_maintenance_ending(result), _share_ending(result)) if line]
    if silent := [host.host for host in result.hosts if host.outcome != "answered"]:
        sentences.append(f"{counted(len(silent), 'host')} not read: {named(silent)}; nothing is said of what it holds")
    if drifted := [host.host for host in result.hosts if host.drift]:
        sentences.append(f"{counted(len(drifted), 'host')} drifted: {named(drifted)}; provisioner drift tells how")
    return tuple(sentences)


def _maintenance_ending(result: VerifyResult) -> str:
    """Say how many paths are in a maintenance window, and what is hidden by none."""
    inside = [path for path in result.paths if path.maintenance]
    would_be = Counter(path.without_window for path in inside)
    failing = ", ".join(f"{would_be[v]} {v.value}" for v in SEVERITY if v is not Verdict.UP and would_be[v])
    share = f"{len(inside)} of {counted(len(result.paths), 'path')} in maintenance"
    rest = f"without it {failing}" if failing else "without it all would be up"
    return f"{share}: {rest}; not counted as up, no alarm raised" if inside else ""


def _share_ending(result: VerifyResult) -> str:
    """Say what share was measured, where a run was asked to leave something out."""
    if result.scope.sample is None and result.scope.level is None and result.scope.deadline_s is None:
        return ""
    measured = [path for path in result.paths if path.is_measured]
    up = sum(path.verdict is Verdict.UP for path in measured)
    passed = sum(path.cause is Cause.NOT_ASKED for path in measured)
    good = f"{up} up" if result.scope.level is None else f"{passed + up} good up to level {result.scope.level}"
    share = f"{len(measured)} of {counted(len(result.paths), 'path')} measured, {good}"
    left = len(result.paths) - len(measured)
    return f"{share}; nothing is said of the other {left}" if left else share


def _failed_once(path: PathVerdict) -> bool:
    """Whether a path failed, and that was not yet seen again."""
    return path.verdict is Verdict.UNKNOWN and path.standing is not None


def _is_for_whoever_reads(path: PathVerdict) -> bool:
    """Whether something is to be done about a path's verdict; what nobody asked for has a line of its own."""
    return path.cause is not Cause.NOT_ASKED and not _failed_once(path)


def _on(paths: Iterable[PathVerdict]) -> str:
    """The relays whose paths those are."""
    return f" on {named(sorted({path.relay for path in paths}))}"


def seconds_of(result: VerifyResult) -> int:
    """How long the verification took."""
    return round((result.finished_at - result.started_at).total_seconds())


def _head(result: VerifyResult, *, color: bool) -> Iterator[str]:
    yield f"engine: {printable(result.engine)}"
    yield f"as of: {local_time(result.finished_at)} (took {seconds_of(result)} s)"
    line = sentence(result)
    yield click.style(line, fg="green" if result.all_up else "red", bold=True) if color else line
    yield from scope_lines(result)


def scope_lines(result: VerifyResult) -> Iterator[str]:
    """Say how far a run was asked to go, where that was not to the end, and whether it knew of earlier ones."""
    scope = result.scope
    if sample := scope.sample:
        cameras = f"{sample.cameras} of {counted(sample.of_cameras, 'camera')}"
        yield f"sample: {cameras}, those of week {sample.week} ({printable(sample.asked)})"
    if scope.level is not None:
        yield f"up to level {scope.level}: what is above was not asked for"
    if scope.deadline_s is not None:
        yield f"deadline: {scope.deadline_s:g} s"
    if scope.once:
        yield "by one look alone (--once): a failure is down at once, and nothing of before counts"
    if result.forgot:
        yield f"without a memory of earlier runs: {printable(result.forgot)}"


def _totals(noun: str, totals: Sequence[Total]) -> Iterator[str]:
    others = [v for v in SEVERITY if v is not Verdict.UP and any(v in total.counts for total in totals)]
    columns = (Verdict.UP, *others)
    names = [noun, "paths", *(v.value for v in columns)]
    rows = [[t.name, str(t.paths), *(str(t.counts.get(v, 0)) for v in columns)] for t in totals]
    return text_table(names, rows, numbers=True)


def worst_of(paths: Iterable[PathVerdict]) -> Verdict:
    """The worst verdict among some paths."""
    return min((p.verdict for p in paths), key=SEVERITY.index, default=Verdict.UNKNOWN)


def _incidents(result: VerifyResult, *, detail: bool, color: bool) -> Iterator[str]:
    by_name = {p.path: p for p in result.paths}
    if result.incidents:
        yield f"incidents: {len(result.incidents)}"
    for incident in result.incidents:
        count = f", {counted(len(incident.paths), 'path')}" if incident.paths else ""
        what = printable(f"{incident.layer.value} {incident.object}: {incident.cause}{count}")
        verdict = worst_of(by_name[name] for name in incident.paths)
        yield f"  {_word(verdict, color=color) if incident.paths else _NO_PATH.ljust(8)}  {what}"
        lines = (*_since(result, incident), *_below(incident, detail=detail))
        yield from (f"            {line}" for line in lines)


def _since(result: VerifyResult, incident: Incident) -> Iterator[str]:
    """Since when, where it is not new."""
    if row := in_a_row(result, incident):
        yield f"since {local_time(row.since)}, in {counted(row.times, 'verification')} in a row"


def _below(incident: Incident, *, detail: bool) -> Iterator[str]:
    if incident.detail:
        yield printable(incident.detail)
    listed = incident.paths if detail else incident.paths[:_LISTED]
    yield from listed
    if len(listed) < len(incident.paths):
        yield f"… and {len(incident.paths) - len(listed)} more"


def _word(verdict: Verdict, *, color: bool, width: int = 8) -> str:
    word = verdict.value.ljust(width)
    return click.style(word, fg=_COLOURS.get(verdict, "cyan")) if color else word


def _maintenance(result: VerifyResult, *, detail: bool) -> Iterator[str]:
    """The windows that paths are in, and what would be said of those paths."""
    windows: dict[tuple[datetime, datetime, str], list[PathVerdict]] = defaultdict(list)
    for path in result.paths:
        if path.maintenance:
            windows[path.maintenance.begin, path.maintenance.until, path.maintenance.reason].append(path)
    if windows:
        yield f"in maintenance: {counted(sum(map(len, windows.values())), 'path')}"
    for (_, until, reason), paths in sorted(windows.items()):
        yield printable(f"  until {local_time(until)}: {reason}, {counted(len(paths), 'path')}")
        bad = [path for path in paths if path.without_window is not Verdict.UP]
        for path in bad if detail else bad[:_LISTED]:
            yield printable(f"    {path.path} would be {path.without_window.value}{_because(path)}")
        if not detail and len(bad) > _LISTED:
            yield f"    … and {len(bad) - _LISTED} more"


def _because(path: PathVerdict) -> str:
    return f": {path.cause.value}" if path.cause.value else ""


def _not_reached(result: VerifyResult, *, detail: bool) -> Iterator[str]:
    """What was not measured, with what was proved of it before."""
    left = [path for path in result.paths if not path.is_measured and path.last_proof]
    left.sort(key=lambda path: (path.last_proof.at if path.last_proof else result.finished_at, path.path))
    if left:
        yield f"not measured, and proved before: {counted(len(left), 'path')}, those of longest ago first"
    for path in left if detail else left[:_LISTED]:
        yield f"  {printable(path.path)}: {proof_sentence(path, result.finished_at)}"
    if not detail and len(left) > _LISTED:
        yield f"  … and {len(left) - _LISTED} more"


def proof_sentence(path: PathVerdict, now: datetime) -> str:
    """Say what was last proved of a path, and how long ago; empty where nothing is known."""
    proof = path.last_proof
    if proof is None:
        return ""
    return f"level {proof.level} was last proved at {local_time(proof.at)}, {_age(now - proof.at)} ago"


def _age(time: timedelta) -> str:
    minutes = max(0, int(time.total_seconds() // 60))
    hours, days = minutes // 60, minutes // (24 * 60)
    if days:
        return counted(days, "day")
    return counted(hours, "hour") if hours else counted(minutes, "minute")


def _held(held: Sequence[HeldFacility], *, color: bool) -> Iterator[str]:
    """Who is held, and so was not checked."""
    if held:
        line = f"held, not checked: {counted(len(held), 'facility')} with errors"
        yield click.style(line, fg="red", bold=True) if color else line
    for one in held:
        yield printable(f"  {one.text}")


def _hosts(hosts: Iterable[HostReport]) -> Iterator[str]:
    """Say what is wrong with hosts; those that answered and are as desired are not listed."""
    for host in hosts:
        if host.outcome != "answered":
            yield f"host {host.host}: {host.outcome}: {printable(host.error)}".rstrip(": ")
        elif host.drift is None:
            yield f"host {host.host}: not compared with the desired state: {printable(host.error)}".rstrip(": ")
        elif host.drift:
            yield f"host {host.host}: drift"
            yield from (
                f"  {c.action.value} {c.resource.value} {printable(c.name)}" for c in host.drift[:_DRIFT_LISTED]
            )
            if len(host.drift) > _DRIFT_LISTED:
                yield f"  … and {len(host.drift) - _DRIFT_LISTED} more"


def _pictures(paths: Sequence[PathVerdict]) -> Iterator[str]:
    """How the pictures are that were looked at, and which a person should look at or can alone judge."""
    reports = [(path.path, path.picture) for path in paths if path.picture is not None]
    counts = Counter(picture.state for _, picture in reports)
    if not any(picture.seconds for _, picture in reports):
        return
    yield f"pictures: {', '.join(f'{number} {state}' for state, number in counts.most_common())}"
    noted = Counter(word for _, picture in reports for word in picture.labels)
    for word, number in noted.most_common():
        names = [path for path, picture in reports if word in picture.labels]
        yield printable(f"  {word}: {counted(number, 'path')}: {named(names)}")


def _to_look_at(paths: Iterable[PathVerdict]) -> Iterator[str]:
    """What a person should look at: it lasted over several checks, and is no failure for certain."""
    lasting = [(path, one) for path in paths for one in path.to_look_at]
    if lasting:
        yield f"to look at: {len(lasting)}"
    for path, one in lasting:
        yield printable(f"  {one.word}: {path.path}, since {local_time(one.since)}, {counted(one.checks, 'check')}")
        if one.detail:
            yield printable(f"    {one.detail}")


def _references(result: VerifyResult) -> Iterator[str]:
    """Of how many paths a person accepted the picture, and where a move would not be seen."""
    if not result.references:
        return
    yield f"references: {len(result.references)} of {counted(len(result.paths), 'path')}"
    for path, report in sorted(result.references.items()):
        age = max(0, (result.finished_at - report.newest).days)
        blind = "" if report.move_shows else "; a move cannot be detected here"
        yield printable(f"  {path}: {report.count}, by {' and '.join(report.lights)}, {counted(age, 'day')} old{blind}")


def _accepted(result: VerifyResult) -> Iterator[str]:
    """What came of each path whose picture was to be accepted."""
    if result.accepted is None:
        return
    taken = sum(not one.refused for one in result.accepted)
    yield f"accepted: {taken} of {counted(len(result.accepted), 'path')}"
    for one in result.accepted:
        notes = "; ".join(one.notes)
        yield printable(f"  {one.path}: {'refused: ' + one.refused if one.refused else notes or 'accepted'}")


def _paths(paths: Sequence[PathVerdict], now: datetime, *, color: bool) -> Iterator[str]:
    width = max((len(p.path) for p in paths), default=0)
    column = max((8, *(len(p.verdict.value) for p in paths)))
    for path in paths:
        proof = proof_sentence(path, now)
        window = f"would be {path.without_window.value}" if path.maintenance else ""
        picture = path.picture.in_words if path.picture is not None and path.picture.is_notable else ""
        cause = ": ".join(part for part in (window, path.cause.value, path.detail) if part)
        why = "; ".join(printable(part) for part in (cause, picture, proof) if part)
        verdict = _word(path.verdict, color=color, width=column)
        yield f"{verdict}  level {path.level}  {path.path.ljust(width)}  {why}".rstrip()
