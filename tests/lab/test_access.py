"""Access modes on real hosts: a site of each, with the LAN that all others have, is proved, broken, and judged."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import pytest
import yaml

from provisioner.inventory.files.edit import edited
from tests import inventories

from .deployment import Deployment, patient
from .test_reach import proved, tried
from .test_verify import all_up, causes, verified
from .topology import GATEWAYS, Network

# The rules alone are tried at each merge, in scratch namespaces: tests/unit/hosts/test_site_gateway.py and
# test_relay_output.py. What is here takes a site to another access mode and back.
pytestmark = [pytest.mark.lab, pytest.mark.destructive, pytest.mark.soak]

SITE: Final = next(gateway for gateway in GATEWAYS if gateway.facility == "kcl-hd-001")
BESIDE: Final = tuple(g.facility for g in GATEWAYS if g.relay == SITE.relay and g is not SITE)
ONLY: Final = ("--limit", f"facility={SITE.facility}")
OF_CARRIER: Final = ("--limit", f"carrier={SITE.carrier}")


@contextmanager
def changed(deployment: Deployment, access: str) -> Iterator[Deployment]:
    """The deployment with one site of another access mode, as it is agreed, installed and applied; then as before."""
    deployment.run("facility", "plan", SITE.facility, "--access", access)
    inventories.sign_file(deployment.facility_file(SITE.facility))
    deployment.run("allocate")
    install(deployment)
    deployment.document("apply", "--yes", *patient(90))
    try:
        yield deployment
    finally:
        deployment.git("reset", "--quiet", "--hard")
        if install(deployment):
            deployment.commit("the gateway has a key of its own again")


def install(deployment: Deployment) -> bool:
    """Do the technician's part; tell whether the gateway made another key, which is noted then."""
    lab, folder = deployment.lab, deployment.lab.directory / "access"
    deployment.run("site-package", SITE.facility, "--out", str(folder))
    package = folder / SITE.facility
    file = deployment.facility_file(SITE.facility)
    before = file.read_bytes()
    if (package / "peers").exists():
        deployment.note_key(SITE.facility, lab.install_site_package(SITE.name, package))
    else:
        lab.exec(SITE.name, ["rm", "-rf", "/root/site-package"])
        lab.copy_in(SITE.name, package, "/root/site-package")
        lab.exec(SITE.name, ["sh", "/root/site-package/install.sh"])
    shutil.rmtree(folder)
    return file.read_bytes() != before


def at_gateway(deployment: Deployment, command: str) -> Callable[[], object]:
    """Break something on the site's gateway; what is given back mends it."""
    deployment.lab.exec(SITE.name, ["sh", "-ec", command])
    return lambda: deployment.lab.exec(SITE.name, ["systemctl", "restart", "provisioner-site"])


# --- one address a device -------------------------------------------------------------------------
@pytest.fixture
def mapped(deployment: Deployment) -> Iterator[Deployment]:
    with changed(deployment, "pull_nat_map") as with_map:
        yield with_map


def addresses(deployment: Deployment) -> dict[str, str]:
    """The overlay address of each device of the site, as the relay pulls from it."""
    lock = yaml.safe_load((deployment.root / "allocations.lock.yml").read_text(encoding="utf-8"))
    site = lock["sites"][SITE.facility]
    head, _, length = site["prefix"].rpartition("/")
    network, last = head.rpartition(".")[0], int(head.rpartition(".")[2])
    assert length == "26"
    return {device: f"{network}.{last + number}" for device, number in site["numbers"].items()}


def cut_from(deployment: Deployment, address: str) -> None:
    """End the relay's connections with a device: one that was mapped lives on in the gateway's memory."""
    deployment.lab.exec(SITE.name, ["conntrack", "-D", "-p", "tcp", "-d", address], check=False)
    deployment.lab.exec(SITE.relay, ["ss", "-K", "dst", address], check=False)


def test_sites_with_one_lan_are_up_by_ports_and_by_addresses_and_each_failure_has_its_cause(mapped: Deployment) -> None:
    found = verified(mapped, *OF_CARRIER, until=all_up, tries=12)
    assert all_up(found), found["incidents"]
    assert {path["facility"] for path in found["paths"]} == {SITE.facility, *BESIDE}
    assert {path["level"] for path in found["paths"]} == {7}
    overlay = addresses(mapped)
    expected = {f"{SITE.facility}/cam-01": "address map missing", f"{SITE.facility}/cam-02": "wrong password"}
    with ExitStack() as mending:
        camera = mapped.lab.camera(f"{SITE.facility}/cam-02")
        mending.callback(mapped.lift_quarantine)
        mending.callback(camera.change_password, camera.password)
        camera.change_password("Somebody-changed-it-1")
        gone = f"nft delete element inet provisioner_site nat_map '{{ {overlay['cam-01']} }}'"
        mending.callback(at_gateway(mapped, gone))
        cut_from(mapped, overlay["cam-01"])
        time.sleep(15)
        found = verified(mapped, *OF_CARRIER, until=lambda f: causes(f) == expected)
        assert causes(found) == expected, found["incidents"]


def test_a_tunnel_that_is_down_and_a_device_that_is_gone_are_told_apart(mapped: Deployment) -> None:
    verified(mapped, *ONLY, until=all_up, tries=12)
    camera = mapped.lab.camera(f"{SITE.facility}/cam-03")
    expected = {f"{SITE.facility}/cam-03": "camera unplugged"}
    with ExitStack() as mending:
        camera.unplug()
        mending.callback(camera.plug)
        time.sleep(15)
        found = verified(mapped, *ONLY, until=lambda f: causes(f) == expected)
        assert causes(found) == expected, found["incidents"]
    verified(mapped, *ONLY, until=all_up, tries=12)
    expected = dict.fromkeys((f"{SITE.facility}/{one.id}" for one in SITE.cameras), "tunnel down")
    with ExitStack() as mending:
        mapped.lab.exec(SITE.name, ["systemctl", "stop", "provisioner-site"])
        mending.callback(mapped.lab.exec, SITE.name, ["systemctl", "start", "provisioner-site"])
        found = verified(mapped, *ONLY, until=lambda f: causes(f) == expected, tries=40)
        assert causes(found) == expected, found["incidents"]


def test_what_prove_says_of_addresses_is_so_by_packets_and_other_ports_stay_shut(mapped: Deployment) -> None:
    site, everybody = f"site/{SITE.facility}", ["internet", "management", "centres", "relays"]
    beside = [f"site/{facility}" for facility in BESIDE]
    cells = proved(mapped, [*everybody, *beside], [site]) + proved(mapped, [site], [*everybody[2:], *beside])
    assert {cell["reaches"] for cell in cells if cell["service"] == "cameras"} >= {"yes", "no"}
    assert tried(mapped, cells) == []
    refused = knock(mapped, addresses(mapped)["cam-01"], 80)
    assert refused == {"connected": False, "unmapped": True}


def knock(deployment: Deployment, address: str, port: int) -> dict[str, Any]:
    """What becomes of a relay that lets all of its own out and tries a device's other port."""
    lab, listed = deployment.lab, ["nft", "list", "chain", "inet", "provisioner_site", "forward"]
    lab.exec(SITE.relay, ["nft", "flush", "chain", "inet", "provisioner", "output"])
    before = lab.exec(SITE.name, listed).stdout
    program = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)"
    done = lab.exec(SITE.relay, ["python3", "-I", "-c", program, address, str(port)], check=False)
    after = lab.exec(SITE.name, listed).stdout
    return {"connected": done.returncode == 0, "unmapped": before != after}


# --- the carrier's own network --------------------------------------------------------------------
_CARRIER: Final = """
table ip lab_carrier
delete table ip lab_carrier
table ip lab_carrier {
  chain postrouting { type nat hook postrouting priority srcnat; oifname "lan0" masquerade; }
}
"""


@pytest.fixture
def routed(deployment: Deployment) -> Iterator[Deployment]:
    """The deployment with one site that the carrier's network leads to; its LAN is the one that all others have."""
    lab, lan = deployment.lab, str(SITE.lan.network)
    way = ["via", str(lab.address(SITE.name, Network.WAN))]
    carrier = deployment.root / f"carriers/{SITE.carrier}.yml"
    carrier.write_bytes(edited(carrier.read_bytes(), {("routed_networks",): [lan]}))
    with changed(deployment, "routed") as without_tunnel:
        # The carrier's part: a route, and a router at the site that answers for cameras without one.
        lab.exec(SITE.name, ["nft", "-f", "-"], stdin=_CARRIER)
        lab.exec(SITE.relay, ["ip", "route", "replace", lan, *way])
        try:
            yield without_tunnel
        finally:
            lab.exec(SITE.relay, ["ip", "route", "del", lan], check=False)
            lab.exec(SITE.name, ["nft", "delete", "table", "ip", "lab_carrier"], check=False)


def test_a_site_is_up_over_the_carriers_network_and_each_failure_has_its_cause(routed: Deployment) -> None:
    assert SITE.facility not in yaml.safe_load((routed.root / "allocations.lock.yml").read_text("utf-8"))["sites"]
    assert routed.lab.exec(SITE.name, ["wg", "show", "wg-prov"], check=False).returncode != 0, "its tunnel is gone"
    found = verified(routed, *OF_CARRIER, until=all_up, tries=12)
    assert all_up(found), found["incidents"]
    assert {path["level"] for path in found["paths"]} == {7}
    expected = {f"{SITE.facility}/cam-01": "camera unplugged", f"{SITE.facility}/cam-02": "wrong password"}
    with ExitStack() as mending:
        gone, changing = (routed.lab.camera(f"{SITE.facility}/{name}") for name in ("cam-01", "cam-02"))
        gone.unplug()
        mending.callback(gone.plug)
        mending.callback(routed.lift_quarantine)
        mending.callback(changing.change_password, changing.password)
        changing.change_password("Somebody-changed-it-1")
        time.sleep(15)
        found = verified(routed, *OF_CARRIER, until=lambda f: causes(f) == expected)
        assert causes(found) == expected, found["incidents"]


def test_a_route_that_is_gone_is_the_carriers_network_and_one_incident(routed: Deployment) -> None:
    verified(routed, *ONLY, until=all_up, tries=12)
    lan = str(SITE.lan.network)
    expected = dict.fromkeys((f"{SITE.facility}/{one.id}" for one in SITE.cameras), "carrier network down")
    with ExitStack() as mending:
        way = ["via", str(routed.lab.address(SITE.name, Network.WAN))]
        mending.callback(routed.lab.exec, SITE.relay, ["ip", "route", "replace", lan, *way])
        routed.lab.exec(SITE.relay, ["ip", "route", "replace", "blackhole", lan])
        time.sleep(15)
        found = verified(routed, *ONLY, until=lambda f: causes(f) == expected)
        assert causes(found) == expected, found["incidents"]
    assert [(i["layer"], i["object"]) for i in found["incidents"]] == [("carrier network", SITE.facility)]


def test_what_prove_says_of_the_carriers_network_is_so_by_packets(routed: Deployment) -> None:
    site, everybody = f"site/{SITE.facility}", ["internet", "management", "centres", "relays"]
    beside = [f"site/{facility}" for facility in BESIDE]
    cells = proved(routed, [*everybody, *beside], [site]) + proved(routed, [site], [*everybody[2:], *beside])
    reached = {(cell["program"], cell["service"]) for cell in cells if cell["reaches"] == "yes" and cell["to"] == site}
    assert ("relay", "cameras") in reached
    assert tried(routed, cells) == []
