"""Further ports of the tunnel in the kernel: what comes to them is WireGuard's, and answers come from where one asked.

In WireGuard's place there is a socket that answers; the lab has the real one behind such a line.
"""

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from provisioner.desired.render.host import NFT_FILE, render_host
from provisioner_host.firewall import firewall
from provisioner_host.machine.namespace import Scratch, scratch
from tests import fleets, inventories

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="packets between namespaces take root")

WIREGUARD, FURTHER = 51820, (53, 443)
RELAY, RELAY_V6, SITE, SITE_V6 = "192.0.2.1", "2001:db8::1", "192.0.2.2", "2001:db8::2"
NOTHING_S = 0.3


def rules(folder: Path, further: tuple[int, ...]) -> str:
    spec = fleets.state_of(inventories.inventory()).hosts["relay-viettel-1"]
    assert spec.firewall
    files = render_host(
        replace(spec, firewall=replace(spec.firewall, further_ports=further, speaks_ipv6=True)), fleets.templates()
    )
    path = folder / "rules.nft"
    path.write_bytes(next(file.content for file in files if file.path == NFT_FILE))
    return firewall.loadable(path)


@dataclass
class Place:
    """A relay with our rules, and the outer side of a site's line."""

    relay: Scratch
    site: Scratch
    folder: Path
    sockets: ExitStack

    def load(self, further: tuple[int, ...]) -> None:
        self.relay.run(["nft", "-f", "-"], stdin=rules(self.folder, further))

    def socket(self, where: Scratch, address: str, port: int = 0) -> socket.socket:
        def bound() -> socket.socket:
            link = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
            self.sockets.enter_context(link)
            link.settimeout(NOTHING_S)
            link.bind((address, port))
            return link

        return where.call(bound)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with scratch() as relay, scratch() as site, ExitStack() as sockets:
        relay.ip([f"link add eth0 type veth peer name eth0 netns {site.path}", "link set lo up"])
        for where, four, six in ((relay, RELAY, RELAY_V6), (site, SITE, SITE_V6)):
            where.ip(
                [
                    f"address add {four}/24 dev eth0",
                    f"address add {six}/64 dev eth0 nodad",
                    "link set lo up",
                    "link set eth0 up",
                ]
            )
        one = Place(relay, site, tmp_path, sockets)
        one.load(FURTHER)
        yield one


def exchanged(wireguard: socket.socket, gateway: socket.socket, to: tuple[str, int]) -> tuple[int, int] | None:
    """A packet there and its answer: the port that WireGuard sees it come from, and the one the answer is from.

    None where nothing comes to WireGuard.
    """
    gateway.sendto(b"hello", to)
    try:
        said, seen = wireguard.recvfrom(99)
    except TimeoutError:
        return None
    assert said == b"hello"
    wireguard.sendto(b"answer", seen)
    assert gateway.recvfrom(99)[0] == b"answer"
    gateway.sendto(b"again", to)
    assert wireguard.recvfrom(99) == (b"again", seen)
    wireguard.sendto(b"answer", seen)
    answer, asked = gateway.recvfrom(99)
    assert (answer, asked[0]) == (b"answer", to[0])
    return seen[1], asked[1]


@pytest.mark.parametrize(("relay", "site"), [(RELAY, SITE), (RELAY_V6, SITE_V6)], ids=["IPv4", "IPv6"])
def test_an_answer_comes_from_the_port_that_was_asked_and_from_no_port_that_was_not_offered(
    place: Place, relay: str, site: str
) -> None:
    wireguard = place.socket(place.relay, relay, WIREGUARD)
    for number, port in enumerate((WIREGUARD, *FURTHER)):
        gateway = place.socket(place.site, site, 40000 + number)
        assert exchanged(wireguard, gateway, (relay, port)) == (40000 + number, port)
    # A gateway that roams comes from another port, and is answered there.
    assert exchanged(wireguard, place.socket(place.site, site, 41000), (relay, 443)) == (41000, 443)
    for port in (54, 444, 51821):
        assert exchanged(wireguard, place.socket(place.site, site), (relay, port)) is None


def test_a_gateway_that_changes_its_port_and_one_that_was_called_first_are_answered(place: Place) -> None:
    """The kernel knows the gateway's address and port by another flow: the new one is told apart, and answered."""
    wireguard, gateway = place.socket(place.relay, RELAY, WIREGUARD), place.socket(place.site, SITE, 40000)
    assert exchanged(wireguard, gateway, (RELAY, WIREGUARD)) == (40000, WIREGUARD)
    moved = exchanged(wireguard, gateway, (RELAY, 443))
    assert moved is not None
    assert moved[1] == 443
    # What the relay sends to a gateway of which the kernel has forgotten the flow goes out by its own port.
    called = place.socket(place.site, SITE, 40001)
    wireguard.sendto(b"handshake", (SITE, 40001))
    assert called.recvfrom(99) == (b"handshake", (RELAY, WIREGUARD))
    answered = exchanged(wireguard, called, (RELAY, 443))
    assert answered is not None
    assert answered[1] == 443


def test_flows_outlive_that_the_rules_are_loaded_again(place: Place) -> None:
    wireguard, gateway = place.socket(place.relay, RELAY, WIREGUARD), place.socket(place.site, SITE, 40000)
    assert exchanged(wireguard, gateway, (RELAY, 443)) == (40000, 443)
    place.load((443,))
    wireguard.sendto(b"by itself", (SITE, 40000))
    assert gateway.recvfrom(99) == (b"by itself", (RELAY, 443))
    assert exchanged(wireguard, gateway, (RELAY, 443)) == (40000, 443)
    assert exchanged(wireguard, place.socket(place.site, SITE), (RELAY, 53)) is None


def test_who_comes_to_a_further_port_is_held_to_the_same_rate_as_at_the_first(place: Place) -> None:
    wireguard = place.socket(place.relay, RELAY, WIREGUARD)
    for number in range(120):
        place.socket(place.site, SITE, 42000 + number).sendto(b"x", (RELAY, (*FURTHER, WIREGUARD)[number % 3]))
    heard = 0
    try:
        while True:
            wireguard.recvfrom(99)
            heard += 1
    except TimeoutError:
        pass
    assert 40 <= heard < 80, "40 at once and 20 a second, at all ports together"


def test_a_resolver_of_the_relay_s_own_is_left_alone(place: Place) -> None:
    resolver = place.socket(place.relay, "127.0.0.53", 53)
    asking = place.socket(place.relay, "127.0.0.1")
    asking.sendto(b"name", ("127.0.0.53", 53))
    said, who = resolver.recvfrom(99)
    resolver.sendto(b"address", who)
    assert (said, asking.recvfrom(99)) == (b"name", (b"address", ("127.0.0.53", 53)))


def test_what_goes_through_the_relay_to_somebody_else_is_led_nowhere(place: Place) -> None:
    wireguard = place.socket(place.relay, RELAY, WIREGUARD)
    place.site.ip([f"route add 198.51.100.0/24 via {RELAY}"])
    place.relay.run(["sysctl", "-q", "-w", "net.ipv4.ip_forward=1"])
    assert exchanged(wireguard, place.socket(place.site, SITE), ("198.51.100.7", 443)) is None


def test_one_loaded_table_means_what_the_file_means(place: Place) -> None:
    """What hosts compare is there of the new chain, too: its kind, its rules and their order."""
    with scratch() as aside:
        aside.run(["nft", "-f", "-"], stdin=rules(place.folder, FURTHER))
        wanted = aside.call(firewall.live)
    live = place.relay.call(firewall.live)
    assert wanted is not None
    assert firewall.differences(wanted, live) == []
    assert wanted["order prerouting"] == ["prerouting/tunnel-at-53", "prerouting/tunnel-at-443"]
    place.load((443,))
    gone = firewall.differences(wanted, place.relay.call(firewall.live))
    assert gone == [{"name": "prerouting/tunnel-at-53", "action": "create"}]
