"""A camera refuses its password on real hosts: it is asked no more, nobody else is cut, and it comes back."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from .deployment import Deployment, patient
from .held_readers import HeldReaders
from .patience import stretched
from .test_verify import all_up, verified
from .topology import GATEWAYS, StreamKind, place

pytestmark = [pytest.mark.lab, pytest.mark.destructive]
RELAY = "relay-viettel-1"
CAMERA = "kcl-bg-001/cam-03"
FILE = "/etc/provisioner/mediamtx.yml"
MINE = [place(CAMERA).path(kind) for kind in (StreamKind.MAIN, StreamKind.SUB)]
OTHERS = sorted(
    place(f"{g.facility}/{c.id}").path(StreamKind.SUB)
    for g in GATEWAYS
    for c in g.cameras
    if g.relay == RELAY and f"{g.facility}/{c.id}" != CAMERA
)
ONLY = ("--limit", f"host={RELAY}")


def quarantined(deployment: Deployment) -> list[str]:
    """The paths that are out of the relay's file, by its marks."""
    text = deployment.lab.exec(RELAY, ["cat", FILE]).stdout
    return sorted(line.split('"')[1] for line in text.splitlines() if line.startswith("# quarantined "))


def soon(what: Callable[[], bool], seconds: float) -> bool:
    """Whether something comes true in time."""
    until = time.monotonic() + stretched(seconds)
    while not (true := what()) and time.monotonic() < until:
        time.sleep(0.5)
    return true


def started(deployment: Deployment) -> str:
    """Which process MediaMTX is, and since when it runs."""
    shown = ["systemctl", "show", "-p", "MainPID,ExecMainStartTimestamp,NRestarts", "provisioner-mediamtx"]
    return deployment.lab.exec(RELAY, shown).stdout


def verdicts_of(found: dict[str, Any]) -> set[tuple[str, str]]:
    return {(p["verdict"], p["cause"]) for p in found["paths"] if p["path"] in MINE}


@pytest.mark.soak
def test_a_refused_password_is_tried_three_times_at_most_and_comes_back_with_another(deployment: Deployment) -> None:
    verified(deployment, until=all_up)
    camera, before = deployment.lab.camera(CAMERA), started(deployment)
    old = camera.password
    with HeldReaders(deployment, RELAY, OTHERS) as readers:
        camera.count_connections()
        camera.change_password("Somebody-changed-it-2")
        assert soon(lambda: quarantined(deployment) == MINE, 40)
        time.sleep(30)
        assert 2 <= camera.connections <= 3
        seen = readers.finish()
    assert [reader for reader in seen if not reader.played_on] == []
    assert started(deployment) == before
    # It is told everywhere, and is no drift.
    plan = deployment.document("plan", *ONLY)
    assert plan["changes"] == []
    assert [one["path"] for one in plan["quarantined"]] == MINE
    assert deployment.document("drift", *ONLY)["quarantined"] == plan["quarantined"]
    assert deployment.document("quarantine", "list")["quarantined"] == plan["quarantined"]
    refusals = deployment.lab.exec(RELAY, ["sh", "-c", REFUSALS]).stdout
    found = deployment.document("verify", *ONLY, codes=(1,))
    assert verdicts_of(found) == {("quarantined", "wrong password")}
    assert found["summary"]["quarantined"] == 2
    assert [(i["object"], len(i["paths"])) for i in found["incidents"]] == [(CAMERA, 2)]
    assert [host["drift"] for host in found["hosts"] if host["host"] == RELAY] == [[]]
    assert deployment.lab.exec(RELAY, ["sh", "-c", REFUSALS]).stdout == refusals
    # Another password in the vault: the next apply brings it back by itself.
    deployment.write_logins()
    plan = deployment.document("plan", *ONLY)
    assert {c["name"] for c in plan["changes"] if c["resource"] == "path"} == set(MINE)
    assert [one["path"] for one in plan["quarantined"]] == MINE
    # The change keeps its reason, so a plan that was reviewed before stays valid.
    reasons = {c["reason"] for c in plan["changes"] if c["resource"] == "path"}
    assert reasons == {"credentials of the source differ"}
    applied = deployment.document("apply", "--yes", *ONLY)
    assert (applied["outcome"], applied["remaining"]) == ("applied", [])
    assert quarantined(deployment) == []
    verified(deployment, *ONLY, until=all_up)
    # Its old password again: it is quarantined, and asked again only when somebody says so.
    camera.change_password(old)
    assert soon(lambda: quarantined(deployment) == MINE, 40)
    camera.change_password("Somebody-changed-it-2")
    time.sleep(10)
    assert quarantined(deployment) == MINE
    lifted = deployment.document("quarantine", "lift", MINE[1], "--yes")
    assert (lifted["outcome"], lifted["remaining"]) == ("applied", [])
    assert quarantined(deployment) == []
    found = verified(deployment, *ONLY, until=all_up)
    assert all_up(found), found["incidents"]
    assert deployment.document("plan", *ONLY)["changes"] == []
    # Mended for whoever comes next: as it was, in the vault too.
    camera.change_password(old)
    deployment.write_logins()
    deployment.document("apply", "--yes", *ONLY)


@pytest.mark.soak
def test_a_wrong_password_of_an_apply_goes_back_with_it_and_stays_out_where_it_is_wanted(
    deployment: Deployment,
) -> None:
    verified(deployment, until=all_up)
    camera = deployment.lab.camera(CAMERA)
    right = camera.password
    camera.keep_password("Somebody-mistyped-it")
    deployment.write_logins()
    camera.keep_password(right)
    camera.count_connections()
    # It gave a picture before: the path gate lets it not go, and what comes back is pulled with its old login.
    gone = deployment.document("apply", "--yes", *patient(15), *ONLY, codes=(7,))
    assert gone["outcome"] == "rolled-back"
    assert quarantined(deployment) == []
    # The picture is there again, over a relay that is not as the inventory says.
    back = verified(deployment, *ONLY, until=lambda found: verdicts_of(found) == {("degraded", "drift")})
    assert verdicts_of(back) == {("degraded", "drift")}
    applied = deployment.document("apply", "--yes", "--max-lost", "1", *patient(5), *ONLY)
    assert (applied["outcome"], applied["remaining"]) == ("applied", [])
    assert soon(lambda: quarantined(deployment) == MINE, 30)
    assert deployment.document("plan", *ONLY)["changes"] == []
    # A state of before keeps the present logins, so that what is out stays out and is not asked for it.
    assert deployment.document("rollback", RELAY, "--yes", *patient(15))["outcome"] == "returned"
    assert quarantined(deployment) == MINE
    # The right one brings it back.
    deployment.write_logins()
    plan = deployment.document("plan", *ONLY)
    assert {c["name"] for c in plan["changes"] if c["resource"] == "path"} == set(MINE)
    assert deployment.document("apply", "--yes", *ONLY)["outcome"] == "applied"
    assert quarantined(deployment) == []
    assert all_up(verified(deployment, *ONLY, until=all_up))


REFUSALS = "journalctl -u provisioner-mediamtx -o cat | grep -c 'bad status code: 401'"
