"""The condition of a host, and the machine around ours there. Pure.

A full disk, a clock that is off or another firewall degrades no path by itself. How far a clock is off is known no
better than how long the host's answer was under way: only a difference that is certain counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import islice

from provisioner.base.host_answer import Fields, UnreadableError
from provisioner.base.text import words_of_end
from provisioner.desired.spec import ReaderEncryption

_MOST_OFF_S = 30.0
_LEAST_FREE = 32 * 2**20
_LEAST_SHARE = 0.05
_MOST_DISKS = 50
_SECONDS_SAID = 120
_MIB = 2**20
_OPENS = {"firewalld": "firewall-cmd --permanent --add-port=PORT/udp", "ufw": "ufw allow PORT/udp"}
# The year 9999.
_LATEST = 253_402_300_799

_MOST_PORTS = 20


class Condition(StrEnum):
    """What can be wrong with a host itself, in documents; never changes its meaning."""

    DISK_FULL = "disk full"
    CLOCK_OFF = "clock off"
    ANOTHER_FIREWALL = "another firewall"
    CERTIFICATE_ENDS = "certificate ends"


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk below a folder that we need; `inodes` is whether files can be made on it."""

    folder: str
    size: int
    free: int
    inodes: bool
    writable: bool


@dataclass(frozen=True, slots=True)
class HostFault:
    """What is wrong with a host, and what to do."""

    condition: Condition
    detail: str


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


def disks_in(answer: Fields) -> tuple[Disk, ...]:
    """The disks in a host's answer.

    Raises:
        UnreadableError: they cannot be read.
    """
    listed = list(answer.each("disks"))[:_MOST_DISKS]
    return tuple(
        Disk(d.sentence("folder"), d.amount("size"), d.amount("free"), d.flag("inodes"), d.flag("writable"))
        for d in listed
    )


def clock_in(answer: Fields) -> tuple[float, float]:
    """The host's clock when it began and when it ended.

    Raises:
        UnreadableError: it cannot be read.
    """
    match answer.list_of("clock"):
        case [int() | float() as began, int() | float() as ended] if {began, ended} == _in_time(began, ended):
            return float(began), float(ended)
        case _:
            raise UnreadableError(f"{answer.place_of('clock')} is no pair of times")


def _in_time(*moments: float) -> set[float]:
    return {moment for moment in moments if 0 <= moment <= _LATEST}


def findings(
    disks: Sequence[Disk], clock: tuple[float, float] | None, asked: datetime, answered: datetime
) -> tuple[HostFault, ...]:
    """What is wrong with a host.

    Args:
        disks: as the host has them.
        clock: its own when it began and ended, None where it did not say.
        asked: by the controller's clock, no later than when the host began.
        answered: no earlier than when it ended.
    """
    return (*_full(disks), *_off(clock, asked.timestamp(), answered.timestamp()))


def other_firewalls(names: Sequence[str]) -> tuple[HostFault, ...]:
    """The firewalls of others on a relay: what our table lets in, any one of them may still refuse.

    Args:
        names: as the host has them; of one that is unknown here nothing is said.
    """
    return tuple(HostFault(Condition.ANOTHER_FIREWALL, _beside(name)) for name in _OPENS if name in names)


def ending_certificate(host: str, tls: ReaderEncryption | None, now: datetime) -> tuple[HostFault, ...]:
    """That the certificate that a relay is to show readers ends soon, or has ended.

    Args:
        host: the relay.
        tls: how it encrypts its readers' connections; None where it does not.
        now: the moment.
    """
    if tls is None or not (words := words_of_end(tls.until, tls.warn_days, now)):
        return ()
    hint = f"make another one with provisioner certificate renew {host}, or have one signed, and apply"
    return (HostFault(Condition.CERTIFICATE_ENDS, f"the certificate that it shows readers {words}: {hint}"),)


def _beside(name: str) -> str:
    return (
        f"{name} is at work beside our table, and what it refuses stays refused; it is left alone: let the ports of"
        f" WireGuard (UDP), of SSH and of its readers (TCP) in there too ({_OPENS[name]}), or switch it off"
    )


def _full(disks: Sequence[Disk]) -> Iterator[HostFault]:
    for disk in disks:
        if not disk.writable:
            detail = f"{disk.folder} is on a disk that is read-only: see the kernel's log (dmesg), and mount it anew"
        elif not disk.inodes:
            detail = f"{disk.folder} is on a disk where no more files can be made (df -i {disk.folder}): remove some"
        elif disk.free < _LEAST_FREE and disk.free < disk.size * _LEAST_SHARE:
            free = f"{disk.free // _MIB} of {disk.size // _MIB} MiB free"
            detail = f"{disk.folder} is on a disk that is full, {free}: make room there (df -h {disk.folder})"
        else:
            continue
        yield HostFault(Condition.DISK_FULL, detail)


def _off(clock: tuple[float, float] | None, asked: float, answered: float) -> Iterator[HostFault]:
    if clock is None:
        return
    began, ended = clock
    # It began after it was asked, and ended before its answer was there: by so much it is ahead or behind at least.
    ahead, behind = ended - answered, asked - began
    if max(ahead, behind) > _MOST_OFF_S:
        by = f"ahead of the controller's by {_span(ahead)}"
        by = by if ahead > behind else f"behind of the controller's by {_span(behind)}"
        detail = f"its clock is {by} or more: times in logs and pictures are wrong"
        yield HostFault(Condition.CLOCK_OFF, f"{detail}; see timedatectl on it, and whether it has a time server")


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < _SECONDS_SAID else f"{seconds / 60:.0f} minutes"


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
