"""The socket and the loop: where pages are served, and what is refused before anything listens."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final

import uvicorn

from provisioner.base.errors import UsageError
from provisioner.web.app import ServedPages, make_app

_SMALL: Final = 16 * 1024
_MOST_AT_ONCE: Final = 400
_LOOPBACK_NAMES: Final = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True, slots=True)
class ServerPlace:
    """Where a server listens.

    Attributes:
        host: an address of this machine.
        port: 0 takes a free one.
        certificate: of TLS; None where there is none.
        key: the certificate's.
        names: by which readers call it, beside loopback's own.
    """

    host: str = "127.0.0.1"
    port: int = 8300
    certificate: Path | None = None
    key: Path | None = None
    names: Sequence[str] = ()

    @property
    def is_loopback(self) -> bool:
        """Whether nobody but this machine can reach it."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def is_secure(self) -> bool:
        """Whether it speaks TLS itself."""
        return self.certificate is not None


def refuse_open(place: ServerPlace, *, trusts: bool, signs_in: bool) -> None:
    """Refuse a server that would show everything to everybody.

    Args:
        place: where it would listen.
        trusts: whether a proxy says who reads.
        signs_in: whether readers sign in.

    Raises:
        UsageError: it would be open, or half of what it needs is missing.
    """
    try:
        ip_address(place.host)
    except ValueError:
        hint = "write an address of this machine, e.g. 127.0.0.1"
        raise UsageError(f"--host {place.host[:60]!r} is no address", hint=hint) from None
    if (place.certificate is None) != (place.key is None):
        raise UsageError("TLS needs a certificate and its key", hint="write both: --certificate FILE --key FILE")
    if trusts and signs_in:
        hint = "leave out --trust: a proxy in front of a server where readers sign in says nothing of them"
        raise UsageError("a proxy says who reads, or readers sign in: not both", hint=hint)
    if place.is_loopback:
        return
    if not trusts and not signs_in:
        message = f"--host {place.host} can be reached from elsewhere, and nothing says who reads"
        hint = (
            "name the proxy that says it (--trust ADDRESS), let readers sign in (--sign-in FILE), or stay on loopback"
        )
        raise UsageError(message, hint=hint)
    if signs_in and not place.is_secure:
        hint = "write --certificate FILE --key FILE, or serve on loopback behind a proxy that has them"
        raise UsageError(f"--host {place.host} would send what readers sign in with in the clear", hint=hint)


def refuse_certificate(place: ServerPlace) -> None:
    """Refuse a certificate and a key that no server could use.

    Raises:
        UsageError: one cannot be read, they do not belong together, or the key is locked by a password.
    """
    if place.certificate is None or place.key is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(place.certificate, place.key, password=lambda: "")
    except (OSError, ValueError) as error:
        why = (error.strerror if isinstance(error, OSError) else "") or "they do not belong together"
        hint = "write PEM files: the certificate with those that signed it, and its key without a password"
        raise UsageError(f"{place.certificate} and {place.key} cannot be used: {why}", hint=hint) from None


def listen(place: ServerPlace) -> socket.socket:
    """The socket.

    Raises:
        UsageError: the address is not this machine's, or the port is taken.
    """
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((place.host, place.port))
    except OSError as error:
        listener.close()
        hint = "choose another port with --port, or end what listens there"
        raise UsageError(
            f"{place.host} port {place.port} cannot be listened on: {error.strerror}", hint=hint
        ) from error
    return listener


def names_of(place: ServerPlace, port: int) -> tuple[str, ...]:
    """The hosts by which readers may call the server, each with its port and, on the scheme's own port, without."""
    usual = 443 if place.is_secure else 80
    own = [*_LOOPBACK_NAMES] if place.is_loopback else [f"[{place.host}]" if ":" in place.host else place.host]
    with_port = [f"{name}:{port}" for name in own]
    return (*with_port, *(own if port == usual else ()), *place.names)


def address_of(place: ServerPlace, port: int) -> str:
    """The address that a person opens."""
    host = f"[{place.host}]" if ":" in place.host else place.host
    return f"{'https' if place.is_secure else 'http'}://{host}:{port}/"


def make_server(served: ServedPages, place: ServerPlace, ready: Callable[[], None]) -> uvicorn.Server:
    """A server that is run with its socket.

    Args:
        served: what is served.
        place: where.
        ready: called when requests are answered.
    """
    config = uvicorn.Config(
        make_app(served),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        lifespan="on",
        h11_max_incomplete_event_size=_SMALL,
        limit_concurrency=_MOST_AT_ONCE,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=2,
        ssl_certfile=str(place.certificate) if place.certificate else None,
        ssl_keyfile=str(place.key) if place.key else None,
    )
    return _Server(config, ready)


class _Server(uvicorn.Server):
    """Says when it answers."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()
