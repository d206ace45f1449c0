"""Addresses that may be called: encrypted but on this machine, and with no login in them. Pure."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

_LOCALHOST: Final = "localhost"


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine by its name alone: nothing is asked of the network."""
    if host == _LOCALHOST:
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def checked_url(text: str) -> str:
    """Take an address that may be called: encrypted but on this machine, without a login.

    Raises:
        ValueError: it is none.
    """
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("a URL is written https://HOST[:PORT]/PATH") from None
    if parts.scheme not in {"https", "http"} or not host or port == 0:
        raise ValueError("a URL is written https://HOST[:PORT]/PATH")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ValueError("a URL here has no login, no query and no fragment: what is secret stands in secrets/")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError("http:// is for this machine alone: write https://")
    return text
