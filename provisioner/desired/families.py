"""What rules have to know of the two families of addresses: networks apart, and whether IPv6 is spoken. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Network, collapse_addresses

from provisioner.inventory.model.addresses import AnyNetwork, HostPlace


def apart(networks: Iterable[AnyNetwork]) -> tuple[AnyNetwork, ...]:
    """Networks as sets of nft hold them, which take no two elements that overlap: IPv4 first, each family in order."""
    listed = tuple(networks)
    four = collapse_addresses(network for network in listed if isinstance(network, IPv4Network))
    six = collapse_addresses(network for network in listed if isinstance(network, IPv6Network))
    return (*four, *six)


def speaks_ipv6(networks: Iterable[AnyNetwork], places: Iterable[HostPlace | None]) -> bool:
    """Whether a host is reached over IPv6, or may be.

    Args:
        networks: from where SSH may come to it.
        places: where it is called and sent to; a name may lead to an address of either family.
    """
    reached = (place is not None and not isinstance(place, IPv4Address) for place in places)
    return any(reached) or any(isinstance(network, IPv6Network) for network in networks)
