"""Names as people read them: some of them, and how many more there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from provisioner.base.language import ENGLISH, Translator

_MANY: Final = 5


def some_of(names: Sequence[str], say: Translator = ENGLISH) -> str:
    """The first names, and how many more there are."""
    listed = ", ".join(names[:_MANY])
    more = len(names) - _MANY
    return say("{names} and {count} more", names=listed, count=more) if more > 0 else listed
