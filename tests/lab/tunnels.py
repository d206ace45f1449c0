"""Tunnels by which a packet gets through at once."""

import time

from .errors import LabError
from .lab import Lab
from .patience import stretched
from .topology import CENTRE, GATEWAYS, RELAYS


def renew_tunnels(lab: Lab, seconds: float = 30) -> None:
    """Make the tunnels anew to every relay that has not heard a peer yet, and wait until they are up.

    A relay's interface that was made anew has lost its sessions. Who has one with it still and sends nothing but
    keepalives notices two minutes later: until then all that it sends is dropped.

    Raises:
        LabError: a gateway gets no handshake in time.
    """
    silent = {relay.name for relay in RELAYS if _waits(lab, relay.name)}
    gateways = [one.name for one in GATEWAYS if one.relay in silent and _waits(lab, one.name) is not None]
    for host in gateways:
        lab.exec(host, ["systemctl", "restart", "provisioner-site"])
    if silent:
        lab.exec(CENTRE.name, ["systemctl", "restart", "provisioner-wg"])
    until = time.monotonic() + stretched(seconds)
    while waiting := [host for host in gateways if _waits(lab, host)]:
        if time.monotonic() > until:
            raise LabError(f"no handshake of {', '.join(waiting)} with its relay within {seconds} s")
        time.sleep(0.5)


def _waits(lab: Lab, host: str) -> bool | None:
    """Whether a host has a peer without a handshake; None where it has no tunnel."""
    listed = lab.exec(host, ["wg", "show", "wg-prov", "latest-handshakes"], check=False).stdout
    return any(line.split()[-1] == "0" for line in listed.splitlines()) if listed else None
