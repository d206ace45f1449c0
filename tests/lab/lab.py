"""A lab: started, used, stopped."""

import base64
import binascii
import io
import json
import os
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from .cameras import CameraControl
from .docker_cli import compose, docker, docker_bytes
from .docker_daemon import DockerDaemon
from .errors import LabError
from .image import USUAL, image
from .patience import stretched
from .reaper import reap, remove
from .record import Record, find
from .seed import seeds
from .topology import GATEWAYS, HOSTS, MACHINES, MANAGED_HOSTS, Network, place

_HERE: Final = Path(__file__).parent
_BOOT_SECONDS: Final = 60
_PUBLIC_KEY_BYTES: Final = 32
_INOTIFY: Final = Path("/proc/sys/fs/inotify/max_user_instances")
_PLENTY: Final = 1024
_INTERFACES: Final = {Network.MGMT: "eth0", Network.WAN: "eth1"}
# A cable pulled and put back: an interface that goes down loses its routes, so they are kept.
_CUT: Final = """
set -eu
mkdir -p /run/lab
if [ ! -e "/run/lab/cut-$1" ]; then
  ip -4 route show dev "$1" > "/run/lab/cut-$1.new"
  ip link set "$1" down
  mv "/run/lab/cut-$1.new" "/run/lab/cut-$1"
fi
"""
_MEND: Final = """
set -eu
if [ -e "/run/lab/cut-$1" ]; then
  ip link set "$1" up
  while read -r route; do ip route replace $route dev "$1"; done < "/run/lab/cut-$1"
  rm "/run/lab/cut-$1"
fi
"""


class Lab:
    """The hosts of one run. `Lab.start()` is also a context manager, which stops the lab unless it is to be kept."""

    def __init__(self, record: Record) -> None:
        """Take up the run of a record; use `start` or `attach`."""
        self._record = record

    @classmethod
    def start(cls, *, keep: bool = False) -> Self:
        """Create and boot all hosts; a kept lab outlives this process."""
        lab = cls.prepare(keep=keep)
        try:
            compose(*lab.compose_arguments, "up", "--no-start", environment=lab.compose_environment)
            lab.boot()
        except BaseException:
            lab.stop()
            raise
        return lab

    @classmethod
    def prepare(cls, *, keep: bool = False, suite: str = "") -> Self:
        """Draw a run and make what its hosts need, before there is any host.

        Args:
            keep: whether it outlives this process.
            suite: the Debian of the relays and the centre; without it the environment's LAB_SUITE, else the usual one.
        """
        DockerDaemon.ensure()
        reap()
        managed = image(suite or os.environ.get("LAB_SUITE", USUAL))
        lab = cls(Record.new(image=image(), keep=keep, managed_image=managed))
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", lab.project, "-f", str(lab.ssh_key)],
            check=True,
            stdin=subprocess.DEVNULL,
        )
        return lab

    @classmethod
    def attach(cls, run: str | None = None) -> Self:
        """Take up a running lab, or the only one there is."""
        return cls(find(run))

    def stop(self) -> None:
        """Remove every trace of the run."""
        remove(self.run)

    def __enter__(self) -> Self:
        """Use the lab."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop it, unless it is to be kept."""
        if not self._record.keep:
            self.stop()

    @property
    def run(self) -> str:
        """Id of the run."""
        return self._record.run

    @property
    def project(self) -> str:
        """Name of the compose project."""
        return self._record.project

    @property
    def compose_files(self) -> list[Path]:
        """What compose makes the hosts from."""
        return [_HERE / "compose.yml", *_cgroup_file()]

    @property
    def compose_arguments(self) -> list[str]:
        """The project and the files, as compose takes them."""
        files = [argument for file in self.compose_files for argument in ("--file", str(file))]
        return ["--project-name", self.project, *files]

    @property
    def compose_environment(self) -> dict[str, str]:
        """What the compose files leave open."""
        return {
            "LAB_IMAGE": self._record.image,
            "LAB_MANAGED_IMAGE": self._record.managed_image,
            "LAB_PROJECT": self.project,
            "LAB_RUN": self.run,
            "LAB_OWNER": self._record.owner,
            "LAB_KEEP": "yes" if self._record.keep else "no",
        }

    @property
    def directory(self) -> Path:
        """A private directory in memory that ends with the lab."""
        return self._record.directory

    @property
    def ssh_key(self) -> Path:
        """Private key of the SSH user on relays and centre."""
        return self.directory / "id_ed25519"

    def container(self, host: str) -> str:
        """Return the name of a host's container."""
        if host not in HOSTS:
            raise LabError(f"no such host: {host}; there are {', '.join(HOSTS)}")
        return f"{self._record.project}-{host}"

    def exec(
        self,
        host: str,
        argv: Sequence[str],
        *,
        stdin: str | bytes | None = None,
        check: bool = True,
        timeout: float = 60,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as root in a host, past its network and sshd."""
        data = stdin.encode() if isinstance(stdin, str) else stdin
        options = ("--interactive",) if data is not None else ()
        return docker("exec", *options, self.container(host), *argv, stdin=data, check=check, timeout=timeout)

    def copy_in(self, host: str, source: Path, target: str) -> None:
        """Copy a file or a folder into a host, as `target`, owned by root."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            tar.add(source, arcname=Path(target).name, filter=_owned_by_root)
        # Not `docker cp`: it writes beneath the file systems that are mounted in a running host.
        parent = str(Path(target).parent)
        self.exec(host, ["mkdir", "-p", parent])
        self.exec(host, ["tar", "-C", parent, "-xf", "-"], stdin=archive.getvalue())

    def copy_out(self, host: str, source: str, target: Path) -> None:
        """Copy a file or a folder out of a host, as `target`."""
        path = Path(source)
        data = docker_bytes("exec", self.container(host), "tar", "-C", str(path.parent), "-cf", "-", path.name)
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            for member in tar.getmembers():
                place = target / Path(member.name).relative_to(path.name)
                if ".." in place.parts:
                    raise LabError(f"{host} packs {member.name}, which lies elsewhere")
                # By hand: the filter that makes `extract` safe came with Python 3.11.4, and Debian 12 has 3.11.2.
                if member.isdir():
                    place.mkdir(parents=True, exist_ok=True)
                elif (content := tar.extractfile(member)) is not None:
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.write_bytes(content.read())
                    place.chmod(member.mode & 0o777)

    def address(self, host: str, network: Network) -> IPv4Address:
        """Return a host's address in one of the lab's networks."""
        attached = self._inspect("container", self.container(host))["NetworkSettings"]["Networks"]
        name = self._network(network)
        if name not in attached:
            raise LabError(f"{host} is not attached to {network}")
        return IPv4Address(attached[name]["IPAddress"])

    def subnet(self, network: Network) -> IPv4Network:
        """Return the subnet of one of the lab's networks."""
        return IPv4Network(self._inspect("network", self._network(network))["IPAM"]["Config"][0]["Subnet"])

    def controller_address(self, network: Network = Network.MGMT) -> IPv4Address:
        """Return the address from which hosts see this machine."""
        return IPv4Address(self._inspect("network", self._network(network))["IPAM"]["Config"][0]["Gateway"])

    def host_key(self, host: str) -> str:
        """Return the SSH host key of a relay, the centre or the jump host, as `ssh-ed25519 AAAA…`."""
        line = self.exec(host, ["cat", "/etc/ssh/ssh_host_ed25519_key.pub"]).stdout
        return " ".join(line.split()[:2])

    def camera(self, camera: str) -> CameraControl:
        """Return the control of a camera, named `facility/camera`."""
        found = place(camera)
        name = f"{found.gateway.facility}/{found.device.id}"
        passwords = self._record.passwords

        def keep_password(password: str) -> None:
            passwords[name] = password
            self._record.write()

        return CameraControl(found, self.exec, lambda: passwords[name], keep_password)

    def install_site_package(self, gateway: str, folder: Path) -> str:
        """Run the `install.sh` of a site package in a gateway; return the gateway's public key, which it prints."""
        target = "/root/site-package"
        self.exec(gateway, ["rm", "-rf", target])
        self.copy_in(gateway, folder, target)
        script = f"cd {target} && chmod +x install.sh && ./install.sh"
        printed = self.exec(gateway, ["sh", "-c", script], timeout=120).stdout
        keys = [word for line in printed.splitlines() for word in line.split() if _is_public_key(word)]
        if not keys:
            raise LabError(f"{gateway}: install.sh printed no public key: {printed.strip()[-500:]}")
        return keys[-1]

    def reboot(self, host: str) -> None:
        """Restart a host and wait until it is up."""
        docker("restart", "--time", "10", self.container(host), timeout=60)
        self.wait_until_booted([host])

    def cut(self, host: str, network: Network) -> None:
        """Pull a host's cable to one of the networks; what is set within the host stays, as on a real one."""
        self.exec(host, ["sh", "-c", _CUT, "cut", self._interface(host, network)])

    def mend(self, host: str, network: Network) -> None:
        """Put the cable back."""
        self.exec(host, ["sh", "-c", _MEND, "mend", self._interface(host, network)])

    def wait_until_booted(self, hosts: Iterable[str] = HOSTS, seconds: float = _BOOT_SECONDS) -> None:
        """Wait until every unit of every host has started; a failed unit is an error that names it."""
        deadline = time.monotonic() + stretched(seconds)
        _each(lambda host: self._wait_for(host, deadline), hosts)

    def boot(self) -> None:
        """Seed the created hosts, start them, and wait until they are up."""
        self._first_boot(HOSTS)

    def replace(self, host: str, *, suite: str = "") -> None:
        """Destroy a managed host with its disk, and boot new hardware in its place, at the same addresses.

        Args:
            host: which.
            suite: the Debian of the new hardware, if it is not that of the others.

        Raises:
            LabError: Docker gave it other addresses.
        """
        before = [self.address(host, network) for network in (Network.MGMT, Network.WAN)]
        docker("rm", "--force", "--volumes", self.container(host))
        managed = {"LAB_MANAGED_IMAGE": image(suite)} if suite else {}
        compose(*self.compose_arguments, "up", "--no-start", host, environment=self.compose_environment | managed)
        self._first_boot([host])
        if (now := [self.address(host, network) for network in (Network.MGMT, Network.WAN)]) != before:
            raise LabError(f"{host} had the addresses {before} and has {now}")

    def _first_boot(self, hosts: Iterable[str]) -> None:
        files = seeds(self.ssh_key.with_suffix(".pub").read_text(encoding="ascii"), GATEWAYS, self._record.passwords)

        def first_boot(host: str) -> None:
            if host in MANAGED_HOSTS:
                self._attach_to_wan(host)
            docker("cp", "-", f"{self.container(host)}:/", stdin=files[host])
            docker("start", self.container(host))

        _each(first_boot, hosts)
        self.wait_until_booted(hosts)

    def _attach_to_wan(self, host: str) -> None:
        # The older compose gives a container that it does not start only the first of its networks.
        attached = self._inspect("container", self.container(host))["NetworkSettings"]["Networks"]
        if self._network(Network.WAN) not in attached:
            docker("network", "connect", self._network(Network.WAN), self.container(host))

    def _wait_for(self, host: str, deadline: float) -> None:
        state = ""
        while time.monotonic() < deadline:
            if host not in MACHINES:
                # sshd writes it once it listens.
                if self.exec(host, ["test", "-s", "/run/sshd.pid"], check=False).returncode == 0:
                    return
                time.sleep(0.1)
                continue
            asked = ["timeout", "10", "systemctl", "is-system-running", "--wait"]
            state = self.exec(host, asked, check=False, timeout=20).stdout.strip()
            if state == "running":
                return
            if state == "degraded":
                failed = self.exec(host, ["systemctl", "list-units", "--failed", "--plain", "--no-legend"], check=False)
                raise LabError(f"{host}: units failed at boot: {failed.stdout.strip()}{_limit_hint()}")
            time.sleep(0.2)
        raise LabError(f"{host}: not up in time, state: {state or 'no answer'}{_limit_hint()}")

    def _interface(self, host: str, network: Network) -> str:
        self.address(host, network)
        return _INTERFACES[network] if host in MANAGED_HOSTS else "eth0"

    def _network(self, network: Network) -> str:
        return f"{self._record.project}_{network}"

    def _inspect(self, kind: str, name: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = json.loads(docker(kind, "inspect", name).stdout)
        return found[0]


def _each(action: Callable[[str], None], hosts: Iterable[str]) -> None:
    with ThreadPoolExecutor(max_workers=len(HOSTS)) as pool:
        list(pool.map(action, hosts))


def _cgroup_file() -> list[Path]:
    unified = Path("/sys/fs/cgroup/cgroup.controllers").exists()
    return [] if unified else [_HERE / "compose.cgroup-v1.yml"]


def _limit_hint() -> str:
    """Name the limit of the machine that several labs at once run into first: seven systemds watch many files."""
    limit = int(_INOTIFY.read_text(encoding="ascii"))
    if limit >= _PLENTY:
        return ""
    advice = f"sysctl fs.inotify.max_user_instances={_PLENTY}"
    return f" (fs.inotify.max_user_instances is {limit}, and a lab takes 40: {advice})"


def _owned_by_root(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = "root"
    return info


def _is_public_key(word: str) -> bool:
    try:
        return len(base64.b64decode(word, validate=True)) == _PUBLIC_KEY_BYTES
    except binascii.Error:
        return False
