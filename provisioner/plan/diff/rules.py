"""The firewall's table: what the host itself found different between the intended file and what is loaded. Pure.

The file is one transaction, and packets of established connections are accepted first: a change of rules
or of set elements decides about new connections and cuts none that are there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from provisioner.hosts.facts import RuleDifference
from provisioner.plan.changes import NOBODY, Action, Change, Impact, Resource
from provisioner.plan.diff.comparison import Comparison

TABLE = "table inet provisioner"
_CAMERA = re.compile(r"^element cameras ([0-9.]+) \. ([0-9]{1,5})$")
_ASKED = re.compile(r"^element onvif ([0-9.]+) \. ([0-9]{1,5})$")
_ELEMENT = re.compile(r"^element (management|centres) (\S+)$")
_NEW = {
    ("management", Action.CREATE): "new SSH from it is to be accepted",
    ("management", Action.DELETE): "new SSH from it is to be refused",
    ("centres", Action.CREATE): "new readers from it are to be accepted",
    ("centres", Action.DELETE): "new readers from it are to be refused; those of a user that goes are ended",
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
    held = {f"element cameras {element}" for element in at.facts.held.cameras} if at.spec.held else set()
    differences = [one for one in at.facts.firewall.differences if one.name not in held]
    if at.spec.firewall is not None and not at.facts.firewall.present:
        reason = f"the host does not have it (chains, sets, elements and rules: {len(differences)})"
        yield Change(at.spec.id, Resource.RULE, TABLE, Action.CREATE, Impact.HOT, reason)
        return
    for difference in differences:
        yield _change(at, difference)
    if at.spec.firewall is not None and not differences:
        yield at.noop(Resource.RULE, TABLE, "what is loaded means what the intended file means")


def _change(at: Comparison, difference: RuleDifference) -> Change:
    name, action = difference.name, Action(difference.action)
    where, reason = ("", ""), _OTHER[action]
    if camera := _CAMERA.match(name):
        where = at.site_at(camera[1])
        reason = _CAMERAS.get(action, reason).format(device=_device(at, camera[1], int(camera[2])))
    elif asked := _ASKED.match(name):
        where = at.site_at(asked[1])
        reason = _ASKING.get(action, reason).format(device=_asked_device(at, asked[1], int(asked[2])))
    elif element := _ELEMENT.match(name):
        reason = _NEW.get((element[1], action), reason)
    return Change(at.spec.id, Resource.RULE, name, action, Impact.HOT, reason, NOBODY, *where)


def _device(at: Comparison, address: str, port: int) -> str:
    paths = at.desired_by_address.get(address, ())
    return next((f"{p.device} of {p.facility}" for p in paths if p.source.port == port), f"{address} port {port}")


def _asked_device(at: Comparison, address: str, port: int) -> str:
    asked = at.spec.relay.asked if at.spec.relay else ()
    here = (f"{one.device} of {one.facility}" for one in asked if (str(one.address), one.port) == (address, port))
    return next(here, f"{address} port {port}")
