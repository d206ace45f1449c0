"""Clients that are silent, slow or many keep no reader out; real sockets on loopback, each source its own address."""

import http.client
import resource
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from provisioner.web import server
from provisioner.web.readers import read_trusted_networks
from provisioner.web.server import ServerAddress
from tests.hostile import VIEWER
from tests.unit.web.clients import listening
from tests.unit.web.test_serve_command import self_signed

HOME, READER, STRANGER = "127.0.0.1", "127.0.0.2", "127.0.0.3"
PATIENCE_S = 60.0
#: Who waited for silent connections would wait until the server ends them.
SOON_S = server._REQUEST_S / 2  # noqa: SLF001 (its bound)
REQUEST = b"GET /en/ HTTP/1.1\r\nHost: localhost:%d\r\n"


@pytest.fixture(autouse=True)
def _descriptors() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard if hard < 8192 else max(soft, 8192), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def connected(port: int, source: str = STRANGER) -> socket.socket:
    return socket.create_connection((HOME, port), timeout=PATIENCE_S, source_address=(source, 0))


@contextmanager
def silent(port: int, number: int) -> Iterator[None]:
    """So many connections of one address that say nothing, all of which the server has met."""
    with ExitStack() as stack:
        for _ in range(number):
            stack.enter_context(connected(port))
        status(port)
        yield


def status(port: int, source: str = READER, trust: ssl.SSLContext | None = None) -> int:
    """What a page is answered to somebody who connects now."""
    place = (source, 0)
    connection = (
        http.client.HTTPSConnection(HOME, port, timeout=PATIENCE_S, source_address=place, context=trust)
        if trust
        else http.client.HTTPConnection(HOME, port, timeout=PATIENCE_S, source_address=place)
    )
    try:
        connection.request("GET", "/en/")
        return connection.getresponse().status
    finally:
        connection.close()


def in_time(ask: Callable[[], int]) -> tuple[int, bool]:
    """The answer, and whether it came soon."""
    begun = time.monotonic()
    return ask(), time.monotonic() - begun < SOON_S


@VIEWER
@pytest.mark.parametrize("number", [450, 2000])
def test_silent_connections_keep_no_reader_out(number: int) -> None:
    with listening() as port, silent(port, number):
        assert in_time(lambda: status(port)) == (200, True)
        assert in_time(lambda: status(port, STRANGER)) == (200, True), "nor one of the same address"


@VIEWER
def test_handshakes_that_nobody_goes_on_with_keep_no_reader_out(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    trust = ssl.create_default_context(cafile=certificate)
    with listening(ServerAddress(port=0, certificate=certificate, key=key)) as port, ExitStack() as stack:
        for _ in range(450):
            stack.enter_context(connected(port))
        status(port, trust=trust)
        assert in_time(lambda: status(port, trust=trust)) == (200, True)


@VIEWER
def test_a_burst_of_handshakes_is_cut_to_so_many_a_second(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    trust, hello = ssl.create_default_context(cafile=certificate), ssl.MemoryBIO()
    with suppress(ssl.SSLWantReadError):
        trust.wrap_bio(ssl.MemoryBIO(), hello, server_hostname=HOME).do_handshake()
    recorded, answered = hello.read(), 0
    with listening(ServerAddress(port=0, certificate=certificate, key=key)) as port:
        begun = time.monotonic()
        for _ in range(300):
            with connected(port) as one, suppress(OSError):
                one.sendall(recorded)
                answered += bool(one.recv(1))
        seconds = time.monotonic() - begun
        assert in_time(lambda: status(port, trust=trust)) == (200, True)
    # The server's seconds begin when it likes.
    assert answered <= server._MOST_HANDSHAKES * (seconds + 2)  # noqa: SLF001 (its bound)


@VIEWER
def test_many_connections_of_one_address_push_out_none_of_another() -> None:
    with listening() as port:
        kept = http.client.HTTPConnection(HOME, port, timeout=PATIENCE_S, source_address=(READER, 0))
        kept.request("GET", "/en/")
        kept.getresponse().read()
        place = kept.sock.getsockname()
        with silent(port, 450):
            kept.request("GET", "/en/")
            assert kept.getresponse().status == 200
            assert kept.sock.getsockname() == place, "over the same connection"
        kept.close()


@VIEWER
@pytest.mark.parametrize("is_proxy", [False, True], ids=["stranger", "proxy"])
def test_an_address_has_its_share_and_a_proxy_that_of_all(monkeypatch: pytest.MonkeyPatch, *, is_proxy: bool) -> None:
    monkeypatch.setattr(server, "_MOST_OF_SOURCE", 3)
    monkeypatch.setattr(server, "_MOST_AT_ONCE", 6)
    place = ServerAddress(port=0, proxies=read_trusted_networks([STRANGER]) if is_proxy else ())
    with listening(place) as port, ExitStack() as stack:
        for number in range(7):
            one = stack.enter_context(connected(port))
            one.sendall(b"GET /events HTTP/1.1\r\nHost: localhost:%d\r\n\r\n" % port)
            try:
                answer = one.recv(12)
            except ConnectionError:
                answer = b""
            assert (answer == b"HTTP/1.1 200") == (number < (6 if is_proxy else 3))
        if not is_proxy:
            assert status(port) == 200


def _nothing(_: int) -> Iterator[bytes]:
    while True:
        yield b""


def _header(port: int) -> Iterator[bytes]:
    yield REQUEST % port + b"X-Slow: "
    while True:
        yield b"a"


def _body(port: int) -> Iterator[bytes]:
    yield REQUEST % port + b"Content-Length: 100000\r\n\r\n"
    while True:
        yield b"a"


def _next_request(port: int) -> Iterator[bytes]:
    yield REQUEST % port + b"\r\nG"
    yield b"ET "
    while True:
        yield b"a"


def _blank_lines(port: int) -> Iterator[bytes]:
    yield REQUEST % port + b"\r\n"
    while True:
        yield b"\r\n"


@VIEWER
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("said", [_nothing, _header, _body, _next_request, _blank_lines])
def test_who_is_slow_with_a_request_is_hung_up_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, said: Callable[[int], Iterator[bytes]], *, tls: bool
) -> None:
    monkeypatch.setattr(server, "_REQUEST_S", 1.0)
    certificate, key = self_signed(tmp_path)
    place = ServerAddress(port=0, certificate=certificate, key=key) if tls else ServerAddress(port=0)
    trust = ssl.create_default_context(cafile=certificate)
    with listening(place) as port:
        plain = connected(port)
        with trust.wrap_socket(plain, server_hostname=HOME) if tls else plain as one:
            assert is_hung_up_on(one, said(port))


@VIEWER
@pytest.mark.parametrize("begin", [b"", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"], ids=["silent", "a hello"])
def test_a_slow_handshake_is_hung_up_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, begin: bytes) -> None:
    monkeypatch.setattr(server, "_REQUEST_S", 1.0)
    certificate, key = self_signed(tmp_path)

    def said() -> Iterator[bytes]:
        yield begin
        while True:
            yield b"a" if begin else b""

    with listening(ServerAddress(port=0, certificate=certificate, key=key)) as port, connected(port) as one:
        assert is_hung_up_on(one, said())


def is_hung_up_on(one: socket.socket, said: Iterator[bytes]) -> bool:
    """Whether a client that goes on saying something is hung up on at last."""
    one.settimeout(0.05)
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        try:
            one.sendall(next(said))
            if one.recv(65536) == b"":
                return True
        except TimeoutError:
            continue
        except OSError:
            return True
    return False


@VIEWER
@pytest.mark.parametrize("bound", ["_STALLED_S", "_ANSWER_S"])
def test_who_takes_no_answer_is_hung_up_on(monkeypatch: pytest.MonkeyPatch, bound: str) -> None:
    monkeypatch.setattr(server, bound, 1.0)
    with listening() as port, socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.settimeout(0.05)
        one.connect((HOME, port))
        asset = b"GET /assets/page.css HTTP/1.1\r\nHost: localhost:%d\r\n\r\n" % port
        until, error = time.monotonic() + PATIENCE_S, 0
        while not error and time.monotonic() < until:
            try:
                one.send(asset)
            except TimeoutError:
                pass
            except OSError as failed:
                error = failed.errno or -1
            error = error or one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        assert error


@VIEWER
def test_who_takes_an_answer_slowly_makes_place_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_MOST_OF_SOURCE", 3)
    with listening() as port, ExitStack() as stack:
        asset = b"GET /assets/page.css HTTP/1.1\r\nHost: localhost:%d\r\n\r\n" % port
        for _ in range(3):
            one = stack.enter_context(socket.socket())
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            one.settimeout(1)
            one.bind((STRANGER, 0))
            one.connect((HOME, port))
            with pytest.raises(TimeoutError):
                one.sendall(asset * 100_000)
        until, answer = time.monotonic() + PATIENCE_S, 0
        while answer != 200 and time.monotonic() < until:
            with suppress(ConnectionError):  # the server has not seen yet that the others are slow
                answer = status(port, STRANGER)
        assert answer == 200


@VIEWER
@pytest.mark.parametrize("is_proxy", [True, False])
def test_a_proxy_of_ipv6_is_bounded_by_the_whole_alone(monkeypatch: pytest.MonkeyPatch, *, is_proxy: bool) -> None:
    monkeypatch.setattr(server, "_MOST_OF_SOURCE", 3)
    place = ServerAddress(host="::1", port=0, proxies=server.LOOPBACK if is_proxy else ())
    with listening(place) as port, ExitStack() as stack:
        answers = []
        for _ in range(6):
            one = stack.enter_context(socket.create_connection(("::1", port), timeout=PATIENCE_S))
            with suppress(ConnectionError):
                one.sendall(b"GET /events HTTP/1.1\r\nHost: localhost:%d\r\n\r\n" % port)
                answers.append(one.recv(12))
        assert answers.count(b"HTTP/1.1 200") == (6 if is_proxy else 3)


@VIEWER
def test_a_client_that_closes_its_half_is_gone() -> None:
    with listening() as port, connected(port) as one:
        one.sendall(REQUEST % port)
        one.shutdown(socket.SHUT_WR)
        assert one.recv(1) == b""


@VIEWER
def test_headers_without_an_end_are_refused() -> None:
    with listening() as port, connected(port) as one:
        one.sendall(REQUEST % port + b"X-Long: " + b"a" * 64 * 1024)
        assert one.recv(12) == b"HTTP/1.1 400"


def test_an_open_page_is_not_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_REQUEST_S", 1.0)
    with listening() as port, connected(port) as one:
        one.sendall(b"GET /events HTTP/1.1\r\nHost: localhost:%d\r\n\r\n" % port)
        received = b""
        while not received.endswith(b"\n\n\r\n"):
            received += one.recv(1)
        one.settimeout(3)
        with pytest.raises(TimeoutError):
            one.recv(4096)


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_a_host_of_ipv6_is_one_source_with_all_its_addresses(address: str, source: str) -> None:
    assert server.source_of(server.address_in(address)) == source
