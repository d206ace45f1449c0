"""What hosts say of how streams travelled while they were visited, as typed values. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from provisioner.base.host_answer import Fields
from provisioner.verify.picture_measures import Picture

# More than a relay has readers, and a centre connections; the host program names no more.
_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look saw come of a stream.

    Attributes:
        looked_s: how long it looked.
        count, bytes: how many pictures came, and how much.
        span_s: how long they are shown; `arrived_s`: how long they took to come.
        step_s, longest_s: from one to the next, the usual and the longest.
    """

    looked_s: float
    count: int
    bytes: int
    span_s: float
    step_s: float
    longest_s: float
    arrived_s: float


@dataclass(frozen=True, slots=True)
class Delivery:
    """How a reader's session at a relay was served while it was watched.

    Attributes:
        user, address, port: who it is, and where.
        packets, discarded: what MediaMTX handed over for it, and what it threw away.
        sent, again: bytes that went out, and of them those that had to be sent again.
        waiting: bytes that wait to be sent, or for the reader's word that they came.
        busy_s, unread_s: how long there was something to send, and how long of it the reader's end had no room.
    """

    user: str
    path: str
    address: str
    port: int
    seconds: float
    packets: int
    discarded: int
    sent: int
    again: int
    waiting: int
    busy_s: float
    unread_s: float


@dataclass(frozen=True, slots=True)
class Arrival:
    """What came over one connection while it was watched.

    Attributes:
        address, port: the other end's; `own_port` is this end's.
        received, segments, disordered: bytes, packets, and packets that came before one that was lost or late.
        waiting: bytes that nobody had read.
    """

    address: str
    port: int
    own_port: int
    seconds: float
    received: int
    segments: int
    disordered: int
    waiting: int


@dataclass(frozen=True, slots=True)
class PathFlow:
    """How much of a path a relay received, in how many seconds; for `still_s` of them at a stretch nothing."""

    seconds: float
    bytes: int
    still_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Deliveries:
    """How a relay's streams travelled: to readers, from sources, and what each path received."""

    readers: tuple[Delivery, ...] = ()
    sources: tuple[Arrival, ...] = ()
    flows: Mapping[str, PathFlow] = field(default_factory=dict)


def seen_of(picture: Picture) -> Seen:
    """What a look saw, out of its measures."""
    packets = picture.packets
    return Seen(
        looked_s=picture.looked_s,
        count=packets.count,
        bytes=packets.bytes,
        span_s=packets.span_s,
        step_s=packets.step_s,
        longest_s=packets.longest_s,
        arrived_s=packets.arrived_s,
    )


def deliveries_in(answer: Fields) -> Deliveries:
    """How a relay's streams travelled.

    Raises:
        UnreadableError: it cannot be read.
    """
    return Deliveries(
        readers=tuple(map(_delivery, list(answer.each("readers"))[:_MOST])),
        sources=arrivals_in(answer, "sources"),
        flows={name: _flow(flow) for name, flow in answer.named("flows")},
    )


def _flow(flow: Fields) -> PathFlow:
    still_s = _seconds(flow, "still_s") if flow.has("still_s") else 0.0
    return PathFlow(_seconds(flow, "seconds"), flow.amount("bytes"), still_s)


def arrivals_in(answer: Fields, name: str) -> tuple[Arrival, ...]:
    """What came over each connection.

    Raises:
        UnreadableError: it cannot be read.
    """
    return tuple(map(_arrival, list(answer.each(name))[:_MOST]))


def _delivery(answer: Fields) -> Delivery:
    return Delivery(
        user=answer.sentence("user"),
        path=answer.sentence("path"),
        address=answer.sentence("address"),
        port=answer.amount("port"),
        seconds=_seconds(answer, "seconds"),
        packets=answer.amount("packets"),
        discarded=answer.amount("discarded"),
        sent=answer.amount("sent"),
        again=answer.amount("again"),
        waiting=answer.amount("waiting"),
        busy_s=_seconds(answer, "busy_s"),
        unread_s=_seconds(answer, "unread_s"),
    )


def _arrival(answer: Fields) -> Arrival:
    return Arrival(
        address=answer.sentence("address"),
        port=answer.amount("port"),
        own_port=answer.amount("own_port"),
        seconds=_seconds(answer, "seconds"),
        received=answer.amount("received"),
        segments=answer.amount("segments"),
        disordered=answer.amount("disordered"),
        waiting=answer.amount("waiting"),
    )


def _seconds(answer: Fields, name: str) -> float:
    return max(0.0, answer.measure(name))
