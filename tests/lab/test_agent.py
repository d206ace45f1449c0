"""An agent over real hosts: a camera's edit is merged, and its picture proved and told, without anybody's hand."""

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.processes import beside
from tests.signatures import key_file, public_line

from .deployment import Deployment
from .patience import stretched

pytestmark = [pytest.mark.lab, pytest.mark.soak]
FACILITY, CAMERA = "kcl-qn-001", r"  - id: cam-02(?:.*\n)+"
NOTES = "refs/notes/provisioner-agent"
SECRET = "canary-hook-secret-5150"


class Branch:
    """A remote that an agent follows, and whoever merges into it."""

    def __init__(self, deployment: Deployment, folder: Path) -> None:
        self.deployment = deployment
        self.bare = folder / "inventory.git"
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(self.bare)], check=True, timeout=stretched(60))
        (folder / "allowed-signers").write_text(f"merger {public_line('merger', 'ed25519')}\n", encoding="utf-8")
        (folder / "secret").write_text(SECRET, encoding="utf-8")
        self.file = folder / "agent.toml"
        text = f'inventory = "lab"\nremote = "{self.bare}"\nsigners = "allowed-signers"\nremote_every = 3600\n'
        self.file.write_text(f'{text}listen = "0"\nwebhook_secret = "secret"\n', encoding="utf-8")
        self.log = folder / "journal"

    def merge(self, message: str) -> str:
        """Sign what was edited, and push it: the commit."""
        signs = ("-c", "gpg.format=ssh", "-c", f"user.signingKey={key_file('merger', 'ed25519')}")
        self.deployment.git("add", "--all")
        self.deployment.git(*signs, "commit", "--quiet", "--allow-empty", "-S", "--message", message)
        self.deployment.git("push", "--quiet", str(self.bare), "HEAD:refs/heads/main")
        return self.deployment.git("rev-parse", "HEAD").strip()

    def wake(self) -> None:
        """Say that there is something new, as a forge's webhook does."""
        (line,) = [line for line in self.journal.splitlines() if "listens on " in line]
        url = f"http://{line.partition('listens on ')[2]}/hook"
        request = urllib.request.Request(url, b"{}", {"X-Gitlab-Token": SECRET}, method="POST")
        assert urllib.request.urlopen(request, timeout=stretched(30)).status == 202  # noqa: S310

    @property
    def journal(self) -> str:
        return self.log.read_text(encoding="utf-8") if self.log.exists() else ""

    def until_noted(self, commit: str, limit: float) -> dict[str, Any]:
        """Wait until a note at the remote says that a commit was reached."""
        end = time.monotonic() + limit
        asked = ["git", "-C", str(self.bare), "notes", f"--ref={NOTES}", "show", commit]
        while True:
            done = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=stretched(30))
            note = json.loads(done.stdout) if done.returncode == 0 else {}
            if note.get("state") == "reached":
                return dict(note)
            assert time.monotonic() < end, (note, self.journal)
            time.sleep(0.2)


@contextmanager
def following(branch: Branch) -> Iterator[None]:
    program = Path(sys.executable).with_name("provisioner")
    environment = branch.deployment.environment
    with beside([program, "agent", str(branch.file)], branch.log, environment=environment, patience=60):
        yield


def test_a_camera_that_is_merged_is_proved_and_told(
    deployment: Deployment, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    branch = Branch(deployment, tmp_path)
    before = branch.merge("as it is")
    with following(branch):
        branch.until_noted(before, stretched(120))
        deployment.edit_facility(FACILITY, CAMERA, "")
        deployment.run("allocate")
        without = branch.merge("a camera goes")
        branch.wake()
        branch.until_noted(without, stretched(300))
        deployment.git("revert", "--no-commit", "HEAD")
        begun = time.monotonic()
        commit = branch.merge("and comes again")
        branch.wake()
        note = branch.until_noted(commit, stretched(300))
        seconds = time.monotonic() - begun
    assert note["signer"] == "merger"
    assert note["run"]
    assert "0 of" not in note["proof"]
    assert deployment.run("drift", check=False).returncode == 0
    with capsys.disabled():
        print(f"a camera's edit: {seconds:.1f} s from its merge to its proof, told at the remote; {note['proof']}")  # noqa: T201 (a figure for people)
