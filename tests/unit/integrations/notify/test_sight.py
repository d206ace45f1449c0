"""What notices see of devices in a verification's document."""

from typing import Any

import pytest

from provisioner.integrations.notify.news import DEVICE_ITEM, night_of
from provisioner.verify.document import VerifyDocument, recorded_verification
from provisioner.verify.result import Cause, Layer, Verdict

OFF = {"cause": "device clock off", "detail": "its clock is 95 s ahead"}
NVR = {"facility": "kcl-bg-001", "device": "nvr-01", "carrier": "viettel", "findings": [OFF]}
INCIDENT = {"layer": "recorder", "object": "kcl-bg-001/nvr-01", "paths": [], **OFF}


def document(devices: list[dict[str, Any]], *incidents: dict[str, Any]) -> VerifyDocument:
    """A verification of one path that is up."""
    path: dict[str, Any] = {"path": "bac-giang/kcl-bg-001/cam-01/sub", "relay": "relay-1", "facility": "kcl-bg-001"}
    path["province"] = "bac-giang"
    path |= {"carrier": "viettel", "verdict": "up", "cause": "", "layer": None, "object": "", "detail": ""}
    whole = {"paths": [path | {"failing": None}], "hosts": [], "incidents": [*incidents], "devices": devices}
    moments = dict.fromkeys(("started_at", "finished_at"), "2021-05-20T20:00:00+00:00")
    return recorded_verification(whole | moments)


def test_a_finding_is_a_sight_of_its_device_and_of_all_that_carry_it() -> None:
    night = night_of(document([NVR, NVR | {"carrier": "vnpt"}], INCIDENT), {}, inventory="example")
    (one,) = [sight for sight in night.sights if sight.is_device]
    assert (one.name, one.key) == (f"{DEVICE_ITEM}kcl-bg-001/nvr-01:device clock off", one.name)
    assert (one.facility, one.carriers, one.object) == (
        "kcl-bg-001",
        frozenset({"viettel", "vnpt"}),
        "kcl-bg-001/nvr-01",
    )
    assert (one.verdict, one.cause, one.layer) == (Verdict.DEGRADED, Cause.DEVICE_CLOCK_OFF, Layer.RECORDER)
    assert one.detail == OFF["detail"]
    assert not one.is_path


@pytest.mark.parametrize(
    ("devices", "silent"),
    [([NVR | {"findings": []}], False), ([NVR], True), ([], True)],
    ids=["nothing is wrong", "in a maintenance window", "not asked"],
)
def test_nothing_is_said_of_a_device_not_asked_or_worked_on(devices: list[dict[str, Any]], *, silent: bool) -> None:
    night = night_of(document(devices), {}, inventory="example")
    assert not [sight for sight in night.sights if sight.is_device]
    assert night.is_unverified(f"{DEVICE_ITEM}kcl-bg-001/nvr-01:device clock off") is silent
    # A facility that is gone from the inventory is no reason to keep knowing of its devices.
    assert not night.is_unverified(f"{DEVICE_ITEM}kcl-gone/nvr-01:device clock off")


def test_an_incident_of_a_camera_with_paths_is_told_by_its_paths() -> None:
    of_paths = INCIDENT | {"paths": ["bac-giang/kcl-bg-001/cam-01/sub"], "cause": "silent"}
    night = night_of(document([NVR], INCIDENT, of_paths), {}, inventory="example")
    assert [sight.cause for sight in night.sights if sight.is_device] == [Cause.DEVICE_CLOCK_OFF]
