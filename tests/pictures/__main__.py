"""How often the checks of pictures err: simulates cameras, looks at them as `verify` does, prints the page's tables."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tests.pictures.collecting import Size, collect
from tests.pictures.kept import OtherSizeError, keep, read
from tests.pictures.rates import figures, judge_all, page


def main() -> int:
    """Print the tables of docs/picture.md."""
    parser = argparse.ArgumentParser(prog="scripts/picture-rates", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="another one gives other cameras and nights (1)")
    parser.add_argument("--cameras", type=int, default=24, metavar="N", help="how many cameras (24)")
    parser.add_argument("--nights", type=int, default=20, metavar="N", help="healthy nights of each (20)")
    parser.add_argument("--hard", type=int, default=1, metavar="N", help="how often each has every hard fault (1)")
    parser.add_argument("--soft", type=int, default=2, metavar="N", help="every how-manieth has each soft one (2)")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="how many processors it takes (1)")
    parser.add_argument("--looks", type=Path, metavar="FILE", help="keep what was measured here, and go on with it")
    parser.add_argument("--judge", type=Path, metavar="FILE", help="simulate nothing, judge what was kept")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as JSON too")
    options = parser.parse_args()
    if options.judge is not None:
        looks = read(options.judge)
    else:
        size = Size(options.seed, options.cameras, options.nights, options.hard, options.soft)
        if options.looks is None:
            looks = list(collect(size, options.workers))
        else:
            try:
                keep(options.looks, size, options.workers)
            except OtherSizeError as other:
                sys.exit(str(other))
            looks = read(options.looks)
    found = figures(judge_all(looks, options.seed), options.seed)
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    sys.stdout.write("\n".join(page(found)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
