"""The record: entries, verdicts, availability, path states. Imports `inventory`, `base`."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from provisioner.record.state_folder import StateFolder
    from provisioner.record.store import History


def history_at(folder: "StateFolder") -> "History | None":
    """Return a place's history, `None` before any run, or raise `StateError`."""
    if folder.file and not folder.file.exists():
        return None
    from provisioner.record.store import find_history  # noqa: PLC0415 (the database's library takes time)

    return find_history(folder)
