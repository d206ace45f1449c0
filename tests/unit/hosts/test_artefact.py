"""MediaMTX's program is taken from where the inventory says, and only with the right checksum."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from provisioner.base.errors import HostError
from provisioner.hosts.artefact import fetch
from provisioner.inventory.model import MediamtxArtefact

PROGRAM = b"#!/bin/sh\necho v1.20.1\n"
DIGEST = hashlib.sha256(PROGRAM).hexdigest()


class Mirror(BaseHTTPRequestHandler):
    """A mirror that has one file."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        there = self.path == "/mediamtx-1.20.1-amd64"
        self.send_response(200 if there else 404)
        self.end_headers()
        self.wfile.write(PROGRAM if there else b"")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's own word)
        """Say nothing."""


@pytest.fixture
def mirror() -> Iterator[str]:
    Mirror.asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Mirror) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/mediamtx-{{version}}-{{arch}}"
        server.shutdown()
        thread.join()


def artefact(source: str, digest: str = DIGEST) -> MediamtxArtefact:
    return MediamtxArtefact(version="1.20.1", source=source, sha256={"amd64": digest})


def environment(tmp_path: Path) -> dict[str, str]:
    return {"XDG_CACHE_HOME": str(tmp_path / "cache")}


def test_a_mirror_is_asked_once_and_then_the_cache_has_it(mirror: str, tmp_path: Path) -> None:
    for _ in range(2):
        path = fetch(artefact(mirror), "amd64", tmp_path, environment(tmp_path))
        assert path.read_bytes() == PROGRAM
    assert Mirror.asked == ["/mediamtx-1.20.1-amd64"]


def test_a_file_of_another_checksum_is_refused_and_not_kept(mirror: str, tmp_path: Path) -> None:
    with pytest.raises(HostError, match=f"is {DIGEST}, the inventory says {'0' * 64}") as caught:
        fetch(artefact(mirror, "0" * 64), "amd64", tmp_path, environment(tmp_path))
    assert caught.value.exit_code == 5
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_a_cache_that_was_tampered_with_is_refused(mirror: str, tmp_path: Path) -> None:
    fetch(artefact(mirror), "amd64", tmp_path, environment(tmp_path)).write_bytes(b"something else")
    with pytest.raises(HostError, match="checksum"):
        fetch(artefact(mirror), "amd64", tmp_path, environment(tmp_path))


def test_a_mirror_without_the_file_names_the_address_and_the_way_out(mirror: str, tmp_path: Path) -> None:
    with pytest.raises(HostError, match="nothing-there cannot be had") as caught:
        fetch(
            artefact(mirror.replace("mediamtx-{version}-{arch}", "nothing-there")),
            "amd64",
            tmp_path,
            environment(tmp_path),
        )
    assert "mediamtx.source" in caught.value.hint


def test_a_relative_file_is_from_the_inventory(tmp_path: Path) -> None:
    (tmp_path / "relay").write_bytes(PROGRAM)
    assert fetch(artefact("file:relay"), "amd64", tmp_path, {}) == tmp_path / "relay"


def test_an_architecture_without_a_checksum_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HostError, match=r"no checksum of MediaMTX 1\.20\.1 for arm64") as caught:
        fetch(artefact("file:relay"), "arm64", tmp_path, {})
    assert caught.value.hint == "add it to inventory.yml at mediamtx.sha256.arm64"
