"""Figures, ratios and the machine, as a plain table and as JSON."""

import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_KIB_PER_GIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing that was measured, several times."""

    group: str  #: What it belongs to, e.g. `10,000 cameras`.
    name: str  #: What was measured.
    unit: str  #: `s`, `MiB`, ….
    values: tuple[float, ...]  #: One of each run, in the order of the runs.

    @property
    def least(self) -> float:
        """The smallest: nearest to what the work itself costs."""
        return min(self.values)

    @property
    def median(self) -> float:
        """The middle one: what was usual while this ran."""
        return statistics.median(self.values)

    def document(self) -> dict[str, Any]:
        """The values as JSON has them."""
        return {
            "group": self.group,
            "name": self.name,
            "unit": self.unit,
            "runs": len(self.values),
            "min": round(self.least, 4),
            "median": round(self.median, 4),
            "values": [round(value, 4) for value in self.values],
        }


@dataclass(frozen=True, slots=True)
class Ratio:
    """One figure divided by another one of the same session; `None` if that is below what the clock can tell."""

    name: str
    top: Figure
    bottom: Figure

    def document(self) -> dict[str, Any]:
        """The values as JSON has them."""
        return {
            "name": self.name,
            "of": f"{self.top.group}: {self.top.name}",
            "to": f"{self.bottom.group}: {self.bottom.name}",
            "min": _divided(self.top.least, self.bottom.least),
            "median": _divided(self.top.median, self.bottom.median),
        }


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the bench: its figures, its ratios, and what has to be said of them."""

    title: str
    figures: tuple[Figure, ...]
    ratios: tuple[Ratio, ...]
    notes: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """The values as JSON has them."""
        return {
            "title": self.title,
            "notes": list(self.notes),
            "figures": [figure.document() for figure in self.figures],
            "ratios": [ratio.document() for ratio in self.ratios],
        }

    def lines(self) -> Iterable[str]:
        """The text."""
        yield self.title
        yield ""
        head = ("", "", "unit", "runs", "min", "median")
        rows = [
            (f.group, f.name, f.unit, str(len(f.values)), _number(f.least), _number(f.median)) for f in self.figures
        ]
        yield from _table([head, *rows])
        if self.ratios:
            yield ""
            ratios = [ratio.document() for ratio in self.ratios]
            pairs = [("ratio", r["name"], _ratio(r["min"]), _ratio(r["median"])) for r in ratios]
            yield from _table([("", "", "of min", "of median"), *pairs])
        yield ""
        yield from (f"- {note}" for note in self.notes)


def _divided(top: float, bottom: float) -> float | None:
    return round(top / bottom, 3) if bottom else None


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3f}" if value < 1 else f"{value:.2f}"


def _table(rows: Sequence[Sequence[str]]) -> Iterable[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        words = [
            word.ljust(width) if column < 2 else word.rjust(width)
            for column, (word, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  " + "  ".join(words).rstrip()


def machine() -> dict[str, Any]:
    """Describe this machine; the load tells whether it was ours alone."""
    memory = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()[0].split()[1]
    return {
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(int(memory) / _KIB_PER_GIB, 1),
        "python": platform.python_version(),
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "load": [round(load, 2) for load in os.getloadavg()],
    }


def machine_line(found: dict[str, Any]) -> str:
    """The machine as one line."""
    load = " ".join(f"{value:.2f}" for value in found["load"])
    return (
        f"machine: {found['cores']} cores, {found['memory_gib']} GiB, Python {found['python']},"
        f" Linux {found['kernel']} {found['architecture']}; load before the first run {load}"
    )
