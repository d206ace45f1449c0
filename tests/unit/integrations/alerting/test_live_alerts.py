"""What a watch tells goes through a real Prometheus and a real Alertmanager: one broken thing is one message."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import Metric as Family

from provisioner.integrations.alerting.metrics import (
    PublishedSeries,
    RecordedLook,
    WatchFacts,
    night_sheet,
    watch_sheet,
)
from provisioner.operations.watch.endpoint import served
from provisioner.verify.document import recorded_verification
from provisioner.verify.incidents import incidents_of
from provisioner.verify.result import Cause, Finding, Incident, Layer, PathVerdict, Verdict
from provisioner.verify.watch_states import RelayView, WatchView
from tests.alarms import Alarms, Notice, alarms, wait_for
from tests.processes import free_port

CAMERAS = 40


def path_down(number: int, layer: Layer, name: str, cause: Cause, *, facility: str = "kcl-001") -> PathVerdict:
    camera = f"cam-{number:02}"
    return PathVerdict(
        path=f"bac-giang/{facility}/{camera}/sub",
        carrier="viettel",
        province="bac-giang",
        facility=facility,
        camera=camera,
        relay="edge-1",
        verdict=Verdict.DOWN,
        level=0,
        finding=Finding(cause, layer, name),
        checked_at=datetime.now(UTC),
    )


BEHIND_ONE_TUNNEL = tuple(path_down(n, Layer.TUNNEL, "kcl-001", Cause.TUNNEL_DOWN) for n in range(CAMERAS))


@dataclass
class Stage:
    """A watch of which a test says what it knows."""

    standing: tuple[PathVerdict, ...] = ()
    beside: tuple[Incident, ...] = ()
    shown: PublishedSeries = field(default_factory=PublishedSeries)

    def families(self) -> Iterator[Family]:
        now = datetime.now(UTC)
        incidents = (*incidents_of(self.standing), *self.beside)
        counts = {("viettel", "bac-giang", Verdict.UP): 100, ("viettel", "bac-giang", Verdict.DOWN): len(self.standing)}
        relays = (RelayView("edge-1", "viettel", now, 2.0, ""),)
        view = WatchView(now, counts, self.standing, incidents, relays)
        sheet, self.shown = watch_sheet(view, WatchFacts("example", now, 10.0), self.shown)
        return sheet.families()


@contextmanager
def staged(folder: Path, *carriers: str) -> Iterator[tuple[Stage, Alarms]]:
    stage = Stage()
    with served(("127.0.0.1", 0), stage.families) as port, alarms(folder, port, carriers=carriers) as heard:
        yield stage, heard


def of_paths(messages: list[Notice]) -> list[Notice]:
    """The messages but those of a watch that is late, which it is beside other work, and which are told as well."""
    return [one for one in messages if {*one.names("firing"), *one.names("resolved")} != {"ProvisionerWatchDown"}]


def test_forty_cameras_behind_one_tunnel_are_one_message_and_one_more_when_it_is_mended(tmp_path: Path) -> None:
    with staged(tmp_path, "viettel", "vnpt") as (stage, heard):
        # Of some cameras it was said before that they are away by themselves: the tunnel explains these as well.
        stage.beside = tuple(
            Incident(Finding(Cause.CAMERA_UNPLUGGED, Layer.CAMERA, f"kcl-001/cam-{n:02}"), (BEHIND_ONE_TUNNEL[n].path,))
            for n in range(3)
        )
        stage.standing = BEHIND_ONE_TUNNEL
        wait_for(lambda: bool(of_paths(heard.firing())), "a message")
        wait_for(lambda: heard.states().get("suppressed", 0) == CAMERAS + 3, "the cameras' alerts, hidden")
        (alert,) = of_paths(heard.firing())[0].alerts
        assert alert["labels"]["alertname"] == "ProvisionerSiteDown"
        assert {k: alert["labels"][k] for k in ("object", "host", "carrier")} == {
            "object": "kcl-001",
            "host": "edge-1",
            "carrier": "viettel",
        }
        assert alert["annotations"]["summary"] == "site kcl-001: tunnel down, 40 paths"
        assert [one.names("firing") for one in of_paths(heard.firing("viettel"))] == [["ProvisionerSiteDown"]]
        stage.standing, stage.beside = (), ()
        wait_for(lambda: bool(of_paths(heard.resolved())), "the message that it is over")
        wait_for(lambda: not heard.alerts(), "no alert is left")
        assert [one.names("firing") for one in of_paths(heard.firing())] == [["ProvisionerSiteDown"]]
        assert [one.names("resolved") for one in of_paths(heard.resolved())] == [["ProvisionerSiteDown"]]
        assert not of_paths(heard.firing("vnpt"))


def test_a_relay_that_is_away_hides_its_sites_and_not_those_of_another(tmp_path: Path) -> None:
    elsewhere = tuple(
        replace(path_down(n, Layer.TUNNEL, "kcl-009", Cause.TUNNEL_DOWN, facility="kcl-009"), relay="edge-2")
        for n in range(2)
    )
    with staged(tmp_path) as (stage, heard):
        stage.beside = (
            Incident(Finding(Cause.HOST_UNREACHABLE, Layer.HOST, "edge-1"), tuple(p.path for p in BEHIND_ONE_TUNNEL)),
        )
        stage.standing = (*BEHIND_ONE_TUNNEL, *elsewhere)
        hidden = CAMERAS + 1 + len(elsewhere)
        wait_for(lambda: heard.states().get("suppressed", 0) == hidden, "alerts below it, hidden")
        wait_for(lambda: len(of_paths(heard.firing())) == 2, "two messages")
        names = sorted(name for one in of_paths(heard.firing()) for name in one.names("firing"))
        assert names == ["ProvisionerHostDown", "ProvisionerSiteDown"]


@pytest.mark.soak
def test_alerts_stay_when_the_watch_is_gone_and_that_is_an_alert(tmp_path: Path) -> None:
    stage = Stage(BEHIND_ONE_TUNNEL)
    port = free_port()
    with alarms(tmp_path, port) as heard:
        with served(("127.0.0.1", port), stage.families):
            wait_for(lambda: "ProvisionerSiteDown" in heard.names_firing(), "a message of the tunnel")
        wait_for(lambda: "ProvisionerWatchDown" in heard.names_firing(), "a message of the watch")
        both = {"ProvisionerSiteDown", "ProvisionerWatchDown"}
        wait_for(lambda: both <= {one["labels"]["alertname"] for one in heard.alerts()}, "both at once")
        assert "ProvisionerSiteDown" not in {name for one in heard.resolved() for name in one.names("resolved")}


@pytest.mark.soak
def test_a_night_that_did_not_run_is_a_message_and_nothing_else_goes_by_what_is_old(tmp_path: Path) -> None:
    ended = [datetime.now(UTC) - timedelta(hours=25)]
    host = {"host": "edge-1", "outcome": "unreachable", "drift": None}

    def night() -> Iterator[Family]:
        began = ended[0] - timedelta(hours=1)
        document = {"started_at": began, "finished_at": ended[0], "paths": [], "incidents": [], "hosts": [host]}
        looks = [RecordedLook(began, ended[0], whole=True, document=recorded_verification(document))]
        return night_sheet("example", looks, datetime.now(UTC)).families()

    with (
        served(("127.0.0.1", 0), Stage().families) as watch,
        served(("127.0.0.1", 0), night) as node,
        alarms(tmp_path, watch, node=node) as heard,
    ):
        # Beside other work a watch may be late and be told of as well: here it is the night that counts.
        wait_for(lambda: "ProvisionerHostNotVerified" in heard.names_firing(), "what the last night left")
        assert "ProvisionerNightMissed" not in heard.names_firing()
        ended[0] -= timedelta(hours=2)
        wait_for(lambda: "ProvisionerNightMissed" in heard.names_firing(), "that a night is missing")
        wait_for(lambda: any("ProvisionerHostNotVerified" in m.names("resolved") for m in heard.resolved()), "no more")
        ended[0] = datetime.now(UTC)
        wait_for(lambda: any("ProvisionerNightMissed" in m.names("resolved") for m in heard.resolved()), "it ran")
