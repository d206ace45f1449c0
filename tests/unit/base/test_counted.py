"""Numbers with their nouns, and that no sentence of ours makes a plural by itself."""

import ast
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.base.text import counted, percent, were

PACKAGE = Path(__file__).parents[3] / "provisioner"
# Words that end like a plural behind a number and are none, or are verbs behind something that is no number.
_NOT_COUNTED = re.compile(
    r"(is|was|has|its|this|as|does|less|us|address|class|across|always|perhaps|unless|[a-z]+ss|seconds?|bytes|minutes)\b"
)
_PLURALS = {
    "facility": "facilities",
    "entry": "entries",
    "key": "keys",
    "relay": "relays",
    "address": "addresses",
    "other address": "other addresses",
    "match": "matches",
    "box": "boxes",
    "Git note": "Git notes",
    "path": "paths",
}


@pytest.mark.parametrize("noun", _PLURALS)
def test_a_noun_has_its_plural(noun: str) -> None:
    assert counted(1, noun) == f"1 {noun}"
    assert counted(0, noun) == f"0 {_PLURALS[noun]}"
    assert counted(10, noun) == f"10 {_PLURALS[noun]}"


@given(st.integers(-5, 5), st.sampled_from(sorted(_PLURALS)))
def test_only_one_is_not_a_plural(number: int, noun: str) -> None:
    assert (counted(number, noun) == f"{number} {noun}") == (number == 1) == (were(number) == "was")


def _trees() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def _nouns() -> Iterator[str]:
    for _, tree in _trees():
        for node in ast.walk(tree):
            match node:
                case ast.Call(func=ast.Name(id="counted"), args=[_, ast.Constant(value=str(noun))]):
                    yield noun


def test_every_noun_that_is_counted_is_one() -> None:
    """The last word is singular, and its plural is a plain one: no noun like `child` is counted unlooked at."""
    nouns = set(_nouns())
    assert len(nouns) > 20
    irregular = {"child", "person", "index", "proxy", "leaf", "half", "datum", "criterion", "man", "foot"}
    for noun in nouns:
        last = noun.split()[-1]
        assert last not in irregular, noun
        assert not last.endswith("s") or last.endswith("ss"), noun
        assert counted(2, noun).isprintable()


def _is_number(value: ast.expr) -> bool:
    """A number that may be one: a length, a sum, or what is named like a count; a bound of ours is none."""
    text = ast.unparse(value)
    if re.fullmatch(r"(self\.)?_?[A-Z_]+( [-+*/]+ .*)?|max_bytes|.*\b_?[A-Z_]{4,}\b.*", text):
        return text.startswith("len(")
    return bool(
        re.match(r"(len|sum)\(", text) or re.search(r"(count|number|total|left|runs|pulled|sessions|size)\b", text)
    )


def _naive() -> Iterator[str]:
    for path, tree in _trees():
        for node in ast.walk(tree):
            if not isinstance(node, ast.JoinedStr):
                continue
            for value, text in pairwise(node.values):
                if not isinstance(value, ast.FormattedValue) or not isinstance(text, ast.Constant):
                    continue
                word = re.match(r" (?:(?:more|other|new|foreign|pulled|pending) )?([a-z]+s)\b", str(text.value))
                if word and not _NOT_COUNTED.match(word[1]) and _is_number(value.value):
                    yield f"{path.relative_to(PACKAGE)}:{node.lineno}: {ast.unparse(value.value)}{text.value!r}"


def test_no_sentence_counts_without_counted() -> None:
    """`{len(x)} things` says "1 things"; what cannot be one is named here, with its reason."""
    several = {
        "inventory/files/revision.py": "more than the most that are taken",
        "cli/monitoring.py": "a series and series are one word",
        "base/http.py": "said where it was more than one",
        "integrations/notify/delivery.py": "some of several: where one is refused the receiver fails",
        "report/documents/official.py": "more than the most that are taken",
    }
    assert [place for place in _naive() if place.partition(":")[0] not in several] == []


def test_no_sentence_adds_an_s() -> None:
    adds = re.compile(r"""['"]e?s['"] if |else ['"]e?s['"]|['"]ies['"]""")
    mine = PACKAGE / "base" / "text.py"
    for path in PACKAGE.rglob("*.py"):
        assert path == mine or not adds.search(path.read_text(encoding="utf-8")), path


@pytest.mark.parametrize(
    ("share", "level", "shown"),
    [
        (0.994996, 99.5, "99.49 %"),
        (0.995, 99.5, "99.50 %"),
        (0.994996, None, "99.50 %"),
        (0.999999, None, "99.99 %"),
        (1.0, 100.0, "100.00 %"),
        (None, 99.5, "-"),
    ],
)
def test_a_share_is_not_rounded_up_to_what_it_misses(share: float | None, level: float | None, shown: str) -> None:
    assert percent(share, level) == shown
