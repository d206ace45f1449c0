"""A relay's second tunnel: made, ended, brought back; which key lies where; and who is called."""

import hashlib
import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from provisioner_host.machine import files, paths
from provisioner_host.machine.shell import Failed
from provisioner_host.tunnel import endpoints, interface, key_change, second_tunnel, tunnel
from provisioner_host.tunnel.second_tunnel import FollowingKey

OWN, NEXT = "the own private key", "the next private key"
SITE, OTHER = "S" * 43 + "=", "O" * 43 + "="
PLACES = {SITE: "203.0.113.7:40000", OTHER: "203.0.113.8:40000"}
FIRST_PORT, SECOND_PORT = 51820, 51999
_CONF = """# Managed by provisioner. Edits are overwritten.
[Interface]
ListenPort = {port}

# site/kcl-bg-001
[Peer]
PublicKey = {site}
AllowedIPs = 10.91.0.2/32, 10.99.1.0/24
PersistentKeepalive = off

# site/kcl-bg-002
[Peer]
PublicKey = {other}
AllowedIPs = 10.91.0.4/32
PersistentKeepalive = off
"""


def public(private_key: str) -> str:
    """A public half of the form of one, by the private half."""
    return hashlib.sha256(private_key.strip().encode()).hexdigest()[:43] + "="


@dataclass
class Interface:
    """A WireGuard interface."""

    key: str = ""
    port: int = 0
    peers: list[str] = field(default_factory=list)
    seen: dict[str, int] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    called: list[str] = field(default_factory=list)
    routes: set[str] = field(default_factory=set)
    address: str = ""


@dataclass
class Machine:
    """`ip` and `wg` of a host whose kernel has WireGuard; two interfaces cannot have one port."""

    interfaces: dict[str, Interface] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)

    def run(self, argv: Sequence[str], *, stdin: str = "", check: bool = True, **_: Any) -> Any:
        self.ran.append(" ".join(argv))
        done = self._wg if argv[0] == "wg" else self._ip
        out, code = done(list(argv), stdin)
        if code and check:
            raise Failed(f"{argv[0]}: {out}")
        return subprocess.CompletedProcess(list(argv), code, out, "")

    def _wg(self, argv: list[str], stdin: str) -> tuple[str, int]:
        match argv:
            case ["wg", "pubkey"]:
                return public(stdin) + "\n", 0
            case ["wg", "syncconf", name, path]:
                return self._sync(name, Path(path).read_text())
            case ["wg", "setconf", name, path]:
                self.interfaces[name].seen, self.interfaces[name].places = {}, {}
                return self._sync(name, Path(path).read_text())
            case ["wg", "show", name, what]:
                return self._show(name, what)
        raise AssertionError(argv)

    def _ip(self, argv: list[str], stdin: str) -> tuple[str, int]:
        match argv:
            case ["ip", "link", "add", name, *_]:
                self.interfaces[name] = Interface()
            case ["ip", "link", "del", name]:
                del self.interfaces[name]
            case ["ip", "-batch", "-"]:
                for line in stdin.splitlines():
                    self._batch(line.split())
            case ["ip", "-j", "address", "show", "dev", name]:
                if name not in self.interfaces:
                    return "", 1
                local, _, length = self.interfaces[name].address.partition("/")
                held = [{"local": local, "prefixlen": int(length), "family": "inet"}] if local else []
                return json.dumps([{"addr_info": held, "mtu": 1380}]), 0
            case ["ip", "-j", "route", "show", "dev", name]:
                routes = self.interfaces[name].routes if name in self.interfaces else set()
                return json.dumps([{"dst": one} for one in sorted(routes)]), 0
            case _:
                raise AssertionError(argv)
        return "", 0

    def _batch(self, words: list[str]) -> None:
        match words:
            case ["address", "replace", address, "dev", name]:
                self.interfaces[name].address = address
            case ["route", "replace", network, "dev", name, *_]:
                self.interfaces[name].routes.add(network)
            case ["route", "del", network, "dev", name]:
                self.interfaces[name].routes.remove(network)

    def _sync(self, name: str, text: str) -> tuple[str, int]:
        own, key = self.interfaces[name], ""
        values = dict(line.split(" = ", 1) for line in text.partition("[Peer]")[0].splitlines() if " = " in line)
        # Without one WireGuard takes any that is free, also where it has one.
        port = int(values["ListenPort"]) if "ListenPort" in values else max(40000, own.port + 1)
        if any(other.port == port for at, other in self.interfaces.items() if at != name):
            return "Address already in use", 1
        own.key, own.port, own.peers, own.called = values["PrivateKey"], port, [], []
        for line in text.splitlines():
            word, _, value = line.partition(" = ")
            if line == "[Peer]":
                key = ""
            elif word == "PublicKey":
                key = value
                own.peers.append(key)
            elif word == "Endpoint":
                own.places[text.split(line)[1].split("PublicKey = ")[1].split("\n", maxsplit=1)[0]] = value
            elif word == "PersistentKeepalive" and value != "off" and key in own.places:
                own.called.append(key)
                self.calls.append((name, key, own.places[key]))
        return "", 0

    calls: list[tuple[str, str, str]] = field(default_factory=list)

    def _show(self, name: str, what: str) -> tuple[str, int]:
        if name not in self.interfaces:
            return "", 1
        own = self.interfaces[name]
        if what == "public-key":
            return (public(own.key) if own.key else "(none)") + "\n", 0
        if what == "listen-port":
            return f"{own.port}\n", 0
        if what == "latest-handshakes":
            return "".join(f"{key}\t{own.seen.get(key, 0)}\n" for key in own.peers), 0
        if what == "endpoints":
            return "".join(f"{key}\t{own.places.get(key, '(none)')}\n" for key in own.peers), 0
        lines = [f"private\t{public(own.key)}\t{own.port}\toff"]
        lines += [
            f"{key}\tpsk\t{own.places.get(key, '(none)')}\t10.91.0.2/32\t{own.seen.get(key, 0)}\t{own.port}\t2\toff"
            for key in own.peers
        ]
        return "\n".join(lines) + "\n", 0


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A relay that changes nothing, whose two sites were heard."""
    machine = Machine()
    for module in (interface, tunnel, second_tunnel, key_change):
        monkeypatch.setattr(module, "run", machine.run)
    monkeypatch.setattr(interface, "exists", lambda name: name in machine.interfaces)
    monkeypatch.setattr(files, "write", lambda path, content, **_: path.write_bytes(content))
    for name in ("WG_FILE", "PSK_FILE", "TUNNEL_FILE", "WG_KEY", "WG_KEY_NEXT", "WG_KEY_FORMER", "ENDPOINTS"):
        monkeypatch.setattr(paths, name, tmp_path / name.lower())
    monkeypatch.setattr(paths, "RUN", tmp_path)
    paths.WG_KEY.write_text(OWN)
    paths.PSK_FILE.write_text(f"{SITE} a\n{OTHER} b\n")
    install(FIRST_PORT)
    tunnel.up()
    heard(machine, "wg-prov", SITE, 100)
    heard(machine, "wg-prov", OTHER, 100)
    machine.calls.clear()
    return machine


def install(port: int, following: FollowingKey | None = None) -> None:
    """Write the tunnel's files as an apply does."""
    link: dict[str, Any] = {"address": "10.91.0.1/32", "routes": ["10.91.0.0/16"], "mtu": 1380}
    if following:
        link["following"] = {"public_key": following.public_key, "port": following.port}
    paths.TUNNEL_FILE.write_text(json.dumps(link))
    paths.WG_FILE.write_text(_CONF.format(port=port, site=SITE, other=OTHER))


def heard(machine: Machine, name: str, key: str, at: int) -> None:
    """A gateway speaks."""
    machine.interfaces[name].seen[key] = at
    machine.interfaces[name].places[key] = PLACES[key]


FOLLOWING = FollowingKey(public(NEXT), SECOND_PORT)


def begin(machine: Machine) -> None:
    """Let the relay answer with both."""
    paths.WG_KEY_NEXT.write_text(NEXT)
    install(FIRST_PORT, FOLLOWING)
    tunnel.up()
    assert {name: (own.key, own.port) for name, own in machine.interfaces.items()} == {
        "wg-prov": (OWN, FIRST_PORT),
        "wg-prov-next": (NEXT, SECOND_PORT),
    }


def finish(machine: Machine) -> None:
    """Let the next key be the only one, as an apply does."""
    before = second_tunnel.installed()
    install(SECOND_PORT)
    second_tunnel.take_over(before, paths.WG_FILE.read_text())
    tunnel.up()
    assert {name: (own.key, own.port) for name, own in machine.interfaces.items()} == {"wg-prov": (NEXT, SECOND_PORT)}


def test_the_second_tunnel_is_as_the_first_one_but_for_key_and_port_and_nobody_is_called(machine: Machine) -> None:
    begin(machine)
    first, second = machine.interfaces["wg-prov"], machine.interfaces["wg-prov-next"]
    assert (first.peers, first.address) == (second.peers, second.address)
    assert (first.routes, second.routes) == ({"10.91.0.0/16"}, set())
    assert first.seen == {SITE: 100, OTHER: 100}, "nobody is cut"
    assert machine.calls == []
    live = tunnel.live("key")
    assert live is not None
    assert live["following"] | {"mtu": 0} == {
        "public_key": FOLLOWING.public_key,
        "listen_port": SECOND_PORT,
        "addresses": ["10.91.0.1/32"],
        "mtu": 0,
        "alike": True,
        "moved": {},
    }
    second_tunnel.refuse_unlike(frozenset({SITE, OTHER}))
    with pytest.raises(Failed, match="the peers of wg-prov-next differ"):
        second_tunnel.refuse_unlike(frozenset({SITE}))


def test_who_speaks_there_is_reached_there_and_goes_back_with_whoever_goes_back(machine: Machine) -> None:
    begin(machine)
    assert second_tunnel.move() == []
    heard(machine, "wg-prov-next", SITE, 101)
    assert second_tunnel.move() == ["site/kcl-bg-001"]
    assert machine.interfaces["wg-prov-next"].routes == {"10.91.0.2/32", "10.99.1.0/24"}
    before = tunnel.configuration(tunnel.live("key"))
    live = tunnel.live("key")
    assert live is not None
    assert (live["peers"][SITE]["handshake"], live["following"]["moved"]) == (101, {SITE: 101})
    assert live["peers"][SITE]["received_bytes"] == SECOND_PORT, "what is counted is where it is"
    assert second_tunnel.move() == [], "once is enough"
    tunnel.up()
    assert machine.interfaces["wg-prov-next"].routes == {"10.91.0.2/32", "10.99.1.0/24"}, "an apply moves nobody"
    heard(machine, "wg-prov", SITE, 130)
    assert second_tunnel.move() == ["site/kcl-bg-001"]
    assert machine.interfaces["wg-prov-next"].routes == set()
    assert tunnel.configuration(tunnel.live("key")) == before, "where a gateway is, is no configuration"


def test_the_watch_moves_whoever_speaks_there_and_says_so(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provisioner_host.tunnel.tunnel.time.sleep", lambda _: None)
    looks = tunnel.moves()
    assert next(looks) == []
    begin(machine)
    heard(machine, "wg-prov-next", SITE, 101)
    words = "this relay changes its own key, and it is reached where it spoke last"
    assert next(looks) == [f"site/kcl-bg-001: {words}"]
    assert machine.interfaces["wg-prov-next"].routes == {"10.91.0.2/32", "10.99.1.0/24"}
    assert next(looks) == []


def test_at_the_end_the_first_tunnel_takes_key_port_and_places_and_calls_everybody(machine: Machine) -> None:
    begin(machine)
    machine.interfaces["wg-prov-next"].seen[SITE] = 101
    machine.interfaces["wg-prov-next"].places[SITE] = "203.0.113.99:1"
    finish(machine)
    assert machine.calls == [("wg-prov", SITE, "203.0.113.99:1"), ("wg-prov", OTHER, PLACES[OTHER])]
    assert machine.interfaces["wg-prov"].called == [], "the keepalive was for the call alone"
    assert (paths.WG_KEY.read_text(), paths.WG_KEY_FORMER.read_text()) == (NEXT, OWN)
    second_tunnel.refuse_unlike(frozenset({SITE, OTHER}))
    assert second_tunnel.forget_keys(FOLLOWING)
    assert not paths.WG_KEY_NEXT.exists()
    assert not paths.WG_KEY_FORMER.exists()
    assert paths.WG_KEY.read_text() == NEXT
    machine.calls.clear()
    tunnel.up()
    assert machine.calls == [], "what is as it was is called by nobody"


def test_the_first_tunnel_takes_the_port_once_the_program_of_the_second_one_has_let_go_of_it(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    begin(machine)
    sockets = tmp_path / "udp"
    monkeypatch.setattr(interface, "_SOCKETS", (tmp_path / "none", sockets))
    lines = [
        "  sl  local_address rem_address",
        f"  1: 00000000:{SECOND_PORT:04X} 00000000:0000 07",
        "  2: 0:0035 0:0 07",
    ]
    sockets.write_text("\n".join(lines))
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        assert "wg-prov-next" not in machine.interfaces
        assert machine.interfaces["wg-prov"].port == FIRST_PORT
        waited.append(seconds)
        if len(waited) == 3:
            sockets.write_text("\n".join([lines[0], lines[2]]))

    monkeypatch.setattr("provisioner_host.tunnel.interface.time.sleep", sleep)
    finish(machine)
    assert len(waited) == 3


def test_a_return_from_the_end_brings_both_tunnels_back_and_calls_those_who_had_moved(machine: Machine) -> None:
    begin(machine)
    heard(machine, "wg-prov-next", SITE, 101)
    finish(machine)
    heard(machine, "wg-prov", SITE, 140)  # the other one was left, and does not know the next key
    machine.calls.clear()
    machine.ran.clear()
    install(FIRST_PORT, FOLLOWING)  # the files go back first
    second_tunnel.give_back()
    assert (paths.WG_KEY.read_text(), paths.WG_KEY_NEXT.read_text()) == (OWN, NEXT)
    assert not paths.WG_KEY_FORMER.exists()
    tunnel.up()
    assert {name: (own.key, own.port) for name, own in machine.interfaces.items()} == {
        "wg-prov": (OWN, FIRST_PORT),
        "wg-prov-next": (NEXT, SECOND_PORT),
    }
    assert ("wg-prov-next", SITE, PLACES[SITE]) in machine.calls
    assert ("wg-prov", OTHER, PLACES[OTHER]) in machine.calls
    second_tunnel.give_back()
    assert paths.WG_KEY.read_text() == OWN, "once is enough"


def test_in_a_return_nobody_waits_for_a_new_tunnel_and_the_next_look_leads_to_who_had_moved(machine: Machine) -> None:
    begin(machine)
    heard(machine, "wg-prov-next", SITE, 101)
    finish(machine)
    heard(machine, "wg-prov", SITE, 140)
    install(FIRST_PORT, FOLLOWING)
    second_tunnel.give_back()
    machine.ran.clear()
    tunnel.up()
    first, called = (_place_of(machine, words) for words in ("wg setconf wg-prov ", "wg syncconf wg-prov-next "))
    assert _place_of(machine, "ip link add wg-prov-next ") < first < called, "made while the first one still serves"
    assert machine.interfaces["wg-prov"].seen == {}, "what was heard with the next key is no word for the former one"
    assert second_tunnel.move() == []
    heard(machine, "wg-prov-next", SITE, 141)
    assert second_tunnel.move() == ["site/kcl-bg-001"]
    assert machine.interfaces["wg-prov-next"].routes == {"10.91.0.2/32", "10.99.1.0/24"}
    heard(machine, "wg-prov", SITE, 171)
    assert second_tunnel.move() == ["site/kcl-bg-001"]
    assert machine.interfaces["wg-prov-next"].routes == set()


def _place_of(machine: Machine, words: str) -> int:
    return next(at for at, ran in enumerate(machine.ran) if ran.startswith(words))


@pytest.mark.parametrize("written", ["nothing", "former"])
def test_keys_that_were_taken_over_by_half_go_back_and_forth(machine: Machine, written: str) -> None:
    begin(machine)
    if written == "former":
        paths.WG_KEY_FORMER.write_text(OWN)
    second_tunnel.give_back()
    assert (paths.WG_KEY.read_text(), paths.WG_KEY_NEXT.read_text()) == (OWN, NEXT)
    finish(machine)


def test_a_change_that_is_taken_back_leaves_one_tunnel_and_one_key(machine: Machine) -> None:
    begin(machine)
    before = second_tunnel.installed()
    install(FIRST_PORT)
    second_tunnel.take_over(before, paths.WG_FILE.read_text())
    tunnel.up()
    assert list(machine.interfaces) == ["wg-prov"]
    assert machine.interfaces["wg-prov"].seen == {SITE: 100, OTHER: 100}
    assert not second_tunnel.forget_keys(before)
    assert (paths.WG_KEY.read_text(), paths.WG_KEY_NEXT.exists()) == (OWN, False)


def test_another_confirmation_forgets_no_key_that_is_to_follow(machine: Machine) -> None:
    paths.WG_KEY_NEXT.write_text(NEXT)
    assert not second_tunnel.forget_keys(None)
    begin(machine)
    assert not second_tunnel.forget_keys(FOLLOWING)
    assert paths.WG_KEY_NEXT.read_text() == NEXT


def test_a_file_whose_next_key_is_not_here_is_refused_before_anything_is_touched(machine: Machine) -> None:
    install(FIRST_PORT, FOLLOWING)
    for text in (None, "another private key"):
        if text:
            paths.WG_KEY_NEXT.write_text(text)
        with pytest.raises(Failed, match="not the one that the inventory has"):
            second_tunnel.refuse_keys(paths.TUNNEL_FILE)
    assert list(machine.interfaces) == ["wg-prov"]
    paths.WG_KEY_NEXT.write_text(NEXT)
    second_tunnel.refuse_keys(paths.TUNNEL_FILE)


def test_a_kept_state_of_another_step_is_not_returned_to(machine: Machine, tmp_path: Path) -> None:
    former = tmp_path / "of-before"
    former.write_text(paths.TUNNEL_FILE.read_text())
    second_tunnel.refuse_other_state(former)
    begin(machine)
    with pytest.raises(Failed, match="at another step of its change"):
        second_tunnel.refuse_other_state(former)
    with pytest.raises(Failed, match="at another step of its change"):
        second_tunnel.refuse_other_state(None)


def test_a_tunnel_whose_file_names_no_port_keeps_the_one_that_it_has(machine: Machine) -> None:
    tunnel.down()
    text = _CONF.format(port=FIRST_PORT, site=SITE, other=OTHER).replace(f"ListenPort = {FIRST_PORT}\n", "")
    paths.WG_FILE.write_text(text)
    tunnel.up()
    port = machine.interfaces["wg-prov"].port
    assert port >= 40000
    for another in (text, text.replace("10.91.0.4/32", "10.91.0.5/32")):
        paths.WG_FILE.write_text(another)
        tunnel.up()
        assert machine.interfaces["wg-prov"].port == port, "who sends to it is heard on"


def test_down_takes_both_and_at_boot_both_come_in_the_unit(machine: Machine) -> None:
    begin(machine)
    tunnel.down()
    assert machine.interfaces == {}
    tunnel.up(in_unit=True)
    assert list(machine.interfaces) == ["wg-prov", "wg-prov-next"]
    assert endpoints.live() == {SITE: "", OTHER: ""}


def test_a_program_in_user_space_gets_a_unit_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[str]] = []

    def run(argv: Sequence[str], **_: Any) -> Any:
        ran.append(list(argv))
        return subprocess.CompletedProcess(list(argv), 1 if argv[0] == "ip" else 0, "", "")

    monkeypatch.setattr(interface, "run", run)
    interface.make("wg-prov-next", unit="provisioner-wg-next")
    interface.make("wg-prov-next")
    assert ran[1][:2] == ["systemd-run", "--quiet"]
    assert ran[1][-3:] == ["--unit=provisioner-wg-next", "wireguard-go", "wg-prov-next"]
    assert ran[3] == ["wireguard-go", "wg-prov-next"]


PLAYBOOKS = Path(__file__).parents[3] / "playbooks"
_ASK = """
import json, sys
sys.path.insert(0, sys.argv[1])
from provisioner_host.tunnel import tunnel
print(json.dumps(tunnel.routes_elsewhere(sys.argv[2:])))
"""


def elsewhere(routes: list[str], networks: list[str]) -> list[list[str]]:
    """What is said of a namespace with these routes by the loopback interface."""
    script = ["ip link set lo up", *(f"ip route add {route} dev lo" for route in routes)]
    script.append('exec /usr/bin/python3 -I -c "$@"')
    apart = "-n" if os.geteuid() == 0 else "-rn"
    argv = ["unshare", apart, "sh", "-ec", "\n".join(script), "sh", _ASK, str(PLAYBOOKS), *networks]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True)
    return [[route["network"], route["device"]] for route in json.loads(done.stdout)]


def test_a_route_that_is_as_wide_or_narrower_is_told_and_a_wider_one_is_not() -> None:
    routes = ["10.0.0.0/8", "10.91.0.0/16", "10.91.3.0/24", "10.91.4.7", "10.92.0.0/24", "192.0.2.0/24"]
    said = elsewhere(routes, ["10.91.0.0/16", "10.90.0.0/16"])
    assert said == [["10.91.0.0/16", "lo"], ["10.91.3.0/24", "lo"], ["10.91.4.7/32", "lo"]]


def test_a_default_route_is_none_of_them() -> None:
    assert elsewhere(["default"], ["10.91.0.0/16"]) == []


def test_of_many_some_are_told() -> None:
    assert len(elsewhere([f"10.91.{n}.0/24" for n in range(40)], ["10.91.0.0/16"])) == 20
