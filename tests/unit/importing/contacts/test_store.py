"""The files of contacts: what opens them, what is kept, and what is said of a file that is not right."""

import multiprocessing
from pathlib import Path
from typing import Any

import pytest

from provisioner.base.errors import InventoryError, LockedError, SecretsError, UsageError
from provisioner.base.vault import decrypt, is_encrypted
from provisioner.importing.contacts.store import (
    contacts_folder,
    locked,
    read_contacts,
    render_contacts,
    valid_contacts,
    write_contacts,
)

from . import book

OWN = "contacts-bac-giang"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "contacts"


def test_what_is_written_is_encrypted_with_the_provinces_own_password(folder: Path, tmp_path: Path) -> None:
    keys = book.passwords(tmp_path / "keys", OWN)
    assert write_contacts(folder, "bac-giang", [book.contact(), book.other()], keys)
    data = (folder / "bac-giang.yml").read_bytes()
    assert data.startswith(b"$ANSIBLE_VAULT;1.2;AES256;contacts-bac-giang\n")
    assert (folder / "bac-giang.yml").stat().st_mode & 0o777 == 0o600
    assert book.NAME in decrypt(data, keys, name="f").decode()
    loaded = read_contacts(folder, keys)
    assert loaded.problems == ()
    assert loaded.files["bac-giang"].contacts == (book.contact(), book.other())


def test_the_same_contacts_in_any_order_leave_the_file_as_it_is(folder: Path, tmp_path: Path) -> None:
    keys = book.passwords(tmp_path / "keys", OWN)
    text = "# by hand\n" + render_contacts("bac-giang", [book.other(), book.contact()])
    before = book.put(folder, "bac-giang", text).read_bytes()
    assert not write_contacts(folder, "bac-giang", [book.contact(), book.other()], keys)
    assert (folder / "bac-giang.yml").read_bytes() == before
    assert write_contacts(folder, "bac-giang", [book.contact()], keys)
    assert read_contacts(folder, keys).files["bac-giang"].contacts == (book.contact(),)


def test_a_province_without_contacts_can_be_written_and_read(folder: Path, tmp_path: Path) -> None:
    keys = book.passwords(tmp_path / "keys", OWN)
    assert write_contacts(folder, "bac-giang", [], keys)
    assert read_contacts(folder, keys).files["bac-giang"].contacts == ()


@pytest.mark.parametrize("vault_id", ["contacts", "secrets", "default"])
def test_nothing_is_written_by_another_than_the_own_password(folder: Path, tmp_path: Path, vault_id: str) -> None:
    with pytest.raises(SecretsError) as caught:
        write_contacts(folder, "bac-giang", [book.contact()], book.passwords(tmp_path / "keys", vault_id))
    assert "no password is set for the vault id contacts-bac-giang" in caught.value.message
    assert "contacts-bac-giang@FILE" in caught.value.hint
    assert not list(folder.iterdir())


def test_one_password_for_all_provinces_opens_but_that_of_secrets_is_never_tried(folder: Path, tmp_path: Path) -> None:
    book.put(folder, "bac-giang", [book.contact()], "contacts")
    assert read_contacts(folder, book.passwords(tmp_path / "keys", "contacts")).files
    book.put(folder, "bac-giang", [book.contact()], OWN, "password of secrets")
    for ids in (["secrets"], ["secrets", "default"], ["secrets", OWN]):
        with pytest.raises(SecretsError):
            read_contacts(folder, book.passwords(tmp_path / "keys", *ids))


def test_a_province_is_opened_by_its_own_password_alone(folder: Path, tmp_path: Path) -> None:
    book.put(folder, "bac-giang", [book.contact()])
    book.put(folder, "hai-duong", [book.contact("kcl-hd-001")])
    keys = book.passwords(tmp_path / "keys", OWN)
    assert list(read_contacts(folder, keys, ["bac-giang"]).files) == ["bac-giang"]
    with pytest.raises(SecretsError, match="contacts-hai-duong"):
        read_contacts(folder, keys)


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("version: 1\nprovince: hai-duong\ncontacts: []\n", "contacts-file-misplaced", 2),
        ("version: 1\nprovince: bac-giang\n", "key-missing", 1),
        ("version: 1\nprovince: bac-giang\ncontacts:\n  - { facility: a, Canary: 1 }\n", "key-unknown", 4),
        ("version: 1\nprovince: bac-giang\ncontacts:\n  - full_name: [Canary\n", "yaml-syntax", 5),
        ("version: 1\nprovince: bac-giang\ncontacts: []\nCanary: 1\nCanary: 2\n", "key-duplicate", 5),
        (render_contacts("bac-giang", [book.contact()]).replace('"+84300777001"', "+84300777001"), "value-invalid", 10),
        (render_contacts("bac-giang", [book.contact()]).replace('"2021-05-07"', '"canary 2021"'), "value-invalid", 12),
        (render_contacts("bac-giang", [book.contact()]).replace('"representative"', '"Canary"'), "value-invalid", 7),
    ],
)
def test_a_file_that_is_not_right_is_reported_by_place_and_never_by_value(
    folder: Path, tmp_path: Path, text: str, code: str, line: int
) -> None:
    path = book.put(folder, "bac-giang", text)
    loaded = read_contacts(folder, book.passwords(tmp_path / "keys", OWN))
    reported = {(p.code, p.file, p.line) for p in loaded.problems}
    assert (code, str(path), line) in reported, loaded.problems
    assert loaded.broken == {"bac-giang"}
    assert not loaded.files
    printed = repr(loaded) + repr(loaded.problems)
    assert not [canary for canary in book.CANARIES if canary in printed]
    with pytest.raises(InventoryError) as caught:
        valid_contacts(folder, book.passwords(tmp_path / "keys", OWN))
    assert caught.value.problems == loaded.problems


def test_a_phone_number_without_quotes_is_reported_as_one(folder: Path, tmp_path: Path) -> None:
    text = render_contacts("bac-giang", [book.contact()]).replace(f'"{book.PHONE}"', book.PHONE)
    book.put(folder, "bac-giang", text)
    (problem,) = read_contacts(folder, book.passwords(tmp_path / "keys", OWN)).problems
    assert problem.message == (
        "contacts bac-giang: contact number 1: phone: this is no text, or an empty one: put it in quotes"
        " (a number in YAML loses its zero or plus)"
    )


def test_a_file_in_the_clear_is_an_error_that_says_what_to_do(folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    (folder / "bac-giang.yml").write_text(render_contacts("bac-giang", [book.contact()]), encoding="utf-8")
    (problem,) = read_contacts(folder, book.passwords(tmp_path / "keys", OWN)).problems
    assert problem.code == "contacts-not-encrypted"
    assert "ansible-vault encrypt --encrypt-vault-id contacts-bac-giang" in problem.hint


def test_a_file_that_nothing_reads_is_reported(folder: Path, tmp_path: Path) -> None:
    book.put(folder, "bac-giang", [])
    (folder / "bac-ninh.yaml").touch()
    (folder / "old").mkdir()
    (folder / "old" / "bac-giang.yml").touch()
    (folder / "README.md").touch()
    (folder / ".bac-giang.yml.swp.yml").touch()
    loaded = read_contacts(folder, book.passwords(tmp_path / "keys", OWN))
    assert [(p.code, p.file) for p in loaded.problems] == [
        ("file-unexpected", str(folder / "bac-ninh.yaml")),
        ("file-unexpected", str(folder / "old/bac-giang.yml")),
    ]


def test_the_folder_is_the_one_named_then_that_of_the_environment_then_the_inventorys(tmp_path: Path) -> None:
    named, set_, own = (tmp_path / name for name in ("named", "set", "inv/contacts"))
    for path in (named, set_, own):
        path.mkdir(parents=True)
    env = {"PROVISIONER_CONTACTS": str(set_)}
    assert contacts_folder(named, env, tmp_path / "inv") == named
    assert contacts_folder(None, env, tmp_path / "inv") == set_
    assert contacts_folder(None, {}, tmp_path / "inv") == own
    with pytest.raises(UsageError, match="there is no folder of contacts at") as caught:
        contacts_folder(None, {}, tmp_path)
    assert "PROVISIONER_CONTACTS" in caught.value.hint


def _write(folder: Path, keys: Any, results: Any) -> None:
    try:
        results.put(write_contacts(folder, "bac-giang", [book.contact()], keys))
    except LockedError as error:
        results.put(error.exit_code)


def test_two_writers_never_write_at_once(folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    keys = book.passwords(tmp_path / "keys", OWN)
    with locked(folder):
        writer = context.Process(target=_write, args=(folder, keys, results))
        writer.start()
        assert results.get(timeout=30) == 9
        writer.join()
    assert write_contacts(folder, "bac-giang", [book.contact()], keys)


def test_everything_on_the_disk_is_encrypted(folder: Path, tmp_path: Path) -> None:
    write_contacts(folder, "bac-giang", [book.contact()], book.passwords(tmp_path / "keys", OWN))
    assert [path.name for path in folder.rglob("*")] == ["bac-giang.yml"]
    assert is_encrypted((folder / "bac-giang.yml").read_bytes())
