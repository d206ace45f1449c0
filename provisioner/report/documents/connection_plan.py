"""The minutes in which the parties agree a facility's connection plan ("biên bản thống nhất phương án"). Pure.

They hold what letter 1407/BTTTT-CVT, item 2, has the parties agree, and the digest of the signed content: what is
recorded afterwards by `sign-off` can be held against the paper.
"""

from __future__ import annotations

from collections.abc import Iterator

from provisioner.inventory.model import ConnectionPlan, Facility, Party
from provisioner.inventory.signed import signed_content
from provisioner.report.documents.official import (
    DOTS,
    LINE_OF_DOTS,
    Block,
    DocumentKind,
    Letterhead,
    OfficialDocument,
    OfficialTable,
    Passage,
    PassageRole,
    TableColumn,
)
from provisioner.report.documents.parties import closing, facility_lines, meeting, signers_of
from provisioner.report.documents.words import day_in_words, place_in_words
from provisioner.report.plan_sheet import PlanNames, PlanSheet

_WIDTH_MM = 165


def plan_minutes(
    facility: Facility, plan: ConnectionPlan, names: PlanNames, sheet: PlanSheet, letterhead: Letterhead
) -> OfficialDocument:
    """The minutes to be signed.

    Args:
        facility: whose plan.
        plan: the plan, or the successor.
        names: what its province and its carrier are called.
        sheet: the plan in Vietnamese words.
        letterhead: what a person knows of the document.
    """
    return OfficialDocument(
        kind=DocumentKind.MINUTES,
        subject=f"Thống nhất phương án kết nối camera giám sát tại {facility.name}",
        letterhead=letterhead,
        blocks=tuple(_content(facility, plan, names, sheet, letterhead)),
        signers=signers_of(tuple(Party), letterhead, names.carrier),
    )


def _content(
    facility: Facility, plan: ConnectionPlan, names: PlanNames, sheet: PlanSheet, letterhead: Letterhead
) -> Iterator[Block]:
    yield Passage(f"Thời gian: …… giờ …… phút, {day_in_words(letterhead.dated)}.", PassageRole.FORM)
    yield Passage(f"Địa điểm: {letterhead.place or DOTS}.")
    yield from meeting(tuple(Party), letterhead, names.carrier)
    yield Passage("1. Thông tin cơ sở", PassageRole.TITLE)
    yield from facility_lines(facility, place_in_words(facility, names.province))
    yield Passage("2. Phương án kết nối", PassageRole.TITLE)
    columns = (TableColumn("Nội dung", 45), TableColumn("Phương án", _WIDTH_MM - 45))
    # The place stands above, and the digest below.
    yield OfficialTable(columns, list(sheet.facts[1:-1]))
    for number, table in enumerate(sheet.tables, start=3):
        yield Passage(f"{number}. {table.title}", PassageRole.TITLE)
        width = _WIDTH_MM // len(table.columns)
        yield OfficialTable([TableColumn(name, width) for name in table.columns], table.rows)
    yield Passage(f"{len(sheet.tables) + 3}. Ý kiến của các bên", PassageRole.TITLE)
    yield Passage(LINE_OF_DOTS, PassageRole.FORM)
    yield Passage(f"Mã nội dung phương án: {signed_content(facility, plan)}. {sheet.note}", PassageRole.NOTE)
    yield from closing()
