"""JSON in parts: the same text, however long its list is, and never the whole of it at a time."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.base.text import LongList, canonical_parts, canonical_text, indented_parts
from provisioner.record.entries import digest
from provisioner.record.verdict_rows import packed_document

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.text(), parts, max_size=3),
    max_leaves=8,
)
ITEMS = st.lists(st.dictionaries(st.text(), VALUES, max_size=3), max_size=4)
FEW = st.dictionaries(st.text(), VALUES, max_size=4)


@given(FEW, st.text(), ITEMS)
def test_a_text_in_parts_is_the_whole_text(plain: dict[str, Any], name: str, items: list[dict[str, Any]]) -> None:
    whole = {**plain, name: items}
    parted = {**plain, name: LongList(lambda: items)}
    assert "".join(indented_parts(parted)) == json.dumps(whole, ensure_ascii=False, indent=2)
    assert "".join(canonical_parts(parted)) == canonical_text(whole)


@given(FEW)
def test_a_document_without_a_long_list_has_the_same_text(plain: dict[str, Any]) -> None:
    assert "".join(indented_parts(plain)) == json.dumps(plain, ensure_ascii=False, indent=2)
    assert "".join(canonical_parts(plain)) == canonical_text(plain)


def test_items_are_made_while_the_text_is_written_some_hundreds_at_a_time() -> None:
    made = 0

    def items() -> Iterator[dict[str, Any]]:
        nonlocal made
        for number in range(5_000):
            made += 1
            yield {"number": number}

    document = {"paths": LongList(items), "version": 1}
    ahead = 0
    for number, _ in enumerate(canonical_parts(document)):
        ahead = max(ahead, made - 500 * number)
    assert made == 5_000
    assert ahead <= 500


@pytest.mark.parametrize("number", [0, 1, 499, 500, 501, 1_000, 1_001])
def test_a_packed_document_is_found_by_the_hash_of_the_whole(number: int) -> None:
    items = [{"path": f"bac-giang/kcl-{n}", "verdict": "up"} for n in range(number)]
    packed = packed_document({"schema": "x", "paths": LongList(lambda: items), "a": [1]})
    assert packed.digest == digest(canonical_text({"schema": "x", "paths": items, "a": [1]}))


def test_no_other_encoder_takes_a_long_list_for_an_empty_one() -> None:
    with pytest.raises(TypeError):
        json.dumps({"paths": LongList(list)})
