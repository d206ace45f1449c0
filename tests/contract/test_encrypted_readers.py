"""Readers whose connections are encrypted: what MediaMTX does with certificates, and our readers over RTSPS."""

from __future__ import annotations

import hashlib
import socket
import ssl
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Final

import pytest

from provisioner.base.certificate import new_certificate_key, read_certificate, self_signed, server_file
from provisioner_host.look.picture_look import PictureLook
from provisioner_host.look.rtsp_talk import Login
from provisioner_host.relay import pinned_tls, sessions
from provisioner_host.relay import relay as host_relay
from tests.hostile import RELAY, VIEWER
from tests.looks import read
from tests.processes import free_port

from .reader import HeldReader, describe
from .relay import API_PASSWORD, LATE, READER, READER_PASSWORD, WRITE_GAP, wait_for
from .test_revoked_sessions import line, users

if TYPE_CHECKING:
    from pathlib import Path

    from provisioner_host.wire import LookToTake

    from .camera import CameraYard
    from .conftest import StartRelay
    from .relay import Document, Relay

pytestmark = [pytest.mark.contract, pytest.mark.usefixtures("ffmpeg")]

PATH: Final = "hn/site-a/cam-1/sub"
PATIENT: Final = 15 + LATE
LOOK: Final[LookToTake] = {"seconds": 2.0, "most_s": 8.0, "keys": 2, "every": True}


class Server:
    """A relay with a certificate, and where its files are."""

    def __init__(self, start_relay: StartRelay, yard: CameraYard, folder: Path, **settings: object) -> None:
        self.file, self.port, self._written_at = folder / "readers.pem", free_port(), 0.0
        self.fingerprint = self.renew()
        source = {"source": f"rtsp://127.0.0.1:{yard.camera().port}/s"}
        own: Document = {"rtspEncryption": "optional", "rtspsAddress": f"127.0.0.1:{self.port}"}
        own |= {"rtspServerKey": str(self.file), "rtspServerCert": str(self.file)}
        self.relay: Relay = start_relay({PATH: source}, **(own | settings))
        wait_for(lambda: self.relay.path(PATH)["available"])

    def renew(self, days: int = 30) -> str:
        """Another key and certificate in the place of those that are there, as a host writes them: its fingerprint."""
        key = new_certificate_key()
        since = datetime.now(UTC) - timedelta(days=60)
        certificate = self_signed(key, "relay-1", IPv4Address("127.0.0.1"), since, 60 + days)
        self.write(server_file(key, [certificate]).reveal())
        return read_certificate(certificate).fingerprint

    def write(self, text: str) -> None:
        """Replace the file as hosts do: by a rename, and no sooner than MediaMTX is sure to see it."""
        if self._written_at:
            time.sleep(max(0.0, self._written_at + WRITE_GAP - time.monotonic()))
        beside = self.file.with_suffix(".new")
        beside.write_text(text)
        beside.replace(self.file)
        self._written_at = time.monotonic()

    def login(self, fingerprint: str = "") -> Login:
        """The reader's, over an encrypted connection."""
        return Login("127.0.0.1", self.port, READER, READER_PASSWORD, fingerprint or self.fingerprint)

    def shown(self) -> str:
        """The fingerprint of the certificate that whoever comes now is shown."""
        plain = socket.create_connection(("127.0.0.1", self.port), 5 + LATE)
        with closing(pinned_tls.wrapped(plain)) as link:
            link.do_handshake()
            return hashlib.sha256(link.getpeercert(binary_form=True) or b"").hexdigest()


@pytest.fixture
def server(start_relay: StartRelay, yard: CameraYard, tmp_path: Path) -> Server:
    return Server(start_relay, yard, tmp_path)


def test_a_stream_is_read_and_looked_at_encrypted(server: Server) -> None:
    alone, looked = read(server.login(), PATH, PATIENT), read(server.login(), PATH, PATIENT, PictureLook(LOOK))
    assert "codec" in alone, alone
    assert "codec" in looked, looked
    assert (looked["codec"], looked["width"], looked["height"]) == (alone["codec"], alone["width"], alone["height"])
    picture = looked["picture"]
    assert picture
    assert (picture["complaints"], picture["packets"]["gaps"]) == (0, 0)


@RELAY
def test_who_shows_another_certificate_does_not_get_the_login(server: Server) -> None:
    stranger = "0" * 64
    for look in (None, PictureLook(LOOK)):
        assert read(server.login(stranger), PATH, PATIENT, look)["error"] == pinned_tls.ANOTHER
    assert "destroyed" not in server.relay.log()
    assert server.relay.api("/v3/rtspssessions/list").json()["items"] == []


@pytest.mark.soak
@RELAY
def test_a_port_that_says_nothing_or_no_word_of_encryption_ends_in_time(server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mute = Login("127.0.0.1", silent.getsockname()[1], READER, READER_PASSWORD, server.fingerprint)
        assert read(mute, PATH, 1.0)["timed_out"]
    plain = Login("127.0.0.1", server.relay.rtsp_port, READER, READER_PASSWORD, server.fingerprint)
    assert "error" in read(plain, PATH, PATIENT)


def held(port: int, name: str, login: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> HeldReader:
    """A reader over an encrypted connection."""
    plain = socket.create_connection

    def connect(address: tuple[str, int], timeout: float) -> ssl.SSLSocket:
        link = pinned_tls.wrapped(plain(address, timeout=timeout))
        link.do_handshake()
        return link

    with monkeypatch.context() as patch:
        patch.setattr("tests.contract.reader.socket.create_connection", connect)
        return HeldReader(port, name, login)


def test_a_new_certificate_is_shown_soon_and_cuts_nobody_and_a_broken_one_changes_nothing(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with held(server.port, PATH, (READER, READER_PASSWORD), monkeypatch) as reader:
        assert reader.flows()
        assert server.shown() == server.fingerprint
        renewed = server.renew()
        wait_for(lambda: server.shown() == renewed)
        assert reader.flows()
        server.write("no certificate\n")
        server.relay.wait_for_log("certloader failed to load after change to")
        assert server.shown() == renewed
        assert server.relay.exit_code is None
        server.file.unlink()
        time.sleep(1)
        assert (server.shown(), server.relay.exit_code) == (renewed, None)
        again = server.renew()
        wait_for(lambda: server.shown() == again)
        assert reader.flows()


def test_with_strict_nobody_reads_without_encryption_and_each_server_lists_its_own_sessions(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay = server.relay

    def pages() -> list[int]:
        return [relay.api(f"/v3/{family}/list").status for family in ("rtspsessions", "rtspssessions")]

    assert pages() == [200, 200]
    with held(server.port, PATH, (READER, READER_PASSWORD), monkeypatch) as reader:
        relay.config["rtspEncryption"] = "strict"
        relay.reload("strict")
        assert reader.was_cut(5 + LATE)
    wait_for(lambda: pages() == [404, 200])
    with pytest.raises(OSError, match="refused"):
        describe(relay.rtsp_port, PATH, (READER, READER_PASSWORD))
    wait_for(lambda: relay.path(PATH)["available"])
    assert "codec" in read(server.login(), PATH, PATIENT)
    relay.config["rtspEncryption"] = "no"
    relay.reload("no")
    wait_for(lambda: pages() == [200, 404])


@pytest.fixture
def own(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Relay:
    """The relay as the on-host program takes it for its own."""
    relay = server.relay
    relay.config["authInternalUsers"] = users(centre_hn="old-secret", centre_bg="other-secret")
    relay.reload("users")
    password = tmp_path / "api.password"
    password.write_text(API_PASSWORD)
    monkeypatch.setattr(host_relay, "API_PASSWORD", password)
    monkeypatch.setattr(host_relay, "API_PORT", relay.api_port)
    return relay


@VIEWER
def test_who_may_not_read_any_more_is_cut_encrypted_or_not(
    server: Server, own: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, now = own.config["authInternalUsers"], users(centre_bg="other-secret")
    login, other = ("centre-hn", "old-secret"), ("centre-bg", "other-secret")
    with (
        held(server.port, PATH, login, monkeypatch) as encrypted,
        HeldReader(own.rtsp_port, PATH, login) as plain,
        held(server.port, PATH, other, monkeypatch) as stays,
    ):
        wait_for(lambda: sum(one["readers"] for one in sessions.readers() or []) == 3)
        own.config["authInternalUsers"] = now
        own.reload("revoked")
        notes = sessions.end_revoked(line(before), line(now))
        assert notes == ["ended 2 sessions of centre-hn, who may not read any more"]
        assert encrypted.was_cut(5)
        assert plain.was_cut(5)
        assert stays.flows()


def test_a_certificate_that_has_ended_is_still_the_one_that_is_pinned(server: Server) -> None:
    ended = server.renew(days=-5)
    wait_for(lambda: server.shown() == ended)
    assert "codec" in read(server.login(ended), PATH, PATIENT)
