"""The waves of a rollout by name, in their order. It imports nothing, as commands name them before they begin."""

from __future__ import annotations

from typing import Final

CANARY: Final = "canary"
LATER: Final = ("10%", "50%", "rest")
NAMES: Final = (CANARY, *LATER)
