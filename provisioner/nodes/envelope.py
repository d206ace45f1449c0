"""Sealed and signed messages between a controller and a node.

A header stands in the clear, as the broker's own records do: kind, sender, recipient, unit, time. It is bound to the
sealed bytes. Each envelope has a key of its own: X25519 with a pair that is drawn for it, HKDF, and ChaCha20-Poly1305.
The signature (Ed25519) is over header and sealed bytes.

A key file contains 32 random bytes in base64; a signing key (Ed25519) and a sealing key (X25519) follow from them. The
other end gets one line with both public halves. A message is cut into parts that a broker takes; they are put together
again in whatever order they come.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import secrets
import struct
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Final

import orjson
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from provisioner.base.errors import UsageError
from provisioner.base.files import read_regular, write_private
from provisioner.base.text import Document, canonical_json

UNITS: Final = "provisioner-units"
"""The stream in which units lie."""

REPORTS: Final = "provisioner-reports"
"""The stream in which reports lie."""

UNITS_SUBJECT: Final = "provisioner.units"
REPORTS_SUBJECT: Final = "provisioner.reports"
CONTROLLER: Final = "controller"

DOMAIN: Final = "provisioner"
"""The broker's own name, by which it is asked through brokers of carriers, too (leaf nodes)."""

API: Final = f"$JS.{DOMAIN}.API"
"""Below what the broker is asked for streams and what lies in them."""

_CARRIER: Final = re.compile(r"(?=.{1,63}\Z)[a-z0-9]+(?:-[a-z0-9]+)*")
"""As the inventory has ids."""

_KEY_LABEL: Final = "provisioner-exchange-1"
_HALF_BYTES: Final = 32
_MOST_KEY_FILE: Final = 1024
_NAME_LENGTH: Final = 32
_MAGIC: Final = b"PVN1"
_LENGTH: Final = struct.Struct(">I")
_MOST_HEADER: Final = 1024
_SIGNATURE, _KEY, _TAG = 64, 32, 16
_ENVELOPE_LABEL: Final = b"provisioner:envelope:1\0"

_NONCE: Final = bytes(12)
"""A key seals one envelope alone, so that its nonce may be a constant."""

_NAME: Final = re.compile(r"[0-9a-f]{32}")
_REPLY: Final = re.compile(r"[A-Za-z0-9-]{0,64}")
_PART_HEAD: Final = struct.Struct(">16sII")

PART_BYTES: Final = 512 * 1024
"""Of a message at most in one part: a broker takes 1 MiB unless somebody allows more."""

MOST_PARTS: Final = 1024
_MOST_OPEN: Final = 16
_MOST_HELD: Final = (MOST_PARTS + _MOST_OPEN) * PART_BYTES
_REMEMBERED: Final = 4096


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
        return f"{_KEY_LABEL} {base64.b64encode(self.signing + self.sealing).decode()}"

    @cached_property
    def name(self) -> str:
        """What tells it from another key: the beginning of a hash, in hexadecimal."""
        return hashlib.sha256(self.signing + self.sealing).hexdigest()[:_NAME_LENGTH]

    @cached_property
    def verifier(self) -> Ed25519PublicKey:
        """What signatures are held against."""
        return Ed25519PublicKey.from_public_bytes(self.signing)

    @cached_property
    def lock(self) -> X25519PublicKey:
        """What is sealed to."""
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
        return Ed25519PrivateKey.from_private_bytes(self._derived(b"signing"))

    @cached_property
    def opener(self) -> X25519PrivateKey:
        """What opens what is sealed to this end."""
        return X25519PrivateKey.from_private_bytes(self._derived(b"sealing"))

    def _derived(self, purpose: bytes) -> bytes:

        return HKDF(SHA256(), length=_HALF_BYTES, salt=None, info=f"{_KEY_LABEL}/".encode() + purpose).derive(self.seed)


class EnvelopeError(ValueError):
    """An envelope is damaged, forged, or not for us."""


class EnvelopeKind(StrEnum):
    """What an envelope holds.

    Attributes:
        UNIT: calls to hosts that a node is to carry; of one that it has begun it tells all once more.
        ASK: what became of a unit.
        END: that no call of a session comes any more.
        REPORT: what a node says of a unit.
    """

    UNIT = "unit"
    ASK = "ask"
    END = "end"
    REPORT = "report"


@dataclass(frozen=True, slots=True)
class EnvelopeHeader:
    """What stands on an envelope.

    Attributes:
        kind: what it holds.
        carrier: the carrier of the node at one of its ends.
        sender: the name of the key that signed it.
        recipient: the name of the key that it is sealed to.
        unit: the unit's id, 32 hexadecimal digits.
        session: whose calls these are: one controller's, from its first to its last; 32 hexadecimal digits.
        sent: when it was sealed, in seconds since 1970 by the sender's clock.
        until: the last moment at which a unit may be begun; 0 of all else.
        reply: where reports of a unit are sent; empty of all else.
    """

    kind: EnvelopeKind
    carrier: str
    sender: str
    recipient: str
    unit: str
    session: str
    sent: float
    until: float = 0.0
    reply: str = ""


@dataclass
class _Open:
    count: int
    parts: dict[int, bytes] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return sum(map(len, self.parts.values()))


class Joiner:
    """Puts messages together; of those that stay without a part the oldest are forgotten."""

    def __init__(self) -> None:
        self._open: dict[bytes, _Open] = {}
        self._done: dict[bytes, None] = {}

    def add(self, part: bytes) -> bytes | None:
        """Take a part: the message that is whole by it; None where none is. What is no part is passed over."""
        if len(part) < _PART_HEAD.size or len(part) > _PART_HEAD.size + PART_BYTES:
            return None
        name, number, count = _PART_HEAD.unpack(part[: _PART_HEAD.size])
        if not 0 < count <= MOST_PARTS or number >= count or name in self._done:
            return None
        one = self._open.setdefault(name, _Open(count))
        if one.count != count:
            return None
        one.parts.setdefault(number, part[_PART_HEAD.size :])
        if len(one.parts) == count:
            del self._open[name]
            self._remember(name)
            return b"".join(one.parts[n] for n in range(count))
        self._forget()
        return None

    def _remember(self, name: bytes) -> None:
        self._done[name] = None
        while len(self._done) > _REMEMBERED:
            del self._done[next(iter(self._done))]

    def _forget(self) -> None:
        while len(self._open) > _MOST_OPEN or (
            len(self._open) > 1 and sum(one.size for one in self._open.values()) > _MOST_HELD
        ):
            del self._open[next(iter(self._open))]


def is_carrier(text: str) -> bool:
    """Whether a text may be the id of a carrier, or of a host."""
    return _CARRIER.fullmatch(text) is not None


def node_name(carrier: str) -> str:
    """What a carrier's node is called, and its consumer."""
    return f"node-{carrier}"


def inbox_of(end: str) -> str:
    """Below what an end listens for answers of the broker."""
    return f"_INBOX.{end}"


def new_exchange_key() -> ExchangeKey:
    """Draw an end's keys."""
    return ExchangeKey(secrets.token_bytes(_HALF_BYTES))


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
    if label != _KEY_LABEL or len(both) != 2 * _HALF_BYTES:
        raise ValueError("it is no public exchange key")
    return PublicExchangeKey(both[:_HALF_BYTES], both[_HALF_BYTES:])


def read_exchange_key(path: Path) -> ExchangeKey:
    """The keys of a file that `make_exchange_key` wrote.

    Raises:
        UsageError: it cannot be read, is none, or others may read it.
    """
    hint = f"make one: provisioner node key {path} --make"
    try:
        if path.stat().st_mode & 0o077:
            raise UsageError(f"{path} may be read by others", hint=f"take that away: chmod 600 {path}")
        text = read_regular(path, most=_MOST_KEY_FILE).decode()
        seed = base64.b64decode(text.strip(), validate=True)
    except OSError as error:
        raise UsageError(f"the key {path} cannot be read: {error.strerror}", hint=hint) from None
    except (binascii.Error, ValueError):
        seed = b""
    if len(seed) != _HALF_BYTES:
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


def seal_envelope(header: EnvelopeHeader, payload: bytes, sender: ExchangeKey, recipient: PublicExchangeKey) -> bytes:
    """Seal a payload to a recipient, and sign it."""
    written = canonical_json(asdict(header))
    once = X25519PrivateKey.generate()
    public = once.public_key().public_bytes_raw()
    key = _envelope_key(once.exchange(recipient.lock), public, recipient.sealing)
    sealed = public + ChaCha20Poly1305(key).encrypt(_NONCE, payload, _ENVELOPE_LABEL + written)
    signature = sender.signer.sign(_ENVELOPE_LABEL + _LENGTH.pack(len(written)) + written + sealed)
    return _MAGIC + _LENGTH.pack(len(written)) + written + signature + sealed


def open_envelope(
    message: bytes, own: ExchangeKey, senders: Mapping[str, PublicExchangeKey]
) -> tuple[EnvelopeHeader, bytes]:
    """The header and the payload of an envelope that is for us, and by one of whom we believe.

    Args:
        message: what came.
        own: our keys.
        senders: whom we believe, by the names of their keys.

    Raises:
        EnvelopeError: it is none that may be opened.
    """
    header, written, signature, sealed = _taken_apart(message)
    sender = senders.get(header.sender)
    if sender is None:
        raise EnvelopeError("it is signed by nobody who is known here")
    if header.recipient != own.public.name:
        raise EnvelopeError("it is sealed to another one")
    try:
        sender.verifier.verify(signature, _ENVELOPE_LABEL + _LENGTH.pack(len(written)) + written + sealed)
        shared = own.opener.exchange(X25519PublicKey.from_public_bytes(sealed[:_KEY]))
        key = _envelope_key(shared, sealed[:_KEY], own.public.sealing)
        return header, ChaCha20Poly1305(key).decrypt(_NONCE, sealed[_KEY:], _ENVELOPE_LABEL + written)
    except (InvalidSignature, InvalidTag, ValueError):
        raise EnvelopeError("its signature or its seal does not fit") from None


def _taken_apart(message: bytes) -> tuple[EnvelopeHeader, bytes, bytes, bytes]:
    begin = len(_MAGIC) + _LENGTH.size
    if len(message) < begin or not message.startswith(_MAGIC):
        raise EnvelopeError("it is no envelope")
    (length,) = _LENGTH.unpack(message[len(_MAGIC) : begin])
    end = begin + length
    if length > _MOST_HEADER or len(message) < end + _SIGNATURE + _KEY + _TAG:
        raise EnvelopeError("it is cut off")
    written, signature = message[begin:end], message[end : end + _SIGNATURE]
    try:
        header = _header(orjson.loads(written))
    except (orjson.JSONDecodeError, TypeError, KeyError, ValueError):
        raise EnvelopeError("its header is none") from None
    return header, written, signature, message[end + _SIGNATURE :]


def _header(document: Document) -> EnvelopeHeader:
    header = EnvelopeHeader(**{**document, "kind": EnvelopeKind(document["kind"])})
    names = (header.sender, header.recipient, header.unit, header.session)
    sound = all(_NAME.fullmatch(name) for name in names) and _REPLY.fullmatch(header.reply)
    if not sound or not is_carrier(header.carrier):
        raise EnvelopeError("its header is none")
    if not float(header.sent) > 0 or not float(header.until) >= 0:
        raise EnvelopeError("its header is none")
    return header


def _envelope_key(shared: bytes, public: bytes, recipient: bytes) -> bytes:

    return HKDF(SHA256(), length=32, salt=public + recipient, info=_ENVELOPE_LABEL).derive(shared)


def cut(message: bytes) -> Iterator[bytes]:
    """The parts of a message.

    Raises:
        ValueError: it is longer than a message may be.
    """
    count = max(1, -(-len(message) // PART_BYTES))
    if count > MOST_PARTS:
        raise ValueError(f"a message of {len(message)} bytes is too long")
    name = secrets.token_bytes(16)
    for number in range(count):
        yield _PART_HEAD.pack(name, number, count) + message[number * PART_BYTES : (number + 1) * PART_BYTES]
