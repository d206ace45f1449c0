"""A verification as text, for terminals and logs. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import click

from provisioner.base.errors import FrozenFacility
from provisioner.base.groups import gathered, grouped
from provisioner.base.language import ENGLISH, Language, Translator, marked
from provisioner.base.text import local_time, named, printable
from provisioner.report.status import since_words
from provisioner.report.tables import text_table
from provisioner.verify.incidents import in_a_row
from provisioner.verify.result import (
    COUNTED,
    NEW,
    OLD,
    AcceptedSetting,
    Cause,
    DeviceReport,
    DeviceState,
    HostReport,
    Incident,
    PathVerdict,
    Verdict,
    VerifyResult,
    waits_line,
)

# The worst first, as people read a list of problems.
SEVERITY = (Verdict.DOWN, Verdict.UNKNOWN, Verdict.DEGRADED, Verdict.QUARANTINED, Verdict.MAINTENANCE, Verdict.UP)

_COLOURS = {Verdict.UP: "green", Verdict.DEGRADED: "yellow", Verdict.DOWN: "red", Verdict.UNKNOWN: "magenta"}
_WIDTH = {Language.EN: 8, Language.VI: 11}
_LISTED = 5
_DRIFT_LISTED = 10
_QUIET = frozenset({DeviceState.AS_AGREED, DeviceState.NOT_COMPARED, DeviceState.NOT_ASKED})
_NEXT_STEPS = {
    Verdict.DOWN: marked("repair what its incidents name, those of the highest layer first, then verify again"),
    Verdict.UNKNOWN: marked("unchecked paths may be down: remove the reason, then verify again"),
    Verdict.QUARANTINED: marked(
        "correct the password in secrets/ and apply, or try it again: provisioner quarantine lift"
    ),
    Verdict.DEGRADED: marked(
        "see its incidents; where a host drifted, provisioner plan shows what apply would correct"
    ),
}


@dataclass(frozen=True, slots=True)
class Total:
    """The counts of one carrier, province or facility, by verdict."""

    name: str
    counts: Mapping[Verdict, int]

    @property
    def paths(self) -> int:
        """The number of paths."""
        return sum(self.counts.values())

    @property
    def up(self) -> int:
        """The number of paths up."""
        return self.counts.get(Verdict.UP, 0)

    def verdicts(self, *always: Verdict) -> tuple[Verdict, ...]:
        """Return the verdicts with a count, and the given ones, in order."""
        return tuple(verdict for verdict in COUNTED if verdict in always or self.counts.get(verdict))


def total_of(name: str, paths: Iterable[PathVerdict]) -> Total:
    """Count some paths."""
    return Total(name, Counter(path.verdict for path in paths))


def totals_by(paths: Iterable[PathVerdict], key: Callable[[PathVerdict], str]) -> tuple[Total, ...]:
    """Count paths by key, sorted."""
    return tuple(total_of(name, group) for name, group in sorted(grouped(paths, key).items()))


def under_change(paths: Iterable[PathVerdict], say: Translator = ENGLISH) -> Iterator[str]:
    """Yield the number of settings under change, and a line for each."""
    if settings := settings_under_change(paths, say):
        yield say("settings under change: {count}", count=len(settings))
        yield from (f"  {setting}" for setting in settings)


def settings_under_change(paths: Iterable[PathVerdict], say: Translator = ENGLISH) -> list[str]:
    """Return a sentence for each setting with two valid values."""
    settings = (setting for path in paths for setting in path.settings)
    by_setting = gathered((replace(setting, seen=None), setting.seen) for setting in settings)
    return [
        printable(f"{_named(setting, say)}: {_setting_state(setting, set(states), say)}")
        for setting, states in sorted(by_setting.items(), key=lambda item: (item[0].object, item[0].setting))
    ]


def _named(setting: AcceptedSetting, say: Translator) -> str:
    if setting.setting == "picture":
        return say("picture of {object}", object=setting.object)
    return say("login of {object}", object=setting.object)


def _setting_state(setting: AcceptedSetting, states: set[str | None], say: Translator) -> str:
    until = setting.until.isoformat()
    if {OLD, NEW} <= states:
        return say("the old one on some paths, the new one on others; either is taken until {until}", until=until)
    if OLD in states:
        return say("the old one, which is taken until {until}", until=until)
    if NEW in states:
        step = f"provisioner camera accept {setting.object} --finish"
        return say("the new one; finish the change: {step}", step=step)
    return say("no picture tells which; either is taken until {until}", until=until)


def text_report(result: VerifyResult, *, detail: bool = False, color: bool = False, say: Translator = ENGLISH) -> str:
    """Return the report; `detail` lists every path."""
    sections = [
        _heading_lines(result, say, color=color),
        _totals_table(say("carrier"), totals_by(result.paths, lambda p: p.carrier), say),
        _totals_table(say("province"), totals_by(result.paths, lambda p: p.province), say),
        _incident_lines(result, say, detail=detail, color=color),
        _maintenance_lines(result, say, detail=detail),
        _not_reached(result, say, detail=detail),
        _frozen_lines(result.held, say, color=color),
        _host_lines(result.hosts, say),
        _device_lines(result.devices, say, detail=detail),
        under_change(result.paths, say),
        _picture_lines(result.paths, say),
        _lines_to_look_at(result.paths, say),
        _reference_lines(result, say) if detail else (),
        _accepted_lines(result, say),
        _path_lines(result.paths, result.finished_at, say, color=color) if detail else (),
        [printable(say.restated(waits_line(result.waits)))] if result.waits.total_s else (),
        map(printable, verify_ending(result, say)),
    ]
    return "\n\n".join("\n".join(lines) for lines in map(list, sections) if lines) + "\n"


def _heading_lines(result: VerifyResult, say: Translator, *, color: bool) -> Iterator[str]:
    yield say("engine: {engine}", engine=printable(result.engine))
    yield say("as of: {at} (took {seconds} s)", at=local_time(result.finished_at), seconds=seconds_of(result))
    line = sentence(result, say)
    yield click.style(line, fg="green" if result.all_up else "red", bold=True) if color else line
    yield from scope_lines(result, say)


def _totals_table(noun: str, totals: Sequence[Total], say: Translator) -> Iterator[str]:
    other_verdicts = [v for v in SEVERITY if v is not Verdict.UP and any(v in total.counts for total in totals)]
    columns = (Verdict.UP, *other_verdicts)
    names = [noun, say("paths"), *(say.word(v) for v in columns)]
    rows = [[t.name, str(t.paths), *(str(t.counts.get(v, 0)) for v in columns)] for t in totals]
    return text_table(names, rows, numbers=True)


def _incident_lines(result: VerifyResult, say: Translator, *, detail: bool, color: bool) -> Iterator[str]:
    by_name, width = {p.path: p for p in result.paths}, _WIDTH[say.language]
    if result.incidents:
        yield say("incidents: {count}", count=len(result.incidents))
    for incident in result.incidents:
        verdict = worst_of(by_name[name] for name in incident.paths)
        label = _word(verdict, say, width, color=color) if incident.paths else say("warning").ljust(width)
        yield f"  {label}  {incident_words(incident, say)}"
        lines = (*_since(result, incident, say), *_incident_details(incident, say, detail=detail))
        yield from (f"{' ' * (width + 4)}{line}" for line in lines)


def incident_words(incident: Incident, say: Translator) -> str:
    """Return an incident's object and cause, and its number of paths."""
    count = f", {say.counted(len(incident.paths), 'path')}" if incident.paths else ""
    return printable(f"{say.word(incident.layer)} {incident.object}: {say.word(incident.cause)}{count}")


def _since(result: VerifyResult, incident: Incident, say: Translator) -> Iterator[str]:
    if row := in_a_row(result, incident):
        yield since_words(row.since, row.looks, say)


def _incident_details(incident: Incident, say: Translator, *, detail: bool) -> Iterator[str]:
    yield from (printable(say.restated(detail)) for detail in incident.details)
    if incident.next_step:
        yield next_words(incident.next_step, say)
    listed = incident.paths if detail else incident.paths[:_LISTED]
    yield from listed
    if len(listed) < len(incident.paths):
        yield _more(len(incident.paths) - len(listed), say)


def next_words(step: str, say: Translator) -> str:
    """Return a next step in a line."""
    return say("next: {step}", step=say(step))


def _maintenance_lines(result: VerifyResult, say: Translator, *, detail: bool) -> Iterator[str]:
    """Yield open windows, and the verdicts of their paths without them."""
    inside = ((path.maintenance, path) for path in result.paths if path.maintenance)
    windows = gathered(((window.begin, window.until, window.reason), path) for window, path in inside)
    if windows:
        yield say("in maintenance: {paths}", paths=say.counted(sum(map(len, windows.values())), "path"))
    for (_, until, reason), paths in sorted(windows.items()):
        values = {"until": local_time(until), "reason": say.restated(reason), "paths": say.counted(len(paths), "path")}
        yield "  " + printable(say("until {until}: {reason}, {paths}", **values))
        bad = [path for path in paths if path.without_window is not Verdict.UP]
        for path in bad if detail else bad[:_LISTED]:
            would_be = say("would be {verdict}", verdict=say.word(path.without_window))
            because = f": {say.word(path.cause)}" if path.cause.value else ""
            yield printable(f"    {path.path} {would_be}{because}")
        if not detail and len(bad) > _LISTED:
            yield f"    {_more(len(bad) - _LISTED, say)}"


def _not_reached(result: VerifyResult, say: Translator, *, detail: bool) -> Iterator[str]:
    """Yield the unmeasured paths, with their earlier proofs."""
    unmeasured = [path for path in result.paths if not path.is_measured and path.last_proof]
    unmeasured.sort(key=lambda path: (path.last_proof.at if path.last_proof else result.finished_at, path.path))
    if unmeasured:
        paths = say.counted(len(unmeasured), "path")
        yield say("not measured, and proved before: {paths}, those of longest ago first", paths=paths)
    for path in unmeasured if detail else unmeasured[:_LISTED]:
        yield f"  {printable(path.path)}: {proof_sentence(path, result.finished_at, say)}"
    if not detail and len(unmeasured) > _LISTED:
        yield f"  {_more(len(unmeasured) - _LISTED, say)}"


def _frozen_lines(frozen: Sequence[FrozenFacility], say: Translator, *, color: bool) -> Iterator[str]:
    if frozen:
        line = say("held, not checked: {facilities} with errors", facilities=say.counted(len(frozen), "facility"))
        yield click.style(line, fg="red", bold=True) if color else line
    for facility in frozen:
        yield printable(f"  {say.restated(facility.text)}")


def _host_lines(hosts: Iterable[HostReport], say: Translator) -> Iterator[str]:
    for host in hosts:
        error = printable(say.restated(host.error))
        if host.outcome != "answered":
            outcome = say("unreachable") if host.outcome == "unreachable" else say("failed")
            yield say("host {host}: {what}", host=host.host, what=f"{outcome}: {error}".rstrip(": "))
        elif host.drift is None:
            sentence = say("not compared with the desired state")
            yield say("host {host}: {what}", host=host.host, what=f"{sentence}: {error}".rstrip(": "))
        elif host.drift:
            yield say("host {host}: drift", host=host.host)
            yield from (
                f"  {say.word(c.action)} {say.word(c.resource)} {printable(c.name)}" for c in host.drift[:_DRIFT_LISTED]
            )
            if len(host.drift) > _DRIFT_LISTED:
                yield f"  {_more(len(host.drift) - _DRIFT_LISTED, say)}"


def _more(number: int, say: Translator) -> str:
    return say("… and {number} more", number=number)


def _device_lines(devices: Sequence[DeviceReport], say: Translator, *, detail: bool) -> Iterator[str]:
    """Yield the devices' own answers; without `detail`, only deviations."""
    counts = Counter(device.state for device in devices)
    if devices:
        states = ", ".join(f"{counts[state]} {say.word(state)}" for state in DeviceState if counts[state])
        yield say("devices asked about themselves (ONVIF): {states}", states=states)
    for device in devices if detail else [device for device in devices if device.state not in _QUIET]:
        facts = say("model {model}, serial number {serial}", model=device.model or "-", serial=device.serial or "-")
        yield printable(
            f"  {say.word(device.state)}: {device.name}{f', {facts}' if device.model or device.serial else ''}"
        )
        if device.detail:
            yield printable(f"    {say.restated(device.detail)}")


def _picture_lines(paths: Sequence[PathVerdict], say: Translator) -> Iterator[str]:
    """Yield the states of pictures, and those that a person should judge."""
    reports = [(path.path, path.picture) for path in paths if path.picture is not None]
    counts = Counter(picture.state for _, picture in reports)
    if not any(picture.seconds for _, picture in reports):
        return
    states = ", ".join(f"{number} {picture_word(state, say)}" for state, number in counts.most_common())
    yield say("pictures: {states}", states=states)
    noted = Counter(label for _, picture in reports for label in picture.labels)
    for label, number in noted.most_common():
        names = [path for path, picture in reports if label in picture.labels]
        listed = say.restated(named(names))
        yield printable(f"  {picture_word(label, say)}: {say.counted(number, 'path')}: {listed}")


def _lines_to_look_at(paths: Iterable[PathVerdict], say: Translator) -> Iterator[str]:
    """Yield lasting but uncertain problems for a person to check."""
    lasting = [(path, problem) for path in paths for problem in path.to_look_at]
    if lasting:
        yield say("to look at: {count}", count=len(lasting))
    for path, problem in lasting:
        since = say("since {at}, {checks}", at=local_time(problem.since), checks=say.counted(problem.checks, "check"))
        yield printable(f"  {picture_word(problem.word, say)}: {path.path}, {since}")
        if problem.detail:
            yield printable(f"    {say.restated(problem.detail)}")


def _reference_lines(result: VerifyResult, say: Translator) -> Iterator[str]:
    """Yield accepted references, and paths where a move would be invisible."""
    if not result.references:
        return
    paths = say.counted(len(result.paths), "path")
    yield say("references: {count} of {paths}", count=len(result.references), paths=paths)
    for path, report in sorted(result.references.items()):
        age = max(0, (result.finished_at - report.newest).days)
        blind = "" if report.move_shows else say("; a move cannot be detected here")
        lights = f" {say('and')} ".join(picture_word(light, say) for light in report.lights)
        values = {"count": report.count, "lights": lights, "days": say.counted(age, "day"), "blind": blind}
        yield "  " + printable(f"{path}: {say('{count}, by {lights}, {days} old{blind}', **values)}")


def _accepted_lines(result: VerifyResult, say: Translator) -> Iterator[str]:
    if result.accepted is None:
        return
    accepted = sum(not row.refused for row in result.accepted)
    paths = say.counted(len(result.accepted), "path")
    yield say("accepted: {count} of {paths}", count=accepted, paths=paths)
    for row in result.accepted:
        notes = "; ".join(map(say.restated, row.notes)) or say("accepted")
        outcome = say("refused: {why}", why=say.restated(row.refused)) if row.refused else notes
        yield printable(f"  {row.path}: {outcome}")


def _path_lines(paths: Sequence[PathVerdict], now: datetime, say: Translator, *, color: bool) -> Iterator[str]:
    width = max((len(p.path) for p in paths), default=0)
    column = max((8, *(len(say.word(p.verdict)) for p in paths)))
    for path in paths:
        proof = proof_sentence(path, now, say)
        window = say("would be {verdict}", verdict=say.word(path.without_window)) if path.maintenance else ""
        cause = ": ".join(part for part in (window, say.word(path.cause), say.restated(path.detail)) if part)
        why = "; ".join(printable(part) for part in (cause, picture_words(path, say), proof) if part)
        level = say("level {level}", level=path.level)
        yield f"{_word(path.verdict, say, column, color=color)}  {level}  {path.path.ljust(width)}  {why}".rstrip()


def _word(verdict: Verdict, say: Translator, width: int, *, color: bool) -> str:
    word = say.word(verdict).ljust(width)
    return click.style(word, fg=_COLOURS.get(verdict, "cyan")) if color else word


def sentence(result: VerifyResult, say: Translator = ENGLISH) -> str:
    """Return how many paths are up, and the others' verdicts."""
    total = total_of("", result.paths)
    if not total.paths:
        return say("no path was checked")
    if total.up == total.paths:
        return say.plural("the path is up", "all {n} paths are up", total.paths)
    other_states = [f"{total.counts[v]} {say.word(v)}" for v in SEVERITY if v is not Verdict.UP and v in total.counts]
    values = {"up": total.up, "others": ", ".join(other_states)}
    return say.plural("{up} of {n} path is up: {others}", "{up} of {n} paths are up: {others}", total.paths, **values)


def verify_ending(result: VerifyResult, say: Translator = ENGLISH) -> tuple[str, ...]:
    """Return the last lines, worst first, with the next steps."""
    all_paths = say.counted(len(result.paths), "path")
    sentences = []
    for verdict, step in _NEXT_STEPS.items():
        if paths := [path for path in result.paths if path.verdict is verdict and _is_for_whoever_reads(path)]:
            values = {"count": len(paths), "paths": all_paths, "verdict": say.word(verdict), "relays": _on(paths, say)}
            sentences.append(say("{count} of {paths} {verdict} on {relays}; {step}", **values, step=say(step)))
    if once := [path for path in result.paths if _failed_once(path)]:
        failing = say("{count} of {paths} failing and not yet confirmed", count=len(once), paths=all_paths)
        step = say("they failed once; verify again in a minute (or with --confirm), or see their incidents")
        sentences.append(say("{failing} on {relays}; {step}", failing=failing, relays=_on(once, say), step=step))
    sentences += [line for line in (_maintenance_ending(result, say), _share_ending(result, say)) if line]
    if silent := [host.host for host in result.hosts if host.outcome != "answered"]:
        hosts, names = say.counted(len(silent), "host"), say.restated(named(silent))
        sentences.append(say("{hosts} not read, state unknown: {names}", hosts=hosts, names=names))
    if drifted := [host.host for host in result.hosts if host.drift]:
        hosts, names = say.counted(len(drifted), "host"), say.restated(named(drifted))
        sentences.append(say("{hosts} drifted: {names}; provisioner drift tells how", hosts=hosts, names=names))
    return tuple(sentences)


def _is_for_whoever_reads(path: PathVerdict) -> bool:
    return path.cause is not Cause.NOT_ASKED and not _failed_once(path)


def _failed_once(path: PathVerdict) -> bool:
    return path.verdict is Verdict.UNKNOWN and path.standing is not None


def _on(paths: Iterable[PathVerdict], say: Translator) -> str:
    return say.restated(named(sorted({path.relay for path in paths})))


def _maintenance_ending(result: VerifyResult, say: Translator) -> str:
    inside = [path for path in result.paths if path.maintenance]
    would_be = Counter(path.without_window for path in inside)
    failing = ", ".join(f"{would_be[v]} {say.word(v)}" for v in SEVERITY if v is not Verdict.UP and would_be[v])
    paths = say.counted(len(result.paths), "path")
    share = say("{count} of {paths} in maintenance", count=len(inside), paths=paths)
    other_states = say("without it {failing}", failing=failing) if failing else say("without it all would be up")
    return say("{share}: {rest}; not counted as up, no alarm raised", share=share, rest=other_states) if inside else ""


def _share_ending(result: VerifyResult, say: Translator) -> str:
    """Return the measured share if the run was asked to omit some."""
    if result.scope.sample is None and result.scope.level is None and result.scope.deadline_s is None:
        return ""
    measured = [path for path in result.paths if path.is_measured]
    up = sum(path.verdict is Verdict.UP for path in measured)
    passed = sum(path.cause is Cause.NOT_ASKED for path in measured)
    good = say("{count} up", count=up)
    if result.scope.level is not None:
        good = say("{count} good up to level {level}", count=passed + up, level=result.scope.level)
    paths = say.counted(len(result.paths), "path")
    share = say("{count} of {paths} measured, {good}", count=len(measured), paths=paths, good=good)
    unmeasured = len(result.paths) - len(measured)
    return say("{share}; the other {left} are unknown", share=share, left=unmeasured) if unmeasured else share


def seconds_of(result: VerifyResult) -> int:
    """Return the duration of the verification."""
    return round((result.finished_at - result.started_at).total_seconds())


def scope_lines(result: VerifyResult, say: Translator = ENGLISH) -> Iterator[str]:
    """Yield the limits of a run, and whether it lacked earlier results."""
    scope = result.scope
    if sample := scope.sample:
        cameras = say.counted(sample.of_cameras, "camera")
        values = {"count": sample.cameras, "cameras": cameras, "week": sample.week, "asked": printable(sample.asked)}
        yield say("sample: {count} of {cameras}, those of week {week} ({asked})", **values)
    if scope.level is not None:
        yield say("up to level {level}: higher levels were not requested", level=scope.level)
    if scope.deadline_s is not None:
        yield say("deadline: {seconds} s", seconds=f"{scope.deadline_s:g}")
    if scope.once:
        yield say("one check only (--once): the first failure is down, earlier checks do not count")
    if result.forgot:
        yield say("not compared with earlier runs: {why}", why=say.restated(printable(result.forgot)))


def worst_of(paths: Iterable[PathVerdict]) -> Verdict:
    """Return the worst verdict of some paths."""
    return min((p.verdict for p in paths), key=SEVERITY.index, default=Verdict.UNKNOWN)


def proof_sentence(path: PathVerdict, now: datetime, say: Translator = ENGLISH) -> str:
    """Return a path's last proof and its age in words, or empty."""
    proof = path.last_proof
    if proof is None:
        return ""
    values = {"level": proof.level, "at": local_time(proof.at), "age": _age_text(now - proof.at, say)}
    return say("level {level} was last proved at {at}, {age} ago", **values)


def _age_text(time: timedelta, say: Translator) -> str:
    minutes = max(0, int(time.total_seconds() // 60))
    hours, days = minutes // 60, minutes // (24 * 60)
    if days:
        return say.counted(days, "day")
    return say.counted(hours, "hour") if hours else say.counted(minutes, "minute")


def picture_words(path: PathVerdict, say: Translator = ENGLISH) -> str:
    """Return a path's picture in words; empty if good or unchecked."""
    picture = path.picture
    if picture is None or not picture.is_notable:
        return ""
    labels = ", ".join(picture_word(label, say) for label in (picture.state, *picture.suspects, *picture.labels))
    return say("picture {words}", words=labels)


def picture_word(label: str, say: Translator) -> str:
    """Return a picture's state, suspicion or label for people."""
    return say(label)
