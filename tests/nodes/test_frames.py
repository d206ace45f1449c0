"""Messages in parts: whatever order they come in and however often, the message is there once and whole."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.nodes import envelope
from provisioner.nodes.envelope import MOST_PARTS, Joiner, cut
from tests.hostile import NODE


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(envelope, "PART_BYTES", 7)


@given(st.lists(st.binary(max_size=80), min_size=1, max_size=4), st.data())
@settings(max_examples=100)
def test_messages_come_whole_and_once(messages: list[bytes], data: st.DataObject) -> None:
    parts = [part for message in messages for part in cut(message)]
    doubled = parts + data.draw(st.lists(st.sampled_from(parts), max_size=10))
    joiner = Joiner()
    come = [whole for part in data.draw(st.permutations(doubled)) if (whole := joiner.add(part)) is not None]
    assert sorted(come) == sorted(messages)


@NODE
@given(st.lists(st.binary(max_size=60), max_size=20))
def test_what_is_no_part_is_passed_over(made_up: list[bytes]) -> None:
    joiner = Joiner()
    (first, *rest) = cut(b"a message in some parts")
    joiner.add(first)
    for one in made_up:
        joiner.add(one)
    assert [whole for part in rest if (whole := joiner.add(part)) is not None] == [b"a message in some parts"]


@NODE
def test_messages_that_never_become_whole_are_forgotten_and_hold_no_room() -> None:
    joiner = Joiner()
    for _ in range(1000):
        joiner.add(next(cut(b"x" * 70)))
    assert len(joiner._open) <= 16  # noqa: SLF001 (what is held is what this is about)
    assert [joiner.add(part) for part in cut(b"good")] == [b"good"]


def test_what_is_too_long_is_not_begun() -> None:
    with pytest.raises(ValueError, match="too long"):
        list(cut(b"x" * (7 * MOST_PARTS + 1)))
    assert len(list(cut(b"x" * (7 * MOST_PARTS)))) == MOST_PARTS
