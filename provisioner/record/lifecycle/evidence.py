"""Evidence from apply and verification, and ages of keys. Pure.

Evidence of a facility is about its signed content (`inventory.signed`): a hash over carrier, relay, access mode,
recorders and cameras. A camera that is added later is not proved, and thus the facility is not, either. A key's age is
known only if it was recorded.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import TypeVar

from provisioner.base.document import Moment, Said
from provisioner.base.groups import gathered
from provisioner.base.text import VIETNAM
from provisioner.inventory.model.facility import Facility
from provisioner.inventory.model.inventory import Inventory
from provisioner.record.entries import FacilityCheck

#: A facility is accepted if it is up again at least so long after it was first up. The time spans a day and a night:
#: cameras and lines fail by the hour (infrared light, evening traffic, devices switched off at night).
ACCEPTANCE_HOURS = 24

ACCEPTANCE = timedelta(hours=ACCEPTANCE_HOURS)

T = TypeVar("T")

Content = tuple[str, str]  #: A facility's id and the hash of its signed content.


class KeyKind(StrEnum):
    """The purpose of a key."""

    GATEWAY = "gateway"  #: A gateway's own pair.
    SHARED = "pre_shared"  #: The pre-shared key of a site and its relays.
    RELAY = "relay"  #: A relay's own pair.
    PUBLISH = "publish"  #: The source of the logins of a site that pushes.


class KeyOrigin(StrEnum):
    """The place where a key's secret half was made."""

    SITE = "site"  #: The gateway, which keeps it.
    CONTROLLER = "controller"  #: The vault here, for hand-over in a package.
    RELAY = "relay"  #: The relay, which keeps it.


@dataclass(frozen=True, slots=True)
class KeyAge:
    """One key; `key` is its public half, or empty."""

    owner: str  #: Its facility or relay.
    kind: KeyKind
    origin: KeyOrigin
    key: str
    since: datetime | None  #: The start of its use, if recorded.
    due: date | None = None  #: The day on which the next one is due, if known.
    changing: date | None = None  #: The start of its rotation, if one is under way.

    def days(self, now: datetime) -> int | None:
        """Return its age in whole days, or `None` if unknown."""
        return max(0, (now - self.since).days) if self.since else None

    def is_overdue(self, today: date) -> bool:
        """Return whether the next key is due."""
        return self.due is not None and self.due <= today


@dataclass(frozen=True, slots=True, order=True)
class ProvedAt:
    """The time and the run of an observation."""

    at: Moment  #: A time with Vietnam's zone.
    run: Said


@dataclass(frozen=True, slots=True)
class Proof:
    """Verifications with all pulled paths of a content up at level 7."""

    first: ProvedAt  #: It connects the facility.
    again: ProvedAt | None  #: The first one at least `ACCEPTANCE_HOURS` later.
    last: ProvedAt


@dataclass(frozen=True, slots=True)
class HostReport:
    """The last known content of a host."""

    observed: ProvedAt
    #: The content of each facility on it, by id; empty if a part of the facility differed from its file. `None` if
    #: unknown, because a change began without a known end.
    held: Mapping[str, str] | None
    exact: bool  #: Whether everything else was as desired, too, so that no other facility has remains there.

    def may_hold(self, facility: str) -> bool:
        """Return whether the host may have remains of a facility."""
        return self.held is None or not self.exact or facility in self.held


@dataclass(frozen=True, slots=True)
class Verification:
    """One verification, whatever its result; `limit` is empty for everything."""

    observed: ProvedAt
    began: datetime
    limit: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LastCheck(FacilityCheck):
    """The latest verification of a facility on one relay, with its run."""

    run: str

    @property
    def observed(self) -> ProvedAt:
        """Its time and run."""
        return ProvedAt(self.at, self.run)


@dataclass(frozen=True)
class Evidence:
    """All evidence until now."""

    runs: int = 0  #: The number of recorded runs.
    #: By content and host, when the host first had it.
    carried: Mapping[Content, Mapping[str, ProvedAt]] = field(default_factory=dict)
    holders: Mapping[str, frozenset[str]] = field(default_factory=dict)  #: By facility, every host that ever had it.
    words: Mapping[str, HostReport] = field(default_factory=dict)  #: The last known content of each host.
    #: By facility and host, since when a former holder is without it.
    without: Mapping[tuple[str, str], ProvedAt] = field(default_factory=dict)
    proofs: Mapping[Content, Proof] = field(default_factory=dict)  #: By content.
    connected: Mapping[str, ProvedAt] = field(default_factory=dict)  #: By facility, the first proof of any content.
    #: By facility, the latest verification on each relay.
    checks: Mapping[str, tuple[LastCheck, ...]] = field(default_factory=dict)
    #: By content, the first check with a path not up, after the last proof if any.
    declined: Mapping[Content, ProvedAt] = field(default_factory=dict)
    verified: Verification | None = None  #: The latest verification.
    looked_at_all: Verification | None = None  #: The latest one without a limit.

    @cached_property
    def proofs_by_facility(self) -> Mapping[str, tuple[Proof, ...]]:
        """The proofs of all contents that each facility ever had."""
        return _grouped_by_facility(self.proofs)

    @cached_property
    def declines_by_facility(self) -> Mapping[str, tuple[ProvedAt, ...]]:
        """When contents of each facility declined."""
        return _grouped_by_facility(self.declined)


NO_EVIDENCE = Evidence()


def key_ages(
    inventory: Inventory,
    since: Mapping[str, datetime],
    psks_since: Mapping[str, datetime],
    pushing_since: Mapping[str, datetime] = MappingProxyType({}),
) -> tuple[KeyAge, ...]:
    """Return every key of sites and relays, by owner, sites first."""
    days = timedelta(days=inventory.settings.policy.key_days)
    sites = {
        connection.facility.id: connection.facility
        for connection in inventory.connections
        if connection.plan.access.has_tunnel
    }
    ages = [age for _, facility in sorted(sites.items()) for age in _site_key_ages(facility, since, psks_since)]
    pushing = {connection.facility.id for connection in inventory.connections if connection.plan.access.is_pushed}
    ages += [
        KeyAge(name, KeyKind.PUBLISH, KeyOrigin.CONTROLLER, "", pushing_since.get(name)) for name in sorted(pushing)
    ]
    for name in sorted(inventory.relays):
        entry = inventory.allocations.relays.get(name)
        if entry and entry.public_key:
            at = since.get(entry.public_key)
            changing = entry.next_key.since if entry.next_key else None
            ages.append(KeyAge(name, KeyKind.RELAY, KeyOrigin.RELAY, entry.public_key, at, changing=changing))
    return tuple(replace(age, due=(age.since + days).astimezone(VIETNAM).date()) if age.since else age for age in ages)


def _site_key_ages(
    facility: Facility, since: Mapping[str, datetime], psks_since: Mapping[str, datetime]
) -> Iterator[KeyAge]:
    gateway = facility.gateway
    key = (gateway.public_key or "") if gateway else ""
    changing = gateway.next_key.since if gateway and gateway.next_key else None
    if key:
        yield KeyAge(facility.id, KeyKind.GATEWAY, KeyOrigin.SITE, key, since.get(key), changing=changing)
    drawn = psks_since.get(facility.id)
    yield KeyAge(facility.id, KeyKind.SHARED, KeyOrigin.CONTROLLER, "", drawn, changing=changing)


def _grouped_by_facility(by_content: Mapping[Content, T]) -> dict[str, tuple[T, ...]]:
    listed = gathered((facility, entry) for (facility, _), entry in by_content.items())
    return {facility: tuple(group) for facility, group in listed.items()}
