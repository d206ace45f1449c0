"""How old the keys of sites and relays are, as far as anybody recorded it, and when the next ones are due. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType

from provisioner.base.clock import VIETNAM
from provisioner.inventory.model import Facility, Inventory


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
