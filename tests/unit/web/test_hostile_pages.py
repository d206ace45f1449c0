"""A name or a text of somebody who means harm stays a text on every page."""

from dataclasses import replace
from typing import cast

import pytest

from provisioner.plan.guards.approvals import StillNeeded
from provisioner.record.lifecycle.site_packages import PackageStatus
from provisioner.verify.result import Cause, Finding, Layer, ToLookAt
from provisioner.verify.work import HostRow, RunRow, WaitingPlan, Work
from provisioner.web.board import Board, BoardPath, FacilityRow, IncidentRow
from tests.boards import AT, WORK, GivenSource, board
from tests.hostile import CAMERA, MERGE_REQUEST
from tests.unit.report.test_hostile_reports import TEXTS
from tests.unit.web.clients import Outline, crawl, local


class _Word(str):
    """A cause whose next step is the same text."""

    __slots__ = ()

    @property
    def next_step(self) -> str:
        """The word."""
        return self


def dressed(text: str) -> Board:
    """A board in which every text that somebody else may have written is this one."""
    every = Finding(cast("Cause", _Word(text)), cast("Layer", text), text, text)

    def path(row: BoardPath) -> BoardPath:
        look = ToLookAt(word=text, since=AT, checks=1, detail=text)
        row = replace(row, finding=replace(every, layer=row.layer), reason=text, where=text, relay=text)
        return replace(row, zone=text, would_be=text, until=row.checked_at, suspicions=(look,))

    def facility(row: FacilityRow) -> FacilityRow:
        return replace(row, name=text, address=text, state=text, kind=text, paths=tuple(map(path, row.paths)))

    def incident(row: IncidentRow) -> IncidentRow:
        return replace(row, finding=every)

    plain = board()
    provinces = {slug: replace(group, name=text) for slug, group in plain.provinces.items()}
    return replace(
        plain,
        inventory=text,
        engine=text,
        provinces=provinces,
        carriers={id_: replace(group, name=text) for id_, group in plain.carriers.items()},
        facilities=tuple(map(facility, plain.facilities)),
        incidents=tuple(map(incident, plain.incidents)),
        unread=(text,),
        work=work_of(text, every),
    )


def work_of(text: str, found: Finding) -> Work:
    """Runs, hosts and waiting work with this text."""

    def run(row: RunRow) -> RunRow:
        row = replace(row, operation=text, state=text, who=text, approval=text, tool=text)
        return replace(row, plan=text if row.plan else "", approvals=tuple((text, text) for _ in row.approvals))

    def host(row: HostRow) -> HostRow:
        row = replace(row, name=text, outcome=text, error=text, findings=(found,), drift=(text,))
        return replace(row, engine=text, system=text, applied=run(WORK.runs[0]))

    def package(row: PackageStatus) -> PackageStatus:
        return replace(row, handed=row.handed and replace(row.handed, by=text))

    def plan(row: WaitingPlan) -> WaitingPlan:
        needs = [replace(one.need, rule=replace(one.need.rule, role=text), hosts=(text,)) for one in row.lacking]
        lacking = tuple(StillNeeded(need, (text,)) for need in needs)
        return replace(row, origin=text, digest=text, maker=text, changes={text: 1}, lacking=lacking)

    return Work(
        tuple(map(run, WORK.runs)),
        tuple(map(host, WORK.hosts)),
        tuple(replace(row, kind=text) for row in WORK.due),
        tuple(map(package, WORK.packages)),
        tuple(map(plan, WORK.plans)),
    )


@CAMERA
@MERGE_REQUEST
@pytest.mark.parametrize("text", TEXTS)
def test_no_page_has_an_element_a_link_or_a_control_of_somebody_elses(text: str) -> None:
    plain, hostile = (crawl(local(GivenSource(dressed(one)))) for one in ("a text", text))
    assert plain.keys() == hostile.keys()
    for address, html in hostile.items():
        expected, page = Outline(plain[address]), Outline(html)
        assert (page.names, page.places, page.events) == (expected.names, expected.places, []), address
        assert html.replace("\n", "").isprintable()


@MERGE_REQUEST
@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("listing", ["facilities", "incidents", "changes", "hosts"])
def test_what_is_typed_into_a_search_stays_a_text(text: str, listing: str) -> None:
    import httpx  # noqa: PLC0415

    query = str(httpx.QueryParams({"q": text, "province": text, "sort": text, "page": text, "host": text}))
    plain = Outline(local().get(f"/en/{listing}?q=x&province=x").text)
    page = Outline(local().get(f"/en/{listing}?{query}").text)
    assert (page.names, page.events) == (plain.names, [])
