"""Each folder of tests/cases/validate changes one valid inventory and says exactly what `validate` answers.

`inventory/` lies over `_base/`; `removed.txt` names files to take away; `expect.yml` holds the exit code
and every problem: code, place, message and hint.
"""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from provisioner.cli.main import run
from provisioner.inventory.files.yaml import parse
from tests import inventories

CASES = Path(__file__).parents[2] / "cases" / "validate"
SITE = "facilities/bac-giang/kcl-bg-001.yml"
NAMES = sorted(path.name for path in CASES.iterdir() if path.is_dir() and not path.name.startswith("_"))


def lay_out(case: Path, root: Path) -> None:
    shutil.copytree(CASES / "_base", root)
    if (case / "inventory").is_dir():
        shutil.copytree(case / "inventory", root, dirs_exist_ok=True)
    removed = case / "removed.txt"
    for name in removed.read_text(encoding="utf-8").splitlines() if removed.exists() else []:
        (root / name).unlink()


def answer(problem: dict[str, Any]) -> dict[str, str]:
    place = [problem["file"], str(problem["line"]), str(problem["column"])] if problem["line"] else [problem["file"]]
    keys = ("severity", "code", "message", "hint")
    return {"at": ":".join(place)} | {key: problem[key] for key in keys}


@pytest.mark.parametrize("name", NAMES)
def test_validate_answers_exactly_what_the_case_expects(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lay_out(CASES / name, tmp_path / "inv")
    monkeypatch.chdir(tmp_path)
    code = run(["-i", "inv", "--output", "json", "validate", "--as-of", "2021-05-09"], {})
    document = json.loads(capsys.readouterr().out)
    expected = parse((CASES / name / "expect.yml").read_bytes())
    assert expected.faults == ()
    assert isinstance(expected.value, dict)
    assert set(expected.value) == {"exit", "problems"}
    problems = [answer(p) for p in document["problems"]]
    assert {"exit": code, "problems": problems} == expected.value
    assert document["ok"] == (code == 0)


@pytest.mark.parametrize("mistakes", [2, 100, 101, 102, 300])
@pytest.mark.parametrize("change", [{"port": "554"}, {"address": "203.0.113.9"}], ids=["of a type", "of a rule"])
def test_the_last_line_counts_each_mistake_be_it_listed_or_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, str], mistakes: int
) -> None:
    """A hundred alike are listed; each wrong camera is an error more, read anew and from the cache."""

    def errors(wrong: int) -> int:
        cameras = [inventories.camera(f"cam-{n}", 1 + n % 250, port=1000 + n) for n in range(300)]
        cameras = [camera | change if n < wrong else camera for n, camera in enumerate(cameras)]
        root = inventories.write_inventory(tmp_path, {SITE: inventories.facility(cameras=cameras)})
        counts = set()
        for _ in range(2):
            assert run(["-i", str(root), "validate", "--as-of", "2021-05-09"], {}) == 3
            shown, _, last = capsys.readouterr().out.strip().rpartition("\n")
            counts.add(int(re.match(r"invalid: (\d+) error", last)[1]))  # type: ignore[index]  # it is invalid
            assert ("more problem" in shown) is (wrong > 100)
        (number,) = counts
        return number

    assert errors(mistakes) - errors(1) == mistakes - 1


def test_there_are_cases() -> None:
    assert len(NAMES) > 30
