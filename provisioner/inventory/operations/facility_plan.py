"""Over which relay a facility is connected, as a command proposes, moves or settles it; as in `facilities`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from provisioner.base.clock import is_between
from provisioner.base.errors import UsageError
from provisioner.base.nearest import did_you_mean
from provisioner.base.printable import printable
from provisioner.inventory import rules
from provisioner.inventory.loader.load import Loaded
from provisioner.inventory.model import Access, ConnectionPlan, Facility, Frame, PlanState
from provisioner.inventory.operations.file_edit import Edits, FacilityText, FileEdit, frame_of
from provisioner.inventory.signed import unsigned_by

NO_BACKUP = "none"
"""What stands for no backup relay; no host may be called so."""
_SHOWN = 80
_LAN_BITS = 24
_LAN_INTERFACE = "br-lan"


@dataclass(frozen=True, slots=True)
class PlanOrder:
    """Over which relay a facility is to be connected, and what is behind its router; empty is what nobody said.

    Attributes:
        relay: the relay; the only one of the carriers that serve the province where it is left out.
        lan: the network of the site's devices; the one /24 of their addresses where it is left out.
        lan_interface: the router's interface in it.
        system: what the router runs; Linux where it is left out.
        backup_relay: another relay of the carrier that is to have the site as well; `none` takes it back.
        access: how the relay reaches the devices; as the plan has it, and by mapped ports in a new one, where it is
            left out.
        relay_port: the UDP port of its relays that the router dials; 0 is their first one again.
    """

    relay: str = ""
    lan: str = ""
    lan_interface: str = ""
    system: str = ""
    backup_relay: str = ""
    access: str = ""
    relay_port: int | None = None


def planned(edits: Edits, facility: str, order: PlanOrder) -> FileEdit:
    """A proposed plan in a facility's file, and its gateway where it has none: what all have signed is agreed with it.

    Raises:
        UsageError: it has another plan, no relay follows from what is known, or no LAN.
        InventoryError: the facility cannot be read, or what it says then breaks a rule.
    """
    opened = edits.open(facility)
    loaded, site, text = opened.loaded, opened.site, opened.text
    frame = frame_of(loaded)
    if site.plan is None:
        relay = order.relay or _only_relay(loaded, frame, facility)
        plan = {"state": "proposed", "carrier": _carrier_of(frame, relay), "relay": relay, **_access(order.access)}
        text = text.with_values({("plan",): plan})
    elif order.relay and order.relay != site.plan.relay:
        hint = f"provisioner facility move {facility} --to {order.relay}"
        raise UsageError(f"facility {facility} has a plan over {site.plan.relay}", hint=hint, object=facility)
    elif order.access and order.access != site.plan.access.value:
        plans = (("plan", site.plan), ("successor", site.successor))
        text = text.with_values({(key, "access"): order.access for key, plan in plans if plan})
    if order.backup_relay == NO_BACKUP:
        text = text.without(("plan", "backup_relay")) if site.plan and site.plan.backup_relay else text
    elif order.backup_relay:
        _carrier_of(frame, order.backup_relay)
        text = text.with_values({("plan", "backup_relay"): order.backup_relay})
    text = _with_gateway(text, site, order)
    # Who signed before there was a gateway, or by hand, has agreed all the same.
    for key, known in (("plan", site.plan), ("successor", site.successor)):
        if known and site.cameras and not unsigned_by(site, known):
            text = text.with_values({(key, "state"): PlanState.AGREED.value})
    return opened.edited(text)


def _with_gateway(text: FacilityText, site: Facility, order: PlanOrder) -> FacilityText:
    """A facility's file with what an order says of its router."""
    given: dict[str, object] = {"lan": order.lan, "lan_interface": order.lan_interface, "system": order.system}
    given["relay_port"] = order.relay_port
    said = {key: value for key, value in given.items() if value}
    if site.gateway is None:
        usual = {"lan": order.lan or _lan_of(site), "lan_interface": _LAN_INTERFACE}
        return text.with_values({("gateway",): usual | said})
    text = text.with_values({("gateway", key): value for key, value in said.items()})
    return text.without(("gateway", "relay_port")) if order.relay_port == 0 else text


def _access(access: str) -> dict[str, str]:
    """An access mode as a plan has it, where it is not the usual one."""
    return {"access": access} if access not in {"", Access.PULL_PORTMAP.value} else {}


def _relays(frame: Frame) -> dict[str, str]:
    """Each relay with its carrier."""
    return {relay: carrier.id for relay, (carrier, _) in frame.relays.items()}


def _carrier_of(frame: Frame, relay: str) -> str:
    relays = _relays(frame)
    if relay not in relays:
        hint = did_you_mean(relay, relays, f"relays are: {', '.join(sorted(relays)) or 'none'}")
        raise UsageError(f"there is no relay {printable(relay, _SHOWN)}", hint=hint, object=relay)
    return relays[relay]


def _only_relay(loaded: Loaded, frame: Frame, facility: str) -> str:
    view = rules.View(frame, loaded.outlines, loaded.places, loaded.today, loaded.broken)
    today, designations = loaded.today, view.designations_of(loaded.outlines[facility])
    carriers = {d.carrier for d in designations if is_between(today, d.since, d.until)}
    relays = sorted(relay for relay, carrier in _relays(frame).items() if carrier in carriers)
    if len(relays) == 1:
        return relays[0]
    served = f"{', '.join(sorted(carriers)) or 'no carrier'} may serve its province"
    hint = f"name one with --relay: {', '.join(relays or sorted(_relays(frame))) or 'there is none yet'}"
    raise UsageError(f"no one relay follows for {facility}: {served}", hint=hint, object=facility)


def _lan_of(site: Facility) -> str:
    addresses = set(_addresses(site))
    networks = {IPv4Network((int(address) & ~0xFF, _LAN_BITS)) for address in addresses}
    if len(networks) != 1:
        what = "has devices in several networks" if networks else "has no device with an address"
        raise UsageError(f"facility {site.id} {what}", hint="name the site's network: --lan 192.168.1.0/24")
    return str(networks.pop())


def _addresses(site: Facility) -> Iterator[IPv4Address]:
    yield from (recorder.address for recorder in site.recorders)
    yield from (camera.address for camera in site.cameras if camera.address)


def moved(edits: Edits, facility: str, relay: str, *, at_once: bool = False) -> FileEdit:
    """A facility's file with another relay.

    Where hosts carry the facility the other relay is a successor, and both serve until its connection is accepted. A
    relay of the same carrier stands in the plan itself where hosts carry nothing of it yet. The present relay again
    takes a successor back.

    Args:
        edits: the inventory.
        facility: the facility's id.
        relay: the relay that it is to be pulled by.
        at_once: whether a relay of the same carrier stands in the plan at once: pictures are cut until the site's new
            package is installed.

    Raises:
        UsageError: there is no such relay, the facility has no plan, or no other carrier can follow at once.
        InventoryError: the facility cannot be read, or what it says then breaks a rule.
    """
    opened = edits.open(facility)
    site, text = opened.site, opened.text
    carrier = _carrier_of(frame_of(opened.loaded), relay)
    if site.plan is None:
        hint = f"provisioner facility plan {facility} --relay {relay}"
        raise UsageError(f"facility {facility} has no plan yet", hint=hint, object=facility)
    if at_once and carrier != site.plan.carrier:
        hint = "leave --at-once out: both carriers serve until the new connection is accepted"
        raise UsageError(f"{relay} is of another carrier, {carrier}", hint=hint, object=facility)
    if relay == site.plan.relay:
        text = text.without(("successor",))
    elif carrier == site.plan.carrier and (at_once or not site.carried_plans):
        text = text.with_values({("plan", "relay"): relay})
    elif site.successor is None:
        access = _access(site.plan.access.value)
        successor = {"state": "proposed", "carrier": carrier, "relay": relay, **access}
        successor |= backup_beside(site.plan, carrier, relay)
        text = text.with_values({("successor",): successor})
    else:
        text = text.with_values({("successor", "carrier"): carrier, ("successor", "relay"): relay})
    return opened.edited(text)


def backup_beside(plan: ConnectionPlan, carrier: str, relay: str) -> dict[str, str]:
    """The backup relay that a plan's successor over another relay keeps: of the same carrier, and not that one."""
    backup = plan.backup_relay
    return {"backup_relay": backup} if backup and carrier == plan.carrier and relay != backup else {}


def succeeded(edits: Edits, facility: str) -> FileEdit:
    """A facility's file in which the successor has become the plan; the old carrier lets go with the next apply.

    Raises:
        UsageError: it has no successor, or that is not agreed.
        InventoryError: the facility cannot be read, or what it says then breaks a rule.
    """
    opened = edits.open(facility)
    site, text = opened.site, opened.text
    if site.successor is None or not site.successor.agreed:
        what = "no successor" if site.successor is None else "a successor that is not agreed"
        hint = f"provisioner facility next {facility} says what it waits for"
        raise UsageError(f"facility {facility} has {what}", hint=hint, object=facility)
    return opened.edited(text.without(("plan",)).with_key(("successor",), "plan"))
