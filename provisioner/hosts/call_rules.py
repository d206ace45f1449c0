"""The rules for calls, and the digest for approvals.

Both come from `playbooks/provisioner_host/machine/carried.py`. A carrier's node and a host each read the same file.
"""

from __future__ import annotations

from collections.abc import Mapping

from provisioner.desired.names import HostNames
from provisioner.desired.render.templates import host_module


def call_refusal(request: Mapping[str, object], sizes: Mapping[str, int], side: str) -> str:
    """Return why hosts refuse a call, after "it"; empty if valid.

    `sizes` are bytes by file name. `side` is empty if the host is not shared.
    """
    return str(host_module("machine/carried").refusal(request, sizes, HostNames(side).ours))


def call_digest(request: Mapping[str, object], files: Mapping[str, bytes]) -> str:
    """Return the digest of a change, without parts set after the plan."""
    return str(host_module("machine/carried").digest(request, files))
