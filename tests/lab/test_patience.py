"""Limits of time grow with the machine's load, within bounds, and each of them does."""

import ast
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from . import patience

HERE = Path(__file__).parent
# What is sent to hosts and run there. `docker`, and with it `lab.exec`, stretches what it is given.
ELSEWHERE = {"rtsp_hold.py", "hostile_camera.py"}
WAITING = {"run", "wait", "communicate", "create_connection"}

loads = st.floats(min_value=0, max_value=1000)


@given(loads, loads, st.integers(min_value=1, max_value=256))
def test_a_machine_is_never_taken_for_faster_than_a_quiet_one_nor_for_endlessly_slow(
    measured: float, load: float, processors: int
) -> None:
    assert 1 <= patience.factor(measured, load, processors) <= patience.MOST


@given(loads, loads, st.integers(min_value=1, max_value=256))
def test_more_load_is_never_less_patience(load: float, more: float, processors: int) -> None:
    assert patience.factor(1, load, processors) <= patience.factor(1, load + more, processors)


def test_a_quiet_machine_waits_as_long_as_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "at_start", lambda: 1.0)
    monkeypatch.setattr(os, "getloadavg", lambda: (0.5, 0.5, 0.5))
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert patience.stretched(40) == 40
    monkeypatch.setattr(os, "getloadavg", lambda: (6.0, 0.5, 0.5))
    assert patience.stretched(40) == 120


def limits(path: Path) -> Iterator[ast.expr]:
    """The limits of time in a file: of processes and connections, and the ends of loops that wait."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in WAITING:
            whose = ast.unparse(node.func.value)
            if node.func.attr != "run" or whose == "subprocess":
                yield from (keyword.value for keyword in node.keywords if keyword.arg == "timeout")
            if node.func.attr == "wait":
                yield from node.args
        if (
            isinstance(node, ast.BinOp)
            and isinstance(node.op, ast.Add)
            and "time.monotonic()" in ast.unparse(node.left)
        ):
            yield node.right


@pytest.mark.parametrize(
    "path", sorted(path for path in HERE.glob("*.py") if path.name not in ELSEWHERE), ids=lambda path: path.name
)
def test_every_limit_of_time_in_this_folder_is_stretched(path: Path) -> None:
    wrong = [
        f"{path.name}:{limit.lineno}: {ast.unparse(limit)}"
        for limit in limits(path)
        # A limit that was stretched where it is called `limit`, one of a library's own, and a pause between two looks.
        if not ast.unparse(limit).startswith("stretched(") and ast.unparse(limit) not in {"limit", "_TIMEOUTS", "0.02"}
    ]
    assert wrong == []
