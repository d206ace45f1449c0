"""What became of commits, told where people look: Git notes at the remote, a commit's status at the forge.

Neither holds an agent up. Whoever is told later is noted with the commit, so that it is told by the next agent if this
one dies. The forge is told in a thread of its own, since it may take its time.
"""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from provisioner.base.attempt import Patience
from provisioner.base.counted import counted
from provisioner.base.errors import ProvisionerError
from provisioner.forge.client import ForgeClient
from provisioner.forge.dialect import CommitStatus, StatusState
from provisioner.forge.review import set_status
from provisioner.history.commit_states import CommitRow, keep_commit_states, read_commit_states
from provisioner.history.place import StatePlace
from provisioner.runs.agent.branch import FollowedBranch, secret_in
from provisioner.runs.agent.decision import CommitState
from provisioner.runs.agent.settings import AgentSettings

NOTES: Final = "notes"
FORGE: Final = "forge"
_MOST: Final = 50
"""So many commits are told of in one round."""
_STATES: Final[Mapping[str, StatusState]] = {
    CommitState.REACHED: StatusState.SUCCESS,
    CommitState.REFUSED: StatusState.FAILURE,
    CommitState.FAILED: StatusState.FAILURE,
    CommitState.WAITING: StatusState.PENDING,
}


class Tidings:
    """Tells of commits, and notes whom it has told."""

    def __init__(
        self,
        settings: AgentSettings,
        place: StatePlace,
        branch: FollowedBranch,
        tell: Callable[[str], None],
        patience: Patience,
    ) -> None:
        """Say of what, and to whom."""
        self._settings = settings
        self._place = place
        self._branch = branch
        self._tell = tell
        self._patience = patience
        self._done: queue.SimpleQueue[tuple[CommitRow, str]] = queue.SimpleQueue()
        self._teller: threading.Thread | None = None

    def tell(self) -> None:
        """Tell whoever has still to be told; the forge beside what comes next.

        Raises:
            StateError: the history does not answer.
        """
        self._settle()
        rows = [row for row in reversed(read_commit_states(self._place)) if row.due]
        self._push_notes([row for row in rows if NOTES in row.due][:_MOST])
        waiting = [row for row in rows if FORGE in row.due][-_MOST:]
        if waiting and self._settings.forge is not None and not self._is_telling():
            self._teller = threading.Thread(target=self._tell_forge, args=(waiting,), daemon=True)
            self._teller.start()

    def finish(self, seconds: float) -> None:
        """Wait for the forge for so long at most, and note what it was told.

        Raises:
            StateError: the history does not answer.
        """
        if self._teller is not None:
            self._teller.join(seconds)
        self._settle()

    def _is_telling(self) -> bool:
        return self._teller is not None and self._teller.is_alive()

    def _settle(self) -> None:
        """Note who was told, unless there is another word on the commit by now."""
        rows = {row.commit: row for row in read_commit_states(self._place)} if not self._done.empty() else {}
        while not self._done.empty():
            row, receiver = self._done.get()
            if (now := rows.get(row.commit)) is not None and (now.state, now.reason) == (row.state, row.reason):
                rows[row.commit] = replace(now, due=tuple(one for one in now.due if one != receiver))
                keep_commit_states(self._place, [rows[row.commit]])

    def _push_notes(self, rows: list[CommitRow]) -> None:
        if not rows:
            return
        try:
            self._branch.push_notes({row.commit: note_of(row, self._settings.inventory) for row in rows})
        except ProvisionerError as error:
            self._tell(f"the remote has no notes of {counted(len(rows), 'commit')} yet: {error.message}")
            return
        for row in rows:
            self._done.put((row, NOTES))
        self._settle()

    def _tell_forge(self, rows: list[CommitRow]) -> None:
        for row in rows:
            try:
                client = self._client()
                set_status(client, status_of(row, self._settings.name))
            except ProvisionerError as error:
                self._tell(f"the forge was not told of commit {row.commit[:12]}, and will be again: {error.message}")
                return
            self._done.put((row, FORGE))

    def _client(self) -> ForgeClient:
        settings = self._settings
        if settings.forge is None or settings.forge_token is None:
            raise ValueError("no forge is named")
        return ForgeClient(settings.forge, secret_in(settings.forge_token, "token for the forge"), self._patience)


def note_of(row: CommitRow, inventory: str) -> str:
    """What a Git note says of a commit: one line of JSON, without anything of the inventory but ids."""
    known = {name: value for name, value in row.document.items() if value and name not in {"commit", "rules"}}
    return json.dumps({"inventory": inventory, "at": row.at.isoformat(), **known}, ensure_ascii=False) + "\n"


def status_of(row: CommitRow, name: str) -> CommitStatus:
    """A commit's status at a forge."""
    words = row.reason or row.proof or (f"reached with {row.within[:12]}" if row.within else "")
    text = f"{row.state}: {words}" if words else row.state
    # A pipeline that leaves a facility as it is whose file has errors is not green, either.
    state = StatusState.FAILURE if row.held else _STATES.get(row.state, StatusState.ERROR)
    return CommitStatus(row.commit, state, name, text)
