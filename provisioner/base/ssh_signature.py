"""Signatures of `ssh-keygen -Y sign` (SSHSIG), and their keys. Pure.

A signature names its key, namespace and hash; callers compare them before they trust it. Supported keys are Ed25519,
ECDSA on NIST curves, RSA from 2048 bits, and the two kinds in security tokens, which also prove a touch. RSA with
SHA-1, certificates and DSA are refused. SSH's wire format (RFC 4251, part 5) is parsed strictly.
"""

import base64
import binascii
import hashlib
import re
import struct
from dataclasses import dataclass
from typing import Final

ED25519: Final = "ssh-ed25519"
RSA: Final = "ssh-rsa"
SK_ED25519: Final = "sk-ssh-ed25519@openssh.com"
SK_ECDSA: Final = "sk-ecdsa-sha2-nistp256@openssh.com"
CURVES: Final = {f"ecdsa-sha2-{curve}": curve for curve in ("nistp256", "nistp384", "nistp521")}
_POINT_BYTES: Final = {"nistp256": 65, "nistp384": 97, "nistp521": 133}
KINDS: Final = (ED25519, *CURVES, RSA, SK_ED25519, SK_ECDSA)  #: First words of supported public keys.
MAX_BYTES: Final = 8192  #: Upper bound of a key or signature.
_MAGIC: Final = b"SSHSIG"
_VERSION: Final = 1
_HASHES: Final = {b"sha256": hashlib.sha256, b"sha512": hashlib.sha512}
_RSA_BITS: Final = range(2048, 16385)
_RSA_EXPONENTS: Final = range(3, 2**32)
_ED25519_KEY, _ED25519_SIGNATURE = 32, 64
_TOUCHED: Final = 0x01
_ARMOUR = re.compile(
    rb"-----BEGIN SSH SIGNATURE-----\r?\n((?:[A-Za-z0-9+/=]{1,80}\r?\n)+)-----END SSH SIGNATURE-----\r?\n?"
)


class WireError(ValueError):
    """Malformed bytes; the message does not repeat them."""


class WireReader:
    """A reader of bytes, from the beginning to the end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        """Read the next bytes, or raise `WireError`."""
        if count > len(self._data) - self._at:
            raise WireError("it ends too early")
        self._at += count
        return self._data[self._at - count : self._at]

    def number(self) -> int:
        """Read an unsigned integer of 32 bits."""
        return int(struct.unpack(">I", self.take(4))[0])

    def text(self) -> bytes:
        """Read a length and as many bytes."""
        return self.take(self.number())

    def big_number(self) -> int:
        """Read a positive integer of any size, in its shortest form."""
        data = self.text()
        if data and (data[0] & 0x80 or data[:2] == b"\0" or (data[0] == 0 and len(data) > 1 and not data[1] & 0x80)):
            raise WireError("a number is not written as SSH writes it")
        return int.from_bytes(data, "big")

    def end(self) -> None:
        """Raise `WireError` if bytes are left."""
        if self._at != len(self._data):
            raise WireError("something follows its end")


class SignatureFormError(ValueError):
    """Unsupported key or signature; the message continues a sentence after `it`."""


@dataclass(frozen=True, slots=True)
class SshPublicKey:
    """A public key."""

    kind: str  #: Its first word, e.g. `ssh-ed25519`.
    blob: bytes
    numbers: tuple[bytes, ...]  #: The curve point or Ed25519 key; RSA: exponent and modulus.
    application: bytes = b""  #: Of a token's key; empty for others.

    @property
    def fingerprint(self) -> str:
        """`SHA256:…`, as `ssh-keygen -l` shows it."""
        return _fingerprint(self.blob)


@dataclass(frozen=True, slots=True)
class SshSignature:
    """A parsed signature with the key and namespace it claims, not verified."""

    key: SshPublicKey
    namespace: bytes
    hash_name: bytes  #: `sha256` or `sha512`, of the message.
    scheme: str  #: e.g. `rsa-sha2-512`.
    numbers: tuple[bytes, ...]  #: The signature itself; r and s for ECDSA.
    flags: bytes = b""  #: A token's touch flag and counter; empty for others.


@dataclass(frozen=True, slots=True)
class SshHostKey:
    """A host's SSH key and its fingerprint, for a person to compare."""

    host_key: str

    @property
    def fingerprint(self) -> str:
        """`SHA256:…`, or empty."""
        return fingerprint_of(self.host_key)


def ssh_text(data: bytes) -> bytes:
    """Prefix bytes with their length."""
    return struct.pack(">I", len(data)) + data


# --- reading --------------------------------------------------------------------------------------
def public_key_of(line: str) -> SshPublicKey:
    """Parse a line `ssh-ed25519 AAAA…`, or raise `SignatureFormError`."""
    kind, _, encoded = line.partition(" ")
    key = _read_key(_base64_decoded(encoded))
    if key.kind != kind:
        raise SignatureFormError(f"says {key.kind[:40]} inside and {kind[:40]} in front")
    return key


def signature_of(encoded: str) -> SshSignature:
    """Parse a signature's base64, or raise `SignatureFormError`."""
    try:
        return _read_signature(_base64_decoded(encoded))
    except WireError as error:
        raise SignatureFormError(f"is no SSH signature: {error}") from error


def unarmoured(data: bytes) -> str:
    """Return a signature file's base64, or raise `SignatureFormError`."""
    match = _ARMOUR.fullmatch(data) if len(data) <= 2 * MAX_BYTES else None
    if match is None:
        raise SignatureFormError("is no file that `ssh-keygen -Y sign` wrote")
    return b"".join(match[1].split()).decode("ascii")


def _base64_decoded(encoded: str) -> bytes:
    try:
        data = base64.b64decode(encoded.encode("ascii"), validate=True)
    except (ValueError, binascii.Error):
        raise SignatureFormError("is not base64") from None
    if base64.b64encode(data).decode() != encoded or len(data) > MAX_BYTES:
        raise SignatureFormError("is not base64 of a signature's or key's length")
    return data


def _read_key(blob: bytes) -> SshPublicKey:
    reader = WireReader(blob)
    try:
        kind = reader.text().decode("ascii", "replace")
        key = _key_of_kind(kind, reader, blob)
        reader.end()
    except WireError as error:
        raise SignatureFormError(f"has a key that is none: {error}") from error
    return key


def _key_of_kind(kind: str, reader: WireReader, blob: bytes) -> SshPublicKey:
    if kind in {ED25519, SK_ED25519}:
        number = _sized(reader.text(), _ED25519_KEY)
        return SshPublicKey(kind, blob, (number,), _key_application(reader) if kind == SK_ED25519 else b"")
    if kind in CURVES or kind == SK_ECDSA:
        curve = CURVES.get(kind, "nistp256")
        if reader.text() != curve.encode():
            raise WireError("its curve is not the one of its kind")
        point = _sized(reader.text(), _POINT_BYTES[curve])
        return SshPublicKey(kind, blob, (point,), _key_application(reader) if kind == SK_ECDSA else b"")
    if kind == RSA:
        exponent, modulus = reader.big_number(), reader.big_number()
        if modulus.bit_length() not in _RSA_BITS or exponent not in _RSA_EXPONENTS or not exponent % 2:
            raise WireError("it is an RSA key of less than 2048 bits, or of no usual form")
        return SshPublicKey(kind, blob, (_bytes_of(exponent), _bytes_of(modulus)))
    raise SignatureFormError(f"has a key of a kind that is not known: {', '.join(KINDS)}")


def _key_application(reader: WireReader) -> bytes:
    application = reader.text()
    if not application.startswith(b"ssh:"):
        raise WireError("its token's key is not for SSH")
    return application


def _sized(data: bytes, size: int) -> bytes:
    if len(data) != size:
        raise WireError("a part of it has another length than it should")
    return data


def _bytes_of(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _read_signature(data: bytes) -> SshSignature:
    reader = WireReader(data)
    if reader.take(len(_MAGIC)) != _MAGIC or reader.number() != _VERSION:
        raise WireError("it does not begin as one of version 1")
    key, namespace, reserved, hash_name = _read_key(reader.text()), reader.text(), reader.text(), reader.text()
    if reserved or hash_name not in _HASHES:
        raise WireError("it has a hash or a field that is not known")
    made = WireReader(reader.text())
    reader.end()
    scheme = made.text().decode("ascii", "replace")
    if scheme not in ({"rsa-sha2-256", "rsa-sha2-512"} if key.kind == RSA else {key.kind}):
        raise WireError("it is made in another way than its key's")
    numbers = _signature_numbers(key, made.text())
    flags = made.take(5) if key.application else b""
    made.end()
    return SshSignature(key, namespace, hash_name, scheme, numbers, flags)


def _signature_numbers(key: SshPublicKey, data: bytes) -> tuple[bytes, ...]:
    if key.kind in {ED25519, SK_ED25519}:
        return (_sized(data, _ED25519_SIGNATURE),)
    if key.kind == RSA:
        return (_sized(data, len(key.numbers[1])),)
    reader = WireReader(data)
    numbers = _bytes_of(reader.big_number()), _bytes_of(reader.big_number())
    reader.end()
    return numbers


# --- proving --------------------------------------------------------------------------------------
def is_made_by_its_key(signature: SshSignature, message: bytes) -> bool:
    """Return whether a signature's own key signed the message in its namespace.

    The caller compares key and namespace with the expected ones.
    """
    hashed = _HASHES[signature.hash_name](message).digest()
    fields = (signature.namespace, b"", signature.hash_name, hashed)
    signed = _MAGIC + b"".join(ssh_text(field) for field in fields)
    if signature.key.application:
        if not signature.flags[0] & _TOUCHED:
            return False
        application = hashlib.sha256(signature.key.application).digest()
        signed = application + signature.flags + hashlib.sha256(signed).digest()
    # Most runs see no signature, and the library takes its time to load.
    from provisioner.base.signing import verifies  # noqa: PLC0415

    return verifies(_algorithm_of(signature), signature.key.numbers, signature.numbers, signed)


def _algorithm_of(signature: SshSignature) -> str:
    kind = signature.key.kind
    if kind in {ED25519, SK_ED25519}:
        return "ed25519"
    return signature.scheme if kind == RSA else CURVES.get(kind, "nistp256")


# --- fingerprints ----------------------------------------------------------------------------------
def fingerprint_of(host_key: str) -> str:
    """Return `SHA256:…`, as `ssh-keygen -l` prints it; empty if invalid."""
    try:
        raw = base64.b64decode(host_key.partition(" ")[2], validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    return _fingerprint(raw) if raw else ""


def _fingerprint(blob: bytes) -> str:
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
