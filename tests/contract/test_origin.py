"""Where a running relay is connected, as a host's kernel tells it: the count that a redirect cannot pass."""

from __future__ import annotations

import os
import pwd
import shutil
import time
from typing import TYPE_CHECKING, Final

import pytest

from provisioner_host.relay import source_log
from tests.hostile import CAMERA

from .relay import Relay, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from .camera import CameraYard
    from .relay import Engine

pytestmark = [
    pytest.mark.contract,
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="a user of its own takes root"),
]

_USER: Final = "nobody"


@CAMERA
def test_a_redirected_source_is_a_connection_too_few_and_one_too_many(
    engine: Engine, yard: CameraYard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_log, "USER", _USER)
    other, camera = yard.camera(), yard.camera()
    camera.locations = (f"rtsp://127.0.0.1:{other.port}/s",)
    paths = {name: {"source": f"rtsp://127.0.0.1:{c.port}/s"} for name, c in (("hn/a", camera), ("hn/b", other))}
    with Relay(_of_nobody(engine, tmp_path), tmp_path, {"paths": paths}) as relay:
        wait_for(lambda: relay.path("hn/a")["inboundBytes"] and relay.path("hn/b")["inboundBytes"])
        before = source_log.connections()
        time.sleep(1.5)
        told = source_log.evidence(before, source_log.connections())
        assert told is not None
        ports = {c["port"]: (c["count"], c["flowing"]) for c in told["connections"]}
        assert ports == {other.port: (2, 2)}
        assert source_log.count_to("127.0.0.1", camera.port) == 0
        assert source_log.count_to("127.0.0.1", other.port) == 2


def _of_nobody(engine: Engine, folder: Path) -> Engine:
    """The engine as a user of its own, who may read its file."""
    for place in (folder, *folder.parents):
        if place.owner() == pwd.getpwuid(os.geteuid()).pw_name and place != place.parent:
            place.chmod(place.stat().st_mode | 0o055)
    program = folder / "as-nobody"
    shutil.copy(engine.program, folder / "engine")
    (folder / "engine").chmod(0o755)
    run = f"exec setpriv --reuid {_USER} --clear-groups {folder}/engine"
    program.write_text(f'#!/bin/sh\n{run} "$@"\n', encoding="ascii")
    program.chmod(0o755)
    return type(engine)(engine.name, program, engine.version)
