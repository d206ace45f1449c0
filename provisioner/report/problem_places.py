"""Where a problem is for a forge, and what makes it the same one in another run. Pure."""

from __future__ import annotations

import hashlib
import posixpath
from pathlib import PurePosixPath

from provisioner.base.diagnostics import Problem


def path_from(folder: str, file: str) -> str:
    """A file's path from a folder: where the command was run, which in a pipeline is the top of the checkout."""
    return posixpath.relpath(PurePosixPath(folder, file), folder)


def fingerprint_of(problem: Problem, path: str) -> str:
    """What makes a problem the same in another run: lines move."""
    parts = f"{problem.code}\n{path}\n{problem.object}\n{problem.message}"
    return hashlib.sha256(parts.encode("utf-8", "backslashreplace")).hexdigest()
