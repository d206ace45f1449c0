"""Commands that always call hosts; Ansible starts while they are imported."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Final

from provisioner.cli.support.commands import COMMANDS
from provisioner.cli.support.configuration import SETTINGS
from provisioner.operations.apply import early_start

_CALLS: Final = frozenset({"apply", "drift", "nightly", "plan", "verify"})
# With one of these words a command calls no host, or need not.
_CALLS_NOBODY: Final = frozenset({"--against", "--help", "--offline", "-h", "diff", "fetch", "push"})


def begin(arguments: Sequence[str], env: Mapping[str, str]) -> None:
    """Start Ansible if the command calls hosts from here."""
    words = list(takewhile(lambda word: word != "--", arguments))
    command = next((word for word in words if word in COMMANDS), "")
    if command in _CALLS and not _CALLS_NOBODY & set(words) and not env.get(SETTINGS["nodes"].variable):
        early_start.begin(env)
