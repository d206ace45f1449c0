"""The documentation as a site: HTML pages with navigation and search, complete without a network.

MkDocs builds them with a theme of our own, from the Markdown pages of a checkout. The pages open from the disk, and
the same checkout makes the same bytes.
"""

from __future__ import annotations

import argparse
import json
import logging
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from mkdocs.commands.build import build
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import MkDocsException

ROOT: Final = Path(__file__).parents[2]
THEME: Final = Path(__file__).parent / "html_theme"
HOME: Final = "README.md"
#: The sections of the site, in the order in which one needs them.
FOLDERS: Final = {
    "Start": "docs/start",
    "Daily work": "docs/daily",
    "Reference": "docs/reference",
    "Operate": "docs/operate",
    "Internals": "docs/internals",
}
PROJECT: Final = ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
_WARN: Final = {"not_found": "warn", "absolute_links": "warn"}
_VALIDATION: Final = {
    "nav": {**_WARN, "omitted_files": "warn"},
    "links": {**_WARN, "anchors": "warn", "unrecognized_links": "warn"},
}


class SiteError(Exception):
    """The site cannot be built: a link or an anchor leads nowhere, or a page stands in no index."""


def build_html(source: Path, target: Path) -> Path:
    """Build the site of a checkout.

    Args:
        source: the checkout.
        target: the folder that gets the site; its former content goes.

    Returns:
        The page to begin with.

    Raises:
        SiteError: the pages have a fault; standard error has all of them.
    """
    with tempfile.TemporaryDirectory() as scratch:
        pages = Path(scratch) / "pages"
        for page in pages_of(source):
            (pages / page).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / page, pages / page)
        _build(pages, Path(scratch) / "site")
        if target.exists():
            shutil.rmtree(target)
        shutil.move(Path(scratch) / "site", target)
    return target / "index.html"


def pages_of(source: Path) -> Iterator[str]:
    """Yield the pages of a checkout that are in the site."""
    yield from (HOME, *PROJECT)
    for folder in FOLDERS.values():
        yield from (f"{folder}/{path.name}" for path in sorted((source / folder).glob("*.md")))


def _build(pages: Path, site: Path) -> None:
    nav: list[object] = [{"Overview": HOME}]
    nav += [{title: list(_in_order(pages, folder))} for title, folder in FOLDERS.items()]
    nav.append({"Project": list(PROJECT)})
    settings: dict[str, Any] = {
        "site_name": "provisioner",
        "docs_dir": str(pages),
        "site_dir": str(site),
        "nav": nav,
        "theme": {"name": None, "custom_dir": str(THEME), "search_index_only": True},
        "plugins": ["search"],
        "markdown_extensions": ["scripts.packaging.commonmark", {"toc": {"slugify": anchor}}],
        "use_directory_urls": False,
        "validation": _VALIDATION,
        "strict": True,
    }
    config = MkDocsConfig()
    config.load_dict(settings)
    faults = [f"{name}: {fault}" for found in config.validate() for name, fault in found]
    if faults:
        raise SiteError("; ".join(faults))
    try:
        config.theme.static_templates.clear()  # a site map would need an address
        build(config)
    except MkDocsException as error:
        raise SiteError(str(error)) from error
    (site / "sitemap.xml").unlink()
    _write_index(site / "search")


def _write_index(folder: Path) -> None:
    """Make a script of the search index, as a page on a disk may load no other file; of whole pages keep the titles."""
    written = folder / "search_index.json"
    entries = json.loads(written.read_text(encoding="utf-8"))["docs"]
    kept = [entry if "#" in entry["location"] else entry | {"text": ""} for entry in entries]
    script = f"const searchIndex = {json.dumps(kept, ensure_ascii=False, separators=(',', ':'))};\n"
    (folder / "search_index.js").write_text(script, encoding="utf-8")
    written.unlink()


def _in_order(pages: Path, folder: str) -> Iterator[dict[str, str]]:
    """Yield the pages of a folder, in the order of its index and with the titles that it gives them."""
    yield {"Overview": f"{folder}/index.md"}
    index = (pages / folder / "index.md").read_text(encoding="utf-8")
    for title, name in re.findall(r"^- \[([^]]+)\]\(([\w-]+\.md)\)", index, re.MULTILINE):
        yield {title: f"{folder}/{name}"}


def anchor(title: str, _separator: str = "-") -> str:
    """Return the anchor of a heading, as forges make it."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def main() -> None:
    """Build the site of this checkout: `scripts/docs`."""
    parser = argparse.ArgumentParser(prog="scripts/docs", description="Build the documentation as HTML pages.")
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "out/docs", help="where to; else out/docs")
    folder: Path = parser.parse_args().folder
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    try:
        page = build_html(ROOT, folder)
    except SiteError as error:
        sys.exit(f"docs: {error}")
    print(f"docs: {page}")


if __name__ == "__main__":
    main()
