"""Alerts of nights at a real Alertmanager: they stand, come again as the same ones, and end when what broke is up."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from provisioner.base.attempt import Patience
from provisioner.base.language import Language
from provisioner.base.roles import ReaderRole, ReaderScope
from provisioner.inventory.model import ReceiverKind, ReceiverSecrets
from provisioner.notify.alerts import Labels, alerts_of, trial_alert
from provisioner.notify.delivery import Outgoing, deliver
from provisioner.notify.letter import Letter
from provisioner.notify.news import NOTHING_KNOWN, LastNotice, NightNews, news_for, scope_name
from provisioner.notify.sight import NightSight, Sight
from provisioner.verify.result import Cause, Verdict
from tests.nights import path, province_of, receiver
from tests.sinks import closed_port

MINISTRY = ReaderScope(ReaderRole.MINISTRY)
_START_S = 60
_CONFIG = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"


class Alertmanager:
    """A server on this machine."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("prometheus-alertmanager")
        assert program, "prometheus-alertmanager is missing: apt-get install prometheus-alertmanager"
        (folder / "alertmanager.yml").write_text(_CONFIG, encoding="utf-8")
        self.url = f"http://127.0.0.1:{closed_port()}"
        options = (
            f"--config.file={folder / 'alertmanager.yml'}",
            f"--storage.path={folder / 'data'}",
            f"--web.listen-address={self.url.removeprefix('http://')}",
            "--cluster.listen-address=",
        )
        self._process = subprocess.Popen(
            [program, *options], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.wait_for(lambda: requests.get(f"{self.url}/-/ready", timeout=5).ok)

    def wait_for(self, condition: Any) -> None:
        """Wait until something holds."""
        until = time.monotonic() + _START_S
        while True:
            try:
                if condition():
                    return
            except OSError:
                assert self._process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.1)

    def alerts(self) -> list[dict[str, Any]]:
        """The alerts that stand there."""
        listed: list[dict[str, Any]] = requests.get(f"{self.url}/api/v2/alerts", timeout=30).json()
        return sorted(listed, key=lambda alert: str(alert["labels"]))

    def take(self, alerts: list[dict[str, Any]]) -> None:
        """Be told."""
        to = receiver(MINISTRY, kind=ReceiverKind.ALERTMANAGER).model_copy(update={"url": self.url})
        deliver(Outgoing(to, ReceiverSecrets(), datetime.now(UTC), "d", {}, Letter("", "", ""), alerts), Patience())

    def stop(self) -> None:
        """Stop."""
        self._process.terminate()
        self._process.wait(timeout=_START_S)


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[Alertmanager]:
    """An Alertmanager that tells nobody."""
    server = Alertmanager(tmp_path)
    yield server
    server.stop()


def news(last: LastNotice, *sights: Sight) -> NightNews:
    return news_for(MINISTRY, NightSight("example", "run", datetime.now(UTC), sights), last, province_of)


def test_alerts_stand_are_repeated_and_end(alertmanager: Alertmanager) -> None:
    tunnel = [path("kcl-bac-giang-1", n, "viettel", Verdict.DOWN, Cause.TUNNEL_DOWN) for n in range(1, 41)]
    camera = path("kcl-hai-duong-1", 1, "vnpt", Verdict.DEGRADED, Cause.SILENT)
    first = news(NOTHING_KNOWN, *tunnel, camera)
    alerts, labels = alerts_of(first, (), Language.VI)
    alertmanager.take(alerts)
    standing = alertmanager.alerts()
    assert [alert["labels"]["object"] for alert in standing] == ["kcl-bac-giang-1", "kcl-hai-duong-1/cam-1"]
    assert [alert["labels"]["severity"] for alert in standing] == ["critical", "warning"]
    assert "40 đường hình" in standing[0]["annotations"]["summary"]
    assert standing[0]["labels"]["host"] == "relay-viettel"

    up = path("kcl-hai-duong-1", 1, "vnpt", Verdict.UP, Cause.NONE)
    again, _ = alerts_of(news(_known(first, labels), *tunnel, up), labels, Language.VI)
    alertmanager.take(again)
    (left,) = alertmanager.alerts()
    assert (left["labels"], left["fingerprint"]) == (standing[0]["labels"], standing[0]["fingerprint"])


def _known(before: NightNews, labels: list[Labels]) -> LastNotice:
    return LastNotice(scope_name(MINISTRY), before.knows, tuple(labels))


def test_a_test_is_an_alert_that_ends_by_itself(alertmanager: Alertmanager) -> None:
    alertmanager.take(trial_alert("example", "noc", datetime.now(UTC), Language.EN))
    (alert,) = alertmanager.alerts()
    assert alert["labels"]["alertname"] == "ProvisionerTest"
    ends = datetime.fromisoformat(alert["endsAt"])
    assert 0 < (ends - datetime.now(UTC)).total_seconds() < 600
