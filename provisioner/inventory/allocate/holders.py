"""Who gets a tunnel address, and which devices a port. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

from provisioner.inventory.model import Access, Facility, Operating, device_of


class SiteNeeds(NamedTuple):
    """What the lock records for a site of an access mode, beside its tunnel address where it has a tunnel.

    Attributes:
        device_ports: whether each device gets a port of that address.
        device_numbers: whether the site gets a prefix, and each device a number in it.
    """

    device_ports: bool = False
    device_numbers: bool = False


NEEDS: Final[Mapping[Access, SiteNeeds]] = MappingProxyType(
    {
        Access.PULL_PORTMAP: SiteNeeds(device_ports=True),
        Access.PULL_NAT_MAP: SiteNeeds(device_numbers=True),
        Access.ROUTED: SiteNeeds(),
        Access.PUBLISH: SiteNeeds(),
    }
)


class Carried(Protocol):
    """Whatever names a carrier: a plan, or its outline."""

    @property
    def carrier(self) -> str:
        """The carrier's id."""
        ...

    @property
    def access(self) -> Access:
        """How its relay reaches the site's devices."""
        ...


class Holder(Protocol):
    """Whatever may hold tunnel addresses: a facility, or its outline."""

    @property
    def operating(self) -> Operating:
        """Whether people are in it."""
        ...

    @property
    def plan(self) -> Carried | None:
        """Its plan."""
        ...

    @property
    def successor(self) -> Carried | None:
        """The next connection's plan."""
        ...


def carrier_of(facility: Holder) -> str | None:
    """The carrier that a facility is planned with, proposed and on standby as well; None of a closed one."""
    return facility.plan.carrier if facility.plan and facility.operating is not Operating.CLOSED else None


def next_carrier_of(facility: Holder) -> str | None:
    """The next carrier, until the change to it is over; None where that is the same one, over another of its relays."""
    carrier, successor = carrier_of(facility), facility.successor
    return successor.carrier if carrier and successor and successor.carrier != carrier else None


def pool_carrier_of(facility: Holder) -> str | None:
    """The carrier in whose pool a facility holds a tunnel address, or None where it needs none."""
    return carrier_of(facility) if facility.plan and facility.plan.access.has_tunnel else None


def next_pool_carrier_of(facility: Holder) -> str | None:
    """The next carrier, in whose pool the site holds a second address until the change is over.

    All relays of a carrier reach a site at one address: a successor over another one of them needs no second.
    """
    successor = facility.successor
    return (
        next_carrier_of(facility) if pool_carrier_of(facility) and successor and successor.access.has_tunnel else None
    )


def devices_of(facility: Facility) -> tuple[str, ...]:
    """The devices that a relay reaches: recorders, and cameras with an address of their own; sorted."""
    return tuple(sorted({device_of(camera) for camera in facility.cameras} | {r.id for r in facility.recorders}))


def asked_devices_of(facility: Facility) -> tuple[str, ...]:
    """The devices that are asked about themselves by ONVIF; sorted."""
    recorders = (recorder.id for recorder in facility.recorders if recorder.onvif)
    return tuple(sorted((*recorders, *(camera.id for camera in facility.cameras if camera.onvif))))


def ported(facility: Holder, devices: tuple[str, ...]) -> tuple[str, ...]:
    """Those of a facility's devices that get a port: all or none, by the access modes of its plans.

    Without a plan nothing says how the site is reached: then a recorded port is no reason for a tombstone yet.
    """
    return devices if any(needs.device_ports for needs in _needs_of(facility)) else ()


def numbered(facility: Holder, devices: tuple[str, ...]) -> tuple[str, ...]:
    """Those of a facility's devices that get a number in its prefix: all or none, as `ported`."""
    return devices if any(needs.device_numbers for needs in _needs_of(facility)) else ()


def prefix_carriers_of(facility: Holder) -> frozenset[str]:
    """The carriers in whose pools a site has a prefix."""
    plans = (facility.plan, facility.successor) if carrier_of(facility) else ()
    return frozenset(plan.carrier for plan in plans if plan and NEEDS[plan.access].device_numbers)


def _needs_of(facility: Holder) -> list[SiteNeeds]:
    modes = [plan.access for plan in (facility.plan, facility.successor) if plan] or list(Access)
    return [NEEDS[mode] for mode in modes]
