"""Seed faults in a lab and print the table of docs/reference/verdicts.md: `scripts/seeded`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Final

from tests.lab.deployment import Deployment
from tests.lab.engine import find_engine, standin
from tests.lab.lab import Lab

from .fault import Fault
from .faults import FAULTS
from .outcome import Judgement, Outcome
from .run import Seeding
from .table import last_lines, table, wrongs

RESULTS: Final = Path(__file__).parent


def stored(engine: str) -> Path:
    """Where the results of an engine are kept."""
    return RESULTS / f"{engine}.json"


def read(file: Path) -> list[Judgement]:
    """What is stored, in the order of the faults; a fault that is none any more is left out."""
    document = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return [Judgement(f, Outcome.from_json(f.name, document[f.name])) for f in FAULTS if f.name in document]


def keep(file: Path, outcome: Outcome) -> None:
    """Add an outcome to what is stored, one fault a line."""
    document = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    document[outcome.fault] = outcome.to_json()
    order = [fault.name for fault in FAULTS if fault.name in document]
    lines = [f"{json.dumps(name)}: {json.dumps(document[name], ensure_ascii=False)}" for name in order]
    file.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def chosen(engine: str, only: list[str]) -> tuple[Fault, ...]:
    """The faults that are to be seeded."""
    names = {fault.name for fault in FAULTS}
    if unknown := sorted(set(only) - names):
        sys.exit(f"no such fault: {', '.join(unknown)}; the first column of docs/reference/verdicts.md names them")
    possible = [fault for fault in FAULTS if engine == "real" or not fault.real_only]
    return tuple(fault for fault in possible if not only or fault.name in only)


def main() -> int:
    """Seed, print, and end with 1 where something is wrong."""
    parser = argparse.ArgumentParser(prog="scripts/seeded", description=__doc__)
    parser.add_argument("--engine", choices=["real", "standin"], default="real", help="which relay program")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="this fault; may be repeated")
    parser.add_argument("--runs", type=int, default=1, metavar="N", help="how often verify looks at each (1)")
    parser.add_argument("--missing", action="store_true", help="only faults of which there is no stored result")
    parser.add_argument("--printed", action="store_true", help="print what is stored, and seed nothing")
    options = parser.parse_args()
    file = stored(options.engine)
    if not options.printed:
        faults = chosen(options.engine, options.only)
        if options.missing:
            there = {one.fault.name for one in read(file)}
            faults = tuple(fault for fault in faults if fault.name not in there)
        seed(options.engine, faults, options.runs, file)
    judged = read(file)
    sys.stdout.write("\n".join([*table(judged), "", *wrongs(judged), "", *last_lines(judged)]) + "\n")
    return int(not all(one.is_right for one in judged))


def seed(engine: str, faults: tuple[Fault, ...], runs: int, file: Path) -> None:
    """Start a lab and keep what is said of each fault."""
    found = standin() if engine == "standin" else find_engine()
    if engine == "real" and not found.is_real:
        sys.exit(f"there is no MediaMTX here, only {found.name}: name one with MEDIAMTX_BIN")
    with Lab.start() as lab:
        deployment = Deployment(lab, found)
        deployment.prepare()
        deployment.deploy()
        for outcome in Seeding(deployment).results(faults, runs):
            keep(file, outcome)


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(main())
