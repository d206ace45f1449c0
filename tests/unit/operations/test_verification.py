"""Apply and verify record what they did and showed; no secret is in it, and no failure to record changes a result."""

import sqlite3
import zlib
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from provisioner.inventory.outline import outline_of
from provisioner.operations.pipeline.session import Session
from provisioner.record.entries import Operation
from provisioner.record.lifecycle.state import pictures_of
from tests.inventories import load_inventory
from tests.recorded import RecordingController, applied_controller, recording_controller

EXAMPLE = Path(__file__).parents[3] / "inventories" / "example"
CANARY = "canary-Mat:khau@/#?%$G1"


class PipelineController(RecordingController):
    """A controller in a pipeline, whose environment holds what nobody may see."""

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | {
            "GITLAB_CI": "true",
            "CI_PROJECT_PATH": "noc/inventory",
            "CI_JOB_ID": "4711",
            "CI_JOB_TOKEN": CANARY,
            "CI_JOB_URL": f"https://x:{CANARY}@git.example.com/4711",
        }


@pytest.fixture
def controller(tmp_path: Path) -> RecordingController:
    """A controller of which no run is recorded yet."""
    return PipelineController(recording_controller(tmp_path).folder)


@pytest.fixture
def applied(tmp_path: Path) -> RecordingController:
    """A controller whose hosts are as the inventory says."""
    return applied_controller(tmp_path)


def test_an_apply_shows_what_its_relays_hold(controller: RecordingController) -> None:
    assert controller.run("apply", "--yes", "--allow", "trust=4").code == 0
    evidence = controller.evidence
    held = {host: set(word.held or ()) for host, word in evidence.words.items()}
    assert held["relay-viettel-1"] == {"kcl-bg-001", "kcl-bg-002", "kcl-hd-001"}
    assert held["relay-vnpt-1"] == {"kcl-hd-001", "kcl-qn-001"}
    assert all(word.exact for word in evidence.words.values())
    assert evidence.proofs == {}
    with closing(controller.history) as history:
        (recorded,) = history.runs()
    assert (recorded.run.operation, recorded.outcome) == (Operation.APPLY, "applied")
    assert recorded.run.who["job"] == "gitlab:noc/inventory#4711"


def test_a_verification_connects_who_is_up_whole_and_nobody_else(applied: RecordingController) -> None:
    applied.hosts.silent = {"bac-giang/kcl-bg-001/cam-02/sub"}
    assert applied.run("verify", "--confirm").code == 1
    evidence = applied.evidence
    assert set(evidence.connected) == {"kcl-bg-002", "kcl-hd-001", "kcl-qn-001"}
    (check,) = evidence.checks["kcl-bg-001"]
    assert (check.pulled, check.checked, check.proved) == (4, 4, 3)
    applied.hosts.silent = set()
    assert applied.run("verify").code == 0
    assert "kcl-bg-001" in applied.evidence.connected


def test_a_limit_records_only_what_was_checked(applied: RecordingController) -> None:
    assert applied.run("verify", "--limit", "facility=kcl-bg-002").code == 0
    evidence = applied.evidence
    assert set(evidence.checks) == {"kcl-bg-002"}
    assert set(evidence.connected) == {"kcl-bg-002"}
    with closing(applied.history) as history:
        assert history.runs()[0].run.limit == ("facility=kcl-bg-002",)
        for recorded in history.runs():
            assert recorded.run.id.startswith(f"{recorded.run.started:%Y%m%dT%H%M%SZ}-")


def test_a_path_that_drifted_away_is_told_and_a_host_that_does_not_answer_says_nothing(
    applied: RecordingController,
) -> None:
    before = applied.evidence.words["relay-vnpt-1"]
    applied.hosts.hosts["relay-vnpt-1"].reachable = False
    relay = applied.hosts.hosts["relay-viettel-1"]
    relay.peers.clear()
    assert applied.run("verify").code == 1
    words = applied.evidence.words
    assert words["relay-vnpt-1"] == before
    assert not words["relay-viettel-1"].exact
    assert set((words["relay-viettel-1"].held or {}).values()) == {""}


def test_a_closed_facility_is_shown_gone(applied: RecordingController) -> None:
    path = applied.root / "facilities/bac-giang/kcl-bg-002.yml"
    path.write_text(path.read_text(encoding="utf-8").replace("operating: open", "operating: closed"), encoding="utf-8")
    assert applied.run("allocate").code == 0
    assert applied.run("apply", "--yes", "--allow", "trust=4").code == 0
    evidence = applied.evidence
    assert evidence.holders["kcl-bg-002"] == {"relay-viettel-1"}
    assert not evidence.words["relay-viettel-1"].may_hold("kcl-bg-002")
    assert ("kcl-bg-002", "relay-viettel-1") in evidence.without


# --- secrets, and a place that cannot be written --------------------------------------------------
def everything_in(file: Path) -> str:
    """All that a history's file holds, packed documents opened."""
    texts = [file.read_bytes().decode("utf-8", "replace")]
    with closing(sqlite3.connect(file)) as connection:
        for (packed,) in connection.execute("SELECT packed FROM provisioner_documents"):
            texts.append(zlib.decompress(packed).decode())
    return "\n".join(texts)


def test_no_secret_gets_into_the_history(controller: RecordingController) -> None:
    """The passwords of cameras, the secrets of readers, pre-shared keys, and what a pipeline's environment holds."""
    controller.run("apply", "--yes", "--allow", "trust=4")
    controller.hosts.silent = {"bac-giang/kcl-bg-001/cam-02/sub"}
    controller.run("verify")
    file = Path(controller.environment["XDG_STATE_HOME"]) / "provisioner/example/state.db"
    text = everything_in(file)
    assert "kcl-bg-001" in text
    assert CANARY not in text
    secrets = _secrets_of(controller)
    assert len(secrets) > 10
    assert {secret for secret in secrets if secret in text} == set()


def _secrets_of(controller: RecordingController) -> set[str]:
    session = Session(controller.root, controller.environment, date(2021, 6, 13))
    secrets = {login.password.reveal() for of in session.secrets.cameras.values() for login in of.values()}
    for carrier in session.secrets.carriers.values():
        secrets |= {secret.reveal() for secret in (*carrier.readers.values(), *carrier.site_psks.values())}
    return secrets


def test_the_history_is_private(applied: RecordingController) -> None:
    folder = Path(applied.environment["XDG_STATE_HOME"]) / "provisioner/example"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "state.db").stat().st_mode & 0o777 == 0o600


def _unusable(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    return {"PROVISIONER_STATE": str(tmp_path / "file")}


def test_an_apply_that_cannot_be_recorded_does_not_begin(controller: RecordingController, tmp_path: Path) -> None:
    printed = controller.run("apply", "--yes", "--allow", "trust=4", **_unusable(tmp_path))
    assert (printed.code, "cannot be taken" in printed.err) == (13, True)
    assert {operation for operation, _ in controller.hosts.calls} == {"observe"}


def test_a_verification_that_cannot_be_recorded_says_so_and_stays_what_it_is(
    applied: RecordingController, tmp_path: Path
) -> None:
    printed = applied.run("verify", **_unusable(tmp_path))
    assert (printed.code, "paths are up" in printed.out) == (0, True)
    assert printed.err.startswith("warning: this verification is not recorded: ")
    assert "hint: " in printed.err


def test_a_centre_that_does_not_answer_makes_no_outage_of_pictures_that_relays_have(
    applied: RecordingController,
) -> None:
    assert applied.run("verify").code == 0
    applied.hosts.hosts["centre-hn"].reachable = False
    assert applied.run("verify").code == 1
    evidence = applied.evidence
    assert evidence.declined == {}
    facility = load_inventory(applied.root, today=date(2021, 6, 13)).facilities["kcl-bg-001"]
    pictures = pictures_of(outline_of(facility), evidence, datetime.now(UTC))
    assert (pictures.up, pictures.down, pictures.unknown, pictures.is_up) == (0, 0, 4, None)
    assert pictures.last_proved
    assert pictures.down_since is None


def test_a_relay_that_does_not_answer_leaves_its_pictures_unknown(applied: RecordingController) -> None:
    assert applied.run("verify").code == 0
    applied.hosts.hosts["relay-vnpt-1"].reachable = False
    assert applied.run("verify").code == 1
    inventory = load_inventory(applied.root, today=date(2021, 6, 13))
    now = {
        name: pictures_of(outline_of(inventory.facilities[name]), applied.evidence, datetime.now(UTC)).is_up
        for name in ("kcl-bg-001", "kcl-qn-001")
    }
    assert now == {"kcl-bg-001": True, "kcl-qn-001": None}
