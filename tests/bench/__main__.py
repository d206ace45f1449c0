"""What `scripts/bench` runs: the parts of `_PARTS`, one of them or all."""

import argparse
import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tests.bench.child import BenchError
from tests.bench.figures import Part, machine, machine_line
from tests.bench.national import CAMERAS, Wanted, markdown
from tests.bench.national import measure as measure_national
from tests.bench.nights import NIGHTS, PATHS
from tests.bench.nights import measure as measure_nights
from tests.bench.offline import SIZES
from tests.bench.offline import measure as measure_offline

_CAUTION: Final = (
    "wall clock is only as good as the machine is quiet; with a load above its cores, read CPU seconds instead"
)
_PARTS: Final = ("offline", "national", "country", "nights", "page", "picture", "rollout")
_HOSTS: Final = (2, 8, 20)


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
    # Asked to end, it removes its hosts first; those of a killed one are removed by the next.
    for asked in (signal.SIGINT, signal.SIGTERM):
        signal.signal(asked, lambda number, _: sys.exit(128 + number))
    found = machine()
    say(machine_line(found))
    say(f"note: {_CAUTION}")
    parts: list[Part] = []
    failed = False
    for name in [options.part] if options.part else _PARTS:
        try:
            for part in _measure(name, options):
                parts.append(part)
                for line in ("", *part.lines()):
                    say(line)
        except (BenchError, _lab_error()) as error:
            progress(f"{name}: not measured: {error}")
            failed = True
    if options.json:
        options.json.write_text(json.dumps(_document(found, parts), indent=1) + "\n", encoding="utf-8")
    return int(failed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("part", nargs="?", choices=_PARTS, help="one part; all otherwise")
    parser.add_argument("--markdown", action="store_true", help="print the table of `national` as Markdown, too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there, too")
    offline = parser.add_argument_group("offline, national, page")
    offline.add_argument("--runs", type=int, default=3, help="runs of each thing, if time allows (3)")
    offline.add_argument("--seed", type=int, default=1, help="seed of the generated inventories (1)")
    offline.add_argument("--cameras", type=int, action="append", help="size of the inventory; may be repeated")
    national = parser.add_argument_group("national")
    national.add_argument(
        "--size",
        type=int,
        action="append",
        help="cameras of the country, also for page; for country its paths (100,000 and 300,000); may be repeated",
    )
    national.add_argument("--apart", action="store_true", help="carriers have vault files and ids of their own")
    national.add_argument("--tree", type=Path, default=Path(), metavar="DIR", help="measure that tree's commands")
    national.add_argument("--keep", type=Path, metavar="DIR", help="keep the country there, for further runs")
    nights = parser.add_argument_group("nights")
    nights.add_argument("--paths", type=int, default=PATHS, help="paths of the country (100,000)")
    nights.add_argument("--nights", type=int, default=NIGHTS, help="how many nights (365)")
    rollout = parser.add_argument_group("rollout")
    rollout.add_argument("--hosts", type=_counts, default=_HOSTS, metavar="N,N", help="sizes of the fleets (2,8,20)")
    rollout.add_argument("--rounds", type=int, default=3, help="rounds of all sides, if time allows (3)")
    rollout.add_argument("--minutes", type=float, default=40, help="no further round starts after these (40)")
    return parser


def _counts(text: str) -> tuple[int, ...]:
    counts = tuple(int(word) for word in text.split(","))
    if min(counts) < 1:
        raise argparse.ArgumentTypeError(f"{text}: a fleet has one host at least")
    return counts


def _measure(name: str, options: argparse.Namespace) -> Iterator[Part]:
    """The parts of a name.

    What only one of them needs is imported there: a child is a copy of this process until it starts, and its peak
    memory tells.
    """
    yield from {
        "offline": _offline,
        "national": _national,
        "country": _country,
        "nights": _nights,
        "page": _page,
        "picture": _picture,
        "rollout": _rollout,
    }[name](options)


def _offline(options: argparse.Namespace) -> Iterator[Part]:
    yield measure_offline(options.cameras or SIZES, options.runs, options.seed, progress)


def _nights(options: argparse.Namespace) -> Iterator[Part]:
    yield measure_nights(options.paths, options.nights, options.runs, options.seed, progress)


def _national(options: argparse.Namespace) -> Iterator[Part]:
    for size in options.size or [CAMERAS]:
        keep = options.keep / str(size) if options.keep else None
        wanted = Wanted(size, options.seed, options.runs, options.apart, options.tree.resolve(), keep)
        part = measure_national(wanted, progress)
        if options.markdown:
            for line in ("", *markdown(part)):
                say(line)
        yield part


def _country(options: argparse.Namespace) -> Iterator[Part]:
    from tests.bench import country  # noqa: PLC0415 (see above)

    yield country.measure(options.size or country.PATHS, options.seed, progress, options.keep)


def _page(options: argparse.Namespace) -> Iterator[Part]:
    from tests.bench.page import measure as measure_page  # noqa: PLC0415 (see above)

    for size in options.size or [CAMERAS]:
        yield measure_page(size, options.runs, options.seed, progress)


def _picture(options: argparse.Namespace) -> Iterator[Part]:
    from tests.bench.picture import measure as measure_picture  # noqa: PLC0415 (see above)

    yield measure_picture(options.runs, progress)


def _rollout(options: argparse.Namespace) -> Iterator[Part]:
    from tests.bench.rollout.part import measure  # noqa: PLC0415 (see above)

    yield from measure(options.hosts, options.rounds, options.minutes, progress)


def _lab_error() -> type[Exception]:
    from tests.lab.errors import LabError  # noqa: PLC0415

    return LabError


def _document(found: dict[str, Any], parts: list[Part]) -> dict[str, Any]:
    shown = {"schema": "provisioner/bench", "version": 1, "machine": found, "caution": _CAUTION}
    return shown | {"parts": [part.document() for part in parts]}


if __name__ == "__main__":
    sys.exit(main())
