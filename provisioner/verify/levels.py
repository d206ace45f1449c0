"""The levels of verification, in one table (docs/design.md, part 7): a new level is a row here and its check. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from provisioner.verify.case import Case, Check
from provisioner.verify.network import host_check, port_check, tunnel_check
from provisioner.verify.picture.check import picture_check
from provisioner.verify.stream import centre_check, read_check, relay_check


class Subject(Enum):
    """What a level is about, which decides what its failure means for the verdict.

    Attributes:
        HOST: what the host holds: a failure is drift, and cuts nobody by itself.
        LINK: the way to the camera: a failure is overruled by a good picture that comes all the same.
        PICTURE: what comes of the picture; the first such level is that it comes at all.
    """

    HOST = auto()
    LINK = auto()
    PICTURE = auto()


@dataclass(frozen=True, slots=True)
class Level:
    """One level.

    Attributes:
        number: its number in documents; never changes its meaning.
        name: its statement in short, as documents and pages have it.
        statement: what is true of a path that passed it, in the words of docs/design.md.
        check: judges it by itself, from the evidence about one path.
        subject: what it is about.
        at_the_gate: whether the path gate of an apply judges by it as well, from one look at the relay.
    """

    number: int
    name: str
    statement: str
    check: Callable[[Case], Check]
    subject: Subject
    at_the_gate: bool = False


LEVELS: tuple[Level, ...] = (
    Level(
        number=1,
        name="host equals the desired state",
        statement="the host's files, services, rules and peers equal the desired state",
        check=host_check,
        subject=Subject.HOST,
    ),
    Level(
        number=2,
        name="tunnel",
        statement=(
            "the tunnel has a recent handshake, owns its allowed IPs, and a route exists; without one the site is heard"
        ),
        check=tunnel_check,
        subject=Subject.LINK,
    ),
    Level(
        number=3,
        name="camera port answers",
        statement="the camera's port answers from the relay, where that pulls it",
        check=port_check,
        subject=Subject.LINK,
    ),
    Level(
        number=4,
        name="relay receives",
        statement=(
            "MediaMTX says available and online, and inbound bytes grew between two samples, from the camera's own port"
        ),
        check=relay_check,
        subject=Subject.PICTURE,
        at_the_gate=True,
    ),
    Level(
        number=5,
        name="key frame of the relay decoded",
        statement=(
            "a key frame of the declared codec and size was decoded, on the relay or at a centre;"
            " no sound unless asked for"
        ),
        check=read_check,
        subject=Subject.PICTURE,
        at_the_gate=True,
    ),
    Level(
        number=6,
        name="picture of something",
        statement=(
            "where a look was due: no black, flat, repeated or damaged picture, no card, the agreed rate, a true clock"
        ),
        check=picture_check,
        subject=Subject.PICTURE,
    ),
    Level(
        number=7,
        name="key frame decoded at the centre",
        statement="the same as 5 from the monitoring centre, through the tunnel, and the stream arrives in full",
        check=centre_check,
        subject=Subject.PICTURE,
    ),
)
"""Every level, in the order of numbers. 6 applies where a look was due and could be judged; else 7 follows 5."""

PICTURES = next(level.number for level in LEVELS if level.check is picture_check)
"""The level of what a look at a picture measures."""

HIGHEST = LEVELS[-1]
"""The level of a path that is up to its end."""

GATE_LEVELS = tuple(level for level in reversed(LEVELS) if level.at_the_gate)
"""What the path gate judges by, the highest first: that says more of what a viewer gets."""
