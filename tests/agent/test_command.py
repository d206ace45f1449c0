"""`provisioner agent` as it is called: over HTTP and over a path, told to a forge that fails, beside another one."""

import io
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any

from provisioner.base.http import HttpLimits
from provisioner.cli.main import run
from provisioner.integrations.forge.dialects import StatusState
from provisioner.operations.agent.actions import status_of
from provisioner.operations.agent.run import Agent
from provisioner.record.leases import LeaseHolder, agent_lease
from provisioner.record.state_folder import state_folder_of
from tests.agent.site import CAMERA, ID, MERGER, RELAY, STRANGER, Site
from tests.forges import TOKEN, served_forge
from tests.pipelines.git_server import WRITER, git, served_repository
from tests.signatures import key_file, public_line

NOTES = "refs/notes/provisioner-agent"
SECRETS = (TOKEN, WRITER)


def command(site: Site, *words: str, more: str = "") -> tuple[int, Any, str]:
    """Call the agent's command: its code, its document, and its journal."""
    out, err = io.StringIO(), io.StringIO()
    file = str(site.settings_file(more))
    with redirect_stdout(out), redirect_stderr(err):
        code = run(["--output", "json", "agent", file, *words], site.environment)
    return code, json.loads(out.getvalue()), err.getvalue()


def note(site: Site, commit: str) -> Any:
    """What the remote's note says of a commit."""
    return json.loads(git(site.bare, "notes", f"--ref={NOTES}", "show", commit))


def test_over_http_a_commit_is_applied_and_its_note_is_pushed(site: Site) -> None:
    site.bare.rename(site.folder / "served.git")
    with served_repository(site.folder, "noc") as server:
        (site.folder / "noc.git").rename(site.folder / "empty.git")
        (site.folder / "served.git").rename(site.folder / "noc.git")
        git(site.folder / "noc.git", "config", "http.receivepack", "true")
        site.bare, site.remote = site.folder / "noc.git", f"{server}/noc.git"
        (site.folder / "token").write_text(f"{WRITER}\n", encoding="utf-8")
        code, document, journal = command(site, "--once", more='git_token = "token"\n')
        assert (code, document["commits"][0]["state"]) == (0, "reached"), journal
        assert document["commits"][0]["signer"] == MERGER
        assert note(site, document["tip"])["state"] == "reached"
        site.another_channel()
        site.commit(by=STRANGER)
        code, document, journal = command(site, "--once", more='git_token = "token"\n')
        assert (code, document["commits"][0]["cause"]) == (6, "signature")
        assert note(site, document["tip"])["reason"] in journal
        assert not [secret for secret in SECRETS if secret in journal + json.dumps(document)]
    code, document, journal = command(site, "--once", more='git_token = "token"\n')
    assert (code, len(document["problems"]), document["tip"]) == (14, 1, ""), "the remote is gone"
    code, document, _ = command(site, "--status")
    assert [one["state"] for one in document["commits"]] == ["refused", "reached"]


def test_a_forge_that_fails_holds_nothing_up_and_is_told_later(site: Site) -> None:
    patience = HttpLimits(attempts=2, first_pause_s=0.01)
    with served_forge("gitlab") as forge:
        (site.folder / "forge-token").write_text(TOKEN, encoding="utf-8")
        more = f'[forge]\nkind = "gitlab"\nurl = "{forge.url}"\nproject = "{forge.project}"\ntoken = "forge-token"\n'
        forge.failing += [500] * 4
        site.another_channel()
        commit = site.commit()
        agent = Agent(site.settings(more), site.environment, site.lines.append, patience)
        end = agent.once()
        assert end.reached == commit
        assert any("the forge was not told" in line and "500" in line for line in site.lines), site.lines
        assert site.row(commit).due == ("forge",)
        forge.failing.clear()
        Agent(site.settings(more), site.environment, site.lines.append, patience).once()
        assert site.row(commit).due == ()
        ((_, status),) = [(key, one) for key, one in forge.statuses.items() if commit in key]
        assert status["state"] == "success"
        # GitLab refuses a state that a commit has already: it is told so once, and later commits are told.
        forge.failing += [500] * 4
        refused = site.commit()
        Agent(site.settings(more), site.environment, site.lines.append, patience).once()
        assert site.row(refused).due == ("forge",)
        forge.failing[:] = [400]
        told = site.commit()
        Agent(site.settings(more), site.environment, site.lines.append, patience).once()
        assert (site.row(refused).due, site.row(told).due) == ((), ())
        assert [told in key or refused in key for key in forge.statuses] == [False, True]
        assert any(f"the forge refused the state of commit {refused[:12]}" in line for line in site.lines)
    assert not any(TOKEN in line for line in site.lines)


def test_what_people_have_to_approve_waits_for_them_and_is_applied_once_they_did(site: Site) -> None:
    rules = "policy:\n  approvals:\n    rules:\n      - { changes: path, role: noc }\n"
    site.edit("inventory.yml", "policy:\n", rules)
    key = public_line("noc-1", "ed25519")
    entry = f"  - {{ id: noc-1, roles: [noc], key: {key}, since: 2021-05-01, source: 7/TB }}\n"
    (site.person / "signers.yml").write_text(f"version: 1\napprovers:\n{entry}", encoding="utf-8")
    site.commit()
    code, document, journal = command(site, "--once")
    assert code == 0, (document, journal)
    site.another_channel()
    commit = site.commit()
    writes = site.writes
    code, document, _ = command(site, "--once")
    assert (code, document["commits"][0]["cause"], site.writes) == (6, "approvals", writes)
    assert "1 approver as noc" in document["commits"][0]["reason"]
    # The plan is at the remote: whoever approves needs neither host nor vault.
    git(site.person, "remote", "add", "origin", str(site.bare))
    plan = str(site.folder / "plan.json")
    site.call("plan", "fetch", "--out", plan)
    site.call("approve", plan, "--as", "noc-1", "--key", str(key_file("noc-1", "ed25519")), "--yes")
    above = site.commit("approved")
    code, document, journal = command(site, "--once")
    assert (code, document["reached"]) == (0, above), (document, journal)
    assert site.row(commit).within == above
    assert site.writes > writes


def test_a_facility_that_is_held_holds_up_nothing_and_is_no_success(site: Site) -> None:
    command(site, "--once")
    site.edit(CAMERA, "channel: 17", "channel: 18")  # nobody agreed to it
    commit = site.commit()
    code, document, _ = command(site, "--once")
    assert (code, document["commits"][0]["state"]) == (3, "reached"), document
    assert document["commits"][0]["held"] == ["kcl-bg-001"]
    assert status_of(site.row(commit), "agent").state is StatusState.FAILURE


def test_a_second_agent_stands_by_and_is_told_who_leads(site: Site) -> None:
    holder = LeaseHolder("noc@one", "11", "2021-05-20 01:30:00 +07:00")
    with agent_lease(state_folder_of(site.environment, ID), holder):
        code, document, _ = command(site, "--once")
        assert (code, document["error"]["code"] if "error" in document else document["code"]) == (9, "locked")
        assert holder.text in json.dumps(document)
    assert command(site, "--once")[0] == 0


@contextmanager
def running(site: Site, more: str, lines: list[str]) -> Iterator[Agent]:
    """An agent in a thread of its own, until the end of the block."""
    stop = threading.Event()
    agent = Agent(site.settings(more), site.environment, lines.append)
    thread = threading.Thread(target=agent.run, args=(stop,))
    thread.start()
    try:
        yield agent
    finally:
        stop.set()
        thread.join(60)


def until(site: Site, commit: str, seconds: float = 30.0) -> None:
    """Wait until a commit was reached."""
    end = time.monotonic() + seconds
    while not any(line.startswith(f"reached commit {commit[:12]}") for line in site.lines):
        assert time.monotonic() < end, site.lines
        time.sleep(0.05)


def test_it_runs_until_it_is_stopped_and_a_wake_brings_the_next_commit(site: Site) -> None:
    with running(site, "remote_every = 3600\n", site.lines) as agent:
        until(site, git(site.person, "rev-parse", "HEAD"))
        site.another_channel()
        commit = site.commit()
        agent.wake()
        until(site, commit)
        text = {family.name: family for family in agent.families()}
        states = {tuple(s.labels.values())[1:]: s.value for s in text["provisioner_agent_tip"].samples}
        assert states["reached", ""] == 1.0


def test_words_that_do_not_fit_are_named(site: Site) -> None:
    file = str(site.settings_file())
    assert run(["-i", str(site.person), "agent", file], site.environment) == 2
    assert run(["agent", file, "--status", "--once"], site.environment) == 2
    assert run(["agent", str(site.folder / "none.toml")], site.environment) == 2
    (site.folder / "allowed-signers").write_text("nobody\n", encoding="utf-8")
    assert run(["agent", file, "--once"], site.environment) == 2
    assert RELAY in site.hosts.hosts
