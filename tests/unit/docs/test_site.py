"""The built site: every link leads somewhere, no file comes from a network, equal pages make equal bytes."""

import json
import re
import urllib.parse
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple

import pytest
from markdown_it import MarkdownIt

from scripts.packaging.html_pages import FOLDERS, HOME, PROJECT, SiteError, build_html, pages_of
from tests.unit.docs import test_pages
from tests.unit.docs.pages import ROOT

LOADING = ("href", "src", "srcset", "action", "data")
FILES = {"search.js", "search/search_index.js", "style.css"}


class Page(NamedTuple):
    """What of a built page leads elsewhere, what it loads, and where one can be led to."""

    links: list[str]
    loaded: list[str]
    anchors: set[str]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page([], [], set())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "a":
            self.page.links.append(given["href"])
        else:
            self.page.loaded.extend(given[name] for name in LOADING if name in given)
        if "id" in given:
            self.page.anchors.add(given["id"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_html(ROOT, tmp_path_factory.mktemp("docs") / "site").parent


@pytest.fixture(scope="module")
def built(site: Path) -> dict[str, Page]:
    return {str(path.relative_to(site)): _read(path) for path in site.rglob("*.html")}


def _read(path: Path) -> Page:
    reader = _Reader()
    reader.feed(path.read_text(encoding="utf-8"))
    return reader.page


def test_the_folders_are_those_of_the_documentation() -> None:
    assert [folder.removeprefix("docs/") for folder in FOLDERS.values()] == list(test_pages.FOLDERS)


def test_every_page_is_built_and_nothing_else(site: Path) -> None:
    pages = {page.replace("README.md", "index.md").replace(".md", ".html") for page in pages_of(ROOT)}
    assert {str(path.relative_to(site)) for path in site.rglob("*") if path.is_file()} == pages | FILES


def test_every_link_and_anchor_leads_somewhere(site: Path, built: dict[str, Page]) -> None:
    links = [(name, link) for name, page in built.items() for link in page.links]
    assert [(name, link) for name, link in links if not _leads(site, built, name, link)] == []


def _leads(site: Path, built: dict[str, Page], name: str, link: str) -> bool:
    if urllib.parse.urlsplit(link).scheme:
        return link.startswith("https://")
    path, _, anchor = urllib.parse.unquote(link).partition("#")
    target = str(((site / name).parent / path).resolve().relative_to(site.resolve())) if path else name
    return target in built and (not anchor or anchor in built[target].anchors)


def test_every_page_can_be_reached_from_each_other_one(built: dict[str, Page]) -> None:
    for name, page in built.items():
        reached = {urllib.parse.urljoin(name, link.partition("#")[0]) for link in page.links if link[:1] != "#"}
        assert set(built) - {name} <= reached, name


def test_nothing_is_loaded_from_elsewhere(site: Path, built: dict[str, Page]) -> None:
    for name, page in built.items():
        for loaded in page.loaded:
            assert loaded == "data:," or ((site / name).parent / loaded).is_file(), f"{name}: {loaded}"
    for file in ("search.js", "style.css"):
        assert not re.search(r"https?:|//\w|@import|url\(", (site / file).read_text(encoding="utf-8")), file


def test_every_section_can_be_searched(site: Path, built: dict[str, Page]) -> None:
    script = (site / "search/search_index.js").read_text(encoding="utf-8")
    entries = json.loads(script.removeprefix("const searchIndex = ").removesuffix(";\n"))
    places = [entry["location"].partition("#") for entry in entries]
    assert {page for page, _, _ in places} == set(built)
    assert all(not anchor or anchor in built[page].anchors for page, _, anchor in places)
    assert any("recovery key" in entry["text"] for entry in entries)


def test_the_same_pages_make_the_same_bytes(site: Path, tmp_path: Path) -> None:
    again = build_html(ROOT, tmp_path / "again").parent
    assert _contents(again) == _contents(site)


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "line",
    [
        *("[away](nowhere.md)", "[away](index.md#no-such-heading)", "[away](#no-such-heading)"),
        *("[away](/docs/start/index.md)", "[away](../../LICENSE)"),
    ],
)
def test_a_link_that_leads_nowhere_stops_the_build(line: str, tmp_path: Path) -> None:
    source = _small(tmp_path)
    assert build_html(source, tmp_path / "site").is_file()
    (source / "docs/start/page.md").write_text(f"# A page\n\n{line}\n", encoding="utf-8")
    with pytest.raises(SiteError):
        build_html(source, tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_page_that_no_index_names_stops_the_build(tmp_path: Path) -> None:
    source = _small(tmp_path)
    (source / "docs/start/lost.md").write_text("# Lost\n", encoding="utf-8")
    with pytest.raises(SiteError):
        build_html(source, tmp_path / "site")


def _small(folder: Path) -> Path:
    source = folder / "source"
    for page in (HOME, *PROJECT, *(f"{one}/{name}.md" for one in FOLDERS.values() for name in ("index", "page"))):
        (source / page).parent.mkdir(parents=True, exist_ok=True)
        (source / page).write_text("# Title\n\n- [A page](page.md): text\n" if "index" in page else "# Title\n")
    return source


def test_lists_tables_and_blocks_are_those_that_forges_make(site: Path) -> None:
    commonmark = MarkdownIt("commonmark").enable("table")
    for page in pages_of(ROOT):
        html = (site / page.replace("README.md", "index.md").replace(".md", ".html")).read_text(encoding="utf-8")
        main = html[html.index('<main id="content">') : html.index("<footer>")]
        assert _tags(main) == _tags(commonmark.render((ROOT / page).read_text(encoding="utf-8"))), page


def _tags(html: str) -> Counter[str]:
    return Counter(re.findall(r"<(li|ul|ol|table|tr|pre|code|h[1-6]|em|strong|a)[ >]", html))
