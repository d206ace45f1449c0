"""A remote of Git, a person who signs commits and pushes them, and hosts in memory on which all was applied."""

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from provisioner.operations.agent.rounds import AgentRounds, RoundEnd
from provisioner.operations.agent.settings import AgentSettings, read_agent_settings
from provisioner.operations.pipeline import stages
from provisioner.record.sent import CommitRow, read_commit_states
from provisioner.record.state_folder import state_folder_of
from provisioner.verify.path_history import Timepiece
from tests.example_terminal import EXAMPLE, ROOT, applied
from tests.pipelines.git_server import git
from tests.signatures import key_file, public_line
from tests.unit.cli.test_plan import Terminal
from tests.watched import WatchedHosts

RELAY: Final = "relay-viettel-1"
CAMERA: Final = "facilities/bac-giang/kcl-bg-001.yml"
ID: Final = "example"
MERGER, STRANGER = "merger", "stranger"


def signs(office: str) -> tuple[str, ...]:
    """What Git is told for a commit that an office signs."""
    return ("-c", "gpg.format=ssh", "-c", f"user.signingKey={key_file(office, 'ed25519')}", "-c", "commit.gpgSign=true")


@dataclass
class Site:
    """What an agent works on."""

    folder: Path  #: With all that belongs to it.
    person: Path  #: A clone in which commits are made.
    bare: Path  #: The remote, as a path.
    hosts: WatchedHosts  #: In memory.
    terminal: Terminal
    lines: list[str] = field(default_factory=list)  #: What agents said.
    remote: str = ""

    # --- what people do ---------------------------------------------------------------------------
    def edit(self, path: str, old: str, new: str) -> None:
        file = self.person / path
        text = file.read_text(encoding="utf-8")
        assert old in text
        file.write_text(text.replace(old, new, 1), encoding="utf-8")

    def commit(self, message: str = "an edit", *, by: str = MERGER, push: bool = True) -> str:
        """Commit all that was edited, signed by an office or by nobody, and push it: its id."""
        git(self.person, "add", "-A")
        git(self.person, *(signs(by) if by else ()), "commit", "-q", "--allow-empty", "-m", message)
        if push:
            self.push()
        return git(self.person, "rev-parse", "HEAD")

    def push(self, *words: str) -> None:
        git(self.person, "push", "-q", *words, str(self.bare), "HEAD:refs/heads/main")

    def another_channel(self, number: int = 18, *, before: int = 17) -> None:
        """Let a camera come from another channel of its recorder, agreed by all: one path reconnects."""
        self.edit(CAMERA, f"channel: {before}", f"channel: {number}")
        self.call("sign-off", "kcl-bg-001", "--by", "dic", "--by", "health", "--by", "carrier", "--on", "2021-06-01",
                  "--source", "02/BB")  # fmt: skip

    def call(self, *words: str, code: int = 0) -> str:
        """Call the program in the clone, as a person with the vault does: what it said."""
        from provisioner.cli.main import run  # noqa: PLC0415

        self.terminal.capsys.readouterr()
        assert run(["-i", str(self.person), *words], self.environment) == code
        out, err = self.terminal.capsys.readouterr()
        return out + err

    # --- the agent --------------------------------------------------------------------------------
    @property
    def environment(self) -> dict[str, str]:
        return {
            "HOME": str(self.folder),
            "XDG_STATE_HOME": str(self.folder / "state"),
            "PROVISIONER_NO_CACHE": "1",
            "ANSIBLE_VAULT_PASSWORD_FILE": str(self.folder / "vault-password"),
        }

    def settings_file(self, more: str = "") -> Path:
        file = self.folder / "agent.toml"
        text = f'inventory = "{ID}"\nremote = "{self.remote or self.bare}"\nsigners = "allowed-signers"\n{more}'
        file.write_text(text, encoding="utf-8")
        return file

    def settings(self, more: str = "") -> AgentSettings:
        file = self.settings_file(more)
        return read_agent_settings(file.read_text(encoding="utf-8"), str(file))

    def rounds(self, more: str = "", *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> AgentRounds:
        return AgentRounds(
            self.settings(more), self.environment, tell=self.lines.append, stop=lambda: False, clock=clock
        )

    def round(self, more: str = "", *, due: bool = True, again: bool = False) -> RoundEnd:
        """One round of an agent that has just been started."""
        return self.rounds(more).round(due=due, again=again)

    # --- what is seen -----------------------------------------------------------------------------
    def row(self, commit: str) -> CommitRow:
        (row,) = [row for row in read_commit_states(state_folder_of(self.environment, ID)) if row.commit == commit]
        return row

    @property
    def writes(self) -> int:
        return sum(host.writes for host in self.hosts.hosts.values())


def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Site:
    """A site in which the branch's first commit was reached by hand: hosts are as it says."""
    (tmp_path / "example").mkdir()
    terminal = applied(Terminal, tmp_path / "example", monkeypatch, capsys)
    hosts = WatchedHosts()
    hosts.hosts = terminal.hosts.hosts
    monkeypatch.setattr("provisioner.operations.pipeline.session.AnsibleRunner", lambda _templates, _environment: hosts)
    monkeypatch.setattr(stages, "WATCH", quick_watch())
    bare, person = tmp_path / "inventory.git", tmp_path / "person"
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(bare)], check=True, timeout=60)
    shutil.copytree(ROOT / EXAMPLE, person)
    shutil.copy(ROOT / EXAMPLE / ".vault-password", tmp_path / "vault-password")
    git(person, "init", "-q", "-b", "main")
    signers = f'merger namespaces="git" {public_line(MERGER)}\n'
    (tmp_path / "allowed-signers").write_text(signers, encoding="utf-8")
    site = Site(tmp_path, person, bare, hosts, terminal)
    site.commit("the inventory")
    return site


def quick_watch() -> Timepiece:
    """Time that passes at once."""
    return Timepiece(lambda: datetime.now(UTC), lambda _seconds: None)
