"""A forge on this machine: the calls of GitHub, GitLab and Forgejo that we make, answered as their published APIs say.

Written by their own descriptions: GitHub's REST API of 2022-11-28 (OpenAPI), GitLab's of version 4, Forgejo's of
version 1 (swagger.v1.json). What a body may hold is a JSON Schema here, so that a call they would refuse is refused.
"""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

import jsonschema

TOKEN: Final = "canary-forge-token-4711"
COMMIT: Final = "0123456789abcdef0123456789abcdef01234567"
GONE: Final = "4711" * 10  #: A commit that it does not have.
NUMBER: Final = 7
_TEXT: Final = {"type": "string", "minLength": 1}
_BODY: Final = {"type": "object", "required": ["body"], "properties": {"body": _TEXT}, "additionalProperties": False}
_NAMES: Final = {
    "type": "object",
    "required": ["labels"],
    "properties": {"labels": {"type": "array", "minItems": 1, "items": _TEXT}},
    "additionalProperties": False,
}

_NUMBERS: Final = {
    "type": "object",
    "required": ["labels"],
    "properties": {"labels": {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 1}}},
    "additionalProperties": False,
}


def _status(states: list[str], name: str, most: int) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["state"],
        "properties": {
            "state": {"enum": states},
            name: _TEXT,
            "description": {"type": "string", "maxLength": most},
            "target_url": {"type": "string", "format": "uri"},
        },
        "additionalProperties": False,
    }


_GITHUB_STATUS: Final = _status(["error", "failure", "pending", "success"], "context", 140)
_FORGEJO_STATUS: Final = _status(["error", "failure", "pending", "success", "warning"], "context", 255)
_GITLAB_STATUS: Final = _status(["pending", "running", "success", "failed", "canceled", "skipped"], "name", 255)
_GITLAB_REQUEST: Final = {
    "type": "object",
    "minProperties": 1,
    "properties": {"add_labels": _TEXT, "remove_labels": _TEXT},
    "additionalProperties": False,
}
_FORGEJO_LABEL: Final = {
    "type": "object",
    "required": ["name", "color"],
    "properties": {"name": _TEXT, "color": {"type": "string", "pattern": "^#[0-9a-f]{6}$"}},
    "additionalProperties": False,
}


@dataclass
class Note:
    """A comment."""

    id: int
    author: str
    body: str


@dataclass
class Forge:
    """What a forge of one kind holds, and how it fails.

    Attributes:
        kind: github, gitlab or forgejo.
        url: the address of its API.
        account: whose the token is.
        tells_account: whether it says so: the token of GitHub's own runner may not ask.
        failing: numbers that it answers first, one a call.
        failed: the body of these answers.
        raw: a body that it answers to everything instead.
        calls: the methods and paths that came.
        bodies: everything that came, for canaries.
    """

    kind: str
    url: str = ""
    account: str = "provisioner-bot"
    tells_account: bool = True
    notes: list[Note] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    known: list[str] = field(default_factory=lambda: [f"label-{n:02}" for n in range(55)])
    statuses: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    failing: list[int] = field(default_factory=list)
    failed: bytes = b'{"message": "no"}'
    raw: bytes | None = None
    calls: list[str] = field(default_factory=list)

    @property
    def project(self) -> str:
        """Its project, as the forge's pipelines name it."""
        return "4242" if self.kind == "gitlab" else "noc/inventory"

    @property
    def environment(self) -> dict[str, str]:
        """What a runner of it sets for a merge request's pipeline."""
        if self.kind == "gitlab":
            return {
                "GITLAB_CI": "true",
                "CI_API_V4_URL": self.url,
                "CI_PROJECT_ID": self.project,
                "CI_MERGE_REQUEST_IID": str(NUMBER),
                "CI_COMMIT_SHA": COMMIT,
            }
        own = {"FORGEJO_ACTIONS": "true"} if self.kind == "forgejo" else {}
        return own | {
            "GITHUB_ACTIONS": "true",
            "GITHUB_API_URL": self.url,
            "GITHUB_REPOSITORY": self.project,
            "GITHUB_REF": f"refs/pull/{NUMBER}/merge",
            "GITHUB_SHA": COMMIT,
        }

    def note(self, author: str, body: str) -> None:
        """Somebody comments."""
        self.notes.append(Note(len(self.notes) + 1, author, body))

    # --- answers ----------------------------------------------------------------------------------
    def answer(self, method: str, target: str, body: Any) -> tuple[int, Any]:
        """What it answers to a call that its token may make."""
        parts = urlsplit(target)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        for pattern, asked, does in self._table():
            matched = re.fullmatch(pattern, parts.path)
            if matched and asked == method:
                return does(*map(unquote, matched.groups()), query=query, body=body)
        return 404, {"message": "404 Not Found"}

    def _table(self) -> list[tuple[str, str, Callable[..., tuple[int, Any]]]]:
        number = str(NUMBER)
        if self.kind == "gitlab":
            request = rf"/api/projects/{self.project}/merge_requests/{number}"
            return [
                ("/api/user", "GET", self._user),
                (f"{request}/notes", "GET", self._listed),
                (f"{request}/notes", "POST", self._add),
                (rf"{request}/notes/(\d+)", "PUT", self._edit),
                (request, "GET", lambda **_: (200, {"iid": NUMBER, "labels": self.labels})),
                (request, "PUT", self._relabel),
                (rf"/api/projects/{self.project}/statuses/([0-9a-f]+)", "POST", self._set_status),
            ]
        top = f"/api/repos/{self.project}"
        return [
            ("/api/user", "GET", self._user),
            (f"{top}/issues/{number}", "GET", lambda **_: (200, {"number": NUMBER})),
            (f"{top}/issues/{number}/comments", "GET", self._listed),
            *([(rf"{top}/issues/\d+/comments", "GET", _missing)] if self.kind == "forgejo" else []),
            *([(f"{top}/statuses/{GONE}", "POST", _missing)] if self.kind == "forgejo" else []),
            (f"{top}/issues/{number}/comments", "POST", self._add),
            (rf"{top}/issues/comments/(\d+)", "PATCH", self._edit),
            (f"{top}/issues/{number}/labels", "GET", lambda **_: (200, [*map(self._label, self.labels)])),
            (f"{top}/issues/{number}/labels", "POST", self._put_on),
            (rf"{top}/issues/{number}/labels/([^/]+)", "DELETE", self._take_off),
            (f"{top}/labels", "GET", self._project_labels),
            (f"{top}/labels", "POST", self._make_label),
            (rf"{top}/statuses/([0-9a-f]+)", "POST", self._set_status),
        ]

    def _user(self, **_: Any) -> tuple[int, Any]:
        if not self.tells_account:
            return 403, {"message": "Resource not accessible by integration"}
        return 200, {"id": 1, "username" if self.kind == "gitlab" else "login": self.account}

    def _listed(self, *, query: dict[str, str], **_: Any) -> tuple[int, Any]:
        listed = [self._note(one) for one in self.notes]
        if self.kind == "forgejo":
            return 200, listed
        assert self.kind == "github" or (query["sort"], query["order_by"]) == ("asc", "created_at")
        size, page = min(int(query["per_page"]), 100), int(query["page"])
        return 200, listed[(page - 1) * size : page * size]

    def _note(self, note: Note) -> dict[str, Any]:
        if self.kind == "gitlab":
            return {"id": note.id, "body": note.body, "author": {"id": 1, "username": note.author}, "system": False}
        return {"id": note.id, "body": note.body, "user": {"id": 1, "login": note.author}}

    def _add(self, *, body: Any, **_: Any) -> tuple[int, Any]:
        jsonschema.validate(body, _BODY)
        self.note(self.account, body["body"])
        return 201, self._note(self.notes[-1])

    def _edit(self, identity: str, *, body: Any, **_: Any) -> tuple[int, Any]:
        jsonschema.validate(body, _BODY)
        note = next(one for one in self.notes if one.id == int(identity))
        if self.kind == "gitlab" and note.author != self.account:
            return 403, {"message": "403 Forbidden"}
        note.body = body["body"]
        return 200, self._note(note)

    def _label(self, name: str) -> dict[str, Any]:
        return {"id": self.known.index(name) + 1 if name in self.known else 0, "name": name, "color": "00aabb"}

    def _put_on(self, *, body: Any, **_: Any) -> tuple[int, Any]:
        # GitHub makes a label that it does not know. Forgejo 7.0 takes numbers alone, of labels that it has.
        jsonschema.validate(body, _NAMES if self.kind == "github" else _NUMBERS)
        names = [name if isinstance(name, str) else self.known[name - 1] for name in body["labels"]]
        self.labels += [name for name in names if name not in self.labels]
        return 200, [*map(self._label, self.labels)]

    def _take_off(self, label: str, **_: Any) -> tuple[int, Any]:
        name = label if self.kind == "github" else self.known[int(label) - 1]
        if name not in self.labels:
            return 404, {"message": "Label does not exist"}
        self.labels.remove(name)
        return (200, [*map(self._label, self.labels)]) if self.kind == "github" else (204, None)

    def _project_labels(self, *, query: dict[str, str], **_: Any) -> tuple[int, Any]:
        size, page = min(int(query["limit"]), 50), int(query["page"])
        return 200, [self._label(name) for name in self.known[(page - 1) * size : page * size]]

    def _make_label(self, *, body: Any, **_: Any) -> tuple[int, Any]:
        jsonschema.validate(body, _FORGEJO_LABEL)
        self.known.append(body["name"])
        return 201, self._label(body["name"])

    def _relabel(self, *, body: Any, **_: Any) -> tuple[int, Any]:
        jsonschema.validate(body, _GITLAB_REQUEST)
        gone = body.get("remove_labels", "").split(",")
        self.labels = [name for name in self.labels if name not in gone]
        self.labels += [name for name in body.get("add_labels", "").split(",") if name and name not in self.labels]
        return 200, {"iid": NUMBER, "labels": self.labels}

    def _set_status(self, commit: str, *, body: Any, **_: Any) -> tuple[int, Any]:
        schemas = {"github": _GITHUB_STATUS, "gitlab": _GITLAB_STATUS, "forgejo": _FORGEJO_STATUS}
        jsonschema.validate(body, schemas[self.kind])
        self.statuses[commit, body["name" if self.kind == "gitlab" else "context"]] = body
        return 201, {"id": 1, "state": body["state"]}

    def knows(self, headers: dict[str, str]) -> bool:
        """Tell whether a call has the token, where this forge looks for it."""
        expected = {
            "github": ("authorization", f"Bearer {TOKEN}"),
            "gitlab": ("private-token", TOKEN),
            "forgejo": ("authorization", f"token {TOKEN}"),
        }
        name, value = expected[self.kind]
        return headers.get(name) == value


def _missing(**_: Any) -> tuple[int, Any]:
    """Comments of a missing request (Forgejo 7.0.8), a missing commit's status (Gitea 1.25.4): both seen."""
    return 500, {"message": "object does not exist"}


@contextmanager
def served_forge(kind: str) -> Iterator[Forge]:
    """A forge that listens on this machine."""
    forge = Forge(kind)

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            forge.calls.append(f"{self.command} {self.path}")
            length = int(self.headers.get("Content-Length", 0))
            body = json.loads(self.rfile.read(length)) if length else None
            if forge.failing:
                self._say(forge.failing.pop(0), forge.failed)
            elif forge.raw is not None:
                self._say(200, forge.raw)
            elif not forge.knows({key.lower(): value for key, value in self.headers.items()}):
                self._say(401, b'{"message": "401 Unauthorized"}')
            else:
                try:
                    status, answer = forge.answer(self.command, self.path, body)
                except jsonschema.ValidationError as error:
                    status, answer = 422, {"message": error.message}
                self._say(status, b"" if answer is None else json.dumps(answer).encode())

        def _say(self, status: int, content: bytes) -> None:
            self.send_response(status)
            if status in range(300, 400):
                self.send_header("Location", "http://198.51.100.9/elsewhere")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 (the base class's names)

        def log_message(self, *_arguments: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    forge.url = f"http://127.0.0.1:{server.server_address[1]}/api"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield forge
    finally:
        server.shutdown()
        server.server_close()
