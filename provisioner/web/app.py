"""The server's application: bounded, read-only requests, and no data about users."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from hashlib import sha256
from importlib.resources import files
from typing import Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from provisioner.base.errors import ProvisionerError
from provisioner.base.language import Language
from provisioner.base.roles import Matter, Reach
from provisioner.web import pages
from provisioner.web.filters import Links, read_filters
from provisioner.web.noc_pages import LISTS
from provisioner.web.readers import Identification, NobodyError, SignInError, WebUser, role_name, whereabouts_of
from provisioner.web.source import MOST_LISTENERS, Feed
from provisioner.web.texts import page_translator

LONGEST_ADDRESS: Final = 2048
MOST_HEADERS: Final = 100
_METHODS: Final = ("GET", "HEAD")
_HEADERS: Final = {
    "Content-Security-Policy": f"{pages.POLICY}; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}

#: Returns a facility's contacts and records the user's request.
Contacts = Callable[[str, str, WebUser], Sequence[pages.CallCard]]

ASSETS: Final = {
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
_NO_STORE: Final = {"Cache-Control": "no-store"}
SIGN_IN: Final = "/sign-in"


class Guard:
    """Refuses requests that no browser sends; adds security headers to answers.

    Other `Host` headers than `names`, with the port unless it is the scheme's own, are refused (DNS rebinding).
    """

    def __init__(self, app: ASGIApp, *, names: Collection[str], secure: bool) -> None:
        self._app = app
        self._names = frozenset(name.lower() for name in names)
        self._secure = secure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message["headers"])
                for name, value in _HEADERS.items():
                    headers[name] = value
                if self._secure:
                    headers["Strict-Transport-Security"] = "max-age=31536000"
                message["headers"] = headers.raw
            await send(message)

        refused = self._refusal(scope)
        await (refused or self._app)(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        headers = Headers(scope=scope)
        if len(scope["headers"]) > MOST_HEADERS:
            return PlainTextResponse("too many headers\n", 431)
        if len(scope["raw_path"]) + len(scope["query_string"]) > LONGEST_ADDRESS:
            return PlainTextResponse("the address is too long\n", 414)
        if [host.lower() for host in headers.getlist("host")] not in [[name] for name in self._names]:
            return PlainTextResponse("this server is not called by that name: see serve --name\n", 421)
        if scope["method"] not in _METHODS:
            return PlainTextResponse("these pages are only read\n", 405, {"Allow": ", ".join(_METHODS)})
        if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
            # A body whose length two headers tell is read in two ways by a proxy and here.
            return PlainTextResponse("a question has no body\n", 413, {"Connection": "close"})
        return PlainTextResponse("another page embeds nothing of these\n", 403) if _is_embedded(headers) else None


def _is_embedded(headers: Headers) -> bool:
    """Return whether another site's page sends the request, without the user's knowledge."""
    is_elsewhere = headers.get("sec-fetch-site") in {"cross-site", "same-site"}
    return is_elsewhere and headers.get("sec-fetch-dest") != "document"


@dataclass(frozen=True)
class ServedPages:
    """Settings of a server."""

    feed: Feed
    door: Identification
    names: Collection[str]
    clock: Callable[[], datetime]
    secure: bool = False  #: Whether users connect over TLS.
    contacts: Contacts | None = None  #: `None` if the server does not show contacts.
    further: Sequence[BaseRoute] = ()  #: Routes of the door, such as sign-in.
    leave: str = ""  #: The sign-out address from the top; empty without sign-in.
    dashboard: str = ""  #: The address of Grafana's dashboard, for `noc`; empty without one.


def make_app(served: ServedPages) -> Starlette:
    """Return the server's application."""
    answers = _Answers(served)

    @contextlib.asynccontextmanager
    async def watch_feed(_: Starlette) -> AsyncIterator[None]:
        watching = asyncio.create_task(served.feed.watch())
        try:
            yield
        finally:
            served.feed.close()
            watching.cancel()

    below = "/{language:str}"
    app = Starlette(
        routes=[
            Route("/", answers.front),
            *served.further,
            Route("/events", answers.events),
            Route("/assets/{name}", _asset),
            Route(below, answers.language),
            Route(f"{below}/", partial(answers.page, lambda sheet, _: pages.overview_page(sheet))),
            *(Route(f"{below}/{page}", partial(answers.page, partial(_list_page, page))) for page in LISTS),
            Route(
                f"{below}/facilities/{{id}}",
                partial(answers.page, lambda sheet, of: pages.facility_page(sheet, of.path_params["id"])),
            ),
            Route(
                f"{below}/provinces/{{slug}}",
                partial(answers.page, lambda sheet, of: pages.province_page(sheet, of.path_params["slug"])),
            ),
            Route(f"{below}/contacts/{{id}}", answers.contacts),
        ],
        middleware=[Middleware(Guard, names=served.names, secure=served.secure)],
        exception_handlers={HTTPException: answers.failed, NobodyError: _nobody, SignInError: _sign_in},
        lifespan=watch_feed,
    )
    app.router.redirect_slashes = False
    return app


class _Answers:
    def __init__(self, served: ServedPages) -> None:
        self._served = served
        self._stamp = sha256(b"".join(map(asset, ASSETS))).hexdigest()[:12]

    def front(self, request: Request) -> Response:
        """Redirect to the browser's language."""
        self._served.door.user(request)
        accepted = request.headers.get("accept-language", "")[:200].lower()
        language = Language.EN if accepted.startswith("en") else Language.VI
        return RedirectResponse(f"{language.value}/", 302, _NO_STORE | {"Vary": "Accept-Language"})

    def language(self, request: Request) -> Response:
        """Redirect a language without a slash to its overview."""
        sheet = self._page_sheet(request, self._served.door.user(request))
        named = request.path_params["language"]
        return RedirectResponse(f"{named}/", 302, _NO_STORE) if named in set(Language) else self._absent(sheet)

    def page(self, make: Callable[[pages.PageSheet, Request], str | None], request: Request) -> Response:
        """Return a page; hidden objects get the answer of missing ones."""
        sheet = self._page_sheet(request, self._served.door.user(request))
        html = make(sheet, request) if request.path_params["language"] in set(Language) else None
        return HTMLResponse(html, headers=_NO_STORE) if html is not None else self._absent(sheet)

    def contacts(self, request: Request) -> Response:
        """Return a facility's contacts, read and recorded each time."""
        user = self._served.door.user(request)
        sheet = self._page_sheet(request, user)
        facility = sheet.board.by_id.get(request.path_params["id"])
        ask = self._served.contacts
        if facility is None or ask is None or not user.may_call(whereabouts_of(facility)):
            return self._absent(sheet)
        try:
            cards = ask(facility.folder, facility.id, user)
        except ProvisionerError:
            t = page_translator(sheet.links.language)
            sentence = t("The contacts cannot be opened now: provisioner contacts check tells whoever runs this why.")
            return HTMLResponse(pages.sentence_page(sheet, t("Who to call"), sentence), 503, _NO_STORE)
        html = pages.contacts_page(sheet, facility.id, cards)
        return HTMLResponse(html, headers=_NO_STORE) if html is not None else self._absent(sheet)

    async def events(self, request: Request) -> Response:
        """Stream an event for each new record while a page is open."""
        await run_in_threadpool(self._served.door.user, request)
        feed = self._served.feed
        if feed.listeners >= MOST_LISTENERS:
            return PlainTextResponse("too many pages are open\n", 503, {"Retry-After": "60"})

        async def may_read() -> bool:
            try:
                await run_in_threadpool(self._served.door.user, request)
            except (NobodyError, SignInError):
                return False
            return True

        return StreamingResponse(feed.events(may_read), media_type="text/event-stream", headers=_NO_STORE)

    def failed(self, request: Request, error: Exception) -> Response:
        """Answer an error. For 404, a known user gets a page."""
        status = error.status_code if isinstance(error, HTTPException) else 500
        if status != 404:  # noqa: PLR2004 (the number is the protocol's own word)
            return PlainTextResponse("this cannot be answered\n", status, _NO_STORE)
        try:
            user = self._served.door.user(request)
        except (NobodyError, SignInError):
            return PlainTextResponse("there is nothing here\n", status, _NO_STORE)
        return self._absent(self._page_sheet(request, user))

    def _absent(self, sheet: pages.PageSheet) -> Response:
        t = page_translator(sheet.links.language)
        sentence = t("This page does not exist, or your role may not see it.")
        return HTMLResponse(pages.sentence_page(sheet, t("No such page"), sentence), 404, _NO_STORE)

    def _page_sheet(self, request: Request, user: WebUser) -> pages.PageSheet:
        served = self._served
        board = served.feed.of(user)
        language, page = _language_and_page(request.url.path)
        scope = user.scope
        facility = board.by_id.get(request.path_params.get("id", ""))
        return pages.PageSheet(
            board=board,
            links=Links(language, page, query=request.url.query, stamp=self._stamp),
            now=served.clock(),
            past=served.feed.source.past,
            live=True,
            sees_facilities=scope is None or scope.reach(Matter.STATUS) in {Reach.ALL, Reach.OWN},
            sees_operations=scope is None or scope.reach(Matter.OPERATIONS) is not Reach.NOTHING,
            sees_causes=scope is None,
            dashboard=served.dashboard if scope is None else "",
            reader_name="" if scope is None and not user.who else role_name(user),
            leave=f"../{'../' * page.count('/')}{served.leave}" if served.leave else "",
            calls=served.contacts is not None and facility is not None and user.may_call(whereabouts_of(facility)),
            trouble=served.feed.trouble,
        )


def _language_and_page(path: str) -> tuple[Language, str]:
    language, _, page = path.lstrip("/").partition("/")
    if language not in set(Language):
        return Language.VI, page if "/" in path.lstrip("/") else ""
    return Language(language), page


def _asset(request: Request) -> Response:
    """Return a script or style, without a check of the user."""
    name = request.path_params["name"]
    if name not in ASSETS:
        return PlainTextResponse("there is no such file\n", 404)
    lasting = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(asset(name), media_type=ASSETS[name], headers=lasting)


def _list_page(page: str, sheet: pages.PageSheet, request: Request) -> str | None:
    """Return a list's page; `None` if the user may not see it."""
    return LISTS[page](sheet, read_filters(request.query_params)) if sheet.has(page) else None


def _nobody(_: Request, error: Exception) -> Response:
    return PlainTextResponse(f"{error}\n", 403, _NO_STORE)


def _sign_in(request: Request, _: Exception) -> Response:
    if "text/html" not in request.headers.get("accept", ""):
        return PlainTextResponse("sign in first\n", 401, _NO_STORE)
    return RedirectResponse(SIGN_IN, 302, _NO_STORE)


def asset(name: str) -> bytes:
    """Return a script or style of pages."""
    return (files("provisioner.web") / "assets" / name).read_bytes()
