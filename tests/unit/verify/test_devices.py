"""What devices' accounts of themselves come to: facts degrade, findings do not, silence is no proof."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from ipaddress import IPv4Address
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.base.errors import UnreadableError
from provisioner.base.language import Language, translator
from provisioner.cli.config import document_schema
from provisioner.desired.spec import DesiredState, HostSpec, ProbedDevice
from provisioner.hosts.answers import read, wire
from provisioner.hosts.runner import CallOutcome, HostAnswer, HostCall
from provisioner.report.verify_text import text_report
from provisioner.verify.document import verify_document
from provisioner.verify.path_history import Timepiece, VerifyOptions, Window
from provisioner.verify.paths import select
from provisioner.verify.result import (
    Cause,
    DeviceAccount,
    DeviceState,
    Layer,
    Verdict,
    VerifyResult,
    accounts_in,
    exit_code,
)
from provisioner.verify.run import verify
from tests.hostile import CAMERA
from tests.unit.verify import world

NOW = world.FINISHED.timestamp()
OWN = ProbedDevice(
    "bac-giang", "kcl-001", "cam-09", IPv4Address("100.64.0.4"), 10557, "EX-4", "A0001", "sub", (640, 360)
)
NVR = ProbedDevice("bac-giang", "kcl-001", "nvr-1", IPv4Address("100.64.0.4"), 10558, None, "N0001")
OTHER = ProbedDevice("bac-giang", "kcl-002", "cam-01", IPv4Address("100.64.0.5"), 10557, None, "B0001")
OF_OWN, OF_NVR = "bac-giang/kcl-001/cam-09/sub", "bac-giang/kcl-001/cam-0[12]/*"
GOOD: dict[str, Any] = {
    "outcome": "told",
    "model": "EX-4",
    "serial": "A0001",
    "firmware": "1",
    "clock": {"before": NOW, "after": NOW + 1, "utc": int(NOW), "shown": int(NOW) + 7 * 3600},
    "profile": {"there": True, "width": 640, "height": 360, "names": ["main", "sub"]},
}


def relay_spec(*asked: ProbedDevice) -> HostSpec:
    spec = world.relay_spec()
    assert spec.relay
    return replace(spec, relay=replace(spec.relay, asked=asked))


def looked(
    accounts: Mapping[str, Any],
    *asked: ProbedDevice,
    options: VerifyOptions | None = None,
    clock: bool = False,
    **relay: Any,
) -> tuple[VerifyResult, world.RecordingRunner]:
    """A verification of a world in which these devices are asked and tell this."""
    documents = world.documents()
    documents[world.RELAY]["relay"] |= {"onvif": dict(accounts), **relay}
    if clock:
        documents[world.RELAY]["clock"] = [NOW - 9000.0, NOW - 8999.0]
    runner = world.RecordingRunner(
        {host: HostAnswer(host, CallOutcome.ANSWERED, document) for host, document in documents.items()}
    )
    state = DesiredState({spec.id: spec for spec in (relay_spec(*asked), world.centre_spec())})
    result = verify(
        select(state),
        runner,
        observe=world.observe_requests(),
        compare=lambda _: (),
        watch=Timepiece(lambda: world.FINISHED, lambda _: None),
        options=options or VerifyOptions(once=True),
    )
    return result, runner


def verdicts(result: VerifyResult) -> dict[str, Verdict]:
    return {path.path: path.verdict for path in result.paths}


def test_each_device_is_asked_once_with_its_paths_and_nobody_where_nobody_is_to_be_asked() -> None:
    _, runner = looked({}, OWN, NVR)
    (own, nvr) = next(call.request["relay"]["onvif"] for call in runner.calls if call.spec.id == world.RELAY)
    assert own == {
        "name": "kcl-001/cam-09",
        "address": "100.64.0.4",
        "port": 10557,
        "paths": [OF_OWN],
        "profile": "sub",
        "again": False,
    }
    assert (nvr["name"], len(nvr["paths"]), nvr["profile"]) == ("kcl-001/nvr-1", 3, "")
    result, runner = looked({})
    assert all("onvif" not in call.request.get("relay", {}) for call in runner.calls)
    assert "devices" not in verify_document(result).plain


@pytest.mark.parametrize(("level", "asks"), [(None, True), (7, True), (6, True), (5, False), (1, False)])
def test_devices_are_asked_where_pictures_are_a_question(level: int | None, *, asks: bool) -> None:
    result, runner = looked({}, OWN, options=VerifyOptions(once=True, level=level))
    assert any("onvif" in call.request.get("relay", {}) for call in runner.calls) == asks
    assert bool(result.devices) == asks


def test_a_refused_login_is_tried_again_where_somebody_says_so() -> None:
    _, runner = looked({}, OWN, options=VerifyOptions(once=True, asks_again=True))
    assert [call.request["relay"]["onvif"][0]["again"] for call in runner.calls if "relay" in call.request] == [True]


@CAMERA
def test_a_login_is_tried_again_in_the_first_visit_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    visits: list[HostCall] = []
    call = world.RecordingRunner.call

    def recorded(
        runner: world.RecordingRunner, calls: Sequence[HostCall], *, timeout_s: float
    ) -> dict[str, HostAnswer]:
        visits.extend(calls)
        return call(runner, calls, timeout_s=timeout_s)

    monkeypatch.setattr(world.RecordingRunner, "call", recorded)
    documents = world.documents()[world.RELAY]["relay"]["paths"]
    dead = {"available": False, "online": True, "inbound_bytes": 0, "tracks": []}
    silent = documents[OF_OWN] | {"read": {"error": "x", "status": 404, "timed_out": False}, "samples": [dead, dead]}
    looked({}, OWN, options=VerifyOptions(asks_again=True), paths=documents | {OF_OWN: silent})
    asked = [one.request["relay"]["onvif"][0]["again"] for one in visits if "relay" in one.request]
    assert asked == [True, False]


@pytest.mark.parametrize(
    ("agreed", "told"),
    [("S" * 150, "S" * 100), ("S" * 100, "s" * 100), ("AB  12", "ab 12"), (f"{'S' * 99}  {'T' * 99}", "S" * 99)],
)
def test_a_word_is_compared_as_far_as_relays_hand_it_on(agreed: str, told: str) -> None:
    own = OWN._replace(serial=agreed, model=agreed)
    result, _ = looked({OWN.name: GOOD | {"serial": told, "model": told}}, own)
    assert [(one.state, one.findings) for one in result.devices] == [(DeviceState.AS_AGREED, ())]


@pytest.mark.parametrize(
    ("account", "says"),
    [
        ({"outcome": "login refused before"}, "the device accepts the login for pictures and refuses it for ONVIF, "),
        (
            {"outcome": "login refused before", "detail": "within the hour"},
            "its login was refused or not answered by ONVIF within the last hour, ",
        ),
        (
            {k: v for k, v in GOOD.items() if k != "profile"} | {"detail": "it refuses for them the login"},
            "it does not tell media profiles: its user lacks the right ",
        ),
    ],
)
def test_why_a_login_is_not_tried_is_told_in_both_languages(account: dict[str, Any], says: str) -> None:
    result, _ = looked({OWN.name: account}, OWN)
    assert [one.detail.startswith(says) for report in result.devices for one in report.findings] == [True]
    shown = text_report(result, detail=True, say=translator(Language.VI))
    assert says[:20] not in shown
    assert "verify --onvif-again" in shown


def test_a_device_that_is_as_the_inventory_has_it_leaves_all_as_it_is() -> None:
    result, _ = looked({OWN.name: GOOD | {"serial": "a0001", "model": "Ex- 4"}}, OWN)
    assert [(one.state, one.findings) for one in result.devices] == [(DeviceState.AS_AGREED, ())]
    assert result.all_up
    assert result.incidents == ()
    assert exit_code(result) == 0


def test_another_serial_number_is_a_fact_of_all_its_paths_and_of_no_others() -> None:
    result, _ = looked({NVR.name: {"outcome": "told", "model": "", "serial": "X9", "firmware": ""}}, NVR, OWN)
    of_recorder = set(world.matching(OF_NVR))
    assert {name for name, verdict in verdicts(result).items() if verdict is Verdict.DEGRADED} == of_recorder
    assert {path.cause for path in result.paths if path.path in of_recorder} == {Cause.ANOTHER_DEVICE}
    (incident,) = result.incidents
    assert (incident.layer, incident.object, incident.cause) == (Layer.RECORDER, NVR.name, Cause.ANOTHER_DEVICE)
    assert set(incident.paths) == of_recorder
    assert "X9" in incident.detail
    assert "N0001" in incident.detail
    assert exit_code(result) == 1


def test_two_devices_that_were_swapped_name_each_other() -> None:
    told = {OWN.name: GOOD | {"serial": OTHER.serial}, OTHER.name: GOOD | {"serial": OWN.serial, "model": "any"}}
    result, _ = looked(told, OWN, OTHER)
    details = {one.name: one.detail for one in result.devices}
    assert "of kcl-002/cam-01" in details[OWN.name]
    assert "of kcl-001/cam-09" in details[OTHER.name]
    assert {path.object for path in result.paths if path.verdict is Verdict.DEGRADED} == {OWN.name, OTHER.name}


def test_a_port_that_leads_to_another_device_of_the_site_is_the_gateways_map() -> None:
    result, _ = looked({OWN.name: GOOD | {"serial": NVR.serial}}, OWN, NVR)
    assert verdicts(result)[OF_OWN] is Verdict.DEGRADED
    (incident,) = (one for one in result.incidents if one.paths)
    assert (incident.layer, incident.object, incident.cause) == (Layer.SITE, OWN.name, Cause.PORT_MAP_WRONG)
    assert "leads its port to kcl-001/nvr-1: serial number N0001 answers, not A0001" in incident.detail


@pytest.mark.parametrize(
    ("owner", "cause"), [(NVR, Cause.PORT_MAP_WRONG), (OTHER, Cause.WRONG_PASSWORD)], ids=["of the site", "elsewhere"]
)
def test_what_another_device_of_the_site_refuses_is_no_fault_of_the_own_one(owner: ProbedDevice, cause: Cause) -> None:
    dead = {"available": False, "online": True, "inbound_bytes": 0, "tracks": []}
    gone = {"read": {"error": "404", "status": 404, "seconds": 0.1}, "samples": [dead, dead]}
    paths = world.documents()[world.RELAY]["relay"]["paths"]
    result, _ = looked(
        {OWN.name: GOOD | {"serial": owner.serial}},
        OWN,
        owner,
        paths=paths | {OF_OWN: paths[OF_OWN] | gone},
        errors={OF_OWN: ["bad status code: 401 (Unauthorized)"]},
    )
    (verdict,) = (one for one in result.paths if one.path == OF_OWN)
    assert verdict.verdict is Verdict.DOWN
    assert verdict.cause is cause


def test_the_way_out_of_a_quarantine_by_a_wrong_map_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    documents = world.documents()
    documents[world.RELAY]["facts"]["quarantine"] = {OF_OWN: world.quarantined(OF_OWN)}
    monkeypatch.setattr(world, "documents", lambda: documents)
    result, _ = looked({OWN.name: GOOD | {"serial": NVR.serial}}, OWN, NVR)
    (verdict,) = (one for one in result.paths if one.path == OF_OWN)
    assert (verdict.verdict, verdict.cause) == (Verdict.QUARANTINED, Cause.PORT_MAP_WRONG)
    assert verdict.detail.endswith("; then provisioner quarantine lift")


def test_another_model_is_a_fact_too() -> None:
    result, _ = looked({OWN.name: GOOD | {"model": "EX-5"}}, OWN)
    assert verdicts(result)[OF_OWN] is Verdict.DEGRADED
    (report,) = result.devices
    assert report.detail.startswith("it reports model EX-5, not EX-4: ")


@pytest.mark.parametrize(
    ("outcome", "state", "finds"),
    [
        ("silent", DeviceState.NOT_TOLD, True),
        ("wrong answer", DeviceState.NOT_TOLD, True),
        ("login refused", DeviceState.LOGIN_REFUSED, True),
        ("login refused before", DeviceState.LOGIN_REFUSED, True),
        ("not asked", DeviceState.NOT_ASKED, False),
        ("not run", DeviceState.NOT_ASKED, False),
    ],
)
def test_a_silent_device_is_never_down_or_as_agreed(outcome: str, state: DeviceState, *, finds: bool) -> None:
    result, _ = looked({OWN.name: {"outcome": outcome, "detail": "no answer in time"}}, OWN)
    assert result.all_up
    assert [one.state for one in result.devices] == [state]
    assert [incident.cause for incident in result.incidents] == [Cause.ACCOUNT_LACKING] * finds
    assert all(incident.paths == () and incident.detail for incident in result.incidents)
    assert exit_code(result) == 0


def test_what_the_inventory_has_and_the_device_does_not_tell_is_told() -> None:
    result, _ = looked({OWN.name: {k: v for k, v in GOOD.items() if k != "profile"} | {"serial": ""}}, OWN)
    (report,) = result.devices
    assert report.state is DeviceState.NOT_TOLD
    assert [fault.detail for fault in report.findings] == ["it does not tell serial number, media profiles"]


def test_where_the_inventory_has_nothing_to_compare_nothing_is_agreed() -> None:
    bare = OWN._replace(model=None, serial=None, profile=None)
    result, _ = looked({OWN.name: GOOD}, bare)
    assert [one.state for one in result.devices] == [DeviceState.NOT_COMPARED]


def clock(utc: float = 0, shown: float | None = None, *, over_s: float = 1) -> dict[str, Any]:
    said = int(NOW + utc)
    shows = said + 7 * 3600 if shown is None else int(NOW + shown) + 7 * 3600
    return GOOD | {"clock": {"before": NOW, "after": NOW + over_s, "utc": said, "shown": shows}}


@pytest.mark.parametrize(
    ("account", "says"),
    [
        (clock(29), ""),
        (clock(-29), ""),
        (clock(60), "its clock is ahead by 59 s or more"),
        (clock(-61), "its clock is behind by 60 s or more"),
        (clock(60, over_s=40), ""),
        (clock(-3600), "its clock is behind by 60 minutes or more"),
        (clock(0, 3600), "the time in its picture is ahead of Vietnam's by 60 minutes or more"),
        (clock(0, -7 * 3600), "the time in its picture is behind Vietnam's by 7 hours or more"),
        (GOOD | {"clock": {"before": NOW, "after": NOW + 1, "utc": None, "shown": None}}, ""),
        ({k: v for k, v in GOOD.items() if k != "clock"}, ""),
    ],
)
def test_a_clock_that_is_off_for_certain_is_a_finding_and_degrades_nothing(account: dict[str, Any], says: str) -> None:
    result, _ = looked({OWN.name: account}, OWN)
    assert result.all_up
    assert [incident.detail for incident in result.incidents] == ([says] if says else [])
    assert {incident.cause for incident in result.incidents} <= {Cause.DEVICE_CLOCK_OFF}


def test_a_relay_whose_own_clock_is_off_says_nothing_of_its_devices_clocks() -> None:
    result, _ = looked({OWN.name: clock(-9000)}, OWN, clock=True)
    assert {incident.cause for incident in result.incidents} == {Cause.CLOCK_OFF}
    assert [one.clock_off_s for one in result.devices] == [None]


@pytest.mark.parametrize(
    ("profile", "says"),
    [
        ({"there": False, "width": 0, "height": 0, "names": ["main"]}, "it has no media profile sub; the first"),
        ({"there": True, "width": 1280, "height": 720, "names": []}, "is set to 1280x720, and 640x360 was agreed"),
        ({"there": True, "width": 0, "height": 0, "names": []}, ""),
    ],
)
def test_another_media_profile_is_a_finding(profile: dict[str, Any], says: str) -> None:
    result, _ = looked({OWN.name: GOOD | {"profile": profile}}, OWN)
    assert result.all_up
    assert [incident.cause for incident in result.incidents] == [Cause.PROFILE_DIFFERS] * bool(says)
    assert all(says in incident.detail for incident in result.incidents)


def test_who_is_down_stays_down_whatever_its_device_tells_and_what_else_is_wrong_is_told_too() -> None:
    documents = world.documents()[world.RELAY]["relay"]
    silent = documents["paths"][OF_OWN] | {"read": {"error": "x", "status": 404, "timed_out": False}}
    dead = {"available": False, "online": True, "inbound_bytes": 0, "tracks": []}
    paths = documents["paths"] | {OF_OWN: silent | {"samples": [dead, dead]}}
    result, _ = looked({OWN.name: GOOD | {"serial": "X"}}, OWN, paths=paths)
    assert verdicts(result)[OF_OWN] is Verdict.DOWN
    other_codec = documents["paths"][OF_OWN] | {"read": {"codec": "hevc", "width": 640, "height": 360, "seconds": 1}}
    result, _ = looked({OWN.name: GOOD | {"serial": "X"}}, OWN, paths=documents["paths"] | {OF_OWN: other_codec})
    path = next(path for path in result.paths if path.path == OF_OWN)
    assert (path.verdict, path.cause) == (Verdict.DEGRADED, Cause.ANOTHER_DEVICE)
    assert "besides, picture differs: " in path.detail


def test_in_a_maintenance_window_a_device_raises_no_alarm_and_its_path_would_be_degraded() -> None:
    begin = world.FINISHED - timedelta(hours=1)
    window = Window(begin, begin + timedelta(hours=2), "new camera", frozenset({("facilities", "kcl-001")}))
    result, _ = looked(
        {OWN.name: clock(60) | {"serial": "X"}}, OWN, options=VerifyOptions(once=True, windows=(window,))
    )
    assert verdicts(result)[OF_OWN] is Verdict.MAINTENANCE
    path = next(path for path in result.paths if path.path == OF_OWN)
    assert path.without_window is Verdict.DEGRADED
    assert result.incidents == ()


@CAMERA
@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([*GOOD, "detail"]),
        st.recursive(
            st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(),
            lambda below: (
                st.lists(below, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["before", "after", "utc", "shown", "there", "names", "width"]), below
                )
            ),
            max_leaves=6,
        ),
    )
)
def test_whatever_a_relay_says_of_a_device_is_an_account_or_no_answer_at_all(said: dict[str, Any]) -> None:
    try:
        accounts = accounts_in({OWN.name: read(wire.AccountAnswer, GOOD | said)})
    except UnreadableError:
        return
    account = accounts[OWN.name]
    assert isinstance(account, DeviceAccount)
    assert all(word.isprintable() for word in (account.model, account.serial, account.firmware, account.detail))


@CAMERA
@settings(max_examples=100, deadline=None)
@given(
    serial=st.text(max_size=20),
    model=st.text(max_size=20),
    outcome=st.sampled_from(["told", "silent", "login refused", "not asked", "not run", "wrong answer"]),
)
def test_no_account_makes_a_path_better_than_it_was_nor_down(serial: str, model: str, outcome: str) -> None:
    account = {"outcome": outcome, "model": model, "serial": serial, "firmware": ""}
    result, _ = looked({OWN.name: account}, OWN)
    assert verdicts(result)[OF_OWN] in {Verdict.UP, Verdict.DEGRADED}
    (report,) = result.devices
    assert (report.state is DeviceState.ANOTHER) == (verdicts(result)[OF_OWN] is Verdict.DEGRADED)
    if report.state is DeviceState.AS_AGREED:
        assert (report.serial.casefold(), outcome) == ("a0001", "told")
    for language in Language:
        text_report(result, detail=True, say=translator(language))


def test_the_document_and_the_text_tell_of_devices_in_both_languages() -> None:
    result, _ = looked({OWN.name: clock(0, 3600) | {"serial": "X\u202e9"}, NVR.name: {"outcome": "silent"}}, OWN, NVR)
    document = json.loads(world.printed(result))
    assert [(one["device"], one["state"]) for one in document["devices"]] == [
        ("cam-09", "another device"),
        ("nvr-1", "not told"),
    ]
    assert document["devices"][0]["shown_off_s"] == 3599
    assert document_schema("verify")["properties"]["devices"]["items"]["required"] == list(document["devices"][0])
    text = text_report(result)
    assert "devices asked about themselves (ONVIF): 1 not told, 1 another device" in text
    assert "another device: kcl-001/cam-09, model EX-4, serial number X" in text
    assert "\u202e" not in text
    vietnamese = text_report(result, say=translator(Language.VI))
    assert "thiết bị khác: kcl-001/cam-09" in vietnamese
    assert "it reports" not in vietnamese
