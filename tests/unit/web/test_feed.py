"""What is shown is loaded once for each run that is recorded, and whoever waits is told."""

import asyncio
from dataclasses import dataclass, field

import pytest

from provisioner.base.errors import StateError
from provisioner.base.roles import ReaderRole, ReaderScope
from provisioner.web import source as source_module
from provisioner.web.board import Board
from provisioner.web.readers import ENGINEER, WebUser
from provisioner.web.source import REREAD, Feed
from tests.boards import GivenSource, board
from tests.unit.web.clients import Outline, local


@dataclass
class CountedSource(GivenSource):
    """A source that counts how often it was read, and that can break."""

    loads: int = 0
    trouble: str = ""
    marks: list[str] = field(default_factory=list)

    def mark(self) -> str:
        """The board's revision."""
        if self.trouble:
            raise StateError(self.trouble)
        return super().mark()

    def load(self) -> Board:
        """The board."""
        self.loads += 1
        return super().load()


def test_a_board_is_loaded_once_for_each_change_and_not_for_each_question() -> None:
    source = CountedSource()
    client = local(source)
    for _ in range(5):
        client.get("/en/")
    assert source.loads == 1
    feed = Feed(source)
    feed.load()
    assert [feed.refresh() for _ in range(3)] == [False] * 3
    source.now_shown = board("two")
    assert [feed.refresh() for _ in range(3)] == [True, False, False]
    assert source.loads == 3
    assert feed.board.revision == "two"


class ChangedMeanwhile(CountedSource):
    """A source with a run that is recorded while its board is loaded."""

    def load(self) -> Board:
        """The board as it was before that run."""
        before = super().load()
        self.now_shown = board("two")
        return before


def test_a_run_that_is_recorded_while_a_board_is_loaded_is_shown_at_the_next_refresh() -> None:
    feed = Feed(ChangedMeanwhile())
    feed.load()
    assert feed.board.revision == "one"
    assert feed.refresh()
    assert feed.board.revision == "two"


def test_files_that_change_without_a_run_are_read_after_a_while() -> None:
    source = CountedSource()
    feed = Feed(source)
    feed.load()
    feed._loaded_s -= REREAD.total_seconds()  # noqa: SLF001 (a quarter of an hour has passed)
    assert not feed.refresh()
    assert source.loads == 2


def test_a_record_that_cannot_be_read_leaves_the_last_board_with_a_sentence() -> None:
    source = CountedSource()
    feed = Feed(source)
    feed.load()
    source.trouble = "the history in state.db is damaged"
    assert not feed.refresh()
    assert (feed.trouble, feed.board.revision) == (source.trouble, "one")
    source.trouble = ""
    feed.refresh()
    assert feed.trouble == ""


def test_the_board_of_a_scope_is_made_once_for_all_its_readers() -> None:
    source = GivenSource()
    feed = Feed(source)
    feed.load()
    dic = ReaderScope(ReaderRole.DIC, "bac-giang")
    assert feed.of(WebUser(dic, "one")) is feed.of(WebUser(dic, "another"))
    assert feed.of(ENGINEER) is feed.board
    before = feed.of(WebUser(dic))
    source.now_shown = board("two")
    feed.refresh()
    assert feed.of(WebUser(dic)) is not before
    assert feed.of(WebUser(dic)).revision == "two"


def test_who_listens_is_told_of_each_change_and_let_go_at_the_end() -> None:
    async def may_read() -> bool:
        return True

    async def story() -> list[bytes]:
        source = GivenSource()
        feed = Feed(source, interval_s=0.01)
        feed.load()
        watching = asyncio.create_task(feed.watch())
        heard = []
        async for event in feed.events(may_read):
            heard.append(event)
            if len(heard) == 1:
                source.now_shown = board("two")
            if len(heard) == 2:
                assert feed.listeners == 1
                feed.close()
        watching.cancel()
        assert feed.listeners == 0
        return heard

    heard = asyncio.run(asyncio.wait_for(story(), 60))
    assert heard == [b"event: recorded\ndata: one\n\n", b"event: recorded\ndata: two\n\n"]


def test_who_listens_hears_no_more_once_the_session_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_module, "_ALIVE_S", 0.01)
    answers = iter([True, True, False])

    async def may_read() -> bool:
        return next(answers)

    async def story() -> list[bytes]:
        feed = Feed(GivenSource())
        feed.load()
        return [event async for event in feed.events(may_read)]

    heard = asyncio.run(asyncio.wait_for(story(), 60))
    assert heard == [b"event: recorded\ndata: one\n\n", b": still here\n\n", b": still here\n\n"]


def test_a_page_of_old_facts_says_so() -> None:
    text = Outline(local().get("/en/").text).text
    assert "Verified 2021-05-20 07:40, 20 min ago." in text
    assert "too long ago" not in text
