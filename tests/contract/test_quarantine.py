"""A device that refuses its login, on both engines: it is tried three times at most, and nobody else is cut."""

from __future__ import annotations

import base64
import getpass
import grp
import json
import os
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from provisioner_host.change import quarantine_trial, quarantine_watch
from provisioner_host.machine import paths
from provisioner_host.machine.shell import Failed
from provisioner_host.relay import quarantine
from provisioner_host.relay import relay as host_relay
from provisioner_host.state import dead_man
from tests.hostile import CAMERA

from .camera import CameraYard, FakeCamera, Fault
from .reader import Dialogue, HeldReader, describe
from .relay import READER, READER_PASSWORD, Document, Relay, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from .conftest import StartRelay

pytestmark = [pytest.mark.contract, CAMERA]
RETRY_S = 5.0
# A refusal, one more after the pause, and what of a third one may be on its way.
MOST_TRIES = 3
AS_READER = (READER, READER_PASSWORD)
BASIC = base64.b64encode(":".join(AS_READER).encode()).decode()


def line(name: str, camera: FakeCamera, *, on_demand: bool = False, password: str = "wrong") -> str:
    settings: Document = {"source": f"rtsp://admin:{password}@127.0.0.1:{camera.port}/s", "rtspTransport": "tcp"}
    if on_demand:
        settings |= {"sourceOnDemand": True, "sourceOnDemandStartTimeout": "15s"}
    return f"  {json.dumps(name)}: {json.dumps(settings)}"


class Host:
    """A relay with its file as we write it, and the unit that watches its log."""

    def __init__(self, relay: Relay, lines: list[str]) -> None:
        self.relay, self._read = relay, 0
        settings = (f"{name}: {json.dumps(value)}" for name, value in relay.config.items() if name != "paths")
        sentinel = '  "cfg/0123456789ab": {"source": "publisher"}'
        self.whole = "\n".join([*settings, "paths:", *sorted(lines), sentinel]) + "\n"
        relay.write(self.whole)
        wait_for(lambda: relay.has_config("cfg/0123456789ab"))
        self.watcher = quarantine_watch.Watcher()

    def watch(self, seconds: float) -> None:
        """Follow the log for a while."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            log = self.relay.log()
            *lines, _ = log[self._read :].split("\n")
            self._read += sum(len(line) + 1 for line in lines)
            self.watcher.hear(lines)
            self.watcher.act()
            time.sleep(0.05)

    @property
    def out(self) -> list[str]:
        """The paths that are quarantined."""
        return quarantine.names()


@pytest.fixture
def halted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[str, str]]:
    """What the firewall was told, which is not there."""
    told: list[tuple[str, str]] = []

    def set_halted(verb: str, elements: Iterable[str]) -> bool:
        told.extend((verb, element) for element in elements)
        return True

    monkeypatch.setattr(quarantine_watch, "_set_halted", set_halted)
    monkeypatch.setattr(paths, "USER", grp.getgrgid(os.getgid()).gr_name)
    for name in ("RUN", "LOCK", "LEASE"):
        monkeypatch.setattr(paths, name, tmp_path / "run" / getattr(paths, name).name)
    return told


def host_of(start_relay: StartRelay, monkeypatch: pytest.MonkeyPatch, lines: list[str], **config: object) -> Host:
    relay = start_relay(logStructured=True, **config)

    def api(path: str, timeout_s: float = 5, **_more: Any) -> Any:
        answer = relay.api(path)
        assert timeout_s
        if answer.status != 200:
            raise Failed(f"{answer.status}")
        return answer.json()

    monkeypatch.setattr(paths, "MEDIAMTX_FILE", relay.file)
    monkeypatch.setattr(host_relay, "MEDIAMTX_FILE", relay.file)
    monkeypatch.setattr(host_relay, "api", api)
    return Host(relay, lines)


def test_a_refused_login_is_tried_three_times_and_no_other_path_is_cut(
    start_relay: StartRelay, yard: CameraYard, monkeypatch: pytest.MonkeyPatch, halted: list[tuple[str, str]]
) -> None:
    good, bad = yard.camera(), yard.camera(user="admin", password="right")
    lines = [line("hn/a/good/sub", good), line("hn/a/bad/sub", bad), line("hn/a/bad/main", bad, on_demand=True)]
    host = host_of(start_relay, monkeypatch, lines)
    wait_for(lambda: host.relay.path("hn/a/good/sub")["available"])
    started = host.relay.api("/v3/info").json()["started"]
    with HeldReader(host.relay.rtsp_port, "hn/a/good/sub", AS_READER) as reader:
        host.watch(4 * RETRY_S)
        assert reader.flows()
    # Both streams of the camera: they share its login.
    assert host.out == ["hn/a/bad/main", "hn/a/bad/sub"]
    assert 2 <= len(bad.logins) <= MOST_TRIES
    tried = len(bad.logins)
    assert good.plays == 1
    assert host.relay.api("/v3/info").json()["started"] == started
    assert {verb for verb, _ in halted} == {"add", "delete"}
    # Who reads it is told that there is no such path, and no camera is asked.
    assert describe(host.relay.rtsp_port, "hn/a/bad/main", AS_READER).status == 400
    assert len(bad.logins) == tried
    # As a whole the file is what was written.
    assert quarantine.whole(host.relay.file.read_text()) == host.whole


def test_a_reader_of_an_on_demand_path_causes_three_tries_at_most(
    start_relay: StartRelay, yard: CameraYard, monkeypatch: pytest.MonkeyPatch, halted: list[tuple[str, str]]
) -> None:
    bad = yard.camera(fault=Fault.UNAUTHORIZED)
    host = host_of(start_relay, monkeypatch, [line("hn/a/bad/main", bad, on_demand=True)])
    # It waits for a picture until the relay gives it up.
    with Dialogue(host.relay.rtsp_port, AS_READER) as waiting:
        asked = f"DESCRIBE {waiting.address}/hn/a/bad/main RTSP/1.0\r\nCSeq: 1\r\nAuthorization: Basic {BASIC}\r\n\r\n"
        waiting.socket.sendall(asked.encode())
        host.watch(3 * RETRY_S)
    assert host.out == ["hn/a/bad/main"]
    assert len(bad.logins) <= MOST_TRIES
    assert halted


def test_a_new_login_of_a_recorder_is_tried_by_two_channels_and_then_by_all_or_by_none(
    start_relay: StartRelay,
    yard: CameraYard,
    monkeypatch: pytest.MonkeyPatch,
    halted: list[tuple[str, str]],
    tmp_path: Path,
) -> None:
    wrong, right = (yard.camera(user="admin", password="right") for _ in range(2))
    lines = [line(f"hn/a/bad-{n}/sub", wrong) for n in range(6)]
    lines += [line(f"hn/a/good-{n}/sub", right, password="right") for n in range(4)]
    host = host_of(start_relay, monkeypatch, [])
    monkeypatch.setattr(quarantine_trial, "_relay_log", lambda _since: host.relay.log().splitlines())
    monkeypatch.setattr(dead_man, "renew", lambda *_: None)
    wanted = host.whole.replace("paths:\n", "paths:\n" + "\n".join(lines) + "\n").replace("cfg/0123", "cfg/4567")
    (tmp_path / "staged").write_text(wanted)
    rights = {"mode": 0o640, "owner": getpass.getuser(), "group": paths.USER}
    change = SimpleNamespace(
        staged=lambda _path: tmp_path / "staged",
        wanted={str(paths.MEDIAMTX_FILE): rights},
        request={"sentinel": quarantine.sentinel_in(wanted)},
        notes=[],
        run_id="run",
        confirm_s=60.0,
    )
    quarantine_trial.prove(change)  # type: ignore[arg-type]
    text = (tmp_path / "staged").read_text()
    host_relay.wait_for_gap()
    host.relay.write(text)
    wait_for(lambda: host.relay.has_config(change.request["sentinel"]))
    wait_for(lambda: all(host.relay.path(f"hn/a/good-{n}/sub").get("available") for n in range(4)))
    host.watch(RETRY_S + 1)
    assert host.out == [f"hn/a/bad-{n}/sub" for n in range(6)]
    assert len(wrong.logins) <= MOST_TRIES
    assert quarantine.whole(text) == wanted
    assert [str(wrong.port) in note for note in change.notes] == [True]
    # The unit that watches has nothing to add, and halts nobody for it.
    assert halted == [] or halted[-1][0] == "delete"
    assert right.plays == 4


def test_channels_of_a_recorder_share_its_tries_and_another_password_brings_all_back(
    start_relay: StartRelay, yard: CameraYard, monkeypatch: pytest.MonkeyPatch, halted: list[tuple[str, str]]
) -> None:
    recorder = yard.camera(user="admin", password="right")
    names = [f"hn/a/cam-0{n}/sub" for n in range(3)]
    host = host_of(start_relay, monkeypatch, [line(name, recorder) for name in names])
    host.watch(2 * RETRY_S)
    assert host.out == names
    assert len(recorder.logins) <= MOST_TRIES
    assert halted
    mended = host.whole.replace(":wrong@", ":right@").replace("cfg/0123456789ab", "cfg/ba9876543210")
    text = quarantine.carried_over(mended, host.relay.file.read_text())
    assert text == mended
    host.relay.write(text)
    wait_for(lambda: all(host.relay.path(name).get("available") for name in names))
    host.watch(1)
    assert host.out == []
