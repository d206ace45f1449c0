"""Over IPv6 and by name: a relay that is called, applied and sent to over it, and a gateway that goes by a name."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.hostile import MERGE_REQUEST

from .deployment import Deployment, patient
from .docker_cli import docker
from .lab import Lab
from .patience import stretched
from .topology import CENTRE, GATEWAYS, RELAYS, Network

pytestmark = [pytest.mark.lab, pytest.mark.destructive, pytest.mark.soak]

RELAY = next(relay for relay in RELAYS if relay.carrier == "viettel")
SITE = next(gateway for gateway in GATEWAYS if gateway.relay == RELAY.name)
NAME = "relay-1.lab.example.com"
MGMT, WAN = "fd00:6c61:6200:1::", "fd00:6c61:6200:2::"
CONTROLLER, RELAY_MGMT, CENTRE_MGMT = f"{MGMT}1", f"{MGMT}11", f"{MGMT}21"
RELAY_WAN, CENTRE_WAN, SITE_WAN = f"{WAN}11", f"{WAN}21", f"{WAN}31"
ONLY = ("--limit", f"host={RELAY.name}")


def has_ipv6() -> bool:
    """Tell whether this machine's kernel speaks IPv6."""
    return Path("/proc/net/if_inet6").exists()


if not has_ipv6():
    pytestmark.append(pytest.mark.skip(reason="this machine's kernel speaks no IPv6"))


def in_network_of(lab: Lab, host: str, *argv: str) -> None:
    """Run a program of this machine in a host's network: in the host itself the kernel's settings are shut."""
    process = docker("inspect", "--format", "{{.State.Pid}}", lab.container(host)).stdout.strip()
    subprocess.run(["nsenter", f"--net=/proc/{process}/ns/net", *argv], check=True, capture_output=True)


def give(lab: Lab, host: str, device: str, address: str) -> None:
    """Give a host an IPv6 address, where Docker gave it none."""
    in_network_of(lab, host, "sysctl", "-q", "-w", f"net.ipv6.conf.{device}.disable_ipv6=0")
    in_network_of(lab, host, "ip", "address", "replace", f"{address}/64", "dev", device, "nodad")


@pytest.fixture(scope="module", autouse=True)
def addresses(lab: Lab) -> Iterator[None]:
    """IPv6 beside IPv4 in both networks of the lab: this machine, the relay, the centre, one gateway."""
    name = f"{lab.project}_{Network.MGMT}"
    bridge = "br-" + json.loads(docker("network", "inspect", name).stdout)[0]["Id"][:12]
    subprocess.run(["ip", "address", "replace", f"{CONTROLLER}/64", "dev", bridge, "nodad"], check=True)
    for host, mgmt, wan in ((RELAY.name, RELAY_MGMT, RELAY_WAN), (CENTRE.name, CENTRE_MGMT, CENTRE_WAN)):
        give(lab, host, "eth0", mgmt)
        give(lab, host, "eth1", wan)
    give(lab, SITE.name, "eth0", SITE_WAN)
    yield
    subprocess.run(["ip", "address", "del", f"{CONTROLLER}/64", "dev", bridge], check=False)


@pytest.fixture
def edited(deployment: Deployment) -> Iterator[Callable[[str, str], None]]:
    """Edits of the carrier's file; the gateway has its usual package again afterwards."""
    path = deployment.root / f"carriers/{RELAY.carrier}.yml"
    deployment.substitute(path, r"management_networks: \[(.*)\]", rf'management_networks: [\g<1>, "{MGMT}/64"]')
    yield lambda pattern, replacement: deployment.substitute(path, pattern, replacement)
    deployment.git("reset", "--quiet", "--hard")
    deployment.lab.exec(SITE.name, ["sed", "-i", f"/{NAME}/d", "/etc/hosts"], check=False)
    install(deployment)


def install(deployment: Deployment) -> None:
    folder = deployment.lab.directory / f"site-{time.monotonic_ns()}"
    deployment.run("site-package", SITE.facility, "--out", str(folder))
    deployment.lab.install_site_package(SITE.name, folder / SITE.facility)


def endpoint_at(lab: Lab, host: str, key: str) -> str:
    """Where a host's tunnel sends what is for a peer."""
    listed = lab.exec(host, ["wg", "show", "wg-prov", "endpoints"]).stdout
    return next(line.split()[1] for line in listed.splitlines() if line.startswith(key))


def relay_key(deployment: Deployment) -> str:
    return deployment.lab.exec(RELAY.name, ["wg", "show", "wg-prov", "public-key"]).stdout.strip()


def paths_up(deployment: Deployment) -> set[str]:
    verified = deployment.document("verify", "--confirm", "--limit", f"facility={SITE.facility}", codes=(0, 1))
    return {path["verdict"] for path in verified["paths"]}


def test_a_relay_is_called_applied_and_sent_to_over_ipv6_and_its_paths_are_up(
    deployment: Deployment, edited: Callable[[str, str], None]
) -> None:
    lab, key = deployment.lab, relay_key(deployment)
    # The network first, by the way that there is; then the way.
    assert deployment.document("apply", "--yes", *patient(60), "--allow", "trust=9")["outcome"] == "applied"
    edited(r"(\baddress: )\S+", rf"\g<1>{RELAY_MGMT.upper()}")
    edited(r"(endpoint: )\S+", rf'\g<1>"[{RELAY_WAN}]"')
    assert f"write endpoint: {RELAY_WAN}" in deployment.run("validate", check=False).stdout
    edited(r"(endpoint: )\S+", rf"\g<1>{RELAY_WAN}")
    plan = deployment.document("plan", "--allow", "trust=9", codes=(0, 10))
    assert {need["facility"] for need in plan["site_packages"]} >= {SITE.facility}
    assert any(f"→ [{RELAY_WAN}]:" in need["reason"] for need in plan["site_packages"])
    applied = deployment.document("apply", "--yes", *patient(60), "--allow", "trust=9")
    assert (applied["outcome"], applied["remaining"]) == ("applied", [])
    assert endpoint_at(lab, CENTRE.name, key) == f"[{RELAY_WAN}]:51820"
    install(deployment)
    assert endpoint_at(lab, SITE.name, key) == f"[{RELAY_WAN}]:51820"
    assert paths_up(deployment) == {"up"}
    # SSH came over IPv6, and the rules heard the relay's neighbours all the while.
    logins = lab.exec(RELAY.name, ["journalctl", "-q", "--no-pager", "_COMM=sshd"]).stdout
    assert f"from {CONTROLLER} port" in logins
    for _ in range(2):
        in_network_of(lab, RELAY.name, "ip", "-6", "neigh", "flush", "dev", "eth0")
        assert deployment.document("plan", *ONLY)["summary"]["hosts"] == 0


@MERGE_REQUEST
def test_rules_that_would_shut_out_who_comes_over_ipv6_are_refused_by_the_plan_and_by_the_host(
    deployment: Deployment, edited: Callable[[str, str], None]
) -> None:
    assert deployment.document("apply", "--yes", *patient(60), "--allow", "trust=9")["outcome"] == "applied"
    edited(r"(\baddress: )\S+", rf"\g<1>{RELAY_MGMT}")
    edited(rf'"{MGMT}/64"', "fd00:6c61:6200:9::/64")
    (refusal,) = deployment.document("plan", *ONLY, "--allow", "trust=9", codes=(6,))["refused"]
    assert (refusal["policy"], refusal["host"]) == ("lock_out", RELAY.name)
    assert f"this controller, which the host sees as {CONTROLLER}" in refusal["message"]
    edited(r"management_networks: \[(.*), .*\]", r"management_networks: [\g<1>]")
    assert "over IPv6, and SSH may come to it from no IPv6 network" in deployment.run("validate", check=False).stdout


def test_a_gateway_goes_by_a_name_that_is_not_there_yet_and_then_leads_somewhere_else(
    deployment: Deployment, edited: Callable[[str, str], None]
) -> None:
    lab, key = deployment.lab, relay_key(deployment)
    four = lab.address(RELAY.name, Network.WAN)
    edited(r"(endpoint: )\S+", rf"\g<1>{NAME}\n    endpoint_address: {RELAY_WAN}")
    plan = deployment.document("plan", "--allow", "trust=9", codes=(0, 10))
    assert any(f"by address → {NAME}:51820" in need["reason"] for need in plan["site_packages"])
    assert deployment.document("apply", "--yes", *patient(60), "--allow", "trust=9")["outcome"] == "applied"
    # A tunnel of a gateway that has just started: nobody has told it yet where its relay is.
    lab.exec(SITE.name, ["systemctl", "stop", "provisioner-site.service"])
    install(deployment)
    assert endpoint_at(lab, SITE.name, key) == "(none)"
    timer = lab.exec(SITE.name, ["systemctl", "is-active", "provisioner-site-names.timer"], check=False)
    assert timer.stdout.strip() == "active"
    lab.exec(SITE.name, ["sh", "-c", f"echo '{RELAY_WAN} {NAME}' >> /etc/hosts"])
    # The timer does it within a minute; its service is what it starts.
    lab.exec(SITE.name, ["systemctl", "start", "provisioner-site-names.service"])
    assert endpoint_at(lab, SITE.name, key) == f"[{RELAY_WAN}]:51820"
    until = time.monotonic() + stretched(60)
    while (up := paths_up(deployment)) != {"up"} and time.monotonic() < until:
        time.sleep(1)
    assert up == {"up"}
    # While its relay is heard a name that leads elsewhere changes nothing; once it is not, it does.
    lab.exec(
        SITE.name,
        ["sh", "-c", f"sed '/{NAME}/d' /etc/hosts > /tmp/h; echo '{four} {NAME}' >> /tmp/h; cat /tmp/h > /etc/hosts"],
    )
    lab.exec(SITE.name, ["systemctl", "start", "provisioner-site-names.service"])
    assert endpoint_at(lab, SITE.name, key) == f"[{RELAY_WAN}]:51820"
    lab.exec(SITE.name, ["systemctl", "restart", "provisioner-site.service"])
    assert endpoint_at(lab, SITE.name, key) == f"{four}:51820"
    assert deployment.document("plan", *ONLY)["site_packages"] == []
