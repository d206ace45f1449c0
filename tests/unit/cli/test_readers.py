"""`provisioner readers` as it is called."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from provisioner.cli.main import run
from provisioner.inventory.files.edit import edited

EXAMPLE = Path(__file__).parents[3] / "inventories" / "example"


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    folder = tmp_path / "inventory"
    shutil.copytree(EXAMPLE, folder)
    return folder


def call(folder: Path, *words: str) -> int:
    return run(["-i", str(folder), *words], {"XDG_CACHE_HOME": str(folder.parent / "cache")})


def test_a_line_a_path_with_the_second_relay_beside(inventory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(inventory, "readers", "--limit", "facility=kcl-hd-001") == 0
    head, *lines, last = capsys.readouterr().out.splitlines()
    assert head.split() == ["path", "read", "at", "when", "that", "is", "gone"]
    assert lines[0].split() == ["hai-duong/kcl-hd-001/cam-01/main", "rtsp://10.91.0.1:8554", "rtsp://10.92.0.1:8554"]
    assert last == "5 paths, 5 of them at a second relay; log in as centre-centre-hn"


def test_the_document_has_urls_and_no_secret(inventory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(inventory, "--output", "json", "readers") == 0
    printed: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (printed["schema"], printed["version"], printed["centre"]) == ("provisioner/readers", 1, "centre-hn")
    assert printed["summary"] == {"paths": len(printed["paths"]), "at_two_relays": 5}
    first = printed["paths"][0]
    assert first["read_at"] == [{"relay": "relay-viettel-1", "url": f"rtsp://10.91.0.1:8554/{first['path']}"}]


def test_a_viewer_has_no_more_than_it_may_read(inventory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = inventory / "centres/centre-hn.yml"
    viewers = [{"id": "dic-hai-duong", "reads": ["hai-duong"]}]
    file.write_bytes(edited(file.read_bytes(), {("viewers",): viewers}))
    assert call(inventory, "readers", "--viewer", "dic-hai-duong") == 0
    _, *lines, last = capsys.readouterr().out.splitlines()
    assert {line.split("/")[0] for line in lines} == {"hai-duong"}
    assert last.endswith("log in as viewer-dic-hai-duong")
    assert call(inventory, "readers", "--viewer", "dic-bac-giang") == 2
    assert "there is no viewer dic-bac-giang" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--centre", "centre-hm"), "there is no centre centre-hm"),
        (("--limit", "facility=kcl-bg-009"), "there is no such facility"),
        (("--limit", "room=1"), "is not understood"),
    ],
)
def test_what_is_not_there_is_said(
    inventory: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    assert call(inventory, "readers", *words) == 2
    assert said in capsys.readouterr().err


def test_a_facility_with_errors_is_named_beside_the_list(inventory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = inventory / "facilities/bac-giang/kcl-bg-001.yml"
    file.write_bytes(edited(file.read_bytes(), {("plan", "backup_relay"): "relay-viettel-1"}))
    assert call(inventory, "readers") == 3
    out, err = capsys.readouterr()
    assert "kcl-bg-001" in err
    assert "kcl-bg-001/" not in out
    assert "kcl-bg-002/" in out
