"""Running a relay engine under test, and asking it things."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from tests.processes import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

API_USER: Final = "probe"
API_PASSWORD: Final = "probe-password"
READER: Final = "centre"
READER_PASSWORD: Final = "reader-password"
# `sha256:` and the base64 of the digest, as the rendered files have it.
READER_HASH: Final = "sha256:azZUgE2/6GqCGPViA7o5HBy//XxuUMU6j6+J5RIwgSc="

# One write in less than a second after another is lost.
WRITE_GAP: Final = 1.1

# How much later a thing may end beside other work on all processors. Bounds are widened by it, waits are not.
LATE: Final = 20.0

_BOUND: Final = 10.0 + LATE
# One write that came too soon after the one before is lost for good.
_WRITE_AGAIN: Final = 4.0
_POLL: Final = 0.03

Document = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Engine:
    """A relay program."""

    name: str
    program: Path
    version: str


def wait_for(ask: Callable[[], T], seconds: float = _BOUND) -> T:
    """Ask again and again until the answer is true.

    Raises:
        AssertionError: it is not in time; the last answer is named.
    """
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"not in {seconds} s; last answer: {answer!r}"
        time.sleep(_POLL)
    return answer


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for an engine: no variable of ours may override the file."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MTX_", "RTSP_"))}
    return {**kept, **(extra or {})}


def base_config(api_port: int, rtsp_port: int) -> Document:
    """A relay's configuration as this project renders it, on loopback and short of patience."""
    return {
        "logLevel": "info",
        "readTimeout": "2s",
        "api": True,
        "apiAddress": f"127.0.0.1:{api_port}",
        "apiAllowOrigins": [],
        "rtspTransports": ["tcp"],
        "rtspAddress": f"127.0.0.1:{rtsp_port}",
        "hls": False,
        "webrtc": False,
        "rtmp": False,
        "srt": False,
        "moq": False,
        "authInternalUsers": [
            {"user": API_USER, "pass": API_PASSWORD, "ips": ["127.0.0.1/32"], "permissions": [{"action": "api"}]},
            {"user": READER, "pass": READER_HASH, "ips": [], "permissions": [{"action": "read", "path": "~^hn/"}]},
        ],
        "pathDefaults": {"rtspTransport": "tcp"},
        "paths": {},
    }


@dataclass(slots=True)
class Relay:
    """One engine running on one configuration file; a context manager."""

    engine: Engine
    folder: Path
    config: Document = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    api_port: int = field(default_factory=free_port)
    rtsp_port: int = field(default_factory=free_port)
    _process: subprocess.Popen[bytes] | None = None
    _written_at: float = 0.0

    def __post_init__(self) -> None:
        """Fill the base configuration in."""
        self.config = base_config(self.api_port, self.rtsp_port) | self.config

    def __enter__(self) -> Self:
        """Start and wait until the API answers."""
        self.write()
        # What is started under nohup, or in a shell's background, inherits signals that are ignored.
        command = ["env", "--default-signal=HUP,INT", str(self.engine.program), str(self.file)]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=environment(self.environment))
        wait_for(lambda: self.exit_code is not None or self._answers())
        assert self.exit_code is None, self.log()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process that was started, and no other."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_BOUND)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(_BOUND)

    @property
    def file(self) -> Path:
        """The configuration file."""
        return self.folder / "etc" / "mediamtx.yml"

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The running process."""
        assert self._process is not None
        return self._process

    @property
    def exit_code(self) -> int | None:
        """The exit code once it has ended."""
        return self.process.poll()

    def wait_for_exit(self) -> int:
        """Wait until it ends by itself."""
        return self.process.wait(_BOUND)

    def log(self) -> str:
        """Everything it has said so far."""
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    def write(self, text: str | None = None, *, gap: bool = True) -> None:
        """Replace the file atomically, and not sooner than a reload is sure to see it."""
        if gap and self._written_at:
            time.sleep(max(0.0, self._written_at + WRITE_GAP - time.monotonic()))
        self.file.parent.mkdir(exist_ok=True)
        # Prepared elsewhere: the directory of the file is watched.
        draft = self.folder / "draft.yml"
        draft.write_text(json.dumps(self.config) if text is None else text, encoding="utf-8")
        draft.replace(self.file)
        self._written_at = time.monotonic()

    def reload(self, mark: str) -> None:
        """Write the file with a sentinel path of that name, and wait until the relay has it.

        A busy relay sees a write late, so that the next may come too soon for it: it is written again, as a host does.
        """
        name = f"cfg/{mark}"
        sentinels = [path for path in self.config["paths"] if path.startswith("cfg/")]
        for old in sentinels:
            del self.config["paths"][old]
        self.config["paths"][name] = {}
        self.write()

        def has_it() -> bool:
            if time.monotonic() > self._written_at + _WRITE_AGAIN:
                self.write()
            return self.has_config(name)

        wait_for(has_it)

    def has_config(self, name: str) -> bool:
        """Whether a path is configured; an API that restarts has no answer yet."""
        with contextlib.suppress(OSError):
            return self.api(f"/v3/config/paths/get/{name}").status == 200
        return False

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            return self.api("/v3/info").status in (200, 401)
        return False

    def api(
        self, place: str, *, method: str = "GET", credentials: tuple[str, str] | None = (API_USER, API_PASSWORD)
    ) -> Answer:
        """Ask the Control API."""
        address = f"http://127.0.0.1:{self.api_port}{place}"
        request = urllib.request.Request(address, method=method)
        if credentials is not None:
            token = base64.b64encode(":".join(credentials).encode()).decode()
            request.add_header("Authorization", f"Basic {token}")
        try:
            with urllib.request.urlopen(request, timeout=_BOUND) as reply:  # noqa: S310
                return Answer(reply.status, reply.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.read())

    def wait_for_log(self, text: str) -> None:
        """Wait until it has said so; a line may follow what it tells of."""
        wait_for(lambda: text in self.log())

    def path(self, name: str) -> Document:
        """The document of one path."""
        return self.api(f"/v3/paths/get/{name}").json()

    def sessions(self) -> list[Document]:
        """The documents of all RTSP sessions."""
        items: list[Document] = self.api("/v3/rtspsessions/list").json()["items"]
        return items

    def url(self, name: str, user: str = READER, password: str = READER_PASSWORD) -> str:
        """The URL at which a reader finds a path."""
        secret = urllib.parse.quote(password, safe="")
        return f"rtsp://{user}:{secret}@127.0.0.1:{self.rtsp_port}/{name}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the Control API said."""

    status: int
    body: bytes

    def json(self) -> Document:
        """The body as a document."""
        document: Document = json.loads(self.body)
        return document


def dry_run(
    engine: Engine, folder: Path, text: str, extra: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Let an engine check a configuration without sockets: the log that cannot open ends it."""
    file = folder / "new.yml"
    file.write_bytes(text.encode())
    variables = {"MTX_LOGDESTINATIONS": "file", "MTX_LOGFILE": "/nonexistent/x"}
    return subprocess.run(
        [engine.program, file],
        env=environment({**variables, **(extra or {})}),
        capture_output=True,
        text=True,
        timeout=_BOUND,
        check=False,
    )
