"""Keys of this host, its owner's mark, and sealed boxes.

Keys and passwords are born here, are root's alone, and stay here. Each inventory reads and respects the mark of the one
that manages this host.

A sealed box holds the tunnel's private key, so that new hardware can have it: made here, opened by the recovery key.
X25519 (RFC 7748), HKDF-SHA-256 (RFC 5869) and HMAC-SHA-256, in Python's standard library, as hosts have nothing else.
The box is of a key pair that is drawn for it and forgotten. What HKDF gives is used once: 32 bytes are the pad of the
32 bytes that are sealed, 32 are the key of the HMAC over all of it, what it belongs to included. The private key of the
tunnel is never a scalar here: what this arithmetic, which is not of constant time, could tell by its duration is of the
drawn key alone. The controller opens it by `base/recovery_key.py`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provisioner_host.machine import files, paths, units
from provisioner_host.machine.paths import SIDE
from provisioner_host.machine.shell import Failed, run
from provisioner_host.state import dead_man, leases

if TYPE_CHECKING:
    from provisioner_host.wire import (
        KeysAnswer,
        KeysRequest,
        OwnerToMark,
        ReleaseAnswer,
        ReleaseRequest,
        SealedKeyAnswer,
        SealOrder,
    )


_LOCK_S = 20.0
_WORD, _PERSON = 64, 120
_MOST_BESIDE = 20

_SHOWN = 8

_PRIME = 2**255 - 19
_A24 = 121665
_SIZE = 32
BASE_POINT = (9).to_bytes(_SIZE, "little")
LABEL = b"provisioner:sealed-key:1"


def mark() -> dict[str, Any] | None:
    """The mark as it lies here; None where there is none, or a damaged one."""
    document = files.read_json(paths.OWNER)
    return document if isinstance(document, dict) else None


def beside() -> list[dict[str, Any]]:
    """The marks of the inventories that have sides of their own on this host; some of many."""
    folders = sorted(folder for folder in paths.STATE.parent.glob("provisioner.*") if folder != paths.STATE)
    marks = (files.read_json(folder / paths.OWNER.name) for folder in folders)
    return [mark for mark in marks if isinstance(mark, dict)][:_MOST_BESIDE]


def claim(owner: OwnerToMark | None, *, run: str, who: str) -> None:
    """Make the host its controller's: after a change that was confirmed, whoever had it before."""
    if owner is not None:
        _write(owner, run, who)


def claim_first(owner: OwnerToMark | None, *, who: str) -> None:
    """Make the host its controller's where nobody's mark is on it: one that is taken over is so by its first apply."""
    if owner is not None and not paths.OWNER.exists():
        _write(owner, _last_run(), who)


def release(request: ReleaseRequest, _folder: Path) -> ReleaseAnswer:
    """Let the host go: what runs here goes on running, and another inventory may take it as one without an owner.

    Raises:
        Failed: a change waits for its confirmation here, somebody is changing the host, or it is another one's.
    """
    with leases.lock("release", wait_s=_LOCK_S):
        armed = dead_man.armed()
        if armed is not None:
            raise Failed(
                f"run {armed.get('run', '')} waits for its confirmation here: release the host once it is over"
            )
        there = mark()
        if there is not None and (there.get("inventory"), there.get("key")) != _names(request["owner"]):
            raise Failed("the mark of another inventory is on this host: only its owner can let it go")
        _write(request["owner"], _last_run(), request["who"], released=True)
    return {"released": True}


def _names(owner: OwnerToMark) -> tuple[str, str]:
    return owner["inventory"], owner["key"]


def _last_run() -> str:
    return str((files.read_json(paths.MANIFEST) or {}).get("run") or "")


def _write(owner: OwnerToMark, run: str, who: str, *, released: bool = False) -> None:
    document = {
        "inventory": owner["inventory"],
        "key": owner["key"],
        "host": owner["host"][:_WORD],
        "at": leases.moment(),
        "run": run[:_WORD],
        "who": who[:_PERSON],
    }
    files.write_json(paths.OWNER, document | ({"released": True} if released else {}))


def prepare() -> None:
    """Make the users and the folders of ours.

    Raises:
        Failed: a user of that name is root by another name, or SELinux's labels cannot be given.
    """
    for name in reversed(paths.USERS):
        _user(name)
    files.folder(paths.RUN, 0o700)
    files.folder(paths.ETC, 0o750, group="root" if SIDE else paths.USER)
    files.folder(paths.KEYS, 0o700)
    files.folder(paths.LIB, 0o755)
    files.folder(paths.STATE, 0o700)
    files.folder(paths.RECEIPTS, 0o700)
    units.relabel((paths.ETC, paths.LIB, paths.STATE))


def leave(folder: Path) -> None:
    """Leave the controller's key here, where the bundle brings it: with it the host proves itself later."""
    brought = folder / "files/identity"
    if brought.exists():
        files.write(paths.IDENTITY, brought.read_bytes(), mode=0o600)


def _user(name: str) -> None:
    known = run(["getent", "passwd", name], check=False)
    if known.returncode != 0:
        run(["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", name])
    elif known.stdout.split(":")[2:3] == ["0"]:
        raise Failed(f"the user {name} of this host is root: remove it, it is made anew")


def make(request: KeysRequest, folder: Path) -> KeysAnswer:
    """Make what is not there yet; answer with the public key and the hashes, never with a secret.

    The controller leaves its key and the program here, so that the host can prove itself from the next call on, and its
    mark where there is nobody's.

    The request's `relay` says whether this host has a relay and so needs its two passwords; `restores` brings the
    tunnel's key of the host that this one stands in for.

    Raises:
        Failed: a key that is brought is not the one that was named, or this host has run with another one.
    """
    brought = _brought(request["restores"], folder) if "restores" in request else ""
    prepare()
    leave(folder)
    claim_first(request.get("owner"), who=request.get("who", ""))
    files.write(paths.HOST_PROGRAM, (folder / "files/program").read_bytes(), mode=0o755)
    units.relabel((paths.HOST_PROGRAM,))
    if brought or not paths.WG_KEY.exists():
        files.write(paths.WG_KEY, (brought or run(["wg", "genkey"]).stdout).encode(), mode=0o600)
    private_key = paths.WG_KEY.read_text()
    answer: KeysAnswer = {"public_key": _public_key(private_key)}
    if request["relay"]:
        answer["api_hash"] = _hash_of(paths.API_PASSWORD)
        answer["probe_hash"] = _hash_of(paths.PROBE_PASSWORD)
    following = _following(request, folder) if "following" in request else ""
    if following:
        answer["following"] = _public_key(following)
    if "seal" in request:
        answer["sealed"] = seal(private_key, answer["public_key"], request["seal"])
        if following:
            answer["sealed_following"] = seal(following, answer["following"], request["seal"])
    return answer


def _following(request: KeysRequest, folder: Path) -> str:
    """The private key that follows the tunnel's own one: the one that is there, a new one, or the one that is brought.

    Raises:
        Failed: one that is brought is not the one that was named.
    """
    named = request["following"]
    brought = folder / "files/next-key"
    if named and brought.exists():
        private_key = brought.read_text()
        if _public_key(private_key) != named:
            raise Failed("the next key that was brought is not the one that was named: nothing was kept of it")
        files.write(paths.WG_KEY_NEXT, private_key.encode(), mode=0o600)
    elif not paths.WG_KEY_NEXT.exists():
        files.write(paths.WG_KEY_NEXT, run(["wg", "genkey"]).stdout.encode(), mode=0o600)
    return paths.WG_KEY_NEXT.read_text()


def _public_key(private_key: str) -> str:
    return run(["wg", "pubkey"], stdin=private_key).stdout.strip()


def _brought(public_key: str, folder: Path) -> str:
    """The tunnel's private key that the bundle brings, for a host that has none, or one that nobody used yet.

    Raises:
        Failed: it is not the one that was named, or a change was confirmed here with another one.
    """
    private_key = (folder / "files/tunnel-key").read_text()
    if _public_key(private_key) != public_key:
        raise Failed("the tunnel's key that was brought is not the one that was named: nothing was kept")
    has = _public_key(paths.WG_KEY.read_text()) if paths.WG_KEY.exists() else public_key
    if has != public_key and (files.read_json(paths.MANIFEST) or {}).get("run"):
        raise Failed(f"this host has run with a tunnel key of its own, {has[:_SHOWN]}…: it stands in for nobody")
    return private_key


def _hash_of(path: Path) -> str:
    if not path.exists():
        files.write(path, secrets.token_urlsafe(32).encode() + b"\n", mode=0o600)
    digest = hashlib.sha256(path.read_text().strip().encode()).digest()
    return "sha256:" + base64.b64encode(digest).decode()


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
