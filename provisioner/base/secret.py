"""A value that must not be shown: masked wherever it is printed, revealed by name only."""

from __future__ import annotations

import base64
import hashlib
import hmac


class Secret:
    """A text that no log, plan, report or error may show.

    `repr`, `str` and formatting show a mask. `reveal` is the one way out; rendering and the bundle
    for a host are the places that use it.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    def __str__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return format("***", spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(("Secret", self._value))

    def __bool__(self) -> bool:
        return bool(self._value)

    def __reduce__(self) -> str | tuple[object, ...]:
        raise TypeError("a Secret is never pickled: it would land on a disk or in a pipe in the clear")


def mediamtx_hash(secret: Secret) -> str:
    """MediaMTX's `sha256:` form of a credential (unsalted; for random secrets of 128 bits and more)."""
    digest = hashlib.sha256(secret.reveal().encode()).digest()
    return "sha256:" + base64.b64encode(digest).decode()


def host_digest_key(digest_key: Secret, host: str) -> Secret:
    """Derive one host's key from the vault's digest key; those of its digests and of its identity come from it.

    A plain hash over a file that holds a camera password lets anybody guess the password from a plan;
    a key per host keeps one host's digests from telling about another's.
    """
    mac = hmac.new(digest_key.reveal().encode(), b"provisioner/host-digest/" + host.encode(), hashlib.sha256)
    return Secret(mac.hexdigest())


def record_key(digest_key: Secret, inventory: str) -> Secret:
    """Derive the key that seals an inventory's record of runs from the vault's digest key; no host is given it."""
    mac = hmac.new(digest_key.reveal().encode(), b"provisioner/record/" + inventory.encode(), hashlib.sha256)
    return Secret(mac.hexdigest())


def keyed_digest(key: Secret, content: bytes) -> str:
    """The HMAC-SHA-256 of a content, in the form of the on-host code."""
    return "hmac-sha256:" + hmac.digest(key.reveal().encode(), content, "sha256").hex()


def content_key(host_key: Secret) -> Secret:
    """Derive the key of the digests over a host's files from the host's key in the vault; hosts are sent this one."""
    return Secret(hmac.new(host_key.reveal().encode(), b"provisioner:host-contents", hashlib.sha256).hexdigest())


def identity_key(host_key: Secret) -> Secret:
    """Derive the key that is left on a host, so that it can prove later that it is the same one.

    Args:
        host_key: the host's key in the vault, which no host is sent: from the key of digests nobody gets to this one.
    """
    return Secret(hmac.new(host_key.reveal().encode(), b"provisioner:host-identity", hashlib.sha256).hexdigest())


def owner_fingerprint(host_key: Secret) -> str:
    """The public fingerprint by which a host's mark names the inventory's key; no secret follows from it.

    Args:
        host_key: the host's key in the vault, as for `identity_key`.
    """
    return hmac.new(host_key.reveal().encode(), b"provisioner:host-owner", hashlib.sha256).hexdigest()[:32]


def proof_of(identity: Secret, challenge: str) -> str:
    """What a host answers to a challenge if it holds its key, as the on-host code computes it."""
    return hmac.digest(identity.reveal().encode(), b"prove\0" + challenge.encode(), "sha256").hex()


def seal_of(identity: Secret, bundle: bytes) -> str:
    """The seal of a bundle that a host with this key takes, as the on-host code computes it, and what seals that."""
    key = identity.reveal().encode()
    seal = hmac.digest(key, b"call\0" + bundle, "sha256").hex()
    return seal + " " + hmac.digest(key, b"seal\0" + seal.encode(), "sha256").hex()
