"""The keys of the two ends: one signs what it sends, and reads what is sealed to it.

A key file holds 32 random bytes in base64; a signing key (Ed25519) and a sealing key (X25519) follow from them. What
the other end is given is one line with both public halves.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets as random
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

from provisioner.base.errors import UsageError
from provisioner.base.private_file import write_private
from provisioner.base.regular_file import read_regular

if TYPE_CHECKING:  # what a command does not need is not loaded: the library takes a tenth of a second
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

_LABEL: Final = "provisioner-exchange-1"
_BYTES: Final = 32
_MOST: Final = 1024
_NAME_LENGTH: Final = 32


@dataclass(frozen=True)
class PublicExchangeKey:
    """The public halves of an end's keys.

    Attributes:
        signing: of Ed25519, 32 bytes.
        sealing: of X25519, 32 bytes.
    """

    signing: bytes
    sealing: bytes

    @property
    def line(self) -> str:
        """What the other end's file holds."""
        return f"{_LABEL} {base64.b64encode(self.signing + self.sealing).decode()}"

    @cached_property
    def name(self) -> str:
        """What tells it from another key: the beginning of a hash, in hexadecimal."""
        return hashlib.sha256(self.signing + self.sealing).hexdigest()[:_NAME_LENGTH]

    @cached_property
    def verifier(self) -> Ed25519PublicKey:
        """What signatures are held against."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415

        return Ed25519PublicKey.from_public_bytes(self.signing)

    @cached_property
    def lock(self) -> X25519PublicKey:
        """What is sealed to."""
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey  # noqa: PLC0415

        return X25519PublicKey.from_public_bytes(self.sealing)


@dataclass(frozen=True)
class ExchangeKey:
    """An end's own keys, by the 32 bytes that they follow from."""

    seed: bytes = field(repr=False)

    @cached_property
    def public(self) -> PublicExchangeKey:
        """What the other end is given."""
        return PublicExchangeKey(
            self.signer.public_key().public_bytes_raw(), self.opener.public_key().public_bytes_raw()
        )

    @cached_property
    def signer(self) -> Ed25519PrivateKey:
        """What signs."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415

        return Ed25519PrivateKey.from_private_bytes(self._derived(b"signing"))

    @cached_property
    def opener(self) -> X25519PrivateKey:
        """What opens what is sealed to this end."""
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey  # noqa: PLC0415

        return X25519PrivateKey.from_private_bytes(self._derived(b"sealing"))

    def _derived(self, purpose: bytes) -> bytes:
        from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415

        return HKDF(SHA256(), length=_BYTES, salt=None, info=f"{_LABEL}/".encode() + purpose).derive(self.seed)


def new_exchange_key() -> ExchangeKey:
    """Draw an end's keys."""
    return ExchangeKey(random.token_bytes(_BYTES))


def public_exchange_key(line: str) -> PublicExchangeKey:
    """The public halves that a line holds.

    Raises:
        ValueError: it is no such line.
    """
    label, _, text = line.strip().partition(" ")
    try:
        both = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        both = b""
    if label != _LABEL or len(both) != 2 * _BYTES:
        raise ValueError("it is no public exchange key")
    return PublicExchangeKey(both[:_BYTES], both[_BYTES:])


def read_exchange_key(path: Path) -> ExchangeKey:
    """The keys of a file that `make_exchange_key` wrote.

    Raises:
        UsageError: it cannot be read, is none, or others may read it.
    """
    hint = f"make one: provisioner node key {path} --make"
    try:
        if path.stat().st_mode & 0o077:
            raise UsageError(f"{path} may be read by others", hint=f"take that away: chmod 600 {path}")
        text = read_regular(path, most=_MOST).decode()
        seed = base64.b64decode(text.strip(), validate=True)
    except OSError as error:
        raise UsageError(f"the key {path} cannot be read: {error.strerror}", hint=hint) from None
    except (binascii.Error, ValueError):
        seed = b""
    if len(seed) != _BYTES:
        raise UsageError(f"{path} is no exchange key", hint=hint)
    return ExchangeKey(seed)


def make_exchange_key(path: Path) -> ExchangeKey:
    """Draw an end's keys into a file of its own, which only we can read.

    Raises:
        UsageError: there is such a file already, or it cannot be written.
    """
    key = new_exchange_key()
    write_private(path, base64.b64encode(key.seed) + b"\n", force=False)
    return key
