"""The recovery key: its paper form, and boxes sealed to it.

On paper the private half is four lines of sixteen characters in Crockford's base 32, which has no characters that look
alike. Each line holds eight bytes of the key and a checksum of two bytes over them and the line number. So a typing
mistake or swapped lines are reported by line. The known public half catches what a checksum misses.

Hosts seal their tunnels' private keys (`playbooks/provisioner_host/state/keys.py`). A box is the sender's public key,
the sealed key and an HMAC, 32 bytes each, in base64. Both halves of HKDF's output are used once. A box is bound to the
inventory, the host and the public key of the sealed one.
"""

import base64
import hashlib
import hmac
import re
import secrets as random
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from provisioner.base.errors import UsageError, raised_as
from provisioner.base.secret import Secret
from provisioner.base.text import counted

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_READ_AS = str.maketrans("OIL", "011")
_LINE_NUMBER = re.compile(r"\s*[1-9]\s*[:.)]")
_KEY_BYTES, _LINE_BYTES, _CHECK_BYTES = 32, 8, 2
_GROUP, _BITS = 4, 5
LINES = _KEY_BYTES // _LINE_BYTES
LETTERS = (_LINE_BYTES + _CHECK_BYTES) * 8 // _BITS
_BOX_LABEL = b"provisioner:sealed-key:1"


@dataclass(frozen=True, slots=True)
class RecoveryPair:
    """A recovery key: both halves are 32 bytes in base64."""

    public_key: str
    private_key: Secret = field(repr=False)


class BoxError(ValueError):
    """A damaged box, or one of another host, inventory or recovery key."""


def new_pair() -> RecoveryPair:
    """Generate a recovery key."""
    return pair_of(random.token_bytes(_KEY_BYTES))


def pair_of(private: bytes) -> RecoveryPair:
    """Return the pair of a private half of 32 bytes."""
    public = X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()
    return RecoveryPair(base64.b64encode(public).decode(), Secret(base64.b64encode(private).decode()))


def vouched(digest_key: Secret, inventory: str, public_key: str) -> str:
    """Return proof that somebody with the vault's key set the public half.

    Otherwise somebody who proposes edits, without the vault, could insert their own key and read every box.
    """
    key = hmac.digest(digest_key.reveal().encode(), b"provisioner/recovery/" + inventory.encode(), "sha256")
    return hmac.digest(key, public_key.encode(), "sha256").hex()


# --- on paper ----------------------------------------------------------------------------------------
def on_paper(private_key: Secret) -> tuple[str, ...]:
    """Return the printed private half, eight bytes a line: `1: 9F2K …`."""
    key = base64.b64decode(private_key.reveal())
    parts = [key[at : at + _LINE_BYTES] for at in range(0, _KEY_BYTES, _LINE_BYTES)]
    return tuple(f"{number}: {_grouped(part + _check(number, part))}" for number, part in enumerate(parts, 1))


def from_paper(text: str) -> RecoveryPair:
    """Read a written private half, in four lines or in one.

    Small letters are accepted, spaces and hyphens are ignored, and O, I and L are read as digits. `UsageError`
    names an invalid line and repeats no content.
    """
    lines = [_LINE_NUMBER.sub("", line, count=1) for line in text.splitlines()]
    written = [line for line in (re.sub(r"[\s-]", "", line).upper().translate(_READ_AS) for line in lines) if line]
    if len(written) == 1:
        written = [written[0][at : at + LETTERS] for at in range(0, len(written[0]), LETTERS)]
    if len(written) != LINES:
        raise _unlike(f"it has {counted(len(written), 'line')} where {LINES} were printed")
    return pair_of(b"".join(line_from_paper(number, line) for number, line in enumerate(written, 1)))


def line_from_paper(number: int, text: str) -> bytes:
    """Return the eight bytes of a line; a mistake raises `UsageError`."""
    letters = re.sub(r"[\s-]", "", _LINE_NUMBER.sub("", text, count=1)).upper().translate(_READ_AS)
    if len(letters) != LETTERS:
        raise _unlike(f"line {number} has {counted(len(letters), 'sign')} where {LETTERS} were printed")
    if not set(letters) <= set(_ALPHABET):
        raise _unlike(f"line {number} has a sign that was not printed there")
    value = 0
    for letter in letters:
        value = value << _BITS | _ALPHABET.index(letter)
    data = value.to_bytes(_LINE_BYTES + _CHECK_BYTES, "big")
    part, check = data[:_LINE_BYTES], data[_LINE_BYTES:]
    if not hmac.compare_digest(check, _check(number, part)):
        raise _unlike(f"line {number} has a typing mistake, or stands in another line's place")
    return part


def _unlike(problem: str) -> UsageError:
    hint = "type it as it was printed: four lines of four groups of four; capitals, spaces and hyphens do not matter"
    return UsageError(f"this is no recovery key: {problem}", hint=hint)


def _check(number: int, part: bytes) -> bytes:
    return hashlib.sha256(b"provisioner:recovery-line:1" + bytes([number]) + part).digest()[:_CHECK_BYTES]


def _grouped(data: bytes) -> str:
    value = int.from_bytes(data, "big")
    letters = "".join(_ALPHABET[value >> at & 31] for at in range(len(data) * 8 - _BITS, -1, -_BITS))
    return " ".join(letters[at : at + _GROUP] for at in range(0, len(letters), _GROUP))


# --- boxes -----------------------------------------------------------------------------------------
def open_box(box: str, recovery: RecoveryPair, *, inventory: str, host: str, public_key: str) -> Secret:
    """Return a box's private key in base64, or raise `BoxError`."""
    data = base64.b64decode(box)
    sender, hidden, proof = data[:_KEY_BYTES], data[_KEY_BYTES : 2 * _KEY_BYTES], data[2 * _KEY_BYTES :]
    recovery_key = X25519PrivateKey.from_private_bytes(base64.b64decode(recovery.private_key.reveal()))
    with raised_as(BoxError("its sender is no key"), ValueError):
        shared = recovery_key.exchange(X25519PublicKey.from_public_bytes(sender))
    context = b"\0".join([_BOX_LABEL, inventory.encode(), host.encode(), public_key.encode()])
    salt = sender + base64.b64decode(recovery.public_key)
    derived = HKDF(SHA256(), length=2 * _KEY_BYTES, salt=salt, info=context).derive(shared)
    mac = HMAC(derived[_KEY_BYTES:], SHA256())
    mac.update(context + sender + hidden)
    with raised_as(BoxError("it was changed, or is another one's"), InvalidSignature):
        mac.verify(proof)
    private = bytes(a ^ b for a, b in zip(hidden, derived[:_KEY_BYTES], strict=True))
    its_public = X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()
    if not hmac.compare_digest(base64.b64encode(its_public).decode(), public_key):
        raise BoxError("the key in it has another public key")
    return Secret(base64.b64encode(private).decode())
