"""What `scripts/bench` runs: `offline`, `lab`, or both."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

from tests.bench.child import BenchError
from tests.bench.figures import Part, machine, machine_line
from tests.bench.offline import SIZES
from tests.bench.offline import measure as measure_offline

_CAUTION: Final = (
    "wall clock is only as good as the machine is quiet; with a load above its cores, read CPU seconds instead"
)


def say(line: str) -> None:
    """Print a line of the result."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def progress(line: str) -> None:
    """Print what is going on."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def main() -> int:
    """Read the command line, measure, print; 1 where something could not be measured."""
    options = _parser().parse_args()
    found = machine()
    say(machine_line(found))
    say(f"note: {_CAUTION}")
    parts: list[Part] = []
    failed = False
    for name in [options.part] if options.part else ["offline", "lab"]:
        try:
            part = _measure(name, options)
        except (BenchError, _lab_error()) as error:
            progress(f"{name}: not measured: {error}")
            failed = True
            continue
        parts.append(part)
        for line in ("", *part.lines()):
            say(line)
    if options.json:
        options.json.write_text(json.dumps(_document(found, parts), indent=1) + "\n", encoding="utf-8")
    return int(failed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("part", nargs="?", choices=["offline", "lab"], help="one part; both otherwise")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there, too")
    parser.add_argument("--runs", type=int, default=3, help="runs of each thing, if time allows (3)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the generated inventories (1)")
    parser.add_argument("--cameras", type=int, action="append", help="size of the generated inventory; may be repeated")
    return parser


def _measure(name: str, options: argparse.Namespace) -> Part:
    if name == "offline":
        return measure_offline(options.cameras or SIZES, options.runs, options.seed, progress)
    # Not before it is needed: a child is a copy of this process until it starts, and its peak memory tells.
    from tests.bench.lab_part import measure  # noqa: PLC0415

    return measure(options.runs, progress)


def _lab_error() -> type[Exception]:
    from tests.lab.errors import LabError  # noqa: PLC0415

    return LabError


def _document(found: dict[str, Any], parts: list[Part]) -> dict[str, Any]:
    shown = {"schema": "provisioner/bench", "version": 1, "machine": found, "caution": _CAUTION}
    return shown | {"parts": [part.document() for part in parts]}


if __name__ == "__main__":
    sys.exit(main())
