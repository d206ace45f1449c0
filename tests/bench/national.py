"""What `validate` costs for a whole country, beside merely loading the same files with PyYAML's C loader."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.bench.child import Usage, run
from tests.bench.figures import Figure, Part, Ratio
from tests.bench.rounds import Budget

FACILITIES: Final = 10_000
CAMERAS: Final = 100_000
_ROOT: Final = Path(__file__).parents[2]
_BUDGET_S: Final = 900
_TIMEOUT_S: Final = 600
_DAY: Final = re.compile(r"notice_posted_on: 2021-05-1([0-9])")


def measure(runs: int, seed: int, say: Callable[[str], None]) -> Part:
    """Generate the country and measure."""
    with tempfile.TemporaryDirectory(prefix="provisioner-bench-") as folder:
        country = _Country(Path(folder))
        say(f"national: generating {FACILITIES:,} facilities with {CAMERAS:,} cameras, seed {seed}")
        country.generate(seed)
        say("national: measuring")
        figures = country.measure(runs)
    named = {figure.name: figure for figure in figures}
    ratios = [
        Ratio(
            f"validate, {state} / plain load, {unit}", named[f"validate, {state}, {unit}"], named[f"plain load, {unit}"]
        )
        for state in ("cold", "one facility changed")
        for unit in ("wall clock", "CPU")
    ]
    title = f"national: {FACILITIES:,} facilities, {CAMERAS:,} cameras, seed {seed}"
    return Part(title, tuple(figures), tuple(ratios), _NOTES)


class _Country:
    """One inventory, its cache, and the children that work on it."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "inventory"
        self.cache = folder / "cache"
        self.budget = Budget(_BUDGET_S)

    def generate(self, seed: int) -> None:
        self._child("-m", "tests.national", str(self.root), str(FACILITIES), str(CAMERAS), str(seed))

    def measure(self, runs: int) -> list[Figure]:
        def repeat(action: Callable[[], Usage], share: float) -> list[Usage]:
            return self.budget.repeat(action, runs, share=share)

        plain = repeat(lambda: self._child("-m", "tests.bench.plain_load", str(self.root)), 0.4)
        cold = repeat(self._cold, 0.5)
        warm = repeat(self._one_changed, 0.8)
        return [
            *_figures("plain load", plain),
            *_figures("validate, cold", cold),
            *_figures("validate, one facility changed", warm),
            *(self._memory(name, argv) for name, argv in self._watched().items()),
        ]

    def _cold(self) -> Usage:
        shutil.rmtree(self.cache, ignore_errors=True)
        return self._validate()

    def _one_changed(self) -> Usage:
        """Validate after an edit that nobody has to sign."""
        path = next(iter(sorted(self.root.glob("facilities/ha-noi/*.yml"))))
        text = path.read_text(encoding="utf-8")
        edited = _DAY.sub(lambda match: f"notice_posted_on: 2021-05-1{(int(match[1]) + 1) % 10}", text)
        assert edited != text
        path.write_text(edited, encoding="utf-8")
        return self._validate()

    def _memory(self, name: str, argv: list[str]) -> Figure:
        """Measure memory in a run of its own: looking takes processor time."""
        if name.endswith("cold"):
            shutil.rmtree(self.cache, ignore_errors=True)
        usage = self._child("-m", "tests.bench.memory", *argv)
        return Figure(_GROUP, f"{name}, memory of all processes", "MiB", (float(usage.output),))

    def _watched(self) -> dict[str, list[str]]:
        plain = [sys.executable, "-m", "tests.bench.plain_load", str(self.root)]
        return {"plain load": plain, "validate, cold": self._argv, "validate, nothing changed": self._argv}

    @property
    def _argv(self) -> list[str]:
        program = str(Path(sys.executable).with_name("provisioner"))
        return [program, "-i", str(self.root), "validate", "--date", "2021-06-15"]

    def _validate(self) -> Usage:
        return run(self._argv, self._environment, timeout_s=_TIMEOUT_S)

    def _child(self, *words: str) -> Usage:
        return run([sys.executable, *words], self._environment, cwd=_ROOT, timeout_s=_TIMEOUT_S)

    @property
    def _environment(self) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
        return own | {"XDG_CACHE_HOME": str(self.cache)}


_GROUP: Final = "national"


def _figures(name: str, usages: list[Usage]) -> list[Figure]:
    return [
        Figure(_GROUP, f"{name}, wall clock", "s", tuple(usage.seconds for usage in usages)),
        Figure(_GROUP, f"{name}, CPU", "s", tuple(usage.cpu for usage in usages)),
    ]


_NOTES: Final = (
    "plain load: PyYAML's C loader over the same files in one process, values thrown away; process start included",
    "validate: the real command as a process of its own; no vault, so that secrets are not opened",
    "cold: nothing kept from earlier runs; one facility changed: everything else is",
    "memory: proportional shares of all processes, added up 50 times a second in runs of their own",
)
