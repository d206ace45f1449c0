"""Another inventory on the same hosts, over real SSH: it is refused before anything is touched, until it adopts."""

import copy
import json
import secrets
import shutil
from collections.abc import Iterator

import pytest

from provisioner.base.ssh_signature import fingerprint_of

from .deployment import Deployment
from .topology import CENTRE, SSH_USER, Network

pytestmark = pytest.mark.lab
RELAY = "relay-viettel-1"
ONLY = ("--limit", f"host={RELAY}")
ALLOWED = ("--allow", "trust=9", "--allow", "viewers=9", "--allow", "all_impact=1")
# What lies there and when it was changed last; what only reads leaves nothing.
CONTENTS = "find /etc/provisioner /var/lib/provisioner -type f -exec sha256sum {} + | sort"


@pytest.fixture
def other(deployment: Deployment) -> Iterator[Deployment]:
    """Another inventory, with a vault of its own, that names the same hosts; at the end they are the first one's."""
    other = copy.copy(deployment)
    other.root = deployment.lab.directory / "other-inventory"
    shutil.copytree(deployment.root, other.root)
    other.substitute(other.root / "inventory.yml", r"(?m)^id: .*$", "id: other")
    other.write_secret("inventory.yml", {"digest_key": secrets.token_hex(32)})
    other.commit("another inventory")
    yield other
    deployment.run("hosts", "adopt", RELAY, "--yes")
    deployment.run("apply", "--yes", *ONLY, *ALLOWED)
    deployment.run("hosts", "adopt", RELAY)
    shutil.rmtree(other.root)


def contents(deployment: Deployment) -> str:
    return deployment.lab.exec(RELAY, ["sh", "-c", CONTENTS]).stdout


def owner(deployment: Deployment) -> str:
    mark = deployment.lab.exec(RELAY, ["cat", "/var/lib/provisioner/owner.json"]).stdout
    return str(json.loads(mark)["inventory"])


@pytest.mark.soak
def test_another_inventory_takes_no_relay_over_before_it_adopts_it(deployment: Deployment, other: Deployment) -> None:
    first, before = owner(deployment), contents(deployment)
    for words, code in ((("apply", "--yes", *ONLY, *ALLOWED), 6), (("plan", *ONLY, *ALLOWED), 5)):
        done = other.run(*words, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        assert f"belongs to inventory {first}" in " ".join((done.stdout + done.stderr).split())
    assert contents(deployment) == before
    other.run("hosts", "adopt", RELAY, "--yes")
    assert contents(deployment) == before
    (trusted,) = [c for c in other.document("plan", *ONLY, *ALLOWED)["changes"] if c["resource"] == "trust"]
    assert (trusted["name"], f"inventory {first}" in trusted["reason"]) == ("owner", True)
    other.document("apply", "--yes", *ONLY, *ALLOWED)
    assert owner(deployment) == "other"
    assert deployment.run("apply", "--yes", *ONLY, *ALLOWED, check=False).returncode == 6


def test_a_new_inventory_compares_the_hosts_own_keys_and_takes_none_of_them(deployment: Deployment) -> None:
    lab, root = deployment.lab, deployment.lab.directory / "begun"
    home = lab.directory / "begun-home"
    hosts = {name: lab.address(name, Network.MGMT) for name in (RELAY, CENTRE.name)}
    known = {name: fingerprint_of(lab.host_key(name)) for name in hosts}
    words = [
        *("init", str(root), "--carrier", "viettel", "--province", "bac-ninh", "--source", "A1", "--user", SSH_USER),
        *("--management", str(lab.subnet(Network.MGMT)), "--vault-password", str(home / "password")),
        *("--centre", f"{CENTRE.name}@{hosts[CENTRE.name]}", "--relay", f"{RELAY}@{hosts[RELAY]}"),
    ]
    swapped = dict(zip(known, reversed(list(known.values())), strict=True))
    for wrong in (swapped, known | {RELAY: "SHA256:another"}):
        keys = [word for name, print_ in wrong.items() for word in ("--host-key", f"{name}={print_}")]
        refused = deployment.run(*words, *keys, check=False)
        assert (refused.returncode, "shows another key" in refused.stderr, root.exists()) == (6, True, False)
    keys = [word for name, print_ in known.items() for word in ("--host-key", f"{name}={print_}")]
    out = deployment.run(*words, *keys).stdout
    assert "keys init --allow trust=2" in out.splitlines()[-1]
    before = contents(deployment)
    begun = copy.copy(deployment)
    begun.root, begun.password_file = root, home / "password"
    done = begun.run("keys", "init", "--allow", "trust=2", check=False)
    assert done.returncode == 6, done.stdout + done.stderr
    assert f"belongs to inventory {owner(deployment)}" in " ".join((done.stdout + done.stderr).split())
    assert contents(deployment) == before
    shutil.rmtree(root)
    shutil.rmtree(home)
