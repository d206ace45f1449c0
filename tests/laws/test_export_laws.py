"""Laws of the exports: what is counted adds up, whatever the facilities are and whatever was shown."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import click
import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioner.base.text import indented_parts
from provisioner.cli.config import document_schema
from provisioner.cli.export import export
from provisioner.inventory.geography import SCHEMES, Province, by_slug
from provisioner.inventory.model.facility import BlockReason, Facility, Operating
from provisioner.inventory.model.inventory import InProvince
from provisioner.inventory.model.orders import ManagingBody
from provisioner.inventory.outline import outline_of, outlined
from provisioner.inventory.signed import signed_content
from provisioner.record.availability.measured import (
    AgreedLevels,
    GroupedBy,
    GroupTimes,
    Measured,
    Span,
    share_rows,
    together,
)
from provisioner.record.lifecycle.evidence import NO_EVIDENCE
from provisioner.record.lifecycle.state import FacilityState, freshness
from provisioner.record.lifecycle.status import FacilityStatus, statuses
from provisioner.report.documents import MINUTES, REPORT_LETTERS
from provisioner.report.documents.docx import official_docx
from provisioner.report.documents.minutes import DocumentBasis
from provisioner.report.documents.official import Letterhead, OfficialTable
from provisioner.report.exports import REPORTS, FacilityList, InventoryRow, export_document
from provisioner.report.progress import (
    LISTED_ZONES,
    CarrierShares,
    CountedAs,
    Cover,
    Group,
    SurveyGroup,
    counted_as,
    progress,
    scorecard,
    surveys,
    zones,
)
from tests import inventories as make
from tests.histories import content
from tests.inventories import WholeFacilities
from tests.pasts import Past, pasts, read

SCHEMA = jsonschema.Draft202012Validator(document_schema("export"))
FEW = settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
NOW = datetime(2021, 5, 20, tzinfo=UTC)
NAMES = tuple(f"kcl-{number}" for number in range(5))
BLOCKS = ("no_cooperation", "no_cameras", "obsolete_device")


def _plain(name: str, **changes: Any) -> Facility:
    return make.inventory(facilities=[make.facility(name, **changes)]).facilities[name]


AGREED = {name: _plain(name) for name in NAMES}
CONTENTS = [signed_content(facility, facility.plan) for facility in AGREED.values() if facility.plan]
REGISTERED = {name: _plain(name, plan=None, survey=None, gateway=None, cameras=[]) for name in NAMES}
SURVEYED = {
    name: _plain(name, plan=None, gateway=None, cameras=[], survey=make.survey(verdict="needs_cameras", gaps=["san"]))
    for name in NAMES
}
BLOCK = {"owner": "dic", "since": "2021-05-08", "next_action": "x", "due": "2021-05-12"}
BLOCKED = [_plain("x", blocked=BLOCK | {"reason": reason}).blocked for reason in BLOCKS]


CLAIM = {"connected_on": "2021-05-07", "source": "x"}
CLAIMED = _plain("x", claimed_connection=CLAIM).claimed_connection


@st.composite
def _facilities(draw: st.DrawFn) -> dict[str, Facility]:
    chosen = {}
    for name in draw(st.sets(st.sampled_from(NAMES))):
        facility = draw(st.sampled_from([AGREED[name], AGREED[name], REGISTERED[name], SURVEYED[name]]))
        changes = {
            "claimed_connection": draw(st.sampled_from([None, CLAIMED])),
            "operating": draw(st.sampled_from(list(Operating))),
            "managing_body": draw(st.sampled_from([ManagingBody.UBND_TINH, ManagingBody.QUAN_DOI])),
            "province": draw(st.sampled_from(["bac-giang", "hai-duong"])),
            "blocked": draw(st.sampled_from([None, *BLOCKED])),
        }
        chosen[name] = facility.model_copy(update=changes)
    return dict(sorted(chosen.items()))


RECORDED = pasts(contents=(*CONTENTS, content(9)), facilities=NAMES, hosts=("relay-viettel-1",))


def judged(facilities: dict[str, Facility], recorded: list[Past]) -> tuple[FacilityStatus, ...]:
    order = {"ref": "1407", "issuer": "x", "issued_on": "2021-05-06", "before": "2021-05-10", "scope": ["ubnd_tinh"]}
    inventory = make.inventory(instructions=[order]).model_copy(update={"facilities": facilities})
    return statuses(outlined(inventory), read(recorded), NOW)


def counts(group: Group) -> list[int]:
    blocked = [group.blocked.get(reason, 0) for reason in BlockReason]
    numbers = [group.facilities, group.connected, group.late, group.suspended, group.under_way, group.overdue]
    now = [group.up, group.not_up, group.unknown, group.cameras_up, group.cameras_down, group.cameras_unknown]
    surveys = [group.recorders, group.surveyed, group.present, group.fit, group.missing]
    apart = [group.claimed, group.without_connection]
    return [*numbers, group.cameras, group.cameras_connected, *blocked, *now, *surveys, *apart]


@FEW
@given(facilities=_facilities(), recorded=RECORDED)
def test_progress_adds_up(facilities: dict[str, Facility], recorded: list[Past]) -> None:
    listed = judged(facilities, recorded)
    report = progress(listed, lambda status: status.facility.province)
    for group in (report.total, *report.by_province, *report.by_carrier, *report.by_managing_body):
        parts = group.connected + group.blocked_in_all + group.suspended + group.under_way
        assert group.facilities == parts
        assert group.late <= group.connected
        assert group.overdue <= group.facilities - group.connected
        assert group.cameras_connected <= group.cameras
        assert group.facilities == group.connected + group.claimed + group.without_connection
        assert min(group.claimed, group.without_connection) >= 0
        assert group.connected == group.up + group.not_up + group.unknown
        assert group.cameras_up + group.cameras_down + group.cameras_unknown <= group.cameras
        assert (group.last_proved is not None) == (group.connected > 0)
        assert group.down_since is None or group.not_up + group.unknown > 0
    for groups in (report.by_province, report.by_carrier, report.by_managing_body):
        assert [sum(column) for column in zip(*map(counts, groups), strict=True)] == (
            counts(report.total) if groups else []
        )
        assert len({group.key for group in groups}) == len(groups)
    assert report.total.facilities + report.closed == len(facilities)
    assert len(report.listed) == report.total.facilities


@FEW
@given(facilities=_facilities(), recorded=RECORDED)
def test_a_facility_is_counted_as_connected_iff_it_is(facilities: dict[str, Facility], recorded: list[Past]) -> None:
    for status in judged(facilities, recorded):
        if counted_as(status) is CountedAs.CONNECTED:
            assert status.facility.operating.is_carried
            assert status.claimed is None
            assert status.standing.connected_at is not None
        if status.blocked and status.facility.operating is not Operating.CLOSED:
            assert counted_as(status) in {CountedAs.CONNECTED, CountedAs.BLOCKED}


def survey_counts(group: SurveyGroup) -> list[int]:
    numbers = [group.facilities, group.surveyed, group.missing]
    return [*numbers, group.cameras_present, group.cameras_fit, group.cameras_missing]


@FEW
@given(facilities=_facilities())
def test_surveys_add_up(facilities: dict[str, Facility]) -> None:
    report = surveys(map(outline_of, facilities.values()), lambda facility: facility.province)
    for group in (report.total, *report.by_province):
        assert group.facilities == group.surveyed + group.missing
    summed = [sum(column) for column in zip(*map(survey_counts, report.by_province), strict=True)]
    assert summed == (survey_counts(report.total) if report.by_province else [])


@FEW
@given(facilities=_facilities())
def test_zones_add_up_and_what_nobody_looked_at_is_unknown(facilities: dict[str, Facility]) -> None:
    report = zones(facilities.values())
    counted = [facility for facility in facilities.values() if facility.operating is not Operating.CLOSED]
    for group in report.by_zone:
        assert sum(group.covers.values()) == group.facilities == len(counted)
    assert len(report.listed) == len(counted) * len(LISTED_ZONES)
    for one in report.listed:
        if one.facility.survey is None and not one.cameras:
            assert one.cover is Cover.UNKNOWN
        if one.cover in {Cover.COVERED, Cover.PLANNED}:
            assert one.cameras


# --- the table of reports -------------------------------------------------------------------------
def _province_of(facility: InProvince) -> Province:
    return by_slug(facility.province, SCHEMES[0])


def _listing(facilities: dict[str, Facility], listed: tuple[FacilityStatus, ...], **more: Any) -> FacilityList:
    return FacilityList(listed, _province_of, WholeFacilities(facilities), **more)


def test_the_command_takes_every_report_of_the_table_and_no_other() -> None:
    choice = next(parameter.type for parameter in export.params if parameter.name == "what")
    assert isinstance(choice, click.Choice)
    assert list(choice.choices) == list(REPORTS)


HOURS = st.integers(0, 168).map(lambda hours: hours * 3600 * 10**6)
MEASURED = st.builds(Measured, HOURS, HOURS, HOURS, HOURS, HOURS, st.integers(0, 3))


@st.composite
def _shares(draw: st.DrawFn) -> CarrierShares | None:
    """What `availability` may say: of carriers that the inventory has, of others, and of paths without one."""
    carriers = st.sampled_from(["viettel", "vnpt", "fpt", ""])
    groups = draw(st.dictionaries(carriers, st.builds(GroupTimes, st.integers(1, 9), MEASURED)))
    agreed = AgreedLevels(draw(st.sampled_from([None, 90.0])))
    rows = share_rows(GroupedBy.CARRIER, groups, agreed)
    whole = {GroupedBy.ALL.value: together(groups.values())} if groups else {}
    total = next(iter(share_rows(GroupedBy.ALL, whole, agreed)), None)
    span = Span(NOW - timedelta(days=7), NOW)
    shares = CarrierShares(span, timedelta(hours=26), {row.name: row for row in rows}, total)
    return draw(st.sampled_from([shares, shares, None]))


@FEW
@given(facilities=_facilities(), recorded=RECORDED, shares=_shares())
def test_a_scorecard_says_each_share_once_and_none_that_nobody_measured(
    facilities: dict[str, Facility], recorded: list[Past], shares: CarrierShares | None
) -> None:
    card = scorecard(judged(facilities, recorded), {}, None, shares)
    said = {one.carrier: one.share for one in card.scores if one.share}
    assert said == {name: row for name, row in (shares.by_carrier if shares else {}).items() if name}
    assert card.total.share == (shares.total if shares else None)
    listing = _listing(facilities, judged(facilities, recorded), shares=shares)
    pages = REPORTS["scorecard"].pages(card, listing)
    place = [name for name, _ in pages[0].columns].index("Tỷ lệ thời gian có hình")
    shown = [str(row[place]) for row in (*pages[0].rows, pages[0].total)]
    for score, cell in zip((*card.scores, card.total), shown, strict=True):
        known = score.share is not None and score.share.measured.available is not None
        assert (cell != "") == known
        assert cell != "100,00 %" or (score.share is not None and not score.share.measured.down)


@pytest.mark.parametrize("name", REPORTS)
@FEW
@given(facilities=_facilities(), recorded=RECORDED, shares=_shares())
def test_every_report_is_counted_and_shown_in_all_ways(
    name: str, facilities: dict[str, Facility], recorded: list[Past], shares: CarrierShares | None
) -> None:
    report, listing = REPORTS[name], _listing(facilities, judged(facilities, recorded), shares=shares)
    counted = report.count(listing)
    inventory = InventoryRow(id="x", digest="x")
    document = export_document(name, counted, listing, NOW, len(recorded), inventory=inventory)
    assert document["report"] == name
    SCHEMA.validate(json.loads("".join(indented_parts(document))))
    lines = list(report.lines(counted))
    assert lines
    assert all(line == line.rstrip() for line in lines)
    pages = report.pages(counted, listing)
    assert report.heading
    assert len({page.title for page in pages}) == len(pages) > 0
    for page in pages:
        assert all(len(row) == len(page.columns) for row in (*page.rows, page.total) if row)


# --- official documents ---------------------------------------------------------------------------
def _basis(listed: tuple[FacilityStatus, ...]) -> DocumentBasis:
    fresh = freshness(NO_EVIDENCE, NOW, (status.pictures for status in listed))
    return DocumentBasis(NOW, fresh, 0, "x", Letterhead())


@FEW
@given(facilities=_facilities(), recorded=RECORDED)
def test_tables_add_up_and_the_annex_has_every_facility(facilities: dict[str, Facility], recorded: list[Past]) -> None:
    listed = judged(facilities, recorded)
    document = REPORT_LETTERS["progress"](_listing(facilities, listed), _basis(listed))
    for table in document.blocks:
        if isinstance(table, OfficialTable):
            assert all(len(row) == len(table.columns) for row in (*table.rows, table.total))
            columns = list(zip(*table.rows, strict=True)) or [()] * len(table.columns)
            sums = [sum(cell for cell in column if isinstance(cell, int)) for column in columns[1:]]
            assert sums == list(table.total[1:])
    (annex,) = document.annexes
    (whole,) = annex.blocks
    assert isinstance(whole, OfficialTable)
    assert len(whole.rows) == sum(one.operating is not Operating.CLOSED for one in facilities.values())
    assert official_docx(document, NOW) == official_docx(document, NOW)


@FEW
@given(facilities=_facilities(), recorded=RECORDED)
def test_a_facility_has_minutes_iff_nothing_objects(facilities: dict[str, Facility], recorded: list[Past]) -> None:
    listed = judged(facilities, recorded)
    listing = _listing(facilities, listed, evidence=read(recorded))
    for form in MINUTES.values():
        for status in listed:
            if form.refusal(status, listing):
                with pytest.raises(ValueError, match=status.facility.id):
                    form.make(status, listing, _basis(listed))
            else:
                assert listing.files.name(status.facility.id) in form.make(status, listing, _basis(listed)).subject
    for status in listed:
        refused = MINUTES["acceptance"].refusal(status, listing)
        assert (not refused) == (FacilityState.ACCEPTED in status.standing.steps)
