"""How the relay starts and ends."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.processes import free_port

from .relay import LATE, base_config, environment

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import StartRelay
    from .relay import Engine

pytestmark = pytest.mark.contract


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 0), (signal.SIGHUP, -signal.SIGHUP)])
def test_signals(start_relay: StartRelay, number: signal.Signals, code: int) -> None:
    relay = start_relay()
    relay.reload("ready")  # It listens before it handles signals; what it reads anew it handles beside them.
    relay.process.send_signal(number)
    assert relay.wait_for_exit() == code


def test_names_its_version(start_relay: StartRelay, engine: Engine) -> None:
    relay = start_relay()
    info = relay.api("/v3/info").json()
    assert info["version"] == engine.version
    assert engine.version.startswith("v1.20.1")
    assert info["started"].endswith("Z")


def test_a_busy_port_ends_the_start(engine: Engine, tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        file = tmp_path / "busy.yml"
        file.write_text(json.dumps(base_config(free_port(), port)), encoding="utf-8")
        ran = subprocess.run(
            [engine.program, file], env=environment(), capture_output=True, text=True, timeout=10 + LATE, check=False
        )
    assert ran.returncode == 1
    assert f"ERR listen tcp 127.0.0.1:{port}: bind: address already in use" in ran.stdout
