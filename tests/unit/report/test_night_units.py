"""The systemd units of a night, held against systemd itself."""

import json
import re
import shutil
import subprocess
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from provisioner.report.night_units import NightUnits, unit_word

ODD = '/srv/quân khu %n/$HOME/it\'s "here"'
_MISSING = "systemd-analyze is missing: apt-get install systemd"


def units(folder: str = "/srv/inventory", program: str = "/bin/true", **fields: Any) -> NightUnits:
    return NightUnits("example", PurePosixPath(folder), PurePosixPath(program), **fields)


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    assert shutil.which("systemd-analyze"), _MISSING
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=120, check=False)


def written(folder: Path, made: NightUnits) -> list[str]:
    paths = []
    for ending, text in (("service", made.service), ("timer", made.timer)):
        path = folder / f"{made.name}.{ending}"
        path.write_text(text, encoding="utf-8")
        paths.append(str(path))
    return paths


@pytest.mark.parametrize("folder", ["/srv/inventory", "/home/noc/inventory", ODD])
@pytest.mark.parametrize("metrics", [None, "/var/lib/prometheus/node-exporter/example.prom", f"{ODD}/example.prom"])
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path, folder: str, metrics: str | None) -> None:
    made = units(folder, metrics=PurePosixPath(metrics) if metrics else None)
    done = analyze("verify", "--recursive-errors=no", *written(tmp_path, made))
    assert (done.returncode, done.stderr) == (0, "")


def test_a_service_may_write_where_its_metrics_go_and_nowhere_else() -> None:
    assert "ReadWritePaths" not in units().service
    for folder, named in (("/srv/exporter", "-/srv/exporter"), ("/srv/a %n/$HOME", '"-/srv/a %%n/$HOME"')):
        service = units(metrics=PurePosixPath(folder) / "example.prom").service
        assert re.findall(r"^ReadWritePaths=(.*)$", service, re.MULTILINE) == [named]
    assert "ProtectHome=read-only" in units(metrics=PurePosixPath("/home/noc/example.prom")).service


def test_the_service_is_shut_in(tmp_path: Path) -> None:
    service, _ = written(tmp_path, units())
    done = analyze("security", "--offline=true", "--threshold=30", "--no-pager", service)
    assert done.returncode == 0, done.stdout
    assert "User=provisioner" in units().service


def test_the_timer_goes_by_vietnams_clock_and_makes_up_for_missed_nights(tmp_path: Path) -> None:
    timer = Path(written(tmp_path, units(time="02:10"))[1]).read_text(encoding="utf-8")
    (when,) = re.findall(r"^OnCalendar=(.*)$", timer, re.MULTILINE)
    done = analyze("calendar", "--iterations=1", "--base-time=2021-05-20 00:00:00 UTC", when)
    assert done.returncode == 0, done.stderr
    assert "19:10:00 UTC" in done.stdout  # ten past two in Vietnam
    assert {"Persistent=true", "RandomizedDelaySec=15min"} <= set(timer.splitlines())


def test_no_secret_is_in_an_environment() -> None:
    service = units().service
    named = dict(re.findall(r"^Environment=(\w+)=(.*)$", service, re.MULTILINE))
    assert all(value.startswith(("%d/", "/var/")) for value in named.values())
    assert len(re.findall(r"^LoadCredential=", service, re.MULTILINE)) == 2


@pytest.mark.parametrize("word", ["a b", 'a"b', "a\\b", "%h", "$HOME", "${HOME}", "a%%b", "it's", "đèn"])
def test_a_word_is_one_word_to_systemd(tmp_path: Path, word: str) -> None:
    """A service that systemd would start is asked for, as systemd itself reads it."""
    file = tmp_path / "word.service"
    file.write_text(f"[Service]\nExecStart=/bin/echo {unit_word(word)} end\n", encoding="utf-8")
    done = analyze("verify", str(file))
    assert (done.returncode, done.stderr) == (0, "")
    plain = unit_word(word)
    assert plain.count("%") == 2 * word.count("%")
    assert plain.count("$") == 2 * word.count("$")
    inner = json.loads(plain) if plain.startswith('"') else plain
    assert inner.replace("%%", "%").replace("$$", "$") == word


@pytest.mark.parametrize(
    "fields",
    [{"time": "25:00"}, {"time": "1:30"}, {"time": "01:30\nOnBootSec=1"}, {"user": "a b"}, {"user": "root\nx"}],
)
def test_what_no_unit_can_hold_is_refused(fields: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="is no"):
        units(**fields)
    with pytest.raises(ValueError, match="path"):
        units(folder="/srv/a\n[Service]\nUser=root")
