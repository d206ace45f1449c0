"""Encrypted files `contacts/<province>.yml`, each with its own password; their access log."""

import fcntl
import json
import os
import pwd
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import PlainValidator, ValidationError

from provisioner.base.errors import (
    InventoryError,
    LockedError,
    PolicyError,
    Problem,
    SecretsError,
    Severity,
    UsageError,
    os_errors,
)
from provisioner.base.files import make_own_folder, read_regular, write_atomic
from provisioner.base.secret import Secret
from provisioner.base.vault import CONTACTS_ID, VaultPasswords, decrypt, encrypt, is_encrypted
from provisioner.base.vietnamese import fold
from provisioner.inventory.explanation.problems import ParsedFile, problems_of
from provisioner.inventory.explanation.value_words import VALUE_WORDS
from provisioner.inventory.files.edit import scalar
from provisioner.inventory.files.positions import Places, SourceFile
from provisioner.inventory.files.yaml import parse
from provisioner.inventory.loader.site import validated
from provisioner.inventory.model.base import Day, Model, Slug
from provisioner.inventory.model.facility import Party

#: Fields that are masked in memory; facility, role and days are not personal.
PERSONAL_FIELDS = ("full_name", "title", "phone", "email", "note", "source")

#: Fields that clause 1 of letter 1407/BTTTT-CVT requires of each representative.
REQUIRED_FIELDS = ("full_name", "title", "phone", "email")
_RENEWED = ".renewed"
ENVIRONMENT = "PROVISIONER_CONTACTS"
_MAX_BYTES = 64 * 1024 * 1024  #: The limit for an encrypted file; a thousand facilities take two MiB.
_HEADER = """\
# Personal data: only for the contacts of this province's facilities. Edit with `ansible-vault edit`; removing a
# person here leaves what older commits say: `provisioner contacts erase` removes that as well.
"""


class Role(StrEnum):
    """The role of a contact."""

    REPRESENTATIVE = "representative"
    TECHNICIAN = "technician"
    DIC = "dic"
    HEALTH = "health"
    CARRIER = "carrier"


#: The roles' names in lists for provinces and the ministry.
ROLE_LABELS = {
    Role.REPRESENTATIVE: "Đại diện cơ sở",
    Role.TECHNICIAN: "Kỹ thuật",
    **{Role(value): words.partition(" | ")[0] for value, words in VALUE_WORDS if isinstance(value, Party)},
}


def _as_secret(value: object) -> Secret:
    if isinstance(value, Secret):
        return value
    if isinstance(value, str) and value:
        return Secret(value)
    raise ValueError("this is no text, or an empty one: put it in quotes (a number in YAML loses its zero or plus)")


Personal = Annotated[Secret, PlainValidator(_as_secret)]  #: A personal text, masked in memory.


class Contact(Model):
    """One person's duty at one facility.

    A file may have an incomplete or impossible contact, which `check` reports: another person's phone number must never
    block a person's own request.
    """

    facility: Slug
    role: Role
    full_name: Personal
    title: Personal | None = None
    phone: Personal | None = None
    email: Personal | None = None
    valid_from: Day
    valid_to: Day | None = None
    note: Personal | None = None
    source: Personal | None = None

    def is_current(self, day: date) -> bool:
        """Return whether the duty covers a day; `valid_to` is the last."""
        return self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)

    @property
    def lacking(self) -> tuple[str, ...]:
        """The required fields without a value."""
        return tuple(name for name in REQUIRED_FIELDS if getattr(self, name) is None)

    @property
    def order(self) -> tuple[str, ...]:
        """The sort key in files and lists."""
        personal = (revealed(getattr(self, name)) for name in PERSONAL_FIELDS)
        roles = str(list(Role).index(self.role))
        return (
            self.facility,
            roles,
            fold(self.full_name.reveal()),
            str(self.valid_from),
            str(self.valid_to),
            *personal,
        )


class ContactsFile(Model):
    """`contacts/<province>.yml`."""

    version: Literal[1]
    province: Slug
    contacts: tuple[Contact, ...]


def revealed(value: Secret | None) -> str:
    """Return a field's text, for requested lists and the encrypted file."""
    return value.reveal() if value else ""


def vault_id(province: str) -> str:
    """Return the vault id of a province's contacts, e.g. `contacts-bac-giang`."""
    return f"{CONTACTS_ID}-{province}"


def readable_with(passwords: VaultPasswords, province: str) -> VaultPasswords:
    """Return passwords that may open a province's contacts: own, then common."""
    # The password of `secrets` is never tried: a merging pipeline has it, and must not read contacts.
    return passwords.only(vault_id(province), CONTACTS_ID)


def own_password(passwords: VaultPasswords, province: str) -> bytes:
    """Return the province's own password for encryption, or raise `SecretsError`."""
    # A common one could not be renewed for one person.
    own_passwords = passwords.only(vault_id(province))
    if not own_passwords:
        raise _nothing_set(f"the contacts of {province}", province)
    return own_passwords.password(vault_id(province))


def open_contacts(data: bytes, passwords: VaultPasswords, province: str, *, name: str) -> bytes:
    """Decrypt a province's file, or raise `SecretsError`, also during an erasure."""
    chosen = readable_with(passwords, province)
    if not chosen:
        raise _nothing_set(name, province)
    try:
        return decrypt(data, chosen, name=name)
    except SecretsError as error:
        if any(pending(path).exists() for _, path in chosen.sources):
            hint = "an erasure was interrupted: run the same `provisioner contacts erase` again, it finishes first"
            raise SecretsError(error.message, hint=hint, object=name) from None
        raise


def pending(path: Path) -> Path:
    """Return the path of a new password during an erasure."""
    return path.with_name(path.name + _RENEWED)


def _nothing_set(subject: str, province: str) -> SecretsError:
    hint = f"add {vault_id(province)}@FILE to ANSIBLE_VAULT_IDENTITY_LIST, FILE its password's file or program"
    return SecretsError(
        f"{subject}: no password is set for the vault id {vault_id(province)}", hint=hint, object=province
    )


@dataclass(frozen=True)
class LoadedContacts:
    """The content of some provinces' files."""

    files: Mapping[str, ContactsFile]
    problems: tuple[Problem, ...]  #: Sorted by position, without values.
    places: Places
    broken: frozenset[str]  #: Provinces with a malformed file.


def contacts_folder(chosen: Path | None, env: Mapping[str, str], inventory: Path) -> Path:
    """Return the named folder, PROVISIONER_CONTACTS, or the inventory's `contacts/`.

    A missing folder, or a link out of the inventory, raises `UsageError`.
    """
    named = chosen or (Path(env[ENVIRONMENT]) if env.get(ENVIRONMENT) else None)
    folder = named or inventory / "contacts"
    if not folder.is_dir():
        hint = f"check out the contacts and name their folder with --contacts DIR or {ENVIRONMENT}"
        raise UsageError(f"there is no folder of contacts at {folder}", hint=hint)
    if named is None and not folder.resolve().is_relative_to(inventory.resolve()):
        hint = f"name the folder itself with --contacts DIR or {ENVIRONMENT}"
        raise UsageError(f"{folder} is a link out of the inventory: it is not followed", hint=hint)
    return folder


def file_of(folder: Path, province: str) -> Path:
    """Return the file of a province's contacts."""
    return folder / f"{province}.yml"


def provinces_in(folder: Path) -> tuple[str, ...]:
    """Return the provinces with a file, sorted."""
    return tuple(sorted(path.stem for path in folder.glob("*.yml") if not path.name.startswith(".")))


def read_contacts(folder: Path, passwords: VaultPasswords, provinces: Collection[str] | None = None) -> LoadedContacts:
    """Read provinces' contacts; a closed file raises `SecretsError`, none is skipped."""
    reading = _ContactsPass(folder, passwords)
    if provinces is None:
        reading.find_misplaced()
    for province in provinces_in(folder):
        if provinces is None or province in provinces:
            reading.read(province)
    problems = tuple(sorted(reading.problems))
    return LoadedContacts(reading.files, problems, Places(reading.sources), frozenset(reading.broken))


def valid_contacts(folder: Path, passwords: VaultPasswords, provinces: Collection[str] | None = None) -> LoadedContacts:
    """Read contacts as `read_contacts`; problems raise `InventoryError`."""
    loaded = read_contacts(folder, passwords, provinces)
    errors = tuple(p for p in loaded.problems if p.severity is Severity.ERROR)
    if errors:
        raise InventoryError(f"the contacts of {folder} are invalid", problems=errors, hint="correct the places listed")
    return loaded


def write_contacts(
    folder: Path,
    province: str,
    contacts: Iterable[Contact],
    passwords: VaultPasswords,
    *,
    expected: Iterable[Contact] | None = None,
) -> bool:
    """Replace a province's contacts; return whether anything changed.

    Contacts are sorted. A file with the same contacts keeps its bytes, whatever its order and comments. `contacts`
    are all of the province; others are removed. If the file differs from `expected`, it is not written. A closed
    old file or a missing own password raises `SecretsError`, a malformed or unwritable file `InventoryError`, a
    change by another process `LockedError`.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    ordered = in_order(contacts)
    with locked(folder):
        old = valid_contacts(folder, passwords, [province]).files.get(province)
        if expected is not None and in_order(expected) != in_order(old.contacts if old else ()):
            message = f"the contacts of {province} were changed meanwhile"
            raise LockedError(message, hint="run the same command again", object=province)
        if old is not None and in_order(old.contacts) == ordered:
            return False
        password = own_password(passwords, province)
        text = render_contacts(province, ordered).encode()
        encrypted = encrypt(text, password, vault_id(province))
        write_atomic(file_of(folder, province), encrypted, mode=0o600, within=folder)
    return True


def in_order(contacts: Iterable[Contact]) -> tuple[Contact, ...]:
    """Return contacts in the order of files and lists."""
    return tuple(sorted(contacts, key=lambda contact: contact.order))


def render_contacts(province: str, contacts: Iterable[Contact]) -> str:
    """Return a file's plain text, always the same for the same contacts."""
    lines = [f"version: 1\nprovince: {province}\n", "contacts:\n"]
    for contact in contacts:
        fields = [(name, value) for name, value in contact if value is not None]
        lines += [
            f"  {' ' if index else '-'} {name}: {scalar(value.reveal() if isinstance(value, Secret) else str(value))}\n"
            for index, (name, value) in enumerate(fields)
        ]
    return _HEADER + "".join(lines if len(lines) > 2 else [lines[0], "contacts: []\n"])  # noqa: PLR2004 (no contact)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock the folder for one writer; a second one gets `LockedError`."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            hint = "wait until they are done, then run the command again"
            raise LockedError(f"somebody else is changing the contacts in {folder}", hint=hint) from None
        yield
    finally:
        os.close(handle)


@dataclass
class _ContactsPass:
    folder: Path
    passwords: VaultPasswords
    files: dict[str, ContactsFile] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    sources: dict[str, SourceFile] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)

    def find_misplaced(self) -> None:
        """Report YAML files that would be ignored silently."""
        read = {file_of(self.folder, province) for province in provinces_in(self.folder)}
        for path in sorted(self.folder.rglob("*")):
            hidden = any(part.startswith(".") for part in path.relative_to(self.folder).parts)
            if path.suffix in {".yml", ".yaml"} and path not in read and not hidden and path.is_file():
                message = f"{path.name} is not a file of contacts: nothing reads it"
                hint = "contacts are in contacts/<province>.yml, one file a province"
                self.problems.append(Problem(str(path), 0, 0, "file-unexpected", message, hint))

    def read(self, province: str) -> None:
        path, owner = file_of(self.folder, province), f"contacts/{province}"
        before = len(self.problems)
        data = self._read_bytes(path, owner)
        if data is not None and not is_encrypted(data):
            self._problem(
                path, owner, "contacts-not-encrypted", "the file is not encrypted", _encrypt_hint(path, province)
            )
        elif data is not None:
            plain = open_contacts(data, self.passwords, province, name=str(path))
            self._read_contacts(province, SourceFile(str(path), plain))
        if len(self.problems) > before:
            self.broken.add(province)

    def _read_bytes(self, path: Path, owner: str) -> bytes | None:
        if not path.resolve().is_relative_to(self.folder.resolve()):
            message, hint = "a link leads out of the folder: it is not followed", "put the file itself in its place"
            self._problem(path, owner, "link-outside", message, hint)
            return None
        try:
            return read_regular(path, most=_MAX_BYTES)
        except OSError as error:
            message = f"cannot be read: {error.strerror}"
            self._problem(path, owner, "file-unreadable", message, "correct its permissions")
            return None

    def _read_contacts(self, province: str, source: SourceFile) -> None:
        owner = f"contacts/{province}"
        self.sources[owner] = source
        document = parse(source.data)
        for fault in document.faults:
            message = "a key stands twice" if fault.code == "key-duplicate" else fault.message
            self.problems.append(
                Problem(
                    source.display_path,
                    fault.line,
                    fault.column,
                    fault.code,
                    f"contacts {province}: {message}",
                    fault.hint,
                    owner,
                )
            )
        if document.faults:
            return
        try:
            file: ContactsFile = validated(ContactsFile, document.value)
        except ValidationError as error:
            self.problems += problems_of(error, ParsedFile(source, owner, document.value, ContactsFile, secret=True))
            return
        if file.province != province:
            position = source.at(("province",))
            message = f"contacts {province}: the file is of {file.province}"
            hint = f"rename it to {file.province}.yml, or write province: {province}"
            self.problems.append(Problem(*position, "contacts-file-misplaced", message, hint, owner))
            return
        self.files[province] = file

    def _problem(self, path: Path, owner: str, code: str, message: str, hint: str) -> None:
        text = f"{owner.replace('/', ' ')}: {message}"
        self.problems.append(Problem(str(path), 0, 0, code, text, hint, owner))


def _encrypt_hint(path: Path, province: str) -> str:
    return (
        f"ansible-vault encrypt --encrypt-vault-id {vault_id(province)} {path}; if it was ever committed in the clear,"
        " the persons have to be told: Git does not forget"
    )


NAME = "contacts-access.log"


@dataclass(frozen=True)
class AccessRecord:
    """One access, without personal data and without the search terms."""

    at: datetime  #: In Vietnam's time.
    action: str  #: `list`, `find`, `show`, `export`, `erase`, `check` or `import`.
    purpose: str
    requester: str  #: By default the user of this machine.
    provinces: Collection[str]
    records: int  #: The number of records shown, written or removed.


def refuse_names(texts: Iterable[str], full_names: Iterable[str]) -> None:
    """Raise `UsageError` if a text names one of the persons."""
    # This machine's user is in each line of the log anyway.
    folded = [f"-{fold(text)}-" for text in texts if text != system_user()]
    # A name of one word may be any word.
    names = (name for name in map(fold, full_names) if "-" in name)
    if any(f"-{name}-" in text for name in names for text in folded):
        raise names_a_person()


def names_a_person() -> UsageError:
    """Return the error of a purpose with a person in it."""
    hint = "say what for without naming the person: the access log holds no personal data"
    return UsageError("the purpose or the requester names a person", hint=hint)


def record(folder: Path, access: AccessRecord) -> None:
    """Append a line to the log; after `PolicyError` show no contact."""
    line = {
        "at": access.at.isoformat(timespec="seconds"),
        "user": system_user(),
        "requester": access.requester,
        "action": access.action,
        "purpose": access.purpose,
        "provinces": sorted(access.provinces),
        "records": access.records,
    }
    path = folder / NAME
    hint = "contacts are opened only with a record of it: correct the folder, or set PROVISIONER_STATE"
    with os_errors(f"the access cannot be recorded in {path}", hint, PolicyError):
        make_own_folder(folder)
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            os.fchmod(handle, 0o600)
            os.write(handle, (json.dumps(line, ensure_ascii=False) + "\n").encode())
            os.fsync(handle)
        finally:
            os.close(handle)


def system_user() -> str:
    """Return this machine's user by id; the environment could be forged."""
    uid = os.getuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
