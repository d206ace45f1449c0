"""The webhook: whoever knows the secret wakes the agent, whatever the forge is; nobody else does."""

import hashlib
import hmac
import http.client
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from provisioner.base.secret import Secret
from provisioner.base.service import ServiceNotice
from provisioner.operations.agent import run
from provisioner.operations.agent.run import Agent
from provisioner.operations.agent.settings import MOST_BODY, is_genuine, read_agent_settings
from tests.hostile import LOCAL_USER

SECRET = "canary-hook-secret-3377"
BODY = b'{"ref": "refs/heads/main"}'
MAC = hmac.new(SECRET.encode(), BODY, hashlib.sha256).hexdigest()
GENUINE = {
    "GitHub": {"HTTP_X_HUB_SIGNATURE_256": f"sha256={MAC}"},
    "Gitea": {"HTTP_X_GITEA_SIGNATURE": MAC},
    "Forgejo": {"HTTP_X_FORGEJO_SIGNATURE": MAC},
    "GitLab": {"HTTP_X_GITLAB_TOKEN": SECRET},
}
OTHERS = {
    "nothing": {},
    "empty": {"HTTP_X_HUB_SIGNATURE_256": ""},
    "another key": {"HTTP_X_HUB_SIGNATURE_256": f"sha256={hmac.new(b'x', BODY, hashlib.sha256).hexdigest()}"},
    "the old hash": {"HTTP_X_HUB_SIGNATURE_256": f"sha1={hmac.new(SECRET.encode(), BODY, 'sha1').hexdigest()}"},
    "another token": {"HTTP_X_GITLAB_TOKEN": "guess"},
    "the beginning of the token": {"HTTP_X_GITLAB_TOKEN": SECRET[:-1]},
    "the signature as a token": {"HTTP_X_GITLAB_TOKEN": MAC},
    "odd letters": {"HTTP_X_GITLAB_TOKEN": "\udcff", "HTTP_X_GITEA_SIGNATURE": "\udcff"},
}


@pytest.mark.parametrize("forge", GENUINE)
def test_each_forge_proves_itself_in_its_own_words(forge: str) -> None:
    assert is_genuine(GENUINE[forge], BODY, Secret(SECRET))
    if forge != "GitLab":
        assert not is_genuine(GENUINE[forge], BODY + b" ", Secret(SECRET))


@LOCAL_USER
@pytest.mark.parametrize("case", OTHERS)
def test_whoever_does_not_know_the_secret_wakes_nobody(case: str) -> None:
    assert not is_genuine(OTHERS[case], BODY, Secret(SECRET))


class Listening:
    """An agent that only listens: it never leads."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (folder / "secret").write_text(f"{SECRET}\n", encoding="utf-8")
        text = (
            f'inventory = "vn"\nremote = "{folder}/none.git"\nsigners = "s"\nlisten = "0"\nwebhook_secret = "secret"\n'
        )
        self.said: list[str] = []
        self.listens = threading.Event()
        settings = read_agent_settings(text, str(folder / "agent.toml"))
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(folder / "notify"))
        self.socket.settimeout(10)
        environment = {
            "XDG_STATE_HOME": str(folder),
            "NOTIFY_SOCKET": str(folder / "notify"),
            "WATCHDOG_USEC": "300000",
        }
        self.agent = Agent(settings, environment, self._hear)
        monkeypatch.setattr(self.agent, "_lead_or_stand_by", lambda stop: stop.wait(0.05))

    def _hear(self, line: str) -> None:
        self.said.append(line)
        self.listens.set()

    def post(self, body: bytes, headers: dict[str, str], method: str = "POST", path: str = "/hook") -> int:
        port = int(self.said[0].rpartition(":")[2])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request(method, path, body, {"Host": "agent.example.com", **headers})
        status = connection.getresponse().status
        connection.close()
        return status


@pytest.fixture
def listening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Listening]:
    return lambda: Listening(tmp_path, monkeypatch)


def test_a_webhook_wakes_the_agent_metrics_are_served_and_systemd_is_told(listening: Callable[[], Listening]) -> None:
    one, stop = listening(), threading.Event()
    thread = threading.Thread(target=one.agent.run, args=(stop,))
    thread.start()
    try:
        assert one.listens.wait(10)
        assert one.socket.recv(500).startswith(b"READY=1\nSTATUS=")
        assert b"WATCHDOG=1" in {one.socket.recv(500) for _ in range(2)}
        woken = one.agent._woken  # noqa: SLF001 (what it does when it is woken is a round)
        assert one.post(BODY, {"X-Gitlab-Token": "guess"}) == 403
        assert one.post(b"", {"X-Gitlab-Token": SECRET, "Content-Length": str(MOST_BODY + 1)}) == 413
        assert one.post(b"", {"X-Gitlab-Token": SECRET}, "GET") == 405
        assert not woken.is_set()
        assert one.post(BODY, {"X-Hub-Signature-256": f"sha256={MAC}"}) == 202
        assert woken.is_set()
        assert one.post(b"", {}, "GET", "/metrics") == 403, "metrics are served under this machine's names alone"
        assert one.post(b"", {"Host": "127.0.0.1:1"}, "GET", "/metrics") == 200
    finally:
        stop.set()
        thread.join(10)
    assert not any(SECRET in line for line in one.said)
    one.socket.close()


def test_a_hanging_round_is_no_sign(monkeypatch: pytest.MonkeyPatch, listening: Callable[[], Listening]) -> None:
    monkeypatch.setattr(run, "_LONGEST_ROUND_S", 0.0)
    one = listening()
    one.agent._begun = 1.0  # noqa: SLF001 (long ago)
    with one.agent._watchdog():  # noqa: SLF001 (its own thread)
        one.socket.settimeout(0.4)
        with pytest.raises(TimeoutError):
            one.socket.recv(500)
    one.socket.close()


def test_where_systemd_did_not_start_it_nothing_is_said() -> None:
    notice = ServiceNotice({})
    notice.ready("begins")
    notice.alive()
    assert notice.watchdog_s == 0
    ServiceNotice({"NOTIFY_SOCKET": "/nowhere/at/all", "WATCHDOG_USEC": "soon"}).leaving()
