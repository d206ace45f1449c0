"""`retention`: what is shown, what leaves after a yes, and what keeps all of it."""

import json
import shutil
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from provisioner.base.text import VIETNAM
from provisioner.cli.main import run
from provisioner.record.availability.path_state import StoredVerdict, SweptPaths
from provisioner.record.entries import Ending, Operation, Run
from provisioner.record.state_folder import state_folder_of
from provisioner.record.store import open_history

EXAMPLE = Path(__file__).parents[3] / "inventories/example"
NOW = datetime(2021, 6, 1, 8, tzinfo=VIETNAM)
PATH = "bac-giang/kcl-bg-001/cam-01/sub"


class Kept:
    """The program with a copy of the example, and three months of nights."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root, self._capsys = folder / "example", capsys
        shutil.copytree(EXAMPLE, self.root)
        vault = {"ANSIBLE_VAULT_PASSWORD_FILE": str(self.root / ".vault-password")}
        self.environment: Mapping[str, str] = {"PROVISIONER_STATE": str(folder / "state"), **vault}
        with closing(open_history(state_folder_of(self.environment, "example"))) as history:
            for back in range(0, 90, 10):
                at = NOW - timedelta(days=back)
                swept = SweptPaths({PATH: StoredVerdict("up", level=7)})
                night = Run(f"run-{back}", Operation.VERIFY, at, "", "", {"user": "noc", "machine": "m"}, "1")
                history.end(night, Ending(at, "up", {"night": back}, swept=swept))

    def agree(self, text: str) -> None:
        file = self.root / "inventory.yml"
        said = file.read_text(encoding="utf-8").replace("policy:\n", f"policy:\n  retention: {text}\n")
        file.write_text(said, encoding="utf-8")

    def __call__(self, *words: str, command: str = "retention", **environment: str) -> tuple[int, str, str]:
        code = run(["-i", str(self.root), *command.split(), *words], {**self.environment, **environment})
        printed = self._capsys.readouterr()
        return code, printed.out, printed.err


@pytest.fixture
def kept(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Kept:
    monkeypatch.setattr("provisioner.cli.history.now", lambda: NOW)
    return Kept(tmp_path, capsys)


def test_without_a_policy_all_stays(kept: Kept) -> None:
    code, out, _ = kept()
    assert code == 0
    assert out.splitlines()[-1] == "policy.retention is not set: all records stay"
    code, _, err = kept("--prune", "--yes")
    assert code == 2
    assert "policy.retention" in err


def test_what_would_leave_is_shown_and_leaves_after_a_yes(kept: Kept) -> None:
    kept.agree("{ document_days: 30, verdict_days: 60 }")
    code, out, _ = kept()
    assert code == 0
    table = [line.split() for line in out.splitlines()]
    assert [row[:4] for row in table[1:3]] == [["documents", "30", "days", "9"], ["verdicts", "60", "days", "9"]]
    assert "7 records expired" in out
    code, out, err = kept("--prune")
    assert (code, out) == (2, "")
    assert "add --yes" in err
    code, out, _ = kept("--prune", "--yes", "--output", "json")
    document = json.loads(out)
    assert (code, document["pruned"]) == (0, True)
    assert {one["name"]: one["leaving"] for one in document["classes"]} == {"documents": 5, "verdicts": 2}
    code, out, _ = kept()
    assert out.splitlines()[-1] == "no record is older than policy.retention allows"
    code, out, _ = kept(command="history verify")
    assert code == 0
    assert "is whole" in out
    code, out, _ = kept(command="history")
    assert "prune  pruned" in out


def test_a_closed_vault_keeps_all(kept: Kept) -> None:
    kept.agree("{ document_days: 30 }")
    code, _, _ = kept("--prune", "--yes", ANSIBLE_VAULT_PASSWORD_FILE="")
    assert code == 12
    assert "5 records expired" in kept()[1]


@pytest.mark.parametrize(
    "text", ["{ document_days: 0 }", "{ verdict_days: 7 }", "{ days: 30 }", "{ document_days: x }"]
)
def test_a_policy_that_is_none_is_told_with_its_place(kept: Kept, text: str) -> None:
    kept.agree(text)
    code, _, err = kept()
    assert code == 3
    assert "inventory.yml:" in err
