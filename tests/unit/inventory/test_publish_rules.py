"""Rules on sites that push, each by the inventory that breaks it; and the keys that such sites need."""

from typing import Any

import pytest

from provisioner.inventory.loader.cached_secrets import carrier_secrets_of, facts_of
from provisioner.inventory.model.facility import Operating
from provisioner.inventory.model.inventory import Inventory
from provisioner.inventory.model.secrets import CarrierSecrets, Secrets
from provisioner.inventory.new_secrets import completed
from tests import fleets, inventories

SITE = "kcl-bg-001"
RELAY = inventories.relay("relay-viettel-1", 11)
VNPT = inventories.carrier("vnpt", 21)


def found(carrier: dict[str, Any] | None = None, **changes: Any) -> list[tuple[str, str]]:
    """The codes and objects of what is wrong with one site that pushes."""
    carriers = [inventories.carrier(**({"publishers": {}} if carrier is None else carrier)), VNPT]
    whole = fleets.complete(inventories.inventory(carriers=carriers, facilities=[fleets.pushing(SITE, **changes)]))
    return [(problem.code, problem.object) for problem in inventories.check(whole)]


def plan(**changes: Any) -> dict[str, Any]:
    return {"state": "agreed", "carrier": "viettel", "relay": "relay-viettel-1", "access": "publish"} | changes


def test_a_site_that_pushes_needs_neither_key_nor_interface_and_no_address() -> None:
    assert found() == []


@pytest.mark.parametrize(
    ("carrier", "changes", "code"),
    [
        ({}, {}, "publish-not-open"),
        (None, {"gateway": {"lan": "192.168.1.0/24", "system": "openwrt"}}, "publish-gateway-unfit"),
        (
            {"publishers": {}, "relays": [RELAY, inventories.relay("relay-viettel-2", 12)]},
            {"plan": plan(backup_relay="relay-viettel-2")},
            "publish-with-backup",
        ),
        (
            {"publishers": {"networks": ["198.51.100.0/24"]}},
            {"gateway": {"lan": "192.168.1.0/24", "public_addresses": ["203.0.113.9"]}},
            "public-address-outside",
        ),
        (None, {"cameras": [inventories.camera(onvif={})]}, "publish-not-asked"),
        ({"publishers": {}, "relays": [RELAY | {"endpoint": "2001:db8::1"}]}, {}, "publish-endpoint-unfit"),
    ],
)
def test_what_stops_a_site_from_pushing(carrier: dict[str, Any] | None, changes: dict[str, Any], code: str) -> None:
    assert (code, f"facility/{SITE}") in found(carrier, **changes)


def test_an_address_from_which_nothing_is_pushed_is_a_warning() -> None:
    gateway = inventories.facility(SITE)["gateway"] | {
        "public_addresses": ["198.51.100.7"],
        "public_key": inventories.public_key(SITE),
    }
    carriers = [inventories.carrier(), VNPT]
    sites = [fleets.facility(SITE, gateway=gateway)]
    whole = fleets.complete(inventories.inventory(carriers=carriers, facilities=sites))
    assert [(p.code, p.severity.value) for p in inventories.check(whole)] == [("public-addresses-unused", "warning")]


def test_a_line_is_held_against_all_that_is_pushed() -> None:
    streams = {"sub": {"width": 640, "height": 360, "kbps": 500}, "main": {"width": 1920, "height": 1080, "kbps": 3000}}
    survey = inventories.facility(SITE)["survey"] | {"uplink": {"kind": "fibre", "upload_mbps": 4}}
    cameras = [inventories.camera(f"cam-{n:02}", 10 + n) | {"streams": streams} for n in (1, 2)]
    assert found(cameras=cameras, survey=survey) == [("uplink-over-capacity", f"facility/{SITE}")]
    assert found(cameras=cameras[:1], survey=survey) == []


def whole(**changes: Any) -> Inventory:
    carriers = [inventories.carrier(publishers={}), VNPT]
    return fleets.complete(inventories.inventory(carriers=carriers, facilities=[fleets.pushing(SITE, **changes)]))


def test_keys_are_drawn_once_for_each_site_that_pushes_and_its_relay_has_a_certificate() -> None:
    inventory = whole()
    drawn = completed(inventory, Secrets()).carriers["viettel"]
    assert set(drawn.publish_keys) == {SITE}
    assert set(drawn.certificate_keys) == {"relay-viettel-1"}
    assert drawn.site_psks == {}
    again = completed(inventory, Secrets(carriers={"viettel": drawn})).carriers["viettel"]
    assert again.publish_keys[SITE].reveal() == drawn.publish_keys[SITE].reveal()
    kept = facts_of(drawn, {})
    assert kept is not None
    assert set(carrier_secrets_of(kept).publish_keys) == {SITE}


def test_the_key_of_a_closed_site_goes() -> None:
    inventory = whole(operating="closed", closed_on="2021-06-01")
    assert inventory.facilities[SITE].operating is Operating.CLOSED
    known = completed(whole(), Secrets()).carriers["viettel"]
    assert completed(inventory, Secrets(carriers={"viettel": known})).carriers["viettel"].publish_keys == {}


def test_a_file_without_such_sites_has_no_word_of_them() -> None:
    assert "publish_keys" in CarrierSecrets.model_fields
    plain = fleets.complete(inventories.inventory(facilities=[fleets.facility(SITE)]))
    assert completed(plain, Secrets()).carriers["viettel"].publish_keys == {}
