"""A person's records: search and erasure; renewal of the password.

A person is searched by phone, e-mail or name. Erasure removes the current records. Git keeps earlier versions of the
file: erasing a person helps only if no password opens them any more, so the province's password is renewed.

The order makes every moment safe. The new password is on the disk before a file needs it. The old one is destroyed
after the last file that needed it is replaced. Each step is flushed before the next.

    1  write the new password beside the old one, as FILE.renewed
    2  write the contacts under the new password, and replace the old file
    3  overwrite the old password in place
    4  rename FILE.renewed to FILE

After a crash FILE.renewed exists. `finish` sees which password opens the contacts, and continues from 3 or reverts 1.
"""

import os
import re
import secrets as random
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from provisioner.base.errors import InventoryError, LockedError, PolicyError, SecretsError, UsageError
from provisioner.base.files import write_atomic
from provisioner.base.git import Checkout, ask_git, checkout_of
from provisioner.base.secret import Secret
from provisioner.base.vault import VaultPasswords, encrypt, is_encrypted, is_program, opened_with, read_password
from provisioner.base.vietnamese import fold
from provisioner.importing.contacts import store
from provisioner.importing.contacts.fields import read_email, read_phone

#: The limit for all commits' trees together; a province's contacts alone take a thousandth of it.
_MOST_BYTES: Final = 1024 * 1024 * 1024
_RANDOM_BYTES = 32


@dataclass(frozen=True)
class Renewal:
    """A province's contacts and the password to change."""

    province: str
    file: Path
    source: Path | None  #: The old password's file; `None` if the caller keeps the password elsewhere.
    new_password_file: Path | None  #: The file of a password from the caller; `None` draws one.
    earlier: int | None  #: The number of versions in Git here, if known.

    @property
    def password_file(self) -> Path | None:
        """The new password's file."""
        return self.source or self.new_password_file


def earlier_versions(path: Path) -> tuple[bytes, ...] | None:
    """Return a file's versions in branches, stash and reflog; `None` if unknown."""
    checkout = checkout_of(path.parent)
    if checkout is None:
        return None
    name = _name_of(path, checkout)
    listed = _git_output(checkout, "rev-list", "--all", "--reflog", "--objects", "--", name)
    if listed is None:
        return None
    named = (line.split(" ", 1) for line in listed.decode("utf-8", "replace").splitlines())
    blobs = [parts[0] for parts in named if len(parts) > 1 and parts[1].rpartition("/")[2] == path.name]
    contents = [_git_output(checkout, "cat-file", "blob", blob) for blob in dict.fromkeys(blobs)]
    return None if None in contents else tuple(content for content in contents if content is not None)


def is_in_git_history(path: Path) -> bool:
    """Return whether a password was ever in Git, and is thus indestructible."""
    checkout = checkout_of(path.parent)
    staged = _git_output(checkout, "ls-files", "--", _name_of(path, checkout)) if checkout else None
    return bool(staged) or bool(earlier_versions(path))


def _name_of(path: Path, checkout: Checkout) -> str:
    return checkout.relative(path.parent.resolve() / path.name)


def _git_output(checkout: Checkout, *arguments: str) -> bytes | None:
    try:
        done = ask_git(checkout, *arguments, most_bytes=_MOST_BYTES)
    except UsageError:
        return None
    return done.output if done.code == 0 else None


def prepare(folder: Path, province: str, passwords: VaultPasswords, new_password_file: Path | None) -> Renewal:
    """Check whether a province's password can be renewed; change nothing.

    If not, or if the old one would still open something, it raises `PolicyError` with the next step. A password
    that cannot be read raises `SecretsError`.
    """
    file = store.file_of(folder, province)
    data = file.read_bytes()
    source, password = _source_that_opens(data, passwords, province, file)
    if new_password_file is None:
        _refuse_unwritable(source, province)
    _refuse_shared(folder, province, passwords, source, password)
    earlier = earlier_versions(file)
    _refuse_readable(file, (data, *(earlier or ())), passwords, province, source)
    if new_password_file is not None:
        _refuse_used_password(new_password_file, province, passwords)
    count = None if earlier is None else len(earlier)
    return Renewal(province, file, None if new_password_file else source.resolve(), new_password_file, count)


def renew(renewal: Renewal, plain: bytes) -> None:
    """Encrypt new content with a new password; destroy the old one.

    An unwritable file raises `InventoryError`; after `finish` the same call continues. A password that cannot be
    read raises `SecretsError`.
    """
    name = store.vault_id(renewal.province)
    try:
        if renewal.source is None:
            _replace(renewal, plain, _password_of_caller(renewal))
            return
        waiting = store.pending(renewal.source)
        _write_new(waiting, random.token_urlsafe(_RANDOM_BYTES).encode() + b"\n", renewal.source)
        _replace(renewal, plain, read_password(waiting, name, {}))
        _switch(renewal.source)
    except OSError as error:
        hint = "correct the folder's permissions or make room, then run the same command again: it goes on from there"
        message = f"the password of {name} could not be renewed: {error.filename or renewal.source}: {error.strerror}"
        raise InventoryError(message, hint=hint, object=renewal.province) from None


def finish(folder: Path, passwords: VaultPasswords, provinces: Iterable[str]) -> tuple[str, ...]:
    """Finish interrupted renewals, or raise `SecretsError`; return the renewed provinces."""
    done = []
    for province in provinces:
        for _, named in passwords.only(store.vault_id(province)).sources:
            source = named.resolve()
            if store.pending(source).exists() and _finish(store.file_of(folder, province), source, province):
                done.append(province)
    return tuple(done)


def _finish(file: Path, source: Path, province: str) -> bool:
    """Continue after the last step; return whether the new password applies."""
    for draft in file.parent.glob(f".{file.name}.????????"):
        draft.unlink()  # the new file, before it had its name
    data, name = file.read_bytes(), store.vault_id(province)
    if _opens(data, store.pending(source), name, file):
        _switch(source)
        return True
    if not _opens(data, source, name, file):
        hint = f"take {file} back from Git, or the password's file from a backup"
        raise SecretsError(f"{file}: neither {source} nor {store.pending(source)} opens it", hint=hint, object=province)
    store.pending(source).unlink()
    return False


def _opens(data: bytes, source: Path, name: str, file: Path) -> bool:
    try:
        return opened_with(data, read_password(source, name, {}), name=str(file)) is not None
    except SecretsError:
        return False  # half written, or overwritten: it opens nothing


def _password_of_caller(renewal: Renewal) -> bytes:
    path = renewal.new_password_file
    return read_password(path, store.vault_id(renewal.province), {}) if path else b""


def _replace(renewal: Renewal, plain: bytes, password: bytes) -> None:
    text = encrypt(plain, password, store.vault_id(renewal.province))
    if opened_with(text.encode(), password, name=str(renewal.file)) != plain:
        raise InventoryError(f"{renewal.file}: what was encrypted does not open again", hint="nothing was changed")
    write_atomic(renewal.file, text, mode=0o600)
    _flush_folder(renewal.file.parent)


def _write_new(path: Path, content: bytes, like: Path) -> None:
    """Write a password file with another file's mode and owner."""
    model = like.stat()
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as stream:
        stream.write(content)
        os.fchmod(stream.fileno(), stat.S_IMODE(model.st_mode))
        with suppress(PermissionError):
            os.fchown(stream.fileno(), model.st_uid, model.st_gid)
        stream.flush()
        os.fsync(stream.fileno())
    _flush_folder(path.parent)


def _switch(source: Path) -> None:
    """Overwrite the old password in place, then rename the new file."""
    handle = os.open(source, os.O_WRONLY)
    try:
        os.pwrite(handle, bytes(os.fstat(handle).st_size), 0)
        os.fsync(handle)
    finally:
        os.close(handle)
    store.pending(source).replace(source)
    _flush_folder(source.parent)


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# --- what stands against a renewal ----------------------------------------------------------------
def _source_that_opens(data: bytes, passwords: VaultPasswords, province: str, file: Path) -> tuple[Path, bytes]:
    own_passwords, name = passwords.only(store.vault_id(province)), store.vault_id(province)
    for _, path in own_passwords.sources:
        password = read_password(path, name, passwords.env)
        if opened_with(data, password, name=str(file)) is not None:
            return path, password
    raise PolicyError(
        f"the contacts of {province} are not encrypted with a password of their own",
        hint=f"give the province one first, and destroy the shared one:"
        f" ansible-vault rekey --new-vault-id {name}@NEWFILE {file}",
        object=province,
    )


def _refuse_unwritable(source: Path, province: str) -> None:
    elsewhere = (
        f"make a new password in your store, write it into a file of mode 0600, run the command with"
        f" --new-password-file FILE, then put it in the place of the old one for {store.vault_id(province)} and destroy"
        " the old one and its versions in the store"
    )
    if is_program(source):
        raise PolicyError(f"{source} is a program: it cannot be given a new password", hint=elsewhere, object=province)
    place = source.resolve()
    if not os.access(place, os.W_OK) or not os.access(place.parent, os.W_OK):
        raise PolicyError(f"{place} cannot be written: its password cannot be renewed", hint=elsewhere, object=province)
    if is_in_git_history(place):
        raise PolicyError(
            f"{place} is in Git: the password cannot be destroyed",
            hint="take the password out of Git with its history, then run the command again",
            object=province,
        )


def _refuse_shared(folder: Path, province: str, passwords: VaultPasswords, source: Path, password: bytes) -> None:
    """Refuse a password that also opens something else."""
    for known_id, path in passwords.sources:
        same = path == source or path.resolve() == source.resolve()
        if known_id != store.vault_id(province) and (same or _plain(path) == password):
            _raise_shared(f"the vault id {known_id}", province)
    for other_province in store.provinces_in(folder):
        file = store.file_of(folder, other_province)
        if other_province != province and opened_with(file.read_bytes(), password, name=str(file)) is not None:
            _raise_shared(f"the contacts of {other_province}", province)


def _raise_shared(owner: str, province: str) -> None:
    raise PolicyError(
        f"the password of {store.vault_id(province)} is that of {owner} as well",
        hint=f"give {owner} another password first: ansible-vault rekey",
        object=province,
    )


def _plain(path: Path) -> bytes | None:
    try:
        return None if is_program(path) else path.read_bytes().strip()
    except OSError:
        return None


def _refuse_readable(
    file: Path, versions: Collection[bytes], passwords: VaultPasswords, province: str, source: Path
) -> None:
    """Refuse if a remaining password opens an earlier version."""
    if not all(is_encrypted(version) for version in versions):
        raise PolicyError(
            f"Git has an earlier version of {file} that is not encrypted",
            hint="take that version out of Git's history everywhere, then run the command again",
            object=province,
        )
    # Also those of `secrets/`: they never read contacts, but an old commit may be tried with them.
    remaining = [(name, path) for name, path in passwords.sources if path != source]
    for known_id, path in remaining:
        password = read_password(path, known_id, passwords.env)
        if any(_version_opens(version, password, file) for version in versions):
            raise PolicyError(
                f"{path}, set for {known_id}, opens the contacts of {province} or an earlier version of them",
                hint="destroy that password as well, take it out of ANSIBLE_VAULT_IDENTITY_LIST, then run this again",
                object=province,
            )


def _version_opens(version: bytes, password: bytes, file: Path) -> bool:
    try:
        return opened_with(version, password, name=str(file)) is not None
    except SecretsError:
        return False  # a version that is no vault file any more


def _refuse_used_password(new_file: Path, province: str, passwords: VaultPasswords) -> None:
    """Refuse a new password that is already in use."""
    new = read_password(new_file, store.vault_id(province), {})
    in_use: Mapping[Path, bytes | None] = {path: _plain(path) for _, path in passwords.sources if path != new_file}
    for path, password in in_use.items():
        if password == new:
            raise PolicyError(f"{new_file} holds the password of {path}", hint="make a new one", object=province)
    for known_id, path in passwords.only(store.vault_id(province)).sources:
        if path != new_file and read_password(path, known_id, passwords.env) == new:
            raise PolicyError(
                f"{new_file} holds the password that {path} gives", hint="make a new one", object=province
            )


_LAST_DIGITS = 8  #: This many digits of a phone number identify a person.


@dataclass(frozen=True, slots=True)
class LocatedContact:
    """A contact and its province."""

    province: str
    contact: store.Contact


@dataclass(frozen=True, slots=True)
class SearchTerm:
    """A phone number, an e-mail address, or a (part of a) name."""

    text: Secret
    phone: Secret | None
    email: str
    name: str

    def names(self, contact: store.Contact, *, exact: bool) -> bool:
        """Return whether a contact matches; `exact` excludes parts of a name."""
        if self.phone:
            return contact.phone is not None and _phone_of(contact) == self.phone
        if self.email:
            return store.revealed(contact.email).casefold() == self.email
        name = fold(contact.full_name.reveal())
        return name == self.name or (not exact and f"-{self.name}-" in f"-{name}-")

    def is_named_in(self, text: str) -> bool:
        """Return whether a text, e.g. a search's purpose, contains this term."""
        if self.phone:
            return self.phone.reveal()[-_LAST_DIGITS:] in re.sub(r"[^0-9]", "", text)
        return self.email in text.casefold() if self.email else f"-{self.name}-" in f"-{fold(text)}-"


@dataclass(frozen=True)
class Person:
    """The search terms and facilities of a person to erase."""

    terms: tuple[SearchTerm, ...]
    facilities: tuple[str, ...] = ()


@dataclass(frozen=True)
class Erasure:
    """A planned or finished erasure."""

    contacts: tuple[LocatedContact, ...]
    renewals: tuple[Renewal, ...]  #: The passwords to renew, one per province.
    related: int  #: The number of other records with the same phone, e-mail or name.


# --- search ----------------------------------------------------------------------------------------
def search_term(text: str) -> SearchTerm:
    """Parse a phone number, e-mail address or name, or raise `UsageError`."""
    email = read_email(text).value if "@" in text else None
    phone = None if email else read_phone(text).value
    name = "" if email or phone else fold(text)
    if not (email or phone) and ("@" in text or not any(c.isalpha() for c in name)):
        hint = "name a whole phone number, a whole e-mail address, or words of a name"
        raise UsageError("the text is no phone number, no e-mail address and no name", hint=hint)
    return SearchTerm(Secret(text), phone, email.reveal().casefold() if email else "", name)


def find(
    files: Mapping[str, store.ContactsFile],
    terms: Collection[SearchTerm],
    *,
    facilities: Collection[str] = (),
    exact: bool = False,
) -> tuple[LocatedContact, ...]:
    """Return every contact that matches all terms, by province and file."""
    return tuple(
        LocatedContact(province, contact)
        for province, file in sorted(files.items())
        for contact in file.contacts
        if all(term.names(contact, exact=exact) for term in terms)
        and (not facilities or contact.facility in facilities)
    )


def refuse_several_people(matches: Collection[LocatedContact], terms: Collection[SearchTerm], *, placed: bool) -> None:
    """Raise `UsageError` if matches may be several people; `placed` names are one."""
    hint = "say more of the person: phone, e-mail and name together, or --facility for each facility"
    if len({fold(match.contact.full_name.reveal()) for match in matches}) > 1:
        raise UsageError("the records bear different names: they may be of several people", hint=hint)
    by_name_alone = all(term.name for term in terms)
    if by_name_alone and not placed and len(list(_person_groups(matches))) > 1:
        raise UsageError("several people may bear this name: the records share no phone and no e-mail", hint=hint)


def related(files: Mapping[str, store.ContactsFile], matches: Collection[LocatedContact]) -> int:
    """Return how many other records share a phone, e-mail or name."""
    marks = {mark for match in matches for mark in _phone_and_email(match.contact)}
    marks |= {fold(match.contact.full_name.reveal()) for match in matches}
    contacts = (c for p, file in files.items() for c in file.contacts if LocatedContact(p, c) not in matches)
    return sum(bool(marks & {*_phone_and_email(c), fold(c.full_name.reveal())}) for c in contacts)


def _person_groups(matches: Iterable[LocatedContact]) -> Iterator[set[str]]:
    groups: list[set[str]] = []
    for number, match in enumerate(matches):
        marks = set(_phone_and_email(match.contact)) or {f"alone {number}"}
        touched = [group for group in groups if group & marks]
        groups = [group for group in groups if not group & marks] + [marks.union(*touched)]
    yield from groups


def _phone_and_email(contact: store.Contact) -> Iterator[str]:
    phone = _phone_of(contact)
    if phone:
        yield phone.reveal()
    if contact.email:
        yield contact.email.reveal().casefold()


def _phone_of(contact: store.Contact) -> Secret | None:
    """Return a contact's phone in E.164, if it can be read."""
    return read_phone(contact.phone.reveal()).value or contact.phone if contact.phone else None


# --- erasure ---------------------------------------------------------------------------------------
def finish_interrupted(folder: Path, passwords: VaultPasswords) -> tuple[str, ...]:
    """Finish an interrupted erasure; return the provinces with a renewed password."""
    with store.locked(folder):
        return finish(folder, passwords, store.provinces_in(folder))


def plan_erasure(folder: Path, passwords: VaultPasswords, person: Person, new_password_file: Path | None) -> Erasure:
    """Find the records to erase and every obstacle; change nothing.

    Contacts that stay closed raise `SecretsError`, a malformed file `InventoryError`, records of several people
    `UsageError`, a password that cannot be renewed `PolicyError`.
    """
    files = store.valid_contacts(folder, passwords).files
    contacts = find(files, person.terms, facilities=person.facilities, exact=True)
    refuse_several_people(contacts, person.terms, placed=bool(person.facilities))
    provinces = sorted({contact.province for contact in contacts})
    if new_password_file and len(provinces) > 1:
        hint = "erase province by province: name the facilities of one with --facility"
        raise UsageError("one new password cannot serve several provinces", hint=hint)
    renewals = tuple(prepare(folder, province, passwords, new_password_file) for province in provinces)
    return Erasure(contacts, renewals, related(files, contacts))


def erase(folder: Path, passwords: VaultPasswords, person: Person, planned: Erasure) -> None:
    """Erase as planned, one province after the other.

    Another process's change raises `LockedError`, an unwritable file `InventoryError`.
    """
    with store.locked(folder):
        files = store.valid_contacts(folder, passwords).files
        if find(files, person.terms, facilities=person.facilities, exact=True) != planned.contacts:
            hint = "run the command again and look at what it finds now"
            raise LockedError("the contacts were changed while you were asked", hint=hint)
        for renewal in planned.renewals:
            renew(renewal, _without(files[renewal.province], renewal.province, planned.contacts))


def _without(file: store.ContactsFile, province: str, erased: Collection[LocatedContact]) -> bytes:
    rest = [contact for contact in file.contacts if LocatedContact(province, contact) not in erased]
    return store.render_contacts(province, rest).encode()
