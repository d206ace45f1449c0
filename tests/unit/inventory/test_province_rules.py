"""An inventory that moves on to the newer list of provinces: what stays valid, and what is told."""

from typing import Any

import pytest

from provisioner.base.errors import Problem, Severity
from provisioner.inventory.geography import AmbiguousProvinceError
from tests import fleets
from tests import inventories as make

OLD, NEW = "gso-2021", "gso-2025"


def problems(
    facility: dict[str, Any], *designations: dict[str, Any], scheme: str = NEW, orders: tuple[dict[str, Any], ...] = ()
) -> list[Problem]:
    inventory = make.inventory(
        settings=make.settings(province_scheme=scheme),
        carriers=[make.carrier(), make.carrier("vnpt", 21)],
        facilities=[facility],
        designations=list(designations),
        instructions=list(orders),
    )
    return list(make.check(fleets.complete(inventory)))


def order(**changes: Any) -> dict[str, Any]:
    plain = {"ref": "1", "issuer": "x", "issued_on": "2021-05-06", "before": "2021-05-10", "scope": ["ubnd_tinh"]}
    return plain | changes


def site(province: str = "bac-giang", **changes: Any) -> dict[str, Any]:
    return make.facility(province=province, **changes)


def test_a_designation_of_2021_serves_only_what_its_province_was() -> None:
    (problem,) = problems(site(province_scheme=OLD), make.designation("bac-ninh", province_scheme=OLD))
    assert problem.code == "carrier-not-designated"
    assert "not designated for bac-ninh (formerly bac-giang) on" in problem.message


def test_a_facility_that_was_registered_after_the_merger_needs_a_designation_of_the_whole() -> None:
    assert problems(site("bac-ninh"), make.designation("bac-ninh")) == []
    for slug in ("bac-giang", "bac-ninh"):
        (problem,) = problems(site("bac-ninh"), make.designation(slug, province_scheme=OLD))
        assert problem.code == "carrier-not-designated"
    assert problems(site("hue"), make.designation("thua-thien-hue", province_scheme=OLD)) == []


def test_a_carrier_may_change_with_the_merger_and_nothing_is_cut() -> None:
    ended = make.designation("bac-giang", "viettel", until="2021-05-07", province_scheme=OLD)
    (problem,) = problems(site(province_scheme=OLD), ended, make.designation("bac-ninh", "vnpt"))
    assert (problem.code, problem.severity) == ("carrier-change-due", Severity.WARNING)
    assert "for bac-ninh (formerly bac-giang) no longer" in problem.message


def test_a_list_newer_than_the_inventory_is_refused_where_the_province_was_several() -> None:
    listed = problems(site("bac-ninh", province_scheme=NEW), make.designation("bac-ninh"), scheme=OLD)
    (problem,) = (one for one in listed if one.code == "province-scheme-newer")
    assert (
        "Bắc Ninh (24) of gso-2025 is several provinces in gso-2021: Bắc Giang (24), Bắc Ninh (27)" in problem.message
    )
    assert "province_scheme: gso-2025 in inventory.yml" in problem.hint


@pytest.mark.parametrize("scheme", [OLD, NEW])
def test_days_that_a_province_set_are_of_the_orders_list(scheme: str) -> None:
    days = order(provinces={"kon-tum": "2021-05-18"}, province_scheme=OLD)
    frozen = site(province_scheme=OLD)
    older = make.designation("bac-giang", province_scheme=OLD)
    assert problems(frozen, older, scheme=scheme, orders=(days,)) == []
    (problem,) = problems(frozen, older, scheme=NEW, orders=(order(provinces={"kon-tum": "2021-05-18"}),))
    assert problem.code == "province-unknown"
    assert "or name the province of today, quang-ngai" in problem.hint


def test_a_province_that_was_several_has_no_single_one_then() -> None:
    inventory = make.inventory(facilities=[site("bac-ninh", province_scheme=NEW)])
    with pytest.raises(AmbiguousProvinceError):
        inventory.province_today(inventory.facilities["kcl-bg-001"])
