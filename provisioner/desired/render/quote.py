"""Quoting of values for the formats that we render. Pure; every scalar in a template passes one of these.

A value that a format cannot carry is an error, never something that is let through.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable
from functools import lru_cache
from html import escape
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from json.encoder import encode_basestring
from urllib.parse import quote

from provisioner.base.text import endpoint_text
from provisioner.desired.spec import StreamSource

# JSON's own escapes leave these as they are, but YAML readers take some for line breaks or refuse them.
_YAML_UNSAFE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")
_ENCODER = json.JSONEncoder(ensure_ascii=False)
_NFT_TEXT = re.compile(r"[A-Za-z0-9_.:/-]{1,64}")
_NFT_NAME = re.compile(r"[a-z][a-z0-9.-]{0,62}")
_WG_VALUE = re.compile(r"[A-Za-z0-9+/=_.:,-]+|\[[0-9a-f:]+\]:[0-9]+")
_UNRESERVED = re.compile(r"[A-Za-z0-9_.~-]*")  # what `quote` leaves as it is
_SYSTEMD_WORD = re.compile(r"[A-Za-z0-9/_.+-]+")
_READ_PREFIX = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*(/[a-z0-9]+(-[a-z0-9]+)*)?")
_REFERENCE = re.compile("%7B(username|password)%7D")  # in a path that is quoted
# What stays as it is in a source's path and query. `$` is not in it: MediaMTX would take `$G1` for a group.
_PATH_SAFE = "/?&=:;,+@!*()'~-._%"


def flow(value: object) -> str:
    """A value as one line of YAML flow style (JSON, with what YAML forbids escaped)."""
    text = encode_basestring(value) if type(value) is str else _ENCODER.encode(value)
    if text.isascii() and "\x7f" not in text:
        return text
    return _YAML_UNSAFE.sub(lambda m: f"\\u{ord(m.group()):04x}", text)


def nft(value: object) -> str:
    """A number, an address, a network or an `address . port` pair for nft."""
    if isinstance(value, bool):
        raise TypeError("nft has no booleans")
    if isinstance(value, IPv4Address):
        return dotted(value)
    if isinstance(value, int | IPv4Network | IPv6Network):
        return str(value)
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], IPv4Address):  # noqa: PLR2004
        return f"{dotted(value[0])} . {int(value[1])}"
    raise TypeError(f"{type(value).__name__} is not a value for nft")


def nft_list(values: Iterable[object]) -> str:
    """The elements of a set or map; a map's element is a `(key, value)` pair whose value is a pair or an address."""
    return ", ".join(_nft_element(value) for value in values)


def _nft_element(value: object) -> str:
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], tuple | IPv4Address):  # noqa: PLR2004
        return f"{nft(value[0])} : {nft(value[1])}"
    return nft(value)


def nft_text(value: str) -> str:
    """A quoted name for nft; it knows no escapes, so only plain names pass."""
    if not _NFT_TEXT.fullmatch(value):
        raise ValueError(f"{value!r} is not a name that nft can hold")
    return f'"{value}"'


def nft_texts(values: Iterable[str]) -> str:
    """One quoted name for nft, or a set of several."""
    quoted = [nft_text(value) for value in values]
    return quoted[0] if len(quoted) == 1 else f"{{ {', '.join(quoted)} }}"


def nft_name(value: str) -> str:
    """A table's name for nft, which takes none in quotes: letters, figures, hyphens and dots, a letter first."""
    if not _NFT_NAME.fullmatch(value):
        raise ValueError(f"{value!r} is not a name that a table can have")
    return value


def wg(value: object) -> str:
    """A value for a WireGuard file: one line, no comment sign; a pair is an endpoint."""
    text = endpoint_text(*value) if isinstance(value, tuple) else str(value)
    if not _WG_VALUE.fullmatch(text):
        raise ValueError("a value for a WireGuard file has a character that the format cannot carry")
    return text


def wg_list(values: Iterable[object]) -> str:
    """A comma list for a WireGuard file."""
    return ", ".join(wg(value) for value in values)


def systemd(value: str) -> str:
    """A word for a unit file; specifiers, quotes and spaces are refused."""
    if not _SYSTEMD_WORD.fullmatch(value):
        raise ValueError(f"{value!r} is not a plain word for a unit")
    return value


def sh(value: object) -> str:
    """A word for a POSIX shell."""
    return shlex.quote(str(value))


def comment(value: object) -> str:
    """A text for a comment: one line."""
    return re.sub(r"[^\x20-\x7e]", "?", str(value))


def read_pattern(prefix: str) -> str:
    """The paths under a prefix as MediaMTX takes them: a regular expression of Go's, which is not anchored by itself.

    Raises:
        ValueError: the prefix has a letter that no id has, and that might mean something else there.
    """
    if not _READ_PREFIX.fullmatch(prefix):
        raise ValueError(f"{prefix!r} is not the beginning of a path")
    return f"~^{prefix}/"


def source_url(source: StreamSource) -> str:
    """A source's address with its credentials, as MediaMTX takes it.

    Credentials are percent-encoded whole (a raw `#`, `/` or `%` is fatal to MediaMTX's parse, and `$G1` in
    the value would be substituted); the path and query keep their own signs.
    """
    return source_head(source) + source_path(source)


def source_head(source: StreamSource) -> str:
    """The beginning of a source's address, up to the path: what all streams of a device have in common."""
    login = f"{_whole(source.username)}:{_whole(source.password.reveal())}"
    return f"rtsp://{login}@{dotted(source.address)}:{source.port}"


def dotted(address: IPv4Address) -> str:
    """An address as text, as `str` does, in a third of its time: a country's plan writes a hundred thousand."""
    number = int(address)
    return f"{number >> 24}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def source_path(source: StreamSource) -> str:
    """The path and query of a source's address; `{username}` and `{password}` in it are the device's login, quoted."""
    path = quoted_path(source.rtsp_path)
    if "{" not in source.rtsp_path:
        return path
    # In one pass: a name may look like a reference itself.
    return _REFERENCE.sub(lambda name: _whole(_login_part(source, name[1])), path)


def _login_part(source: StreamSource, name: str) -> str:
    return source.username if name == "username" else source.password.reveal()


@lru_cache(maxsize=4096)
def quoted_path(text: str) -> str:
    """The path and query of a source's address, with its own signs kept; there are few different ones."""
    return quote(text, safe=_PATH_SAFE)


def _whole(text: str) -> str:
    return text if _UNRESERVED.fullmatch(text) else quote(text, safe="")


_ROS_TEXT = re.compile(r"[A-Za-z0-9+/=_.: -]{1,128}")


def ros(value: object) -> str:
    """A quoted text for RouterOS; only letters that mean nothing to its scripts pass."""
    text = str(value)
    if not _ROS_TEXT.fullmatch(text):
        raise ValueError("a value for RouterOS has a character that its scripts would take for something else")
    return f'"{text}"'


def html(value: object) -> str:
    """A value's text for a page."""
    return escape(str(value))


_SCANNED_BYTES = 400
"""How much one code holds that a telephone reads off paper of 34 mm without trouble."""


def scanned(lines: Iterable[str]) -> str:
    """The first lines that one code to scan holds; at least one."""
    kept: list[str] = []
    for line in lines:
        if kept and len("\n".join([*kept, line]).encode()) > _SCANNED_BYTES:
            break
        kept.append(line)
    return "\n".join(kept)


FILTERS = {
    "flow": flow,
    "nft": nft,
    "nft_list": nft_list,
    "nft_name": nft_name,
    "nft_text": nft_text,
    "nft_texts": nft_texts,
    "wg": wg,
    "wg_list": wg_list,
    "systemd": systemd,
    "sh": sh,
    "comment": comment,
    "html": html,
    "ros": ros,
    "scanned": scanned,
}
