"""A node's upgrade on a machine of its own: real dpkg, real systemd, the package's own scripts and its unit.

The command itself is the checkout's; what it exchanges are packages of a few lines, built as a release's are.
"""

from __future__ import annotations

import json
import platform
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from scripts.packaging import deb
from scripts.packaging.deb import DISTRIBUTIONS, Deb
from tests.packaging.journey import ROOT
from tests.packaging.small_wheels import write_wheel
from tests.packaging.test_python_files import MOMENT

from .docker_cli import KEEP_LABEL, LABEL, OWNER_LABEL, RUN_LABEL, docker
from .lab import Lab
from .patience import stretched

pytestmark = pytest.mark.lab

CARRIER = "vnpt"
UNIT = f"provisioner-node@{CARRIER}.service"
LINE = f"/etc/provisioner-node/{CARRIER}/line"
RETURN = "provisioner-node-return"
GONE = "/var/lib/provisioner-return /etc/systemd/system/provisioner-node-return.service"
REACHES = "reaches the broker broker.example.com:4222"
REACHES_NOT = "does not reach the broker broker.example.com:4222"
PROGRAM = """\
import os, signal, socket, sys, time

LINE, BREAKS, SLOW_S = {line!r}, {breaks!r}, {slow!r}


def tell(text):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.sendto(text.encode(), os.environ["NOTIFY_SOCKET"].replace("@", chr(0), 1))


def ends(*_):
    time.sleep(SLOW_S)
    sys.exit(0)


def main():
    with open(sys.argv[3]) as file:
        text = file.read()
    if "--check" in sys.argv:
        sys.exit("node.toml: it is of another time" if BREAKS == "check" else 0)
    if BREAKS == "start":
        sys.exit(70)
    signal.signal(signal.SIGTERM, ends)
    tell("READY=1")
    beside = os.path.join(os.path.dirname(sys.argv[3]), "line")
    line = open(beside).read() if os.path.exists(beside) else LINE
    while True:
        tell("WATCHDOG=1\\nSTATUS=" + line)
        time.sleep(0.2)
"""
OLD, GOOD = "1.2.0", "1.3.0"
BROKEN = {"1.3.1": "start", "1.3.2": "", "1.3.3": "check"}
FAR = "1.4.0"
NEEDS = re.compile(r"^Depends: .*\n", re.MULTILINE)


def built(folder: Path, number: str, line: str, breaks: str = "", slow: float = 0.0) -> Path:
    """A package whose program is a node of a few lines."""
    wheels = folder / f"wheels-{number}"
    text = PROGRAM.format(line=line, breaks=breaks, slow=slow)
    files = {
        "provisioner/__init__.py": text,
        "provisioner/__main__.py": "from provisioner import main\nmain()\n",
        "provisioner-1.2.0.dist-info/entry_points.txt": "[console_scripts]\nprovisioner = provisioner:main\n",
        "provisioner-1.2.0.data/data/share/man/man1/provisioner.1": ".TH PROVISIONER 1\n.SH NAME\nprovisioner \\- x\n",
    }
    wheel = write_wheel(wheels, "provisioner", files, about="License-Expression: MIT\nSummary: A node.\n")
    return Deb(ROOT, [wheel], number, MOMENT, DISTRIBUTIONS[0], platform.machine()).build(folder)


@dataclass(frozen=True)
class NodeMachine:
    """The machine, and what is called on it."""

    name: str
    debs: Path

    def call(self, *argv: str, check: bool = True) -> str:
        return docker("exec", self.name, *argv, check=check, timeout=120).stdout

    def deb(self, number: str) -> str:
        return str(next(self.debs.glob(f"provisioner_{number}-*.deb")))

    def words(self, number: str, *more: str, returns_s: float = 1800.0, back: str = OLD) -> list[str]:
        packages = Path(sys.modules["click"].__file__ or "").parents[1]
        code = (
            f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(packages)!r}]\n"
            "from provisioner.nodes.upgrade import UpgradeOrders\n"
            f"UpgradeOrders.returns_s = property(lambda self: {returns_s})\n"
            "from provisioner.cli.main import main\nmain()\n"
        )
        own = ["node", "upgrade", self.deb(number), "--back", self.deb(back), "--timeout", "6", *more]
        return ["python3", "-I", "-B", "-c", code, *own]

    def upgrade(self, number: str, *more: str, back: str = OLD) -> tuple[int, str, str]:
        done = docker("exec", self.name, *self.words(number, *more, back=back), check=False, timeout=120)
        return done.returncode, done.stdout, done.stderr

    def begin(self, number: str, returns_s: float) -> None:
        """Begin an upgrade whose process's number is in a file."""
        words = self.words(number, returns_s=returns_s)
        docker("exec", "--detach", self.name, "sh", "-c", 'echo $$ >/tmp/upgrade; exec "$@"', "sh", *words)

    def kill(self) -> None:
        self.call("sh", "-euc", "kill -KILL $(cat /tmp/upgrade)")

    @property
    def installed(self) -> str:
        said = self.call("dpkg-query", "-W", "-f", "${db:Status-Abbrev}${Version}", "provisioner", check=False)
        return said.removeprefix("ii ").partition("-")[0]

    @property
    def state(self) -> str:
        return self.call("systemctl", "is-active", UNIT, check=False).strip()

    def runs(self, number: str) -> bool:
        """Whether a version is installed, and its node runs."""
        return self.installed == number and self.state == "active"

    def until(self, number: str) -> None:
        """Wait until a version is back, its node runs, and nothing is armed any more."""
        end = time.monotonic() + stretched(60)
        while (self.installed, self.state, self.left) != (number, "active", []):
            assert time.monotonic() < end, (self.installed, self.state, self.left, self.journal())
            time.sleep(0.2)

    @property
    def left(self) -> list[str]:
        """What is there of an upgrade that is over."""
        found = self.call("sh", "-c", f"ls -d {GONE} /var/lib/provisioner-newer-* 2>/dev/null", check=False).split()
        return found + self.call("systemctl", "list-units", "--all", "--plain", "--no-legend", f"{RETURN}*").split()

    def journal(self) -> str:
        return self.call("journalctl", "--no-pager", "-o", "short-monotonic", "-n", "60", check=False)

    def boot(self) -> None:
        end = time.monotonic() + stretched(60)
        while self.call("systemctl", "is-system-running", check=False).strip() not in {"running", "degraded"}:
            assert time.monotonic() < end
            time.sleep(0.1)
        self.call("mount", "--make-rshared", "/")


@pytest.fixture(scope="module")
def debs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("debs")
    text: str = vars(deb)["_CONTROL"]
    with pytest.MonkeyPatch.context() as patch:
        # The lab's machines have no Git, and such: nothing here asks for it.
        patch.setattr(deb, "_CONTROL", NEEDS.sub("", text))
        built(folder, OLD, REACHES, slow=1.5)
        for number in (GOOD, FAR):
            built(folder, number, REACHES)
        for number, breaks in BROKEN.items():
            built(folder, number, REACHES if breaks else REACHES_NOT, breaks)
        patch.setattr(deb, "_CONTROL", NEEDS.sub("Depends: of-another-debian\n", text))
        built(folder, "1.3.4", REACHES)
    return folder


@pytest.fixture(scope="module")
def booted(prepared: Lab, debs: Path) -> Iterator[NodeMachine]:
    """A Debian under systemd with the earlier package and its node."""
    given, name = prepared.compose_environment, f"{prepared.project}-upgrade"
    labels = {LABEL: "host", RUN_LABEL: prepared.run, OWNER_LABEL: given["LAB_OWNER"], KEEP_LABEL: given["LAB_KEEP"]}
    kind = [word for label, value in labels.items() for word in ("--label", f"{label}={value}")]
    kind += ["--cap-add", "SYS_ADMIN", "--cap-add", "NET_ADMIN", "--security-opt", "seccomp=unconfined"]
    kind += ["--security-opt", "apparmor=unconfined", "--tmpfs", "/run:mode=755", "--tmpfs", "/run/lock"]
    if not Path("/sys/fs/cgroup/cgroup.controllers").exists():
        kind += ["--volume", "/sys/fs/cgroup:/sys/fs/cgroup:rw"]
    places = {ROOT, debs, Path(sys.modules["click"].__file__ or "").parents[1]}
    kind += [word for place in sorted(places) for word in ("--volume", f"{place}:{place}:ro")]
    docker("run", "--detach", "--network", "none", "--name", name, *kind, given["LAB_IMAGE"], timeout=120)
    machine = NodeMachine(name, debs)
    try:
        machine.boot()
        machine.call("dpkg", "--install", machine.deb(OLD))
        for line in (
            "systemd-sysusers provisioner.conf",
            f"install -d -m 0750 -g provisioner /etc/provisioner-node/{CARRIER}",
            f"echo x | install -m 0640 -g provisioner /dev/stdin /etc/provisioner-node/{CARRIER}/node.toml",
            f"systemctl enable --quiet --now {UNIT}",
        ):
            machine.call("sh", "-euc", line)
        yield machine
    finally:
        docker("rm", "--force", name, check=False)


@pytest.fixture
def machine(booted: NodeMachine) -> Iterator[NodeMachine]:
    """The machine with the earlier package at work, before and after."""
    booted.until(OLD)
    yield booted
    booted.call("rm", "-f", LINE)
    if booted.installed != OLD:
        booted.call("dpkg", "--install", booted.deb(OLD))


def test_a_version_whose_node_does_what_it_did_is_kept(machine: NodeMachine) -> None:
    code, said, progress = machine.upgrade(GOOD, "--check")
    assert (code, said) == (0, f"1.3.0-1~deb12 may be installed in the place of 1.2.0-1~deb12: {UNIT}\n")
    assert (machine.installed, machine.left) == (OLD, [])
    code, said, progress = machine.upgrade(GOOD)
    assert (code, said) == (0, f"upgraded from 1.2.0-1~deb12 to 1.3.0-1~deb12: {UNIT}\n"), (progress, machine.journal())
    assert (machine.installed, machine.state, machine.left) == (GOOD, "active", [])


@pytest.mark.soak
def test_an_older_version_comes_in_the_same_way(machine: NodeMachine) -> None:
    machine.call("dpkg", "--install", machine.deb(GOOD))
    machine.until(GOOD)
    code, said, progress = machine.upgrade(OLD, "--output", "json", back=GOOD)
    assert (code, json.loads(said)["outcome"]) == (0, "upgraded"), progress
    assert (machine.installed, machine.left) == (OLD, [])


@pytest.mark.parametrize(
    ("number", "lacks"),
    [
        pytest.param("1.3.1", f"after 6 s {UNIT} does not run: activating (", marks=pytest.mark.soak),
        ("1.3.2", f"after 6 s {UNIT} runs and does not reach its broker ({REACHES_NOT})"),
    ],
)
def test_a_version_that_does_not_do_what_it_did_is_taken_back(machine: NodeMachine, number: str, lacks: str) -> None:
    code, said, progress = machine.upgrade(number)
    assert (code, said) == (7, ""), (progress, machine.journal())
    assert f"error: {number}-1~deb12 was not kept: {lacks}" in progress
    assert "; 1.2.0-1~deb12 runs again" in progress
    assert (machine.installed, machine.state, machine.left) == (OLD, "active", [])


@pytest.mark.soak
def test_a_broker_that_was_down_before_is_not_the_newer_versions_fault(machine: NodeMachine) -> None:
    machine.call("sh", "-euc", f"echo '{REACHES_NOT}' >{LINE}; chmod 644 {LINE}; systemctl restart {UNIT}")
    asked = ("systemctl", "show", "--property=StatusText", "--value", UNIT)
    end = time.monotonic() + stretched(30)
    while machine.call(*asked).strip() != REACHES_NOT:
        assert time.monotonic() < end, machine.journal()
    code, said, progress = machine.upgrade("1.3.2")
    assert code == 0, (said, progress)
    assert f"{UNIT} did not reach its broker before: that 1.3.2-1~deb12 would is not proved" in progress


@pytest.mark.soak
def test_what_cannot_be_installed_is_said_before_anything_is_changed(machine: NodeMachine) -> None:
    before = machine.call("systemctl", "show", "-p", "MainPID", UNIT)
    for number, back, code, said in (
        ("1.3.3", OLD, 5, f"does not take what {UNIT} reads: node.toml: it is of another time"),
        ("1.3.4", OLD, 5, "of-another-debian"),
        (FAR, OLD, 6, "1.4.0-1~deb12, more than one minor apart from 1.2.0-1~deb12"),
        (GOOD, GOOD, 2, "is of 1.3.0-1~deb12, and 1.2.0-1~deb12 is installed"),
    ):
        ended, _, told = machine.upgrade(number, back=back)
        assert (ended, said in told) == (code, True), told
    words = [*machine.words(GOOD)]
    words[words.index("upgrade") + 1] = "/etc/hostname"
    none = docker("exec", machine.name, *words, check=False)
    assert (none.returncode, "error: /etc/hostname is no Debian package" in none.stderr) == (2, True), none.stderr
    assert machine.call("systemctl", "show", "-p", "MainPID", UNIT) == before
    assert (machine.installed, machine.left) == (OLD, [])


@pytest.mark.parametrize("moment", [pytest.param("stops", marks=pytest.mark.soak), "watched"])
def test_a_command_that_is_killed_leaves_a_machine_that_returns(machine: NodeMachine, moment: str) -> None:
    machine.begin(GOOD, returns_s=stretched(5))
    end = time.monotonic() + stretched(30)
    # A node takes a moment to stop, while dpkg waits.
    while machine.state != "deactivating" if moment == "stops" else not machine.runs(GOOD):
        assert time.monotonic() < end, machine.journal()
    machine.kill()
    code, _, told = machine.upgrade(GOOD)
    assert (code, "an upgrade of this node was cut off" in told) == (9, True), told
    machine.until(OLD)


@pytest.mark.soak
def test_a_machine_that_is_started_anew_in_the_middle_returns(machine: NodeMachine) -> None:
    machine.begin(GOOD, returns_s=1800)
    end = time.monotonic() + stretched(30)
    while not machine.runs(GOOD):
        assert time.monotonic() < end, machine.journal()
    docker("restart", "--time", "0", machine.name)
    machine.until(OLD)
    machine.boot()
