"""Rounds of an agent, each begun by one that has just been started."""

from datetime import UTC, datetime, timedelta

import pytest

from provisioner.desired.render.host import MEDIAMTX_FILE, POLICY_FILE
from provisioner.operations.agent.decision import Act, CommitCause
from tests.agent.site import MERGER, RELAY, STRANGER, Site
from tests.hostile import MERGE_REQUEST
from tests.pipelines.git_server import git

FREEZE = "    - { from: 2021-01-01T00:00, until: 2199-01-01T00:00, reason: a visit }\n"


def test_a_signed_commit_is_applied_proved_and_recorded_once(site: Site) -> None:
    assert site.round().step.act is Act.REST or site.lines
    site.another_channel()
    commit = site.commit()
    writes = site.writes
    end = site.round()
    assert end.step.act is Act.REPORT, site.lines
    row = site.row(commit)
    assert (row.state, row.signer, row.cause) == ("reached", MERGER, "")
    assert row.run
    assert " up" in row.proof
    assert site.writes > writes
    writes = site.writes
    assert site.round().reached == commit
    assert site.writes == writes
    assert site.call("drift")


@MERGE_REQUEST
@pytest.mark.parametrize("by", ["", STRANGER])
def test_a_commit_of_nobody_or_of_a_stranger_is_refused_with_the_reason(site: Site, by: str) -> None:
    site.round()
    site.another_channel()
    commit = site.commit(by=by)
    writes = site.writes
    end = site.round()
    assert (end.step.act, end.step.cause) == (Act.REFUSE, CommitCause.SIGNATURE)
    row = site.row(commit)
    assert row.state == "refused"
    assert ("is not signed" if not by else "no allowed signer's") in row.reason
    assert site.round().step.act is not Act.REFUSE
    assert site.writes == writes
    assert len([line for line in site.lines if line.startswith("refused")]) == 1
    # Somebody signs on top of it: what came in by it is reached with that.
    above = site.commit("signed")
    assert site.round().reached == above
    assert site.row(commit).state == "refused"


@MERGE_REQUEST
def test_a_branch_that_goes_back_is_refused_unless_that_is_allowed(site: Site) -> None:
    first = git(site.person, "rev-parse", "HEAD")
    site.another_channel()
    second = site.commit()
    assert site.round().reached == second
    git(site.person, "reset", "-q", "--hard", first)
    site.push("--force")
    writes = site.writes
    end = site.round()
    assert (end.step.act, end.step.cause, end.reached) == (Act.REFUSE, CommitCause.LINE, second)
    assert site.writes == writes
    end = site.round("goes_back = true")
    assert (end.reached, site.writes > writes) == (first, True)


def test_an_inventory_with_errors_is_refused_and_another_inventory_too(site: Site) -> None:
    site.round()
    site.edit("inventory.yml", "version: 1", "version: 99")
    site.commit()
    end = site.round()
    assert (end.step.act, end.step.cause) == (Act.REFUSE, CommitCause.INVENTORY)
    assert "inventory.yml" in end.step.reason
    assert site.round().step.act is not Act.REFUSE


def test_a_host_that_cannot_be_read_is_waited_for(site: Site) -> None:
    site.round()
    site.another_channel()
    commit = site.commit()
    site.hosts.hosts[RELAY].reachable = False
    end = site.round()
    assert (end.step.act, end.step.cause) == (Act.WAIT, CommitCause.HOSTS)
    assert RELAY in site.row(commit).reason
    site.hosts.hosts[RELAY].reachable = True
    assert site.round().reached == commit


def test_what_needs_an_allowance_waits_for_a_person_and_says_the_command(site: Site) -> None:
    site.round()
    site.hosts.hosts[RELAY].viewers = {"bac-giang/kcl-bg-001/cam-03/sub": 2}
    site.edit("inventory.yml", "viewers: 20", "viewers: 1")
    site.another_channel()
    commit = site.commit()
    writes = site.writes
    end = site.round()
    assert (end.step.act, end.step.cause) == (Act.WAIT, CommitCause.ALLOWANCE)
    assert "provisioner plan --allow viewers=2 --out plan.json" in site.row(commit).reason
    assert site.writes == writes
    # A person says so, as the reason tells.
    site.folder.joinpath("there").mkdir()
    file = str(site.folder / "there/plan.json")
    git(site.person, "remote", "add", "origin", str(site.bare))
    site.call("plan", "--allow", "viewers=2", "--out", file)
    agent = site.rounds()
    assert not [agent.round(due=False) for _ in range(2)][1].looked
    site.call("plan", "push", file)
    # The next read of the remote is enough: the hosts' own time to be read has not come.
    end = agent.round(due=False)
    assert end.reached == commit, site.lines


def test_a_freeze_is_waited_for(site: Site) -> None:
    site.round()
    site.another_channel()
    site.edit("inventory.yml", "  freeze: #", f"  freeze:\n{FREEZE}    #")
    site.commit()
    end = site.round()
    assert (end.step.act, end.step.cause) == (Act.WAIT, CommitCause.FREEZE), end


def test_drift_of_a_named_kind_is_corrected_and_other_drift_told(site: Site) -> None:
    site.round()
    host = site.hosts.hosts[RELAY]
    del host.files[POLICY_FILE]
    end = site.round()
    assert POLICY_FILE in host.files, (end, site.lines)
    assert not end.drifted
    content, *rest = host.files[MEDIAMTX_FILE]
    host.files[MEDIAMTX_FILE] = (content.replace(b"554/", b"555/", 1), *rest)  # type: ignore[assignment]  # as it was
    assert host.files[MEDIAMTX_FILE][0] != content
    writes = site.writes
    end = site.round()
    assert set(end.drifted) == {RELAY}, (end, site.lines)
    assert site.writes == writes


def test_a_failed_commit_is_not_tried_again_by_itself(site: Site) -> None:
    site.round()
    site.another_channel()
    commit = site.commit()
    site.hosts.after = lambda operation, host: site.hosts.hosts[host].dark.update(
        {"bac-giang/kcl-bg-001/cam-03/sub"} if operation == "apply" else ()
    )
    end = site.round()
    row = site.row(commit)
    assert (end.step.act, row.state, row.cause) == (Act.FAIL, "failed", "apply"), (end, site.lines)
    site.hosts.after = lambda _operation, _host: None
    for host in site.hosts.hosts.values():
        host.dark.clear()
    assert site.round().step.act is Act.REST
    assert site.row(commit).state == "failed"
    # Nor by a commit that is the same, with its signature written in another way.
    twin = site.person / "twin"
    twin.write_text(git(site.person, "cat-file", "commit", commit).replace("\n U1NI", "\n U1NI\n ") + "\n")
    rewritten = git(site.person, "hash-object", "-t", "commit", "-w", str(twin))
    git(site.person, "push", "-q", "--force", str(site.bare), f"{rewritten}:refs/heads/main")
    writes = site.writes
    end = site.round()
    assert (end.tip, end.step.act, end.step.cause) == (rewritten, Act.REFUSE, CommitCause.SIGNATURE)
    assert commit[:12] in end.step.reason
    assert site.round().step.act is not Act.REFUSE
    assert (site.writes, site.row(rewritten).state) == (writes, "refused")
    git(site.person, "push", "-q", "--force", str(site.bare), f"{commit}:refs/heads/main")
    assert site.round(again=True).reached == commit


def test_a_clock_that_is_set_back_brings_no_older_commit_back(site: Site) -> None:
    ahead = datetime.now(UTC) + timedelta(hours=3)
    assert site.rounds(clock=lambda: ahead).round(due=True).reached
    commit = site.commit("nothing to do")
    assert site.round().reached == commit
    # As another machine has it, which shares the history and remembers nothing.
    (site.rounds().branch.folder / "reached").unlink()
    assert site.round(due=False).reached == commit


def test_a_host_that_goes_back_when_its_drift_is_corrected_is_left_to_people(site: Site) -> None:
    site.round()
    host = site.hosts.hosts[RELAY]
    del host.files[POLICY_FILE]
    site.hosts.after = lambda operation, _host: host.files.pop(POLICY_FILE, None) if operation == "apply" else None
    end = site.round()
    assert set(end.drifted) == {RELAY}, (end, site.lines)
    assert site.row(end.reached).stuck == (RELAY,)
    site.hosts.after = lambda _operation, _host: None
    writes = site.writes
    end = site.round()
    assert (set(end.drifted), site.writes) == ({RELAY}, writes)
    assert not site.round(again=True).drifted


def test_a_run_of_a_person_that_pauses_is_waited_for(site: Site) -> None:
    site.round()
    for host in site.hosts.hosts.values():
        del host.files[POLICY_FILE]
    site.call("apply", "--yes", "--pause-after", "canary", code=0)
    commit = site.commit()
    end = site.round()
    assert (end.step.act, end.step.cause) == (Act.WAIT, CommitCause.RUN), (end, site.lines)
    site.call("apply", "--resume")
    assert site.round().reached == commit


def test_drift_that_cuts_somebody_can_be_named_by_nobody(site: Site) -> None:
    for impact in ("path", "all"):
        site.edit("inventory.yml", "policy:\n", f"policy:\n  drift: {{ correct: [none, {impact}] }}\n")
        assert "one of none, hot" in site.call("validate", code=3)
        git(site.person, "checkout", "-q", "inventory.yml")
    site.edit("inventory.yml", "policy:\n", "policy:\n  drift: { correct: [] }\n")
    site.commit()
    site.round()
    del site.hosts.hosts[RELAY].files[POLICY_FILE]
    assert set(site.round().drifted) == {RELAY}
