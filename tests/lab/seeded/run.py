"""Seeds faults in a lab, lets `verify` look, mends them, and keeps what was said."""

import json
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from provisioner.base.text import Document
from provisioner.cli.support.context import today
from provisioner.operations.apply.journal import keyed_state_folder
from provisioner.operations.pipeline.session import Session
from provisioner.record.path_memory import remember_paths
from provisioner.verify.memory import NOTHING, memory_document, memory_from
from provisioner.verify.reference import LASTS_FOR
from tests.lab.deployment import Deployment
from tests.lab.patience import stretched
from tests.lab.topology import RELAYS

from .fault import PATHS, Fault
from .faults import batches
from .outcome import Look, Outcome
from .steps import During, Shows

_MENDING_TRIES: Final = 20
# What a relay receives, twice: a look with `verify` costs twenty times as much, and the next batch is one.
_FLOWS: Final = """
import base64, json, time, urllib.request
password = open("/etc/provisioner/keys/api.password").read().strip()
login = base64.b64encode(f"api:{password}".encode()).decode()
def listed():
    request = urllib.request.Request("http://127.0.0.1:9997/v3/paths/list?itemsPerPage=1000")
    request.add_header("Authorization", f"Basic {login}")
    items = json.load(urllib.request.urlopen(request, timeout=5))["items"]
    return {item["name"]: (item["available"], item.get("inboundBytes", 0)) for item in items}
first = listed()
time.sleep(1.2)
second = listed()
print(json.dumps([name for name, (there, count) in second.items() if there and count > first.get(name, (0, 0))[1]]))
"""
# Each look stands for itself.
_VERIFY: Final = ("verify", "--once")
_FULL: Final = ("--picture", "full")


@dataclass(frozen=True)
class Seeding:
    """A deployed lab in which faults are seeded."""

    deployment: Deployment

    def results(self, faults: tuple[Fault, ...], runs: int) -> Iterator[Outcome]:
        """Seed all of these faults, those that mask none of each other at the same time."""
        self.well()
        for batch in batches(faults):
            _say(f"seeding {', '.join(fault.name for fault in batch)}")
            yield from self.tried(batch, runs)

    def tried(self, batch: Sequence[Fault], runs: int) -> list[Outcome]:
        """Seed faults at the same time and look at them so many times."""
        with self._fresh_state(), ExitStack() as mending:
            self._accept(batch, mending)
            for fault in batch:
                for step in fault.how:
                    mending.callback(step.undo, self.deployment)
                    step.do(self.deployment)
            # What relays wait for by themselves, on whatever machine.
            time.sleep(max(fault.settle_s for fault in batch))
            if batch[0].accepted is not None:
                self._look(batch)
                self._let_an_hour_pass()
                self._look(batch)
            documents = [self._look(batch) for _ in range(runs)]
        self._lift()
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

    def _accept(self, batch: Sequence[Fault], mending: ExitStack) -> None:
        """A person accepts what the cameras show, where the faults are such that are compared with it."""
        steps = [step for fault in batch for step in fault.accepted or ()]
        if not steps:
            return
        for step in steps:
            mending.callback(step.undo, self.deployment)
            step.do(self.deployment)
        time.sleep(max(fault.settle_s for fault in batch))
        facilities = {path.split("/")[1] for fault in batch for path in fault.touched}
        limits = [word for facility in sorted(facilities) for word in ("--limit", f"facility={facility}")]
        self.deployment.run("verify", "--accept", "--once", *_FULL, *limits)

    def _let_an_hour_pass(self) -> None:
        """Put back by an hour what is remembered to be suspected: the clocks of hosts are left alone."""
        session = Session(self.deployment.root, self.deployment.environment, today())
        remember_paths(keyed_state_folder(session), PATHS, _an_hour_earlier, datetime.now(UTC))

    def _lift(self) -> None:
        """Have devices asked again that refused a password: nobody else does, whatever they take now."""
        listed = self.deployment.document("quarantine", "list", codes=(0, 1, 5, 10))
        paths = sorted({one["path"] for one in listed["quarantined"]})
        if paths:
            self.deployment.run("quarantine", "lift", *paths, "--yes")

    def well(self) -> bool:
        """Wait until every sub stream flows into its relay; false where that does not come."""
        wanted = {path for path in PATHS if path.endswith("/sub")}
        for _ in range(round(stretched(_MENDING_TRIES))):
            missing = wanted - self._flowing()
            if not missing:
                return True
            time.sleep(2)
        _say(f"not all flows again: {', '.join(sorted(missing))}")
        return False

    def _flowing(self) -> set[str]:
        found: set[str] = set()
        for relay in RELAYS:
            said = self.deployment.lab.exec(relay.name, ["python3", "-c", _FLOWS], check=False)
            found |= set(json.loads(said.stdout)) if said.returncode == 0 else set()
        return found

    def _look(self, batch: Sequence[Fault]) -> dict[str, Any]:
        for step in (step for fault in batch for step in fault.how):
            if isinstance(step, During):
                step.begin(self.deployment)
        # What repeats or comes short shows in a longer look; whatever else is broken in a quick one, too.
        longer = any(_is_of_pictures(fault) for fault in batch)
        began = time.monotonic()
        document = self.deployment.document(*_VERIFY, *(_FULL if longer else ()), codes=(0, 1))
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


def _an_hour_earlier(_path: str, document: Document | None) -> Document:
    memory = memory_from(document) or NOTHING
    suspects = tuple(replace(one, first=one.first - LASTS_FOR, last=one.last - LASTS_FOR) for one in memory.suspects)
    return memory_document(replace(memory, suspects=suspects))


def _is_of_pictures(fault: Fault) -> bool:
    return "starved" in fault.expected.causes or any(isinstance(step, Shows) for step in fault.how)


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
