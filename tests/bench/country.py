"""What a verification of a country costs, beside taking the same answers apart and keeping them all.

The hosts are simulated (`tests/country`): the program on them is the real one, and asks a Control API whose pages are
the stand-in's. They share the machine with the command, so that its wall clock has their work in it; its CPU and its
memory are its own.
"""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from provisioner.nodes.settings import BEGUN
from tests.bench.child import BenchError, Usage, run
from tests.bench.figures import Figure, Part, Ratio
from tests.country.carrier import PLACE
from tests.country.ground import Ground
from tests.nodes.broker import CARRIERS, broker_of, server_program
from tests.processes import beside

PATHS: Final = (100_000, 300_000)
PLAIN: Final = "plain, all answers kept"
BY_NODES: Final = "by two nodes"
_NIGHTS: Final = ("first night", "next night")
_LEVEL: Final = 4
_ROOT: Final = Path(__file__).parents[2]
_START_S: Final = 120
_NODE_STARTS_S: Final = 600.0
_TIMEOUT_S: Final = 1200
_HEAD: Final = 1 << 14
_TAIL: Final = 4 << 20
_VISIT: Final = re.compile(r'"visit": ([0-9.]+)')
_NETWORKS: Final = "198.18.0.0/15"
_SHADOWS: Final = ("camera=170", "site=1000")


@dataclass(frozen=True, slots=True)
class Visited:
    """A verification: what it cost, how long the longest visit of a host was, how many paths it measured."""

    usage: Usage
    visit_s: float
    measured: int


def measure(
    sizes: Sequence[int], seed: int, say: Callable[[str], None], keep: Path | None = None, nights: int = 2
) -> Part:
    """Lay a country of each size, and measure.

    Args:
        sizes: how many paths.
        seed: of the countries.
        say: takes what goes on.
        keep: where the countries are written, and used again if they are there.
        nights: how many, one after the other; the last one is held against the plain way.
    """
    figures: list[Figure] = []
    for paths in sizes:
        with tempfile.TemporaryDirectory(prefix="provisioner-bench-") as folder:
            figures += _measured(Ground((keep or Path(folder)) / str(paths)), paths, seed, nights, say)
    title = f"country: a verification up to level {_LEVEL}, seed {seed}"
    return Part(title, tuple(figures), _ratios(figures, _NIGHTS[nights - 1]), _NOTES)


def _measured(ground: Ground, paths: int, seed: int, nights: int, say: Callable[[str], None]) -> list[Figure]:
    group = f"{paths:,} paths"
    if not ground.hosts.exists():
        say(f"country: laying {group}")
        size = ["--paths", str(paths), "--seed", str(seed)]
        run([sys.executable, "-m", "tests.country.ground", str(ground.folder), *size], _own(), cwd=_ROOT, timeout_s=600)
    with tempfile.TemporaryDirectory(prefix="provisioner-bench-") as state:
        answers = Path(state) / "answers"
        answers.mkdir()
        with hosts_at_work(ground, Path(state), [*_SHADOWS, f"record={answers}"]) as place:
            figures: list[Figure] = []
            for name in _NIGHTS[:nights]:
                say(f"country: {name}, {group}")
                figures += _figures(group, name, verified(ground, Path(state), place))
            if server_program():
                say(f"country: {BY_NODES}, {group}")
                with two_nodes(ground, Path(state), place) as nodes:
                    figures += _figures(group, BY_NODES, verified(ground, Path(state), place, nodes))
        say(f"country: {PLAIN}, {group}")
        plain = run([sys.executable, "-m", "tests.bench.plain_answers", str(answers)], _own(), cwd=_ROOT)
    return [*figures, *_costs(group, PLAIN, plain)]


def verified(ground: Ground, state: Path, place: Path, nodes: Path | None = None) -> Visited:
    """Run the real command over the simulated hosts, by the nodes of a file where there is one.

    That some paths are down is no failure of it.
    """
    out = state / "verify.json"
    words = ["-i", str(ground.root), "--output", "json", "verify", "--level", str(_LEVEL), "--once"]
    command = [sys.executable, "-m", "tests.country.command", "--whatever-is-found", *words]
    environment = ground.environment(state) | _own() | {PLACE: str(place)}
    environment |= {"PROVISIONER_NODES": str(nodes)} if nodes else {}
    usage = run(["/bin/sh", "-c", 'exec "$@" >"$0"', str(out), *command], environment, cwd=_ROOT, timeout_s=_TIMEOUT_S)
    with out.open("rb") as document:
        head = document.read(_HEAD).decode(errors="replace")
        document.seek(max(0, out.stat().st_size - _TAIL))
        visits = _VISIT.findall(document.read().decode(errors="replace"))
    every, measured = _number_in(head, "paths"), _number_in(head, "measured")
    if measured != every:
        raise BenchError(f"{measured} of {every} paths were measured: the simulated hosts do not work")
    return Visited(usage, max(map(float, visits)), measured)


def _number_in(text: str, name: str) -> int:
    """A number in the beginning of a document.

    Raises:
        BenchError: it is not there.
    """
    if (matched := re.search(rf'"{name}": ([0-9]+)', text)) is None:
        raise BenchError(f"the document does not say {name}")
    return int(matched[1])


@contextmanager
def hosts_at_work(ground: Ground, folder: Path, words: Sequence[str] = ()) -> Iterator[Path]:
    """The process of the hosts, and the socket at which it answers.

    Raises:
        BenchError: it does not begin.
    """
    place = folder / "hosts"
    command = [sys.executable, "-m", "tests.country.hosts", str(ground.folder), str(place), *words]
    process = subprocess.Popen(command, env=_own(), cwd=_ROOT, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        until = time.monotonic() + _START_S
        while not place.exists():
            if process.poll() is not None or time.monotonic() > until:
                raise BenchError("the simulated hosts do not begin")
            time.sleep(0.05)
        yield place
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def two_nodes(ground: Ground, folder: Path, place: Path) -> Iterator[Path]:
    """A broker and the nodes of both carriers, which call the simulated hosts: the file that names them."""
    with broker_of(folder) as broker, ExitStack() as running:
        nodes = broker.write_both(folder, [_NETWORKS])
        begun = {}
        for carrier in CARRIERS:
            file = str(folder / carrier / "node.toml")
            words = [sys.executable, "-m", "tests.country.command", "node", "run", file]
            environment = ground.environment(folder) | _own() | {PLACE: str(place)}
            log = folder / f"{carrier}.log"
            begun[carrier] = running.enter_context(beside(words, log, environment=environment))
        # A node refuses what was sent before its list of begun units was.
        for carrier, process in begun.items():
            _wait_for_node(folder / carrier, process)
        yield nodes


def _wait_for_node(folder: Path, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _NODE_STARTS_S
    while not any(folder.rglob(BEGUN)):
        if process.poll() is not None or time.monotonic() > until:
            raise BenchError(f"the node of {folder.name} does not start: see {folder}.log")
        time.sleep(0.1)


def _own() -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
    return own | {"PYTHONPATH": f"{_ROOT}:{_ROOT / 'playbooks'}"}


def _figures(group: str, name: str, visited: Visited) -> list[Figure]:
    beside = visited.usage.seconds - visited.visit_s
    return [
        *_costs(group, name, visited.usage),
        Figure(group, f"{name}, paths measured", "paths", (visited.measured,)),
        Figure(group, f"{name}, longest visit of a host", "s", (visited.visit_s,)),
        Figure(group, f"{name}, wall clock without it", "s", (beside,)),
    ]


def _costs(group: str, name: str, usage: Usage) -> list[Figure]:
    return [
        Figure(group, f"{name}, wall clock", "s", (usage.seconds,)),
        Figure(group, f"{name}, CPU", "s", (usage.cpu,)),
        Figure(group, f"{name}, memory", "MiB", (usage.mib,)),
    ]


def _ratios(figures: Sequence[Figure], night: str) -> tuple[Ratio, ...]:
    named = {(figure.group, figure.name): figure for figure in figures}
    groups = list(dict.fromkeys(figure.group for figure in figures))
    beside = [
        Ratio(f"{group}: {night} / plain, {unit}", named[group, f"{night}, {unit}"], named[group, f"{PLAIN}, {unit}"])
        for group in groups
        for unit in ("CPU", "memory")
    ]
    slope = [
        Ratio(f"{group} / {groups[0]}, {unit}", named[group, f"{night}, {unit}"], named[groups[0], f"{night}, {unit}"])
        for group in groups[1:]
        for unit in ("CPU", "memory")
    ]
    return (*beside, *slope)


_NOTES: Final = (
    "the real command, a process of its own: it loads inventory and vault, asks, judges, prints JSON, records",
    "one camera in 170 is unplugged, one site in 1,000 has lost its line; --once, so that no minute is waited",
    "hosts share the machine: wall clock has their work in it, CPU and memory have not",
    f"{PLAIN}: json.loads of every answer of the last night, all of them kept, one document of them dumped",
    f"{BY_NODES}: the last night once more, over a nats-server and a node of each carrier, all on this machine",
    "Ansible and ssh are not in it: `rollout` says what they cost a host",
)
