"""The table of what a call may carry, and the digest that people approve.

Both stand in `playbooks/provisioner_host/machine/carried.py`, which hosts have as well: a carrier's node and a host
read the same file, each by itself.
"""

from __future__ import annotations

from collections.abc import Mapping

from provisioner.desired.names import HostNames
from provisioner.desired.render.templates import host_module


def call_refusal(request: Mapping[str, object], sizes: Mapping[str, int], side: str) -> str:
    """Why a call is none that a host takes, as the rest of a sentence that begins with `it`; empty if it is one.

    Args:
        request: what the host is asked.
        sizes: the files that travel beside it: their names and sizes in bytes.
        side: the side of a shared centre that it is for; empty if the host is not shared.
    """
    return str(host_module("machine/carried").refusal(request, sizes, HostNames(side).ours))


def call_digest(request: Mapping[str, object], files: Mapping[str, bytes]) -> str:
    """The digest over a whole apply or confirmation, without what may differ between plan and call.

    Args:
        request: what the host is asked.
        files: what travels beside it.
    """
    return str(host_module("machine/carried").digest(request, files))
