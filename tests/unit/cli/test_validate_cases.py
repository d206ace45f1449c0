"""Each folder of tests/cases/validate changes one valid inventory and says exactly what `validate` answers.

`inventory/` lies over `_base/`; `removed.txt` names files to take away; `expect.yml` holds the exit code
and every problem: code, place, message and hint.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from provisioner.cli.main import run
from provisioner.inventory.files.yaml import parse

CASES = Path(__file__).parents[2] / "cases" / "validate"
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
    code = run(["-i", "inv", "--output", "json", "validate", "--date", "2021-05-09"], {})
    document = json.loads(capsys.readouterr().out)
    expected = parse((CASES / name / "expect.yml").read_bytes())
    assert expected.faults == ()
    assert isinstance(expected.value, dict)
    assert set(expected.value) == {"exit", "problems"}
    problems = [answer(p) for p in document["problems"]]
    assert {"exit": code, "problems": problems} == expected.value
    assert document["ok"] == (code == 0)


def test_there_are_cases() -> None:
    assert len(NAMES) > 30
