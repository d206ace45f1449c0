"""What machines themselves have against a plan: told with a code, a place in the inventory's files, and a hint."""

from provisioner.hosts.facts import Condition
from provisioner.plan.guards.reachability import CONDITIONS
from tests.unit.cli.test_plan import RELAY, Terminal, call

__all__ = ["call"]


def test_what_a_machine_has_against_a_change_has_a_code_a_place_and_a_hint(call: Terminal) -> None:
    host = call.hosts.hosts[RELAY]
    host.clock_off_s = 90.0
    host.routes_elsewhere = [
        {"network": network, "device": "eth1"} for network in ("10.91.3.0/24", "10.90.0.7/32", "what it likes")
    ]
    host.way_out = {"device": "ppp0", "mtu": 1439}
    host.ports_taken = [
        {"protocol": "udp", "port": 51820, "user": "root"},
        {"protocol": "tcp", "port": 9997, "user": "someone"},
    ]
    call.hosts.hosts["relay-vnpt-1"].way_out = {"device": "eth0", "mtu": 1440}
    call.hosts.hosts["centre-hn"].way_out = {"device": "eth0", "mtu": 0}
    code, document = call.document("plan", "--exit-code")
    assert (code, document["changes"]) == (0, [])
    told = [(one["code"], one["file"].rpartition("example/")[2], one["line"]) for one in document["warnings"]]
    block = ("carriers/viettel.yml", line_of(call, "carriers/viettel.yml", "id: relay-viettel-1"))
    pools = [
        ("inventory.yml", line_of(call, "inventory.yml", text)) for text in ("viettel: 10.91.0.0/16", "centres: 10.90")
    ]
    assert told == [
        ("host-clock-off", *block),
        ("pool-routed-elsewhere", *pools[0]),
        ("pool-routed-elsewhere", *pools[1]),
        ("pool-routed-elsewhere", *block),
        ("host-mtu-small", *block),
        ("host-port-taken", *block),
        ("host-port-taken", *block),
    ]
    assert all(one["hint"] and one["object"] == f"host/{RELAY}" for one in document["warnings"])
    assert document["warnings"][4]["message"] == (
        f"{RELAY} sends packets of 1439 bytes at most by ppp0, and those of the tunnel take 1440: large ones would not"
        " arrive, and pictures stand still"
    )
    out = call("plan")[1]
    assert f"(inventories/example/{pools[0][0]}:{pools[0][1]}:" in out
    assert "port 9997/tcp, which is to be ours there, is taken by a program of the user someone" in out
    assert "host-mtu-small" not in out
    assert "port 51820/udp" in call("--output", "markdown", "plan")[1]


def test_a_program_at_a_further_port_of_the_tunnel_is_named_with_where_that_port_stands(call: Terminal) -> None:
    call.edit(
        "carriers/viettel.yml", "address: 203.0.113.11", "further_wireguard_ports: [53]\n    address: 203.0.113.11"
    )
    call.hosts.hosts[RELAY].ports_taken = [{"protocol": "udp", "port": 53, "user": "dnsmasq"}]
    document = call.document("plan")[1]
    (told,) = [one for one in document["warnings"] if one["code"] == "host-port-taken"]
    assert told["line"] == line_of(call, "carriers/viettel.yml", "further_wireguard_ports")
    assert "that program would get no packets any more" in told["hint"]


def test_every_condition_of_a_host_has_a_code_of_its_own() -> None:
    # A relay's own health and who was added to it are findings of a verification, and never of a host's facts.
    of_verify = {Condition.RELAY_RESTARTS, Condition.RELAY_STRAINED, Condition.FOREIGN_ACCESS}
    assert set(CONDITIONS) == set(Condition) - of_verify
    assert len({code for code, _ in CONDITIONS.values()}) == len(CONDITIONS)


def line_of(call: Terminal, file: str, text: str) -> int:
    """The line of an inventory's file in which a text stands."""
    lines = call.file(file).read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)
