"""Keys and passwords that are born on the host, root only, and stay there."""

from __future__ import annotations

import base64
import hashlib
import secrets
from pathlib import Path
from typing import Any

from provisioner_host import files, places
from provisioner_host.shell import run


def prepare() -> None:
    """Make the user and the folders of ours."""
    if run(["getent", "passwd", places.USER], check=False).returncode != 0:
        run(["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/usr/sbin/nologin", places.USER])
    files.folder(places.ETC, 0o750, group=places.USER)
    files.folder(places.KEYS, 0o700)
    files.folder(places.LIB, 0o755)
    files.folder(places.STATE, 0o700)
    files.folder(places.RECEIPTS, 0o700)


def make(request: dict[str, Any]) -> dict[str, Any]:
    """Make what is not there yet; answer with the public key and the hashes, never with a secret.

    The request's `relay` says whether this host has a relay and so needs its two passwords.
    """
    prepare()
    if not places.WG_KEY.exists():
        files.write(places.WG_KEY, run(["wg", "genkey"]).stdout.encode(), mode=0o600)
    answer = {"public_key": run(["wg", "pubkey"], stdin=places.WG_KEY.read_text()).stdout.strip()}
    if request["relay"]:
        answer["api_hash"] = _hash_of(places.API_PASSWORD)
        answer["probe_hash"] = _hash_of(places.PROBE_PASSWORD)
    return answer


def _hash_of(path: Path) -> str:
    if not path.exists():
        files.write(path, secrets.token_urlsafe(32).encode() + b"\n", mode=0o600)
    digest = hashlib.sha256(path.read_text().strip().encode()).digest()
    return "sha256:" + base64.b64encode(digest).decode()
