"""So many plain relay hosts in containers of the lab's image: systemd, sshd, nothing else; no cameras and no sites."""

import json
import subprocess
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import yaml

from tests.bench.child import BenchError
from tests.lab.docker_cli import compose, docker
from tests.lab.docker_daemon import DockerDaemon
from tests.lab.image import image
from tests.lab.reaper import reap, remove
from tests.lab.record import Record
from tests.lab.seed import managed

_LAB: Final = Path(__file__).parents[2] / "lab"
_NETWORK: Final = "mgmt"
_BOOT_SECONDS: Final = 120
_AT_ONCE: Final = 8
_CGROUPS: Final = Path("/sys/fs/cgroup")
_INOTIFY: Final = Path("/proc/sys/fs/inotify/max_user_instances")
# Three of systemd, one of wireguard-go, one of the relay, and one more of either while a change is tried aside.
_INSTANCES: Final = 7


class RelayHosts:
    """The hosts of one run. The lab's reaper removes them where the run was killed: they carry its labels."""

    def __init__(self, record: Record, count: int) -> None:
        """Take up a run that was drawn; use `start`."""
        self._record = record
        self.names = tuple(f"relay-{number:02}" for number in range(1, count + 1))

    @classmethod
    def start(cls, count: int) -> Self:
        """Create and boot the hosts."""
        DockerDaemon.ensure()
        reap()
        hosts = cls(Record.new(image=image(), keep=False), count)
        try:
            hosts._create()
            hosts._each(hosts._boot)
            deadline = time.monotonic() + _BOOT_SECONDS
            hosts._each(lambda host: hosts._wait_for(host, deadline))
        except BaseException:
            hosts.stop()
            raise
        return hosts

    def stop(self) -> None:
        """Remove every trace of the run."""
        remove(self._record.run)

    def __enter__(self) -> Self:
        """Use the hosts."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove them."""
        self.stop()

    @property
    def directory(self) -> Path:
        """A private directory in memory that ends with the hosts."""
        return self._record.directory

    @property
    def ssh_key(self) -> Path:
        """Private key of the SSH user."""
        return self.directory / "id_ed25519"

    @cached_property
    def addresses(self) -> dict[str, IPv4Address]:
        """Each host's address."""
        found = self._inspect("container", *(self._container(name) for name in self.names))
        network = f"{self._record.project}_{_NETWORK}"
        told = [each["NetworkSettings"]["Networks"][network]["IPAddress"] for each in found]
        return dict(zip(self.names, map(IPv4Address, told), strict=True))

    @cached_property
    def host_keys(self) -> dict[str, str]:
        """Each host's SSH key, as `ssh-ed25519 AAAA…`."""
        return {name: self._host_key(name) for name in self.names}

    @cached_property
    def subnet(self) -> IPv4Network:
        """The network that the hosts and this machine are in."""
        found = self._inspect("network", f"{self._record.project}_{_NETWORK}")
        return IPv4Network(found[0]["IPAM"]["Config"][0]["Subnet"])

    def cpu_seconds(self) -> float:
        """The processor seconds that all hosts have taken since they were started."""
        return sum(map(_cpu_seconds, self._init_processes))

    @cached_property
    def _init_processes(self) -> tuple[int, ...]:
        found = self._inspect("container", *(self._container(name) for name in self.names))
        return tuple(int(each["State"]["Pid"]) for each in found)

    # --- start --------------------------------------------------------------------------------------
    def _create(self) -> None:
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", self._record.project, "-f", str(self.ssh_key)],
            check=True,
            stdin=subprocess.DEVNULL,
        )
        file = self.directory / "compose.json"
        file.write_text(json.dumps(_compose_document(self._record.project, self.names)), encoding="utf-8")
        environment = {
            "LAB_IMAGE": self._record.image,
            "LAB_RUN": self._record.run,
            "LAB_OWNER": self._record.owner,
            "LAB_KEEP": "no",
        }
        words = ("--project-name", self._record.project, "--file", str(file), "up", "--no-start")
        compose(*words, environment=environment)

    def _boot(self, host: str) -> None:
        public_key = self.ssh_key.with_suffix(".pub").read_text(encoding="ascii")
        docker("cp", "-", f"{self._container(host)}:/", stdin=managed(public_key))
        docker("start", self._container(host))

    def _wait_for(self, host: str, deadline: float) -> None:
        asked = ("timeout", "10", "systemctl", "is-system-running", "--wait")
        state = ""
        while time.monotonic() < deadline:
            state = docker("exec", self._container(host), *asked, check=False).stdout.strip()
            if state == "running":
                return
            if state == "degraded":
                break
            time.sleep(0.2)
        raise BenchError(f"{host} did not come up: {state or 'no answer'}; {limit_advice()}")

    def _host_key(self, host: str) -> str:
        words = docker("exec", self._container(host), "cat", "/etc/ssh/ssh_host_ed25519_key.pub").stdout.split()
        return " ".join(words[:2])

    def _container(self, host: str) -> str:
        return f"{self._record.project}-{host}"

    def _each(self, action: Callable[[str], None]) -> None:
        with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
            list(pool.map(action, self.names))

    @staticmethod
    def _inspect(kind: str, *names: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(docker(kind, "inspect", *names).stdout)
        return found


def _compose_document(project: str, names: Iterable[str]) -> dict[str, Any]:
    """What compose makes the hosts from: each is run as a host of the lab is."""
    lab = yaml.safe_load((_LAB / "compose.yml").read_text(encoding="utf-8"))
    unified = (_CGROUPS / "cgroup.controllers").exists()
    old = yaml.safe_load((_LAB / "compose.cgroup-v1.yml").read_text(encoding="utf-8"))
    common = lab["x-host"] | ({} if unified else old["x-cgroup"]) | {"networks": [_NETWORK]}
    services = {name: common | {"hostname": name, "container_name": f"{project}-{name}"} for name in names}
    return {"services": services, "networks": {_NETWORK: {"labels": lab["x-labels"]}}}


def _cpu_seconds(pid: int) -> float:
    """Read the account of a container's control group: the older one counts nanoseconds, the unified one micro."""
    for line in Path(f"/proc/{pid}/cgroup").read_text(encoding="ascii").splitlines():
        _, controllers, path = line.split(":", 2)
        group = path.removesuffix("/init.scope").lstrip("/")
        if "cpuacct" in controllers.split(","):
            return int((_CGROUPS / "cpuacct" / group / "cpuacct.usage").read_text(encoding="ascii")) / 1e9
        if not controllers and (stat := _CGROUPS / group / "cpu.stat").exists():
            return int(stat.read_text(encoding="ascii").split()[1]) / 1e6
    raise BenchError(f"no control group counts the processor time of process {pid}")


# --- the machine's limit ------------------------------------------------------------------------------
def room_for_hosts() -> int:
    """Tell how many hosts fit beside what runs: each systemd watches files, and the kernel limits watchers a user."""
    limit = int(_INOTIFY.read_text(encoding="ascii"))
    return max(0, limit - _instances_in_use()) // _INSTANCES


def limit_advice() -> str:
    """Say what to do for more hosts."""
    now = _INOTIFY.read_text(encoding="ascii").strip()
    return f"fs.inotify.max_user_instances is {now}; for more hosts: sysctl fs.inotify.max_user_instances=1024"


def _instances_in_use() -> int:
    count = 0
    for folder in Path("/proc").glob("[0-9]*/fd"):
        # Processes end while they are looked at.
        try:
            links = [str(entry.readlink()) for entry in folder.iterdir()]
        except OSError:
            continue
        count += sum(link == "anon_inode:inotify" for link in links)
    return count
