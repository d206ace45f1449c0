"""Keys and passwords that are born on the host, root only, and stay there."""

from __future__ import annotations

import base64
import hashlib
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from provisioner_host import files, owner, paths, selinux
from provisioner_host.shell import Failed, run
from provisioner_host.side import SIDE

if TYPE_CHECKING:
    from provisioner_host.wire import KeysAnswer, KeysRequest

_SHOWN = 8


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
    selinux.restore((paths.ETC, paths.LIB, paths.STATE))


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
    owner.claim_first(request.get("owner"), who=request.get("who", ""))
    files.write(paths.HOST_PROGRAM, (folder / "files/program").read_bytes(), mode=0o755)
    selinux.restore((paths.HOST_PROGRAM,))
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
        from provisioner_host import escrow  # noqa: PLC0415 (most hosts of most calls seal nothing)

        answer["sealed"] = escrow.seal(private_key, answer["public_key"], request["seal"])
        if following:
            answer["sealed_following"] = escrow.seal(following, answer["following"], request["seal"])
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
