"""Since when public keys stand in an inventory's files, by the commits of its Git. Reads only.

A commit's time is what its committer's clock said; nobody else recorded it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from provisioner.base.errors import UsageError
from provisioner.base.git import Checkout, ask_git, checkout_of

_MOST_BYTES: Final = 256 * 1024 * 1024
_COMMIT: Final = re.compile(rb"\x00([0-9]{1,12}) ([0-9a-f ]*)")
_KEY: Final = re.compile(rb"^\+.*\bpublic_key:\s*[\"']?([A-Za-z0-9+/]{43}=)")
_PLACES: Final = ("facilities", "allocations.lock.yml")
_OLDEST: Final = datetime(2000, 1, 1, tzinfo=UTC)


def keys_since(root: Path) -> Mapping[str, datetime]:
    """When each public key came into a facility's file or into the lock, by the first commit that has it.

    Nothing is known of keys outside of Git, of those that are not committed, and in a clone without its whole history
    of those that its oldest commits have already.
    """
    checkout = checkout_of(root)
    if checkout is None:
        return {}
    shallow = _asked(checkout, "rev-parse", "--is-shallow-repository").strip() == b"true"
    inside = [checkout.relative(root.resolve() / place) for place in _PLACES]
    words = (
        "--format=%x00%ct%x20%P",
        "-p",
        "--unified=0",
        "--no-color",
        "--no-renames",
        "--no-ext-diff",
        "--no-textconv",
    )
    listed = _asked(checkout, "log", *words, "-Gpublic_key", "HEAD", "--", *inside)
    since: dict[str, datetime] = {}
    unknown: set[str] = set()
    at, is_known = _OLDEST, False
    for line in listed.split(b"\n"):
        if commit := _COMMIT.match(line):
            at = datetime.fromtimestamp(min(int(commit[1]), int(datetime.now(UTC).timestamp())), UTC)
            is_known = not shallow or bool(commit[2].strip())
        elif added := _KEY.match(line):
            key = added[1].decode()
            if is_known:
                since[key] = min(at, since.get(key, at))
            else:
                unknown.add(key)
    return {key: moment for key, moment in since.items() if key not in unknown and moment > _OLDEST}


def _asked(checkout: Checkout, *arguments: str) -> bytes:
    """What Git answers; nothing where it does not, as in a checkout without a commit."""
    try:
        done = ask_git(checkout, *arguments, most_bytes=_MOST_BYTES)
    except UsageError:
        return b""
    return done.output if done.code == 0 else b""
