"""Logins that devices did not take by ONVIF of late: a camera counts these tries and those of its video together.

They are kept on this host alone, in memory, and for an hour: cameras that lock out whoever tries do so for less. Of a
login there is a salted digest, by the device's address and port of its video.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import time
from contextlib import suppress
from pathlib import Path

from provisioner_host import paths

FOR_S = 3600.0
"""So long a try counts."""
_SALT = 16


def note(login: str) -> None:
    """Note that a login was not taken, or that nobody knows whether it was.

    Args:
        login: user, password, address and port, as the relay's file has them.
    """
    salt = os.urandom(_SALT)
    with suppress(OSError):
        paths.LOGIN_TRIES.mkdir(mode=0o700, parents=True, exist_ok=True)
        for entry in paths.LOGIN_TRIES.iterdir():
            if not _is_of_late(entry):
                entry.unlink(missing_ok=True)
        file = _file(login)
        file.touch(mode=0o600)
        file.write_bytes(salt + _digest(salt, login))


def lately(login: str) -> bool:
    """Whether this login was tried within the hour by ONVIF, and not taken."""
    file = _file(login)
    try:
        kept = file.read_bytes()
        return _is_of_late(file) and hmac.compare_digest(kept[_SALT:], _digest(kept[:_SALT], login))
    except OSError:
        return False


def _file(login: str) -> Path:
    return paths.LOGIN_TRIES / login.rpartition("@")[2].replace("/", "_")


def _is_of_late(file: Path) -> bool:
    # A clock that was set back must not hold anybody up for ever.
    return abs(time.time() - file.stat().st_mtime) < FOR_S


def _digest(salt: bytes, login: str) -> bytes:
    return hashlib.sha256(salt + login.encode("utf-8", "surrogateescape")).digest()
