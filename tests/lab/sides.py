"""A carrier's own inventory of the lab, beside the other carrier's: each with a side of the one centre."""

import secrets
from typing import Any, Final

from .deployment import Deployment
from .engine import Engine
from .lab import Lab
from .topology import CENTRE, GATEWAYS, PLACES, RELAYS, StreamKind

NEW: Final = ("--allow", "trust=2")
NARROW: Final = "{user} ALL=(root) NOPASSWD: {program} prove, {program} call\n"
LISTING: Final = r"""
side=$1
for folder in /etc /var/lib /usr/local/lib; do
  find "$folder/provisioner.$side" -printf '%p %m %u:%g %T@ ' -type f -exec sha256sum {} \; -o -printf '%p %m %u:%g\n'
done 2>/dev/null | sort
find /etc/systemd/system -name "provisioner.$side-*" -printf '%p %l %T@\n' | sort
nft -s list table inet "provisioner.$side" | sed -n '/set new_ssh/,/}/!p'
wg show "wgp-$side" allowed-ips | sort
wg show "wgp-$side" public-key
ip -4 route show dev "wgp-$side"
systemctl show -p MainPID,ActiveState,ActiveEnterTimestampMonotonic "provisioner.$side-*" | sort
getent passwd "provisioner-probe-$side"
"""


class Side(Deployment):
    """One carrier's own inventory of the lab: its relay and sites, and a side of the centre."""

    def __init__(self, lab: Lab, engine: Engine, carrier: str, *more: Any) -> None:
        """Take the lab, the engine, the carrier, whose id the inventory has, too, and what a further class takes."""
        super().__init__(lab, engine, *more)
        self.carrier = carrier
        for name in ("root", "password_file", "state", "runtime"):
            setattr(self, name, lab.directory / f"{carrier}-{name}")
        self.gateways = [gateway for gateway in GATEWAYS if gateway.carrier == carrier]
        self.relay = next(relay.name for relay in RELAYS if relay.carrier == carrier)
        self.user = f"noc-{carrier}"
        self.paths = [
            place.path(StreamKind.SUB)
            for place in PLACES
            if place.gateway.facility in {g.facility for g in self.gateways}
        ]

    def prepare(self) -> None:
        """Fill in the lab's inventory, and leave of it what is this carrier's."""
        super().prepare()
        for other in {relay.carrier for relay in RELAYS} - {self.carrier}:
            (self.root / f"carriers/{other}.yml").unlink()
            self.substitute(self.root / "inventory.yml", rf"\n +{other}: 10.*", "")
            self.substitute(self.root / "designations.yml", rf"(\n  - [^\n]*carrier: {other},[^\n]*)+", "")
        for gateway in GATEWAYS:
            if gateway not in self.gateways:
                self.facility_file(gateway.facility).unlink()
                (self.root / f"secrets/cameras/{gateway.province}.yml").unlink(missing_ok=True)
        self.substitute(self.root / "inventory.yml", r"(?m)^id: .*$", f"id: {self.carrier}")
        # Each has a pool of its own for its end of the tunnel, too.
        number = sorted({relay.carrier for relay in RELAYS}).index(self.carrier)
        self.substitute(self.root / "inventory.yml", r"centres: 10\S+", f"centres: 10.90.{number}.0/24")
        centre = self.root / f"centres/{CENTRE.name}.yml"
        self.substitute(centre, r"(user: )\S+", rf"\g<1>{self.user}")
        centre.write_text(centre.read_text(encoding="utf-8") + "shared: true\n", encoding="utf-8")
        self._give_user()
        self.commit("one carrier's own inventory")

    def _give_user(self) -> None:
        """Give this inventory's people a user of their own at the centre, who may do anything until the first apply."""
        keys = self.lab.exec(CENTRE.name, ["cat", "/home/noc/.ssh/authorized_keys"]).stdout
        home = f"/home/{self.user}/.ssh"
        self.lab.exec(CENTRE.name, ["useradd", "--create-home", "--shell", "/bin/sh", self.user])
        self.lab.exec(CENTRE.name, ["mkdir", "-m", "700", home])
        self.lab.exec(CENTRE.name, ["tee", f"{home}/authorized_keys"], stdin=keys)
        self.lab.exec(CENTRE.name, ["chown", "-R", f"{self.user}:{self.user}", home])
        self.sudo(f"{self.user} ALL=(ALL) NOPASSWD: ALL\n")

    def sudo(self, rule: str) -> None:
        """What this inventory's user may do at the centre."""
        self.lab.exec(CENTRE.name, ["tee", f"/etc/sudoers.d/{self.user}"], stdin=rule)

    def narrow(self) -> None:
        """From now on the user may call this inventory's own program and nothing else."""
        program = f"/usr/local/lib/provisioner.{self.carrier}/provisioner-host"
        self.sudo(NARROW.format(user=self.user, program=program))

    def deploy(self) -> dict[str, Any]:
        """Do the whole way to a running relay and a side of the centre; give the document of apply."""
        self.make_ready()
        return self.document("apply", "--yes", *NEW)

    def make_ready(self) -> None:
        """Do all that comes before the first apply."""
        self.run("allocate")
        self.run("keys", "init", *NEW)
        packages = self.lab.directory / f"sites-{secrets.token_hex(3)}"
        self.run("site-package", "--out", str(packages))
        for gateway in self.gateways:
            self.note_key(gateway.facility, self.lab.install_site_package(gateway.name, packages / gateway.facility))
        self.commit("addresses, keys and gateways")
        self.run("validate")

    def at_centre(self) -> str:
        """All that this inventory has on the centre."""
        return self.lab.exec(CENTRE.name, ["sh", "-c", LISTING, "list", self.carrier]).stdout

    def manage_from(self, networks: str) -> None:
        """Write the carrier's management networks."""
        self.substitute(
            self.root / f"carriers/{self.carrier}.yml", r"(management_networks: )\[.*\]", rf"\g<1>[{networks}]"
        )
