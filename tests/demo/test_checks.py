"""What the demo insists on: each check passes what is right, and fails what is not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lab.held_readers import LONGEST_GAP, Held

from . import checks
from .errors import DemoError
from .screen import shortened

RELAY = "relay-1"
PATHS = ("p/f/c/main", "p/f/c/sub")
REPORT = """22 of 24 paths are up: 2 down

incidents: 1
  down      camera kcl-1/cam-02: camera unplugged, 2 paths
            10.91.0.2:10555: no-route
"""


def change(resource: str, name: str, action: str = "update", host: str = RELAY) -> dict[str, Any]:
    return {"host": host, "resource": resource, "name": name, "action": action}


def plan(*more: dict[str, Any], viewers: int = 1) -> dict[str, Any]:
    wanted = [*(change("path", name) for name in PATHS), change("file", checks.RELAY_FILE)]
    return {"changes": [*wanted, *more], "summary": {"viewers_dropped": viewers}}


def test_a_plan_of_one_camera_passes() -> None:
    checks.only_these_paths(plan(change("peer", "site/f", "noop")), RELAY, PATHS, viewers=1)


@pytest.mark.parametrize(
    "more",
    [
        change("path", "p/f/d/sub"),
        change("path", PATHS[0], host="relay-2"),
        change("peer", "site/f"),
        change("unit", "provisioner-mediamtx.service"),
        change("path", "p/f/e/sub", "delete"),
    ],
    ids=lambda more: f"{more['resource']} {more['name']} {more['action']} {more['host']}",
)
def test_a_plan_that_touches_anything_else_fails(more: dict[str, Any]) -> None:
    with pytest.raises(DemoError, match="nothing else"):
        checks.only_these_paths(plan(more), RELAY, PATHS, viewers=1)


def test_a_plan_that_leaves_a_path_out_or_counts_viewers_wrongly_fails() -> None:
    with pytest.raises(DemoError):
        checks.only_these_paths(plan(), RELAY, (*PATHS, "p/f/x/sub"), viewers=1)
    with pytest.raises(DemoError, match="viewers"):
        checks.only_these_paths(plan(viewers=3), RELAY, PATHS, viewers=1)


EDITED = Held("edited", 10, 0.1, "cut by the relay")


def test_readers_that_play_on_pass() -> None:
    checks.readers_undisturbed([EDITED, Held("other", 100, LONGEST_GAP, "")], "edited")


@pytest.mark.parametrize(
    "reader",
    [
        Held("edited", 100, 0.1, ""),
        Held("other", 100, 0.1, "cut by the relay"),
        Held("other", 0, 0.0, ""),
        Held("other", 100, LONGEST_GAP + 0.01, ""),
    ],
    ids=["the edited one was not cut", "another was cut", "no packet", "a gap"],
)
def test_readers_that_were_disturbed_fail(reader: Held) -> None:
    with pytest.raises(DemoError, match=reader.path):
        checks.readers_undisturbed([reader], "edited")


def test_reports() -> None:
    checks.all_up("all 24 paths are up\n", 24)
    checks.names_only(REPORT, "kcl-1/cam-02", "camera unplugged", 24)
    with pytest.raises(DemoError):
        checks.all_up(REPORT, 24)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("kcl-1/cam-02", "kcl-2/cam-02"),
        ("camera unplugged", "camera refuses"),
        ("incidents: 1", "incidents: 2"),
        ("22 of 24 paths are up: 2 down", "21 of 24 paths are up: 3 down"),
    ],
)
def test_a_report_that_names_something_else_fails(old: str, new: str) -> None:
    with pytest.raises(DemoError):
        checks.names_only(REPORT.replace(old, new), "kcl-1/cam-02", "camera unplugged", 24)


def test_a_long_output_is_shown_by_its_beginning_and_end() -> None:
    text = "\n".join(map(str, range(100)))
    lines = shortened(text, 10)
    assert lines == ["0", "1", "2", "3", "4", "5", "… 91 more lines …", "97", "98", "99"]
    assert shortened("a\nb\n", 10) == ["a", "b"]
