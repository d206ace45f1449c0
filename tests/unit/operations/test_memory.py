"""Verifications that know of earlier ones, on the example's hosts in memory: what is said, recorded, and shown."""

import os
import sqlite3
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from provisioner.inventory.outline import outline_of
from provisioner.operations.pipeline import stages
from provisioner.record.entries import Operation
from provisioner.record.lifecycle.state import pictures_of
from provisioner.record.state_folder import state_folder_of
from tests.inventories import load_inventory
from tests.recorded import RecordingController, applied_controller

SILENT = "bac-giang/kcl-bg-001/cam-02/sub"


@pytest.fixture
def controller(tmp_path: Path) -> RecordingController:
    """A controller on whose hosts everything is applied."""
    return applied_controller(tmp_path)


def verified(controller: RecordingController, *words: str, **environment: str) -> tuple[int, dict[str, Any], str]:
    printed = controller.run("--output", "json", "verify", *words, **environment)
    return printed.code, printed.document, printed.err


def path_of(document: dict[str, Any], name: str = SILENT) -> dict[str, Any]:
    found: dict[str, Any] = next(path for path in document["paths"] if path["path"] == name)
    return found


def test_one_failure_is_unknown_until_the_next_run(controller: RecordingController) -> None:
    controller.hosts.silent = {SILENT}
    code, document, err = verified(controller)
    path = path_of(document)
    assert (code, path["verdict"], path["failing"]["confirmed"], err) == (1, "unknown", False, "")
    stages.WATCH.pause(120)
    _, document, err = verified(controller)
    path = path_of(document)
    assert (path["verdict"], path["failing"]["confirmed"], path["failing"]["looks"]) == ("down", True, 2)


def test_what_comes_and_goes_is_flapping(controller: RecordingController) -> None:
    for silent in ({SILENT}, set(), {SILENT}, set[str]()):
        controller.hosts.silent = silent
        stages.WATCH.pause(600)
        _, document, _ = verified(controller, "--confirm")
    path = path_of(document)
    assert path["verdict"] == "up"
    controller.hosts.silent = {SILENT}
    verified(controller, "--confirm")
    controller.hosts.silent = set()
    code, document, _ = verified(controller, "--confirm")
    assert (code, path_of(document)["verdict"], path_of(document)["cause"]) == (1, "degraded", "flapping")
    code, document, _ = verified(controller, "--once")
    assert (code, path_of(document)["verdict"]) == (0, "up")


def test_what_is_not_measured_has_its_last_proof(controller: RecordingController, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    assert verified(controller)[0] == 0
    stages.WATCH.pause(3 * 86_400)
    code, document, _ = verified(controller, "--sample", "1", "--html", str(page))
    left = [path for path in document["paths"] if path["cause"] == "not asked for"]
    assert code == 0
    assert left
    assert {(path["verdict"], path["last_proof"]["level"]) for path in left} == {("unknown", 7)}
    assert {path["last_proof"]["age_s"] // 86_400 for path in left} == {3}
    scope = document["scope"]
    assert scope["measured"] + scope["not_reached"] == document["summary"]["paths"]
    assert scope["not_reached"] == len(left)
    assert "level 7 was last proved at" in page.read_text(encoding="utf-8")
    out = controller.run("verify", "--sample", "1").out
    assert "not measured, and proved before: " in out
    assert f"the other {len(left)}" in out.splitlines()[-1]


def test_a_silent_host_leaves_the_last_proof(controller: RecordingController) -> None:
    verified(controller)
    controller.hosts.hosts["relay-vnpt-1"].reachable = False
    _, document, _ = verified(controller)
    of_relay = [path for path in document["paths"] if path["relay"] == "relay-vnpt-1"]
    assert {(path["verdict"], path["last_proof"]["level"]) for path in of_relay} == {("unknown", 7)}


@pytest.mark.parametrize(
    "words", [("--level", "0"), ("--level", "8"), ("--sample", "0"), ("--deadline", "1"), ("--once", "--confirm")]
)
def test_budgets_that_make_no_sense_are_wrong_usage(controller: RecordingController, words: tuple[str, str]) -> None:
    calls = len(controller.hosts.calls)
    printed = controller.run("verify", *words)
    assert (printed.code, words[0] in printed.err) == (2, True)
    assert len(controller.hosts.calls) == calls


def test_up_to_a_level_is_no_proof_and_no_failure(controller: RecordingController) -> None:
    code, document, _ = verified(controller, "--level", "5")
    assert code == 0
    assert {(path["verdict"], path["level"]) for path in document["paths"]} == {("unknown", 5)}
    assert controller.evidence.connected == {}
    assert not {host for operation, host in controller.hosts.calls if operation == "probe"} & {"centre-hn"}


def test_a_sample_or_a_level_takes_nothing_back(controller: RecordingController) -> None:
    code, document, _ = verified(controller)
    assert code == 0
    before = controller.evidence
    for words in (("--sample", "1"), ("--level", "4")):
        assert verified(controller, *words)[0] == 0
    with closing(controller.history) as history:
        limits = {recorded.run.limit for recorded in history.runs() if recorded.run.operation is Operation.VERIFY}
    assert limits == {(), ("sample=1",), ("level=4",)}
    facility = load_inventory(controller.root, today=date(2021, 6, 13)).facilities["kcl-bg-001"]
    now = pictures_of(outline_of(facility), controller.evidence, datetime.now(UTC))
    assert (now.up, now.down, now.unknown) == (4, 0, 0)
    assert controller.evidence.declined == before.declined == {}
    controller.hosts.silent = {path["path"] for path in document["paths"]}
    assert verified(controller, "--sample", "1", "--confirm")[0] == 1
    assert controller.evidence.declined


# --- maintenance ----------------------------------------------------------------------------------
def announce(controller: RecordingController, begin: str, until: str, about: str) -> None:
    text = f"version: 1\nwindows:\n  - {{ from: {begin}, until: {until}, reason: new switch, {about} }}\n"
    (controller.root / "maintenance.yml").write_text(text, encoding="utf-8")


def test_announced_work_raises_no_alarm_and_is_shown_everywhere(
    controller: RecordingController, tmp_path: Path
) -> None:
    assert verified(controller)[0] == 0
    announce(controller, "2020-01-01T00:00", "2190-01-01T00:00", "facilities: [kcl-bg-001]")
    controller.hosts.silent = {SILENT}
    page = tmp_path / "report.html"
    code, document, err = verified(controller, "--html", str(page))
    assert (code, document["incidents"], err) == (0, [], "")
    inside = [path for path in document["paths"] if path["verdict"] == "maintenance"]
    assert {path["facility"] for path in inside} == {"kcl-bg-001"}
    assert document["summary"]["maintenance"] == len(inside)
    assert path_of(document)["maintenance"]["would_be"] == "down"
    assert path_of(document)["maintenance"]["reason"] == "new switch"
    assert "In maintenance (5)" in page.read_text(encoding="utf-8").replace(str(len(inside)), "5")
    out = controller.run("verify").out
    assert f"in maintenance: {len(inside)} paths" in out
    assert f"{SILENT} would be down" in out
    assert f"{len(inside)} of " in out.splitlines()[-1]
    # What is down inside is no outage of the facility, what is up is a proof.
    (check,) = [check for check in controller.evidence.checks["kcl-bg-001"] if check.checked < check.pulled]
    assert (check.pulled, check.checked, check.proved) == (4, 3, 3)


def test_after_its_window_an_outage_is_one(controller: RecordingController) -> None:
    announce(controller, "2020-01-01T00:00", "2020-01-02T00:00", "everything: true")
    controller.hosts.silent = {SILENT}
    code, document, _ = verified(controller, "--confirm")
    assert (code, path_of(document)["verdict"], len(document["incidents"])) == (1, "down", 1)


# --- a record that cannot be read -----------------------------------------------------------------
def test_without_a_record_it_says_that_it_has_no_memory(controller: RecordingController, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    environment = {"PROVISIONER_STATE": str(tmp_path / "file")}
    code, document, err = verified(controller, **environment)
    assert code == 0
    assert document["memory"]["used"] is False
    assert document["memory"]["reason"].startswith("no run was ever recorded in ")
    assert "warning: this verification is not recorded" in err
    assert "not compared with earlier runs: " in controller.run("verify", **environment).out


def test_a_memory_that_somebody_else_wrote_is_none(controller: RecordingController) -> None:
    controller.hosts.silent = {SILENT}
    verified(controller, "--once")
    file = state_folder_of(controller.environment, "example").file
    assert file is not None
    with closing(sqlite3.connect(file)) as database, database:
        database.execute(
            "UPDATE provisioner_path_memories SET content = replace(content, '\"count\":1', '\"count\":9')"
        )
    stages.WATCH.pause(120)
    _, document, _ = verified(controller, "--deadline", "30")
    path = path_of(document)
    assert (path["verdict"], path["failing"]["looks"]) == ("unknown", 1)
    assert document["memory"]["reason"] == "what is remembered of 1 path is not what this program wrote"
    assert os.environ.get("PROVISIONER_STATE") is None
