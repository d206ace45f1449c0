"""A device's login, set in its vault file by the smallest edit."""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from provisioner.base.errors import InventoryError, SecretsError, UsageError, raised_as
from provisioner.base.files import read_regular, write_atomic
from provisioner.base.secret import Secret
from provisioner.base.vault import SECRETS_ID, VaultPasswords, decrypt, encrypt, is_encrypted, vault_id_of
from provisioner.inventory.files.edit import EditError, Flow, edited, removed, render_mapping
from provisioner.inventory.files.positions import KeyPath
from provisioner.inventory.files.yaml import parse
from provisioner.inventory.loader import secrets as secret_files
from provisioner.inventory.loader.cache import cache_of
from provisioner.inventory.loader.load import load
from provisioner.inventory.loader.site import MAX_ENCRYPTED_BYTES, MAX_SECRETS_BYTES, validated
from provisioner.inventory.model.devices import accept_of
from provisioner.inventory.model.facility import Facility
from provisioner.inventory.model.policy import Move
from provisioner.inventory.model.secrets import Credentials, FormerCredentials
from provisioner.operations.edit.cameras import day_to_come, login_accepted
from provisioner.operations.edit.file_edit import Edits, FileEdit, device_named

MOST_LISTED: Final = 1024 * 1024  #: Bytes of a list of logins.
_COLUMNS = ["device", "password", "username"]
_DEVICE = re.compile(r"[a-z0-9-]{1,64}/[a-z0-9-]{1,64}")
_HEADER = "# Logins of cameras and recorders, by facility and device; encrypted with the vault id `{vault_id}`.\n"


@dataclass(frozen=True, slots=True)
class DeviceLogin:
    """A device's new login; without `username` it keeps its own."""

    password: Secret = field(repr=False)
    username: str = ""


@dataclass(frozen=True, slots=True)
class LoginsRequest:
    """Requested logins."""

    logins: Mapping[str, DeviceLogin]  #: By `FACILITY/DEVICE`.
    accept_old_until: date | None = None  #: The last day on which present logins are accepted too, or `None`.


def listed_logins(data: bytes) -> dict[str, DeviceLogin]:
    """Read a list of logins; `UsageError` names a line only.

    The list is CSV with the columns device, username and password, or YAML as in the vault's own file.
    """
    hint = "write CSV with the columns device,username,password, or YAML: FACILITY: { DEVICE: { username, password } }"
    if len(data) > MOST_LISTED:
        raise UsageError("the list has more than 1 MiB", hint="divide it")
    with raised_as(UsageError("the list is no UTF-8 text", hint=hint), UnicodeDecodeError):
        lines = data.decode("utf-8-sig").splitlines()
    head = lines[0] if lines else ""
    delimiter = ";" if ";" in head else ","
    columns = [column.strip().lower() for column in head.split(delimiter)]
    if sorted(columns) != _COLUMNS:
        with raised_as(UsageError("the list is neither of the two forms", hint=hint), InventoryError):
            by_site = _logins(Path("-"), data)
        if not by_site or any(login.old for logins in by_site.values() for login in logins.values()):
            raise UsageError("the list has no login, or a former one", hint=hint)
        return {
            f"{site}/{device}": DeviceLogin(login.password, login.username)
            for site, logins in by_site.items()
            for device, login in logins.items()
        }
    listed: dict[str, DeviceLogin] = {}
    for number, cells in enumerate(csv.reader(lines[1:], delimiter=delimiter), 2):
        row = dict(zip(columns, cells, strict=False)) if len(cells) == len(columns) else {}
        device, password = row.get("device", "").strip(), row.get("password", "")
        if cells and (not _DEVICE.fullmatch(device) or not password or not password.isprintable() or device in listed):
            message = f"row {number} of the list has no FACILITY/DEVICE of its own, or no password in one line"
            raise UsageError(message, hint=hint)
        if cells:
            listed[device] = DeviceLogin(Secret(password), row.get("username", "").strip())
    if not listed:
        raise UsageError("the list has no login", hint=hint)
    return listed


@dataclass(frozen=True, slots=True)
class LoginsFile:
    """An edited vault file, its named devices, and the changed ones."""

    file: Path
    devices: tuple[str, ...]
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LoginsWritten:
    """Edited vault files, and facility files that accept old logins (`accepted`)."""

    files: tuple[LoginsFile, ...]
    accepted: tuple[FileEdit, ...] = ()


def set_logins(
    root: Path, passwords: VaultPasswords, request: LoginsRequest, *, today: date, environment: Mapping[str, str]
) -> LoginsWritten:
    """Write a login for devices into their vault files.

    If the old login is accepted too, it stays beside the new one, and the facility files say until when. All edits are
    prepared before the first is written. Raises `InventoryError` or `SecretsError` for a file; `UsageError` if there is
    no such device, its user is not known, or its login is under change already.
    """
    by_file = _by_file(root, passwords, tuple(request.logins), today, environment)
    texts = [
        _Edit.with_new_logins(root, passwords, owner, devices, request) for owner, devices in sorted(by_file.items())
    ]
    accepted = _edits_accepting_old(request, by_file, Edits(root, today, environment))
    # First what says that either is taken: a new login alone would take the old one from relays.
    for edit in accepted:
        edit.write(root)
    for text in texts:
        text.write(root, passwords)
    return LoginsWritten(tuple(text.result for text in texts), accepted)


def forget_old_logins(
    root: Path, passwords: VaultPasswords, devices: tuple[str, ...], *, today: date, environment: Mapping[str, str]
) -> tuple[LoginsFile, ...]:
    """Remove former logins that are no longer accepted, or raise `UsageError`."""
    by_file = _by_file(root, passwords, devices, today, environment)
    for facility, device in (pair for pairs in by_file.values() for pair in pairs):
        accept = accept_of(facility.cameras, facility.recorders).get(device)
        if accept is not None and accept.old.login:
            name = f"{facility.id}/{device}"
            hint = f"finish the change first: provisioner camera accept {name} --finish"
            raise UsageError(f"either login of {name} is taken until {accept.until}", hint=hint, object=name)
    texts = [_Edit.without_old_logins(root, passwords, owner, pairs) for owner, pairs in sorted(by_file.items())]
    for text in texts:
        text.write(root, passwords)
    return tuple(text.result for text in texts)


_ByFile = Mapping[str, Sequence[tuple[Facility, str]]]


def _by_file(
    root: Path, passwords: VaultPasswords, devices: Sequence[str], today: date, environment: Mapping[str, str]
) -> _ByFile:
    loaded = load(root, today=today, cache=cache_of(root, environment))
    secrets = secret_files.read_secrets(root, passwords)
    by_file: dict[str, list[tuple[Facility, str]]] = {}
    for name in dict.fromkeys(devices):
        facility, device = device_named(loaded, name)
        moves = loaded.frame.settings.moved if loaded.frame else ()
        by_file.setdefault(_owner_of(root, secrets, facility, moves), []).append((facility, device))
    return by_file


def _edits_accepting_old(request: LoginsRequest, by_file: _ByFile, edits: Edits) -> tuple[FileEdit, ...]:
    if request.accept_old_until is None:
        return ()
    until = day_to_come(request.accept_old_until, edits.today)
    by_site: dict[str, list[str]] = {}
    for facility, device in (pair for pairs in by_file.values() for pair in pairs):
        by_site.setdefault(facility.id, []).append(device)
    return tuple(login_accepted(edits.open(name), devices, until) for name, devices in sorted(by_site.items()))


def _owner_of(root: Path, secrets: secret_files.LoadedSecrets, facility: Facility, moves: Sequence[Move]) -> str:
    """Return the owner of a facility's vault file: `secrets/cameras/<province>`."""
    carriers = tuple(plan.carrier for plan in (facility.plan, facility.successor) if plan is not None)
    for carrier in (*carriers, ""):
        if owner := secrets.owners.get(carrier, {}).get(facility.id):
            return owner
    for old, owner in secret_files.owners_under_older_ids(secrets, moves, facility.id):
        hint = f"rename {old} to {facility.id} there first: ansible-vault edit {root / owner}.yml"
        raise InventoryError(f"the logins of {facility.id} still stand under {old}", hint=hint, object=old)
    shared = f"secrets/cameras/{facility.province}"
    by_carrier = [f"secrets/cameras/{carrier}/{facility.province}" for carrier in carriers]
    for owner in (shared, *by_carrier):
        if owner in secrets.secrets.shut:
            vault_id = secrets.secrets.shut[owner]
            message = f"{owner} stayed shut, and may have the logins of {facility.id}"
            raise SecretsError(message, hint=f"add {vault_id}@FILE to ANSIBLE_VAULT_IDENTITY_LIST", object=owner)
    return next((owner for owner in by_carrier if (root / f"{owner}.yml").is_file()), shared)


@dataclass(frozen=True)
class _Edit:
    result: LoginsFile
    vault_id: str
    text: str = field(repr=False)

    @classmethod
    def with_new_logins(
        cls,
        root: Path,
        passwords: VaultPasswords,
        owner: str,
        devices: Sequence[tuple[Facility, str]],
        request: LoginsRequest,
    ) -> "_Edit":
        path, vault_id, before = _opened_file(root, passwords, owner)
        logins = _logins(path, before)
        after, changed = before.decode("utf-8-sig"), []
        for facility, device in devices:
            of_site = logins.setdefault(facility.id, {})
            name = f"{facility.id}/{device}"
            new = _new_login(name, request.logins[name], request.accept_old_until, of_site.get(device))
            if new != of_site.get(device):
                after = _with_login(path, after, (facility.id, device), new, of_site)
                of_site[device] = new
                changed.append(f"{facility.id}/{device}")
        result = LoginsFile(path, tuple(f"{f.id}/{device}" for f, device in devices), tuple(changed))
        return cls(result, vault_id, after)

    @classmethod
    def without_old_logins(
        cls, root: Path, passwords: VaultPasswords, owner: str, devices: Sequence[tuple[Facility, str]]
    ) -> "_Edit":
        path, vault_id, before = _opened_file(root, passwords, owner)
        logins, after, changed = _logins(path, before), before, []
        for facility, device in devices:
            login = logins.get(facility.id, {}).get(device)
            if login is not None and login.old is not None:
                after = _without_old_login(path, after, facility.id, device)
                changed.append(f"{facility.id}/{device}")
        result = LoginsFile(path, tuple(f"{f.id}/{device}" for f, device in devices), tuple(changed))
        return cls(result, vault_id, after.decode("utf-8-sig"))

    def write(self, root: Path, passwords: VaultPasswords) -> None:
        """Encrypt and replace the file if it changes."""
        if self.result.changed:
            encrypted = encrypt(self.text.encode(), passwords.password(self.vault_id), self.vault_id)
            write_atomic(self.result.file, encrypted, mode=0o600, within=root)


def _opened_file(root: Path, passwords: VaultPasswords, owner: str) -> tuple[Path, str, bytes]:
    path = root / f"{owner}.yml"
    data = read_regular(path, most=MAX_ENCRYPTED_BYTES) if path.is_file() else b""
    if data and not is_encrypted(data):
        hint = f"encrypt it first: ansible-vault encrypt --encrypt-vault-id {SECRETS_ID} {path}"
        raise SecretsError(f"{path} is not encrypted", hint=hint, object=owner)
    vault_id = vault_id_of(data) if data else _vault_id_of_new(owner, passwords)
    return (
        path,
        vault_id,
        decrypt(data, passwords, name=str(path)) if data else _HEADER.format(vault_id=vault_id).encode(),
    )


def _without_old_login(path: Path, text: bytes, facility: str, device: str) -> bytes:
    # The words of an `EditError` may have what stands in the file.
    hint = f"remove it by hand: ansible-vault edit {path}"
    with raised_as(InventoryError(f"{path} cannot be edited at {facility}.{device}.old", hint=hint), EditError):
        return removed(text, (facility, device, "old"), max_bytes=MAX_SECRETS_BYTES)


def _vault_id_of_new(owner: str, passwords: VaultPasswords) -> str:
    _, _, *below = owner.split("/")
    return secret_files.vault_id_for(below[0], passwords) if len(below) > 1 else SECRETS_ID


def _new_login(name: str, login: DeviceLogin, until: date | None, old: Credentials | None) -> Credentials:
    username = login.username or (old.username if old else "")
    if not username:
        raise UsageError(f"{name} has no login yet, and its user is missing", hint="add --username", object=name)
    old_login = _former_login(name, login, until, old)
    # pydantic's message has the given value.
    message = "a user's name is one line of at most 300 characters"
    with raised_as(UsageError(message, hint="see --username", object=name), ValidationError):
        return Credentials(username=username, password=login.password, old=old_login)


def _former_login(
    name: str, login: DeviceLogin, until: date | None, old: Credentials | None
) -> FormerCredentials | None:
    if until is None:
        return old.old if old else None
    if old is None:
        hint = "leave --accept-old-until out"
        raise UsageError(f"{name} has no login yet, so that no old one can be taken", hint=hint, object=name)
    if old.old is not None:
        hint = f"finish that first: provisioner camera accept {name} --finish, then provisioner secrets forget {name}"
        raise UsageError(f"the login of {name} is under change already", hint=hint, object=name)
    if login.username in {"", old.username} and login.password == old.password:
        raise UsageError(f"{name} has this login already", hint="type the new one", object=name)
    return FormerCredentials(username=old.username, password=old.password)


def _logins(path: Path, text: bytes) -> dict[str, dict[str, Credentials]]:
    """Parse a file of logins, or raise `InventoryError` without its content."""
    document = parse(text, max_bytes=MAX_SECRETS_BYTES)
    try:
        if not document.faults:
            logins: dict[str, dict[str, Credentials]] = validated(secret_files.CameraLogins, document.value or {}).root
            return logins
    except ValidationError:
        pass
    raise InventoryError(f"{path} cannot be understood", hint="run `provisioner validate`, and correct each problem")


def _with_login(
    path: Path, text: str, entry: tuple[str, str], login: Credentials, of_site: Mapping[str, Credentials]
) -> str:
    facility, device = entry
    values: dict[str, object] = {"username": login.username, "password": login.password.reveal()}
    if login.old is not None:
        values["old"] = Flow(username=login.old.username, password=login.old.password.reveal())
    changes: dict[KeyPath, object] = {(facility,): {device: values}}
    if device in of_site:
        changes = {(facility, device, key): value for key, value in values.items()}
    elif of_site:
        changes = {(facility, device): values}
    # The words of an `EditError` may have what stands in the file.
    hint = f"write it by hand: ansible-vault edit {path}"
    with raised_as(InventoryError(f"{path} cannot be edited at {facility}.{device}", hint=hint), EditError):
        if parse(text.encode(), max_bytes=MAX_SECRETS_BYTES).value is None:
            return text + render_mapping({facility: {device: values}})
        return edited(text.encode(), changes, max_bytes=MAX_SECRETS_BYTES).decode()
