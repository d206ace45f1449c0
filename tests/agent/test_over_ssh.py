"""An agent at a real OpenSSH server, as forges' hosts serve Git: fetch, a note pushed, and another server refused."""

import getpass
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.agent.site import STRANGER, Site
from tests.agent.test_command import command, note
from tests.alarms import wait_for
from tests.pipelines.git_server import git
from tests.processes import beside, free_port
from tests.signatures import key_file

SSHD: Final = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin") or ""
MORE: Final = 'ssh_key = "git-key"\nknown_hosts = "known-hosts"\n'

pytestmark = [pytest.mark.soak, pytest.mark.skipif(not SSHD, reason="this machine has no sshd")]

_CONFIG: Final = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
AuthorizedKeysFile {folder}/authorized
"""


def new_key(file: Path) -> str:
    """Make a key pair; return its public part."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(file)], check=True, timeout=60)
    return file.with_suffix(".pub").read_text(encoding="utf-8")


@contextmanager
def served_over_ssh(site: Site) -> Iterator[str]:
    """Run a server that knows the agent's key, until the end of the block; return its known host."""
    folder, port = site.folder / "sshd", free_port()
    folder.mkdir(exist_ok=True)
    host = new_key(folder / "host")
    (folder / "authorized").write_text(new_key(site.folder / "git-key"), encoding="utf-8")
    (folder / "config").write_text(_CONFIG.format(port=port, folder=folder), encoding="utf-8")
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    site.remote = f"ssh://{getpass.getuser()}@127.0.0.1:{port}{site.bare}"
    with beside([SSHD, "-D", "-e", "-f", folder / "config"], folder / "log"):
        wait_for(lambda: "listening" in (folder / "log").read_text(encoding="utf-8"), "sshd listens")
        yield f"[127.0.0.1]:{port} {host}"


def test_over_ssh_a_commit_is_applied_and_its_note_is_pushed(site: Site) -> None:
    with served_over_ssh(site) as known:
        (site.folder / "known-hosts").write_text(known, encoding="utf-8")
        code, document, journal = command(site, "--once", more=MORE)
        assert (code, document["commits"][0]["state"]) == (0, "reached"), journal
        assert note(site, document["tip"])["state"] == "reached"
        site.another_channel()
        refused = site.commit(by=STRANGER)
        code, document, journal = command(site, "--once", more=MORE)
        assert (code, document["commits"][0]["cause"]) == (6, "signature")
        assert note(site, refused)["reason"] in journal

        # A server that shows another key gets nothing, and the agent says that the remote was not reached.
        other = key_file("another-server").with_suffix(".pub").read_text(encoding="utf-8")
        (site.folder / "known-hosts").write_text(known.split()[0] + " " + other, encoding="utf-8")
        before = git(site.bare, "rev-parse", "refs/notes/provisioner-agent")
        code, document, journal = command(site, "--once", more=MORE)
        assert (code, document["tip"]) == (14, ""), journal
        assert git(site.bare, "rev-parse", "refs/notes/provisioner-agent") == before
