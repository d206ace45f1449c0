"""Quarantine of paths whose camera refuses its login.

Each path stays in MediaMTX's file as a comment, so that the camera is not asked again. The file itself is the record: a
path is in it or out of it in one write, whatever happens to this host. The line that is out keeps its place and says
since when. Plans compare the whole file, as it would be without the marks. A login is one device's: both streams of a
camera and all channels of a recorder go out together, but for those that flow. Refusals are counted by MediaMTX's log.
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

if TYPE_CHECKING:
    from provisioner_host.wire import QuarantineAnswer, RunningChange


_LINE = re.compile(
    r"^(?:# quarantined (?P<since>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ):)?"
    r'(?P<line>  (?P<name>"(?:[^"\\]|\\.)*"): (?P<settings>\{.*\}))$',
    re.MULTILINE,
)
_MARK = "# quarantined "
_SENTINEL = re.compile(rf'^(  "{paths.SENTINEL_PREFIX}[0-9a-f]{{12}})([0-9a-f]{{8}})?(?=": )', re.MULTILINE)
_RTSP = "554"

Refused = Mapping[str, str]
"""Logins that their devices refuse, each with since when."""

MOST_REFUSALS = 2
"""So many in a row, and the device is asked no more: the third try is on its way before MediaMTX has read its file."""

# The path's name is MediaMTX's own and comes first: whatever a camera says comes after it, and is matched from its
# beginning, so that no camera speaks for another one or of another answer.
_REFUSED = re.compile(r"\[path (\S+)\] \[RTSP source\] bad status code: 40[13](?: |$)")
_TAKEN = re.compile(r"\[path (\S+)\] stream is available\b")
_MARKS = ("bad status code: 40", "stream is available")
_LONGEST = 4096


class PathLine(NamedTuple):
    """A path's line in MediaMTX's file.

    Attributes:
        name: the path.
        login: user, password, address and port of its source, as they are written there.
        since: since when it is quarantined; empty where it is not.
        on_demand: whether it is pulled for readers alone.
    """

    name: str
    login: str
    since: str
    on_demand: bool


class Heard(NamedTuple):
    """What a line says of a path: its device refused the login, or took it."""

    path: str
    refused: bool


def lines_in(text: str) -> Iterator[PathLine]:
    """The paths in a relay's file that are pulled from a device, quarantined ones too."""
    return (one for one in map(_path, _LINE.finditer(text)) if one is not None)


def _path(line: re.Match[str]) -> PathLine | None:
    """What a line is; None where it is no path that is pulled from a device, or one of another hand."""
    try:
        name, settings = json.loads(line["name"]), json.loads(line["settings"])
    except ValueError:
        return None
    source = settings.get("source")
    scheme, _, rest = source.partition("://") if isinstance(source, str) else ("", "", "")
    login = rest.partition("/")[0]
    if not scheme.startswith("rtsp") or "@" not in login:
        return None
    return PathLine(name, login, line["since"] or "", settings.get("sourceOnDemand") is True)


def device_of(login: str) -> str:
    """The address and port that a login is for."""
    address, _, port = login.rpartition("@")[2].partition(":")
    return f"{address}:{port or _RTSP}"


def whole(text: str) -> str:
    """A relay's file as if nothing were quarantined: byte for byte what was written by an apply."""
    if _MARK not in text:
        return text
    lines = _LINE.sub(lambda line: line["line"], text)
    return _SENTINEL.sub(r"\1", lines) if lines != text else text


def whole_content(content: bytes) -> bytes:
    """The same of a file's bytes."""
    return content if _MARK.encode() not in content else whole(_text(content)).encode("utf-8", "surrogateescape")


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")


def without(text: str, refused: Refused, kept: Collection[tuple[str, str]] = ()) -> str:
    """A whole file without the paths of refused logins.

    Args:
        text: the file, nothing in it quarantined.
        refused: the logins.
        kept: paths that stay all the same, each with its login: they flow.
    """
    if not refused:
        return text
    out: list[str] = []

    def marked(line: re.Match[str]) -> str:
        one = _path(line)
        if one is None or one.login not in refused or (one.name, one.login) in kept:
            return line[0]
        out.append(f"{refused[one.login]} {one.name}")
        return f"{_MARK}{refused[one.login]}:{line['line']}"

    changed = _LINE.sub(marked, text)
    # A sentinel of its own: what waits for this file must not take the one before for it.
    own = hashlib.sha256("\n".join(out).encode()).hexdigest()[:8]
    return _SENTINEL.sub(rf"\g<1>{own}", changed) if out else text


def refused_in(text: str) -> dict[str, str]:
    """The logins that are refused by a live file, each with since when."""
    refused: dict[str, str] = {}
    for one in _marked(text):
        refused[one.login] = min(one.since, refused.get(one.login, one.since))
    return refused


def pulled_in(text: str) -> set[tuple[str, str]]:
    """The paths that a live file has MediaMTX pull, each with its login."""
    return {(one.name, one.login) for one in lines_in(text) if not one.since}


def _marked(text: str) -> list[PathLine]:
    return [one for one in lines_in(text) if one.since] if _MARK in text else []


def carried_over(wanted: str, live: str, lifted: Collection[str] = ()) -> str:
    """A file that is to be written, without what is quarantined now and goes on with the same login.

    Args:
        wanted: the file, from the controller or from a saved state, whatever is quarantined in that.
        live: the file as it is.
        lifted: paths that are pulled again, and with each all that shares its login.
    """
    asked_again = {one.login for one in _marked(live) if one.name in lifted}
    refused = {login: since for login, since in refused_in(live).items() if login not in asked_again}
    return without(whole(wanted), refused, pulled_in(live) if refused else ())


def answer_of(text: str, key: str) -> dict[str, QuarantineAnswer]:
    """What the controller is told: of each quarantined path since when, the device, and a keyed digest of the login."""
    return {
        one.name: {
            "since": one.since,
            "device": device_of(one.login),
            "login": keyed_digest(key, one.login.encode()),
        }
        for one in _marked(text)
    }


def sentinel_in(text: str) -> str:
    """The name of a file's sentinel; empty where it has none of ours."""
    line = _SENTINEL.search(text)
    return line[0].strip().strip('"') if line else ""


# --- on this host ---------------------------------------------------------------------------------


def live_file() -> str:
    """The live file with its marks; empty where there is none."""
    return _read(paths.MEDIAMTX_FILE)


def _read(path: Path) -> str:
    try:
        return _text(path.read_bytes())
    except FileNotFoundError:
        return ""


def names() -> list[str]:
    """The paths that are quarantined now."""
    return sorted(one.name for one in _marked(live_file()))


def keep(change: RunningChange) -> None:
    """Leave what is quarantined out of the file that is to be written, where it is staged.

    What comes with another login, and what the request lifts, is pulled again.
    """
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
    """Leave what is quarantined now out of a saved file that this host returns to; the rest of it is as it was."""
    live = live_file()
    if not live:
        return
    saved = _read(copy)
    text = carried_over(saved, live)
    if text != saved:
        files.write(copy, text.encode("utf-8", "surrogateescape"), mode=0o600)


def live_sentinel(expected: str) -> str:
    """The sentinel that MediaMTX shows where its file, as a whole, has this one."""
    live = live_file()
    return sentinel_in(live) if expected and sentinel_in(whole(live)) == expected else expected


def heard_in(line: str) -> Heard | None:
    """What one line of the log says; None where it is about something else."""
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
        return Heard(refused[1], refused=True)
    if level == "INF" and (taken := _TAKEN.match(message)):
        return Heard(taken[1], refused=False)
    return None


class Refusals:
    """By login, how often its device has refused it since it took it last, and for which paths."""

    def __init__(self, tried_before: Callable[[str], bool] = lambda _: False) -> None:
        """Begin to count.

        Args:
            tried_before: whether a login was tried and not taken by another way of late: that counts as one.
        """
        self._tried_before = tried_before
        self._counts: dict[str, int] = {}
        self._paths: dict[str, set[str]] = {}

    def hear(self, line: str, login_of: Callable[[str], str]) -> None:
        """Count a line.

        Args:
            line: of the log.
            login_of: the login with which a path is pulled; empty where none is pulled under that name.
        """
        heard = heard_in(line)
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
    def due(self) -> dict[str, frozenset[str]]:
        """The logins that were refused too often, and the paths for which they were."""
        return {login: frozenset(self._paths[login]) for login, n in self._counts.items() if n >= MOST_REFUSALS}

    def settle(self, login: str) -> None:
        """Note that the paths for which a login was refused are out: one more refusal, of another path, is enough."""
        self._paths[login] = set()
        self._counts[login] = MOST_REFUSALS - 1

    def forget(self, logins: Iterable[str]) -> None:
        """Forget what was counted of logins."""
        for login in list(logins):
            self._counts.pop(login, None)
            self._paths.pop(login, None)

    def keep(self, logins: Iterable[str]) -> None:
        """Forget all logins but these: what is not pulled any more is not counted."""
        self.forget(self._counts.keys() - set(logins))
