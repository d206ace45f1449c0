"""No user of a relay reads a path outside of what it was given, and nobody but root's probe has the API.

Go's regular expressions and Python's agree on what we write: an anchor and letters that stand for themselves.
"""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.base.roles import had_right, is_read, words_of_reading
from provisioner.desired.render.host import MEDIAMTX_FILE
from provisioner.desired.render.quote import read_pattern
from tests import fleets
from tests import inventories as make
from tests.hostile import MERGE_REQUEST, VIEWER

SEGMENTS = st.from_regex(r"[a-z0-9]{1,3}(-[a-z0-9]{1,2})?", fullmatch=True)
PREFIXES = st.builds("/".join, st.lists(SEGMENTS, min_size=1, max_size=2))
PATHS = st.builds("/".join, st.lists(SEGMENTS, min_size=1, max_size=5))
# What MediaMTX takes in a path's name, and what it does not.
ANY_TEXT = st.text(st.sampled_from("ab-1/.\n~^$|\\"), max_size=12)


def lets_through(pattern: str, path: str) -> bool:
    """As MediaMTX asks: a text behind `~` is sought anywhere in the name."""
    assert pattern.startswith("~")
    return re.search(pattern[1:], path) is not None


@VIEWER
@given(prefix=PREFIXES, path=st.one_of(PATHS, ANY_TEXT))
def test_a_pattern_lets_through_what_begins_with_the_prefix_and_nothing_else(prefix: str, path: str) -> None:
    assert lets_through(read_pattern(prefix), path) == path.startswith(f"{prefix}/")


@VIEWER
@given(prefix=PREFIXES, more=SEGMENTS)
def test_a_longer_name_and_a_longer_beginning_are_not_the_prefix(prefix: str, more: str) -> None:
    pattern = read_pattern(prefix)
    assert not lets_through(pattern, f"{prefix}{more}/x/y/sub")
    assert not lets_through(pattern, f"x-{prefix}/{more}/sub")
    assert lets_through(pattern, f"{prefix}/{more}/y/sub")


@MERGE_REQUEST
@given(text=ANY_TEXT)
def test_what_is_no_beginning_of_a_path_is_never_rendered(text: str) -> None:
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*(/[a-z0-9]+(-[a-z0-9]+)*)?", text):
        with pytest.raises(ValueError, match="not the beginning of a path"):
            read_pattern(text)


def users_of(reads: list[str], viewers: dict[str, list[str]]) -> tuple[list[dict[str, Any]], list[str]]:
    """The users of a relay of two provinces' facilities, and its paths."""
    listed = [{"id": name, "reads": given} for name, given in viewers.items()]
    sites = [
        fleets.facility("kcl-1", 1),
        fleets.facility("kcl-1-2", 1),
        fleets.facility("kcl-2", 1, province="hai-duong"),
    ]
    centres = [make.centre(reads=reads, viewers=listed), make.centre("centre-2", 32)]
    carrier = make.carrier(centres=["centre", "centre-2"])
    state = fleets.state_of(make.inventory(centres=centres, carriers=[carrier], facilities=sites))
    spec = state.hosts["relay-viettel-1"]
    content = next(f.content for f in fleets.files_of(state)[spec.id] if f.path == MEDIAMTX_FILE).decode()
    (line,) = re.findall(r"(?m)^authInternalUsers: (.*)$", content)
    return json.loads(line), [path.name for path in spec.paths]


GIVEN = st.lists(
    st.sampled_from(["bac-giang", "hai-duong", "bac-giang/kcl-1", "bac-giang/kcl-1-2", "hai-duong/kcl-2"]),
    min_size=1,
    max_size=3,
    unique=True,
)


@VIEWER
@given(reads=st.one_of(st.just([]), GIVEN), viewers=st.dictionaries(SEGMENTS, GIVEN, max_size=3))
def test_each_user_of_a_relay_reads_what_it_was_given_and_one_user_has_the_api(
    reads: list[str], viewers: dict[str, list[str]]
) -> None:
    users, paths = users_of(reads, viewers)
    given_to = {f"viewer-{name}": one for name, one in viewers.items()} | {"centre-centre": reads}
    at = {"centre-2": "10.90.0.2"}
    assert len(paths) == 3
    for user in users:
        actions = {one["action"] for one in user["permissions"]}
        if user["user"] == "api":
            assert (user["permissions"], user["ips"]) == ([{"action": "api"}], ["127.0.0.1"])
            continue
        assert actions == {"read"}
        assert user["pass"].startswith("sha256:")
        if user["user"] in given_to:
            for path in paths:
                may = any(not one["path"] or lets_through(one["path"], path) for one in user["permissions"])
                prefixes = given_to[user["user"]]
                assert may == (not prefixes or is_read(path, prefixes)), (user, path)
            assert user["ips"] == ["10.90.0.1"]
        else:
            assert user["user"] in {"probe", "centre-centre-2"}
            assert user["ips"] == [at.get(user["user"].removeprefix("centre-"), "10.91.0.1")]
    names = [user["user"] for user in users]
    assert len(set(names)) == len(names)
    assert set(names) == {"api", "probe", "centre-centre-2", *given_to}


@VIEWER
@given(before=GIVEN, after=GIVEN, whole=st.booleans())
def test_a_readers_new_paths_are_told_and_no_old_ones(*, before: list[str], after: list[str], whole: bool) -> None:
    had = words_of_reading("viewer-x", [] if whole else before)
    other = words_of_reading("viewer-y", [])
    for words, prefix in zip(words_of_reading("viewer-x", after), after, strict=True):
        assert had_right(words, (*had, *other)) == (whole or is_read(prefix, before))
    assert had_right("viewer-x", (*had, *other)) == whole
