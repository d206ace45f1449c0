"""Revoked means gone, on real hosts: sessions of an old secret end, and no rollback brings back what an apply took."""

import json
from typing import Any

import pytest

from provisioner.base.secret import Secret, mediamtx_hash
from provisioner.cli.support.context import today
from provisioner.inventory.loader.secrets import write_carrier_secrets
from provisioner.operations.pipeline.session import Session
from tests.hostile import GATEWAY, LOCAL_USER, VIEWER

from .deployment import Deployment
from .held_readers import HeldReaders
from .test_rollout import host_in
from .test_verify import verified
from .topology import CENTRE, GATEWAYS

pytestmark = [pytest.mark.lab, pytest.mark.destructive]
RELAY, CARRIER, SITE = "relay-viettel-1", "viettel", "kcl-hd-001"
ONLY = ("--limit", f"host={RELAY}")
ALLOWED = ("--allow", "viewers=50", "--allow", "deletion_percent=100", "--allow", "deletions=50")
WATCHED = ["bac-giang/kcl-bg-001/cam-01/sub", "hai-duong/kcl-hd-001/cam-01/sub"]
# What is said of a run is no secret, and is kept: names stand there.
# Besides, a relay remembers for some days where a gateway was seen last: so one that opens again is up at once.
STATES = (
    "grep -rl --exclude-dir=receipts --exclude=tombstones.json --exclude=left-out.json --exclude=endpoints.json"
    " -e '{}' {} || true"
)
PLACES = "/etc/provisioner /var/lib/provisioner /run/provisioner"


def session_of(deployment: Deployment) -> Session:
    return Session(deployment.root, deployment.environment, today())


def new_reader_secret(deployment: Deployment) -> str:
    """Renew the secret by which the centre reads from the carrier: the hash of the old one."""
    session = session_of(deployment)
    secrets = session.secrets.carriers[CARRIER]
    old = mediamtx_hash(secrets.readers[CENTRE.name])
    renewed = secrets.model_copy(update={"readers": {**secrets.readers, CENTRE.name: Secret("another-" + "x" * 30)}})
    write_carrier_secrets(deployment.root, CARRIER, renewed, session.passwords)
    return old


def holding(deployment: Deployment, word: str) -> list[str]:
    """The files of ours on the relay in which a word stands."""
    return deployment.lab.exec(RELAY, ["sh", "-c", STATES.format(word, PLACES)]).stdout.split()


def pictures(document: dict[str, Any]) -> bool:
    return {path["verdict"] for path in document["paths"]} <= {"up", "degraded"}


@pytest.mark.soak
@VIEWER
def test_a_session_of_the_old_secret_ends_is_counted_and_comes_back_by_no_rollback(deployment: Deployment) -> None:
    verified(deployment, "--limit", f"carrier={CARRIER}", until=pictures)
    stale = HeldReaders(deployment, RELAY, WATCHED)
    with HeldReaders(deployment, RELAY, WATCHED) as readers:
        old = new_reader_secret(deployment)
        planned = deployment.document("plan", *ONLY, *ALLOWED)
        assert planned["viewers_by_path"] == {RELAY: dict.fromkeys(WATCHED, 1)}
        (change,) = [c for c in planned["changes"] if c["name"].endswith("mediamtx.yml")]
        assert (change["impact"], change["viewers"]) == ("path", 2)
        assert change["reason"].endswith(f"authInternalUsers: the secret or the rights of centre-{CENTRE.name}")
        found = host_in(deployment.document("apply", "--yes", *ONLY, *ALLOWED), RELAY)
        seen = readers.finish()
    assert found["outcome"] == "applied", found
    assert f"ended 2 sessions of centre-{CENTRE.name}, whose secret or rights were replaced" in found["notes"]
    assert "sessions" in [step["name"] for step in found["steps"]]
    receipt = json.loads(deployment.lab.exec(RELAY, ["cat", found["receipt"]]).stdout)
    assert (receipt["outcome"], len(receipt["sessions"])) == ("applied", 1)
    assert [reader.end != "" for reader in seen if reader.packets] == [True, True]
    assert holding(deployment, old) == []
    with stale as readers:
        assert {(reader.packets, reader.end[:3]) for reader in readers.finish()} == {(0, "401")}
    back = host_in(deployment.document("rollback", RELAY, "--yes"), RELAY)
    assert back["outcome"] == "returned", back
    assert holding(deployment, old) == []
    with HeldReaders(deployment, RELAY, WATCHED) as readers:
        assert all(reader.played_on for reader in readers.finish())


@GATEWAY
@LOCAL_USER
@pytest.mark.soak
def test_nothing_of_a_closed_facility_comes_back_and_it_can_open_again(deployment: Deployment) -> None:
    session = session_of(deployment)
    (peer,) = [p for p in session.state.hosts[RELAY].tunnel.peers if p.name == f"site/{SITE}"]
    source = next(p.pulled for p in session.state.hosts[RELAY].paths if p.facility == SITE)
    path = deployment.facility_file(SITE)
    deployment.substitute(path, "operating: open", "operating: closed")
    deployment.run("allocate")
    closed = deployment.document("apply", "--yes", *ONLY, *ALLOWED)
    assert host_in(closed, RELAY)["outcome"] == "applied", closed
    for _ in range(2):
        words = (peer.psk.reveal(), f"{source.address}", peer.public_key, f'"{WATCHED[1]}"', f"site/{SITE}")
        assert {word: holding(deployment, word) for word in words} == {word: [] for word in words}
        live = deployment.lab.exec(RELAY, ["sh", "-c", "wg show wg-prov dump; nft list table inet provisioner"]).stdout
        assert not [word for word in (peer.public_key, peer.psk.reveal(), f"{source.address} ") if word in live]
        # The second look is at a host that went back to before the closing.
        back = deployment.document("rollback", closed["run"], "--yes", codes=(0, 2))
        if back["schema"] == "provisioner/rollback":
            (note,) = [n for n in host_in(back, RELAY)["notes"] if n.startswith("left out")]
            assert f"peer site/{SITE}; path hai-duong/{SITE}/cam-01/" in note
    deployment.substitute(path, "operating: closed", "operating: open")
    deployment.run("allocate")
    opened = host_in(deployment.document("apply", "--yes", *ONLY, *ALLOWED), RELAY)
    assert opened["outcome"] == "applied", opened
    live = deployment.lab.exec(RELAY, ["wg", "show", "wg-prov", "allowed-ips"]).stdout
    assert peer.public_key in live
    assert f"{source.address}/32" not in live, "an address is given out once"


@GATEWAY
def test_the_package_of_a_closed_facility_takes_its_gateway_down(deployment: Deployment) -> None:
    lab = deployment.lab
    (gateway,) = [g for g in GATEWAYS if g.facility == SITE]
    key = lab.exec(gateway.name, ["cat", "/etc/provisioner-site/wg.key"]).stdout.strip()
    look = "ip link show wg-prov; nft list tables; ls /etc/provisioner-site /usr/local/lib /etc/systemd/system; true"
    assert "wg-prov" in lab.exec(gateway.name, ["sh", "-c", look]).stdout
    deployment.substitute(deployment.facility_file(SITE), "operating: open", "operating: closed")
    deployment.run("allocate")
    folder = lab.directory / "closed-site"
    wrote = deployment.document("site-package", SITE, "--out", str(folder))
    assert wrote["takes_down"] == [SITE]
    try:
        lab.copy_in(gateway.name, folder / SITE, "/root/take-down")
        said = lab.exec(gateway.name, ["sh", "/root/take-down/install.sh"]).stdout
        assert f"nothing of {SITE} is left on this gateway" in said
        left = lab.exec(gateway.name, ["sh", "-c", look]).stdout
        assert not [word for word in ("wg-prov", "provisioner_site", "provisioner-site") if word in left]
        assert key not in lab.exec(gateway.name, ["sh", "-c", "cat /etc/provisioner-site/* /run/*/* 2>&1; true"]).stdout
    finally:
        # Later tests find the site as it was.
        deployment.git("reset", "--quiet", "--hard")
        again = lab.directory / "open-site"
        deployment.run("site-package", SITE, "--out", str(again))
        put = f"mkdir -p /etc/provisioner-site; umask 077; echo {key} > /etc/provisioner-site/wg.key"
        lab.exec(gateway.name, ["sh", "-c", put])
        lab.install_site_package(gateway.name, again / SITE)
