"""How often a device has refused its login, out of MediaMTX's log. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

MOST_REFUSALS = 2
"""So many in a row, and the device is asked no more: the third try is on its way before MediaMTX has read its file."""

# The path's name is MediaMTX's own and comes first: whatever a camera says comes after it, and is matched from its
# beginning, so that no camera speaks for another one or of another answer.
_REFUSED = re.compile(r"\[path (\S+)\] \[RTSP source\] bad status code: 40[13](?: |$)")
_TAKEN = re.compile(r"\[path (\S+)\] stream is available\b")
_MARKS = ("bad status code: 40", "stream is available")
_LONGEST = 4096


class Heard(NamedTuple):
    """What a line says of a path: its device refused the login, or took it."""

    path: str
    refused: bool


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
