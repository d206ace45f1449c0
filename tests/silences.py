"""Silences as Alertmanager has them: which alert one hides, and a server in memory that holds them.

What is here of Alertmanager (0.25) is held against its own program by `integrations/notify/test_silences.py`.
"""

import json
import re
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from provisioner.operations.apply.silences import AlertMatchers

Plain = dict[str, Any]


def hides(matchers: Sequence[Mapping[str, object]], labels: Mapping[str, str]) -> bool:
    """Whether all matchers of a silence fit an alert: patterns are of whole values, a missing label is an empty one."""
    for one in matchers:
        value, wanted = labels.get(str(one["name"]), ""), str(one["value"])
        fits = re.fullmatch(wanted, value) is not None if one["isRegex"] else value == wanted
        if fits is not one.get("isEqual", True):
            return False
    return True


def is_silenced(silences: Sequence[AlertMatchers], labels: Mapping[str, str]) -> bool:
    """Whether one of some silences hides an alert."""
    return any(hides([matcher.document for matcher in one], labels) for one in silences)


@dataclass
class SilencesInMemory:
    """An Alertmanager of which there is nothing but its silences.

    Attributes:
        silences: by id, as its API tells of them.
        asked: the method and path of each request.
        login: what a request has to bring as `Authorization`; empty takes any.
        broken: the number that every request is answered with; 0 answers as it should.
        odd: an answer to every request that is none.
    """

    silences: dict[str, Plain] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    headers: list[str] = field(default_factory=list)
    broken: int = 0
    odd: bytes | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)
    url: str = ""

    def active(self, at: datetime | None = None) -> list[Plain]:
        """The silences that hide something now."""
        now = at or datetime.now(UTC)
        with self.lock:
            return [one for one in self.silences.values() if one["starts"] <= now < one["ends"]]

    def hides(self, labels: Mapping[str, str]) -> bool:
        """Whether an alert is hidden now."""
        return any(hides(one["matchers"], labels) for one in self.active())

    def put(self, body: Plain) -> tuple[int, Plain]:
        """Take a silence, or a change of one."""
        now = datetime.now(UTC)
        starts, ends = (datetime.fromisoformat(body[name]) for name in ("startsAt", "endsAt"))
        if ends <= starts or ends < now:
            return 400, {"code": 601}
        name = body.get("id", "")
        with self.lock:
            known = self.silences.get(name)
            if name and known is None:
                return 404, {}
            if known is not None and known["starts"] <= now < known["ends"]:
                same = known["matchers"] == body["matchers"] and int(known["starts"].timestamp()) == int(
                    starts.timestamp()
                )
                if same:
                    known["ends"] = ends
                    return 200, {"silenceID": name}
                known["ends"] = now
            own = str(uuid.uuid4())
            self.silences[own] = {**body, "id": own, "starts": max(starts, now), "ends": ends}
            return 200, {"silenceID": own}

    def get(self, name: str) -> tuple[int, Plain]:
        """Tell of a silence."""
        now = datetime.now(UTC)
        with self.lock:
            known = self.silences.get(name)
        if known is None:
            return 404, {}
        state = "pending" if now < known["starts"] else "active" if now < known["ends"] else "expired"
        shown = {key: value for key, value in known.items() if key not in {"starts", "ends"}}
        moments = {"startsAt": _text(known["starts"]), "endsAt": _text(known["ends"]), "updatedAt": _text(now)}
        return 200, {**shown, **moments, "status": {"state": state}}

    def delete(self, name: str) -> tuple[int, Plain]:
        """End a silence."""
        now = datetime.now(UTC)
        with self.lock:
            known = self.silences.get(name)
            if known is None:
                return 404, {}
            if known["ends"] <= now:
                return 500, {}
            known["ends"] = now
        return 200, {}


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@contextmanager
def silences_served() -> Iterator[SilencesInMemory]:
    """An Alertmanager's silences on loopback."""
    memory = SilencesInMemory()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_words: object) -> None:
            """Say nothing."""

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            memory.asked.append((self.command, self.path))
            memory.headers.append(self.headers.get("Authorization", ""))
            if memory.odd is not None or memory.broken:
                return self._send(memory.broken or 200, memory.odd or b"")
            name = self.path.rpartition("/")[2]
            kind = self.path.removesuffix(f"/{name}")
            if (self.command, self.path) == ("POST", "/api/v2/silences"):
                code, said = memory.put(json.loads(body))
            elif kind == "/api/v2/silence" and self.command in {"GET", "DELETE"}:
                code, said = memory.get(name) if self.command == "GET" else memory.delete(name)
            else:
                code, said = 404, {}
            return self._send(code, json.dumps(said).encode() if said else b"")

        def _send(self, code: int, data: bytes) -> None:
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_DELETE = _answer  # noqa: N815 (the library's names)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    memory.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield memory
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
