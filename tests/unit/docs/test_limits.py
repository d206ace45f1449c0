"""The README's limits name each thing that a page plans and no code does."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.unit.docs.pages import all_pages, text_of

# How a page says it, and how the README's limits do. A new sentence of this kind needs a row here, and one there.
PLANNED: dict[str, str] = {}
_SAYS_SO = re.compile(r"\b(?:is|are) planned\b|\bPlanned\b|\bplanned and not built\b|\bnot built\b|\bnot built yet\b")
# What a page says about saying so.
_ABOUT = ("What is planned and not built is marked so",)


def _limits() -> str:
    text = text_of("README.md")
    return re.sub(r"\s+", " ", text[text.index("## Limits") : text.index("## Where to read on")])


def _sentences() -> Iterator[tuple[str, str]]:
    for page in all_pages():
        if page in {"README.md", "CHANGELOG.md"}:
            continue
        text = re.sub(r"\s+", " ", text_of(page))
        for sentence in re.split(r"(?<=[.;:])\s+(?=[A-Z`])", text):
            yield page, sentence


def _planned() -> list[tuple[str, str]]:
    """Each sentence that says that something is not built, with the one behind it: a list may follow its colon."""
    listed = list(_sentences())
    behind = [*(sentence for _, sentence in listed[1:]), ""]
    marked = [(page, f"{one} {two}") for (page, one), two in zip(listed, behind, strict=True) if _SAYS_SO.search(one)]
    return [(page, text) for page, text in marked if not text.startswith(_ABOUT)]


def test_every_plan_of_a_page_is_a_limit_of_the_readme() -> None:
    assert list(_sentences())
    sentences = _planned()
    assert bool(sentences) == bool(PLANNED)
    for page, sentence in sentences:
        named = [words for said, words in PLANNED.items() if said in sentence]
        assert named, f"{page}: no limit of the README is about: {sentence}"
        assert [words for words in named if words not in _limits()] == []


@pytest.mark.parametrize("said", PLANNED)
def test_every_row_is_said_somewhere_and_is_a_limit(said: str) -> None:
    assert PLANNED[said] in _limits()
    assert any(said in sentence for _, sentence in _planned())
