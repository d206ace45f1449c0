"""Devices asked about themselves by ONVIF, beside a look at their pictures: root's part.

What a device answers is read by a confined part (`onvif_ask`), which reaches those devices' ports and nothing else, and
gets logins over standard input. A login is tried only while a picture comes by it, so that no wrong one is: cameras
lock out whoever tries. One that a device takes for pictures and refuses by ONVIF is tried once, and not again until it
is another one, or somebody says so. What comes back is hostile, for the confined part may have been taken over.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

from provisioner_host import confined, onvif_ask, onvif_http, onvif_soap, paths, relay, sandbox
from provisioner_host.files import keyed_digest
from provisioner_host.shell import Failed

if TYPE_CHECKING:
    from provisioner_host.wire import (
        AccountAnswer,
        AccountOutcome,
        AskingRequest,
        AskingTurn,
        DeviceClockAnswer,
        DeviceToAsk,
        MediaProfileAnswer,
    )

_SHIPPED = (onvif_soap, onvif_http, onvif_ask)
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
_OUTCOMES: Mapping[str, AccountOutcome] = {
    one: one for one in ("told", "silent", "wrong answer", "login refused", "login refused before")
}
_LONGEST_DETAIL = 200
_LARGEST, _MOST_NAMED = 65_535, 8
# The years 1970 to 2200.
_LATEST = 7_258_118_400
_MOST_REFUSALS = 20_000


class _Login(NamedTuple):
    """A device's login as the relay's file has it, and under which name a refusal of it is remembered."""

    user: str
    password: str
    name: str


def asked(devices: Sequence[DeviceToAsk], key: str, until: float) -> dict[str, AccountAnswer]:
    """What devices tell of themselves, by their names.

    Args:
        devices: whom to ask.
        key: of the keyed digests under which refused logins are remembered.
        until: when to wait no longer, on the monotonic clock.
    """
    answers: dict[str, AccountAnswer] = {device["name"]: {"outcome": "not asked"} for device in devices}
    logins = _logins(devices, key)
    listed = [device for device in devices if device["name"] in logins]
    refused = {name for name, login in logins.items() if _refused(login).exists()}
    again = {device["name"] for device in listed if device.get("again", False)}
    turns: list[AskingTurn] = [
        {
            "address": device["address"],
            "port": device["port"],
            "login": None if device["name"] in refused - again else logins[device["name"]][:2],
            "profile": device["profile"],
        }
        for device in listed
    ]

    def hear(lines: Iterator[bytes]) -> None:
        for number, answer in answered(lines, len(listed)):
            name = listed[number]["name"]
            answers[name] = answer
            _remember(logins[name], answer)

    answers |= {device["name"]: {"outcome": "not run"} for device in listed}
    if listed and (complaint := _asked_confined(turns, until, hear)):
        for answer in answers.values():
            if answer["outcome"] == "not run":
                answer["detail"] = complaint
    return answers


def _asked_confined(turns: Sequence[AskingTurn], until: float, hear: Callable[[Iterator[bytes]], None]) -> str:
    """Ask, and return why that could not be done; no word of the confined part's own, which holds logins."""
    if refusal := sandbox.refusal():
        return refusal
    modules = confined.sources(_SHIPPED)
    request: AskingRequest = {"modules": modules, "devices": list(turns), "at_once": _AT_ONCE, "until": until}
    argv = command((turn["address"] for turn in turns), until)
    try:
        said = confined.run(argv, json.dumps(request).encode() + b"\n", until + _GRACE_S, hear)
    except OSError:
        # Pictures are looked at all the same.
        said = argv[0]
    return "the part that asks could not be run" if said else ""


def command(addresses: Iterable[str], until: float) -> list[str]:
    """The command of the confined part: it may reach these addresses and no other, and use so much."""
    wanted = sorted(set(addresses))
    lines = [" ".join(wanted[at : at + _ADDRESSES_A_LINE]) for at in range(0, len(wanted), _ADDRESSES_A_LINE)]
    longest = max(1, math.ceil(until + _GRACE_S - time.monotonic()))
    limits = (*_LIMITS, *(f"IPAddressAllow={line}" for line in lines), f"RuntimeMaxSec={longest}")
    return sandbox.confined(confined.PROGRAM, "onvif", limits)


# --- logins ---------------------------------------------------------------------------------------


def _logins(devices: Sequence[DeviceToAsk], key: str) -> dict[str, _Login]:
    """By a device's name the login by which a picture of it comes now; none of those of which none comes."""
    there = _flowing()
    flowing = {device["name"]: [path for path in device["paths"] if path in there] for device in devices}
    sources = relay.sources({path for of in flowing.values() for path in of})
    known: dict[str, _Login] = {}
    for device in devices:
        for path in flowing[device["name"]]:
            if path in sources and (login := _login(sources[path], device, key)):
                known[device["name"]] = login
    return known


def _flowing() -> set[str]:
    """The paths that give a picture; none where MediaMTX does not say it."""
    try:
        listed = relay.api("/v3/paths/list?itemsPerPage=1000000")["items"]
        return {str(item["name"]) for item in listed if item.get("available")}
    except (Failed, OSError, KeyError, TypeError, AttributeError):
        return set()


def _login(source: str, device: DeviceToAsk, key: str) -> _Login | None:
    """The login of a source's address; None where it is none of that device's, or has none."""
    head = source.partition("://")[2].partition("/")[0]
    written, at, place = head.rpartition("@")
    if not at or place.rpartition(":")[0] != device["address"]:
        return None
    user, _, password = written.partition(":")
    digest = keyed_digest(key, f"{device['address']}:{device['port']} {written}".encode())
    return _Login(unquote(user), unquote(password), digest.rpartition(":")[2])


def _refused(login: _Login) -> Path:
    """The file that says that a login was refused: its name is all that is in it."""
    return paths.ONVIF_REFUSED / login.name


def _remember(login: _Login, answer: AccountAnswer) -> None:
    """Remember a refusal, as soon as it is known; a login that is taken was never refused."""
    with suppress(OSError):
        if answer["outcome"] == "login refused":
            paths.ONVIF_REFUSED.mkdir(mode=0o700, parents=True, exist_ok=True)
            _forget_oldest(paths.ONVIF_REFUSED)
            _refused(login).touch(mode=0o600)
        elif answer["outcome"] == "told":
            _refused(login).unlink(missing_ok=True)


def _forget_oldest(folder: Path) -> None:
    kept = list(folder.iterdir())
    if len(kept) >= _MOST_REFUSALS:
        for entry in sorted(kept, key=lambda entry: entry.stat().st_mtime)[: len(kept) - _MOST_REFUSALS + 1]:
            entry.unlink(missing_ok=True)


# --- what comes back ------------------------------------------------------------------------------


def answered(lines: Iterable[bytes], count: int) -> Iterator[tuple[int, AccountAnswer]]:
    """The answers that are as they should be, one for each of so many turns; any other line is nothing."""
    waiting = set(range(count))
    for line in lines:
        with suppress(ValueError, TypeError, KeyError, RecursionError, OverflowError):
            turn, answer = json.loads(line)
            if isinstance(turn, int) and not isinstance(turn, bool) and turn in waiting:
                checked = _checked(answer)
                waiting.discard(turn)
                yield turn, checked


def _checked(answer: dict[str, Any]) -> AccountAnswer:
    """An answer's parts that are of their kind.

    Raises:
        KeyError, TypeError, ValueError: a part is not.
    """
    account: AccountAnswer = {"outcome": _OUTCOMES[answer["outcome"]]}
    if "detail" in answer:
        account["detail"] = _word(answer["detail"], _LONGEST_DETAIL)
    if "clock" in answer:
        account["clock"] = _clock(answer["clock"])
    if account["outcome"] == "told":
        account["model"], account["serial"], account["firmware"] = (
            _word(answer[name], onvif_soap.LONGEST_WORD) for name in ("model", "serial", "firmware")
        )
        if "profile" in answer:
            account["profile"] = _profile(answer["profile"])
    return account


def _word(text: object, longest: int) -> str:
    if not isinstance(text, str):
        raise TypeError
    return "".join(letter if letter.isprintable() else " " for letter in text[:longest])


def _clock(clock: dict[str, Any]) -> DeviceClockAnswer:
    before, after = (float(_number(clock[name])) for name in ("before", "after"))
    utc, shown = (None if clock[name] is None else int(_number(clock[name])) for name in ("utc", "shown"))
    return {"before": round(before, 1), "after": round(after, 1), "utc": utc, "shown": shown}


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= _LATEST:
        raise ValueError
    return value


def _profile(profile: dict[str, Any]) -> MediaProfileAnswer:
    width, height = (min(int(_number(profile[side])), _LARGEST) for side in ("width", "height"))
    names = [_word(name, onvif_soap.LONGEST_WORD) for name in profile["names"][:_MOST_NAMED]]
    return {"there": profile["there"] is True, "width": width, "height": height, "names": names}
