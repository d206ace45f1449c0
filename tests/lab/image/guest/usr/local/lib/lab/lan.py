"""Build the camera network of a site: a bridge, and a network namespace with one cable for each device.

Runs in the gateway at every boot. Cameras get no default route on purpose: only a gateway that masquerades reaches
them.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

SITE = Path("/etc/lab/site.json")


def ip_batch(*commands: str) -> None:
    """Run several `ip` commands in one process."""
    subprocess.run(["/usr/sbin/ip", "-batch", "-"], input="\n".join(commands), text=True, check=True)


def build(site: dict[str, Any]) -> None:
    """Create the bridge and every device's namespace, cable and address."""
    bridge, devices = site["bridge"], site["devices"]
    ip_batch(
        f"link add {bridge} type bridge",
        f"addr add {site['address']} dev {bridge}",
        f"link set {bridge} up",
        *(line for device in devices for line in cable(bridge, device)),
    )
    for device in devices:
        ip_batch(f"netns exec {device['id']} /usr/sbin/ip link set lo up")
        ip_batch(f"netns exec {device['id']} /usr/sbin/ip addr add {device['address']} dev eth0")
        ip_batch(f"netns exec {device['id']} /usr/sbin/ip link set eth0 up")


def cable(bridge: str, device: dict[str, str]) -> list[str]:
    """Return the commands that connect one device with the bridge."""
    return [
        f"netns add {device['id']}",
        f"link add {device['cable']} type veth peer name eth0 netns {device['id']}",
        f"link set {device['cable']} master {bridge} up",
    ]


if __name__ == "__main__":
    build(json.loads(SITE.read_text(encoding="utf-8")))
