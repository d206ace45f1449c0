"""What hosts say of how streams travelled while they were visited, as typed values. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from provisioner.hosts.answers import wire


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


def seen_of(picture: wire.PictureAnswer) -> Seen:
    """What a look saw, out of its measures."""
    packets = picture["packets"]
    return Seen(
        looked_s=picture["looked_s"],
        count=packets["count"],
        bytes=packets["bytes"],
        span_s=packets["span_s"],
        step_s=packets["step_s"],
        longest_s=packets["longest_s"],
        arrived_s=packets["arrived_s"],
    )
