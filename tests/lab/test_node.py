"""A carrier whose hosts only its node can log in to: planned, changed and proved over a real broker."""

import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.base.ssh_signature import fingerprint_of
from tests.hostile import NODE
from tests.signatures import key_file, public_line

from .carrier_node import CARRIER, RELAY, NodeOfTheLab, node_of_the_lab
from .deployment import Deployment
from .fingerprint import fingerprint
from .patience import stretched
from .test_rollout import ONLY, fewer_cameras, host_in
from .topology import CENTRE, RELAYS, SSH_USER, Network

pytestmark = [pytest.mark.lab, pytest.mark.soak]


@pytest.fixture
def node(deployment: Deployment, tmp_path: Path) -> Iterator[NodeOfTheLab]:
    with node_of_the_lab(deployment, tmp_path) as one:
        yield one


@NODE
def test_a_carriers_hosts_are_planned_changed_and_proved_by_its_node_alone(
    node: NodeOfTheLab, capsys: pytest.CaptureFixture[str]
) -> None:
    deployment = node.deployment
    assert deployment.run("drift").returncode == 0
    fewer_cameras(deployment)
    begun = time.monotonic()
    applied = deployment.document("apply", "--yes")
    seconds = time.monotonic() - begun
    assert host_in(applied, RELAY)["outcome"] == "applied"
    verified = deployment.document("verify", "--once", codes=(0,))
    assert {path["verdict"] for path in verified["paths"]} == {"up"}
    # What only the node can do, the controller cannot.
    with_node = deployment.variables.pop("PROVISIONER_NODES")
    assert deployment.run("drift", check=False).returncode == 5
    deployment.variables["PROVISIONER_NODES"] = with_node
    assert f"is begun: apply on {RELAY}" in node.journal
    passwords = _secrets(deployment)
    told = [node.journal, *deployment.transcript]
    stored = [file.read_bytes() for file in node.broker.folder.rglob("*") if file.is_file()]
    assert len(stored) > 8
    assert not [one for one in passwords for text in told if one in text]
    assert not [one for one in passwords for content in stored if one.encode() in content]
    with capsys.disabled():
        print(f"one edit, applied by a carrier's node: {seconds:.1f} s")  # noqa: T201 (a figure for people)


def _secrets(deployment: Deployment) -> list[str]:
    lines = deployment.lab.exec(RELAY, ["sh", "-c", "cat /etc/provisioner/keys/*.password"]).stdout.split()
    assert len(lines) >= 2
    return lines


def test_where_the_broker_is_gone_its_hosts_alone_are_unknown(node: NodeOfTheLab) -> None:
    deployment = node.deployment
    node.broker.end(signal.SIGKILL)
    begun = time.monotonic()
    done = deployment.run("drift", check=False)
    assert done.returncode == 5
    assert time.monotonic() - begun < stretched(20)
    assert f"{RELAY} " in done.stdout + done.stderr
    assert f"the broker {node.broker.place}" in done.stdout + done.stderr
    others = [relay.name for relay in RELAYS if relay.name != RELAY]
    assert not [name for name in others if f"{name} (" in done.stderr]
    shutil.rmtree(node.broker.store)
    node.broker.start()
    assert deployment.run("drift").returncode == 0


# --- the carrier's own approvals ---------------------------------------------------------------------
@NODE
def test_a_host_is_changed_by_what_its_carriers_people_signed_and_by_nothing_else(
    node: NodeOfTheLab, tmp_path: Path
) -> None:
    deployment, ours, stranger = node.deployment, "noc-vnpt-1", "noc-vnpt-9"
    people = "".join(
        f"  - {{ id: {one}, roles: [noc], key: {public_line(one)}, since: 2021-05-01, source: 7/TB }}\n"
        for one in (ours, stranger)
    )
    (deployment.root / "signers.yml").write_text(f"version: 1\napprovers:\n{people}", encoding="utf-8")
    node.start(f'[approvals]\ninventory = "lab"\napprovers = ["{ours} {public_line(ours)}"]\n')
    # The controller's people may sign for the other one: the node's file has its own.
    fewer_cameras(deployment)
    before = fingerprint(deployment.lab, RELAY)

    def planned(name: str) -> str:
        file = str(tmp_path / name)
        deployment.run("plan", *ONLY, "--allow", "trust=9", "--out", file)
        return file

    def approve(plan: str, person: str) -> None:
        deployment.run("approve", plan, "--as", person, "--key", str(key_file(person, "ed25519")), "--yes")

    def is_refused(why: str, *words: str) -> None:
        relay = host_in(deployment.document("apply", *words, codes=(6,)), RELAY)
        assert relay["outcome"] == "not-started", relay
        assert f"the node of {CARRIER} refuses: its file asks for an approval of its own people" in relay["cause"]
        assert why in relay["cause"]
        assert fingerprint(deployment.lab, RELAY).differences(before) == []

    is_refused("this change brings none", "--yes", *ONLY)
    wanted = planned("wanted.json")
    is_refused("this change brings none", wanted)
    approve(wanted, stranger)
    is_refused(f"not counted: that of {stranger} is by SHA256:", wanted)
    approve(wanted, ours)
    deployment.substitute(
        deployment.root / f"carriers/{CARRIER}.yml", r"(management_networks: \[)", r"\g<1>198.51.100.0/24, "
    )
    # What is signed for another plan does not even go along.
    is_refused("this change brings none", planned("another.json"))
    deployment.git("checkout", "--quiet", f"carriers/{CARRIER}.yml")
    applied = deployment.document("apply", wanted)
    assert host_in(applied, RELAY)["outcome"] == "applied"
    assert node.journal.count(f"{RELAY} is refused: its file asks for an approval") == 4
    assert fingerprint(deployment.lab, RELAY).differences(before) != []
    verified = deployment.document("verify", "--once", "--limit", f"host={RELAY}", codes=(0,))
    assert {path["verdict"] for path in verified["paths"]} == {"up"}


# --- host keys ----------------------------------------------------------------------------------------
@NODE
def test_a_new_inventory_compares_the_host_keys_that_its_carriers_node_sees(node: NodeOfTheLab) -> None:
    deployment, lab = node.deployment, node.deployment.lab
    root, home = lab.directory / "begun", lab.directory / "begun-home"
    hosts = {name: lab.address(name, Network.MGMT) for name in (RELAY, CENTRE.name)}
    known = {name: fingerprint_of(lab.host_key(name)) for name in hosts}

    def init(places: dict[str, str], prints: dict[str, str]) -> tuple[int, str]:
        words = [
            *("init", str(root), "--carrier", CARRIER, "--province", "bac-ninh", "--source", "A1", "--user", SSH_USER),
            *("--management", str(lab.subnet(Network.MGMT)), "--vault-password", str(home / "password")),
            *("--centre", f"{CENTRE.name}@{places[CENTRE.name]}", "--relay", f"{RELAY}@{places[RELAY]}"),
            *(word for name, print_ in prints.items() for word in ("--host-key", f"{name}={print_}")),
        ]
        done = deployment.run(*words, check=False)
        return done.returncode, done.stdout + done.stderr

    places = {name: str(address) for name, address in hosts.items()}
    code, said = init(places, known | {RELAY: known[CENTRE.name]})
    assert (code, f"shows another key than the one that was named: {known[RELAY]}" in said) == (6, True), said
    code, said = init(places | {RELAY: "203.0.113.9"}, known)
    refusal = f"the node of {CARRIER} refuses: 203.0.113.9 is in none of the networks of the node's file"
    assert (code, refusal in said) == (5, True), said
    assert not root.exists()
    # Nothing that comes from this machine is ever answered by a relay behind a jump host.
    with_node = deployment.variables.pop("PROVISIONER_NODES")
    code, said = init(places, known)
    assert (code, "shows this machine no SSH host key" in said, root.exists()) == (5, True, False), said
    deployment.variables["PROVISIONER_NODES"] = with_node
    code, said = init(places, known)
    assert code == 0, said
    assert lab.host_key(RELAY) in (root / f"carriers/{CARRIER}.yml").read_text(encoding="utf-8")
    assert lab.host_key(CENTRE.name) in (root / f"centres/{CENTRE.name}.yml").read_text(encoding="utf-8")
    assert f"is begun: show-key on {RELAY}" in node.journal
    shutil.rmtree(root)
    shutil.rmtree(home)
