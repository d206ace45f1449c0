"""An agent that is killed at any moment: the next one goes on, no host stays half changed, nothing is done twice."""

import os
import random
import signal
import time
from datetime import UTC, datetime

import pytest

from provisioner.operations.agent.actions import unfinished_run
from provisioner.operations.agent.decision import UnfinishedRun
from provisioner.record.sent import read_commit_states
from provisioner.record.state_folder import state_folder_of
from tests.agent.disk_hosts import DiskHosts, forked
from tests.agent.site import ID, RELAY, Site

SAMPLE, ALL = 4, 100
BEFORE = 1  #: So often the relay was applied before the agent began.


@pytest.fixture
def kept(site: Site, monkeypatch: pytest.MonkeyPatch) -> DiskHosts:
    """The site's hosts on the disk, and all in a process of its own."""
    hosts = DiskHosts(site.folder / "hosts")
    hosts.hosts = site.hosts.hosts
    hosts.save()
    monkeypatch.setattr("provisioner.operations.pipeline.session.AnsibleRunner", lambda _templates, _environment: hosts)
    site.hosts = hosts
    return hosts


def killed_after(site: Site, seconds: float) -> bool:
    """Begin a round in another process, and kill that: whether it was still at it."""
    child = forked(site.round)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def channels(number: int) -> tuple[int, int]:
    """The channel of a camera before the n-th edit, and after it."""
    return (17, 18) if number % 2 == 0 else (18, 17)


def run_kills(site: Site, hosts: DiskHosts, kills: int, seed: int) -> tuple[int, int]:
    """Kill agents until there are so many: how many, and how often one was in the midst of a run."""
    chance = random.Random(seed)  # noqa: S311 (no secret)
    site.round()
    cut = number = midst = 0
    whole = 0.0
    while cut < kills:
        before, after = channels(number)
        site.another_channel(after, before=before)
        commit = site.commit()
        number += 1
        if not whole:
            begun = time.monotonic()
            site.round()
            whole = time.monotonic() - begun
        else:
            for _ in range(chance.randint(1, 3) if kills > SAMPLE else SAMPLE):
                cut += killed_after(site, chance.uniform(0.02, whole))
                run, _ = unfinished_run(state_folder_of(site.environment, ID), datetime.now(UTC))
                midst += run is not UnfinishedRun.NONE
            site.round()
        hosts.load()
        relay = hosts.hosts[RELAY]
        assert relay.armed is None, "no host waits for anybody"
        assert site.row(commit).state == "reached", site.row(commit)
        applied = [run for run, (outcome, _) in relay.receipts.items() if outcome == "applied"]
        assert len(applied) == number + BEFORE, "applied once, and not twice"
    assert site.call("drift")
    rows = read_commit_states(state_folder_of(site.environment, ID))
    assert len({row.commit for row in rows}) == len(rows)
    assert {row.state for row in rows} == {"reached"}
    return cut, midst


def test_a_killed_agent_leaves_nothing_half_done_and_does_nothing_twice(site: Site, kept: DiskHosts) -> None:
    assert run_kills(site, kept, SAMPLE, 11)[0] >= SAMPLE


@pytest.mark.soak
def test_a_hundred_kills(site: Site, kept: DiskHosts, capsys: pytest.CaptureFixture[str]) -> None:
    cut, midst = run_kills(site, kept, ALL, 12)
    assert cut >= ALL
    assert midst, "some were killed in the midst of a run"
    with capsys.disabled():
        print(f"{cut} kills, {midst} of them in the midst of a run")  # noqa: T201 (a figure for people)
