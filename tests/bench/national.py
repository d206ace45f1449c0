"""What commands cost for a whole country with its vault open, beside merely loading the same files with PyYAML."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

from tests.bench.child import Usage, run
from tests.bench.figures import Figure, Part, Ratio
from tests.bench.rounds import Budget

CAMERAS: Final = 100_000
CAMERAS_A_FACILITY: Final = 10
_ROOT: Final = Path(__file__).parents[2]
_BUDGET_S: Final = 1800
_TIMEOUT_S: Final = 1200
_ROWS: Final = 9_450
_DAY: Final = re.compile(r"notice_posted_on: 2021-05-1([0-9])")
_MAIN: Final = re.compile(r"\n      main: [^\n]*")
_DATE: Final = "2021-06-15"
PLAIN: Final = "plain load"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is measured."""

    cameras: int = CAMERAS  #: Of the country; it has a facility for ten of them.
    seed: int = 1  #: Of the country.
    runs: int = 3  #: Of each command, if time allows.
    apart: bool = False  #: Whether carriers have vault files of their own.
    tree: Path = _ROOT  #: The sources whose commands are measured; this checkout's otherwise.
    #: Where the country is written, and used again if it is there; a folder for the moment otherwise.
    keep: Path | None = None


def measure(wanted: Wanted, say: Callable[[str], None]) -> Part:
    """Generate the country and measure."""
    with tempfile.TemporaryDirectory(prefix="provisioner-bench-") as folder:
        country = _Country(wanted.keep or Path(folder), wanted, say)
        country.generate()
        figures = list(country.measure())
    named = {figure.name: figure for figure in figures}
    ratios = [
        Ratio(f"{name} / {PLAIN}", figure, named[f"{PLAIN}, {unit}"])
        for figure in figures
        for name, _, unit in [figure.name.rpartition(", ")]
        if name != PLAIN and unit == "wall clock"
    ]
    facilities = wanted.cameras // CAMERAS_A_FACILITY
    apart = ", carriers apart" if wanted.apart else ""
    title = f"national: {facilities:,} facilities, {wanted.cameras:,} cameras, seed {wanted.seed}{apart}"
    return Part(title, tuple(figures), tuple(ratios), _NOTES)


@dataclass(frozen=True, slots=True)
class _Task:
    """One command that is measured, with what has to be done before each run of it."""

    name: str
    argv: list[str]
    before: Callable[[], None] = lambda: None


class _Country:
    """One inventory, its cache, and the children that work on it."""

    def __init__(self, folder: Path, wanted: Wanted, say: Callable[[str], None]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.root = folder / "checkout" / "inventory"
        self.cache = folder / "cache"
        self.password = folder / "password"
        self.sheet = folder / "cameras.xlsx"
        self.out = folder / "progress.xlsx"
        self.budget = Budget(_BUDGET_S)
        self.wanted = wanted
        self.say = say
        self.edited = 0

    # --- the country --------------------------------------------------------------------------
    def generate(self) -> None:
        """Write the country in a checkout with two commits, and a sheet of its cameras."""
        wanted = self.wanted
        if not self.sheet.exists():
            facilities = wanted.cameras // CAMERAS_A_FACILITY
            self.say(f"national: generating {facilities:,} facilities with {wanted.cameras:,} cameras")
            self.password.write_text("invented-for-the-bench\n", encoding="utf-8")
            self.root.parent.mkdir(parents=True, exist_ok=True)
            apart = ["--apart"] if wanted.apart else []
            size = ["--facilities", str(facilities), "--cameras", str(wanted.cameras), "--seed", str(wanted.seed)]
            argv = [sys.executable, "-m", "tests.national", str(self.root), *size, *apart, "--password"]
            self._own([*argv, str(self.password)])
            self._git("init", "-q", "-b", "main")
            self._commit("the country")
            self._edit_a_notice()
            self._commit("a notice")
            self._own([sys.executable, "-m", "tests.bench.national_sheet", str(self.root), str(self.sheet), str(_ROWS)])
        self._restore()

    def _own(self, argv: list[str]) -> Usage:
        """Run what belongs to the bench, whatever tree is measured."""
        return run(argv, _environment(_ROOT, self.cache, None), cwd=_ROOT, timeout_s=_TIMEOUT_S)

    def _git(self, *words: str) -> None:
        author = ["-c", "user.name=bench", "-c", "user.email=bench@example.com", "-c", "gc.auto=0"]
        subprocess.run(["git", "-C", str(self.root.parent), *author, *words], check=True)

    def _commit(self, message: str) -> None:
        self._git("add", "-A")
        self._git("commit", "-q", "-m", message)

    def _restore(self) -> None:
        """Undo every edit."""
        self._git("checkout", "-q", "--", ".")

    # --- edits --------------------------------------------------------------------------------
    def _paths(self) -> Iterator[Path]:
        """Facilities' files, another one first after each edit."""
        paths = sorted(self.root.glob("facilities/*/*.yml"))
        start = 97 * self.edited % len(paths)
        self.edited += 1
        return iter(paths[start:] + paths[:start])

    def _edit_a_notice(self) -> None:
        """An edit that nobody has to sign."""
        path = next(self._paths())
        text = path.read_text(encoding="utf-8")
        edited = _DAY.sub(lambda match: f"notice_posted_on: 2021-05-1{(int(match[1]) + 1) % 10}", text)
        assert edited != text
        path.write_text(edited, encoding="utf-8")

    def _agreed(self) -> Path:
        """A facility whose plan is agreed, with claims alone."""
        texts = ((path, path.read_text(encoding="utf-8")) for path in self._paths())
        fit = (path for path, text in texts if "state: agreed" in text and "sshsig" not in text and _MAIN.search(text))
        return next(path for path in fit if "operating: open" in path.read_text(encoding="utf-8"))

    def _edit_a_stream(self) -> None:
        """Take one camera's main stream away, as all three agree."""
        self._restore()
        path = self._agreed()
        path.write_text(_MAIN.sub("", path.read_text(encoding="utf-8"), count=1), encoding="utf-8")
        self._own([sys.executable, "-c", _SIGN, str(path)])

    # --- measuring ----------------------------------------------------------------------------
    def measure(self) -> Iterator[Figure]:
        """The figures of all tasks, then the memory of each."""
        tasks = self._tasks()
        for number, task in enumerate(tasks):
            self.say(f"national: {task.name}")
            share = 1 / (len(tasks) - number)
            usages = self.budget.repeat(partial(self._run, task), self.wanted.runs, share=share)
            yield Figure(_GROUP, f"{task.name}, wall clock", "s", tuple(usage.seconds for usage in usages))
            yield Figure(_GROUP, f"{task.name}, CPU", "s", tuple(usage.cpu for usage in usages))
            yield Figure(_GROUP, f"{task.name}, memory", "MiB", (self._memory(task),))

    def _tasks(self) -> list[_Task]:
        plain = [sys.executable, "-m", "tests.bench.plain_load", str(self.root)]
        validate = self._command("validate", "--as-of", _DATE)
        signed = next(islice(self._agreed_ids(), 1))
        sign = self._command("sign-off", signed, "--by", "dic", "--on", "2021-06-04", "--source", "invented 2")
        return [
            _Task(PLAIN, plain, self._restore),
            _Task("validate, cold", validate, self._forget),
            _Task("validate, nothing changed", validate),
            _Task("validate, one facility changed", validate, self._edit_a_notice),
            _Task("status", self._command("status"), self._restore),
            _Task("sign-off", sign, self._restore),
            _Task("plan --offline, one facility changed", self._command("plan", *_AGAINST), self._edit_a_stream),
            _Task("prove", self._command("prove")),
            _Task("export progress, XLSX", self._command("export", "progress", "--force", "--out", str(self.out))),
            _Task(
                f"import, {_ROWS:,} rows", self._command("import", str(self.sheet), "--language", "en"), self._restore
            ),
        ]

    def _agreed_ids(self) -> Iterator[str]:
        while True:
            yield self._agreed().stem

    def _forget(self) -> None:
        self._restore()
        shutil.rmtree(self.cache, ignore_errors=True)

    def _run(self, task: _Task) -> Usage:
        task.before()
        return run(task.argv, self._env(task), cwd=self._cwd(task), timeout_s=_TIMEOUT_S)

    def _memory(self, task: _Task) -> float:
        """Measure memory in a run of its own: looking takes processor time."""
        task.before()
        argv = [sys.executable, str(_ROOT / "tests/bench/memory.py"), *task.argv]
        return float(run(argv, self._env(task), cwd=self._cwd(task), timeout_s=_TIMEOUT_S).output.split()[-1])

    def _env(self, task: _Task) -> dict[str, str]:
        return _environment(_ROOT if task.name == PLAIN else self.wanted.tree, self.cache, self.password)

    def _cwd(self, task: _Task) -> Path:
        return _ROOT if task.name == PLAIN else self.root.parent.parent

    def _command(self, *words: str) -> list[str]:
        return [str(Path(sys.executable).with_name("provisioner")), "-i", str(self.root), *words]


def _environment(tree: Path, cache: Path, password: Path | None) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
    own |= {"XDG_CACHE_HOME": str(cache), "XDG_STATE_HOME": str(cache), "PYTHONPATH": str(tree)}
    return own | ({"ANSIBLE_VAULT_PASSWORD_FILE": str(password)} if password else {})


_GROUP: Final = "national"
_AGAINST: Final = ("--offline", "--against", "HEAD")
_SIGN: Final = (
    "import sys; from pathlib import Path; from tests.inventories import sign_file; sign_file(Path(sys.argv[1]))"
)


def markdown(part: Part) -> Iterator[str]:
    """The part as one table of Markdown: a line each thing that was measured."""
    named = {figure.name: figure for figure in part.figures}
    plain = named[f"{PLAIN}, wall clock"], named[f"{PLAIN}, CPU"]
    yield f"| {part.title} | wall clock, s | of the plain load | CPU, s | of the plain load | memory, MiB |"
    yield "|---|---|---|---|---|---|"
    for name in (name.removesuffix(", CPU") for name in named if name.endswith(", CPU")):
        wall, cpu, memory = (named[f"{name}, {unit}"] for unit in ("wall clock", "CPU", "memory"))
        shares = (wall.least / plain[0].least, cpu.least / plain[1].least)
        cells = (f"{wall.least:.2f}", f"{shares[0]:.2f}", f"{cpu.least:.2f}", f"{shares[1]:.2f}", f"{memory.least:.0f}")
        yield f"| {name} | {' | '.join(cells)} |"


_NOTES: Final = (
    "plain load: PyYAML's C loader over the same files in one process, values thrown away; process start included",
    "commands: the real ones, each a process of its own, with the vault's password; encrypted files are opened",
    "cold: nothing kept from earlier runs; everything else is warm",
    "memory: proportional shares of all processes, added up 50 times a second in runs of their own",
)
