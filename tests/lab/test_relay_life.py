"""A relay's life on real hosts: new hardware in a dead one's place, and one that is taken out of service."""

from __future__ import annotations

import time

import pytest

from provisioner.base.recovery_key import from_paper

from .deployment import Deployment
from .test_verify import all_up, verified
from .topology import GATEWAYS, RELAYS

pytestmark = [pytest.mark.lab, pytest.mark.destructive]
RELAY = RELAYS[0]
SITES = sorted(gateway.facility for gateway in GATEWAYS if gateway.relay == RELAY.name)
# What is set on a gateway, and since when its tunnel and its forwarding run: of a boot, and of no restart.
AS_IT_IS = (
    "find /etc /usr/local /root -xdev -type f -exec sha256sum {} + | sort;"
    " systemctl show --property=ActiveEnterTimestampMonotonic,ExecMainStartTimestampMonotonic,NRestarts"
    " 'provisioner-*'; cut -d' ' -f22 /proc/1/stat"
)


def gateways(deployment: Deployment) -> dict[str, str]:
    return {g.name: deployment.lab.exec(g.name, ["sh", "-c", AS_IT_IS]).stdout for g in GATEWAYS}


@pytest.mark.soak
def test_new_hardware_has_every_path_up_again_by_two_commands_and_nobody_drives_to_a_site(
    deployment: Deployment,
) -> None:
    """Nothing of the former disk is there any more but what the repository and the safe have."""
    lab = deployment.lab
    paper = deployment.run("keys", "recovery").stdout
    pair = from_paper(paper)
    deployment.run("keys", "init")
    deployment.run("keys", "recovery", "--check", stdin=paper)
    deployment.commit("a recovery key, and what relays sealed to it")
    assert all_up(verified(deployment, until=all_up))
    before = gateways(deployment)
    assert all("provisioner" in said for said in before.values()), "there is something to be left alone"

    lab.replace(RELAY.name)
    assert lab.exec(RELAY.name, ["ls", "/etc/provisioner"], check=False).returncode != 0
    deployment.note_new_hardware(RELAY)
    dry = deployment.document("relay", "restore", RELAY.name, "--dry-run")
    assert (dry["sites"], dry["new_hardware"], dry["address_moved"]) == (SITES, True, None)
    assert len(dry["paths"]) == sum(len(g.cameras) * 2 for g in GATEWAYS if g.relay == RELAY.name)

    begun = time.monotonic()
    deployment.run("relay", "restore", RELAY.name, "--yes", "--allow", "trust=1", stdin=paper)
    restored = time.monotonic()
    assert deployment.document("apply", "--yes", "--allow", "trust=1")["outcome"] == "applied"
    applied = time.monotonic()
    found = verified(deployment, until=all_up, tries=30)
    up = time.monotonic()
    print(  # noqa: T201 (what it takes is what this test is for)
        f"restored in {restored - begun:.1f} s, applied in {applied - restored:.1f} s,"
        f" every path proved at level 7 {up - begun:.1f} s after the first command"
    )
    assert all_up(found), found["incidents"]
    assert gateways(deployment) == before
    assert deployment.document("plan")["site_packages"] == []
    assert deployment.run("relay", "restore", RELAY.name, "--yes").returncode == 0, "it lives: nothing is to be done"
    deployment.commit("new hardware")
    on_disk = "".join(
        p.read_text(encoding="utf-8", errors="replace") for p in deployment.root.rglob("*") if p.is_file()
    )
    key = lab.exec(RELAY.name, ["cat", "/etc/provisioner/keys/wg-prov.key"]).stdout.strip()
    said = "".join(deployment.transcript) + on_disk
    assert not [secret for secret in (key, pair.private_key.reveal()) if secret in said]
