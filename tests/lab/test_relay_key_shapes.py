"""A relay's own key is changed where a site maps addresses, pushes or has a backup relay, and where a hub reads."""

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_network
from typing import Any

import pytest

from provisioner.cli.support.context import today
from provisioner.desired.spec import RTSPS_PORT
from provisioner.inventory.files.edit import Flow, edited
from provisioner.operations.pipeline.session import Session
from tests import inventories

from . import one_carrier, test_access, test_publish
from .deployment import Deployment, patient
from .held_readers import HeldReaders
from .patience import stretched
from .test_backup_relay import backed  # noqa: F401 (the fixture)
from .test_key_change import RELAY_SITES, SITE, longest, subs_of
from .test_relay_key import LONGEST_GAP, RELAY, installed, noted, port_beside, tunnels_of  # noqa: F401 (the fixture)
from .test_verify import all_up, verified
from .topology import CENTRE, GATEWAYS, Gateway, Network

pytestmark = [pytest.mark.lab, pytest.mark.destructive, pytest.mark.soak]
_ALLOWED = ("--allow", "trust=9", "--allow", "viewers=99", "--allow", "all_impact=9")


def changed_key(
    deployment: Deployment, relay: str, gateways: Sequence[Gateway], held: Sequence[tuple[str, HeldReaders]]
) -> None:
    """Change a relay's key with the technicians' part at some sites, under readers that see no long gap."""
    rotate = ("keys", "rotate", "--relay", relay)
    before = _tunnel_of(deployment, relay)
    port = str(port_beside(before))
    gaps: dict[str, list[float]] = {name: [] for name, _ in held}

    def step(what: Any) -> Any:
        for _, readers in held:
            readers.__enter__()
        try:
            done = what()
            time.sleep(stretched(3))
            for name, readers in held:
                gaps[name].append(longest(readers.finish()))
        finally:
            for _, readers in held:
                readers.__exit__(None, None, None)
        return done

    begun = step(lambda: deployment.document(*rotate, "--port", port, "--yes"))
    assert (begun["stage"], begun["answers"]) == ("moving", True), begun
    assert sorted(one for one in begun["waiting"] if one.startswith("site/")) == sorted(
        f"site/{gateway.facility}" for gateway in gateways
    )
    step(lambda: installed(deployment, gateways))
    assert deployment.run("drift", check=False).returncode == 0
    done = step(lambda: deployment.document(*rotate, "--finish", "--yes"))
    assert done["over"], done
    assert _tunnel_of(deployment, relay) == (begun["next_key"], port)
    assert deployment.run("drift", check=False).returncode == 0
    print(*(f"{name}: {', '.join(f'{gap:.2f}' for gap in of)} s" for name, of in gaps.items()), sep="; ")  # noqa: T201
    assert max(gap for of in gaps.values() for gap in of) < stretched(LONGEST_GAP), gaps


def _tunnel_of(deployment: Deployment, relay: str) -> tuple[str, str]:
    machine = one_carrier.BOX.name if relay == one_carrier.NEW else relay
    key = deployment.lab.exec(machine, ["wg", "show", "wg-prov", "public-key"]).stdout.strip()
    return key, deployment.lab.exec(machine, ["wg", "show", "wg-prov", "listen-port"]).stdout.strip()


@contextmanager
def of_access(deployment: Deployment, access: str) -> Iterator[None]:
    """The deployment with one site of another access mode, noted; then with its usual one, as it is by then."""
    site = test_access.SITE

    def plan(mode: str) -> None:
        deployment.run("facility", "plan", site.facility, "--access", mode)
        inventories.sign_file(deployment.facility_file(site.facility))
        deployment.run("allocate")
        deployment.run("keys", "init")

    def apply(what: str) -> None:
        deployment.document("apply", "--yes", *_ALLOWED, *patient(90))
        deployment.commit(what)
        assert all_up(verified(deployment, *test_access.OF_CARRIER, until=all_up, tries=12))

    plan(access)
    if access == "publish":
        test_publish.put(deployment)
    else:
        test_access.install(deployment)
    apply(f"a site by {access}")
    try:
        yield
    finally:
        deployment.commit("the relay's key was changed")
        plan("pull_portmap")
        if access == "publish":
            deployment.lab.exec(site.name, ["sh", "/root/site-package/install.sh", "--remove"])
        test_access.install(deployment)
        apply("all sites by one address")


def test_a_site_that_maps_addresses_goes_along(noted: Deployment) -> None:  # noqa: F811
    with of_access(noted, "pull_nat_map"):
        held = [("all sites", HeldReaders(noted, RELAY, subs_of(RELAY_SITES)))]
        changed_key(noted, RELAY, RELAY_SITES, held)
        assert all_up(verified(noted, *test_access.OF_CARRIER, until=all_up, tries=6))


def test_nothing_happens_to_a_site_that_pushes(noted: Deployment) -> None:  # noqa: F811
    deployment, site = noted, test_access.SITE
    if not deployment.engine.is_real:
        pytest.skip("the stand-in takes nothing that is pushed")
    carrier = deployment.root / f"carriers/{site.carrier}.yml"
    carrier.write_bytes(edited(carrier.read_bytes(), {("publishers",): Flow()}))
    others = [gateway for gateway in RELAY_SITES if gateway is not site]
    with of_access(deployment, "publish"):
        since = _since(deployment)
        held = [
            ("pushed", HeldReaders(deployment, RELAY, subs_of([site]))),
            ("pulled", HeldReaders(deployment, RELAY, subs_of(others))),
        ]
        changed_key(deployment, RELAY, others, held)
        assert _since(deployment) == since, "nobody touched what pushes"
        assert all_up(verified(deployment, *test_access.OF_CARRIER, until=all_up, tries=6))


def _since(deployment: Deployment) -> str:
    """Since when the gateway's unit runs."""
    show = ["systemctl", "show", "-p", "ActiveEnterTimestamp", "--value", test_publish.UNIT]
    return deployment.lab.exec(test_access.SITE.name, show).stdout.strip()


def test_a_hub_that_reads_at_a_relay_reads_on(noted: Deployment) -> None:  # noqa: F811
    deployment = noted
    file = deployment.root / "centres" / f"{CENTRE.name}.yml"
    before = file.read_text(encoding="utf-8")
    (address,) = re.findall(r"(?m)^address: (\S+)$", before)
    network = ip_network(f"{address}/24", strict=False)
    viewers = f"viewers:\n  - id: dic\n    reads: [{SITE.province}]\n    networks: ['{network}']\n"
    file.write_text(f"{before}hub: {{ address: {address} }}\n{viewers}", encoding="utf-8")
    deployment.run("keys", "init")
    assert deployment.document("apply", "--yes", *_ALLOWED, *patient(90))["outcome"] == "applied"
    deployment.commit("a hub")
    session = Session(deployment.root, deployment.environment, today())
    password = session.secrets.hubs[CENTRE.name].viewers["dic"].reveal()
    seen = [gateway for gateway in RELAY_SITES if gateway.province == SITE.province]
    at_hub = HeldReaders(deployment, RELAY, subs_of(seen), encrypted=True)
    at_hub.order |= {"address": address, "port": RTSPS_PORT, "user": "viewer-dic", "password": password}
    try:
        changed_key(deployment, RELAY, RELAY_SITES, [("at the hub", at_hub)])
        assert all_up(verified(deployment, "--limit", f"host={RELAY}", until=all_up, tries=6))
    finally:
        deployment.commit("the relay's key was changed")
        file.write_text(before, encoding="utf-8")
        deployment.document("apply", "--yes", *_ALLOWED, "--allow", "deletions=99", *patient(90))
        deployment.commit("no hub")


def test_a_backup_relay_changes_its_key_and_the_first_relay_is_as_it_was(backed: Deployment) -> None:  # noqa: F811
    first = HeldReaders(backed, one_carrier.OLD, one_carrier.SUBS)
    second = HeldReaders(backed, one_carrier.NEW, one_carrier.SUBS)
    changed_key(backed, one_carrier.NEW, GATEWAYS, [("first relay", first), ("backup relay", second)])
    assert all_up(verified(backed, until=all_up, tries=12))
    # And it serves when the first one is gone: by the next key alone.
    with HeldReaders(backed, one_carrier.OLD, one_carrier.SUBS, then=one_carrier.NEW, silence=2.0) as readers:
        time.sleep(stretched(3))
        backed.lab.cut(one_carrier.OLD, Network.WAN)
        time.sleep(stretched(12))
        backed.lab.mend(one_carrier.OLD, Network.WAN)
        gone = readers.finish()
    assert all(reader.moved and not reader.end for reader in gone), gone
