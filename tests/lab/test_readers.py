"""Who reads, on real hosts: viewers of a province, encryption and its certificates, and what a change of them cuts."""

import re
import time
from ipaddress import ip_network

import pytest

from provisioner.cli.support.context import today
from provisioner.operations.pipeline.session import Session
from provisioner_host.look.rtsp_talk import Login
from tests.hostile import VIEWER
from tests.looks import read

from .deployment import Deployment
from .held_readers import HeldReaders
from .patience import stretched
from .test_rollout import host_in
from .test_verify import verified
from .topology import CENTRE, RELAYS

pytestmark = [pytest.mark.lab, pytest.mark.destructive]
RELAY, CARRIER = "relay-viettel-1", "viettel"
ONLY = ("--limit", f"carrier={CARRIER}")
ALLOWED = tuple(word for name in ("trust", "viewers", "all_impact") for word in ("--allow", f"{name}=50"))
OWN, OTHER = "bac-giang/kcl-bg-001/cam-01/sub", "hai-duong/kcl-hd-001/cam-01/sub"


def applied(deployment: Deployment) -> dict[str, object]:
    """Apply what is written, and what became of the relay."""
    found: dict[str, object] = host_in(deployment.document("apply", "--yes", *ONLY, *ALLOWED, codes=(0, 5)), RELAY)
    assert found["outcome"] == "applied", found
    return found


def is_up(document: dict[str, object]) -> bool:
    """Whether every path is up, proved at the centre."""
    paths = document["paths"]
    assert isinstance(paths, list)
    return {(path["verdict"], path["level"]) for path in paths} == {("up", 7)}


@pytest.mark.soak
@VIEWER
def test_a_viewer_reads_its_province_and_is_cut_within_five_seconds_once_it_goes(deployment: Deployment) -> None:
    file = deployment.root / "centres" / f"{CENTRE.name}.yml"
    before = file.read_text(encoding="utf-8")
    file.write_text(f"{before}viewers:\n  - id: dic-bac-giang\n    reads: [bac-giang]\n", encoding="utf-8")
    deployment.run("keys", "init")
    applied(deployment)
    verified(deployment, *ONLY, until=is_up)
    with HeldReaders(deployment, RELAY, [OWN, OTHER], viewer="dic-bac-giang") as readers:
        own, other = readers.finish()
    assert own.played_on
    assert (other.packets, other.end[:3]) == (0, "401")
    with (
        HeldReaders(deployment, RELAY, [OWN], viewer="dic-bac-giang") as gone,
        HeldReaders(deployment, RELAY, [OWN, OTHER]) as stay,
    ):
        file.write_text(before, encoding="utf-8")
        planned = deployment.document("plan", *ONLY, *ALLOWED)
        assert planned["viewers_by_path"] == {RELAY: {OWN: 1}}
        found = applied(deployment)
        ended = time.monotonic()
        (cut,) = gone.finish()
        assert time.monotonic() - ended < 5
        seen = stay.finish()
    assert "ended 1 session of viewer-dic-bac-giang, who may not read any more" in str(found["notes"])
    assert cut.packets > 0
    assert cut.end
    assert all(reader.played_on for reader in seen)


@pytest.mark.soak
def test_readers_come_encrypted_a_new_certificate_cuts_nobody_and_strict_shuts_the_other_port(
    deployment: Deployment,
) -> None:
    file = deployment.root / "carriers" / f"{CARRIER}.yml"
    before = file.read_text(encoding="utf-8")
    file.write_text(f"{before}reader_tls: {{ encryption: optional }}\n", encoding="utf-8")
    deployment.run("keys", "init")
    planned = deployment.document("plan", *ONLY, *ALLOWED)
    (change,) = [c for c in planned["changes"] if c["host"] == RELAY and c["name"].endswith("mediamtx.yml")]
    assert change["impact"] == "all"
    applied(deployment)
    found = verified(deployment, *ONLY, until=is_up)
    assert is_up(found), found
    with (
        HeldReaders(deployment, RELAY, [OWN, OTHER], encrypted=True) as encrypted,
        HeldReaders(deployment, RELAY, [OWN]) as plain,
    ):
        deployment.run("certificate", "renew", RELAY)
        (change,) = [c for c in deployment.document("plan", *ONLY)["changes"] if c["host"] == RELAY]
        assert (change["name"], change["impact"]) == ("/etc/provisioner/readers.pem", "hot")
        applied(deployment)
        assert all(reader.played_on for reader in (*encrypted.finish(), *plain.finish()))
    found = verified(deployment, *ONLY, until=is_up)
    assert is_up(found), found
    deployment.lab.exec(RELAY, ["sh", "-c", "cp -p /etc/provisioner/readers.pem /root/own.pem"])
    file.write_text(f"{before}reader_tls: {{ encryption: strict }}\n", encoding="utf-8")
    applied(deployment)
    found = verified(deployment, *ONLY, until=is_up)
    assert is_up(found), found
    with HeldReaders(deployment, RELAY, [OWN]) as plain:
        (refused,) = plain.finish()
    assert refused.packets == 0
    rights = deployment.lab.exec(RELAY, ["stat", "-c", "%a %U %G", "/etc/provisioner/readers.pem"]).stdout.strip()
    assert rights == "640 root mediamtx"
    # A step back to before there was encryption, and to what a kept state has of the key: the present one.
    back = host_in(deployment.document("rollback", RELAY, "--yes"), RELAY)
    assert back["outcome"] == "returned", back
    kept = deployment.lab.exec(RELAY, ["sh", "-c", "cmp /etc/provisioner/readers.pem /root/own.pem && echo same"])
    assert kept.stdout.strip() == "same"


@pytest.mark.soak
@VIEWER
def test_a_hub_offers_the_paths_of_all_carriers_on_demand_to_viewers_of_its_own(deployment: Deployment) -> None:
    file = deployment.root / "centres" / f"{CENTRE.name}.yml"
    before = file.read_text(encoding="utf-8")
    (address,) = re.findall(r"(?m)^address: (\S+)$", before)
    network = ip_network(f"{address}/24", strict=False)
    viewers = f"viewers:\n  - id: dic-bac-giang\n    reads: [bac-giang]\n    networks: ['{network}']\n"
    file.write_text(f"{before}hub: {{ address: {address} }}\n{viewers}", encoding="utf-8")
    deployment.run("keys", "init")
    everything = deployment.document("apply", "--yes", *ALLOWED)
    assert everything["outcome"] == "applied", everything
    found = verified(deployment, *ONLY, until=is_up)
    assert is_up(found), found
    session = Session(deployment.root, deployment.environment, today())
    hub = session.state.hosts[CENTRE.name].hub
    assert hub is not None
    assert {path.relay for path in hub.paths} == {relay.name for relay in RELAYS}
    password = session.secrets.hubs[CENTRE.name].viewers["dic-bac-giang"].reveal()
    login = Login(address, 8322, "viewer-dic-bac-giang", password, hub.tls.fingerprint)
    assert "codec" in (own := read(login, OWN, 30)), own
    assert read(login, OTHER, 30)["status"] == 401
    # Nobody reads any more: so the hub pulls nothing, after the ten seconds that it waits.
    time.sleep(stretched(12))
    held = deployment.lab.exec(
        CENTRE.name, ["sh", "-c", "ss -Htn state established dport = 8554 or dport = 8322"]
    ).stdout
    assert held.strip() == ""
    # Its ports are open to its viewers' networks alone.
    file.write_text(file.read_text(encoding="utf-8").replace(str(network), "192.0.2.0/27"), encoding="utf-8")
    everything = deployment.document("apply", "--yes", *ALLOWED)
    assert everything["outcome"] == "applied", everything
    shut = read(login, OWN, 8)
    assert "codec" not in shut
    assert shut["timed_out"], shut
