"""Each file as it lies on a host, in whole trees that a reviewer reads."""

import re
from collections.abc import Callable, Mapping
from datetime import date

import pytest
import yaml

from provisioner.base.errors import RenderError
from provisioner.desired.render.host import (
    HOST_PROGRAM,
    MEDIAMTX_FILE,
    NFT_FILE,
    PSK_FILE,
    TRUST_FILE,
    TUNNEL_FILE,
    WG_FILE,
    render_host,
)
from provisioner.desired.render.quote import source_url
from provisioner.desired.render.site import render_closed_site, render_site
from provisioner.desired.render.templates import Templates, load_templates
from provisioner.desired.sites import site_spec
from provisioner.desired.state import desired_state
from provisioner.inventory.model.facility import GatewaySystem
from provisioner.inventory.model.hosts import NextRelayKey, OwnKeyStage
from provisioner.inventory.model.inventory import Inventory
from provisioner.operations.edit.keys import with_own_next_key
from tests import fleets, inventories

Golden = Callable[[str, Mapping[str, bytes]], None]


def scenario() -> tuple[dict[str, dict[str, bytes]], dict[str, bytes]]:
    """Two carriers, one site behind a recorder: every host's files, and one site's package."""
    recorder_site = fleets.facility(
        "kcl-bg-002", recorders=[inventories.recorder()], cameras=[inventories.channel(f"cam-0{n}", n) for n in (1, 2)]
    )
    elsewhere = fleets.facility(
        "kcl-qn-001", province="quang-nam", plan={"state": "agreed", "carrier": "vnpt", "relay": "relay-vnpt-1"}
    )
    inventory = fleets.complete(
        inventories.inventory(
            carriers=[inventories.carrier(), inventories.carrier("vnpt", 12)],
            facilities=[fleets.facility(), recorder_site, elsewhere],
        )
    )
    secrets = fleets.secrets_of(inventory)
    state = desired_state(inventory, secrets)
    # The on-host program is code of ours, not a rendered text: its own tests read it.
    hosts = {
        host: {f.path.lstrip("/"): f.content for f in files if f.path != HOST_PROGRAM}
        for host, files in fleets.files_of(state).items()
    }
    return hosts, site_of(inventory, "kcl-bg-002")


def site_of(inventory: Inventory, facility: str) -> dict[str, bytes]:
    """A site's package."""
    spec = site_spec(inventory, fleets.secrets_of(inventory), inventory.facilities[facility])
    return {file.path: file.content for file in render_site(spec, fleets.templates(), fleets.VALID)}


def test_every_file_of_every_host_is_as_the_golden_tree(golden_tree: Golden) -> None:
    hosts, _ = scenario()
    golden_tree(
        "two-relays", {f"{host}/{path}": content for host, files in hosts.items() for path, content in files.items()}
    )


def test_a_site_package_is_as_the_golden_tree(golden_tree: Golden) -> None:
    _, site = scenario()
    golden_tree("site-kcl-bg-002", site)


@pytest.mark.parametrize("system", ["routeros", "openwrt", "wireguard"])
def test_the_package_of_another_kind_of_router_is_as_the_golden_tree(golden_tree: Golden, system: str) -> None:
    cameras = [inventories.channel("cam-01", 1), inventories.camera("cam-02", 30, make="axis")]
    gateway = inventories.facility("kcl-bg-002")["gateway"] | {"system": system, "lan_interface": "bridge"}
    site = fleets.facility("kcl-bg-002", recorders=[inventories.recorder()], cameras=cameras, gateway=gateway)
    golden_tree(f"site-{system}", site_of(fleets.complete(inventories.inventory(facilities=[site])), "kcl-bg-002"))


def test_a_site_without_a_tunnel_is_a_sheet_and_rules_as_the_golden_tree(golden_tree: Golden) -> None:
    carriers = [inventories.carrier(routed_networks=["10.120.0.0/16"])]
    cameras = [inventories.camera("cam-01", 20), inventories.camera("cam-02", 30, port=8554, onvif={"port": 8000})]
    sites = [fleets.facility(), fleets.routed("kcl-bg-002", cameras=cameras)]
    whole = fleets.complete(inventories.inventory(carriers=carriers, facilities=sites))
    host = fleets.files_of(fleets.state_of(whole))["relay-viettel-1"]
    named = (NFT_FILE, WG_FILE, "/etc/systemd/system/provisioner-mediamtx.service")
    files = {f"relay/{f.path.lstrip('/')}": f.content for f in host if f.path in named}
    golden_tree("routed", files | {f"package/{n}": c for n, c in site_of(whole, "kcl-bg-002").items()})


def test_a_site_that_pushes_has_logins_at_its_relay_and_a_package_as_the_golden_tree(golden_tree: Golden) -> None:
    carriers = [inventories.carrier(publishers={}), inventories.carrier("vnpt", 21, publishers={})]
    plan = {"state": "agreed", "carrier": "viettel", "relay": "relay-viettel-1", "access": "publish"}
    streams = {"streams": {"sub": {"width": 640, "height": 360}, "main": {"width": 1920, "height": 1080}}}
    cameras = [inventories.channel("cam-01", 1) | streams, inventories.camera("cam-02", 30, make="axis")]
    pushing = fleets.pushing(
        "kcl-bg-002",
        plan=plan,
        recorders=[inventories.recorder()],
        cameras=cameras,
        successor=plan | {"carrier": "vnpt", "relay": "relay-vnpt-1"},
    )
    pushing["gateway"] = pushing["gateway"] | {"public_addresses": ["198.51.100.7"]}
    whole = fleets.complete(inventories.inventory(carriers=carriers, facilities=[fleets.facility(), pushing]))
    whole = fleets.with_next_certificate(whole, "relay-viettel-1")
    host = fleets.files_of(fleets.state_of(whole))["relay-viettel-1"]
    named = (NFT_FILE, WG_FILE, MEDIAMTX_FILE, TRUST_FILE, "/etc/systemd/system/provisioner-mediamtx.service")
    files = {f"relay/{f.path.lstrip('/')}": _steady(f.content) for f in host if f.path in named}
    package = {f"package/{n}": _steady(c) for n, c in site_of(whole, "kcl-bg-002").items() if n != "SHA256SUMS"}
    golden_tree("publish", files | package)


def _steady(content: bytes) -> bytes:
    """Without what another certificate makes another one: it is drawn anew each time."""
    content = re.sub(rb"#known [0-9a-f]{64} [0-9a-f]{64}", b"#known FINGERPRINT NEXT", content)
    return re.sub(rb'"destFingerprint": "[0-9a-f]{64}"', b'"destFingerprint": "FINGERPRINT"', content)


@pytest.mark.parametrize("system", list(GatewaySystem))
def test_the_package_of_a_site_that_maps_addresses_is_as_the_golden_tree(golden_tree: Golden, system: str) -> None:
    gateway = inventories.facility("kcl-bg-002")["gateway"] | {"system": system}
    plan = {"state": "agreed", "carrier": "viettel", "relay": "relay-viettel-1", "access": "pull_nat_map"}
    cameras = [
        inventories.channel("cam-01", 1),
        inventories.camera("cam-02", 30, make="axis", onvif={"port": 8000}),
        inventories.camera("cam-03", 31, port=8554),
    ]
    site = fleets.facility(
        "kcl-bg-002",
        plan=plan,
        recorders=[inventories.recorder()],
        cameras=cameras,
        gateway=gateway,
        successor={"state": "agreed", "carrier": "vnpt", "relay": "relay-vnpt-1", "access": "pull_nat_map"},
    )
    carriers = [inventories.carrier(), inventories.carrier("vnpt", 21)]
    whole = fleets.complete(inventories.inventory(carriers=carriers, facilities=[site]))
    golden_tree(f"site-nat-{system}", site_of(whole, "kcl-bg-002"))


@pytest.mark.parametrize("system", list(GatewaySystem))
def test_the_package_of_a_closed_site_is_as_the_golden_tree(golden_tree: Golden, system: GatewaySystem) -> None:
    package = render_closed_site("kcl-bg-002", fleets.templates(), system)
    assert package.takes_down
    name = "kcl-bg-002" if system is GatewaySystem.LINUX else system
    golden_tree(f"closed-site-{name}", {file.path: file.content for file in package.files})


@pytest.mark.parametrize("system", list(GatewaySystem))
def test_what_changes_a_gateway_s_key_is_as_the_golden_tree(golden_tree: Golden, system: str) -> None:
    following = {"since": "2021-06-01", "public_key": inventories.public_key("the next key")}
    gateway = inventories.facility("kcl-bg-002")["gateway"] | {"system": system, "next_key": following}
    sites = [fleets.facility(), fleets.facility("kcl-bg-002", gateway=gateway), fleets.facility("kcl-bg-003")]
    inventory = fleets.complete(inventories.inventory(facilities=sites))
    secrets, site = fleets.secrets_of(inventory), inventory.facilities["kcl-bg-002"]
    files = fleets.files_of(desired_state(inventory, secrets))["relay-viettel-1"]
    relay = {f.path.rpartition("/")[2]: f.content for f in files if f.path in {WG_FILE, PSK_FILE, TRUST_FILE}}
    package = render_site(site_spec(inventory, secrets, site), fleets.templates(), fleets.VALID)
    golden_tree(f"changing-key-{system}", relay | {f"package/{file.path}": file.content for file in package})


def test_a_relay_in_the_middle_of_a_change_of_its_own_key_is_as_the_golden_tree(golden_tree: Golden) -> None:
    """With a site that has a backup relay, one that maps addresses and one that pushes; and a hub reads."""
    relays = [inventories.relay("relay-viettel-1", 11), inventories.relay("relay-viettel-2", 12)]
    carrier = inventories.carrier(relays=relays, publishers={})
    backed = inventories.facility()["plan"] | {"backup_relay": "relay-viettel-2"}
    sites = [fleets.facility(plan=backed), fleets.of_mode("pull_nat_map", "kcl-bg-002"), fleets.pushing("kcl-bg-003")]
    centres = [inventories.centre(hub={"address": "203.0.113.31"})]
    usual = fleets.complete(inventories.inventory(carriers=[carrier], centres=centres, facilities=sites))
    following = NextRelayKey(
        public_key=inventories.public_key("the relay's next key"),
        port=51999,
        since=date(2021, 6, 1),
        stage=OwnKeyStage.MOVING,
    )
    lock = with_own_next_key(usual.allocations, "relay-viettel-1", following)
    inventory = inventories.with_lock(usual, lock)
    named = (NFT_FILE, WG_FILE, TUNNEL_FILE, TRUST_FILE)
    files = {
        f"{host}/{file.path.rpartition('/')[2]}": file.content
        for host, of in fleets.files_of(fleets.state_of(inventory)).items()
        for file in of
        if file.path in (named if host == "relay-viettel-1" else (WG_FILE,))
    }
    golden_tree(
        "changing-relay-key",
        files
        | {f"package/{name}": content for name, content in site_of(inventory, "kcl-bg-001").items() if "peers" in name},
    )


def asked_scenario() -> tuple[bytes, dict[str, bytes]]:
    """A recorder and a camera beside it that are asked about themselves: the relay's rules, and the site's package."""
    onvif = {"port": 8000, "model": "NVR-8", "serial": "EXAMPLE0001"}
    site = fleets.facility(
        "kcl-bg-002",
        recorders=[inventories.recorder(onvif=onvif)],
        cameras=[
            inventories.channel("cam-01", 1),
            inventories.camera("cam-02", onvif={}),
            inventories.camera("cam-03", 12),
        ],
    )
    inventory = fleets.complete(inventories.inventory(facilities=[fleets.facility(), site]))
    secrets = fleets.secrets_of(inventory)
    files = fleets.files_of(desired_state(inventory, secrets))["relay-viettel-1"]
    rules = next(file.content for file in files if file.path == NFT_FILE)
    package = render_site(
        site_spec(inventory, secrets, inventory.facilities["kcl-bg-002"]), fleets.templates(), fleets.VALID
    )
    return rules, {file.path: file.content for file in package}


def test_what_is_asked_by_onvif_is_a_port_map_and_a_rule_for_the_probe(golden_tree: Golden) -> None:
    rules, package = asked_scenario()
    golden_tree("asked-by-onvif", {"provisioner.nft": rules, "provisioner-site.nft": package["provisioner-site.nft"]})


def ipv6_scenario() -> dict[str, bytes]:
    """A carrier that is managed over both families, a relay at an IPv6 address, one that sites know by a name."""
    carrier = inventories.carrier(
        management_networks=["2001:DB8:0:7::/64", "198.51.100.0/27"],
        relays=[
            inventories.relay("relay-viettel-1", 11, address="2001:db8::11"),
            inventories.relay(
                "relay-viettel-2", 12, endpoint="relay-2.example.com", endpoint_address="2001:db8:0:1::12"
            ),
        ],
    )
    plan = {"state": "agreed", "carrier": "viettel", "relay": "relay-viettel-2"}
    sites = [fleets.facility(), fleets.facility("kcl-bg-002", plan=plan)]
    centre = inventories.centre(address="2001:db8::31")
    inventory = fleets.complete(inventories.inventory(carriers=[carrier], centres=[centre], facilities=sites))
    secrets = fleets.secrets_of(inventory)
    shown = (NFT_FILE, WG_FILE, TRUST_FILE)
    hosts = fleets.files_of(desired_state(inventory, secrets))
    tree = {f"{host}{f.path}": f.content for host, files in hosts.items() for f in files if f.path in shown}
    for name, facility in inventory.facilities.items():
        package = render_site(site_spec(inventory, secrets, facility), fleets.templates(), fleets.VALID)
        tree |= {f"site-{name}/{f.path}": f.content for f in package if not f.secret}
    return tree


def shared_scenario() -> dict[str, bytes]:
    """One centre with the sides of two inventories, each of which has one carrier: the trees lie beside each other."""
    tree: dict[str, bytes] = {}
    for number, carrier in enumerate(("viettel", "vnpt")):
        pools = {"centres": f"10.9{number}.0.0/24", "carriers": {carrier: f"10.10{number}.0.0/16"}}
        centre = inventories.centre(shared=True, management_networks=["2001:db8:0:7::/64"] if number else [])
        plain = inventories.inventory(
            settings=inventories.settings(id=f"{carrier}-centres", pools=pools),
            carriers=[inventories.carrier(carrier, management_networks=[f"198.51.100.{32 * number}/27"])],
            designations=[inventories.designation("bac-giang", carrier)],
            centres=[centre],
            facilities=[],
        )
        files = fleets.files_of(fleets.state_of(plain))["centre"]
        assert not {f.path for f in files} & {f"/{path}" for path in tree}
        tree |= {f.path.lstrip("/"): f.content for f in files if not f.path.endswith("/provisioner-host")}
    return tree


def encrypted_scenario() -> dict[str, bytes]:
    """Two carriers whose readers come encrypted, one leaving a choice, and a centre that is a hub over both."""
    viewer = {"id": "dic-bac-giang", "reads": ["bac-giang"], "networks": ["192.0.2.0/27"]}
    carriers = [
        inventories.carrier(reader_tls={"encryption": "optional"}),
        inventories.carrier("vnpt", 12, reader_tls={"encryption": "strict"}),
    ]
    centre = inventories.centre(hub={"address": "203.0.113.31"}, viewers=[viewer])
    hosts = fleets.files_of(
        fleets.state_of(inventories.inventory(carriers=carriers, centres=[centre], facilities=[fleets.facility()]))
    )
    shown = {NFT_FILE, "/etc/systemd/system/provisioner-mediamtx.service"}
    tree = {f"{host}{f.path}": f.content for host, files in hosts.items() for f in files if f.path in shown}
    for host, files in hosts.items():
        text = next(f.content.decode() for f in files if f.path == MEDIAMTX_FILE)
        # Keys, and so fingerprints and the sentinel, are other ones in each process.
        tree[f"{host}{MEDIAMTX_FILE}"] = re.sub(r"[0-9a-f]{64}|(?<=cfg/)[0-9a-f]{12}", "…", text).encode()
    return tree


def test_a_relay_file_is_yaml_that_says_what_was_desired() -> None:
    state = fleets.state_of(inventories.inventory(facilities=[fleets.facility()]))
    spec = state.hosts["relay-viettel-1"]
    files = {file.path: file for file in render_host(spec, fleets.templates())}
    document = yaml.safe_load(files[MEDIAMTX_FILE].content)
    sources = {name: path["source"] for name, path in document["paths"].items() if not name.startswith("cfg/")}
    assert sources == {path.name: source_url(path.pulled) for path in spec.paths}
    for protocol in ("hls", "webrtc", "rtmp", "srt", "moq", "playback", "metrics", "pprof"):
        assert document[protocol] is False
    assert {user["user"] for user in document["authInternalUsers"]} == {"api", "probe", "centre-centre"}
    assert files[MEDIAMTX_FILE].mode == 0o640
    assert files[MEDIAMTX_FILE].secret


def test_nobody_may_publish_and_no_file_but_the_psk_file_holds_a_psk() -> None:
    state = fleets.state_of(inventories.inventory(facilities=[fleets.facility()]))
    for spec in state.hosts.values():
        for file in render_host(spec, fleets.templates()):
            assert b'publish"' not in file.content or b'"action": "publish"' not in file.content
            for peer in spec.tunnel.peers:
                assert (peer.psk.reveal().encode() in file.content) == file.path.endswith("wg-prov.psk")


def test_a_template_that_asks_for_a_value_it_does_not_get_is_a_render_error() -> None:
    state = fleets.state_of(inventories.inventory(facilities=[fleets.facility()]))
    texts = dict(fleets.templates().texts)
    texts["wireguard/wg-prov.conf.j2"] += "{{ colour | wg }}\n"
    with pytest.raises(RenderError, match=r"wireguard/wg-prov\.conf\.j2 asks for a value .*'colour' is undefined"):
        render_host(state.hosts["centre"], Templates(texts, fleets.templates().host_sources))


def test_the_host_program_is_the_same_bytes_every_time() -> None:
    one, other = load_templates.__wrapped__(), load_templates.__wrapped__()
    assert one.host_program == other.host_program
    assert one.digest == other.digest


def second_port_scenario() -> dict[str, bytes]:
    """A site whose line passes 443/udp alone, over two relays, one of which is known by a name; each kind of router."""
    ports = {"further_wireguard_ports": [443, 53]}
    by_name = {"endpoint": "relay-2.example.com", "endpoint_address": "2001:db8:0:1::12"}
    relays = [inventories.relay("relay-viettel-1", 11, **ports)]
    relays.append(inventories.relay("relay-viettel-2", 12, wireguard_port=443, **by_name))
    plan = {"state": "agreed", "carrier": "viettel", "relay": "relay-viettel-1", "backup_relay": "relay-viettel-2"}
    sites = [fleets.facility()]
    for number, system in enumerate(("linux", "routeros", "openwrt"), 2):
        name = f"kcl-bg-{number:03}"
        gateway = inventories.facility(name)["gateway"] | {"system": system, "relay_port": 443}
        sites.append(fleets.facility(name, 1, plan=plan, gateway=gateway))
    inventory = fleets.complete(inventories.inventory(carriers=[inventories.carrier(relays=relays)], facilities=sites))
    hosts = fleets.files_of(fleets.state_of(inventory))
    shown = (NFT_FILE, TRUST_FILE)
    tree = {f"{host}{f.path}": f.content for host, files in hosts.items() for f in files if f.path in shown}
    for name in list(inventory.facilities)[1:]:
        tree |= {f"site-{name}/{path}": content for path, content in site_of(inventory, name).items()}
    return tree


SCENARIOS = {
    "over-ipv6": ipv6_scenario,
    "shared-centre": shared_scenario,
    "encrypted-readers": encrypted_scenario,
    "second-port": second_port_scenario,
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_is_as_the_golden_tree(golden_tree: Golden, name: str) -> None:
    golden_tree(name, SCENARIOS[name]())
