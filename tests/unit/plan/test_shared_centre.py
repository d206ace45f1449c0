"""Two inventories on one centre: what plans say of the other, and that neither changes what is not its own."""

import copy
from typing import Any

import pytest

from provisioner.desired.names import HostNames
from provisioner.inventory.model.inventory import Inventory
from provisioner.plan.change import Action
from tests import fleets, inventories
from tests.plans import World
from tests.sides import SharedHosts

CENTRE = "centre"


def one_of(carrier: str, **more: Any) -> Inventory:
    """A carrier's own inventory, with a side of the centre that both share."""
    number = 11 if carrier == "viettel" else 12
    pools = {"centres": f"10.{number}.0.0/24", "carriers": {carrier: f"10.{number + 50}.0.0/16"}}
    plan = {"state": "agreed", "carrier": carrier, "relay": f"relay-{carrier}-1"}
    return inventories.inventory(
        settings=inventories.settings(id=carrier, pools=pools),
        carriers=[inventories.carrier(carrier, number, **more)],
        designations=[inventories.designation("bac-giang", carrier)],
        centres=[inventories.centre(shared=True)],
        facilities=[fleets.facility(plan=plan)],
    )


class Both:
    """Two worlds of inventories on the same hosts."""

    def __init__(self) -> None:
        self.hosts = SharedHosts()
        self.viettel, self.vnpt = World(self.hosts), World(self.hosts)
        self.viettel.apply(one_of("viettel"))
        self.vnpt.apply(one_of("vnpt"))


@pytest.fixture
def both() -> Both:
    return Both()


def test_each_plan_names_the_other_and_has_nothing_of_his(both: Both) -> None:
    for world, own, other in ((both.viettel, "viettel", "vnpt"), (both.vnpt, "vnpt", "viettel")):
        plan = world.plan(one_of(own)).plan
        assert [c for c in plan.changes if c.action is not Action.NOOP] == []
        (note,) = [note for note in plan.notes if "is shared" in note]
        assert note.startswith(f"{CENTRE} is shared: this is the side of {own}; beside it: inventory {other}, ")
        theirs = HostNames(other)
        names = " ".join(change.name for change in plan.changes)
        assert not [name for name in (theirs.ours, theirs.tunnel, theirs.probe_user) if name in names]


def test_what_one_of_them_changes_leaves_the_other_byte_for_byte(both: Both) -> None:
    before = copy.deepcopy(both.hosts.side(CENTRE, "vnpt"))
    own = copy.deepcopy(both.hosts.side(CENTRE, "viettel").files)
    both.viettel.apply(one_of("viettel", management_networks=["198.51.100.0/27", "203.0.113.0/24"]))
    assert both.hosts.side(CENTRE, "viettel").files != own
    assert both.hosts.side(CENTRE, "vnpt") == before


def test_networks_that_the_other_has_are_refused_by_name_and_by_no_allowance(both: Both) -> None:
    both.hosts.side(CENTRE, "viettel").routes_elsewhere = [
        {"network": "10.61.0.0/16", "device": "wgp-vnpt"},
        {"network": "10.61.9.0/24", "device": "eth7"},
    ]
    changed = one_of("viettel", management_networks=["198.51.100.0/27", "203.0.113.0/24"])
    plan = both.viettel.plan(changed).plan
    (refusal,) = [refusal for refusal in plan.refused if refusal.policy == "networks_taken"]
    assert "10.61.0.0/16 is reached by wgp-vnpt" in refusal.message
    assert (refusal.host, refusal.allow) == (CENTRE, "")
    (warning,) = [warning for warning in plan.warnings if warning.code == "pool-routed-elsewhere"]
    assert "eth7" in warning.message
