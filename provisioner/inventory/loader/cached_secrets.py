"""Cached facts of encrypted files: ids, checks of passwords (docs/internals/inventory.md)."""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import BaseModel
from pydantic_core import from_json

from provisioner.base.secret import Secret
from provisioner.base.vault import derived_key
from provisioner.inventory.loader.cache import Cache
from provisioner.inventory.model.secrets import CarrierSecrets, Credentials, InventorySecrets, NextPsk
from provisioner.inventory.rules.logins import FACTORY_STANDS_IN, LOGIN_BEFORE, STANDS_IN, is_factory, is_repeated

_SALT: Final = "secrets-salt"
_SALT_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_PURPOSE: Final = b"provisioner, known secrets"
#: Padding to a multiple of this size, so that the length does not tell how many passwords are factory passwords.
_ROOM: Final = 64 * 1024
_MOST: Final = 8
_BY_ID: Final = (
    "readers",
    "site_psks",
    "host_keys",
    "viewers",
    "certificate_keys",
    "next_certificate_keys",
    "publish_keys",
)
_A_KEY: Final = Secret("-")

# Dictionaries, since read-only views cannot be sent between processes.
_NO_NAMES: Final[Mapping[str, Sequence[str]]] = {}
_NO_DIGESTS: Final[Mapping[str, str]] = {}

Logins = Mapping[str, Mapping[str, Credentials]]


class CachedFile(NamedTuple):
    """Facts about a valid encrypted file."""

    logins: Mapping[str, Sequence[str]] = _NO_NAMES  #: Devices with a login, by facility, in the file's order.
    factory: Sequence[tuple[str, str]] = ()  #: Logins with a factory password, as facility and device.
    #: By facility, the digest of the RTSP paths that repeat no password of the file.
    free: Mapping[str, str] = _NO_DIGESTS
    keys: Mapping[str, Sequence[str]] = _NO_NAMES  #: Ids of a carrier's secrets, by kind.
    centre_psks: Mapping[str, Sequence[str]] = _NO_NAMES  #: Centres with a pre-shared key, by relay.
    digest_key: bool = False
    before: Sequence[tuple[str, str]] = ()  #: Logins that still have their previous password, as facility and device.
    following: Mapping[str, str] = _NO_DIGESTS  #: By facility, the public key that its next pre-shared key belongs to.


def facts_of(model: BaseModel, rtsp_paths: Mapping[str, str]) -> CachedFile | None:
    """Return facts about a file, or `None` if paths repeat a password."""
    if isinstance(model, InventorySecrets):
        return CachedFile(digest_key=True)
    if isinstance(model, CarrierSecrets):
        return CachedFile(
            keys={name: list(getattr(model, name)) for name in _BY_ID},
            centre_psks={relay: list(entries) for relay, entries in model.centre_psks.items()},
            following={facility: psk.follows for facility, psk in model.next_psks.items()},
        )
    logins: Logins = getattr(model, "root", {})
    rows = [(facility, device, login) for facility, entries in logins.items() for device, login in entries.items()]
    if any(is_repeated(login, paths) for name, _, login in rows if (paths := rtsp_paths.get(name))):
        return None
    return CachedFile(
        logins={facility: list(entries) for facility, entries in logins.items()},
        factory=[(facility, device) for facility, device, login in rows if is_factory(login)],
        before=[(facility, device) for facility, device, login in rows if login.old],
        free={name: digest_of(paths) for name in logins if (paths := rtsp_paths.get(name))},
    )


def digest_of(rtsp_paths: str) -> str:
    """Return a digest of a facility's RTSP paths."""
    return hashlib.sha256(rtsp_paths.encode("utf-8", "surrogatepass")).hexdigest()


def holds_for(facts: CachedFile, rtsp_paths: Mapping[str, str]) -> bool:
    """Return whether the facts are valid for today's RTSP paths, too."""
    return all(not (paths := rtsp_paths.get(name)) or facts.free.get(name) == digest_of(paths) for name in facts.logins)


def logins_of(facts: CachedFile) -> dict[str, dict[str, Credentials]]:
    """Return stand-ins for the logins of a file."""
    logins = {facility: dict.fromkeys(devices, STANDS_IN) for facility, devices in facts.logins.items()}
    for facility, device in facts.factory:
        logins[facility][device] = FACTORY_STANDS_IN
    for facility, device in facts.before:
        logins[facility][device] = logins[facility][device].model_copy(update={"old": LOGIN_BEFORE})
    return logins


def carrier_secrets_of(facts: CachedFile) -> CarrierSecrets:
    """Return stand-ins for the secrets of a carrier."""
    by_id = {name: dict.fromkeys(facts.keys.get(name, ()), _A_KEY) for name in _BY_ID}
    following = {name: NextPsk.model_construct(psk=_A_KEY, follows=key) for name, key in facts.following.items()}
    whole = CarrierSecrets.model_construct(
        centre_psks={relay: dict.fromkeys(below, _A_KEY) for relay, below in facts.centre_psks.items()},
        next_psks=following,
    )
    return whole.model_copy(update=by_id)


class ShutByPassword(NamedTuple):
    """Result for a password that does not open a file."""


Known = CachedFile | ShutByPassword
SHUT: Final = ShutByPassword()


@dataclass
class _PasswordResults:
    """Results of one password, by file path, with the file's SHA-256."""

    name: str
    key: bytes = field(repr=False)
    files: dict[str, tuple[str, Known]]
    changed: bool = False


class CachedSecrets:
    """Facts about encrypted files, from the cache and from this run."""

    def __init__(self, cache: Cache | None) -> None:
        self._cache = cache
        self._by_password: dict[bytes, _PasswordResults] = {}

    def look(self, password: bytes, relative: str, digest: str) -> Known | None:
        """Return a password's result for a file with this digest, or `None`."""
        cached = self._results_of(password).files.get(relative)
        return cached[1] if cached and cached[0] == digest else None

    def learn(self, password: bytes, relative: str, digest: str, result: Known) -> None:
        """Remember the result of a password for a file."""
        cached = self._results_of(password)
        cached.files[relative] = digest, result
        cached.changed = True

    def write(self, existing: Iterable[str]) -> None:
        """Cache changed results; `existing` are the paths of existing files."""
        if self._cache is None:
            return
        relatives = set(existing)
        for cached in self._by_password.values():
            if cached.changed:
                cached.files = {name: result for name, result in cached.files.items() if name in relatives}
                self._cache.write(cached.name, self._sealed_results(cached))
        if any(cached.changed for cached in self._by_password.values()):
            self._cache.forget_oldest("secrets-of-", _MOST)

    def _results_of(self, password: bytes) -> _PasswordResults:
        if password not in self._by_password:
            key = derived_key(password, self._salt_or_new, _PURPOSE)
            name = "secrets-of-" + hashlib.sha256(key + b"/name").hexdigest()[:32]
            self._by_password[password] = _PasswordResults(name, key, self._read_results(name, key))
        return self._by_password[password]

    @cached_property
    def _salt_or_new(self) -> bytes:
        salt = (self._cache.read(_SALT) if self._cache else None) or b""
        if len(salt) != _SALT_BYTES:
            salt = os.urandom(_SALT_BYTES)
            if self._cache:
                self._cache.write(_SALT, salt)
        return salt

    def _read_results(self, name: str, key: bytes) -> dict[str, tuple[str, Known]]:
        sealed = (self._cache.read(name) if self._cache else None) or b""
        try:
            text = AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], self._bound(name))
            return {
                path: (digest, CachedFile(*fields) if fields else SHUT)
                for path, (digest, fields) in from_json(text).items()
            }
        except (InvalidTag, ValueError, TypeError):
            return {}

    def _sealed_results(self, cached: _PasswordResults) -> bytes:
        rows = {relative: (digest, list(result)) for relative, (digest, result) in cached.files.items()}
        text = json.dumps(rows, separators=(",", ":")).encode()
        nonce = os.urandom(_NONCE_BYTES)
        padded = text + b" " * (-len(text) % _ROOM)
        return nonce + AESGCM(cached.key).encrypt(nonce, padded, self._bound(cached.name))

    def _bound(self, name: str) -> bytes:
        stamp = self._cache.stamp if self._cache else ""
        return f"{name} {stamp}".encode()
