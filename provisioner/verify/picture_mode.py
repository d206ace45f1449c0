"""How pictures are looked at, as a person asks for it. It imports nothing, as commands name it before they begin."""

from __future__ import annotations

from enum import StrEnum


class Looks(StrEnum):
    """How pictures are looked at: not at all, quickly, fully, or fully where that is due and quickly elsewhere."""

    OFF = "off"
    QUICK = "quick"
    FULL = "full"
    DUE = "due"
