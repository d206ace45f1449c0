"""The package on a site's gateway, as recorded or seen. Pure.

The program cannot query a gateway. It knows which packages were handed out, which were reported as installed, and at
which relays the gateway was seen since. Without such a record the state is unknown, never fine.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import NamedTuple

from provisioner.record.lifecycle.evidence import LastCheck, ProvedAt


class NamedRelay(NamedTuple):
    """A relay in a site's package."""

    relay: str
    public_key: str  #: Its tunnel's public key; for a site that pushes, the fingerprint of its certificate.
    endpoint: str  #: Its public address and port.
    own_address: str  #: Its tunnel address; empty for a site that pushes.
    address: str  #: The site's, likewise.


@dataclass(frozen=True, slots=True)
class HandedPackage:
    """A package that was handed out, without its secrets."""

    observed: ProvedAt
    by: str  #: The user.
    relays: tuple[NamedRelay, ...]  #: Empty if the package takes the gateway down.
    digest: str  #: The hash over its content without secrets.
    takes_down: bool = False
    until: date | None = None  #: The last day for its installation, if any is recorded.


@dataclass(frozen=True, slots=True)
class PackageRecord:
    """The packages and reported installations of a site, earliest first."""

    handed: tuple[HandedPackage, ...] = ()  #: Equal neighbours are one, valid until the later day.
    installed: tuple[tuple[ProvedAt, str], ...] = ()  #: With digests.


NO_RECORD = PackageRecord()


class PackageState(StrEnum):
    """The gateway's package compared with the desired one."""

    CURRENT = "current"  #: The desired package is installed, by a report or by its tunnel.
    HANDED_OUT = "handed-out"  #: The desired package was handed out; its installation is unknown.
    EXPIRED = "expired"  #: It was handed out and has expired; its installation is unknown.
    OLDER = "older"  #: The last package differs from the desired one.
    NOT_RECORDED = "not-recorded"  #: No package is recorded.


@dataclass(frozen=True, slots=True)
class WantedPackage:
    """The desired package of a site; without relays, it removes the gateway."""

    relays: tuple[NamedRelay, ...]
    digest: str = ""  #: The hash over its content without secrets, if computed.


@dataclass(frozen=True, slots=True)
class PackageStatus:
    """The known state of a site's package."""

    facility: str
    state: PackageState
    #: Relays that the gateway may still name and that the desired package lacks or changes.
    former: tuple[str, ...] = ()
    handed: HandedPackage | None = None  #: The last package that was handed out.
    installed: ProvedAt | None = None  #: Since when its installation is known.
    wanted: tuple[str, ...] = ()  #: The relays of the desired package.

    @property
    def command(self) -> str:
        """The next command, or empty."""
        match self.state:
            case PackageState.CURRENT:
                return ""
            case PackageState.HANDED_OUT:
                return _command("gateway", "installed", self.facility)
            case PackageState.OLDER | PackageState.EXPIRED | PackageState.NOT_RECORDED:
                return _command("site-package", self.facility, "--out", "DIR")


def _command(*arguments: str) -> str:
    return " ".join(("provisioner", *arguments))


def package_status(
    facility: str,
    record: PackageRecord,
    wanted: WantedPackage,
    checks: Iterable[LastCheck],
    connected: ProvedAt | None,
    *,
    today: date | None = None,
) -> PackageStatus:
    """Return a package's known state; without `today` expiry is ignored."""
    names = tuple(relay.relay for relay in wanted.relays)
    if not record.handed:
        return PackageStatus(facility, PackageState.NOT_RECORDED, wanted=names)
    proofs = [_proved_since(record, index, tuple(checks), connected) for index in range(len(record.handed))]
    last, since = record.handed[-1], proofs[-1]
    first = max((index for index, proof in enumerate(proofs) if proof), default=0)
    former = _former(record.handed[first:], wanted.relays)
    if not _is_wanted(last, wanted):
        return PackageStatus(facility, PackageState.OLDER, former, last, since, names)
    if since is None:
        is_over = today is not None and last.until is not None and today > last.until
        state = PackageState.EXPIRED if is_over else PackageState.HANDED_OUT
        return PackageStatus(facility, state, former, last, None, names)
    return PackageStatus(facility, PackageState.CURRENT, (), last, since, names)


def _is_wanted(package: HandedPackage, wanted: WantedPackage) -> bool:
    if package.takes_down or not wanted.relays:
        return package.takes_down and not wanted.relays
    return set(package.relays) == set(wanted.relays) and wanted.digest in {"", package.digest}


def _former(may_be_there: Sequence[HandedPackage], wanted: Collection[NamedRelay]) -> tuple[str, ...]:
    return tuple(sorted({relay.relay for package in may_be_there for relay in package.relays if relay not in wanted}))


def _proved_since(
    record: PackageRecord, index: int, checks: Sequence[LastCheck], connected: ProvedAt | None
) -> ProvedAt | None:
    reported = [proof for proof, digest in record.installed if _reported_package(record.handed, proof, digest) == index]
    return min([*reported, *_proving_checks(record, index, checks, connected)], default=None)


def _reported_package(handed: Sequence[HandedPackage], proof: ProvedAt, digest: str) -> int | None:
    matches = [
        index for index, package in enumerate(handed) if package.digest == digest and package.observed.at <= proof.at
    ]
    return matches[-1] if matches else None


def _proving_checks(
    record: PackageRecord, index: int, checks: Sequence[LastCheck], connected: ProvedAt | None
) -> list[ProvedAt]:
    """Return checks that need a relay or key new in this package.

    Before the first recorded or installed package there may have been an unknown one, unless the site was never
    connected before.
    """
    package = record.handed[index]
    meant = [_reported_package(record.handed, proof, digest) for proof, digest in record.installed]
    latest_rows = max((entry for entry in meant if entry is not None and entry < index), default=None)
    if latest_rows is None and connected is not None and connected.at <= record.handed[0].observed.at:
        return []
    before = {
        (entry.relay, entry.public_key) for former in record.handed[latest_rows or 0 : index] for entry in former.relays
    }
    new = {entry.relay for entry in package.relays if (entry.relay, entry.public_key) not in before}
    return [
        entry.observed
        for entry in checks
        if entry.relay in new and entry.proved and entry.observed.at > package.observed.at
    ]
