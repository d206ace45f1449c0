"""A bare repository behind Git's own `http-backend`, as a forge serves it."""

import base64
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from tests.forges import TOKEN

WRITER: Final = TOKEN  #: The password of who may push: a forge's token is good for its API and for its repositories.
_ENVIRONMENT: Final = {"PATH": "/usr/bin:/bin", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null"}


def git(folder: Path, *words: str) -> str:
    """Run Git as a person does in a folder of theirs."""
    author = ("-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "gc.auto=0")
    done = subprocess.run(["git", *author, *words], cwd=folder, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@contextmanager
def served_repository(top: Path, name: str) -> Iterator[str]:
    """Serve `top/name.git`: everybody may read, and who has the password may push. The server's address."""
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(top / f"{name}.git")], check=True, timeout=60)

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            parts = urlsplit(self.path)
            pushes = "git-receive-pack" in self.path
            if pushes and not self._is_writer():
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="git"')
                self.end_headers()
                return
            body = self._body()
            environment = _ENVIRONMENT | {
                "GIT_PROJECT_ROOT": str(top),
                "GIT_HTTP_EXPORT_ALL": "1",
                "PATH_INFO": parts.path,
                "QUERY_STRING": parts.query,
                "REQUEST_METHOD": self.command,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": str(len(body)),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                "REMOTE_ADDR": "127.0.0.1",
            }
            environment |= {"REMOTE_USER": "writer"} if pushes else {}
            argv = ["git", "http-backend"]
            done = subprocess.run(argv, input=body, env=environment, capture_output=True, check=False, timeout=60)
            head, _, content = done.stdout.partition(b"\r\n\r\n")
            headers = [line.partition(": ") for line in head.decode().splitlines()]
            status = next((value for key, _, value in headers if key == "Status"), "200 OK")
            self.send_response(int(status.split()[0]))
            for key, _, value in headers:
                if key != "Status":
                    self.send_header(key, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

        def _is_writer(self) -> bool:
            kind, _, login = self.headers.get("Authorization", "").partition(" ")
            return kind == "Basic" and base64.b64decode(login).decode().endswith(f":{WRITER}")

        do_GET = do_POST = _serve  # noqa: N815 (the base class's names)

        def log_message(self, *_arguments: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def environment_of(home: Path, more: dict[str, str]) -> dict[str, str]:
    """What a step's shell gets: nothing of this process but where programs are."""
    home.mkdir(exist_ok=True)
    return {"PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C.UTF-8"} | more
