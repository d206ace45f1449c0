"""Sign-in in Debian's Chromium: nobody is led into somebody else's session."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import expect

from tests.hostile import VIEWER
from tests.provider import provider
from tests.web.browsers import chromium, opened, sign_in_site


@VIEWER
def test_a_link_of_somebody_elses_sign_in_signs_nobody_in(tmp_path: Path) -> None:
    with provider() as double, sign_in_site(tmp_path, double) as address, chromium() as browser:
        with browser.new_context() as other:
            begun = other.request.get(f"{address}/sign-in", max_redirects=0).headers["location"]
            theirs = double.authorize(begun)
        with opened(browser, quiet=False) as page:
            led = page.goto(theirs)
            assert led
            assert led.status == 400
            assert page.context.cookies() == []
            page.goto(f"{address}/en/")
            expect(page.locator("h1")).to_have_text("8 of 12 paths are up")
            mine = {one["name"]: one["value"] for one in page.context.cookies()}
            assert set(mine) == {"__Host-session"}
            led = page.goto(theirs)
            assert led
            assert led.status == 400
            assert {one["name"]: one["value"] for one in page.context.cookies()} == mine
            page.goto(f"{address}/sign-out")
            page.goto(f"{address}/sign-in")
            assert {one["name"]: one["value"] for one in page.context.cookies()} != mine
