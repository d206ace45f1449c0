"""`provisioner contacts` as it is called: documents, exit codes, the access log, and what is never printed."""

import io
import json
import os
import pwd
import sys
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from provisioner.base.vault import VaultPasswords
from provisioner.cli.main import run
from provisioner.importing.contacts.store import read_contacts
from tests import inventories
from tests.unit.importing.contacts import book

EXAMPLE = Path(__file__).parents[3] / "inventories" / "example"
ME = pwd.getpwuid(os.getuid()).pw_name
FOR = ["--purpose", "CV 1407"]


class Answer(NamedTuple):
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found


class Program:
    """The program over one inventory, with the passwords of some vault ids."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.root = book.inventory(
            folder / "inv",
            inventories.facility(),
            inventories.facility("kcl-bg-002", operating="standby"),
            inventories.facility("kcl-hd-001", province="hai-duong"),
        )
        self.contacts = self.root / "contacts"
        book.put(self.contacts, "bac-giang", [book.contact(), book.other(), book.other(3, valid_to="2021-05-08")])
        book.put(self.contacts, "hai-duong", [book.contact("kcl-hd-001"), book.other(4, "kcl-hd-001")])
        self.env = book.environment(folder / "keys", "contacts-bac-giang", "contacts-hai-duong")
        self.env["XDG_STATE_HOME"] = str(folder / "state")
        self.log = folder / "state/provisioner/test/contacts-access.log"
        self._capsys = capsys

    def __call__(self, *arguments: str, output: str = "text") -> Answer:
        code = run(["-i", str(self.root), "--output", output, "contacts", *arguments], self.env)
        return Answer(code, *self._capsys.readouterr())

    def logged(self) -> list[dict[str, Any]]:
        lines = self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []
        return [json.loads(line) for line in lines]


@pytest.fixture
def program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Program:
    return Program(tmp_path, capsys)


def shows_nothing(*texts: str) -> bool:
    return not [canary for canary in book.CANARIES if canary in "".join(texts)]


# --- check ----------------------------------------------------------------------------------------
def test_check_of_good_contacts(program: Program) -> None:
    assert program("check") == (0, "valid: 5 contacts in 2 provinces\n", "")
    assert program("check", "--province", "hai-duong", output="json").document == {
        "schema": "provisioner/contacts",
        "version": 1,
        "command": "check",
        "ok": True,
        "provinces": ["hai-duong"],
        "contacts": 2,
        "problems": [],
    }


def test_check_tells_place_and_field_and_no_value(program: Program) -> None:
    path = book.put(
        program.contacts, "bac-giang", [book.contact(phone="0300 777 001"), book.other(phone="+8419001234")]
    )
    found = program("check")
    contact = "contacts bac-giang: contact"
    assert found.code == 3
    assert found.out.splitlines() == [
        f"error: {path}:10:12: {contact} 1 (kcl-bg-001): phone: the phone number is not in the form +84300000001",
        "  hint: write country code and digits, in quotes, without spaces",
        f"warning: {path}:18:12: {contact} 2 (kcl-bg-001): phone: a service number (1800, 1900), not a person's",
        "  hint: ask for a number at which the person answers",
        "invalid: 1 error, 1 warning (4 contacts in 2 provinces)",
    ]
    document = program("check", output="json").document
    assert document["ok"] is False
    assert [(p["code"], p["object"]) for p in document["problems"]] == [
        ("phone-form", "contacts/bac-giang"),
        ("phone-service", "contacts/bac-giang"),
    ]


def test_check_tells_of_a_province_without_contacts(program: Program) -> None:
    (program.contacts / "hai-duong.yml").unlink()
    found = program("check")
    assert found.code == 3
    assert "facility kcl-hd-001: there is no current representative" in found.out


def test_check_of_one_province_needs_its_password_alone(program: Program, tmp_path: Path) -> None:
    program.env |= book.environment(tmp_path / "keys", "contacts-bac-giang")
    assert program("check", "--province", "bac-giang").code == 0
    found = program("check")
    assert found.code == 12
    assert "contacts-hai-duong@FILE to ANSIBLE_VAULT_IDENTITY_LIST" in found.err


# --- list -----------------------------------------------------------------------------------------


def test_list_names_open_facilities_without_a_representative(program: Program, tmp_path: Path) -> None:
    book.put(program.contacts, "bac-giang", [book.other()])
    out = tmp_path / "list.xlsx"
    found = program("list", "--province", "bac-giang", "--out", str(out), *FOR, output="json")
    assert found.document == {
        "schema": "provisioner/contacts",
        "version": 1,
        "command": "list",
        "file": str(out),
        "province": "bac-giang",
        "contacts": 1,
        "without_representative": ["kcl-bg-001"],
    }


def test_list_overwrites_nothing_unless_it_is_told_to(program: Program, tmp_path: Path) -> None:
    out = tmp_path / "list.xlsx"
    out.write_text("mine", encoding="utf-8")
    arguments = ("list", "--province", "bac-giang", "--out", str(out), *FOR)
    found = program(*arguments)
    assert found.code == 2
    assert "is there already" in found.err
    assert out.read_text(encoding="utf-8") == "mine"
    assert program.logged() == []
    assert program(*arguments, "--force").code == 0
    assert out.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["list.xlsx"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["list", "--province", "atlantis", "--out", "l.xlsx", *FOR], "there is no province atlantis"),
        (["list", "--province", "bac-giang", "--out", "/nowhere/l.xlsx", *FOR], "there is no folder /nowhere"),
        (["list", "--province", "bac-giang", "--out", "l.xlsx"], "Missing option '--purpose'"),
        (["check", "--province", "atlantis"], "there is no province atlantis"),
        (["check", "--contacts", "/nowhere"], "there is no folder of contacts at /nowhere"),
        (["find", *FOR], "Missing argument"),
        (["find", "12", *FOR], "no phone number, no e-mail address and no name"),
        (["find", "Người Không Có", *FOR], "no record matches"),
    ],
)
def test_wrong_usage_ends_with_2(program: Program, arguments: list[str], words: str) -> None:
    found = program(*arguments)
    assert (found.code, found.out) == (2, "")
    assert words in found.err
    assert "hint: " in found.err


# --- find -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "text", [book.PHONE, "0300.777.001", book.EMAIL.upper(), book.NAME, "hoang yen", "NGUYEN THI HOANG YEN canary"]
)
def test_find_tells_the_places_of_a_person_and_nothing_else(program: Program, text: str) -> None:
    found = program("find", text, *FOR)
    assert (found.code, found.err) == (0, "")
    assert found.out.splitlines() == [
        "bac-giang  kcl-bg-001  representative  from 2021-05-07 on",
        "hai-duong  kcl-hd-001  representative  from 2021-05-07 on",
        "2 records found, 2 provinces searched",
    ]


def test_find_shows_personal_data_on_request(program: Program) -> None:
    found = program("find", book.PHONE, "--facility", "kcl-hd-001", "--show", *FOR, output="json")
    assert found.document["found"] == [
        {
            "province": "hai-duong",
            "facility": "kcl-hd-001",
            "role": "representative",
            "valid_from": "2021-05-07",
            "valid_to": "",
            "full_name": book.NAME,
            "title": book.TITLE,
            "phone": book.PHONE,
            "email": book.EMAIL,
            "note": book.NOTE,
            "source": "",
        }
    ]
    assert book.NAME in program("find", book.PHONE, "--show", *FOR).out


def test_find_reads_standard_input_so_that_no_process_list_has_the_person(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{book.NAME}\n0300 777 001\n"))
    assert program("find", "-", *FOR).out.endswith("2 records found, 2 provinces searched\n")
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{book.NAME}\n0300 777 002\n"))
    assert program("find", "-", *FOR).code == 2
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    assert "nothing to search for" in program("find", "-", *FOR).err


def test_find_exports_the_records_for_the_person(program: Program, tmp_path: Path) -> None:
    out = tmp_path / "person.json"
    found = program("find", book.PHONE, "--out", str(out), *FOR)
    assert found.out.endswith(f"wrote {out}: it holds personal data\n")
    assert shows_nothing(found.out, found.err)
    assert out.stat().st_mode & 0o777 == 0o600
    exported = json.loads(out.read_text(encoding="utf-8"))
    assert [record["full_name"] for record in exported["records"]] == [book.NAME, book.NAME]
    assert program("find", book.PHONE, "--out", str(out), *FOR).code == 2


def test_find_never_passes_over_a_province_that_cannot_be_opened(program: Program, tmp_path: Path) -> None:
    program.env |= book.environment(tmp_path / "keys", "contacts-bac-giang")
    found = program("find", book.PHONE, *FOR)
    assert (found.code, found.out) == (12, "")


def test_who_is_not_found_is_not_named(program: Program) -> None:
    found = program("find", "Canary Ai Đó", *FOR, output="json")
    assert found.document["code"] == "usage"
    assert found.document["hint"].startswith("searched: bac-giang, hai-duong;")
    assert shows_nothing(found.out, found.err)


# --- erase ----------------------------------------------------------------------------------------
def test_erase_removes_the_person_and_says_what_is_left_to_do(program: Program, tmp_path: Path) -> None:
    found = program("erase", book.PHONE, "--yes", *FOR)
    keys = tmp_path / "keys"
    assert found.code == 0
    assert found.out.splitlines() == [
        "bac-giang  kcl-bg-001  representative  from 2021-05-07 on",
        "hai-duong  kcl-hd-001  representative  from 2021-05-07 on",
        "erased 2 records",
        f"contacts-bac-giang: {keys}/contacts-bac-giang holds a new password; the old one is destroyed there",
        "  copies of the old password elsewhere still open old commits: have them destroyed",
        "  Git: nothing is known of earlier versions here",
        f"  commit {program.contacts}/bac-giang.yml",
        f"contacts-hai-duong: {keys}/contacts-hai-duong holds a new password; the old one is destroyed there",
        "  copies of the old password elsewhere still open old commits: have them destroyed",
        "  Git: nothing is known of earlier versions here",
        f"  commit {program.contacts}/hai-duong.yml",
    ]
    assert program("find", book.PHONE, *FOR).code == 2
    assert program("find", "lien-he-2@example.com", *FOR).code == 0


def test_erase_as_a_document(program: Program, tmp_path: Path) -> None:
    found = program("erase", book.PHONE, "--facility", "kcl-bg-001", "--yes", *FOR, output="json").document
    assert found == {
        "schema": "provisioner/contacts",
        "version": 1,
        "command": "erase",
        "erased": [
            {
                "province": "bac-giang",
                "facility": "kcl-bg-001",
                "role": "representative",
                "valid_from": "2021-05-07",
                "valid_to": "",
            }
        ],
        "renewed": [
            {
                "province": "bac-giang",
                "file": str(program.contacts / "bac-giang.yml"),
                "password_file": str(tmp_path / "keys/contacts-bac-giang"),
                "old_password": "destroyed",
                "earlier_versions": None,
            }
        ],
        "finished": [],
        "related": 1,
    }


def test_erase_asks_and_without_an_answer_changes_nothing(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path: path.read_bytes() for path in program.folder.rglob("*") if path.is_file()}
    found = program("erase", book.PHONE, *FOR)
    assert found.code == 2
    assert "nobody is here to answer" in found.err
    for answer, code in (("n\n", 130), ("y\n", 0)):
        monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
        monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
        assert {path: path.read_bytes() for path in before} == before
        found = program("erase", book.PHONE, *FOR)
        assert found.code == code
        assert "Erase 2 records and renew the password of contacts-bac-giang, contacts-hai-duong?" in found.err
        assert shows_nothing(found.out, found.err)


def test_erase_with_a_program_says_exactly_what_to_do(program: Program, tmp_path: Path) -> None:
    store = book.key(tmp_path / "keys", "contacts-bac-giang", "#!/bin/sh\necho password of contacts-bac-giang")
    store.chmod(0o700)
    arguments = ("erase", book.PHONE, "--facility", "kcl-bg-001", "--yes", *FOR)
    found = program(*arguments)
    assert found.code == 6
    assert f"{store} is a program" in found.err
    assert "--new-password-file FILE" in found.err
    assert program.logged() == []
    new = book.key(tmp_path, "new")
    done = program(*arguments, "--new-password-file", str(new))
    assert done.code == 0
    assert f"contacts-bac-giang: encrypted with the password of {new}" in done.out
    assert "destroy the old one and its versions there" in done.out


# --- the access log -------------------------------------------------------------------------------
def test_each_access_leaves_a_line_without_the_person(program: Program, tmp_path: Path) -> None:
    program("check")
    program("list", "--province", "bac-giang", "--out", str(tmp_path / "l.xlsx"), "--requester", "Bộ", *FOR)
    program("find", book.NAME, *FOR)
    program("find", book.PHONE, "--show", *FOR)
    program("find", book.PHONE, "--out", str(tmp_path / "p.json"), *FOR)
    program("find", "Người Canary Khác", *FOR)
    program("erase", book.PHONE, "--facility", "kcl-bg-001", "--yes", *FOR)
    both = ["bac-giang", "hai-duong"]
    lines = program.logged()
    assert [
        (line["action"], line["requester"], line["purpose"], line["provinces"], line["records"]) for line in lines
    ] == [
        ("check", ME, "check", both, 5),
        ("list", "Bộ", "CV 1407", ["bac-giang"], 2),
        ("find", ME, "CV 1407", both, 2),
        ("show", ME, "CV 1407", both, 2),
        ("export", ME, "CV 1407", both, 2),
        ("find", ME, "CV 1407", both, 0),
        ("erase", ME, "CV 1407", ["bac-giang"], 1),
    ]
    assert {line["user"] for line in lines} == {ME}
    offsets = {datetime.fromisoformat(line["at"]).utcoffset() for line in lines}
    assert [str(offset) for offset in offsets] == ["7:00:00"]
    assert program.log.stat().st_mode & 0o777 == 0o600
    assert shows_nothing(program.log.read_text(encoding="utf-8"))


@pytest.mark.parametrize("command", ["find", "erase", "list", "check"])
@pytest.mark.parametrize("option", ["--purpose", "--requester"])
@pytest.mark.parametrize("private", ["who is 0300 777 001?", f"mail from {book.EMAIL.upper()}", "canary 0300 777 999"])
def test_no_phone_number_or_e_mail_address_reaches_the_log(
    program: Program, tmp_path: Path, command: str, option: str, private: str
) -> None:
    words = {"find": [book.NAME], "erase": [book.NAME, "--yes"], "check": []}
    of_list = ["--province", "bac-giang", "--out", str(tmp_path / "list.xlsx")]
    found = program(command, *words.get(command, of_list), *FOR, option, private)
    assert (found.code, "the access log holds no personal data" in found.err) == (2, True)
    assert (program.logged(), shows_nothing(found.out, found.err)) == ([], True)


@pytest.mark.parametrize("option", ["--purpose", "--requester"])
def test_a_purpose_that_names_a_person_is_refused(program: Program, tmp_path: Path, option: str) -> None:
    of_list = ["--province", "bac-giang", "--out", str(tmp_path / "list.xlsx")]
    of_person = [["find", book.NAME], ["find", "Trần Văn Mẫu"], ["erase", book.PHONE, "--yes"]]
    for words in [["check"], ["list", *of_list], *of_person]:
        found = program(*words, *FOR, option, "request of nguyen thi hoang yen canary")
        assert (found.code, "names a person" in found.err) == (2, True)
    assert (program.logged(), (tmp_path / "list.xlsx").exists()) == ([], False)


def test_without_a_log_nothing_is_shown_and_nothing_is_done(program: Program, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("no folder", encoding="utf-8")
    before = {path: path.read_bytes() for path in program.contacts.iterdir()}
    out = tmp_path / "out"
    for arguments in (
        ("check",),
        ("find", book.PHONE, "--show", *FOR),
        ("find", book.PHONE, "--out", str(out), *FOR),
        ("list", "--province", "bac-giang", "--out", str(out), *FOR),
        ("erase", book.PHONE, "--yes", *FOR),
    ):
        found = program(*arguments)
        assert (found.code, found.out) == (6, "")
        assert "the access cannot be recorded" in found.err
    assert not out.exists()
    assert {path: path.read_bytes() for path in program.contacts.iterdir()} == before


# --- the rest -------------------------------------------------------------------------------------
@pytest.mark.parametrize("output", ["text", "json"])
@pytest.mark.parametrize(
    "broken",
    [
        "version: 1\nprovince: bac-giang\ncontacts: [Canary\n",
        "version: 1\nprovince: bac-giang\ncontacts:\n  - { facility: Canary, full_name: canary-yen@example.com }\n",
        "Canary",
    ],
)
def test_no_error_shows_what_a_file_holds(program: Program, broken: str, output: str, tmp_path: Path) -> None:
    book.put(program.contacts, "bac-giang", broken)
    for arguments in (
        ("check",),
        ("list", "--province", "bac-giang", "--out", str(tmp_path / "l.xlsx"), *FOR),
        ("find", book.PHONE, *FOR),
        ("erase", book.PHONE, "--yes", *FOR),
    ):
        found = program(*arguments, output=output)
        assert found.code == 3
        assert shows_nothing(found.out, found.err)


def test_an_inventory_that_cannot_be_understood_is_told(program: Program) -> None:
    (program.root / "inventory.yml").write_text("version: [\n", encoding="utf-8")
    found = program("check")
    assert found.code == 3
    assert "inventory.yml:2:1" in found.err


def test_the_examples_contacts_open_with_the_examples_passwords_and_are_good(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = sorted((EXAMPLE / ".contacts-passwords").iterdir())
    listed = ",".join(f"contacts-{path.name}@{path}" for path in keys)
    env = {"ANSIBLE_VAULT_IDENTITY_LIST": listed, "XDG_STATE_HOME": str(tmp_path)}
    assert run(["-i", str(EXAMPLE), "contacts", "check"], env) == 0
    assert capsys.readouterr().out.startswith("valid: ")
    files = read_contacts(EXAMPLE / "contacts", VaultPasswords.from_environment(env)).files
    assert sorted(files) == [path.name for path in keys]
    for file in files.values():
        for contact in file.contacts:
            assert contact.email
            assert contact.phone
            assert contact.email.reveal().endswith("@example.com")
            assert contact.phone.reveal().startswith("+843000000")
