"""After a merger people name and count the provinces of today; paths keep the slugs that were frozen in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from provisioner.cli.main import run
from tests import inventories as make

OLD, NEW = "gso-2021", "gso-2025"


@pytest.fixture
def merged(tmp_path: Path) -> Path:
    """An inventory of today with a facility of old Bắc Giang, one of old Bắc Ninh, and one of Bắc Ninh as it is now."""
    facilities = [
        make.facility("kcl-bg-001", province_scheme=OLD),
        make.facility("kcl-bn-001", province="bac-ninh", province_scheme=OLD),
        make.facility("kcl-bn-002", province="bac-ninh"),
        make.facility("kcl-hp-001", province="hai-phong"),
    ]
    files: dict[str, Any] = {f"facilities/{one['province']}/{one['id']}.yml": one for one in facilities}
    designations = [make.designation("bac-ninh"), make.designation("hai-phong")]
    files |= {
        "inventory.yml": make.settings(province_scheme=NEW),
        "designations.yml": {"version": 1, "designations": designations},
    }
    return make.write_inventory(tmp_path / "inv", files)


def document(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_a_province_that_was_two_is_counted_once(merged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(["-i", str(merged), "--output", "json", "validate"], {})
    assert document(capsys)["counts"]["provinces"] == 2


@pytest.mark.parametrize(
    ("province", "chosen"),
    [
        ("bac-ninh", ["kcl-bg-001", "kcl-bn-001", "kcl-bn-002"]),
        ("bac-giang", ["kcl-bg-001"]),
        ("hai-phong", ["kcl-hp-001"]),
    ],
)
def test_a_limit_means_the_province_of_today(
    merged: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, province: str, chosen: list[str]
) -> None:
    env = {"XDG_STATE_HOME": str(tmp_path / "state")}
    assert run(["-i", str(merged), "--output", "json", "status", "--limit", f"province={province}"], env) == 0
    assert [one["facility"] for one in document(capsys)["facilities"]] == chosen


def test_provinces_are_suggested_as_they_are_today(
    merged: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    env = {"XDG_STATE_HOME": str(tmp_path / "state")}
    assert run(["-i", str(merged), "status", "--limit", "province=bac-lieu"], env) == 2
    assert "provinces here are: bac-ninh, hai-phong" in capsys.readouterr().err
