"""What of a machine a change would meet: its way out, and who has the ports that ours need. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from provisioner.hosts.document import Fields

_MOST_PORTS = 20


@dataclass(frozen=True, slots=True)
class TakenPort:
    """A port that ours are to have and somebody else has.

    Attributes:
        protocol: `tcp` or `udp`.
        user: whose program has it.
    """

    protocol: str
    port: int
    user: str


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is around ours on a machine.

    Attributes:
        device: the interface of the default route; empty where there is none, or the host did not say.
        mtu: how large a packet that goes out by it may be, in bytes; 0 where that is not known.
        taken: ports that ours are to have and somebody else has.
    """

    device: str = ""
    mtu: int = 0
    taken: tuple[TakenPort, ...] = ()


def surroundings_in(answer: Fields) -> Surroundings:
    """What a host says of them; an older program says nothing.

    Raises:
        UnreadableError: it cannot be read.
    """
    way_out = answer.below_or_none("way_out") if answer.has("way_out") else None
    ports = islice(answer.each("ports_taken"), _MOST_PORTS) if answer.has("ports_taken") else ()
    taken = tuple(TakenPort(p.sentence("protocol"), p.amount("port"), p.sentence("user")) for p in ports)
    if way_out is None:
        return Surroundings(taken=taken)
    return Surroundings(way_out.sentence("device"), way_out.amount("mtu"), taken)
