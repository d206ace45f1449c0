"""What a machine says of its way out, of who has ports, and of the sets of its firewall."""

import json
import os
import pwd
import subprocess
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.base.errors import HostError
from provisioner.hosts.facts import ElementSet, SetElement, device_value, element_of, parse_facts
from provisioner_host.observe.machine import Socket, sockets_in
from tests.hostile import RELAY
from tests.unit.verify.world import facts

BARE = facts(relay=False)
PORT = {"protocol": "tcp", "port": 9997, "user": "x"}
PLAYBOOKS = Path(__file__).parents[3] / "playbooks"
_ASK = """
import json, socket, sys
sys.path.insert(0, sys.argv[1])
from provisioner_host.observe import machine
held = []
for word in sys.argv[2:]:
    kind, address, port = word.split(",")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    one = socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
    one.bind((address, int(port)))
    if kind == "tcp":
        one.listen()
    held.append(one)
wanted = {"tcp": [8554, 9997], "udp": [51820], "led": [53, 443]}
print(json.dumps([machine.default_route(), machine.taken(wanted)]))
"""


def told(*sockets: str, links: tuple[str, ...] = ()) -> Any:
    """What is said of a namespace with these links, in which a program has these sockets."""
    script = ["ip link set lo up", *links, 'exec /usr/bin/python3 -I -c "$@"']
    apart = "-n" if os.geteuid() == 0 else "-rn"
    argv = ["unshare", apart, "sh", "-ec", "\n".join(script), "sh", _ASK, str(PLAYBOOKS), *sockets]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
    return json.loads(done.stdout)


def test_the_way_out_is_that_of_the_default_route_and_as_large_as_its_smallest_part() -> None:
    small = "ip link set lo mtu 1400"
    assert told()[0] is None
    assert told(links=(small, "ip route add default dev lo"))[0] == {"device": "lo", "mtu": 1400}
    assert told(links=(small, "ip route add default dev lo mtu 1300"))[0] == {"device": "lo", "mtu": 1300}


def test_a_port_is_taken_where_a_program_waits_on_it_so_that_ours_could_not() -> None:
    user = pwd.getpwuid(os.geteuid()).pw_name if os.geteuid() == 0 else "root"
    taken = told("tcp,0.0.0.0,8554", "tcp,127.0.0.1,9997", "udp,::,51820", "tcp,0.0.0.0,9998", "udp,0.0.0.0,8554")[1]
    assert taken == [
        {"protocol": "tcp", "port": 8554, "user": user},
        {"protocol": "tcp", "port": 9997, "user": user},
        {"protocol": "udp", "port": 51820, "user": user},
    ]
    led = told("udp,0.0.0.0,443", "udp,127.0.0.53,53", "udp,::1,53")[1]
    assert led == [{"protocol": "udp", "port": 443, "user": user}], "a resolver of the machine's own is in nobody's way"
    # On another address nobody is in the way.
    assert told("tcp,127.0.0.2,8554")[1] == []


def test_a_line_that_is_none_is_no_socket() -> None:
    head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"
    good = "   0: 0100007F:270D 00000000:0000 0A 00000000:00000000 00:00000000 00000000   998        0 1 1"
    text = "\n".join([head, good, "", "x", good.replace("270D", "zzzz"), good.replace(" 0A ", " 01 ")])
    assert list(sockets_in(text, "0A")) == [Socket("0100007F", 9997, 998)]


@pytest.mark.parametrize(
    ("answer", "mtu", "taken"),
    [
        ({}, 0, 0),
        ({"way_out": None, "ports_taken": []}, 0, 0),
        ({"way_out": {"device": "eth0\u001b[2J", "mtu": 1500}}, 1500, 0),
        ({"ports_taken": [PORT] * 100}, 0, 20),
    ],
)
def test_what_a_host_says_of_them_is_bounded(answer: dict[str, Any], mtu: int, taken: int) -> None:
    said = parse_facts("edge-1", BARE | answer).surroundings
    assert said.taken == (PORT,) * taken
    assert said.mtu == mtu
    assert said.device.isprintable()


@pytest.mark.parametrize(
    "answer", [{"way_out": {"device": 1, "mtu": 1}}, {"way_out": {"device": "a", "mtu": -1}}, {"ports_taken": {}}]
)
def test_what_cannot_be_so_is_that_host_s_error(answer: dict[str, Any]) -> None:
    with pytest.raises(HostError):
        parse_facts("edge-1", BARE | answer)


@given(st.sampled_from(ElementSet), st.ip_addresses(v=4), st.integers(1, 65535))
def test_a_device_is_read_from_the_name_that_it_gives(of: ElementSet, address: IPv4Address, port: int) -> None:
    element = SetElement(of, device_value(address, port))
    assert element_of(element.name) == element
    assert element.device == (str(address), port)


@pytest.mark.parametrize("value", ["10.91.0.1", "10.0.0.0/8", "2001:db8::1"])
def test_what_is_no_device_is_an_element_all_the_same(value: str) -> None:
    element = element_of(f"element management {value}")
    assert element == SetElement(ElementSet.MANAGEMENT, value)
    assert element.device is None


@RELAY
@pytest.mark.parametrize(
    "name",
    [
        *("", "element", "element cameras", "element cameras ", "element foreign 10.0.0.1", "set cameras"),
        "xelement cameras 1",
    ],
)
def test_a_name_of_something_else_is_no_element(name: str) -> None:
    assert element_of(name) is None


@RELAY
@pytest.mark.parametrize("value", ["10.0.0.1 . 1\n", "10.0.0.1 . 1234567", "a . 1", "10.0.0.1 . -1", "10.0.0.1.1"])
def test_a_value_of_a_host_that_is_no_device_is_taken_for_none(value: str) -> None:
    element = element_of(f"element cameras {value}")
    assert element is None or element.device is None
