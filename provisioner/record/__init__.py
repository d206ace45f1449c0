"""The record: entries, verdicts, availability, path states. Imports `inventory`, `base`."""

from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from provisioner.record.state_folder import StateFolder
    from provisioner.record.store import History

T = TypeVar("T")
D = TypeVar("D")


def history_at(folder: "StateFolder") -> "History | None":
    """Return a place's history, `None` before any run, or raise `StateError`."""
    if folder.file and not folder.file.exists():
        return None
    from provisioner.record.store import find_history  # noqa: PLC0415 (the database's library takes time)

    return find_history(folder)


def read_history(folder: "StateFolder", read: "Callable[[History], T]", otherwise: D) -> T | D:
    """Return what a history tells, or `otherwise` before any run."""
    history = history_at(folder)
    if history is None:
        return otherwise
    with closing(history):
        return read(history)
