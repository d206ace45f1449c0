"""`import`: what it says, what it writes, what it never shows, and how it ends."""

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook

from provisioner.base.errors import InventoryError
from provisioner.base.files import write_atomic
from provisioner.base.vault import VaultPasswords
from provisioner.cli.main import run
from provisioner.cli.support.context import today
from provisioner.importing import write as writing
from provisioner.importing.contacts.store import read_contacts
from provisioner.inventory.loader.load import check, load
from tests import inventories as make
from tests.unit.importing import sheets as made
from tests.unit.importing.contacts import book as people
from tests.unit.importing.sheets import Rows, book

SITE = "facilities/bac-giang/kcl-bg-001.yml"
NEW = "facilities/bac-giang/kcl-bg-002.yml"
COMMENTED = """\
# One facility.
version: 1
id: kcl-bg-001
province: bac-giang # frozen
name: Trường Ví Dụ

kind: school
managing_body: ubnd_tinh # of the province
operating: open
cameras:
  # at the gate
  - id: cam-01
    zone: cong
    make: hikvision
    address: 192.168.1.11
    streams:
      sub: { width: 640, height: 360 }
"""


class Desk:
    """Somebody who imports into an inventory of their own."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.root = make.write_inventory(folder / "inventory", {SITE: COMMENTED})
        key = people.key(folder / "keys", "bac-giang")
        self.passwords = {"ANSIBLE_VAULT_IDENTITY_LIST": f"contacts-bac-giang@{key}"}
        self.out = self.err = ""
        self._capsys = capsys

    def sheet(self, name: str, sheets: dict[str, Rows]) -> Path:
        path = self.folder / name
        path.write_bytes(book(sheets))
        return path

    def run(self, *arguments: str | Path, json_output: bool = False, env: dict[str, str] | None = None) -> int:
        before = ["-i", str(self.root), *(["--output", "json"] if json_output else []), "import"]
        environment = {"XDG_STATE_HOME": str(self.folder / "state")} | (self.passwords if env is None else env)
        code = run([*before, *map(str, arguments)], environment)
        self.out, self.err = self._capsys.readouterr()
        return code

    def document(self, *arguments: str | Path) -> Any:
        self.run(*arguments, json_output=True)
        return json.loads(self.out)

    def tree(self) -> dict[str, bytes]:
        return {str(p.relative_to(self.root)): p.read_bytes() for p in sorted(self.root.rglob("*")) if p.is_file()}

    def contacts(self) -> list[tuple[str, ...]]:
        loaded = read_contacts(self.root / "contacts", VaultPasswords.from_environment(self.passwords))
        assert loaded.problems == ()
        return [
            (c.facility, c.full_name.reveal(), c.phone.reveal() if c.phone else "")
            for file in loaded.files.values()
            for c in file.contacts
        ]


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, capsys)


def clean_sheets() -> dict[str, Rows]:
    return {
        "Cơ sở": [made.FACILITY_HEADER, made.facility_row("Trường Mới")],
        "Đầu mối": [(*made.CONTACT_HEADER, "Tên cơ sở"), (*made.contact_row(None), "trường mới")],
        "Khảo sát": [made.SURVEY_HEADER, made.survey_row()],
        "Camera": [made.CAMERA_HEADER, made.camera_row("cam-01", 13, zone="Sân"), made.camera_row(None, 14)],
    }


def test_a_dry_run_changes_nothing_and_says_what_it_would_change(desk: Desk) -> None:
    before = desk.tree()
    assert desk.run(desk.sheet("a.xlsx", clean_sheets())) == 0
    assert desk.tree() == before
    assert "sẽ thay đổi:" in desk.out
    assert "+ kcl-bg-002 (mới)" in desk.out
    assert "cameras.cam-01.zone cong → san" in desk.out
    assert "chưa ghi gì; thêm --write để ghi" in desk.out
    assert desk.run(desk.folder / "a.xlsx", "--language", "en") == 0
    assert "nothing was written; add --write to write it" in desk.out


def test_writing_is_the_smallest_edit_and_a_second_time_changes_no_byte(desk: Desk) -> None:
    sheet = desk.sheet("a.xlsx", clean_sheets())
    assert desk.run(sheet, "--write", "--language", "en") == 0
    text = desk.tree()[SITE].decode()
    assert text.startswith(COMMENTED.partition("cameras:")[0])
    for kept in ("  # at the gate", "zone: san", "address: 192.168.1.13", "id: cam-02", "verdict: needs_cameras"):
        assert kept in text
    assert desk.contacts() == [("kcl-bg-002", "Trần Văn Mẫu", "+84300000001")]
    assert "contact_confirmed_on: " in desk.tree()[NEW].decode()
    assert not [p for p in check(load(desk.root, today=today())) if "kcl-bg-002" in p.file]
    written = desk.tree()
    for _ in range(2):
        assert desk.run(sheet, "--write", "--language", "en") == 0
        assert desk.tree() == written
        assert "nothing to change" in desk.out


def test_errors_stop_the_whole_write_unless_it_is_partial(desk: Desk) -> None:
    sheets = clean_sheets()
    sheets["Camera"] = [*sheets["Camera"], made.camera_row("cam-09", address="192.168.1")]
    sheets["Đầu mối"] = [*sheets["Đầu mối"], (*made.contact_row(name="Lê Mẫu", phone="1/2"), None)]
    sheet, before = desk.sheet("a.xlsx", sheets), desk.tree()
    assert desk.run(sheet, "--write") == 3
    assert desk.tree() == before
    assert "2 lỗi" in desk.out
    assert f"lỗi: {sheet}: Camera!E4 (Địa chỉ IP LAN) “192.168.1”: Không phải địa chỉ IPv4" in desk.out
    assert "cách sửa: Ghi đủ bốn số" in desk.out
    assert desk.run(sheet, "--write", "--partial") == 3
    after = desk.tree()
    assert b"cam-09" not in after[SITE]
    assert b"cam-02" in after[SITE]
    assert len(desk.contacts()) == 1


def test_the_document_lists_everything(desk: Desk) -> None:
    sheets = clean_sheets()
    sheets["Camera"] = [*sheets["Camera"], made.camera_row("cam-09", address="192.168.1", zone="Trong phòng")]
    sheet = desk.sheet("a.xlsx", sheets)
    found = desk.document(sheet, "--language", "en")
    assert (found["schema"], found["version"], found["ok"], found["written"]) == ("provisioner/import", 1, False, [])
    assert [t["kind"] for t in found["tables"]] == ["facilities", "contacts", "surveys", "cameras"]
    errors = [p for p in found["problems"] if p["severity"] == "error"]
    assert [(p["sheet"], p["row"], p["column"], p["header"], p["code"]) for p in errors] == [
        ("Camera", 4, "C", "Khu vực", "zone-forbidden"),
        ("Camera", 4, "E", "Địa chỉ IP LAN", "address-form"),
    ]
    assert [(f["facility"], f["action"]) for f in found["facilities"]] == [
        ("kcl-bg-001", "update"),
        ("kcl-bg-002", "create"),
    ]
    assert found["contacts"] == [{"province": "bac-giang", "compared": True, "new": 1, "changed": 0, "unchanged": 0}]


def test_documents_are_as_their_schema_says_whatever_is_in_the_sheets(desk: Desk) -> None:
    (desk.root / SITE).write_text(json.dumps(make.facility(), ensure_ascii=False), encoding="utf-8")
    (desk.folder / "broken.xlsx").write_bytes(b"PK\x03\x04")
    sheet = desk.sheet("a.xlsx", clean_sheets())
    assert desk.document(desk.folder / "broken.xlsx")["tables"] == []
    found = desk.document(sheet, "--write")
    assert len(found["written"]) == 3
    assert found["facilities"][0]["sign_offs_needed"] == ["dic", "health", "carrier"]
    assert desk.document(sheet)["facilities"] == []


def test_an_edit_of_what_was_signed_asks_for_new_sign_offs(desk: Desk) -> None:
    (desk.root / SITE).write_text(json.dumps(make.facility(), ensure_ascii=False), encoding="utf-8")
    sheet = desk.sheet("a.xlsx", {"Camera": [made.CAMERA_HEADER, made.camera_row("cam-01", 12)]})
    assert desk.run(sheet, "--write", "--language", "en") == 0
    assert "what dic, health, carrier signed changes" in desk.out
    assert {p.code for p in check(load(desk.root, today=make.TODAY))} >= {"sign-off-stale"}


# --- contacts -------------------------------------------------------------------------------------
def test_without_the_password_a_dry_run_warns_and_a_write_ends_with_12(desk: Desk) -> None:
    there: Rows = [made.CONTACT_HEADER, made.contact_row(name="Vũ Mẫu")]
    assert desk.run(desk.sheet("there.xlsx", {"Đầu mối": there}), "--write") == 0
    sheet, before = desk.sheet("a.xlsx", clean_sheets()), desk.tree()
    assert desk.run(sheet, env={}) == 0
    assert "contact_confirmed_on" not in desk.out
    assert "contacts-bac-giang@FILE vào ANSIBLE_VAULT_IDENTITY_LIST" in desk.out
    assert "đầu mối bac-giang: 1 dòng, chưa so sánh" in desk.out
    assert desk.run(sheet, "--write", env={}) == 12
    assert desk.tree() == before
    del (sheets := clean_sheets())["Đầu mối"]
    assert desk.run(desk.sheet("b.xlsx", sheets), "--write", env={}) == 0


def test_a_dry_run_names_the_password_that_the_first_contacts_of_a_province_need(desk: Desk) -> None:
    sheet = desk.sheet("a.xlsx", clean_sheets())
    assert desk.run(sheet, "--language", "en", env={}) == 0
    assert "before --write add contacts-bac-giang@FILE to ANSIBLE_VAULT_IDENTITY_LIST" in desk.out
    assert desk.run(sheet, "--write", env={}) == 12
    assert desk.run(sheet, "--language", "en") == 0
    assert "ANSIBLE_VAULT_IDENTITY_LIST" not in desk.out


def test_a_wrong_password_is_named_as_the_cause(desk: Desk) -> None:
    there: Rows = [made.CONTACT_HEADER, made.contact_row(name="Vũ Mẫu")]
    assert desk.run(desk.sheet("there.xlsx", {"Đầu mối": there}), "--write") == 0
    key = desk.folder / "keys/another"
    key.write_text("another password\n", encoding="utf-8")
    env = {"ANSIBLE_VAULT_IDENTITY_LIST": f"contacts-bac-giang@{key}"}
    assert desk.run(desk.sheet("a.xlsx", clean_sheets()), env=env) == 0
    assert "Chưa so sánh được với đầu mối đã có của bac-giang" in desk.out


def test_contacts_are_kept_encrypted_and_their_access_is_recorded(desk: Desk) -> None:
    assert (
        desk.run(desk.sheet("a.xlsx", clean_sheets()), "--write", "--purpose", "letter 1407", "--requester", "DIC") == 0
    )
    tree = desk.tree()
    assert tree["contacts/bac-giang.yml"].startswith(b"$ANSIBLE_VAULT;1.2;AES256;contacts-bac-giang\n")
    assert (desk.root / "contacts/bac-giang.yml").stat().st_mode & 0o777 == 0o600
    log = (desk.folder / "state/provisioner/test/contacts-access.log").read_text(encoding="utf-8")
    (line,) = map(json.loads, log.splitlines())
    assert {key: line[key] for key in ("action", "purpose", "requester", "provinces", "records")} == {
        "action": "import",
        "purpose": "letter 1407",
        "requester": "DIC",
        "provinces": ["bac-giang"],
        "records": 0,
    }
    for private in ("0300 000 077", "the letter of tran van mau"):
        assert desk.run(desk.sheet("a.xlsx", clean_sheets()), "--write", "--purpose", private) == 2
    assert (desk.folder / "state/provisioner/test/contacts-access.log").read_text(encoding="utf-8") == log


@pytest.mark.parametrize("option", ["--purpose", "--requester"])
def test_a_person_whom_the_sheet_brings_is_not_named_in_the_log(desk: Desk, option: str) -> None:
    before = desk.tree()
    for to_write in ((), ("--write",)):
        assert desk.run(desk.sheet("a.xlsx", clean_sheets()), *to_write, option, "goi tran van mau") == 2
        assert "names a person" in desk.err
    assert (desk.tree(), (desk.folder / "state/provisioner/test/contacts-access.log").exists()) == (before, False)


def test_an_empty_cell_takes_nothing_from_a_contact(desk: Desk) -> None:
    assert desk.run(desk.sheet("a.xlsx", clean_sheets()), "--write") == 0
    later: Rows = [
        made.CONTACT_HEADER,
        made.contact_row("kcl-bg-002", name="TRẦN VĂN MẪU", title=None, phone="0300 000 009", email=None),
        made.contact_row("kcl-bg-002", name="Lê Mẫu", title="Bảo vệ"),
    ]
    assert desk.run(desk.sheet("b.xlsx", {"Đầu mối": later}), "--write", "--language", "en") == 0
    assert "1 new, 1 changed" in desk.out
    assert sorted(desk.contacts()) == [
        ("kcl-bg-002", "Lê Mẫu", "+84300000001"),
        ("kcl-bg-002", "TRẦN VĂN MẪU", "+84300000009"),
    ]


# --- what is never shown --------------------------------------------------------------------------
SECRET = "Canary-9x!Pass"
PERSON = ("Nguyễn Canary Yến", "0300 777 001", "300777001", "canary-yen@example.com", "Canary")


def _every_place() -> Iterator[tuple[str, int]]:
    for name, rows in clean_sheets().items():
        yield from ((name, column) for column in range(len(rows[0])))


def _planted(place: tuple[str, int], text: str) -> dict[str, Rows]:
    sheets = clean_sheets()
    name, column = place
    header, first, *rest = (list(row) for row in sheets[name])
    first[column] = text
    return sheets | {name: [header, first, *rest]}


def test_a_password_in_any_cell_is_never_shown_or_written(desk: Desk) -> None:
    texts = (SECRET, f"mật khẩu: {SECRET}", f"rtsp://admin:{SECRET}@192.168.1.12/1")
    for place in _every_place():
        for number, text in enumerate(texts):
            sheet = desk.sheet(f"{place[0]}-{place[1]}-{number}.xlsx", _planted(place, text))
            language = ("vi", "en")[number % 2]
            desk.run(sheet, "--language", language, "--write", "--partial", json_output=number == 0)
            assert SECRET not in desk.out + desk.err, place
            assert not any(SECRET.encode() in content for content in desk.tree().values()), place


def test_a_password_column_is_refused_and_its_values_are_not_shown(desk: Desk) -> None:
    header = (*made.CAMERA_HEADER, "Mật khẩu", "password đầu ghi")
    sheet = desk.sheet("a.xlsx", {"Camera": [header, (*made.camera_row(), "hunter2", "secret12")]})
    report = desk.folder / "report.xlsx"
    assert desk.run(sheet, "--report", report, "--write") == 3
    assert f"{sheet}: Camera!G1: Cột này là cột mật khẩu" in desk.out
    assert f"{sheet}: Camera!H1: Cột này là cột mật khẩu" in desk.out
    shown = desk.out + "".join(desk.tree()[SITE].decode()) + _text_of(report)
    assert "hunter2" not in shown
    assert "secret12" not in shown


def _text_of(path: Path) -> str:
    workbook = load_workbook(io.BytesIO(path.read_bytes()))
    return " ".join(str(cell.value) for sheet in workbook.worksheets for row in sheet.rows for cell in row)


def test_people_are_in_no_output_no_file_and_no_log(desk: Desk) -> None:
    name, phone, _, email, _ = PERSON
    good = made.contact_row(name=name, phone=phone, email=email, title="Canary")
    bad = [
        made.contact_row(name=name, phone=f"{phone} / {phone}", email=email, title="Canary"),
        made.contact_row(name=name, phone="O300 777 001", email="canary-yen@example,com", title="Canary"),
        made.contact_row(facility=name, name=name, phone=phone, email=email),
        made.contact_row(name=phone, phone=name, email=phone),
    ]
    sheets = clean_sheets() | {"Đầu mối": [made.CONTACT_HEADER, good, *bad]}
    for place in (("Cơ sở", 3), ("Cơ sở", 4), ("Khảo sát", 2), ("Camera", 2)):
        sheets = sheets | {place[0]: _planted(place, f"{name} {phone}")[place[0]]}
    report = desk.folder / "report.xlsx"
    sheet = desk.sheet("a.xlsx", sheets)
    assert desk.run(sheet, "--write", "--partial", "--report", report) == 3
    seen = [desk.out, desk.err, _text_of(report)]
    seen += [p.read_text(encoding="utf-8") for p in (desk.folder / "state").rglob("*") if p.is_file()]
    seen += [content.decode() for path, content in desk.tree().items()]
    assert desk.run(sheet, "--language", "en", json_output=True) == 3
    seen += [desk.out, desk.err]
    for text in seen:
        assert not [canary for canary in PERSON if canary.casefold() in text.casefold()]
    assert desk.contacts() == [("kcl-bg-001", name, "+84300777001")]


def test_of_a_wrong_phone_number_the_last_three_digits_are_shown(desk: Desk) -> None:
    rows: Rows = [made.CONTACT_HEADER, made.contact_row(phone="0300 000 001 / 0300 000 002")]
    assert desk.run(desk.sheet("a.xlsx", {"Đầu mối": rows})) == 3
    assert "Đầu mối!E2 (Số điện thoại) “…002”: Có nhiều hơn một số điện thoại" in desk.out


# --- template and way back ------------------------------------------------------------------------
def test_a_filled_template_read_back_changes_nothing(desk: Desk) -> None:
    assert desk.run(desk.sheet("a.xlsx", clean_sheets()), "--write") == 0
    before = desk.tree()
    out = desk.folder / "bac-giang.xlsx"
    assert desk.run("--template", out, "--fill", "bac-giang", "--with-contacts") == 0
    assert out.stat().st_mode & 0o777 == 0o600
    assert desk.run(out, "--write", "--language", "en") == 0
    assert "errors: 0, warnings: 0, questions: 0, notes: 0" in desk.out
    assert "nothing to change" in desk.out
    assert desk.tree() == before


def test_without_being_asked_a_template_holds_no_contacts(desk: Desk) -> None:
    assert desk.run(desk.sheet("a.xlsx", clean_sheets()), "--write") == 0
    out = desk.folder / "bac-giang.xlsx"
    assert desk.run("--template", out, "--fill", "bac-giang") == 0
    assert "Trần Văn Mẫu" not in _text_of(out)


def test_an_empty_template_needs_no_inventory_and_has_nothing_in_it(tmp_path: Path, desk: Desk) -> None:
    out = tmp_path / "mau.xlsx"
    assert run(["import", "--template", str(out)], {}) == 0
    assert desk.run(out, "--language", "en") == 0
    assert "Cơ sở 0, Đầu mối 0, Khảo sát 0, Camera 0 (rows)" in desk.out
    assert run(["import", "--template", str(out)], {}) == 2  # it is there already
    assert run(["import", "--template", str(out), "--force"], {}) == 0


# --- wrong usage, and what goes wrong while writing -----------------------------------------------
@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["a.xlsx", "--template", "b.xlsx"],
        ["a.xlsx", "--partial"],
        ["a.xlsx", "--fill", "bac-giang"],
        ["--template", "b.xlsx", "--with-contacts"],
        ["--template", "b.xlsx", "--write"],
        ["--template", "b.xlsx", "--fill", "atlantis"],
        ["a.xlsx", "--province", "atlantis"],
        ["a.xlsx", "--contacts", "nowhere"],
    ],
)
def test_wrong_usage_ends_with_2(desk: Desk, arguments: list[str]) -> None:
    assert desk.run(*arguments) == 2
    assert desk.err.startswith("error: ")


def test_files_that_are_no_spreadsheets_end_with_3(desk: Desk) -> None:
    (desk.folder / "a.xls").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 99)
    assert desk.run(desk.folder / "a.xls", desk.folder / "none.csv", "--write", "--partial") == 3
    assert "a.xls: Tệp Excel đời cũ" in desk.out
    assert "none.csv: Không có tệp này" in desk.out


def test_a_file_that_changed_meanwhile_is_not_overwritten(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    sheet = desk.sheet("a.xlsx", clean_sheets())
    _meanwhile(monkeypatch, lambda: (desk.root / SITE).write_text(COMMENTED + "# new\n", encoding="utf-8"))
    assert desk.run(sheet, "--write") == 9
    assert NEW not in desk.tree()
    assert "was changed while the sheets were read" in desk.err


def test_contacts_that_changed_meanwhile_are_not_overwritten(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    assert desk.run(desk.sheet("a.xlsx", clean_sheets()), "--write") == 0
    old = (desk.root / "contacts/bac-giang.yml").read_bytes()
    rows: Rows = [made.CONTACT_HEADER, made.contact_row(name="Lê Mẫu")]
    other: Rows = [made.CONTACT_HEADER, made.contact_row(name="Vũ Mẫu")]
    assert desk.run(desk.sheet("b.xlsx", {"Đầu mối": other}), "--write") == 0
    newer = (desk.root / "contacts/bac-giang.yml").read_bytes()
    (desk.root / "contacts/bac-giang.yml").write_bytes(old)
    _meanwhile(monkeypatch, lambda: (desk.root / "contacts/bac-giang.yml").write_bytes(newer))
    assert desk.run(desk.sheet("c.xlsx", {"Đầu mối": rows}), "--write") == 9
    assert (desk.root / "contacts/bac-giang.yml").read_bytes() == newer


def _meanwhile(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Let somebody else act between the reading and the writing."""

    def later(*arguments: Any) -> tuple[str, ...]:
        act()
        return writing.write(*arguments)

    monkeypatch.setattr("provisioner.cli.import_.write", later)


def test_a_write_that_fails_half_way_says_what_is_written(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, text: str, *, within: Path) -> None:
        if path.name == "kcl-bg-002.yml":
            raise InventoryError(f"{path} cannot be written: No space left on device", hint="make room")
        write_atomic(path, text, within=within)

    monkeypatch.setattr("provisioner.importing.write.write_atomic", full)
    assert desk.run(desk.sheet("a.xlsx", clean_sheets()), "--write") == 3
    rest = f"{desk.root / NEW}, {desk.root / 'contacts/bac-giang.yml'}"
    assert f"written: {desk.root / SITE}; not written: {rest}" in desk.err
    monkeypatch.undo()
    assert desk.run(desk.folder / "a.xlsx", "--write") == 0
    assert NEW in desk.tree()


def test_rows_about_a_facility_whose_file_is_broken_are_told(desk: Desk) -> None:
    (desk.root / SITE).write_text(COMMENTED + "colour: red\n", encoding="utf-8")
    sheet = desk.sheet("a.xlsx", {"Camera": [made.CAMERA_HEADER, made.camera_row()]})
    assert desk.run(sheet, "--write") == 3
    assert "Tệp của kcl-bg-001 đang có lỗi" in desk.out
