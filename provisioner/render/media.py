"""Media paths and users as MediaMTX's file has them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from urllib.parse import quote

from provisioner.base.endpoint import endpoint_text
from provisioner.desired.spec import HubPath, MediaPath, PushedStream, PushEnd, StreamSource, User
from provisioner.render.quote import comment, flow, read_pattern, source_head, source_path, source_url


def path_settings(path: MediaPath) -> dict[str, object]:
    """A media path's settings as MediaMTX takes them."""
    if path.source is None:
        return _PUSHED
    return {"source": source_url(path.source)} | (_ON_DEMAND if path.on_demand else _PULLED)


_PULLED: Final[dict[str, object]] = {"rtspTransport": "tcp"}
# The start timeout is above readTimeout, else a camera that hangs leaves no line in the log.
_ON_DEMAND: Final[dict[str, object]] = {
    **_PULLED,
    "sourceOnDemand": True,
    "sourceOnDemandStartTimeout": "15s",
    "sourceOnDemandCloseAfter": "10s",
}
# Whoever has a path's password cannot cut the picture that is there to put another one in its place. A gateway whose
# line broke comes back once its dead connection has timed out, after readTimeout.
_PUSHED: Final[dict[str, object]] = {"source": "publisher", "overridePublisher": False}
_REST: Final = {True: flow(_ON_DEMAND)[1:], False: flow(_PULLED)[1:]}


def path_lines(paths: Iterable[MediaPath]) -> str:
    """Media paths' lines in MediaMTX's file: each its name, and its settings in YAML flow style.

    A country has two hundred thousand of them: what a device's streams have in common is quoted once.
    """
    known: dict[tuple[str, str], tuple[StreamSource, str]] = {}
    lines = []
    for path in paths:
        source, device = path.source, (path.facility, path.device)
        if source is None:
            lines.append(f"  {flow(path.name)}: {flow(_PUSHED)}\n")
            continue
        first = known.get(device)
        if first is None or not _is_of_one_device(first[0], source):
            first = known[device] = (source, source_head(source))
        url = first[1] + source_path(source)
        lines.append(f'  {flow(path.name)}: {{"source": {flow(url)}, {_REST[path.on_demand]}\n')
    return "".join(lines)


def pushed_lines(streams: Iterable[PushedStream]) -> str:
    """The paths' lines in the file of a gateway that pushes: each with the id of its device last, as a comment."""
    return "".join(
        f"  {flow(stream.path)}: {flow(_pushed_settings(stream))} # {comment(stream.device)}\n" for stream in streams
    )


def known_pairs(ends: Iterable[PushEnd]) -> tuple[tuple[str, str], ...]:
    """The certificates of each relay whose next one a gateway knows beside the present one: those two."""
    return tuple(sorted({(end.fingerprint, end.following) for end in ends if end.following}))


def _pushed_settings(stream: PushedStream) -> dict[str, object]:
    forward = [{"dest": _address_of(end, stream.path), "destFingerprint": end.fingerprint} for end in stream.ends]
    return {"source": source_url(stream.source)} | _PULLED | {"forward": forward}


def _address_of(end: PushEnd, path: str) -> str:
    login = f"{quote(end.user, safe='')}:{quote(end.password.reveal(), safe='')}"
    return f"rtsps://{login}@{endpoint_text(*end.endpoint)}/{quote(path)}"


def hub_settings(path: HubPath) -> dict[str, object]:
    """A hub's path's settings as MediaMTX takes them: it is pulled while somebody reads it."""
    pinned = {"sourceFingerprint": path.fingerprint} if path.fingerprint else {}
    return {"source": path.source.reveal()} | pinned | _ON_DEMAND


def hub_lines(paths: Iterable[HubPath]) -> str:
    """A hub's paths' lines in MediaMTX's file."""
    return "".join(f"  {flow(path.name)}: {flow(hub_settings(path))}\n" for path in paths)


def _is_of_one_device(one: StreamSource, other: StreamSource) -> bool:
    """Whether two sources have all but the path in common; the same values are the same objects."""
    same = one.address is other.address and one.password is other.password
    return same and (one.port, one.username) == (other.port, other.username)


def user_settings(user: User) -> dict[str, object]:
    """A user's entry in `authInternalUsers`."""
    return {
        "user": user.name,
        "pass": user.secret_hash,
        "ips": list(user.addresses),
        "permissions": _permissions(user),
    }


def _permissions(user: User) -> list[dict[str, str]]:
    if user.action == "publish":
        return [{"action": "publish", "path": user.publishes}]
    if user.action != "read":
        return [{"action": user.action}]
    return [{"action": "read", "path": path} for path in map(read_pattern, user.reads)] or [_ANY_PATH]


_ANY_PATH: Final[dict[str, str]] = {"action": "read", "path": ""}
