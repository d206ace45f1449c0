"""The newest entry as a Git note on the inventory's commit: on wish, in this repository alone, never pushed.

Whoever fetches `refs/notes/provisioner` holds what the record was. Git is run without hooks, without anybody's settings
but the repository's, and without the caller's environment; the note is handed in over standard input.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from provisioner.history.remembered import head_in, head_text
from provisioner.history.seal import Head

VARIABLE = "PROVISIONER_RECORD_NOTE"
REF = "refs/notes/provisioner"
_TIMEOUT_S = 60
_LARGEST = 2**20
_COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
_NO = frozenset({"", "0", "no", "false"})
_SETTINGS: Final = ("core.hooksPath=/dev/null", "core.fsmonitor=false", "core.attributesFile=/dev/null")
_PERSON: Final = {f"GIT_{role}_{what}": "provisioner" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
_ENVIRONMENT: Final = {
    "LC_ALL": "C.UTF-8",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_NO_LAZY_FETCH": "1",
    **_PERSON,
}


def note_head(root: Path, environment: Mapping[str, str], inventory: str, commit: str, head: Head | None) -> str:
    """Write an entry down as a Git note, where that is wished.

    Args:
        root: the inventory's folder.
        environment: says whether it is wished, and where git is.
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
        _git(root, environment, "notes", f"--ref={REF}", "append", "--file=-", commit, stdin=line)
    except _GitError as error:
        return f"no Git note was written ({VARIABLE}): {error}"
    return ""


def noted(root: Path, environment: Mapping[str, str], inventory: str) -> tuple[tuple[str, Head], ...]:
    """The entries that Git notes hold of an inventory, each with the commit it is on; none outside Git."""
    try:
        listed = _git(root, environment, "notes", f"--ref={REF}", "list").decode("ascii", "replace")
        blobs = dict(line.split(" ", 1) for line in listed.splitlines() if " " in line)
        return tuple(
            (blobs[blob], head)
            for blob, text in _blobs(root, environment, list(blobs))
            for head in (head_in(line, inventory) for line in text.splitlines())
            if head is not None
        )
    except _GitError:
        return ()


def _blobs(root: Path, environment: Mapping[str, str], names: list[str]) -> Iterator[tuple[str, str]]:
    """What notes say; one that is larger than any of ours is left out."""
    if not names:
        return
    checked = _git(root, environment, "cat-file", "--batch-check", stdin=_lines(names)).decode("ascii", "replace")
    described = [line.split() for line in checked.splitlines()]
    small = [line[0] for line in described if line[1:2] == ["blob"] and int(line[2]) <= _LARGEST]
    output, position = _git(root, environment, "cat-file", "--batch", stdin=_lines(small)), 0
    for name in small:
        end = output.index(b"\n", position)
        size = int(output[position:end].split()[2])
        yield name, output[end + 1 : end + 1 + size].decode("utf-8", "replace")
        position = end + size + 2


def _lines(names: list[str]) -> bytes:
    return "".join(f"{name}\n" for name in names).encode()


class _GitError(Exception):
    """Git could not do it; what it said."""


def _git(root: Path, environment: Mapping[str, str], *arguments: str, stdin: bytes = b"") -> bytes:
    settings = [word for setting in _SETTINGS for word in ("-c", setting)]
    argv = ["git", "-C", str(root), *settings, *arguments]
    env = {**_ENVIRONMENT, "PATH": environment.get("PATH", "/usr/bin:/bin")}
    try:
        done = subprocess.run(argv, input=stdin, env=env, capture_output=True, timeout=_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        raise _GitError("git cannot be run") from None
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["it gave no reason"]
        raise _GitError("git says: " + "".join(c for c in said[-1] if c.isprintable()))
    return done.stdout
