"""Asks devices about themselves by ONVIF. This part runs confined: what a device sends is read here and nowhere else.

The clock comes first, which needs no login; then the device is asked without one. Some tell all the same. Of the others
the refusal says how they want the password to be proved: by HTTP's digest, or by one of WS-Security, which is made for
the moment that the device's own clock shows. A login is proved once: a device that refuses it is asked no more.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from provisioner_host import onvif_http, onvif_soap
from provisioner_host.onvif_http import Challenge, NoAnswer, Reply, Silent
from provisioner_host.onvif_soap import DeviceTime, MediaProfile, Nameplate, RefusedLogin, Unreadable

if TYPE_CHECKING:
    from provisioner_host.wire import AccountAnswer, AccountOutcome, AskingRequest, AskingTurn, MediaProfileAnswer

LONGEST_S = 12.0
"""So long a device is asked at most, all requests together."""
_A_REQUEST_S = 5.0
_MOST_NAMED, _LONGEST_NAME = 8, 40
_UNAUTHORIZED = frozenset({401, 403})
_NO_SOAP = frozenset({404, 405})


class _Device:
    """One device, and what is known of it so far."""

    def __init__(self, asked: AskingTurn, until: float) -> None:
        self._asked = asked
        self._until = min(until, time.monotonic() + LONGEST_S)
        self._place = (asked["address"], asked["port"])
        self._challenge: Challenge | None = None
        self._turn = 0
        self._ahead_s = 0.0
        self.account: AccountAnswer = {"outcome": "silent"}

    def ask(self) -> AccountAnswer:
        """What came of asking it."""
        try:
            self._ask_time()
            plate = self._ask_nameplate()
        except Silent as error:
            return self._failed("silent", str(error))
        except (NoAnswer, Unreadable) as error:
            return self._failed("wrong answer", str(error))
        except RefusedLogin:
            return self.account
        self.account |= {
            "outcome": "told",
            "model": plate.model,
            "serial": plate.serial,
            "firmware": plate.firmware,
        }
        if self._asked["profile"]:
            self._ask_profile(self._asked["profile"])
        return self.account

    def _failed(self, outcome: AccountOutcome, detail: str) -> AccountAnswer:
        self.account |= {"outcome": outcome, "detail": detail}
        return self.account

    def _ask_time(self) -> None:
        """Ask for its clock; one that does not tell it may tell the rest."""
        before = time.time()
        try:
            clock = onvif_soap.time_in(self._post(onvif_soap.TIME, onvif_soap.DEVICE_PATH).body)
        except (NoAnswer, Unreadable, RefusedLogin):
            return
        after = time.time()
        self.account["clock"] = {"before": before, "after": after, "utc": clock.utc, "shown": clock.shown}
        self._ahead_s = _ahead_s(clock, before, after)

    def _ask_nameplate(self) -> Nameplate:
        """Ask who it is: without a login, and with one where it wants that and nobody refused it yet."""
        path = onvif_soap.DEVICE_PATH
        reply = self._post(onvif_soap.INFORMATION, path)
        self._challenge = reply.challenge
        try:
            return _nameplate_in(reply)
        except RefusedLogin:
            if not self._asked["login"]:
                self.account |= {"outcome": "login refused before"}
                raise
        try:
            return _nameplate_in(self._post(onvif_soap.INFORMATION, path, login=True))
        except RefusedLogin:
            self.account |= {"outcome": "login refused"}
            raise

    def _ask_profile(self, wanted: str) -> None:
        """Ask for its media profiles; what it said of itself stands, whatever comes of that."""
        needs_login = self._turn > 0
        try:
            place = self._post(onvif_soap.CAPABILITIES, onvif_soap.DEVICE_PATH, login=needs_login)
            path = onvif_soap.media_path_in(place.body)
            profiles = onvif_soap.profiles_in(self._post(onvif_soap.PROFILES, path, login=needs_login).body)
        except (Silent, NoAnswer, Unreadable, RefusedLogin):
            return
        self.account["profile"] = _profile(wanted, profiles)

    def _post(self, body: str, path: str, *, login: bool = False) -> Reply:
        header = authorization = ""
        if login and self._asked["login"]:
            self._turn += 1
            user, password = self._asked["login"]
            if self._challenge is not None:
                own = os.urandom(8).hex()
                authorization = onvif_http.digest(self._challenge, (user, password), path, self._turn, own)
            else:
                header = onvif_soap.username_token(user, password, time.time() + self._ahead_s, os.urandom(16))
        until = min(self._until, time.monotonic() + _A_REQUEST_S)
        return onvif_http.post(self._place, path, onvif_soap.envelope(body, header), until, authorization)


def _nameplate_in(reply: Reply) -> Nameplate:
    if reply.status in _NO_SOAP:
        raise Unreadable(f"HTTP {reply.status}: there is no ONVIF service at this port")
    try:
        return onvif_soap.nameplate_in(reply.body)
    except Unreadable:
        if reply.status in _UNAUTHORIZED:
            raise RefusedLogin from None
        raise


def _ahead_s(clock: DeviceTime, before: float, after: float) -> float:
    """How far a device's clock is ahead of this host's, about."""
    return 0.0 if clock.utc is None else clock.utc - (before + after) / 2


def _profile(wanted: str, profiles: Sequence[MediaProfile]) -> MediaProfileAnswer:
    """The profile that is wanted, by its token or its name, among those that there are."""
    names = [(profile.name or profile.token)[:_LONGEST_NAME] for profile in profiles[:_MOST_NAMED]]
    for profile in profiles:
        if wanted in {profile.token, profile.name}:
            return {"there": True, "width": profile.width, "height": profile.height, "names": names}
    return {"there": False, "width": 0, "height": 0, "names": names}


def serve(request: AskingRequest) -> None:
    """Ask the devices that the request names, and print a line a device."""
    # Nobody of the same user looks into this process, which holds the logins.
    ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)
    alone = threading.Lock()

    def one(number: int) -> None:
        line = json.dumps([number, _Device(request["devices"][number], request["until"]).ask()])
        with alone:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()

    with ThreadPoolExecutor(max_workers=request["at_once"]) as asking:
        for _ in asking.map(one, range(len(request["devices"]))):
            pass
