"""The encrypted half of an inventory: camera logins, and what `keys init` made (docs/design.md, part 3).

A problem here has a place, and never a value or an unknown key: either may be a mistyped password.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, RootModel, ValidationError

from provisioner.base.atomic_file import write_atomic
from provisioner.base.diagnostics import Problem, Severity
from provisioner.base.errors import InventoryError
from provisioner.base.regular_file import read_regular
from provisioner.base.secret import Secret
from provisioner.base.vault import (
    SECRETS_ID,
    Opener,
    VaultPasswords,
    carrier_of_vault_id,
    carrier_vault_id,
    decrypt,
    encrypt,
    is_encrypted,
    vault_id_of,
)
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

_SHARED = ""
"""The name under which logins stand that are no carrier's own."""
_MAX_BYTES = 16 * 1024 * 1024
"""A province's logins: those of a thousand facilities take one MiB."""
_MAX_ENCRYPTED_BYTES = 5 * _MAX_BYTES
"""A vault file has four letters for a byte, and ends of lines."""
_HEADER = "# Written by `provisioner keys init`; encrypted with the vault id `{vault_id}`.\n"


class CameraLogins(RootModel[dict[Slug, dict[Slug, Credentials]]]):
    """`secrets/cameras/<province>.yml`, or a carrier's `secrets/cameras/<carrier>/<province>.yml`.

    Logins by facility, then by device.
    """


@dataclass(frozen=True)
class LoadedSecrets:
    """What the encrypted files say.

    Attributes:
        secrets: all that could be read.
        problems: what is wrong with single files, sorted by place.
        places: where it stands.
        owners: which file holds a facility's logins, e.g. `secrets/cameras/bac-giang`; by carrier, where the file
            is a carrier's own, and otherwise under no name.
        broken: files that could not be understood, and those that stayed shut.
        carriers: the carrier whose vault id a file is under, by file; a shared id is not in it.
    """

    secrets: Secrets
    problems: tuple[Problem, ...]
    places: Places
    owners: dict[str, dict[str, str]]
    broken: frozenset[str]
    carriers: dict[str, str]


def read_secrets(root: Path, passwords: VaultPasswords) -> LoadedSecrets:
    """Open and read every file under secrets/ for which there is a password; the others stay shut.

    Raises:
        SecretsError: there is no password at all, one that is meant for a file does not fit, or a file is damaged.
    """
    files = _SecretsPass(root, passwords)
    for file in secret_files_of(root):
        files.read(file)
    shared = files.logins.pop(_SHARED, {})
    secrets = Secrets(
        digest_key=files.digest_key,
        cameras=shared,
        carrier_cameras=files.logins,
        carriers=files.carriers,
        shut=files.shut,
    )
    broken = frozenset(files.broken) | files.shut.keys()
    problems = tuple(sorted(files.problems))
    return LoadedSecrets(secrets, problems, Places(files.sources), files.owners, broken, files.labels)


def check(root: Path, loaded: LoadedSecrets, inventory: Inventory) -> tuple[Problem, ...]:
    """All problems of the secrets, in single files and against the inventory, sorted by place."""
    old = _under_old_ids(loaded, inventory)
    loaded = carried(loaded, inventory)
    view = SecretsView(inventory, loaded.secrets, loaded.places, loaded.owners, loaded.broken, root, loaded.carriers)
    return tuple(sorted([*loaded.problems, *old, *_shut(root, loaded), *check_secrets(view)]))


def _shut(root: Path, loaded: LoadedSecrets) -> Iterator[Problem]:
    """Warn of what was not checked, by name."""
    for owner, vault_id in loaded.secrets.shut.items():
        message = f"{owner} stayed shut: it is encrypted for the vault id {vault_id}, and was not checked"
        hint = f"add {vault_id}@FILE to ANSIBLE_VAULT_IDENTITY_LIST to check it as well"
        yield Problem(str(root / f"{owner}.yml"), 0, 0, "secrets-shut", message, hint, owner, Severity.WARNING)


def carried(loaded: LoadedSecrets, inventory: Inventory) -> LoadedSecrets:
    """Secrets under the ids that facilities and devices have now, where `moved` says what they were."""
    moves = inventory.settings.moved
    if not moves:
        return loaded
    devices = {name: devices_of(facility) for name, facility in inventory.facilities.items()}
    return replace(
        loaded,
        secrets=moved_secrets(loaded.secrets, moves, devices),
        owners={carrier: moved_owner(owners, moves, devices) for carrier, owners in loaded.owners.items()},
    )


def _under_old_ids(loaded: LoadedSecrets, inventory: Inventory) -> Iterator[Problem]:
    """Warn of what has to be written under its new id before the entry of `moved` goes: it would be missing then."""
    new = carried(loaded, inventory)
    for whose, owners in new.owners.items():
        was, now = (_logins_of(secrets, whose) for secrets in (loaded.secrets, new.secrets))
        for facility, owner in owners.items():
            if was.get(facility) != now.get(facility):
                message = f"facility {facility}: its logins still stand under an older id"
                hint = "rename them with `ansible-vault edit`, before the entry of moved is removed"
                yield _warning(loaded, owner, message, hint)
    for name, carrier in new.secrets.carriers.items():
        for facility in sorted(carrier.site_psks.keys() - loaded.secrets.carriers[name].site_psks.keys()):
            message = f"facility {facility}: its pre-shared key still stands under an older id"
            hint = "run `provisioner keys init`, before the entry of moved is removed: a new key would cut the site off"
            yield _warning(loaded, f"secrets/carriers/{name}", message, hint)


def _logins_of(secrets: Secrets, carrier: str) -> Mapping[str, Mapping[str, Credentials]]:
    return secrets.carrier_cameras.get(carrier, {}) if carrier != _SHARED else secrets.cameras


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
    own = carrier_vault_id(carrier)
    vault_id = own if passwords.knows(own) else SECRETS_ID
    return _write(root, f"secrets/carriers/{carrier}.yml", secrets, passwords, vault_id)


def carriers_apart(root: Path, passwords: VaultPasswords, carriers: Iterable[str]) -> frozenset[str]:
    """The carriers whose file is under a vault id of their own, or will be once it is written."""
    apart = set()
    for carrier in carriers:
        path, own = root / "secrets" / "carriers" / f"{carrier}.yml", carrier_vault_id(carrier)
        known = vault_id_of(_encrypted(path)) if path.is_file() else None
        if known == own or (known is None and passwords.knows(own)):
            apart.add(carrier)
    return frozenset(apart)


def _encrypted(path: Path) -> bytes:
    return read_regular(path, most=_MAX_ENCRYPTED_BYTES)


def _write(root: Path, relative: str, secrets: Model, passwords: VaultPasswords, vault_id: str = SECRETS_ID) -> bool:
    """Encrypt and replace a file; an equal content stays as it is, since a new salt would change its digest.

    A file that is there keeps its vault id.
    """
    path = root / relative
    data = _encrypted(path) if path.is_file() else b""
    if is_encrypted(data) and (carrier_of_vault_id(vault_id_of(data)) is not None or vault_id != SECRETS_ID):
        vault_id = vault_id_of(data)
    text = (
        _HEADER.format(vault_id=vault_id) + render_mapping({key: _revealed(value) for key, value in sorted(secrets)})
    ).encode()
    if is_encrypted(data) and decrypt(data, passwords, name=str(path)) == text:
        return False
    write_atomic(path, encrypt(text, passwords.password(vault_id), vault_id), mode=0o600, within=root)
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
        self.opener = Opener(passwords)
        self.problems: list[Problem] = []
        self.sources: dict[str, SourceFile] = {}
        self.owners: dict[str, dict[str, str]] = {}
        self.broken: set[str] = set()
        self.shut: dict[str, str] = {}
        self.labels: dict[str, str] = {}
        self.digest_key: Secret | None = None
        self.logins: dict[str, dict[str, dict[str, Credentials]]] = {}
        self.carriers: dict[str, CarrierSecrets] = {}

    def read(self, file: File) -> None:
        data = encrypted_bytes(file)
        if not is_encrypted(data):
            self.broken.add(file.owner)
            return  # `load` reports it: that needs no password
        vault_id = vault_id_of(data)
        plain = self.opener.opened(data, name=file.shown)
        if plain is None:
            self.shut[file.owner] = vault_id
            return
        if (carrier := carrier_of_vault_id(vault_id)) is not None:
            self.labels[file.owner] = carrier
        self._take(file, SourceFile(file.shown, plain, PlacesIn))

    def _take(self, file: File, source: SourceFile) -> None:
        self.sources[file.owner] = source
        _, kind, *below = file.owner.split("/")
        if kind == "cameras":
            province = self._model(file, source, CameraLogins)
            if province is not None:
                self._keep_logins(province, file, file.carrier or _SHARED)
        elif kind == "carriers":
            if carrier := self._model(file, source, CarrierSecrets):
                self.carriers[below[0]] = carrier
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

    def _keep_logins(self, province: CameraLogins, file: File, whose: str) -> None:
        cameras, owners = self.logins.setdefault(whose, {}), self.owners.setdefault(whose, {})
        for facility, logins in province.root.items():
            # Two carriers may both have them, while a facility changes from one to the other.
            if facility in cameras or any(facility in self.owners.get(w, {}) for w in self._beside(whose)):
                place = self.sources[file.owner].at((facility,), key=True)
                message = f"facility {facility} has logins in two files"
                hint = "keep them in the file of its province, or in its carrier's"
                problem = Problem(place.file, place.line, place.column, "secret-duplicate", message, hint, file.owner)
                self.problems.append(replace(problem, concerns=(facility,)))
            cameras.setdefault(facility, logins)
            owners.setdefault(facility, file.owner)

    def _beside(self, whose: str) -> Iterable[str]:
        """The others of whose files none may have the same facility: a shared file is everybody's."""
        return [w for w in self.owners if w != whose] if whose == _SHARED else [_SHARED]


def _inner(schema: object) -> object:
    return dict[Slug, dict[Slug, Credentials]] if schema is CameraLogins else schema


def _faults(file: File, faults: Iterable[YamlFault]) -> Iterator[Problem]:
    for fault in faults:
        message = f"{file.owner}: {'a key stands twice' if fault.code == 'key-duplicate' else fault.message}"
        yield Problem(file.shown, fault.line, fault.column, fault.code, message, fault.hint, file.owner)
