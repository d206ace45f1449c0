"""What a running watch and the age of verifications change on pages, in examples."""

from dataclasses import replace
from datetime import timedelta

from provisioner.web.board import OLD
from provisioner.web.source import Feed, as_of
from provisioner.web.static import files_of
from tests.boards import NOW, GivenSource, StripedPast, board, watched
from tests.unit.web.clients import Outline, local, reader

KEYS = [(path.name, path.relay) for path in board().paths]
DOWN = {"bac-giang/kcl-bg-001/cam-02/sub": "down"}
REPORT = watched({(path, relay): DOWN.get(path, "up") for path, relay in KEYS})


def seen(address: str, role: str = "noc") -> str:
    """The text of a page while a watch sees one more path down."""
    return Outline(reader(role, source=GivenSource(reports=(REPORT,))).get(address).text).text


def test_a_path_that_a_watch_sees_down_is_down_with_both_words_in_both_languages() -> None:
    wall, page = seen("/en/"), seen("/en/facilities/kcl-bg-001")
    assert "7 of 12 paths are up A watch follows 12 paths. It sees 1 path worse than the last verification." in wall
    assert "camera bac-giang/kcl-bg-001/cam-02 by the watch" in wall
    assert "The watch: down since 2021-05-20 07:56, 4 min ago. The last verification: up, 2021-05-20 07:40" in page
    assert "Nó thấy 1 luồng camera xấu hơn lần kiểm tra gần nhất." in seen("/vi/")
    assert "Chương trình theo dõi: mất kết nối từ 20/05/2021 07:56, cách đây 4 phút." in seen(
        "/vi/facilities/kcl-bg-001"
    )


def test_a_path_that_was_found_down_stays_down_while_a_watch_sees_it_flow() -> None:
    page = seen("/en/facilities/kcl-hd-001")
    assert page.count("The watch sees it flow into the relay; it checks no picture.") == 3
    assert "0 of 3 paths are up" in page


def test_counts_of_a_watch_are_of_what_a_role_may_see() -> None:
    assert "7 of 12 paths are up A watch follows 12 paths. It sees 1 path worse" in seen("/en/", "steering")
    assert "All 3 paths are up A watch follows 3 paths." in seen("/en/", "carrier:vnpt")
    assert "worse" not in seen("/en/", "carrier:vnpt")


def test_an_old_up_is_grey_and_no_good_news() -> None:
    up = replace(board(), facilities=tuple(f for f in board().facilities if f.worst == "up"), incidents=())
    old = as_of(up, NOW + timedelta(hours=26))
    assert dict(old.counts) == {OLD: 6}
    page = Outline(local(GivenSource(old)).get("/en/").text).text
    assert "0 of 6 paths are known to be up; 6 were up more than 26 h ago" in page
    assert "card good" not in local(GivenSource(old)).get("/en/").text
    assert as_of(up, NOW + timedelta(hours=25)) is up


def test_a_file_of_a_watch_that_cannot_be_read_is_told_to_the_engineer_alone() -> None:
    source = GivenSource(as_of(board(), NOW, (), ("watch-1.json",)))
    assert "watch-1.json" in reader("noc", source=source).get("/en/").text
    for role in ("ministry", "steering", "dic:bac-giang"):
        assert "watch" not in Outline(reader(role, source=source).get("/en/").text).text


def test_who_listens_is_told_what_a_watch_sees_and_of_the_end_of_it_once_each() -> None:
    source = GivenSource()
    feed = Feed(source)
    feed.load()
    source.reports = (REPORT,)
    assert [feed.refresh(), feed.refresh()] == [True, False]
    assert feed.board.counts["up"] == 7
    source.reports = (REPORT.model_copy(update={"at": NOW + timedelta(seconds=3)}),)
    assert not feed.refresh(), "it sees the same"
    source.reports = ()
    assert [feed.refresh(), feed.refresh()] == [True, False]
    assert feed.board.counts["up"] == 8


def test_files_say_when_they_were_written() -> None:
    files = dict(files_of(board(), StripedPast(), NOW))
    assert "Written 2021-05-20 08:00" in Outline(files["en/index.html"].decode()).text
    assert "Ghi lúc 20/05/2021 08:00" in Outline(files["vi/facilities/kcl-bg-001.html"].decode()).text
