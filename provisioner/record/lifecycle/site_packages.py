"""Which package a site's gateway carries, as far as anybody wrote it down or saw it. Pure.

A gateway is no host of ours: nobody asks it. What is known of it is which packages were handed out, which of them
somebody said to be installed, and at which relays it was seen since. Where nothing of that is recorded nothing is
known, and nothing is taken for fine.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import NamedTuple

from provisioner.record.lifecycle.evidence import LastCheck, Shown


class NamedRelay(NamedTuple):
    """A relay as a site's package names it.

    Attributes:
        relay: its id.
        public_key: its tunnel's public key; for a site that pushes the fingerprint of its certificate.
        endpoint: its public address and port.
        own_address: its address within the tunnel; empty for a site that pushes.
        address: the site's own one there, likewise.
    """

    relay: str
    public_key: str
    endpoint: str
    own_address: str
    address: str


@dataclass(frozen=True, slots=True)
class HandedPackage:
    """A package that was handed out; no secret of it is known here.

    Attributes:
        shown: when, and in which run.
        by: who did it.
        relays: the relays that it names; none where it takes the gateway down.
        digest: the hash over all that it says without secrets.
        takes_down: whether it takes the gateway out of service.
        until: the last day on which it may be installed; none where it never ends, or nobody recorded that.
    """

    shown: Shown
    by: str
    relays: tuple[NamedRelay, ...]
    digest: str
    takes_down: bool = False
    until: date | None = None


@dataclass(frozen=True, slots=True)
class PackageRecord:
    """What is recorded of a site's packages.

    Attributes:
        handed: the packages that were handed out, the earliest first; one that says the same as the one before is that,
            valid until the later day of both.
        installed: when somebody said that one was installed, with its digest, the earliest first.
    """

    handed: tuple[HandedPackage, ...] = ()
    installed: tuple[tuple[Shown, str], ...] = ()


NO_RECORD = PackageRecord()


class PackageState(StrEnum):
    """How what a gateway carries stands to what is desired now.

    Attributes:
        CURRENT: it carries what is desired: somebody said so, or its tunnel was seen by it.
        HANDED_OUT: the package that is desired was handed out, and nobody knows yet whether it is installed.
        EXPIRED: it was handed out, its days are over, and nobody knows whether it was installed before.
        OLDER: the last package that was handed out is not what is desired now.
        NOT_RECORDED: no package is recorded.
    """

    CURRENT = "current"
    HANDED_OUT = "handed-out"
    EXPIRED = "expired"
    OLDER = "older"
    NOT_RECORDED = "not-recorded"


@dataclass(frozen=True, slots=True)
class WantedPackage:
    """What a site's package would say now.

    Attributes:
        relays: the relays that it names; none where the gateway is to be taken down.
        digest: the hash over all that it says without secrets; empty where that was not worked out.
    """

    relays: tuple[NamedRelay, ...]
    digest: str = ""


@dataclass(frozen=True, slots=True)
class PackageStanding:
    """What is known of the package that a site's gateway carries.

    Attributes:
        state: how it stands to what is desired.
        former: relays that it may still name and that the desired one does not, or not with this key or address.
        handed: the last package that was handed out.
        installed: since when it is known that the gateway has that one.
        wanted: the relays that its package would name now.
    """

    facility: str
    state: PackageState
    former: tuple[str, ...] = ()
    handed: HandedPackage | None = None
    installed: Shown | None = None
    wanted: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        """What comes next; empty where nothing has to."""
        match self.state:
            case PackageState.CURRENT:
                return ""
            case PackageState.HANDED_OUT:
                return _command("gateway", "installed", self.facility)
            case PackageState.OLDER | PackageState.EXPIRED | PackageState.NOT_RECORDED:
                return _command("site-package", self.facility, "--out", "DIR")


def _command(*words: str) -> str:
    return " ".join(("provisioner", *words))


def package_standing(
    facility: str,
    record: PackageRecord,
    wanted: WantedPackage,
    checks: Iterable[LastCheck],
    connected: Shown | None,
    *,
    today: date | None = None,
) -> PackageStanding:
    """What is known of a site's package.

    Args:
        facility: its id.
        record: what is recorded of its packages.
        wanted: what is desired now.
        checks: the latest check of its paths on each relay.
        connected: when it was first seen connected, if it was.
        today: the day in Vietnam; None where it does not matter whether a package expired.
    """
    names = tuple(one.relay for one in wanted.relays)
    if not record.handed:
        return PackageStanding(facility, PackageState.NOT_RECORDED, wanted=names)
    seen = [_known_since(record, place, tuple(checks), connected) for place in range(len(record.handed))]
    last, since = record.handed[-1], seen[-1]
    first = max((place for place, known in enumerate(seen) if known), default=0)
    former = _former(record.handed[first:], wanted.relays)
    if not _is_wanted(last, wanted):
        return PackageStanding(facility, PackageState.OLDER, former, last, since, names)
    if since is None:
        is_over = today is not None and last.until is not None and today > last.until
        state = PackageState.EXPIRED if is_over else PackageState.HANDED_OUT
        return PackageStanding(facility, state, former, last, None, names)
    return PackageStanding(facility, PackageState.CURRENT, (), last, since, names)


def _is_wanted(package: HandedPackage, wanted: WantedPackage) -> bool:
    if package.takes_down or not wanted.relays:
        return package.takes_down and not wanted.relays
    return set(package.relays) == set(wanted.relays) and wanted.digest in {"", package.digest}


def _former(may_be_there: Sequence[HandedPackage], wanted: Collection[NamedRelay]) -> tuple[str, ...]:
    return tuple(sorted({one.relay for package in may_be_there for one in package.relays if one not in wanted}))


def _known_since(
    record: PackageRecord, place: int, checks: Sequence[LastCheck], connected: Shown | None
) -> Shown | None:
    """Since when it is known that a package is installed; None where nobody knows."""
    said = [shown for shown, digest in record.installed if _meant(record.handed, shown, digest) == place]
    return min([*said, *_seen(record, place, checks, connected)], default=None)


def _meant(handed: Sequence[HandedPackage], shown: Shown, digest: str) -> int | None:
    """Which package somebody meant who said that one was installed: the last of that content until then."""
    of_it = [place for place, one in enumerate(handed) if one.digest == digest and one.shown.at <= shown.at]
    return of_it[-1] if of_it else None


def _seen(record: PackageRecord, place: int, checks: Sequence[LastCheck], connected: Shown | None) -> list[Shown]:
    """The checks that only a gateway with this package can have passed: by a relay and a key that no former one has.

    Before the first package that is recorded, or said to be installed, there may have been one that nobody knows,
    unless the site was never connected until then.
    """
    package = record.handed[place]
    said = [_meant(record.handed, shown, digest) for shown, digest in record.installed]
    known = max((one for one in said if one is not None and one < place), default=None)
    if known is None and connected is not None and connected.at <= record.handed[0].shown.at:
        return []
    before = {(one.relay, one.public_key) for former in record.handed[known or 0 : place] for one in former.relays}
    new = {one.relay for one in package.relays if (one.relay, one.public_key) not in before}
    return [one.shown for one in checks if one.relay in new and one.proved and one.shown.at > package.shown.at]
