"""Keys of gateways are changed under readers at the centre; a change that is killed goes on where it was."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from .deployment import Deployment
from .held_readers import Held, HeldReaders
from .patience import stretched
from .test_verify import all_up, verified
from .topology import GATEWAYS, PLACES, Gateway, StreamKind

pytestmark = [pytest.mark.lab, pytest.mark.destructive, pytest.mark.soak]
LONGEST_GAP = 2.0  #: Seconds; what a change of keys may keep a picture.
SITE = GATEWAYS[0]
RELAY_SITES = [gateway for gateway in GATEWAYS if gateway.relay == SITE.relay]


@pytest.fixture
def noted(deployment: Deployment) -> Iterator[Deployment]:
    """The deployment; its gateways keep the keys that a test left them with, and so does the inventory."""
    yield deployment
    deployment.commit("keys were changed")


def subs_of(gateways: Sequence[Gateway]) -> list[str]:
    """The pulled paths of some sites."""
    facilities = {gateway.facility for gateway in gateways}
    return [place.path(StreamKind.SUB) for place in PLACES if place.gateway.facility in facilities]


def keys_on(deployment: Deployment, relay: str) -> dict[str, str]:
    """What the live tunnel of a relay has: allowed IPs by public key."""
    shown = deployment.lab.exec(relay, ["wg", "show", "wg-prov", "allowed-ips"]).stdout
    return dict(line.split("\t") for line in shown.splitlines())


def rotated(deployment: Deployment, *words: str, codes: tuple[int, ...] = (0,)) -> dict[str, Any]:
    """Go on with changes of keys, and give the document."""
    return deployment.document("keys", "rotate", *words, "--yes", codes=codes)


def handed_out(deployment: Deployment, gateways: Sequence[Gateway]) -> None:
    """Do the technicians' first part: the package, the next key, and its public half noted."""
    folder = deployment.lab.directory / "changing"
    deployment.run("site-package", *(gateway.facility for gateway in gateways), "--out", str(folder))
    for gateway in gateways:
        deployment.lab.exec(gateway.name, ["rm", "-rf", "/root/change"])
        deployment.lab.copy_in(gateway.name, folder / gateway.facility, "/root/change")
        refused = deployment.lab.exec(gateway.name, ["sh", "/root/change/install.sh"], check=False)
        assert refused.returncode == 1, refused
        key = deployment.lab.exec(gateway.name, ["sh", "/root/change/change-key.sh"]).stdout.strip()
        assert deployment.run("gateway", "set-key", gateway.facility, key, "--next").returncode == 0
    shutil.rmtree(folder)


def switch(deployment: Deployment, gateway: Gateway, *, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Do a technician's last part."""
    return deployment.lab.exec(gateway.name, ["sh", "/root/change/change-key.sh", "switch"], check=check, timeout=60)


def longest(seen: Sequence[Held]) -> float:
    """The longest gap of readers that all played on."""
    assert all(reader.played_on for reader in seen), seen
    return max(reader.longest_gap for reader in seen)


def test_a_gateway_gets_another_key_and_no_picture_rests_for_long(noted: Deployment) -> None:
    deployment, lab = noted, noted.lab
    site, relay = SITE.facility, SITE.relay
    before = keys_on(deployment, relay)
    first = rotated(deployment, site)
    assert (first["begun"], first["sites"][site]["stage"]) == ([site], "unreported"), first
    handed_out(deployment, [SITE])
    # A gateway whose relay does not know the key goes back to the one that it has.
    hasty = switch(deployment, SITE, check=False)
    assert hasty.returncode == 1, hasty
    assert "has its present one again" in hasty.stderr
    staged = rotated(deployment, "--finish")
    assert staged["sites"][site]["stage"] == "staged", staged
    assert deployment.run("drift", check=False).returncode == 0
    assert all_up(verified(deployment, "--limit", f"facility={site}", until=all_up, tries=12))
    with HeldReaders(deployment, relay, subs_of([SITE])) as readers:
        switch(deployment, SITE)
        time.sleep(stretched(3))
        moved = {key: allowed for key, allowed in keys_on(deployment, relay).items() if key not in before}
        assert list(moved.values()) != ["(none)"], moved
        assert deployment.run("drift", check=False).returncode == 0, "which peer has the address is no drift"
        assert all_up(verified(deployment, "--limit", f"facility={site}", until=all_up, tries=5))
        done = rotated(deployment, "--finish")
        gap = longest(readers.finish())
    assert done["ended"] == [site], done
    after = keys_on(deployment, relay)
    assert len(after) == len(before)
    assert moved.keys() <= after.keys()
    assert "next_key" not in deployment.facility_file(site).read_text("utf-8")
    assert not lab.exec(relay, ["grep", "-c", "next/", "/etc/provisioner/wg-prov.conf"], check=False).stdout.strip(
        "0\n"
    )
    print(f"the longest gap of {len(subs_of([SITE]))} held paths while a key was changed: {gap:.2f} s")  # noqa: T201
    assert gap < stretched(LONGEST_GAP)


def test_changes_of_all_sites_are_killed_half_way_and_go_on(noted: Deployment) -> None:
    deployment = noted
    sites = [gateway.facility for gateway in RELAY_SITES]
    before = keys_on(deployment, SITE.relay)
    rotated(deployment, *sites)
    handed_out(deployment, RELAY_SITES)
    with HeldReaders(deployment, SITE.relay, subs_of(RELAY_SITES)) as readers:
        _killed_after(deployment, 2.0)
        gone_on(deployment, "staged")
        for gateway in RELAY_SITES:
            switch(deployment, gateway)
        time.sleep(stretched(2))
        _killed_after(deployment, 3.5)
        gone_on(deployment, "none")
        gap = longest(readers.finish())
    after = keys_on(deployment, SITE.relay)
    assert len(after) == len(before)
    assert len(set(before) - set(after)) == len(sites)
    assert deployment.run("drift", check=False).returncode == 0
    assert rotated(deployment, "--finish")["runs"] == []
    print(f"the longest gap of {len(subs_of(RELAY_SITES))} held paths, two calls killed: {gap:.2f} s")  # noqa: T201
    assert gap < stretched(LONGEST_GAP)


def test_a_site_that_is_let_go_and_taken_again_is_up_at_once(noted: Deployment) -> None:
    """Its gateway goes on with a session that the relay has no more, and would make a new one two minutes later."""
    deployment, site = noted, SITE.facility
    allowed = ("--allow", "deletions=99", "--allow", "deletion_percent=100", "--allow", "viewers=99")
    before = deployment.facility_file(site).read_bytes()
    deployment.substitute(deployment.facility_file(site), "operating: open", "operating: standby")
    deployment.run("apply", "--yes", *allowed)
    time.sleep(stretched(5))
    deployment.facility_file(site).write_bytes(before)
    deployment.run("apply", "--yes", "--allow", "trust=9")
    begun = time.monotonic()
    assert all_up(verified(deployment, "--limit", f"facility={site}", until=all_up, tries=20))
    took = time.monotonic() - begun
    print(f"a site that was let go and taken again was proved up {took:.0f} s after its apply")  # noqa: T201
    assert took < stretched(45), "one look takes a third of that; WireGuard's own time would be two minutes"


def _stages(document: dict[str, Any]) -> list[str]:
    return [site["stage"] for site in document["sites"].values()]


def gone_on(deployment: Deployment, stage: str) -> None:
    """Repeat the command until all changes are at a stage: a relay may wait a minute for the call that was killed."""
    until = time.monotonic() + stretched(90)
    while set(_stages(done := rotated(deployment, "--finish"))) != {stage}:
        assert time.monotonic() < until, done
        time.sleep(5)


def _killed_after(deployment: Deployment, seconds: float) -> None:
    program = str(Path(sys.executable).with_name("provisioner"))
    words = [program, "keys", "rotate", "--finish", "--yes"]
    with subprocess.Popen(words, env=deployment.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as call:
        # On a busy machine the call has come less far by then; a stretched time could outlast it.
        time.sleep(seconds)
        assert call.poll() is None, "it ended before it was killed"
        call.send_signal(signal.SIGKILL)
        call.communicate()
