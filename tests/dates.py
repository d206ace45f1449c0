"""`scripts/soak --dates`: the tests that need no lab, under a clock that shows other dates.

Each run starts its processes at one moment, by libfaketime; the monotonic clock stays real. Around midnight each test
file has a process of its own that starts seconds before it, so that every file sees the day change.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta, timezone
from pathlib import Path

ROOT = Path(__file__).parents[1]
LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
# The lab and the demo have clocks of their own.
LEFT_OUT = tuple(f"--ignore=tests/{name}" for name in ("lab", "demo", "contract", "packaging"))
# The moments that the kernel writes to files are real, and this one holds them against the clock.
_REAL = "--deselect=tests/unit/inventory/test_cache.py::test_no_stamp_is_given_for_code_that_may_not_be_what_runs"
_VIETNAM = timezone(timedelta(hours=7))
_SECONDS_BEFORE = 3
# Python sleeps by the monotonic clock until a moment, which this library refuses while that clock is real.
_SLEEP = """
import select, time
time.sleep = lambda seconds: (select.select([], [], [], seconds), None)[1]
"""


def days(today: date) -> Iterator[tuple[str, date]]:
    """Yield the next first, ninth and thirty-first of a month, the next 29 February, and the day a year on."""
    coming = [today + timedelta(days=n) for n in range(1, 9 * 366)]
    for number in (1, 9, 31):
        yield f"day {number} of a month", next(day for day in coming if day.day == number)
    yield "29 February", next(day for day in coming if (day.month, day.day) == (2, 29))
    yield "a year on", coming[364]


def midnights(today: date) -> Iterator[tuple[str, datetime]]:
    """Yield the coming midnights of UTC and of Vietnam."""
    for name, zone in (("UTC", UTC), ("Vietnam", _VIETNAM)):
        yield f"midnight of {name}", datetime.combine(today + timedelta(days=2), time(), zone)


def _run(moment: datetime, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory() as folder:
        clock = another_clock(Path(folder), f"@{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}") | {"TZ": "UTC"}
        return _run_with(clock, arguments)


def another_clock(folder: Path, shows: str) -> dict[str, str]:
    """Return the variables of a Python process with another clock, as libfaketime reads them; writes into a folder."""
    (folder / "sitecustomize.py").write_text(_SLEEP, encoding="utf-8")
    library = {"LD_PRELOAD": str(LIBRARIES[0]), "FAKETIME": shows, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    return {"PYTHONPATH": str(folder), **library}


def _run_with(clock: Mapping[str, str], arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--examples", "0.1", _REAL, *arguments]
    return subprocess.run(command, cwd=ROOT, env=os.environ | clock, capture_output=True, text=True, check=False)


def _failures(done: subprocess.CompletedProcess[str]) -> list[str]:
    lines = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    # pytest ends with 5 if a file has no test of this selection.
    return lines or (
        [] if done.returncode in {0, 5} else [f"pytest ended with {done.returncode}: {done.stdout[-500:]}"]
    )


def main(names: Sequence[str]) -> int:
    """Run the tests at each moment, print a line for each, and return 1 if a test failed.

    Args:
        names: files or folders of tests; all that need no lab if empty.
    """
    if not LIBRARIES:
        sys.stderr.write("soak: libfaketime is missing: apt-get install faketime\n")
        return 2
    today, processors, red = datetime.now(tz=UTC).date(), os.cpu_count() or 1, False
    chosen = names or ["tests", *LEFT_OUT]
    for name, day in days(today):
        done = _run(datetime.combine(day, time(12), UTC), ["-m", "not soak", "-n", str(processors), *chosen])
        red |= _say(f"{name} ({day})", _failures(done))
    files = [str(path) for name in names or ["tests/unit", "tests/laws"] for path in _files(ROOT / name)]
    for name, moment in midnights(today):
        start = moment - timedelta(seconds=_SECONDS_BEFORE)
        with ThreadPoolExecutor(processors) as pool:
            ends = list(pool.map(lambda file, start=start: _failures(_run(start, ["-m", "not soak", file])), files))
        red |= _say(f"{name} ({start:%Y-%m-%d})", [line for lines in ends for line in lines])
    return int(red)


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else sorted(path.rglob("test_*.py"))


def _say(moment: str, failures: Sequence[str]) -> bool:
    sys.stdout.write(f"{moment}: {'red' if failures else 'green'}\n" + "".join(f"  {line}\n" for line in failures))
    sys.stdout.flush()
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
