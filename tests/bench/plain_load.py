"""The plain way to read an inventory: PyYAML's C loader over the same files, and nothing else.

`python -m tests.bench.plain_load DIR`; encrypted files are left out, as it could not read them.
"""

import sys
from pathlib import Path

import yaml


def load_all(root: Path) -> int:
    """Load every file; give how many."""
    count = 0
    for path in sorted(root.rglob("*.yml")):
        if "secrets" not in path.relative_to(root).parts:
            yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader)
            count += 1
    return count


if __name__ == "__main__":
    sys.stdout.write(f"{load_all(Path(sys.argv[1]))}\n")
