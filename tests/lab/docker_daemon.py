"""A Docker daemon to work with: the one that runs, or one started here."""

import fcntl
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from .docker_cli import INSTALL, compose_command, docker
from .errors import LabError
from .patience import stretched

_START_SECONDS: Final = 40
_LOG: Final = Path("/run/provisioner-lab/dockerd.log")
_CGROUPS: Final = Path("/sys/fs/cgroup")
# A daemon started here outlives the labs of this process, and a Popen that is dropped while it runs is a warning.
_STARTED: Final[list[subprocess.Popen[bytes]]] = []
_NEEDED: Final = {"blkio", "cpu", "cpuacct", "cpuset", "devices", "freezer", "memory", "pids"}


@dataclass
class DockerDaemon:
    """A daemon that answers; `process` is set where it was started here."""

    process: subprocess.Popen[bytes] | None = None

    @classmethod
    def ensure(cls) -> Self:
        """Find the running daemon, or start one where root may; say what to install where neither can be."""
        if not shutil.which("docker"):
            raise LabError(f"Docker is missing; install it: {INSTALL}")
        if answers():
            daemon = cls()
        elif os.geteuid() == 0 and shutil.which("dockerd"):
            daemon = cls(_start_alone())
        elif os.geteuid() == 0:
            raise LabError(f"no Docker daemon answers and dockerd is not installed; install it: {INSTALL}")
        else:
            raise LabError("no Docker daemon answers: start it (systemctl start docker), and be in the group docker")
        compose_command()
        return daemon

    def stop(self) -> None:
        """End the daemon where it was started here; one that was found is left alone."""
        if self.process is None:
            return
        self.process.terminate()
        self.process.wait(timeout=stretched(_START_SECONDS))
        self.process = None


def answers() -> bool:
    """Whether a daemon answers."""
    try:
        return docker("version", "--format", "{{.Server.Version}}", check=False, timeout=10).returncode == 0
    except LabError:
        return False


def _start_alone() -> subprocess.Popen[bytes] | None:
    """Start a daemon unless another lab that begins just now has done so."""
    _LOG.parent.mkdir(mode=0o755, exist_ok=True)
    with alone(_LOG.with_suffix(".lock")):
        return None if answers() else _start()


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Wait until no other process holds a lock, and hold it."""
    with lock.open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _start() -> subprocess.Popen[bytes]:
    _mount_control_groups()
    with _LOG.open("ab") as log:
        # A session of its own: Ctrl-C in the terminal ends a test run, not the daemon of the kept labs.
        process = subprocess.Popen(
            ["dockerd"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    _STARTED.append(process)
    deadline = time.monotonic() + stretched(_START_SECONDS)
    while time.monotonic() < deadline and process.poll() is None:
        if answers():
            return process
        time.sleep(0.3)
    if process.poll() is None:
        process.terminate()
        process.wait(timeout=stretched(_START_SECONDS))
    last = " / ".join(_LOG.read_text(encoding="utf-8", errors="replace").splitlines()[-5:])
    raise LabError(f"dockerd did not start; its log {_LOG} ends: {last}")


def _mount_control_groups() -> None:
    """Complete the old hierarchies: a machine without systemd may have some of them, or none."""
    if (_CGROUPS / "cgroup.controllers").exists():
        return
    mounted = Path("/proc/self/mounts").read_text(encoding="utf-8")
    if f" {_CGROUPS} " not in mounted:
        _mount("tmpfs", _CGROUPS, "mode=755", "tmpfs")
    for name in _controllers():
        if f" {_CGROUPS / name} " not in mounted:
            _mount("cgroup", _CGROUPS / name, name, "cgroup")
    # systemd in a container keeps its units here.
    if f" {_CGROUPS / 'systemd'} " not in mounted:
        _mount("cgroup", _CGROUPS / "systemd", "none,name=systemd", "cgroup")


def _controllers() -> list[str]:
    """Return the controllers that Docker works with, that the kernel has on and that no mounted hierarchy holds."""
    rows = [line.split() for line in Path("/proc/cgroups").read_text(encoding="ascii").splitlines()[1:]]
    return [name for name, hierarchy, _, enabled in rows if name in _NEEDED and enabled == "1" and hierarchy == "0"]


def _mount(kind: str, target: Path, options: str, source: str) -> None:
    # Best effort: dockerd itself names the one that it cannot do without.
    with suppress(OSError):
        target.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", kind, "-o", options, source, str(target)], check=False, capture_output=True)
