"""The endpoint of metrics and webhooks, for whoever comes slowly or often."""

import http.client
import socket
import threading
import time
from contextlib import ExitStack

import pytest

from provisioner.operations.watch import endpoint
from provisioner.operations.watch.endpoint import served
from tests.hostile import LOCAL_USER

HOME = "127.0.0.1"
PATIENCE_S = 30.0


def status(port: int) -> int:
    connection = http.client.HTTPConnection(HOME, port, timeout=PATIENCE_S)
    connection.request("GET", "/metrics")
    answer = connection.getresponse().status
    connection.close()
    return answer


@LOCAL_USER
def test_who_sends_a_byte_at_a_time_is_hung_up_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(endpoint, "_LONGEST_REQUEST_S", 0.5)
    with served((HOME, 0), tuple) as port, socket.create_connection((HOME, port), timeout=0.05) as slow:
        slow.sendall(b"POST /hook HTTP/1.1\r\nContent-Length: 1000\r\nX-Slow: ")
        until = time.monotonic() + PATIENCE_S
        is_open = True
        while is_open and time.monotonic() < until:
            try:
                slow.sendall(b"a")
                is_open = slow.recv(100) != b""
            except TimeoutError:
                continue
            except OSError:
                is_open = False
        assert not is_open
        assert status(port) == 200
    assert "Traceback" not in capsys.readouterr().err


@LOCAL_USER
@pytest.mark.parametrize("said", [b"", b"GET /met", b"POST /hook HTTP/1.1\r\nContent-Length: 1000\r\n\r\n"])
def test_any_number_of_silent_connections_keeps_nobody_out(said: bytes) -> None:
    with served((HOME, 0), tuple) as port, ExitStack() as stack:
        for _ in range(60):
            one = stack.enter_context(socket.create_connection((HOME, port), timeout=PATIENCE_S))
            one.sendall(said)
        assert status(port) == 200
        begun = time.monotonic()
        assert status(port) == 200
        # Who waited for them would wait until they are ended.
        assert time.monotonic() - begun < endpoint._LONGEST_REQUEST_S / 2  # noqa: SLF001 (its bound)


@LOCAL_USER
def test_of_many_requests_at_once_only_so_many_are_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "_MOST_AT_ONCE", 2)
    working, over = threading.Semaphore(0), threading.Event()

    def families() -> tuple[()]:
        working.release()
        over.wait(PATIENCE_S)
        return ()

    with served((HOME, 0), families) as port:
        many = [socket.create_connection((HOME, port), timeout=PATIENCE_S) for _ in range(2)]
        for one in many:
            one.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost:1\r\n\r\n")
            assert working.acquire(timeout=PATIENCE_S)
        with socket.create_connection((HOME, port), timeout=PATIENCE_S) as beyond:
            assert beyond.recv(1) == b""
        over.set()
        for one in many:
            assert b" 200 " in one.recv(100)
            one.close()
