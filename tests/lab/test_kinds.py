"""A relay of the next Debian beside those of this one: its whole life, with its own Python, ffmpeg, nft and systemd.

The whole lab runs on it by `LAB_SUITE=trixie scripts/soak tests/lab`.
"""

import difflib

import pytest

from .deployment import Deployment
from .test_relay_life import listing, paper_of
from .test_verify import all_up, causes, verified
from .topology import GATEWAYS, RELAYS

pytestmark = [pytest.mark.lab, pytest.mark.destructive, pytest.mark.soak]
RELAY = RELAYS[0]
SUITE = "trixie"
VERSIONS = "cat /etc/debian_version; python3 --version; ffmpeg -version | head -1; nft --version; systemctl --version"


def test_a_relay_of_the_next_debian_lives_its_whole_life(deployment: Deployment) -> None:
    """Restored, applied, verified, drifted, put right, gone back, and taken out of service."""
    lab = deployment.lab
    paper = paper_of(deployment)
    lab.replace(RELAY.name, suite=SUITE)
    said = lab.exec(RELAY.name, ["sh", "-c", VERSIONS]).stdout
    assert said.startswith("13"), said
    bare = listing(deployment, RELAY.name)
    deployment.note_new_hardware(RELAY)
    deployment.run("relay", "restore", RELAY.name, "--yes", "--allow", "trust=1", stdin=paper)
    assert deployment.document("apply", "--yes", "--allow", "trust=1")["outcome"] == "applied"
    found = verified(deployment, until=all_up, tries=30)
    assert all_up(found), (causes(found), found["incidents"], said)
    deployment.commit("a relay of the next Debian")

    # Its own nft and systemd say the same of what was loaded as of what is wanted.
    assert [c for c in deployment.document("drift")["changes"] if c["action"] != "noop"] == []
    assert deployment.document("apply", "--yes")["outcome"] == "nothing-to-do"
    lab.exec(RELAY.name, ["nft", "add", "rule", "inet", "provisioner", "input", "tcp", "dport", "9", "accept"])
    lab.exec(RELAY.name, ["systemctl", "set-property", "--runtime", "provisioner-mediamtx.service", "CPUQuota=50%"])
    drifted = {c["resource"] for c in deployment.document("drift", codes=(10,))["changes"] if c["action"] != "noop"}
    assert {"rule", "unit"} <= drifted, drifted
    assert deployment.document("apply", "--yes")["outcome"] == "applied"
    assert all_up(verified(deployment, until=all_up, tries=20))

    for gateway in GATEWAYS:
        if gateway.relay == RELAY.name:
            deployment.facility_file(gateway.facility).unlink()
    deployment.run("allocate")
    gone = ("--allow", "deletions=99", "--allow", "deletion_percent=100", "--allow", "viewers=9")
    deployment.run("apply", "--yes", *gone)
    deployment.run("hosts", "decommission", RELAY.name, "--yes")
    difference = difflib.unified_diff(bare.splitlines(), listing(deployment, RELAY.name).splitlines(), n=0, lineterm="")
    assert "\n".join(difference) == ""

    # The lab goes on with hardware as the others'.
    deployment.git("reset", "--quiet", "--hard")
    lab.replace(RELAY.name)
    deployment.note_new_hardware(RELAY)
    deployment.run("relay", "restore", RELAY.name, "--yes", "--allow", "trust=1", stdin=paper)
    deployment.run("apply", "--yes", "--allow", "trust=1")
    deployment.commit("back on the Debian of the others")
