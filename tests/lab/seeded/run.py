"""Seeds faults in a lab, lets `verify` look, mends them, and keeps what was said."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from tests.lab.deployment import Deployment
from tests.lab.patience import stretched

from .fault import Fault
from .faults import batches
from .outcome import Look, Outcome
from .steps import During

_MENDING_TRIES: Final = 9
_WISHES: Final = (("--once",), ("--picture", "full"))


@dataclass(frozen=True)
class Seeding:
    """A deployed lab in which faults are seeded."""

    deployment: Deployment

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The command: each look stands for itself, and takes the time that a judgement of the picture needs."""
        known = self.deployment.run("verify", "--help").stdout
        return ("verify", *(word for wish in _WISHES if wish[0] in known for word in wish))

    def results(self, faults: tuple[Fault, ...], runs: int) -> Iterator[Outcome]:
        """Seed all of these faults, those that mask none of each other at the same time."""
        self.well()
        for batch in batches(faults):
            _say(f"seeding {', '.join(fault.name for fault in batch)}")
            yield from self.tried(batch, runs)

    def tried(self, batch: Sequence[Fault], runs: int) -> list[Outcome]:
        """Seed faults at the same time and look at them so many times."""
        with self._fresh_state(), ExitStack() as mending:
            for fault in batch:
                for step in fault.how:
                    mending.callback(step.undo, self.deployment)
                    step.do(self.deployment)
            time.sleep(stretched(max(fault.settle_s for fault in batch)))
            documents = [self._look(batch) for _ in range(runs)]
        mended = self.well()
        others = [_elsewhere(batch, document) for document in documents]
        elsewhere = tuple(sorted({text for found in others for text in found}))
        # What nobody of the batch touches is said at its first fault: whose doing it is nobody knows.
        return [
            Outcome(
                fault=fault.name,
                looks=tuple(Look.at(fault, document) for document in documents),
                elsewhere=elsewhere if number == 0 else (),
                mended=mended,
            )
            for number, fault in enumerate(batch)
        ]

    def well(self) -> bool:
        """Wait until every path is up; false where that does not come."""
        with self._fresh_state():
            for _ in range(round(stretched(_MENDING_TRIES))):
                document = self._verified()
                if document["summary"]["up"] == document["summary"]["paths"]:
                    return True
                time.sleep(3)
        _say("not all is up again: " + "; ".join(_words(incident) for incident in document["incidents"]))
        return False

    def _look(self, batch: Sequence[Fault]) -> dict[str, Any]:
        for step in (step for fault in batch for step in fault.how):
            if isinstance(step, During):
                step.begin(self.deployment)
        return self._verified()

    def _verified(self) -> dict[str, Any]:
        began = time.monotonic()
        document = self.deployment.document(*self.words, codes=(0, 1))
        _say(f"  {time.monotonic() - began:.0f} s; {'; '.join(map(_words, document['incidents'])) or 'all up'}")
        return document

    @contextmanager
    def _fresh_state(self) -> Iterator[None]:
        """The record as it was after the deployment: what was said of other faults must not colour what is said now."""
        kept = self.deployment.state
        scratch = self.deployment.lab.directory / f"state-{time.monotonic_ns()}"
        shutil.copytree(kept, scratch)
        self.deployment.state = scratch
        try:
            yield
        finally:
            self.deployment.state = kept
            shutil.rmtree(scratch, ignore_errors=True)


def _elsewhere(batch: Iterable[Fault], document: Mapping[str, Any]) -> list[str]:
    touched = {path for fault in batch for path in fault.touched}
    return [
        f"{path['path']}: {path['verdict']}, {path['cause']}"
        for path in document["paths"]
        if path["path"] not in touched and path["verdict"] != "up"
    ]


def _words(incident: Mapping[str, Any]) -> str:
    return (
        f"{incident['layer']} {incident['object']}: {incident['cause']} [{len(incident['paths'])}] {incident['detail']}"
    )


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
