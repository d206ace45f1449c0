"""The page of causes names every cause, once, and says who goes where."""

import re
from pathlib import Path

from provisioner.verify.result import Cause

_PAGE = Path(__file__).parents[3] / "docs/daily/watching.md"
_ROW = re.compile(r"^\| ([a-z, ]+) \| ([^|]{10,}) \| ([^|]{3,}) \|$", re.MULTILINE)


def test_every_cause_has_its_row() -> None:
    rows = _ROW.findall(_PAGE.read_text(encoding="utf-8"))
    named = [name for row in rows for name in row[0].split(", ") if row[0] != "cause"]
    assert sorted(named) == sorted(cause.value for cause in Cause if cause.value)
