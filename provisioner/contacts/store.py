"""The files `contacts/<province>.yml`, read and written; what is on a disk is always encrypted."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from provisioner.base.atomic_file import write_atomic
from provisioner.base.diagnostics import Problem, Severity
from provisioner.base.errors import InventoryError, LockedError, UsageError
from provisioner.base.regular_file import read_regular
from provisioner.base.secret import Secret
from provisioner.base.vault import VaultPasswords, encrypt, is_encrypted
from provisioner.contacts.keyring import open_contacts, own_password, vault_id
from provisioner.contacts.model import Contact, ContactsFile
from provisioner.inventory.explanation.problems import ParsedFile, problems_of
from provisioner.inventory.files.plain_yaml import scalar
from provisioner.inventory.files.positions import Places, SourceFile
from provisioner.inventory.files.strict_yaml import parse
from provisioner.inventory.files.yaml_places import PlacesIn
from provisioner.inventory.loader.file_content import validated

ENVIRONMENT = "PROVISIONER_CONTACTS"
_MAX_BYTES = 64 * 1024 * 1024
"""A province's contacts, encrypted: those of a thousand facilities take two MiB."""
_HEADER = """\
# Personal data: only for the contacts of this province's facilities. Edit with `ansible-vault edit`; removing a
# person here leaves what older commits say: `provisioner contacts erase` removes that as well.
"""


@dataclass(frozen=True)
class LoadedContacts:
    """What the files of some provinces say.

    Attributes:
        files: what could be read, by province.
        problems: what is wrong with single files, sorted by place; no value is in them.
        places: where it stands; a file's owner is e.g. `contacts/bac-giang`.
        broken: provinces whose file could not be understood.
    """

    files: Mapping[str, ContactsFile]
    problems: tuple[Problem, ...]
    places: Places
    broken: frozenset[str]


def contacts_folder(chosen: Path | None, env: Mapping[str, str], inventory: Path) -> Path:
    """The folder of contacts: the one named, that of PROVISIONER_CONTACTS, or `contacts/` in the inventory.

    Raises:
        UsageError: there is no such folder, or a link of the inventory leads to it.
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
    """The file of a province's contacts."""
    return folder / f"{province}.yml"


def provinces_in(folder: Path) -> tuple[str, ...]:
    """The provinces that have a file, in the order of their names."""
    return tuple(sorted(path.stem for path in folder.glob("*.yml") if not path.name.startswith(".")))


def read_contacts(folder: Path, passwords: VaultPasswords, provinces: Collection[str] | None = None) -> LoadedContacts:
    """Open and read contacts, of some provinces or of all.

    A named province without a file has none; that is no problem here.

    Raises:
        SecretsError: a file cannot be opened. One that is not searched is never passed over in silence.
    """
    reading = _ContactsPass(folder, passwords)
    if provinces is None:
        reading.find_misplaced()
    for province in provinces_in(folder):
        if provinces is None or province in provinces:
            reading.read(province)
    problems = tuple(sorted(reading.problems))
    return LoadedContacts(reading.files, problems, Places(reading.sources), frozenset(reading.broken))


def valid_contacts(folder: Path, passwords: VaultPasswords, provinces: Collection[str] | None = None) -> LoadedContacts:
    """Read contacts whose files have to be understood; as `read_contacts`.

    Raises:
        SecretsError: a file cannot be opened.
        InventoryError: with every problem.
    """
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
    known: Iterable[Contact] | None = None,
) -> bool:
    """Replace a province's contacts, encrypted with its own password; returns whether anything changed.

    Contacts are written in an order of their own. If the file says the same already, whatever its order
    and comments, its bytes stay as they are.

    Args:
        folder: the folder of contacts; it is made where it is missing.
        province: the province's slug.
        contacts: all contacts of the province: who is not among them is gone from the file.
        passwords: where the passwords come from.
        known: what the caller made them from; if the file says anything else by now, nothing is written.

    Raises:
        SecretsError: the old file cannot be opened, or the province has no password of its own.
        InventoryError: the old file cannot be understood, or the new one cannot be written.
        LockedError: somebody else is changing the contacts, or has changed them.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    ordered = in_order(contacts)
    with locked(folder):
        old = valid_contacts(folder, passwords, [province]).files.get(province)
        if known is not None and in_order(known) != in_order(old.contacts if old else ()):
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
    """Contacts in the order in which files and lists have them."""
    return tuple(sorted(contacts, key=lambda contact: contact.order))


def render_contacts(province: str, contacts: Iterable[Contact]) -> str:
    """A file's plain text: the same contacts always make the same bytes."""
    lines = [f"version: 1\nprovince: {province}\n", "contacts:\n"]
    for contact in contacts:
        fields = [(name, value) for name, value in contact if value is not None]
        lines += [
            f"  {' ' if index else '-'} {name}: {_written(value)}\n" for index, (name, value) in enumerate(fields)
        ]
    return _HEADER + "".join(lines if len(lines) > 2 else [lines[0], "contacts: []\n"])  # noqa: PLR2004 (no contact)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder for one writer.

    Raises:
        LockedError: somebody else has it.
    """
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


def _written(value: object) -> str:
    return scalar(value.reveal() if isinstance(value, Secret) else str(value))


@dataclass
class _ContactsPass:
    """One pass over the files."""

    folder: Path
    passwords: VaultPasswords
    files: dict[str, ContactsFile] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    sources: dict[str, SourceFile] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)

    def find_misplaced(self) -> None:
        """Find YAML files that nothing reads: contacts in them would be missed without a word."""
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
        data = self._bytes(path, owner)
        if data is not None and not is_encrypted(data):
            self._problem(
                path, owner, "contacts-not-encrypted", "the file is not encrypted", _encrypt_hint(path, province)
            )
        elif data is not None:
            plain = open_contacts(data, self.passwords, province, name=str(path))
            self._understand(province, SourceFile(str(path), plain, PlacesIn))
        if len(self.problems) > before:
            self.broken.add(province)

    def _bytes(self, path: Path, owner: str) -> bytes | None:
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

    def _understand(self, province: str, source: SourceFile) -> None:
        owner = f"contacts/{province}"
        self.sources[owner] = source
        document = parse(source.data)
        for fault in document.faults:
            message = "a key stands twice" if fault.code == "key-duplicate" else fault.message
            self.problems.append(
                Problem(
                    source.shown,
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
            place = source.at(("province",))
            message = f"contacts {province}: the file is of {file.province}"
            hint = f"rename it to {file.province}.yml, or write province: {province}"
            self.problems.append(
                Problem(place.file, place.line, place.column, "contacts-file-misplaced", message, hint, owner)
            )
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
