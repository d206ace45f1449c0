"""Names on hosts, and the names of a rollout's waves. Pure.

Names on a shared centre contain the side. They are a contract (docs/internals/host-program.md), and the same as in the
host's program (`paths.py` there). This module imports little, as commands name waves before they start.
"""

import base64
import hashlib
from typing import Final

UNITS: Final = "/etc/systemd/system"
_LONGEST_SIDE: Final = 11  #: An interface's name has 15 characters; four are our prefix.
_BEGINNING: Final = 3
_TUNNELS_OF_SIDES: Final = "wgp-"
SECOND_TUNNEL: Final = "wg-prov-next"  #: Interface with a relay's next key.
CANARY: Final = "canary"
LATER: Final = ("10%", "50%", "rest")
NAMES: Final = (CANARY, *LATER)


class HostNames:
    """Names of our objects on a host; a shared centre's have `side`."""

    def __init__(self, side: str = "") -> None:
        self.side = side
        #: Prefix of folders, units and the table; unique, with a dot.
        self.ours = f"provisioner.{side}" if side else "provisioner"
        self.etc = f"/etc/{self.ours}"  #: Folder of rendered files and keys.
        self.state = f"/var/lib/{self.ours}"  #: Folder of saved states, receipts and the owner's mark.
        self.receipts = f"{self.state}/receipts"  #: Folder of receipts.
        self.run = f"/run/{self.ours}"  #: Folder on tmpfs: leases, locks.
        self.host_program = f"/usr/local/lib/{self.ours}/provisioner-host"  #: The on-host program.
        #: File of sudo's rule; sudo ignores files with a dot.
        self.rule_file = f"/etc/sudoers.d/provisioner{'-' if side else ''}{side}"
        self.nft_file = f"{self.etc}/provisioner.nft"  #: File of the firewall's rules.
        self.wg_file = f"{self.etc}/wg-prov.conf"  #: File of the tunnel's peers.
        self.psk_file = f"{self.etc}/wg-prov.psk"  #: File of the peers' pre-shared keys.
        self.tunnel_file = f"{self.etc}/tunnel.json"  #: File of the tunnel's address, routes and MTU.
        self.trust_file = f"{self.etc}/trust.json"  #: File of the trusted facts.
        self.policy_file = f"{self.etc}/policy.json"  #: File of the applied policy.
        self.tunnel = f"{_TUNNELS_OF_SIDES}{side}" if side else "wg-prov"  #: The WireGuard interface.
        self.table = self.ours  #: The nftables table, of the family inet.
        self.listed_table = f"table inet {self.table}"  #: The table as nft lists it.
        self.probe_user = f"provisioner-probe-{side}" if side else "provisioner-probe"  #: The user who reads streams.
        self.unit_nft = f"{self.ours}-nft.service"  #: Unit that loads the firewall's rules.
        self.unit_wg = f"{self.ours}-wg.service"  #: Unit of the tunnel.
        self.unit_revert = f"{self.ours}-revert.service"  #: Unit that restores last-good.

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HostNames) and other.side == self.side

    def __hash__(self) -> int:
        return hash(self.side)


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
