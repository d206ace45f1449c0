"""A device's login, written into its vault file: the smallest edit, and what else stands there stays as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from pydantic import ValidationError

from provisioner.base.atomic_file import write_atomic
from provisioner.base.errors import InventoryError, SecretsError, UsageError
from provisioner.base.regular_file import read_regular
from provisioner.base.secret import Secret
from provisioner.base.vault import (
    SECRETS_ID,
    VaultPasswords,
    decrypt,
    encrypt,
    is_encrypted,
    vault_id_of,
)
from provisioner.inventory.files.edit import EditError, edited
from provisioner.inventory.files.plain_yaml import render_mapping
from provisioner.inventory.files.positions import KeyPath
from provisioner.inventory.files.strict_yaml import parse
from provisioner.inventory.loader.cache import cache_of
from provisioner.inventory.loader.file_content import MAX_ENCRYPTED_BYTES, MAX_SECRETS_BYTES, validated
from provisioner.inventory.loader.load import load
from provisioner.inventory.loader.secret_file import CameraLogins
from provisioner.inventory.loader.secrets import LoadedSecrets, owners_under_older_ids, read_secrets, vault_id_for
from provisioner.inventory.model import Credentials, Facility, Move
from provisioner.inventory.operations.named import device_named

_HEADER = "# Logins of cameras and recorders, by facility and device; encrypted with the vault id `{vault_id}`.\n"


@dataclass(frozen=True, slots=True)
class LoginsOrder:
    """What is to be written.

    Attributes:
        devices: each as `FACILITY/DEVICE`; all of them get the same login.
        username: the user; empty where each keeps the one that it has.
        password: the password.
    """

    devices: tuple[str, ...]
    password: Secret = field(repr=False)
    username: str = ""


@dataclass(frozen=True, slots=True)
class LoginsFile:
    """What became of one file.

    Attributes:
        path: the encrypted file.
        devices: those whose login it has, each as `FACILITY/DEVICE`.
        changed: those of them whose login is another one now.
    """

    path: Path
    devices: tuple[str, ...]
    changed: tuple[str, ...]


def set_logins(
    root: Path, passwords: VaultPasswords, order: LoginsOrder, *, today: date, environment: Mapping[str, str]
) -> tuple[LoginsFile, ...]:
    """Write a login for devices into the files that have their facilities' logins, or where those belong.

    Nothing is written before all of it can be.

    Args:
        root: the inventory's folder.
        passwords: where the vault's passwords come from.
        order: the devices and their login.
        today: the day on which designations have to hold.
        environment: the caller's environment (where the cache is).

    Raises:
        InventoryError: a facility's file cannot be understood, or a file of logins cannot, or cannot be written.
        SecretsError: a file cannot be opened.
        UsageError: there is no such device, or nobody said its user.
    """
    loaded = load(root, today=today, cache=cache_of(root, environment))
    secrets = read_secrets(root, passwords)
    by_file: dict[str, list[tuple[Facility, str]]] = {}
    for name in dict.fromkeys(order.devices):
        facility, device = device_named(loaded, name)
        moves = loaded.frame.settings.moved if loaded.frame else ()
        by_file.setdefault(_owner_of(root, secrets, facility, moves), []).append((facility, device))
    texts = [_Edit.of(root, passwords, owner, devices, order) for owner, devices in sorted(by_file.items())]
    for text in texts:
        text.write(root, passwords)
    return tuple(text.result for text in texts)


def _owner_of(root: Path, secrets: LoadedSecrets, facility: Facility, moves: Sequence[Move]) -> str:
    """The file in which a facility's logins are, or belong, as an owner: `secrets/cameras/<province>`.

    Raises:
        InventoryError: they still stand under an id that it had before: beside one of today they would be lost.
        SecretsError: a file in which they may be stayed shut.
    """
    carriers = tuple(plan.carrier for plan in (facility.plan, facility.successor) if plan is not None)
    for carrier in (*carriers, ""):
        if owner := secrets.owners.get(carrier, {}).get(facility.id):
            return owner
    for old, owner in owners_under_older_ids(secrets, moves, facility.id):
        hint = f"rename {old} to {facility.id} there first: ansible-vault edit {root / owner}.yml"
        raise InventoryError(f"the logins of {facility.id} still stand under {old}", hint=hint, object=old)
    shared = f"secrets/cameras/{facility.province}"
    own = [f"secrets/cameras/{carrier}/{facility.province}" for carrier in carriers]
    for owner in (shared, *own):
        if owner in secrets.secrets.shut:
            vault_id = secrets.secrets.shut[owner]
            message = f"{owner} stayed shut, and may have the logins of {facility.id}"
            hint = f"add {vault_id}@FILE to ANSIBLE_VAULT_IDENTITY_LIST"
            raise SecretsError(message, hint=hint, object=owner)
    return next((owner for owner in own if (root / f"{owner}.yml").is_file()), shared)


@dataclass(frozen=True)
class _Edit:
    """A file's text with a login in it, before it is written."""

    result: LoginsFile
    vault_id: str
    text: str = field(repr=False)

    @classmethod
    def of(
        cls,
        root: Path,
        passwords: VaultPasswords,
        owner: str,
        devices: Sequence[tuple[Facility, str]],
        order: LoginsOrder,
    ) -> _Edit:
        path = root / f"{owner}.yml"
        data = read_regular(path, most=MAX_ENCRYPTED_BYTES) if path.is_file() else b""
        if data and not is_encrypted(data):
            hint = f"encrypt it first: ansible-vault encrypt --encrypt-vault-id {SECRETS_ID} {path}"
            raise SecretsError(f"{path} is not encrypted", hint=hint, object=owner)
        vault_id = vault_id_of(data) if data else _vault_id_of_new(owner, passwords)
        before = decrypt(data, passwords, name=str(path)) if data else _HEADER.format(vault_id=vault_id).encode()
        logins = _logins(path, before)
        after, changed = before.decode("utf-8-sig"), []
        for facility, device in devices:
            of_site = logins.setdefault(facility.id, {})
            new = _login(f"{facility.id}/{device}", order, of_site.get(device))
            if new != of_site.get(device):
                after = _with(path, after, (facility.id, device), new, of_site)
                of_site[device] = new
                changed.append(f"{facility.id}/{device}")
        result = LoginsFile(path, tuple(f"{f.id}/{device}" for f, device in devices), tuple(changed))
        return cls(result, vault_id, after)

    def write(self, root: Path, passwords: VaultPasswords) -> None:
        """Encrypt and replace the file, where anything in it is another one."""
        if self.result.changed:
            encrypted = encrypt(self.text.encode(), passwords.password(self.vault_id), self.vault_id)
            write_atomic(self.result.path, encrypted, mode=0o600, within=root)


def _vault_id_of_new(owner: str, passwords: VaultPasswords) -> str:
    """The vault id of a file that is not there yet: of a carrier's own one the carrier's, where that has a password."""
    _, _, *below = owner.split("/")
    return vault_id_for(below[0], passwords) if len(below) > 1 else SECRETS_ID


def _login(name: str, order: LoginsOrder, old: Credentials | None) -> Credentials:
    username = order.username or (old.username if old else "")
    if not username:
        raise UsageError(f"{name} has no login yet, and nobody said its user", hint="add --username", object=name)
    try:
        return Credentials(username=username, password=order.password)
    except ValidationError:
        # What was given is in what pydantic says.
        message = "a user's name is one line of at most 300 characters"
        raise UsageError(message, hint="see --username", object=name) from None


def _logins(path: Path, text: bytes) -> dict[str, dict[str, Credentials]]:
    """What a file of logins says.

    Raises:
        InventoryError: it cannot be understood. What is wrong may be a password, so that it is not repeated.
    """
    document = parse(text, max_bytes=MAX_SECRETS_BYTES)
    try:
        if not document.faults:
            logins: dict[str, dict[str, Credentials]] = validated(CameraLogins, document.value or {}).root
            return logins
    except ValidationError:
        pass
    raise InventoryError(f"{path} cannot be understood", hint="run `provisioner validate`, and correct what it lists")


def _with(path: Path, text: str, place: tuple[str, str], login: Credentials, of_site: Mapping[str, Credentials]) -> str:
    """A file's text with one login.

    Args:
        path: the file, for messages.
        text: what it says.
        place: the facility and the device.
        login: what is set there.
        of_site: the logins of the facility that the text has.

    Raises:
        InventoryError: it cannot be edited.
    """
    facility, device = place
    values = {"username": login.username, "password": login.password.reveal()}
    changes: dict[KeyPath, object] = {(facility,): {device: values}}
    if device in of_site:
        changes = {(facility, device, key): value for key, value in values.items()}
    elif of_site:
        changes = {(facility, device): values}
    try:
        if parse(text.encode(), max_bytes=MAX_SECRETS_BYTES).value is None:
            return text + render_mapping({facility: {device: values}})
        return edited(text.encode(), changes, max_bytes=MAX_SECRETS_BYTES).decode()
    except EditError:
        # Its words may have what stands in the file.
        hint = f"write it by hand: ansible-vault edit {path}"
        raise InventoryError(f"{path} cannot be edited at {facility}.{device}", hint=hint) from None
