"""Debian's Alertmanager on loopback, with no receiver of its own."""

import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import requests

from tests.processes import free_port

_START_S = 60
_CONFIG = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n"


class Alertmanager:
    """A server on this machine."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("prometheus-alertmanager")
        assert program, "prometheus-alertmanager is missing: apt-get install prometheus-alertmanager"
        (folder / "alertmanager.yml").write_text(_CONFIG, encoding="utf-8")
        self.url = f"http://127.0.0.1:{free_port()}"
        options = (
            f"--config.file={folder / 'alertmanager.yml'}",
            f"--storage.path={folder / 'data'}",
            f"--web.listen-address={self.url.removeprefix('http://')}",
            "--cluster.listen-address=",
        )
        self._process = subprocess.Popen(
            [program, *options], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.wait_for(lambda: requests.get(f"{self.url}/-/ready", timeout=5).ok)

    def wait_for(self, condition: Any) -> None:
        """Wait until something holds."""
        until = time.monotonic() + _START_S
        while True:
            try:
                if condition():
                    return
            except OSError:
                assert self._process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.1)

    def alerts(self) -> list[dict[str, Any]]:
        """The alerts that stand there."""
        listed: list[dict[str, Any]] = requests.get(f"{self.url}/api/v2/alerts", timeout=30).json()
        return sorted(listed, key=lambda alert: str(alert["labels"]))

    def stop(self) -> None:
        """Stop."""
        self._process.terminate()
        self._process.wait(timeout=_START_S)
