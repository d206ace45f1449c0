"""The only door to the `docker` and compose programs."""

import functools
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from typing import Final

from .errors import LabError
from .patience import stretched

LABEL: Final = "provisioner.lab"
RUN_LABEL: Final = "provisioner.lab.run"
OWNER_LABEL: Final = "provisioner.lab.owner"
KEEP_LABEL: Final = "provisioner.lab.keep"
INSTALL: Final = "apt-get install -y docker.io docker-compose mmdebstrap openssh-client"


def docker(
    *arguments: str, stdin: bytes | None = None, check: bool = True, timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run one docker command; what it was given on standard input is never shown."""
    return _run(["docker", *arguments], stdin=stdin, check=check, timeout=timeout)


def docker_bytes(*arguments: str, timeout: float = 60) -> bytes:
    """Run one docker command and return its output as it is."""
    done = subprocess.run(["docker", *arguments], capture_output=True, check=False, timeout=stretched(timeout))
    if done.returncode:
        raise LabError(f"docker {' '.join(arguments)}: {_last_words(done.stderr)}")
    return done.stdout


@functools.cache
def compose_command() -> tuple[str, ...]:
    """Return how compose is called on this machine: the plugin, or the older program of its own."""
    if docker("compose", "version", check=False).returncode == 0:
        return ("docker", "compose")
    if shutil.which("docker-compose"):
        return ("docker-compose",)
    raise LabError(f"Docker compose is missing; install it: {INSTALL}")


def compose(*arguments: str, environment: Mapping[str, str], timeout: float = 120) -> None:
    """Run one compose command with `environment` for what its files leave open."""
    command = [*compose_command(), *arguments]
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, check=False, timeout=stretched(timeout)
    )
    if done.returncode:
        raise LabError(f"{' '.join(command)}: {_last_words(done.stderr)}")


def listed(kind: str, label: str) -> list[str]:
    """Return the ids of all containers or networks that carry a label."""
    command = ("ps", "-aq") if kind == "container" else (kind, "ls", "-q")
    return docker(*command, "--no-trunc", "--filter", f"label={label}").stdout.split()


def _run(
    command: Sequence[str], *, stdin: bytes | None, check: bool, timeout: float
) -> subprocess.CompletedProcess[str]:
    limit = stretched(timeout)
    try:
        done = subprocess.run(command, input=stdin or b"", capture_output=True, check=False, timeout=limit)
    except subprocess.TimeoutExpired as late:
        raise LabError(f"no answer in {limit:g} s: {' '.join(command)}") from late
    if check and done.returncode:
        raise LabError(f"{' '.join(command)}: {_last_words(done.stderr or done.stdout)}")
    return subprocess.CompletedProcess(
        command, done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    )


def _last_words(output: bytes) -> str:
    return " / ".join(output.decode(errors="replace").strip().splitlines()[-15:])
