"""Secret values: masked in any output, revealed by name only."""

import base64
import hashlib
import hmac


class Secret:
    """A text that no log, plan, report or error may show.

    `repr`, `str` and formatting show a mask. Only rendering and the bundle for a host call `reveal`.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the plain text."""
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
    """Return MediaMTX's unsalted `sha256:` form, for random secrets of 128+ bits."""
    return "sha256:" + base64.b64encode(hashlib.sha256(secret.reveal().encode()).digest()).decode()


def host_digest_key(digest_key: Secret, host: str) -> Secret:
    """Derive a host's key from the vault's digest key.

    A plain hash would let a plan's reader guess a camera password in the file.
    """
    mac = hmac.new(digest_key.reveal().encode(), b"provisioner/host-digest/" + host.encode(), hashlib.sha256)
    return Secret(mac.hexdigest())


def record_key(digest_key: Secret, inventory: str) -> Secret:
    """Derive the key that seals an inventory's record; no host receives it."""
    mac = hmac.new(digest_key.reveal().encode(), b"provisioner/record/" + inventory.encode(), hashlib.sha256)
    return Secret(mac.hexdigest())


def keyed_digest(key: Secret, content: bytes) -> str:
    """Return a content's HMAC-SHA-256, in the form of the on-host code."""
    return "hmac-sha256:" + hmac.digest(key.reveal().encode(), content, "sha256").hex()


def content_key(host_key: Secret) -> Secret:
    """Derive the key for digests of a host's files; hosts receive it."""
    return Secret(hmac.new(host_key.reveal().encode(), b"provisioner:host-contents", hashlib.sha256).hexdigest())


def identity_key(host_key: Secret) -> Secret:
    """Derive the key left on a host, which proves its identity later.

    It comes from the vault's host key, which no host receives: a digest key does not lead to it.
    """
    return Secret(hmac.new(host_key.reveal().encode(), b"provisioner:host-identity", hashlib.sha256).hexdigest())


def owner_fingerprint(host_key: Secret) -> str:
    """Return a host key's public fingerprint, for the mark on the host."""
    return hmac.new(host_key.reveal().encode(), b"provisioner:host-owner", hashlib.sha256).hexdigest()[:32]


def proof_of(identity: Secret, challenge: str) -> str:
    """Return a host's answer to a challenge, computed as on the host."""
    return hmac.digest(identity.reveal().encode(), b"prove\0" + challenge.encode(), "sha256").hex()


def seals_of(identity: Secret, bundle: bytes, program: bytes, operation: str, digest: str) -> dict[str, str]:
    """Return the words before a call, computed as on hosts.

    Hosts that stay check `bare` before the bundle, or `whole` before bundle and program. Older ones check `once`
    before both. `program` follows the bundle if the host lacks it; `digest` names the program that is to serve the
    call.
    """
    key = identity.reveal().encode()
    mac = hmac.new(key, b"call\0", "sha256")
    mac.update(bundle)
    bare = mac.hexdigest()
    mac.update(program)
    whole = mac.hexdigest()

    def frame(seal: str, size: int) -> str:
        proof = hmac.digest(key, f"frame\0{seal} {size} {operation} {digest}".encode(), "sha256").hex()
        return f"{seal} {proof} {size} {operation}"

    once = f"{whole} {hmac.digest(key, b'seal' + bytes(1) + whole.encode(), 'sha256').hex()}"
    return {"bare": frame(bare, len(bundle)), "whole": frame(whole, len(bundle) + len(program)), "once": once}
