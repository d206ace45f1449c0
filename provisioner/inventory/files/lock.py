"""`allocations.lock.yml` as text: the same value is always the same bytes, so that Git shows what changed."""

from __future__ import annotations

from pathlib import Path

from provisioner.base.atomic_file import write_atomic
from provisioner.inventory.files.layout import LOCK_NAME
from provisioner.inventory.files.plain_yaml import render_mapping
from provisioner.inventory.model import Allocations

_HEADER = """\
# Recorded addresses, ports, public keys and hashes. Written by `provisioner allocate` and
# `provisioner keys init` alone; review the change in Git, do not edit by hand.
"""


_ADOPTED = "# `adopted` is written by `provisioner hosts adopt`, too: hosts that are to be taken over, and from whom.\n"


_NEXT_CERTIFICATES = "# `next_certificate` is written by `provisioner certificate renew`: what relays show next.\n"
_NEXT_KEYS = "# `next_key` is written by `provisioner keys rotate --relay`: keys that follow relays' own ones.\n"


def render_lock(allocations: Allocations) -> str:
    """The lock's text; entries are in the order of their names."""
    document = allocations.model_dump(mode="json", exclude_none=True)
    return (
        _HEADER
        + (_ADOPTED if "adopted" in document else "")
        + (_NEXT_CERTIFICATES if any(relay.next_certificate for relay in allocations.relays.values()) else "")
        + (_NEXT_KEYS if any(relay.next_key for relay in allocations.relays.values()) else "")
        + render_mapping({key: _sorted(value) for key, value in document.items()})
    )


def _sorted(value: object) -> object:
    return dict(sorted(value.items())) if isinstance(value, dict) else value


def write_lock(root: Path, allocations: Allocations) -> Path:
    """Replace an inventory's lock; its path is returned.

    Raises:
        InventoryError: the file cannot be written; the old one is untouched.
    """
    path = root / LOCK_NAME
    write_atomic(path, render_lock(allocations), within=root)
    return path
