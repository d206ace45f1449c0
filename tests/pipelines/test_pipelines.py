"""The files of `pipelines/`: a request is told of, planned by a person's word, applied when merged, and proved."""

import base64
import io
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from provisioner.cli.main import run
from tests.example_terminal import EXAMPLE, applied
from tests.forges import NUMBER, TOKEN, Forge, served_forge
from tests.hostile import MERGE_REQUEST
from tests.pipelines.git_server import WRITER, environment_of, git, served_repository
from tests.pipelines.program import Program
from tests.pipelines.runner import ROOT, Run
from tests.signatures import key_file, public_line
from tests.unit.cli.test_plan import RELAY, Terminal
from tests.watched import WatchedHosts

VAULT = (ROOT / EXAMPLE / ".vault-password").read_text(encoding="utf-8").strip()
SSH_KEY = "canary-ssh-key-2358"
SECRETS = (TOKEN, SSH_KEY, VAULT)
KINDS = ("github", "gitlab", "forgejo")
SAMPLE = "gitlab"  #: The forge of what a merge waits for; the soak has all of them.
CAMERA = "facilities/bac-giang/kcl-bg-001.yml"
REQUEST = f"refs/pull/{NUMBER}/"


@dataclass
class House:
    """A repository at a forge, its pipelines, a person's clone, and hosts in memory on which all was applied."""

    kind: str
    forge: Forge
    program: Program
    person: Path
    server: str
    folder: Path
    hosts: WatchedHosts
    runs: list[Run] = field(default_factory=list)

    # --- what people do ---------------------------------------------------------------------------
    def propose(self) -> None:
        """Push a branch with one camera on another channel, agreed by all, and open a merge request of it."""
        git(self.person, "checkout", "-q", "-B", "request", "origin/main")
        self.edit(CAMERA, "channel: 17", "channel: 18")
        parties = ["--by", "dic", "--by", "health", "--by", "carrier"]
        assert self("sign-off", "kcl-bg-001", *parties, "--on", "2021-06-01", "--source", "02/BB")[0] == 0
        git(self.person, "commit", "-qam", "another channel")
        self.open_request()

    def edit(self, path: str, old: str, new: str) -> None:
        """Edit a file of the clone."""
        file = self.person / path
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new, 1), encoding="utf-8")

    def __call__(self, *words: str) -> tuple[int, str]:
        """Call the program in the clone, as a person with the vault does."""
        out = io.StringIO()
        env = {"HOME": str(self.folder), "XDG_STATE_HOME": str(self.folder / "state"), "PROVISIONER_NO_CACHE": "1"}
        env |= {"ANSIBLE_VAULT_PASSWORD_FILE": str(self.folder / "vault-password")}
        before = Path.cwd()
        os.chdir(self.person)
        try:
            with redirect_stdout(out):
                return run(["-i", ".", *words], env), out.getvalue()
        finally:
            os.chdir(before)

    def open_request(self) -> None:
        """Let the forge have the present commit as a merge request, with the merge of it."""
        kind = "refs/merge-requests" if self.kind == "gitlab" else "refs/pull"
        self._push("+HEAD:refs/heads/request", f"+HEAD:{kind}/{NUMBER}/head")
        git(self.person, "checkout", "-q", "--detach", "origin/main")
        git(self.person, "merge", "-q", "--no-ff", "--no-edit", "request")
        self._push(f"+HEAD:{kind}/{NUMBER}/merge")

    def merge(self) -> None:
        """Merge the request: a new commit on main."""
        git(self.person, "fetch", "-q", "origin")
        git(self.person, "checkout", "-q", "-B", "main", "origin/main")
        git(self.person, "merge", "-q", "--no-ff", "-m", "merged by the forge", "request")
        self._push("main:refs/heads/main")

    def merge_another(self) -> None:
        """Somebody else's edit is merged meanwhile."""
        git(self.person, "checkout", "-q", "-B", "another", "origin/main")
        self.edit("inventory.yml", "viewers: 20", "viewers: 19")
        git(self.person, "commit", "-qam", "another edit")
        self._push("another:refs/heads/main")
        git(self.person, "fetch", "-q", "origin")

    def push_main(self) -> None:
        """Push main as it is in the clone."""
        self._push("main:refs/heads/main")
        git(self.person, "fetch", "-q", "origin")

    def _push(self, *references: str) -> None:
        git(
            self.person,
            "-c",
            f"http.extraHeader=Authorization: Basic {basic(WRITER)}",
            "push",
            "-q",
            "origin",
            *references,
        )

    # --- what the forge runs ----------------------------------------------------------------------
    def on_request(self) -> bool:
        return self._run("merge_request_event", "request", f"{REQUEST}merge")

    def on_plan(self, allow: str = "") -> bool:
        return self._run("web", "plan", "refs/heads/main", allow)

    def on_merge(self) -> bool:
        return self._run("push", "apply", "refs/heads/main")

    def at_night(self) -> bool:
        return self._run("schedule", "nightly", "refs/heads/main")

    def _run(self, source: str, workflow: str, reference: str, allow: str = "") -> bool:
        folder = self.folder / f"run-{len(self.runs)}"
        folder.mkdir()
        state = {"XDG_STATE_HOME": str(self.folder / "state"), "PROVISIONER_NO_CACHE": "1"}
        job = Run(self.program, folder, f"{self.server}/noc/inventory.git", self._context(allow), state)
        self.runs.append(job)
        if self.kind == "gitlab":
            reference = reference.replace("refs/pull", "refs/merge-requests")
            variables = self._variables(source, allow, folder)
            return job.gitlab("pipelines/gitlab/inventory.gitlab-ci.yml", variables, reference)
        job.environment = state | self.forge.environment | self._of_runner(reference)
        return job.workflow(f"pipelines/{self.kind}/inventory-{workflow}.yml")

    def _of_runner(self, reference: str) -> dict[str, str]:
        commit = git(self.person, "ls-remote", "origin", reference).split()[0]
        return {"GITHUB_SERVER_URL": self.server, "GITHUB_REF": "refs/heads/main", "GITHUB_SHA": commit}

    def _context(self, allow: str) -> Mapping[str, str]:
        return {
            "github.event.number": str(NUMBER),
            "github.event.pull_request.merge_commit_sha": "0" * 40,
            "github.token": TOKEN if self.kind == "github" else WRITER,
            "github.token.basic": basic(WRITER),
            "inputs.request": str(NUMBER),
            "inputs.allow": allow,
            "secrets.PROVISIONER_VAULT_PASSWORD": VAULT,
            "secrets.PROVISIONER_SSH_KEY": SSH_KEY,
            "secrets.PROVISIONER_FORGE_TOKEN": TOKEN,
        }

    def _variables(self, source: str, allow: str, folder: Path) -> dict[str, str]:
        variables = self.forge.environment | {
            "CI_PIPELINE_SOURCE": source,
            "CI_DEFAULT_BRANCH": "main",
            "CI_SERVER_URL": self.server,
            "CI_COMMIT_SHA": git(self.person, "ls-remote", "origin", "refs/heads/main").split()[0],
        }
        if source == "merge_request_event":
            del variables["CI_COMMIT_SHA"]
            return variables | {
                "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
                "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": self.forge.project,
                "PROVISIONER_COMMENT_TOKEN": TOKEN,
            }
        (folder / "vault-password").write_text(f"{VAULT}\n", encoding="utf-8")
        (folder / "ssh-key").write_text(SSH_KEY, encoding="utf-8")
        del variables["CI_MERGE_REQUEST_IID"]
        return variables | {
            "CI_COMMIT_BRANCH": "main",
            "REQUEST": str(NUMBER) if source == "web" else "",
            "ALLOW": allow,
            "PROVISIONER_FORGE_TOKEN": TOKEN,
            "PROVISIONER_VAULT_PASSWORD_FILE": str(folder / "vault-password"),
            "PROVISIONER_SSH_KEY": str(folder / "ssh-key"),
        }

    # --- what is seen -----------------------------------------------------------------------------
    def comment(self, key: str = "plan") -> str:
        (note,) = [one for one in self.forge.notes if one.body.startswith(f"<!-- provisioner:{key} -->")]
        return note.body

    def status(self) -> dict[str, Any]:
        return [*self.forge.statuses.values()][-1]

    def words(self) -> list[str]:
        """The commands that were called, without their options."""
        known = {"validate", "policy", "plan", "apply", "verify", "drift", "nightly", "forge"}
        return [next(word for word in call.words if word in known) for call in self.program.calls]


def basic(password: str) -> str:
    return base64.b64encode(f"runner:{password}".encode()).decode()


@pytest.fixture(params=KINDS)
def every(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[House]:
    """The house of every forge."""
    with ExitStack() as stack:
        yield built(request.param, tmp_path, monkeypatch, capsys, stack)


@pytest.fixture(params=[pytest.param(kind, marks=() if kind == SAMPLE else pytest.mark.soak) for kind in KINDS])
def house(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[House]:
    """The house of one forge."""
    with ExitStack() as stack:
        yield built(request.param, tmp_path, monkeypatch, capsys, stack)


def built(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], stack: ExitStack
) -> House:
    forge = stack.enter_context(served_forge(kind))
    (tmp_path / "example").mkdir()
    terminal = applied(Terminal, tmp_path / "example", monkeypatch, capsys)
    top = tmp_path / "server"
    top.mkdir()
    server = stack.enter_context(served_repository(top, "noc/inventory"))
    git(top / "noc/inventory.git", "config", "http.receivepack", "true")
    person = tmp_path / "person"
    shutil.copytree(ROOT / EXAMPLE, person)
    git(person, "init", "-q", "-b", "main")
    git(person, "add", "-A")
    git(person, "commit", "-qm", "the inventory")
    git(person, "remote", "add", "origin", f"{server}/noc/inventory.git")
    git(person, "push", "-q", str(top / "noc/inventory.git"), "HEAD:refs/heads/main")
    git(person, "fetch", "-q", "origin")
    (tmp_path / "vault-password").write_text(f"{VAULT}\n", encoding="utf-8")
    program = Program(tmp_path / "bin")
    stack.callback(program.close)
    hosts = WatchedHosts()
    hosts.hosts = terminal.hosts.hosts
    monkeypatch.setattr("provisioner.operations.pipeline.session.AnsibleRunner", lambda _templates, _environment: hosts)
    return House(kind, forge, program, person, server, tmp_path, hosts)


# --- the whole way --------------------------------------------------------------------------------
def test_a_request_is_told_planned_merged_applied_and_proved(every: House) -> None:
    every.propose()
    assert every.on_request(), every.program.said
    assert "2 to update" in every.comment()
    assert "Compared with `origin/main`" in every.comment()
    assert every.forge.labels == ["plan:path"]
    assert not every.hosts.calls, "no host was asked"
    assert every.on_plan(), every.program.said
    assert "Digest `sha256:" in every.comment("live-plan")
    every.merge()
    writes = every.hosts.hosts[RELAY].writes
    assert every.on_merge(), every.program.said
    assert every.hosts.hosts[RELAY].writes > writes
    assert every.status()["state"] == "success"
    assert every("drift")[0] == 0
    assert not [secret for secret in SECRETS if secret in every.program.said]


def test_what_was_not_planned_so_is_not_applied(house: House) -> None:
    house.propose()
    assert house.on_plan(), house.program.said
    house.merge_another()
    house.merge()
    writes = house.hosts.hosts[RELAY].writes
    assert not house.on_merge()
    assert "nobody pushed a plan of this content of the inventory to origin" in house.program.said
    assert house.status()["state"] in {"failure", "failed"}
    assert "apply" not in house.words()
    assert house.hosts.hosts[RELAY].writes == writes


def test_a_host_that_moved_since_the_plan_is_not_changed(house: House) -> None:
    house.propose()
    assert house.on_plan(), house.program.said
    house.merge()
    house.hosts.hosts[RELAY].files.pop(next(iter(house.hosts.hosts[RELAY].files)))
    assert not house.on_merge()
    assert "the host has moved since the plan was made" in house.program.said
    assert house.status()["state"] in {"failure", "failed"}


def test_a_merge_that_changes_no_host_needs_no_plan(house: House) -> None:
    house.merge_another()
    assert house.on_merge(), house.program.said
    assert "apply" not in house.words()
    assert house.status()["state"] == "success"


def test_a_plan_that_is_refused_is_shown_and_not_kept(house: House) -> None:
    git(house.person, "checkout", "-q", "-B", "request", "origin/main")
    house.edit("carriers/viettel.yml", "management_networks: [", "management_networks: [192.0.2.0/24, ")
    git(house.person, "commit", "-qam", "another network")
    house.open_request()
    assert not house.on_request()
    assert "**TRUST: " in house.comment()
    assert {"plan:trust", "plan:refused"} <= set(house.forge.labels)
    assert not house.on_plan()
    assert "**Refused.**" in house.comment("live-plan")
    assert "refs/provisioner/plans" not in git(house.person, "ls-remote", "origin")
    number = house.comment("live-plan").partition("add --allow trust=")[2].split()[0].strip("`;,.")
    assert house.on_plan(f"trust={number}"), house.program.said
    assert "refs/provisioner/plans" in git(house.person, "ls-remote", "origin")


def test_an_inventory_with_errors_is_a_comment_that_says_so(house: House) -> None:
    git(house.person, "checkout", "-q", "-B", "request", "origin/main")
    house.edit("inventory.yml", "version: 1", "version: 99")
    git(house.person, "commit", "-qam", "a mistake")
    house.open_request()
    assert not house.on_request()
    assert "### No plan: the inventory has errors" in house.comment()


def test_the_night_is_run_with_its_reports(house: House) -> None:
    assert house.at_night(), house.program.said
    assert house.words() == ["nightly"]


# --- where people approve -------------------------------------------------------------------------
def test_a_merge_is_applied_once_people_have_signed_its_plan_in_the_request(house: House) -> None:
    people_approve(house)
    house.propose()
    assert house.on_plan(), house.program.said
    house.merge()
    assert not house.on_merge(), "nobody has signed"
    assert "error: the plan still has to be approved: 2 different approvers as noc of viettel" in house.program.said
    git(house.person, "checkout", "-q", "request")
    assert house("plan", "fetch", "--out", "plan.json")[0] == 0
    for person in ("noc-1", "noc-2"):
        key = str(key_file(person, "ed25519"))
        assert house("approve", "plan.json", "--as", person, "--key", key, "--yes")[0] == 0
    git(house.person, "add", "approvals")
    git(house.person, "commit", "-qm", "approved")
    house.open_request()
    house.merge()
    assert house.on_merge(), house.program.said
    assert house.status()["state"] == "success"
    assert house("drift")[0] == 0


def people_approve(house: House) -> None:
    """Let the inventory ask for two of the NOC, and all hosts remember that."""
    git(house.person, "checkout", "-q", "-B", "main", "origin/main")
    rules = "policy:\n  approvals: { rules: [{ changes: path, role: noc, people: 2 }] }\n"
    house.edit("inventory.yml", "policy:\n", rules)
    entries = [
        f"  - {{ id: {person}, roles: [noc], key: {public_line(person)}, since: 2021-05-01, source: 7/TB }}\n"
        for person in ("noc-1", "noc-2")
    ]
    (house.person / "signers.yml").write_text("version: 1\napprovers:\n" + "".join(entries), encoding="utf-8")
    git(house.person, "add", "-A")
    git(house.person, "commit", "-qm", "who approves")
    assert house("plan", "--out", "rules.json")[0] == 0
    assert house("apply", "rules.json")[0] == 0
    house.push_main()


# --- what a request may not -----------------------------------------------------------------------
@MERGE_REQUEST
def test_the_jobs_that_read_a_request_have_nothing_to_give_away(every: House) -> None:
    every.propose()
    assert every.on_request(), every.program.said
    reading = [call for call in every.program.calls if {"validate", "policy", "plan"} & set(call.words)]
    telling = [call for call in every.program.calls if "forge" in call.words]
    assert (len(reading), len(telling)) == (4, 2)
    # Whoever may push a branch to a project of GitLab may comment there: the token for that, and no other, is not kept.
    kept = (SSH_KEY, VAULT) if every.kind == "gitlab" else (TOKEN, SSH_KEY, VAULT)
    for call in reading:
        assert not [one for one in kept if one in "\n".join(call.environment.values())]


@MERGE_REQUEST
def test_a_request_that_moves_a_host_makes_no_pipeline_log_in_there(house: House) -> None:
    git(house.person, "checkout", "-q", "-B", "request", "origin/main")
    house.edit("carriers/viettel.yml", "address: 203.0.113.11", "address: 203.0.113.66")
    git(house.person, "commit", "-qam", "another machine")
    house.open_request()
    assert not house.on_plan("trust=9")
    assert RELAY not in {host for _, host in house.hosts.calls}
    assert "is logged in to in another way than in" in house.comment("live-plan")


@MERGE_REQUEST
def test_files_of_a_request_that_would_run_are_data(house: House) -> None:
    ran = house.folder / "ran"
    git(house.person, "checkout", "-q", "-B", "request", "origin/main")
    hostile = f"import pathlib; pathlib.Path({str(ran)!r}).touch()\n"
    for name in ("json.py", "yaml.py", "sitecustomize.py", "provisioner/__init__.py", "click/__init__.py"):
        (house.person / name).parent.mkdir(exist_ok=True)
        (house.person / name).write_text(hostile, encoding="utf-8")
    script = house.person / "provisioner.sh"
    for name in ("git", "bash", "base64", "mktemp"):
        program = house.person / name
        program.write_text(f"#!/bin/sh\ntouch {ran}\n", encoding="utf-8")
        program.chmod(0o755)
    script.write_text(f"touch {ran}\n", encoding="utf-8")
    (house.person / ".gitattributes").write_text("* merge=evil filter=evil diff=evil\n", encoding="utf-8")
    git(house.person, "add", "-A")
    git(house.person, "commit", "-qm", "files that would run")
    house.open_request()
    house.on_request()
    house.on_plan()
    assert house.words().count("plan") >= 2
    assert not ran.exists()


# --- without a forge ------------------------------------------------------------------------------
@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[House]:
    with ExitStack() as stack:
        yield built("github", tmp_path, monkeypatch, capsys, stack)


def shell(house: House, *words: str) -> int:
    """Call the plain pipeline as a hook or a timer does."""
    clone = house.folder / "clone"
    if not clone.exists():
        git(house.folder, "clone", "-q", f"{house.server}/noc/inventory.git", "clone")
        git(clone, "config", "http.extraHeader", f"Authorization: Basic {basic(WRITER)}")
    own = {
        "CLONE": str(clone),
        "REPORTS": str(house.folder / "reports"),
        "ANSIBLE_VAULT_PASSWORD_FILE": str(house.folder / "vault-password"),
        "XDG_STATE_HOME": str(house.folder / "state"),
    }
    script = (ROOT / "pipelines/shell/inventory-pipeline").read_text(encoding="utf-8")
    return house.program.shell(script, house.folder, environment_of(house.folder / "home", own), *words)


def test_a_shell_is_enough(bare: House) -> None:
    bare.propose()
    assert shell(bare, "request", "request") == 0, bare.program.said
    assert "2 to update" in bare.program.said
    assert not bare.hosts.calls
    assert shell(bare, "plan", "request") == 0, bare.program.said
    bare.merge()
    assert shell(bare, "apply") == 0, bare.program.said
    assert bare("drift")[0] == 0
    assert shell(bare, "night") == 0, bare.program.said
    assert (bare.folder / "reports/night/verify.html").is_file()
    assert shell(bare, "nonsense") == 2


def test_a_shell_applies_nothing_that_was_not_planned(bare: House) -> None:
    bare.propose()
    bare.merge()
    assert shell(bare, "apply") == 8
    assert "apply" not in bare.words()
