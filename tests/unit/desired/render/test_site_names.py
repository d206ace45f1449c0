"""How a gateway finds relays that it knows by name: the script of its package, run where `wg` is a file."""

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from provisioner.desired.render.site import render_site
from provisioner.desired.sites import site_spec
from tests import fleets, inventories
from tests.hostile import GATEWAY
from tests.unit.desired.render.test_take_down import Gateway

# It knows one name, keeps what it is told, and says when which peer was heard.
WG = """
case "$1" in
show) cat "$ROOT/handshakes" ;;
set)
	case "$6" in "$(cat "$ROOT/known")":*) ;; *) echo "Name or service not known" >&2; exit 1 ;; esac
	echo "$4 $6" >>"$ROOT/told" ;;
esac
"""
NAMED = {"endpoint": "relay-1.example.com", "endpoint_address": "2001:db8::b"}
KEY = inventories.public_key("relay-viettel-1")


def package(**changes: object) -> dict[str, bytes]:
    carrier = inventories.carrier(relays=[inventories.relay("relay-viettel-1", 11, **changes)])
    inventory = fleets.complete(inventories.inventory(carriers=[carrier], facilities=[fleets.facility()]))
    spec = site_spec(inventory, fleets.secrets_of(inventory), inventory.facilities["kcl-bg-001"])
    return {file.path: file.content for file in render_site(spec, fleets.templates(), fleets.VALID)}


@dataclass
class NamedGateway:
    """A gateway's folders, somewhere else."""

    root: Path

    def heard(self, seconds_ago: float | None) -> None:
        moment = 0 if seconds_ago is None else int(time.time() - seconds_ago)
        (self.root / "handshakes").write_text(f"{'O' * 43}= 7\n{KEY}\t{moment}\n")

    def look(self, known: str) -> tuple[list[str], str]:
        """Run the script with a resolver that knows one name: what the tunnel was told, and what is said."""
        (self.root / "known").write_text(known)
        (self.root / "told").write_text("")
        script = package(**NAMED)["site-names"].decode().replace("/etc/", f"{self.root}/etc/")
        environment = {"PATH": f"{self.root / 'bin'}:{os.environ['PATH']}", "ROOT": str(self.root)}
        done = subprocess.run(["sh", "-c", script], env=environment, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (0, "")
        return (self.root / "told").read_text().splitlines(), done.stderr


@pytest.fixture
def gateway(tmp_path: Path) -> NamedGateway:
    for path, content in package(**NAMED).items():
        if path.startswith("peers/"):
            place = tmp_path / "etc/provisioner-site" / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/wg").write_text(f"#!/bin/sh\n{WG}")
    (tmp_path / "bin/wg").chmod(0o755)
    return NamedGateway(tmp_path)


# A clock that was set back has heard the relay in a time to come.
@pytest.mark.parametrize("seconds_ago", [None, 200, 86_400, -3600])
def test_a_relay_that_is_not_heard_is_looked_for_by_its_name(gateway: NamedGateway, seconds_ago: float | None) -> None:
    gateway.heard(seconds_ago)
    assert gateway.look("relay-1.example.com") == ([f"{KEY} relay-1.example.com:51820"], "")


@pytest.mark.parametrize("seconds_ago", [0, 20, 170])
def test_a_relay_that_is_heard_is_asked_for_nowhere(gateway: NamedGateway, seconds_ago: float) -> None:
    gateway.heard(seconds_ago)
    assert gateway.look("relay-1.example.com") == ([], "")


@GATEWAY
def test_a_name_that_leads_nowhere_is_said_and_stops_nothing(gateway: NamedGateway) -> None:
    gateway.heard(None)
    assert gateway.look("other.example.com") == ([], "site-names: relay-1.example.com:51820 leads to no address yet\n")


def test_a_package_of_addresses_asks_for_no_name_and_has_what_it_always_had() -> None:
    bare, named = package(), package(**NAMED)
    more = {"site-names", "provisioner-site-names.service", "provisioner-site-names.timer"}
    assert named.keys() - bare.keys() == more | {"peers/relay-viettel-1.name"}
    for name in ("install.sh", "site-up"):
        assert b"site-names" not in bare[name]
        assert b"site-names" in named[name]
    assert named["peers/relay-viettel-1.name"] == b"relay-1.example.com:51820\n"
    # `wg` would refuse the whole file, and every relay with it, where one name leads nowhere.
    assert b"Endpoint" not in named["peers/relay-viettel-1.conf"]


@GATEWAY
def test_the_timer_goes_with_the_gateway(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path)
    gateway.install()
    for suffix in ("timer", "service"):
        (tmp_path / f"etc/systemd/system/provisioner-site-names.{suffix}").write_text("[Unit]")
    done = gateway.run()
    assert (done.returncode, gateway.ours) == (0, []), done.stderr
    assert "stopped and removed provisioner-site-names.timer" in done.stdout
