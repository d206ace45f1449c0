"""`provisioner watch` beside a lab, and what it serves."""

import shlex
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.alarms import wait_for
from tests.processes import beside, free_port

from .deployment import Deployment
from .errors import LabError
from .patience import stretched


@dataclass(frozen=True)
class RunningWatch:
    """A watch."""

    process: subprocess.Popen[bytes]  #: Its process.
    words: tuple[str, ...]  #: How it was called.
    port: int  #: Where its metrics are.
    log: Path  #: The file of what it prints.

    @property
    def line(self) -> str:
        """How it was called, as a person would type it."""
        return shlex.join(["provisioner", *self.words])

    @property
    def printed(self) -> str:
        """What it has printed."""
        return self.log.read_text(encoding="utf-8")

    def paths(self, state: str) -> float:
        """How many paths are in a state."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10) as answer:
            families = text_string_to_metric_families(answer.read().decode())
            samples = [sample for family in families for sample in family.samples]
        named = [one for one in samples if one.name == "provisioner_watch_paths" and one.labels["state"] == state]
        return sum(one.value for one in named)

    def ansibles(self) -> int:
        """How many processes of it are an Ansible that was started, not one of its workers."""
        words = ["pgrep", "-f", "-c", f"ansible-playbook.*provisioner-{self.process.pid}-"]
        return int(subprocess.run(words, capture_output=True, text=True, check=False).stdout)

    def is_looking(self) -> bool:
        """Whether it has begun.

        Raises:
            LabError: it ended.
        """
        if self.process.poll() is not None:
            raise LabError(f"{self.line} ended with {self.process.returncode}:\n{self.printed}")
        return "watching" in self.printed


@contextmanager
def watching(deployment: Deployment, folder: Path, *options: str) -> Iterator[RunningWatch]:
    """Run a watch until the end of the block; it has to end with 0 when it is asked to.

    Raises:
        LabError: it ended by itself, or with another code.
    """
    port, log = free_port(), folder / "watch.log"
    words = ("watch", "--listen", str(port), *options)
    program = Path(sys.executable).with_name("provisioner")
    environment = deployment.environment
    with beside([program, *words], log, environment=environment, patience=stretched(60)) as process:
        one = RunningWatch(process, words, port, log)
        wait_for(one.is_looking, "the watch", stretched(60))
        yield one
    deployment.transcript.append(one.printed)
    if process.returncode:
        raise LabError(f"{one.line} ended with {process.returncode}:\n{one.printed}")
