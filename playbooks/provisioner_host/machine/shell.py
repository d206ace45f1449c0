"""Runs other programs on the host. Arguments never contain secrets."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from provisioner_host.machine.stream_logins import scrubbed

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


class Failed(Exception):  # noqa: N818 (it reads as what happened)
    """A program exited with an error, or a step of ours failed."""


def scrub(text: str) -> str:
    """Remove credentials from stream addresses in another program's output."""
    return scrubbed(text)


def run(
    argv: Sequence[str],
    *,
    stdin: str | None = None,
    timeout_s: float = 20,
    check: bool = True,
    env: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a program and return its output.

    Raises:
        Failed: it is missing, timed out or (with `check`) exited with another code than 0.
    """
    environment = {"PATH": PATH, "LC_ALL": "C.UTF-8"} | (env or {})
    try:
        done = subprocess.run(
            list(argv), input=stdin, capture_output=True, text=True, timeout=timeout_s, check=False, env=environment
        )
    except FileNotFoundError:
        raise Failed(f"{argv[0]}: no such program on this host") from None
    except subprocess.TimeoutExpired:
        raise Failed(f"{argv[0]}: no answer within {timeout_s:g} s") from None
    if check and done.returncode != 0:
        # Before it is cut: of half an address nobody could tell the login.
        output = scrub(done.stderr.strip() or done.stdout.strip())[-800:]
        raise Failed(f"{' '.join(argv[:3])}: {output or f'code {done.returncode}'}")
    return done
