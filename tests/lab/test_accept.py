"""A password and a codec change on a day that nobody knows: the camera is up before and after."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from provisioner.cli.support.context import today

from .cameras import Picture
from .deployment import Deployment
from .test_quarantine import CAMERA, MINE, ONLY, REFUSALS, RELAY, quarantined, soon
from .test_verify import all_up, verified
from .topology import StreamKind, place

pytestmark = [pytest.mark.lab, pytest.mark.destructive, pytest.mark.soak]
UNTIL = (today() + timedelta(days=14)).isoformat()
FACILITY = CAMERA.partition("/")[0]
NEW = "Somebody-announced-it-5"


@pytest.fixture
def kept(deployment: Deployment) -> Iterator[Deployment]:
    """A deployment whose camera, logins and files are afterwards what they were."""
    camera, path = deployment.lab.camera(CAMERA), deployment.facility_file(FACILITY)
    password, text = camera.password, path.read_bytes()
    yield deployment
    path.write_bytes(text)
    if camera.password != password:
        camera.change_password(password)
    deployment.write_logins()
    deployment.restore()


def seen(found: dict[str, Any]) -> dict[str, Any]:
    """What a verification says of the settings of the camera's paths."""
    return {one["path"]: [s["seen"] for s in one.get("accept", ())] for one in found["paths"] if one["path"] in MINE}


def test_a_password_changes_within_its_days_and_three_tries_at_most_reach_the_camera(kept: Deployment) -> None:
    verified(kept, until=all_up)
    camera = kept.lab.camera(CAMERA)
    kept.run("secrets", "set", CAMERA, "--accept-old-until", UNTIL, stdin=f"{NEW}\n")
    plan = kept.document("plan", *ONLY)
    assert plan["changes"] == []
    # What runs there has its own ports, and a way out that is wide enough.
    assert not {one["code"] for one in plan["warnings"]} & {"host-port-taken", "host-mtu-small"}
    assert seen(verified(kept, *ONLY, until=all_up)) == {path: ["old"] for path in MINE}
    # Somebody drives there.
    camera.count_connections()
    camera.change_password(NEW)
    assert soon(lambda: quarantined(kept) == MINE, 40)
    assert camera.connections <= 3
    refusals = kept.lab.exec(RELAY, ["sh", "-c", REFUSALS]).stdout
    found = kept.document("verify", *ONLY, codes=(1,))
    assert {(p["verdict"], p["cause"]) for p in found["paths"] if p["path"] in MINE} == {
        ("quarantined", "wrong password")
    }
    assert all("provisioner apply tries the new one" in p["detail"] for p in found["paths"] if p["path"] in MINE)
    # It looks whether the port answers, and logs in nowhere.
    assert kept.lab.exec(RELAY, ["sh", "-c", REFUSALS]).stdout == refusals
    plan = kept.document("plan", *ONLY)
    assert {c["name"] for c in plan["changes"] if c["resource"] == "path"} == set(MINE)
    applied = kept.document("apply", "--yes", *ONLY)
    assert (applied["outcome"], applied["remaining"]) == ("applied", [])
    assert quarantined(kept) == []
    found = verified(kept, *ONLY, until=all_up)
    assert seen(found) == {path: ["new"] for path in MINE}
    assert kept.document("plan", *ONLY)["changes"] == []
    # Who finishes it changes no host.
    assert f"provisioner camera accept {CAMERA} --finish" in kept.run("verify", *ONLY).stdout
    kept.run("camera", "accept", CAMERA, "--finish")
    kept.run("secrets", "forget", CAMERA)
    assert kept.document("plan", *ONLY)["changes"] == []
    assert not any(NEW in said for said in kept.transcript)


def test_a_codec_changes_within_its_days_and_the_path_is_up_by_either(kept: Deployment) -> None:
    verified(kept, until=all_up)
    camera, sub = kept.lab.camera(CAMERA), place(CAMERA).path(StreamKind.SUB)
    words = ("--sub", "352x288/h265", "--accept-old-until", UNTIL)
    kept.run("camera", "replace", CAMERA, *words)
    signed = ("--all-parties", "--on", today().isoformat(), "--source", "invented minutes 2")
    kept.run("sign-off", FACILITY, *signed)
    assert kept.document("plan", *ONLY)["changes"] == []
    assert seen(verified(kept, *ONLY, until=all_up))[sub] == ["old"]
    camera.show(Picture.HEVC, StreamKind.SUB)
    try:
        new = verified(kept, *ONLY, until=lambda found: all_up(found) and seen(found)[sub] == ["new"])
        assert seen(new)[sub] == ["new"]
        assert f"provisioner camera accept {CAMERA} --finish" in kept.run("verify", *ONLY).stdout
        kept.run("camera", "accept", CAMERA, "--finish")
        assert all_up(verified(kept, *ONLY, until=all_up))
        # The old picture is none that anybody takes now.
        camera.show(Picture.MOVING, StreamKind.SUB)
        late = verified(kept, *ONLY, until=lambda found: not all_up(found))
        assert {(p["verdict"], p["cause"]) for p in late["paths"] if p["path"] == sub} == {
            ("degraded", "picture differs")
        }
    finally:
        camera.show(Picture.MOVING)
