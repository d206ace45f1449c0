"""Which way calls to hosts go, by the caller's environment: from here, or to some carriers' hosts by their node."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from provisioner.hosts.attended import OpenRunner

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
    from provisioner.nodes.service import routed  # noqa: PLC0415 (its libraries take their time)

    return routed(local, Path(named), inventory)
