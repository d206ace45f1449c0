"""After a merger people name and count the provinces of today; paths keep the slugs that were frozen in them."""

import json
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook

from provisioner.cli.main import run
from tests import inventories as make
from tests.unit.importing import sheets as made
from tests.unit.importing.contacts import book as people

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


def test_provinces_of_today_are_suggested(merged: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    env = {"XDG_STATE_HOME": str(tmp_path / "state")}
    assert run(["-i", str(merged), "status", "--limit", "province=bac-lieu"], env) == 2
    assert "provinces here are: bac-ninh, hai-phong" in capsys.readouterr().err


def test_the_lists_of_contacts_keep_the_name_of_the_province_whose_file_they_are(
    merged: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    people.put(merged / "contacts", "bac-giang", [people.contact("kcl-bg-001")])
    env = people.environment(tmp_path / "keys", "contacts-bac-giang") | {"XDG_STATE_HOME": str(tmp_path / "state")}
    out = tmp_path / "list.xlsx"
    assert run(["-i", str(merged), "contacts", "check", "--province", "bac-giang"], env) == 0
    asked = ["contacts", "list", "--province", "bac-giang", "--purpose", "x", "--out", str(out)]
    assert run(["-i", str(merged), *asked], env) == 0
    sheet = load_workbook(out).worksheets[0]
    assert (sheet["A2"].value, sheet["B8"].value) == ("Tỉnh/Thành phố: Bắc Giang", "kcl-bg-001")
    assert run(["-i", str(merged), "contacts", "check", "--province", "bac-lieu"], env) == 2
    assert "this inventory has: bac-giang, bac-ninh, hai-phong" in capsys.readouterr().err


@pytest.mark.parametrize("province", ["bac-giang", "bac-ninh"])
def test_what_is_exported_of_a_merged_province_and_read_back_changes_nothing(
    merged: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, province: str
) -> None:
    out, env = str(tmp_path / "filled.xlsx"), {"XDG_STATE_HOME": str(tmp_path / "state")}
    assert run(["-i", str(merged), "import", "--template", out, "--fill", province], env) == 0
    capsys.readouterr()
    assert run(["-i", str(merged), "--output", "json", "import", out], env) == 0
    printed = document(capsys)
    assert [(printed["problems"], printed["facilities"])] == [([], [])]
    assert next(table["rows"] for table in printed["tables"]) == (1 if province == "bac-giang" else 2)


def test_a_name_of_the_older_list_is_an_error_with_both_readings(
    merged: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "new.xlsx"
    rows = [made.FACILITY_HEADER, made.facility_row("Trường Mới"), made.facility_row("Trường Hai", province="Bắc Ninh")]
    path.write_bytes(made.book({"Cơ sở": rows}))
    env = {"XDG_STATE_HOME": str(tmp_path / "state")}
    assert run(["-i", str(merged), "--output", "json", "import", str(path), "--language", "en"], env) == 3
    printed = document(capsys)
    (problem,) = (p for p in printed["problems"] if p["severity"] == "error")
    assert (problem["code"], problem["row"], problem["column"]) == ("province-merged", 2, "C")
    assert "in gso-2021 it is Bắc Giang (24), whose territory is in Bắc Ninh (24) today" in problem["message"]
    assert [one["facility"] for one in printed["facilities"]] == ["kcl-bn-003"]
