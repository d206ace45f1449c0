"""Site packages of routers that are no Linux hosts: their scripts hold what is meant, as far as can be tried here."""

import hashlib
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from provisioner.base.errors import RenderError
from provisioner.base.secret import Secret
from provisioner.desired.render.site import SitePackage, render_closed_site, render_site
from provisioner.desired.sites import package_digest, site_spec
from provisioner.desired.spec import SiteSpec
from provisioner.inventory.model.facility import GatewaySystem
from provisioner.inventory.model.inventory import Inventory
from tests import fleets, inventories
from tests.hostile import MERGE_REQUEST

SITE = "kcl-bg-001"
PSK = re.compile(r"[A-Za-z0-9+/]{43}=")


def inventory(system: str, **relay: str) -> Inventory:
    gateway = inventories.facility(SITE)["gateway"] | {"system": system}
    carrier = inventories.carrier(relays=[inventories.relay("relay-viettel-1", 11, **relay)])
    site = fleets.facility(SITE, 2, gateway=gateway)
    return fleets.complete(inventories.inventory(carriers=[carrier], facilities=[site]))


def spec_of(system: str, **relay: str) -> SiteSpec:
    whole = inventory(system, **relay)
    return site_spec(whole, fleets.secrets_of(whole), whole.facilities[SITE])


def package(system: str, **relay: str) -> dict[str, str]:
    return {
        file.path: file.content.decode()
        for file in render_site(spec_of(system, **relay), fleets.templates(), fleets.valid_now())
    }


# --- OpenWrt: run with the router's own programs played ------------------------------------------
# Its settings are lines of section, option and value; the type of a section has no option, and a list a "+" before it.
_UCI = r"""#!/bin/sh
[ "$1" = -q ] && shift
verb=$1 rest=$2 exec awk -F '\t' '
BEGIN {
	verb = ENVIRON["verb"]; rest = ENVIRON["rest"]
	at = index(rest, "="); key = at ? substr(rest, 1, at - 1) : rest; value = substr(rest, at + 1)
	split(key, part, "."); section = part[1] "." part[2]; option = part[3]
	fails = verb !~ /^(show|commit)$/; file = ARGV[1]
}
verb == "show" && index($1, rest ".") == 1 { print $1 ($2 == "" ? "=" $3 : "." $2 "=\047" $3 "\047") }
verb == "get" && $1 == section && $2 == option { print $3; fails = 0 }
$1 == section && (verb == "set" && option || verb ~ /^(delete|add_list)$/) { fails = 0 }
$1 == section && (verb == "delete" || verb == "set" && $2 == option) { next }
{ row[++rows] = $0 }
END {
	if (verb == "set" && option == "") fails = 0
	if (fails) exit 1
	if (verb ~ /^(set|add_list)$/) row[++rows] = section "\t" (verb == "set" ? "" : "+") option "\t" value
	printf "" > file
	for (at = 1; at <= rows; at++) print row[at] > file
}' "$UCI_STATE"
"""
_WG = """#!/bin/sh
case $1 in genkey) echo KEY-OF-THE-ROUTER ;; pubkey) read key; echo "public of $key" ;; *) exit 1 ;; esac
"""


class Router:
    """An OpenWrt router: its programs as stubs, its settings in a file, run as root in a user namespace of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.state = folder, folder / "uci"
        self.state.write_text("network.lan\t\tinterface\nnetwork.lan\tdevice\tbr-lan\nfirewall.mine\t\tzone\n")
        programs = folder / "bin"
        programs.mkdir()
        for name, text in {"uci": _UCI, "wg": _WG, "id": "#!/bin/sh\necho 0\n"}.items():
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)

    def run(self, script: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a script of a package, its folders of the router's inside ours."""
        place = self.folder / "package"
        text = (place / script).read_text()
        text = text.replace("/etc/provisioner-site", str(self.folder / "etc")).replace("/etc/init.d/", "true ")
        (place / script).write_text(text)
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        environment = {"PATH": path, "UCI_STATE": str(self.state)}
        return subprocess.run(
            ["sh", str(place / script), *words],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )

    def take(self, files: dict[str, str]) -> None:
        """Put a package there."""
        shutil.rmtree(self.folder / "package", ignore_errors=True)
        for name, text in files.items():
            path = self.folder / "package" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    @property
    def settings(self) -> dict[str, dict[str, Any]]:
        told: dict[str, dict[str, Any]] = {}
        for section, option, value in (line.split("\t") for line in self.state.read_text().splitlines()):
            options = told.setdefault(section, {})
            if option.startswith("+"):
                options.setdefault(option[1:], []).append(value)
            else:
                options[option] = value
        return told


@pytest.fixture
def router(tmp_path: Path) -> Router:
    return Router(tmp_path)


def test_openwrt_gets_its_tunnel_and_one_redirect_a_device(router: Router) -> None:
    files = package("openwrt")
    router.take(files)
    done = router.run("install.sh")
    assert (done.returncode, done.stdout) == (0, "public of KEY-OF-THE-ROUTER\n"), done.stderr
    told = router.settings
    spec = spec_of("openwrt")
    (link,) = spec.links
    assert told["network.prov_wg"]["addresses"] == [f"{link.address}/32"]
    peer = told["network.prov_peer_1"]
    assert peer["preshared_key"] == link.psk.reveal()
    assert (peer["endpoint_host"], peer["allowed_ips"]) == ("203.0.113.11", [f"{link.relay_address}/32"])
    redirects = [one for one in told.values() if one[""] == "redirect"]
    assert {(r["src_dport"], r["dest_ip"], r["dest_port"]) for r in redirects} == {
        (str(port), str(address), str(own)) for _, port, address, own in spec.devices.listed
    }
    assert {(r["src_ip"], r["src_dip"], r["src"], r["dest"]) for r in redirects} == {
        (str(link.relay_address), str(link.address), "prov", "lan")
    }
    zone = told["firewall.prov_zone"]
    assert (zone["input"], zone["forward"]) == ("REJECT", "REJECT"), "nothing else comes in"


def test_openwrt_run_again_changes_nothing_and_keeps_the_key_and_what_is_not_ours(router: Router) -> None:
    router.take(package("openwrt"))
    assert router.run("install.sh").returncode == 0
    first, key = router.settings, (router.folder / "etc" / "wg.key").read_text()
    (router.folder / "bin" / "wg").write_text(_WG.replace("KEY-OF-THE-ROUTER", "ANOTHER"))
    assert router.run("install.sh").returncode == 0
    assert (router.settings, (router.folder / "etc" / "wg.key").read_text()) == (first, key)
    assert "firewall.mine" in first
    assert stat.S_IMODE((router.folder / "etc").stat().st_mode) == 0o700


def test_openwrt_with_another_lan_is_refused_and_unchanged(router: Router) -> None:
    router.state.write_text("network.lan\t\tinterface\nnetwork.lan\tdevice\tbr0\n")
    before = router.settings
    router.take(package("openwrt"))
    done = router.run("install.sh")
    assert done.returncode == 1
    assert "the network lan of this router is not br-lan: nothing was changed" in done.stderr
    assert router.settings == before


def closed(system: GatewaySystem) -> SitePackage:
    return render_closed_site(SITE, fleets.templates(), system)


def test_openwrt_of_a_closed_site_loses_all_of_ours_and_nothing_else(router: Router) -> None:
    before = router.settings
    router.take(package("openwrt"))
    assert router.run("install.sh").returncode == 0
    router.take({file.path: file.content.decode() for file in closed(GatewaySystem.OPENWRT).files})
    done = router.run("install.sh")
    assert done.returncode == 0, done.stderr
    assert router.settings == before
    assert not (router.folder / "etc").exists()
    assert router.run("install.sh").returncode == 0, "safe to run again"


def test_openwrt_of_another_facility_is_not_taken_down(router: Router) -> None:
    router.take(package("openwrt"))
    assert router.run("install.sh").returncode == 0
    (router.folder / "etc" / "facility").write_text("kcl-bg-009\n")
    router.take({file.path: file.content.decode() for file in closed(GatewaySystem.OPENWRT).files})
    done = router.run("install.sh")
    assert done.returncode == 1
    assert "set up for kcl-bg-009, not for kcl-bg-001: nothing was changed" in done.stderr
    assert "network.prov_wg" in router.settings


# --- RouterOS: read as its console reads it ------------------------------------------------------
_MENUS = {
    "/interface wireguard": {"add", "set", "remove"},
    "/interface wireguard peers": {"add", "set", "remove"},
    "/ip address": {"add", "remove"},
    "/ip route": {"add", "remove"},
    "/ip firewall nat": {"add", "remove"},
    "/ip firewall filter": {"add", "remove"},
    "/ip firewall mangle": {"add", "remove"},
    "/system scheduler": {"add", "remove"},
}
_COMMAND = re.compile(r"(/[a-z]+(?: [a-z]+)*?) (add|set|remove|get|find)\b([^\n]*)")
_VALUE = re.compile(r"""([a-z-]+)=("(?:[^"\\]|\\.)*"|\[[^\]]*\]|[^\s\]]+)""")


def balanced(text: str) -> bool:
    """Whether brackets close in order, outside of texts and comments."""
    stack: list[str] = []
    for line in text.splitlines():
        rest = "" if line.startswith("#") else re.sub(r'"(?:[^"\\]|\\.)*"', '""', line)
        assert '"' not in rest.replace('""', ""), line
        for letter in rest:
            if letter in "([{":
                stack.append(letter)
            elif letter in ")]}" and (not stack or "([{".index(stack.pop()) != ")]}".index(letter)):
                return False
    return not stack


def commands(text: str) -> Iterator[tuple[str, str, dict[str, str]]]:
    """The commands at the beginning of lines, or inside braces: menu, verb, values."""
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        # Of a condition what is done where it holds.
        done = line.partition("do={ ")[2] if line.startswith(":if") else line
        for menu, verb, rest in _COMMAND.findall(re.sub(r"on-event=\"(?:[^\"\\]|\\.)*\"", "", done)):
            if verb in {"add", "set", "remove"}:
                yield menu, verb, {k: v.strip('"') for k, v in _VALUE.findall(rest)}


@pytest.mark.parametrize("relay", [{}, {"endpoint": "relay.example.com", "endpoint_address": "203.0.113.11"}])
def test_routeros_closes_its_brackets_and_uses_menus_that_are_there(relay: dict[str, str]) -> None:
    text = package("routeros", **relay)["site.rsc"]
    assert balanced(text)
    used = {(menu, verb) for menu, verb, _ in commands(text)}
    assert used
    assert all(verb in _MENUS[menu] for menu, verb in used), used
    assert ("provisioner-names" in re.findall(r'add name="([^"]+)" interval', text)) == bool(relay)


def test_routeros_leads_each_port_to_its_device_and_drops_the_rest() -> None:
    spec = spec_of("routeros")
    (link,) = spec.links
    listed = list(commands(package("routeros")["site.rsc"]))
    maps = [v for menu, verb, v in listed if menu == "/ip firewall nat" and v.get("action") == "dst-nat"]
    assert {(v["dst-port"], v["to-addresses"], v["to-ports"]) for v in maps} == {
        (str(port), str(address), str(own)) for _, port, address, own in spec.devices.listed
    }
    assert {(v["src-address"], v["dst-address"]) for v in maps} == {(str(link.relay_address), str(link.address))}
    rules = [v for menu, verb, v in listed if menu == "/ip firewall filter" and verb == "add"]
    # Each stands before the one written before it: so the order that the router goes by is the other way round.
    order = [(v["chain"], v["action"]) for v in rules if "place-before" in v][::-1]
    assert order.index(("input", "accept")) < order.index(("input", "reject")) < order.index(("input", "drop"))
    assert order.index(("forward", "accept")) < order.index(("forward", "drop"))
    assert all(v["comment"] == "provisioner" for v in rules), "what is ours is known by its comment"


def test_routeros_takes_down_what_the_package_made() -> None:
    (file,) = (one for one in closed(GatewaySystem.ROUTEROS).files if one.path.endswith(".rsc"))
    text = file.content.decode()
    assert balanced(text)
    made = {menu for menu, verb, _ in commands(package("routeros")["site.rsc"]) if verb == "add"}
    gone = {menu for menu, verb, _ in commands(text) if verb == "remove"}
    assert made <= gone
    assert closed(GatewaySystem.ROUTEROS).installed_by == "import take-down.rsc of it"


@MERGE_REQUEST
@pytest.mark.parametrize("bad", ['A" ; /system reset-configuration', "$(reboot)", "a\nb", "a;b", "a]b", "a\\b"])
def test_no_value_becomes_a_command_of_the_router(bad: str) -> None:
    spec = spec_of("routeros")
    (link,) = spec.links
    with pytest.raises(RenderError):
        render_site(replace(spec, links=(replace(link, psk=Secret(bad)),)), fleets.templates(), fleets.VALID)
    with pytest.raises(RenderError):
        render_site(replace(spec, lan_interface=bad), fleets.templates(), fleets.VALID)


# --- all kinds ------------------------------------------------------------------------------------
class _Texts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.languages: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "article":
            self.languages.append(str(dict(attrs)["lang"]))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("system", list(GatewaySystem))
def test_the_sheet_has_both_languages_every_device_and_no_secret(system: GatewaySystem) -> None:
    spec = spec_of(system)
    sheet = _Texts()
    sheet.feed(package(system)["setup.html"])
    assert sheet.languages == ["en", "vi"]
    for device, port, address, _ in spec.devices.listed:
        for word in (device, str(port), str(address)):
            assert sheet.text.count(word) >= 2, word
    assert spec.links[0].psk.reveal() not in sheet.text
    assert not PSK.search(sheet.text), "no key at all"


@pytest.mark.parametrize("system", list(GatewaySystem))
def test_the_checksums_are_those_of_all_other_files(system: GatewaySystem) -> None:
    files = render_site(spec_of(system), fleets.templates(), fleets.valid_now())
    lines = [line.split("  ") for line in package(system)["SHA256SUMS"].splitlines()]
    sums = {name: digest for digest, name in lines}
    assert sums == {f.path: hashlib.sha256(f.content).hexdigest() for f in files if f.path != "SHA256SUMS"}
    assert [file.path for file in files] == sorted(file.path for file in files)
    for file in files:
        if spec_of(system).links[0].psk.reveal().encode() in file.content:
            assert (file.secret, file.mode) == (True, 0o600), file.path


def test_a_router_of_another_kind_needs_a_new_package_and_linux_ones_keep_theirs() -> None:
    digests = {
        system: package_digest(inventory(system), inventory(system).facilities[SITE]) for system in GatewaySystem
    }
    assert len(set(digests.values())) == len(GatewaySystem)
    plain = fleets.complete(inventories.inventory(facilities=[fleets.facility(SITE, 2)]))
    assert digests[GatewaySystem.LINUX] == package_digest(plain, plain.facilities[SITE])


# --- any other router with WireGuard ---------------------------------------------------------------
def settings_of(conf: str) -> list[tuple[str, str]]:
    """The settings of a WireGuard file, by section and name."""
    found, section = [], ""
    for line in conf.splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            name, value = line.split(" = ", 1)
            found.append((f"{section}.{name}", value))
    return found


def test_a_wireguard_file_has_the_tunnel_and_no_private_key() -> None:
    spec = spec_of("wireguard")
    (link,) = spec.links
    files = package("wireguard")
    assert set(files) == {"SHA256SUMS", "manifest.yml", "setup.html", "wg-prov.conf"}
    assert settings_of(files["wg-prov.conf"]) == [
        ("Interface.Address", f"{link.address}/32"),
        ("Interface.MTU", str(spec.mtu)),
        ("Peer.PublicKey", link.relay_public_key),
        ("Peer.PresharedKey", link.psk.reveal()),
        ("Peer.AllowedIPs", f"{link.relay_address}/32"),
        ("Peer.Endpoint", "203.0.113.11:51820"),
        ("Peer.PersistentKeepalive", "25"),
    ]
    assert "PrivateKey" not in files["wg-prov.conf"], "it is born on the router"


def test_wg_quick_reads_the_file(tmp_path: Path) -> None:
    file = tmp_path / "wg-prov.conf"
    file.write_text(package("wireguard")["wg-prov.conf"])
    file.chmod(0o600)
    done = subprocess.run(["wg-quick", "strip", str(file)], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
    kept = {line for line in done.stdout.splitlines() if " = " in line}
    asked = {f"{name.partition('.')[2]} = {value}" for name, value in settings_of(file.read_text())}
    assert asked - kept == {line for line in asked if line.startswith(("Address", "MTU"))}, "wg-quick sets these itself"


def test_the_sheet_of_a_wireguard_router_says_what_is_set_by_hand() -> None:
    spec = spec_of("wireguard")
    (link,) = spec.links
    english, vietnamese = package("wireguard")["setup.html"].split('<article lang="vi">')
    for page in (english, vietnamese):
        for device, port, address, own in spec.devices.listed:
            assert re.search(rf">{port} [^<]*<code>{device}</code> {address} {own}<", page), device
        for value in (f"{link.address}/32", str(spec.mtu), f"{link.relay_address}/32", str(link.relay_endpoint[0])):
            assert f"<code>{value}</code>" in page
        assert "masquerade" in page
    assert "never the private one" in english
    assert "không bao giờ gửi khóa riêng" in vietnamese


def test_a_wireguard_router_that_changes_its_key_gets_the_next_pre_shared_key_for_a_tunnel_beside() -> None:
    gateway = inventories.facility(SITE)["gateway"] | {"system": "wireguard", "next_key": {"since": "2021-06-01"}}
    whole = fleets.complete(inventories.inventory(facilities=[fleets.facility(SITE, 2, gateway=gateway)]))
    spec = site_spec(whole, fleets.secrets_of(whole), whole.facilities[SITE])
    files = {file.path: file for file in render_site(spec, fleets.templates(), fleets.VALID)}
    assert set(files) == {"SHA256SUMS", "manifest.yml", "setup.html", "next-key.conf"}
    assert spec.links[0].psk.reveal() != spec_of("wireguard").links[0].psk.reveal()
    assert ("Peer.PresharedKey", spec.links[0].psk.reveal()) in settings_of(files["next-key.conf"].content.decode())
    assert "next-key.conf" in files["setup.html"].content.decode()


def test_a_wireguard_router_is_taken_down_by_hand() -> None:
    package = closed(GatewaySystem.WIREGUARD)
    assert [file.path for file in package.files] == ["SHA256SUMS", "manifest.yml", "take-down.html"]
    assert (package.installed_by, package.is_sheet) == ("follow take-down.html of it", False)


@pytest.mark.parametrize("system", list(GatewaySystem))
def test_a_package_says_whose_it_is_for_which_gateway_and_until_when(system: GatewaySystem) -> None:
    files = {file.path: file.content for file in render_site(spec_of(system), fleets.templates(), fleets.VALID)}
    assert yaml.safe_load(files["manifest.yml"]) == {
        "facility": SITE,
        "does": "install",
        "system": system.value,
        "relays": ["relay-viettel-1"],
        "made_on": "2021-06-12",
        "valid_until": "2021-07-12",
    }
    assert "Valid until the end of 2021-07-12" in files["setup.html"].decode()
    assert "Có hiệu lực đến hết ngày 12/07/2021" in files["setup.html"].decode()


@pytest.mark.parametrize("system", list(GatewaySystem))
def test_the_checksums_are_ones_that_sha256sum_of_a_router_takes(tmp_path: Path, system: GatewaySystem) -> None:
    for file in closed(system).files:
        (tmp_path / file.path).write_bytes(file.content)
    command = ["sha256sum", "-c", "--strict", "SHA256SUMS"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=30)
    assert (done.returncode, done.stderr) == (0, ""), "no line that is not a sum: that of OpenWrt takes it for a fault"
