"""Prometheus and Alertmanager as Debian has them, on loopback, by the files that `provisioner monitoring` writes.

Alerts go to a sink in this process. Where a program is missing, tests fail and say what to install.
"""

import json
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from provisioner.integrations.alerting.kit import EVERYTHING, ScrapePlaces, kit
from tests.processes import beside, free_port

PACKAGES: Final = {
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "amtool": "prometheus-alertmanager",
}
#: Long enough for a machine on which everything takes six times as long: who waits for what comes waits no longer.
PATIENCE_S: Final = 150.0


def lacking() -> set[str]:
    """The packages of which a program that is to run is not here."""
    return {PACKAGES[name] for name in ("prometheus", "prometheus-alertmanager") if shutil.which(name) is None}


def program(name: str) -> str:
    """The path of a program of Debian's."""
    path = shutil.which(name)
    assert path is not None, f"{name} is missing: apt-get install --no-install-recommends {PACKAGES[name]}"
    return path


def checked(*words: str, stdin: bytes | None = None) -> str:
    """Run a checker, which has to find nothing; what it printed."""
    done = subprocess.run([program(words[0]), *words[1:]], input=stdin, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()
    return done.stdout.decode()


def wait_for(condition: Callable[[], bool], what: str, seconds: float = PATIENCE_S) -> float:
    """Wait until something is so: how long that took."""
    begun = time.monotonic()
    while not condition():
        assert time.monotonic() < begun + seconds, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.05)
    return time.monotonic() - begun


@dataclass(frozen=True)
class Notice:
    """One message of Alertmanager's: when it came, at which address, and its alerts."""

    at: float
    receiver: str
    alerts: tuple[dict[str, Any], ...]

    def names(self, status: str) -> list[str]:
        """The names of its alerts of a status."""
        return sorted(one["labels"]["alertname"] for one in self.alerts if one["status"] == status)


@dataclass
class Alarms:
    """What came, and where Prometheus and Alertmanager answer."""

    prometheus: str
    alertmanager: str
    notices: list[Notice] = field(default_factory=list)

    def firing(self, receiver: str = "all") -> list[Notice]:
        """The messages in which something fires."""
        return [one for one in list(self.notices) if one.receiver == receiver and one.names("firing")]

    def names_firing(self) -> set[str]:
        """The names of all alerts of which a message came."""
        return {name for one in self.firing() for name in one.names("firing")}

    def resolved(self, receiver: str = "all") -> list[Notice]:
        """The messages in which something is over."""
        return [one for one in list(self.notices) if one.receiver == receiver and one.names("resolved")]

    def alerts(self) -> list[dict[str, Any]]:
        """The alerts that Alertmanager has, those that others hide as well."""
        alerts: list[dict[str, Any]] = _json(f"{self.alertmanager}/api/v2/alerts")
        return alerts

    def states(self) -> dict[str, int]:
        """How many alerts are hidden, and how many are not."""
        states = [one["status"]["state"] for one in self.alerts()]
        return {state: states.count(state) for state in set(states)}


def _json(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 (loopback)
        return json.load(answer)


#: What makes tests short: the same files with shorter pauses.
HASTE: Final = (
    # Not shorter: beside other work an answer may take two seconds, and a watch that is late twice is down.
    ("scrape_interval: 5s", "scrape_interval: 3s"),
    ("scrape_timeout: 5s", "scrape_timeout: 3s"),
    ("scrape_interval: 1m", "scrape_interval: 3s"),
    ("interval: 5s", "interval: 1s"),
    ("interval: 1m", "interval: 1s"),
    ("group_wait: 2s", "group_wait: 1s"),
    # Not shorter: what hides others may be over some milliseconds before them, and no message may fall in between.
    ("group_interval: 10s", "group_interval: 5s"),
    ("keep_firing_for: 30s", "keep_firing_for: 8s"),
    (" for: 30s", " for: 4s"),
)


#: Writes the files: where Prometheus finds what, and by carrier where its alerts go.
Write = Callable[[ScrapePlaces, Mapping[str, str]], None]


@contextmanager
def alarms(
    folder: Path, watch: int, *, node: int = 1, carriers: tuple[str, ...] = (), haste: bool = True
) -> Iterator[Alarms]:
    """Run both programs, until the end of the block.

    Args:
        folder: for their files and data.
        watch: the port of the watch's metrics.
        node: the port of the node exporter's.
        carriers: which of them have a receiver of their own.
        haste: whether pauses are shortened.
    """

    def write(places: ScrapePlaces, addresses: Mapping[str, str]) -> None:
        for name, text in kit(places, addresses).items():
            for before, after in HASTE if haste else ():
                text = text.replace(before, after)  # noqa: PLW2901
            (folder / name).write_text(text, encoding="utf-8")

    with alarms_by(write, folder, watch, node=node, carriers=carriers) as heard:
        yield heard


@contextmanager
def alarms_by(
    write: Write, folder: Path, watch: int, *, node: int = 1, carriers: tuple[str, ...] = ()
) -> Iterator[Alarms]:
    """Run both programs by the files that somebody writes into a folder, until the end of the block."""
    own, other = free_port(), free_port()
    heard = Alarms(f"http://127.0.0.1:{own}", f"http://127.0.0.1:{other}")
    with ExitStack() as stack:
        sink = stack.enter_context(_sink(heard))
        addresses = {name: f"http://127.0.0.1:{sink}/{name or 'all'}" for name in (EVERYTHING, *carriers)}
        write(ScrapePlaces(f"127.0.0.1:{watch}", f"127.0.0.1:{node}", f"127.0.0.1:{other}"), addresses)
        words = [f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/alertmanager"]
        words += [f"--web.listen-address=127.0.0.1:{other}", "--cluster.listen-address=", "--log.level=warn"]
        stack.enter_context(_running("prometheus-alertmanager", words, folder))
        words = [f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/prometheus"]
        words += [f"--web.listen-address=127.0.0.1:{own}", "--log.level=warn"]
        stack.enter_context(_running("prometheus", words, folder))
        wait_for(lambda: _is_ready(heard.alertmanager) and _is_ready(heard.prometheus), "both programs are ready")
        yield heard


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/-/ready", timeout=2) as answer:  # noqa: S310 (loopback)
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _running(name: str, words: list[str], folder: Path) -> AbstractContextManager[subprocess.Popen[bytes]]:
    return beside([program(name), *words], folder / f"{name}.log")


@contextmanager
def _sink(heard: Alarms) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            heard.notices.append(Notice(time.monotonic(), self.path.strip("/"), tuple(document["alerts"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_words: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
