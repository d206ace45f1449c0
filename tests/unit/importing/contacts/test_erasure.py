"""Erasing a person: nothing left on the disk opens what an old commit says, whenever the power fails."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from provisioner.base.errors import LockedError, PolicyError, SecretsError, UsageError
from provisioner.base.vault import VaultPasswords, opened_with
from provisioner.importing.contacts.erasure import Erasure, Person, erase, finish_interrupted, plan_erasure, search_term
from provisioner.importing.contacts.store import locked, read_contacts

from . import book

BG, HD = "contacts-bac-giang", "contacts-hai-duong"
PERSON = Person((search_term(book.PHONE),))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two provinces; the person is in both, and somebody else, too."""
    folder = tmp_path / "contacts"
    book.put(folder, "bac-giang", [book.contact(), book.other()])
    book.put(folder, "hai-duong", [book.contact("kcl-hd-001"), book.other(3, "kcl-hd-001")])
    return folder


@pytest.fixture
def keys(tmp_path: Path) -> VaultPasswords:
    return book.passwords(tmp_path / "keys", BG, HD)


def erased(folder: Path, keys: VaultPasswords, person: Person = PERSON, new_file: Path | None = None) -> Erasure:
    finish_interrupted(folder, keys)
    planned = plan_erasure(folder, keys, person, new_file)
    erase(folder, keys, person, planned)
    return planned


def contents(*folders: Path) -> Iterator[bytes]:
    """Everything on the disk that could be a password."""
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                yield path.read_bytes()


def opens(old: bytes, *folders: Path) -> bool:
    """Whether anything on the disk opens an old file."""
    return any(opened_with(old, content.strip(), name="old") is not None for content in contents(*folders))


def snapshot(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def test_the_person_is_gone_and_the_others_are_there(folder: Path, keys: VaultPasswords) -> None:
    planned = erased(folder, keys)
    assert [(one.province, one.contact.facility) for one in planned.contacts] == [
        ("bac-giang", "kcl-bg-001"),
        ("hai-duong", "kcl-hd-001"),
    ]
    files = read_contacts(folder, keys).files
    assert files["bac-giang"].contacts == (book.other(),)
    assert files["hai-duong"].contacts == (book.other(3, "kcl-hd-001"),)


def test_nothing_left_on_the_disk_opens_what_was_there(folder: Path, keys: VaultPasswords, tmp_path: Path) -> None:
    old = snapshot(folder)
    assert all(opens(data, tmp_path) for data in old.values())
    before = (tmp_path / "keys" / BG).stat()
    erased(folder, keys)
    assert not any(opens(data, tmp_path) for data in old.values())
    assert sorted(snapshot(tmp_path / "keys")) == [BG, HD]
    assert sorted(snapshot(folder)) == sorted(old)
    after = (tmp_path / "keys" / BG).stat()
    assert (after.st_mode, after.st_uid) == (before.st_mode, before.st_uid)


def test_the_old_passwords_own_bytes_are_overwritten(folder: Path, keys: VaultPasswords, tmp_path: Path) -> None:
    os.link(tmp_path / "keys" / BG, tmp_path / "the-same-bytes")
    old = (tmp_path / "the-same-bytes").read_bytes()
    erased(folder, keys)
    assert (tmp_path / "the-same-bytes").read_bytes() == bytes(len(old))


def test_a_province_without_the_person_keeps_its_file_and_password(folder: Path, tmp_path: Path) -> None:
    keys = book.passwords(tmp_path / "keys", BG, HD)
    (before, password) = (folder / "hai-duong.yml").read_bytes(), (tmp_path / "keys" / HD).read_bytes()
    erased(folder, keys, Person((search_term(book.PHONE),), ("kcl-bg-001",)))
    assert (folder / "hai-duong.yml").read_bytes() == before
    assert (tmp_path / "keys" / HD).read_bytes() == password


# --- interruption ---------------------------------------------------------------------------------
def dying_at(flush: int, action: Callable[[], object]) -> bool:
    """Do something in a process that is killed at a flush to the disk; returns whether it came so far."""
    child = os.fork()
    if child == 0:
        flushed, fsync = 0, os.fsync

        def count(handle: int) -> None:
            nonlocal flushed
            flushed += 1
            if flushed == flush:
                os._exit(9)
            fsync(handle)

        os.fsync = count  # type: ignore[assignment]
        try:
            action()
        except BaseException:  # noqa: BLE001 (the child may not go on with the tests)
            os._exit(1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in {0, 9}
    return code == 9


def test_whenever_it_dies_the_same_command_finishes_it(folder: Path, keys: VaultPasswords, tmp_path: Path) -> None:
    here = Person((search_term(book.PHONE),), ("kcl-bg-001",))
    first = {name: snapshot(tmp_path / name) for name in ("contacts", "keys")}
    flush = 1
    while dying_at(flush, lambda: erased(folder, keys, here)):
        erased(folder, keys, here)  # the same command again
        assert read_contacts(folder, keys).files["bac-giang"].contacts == (book.other(),), flush
        assert not opens(first["contacts"]["bac-giang.yml"], folder, tmp_path / "keys"), flush
        assert {name: sorted(snapshot(tmp_path / name)) for name in first} == {n: sorted(f) for n, f in first.items()}
        for name, files in first.items():
            lay(tmp_path / name, files)
        flush += 1
    assert flush > 6


def test_if_it_dies_between_provinces_it_goes_on_again(folder: Path, keys: VaultPasswords, tmp_path: Path) -> None:
    old = snapshot(folder)
    assert dying_at(8, lambda: erased(folder, keys))
    assert [one.province for one in erased(folder, keys).contacts] == ["hai-duong"]
    assert [len(file.contacts) for file in read_contacts(folder, keys).files.values()] == [1, 1]
    assert not any(opens(data, tmp_path) for data in old.values())


def lay(folder: Path, files: dict[str, bytes]) -> None:
    """Make a folder hold these files and no other."""
    shutil.rmtree(folder)
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)


def test_whenever_finishing_dies_it_can_be_finished_again(folder: Path, keys: VaultPasswords, tmp_path: Path) -> None:
    assert dying_at(5, lambda: erased(folder, keys))
    half = [snapshot(tmp_path / name) for name in ("contacts", "keys")]
    assert f"{BG}.renewed" in half[1]
    for flush in (1, 2, 3):
        for name, files in zip(("contacts", "keys"), half, strict=True):
            lay(tmp_path / name, files)
        dying_at(flush, lambda: finish_interrupted(folder, keys))
        finish_interrupted(folder, keys)
        assert set(read_contacts(folder, keys).files) == {"bac-giang", "hai-duong"}


def test_others_hear_of_an_interruption(folder: Path, keys: VaultPasswords) -> None:
    assert dying_at(5, lambda: erased(folder, keys))
    with pytest.raises(SecretsError) as caught:
        read_contacts(folder, keys)
    assert "an erasure was interrupted" in caught.value.hint
    assert "provisioner contacts erase" in caught.value.hint


def test_a_password_that_was_not_yet_needed_is_taken_back(folder: Path, keys: VaultPasswords, tmp_path: Path) -> None:
    old = snapshot(folder)
    assert dying_at(1, lambda: erased(folder, keys))
    assert (tmp_path / "keys" / f"{BG}.renewed").exists()
    assert finish_interrupted(folder, keys) == ()
    assert sorted(snapshot(tmp_path / "keys")) == [BG, HD]
    assert snapshot(folder) == old


def test_if_no_password_opens_contacts_nothing_is_removed(folder: Path, keys: VaultPasswords, tmp_path: Path) -> None:
    book.key(tmp_path / "keys", f"{BG}.renewed")
    book.put(folder, "bac-giang", [], password="a third one")
    with pytest.raises(SecretsError, match="neither"):
        finish_interrupted(folder, keys)
    assert (tmp_path / "keys" / f"{BG}.renewed").exists()


def test_a_folder_that_cannot_be_written_is_reported_and_the_command_can_be_repeated(
    folder: Path, keys: VaultPasswords, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = plan_erasure(folder, keys, PERSON, None)
    before = snapshot(folder)

    def full(_path: Path, _text: str, *, mode: int) -> None:  # noqa: ARG001 (the real one's)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("provisioner.importing.contacts.erasure.write_atomic", full)
        with pytest.raises(Exception, match=r"could not be renewed: .*No space left"):
            erase(folder, keys, PERSON, planned)
    assert snapshot(folder) == before
    assert erased(folder, keys).contacts == planned.contacts


# --- what is refused ------------------------------------------------------------------------------
def refused(folder: Path, keys: VaultPasswords, tmp_path: Path, new_file: Path | None = None) -> PolicyError:
    """The refusal, and see that nothing was changed by it."""
    before = snapshot(folder), snapshot(tmp_path / "keys")
    with pytest.raises(PolicyError) as caught:
        erased(folder, keys, new_file=new_file)
    assert (snapshot(folder), snapshot(tmp_path / "keys")) == before
    assert caught.value.exit_code == 6
    assert caught.value.hint
    return caught.value


def test_a_shared_password_is_refused(folder: Path, tmp_path: Path) -> None:
    book.put(folder, "hai-duong", [book.contact("kcl-hd-001")], "contacts")
    error = refused(folder, book.passwords(tmp_path / "keys", BG, "contacts"), tmp_path)
    assert "not encrypted with a password of their own" in error.message
    assert "ansible-vault rekey --new-vault-id contacts-hai-duong@" in error.hint


def test_a_password_that_stays_and_opens_the_contacts_is_refused(folder: Path, tmp_path: Path) -> None:
    book.environment(tmp_path / "keys", BG, HD)
    book.key(tmp_path / "keys", "copy", "password of contacts-bac-giang")
    entries = f"{BG}@{tmp_path}/keys/{BG},{HD}@{tmp_path}/keys/{HD},{BG}@{tmp_path}/keys/copy"
    keys = VaultPasswords.from_environment({"ANSIBLE_VAULT_IDENTITY_LIST": entries})
    assert "keys/copy, set for contacts-bac-giang, opens the contacts" in refused(folder, keys, tmp_path).message


@pytest.mark.parametrize("other", ["secrets", "contacts-quang-nam", "contacts"])
def test_a_password_of_something_else_is_refused(folder: Path, tmp_path: Path, other: str) -> None:
    book.environment(tmp_path / "keys", BG, HD)
    entries = f"{BG}@{tmp_path}/keys/{BG},{HD}@{tmp_path}/keys/{HD},{other}@{tmp_path}/keys/{BG}"
    keys = VaultPasswords.from_environment({"ANSIBLE_VAULT_IDENTITY_LIST": entries})
    assert f"is that of the vault id {other} as well" in refused(folder, keys, tmp_path).message


def test_a_password_that_opens_another_provinces_contacts_is_refused(folder: Path, tmp_path: Path) -> None:
    book.put(folder, "hai-duong", [book.contact("kcl-hd-001")], HD, f"password of {BG}")
    book.key(tmp_path / "keys", BG)
    book.key(tmp_path / "keys", HD, f"password of {BG}")
    entries = f"{BG}@{tmp_path}/keys/{BG},contacts-hai-duong@{tmp_path}/keys/{HD}"
    keys = VaultPasswords.from_environment({"ANSIBLE_VAULT_IDENTITY_LIST": entries})
    assert "as well" in refused(folder, keys, tmp_path).message


def test_a_program_is_refused_and_a_password_of_the_callers_own_is_taken(
    folder: Path, keys: VaultPasswords, tmp_path: Path
) -> None:
    program = book.key(tmp_path / "keys", BG, f"#!/bin/sh\necho 'password of {BG}'")
    program.chmod(0o700)
    error = refused(folder, keys, tmp_path)
    assert "is a program" in error.message
    assert "--new-password-file FILE" in error.hint
    person = Person((search_term(book.PHONE),), ("kcl-bg-001",))
    new, old = book.key(tmp_path, "new", "a new password"), (folder / "bac-giang.yml").read_bytes()
    planned = erased(folder, keys, person, new)
    assert [(r.source, r.new_password_file) for r in planned.renewals] == [(None, new)]
    data = (folder / "bac-giang.yml").read_bytes()
    assert data.startswith(b"$ANSIBLE_VAULT;1.2;AES256;contacts-bac-giang\n")
    assert opened_with(data, b"a new password", name="new")
    assert not opened_with(old, b"a new password", name="old")
    assert program.read_text(encoding="utf-8").startswith("#!/bin/sh")


@pytest.mark.parametrize("known", [BG, HD])
def test_a_known_password_is_refused_as_new(folder: Path, keys: VaultPasswords, tmp_path: Path, known: str) -> None:
    new = book.key(tmp_path, "new", f"password of {known}")
    person = Person((search_term(book.PHONE),), ("kcl-bg-001",))
    with pytest.raises(PolicyError, match="holds the password"):
        plan_erasure(folder, keys, person, new)


def test_one_new_password_for_two_provinces_is_refused(folder: Path, keys: VaultPasswords, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot serve several provinces"):
        plan_erasure(folder, keys, PERSON, book.key(tmp_path, "new"))


def test_a_password_that_cannot_be_written_is_refused(
    folder: Path, keys: VaultPasswords, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, _mode: Path(path).name != BG)
    assert "cannot be written" in refused(folder, keys, tmp_path).message


# --- Git ------------------------------------------------------------------------------------------
def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=n", "-c", "user.email=n@example.com")
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


def commit(folder: Path) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=contacts")


def versions(folder: Path) -> list[bytes]:
    """All that Git knows of a province's file."""
    argv = ["git", "-C", str(folder), "log", "--all", "--format=%H", "--", "bac-giang.yml"]
    commits = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.split()
    show = ["git", "-C", str(folder), "show"]
    return [subprocess.run([*show, f"{c}:./bac-giang.yml"], check=True, capture_output=True).stdout for c in commits]


def test_no_old_commit_can_be_opened_after_an_erasure(folder: Path, keys: VaultPasswords, tmp_path: Path) -> None:
    git(folder, "init", "--quiet")
    commit(folder)
    book.put(folder, "bac-giang", [book.contact(), book.other(), book.other(5)])
    commit(folder)
    git(folder, "checkout", "--quiet", "-b", "side", "HEAD~1")
    book.put(folder, "bac-giang", [book.contact(), book.other(6)])
    commit(folder)
    git(folder, "checkout", "--quiet", "-")
    planned = erased(folder, keys)
    assert [renewal.earlier for renewal in planned.renewals] == [3, 1]
    commit(folder)
    history = versions(folder)
    assert len(history) == 4
    assert sorted(opens(version, tmp_path / "keys") for version in history) == [False, False, False, True]


def test_a_commit_that_no_branch_has_any_more_counts_as_well(folder: Path, keys: VaultPasswords) -> None:
    git(folder, "init", "--quiet")
    commit(folder)
    book.put(folder, "bac-giang", [book.contact(), book.other(6)])
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--amend", "--no-edit")
    assert [renewal.earlier for renewal in erased(folder, keys).renewals] == [2, 1]


def test_a_second_erasure_counts_all_earlier_versions(folder: Path, keys: VaultPasswords) -> None:
    git(folder, "init", "--quiet")
    commit(folder)
    erased(folder, keys)
    commit(folder)
    planned = erased(folder, keys, Person((search_term("lien-he-2@example.com"),)))
    assert [renewal.earlier for renewal in planned.renewals] == [2]


@pytest.mark.parametrize("other", ["contacts", "secrets", "default"])
def test_an_old_commit_that_another_password_opens_is_refused(folder: Path, tmp_path: Path, other: str) -> None:
    book.put(folder, "bac-giang", [book.contact()], other)
    git(folder, "init", "--quiet")
    commit(folder)
    book.put(folder, "bac-giang", [book.contact()])
    entries = book.environment(tmp_path / "keys", BG, HD, other)
    if other == "default":
        entries = {"ANSIBLE_VAULT_IDENTITY_LIST": entries["ANSIBLE_VAULT_IDENTITY_LIST"].replace("default@", "")}
    keys = VaultPasswords.from_environment(entries)
    assert "or an earlier version of them" in refused(folder, keys, tmp_path).message


def test_an_old_commit_in_the_clear_is_refused(folder: Path, keys: VaultPasswords, tmp_path: Path) -> None:
    data = (folder / "bac-giang.yml").read_bytes()
    (folder / "bac-giang.yml").write_text("version: 1\n", encoding="utf-8")
    git(folder, "init", "--quiet")
    commit(folder)
    (folder / "bac-giang.yml").write_bytes(data)
    error = refused(folder, keys, tmp_path)
    assert "that is not encrypted" in error.message


def test_a_password_in_git_is_refused(folder: Path, keys: VaultPasswords, tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", f"keys/{BG}")
    assert "is in Git" in refused(folder, keys, tmp_path).message


# --- who is meant ---------------------------------------------------------------------------------
def person(*texts: str, facilities: tuple[str, ...] = ()) -> Person:
    return Person(tuple(search_term(text) for text in texts), facilities)


@pytest.fixture
def namesakes(tmp_path: Path, folder: Path) -> Path:
    """Somebody else of the same name, who shares nothing, and somebody at the same phone."""
    same_name = book.other(8, full_name=book.NAME)
    same_phone = book.other(9, phone=book.PHONE)
    book.put(folder, "bac-giang", [book.contact(), same_name, same_phone])
    book.put(folder, "hai-duong", [])
    assert tmp_path
    return folder


def test_a_name_that_several_people_may_bear_is_refused(namesakes: Path, keys: VaultPasswords) -> None:
    with pytest.raises(UsageError, match="several people may bear this name"):
        plan_erasure(namesakes, keys, person(book.NAME), None)


def test_a_phone_that_several_people_share_is_refused(namesakes: Path, keys: VaultPasswords) -> None:
    with pytest.raises(UsageError, match="different names"):
        plan_erasure(namesakes, keys, person(book.PHONE), None)


def test_name_and_phone_together_are_one_person_and_others_counted(namesakes: Path, keys: VaultPasswords) -> None:
    planned = plan_erasure(namesakes, keys, person(book.NAME, book.PHONE), None)
    assert [one.contact for one in planned.contacts] == [book.contact()]
    assert planned.related == 2


def test_a_part_of_a_name_erases_nobody(folder: Path, keys: VaultPasswords) -> None:
    assert plan_erasure(folder, keys, person("Hoàng Yến"), None).contacts == ()


def test_a_name_that_is_in_two_places_with_one_address_is_one_person(folder: Path, keys: VaultPasswords) -> None:
    book.put(folder, "hai-duong", [book.contact("kcl-hd-001", phone="+84300777009")])
    assert len(plan_erasure(folder, keys, person(book.NAME), None).contacts) == 2


def test_a_name_at_named_facilities_is_one_person(namesakes: Path, keys: VaultPasswords) -> None:
    planned = plan_erasure(namesakes, keys, person(book.NAME, facilities=("kcl-bg-001",)), None)
    assert len(planned.contacts) == 2


def test_a_province_that_cannot_be_opened_stops_the_search(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SecretsError, match="contacts-hai-duong"):
        plan_erasure(folder, book.passwords(tmp_path / "keys", BG), PERSON, None)


def test_contacts_that_change_meanwhile_are_not_erased_unseen(folder: Path, keys: VaultPasswords) -> None:
    planned = plan_erasure(folder, keys, PERSON, None)
    book.put(folder, "bac-giang", [book.contact(), book.contact(role="technician"), book.other()])
    with pytest.raises(LockedError, match="were changed while you were asked"):
        erase(folder, keys, PERSON, planned)


def test_two_erasures_never_run_at_once(folder: Path, keys: VaultPasswords) -> None:
    planned = plan_erasure(folder, keys, PERSON, None)
    before = snapshot(folder)
    with locked(folder), pytest.raises(LockedError):
        erase(folder, keys, PERSON, planned)
    with locked(folder), pytest.raises(LockedError):
        finish_interrupted(folder, keys)
    assert snapshot(folder) == before


@pytest.mark.parametrize("text", ["", "  ", "12", "canary@", "0300 777", "-", "..."])
def test_what_could_match_nobody_or_everybody_is_no_person(text: str) -> None:
    with pytest.raises(UsageError, match="no phone number, no e-mail address and no name") as caught:
        search_term(text)
    assert text.strip() == "" or f"{text} " not in caught.value.message
