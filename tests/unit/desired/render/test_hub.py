"""A hub: every province's paths on demand from several carriers' relays, for readers of its own."""

import json
import re
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from provisioner.base.roles import is_read
from provisioner.desired.limit import Limit
from provisioner.desired.readers import reading_list
from provisioner.desired.render.host import MEDIAMTX_FILE, NFT_FILE, READERS_FILE
from provisioner.desired.spec import DesiredState
from provisioner.inventory.model.inventory import Inventory
from provisioner.inventory.model.orders import Program, Service
from provisioner.plan.change import Impact, Resource
from provisioner.plan.reach.statements import Reachability, ReachQuery
from tests import fleets
from tests import inventories as make
from tests.hostile import VIEWER
from tests.plans import World

HUB, VIETTEL, VNPT = "centre", "relay-viettel-1", "relay-vnpt-1"
OFFICE = "192.0.2.0/27"
SUB = "bac-giang/kcl-bg-001/cam-01/sub"


def viewer(name: str = "dic", *reads: str, **changes: Any) -> dict[str, Any]:
    return {"id": name, "reads": list(reads or ["bac-giang"]), "networks": [OFFICE]} | changes


def hub_inventory(sites: int = 1, *, encrypted: bool = True, **changes: Any) -> Inventory:
    """Two carriers of which the first one's readers come encrypted, and a hub over both."""
    plan = {"state": "agreed", "carrier": "vnpt", "relay": VNPT}
    facilities = [fleets.facility(f"kcl-bg-00{n + 1}", 1) for n in range(sites)]
    facilities.append(fleets.facility("kcl-qn-001", 1, province="quang-nam", plan=plan))
    tls: dict[str, Any] = {"reader_tls": {"encryption": "strict"}} if encrypted else {}
    centre = {"hub": {"address": "203.0.113.31"}, "viewers": [viewer(), viewer("tw", "bac-giang", "quang-nam")]}
    return make.inventory(
        carriers=[make.carrier(**tls), make.carrier("vnpt", 12)],
        centres=[make.centre(**(centre | changes))],
        facilities=facilities,
    )


def text_of(state: DesiredState, path: str, host: str = HUB) -> str:
    return next(f.content.decode() for f in fleets.files_of(state)[host] if f.path == path)


def test_a_hub_offers_every_path_on_demand_from_the_relay_that_serves_it() -> None:
    state = fleets.state_of(hub_inventory())
    document = yaml.safe_load(text_of(state, MEDIAMTX_FILE))
    paths = {name: path for name, path in document["paths"].items() if not name.startswith("cfg/")}
    assert list(paths) == [SUB, "quang-nam/kcl-qn-001/cam-01/sub"]
    first, second = paths.values()
    relay = state.hosts[VIETTEL].relay
    assert relay is not None
    assert relay.tls is not None
    assert first["source"] == f"rtsps://centre-centre:reader-viettel-centre@10.91.0.1:8322/{SUB}"
    assert first["sourceFingerprint"] == relay.tls.fingerprint
    assert second["source"].startswith("rtsp://centre-centre:reader-vnpt-centre@10.92.0.1:8554/quang-nam/")
    assert "sourceFingerprint" not in second
    assert all(path["sourceOnDemand"] for path in paths.values())
    assert (document["rtspEncryption"], document["rtspsAddress"]) == ("strict", "203.0.113.31:8322")
    assert document["apiAddress"] == "127.0.0.1:9997"
    assert {f.path for f in fleets.files_of(state)[HUB] if f.secret} >= {MEDIAMTX_FILE, READERS_FILE}


def test_relays_know_no_viewer_of_a_hub_and_the_hub_knows_each() -> None:
    state = fleets.state_of(hub_inventory())
    for relay in (VIETTEL, VNPT):
        assert "viewer-" not in text_of(state, MEDIAMTX_FILE, relay)
    users = json.loads(re.findall(r"(?m)^authInternalUsers: (.*)$", text_of(state, MEDIAMTX_FILE))[0])
    assert {user["user"]: user["ips"] for user in users} == {
        "api": ["127.0.0.1"],
        "probe": ["203.0.113.31"],
        "viewer-dic": [OFFICE],
        "viewer-tw": [OFFICE],
    }


@VIEWER
@given(reads=st.lists(st.sampled_from(["bac-giang", "quang-nam", "bac-giang/kcl-bg-001"]), min_size=1, unique=True))
def test_nobody_reads_at_a_hub_what_he_was_not_given(reads: list[str]) -> None:
    state = fleets.state_of(hub_inventory(viewers=[viewer("x", *reads)]))
    document = yaml.safe_load(text_of(state, MEDIAMTX_FILE))
    (user,) = [user for user in document["authInternalUsers"] if user["user"] == "viewer-x"]
    for path in document["paths"]:
        may = any(re.search(one["path"][1:], path) for one in user["permissions"])
        assert may == is_read(path, reads)
    assert {one["action"] for one in user["permissions"]} == {"read"}


def test_a_hub_of_a_part_offers_that_part() -> None:
    state = fleets.state_of(hub_inventory(reads=["quang-nam"], viewers=[viewer("x", "quang-nam")]))
    assert "bac-giang/" not in text_of(state, MEDIAMTX_FILE)
    assert "quang-nam/kcl-qn-001" in text_of(state, MEDIAMTX_FILE)


def test_its_port_is_open_to_its_viewers_networks_alone_and_mediamtx_reaches_relays_alone() -> None:
    inventory = hub_inventory()
    state = fleets.state_of(inventory)
    proved = Reachability(inventory, state.hosts, lambda spec: text_of(state, NFT_FILE, spec.id))
    outside = list(proved.cells(ReachQuery(("internet",), (f"centre/{HUB}",), (Service.VIDEO,))))
    assert [cell.reach for cell in outside] == ["part"]
    by_relays = proved.cells(ReachQuery(("relays", "sites"), (f"centre/{HUB}",), ()))
    assert {cell.reach for cell in by_relays} == {"no"}
    own = ReachQuery((f"centre/{HUB}",), ("relays", "internet", "sites"), (), (Program.RELAY,))
    reached = {(cell.target, cell.service) for cell in proved.cells(own) if cell.reach != "no"}
    assert reached == {(f"relay/{VIETTEL}", Service.VIDEO), (f"relay/{VNPT}", Service.VIDEO)}


def test_what_a_change_of_relays_does_to_a_hub_is_told_and_counted() -> None:
    world = World()
    world.apply(hub_inventory(2))
    world.hosts.hosts[HUB].viewers = {SUB: 3, "bac-giang/kcl-bg-002/cam-01/sub": 2}
    world.hosts.hosts[HUB].readers = []
    more = [c for c in world.plan(hub_inventory(3)).plan.pending if c.host == HUB]
    (change,) = [c for c in more if c.resource is Resource.FILE and c.name == MEDIAMTX_FILE]
    assert (change.impact, change.viewers) == (Impact.HOT, 0)
    assert change.reason == "of the hub's paths: 1 new, 0 with another source, 0 gone"
    less = [c for c in world.plan(hub_inventory(1)).plan.pending if c.host == HUB and c.name == MEDIAMTX_FILE]
    assert (less[0].impact, less[0].cut) == (Impact.PATH, {HUB: {"bac-giang/kcl-bg-002/cam-01/sub": 2}})
    plain = [c for c in world.plan(hub_inventory(2, encrypted=False)).plan.pending if c.host == HUB]
    (change,) = [c for c in plain if c.name == MEDIAMTX_FILE]
    assert (change.impact, change.viewers) == (Impact.PATH, 5)


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({}, []),
        ({"viewers": [viewer(networks=[])]}, ["viewer-without-networks"]),
        ({"viewers": [viewer(networks=["0.0.0.0/0"])]}, ["viewer-network-open"]),
        ({"hub": None}, ["viewer-networks-unused", "viewer-networks-unused"]),
        ({"shared": True}, ["hub-shared"]),
        ({"ssh": make.centre()["ssh"] | {"port": 8322}}, ["ssh-port-taken"]),
    ],
)
def test_a_hub_that_makes_no_sense_is_refused(changes: dict[str, Any], codes: list[str]) -> None:
    inventory = hub_inventory(**changes)
    problems = make.check(fleets.complete(inventory)) if not changes.get("shared") else make.check(inventory)
    named = {"viewer-without-networks", "viewer-network-open", "viewer-networks-unused", "hub-shared", "ssh-port-taken"}
    assert [p.code for p in problems if p.code in named] == codes


def where(inventory: Inventory, viewer_id: str = "") -> dict[str, list[str]]:
    """Where somebody at the centre has each path, by the path."""
    seen = reading_list(fleets.complete(inventory), {}, ("", viewer_id), Limit())
    return {one.path: [at.url for at in one.read_at] for one in seen.readings}


def test_readers_are_told_the_address_at_which_they_get_each_path() -> None:
    other = "quang-nam/kcl-qn-001/cam-01/sub"
    assert where(hub_inventory()) == {SUB: [f"rtsps://10.91.0.1:8322/{SUB}"], other: [f"rtsp://10.92.0.1:8554/{other}"]}
    assert where(hub_inventory(), "dic") == {SUB: [f"rtsps://203.0.113.31:8322/{SUB}"]}
    plain: dict[str, Any] = {"hub": {"address": "203.0.113.31", "reader_tls": {"encryption": "optional"}}}
    assert where(hub_inventory(**plain), "dic") == {SUB: [f"rtsp://203.0.113.31:8554/{SUB}"]}
