"""The confined ONVIF client, the only reader of devices' answers.

It first asks for the clock, which needs no login, then sends a request without a login; some devices answer. Others
name in their refusal how to prove the password: HTTP digest, or WS-Security, whose proof has the time of the device's
clock. Each request repeats this: requests without need get no login, and each proof answers its own challenge. A device
that refuses the login once gets no more requests.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from provisioner_host.onvif import digest, messages
from provisioner_host.onvif.digest import Challenge
from provisioner_host.onvif.messages import DeviceTime, MediaProfile, NoAnswer, RefusedLogin, Reply, Silent, Unreadable

if TYPE_CHECKING:
    from provisioner_host.wire import AccountAnswer, AccountOutcome, AskingRequest, AskingTurn, MediaProfileAnswer

LONGEST_S = 12.0  #: Limit for all requests to a device.
_A_REQUEST_S = 5.0
_MOST_NAMED, _LONGEST_NAME = 8, 40
_UNAUTHORIZED, _FORBIDDEN = 401, 403
_NO_SOAP = frozenset({404, 405})
_T = TypeVar("_T")
# One answer is taken apart at a time: what it takes of memory for that moment is bounded, and 64 times that is not.
_ALONE = threading.Lock()


class _Forbidden(Unreadable):
    """A 403 in answer to a login: no word about its password."""


class _Device:
    """A device and its data so far."""

    def __init__(self, turn: AskingTurn, until: float) -> None:
        self._asked = turn
        self._until = min(until, time.monotonic() + LONGEST_S)
        self._place = (turn["address"], turn["port"])
        self._ahead_s = 0.0
        self.account: AccountAnswer = {"outcome": "silent"}

    def ask(self) -> AccountAnswer:
        """Query the device; return its data."""
        try:
            self._ask_time()
            plate = self._ask_with_login(messages.INFORMATION, messages.DEVICE_PATH, messages.nameplate_in)
        except Silent as error:
            return self._failed("silent", str(error))
        except (NoAnswer, Unreadable) as error:
            return self._failed("wrong answer", str(error))
        except RefusedLogin:
            self.account["outcome"] = "login refused" if self._asked["login"] else "login refused before"
            return self.account
        self.account |= {"outcome": "told", "model": plate.model, "serial": plate.serial, "firmware": plate.firmware}
        if self._asked["profile"]:
            self._ask_profile(self._asked["profile"])
        return self.account

    def _failed(self, outcome: AccountOutcome, detail: str) -> AccountAnswer:
        self.account |= {"outcome": outcome, "detail": detail}
        return self.account

    def _ask_time(self) -> None:
        """Ask for the clock; a device without one may answer the rest."""
        before = time.time()
        try:
            clock = _parse_reply(self._post_body(messages.TIME, messages.DEVICE_PATH), messages.time_in)
        except (NoAnswer, Unreadable, RefusedLogin):
            return
        after = time.time()
        self.account["clock"] = {"before": before, "after": after, "utc": clock.utc, "shown": clock.shown}
        self._ahead_s = _ahead_s(clock, before, after)

    def _ask_with_login(self, body: str, path: str, reading: Callable[[bytes], _T]) -> _T:
        """Ask without a login, then with one if required and not refused."""
        reply = self._post_body(body, path)
        try:
            return _parse_reply(reply, reading)
        except RefusedLogin:
            if not self._asked["login"]:
                raise
        self.account["tried"] = True
        reply = self._post_body(body, path, self._asked["login"], reply.challenge)
        self.account["tried"] = False
        if reply.status == _FORBIDDEN:
            raise _Forbidden("HTTP 403: its user may not ask that; see the user's rights")
        return _parse_reply(reply, reading)

    def _ask_profile(self, wanted: str) -> None:
        """Ask for media profiles; failures do not change earlier data."""
        try:
            path = self._ask_with_login(messages.CAPABILITIES, messages.DEVICE_PATH, messages.media_path_in)
            profiles = self._ask_with_login(messages.PROFILES, path, messages.profiles_in)
        except (RefusedLogin, _Forbidden):
            self.account["profiles_refused"] = True
            return
        except (Silent, NoAnswer, Unreadable):
            return
        self.account["profile"] = _profile_answer(wanted, profiles)

    def _post_body(
        self, body: str, path: str, login: tuple[str, str] | None = None, challenge: Challenge | None = None
    ) -> Reply:
        header = authorization = ""
        if login and challenge is not None:
            authorization = digest.digest(challenge, login, ("POST", path), 1, os.urandom(8).hex())
        elif login:
            header = messages.username_token(*login, time.time() + self._ahead_s, os.urandom(16))
        until = min(self._until, time.monotonic() + _A_REQUEST_S)
        return messages.post(self._place, path, messages.envelope(body, header), until, authorization)


def _parse_reply(reply: Reply, reading: Callable[[bytes], _T]) -> _T:
    if reply.status in _NO_SOAP:
        raise Unreadable(f"HTTP {reply.status}: there is no ONVIF service at this port")
    if reply.status in {_UNAUTHORIZED, _FORBIDDEN}:
        raise RefusedLogin
    with _ALONE:
        return reading(reply.body)


def _ahead_s(clock: DeviceTime, before: float, after: float) -> float:
    return 0.0 if clock.utc is None else clock.utc - (before + after) / 2


def _profile_answer(wanted: str, profiles: Sequence[MediaProfile]) -> MediaProfileAnswer:
    wanted = messages.word_of(wanted)
    names = [(profile.name or profile.token)[:_LONGEST_NAME] for profile in profiles[:_MOST_NAMED]]
    for profile in profiles:
        if wanted in {profile.token, profile.name}:
            return {"there": True, "width": profile.width, "height": profile.height, "names": names}
    return {"there": False, "width": 0, "height": 0, "names": names}


def _account_of(turn: AskingTurn, until: float) -> AccountAnswer:
    """Query a device; an unexpected error affects only this device."""
    device = _Device(turn, until)
    try:
        return device.ask()
    except Exception as error:  # noqa: BLE001 (what nobody thought of: a device's doing)
        outcome: AccountAnswer = {"outcome": "wrong answer", "detail": f"it could not be read: {type(error).__name__}"}
        return outcome | {"tried": device.account.get("tried", False)}


def serve(request: AskingRequest) -> None:
    """Query the requested devices; print a line per device."""
    import ctypes  # noqa: PLC0415 (root's part does without it)

    # Nobody of the same user looks into this process, which holds the logins.
    ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
    alone = threading.Lock()

    def print_account(number: int) -> None:
        line = json.dumps([number, _account_of(request["devices"][number], request["until"])])
        with alone:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()

    with ThreadPoolExecutor(max_workers=request["at_once"]) as asking:
        for _ in asking.map(print_account, range(len(request["devices"]))):
            pass
