"""Laws of the smallest edit: it says what was asked, leaves the rest of the text, and never guesses."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.inventory.files.edit import EditError, Flow, edited
from provisioner.inventory.files.yaml import parse

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=12)
SCALARS = st.one_of(TEXTS, st.integers(-(10**6), 10**6), st.booleans(), st.none())
KEYS = st.text("abcdefgh_", min_size=1, max_size=6)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3), st.dictionaries(KEYS, inner).map(Flow)
    ),
    max_leaves=8,
)
FILE = b"""\
# What comes first.
version: 1 # one
plan: # the plan
  state: proposed
  sign_offs: []

  # before the list
list:
  - { id: a, size: [1, 2] } # the first
  - id: b
    deep:
      x: 1
  # a last word
flow: { a: 1, b: [x, y] }
empty:
text: |
  two
  lines
"""
PLACES = st.sampled_from(
    [
        *[("version",), ("plan",), ("plan", "state"), ("plan", "new"), ("plan", "sign_offs"), ("plan", "sign_offs", 0)],
        *[("list",), ("list", 0), ("list", 0, "id"), ("list", 0, "size", 2), ("list", 1, "deep", "x"), ("list", 2)],
        *[("list", 1, "deep", "y"), ("flow", "a"), ("flow", "c"), ("flow", "b", 0), ("flow", "b", 2), ("flow",)],
        *[("empty",), ("text",), ("new",), ("list", 1, "other")],
    ]
)


def value_at(value: Any, path: tuple[Any, ...]) -> Any:
    for part in path:
        value = value[part]
    return value


@given(PLACES, VALUES)
def test_the_file_says_what_was_asked_and_nothing_else_changed(path: tuple[Any, ...], value: Any) -> None:
    after = edited(FILE, {path: value})
    document = parse(after)
    assert document.faults == ()
    plain = value_at(parse(edited(b"k:\n", {("k",): value})).value, ("k",))
    assert value_at(document.value, path) == plain
    before: Any = parse(FILE).value
    for key in before:
        if key != path[0]:
            assert value_at(document.value, (key,)) == before[key]


@given(PLACES, SCALARS)
def test_comments_outside_the_edited_value_stay(path: tuple[Any, ...], value: Any) -> None:
    after = edited(FILE, {path: value}).decode()
    inside = {"the first": ("list",), "a last word": ("list",), "before the list": ("list",), "the plan": ("plan",)}
    for comment in ("What comes first.", "one", *inside):
        if path not in {inside.get(comment), ("list", 0)}:
            assert f"# {comment}" in after


@given(PLACES, VALUES)
def test_line_breaks_of_another_system_stay_and_new_lines_have_them(path: tuple[Any, ...], value: Any) -> None:
    after = edited(FILE, {path: value})
    assert edited(FILE.replace(b"\n", b"\r\n"), {path: value}) == after.replace(b"\n", b"\r\n")
    marked = b"\xef\xbb\xbf" + after
    assert edited(marked, {path: value}) == marked


@given(PLACES, VALUES)
def test_an_edit_made_twice_is_the_edit_made_once(path: tuple[Any, ...], value: Any) -> None:
    if path[-1] in {0, 2} and path not in {("list", 0), ("flow", "b", 0)}:
        return  # one more item is one more item
    once = edited(FILE, {path: value})
    assert edited(once, {path: value}) == once


FURTHER = st.sampled_from([("newer",), ("list", 3), ("list", 0, "size", 3), ("list", 2, "id"), ("flow", "d"), ("x", 0)])


@given(st.lists(st.tuples(PLACES | FURTHER, VALUES), max_size=8))
def test_many_changes_at_once_are_those_changes_one_after_the_other(changes: list[tuple[Any, Any]]) -> None:
    asked = dict(changes)
    one_by_one, at_once, refused = FILE, b"", ["", ""]
    try:
        for path, value in asked.items():
            one_by_one = edited(one_by_one, {path: value})
    except EditError as error:
        one_by_one, refused[0] = b"", str(error)
    try:
        at_once = edited(FILE, asked)
    except EditError as error:
        refused[1] = str(error)
    assert at_once == one_by_one
    assert refused[0] == refused[1]


@given(VALUES)
def test_a_place_that_does_not_exist_is_refused(value: Any) -> None:
    for path in (("nowhere", "deep"), ("list", 7), ("plan", "state", "x"), ("version", 0)):
        with pytest.raises(EditError):
            edited(FILE, {path: value})


def test_a_line_is_added_where_it_belongs_and_in_the_files_own_style() -> None:
    signed = Flow(by="dic", signed_on="2021-05-08", source="12/BB")
    after = edited(FILE, {("plan", "sign_offs"): [signed], ("list", 2): Flow(id="c"), ("flow", "c"): "no"}).decode()
    assert '  sign_offs:\n    - { by: dic, signed_on: 2021-05-08, source: "12/BB" }\n\n  # before the list\n' in after
    assert "      x: 1\n  - { id: c }\n  # a last word\n" in after
    assert 'flow: { a: 1, b: [x, y], c: "no" }\n' in after
