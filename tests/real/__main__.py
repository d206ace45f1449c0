"""`scripts/soak real`: bring up each real system, run its story, and store which version was seen.

    python -m tests.real             all of them
    python -m tests.real NAME...     these, as they are called in the page, in any case

It ends with 1 if a story failed, and with 0 if the others could not be had on this machine.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

from tests.real.programs import MissingError
from tests.real.seen import Sight, store, stored, with_sight
from tests.real.systems import SYSTEMS, RealSystem

ROOT: Final = Path(__file__).parents[2]
_VERSION: Final = re.compile(r"(?<![-.\d])\d+\.\d+(?:\.\d+)*(?:p\d+)?")
_MOST_S: Final = 3600
_PATH: Final = f"{os.environ['PATH']}:/usr/local/sbin:/usr/sbin:/sbin"


def tell(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def version_in(text: str) -> str:
    """Return the first version in a program's words, or an empty text."""
    found = _VERSION.search(text)
    return found[0] if found else ""


def version_of(system: RealSystem) -> str:
    """Ask a system for its version, or raise `MissingError`."""
    environment = os.environ | {"PATH": _PATH}
    try:
        # Some programs end with an error beside their version.
        done = subprocess.run(
            system.asks, env=environment, capture_output=True, text=True, timeout=60, check=False, cwd=ROOT
        )
    except OSError as error:
        raise MissingError(f"{system.asks[0]}: {error.strerror}") from None
    version = version_in(done.stdout) or version_in(done.stderr)
    if not version:
        raise MissingError(f"{' '.join(system.asks)} shows no version")
    return version


def counts(report: Path) -> tuple[int, int]:
    """Return how many tests passed, and how many did not: a test that skipped proves nothing."""
    if not report.exists():
        return 0, 1
    suite = next(ET.parse(report).getroot().iter("testsuite"))  # noqa: S314 (pytest wrote it)
    tests, *others = (int(suite.get(name, "0")) for name in ("tests", "failures", "errors", "skipped"))
    return tests - sum(others), sum(others)


def run_story(system: RealSystem, version: str) -> Sight:
    """Run a system's story; its output stays in a file if a test failed."""
    folder = Path(tempfile.mkdtemp(prefix="real-"))
    words = [sys.executable, "-m", "pytest", "-q", f"--junit-xml={folder / 'report.xml'}", *system.story]
    began = time.monotonic()
    with (folder / "output").open("wb") as output:
        subprocess.run(
            words,
            cwd=ROOT,
            env=os.environ | {"PATH": _PATH},
            stdout=output,
            stderr=output,
            check=False,
            timeout=_MOST_S,
        )
    passed, failed = counts(folder / "report.xml")
    sight = Sight(
        system.name,
        version,
        system.proves,
        " ".join(system.story),
        datetime.now(UTC).date().isoformat(),
        passed,
        failed,
    )
    if sight.is_whole:
        shutil.rmtree(folder)
    words_of_it = f"{passed} tests passed" if sight.is_whole else f"{failed} did not pass, see {folder / 'output'}"
    tell(f"{system.name} {version}: {words_of_it}, {time.monotonic() - began:.0f} s")
    return sight


def main(names: list[str]) -> int:
    """Run the stories of some systems, or of all."""
    wanted = {name.lower() for name in names}
    known = {one.name.lower() for one in SYSTEMS}
    if unknown := sorted(wanted - known):
        tell(f"soak real: there is no {unknown[0]}; known: {'; '.join(one.name for one in SYSTEMS)}")
        return 2
    code = 0
    for system in SYSTEMS:
        if wanted and system.name.lower() not in wanted:
            continue
        try:
            system.make()
            version = version_of(system)
        except MissingError as error:
            tell(f"{system.name}: not run: {error}")
            continue
        sight = run_story(system, version)
        code = code if sight.is_whole else 1
        store(with_sight(stored(), sight))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
