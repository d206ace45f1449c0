"""What the bench plans with: a country's inventory, not only a district's."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench import country, fleet, nights, picture, planning
from tests.bench.figures import Figure, Part, Ratio

_CAMERAS = 60

#: A service runs since before; within the measured command it starts a process that takes one second of processor.
_BESIDE_A_SERVICE = '''
import os, subprocess, sys
from tests.bench.child import run

BUSY = """import time
while time.process_time() < 1:
    pass
open("ready", "w").close()
time.sleep(60)"""
SERVICE = f"""import subprocess, sys
open("go").close()
subprocess.run([sys.executable, "-c", {BUSY!r}])"""
COMMAND = """import time
open("go", "w").close()
open("ready").close()
while time.process_time() < 0.1:
    pass"""
os.mkfifo("go")
os.mkfifo("ready")
service = subprocess.Popen([sys.executable, "-c", SERVICE], start_new_session=True)
try:
    print(run([sys.executable, "-c", COMMAND], os.environ).cpu)
finally:
    os.killpg(service.pid, 9)
'''


@pytest.mark.soak
def test_more_hosts_than_policy_lets_through_unasked_are_planned_and_applied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "inventory"
    relays = {carrier: [f"relay-{carrier}-{n}" for n in range(1, 14)] for carrier in ("viettel", "vnpt")}
    monkeypatch.setattr(fleet, "_relays", lambda _: relays)
    fleet.generate(root, _CAMERAS, seed=1)
    monkeypatch.setenv("ANSIBLE_VAULT_PASSWORD_FILE", str(tmp_path / fleet.PASSWORD_FILE))

    found = planning.measure(root)

    assert found["cold"]["hosts"] > 25
    assert (found["unchanged"]["pending"], found["changed"]["pending"]) == (0, 2)


@pytest.mark.soak
def test_looks_are_measured_beside_a_decoding_of_the_same_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture, "CLIPS", picture.CLIPS[:1])
    part = picture.measure(1, lambda _: None)
    assert [figure.group for figure in part.figures] == ["ffmpeg", *["sub, H.264"] * 5]
    assert all(figure.least > 0 for figure in part.figures)
    assert [(ratio.top.name[:14], ratio.bottom.name[:16]) for ratio in part.ratios] == [
        ("levels 5 and 6", "the same seconds"),
        ("levels 5 and 6", "the same seconds"),
    ]


@pytest.mark.soak
def test_a_year_of_nights_is_measured_at_any_size() -> None:
    figures = {one.name: one for one in nights.measure(200, 14, 1, 1, lambda _: None).figures}
    assert figures["all time, the largest province, CPU"].least > 0
    assert figures["database after retention"].least <= figures["database before retention"].least
    assert figures["verdicts, one night, packed"].least > 0


def test_a_ratio_to_what_no_clock_could_measure_is_left_open() -> None:
    role, call = Figure("changed", "role, CPU", "s", (2.0, 4.0)), Figure("calls", "transaction, CPU", "s", (0.0, 0.01))
    part = Part("rollout", (role, call), (Ratio("role / transaction, CPU", role, call),), ())
    assert [(ratio["min"], ratio["median"]) for ratio in part.document()["ratios"]] == [(None, 600.0)]
    assert "ratio  role / transaction, CPU       -     600.00" in "\n".join(part.lines())


def test_what_a_service_starts_meanwhile_is_no_cost_of_a_command(tmp_path: Path) -> None:
    argv, root = [sys.executable, "-c", _BESIDE_A_SERVICE], str(Path(__file__).parents[2])
    done = subprocess.run(argv, cwd=tmp_path, env={"PYTHONPATH": root}, capture_output=True, text=True, check=True)
    assert 0.1 <= float(done.stdout) < 0.8


def test_a_country_is_verified_over_simulated_hosts_and_measured(tmp_path: Path) -> None:
    """The real command, the program on hosts that asks an API page by page, and the record: at a district's size."""
    part = country.measure([63], 1, lambda _: None, tmp_path, nights=1)
    named = {figure.name: figure.least for figure in part.figures}
    # A path has grown no sooner than two seconds after its first sample.
    assert named["first night, longest visit of a host"] >= 2.0
    assert named["first night, wall clock"] > named["first night, longest visit of a host"]
    assert named["first night, paths measured"] > 50
    assert min(named.values()) > 0
    assert {ratio.name for ratio in part.ratios} == {
        "63 paths: first night / plain, CPU",
        "63 paths: first night / plain, memory",
    }
