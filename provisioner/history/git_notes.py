"""The newest entry as a Git note on the inventory's commit: on wish, in this repository alone, never pushed.

Whoever fetches `refs/notes/provisioner` holds what the record was. The note is handed to Git over standard input.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from provisioner.base.errors import UsageError
from provisioner.base.git import Checkout, ask_git, checkout_of
from provisioner.base.printable import printable
from provisioner.history.remembered import head_in, head_text
from provisioner.history.seal import Head

VARIABLE = "PROVISIONER_RECORD_NOTE"
REF = "refs/notes/provisioner"
_LARGEST = 2**20
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_NO = frozenset({"", "0", "no", "false"})
_PERSON: Final = ("-c", "user.name=provisioner", "-c", "user.email=provisioner")


def note_head(root: Path, environment: Mapping[str, str], inventory: str, commit: str, head: Head | None) -> str:
    """Write an entry down as a Git note, where that is wished.

    Args:
        root: the inventory's folder.
        environment: says whether it is wished.
        inventory: the inventory's id.
        commit: the inventory's commit.
        head: the entry; None where none was recorded.

    Returns:
        Why it could not be written, in a sentence; empty where it was, or was not wished.
    """
    if head is None or environment.get(VARIABLE, "").lower() in _NO:
        return ""
    if not _COMMIT.fullmatch(commit):
        return f"no Git note was written ({VARIABLE}): the inventory is in no Git repository"
    line = head_text(head, inventory).encode()
    try:
        _git(root, "notes", f"--ref={REF}", "append", "--file=-", commit, stdin=line)
    except _GitError as error:
        return f"no Git note was written ({VARIABLE}): {error}"
    return ""


def replace_note(clone: Checkout, reference: str, commit: str, text: str) -> bool:
    """Let a commit of a clone have one note; False where Git makes none.

    Raises:
        UsageError: Git cannot be run.
    """
    words = ("notes", f"--ref={reference}", "add", "--force", "--file=-", commit)
    return ask_git(clone, *_PERSON, *words, stdin=text.encode()).code == 0


def noted(root: Path, inventory: str) -> tuple[tuple[str, Head], ...]:
    """The entries that Git notes hold of an inventory, each with the commit it is on; none outside Git."""
    try:
        listed = _git(root, "notes", f"--ref={REF}", "list").decode("ascii", "replace")
        blobs = dict(line.split(" ", 1) for line in listed.splitlines() if " " in line)
        return tuple(
            (blobs[blob], head)
            for blob, text in _blobs(root, list(blobs))
            for head in (head_in(line, inventory) for line in text.splitlines())
            if head is not None
        )
    except _GitError:
        return ()


def _blobs(root: Path, names: list[str]) -> Iterator[tuple[str, str]]:
    """What notes say; one that is larger than any of ours is left out."""
    if not names:
        return
    checked = _git(root, "cat-file", "--batch-check", stdin=_lines(names)).decode("ascii", "replace")
    described = [line.split() for line in checked.splitlines()]
    small = [line[0] for line in described if line[1:2] == ["blob"] and int(line[2]) <= _LARGEST]
    output, position = _git(root, "cat-file", "--batch", stdin=_lines(small)), 0
    for name in small:
        end = output.index(b"\n", position)
        size = int(output[position:end].split()[2])
        yield name, output[end + 1 : end + 1 + size].decode("utf-8", "replace")
        position = end + size + 2


def _lines(names: list[str]) -> bytes:
    return "".join(f"{name}\n" for name in names).encode()


class _GitError(Exception):
    """Git could not do it; what it said."""


def _git(root: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    checkout = checkout_of(root)
    if checkout is None:
        raise _GitError("the inventory is in no Git repository")
    try:
        done = ask_git(checkout, *_PERSON, *arguments, stdin=stdin)
    except UsageError as error:
        raise _GitError(error.message) from None
    if done.code != 0:
        said = done.said.decode(errors="replace").strip().splitlines() or ["it gave no reason"]
        raise _GitError("git says: " + printable(said[-1]))
    return done.output
