"""The JSON document of a verification (docs/reference/json.md). Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from provisioner.base.text import Document, LongList
from provisioner.verify.incidents import in_a_row
from provisioner.verify.judge import HIGHEST, LEVELS
from provisioner.verify.result import (
    PARTS,
    Accepted,
    DeviceReport,
    HostReport,
    HostWait,
    Incident,
    PathVerdict,
    PictureReport,
    ReferenceReport,
    SettingSeen,
    ToLookAt,
    VerifyResult,
    summary_of,
)


def verify_document(result: VerifyResult) -> Document:
    """The `verify` document."""
    return {**verify_in_parts(result), "paths": [_path(p, result) for p in result.paths]}


def verify_in_parts(result: VerifyResult) -> Document:
    """The same, for whoever writes it down: each path's part is made when it is written."""
    return {
        "schema": "provisioner/verify",
        "version": 1,
        "engine": result.engine,
        "started_at": _time(result.started_at),
        "finished_at": _time(result.finished_at),
        "summary": summary_of(result.paths),
        "scope": _scope(result),
        "memory": {"used": not result.forgot, "reason": result.forgot},
        "level_names": {str(level.number): level.name for level in LEVELS},
        "paths": LongList(lambda: (_path(p, result) for p in result.paths)),
        "incidents": [_incident(i) | _in_a_row(result, i) for i in result.incidents],
        "hosts": [_host(h) | {"seconds": _seconds(result.waits.hosts.get(h.host))} for h in result.hosts],
        "seconds": {
            "total": round(result.waits.total_s, 2),
            "until_asked": round(result.waits.before_s, 2),
            "until_answered": round(result.waits.asked_s, 2),
        },
        "held": [one.document for one in result.held],
        "accepted": None if result.accepted is None else [_accepted(one) for one in result.accepted],
        **({"devices": [_device(one) for one in result.devices]} if result.devices else {}),
    }


def _time(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z") if moment else None


def _scope(result: VerifyResult) -> Document:
    scope = result.scope
    sample = None
    if scope.sample is not None:
        asked, week = scope.sample.asked, scope.sample.week
        sample = {"asked": asked, "week": week, "cameras": scope.sample.cameras, "of_cameras": scope.sample.of_cameras}
    measured = sum(path.is_measured for path in result.paths)
    return {
        "level": scope.level or HIGHEST.number,
        "sample": sample,
        "deadline_s": scope.deadline_s,
        "once": scope.once,
        "measured": measured,
        "not_reached": len(result.paths) - measured,
    }


def _path(path: PathVerdict, result: VerifyResult) -> Document:
    return {
        "path": path.path,
        "carrier": path.carrier,
        "province": path.province,
        "facility": path.facility,
        "camera": path.camera,
        "relay": path.relay,
        "verdict": path.verdict.value,
        "level": path.level,
        "cause": path.cause.value,
        "checked_at": _time(path.checked_at),
        "passed": list(path.passed),
        "layer": path.layer.value if path.layer else None,
        "object": path.object,
        "detail": path.detail,
        "failing": _failing(path),
        "last_proof": _last_proof(path, result.finished_at),
        "maintenance": _window(path),
        "picture": _picture(path.picture),
        "to_look_at": [_to_look_at(one) for one in path.to_look_at],
        "reference": _reference(result.references.get(path.path), result.finished_at),
        **({"accept": [_setting(one) for one in path.settings]} if path.settings else {}),
    }


def _setting(one: SettingSeen) -> Document:
    return {"setting": one.setting, "object": one.object, "until": one.until.isoformat(), "seen": one.seen or None}


def _to_look_at(one: ToLookAt) -> Document:
    return {"word": one.word, "since": _time(one.since), "checks": one.checks, "detail": one.detail}


def _reference(report: ReferenceReport | None, now: datetime) -> Document | None:
    if report is None:
        return None
    return {
        "count": report.count,
        "newest": _time(report.newest),
        "age_s": max(0, round((now - report.newest).total_seconds())),
        "lights": list(report.lights),
        "move_detectable": report.move_shows,
    }


def _accepted(one: Accepted) -> Document:
    return {"path": one.path, "accepted": not one.refused, "refused": one.refused, "notes": list(one.notes)}


def _picture(picture: PictureReport | None) -> Document | None:
    if picture is None:
        return None
    return {
        "state": picture.state,
        "look": ("full" if picture.full else "quick") if picture.seconds else None,
        "seconds": picture.seconds,
        "fps": picture.fps,
        "kbps": picture.kbps,
        "suspects": list(picture.suspects),
        "labels": list(picture.labels),
        "undecided": picture.undecided,
    }


def _failing(path: PathVerdict) -> Document | None:
    standing = path.standing
    if standing is None:
        return None
    return {"since": _time(standing.since), "looks": standing.looks, "confirmed": standing.confirmed}


def _last_proof(path: PathVerdict, now: datetime) -> Document | None:
    proof = path.last_proof
    if proof is None:
        return None
    age_s = max(0, round((now - proof.at).total_seconds()))
    return {"level": proof.level, "at": _time(proof.at), "age_s": age_s}


def _window(path: PathVerdict) -> Document | None:
    window = path.maintenance
    if window is None:
        return None
    return {
        "from": _time(window.begin),
        "until": _time(window.until),
        "reason": window.reason,
        "would_be": window.would_be.value,
    }


def _incident(incident: Incident) -> Document:
    return {
        "layer": incident.layer.value,
        "object": incident.object,
        "cause": incident.cause.value,
        "paths": list(incident.paths),
        "detail": incident.detail,
    }


def _in_a_row(result: VerifyResult, incident: Incident) -> Document:
    row = in_a_row(result, incident)
    return {"since": _time(row.since) if row else None, "in_a_row": row.looks if row else None}


def _seconds(wait: HostWait | None) -> Document:
    """How long a host took: until its answer, on the host itself, and what for; null where that is not known."""
    parts = {what.replace(" ", "_"): wait.parts.get(what) if wait else None for what in PARTS}
    return {"answer": _rounded(wait.answered_s if wait else None), "visit": wait.visit_s if wait else None, **parts}


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)


def _host(host: HostReport) -> Document:
    drift = None
    if host.drift is not None:
        drift = [{"resource": c.resource.value, "name": c.name, "action": c.action.value} for c in host.drift]
    return {
        "host": host.host,
        "outcome": host.outcome,
        "error": host.error,
        "drift": drift,
        "findings": [{"cause": one.condition.value, "detail": one.detail} for one in host.findings],
    }


def _device(report: DeviceReport) -> Document:
    return {
        "facility": report.facility,
        "province": report.province,
        "device": report.device,
        "carrier": report.carrier,
        "relay": report.relay,
        "state": report.state.value,
        "detail": report.detail,
        "model": report.model,
        "serial": report.serial,
        "firmware": report.firmware,
        "clock_off_s": report.clock_off_s,
        "shown_off_s": report.shown_off_s,
        "findings": [{"cause": one.cause.value, "detail": one.detail} for one in report.findings],
    }
