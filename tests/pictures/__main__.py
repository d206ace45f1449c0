"""How often the checks of pictures err: simulates cameras, looks at them as `verify` does, prints the page's tables."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.pictures.collecting import Look, Size, collect
from tests.pictures.kept import OtherSizeError, keep, read, seed_of
from tests.pictures.rates import Figures, figures, judge_all, page, together


def main() -> int:
    """Print the tables of docs/reference/picture.md."""
    parser = argparse.ArgumentParser(prog="scripts/picture-rates", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="another one gives other cameras and nights (1)")
    parser.add_argument("--cameras", type=int, default=24, metavar="N", help="how many cameras (24)")
    parser.add_argument("--nights", type=int, default=20, metavar="N", help="healthy nights of each (20)")
    parser.add_argument("--hard", type=int, default=1, metavar="N", help="how often each has every hard fault (1)")
    parser.add_argument("--soft", type=int, default=2, metavar="N", help="every how-manieth has each soft one (2)")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="how many processors it takes (1)")
    parser.add_argument("--looks", type=Path, metavar="FILE", help="keep what was measured here, and go on with it")
    parser.add_argument("--judge", type=Path, nargs="+", metavar="FILE", help="simulate nothing, judge what was kept")
    parser.add_argument("--early", action="store_true", help="quick looks end as soon as nothing is in doubt")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as JSON too")
    parser.add_argument("--footage", type=Path, nargs="+", metavar="FILE", default=(), help="films that cameras show")
    options = parser.parse_args()
    if options.judge is not None:
        of = together(
            [_figures(read(file), seed, early=options.early) for file in options.judge for seed in [seed_of(file)]]
        )
    else:
        footage = tuple(str(file.resolve(strict=True)) for file in options.footage)
        size = Size(options.seed, options.cameras, options.nights, options.hard, options.soft, footage)
        of = _simulated(size, options)
    if options.json is not None:
        options.json.write_text(json.dumps(of, indent=1, ensure_ascii=False) + "\n")
    sys.stdout.write("\n".join(page(of)) + "\n")
    return 0


def _simulated(size: Size, options: argparse.Namespace) -> Figures:
    if options.looks is None:
        looks = list(collect(size, options.workers))
    else:
        try:
            keep(options.looks, size, options.workers)
        except OtherSizeError as other:
            sys.exit(str(other))
        looks = read(options.looks)
    return _figures(looks, size.seed, early=options.early)


def _figures(looks: Sequence[Look], seed: int, *, early: bool) -> Figures:
    return figures(judge_all(looks, early=early), seed)


if __name__ == "__main__":
    sys.exit(main())
