"""What travels over the broker: sealed to one end, signed by the other, bound to what it is about.

A header stands in the clear, as the broker's own records do: what kind it is, of whom and to whom, which unit, when. It
is bound to what is sealed. Each envelope has a key of its own: X25519 with a pair that is drawn for it, HKDF, and
ChaCha20-Poly1305. The signature (Ed25519) is over header and sealed bytes.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Final

import orjson

from provisioner.base.canonical import canonical_json
from provisioner.base.json_document import Document
from provisioner.nodes.exchange_key import ExchangeKey, PublicExchangeKey
from provisioner.nodes.subjects import is_carrier

_MAGIC: Final = b"PVN1"
_LENGTH: Final = struct.Struct(">I")
_MOST_HEADER: Final = 1024
_SIGNATURE, _KEY, _TAG = 64, 32, 16
_LABEL: Final = b"provisioner:envelope:1\0"
_NONCE: Final = bytes(12)
"""A key seals one envelope alone, so that its nonce may be a constant."""
_NAME: Final = re.compile(r"[0-9a-f]{32}")
_REPLY: Final = re.compile(r"[A-Za-z0-9-]{0,64}")


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


def seal_envelope(header: EnvelopeHeader, payload: bytes, sender: ExchangeKey, recipient: PublicExchangeKey) -> bytes:
    """Seal a payload to a recipient, and sign it."""
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey  # noqa: PLC0415 (it takes time)
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305  # noqa: PLC0415

    written = canonical_json(asdict(header))
    once = X25519PrivateKey.generate()
    public = once.public_key().public_bytes_raw()
    key = _key(once.exchange(recipient.lock), public, recipient.sealing)
    sealed = public + ChaCha20Poly1305(key).encrypt(_NONCE, payload, _LABEL + written)
    signature = sender.signer.sign(_LABEL + _LENGTH.pack(len(written)) + written + sealed)
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
    from cryptography.exceptions import InvalidSignature, InvalidTag  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305  # noqa: PLC0415

    header, written, signature, sealed = _taken_apart(message)
    sender = senders.get(header.sender)
    if sender is None:
        raise EnvelopeError("it is signed by nobody who is known here")
    if header.recipient != own.public.name:
        raise EnvelopeError("it is sealed to another one")
    try:
        sender.verifier.verify(signature, _LABEL + _LENGTH.pack(len(written)) + written + sealed)
        shared = own.opener.exchange(X25519PublicKey.from_public_bytes(sealed[:_KEY]))
        key = _key(shared, sealed[:_KEY], own.public.sealing)
        return header, ChaCha20Poly1305(key).decrypt(_NONCE, sealed[_KEY:], _LABEL + written)
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


def _key(shared: bytes, public: bytes, recipient: bytes) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415

    return HKDF(SHA256(), length=32, salt=public + recipient, info=_LABEL).derive(shared)
