"""What users install, at work on the lab's hosts: wheel, bundle, image, Debian package with its agent under systemd.

Each is of a rehearsed release, in a container of its own in the management network, without anything of the checkout.
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from provisioner import __version__
from provisioner.nodes.envelope import node_name
from scripts.packaging.image import NEEDS
from tests.packaging.test_installed import SHUT_IN, checkout, loaded, packages_of, release
from tests.packaging.test_python_files import bare, built, wheel
from tests.signatures import key_file, public_line

from .carrier_node import CARRIER, RELAY, NodeOfTheLab, NodePlace, node_of_the_lab
from .deployment import Deployment
from .docker_cli import docker
from .lab import Lab
from .patience import stretched
from .test_rollout import fewer_cameras, host_in

__all__ = ["bare", "built", "checkout", "loaded", "release", "wheel"]  # the fixtures

pytestmark = [pytest.mark.lab, pytest.mark.soak]

HERE = Path(__file__).parent
SUITE, NUMBER = "bookworm", 12
SYSTEM = (*("systemd", "systemd-sysv", "dbus", "iproute2", "procps", "openssh-server", "sudo"), *NEEDS)
IMAGE = f"provisioner-lab-controller:{SUITE}-{crc32(' '.join(SYSTEM).encode()):08x}"
OWNER = 10_001
NOTES = "refs/notes/provisioner-agent"
FACILITY, CAMERA = "kcl-qn-001", r"  - id: cam-02(?:.*\n)+"
Shell = Callable[..., str]


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A Debian that boots, with what the package needs of it."""
    if not docker("image", "ls", "--quiet", IMAGE).stdout.strip():
        archive = tmp_path_factory.mktemp("system") / "base.tar"
        hooks = [
            f'--customize-hook=cp {HERE}/image/guest/usr/local/sbin/lab-init "$1/usr/local/sbin/"',
            f'--customize-hook=cp {HERE}/image/customise.sh "$1/root/" && chroot "$1" sh /root/customise.sh',
        ]
        kind = ["--variant=minbase", '--aptopt=APT::Install-Recommends "false"', f"--include={','.join(SYSTEM)}"]
        argv = ["mmdebstrap", *kind, *hooks, SUITE, str(archive)]
        subprocess.run(argv, check=True, capture_output=True, timeout=stretched(600))
        change = 'ENTRYPOINT ["/usr/local/sbin/lab-init"]'
        docker("import", "--change", change, str(archive), IMAGE, timeout=300)
        archive.unlink()
    return IMAGE


@pytest.fixture
def shared(deployment: Deployment, tmp_path: Path) -> Path:
    """What a controller needs: the inventory, the vault's password, a login; readable by one user alone."""
    folder = tmp_path / "shared"
    folder.mkdir(mode=0o700)
    deployment.commit("as it is")
    deployment.git("clone", "--quiet", "--no-hardlinks", str(deployment.root), str(folder / "inventory"))
    shutil.copy(deployment.password_file, folder / "vault-password")
    shutil.copy(deployment.lab.ssh_key, folder / "ssh-key")
    for path in (folder, *folder.rglob("*")):
        os.chown(path, OWNER, OWNER)
    return folder


def variables(folder: str) -> dict[str, str]:
    return {
        "ANSIBLE_VAULT_PASSWORD_FILE": f"{folder}/vault-password",
        "PROVISIONER_SSH_KEY": f"{folder}/ssh-key",
        "PROVISIONER_INVENTORY": f"{folder}/inventory",
        "PROVISIONER_CONFIG": "",
    }


def network(lab: Lab) -> tuple[str, str]:
    return "--network", f"{lab.project}_mgmt"


def labels(lab: Lab) -> list[str]:
    named = {"provisioner.lab": "host", "provisioner.lab.run": lab.run}
    return [word for name, value in named.items() for word in ("--label", f"{name}={value}")]


def is_at_work(call: Shell, deployment: Deployment) -> None:
    """Hold a program to what the lab's own one says: it plans, sees an edit by hand, and proves a camera."""
    assert call("provisioner", "--version") == f"provisioner {__version__}\n"
    assert call("provisioner", "validate").startswith("valid: ")
    assert "no change" in call("provisioner", "plan", "--exit-code")
    deployment.lab.exec("relay-viettel-1", ["systemctl", "stop", "provisioner-nft"])
    deployment.lab.exec("relay-viettel-1", ["nft", "delete", "table", "inet", "provisioner"])
    drift = json.loads(call("provisioner", "--output", "json", "plan"))
    assert {change["host"] for change in drift["changes"]} == {"relay-viettel-1"}
    assert "applied" in call("provisioner", "apply", "--yes", "--allow", "viewers=99")
    proof = json.loads(call("provisioner", "--output", "json", "verify", "--limit", f"facility={FACILITY}"))
    assert proof["summary"]["up"] == proof["summary"]["paths"] > 0


@contextmanager
def booted(image: str, lab: Lab, *options: str) -> Iterator[Shell]:
    """A Debian of its own under systemd; what is called runs a command in it."""
    cgroup = (
        [] if Path("/sys/fs/cgroup/cgroup.controllers").exists() else ["--volume", "/sys/fs/cgroup:/sys/fs/cgroup:rw"]
    )
    kind = ["--cap-add", "SYS_ADMIN", "--cap-add", "NET_ADMIN", "--security-opt", "seccomp=unconfined"]
    kind += ["--security-opt", "apparmor=unconfined", "--tmpfs", "/run:mode=755", "--tmpfs", "/run/lock"]
    kind += ["--stop-signal", "SIGRTMIN+3", *cgroup]
    name = f"{lab.project}-controller"
    docker("run", "--detach", "--rm", "--name", name, *network(lab), *labels(lab), *kind, *options, image, timeout=120)

    def call(*argv: str, user: str = "root", check: bool = True) -> str:
        words = [word for pair in variables("/shared").items() for word in ("--env", "=".join(pair))]
        words += ["--env", "HOME=/tmp", "--env", "PROVISIONER_STATE=/tmp/state"] if user != "root" else []
        return docker("exec", "--user", user, *words, name, *argv, timeout=stretched(400), check=check).stdout

    try:
        end = time.monotonic() + stretched(60)
        while (state := call("systemctl", "is-system-running", check=False).strip()) not in {"running", "degraded"}:
            assert time.monotonic() < end, state
            time.sleep(0.2)
        # As on a machine: in a container nobody does so, and what systemd mounts for a unit (LoadCredential=) is lost.
        call("mount", "--make-rshared", "/")
        yield call
    finally:
        docker("rm", "--force", name, check=False)


def volume(path: Path, place: str) -> tuple[str, str]:
    return "--volume", f"{path}:{place}"


# --- each way to install it -------------------------------------------------------------------------
def test_the_wheel_is_at_work(bare: Path, shared: Path, deployment: Deployment, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    own = variables(str(shared)) | {"HOME": str(home), "PATH": f"{bare}/bin:/usr/bin:/bin"}

    def call(program: str, *words: str) -> str:
        argv = [str(bare / "bin" / program), *words]
        done = subprocess.run(
            argv, env=own, cwd=home, capture_output=True, text=True, timeout=stretched(400), check=False
        )
        assert done.returncode in {0, 10}, done.stdout + done.stderr
        return done.stdout

    is_at_work(call, deployment)


def test_the_bundle_is_at_work(release: Path, system: str, shared: Path, deployment: Deployment) -> None:
    (bundle,) = release.glob("*-offline-*.tar")
    mounted = (*volume(shared, "/shared"), *volume(bundle, f"/bundle/{bundle.name}"))
    with booted(system, deployment.lab, *mounted) as call:
        call("sh", "-euc", f"tar -C /opt -xf /bundle/{bundle.name}; chmod -R go-w /opt/provisioner-*; ls -d /opt/*")
        call("sh", "-euc", f"/opt/provisioner-*/install --prefix /usr/local; useradd -u {OWNER} engineer")
        is_at_work(lambda *argv: call(*argv, user=str(OWNER)), deployment)


def test_the_image_is_at_work(loaded: str, shared: Path, deployment: Deployment) -> None:
    state = shared / "state"
    state.mkdir(mode=0o700)
    os.chown(state, OWNER, OWNER)
    words = [word for pair in variables("/shared").items() for word in ("--env", "=".join(pair))]
    lab = deployment.lab

    def call(_program: str, *argv: str) -> str:
        options = (*SHUT_IN, *network(lab), *labels(lab), *volume(shared, "/shared"), *words)
        options += volume(state, "/var/lib/provisioner")
        return docker("run", "--rm", *options, loaded, *argv, timeout=stretched(400)).stdout

    is_at_work(call, deployment)


class NodeInImage(NodeOfTheLab):
    """The node out of the image, as docs/operate/nodes.md has it: shut in, as a user who is not root, with a volume."""

    def __init__(self, place: NodePlace, tag: str) -> None:
        super().__init__(place)
        self._lab, self._tag, self._files = place.deployment.lab, tag, place.folder / "image"
        self.name = f"{self._lab.project}-node-image"
        text = self.file.read_text(encoding="utf-8").replace('state = "state"', 'state = "/var/lib/provisioner"')
        own = place.broker.broker(node_name(CARRIER))
        self._files.mkdir(mode=0o500)
        for file in (own.ca, own.certificate, own.certificate_key, place.folder / "node.key", place.folder / "ssh_key"):
            assert file is not None
            shutil.copy(file, self._files)
            text = text.replace(str(file), file.name)
        (self._files / "node.toml").write_text(text, encoding="utf-8")
        for path in (self._files, *self._files.iterdir()):
            os.chown(path, OWNER, OWNER)

    def _words(self) -> Sequence[str | Path]:
        there = f"/etc/provisioner-node/{CARRIER}"
        kind = ("--init", "--name", self.name, *SHUT_IN, "--shm-size", "512m", *network(self._lab), *labels(self._lab))
        volumes = ("--volume", f"{self._files}:{there}:ro", "--volume", f"{self.name}:/var/lib/provisioner")
        return ["docker", "run", "--rm", *kind, *volumes, self._tag, "node", "run", f"{there}/node.toml"]


def test_the_image_is_a_node_at_work(loaded: str, deployment: Deployment, tmp_path: Path) -> None:
    lab, name = deployment.lab, f"{deployment.lab.project}-node-image"
    docker("volume", "create", name)
    try:
        with node_of_the_lab(deployment, tmp_path, partial(NodeInImage, tag=loaded)) as node:
            assert deployment.run("drift").returncode == 0
            # MediaMTX's program travels by it as well, and there is memory alone for it.
            lab.exec(RELAY, ["sh", "-euc", "rm /usr/local/lib/provisioner/mediamtx-*"])
            fewer_cameras(deployment)
            allowed = ("--allow", "viewers=99", "--allow", "all_impact=9")
            assert host_in(deployment.document("apply", "--yes", *allowed), RELAY)["outcome"] == "applied"
            verified = deployment.document("verify", "--once", "--limit", f"host={RELAY}", codes=(0,))
            assert {path["verdict"] for path in verified["paths"]} == {"up"}
            assert f"is begun: apply on {RELAY}" in node.journal
            running = [line.split() for line in docker("top", name, "-eo", "pid,uid,stat,comm").stdout.splitlines()[1:]]
            assert {words[1] for words in running} == {str(OWNER)}
            assert not [words for words in running if words[2].startswith("Z")], running
            assert node.stop() == 0, node.journal
            # What it has begun it knows after it was started anew.
            node.start()
            assert deployment.run("drift").returncode == 0
            assert int(docker("exec", name, "wc", "-l", "/var/lib/provisioner/begun-units").stdout.split()[0]) > 3
    finally:
        docker("volume", "rm", "--force", name, check=False)


# --- the Debian package, and its agent under systemd --------------------------------------------------
class Remote:
    """The repository that the agent follows, on the agent's machine, and who merges into it from here."""

    def __init__(self, deployment: Deployment, call: Shell, shared: Path) -> None:
        self.deployment, self.call, self.shared = deployment, call, shared
        call("git", "init", "-q", "--bare", "-b", "main", "/srv/inventory.git")
        call("chown", "-R", "provisioner:", "/srv/inventory.git")

    def merge(self, message: str) -> str:
        """Sign what was edited, and push it: the commit."""
        signs = ("-c", "gpg.format=ssh", "-c", f"user.signingKey={key_file('merger', 'ed25519')}")
        git = self.deployment.git
        git("add", "--all")
        git(*signs, "commit", "--quiet", "--allow-empty", "-S", "--message", message)
        git("bundle", "create", "--quiet", str(self.shared / "push.bundle"), "HEAD")
        # Whoever owns the repository reads it: as its user, from where that one may read.
        self.call("sh", "-euc", "install -m 0644 /shared/push.bundle /tmp/push.bundle")
        fetch = "cd /srv/inventory.git && git fetch -q /tmp/push.bundle +HEAD:refs/heads/main"
        self.call("setpriv", "--reuid=provisioner", "--regid=provisioner", "--clear-groups", "sh", "-euc", fetch)
        return git("rev-parse", "HEAD").strip()

    def until_noted(self, commit: str) -> dict[str, Any]:
        """Wait until a note at the remote says that a commit was reached."""
        end = time.monotonic() + stretched(300)
        asked = ["git", "-c", "safe.directory=*", "-C", "/srv/inventory.git", "notes", f"--ref={NOTES}", "show", commit]
        while True:
            said = self.call(*asked, check=False)
            note = json.loads(said) if said else {}
            if note.get("state") == "reached":
                return dict(note)
            assert time.monotonic() < end, (note, self.journal())
            time.sleep(0.5)

    def journal(self) -> str:
        return self.call("journalctl", "-u", "provisioner-agent@lab", "--no-pager", "-o", "cat", check=False)


def until(call: Shell, *argv: str, says: str) -> None:
    end = time.monotonic() + stretched(60)
    while (said := call(*argv, check=False).strip()) != says:
        assert time.monotonic() < end, said
        time.sleep(0.3)


def test_the_debian_package_and_its_agent_are_at_work(
    release: Path, system: str, shared: Path, deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    package = packages_of(release)[NUMBER]
    mounted = (*volume(shared, "/shared"), *volume(package, f"/deb/{package.name}"))
    with booted(system, deployment.lab, *mounted) as call:
        call("dpkg", "-i", f"/deb/{package.name}")
        call("systemd-sysusers", "provisioner.conf")
        call("sh", "-euc", f"useradd -u {OWNER} engineer")
        is_at_work(lambda *argv: call(*argv, user=str(OWNER)), deployment)
        remote = Remote(deployment, call, shared)
        first = remote.merge("as it is")
        configure(call, shared)
        call("systemctl", "enable", "--now", "provisioner-agent@lab.service", check=False)
        # Type=notify: the command above ends once the agent has said that it is ready.
        assert call("systemctl", "is-active", "provisioner-agent@lab", check=False).strip() == "active", (
            remote.journal()
        )
        remote.until_noted(first)
        seconds = merged_and_proved(remote)
        killed_is_back(call, remote)
        call("systemctl", "stop", "provisioner-agent@lab")
        result = call("systemctl", "show", "-p", "Result", "--value", "provisioner-agent@lab").strip()
        assert result == "success", remote.journal()
        assert not [line for line in remote.journal().splitlines() if "Traceback" in line]
    with capsys.disabled():
        print(f"a camera's edit by the package's agent: {seconds:.1f} s from its merge to its proof")  # noqa: T201 (a figure for people)


def configure(call: Shell, shared: Path) -> None:
    """Lay the agent's files as docs/operate/agent.md says."""
    text = 'inventory = "lab"\nremote = "/srv/inventory.git"\nsigners = "allowed-signers"\nremote_every = 5\n'
    (shared / "agent.toml").write_text(text, encoding="utf-8")
    (shared / "allowed-signers").write_text(f"merger {public_line('merger', 'ed25519')}\n", encoding="utf-8")
    # The unit sees the disk read-only; a remote of one's own machine is the one thing that is not as users have it.
    drop_in = "/etc/systemd/system/provisioner-agent@.service.d"
    for line in (
        f"mkdir -p {drop_in}; printf '[Service]\nReadWritePaths=/srv/inventory.git\n' > {drop_in}/remote.conf",
        "systemctl daemon-reload",
        "install -d -m 0750 -g provisioner /etc/provisioner-agent/lab",
        "install -m 0640 -g provisioner /shared/agent.toml /shared/allowed-signers /etc/provisioner-agent/lab/",
        "install -d -m 0700 /etc/provisioner/lab",
        "install -m 0400 /shared/vault-password /etc/provisioner/lab/vault-password",
        "install -m 0400 /shared/ssh-key /etc/provisioner/lab/ssh-key",
    ):
        call("sh", "-euc", line)


def merged_and_proved(remote: Remote) -> float:
    """Let a camera go and come again by merges: the seconds from the second merge to its proof."""
    remote.deployment.edit_facility(FACILITY, CAMERA, "")
    remote.deployment.run("allocate")
    remote.until_noted(remote.merge("a camera goes"))
    remote.deployment.git("revert", "--no-commit", "HEAD")
    begun = time.monotonic()
    note = remote.until_noted(remote.merge("and comes again"))
    assert "0 of" not in note["proof"]
    return time.monotonic() - begun


def killed_is_back(call: Shell, remote: Remote) -> None:
    """Kill the agent: systemd starts it anew, and it goes on."""
    asked = ("systemctl", "show", "-p", "MainPID", "--value", "provisioner-agent@lab")
    before = call(*asked).strip()
    call("systemctl", "kill", "--signal=SIGKILL", "provisioner-agent@lab")
    end = time.monotonic() + stretched(90)
    while (now := call(*asked).strip()) in {before, "0"}:
        assert time.monotonic() < end, remote.journal()
        time.sleep(0.5)
    assert now
    until(call, "systemctl", "is-active", "provisioner-agent@lab", says="active")
    remote.until_noted(remote.merge("after it was killed"))
