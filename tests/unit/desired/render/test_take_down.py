"""The package of a closed facility, run on a gateway that is a folder: what it removes, refuses, and says."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from provisioner.desired.render.site import render_closed_site
from provisioner.desired.sites import closed_sites
from provisioner.inventory.model.inventory import Inventory
from tests import fleets, inventories
from tests.hostile import GATEWAY, MERGE_REQUEST

SITE = "kcl-bg-002"
# A tunnel and a table are files here; `systemctl` only writes down what it was told.
PROGRAMS = {
    "id": "echo 0",
    "systemctl": 'echo "$@" >> "$ROOT/told"',
    "ip": '[ -e "$ROOT/tunnel" ] || exit 1; [ "$2" != del ] || rm "$ROOT/tunnel"',
    "nft": '[ -e "$ROOT/table" ] || exit 1; [ "$1" != delete ] || rm "$ROOT/table"',
}


@dataclass
class Gateway:
    """A gateway's folders, somewhere else."""

    root: Path
    programs: Mapping[str, str] = field(default_factory=lambda: PROGRAMS)

    def install(self, facility: str = SITE) -> None:
        for name, text in {
            "etc/provisioner-site/wg.key": "canary-key",
            "etc/provisioner-site/facility": f"{facility}\n" if facility else "",
            "etc/provisioner-site/peers/relay-viettel-1.psk": "canary-psk",
            "etc/systemd/system/provisioner-site.service": "[Unit]",
            "usr/local/lib/provisioner-site/site-up": "#!/bin/sh",
            "tunnel": "",
            "table": "",
        }.items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_text(text)

    def run(self, *words: str, facility: str = SITE) -> subprocess.CompletedProcess[str]:
        files = render_closed_site(facility, fleets.templates()).files
        (script,) = (file for file in files if file.path == "install.sh")
        text = script.content.decode()
        for folder in ("/etc/", "/usr/local/lib/", "/run/"):
            text = text.replace(folder, f"{self.root}{folder}")
        programs = self.root / "bin"
        programs.mkdir(exist_ok=True)
        for name, body in self.programs.items():
            (programs / name).write_text(f"#!/bin/sh\n{body}\n")
            (programs / name).chmod(0o755)
        environment = {"PATH": f"{programs}:{os.environ['PATH']}", "ROOT": str(self.root)}
        argv = ["sh", "-c", text, "install.sh", *words]
        return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)

    @property
    def ours(self) -> list[str]:
        """What of a site package is there."""
        places = [*self.root.rglob("*provisioner-site*"), self.root / "tunnel", self.root / "table"]
        return [str(p.relative_to(self.root)) for p in places if p.exists()]


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    there = Gateway(tmp_path)
    there.install()
    return there


@GATEWAY
def test_a_closed_site_s_gateway_is_left_with_nothing_and_is_told_so(gateway: Gateway) -> None:
    done = gateway.run()
    assert (done.returncode, gateway.ours) == (0, []), done.stderr
    assert [line.removeprefix("install.sh: ") for line in done.stdout.splitlines()] == [
        "stopped and removed provisioner-site.service",
        "took the tunnel wg-prov down",
        "removed the firewall and the port map",
        "removed the gateway's key, the pre-shared keys and the configuration",
        "nothing of kcl-bg-002 is left on this gateway; remove its older packages too, they hold its pre-shared keys",
    ]
    assert (gateway.root / "told").read_text().splitlines() == [
        "disable --now provisioner-site.service",
        "daemon-reload",
    ]
    again = gateway.run()
    assert (again.returncode, len(again.stdout.splitlines())) == (0, 1)


@MERGE_REQUEST
def test_another_facility_s_gateway_is_not_taken_down(gateway: Gateway) -> None:
    before = gateway.ours
    done = gateway.run(facility="kcl-bg-009")
    assert (done.returncode, done.stdout, gateway.ours) == (1, "", before)
    assert "was set up for kcl-bg-002, not for kcl-bg-009: nothing was changed" in done.stderr
    assert gateway.run("--anyway", facility="kcl-bg-009").returncode == 0
    assert gateway.ours == []


@GATEWAY
def test_a_gateway_of_an_older_package_is_taken_down_too(gateway: Gateway) -> None:
    (gateway.root / "etc/provisioner-site/facility").unlink()
    assert gateway.run().returncode == 0
    assert gateway.ours == []


@MERGE_REQUEST
@pytest.mark.parametrize("ours", ["provisioner", "provisioner.viettel"], ids=["alone", "shared"])
def test_a_managed_host_is_no_gateway(gateway: Gateway, ours: str) -> None:
    (gateway.root / "etc" / ours).mkdir()
    (gateway.root / "etc" / ours / "tunnel.json").write_text("{}")
    before = gateway.ours
    done = gateway.run("--anyway")
    assert (done.returncode, gateway.ours) == (1, before)
    assert "no gateway" in done.stderr


@GATEWAY
def test_what_would_not_go_is_named(gateway: Gateway) -> None:
    gateway.programs = PROGRAMS | {"ip": "exit 0"}
    done = gateway.run()
    assert done.returncode == 1
    assert done.stderr == "install.sh: still there: interface:wg-prov\n"


def closed(operating: str = "closed", **more: object) -> Inventory:
    facilities = [fleets.facility("kcl-bg-001", 1), fleets.facility(SITE, 1)]
    before = fleets.complete(inventories.inventory(facilities=facilities))
    after = [facilities[0], facilities[1] | {"operating": operating}] if operating else facilities[:1]
    return fleets.complete(inventories.with_lock(inventories.inventory(facilities=after, **more), before.allocations))


def test_closed_and_removed_facilities_have_such_a_package_and_no_others() -> None:
    assert closed_sites(closed()) == {SITE}
    assert closed_sites(closed("")) == {SITE}
    assert closed_sites(closed("standby")) == frozenset()
    assert closed_sites(closed("open")) == frozenset()
