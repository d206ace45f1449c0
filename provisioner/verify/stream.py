"""Checks of what the relay receives, and of what readers decode on it and at the centre. Pure."""

from __future__ import annotations

import re

from provisioner.desired.spec import HostSpec
from provisioner.hosts.runner import CallOutcome
from provisioner.verify.case import PASSED, Case, Check, failed, not_checked
from provisioner.verify.delivery import delivered_check
from provisioner.verify.evidence import Read
from provisioner.verify.redirect import origin_check, redirect_check
from provisioner.verify.result import Cause, Layer

# MediaMTX's words for why a source is down (measured on 1.20.1); the first that fits counts.
_LOG_LINES: tuple[tuple[re.Pattern[str], Cause], ...] = (
    (re.compile(r"bad status code: 40[13]\b|unauthorized|authenticat", re.IGNORECASE), Cause.WRONG_PASSWORD),
    (re.compile(r"bad status code: (404|400|454|415|451)\b|not found", re.IGNORECASE), Cause.NO_SUCH_STREAM),
    (re.compile(r"connection refused|bad status code: (453|5\d\d)\b"), Cause.CAMERA_REFUSES),
    (re.compile(r"no route to host|network is unreachable"), Cause.CAMERA_UNPLUGGED),
    (re.compile(r"TCP timeout|timed out|i/o timeout", re.IGNORECASE), Cause.SILENT),
)

_UNAUTHORIZED = 401
# MediaMTX's names of sound (1.20.1). It forwards every track of a source and cannot leave one out.
_SOUND = frozenset(
    {
        *("Opus", "FLAC", "Vorbis", "MPEG-4 Audio", "MPEG-4 Audio LATM", "MPEG-1/2 Audio", "AC3", "Speex"),
        *("G726", "G722", "G711", "LPCM"),
    }
)


def relay_check(case: Case) -> Check:
    """Check that MediaMTX says available and online, and that inbound bytes grew, from the camera itself.

    `online` alone is true for a dead camera, and `available` for a silent one (measured on 1.20.1).
    """
    relay, active = case.target.relay.id, case.relay.unit == "active"
    if case.relay.unit not in {"active", "unknown"}:
        return failed(Layer.RELAY, relay, Cause.RELAY_STOPPED, f"the relay's service is {case.relay.unit}")
    if case.relay.api_error:
        runs = "its service runs and does not answer; provisioner plan names its restart: " if active else ""
        return failed(Layer.RELAY, relay, Cause.RELAY_STOPPED, f"{runs}{case.relay.api_error}")
    return _on_demand_check(case) if case.target.path.on_demand else _pulled_check(case)


def _pulled_check(case: Case) -> Check:
    first, second = case.relay.samples.get(case.target.path.name, (None, None))
    if first is None and second is None:
        return _unlisted(case)
    if first is None or second is None:
        return not_checked(case.target.relay.id, "there are not two samples of the path")
    if second.available and second.online and case.flowed:
        return origin_check(case)
    detail = "no bytes came between two samples" if second.available else "the relay has no stream of it"
    return _source_failure(case, Cause.SILENT if second.available else Cause.UNKNOWN, detail)


def _on_demand_check(case: Case) -> Check:
    """An on-demand path is idle until it is read: its read, and the relay's word just after it, are the evidence."""
    name = case.target.path.name
    if case.relay.samples.get(name, (None, None)) == (None, None):
        return _unlisted(case)
    read = case.relay.reads.get(name)
    if read is None or not read.run:
        return not_checked(case.target.relay.id, read.error if read else "the path was not read")
    if read.after is not None and read.after.available and read.after.online and read.after.inbound_bytes > 0:
        return origin_check(case)
    if read.frame is not None:
        return not_checked(case.target.relay.id, "the relay did not say how the path was just after its read")
    if read.status == _UNAUTHORIZED:
        return _probe_refused(case, read)
    return _source_failure(case, Cause.SILENT, f"it did not start on demand: {read.error}")


def _unlisted(case: Case) -> Check:
    """Judge a path that MediaMTX does not know: drift, where drift was seen."""
    relay, name = case.target.relay.id, case.target.path.name
    if case.drift_of(relay):
        return failed(Layer.HOST, relay, Cause.DRIFT, f"the relay does not know {name}")
    return failed(Layer.RELAY, relay, Cause.UNKNOWN, f"the relay does not know {name}")


def _source_failure(case: Case, otherwise: Cause, detail: str) -> Check:
    """Judge by the log's last word about the source, which the Control API of 1.20 does not have."""
    if redirected := redirect_check(case):
        return redirected
    cause = otherwise
    for line in case.relay.errors.get(case.target.path.name, ()):
        known = next((c for pattern, c in _LOG_LINES if pattern.search(line)), None)
        if known is not None:
            cause, detail = known, line
            break
    match cause:
        case Cause.WRONG_PASSWORD | Cause.CAMERA_REFUSES | Cause.CAMERA_UNPLUGGED:
            return failed(case.device_layer, case.device_name, cause, detail)
        case Cause.SILENT:
            return failed(Layer.CAMERA, case.camera_name, cause, detail)
        case _:
            return failed(Layer.STREAM, case.target.path.name, cause, detail)


def read_check(case: Case) -> Check:
    """Check that a reader on the relay decoded the declared picture, without sound unless it was asked for."""
    relay, name = case.target.relay.id, case.target.path.name
    read = case.relay.reads.get(name)
    if read is None or not read.run:
        return not_checked(relay, read.error if read else "the path was not read")
    if read.frame is not None:
        picture = _picture_check(case, read.frame)
        return _sound_check(case, read) if picture.passed else picture
    if read.status == _UNAUTHORIZED:
        return _probe_refused(case, read)
    if read.status is not None:
        return _source_failure(case, Cause.UNKNOWN, read.error)
    # The source was started for this reader, who waited in vain: the camera answers, and sends no picture.
    if read.timed_out and case.target.path.on_demand:
        return failed(Layer.STREAM, name, Cause.SILENT, "no picture came while a reader waited")
    return failed(Layer.PICTURE, name, Cause.UNKNOWN, f"no key frame: {read.error}")


def _probe_refused(case: Case, read: Read) -> Check:
    detail = f"the relay refuses its own probe: {read.error}"
    return failed(Layer.RELAY, case.target.relay.id, Cause.UNKNOWN, detail)


def _picture_check(case: Case, frame: tuple[str, int, int]) -> Check:
    path = case.target.path
    declared = (path.codec, path.width, path.height)
    if frame == declared:
        return PASSED
    detail = "{} {}x{} instead of {} {}x{}".format(*frame, *declared)
    return failed(Layer.PICTURE, path.name, Cause.PICTURE_DIFFERS, detail)


def _sound_check(case: Case, read: Read) -> Check:
    """People in quarantine are filmed for an order of the ministry, not listened to: sound is off unless asked for."""
    path = case.target.path
    samples = (read.after, *case.relay.samples.get(path.name, ()))
    sound = sorted({codec for sample in samples if sample for codec in sample.codecs} & _SOUND)
    if not sound or path.audio:
        return PASSED
    hint = f"switch sound off on {case.device_name}, or write audio: true if it was asked for"
    detail = f"it carries {', '.join(sound)}: {hint}"
    return failed(Layer.STREAM, path.name, Cause.SENDS_SOUND, detail)


def centre_check(case: Case) -> Check:
    """Check the same at every monitoring centre of the carrier, through the tunnel, and that it arrives in full."""
    if not case.target.centres and not case.target.shut:
        return not_checked(case.target.relay.id, "no monitoring centre reads it")
    checks = [_one_centre(case, centre) for centre in case.target.centres]
    checks += [not_checked(centre.id, centre.reason) for centre in case.target.shut]
    # A failure says more than a centre about which nothing is known.
    return min(checks, key=lambda c: {False: 0, None: 1, True: 2}[c.passed])


def _one_centre(case: Case, centre: HostSpec) -> Check:
    host = case.hosts.get(centre.id)
    if host is None or host.outcome is CallOutcome.UNREACHABLE:
        return not_checked(centre.id, f"{centre.id} could not be reached", Cause.HOST_UNREACHABLE)
    if host.centre is None:
        return not_checked(centre.id, f"{centre.id}: {host.error}" if host.error else f"{centre.id} told nothing")
    read = host.centre.reads.get(case.target.relay.id, {}).get(case.target.path.name)
    if read is None or not read.run:
        return not_checked(centre.id, f"{centre.id}: {read.error if read else 'the path was not read'}")
    if read.frame is None:
        return _unread_at(case, centre, read)
    picture = _picture_check(case, read.frame)
    return delivered_check(case, centre, read) if picture.passed else picture


def _unread_at(case: Case, centre: HostSpec, read: Read) -> Check:
    relay, detail = case.target.relay.id, f"{centre.id}: {read.error}"
    if read.status is not None:
        return failed(Layer.RELAY, relay, Cause.CENTRE_CANNOT_READ, detail)
    if case.firewall_blocks("input", "centres", str(centre.tunnel.address)):
        return failed(Layer.FIREWALL, relay, Cause.FIREWALL, f"{relay} does not let {centre.id} in")
    return failed(Layer.TUNNEL, centre.id, Cause.CENTRE_CANNOT_READ, detail)
