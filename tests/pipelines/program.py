"""The program as a pipeline's shell calls it, with hosts in the memory of this process.

The shell's `provisioner` hands its words, folder and environment over a socket; here `run` does what they say.
"""

import io
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from unittest.mock import patch

from provisioner.cli.main import run

_CALLS: Final = """\
#!{python}
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as call:
    call.connect({place!r})
    asked = {{"words": sys.argv[1:], "folder": os.getcwd(), "environment": dict(os.environ)}}
    call.sendall(json.dumps(asked).encode() + b"\\n")
    answer = json.loads(call.makefile("rb").readline())
sys.stdout.write(answer["out"])
sys.stderr.write(answer["err"])
sys.exit(answer["code"])
"""
_LONGEST_S: Final = 240


@dataclass
class Call:
    """One call of the program: its words, its environment, and how it ended."""

    words: list[str]
    environment: dict[str, str]
    code: int = 0


@dataclass
class Program:
    """The program of a pipeline's shells."""

    folder: Path  #: Of programs, which has one called `provisioner`.
    calls: list[Call] = field(default_factory=list)  #: Every call of it.
    said: str = ""  #: All that shells and the program printed.

    def __post_init__(self) -> None:
        self.folder.mkdir()
        # A socket's name is short: folders of tests are not.
        place = f"/tmp/provisioner-pipeline-{os.getpid()}-{id(self)}"  # noqa: S108 (removed by `close`)
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(place)
        self._server.listen(4)
        self._server.settimeout(0.05)
        self._place = Path(place)
        script = self.folder / "provisioner"
        script.write_text(_CALLS.format(python=sys.executable, place=place), encoding="utf-8")
        script.chmod(0o755)

    def close(self) -> None:
        """Take no more calls."""
        self._server.close()
        self._place.unlink()

    def shell(self, script: str, folder: Path, environment: Mapping[str, str], *arguments: str) -> int:
        """Run a script as runners do, with `bash -e -o pipefail`: its exit code."""
        path = f"{self.folder}:{environment.get('PATH', os.environ['PATH'])}"
        argv = ["/bin/bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", script, "step", *arguments]
        with subprocess.Popen(
            argv,
            cwd=folder,
            env={**environment, "PATH": path},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as shell:
            until = time.monotonic() + _LONGEST_S
            assert shell.stdout is not None
            os.set_blocking(shell.stdout.fileno(), False)
            while shell.poll() is None:
                assert time.monotonic() < until, f"a step does not end: {script}"
                self._answer_one()
                self.said += (shell.stdout.read() or b"").decode()
            self.said += (shell.stdout.read() or b"").decode()
            return shell.returncode

    def _answer_one(self) -> None:
        with suppress(TimeoutError):
            caller, _ = self._server.accept()
            with caller:
                caller.settimeout(10)
                asked = json.loads(caller.makefile("rb").readline())
                call = Call(asked["words"], asked["environment"])
                self.calls.append(call)
                out, err, before = io.StringIO(), io.StringIO(), Path.cwd()
                os.chdir(asked["folder"])
                try:
                    alone = patch.dict(os.environ, call.environment, clear=True)
                    with alone, redirect_stdout(out), redirect_stderr(err):
                        call.code = run(call.words, call.environment)
                finally:
                    os.chdir(before)
                answer = {"out": out.getvalue(), "err": err.getvalue(), "code": call.code}
                caller.settimeout(None)
                caller.sendall(json.dumps(answer).encode() + b"\n")
