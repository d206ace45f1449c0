"""What calls hosts, begun before a command is imported: for one process, whose session takes it. An effect."""

from __future__ import annotations

from collections.abc import Mapping

from provisioner.base.errors import HostError
from provisioner.hosts.ansible.early_start import BegunAnsible


class _Process:
    """What this process has begun."""

    begun: BegunAnsible | None = None


def begin(environment: Mapping[str, str]) -> None:
    """Begin what calls hosts; nobody is called by that, and no file of the caller's read."""
    try:
        _Process.begun = BegunAnsible(environment)
    except (HostError, OSError):
        # Whoever calls a host says it.
        return


def begun() -> BegunAnsible | None:
    """What was begun; whoever takes it first has it."""
    return _Process.begun


def end() -> None:
    """End what was begun and nobody took; what was taken has its own end."""
    if _Process.begun is not None:
        _Process.begun.close()
        _Process.begun = None
