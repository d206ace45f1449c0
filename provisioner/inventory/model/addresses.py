"""The forms of addresses that may be of either family, and of the host names that may stand in their place.

An address is one value however it is written: `2001:DB8:0::1` is `2001:db8::1`. What would be two values under one
name, or would mean something on one machine alone, is refused: an IPv4 address in the clothes of IPv6, and a zone.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Annotated, Final

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

AnyAddress = IPv4Address | IPv6Address
AnyNetwork = IPv4Network | IPv6Network

_MAPPED: Final = IPv6Network("::ffff:0:0/96")
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


def _address(value: object) -> AnyAddress:
    if isinstance(value, IPv4Address | IPv6Address):
        return _plain(value)
    if not isinstance(value, str):
        raise PydanticCustomError("address", "not an address")
    try:
        address = ip_address(value)
    except ValueError:
        raise PydanticCustomError("address", "not an address") from None
    return _plain(address, value)


def _plain(address: AnyAddress, written: str = "") -> AnyAddress:
    if isinstance(address, IPv4Address):
        return address
    if address.scope_id is not None:
        raise ValueError("an address with a zone (%) means something on one machine alone: write it without")
    if address.ipv4_mapped is not None:
        raise ValueError(f"this is an IPv4 address in IPv6's form: write {address.ipv4_mapped}")
    if "." in written:
        raise ValueError(f"an IPv6 address has no dots here: write {address}")
    return address


def _network(value: object) -> AnyNetwork:
    written = value if isinstance(value, str) else ""
    if written and "%" not in written:
        try:
            value = ip_network(written)
        except ValueError as error:
            if "host bits" in str(error):
                raise
    if not isinstance(value, IPv4Network | IPv6Network):
        raise PydanticCustomError("address", "not a network")
    if isinstance(value, IPv6Network) and value.subnet_of(_MAPPED):
        inside = IPv4Network((int(value.network_address) & 0xFFFFFFFF, value.prefixlen - _MAPPED.prefixlen))
        raise ValueError(f"this is an IPv4 network in IPv6's form: write {inside}")
    if isinstance(value, IPv6Network) and "." in written:
        raise ValueError(f"an IPv6 network has no dots here: write {value}")
    return value


def _place(value: object) -> HostPlace:
    if isinstance(value, HostName):
        return value
    if isinstance(value, str) and is_host_name(value.lower()):
        return HostName(value.lower())
    return _address(value)


_AS_TEXT: Final = PlainSerializer(str, return_type=str, when_used="json")
_ADDRESS_SCHEMAS: Final = [{"type": "string", "format": "ipv4"}, {"type": "string", "format": "ipv6"}]
_NETWORK_SCHEMAS: Final = [{"type": "string", "format": "ipv4network"}, {"type": "string", "format": "ipv6network"}]
_NAME_SCHEMA: Final = {"type": "string", "format": "hostname"}

IpAddress = Annotated[AnyAddress, PlainValidator(_address), _AS_TEXT, WithJsonSchema({"anyOf": [*_ADDRESS_SCHEMAS]})]
"""An address of either family."""

IpNetwork = Annotated[AnyNetwork, PlainValidator(_network), _AS_TEXT, WithJsonSchema({"anyOf": [*_NETWORK_SCHEMAS]})]
"""A network of either family."""

HostAddress = Annotated[
    HostPlace,
    PlainValidator(_place),
    _AS_TEXT,
    WithJsonSchema({"anyOf": [*_ADDRESS_SCHEMAS, _NAME_SCHEMA]}),
]
"""Where a host is called: an address of either family, or its name."""
