"""Spreadsheets as provinces send them, and what an import finds in them. Every person in them is invented."""

import io
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from openpyxl import Workbook
from openpyxl.worksheet.worksheet import Worksheet

from provisioner.importing.contacts.store import Contact
from provisioner.importing.grid import Finding, FindingLevel
from provisioner.importing.proposal.build import propose
from provisioner.importing.proposal.proposal import Baseline, Proposal
from provisioner.importing.tables.files import grids_of, read_records, sheets_of
from provisioner.inventory.model.inventory import Inventory
from tests import inventories as make

Rows = Sequence[Sequence[Any]]
TODAY = date(2021, 5, 9)
FILE = "province.xlsx"

FACILITY_HEADER = ("STT", "Mã cơ sở", "Tỉnh/TP", "Tên cơ sở", "Loại cơ sở", "Cơ quan quản lý", "Tình trạng")
CONTACT_HEADER = ("STT", "Mã cơ sở", "Họ và tên", "Chức vụ", "SĐT", "Email")
CAMERA_HEADER = ("Mã cơ sở", "Mã camera", "Khu vực", "Hãng", "Địa chỉ IP", "Độ phân giải luồng phụ")
SURVEY_HEADER = (
    *("Mã cơ sở", "Ngày khảo sát", "Đơn vị khảo sát", "Loại đường truyền"),
    *("Số camera hiện có", "Số camera đạt yêu cầu", "Số camera cần bổ sung", "Đánh giá"),
)


def facility_row(name: str = "Trường Mới", number: Any = 1, **changes: Any) -> tuple[Any, ...]:
    plain = {
        "id": None,
        "province": "Bắc Giang",
        "kind": "Trường học",
        "body": "UBND tỉnh",
        "operating": "Đang hoạt động",
    }
    plain |= changes
    return number, plain["id"], plain["province"], name, plain["kind"], plain["body"], plain["operating"]


def contact_row(facility: Any = "kcl-bg-001", number: Any = 1, **changes: Any) -> tuple[Any, ...]:
    plain = {"name": "Trần Văn Mẫu", "title": "Hiệu trưởng", "phone": "0300 000 001", "email": "lien-he-1@example.com"}
    plain |= changes
    return number, facility, plain["name"], plain["title"], plain["phone"], plain["email"]


def camera_row(name: Any = "cam-02", host: int = 12, **changes: Any) -> tuple[Any, ...]:
    plain = {
        "facility": "kcl-bg-001",
        "zone": "Sân",
        "make": "Hikvision",
        "address": f"192.168.1.{host}",
        "size": "640x360",
    }
    plain |= changes
    return plain["facility"], name, plain["zone"], plain["make"], plain["address"], plain["size"]


def survey_row(facility: Any = "kcl-bg-001", day: Any = "08/05/2021", **changes: Any) -> tuple[Any, ...]:
    plain = {"by": "Sở TT&TT; Viettel", "uplink": "Cáp quang", "counts": (6, 4, 2), "verdict": "Cần bổ sung camera"}
    plain |= changes
    return facility, day, plain["by"], plain["uplink"], *plain["counts"], plain["verdict"]


def book(sheets: Mapping[str, Rows], change: Callable[[Workbook], None] | None = None) -> bytes:
    """A workbook with some sheets, each a list of rows; `change` may do to it what people do."""
    made = Workbook()
    made.remove(made.worksheets[0])
    for name, rows in sheets.items():
        sheet: Worksheet = made.create_sheet(name)
        for row in rows:
            sheet.append(tuple(row))
    if change:
        change(made)
    out = io.BytesIO()
    made.save(out)
    return out.getvalue()


class PlacedCode(NamedTuple):
    """A finding as the tests compare it."""

    place: str
    code: str


def placed_codes(findings: Sequence[Finding], *levels: FindingLevel) -> list[PlacedCode]:
    """Places and codes of findings; those of some levels where levels are named."""
    chosen = [f for f in findings if not levels or f.remark.level in levels]
    return [PlacedCode(str(f.position).removeprefix(f"{FILE}: "), f.remark.code) for f in chosen]


def proposal_of(
    data: bytes,
    inventory: Inventory | None = None,
    contacts: Mapping[str, tuple[Contact, ...] | None] | None = None,
    files: Mapping[str, bytes] | None = None,
    file: str = FILE,
) -> Proposal:
    """What a workbook asks of an inventory; of one with the facility kcl-bg-001 where none is named."""
    known = inventory or make.inventory()
    texts = files or {}
    records, findings = read_records(sheets_of(file, grids_of(data)))
    plain = {f["id"]: json.dumps(f, ensure_ascii=False).encode() for f in [make.facility()]} | dict(texts)
    there = Baseline(known, frozenset(), plain.__getitem__, None, TODAY)
    return propose(records, there, {"bac-giang": ()} if contacts is None else contacts, findings)


def findings_of(data: bytes, *levels: FindingLevel) -> list[PlacedCode]:
    """The findings of a workbook."""
    return placed_codes(proposal_of(data).findings, *levels)
