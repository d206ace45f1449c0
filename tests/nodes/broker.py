"""A real nats-server of the tests' own: TLS, an account an end, its store on disk, gone afterwards."""

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from provisioner.hosts.identity import HostKeyScans
from provisioner.nodes.broker import BrokerFiles, CertifiedKey, broker_configuration, issued, new_authority
from provisioner.nodes.controller import NodePace, NodeRunner
from provisioner.nodes.envelope import CONTROLLER, VIEW, make_exchange_key, new_exchange_key, node_name, reporter_name
from provisioner.nodes.jetstream import Broker, JetStreamMailbox, controller_mailbox, node_mailbox
from tests.nodes.carrying import CountingHosts, Working, node_at_work
from tests.processes import free_port

CARRIERS: Final = ("viettel", "vnpt")
LOOPBACK: Final = "127.0.0.1"
_START_S: Final = 20
PACE: Final = NodePace(begin=10.0, ask=1.0, most_ask=4.0, margin=10.0)


def server_program() -> str:
    """The program of Debian's nats-server; empty where this machine has none."""
    return shutil.which("nats-server") or shutil.which("nats-server", path="/usr/sbin:/usr/local/bin") or ""


_SMALL_DISK: Final = 'mount -t tmpfs -o size=4m none "$0" && exec "$@"'


def may_have_disks() -> bool:
    """Whether this machine gives a process a small disk of its own."""
    words = ["unshare", "-rm", "sh", "-c", _SMALL_DISK, "/mnt", "true"]
    return subprocess.run(words, capture_output=True, check=False, timeout=30).returncode == 0


class BrokerServer:
    """A broker, and the files of those that dial in; `has_small_disk` has its store on 4 MiB.

    Args:
        folder: a new one, for all of it.
        place: the address at which it listens.
        inside: the words before its own, by which it runs elsewhere.
    """

    def __init__(self, folder: Path, place: str = LOOPBACK, inside: Sequence[str] = ()) -> None:
        self.folder, self.has_small_disk, self.place, self._inside = folder, False, place, inside
        folder.mkdir(parents=True)
        self.store = folder / "store"
        # Some days old: a clock that is a day behind takes them, too.
        self.made = now = datetime.now(UTC) - timedelta(days=2)
        self.authority = new_authority(now)
        (folder / "ca.pem").write_text(self.authority.certificate)
        self.write("broker", issued(self.authority, "broker", [place, "localhost"], now, 4))
        for name in (CONTROLLER, VIEW, *map(node_name, CARRIERS), *map(reporter_name, CARRIERS)):
            self.write(name, issued(self.authority, name, [], now, 4))
        self.port = free_port()
        files = BrokerFiles(
            str(folder / "ca.pem"), str(folder / "broker.pem"), str(folder / "broker.key"), str(self.store)
        )
        self.configuration = folder / "nats.conf"
        self.configuration.write_text(broker_configuration(CARRIERS, files, f"{place}:{self.port}", reports=True))
        self._process: subprocess.Popen[bytes] | None = None

    def write(self, name: str, one: CertifiedKey) -> None:
        """Write an end's certificate and key."""
        (self.folder / f"{name}.pem").write_text(one.certificate)
        (self.folder / f"{name}.key").write_text(one.key.reveal())

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"tls://{self.place}:{self.port}"

    def broker(self, name: str) -> Broker:
        """The broker as one of its ends knows it."""
        return Broker(self.url, self.folder / "ca.pem", self.folder / f"{name}.pem", self.folder / f"{name}.key")

    def dials(self, name: str) -> str:
        """What an end's file says of the broker, and of how it is known there."""
        one = self.broker(name)
        return (
            f'broker = "{one.url}"\nca = "{one.ca}"\n'
            f'certificate = "{one.certificate}"\ncertificate_key = "{one.certificate_key}"\n'
        )

    def write_files(
        self, folder: Path, carrier: str, networks: Sequence[object], ssh_key: Path, further: str = ""
    ) -> Path:
        """Write `node.toml` of a carrier's node and what a controller has, whose name is given; with fresh keys."""
        return self._write(folder, {carrier: folder}, networks, f'ssh_key = "{ssh_key}"\n{further}')

    def write_both(self, folder: Path, networks: Sequence[object], further: str = "") -> Path:
        """Write `CARRIER/node.toml` of each carrier's node and what a controller has; hosts in memory need no key."""
        return self._write(folder, {carrier: folder / carrier for carrier in CARRIERS}, networks, further)

    def _write(self, folder: Path, places: Mapping[str, Path], networks: Sequence[object], further: str = "") -> Path:
        ours, lines = make_exchange_key(folder / "controller.key"), list[str]()
        for carrier, place in places.items():
            place.mkdir(exist_ok=True)
            its = make_exchange_key(place / "node.key")
            lines.append(f'{carrier} = "{its.public.line}"\n')
            (place / "node.toml").write_text(
                f'{self.dials(node_name(carrier))}carrier = "{carrier}"\nkey = "node.key"\n'
                f'controllers = ["{ours.public.line}"]\nnetworks = {[str(one) for one in networks]}\n'
                f'{further}state = "state"\n'
            )
        nodes = folder / "nodes.toml"
        nodes.write_text(f'{self.dials(CONTROLLER)}key = "controller.key"\n[nodes]\n{"".join(lines)}')
        return nodes

    def start(self) -> None:
        """Start it, and wait until it listens."""
        words = [*self._inside, server_program(), "-c", str(self.configuration)]
        if self.has_small_disk:
            self.store.mkdir(exist_ok=True)
            words = ["unshare", "-rm", "sh", "-c", _SMALL_DISK, str(self.store), *words]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(words, stdout=log, stderr=log, cwd=self.folder)
        until = time.monotonic() + _START_S
        while True:
            try:
                socket.create_connection((self.place, self.port), timeout=1).close()
            except OSError:
                assert time.monotonic() < until, (self.folder / "log").read_text()
                assert self._process.poll() is None, (self.folder / "log").read_text()
                time.sleep(0.05)
            else:
                return

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(20)
            self._process = None

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let nothing get through for a while, as if the network were cut: nobody is told that it is."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    @contextmanager
    def full_disk(self) -> Iterator[None]:
        """Let there be no room on its small disk, for a while."""
        assert self._process is not None
        ballast = Path(f"/proc/{self._process.pid}/root{self.store}/ballast")
        with ballast.open("wb", buffering=0) as out, suppress(OSError):
            while True:
                out.write(bytes(4096))
        try:
            yield
        finally:
            ballast.unlink(missing_ok=True)

    def controller(self) -> JetStreamMailbox:
        """A controller's end."""
        return controller_mailbox(self.broker(CONTROLLER), ["vnpt"])

    @contextmanager
    def both_ends(
        self, *, hosts: CountingHosts | None = None, pace: NodePace = PACE, scans: HostKeyScans | None = None
    ) -> Iterator[tuple[NodeRunner, Working]]:
        """A controller and the node of VNPT."""
        key, mailbox = new_exchange_key(), node_mailbox(self.broker(node_name("vnpt")), "vnpt")
        try:
            with node_at_work(mailbox, [key], self.folder, hosts=hosts, scans=scans) as working:
                runner = NodeRunner(self.controller(), key, {"vnpt": working.key.public}, pace)
                try:
                    yield runner, working
                finally:
                    runner.close()
        finally:
            mailbox.close()


@contextmanager
def broker_of(folder: Path, place: str = LOOPBACK, inside: Sequence[str] = ()) -> Iterator[BrokerServer]:
    """A broker that runs."""
    server = BrokerServer(folder / "broker", place, inside)
    server.start()
    try:
        yield server
    finally:
        server.end()
