"""Quarantine of paths whose camera refuses its login.

A quarantined path becomes a comment in MediaMTX's file, so MediaMTX stops calling the camera. The file itself is the
record: one write quarantines or restores a path, even if the host crashes. The comment keeps the line's position and
the start time. Plans compare the whole file without these marks. A login belongs to a device: both streams of a camera
and all channels of a recorder are quarantined together, except those that flow. Refusals are counted in MediaMTX's log.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from provisioner_host.machine import files, paths
from provisioner_host.machine.files import keyed_digest
from provisioner_host.machine.patterns import pattern

if TYPE_CHECKING:
    from provisioner_host.wire import QuarantineAnswer, RunningChange


_LINE = pattern(
    r"^(?:# quarantined (?P<since>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ):)?"
    r'(?P<line>  (?P<name>"(?:[^"\\]|\\.)*"): (?P<settings>\{.*\}))$',
    re.MULTILINE,
)
_MARK = "# quarantined "
_SENTINEL = pattern(rf'^(  "{paths.SENTINEL_PREFIX}[0-9a-f]{{12}})([0-9a-f]{{8}})?(?=": )', re.MULTILINE)
_RTSP = "554"

Refused = Mapping[str, str]  #: Logins that their devices refuse, with start times.
MOST_REFUSALS = 2  #: Consecutive refusals before quarantine; a third try starts before MediaMTX rereads its file.

# The path's name is MediaMTX's own and comes first: whatever a camera says comes after it, and is matched from its
# beginning, so that no camera speaks for another one or of another answer.
# 403 is no word about a login: its user may lack rights, or too many clients are there.
_REFUSED = pattern(r"\[path (\S+)\] \[RTSP source\] bad status code: 401(?: |$)")
_TAKEN = pattern(r"\[path (\S+)\] stream is available\b")
_MARKS = ("bad status code: 401", "stream is available")
_LONGEST = 4096


class PathLine(NamedTuple):
    """A path's line in MediaMTX's file."""

    name: str  #: The path.
    login: str  #: User, password, address and port of its source, as written.
    since: str  #: Start of the quarantine, or empty.
    on_demand: bool  #: Whether it is pulled only for readers.
    source: str  #: Its address, with the login.


class LoginLine(NamedTuple):
    """A log entry: a device refused or accepted a path's login."""

    path: str
    refused: bool


def lines_in(text: str) -> Iterator[PathLine]:
    """Return a relay file's paths that are pulled from devices, including quarantined."""
    return (line for line in map(_path_line, _LINE.finditer(text)) if line is not None)


def _path_line(line: re.Match[str]) -> PathLine | None:
    """Parse a line; return `None` for other sources or foreign forms."""
    try:
        name, settings = json.loads(line["name"]), json.loads(line["settings"])
    except ValueError:
        return None
    source = settings.get("source")
    scheme, _, rest = source.partition("://") if isinstance(source, str) else ("", "", "")
    login = rest.partition("/")[0]
    if not scheme.startswith("rtsp") or "@" not in login:
        return None
    return PathLine(name, login, line["since"] or "", settings.get("sourceOnDemand") is True, source)


def device_of(login: str) -> str:
    """Return the address and port of a login."""
    address, _, port = login.rpartition("@")[2].partition(":")
    return f"{address}:{port or _RTSP}"


def whole(text: str) -> str:
    """Return a relay file without quarantine marks, as the apply wrote it."""
    if _MARK not in text:
        return text
    lines = _LINE.sub(lambda line: line["line"], text)
    return _SENTINEL.sub(r"\1", lines) if lines != text else text


def whole_content(content: bytes) -> bytes:
    """Return a relay file's bytes without quarantine marks."""
    return content if _MARK.encode() not in content else whole(_text(content)).encode("utf-8", "surrogateescape")


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")


def without(text: str, refused: Refused, flowing: Collection[tuple[str, str]] = ()) -> str:
    """Quarantine the paths of refused logins in a whole file.

    `flowing` paths with their logins stay, as they flow.
    """
    if not refused:
        return text
    out: list[str] = []

    def marked_line(line: re.Match[str]) -> str:
        path_line = _path_line(line)
        if path_line is None or path_line.login not in refused or (path_line.name, path_line.login) in flowing:
            return line[0]
        out.append(f"{refused[path_line.login]} {path_line.name}")
        return f"{_MARK}{refused[path_line.login]}:{line['line']}"

    changed = _LINE.sub(marked_line, text)
    # A sentinel of its own: what waits for this file must not take the one before for it.
    sentinel = hashlib.sha256("\n".join(out).encode()).hexdigest()[:8]
    return _SENTINEL.sub(rf"\g<1>{sentinel}", changed) if out else text


def refused_in(text: str) -> dict[str, str]:
    """Return a live file's refused logins with start times."""
    refused: dict[str, str] = {}
    for line in _marked(text):
        refused[line.login] = min(line.since, refused.get(line.login, line.since))
    return refused


def pulled_in(text: str) -> set[tuple[str, str]]:
    """Return a live file's pulled paths with their logins."""
    return {(line.name, line.login) for line in lines_in(text) if not line.since}


def _marked(text: str) -> list[PathLine]:
    return [line for line in lines_in(text) if line.since] if _MARK in text else []


def carried_over(wanted: str, live: str, lifted: Collection[str] = ()) -> str:
    """Carry the live file's quarantine over to a new file.

    Paths with another login than in `live` are pulled again. So are the `lifted` paths and all that share their logins.
    """
    retried = {line.login for line in _marked(live) if line.name in lifted}
    refused = {login: since for login, since in refused_in(live).items() if login not in retried}
    return without(whole(wanted), refused, pulled_in(live) if refused else ())


def answer_of(text: str, key: str) -> dict[str, QuarantineAnswer]:
    """Return start time, device and keyed login digest by quarantined path."""
    return {
        line.name: {
            "since": line.since,
            "device": device_of(line.login),
            "login": keyed_digest(key, line.login.encode()),
        }
        for line in _marked(text)
    }


def sentinel_in(text: str) -> str:
    """Return a file's sentinel name, or an empty string."""
    line = _SENTINEL.search(text)
    return line[0].strip().strip('"') if line else ""


# --- on this host ---------------------------------------------------------------------------------
def live_file() -> str:
    """Return the live file with its marks; empty if it is missing."""
    return _read(paths.MEDIAMTX_FILE)


def _read(path: Path) -> str:
    try:
        return _text(path.read_bytes())
    except FileNotFoundError:
        return ""


def names() -> list[str]:
    """Return the quarantined paths."""
    return sorted(line.name for line in lines())


def lines() -> list[PathLine]:
    """Return the quarantined paths' lines."""
    return _marked(live_file())


def keep(change: RunningChange) -> None:
    """Carry the quarantine over to the staged file."""
    live, path = live_file(), str(paths.MEDIAMTX_FILE)
    if _MARK not in live or path not in change.wanted:
        return
    staged = change.staged(paths.MEDIAMTX_FILE)
    wanted = _read(staged)
    text = carried_over(wanted, live, change.request.get("lift", ()))
    if text != wanted:
        staged.write_bytes(text.encode("utf-8", "surrogateescape"))
        change.request["sentinel"] = sentinel_in(text)


def keep_in(copy: Path) -> None:
    """Carry the live quarantine over to a saved file before its restore."""
    live = live_file()
    if not live:
        return
    saved = _read(copy)
    text = carried_over(saved, live)
    if text != saved:
        files.write(copy, text.encode("utf-8", "surrogateescape"), mode=0o600)


def live_sentinel(expected: str) -> str:
    """Return MediaMTX's actual sentinel for this whole file's sentinel."""
    live = live_file()
    return sentinel_in(live) if expected and sentinel_in(whole(live)) == expected else expected


def login_line_in(line: str) -> LoginLine | None:
    """Parse a log line; return `None` if it is about other events."""
    if len(line) > _LONGEST or not any(mark in line for mark in _MARKS):
        return None
    try:
        entry: Any = json.loads(line)
    except ValueError:
        return None
    level, message = (entry.get(k) for k in ("level", "message")) if isinstance(entry, dict) else (None, None)
    if not isinstance(message, str):
        return None
    if level == "ERR" and (refused := _REFUSED.match(message)):
        return LoginLine(refused[1], refused=True)
    if level == "INF" and (accepted := _TAKEN.match(message)):
        return LoginLine(accepted[1], refused=False)
    return None


class Refusals:
    """Consecutive refusals by login, and the refused paths."""

    def __init__(self, tried_before: Callable[[str], bool] = lambda _: False) -> None:
        """Start counting; `tried_before` tells whether other protocols counted a failed try."""
        self._tried_before = tried_before
        self._counts: dict[str, int] = {}
        self._paths: dict[str, set[str]] = {}
        self.confirmed: set[str] = set()  #: Logins that were refused in another try, too.

    def hear(self, line: str, login_of: Callable[[str], str]) -> None:
        """Count a log line; `login_of` is empty for paths not pulled."""
        heard = login_line_in(line)
        login = login_of(heard.path) if heard else ""
        if not heard or not login:
            return
        if heard.refused:
            before = self._counts.get(login)
            self._counts[login] = (int(self._tried_before(login)) if before is None else before) + 1
            self._paths.setdefault(login, set()).add(heard.path)
        else:
            self.forget([login])

    @property
    def to_quarantine(self) -> dict[str, frozenset[str]]:
        """The logins refused too often, and their refused paths."""
        return {login: frozenset(self._paths[login]) for login, n in self._counts.items() if n >= MOST_REFUSALS}

    def settle(self, login: str) -> None:
        """Mark a login's refused paths as quarantined; one more refusal suffices."""
        self._paths[login] = set()
        self._counts[login] = MOST_REFUSALS - 1

    def forget(self, logins: Iterable[str]) -> None:
        """Reset the counts of logins."""
        for login in list(logins):
            self._counts.pop(login, None)
            self.confirmed.discard(login)
            self._paths.pop(login, None)

    def keep(self, logins: Iterable[str]) -> None:
        """Reset the counts of all other logins."""
        self.forget(self._counts.keys() - set(logins))
