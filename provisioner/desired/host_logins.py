"""Where and as whom SSH logs in to hosts, by the inventory alone. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from provisioner.base.endpoint import endpoint_text
from provisioner.desired.trust import called_through, known_by
from provisioner.inventory.model import Inventory
from provisioner.inventory.model.hosts import JumpHost, Ssh


@dataclass(frozen=True, slots=True)
class HostLogin:
    """How one host is logged in to.

    Attributes:
        place: `user@address:port`.
        host_key: what it has to show, as `known_by` says it.
        jump: the host through which it is called, with that one's host key; empty where it is called directly.
    """

    place: str
    host_key: str
    jump: str = ""


def host_logins(inventory: Inventory) -> dict[str, HostLogin]:
    """The logins of all relays and centres, by their ids."""
    relays = {
        relay.id: _login(relay.address, carrier.ssh_to(relay), carrier.jump_to(relay))
        for carrier, relay in inventory.relays.values()
    }
    centres = {
        centre.id: _login(centre.address, centre.ssh_to, centre.jump_to) for centre in inventory.centres.values()
    }
    return relays | centres


def _login(address: object, ssh: Ssh, jump: JumpHost | None) -> HostLogin:
    return HostLogin(f"{ssh.user}@{endpoint_text(address, ssh.port)}", known_by(ssh), called_through(jump))
