"""Sign-in in Debian's Chromium: nobody is led into somebody else's session."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Page, expect

from provisioner.web import sign_in
from provisioner.web.sign_in import BEGUN, SESSION
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


HOST = "pages.localhost"


@contextmanager
def neighbour(*cookies: str) -> Iterator[int]:
    """A server of somebody else on this machine, by whatever name, that plants cookies by its answer and a script."""

    class Plants(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            for cookie in cookies:
                self.send_header("Set-Cookie", cookie)
            self.end_headers()
            script = "".join(f"document.cookie = {json.dumps(cookie)};" for cookie in cookies)
            self.wfile.write(f"<!doctype html><title>planted</title><script>{script}</script>".encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the library's own word)
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Plants) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def planted(name: str, value: str, domain: str = HOST) -> list[str]:
    """A cookie in every form in which a browser might take it for another host."""
    names = (name, name.lower(), name.upper(), f"\u00a0{name}", f"{name}\u00a0", f"\u0085{name}", f"={name}", name[7:])
    places = (f"Domain={domain}; Path=/", f"Domain={domain}; Path=/en/", "Path=/", "Path=/en/")
    return [f"{one}={value}; {place}{more}" for one in names for place in places for more in ("", "; Secure")]


@VIEWER
def test_a_neighbour_host_plants_no_session_and_no_sign_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Browsers take a name below localhost for this machine, and keep its cookies as those of any host.
    monkeypatch.setattr(sign_in, "_LOOPBACK", {HOST, "127.0.0.1"})
    with provider() as double, sign_in_site(tmp_path, double, HOST) as address, chromium() as browser:
        double.groups = "bac-giang"
        with opened(browser, quiet=False) as page:
            page.goto(f"{address}/en/")
            theirs = {one["value"] for one in own_cookies(page)}
        begun = requests.get(address.replace(HOST, "127.0.0.1") + "/sign-in", allow_redirects=False, timeout=60)
        led, double.groups = double.authorize(begun.headers["location"]), "noc-engineers"
        with neighbour(*planted(SESSION, *theirs), *planted(BEGUN, begun.cookies[BEGUN])) as port:
            for is_signed_in in (False, True):
                with opened(browser, quiet=False) as page:
                    if is_signed_in:
                        page.goto(f"{address}/en/")
                    mine = own_cookies(page)
                    page.goto(f"http://evil.{HOST}:{port}/")
                    assert page.context.cookies(address) != mine, "the browser keeps some of them"
                    answer = page.goto(led)
                    assert answer
                    assert answer.status == 400
                    page.goto(f"{address}/en/")
                    expect(page.locator("h1")).to_have_text("8 of 12 paths are up")
                    assert len(own_cookies(page)) == 1
                    assert theirs.isdisjoint(one["value"] for one in own_cookies(page))
                    assert not is_signed_in or own_cookies(page) == mine


def own_cookies(page: Page) -> list[Any]:
    """The sessions that the pages' own host has set; a cookie of a neighbour has a domain."""
    return [one for one in page.context.cookies() if one["name"] == SESSION and one["domain"] == HOST]
