"""Two agents and one history: one leads, the other takes over, and no commit is applied twice or lost."""

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from provisioner.operations.agent import run
from provisioner.operations.agent.run import Agent
from provisioner.record.sent import CommitRow, read_commit_states
from provisioner.record.state_folder import VARIABLE, state_folder_of
from tests.agent.disk_hosts import DiskHosts, forked
from tests.agent.site import ID, MERGER, RELAY, STRANGER, Site
from tests.postgresql import server_programs, started_server

BEFORE = 1  #: So often the relay was applied before the agents began.
PATIENCE_S = 120.0


@dataclass
class Pair:
    """Two machines with an agent each."""

    site: Site
    environment: dict[str, str]
    children: dict[int, int]

    def start(self, number: int) -> None:
        """Start the agent of a machine."""
        own = self.environment | {"XDG_STATE_HOME": str(self.site.folder / f"machine-{number}")}
        settings = replace(self.site.settings("notes = false\n"), remote_every=1)
        stop = threading.Event()
        self.children[number] = forked(lambda: Agent(settings, own, self._journal(number)).run(stop))

    def _journal(self, number: int) -> Callable[[str], None]:
        file = self.site.folder / f"journal-{number}"

        def tell(line: str) -> None:
            with file.open("a", encoding="utf-8") as out:
                out.write(f"{line}\n")

        return tell

    def kill(self, number: int) -> None:
        """Kill the agent of a machine."""
        os.kill(self.children[number], signal.SIGKILL)
        os.waitpid(self.children.pop(number), 0)

    def rows(self) -> dict[str, CommitRow]:
        return {row.commit: row for row in read_commit_states(state_folder_of(self.environment, ID))}

    def until_settled(self, commit: str) -> CommitRow:
        end = time.monotonic() + PATIENCE_S
        while (row := self.rows().get(commit)) is None or row.state not in {"reached", "refused"}:
            assert time.monotonic() < end, (self.rows(), self.journals())
            time.sleep(0.1)
        return row

    def journals(self) -> str:
        return "\n".join(f"{file.name}:\n{file.read_text()}" for file in sorted(self.site.folder.glob("journal-*")))


@contextmanager
def pair(site: Site, state: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    hosts = DiskHosts(site.folder / "hosts")
    hosts.hosts = site.hosts.hosts
    hosts.save()
    monkeypatch.setattr("provisioner.operations.pipeline.session.AnsibleRunner", lambda _templates, _environment: hosts)
    monkeypatch.setattr(run, "_STAND_BY_S", 0.2)
    site.hosts = hosts
    both = Pair(site, site.environment | {VARIABLE: state}, {})
    try:
        yield both
    finally:
        for number in list(both.children):
            both.kill(number)


def stream(both: Pair, commits: int, kills: int, seed: int) -> None:
    """Push one commit after the other, some of a stranger, and kill whoever leads now and then."""
    chance, site = random.Random(seed), both.site  # noqa: S311 (no secret)
    both.start(0)
    both.start(1)
    pushed: dict[str, str] = {}
    channel = reached_channel = 17
    applied = BEFORE
    for number in range(commits):
        before, channel = channel, 35 - channel
        site.another_channel(channel, before=before)
        by = STRANGER if number % 3 == 2 else MERGER
        commit = site.commit(by=by)
        if kills and number % 2 == 0:
            time.sleep(chance.uniform(0.1, 3.0))
            both.kill(number // 2 % 2)
            both.start(number // 2 % 2)
            kills -= 1
        pushed[commit] = by
        row = both.until_settled(commit)
        assert row.state == ("reached" if by == MERGER else "refused"), (row, both.journals())
        if by == MERGER:
            applied += channel != reached_channel
            reached_channel = channel
    rows = both.rows()
    assert set(pushed) <= set(rows)
    hosts = DiskHosts(site.folder / "hosts")
    hosts.load()
    relay = hosts.hosts[RELAY]
    assert relay.armed is None
    assert len([run for run, (outcome, _) in relay.receipts.items() if outcome == "applied"]) == applied, (
        both.journals()
    )
    reached = [line for line in both.journals().splitlines() if line.startswith("reached commit")]
    assert len(reached) == len(set(reached)), "none twice"


def test_a_stream_of_commits_is_settled_while_agents_die(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with pair(site, str(site.folder / "shared"), monkeypatch) as both:
        stream(both, 2, 1, 5)


@pytest.mark.soak
@pytest.mark.skipif(server_programs() is None, reason="this machine has no PostgreSQL server")
def test_over_postgresql_a_longer_stream_is_settled(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    with started_server() as server, pair(site, server.new_database(), monkeypatch) as both:
        stream(both, 120, 48, 6)
        assert Path(both.site.folder / "journal-0").exists()
