"""Debian's Chromium over pages that are really served, on a free port of loopback."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from provisioner.web.app import ServedPages
from provisioner.web.readers import LocalDoor
from provisioner.web.source import Feed
from tests.boards import NOW, GivenSource
from tests.unit.web.clients import listening

PATIENCE_MS = 60_000


@dataclass(frozen=True)
class Site:
    """Pages that are served: their address, and where they come from."""

    address: str
    source: GivenSource


@contextmanager
def site() -> Iterator[Site]:
    """Serve what a source has, until the block ends."""
    source = GivenSource()
    pages = Feed(source, interval_s=0.05)
    with listening(serve=lambda names: ServedPages(pages, LocalDoor(), names, lambda: NOW)) as port:
        yield Site(f"http://127.0.0.1:{port}", source)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser."""
    program = shutil.which("chromium")
    if program is None:
        pytest.fail("chromium is missing: apt-get install -y --no-install-recommends chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, *, phone: bool = False, dark: bool = False, scripts: bool = True) -> Iterator[Page]:
    """A window of its own, in which nothing may go wrong: no error of a script, nothing forbidden, no dialog."""
    context = browser.new_context(
        viewport={"width": 360 if phone else 1280, "height": 720},
        color_scheme="dark" if dark else "light",
        java_script_enabled=scripts,
        locale="en-GB",
    )
    page, troubles = context.new_page(), []
    page.set_default_timeout(PATIENCE_MS)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda message: troubles.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("dialog", lambda dialog: troubles.append(dialog.message))
    try:
        yield page
        assert troubles == [], troubles
    finally:
        context.close()
