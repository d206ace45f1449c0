"""Ansible Vault 1.1 and 1.2: reads and writes whole files.

The format is Ansible's: PBKDF2-HMAC-SHA256 with 10,000 rounds over a salt of 32 bytes gives an AES-256 key, an HMAC key
and a counter block. The HMAC-SHA256 of the AES-CTR ciphertext is checked before decryption. Files are exchangeable with
the `ansible-vault` program. Passwords come from outside a checkout: others propose its files.
"""

import hmac
import os
import stat
from binascii import Error as HexError
from binascii import hexlify, unhexlify
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from cryptography.hazmat.primitives import hashes, padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from provisioner.base.errors import SecretsError, os_errors, raised_as
from provisioner.base.files import is_tracked, read_regular, top_of
from provisioner.base.git import links_of
from provisioner.base.processes import StillRunningError, ask_program, own_environment
from provisioner.base.text import msg

T = TypeVar("T")

SECRETS_ID = "secrets"
CONTACTS_ID = "contacts"

_CARRIERS_ID = f"{SECRETS_ID}-"

_MAGIC = b"$ANSIBLE_VAULT;"
_ROUNDS = 10_000
_BLOCK_BITS = 128
_SALT_BYTES = 32
_LINE = 80
_SCRIPT_TIMEOUT_S = 60
_HOW_TO_SET = (
    "set ANSIBLE_VAULT_PASSWORD_FILE to the password's file or program, or ANSIBLE_VAULT_IDENTITY_LIST to"
    " secrets@FILE,secrets-CARRIER@FILE,contacts-PROVINCE@FILE"
)


@dataclass(frozen=True)
class VaultPasswords:
    """Sources of the vault's passwords in Ansible's order, read when needed."""

    sources: tuple[tuple[str, Path], ...] = ()
    env: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def from_environment(cls, env: Mapping[str, str]) -> "VaultPasswords":
        """Read the sources as Ansible does; a prompt raises `SecretsError`."""
        sources: list[tuple[str, Path]] = []
        for entry in env.get("ANSIBLE_VAULT_IDENTITY_LIST", "").split(","):
            vault_id, at, source = entry.strip().rpartition("@")
            if source in {"prompt", "prompt_ask_vault_pass"}:
                raise SecretsError(f"ANSIBLE_VAULT_IDENTITY_LIST: {entry.strip()} would ask", hint=_HOW_TO_SET)
            if source:
                sources.append((vault_id if at else "default", Path(source).expanduser()))
        if env.get("ANSIBLE_VAULT_PASSWORD_FILE", "").strip():
            sources.append(("default", Path(env["ANSIBLE_VAULT_PASSWORD_FILE"].strip()).expanduser()))
        return cls(tuple(sources), env)

    def __bool__(self) -> bool:
        return bool(self.sources)

    def only(self, *vault_ids: str) -> "VaultPasswords":
        """Return the sources of given vault ids, in their order, without defaults."""
        chosen = tuple(source for vault_id in vault_ids for source in self.sources if source[0] == vault_id)
        return VaultPasswords(chosen, self.env)

    def for_secrets(self) -> "VaultPasswords":
        """Return the sources for `secrets/`, without those for contacts."""
        sources = tuple(s for s in self.sources if s[0] != CONTACTS_ID and not s[0].startswith(f"{CONTACTS_ID}-"))
        return VaultPasswords(sources, self.env)

    def knows(self, vault_id: str) -> bool:
        """Return whether a vault id has a password of its own."""
        return any(source_id == vault_id for source_id, _ in self.sources)

    def password(self, vault_id: str) -> bytes:
        """Return the vault id's password or the default, or raise `SecretsError`."""
        for known_id, path in self.sources:
            if known_id in {vault_id, "default"}:
                return read_password(path, known_id, self.env)
        raise SecretsError(f"no vault password is set for the vault id {vault_id}", hint=_HOW_TO_SET)

    def candidates(self, vault_id: str) -> Iterator[bytes]:
        """Yield passwords for a file, those of its vault id first."""
        matching = [s for s in self.sources if s[0] == vault_id]
        for known_id, path in matching + [s for s in self.sources if s[0] != vault_id]:
            yield read_password(path, known_id, self.env)


def is_encrypted(data: bytes) -> bool:
    """Return whether bytes begin like a vault file."""
    return data.startswith(_MAGIC)


def decrypt(data: bytes, passwords: VaultPasswords, *, name: str) -> bytes:
    """Decrypt a vault file (`name` is for messages), or raise `SecretsError`."""
    envelope = _parse_envelope(data, name)
    if not passwords:
        raise SecretsError(msg("{name}: encrypted, and no vault password is set", name), hint=_HOW_TO_SET, object=name)
    for password in passwords.candidates(envelope.vault_id):
        plain = _decrypted(envelope, password)
        if plain is not None:
            return plain
    tried = ", ".join(str(path) for _, path in passwords.sources)
    hint = msg("the passwords tried came from {tried}; {hint}", tried, _HOW_TO_SET)
    raise SecretsError(msg("{name}: no vault password fits, or the file was changed", name), hint=hint, object=name)


def carrier_vault_id(carrier: str) -> str:
    """Return the vault id of a carrier's own secrets."""
    return _CARRIERS_ID + carrier


def carrier_of_vault_id(vault_id: str) -> str | None:
    """Return the carrier of a vault id; `None` for shared ids."""
    return vault_id.removeprefix(_CARRIERS_ID) if vault_id.startswith(_CARRIERS_ID) else None


def vault_id_of(data: bytes) -> str:
    """Return the unverified vault id in a file's first line, or `default`."""
    fields = data.partition(b"\n")[0].decode("utf-8", "replace").strip().split(";")
    return fields[3] if len(fields) > 3 else "default"  # noqa: PLR2004 (version 1.1 has three)


class Opener:
    """Decrypts files of `secrets/`; reads each password once.

    A file stays closed if no password is meant for it: no own one for a carrier's vault id, or only carriers' ones for
    a shared id. A wrong password meant for the file is an error, as is a damaged file.
    """

    def __init__(self, passwords: VaultPasswords) -> None:
        self._passwords = passwords
        self._read: dict[tuple[str, Path], bytes] = {}

    def opened(self, data: bytes, *, name: str) -> bytes | None:
        """Return a vault file's content, `None` if closed, or raise `SecretsError`."""
        envelope = _parse_envelope(data, name)
        plain = self.opened_by(vault_id_of(data), lambda password: _decrypted(envelope, password))
        return plain if plain is not None or self.stays_shut(data) else decrypt(data, self._passwords, name=name)

    def opened_by(self, vault_id: str, attempt: Callable[[bytes], T | None]) -> T | None:
        """Return the first password's result that works, or raise `SecretsError`."""
        preferred, rest = self._sources(vault_id)
        attempts = (attempt(self._password(source)) for source in (*preferred, *rest))
        return next((done for done in attempts if done is not None), None)

    def first_password(self, vault_id: str) -> bytes | None:
        """Return a vault id's first password, if any, or raise `SecretsError`."""
        preferred, rest = self._sources(vault_id)
        return next((self._password(source) for source in (*preferred, *rest)), None)

    def stays_shut(self, data: bytes) -> bool:
        """Return whether a file stays closed since no password is for it."""
        vault_id = vault_id_of(data)
        preferred, _ = self._sources(vault_id)
        matching = [source for source in preferred if source[0] == vault_id]
        is_shared = carrier_of_vault_id(vault_id) is None
        return bool(self._passwords) and not matching and not (is_shared and preferred)

    def _sources(self, vault_id: str) -> tuple[list[tuple[str, Path]], list[tuple[str, Path]]]:
        """Return the sources meant for a vault id, and all others."""
        sources = self._passwords.sources
        matching = [s for s in sources if s[0] == vault_id]
        shared = [s for s in sources if s[0] != vault_id and carrier_of_vault_id(s[0]) is None]
        if carrier_of_vault_id(vault_id) is not None:
            return matching + shared, []
        return matching + shared, [s for s in sources if s not in matching and s not in shared]

    def _password(self, source: tuple[str, Path]) -> bytes:
        if source not in self._read:
            self._read[source] = read_password(source[1], source[0], self._passwords.env)
        return self._read[source]


def opened_with(data: bytes, password: bytes, *, name: str) -> bytes | None:
    """Return a file's content if the password opens it; damage raises `SecretsError`."""
    return _decrypted(_parse_envelope(data, name), password)


def derived_key(password: bytes, salt: bytes, purpose: bytes) -> bytes:
    """Derive a 32-byte key for another purpose from a vault password.

    Guessing the password from it costs as much as from a vault file.
    """
    kdf = PBKDF2HMAC(algorithm=hashes.SHA256(), length=32, salt=salt, iterations=_ROUNDS)
    return hmac.digest(kdf.derive(password), purpose, "sha256")


def encrypt(data: bytes, password: bytes, vault_id: str, *, salt: bytes | None = None) -> str:
    """Write a vault file of format 1.2; `salt` is for tests only."""
    salt = os.urandom(_SALT_BYTES) if salt is None else salt
    keys = _derive(password, salt)
    padder = padding.PKCS7(_BLOCK_BITS).padder()
    ciphertext = _aes_ctr(keys, padder.update(data) + padder.finalize())
    mac = hmac.digest(keys.mac, ciphertext, "sha256")
    body = hexlify(b"\n".join(hexlify(part) for part in (salt, mac, ciphertext))).decode()
    lines = [body[start : start + _LINE] for start in range(0, len(body), _LINE)]
    return "\n".join([f"$ANSIBLE_VAULT;1.2;AES256;{vault_id}", *lines]) + "\n"


class _Envelope(NamedTuple):
    vault_id: str
    salt: bytes
    mac: bytes
    ciphertext: bytes


class _Keys(NamedTuple):
    cipher: bytes
    mac: bytes
    counter: bytes


def _parse_envelope(data: bytes, name: str) -> _Envelope:
    """Parse a vault file of format 1.1 or 1.2, or raise `SecretsError`."""
    header, _, body = data.partition(b"\n")
    fields = header.decode("utf-8", "replace").strip().split(";")
    versions = {("1.1", 3), ("1.2", 4)}
    if not is_encrypted(data) or (fields[1], len(fields)) not in versions or fields[2] != "AES256":
        hint = "encrypt it with ansible-vault encrypt --encrypt-vault-id"
        raise SecretsError(f"{name}: not a vault file of format 1.1 or 1.2", hint=hint, object=name)
    error = SecretsError(f"{name}: the vault file is damaged", hint="take it back from Git", object=name)
    with raised_as(error, HexError, ValueError):
        envelope = unhexlify(b"".join(body.split()))
        # Written in small letters only: another case would be another file with the same content.
        salt, mac, ciphertext = (unhexlify(part) for part in envelope.split(b"\n", 2))
        if envelope != envelope.lower():
            raise ValueError(name)
    return _Envelope(fields[3] if len(fields) > 3 else "default", salt, mac, ciphertext)  # noqa: PLR2004


def _decrypted(envelope: _Envelope, password: bytes) -> bytes | None:
    keys = _derive(password, envelope.salt)
    if not hmac.compare_digest(hmac.digest(keys.mac, envelope.ciphertext, "sha256"), envelope.mac):
        return None
    unpadder = padding.PKCS7(_BLOCK_BITS).unpadder()
    try:
        return unpadder.update(_aes_ctr(keys, envelope.ciphertext)) + unpadder.finalize()
    except ValueError:
        return None


def _derive(password: bytes, salt: bytes) -> _Keys:
    kdf = PBKDF2HMAC(algorithm=hashes.SHA256(), length=80, salt=salt, iterations=_ROUNDS)
    material = kdf.derive(password)
    return _Keys(material[:32], material[32:64], material[64:])


def _aes_ctr(keys: _Keys, data: bytes) -> bytes:
    # CTR is its own inverse: one function serves both ways.
    context = Cipher(algorithms.AES(keys.cipher), modes.CTR(keys.counter)).encryptor()
    return context.update(data) + context.finalize()


def read_password(path: Path, vault_id: str, env: Mapping[str, str]) -> bytes:
    """Read a password file, or run it if executable; `SecretsError` if empty."""
    hint = f"{_HOW_TO_SET}; a file that is not a program must not be executable"
    with os_errors(f"the vault password {path} cannot be read", hint, SecretsError):
        password = _run_program(path, vault_id, env) if is_program(path) else path.read_bytes().strip()
    if not password:
        raise SecretsError(f"the vault password {path} is empty", hint=_HOW_TO_SET)
    return password


def is_program(path: Path) -> bool:
    """Return whether a password source is a program, not a plain file."""
    return bool(path.stat().st_mode & (stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH))


def _run_program(path: Path, vault_id: str, env: Mapping[str, str]) -> bytes:
    # By its own folder. The caller's is usually a checkout, which may have proposed files.
    program = path.absolute()
    command = [str(program)]
    if path.stem.endswith("-client"):
        command += ["--vault-id", vault_id]
    hint = "run it by hand: it may be waiting for input"
    error = SecretsError(f"the vault password program {path} took over {_SCRIPT_TIMEOUT_S} s", hint=hint)
    with raised_as(error, StillRunningError):
        done = ask_program(command, own_environment(env), program.parent, timeout_s=_SCRIPT_TIMEOUT_S)
    if done.code != 0:
        hint = "run it by hand and look at its message"
        raise SecretsError(f"the vault password program {path} ended with {done.code}", hint=hint)
    return done.output.strip(b"\r\n")


_PUBLISHED: Final = b"example-only-"
_MOST_BYTES: Final = 1024 * 1024
_ELSEWHERE: Final = "name its new place in ANSIBLE_VAULT_PASSWORD_FILE or ANSIBLE_VAULT_IDENTITY_LIST"


def outside_of(passwords: VaultPasswords, *folders: Path) -> VaultPasswords:
    """Return passwords from outside the folders' checkouts, or raise `SecretsError`."""
    for _, path in passwords.sources:
        refuse_proposed_password(path, *folders)
    return passwords


def refuse_proposed_password(path: Path, *folders: Path) -> None:
    """Raise `SecretsError` if others can propose the password; as `outside_of`."""
    for folder in folders:
        top = top_of(folder)
        try:
            inside = [link for link in links_of(path) if link.is_relative_to(top)]
        except OSError:
            return  # who reads it says so
        if inside and _is_executable(path):
            message = f"the vault password program {path} is of the checkout {top}: who proposes a change of it runs it"
            raise SecretsError(message, hint=f"move it to a folder of your own, and {_ELSEWHERE}")
        if any(is_tracked(link) for link in inside) and not _is_published(path):
            message = f"the vault password {path} is a file of the checkout {top}: whoever has a clone has it"
            hint = "take it out of Git with its history, encrypt anew with another password, and"
            raise SecretsError(message, hint=f"{hint} {_ELSEWHERE}")


def _is_published(path: Path) -> bool:
    """Return whether the password is marked as an example's, which is public."""
    try:
        return read_regular(path, most=_MOST_BYTES).startswith(_PUBLISHED)
    except OSError:
        return False


def _is_executable(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & (stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH))
    except OSError:
        return False  # who reads it says so
