"""Recorded verifications as metrics: what is told, within which budget, and what is never told."""

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from provisioner.base.errors import UnreadableError
from provisioner.base.text import printable
from provisioner.integrations.alerting import metric_catalogue
from provisioner.integrations.alerting.metric_catalogue import (
    AGENT,
    MOST_SERIES,
    NIGHT,
    PATH_STATE,
    WATCH,
    Metric,
    MetricSheet,
    exposition,
)
from provisioner.integrations.alerting.metrics import RecordedLook, night_sheet
from provisioner.verify.document import recorded_verification
from provisioner.verify.result import Cause, Layer, Verdict
from tests.alarms import checked
from tests.hostile import VIEWER

REPORTS = Path(__file__).parents[3] / "golden/report"
NIGHT_AT = datetime(2021, 5, 12, 1, tzinfo=UTC)
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def report(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((REPORTS / f"{name}.json").read_text(encoding="utf-8"))
    return document


def look(document: Mapping[str, Any], *, hours: float = 0, whole: bool = True) -> RecordedLook:
    end = NIGHT_AT + timedelta(hours=hours)
    began = end - timedelta(minutes=10)
    moments = {"started_at": began.isoformat(), "finished_at": end.isoformat()}
    return RecordedLook(began, end, whole, recorded_verification(moments | dict(document)))


def samples_in(text: bytes) -> Samples:
    families = text_string_to_metric_families(text.decode())
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def samples(*looks: RecordedLook) -> Samples:
    return samples_in(exposition(night_sheet("example", looks, NIGHT_AT).families()))


def value(of: Samples, name: str, **labels: str) -> float:
    """The one sample with these labels, whatever others it has."""
    (found,) = [v for (n, has), v in of.items() if n == name and labels.items() <= dict(has).items()]
    return found


def test_every_path_has_one_series_and_all_else_is_counted() -> None:
    of = samples(look(report("mixed")))
    assert value(of, "provisioner_path_state", path="bac-giang/kcl-001/cam-02/sub") == 1
    assert value(of, "provisioner_path_state", path="bac-giang/kcl-002/cam-01/sub") == 3
    assert sum(name == "provisioner_path_state" for name, _ in of) == 5
    assert value(of, "provisioner_paths", verdict="up") == 2
    assert value(of, "provisioner_facility_paths", facility="kcl-001") == 4
    assert value(of, "provisioner_facility_paths_up", facility="kcl-001") == 2
    assert value(of, "provisioner_incident_paths", object="kcl-002/cam-01", scope="device") == 1
    assert value(of, "provisioner_incident_paths", scope="host", host="edge-1", facility="", carrier="viettel") == 1
    assert value(of, "provisioner_verification_end_timestamp_seconds", extent="all") == NIGHT_AT.timestamp()
    assert value(of, "provisioner_verification_seconds") == 600
    assert value(of, "provisioner_series") == len(of)


def test_prometheus_itself_finds_nothing_wrong_with_the_text() -> None:
    for name in ("mixed", "drifted", "all-up"):
        checked(
            "promtool",
            "check",
            "metrics",
            stdin=exposition(night_sheet("x", [look(report(name))], NIGHT_AT).families()),
        )


def test_a_later_look_at_a_part_changes_that_part_alone() -> None:
    whole, part = report("mixed"), report("mixed")
    mended = "bac-giang/kcl-002/cam-01/sub"
    part["paths"] = [{**path, "verdict": "up", "cause": ""} for path in part["paths"] if path["path"] == mended]
    part["incidents"], part["hosts"] = [], []
    of = samples(look(part, hours=9, whole=False), look(whole))
    assert value(of, "provisioner_path_state", path=mended) == 0
    assert value(of, "provisioner_path_state", path="bac-giang/kcl-001/cam-02/sub") == 1
    assert {dict(has)["object"] for name, has in of if name == "provisioner_incident_paths"} == {
        "edge-1",
        "bac-giang/kcl-001/cam-02/sub",
    }
    night = NIGHT_AT.timestamp()
    assert value(of, "provisioner_verification_end_timestamp_seconds", extent="all") == night
    assert value(of, "provisioner_verification_end_timestamp_seconds", extent="part") == night + 9 * 3600
    assert value(of, "provisioner_host_answered", host="edge-1") == 1


def test_what_a_later_look_was_not_asked_for_is_as_before() -> None:
    part = report("mixed")
    for path in part["paths"]:
        path |= {"verdict": "unknown", "cause": Cause.NOT_ASKED.value}
    part["incidents"] = []
    of = samples(look(part, hours=1, whole=False), look(report("mixed")))
    assert value(of, "provisioner_path_state", path="bac-giang/kcl-002/cam-01/sub") == 3
    assert value(of, "provisioner_incident_paths", object="kcl-002/cam-01") == 1


def test_without_any_verification_there_is_no_night() -> None:
    names = {name for name, _ in samples()}
    assert "provisioner_verification_end_timestamp_seconds" not in names
    assert names >= {"provisioner_metrics_written_timestamp_seconds", "provisioner_series"}


def test_a_host_that_was_not_read_has_no_number_of_differences() -> None:
    document = report("mixed")
    document["hosts"] = [{"host": "edge-1", "outcome": "unreachable", "error": "x", "drift": None, "findings": []}]
    of = samples(look(document, hours=1), look(report("drifted")))
    assert value(of, "provisioner_host_answered", host="edge-1") == 0
    assert not [has for name, has in of if name == "provisioner_host_drift" and ("host", "edge-1") in has]


# --- the budget -----------------------------------------------------------------------------------
def country(paths: int) -> dict[str, Any]:
    """A verification of a country: ten paths a facility, sixteen facilities a hundred, every hundredth path down."""
    provinces = [f"province-{n:02}" for n in range(63)]
    listed, incidents = [], []
    for number in range(paths):
        facility, province = f"kcl-{number // 10:05}", provinces[number // 10 % 63]
        name = f"{province}/{facility}/cam-{number % 10:02}/sub"
        bad = number % 100 == 7
        relay, carrier = f"relay-{number // 1150:03}", ("viettel", "vnpt")[number // 1150 % 2]
        row = {"path": name, "carrier": carrier, "province": province, "facility": facility, "relay": relay}
        listed.append(row | {"verdict": "down" if bad else "up", "cause": "camera hung" if bad else ""})
        if bad:
            broken = {"layer": "camera", "object": f"{facility}/cam-{number % 10:02}", "cause": "camera hung"}
            incidents.append(broken | {"paths": [name]})
    hosts = [{"host": f"relay-{n:03}", "outcome": "answered", "drift": []} for n in range(1 + paths // 1150)]
    return {"paths": listed, "incidents": incidents, "hosts": hosts}


@pytest.mark.soak
def test_a_country_of_a_hundred_thousand_paths_is_within_the_budget(capsys: pytest.CaptureFixture[str]) -> None:
    document = country(100_000)
    begun = time.process_time()
    one = night_sheet("national", [look(document)], NIGHT_AT)
    text = exposition(one.families())
    seconds = time.process_time() - begun
    with capsys.disabled():
        counts = ", ".join(f"{one.count_of(m)} {m.name}" for m in NIGHT if one.count_of(m) > 1)
        size = f"{len(text) / 1e6:.1f} MB, {seconds:.1f} s of processor time"
        print(f"\n100000 paths: {one.count} series ({counts}), {size}")  # noqa: T201 (a figure of the page)
    assert one.count_of(PATH_STATE) == 100_000
    assert one.count < 125_000 < MOST_SERIES
    assert len(text.splitlines()) - 2 * len(NIGHT) == one.count


def test_beyond_the_budget_what_is_up_is_left_out_and_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metric_catalogue, "MOST_SERIES", 1000)
    one = night_sheet("national", [look(country(1000))], NIGHT_AT)
    of = samples_in(exposition(one.families()))
    assert len(of) == one.count == 1000
    left_out = value(of, "provisioner_series_left_out")
    assert left_out == 1000 - sum(name == "provisioner_path_state" for name, _ in of)
    assert sum(name == "provisioner_path_state" and v == 3 for (name, _), v in of.items()) == 10


def test_incidents_beyond_their_number_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provisioner.integrations.alerting.metrics.MOST_INCIDENTS", 4)
    of = samples(look(country(1000)))
    assert sum(name == "provisioner_incident_paths" for name, _ in of) == 4
    assert value(of, "provisioner_incidents_left_out") == 6


def test_a_label_that_is_not_in_the_catalogue_cannot_be_written() -> None:
    one = MetricSheet("x", NIGHT)
    with pytest.raises(ValueError, match="has the labels"):
        one.put(PATH_STATE, 0, path="p", carrier="c", host="h", phone="0912345678")
    with pytest.raises(ValueError, match="has the labels"):
        one.put(Metric("provisioner_other", "x", (), "1"), 0)


LABELS = {
    *("path", "carrier", "province", "facility", "host", "verdict", "state", "layer", "scope", "object", "cause"),
    *("extent", "impact"),
}


def test_the_labels_are_these_and_no_name_stands_twice() -> None:
    metrics = (*AGENT, *NIGHT, *WATCH)
    assert {label for metric in metrics for label in metric.labels} == LABELS
    assert len({metric.name for metric in metrics}) == len(metrics)
    assert [m.name for m in metrics if "path" in m.labels] == ["provisioner_path_state", "provisioner_watch_path_state"]
    assert set(metric_catalogue.VERDICT_STATES) == set(Verdict)


# --- what a record may hold -------------------------------------------------------------------------
CANARY = "canary-Nguyen-Van-A-0912345678"
WORDS = st.text(max_size=12)


@VIEWER
def test_what_a_document_says_beside_is_in_no_metric() -> None:
    document = report("mixed")
    for path in document["paths"]:
        path["detail"] = CANARY
    for incident in document["incidents"]:
        incident["detail"] = CANARY
    document["hosts"][0]["error"] = CANARY
    document["who"] = {"user": CANARY}
    assert CANARY.encode() not in exposition(night_sheet("x", [look(document)], NIGHT_AT).families())


@given(
    st.lists(
        st.tuples(WORDS, WORDS, WORDS, st.sampled_from([*Verdict, "other"]), st.sampled_from([*Layer, "other"])),
        max_size=8,
    )
)
def test_anything_in_a_document_is_text_that_can_be_read_back(rows: list[tuple[str, str, str, str, str]]) -> None:
    paths, incidents = [], []
    for path, facility, name, verdict, layer in rows:
        row = {"path": path, "carrier": name, "province": facility, "facility": facility, "relay": name}
        paths.append(row | {"verdict": verdict, "cause": "x"})
        incidents.append({"layer": layer, "object": name, "cause": verdict, "paths": [path]})
    try:
        one = night_sheet("example", [look({"paths": paths, "incidents": incidents, "hosts": []})], NIGHT_AT)
    except UnreadableError:  # half of a surrogate pair is no text
        return
    of = samples_in(exposition(one.families()))
    different = len({(printable(row["path"]), printable(row["relay"])) for row in paths})
    assert sum(v for (name, _), v in of.items() if name == "provisioner_paths") == different
    assert len(of) == one.count


@pytest.mark.parametrize(
    "document", [{}, {"paths": None}, {"paths": [{}]}, {"paths": [], "hosts": [], "incidents": [1]}]
)
def test_a_document_that_verify_does_not_write_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(UnreadableError):
        night_sheet("x", [look(document)], NIGHT_AT)
