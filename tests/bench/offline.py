"""What large inventories cost without any host: validate, render, plan, beside merely loading the files."""

import json
import os
import resource
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from tests.bench.child import Usage, run
from tests.bench.figures import Figure, Part, Ratio
from tests.bench.rounds import Budget

SIZES: Final = (1_000, 10_000)
_ROOT: Final = Path(__file__).parents[2]
_BUDGET_S: Final = 165
_PLAN_STAGES: Final = ("inventory", "secrets", "state", "files", "digest", "compare")


def measure(sizes: Sequence[int], runs: int, seed: int, say: Callable[[str], None]) -> Part:
    """Generate an inventory of each size and measure."""
    budget = Budget(_BUDGET_S)
    figures: list[Figure] = []
    ratios: list[Ratio] = []
    for position, cameras in enumerate(sizes):
        with tempfile.TemporaryDirectory(prefix="provisioner-bench-") as folder:
            size = _Size(Path(folder), cameras, budget, runs, 1 / (len(sizes) - position))
            say(f"offline: generating {cameras:,} cameras, seed {seed}")
            size.generate(seed)
            say(f"offline: measuring with {cameras:,} cameras")
            found = size.measure()
        figures += found
        ratios += _ratios(cameras, found)
    say("offline: planning for a country, in memory")
    figures += _nationwide(runs)
    return Part(f"offline: generated inventories, seed {seed}", tuple(figures), tuple(ratios), (*_NOTES, _floor()))


class _Size:
    """One inventory, and the children that work on it."""

    def __init__(self, folder: Path, cameras: int, budget: Budget, runs: int, share: float) -> None:
        self.folder = folder
        self.root = folder / "inventory"
        self.group = f"{cameras:,} cameras"
        self.cameras = cameras
        self.budget = budget
        self.runs = runs
        self.share = share

    def generate(self, seed: int) -> None:
        self._child("-m", "tests.bench.fleet", str(self.root), str(self.cameras), str(seed))

    def measure(self) -> list[Figure]:
        plain = self._repeat(lambda: self._child("-m", "tests.bench.plain_load", str(self.root)), 0.1)
        validated = self._repeat(lambda: self._command("validate"), 0.2)
        rendered = self._repeat(self._render, 0.4)
        figures = [
            *self._figures("plain load", plain),
            *self._figures("validate", validated),
            *self._figures("render", rendered),
        ]
        # Last, since it edits a facility.
        return figures + self._plans()

    def _repeat(self, action: Callable[[], Usage], share: float) -> list[Usage]:
        return self.budget.repeat(action, self.runs, share=self.share * share)

    def _figures(self, name: str, usages: list[Usage]) -> list[Figure]:
        return [
            Figure(self.group, f"{name}, wall clock", "s", tuple(usage.seconds for usage in usages)),
            Figure(self.group, f"{name}, CPU", "s", tuple(usage.cpu for usage in usages)),
            Figure(self.group, f"{name}, peak memory", "MiB", tuple(usage.mib for usage in usages)),
        ]

    def _plans(self) -> list[Figure]:
        def once() -> dict[str, Any]:
            found: dict[str, Any] = json.loads(self._child("-m", "tests.bench.planning", str(self.root)).output)
            return found

        found = self.budget.repeat(once, self.runs, share=self.share)
        figures = []
        for key, name in _PLANS.items():
            for what, unit in (("seconds", "wall clock"), ("cpu", "CPU")):
                values = tuple(each[key][what] for each in found)
                figures.append(Figure(self.group, f"{name}, {unit}", "s", values))
        figures.append(
            Figure(self.group, "plan, empty hosts, peak memory", "MiB", tuple(each["cold_mib"] for each in found))
        )
        stages = {stage: tuple(each["cold"]["stages"][stage] for each in found) for stage in _PLAN_STAGES}
        figures += [Figure(self.group, f"  of which {stage}, CPU", "s", values) for stage, values in stages.items()]
        return figures

    def _render(self) -> Usage:
        out = self.folder / "rendered"
        shutil.rmtree(out, ignore_errors=True)
        return self._command("render", "--out", str(out))

    def _command(self, *words: str) -> Usage:
        program = str(Path(sys.executable).with_name("provisioner"))
        return run([program, "-i", str(self.root), *words], self._environment)

    def _child(self, *words: str) -> Usage:
        return run([sys.executable, *words], self._environment, cwd=_ROOT)

    @property
    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG"}}
        return kept | {
            "ANSIBLE_VAULT_PASSWORD_FILE": str(self.root.with_name("vault-password")),
            "PYTHONPATH": str(_ROOT / "playbooks"),
        }


def _nationwide(runs: int) -> list[Figure]:
    """What a plan costs without loading and without hosts, with ten times the largest inventory here."""
    environment = {**os.environ, "PYTHONPATH": str(_ROOT / "playbooks")}
    told = (run([sys.executable, "-m", "tests.bench.nationwide"], environment, cwd=_ROOT).output for _ in range(runs))
    found = [json.loads(output) for output in told]
    group = "100,000 cameras, 130 hosts, in memory"
    figures = [
        Figure(group, f"{name}, {stage}, CPU", "s", tuple(each[key][stage] for each in found))
        for key, name in (("cold", "plan, empty hosts"), ("changed", "plan, one facility changed"))
        for stage in ("all", "state", "files", "compare")
    ]
    return [*figures, Figure(group, "both, peak memory", "MiB", tuple(each["mib"] for each in found))]


_PLANS: Final = {
    "cold": "plan, empty hosts",
    "unchanged": "plan, nothing to do",
    "changed": "plan, one facility changed",
}


def _ratios(cameras: int, figures: Sequence[Figure]) -> list[Ratio]:
    named = {figure.name: figure for figure in figures}
    group = f"{cameras:,} cameras"
    return [
        Ratio(f"{group}: {name} / plain load, {unit}", named[f"{name}, {unit}"], named[f"plain load, {unit}"])
        for name in ("validate", "render", "plan, empty hosts")
        for unit in ("wall clock", "CPU")
    ]


def _floor() -> str:
    """Say below which size a peak tells nothing: a child is a copy of this process until it starts."""
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return f"peak memory: the kernel's ru_maxrss of the process; {own:.0f} MiB and less is the bench's own size"


_NOTES: Final = (
    "plain load: PyYAML's C loader over the same files but the encrypted ones, no more; process start included",
    "validate, render: the real command as a process of its own, secrets opened, process start included",
    "plan: stages in one process without its start, against hosts in memory; neither their work nor SSH is in it",
    "plan, nothing to do and one facility changed: the same process again, templates compiled already",
)
