"""The condition of a host and its machine. Pure.

A full disk, a wrong clock or another firewall degrades no path by itself. A clock's difference is known only within the
time of the call, so only a certain difference counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from provisioner.base.text import msg, words_of_end
from provisioner.desired.spec import ReaderEncryption
from provisioner.hosts.answers import wire

_MOST_OFF_S = 30.0
_LEAST_FREE = 32 * 2**20
_LEAST_SHARE = 0.05
_SECONDS_SAID = 120
_MIB = 2**20
_OPENS = {"firewalld": "firewall-cmd --permanent --add-port=PORT/udp", "ufw": "ufw allow PORT/udp"}


class Condition(StrEnum):
    """Faults of a host in documents; values never change their meaning."""

    DISK_FULL = "disk full"
    CLOCK_OFF = "clock off"
    ANOTHER_FIREWALL = "another firewall"
    CERTIFICATE_ENDS = "certificate ends"
    RELAY_RESTARTS = "relay restarts"
    RELAY_STRAINED = "relay lacks resources"
    FOREIGN_ACCESS = "foreign access"


@dataclass(frozen=True, slots=True)
class HostFault:
    """A fault of a host and the next step."""

    condition: Condition
    detail: str


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The machine around our software.

    Attributes:
        device: the interface of the default route; empty if unknown.
        mtu: the interface's largest packet in bytes; 0 if unknown.
        taken: ports that we need and other programs use.
    """

    device: str = ""
    mtu: int = 0
    taken: tuple[wire.PortAnswer, ...] = ()


def findings(
    disks: Sequence[wire.DiskAnswer], clock: Sequence[float] | None, requested: datetime, answered: datetime
) -> tuple[HostFault, ...]:
    """Return the faults of a host's disks and clock.

    `clock` is the host's time at start and end, or `None`. `requested` and `answered` are the controller's times
    around the call.
    """
    return (*_disk_faults(disks), *_clock_faults(clock, requested.timestamp(), answered.timestamp()))


def other_firewalls(names: Sequence[str]) -> tuple[HostFault, ...]:
    """Return other known firewalls as faults: they may block allowed traffic."""
    return tuple(HostFault(Condition.ANOTHER_FIREWALL, _beside(name)) for name in _OPENS if name in names)


def ending_certificate(host: str, tls: ReaderEncryption | None, now: datetime) -> tuple[HostFault, ...]:
    """Return a fault if a certificate for readers ends soon."""
    if tls is None or not (ending := words_of_end(tls.until, tls.warn_days, now)):
        return ()
    hint = msg("make another one with provisioner certificate renew {host}, or have one signed, and apply", host)
    return (
        HostFault(
            Condition.CERTIFICATE_ENDS, msg("the certificate that it shows readers {words}: {hint}", ending, hint)
        ),
    )


def _beside(name: str) -> str:
    return msg(
        "{name} filters beside our table: open our ports there too ({opens}), or switch it off", name, _OPENS[name]
    )


def _disk_faults(disks: Sequence[wire.DiskAnswer]) -> Iterator[HostFault]:
    for disk in disks:
        if not disk["writable"]:
            detail = msg(
                "{folder} is on a disk that is read-only: see the kernel's log (dmesg), and mount it anew",
                disk["folder"],
            )
        elif not disk["inodes"]:
            detail = msg(
                "{folder} is on a disk where no more files can be made (df -i {folder_2}): remove some",
                disk["folder"],
                disk["folder"],
            )
        elif disk["free"] < _LEAST_FREE and disk["free"] < disk["size"] * _LEAST_SHARE:
            free = msg("{free} of {size} MiB free", disk["free"] // _MIB, disk["size"] // _MIB)
            detail = msg(
                "{folder} is on a disk that is full, {free}: make room there (df -h {folder_2})",
                disk["folder"],
                free,
                disk["folder"],
            )
        else:
            continue
        yield HostFault(Condition.DISK_FULL, detail)


def _clock_faults(clock: Sequence[float] | None, requested: float, answered: float) -> Iterator[HostFault]:
    if clock is None:
        return
    began, ended = clock
    # It began after it was asked, and ended before its answer was there: by so much it is ahead or behind at least.
    ahead, behind = ended - answered, requested - began
    if max(ahead, behind) > _MOST_OFF_S:
        offset = msg("ahead of the controller's by {ahead}", _span(ahead))
        offset = offset if ahead > behind else msg("behind of the controller's by {behind}", _span(behind))
        detail = msg("its clock is {by} or more: times in logs and pictures are wrong", offset)
        yield HostFault(Condition.CLOCK_OFF, msg("{detail} (timedatectl)", detail))


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < _SECONDS_SAID else msg("{seconds} minutes", f"{seconds / 60:.0f}")
