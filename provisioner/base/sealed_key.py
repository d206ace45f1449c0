"""A sealed box as hosts make it (`playbooks/provisioner_host/escrow.py`), opened with the recovery key's private half.

The box is the sender's public key, the sealed key and an HMAC, 32 bytes each, in base64. Both halves of what HKDF gives
are used once. It is bound to the inventory, the host and the public key of what is sealed.
"""

from __future__ import annotations

import base64
import hmac

from provisioner.base.recovery_key import RecoveryPair
from provisioner.base.secret import Secret

LABEL = b"provisioner:sealed-key:1"
_PART = 32


class BoxError(ValueError):
    """A box is damaged, or of another host, inventory or recovery key."""


def open_box(box: str, recovery: RecoveryPair, *, inventory: str, host: str, public_key: str) -> Secret:
    """The tunnel's private key that is in a box, in base64: it has this public key.

    Raises:
        BoxError: the box is not of these, or what is in it is another key.
    """
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 (these take time to import)
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415
    from cryptography.hazmat.primitives.hmac import HMAC  # noqa: PLC0415
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415

    data = base64.b64decode(box)
    sender, hidden, proof = data[:_PART], data[_PART : 2 * _PART], data[2 * _PART :]
    own = X25519PrivateKey.from_private_bytes(base64.b64decode(recovery.private_key.reveal()))
    try:
        shared = own.exchange(X25519PublicKey.from_public_bytes(sender))
    except ValueError:
        raise BoxError("its sender is no key") from None
    context = b"\0".join([LABEL, inventory.encode(), host.encode(), public_key.encode()])
    salt = sender + base64.b64decode(recovery.public_key)
    both = HKDF(SHA256(), length=2 * _PART, salt=salt, info=context).derive(shared)
    mac = HMAC(both[_PART:], SHA256())
    mac.update(context + sender + hidden)
    try:
        mac.verify(proof)
    except InvalidSignature:
        raise BoxError("it was changed, or is another one's") from None
    private = bytes(a ^ b for a, b in zip(hidden, both[:_PART], strict=True))
    its_public = X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()
    if not hmac.compare_digest(base64.b64encode(its_public).decode(), public_key):
        raise BoxError("the key in it has another public key")
    return Secret(base64.b64encode(private).decode())
