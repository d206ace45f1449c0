"""Rules on sites that push: their carrier lets them, their relay can be found by them, and they come from there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv6Address

from provisioner.base.diagnostics import Problem
from provisioner.inventory.model import Operating
from provisioner.inventory.rules.view import View


def carriers_let_sites_push(view: View) -> Iterator[Problem]:
    """A port of relays is opened to the internet where a carrier's file says so, and by no facility's."""
    for owner, key, facility, plan in view.plans():
        carrier = view.inventory.carriers.get(plan.carrier)
        is_open = carrier is None or carrier.publishers is not None
        if plan.access.is_pushed and not is_open and facility.operating is not Operating.CLOSED:
            message = f"its {key} is to push to {plan.relay}, and {plan.carrier} lets no site push"
            hint = (
                f"write publishers in carriers/{plan.carrier}.yml, which opens port 8322 of its relays; or agree"
                " another access"
            )
            yield view.problem(owner, (key, "access"), "publish-not-open", message, hint)


def relays_are_found_by_sites_that_push(view: View) -> Iterator[Problem]:
    """Sites push over IPv4: a relay that they know by an address of IPv6 alone they do not find."""
    for owner, key, _, plan in view.plans():
        _, relay = view.inventory.relays.get(plan.relay, (None, None))
        if plan.access.is_pushed and relay is not None and isinstance(relay.wireguard_endpoint, IPv6Address):
            message = f"its {key} is to push to {plan.relay}, whose endpoint {relay.wireguard_endpoint} is of IPv6"
            hint = f"write under endpoint of {plan.relay} an address of IPv4, or a name; or agree another access"
            yield view.problem(owner, (key, "relay"), "publish-endpoint-unfit", message, hint)


def sites_push_from_where_they_may(view: View) -> Iterator[Problem]:
    """Where a carrier says from which networks sites push, one that comes from elsewhere is shut out."""
    for owner, facility in view.facilities() if any(c.publishers for c in view.inventory.carriers.values()) else ():
        for carrier in {plan.carrier for plan in facility.carried_plans if plan.access.is_pushed}:
            known = view.inventory.carriers.get(carrier)
            networks = known.publishers.networks if known and known.publishers else ()
            for index, address in enumerate(facility.public_addresses):
                if networks and not any(IPv4Address(address) in network for network in networks):
                    message = f"it pushes from {address}, which lies in none of the networks that {carrier} lets push"
                    hint = f"correct it, or add its network to publishers.networks in carriers/{carrier}.yml"
                    path = ("gateway", "public_addresses", index)
                    yield view.problem(owner, path, "public-address-outside", message, hint)


RULES: tuple[Callable[[View], Iterator[Problem]], ...] = (
    carriers_let_sites_push,
    relays_are_found_by_sites_that_push,
    sites_push_from_where_they_may,
)
