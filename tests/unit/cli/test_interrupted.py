"""An interrupt of an apply: what was started is brought to its end, and a run without a rest is over."""

from pathlib import Path

import pytest

from provisioner.cli.support.context import Stop
from tests.example_terminal import ExampleTerminal, applied

FACILITY = "facilities/bac-giang/kcl-bg-002.yml"


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> ExampleTerminal:
    return applied(ExampleTerminal, tmp_path, monkeypatch, capsys)


def test_an_interrupt_after_the_last_host_leaves_nothing_to_resume(
    example: ExampleTerminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = Stop()
    monkeypatch.setattr(Stop, "__call__", lambda _self: stop.asked)

    def interrupt(operation: str, _host: str) -> None:
        stop.asked = stop.asked or operation == "confirm"

    example.hosts.before = interrupt
    assert example("facility", "close", "kcl-bg-002")[0] == 0
    assert example("allocate")[0] == 0
    code, out, err = example("apply", "--yes")
    assert code == 130, out + err
    assert "a fresh plan is empty" in out
    code, document = example.document("history")
    assert next(run["state"] for run in document["runs"] if run["operation"] == "apply") == "applied"
    stop.asked = False
    code, _, err = example("apply", "--resume", "--yes")
    assert (code, "no run" in err) == (2, True), err
