"""A relay's life on real hosts: new hardware in a dead one's place, and one that is taken out of service."""

import base64
import difflib
import re
import secrets
import time
from typing import Any

import pytest

from provisioner.base.recovery_key import from_paper
from provisioner.inventory.files.yaml import parse

from .deployment import Deployment
from .test_verify import all_up, verified
from .topology import CENTRE, GATEWAYS, RELAYS, Network

pytestmark = [pytest.mark.lab, pytest.mark.destructive]
RELAY = RELAYS[0]
SITES = sorted(gateway.facility for gateway in GATEWAYS if gateway.relay == RELAY.name)
ANOTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILLxxTLNWIvTOqfEHsYPptl1mrfK9Gmz7ymtR1zfHdv5"
# What is set on a gateway, and since when its tunnel and its forwarding run: of a boot, and of no restart.
AS_IT_IS = (
    "find /etc /usr/local /root -xdev -type f -exec sha256sum {} + | sort;"
    " systemctl show --property=ActiveEnterTimestampMonotonic,ExecMainStartTimestampMonotonic,NRestarts"
    " 'provisioner-*'; cut -d' ' -f22 /proc/1/stat"
)


# All that stays of a host: what lies on its disk, who may log in, what systemd knows, what the kernel was told. Left
# out is what changes by itself (logs, seeds, the greeting of a login), and the copies that useradd keeps of its files.
ON_DISK = """
cd /
find etc usr opt srv home root boot var -xdev \\( -path var/log -o -path var/cache -o -path var/lib/systemd \
  -o -path 'etc/*-' -o -path var/lib/private \\) -prune -o -printf '%y %m %u:%g %p %l\\n' | sort
find etc usr/local home root var/lib -xdev \\( -path var/lib/systemd -o -path 'etc/*-' \\) -prune \
  -o -type f -exec sha256sum {} + | sort -k2
find run dev/shm tmp -maxdepth 1 ! -path run/motd.dynamic | sort
getent passwd; getent group
systemctl list-unit-files --no-legend --plain
"""
LISTING = f"""{ON_DISK}
systemctl list-units --all --no-legend --plain 'provisioner*'
nft list ruleset
ip -br link; ip -4 route show table all; ip rule
"""
_PAPERS: dict[str, str] = {}


def paper_of(deployment: Deployment) -> str:
    """The four lines of the inventory's recovery key, which is made here where there is none yet."""
    document: Any = parse((deployment.root / "inventory.yml").read_bytes()).value
    if "recovery" not in document:
        _PAPERS[deployment.lab.run] = deployment.run("keys", "recovery").stdout
        deployment.run("keys", "init")
        deployment.commit("a recovery key, and what relays sealed to it")
    return _PAPERS[deployment.lab.run]


def listing(deployment: Deployment, host: str, script: str = LISTING) -> str:
    return deployment.lab.exec(host, ["sh", "-c", script]).stdout


def gateways(deployment: Deployment) -> dict[str, str]:
    return {g.name: deployment.lab.exec(g.name, ["sh", "-c", AS_IT_IS]).stdout for g in GATEWAYS}


@pytest.mark.soak
def test_new_hardware_has_every_path_up_again_by_two_commands_and_nobody_drives_to_a_site(
    deployment: Deployment,
) -> None:
    """Nothing of the former disk is there any more but what the repository and the safe have."""
    lab = deployment.lab
    paper = paper_of(deployment)
    deployment.run("keys", "recovery", "--check", stdin=paper)
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
    assert not [secret for secret in (key, from_paper(paper).private_key.reveal()) if secret in said]


@pytest.mark.soak
def test_a_relay_that_is_taken_out_of_service_is_the_bare_host_that_it_was(deployment: Deployment) -> None:
    """It carried every site before, with all that comes of it: readers, looks, a saved state."""
    lab, old = deployment.lab, RELAYS[1]
    paper = paper_of(deployment)
    lab.replace(old.name)
    bare = listing(deployment, old.name)
    deployment.note_new_hardware(old)
    deployment.run("relay", "restore", old.name, "--yes", "--allow", "trust=1", stdin=paper)
    deployment.run("apply", "--yes", "--allow", "trust=1")
    assert all_up(verified(deployment, until=all_up, tries=30))
    deployment.commit("new hardware")

    for words in ((), ("--dry-run",)):
        done = deployment.run("hosts", "decommission", old.name, "--yes", *words, check=False)
        assert done.returncode == 6, done.stdout + done.stderr
        assert "is still in use by" in done.stderr
    for gateway in GATEWAYS:
        if gateway.relay == old.name:
            deployment.facility_file(gateway.facility).unlink()
    deployment.run("allocate")
    done = deployment.run("hosts", "decommission", old.name, "--yes", check=False)
    assert (done.returncode, "apply the inventory first" in done.stderr) == (6, True), done.stderr
    deployment.run(
        "apply", "--yes", "--allow", "deletions=99", "--allow", "deletion_percent=100", "--allow", "viewers=9"
    )

    before = listing(deployment, old.name, ON_DISK)
    assert deployment.run("hosts", "decommission", old.name, "--dry-run").returncode == 0
    assert listing(deployment, old.name, ON_DISK) == before
    # Somebody is still at work there: it stops in the middle, says so, and the same command goes on.
    lab.exec(old.name, ["systemd-run", "--unit=at-work", "--uid=provisioner-probe", "sleep", "600"])
    done = deployment.run("hosts", "decommission", old.name, "--yes", check=False)
    assert (done.returncode, "the same command goes on from here" in " ".join(done.stderr.split())) == (5, True), (
        done.stderr
    )
    lab.exec(old.name, ["systemctl", "stop", "at-work"])
    begun = time.monotonic()
    done = deployment.run("hosts", "decommission", old.name, "--yes")
    print(f"taken out of service in {time.monotonic() - begun:.1f} s")  # noqa: T201 (the same)
    assert f"nothing of ours is on {old.name} any more" in done.stdout
    difference = difflib.unified_diff(bare.splitlines(), listing(deployment, old.name).splitlines(), n=0, lineterm="")
    assert "\n".join(difference) == ""
    assert "there is nothing to take off" in deployment.run("hosts", "decommission", old.name, "--yes").stdout

    # It comes back as new hardware does; the lab goes on with it.
    deployment.git("reset", "--quiet", "--hard")
    deployment.run("relay", "restore", old.name, "--yes", "--allow", "trust=1", stdin=paper)
    deployment.run("apply", "--yes", "--allow", "trust=1")
    deployment.commit("back in service")


@pytest.mark.soak
def test_a_dead_relay_whose_key_nobody_has_gets_a_new_one_and_each_site_its_package(deployment: Deployment) -> None:
    """The sites that it names are those that need one, and they need nothing else."""
    lab = deployment.lab
    lab.replace(RELAY.name)
    deployment.note_new_hardware(RELAY)
    folder = lab.directory / "new-key"
    words = ("--recovery-lost", "--packages", str(folder), "--yes", "--allow", "trust=1")
    done = deployment.document("relay", "replace", RELAY.name, *words)
    assert (done["sites"], sorted(done["packages"])) == (SITES, SITES)
    applied = deployment.document("apply", "--yes", "--allow", "trust=9", "--allow", "viewers=99")
    assert applied["outcome"] == "applied"
    for gateway in GATEWAYS:
        if gateway.relay == RELAY.name:
            lab.install_site_package(gateway.name, folder / gateway.facility)
    found = verified(deployment, until=all_up, tries=30)
    assert all_up(found), found["incidents"]
    deployment.commit("a new key")


@pytest.mark.soak
def test_a_centre_that_nobody_reads_from_any_more_is_the_bare_host_that_it_was(deployment: Deployment) -> None:
    """Carriers read from another one, which stands elsewhere: it is no host of the lab, and is not called."""
    lab, old, new = deployment.lab, CENTRE.name, "centre-elsewhere"
    lab.replace(old)
    bare = listing(deployment, old)
    deployment.note_new_centre()
    assert deployment.document("apply", "--yes", "--allow", "trust=9", "--allow", "viewers=99")["outcome"] == "applied"
    found = verified(deployment, until=all_up, tries=30)
    assert all_up(found), found["incidents"]
    deployment.commit("a new centre")

    done = deployment.run("hosts", "decommission", old, "--yes", check=False)
    assert (done.returncode, "is still in use by viettel, vnpt" in done.stderr) == (6, True), done.stderr
    relays = [relay.name for relay in RELAYS]
    let_others_read(deployment, old, new)
    limits = [word for name in relays for word in ("--limit", f"host={name}")]
    allowed = [
        word for of in ("viewers=99", "trust=9", "deletions=99", "deletion_percent=100") for word in ("--allow", of)
    ]
    deployment.run("apply", "--yes", *allowed, *limits)
    done = deployment.run("hosts", "decommission", old, "--yes", check=False)
    assert (done.returncode, "apply the inventory first" in done.stderr) == (6, True), done.stderr
    deployment.run("apply", "--yes", *allowed, "--limit", f"host={old}")

    before = listing(deployment, old, ON_DISK)
    assert deployment.run("hosts", "decommission", old, "--dry-run").returncode == 0
    assert listing(deployment, old, ON_DISK) == before
    done = deployment.run("hosts", "decommission", old, "--yes")
    assert f"nothing of ours is on {old} any more" in done.stdout
    difference = difflib.unified_diff(bare.splitlines(), listing(deployment, old).splitlines(), n=0, lineterm="")
    assert "\n".join(difference) == ""
    assert "there is nothing to take off" in deployment.run("hosts", "decommission", old, "--yes").stdout
    # What the last line says comes next: it leaves the inventory, and relays are as they were.
    (deployment.root / f"centres/{old}.yml").unlink()
    deployment.run("allocate")
    deployment.run("validate")
    limits = [word for name in relays for word in ("--limit", f"host={name}")]
    assert deployment.document("plan", *limits)["summary"]["delete"] == 0, "relays have forgotten it already"

    # It comes back as new hardware does; the lab goes on with it.
    deployment.git("reset", "--quiet", "--hard")
    deployment.git("clean", "--quiet", "--force", "-d")
    deployment.note_new_centre()
    deployment.run("apply", "--yes", "--allow", "trust=9", "--allow", "viewers=99")
    deployment.commit("back in service")


def let_others_read(deployment: Deployment, old: str, new: str) -> None:
    """Write that carriers read from another centre, and who manages the old one until it goes."""
    root, networks = deployment.root, f"[{deployment.lab.subnet(Network.MGMT)}]"
    text = (root / f"centres/{old}.yml").read_text(encoding="utf-8")
    elsewhere = text.replace(f"id: {old}\n", f"id: {new}\n").replace("address: ", "address: 192.0.2.99 # ", 1)
    elsewhere = re.sub(r"host_key: .*", f"host_key: {ANOTHER_KEY}", elsewhere)
    (root / f"centres/{new}.yml").write_text(elsewhere, encoding="utf-8")
    (root / f"centres/{old}.yml").write_text(f"{text}management_networks: {networks}\n", encoding="utf-8")
    for relay in RELAYS:
        deployment.substitute(root / f"carriers/{relay.carrier}.yml", rf"centres: \[{old}\]", f"centres: [{new}]")
    deployment.run("allocate")
    # Its key is not asked for, as nobody answers there: one is written down in its place.
    assert deployment.run("keys", "init", check=False, timeout=300).returncode == 5
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    lock = root / "allocations.lock.yml"
    deployment.substitute(lock, rf"(\n  {new}:\n[^\n]*\n)", rf'\g<1>    public_key: "{key}"\n')
    deployment.run("validate")
