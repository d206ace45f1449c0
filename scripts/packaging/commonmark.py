"""CommonMark for MkDocs: pages are read as forges read them.

MkDocs' own parser wants the items of nested lists indented by four columns, and takes no fence within a list.
"""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree.ElementTree import ElementTree

from defusedxml.ElementTree import fromstring
from markdown import Extension, Markdown
from markdown.blockparser import BlockParser
from markdown_it import MarkdownIt


class CommonMark(Extension):
    """Replaces the parser and what belongs to it."""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802 (named by the library)
        """Take the library's own reading out, and put ours in."""
        for name in ("html_block", "fenced_code_block"):
            md.preprocessors.deregister(name)
        md.treeprocessors.deregister("inline")
        md.parser = _Parser(md)


class _Parser(BlockParser):
    def __init__(self, md: Markdown) -> None:
        super().__init__(md)
        self._commonmark = MarkdownIt("commonmark", {"html": False, "xhtmlOut": True}).enable("table")

    def parseDocument(self, lines: Iterable[str]) -> ElementTree:  # noqa: N802 (named by the library)
        """Return a page's tree."""
        html = self._commonmark.render("\n".join(lines))
        return ElementTree(fromstring(f"<div>{html}</div>"))


def makeExtension(**_settings: object) -> CommonMark:  # noqa: N802 (named by the library)
    """Return the extension."""
    return CommonMark()
