"""Checks that a stream arrives in full and to its end. Pure.

docs/internals/verify.md has the witnesses of a shortage. A slow line keeps delivering, late or in part; a camera that
hangs sends no bytes over its open connection.
"""

from collections.abc import Iterable, Sequence

from provisioner.base.groups import grouped
from provisioner.base.text import counted, msg
from provisioner.desired.readers import centre_user
from provisioner.desired.spec import HostSpec, MediaPath
from provisioner.hosts.answers import wire
from provisioner.verify.case import PASSED, Case, Check, failed
from provisioner.verify.evidence import Read
from provisioner.verify.network import arrivals_at, centre_line_check, site_line_check, sources_at
from provisioner.verify.result import Cause, Layer

# A silent end of a look counts from this length, or this share of a longer look. Late pictures are late by less.
_END_S, _END_SHARE = 1.5, 0.4
# So many of the usual steps: of a camera that sends a picture every few seconds the next one may be due.
_END_STEPS = 5
# A network that loses packets may hold a stream up for a second or two.
_STOOD_STILL_S = 3.0
# A vain wait for a key frame lasts longer than this, for a camera with one every ten seconds.
_LONG_S = 8.0
# Cameras with a key frame every 12 s are healthy.
_RARE_KEY_S = 12.5
# If so large a part of a site's other streams suffers alike, the line of the site is the cause.
_OF_SITE = 1 / 3

# A shorter look is no evidence: one key picture more or less is a third of it.
_SHORTEST_S = 2.5
# Allowance for a reader's start, a burst and a busy host; a share of a long look.
_SLACK_S, _SLACK_SHARE = 1.0, 0.15
# So little is enough for a stream to be short if its site's line is known to be too slow.
_LITTLE_S = 0.3
# A path whose relay received that much more than its reader saw was read by a slow reader.
_SLOW_READER = 0.6
# From one picture to the next: longer than this many usual steps, some were left out.
_GAP = 1.5
# Share of packets out of order. Measured: 0 on a sufficient line, 2 % on a host so busy that it drops packets itself,
# 50 % on a line with 40 % of the needed rate.
_DISORDERED = 0.03
# Share of packets that the sender repeats: up to 4 % on a line without loss (measured).
_AGAIN = 0.15
# So much of a stream waits in a connection that is too slow; a key picture on its way is less.
_WAITING_S = 0.5
_WAITING_BYTES = 8 * 1024
# Share of packets that MediaMTX discards: 0 on a sufficient line.
_DISCARDED = 0.01
_UNREAD = 0.5

_LINE = "the line between them is too slow"


def stopped_check(case: Case) -> Check | None:
    """Return the failure of a camera that stopped sending, if any."""
    picture = _picture_of(case.relay.reads.get(case.target.path.name))
    if picture is None or not ends_early(picture) or not _stood_still(case, case.target.path, _STOOD_STILL_S):
        return None
    if _is_of_site(case):
        return None
    sent_s, silent_s = picture["packets"]["arrived_s"], _end_s(picture)
    detail = msg("it sent {came_s} s of picture, then no picture for {nothing_s} s", f"{sent_s:.0f}", f"{silent_s:.0f}")
    return failed(Layer.CAMERA, case.camera_name, Cause.SILENT, detail)


def stops(case: Case) -> bool:
    """Return whether the relay received no bytes for longer than readers wait."""
    return case.ends["stopped"] > 0 or (_stood_still(case, case.target.path, _LONG_S) and not _is_of_site(case))


def ends_early(picture: wire.PictureAnswer) -> bool:
    """Return whether pictures came in time, then none until the end."""
    packets = picture["packets"]
    in_time = packets["arrived_s"] <= packets["span_s"] + packets["step_s"] + _END_S
    return in_time and _end_s(picture) > max(_END_S, _END_SHARE * picture["looked_s"], _END_STEPS * packets["step_s"])


def _end_s(picture: wire.PictureAnswer) -> float:
    return picture["looked_s"] - picture["packets"]["arrived_s"]


def _stood_still(case: Case, path: MediaPath, seconds: float) -> bool:
    flow = case.relay.deliveries["flows"].get(path.name) if case.relay.deliveries else None
    return flow is not None and flow["still_s"] >= seconds


def _is_of_site(case: Case) -> bool:
    flows = case.relay.deliveries["flows"] if case.relay.deliveries else {}
    siblings = [path for path in case.of_site if path.device != case.target.path.device]
    measured = [path for path in siblings if path.name in flows and flows[path.name]["seconds"] > 0]
    stopped = [path for path in measured if _stood_still(case, path, _STOOD_STILL_S)]
    return bool(stopped) and len(stopped) >= _OF_SITE * len(measured)


def delivered_s(picture: wire.PictureAnswer, fps: int | None = None) -> float:
    """Return the delivered seconds of a stream, without late and dropped pictures.

    The agreed rate also reveals that most pictures were dropped, unless they come at even steps.
    """
    packets = picture["packets"]
    step = packets["step_s"]
    if fps and packets["longest_s"] > _GAP * step:
        step = min(step, 1 / fps)
    return min(packets["span_s"] + packets["step_s"], packets["count"] * step)


def is_short(picture: wire.PictureAnswer, fps: int | None = None, slack_s: float = _SLACK_S) -> bool:
    """Return whether clearly less of a stream came than the look's duration."""
    if picture["looked_s"] < _SHORTEST_S:
        return False
    # The picture that would have come next may be missing of any look.
    slack_s = max(slack_s, _SLACK_SHARE * picture["looked_s"]) + picture["packets"]["step_s"]
    return picture["looked_s"] - delivered_s(picture, fps) > slack_s


def rare_key_check(case: Case) -> Check | None:
    """Return the failure of rare key frames, if a reader saw it.

    A wait is one for a key frame only if the relay received the stream meanwhile, and if the relay's own reader waited,
    too: who reads over a slow line waits for other reasons.
    """
    every = [read.keys for read in case.reads if read.keys]
    between_s, without_s, waited_s = (
        max((keys[name] for keys in every), default=0.0) for name in ("between_s", "without_s", "waited_s")
    )
    if without_s <= _RARE_KEY_S and (waited_s <= _RARE_KEY_S or not _waits_for_key(case)):
        return None
    if between_s > _RARE_KEY_S:
        detail = msg("key frames come every {seconds} s", f"{between_s:.0f}")
    elif any(read.frame for read in case.reads):
        detail = msg("no key frame came for {seconds} s", f"{max(without_s, waited_s):.0f}")
    else:
        # Whether one ever comes takes a full look.
        detail = msg("no key frame came for {seconds} s: they are rarer, or there is none", f"{waited_s:.0f}")
    return failed(Layer.CAMERA, case.camera_name, Cause.KEY_FRAMES_RARE, detail)


def _waits_for_key(case: Case) -> bool:
    flow = case.relay.deliveries["flows"].get(case.target.path.name) if case.relay.deliveries else None
    flows = bool(case.flowed) if flow is None else flow["bytes"] > 0 and flow["still_s"] < _STOOD_STILL_S
    here = case.relay.reads.get(case.target.path.name)
    waited = here is None or not here.run or (here.keys is not None and here.keys["waited_s"] > _RARE_KEY_S)
    return flows and waited and not site_line_check(case)


# --- from the site --------------------------------------------------------------------------------
def received_check(case: Case) -> Check:
    """Check that a stream reaches its relay in full, to the end."""
    return site_line_check(case) or stopped_check(case) or _short_delivery_check(case)


def _short_delivery_check(case: Case) -> Check:
    """Check whether the relay gets fewer pictures than its site's other streams."""
    picture = _picture_of(case.relay.reads.get(case.target.path.name))
    if picture is None or not _lacks_here(case, case.target.path.name, picture, _LITTLE_S):
        return PASSED
    names = [path.name for path in case.of_site]
    siblings = {
        name: sibling
        for name in names
        if name != case.target.path.name and (sibling := _picture_of(case.relay.reads.get(name)))
    }
    short = [name for name, sibling in siblings.items() if _lacks_here(case, name, sibling)]
    if not is_short(picture, case.path_as_decoded.fps) and len(short) < max(1, _OF_SITE * len(siblings)):
        return PASSED
    part = _delivered_text(picture)
    if siblings and not short:
        if not _is_late(picture):
            # Pictures at uneven steps from one camera alone: some do that by themselves.
            return PASSED
        detail = msg("{part} came from it, while the other streams of its site come in full", part)
        return failed(case.device_layer, case.device_name, Cause.STARVED, detail)
    if not _is_late(picture) and not short and not _is_disordered(case):
        return PASSED
    affected = (
        (", " + msg("so with {lacking} of {other_streams}", len(short), counted(len(siblings), "other stream")))
        if short
        else ""
    )
    detail = msg(
        "{part} came over the site's line to {id}{many}: it is too slow, or somebody fills it",
        part,
        case.target.relay.id,
        affected,
    )
    return failed(Layer.SITE, case.target.path.facility, Cause.STARVED, detail)


def _picture_of(read: Read | None) -> wire.PictureAnswer | None:
    return read.picture if read is not None else None


def _lacks_here(case: Case, name: str, picture: wire.PictureAnswer, slack_s: float = _SLACK_S) -> bool:
    """Return whether a stream is short, without a slow reader."""
    flow = case.relay.deliveries["flows"].get(name) if case.relay.deliveries else None
    return is_short(picture, slack_s=slack_s) and not _was_slow(picture, flow)


def _was_slow(picture: wire.PictureAnswer, flow: wire.FlowAnswer | None) -> bool:
    if flow is None or not flow["seconds"] or not picture["looked_s"]:
        return False
    return picture["packets"]["bytes"] / picture["looked_s"] < _SLOW_READER * flow["bytes"] / flow["seconds"]


def _is_late(picture: wire.PictureAnswer) -> bool:
    late_s = picture["looked_s"] - picture["packets"]["span_s"] - picture["packets"]["step_s"]
    return late_s > max(_SLACK_S, _SLACK_SHARE * picture["looked_s"])


def _is_disordered(case: Case) -> bool:
    return _are_disordered(source for source in sources_at(case) if source["port"] == case.device[1])


def _are_disordered(arrivals: Iterable[wire.ArrivalAnswer]) -> bool:
    arrived = list(arrivals)
    return sum(arrival["disordered"] for arrival in arrived) > _DISORDERED * max(
        1, sum(arrival["segments"] for arrival in arrived)
    )


# --- to the centre --------------------------------------------------------------------------------
def delivered_check(case: Case, centre: HostSpec, read: Read) -> Check:
    """Check that a stream reaches a centre in full, for all readers."""
    relay, name, deliveries = case.target.relay.id, case.target.path.name, case.relay.deliveries
    if deliveries is None:
        return PASSED
    if lossy := centre_line_check(case, centre):
        return lossy
    by_reader = case.of_relay("readers", lambda: grouped(deliveries["readers"], lambda one: (one["path"], one["user"])))
    sessions = by_reader[name, centre_user(centre.id)]
    relay_picture, centre_picture = _picture_of(case.relay.reads.get(name)), _picture_of(read)
    if (
        centre_picture is not None
        and is_short(centre_picture)
        and not (relay_picture is not None and is_short(relay_picture))
    ):
        if _slow_at(case, centre, sessions, centre_picture):
            detail = msg(
                "{there} was read at {id}: its readers are too slow", _delivered_text(centre_picture), centre.id
            )
            return failed(Layer.HOST, centre.id, Cause.STARVED, detail)
        if _is_congested(case, centre, sessions, centre_picture):
            detail = msg(
                "{there} came to {id}, and all of it to {relay}{sessions}: {line}",
                _delivered_text(centre_picture),
                centre.id,
                relay,
                _discarded_text(sessions),
                _LINE,
            )
            return failed(Layer.RELAY, relay, Cause.STARVED, detail)
    losing = [session for session in sessions if _loses(session) and not _is_unread(session)]
    if losing:
        detail = msg(
            "{relay} throws pictures away on their way to {id}{losing}: {line}",
            relay,
            centre.id,
            _discarded_text(losing),
            _LINE,
        )
        return failed(Layer.RELAY, relay, Cause.STARVED, detail)
    return PASSED


def _slow_at(
    case: Case, centre: HostSpec, sessions: Sequence[wire.DeliveryAnswer], picture: wire.PictureAnswer
) -> bool:
    """Return whether a centre's own readers are too slow: data waits there."""
    arrivals = arrivals_at(case, centre)
    unread = case.of_relay(
        ("unread", centre.id), lambda: {arrival["own_port"]: arrival["waiting"] for arrival in arrivals}
    )
    return any(
        _is_unread(connection) or unread.get(connection["port"], 0) > _waiting_bytes(picture) for connection in sessions
    )


def _is_unread(session: wire.DeliveryAnswer) -> bool:
    return session["unread_s"] > _UNREAD * session["busy_s"] and session["unread_s"] > _WAITING_S


def _is_congested(
    case: Case, centre: HostSpec, sessions: Sequence[wire.DeliveryAnswer], picture: wire.PictureAnswer
) -> bool:
    """Return whether data waits, is resent or disordered on the line."""
    if any(
        session["waiting"] > _waiting_bytes(picture)
        or session["again"] > _AGAIN * session["sent"]
        or session["discarded"]
        for session in sessions
    ):
        return True
    return case.of_relay(("disordered", centre.id), lambda: _are_disordered(arrivals_at(case, centre)))


def _waiting_bytes(picture: wire.PictureAnswer) -> float:
    """Return the bytes of half a second, at least 8 KiB."""
    return max(_WAITING_BYTES, _WAITING_S * picture["packets"]["bytes"] / max(delivered_s(picture), _WAITING_S))


def _loses(session: wire.DeliveryAnswer) -> bool:
    return session["discarded"] > _DISCARDED * (session["packets"] + session["discarded"])


def _discarded_text(sessions: Iterable[wire.DeliveryAnswer]) -> str:
    losing = [session for session in sessions if session["discarded"]]
    if not losing:
        return ""
    discarded, seconds = sum(session["discarded"] for session in losing), max(session["seconds"] for session in losing)
    return " " + msg(
        "({packets} to {readers} in {seconds} s)",
        counted(discarded, "packet"),
        counted(len(losing), "reader"),
        f"{seconds:.0f}",
    )


def _delivered_text(picture: wire.PictureAnswer) -> str:
    return msg("{seen} s of {looked_s} s of picture", f"{delivered_s(picture):.1f}", f"{picture['looked_s']:.1f}")
