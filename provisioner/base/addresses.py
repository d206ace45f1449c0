"""IPv4 and IPv6 addresses, and host names in their place. Pure."""

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

AnyAddress = IPv4Address | IPv6Address
AnyNetwork = IPv4Network | IPv6Network

_LABEL: Final = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
#: Regular expression of a full host name in small letters.
#:
#: The last label begins with a letter, since resolvers read `10.1` and `0x7f.1` as addresses.
HOST_NAME_FORM: Final = rf"(?=.{{1,253}}$)(?:{_LABEL}\.)+[a-z](?:[a-z0-9-]{{0,61}}[a-z0-9])?"
_NAT64: Final = IPv6Network("64:ff9b::/96")
_PUBLIC: Final = IPv6Network("2000::/3")  #: IANA assigns all public IPv6 unicast addresses from this block.
_HOST_NAME: Final = re.compile(HOST_NAME_FORM)


class HostName(str):
    """A full host name in small letters, resolved by ssh and `wg`."""

    __slots__ = ()


HostPlace = AnyAddress | HostName


def is_host_name(text: str) -> bool:
    """Return whether a text is a full host name in small letters."""
    return _HOST_NAME.fullmatch(text) is not None


def host_address(text: str) -> HostPlace:
    """Parse an address or a full host name, or raise `ValueError`."""
    return HostName(text) if is_host_name(text) else ip_address(text)


def is_public(text: str) -> bool:
    """Return whether an address is public, with any IPv4 address in it."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if not address.is_global or address.is_multicast:
        return False
    if isinstance(address, IPv4Address):
        return True
    if address in _NAT64:
        return is_public(str(IPv4Address(int(address) & 0xFFFFFFFF)))
    inner = address.sixtofour or (address.teredo or (None, None))[1]
    return address in _PUBLIC and (inner is None or is_public(str(inner)))
