"""Filters that quote every scalar of a template, or fail. Pure."""

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
# Unquoted signs in a source's path and query. `$` is quoted, since MediaMTX would read `$G1` as a group.
_PATH_SAFE = "/?&=:;,+@!*()'~-._%"


def flow(value: object) -> str:
    """Return a value in YAML flow style: JSON, with YAML's escapes."""
    text = encode_basestring(value) if type(value) is str else _ENCODER.encode(value)
    if text.isascii() and "\x7f" not in text:
        return text
    return _YAML_UNSAFE.sub(lambda m: f"\\u{ord(m.group()):04x}", text)


def nft(value: object) -> str:
    """Return a number, address, network or `address . port` pair for nft."""
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
    """Return the elements of an nft set, or map of pairs."""
    return ", ".join(_nft_element(value) for value in values)


def _nft_element(value: object) -> str:
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], tuple | IPv4Address):  # noqa: PLR2004
        return f"{nft(value[0])} : {nft(value[1])}"
    return nft(value)


def nft_text(value: str) -> str:
    """Return a quoted, plain name for nft, which has no escapes."""
    if not _NFT_TEXT.fullmatch(value):
        raise ValueError(f"{value!r} is not a name that nft can hold")
    return f'"{value}"'


def nft_texts(values: Iterable[str]) -> str:
    """Return one quoted name for nft, or a set of several."""
    quoted = [nft_text(value) for value in values]
    return quoted[0] if len(quoted) == 1 else f"{{ {', '.join(quoted)} }}"


def nft_name(value: str) -> str:
    """Return an unquoted nft table name of letters, digits, hyphens, dots."""
    if not _NFT_NAME.fullmatch(value):
        raise ValueError(f"{value!r} is not a name that a table can have")
    return value


def wg(value: object) -> str:
    """Return a value for a WireGuard file; a pair is an endpoint."""
    text = endpoint_text(*value) if isinstance(value, tuple) else str(value)
    if not _WG_VALUE.fullmatch(text):
        raise ValueError("a value for a WireGuard file has a character that the format cannot carry")
    return text


def wg_list(values: Iterable[object]) -> str:
    """Return a comma list for a WireGuard file."""
    return ", ".join(wg(value) for value in values)


def systemd(value: str) -> str:
    """Return a checked word for a unit file; others raise `ValueError`."""
    if not _SYSTEMD_WORD.fullmatch(value):
        raise ValueError(f"{value!r} is not a plain word for a unit")
    return value


def sh(value: object) -> str:
    """Return a word for a POSIX shell."""
    return shlex.quote(str(value))


def comment(value: object) -> str:
    """Return a one-line text for a comment."""
    return re.sub(r"[^\x20-\x7e]", "?", str(value))


def read_pattern(prefix: str) -> str:
    """Return MediaMTX's anchored Go pattern for a prefix, or raise `ValueError`."""
    if not _READ_PREFIX.fullmatch(prefix):
        raise ValueError(f"{prefix!r} is not the beginning of a path")
    return f"~^{prefix}/"


def source_url(source: StreamSource) -> str:
    """Return a source's URL with credentials, for MediaMTX.

    Credentials are percent-encoded completely: MediaMTX cannot parse a raw `#`, `/` or `%`, and would substitute `$G1`.
    """
    return source_head(source) + source_path(source)


def source_head(source: StreamSource) -> str:
    """Return a source URL up to the path, common to a device."""
    login = f"{_whole(source.username)}:{_whole(source.password.reveal())}"
    return f"rtsp://{login}@{dotted(source.address)}:{source.port}"


def dotted(address: IPv4Address) -> str:
    """Return an address as text, in a third of `str`'s time."""
    number = int(address)
    return f"{number >> 24}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def source_path(source: StreamSource) -> str:
    """Return a source's path and query, with its login filled in."""
    path = quoted_path(source.rtsp_path)
    if "{" not in source.rtsp_path:
        return path
    # In one pass: a name may look like a reference itself.
    return _REFERENCE.sub(lambda name: _whole(_login_part(source, name[1])), path)


def _login_part(source: StreamSource, name: str) -> str:
    return source.username if name == "username" else source.password.reveal()


@lru_cache(maxsize=4096)
def quoted_path(text: str) -> str:
    """Quote a path and query, with special characters kept; cached."""
    return quote(text, safe=_PATH_SAFE)


def _whole(text: str) -> str:
    return text if _UNRESERVED.fullmatch(text) else quote(text, safe="")


_ROS_TEXT = re.compile(r"[A-Za-z0-9+/=_.: -]{1,128}")


def ros(value: object) -> str:
    """Return a quoted text for RouterOS, without characters special to its scripts."""
    text = str(value)
    if not _ROS_TEXT.fullmatch(text):
        raise ValueError("a value for RouterOS has a character that its scripts would take for something else")
    return f'"{text}"'


def html(value: object) -> str:
    """Return a value's text for a page."""
    return escape(str(value))


_SCANNED_BYTES = 400  #: Maximum size of a code that a telephone reads reliably from 34 mm of paper.


def scanned(lines: Iterable[str]) -> str:
    """Return the first lines that fit into one code; at least one."""
    fitting: list[str] = []
    for line in lines:
        if fitting and len("\n".join([*fitting, line]).encode()) > _SCANNED_BYTES:
            break
        fitting.append(line)
    return "\n".join(fitting)


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
