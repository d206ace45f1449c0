"""ONVIF queries of devices: root's part.

A confined part (`ask`) reads the devices' answers. It reaches only their ports and gets logins on standard input. Its
output is hostile, as it may be compromised. Answers with the device's own password are withheld.

A login is tried only while it yields a picture, so wrong ones are never tried: cameras lock out such clients. A login
that ONVIF refuses is tried once, and again only if it changes or a person requests it; within an hour of a failed try
even that is not enough. A camera counts these tries together with those of its video. So this host keeps tries in
memory for an hour, longer than cameras lock out. A login is stored as a salted digest under its video's address and
port.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

from provisioner_host.machine import confined, paths, patterns, sandbox
from provisioner_host.machine.files import keyed_digest
from provisioner_host.machine.stream_logins import forgotten
from provisioner_host.onvif import ask, digest, messages
from provisioner_host.relay import relay

if TYPE_CHECKING:
    from provisioner_host import wire

FOR_S = 3600.0  #: How long a try counts.
_SALT = 16

_SHIPPED = (patterns, digest, messages, ask)
_AT_ONCE = 64
_GRACE_S = 3
# Of one unit's setting: the kernel takes no argument of more than 128 KiB.
_ADDRESSES_A_LINE = 500
_LIMITS = (
    "IPAddressDeny=any",
    "RestrictAddressFamilies=AF_INET",
    "MemoryMax=256M",
    "TasksMax=96",
    "LimitDATA=512M",
    "LimitFSIZE=0",
    "LimitNOFILE=256",
    "Nice=10",
    "SystemCallFilter=setpriority",
)
_OUTCOMES: Mapping[str, wire.AccountOutcome] = {
    one: one for one in ("told", "silent", "wrong answer", "login refused", "login refused before")
}
LATELY = "within the hour"  #: The detail for a login not tried again within the hour.
PROFILES_REFUSED = "it refuses for them the login that it takes for the rest"
_LONGEST_DETAIL = 200
_PROFILES = "-profiles"
_LARGEST, _MOST_NAMED = 65_535, 8
# The years 1970 to 2200.
_LATEST = 7_258_118_400
_MOST_REFUSALS = 20_000


class _Login(NamedTuple):
    """A device's login."""

    user: str
    password: str
    name: str  #: File name of a stored refusal.
    written: str  #: The login with the video's address and port, as in the relay's file.


def note(login: str, folder: Path | None = None) -> None:
    """Record a try of a login, by default a failed ONVIF one.

    `login` has user, password, address and port, as in the relay's file.
    """
    salt = os.urandom(_SALT)
    file = _file(login, folder)
    with suppress(OSError):
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for entry in file.parent.iterdir():
            if not _is_of_late(entry):
                entry.unlink(missing_ok=True)
        file.touch(mode=0o600)
        file.write_bytes(salt + _digest(salt, login))


def lately(login: str, folder: Path | None = None) -> bool:
    """Return whether a try of this login was noted within the hour."""
    file = _file(login, folder)
    try:
        stored = file.read_bytes()
        return _is_of_late(file) and hmac.compare_digest(stored[_SALT:], _digest(stored[:_SALT], login))
    except OSError:
        return False


def _file(login: str, folder: Path | None = None) -> Path:
    return (folder or paths.LOGIN_TRIES) / login.rpartition("@")[2].replace("/", "_")


def _is_of_late(file: Path) -> bool:
    # A clock that was set back must not hold anybody up for ever.
    return abs(time.time() - file.stat().st_mtime) < FOR_S


def _digest(salt: bytes, login: str) -> bytes:
    return hashlib.sha256(salt + login.encode("utf-8", "surrogateescape")).digest()


def query_devices(devices: Sequence[wire.DeviceToAsk], key: str, until: float) -> dict[str, wire.AccountAnswer]:
    """Query devices; return their data by name.

    Args:
        devices: the devices.
        key: key of the digests that name refused logins.
        until: the deadline on the monotonic clock.
    """
    answers: dict[str, wire.AccountAnswer] = {device["name"]: {"outcome": "not asked"} for device in devices}
    logins = _logins(devices, key)
    listed = [device for device in devices if device["name"] in logins]
    requests = [_request_for(device, logins[device["name"]]) for device in listed]

    def take_answers(lines: Iterator[bytes]) -> bool:
        for number, answer in answered(lines, len(listed)):
            name = listed[number]["name"]
            login = logins[name]
            if answer["outcome"] == "login refused before" and lately(login.written):
                answer["detail"] = LATELY
            elif answer["outcome"] == "told" and listed[number]["profile"] and not requests[number]["profile"]:
                answer["detail"] = PROFILES_REFUSED
            answers[name] = _without_login(answer, login)
            _remember(login, answer)
        return False

    answers |= {device["name"]: {"outcome": "not run"} for device in listed}
    if listed and (complaint := _query_confined(requests, until, take_answers)):
        for answer in answers.values():
            if answer["outcome"] == "not run":
                answer["detail"] = complaint
    return answers


def _request_for(device: wire.DeviceToAsk, login: _Login) -> wire.AskingTurn:
    again = device.get("again", False)
    withheld = lately(login.written) or (_refused(login).exists() and not again)
    without_profiles = _refused(login, _PROFILES).exists() and not again
    return {
        "address": device["address"],
        "port": device["port"],
        "login": None if withheld else (login.user, login.password),
        "profile": "" if without_profiles else device["profile"],
    }


def _query_confined(
    requests: Sequence[wire.AskingTurn], until: float, take_answers: Callable[[Iterator[bytes]], bool]
) -> str:
    """Run the confined part; drop its error text, which may contain logins."""
    if refusal := sandbox.refusal():
        return refusal
    modules = confined.sources(_SHIPPED)
    request: wire.AskingRequest = {"devices": list(requests), "at_once": _AT_ONCE, "until": until}
    argv = command((device_request["address"] for device_request in requests), until)
    try:
        error = confined.run(argv, modules, json.dumps(request).encode(), until + _GRACE_S, take_answers)
    except OSError:
        # Pictures are looked at all the same.
        error = argv[0]
    return "the part that asks could not be run" if error else ""


def command(addresses: Iterable[str], until: float) -> list[str]:
    """Return the confined command, limited to these addresses."""
    wanted = sorted(set(addresses))
    lines = [" ".join(wanted[at : at + _ADDRESSES_A_LINE]) for at in range(0, len(wanted), _ADDRESSES_A_LINE)]
    longest = max(1, math.ceil(until + _GRACE_S - time.monotonic()))
    limits = (*_LIMITS, *(f"IPAddressAllow={line}" for line in lines), f"RuntimeMaxSec={longest}")
    return sandbox.confined(confined.PROGRAM, "onvif", limits)


# --- logins ---------------------------------------------------------------------------------------
def _logins(devices: Sequence[wire.DeviceToAsk], key: str) -> dict[str, _Login]:
    """Return by device the login that yields a picture now."""
    available = relay.flowing_paths() or ()
    flowing = {device["name"]: [path for path in device["paths"] if path in available] for device in devices}
    sources = relay.sources({path for path_names in flowing.values() for path in path_names})
    logins: dict[str, _Login] = {}
    for device in devices:
        for path in flowing[device["name"]]:
            if path in sources and (login := _login(sources[path], device, key)):
                logins[device["name"]] = login
    return logins


def _login(source: str, device: wire.DeviceToAsk, key: str) -> _Login | None:
    head = source.partition("://")[2].partition("/")[0]
    written, at, endpoint = head.rpartition("@")
    if not at or endpoint.rpartition(":")[0] != device["address"]:
        return None
    user, _, password = written.partition(":")
    keyed = keyed_digest(key, f"{device['address']}:{device['port']} {written}".encode())
    return _Login(unquote(user), unquote(password), keyed.rpartition(":")[2], head)


def _refused(login: _Login, suffix: str = "") -> Path:
    return paths.ONVIF_REFUSED / f"{login.name}{suffix}"


def _remember(login: _Login, answer: wire.AccountAnswer) -> None:
    """Store a refusal, and delete it once the login is accepted."""
    outcome = answer["outcome"]
    if outcome == "login refused" or (answer.get("tried") and outcome != "told"):
        note(login.written)
    with suppress(OSError):
        if outcome == "login refused":
            _keep(_refused(login))
        elif outcome == "told":
            _refused(login).unlink(missing_ok=True)
        if answer.get("profiles_refused"):
            _keep(_refused(login, _PROFILES))
        elif "profile" in answer:
            _refused(login, _PROFILES).unlink(missing_ok=True)


def _keep(refusal: Path) -> None:
    refusal.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _forget_oldest(refusal.parent)
    refusal.touch(mode=0o600)


def _without_login(answer: wire.AccountAnswer, login: _Login) -> wire.AccountAnswer:
    """Empty the words of an answer that contain the device's password."""

    def without_password(text: str) -> str:
        return text if forgotten(text, f"rtsp://{login.written}/") == text else ""

    for part in ("model", "serial", "firmware"):
        if part in answer:
            answer[part] = without_password(answer[part])
    if "detail" in answer:
        answer["detail"] = without_password(answer["detail"])
    if "profile" in answer:
        answer["profile"]["names"] = [without_password(name) for name in answer["profile"]["names"]]
    return answer


def _forget_oldest(folder: Path) -> None:
    entries = list(folder.iterdir())
    if len(entries) >= _MOST_REFUSALS:
        for entry in sorted(entries, key=lambda entry: entry.stat().st_mtime)[: len(entries) - _MOST_REFUSALS + 1]:
            entry.unlink(missing_ok=True)


# --- what comes back ------------------------------------------------------------------------------
def answered(lines: Iterable[bytes], count: int) -> Iterator[tuple[int, wire.AccountAnswer]]:
    """Yield valid answers, one per turn; skip other lines."""
    waiting = set(range(count))
    for line in lines:
        with suppress(ValueError, TypeError, KeyError, RecursionError, OverflowError):
            turn, answer = json.loads(line)
            if isinstance(turn, int) and not isinstance(turn, bool) and turn in waiting:
                checked = _checked_answer(answer)
                waiting.discard(turn)
                yield turn, checked


def _checked_answer(answer: dict[str, Any]) -> wire.AccountAnswer:
    """Check and return an answer.

    Raises:
        KeyError, TypeError, ValueError: a part is invalid.
    """
    account: wire.AccountAnswer = {"outcome": _OUTCOMES[answer["outcome"]]}
    if "detail" in answer:
        account["detail"] = _printable(answer["detail"], _LONGEST_DETAIL)
    if "clock" in answer:
        account["clock"] = _clock(answer["clock"])
    if answer.get("tried") is True:
        account["tried"] = True
    if account["outcome"] == "told":
        account["model"], account["serial"], account["firmware"] = (
            _printable(answer[name], messages.LONGEST_WORD) for name in ("model", "serial", "firmware")
        )
        if "profile" in answer:
            account["profile"] = _profile(answer["profile"])
        elif answer.get("profiles_refused") is True:
            account |= {"profiles_refused": True, "detail": PROFILES_REFUSED}
    return account


def _printable(text: object, longest: int) -> str:
    if not isinstance(text, str):
        raise TypeError
    return "".join(letter if letter.isprintable() else " " for letter in text[:longest])


def _clock(clock: dict[str, Any]) -> wire.DeviceClockAnswer:
    before, after = (float(_finite_number(clock[name])) for name in ("before", "after"))
    utc, shown = (None if clock[name] is None else int(_finite_number(clock[name])) for name in ("utc", "shown"))
    return {"before": round(before, 1), "after": round(after, 1), "utc": utc, "shown": shown}


def _finite_number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= _LATEST:
        raise ValueError
    return value


def _profile(profile: dict[str, Any]) -> wire.MediaProfileAnswer:
    width, height = (min(int(_finite_number(profile[side])), _LARGEST) for side in ("width", "height"))
    names = [_printable(name, messages.LONGEST_WORD) for name in profile["names"][:_MOST_NAMED]]
    return {"there": profile["there"] is True, "width": width, "height": height, "names": names}
