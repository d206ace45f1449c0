"""A quarantined login is tried once, by whoever answers a fresh challenge: what MediaMTX does not, and how often."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from provisioner_host.look import device_probe
from provisioner_host.machine import paths
from provisioner_host.relay import quarantine
from tests.hostile import CAMERA

NAME, SINCE, KEY = "hn/kcl-001/cam-01/sub", "2021-05-09T03:00:00Z", "key"


@contextmanager
def device(way: str) -> Iterator[tuple[tuple[str, int], list[str]]]:
    """A device that asks for a login, and what it does with one; its second part are the logins that came."""
    logins: list[str] = []

    class Device(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while request := self.rfile.readline():
                fields = {}
                while (line := self.rfile.readline().decode()).strip():
                    name, _, value = line.partition(":")
                    fields[name.lower()] = value.strip()
                self.wfile.write(self._answer(request.decode(), fields))

        def _answer(self, _request: str, fields: dict[str, str]) -> bytes:
            login = fields.get("authorization", "")
            if login:
                logins.append(login)
            if way == "silent" and login:
                return b""
            status = (
                {"takes": "200 OK", "forbids": "403 No", "redirects": "302 Found"}.get(way, "401 No")
                if login
                else "401 No"
            )
            stale = ', stale="TRUE"' if (way == "stale" and login) or way == "stale at once" else ""
            head = [
                f"RTSP/1.0 {status}",
                f"CSeq: {fields['cseq']}",
                "Content-Length: 0",
                "Location: rtsp://192.0.2.1/x",
            ]
            challenge = f'WWW-Authenticate: Digest realm="r", nonce="n{len(logins)}"{stale}'
            return "\r\n".join([*head, *([challenge] if status.startswith("401") else []), "", ""]).encode()

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = daemon_threads = True

    with Server(("127.0.0.1", 0), Device) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield ("127.0.0.1", server.server_address[1]), logins
        finally:
            server.shutdown()


def taken(at: tuple[str, int], answering: bool = True) -> list[Any]:  # noqa: FBT001, FBT002
    path: Any = {"name": NAME, "address": at[0], "port": at[1], "on_demand": False}
    return device_probe.logins_taken({NAME: path}, {at} if answering else set(), KEY, monotonic() + 5)


@pytest.fixture
def relay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What writes MediaMTX's file with one quarantined path."""
    monkeypatch.setattr(paths, "MEDIAMTX_FILE", tmp_path / "mediamtx.yml")
    monkeypatch.setattr(device_probe, "LOGINS_TRIED", tmp_path / "logins-tried.json")

    def write(at: tuple[str, int], since: str = SINCE) -> None:
        source = json.dumps({"source": f"rtsp://u:p%40ss@{at[0]}:{at[1]}/Streaming/Channels/102?a=b"})
        paths.MEDIAMTX_FILE.write_text(f'paths:\n# quarantined {since}:  "{NAME}": {source}\n')

    return write


@CAMERA
@pytest.mark.parametrize(
    ("way", "takes"),
    [
        ("takes", True),
        ("stale", True),
        ("stale at once", True),
        ("forbids", True),
        ("redirects", True),
        ("refuses", False),
        ("silent", False),
    ],
)
def test_only_a_refused_proof_of_a_fresh_challenge_is_a_wrong_password(relay: Any, way: str, takes: bool) -> None:  # noqa: FBT001
    with device(way) as (at, logins):
        relay(at)
        assert quarantine.names() == [NAME]
        expected = [{"address": at[0], "port": at[1]}] if takes else []
        assert taken(at) == expected
        assert len(logins) == 1
        assert 'username="u"' in logins[0]
        assert "p@ss" not in logins[0]
        # The answer is remembered, and no login is sent twice for one quarantine.
        assert taken(at) == expected
        assert len(logins) == 1
        relay(at, "2021-05-10T03:00:00Z")
        assert taken(at) == expected
        assert len(logins) == 2


def test_a_device_that_does_not_answer_or_is_another_one_gets_no_login(relay: Any) -> None:
    with device("takes") as (at, logins), device("takes") as (other, others):
        relay(at)
        assert taken(at, answering=False) == []
        assert taken(other) == []
        assert (logins, others) == ([], [])


def test_without_a_memory_no_login_is_sent(relay: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(device_probe, "LOGINS_TRIED", tmp_path / "file" / "logins-tried.json")
    with device("takes") as (at, logins):
        relay(at)
        assert taken(at) == []
        assert logins == []
