"""Evidence of apply and verification, and ages of keys. Pure.

The history makes these values. Evidence of a facility is about its signed content (`inventory.signed`): a hash over
carrier, relay, access mode, recorders and cameras. A camera that is added later has shown nothing, and the facility has
not, either. Keys are as old as somebody recorded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import TypeVar

from provisioner.base.text import VIETNAM
from provisioner.inventory.model import Facility, Inventory

ACCEPTANCE_HOURS = 24
"""A facility is accepted when it is up again at least so long after it was first up: a day and a night, since cameras
and lines fail by the hour of the day (infrared light, evening traffic, what is switched off at night)."""

ACCEPTANCE = timedelta(hours=ACCEPTANCE_HOURS)

T = TypeVar("T")

Content = tuple[str, str]
"""A facility's id and the hash of its signed content."""


class KeyKind(StrEnum):
    """What a key is for."""

    GATEWAY = "gateway"
    """A gateway's own pair."""
    SHARED = "pre_shared"
    """What a site and its relays share."""
    RELAY = "relay"
    """A relay's own pair."""
    PUBLISH = "publish"
    """Of what the logins of a site are made that pushes."""


class KeyOrigin(StrEnum):
    """Where a key's secret half was born."""

    SITE = "site"
    """On the gateway, and it stays there."""
    CONTROLLER = "controller"
    """Here, in the vault, for hand-over in a package."""
    RELAY = "relay"
    """On the relay, and it stays there."""


@dataclass(frozen=True, slots=True)
class KeyAge:
    """One key.

    Attributes:
        owner: the facility or relay that it is of.
        kind: what it is for.
        origin: where its secret half was born.
        key: its public half; empty of one that has none.
        since: since when it is in use; None where that is not recorded.
        due: the day on which the next one is due; None where that is not known.
        changing: since when a change of it is under way; None where none is.
    """

    owner: str
    kind: KeyKind
    origin: KeyOrigin
    key: str
    since: datetime | None
    due: date | None = None
    changing: date | None = None

    def days(self, now: datetime) -> int | None:
        """Its age in whole days; None where it is not known."""
        return max(0, (now - self.since).days) if self.since else None

    def is_due(self, today: date) -> bool:
        """Whether the next one is due."""
        return self.due is not None and self.due <= today


@dataclass(frozen=True, slots=True, order=True)
class Shown:
    """When something was shown, and by which run."""

    at: datetime
    run: str


@dataclass(frozen=True, slots=True)
class Proof:
    """All pulled paths of a facility's content were up at level 7, in one verification each time.

    Attributes:
        first: the first time; the facility is connected since.
        again: the first time that was at least `ACCEPTANCE_HOURS` later; None if there was none yet.
        last: the latest time.
    """

    first: Shown
    again: Shown | None
    last: Shown


@dataclass(frozen=True, slots=True)
class Word:
    """The last word on what a host holds.

    Attributes:
        held: the content of each facility that it carries, by the facility's id; None where nobody knows, because
            a change of the host was begun and its end was not seen. The content is empty where something of the
            facility was there that is not as its file says.
        exact: whether the host was as desired in all else, too, so that of no other facility anything is left.
    """

    shown: Shown
    held: Mapping[str, str] | None
    exact: bool

    def may_hold(self, facility: str) -> bool:
        """Tell whether the host holds anything of a facility, or nobody knows that it does not."""
        return self.held is None or not self.exact or facility in self.held


@dataclass(frozen=True, slots=True)
class Verification:
    """One verification, whatever it found.

    Attributes:
        shown: when it ended, and its run.
        began: when it began; what it looked at was looked at since then.
        limit: the `KIND=NAME` texts that chose what it looked at; empty where it looked at all.
    """

    shown: Shown
    began: datetime
    limit: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LastCheck:
    """The latest verification of a facility's paths on one relay.

    Attributes:
        pulled: how many paths are always pulled (`sub`).
        checked: of how many of them this verification came to know anything; a limit leaves others out.
        proved: how many were up at level 7.
    """

    shown: Shown
    relay: str
    content: str
    pulled: int
    checked: int
    proved: int


@dataclass(frozen=True)
class Evidence:
    """All that was shown, until now.

    Attributes:
        runs: how many runs are recorded.
        carried: by content and host, when the host was first shown to hold it.
        holders: by facility, every host that ever was shown to hold it.
        words: by host, the last word on it.
        without: by facility and host, since when the host was shown to be without it again.
        proofs: by content, when all its pulled paths were up.
        connected: by facility, when all pulled paths of what was then its content were first up.
        checks: by facility, the latest verification on each of its relays.
        declined: by content, the first verification after the last that proved it whole (the first of all, where none
            did) in which a path that was checked was not up.
        verified: the latest verification.
        looked_at_all: the latest one without a limit.
    """

    runs: int = 0
    carried: Mapping[Content, Mapping[str, Shown]] = field(default_factory=dict)
    holders: Mapping[str, frozenset[str]] = field(default_factory=dict)
    words: Mapping[str, Word] = field(default_factory=dict)
    without: Mapping[tuple[str, str], Shown] = field(default_factory=dict)
    proofs: Mapping[Content, Proof] = field(default_factory=dict)
    connected: Mapping[str, Shown] = field(default_factory=dict)
    checks: Mapping[str, tuple[LastCheck, ...]] = field(default_factory=dict)
    declined: Mapping[Content, Shown] = field(default_factory=dict)
    verified: Verification | None = None
    looked_at_all: Verification | None = None

    def proofs_of(self, facility: str) -> tuple[Proof, ...]:
        """The proofs of all contents that a facility ever had."""
        return self._proofs.get(facility, ())

    @cached_property
    def _proofs(self) -> Mapping[str, tuple[Proof, ...]]:
        return _by_facility(self.proofs)

    def declines_of(self, facility: str) -> tuple[Shown, ...]:
        """When each content that a facility ever had declined, of those that did."""
        return self._declines.get(facility, ())

    @cached_property
    def _declines(self) -> Mapping[str, tuple[Shown, ...]]:
        return _by_facility(self.declined)


NO_EVIDENCE = Evidence()


def key_ages(
    inventory: Inventory,
    since: Mapping[str, datetime],
    psks_since: Mapping[str, datetime],
    pushing_since: Mapping[str, datetime] = MappingProxyType({}),
) -> tuple[KeyAge, ...]:
    """Every key by which sites and relays know one another, in the order of owners; sites before relays.

    Args:
        inventory: what is desired.
        since: when public keys came into its files.
        psks_since: by facility, when its pre-shared key was drawn.
        pushing_since: by facility, when the key of the logins was drawn by which it pushes.
    """
    days = timedelta(days=inventory.settings.policy.key_days)
    sites = {
        connection.facility.id: connection.facility
        for connection in inventory.connections
        if connection.plan.access.has_tunnel
    }
    ages = [age for _, facility in sorted(sites.items()) for age in _of_site(facility, since, psks_since)]
    pushing = {connection.facility.id for connection in inventory.connections if connection.plan.access.is_pushed}
    ages += [
        KeyAge(name, KeyKind.PUBLISH, KeyOrigin.CONTROLLER, "", pushing_since.get(name)) for name in sorted(pushing)
    ]
    for name in sorted(inventory.relays):
        known = inventory.allocations.relays.get(name)
        if known and known.public_key:
            at = since.get(known.public_key)
            changing = known.next_key.since if known.next_key else None
            ages.append(KeyAge(name, KeyKind.RELAY, KeyOrigin.RELAY, known.public_key, at, changing=changing))
    return tuple(replace(age, due=(age.since + days).astimezone(VIETNAM).date()) if age.since else age for age in ages)


def _of_site(facility: Facility, since: Mapping[str, datetime], psks_since: Mapping[str, datetime]) -> Iterator[KeyAge]:
    gateway = facility.gateway
    key = (gateway.public_key or "") if gateway else ""
    changing = gateway.next_key.since if gateway and gateway.next_key else None
    if key:
        yield KeyAge(facility.id, KeyKind.GATEWAY, KeyOrigin.SITE, key, since.get(key), changing=changing)
    drawn = psks_since.get(facility.id)
    yield KeyAge(facility.id, KeyKind.SHARED, KeyOrigin.CONTROLLER, "", drawn, changing=changing)


def _by_facility(by_content: Mapping[Content, T]) -> dict[str, tuple[T, ...]]:
    """What was shown of each content, by the facility that had it."""
    listed: dict[str, list[T]] = defaultdict(list)
    for (facility, _), shown in by_content.items():
        listed[facility].append(shown)
    return {facility: tuple(of) for facility, of in listed.items()}
