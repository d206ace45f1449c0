"""`metrics`, `monitoring` and `watch`: what they write, print and end with."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from provisioner.cli import watch
from provisioner.integrations.alerting.metric_catalogue import exposition
from provisioner.operations.questions.metrics import RecordedMetrics
from tests.alarms import checked, wait_for
from tests.processes import free_port
from tests.recorded import EXAMPLE, Printed, RecordingController, applied_controller

NOON = datetime(2021, 5, 12, 5, tzinfo=UTC)
SILENT = "bac-giang/kcl-bg-001/cam-01/sub"


@pytest.fixture(scope="module")
def _verified(tmp_path_factory: pytest.TempPathFactory) -> RecordingController:
    one = applied_controller(tmp_path_factory.mktemp("verified"))
    one.hosts.silent.add(SILENT)
    assert one.run("verify", "--once").code == 1
    return one


@pytest.fixture
def applied(tmp_path: Path) -> RecordingController:
    return applied_controller(tmp_path)


@pytest.fixture
def verified(_verified: RecordingController, tmp_path: Path) -> RecordingController:
    return _verified.copy(tmp_path)


def lines(text: str, name: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(f"{name}{{")]


# --- metrics --------------------------------------------------------------------------------------
def test_the_last_verifications_metrics_are_printed_and_written(verified: RecordingController, tmp_path: Path) -> None:
    printed = verified.run("metrics")
    assert (printed.code, printed.err) == (0, "")
    (state,) = [line for line in lines(printed.out, "provisioner_path_state") if SILENT in line]
    assert state.endswith(" 3.0")
    checked("promtool", "check", "metrics", stdin=printed.out.encode())
    file = tmp_path / "out.prom"
    written = verified.run("metrics", "--out", str(file))
    assert re.fullmatch(rf"wrote {file}: \d+ series\n", written.out)
    assert set(lines(file.read_text(encoding="utf-8"), "provisioner_path_state")) == set(
        lines(printed.out, "provisioner_path_state")
    )
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".prom"] == ["out.prom"], "nothing beside it"
    document = verified.run("--output", "json", "metrics", "--out", str(file)).document
    assert (document["schema"], document["file"]) == ("provisioner/metrics", str(file))
    assert document["series"] == sum(document["metrics"].values())


def test_a_later_verification_of_a_part_is_laid_over_the_night(verified: RecordingController) -> None:
    verified.hosts.silent.clear()
    assert verified.run("verify", "--once", "--limit", "facility=kcl-bg-001").code == 0
    text = verified.run("metrics").out
    assert all(line.endswith(" 0.0") for line in lines(text, "provisioner_path_state"))
    assert lines(text, "provisioner_incident_paths") == []
    assert len(lines(text, "provisioner_path_state")) > 10, "the whole country is still there"


def test_where_no_night_ever_ran_that_is_told(applied: RecordingController) -> None:
    printed = applied.run("metrics")
    assert printed.code == 0
    assert lines(printed.out, "provisioner_verification_end_timestamp_seconds") == []
    assert "has no record of a verification" in printed.err


def test_metrics_are_told_of_an_inventory_with_errors(verified: RecordingController) -> None:
    facility = next(verified.root.glob("facilities/*/kcl-bg-001.yml"))
    facility.write_text(facility.read_text(encoding="utf-8").replace("kind: school", "kind: castle"), encoding="utf-8")
    printed = verified.run("metrics")
    assert printed.code == 0
    assert len(lines(printed.out, "provisioner_path_state")) > 10


def test_no_name_no_contact_and_no_secret_is_in_them(verified: RecordingController) -> None:
    text = verified.run("metrics").out
    names = [
        match
        for file in verified.root.glob("facilities/*/*.yml")
        for match in re.findall(r'^(?:name|address): "?([^"\n]+)"?$', file.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert len(names) > 3
    assert [name for name in names if name in text] == []
    assert not re.search(r"rtsp://|password|\b0\d{9}\b|192\.168\.", text)


def test_what_is_served_is_of_the_newest_verification(verified: RecordingController) -> None:
    recorded = RecordedMetrics(verified.place, verified.state / "night.json")
    first = recorded.sheet(NOON)
    assert recorded.sheet(NOON) is first, "nothing was recorded: nothing is read again"
    verified.hosts.silent.clear()
    assert verified.run("verify", "--once").code == 0
    text = exposition(recorded.sheet(NOON).families()).decode()
    assert all(line.endswith(" 0.0") for line in lines(text, "provisioner_path_state"))


def test_when_the_last_night_was_is_told(verified: RecordingController) -> None:
    assert lines(verified.run("metrics").out, "provisioner_night_end_timestamp_seconds") == []
    assert verified.run("nightly", "--no-notify").code in {1, 10}
    (part, complete) = lines(verified.run("metrics").out, "provisioner_night_end_timestamp_seconds")[::-1]
    assert 'extent="part"' in part
    assert 'extent="complete"' in complete
    (verified.state / "night.json").write_text('{"schema": "provisioner/night", "finished_at": 7}', encoding="utf-8")
    assert lines(verified.run("metrics").out, "provisioner_night_end_timestamp_seconds") == []


def test_a_verification_that_was_made_up_is_no_metrics(verified: RecordingController) -> None:
    with verified.tampered() as connection:
        connection.execute("UPDATE provisioner_documents SET packed = ?", (zlib.compress(b'{"paths": 7}'),))
    printed = verified.run("metrics")
    assert printed.code == 13
    assert "not as this program records them" in printed.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--out", "x.txt"], "end in .prom"),
        (["--out", "/nowhere/x.prom"], "cannot be written: No such file"),
        (["--out", "x.prom", "--listen", "9"], "leave one of them out"),
        (["--listen", "0.0.0.0:9464"], "on the network"),
    ],
)
def test_what_cannot_be_is_said(applied: RecordingController, words: list[str], said: str) -> None:
    printed = applied.run("metrics", *words)
    assert printed.code == 2
    assert said in printed.err


def test_a_full_disk_leaves_the_old_file(verified: RecordingController, tmp_path: Path) -> None:
    file = tmp_path / "out.prom"
    file.write_text("old", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", _no_room)
        printed = verified.run("metrics", "--out", str(file))
    assert printed.code == 2
    assert "No space left" in printed.err
    assert file.read_text(encoding="utf-8") == "old"
    assert [path.name for path in tmp_path.iterdir() if "out.prom" in path.name] == ["out.prom"]


def _no_room(_descriptor: int) -> None:
    raise OSError(28, "No space left on device")


# --- monitoring -----------------------------------------------------------------------------------
FILES = ["alertmanager.yml", "grafana-dashboard.json", "prometheus.yml", "provisioner-rules.yml"]


def test_all_files_are_written_and_taken(applied: RecordingController, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    words = ["--webhook", "http://127.0.0.1:8080/all", "--webhook", "viettel=https://noc.example/alerts"]
    printed = applied.run("monitoring", str(folder), *words, "--watch", "127.0.0.1:9999")
    assert (printed.code, printed.err) == (0, "")
    assert sorted(path.name for path in folder.iterdir()) == FILES
    checked("promtool", "check", "config", str(folder / "prometheus.yml"))
    checked("amtool", "check-config", str(folder / "alertmanager.yml"))
    assert "127.0.0.1:9999" in (folder / "prometheus.yml").read_text(encoding="utf-8")
    assert "carrier-viettel" in (folder / "alertmanager.yml").read_text(encoding="utf-8")
    assert applied.run("monitoring", str(folder), *words, "--watch", "127.0.0.1:9999").code == 0, "the same again"
    again = applied.run("monitoring", str(folder))
    assert (again.code, "is another one" in again.err) == (2, True)
    assert applied.run("monitoring", str(folder), "--force").code == 0


def test_that_nobody_hears_is_said(applied: RecordingController, tmp_path: Path) -> None:
    printed = applied.run("monitoring", str(tmp_path / "out"))
    assert printed.code == 0
    assert "no alert goes anywhere" in printed.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--webhook", "ftp://x/"], "no address of HTTP"),
        (["--webhook", "http://user:canary@x/"], "may hold a secret"),
        (["--webhook", "http://x/?token=canary"], "may hold a secret"),
        (["--webhook", "vietel=http://x/"], "no carrier vietel"),
        (["--webhook", "http://x/", "--webhook", "http://y/"], "two addresses"),
        (["--watch", "nowhere"], "no address with a port"),
        (["--node", "x: y:1"], "no address with a port"),
    ],
)
def test_an_odd_receiver_is_refused(applied: RecordingController, tmp_path: Path, words: list[str], said: str) -> None:
    printed = applied.run("monitoring", str(tmp_path / "out"), *words)
    assert printed.code == 2
    assert said in printed.err
    assert "canary" not in printed.err
    assert not (tmp_path / "out").exists()


# --- watch ----------------------------------------------------------------------------------------
def watched(controller: RecordingController, *words: str) -> Printed:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watch, "_SHORTEST_S", 1)
        return controller.run("watch", "--for", "3", *words)


def test_a_watch_ends_by_its_time_with_what_flows(applied: RecordingController) -> None:
    printed = watched(applied)
    assert printed.code == 0, printed.err
    assert re.search(r"^(\d+) of \1 paths flow; 2 looks$", printed.out, re.MULTILINE)
    assert "watching" in printed.err
    applied.hosts.silent.add(SILENT)
    printed = watched(applied)
    assert printed.code == 1
    assert "1 unknown" in printed.out, "one look that failed is not down"
    document = watched(applied, "--output", "json").document
    assert (document["schema"], document["summary"]["unknown"], document["incidents"]) == ("provisioner/watch", 1, [])


def test_a_watch_takes_the_limit_and_refuses_what_is_not_there(applied: RecordingController) -> None:
    assert "on 1 relay" in watched(applied, "--limit", "carrier=vnpt").err
    assert watched(applied, "--limit", "carrier=vnpx").code == 2
    assert watched(applied, "--listen", "0.0.0.0:1").code == 2


@pytest.fixture
def runtime() -> Iterator[Path]:
    """A folder on tmpfs, as what travels to hosts needs one."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_a_watch_with_nothing_wrong(number: signal.Signals, tmp_path: Path, runtime: Path) -> None:
    """The real program, real Ansible, and relays that nobody can reach: it ends all the same, and leaves nothing."""
    shutil.copytree(EXAMPLE, tmp_path / "example")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "ANSIBLE_VAULT_PASSWORD_FILE": str(tmp_path / "example/.vault-password"),
        "XDG_RUNTIME_DIR": str(runtime),
    }
    words = ["-i", str(tmp_path / "example"), "watch", "--listen", str(free_port())]
    program = Path(sys.executable).with_name("provisioner")
    with (tmp_path / "out").open("wb") as out, (tmp_path / "err").open("wb") as err:
        argv = ["env", "--default-signal=HUP", str(program), *words]  # nohup, if it runs the tests, ignores it
        process = subprocess.Popen(argv, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        try:
            wait_for(lambda: b"watching" in (tmp_path / "err").read_bytes(), "it watches")
            wait_for(lambda: bool(list(runtime.iterdir())), "Ansible is there")
            begun = time.monotonic()
            process.send_signal(number)
            process.wait(60)
        finally:
            process.kill()
            process.wait()
    said = (tmp_path / "err").read_text(encoding="utf-8")
    assert process.returncode == 0, said
    assert time.monotonic() - begun < 30
    assert "paths flow" in (tmp_path / "out").read_text(encoding="utf-8")
    assert "Traceback" not in said
    wait_for(lambda: not list(runtime.iterdir()), "what travelled is gone")
