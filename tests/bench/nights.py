"""What a year of nights costs: how fast its questions are answered, how large it is, and what retention leaves."""

import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Final

from provisioner.base.secret import Secret
from provisioner.record.availability.measured import Span
from provisioner.record.availability.path_state import StoredVerdict, SweptPaths
from provisioner.record.entries import Cut, Ending, Operation, Run
from provisioner.record.retention import prune, retention_classes
from provisioner.record.state_folder import StateFolder, record_keys, state_folder_of
from provisioner.record.store import History, open_history
from provisioner.record.verdicts import read_availability, read_nights, read_since
from provisioner.verify.document import verify_document
from provisioner.verify.result import Cause, Finding, Layer, PathVerdict, Verdict, VerifyResult
from tests.bench.figures import Figure, Part

PATHS: Final = 100_000
NIGHTS: Final = 365
_PROVINCES: Final = 63
_SITE: Final = 8
_FIRST: Final = datetime(2021, 1, 1, 19, tzinfo=UTC)
_DAY: Final = timedelta(days=1)
_EVERY: Final = 30
_GROUPED: Final = ("province", "carrier", "facility", "all")
_MIB: Final = 2**20
_UP = (Verdict.UP, Cause.NONE, 7, None)
_FAULTS = (
    (Verdict.DOWN, Cause.CAMERA_UNPLUGGED, 2, Layer.CAMERA),
    (Verdict.DOWN, Cause.SILENT, 3, Layer.STREAM),
    (Verdict.QUARANTINED, Cause.WRONG_PASSWORD, 3, Layer.CAMERA),
    (Verdict.DEGRADED, Cause.STARVED, 5, Layer.SITE),
    (Verdict.DEGRADED, Cause.RATE_TOO_LOW, 5, Layer.PICTURE),
)
_SITE_DOWN = (Verdict.DOWN, Cause.TUNNEL_DOWN, 1, Layer.TUNNEL)
_NOT_READ = (Verdict.UNKNOWN, Cause.HOST_UNREACHABLE, 0, Layer.HOST)
_NOTES: Final = (
    "of 170 cameras one fails each night, of 1,000 sites one; a third is repaired by the next",
    "in one night of a hundred a relay with 300 paths does not answer",
    f"a whole document is kept of each {_EVERY}th night alone: to pack all would take longer than all else here",
    "questions are asked of the file as it lies, each by a process that has asked before; commands are new processes",
)
State = tuple[Verdict, Cause, int, Layer | None]


@dataclass(frozen=True)
class _Country:
    """Paths by province, of very different sizes."""

    paths: tuple[str, ...]
    carriers: tuple[str, ...]

    @property
    def largest(self) -> str:
        return self.paths[0].partition("/")[0]


def _country(size: int) -> _Country:
    weights = [1 / (place + 4) for place in range(_PROVINCES)]
    ends = [round(total / sum(weights) * size) for total in accumulate(weights)]
    paths = []
    for number in range(size):
        province = next(place for place, end in enumerate(ends) if number < end)
        paths.append(f"province-{province:02}/kcl-{number // _SITE:05}/cam-{number % _SITE:02}/sub")
    carriers = ["viettel" if hash_of(path) % 3 else "vnpt" for path in paths]
    return _Country(tuple(paths), tuple(carriers))


def hash_of(path: str) -> int:
    """A number that is the same in every process."""
    return sum(path.encode())


def _year(country: _Country, nights: int, seed: int) -> Iterator[list[State]]:
    """Night by night, how each path is."""
    chance = random.Random(seed)  # noqa: S311 (a bench keeps no secret)
    states: list[State] = [_UP] * len(country.paths)
    for _ in range(nights):
        for place, state in enumerate(states):
            if state is not _UP and chance.random() < 1 / 3:
                states[place] = _UP
        for place in chance.sample(range(len(states)), max(1, len(states) // 170)):
            states[place] = chance.choice(_FAULTS)
        for site in range(0, len(states), _SITE):
            if chance.random() < 1 / 1_000:
                states[site : site + _SITE] = [_SITE_DOWN] * len(states[site : site + _SITE])
        seen = list(states)
        if chance.random() < 1 / 100:
            relay = chance.randrange(0, max(1, len(seen) - 300))
            seen[relay : relay + 300] = [_NOT_READ] * len(seen[relay : relay + 300])
        yield seen


def _result(country: _Country, states: list[State], at: datetime) -> VerifyResult:
    verdicts = []
    for path, carrier, (verdict, cause, level, layer) in zip(country.paths, country.carriers, states, strict=True):
        province, facility, camera, _ = path.split("/")
        names = (path, carrier, province, facility, camera, f"relay-{carrier}-1")
        passed = tuple(range(1, level + 1))
        finding = Finding(cause, layer, f"{facility}/{camera}")
        verdicts.append(PathVerdict(*names, verdict, level, finding, at, passed))
    return VerifyResult("mediamtx 1.20.1", at - timedelta(minutes=30), at, tuple(verdicts), ())


def _swept(country: _Country, states: list[State]) -> SweptPaths:
    kept = {state: StoredVerdict(state[0].value, state[1].value, state[2]) for state in set(states)}
    return SweptPaths(
        {path: kept[state] for path, state in zip(country.paths, states, strict=True)},
        dict(zip(country.paths, country.carriers, strict=True)),
    )


def measure(size: int, nights: int, runs: int, seed: int, say: Callable[[str], None]) -> Part:
    """Record a year, ask, and let what is old leave."""
    with tempfile.TemporaryDirectory(prefix="provisioner-bench-") as folder:
        bench = _Bench(Path(folder), size, nights, runs)
        say(f"nights: recording {nights} nights of {size:,} paths, seed {seed}")
        figures = bench.record(seed)
        say("nights: asking")
        figures += bench.ask()
        say("nights: letting old things leave")
        figures += bench.leave()
    return Part(f"nights: {nights} nights of {size:,} paths, seed {seed}", tuple(figures), (), _NOTES)


def _cpu() -> float:
    """The processor time of this process and of those that it waited for, in seconds."""
    of = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in of)


class _Bench:
    """One database, and what is measured of it."""

    def __init__(self, folder: Path, size: int, nights: int, runs: int) -> None:
        self._folder, self._nights, self._runs = folder, nights, runs
        self._environment = {"PROVISIONER_STATE": str(folder / "state")}
        place = state_folder_of(self._environment, "example")
        self._place = StateFolder("example", place.file, keys=record_keys(Secret("a" * 64), {}, "example"))
        self._country = _country(size)
        self._group = f"{size:,} paths"
        self._span = Span(_FIRST, _FIRST + nights * _DAY)

    def record(self, seed: int) -> list[Figure]:
        """Record all nights; what one took, and the file's size."""
        seconds: list[float] = []
        with closing(open_history(self._place)) as history:
            for number, states in enumerate(_year(self._country, self._nights, seed)):
                at, document = _FIRST + number * _DAY, None
                if number % _EVERY == 0:
                    document = verify_document(_result(self._country, states, at)).plain
                swept = _swept(self._country, states)
                began = time.perf_counter()
                self._end(history, number, Ending(at, "not-up", document, swept=swept))
                if document is None:
                    seconds.append(time.perf_counter() - began)
        return [Figure(self._group, "record a night's verdicts", "s", tuple(seconds)), *self._sizes("before")]

    @staticmethod
    def _end(history: History, number: int, ending: Ending) -> None:
        run = Run(f"run-{number:04}", Operation.VERIFY, ending.finished, "c0ffee", "sha256:1", {"user": "noc"}, "1")
        history.end(run, ending)

    def _sizes(self, when: str) -> list[Figure]:
        assert self._place.file is not None
        held = {one.name: one for one in retention_classes(self._place, Cut())}
        each = [
            Figure(self._group, f"{name}, one night, packed", "KiB", (one.size / 1024 / nights,))
            for name, one in held.items()
            if (nights := one.rows if name == "documents" else self._nights) and when == "before"
        ]
        whole = Figure(self._group, f"database {when} retention", "MiB", (self._place.file.stat().st_size / _MIB,))
        return [*each, whole]

    def ask(self) -> list[Figure]:
        """Ask the questions of pages and reports."""
        province, site, last = f"{self._country.largest}/", self._country.paths[0].rsplit("/", 2)[0] + "/", self._span
        camera = self._country.paths[0]
        day = (self._span.until - _DAY).date()
        week = Span(last.until - 7 * _DAY, last.until)
        questions: Mapping[str, Callable[[], object]] = {
            "since when, a camera": lambda: read_since(self._place, camera),
            "since when, the largest province": lambda: read_since(self._place, province),
            "30 nights, a facility": lambda: read_nights(self._place, site, day, 30),
            "30 nights, the largest province": lambda: read_nights(self._place, province, day, 30),
            "all time, a facility": lambda: read_availability(self._place, site, last),
            "all time, the largest province": lambda: read_availability(self._place, province, last),
            "a week, the country": lambda: read_availability(self._place, "", week),
            "all time, the country, path by path": lambda: read_availability(self._place, "", last),
        }
        figures = [figure for name, question in questions.items() for figure in self._timed(name, question)]
        return [*figures, *self._commands()]

    def _timed(self, name: str, question: Callable[[], object]) -> Iterator[Figure]:
        wall, cpu = [], []
        for _ in range(self._runs):
            began, worked = time.perf_counter(), _cpu()
            question()
            wall.append(time.perf_counter() - began)
            cpu.append(_cpu() - worked)
        yield Figure(self._group, f"{name}, wall clock", "s", tuple(wall))
        yield Figure(self._group, f"{name}, CPU", "s", tuple(cpu))

    def _commands(self) -> Iterator[Figure]:
        root = str(Path(__file__).parents[2] / "inventories/example")
        all_time, before = self._span, Span(self._span.begin - 30 * _DAY, self._span.begin - 20 * _DAY)
        limited = ("availability", "--limit", f"province={self._country.largest}")
        asked: list[tuple[str, Span, tuple[str, ...]]] = [("`availability`, nothing kept", before, ("availability",))]
        asked += [(f"`{' '.join(limited)}`, all time", all_time, limited)]
        asked += [(f"`availability --by {by}`, all time", all_time, ("availability", "--by", by)) for by in _GROUPED]
        asked += [("`export scorecard`, all time", all_time, ("export", "scorecard"))]
        for name, span, words in asked:
            days = ("--from", f"{span.begin:%Y-%m-%d}", "--until", f"{span.until:%Y-%m-%d}")
            argv = [sys.executable, "-I", "-m", "provisioner", "-i", root, *words, *days]
            yield from self._timed(name, partial(self._call, argv))

    def _call(self, argv: Sequence[str]) -> None:
        subprocess.run(argv, env=self._environment, check=True, stdout=subprocess.DEVNULL)

    def leave(self) -> list[Figure]:
        """Let documents of before the last month leave."""
        at = self._span.until
        run = Run("prune", Operation.PRUNE, at, "", "", {"user": "noc"}, "1")
        began = time.perf_counter()
        prune(self._place, run, at, Cut(documents=at - 30 * _DAY))
        seconds = time.perf_counter() - began
        took = Figure(self._group, "retention of documents: 30 days, with the check of the chain", "s", (seconds,))
        return [took, *self._sizes("after")]
