"""A living relay is emptied onto another one of its carrier, under readers at the centre, gateway by gateway."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from .deployment import Deployment
from .held_readers import HeldReaders
from .one_carrier import NEW, OLD, SITES, SUBS, install, of_one_carrier
from .patience import stretched
from .test_verify import all_up, verified
from .topology import GATEWAYS

pytestmark = [pytest.mark.lab, pytest.mark.destructive]
LONGEST_CUT = 2.0  #: Seconds; what a drain may cut of a path, once.
DRAIN = ("relay", "drain", OLD, "--to", NEW)


@pytest.fixture
def one_carrier(deployment: Deployment) -> Iterator[Deployment]:
    """The deployment with both relays and all sites of one carrier; afterwards as it was."""
    with of_one_carrier(deployment) as changed:
        yield changed


def drained(deployment: Deployment, *words: str, codes: tuple[int, ...] = (0,)) -> dict[str, Any]:
    # A site that is dark is looked at twice, a minute apart, each time that the drain looks.
    return deployment.document(*DRAIN, "--yes", "--allow", "viewers=99", *words, codes=codes, timeout=600)


@pytest.mark.soak
def test_a_living_relay_is_emptied_under_its_readers_and_no_path_is_cut_for_long(one_carrier: Deployment) -> None:
    """One gateway is off when the others move: it stays on both, and is taken up again by the same command."""
    deployment, lab = one_carrier, one_carrier.lab
    dry = deployment.document(*DRAIN, "--dry-run")
    assert (dry["done"], len(dry["files"])) == (False, 1 + len(SITES))
    assert deployment.git("status", "--porcelain") == ""
    *most, off = SITES
    gateway = next(g.name for g in GATEWAYS if g.facility == off)
    steady = [path for path in SUBS if f"/{off}/" not in path]
    with HeldReaders(deployment, OLD, steady, then=NEW) as readers:
        begun = time.monotonic()
        first = drained(deployment, "--source", "minutes 7")
        assert (first["unseen"], first["moved"], first["end"]) == (SITES, [], "done")
        deployment.commit("both relays")
        install(deployment, *SITES)
        time.sleep(stretched(30))  # all gateways knock at the new relay
        lab.exec(gateway, ["systemctl", "stop", "provisioner-site"])
        moved = drained(deployment)
        assert (sorted(moved["moved"]), moved["both"], moved["leaving"]) == (most, [off], []), moved
        told = deployment.run("status").stdout
        assert f"{OLD} is being emptied onto {NEW}: 1 site still there, 1 of them over both" in told, told
        seen = readers.finish()
    lab.exec(gateway, ["systemctl", "start", "provisioner-site"])
    verified(deployment, "--limit", f"facility={off}", until=all_up, tries=30)
    with HeldReaders(deployment, OLD, [path for path in SUBS if path not in steady], then=NEW) as readers:
        last = drained(deployment)
        took = time.monotonic() - begun
        seen += readers.finish()
    assert (last["moved"], last["done"]) == ([off], True), last
    assert len(seen) == len(SUBS)
    assert all(reader.moved and not reader.end for reader in seen), seen
    longest = max(reader.longest_gap for reader in seen)
    print(f"drained in {took:.0f} s; the longest cut of {len(seen)} held paths: {longest:.2f} s")  # noqa: T201
    assert longest < stretched(LONGEST_CUT), seen
    assert all_up(verified(deployment, until=all_up, tries=12))
    assert drained(deployment)["runs"] == []
    done = deployment.run("hosts", "decommission", OLD, "--dry-run")
    assert done.returncode == 0, done.stderr
