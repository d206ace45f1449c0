"""What of the address pools is taken, and what is free next: single addresses, and sites' prefixes. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from ipaddress import IPv4Address, IPv4Network


class Taken:
    """What is in use, or was: it grows by what is given out, and nothing of it is ever given out again."""

    def __init__(self, addresses: Collection[IPv4Address], prefixes: Collection[IPv4Network]) -> None:
        """Take what is recorded: single addresses, and whole prefixes with all that lies in them."""
        self._addresses = set(addresses)
        self._prefixes: dict[int, set[int]] = defaultdict(set)
        self._used: dict[int, set[int]] = {}
        self._free: dict[IPv4Network, Iterator[IPv4Address]] = {}
        self._blocks: dict[tuple[IPv4Network, int], Iterator[int]] = {}
        for prefix in prefixes:
            self._prefixes[prefix.prefixlen].add(_block(prefix.network_address, prefix.prefixlen))

    def next_address(self, network: IPv4Network) -> IPv4Address | None:
        """Take the first address of a pool that is free; None where none is left."""
        free = self._free.setdefault(network, _addresses(network))
        address = next((a for a in free if a not in self._addresses and not self._is_in_a_prefix(a)), None)
        if address is not None:
            self._addresses.add(address)
            for length, used in self._used.items():
                used.add(_block(address, length))
        return address

    def next_prefix(self, network: IPv4Network, length: int) -> IPv4Network | None:
        """Take the first prefix of a pool of which nothing is taken; None where none is left."""
        used = self._used_of(length)
        blocks = self._blocks.setdefault((network, length), _networks(network, length))
        block = next((one for one in blocks if one not in used), None)
        if block is None:
            return None
        self._prefixes[length].add(block)
        for other, of_other in self._used.items():
            of_other.update(_blocks_of(block, length, other))
        return IPv4Network((block << (_BITS - length), length))

    def _used_of(self, length: int) -> set[int]:
        """The networks of a length of which something is taken."""
        if length not in self._used:
            used = {_block(address, length) for address in self._addresses}
            for other, blocks in self._prefixes.items():
                used.update(one for block in blocks for one in _blocks_of(block, other, length))
            self._used[length] = used
        return self._used[length]

    def _is_in_a_prefix(self, address: IPv4Address) -> bool:
        return any(_block(address, length) in blocks for length, blocks in self._prefixes.items())


_BITS = 32


def _block(address: IPv4Address, length: int) -> int:
    """Which network of a length an address lies in, counted from 0.0.0.0."""
    return int(address) >> (_BITS - length)


def _blocks_of(block: int, length: int, wanted: int) -> range:
    """The networks of another length that a network has, or the one in which it lies."""
    if wanted <= length:
        return range(block >> (length - wanted), (block >> (length - wanted)) + 1)
    return range(block << (wanted - length), (block + 1) << (wanted - length))


def _networks(network: IPv4Network, length: int) -> Iterator[int]:
    """A pool's networks of a length in order; none where the pool itself is smaller."""
    if network.prefixlen > length:
        return iter(())
    first = _block(network.network_address, length)
    return iter(range(first, first + (1 << (length - network.prefixlen))))


def _addresses(network: IPv4Network) -> Iterator[IPv4Address]:
    """A pool's addresses in order; those that end in .0 are left out, as old routers drop them."""
    return (address for address in network.hosts() if int(address) & 0xFF)
