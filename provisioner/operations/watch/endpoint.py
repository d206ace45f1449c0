"""The HTTP endpoint of metrics, on loopback only: they name facilities.

Prometheus runs on the same machine, or comes through a proxy with a login. Host names other than this machine's own are
refused, so that no web page can read it through a browser here under its own name.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from ipaddress import ip_address
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Final, NamedTuple
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import Metric as Family

from provisioner.base.errors import ProvisionerError, UsageError, os_errors, raised_as
from provisioner.base.text import printable
from provisioner.integrations.alerting.metric_catalogue import exposition

if TYPE_CHECKING:
    from socketserver import _AfInetAddress as _Address
    from socketserver import _RequestType as _Request
    from wsgiref.types import StartResponse, WSGIEnvironment

METRICS: Final = "/metrics"
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_OWN_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
_LONGEST_REQUEST_S: Final = 10
#: Limit of connections. Above it the oldest one without a request ends; if all have one, the new one ends.
_MOST_AT_ONCE: Final = 32


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type[WSGIRequestHandler]) -> None:
        self._asked: dict[_Request, bool] = {}
        self._lock = threading.Lock()
        super().__init__(address, handler)

    def process_request(self, request: _Request, client_address: _Address) -> None:
        """Answer a request in its own thread, within the limit."""
        with self._lock:
            silent = next((connection for connection, is_heard in self._asked.items() if not is_heard), None)
            is_full = len(self._asked) >= _MOST_AT_ONCE
            if is_full and silent is not None:
                del self._asked[silent]
                _hang_up(silent)
            is_taken = not is_full or silent is not None
            if is_taken:
                self._asked[request] = False
        if is_taken:
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def answers(self, request: _Request) -> None:
        """Note that a connection has a request, and keep it."""
        with self._lock:
            if request in self._asked:
                self._asked[request] = True

    def process_request_thread(self, request: _Request, client_address: _Address) -> None:
        """Answer a request within a time limit, also for slow senders."""
        limit = threading.Timer(_LONGEST_REQUEST_S, _hang_up, [request])
        limit.daemon = True
        limit.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            limit.cancel()
            with self._lock:
                self._asked.pop(request, None)

    def handle_error(self, _request: _Request, _client_address: _Address) -> None:
        """Log no errors of clients."""


def _hang_up(request: _Request) -> None:
    if isinstance(request, socket.socket):
        with suppress(OSError):
            request.shutdown(socket.SHUT_RDWR)


class _Handler(WSGIRequestHandler):
    timeout = _LONGEST_REQUEST_S

    def parse_request(self) -> bool:
        """Read a request; one with a body is not complete yet."""
        is_read = super().parse_request()
        if is_read and self.command in {"GET", "HEAD"} and isinstance(self.server, _Server):
            self.server.answers(self.connection)
        return is_read

    def log_message(self, *_arguments: object) -> None:
        """Log no requests."""


def endpoint_of(text: str) -> tuple[str, int]:
    """Parse `9464`, `127.0.0.1:9464` or `[::1]:9464`, or raise `UsageError`."""
    address, _, port = text.rpartition(":") if ":" in text else ("127.0.0.1", "", text)
    address = "127.0.0.1" if address == "localhost" else address.strip("[]")
    quoted = printable(text, 80)
    hint = "write a port, or an address of loopback with one: 9464, 127.0.0.1:9464"
    with raised_as(UsageError(f"{quoted} is no place to listen on", hint=hint), ValueError):
        is_loopback, number = ip_address(address).is_loopback, int(port)
    if not 0 <= number <= 65535:  # noqa: PLR2004 (the largest port)
        raise UsageError(f"{quoted}: there is no port {number}", hint="ports end at 65535")
    if not is_loopback:
        hint = "listen on 127.0.0.1, and let a proxy that asks who comes lead there"
        raise UsageError(f"{quoted} is on the network: what facilities have is served on loopback alone", hint=hint)
    return address, number


class HttpReply(NamedTuple):
    """A response."""

    status: HTTPStatus
    body: bytes


Identification = Callable[["WSGIEnvironment"], "HttpReply | None"]  #: Answers a request for it, or returns `None`.


@contextmanager
def served(
    listen_at: tuple[str, int], families: Callable[[], Iterable[Family]], door: Identification = lambda _environ: None
) -> Iterator[int]:
    """Serve metrics during the block; yields the port; or raise `UsageError`.

    `door` gets each request first, under any host name.
    """

    def answer(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        status, body = door(environ) or _status_and_body(environ, families)
        start(f"{status.value} {status.phrase}", [("Content-Type", CONTENT_TYPE), ("Content-Length", str(len(body)))])
        return [body]

    address, port = listen_at
    hint = "another watch or agent may be there: end it, or name another port"
    with os_errors(f"{address}:{port} cannot be listened on", hint):
        server = make_server(address, port, answer, _server_for(address), _Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _server_for(address: str) -> type[_Server]:
    return type("_ServerOfFamily", (_Server,), {"address_family": {4: 2, 6: 10}[ip_address(address).version]})


def _status_and_body(environ: WSGIEnvironment, families: Callable[[], Iterable[Family]]) -> tuple[HTTPStatus, bytes]:
    if str(environ.get("HTTP_HOST", "")).rpartition(":")[0] not in _OWN_NAMES:
        return HTTPStatus.FORBIDDEN, b"this is served under the names of this machine alone\n"
    if environ["REQUEST_METHOD"] not in {"GET", "HEAD"}:
        return HTTPStatus.METHOD_NOT_ALLOWED, b"metrics are read: GET /metrics\n"
    if environ["PATH_INFO"] != METRICS:
        return HTTPStatus.NOT_FOUND, b"there is /metrics here, and nothing else\n"
    try:
        return HTTPStatus.OK, exposition(families())
    except ProvisionerError as error:
        # A failed scrape is an alert; the answer has its reason.
        return HTTPStatus.SERVICE_UNAVAILABLE, f"{printable(error.message, 300)}\n".encode()
