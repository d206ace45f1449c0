"""What was seen of each system, in `seen.json`, and the table of docs/operate/compatibility.md that is made from it."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

FILE: Final = Path(__file__).with_name("seen.json")
PAGE: Final = Path(__file__).parents[2] / "docs/operate/compatibility.md"
_HEAD: Final = "| system | version | its story | tests | when |\n|---|---|---|---|---|\n"


@dataclass(frozen=True, slots=True)
class Sight:
    """A story's last run against a version of a system."""

    system: str
    version: str
    proves: str
    story: str  #: The arguments of pytest.
    on: str  #: The date, as YYYY-MM-DD.
    passed: int
    failed: int  #: Tests that failed, and tests that skipped.

    @property
    def is_whole(self) -> bool:
        """Return whether all of its tests passed."""
        return self.passed > 0 and not self.failed


def stored() -> list[Sight]:
    """Read what was seen."""
    return [Sight(**row) for row in json.loads(FILE.read_text(encoding="utf-8"))] if FILE.exists() else []


def with_sight(sights: Sequence[Sight], new: Sight) -> list[Sight]:
    """Put a sight in the place of the former one of the same version."""
    kept = [one for one in sights if (one.system, one.version) != (new.system, new.version)]
    return sorted([*kept, new], key=lambda one: (one.system.lower(), one.version))


def store(sights: Sequence[Sight]) -> None:
    """Write the file, and the page's table."""
    text = json.dumps([asdict(one) for one in sights], indent=1)
    FILE.write_text(f"{text}\n", encoding="utf-8")
    PAGE.write_text(page_with(PAGE.read_text(encoding="utf-8"), sights), encoding="utf-8")


def page_with(page: str, sights: Sequence[Sight]) -> str:
    """Return the page with these sights in its first table, which ends at a blank line."""
    head, _, rest = page.partition(_HEAD)
    _, _, tail = rest.partition("\n\n")
    return f"{head}{_HEAD}{''.join(map(_row, sights))}\n{tail}"


def _row(sight: Sight) -> str:
    tests = (
        f"{sight.passed} passed" if sight.is_whole else f"**{sight.failed} of {sight.failed + sight.passed} failed**"
    )
    return f"| {sight.system} | {sight.version} | {sight.proves} | {tests} | {sight.on} |\n"
