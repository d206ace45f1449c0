"""The server's socket and loop, and the checks before it listens."""

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from pathlib import Path
from time import monotonic
from typing import ClassVar, Final

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from provisioner.base.errors import UsageError, raised_as
from provisioner.base.text import AnyAddress
from provisioner.web.app import ServedPages, make_app
from provisioner.web.readers import Network

_SMALL: Final = 16 * 1024
_MOST_AT_ONCE: Final = 400
_MOST_OF_SOURCE: Final = 100
#: New TLS connections of a source in a second: each handshake takes this process milliseconds.
_MOST_HANDSHAKES: Final = 60

_MOST_A_TURN: Final = 64  #: Connections accepted in one turn of the loop, so that it can serve and end others.

#: The time for a request, from the connection (with TLS handshake) or from the previous answer.
_REQUEST_S: Final = 15.0

_STALLED_S: Final = 30.0  #: A client that acknowledges no byte of an answer for this time is disconnected.
_ANSWER_S: Final = 300.0  #: The time in which a client has to take an answer.
LOOPBACK: Final = (ip_network("127.0.0.0/8"), ip_network("::1"))
_LOOPBACK_NAMES: Final = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """A server's address and certificate."""

    host: str = "127.0.0.1"
    port: int = 8300  #: 0 for a free port.
    certificate: Path | None = None  #: `None` without TLS.
    key: Path | None = None
    names: Sequence[str] = ()
    proxies: Sequence[Network] = ()  #: Networks that send many readers' connections from one address.

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def is_secure(self) -> bool:
        """Whether the server itself speaks TLS."""
        return self.certificate is not None


def refuse_open(address: ServerAddress, *, trusts: bool, signs_in: bool) -> None:
    """Refuse a server that would show all pages to everybody (`UsageError`)."""
    hint = "write an address of this machine, e.g. 127.0.0.1"
    with raised_as(UsageError(f"--host {address.host[:60]!r} is no address", hint=hint), ValueError):
        ip_address(address.host)
    if (address.certificate is None) != (address.key is None):
        raise UsageError("TLS needs a certificate and its key", hint="write both: --certificate FILE --key FILE")
    if trusts and signs_in:
        hint = "leave out --trust: a proxy in front of a server where readers sign in says nothing of them"
        raise UsageError("a proxy says who reads, or readers sign in: not both", hint=hint)
    if address.is_loopback:
        return
    if not trusts and not signs_in:
        message = f"--host {address.host} can be reached from elsewhere, and nothing says who reads"
        hint = (
            "name the proxy that says it (--trust ADDRESS), let readers sign in (--sign-in FILE), or stay on loopback"
        )
        raise UsageError(message, hint=hint)
    if signs_in and not address.is_secure:
        hint = "write --certificate FILE --key FILE, or serve on loopback behind a proxy that has them"
        raise UsageError(f"--host {address.host} would send what readers sign in with in the clear", hint=hint)


def refuse_certificate(address: ServerAddress) -> None:
    """Refuse an unusable certificate or key with `UsageError`."""
    if address.certificate is None or address.key is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(address.certificate, address.key, password=lambda: "")
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else "") or "they do not belong together"
        hint = "write PEM files: the certificate with those that signed it, and its key without a password"
        raise UsageError(f"{address.certificate} and {address.key} cannot be used: {reason}", hint=hint) from None


class Guest(socket.socket):
    """An accepted connection."""

    def __init__(self, accepted: socket.socket, address: AnyAddress, listener: "Listener") -> None:
        super().__init__(accepted.family, accepted.type, accepted.proto, fileno=accepted.detach())
        self.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(_STALLED_S * 1000))
        self.address = address
        self.source = source_of(address)  #: The client's address or network, for the count of connections.
        self.waits_since = monotonic()  #: The time of the connection, or of the last complete answer.
        self.protocol: H11Protocol | None = None  #: The HTTP side; `None` before the end of the TLS handshake.
        self._listener = listener
        self._number = self.fileno()
        listener.guests[self._number] = self
        listener.counts[self.source] += 1

    @property
    def is_answered(self) -> bool:
        """Whether the application works and the client takes the answer."""
        cycle = self.protocol.cycle if self.protocol else None
        return cycle is not None and not cycle.response_complete and not cycle.flow.write_paused

    def hang_up(self) -> None:
        """End the connection now."""
        self._leave_listener()
        if self.protocol is not None:
            self.protocol.transport.abort()
        else:
            # The loop owns the descriptor: it reads the end, and closes.
            self.shutdown(socket.SHUT_RDWR)

    def hang_up_if_slow(self, now: float) -> None:
        """End the connection if its client is too slow."""
        waited = 0.0 if self.is_answered else now - self.waits_since
        if (self.protocol is None and waited > _REQUEST_S) or waited > _ANSWER_S:
            self.hang_up()
        elif self.protocol is not None and waited > _REQUEST_S:
            self.protocol.transport.close()

    def close(self) -> None:
        """Close the connection and stop counting it."""
        self._leave_listener()
        super().close()

    def _leave_listener(self) -> None:
        if self._listener.guests.get(self._number) is self:
            del self._listener.guests[self._number]
            self._listener.counts[self.source] -= 1
            if not self._listener.counts[self.source]:
                del self._listener.counts[self.source]


class Listener(socket.socket):
    """A listening socket with bounded connections, per source and in total.

    Above a bound the newest connection is accepted, and the oldest without a request in progress ends. So silent
    connections block no client. `proxies` have no bound per source.
    """

    def __init__(self, family: socket.AddressFamily, proxies: Sequence[Network], *, is_secure: bool = False) -> None:
        super().__init__(family, socket.SOCK_STREAM)
        self.proxies, self.is_secure = proxies, is_secure
        self._second, self._new = 0, Counter[str]()
        self.guests: dict[int, Guest] = {}  #: By file descriptor.
        self.counts: Counter[str] = Counter()  #: Connections per source.
        self._accepted = 0

    def accept(self) -> tuple[socket.socket, object]:
        """Accept a connection; `BlockingIOError` if none waits, or the loop is busy."""
        while self._accepted < _MOST_A_TURN:
            accepted, peer = super().accept()
            self._accepted += 1
            if self._accepted == 1:
                asyncio.get_running_loop().call_soon(self._next_turn)
            guest = Guest(accepted, address_in(peer[0]), self)
            if self._admit(guest):
                return guest, peer
            guest.close()
        raise BlockingIOError

    def hang_up_on_slow(self) -> None:
        """End the connections of slow clients."""
        now = monotonic()
        for guest in [*self.guests.values()]:
            guest.hang_up_if_slow(now)

    def _next_turn(self) -> None:
        self._accepted = 0

    def _is_too_fast(self, guest: Guest) -> bool:
        second = int(monotonic())
        if second != self._second:
            self._second, self._new = second, Counter()
        self._new[guest.source] += 1
        return self._new[guest.source] > _MOST_HANDSHAKES

    def _admit(self, guest: Guest) -> bool:
        """Return whether a new connection stays; end the oldest if needed."""
        if self.is_secure and not self._is_proxy(guest) and self._is_too_fast(guest):
            return False
        is_crowded = self.counts[guest.source] > _MOST_OF_SOURCE and not self._is_proxy(guest)
        if not is_crowded and len(self.guests) <= _MOST_AT_ONCE:
            return True
        waiting = [
            candidate
            for candidate in self.guests.values()
            if candidate is not guest
            and (not is_crowded or candidate.source == guest.source)
            and not candidate.is_answered
        ]
        # From the source with most connections, so that one source cannot push out another.
        leaving = min(
            waiting, key=lambda candidate: (-self.counts[candidate.source], candidate.waits_since), default=None
        )
        if leaving is not None:
            leaving.hang_up()
        return leaving is not None

    def _is_proxy(self, guest: Guest) -> bool:
        return any(guest.address in network for network in self.proxies)


def address_in(text: str) -> AnyAddress:
    """Return a client's address without zone; IPv4-mapped IPv6 as IPv4."""
    address = ip_address(text.partition("%")[0])
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def source_of(address: AnyAddress) -> str:
    """Return the address, or IPv6 /64, whose connections are counted together."""
    return str(ip_network((address, 64), strict=False) if isinstance(address, IPv6Address) else address)


def listen(address: ServerAddress) -> Listener:
    """Return a listening socket, or raise `UsageError`."""
    listener = Listener(
        socket.AF_INET6 if ":" in address.host else socket.AF_INET, address.proxies, is_secure=address.is_secure
    )
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address.host, address.port))
    except OSError as error:
        listener.close()
        hint = "choose another port with --port, or end what listens there"
        raise UsageError(
            f"{address.host} port {address.port} cannot be listened on: {error.strerror}", hint=hint
        ) from error
    return listener


def names_of(address: ServerAddress, port: int) -> tuple[str, ...]:
    """Return the accepted hosts: with port, and without a default port."""
    usual = 443 if address.is_secure else 80
    hosts = (
        [*_LOOPBACK_NAMES] if address.is_loopback else [f"[{address.host}]" if ":" in address.host else address.host]
    )
    with_port = [f"{name}:{port}" for name in hosts]
    return (*with_port, *(hosts if port == usual else ()), *address.names)


def address_of(address: ServerAddress, port: int) -> str:
    """Return the address for a browser."""
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"{'https' if address.is_secure else 'http'}://{host}:{port}/"


def make_server(
    served: ServedPages, address: ServerAddress, listener: Listener, ready: Callable[[], None]
) -> uvicorn.Server:
    """Return the pages' server for a socket; call `ready` once it answers."""
    return server_of(make_app(served), address, listener, ready)


def server_of(
    app: ASGIApp, address: ServerAddress, listener: Listener, ready: Callable[[], None], clients: Path | None = None
) -> uvicorn.Server:
    """Return a server; `clients` is the authority of required client certificates."""
    config = uvicorn.Config(
        app,
        # Another loop would accept past the listener.
        loop="asyncio",
        http=type("_BoundedProtocol", (_Protocol,), {"listener": listener}),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        lifespan="on",
        h11_max_incomplete_event_size=_SMALL,
        timeout_keep_alive=round(_REQUEST_S),
        timeout_graceful_shutdown=2,
        ssl_certfile=str(address.certificate) if address.certificate else None,
        ssl_keyfile=str(address.key) if address.key else None,
        ssl_ca_certs=str(clients) if clients else None,
        ssl_cert_reqs=ssl.CERT_REQUIRED if clients else ssl.CERT_NONE,
    )
    return _Server(config, listener, ready)


class _Protocol(H11Protocol):
    listener: ClassVar[Listener]
    _guest: Guest | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._guest = self.listener.guests.get(transport.get_extra_info("socket").fileno())
        if self._guest is not None:
            self._guest.protocol = self

    def on_response_complete(self) -> None:
        if self._guest is not None:
            self._guest.waits_since = monotonic()
        super().on_response_complete()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, listener: Listener, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._listener = listener
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def on_tick(self, counter: int) -> bool:
        self._listener.hang_up_on_slow()
        return await super().on_tick(counter)
