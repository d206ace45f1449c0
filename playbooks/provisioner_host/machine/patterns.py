"""Regular expressions that compile at first use.

A call uses a few of a hundred, and all of them take 8 ms.
"""

from __future__ import annotations

import re
from typing import Any, AnyStr, cast


class _Pattern:
    def __init__(self, text: str | bytes, flags: int) -> None:
        self._text, self._flags = text, flags

    def __getattr__(self, name: str) -> Any:
        # The next access finds the attribute itself.
        value = self.__dict__[name] = getattr(re.compile(self._text, self._flags), name)
        return value


def pattern(text: AnyStr, flags: int = 0) -> re.Pattern[AnyStr]:
    """Return a pattern for its methods; functions of `re` refuse it."""
    return cast("re.Pattern[AnyStr]", _Pattern(text, flags))
