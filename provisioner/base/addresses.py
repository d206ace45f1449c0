"""Addresses of either family, and the host names that may stand in their place. Pure."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

AnyAddress = IPv4Address | IPv6Address
AnyNetwork = IPv4Network | IPv6Network

_LABEL: Final = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
HOST_NAME_FORM: Final = rf"(?=.{{1,253}}$)(?:{_LABEL}\.)+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])?"
"""A host name in full, in small letters, as a regular expression.

The last label begins with a letter: resolvers take `10.1` and `0x7f.1` for addresses.
"""
_HOST_NAME: Final = re.compile(HOST_NAME_FORM)


class HostName(str):
    """A host name in full, in small letters. Nothing of ours resolves one: ssh does, and a gateway's `wg`."""

    __slots__ = ()


HostPlace = AnyAddress | HostName


def is_host_name(text: str) -> bool:
    """Whether a text is a host name in full, in small letters."""
    return _HOST_NAME.fullmatch(text) is not None


def host_place(text: str) -> HostPlace:
    """An address of either family, or a host name in full, in small letters.

    Raises:
        ValueError: it is neither.
    """
    return HostName(text) if is_host_name(text) else ip_address(text)
