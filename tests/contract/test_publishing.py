"""A gateway that pushes, as our files have it: MediaMTX takes its own paths from it, and nothing else, and says so."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import ssl
import subprocess
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Final

import pytest
import yaml

from provisioner.base.certificate import new_certificate_key, read_certificate, self_signed, server_file
from provisioner.base.secret import Secret, mediamtx_hash
from provisioner.desired.readers import publish_password, publisher_user
from provisioner.desired.render.host import certificate_pairs, fill, path_lines, pushed_lines, user_settings
from provisioner.desired.render.templates import load_templates
from provisioner.desired.spec import MediaPath, PushedStream, PushEnd, PushEndpoint, StreamSource, User
from provisioner.inventory.model.devices import StreamName
from provisioner.inventory.model.facility import Access
from provisioner_host.relay import relay as host_relay
from provisioner_host.relay import sessions
from tests.hostile import GATEWAY
from tests.processes import free_port

from .conftest import STANDIN
from .reader import Dialogue
from .relay import API_PASSWORD, LATE, WRITE_GAP, wait_for
from .test_revoked_sessions import line, users

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from .camera import CameraYard
    from .conftest import StartRelay
    from .relay import Document, Engine, Relay

pytestmark = pytest.mark.contract

PROGRAM: Final = "/usr/local/lib/provisioner-publish/mediamtx"
KEY, NEXT_KEY = Secret("the-site-s-key"), Secret("another-key")
OWN, SECOND, OTHER = (f"hn/{place}/sub" for place in ("site-a/cam-1", "site-a/cam-2", "site-b/cam-1"))
SDP: Final = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n"
    "a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:trackID=0\r\n"
)


class Site:
    """A relay to which sites push, and a gateway that does."""

    def __init__(self, start_relay: StartRelay, yard: CameraYard, folder: Path) -> None:
        self._start, self.port = start_relay, free_port()
        file = self.file = folder / "readers.pem"
        self.fingerprint, shown = drawn()
        self.show(shown)
        self.camera = yard.camera(user="admin", password="right-1")
        own: Document = {"rtspEncryption": "optional", "rtspsAddress": f"0.0.0.0:{self.port}"}
        own |= {"rtspServerKey": str(file), "rtspServerCert": str(file), "logStructured": True}
        lines = path_lines(_path(name) for name in (OWN, SECOND, OTHER))
        self.relay: Relay = start_relay(yaml.safe_load(lines), authInternalUsers=self.users(KEY), **own)

    def show(self, text: str) -> None:
        """Let the relay show a certificate, as hosts do: by a rename."""
        beside = self.file.with_name("beside.pem")
        beside.write_text(text)
        beside.replace(self.file)

    def users(self, key: Secret) -> list[Document]:
        """The relay's users, where its sites push by a key."""
        pushing = [
            User(publisher_user(p), mediamtx_hash(publish_password(key, p)), (), "publish", publishes=p) for p in PATHS
        ]
        return [*users(), *map(user_settings, pushing)]

    def gateway(self, *paths: str, fingerprint: str = "", key: Secret = KEY) -> Relay:
        """A gateway that pushes these paths of its one device."""
        source = StreamSource(IPv4Address("127.0.0.1"), self.camera.port, "/s", "admin", Secret("right-1"))
        shown = fingerprint or self.fingerprint
        streams = [PushedStream(path, "cam-1", source, (self._end(path, shown, key),)) for path in paths]
        return self._start(yaml.safe_load(pushed_lines(streams)), rtsp=False, logStructured=True)

    def _end(self, path: str, fingerprint: str, key: Secret, following: str = "") -> PushEnd:
        place = IPv4Address("127.0.0.1"), self.port
        at = PushEndpoint("relay-1", place, fingerprint, following)
        return PushEnd(at, publisher_user(path), publish_password(key, path))

    @contextmanager
    def scripted(self, program: Path, folder: Path, following: str, *paths: str) -> Iterator[Callable[[], str]]:
        """A gateway as its package runs it, which knows a next certificate beside the present one: what it writes."""
        source = StreamSource(IPv4Address("127.0.0.1"), self.camera.port, "/s", "admin", Secret("right-1"))
        ends = [self._end(path, self.fingerprint, KEY, following) for path in paths]
        streams = [PushedStream(path, "cam-1", source, (end,)) for path, end in zip(paths, ends, strict=True)]
        values = {"path_lines": pushed_lines(streams), "known_pairs": certificate_pairs(end.at for end in ends)}
        (folder / "publish.yml").write_bytes(fill(load_templates(), "site/publish.yml.j2", values))
        text = fill(load_templates(), "site/site-publish.j2", {}).decode()
        (folder / "site-publish").write_text(text.replace(PROGRAM, str(program)))
        env = {"PATH": os.environ["PATH"], "RUNTIME_DIRECTORY": str(folder)}
        with (folder / "log").open("w") as log:
            running = subprocess.Popen(
                ["sh", str(folder / "site-publish")], env=env, stdout=log, stderr=log, start_new_session=True
            )
            try:
                yield (folder / "log").read_text
            finally:
                os.killpg(running.pid, signal.SIGKILL)
                running.wait(10)

    def pushed_as(self, path: str) -> str:
        """The connection by which a path comes; empty where it does not."""
        source = self.relay.path(path)["source"]
        return str(source["id"]) if source else ""

    def cut(self, path: str) -> None:
        """End the connection by which a path comes, as a line that breaks does."""
        kicked = self.relay.api(f"/v3/rtspssessions/kick/{self.pushed_as(path)}", method="POST")
        assert kicked.status == 200

    def comes(self, path: str) -> bool:
        """Whether the relay has a stream of a path."""
        return bool(self.relay.path(path)["available"])


PATHS: Final = (OWN, SECOND, OTHER)


def drawn() -> tuple[str, str]:
    """A certificate of a key that is drawn now: its fingerprint, and what a server reads."""
    key, since = new_certificate_key(), datetime.now(UTC) - timedelta(days=1)
    certificate = self_signed(key, "relay-1", IPv4Address("10.91.0.1"), since, 30)
    return read_certificate(certificate).fingerprint, server_file(key, [certificate]).reveal()


def _path(name: str) -> MediaPath:
    site, camera = name.split("/")[1:3]
    return MediaPath(
        name=name,
        province="hn",
        facility=site,
        camera=camera,
        device=camera,
        stream=StreamName.SUB,
        source=None,
        on_demand=False,
        codec="h264",
        width=640,
        height=360,
        access=Access.PUBLISH,
    )


@pytest.fixture
def site(
    engine: Engine, start_relay: StartRelay, yard: CameraYard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Site:
    if engine.name == STANDIN:
        pytest.skip("the stand-in takes nothing that is pushed")
    made = Site(start_relay, yard, tmp_path)
    password = tmp_path / "api.password"
    password.write_text(API_PASSWORD)
    monkeypatch.setattr(host_relay, "API_PASSWORD", password)
    monkeypatch.setattr(host_relay, "API_PORT", made.relay.api_port)
    monkeypatch.setattr(host_relay, "log", lambda _: made.relay.log())
    return made


def test_what_a_gateway_pushes_comes_under_its_name_and_the_relay_says_from_where(site: Site) -> None:
    gateway = site.gateway(OWN, SECOND)
    wait_for(lambda: site.comes(OWN) and site.comes(SECOND))
    said = sessions.publishing(60)
    assert said["refused"] == {}
    listed = sorted(said["sessions"] or [], key=lambda one: one["path"])
    assert listed == [{"path": path, "address": "127.0.0.1"} for path in (OWN, SECOND)]
    assert not site.comes(OTHER)
    # The gateway itself listens to nobody, and its log has no password.
    assert "right-1" not in gateway.log()
    assert publish_password(KEY, OWN).reveal() not in gateway.log() + site.relay.log()


@GATEWAY
def test_a_gateway_pushes_and_reads_no_other_path_whatever_it_knows(site: Site) -> None:
    site.gateway(OWN)
    wait_for(lambda: site.comes(OWN))
    login = (publisher_user(OWN), publish_password(KEY, OWN).reveal())
    announced = {path: site_asks(site, "ANNOUNCE", path, login) for path in (OTHER, SECOND, f"{OWN}/x", "cfg/x")}
    assert announced[OTHER] == announced[SECOND] == 401
    assert not {200} & set(announced.values())
    assert [site_asks(site, "DESCRIBE", path, login) for path in PATHS] == [401, 401, 401]
    assert site_asks(site, "ANNOUNCE", OWN, (login[0], "guessed")) == 401
    assert site_asks(site, "ANNOUNCE", OWN, (publisher_user(OTHER), login[1])) == 401
    assert site.relay.api("/v3/paths/list", credentials=login).status == 401
    assert site.comes(OWN)


@GATEWAY
def test_who_has_a_paths_password_does_not_take_the_place_of_what_is_there(site: Site) -> None:
    site.gateway(OWN)
    wait_for(lambda: site.comes(OWN))
    before = site.relay.path(OWN)["source"]["id"]
    thief = site.gateway(OWN)
    wait_for(lambda: "400 (Bad Request)" in thief.log())
    assert site.relay.path(OWN)["source"]["id"] == before
    assert "someone is already publishing" in site.relay.log()


@GATEWAY
def test_a_gateway_tells_no_login_to_who_shows_another_certificate(site: Site) -> None:
    other = site.gateway(OWN, fingerprint="0" * 64)
    wait_for(lambda: "fingerprint does not match" in other.log())
    assert not site.comes(OWN)
    assert "failed to authenticate" not in site.relay.log()


def test_a_relay_that_shows_its_next_certificate_cuts_nobody_and_is_known_to_who_comes_anew(
    site: Site, engine: Engine, tmp_path: Path
) -> None:
    following, text = drawn()
    with site.scripted(engine.program, tmp_path, following, OWN, SECOND) as log:
        wait_for(lambda: site.comes(OWN) and site.comes(SECOND))
        first, second = site.pushed_as(OWN), site.pushed_as(SECOND)
        time.sleep(WRITE_GAP)
        site.show(text)
        wait_for(lambda: shown_at(site.port) == following)
        time.sleep(1)
        assert (site.pushed_as(OWN), site.pushed_as(SECOND)) == (first, second), "nobody is cut"
        site.cut(OWN)
        began = time.monotonic()
        wait_for(lambda: site.comes(OWN) and site.pushed_as(OWN) != first)
        print(f"a path was there again by the next certificate after {time.monotonic() - began:.1f} s")  # noqa: T201
        assert site.pushed_as(SECOND) == second, "no other path is touched"
        said = log()
    assert f"the relay of {OWN} shows its other certificate" in said
    assert f"the relay of {SECOND} shows" not in said
    # The device is not asked anew for it.
    assert said.count(f"[path {OWN}] stream is available") == 1
    assert publish_password(KEY, OWN).reveal() not in said


def shown_at(port: int) -> str:
    """The fingerprint of the certificate that whoever comes now is shown."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), 5) as plain, context.wrap_socket(plain) as link:
        return hashlib.sha256(link.getpeercert(binary_form=True) or b"").hexdigest()


def test_an_older_login_is_refused_and_the_relay_knows_from_where(site: Site) -> None:
    site.gateway(OWN, key=NEXT_KEY)
    wait_for(lambda: sessions.refused_in(site.relay.log()).get("127.0.0.1", 0) >= 2)
    assert not site.comes(OWN)


@GATEWAY
def test_sessions_of_a_site_whose_login_is_renewed_or_gone_end_and_no_others(site: Site) -> None:
    site.gateway(OWN, OTHER)
    wait_for(lambda: site.comes(OWN) and site.comes(OTHER))
    before, renewed = site.users(KEY), site.users(NEXT_KEY)
    now = [user for user in before if user["user"] != publisher_user(OWN)]
    now += [user for user in renewed if user["user"] == publisher_user(OWN)]
    site.relay.config["authInternalUsers"] = now
    site.relay.reload("aaaa")
    assert site.comes(OWN), "MediaMTX ends no session when a secret changes"
    (note,) = sessions.end_revoked(line(before), line(now))
    assert note == f"ended 1 session of {publisher_user(OWN)[:60]}, whose secret or rights were replaced"
    wait_for(lambda: not site.comes(OWN))
    assert site.comes(OTHER)
    gone = [user for user in now if user["user"] != publisher_user(OTHER)]
    site.relay.config["authInternalUsers"] = gone
    site.relay.reload("bbbb")
    (note,) = sessions.end_revoked(line(now), line(gone))
    assert note.endswith("who may not read any more")
    wait_for(lambda: not site.comes(OTHER))


def site_asks(site: Site, method: str, path: str, login: tuple[str, str]) -> int:
    """The status that whoever comes encrypted gets, with a login."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with Dialogue(site.port, login) as dialogue:
        dialogue.socket = context.wrap_socket(dialogue.socket)
        dialogue.socket.settimeout(15 + LATE)
        dialogue.stream = dialogue.socket.makefile("rb")
        dialogue.address = dialogue.address.replace("rtsp:", "rtsps:")
        body = SDP if method == "ANNOUNCE" else ""
        headers = {"Content-Type": "application/sdp", "Content-Length": str(len(body))} if body else {}
        return dialogue.ask(method, path, headers, body).status
