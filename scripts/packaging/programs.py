"""The one door to other programs: what they said last is in the error where they fail."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from scripts.packaging.errors import RefusedError

_LAST_LINES = 12


def run(
    argv: Sequence[str | Path],
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    timeout_s: float = 600,
) -> str:
    """Run a program to its end and return what it printed.

    Args:
        argv: the program and its arguments.
        folder: where it runs; this process's folder where it is None.
        environment: what it gets beside this process's own.
        timeout_s: after which it is ended.

    Raises:
        RefusedError: it is not installed, failed, or took too long.
    """
    words = [str(word) for word in argv]
    if shutil.which(words[0]) is None:
        raise RefusedError(f"{words[0]} is missing", hint=f"install it ({_PACKAGES.get(words[0], words[0])})")
    try:
        done = subprocess.run(
            words,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise RefusedError(f"{' '.join(words[:3])} took longer than {timeout_s:.0f} s", hint="try again") from late
    if done.returncode:
        last = "\n".join((done.stderr.strip() or done.stdout.strip()).splitlines()[-_LAST_LINES:])
        raise RefusedError(f"{' '.join(words[:3])} ended with {done.returncode}: {last}", hint="repair that first")
    return done.stdout


_PACKAGES = {"dpkg-deb": "Debian's package dpkg", "docker": "Debian's package docker.io", "git": "Debian's package git"}
