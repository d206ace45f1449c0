"""Laws of removals: what is asked goes, all else says the same, and its comments stay; a new key is nothing more."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.inventory.files.edit import EditError, edited, removed, renamed
from provisioner.inventory.files.yaml import parse
from tests.laws.test_edit_laws import FILE, KEYS, VALUES

FOREIGN = FILE.replace(b"\n", b"\r\n")
PLACES = st.sampled_from(
    [
        *[("version",), ("plan",), ("plan", "state"), ("plan", "sign_offs"), ("list",), ("list", 0), ("list", 1)],
        *[("list", 0, "id"), ("list", 0, "size"), ("list", 0, "size", 0), ("list", 0, "size", 1), ("list", 1, "deep")],
        *[("list", 1, "deep", "x"), ("flow",), ("flow", "a"), ("flow", "b"), ("flow", "b", 1), ("empty",), ("text",)],
    ]
)


def without(value: Any, path: tuple[Any, ...]) -> Any:
    rest = copy.deepcopy(value)
    parent = rest
    for part in path[:-1]:
        parent = parent[part]
    del parent[path[-1]]
    return rest


@given(PLACES)
def test_what_is_asked_goes_and_all_else_says_the_same(path: tuple[Any, ...]) -> None:
    after = removed(FILE, path)
    assert parse(after).value == without(parse(FILE).value, path)
    kept = {line.partition("#")[2] for line in FILE.decode().splitlines() if line.lstrip().startswith("#")}
    assert kept <= {line.partition("#")[2] for line in after.decode().splitlines()}


@given(PLACES)
def test_a_removal_keeps_the_line_breaks_of_another_system(path: tuple[Any, ...]) -> None:
    assert removed(FOREIGN, path) == removed(FILE, path).replace(b"\n", b"\r\n")


@given(PLACES)
def test_a_removal_is_made_once(path: tuple[Any, ...]) -> None:
    if not isinstance(path[-1], int):
        once = removed(FILE, path)
        assert removed(once, path) == once


@given(KEYS, VALUES)
def test_what_was_added_and_removed_leaves_the_file_as_it_was(key: str, value: Any) -> None:
    for path in (("plan", f"new_{key}"), ("list", 1, f"new_{key}"), ("flow", f"new_{key}"), (f"new_{key}",)):
        assert removed(edited(FILE, {path: value}), path) == FILE
    assert removed(edited(FILE, {("list", 2): {"id": value}}), ("list", 2)) == FILE


@given(st.lists(st.integers(0, 4), min_size=1, max_size=4))
def test_items_go_one_after_the_other_until_none_is_left(order: list[int]) -> None:
    data = b"a: 1\ncameras: # all\n  - id: x\n    streams: { sub: 1 }\n  # second\n  - id: y\n  - { id: z }\nend: 2\n"
    for number in order:
        value: Any = parse(data).value
        here = number % max(1, len(value["cameras"]))
        if len(value["cameras"]) == 1:
            with pytest.raises(EditError, match="comment"):
                removed(data, ("cameras", 0))
            return
        data = removed(data, ("cameras", here))
        del value["cameras"][here]
        assert parse(data).value == value


def test_a_comment_of_an_item_goes_with_it_and_becomes_no_other_ones() -> None:
    first, second = (
        "  - id: x\n    y: 1\n\n    # x's last word\n",
        "  # of z,\n  # two lines\n  - id: z\n      # in z\n",
    )
    head, tail = "# top\nlist:\n  # of all\n", "\n  # behind\n# end\nmore: 1\n"
    data = (head + first + second + tail).encode()
    assert removed(data, ("list", 0)).decode() == head + second + tail
    assert removed(data, ("list", 1)).decode() == head + first + tail
    assert removed(b"l:\n- a\n# of b\n- b\n # in b", ("l", 1)) == b"l:\n- a\n"


def test_a_dash_may_stand_alone() -> None:
    data = b"list:\n  -\n    id: a\n  # of b\n  - \n\n    id: b\n    y: 1\n  -\n    - c\n"
    assert removed(data, ("list", 1)) == b"list:\n  -\n    id: a\n  -\n    - c\n"
    assert removed(removed(data, ("list", 2)), ("list", 1)) == b"list:\n  -\n    id: a\n"


def test_the_last_item_leaves_an_empty_list() -> None:
    assert removed(b"cameras:\n  - id: x\n    y: 1\nend: 2\n", ("cameras", 0)) == b"cameras: []\nend: 2\n"
    assert removed(b"cameras: [{ id: x }]\n", ("cameras", 0)) == b"cameras: []\n"


def test_what_begins_an_item_gives_its_place_to_the_next() -> None:
    data = b"list:\n  - address: x # its own\n\n    id: a\n    b: 1 # of b\n  - id: c\n"
    assert removed(data, ("list", 0, "address")) == b"list:\n  - id: a\n    b: 1 # of b\n  - id: c\n"


@given(KEYS)
def test_a_new_key_says_the_same_under_another_name_in_the_same_place(key: str) -> None:
    after = renamed(FILE, ("plan",), f"new_{key}")
    assert list(parse(after).value) == [f"new_{key}" if k == "plan" else k for k in parse(FILE).value]  # type: ignore[call-overload,attr-defined]
    assert renamed(after, (f"new_{key}",), "plan") == FILE
    assert renamed(FILE, ("none",), key) == FILE


def test_what_cannot_be_done_by_lines_is_refused_and_never_guessed() -> None:
    for data, path in (
        (b"list:\n  - id: a\n    # of b\n    b: 1\n", ("list", 0, "id")),
        (b"only: 1\n", ("only",)),
        (b"- - a\n  - b\n- c\n", (0, 0)),
        (b"a: [1\n", ("a",)),
    ):
        with pytest.raises(EditError):
            removed(data, path)
    with pytest.raises(EditError, match="cannot be called"):
        renamed(b"plan: 1\nsuccessor: 2\n", ("successor",), "plan")
