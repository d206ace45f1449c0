"""A view over a folder of reports: states, totals, findings, documents, pages, and heads that were shown."""

import gc
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from docx import Document
from openpyxl import load_workbook

from provisioner.base.errors import StateError, UsageError
from provisioner.base.spreadsheet import page_edges
from provisioner.cli.main import run
from provisioner.ministry import bundle
from provisioner.ministry import view as view_module
from provisioner.ministry.bundle import OpenedReport, unpacked
from provisioner.ministry.receive import Receiver
from provisioner.ministry.transports import FolderTransport, ReportFolder
from provisioner.ministry.trust import Doubt, ReportState
from provisioner.ministry.view import CountrySource, View
from provisioner.web.app import ServedPages
from provisioner.web.filters import OF_WORK
from provisioner.web.readers import HeaderIdentification, read_trusted_networks
from provisioner.web.source import Feed
from tests.boards import HOSTILE
from tests.hostile import CONTROLLER
from tests.ministry import HOUR, NOW, Reporter, facility, names_of, public_line
from tests.unit.web.clients import HOST, PROXY, PageClient

SOUTH: dict[str, Any] = {"carrier": "vnpt", "carriers": ("vnpt",), "province": "quang-nam"}


@dataclass
class Ministry:
    """A folder of two carriers' reports, a file of keys, and a clock."""

    folder: Path
    now: datetime = NOW

    def __post_init__(self) -> None:
        self.reports, self.keys = self.folder / "reports", self.folder / "keys.toml"
        self.reports.mkdir()
        self.keys.write_text(
            f"""
scheme = "gso-2021"
[controllers.north]
keys = ["{public_line("north")}"]
provinces = {{ viettel = ["bac-giang", "hai-duong"] }}
[controllers.south]
keys = ["{public_line("south")}"]
provinces = {{ vnpt = ["quang-nam"] }}
"""
        )
        self.north, self.south = Reporter(), Reporter("south", "vnpt")
        self.view = View(ReportFolder(self.reports), self.keys, self.folder / "memory/heads.json")

    def send(self, *bundles: bytes) -> None:
        """Put bundles into the folder."""
        for made in bundles:
            FolderTransport(self.reports).send(made)

    def both(self) -> None:
        """A night of both carriers: a camera of the north is unplugged."""
        self.send(self.north.report([facility(), facility("kcl-bg-002", up=3, down=1)]))
        self.send(self.south.report([facility("kcl-qn-001", **SOUTH)]))

    def run(self, *words: str) -> tuple[int, str, str]:
        """Run a command of the view."""
        out, err = io.StringIO(), io.StringIO()
        group, *options = words
        command = ["view", group, "--reports", str(self.reports), "--keys", str(self.keys), *options]
        with redirect_stdout(out), redirect_stderr(err):
            code = run(command, {"XDG_STATE_HOME": str(self.folder / "state"), "NO_COLOR": "1", "PATH": "/usr/bin"})
        return code, out.getvalue(), err.getvalue()


@pytest.fixture
def ministry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ministry:
    """A ministry whose commands have its clock."""
    one = Ministry(tmp_path)
    monkeypatch.setattr("provisioner.cli.view.now", lambda: one.now)
    return one


def test_two_carriers_are_one_country(ministry: Ministry) -> None:
    ministry.both()
    code, out, _ = ministry.run("status")
    assert code == 0, out
    assert "3 facilities; paths: 1 down, 11 up" in out
    assert "2 of 2 controllers current" in out


def test_the_half_of_a_carrier_that_is_silent_turns_unknown(ministry: Ministry) -> None:
    ministry.both()
    ministry.now = NOW + timedelta(hours=20)
    ministry.send(ministry.south.report([facility("kcl-qn-001", **SOUTH, checked_at=ministry.now)], ministry.now))
    ministry.now += timedelta(hours=10)
    code, out, _ = ministry.run("status")
    assert (code, "paths: 8 unknown, 4 up" in out, "1 of 2 controllers current" in out) == (1, True, True), out
    assert "north: silent" in out
    ministry.now += timedelta(days=30)
    code, out, _ = ministry.run("export")
    assert "0/2 controllers current" in out
    assert "unknown" in out
    assert out.count("unknown") >= 8, "in each group"


def test_silence_is_in_the_metrics_of_a_view(ministry: Ministry, tmp_path: Path) -> None:
    ministry.both()
    ministry.now = NOW + timedelta(hours=20)
    ministry.send(ministry.south.report([facility("kcl-qn-001", **SOUTH, checked_at=ministry.now)], ministry.now))
    ministry.now += timedelta(hours=10)
    file = tmp_path / "view.prom"
    assert ministry.run("status", "--metrics", str(file))[0] == 1
    lines = {line for line in file.read_text().splitlines() if not line.startswith("#")}
    assert {
        'provisioner_controller_current{controller="north"} 0.0',
        'provisioner_controller_current{controller="south"} 1.0',
        'provisioner_view_findings{kind="silent"} 1.0',
        'provisioner_view_paths{verdict="unknown"} 8.0',
        'provisioner_view_paths{verdict="up"} 4.0',
    } <= lines
    assert ministry.run("status", "--metrics", str(tmp_path / "view.txt"))[0] == 2


def test_pages_of_a_view_are_files_too(ministry: Ministry, tmp_path: Path) -> None:
    ministry.both()
    code, out, err = ministry.run("html", str(tmp_path / "pages"))
    assert code == 0, err
    pages = [file.read_text(encoding="utf-8") for file in (tmp_path / "pages").rglob("*.html")]
    assert any("Trường THPT kcl-bg-002" in page for page in pages)
    assert any("Trường THPT kcl-qn-001" in page for page in pages)
    assert f"{tmp_path / 'pages' / 'index.html'}" in out
    assert not list((tmp_path / "pages").rglob("hosts.html"))
    assert ministry.run("html", str(tmp_path / "pages"))[0] == 0, "it is updated"


def test_old_reports_are_pruned_and_nothing_shown_changes(ministry: Ministry) -> None:
    for number in range(1, 5):
        at = NOW - HOUR * (10 - 2 * number)
        ministry.send(ministry.north.report([facility(up=number)], at))
        ministry.send(ministry.north.report([facility(up=number + 4)], at + HOUR, changes=True))
        ministry.send(ministry.south.report([facility("kcl-qn-001", **SOUTH)], at))
    before = ministry.view.country(NOW)
    assert "would remove 6 reports" in ministry.run("prune", "--dry-run")[1]
    assert len(list(ministry.reports.iterdir())) == 12
    ministry.now = NOW + timedelta(days=3)
    assert "removed 0 reports" in ministry.run("prune")[1], "of silent controllers all stay"
    ministry.now = NOW
    assert "removed 6 reports" in ministry.run("prune")[1]
    for view in ministry.view, View(ministry.view.folder, ministry.keys, ministry.folder / "new.json"):
        after = view.country(NOW)
        assert after.findings == ()
        assert [(one.id, one.row) for one in after.facilities] == [(one.id, one.row) for one in before.facilities]
        assert [one.head for one in after.standings] == [one.head for one in before.standings]


def test_two_views_behind_one_address_show_the_same(ministry: Ministry) -> None:
    other = CountrySource(View(ReportFolder(ministry.reports), ministry.keys, ministry.view.memory), lambda: NOW, "x")
    own = CountrySource(ministry.view, lambda: NOW, "x")
    ministry.both()
    assert own.load() == other.load()
    before = set(ministry.reports.iterdir())
    ministry.send(ministry.north.report([facility(up=1)], NOW))
    (newest,) = set(ministry.reports.iterdir()) - before
    assert own.mark() == other.mark()
    first, second = own.load(), other.load()
    assert first == second
    assert first.counts == {"up": 5}
    newest.unlink()
    assert own.load() == other.load(), "both miss what one of them has shown"


_STORES = """
import sys
from pathlib import Path
from provisioner.ministry.receive import Receiver
from provisioner.ministry.trust import read_trust
folder, keys, made = map(Path, sys.argv[1:])
trust = read_trust(keys.read_text(), "keys")
receiver, bundle = Receiver(folder, lambda: trust), made.read_bytes()
print("ready", flush=True)
while True:
    name = receiver.store(bundle)
    (folder / name.partition("-")[0] / name).unlink()
"""


@CONTROLLER
def test_a_view_that_is_killed_while_it_takes_a_report_leaves_none_or_a_whole_one(
    ministry: Ministry, tmp_path: Path
) -> None:
    facilities = [facility(f"kcl-bg-{number:05}") for number in range(2000)]
    made = ministry.north.report(facilities)
    (tmp_path / "made").write_bytes(made)
    words = [sys.executable, "-c", _STORES, str(ministry.reports), str(ministry.keys), str(tmp_path / "made")]
    for attempt in range(8):
        taking = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert taking.stdout
        with taking, closing(taking.stdout):
            assert taking.stdout.readline() == "ready\n"
            time.sleep(0.003 * attempt)
            taking.kill()
        assert {one.file.read_bytes() for one in ministry.view.folder.bundles()} <= {made}
        assert not [one for one in ministry.view.country(NOW).findings if one.doubt is Doubt.UNREADABLE]
    receiver = Receiver(ministry.reports, lambda: ministry.view.trust)
    receiver.store(made)
    assert len(ministry.view.country(NOW).facilities) == 2000


def test_the_document_of_status_fits_its_schema(ministry: Ministry) -> None:
    ministry.both()
    code, out, _ = ministry.run("status", "--output", "json")
    document = json.loads(out)
    assert (code, document["current"], document["paths"]) == (0, 2, {"down": 1, "up": 11})
    assert [one["standing"] for one in document["controllers"]] == ["current", "current"]


def test_the_progress_of_both_is_one_report_and_one_spreadsheet(ministry: Ministry) -> None:
    row = facility("kcl-bg-003", name='=HYPERLINK("http://x")')
    ministry.both()
    ministry.send(ministry.north.report([facility(), row]))
    out, docx = ministry.folder / "progress.xlsx", ministry.folder / "progress.docx"
    code, text, err = ministry.run("export", "--out", str(out), "--docx", str(docx))
    assert code == 0, err
    assert "viettel" in text
    assert "vnpt" in text
    book = load_workbook(out)
    cells = [cell for sheet in book for line in sheet.iter_rows() for cell in line]
    assert not [cell for cell in cells if cell.data_type == "f"], "a name became a formula"
    assert any(cell.value == 3 for cell in cells)
    basis = "Căn cứ: theo báo cáo của 2/2 đơn vị; lần kiểm tra gần nhất"
    assert all(str(page_edges(sheet)[1].left.text).startswith(basis) for sheet in book.worksheets)
    assert "theo báo cáo của 2/2 đơn vị." in paragraphs_of(docx)
    ministry.now += timedelta(hours=20)
    ministry.send(ministry.north.report([facility(), row], ministry.now))
    ministry.now += timedelta(hours=10)
    assert ministry.run("export", "--docx", str(docx), "--force")[0] == 0
    assert "theo báo cáo của 1/2 đơn vị, chưa rõ: south." in paragraphs_of(docx)


def paragraphs_of(docx: Path) -> str:
    """The text of a document."""
    return " ".join(paragraph.text for paragraph in Document(str(docx)).paragraphs)


def test_a_facilitys_page_names_who_reports_it(ministry: Ministry) -> None:
    ministry.keys.write_text(
        ministry.keys.read_text().replace('["quang-nam"]', '["quang-nam"], viettel = ["bac-giang"]')
    )
    ministry.both()
    ministry.send(ministry.south.report([facility(up=2, down=2), facility("kcl-qn-001", **SOUTH)]))
    for id_, rows, is_twice in (("bac-giang.kcl-bg-001", 2, True), ("quang-nam.kcl-qn-001", 1, False)):
        page = pages_of(ministry).get(f"/en/facilities/{id_}").text
        table = page.partition('id="sources"')[2].partition("</table>")[0]
        assert table.count("<td>current</td>") == rows
        assert ("the worst of their words counts" in page) is is_twice


def pages_of(ministry: Ministry, role: str = "noc") -> PageClient:
    """The pages of a view, as a role gets them from the proxy."""
    feed = Feed(CountrySource(ministry.view, lambda: ministry.now, "ministry"))
    door = HeaderIdentification(read_trusted_networks([PROXY]))
    client = PageClient(ServedPages(feed, door, [HOST], lambda: ministry.now), PROXY)
    client.headers["X-Provisioner-Role"] = role
    return client


@CONTROLLER
def test_pages_show_names_as_texts_and_every_facility(ministry: Ministry) -> None:
    ministry.both()
    ministry.send(ministry.north.report([facility(), facility("kcl-bg-002", name=HOSTILE, up=3, down=1)]))
    pages = pages_of(ministry, "ministry")
    for language in ("en", "vi"):
        overview = pages.get(f"/{language}/")
        assert overview.status_code == 200
        for page in (
            "facilities",
            "incidents",
            "facilities/bac-giang.kcl-bg-002",
            "provinces/bac-giang",
            "facilities/quang-nam.kcl-qn-001",
        ):
            got = pages.get(f"/{language}/{page}")
            assert got.status_code == 200, page
            assert "<script>alert" not in got.text
    assert "11 of 12 paths are up" in pages.get("/en/").text
    assert "3/4" in pages.get("/en/facilities").text
    assert "2 of 2 current" in pages.get("/en/").text


def test_a_view_says_nothing_of_work_that_no_report_has(ministry: Ministry) -> None:
    ministry.both()
    pages = pages_of(ministry)
    menu = pages.get("/en/").text.partition("<nav")[2].partition("</nav>")[0]
    assert [word in menu for word in ("Facilities", "Changes", "Hosts", "Waiting")] == [True, False, False, False]
    for page in OF_WORK:
        assert pages.get(f"/en/{page}").status_code == 404


def test_a_role_sees_its_own_part_of_the_country(ministry: Ministry) -> None:
    ministry.both()
    of_dic = pages_of(ministry, "dic:quang-nam")
    assert of_dic.get("/en/facilities/quang-nam.kcl-qn-001").status_code == 200
    assert of_dic.get("/en/facilities/bac-giang.kcl-bg-001").status_code == 404
    of_carrier = pages_of(ministry, "carrier:viettel")
    assert "7 of 8 paths are up" in of_carrier.get("/en/").text


def test_pages_of_a_silent_country_are_not_green(ministry: Ministry) -> None:
    ministry.send(ministry.north.report([facility()]), ministry.south.report([facility("kcl-qn-001", **SOUTH)]))
    assert "All 8 paths are up" in pages_of(ministry).get("/en/").text
    ministry.now += timedelta(hours=27)
    page = pages_of(ministry).get("/en/").text
    assert "All 8 paths" not in page
    assert "silent: unknown" in page
    assert "0 of 2 current" in page


def test_all_up_of_one_controller_is_not_all_up_of_the_country(ministry: Ministry) -> None:
    ministry.send(ministry.north.report([facility()]))
    page = pages_of(ministry).get("/en/").text
    assert "All 4 paths are up" not in page
    assert "never reported" in page


def test_a_feed_follows_new_reports_and_silence(ministry: Ministry) -> None:
    ministry.both()
    feed = Feed(CountrySource(ministry.view, lambda: ministry.now, "ministry"))
    assert feed.board.counts["down"] == 1
    assert not feed.refresh()
    ministry.send(ministry.north.report([facility(), facility("kcl-bg-002")]))
    assert feed.refresh()
    assert feed.board.counts == {"up": 12}
    ministry.now += timedelta(hours=27)
    assert feed.refresh()
    assert feed.board.counts == {"unknown": 12}


@CONTROLLER
def test_reports_that_were_taken_away_are_missed_by_a_view_that_starts_anew(ministry: Ministry) -> None:
    first, second = ministry.north.report([facility()]), ministry.north.report([facility(up=1, down=3)])
    ministry.send(first, second)
    assert ministry.view.country(NOW).standings[0].is_current
    (ministry.reports / bundle.bundle_name(second)).unlink()
    again = View(ministry.view.folder, ministry.keys, ministry.view.memory).country(NOW)
    assert again.standings[0].standing is ReportState.DOUBTED
    assert Doubt.WENT_BACK in {finding.doubt for finding in again.findings}


def test_old_reports_may_be_taken_away(ministry: Ministry) -> None:
    made = [ministry.north.report([facility(up=number)], NOW - HOUR * (9 - number)) for number in range(6)]
    ministry.send(*made)
    before = ministry.view.country(NOW).standings[0]
    for old in made[:4]:
        (ministry.reports / bundle.bundle_name(old)).unlink()
    again = View(ministry.view.folder, ministry.keys, ministry.view.memory).country(NOW).standings[0]
    assert (again.is_current, again.head) == (before.is_current, before.head)


@CONTROLLER
@pytest.mark.parametrize(
    ("made", "doubt"),
    [
        (lambda _: Reporter(key="stranger").report([facility()]), Doubt.UNKNOWN_KEY),
        (lambda one: one.south.report([facility()], inventory="north"), Doubt.FOREIGN),
        (lambda _: b"PVR1", Doubt.UNREADABLE),
        (lambda _: bytes(1000), Doubt.UNREADABLE),
        (lambda one: one.north.report([facility()])[:-3], Doubt.UNREADABLE),
    ],
)
def test_a_file_that_is_none_is_a_finding_and_changes_nothing(
    ministry: Ministry, made: Callable[[Ministry], bytes], doubt: Doubt
) -> None:
    ministry.both()
    before = ministry.view.country(NOW)
    (ministry.reports / "x.report").write_bytes(made(ministry))
    after = ministry.view.country(NOW)
    assert {one.doubt for one in after.findings} == {doubt}
    assert [(one.id, one.row) for one in after.facilities] == [(one.id, one.row) for one in before.facilities]
    assert all(standing.is_current for standing in after.standings)


@CONTROLLER
def test_a_folder_full_of_strangers_files_is_told_in_bounds(
    ministry: Ministry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view_module, "_MOST_TOLD", 5)
    ministry.both()
    for number in range(20):
        (ministry.reports / f"{number}.report").write_bytes(b"x" * number)
    country = ministry.view.country(NOW)
    assert len(country.findings) == 6
    assert country.findings[-1].text.endswith(": 15")
    assert country.current == 2


@CONTROLLER
def test_what_one_carrier_fills_hides_no_finding_and_no_report_of_another(
    ministry: Ministry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("provisioner.ministry.transports.MOST_FILES", 5)
    monkeypatch.setattr("provisioner.ministry.view.MOST_FILES", 5)
    ministry.both()
    (ministry.reports / "south").mkdir()
    ministry.south.report([])
    FolderTransport(ministry.reports / "south").send(ministry.south.report([]))
    (ministry.reports / "north").mkdir()
    for number in range(8):
        (ministry.reports / f"north/{number}.report").write_bytes(b"x" * number)
    ministry.send(ministry.north.report([facility(f"kcl-bg-{number}", province="da-nang") for number in range(100)]))
    _, out, _ = ministry.run("status")
    assert "2 of 2 controllers current" in out
    assert "finding: reports missing: south: missing before number 3" in out
    assert "finding: province not designated: north: 80 findings more" in out
    assert " north: only the newest 5 files of it are read" in out


@CONTROLLER
def test_one_key_takes_neither_memory_nor_time_of_the_others(
    ministry: Ministry, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"kcl-bg-{number:03}" for number in range(50)]
    for hours in range(12, 0, -1):
        ministry.send(ministry.north.report(map(facility, names), NOW - hours * HOUR))
    ministry.send(ministry.south.report([facility("kcl-qn-001", **SOUTH)]))
    for number, file in enumerate(sorted(ministry.reports.iterdir(), key=lambda file: file.stat().st_mtime_ns)):
        os.utime(file, ns=(number, number))
    in_memory = [_opened_reports()]

    def counted(packed: bytes, key: str) -> OpenedReport:
        in_memory.append(_opened_reports())
        return unpacked(packed, key)

    monkeypatch.setattr("provisioner.ministry.view.unpacked", counted)
    country = ministry.view.country(NOW)
    assert (country.current, len(country.facilities), country.findings) == (2, 51, ())
    assert max(in_memory) - in_memory[0] < 5
    monkeypatch.setattr("provisioner.ministry.view._MOST_OF_KEY", 100_000)
    view = View(ministry.view.folder, ministry.keys, ministry.view.memory)
    (told,) = view.country(NOW).findings
    assert (told.controller, told.text.split(";")[0]) == ("north", "its older files are too many to be opened: 9")
    with monkeypatch.context() as patch:
        patch.setattr("provisioner.ministry.view.read_bundle", None)
        assert view.country(NOW).findings == (told,), "a file that stays shut is not read again"
    assert "would remove 10 reports" in ministry.run("prune", "--dry-run")[1]
    assert "removed 10 reports" in ministry.run("prune")[1]
    assert view.country(NOW).findings == ()


def _opened_reports() -> int:
    return sum(isinstance(one, OpenedReport) for one in gc.get_objects())


def test_files_that_a_controller_cannot_read_are_named_or_counted(ministry: Ministry) -> None:
    unread = tuple(f"kcl-bg-{number:03}" for number in range(30))
    ministry.send(ministry.north.report([facility("kcl-hd-001")], unread=unread))
    board = ministry.view.country(NOW).board("x", "y")
    assert board.unread == (*(f"north: {name}" for name in unread[:20]), "north: +10")


@CONTROLLER
def test_changes_without_end_are_not_followed(ministry: Ministry, monkeypatch: pytest.MonkeyPatch) -> None:
    ministry.both()
    monkeypatch.setattr("provisioner.ministry.trust.MOST_CHANGES", 2)
    for up in range(4):
        ministry.send(ministry.north.report([facility(up=up)], changes=True))
    country = ministry.view.country(NOW)
    (told,) = country.findings
    assert (told.doubt, told.controller, told.text[:9]) == (Doubt.BROKEN, "north", "report 4:")
    assert country.standings[0].last
    assert country.standings[0].last.report.sequence == 3


@CONTROLLER
def test_a_damaged_memory_or_file_of_keys_is_an_error_and_no_green(ministry: Ministry) -> None:
    ministry.both()
    ministry.view.country(NOW)
    ministry.view.memory.write_text("{")
    with pytest.raises(StateError):
        View(ministry.view.folder, ministry.keys, ministry.view.memory).country(NOW)
    for text in ("", "scheme = 'gso-1999'", "scheme = 'gso-2021'\n[controllers.x]\nkeys = []", "x = ["):
        ministry.keys.write_text(text)
        with pytest.raises(UsageError) as caught:
            ministry.view.country(NOW)
        assert caught.value.hint


@CONTROLLER
@pytest.mark.parametrize("exchanged", ["", "?"])
def test_a_file_that_goes_or_is_exchanged_while_it_is_read_stops_no_view(
    ministry: Ministry, monkeypatch: pytest.MonkeyPatch, exchanged: str
) -> None:
    ministry.both()
    (first,) = (
        one for one in ministry.view.folder.bundles() if one.file.name.startswith(next(iter(names_of("north"))))
    )
    later = ministry.north.report([facility()])
    ministry.send(later)
    assert ministry.view.country(NOW).current == 2
    listed = [one for one in ministry.view.folder.bundles() if one.file.name != bundle.bundle_name(later)]
    monkeypatch.setattr(ReportFolder, "bundles", lambda *_: iter(listed))
    first.file.unlink()
    if exchanged:
        first.file.write_text(exchanged)
    country = ministry.view.country(NOW)
    assert [one.standing for one in country.standings] == [ReportState.NEVER, ReportState.CURRENT]
    assert Doubt.BROKEN in {one.doubt for one in country.findings}


def test_a_key_that_is_withdrawn_while_a_view_runs_counts_at_once(ministry: Ministry) -> None:
    ministry.both()
    assert ministry.view.country(NOW).current == 2
    text, key = ministry.keys.read_text(), public_line("south")
    ministry.keys.write_text(text.replace(f'["{key}"]', f'["{public_line("new")}"]\nwithdrawn = ["{key}"]'))
    country = ministry.view.country(NOW)
    assert country.current == 1
    assert country.board("x", "").counts == {"unknown": 4, "down": 1, "up": 7}
    other = replace(ministry.south, key="new")
    ministry.send(other.report([facility("kcl-qn-001", **SOUTH)]))
    assert ministry.view.country(NOW).current == 2


def test_a_report_that_is_missing_is_told_by_its_number_and_shown_once_it_is_there(ministry: Ministry) -> None:
    made = [ministry.north.report([facility(up=number)], NOW - HOUR * (5 - number)) for number in range(1, 5)]
    ministry.send(made[0])
    assert ministry.view.country(NOW).standings[0].head
    ministry.send(*made[2:])
    told = [finding.text for finding in ministry.view.country(NOW).findings if finding.doubt is Doubt.SKIPPED]
    assert told == ["missing before number 3: 1 report", "not shown after number 3: 1 report"]
    assert ministry.view.country(NOW).board("x", "").counts == {"up": 1}
    ministry.send(made[1])
    assert ministry.view.country(NOW).board("x", "").counts == {"up": 4}
