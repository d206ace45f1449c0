"""A remote that means harm: it leads elsewhere, or keeps who asked waiting."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from provisioner.base import git_remote
from provisioner.base.errors import NoticeError
from provisioner.base.git_remote import RemoteAccess, fetch_branch, open_clone
from provisioner.base.secret import Secret
from tests.hostile import MERGE_REQUEST

REFERENCE = "refs/provisioner/agent/tip"
SLOW_S = 60.0  #: No test waits for so long, but on a machine that is at its end.


@dataclass
class RawServer:
    """One that answers every connection with the same bytes."""

    port: int  #: On which it listens.
    asked: list[bytes] = field(default_factory=list)  #: The beginning of each request.
    ended: threading.Event = field(default_factory=threading.Event)  #: Set once whoever asked has hung up.


@contextmanager
def answering(answer: bytes, *, hangs: bool = False) -> Iterator[RawServer]:
    """Serve; where it hangs, a connection is kept open until whoever asked hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = RawServer(listening.getsockname()[1])

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    connection.settimeout(SLOW_S)
                    server.asked.append(connection.recv(4096))
                    connection.sendall(answer)
                    while hangs and connection.recv(4096):
                        pass
                    server.ended.set()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(SLOW_S)


def fetch(folder: Path, port: int) -> str:
    clone = open_clone(folder / "clone", f"http://127.0.0.1:{port}/noc.git")
    access = RemoteAccess(authorization=Secret("Basic bm9jOnNlY3JldA=="))
    with pytest.raises(NoticeError) as caught:
        fetch_branch(clone, access, "main", REFERENCE)
    return caught.value.message


@MERGE_REQUEST
def test_a_remote_that_leads_to_another_is_not_followed_there(tmp_path: Path) -> None:
    with answering(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n") as other:
        place = f"http://localhost:{other.port}/noc.git/info/refs?service=git-upload-pack"
        head = f"HTTP/1.1 302 Found\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n"
        with answering(head.encode()) as named:
            fetch(tmp_path, named.port)
            assert named.asked
        assert not other.asked


@MERGE_REQUEST
def test_nothing_that_asks_a_remote_outlives_the_question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(git_remote, "_TIMEOUT_S", 2)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\n\r\n"
    with answering(head, hangs=True) as server:
        assert "did not answer git within" in fetch(tmp_path, server.port)
        assert server.ended.wait(SLOW_S / 6)


@MERGE_REQUEST
def test_a_file_of_logins_at_home_is_not_read() -> None:
    """Without a home in the environment Git's HTTP takes the user's, as the machine's list of users has it."""
    assert not Path(RemoteAccess().environment["HOME"]).exists()
