"""The rules of a site's gateway in the kernel: what a relay reaches behind it, with packets in scratch namespaces."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from provisioner.desired.render.site import render_site
from provisioner.desired.sites import site_spec
from provisioner_host.machine.namespace import Scratch, scratch
from tests import fleets, inventories
from tests.hostile import GATEWAY

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="namespaces of networks take root")

RELAY, STRANGER, SITE = "10.91.0.1", "10.91.0.9", "10.91.0.2"
FIRST, SECOND = "192.168.1.11", "192.168.1.12"
_PYTHON = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
_LISTEN = """
import socket, sys
link = socket.create_server((sys.argv[1], int(sys.argv[2])))
print("ready", flush=True)
while True:
    taken, (sender, _) = link.accept()
    taken.sendall(f"{sys.argv[1]} hears {sender}".encode())
    taken.close()
"""
_KNOCK = """
import socket, sys
link = socket.socket()
link.settimeout(3)
link.bind((sys.argv[1], 0))
link.setsockopt(socket.IPPROTO_IP, 11, 1)
try:
    link.connect((sys.argv[2], int(sys.argv[3])))
    print(link.recv(99).decode())
except OSError as error:
    print(type(error).__name__)
    try:
        _, around, _, _ = link.recvmsg(512, 512, socket.MSG_ERRQUEUE)
        print(around[0][2][5], around[0][2][6], socket.inet_ntoa(around[0][2][20:24]))
    except OSError:
        print("no word of it")
"""


@dataclass
class Site:
    """A relay's end of the tunnel, a gateway with its rules, and a LAN whose devices have no other way out."""

    relay: Scratch
    gateway: Scratch
    lan: Scratch
    listening: list[subprocess.Popen[str]] = field(default_factory=list)

    def listen(self, address: str, port: int) -> None:
        """A device that takes connections and says from whom."""
        words = [_PYTHON, "-Ic", _LISTEN, address, str(port)]
        process = self.lan.call(lambda: subprocess.Popen(words, stdout=-1, text=True))
        self.listening.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"

    def send_to_gateway(self, address: str) -> None:
        """Let packets for an address come to the gateway, as a tunnel does that has it: nobody there says it is his."""
        shown = self.gateway.run(["ip", "-o", "link", "show", "wg-prov"]).stdout.split()
        place = shown[shown.index("link/ether") + 1]
        self.relay.ip([f"neigh replace {address} lladdr {place} dev tunnel nud permanent"])

    def knock(self, address: str, port: int, source: str = RELAY) -> list[str]:
        """What becomes of a connection from the relay's end of the tunnel: its outcome, and an ICMP message."""
        words = [_PYTHON, "-Ic", _KNOCK, source, address, str(port)]
        return self.relay.run(words).stdout.splitlines()


@pytest.fixture
def site() -> Iterator[Site]:
    """A site that maps addresses: its package's rules, as `site-up` brings them up beside its addresses."""
    plan = {"state": "agreed", "carrier": "viettel", "relay": "relay-viettel-1", "access": "pull_nat_map"}
    cameras = [inventories.camera("cam-01", 11), inventories.camera("cam-02", 12, port=8554)]
    whole = fleets.complete(inventories.inventory(facilities=[fleets.facility(plan=plan, cameras=cameras)]))
    package = render_site(
        site_spec(whole, fleets.secrets_of(whole), whole.facilities["kcl-bg-001"]), fleets.templates(), fleets.VALID
    )
    files = {file.path: file.content.decode() for file in package}
    local = [
        line.removeprefix("ip ") for line in files["site-up"].splitlines() if line.startswith("ip route replace local")
    ]
    with ExitStack() as stack:
        relay, gateway, lan = (stack.enter_context(scratch()) for _ in range(3))
        there = Site(relay, gateway, lan)
        there.gateway.ip(
            [
                "link set lo up",
                f"link add wg-prov type veth peer name tunnel netns {there.relay.path}",
                f"link add br-lan type veth peer name lan netns {there.lan.path}",
                f"address add {SITE}/32 dev wg-prov",
                "address add 192.168.1.1/24 dev br-lan",
                "link set wg-prov up",
                "link set br-lan up",
                "link add eth0 type veth peer name wan",
                "link set wan up",
                "link set eth0 up",
                "route add default dev eth0",
                *(f"route add {one}/32 dev wg-prov" for one in (RELAY, STRANGER)),
                *(words.replace('"$tunnel"', "wg-prov") for words in local),
            ]
        )
        there.relay.ip(
            [
                "link set lo up",
                *(f"address add {one}/32 dev tunnel" for one in (RELAY, STRANGER)),
                "link set tunnel up",
                "route add 10.91.0.0/16 dev tunnel",
                "route add 192.168.1.0/24 dev tunnel",
            ]
        )
        there.lan.ip(
            ["link set lo up", *(f"address add {one}/24 dev lan" for one in (FIRST, SECOND)), "link set lan up"]
        )
        # The tunnel's ends find each other by keys; a veth's by asking.
        there.relay.run(["sh", "-ec", "for i in all tunnel; do echo 1 >/proc/sys/net/ipv4/conf/$i/arp_ignore; done"])
        there.gateway.run(["sh", "-ec", "echo 1 >/proc/sys/net/ipv4/ip_forward"])
        there.gateway.run(["nft", "-f", "-"], stdin=files["provisioner-site.nft"])
        yield there
        for process in there.listening:
            process.kill()
            process.communicate()


def overlay(number: int) -> str:
    return f"10.91.0.{64 + number}"


def test_each_address_leads_to_its_device_which_hears_the_gateway_itself(site: Site) -> None:
    site.listen(FIRST, 554)
    site.listen(SECOND, 8554)
    assert site.knock(overlay(1), 554) == [f"{FIRST} hears 192.168.1.1"]
    assert site.knock(overlay(2), 8554) == [f"{SECOND} hears 192.168.1.1"]


@GATEWAY
def test_a_port_that_no_inventory_names_stays_shut_and_the_relay_is_told(site: Site) -> None:
    for address, port in ((FIRST, 80), (SECOND, 554)):
        site.listen(address, port)
    for number, port in ((1, 80), (2, 554)):
        assert site.knock(overlay(number), port) == ["ConnectionRefusedError", f"3 3 {overlay(number)}"]


def test_an_address_that_is_mapped_to_nothing_is_refused_by_the_gateway(site: Site) -> None:
    assert site.knock(overlay(3), 554) == ["ConnectionRefusedError", f"3 3 {overlay(3)}"]
    site.listen(FIRST, 554)
    site.gateway.run(["nft", "delete", "element", "inet", "provisioner_site", "nat_map", f"{{ {overlay(1)} }}"])
    assert site.knock(overlay(1), 554) == ["ConnectionRefusedError", f"3 3 {overlay(1)}"]


@GATEWAY
def test_only_the_relay_comes_in(site: Site) -> None:
    site.listen(FIRST, 554)
    assert site.knock(overlay(1), 554, source=STRANGER)[0] == "ConnectionRefusedError"
    site.send_to_gateway(FIRST)
    assert site.knock(FIRST, 554)[0] == "TimeoutError"
    assert site.knock(overlay(1), 554) == [f"{FIRST} hears 192.168.1.1"]


def test_a_device_that_is_away_and_a_lan_that_is_gone_are_told_apart(site: Site) -> None:
    site.lan.ip([f"address del {SECOND}/24 dev lan"])
    assert site.knock(overlay(2), 8554)[1:] == [f"3 1 {overlay(2)}"]
    site.gateway.ip(["link set br-lan down"])
    assert site.knock(overlay(1), 554) == ["OSError", f"3 0 {overlay(1)}"]
