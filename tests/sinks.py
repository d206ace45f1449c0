"""Where notices end in tests: a web server and a mail server on this machine, as kind or as unkind as a test wants."""

import datetime as dt
import ipaddress
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass
class Taken:
    """One request that a web sink took."""

    path: str
    headers: dict[str, str]
    body: bytes


Answer = Callable[[BaseHTTPRequestHandler], None]


def status(number: int, **headers: str) -> Answer:
    """Answer with a number."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(number)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def hang(handler: BaseHTTPRequestHandler) -> None:
    """Say nothing until the other end is gone."""
    with suppress(OSError):
        handler.connection.recv(1)


def drip(handler: BaseHTTPRequestHandler) -> None:
    """Send a header that never ends, a byte at a time: no time-out of a socket ever comes."""
    with suppress(OSError):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while True:
            handler.wfile.write(b"x")
            handler.wfile.flush()
            handler.server.stopping.wait(0.05)  # type: ignore[attr-defined]
            if handler.server.stopping.is_set():  # type: ignore[attr-defined]
                return


def go_on(handler: BaseHTTPRequestHandler) -> None:
    """Say again and again that more comes, without a pause."""
    with suppress(OSError):
        while not handler.server.stopping.is_set():  # type: ignore[attr-defined]
            handler.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


def drip_body(handler: BaseHTTPRequestHandler) -> None:
    """Send a body that never ends, a byte at a time."""
    with suppress(OSError):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not handler.server.stopping.wait(0.05):  # type: ignore[attr-defined]
            handler.wfile.write(b"x")


def flood(handler: BaseHTTPRequestHandler) -> None:
    """Answer with more than anybody wants to read."""
    handler.send_response(200)
    handler.end_headers()
    with suppress(OSError):
        for _ in range(4_000):
            handler.wfile.write(b"x" * 65_536)
            handler.server.sent += 65_536  # type: ignore[attr-defined]


def flood_elsewhere(handler: BaseHTTPRequestHandler) -> None:
    """Lead elsewhere, with more than anybody wants to read."""
    handler.send_response(307)
    handler.send_header("Location", "/elsewhere")
    handler.end_headers()
    with suppress(OSError):
        for _ in range(4_000):
            handler.wfile.write(b"x" * 65_536)
            handler.server.sent += 65_536  # type: ignore[attr-defined]


def garbage(handler: BaseHTTPRequestHandler) -> None:
    """Speak no HTTP."""
    handler.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n")


class WebSink:
    """A web server that keeps what it takes, and answers as it was told; the last answer is given again and again."""

    def __init__(self, *answers: Answer, tls: ssl.SSLContext | None = None) -> None:
        self.taken: list[Taken] = []
        self.answers = list(answers) or [status(200)]
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                sink.taken.append(Taken(self.path, dict(self.headers), body))
                answer = sink.answers.pop(0) if sink.answers[1:] else sink.answers[0]
                answer(self)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the library's own word)
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._server.stopping = threading.Event()  # type: ignore[attr-defined]
        self._server.sent = 0  # type: ignore[attr-defined]
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Its port."""
        return int(self._server.server_address[1])

    @property
    def sent(self) -> int:
        """How many bytes of a flood were sent."""
        return int(self._server.sent)  # type: ignore[attr-defined]

    def url(self, path: str = "/hook", scheme: str = "http") -> str:
        """Its address."""
        return f"{scheme}://127.0.0.1:{self.port}{path}"

    def close(self) -> None:
        """Stop."""
        self._server.stopping.set()  # type: ignore[attr-defined]
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def web_sink(*answers: Answer, tls: ssl.SSLContext | None = None) -> Iterator[WebSink]:
    """A web server while it is needed."""
    sink = WebSink(*answers, tls=tls)
    try:
        yield sink
    finally:
        sink.close()


# --- mail -----------------------------------------------------------------------------------------
@dataclass
class MailSink:
    """A mail server that keeps what it takes."""

    later: set[str] = field(default_factory=set)  #: Addresses that it takes from the second time on.
    mails: list[EmailMessage] = field(default_factory=list)
    envelopes: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)
    refused: frozenset[str] = frozenset()  #: Addresses that it does not take.
    port: int = 0
    quits: int = 0  #: How many clients said goodbye.

    async def handle_QUIT(self, _server: SMTP, _session: Session, _envelope: Envelope) -> str:  # noqa: N802
        """Take a goodbye."""
        self.quits += 1
        return "221 Bye"

    async def handle_RCPT(  # noqa: N802 (the library's own word)
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Take an address, or not."""
        if address in self.refused:
            return f"550 {address} canary-of-the-server is nobody here"
        if address in self.later:
            self.later.remove(address)
            return "450 4.2.0 come again"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Take a mail."""
        content = envelope.content if isinstance(envelope.content, bytes) else (envelope.content or "").encode()
        parsed = BytesParser(policy=default).parsebytes(content)
        assert isinstance(parsed, EmailMessage)
        self.mails.append(parsed)
        self.envelopes.append((str(envelope.mail_from), tuple(envelope.rcpt_tos)))
        return "250 OK"


@contextmanager
def mail_sink(
    *,
    refused: frozenset[str] = frozenset(),
    login: tuple[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
    implicit: bool = False,
) -> Iterator[MailSink]:
    """A mail server while it is needed.

    Args:
        refused: addresses that it does not take.
        login: the name and password that it asks for.
        tls: its certificate; for STARTTLS, which it asks for then, or from the first byte.
        implicit: whether it is from the first byte.
    """
    sink = MailSink(refused=refused)

    def authenticate(_server: object, _session: object, _envelope: object, _mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        sink.logins.append((data.login.decode(), data.password.decode()))
        return AuthResult(success=sink.logins[-1] == login, handled=False)

    options: dict[str, Any] = {"hostname": "127.0.0.1", "port": 0, "ready_timeout": 60.0}
    if implicit:
        options["ssl_context"] = tls
    else:
        options |= {"tls_context": tls, "require_starttls": tls is not None}
    if login:
        options |= {
            "authenticator": authenticate,
            "auth_required": not implicit,
            "auth_require_tls": tls is not None and not implicit,
        }
    controller = _OnAFreePort(sink, **options)
    controller.start()
    assert controller.server is not None
    sink.port = controller.port
    try:
        yield sink
    finally:
        controller.stop()


class _OnAFreePort(Controller):
    """A server on a port that is free: the library asks its own port whether it is there before it knows it."""

    def _trigger_server(self) -> None:
        assert self.server is not None
        self.port = int(self.server.sockets[0].getsockname()[1])  # type: ignore[attr-defined]
        super()._trigger_server()  # type: ignore[no-untyped-call]


# --- certificates ---------------------------------------------------------------------------------
@dataclass(frozen=True)
class Certified:
    """A server's certificate, and the file with the authority that made it."""

    server: ssl.SSLContext
    authority: Path


def certified(folder: Path) -> Certified:
    """A certificate for this machine, by an authority of its own."""
    key, moment = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sink")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - dt.timedelta(days=1))
        .not_valid_after(moment + dt.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file, authority = folder / "server.pem", folder / "authority.pem"
    public = certificate.public_bytes(serialization.Encoding.PEM)
    plain, form = serialization.NoEncryption(), serialization.PrivateFormat.PKCS8
    file.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain) + public)
    authority.write_bytes(public)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return Certified(context, authority)
