"""Sessions of a secret that was replaced: the relay itself lets them go on; the on-host program ends them."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from typing import TYPE_CHECKING, Final

import pytest

from provisioner.desired.render.quote import read_pattern
from provisioner_host.change import gate
from provisioner_host.relay import relay as host_relay
from provisioner_host.relay import sessions
from tests.hostile import VIEWER

from .reader import Dialogue, HeldReader, describe
from .relay import API_PASSWORD, API_USER, Relay, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from .camera import CameraYard
    from .conftest import StartRelay
    from .relay import Document

pytestmark = pytest.mark.contract

PATH: Final = "hn/site-a/cam-1/sub"
OLD, OTHER = ("centre-hn", "old-secret"), ("centre-bg", "other-secret")
TRANSPORT: Final = {"Transport": "RTP/AVP/TCP;unicast;interleaved=0-1"}


def users(**secrets: str) -> list[Document]:
    """The API's user as on a host, that of these tests, and readers."""
    own = [("api", API_PASSWORD, "api"), (API_USER, API_PASSWORD, "api")]
    readers = [(name.replace("_", "-"), secret, "read") for name, secret in secrets.items()]
    return [
        {"user": name, "pass": _hashed(secret), "ips": ["127.0.0.1"], "permissions": [{"action": action, "path": ""}]}
        for name, secret, action in (*own, *readers)
    ]


def viewer(secret: str, *prefixes: str) -> Document:
    """A viewer as our files have it."""
    permissions = [{"action": "read", "path": read_pattern(prefix)} for prefix in prefixes]
    return {"user": "viewer-dic", "pass": _hashed(secret), "ips": ["127.0.0.1"], "permissions": permissions}


def _hashed(secret: str) -> str:
    return "sha256:" + base64.b64encode(hashlib.sha256(secret.encode()).digest()).decode()


def line(listed: list[Document]) -> str:
    """Users as our files have them."""
    return f"authInternalUsers: {json.dumps(listed)}\n"


@pytest.fixture
def relay(start_relay: StartRelay, yard: CameraYard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Relay:
    """A relay that the on-host program takes for its own."""
    source = {"source": f"rtsp://127.0.0.1:{yard.camera().port}/s"}
    before = users(centre_hn=OLD[1], centre_bg=OTHER[1])
    started = start_relay({PATH: source}, authInternalUsers=before)
    wait_for(lambda: started.path(PATH)["available"])
    password = tmp_path / "api.password"
    password.write_text(API_PASSWORD)
    monkeypatch.setattr(host_relay, "API_PASSWORD", password)
    monkeypatch.setattr(host_relay, "API_PORT", started.api_port)
    return started


@VIEWER
def test_a_reader_of_the_old_secret_is_cut_and_another_one_is_not(relay: Relay) -> None:
    before, now = relay.config["authInternalUsers"], users(centre_hn="new-secret", centre_bg=OTHER[1])
    with HeldReader(relay.rtsp_port, PATH, OLD) as stale, HeldReader(relay.rtsp_port, PATH, OTHER) as other:
        assert stale.flows()
        listed = [{"user": u, "address": "127.0.0.1", "path": PATH, "readers": 1} for u in ("centre-bg", "centre-hn")]
        wait_for(lambda: sessions.readers() == listed)
        relay.config["authInternalUsers"] = now
        relay.reload("aaaa")
        assert stale.flows(), "MediaMTX ends no session when a secret changes"
        notes = sessions.end_revoked(line(before), line(now))
        assert notes == ["ended 1 session of centre-hn, whose secret or rights were replaced"]
        assert stale.was_cut(3)
        assert other.flows()
        assert describe(relay.rtsp_port, PATH, OLD).status == 401
        with HeldReader(relay.rtsp_port, PATH, ("centre-hn", "new-secret")) as new:
            assert new.flows()
            assert sessions.end_revoked(line(now), line(now)) == []
            assert new.flows()


@VIEWER
def test_a_request_that_failed_leaves_no_viewer_behind(relay: Relay) -> None:
    def viewers() -> int:
        now = host_relay.runtime()
        assert now is not None
        return now["viewers"].get(PATH, 0)

    with HeldReader(relay.rtsp_port, PATH, OTHER) as other:
        assert other.flows()
        wait_for(lambda: viewers() == 1)
        for _ in range(3):
            with Dialogue(relay.rtsp_port, OLD) as dialogue:
                assert dialogue.ask("SETUP", f"{PATH}/trackID=7", TRANSPORT).status == 400
        time.sleep(1)
        paths = gate.sessions()["paths"]
        assert paths is not None
        (reader,) = paths[PATH]["readers"]
        assert viewers() == 1, relay.path(PATH)["readers"]
        assert reader in {session["id"] for session in host_relay.reader_sessions()}


@VIEWER
def test_a_viewer_reads_its_own_paths_and_once_it_goes_it_is_cut_within_five_seconds(relay: Relay) -> None:
    elsewhere = "hn-2/site-a/cam-1/sub"
    relay.config["paths"][elsewhere] = relay.config["paths"][PATH]
    others = users(centre_bg=OTHER[1])
    before = [*others, viewer("viewers-secret", "hn/site-a")]
    relay.config["authInternalUsers"] = before
    relay.reload("dddd")
    login = ("viewer-dic", "viewers-secret")
    wait_for(lambda: relay.path(PATH)["available"])
    assert describe(relay.rtsp_port, elsewhere, login).status == 401
    assert describe(relay.rtsp_port, "hn/site-a-2/cam-1/sub", login).status in {400, 401}
    with HeldReader(relay.rtsp_port, PATH, login) as gone, HeldReader(relay.rtsp_port, PATH, OTHER) as other:
        assert gone.flows()
        assert other.flows()
        relay.config["authInternalUsers"] = others
        relay.reload("eeee")
        began = time.monotonic()
        notes = sessions.end_revoked(line(before), line(others))
        assert notes == ["ended 1 session of viewer-dic, who may not read any more"]
        assert gone.was_cut(max(0.1, 5 - (time.monotonic() - began)))
        assert other.flows()
        assert describe(relay.rtsp_port, PATH, login).status == 401


@VIEWER
def test_a_session_that_was_made_ready_with_the_old_secret_does_not_begin_to_play(relay: Relay) -> None:
    before, now = relay.config["authInternalUsers"], users(centre_bg=OTHER[1])
    with Dialogue(relay.rtsp_port, OLD) as dialogue:
        assert dialogue.ask("DESCRIBE", PATH).status == 200
        setup = dialogue.ask("SETUP", f"{PATH}/trackID=0", TRANSPORT)
        assert setup.status == 200
        relay.config["authInternalUsers"] = now
        relay.reload("bbbb")
        (note,) = sessions.end_revoked(line(before), line(now))
        assert note == "ended 1 session of centre-hn, who may not read any more"
        assert relay.sessions() == []
        try:
            played = dialogue.ask("PLAY", f"{PATH}/", {"Session": setup.headers["session"].partition(";")[0]}).status
        except (OSError, IndexError):
            played = 0
        assert played != 200


@VIEWER
def test_many_readers_of_the_old_secret_are_all_cut(relay: Relay) -> None:
    before, now = relay.config["authInternalUsers"], users(centre_hn="new-secret", centre_bg=OTHER[1])
    readers = [HeldReader(relay.rtsp_port, PATH, OLD) for _ in range(40)]
    try:
        relay.config["authInternalUsers"] = now
        relay.reload("cccc")
        (note,) = sessions.end_revoked(line(before), line(now))
        assert note.startswith("ended 40 sessions of centre-hn")
        assert all(reader.was_cut(5) for reader in readers)
        assert relay.exit_code is None
    finally:
        for reader in readers:
            reader.hang_up()
