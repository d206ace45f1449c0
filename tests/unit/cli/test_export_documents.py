"""`export` with documents: over the story of the lifecycle's page, what is written, and what is refused."""

import re
import stat
import zipfile
from contextlib import closing
from pathlib import Path

import docx
import pytest
from openpyxl import load_workbook

from provisioner.record.entries import Ending
from provisioner.report.documents import MINUTES, REPORT_LETTERS
from tests import histories
from tests.unit.cli.test_status import Story, at, document, past, story
from tests.unit.importing.contacts import book

__all__ = ["past", "story"]  # the fixtures


def text_of(path: Path) -> str:
    """All that a document says, its properties and relations too."""
    with zipfile.ZipFile(path) as packed:
        parts = [packed.read(name).decode("utf-8", "replace") for name in packed.namelist()]
    return re.sub(r"<[^>]*>", "", "\n".join(parts))


def test_a_report_on_progress_is_written_beside_its_spreadsheet(
    story: Story, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, letter = tmp_path / "progress.xlsx", tmp_path / "progress.docx"
    words = ["export", "progress", "--out", str(out), "--docx", str(letter)]
    assert story.run(*words, "--fill", "number=15/BC-STTTT", "--fill", "to=Bộ") == 0
    assert capsys.readouterr().out.endswith(f"\nwrote {letter}\nwrote {out}\n")
    text = text_of(letter)
    assert all(
        part in text for part in ("Số: 15/BC-STTTT", "Kính gửi: Bộ", "- Tổng số cơ sở cách ly tập trung: 8 cơ sở")
    )
    assert [stat.S_IMODE(path.stat().st_mode) for path in (out, letter)] == [0o600, 0o600]
    docx.Document(str(letter))


def test_the_same_call_writes_the_same_bytes(story: Story, tmp_path: Path) -> None:
    for name in ("a", "b"):
        words = ["--out", str(tmp_path / f"{name}.xlsx"), "--docx", str(tmp_path / f"{name}.docx")]
        assert story.run("export", "progress", *words) == 0
    for kind in ("xlsx", "docx"):
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()
    assert load_workbook(tmp_path / "a.xlsx").sheetnames


def test_who_was_proved_twice_has_a_record_and_the_others_are_told_why(
    story: Story, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "records"
    assert story.run("export", "acceptance", "--docx-dir", str(folder)) == 0
    shown = capsys.readouterr().out
    accepted = sorted(path.stem for path in folder.iterdir())
    assert accepted == ["kcl-bg-001", "kcl-bg-002", "kcl-hd-001"]
    assert f"wrote 3 files into {folder}" in shown
    assert "no acceptance record of kcl-hd-003: it has no connection plan" in shown
    assert [stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()] == [0o600] * 3
    text = text_of(folder / "kcl-bg-001.docx")
    assert "Trường THPT Ví Dụ 1" in text
    assert "09/05/2021 23:59" in text
    assert "mất hình từ 00 giờ 10 phút, ngày 12 tháng 6 năm 2021" in text
    assert "khắc phục các camera đang mất hình, tiếp tục duy trì kết nối" in text
    assert story.run("--output", "json", "export", "acceptance") == 0
    printed = document(capsys)
    assert (printed["accepted"], printed["proved_once"]) == (3, 0)
    assert sorted(one["facility"] for one in printed["facilities"] if one["accepted"]) == accepted
    assert all((one["refusal"] is None) == one["accepted"] for one in printed["facilities"])


def test_minutes_of_one_facility(story: Story, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for what in MINUTES:
        path = tmp_path / f"{what}.docx"
        assert story.run("export", what, "--limit", "facility=kcl-bg-001", "--docx", str(path)) == 0
        assert f"wrote {path}" in capsys.readouterr().out
        assert "BIÊN BẢN" in text_of(path)


WRONG = [
    (
        ["progress", "--docx", "/nonexistent/a.docx"],
        "/nonexistent/a.docx cannot be written",
        "in a folder that is there",
    ),
    (["progress", "--docx", "{}/there.docx"], "is there already", "--force"),
    (["progress", "--docx-dir", "{}/a"], "progress goes into one file", "write --docx FILE"),
    (["zones", "--docx", "{}/a.docx"], "zones has no official document", "progress, acceptance, survey-minutes"),
    (["acceptance", "--docx", "{}/a.docx"], "an acceptance record is of one facility, and 9 are", "--docx-dir DIR"),
    (["survey-minutes", "--docx", "{}/a.docx"], "survey minutes are of one facility, and 9 are", "--docx-dir DIR"),
    (["acceptance", "--docx", "{}/a", "--docx-dir", "{}/b"], "--docx and --docx-dir exclude", "a file a facility"),
    (["acceptance", "--docx-dir", "{}"], "is not empty", "name a new folder"),
    (["progress", "--fill", "number=1"], "none is asked for", "add --docx FILE"),
    (["progress", "--fill", "nummer=1", "--docx", "{}/a"], "there is no such key", "did you mean number?"),
    (["progress", "--docx", "{}/a", "--out", "{}/a"], "cannot be both", "name two files"),
    (["acceptance", "--docx", "{}/a", "--limit", "facility=kcl-bg-0001"], "there is no such facility", "kcl-bg-001"),
    (
        ["acceptance", "--docx", "{}/a", "--limit", "facility=kcl-hd-003"],
        "it has no connection plan",
        "status kcl-hd-003",
    ),
    (
        ["acceptance", "--docx-dir", "{}/b", "--limit", "facility=kcl-hd-003"],
        "it has no connection plan",
        "export acceptance",
    ),
    (["scorecards"], "'scorecards' is not one of", "did you mean scorecard?"),
]


@pytest.mark.parametrize("case", WRONG, ids=lambda case: case[1])
def test_what_cannot_be_made_is_refused_with_what_to_do(
    story: Story, tmp_path: Path, case: tuple[list[str], str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    words, message, hint = case
    (tmp_path / "there.docx").write_bytes(b"mine")
    before = {path.name for path in tmp_path.iterdir()}
    assert story.run("export", *(word.replace("{}", str(tmp_path)) for word in words)) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert hint in shown
    assert {path.name for path in tmp_path.iterdir()} - {".cache"} == before
    assert (tmp_path / "there.docx").read_bytes() == b"mine"


def test_no_document_opens_contacts(story: Story, tmp_path: Path) -> None:
    """Contacts that are planted come out in nothing, though their passwords are at hand."""
    provinces = ("bac-giang", "hai-duong", "quang-nam")
    story.environment |= book.environment(tmp_path / "keys", *(f"contacts-{province}" for province in provinces))
    for province in provinces:
        book.put(tmp_path / "inventories/example/contacts", province, [book.contact("kcl-bg-001")])
    for what in REPORT_LETTERS:
        assert story.run("export", what, "--docx", str(tmp_path / f"{what}.docx")) == 0
    for what in MINUTES:
        assert story.run("export", what, "--docx-dir", str(tmp_path / what)) == 0
    written = sorted(tmp_path.rglob("*.docx"))
    assert len(written) > 8
    for path in written:
        text = text_of(path).casefold()
        assert not [canary for canary in book.CANARIES if canary.casefold() in text]
        assert "example.com" not in text


# --- scorecard ------------------------------------------------------------------------------------
_TIMES = dict.fromkeys(("started_at", "finished_at"), "2021-06-12T18:01:00Z")


def _recorded(story: Story, left: dict[str, object], name: str = "verify-last") -> None:
    """One more verification, and the document that it left."""
    run = histories.run(1, id=name, started=at("2021-06-13", "01:00:00"))
    story.history.end(run, Ending(at("2021-06-13", "01:02:00"), "not-up", left))


def test_a_scorecard_counts_incidents_by_carrier_and_cause(story: Story, capsys: pytest.CaptureFixture[str]) -> None:
    of = {"province": "p", "facility": "f", "relay": "r", "verdict": "down"}
    paths = [of | {"path": f"p/f/c{n}/sub", "carrier": "viettel" if n < 3 else "vnpt"} for n in range(5)]
    incidents = [
        {"layer": "tunnel", "object": "site/x", "cause": "tunnel down", "paths": ["p/f/c0/sub", "p/f/c1/sub"]},
        {"layer": "host", "object": "centre-hn", "cause": "host unreachable", "paths": ["p/f/c2/sub", "p/f/c4/sub"]},
        {"layer": "host", "object": "relay-vnpt-1", "cause": "disk full", "paths": []},
    ]
    _recorded(story, _TIMES | {"paths": paths, "incidents": incidents})
    assert story.run("--output", "json", "export", "scorecard") == 0
    printed = document(capsys)
    by_carrier = {one["carrier"]: one for one in printed["carriers"]}
    assert by_carrier["viettel"]["incidents"] == {"host unreachable": 1, "tunnel down": 1}
    assert by_carrier["vnpt"]["incidents"] == {"disk full": 1, "host unreachable": 1}
    assert printed["incidents_of"]["run"] == "verify-last"
    assert by_carrier["vnpt"]["taking_over"] == 1
    for one in printed["carriers"]:
        assert sum(one["timeliness"].values()) == one["facilities"]
    assert sum(one["facilities"] for one in printed["carriers"]) == printed["all_carriers"]["facilities"]
    assert story.run("export", "scorecard") == 0
    shown = capsys.readouterr().out
    assert "incidents of verify-last (2021-06-13 01:02:00 +07:00):" in shown
    assert "  vnpt: 1 disk full" in shown


def test_a_scorecard_takes_a_verification_of_before_carriers_were_recorded(
    story: Story, capsys: pytest.CaptureFixture[str]
) -> None:
    path = {"path": "p/f/c/sub", "province": "p", "facility": "f", "relay": "r", "verdict": "down"}
    incident = {"layer": "tunnel", "object": "x", "cause": "tunnel down", "paths": ["p/f/c/sub"]}
    _recorded(story, _TIMES | {"paths": [path], "incidents": [incident]})
    assert story.run("--output", "json", "export", "scorecard") == 0
    assert {str(one["incidents"]) for one in document(capsys)["carriers"]} == {"{}"}


def test_a_scorecard_without_what_a_verification_left_says_so(
    story: Story, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "scorecard.xlsx"
    assert story.run("export", "scorecard", "--out", str(out)) == 0
    assert "incidents: not known, no verification is recorded" in capsys.readouterr().out
    with closing(load_workbook(out)) as opened:
        (sheet,) = opened.worksheets
        header = [cell.value for cell in sheet[5]]
        assert "Chưa rõ" in {row[header.index("Sự cố đang mở")].value for row in sheet.iter_rows(min_row=6)}


@pytest.mark.parametrize("left", [{"paths": 1, "incidents": []}, {"paths": [{}], "incidents": []}, {"incidents": [1]}])
def test_other_runs_are_not_counted(story: Story, left: dict[str, object], capsys: pytest.CaptureFixture[str]) -> None:
    _recorded(story, {"paths": [], **_TIMES, **left})
    assert story.run("export", "scorecard") == 13
    shown = capsys.readouterr().err
    assert "what run verify-last left in" in shown
    assert "verify again" in shown
