"""A site whose line passes nothing but 443/udp: its gateway dials that port of the relay, and all is as elsewhere."""

import time
from collections.abc import Iterator

import pytest

from .deployment import Deployment
from .held_readers import HeldReaders
from .patience import stretched
from .test_key_change import longest, subs_of
from .test_verify import all_up, verified
from .topology import GATEWAYS, RELAYS, Network

pytestmark = [pytest.mark.lab, pytest.mark.destructive, pytest.mark.soak]
RELAY = next(relay for relay in RELAYS if relay.carrier == "viettel")
SITE, OTHER = [gateway for gateway in GATEWAYS if gateway.relay == RELAY.name][:2]
PORT = 443
LONGEST_GAP = 2.0  #: Seconds; what a gateway that comes from another port may keep a picture.
# As a hotel's line: out goes what is for one port, in comes what answers it.
_LINE = f"""
table inet line
delete table inet line
table inet line {{
	chain out {{
		type filter hook output priority 0; policy accept;
		oifname "eth0" udp dport {PORT} counter accept
		oifname "eth0" drop
	}}
	chain in {{
		type filter hook input priority 0; policy accept;
		iifname "eth0" udp sport {PORT} accept
		iifname "eth0" drop
	}}
}}
"""


@pytest.fixture
def narrow(deployment: Deployment) -> Iterator[Deployment]:
    """The deployment with one site behind such a line; its gateway has its usual package again afterwards."""
    assert deployment.lab.exec(SITE.name, ["nft", "-f", "-"], stdin=_LINE).returncode == 0
    yield deployment
    deployment.lab.exec(SITE.name, ["nft", "delete", "table", "inet", "line"])
    deployment.git("reset", "--quiet", "--hard")
    install(deployment)


def install(deployment: Deployment) -> None:
    """Hand the site's package out and install it."""
    folder = deployment.lab.directory / f"site-{time.monotonic_ns()}"
    deployment.run("site-package", SITE.facility, "--out", str(folder))
    deployment.lab.install_site_package(SITE.name, folder / SITE.facility)


def test_a_site_whose_line_passes_one_port_alone_is_connected_by_it(narrow: Deployment) -> None:
    lab, file = narrow.lab, narrow.facility_file(SITE.facility)
    own = ("--limit", f"facility={SITE.facility}")
    down = verified(narrow, *own, until=lambda one: one["summary"]["down"] > 0, tries=20)
    assert {incident["cause"] for incident in down["incidents"]} == {"tunnel down"}, down["incidents"]
    # A gateway cannot dial what its relay does not offer, and a relay can offer what nobody dials.
    narrow.substitute(file, r"(\n +)(lan: )", rf"\g<1>relay_port: {PORT}\g<1>\g<2>")
    assert f"dial port {PORT} of {RELAY.name}" in narrow.run("validate", check=False).stdout
    carrier = narrow.root / f"carriers/{RELAY.carrier}.yml"
    narrow.substitute(carrier, r"(\n +)(endpoint: )", rf"\g<1>further_wireguard_ports: [{PORT}]\g<1>\g<2>")
    plan = narrow.document("plan")
    usual = lab.exec(RELAY.name, ["wg", "show", "wg-prov", "listen-port"]).stdout.strip()
    reason = f"the port of the relay that its gateway dials {usual} → {PORT}"
    named = [(need["facility"], need["relay"], need["reason"]) for need in plan["site_packages"]]
    assert named == [(SITE.facility, RELAY.name, reason)]
    # The site's own paths are down as they were: what the gate holds a change to is what is up.
    assert narrow.document("apply", "--yes")["outcome"] == "applied"
    assert narrow.run("drift", check=False).returncode == 0
    install(narrow)
    assert all_up(verified(narrow, *own, until=all_up, tries=20))
    shown = lab.exec(SITE.name, ["wg", "show", "wg-prov", "endpoints"]).stdout
    assert shown.split()[1] == f"{lab.address(RELAY.name, Network.WAN)}:{PORT}"
    # The gateway comes from another port, as behind a carrier's address translation: the relay goes with it.
    with HeldReaders(narrow, RELAY.name, subs_of([SITE, OTHER])) as readers:
        lab.exec(SITE.name, ["wg", "set", "wg-prov", "listen-port", "47111"])
        time.sleep(stretched(4))
        gap = longest(readers.finish())
    print(f"the longest gap while a gateway at 443/udp came from another port: {gap:.2f} s")  # noqa: T201
    assert gap < stretched(LONGEST_GAP)
    answered = lab.exec(RELAY.name, ["wg", "show", "wg-prov", "endpoints"]).stdout
    assert f"{lab.address(SITE.name, Network.WAN)}:47111" in answered
    # The others go on by the first port, and what is loaded again cuts none of them.
    assert all_up(verified(narrow, "--limit", f"host={RELAY.name}", until=all_up, tries=6))
    assert narrow.document("plan")["site_packages"] == []
