"""The newest entry that this machine wrote, in a file of its own: a record that lost it has been cut, or set back.

Who can write the folder can write this file, too. It shows what was done to the database alone: a server's by those
who keep it, a row deleted by hand, a file that was put back from a backup. Heads on hosts and Git notes show more.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict
from pathlib import Path

from provisioner.base.atomic_file import replace_file
from provisioner.history.place import StatePlace
from provisioner.history.seal import Head

_LARGEST = 4096
_NUMBERS = 2**63


def remembered(place: StatePlace) -> Head | None:
    """The newest entry that this machine wrote; None where none was, or the file cannot be read."""
    if place.remembered is None:
        return None
    try:
        with place.remembered.open("rb") as stream:
            return head_in(stream.read(_LARGEST).decode(), place.inventory)
    except (OSError, ValueError):
        return None


def remember(place: StatePlace, head: Head) -> None:
    """Remember an entry; where that fails nothing else does."""
    if place.remembered is None:
        return
    with contextlib.suppress(OSError):
        _make_folder(place.remembered.parent)
        replace_file(place.remembered, f"{head_text(head, place.inventory)}\n".encode())


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(mode=0o700, parents=True)


# --- a head as a line of text ---------------------------------------------------------------------


def head_text(head: Head, inventory: str) -> str:
    """A head as a line of JSON, with the inventory whose it is."""
    return json.dumps({"history": inventory, **asdict(head)}, sort_keys=True)


def head_in(text: str, inventory: str) -> Head | None:
    """The head in a line of JSON; None where it is another inventory's, or no head."""
    try:
        plain = json.loads(text)
        if not isinstance(plain, dict) or plain.pop("history") != inventory:
            return None
        run, number, name, seal = (plain[key] for key in ("run", "number", "hash", "seal"))
    except (ValueError, LookupError, RecursionError):
        return None
    texts = all(isinstance(value, str) and value.isprintable() for value in (run, name, seal))
    is_number = isinstance(number, int) and not isinstance(number, bool) and 0 < number < _NUMBERS
    return Head(run, number, name, seal) if texts and is_number else None
