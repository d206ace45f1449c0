"""Removal of logins from stream addresses that leave the host. Pure."""

from __future__ import annotations

import re

from provisioner_host.machine.patterns import pattern

# An address's path or query may be anything, and some devices take the login there.
_KEY_TEXT = (
    r"(?<![a-z])(?:user(?:name|id)?|usr|uid|login|account|pass(?:word|wd|code|phrase|w)?|pwd|psw|psd|pw|mk|auth[a-z_]*"
    r"|(?:access|api)?_?token|api_?key|key|secret|cred(?:ential)?s?|session(?:_?id)?|sign(?:ature)?|digest|hash|md5"
    r"|basic|bearer|jwt)\s*"
)
_KEY = pattern(_KEY_TEXT + "[=:]")
_CODE = pattern(r"%([0-9A-Fa-f]{2})")
_MOST_ENCODED = 8
_ADDRESS = pattern(r"(rtsps?://)([^\s\"'<>]*)")
_ASSIGNED = pattern(_KEY_TEXT + r"=\s*\S+", re.IGNORECASE)
_REASON = pattern(r"(bad status code: \d+ )\((?![A-Za-z *-]{0,60}\)$).*", re.DOTALL)
_WITHHELD = "***"
# Of the makes' own RTSP paths; the controller has the same.
SHOWN_KEYS = frozenset({"camera", "channel", "streamprofile", "subtype"})
_PAIR = pattern(r"[^/;&=]*=[^/;&]*")
_QUERY_PART = pattern(r"[^&;]+")
_PLAIN_KEY = pattern(r"[A-Za-z_]{0,20}")
_PLAIN_VALUE = pattern(r"[A-Za-z]{1,12}|[0-9]{1,4}")
_SHORTEST = 4  #: Shorter passwords also occur in ordinary sentences and cause codes.


def without_login(source: str) -> str:
    """Return a source's address without its credentials.

    A path or query with the login, or with a key named like one, is replaced whole; else the values of unknown keys
    are.
    """
    scheme, separator, rest = source.partition("://")
    if not separator:
        return source
    head, slash, tail = rest.partition("/")
    login, _, address = head.rpartition("@")
    return f"{scheme}://{address}{slash}{_WITHHELD if _holds_login(tail, login) else _shown(tail)}"


def _shown(tail: str) -> str:
    path, mark, query = tail.partition("?")
    return _PAIR.sub(_shown_pair, path) + mark + _QUERY_PART.sub(_shown_pair, query)


def _shown_pair(part: re.Match[str]) -> str:
    key, is_pair, value = part[0].partition("=")
    key = key if _PLAIN_KEY.fullmatch(key) else _WITHHELD
    shows_value = key.casefold() in SHOWN_KEYS and _PLAIN_VALUE.fullmatch(value)
    return f"{key}={value if shows_value else _WITHHELD}" if is_pair else key


def _holds_login(tail: str, login: str) -> bool:
    if not tail:
        return False
    plain = _decoded(tail)
    # Whoever has an at sign in a path may have meant a login before it.
    if "@" in plain or _KEY.search(plain.casefold()):
        return True
    password = _decoded(login.partition(":")[2])
    return bool(password) and password in plain


def _decoded(text: str) -> str:
    """Remove percent-encoding, up to eight layers."""
    for _ in range(_MOST_ENCODED):
        if "%" not in text:
            break
        plain = _CODE.sub(_character, text)
        if plain == text:
            break
        text = plain
    return text


def _character(code: re.Match[str]) -> str:
    return chr(int(code[1], 16))


def scrubbed(text: str) -> str:
    """Return another program's output without logins in addresses."""
    return _ADDRESS.sub(lambda address: address[1] + _scrubbed(address[2]), text)


def _scrubbed(rest: str) -> str:
    login, at, address = rest.rpartition("@")
    head, slash, tail = address.partition("/")
    return f"{_WITHHELD + at if at else ''}{head}{slash}{_WITHHELD if _holds_login(tail, login) else _shown(tail)}"


def forgotten(text: str, source: str) -> str:
    """Return a camera's words from a log without its login.

    A camera knows its password and may send it in any text.
    """
    login = source.partition("://")[2].partition("/")[0].rpartition("@")[0]
    password = login.partition(":")[2]
    once = _CODE.sub(_character, password)
    for form in (password, once, _utf8(once), _decoded(password), _utf8(_decoded(password))):
        if len(form) >= _SHORTEST:
            text = text.replace(form, _WITHHELD)
    # MediaMTX takes a camera's words for a format of its own, so that a `%` in them comes out as something else.
    text = _REASON.sub(rf"\1({_WITHHELD})", text)
    return _ASSIGNED.sub(_WITHHELD, text)


def _utf8(text: str) -> str:
    return text.encode("latin-1", "replace").decode("utf-8", "replace")
