"""Runs, hosts and waiting work: what the record has is shown, once, to who may see it."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.base.language import Language
from provisioner.base.roles import ReaderRole
from provisioner.operations.questions.overview import Overview, overview
from provisioner.operations.questions.work import read_changes, read_work
from provisioner.verify.work import RunRow
from provisioner.web.board import Board
from provisioner.web.filters import CHANGES, Filters, Links
from provisioner.web.noc_pages import changes_page, choose_runs
from provisioner.web.pages import PageSheet
from provisioner.web.readers import read_web_user, scoped
from provisioner.web.source import RecordedSource
from tests.boards import NOW, WORK, StripedPast, board
from tests.example_terminal import EXAMPLE
from tests.hostile import VIEWER
from tests.unit.cli.test_approve import approve, asked_of_nobody, call, planned
from tests.unit.cli.test_plan import RELAY, Terminal
from tests.unit.web.clients import ROLES, Outline, crawl, local, reader

__all__ = ["asked_of_nobody", "call"]  # the fixtures

PAGES = ("changes", "hosts", "waiting")
#: What each role sees of hosts, and of facilities whose packages wait.
HOSTS = {"noc": {"relay-viettel-1", "relay-vnpt-1", "centre-hn"}} | {
    f"carrier:{name}": {f"relay-{name}-1"} for name in ("viettel", "vnpt")
}
PACKAGES = {
    "noc": {"kcl-bg-001", "kcl-qn-001"},
    "ministry": {"kcl-bg-001", "kcl-qn-001"},
    "dic:bac-giang": {"kcl-bg-001"},
    "health:bac-giang": {"kcl-bg-001"},
    "dic:quang-nam": {"kcl-qn-001"},
    "carrier:viettel": {"kcl-bg-001"},
    "carrier:vnpt": {"kcl-qn-001"},
}


def source(call: Terminal) -> RecordedSource[Overview]:
    environment = {"XDG_STATE_HOME": str(call.root / "state")}
    return RecordedSource(
        lambda: overview(call.root / EXAMPLE, environment, datetime.now(UTC)),
        lambda: datetime.now(UTC),
        read_work,
        read_changes,
    )


def test_the_record_is_shown(call: Terminal) -> None:
    call.other_channel()
    plan = planned(call)
    assert approve(call, "noc-3", "plan.json", "--keep-plan")[0] == 0
    assert call("verify")[0] in {0, 1}
    assert call("site-package", "kcl-bg-001", "--out", str(call.root / "package"))[0] == 0
    one = source(call)
    work = one.load().work
    assert [run.operation for run in work.runs] == ["site-package", "apply", "apply"]
    assert (work.runs[0].facilities, work.runs[0].hosts) == (("kcl-bg-001",), ())
    first = next(host for host in work.hosts if host.id == RELAY)
    assert (first.outcome, first.carrier, first.applied) == ("answered", "viettel", work.runs[1])
    assert first.engine == "mediamtx 1.20.1"
    assert first.drift
    (waiting,) = work.plans
    assert (waiting.digest, waiting.changes, waiting.is_current) == (plan["digest"], {RELAY: 2}, True)
    assert [one.need.words for one in waiting.lacking] == [f"1 approver as noc of viettel for {RELAY} (any)"]
    assert [package.facility for package in work.packages] == ["kcl-bg-001"]
    changes = one.past.changes(work.runs[2])
    assert {change.outcome for change in changes.values()} == {"applied"}
    assert "path +" in changes[RELAY].changes
    pages = {page: Outline(local(one).get(f"/vi/{page}").text).text for page in PAGES}
    assert "của viettel" in pages["waiting"]
    assert "1 approver" not in pages["waiting"]
    assert approve(call, "noc-1")[0] == 0
    assert one.load().work.plans == ()


def test_a_plan_that_was_changed_or_applied_does_not_wait(call: Terminal) -> None:
    call.other_channel()
    planned(call)
    assert approve(call, "noc-3", "plan.json", "--keep-plan")[0] == 0
    (kept,) = call.file("approvals").glob("*.plan.json")
    document = json.loads(kept.read_text())
    for change in document["changes"]:
        change["host"] = "relay-vnpt-1"
    kept.with_name("0.plan.json").write_text(json.dumps(document))
    assert len(source(call).load().work.plans) == 1
    assert approve(call, "noc-1")[0] == 0
    assert call("apply", "plan.json")[0] == 0
    for file in call.file("approvals").glob("*-noc-1.json"):
        file.unlink()
    assert source(call).load().work.plans == ()


def test_a_damaged_record_of_packages_is_said_and_hides_no_page(call: Terminal) -> None:
    assert call("site-package", "kcl-bg-001", "--out", str(call.root / "package"))[0] == 0
    one = source(call)
    (run,) = (row.id for row in one.load().work.runs if row.operation == "site-package")
    (database,) = (call.root / "state").rglob("state.db")
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("update provisioner_documents set packed = x'00' where run = ?", (run,))
    assert one.load().work.is_damaged
    assert "provisioner history verify" in local(one).get("/en/waiting").text


# --- who sees what --------------------------------------------------------------------------------
@VIEWER
@pytest.mark.parametrize("role", ROLES)
def test_a_role_sees_hosts_runs_and_packages_of_its_own(role: str) -> None:
    client, hosts, packages = reader(role), HOSTS.get(role, set()), PACKAGES.get(role, set())
    for page in ("changes", "hosts"):
        assert (client.get(f"/en/{page}").status_code == 200) == bool(hosts), page
        assert (f"../en/{page}" in client.get("/en/").text) == bool(hosts), page
    assert client.get("/en/waiting").status_code == (404 if role == "steering" else 200)
    for address, html in crawl(client).items():
        text = Outline(html).text
        relays = {
            relay.relay
            for one in WORK.packages
            if one.handed and one.facility in packages
            for relay in one.handed.relays
        }
        shown = hosts | relays if address.endswith("/waiting") else hosts
        for host in HOSTS["noc"] - shown:
            assert host not in text or "/facilities/" in address, address
        if role != "noc":
            assert "noc-7" not in text, address
            assert "person-3" not in text, address
            assert "centre-hn" not in text, address
    waiting = client.get("/en/waiting").text
    assert {name for name in PACKAGES["noc"] if f"facilities/{name}" in waiting} == packages


@VIEWER
@given(
    role=st.sampled_from([role for role in ROLES if role != "noc"]),
    hosts=st.lists(st.sampled_from(sorted(HOSTS["noc"])), unique=True),
    facilities=st.lists(st.sampled_from(sorted(board().by_id)), unique=True),
)
def test_a_run_is_seen_with_own_hosts_and_facilities_alone(role: str, hosts: list[str], facilities: list[str]) -> None:
    run = RunRow("run", "apply", "done", NOW, NOW, tuple(hosts), tuple(facilities), "noc-7", plan="sha256:1")
    user = read_web_user(role)
    assert user
    assert user.scope
    seen = scoped(_with_runs(run), user)
    own = HOSTS.get(role, set()) & {*hosts}
    named = {*facilities} & seen.by_id.keys() if user.scope.role is ReaderRole.CARRIER else set()
    assert [({*one.hosts}, {*one.facilities}, one.who) for one in seen.work.runs] == (
        [(own, named, "")] if own or named else []
    )


def _with_runs(*runs: RunRow) -> Board:
    return replace(board(), work=replace(WORK, runs=runs))


# --- lists ----------------------------------------------------------------------------------------
def test_runs_are_paged_and_filtered() -> None:
    runs = tuple(
        RunRow(f"run-{n}", "apply", "done", NOW - timedelta(hours=n), NOW, (f"relay-{n % 2}",)) for n in range(60)
    )
    shown = _with_runs(*runs)
    pages = [
        changes_page(PageSheet(shown, Links(Language.EN, CHANGES), NOW, StripedPast()), Filters(page=page))
        for page in (1, 2, 3)
    ]
    assert [page.count('<li class="row run') for page in pages] == [25, 25, 10]
    assert "60 runs, 26 to 50" in pages[1]
    assert len(choose_runs(shown, Filters(host="relay-1"))) == 30
    assert len(choose_runs(shown, Filters(q="RUN-59"))) == 1
    assert [run.id for run in choose_runs(board(), Filters(carrier="vnpt"))] == [WORK.runs[n].id for n in (0, 1, 2)]


@pytest.mark.parametrize("language", Language)
def test_a_runs_line_and_its_id_tell_the_same_second(language: Language) -> None:
    text = Outline(local().get(f"/{language.value}/changes").text).text
    for run in WORK.runs:
        local_second = (run.started + timedelta(hours=7)).strftime("%H:%M:%S")
        assert run.id[:15] == run.started.strftime("%Y%m%dT%H%M%S")
        assert local_second in text


def test_a_file_has_the_newest_runs_alone() -> None:
    runs = tuple(RunRow(f"run-{n}", "keys", "done", NOW - timedelta(hours=n), NOW) for n in range(230))
    page = changes_page(
        PageSheet(_with_runs(*runs), Links(Language.EN, CHANGES, suffix=".html"), NOW, StripedPast()), Filters(), size=0
    )
    assert ("run-199<" in page, "run-200<" in page, "30 older ones" in page) == (True, False, True)
