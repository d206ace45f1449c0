"""Names on hosts, and the names of a rollout's waves. Pure.

Names on a host are as ever, or on a shared centre by whose side they are of. They are a contract
(docs/internals/host-program.md). The host's own program has the same ones (`paths.py` there). This imports nothing, as
commands name waves before they begin.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from typing import Final

UNITS: Final = "/etc/systemd/system"
_LONGEST_SIDE: Final = 11
"""An interface's name has 15 letters, and four are ours."""
_BEGINNING: Final = 3
_TUNNELS_OF_SIDES: Final = "wgp-"
SECOND_TUNNEL: Final = "wg-prov-next"
"""The interface with the key that follows a relay's own one."""
CANARY: Final = "canary"
LATER: Final = ("10%", "50%", "rest")
NAMES: Final = (CANARY, *LATER)


@dataclass(frozen=True, slots=True)
class HostNames:
    """What things of ours are called on a host.

    Attributes:
        side: whose side of a shared centre they are of; empty where one inventory has the host for itself.
    """

    side: str = ""

    @property
    def ours(self) -> str:
        """What folders, units and the table begin with: no slug has a dot, so that no other name is one of these."""
        return f"provisioner.{self.side}" if self.side else "provisioner"

    @property
    def etc(self) -> str:
        """The folder of what is rendered, and of keys."""
        return f"/etc/{self.ours}"

    @property
    def state(self) -> str:
        """The folder of saved states, receipts, and of the mark of whose the host is."""
        return f"/var/lib/{self.ours}"

    @property
    def receipts(self) -> str:
        """The folder of receipts."""
        return f"{self.state}/receipts"

    @property
    def run(self) -> str:
        """The folder on tmpfs: leases, locks."""
        return f"/run/{self.ours}"

    @property
    def host_program(self) -> str:
        """The on-host program."""
        return f"/usr/local/lib/{self.ours}/provisioner-host"

    @property
    def rule_file(self) -> str:
        """The rule of sudo for the inventory's user; sudo reads no file with a dot in its name."""
        return f"/etc/sudoers.d/provisioner{'-' if self.side else ''}{self.side}"

    @property
    def nft_file(self) -> str:
        """The firewall's rules."""
        return f"{self.etc}/provisioner.nft"

    @property
    def wg_file(self) -> str:
        """The tunnel's peers."""
        return f"{self.etc}/wg-prov.conf"

    @property
    def psk_file(self) -> str:
        """The peers' pre-shared keys."""
        return f"{self.etc}/wg-prov.psk"

    @property
    def tunnel_file(self) -> str:
        """The tunnel's address, routes and MTU."""
        return f"{self.etc}/tunnel.json"

    @property
    def trust_file(self) -> str:
        """What the host was trusted for."""
        return f"{self.etc}/trust.json"

    @property
    def policy_file(self) -> str:
        """What held plans back."""
        return f"{self.etc}/policy.json"

    @property
    def tunnel(self) -> str:
        """The WireGuard interface."""
        return f"{_TUNNELS_OF_SIDES}{self.side}" if self.side else "wg-prov"

    @property
    def table(self) -> str:
        """The table of nftables, in the family inet."""
        return self.ours

    @property
    def listed_table(self) -> str:
        """The table as nft lists it."""
        return f"table inet {self.table}"

    @property
    def probe_user(self) -> str:
        """The user who reads streams."""
        return f"provisioner-probe-{self.side}" if self.side else "provisioner-probe"

    @property
    def unit_nft(self) -> str:
        """The unit that loads the rules."""
        return f"{self.ours}-nft.service"

    @property
    def unit_wg(self) -> str:
        """The unit of the tunnel."""
        return f"{self.ours}-wg.service"

    @property
    def unit_revert(self) -> str:
        """The unit that returns the host to last-good."""
        return f"{self.ours}-revert.service"


ALONE: Final = HostNames()
"""The names on a host that one inventory has for itself, as relays always are."""


def side_of(inventory: str) -> str:
    """What an inventory's side of a shared centre is called: its id, or where that is long a name made of it.

    Ids of ten letters at most stay as they are, and what is made has eleven: so no made one is anybody's id.

    Args:
        inventory: the inventory's id, a slug.
    """
    if len(inventory) < _LONGEST_SIDE:
        return inventory
    made = base64.b32encode(hashlib.sha256(inventory.encode()).digest()).decode().lower()
    return inventory[:_BEGINNING] + made[: _LONGEST_SIDE - _BEGINNING]


def is_of_a_side(interface: str) -> bool:
    """Whether an interface is the tunnel of some side of a shared centre."""
    return interface.startswith(_TUNNELS_OF_SIDES)
