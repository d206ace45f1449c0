"""What the demo insists on: each check passes what is right, and fails what is not."""

from typing import Any

import pytest

from tests.lab.held_readers import LONGEST_GAP, Held

from . import checks
from .alert import in_words, not_shown
from .errors import DemoError
from .pages import PageParser, of_camera
from .screen import shortened

RELAY = "relay-1"
PATHS = ("p/f/c/main", "p/f/c/sub")
REPORT = """22 of 24 paths are up: 2 down

incidents: 1
  down      camera kcl-1/cam-02: camera unplugged, 2 paths
            10.91.0.2:10555: no-route
"""


def change(resource: str, name: str, action: str = "update", host: str = RELAY) -> dict[str, Any]:
    return {"host": host, "resource": resource, "name": name, "action": action}


def plan(*more: dict[str, Any], viewers: int = 1) -> dict[str, Any]:
    wanted = [*(change("path", name) for name in PATHS), change("file", checks.RELAY_FILE)]
    return {"changes": [*wanted, *more], "summary": {"viewers_dropped": viewers}}


def test_a_plan_of_one_camera_passes() -> None:
    checks.only_these_paths(plan(change("peer", "site/f", "noop")), RELAY, PATHS, viewers=1)


@pytest.mark.parametrize(
    "more",
    [
        change("path", "p/f/d/sub"),
        change("path", PATHS[0], host="relay-2"),
        change("peer", "site/f"),
        change("unit", "provisioner-mediamtx.service"),
        change("path", "p/f/e/sub", "delete"),
    ],
    ids=lambda more: f"{more['resource']} {more['name']} {more['action']} {more['host']}",
)
def test_a_plan_that_touches_anything_else_fails(more: dict[str, Any]) -> None:
    with pytest.raises(DemoError, match="nothing else"):
        checks.only_these_paths(plan(more), RELAY, PATHS, viewers=1)


def test_a_plan_that_leaves_a_path_out_or_counts_viewers_wrongly_fails() -> None:
    with pytest.raises(DemoError):
        checks.only_these_paths(plan(), RELAY, (*PATHS, "p/f/x/sub"), viewers=1)
    with pytest.raises(DemoError, match="viewers"):
        checks.only_these_paths(plan(viewers=3), RELAY, PATHS, viewers=1)


EDITED = Held("edited", 10, 0.1, "cut by the relay")


def test_readers_that_play_on_pass() -> None:
    checks.readers_undisturbed([EDITED, Held("other", 100, LONGEST_GAP, "")], "edited", LONGEST_GAP)


@pytest.mark.parametrize(
    "reader",
    [
        Held("edited", 100, 0.1, ""),
        Held("other", 100, 0.1, "cut by the relay"),
        Held("other", 0, 0.0, ""),
        Held("other", 100, LONGEST_GAP + 0.01, ""),
    ],
    ids=["the edited one was not cut", "another was cut", "no packet", "a gap"],
)
def test_readers_that_were_disturbed_fail(reader: Held) -> None:
    with pytest.raises(DemoError, match=reader.path):
        checks.readers_undisturbed([reader], "edited", LONGEST_GAP)


def test_what_the_machine_itself_delays_is_no_fault_of_the_change() -> None:
    quiet, slow = Held("other", 100, 0.9, "", gap_before=0.2), Held("other", 100, 0.9, "", gap_before=0.35)
    assert checks.gap_nobody_sees([EDITED, quiet], [Held("elsewhere", 100, 0.2, "")]) == LONGEST_GAP
    assert checks.gap_nobody_sees([EDITED, slow], []) == pytest.approx(LONGEST_GAP + 0.15)
    assert checks.gap_nobody_sees([quiet], [Held("elsewhere", 100, 0.4, "")]) == pytest.approx(LONGEST_GAP + 0.2)


def test_reports() -> None:
    checks.all_up("all 24 paths are up\n", 24)
    checks.names_only(REPORT, "kcl-1/cam-02", "camera unplugged", 24)
    with pytest.raises(DemoError):
        checks.all_up(REPORT, 24)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("kcl-1/cam-02", "kcl-2/cam-02"),
        ("camera unplugged", "camera refuses"),
        ("incidents: 1", "incidents: 2"),
        ("22 of 24 paths are up: 2 down", "21 of 24 paths are up: 3 down"),
    ],
)
def test_a_report_that_names_something_else_fails(old: str, new: str) -> None:
    with pytest.raises(DemoError):
        checks.names_only(REPORT.replace(old, new), "kcl-1/cam-02", "camera unplugged", 24)


def test_a_long_output_is_shown_by_its_beginning_and_end() -> None:
    text = "\n".join(map(str, range(100)))
    lines = shortened(text, 10)
    assert lines == ["0", "1", "2", "3", "4", "5", "… 91 more lines …", "97", "98", "99"]
    assert shortened("a\nb\n", 10) == ["a", "b"]


ALERT: dict[str, Any] = {
    "labels": {
        "alertname": "ProvisionerDeviceDown",
        "scope": "device",
        "severity": "warning",
        "object": "kcl-1/cam-02",
        "facility": "kcl-1",
        "carrier": "viettel",
        "host": "edge-1",
        "layer": "camera",
    },
    "annotations": {"summary": "kcl-1/cam-02: camera unplugged, 1 path", "action": "See its power"},
}


def test_an_alert_is_told_by_its_name_and_its_labels_in_words() -> None:
    assert in_words(ALERT) == [
        "alert ProvisionerDeviceDown: kcl-1/cam-02: camera unplugged, 1 path",
        "  severity warning; how far it reaches: one device; what is broken: kcl-1/cam-02",
        "  facility kcl-1; carrier viettel; relay edge-1",
        "  what to do: See its power",
    ]


def test_one_alert_of_the_camera_passes_and_anything_else_fails() -> None:
    checks.one_alert([ALERT], "ProvisionerDeviceDown", "kcl-1/cam-02")
    other = {"labels": {"alertname": "ProvisionerPathDown", "object": "kcl-1/cam-02"}}
    for alerts in ([], [other], [ALERT, other], [ALERT, ALERT]):
        with pytest.raises(DemoError, match="one alert"):
            checks.one_alert(alerts, "ProvisionerDeviceDown", "kcl-1/cam-02")


def test_where_a_program_is_lacking_the_demo_says_which_and_what_to_install() -> None:
    assert not not_shown(())
    said = not_shown({"prometheus-alertmanager", "prometheus"})
    assert said.startswith("no alert is shown: this machine lacks prometheus prometheus-alertmanager")
    assert said.endswith("apt-get install -y --no-install-recommends prometheus prometheus-alertmanager")


PAGE = """<body><a href="../en/incidents">Incidents</a><p>above</p><main><h1>One <span>kcl-1</span></h1>
<form><p>asked</p></form><ol><li><span class="badge">up</span> <b>cam-02</b>
<span role="img" aria-label="levels 0 to 6"><i>0</i><i>1</i></span><input name="x">
<i aria-hidden="true">hidden</i></li></ol>
<p>No incident.</p><dl><dt>Carrier</dt><dd>Viettel</dd></dl></main><p>below</p></body>"""


def test_a_page_is_read_as_it_is_read_aloud() -> None:
    page = PageParser(PAGE)
    assert page.lines == ["One kcl-1", "up cam-02 levels 0 to 6", "No incident.", "Carrier: Viettel"]
    assert page.links == ["../en/incidents"]


def test_of_a_facility_the_top_is_shown_and_the_camera_that_the_story_is_of() -> None:
    page = ["One kcl-1", "up 3 of 3", "up cam-01 main", "of the first", "up cam-02 main", "of it", "up cam-03", "no"]
    assert of_camera(page, "cam-02") == ["One kcl-1", "up 3 of 3", "up cam-02 main", "of it"]


def test_pages_that_say_that_all_is_well_pass_and_others_fail() -> None:
    checks.pages_say_all_is_well(["No incident."], ["up cam-02 gate"], "cam-02")
    with pytest.raises(DemoError, match="incidents"):
        checks.pages_say_all_is_well(["1 incident"], ["up cam-02 gate"], "cam-02")
    with pytest.raises(DemoError, match="cam-02 is up"):
        checks.pages_say_all_is_well(["No incident."], ["down cam-02 gate", "up cam-021"], "cam-02")
