"""Where an answer of a device sends whoever asked it for its picture: shown, and never followed. Pure."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_STATUS = re.compile(rb"^RTSP/1\.\d 30[1-5]\b")
_LOCATION = re.compile(rb"^location[ \t]*:[ \t]*(\S+)", re.IGNORECASE | re.MULTILINE)
_STRANGE_LETTER = re.compile(r"[^A-Za-z0-9.:\[\]_-]")
_SHOWN = 80


def place_in(answer: bytes) -> str:
    """The host and port that an answer redirects to, empty where it does not; a login in it is left out."""
    location = _LOCATION.search(answer.partition(b"\r\n\r\n")[0]) if _STATUS.match(answer) else None
    if location is None:
        return ""
    try:
        authority = urlsplit(location[1].decode(errors="replace")).netloc
    except ValueError:
        authority = ""
    host = authority.rpartition("@")[2]
    return _STRANGE_LETTER.sub("?", host)[:_SHOWN] or "no address"
