"""Hosts called from inside a carrier's network. Imports `plan`, `hosts` and below."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from provisioner.hosts.runner import OpenRunner

NODES: Final = "PROVISIONER_NODES"  #: Names the nodes file, for calls to carriers' hosts through nodes.


def routed_by(environment: Mapping[str, str], local: "OpenRunner", inventory: Path) -> "OpenRunner":
    """Return the runner for an environment, or raise `UsageError`.

    A nodes file must lie outside the checkout of `inventory`, a folder.
    """
    if not (named := environment.get(NODES)):
        return local
    from provisioner.nodes.settings import routed  # noqa: PLC0415 (few have nodes, and asyncio takes its time)

    return routed(local, Path(named), inventory)
