"""HTTP client: bounded, without redirects, proxies and the machine's logins."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, partial
from typing import TYPE_CHECKING, Final, Generic, TypeVar
from urllib.parse import SplitResult, urlsplit

from provisioner.base.secret import Secret
from provisioner.base.text import is_public

if TYPE_CHECKING:
    from requests import PreparedRequest, Response, Session
    from requests.adapters import HTTPAdapter

T = TypeVar("T")

ATTEMPT_S: Final = 20.0  #: Limit of one attempt, with name resolution and TLS.
TOTAL_S: Final = 90.0  #: Limit of all attempts.
MOST_ATTEMPTS: Final = 4
_FIRST_PAUSE_S: Final = 2.0
_LONGER: Final = 3.0
_SHORTEST_S: Final = 0.1
_BLOCK: Final = 16 * 1024
_OK: Final = range(200, 300)
_REDIRECTS: Final = range(300, 400)
_TOO_MANY: Final = 429
_TIME_OUT: Final = 408
NOT_FOUND: Final = 404
FIRST_OF_SERVER: Final = 500
_LOGIN: Final = frozenset({401, 403})
_PORTS: Final = {"https": 443, "http": 80}
#: Variable with the receivers' hosts that may have non-public addresses.
RECEIVER_HOSTS: Final = "PROVISIONER_RECEIVER_HOSTS"


class ReachError(Exception):
    """A server was not reached, or refused the request."""

    def __init__(self, reason: str, hint: str, *, lasting: bool = False, attempts: int = 1, status: int = 0) -> None:
        super().__init__(reason)
        self.status = status  #: The server's answer; 0 without one.
        self.attempts = attempts
        self.reason = reason  #: A sentence without text of the server or personal addresses.
        self.hint = hint
        self.lasting = lasting  #: Whether a retry is useless.


@dataclass(frozen=True)
class HttpLimits:
    """Time limits and retries for a server."""

    attempt_s: float = ATTEMPT_S
    total_s: float = TOTAL_S
    attempts: int = MOST_ATTEMPTS
    first_pause_s: float = _FIRST_PAUSE_S
    authorities: str = ""  #: A file with CA certificates; empty for the system's.
    named: frozenset[str] = frozenset()  #: Receivers' hosts that may have any address.
    pause: Callable[[float], None] = field(default=time.sleep, repr=False, compare=False)

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> HttpLimits:
        """Return the default, with CA certificates and receivers' hosts from the environment."""
        names = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
        authorities = next((value for name in names if (value := environment.get(name, ""))), "")
        return cls(authorities=authorities, named=named_hosts(environment, RECEIVER_HOSTS))


@dataclass(frozen=True, slots=True)
class Reached(Generic[T]):
    """A result and its number of attempts."""

    value: T
    attempts: int


@dataclass(frozen=True, slots=True)
class ServerLogin:
    """A login for HTTP basic authentication or a mail server."""

    username: Secret
    password: Secret


@dataclass(frozen=True, slots=True)
class Request:
    """A request to a server, whose `url` is already checked."""

    method: str
    url: str
    body: bytes = b""  #: JSON; empty sends none.
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    login: ServerLogin | None = None
    most_bytes: int = 64 * 1024  #: Limit of the answer; the rest is not read.
    #: Hosts that may have any address, if the inventory names the server; `None` allows any address.
    named: Collection[str] | None = None
    certificate: tuple[str, str] | None = None  #: Files of our certificate and its key, for a server that asks.


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A server's status and its bounded body."""

    status: int
    body: bytes
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Advice:
    """Parts of a hint: the address's file or variable, and the login."""

    place: str
    login: str


def try_often(attempt: Callable[[float], T], patience: HttpLimits) -> Reached[T]:
    """Retry until success, a lasting error or a limit; raises `ReachError`."""
    until = time.monotonic() + patience.total_s
    pause = patience.first_pause_s
    number = 0
    while True:
        number += 1
        try:
            seconds = max(_SHORTEST_S, min(patience.attempt_s, until - time.monotonic()))
            return Reached(within(seconds, partial(attempt, seconds)), number)
        except ReachError as error:
            remaining_s = until - time.monotonic() - pause
            if error.lasting or number >= patience.attempts or remaining_s <= 0:
                times = f" (tried {number} times)" if number > 1 else ""
                raise ReachError(
                    error.reason + times, error.hint, lasting=error.lasting, attempts=number, status=error.status
                ) from None
        patience.pause(pause)
        pause *= _LONGER


class _Connections:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: list[socket.socket] | None = []

    def add_copy(self, connection: socket.socket) -> None:
        with self._lock:
            if self._open is None:
                raise TimeoutError("the attempt is over")
            # A copy: TLS takes the first descriptor for itself.
            self._open.append(socket.socket(fileno=os.dup(connection.fileno())))

    def close_all(self) -> None:
        with self._lock:
            ended, self._open = self._open or [], None
        for connection in ended:
            with connection, suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


_ATTEMPT: Final = threading.local()


def ends_with_attempt(connection: socket.socket) -> socket.socket:
    """Register a connection that ends with the attempt, or raise `TimeoutError`."""
    connections: _Connections | None = getattr(_ATTEMPT, "connections", None)
    if connections is not None:
        connections.add_copy(connection)
    return connection


def within(seconds: float, call: Callable[[], T]) -> T:
    """Run a call with a time limit; after it, end its connections.

    A server that sends single bytes never triggers a socket's time-out. A longer call raises `ReachError`.
    """
    values: list[T] = []
    errors: list[BaseException] = []
    connections = _Connections()

    def run_call() -> None:
        _ATTEMPT.connections = connections
        try:
            values.append(call())
        except BaseException as error:  # noqa: BLE001 (raised again by who waits)
            errors.append(error)

    thread = threading.Thread(target=run_call, daemon=True, name="attempt")
    thread.start()
    try:
        thread.join(max(0.0, seconds))
        # An answer cut off by the end of its connection is invalid.
        is_over = bool(values or errors)
    finally:
        connections.close_all()
    if is_over and values:
        return values[0]
    if is_over:
        raise errors[0]
    raise ReachError(f"it did not answer within {seconds:.0f} s", "see whether the server runs, and what it waits for")


def exchange(request: Request, *, seconds: float, advice: Advice, authorities: str = "") -> HttpAnswer:
    """Send a request and return the answer with any status, or `ReachError`.

    The server may be silent for `seconds`; `authorities` is a file of CA certificates.
    """
    if request.named is None:
        return _exchange_at(request, "", seconds, advice, authorities)
    parts = urlsplit(request.url)
    port = parts.port or _PORTS[parts.scheme]
    *others, last = allowed_addresses(parts.hostname or "", port, request.named, RECEIVER_HOSTS)
    for address in others:
        try:
            return _exchange_at(request, address, seconds, advice, authorities)
        except ReachError as error:
            if error.lasting:
                raise
    return _exchange_at(request, last, seconds, advice, authorities)


def _exchange_at(request: Request, address: str, seconds: float, advice: Advice, authorities: str) -> HttpAnswer:
    """Send a request to one address; if empty, resolve the name."""
    import requests  # noqa: PLC0415 (it takes time, and many commands that can send something send nothing)
    from urllib3.exceptions import HTTPError  # noqa: PLC0415

    session = ending_session()
    login, url, headers = request.login, request.url, _headers(request)
    if address:
        parts = urlsplit(url)
        url, headers = led_to(session, parts, address), {**headers, "Host": parts.netloc}
    try:
        with session.request(
            request.method,
            url,
            data=request.body or None,
            headers=headers,
            auth=requests.auth.HTTPBasicAuth(login.username.reveal().encode(), login.password.reveal().encode())
            if login
            else None,
            timeout=seconds,
            verify=authorities or True,
            cert=request.certificate,
            allow_redirects=False,
            stream=True,
        ) as answer:
            return _read_answer(answer, request.most_bytes)
    except requests.exceptions.SSLError:
        hint = "see that its certificate is valid and its authority known (REQUESTS_CA_BUNDLE names one's own)"
        raise ReachError("its certificate is not trusted", hint, lasting=True) from None
    except requests.exceptions.Timeout:
        raise ReachError("it did not answer in time", "see whether the server runs, and what it waits for") from None
    except (requests.RequestException, HTTPError, OSError, ValueError):
        hint = f"see whether the address in {advice.place} is right, the server runs, and this machine gets there"
        raise ReachError("it cannot be reached, or speaks no HTTP", hint) from None
    finally:
        session.close()


def ending_session() -> Session:
    """Make a session that ends with its attempt, without redirects, proxies, logins."""
    from requests import Session  # noqa: PLC0415 (it takes time)

    session = Session()
    session.trust_env = False
    # It reads the whole body of a redirect, even of one that is not followed.
    session.resolve_redirects = lambda *_, **__: iter(())  # type: ignore[method-assign]
    for scheme in _PORTS:
        session.mount(f"{scheme}://", _adapter_class()())
    return session


@cache
def _adapter_class() -> type[HTTPAdapter]:
    from requests.adapters import HTTPAdapter  # noqa: PLC0415
    from urllib3.connection import HTTPConnection, HTTPSConnection  # noqa: PLC0415
    from urllib3.connectionpool import HTTPConnectionPool  # noqa: PLC0415

    class Connection(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return ends_with_attempt(super()._new_conn())

    class TlsConnection(Connection, HTTPSConnection):
        pass

    class Adapter(HTTPAdapter):
        def get_connection_with_tls_context(
            self,
            request: PreparedRequest,
            verify: bool | str | None,  # noqa: FBT001 (as requests has it)
            proxies: Mapping[str, str] | None = None,
            cert: tuple[str, str] | str | None = None,
        ) -> HTTPConnectionPool:
            pool = super().get_connection_with_tls_context(request, verify, proxies, cert)
            assert isinstance(pool, HTTPConnectionPool)  # noqa: S101 (for the type checker)
            pool.ConnectionCls = TlsConnection if pool.scheme == "https" else Connection
            return pool

    return Adapter


def named_hosts(environment: Mapping[str, str], variable: str) -> frozenset[str]:
    """Return a variable's hosts, `HOST` or `HOST:PORT`, separated by commas or spaces."""
    return frozenset(environment.get(variable, "").replace(",", " ").lower().split())


def allowed_addresses(host: str, port: int, named: Collection[str], variable: str) -> list[str]:
    """Return a host's addresses, or raise `ReachError`, which tells of no others.

    Unless this machine names the host, all must be public, and none may be this machine's own.
    """
    try:
        listed = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        listed = []
    addresses = list(dict.fromkeys(str(entry[0]) for *_, entry in listed))
    low = host.lower()
    is_named = not {low, f"{low}:{port}", f"[{low}]:{port}"}.isdisjoint(named)
    if not addresses or not (is_named or all(is_public(address) and not _is_own(address) for address in addresses)):
        reason = f"{host} has no public address, and is not named in {variable}"
        raise ReachError(reason, f"name it in {variable} on this machine, if it is meant", lasting=True)
    return addresses


def _is_own(address: str) -> bool:
    """Return whether an address is this machine's: connections to it start there."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, 9))
        except OSError:
            return False
        return bool(probe.getsockname()[0] == address)


def led_to(session: Session, parts: SplitResult, address: str) -> str:
    """Bind a session to one address; return the URL to call.

    The certificate is still checked for the host. A second resolution could return another address.
    """
    if address != parts.hostname:
        adapter = _adapter_class()()
        adapter.init_poolmanager(1, 1, server_hostname=parts.hostname, assert_hostname=parts.hostname)
        session.mount("https://", adapter)
    literal = f"[{address}]" if ":" in address else address
    return parts._replace(netloc=f"{literal}:{parts.port or _PORTS[parts.scheme]}").geturl()


def successful_answer(answer: HttpAnswer, advice: Advice) -> HttpAnswer:
    """Return an answer with a status of success, or raise `ReachError`."""
    status = answer.status
    if status in _OK:
        return answer
    if status in _REDIRECTS:
        hint = f"write the address itself into {advice.place}"
        raise ReachError(f"it answers {status}: a redirect is not followed", hint, lasting=True)
    if status in _LOGIN:
        hint = f"see that {advice.login} is the one that the server knows"
        raise ReachError(f"it answers {status}: it does not take what it is sent from here", hint, lasting=True)
    is_passing = status in {_TOO_MANY, _TIME_OUT} or status >= FIRST_OF_SERVER
    hint = "see the server's own log" if is_passing else f"see that the address in {advice.place} is the right one"
    raise ReachError(f"it answers {status}", hint, lasting=not is_passing, status=status)


def _headers(request: Request) -> Mapping[str, str]:
    content = {"Content-Type": "application/json"} if request.body else {}
    return {"User-Agent": "provisioner", "Accept-Encoding": "identity", **content, **request.headers}


def _read_answer(answer: Response, most_bytes: int) -> HttpAnswer:
    blocks: list[bytes] = []
    size = 0
    while size <= most_bytes and (block := answer.raw.read(_BLOCK, decode_content=False)):
        blocks.append(block)
        size += len(block)
    return HttpAnswer(answer.status_code, b"".join(blocks)[:most_bytes], is_cut=size > most_bytes)
