"""Every page keeps to the width, its links and anchors lead somewhere, and the paths that it names are there."""

import importlib
import posixpath
import re
import urllib.parse
from collections.abc import Iterator
from functools import cache
from itertools import pairwise, product

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.unit.docs.pages import ROOT, all_pages, fences, text_of

WIDTH = 120
PAGES = all_pages()
#: The folders of the documentation, in the order in which one needs them.
FOLDERS = ("start", "daily", "reference", "operate", "internals")
LANGUAGES = {"", "console", "json", "mermaid", "python", "rego", "toml", "yaml"}
# Names that begin like a path of the repository and are something else; each with what it is.
NO_PATHS = {
    "out/docs": "written by scripts/docs",
    "inventories/lab/secrets": "made in each lab's own copy",
    "out/demo/verify.html": "written by the demo",
    "out/monitoring": "written by whoever follows the page; the demo makes the folder above it",
}
_MARKDOWN = MarkdownIt("commonmark").enable("table")
_TOP = re.compile(r"\.?[A-Za-z][\w.-]*")


@pytest.mark.parametrize("page", PAGES)
def test_no_line_is_longer_than_the_width(page: str) -> None:
    """What a program prints in a console block is as it is; its commands are not."""
    printed = {number for number, line in _console_lines(page) if not line.startswith("$ ")}
    lines = enumerate(text_of(page).splitlines(), 1)
    assert [f"{page}:{n}" for n, line in lines if len(line) > WIDTH and n not in printed] == []


def _console_lines(page: str) -> Iterator[tuple[int, str]]:
    for fence in fences(text_of(page)):
        if fence.language == "console":
            yield from enumerate(fence.lines, fence.first)


@pytest.mark.parametrize("page", PAGES)
def test_every_block_has_a_language_that_tests_know(page: str) -> None:
    assert {fence.language for fence in fences(text_of(page))} <= LANGUAGES


@pytest.mark.parametrize("page", PAGES)
def test_no_picture_has_a_sign_that_ends_its_statement(page: str) -> None:
    pictures = [fence for fence in fences(text_of(page)) if fence.language == "mermaid"]
    assert [line for fence in pictures for line in fence.lines if ";" in line or "#" in line] == []


def test_the_readme_is_short_and_leads_to_the_folders() -> None:
    assert len(text_of("README.md").splitlines()) <= 200
    indexes = {f"docs/{folder}/index.md" for folder in FOLDERS}
    assert indexes | {"CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"} <= _targets("README.md")


def test_every_page_of_the_documentation_is_in_a_folder() -> None:
    assert {page for page in PAGES if page.startswith("docs/")} == {
        page for folder in FOLDERS for page in _pages_of(folder)
    }


@pytest.mark.parametrize("folder", FOLDERS)
def test_an_index_has_a_line_for_each_page_of_its_folder(folder: str) -> None:
    lines = re.findall(r"^- \[[^]]+\]\(([\w-]+\.md)\): .+$", text_of(f"docs/{folder}/index.md"), re.MULTILINE)
    assert sorted([*lines, "index.md"]) == sorted(page.rpartition("/")[2] for page in _pages_of(folder))


def _pages_of(folder: str) -> list[str]:
    return [page for page in PAGES if page.startswith(f"docs/{folder}/")]


# --- links ----------------------------------------------------------------------------------------
def _tokens(page: str) -> Iterator[Token]:
    for token in _MARKDOWN.parse(text_of(page)):
        yield token
        yield from token.children or ()


def _links(page: str) -> list[str]:
    tokens = list(_tokens(page))
    targets = [str(token.attrs["href"]) for token in tokens if token.type == "link_open"]
    return targets + [str(token.attrs["src"]) for token in tokens if token.type == "image"]


def _targets(page: str) -> set[str]:
    """Return the pages of the repository that a page links to."""
    return {posixpath.normpath(posixpath.join(posixpath.dirname(page), one.partition("#")[0])) for one in _links(page)}


@cache
def _anchors(page: str) -> frozenset[str]:
    """The anchors of a page's headings, as forges make them."""
    tokens = list(_MARKDOWN.parse(text_of(page)))
    titles = [text.content for opening, text in pairwise(tokens) if opening.type == "heading_open"]
    return frozenset(re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles)


@pytest.mark.parametrize("page", PAGES)
def test_every_relative_link_leads_somewhere(page: str) -> None:
    for link in _links(page):
        if urllib.parse.urlsplit(link).scheme:
            continue
        path, _, anchor = urllib.parse.unquote(link).partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), f"{page}: {link}"
        if anchor:
            assert anchor in _anchors(str(target.resolve().relative_to(ROOT))), f"{page}: {link}"


# --- names in backticks -----------------------------------------------------------------------------
def _words(page: str) -> Iterator[str]:
    """The words of a page's code spans."""
    for token in _tokens(page):
        if token.type == "code_inline":
            yield from token.content.split()


def _spellings(word: str) -> Iterator[str]:
    """A word with its braces written out and its placeholders as patterns: `a/{b,c}/<d>` is `a/b/*` and `a/c/*`."""
    parts = [part.split(",") for part in re.split(r"[{}]", word)] if re.search(r"\{.+,.+\}", word) else [[word]]
    for chosen in product(*parts):
        yield re.sub(r"<[^>]+>", "*", "".join(chosen)).rstrip(".,;:")


def _is_a_path(word: str) -> bool:
    first, slash, _ = word.partition("/")
    return bool(slash and _TOP.fullmatch(first) and (ROOT / first).is_dir())


@pytest.mark.parametrize("page", PAGES)
def test_every_path_in_backticks_is_there(page: str) -> None:
    paths = [path for word in _words(page) for path in _spellings(word) if _is_a_path(path) and path not in NO_PATHS]
    assert [path for path in paths if not any(ROOT.glob(path.rstrip("/")))] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_name_of_the_package_in_backticks_is_there(page: str) -> None:
    names = [word for word in _words(page) if re.fullmatch(r"(?:provisioner|tests)(?:\.\w+)+", word)]
    assert [name for name in names if not _is_importable(name)] == []


def _is_importable(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        module, _, attribute = name.rpartition(".")
        return hasattr(importlib.import_module(module), attribute)
    return True


def test_the_paths_that_are_looked_for_are_many() -> None:
    """A pattern that matches nothing would find nothing wrong."""
    paths = {word for page in PAGES for word in _words(page) if _is_a_path(word)}
    assert len(paths) > 40
    assert {"scripts/demo", "docs/internals/design.md", "inventories/example"} & paths
