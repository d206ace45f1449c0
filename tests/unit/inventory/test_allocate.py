"""Allocation by example: which address comes first, and what happens when none is left."""

from ipaddress import IPv4Address
from typing import Any

import pytest

from provisioner.base.errors import InventoryError
from provisioner.inventory.allocation import allocate
from tests import inventories as make


def settings(**pools: Any) -> dict[str, Any]:
    plain = make.settings()
    return plain | {"pools": plain["pools"] | pools}


def test_relays_come_before_sites_and_sites_in_the_order_of_ids() -> None:
    sites = [make.facility(name) for name in ("kcl-bg-002", "kcl-bg-001")]
    lock = allocate(make.inventory(facilities=sites))
    assert lock.relays["relay-viettel-1"].tunnel_address == IPv4Address("10.91.0.1")
    assert lock.centres["centre"].tunnel_address == IPv4Address("10.90.0.1")
    assert [str(site.tunnel_address) for site in lock.sites.values()] == ["10.91.0.2", "10.91.0.3"]


def test_an_address_that_ends_in_zero_is_left_out() -> None:
    sites = [make.facility(f"kcl-{number:03}") for number in range(260)]
    lock = allocate(make.inventory(facilities=sites))
    used = {str(site.tunnel_address) for site in lock.sites.values()}
    assert "10.91.0.255" in used
    assert "10.91.1.1" in used
    assert "10.91.1.0" not in used


def test_a_recorder_has_one_port_for_all_its_channels() -> None:
    site = make.facility(
        recorders=[make.recorder()],
        cameras=[make.channel("cam-01", 1), make.channel("cam-02", 2), make.camera("cam-03")],
    )
    assert allocate(make.inventory(facilities=[site])).sites["kcl-bg-001"].ports == {"cam-03": 10554, "nvr-01": 10555}


def test_a_facility_that_changes_carrier_keeps_its_ports_and_gets_an_address_of_the_new_one() -> None:
    carriers = [make.carrier(), make.carrier("vnpt", 21)]
    first = allocate(make.inventory(carriers=carriers))
    plan = {"state": "agreed", "carrier": "vnpt", "relay": "relay-vnpt-1"}
    second = allocate(make.with_lock(make.inventory(carriers=carriers, facilities=[make.facility(plan=plan)]), first))
    assert str(second.sites["kcl-bg-001"].tunnel_address) == "10.92.0.2"
    assert second.sites["kcl-bg-001"].ports == first.sites["kcl-bg-001"].ports
    assert [str(stone.tunnel_address) for stone in second.tombstones] == ["10.91.0.2"]


def test_a_removed_relay_leaves_a_tombstone_of_its_pool() -> None:
    first = allocate(make.inventory())
    moved = make.inventory(carriers=[make.carrier(relays=[make.relay("relay-viettel-2", 12)])])
    second = allocate(make.with_lock(moved, first))
    assert [(stone.object, stone.pool) for stone in second.tombstones] == [
        ("relay/relay-viettel-1", "carriers/viettel")
    ]
    assert str(second.relays["relay-viettel-2"].tunnel_address) == "10.91.0.3"


def test_keys_that_are_recorded_stay() -> None:
    first = allocate(make.inventory())
    keyed = first.relays["relay-viettel-1"].model_copy(update={"public_key": make.public_key("x")})
    recorded = make.with_lock(make.inventory(), first.model_copy(update={"relays": {"relay-viettel-1": keyed}}))
    assert allocate(recorded).relays["relay-viettel-1"] == keyed


@pytest.mark.parametrize(
    ("pools", "code", "words"),
    [
        (
            {"carriers": {"viettel": "10.91.0.0/30"}},
            "pool-exhausted",
            "no address is left in the pool carriers/viettel",
        ),
        ({"carriers": {}}, "pool-exhausted", "there is no pool carriers/viettel"),
        ({"first_site_port": 65535}, "ports-exhausted", "ports above 65535 do not exist"),
    ],
)
def test_what_is_used_up_is_told_for_each_object(pools: dict[str, Any], code: str, words: str) -> None:
    cameras = [make.camera(), make.camera("cam-02", 12)]
    sites = [make.facility(name, cameras=cameras) for name in ("kcl-bg-001", "kcl-bg-002")]
    with pytest.raises(InventoryError) as caught:
        allocate(make.inventory(settings=settings(**pools), facilities=sites))
    assert {problem.code for problem in caught.value.problems} == {code}
    assert words in caught.value.problems[-1].message
