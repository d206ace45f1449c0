"""One facility's file is broken on real hosts: the others change, its picture goes on, and its bytes stay."""

import pytest

from .deployment import Deployment
from .held_readers import HeldReaders
from .test_verify import verified
from .topology import GATEWAYS, StreamKind, place

pytestmark = pytest.mark.lab
RELAY = "relay-viettel-1"
HELD, CHANGED = "kcl-bg-001", "kcl-bg-002"
MINE = sorted(
    place(f"{g.facility}/{c.id}").path(StreamKind.SUB) for g in GATEWAYS if g.facility == HELD for c in g.cameras
)
ONLY = ("--limit", f"host={RELAY}")
_FILES = ("mediamtx.yml", "wg-prov.conf", "wg-prov.psk", "provisioner.nft", "trust.json")


def files(deployment: Deployment) -> dict[str, str]:
    """What the relay's files hold."""
    return {name: deployment.lab.exec(RELAY, ["cat", f"/etc/provisioner/{name}"]).stdout for name in _FILES}


def lines_of_held(now: dict[str, str], key: str, address: str) -> dict[str, list[str]]:
    """Every line that names the held facility, its key or its address; of the rules its elements."""
    rules = now["provisioner.nft"].replace(", ", "\n").replace("{ ", "\n").replace(" }", "")
    texts = now | {"provisioner.nft": rules}
    marks = (f"/{HELD}", key, f"{address} ", f"{address}/32")
    return {
        name: [line.strip() for line in text.splitlines() if any(mark in line for mark in marks)]
        for name, text in texts.items()
    }


@pytest.mark.soak
def test_a_broken_file_holds_its_facility_and_the_picture_goes_on(deployment: Deployment) -> None:
    verified(deployment, "--limit", f"facility={HELD}", until=lambda found: found["summary"]["up"] > 0)
    before = files(deployment)
    block = before["wg-prov.conf"].partition(f"# site/{HELD}\n")[2]
    key, address = block.split("PublicKey = ")[1].split()[0], block.split("AllowedIPs = ")[1].split("/")[0]
    mine = lines_of_held(before, key, address)
    assert all(mine.values())
    with HeldReaders(deployment, RELAY, MINE) as readers:
        deployment.substitute(deployment.facility_file(HELD), "operating: open", "operating: opne")
        deployment.edit_facility(CHANGED, r"channel: 1\n", "channel: 4\n")
        plan = deployment.document("plan", *ONLY, codes=(3,))
        assert {change["facility"] for change in plan["changes"] if change["resource"] != "file"} == {CHANGED}
        assert [(one["facility"], one["hosts"]) for one in plan["held"]] == [(HELD, [RELAY])]
        applied = deployment.document("apply", "--yes", "--max-lost", "1", "--gate-patience", "5", *ONLY, codes=(3,))
        assert (applied["outcome"], applied["remaining"]) == ("applied", [])
        seen = readers.finish()
    after = files(deployment)
    assert lines_of_held(after, key, address) == mine
    assert after["mediamtx.yml"] != before["mediamtx.yml"]
    assert any(reader.packets for reader in seen)
    assert not [reader for reader in seen if reader.packets and reader.end]
    found = deployment.document("verify", "--limit", f"host={RELAY}", codes=(3,))
    assert {p["cause"] for p in found["paths"] if p["facility"] == HELD} == {"held"}
    assert [host["drift"] for host in found["hosts"] if host["host"] == RELAY] == [[]]
    # Mended, it is as it was: nothing of it has to change.
    deployment.substitute(deployment.facility_file(HELD), "operating: opne", "operating: open")
    assert deployment.document("plan", *ONLY)["changes"] == []
