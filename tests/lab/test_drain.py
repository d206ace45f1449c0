"""A living relay is emptied onto another one of its carrier, under readers at the centre, gateway by gateway."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from typing import Any

import pytest

from provisioner.inventory.files.edit import edited
from tests import inventories

from .deployment import Deployment
from .held_readers import HeldReaders
from .patience import stretched
from .test_relay_life import paper_of
from .test_verify import all_up, verified
from .topology import GATEWAYS, JUMP, PLACES, RELAYS, Network, StreamKind

pytestmark = [pytest.mark.lab, pytest.mark.destructive]
OLD, NEW = RELAYS[0].name, "relay-viettel-2"
BOX = RELAYS[1]
"""The machine that is the second relay of the one carrier here."""
SITES = sorted(gateway.facility for gateway in GATEWAYS)
SUBS = [place.path(StreamKind.SUB) for place in PLACES]
LONGEST_CUT = 2.0
"""Seconds; what a drain may cut of a path, once."""
DRAIN = ("relay", "drain", OLD, "--to", NEW)


@pytest.fixture
def one_carrier(deployment: Deployment) -> Iterator[Deployment]:
    """The deployment with both relays and all sites of one carrier; afterwards as it was."""
    lab, paper = deployment.lab, paper_of(deployment)
    before = deployment.git("rev-parse", "HEAD").strip()
    lab.replace(BOX.name)
    _of_one_carrier(deployment)
    yield deployment
    deployment.git("reset", "--quiet", "--hard", before)
    deployment.git("clean", "--quiet", "--force", "-d")
    for gateway in GATEWAYS:
        lab.exec(gateway.name, ["systemctl", "start", "provisioner-site"])
    lab.replace(BOX.name)
    deployment.note_new_hardware(BOX)
    deployment.run("relay", "restore", BOX.name, "--yes", "--allow", "trust=1", stdin=paper)
    deployment.install_sites()
    deployment.run("apply", "--yes", "--allow", "trust=9", "--allow", "viewers=99", "--allow", "all_impact=9")
    deployment.commit("two carriers again")


def _of_one_carrier(deployment: Deployment) -> None:
    root, lab = deployment.root, deployment.lab
    vnpt, viettel = root / f"carriers/{BOX.carrier}.yml", root / f"carriers/{RELAYS[0].carrier}.yml"
    jump = {
        "address": str(lab.address(JUMP.name, Network.MGMT)),
        "ssh": {"user": "noc", "host_key": lab.host_key(JUMP.name)},
    }
    relay = {
        "id": NEW,
        "address": str(lab.address(BOX.name, Network.MGMT)),
        "endpoint": str(lab.address(BOX.name, Network.WAN)),
        "ssh": {"user": "noc", "port": 22, "host_key": lab.host_key(BOX.name)},
        "jump": jump,
        "max_paths": 100,
    }
    viettel.write_bytes(edited(viettel.read_bytes(), {("relays", 1): relay}))
    vnpt.unlink()
    (root / f"secrets/carriers/{BOX.carrier}.yml").unlink()
    for name in ("inventory.yml", "designations.yml"):
        path = root / name
        text = re.sub(rf"(?m)^ +{BOX.carrier}: 10.*\n", "", path.read_text(encoding="utf-8"))
        path.write_text(text.replace(f"carrier: {BOX.carrier}", f"carrier: {RELAYS[0].carrier}"), "utf-8")
    last = next(gateway for gateway in GATEWAYS if gateway.relay == BOX.name)
    site = deployment.facility_file(last.facility)
    text = site.read_text(encoding="utf-8").replace(f"carrier: {BOX.carrier}", f"carrier: {RELAYS[0].carrier}")
    site.write_text(text.replace(f"relay: {BOX.name}", f"relay: {OLD}"), "utf-8")
    inventories.sign_file(site)
    deployment.run("allocate")
    deployment.run("keys", "init", "--allow", "trust=1")
    deployment.run("apply", "--yes", "--allow", "trust=9", "--allow", "viewers=99", "--allow", "deletions=99")
    install(deployment, last.facility)
    deployment.commit("one carrier, two relays")
    assert all_up(verified(deployment, until=all_up, tries=30))


def install(deployment: Deployment, *facilities: str) -> None:
    """Do the technicians' part at some sites."""
    folder = deployment.lab.directory / "drain-packages"
    deployment.run("site-package", *facilities, "--out", str(folder))
    for gateway in GATEWAYS:
        if gateway.facility in facilities:
            deployment.lab.install_site_package(gateway.name, folder / gateway.facility)
    shutil.rmtree(folder)


def drained(deployment: Deployment, *words: str, codes: tuple[int, ...] = (0,)) -> dict[str, Any]:
    # A site that is dark is looked at twice, a minute apart, each time that the drain looks.
    return deployment.document(*DRAIN, "--yes", "--allow", "viewers=99", *words, codes=codes, timeout=600)


@pytest.mark.soak
def test_a_living_relay_is_emptied_under_its_readers_and_no_path_is_cut_for_long(one_carrier: Deployment) -> None:
    """One gateway is off when the others move: it stays on both, and is taken up again by the same command."""
    deployment, lab = one_carrier, one_carrier.lab
    dry = deployment.document(*DRAIN, "--dry-run")
    assert (dry["done"], len(dry["files"])) == (False, 1 + len(SITES))
    assert deployment.git("status", "--porcelain") == ""
    *most, off = SITES
    gateway = next(g.name for g in GATEWAYS if g.facility == off)
    steady = [path for path in SUBS if f"/{off}/" not in path]
    with HeldReaders(deployment, OLD, steady, then=NEW) as readers:
        begun = time.monotonic()
        first = drained(deployment, "--source", "minutes 7")
        assert (first["unseen"], first["moved"], first["end"]) == (SITES, [], "done")
        deployment.commit("both relays")
        install(deployment, *SITES)
        time.sleep(stretched(30))  # all gateways knock at the new relay
        lab.exec(gateway, ["systemctl", "stop", "provisioner-site"])
        moved = drained(deployment)
        assert (sorted(moved["moved"]), moved["both"], moved["leaving"]) == (most, [off], []), moved
        told = deployment.run("status").stdout
        assert f"{OLD} is being emptied onto {NEW}: 1 site still there, 1 of them over both" in told, told
        seen = readers.finish()
    lab.exec(gateway, ["systemctl", "start", "provisioner-site"])
    verified(deployment, "--limit", f"facility={off}", until=all_up, tries=30)
    with HeldReaders(deployment, OLD, [path for path in SUBS if path not in steady], then=NEW) as readers:
        last = drained(deployment)
        took = time.monotonic() - begun
        seen += readers.finish()
    assert (last["moved"], last["done"]) == ([off], True), last
    assert len(seen) == len(SUBS)
    assert all(reader.moved and not reader.end for reader in seen), seen
    longest = max(reader.longest_gap for reader in seen)
    print(f"drained in {took:.0f} s; the longest cut of {len(seen)} held paths: {longest:.2f} s")  # noqa: T201
    assert longest < stretched(LONGEST_CUT), seen
    assert all_up(verified(deployment, until=all_up, tries=12))
    assert drained(deployment)["runs"] == []
    done = deployment.run("hosts", "decommission", OLD, "--dry-run")
    assert done.returncode == 0, done.stderr
