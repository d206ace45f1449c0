"""Sealed and signed messages between a controller and a node.

The header is in clear, as the broker's own records are: kind, sender, recipient, unit, time. It is bound to the sealed
bytes. Each envelope has its own key: X25519 with an ephemeral pair, HKDF, and ChaCha20-Poly1305. The signature
(Ed25519) covers header and sealed bytes.

A key file contains 32 random bytes in base64, from which the signing key (Ed25519) and the sealing key (X25519) are
derived. The other end gets one line with both public keys. Messages are split into parts that a broker accepts, and
joined in any order.
"""

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

from provisioner.base.errors import UsageError, raised_as
from provisioner.base.files import read_regular, write_private
from provisioner.base.text import Document, canonical_json

UNITS: Final = "provisioner-units"  #: The stream of units.
REPORTS: Final = "provisioner-reports"  #: The stream of reports.
BUNDLES: Final = "provisioner-bundles"  #: The stream of controllers' reports to the ministry.

UNITS_SUBJECT: Final = "provisioner.units"
REPORTS_SUBJECT: Final = "provisioner.reports"
BUNDLES_SUBJECT: Final = "provisioner.bundles"
VIEW: Final = "view"
CONTROLLER: Final = "controller"

DOMAIN: Final = "provisioner"  #: The broker's domain, also reachable through carriers' brokers (leaf nodes).
API: Final = f"$JS.{DOMAIN}.API"  #: Prefix of the broker's JetStream API.
_CARRIER: Final = re.compile(r"(?=.{1,63}\Z)[a-z0-9]+(?:-[a-z0-9]+)*")  #: The form of ids in the inventory.

_KEY_LABEL: Final = "provisioner-exchange-1"
_HALF_BYTES: Final = 32
_MOST_KEY_FILE: Final = 1024
_NAME_LENGTH: Final = 32
_MAGIC: Final = b"PVN1"
_LENGTH: Final = struct.Struct(">I")
_MOST_HEADER: Final = 1024
_SIGNATURE, _KEY, _TAG = 64, 32, 16
_ENVELOPE_LABEL: Final = b"provisioner:envelope:1\0"

_NONCE: Final = bytes(12)  #: Constant, as each key seals one envelope.

_NAME: Final = re.compile(r"[0-9a-f]{32}")
_REPLY: Final = re.compile(r"[A-Za-z0-9-]{0,64}")
_PART_HEAD: Final = struct.Struct(">16sII")

PART_BYTES: Final = 512 * 1024  #: Limit for a part of a message: brokers accept 1 MiB by default.

MOST_PARTS: Final = 1024
_MOST_OPEN: Final = 16
_REMEMBERED: Final = 4096


@dataclass(frozen=True)
class PublicExchangeKey:
    """An end's public keys: Ed25519 and X25519, 32 bytes each."""

    signing: bytes
    sealing: bytes

    @property
    def line(self) -> str:
        """The line for the other end's file."""
        return f"{_KEY_LABEL} {base64.b64encode(self.signing + self.sealing).decode()}"

    @cached_property
    def name(self) -> str:
        """The key's name: the start of its hash in hexadecimal."""
        return hashlib.sha256(self.signing + self.sealing).hexdigest()[:_NAME_LENGTH]

    @cached_property
    def verifier(self) -> Ed25519PublicKey:
        """The key that verifies signatures."""
        return Ed25519PublicKey.from_public_bytes(self.signing)

    @cached_property
    def lock(self) -> X25519PublicKey:
        """The key to seal to."""
        return X25519PublicKey.from_public_bytes(self.sealing)


@dataclass(frozen=True)
class ExchangeKey:
    """An end's keys, from a 32-byte seed."""

    seed: bytes = field(repr=False)

    @cached_property
    def public(self) -> PublicExchangeKey:
        """The public keys for the other end."""
        return PublicExchangeKey(
            self.signer.public_key().public_bytes_raw(), self.opener.public_key().public_bytes_raw()
        )

    @cached_property
    def signer(self) -> Ed25519PrivateKey:
        """The signing key."""
        return Ed25519PrivateKey.from_private_bytes(self._derived(b"signing"))

    @cached_property
    def opener(self) -> X25519PrivateKey:
        """The key that opens envelopes."""
        return X25519PrivateKey.from_private_bytes(self._derived(b"sealing"))

    def _derived(self, purpose: bytes) -> bytes:
        return HKDF(SHA256(), length=_HALF_BYTES, salt=None, info=f"{_KEY_LABEL}/".encode() + purpose).derive(self.seed)


class EnvelopeError(ValueError):
    """An envelope is damaged, forged, or for another recipient."""


class EnvelopeKind(StrEnum):
    """Kinds of envelopes."""

    UNIT = "unit"  #: Calls for a node; a repeated unit asks for its state.
    ASK = "ask"  #: A query about a unit.
    END = "end"  #: The end of a session.
    REPORT = "report"  #: A node's report on a unit.


@dataclass(frozen=True, slots=True)
class EnvelopeHeader:
    """The header of an envelope."""

    kind: EnvelopeKind
    carrier: str  #: The node's carrier.
    sender: str  #: Name of the signing key.
    recipient: str  #: Name of the sealing key.
    unit: str  #: The unit's id, 32 hexadecimal digits.
    session: str  #: The controller's session, 32 hexadecimal digits.
    sent: float  #: Time of sealing, in seconds since 1970 by the sender's clock.
    until: float = 0.0  #: Latest start of a unit; 0 otherwise.
    reply: str = ""  #: Destination of a unit's reports; empty otherwise.


@dataclass
class _Open:
    count: int
    parts: dict[int, bytes] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return sum(map(len, self.parts.values()))


class Joiner:
    """Joins one subject's parts to messages; forgets the oldest incomplete ones."""

    def __init__(self, most: int = MOST_PARTS) -> None:
        self._most = most  #: Parts of a message.
        self._open: dict[bytes, _Open] = {}
        self._done: dict[bytes, None] = {}

    def add(self, part: bytes) -> bytes | None:
        """Take a part; return the message that it completes; ignore invalid ones."""
        if len(part) < _PART_HEAD.size or len(part) > _PART_HEAD.size + PART_BYTES:
            return None
        name, number, count = _PART_HEAD.unpack(part[: _PART_HEAD.size])
        if not 0 < count <= self._most or number >= count or name in self._done:
            return None
        message = self._open.setdefault(name, _Open(count))
        if message.count != count:
            return None
        message.parts.setdefault(number, part[_PART_HEAD.size :])
        if len(message.parts) == count:
            del self._open[name]
            self._remember(name)
            return b"".join(message.parts[n] for n in range(count))
        self._forget()
        return None

    def _remember(self, name: bytes) -> None:
        self._done[name] = None
        while len(self._done) > _REMEMBERED:
            del self._done[next(iter(self._done))]

    def _forget(self) -> None:
        while len(self._open) > _MOST_OPEN or (
            len(self._open) > 1
            and sum(message.size for message in self._open.values()) > (self._most + _MOST_OPEN) * PART_BYTES
        ):
            del self._open[next(iter(self._open))]


def is_carrier(text: str) -> bool:
    """Return whether a text may be a carrier's or host's id."""
    return _CARRIER.fullmatch(text) is not None


def node_name(carrier: str) -> str:
    """Return the name of a carrier's node and its consumer."""
    return f"node-{carrier}"


def reporter_name(carrier: str) -> str:
    """Return the name of a controller that reports for a carrier."""
    return f"report-{carrier}"


def inbox_of(end: str) -> str:
    """Return the subject prefix of the broker's answers to an end."""
    return f"_INBOX.{end}"


def new_exchange_key() -> ExchangeKey:
    """Generate an end's keys."""
    return ExchangeKey(secrets.token_bytes(_HALF_BYTES))


def public_exchange_key(line: str) -> PublicExchangeKey:
    """Parse a line with public keys, or raise `ValueError`."""
    label, _, text = line.strip().partition(" ")
    try:
        both = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        both = b""
    if label != _KEY_LABEL or len(both) != 2 * _HALF_BYTES:
        raise ValueError("it is no public exchange key")
    return PublicExchangeKey(both[:_HALF_BYTES], both[_HALF_BYTES:])


def read_exchange_key(path: Path) -> ExchangeKey:
    """Read a private file of `make_exchange_key`, or raise `UsageError`."""
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
    """Generate keys into a new private file, or raise `UsageError`."""
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
    message: bytes, own_key: ExchangeKey, senders: Mapping[str, PublicExchangeKey]
) -> tuple[EnvelopeHeader, bytes]:
    """Open an envelope for us from one of `senders`, or raise `EnvelopeError`."""
    header, written, signature, sealed = _split_envelope(message)
    sender = senders.get(header.sender)
    if sender is None:
        raise EnvelopeError("it is signed by nobody who is known here")
    if header.recipient != own_key.public.name:
        raise EnvelopeError("it is sealed to another one")
    with raised_as(EnvelopeError("its signature or its seal does not fit"), InvalidSignature, InvalidTag, ValueError):
        sender.verifier.verify(signature, _ENVELOPE_LABEL + _LENGTH.pack(len(written)) + written + sealed)
        shared = own_key.opener.exchange(X25519PublicKey.from_public_bytes(sealed[:_KEY]))
        key = _envelope_key(shared, sealed[:_KEY], own_key.public.sealing)
        return header, ChaCha20Poly1305(key).decrypt(_NONCE, sealed[_KEY:], _ENVELOPE_LABEL + written)


def _split_envelope(message: bytes) -> tuple[EnvelopeHeader, bytes, bytes, bytes]:
    """Return an envelope's header, the header's bytes, signature and sealed payload."""
    begin = len(_MAGIC) + _LENGTH.size
    if len(message) < begin or not message.startswith(_MAGIC):
        raise EnvelopeError("it is no envelope")
    (length,) = _LENGTH.unpack(message[len(_MAGIC) : begin])
    end = begin + length
    if length > _MOST_HEADER or len(message) < end + _SIGNATURE + _KEY + _TAG:
        raise EnvelopeError("it is cut off")
    written, signature = message[begin:end], message[end : end + _SIGNATURE]
    with raised_as(EnvelopeError("its header is none"), orjson.JSONDecodeError, TypeError, KeyError, ValueError):
        header = _checked_header(orjson.loads(written))
    return header, written, signature, message[end + _SIGNATURE :]


def _checked_header(document: Document) -> EnvelopeHeader:
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
    """Split a message; raise `ValueError` if it is too long."""
    count = max(1, -(-len(message) // PART_BYTES))
    if count > MOST_PARTS:
        raise ValueError(f"a message of {len(message)} bytes is too long")
    name = secrets.token_bytes(16)
    for number in range(count):
        yield _PART_HEAD.pack(name, number, count) + message[number * PART_BYTES : (number + 1) * PART_BYTES]
