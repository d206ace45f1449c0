"""Hosts called from inside a carrier's network. Imports `plan`, `hosts` and below."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from provisioner.hosts.runner import OpenRunner

NODES: Final = "PROVISIONER_NODES"
"""Names the file of nodes, where calls to some carriers' hosts go by one."""


def routed_by(environment: Mapping[str, str], local: OpenRunner, inventory: Path) -> OpenRunner:
    """What carries calls by that environment.

    Args:
        environment: the caller's.
        local: carries calls from here.
        inventory: its folder: nothing that is proposed there says which way calls go.

    Raises:
        UsageError: a file of nodes is named and cannot be used.
    """
    if not (named := environment.get(NODES)):
        return local
    from provisioner.nodes.settings import routed  # noqa: PLC0415 (few have nodes, and asyncio takes its time)

    return routed(local, Path(named), inventory)
