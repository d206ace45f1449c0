"""`status` and `export` over a story that is told with its moments; the page about the lifecycle shows it."""

import io
import json
import re
import shutil
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook

from provisioner.base.text import VIETNAM
from provisioner.cli.config import document_schema
from provisioner.cli.main import run
from provisioner.cli.support import session
from provisioner.importing.forms import choices
from provisioner.inventory import outline
from provisioner.inventory.deadlines import Timeliness
from provisioner.inventory.model.devices import Camera, Recorder, Zone
from provisioner.inventory.model.facility import (
    BlockOwner,
    BlockReason,
    Facility,
    FacilityKind,
    LoginState,
    Operating,
    Party,
    RtspState,
    SurveyVerdict,
    UplinkAddress,
    UplinkKind,
)
from provisioner.inventory.model.free_texts import WITHHELD
from provisioner.inventory.model.orders import ManagingBody
from provisioner.operations.apply.verification import Contents, contents_of
from provisioner.record.entries import Ending, FacilityCheck, Holding, Operation
from provisioner.record.labels import LABELS, label
from provisioner.record.lifecycle.state import FacilityState
from provisioner.record.state_folder import state_folder_of
from provisioner.record.store import History, open_history
from provisioner.report.exports import REPORTS
from provisioner.report.exports.surveys import COVER_LABELS
from provisioner.report.progress import CountedAs, Cover
from tests import histories
from tests.document_schemas import holds
from tests.hostile import VIEWER
from tests.inventories import load_inventory

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs/daily/lifecycle.md"
EXAMPLE = Path("inventories/example")
RELAYS = {"relay-viettel-1": ("kcl-bg-001", "kcl-bg-002", "kcl-hd-001"), "relay-vnpt-1": ("kcl-qn-001",)}
#: What relays hold while Hải Dương changes its carrier: kcl-hd-001 is carried by both.
HANDED_OVER = RELAYS | {"relay-vnpt-1": ("kcl-hd-001", "kcl-qn-001")}
PULLED = {"kcl-bg-001": 4, "kcl-bg-002": 2, "kcl-hd-001": 3, "kcl-qn-001": 2}
NOW = datetime(2021, 6, 13, 8, 0, tzinfo=VIETNAM)
SECOND = timedelta(seconds=1)


def at(day: str, clock: str) -> datetime:
    """A moment by Vietnam's clock."""
    return datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=VIETNAM)


class Story:
    """The program with the example, a history, and a clock that stands at one moment."""

    def __init__(self, history: History, contents: Contents, environment: dict[str, str]) -> None:
        self.history, self.contents, self.environment = history, contents, environment

    def run(self, *arguments: str) -> int:
        return run(["-i", str(EXAMPLE), *arguments], self.environment)

    def apply(self, moment: datetime, hosts: dict[str, tuple[str, ...]]) -> None:
        """Record an apply: what each relay holds since."""
        holdings = tuple(
            Holding(host, moment, {name: self.contents[host][name] for name in names}, exact=True)
            for host, names in hosts.items()
        )
        recorded = histories.run(1, Operation.APPLY, id=f"apply-{moment:%m%d}", started=moment - SECOND)
        self.history.begin(recorded, sorted(hosts))
        self.history.end(recorded, Ending(moment, "applied", {}, holdings))

    def verify(self, moment: datetime, proved: dict[str, int], relays: dict[str, tuple[str, ...]] = RELAYS) -> None:
        """Record a verification: how many of each facility's pulled paths were up at the centre, over each relay."""
        checks = tuple(
            FacilityCheck(name, self.contents[relay][name], relay, moment, PULLED[name], PULLED[name], proved[name])
            for relay, names in relays.items()
            for name in names
            if name in proved
        )
        recorded = histories.run(1, id=f"verify-{moment:%m%d-%H%M}", started=moment - SECOND)
        self.history.end(recorded, Ending(moment, "not-up", {}, (), checks))


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tell the story of the page: an apply, two nights, a camera that does not answer, and a change of carrier."""
    folder = tmp_path_factory.mktemp("story")
    shutil.copytree(ROOT / EXAMPLE, folder / EXAMPLE)
    with closing(open_history(state_folder_of(environment(folder), "example"))) as history:
        story = Story(history, contents_of(load_inventory(folder / EXAMPLE, today=NOW.date())), {})
        story.apply(at("2021-05-08", "19:32:00"), RELAYS)
        night = {"kcl-bg-001": 4, "kcl-bg-002": 1, "kcl-hd-001": 0, "kcl-qn-001": 1}
        story.verify(at("2021-05-09", "23:59:59"), night)
        story.verify(at("2021-05-10", "00:00:00"), {"kcl-bg-002": 2})
        story.verify(at("2021-05-11", "00:10:00"), night | {"kcl-bg-002": 2, "kcl-hd-001": 3})
        story.apply(at("2021-06-08", "14:05:00"), HANDED_OVER)
        for day in ("2021-06-09", "2021-06-10"):
            story.verify(at(day, "00:10:00"), night | {"kcl-bg-002": 2, "kcl-hd-001": 3}, HANDED_OVER)
        dark = night | {"kcl-bg-001": 0, "kcl-bg-002": 2, "kcl-hd-001": 3}
        for day in ("2021-06-12", "2021-06-13"):
            story.verify(at(day, "00:10:00"), dark, HANDED_OVER)
    return folder


def environment(folder: Path) -> dict[str, str]:
    return {"HOME": str(folder), "XDG_STATE_HOME": str(folder / "state"), "NO_COLOR": "1"}


@pytest.fixture
def story(past: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Story]:
    """A copy of the story that a test may change."""
    shutil.copytree(past, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(session, "now", lambda: NOW)
    env = environment(tmp_path)
    with closing(open_history(state_folder_of(env, "example"))) as history:
        yield Story(history, contents_of(load_inventory(EXAMPLE, today=NOW.date())), env)


def document(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    printed = json.loads(capsys.readouterr().out)
    assert isinstance(printed, dict)
    return printed


def test_the_page_shows_what_the_commands_print(
    story: Story, capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    page = PAGE.read_text(encoding="utf-8")
    blocks = re.findall(r"^```console\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    steps = [part.partition("\n") for block in blocks for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]]
    assert len(steps) == 4
    for command, _, shown in steps:
        assert run(command.split()[1:], story.environment) == 0
        printed = capsys.readouterr().out
        if request.config.getoption("--update-golden"):
            page = page.replace(f"$ {command}\n{shown}", f"$ {command}\n{printed}")
            PAGE.write_text(page, encoding="utf-8")
        else:
            assert printed == shown, "run pytest --update-golden on this test, and read the diff"


def test_the_document_of_status(story: Story, capsys: pytest.CaptureFixture[str]) -> None:
    assert story.run("--output", "json", "status", "kcl-qn-001", "--why") == 0
    printed = document(capsys)
    assert (printed["schema"], printed["version"], printed["as_of"]) == (
        "provisioner/status",
        1,
        "2021-06-13T08:00:00+07:00",
    )
    (one,) = printed["facilities"]
    assert (one["state"], one["reached"], one["connected"], one["blocked"]) == (
        "provisioned",
        "provisioned",
        False,
        None,
    )
    assert one["steps"]["plan_agreed"] == "2021-05-08"
    assert one["steps"]["provisioned"] == "2021-05-08T19:32:00+07:00"
    assert one["last_checks"][0]["proved"] == 1
    assert {"text", "file", "line"} == set(one["why"][0])
    state = next(reason for reason in one["why"] if "is agreed" in reason["text"])
    path, line = Path(state["file"]), state["line"]
    assert path.read_text(encoding="utf-8").splitlines()[line - 1].strip() == "state: agreed"


@pytest.mark.parametrize("arguments", [["kcl-zz-001"], ["--limit", "province=ha-noi"], ["--limit", "nonsense"]])
def test_what_chooses_nothing_is_wrong_usage(story: Story, arguments: list[str]) -> None:
    assert story.run("status", *arguments) == 2


def test_an_edit_that_nobody_signed_is_explained(story: Story, capsys: pytest.CaptureFixture[str]) -> None:
    path = EXAMPLE / "facilities/bac-giang/kcl-bg-001.yml"
    path.write_text(path.read_text(encoding="utf-8").replace("channel: 17", "channel: 18"), encoding="utf-8")
    assert story.run("status", "--why", "kcl-bg-001") == 3
    out, err = capsys.readouterr()
    assert out.startswith("kcl-bg-001: plan proposed\n")
    assert "the DIC signed another content of the plan on 2021-05-08 (" in out
    assert "HELD: 1 facility with errors: hosts keep their state" in err
    assert "error: inventories/example/facilities/bac-giang/kcl-bg-001.yml:" in out


def test_an_unreadable_facility_is_not_left_out_in_silence(story: Story, capsys: pytest.CaptureFixture[str]) -> None:
    (EXAMPLE / "facilities/bac-giang/kcl-bg-002.yml").write_text("version: 1\nid: [\n", encoding="utf-8")
    assert story.run("status") == 3
    assert "facility kcl-bg-002 cannot be read" in capsys.readouterr().err
    assert story.run("status", "kcl-bg-002") == 3
    assert story.run("--output", "json", "status") == 3
    assert document(capsys)["unreadable"] == ["kcl-bg-002"]
    assert story.run("export", "progress") == 3


def test_without_a_history_it_says_that_nothing_is_known(story: Story, capsys: pytest.CaptureFixture[str]) -> None:
    story.environment["XDG_STATE_HOME"] = "/nonexistent"
    assert story.run("status", "kcl-bg-001") == 0
    out, err = capsys.readouterr()
    assert "plan agreed" in out
    assert "warning: no run is recorded in /nonexistent/provisioner/example/state.db" in err


def test_a_history_that_cannot_be_read_is_no_empty_one(story: Story, tmp_path: Path) -> None:
    file = tmp_path / "state/provisioner/example/state.db"
    story.history.close()
    file.write_bytes(b"this is no database, whatever it is called" * 100)
    assert story.run("status") == 13


def test_a_closed_facility_is_closed_once_its_relay_lacks_it(story: Story, capsys: pytest.CaptureFixture[str]) -> None:
    path = EXAMPLE / "facilities/bac-giang/kcl-bg-002.yml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("operating: open", "operating: closed\nclosed_on: 2021-06-11"), encoding="utf-8")
    assert story.run("status", "kcl-bg-002", "--why") == 0
    out = capsys.readouterr().out
    assert out.startswith("kcl-bg-002: decommissioning since 2021-06-11\n")
    assert "relay-viettel-1 still held something of it at 2021-06-08 14:05:00 +07:00 (run apply-0608)" in out
    story.apply(at("2021-06-12", "09:00:00"), HANDED_OVER | {"relay-viettel-1": ("kcl-bg-001", "kcl-hd-001")})
    assert story.run("status", "kcl-bg-002") == 0
    assert "kcl-bg-002  closed  2021-06-12 09:00" in capsys.readouterr().out


def test_a_facility_that_closed_before_it_was_ever_connected_is_held_against_no_order(
    story: Story, capsys: pytest.CaptureFixture[str]
) -> None:
    assert story.run("status", "kcl-bg-003", "--why") == 0
    out = capsys.readouterr().out
    assert "it was closed without ever being connected: no order applies" in out
    assert "binds it" not in out
    assert "in its scope" not in out


def test_a_successor_that_is_accepted_becomes_the_plan_and_keeps_its_address_and_its_evidence(
    story: Story, capsys: pytest.CaptureFixture[str]
) -> None:
    path = EXAMPLE / "facilities/hai-duong/kcl-hd-001.yml"
    text = path.read_text(encoding="utf-8")
    plan, successor = text.index("plan:\n"), text.index("successor:\n")
    path.write_text(text[:plan] + text[successor:].replace("successor:", "plan:", 1), encoding="utf-8")
    assert story.run("allocate") == 0
    assert "retired site/kcl-hd-001: 10.91.0.4" in capsys.readouterr().out
    site = load_inventory(EXAMPLE, today=NOW.date()).allocations.sites["kcl-hd-001"]
    assert (site.carrier, str(site.tunnel_address), site.successor) == ("vnpt", "10.92.0.4", None)
    assert story.run("validate") == 0
    assert story.run("status", "kcl-hd-001", "--why") == 0
    out = capsys.readouterr().out
    assert "kcl-hd-001: active since 2021-06-10 00:10\n" in out
    assert "  next: no step: it is verified every night" in out


def test_the_next_carrier_is_taken_even_without_the_old_one(story: Story, capsys: pytest.CaptureFixture[str]) -> None:
    path = EXAMPLE / "facilities/hai-duong/kcl-hd-001.yml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("state: agreed", "state: proposed", 1), encoding="utf-8")
    assert story.run("status", "kcl-hd-001", "--why") == 0
    out = capsys.readouterr().out
    assert out.startswith("kcl-hd-001: plan proposed")
    assert "  next: the successor's connection is accepted: provisioner facility move kcl-hd-001 --finish" in out


# --- export ---------------------------------------------------------------------------------------
def sheets(path: Path) -> dict[str, list[list[Any]]]:
    book = load_workbook(io.BytesIO(path.read_bytes()))
    return {sheet.title: [[cell.value for cell in row] for row in sheet.iter_rows()] for sheet in book.worksheets}


def test_the_spreadsheet_of_progress_is_the_document_in_vietnamese(
    story: Story, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "progress.xlsx"
    assert story.run("--output", "json", "export", "progress", "--out", str(out)) == 0
    printed = document(capsys)
    assert (printed["schema"], printed["report"]) == ("provisioner/export", "progress")
    pages = sheets(out)
    assert list(pages) == ["Theo tỉnh", "Theo doanh nghiệp", "Theo cơ quan quản lý", "Danh sách cơ sở"]
    rows = pages["Theo tỉnh"]
    assert rows[0][0] == "TIẾN ĐỘ KẾT NỐI CAMERA CÁC CƠ SỞ CÁCH LY TẬP TRUNG"
    assert rows[1][0] == "Thời điểm: 08:00 ngày 13/06/2021 (giờ Việt Nam)"
    header, *body, total = rows[4:]
    assert header[:3] == ["Tỉnh/Thành phố", "Tổng số cơ sở", "Đã kết nối"]
    assert [row[0] for row in body] == ["Bắc Giang", "Hải Dương", "Quảng Nam"]
    moments = {header.index(name) for name in ("Kiểm chứng gần nhất", "Mất hình từ")}
    for place in set(range(1, len(header))) - moments:
        assert total[place] == sum(row[place] for row in body), header[place]
    assert (total[0], total[1], total[2]) == (
        "Tổng cộng",
        printed["total"]["facilities"],
        printed["total"]["connected"],
    )
    listed = {row[1]: row for row in pages["Danh sách cơ sở"][5:]}
    assert set(listed) == {one["facility"] for one in printed["facilities"]}
    assert listed["kcl-bg-002"][6:12] == [
        "Đang vận hành",
        "11/05/2021 00:10",
        "10/05/2021 00:00",
        "1407/BTTTT-CVT",
        "10/05/2021",
        "Trễ hạn",
    ]
    assert listed["kcl-hd-003"][12] == "Thiết bị cũ, không tương thích"
    assert out.stat().st_mode & 0o777 == 0o600


def test_the_spreadsheet_says_first_how_old_its_proof_is_and_which_pictures_come_now(
    story: Story, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "progress.xlsx"
    assert story.run("export", "progress", "--out", str(out)) == 0
    assert capsys.readouterr().out.startswith("last verification: 7 h 50 min ago (run verify-0613-0010)\n")
    pages = sheets(out)
    age = "Căn cứ: lần kiểm tra gần nhất: 7 giờ 50 phút trước (lúc 00:10 ngày 13/06/2021)"
    for rows in pages.values():
        assert str(rows[2][0]).startswith(age)
    header, *body = pages["Theo tỉnh"][4:]
    province = dict(zip(header, body[0], strict=True))
    assert (province["Đã kết nối"], province["Hiện có hình"], province["Hiện không đủ hình"]) == (2, 1, 1)
    assert (province["Kiểm chứng gần nhất"], province["Mất hình từ"]) == ("13/06/2021 00:10", "12/06/2021 00:10")
    assert (province["Tổng số camera"], province["Camera hiện có hình"], province["Camera hiện mất hình"]) == (6, 2, 4)
    assert (province["Số đầu ghi"], province["Camera khi khảo sát"]) == (1, 6)
    header, *body = pages["Danh sách cơ sở"][4:]
    listed = {row[1]: dict(zip(header, row, strict=True)) for row in body}
    dark, claimed, new = (listed[name] for name in ("kcl-bg-001", "kcl-qn-003", "kcl-qn-002"))
    assert (dark["Trạng thái"], dark["Hiện có hình"], dark["Mất hình từ"]) == (
        "Đang vận hành",
        "0/4",
        "12/06/2021 00:10",
    )
    assert claimed["Báo cáo đã kết nối từ ngày (chưa kiểm chứng)"] == "20/05/2021"
    assert claimed["Nguồn báo cáo"] == "Phụ lục 02/PL (minh họa)"
    assert (new["Tình trạng hoạt động"], new["Ngày dự kiến hoạt động"]) == ("Đang chuẩn bị", "16/06/2021")
    assert new["Cảnh báo"] == "Hoạt động sau 3 ngày, chưa kết nối"


def test_proof_without_a_night_is_said_to_be_stale_first(
    story: Story, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(session, "now", lambda: NOW + timedelta(days=3))
    for command in (["status"], ["export", "progress"]):
        assert story.run(*command) == 0
        first = capsys.readouterr().out.splitlines()[0]
        assert first.startswith("last verification: 3 days 7 h ago (run verify-0613-0010): stale, older than 24 h")
    assert story.run("--output", "json", "status") == 0
    printed = document(capsys)
    assert printed["proof"]["stale"]
    assert {one["up_now"] for one in printed["facilities"]} == {None}


@pytest.mark.parametrize(("what", "pages"), [("surveys", 2), ("zones", 2), ("survey-minutes", 2)])
def test_the_other_exports_are_written_as_well(
    story: Story, tmp_path: Path, what: str, pages: int, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / f"{what}.xlsx"
    assert story.run("export", what, "--out", str(out)) == 0
    assert capsys.readouterr().out.startswith("as of: 2021-06-13 08:00:00 +07:00")
    assert len(sheets(out)) == pages
    assert story.run("export", what, "--out", str(out)) == 2
    assert story.run("export", what, "--out", str(out), "--force") == 0


def test_sites_without_a_survey_and_cameras_to_add_have_columns_of_their_own(
    story: Story, capsys: pytest.CaptureFixture[str]
) -> None:
    assert story.run("export", "surveys") == 0
    lines = capsys.readouterr().out.splitlines()
    head = next(line for line in lines if line.startswith("province"))
    assert head.endswith("not surveyed  cameras fit  cameras missing")
    assert next(line for line in lines if line.startswith("all")).split()[-3:] == ["1", "13/19", "8"]


def test_zones_of_the_survey_that_have_no_camera_are_named(story: Story, capsys: pytest.CaptureFixture[str]) -> None:
    assert story.run("--output", "json", "export", "zones") == 0
    lacking = {(one["facility"], one["zone"]): one["cover"] for one in document(capsys)["lacking"]}
    assert lacking["kcl-bg-001", "san"] == "gap"
    assert lacking["kcl-qn-003", "cong"] == "unknown"
    assert ("kcl-hd-001", "cong") not in lacking


@pytest.mark.parametrize("lead", ["=", "+", "-", "@"])
def test_a_cell_that_begins_like_a_formula_is_none(story: Story, tmp_path: Path, lead: str) -> None:
    path = EXAMPLE / "facilities/hai-duong/kcl-hd-003.yml"
    text = path.read_text(encoding="utf-8").replace("next_action: UBND", f'next_action: "{lead}HYPERLINK(A) UBND')
    path.write_text(re.sub(r"(next_action: \".*)$", r'\1"', text, flags=re.MULTILINE), encoding="utf-8")
    out = tmp_path / "progress.xlsx"
    assert story.run("export", "progress", "--out", str(out)) == 0
    book = load_workbook(out)
    cells = [cell for sheet in book.worksheets for row in sheet.iter_rows() for cell in row if cell.value is not None]
    assert {cell.data_type for cell in cells} <= {"s", "n"}
    (planted,) = [cell.value for cell in cells if "HYPERLINK" in str(cell.value)]
    assert str(planted).startswith(f"'{lead}")


def test_no_export_opens_contacts(story: Story, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The contacts of the example stay closed: no password of theirs is there, and nothing of them comes out."""
    for what in REPORTS:
        assert story.run("export", what, "--out", str(tmp_path / f"{what}.xlsx")) == 0
        text = capsys.readouterr().out + str(sheets(tmp_path / f"{what}.xlsx"))
        assert "example.com" not in text
        assert "+843000000" not in text


# --- words ----------------------------------------------------------------------------------------
def test_every_value_that_a_report_may_show_has_a_vietnamese_word() -> None:
    covers = {Cover: {cover.value: word for cover, word in COVER_LABELS.items()}}
    for values, words in (LABELS | covers).items():
        assert {value.value for value in values} == set(words)
        assert len(set(words.values())) == len(words)
    assert FacilityState in LABELS


def test_the_words_are_those_of_the_importers_template() -> None:
    pairs = [
        (FacilityKind, choices.KINDS),
        (ManagingBody, choices.BODIES),
        (Operating, choices.OPERATING),
        (Party, choices.PARTIES),
        (UplinkKind, choices.UPLINKS),
        (UplinkAddress, choices.UPLINK_ADDRESSES),
        (RtspState, choices.RTSP),
        (LoginState, choices.LOGINS),
        (SurveyVerdict, choices.VERDICTS),
        (BlockReason, choices.OBSTACLES),
        (BlockOwner, choices.OWNERS),
        (Zone, choices.ZONES),
    ]
    for values, choice in pairs:
        assert [label(value) for value in values] == [choice.label(value.value) for value in values]


# --- schemas --------------------------------------------------------------------------------------
def test_the_documents_are_as_their_schemas_say(story: Story, capsys: pytest.CaptureFixture[str]) -> None:
    closed = EXAMPLE / "facilities/bac-giang/kcl-bg-002.yml"
    text = closed.read_text(encoding="utf-8").replace("operating: open", "operating: closed\nclosed_on: 2021-06-11")
    closed.write_text(text, encoding="utf-8")
    for words in ([], ["--why"], ["kcl-hd-003", "--why"]):
        assert story.run("--output", "json", "status", *words) == 0
        document(capsys)
    for what in REPORTS:
        assert story.run("--output", "json", "export", what) == 0
        document(capsys)


@pytest.mark.parametrize(
    ("name", "field", "values"),
    [
        ("status", "state", FacilityState),
        ("status", "timeliness", Timeliness),
        ("status", "managing_body", ManagingBody),
        ("export", "cover", Cover),
        ("export", "counted_as", CountedAs),
        ("export", "verdict", SurveyVerdict),
    ],
)
def test_a_schema_names_every_value_that_there_may_be(name: str, field: str, values: type[StrEnum]) -> None:
    def texts_in(schema: Any) -> Iterator[list[str]]:
        inner = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
        if isinstance(schema, dict) and isinstance(schema.get(field), dict) and "enum" in schema[field]:
            yield schema[field]["enum"]
        for value in inner:
            yield from texts_in(value)

    listed = list(texts_in(document_schema(name)))
    assert listed
    assert all(one == [value.value for value in values] for one in listed)


@VIEWER
def test_what_the_model_shows_of_devices_is_in_status_and_export_and_nothing_private(
    story: Story, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = {Facility: {"kind", "name"}, Camera: {"location", "port"}, Recorder: {"model"}}
    monkeypatch.setattr(outline, "_in_status", shown.__getitem__)
    story.environment["PROVISIONER_NO_CACHE"] = "1"
    path = EXAMPLE / "facilities/quang-nam/kcl-qn-002.yml"
    text = path.read_text(encoding="utf-8").replace("zone: nhan_do\n", "zone: nhan_do\n    port: 8554\n", 1)
    for location, seen in (("tầng 2", "tầng 2"), ("Hoa5mai@BG tầng 2", WITHHELD)):
        named = text.replace("name: Nhà máy Ví Dụ 6\n", f"name: {location}\n")
        path.write_text(f"{named}    location: {location}\n", encoding="utf-8")
        for words in (["status", "--why"], ["export", "progress"]):
            assert story.run("--output", "json", *words) == 0
            printed = document(capsys)
            holds(words[0], printed)
            found = {one["facility"]: one.get("devices") for one in printed["facilities"]}
            assert found["kcl-qn-002"] == {"cam-01": {"location": seen, "port": 8554}}
            assert found["kcl-bg-001"] is None
            fields = {one["facility"]: one["fields"] for one in printed["facilities"]}
            assert fields["kcl-qn-002"] == {"kind": "factory", "name": seen}
        assert story.run("status", "kcl-qn-002", "--why") == 0
        out = capsys.readouterr().out
        assert f"- kcl-qn-002: name {seen}, kind factory" in out
        assert f"- kcl-qn-002/cam-01: location {seen}, port 8554" in out
