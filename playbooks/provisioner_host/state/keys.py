"""This host's keys, owner mark and sealed boxes.

Keys and passwords are generated here, belong to root and never leave the host in clear. Each inventory respects the
owner mark.

A sealed box carries the tunnel's private key to replacement hardware; the recovery key opens it. It uses X25519 (RFC
7748), HKDF-SHA-256 (RFC 5869) and HMAC-SHA-256 in Python's standard library, as hosts have no other library. Each box
has its own ephemeral key pair. HKDF's output is used once: 32 bytes are the pad of the 32 sealed bytes, 32 are the HMAC
key over the whole box and its context. This arithmetic is not constant-time, so the tunnel's private key is never a
scalar here: timing can only leak the ephemeral key. `base/recovery_key.py` opens the box on the controller.
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
    from provisioner_host import wire

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
    """Return the owner mark, or `None` if it is missing or damaged."""
    document = files.read_json(paths.OWNER)
    return document if isinstance(document, dict) else None


def beside() -> list[dict[str, Any]]:
    """Return other inventories' marks on this shared host, at most 20."""
    folders = sorted(folder for folder in paths.STATE.parent.glob("provisioner.*") if folder != paths.STATE)
    marks = (files.read_json(folder / paths.OWNER.name) for folder in folders)
    return [mark for mark in marks if isinstance(mark, dict)][:_MOST_BESIDE]


def claim(owner: wire.OwnerToMark | None, *, run: str, who: str) -> None:
    """Write the owner mark after a confirmed change, replacing any former owner."""
    if owner is not None:
        _write(owner, run, who)


def claim_first(owner: wire.OwnerToMark | None, *, who: str) -> None:
    """Write the owner mark if the host is unmarked."""
    if owner is not None and not paths.OWNER.exists():
        _write(owner, _last_run(), who)


def release(request: wire.ReleaseRequest, _folder: Path) -> wire.ReleaseAnswer:
    """Release the host for another inventory; its services keep running.

    Raises:
        Failed: a change waits for confirmation, the host is locked or has changed, or another inventory owns it.
    """
    with leases.lock("release", wait_s=_LOCK_S):
        armed = dead_man.armed()
        if armed is not None:
            raise Failed(
                f"run {armed.get('run', '')} waits for its confirmation here: release the host once it is over"
            )
        refuse_changed(request, "let it go")
        _write(request["owner"], _last_run(), request["who"], released=True)
    return {"released": True}


def refuse_changed(request: wire.GivenUpRequest, deed: str) -> None:
    """Raise `Failed` if the host's owner, mark or run is another.

    Each of these calls ends the mark that it names, so a kept copy of the call does nothing.
    """
    present, owner = mark(), request["owner"]
    if present is not None and (present.get("inventory"), present.get("key")) != (owner["inventory"], owner["key"]):
        raise Failed(f"the mark of another inventory is on this host: only its owner can {deed}")
    if (_last_run(), (present or {}).get("at", "")) != (request["run"], request["marked"]):
        raise Failed("this host has moved since it was looked at: look again")


def _last_run() -> str:
    return str((files.read_json(paths.MANIFEST) or {}).get("run") or "")


def _write(owner: wire.OwnerToMark, run: str, who: str, *, released: bool = False) -> None:
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
    """Create our users and folders.

    Raises:
        Failed: a user of that name has uid 0, or SELinux labels cannot be set.
    """
    for name in reversed(paths.USERS):
        entry = run(["getent", "passwd", name], check=False)
        if entry.returncode != 0:
            run(["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", name])
        elif entry.stdout.split(":")[2:3] == ["0"]:
            raise Failed(f"the user {name} of this host is root: remove it, it is made anew")
    files.folder(paths.RUN, 0o700)
    files.folder(paths.ETC, 0o750, group="root" if SIDE else paths.USER)
    files.folder(paths.KEYS, 0o700)
    files.folder(paths.LIB, 0o755)
    files.folder(paths.STATE, 0o700)
    files.folder(paths.RECEIPTS, 0o700)
    units.relabel((paths.ETC, paths.LIB, paths.STATE))


def store_controller_key(folder: Path) -> None:
    """Store the controller's key from the bundle, for later proofs."""
    key_file = folder / "files/identity"
    if key_file.exists():
        files.write(paths.IDENTITY, key_file.read_bytes(), mode=0o600)


def make_keys(request: wire.KeysRequest, folder: Path) -> wire.KeysAnswer:
    """Create missing keys; return public key and hashes, no secrets.

    It also stores the controller's key and the host program, for later proofs, and the owner mark if the host has none.
    The request's `relay` asks for hashes of the relay's two passwords; `restores` brings a replaced host's tunnel key.

    Raises:
        Failed: a key in the bundle is not the named one, or this host has run with another one.
    """
    restored_key = _restored_key(request["restores"], folder) if "restores" in request else ""
    prepare()
    store_controller_key(folder)
    claim_first(request.get("owner"), who=request.get("who", ""))
    files.write(paths.HOST_PROGRAM, (folder / "files/program").read_bytes(), mode=0o755)
    units.relabel((paths.HOST_PROGRAM,))
    if restored_key or not paths.WG_KEY.exists():
        files.write(paths.WG_KEY, (restored_key or run(["wg", "genkey"]).stdout).encode(), mode=0o600)
    private_key = paths.WG_KEY.read_text()
    answer: wire.KeysAnswer = {"public_key": _public_key(private_key)}
    if request["relay"]:
        answer["api_hash"] = _password_hash(paths.API_PASSWORD)
        answer["probe_hash"] = _password_hash(paths.PROBE_PASSWORD)
    next_key = _next_private_key(request["following"], folder) if "following" in request else ""
    if next_key:
        answer["following"] = _public_key(next_key)
    if "seal" in request:
        answer["sealed"] = seal(private_key, answer["public_key"], request["seal"])
        if next_key:
            answer["sealed_following"] = seal(next_key, answer["following"], request["seal"])
    return answer


def _next_private_key(public_key: str, folder: Path) -> str:
    """Return the tunnel's next private key: stored, from the bundle, or new."""
    key_file = folder / "files/next-key"
    if public_key and key_file.exists():
        private_key = key_file.read_text()
        if _public_key(private_key) != public_key:
            raise Failed("the next key that was brought is not the one that was named: nothing was kept of it")
        files.write(paths.WG_KEY_NEXT, private_key.encode(), mode=0o600)
    elif not paths.WG_KEY_NEXT.exists():
        files.write(paths.WG_KEY_NEXT, run(["wg", "genkey"]).stdout.encode(), mode=0o600)
    return paths.WG_KEY_NEXT.read_text()


def _public_key(private_key: str) -> str:
    return run(["wg", "pubkey"], stdin=private_key).stdout.strip()


def _restored_key(public_key: str, folder: Path) -> str:
    """Return the bundle's tunnel key, for a host without a used key.

    Raises:
        Failed: the key is not the named one, or a change was confirmed here with another one.
    """
    private_key = (folder / "files/tunnel-key").read_text()
    if _public_key(private_key) != public_key:
        raise Failed("the tunnel's key that was brought is not the one that was named: nothing was kept")
    live_key = _public_key(paths.WG_KEY.read_text()) if paths.WG_KEY.exists() else public_key
    if live_key != public_key and (files.read_json(paths.MANIFEST) or {}).get("run"):
        raise Failed(f"this host has run with a tunnel key of its own, {live_key[:_SHOWN]}…: it stands in for nobody")
    return private_key


def _password_hash(path: Path) -> str:
    if not path.exists():
        files.write(path, secrets.token_urlsafe(32).encode() + b"\n", mode=0o600)
    digest = hashlib.sha256(path.read_text().strip().encode()).digest()
    return "sha256:" + base64.b64encode(digest).decode()


def seal(private_key: str, public_key: str, order: wire.SealOrder) -> wire.SealedKeyAnswer:
    """Seal a tunnel's private key (base64), or raise `Failed`."""
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
    """Return a box's context; its three values contain no zero byte."""
    return b"\0".join([LABEL, inventory.encode(), host.encode(), public_key.encode()])


def halves(shared: bytes, sender: bytes, recovery: bytes, context: bytes) -> tuple[bytes, bytes]:
    """Derive the pad and the HMAC key by HKDF-SHA-256."""
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
    a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
    aa, bb = a * a % _PRIME, b * b % _PRIME
    da, cb, e = d * a % _PRIME, c * b % _PRIME, aa - bb
    x3, z3 = (da + cb) ** 2 % _PRIME, u * (da - cb) ** 2 % _PRIME
    return aa * bb % _PRIME, e * (aa + _A24 * e) % _PRIME, x3, z3
