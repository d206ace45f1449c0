"""Another inventory on the same hosts, over real SSH: it is refused before anything is touched, until it adopts."""

from __future__ import annotations

import copy
import json
import secrets
import shutil
from collections.abc import Iterator

import pytest

from .deployment import Deployment

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
