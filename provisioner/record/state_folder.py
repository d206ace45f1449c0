"""The state's place, a folder or database; who runs; proofs of entries.

Plain hashes show only careless changes: whoever can write the database can compute them anew. A seal is an HMAC with a
key derived from the vault's digest key, which is in no database. A signature protects even against those who have the
vault's password. `PROVISIONER_RECORD_KEY` names its private key.
"""

import base64
import hashlib
import hmac
import os
import platform
import pwd
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from provisioner.base.errors import StateError, os_errors
from provisioner.base.secret import Secret, record_key
from provisioner.base.service import JOB_NAMES, job_system
from provisioner.base.text import canonical_text

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SIGNING_KEY = "PROVISIONER_RECORD_KEY"
_SEAL, _SIGNATURE = "hmac-sha256", "ed25519"
_NAME_LENGTH = 16
_SEALED = re.compile(rf"{_SEAL}:[0-9a-f]+:[0-9a-f]{{64}}")
_SIGNED = re.compile(rf"{_SIGNATURE}:([0-9a-f]{{{_NAME_LENGTH}}}):([A-Za-z0-9+/]{{86}}==)")
_KEY_HINT = "make one: ssh-keygen -t ed25519 -N '' -f FILE; a key with a passphrase cannot be used here"


class SealVerdict(StrEnum):
    """The statement that a seal or a signature proves."""

    GENUINE = "genuine"  #: It fits a known key.
    FALSE = "false"  #: It names a known key and does not fit, or is malformed.
    OTHER_KEY = "other-key"  #: It names an unknown key, which proves nothing.
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Head:
    """The identity of an entry; its hash covers all entries before, too."""

    run: str
    number: int
    hash: str
    seal: str = ""

    def message(self, inventory: str) -> str:
        """Return the sealed and signed text: inventory, number, run and hash."""
        return canonical_text(["entry", inventory, self.number, self.run, self.hash])


@dataclass(frozen=True)
class RecordKeys:
    """The keys of one inventory's record."""

    secret: Secret | None = None  #: The key of seals; `None` if the vault is closed.
    signer: "Ed25519PrivateKey | None" = field(default=None, repr=False)  #: The private key that signs entries, if set.
    public: "tuple[Ed25519PublicKey, ...]" = field(default=(), repr=False)  #: The public keys that verify signatures.

    def seal(self, message: str) -> str:
        """Return a message's seal; empty if the vault is closed."""
        return f"{_SEAL}:{self._name}:{self._mac(message)}" if self.secret else ""

    def vouch_for(self, seal: str, message: str) -> bool:
        """Return whether a row beside the chain counts.

        A closed vault can refuse no row.
        """
        return self.secret is None or self.judge_seal(seal, message) is SealVerdict.GENUINE

    def judge_seal(self, seal: str, message: str) -> SealVerdict:
        """Judge a seal; a closed vault knows no key."""
        if not seal:
            return SealVerdict.NONE
        if not _SEALED.fullmatch(seal):
            return SealVerdict.FALSE
        if not self.secret or not seal.startswith(f"{_SEAL}:{self._name}:"):
            return SealVerdict.OTHER_KEY
        genuine = hmac.compare_digest(seal.encode(), self.seal(message).encode())
        return SealVerdict.GENUINE if genuine else SealVerdict.FALSE

    def sign(self, message: str) -> str:
        """Return a message's signature; empty if no key is set."""
        if self.signer is None:
            return ""
        signature = base64.b64encode(self.signer.sign(message.encode())).decode()
        return f"{_SIGNATURE}:{_fingerprint(self.signer.public_key())}:{signature}"

    def judge_signature(self, signature: str, message: str) -> SealVerdict:
        """Judge a signature with the known public keys."""
        if not signature:
            return SealVerdict.NONE
        match = _SIGNED.fullmatch(signature)
        if match is None:
            return SealVerdict.FALSE
        public = next((key for key in self.public if _fingerprint(key) == match[1]), None)
        if public is None:
            return SealVerdict.OTHER_KEY
        from provisioner.base.signing import is_signed_by  # noqa: PLC0415 (it takes time, and few entries are signed)

        is_genuine = is_signed_by(public, base64.b64decode(match[2], validate=True), message.encode())
        return SealVerdict.GENUINE if is_genuine else SealVerdict.FALSE

    @cached_property
    def _name(self) -> str:
        """An identifier of the key that does not reveal it."""
        return self._mac("the name of a key that seals the record")[:_NAME_LENGTH]

    def _mac(self, message: str) -> str:
        key = self.secret.reveal() if self.secret else ""
        return hmac.digest(key.encode(), message.encode(), "sha256").hex()


NO_KEYS = RecordKeys()


def record_keys(digest_key: Secret | None, environment: Mapping[str, str], inventory: str) -> RecordKeys:
    """Return keys that write and read a record; unusable ones raise `StateError`."""
    secret = record_key(digest_key, inventory) if digest_key else None
    named = environment.get(SIGNING_KEY, "")
    if not named:
        return RecordKeys(secret)
    signer = _signing_key(Path(named))
    return RecordKeys(secret, signer, (signer.public_key(),))


def _signing_key(path: Path) -> "Ed25519PrivateKey":
    from provisioner.base.signing import private_key_in  # noqa: PLC0415

    key = private_key_in(_content(path, f"the key {path} of {SIGNING_KEY}"))
    if key is None:
        raise StateError(f"{SIGNING_KEY} names {path}, which is no plain Ed25519 private key", hint=_KEY_HINT)
    return key


def public_key(path: Path) -> "Ed25519PublicKey":
    """Read a public key (OpenSSH or PEM), or raise `StateError`."""
    from provisioner.base.signing import public_key_in  # noqa: PLC0415

    key = public_key_in(_content(path, f"the key {path}"))
    if key is None:
        raise StateError(f"{path} is no Ed25519 public key", hint="name the .pub file that ssh-keygen made")
    return key


def _content(path: Path, subject: str) -> bytes:
    with os_errors(f"{subject} cannot be read", _KEY_HINT, StateError):
        return path.read_bytes()


def _fingerprint(key: "Ed25519PublicKey") -> str:
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:_NAME_LENGTH]


VARIABLE = "PROVISIONER_STATE"
FILE = "state.db"
_HEAD = "head.json"
_LONGEST = 120


@dataclass(frozen=True)
class StateFolder:
    """The place of one inventory's history."""

    inventory: str
    file: Path | None  #: The SQLite file; `None` for a database server.
    url: str = field(default="", repr=False)  #: The server's URL with its login; empty for a file.
    keys: RecordKeys = field(default=NO_KEYS, repr=False, compare=False)
    #: The file with the newest entry that this machine wrote, if any.
    remembered: Path | None = field(default=None, compare=False)

    @property
    def text(self) -> str:
        """The place in words; of a URL only the kind of server."""
        return str(self.file) if self.file else f"the database that {VARIABLE} names"


def state_folder(environment: Mapping[str, str]) -> Path:
    """Return the folder of the program's state, even beside a database URL."""
    named = environment.get(VARIABLE, "")
    if named and "://" not in named:
        return Path(named)
    base = environment.get("XDG_STATE_HOME") or str(Path(environment.get("HOME", "~")).expanduser() / ".local/state")
    return Path(base) / "provisioner"


def state_folder_of(environment: Mapping[str, str], inventory: str) -> StateFolder:
    """Return the place of an inventory's history."""
    named = environment.get(VARIABLE, "")
    folder = state_folder(environment) / inventory
    if "://" in named:
        return StateFolder(inventory, None, named, remembered=folder / _HEAD)
    return StateFolder(inventory, folder / FILE, remembered=folder / _HEAD)


def who(environment: Mapping[str, str]) -> dict[str, str]:
    """Return user, machine and job (`system:project#number`; empty outside a pipeline)."""
    return {"user": _user(), "machine": _clean(platform.node()), "job": _job_name(environment)}


def login(environment: Mapping[str, str]) -> str:
    """Return the forge login that started the pipeline's job, or empty."""
    system = job_system(environment)
    return _clean(environment.get(JOB_NAMES[system].login, "")) if system else ""


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _job_name(environment: Mapping[str, str]) -> str:
    system = job_system(environment)
    if system is None:
        return "ci:unnamed" if environment.get("CI") else ""
    names = JOB_NAMES[system]
    return f"{system}:{'#'.join(_clean(environment.get(name, '')) for name in (names.project, names.number))}"


def _clean(text: str) -> str:
    return "".join(c for c in text if c.isprintable())[:_LONGEST]


def who_text(actor: Mapping[str, str]) -> str:
    """Return who changes hosts in one line, for leases and receipts."""
    job = f" ({actor['job']})" if actor.get("job") else ""
    return f"{actor.get('user', '')}@{actor.get('machine', '')}{job}"
