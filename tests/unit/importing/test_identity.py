"""When two texts are one name or place, when they are two, and when nobody can know."""

import pytest

from provisioner.importing.proposal.candidates import likeness_keys
from provisioner.importing.proposal.identity import (
    Identity,
    Sameness,
    identity_of,
    name_part,
    names_agree,
    places_agree,
)

SAME, OPEN, OTHER = Sameness.SAME, Sameness.OPEN, Sameness.OTHER


def place(
    district: str | None = None, ward: str | None = None, street: str | None = None, scheme: str = "gso-2021"
) -> Identity:
    return identity_of("bac-giang", "Trường Ví Dụ", district=district, ward=ward, street=street, scheme=scheme)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("Trường THCS Hòa Bình", "TRƯỜNG  THCS HOÀ BÌNH", SAME),
        ("Trường THCS Hòa Bình", "Trường THCS Hòa Bình", SAME),
        ("Trường THCS Hòa Bình", "Truong THCS Hoa Binh", OPEN),
        ("Trường THCS Tân Hòa", "Trường THCS Tân Hóa", OPEN),
        ("Trường THCS Hòa Bình", "THCS Hòa Bình", OTHER),
        ("Khu A", "Khu B", OTHER),
    ],
)
def test_names(one: str, other: str, expected: Sameness) -> None:
    assert names_agree(name_part(one), name_part(other)) is expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("Phường Hoà Bình", "P. Hòa Bình", SAME),
        ("Phường 05", "P5", SAME),
        ("Quận 1", "Q.1", SAME),
        ("Phường 5", "F.5", SAME),
        ("Phường 5", "F05", SAME),
        ("Phường 5", "F6", OTHER),
        ("Quận 1", "Quận 11", OTHER),
        ("TP. Cao Lãnh", "Thành phố Cao Lãnh", SAME),
        ("TP Cao Lãnh", "Huyện Cao Lãnh", OPEN),
        ("Xã Tân Hòa", "Xã Tân Hóa", OPEN),
        ("XA TAN HOA", "Xã Tân Hòa", SAME),
        ("Huyện Việt Yên", "Huyện Việt Yênn", OPEN),
        ("Huyện Việt Yên", "Huyện Tân Yên", OTHER),
        ("Huyện Việt Yên", None, OPEN),
        (None, None, SAME),
    ],
)
def test_districts_and_wards(one: str | None, other: str | None, expected: Sameness) -> None:
    assert places_agree(place(district=one), place(district=other))[0] is expected
    assert places_agree(place(ward=other), place(ward=one))[1] is expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("Số 5, đường Lê Lợi", "5 Lê Lợi", SAME),
        ("Số 05 Lê Lợi", "5 LÊ LỢI", SAME),
        ("5 Lê Lợi", "15 Lê Lợi", OTHER),
        ("5 Lê Lợi, phường Trần Phú", "5 Lê Lợi", OPEN),
        ("Thôn Đông", "Thôn Đoài", OTHER),
        ("Thôn Đông", None, OPEN),
        ("12/3 Lê Lợi", "3/12 Lê Lợi", OPEN),
        ("Tổ 3, Khu phố 2", "Tổ 2, Khu phố 3", OPEN),
        ("12A Lê Lợi", "Lê Lợi 12a", SAME),
        ("Tổ 3, Khu phố 2", "Tổ 3, KP 2", SAME),
        ("Tổ 3, Khu phố 2", "tổ 3 KP.2", SAME),
        ("Tổ 3, Khu phố 2", "To 3, kp2", SAME),
        ("Tổ dân phố 4", "TDP 4", SAME),
        ("Km 5, Quốc lộ 1A", "Km 5 QL1A", SAME),
        ("Tổ 3, Khu phố 2", "Tổ 3, KP 4", OTHER),
    ],
)
def test_streets(one: str | None, other: str | None, expected: Sameness) -> None:
    assert places_agree(place(street=one), place(street=other))[2] is expected


def test_there_are_no_districts_since_2025_and_wards_of_two_lists_prove_nothing() -> None:
    old, new = place("Huyện A", "Xã Mẫu"), place(None, "Xã Mẫu", scheme="gso-2025")
    assert places_agree(old, new) == (SAME, SAME, SAME)
    assert places_agree(place("Huyện A", "Xã Mẫu"), place(None, "Phường Khác", scheme="gso-2025"))[1] is OPEN
    assert places_agree(place("Huyện A", "Xã Mẫu"), place(None, "Xã Mẫu"))[0] is OPEN


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("Trường THCS Hòa Bình", "Trường Trung học cơ sở Hoà Bình", True),
        ("Trường THCS Hòa Bình", "Truong cap 2 Hoa Binh", True),
        ("Trung tâm Y tế huyện Tân Yên", "TTYT Tân Yên", True),
        ("Trường THCS Hòa Bình", "Trường THCS Bình Hòa", True),
        ("Trường THCS Hòa Bình", "Trường THCS Hòa Bnh", True),
        ("Trường THCS Hòa Bình", "Trường THCS HòaBình", True),
        ("KCL Trường THCS Hòa Bình", "Khu cách ly tập trung Trường THCS Hòa Bình", True),
        ("Trường THCS Hòa Bình", "Trường THPT Hòa Bình", False),
        ("Trường Tiểu học số 1 Hòa Bình", "Trường Tiểu học số 2 Hòa Bình", False),
        ("Ký túc xá khu A", "Ký túc xá khu B", False),
        ("Trường THCS Tân An", "Trường THCS Tân Ba", False),
    ],
)
def test_names_that_may_be_one(one: str, other: str, *, alike: bool) -> None:
    assert bool(likeness_keys(one) & likeness_keys(other)) is alike
