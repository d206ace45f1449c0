"""The firewall's table: what the host itself found different between the intended file and what is loaded. Pure.

The file is one transaction, and packets of established connections are accepted first: a change of rules
or of set elements decides about new connections and cuts none that are there.
"""

from __future__ import annotations

from collections.abc import Iterator

from provisioner.hosts.elements import ElementSet, SetElement, element_of
from provisioner.hosts.facts import RuleDifference
from provisioner.plan.changes import NOBODY, Action, Change, Impact, Resource
from provisioner.plan.diff.comparison import Comparison

_NEW = {
    (ElementSet.MANAGEMENT, Action.CREATE): "new SSH from it is to be accepted",
    (ElementSet.MANAGEMENT, Action.DELETE): "new SSH from it is to be refused",
    (ElementSet.MANAGEMENT_V6, Action.CREATE): "new SSH from it is to be accepted",
    (ElementSet.MANAGEMENT_V6, Action.DELETE): "new SSH from it is to be refused",
    (ElementSet.CENTRES, Action.CREATE): "new readers from it are to be accepted",
    (ElementSet.CENTRES, Action.DELETE): "new readers from it are to be refused; those of a user that goes are ended",
    (ElementSet.ROUTED, Action.CREATE): "sites in it are to be reached by the carrier's own network",
    (ElementSet.ROUTED, Action.DELETE): "no site in it is to be reached by the carrier's own network any more",
}
_CAMERAS = {
    Action.CREATE: "the relay is to reach {device}",
    Action.DELETE: "the relay has no business there any more",
}
_ASKING = {
    Action.CREATE: "its probe is to ask {device} about itself (ONVIF)",
    Action.DELETE: "its probe asks nobody there about itself any more (ONVIF)",
}
_OTHER = {
    Action.CREATE: "the live table does not have it",
    Action.UPDATE: "the live table has another one",
    Action.DELETE: "the live table has it and should not",
}


def rule_changes(at: Comparison) -> Iterator[Change]:
    """A change for each chain, set, element or rule that differs; one no-op where none does."""
    held = {SetElement(ElementSet.CAMERAS, one).name for one in at.facts.held.cameras} if at.spec.held else set()
    table = at.spec.names.listed_table
    differences = [one for one in at.facts.firewall.differences if one.name not in held]
    if at.spec.firewall is not None and not at.facts.firewall.present:
        reason = f"the host does not have it (chains, sets, elements and rules: {len(differences)})"
        yield Change(at.spec.id, Resource.RULE, table, Action.CREATE, Impact.HOT, reason)
        return
    for difference in differences:
        yield _change(at, difference)
    if at.spec.firewall is not None and not differences:
        yield at.noop(Resource.RULE, table, "what is loaded means what the intended file means")


def _change(at: Comparison, difference: RuleDifference) -> Change:
    name, action = difference.name, Action(difference.action)
    where, reason = ("", ""), _OTHER[action]
    element = element_of(name)
    match element and (element.set, element.device):
        case (ElementSet.CAMERAS, (address, port)):
            where = at.site_at(address)
            reason = _CAMERAS.get(action, reason).format(device=_device(at, address, port))
        case (ElementSet.ONVIF, (address, port)):
            where = at.site_at(address)
            reason = _ASKING.get(action, reason).format(device=_asked_device(at, address, port))
        case (other, None):
            reason = _NEW.get((other, action), reason)
    return Change(at.spec.id, Resource.RULE, name, action, Impact.HOT, reason, NOBODY, *where)


def _device(at: Comparison, address: str, port: int) -> str:
    paths = at.desired_by_address.get(address, ())
    here = (f"{p.device} of {p.facility}" for p in paths if p.source and p.source.port == port)
    return next(here, f"{address} port {port}")


def _asked_device(at: Comparison, address: str, port: int) -> str:
    asked = at.spec.relay.asked if at.spec.relay else ()
    here = (f"{one.device} of {one.facility}" for one in asked if (str(one.address), one.port) == (address, port))
    return next(here, f"{address} port {port}")
