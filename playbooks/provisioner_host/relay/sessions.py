"""Relay sessions: end revoked ones, list publishers (MediaMTX 1.20.1).

MediaMTX ends no session when its users change. It checks a session's user once, under the name that the reader gave.

For a refused publisher MediaMTX logs neither path nor user, only its address.
"""

from __future__ import annotations

import ipaddress
import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provisioner_host.machine.patterns import pattern
from provisioner_host.machine.shell import Failed
from provisioner_host.relay import quarantine, relay

if TYPE_CHECKING:
    from provisioner_host.wire import AddedAnswer, PublishingAnswer, PusherAnswer, ReaderAnswer, UserRightsAnswer

_ID = pattern(r"[0-9a-fA-F-]{36}")
# Read again until so long after the first look: a reader who was let in at the last moment shows a little later.
_PATIENCE_S = 10.0
_AGAIN_S = 0.2
_NAME = 60
_TCP = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_ESTABLISHED = "01"

Users = Mapping[str, list[dict[str, Any]]]  #: Entries of `authInternalUsers` by name; MediaMTX uses the first match.

_OPENED = pattern(r"\[RTSPS\] \[session ([0-9a-f]{8})\] created by (\S+):\d{1,5}")
_REFUSED = pattern(r"\[RTSPS\] \[session ([0-9a-f]{8})\] failed to authenticate: ")
_MOST, _MOST_ADDED = 1000, 20


def users_in(content: str) -> Users | None:
    """Return a relay file's users; `None` in a foreign form."""
    listed = relay.users_of(content)
    if listed is None:
        return None
    users: dict[str, list[dict[str, Any]]] = {}
    for user in listed:
        users.setdefault(str(user.get("user", "")), []).append(user)
    return users


def readers() -> list[ReaderAnswer] | None:
    """Return reader counts by user, address and path; `None` if unknown."""
    try:
        listed = relay.reader_sessions()
    except (Failed, FileNotFoundError):
        return None
    counted = Counter((_user(s), _address(s), str(s.get("path", ""))) for s in listed if s.get("state") == "read")
    return [{"user": u, "address": a, "path": p, "readers": n} for (u, a, p), n in sorted(counted.items())]


def added(names: Iterable[str]) -> AddedAnswer | None:
    """Return the running relay's paths and users that its file lacks.

    They came through the Control API, and go with the next change of the file. `None` if unknown.
    """
    content, listed = quarantine.live_file(), set(names)
    if quarantine.sentinel_in(content) not in listed:
        # It has not read this very file yet.
        return None
    written = {json.loads(line[1]) for line in map(relay.PATH_LINE.match, content.splitlines()) if line}
    try:
        in_file = list(map(_entry_of, relay.users_of(content) or ()))
        running = map(_entry_of, relay.api("/v3/config/global/get")["authInternalUsers"])
        users = [entry for entry in running if entry not in in_file]
    except (Failed, OSError, KeyError, TypeError, ValueError, AttributeError):
        users = []
    return {"paths": sorted(listed - written)[:_MOST_ADDED], "users": users[:_MOST_ADDED]}


def _entry_of(user: Mapping[str, Any]) -> UserRightsAnswer:
    rights = {f"{p['action']} {p.get('path') or ''}".rstrip() for p in user.get("permissions") or ()}
    networks = {str(ipaddress.ip_network(network, strict=False)) for network in user.get("ips") or ()}
    return {"user": str(user["user"]), "rights": sorted(rights), "ips": sorted(networks)}


def end_revoked(before: str, now: str) -> list[str]:
    """End sessions that the relay would refuse now; return notes.

    The caller knows that MediaMTX has read its file. Calls are sequential: two concurrent kicks, or a kick during a
    list, can crash MediaMTX 1.20.1, which changes the table under a read lock. `before` admitted the sessions, `now` is
    the present file. If a session goes on, `Failed` is raised.
    """
    old, new = users_in(before), users_in(now) or {}
    until = time.monotonic() + _PATIENCE_S
    listed = first = relay.reader_sessions()
    first_ids = {_id(session) for session in first}
    ended: dict[str, str] = {}
    while True:
        doomed = {_id(s): why for s in listed if (why := _why_not(s, old, new, first_ids))}
        # Whoever is about to be let in has no name yet: the next look has it.
        unnamed = any(not _user(session) for session in listed if _id(session) in first_ids)
        if not doomed and (not unnamed or listed is not first):
            return [f"ended {_sessions(n)} of {why}" for why, n in sorted(Counter(ended.values()).items())]
        if time.monotonic() > until:
            raise Failed(f"{_sessions(len(doomed))} goes on: of {next(iter(doomed.values()))}")
        families = {_id(session): str(session["family"]) for session in listed}
        for session in doomed:
            _end_session(session, families[session])
        ended |= doomed
        time.sleep(_AGAIN_S)
        listed = relay.reader_sessions()


def _why_not(session: dict[str, Any], old: Users | None, new: Users, known: set[str]) -> str:
    """Return a session's user and why it must end, or empty."""
    name = _user(session)
    if not name and session.get("state") not in {"read", "publish"}:
        return ""
    reader = name[:_NAME] if name in new or (old and name in old) else "somebody unknown"
    if name not in new and "any" not in new:
        return f"{reader}, who may not read any more"
    entries = new.get(name) or new["any"]
    former = None if old is None else old.get(name) or old.get("any")
    # Let in after MediaMTX had read its file: by the new secret.
    if _id(session) in known and _rights(former) != _rights(entries):
        return f"{reader}, whose secret or rights were replaced"
    if not any(_comes_from(_address(session), entry) for entry in entries):
        return f"{reader}, who may not come from {_address(session)}"
    return ""


def _rights(entries: list[dict[str, Any]] | None) -> list[dict[str, Any]] | None:
    return None if entries is None else [{k: v for k, v in entry.items() if k != "ips"} for entry in entries]


def _comes_from(address: str, entry: dict[str, Any]) -> bool:
    networks = entry.get("ips") or []
    if not networks or address in networks:
        return True
    try:
        at = ipaddress.ip_address(address)
        return any(at in ipaddress.ip_network(network, strict=False) for network in networks)
    except ValueError:
        return False


def _end_session(session: str, family: str) -> None:
    if _ID.fullmatch(session):
        try:
            relay.api(f"/v3/{family}/kick/{session}", method="POST")
        except Failed:
            return


def _id(session: dict[str, Any]) -> str:
    return str(session.get("id", ""))


def _user(session: dict[str, Any]) -> str:
    return str(session.get("user") or "")


def _address(session: dict[str, Any]) -> str:
    return _written(str(session.get("remoteAddr", "")))


def _written(text: str) -> str:
    """Return the address of `ADDRESS:PORT`, with mapped IPv4 as IPv4."""
    return text.rpartition(":")[0].strip("[]").removeprefix("::ffff:")


def _sessions(number: int) -> str:
    return f"{number} session" if number == 1 else f"{number} sessions"


# --- sessions that the firewall lets go on ----------------------------------------------------------
def ssh_from_outside(port: int, networks: list[str]) -> list[str]:
    """Return peers of open SSH connections outside the allowed networks."""
    try:
        allowed = [ipaddress.ip_network(network, strict=False) for network in networks]
    except ValueError:  # rules that were edited by hand: whom they let in is not known
        return []
    peers = {peer for table in _TCP for peer in _peers_in_table(table, port)}
    outside = {p for p in peers if not p.is_loopback and not any(p in n for n in allowed if n.version == p.version)}
    return sorted(map(str, outside))


def _peers_in_table(table: Path, port: int) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    try:
        rows = table.read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return []
    fields = (row.split() for row in rows)
    return [
        _peer(remote.partition(":")[0])
        for _, local, remote, state, *_ in fields
        if state == _ESTABLISHED and int(local.partition(":")[2], 16) == port
    ]


def _peer(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    # The kernel prints words of four bytes, each as this machine stores it: little-endian wherever MediaMTX is built.
    raw = b"".join(bytes.fromhex(text[at : at + 8])[::-1] for at in range(0, len(text), 8))
    address = ipaddress.ip_address(raw)
    return getattr(address, "ipv4_mapped", None) or address


def publishing(since_s: float) -> PublishingAnswer:
    """Return present publishers, and addresses refused within `since_s` seconds."""
    return {"sessions": _pushers(), "refused": refused_in(relay.log(since_s))}


def _pushers() -> list[PusherAnswer] | None:
    try:
        listed = relay.reader_sessions()
    except (Failed, OSError):
        return None
    pushing = (session for session in listed if session.get("state") == "publish")
    pushers = (
        (str(session.get("path", "")), _valid_address(str(session.get("remoteAddr", "")))) for session in pushing
    )
    return [{"path": path, "address": address} for path, address in pushers if address]


def refused_in(text: str) -> dict[str, int]:
    """Count refused publishers by address in JSON log lines."""
    opened: dict[str, str] = {}
    refused: Counter[str] = Counter()
    for line in text.splitlines():
        if "[session " not in line:
            continue
        message = _message_in(line)
        if match := _OPENED.fullmatch(message):
            opened[match[1]] = _valid_address(f"{match[2]}:0")
        elif (match := _REFUSED.match(message)) and opened.get(match[1]):
            refused[opened[match[1]]] += 1
    return dict(sorted(refused.most_common(_MOST)))


def _message_in(line: str) -> str:
    try:
        entry: Any = json.loads(line)
    except ValueError:
        return ""
    return str(entry.get("message", "")) if isinstance(entry, dict) else ""


def _valid_address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(_written(text)))
    except ValueError:
        return ""
