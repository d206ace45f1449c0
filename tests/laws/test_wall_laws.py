"""The pages never say better than the worse word of verification and watch, whatever a watch's file holds."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from provisioner.base.language import Language
from provisioner.record.availability.measured import LONGEST_STANDING
from provisioner.record.state_folder import StateFolder
from provisioner.verify.watch_report import COUNTS_FOR, file_of, read_reports, words_of
from provisioner.web.board import Board, rank, with_paths
from provisioner.web.filters import Filters, Links, with_facilities
from provisioner.web.pages import PageSheet, facility_page, incidents_page, overview_page
from provisioner.web.readers import read_web_user, scoped
from provisioner.web.source import as_of
from tests.boards import NOW, StripedPast, board, watched
from tests.hostile import LOCAL_USER, VIEWER
from tests.unit.web.clients import ROLES

PATHS = sorted({(path.name, path.relay) for path in board().paths})
AGES = (timedelta(0), timedelta(hours=20), timedelta(hours=27), timedelta(days=9), timedelta(hours=-1))
#: `None`: no watch covers the path.
STATES = st.sampled_from([None, "up", "up", "silent", "down", "unknown", "degraded", "quarantined", "maintenance"])
Words = Mapping[tuple[str, str], str | None]
WORDS = st.lists(STATES, min_size=len(PATHS), max_size=len(PATHS)).map(
    lambda drawn: dict(zip(PATHS, drawn, strict=True))
)


def html_of(shown: Board, now: datetime, language: Language = Language.EN) -> str:
    """The wall, its incidents and all facilities of a board."""
    sheet = PageSheet(replace(shown, revision=""), Links(language), now, StripedPast())
    facilities = (facility_page(sheet, facility.id) or "" for facility in shown.facilities)
    return "\n".join((overview_page(sheet), incidents_page(sheet, Filters()), *facilities))


@given(one=WORDS, two=WORDS, age=st.sampled_from(AGES), all_up=st.booleans())
def test_a_page_says_never_better_than_the_worse_word(*, one: Words, two: Words, age: timedelta, all_up: bool) -> None:
    recorded, now = board(), NOW + age
    if all_up:
        up = [with_paths(f, [replace(path, verdict="up") for path in f.paths]) for f in recorded.facilities]
        recorded = with_facilities(recorded, up, ())
    reports = [watched(one, now), watched(two, now)]
    shown = as_of(recorded, now, reports)
    before = {(path.name, path.relay): path for path in recorded.paths}
    words = [dict(words_of(report)) for report in reports]
    is_all_up = True
    for path in shown.paths:
        key = path.name, path.relay
        ranks = [rank(before[key].verdict), *(rank(of[key].verdict) for of in words if key in of)]
        is_old = not timedelta(minutes=-15) <= now - (before[key].checked_at or NOW) <= LONGEST_STANDING
        if before[key].verdict == "up" and is_old:
            ranks[0] = rank("old")
        assert rank(path.verdict) == min(ranks)
        is_all_up = is_all_up and min(ranks) == rank("up")
        assert (path.verified or path.verdict) == before[key].verdict
    assert sum(shown.counts.values()) == len(before)
    assert (">All 12 paths are up<" in html_of(shown, now)) == is_all_up


@VIEWER
@pytest.mark.parametrize("role", [role for role in ROLES if role not in {"noc", "ministry", "steering"}])
@given(WORDS, WORDS)
def test_a_role_sees_no_word_of_a_watch_on_paths_that_it_may_not_see(role: str, one: Words, two: Words) -> None:
    user = read_web_user(role)
    assert user
    visible = {(path.name, path.relay) for path in scoped(board(), user).paths}
    other = {key: (one if key in visible else two)[key] for key in PATHS}
    pages = [html_of(scoped(as_of(board(), NOW, [watched(words, NOW)]), user), NOW) for words in (one, other)]
    assert pages[0] == pages[1]


BROKEN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
) | st.sampled_from(
    [
        "9999-12-31T23:59:59Z",
        "2021-05-20T01:00:00",
        "0001-01-01T00:00:00+14:00",
        "down",
        "x" * 400,
        "\u202e<b>x",
        1e300,
        -1,
    ]
)


def _changed(value: Any, draw: st.DrawFn) -> Any:
    """A document of which some value is another one."""
    if isinstance(value, dict) and value and draw(st.booleans()):
        key = draw(st.sampled_from(sorted(value)))
        return {**value, key: _changed(value[key], draw)}
    if isinstance(value, list) and value and draw(st.booleans()):
        place = draw(st.integers(0, len(value) - 1))
        return [*value[:place], _changed(value[place], draw), *value[place + 1 :]]
    return draw(BROKEN)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Bytes of a report that were changed, cut off, or are any others."""
    plain = watched(draw(WORDS), NOW).model_dump(mode="json")
    whole = json.dumps(_changed(plain, draw)).encode()
    return draw(st.sampled_from([whole, whole[: len(whole) // 2], json.dumps(plain).encode()[:-1]]) | st.binary())


@LOCAL_USER
@example(b'{"at": "2021-05-20T01:00:00", "limit": {}, "relays": []}')
@given(damaged())
def test_a_file_of_any_bytes_never_takes_a_page_down(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = StateFolder("test", None, remembered=Path(folder, "head.json"))
        file = file_of(place, {})
        assert file
        file.write_bytes(content)
        reports, unreadable = read_reports(place, NOW)
    shown = as_of(board(), NOW, reports, unreadable)
    assert len(reports) + len(unreadable) <= 1
    for language in Language:
        page = html_of(shown, NOW, language)
        assert not unreadable or file.name in page
        assert "\u202e" not in page
        assert "<b>x" not in page
    assert reports == [] or -COUNTS_FOR <= NOW - reports[0].at <= COUNTS_FOR
