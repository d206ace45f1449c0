"""What a node says of its broker in the line that `systemctl status` shows, and what others read out of it. Pure.

An upgrade holds a newer version to the line of the one before: its beginnings stay what they are.
"""

from __future__ import annotations

from typing import Final

_REACHES: Final = "reaches the broker "
_REACHES_NOT: Final = "does not reach the broker "


def standing_line(url: str, *, reaches: bool) -> str:
    """The line.

    Args:
        url: the broker's, as the node's file has it.
        reaches: whether it is reached.
    """
    return f"{_REACHES if reaches else _REACHES_NOT}{place_of(url)}"


def place_of(url: str) -> str:
    """A broker's host and port."""
    return url.partition("://")[2]


def reaches_broker(line: str) -> bool | None:
    """Whether a node reaches its broker, by its line; None where it does not say: it dials, or is an earlier one."""
    if line.startswith(_REACHES):
        return True
    return False if line.startswith(_REACHES_NOT) else None
