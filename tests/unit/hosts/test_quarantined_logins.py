"""A refused login is tried once by a client that answers a fresh challenge, which MediaMTX does not."""

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
from tests.hostile import CAMERA
from tests.lab.patience import stretched

NAME = "hn/kcl-001/cam-01/sub"


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


def source_of(at: tuple[str, int]) -> str:
    return f"rtsp://u:p%40ss@{at[0]}:{at[1]}/Streaming/Channels/102?a=b"


def login_of(at: tuple[str, int]) -> str:
    return f"u:p%40ss@{at[0]}:{at[1]}"


def tried(at: tuple[str, int]) -> bool:
    return device_probe.try_logins({login_of(at): source_of(at)}) == {login_of(at)}


@pytest.fixture(autouse=True)
def relay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What writes MediaMTX's file with one path, quarantined if there is a time."""
    monkeypatch.setattr(paths, "MEDIAMTX_FILE", tmp_path / "mediamtx.yml")
    monkeypatch.setattr(device_probe, "LOGINS_TAKEN", tmp_path / "logins-taken")
    # Time for a busy machine.
    monkeypatch.setattr(device_probe, "_TRY_S", 10.0)

    def write(at: tuple[str, int], since: str = "") -> None:
        mark = f"# quarantined {since}:" if since else ""
        paths.MEDIAMTX_FILE.write_text(f'paths:\n{mark}  "{NAME}": {json.dumps({"source": source_of(at)})}\n')

    return write


@CAMERA
@pytest.mark.parametrize(
    ("way", "takes"),
    [
        ("takes", True),
        ("stale", True),
        ("stale at once", True),
        ("forbids", True),
        ("redirects", False),
        ("refuses", False),
        ("silent", False),
    ],
)
def test_only_a_refused_proof_of_a_fresh_challenge_is_a_wrong_password(relay: Any, way: str, takes: bool) -> None:  # noqa: FBT001
    with device(way) as (at, logins):
        relay(at)
        assert tried(at) is takes
        assert len(logins) == 1
        assert 'username="u"' in logins[0]
        assert "p@ss" not in logins[0]
        # A look at the path tells it, and sends no login for it.
        assert device_probe.logins_taken({NAME}) == ([{"address": at[0], "port": at[1]}] if takes else [])
        assert len(logins) == 1
        assert device_probe.logins_taken(set()) == []


def test_what_a_device_took_is_of_that_login_alone_and_of_no_quarantined_path(relay: Any) -> None:
    with device("takes") as (at, _):
        relay(at)
        assert tried(at)
        relay(at, "2021-05-09T03:00:00Z")
        assert device_probe.logins_taken({NAME}) == []
        relay(at)
        text = paths.MEDIAMTX_FILE.read_text()
        paths.MEDIAMTX_FILE.write_text(text.replace("p%40ss", "another"))
        assert device_probe.logins_taken({NAME}) == []
    # No password is kept.
    assert all(b"p%40ss" not in file.read_bytes() for file in (paths.MEDIAMTX_FILE.parent / "logins-taken").iterdir())


def test_a_device_that_does_not_answer_holds_nobody_up_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_probe, "_TRY_S", 0.2)
    with device("silent") as (at, _):
        began = monotonic()
        assert not tried(at)
        assert monotonic() - began < stretched(2)
    assert not tried(at)
    assert device_probe.try_logins({"u:p@x:y": "rtsp://u:p@x:y/s", "u:p@x": "rtsps://u:p@x/s"}) == set()
