"""Who a host's MediaMTX knows: what users are called, and the two that are each host's own. Pure."""

from __future__ import annotations

from ipaddress import IPv4Address

from provisioner.desired.required import recorded
from provisioner.desired.spec import User
from provisioner.inventory.model import CentreAllocation, RelayAllocation


def centre_user(centre: str) -> str:
    """The user as whom a centre reads at every relay."""
    return f"centre-{centre}"


def viewer_user(viewer: str) -> str:
    """The user as whom a viewer reads, at relays or at a hub."""
    return f"viewer-{viewer}"


def publisher_user(path: str) -> str:
    """The user as whom a site pushes a path: the path's name with dots, which no id has, in the place of slashes."""
    return f"publish-{path.replace('/', '.')}"


def own_users(entry: RelayAllocation | CentreAllocation, host: str, address: IPv4Address) -> tuple[User, User]:
    """The two whose passwords were born on the host: root's probe alone may use the API, which runs commands.

    Args:
        entry: what the lock records of the host.
        host: its id.
        address: where its probe reads.

    Raises:
        InventoryError: a password's hash is not recorded.
    """
    api = recorded(entry.api_hash, "its API password's hash", host, "keys init")
    probe = recorded(entry.probe_hash, "its probe password's hash", host, "keys init")
    return User("api", api, ("127.0.0.1",), "api"), User("probe", probe, (str(address),), "read")
