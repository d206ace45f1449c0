"""Apply and verify record what they did and showed; no secret is in it, and no failure to record changes a result."""

import shutil
import sqlite3
import zlib
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from provisioner.cli.main import run
from provisioner.inventory.outline import outline_of
from provisioner.operations.apply import execution
from provisioner.operations.pipeline.session import Session
from provisioner.record.entries import Operation
from provisioner.record.lifecycle.evidence import Evidence
from provisioner.record.lifecycle.state import pictures_of
from provisioner.record.state_folder import state_folder_of
from provisioner.record.store import History, find_history
from tests.inventories import load_inventory
from tests.watched import WatchedHosts

EXAMPLE = Path(__file__).parents[3] / "inventories" / "example"
CANARY = "canary-Mat:khau@/#?%$G1"


class Controller:
    """The program with a copy of the example, hosts in memory and a state of its own."""

    def __init__(self, folder: Path, hosts: WatchedHosts) -> None:
        self.root, self.hosts = folder / "example", hosts
        shutil.copytree(EXAMPLE, self.root)
        self.environment = {
            "ANSIBLE_VAULT_PASSWORD_FILE": str(self.root / ".vault-password"),
            "XDG_STATE_HOME": str(folder / "state"),
            "GITLAB_CI": "true",
            "CI_PROJECT_PATH": "noc/inventory",
            "CI_JOB_ID": "4711",
            "CI_JOB_TOKEN": CANARY,
            "CI_JOB_URL": f"https://x:{CANARY}@git.example.com/4711",
        }

    def run(self, *arguments: str, **environment: str) -> int:
        return run(["-i", str(self.root), *arguments], self.environment | environment)

    @property
    def history(self) -> History:
        history = find_history(state_folder_of(self.environment, "example"))
        assert history is not None
        return history

    @property
    def evidence(self) -> Evidence:
        with closing(self.history) as history:
            return history.evidence()


@pytest.fixture
def controller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Controller:
    """A controller whose hosts are in memory."""
    hosts, program = WatchedHosts(), tmp_path / "mediamtx"
    program.touch()
    monkeypatch.setattr("provisioner.operations.pipeline.session.AnsibleRunner", lambda *_arguments: hosts)
    monkeypatch.setattr(execution, "fetch", lambda *_arguments: program)
    return Controller(tmp_path, hosts)


def test_an_apply_shows_what_its_relays_hold(controller: Controller) -> None:
    assert controller.run("apply", "--yes", "--allow", "trust=4") == 0
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


def test_a_verification_connects_who_is_up_whole_and_nobody_else(controller: Controller) -> None:
    controller.run("apply", "--yes", "--allow", "trust=4")
    controller.hosts.silent = {"bac-giang/kcl-bg-001/cam-02/sub"}
    assert controller.run("verify") == 1
    evidence = controller.evidence
    assert set(evidence.connected) == {"kcl-bg-002", "kcl-hd-001", "kcl-qn-001"}
    (check,) = evidence.checks["kcl-bg-001"]
    assert (check.pulled, check.checked, check.proved) == (4, 4, 3)
    controller.hosts.silent = set()
    assert controller.run("verify") == 0
    assert "kcl-bg-001" in controller.evidence.connected


def test_a_limit_records_only_what_was_checked(controller: Controller) -> None:
    controller.run("apply", "--yes", "--allow", "trust=4")
    assert controller.run("verify", "--limit", "facility=kcl-bg-002") == 0
    evidence = controller.evidence
    assert set(evidence.checks) == {"kcl-bg-002"}
    assert set(evidence.connected) == {"kcl-bg-002"}
    with closing(controller.history) as history:
        assert history.runs()[0].run.limit == ("facility=kcl-bg-002",)
        for recorded in history.runs():
            assert recorded.run.id.startswith(f"{recorded.run.started:%Y%m%dT%H%M%SZ}-")


def test_a_path_that_drifted_away_is_told_and_a_host_that_does_not_answer_says_nothing(controller: Controller) -> None:
    controller.run("apply", "--yes", "--allow", "trust=4")
    before = controller.evidence.words["relay-vnpt-1"]
    controller.hosts.hosts["relay-vnpt-1"].reachable = False
    relay = controller.hosts.hosts["relay-viettel-1"]
    relay.peers.clear()
    assert controller.run("verify") == 1
    words = controller.evidence.words
    assert words["relay-vnpt-1"] == before
    assert not words["relay-viettel-1"].exact
    assert set((words["relay-viettel-1"].held or {}).values()) == {""}


def test_a_closed_facility_is_shown_gone(controller: Controller) -> None:
    controller.run("apply", "--yes", "--allow", "trust=4")
    path = controller.root / "facilities/bac-giang/kcl-bg-002.yml"
    path.write_text(path.read_text(encoding="utf-8").replace("operating: open", "operating: closed"), encoding="utf-8")
    assert controller.run("allocate") == 0
    assert controller.run("apply", "--yes", "--allow", "trust=4") == 0
    evidence = controller.evidence
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


def test_no_secret_gets_into_the_history(controller: Controller) -> None:
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


def _secrets_of(controller: Controller) -> set[str]:
    session = Session(controller.root, controller.environment, date(2021, 6, 13))
    secrets = {login.password.reveal() for of in session.secrets.cameras.values() for login in of.values()}
    for carrier in session.secrets.carriers.values():
        secrets |= {secret.reveal() for secret in (*carrier.readers.values(), *carrier.site_psks.values())}
    return secrets


def test_the_history_is_private(controller: Controller) -> None:
    controller.run("apply", "--yes", "--allow", "trust=4")
    folder = Path(controller.environment["XDG_STATE_HOME"]) / "provisioner/example"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "state.db").stat().st_mode & 0o777 == 0o600


def _unusable(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    return {"PROVISIONER_STATE": str(tmp_path / "file")}


def test_an_apply_that_cannot_be_recorded_does_not_begin(
    controller: Controller, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert controller.run("apply", "--yes", "--allow", "trust=4", **_unusable(tmp_path)) == 13
    assert "cannot be taken" in capsys.readouterr().err
    assert {operation for operation, _ in controller.hosts.calls} == {"observe"}


def test_a_verification_that_cannot_be_recorded_says_so_and_stays_what_it_is(
    controller: Controller, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    controller.run("apply", "--yes", "--allow", "trust=4")
    capsys.readouterr()
    assert controller.run("verify", **_unusable(tmp_path)) == 0
    out, err = capsys.readouterr()
    assert "paths are up" in out
    assert err.startswith("warning: this verification is not recorded: ")
    assert "hint: " in err


def test_a_centre_that_does_not_answer_makes_no_outage_of_pictures_that_relays_have(controller: Controller) -> None:
    controller.run("apply", "--yes", "--allow", "trust=4")
    assert controller.run("verify") == 0
    controller.hosts.hosts["centre-hn"].reachable = False
    assert controller.run("verify") == 1
    evidence = controller.evidence
    assert evidence.declined == {}
    facility = load_inventory(controller.root, today=date(2021, 6, 13)).facilities["kcl-bg-001"]
    pictures = pictures_of(outline_of(facility), evidence, datetime.now(UTC))
    assert (pictures.up, pictures.down, pictures.unknown, pictures.is_up) == (0, 0, 4, None)
    assert pictures.last_proved
    assert pictures.down_since is None


def test_a_relay_that_does_not_answer_leaves_its_pictures_unknown(controller: Controller) -> None:
    controller.run("apply", "--yes", "--allow", "trust=4")
    assert controller.run("verify") == 0
    controller.hosts.hosts["relay-vnpt-1"].reachable = False
    assert controller.run("verify") == 1
    inventory = load_inventory(controller.root, today=date(2021, 6, 13))
    now = {
        name: pictures_of(outline_of(inventory.facilities[name]), controller.evidence, datetime.now(UTC)).is_up
        for name in ("kcl-bg-001", "kcl-qn-001")
    }
    assert now == {"kcl-bg-001": True, "kcl-qn-001": None}
