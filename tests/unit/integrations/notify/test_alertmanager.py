"""Alerts of nights at a real Alertmanager: they stand, come again as the same ones, and end when what broke is up."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from provisioner.base.http import HttpLimits
from provisioner.base.language import Language
from provisioner.base.roles import ReaderRole, ReaderScope
from provisioner.integrations.notify.delivery import Outgoing, deliver
from provisioner.integrations.notify.formats import Labels, alerts_of, trial_alert
from provisioner.integrations.notify.mail import Letter
from provisioner.integrations.notify.news import (
    NOTHING_KNOWN,
    LastNotice,
    NightItem,
    NightNews,
    NightReport,
    news_for,
    scope_name,
)
from provisioner.inventory.model.receivers import ReceiverKind, ReceiverSecrets
from provisioner.verify.result import Cause, Verdict
from tests.alertmanager import Alertmanager
from tests.nights import path, province_of, receiver

MINISTRY = ReaderScope(ReaderRole.MINISTRY)


def take(server: Alertmanager, alerts: list[dict[str, Any]]) -> None:
    """Tell an Alertmanager."""
    to = receiver(MINISTRY, kind=ReceiverKind.ALERTMANAGER).model_copy(update={"url": server.url})
    deliver(
        Outgoing(to, ReceiverSecrets(), datetime.now(UTC), "d", {}, Letter("", "", ""), alerts),
        HttpLimits(named=frozenset({"127.0.0.1"})),
    )


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[Alertmanager]:
    """An Alertmanager that tells nobody."""
    server = Alertmanager(tmp_path)
    yield server
    server.stop()


def news(last: LastNotice, *sights: NightItem) -> NightNews:
    return news_for(MINISTRY, NightReport("example", "run", datetime.now(UTC), sights), last, province_of)


def test_alerts_stand_are_repeated_and_end(alertmanager: Alertmanager) -> None:
    tunnel = [path("kcl-bac-giang-1", n, "viettel", Verdict.DOWN, Cause.TUNNEL_DOWN) for n in range(1, 41)]
    camera = path("kcl-hai-duong-1", 1, "vnpt", Verdict.DEGRADED, Cause.SILENT)
    first = news(NOTHING_KNOWN, *tunnel, camera)
    alerts, labels = alerts_of(first, (), Language.VI)
    take(alertmanager, alerts)
    standing = alertmanager.alerts()
    assert [alert["labels"]["object"] for alert in standing] == ["kcl-bac-giang-1", "kcl-hai-duong-1/cam-1"]
    assert [alert["labels"]["severity"] for alert in standing] == ["critical", "warning"]
    assert "40 luồng camera" in standing[0]["annotations"]["summary"]
    assert standing[0]["labels"]["host"] == "relay-viettel"

    up = path("kcl-hai-duong-1", 1, "vnpt", Verdict.UP, Cause.NONE)
    again, _ = alerts_of(news(_known(first, labels), *tunnel, up), labels, Language.VI)
    take(alertmanager, again)
    (left,) = alertmanager.alerts()
    assert (left["labels"], left["fingerprint"]) == (standing[0]["labels"], standing[0]["fingerprint"])


def _known(before: NightNews, labels: list[Labels]) -> LastNotice:
    return LastNotice(scope_name(MINISTRY), before.notified, tuple(labels))


def test_a_test_is_an_alert_that_ends_by_itself(alertmanager: Alertmanager) -> None:
    take(alertmanager, trial_alert("example", "noc", datetime.now(UTC), Language.EN))
    (alert,) = alertmanager.alerts()
    assert alert["labels"]["alertname"] == "ProvisionerTest"
    ends = datetime.fromisoformat(alert["endsAt"])
    assert 0 < (ends - datetime.now(UTC)).total_seconds() < 600
