"""Ids that become names of files or folders can be checked out on Windows, too."""

import json
import shutil
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from provisioner.base.text import DEVICE_NAMES
from provisioner.cli.main import run
from provisioner.inventory.model.base import FileSlug
from provisioner.inventory.policy_rules.file import is_rego_name
from tests.hostile import MERGE_REQUEST

BASE = Path(__file__).parents[2] / "cases/validate/_base"


@MERGE_REQUEST
@pytest.mark.parametrize(
    "place",
    [
        ("facilities/bac-giang/kcl-bg-001.yml", "kcl-bg-001", "facilities/bac-giang/{name}.yml"),
        ("centres/centre.yml", "centre", "centres/{name}.yml"),
        ("carriers/viettel.yml", "viettel", "carriers/{name}.yml"),
        ("carriers/viettel.yml", "relay-viettel-1", "carriers/viettel.yml"),
        ("inventory.yml", None, "inventory.yml"),
    ],
)
@pytest.mark.parametrize("name", ["con", "aux", "lpt1"])
def test_an_id_that_windows_cannot_check_out_is_refused_with_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], place: tuple[str, str | None, str], name: str
) -> None:
    root, (file, old, to) = tmp_path / "inv", place
    shutil.copytree(BASE, root)
    text = (root / file).read_text(encoding="utf-8")
    old = old or text.partition("\nid: ")[2].partition("\n")[0]
    (root / file).unlink()
    (root / to.format(name=name)).write_text(text.replace(f"id: {old}\n", f"id: {name}\n"), encoding="utf-8")
    assert run(["-i", str(root), "--output", "json", "validate", "--as-of", "2021-05-09"], {}) == 3
    problems = json.loads(capsys.readouterr().out)["problems"]
    (problem,) = [one for one in problems if "Windows" in one["message"]]
    assert problem["code"] == "value-invalid"
    assert problem["message"].endswith(f"id: Windows cannot check out a file or folder named {name}")
    assert problem["hint"] == (
        f"choose another id, e.g. {name}-1; `moved` in inventory.yml keeps the paths of a facility"
    )


@MERGE_REQUEST
def test_every_device_of_windows_is_refused_and_names_that_begin_so_are_not() -> None:
    ids = TypeAdapter[str](FileSlug)
    assert len(DEVICE_NAMES) == 22
    for name in DEVICE_NAMES:
        with pytest.raises(ValidationError, match="Windows cannot check out"):
            ids.validate_python(name)
        assert ids.validate_python(f"{name}-1") == f"{name}-1"
        assert not is_rego_name(f"{name}.rego")
    for name in ("CON", "Aux", "con.yml", "nul "):
        with pytest.raises(ValidationError):
            ids.validate_python(name)
    for name in ("con1", "com10", "comm", "lpt", "nulls", "auxiliary"):
        assert ids.validate_python(name) == name
