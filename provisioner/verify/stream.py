"""Checks of streams at the relay, and of pictures from readers. Pure."""

import re

from provisioner.base.text import msg
from provisioner.desired.spec import RTSP_PORT, RTSPS_PORT, HostSpec
from provisioner.hosts.answers import wire
from provisioner.hosts.facts import ElementSet, SetElement
from provisioner.hosts.runner import CallOutcome
from provisioner.verify import sources, words
from provisioner.verify.case import PASSED, READ_TIMEOUT_S, Case, Check, failed, not_checked
from provisioner.verify.delivery import delivered_check, ends_early, is_short, rare_key_check, received_check, stops
from provisioner.verify.devices import chain_name
from provisioner.verify.evidence import LONGEST_S, CentreEvidence, Read, codecs_in, is_pulled_elsewhere
from provisioner.verify.network import centre_line_check, dropped, site_line_check
from provisioner.verify.result import OF_DEVICE, STALLED, Cause, Finding, Layer

# MediaMTX's words for why a source is down (measured on 1.20.1); the first that fits counts.
_LOG_LINES: tuple[tuple[re.Pattern[str], Cause], ...] = (
    (re.compile(r"^bad status code: 401\b"), Cause.WRONG_PASSWORD),
    (re.compile(r"bad status code: (404|400|454|451)\b|not found", re.IGNORECASE), Cause.NO_SUCH_STREAM),
    (re.compile(r"connection refused|bad status code: 453\b"), Cause.CAMERA_REFUSES),
    (
        re.compile(r"bad status code: \d{3}\b|setup authentication|Content-Type header|invalid (?:SDP|status|header)"),
        Cause.WRONG_ANSWER,
    ),
    (re.compile(r"no route to host|network is unreachable"), Cause.CAMERA_UNPLUGGED),
    (re.compile(r"request timed out", re.IGNORECASE), Cause.CAMERA_HUNG),
    (re.compile(r"TCP timeout|timed out|i/o timeout", re.IGNORECASE), Cause.SILENT),
)
# Answers of a device that are not RTSP, by `kind` of `wire.SaidAnswer`.
_KINDS: dict[str, tuple[Cause, str]] = {
    "nothing": (Cause.CAMERA_HUNG, "takes the connection and does not answer"),
    "closed": (Cause.WRONG_ANSWER, "takes the connection and closes it: too many viewers, or viewers are not allowed"),
    "slow": (Cause.CAMERA_HUNG, "begins an answer and does not end it within 3 s"),
    "http": (Cause.WRONG_ANSWER, "is a web server and no RTSP: inventory or map have the wrong port"),
    "tls": (Cause.WRONG_ANSWER, "is encrypted (RTSPS) and no RTSP: inventory or map have the wrong port"),
    "other": (Cause.WRONG_ANSWER, "answers and is no RTSP: another service has the port"),
}
_STATUS = re.compile(r"^bad status code: \d{3}\b")
_SERVER_FAILED = 500
_MEDIA = frozenset({"video", "audio", "application", "text"})
# So often a stream ended within the log's last minute and a half: it does so again and again.
_MANY_ENDS = 2
# The latest end in front of a verification's reader; MediaMTX ends a silent stream so much later than it fell silent.
_SOON_S = LONGEST_S + READ_TIMEOUT_S
# Who waits for a key frame for longer than that need not expect one.
_NEVER_S = 60.0
# Who sent for less than that before MediaMTX ended its stream sent nothing.
_SENT_S = 1.0

_UNAUTHORIZED = 401
_NAMED = 3
_NOT_READ_HERE = "its centre did not get all of it, and it was not read on the relay"
_STOPPED = "its stream stopped while somebody waited for a picture"
# MediaMTX's names of sound (1.20.1). It forwards every track of a source and cannot leave one out.
_SOUND = frozenset(
    {
        *("Opus", "FLAC", "Vorbis", "MPEG-4 Audio", "MPEG-4 Audio LATM", "MPEG-1/2 Audio", "AC3", "Speex"),
        *("G726", "G722", "G711", "LPCM"),
    }
)


# Its names of pictures.
_PICTURES = frozenset(
    {"H264", "H265", "AV1", "VP8", "VP9", "M-JPEG", "MPEG-4 Video", "MPEG-1/2 Video", "MPEG-1 Video", "MPEG-2 Video"}
)
_ABSENT = frozenset({400, 404})


def relay_check(case: Case) -> Check:
    """Check that MediaMTX receives the path's stream from the camera itself.

    It has to be available and online, with growing inbound bytes. `online` alone is true for a dead camera, and
    `available` for a silent one (measured on 1.20.1).
    """
    relay = case.target.relay.id
    if case.relay.unit not in {"active", "unknown"}:
        return failed(Layer.RELAY, relay, Cause.RELAY_STOPPED, msg("the relay's service is {unit}", case.relay.unit))
    if case.relay.service is not None and not case.relay.service["listens"]:
        return failed(Layer.RELAY, relay, Cause.RELAY_STOPPED, "its service runs and takes no readers")
    if case.relay.api_error:
        return _api_silent(case)
    if case.target.path.access.is_pushed:
        return _unlisted_check(case) if _is_unlisted(case) else sources.pushed_check(case)
    if _ends_again(case) and not _is_unlisted(case):
        return source_failure(case, Cause.SILENT, msg("its stream stopped {stalls} times within 90 s", _ends(case)))
    return _on_demand_check(case) if case.target.path.on_demand else _pulled_check(case)


def _api_silent(case: Case) -> Check:
    """Judge a silent Control API: down if readers fail too, else unknown."""
    relay, why = case.target.relay.id, words.of_probe(case.relay.api_error)
    if case.of_relay(("serves_nobody", *(centre.id for centre in case.target.centres)), lambda: _answers_nobody(case)):
        return failed(Layer.RELAY, relay, Cause.RELAY_STOPPED, msg("its service runs and does not answer: {why}", why))
    return not_checked(relay, why, Cause.CANNOT_CHECK)


def _answers_nobody(case: Case) -> bool:
    at_relay = [read for read in case.relay.reads.values() if read.run]
    centres = (case.hosts[c.id].centre for c in case.target.centres if c.id in case.hosts)
    at_centres = [
        read for centre in centres if centre for read in centre.reads.get(case.target.relay.id, {}).values() if read.run
    ]
    return bool(at_relay) and not any(read.frame or read.status is not None for read in (*at_relay, *at_centres))


def _is_unlisted(case: Case) -> bool:
    return case.relay.samples.get(case.target.path.name, (None, None)) == (None, None)


def _pulled_check(case: Case) -> Check:
    first, second = case.relay.samples.get(case.target.path.name, (None, None))
    if first is None and second is None:
        return _unlisted_check(case)
    if first is None or second is None:
        return not_checked(case.target.relay.id, "there are not two samples of the path")
    if second["available"] and second["online"] and case.flowed:
        return _origin_check(case)
    if sources.began_anew(first, second):
        return not_checked(case.target.relay.id, sources.ANEW)
    detail = "the device sends no data" if second["available"] else "the relay gets no stream of it"
    return source_failure(case, Cause.SILENT if second["available"] else Cause.UNKNOWN, detail)


def _ends(case: Case) -> int:
    return case.ends["stopped"] + case.ends["closed"]


def _ends_again(case: Case) -> bool:
    """Return whether the stream ends again and again.

    One on demand starts only for a reader, so that a single end, soon after its start, was in front of one.
    """
    lasted_s = case.ends["lasted_s"]
    is_soon = case.target.path.on_demand and lasted_s is not None and lasted_s <= _SOON_S
    return _ends(case) >= (1 if is_soon else _MANY_ENDS)


def _cause_by_ending(case: Case) -> tuple[Cause, str] | None:
    """Return the failure of a stream that ends again and again."""
    lasted_s, stopped = case.ends["lasted_s"], case.ends["stopped"] > case.ends["closed"]
    # A refusal after the last end is what the device says now.
    refused = any(_STATUS.search(line) for line in case.relay.errors.get(case.target.path.name, ()))
    if refused or not _ends_again(case) or lasted_s is None:
        return None
    if not stopped:
        return Cause.STREAM_ENDS, msg("the camera ends the stream {seconds} s after each start", f"{lasted_s:.0f}")
    if (sent_s := lasted_s - READ_TIMEOUT_S) < _SENT_S:
        return None
    return Cause.STREAM_ENDS, msg("it freezes {seconds} s after each start", f"{sent_s:.0f}")


def _on_demand_check(case: Case) -> Check:
    """Check an on-demand path by its read and its state afterwards."""
    name = case.target.path.name
    if case.relay.samples.get(name, (None, None)) == (None, None):
        return _unlisted_check(case)
    read, pulled = case.read, case.relay.pulled(name)
    if read is None or not read.run:
        return _not_read(case.target.relay.id, read)
    if (
        pulled is not None
        and pulled["after"]["available"]
        and pulled["after"]["online"]
        and pulled["after"]["inbound_bytes"] > 0
    ):
        return _origin_check(case)
    if read.frame is not None or case.is_of_centre:
        gone = "a reader got a picture of it, and just after that the relay had no stream of it"
        reason = "the relay did not say how the path was just after its read" if pulled is None else gone
        lossy = site_line_check(case) if read.frame else None
        return lossy or not_checked(case.target.relay.id, reason if read.frame else _NOT_READ_HERE)
    if read.status == _UNAUTHORIZED:
        return _probe_refused(case)
    return source_failure(case, Cause.SILENT, "it gave a reader no picture")


def _unlisted_check(case: Case) -> Check:
    relay, name = case.target.relay.id, case.target.path.name
    if case.drift_of(relay):
        return failed(Layer.HOST, relay, Cause.DRIFT, msg("the relay does not know {name}", name))
    return failed(Layer.RELAY, relay, Cause.UNKNOWN, msg("the relay does not know {name}", name))


def source_failure(case: Case, otherwise: Cause, detail: str) -> Check:
    """Judge a source without a picture from evidence, or as `otherwise`."""
    if case.target.path.access.is_pushed:
        return _pushed_failure(case)
    return sources.drifted_check(case) or sources.redirect_check(case) or _source_failure(case, otherwise, detail)


def _origin_check(case: Case) -> Check:
    """Check whose picture it is, or whether a changed line explains it."""
    drifted = sources.drifted_check(case) if is_pulled_elsewhere(case.target.path, case.facts) else None
    found = drifted or sources.origin_check(case)
    return (site_line_check(case) or found) if found.passed is None else found


def _pushed_failure(case: Case) -> Check:
    failure = _cause_by_offer(case)
    return failed(Layer.STREAM, case.target.path.name, *failure) if failure else sources.unpushed(case)


def _source_failure(case: Case, otherwise: Cause, detail: str) -> Check:
    """Judge a pulled source; the most direct evidence decides.

    That is what the stream offers, then the device's own answer, then how the stream ends, then the relay's log. A
    cause that the line to the site explains is the line's.
    """
    cause, detail = (
        _cause_by_offer(case)
        or _cause_by_answer(case)
        or _cause_by_ending(case)
        or _cause_by_log(case)
        or (otherwise, detail)
    )
    if cause is Cause.CAMERA_HUNG and _serves_others(case):
        cause, detail = Cause.SILENT, "the device sends another stream, and does not answer for this one"
    if cause in STALLED and (size := case.relay.closer.too_large(case.device[0])):
        return too_large(case.target.path.facility, size)
    if cause in STALLED and (line_loss := site_line_check(case)):
        return line_loss
    if cause in OF_DEVICE:
        return failed(case.device_layer, case.device_name, cause, detail)
    if cause in {Cause.SILENT, Cause.STREAM_ENDS}:
        return failed(Layer.CAMERA, case.camera_name, cause, detail)
    return failed(Layer.STREAM, case.target.path.name, cause, detail)


def _serves_others(case: Case) -> bool:
    siblings = (path for path in case.of_device if path.name != case.target.path.name)
    pairs = (case.relay.samples.get(path.name, (None, None)) for path in siblings)
    return any(first and second and second["inbound_bytes"] > first["inbound_bytes"] for first, second in pairs)


def _cause_by_offer(case: Case) -> tuple[Cause, str] | None:
    """Return the failure of a stream without a picture track, if any."""
    pulled = case.relay.pulled(case.target.path.name)
    samples = (pulled["after"] if pulled else None, *reversed(case.relay.samples.get(case.target.path.name, ())))
    codecs = next((codecs for sample in samples if sample and (codecs := codecs_in(sample))), [])
    if not codecs or set(codecs) & _PICTURES:
        return None
    content = "sound alone" if set(codecs) <= _SOUND else "nothing that is a picture"
    return Cause.WRONG_ANSWER, msg("its stream carries {what} ({codecs})", content, ", ".join(codecs))


def _cause_by_answer(case: Case) -> tuple[Cause, str] | None:
    """Return the cause in the device's own answer, if any."""
    if case.reply is None:
        return None
    cause, text = _KINDS.get(case.reply["kind"]) or _by_rtsp_answer(case.reply)
    return (cause, f"{case.where} {text}") if cause is not Cause.NONE else None


def _by_rtsp_answer(answer: wire.DeviceReplyAnswer) -> tuple[Cause, str]:
    if answer["status"] is not None and answer["status"] >= _SERVER_FAILED:
        return Cause.WRONG_ANSWER, msg("fails inside (RTSP status {status})", answer["status"])
    media = [kind for kind in answer["media"] if kind in _MEDIA]
    if media and "video" not in media:
        return Cause.WRONG_ANSWER, msg("offers {media} and no picture", ", ".join(media))
    return Cause.NONE, ""


def _cause_by_log(case: Case) -> tuple[Cause, str] | None:
    """Return the cause in the log; MediaMTX 1.20's API has no reason."""
    for line in case.relay.errors.get(case.target.path.name, ()):
        cause = next((c for pattern, c in _LOG_LINES if pattern.search(line)), None)
        if cause is Cause.WRONG_PASSWORD and case.device in case.relay.logins_taken:
            detail = "it takes its login, and calls each challenge of MediaMTX stale"
            hint = "renew its firmware, or set its RTSP login to Basic"
            return Cause.WRONG_ANSWER, f"{detail}: {hint}"
        if cause is not None:
            return cause, words.of_source(line)
    return None


def too_large(name: str, size: int) -> Check:
    """Return the failure of a tunnel that passes only small packets."""
    detail = msg("packets of {size} bytes do not come through the tunnel, small ones do", size)
    return failed(Layer.TUNNEL, name, Cause.PACKETS_TOO_LARGE, detail)


def read_check(case: Case) -> Check:
    """Check that a reader decoded the declared picture, without sound unless allowed.

    A full read at a centre proves the relay's picture. A missing or partial one says little about the relay.
    """
    relay, read = case.target.relay.id, case.read
    if read is None or not read.run:
        return _not_read(relay, read)
    picture = read.picture
    if case.is_of_centre and (read.frame is None or picture is None or is_short(picture) or ends_early(picture)):
        return not_checked(relay, _NOT_READ_HERE)
    return _unread_check(case, read) if read.frame is None else _decoded_check(case, read.frame)


def _decoded_check(case: Case, frame: tuple[str, int, int]) -> Check:
    picture = _picture_check(case, frame)
    return _sound_check(case) if picture.passed else picture


def _unread_check(case: Case, read: Read) -> Check:
    """Judge a read on the relay without a picture."""
    if read.status == _UNAUTHORIZED:
        return _probe_refused(case)
    if read.status is not None or _cause_by_offer(case):
        return source_failure(
            case, Cause.UNKNOWN, msg("a reader on the relay: {status}", words.of_read(read.status, read.error))
        )
    if undecodable := _undecodable_check(case, read):
        return undecodable
    # The source was started for this reader, who waited in vain: the camera answers, and sends no picture.
    if read.timed_out and case.target.path.on_demand:
        return source_failure(case, Cause.SILENT, "no picture came while a reader waited")
    if stops(case):
        return source_failure(case, Cause.SILENT, _STOPPED)
    cause, detail = Cause.CORRUPT, "all of its pictures are damaged: none could be decoded"
    if not words.is_damaged(read.error):
        cause, detail = Cause.UNKNOWN, msg("a reader got no picture: {words}", words.of_read(None, read.error))
    finding = Finding(cause, Layer.PICTURE, case.target.path.name, detail, has_frame=False)
    return site_line_check(case) or Check(passed=False, finding=finding)


def _undecodable_check(case: Case, read: Read) -> Check | None:
    """Return the failure of a stream that could not be decoded."""
    path = case.target.path
    if codec := words.other_codec(read.error):
        agreed = f"{path.codec} {path.width}x{path.height}"
        return failed(Layer.PICTURE, path.name, Cause.PICTURE_DIFFERS, msg("{came} instead of {agreed}", codec, agreed))
    if missing := words.missing_sets(read.error):
        detail = msg("its stream never has its {sets}, so no viewer can decode it", missing)
        return failed(Layer.CAMERA, case.camera_name, Cause.WRONG_ANSWER, detail)
    rare = rare_key_check(case) if read.keys is not None and read.timed_out else None
    waited_s = max(read.keys["without_s"], read.keys["waited_s"]) if read.keys is not None else 0.0
    # A picture anywhere proves that there are key frames; else a minute without one is enough.
    if rare is None or waited_s < _NEVER_S or any(other.frame for other in case.reads):
        return rare
    detail = msg("its stream flows, and no key frame came in {seconds} s", f"{waited_s:.0f}")
    return failed(Layer.CAMERA, case.camera_name, Cause.WRONG_ANSWER, detail)


def _not_read(host: str, read: Read | None) -> Check:
    """Return the outcome of a skipped read: no time, or unable."""
    if read is None:
        return not_checked(host, "the path was not read")
    cause = Cause.NOT_CHECKED if words.is_for_time(read.error) else Cause.CANNOT_CHECK
    return not_checked(host, words.of_probe(read.error), cause)


def _probe_refused(case: Case) -> Check:
    """Return the outcome of a probe whose login the relay refused."""
    detail = "the relay refuses the login of its own probe: its file or the probe's password was changed by hand"
    return not_checked(case.target.relay.id, detail, Cause.CANNOT_CHECK)


def _picture_check(case: Case, frame: tuple[str, int, int]) -> Check:
    path = case.target.path
    expected = path.with_former_picture(frame)
    if frame == (expected.codec, expected.width, expected.height):
        return PASSED
    declared = (path.codec, path.width, path.height)
    received, agreed = ("{} {}x{}".format(*picture) for picture in (frame, declared))
    detail = msg("{came} instead of {agreed}", received, agreed)
    if path.former is not None:
        detail = msg("{came} instead of {agreed}, or {words} as before", received, agreed, path.former.words)
    return failed(Layer.PICTURE, path.name, Cause.PICTURE_DIFFERS, detail)


def _sound_check(case: Case) -> Check:
    """Check that a stream has no sound unless requested.

    People in quarantine are filmed by the ministry's order, which does not cover sound.
    """
    path = case.target.path
    pulled = case.relay.pulled(path.name)
    samples = (pulled["after"] if pulled else None, *case.relay.samples.get(path.name, ()))
    sound = sorted({codec for sample in samples if sample for codec in codecs_in(sample)} & _SOUND)
    if not sound or path.audio:
        return PASSED
    detail = msg("it carries {sound}, which was not asked for", ", ".join(sound))
    return failed(Layer.STREAM, path.name, Cause.SENDS_SOUND, detail)


#: The host's error if a relay shows another one (`playbooks/provisioner_host/relay/pinned_tls.py`).
ANOTHER_CERTIFICATE = "another certificate"


def centre_check(case: Case) -> Check:
    """Check that all centres read the stream in full, through the tunnel."""
    if not case.target.centres and not case.target.closed_centres:
        return not_checked(case.target.relay.id, "no monitoring centre reads it")
    checks = [_centre_read_check(case, centre) for centre in case.target.centres]
    checks += [not_checked(centre.id, centre.reason) for centre in case.target.closed_centres]
    # A failure is more specific than a centre with an unknown state.
    return min(checks, key=lambda c: {False: 0, None: 1, True: 2}[c.passed])


def _centre_read_check(case: Case, centre: HostSpec) -> Check:
    host = case.hosts.get(centre.id)
    if host is None or host.outcome is CallOutcome.UNREACHABLE:
        return not_checked(centre.id, msg("{id} could not be reached", centre.id), Cause.HOST_UNREACHABLE)
    if host.centre is None:
        return not_checked(centre.id, f"{centre.id}: {host.error or 'it sent no answer'}", Cause.CANNOT_CHECK)
    read = host.centre.reads.get(case.target.relay.id, {}).get(case.target.path.name)
    if read is None or not read.run:
        return _not_read(centre.id, read)
    if read.frame is None:
        return _undecodable_check(case, read) or _unread_at_centre(case, centre, host.centre, read)
    picture = _picture_check(case, read.frame)
    return delivered_check(case, centre, read) if picture.passed else picture


def _unread_at_centre(case: Case, centre: HostSpec, evidence: CentreEvidence, read: Read) -> Check:
    """Explain why a centre could not read the stream."""
    relay, name = case.target.relay.id, case.target.path.name
    reads = evidence.reads.get(relay, {}).values()
    comes = case.of_relay(("comes", centre.id), lambda: any(read.frame for read in reads))
    if (read.status is None or read.status in _ABSENT) and (short := _short_at_relay(case, comes=comes)):
        return short
    cut_off = read.status is None and not read.timed_out
    if name in case.relay.unsteady and (cut_off or read.status in _ABSENT):
        return not_checked(relay, msg("its picture came or went while {id} looked", centre.id))
    if refusal := _refusal_of(case, centre, evidence, read):
        return refusal
    if read.status is not None:
        detail = msg("{relay} gives {id} no picture: {status}", relay, centre.id, words.of_status(read.status))
        return failed(Layer.RELAY, relay, Cause.CENTRE_CANNOT_READ, detail)
    if case.firewall_blocks("input", SetElement(ElementSet.CENTRES, str(centre.tunnel.address))):
        return failed(
            Layer.FIREWALL,
            relay,
            Cause.FIREWALL,
            msg("the own rules of {relay} drop connections of {id}", relay, centre.id),
        )
    # A line without any packets does more than lose some.
    lossy = centre_line_check(case, centre) if comes else None
    unread = msg("{id} gets no picture: {why}", centre.id, words.of_read(None, read.error))
    return (
        _route_check(case, centre, evidence)
        or lossy
        or failed(Layer.TUNNEL, centre.id, Cause.CENTRE_CANNOT_READ, unread)
    )


def _refusal_of(case: Case, centre: HostSpec, evidence: CentreEvidence, read: Read) -> Check | None:
    """Return the failure of the relay or hub itself, if any."""
    relay, read_at = case.target.relay.id, centre.id if centre.hub else case.target.relay.id
    if ANOTHER_CERTIFICATE in read.error:
        detail = msg("{read_at} shows {id} another certificate than the recorded one", read_at, centre.id)
        return failed(Layer.RELAY, read_at, Cause.ANOTHER_CERTIFICATE, detail)
    if centre.hub is None or (read.status is None and _route_check(case, centre, evidence) is not None):
        return None
    why = words.of_read(read.status, read.error)
    detail = msg("the hub {id} pulls it from {relay} and does not serve it: {why}", centre.id, relay, why)
    return failed(Layer.RELAY, centre.id, Cause.HUB_CANNOT_SERVE, detail)


def _short_at_relay(case: Case, *, comes: bool) -> Check | None:
    """Return the failure of a short stream at the relay, if any.

    Without `comes` (the centre gets no picture), a partial stream is no explanation.
    """
    received = received_check(case)
    if received.finding and (comes or received.finding.cause is Cause.SILENT):
        return received
    return source_failure(case, Cause.SILENT, _STOPPED) if stops(case) else None


def _route_check(case: Case, centre: HostSpec, evidence: CentreEvidence) -> Check | None:
    """Return the failure of the connection from centre to relay, if known."""
    relay, address = case.target.relay, str(case.target.relay.tunnel.address)
    tls = case.target.relay.relay.tls if case.target.relay.relay else None
    endpoint = address, RTSPS_PORT if tls else RTSP_PORT
    if drop := evidence.closer.drop_of(endpoint) or evidence.closer.tunnel_drop:
        return dropped(drop, centre.id, msg("what goes to {id} and comes from it", relay.id), centre.names)
    outcome = evidence.routes.get(endpoint)
    if outcome == "ok" and (size := evidence.closer.too_large(address)):
        return too_large(centre.id, size)
    chains = sorted(
        {chain_name(chain) for chain in case.relay.closer.chains if chain["hook"] in {"input", "prerouting"}}
    )
    if outcome == "timeout" and chains and _packets_arrive(case, centre):
        named = " or ".join(chains[:_NAMED])
        detail = msg("foreign rules on {id} drop packets of {id_2}, perhaps {those}", relay.id, centre.id, named)
        return failed(Layer.FIREWALL, relay.id, Cause.FOREIGN_FIREWALL, detail)
    return None


def _packets_arrive(case: Case, centre: HostSpec) -> bool:
    """Return whether the relay received the centre's packets."""
    peers = case.target.relay.tunnel.peers
    peer = case.of_relay(("peer", centre.id), lambda: next((p for p in peers if p.name == f"centre/{centre.id}"), None))
    live = case.relay.tunnel["peers"].get(peer.public_key) if peer else None
    return live is not None and live["received_bytes"][1] > live["received_bytes"][0]
