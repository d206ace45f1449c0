"""Who takes part in minutes and signs them, and what both kinds of minutes say in the same words. Pure.

The parties are those of letter 1407/BTTTT-CVT, item 2: the DIC leads, the Health department and the carrier take part,
and the facility is there. No person is named: they write their names themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from provisioner.inventory.model import Facility, Party
from provisioner.report.documents.official import DOTS, Block, Letterhead, Passage, PassageRole
from provisioner.report.labels import label

_FACILITY = "Cơ sở cách ly"
_HEALTH = "Sở Y tế"
_CARRIER = "Doanh nghiệp viễn thông"


def party_name(party: Party, letterhead: Letterhead, carrier: str = "") -> str:
    """What a party is called in full."""
    if party is Party.DIC:
        return letterhead.dic
    return _HEALTH if party is Party.HEALTH else f"{_CARRIER} {carrier}".strip()


def signers_of(parties: Sequence[Party], letterhead: Letterhead, carrier: str = "") -> tuple[str, ...]:
    """The words above each signature: the parties in the letter's order, and the facility."""
    names = [party_name(party, letterhead, carrier) for party in Party if party in parties]
    return tuple(f"Đại diện {name}" for name in (*names, _FACILITY))


def meeting(parties: Sequence[Party], letterhead: Letterhead, carrier: str = "") -> Iterator[Block]:
    """Who was there, with room for the names."""
    yield Passage("Thành phần tham dự:")
    names = [party_name(party, letterhead, carrier) for party in Party if party in parties]
    for name in names:
        yield Passage(f"- Ông/Bà {DOTS}, chức vụ {DOTS}, đại diện {name};", PassageRole.FORM)
    yield Passage(f"- Ông/Bà {DOTS}, chức vụ {DOTS}, đại diện {_FACILITY}.", PassageRole.FORM)


def facility_lines(facility: Facility, place: str) -> Iterator[Block]:
    """What a facility is."""
    yield Passage(f"- Tên cơ sở: {facility.name} (mã: {facility.id}).")
    yield Passage(f"- Địa chỉ: {place}.")
    yield Passage(f"- Loại hình: {label(facility.kind)}; cơ quan quản lý: {label(facility.managing_body)}.")
    capacity = facility.capacity
    if capacity:
        rooms = f", {capacity.rooms} phòng" if capacity.rooms else ""
        floors = f", {capacity.floors} tầng" if capacity.floors else ""
        yield Passage(f"- Quy mô: {capacity.people} người{rooms}{floors}.")


def closing() -> Iterator[Block]:
    """The last words of minutes."""
    yield Passage(
        "Biên bản được lập thành …… bản có giá trị như nhau, mỗi bên giữ …… bản; các bên đã đọc lại,"
        " thống nhất nội dung và ký tên dưới đây.",
        PassageRole.LAST,
    )
