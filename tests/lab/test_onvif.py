"""A camera that is asked who it is, on real hosts: by a port map of its own, by the probe alone, its login once."""

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from provisioner.inventory.files.edit import Flow, edited
from tests.contract import onvif_device

from .deployment import Deployment, patient
from .test_verify import all_up, verified
from .topology import place

pytestmark = [pytest.mark.lab, pytest.mark.destructive]
CAMERA = place("kcl-bg-001/cam-01")
GATEWAY, RELAY, UNIT = CAMERA.gateway, CAMERA.gateway.relay, "lab-onvif"
SERIAL, PORT = "LAB0001", 8000
ONLY = ("--limit", f"facility={GATEWAY.facility}")
_PROGRAM, _COUNT = "/run/lab/onvif_device.py", "/run/lab/onvif-refused"


def speak(deployment: Deployment, **changes: Any) -> None:
    """Have the camera answer ONVIF, with its own login unless that is changed."""
    lab = deployment.lab
    lab.copy_in(GATEWAY.name, Path(onvif_device.__file__), _PROGRAM)
    own: dict[str, Any] = {"user": CAMERA.device.user, "password": lab.camera(CAMERA.id).password, "serial": SERIAL}
    own["profiles"] = [["prof_2", "sub", 352, 288]]
    said = json.dumps(own | {"place": [str(CAMERA.device.address.ip), PORT]} | changes)
    lab.exec(GATEWAY.name, ["systemctl", "stop", UNIT], check=False)
    run = ["ip", "netns", "exec", CAMERA.device.id, "python3", _PROGRAM, said, _COUNT]
    lab.exec(GATEWAY.name, ["systemd-run", f"--unit={UNIT}", "--collect", *run])
    time.sleep(1)


def install(deployment: Deployment) -> None:
    folder = deployment.lab.directory / "onvif"
    deployment.run("site-package", GATEWAY.facility, "--out", str(folder))
    deployment.lab.install_site_package(GATEWAY.name, folder / GATEWAY.facility)
    shutil.rmtree(folder)


@pytest.fixture
def asked(deployment: Deployment) -> Iterator[Deployment]:
    """The deployment with one camera that is asked; its gateway gets its first package again."""
    verified(deployment, *ONLY, until=all_up, tries=12)
    file = deployment.facility_file(GATEWAY.facility)
    file.write_bytes(
        edited(file.read_bytes(), {("cameras", 0, "onvif"): Flow(port=PORT, serial=SERIAL, profile="sub")})
    )
    deployment.run("allocate")
    plan = deployment.document("plan")
    assert [(need["facility"], need["reason"]) for need in plan["site_packages"]] == [
        (GATEWAY.facility, "its gateway has to lead port 10558 to a device")
    ]
    assert {change["impact"] for change in plan["changes"]} <= {"none", "hot"}
    deployment.run("apply", "--yes", *patient(60))
    install(deployment)
    yield deployment
    deployment.lab.exec(GATEWAY.name, ["systemctl", "stop", UNIT], check=False)
    deployment.git("reset", "--quiet", "--hard")
    install(deployment)


def device_of(found: dict[str, Any]) -> dict[str, Any]:
    [device] = found["devices"]
    assert device["device"] == CAMERA.device.id
    return dict(device)


def connects(deployment: Deployment, user: str, port: int) -> bool:
    """Whether a user of the relay gets a connection to a port of the site."""
    script = f"exec 3<>/dev/tcp/{_site_address(deployment)}/{port}"
    words = ["timeout", "3", "runuser", "-u", user, "--", "bash", "-c", script]
    return deployment.lab.exec(RELAY, words, check=False).returncode == 0


def _site_address(deployment: Deployment) -> str:
    lock = (deployment.root / "allocations.lock.yml").read_text(encoding="utf-8")
    after = lock.partition(f"  {GATEWAY.facility}:")[2]
    return after.partition("tunnel_address:")[2].split()[0].strip('"')


@pytest.mark.soak
def test_a_camera_says_who_it_is_by_a_port_of_its_own_and_its_login_is_tried_once(asked: Deployment) -> None:
    # Nothing speaks there yet: that is no fault of the picture.
    silent = verified(asked, *ONLY, until=all_up)
    assert all_up(silent), silent["incidents"]
    assert device_of(silent)["state"] == "not told", silent["devices"]
    assert [incident["cause"] for incident in silent["incidents"]] == ["device tells nothing"]

    speak(asked)
    right = verified(asked, *ONLY, until=lambda f: device_of(f)["state"] == "as agreed")
    told = device_of(right)
    assert (told["state"], told["serial"], told["findings"]) == ("as agreed", SERIAL, []), told
    assert all_up(right)

    assert connects(asked, "provisioner-probe", 10558)
    assert not connects(asked, "mediamtx", 10558)
    assert not connects(asked, "provisioner-probe", 10554)
    assert connects(asked, "mediamtx", 10554)

    speak(asked, serial="LAB0002", zone_s=8 * 3600)
    other = asked.document("verify", "--once", *ONLY, codes=(1,))
    assert {p["camera"]: p["cause"] for p in other["paths"] if p["verdict"] != "up"} == {"cam-01": "another device"}
    assert {incident["cause"] for incident in other["incidents"]} == {"another device", "device clock off"}
    assert "LAB0002" in device_of(other)["serial"]

    speak(asked, password="Another-for-ONVIF-1")
    for _ in range(3):
        refused = asked.document("verify", "--once", *ONLY)
        assert device_of(refused)["state"] == "login refused", refused["devices"]
    assert asked.lab.exec(GATEWAY.name, ["cat", _COUNT]).stdout == "1"
    # The video took the login, so that nothing is quarantined for it.
    assert asked.document("quarantine", "list")["quarantined"] == []
