"""Edits of files that are no facility's: announced work, designations and relays, shown and checked."""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from openpyxl import Workbook

from provisioner.base.ssh_signature import fingerprint_of
from provisioner.base.text import VIETNAM
from provisioner.cli.main import run
from provisioner.inventory.files.yaml import parse
from tests.example_terminal import EXAMPLE
from tests.nodes.test_host_keys import Shown, key_of

Call = Callable[..., tuple[int, str, str]]
SOURCE = Path(__file__).parents[3] / EXAMPLE
WINDOWS = "maintenance.yml"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SOURCE, tmp_path / "inventory"))


@pytest.fixture
def call(root: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    def answer(*words: str, **env: str) -> tuple[int, str, str]:
        code = run(["-i", str(root), *words], {"XDG_STATE_HOME": str(root.parent / "state"), **env})
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return answer


def values(root: Path, file: str) -> dict[str, object]:
    document = parse((root / file).read_bytes())
    assert isinstance(document.value, dict)
    return document.value


def windows(root: Path) -> list[Mapping[str, object]]:
    listed = values(root, WINDOWS)["windows"]
    assert isinstance(listed, list)
    return listed


# --- announced work --------------------------------------------------------------------------------
def test_a_window_begins_now_and_ends_after_its_length(root: Path, call: Call) -> None:
    before = datetime.now(VIETNAM).replace(tzinfo=None, second=0, microsecond=0)
    code, out, err = call(
        "maintenance", "add", "--for", "1h30m", "--limit", "facility=kcl-hd-001", "--reason", "switch"
    )
    assert code == 0, err
    window = windows(root)[1]
    begin, until = (datetime.fromisoformat(str(window[key])) for key in ("from", "until"))
    assert before <= begin <= before + timedelta(minutes=5)
    assert until - begin == timedelta(minutes=90)
    assert (window["reason"], window["facilities"]) == ("switch", ["kcl-hd-001"])
    assert out.splitlines()[-1] == "next, after the work: provisioner maintenance end 2"


def test_what_was_added_and_ended_leaves_the_file_as_it_was(root: Path, call: Call) -> None:
    before = (root / WINDOWS).read_bytes()
    assert call("maintenance", "add", "--for", "2h", "--limit", "host=relay-viettel-1", "--reason", "line")[0] == 0
    assert (root / WINDOWS).read_bytes() != before
    code, out, err = call("maintenance", "end")
    assert code == 0, err
    assert (root / WINDOWS).read_bytes() == before
    assert out.splitlines()[-1] == "next: provisioner verify --limit host=relay-viettel-1"


def test_the_last_window_goes_and_the_first_comes_again_also_without_the_file(root: Path, call: Call) -> None:
    assert call("maintenance", "end", "1")[0] == 0
    assert windows(root) == []
    assert call("maintenance", "list")[1] == "no maintenance window is announced\n"
    words = ("--until", "2098-01-02T03:00", "--from", "2098-01-02", "--everything", "--reason", "line")
    assert call("maintenance", "add", *words)[0] == 0
    written = [{"from": "2098-01-02T00:00", "until": "2098-01-02T03:00", "reason": "line", "everything": True}]
    assert windows(root) == written
    (root / WINDOWS).unlink()
    assert call("maintenance", "add", *words)[0] == 0
    assert windows(root) == written


def test_a_site_with_two_relays_is_listed_once_with_both(call: Call) -> None:
    assert call("maintenance", "add", "--for", "2h", "--limit", "facility=kcl-hd-001", "--reason", "line")[0] == 0
    code, out, _ = call("maintenance", "list")
    assert code == 0
    assert out.splitlines()[-1] == "  1 site: kcl-hd-001 on relay-viettel-1 + relay-vnpt-1"
    document = json.loads(call("maintenance", "list", "--output", "json")[1])
    assert [window["state"] for window in document["windows"]] == ["coming", "open"]
    relays = ["relay-viettel-1", "relay-vnpt-1"]
    assert document["windows"][1]["sites"] == [{"facility": "kcl-hd-001", "relays": relays, "outside": []}]


def test_a_relay_that_a_window_does_not_cover_is_named(call: Call) -> None:
    assert call("maintenance", "add", "--for", "2h", "--limit", "host=relay-vnpt-1", "--reason", "line")[0] == 0
    out = call("maintenance", "list")[1]
    assert "kcl-hd-001 on relay-vnpt-1, not on relay-viettel-1" in out
    sites = json.loads(call("maintenance", "list", "--output", "json")[1])["windows"][1]["sites"]
    assert {"facility": "kcl-hd-001", "relays": ["relay-vnpt-1"], "outside": ["relay-viettel-1"]} in sites


def test_a_province_stands_for_its_facilities_and_kinds_are_joined_by_and(root: Path, call: Call) -> None:
    words = ("maintenance", "add", "--for", "2h", "--reason", "line")
    assert call(*words, "--limit", "province=bac-giang", "--limit", "carrier=viettel")[0] == 0
    assert windows(root)[-1]["facilities"] == ["kcl-bg-001", "kcl-bg-002", "kcl-bg-003"]
    code, _, err = call(*words, "--limit", "province=bac-giang", "--limit", "carrier=vnpt")
    assert (code, "no facility is chosen by --limit" in err) == (2, True)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--for", "2h"), 2, "say what the work is on"),
        (("--for", "2h", "--everything", "--limit", "host=relay-viettel-1"), 2, "say what the work is on"),
        (("--everything",), 2, "say when the work ends"),
        (("--for", "2h", "--until", "2098-01-01", "--everything"), 2, "say when the work ends"),
        (("--for", "2x", "--everything"), 2, "not a length of time"),
        (("--for", "0h", "--everything"), 2, "is over or never begins"),
        (("--until", "2021-01-01", "--everything"), 2, "is over or never begins"),
        (("--from", "2098-01-02", "--until", "2098-01-01", "--everything"), 2, "is over or never begins"),
        (("--for", "2h", "--limit", "facility=kcl-bg-01"), 2, "there is no such facility"),
    ],
)
def test_a_window_that_cannot_be_is_refused(
    root: Path, call: Call, words: tuple[str, ...], code: int, message: str
) -> None:
    before = (root / WINDOWS).read_bytes()
    ended, _, err = call("maintenance", "add", "--reason", "line", *words)
    assert (ended, message in err) == (code, True), err
    assert (root / WINDOWS).read_bytes() == before


def test_a_window_of_more_than_a_week_is_warned_of_and_a_dry_run_writes_nothing(root: Path, call: Call) -> None:
    before = (root / WINDOWS).read_bytes()
    words = ("maintenance", "add", "--for", "10d", "--everything", "--reason", "line", "--dry-run")
    code, out, err = call(*words)
    assert (code, "window number 2 is longer than 7 days" in err, "dry run: no files" in out) == (0, True, True)
    assert (root / WINDOWS).read_bytes() == before


def test_a_file_that_would_be_invalid_is_not_written(root: Path, call: Call) -> None:
    before = (root / WINDOWS).read_bytes()
    words = ("maintenance", "add", "--for", "2h", "--everything", "--reason", "x" * 301)
    code, _, err = call(*words)
    assert (code, "maintenance.yml would be invalid: 1 problem; nothing is written" in err) == (3, True), err
    assert (root / WINDOWS).read_bytes() == before


def test_an_end_names_a_window_unless_one_alone_is_open(root: Path, call: Call) -> None:
    code, _, err = call("maintenance", "end")
    assert (code, "no window is open now" in err) == (2, True)
    code, _, err = call("maintenance", "end", "2")
    assert (code, "there is no window number 2" in err) == (2, True)
    for reason in ("line", "power"):
        assert call("maintenance", "add", "--for", "2h", "--limit", "carrier=vnpt", "--reason", reason)[0] == 0
    code, _, err = call("maintenance", "end")
    assert (code, "2 windows are open now: 2, 3" in err) == (2, True)
    assert call("maintenance", "end", "2")[0] == 0
    assert [window["reason"] for window in windows(root)] == ["a new switch in the facility", "power"]


def test_the_document_of_an_edit_names_its_object(root: Path, call: Call) -> None:
    words = ("maintenance", "add", "--for", "2h", "--limit", "carrier=vnpt", "--reason", "line", "--output", "json")
    code, out, _ = call(*words)
    document = json.loads(out)
    assert (code, document["schema"], document["object"]) == (0, "provisioner/file-edit", "window 2")
    assert (document["written"], document["file"]) == (True, str(root / WINDOWS))


# --- designations ----------------------------------------------------------------------------------
def test_a_designation_is_added_and_ended_on_a_line_of_its_own(root: Path, call: Call) -> None:
    before = (root / "designations.yml").read_bytes()
    code, out, err = call("designation", "end", "hai-duong", "vnpt", "--on", "2030-12-31")
    assert code == 0, err
    assert out.splitlines()[-1] == "next: provisioner validate"
    words = ("hai-duong", "vnpt", "--since", "2031-01-01", "--source", "letter 12")
    assert call("designation", "add", *words)[0] == 0
    lines = [line for line in (root / "designations.yml").read_bytes().splitlines() if line not in before.splitlines()]
    assert lines == [
        b'  - { province: hai-duong, carrier: vnpt, since: 2021-06-07, source: "illustrative", until: 2030-12-31 }',
        b"  - { province: hai-duong, carrier: vnpt, since: 2031-01-01, source: letter 12 }",
    ]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("add", "hai-duon", "vnpt", "--source", "x"), 3, "did you mean hai-duong?"),
        (("add", "hai-duong", "vnp", "--source", "x"), 3, "carrier vnp has no file"),
        (("add", "hai-duong", "vnpt", "--since", "2031-01-02", "--until", "2031-01-01", "--source", "x"), 3, "invalid"),
        (("end", "hai-duong", "vnp"), 2, "did you mean hai-duong vnpt"),
        (("end", "hai-duong", "vnpt", "--on", "2020-01-01"), 2, "is in force on 2020-01-01"),
        (("end", "hai-duong", "vnpt", "--on", "2021-06-06"), 2, "its days: from 2021-06-07 on; name one of them"),
        (("end", "hai-duong", "vnpt", "--on", "07/05/2021"), 2, "write 2021-05-07 or 2021-07-05"),
        (("end", "hai-duong", "vnpt", "--on", "soon"), 2, "e.g. 2021-05-10"),
        (("end", "hai-duong", "viettel", "--on", "2020-01-01"), 2, "its days: 2021-05-06 to 2031-06-30; name one"),
    ],
)
def test_a_designation_that_cannot_be_is_refused(
    root: Path, call: Call, words: tuple[str, ...], code: int, message: str
) -> None:
    before = (root / "designations.yml").read_bytes()
    ended, _, err = call("designation", *words)
    assert (ended, message in err) == (code, True), err
    assert (root / "designations.yml").read_bytes() == before


# --- facilities ------------------------------------------------------------------------------------
def test_a_name_changes_and_neither_the_id_nor_the_sign_offs_do(root: Path, call: Call) -> None:
    file = "facilities/bac-giang/kcl-bg-001.yml"
    before = values(root, file)
    words = ("--name", "Trường Mới", "--ward", "Phường A", "--people", "50")
    code, out, err = call("facility", "set", "kcl-bg-001", *words)
    assert code == 0, err
    changed = {"name": "Trường Mới", "location": {"ward": "Phường A"}, "capacity": {"people": 50}}
    assert values(root, file) == before | changed
    assert ("is held" in out, out.splitlines()[-1]) == (False, "next: provisioner facility next kcl-bg-001")
    assert call("facility", "set", "kcl-bg-001", "--ward", "Phường B", "--street", "Số 2")[0] == 0
    assert values(root, file)["location"] == {"ward": "Phường B", "street": "Số 2"}
    code, _, err = call("facility", "set", "kcl-bg-001")
    assert (code, "no value is named" in err) == (2, True)


# --- relays ----------------------------------------------------------------------------------------
RELAYS = "carriers/viettel.yml"
JUMP, JUMP_KEY = "203.0.113.7", key_of(78)


def relay_in(root: Path) -> Mapping[str, object]:
    relays = values(root, RELAYS)["relays"]
    assert isinstance(relays, list)
    relay = relays[0]
    assert isinstance(relay, dict)
    return relay


def test_an_endpoint_changes_and_goes_and_the_rest_of_the_file_stays(root: Path, call: Call) -> None:
    before = relay_in(root)
    code, out, err = call("relay", "set", "relay-viettel-1", "--endpoint", "203.0.113.99", "--address", "203.0.113.98")
    assert code == 0, err
    assert relay_in(root) == {**before, "endpoint": "203.0.113.99", "address": "203.0.113.98"}
    assert out.splitlines()[-1] == "next: provisioner plan", "centres send there, too"
    assert call("relay", "set", "relay-viettel-1", "--endpoint", "none")[0] == 0
    assert relay_in(root) == {**{k: v for k, v in before.items() if k != "endpoint"}, "address": "203.0.113.98"}


def test_a_jump_host_is_asked_for_its_key_and_its_fingerprint_is_compared(
    tmp_path: Path, root: Path, call: Call
) -> None:
    Shown(tmp_path).says(ip_address(JUMP), f"x {JUMP_KEY}\n")
    path = f"{tmp_path / 'programs'}:{os.environ['PATH']}"
    words = ("relay", "set", "relay-viettel-1", "--jump", f"ops@{JUMP}:2222", "--jump-inside", "198.51.100.9")
    before = (root / RELAYS).read_bytes()
    code, _, err = call(*words, PATH=path, HOME=str(tmp_path))
    assert (code, fingerprint_of(JUMP_KEY) in err, (root / RELAYS).read_bytes()) == (2, True, before), err
    code, _, err = call(*words, "--host-key", f"{JUMP}=SHA256:another", PATH=path, HOME=str(tmp_path))
    assert (code, "shows another key" in err, (root / RELAYS).read_bytes()) == (6, True, before), err
    code, _, err = call(*words, "--host-key", f"{JUMP}={fingerprint_of(JUMP_KEY)}", PATH=path, HOME=str(tmp_path))
    assert code == 0, err
    ssh = {"user": "ops", "port": 2222, "host_key": JUMP_KEY}
    assert relay_in(root)["jump"] == {"address": JUMP, "inside": "198.51.100.9", "ssh": ssh}
    assert call("relay", "set", "relay-viettel-1", "--jump", "none")[0] == 0
    assert "jump" not in relay_in(root)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("relay-viettel-2", "--endpoint", "203.0.113.9"), 2, "did you mean relay-viettel-1"),
        (("relay-viettel-1",), 2, "no value is named"),
        (("relay-viettel-1", "--endpoint", "203"), 3, "would be invalid"),
        (("relay-viettel-1", "--endpoint", "relay.example.com"), 3, "endpoint_address"),
        (("relay-viettel-1", "--jump", "ops@203"), 2, "no jump host can be called at ops@203:22"),
        (("relay-viettel-1", "--jump", "203.0.113.7"), 2, "no jump host can be called"),
        (("relay-viettel-1", "--host-key", "203.0.113.7=SHA256:x"), 2, "are about a new jump host"),
        (("relay-viettel-1", "--jump", f"ops@{JUMP}", "--host-key", f"{JUMP}={JUMP_KEY}"), 3, "jump.inside"),
    ],
)
def test_a_relay_that_cannot_be_so_is_refused(
    root: Path, call: Call, words: tuple[str, ...], code: int, message: str
) -> None:
    before = (root / RELAYS).read_bytes()
    ended, _, err = call("relay", "set", *words)
    assert (ended, message in err) == (code, True), err
    assert (root / RELAYS).read_bytes() == before


# --- an annex --------------------------------------------------------------------------------------
ANNEX = ("--since", "2021-05-06", "--source", "1407/BTTTT-CVT")


def designations(root: Path) -> list[tuple[object, ...]]:
    rows = values(root, "designations.yml")["designations"]
    assert isinstance(rows, list)
    return [(row["province"], row["carrier"], row["source"]) for row in rows if row["source"] == ANNEX[-1]]


def annex(root: Path, *rows: tuple[object, ...], merged: str = "") -> str:
    book = Workbook()
    sheet = book.worksheets[0]
    for row in (("Phụ lục: doanh nghiệp theo tỉnh",), (), ("STT", "Tỉnh/Thành phố", "Doanh nghiệp"), *rows):
        sheet.append(list(row))
    if merged:
        sheet.merge_cells(merged)
    book.save(root.parent / "annex.xlsx")
    return str(root.parent / "annex.xlsx")


def test_an_annex_brings_designations_with_source_and_day_once(root: Path, call: Call) -> None:
    rows = ((1, "Hà Nội", "Viettel"), (2, "Nam Định", None), (3, "TP. Hồ Chí Minh", "vnpt, Viettel"), (None, "Tổng", 3))
    file = annex(root, *rows, (4, "Bắc Giang", "VIETTEL"), merged="C4:C5")
    code, _, err = call("designation", "import", file, *ANNEX)
    assert code == 0, err
    new = [("ha-noi", "viettel"), ("nam-dinh", "viettel"), ("ho-chi-minh", "vnpt"), ("ho-chi-minh", "viettel")]
    assert designations(root) == [(*pair, ANNEX[-1]) for pair in new]
    code, out, _ = call("designation", "import", file, *ANNEX)
    assert (code, out.endswith("is so already\n"), len(designations(root))) == (0, True, 4)


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ((1, "Hà Nộii", "Viettel"), "cell B5 names no province of gso-2021"),
        ((1, "Hà Nội", "MobiFone"), "cell C5 names no carrier"),
        ((1, "Hà Nội", "Viettel, MobiFone"), "cell C5 names no carrier"),
        ((1, None, "Viettel"), "cell B5 names no province"),
        ((1, "Hà Nội", None), "cell C5 names no carrier"),
    ],
)
def test_an_annex_with_an_unknown_cell_writes_nothing(
    root: Path, call: Call, row: tuple[object, ...], error: str
) -> None:
    before = (root / "designations.yml").read_bytes()
    code, _, err = call("designation", "import", annex(root, (1, "Nam Định", "Viettel"), row), *ANNEX)
    assert (code, error in err) == (3, True), err
    assert ("1 cell cannot be read" in err, "no annex" in err) == (True, False), err
    assert (root / "designations.yml").read_bytes() == before


def test_a_file_without_an_annex_is_refused(root: Path, call: Call) -> None:
    (root.parent / "annex.xlsx").write_bytes(b"PK\x03\x04 no workbook")
    assert call("designation", "import", str(root.parent / "annex.xlsx"), *ANNEX)[0] == 2
    (root.parent / "annex.csv").write_text("a;b\n1;2\n", encoding="utf-8")
    code, _, err = call("designation", "import", str(root.parent / "annex.csv"), *ANNEX)
    assert (code, "is no annex of designations" in err) == (3, True)
