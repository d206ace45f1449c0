"""What was reached stays reached: with the folder lost, with the history lost, and with a signer removed."""

import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from provisioner.desired.render.host import POLICY_FILE
from provisioner.operations.agent.decision import Act, CommitCause, CommitState
from provisioner.operations.agent.run import code_of
from provisioner.record.sent import CommitRow, keep_commit_states
from provisioner.record.state_folder import state_folder_of
from tests.agent.site import ID, RELAY, STRANGER, Site
from tests.hostile import LOCAL_USER, MERGE_REQUEST
from tests.pipelines.git_server import git
from tests.signatures import public_line


def lose_folder(site: Site) -> None:
    """Lose the agent's own folder: its clone, and what this machine remembers."""
    shutil.rmtree(site.rounds().branch.folder)


def lose_history(site: Site) -> None:
    """Lose the database, and nothing else."""
    file = state_folder_of(site.environment, ID).file
    assert file is not None
    for one in file.parent.glob(f"{file.name}*"):
        one.unlink()


LOST = {"folder": lose_folder, "history": lose_history}


@MERGE_REQUEST
@LOCAL_USER
@pytest.mark.parametrize(
    ("lost", "goes_back"),
    [(("folder",), True), (("history",), False), (("folder", "history"), False), (("history", "folder"), True)],
)
def test_an_older_signed_commit_is_refused_after_a_loss(site: Site, lost: tuple[str, ...], *, goes_back: bool) -> None:
    first = git(site.person, "rev-parse", "HEAD")
    site.another_channel()
    second = site.commit()
    assert site.round().reached == second
    if goes_back:
        git(site.person, "reset", "-q", "--hard", first)
        site.push("--force")
    writes = site.writes
    for what in lost:
        LOST[what](site)
        end = site.round()
        assert end.reached == second, site.lines
    if not goes_back:
        git(site.person, "reset", "-q", "--hard", first)
        site.push("--force")
    for _ in range(2):
        end = site.round()
        assert end.reached == second, site.lines
        assert (site.row(first).state, site.row(first).cause) == ("refused", "line")
    assert site.row(second).state == "reached"
    assert site.writes == writes


@LOCAL_USER
def test_a_history_that_was_set_back_brings_no_older_commit_back_without_the_clone(site: Site) -> None:
    first = git(site.person, "rev-parse", "HEAD")
    assert site.round().reached == first
    file = state_folder_of(site.environment, ID).file
    assert file is not None
    kept = site.folder / "kept"
    shutil.copytree(file.parent, kept)
    site.another_channel()
    second = site.commit()
    assert site.round().reached == second
    lose_history(site)
    for one in kept.glob(f"{file.name}*"):
        shutil.copy(one, file.parent)
    shutil.rmtree(site.rounds().branch.folder / "clone")
    git(site.person, "reset", "-q", "--hard", first)
    site.push("--force")
    writes = site.writes
    end = site.round()
    assert (end.step.act, end.step.cause, end.reached) == (Act.REFUSE, CommitCause.LINE, second)
    assert site.writes == writes


@MERGE_REQUEST
@pytest.mark.parametrize("tip", ["same", "refused", "none"])
def test_drift_is_not_corrected_towards_a_commit_whose_signer_was_removed(site: Site, tip: str) -> None:
    reached = git(site.person, "rev-parse", "HEAD")
    assert site.round().reached == reached
    if tip == "refused":
        site.commit("of the former signer")
    elif tip == "none":
        git(site.bare, "update-ref", "-d", "refs/heads/main")
    signers = site.folder / "allowed-signers"
    former = signers.read_text(encoding="utf-8")
    signers.write_text(f'stranger namespaces="git" {public_line(STRANGER)}\n', encoding="utf-8")
    host = site.hosts.hosts[RELAY]
    del host.files[POLICY_FILE]
    writes = site.writes
    for _ in range(2):
        end = site.round()
        assert end.reached == reached
        assert site.writes == writes, site.lines
        assert site.row(reached).state == "reached"
    assert (end.step.act, end.step.cause) == (Act.REPORT, CommitCause.SIGNATURE)
    assert end.step.reason.startswith(f"commit {reached[:12]} is signed by the key SHA256:")
    assert end.step.reason.endswith("no allowed signer's")
    assert code_of(end) == 6 or tip == "none"
    signers.write_text(former, encoding="utf-8")
    site.round()
    assert POLICY_FILE in host.files, site.lines


@MERGE_REQUEST
@pytest.mark.parametrize(("days", "corrected"), [(1, True), (-1, False)])
def test_a_key_past_its_time_counts_for_what_was_reached_before(site: Site, days: int, *, corrected: bool) -> None:
    assert site.round().reached
    signers = site.folder / "allowed-signers"
    text, end = signers.read_text(encoding="utf-8"), datetime.now(UTC) + timedelta(days=days)
    timed = f'namespaces="git",valid-before="{end:%Y%m%d%H%M}Z"'
    signers.write_text(text.replace('namespaces="git"', timed), encoding="utf-8")
    host = site.hosts.hosts[RELAY]
    del host.files[POLICY_FILE]
    site.rounds(clock=lambda: datetime.now(UTC) + timedelta(days=2)).round(due=True)
    assert (POLICY_FILE in host.files) is corrected, site.lines


@LOCAL_USER
def test_a_made_up_commit_in_the_history_stops_the_agent_until_a_person_removes_it(site: Site) -> None:
    """It changes nothing meanwhile, so that whoever makes a row up brings no older commit back."""
    first = site.round().reached
    place = state_folder_of(site.environment, ID)
    keep_commit_states(place, [CommitRow(commit="f" * 40, state=CommitState.REACHED, at=datetime.now(UTC))])
    site.another_channel()
    second, writes = site.commit(), site.writes
    for _ in range(2):
        end = site.round()
        assert end.reached == "f" * 40
        assert site.row(second).reason == "the branch leads apart from ffffffffffff, which was reached"
    assert site.writes == writes
    assert place.file is not None
    with closing(sqlite3.connect(place.file)) as database, database:
        database.execute("DELETE FROM provisioner_commit_states WHERE revision = ?", ("f" * 40,))
    site.rounds().branch.remember(first)
    assert site.round().reached == second, site.lines
