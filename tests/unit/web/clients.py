"""A server of pages in memory or on a free port of loopback, and whoever asks it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from html.parser import HTMLParser
from urllib.parse import urljoin

import httpx

from provisioner.web.app import Contacts, ServedPages, make_app
from provisioner.web.readers import HeaderIdentification, LocalIdentification, read_trusted_networks
from provisioner.web.server import ServerAddress, listen, make_server, names_of
from provisioner.web.source import Feed, Source
from tests.boards import NOW, GivenSource

HOST = "127.0.0.1:8300"
PROXY = "198.18.0.7"
ROLES = (
    *("noc", "ministry", "steering", "dic:bac-giang", "health:bac-giang", "dic:quang-nam"),
    *("carrier:viettel", "carrier:vnpt", "facility:kcl-bg-002"),
)


class PageClient:
    """A browser that follows nothing by itself.

    Attributes:
        headers: what it sends with every question.
        address: where it is.
    """

    def __init__(self, served: ServedPages, address: str) -> None:
        self._app = make_app(served)
        self.address = address
        self.headers: dict[str, str] = {}

    def request(
        self, method: str, address: str, headers: Headers | None = None, content: bytes | None = None
    ) -> httpx.Response:
        """Ask something."""
        own = [*self.headers.items(), *(headers.items() if isinstance(headers, dict) else headers or [])]
        return asyncio.run(self._ask(method, address, own, content))

    def get(self, address: str, headers: Headers | None = None) -> httpx.Response:
        """Ask for a page."""
        return self.request("GET", address, headers)

    async def _ask(
        self, method: str, address: str, headers: list[tuple[str, str]], content: bytes | None
    ) -> httpx.Response:
        transport = httpx.ASGITransport(self._app, client=(self.address, 50000))
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as client:
            raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
            return await client.request(method, address, headers=raw, content=content)


Headers = dict[str, str] | list[tuple[str, str]]


def local(source: Source | None = None) -> PageClient:
    """The engineer at the machine."""
    return PageClient(
        ServedPages(Feed(source or GivenSource()), LocalIdentification(), [HOST], lambda: NOW), "127.0.0.1"
    )


def reader(role: str, contacts: Contacts | None = None, source: Source | None = None) -> PageClient:
    """Somebody whom the proxy names."""
    door = HeaderIdentification(read_trusted_networks([PROXY]))
    served = ServedPages(Feed(source or GivenSource()), door, [HOST], lambda: NOW, contacts=contacts)
    client = PageClient(served, PROXY)
    client.headers["X-Provisioner-Role"] = role
    return client


@contextmanager
def listening(
    place: ServerAddress | None = None, serve: Callable[[Sequence[str]], ServedPages] | None = None
) -> Iterator[int]:
    """A server on a free port, until the block ends: the port.

    Args:
        place: where it listens.
        serve: what it serves under these names; the pages of the engineer if `None`.
    """
    place, answering = place or ServerAddress(port=0), threading.Event()
    listener = listen(place)
    port = listener.getsockname()[1]
    names = names_of(place, port)
    served = serve(names) if serve else ServedPages(Feed(GivenSource()), LocalIdentification(), names, lambda: NOW)
    server = make_server(served, place, listener, answering.set)
    thread = threading.Thread(target=lambda: server.run(sockets=[listener]))
    thread.start()
    try:
        assert answering.wait(60)
        yield port
    finally:
        server.should_exit = True
        thread.join(60)


class Outline(HTMLParser):
    """The elements of a page, where its attributes lead to, and its text."""

    def __init__(self, html: str = "") -> None:
        super().__init__()
        self.names: list[str] = []
        self.places: list[str] = []
        self.events: list[str] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep it."""
        self.names.append(tag)
        self.places += [value or "" for name, value in attrs if name in {"href", "src", "action"}]
        self.events += [name for name, _ in attrs if name.startswith("on") or name == "style"]

    def handle_data(self, data: str) -> None:
        """Keep it."""
        self.texts.append(data)

    @property
    def text(self) -> str:
        """All that is read, one blank between words."""
        return " ".join(" ".join(self.texts).split())


def crawl(client: PageClient, starts: Sequence[str] = ("/en/", "/vi/")) -> dict[str, str]:
    """Every page that can be reached by links: its HTML by its address."""
    pages: dict[str, str] = {}
    waiting = list(starts)
    while waiting:
        address = waiting.pop()
        if address in pages or "/contacts/" in address:
            continue
        answer = client.get(address)
        assert answer.status_code == 200, address
        pages[address] = answer.text
        for place in Outline(answer.text).places:
            target = urljoin(f"http://{HOST}{address}", place).removeprefix(f"http://{HOST}").partition("#")[0]
            if target.startswith(("/en/", "/vi/")):
                waiting.append(target)
    return pages
