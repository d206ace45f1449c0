"""Where peers were seen last: kept when they go, given back when they come, and nothing else is touched."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from provisioner_host.machine import files, paths
from provisioner_host.tunnel import endpoints, interface

GONE, STAYS, NEW = "G" * 43 + "=", "S" * 43 + "=", "N" * 43 + "="
SEEN = {GONE: "203.0.113.7:51820", STAYS: "[2001:db8::7]:51820", NEW: "(none)"}


@pytest.fixture(autouse=True)
def _wg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(argv: Sequence[str], **_: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(list(argv), 0, "".join(f"{k}\t{v}\n" for k, v in SEEN.items()), "")

    monkeypatch.setattr(interface, "run", run)
    monkeypatch.setattr(paths, "RUN", tmp_path)
    monkeypatch.setattr(paths, "ENDPOINTS", tmp_path / "endpoints.json")
    monkeypatch.setattr(files, "write", lambda path, content, **_: path.write_bytes(content))


def test_what_goes_is_remembered_and_called_from_here_when_it_comes_back() -> None:
    assert endpoints.remember(endpoints.live(), frozenset({STAYS, NEW}), 1000.0) == {GONE: SEEN[GONE]}
    assert endpoints.remember(endpoints.live(), frozenset(SEEN), 2000.0) == {GONE: SEEN[GONE]}, (
        "as long as it may come back"
    )
    conf = f"[Interface]\nPrivateKey = x\n\n# site/a\n[Peer]\nPublicKey = {GONE}\nAllowedIPs = 10.91.0.2/32\n"
    text = endpoints.with_endpoints(conf, {GONE: SEEN[GONE]}, {})
    assert text == conf.replace("[Peer]\n", f"[Peer]\nEndpoint = {SEEN[GONE]}\n")
    assert endpoints.with_endpoints(conf, {GONE: SEEN[GONE]}, {GONE: ""}) == conf, "the tunnel knows it itself"
    fixed = conf + "Endpoint = 192.0.2.1:51820\n"
    assert endpoints.with_endpoints(fixed, {GONE: SEEN[GONE]}, {}) == fixed, "what the file says counts"


def test_it_is_forgotten_after_a_week_and_a_damaged_file_is_none() -> None:
    endpoints.remember(endpoints.live(), frozenset({STAYS, NEW}), 1000.0)
    assert endpoints.remember(endpoints.live(), frozenset(SEEN), 1001.0 + 7 * 86400) == {}
    for text in ("{", "[]", json.dumps({GONE: ["203.0.113.7:51820"]}), json.dumps({GONE: ["a\nPublicKey = b", 1]})):
        paths.ENDPOINTS.write_text(text)
        assert endpoints.remember(endpoints.live(), frozenset(SEEN), 1.0) == {}


def test_a_full_disk_keeps_nobody_from_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "write", refuse)
    assert endpoints.remember(endpoints.live(), frozenset({STAYS}), 1.0) == {GONE: SEEN[GONE]}
