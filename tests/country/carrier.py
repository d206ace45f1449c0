"""Carries calls to the simulated hosts of a country, as `AnsibleRunner` does to real ones: bundles out, files back."""

import json
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from provisioner.base.secret import seals_of
from provisioner.desired.render.templates import Templates
from provisioner.hosts.ansible.play import answer_in, program_bundle, write_bundle
from provisioner.hosts.runner import CallOutcome, HostAnswer, HostCall, OpenRunner

PLACE: Final = "SIMULATED_HOSTS"  #: Names the socket at which hosts answer.
_MOMENT_S: Final = 0.02


class CountryCarrier(OpenRunner):
    """Calls go to the process of the hosts all at once; each answer is read when somebody takes it.

    Args:
        templates: holds the on-host program's sources.
        environment: the caller's environment.
    """

    def __init__(self, templates: Templates, environment: Mapping[str, str]) -> None:
        self._digest, self._program = templates.host_digest, program_bundle(templates)
        self._place = environment.get(PLACE) or os.environ[PLACE]
        self._folder = Path(tempfile.mkdtemp(prefix="country-", dir="/dev/shm"))
        self._number = 0

    def stream(self, calls: Sequence[HostCall], *, timeout_s: float) -> Iterator[HostAnswer]:
        """An answer for every call as soon as it is there."""
        posted = {self._post(call): call.spec.id for call in calls}
        until = time.monotonic() + timeout_s
        while posted and time.monotonic() < until:
            come = [entry.name for entry in self._folder.iterdir() if entry.name in posted]
            if not come:
                time.sleep(_MOMENT_S)
            for name in come:
                raw = (self._folder / name).read_bytes()
                (self._folder / name).unlink()
                yield answer_in(posted.pop(name), raw)
        for host in posted.values():
            yield HostAnswer(host, CallOutcome.UNREACHABLE, error=f"no answer within {timeout_s:.0f} s")

    def _post(self, call: HostCall) -> str:
        self._number += 1
        bundle, answer = self._folder / f"{self._number}.tar", self._folder / str(self._number)
        write_bundle(bundle, call)
        # Nobody reads it here; what it costs belongs to a call.
        seals_of(call.spec.identity, bundle.read_bytes(), self._program, call.request["operation"], self._digest)
        asked = {"host": call.spec.id, "bundle": str(bundle), "answer": str(answer)}
        with socket.socket(socket.AF_UNIX) as link:
            link.connect(self._place)
            link.sendall(json.dumps(asked).encode() + b"\n")
            link.recv(1)
        return answer.name

    def close(self) -> None:
        """Remove what has travelled."""
        shutil.rmtree(self._folder, ignore_errors=True)
