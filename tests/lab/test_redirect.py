"""Cameras that redirect their relay, on real hosts: nobody is reached who is no camera, and a redirect is named.

Each is shown to work first, with the rules about MediaMTX's user taken out: the places listen, and MediaMTX goes there.
"""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from tests.hostile import CAMERA, GATEWAY

from .deployment import Deployment, patient
from .hostile_camera import Listener, in_the_place_of
from .patience import stretched
from .test_verify import all_up, verified
from .topology import Network

# Its verifications wait for cameras that redirect. What the rules let out is tried with real packets in the unit tests.
pytestmark = [pytest.mark.lab, pytest.mark.destructive, pytest.mark.soak]

RELAY, CENTRE = "relay-viettel-1", "centre"
_LAN, _METADATA = "172.31.9.9", "169.254.169.254"
_IPV6 = """
grep -q ' lo$' /proc/net/if_inet6 2>/dev/null || {
  mount -o remount,rw /proc/sys 2>/dev/null || true
  echo 0 > /proc/sys/net/ipv6/conf/lo/disable_ipv6
  ip -6 addr add ::1/128 dev lo 2>/dev/null || true
}
"""
_UNIT_OPEN = "systemctl set-property --runtime provisioner-mediamtx IPAddressAllow=any"
_UNIT_SHUT = "rm -rf /run/systemd/system.control/provisioner-mediamtx.service.d; systemctl daemon-reload"
_RULES_BACK = f"{_UNIT_SHUT}; systemctl restart provisioner-nft provisioner-mediamtx"
# By camera, which place it sends its relay to.
PLACES = {
    "kcl-bg-001/cam-01": "its own API",
    "kcl-bg-001/cam-02": "its own RTSP",
    "kcl-bg-001/cam-03": "management",
    "kcl-bg-001/cam-04": "centre",
    "kcl-hd-001/cam-01": "metadata",
    "kcl-hd-001/cam-02": "IPv6 loopback",
}


@dataclass
class Scene:
    """The places, who listens there, and a counter of MediaMTX's first packets that leave for each."""

    deployment: Deployment
    places: dict[str, tuple[str, int]]
    listeners: dict[str, Listener]

    def rules(self, *, about_the_relay: bool) -> None:
        """Take the rules about MediaMTX's user out, and its unit's own net with them, or put all back."""
        if about_the_relay:
            self.deployment.lab.exec(RELAY, ["sh", "-ec", _RULES_BACK])
            return
        self.unit_lets_out(anything=True)
        listed = self.deployment.lab.exec(RELAY, ["nft", "-j", "list", "chain", "inet", "provisioner", "output"])
        for entry in json.loads(listed.stdout)["nftables"]:
            rule = entry.get("rule", {})
            if str(rule.get("comment", "")).startswith(("relay-", "pull-limit")):
                handle = ["handle", str(rule["handle"])]
                self.deployment.lab.exec(RELAY, ["nft", "delete", "rule", "inet", "provisioner", "output", *handle])

    def unit_lets_out(self, *, anything: bool) -> None:
        """Lift the addresses of MediaMTX's unit, or put them back."""
        self.deployment.lab.exec(RELAY, ["sh", "-ec", _UNIT_OPEN if anything else _UNIT_SHUT])

    def left(self) -> dict[str, int]:
        """How many first packets MediaMTX sent to each place since it was asked the last time."""
        listed = self.deployment.lab.exec(RELAY, ["nft", "-j", "reset", "counters", "table", "inet", "watch"])
        counters = [entry["counter"] for entry in json.loads(listed.stdout)["nftables"] if "counter" in entry]
        return {counter["name"].replace("-", " "): counter["packets"] for counter in counters}

    def heard(self) -> dict[str, list[str]]:
        """What the listeners heard since they were asked the last time."""
        return {name: listener.heard() for name, listener in self.listeners.items()}

    def dropped(self, comment: str) -> int:
        """How many packets a rule of ours dropped."""
        listed = self.deployment.lab.exec(RELAY, ["nft", "list", "chain", "inet", "provisioner", "output"]).stdout
        (line,) = [line for line in listed.splitlines() if f'comment "{comment}"' in line]
        return int(line.partition("counter packets ")[2].split()[0])


def _location(address: str, port: int) -> str:
    return f"rtsp://[{address}]:{port}/x" if ":" in address else f"rtsp://{address}:{port}/x"


@pytest.fixture
def scene(deployment: Deployment) -> Iterator[Scene]:
    """Places on the relay and on the centre, with somebody who listens at each that nobody has yet."""
    lab = deployment.lab
    management = str(lab.address(CENTRE, Network.MGMT))
    own = lab.exec(RELAY, ["sh", "-c", "ip -j addr show wg-prov"]).stdout
    tunnel = json.loads(own)[0]["addr_info"][0]["local"]
    places = {
        "its own API": ("127.0.0.1", 9997),
        "its own RTSP": (tunnel, 8554),
        "management": (management, 5554),
        "centre": (_LAN, 5554),
        "metadata": (_METADATA, 80),
        "IPv6 loopback": ("::1", 5554),
    }
    listeners = {
        "management": Listener(lab, CENTRE, management, 5554),
        "centre": Listener(lab, CENTRE, _LAN, 5554),
        "metadata": Listener(lab, CENTRE, _METADATA, 80),
        "IPv6 loopback": Listener(lab, RELAY, "::1", 5554),
    }
    rules = (
        "".join(f"counter {name.replace(' ', '-')} {{ }}\n" for name in places)
        + "chain out { type filter hook output priority 10; policy accept;\n"
    )
    for name, (address, port) in places.items():
        family = "ip6" if ":" in address else "ip"
        match = f"meta skuid mediamtx ct state new {family} daddr {address} tcp dport {port}"
        rules += f"{match} counter name {name.replace(' ', '-')}\n"
    with ExitStack() as mending:
        for address in (_LAN, _METADATA):
            lab.exec(CENTRE, ["ip", "addr", "add", f"{address}/32", "dev", "eth0"])
            mending.callback(lab.exec, CENTRE, ["ip", "addr", "del", f"{address}/32", "dev", "eth0"])
            lab.exec(RELAY, ["ip", "route", "add", f"{address}/32", "via", management])
            mending.callback(lab.exec, RELAY, ["ip", "route", "del", f"{address}/32"])
        # Docker starts containers without IPv6; it is there all the same.
        lab.exec(RELAY, ["sh", "-c", _IPV6])
        lab.exec(RELAY, ["nft", "-f", "-"], stdin=f"table inet watch {{\n{rules}}}\n}}\n")
        mending.callback(lab.exec, RELAY, ["nft", "delete", "table", "inet", "watch"])
        for listener in listeners.values():
            listener.start()
            mending.callback(listener.stop)
        there = Scene(deployment, places, listeners)
        mending.callback(there.rules, about_the_relay=True)
        yield there


def _source(scene: Scene, path: str) -> str:
    """A path's source as the relay has it, without the login."""
    line = scene.deployment.lab.exec(RELAY, ["grep", f'{path}"', "/etc/provisioner/mediamtx.yml"]).stdout
    return line.partition("@")[2].partition('"')[0]


def _until(said: Callable[[], bool], seconds: float) -> bool:
    until = time.monotonic() + stretched(seconds)
    while not said() and time.monotonic() < until:
        time.sleep(1)
    return said()


@CAMERA
@pytest.mark.soak
def test_no_place_is_reached_that_a_redirect_reached_before(scene: Scene) -> None:
    lab = scene.deployment.lab
    with ExitStack() as mending:
        for camera, name in PLACES.items():
            mending.enter_context(in_the_place_of(lab, camera, _location(*scene.places[name])))
        scene.rules(about_the_relay=False)
        left: dict[str, int] = dict.fromkeys(scene.places, 0)
        heard: dict[str, list[str]] = {name: [] for name in scene.listeners}

        def all_reached() -> bool:
            for name, packets in scene.left().items():
                left[name] += packets
            for name, lines in scene.heard().items():
                heard[name] += lines
            return all(left.values()) and all("connection" in lines for lines in heard.values())

        assert _until(all_reached, 60), (left, heard)
        # The camera's own login, in clear: what the attack is about.
        logins = [line for lines in heard.values() for line in lines if line.startswith("login ")]
        passwords = {lab.camera(camera).password for camera in PLACES}
        assert {line.partition(":")[2] for line in logins} & passwords

        scene.rules(about_the_relay=True)
        scene.left()
        scene.heard()
        elsewhere = scene.dropped("relay-elsewhere")
        found = verified(
            scene.deployment,
            "--limit",
            "carrier=viettel",
            until=lambda f: all(p["cause"] == ("camera redirects" if _is_hostile(p) else "") for p in f["paths"]),
            tries=8,
        )
        time.sleep(15)
        assert scene.left() == dict.fromkeys(scene.places, 0)
        assert scene.heard() == {name: [] for name in scene.listeners}
        assert scene.dropped("relay-elsewhere") > elsewhere
    for path in found["paths"]:
        if _is_hostile(path):
            address, port = scene.places[PLACES[_camera(path)]]
            assert (path["verdict"], path["cause"]) == ("down", "camera redirects"), path
            assert f"redirects to {_location(address, port)[7:-2]}" in path["detail"]
        else:
            assert path["verdict"] == "up", path
    assert not [word for word in passwords if word in json.dumps(found)]
    assert all_up(verified(scene.deployment, until=all_up, tries=12))


def _is_hostile(path: dict[str, str]) -> bool:
    return _camera(path) in PLACES


def _camera(path: dict[str, str]) -> str:
    return f"{path['facility']}/{path['camera']}"


@GATEWAY
@pytest.mark.soak
def test_a_picture_of_another_site_is_never_up_whoever_has_the_same_login(scene: Scene) -> None:
    deployment, lab = scene.deployment, scene.deployment.lab
    hostile, other = lab.camera("kcl-hd-001/cam-03"), lab.camera("kcl-bg-002/cam-01")
    own = other.password
    target = _source(scene, "kcl-bg-002/cam-01/sub")
    redirected = "hai-duong/kcl-hd-001/cam-03/sub"
    device = _source(scene, redirected).partition("/")[0]
    with ExitStack() as mending:
        mending.callback(other.change_password, own)
        other.change_password(hostile.password)
        deployment.write_logins()
        deployment.document("apply", "--yes", "--max-lost", "1", *patient(5))
        assert all_up(verified(deployment, until=all_up, tries=12))
        mending.enter_context(in_the_place_of(lab, "kcl-hd-001/cam-03", f"rtsp://{target}"))
        found = verified(
            deployment,
            "--limit",
            "carrier=viettel",
            until=lambda f: any(p["path"] == redirected and p["passed"][-2:] == [6, 7] for p in f["paths"]),
            tries=8,
        )
    by_path = {path["path"]: path for path in found["paths"]}
    false_green = by_path.pop(redirected)
    # All that was asked before is as it should be: the picture flows, moves, and is decoded at the centre.
    assert false_green["passed"] == [1, 2, 3, 5, 6, 7]
    assert (false_green["verdict"], false_green["cause"]) == ("down", "camera redirects")
    assert f"no connection to {device} brings it" in false_green["detail"]
    main = by_path.pop("hai-duong/kcl-hd-001/cam-03/main")
    assert main["verdict"] == "down"
    assert {path["verdict"] for path in by_path.values()} == {"up"}


@CAMERA
@pytest.mark.soak
def test_a_camera_that_redirects_to_itself_is_halted_and_named(scene: Scene) -> None:
    deployment, lab = scene.deployment, scene.deployment.lab
    own = _source(scene, "kcl-hd-001/cam-02/sub").partition("/")[0]
    pid = lab.exec(RELAY, ["systemctl", "show", "-p", "MainPID", "--value", "provisioner-mediamtx"]).stdout.strip()

    def resident() -> int:
        status = lab.exec(RELAY, ["sh", "-c", f"grep VmRSS /proc/{pid}/status"]).stdout
        return int(status.split()[1])

    before = resident()
    with in_the_place_of(lab, "kcl-hd-001/cam-02", f"rtsp://{own}/x"):
        assert _until(lambda: scene.dropped("pull-limit") > 0, 40)
        found = verified(
            deployment,
            "--limit",
            "facility=kcl-hd-001",
            until=lambda f: any(p["cause"] == "camera redirects" for p in f["paths"]),
        )
        assert resident() < before + 60_000
    by_path = {path["path"]: path for path in found["paths"]}
    looping = by_path["hai-duong/kcl-hd-001/cam-02/sub"]
    assert (looping["verdict"], looping["cause"]) == ("down", "camera redirects")
    assert "again and again" in looping["detail"]
    assert by_path["hai-duong/kcl-hd-001/cam-01/sub"]["verdict"] == "up"
    assert all_up(verified(deployment, until=all_up, tries=12))
