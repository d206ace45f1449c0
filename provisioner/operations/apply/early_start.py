"""Ansible started before a command is imported, for one session. An effect."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from provisioner.base.errors import HostError

if TYPE_CHECKING:
    from provisioner.hosts.ansible.early_start import WaitingAnsible


class _Process:
    begun: "WaitingAnsible | None" = None


def begin(environment: Mapping[str, str]) -> None:
    """Start Ansible without a call, and without reading the caller's files."""
    from provisioner.hosts.ansible.early_start import WaitingAnsible  # noqa: PLC0415 (most commands call no host)

    try:
        _Process.begun = WaitingAnsible(environment)
    except (HostError, OSError):
        # The caller of a host reports it.
        return


def started() -> "WaitingAnsible | None":
    """Return the started Ansible; the first caller owns it."""
    return _Process.begun


def end() -> None:
    """Close the started Ansible, unless a session took it."""
    if _Process.begun is not None:
        _Process.begun.close()
        _Process.begun = None
