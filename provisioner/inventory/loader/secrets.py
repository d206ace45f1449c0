"""The encrypted half of an inventory: camera logins, and what `keys init` made (docs/design.md, part 3).

A problem here has a place, and never a value or an unknown key: either may be a mistyped password.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, RootModel, ValidationError

from provisioner.base.atomic_file import write_atomic
from provisioner.base.diagnostics import Problem, Severity
from provisioner.base.errors import InventoryError
from provisioner.base.regular_file import read_regular
from provisioner.base.secret import Secret
from provisioner.base.vault import SECRETS_ID, VaultPasswords, decrypt, encrypt, is_encrypted
from provisioner.inventory.allocate import devices_of
from provisioner.inventory.explanation.problems import ParsedFile, problems_of
from provisioner.inventory.files.layout import File, secret_files_of
from provisioner.inventory.files.plain_yaml import render_mapping
from provisioner.inventory.files.positions import Places, SourceFile
from provisioner.inventory.files.strict_yaml import YamlFault, parse
from provisioner.inventory.files.yaml_places import PlacesIn
from provisioner.inventory.loader.file_content import validated
from provisioner.inventory.model import (
    CarrierSecrets,
    Credentials,
    Inventory,
    InventorySecrets,
    Model,
    Secrets,
    Slug,
)
from provisioner.inventory.moves import moved_owner, moved_secrets
from provisioner.inventory.rules.logins import SecretsView, check_secrets

M = TypeVar("M", bound=BaseModel)

_MAX_BYTES = 16 * 1024 * 1024
"""A province's logins: those of a thousand facilities take one MiB."""
_MAX_ENCRYPTED_BYTES = 5 * _MAX_BYTES
"""A vault file has four letters for a byte, and ends of lines."""
_HEADER = "# Written by `provisioner keys init`; encrypted with the vault id `secrets`.\n"


class CameraLogins(RootModel[dict[Slug, dict[Slug, Credentials]]]):
    """`secrets/cameras/<province>.yml`: logins by facility, then by device."""


@dataclass(frozen=True)
class LoadedSecrets:
    """What the encrypted files say.

    Attributes:
        secrets: all that could be read.
        problems: what is wrong with single files, sorted by place.
        places: where it stands.
        owners: which file holds a facility's logins, e.g. `secrets/cameras/bac-giang`.
        broken: files that could not be understood.
    """

    secrets: Secrets
    problems: tuple[Problem, ...]
    places: Places
    owners: dict[str, str]
    broken: frozenset[str]


def read_secrets(root: Path, passwords: VaultPasswords) -> LoadedSecrets:
    """Open and read every file under secrets/.

    Raises:
        SecretsError: a file cannot be opened.
    """
    files = _SecretsPass(root, passwords)
    for file in secret_files_of(root):
        files.read(file)
    secrets = Secrets(digest_key=files.digest_key, cameras=files.cameras, carriers=files.carriers)
    return LoadedSecrets(
        secrets, tuple(sorted(files.problems)), Places(files.sources), files.owners, frozenset(files.broken)
    )


def check(root: Path, loaded: LoadedSecrets, inventory: Inventory) -> tuple[Problem, ...]:
    """All problems of the secrets, in single files and against the inventory, sorted by place."""
    old = _under_old_ids(loaded, inventory)
    loaded = carried(loaded, inventory)
    view = SecretsView(inventory, loaded.secrets, loaded.places, loaded.owners, loaded.broken, root)
    return tuple(sorted([*loaded.problems, *old, *check_secrets(view)]))


def carried(loaded: LoadedSecrets, inventory: Inventory) -> LoadedSecrets:
    """Secrets under the ids that facilities and devices have now, where `moved` says what they were."""
    moves = inventory.settings.moved
    if not moves:
        return loaded
    devices = {name: devices_of(facility) for name, facility in inventory.facilities.items()}
    return replace(
        loaded,
        secrets=moved_secrets(loaded.secrets, moves, devices),
        owners=moved_owner(loaded.owners, moves, devices),
    )


def _under_old_ids(loaded: LoadedSecrets, inventory: Inventory) -> Iterator[Problem]:
    """Warn of what has to be written under its new id before the entry of `moved` goes: it would be missing then."""
    new = carried(loaded, inventory)
    for facility, owner in new.owners.items():
        if loaded.secrets.cameras.get(facility) != new.secrets.cameras.get(facility):
            message = f"facility {facility}: its logins still stand under an older id"
            hint = "rename them with `ansible-vault edit`, before the entry of moved is removed"
            yield _warning(loaded, owner, message, hint)
    for name, carrier in new.secrets.carriers.items():
        for facility in sorted(carrier.site_psks.keys() - loaded.secrets.carriers[name].site_psks.keys()):
            message = f"facility {facility}: its pre-shared key still stands under an older id"
            hint = "run `provisioner keys init`, before the entry of moved is removed: a new key would cut the site off"
            yield _warning(loaded, f"secrets/carriers/{name}", message, hint)


def _warning(loaded: LoadedSecrets, owner: str, message: str, hint: str) -> Problem:
    place = loaded.places.at(owner)
    return Problem(place.file, place.line, place.column, "move-unfinished", message, hint, owner, Severity.WARNING)


def load_secrets(
    root: Path, passwords: VaultPasswords, inventory: Inventory, *, tolerate: Collection[str] = ()
) -> Secrets:
    """Load secrets that have to be complete for an inventory.

    Args:
        root: the inventory's folder.
        passwords: where the vault's passwords come from.
        inventory: what the secrets have to serve.
        tolerate: codes of problems that the calling command is there to solve, e.g. `secrets-missing`.

    Raises:
        SecretsError: a file cannot be opened.
        InventoryError: with every problem.
    """
    loaded = carried(read_secrets(root, passwords), inventory)
    problems = check(root, loaded, inventory)
    errors = tuple(p for p in problems if p.severity is Severity.ERROR and p.code not in tolerate)
    if errors:
        message = f"the secrets of {root} are invalid: {len(errors)} problem{'s' if len(errors) > 1 else ''}"
        raise InventoryError(message, problems=errors, hint="correct the places listed")
    return loaded.secrets


def write_inventory_secrets(root: Path, secrets: InventorySecrets, passwords: VaultPasswords) -> bool:
    """Write `secrets/inventory.yml`, encrypted; whether anything changed is returned.

    Raises:
        SecretsError: no password is set, or it cannot be read.
    """
    return _write(root, "secrets/inventory.yml", secrets, passwords)


def write_carrier_secrets(root: Path, carrier: str, secrets: CarrierSecrets, passwords: VaultPasswords) -> bool:
    """Write `secrets/carriers/<carrier>.yml`, encrypted; whether anything changed is returned.

    Raises:
        SecretsError: no password is set, or it cannot be read.
    """
    return _write(root, f"secrets/carriers/{carrier}.yml", secrets, passwords)


def _write(root: Path, relative: str, secrets: Model, passwords: VaultPasswords) -> bool:
    """Encrypt and replace a file; an equal content stays as it is, since a new salt would change its digest."""
    path = root / relative
    text = (_HEADER + render_mapping({key: _revealed(value) for key, value in sorted(secrets)})).encode()
    if path.is_file():
        data = read_regular(path, most=_MAX_ENCRYPTED_BYTES)
        if is_encrypted(data) and decrypt(data, passwords, name=str(path)) == text:
            return False
    write_atomic(path, encrypt(text, passwords.password(SECRETS_ID), SECRETS_ID), mode=0o600, within=root)
    return True


def _revealed(value: object) -> object:
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, dict):
        return {key: _revealed(below) for key, below in sorted(value.items())}
    return value


def encrypted_bytes(file: File) -> bytes:
    """An encrypted file's bytes; none where it cannot be read, which `load` reports."""
    try:
        return read_regular(file.path, most=_MAX_ENCRYPTED_BYTES)
    except OSError:
        return b""


class _SecretsPass:
    """One pass over the encrypted files."""

    def __init__(self, root: Path, passwords: VaultPasswords) -> None:
        self.root = root
        self.passwords = passwords
        self.problems: list[Problem] = []
        self.sources: dict[str, SourceFile] = {}
        self.owners: dict[str, str] = {}
        self.broken: set[str] = set()
        self.digest_key: Secret | None = None
        self.cameras: dict[str, dict[str, Credentials]] = {}
        self.carriers: dict[str, CarrierSecrets] = {}

    def read(self, file: File) -> None:
        data = encrypted_bytes(file)
        if not is_encrypted(data):
            self.broken.add(file.owner)
            return  # `load` reports it: that needs no password
        source = SourceFile(file.shown, decrypt(data, self.passwords, name=file.shown), PlacesIn)
        self.sources[file.owner] = source
        folder, name = file.owner.split("/")[-2:]
        if folder == "cameras":
            province = self._model(file, source, CameraLogins)
            if province is not None:
                self._keep_logins(province, file)
        elif folder == "carriers":
            if carrier := self._model(file, source, CarrierSecrets):
                self.carriers[name] = carrier
        else:
            secrets = self._model(file, source, InventorySecrets)
            self.digest_key = secrets.digest_key if secrets else None

    def _model(self, file: File, source: SourceFile, schema: type[M]) -> M | None:
        document = parse(source.data, max_bytes=_MAX_BYTES)
        if document.faults:
            self.problems += _faults(file, document.faults)
            self.broken.add(file.owner)
            return None
        try:
            return validated(schema, document.value)
        except ValidationError as error:
            subject = ParsedFile(source, file.owner, document.value, _inner(schema), secret=True)
            self.problems += problems_of(error, subject)
            self.broken.add(file.owner)
            return None

    def _keep_logins(self, province: CameraLogins, file: File) -> None:
        for facility, logins in province.root.items():
            if facility in self.cameras:
                place = self.sources[file.owner].at((facility,), key=True)
                message = f"facility {facility} has logins in two files"
                hint = "keep them in the file of its province"
                self.problems.append(
                    Problem(place.file, place.line, place.column, "secret-duplicate", message, hint, file.owner)
                )
            self.cameras.setdefault(facility, logins)
            self.owners.setdefault(facility, file.owner)


def _inner(schema: object) -> object:
    return dict[Slug, dict[Slug, Credentials]] if schema is CameraLogins else schema


def _faults(file: File, faults: Iterable[YamlFault]) -> Iterator[Problem]:
    for fault in faults:
        message = f"{file.owner}: {'a key stands twice' if fault.code == 'key-duplicate' else fault.message}"
        yield Problem(file.shown, fault.line, fault.column, fault.code, message, fault.hint, file.owner)
