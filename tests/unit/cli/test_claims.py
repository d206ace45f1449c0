"""Connections from before the program: written by a command or a sheet, and counted apart from proved ones."""

import json
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from provisioner.cli.main import run
from provisioner.inventory.loader.load import load
from provisioner.inventory.model.facility import ClaimedConnection
from tests import inventories as make
from tests.example_terminal import EXAMPLE

Call = Callable[..., tuple[int, str, str]]
SITE = "kcl-hd-003"
CLAIM = ("--on", "2021-05-20", "--source", "02/PL")
HEAD = (
    "Mã cơ sở;Tên cơ sở;Đã kết nối từ ngày (theo báo cáo);Văn bản báo cáo kết nối;Số camera đã kết nối (theo báo cáo)"
)
NAME = "Khách sạn Ví Dụ 7"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return Path(shutil.copytree(Path(__file__).parents[3] / EXAMPLE, tmp_path / "inventory"))


@pytest.fixture
def call(root: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    def answer(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run(["-i", str(root), *words], {"XDG_STATE_HOME": str(root.parent / "state")})
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return answer


def claim_of(root: Path, name: str = SITE) -> ClaimedConnection | None:
    return load(root, today=make.TODAY).facility(name).claimed_connection


def sheet(root: Path, *rows: str) -> str:
    file = root.parent / "sheet.csv"
    file.write_text("\n".join([HEAD, *rows]) + "\n", encoding="utf-8")
    return str(file)


def counts(call: Call) -> dict[str, Any]:
    total = json.loads(call("--output", "json", "export", "progress")[1])["total"]
    return {key: total[key] for key in ("connected", "claimed", "cameras_claimed", "cameras_connected")}


def test_a_claim_is_written_changed_and_removed(root: Path, call: Call) -> None:
    before = (root / f"facilities/hai-duong/{SITE}.yml").read_bytes()
    assert call("facility", "claim", SITE, *CLAIM, "--carrier", "cloud-ltd")[0] == 0
    assert call("facility", "claim", SITE, "--cameras", "12")[0] == 0
    assert claim_of(root) == ClaimedConnection(
        connected_on=date(2021, 5, 20), source="02/PL", carrier="cloud-ltd", cameras=12
    )
    assert call("facility", "claim", SITE, "--remove")[0] == 0
    assert (root / f"facilities/hai-duong/{SITE}.yml").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        ((), 2, "name the claim's day and source"),
        (("--remove", "--cameras", "1"), 2, "name the claim's day and source"),
        (("--cameras", "12"), 3, "'connected_on' is missing"),
        (("--on", "2021-05-20"), 3, "'source' is missing"),
        (("--on", "20/5/2021"), 2, "20/5/2021"),
        (("--on", "2021-05-20", "--source", "gọi 0912345678"), 3, "a phone number"),
        ((*CLAIM, "--cameras", "-1"), 2, "-1"),
        ((*CLAIM, "--cameras", "10001"), 2, "10001"),
    ],
)
def test_a_bad_claim_changes_nothing(root: Path, call: Call, words: tuple[str, ...], code: int, error: str) -> None:
    before = (root / f"facilities/hai-duong/{SITE}.yml").read_bytes()
    got, _, err = call("facility", "claim", SITE, *words)
    assert (got, error in err) == (code, True), err
    assert (root / f"facilities/hai-duong/{SITE}.yml").read_bytes() == before


def test_cameras_of_claims_are_counted_apart_from_proved_ones(root: Path, call: Call) -> None:
    first = counts(call)
    assert first == {"connected": 0, "claimed": 1, "cameras_claimed": 6, "cameras_connected": 0}
    assert call("facility", "claim", SITE, *CLAIM, "--cameras", "12")[0] == 0
    # Without a number in the source the registered cameras count.
    assert call("facility", "claim", "kcl-bg-001", *CLAIM)[0] == 0
    cameras = len(load(root, today=make.TODAY).facility("kcl-bg-001").cameras)
    assert counts(call) == first | {"claimed": 3, "cameras_claimed": 18 + cameras}
    assert f"claimed, and not proved: 3 sites, {18 + cameras} cameras" in call("export", "progress")[1]
    assert f"0 connected, 3 more claimed with {18 + cameras} cameras" in call("status")[1]


def test_a_sheet_brings_claims_and_changes_them(root: Path, call: Call) -> None:
    code, out, err = call("import", sheet(root, f"{SITE};{NAME};20/05/2021;Phụ lục 02;12"), "--write")
    assert code == 0, out + err
    assert claim_of(root) == ClaimedConnection(connected_on=date(2021, 5, 20), source="Phụ lục 02", cameras=12)
    assert call("import", sheet(root, f"{SITE};{NAME};;;13"), "--write")[0] == 0
    assert claim_of(root) == ClaimedConnection(connected_on=date(2021, 5, 20), source="Phụ lục 02", cameras=13)
    assert call("import", sheet(root, f"{SITE};{NAME};;;"), "--write")[0] == 0
    assert claim_of(root) is not None


def test_a_claim_without_its_source_is_an_error_at_its_cell(root: Path, call: Call) -> None:
    code, out, _ = call("import", "--language", "en", sheet(root, f"{SITE};{NAME};20/05/2021;;12"), "--write")
    assert (code, claim_of(root)) == (3, None)
    assert "D2" in out
