"""What became of commits, however many were pushed since."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from provisioner.record.sent import MOST, CommitRow, keep_commit_states, reached_last, read_commit_states
from provisioner.record.state_folder import state_folder_of
from tests.hostile import MERGE_REQUEST

NOON: Final = datetime(2026, 6, 1, 12, tzinfo=UTC)


def row(number: int, state: str, reason: str = "") -> CommitRow:
    return CommitRow(commit=f"{number:040x}", state=state, at=NOON + timedelta(minutes=number), reason=reason)


@MERGE_REQUEST
def test_what_was_reached_and_what_failed_is_not_forgotten_for_what_was_refused_since(tmp_path: Path) -> None:
    place = state_folder_of({"XDG_STATE_HOME": str(tmp_path)}, "vn")
    reached, failed = row(1, "reached"), row(2, "failed", "a relay went back")
    old = row(0, "refused", 'says "state":"failed"')
    refused = [row(number, "refused", "is not signed") for number in range(3, MOST + 5)]
    keep_commit_states(place, [old, reached, failed, *refused])
    rows = read_commit_states(place)
    assert {reached, failed} < set(rows)
    assert reached_last(rows) == reached
    assert len(rows) == MOST + 2
