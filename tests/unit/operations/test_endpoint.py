"""The endpoint of metrics and webhooks, for whoever comes slowly or often."""

from __future__ import annotations

import http.client
import socket
import time

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
def test_of_many_that_come_at_once_only_so_many_are_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "_MOST_AT_ONCE", 2)
    with served((HOME, 0), tuple) as port:
        many = [socket.create_connection((HOME, port), timeout=PATIENCE_S) for _ in range(2)]
        with socket.create_connection((HOME, port), timeout=PATIENCE_S) as beyond:
            assert beyond.recv(1) == b""
        for one in many:
            one.close()
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            try:
                assert status(port) == 200
            except OSError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError("nobody is heard any more")
