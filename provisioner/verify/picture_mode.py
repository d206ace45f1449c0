"""Modes of picture looks. Imports no module, since commands use it early."""

from __future__ import annotations

from enum import StrEnum


class Looks(StrEnum):
    """Modes of picture looks; `due` is full if due, else quick."""

    OFF = "off"
    QUICK = "quick"
    FULL = "full"
    DUE = "due"
