"""The pages where people look: served by the real command, and read as a person reads them."""

from __future__ import annotations

import re
import subprocess
import sys
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import takewhile
from pathlib import Path
from typing import Final
from urllib.parse import urljoin, urlsplit

from tests.alarms import wait_for
from tests.lab.deployment import Deployment
from tests.lab.patience import stretched
from tests.processes import end, started

from .errors import DemoError

_SERVING: Final = re.compile(r"serving .+ at (http://\S+/) ")
_ROW: Final = re.compile(r"[a-z]+ (cam-\d+)\b")
_BLOCKS: Final = frozenset({"h1", "h2", "p", "li", "dt", "div", "section", "tr", "dl"})
_VOID: Final = frozenset({"br", "input", "link", "meta", "img", "hr"})
# What stands in forms is asked, not said.
_SKIPPED: Final = frozenset({"form", "script", "style"})


@dataclass(frozen=True)
class ReadPage:
    """A page: where it is, the lines that a person reads in it, and where its links lead."""

    address: str
    lines: tuple[str, ...]
    links: tuple[str, ...]

    def link(self, ending: str) -> str:
        """The link whose address ends so.

        Raises:
            DemoError: there is none.
        """
        found = [link for link in self.links if urlsplit(link).path.endswith(ending)]
        if not found:
            raise DemoError(f"{self.address} leads to no page {ending}")
        return found[0]


def of_camera(lines: Sequence[str], camera: str) -> list[str]:
    """What a facility's page says on top, and of one of its cameras."""
    top = [*takewhile(lambda text: not _ROW.match(text), lines)]
    found, is_its = [], False
    for text in lines[len(top) :]:
        row = _ROW.match(text)
        is_its = row[1] == camera if row else is_its
        if is_its:
            found.append(text)
    return [*top, *found]


class PageParser(HTMLParser):
    """Lines and links of a page; lines are those of its main part, as they are read aloud."""

    def __init__(self, html: str) -> None:
        """Read it."""
        super().__init__()
        self.lines: list[str] = []
        self.links: list[str] = []
        self._words: list[str] = []
        self._is_main = False
        # Within something that is not read: how many elements deep.
        self._depth = 0
        self.feed(html)
        self._break()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a line, keep a link, or skip what is not read."""
        named = dict(attrs)
        self._is_main |= tag == "main"
        if tag == "a" and (place := named.get("href")):
            self.links.append(place)
        if tag in _BLOCKS:
            self._break()
        if tag in _VOID:
            return
        if self._depth:
            self._depth += 1
        elif tag in _SKIPPED or named.get("aria-hidden") == "true":
            self._depth = 1
        elif named.get("role") == "img":
            self.handle_data(f" {named.get('aria-label')} ")
            self._depth = 1

    def handle_endtag(self, tag: str) -> None:
        """End a line."""
        self._depth = max(0, self._depth - 1)
        if tag == "dt":
            self.handle_data(": ")
        elif tag in _BLOCKS or tag == "main":
            self._break()
        self._is_main &= tag != "main"

    def handle_data(self, data: str) -> None:
        """Keep words."""
        if self._is_main and not self._depth:
            self._words.append(data)

    def _break(self) -> None:
        if words := " ".join("".join(self._words).split()):
            self.lines.append(words)
        self._words.clear()


@dataclass
class PageServer:
    """`provisioner serve` or `view serve`, on a port of its own."""

    process: subprocess.Popen[bytes]  #: Its process.
    log: Path
    address: str = field(default="")  #: Where its first page is.

    @classmethod
    def start(cls, deployment: Deployment, log: Path, *command: str, outlives: bool) -> PageServer:
        """Serve the pages of a deployment; `outlives` says whether they stay when this process has ended."""
        words: list[str | Path] = [
            Path(sys.executable).with_name("provisioner"),
            *(command or ("serve",)),
            "--port",
            "0",
        ]
        return cls(started(words, log, environment=deployment.environment, outlives=outlives), log)

    def wait(self) -> None:
        """Wait until it answers.

        Raises:
            DemoError: it ended.
        """
        wait_for(self._is_serving, "provisioner serve", stretched(60))

    @property
    def printed(self) -> str:
        """What it has printed."""
        return self.log.read_text(encoding="utf-8")

    def read(self, address: str) -> ReadPage:
        """A page, by its address from the first one.

        Raises:
            DemoError: there is none.
        """
        asked = urllib.request.Request(urljoin(self.address, address), headers={"Accept-Language": "en"})  # noqa: S310
        try:
            with urllib.request.urlopen(asked, timeout=stretched(20)) as answer:  # noqa: S310 (loopback)
                html, at = answer.read().decode(), answer.url
        except OSError as error:
            raise DemoError(f"the page {urljoin(self.address, address)} cannot be read: {error}") from None
        page = PageParser(html)
        return ReadPage(at, tuple(page.lines), tuple(urljoin(at, link) for link in page.links))

    def end(self) -> None:
        """End it."""
        end(self.process)

    def _is_serving(self) -> bool:
        if self.process.poll() is not None:
            raise DemoError(f"provisioner serve ended with {self.process.returncode}:\n{self.printed}")
        found = _SERVING.search(self.printed)
        self.address = found[1] if found else ""
        return bool(found)
