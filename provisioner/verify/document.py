"""The JSON document of a verification (docs/design.md, part 8). Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from provisioner.base.json_document import Document
from provisioner.verify.levels import LEVELS
from provisioner.verify.result import HostReport, Incident, PathVerdict, VerifyResult, summary_of


def verify_document(result: VerifyResult) -> Document:
    """The `verify` document."""
    return {
        "schema": "provisioner/verify",
        "version": 1,
        "engine": result.engine,
        "started_at": _time(result.started_at),
        "finished_at": _time(result.finished_at),
        "summary": summary_of(result.paths),
        "level_names": {str(level.number): level.name for level in LEVELS},
        "paths": [_path(p) for p in result.paths],
        "incidents": [_incident(i) for i in result.incidents],
        "hosts": [_host(h) for h in result.hosts],
        "held": [one.document for one in result.held],
    }


def _time(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z") if moment else None


def _path(path: PathVerdict) -> Document:
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
    }


def _incident(incident: Incident) -> Document:
    return {
        "layer": incident.layer.value,
        "object": incident.object,
        "cause": incident.cause.value,
        "paths": list(incident.paths),
        "detail": incident.detail,
    }


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
