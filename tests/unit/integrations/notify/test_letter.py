"""What notices see of devices, and what a letter says, in both languages."""

from dataclasses import replace
from typing import Any

import pytest

from provisioner.base.language import Language
from provisioner.base.roles import ReaderRole, ReaderScope
from provisioner.integrations.notify.mail import letter_of
from provisioner.integrations.notify.news import (
    DEVICE_ITEM,
    NOTHING_KNOWN,
    LastNotice,
    NewsChange,
    NightItem,
    news_for,
    night_of,
    scope_name,
)
from provisioner.verify.document import VerifyDocument, recorded_verification
from provisioner.verify.result import Cause, Layer, Verdict
from tests.nights import device, night, path, province_of

VIETTEL = ReaderScope(ReaderRole.CARRIER, "viettel")
TUNNEL = tuple(path("kcl-bac-giang-1", n, "viettel", Verdict.DOWN, Cause.TUNNEL_DOWN) for n in range(1, 8))
GOOD = path("kcl-hai-duong-1", 1, "viettel", Verdict.UP, Cause.NONE)
_REFUSES = "100.64.0.5:10554 refuses the connection: the device runs"
_DOWN = path("kcl-hai-duong-1", 1, "viettel", Verdict.DOWN, Cause.CAMERA_REFUSES)
CAMERA = replace(_DOWN, finding=replace(_DOWN.finding, detail=_REFUSES))

ENGLISH = """\
Night of 2021-05-22
for: carrier viettel
0 of 8 paths up
1 new, 7 still not up

NEW
- camera kcl-hai-duong-1/cam-1: camera refuses: 1 path down
    hai-duong/kcl-hai-duong-1/cam-1/sub
    evidence: 100.64.0.5:10554 refuses the connection: the device runs
    next: the camera: is RTSP on, and on that port?

STILL NOT UP
- tunnel kcl-bac-giang-1: tunnel down: 7 paths down (since 2021-05-21, night 2)
    bac-giang/kcl-bac-giang-1/cam-1/sub, bac-giang/kcl-bac-giang-1/cam-2/sub, bac-giang/kcl-bac-giang-1/cam-3/sub, \
bac-giang/kcl-bac-giang-1/cam-4/sub, bac-giang/kcl-bac-giang-1/cam-5/sub, and 2 more
    evidence: canary-kcl-bac-giang-1-viettel <b>10.9.8.7</b>
    next: the named site's line and gateway; of a named relay, its own line

--\x20
run run-1
An automatic message about the inventory example. Do not answer: mail to this address is not read.
"""
VIETNAMESE = """\
Đêm 22/05/2021
gửi: doanh nghiệp viễn thông viettel
0 trong 8 luồng camera hoạt động
1 mới, 7 chưa khắc phục

MỚI
- camera kcl-hai-duong-1/cam-1: camera từ chối: 1 luồng camera mất kết nối
    hai-duong/kcl-hai-duong-1/cam-1/sub
"""


def second_night(*sights: NightItem, language: Language) -> str:
    first = news_for(VIETTEL, night((*TUNNEL, GOOD)), NOTHING_KNOWN, province_of)
    last = LastNotice(scope_name(VIETTEL), first.notified)
    return letter_of(news_for(VIETTEL, night(sights, 1), last, province_of), language).plain


def test_a_letter_in_english() -> None:
    assert second_night(*TUNNEL, CAMERA, language=Language.EN) == ENGLISH


def test_a_letter_in_vietnamese_says_the_evidence_in_vietnamese_too() -> None:
    text = second_night(*TUNNEL, CAMERA, language=Language.VI)
    assert text.startswith(VIETNAMESE)
    assert "bằng chứng: 100.64.0.5:10554 từ chối kết nối" in text
    assert "refuses" not in text
    assert "đường hầm kcl-bac-giang-1: đường hầm mất kết nối: 7 luồng camera" in text
    assert "(từ 21/05/2021, đêm thứ 2)" in text


@pytest.mark.parametrize(("language", "words"), [(Language.EN, "up again"), (Language.VI, "hoạt động trở lại")])
def test_what_came_back_is_said_with_what_it_had(language: Language, words: str) -> None:
    up = tuple(path("kcl-bac-giang-1", n, "viettel", Verdict.UP, Cause.NONE) for n in range(1, 8))
    text = second_night(*up, GOOD, language=language)
    assert f"kcl-bac-giang-1: 7 {'paths' if language is Language.EN else 'luồng camera'} {words}" in text
    assert ("tunnel down" if language is Language.EN else "đường hầm mất kết nối") in text


def test_a_layer_is_a_word_of_the_language() -> None:
    text = second_night(*TUNNEL, CAMERA, language=Language.VI)
    assert Layer.TUNNEL.value not in text.replace("canary", "")


def test_what_is_wrong_with_a_device_itself_is_said_beside_its_paths_and_when_it_is_mended() -> None:
    clock = device("kcl-hai-duong-1", 1, "viettel")
    text = second_night(*TUNNEL, CAMERA, clock, language=Language.EN)
    assert "1 new" not in text
    assert "- camera kcl-hai-duong-1/cam-1: camera refuses: 1 path down\n" in text
    assert "- camera kcl-hai-duong-1/cam-1: device clock off: degraded\n" in text
    news = news_for(VIETTEL, night((GOOD, clock)), NOTHING_KNOWN, province_of)
    last = LastNotice(scope_name(VIETTEL), news.notified)
    again = news_for(VIETTEL, night((GOOD, clock), 1), last, province_of)
    assert (again.has_changed, [item.change for item in again.items]) == (False, [NewsChange.STANDING])
    unasked = replace(night((GOOD,), 2), probed_devices=frozenset())
    silent = news_for(VIETTEL, unasked, last, province_of)
    assert (silent.has_changed, silent.items, silent.notified) == (False, (), news.notified)
    mended = news_for(VIETTEL, night((GOOD,), 2), last, province_of)
    assert "- kcl-hai-duong-1/cam-1: up again (before: device clock off)\n" in letter_of(mended, Language.EN).plain
    assert not mended.notified


OFF = {"cause": "device clock off", "detail": "its clock is 95 s ahead"}
NVR = {"facility": "kcl-bg-001", "device": "nvr-01", "carrier": "viettel", "findings": [OFF]}
INCIDENT = {"layer": "recorder", "object": "kcl-bg-001/nvr-01", "paths": [], **OFF}


def document(devices: list[dict[str, Any]], *incidents: dict[str, Any]) -> VerifyDocument:
    """A verification of one path that is up."""
    path: dict[str, Any] = {"path": "bac-giang/kcl-bg-001/cam-01/sub", "relay": "relay-1", "facility": "kcl-bg-001"}
    path["province"] = "bac-giang"
    path |= {"carrier": "viettel", "verdict": "up", "cause": "", "layer": None, "object": "", "detail": ""}
    whole = {"paths": [path | {"failing": None}], "hosts": [], "incidents": [*incidents], "devices": devices}
    moments = dict.fromkeys(("started_at", "finished_at"), "2021-05-20T20:00:00+00:00")
    return recorded_verification(whole | moments)


def test_a_finding_is_a_sight_of_its_device_and_of_all_that_carry_it() -> None:
    night = night_of(document([NVR, NVR | {"carrier": "vnpt"}], INCIDENT), {}, inventory="example")
    (one,) = [sight for sight in night.sights if sight.is_device]
    assert (one.name, one.key) == (f"{DEVICE_ITEM}kcl-bg-001/nvr-01:device clock off", one.name)
    assert (one.facility, one.carriers, one.object) == (
        "kcl-bg-001",
        frozenset({"viettel", "vnpt"}),
        "kcl-bg-001/nvr-01",
    )
    assert (one.verdict, one.cause, one.layer) == (Verdict.DEGRADED, Cause.DEVICE_CLOCK_OFF, Layer.RECORDER)
    assert one.detail == OFF["detail"]
    assert not one.is_path


@pytest.mark.parametrize(
    ("devices", "silent"),
    [([NVR | {"findings": []}], False), ([NVR], True), ([], True)],
    ids=["nothing is wrong", "in a maintenance window", "not asked"],
)
def test_nothing_is_said_of_a_device_not_asked_or_worked_on(devices: list[dict[str, Any]], *, silent: bool) -> None:
    night = night_of(document(devices), {}, inventory="example")
    assert not [sight for sight in night.sights if sight.is_device]
    assert night.is_unverified(f"{DEVICE_ITEM}kcl-bg-001/nvr-01:device clock off") is silent
    # A facility that is gone from the inventory is no reason to keep knowing of its devices.
    assert not night.is_unverified(f"{DEVICE_ITEM}kcl-gone/nvr-01:device clock off")


def test_an_incident_of_a_camera_with_paths_is_told_by_its_paths() -> None:
    of_paths = INCIDENT | {"paths": ["bac-giang/kcl-bg-001/cam-01/sub"], "cause": "silent"}
    night = night_of(document([NVR], INCIDENT, of_paths), {}, inventory="example")
    assert [sight.cause for sight in night.sights if sight.is_device] == [Cause.DEVICE_CLOCK_OFF]
