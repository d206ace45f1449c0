"""What a host says is shown on a terminal and kept in records: whatever it says, it is one line of a bounded length."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.base.host_answer import Fields, UnreadableError

HOSTILE = "\x1b]0;own\x07\x9b31m\u202eup\nerror: fake\u2028\r\x00"


@given(st.text(max_size=30))
def test_a_text_is_one_printable_line(text: str) -> None:
    read = Fields({"cause": text}).text("cause")
    assert read.isprintable()
    assert len(read) == len(text)
    assert read == text or not text.isprintable()


@pytest.mark.parametrize("cause", [HOSTILE, [HOSTILE], {"a": {"b": [HOSTILE]}}])
def test_no_control_character_of_a_host_comes_through(cause: object) -> None:
    read = Fields({"answer": {"cause": cause}}).plain("answer")
    shown = json.dumps(read, ensure_ascii=False)
    assert "?]0;own??31m?up error: fake  ?" in shown
    assert "\\" not in shown


@pytest.mark.parametrize("document", [{HOSTILE: 1}, {"a": {HOSTILE: {}}}])
def test_a_name_of_control_characters_is_none(document: dict[str, object]) -> None:
    with pytest.raises(UnreadableError, match=r"a name in settings(\.a)? is no name"):
        Fields({"settings": document}).plain("settings")


@pytest.mark.parametrize("value", ["x" * 20_001, float("nan"), float("inf"), 2**63, {"a": [-(10**400)]}])
def test_what_no_program_of_ours_writes_is_unreadable(value: object) -> None:
    with pytest.raises(UnreadableError):
        Fields({"settings": {"a": value}}).plain("settings")
