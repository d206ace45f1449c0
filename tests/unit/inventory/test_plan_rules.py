"""Rules on the way to a connection: surveys, signatures, orders, recorders; each finds what it is for."""

import json
from datetime import date
from typing import Any

import pytest
from pydantic import TypeAdapter
from pydantic_core import to_json

from provisioner.base.errors import Problem, Severity
from provisioner.inventory.model.facility import Facility, Operating
from provisioner.inventory.outline import Outline, outline_of
from provisioner.inventory.signed import signed_content
from tests import inventories as make

LOCK = {"allocation-missing", "host-keys-missing", "gateway-key-missing"}
MAIN = {"sub": {"width": 640, "height": 360}, "main": {"width": 1920, "height": 1080}}
BLOCK = {"reason": "no_uplink", "owner": "carrier", "since": "2021-05-07", "next_action": "lay fibre"}


def problems(*facilities: dict[str, Any], today: date = make.TODAY, **changes: Any) -> list[Problem]:
    both = [make.carrier(), make.carrier("vnpt", 21)]
    inventory = make.inventory(carriers=both, facilities=list(facilities), **changes)
    return [p for p in make.check(inventory, today=today) if p.code not in LOCK]


def codes(*facilities: dict[str, Any], today: date = make.TODAY, **changes: Any) -> list[str]:
    return [p.code for p in problems(*facilities, today=today, **changes)]


def agreed(**changes: Any) -> dict[str, str]:
    return {"state": "agreed", "carrier": "viettel", "relay": "relay-viettel-1"} | changes


def test_a_facility_may_be_registered_without_anything_else() -> None:
    bare = make.facility()
    for key in ("plan", "survey", "gateway", "cameras"):
        del bare[key]
    assert codes(bare) == []


@pytest.mark.parametrize("missing", ["gateway", "cameras"])
def test_an_agreed_plan_needs_something_to_connect(missing: str) -> None:
    site = make.facility()
    del site[missing]
    assert codes(make.signed(site)) == ["plan-incomplete"]


@pytest.mark.parametrize(
    "changes",
    [
        {"plan": agreed(relay="relay-vnpt-1", carrier="vnpt")},
        {"cameras": [make.camera(zone="san")]},
        {"cameras": [make.camera(host=12)]},
        {"cameras": [make.camera(audio=True)]},
        {"cameras": [make.camera(), make.camera("cam-02", 12)]},
        {"cameras": [make.camera(streams=MAIN)]},
        {"recorders": [make.recorder()]},
    ],
)
def test_every_edit_of_what_was_signed_asks_for_new_signatures(changes: dict[str, Any]) -> None:
    signed = make.facility()
    edited = signed | changes
    edited["plan"] = signed["plan"] | changes.get("plan", {})
    stale = [p for p in problems(edited) if p.code == "sign-off-stale"]
    assert [p.severity for p in stale] == [Severity.ERROR]


def test_the_order_of_devices_and_defaults_written_out_are_not_part_of_what_is_signed() -> None:
    cameras = [make.camera("cam-01", 11), make.camera("cam-02", 12)]
    one = Facility.model_validate_json(json.dumps(make.facility(cameras=cameras)))
    other = Facility.model_validate_json(
        json.dumps(make.facility(cameras=[cameras[1] | {"port": 554, "audio": False}, cameras[0]]))
    )
    assert one.plan
    assert other.plan
    assert signed_content(one, one.plan) == signed_content(other, other.plan)


def test_each_of_the_three_has_to_sign_once() -> None:
    site = make.facility()
    signed = site["plan"]["sign_offs"]
    for missing in range(3):
        site["plan"] = site["plan"] | {"sign_offs": [s for n, s in enumerate(signed) if n != missing]}
        (problem,) = problems(site)
        assert problem.code == "sign-off-missing"
        assert f"--by {signed[missing]['by']} " in problem.hint
    site["plan"] = site["plan"] | {"sign_offs": [*signed, signed[0]]}
    assert codes(site) == ["sign-off-duplicate"]


def test_a_proposed_plan_needs_no_signature_and_its_stale_ones_are_a_warning() -> None:
    site = make.facility()
    old = site["plan"]["sign_offs"]
    proposed = site | {"plan": agreed(state="proposed"), "cameras": [make.camera(host=12)]}
    assert codes(proposed) == []
    proposed["plan"] = proposed["plan"] | {"sign_offs": old}
    assert [(p.code, p.severity) for p in problems(proposed)] == [("sign-off-stale", Severity.WARNING)]


def test_a_closed_facility_keeps_its_file_as_a_record() -> None:
    assert codes(make.facility() | {"operating": "closed", "cameras": [make.camera(host=12)]}) == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"survey": make.survey(surveyed_on="2021-05-10")}, "date-in-the-future"),
        ({"opened_on": "2021-05-10"}, "date-in-the-future"),
        ({"contact_confirmed_on": "2021-05-10"}, "date-in-the-future"),
        ({"opened_on": "2021-05-03", "closed_on": "2021-05-02", "operating": "closed"}, "dates-in-disorder"),
        ({"closed_on": "2021-05-02"}, "dates-in-disorder"),
        ({"blocked": BLOCK | {"due": "2021-05-06"}}, "dates-in-disorder"),
        ({"blocked": BLOCK | {"due": "2021-05-08"}}, "block-overdue"),
        ({"survey": make.survey(surveyed_on="2021-05-09")}, "dates-in-disorder"),
    ],
)
def test_days_are_in_their_order(changes: dict[str, Any], code: str) -> None:
    listed = codes(make.facility(**changes))
    assert code in listed


def test_an_agreed_plan_without_a_survey_is_a_warning() -> None:
    site = make.facility()
    del site["survey"]
    assert [(p.code, p.severity) for p in problems(site)] == [("survey-missing", Severity.WARNING)]


# --- change of carrier ----------------------------------------------------------------------------
BOTH_DESIGNATED = [make.designation(until="2021-05-08"), make.designation(carrier="vnpt", since="2021-05-09")]


def with_successor(**changes: Any) -> dict[str, Any]:
    later = {"state": "agreed", "carrier": "vnpt", "relay": "relay-vnpt-1"} | changes
    return make.facility(successor=later)


def test_a_carrier_whose_time_is_over_serves_on_and_the_change_is_due() -> None:
    (problem,) = problems(make.facility(), designations=BOTH_DESIGNATED)
    assert (problem.code, problem.severity) == ("carrier-change-due", Severity.WARNING)
    assert "write a successor plan with vnpt" in problem.hint
    (problem,) = problems(with_successor(), designations=BOTH_DESIGNATED)
    assert "make it the plan" in problem.hint


def test_a_province_without_any_carrier_is_an_error_never_a_default() -> None:
    assert codes(make.facility(), designations=BOTH_DESIGNATED[:1]) == ["carrier-not-designated"]
    assert codes(with_successor(), designations=BOTH_DESIGNATED[:1]) == ["carrier-not-designated"] * 2


def test_a_successor_is_over_another_relay_of_whichever_carrier() -> None:
    same = with_successor(carrier="viettel", relay="relay-viettel-1")
    assert "successor-same-relay" in codes(same)
    other = with_successor(carrier="viettel", relay="relay-viettel-2")
    assert not [code for code in codes(other) if code.startswith("successor-")]
    alone = with_successor()
    del alone["plan"]
    assert "successor-without-plan" in codes(alone, designations=BOTH_DESIGNATED)


# --- orders ---------------------------------------------------------------------------------------
def order(ref: str, issued: str, before: str, **changes: Any) -> dict[str, Any]:
    return {"ref": ref, "issuer": "MIC", "issued_on": issued, "before": before, "scope": ["ubnd_tinh"]} | changes


FIRST = order("1/A", "2021-05-06", "2021-05-10")


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        ({"extends": ["1/A"], "provinces": {"kon-tum": "2021-06-20"}, "facilities": {"kcl-bg-001": "2021-06-30"}}, []),
        ({"supersedes": ["9/Z"]}, ["instruction-unknown"]),
        ({"extends": ["2/A"]}, ["instruction-unknown"]),
        ({"provinces": {"kon-tom": "2021-06-20"}}, ["province-unknown"]),
        ({"facilities": {"nobody": "2021-06-30"}}, ["facility-unknown"]),
        ({"provinces": {"kon-tum": "2021-05-30"}}, ["instruction-deadline"]),
        ({"ref": "1/A"}, ["instruction-duplicate"]),
    ],
)
def test_orders_refer_to_what_there_is(second: dict[str, Any], expected: list[str]) -> None:
    orders = [FIRST, order("2/A", "2021-05-30", "2021-06-12") | second]
    assert codes(make.facility(), instructions=orders) == expected


# --- recorders and lines --------------------------------------------------------------------------
def behind(recorder: dict[str, Any], *cameras: dict[str, Any]) -> dict[str, Any]:
    return make.facility(recorders=[recorder], cameras=list(cameras))


def test_ip_channels_follow_the_analog_ones() -> None:
    hybrid = make.recorder(analog_channels=16, ip_channels=4)
    fine = make.channel("cam-01", 16), make.channel("cam-02", 20)
    assert codes(behind(hybrid, *fine)) == []
    first_ip = make.channel("cam-03", 1)
    del first_ip["channel"]
    first_ip["ip_channel"] = 1
    assert codes(behind(hybrid, *fine, first_ip)) == []
    assert codes(behind(hybrid, make.channel("cam-01", 17), first_ip)) == ["channel-duplicate"]
    assert codes(behind(hybrid, make.channel("cam-01", 21))) == ["channel-unknown"]
    assert codes(behind(make.recorder(), first_ip)) == ["channel-unknown"]


def test_a_recorder_is_not_asked_for_more_than_it_gives() -> None:
    cameras = [make.channel("cam-01", 1, streams=MAIN), make.channel("cam-02", 2)]
    assert codes(behind(make.recorder(max_sessions=3), *cameras)) == []
    assert codes(behind(make.recorder(max_sessions=2), *cameras)) == ["recorder-over-capacity"]
    rated = make.channel("cam-01", 1, streams={"sub": {"width": 640, "height": 360, "kbps": 512}})
    assert codes(behind(make.recorder(max_out_kbps=512), rated)) == []
    assert codes(behind(make.recorder(max_out_kbps=511), rated)) == ["recorder-over-capacity"]


def test_two_carriers_pull_twice_from_one_recorder() -> None:
    site = behind(make.recorder(max_sessions=1), make.channel("cam-01", 1))
    assert codes(site) == []
    site["successor"] = {"state": "agreed", "carrier": "vnpt", "relay": "relay-vnpt-1"}
    assert "recorder-over-capacity" in codes(make.signed(site))


def test_a_line_bears_what_is_always_pulled() -> None:
    slow = make.survey(uplink={"kind": "mobile", "upload_mbps": 0.5})
    rated = make.camera(streams={"sub": {"width": 640, "height": 360, "kbps": 512}})
    listed = problems(make.facility(survey=slow, cameras=[rated]))
    assert [(p.code, p.severity) for p in listed] == [("uplink-over-capacity", Severity.WARNING)]


@pytest.mark.parametrize(
    ("sub", "main", "told"),
    [
        ({"kbps": 400}, {"kbps": 1600}, ""),
        ({"kbps": 400}, {"kbps": 1601}, "the sub streams and one main stream need 2.001 Mbit/s; the line sends 2"),
        ({"kbps": 2001}, {"kbps": 4000}, "the sub streams need 2.001 Mbit/s; the line sends 2"),
        # What is agreed as the least is needed at least.
        ({"least_kbps": 400}, {"least_kbps": 1601}, "the sub streams and one main stream need 2.001 Mbit/s"),
        ({}, {"kbps": 2000}, ""),
    ],
)
def test_a_line_bears_one_main_stream_as_well(sub: dict[str, int], main: dict[str, int], told: str) -> None:
    line = make.survey(uplink={"kind": "fibre", "upload_mbps": 2})
    streams = {"sub": {"width": 640, "height": 360} | sub, "main": {"width": 1280, "height": 720} | main}
    other = make.camera("cam-02", 12, streams={"sub": {"width": 640, "height": 360}})
    listed = problems(make.facility(survey=line, cameras=[make.camera(streams=streams), other]))
    assert [p.code for p in listed] == ["uplink-over-capacity"] * bool(told)
    assert all(told in p.message and p.severity is Severity.WARNING for p in listed)


# --- openings, claims, counts ---------------------------------------------------------------------
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"operating": "preparing"}, "opening-missing"),
        ({"operating": "standby", "opens_on": "2021-05-20"}, "dates-in-disorder"),
        ({"operating": "closed", "opens_on": "2021-05-08", "closed_on": "2021-05-07"}, "dates-in-disorder"),
        ({"claimed_connection": {"connected_on": "2021-05-10", "source": "x"}}, "date-in-the-future"),
        ({"claimed_connection": {"connected_on": "2021-05-08", "source": "call 0912 345 678"}}, "personal-in-text"),
        ({"survey": make.survey(cameras={"present": 4, "fit": 5, "missing": 0})}, "survey-counts"),
    ],
)
def test_openings_claims_and_counts_are_in_order(changes: dict[str, Any], code: str) -> None:
    assert codes(make.facility(**changes)) == [code]


@pytest.mark.parametrize(
    "changes",
    [
        {"operating": "preparing", "opens_on": "2021-05-20"},
        {"operating": "preparing", "opens_on": "2021-05-01"},
        {"operating": "open", "opens_on": "2021-05-01", "opened_on": "2021-05-02"},
        {"operating": "standby", "opens_on": "2021-05-01"},
        {"claimed_connection": {"connected_on": "2021-05-08", "source": "annex 02/PL", "carrier": "fpt", "cameras": 6}},
        {"survey": make.survey(cameras={"present": 5, "fit": 5, "missing": 0})},
        {"managing_body": "ubnd_xa"},
        {"name": "Trường Khác"},
        {"survey": make.survey(verdict="needs_repair")},
        {"notice_posted_on": "2021-05-08"},
        {"blocked": BLOCK | {"due": "2021-06-01"}},
        {"gateway": {"lan": "192.168.1.0/24", "lan_interface": "eth9"}},
    ],
)
def test_what_is_in_order_is_no_problem_and_signed_as_before(changes: dict[str, Any]) -> None:
    """None of it is part of what is signed: the sign-offs of the plain facility hold."""
    assert codes(make.facility() | changes) == []


def test_districts_are_asked_about_only_where_the_list_of_provinces_is_of_the_time_after_them() -> None:
    site = make.facility(managing_body="ubnd_huyen", province_scheme="gso-2021")
    assert codes(site) == []
    designations = [make.designation(province_scheme="gso-2021")]
    today = make.settings(province_scheme="gso-2025")
    found = problems(site, settings=today, designations=designations)
    assert [(p.code, p.severity) for p in found] == [("managing-body-ended", Severity.WARNING)]
    closed = make.facility(managing_body="ubnd_huyen", province_scheme="gso-2021", operating="closed")
    assert codes(closed, settings=today, designations=designations) == []


@pytest.mark.parametrize("operating", list(Operating))
def test_hosts_carry_what_is_open_and_what_is_prepared_for_people_in_full_and_in_outline(operating: Operating) -> None:
    days = {"opens_on": "2021-05-20"} if operating is Operating.PREPARING else {}
    inventory = make.inventory(facilities=[make.facility(operating=operating.value, **days)])
    (site,) = inventory.facilities.values()
    assert site.rendered == outline_of(site).rendered == (operating in {Operating.OPEN, Operating.PREPARING})
    assert TypeAdapter(Outline).validate_json(to_json(outline_of(site))) == outline_of(site)
    assert [one.facility.id for one in inventory.connections] == ([site.id] if site.rendered else [])


def test_plan_and_successor_reach_the_devices_in_one_way() -> None:
    other = with_successor(carrier="viettel", relay="relay-viettel-2", access="pull_nat_map")
    assert "successor-other-access" in codes(other)


def test_only_a_site_without_a_tunnel_needs_no_interface() -> None:
    plan = make.facility()["plan"]
    bare = {key: value for key, value in make.facility()["gateway"].items() if key != "lan_interface"}
    assert "gateway-interface-missing" in codes(make.facility(gateway=bare))
    assert "gateway-interface-missing" in codes(make.facility(gateway=bare, plan=plan | {"access": "pull_nat_map"}))
    assert "gateway-interface-missing" not in codes(make.facility(gateway=bare, plan=plan | {"access": "routed"}))
