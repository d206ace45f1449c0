"""The rendered firewall in the kernel: what MediaMTX's user sends, with packets in scratch namespaces."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from provisioner.desired.render.host import NFT_FILE, render_host
from provisioner_host.firewall import firewall
from provisioner_host.machine.namespace import Scratch, scratch
from tests import fleets, inventories
from tests.hostile import CAMERA, VIEWER

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="packets of several users take root")

RELAY_UID, PROBE_UID = 64001, 64002
_UIDS = {"mediamtx": RELAY_UID, "provisioner-probe": PROBE_UID}
RELAY, CAMERA_AT, SITE, CENTRE, MANAGEMENT = "10.91.0.1", "10.91.0.4", "10.91.0.5", "10.90.0.2", "192.0.2.50"
ROUTED, BESIDE, ROUTED_IN = "10.120.1.5", "10.120.1.6", IPv4Network("10.120.0.0/16")

_LISTEN = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
link = socket.create_server((sys.argv[1], int(sys.argv[2])), family=family, backlog=4096)
print("ready", flush=True)
while True:
    taken, _ = link.accept()
    print("taken", flush=True)
    try:
        taken.sendall(b"hello")
    except OSError:
        pass
"""
_KNOCK = """
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
link = socket.socket(family, socket.SOCK_DGRAM if sys.argv[3] == "udp" else socket.SOCK_STREAM)
link.settimeout(float(sys.argv[4]))
try:
    link.connect((sys.argv[1], int(sys.argv[2])))
    link.send(b"x") if sys.argv[3] == "udp" else link.recv(5)
except OSError as error:
    print(type(error).__name__)
else:
    print("through")
"""
_DIAL = """
import socket, sys
for turn in range(int(sys.argv[3])):
    link = socket.socket()
    link.settimeout(0.4)
    try:
        link.connect((sys.argv[1], int(sys.argv[2])))
    except OSError:
        break
    link.close()
else:
    turn += 1
print(turn)
"""


@dataclass
class Place:
    """A relay's namespace with our rules, and one that stands for all the world beyond its interfaces."""

    relay: Scratch
    world: Scratch
    listening: list[subprocess.Popen[str]]

    def listen(self, where: Scratch, address: str, port: int, uid: int = 0) -> subprocess.Popen[str]:
        """Somebody who takes connections, and says so of each."""
        process = where.call(lambda: subprocess.Popen(_as(uid, _LISTEN, address, port), stdout=-1, text=True))
        self.listening.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    def knock(self, uid: int, address: str, port: int, protocol: str = "tcp", patience: float = 0.5) -> str:
        """What becomes of a first packet of a user on the relay."""
        return self.relay.run(_as(uid, _KNOCK, address, port, protocol, patience)).stdout.strip()

    def taken(self, process: subprocess.Popen[str]) -> int:
        """How many connections a listener took."""
        self.listening.remove(process)
        process.terminate()
        return process.communicate()[0].count("taken")

    def dropped(self, comment: str) -> int:
        """How many packets a rule dropped."""
        table = self.relay.run(["nft", "list", "chain", "inet", "provisioner", "output"]).stdout
        (line,) = [line for line in table.splitlines() if f'comment "{comment}"' in line]
        return int(line.partition("counter packets ")[2].split()[0])


def _as(uid: int, program: str, *words: object) -> list[str]:
    # The machine's own Python: a checkout's may be out of another user's reach.
    python = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", python, "-Ic", program, *map(str, words)]


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Place]:
    """The rules as a host loads them, between an interface of the tunnel's name and one of the carrier's network."""
    monkeypatch.setattr(firewall, "_user_id", _UIDS.__getitem__)
    spec = fleets.state_of(inventories.inventory()).hosts["relay-viettel-1"]
    assert spec.firewall
    cameras = ((IPv4Address(CAMERA_AT), 10554), (IPv4Address(SITE), 10554), (IPv4Address(ROUTED), 554))
    firewall_spec = replace(spec.firewall, cameras=cameras, centres=(IPv4Address(CENTRE),), routed=(ROUTED_IN,))
    spec = replace(spec, firewall=firewall_spec)
    rules = tmp_path / "provisioner.nft"
    rendered = {file.path: file.content for file in render_host(spec, fleets.templates())}
    rules.write_bytes(rendered[NFT_FILE])
    with scratch() as relay, scratch() as world:
        relay.ip(
            [
                "link set lo up",
                f"link add wg-prov type veth peer name tunnel netns {world.path}",
                f"link add eth0 type veth peer name backbone netns {world.path}",
                f"address add {RELAY}/32 dev wg-prov",
                "address add 192.0.2.10/24 dev eth0",
                "address add fd00::10/64 dev eth0 nodad",
                "link set wg-prov up",
                "link set eth0 up",
                f"route add 10.91.0.0/16 dev wg-prov src {RELAY}",
                f"route add 10.90.0.0/24 dev wg-prov src {RELAY}",
            ]
        )
        world.ip(
            [
                "link set lo up",
                *(f"address add {a}/32 dev tunnel" for a in (CAMERA_AT, SITE, CENTRE)),
                f"address add {MANAGEMENT}/24 dev backbone",
                "address add 169.254.169.254/32 dev backbone",
                *(f"address add {a}/32 dev backbone" for a in (ROUTED, BESIDE)),
                "address add fd00::50/64 dev backbone nodad",
                "link set tunnel up",
                "link set backbone up",
                f"route add {RELAY}/32 dev tunnel",
            ]
        )
        relay.ip(["route add 169.254.169.254/32 dev eth0", f"route add {ROUTED_IN} dev eth0"])
        relay.run(["nft", "-f", "-"], stdin=firewall.loadable(rules))
        there = Place(relay, world, [])
        yield there
        for process in there.listening:
            process.kill()
            process.communicate()


ELSEWHERE = {
    "its own API": ("relay", "127.0.0.1", 9997),
    "its own API over IPv6": ("relay", "::1", 9997),
    "its own RTSP": ("relay", RELAY, 8554),
    "the management network": ("world", MANAGEMENT, 22),
    "the management network over IPv6": ("world", "fd00::50", 22),
    "the metadata of a cloud": ("world", "169.254.169.254", 80),
    "a centre": ("world", CENTRE, 554),
    "another port of a site": ("world", SITE, 80),
}


@CAMERA
@pytest.mark.parametrize("where", ELSEWHERE)
def test_a_redirected_relay_opens_no_connection(place: Place, where: str) -> None:
    side, address, port = ELSEWHERE[where]
    listener = place.listen(place.relay if side == "relay" else place.world, address, port)
    assert place.knock(RELAY_UID, address, port) == "TimeoutError"
    assert place.dropped("relay-elsewhere") >= 1
    # The way is there, and somebody listens: it is the relay alone who may not.
    if (side, address) != ("world", SITE) and address != CENTRE:
        assert place.knock(0, address, port, patience=8) == "through"
        assert place.taken(listener) == 1
    else:
        assert place.taken(listener) == 0


@CAMERA
def test_a_redirect_to_a_name_asks_no_resolver(place: Place) -> None:
    for resolver in ("127.0.0.53", MANAGEMENT):
        assert place.knock(RELAY_UID, resolver, 53, "udp") == "PermissionError"
    assert place.dropped("relay-elsewhere") == 2


def test_cameras_are_reached_and_readers_are_answered(place: Place) -> None:
    place.listen(place.world, CAMERA_AT, 10554)
    assert place.knock(RELAY_UID, CAMERA_AT, 10554) == "through"
    place.listen(place.relay, RELAY, 8554, RELAY_UID)
    place.listen(place.relay, "127.0.0.1", 9997, RELAY_UID)
    assert place.knock(PROBE_UID, RELAY, 8554) == "through"
    assert place.knock(0, "127.0.0.1", 9997) == "through"
    reading = [*_as(0, _KNOCK, RELAY, 8554, "tcp", 2)]
    bound = [word.replace("link.settimeout", f"link.bind(('{CENTRE}', 0)); link.settimeout") for word in reading]
    assert place.world.run(bound).stdout.strip() == "through"


@VIEWER
def test_a_picture_that_takes_the_probing_reader_over_gets_to_its_own_relay_alone(place: Place) -> None:
    for address, port in ((MANAGEMENT, 22), (CAMERA_AT, 10554), (CENTRE, 554), ("127.0.0.1", 9997)):
        place.listen(place.relay if address == "127.0.0.1" else place.world, address, port)
        assert place.knock(PROBE_UID, address, port) == "TimeoutError"
    assert place.dropped("probe-elsewhere") >= 4


@CAMERA
def test_a_connection_that_was_open_before_the_rules_does_not_live_on(place: Place) -> None:
    rules = place.relay.run(["nft", "list", "ruleset"]).stdout
    place.relay.run(["nft", "delete", "table", "inet", "provisioner"])
    tracking = "table inet t { chain c { type filter hook output priority 0; ct state new; }; }"
    place.relay.run(["nft", "-f", "-"], stdin=tracking)
    place.listen(place.world, MANAGEMENT, 22)
    program = _KNOCK.replace("link.recv(5)", "(link.recv(5), print('open', flush=True), input(), link.send(b'secret'))")
    slow = place.relay.call(
        lambda: subprocess.Popen(
            _as(RELAY_UID, program, MANAGEMENT, 22, "tcp", 2), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
    )
    assert slow.stdin is not None
    assert slow.stdout is not None
    assert slow.stdout.readline() == "open\n"
    place.relay.run(["nft", "-f", "-"], stdin=rules)
    slow.communicate("\n", timeout=60)
    assert place.dropped("relay-elsewhere") >= 1


@CAMERA
def test_a_camera_that_redirects_to_itself_is_halted_and_no_other_is(place: Place) -> None:
    """Each redirect deepens a stack in MediaMTX; a dial that fails unwinds it."""
    place.listen(place.world, CAMERA_AT, 10554)
    place.listen(place.world, SITE, 10554)
    dialled = int(place.relay.run(_as(RELAY_UID, _DIAL, CAMERA_AT, 10554, 3000)).stdout)
    assert 400 <= dialled <= 900
    # Halted means for longer than MediaMTX waits: a single packet that is sent again would go through otherwise.
    assert place.knock(RELAY_UID, CAMERA_AT, 10554, patience=4) == "TimeoutError"
    assert place.knock(RELAY_UID, SITE, 10554) == "through"
    assert place.dropped("pull-limit") == 1
    assert place.dropped("relay-halted") >= 2


@CAMERA
def test_over_the_carriers_network_cameras_are_reached_and_nothing_beside_them(place: Place) -> None:
    places = [(ROUTED, 554), (ROUTED, 80), (BESIDE, 554)]
    listeners = {at: place.listen(place.world, *at) for at in places}
    assert place.knock(RELAY_UID, ROUTED, 554) == "through"
    assert place.knock(0, ROUTED, 554) == "through"
    for uid in (RELAY_UID, PROBE_UID, 0):
        for at in places[1:]:
            assert place.knock(uid, *at) == "TimeoutError"
    assert place.knock(PROBE_UID, ROUTED, 554) == "TimeoutError"
    assert [place.taken(listeners[at]) for at in places] == [2, 0, 0]


@CAMERA
def test_a_login_for_the_tunnel_goes_by_no_other_way(place: Place) -> None:
    place.world.ip([f"address add {CAMERA_AT}/32 dev backbone"])
    listener = place.listen(place.world, CAMERA_AT, 10554)
    place.relay.ip(["route del 10.91.0.0/16", "route add 10.91.0.0/16 dev eth0"])
    assert place.knock(RELAY_UID, CAMERA_AT, 10554) == "TimeoutError"
    assert place.taken(listener) == 0


@CAMERA
def test_a_camera_of_the_carriers_network_that_redirects_to_itself_is_halted(place: Place) -> None:
    place.listen(place.world, ROUTED, 554)
    dialled = int(place.relay.run(_as(RELAY_UID, _DIAL, ROUTED, 554, 3000)).stdout)
    assert 400 <= dialled <= 900
    assert place.knock(RELAY_UID, ROUTED, 554, patience=4) == "TimeoutError"
    assert place.dropped("routed-limit") == 1
    assert place.dropped("routed-halted") >= 2
