"""A sealed box for the tunnel's private key, so that new hardware can have it: made here, opened by the recovery key.

X25519 (RFC 7748), HKDF-SHA-256 (RFC 5869) and HMAC-SHA-256, in Python's standard library, as hosts have nothing else.
The box is of a key pair that is drawn for it and forgotten. What HKDF gives is used once: 32 bytes are the pad of the
32 bytes that are sealed, 32 are the key of the HMAC over all of it, what it belongs to included. The private key of the
tunnel is never a scalar here: what this arithmetic, which is not of constant time, could tell by its duration is of the
drawn key alone. The controller opens it by `base/sealed_key.py`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from typing import TYPE_CHECKING

from provisioner_host.shell import Failed

if TYPE_CHECKING:
    from provisioner_host.wire import SealedKeyAnswer, SealOrder

_PRIME = 2**255 - 19
_A24 = 121665
_SIZE = 32
BASE_POINT = (9).to_bytes(_SIZE, "little")
LABEL = b"provisioner:sealed-key:1"


def seal(private_key: str, public_key: str, order: SealOrder) -> SealedKeyAnswer:
    """Seal a tunnel's private key, in base64, to a recovery key, bound to whose it is.

    Raises:
        Failed: the recovery key is none, or the private one.
    """
    recovery = base64.b64decode(order["recovery"])
    drawn = os.urandom(_SIZE)
    sender = x25519(drawn, BASE_POINT)
    shared = x25519(drawn, recovery)
    if shared == bytes(_SIZE):
        raise Failed("the recovery key of this inventory is no key: make one with provisioner keys recovery --replace")
    context = context_of(order["inventory"], order["host"], public_key)
    pad, key = halves(shared, sender, recovery, context)
    secret = base64.b64decode(private_key)
    if len(secret) != _SIZE:
        raise Failed("the tunnel's private key is none: what wg made of it is not 32 bytes")
    hidden = bytes(a ^ b for a, b in zip(secret, pad))
    proof = hmac.digest(key, context + sender + hidden, "sha256")
    box = base64.b64encode(sender + hidden + proof).decode()
    return {"recovery": order["recovery"], "public_key": public_key, "box": box}


def context_of(inventory: str, host: str, public_key: str) -> bytes:
    """What a box belongs to, as bytes: none of the three can hold a zero byte."""
    return b"\0".join([LABEL, inventory.encode(), host.encode(), public_key.encode()])


def halves(shared: bytes, sender: bytes, recovery: bytes, context: bytes) -> tuple[bytes, bytes]:
    """The pad and the key of the HMAC, by HKDF-SHA-256 from what both ends share."""
    both = hkdf(shared, salt=sender + recovery, info=context, size=2 * _SIZE)
    return both[:_SIZE], both[_SIZE:]


def hkdf(secret: bytes, *, salt: bytes, info: bytes, size: int) -> bytes:
    """HKDF with SHA-256 (RFC 5869)."""
    key = hmac.digest(salt or bytes(hashlib.sha256().digest_size), secret, "sha256")
    made = block = b""
    counter = 1
    while len(made) < size:
        block = hmac.digest(key, block + info + bytes([counter]), "sha256")
        made, counter = made + block, counter + 1
    return made[:size]


def x25519(scalar: bytes, point: bytes) -> bytes:
    """The function X25519 (RFC 7748, part 5)."""
    k = int.from_bytes(scalar, "little") & ~7 & ~(1 << 255) | (1 << 254)
    u = (int.from_bytes(point, "little") & ((1 << 255) - 1)) % _PRIME
    x2, z2, x3, z3, swapped = 1, 0, u, 1, 0
    for bit in range(254, -1, -1):
        now = k >> bit & 1
        if swapped != now:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swapped = now
        x2, z2, x3, z3 = _step(u, x2, z2, x3, z3)
    if swapped:
        x2, z2 = x3, z3
    return (x2 * pow(z2, _PRIME - 2, _PRIME) % _PRIME).to_bytes(_SIZE, "little")


def _step(u: int, x2: int, z2: int, x3: int, z3: int) -> tuple[int, int, int, int]:
    """One step of the ladder, in the RFC's letters."""
    a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
    aa, bb = a * a % _PRIME, b * b % _PRIME
    da, cb, e = d * a % _PRIME, c * b % _PRIME, aa - bb
    x3, z3 = (da + cb) ** 2 % _PRIME, u * (da - cb) ** 2 % _PRIME
    return aa * bb % _PRIME, e * (aa + _A24 * e) % _PRIME, x3, z3
