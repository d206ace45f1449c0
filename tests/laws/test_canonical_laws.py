"""The form that digests are taken over: one value, one text."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from provisioner.base.text import canonical_json

_TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | _TEXTS,
    lambda below: st.lists(below) | st.dictionaries(_TEXTS, below),
    max_leaves=20,
)


def _turned(value: Any) -> Any:
    """The same value with the keys of every mapping the other way round."""
    if isinstance(value, dict):
        return {key: _turned(below) for key, below in reversed(value.items())}
    return [_turned(below) for below in value] if isinstance(value, list) else value


@given(_VALUES)
def test_the_order_of_keys_does_not_count(value: Any) -> None:
    assert canonical_json(value) == canonical_json(_turned(value))


@given(_VALUES)
def test_nothing_is_lost_and_nothing_added(value: Any) -> None:
    text = canonical_json(value)

    assert json.loads(text) == value
    assert text == json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


@given(st.integers(min_value=2**63), _TEXTS)
def test_a_number_beyond_64_bits_is_a_number_like_others(number: int, key: str) -> None:
    assert json.loads(canonical_json({key: [number, -number]})) == {key: [number, -number]}
