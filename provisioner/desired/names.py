"""Names on hosts, and the names of a rollout's waves. Pure.

Names on a shared centre contain the side. They are a contract (docs/internals/host-program.md), and the same as in the
host's program (`paths.py` there). This module imports little, as commands name waves before they start.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Final

UNITS: Final = "/etc/systemd/system"
_LONGEST_SIDE: Final = 11  #: An interface's name has 15 characters; four are our prefix.
_BEGINNING: Final = 3
_TUNNELS_OF_SIDES: Final = "wgp-"
SECOND_TUNNEL: Final = "wg-prov-next"  #: Interface with a relay's next key.
CANARY: Final = "canary"
LATER: Final = ("10%", "50%", "rest")
NAMES: Final = (CANARY, *LATER)


@dataclass(frozen=True, slots=True)
class HostNames:
    """Names of our objects on a host; a shared centre's have `side`."""

    side: str = ""

    @property
    def ours(self) -> str:
        """Prefix of folders, units and the table; unique, with a dot."""
        return f"provisioner.{self.side}" if self.side else "provisioner"

    @property
    def etc(self) -> str:
        """Folder of rendered files and keys."""
        return f"/etc/{self.ours}"

    @property
    def state(self) -> str:
        """Folder of saved states, receipts and the owner's mark."""
        return f"/var/lib/{self.ours}"

    @property
    def receipts(self) -> str:
        """Folder of receipts."""
        return f"{self.state}/receipts"

    @property
    def run(self) -> str:
        """Folder on tmpfs: leases, locks."""
        return f"/run/{self.ours}"

    @property
    def host_program(self) -> str:
        """The on-host program."""
        return f"/usr/local/lib/{self.ours}/provisioner-host"

    @property
    def rule_file(self) -> str:
        """File of sudo's rule; sudo ignores files with a dot."""
        return f"/etc/sudoers.d/provisioner{'-' if self.side else ''}{self.side}"

    @property
    def nft_file(self) -> str:
        """File of the firewall's rules."""
        return f"{self.etc}/provisioner.nft"

    @property
    def wg_file(self) -> str:
        """File of the tunnel's peers."""
        return f"{self.etc}/wg-prov.conf"

    @property
    def psk_file(self) -> str:
        """File of the peers' pre-shared keys."""
        return f"{self.etc}/wg-prov.psk"

    @property
    def tunnel_file(self) -> str:
        """File of the tunnel's address, routes and MTU."""
        return f"{self.etc}/tunnel.json"

    @property
    def trust_file(self) -> str:
        """File of the trusted facts."""
        return f"{self.etc}/trust.json"

    @property
    def policy_file(self) -> str:
        """File of the applied policy."""
        return f"{self.etc}/policy.json"

    @property
    def tunnel(self) -> str:
        """The WireGuard interface."""
        return f"{_TUNNELS_OF_SIDES}{self.side}" if self.side else "wg-prov"

    @property
    def table(self) -> str:
        """The nftables table, of the family inet."""
        return self.ours

    @property
    def probe_user(self) -> str:
        """The user who reads streams."""
        return f"provisioner-probe-{self.side}" if self.side else "provisioner-probe"

    @property
    def unit_nft(self) -> str:
        """Unit that loads the firewall's rules."""
        return f"{self.ours}-nft.service"

    @property
    def unit_wg(self) -> str:
        """Unit of the tunnel."""
        return f"{self.ours}-wg.service"

    @property
    def unit_revert(self) -> str:
        """Unit that restores last-good."""
        return f"{self.ours}-revert.service"


ALONE: Final = HostNames()  #: Names on an unshared host, as relays always are.


def side_of(inventory: str) -> str:
    """Return an inventory's side: its id, or a hashed name."""
    # Short ids have at most ten characters and hashed names eleven, so they never collide.
    if len(inventory) < _LONGEST_SIDE:
        return inventory
    made = base64.b32encode(hashlib.sha256(inventory.encode()).digest()).decode().lower()
    return inventory[:_BEGINNING] + made[: _LONGEST_SIDE - _BEGINNING]


def is_of_a_side(interface: str) -> bool:
    """Return whether an interface is the tunnel of a shared centre's side."""
    return interface.startswith(_TUNNELS_OF_SIDES)
