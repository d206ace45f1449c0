"""Readers at the monitoring centre that hold paths of a relay open, and measure the gaps between packets."""

import json
import select
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from provisioner.cli.support.context import today
from provisioner.desired.spec import RTSPS_PORT
from provisioner.operations.pipeline.session import Session

from .deployment import Deployment
from .errors import LabError
from .patience import stretched
from .topology import CENTRE, FRAME_RATE

_PROGRAM: Final = Path(__file__).with_name("rtsp_hold.py")
_PORT: Final = 8554
_START_SECONDS: Final = 40
_SILENCE: Final = 15.0
#: So long may a reader on a quiet machine stay without a packet, and nobody sees it: two pictures late at most.
LONGEST_GAP: Final = 1 / FRAME_RATE + 0.4
_STOP_SECONDS: Final = 15


@dataclass(frozen=True, slots=True)
class Held:
    """What one reader saw: packets, the longest time between two of them, and why it ended if it did.

    `gap_before` is that time until `mark`: what is long there already is not the doing of what came after.
    `moved` tells that it was cut, and reads on at another relay.
    """

    path: str
    packets: int
    longest_gap: float
    end: str
    gap_before: float = 0.0
    moved: bool = False

    @property
    def played_on(self) -> bool:
        """Whether the picture came and the connection was never lost."""
        return self.packets > 0 and not self.end


class HeldReaders:
    """A context in which readers play; `finish` ends them and gives what they saw.

    Attributes:
        order: what their program is told.
    """

    def __init__(
        self,
        deployment: Deployment,
        relay: str,
        paths: Sequence[str],
        then: str = "",
        silence: float = _SILENCE,
        *,
        viewer: str = "",
        encrypted: bool = False,
    ) -> None:
        """Take the paths of a relay that are to be played at the centre, and the relay where they are read on.

        Args:
            deployment: the lab's.
            relay: where they are read.
            paths: which.
            then: where a reader reads on that was cut.
            silence: after so many seconds without a packet a reader takes its relay for gone.
            viewer: by whose login; the centre's own if nobody is named.
            encrypted: whether by RTSPS.
        """
        self._lab = deployment.lab
        self.order = _order(deployment, relay, paths, then) | {"silence": silence}
        if viewer:
            session = Session(deployment.root, deployment.environment, today())
            secrets = session.secrets.carriers[session.state.hosts[relay].carriers[0]]
            self.order |= {"user": f"viewer-{viewer}", "password": secrets.viewers[viewer].reveal()}
        if encrypted:
            self.order |= {"port": RTSPS_PORT, "encrypted": True}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start, and wait until every path plays or has failed."""
        container = self._lab.container(CENTRE.name)
        program = _PROGRAM.read_text(encoding="utf-8")
        command = ["docker", "exec", "--interactive", container, "python3", "-c", program]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        try:
            self._tell(json.dumps(self.order).encode() + b"\n")
            self._line(_START_SECONDS)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Hang up."""
        self._end()

    def mark(self) -> None:
        """Count the longest gaps from now, not from the beginning."""
        self._tell(b"mark\n")

    def finish(self) -> list[Held]:
        """End the readers and give what each saw.

        Raises:
            LabError: the readers' program has gone.
        """
        self._tell(b"stop\n")
        document = json.loads(self._line(_STOP_SECONDS))
        return [Held(path, **seen) for path, seen in document.items()]

    def _tell(self, line: bytes) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line)
        except OSError as error:
            raise LabError("the readers at the centre have gone") from error

    def _line(self, seconds: float) -> bytes:
        limit = stretched(seconds)
        assert self._process is not None
        assert self._process.stdout is not None
        line = b""
        while not line.endswith(b"\n"):
            if not select.select([self._process.stdout], [], [], limit)[0]:
                raise LabError(f"the readers at the centre said nothing for {limit:g} s")
            if not (part := self._process.stdout.read(1 << 16)):
                raise LabError("the readers at the centre have gone")
            line += part
        return line

    def _end(self) -> None:
        if self._process is None:
            return
        # The program in the container ends with its standard input.
        with self._process as process:
            if process.stdin is not None:
                process.stdin.close()
            try:
                process.wait(stretched(_STOP_SECONDS))
            except subprocess.TimeoutExpired:
                process.kill()
        self._process = None


def _order(deployment: Deployment, relay: str, paths: Sequence[str], then: str) -> dict[str, object]:
    session = Session(deployment.root, deployment.environment, today())
    spec, centre = session.state.hosts[relay], session.state.hosts[CENTRE.name]
    return {
        "address": str(spec.tunnel.address),
        "port": _PORT,
        "user": f"centre-{CENTRE.name}",
        "password": centre.readers[spec.carriers[0]].reveal(),
        "paths": list(paths),
        "then": str(session.state.hosts[then].tunnel.address) if then else "",
    }
