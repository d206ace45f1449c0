"""When the next wave begins is the inventory's own word."""

from pathlib import Path
from typing import Any

import pytest

from provisioner.operations.apply import execution
from provisioner.operations.rollout.job import RolloutOptions
from provisioner.operations.rollout.waves import roll_out
from tests.recorded import RecordingController, recording_controller


def controller_with(folder: Path, word: str) -> RecordingController:
    """A controller whose inventory says when the next wave begins; nothing of that where the word is empty."""
    controller = recording_controller(folder)
    if word:
        file = controller.root / "inventory.yml"
        text = file.read_text(encoding="utf-8")
        assert "policy:\n" in text
        file.write_text(text.replace("policy:\n", f"policy:\n  next_wave: {word}\n"), encoding="utf-8")
    return controller


@pytest.mark.parametrize(("word", "apart"), [("", False), ("watched", False), ("confirmed", True)])
def test_waves_are_apart_by_policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str, *, apart: bool) -> None:
    controller = controller_with(tmp_path, word)
    asked: list[RolloutOptions] = []

    def carried(jobs: Any, run: Any, runner: Any, options: RolloutOptions, *more: Any, **named: Any) -> Any:
        asked.append(options)
        return roll_out(jobs, run, runner, options, *more, **named)

    monkeypatch.setattr(execution, "roll_out", carried)
    assert controller.run("apply", "--yes", "--allow", "trust=9").code == 0
    assert [options.apart for options in asked] == [apart]


def test_a_word_that_is_no_such_policy_is_named(tmp_path: Path) -> None:
    told = controller_with(tmp_path, "soon").run("validate")
    assert told.code != 0
    assert "next_wave" in told.out + told.err
