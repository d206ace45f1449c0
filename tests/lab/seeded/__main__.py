"""Seed faults in a lab and print the table of docs/reference/verdicts.md: `scripts/seeded`."""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.lab.deployment import Deployment
from tests.lab.engine import find_engine, standin
from tests.lab.lab import Lab

from .draw import drawn
from .fault import Fault
from .faults import FAULTS
from .outcome import Judgement, Outcome
from .run import Seeding
from .table import last_lines, table, wrongs

RESULTS: Final = Path(__file__).parent
DRAWN: Final = RESULTS / "drawn.json"


def stored(engine: str) -> Path:
    """Where the results of an engine are kept."""
    return RESULTS / f"{engine}.json"


def read(file: Path, faults: Sequence[Fault] = FAULTS) -> list[Judgement]:
    """Return what is stored, in the order of the faults; a fault that is none any more is left out."""
    document = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return [Judgement(f, Outcome.from_json(f.name, document[f.name])) for f in faults if f.name in document]


def read_drawn(file: Path) -> dict[int, list[Judgement]]:
    """Return what is stored of drawn faults, by seed."""
    names = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    numbers = sorted({(int(seed), int(name.split(" ")[0])) for seed, _, name in (n.partition("/") for n in names)})
    counts = dict(numbers)
    return {seed: judged for seed, count in counts.items() if (judged := read(file, drawn(seed, count)))}


def keep(file: Path, outcome: Outcome) -> None:
    """Add an outcome to what is stored, one fault a line."""
    document = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    document[outcome.fault] = outcome.to_json()
    order = sorted(document) if file == DRAWN else [fault.name for fault in FAULTS if fault.name in document]
    lines = [f"{json.dumps(name)}: {json.dumps(document[name], ensure_ascii=False)}" for name in order]
    file.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def chosen(every: tuple[Fault, ...], engine: str, only: list[str]) -> tuple[Fault, ...]:
    """The faults that are to be seeded."""
    names = {fault.name for fault in every}
    if unknown := sorted(set(only) - names):
        sys.exit(f"no such fault: {', '.join(unknown)}; the first column of docs/reference/verdicts.md names them")
    possible = [fault for fault in every if engine == "real" or not fault.real_only]
    return tuple(fault for fault in possible if not only or fault.name in only)


def main() -> int:
    """Seed, print, and end with 1 where something is wrong."""
    parser = argparse.ArgumentParser(prog="scripts/seeded", description=__doc__)
    parser.add_argument("--engine", choices=["real", "standin"], default="real", help="which relay program")
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="this fault; may be repeated")
    parser.add_argument("--runs", type=int, default=1, metavar="N", help="how often verify looks at each (1)")
    parser.add_argument("--missing", action="store_true", help="only faults of which there is no stored result")
    parser.add_argument("--printed", action="store_true", help="print what is stored, and seed nothing")
    parser.add_argument("--draw", type=int, metavar="SEED", help="faults drawn with this seed, on MediaMTX")
    parser.add_argument("--count", type=int, default=60, metavar="N", help="how many are drawn (60)")
    options = parser.parse_args()
    is_drawn = options.draw is not None
    file = DRAWN if is_drawn else stored(options.engine)
    every = drawn(options.draw, options.count) if is_drawn else FAULTS
    if not options.printed:
        faults = chosen(every, options.engine, options.only)
        if options.missing:
            there = {judgement.fault.name for judgement in read(file, every)}
            faults = tuple(fault for fault in faults if fault.name not in there)
        seed(options.engine, faults, options.runs, file)
    judged = read(file, every)
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
