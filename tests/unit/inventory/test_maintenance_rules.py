"""Maintenance windows in the inventory: what is refused, what is warned of, what a bad zone is."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from provisioner.base.errors import Severity
from provisioner.inventory.files.positions import Places
from provisioner.inventory.loader.load import load
from provisioner.inventory.model.facility import Maintenance
from provisioner.inventory.model.inventory import Inventory
from provisioner.inventory.rules import check
from tests import fleets
from tests import inventories as make

FACILITY = "kcl-bg-001"


def window(begin: str = "2021-05-22T01:00", until: str = "2021-05-22T04:00", **about: Any) -> dict[str, Any]:
    return {"from": begin, "until": until, "reason": "new switch"} | (about or {"facilities": [FACILITY]})


def with_windows(*windows: dict[str, Any]) -> Inventory:
    known = Maintenance.model_validate({"version": 1, "windows": tuple(map(_plain, windows))})
    return fleets.complete(make.inventory()).model_copy(update={"maintenance": known.windows})


def _plain(window: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in window.items()}


def found(*windows: dict[str, Any], today: date = make.TODAY) -> list[tuple[str, str]]:
    problems = check(with_windows(*windows), Places({}), today)
    return [(p.code, p.severity.value) for p in problems if p.code.startswith("maintenance-")]


def test_windows_in_order_are_no_problem() -> None:
    carrier, relay, centre = "viettel", "relay-viettel-1", "centre"
    other = window("2021-05-22T04:00", "2021-05-22T05:00")
    every = window("2021-05-23T04:00", "2021-05-23T05:00", everything=True)
    assert found(window(), other, window(hosts=[relay, centre]), window(carriers=[carrier]), every) == []


@pytest.mark.parametrize(
    ("windows", "expected"),
    [
        ([window(until="2021-05-22T01:00")], [("maintenance-in-disorder", "error")]),
        ([window(facilities=[])], [("maintenance-of-nothing", "error")]),
        ([window(facilities=["kcl-bg-999"])], [("maintenance-name-unknown", "warning")]),
        ([window(hosts=["viettel"])], [("maintenance-name-unknown", "warning")]),
        ([window(carriers=["relay-viettel-1"])], [("maintenance-name-unknown", "warning")]),
        ([window(until="2021-05-29T01:01")], [("maintenance-too-long", "warning")]),
        ([window("2021-05-01T01:00", "2021-05-08T23:59")], [("maintenance-over", "warning")]),
        ([window(), window("2021-05-22T03:59", "2021-05-22T05:00")], [("maintenance-overlaps", "warning")]),
        ([window(everything=True), window("2021-05-22T03:59", "2021-05-22T05:00")], []),
    ],
)
def test_each_mistake_is_named(windows: list[dict[str, Any]], expected: list[tuple[str, str]]) -> None:
    assert found(*windows) == expected


def test_a_window_that_is_over_may_name_what_is_gone() -> None:
    gone = window("2021-05-01T01:00", "2021-05-02T01:00", facilities=["kcl-bg-999"])
    assert found(gone) == [("maintenance-over", "warning")]


@pytest.mark.parametrize("text", ["2021-05-22T06:00 ICT", "2021-05-22T06:00+25:00", "2021-05-22", "2021-05-22T25:00"])
def test_a_moment_with_a_zone_that_is_none_is_an_error_at_its_place(tmp_path: Path, text: str) -> None:
    plain = {"inventory.yml": make.settings(), "maintenance.yml": {"version": 1, "windows": [window(text)]}}
    make.write_files(tmp_path, plain)
    (problem,) = [p for p in load(tmp_path, today=make.TODAY).problems if p.object == "maintenance"]
    assert problem.severity is Severity.ERROR
    assert (problem.code, problem.line > 0) == ("value-invalid", True)
    assert "windows number 1: from" in problem.message
