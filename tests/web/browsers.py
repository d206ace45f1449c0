"""Debian's Chromium over pages that are really served, on a free port of loopback."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from provisioner.web.app import ServedPages
from provisioner.web.readers import LocalIdentification
from provisioner.web.sign_in import open_sign_in
from provisioner.web.source import Feed
from tests.boards import NOW, GivenSource
from tests.provider import SECRET, DoubleProvider
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
    with listening(serve=lambda names: ServedPages(pages, LocalIdentification(), names, lambda: NOW)) as port:
        yield Site(f"http://127.0.0.1:{port}", source)


@contextmanager
def sign_in_site(folder: Path, double: DoubleProvider, host: str = "localhost") -> Iterator[str]:
    """Serve pages for which readers sign in at a provider, until the block ends: their address."""
    (folder / "secret").write_text(SECRET)
    (folder / "secret").chmod(0o600)

    def serve(names: Sequence[str]) -> ServedPages:
        own = next(name for name in names if name.startswith("localhost:")).replace("localhost", host)
        (folder / "sign-in.toml").write_text(double.settings(f"http://{own}/sign-in/back"))
        door = open_sign_in(folder / "sign-in.toml")
        feed = Feed(GivenSource())
        return ServedPages(feed, door, (*names, own), lambda: NOW, further=door.routes, leave="sign-out")

    with listening(serve=serve) as port:
        yield f"http://{host}:{port}"


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
def opened(
    browser: Browser, *, phone: bool = False, dark: bool = False, scripts: bool = True, quiet: bool = True
) -> Iterator[Page]:
    """A window of its own; if `quiet`, without an error of a script, anything forbidden or a dialog."""
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
        assert not quiet or troubles == [], troubles
    finally:
        context.close()
