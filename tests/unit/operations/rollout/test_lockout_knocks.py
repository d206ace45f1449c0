"""The host's own look at whether new rules let the controller in: packets between two namespaces, of both families."""

from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from provisioner.desired.render.host import render_host
from provisioner.desired.spec import HostSpec
from provisioner_host.firewall import firewall, lockout
from provisioner_host.machine.namespace import scratch
from provisioner_host.machine.shell import Failed
from tests import fleets, inventories

HOSTS = fleets.state_of(inventories.inventory()).hosts


def can_unshare() -> bool:
    """Tell whether namespaces can be made here, which takes rights."""
    try:
        with scratch():
            return True
    except (Failed, OSError):
        return False


pytestmark = pytest.mark.skipif(not can_unshare(), reason="no network namespaces here")


def rules_of(folder: Path, spec: HostSpec, networks: list[str]) -> Path:
    assert spec.firewall
    guard = replace(spec.firewall, management_networks=tuple(map(ip_network, networks)), speaks_ipv6=True)
    files = render_host(replace(spec, firewall=guard), fleets.templates())
    path = folder / "provisioner.nft"
    path.write_bytes(next(file.content for file in files if file.path == spec.names.nft_file))
    return path


@pytest.mark.parametrize("host", ["relay-viettel-1", "centre"])
@pytest.mark.parametrize(
    ("networks", "peer"),
    [
        # The documentation's own first addresses too: one that knocks is never the one that is knocked at.
        (["192.0.2.0/24", "2001:db8::/32"], None),
        (["198.51.100.0/27", "2001:db8:7::/48"], "2001:db8:7::99"),
        (["198.51.100.0/27", "fe80::/10"], "fe80::77%eth0"),
        (["198.51.100.0/27"], "::ffff:198.51.100.3"),
        (["2001:db8:7::9/128", "2001:db8:8::8/127"], None),
    ],
)
def test_rules_let_in_whoever_may_come_over_either_family(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, networks: list[str], peer: str | None
) -> None:
    monkeypatch.setattr(lockout, "connection_peer", lambda: peer)
    lockout.check(rules_of(tmp_path, HOSTS[host], networks), 22, networks)


def test_two_sides_of_a_shared_centre_let_in_each_others_people_and_nobody_else(tmp_path: Path) -> None:
    """With a drop in each of two tables that know nothing of each other, nobody would get in at all."""
    centres = [inventories.centre(shared=True)]
    spec = fleets.state_of(inventories.inventory(centres=centres)).hosts["centre"]
    networks = {"viettel": ["198.51.100.0/27"], "vnpt": ["198.51.100.64/27", "2001:db8:7::/48"]}
    knocking = ["198.51.100.1", "198.51.100.65", "198.51.100.129", "2001:db8:7::1", "2001:db8:8::1"]
    texts = {side: firewall.loadable(rules_of(tmp_path, replace(spec, side=side), of)) for side, of in networks.items()}

    def answered(*commands: str) -> set[str]:
        with scratch() as host, scratch() as client:
            lockout._wire(host, client, knocking)  # noqa: SLF001 (the host's own way to knock)
            for command in commands:
                host.run(["nft", "-f", "-"], stdin=command)
            return {source for source, is_in in lockout._try_connections(host, client, 22, knocking).items() if is_in}  # noqa: SLF001

    own = {"viettel": {knocking[0]}, "vnpt": {knocking[1], knocking[3]}}
    assert answered() == set(knocking)
    for side, text in texts.items():
        assert answered(text) == own[side]
    assert answered(*texts.values()) == answered(*reversed(texts.values())) == own["viettel"] | own["vnpt"]
    assert answered(*texts.values(), "delete table inet provisioner.vnpt") == own["viettel"]


@pytest.mark.parametrize("host", ["relay-viettel-1", "centre"])
def test_a_controller_over_ipv6_is_asked_for_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """Before, only IPv4 was tried: the session over IPv6 went on, and there was no new one after it."""
    networks = ["198.51.100.0/27", "2001:db8:7::/48"]
    monkeypatch.setattr(lockout, "connection_peer", lambda: "2001:db8:8::99")
    with pytest.raises(lockout.LockedOut, match=r"from 2001:db8:8::99 \(this connection\)$"):
        lockout.check(rules_of(tmp_path, HOSTS[host], networks), 22, networks)


def test_rules_that_hide_a_host_from_its_neighbours_lock_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    networks = ["198.51.100.0/27", "2001:db8:7::/48"]
    path = rules_of(tmp_path, HOSTS["relay-viettel-1"], networks)
    path.write_text(path.read_text().replace(", nd-neighbor-solicit, nd-neighbor-advert", ""))
    monkeypatch.setattr(lockout, "connection_peer", lambda: None)
    with pytest.raises(lockout.LockedOut, match=r"from 2001:db8:7::1$"):
        lockout.check(path, 22, networks)


def test_a_connection_that_comes_from_no_address_is_not_taken_for_one_that_may_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lockout, "connection_peer", lambda: "UNKNOWN")
    with pytest.raises(Failed, match="does not say from which address"):
        lockout.check(tmp_path / "provisioner.nft", 22, ["192.0.2.0/24"])


def test_a_kernel_without_ipv6_is_asked_nothing_about_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    networks = ["2001:db8::/32", "192.0.2.0/24"]
    assert lockout.sources(networks, None) == ["192.0.2.1", "2001:db8::1"]
    monkeypatch.setattr(lockout, "_IPV6", tmp_path / "if_inet6")
    assert lockout.sources(networks, None) == ["192.0.2.1"]
    assert lockout.sources(networks, "2001:db8::7") == ["192.0.2.1", "2001:db8::7"]
