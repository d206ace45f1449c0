"""What rows come to: ids, surveys, obstacles, recorders, streams; and that an edit is no larger than it has to be."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from provisioner.base.language import Language
from provisioner.importing.grid import FindingLevel
from provisioner.importing.proposal.answers import QuestionKind
from provisioner.importing.proposal.proposal import Proposal
from provisioner.importing.report.text import question_text
from provisioner.inventory.files.yaml import parse
from provisioner.inventory.loader.site import validated
from provisioner.inventory.model.facility import Facility
from provisioner.inventory.model.hosts import Tombstone
from provisioner.inventory.model.inventory import Inventory
from tests import fleets
from tests import inventories as make
from tests.unit.importing import sheets as made
from tests.unit.importing.sheets import Rows, book, placed_codes, proposal_of

DEVICE_HEADER = (
    *("Mã cơ sở", "Mã camera", "Khu vực", "Loại thiết bị", "Hãng", "Mã đầu ghi", "Kênh số", "Địa chỉ IP", "Cổng RTSP"),
    *("Độ phân giải luồng phụ", "Độ phân giải luồng chính"),
)


def of(plain: Mapping[str, Any], sheets: Mapping[str, Rows], **changes: Any) -> Proposal:
    """What sheets ask of an inventory with one facility."""
    inventory = make.inventory(facilities=[plain], **changes)
    return proposal_of(book(sheets), inventory, files={str(plain["id"]): json.dumps(plain).encode()})


def after(proposal: Proposal, facility: str = "kcl-bg-001") -> dict[str, Any]:
    document = parse(proposal.edits[facility].after).value
    assert isinstance(document, dict)
    assert validated(Facility, document)
    return document


def codes(proposal: Proposal, *levels: FindingLevel) -> list[str]:
    return [code for _, code in placed_codes(proposal.findings, *levels)]


def device(name: Any = None, **changes: Any) -> tuple[Any, ...]:
    plain: dict[str, Any] = dict.fromkeys(("kind", "make", "recorder", "channel", "address", "port", "main"))
    plain |= {"zone": "Cổng", "sub": "640x360"} | changes
    keys = ("zone", "kind", "make", "recorder", "channel", "address", "port", "sub", "main")
    return ("kcl-bg-001", name, *(plain[key] for key in keys))


# --- facilities -----------------------------------------------------------------------------------
def test_where_a_facility_is_is_kept_and_an_empty_cell_takes_nothing_from_it() -> None:
    header = (*made.FACILITY_HEADER, "Huyện", "Xã", "Địa chỉ")
    plain = make.facility(location={"street": "Số 2", "ward": "Xã Cũ"})
    rows = [
        header,
        (*made.facility_row("Trường Ví Dụ", id="kcl-bg-001"), "Huyện Mẫu", "Xã Mới", None),
        (*made.facility_row("Trường Hai", 2), None, None, "Thôn Ví Dụ"),
        (*made.facility_row("Trường Ba", 3), None, None, "hỏi cô Mẫu, 0300 000 001"),
    ]
    proposal = of(plain, {"Cơ sở": rows})
    assert after(proposal)["location"] == {"street": "Số 2", "ward": "Xã Mới", "district": "Huyện Mẫu"}
    assert after(proposal, "kcl-bg-002")["location"] == {"street": "Thôn Ví Dụ"}
    assert placed_codes(proposal.findings, FindingLevel.ERROR) == [("Cơ sở!J4", "personal-in-text")]
    changes = {change.path: (change.before, change.after) for change in proposal.edits["kcl-bg-001"].changes}
    assert changes["location.ward"] == ("", "")


def test_an_address_on_another_sheet_may_be_a_persons_and_is_not_kept() -> None:
    rows = [(*made.CONTACT_HEADER, "Địa chỉ"), (*made.contact_row(), "Số 3")]
    proposal = of(make.facility(contact_confirmed_on="2021-05-07"), {"Đầu mối": rows})
    assert "column-not-kept" in codes(proposal, FindingLevel.NOTE)
    assert proposal.changed == ()


def test_ids_follow_the_highest_one_in_use_anywhere() -> None:
    inventory = make.inventory(facilities=[make.facility("kcl-bg-001"), make.facility("kcl-bg-007")])
    rows = [made.FACILITY_HEADER, made.facility_row("Trường B"), made.facility_row("Trường C", province="Hà Giang")]
    proposal = proposal_of(book({"Cơ sở": rows}), inventory)
    assert sorted(proposal.edits) == ["kcl-bg-008", "kcl-hg-001"]
    assert proposal.provinces == {"kcl-bg-008": "bac-giang", "kcl-hg-001": "ha-giang"}


def test_an_id_that_was_retired_is_not_given_again() -> None:
    inventory = _with_tombstone(make.inventory(), "site/kcl-bg-009")
    rows = [made.FACILITY_HEADER, made.facility_row("Trường B"), made.facility_row("Trường C", id="kcl-bg-009")]
    proposal = proposal_of(book({"Cơ sở": rows}), inventory)
    assert sorted(proposal.edits) == ["kcl-bg-010"]
    assert codes(proposal, FindingLevel.ERROR) == ["id-retired"]


def _with_tombstone(inventory: Inventory, name: str) -> Inventory:
    lock = inventory.allocations.model_copy(
        update={"tombstones": (Tombstone(object=name, pool="viettel", port=10554),)}
    )
    return make.with_lock(inventory, lock)


def test_a_facility_without_an_id_is_known_by_its_name_and_place_in_its_province() -> None:
    header = (*made.FACILITY_HEADER, "Xã")
    plain = make.facility(location={"ward": "Xã Mẫu"})
    rows = [header, (*made.facility_row("TRƯỜNG  ví dụ", kind="Ký túc xá"), "mẫu")]
    proposal = of(plain, {"Cơ sở": rows})
    assert codes(proposal) == ["facility-matched"]
    assert after(proposal)["kind"] == "dormitory"
    assert (after(proposal)["name"], after(proposal)["location"]) == ("Trường Ví Dụ", {"ward": "Xã Mẫu"})
    elsewhere = [made.FACILITY_HEADER, made.facility_row("Trường Ví Dụ", province="Hải Dương")]
    assert sorted(proposal_of(book({"Cơ sở": elsewhere})).edits) == ["kcl-hd-001"]


def test_a_facility_stays_in_its_province() -> None:
    rows = [made.FACILITY_HEADER, made.facility_row("Trường Ví Dụ", id="kcl-bg-001", province="Hải Dương")]
    assert codes(proposal_of(book({"Cơ sở": rows}))) == ["facility-province"]


def test_after_a_merger_either_name_of_the_province_fits() -> None:
    plain = make.facility(province_scheme="gso-2021")
    for name in ("Bắc Giang", "Bắc Ninh"):
        rows = [made.FACILITY_HEADER, made.facility_row("Trường Ví Dụ", id="kcl-bg-001", province=name)]
        settings = make.settings(province_scheme="gso-2025")
        proposal = of(plain, {"Cơ sở": rows}, settings=settings, designations=[])
        assert codes(proposal, FindingLevel.ERROR) == []


def test_a_new_facility_needs_its_columns_and_what_hangs_on_it_waits() -> None:
    facilities: Rows = [("Mã cơ sở", "Tên cơ sở", "Tỉnh", "Loại cơ sở"), (None, "Trường B", "Bắc Giang", "Trường học")]
    contacts: Rows = [("Tên cơ sở", *made.CONTACT_HEADER[2:]), ("Trường B", *made.contact_row()[2:])]
    proposal = proposal_of(book({"Cơ sở": facilities, "Đầu mối": contacts}))
    assert placed_codes(proposal.findings) == [
        ("Cơ sở!1", "column-missing"),
        ("Cơ sở!1", "column-missing"),
        ("Đầu mối!A2", "facility-row-bad"),
    ]
    assert proposal.edits == {}
    assert proposal.contact_drafts == {}


# --- surveys --------------------------------------------------------------------------------------
def survey_of(
    plain: Mapping[str, Any], *rows: tuple[Any, ...], header: tuple[str, ...] = made.SURVEY_HEADER
) -> Proposal:
    return of(plain, {"Khảo sát": [header, *rows]})


def test_a_survey_of_the_same_day_is_edited_and_keeps_the_rest() -> None:
    plain = make.facility(survey=make.survey(advice="Giữ lại", surveyed_on="2021-05-08"))
    proposal = survey_of(plain, made.survey_row())
    assert codes(proposal) == []
    assert after(proposal)["survey"]["advice"] == "Giữ lại"
    assert after(proposal)["survey"]["cameras"] == {"present": 6, "fit": 4, "missing": 2}


def test_a_later_survey_takes_the_place_of_the_old_one_as_a_whole() -> None:
    plain = make.facility(survey=make.survey(advice="Bỏ đi"))
    proposal = survey_of(plain, made.survey_row())
    assert codes(proposal) == ["survey-newer"]
    assert "advice" not in after(proposal)["survey"]


def test_of_a_replaced_survey_stays_what_the_new_table_does_not_ask() -> None:
    line = {"kind": "mobile", "upload_mbps": 12, "address": "cgnat"}
    plain = make.facility(
        survey=make.survey(uplink=line, rtsp="locked", logins="missing", obstacles="Cũ", gaps=["san"])
    )
    header = (*made.SURVEY_HEADER, "IP tĩnh/động", "Bật RTSP")
    proposal = survey_of(plain, (*made.survey_row(), None, "Đã bật"), header=header)
    survey = after(proposal)["survey"]
    assert survey["uplink"] == {"kind": "fibre", "upload_mbps": 12}
    assert (survey["rtsp"], survey["logins"]) == ("enabled", "missing")
    assert not {"obstacles", "gaps"} & set(survey)


def test_an_earlier_survey_is_an_error_and_so_are_counts_that_cannot_be() -> None:
    assert codes(survey_of(make.facility(), made.survey_row(day="06/05/2021"))) == ["survey-older"]
    assert codes(survey_of(make.facility(), made.survey_row(counts=(4, 6, 0))), FindingLevel.ERROR) == ["survey-counts"]


def test_a_first_survey_needs_all_that_the_model_needs() -> None:
    plain = {key: value for key, value in make.facility(plan=None).items() if value is not None and key != "survey"}
    proposal = survey_of(plain, made.survey_row(by=None, verdict=None))
    assert placed_codes(proposal.findings) == [("Khảo sát!C2", "required-missing"), ("Khảo sát!H2", "required-missing")]


BLOCK = ("Vướng mắc", "Đơn vị xử lý", "Việc cần làm", "Hạn xử lý")


@pytest.mark.parametrize(
    ("cells", "expected", "blocked"),
    [
        (
            ("Chờ kinh phí", "UBND tỉnh", "Duyệt chi", "20/05/2021"),
            [],
            {"reason": "needs_investment", "since": "2021-05-07"},
        ),
        (("Chờ kinh phí", "UBND tỉnh", None, None), ["block-incomplete"], None),
        (("Không", None, None, None), [], None),
        (("Mưa", None, None, None), ["choice-unknown"], None),
    ],
)
def test_an_obstacle_is_whole(cells: tuple[Any, ...], expected: list[str], blocked: dict[str, str] | None) -> None:
    row = (*made.survey_row(day="07/05/2021"), *cells)
    proposal = survey_of(make.facility(), row, header=(*made.SURVEY_HEADER, *BLOCK))
    assert codes(proposal, FindingLevel.ERROR) == expected
    if blocked:
        assert blocked.items() <= after(proposal)["blocked"].items()


def test_an_obstacle_of_the_file_is_edited_and_never_taken_away() -> None:
    there = {"reason": "no_uplink", "owner": "dic", "since": "2021-05-01", "next_action": "x", "due": "2021-05-20"}
    plain, header = make.facility(blocked=there), (*made.SURVEY_HEADER, *BLOCK)
    edited = survey_of(plain, (*made.survey_row(day="07/05/2021"), None, None, None, "30/05/2021"), header=header)
    assert after(edited)["blocked"] == there | {"due": "2021-05-30"}
    solved = survey_of(plain, (*made.survey_row(day="07/05/2021"), "Không vướng mắc", None, None, None), header=header)
    assert codes(solved) == ["block-stands"]
    assert after(solved)["blocked"] == there


def test_a_lan_goes_to_the_gateway_or_holds_addresses_to_it() -> None:
    header = (*made.SURVEY_HEADER, "Dải mạng LAN")
    row = (*made.survey_row(day="07/05/2021"), "192.168.1.0/25")
    assert after(survey_of(make.facility(), row, header=header))["gateway"]["lan"] == "192.168.1.0/25"
    plain = {key: value for key, value in make.facility(plan=None).items() if key not in {"gateway", "plan"}}
    sheets: dict[str, Rows] = {
        "Khảo sát": [header, row],
        "Camera": [made.CAMERA_HEADER, made.camera_row("cam-02", 200)],
    }
    proposal = of(plain, sheets)
    assert placed_codes(proposal.findings) == [("Khảo sát!I2", "lan-not-kept"), ("Camera!E2", "address-outside-lan")]


# --- devices --------------------------------------------------------------------------------------
def devices(plain: Mapping[str, Any], *rows: tuple[Any, ...], header: tuple[str, ...] = DEVICE_HEADER) -> Proposal:
    return of(plain, {"Camera": [header, *rows]})


BARE = {key: value for key, value in make.facility().items() if key not in {"plan", "cameras"}}


def test_a_recorder_with_a_row_of_its_own_and_its_channels() -> None:
    proposal = devices(
        BARE,
        device("cam-01", kind="Kênh đầu ghi", recorder="nvr-01", channel=1),
        device("cam-02", kind="Kênh đầu ghi", recorder="nvr-01", channel=2, main="1080p"),
        device(zone=None, kind="Đầu ghi", recorder="nvr-01", make="Dahua", address="192.168.1.20", port=8554, sub=None),
    )
    assert codes(proposal) == []
    assert after(proposal)["recorders"] == [{"id": "nvr-01", "make": "dahua", "address": "192.168.1.20", "port": 8554}]
    first, second = after(proposal)["cameras"]
    sub = {"width": 640, "height": 360}
    assert first == {"id": "cam-01", "zone": "cong", "recorder": "nvr-01", "channel": 1, "streams": {"sub": sub}}
    assert second["streams"] == {"sub": sub, "main": {"width": 1920, "height": 1080}}


def test_a_recorder_that_only_its_channels_describe() -> None:
    proposal = devices(
        BARE,
        device(kind="Kênh đầu ghi", make="Hikvision", channel=1, address="192.168.1.20"),
        device(kind="Kênh đầu ghi", make="Hikvision", channel=2, address="192.168.1.20"),
        device(kind="Kênh đầu ghi", make="Dahua", channel=3, address="192.168.1.20"),
        device(kind="Kênh đầu ghi", channel=4),
    )
    assert codes(proposal, FindingLevel.ERROR) == ["recorder-differs", "recorder-unnamed"]
    assert [r["id"] for r in after(proposal)["recorders"]] == ["nvr-01"]
    assert [(c["id"], c["channel"]) for c in after(proposal)["cameras"]] == [("cam-01", 1), ("cam-02", 2)]


@pytest.mark.parametrize(
    ("listed", "asked"),
    [
        ((11, 12, 13), []),
        ((11, 12), ["cam-03"]),
        ((11, 12, 14), ["cam-03"]),  # another camera came in its place
        ((11,), []),  # two of three lack a row: no list of all devices
    ],
)
def test_a_camera_that_its_sites_list_lacks_is_asked_about_and_stays(listed: tuple[int, ...], asked: list[str]) -> None:
    plain = fleets.facility(count=3)
    rows = [device(address=f"192.168.1.{number}", make="Hikvision") for number in listed]
    proposal = devices(plain, *rows)
    assert [(q.kind, q.name, q.facility) for q in proposal.questions] == [
        (QuestionKind.CAMERA, name, "kcl-bg-001") for name in asked
    ]
    assert not proposal.waiting
    texts = [question_text(question, Language.EN) for question in proposal.questions]
    assert all("provisioner camera remove kcl-bg-001/cam-03" in text.answer for text in texts)
    if proposal.changed:
        assert {f"cam-0{number}" for number in (1, 2, 3)} <= {camera["id"] for camera in after(proposal)["cameras"]}


def test_a_camera_whose_row_has_an_error_is_not_asked_about() -> None:
    plain = fleets.facility(count=2)
    first, second = (camera["address"] for camera in plain["cameras"])
    rows = [device(address=first, make="Hikvision"), device(address=second, make="Hikvision", sub="hai")]
    assert devices(plain, *rows).questions == ()


def test_a_camera_without_an_id_is_known_by_where_it_is() -> None:
    plain = make.facility(recorders=[make.recorder()], cameras=[make.camera(host=11), make.channel("cam-02", 3)])
    proposal = devices(
        plain,
        device(zone="Sân", address="192.168.1.11", make="Hikvision"),
        device(zone="Sảnh", recorder="nvr-01", channel=3),
        device(zone="Sân", address="192.168.1.12", make="Hikvision"),
    )
    assert codes(proposal, FindingLevel.NOTE) == ["id-proposed"]
    assert [(c["id"], c["zone"]) for c in after(proposal)["cameras"]] == [
        ("cam-01", "san"),
        ("cam-02", "sanh_tang"),
        ("cam-03", "san"),
    ]


IP = {"address": "192.168.1.70", "make": "Dahua"}
CHANNEL = {"kind": "Kênh đầu ghi", "recorder": "nvr-01"}
RECORDER = {"kind": "Đầu ghi", "address": "192.168.1.10", "make": "Dahua", "sub": None, "zone": None}
DUPLICATES: dict[str, tuple[tuple[tuple[Any, ...], ...], tuple[str, str]]] = {
    "an id": ((device("cam-05", **IP), device("cam-05", **IP)), ("Camera!B3", "row-duplicate")),
    "an address": ((device(**IP), device(**IP)), ("Camera!H3", "device-duplicate")),
    "a channel": ((device(**CHANNEL, channel=3), device(**CHANNEL, channel=3)), ("Camera!G3", "device-duplicate")),
    "a recorder's id": (
        (device(**RECORDER, recorder="nvr-01"), device(**RECORDER, recorder="nvr-01")),
        ("Camera!F3", "row-duplicate"),
    ),
    "a recorder's address": ((device(**RECORDER), device(**RECORDER)), ("Camera!H3", "device-duplicate")),
}


@pytest.mark.parametrize("same", DUPLICATES)
def test_a_device_that_is_there_twice_is_named_at_the_cell_that_is_the_same(same: str) -> None:
    rows, expected = DUPLICATES[same]
    plain = make.facility(recorders=[make.recorder()], cameras=[make.camera(host=11)])
    proposal = devices(plain, *rows)
    assert placed_codes(proposal.findings, FindingLevel.ERROR) == [expected]


def test_a_second_survey_of_a_site_is_named_at_its_name_if_it_has_no_id() -> None:
    header = ("Tên cơ sở", *made.SURVEY_HEADER[1:])
    rows = [header, *(("Trường Ví Dụ", *made.survey_row()[1:]) for _ in range(2))]
    proposal = of(make.facility(), {"Khảo sát": rows})
    assert placed_codes(proposal.findings, FindingLevel.ERROR) == [("Khảo sát!A3", "row-duplicate")]


def test_a_camera_that_moves_to_a_recorder_is_written_anew() -> None:
    plain = make.facility(recorders=[make.recorder()], cameras=[make.camera(location="Cổng chính")])
    proposal = devices(plain, device("cam-01", kind="Kênh đầu ghi", recorder="nvr-01", channel=5, sub=None))
    (camera,) = after(proposal)["cameras"]
    assert camera == {
        "id": "cam-01",
        "zone": "cong",
        "location": "Cổng chính",
        "recorder": "nvr-01",
        "channel": 5,
        "streams": {"sub": {"width": 640, "height": 360}},
    }
    back = devices(
        plain | {"cameras": [camera]}, device("cam-01", kind="Camera IP", make="Axis", address="192.168.1.40")
    )
    assert {"make": "axis", "address": "192.168.1.40"}.items() <= after(back)["cameras"][0].items()
    assert "recorder" not in after(back)["cameras"][0]


def test_a_table_with_one_row_a_stream() -> None:
    header = ("Mã cơ sở", "Mã camera", "Khu vực", "Hãng", "Địa chỉ IP", "Luồng", "Độ phân giải", "Bitrate")
    rows: Rows = [
        header,
        ("kcl-bg-001", "cam-02", "Sân", "Axis", "192.168.1.12", "Chính", "1920x1080", 2048),
        ("kcl-bg-001", "cam-02", "Sân", "Axis", "192.168.1.12", "Phụ", "640x360", 512),
        ("kcl-bg-001", "cam-02", None, None, None, "Phụ", "640x360", 512),
        ("kcl-bg-001", "cam-03", "Sân", "Axis", "192.168.1.13", "Phụ", "640x360", None),
        ("kcl-bg-001", "cam-03", "Cổng", "Axis", "192.168.1.13", "Chính", "640x360", None),
        ("kcl-bg-001", "cam-04", "Cổng", "Axis", "192.168.1.14", "Chính", "640x360", None),
    ]
    proposal = of(make.facility(), {"Camera": rows})
    assert placed_codes(proposal.findings, FindingLevel.ERROR) == [
        ("Camera!B4", "row-duplicate"),
        ("Camera!C6", "row-contradicts"),
        ("Camera!G7", "required-missing"),
    ]
    streams = {c["id"]: c["streams"] for c in after(proposal)["cameras"]}
    assert streams["cam-02"]["sub"] == {"width": 640, "height": 360, "kbps": 512}
    assert streams["cam-02"]["main"] == {"width": 1920, "height": 1080, "kbps": 2048}
    assert "main" not in streams["cam-03"]


def test_a_recorder_takes_no_values_of_a_camera() -> None:
    proposal = devices(BARE, device(kind="Đầu ghi", recorder="nvr-01", make="Dahua", address="192.168.1.20"))
    assert placed_codes(proposal.findings) == [
        ("Camera!C2", "column-not-of-recorder"),
        ("Camera!J2", "column-not-of-recorder"),
    ]


def test_what_is_the_default_is_not_written_out() -> None:
    header = (*made.CAMERA_HEADER, "Cổng RTSP", "Chuẩn nén luồng phụ", "Có âm thanh")
    rows: Rows = [header, (*made.camera_row("cam-01", 11, zone="Cổng"), 554, "H.264", "Không")]
    proposal = of(make.facility(), {"Camera": rows})
    assert proposal.changed == ()
    assert proposal.findings == ()


def test_what_was_signed_is_named_where_it_changes() -> None:
    proposal = devices(make.facility(), device("cam-01", zone="Sân", sub=None))
    assert proposal.resign == {"kcl-bg-001": ("dic", "health", "carrier")}
    untouched = proposal_of(book({"Cơ sở": [made.FACILITY_HEADER, made.facility_row("Trường Ví Dụ", kind="Khác")]}))
    assert untouched.resign == {}


def test_rows_that_hang_on_a_row_with_an_error_are_kept_out_and_the_rest_is_not() -> None:
    """The second camera is right only as long as the first, whose address it has, is not taken."""
    proposal = devices(
        make.facility(),
        device("cam-02", address="192.168.1.11", make="Axis"),
        device("cam-03", address="192.168.1.13", make="Axis"),
        device("cam-04", address="192.168.1.13", make="Axis"),
        device("cam-05", address="192.168.1.15", make="Axis"),
    )
    assert placed_codes(proposal.findings, FindingLevel.ERROR) == [
        ("Camera!H2", "address-duplicate"),
        ("Camera!H4", "address-duplicate"),
    ]
    assert [c["id"] for c in after(proposal)["cameras"]] == ["cam-01", "cam-03", "cam-05"]


def test_all_that_a_row_lacks_is_reported_at_once() -> None:
    rows = [made.CAMERA_HEADER, made.camera_row("cam-02", address="x", zone=None, size=None)]
    contacts = [made.CONTACT_HEADER, made.contact_row(phone="1/2", email=None, title=None)]
    surveys = [made.SURVEY_HEADER, made.survey_row(day="08/05/2021", by="ai", verdict=None)]
    facilities = [made.FACILITY_HEADER, made.facility_row("Trường B", kind="nhà", body=None)]
    sheets: dict[str, Rows] = {"Cơ sở": facilities, "Đầu mối": contacts, "Khảo sát": surveys, "Camera": rows}
    assert placed_codes(of(make.facility(), sheets).findings) == [
        ("Cơ sở!E2", "choice-unknown"),
        ("Cơ sở!F2", "required-missing"),
        ("Đầu mối!D2", "title-missing"),
        ("Đầu mối!E2", "phone-several"),
        ("Đầu mối!F2", "email-empty"),
        ("Khảo sát!C2", "choice-unknown"),
        ("Khảo sát!H2", "required-missing"),
        ("Camera!C2", "required-missing"),
        ("Camera!E2", "address-form"),
        ("Camera!F2", "required-missing"),
    ]


def test_another_name_for_an_id_is_reported() -> None:
    rows = [made.FACILITY_HEADER, made.facility_row("Trường Khác", id="kcl-bg-001")]
    proposal = proposal_of(book({"Cơ sở": rows}))
    assert placed_codes(proposal.findings) == [("Cơ sở!D2", "facility-renamed")]
    assert after(proposal)["name"] == "Trường Khác"


def test_a_facility_that_hosts_carry_is_not_closed_without_a_warning() -> None:
    rows = [made.FACILITY_HEADER, made.facility_row("Trường Ví Dụ", id="kcl-bg-001", operating="Đã đóng")]
    assert codes(proposal_of(book({"Cơ sở": rows})), FindingLevel.WARNING) == ["facility-leaves-hosts"]


def test_a_site_that_is_prepared_for_people_is_carried_on_and_says_when_they_come() -> None:
    header = (*made.FACILITY_HEADER, "Ngày dự kiến hoạt động")
    row = made.facility_row("Trường Ví Dụ", id="kcl-bg-001", operating="Đang chuẩn bị", body="UBND phường")
    proposal = proposal_of(book({"Cơ sở": [header, (*row, "20/05/2021")]}))
    assert codes(proposal, FindingLevel.WARNING) == []
    found = after(proposal)
    assert (found["operating"], found["opens_on"], found["managing_body"]) == ("preparing", "2021-05-20", "ubnd_xa")
    without = proposal_of(book({"Cơ sở": [header, (*row, None)]}))
    assert codes(without, FindingLevel.ERROR) == ["opening-missing"]
