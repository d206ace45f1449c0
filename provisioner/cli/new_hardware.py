"""What commands say alike of hosts that prove nothing: new hardware, and what is taken out of service."""

from __future__ import annotations

from collections.abc import Sequence

from provisioner.base.errors import HostError
from provisioner.plan.guards.measures import named

IF_NEW = "if it is the new hardware, and that address and host key are its own, add --allow trust=1"
"""What to do about new hardware that was not announced."""


def unproved(host: str, hint: str) -> HostError:
    """The error of a host that proved nothing, and was not announced as one that cannot."""
    message = f"{host} has not proved that it is the host that was managed before; it was sent nothing"
    return HostError(message, hint=hint, object=host)


def proof_of(*, is_new: bool) -> str:
    """What hardware proves, behind its place."""
    return "proves nothing, as new hardware does" if is_new else "has this inventory's key already"


def listed(names: Sequence[str]) -> str:
    """Names behind their number; nothing where there are none."""
    return f": {named(list(names))}" if names else ""
