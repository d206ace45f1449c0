"""What every request and every answer has to be, before anything looks at it: bounded, for this host, read-only."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from provisioner.web.pages import POLICY

LONGEST_ADDRESS: Final = 2048
MOST_HEADERS: Final = 100
_METHODS: Final = ("GET", "HEAD")
_HEADERS: Final = {
    "Content-Security-Policy": f"{POLICY}; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


class Guard:
    """Refuses what no reader's browser sends, and adds to every answer what keeps a page alone with its server.

    Attributes:
        names: the hosts, each with its port where it is not the scheme's own, by which readers may call the server:
            a name of somebody else's that leads to this address is none (DNS rebinding).
        secure: whether readers come over TLS.
    """

    def __init__(self, app: ASGIApp, *, names: Collection[str], secure: bool) -> None:
        self._app = app
        self._names = frozenset(name.lower() for name in names)
        self._secure = secure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def answered(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message["headers"])
                for name, value in _HEADERS.items():
                    headers[name] = value
                if self._secure:
                    headers["Strict-Transport-Security"] = "max-age=31536000"
                message["headers"] = headers.raw
            await send(message)

        refused = self._refused(scope)
        await (refused or self._app)(scope, receive, answered)

    def _refused(self, scope: Scope) -> PlainTextResponse | None:
        """The answer to a request that goes no further."""
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
            return PlainTextResponse("a question has no body\n", 413)
        return None
