"""Durations, sizes and URLs in the notation of the real relay."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

from .errors import ConfigError
from .schema import MEBIBYTE, MILLISECOND, SECOND

_UNITS: Final = {"ns": 1, "us": 1000, "µs": 1000, "ms": MILLISECOND, "s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND}
_DAY: Final = 86400 * SECOND
_DAYS: Final = re.compile(r"(-?[0-9]+)d")
_PART: Final = re.compile(r"([0-9]*\.?[0-9]*)([^0-9.]*)")
_SIZE: Final = re.compile(r"\s*([0-9.]+)\s*([KMGTPE]?)(I?B)?\s*", re.IGNORECASE)
_SIZE_POWERS: Final = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5, "E": 6}
_BAD_SIZE: Final = "byte quantity must be a positive integer with a unit of measurement like M, MB, MiB, G, GiB, or GB"
_ESCAPE: Final = re.compile(r"%(?![0-9a-fA-F]{2})")
_USERINFO: Final = re.compile(r"[A-Za-z0-9\-._:~!$&'()*+,;=%@]*")
_HOST_NAME: Final = re.compile(r"[^\s/?#\[\]@<>\"\\^`{|}\x00-\x1f:]*")
_PLACEHOLDER_PORT: Final = re.compile(r":\$G[0-9]+")
_PLACEHOLDER: Final = re.compile(r"\$G[0-9]+")


def parse_duration(text: str) -> int:
    """Turn `1d2h3.5s` into nanoseconds.

    Raises:
        ConfigError: it is not a duration.
    """
    days = _DAYS.match(text)
    rest = text[days.end() :] if days else text
    whole = int(days[1]) if days else 0
    total = (_clock(rest, rest) if rest else 0) + abs(whole) * _DAY
    return -total if whole < 0 else total


def _clock(text: str, original: str) -> int:
    sign = -1 if text.startswith("-") else 1
    rest = text.lstrip("+-") if text[:1] in "+-" else text
    if rest == "0":
        return 0
    total = 0.0
    position = 0
    while position < len(rest) or not rest:
        part = _PART.match(rest, position)
        if part is None or part[1] in ("", "."):
            message = f'time: invalid duration "{original}"'
            raise ConfigError(message)
        if not part[2]:
            message = f'time: missing unit in duration "{original}"'
            raise ConfigError(message)
        if part[2] not in _UNITS:
            message = f'time: unknown unit "{part[2]}" in duration "{original}"'
            raise ConfigError(message)
        total += float(part[1]) * _UNITS[part[2]]
        position = part.end()
    return sign * round(total)


def format_duration(value: int) -> str:
    """Write nanoseconds as the Control API does."""
    if value < 0:
        return "-" + format_duration(-value)
    days, rest = divmod(value, _DAY)
    text = f"{days}d" if days else ""
    if not rest:
        return text
    for unit, name in ((1, "ns"), (1000, "µs"), (MILLISECOND, "ms")):
        if rest < unit * 1000:
            return f"{text}{rest / unit:g}{name}"
    minutes, seconds = divmod(rest, 60 * SECOND)
    hours, minutes = divmod(minutes, 60)
    clock = f"{seconds / SECOND:g}s"
    if hours:
        return f"{text}{hours}h{minutes}m{clock}"
    return f"{text}{minutes}m{clock}" if minutes else text + clock


def parse_size(text: str) -> int:
    """Turn `50M` into bytes.

    Raises:
        ConfigError: it is not a size.
    """
    matched = _SIZE.fullmatch(text)
    if matched is None or not (matched[2] or matched[3]):
        raise ConfigError(_BAD_SIZE)
    try:
        value = float(matched[1]) * 1024 ** _SIZE_POWERS[matched[2].upper()]
    except ValueError as error:
        raise ConfigError(_BAD_SIZE) from error
    if value <= 0:
        raise ConfigError(_BAD_SIZE)
    return int(value)


def format_size(value: int) -> str:
    """Write bytes as the Control API does, for the sizes that are used."""
    for unit, name in ((MEBIBYTE * 1024, "G"), (MEBIBYTE, "M"), (1024, "K")):
        if value >= unit:
            return f"{round(value / unit, 1):g}{name}"
    return f"{value}B" if value else "0B"


@dataclass(frozen=True, slots=True)
class Url:
    """The parts of a source URL; user and password are decoded."""

    scheme: str
    user: str
    password: str
    host: str
    port: int | None
    resource: str

    def authority(self) -> str:
        """The host and the port, as written."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port is None else f"{name}:{self.port}"

    def without_credentials(self) -> str:
        """The URL as it goes onto the wire."""
        return f"{self.scheme}://{self.authority()}{self.resource}"


def parse_url(source: str) -> Url:
    """Check and split a URL by the rules that the real relay applies to sources.

    Raises:
        ConfigError: it is not a URL, or has a user without a password or the reverse.
    """
    invalid = ConfigError(f"'{source}' is not a valid URL")
    text = _PLACEHOLDER.sub("abc", _PLACEHOLDER_PORT.sub(":1935", source))
    scheme, found, rest = text.partition("://")
    if not found or any(ord(character) < 0x20 or ord(character) == 0x7F for character in text):
        raise invalid
    rest, _, fragment = rest.partition("#")
    end = min((rest.index(mark) for mark in "/?" if mark in rest), default=len(rest))
    authority, resource = rest[:end], rest[end:]
    path = resource.partition("?")[0]
    if _ESCAPE.search(path) or _ESCAPE.search(fragment):
        raise invalid
    userinfo, _, place = authority.rpartition("@")
    if not _USERINFO.fullmatch(userinfo) or _ESCAPE.search(userinfo):
        raise invalid
    host, port = _host_and_port(place, invalid)
    user, _, password = userinfo.partition(":")
    if bool(user) != bool(password):
        message = "username and password must be both provided"
        raise ConfigError(message)
    return Url(scheme.lower(), unquote(user), unquote(password), host, port, resource)


def _host_and_port(place: str, invalid: ConfigError) -> tuple[str, int | None]:
    if place.startswith("["):
        host, closed, tail = place[1:].partition("]")
        if not closed or (tail and not tail.startswith(":")):
            raise invalid
        digits = tail[1:]
    else:
        host, _, digits = place.partition(":")
        if not _HOST_NAME.fullmatch(host) or (not host and not digits):
            raise invalid
    if digits and not (digits.isascii() and digits.isdigit()):
        raise invalid
    return host, int(digits) if digits else None
