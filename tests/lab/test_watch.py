"""A cable is pulled on a real site: seconds until one message of a real Alertmanager, by the files as written."""

import time
from pathlib import Path

import pytest

from tests.alarms import Alarms, Notice, alarms, wait_for

from .deployment import Deployment
from .patience import stretched
from .watching import watching

pytestmark = [pytest.mark.lab, pytest.mark.destructive, pytest.mark.soak]

MOST_S = 90  #: From a cable that is pulled to one message: what the page promises.


def message_after(heard: Alarms, begun: float, known: int) -> Notice:
    """The first message that something fires since a moment."""
    wait_for(lambda: len(heard.firing()) > known, "a message", stretched(MOST_S) + 60)
    notice = heard.firing()[known]
    assert notice.at > begun
    return notice


@pytest.mark.soak
def test_a_pulled_cable_is_one_message_within_ninety_seconds(
    deployment: Deployment, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lab, said = deployment.lab, []
    with watching(deployment, tmp_path) as watch, alarms(tmp_path, watch.port, haste=False) as heard:
        wait_for(lambda: watch.paths("up") == 12, "all pulled paths flow", stretched(120))
        time.sleep(15)
        assert heard.firing() == [], "all is well, and nothing is said"
        ansibles = watch.ansibles()

        camera = lab.camera("kcl-bg-001/cam-02")
        begun = time.monotonic()
        camera.unplug()
        try:
            cable = message_after(heard, begun, 0)
            said.append(f"a camera's cable pulled: {cable.at - begun:.1f} s to a message")
            (alert,) = cable.alerts
            assert (alert["labels"]["alertname"], alert["labels"]["object"]) == (
                "ProvisionerDeviceDown",
                "kcl-bg-001/cam-02",
            )
            assert "camera unplugged" in alert["annotations"]["summary"]
            assert cable.at - begun <= MOST_S
            # It takes no lease: a change goes on beside it.
            assert deployment.document("apply", "--yes")["outcome"] == "nothing-to-do"
        finally:
            plugged = time.monotonic()
            camera.plug()
        wait_for(lambda: bool(heard.resolved()), "the message that it is over", stretched(120))
        said.append(f"plugged again: {heard.resolved()[0].at - plugged:.1f} s to the message that it is over")
        assert len(heard.firing()) == 1

        begun = time.monotonic()
        lab.exec("gw-2", ["systemctl", "stop", "provisioner-site"])
        try:
            tunnel = message_after(heard, begun, 1)
            said.append(f"a site's tunnel down: {tunnel.at - begun:.1f} s to a message")
            assert tunnel.names("firing") == ["ProvisionerSiteDown"]
            assert tunnel.alerts[0]["labels"]["facility"] == "kcl-bg-002"
            wait_for(lambda: heard.states().get("suppressed", 0) == 3, "the cameras' own alerts, hidden", 60)
            time.sleep(20)
            assert len(heard.firing()) == 2, "one message for three cameras"
        finally:
            lab.exec("gw-2", ["systemctl", "start", "provisioner-site"])
        wait_for(lambda: watch.paths("up") == 12, "all pulled paths flow again", stretched(180))
        said.append(f"Ansible was started {ansibles} time(s) at first, and {watch.ansibles()} at the end")
        assert watch.ansibles() == ansibles
    with capsys.disabled():
        print("\n" + "\n".join(said))  # noqa: T201 (the figures of the page)
