"""What `prove` says is so by packets: every cell of its matrix is tried on real hosts, with gateways that mean harm."""

import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Network
from itertools import count
from typing import Any, Final, NamedTuple

import pytest
import yaml

from provisioner.inventory.files.edit import Flow, edited
from provisioner.inventory.model.facility import Access
from tests.hostile import GATEWAY

from .deployment import Deployment, patient
from .lab import Lab
from .topology import CENTRE, GATEWAYS, JUMP, RELAYS, Gateway, Network
from .tunnels import renew_tunnels

pytestmark = [pytest.mark.lab, pytest.mark.destructive]

_USERS: Final = {"relay": "mediamtx", "probe": "provisioner-probe", "others": "nobody", None: "root"}
_OTHER: Final = 9
_ONVIF: Final = 8000
# A host without a list of protocols' names has their numbers.
_PROTOCOLS: Final = {"tcp": "tcp", "udp": "udp", "6": "tcp", "17": "udp"}
_PORTS: Final = {"ssh": 22, "tunnel": 51820, "video": 8554, "api": 9997, "publish": 8322, "other": _OTHER}
# A packet that a hook's chains have let pass meets a chain of a later priority.
_SEEN: Final = """
table inet lab_reach
delete table inet lab_reach
table inet lab_reach {{
  set seen {{
    type ipv4_addr . ipv4_addr . inet_proto . inet_service . inet_service
    size 65535
    flags dynamic
  }}
  chain seen {{
    type filter hook {hook} priority {priority}; policy accept;
    ct state new add @seen {{ ip saddr . ip daddr . meta l4proto . th sport . th dport }}
  }}
}}
"""
_SEND: Final = """
import json, select, socket, sys, time
source, targets = json.loads(sys.argv[1])
opened = {}
for number, (address, port, protocol) in enumerate(targets):
    kind = socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM
    one = socket.socket(socket.AF_INET, kind)
    one.setblocking(False)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    one.bind(("", source))
    try:
        one.connect((address, port))
        if protocol == "udp":
            one.send(bytes(148))
    except BlockingIOError:
        pass
    except OSError:
        continue
    opened[one] = number
time.sleep(1.6)
_, writable, _ = select.select([], [one for one in opened if one.type == socket.SOCK_STREAM], [], 0)
print(json.dumps([opened[one] for one in writable if not one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)]))
"""


class Packet(NamedTuple):
    """Where a packet goes, and the host on which it has to turn up."""

    address: str
    port: int
    protocol: str
    observer: str


class Places:
    """Addresses of the lab's hosts: outer ones from Docker, inner ones from the lock."""

    def __init__(self, deployment: Deployment) -> None:
        self.lab, self._deployment = deployment.lab, deployment
        lock = yaml.safe_load((deployment.root / "allocations.lock.yml").read_text(encoding="utf-8"))
        self._lock: dict[str, Any] = lock
        self._gateways = {gateway.facility: gateway for gateway in GATEWAYS}

    def inner(self, place: str) -> str:
        kind, _, name = place.partition("/")
        return str(self._lock[f"{kind}s"][name]["tunnel_address"])

    def at_site(self, facility: str, service: str) -> list[tuple[str, int]]:
        """Where a relay finds a service of a site: at its one address, or at each device's own."""
        devices = self._gateways[facility].devices
        # The one device that is asked by ONVIF is the first, as `asked` below writes it.
        of = [(one.id, one.port) for one in devices] if service == "cameras" else [(devices[0].id, _ONVIF)]
        if self.is_routed(facility):
            own = {one.id: str(one.address.ip) for one in devices}
            every = [(address, _OTHER) for address in own.values()]
            return every if service == "other" else [(own[device], port) for device, port in of]
        site, inner = self._lock["sites"][facility], self.inner(f"site/{facility}")
        if "prefix" not in site:
            ports = {"cameras": site["ports"], "onvif": site.get("onvif_ports") or {}, "other": {"": _OTHER}}
            return [(inner, port) for port in sorted(ports[service].values())]
        prefix, numbers = IPv4Network(site["prefix"]), site["numbers"]
        if service == "other":
            return [(inner, _OTHER), *((str(prefix[number]), _OTHER) for number in numbers.values())]
        return [(str(prefix[numbers[device]]), port) for device, port in of]

    def is_routed(self, facility: str) -> bool:
        """Whether it has no tunnel, and so nothing in the lock; a site that pushes is as much without one."""
        return facility not in self._lock["sites"]

    def pushes(self, facility: str) -> bool:
        """Whether it pushes its streams, and comes to hosts as the internet does."""
        text = self._deployment.facility_file(facility).read_text(encoding="utf-8")
        return bool(yaml.safe_load(text)["plan"].get("access") == Access.PUBLISH)

    def networks(self, facility: str) -> list[str]:
        """What of a site is reached by its relay."""
        if self.is_routed(facility):
            return [f"{one.address.ip}/32" for one in self._gateways[facility].devices]
        site = self._lock["sites"][facility]
        return [f"{self.inner(f'site/{facility}')}/32", *([site["prefix"]] if "prefix" in site else [])]

    def gateway(self, place: str) -> Gateway:
        return self._gateways[place.partition("/")[2]]

    def stranger(self, target: str) -> Gateway:
        """A gateway that has nothing to do with the relay of a place: to that relay it is the internet."""
        kind, _, name = target.partition("/")
        relay = self.gateway(target).relay if kind == "site" else name
        return GATEWAYS[0] if relay == GATEWAYS[-1].relay else GATEWAYS[-1]


def sender_of(places: Places, cell: Mapping[str, Any]) -> tuple[str, str]:
    """The host and the user that send for a cell."""
    kind, _, name = cell["from"].partition("/")
    user = _USERS[cell["program"]]
    if kind == "internet":
        return places.stranger(cell["to"]).name, user
    if kind == "management":
        return JUMP.name, user
    return (places.gateway(cell["from"]).name if kind == "site" else name), user


def packets_of(places: Places, cell: Mapping[str, Any]) -> list[Packet]:
    """The packets that stand for a cell."""
    lab, service = places.lab, cell["service"]
    kind, _, name = cell["to"].partition("/")
    if kind == "internet":
        sender = sender_of(places, cell)[0]
        away = next(gateway for gateway in reversed(GATEWAYS) if gateway.name != sender)
        return _both(lab.address(away.name, Network.WAN), [_OTHER], away.name)
    if kind == "site":
        observer = places.gateway(cell["to"]).name
        found = places.at_site(name, service)
        protocols = ("tcp", "udp") if service == "other" else ("tcp",)
        return [Packet(address, port, protocol, observer) for address, port in found for protocol in protocols]
    outside = {"internet": Network.WAN, "management": Network.MGMT}.get(cell["from"].partition("/")[0])
    if cell["from"].startswith("site/") and places.pushes(cell["from"].partition("/")[2]):
        outside = Network.WAN
    address = places.inner(cell["to"]) if outside is None else str(lab.address(name, outside))
    if cell["from"] == cell["to"] and service == "api":
        address = "127.0.0.1"
    port = _PORTS[service]
    if service == "other":
        return _both(address, [port], name)
    return [Packet(address, port, "udp" if service == "tunnel" else "tcp", name)]


def _both(address: object, ports: Sequence[int], observer: str) -> list[Packet]:
    return [Packet(str(address), port, protocol, observer) for port in ports for protocol in ("tcp", "udp")]


def routes_of(lab: Lab, places: Places, gateway: Gateway) -> list[tuple[str, str, list[str]]]:
    """What has to be routed so that packets of a site, and packets to it, get to its relay: host, network, the way."""
    (relay,) = [r.name for r in RELAYS if r.name == gateway.relay]
    wan, management = (["via", str(lab.address(relay, network))] for network in (Network.WAN, Network.MGMT))
    own, tunnel = places.networks(gateway.facility), ["dev", "wg-prov"]
    if places.is_routed(gateway.facility):
        tunnel = wan
    outside = next(other for other in reversed(GATEWAYS) if other is not gateway)
    beside = [other for other in GATEWAYS if other.relay == gateway.relay and other is not gateway]
    return [
        *((places.stranger(f"site/{gateway.facility}").name, network, wan) for network in own),
        *((JUMP.name, network, management) for network in own),
        (gateway.name, f"{places.inner(f'centre/{CENTRE.name}')}/32", tunnel),
        *((gateway.name, network, tunnel) for other in beside for network in places.networks(other.facility)),
        # Somebody outside, by the tunnel.
        *([] if tunnel is wan else [(gateway.name, f"{lab.address(outside.name, Network.WAN)}/32", tunnel)]),
        *([(gateway.name, f"{places.inner(f'relay/{relay}')}/32", wan)] if tunnel is wan else []),
    ]


def _take_anything(lab: Lab, gateway: Gateway) -> None:
    """Let a gateway send and take anything by its tunnel, where it has one."""
    for key in lab.exec(gateway.name, ["wg", "show", "wg-prov", "peers"], check=False).stdout.split():
        lab.exec(gateway.name, ["wg", "set", "wg-prov", "peer", key, "allowed-ips", "0.0.0.0/0"])


@contextmanager
def harmful(lab: Lab, places: Places) -> Iterator[None]:
    """Gateways that send anything to their relay by its tunnel, relays that forward, and watches on all hosts."""
    managed = [*(relay.name for relay in RELAYS), CENTRE.name]
    routes = [route for gateway in GATEWAYS for route in routes_of(lab, places, gateway)]
    added = []
    for host in managed:
        lab.exec(host, ["nft", "-f", "-"], stdin=_SEEN.format(hook="input", priority=100))
    for relay in RELAYS:
        lab.exec(relay.name, ["sh", "-c", "mount -o remount,rw /proc/sys && sysctl -qw net.ipv4.ip_forward=1"])
    for gateway in GATEWAYS:
        lab.exec(gateway.name, ["nft", "-f", "-"], stdin=_SEEN.format(hook="prerouting", priority=-150))
        _take_anything(lab, gateway)
    for host, to, by in routes:
        if lab.exec(host, ["ip", "route", "add", to, *by], check=False).returncode == 0:
            added.append((host, [to, *by]))
    try:
        yield
    finally:
        for host, words in added:
            lab.exec(host, ["ip", "route", "del", *words], check=False)
        for gateway in GATEWAYS:
            lab.exec(gateway.name, ["systemctl", "reload", "provisioner-site"], check=False)
        for relay in RELAYS:
            lab.exec(relay.name, ["sysctl", "-qw", "net.ipv4.ip_forward=0"], check=False)
        for host in (*managed, *(gateway.name for gateway in GATEWAYS)):
            lab.exec(host, ["nft", "delete", "table", "inet", "lab_reach"], check=False)


def seen_at(lab: Lab, host: str, source_port: int) -> set[tuple[str, str, int]]:
    """What has turned up on a host from a port of a sender: address, protocol, port."""
    listed = json.loads(lab.exec(host, ["nft", "-j", "list", "set", "inet", "lab_reach", "seen"]).stdout)
    (of,) = [one["set"] for one in listed["nftables"] if "set" in one]
    rows = [element["concat"] for element in of.get("elem", [])]
    return {(to, _PROTOCOLS[str(protocol)], port) for _, to, protocol, by, port in rows if by == source_port}


def tried(deployment: Deployment, cells: Sequence[Mapping[str, Any]]) -> list[str]:
    """Send what stands for every cell, and return the cells of which `prove` and the packets say otherwise."""
    lab, places = deployment.lab, Places(deployment)
    rounds: dict[tuple[str, str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for cell in cells:
        rounds[*sender_of(places, cell), cell["from"]].append(cell)
    ports = count(45000)
    wrong: list[str] = []
    renew_tunnels(lab)
    with harmful(lab, places):
        for (host, user, _), of in rounds.items():
            wrong += _sent(lab, places, (host, user), of, next(ports))
    return wrong


def _sent(
    lab: Lab, places: Places, sender: tuple[str, str], cells: Sequence[Mapping[str, Any]], source: int
) -> Iterator[str]:
    """The cells of one sender of which packets say otherwise."""
    host, user = sender
    packets = [packets_of(places, cell) for cell in cells]
    targets = sorted({(p.address, p.port, p.protocol) for each in packets for p in each})
    words = ["runuser", "-u", user, "--", "python3", "-I", "-c", _SEND, json.dumps([source, targets])]
    connected = {targets[n] for n in json.loads(lab.exec(host, words).stdout)}
    seen = {observer: seen_at(lab, observer, source) for observer in {p.observer for each in packets for p in each}}
    for cell, each in zip(cells, packets, strict=True):
        come = {(p.address, p.protocol, p.port) in seen[p.observer] for p in each}
        by_packets = "part" if len(come) > 1 else "yes" if come == {True} else "no"
        if by_packets != cell["reaches"]:
            said = f"{cell['reaches']} by {cell['by']}"
            yield f"{cell['from']} ({user} on {host}) to {cell['to']}, {cell['service']}: {by_packets}, not {said}"
        elif cell["service"] == "cameras" and by_packets == "yes" and not {p[:3] for p in each} <= connected:
            yield f"{cell['from']} ({user} on {host}) to {cell['to']}, cameras: they answer nobody"


def proved(deployment: Deployment, sources: Sequence[str], targets: Sequence[str]) -> list[dict[str, Any]]:
    """The cells between places, each site for itself."""
    words = [w for place in sources for w in ("--from", place)] + [w for place in targets for w in ("--to", place)]
    return list(deployment.document("prove", *words)["cells"])


SITES: Final = tuple(f"site/{gateway.facility}" for gateway in GATEWAYS)


@GATEWAY
def test_a_gateway_that_means_harm_reaches_its_relays_tunnel_and_nothing_else(deployment: Deployment) -> None:
    cells = proved(deployment, SITES, ["internet", "relays", "centres", *SITES])
    assert {cell["service"] for cell in cells if cell["reaches"] != "no"} == {"tunnel"}
    assert tried(deployment, cells) == []


@pytest.fixture
def asked(deployment: Deployment) -> Iterator[Deployment]:
    """The deployment with a device of every site that is asked about itself, so that each service is there."""
    for gateway in GATEWAYS:
        file, device = deployment.facility_file(gateway.facility), gateway.devices[0]
        place = ("recorders" if device.is_recorder else "cameras", 0, "onvif")
        file.write_bytes(edited(file.read_bytes(), {place: Flow(port=_ONVIF)}))
    deployment.run("allocate")
    deployment.run("apply", "--yes", *patient(60))
    yield deployment
    deployment.git("reset", "--quiet", "--hard")
    deployment.run("apply", "--yes", *patient(60))


@pytest.mark.soak
def test_every_cell_is_so_by_packets(asked: Deployment) -> None:
    everybody = ["internet", "management", "centres", "relays", *SITES]
    cells = proved(asked, everybody, ["internet", "centres", "relays", *SITES])
    assert len(cells) >= 200, len(cells)
    wrong = tried(asked, cells)
    assert wrong == []
    reached = sum(cell["reaches"] == "yes" for cell in cells)
    sys.stderr.write(f"reachability: {len(cells)} cells tried with packets, {reached} reached, all as predicted\n")
