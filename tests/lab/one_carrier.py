"""Both relays and all sites of the lab with one carrier: a site can go from one relay to the other, or have both."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from provisioner.inventory.files.edit import edited
from tests import inventories

from .deployment import Deployment
from .test_relay_life import paper_of
from .test_verify import all_up, verified
from .topology import GATEWAYS, JUMP, PLACES, RELAYS, Network, StreamKind

OLD: Final = RELAYS[0].name
NEW: Final = "relay-viettel-2"
BOX: Final = RELAYS[1]  #: The machine that is the second relay of the one carrier here.
SITES: Final = sorted(gateway.facility for gateway in GATEWAYS)
SUBS: Final = [place.path(StreamKind.SUB) for place in PLACES]


@contextmanager
def of_one_carrier(deployment: Deployment) -> Iterator[Deployment]:
    """The deployment with both relays and all sites of one carrier; afterwards as it was."""
    lab, paper = deployment.lab, paper_of(deployment)
    before = deployment.git("rev-parse", "HEAD").strip()
    lab.replace(BOX.name)
    _written(deployment)
    try:
        yield deployment
    finally:
        _as_before(deployment, before, paper)


def _as_before(deployment: Deployment, before: str, paper: str) -> None:
    lab = deployment.lab
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


def _written(deployment: Deployment) -> None:
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
