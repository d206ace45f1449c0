"""The same apply, its hosts called by a node over a broker: both on this machine."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path

from tests.bench.rollout.controller import Controller
from tests.bench.rollout.inventory import CARRIER
from tests.nodes.broker import broker_of, server_program
from tests.processes import beside


@contextmanager
def node_beside(controller: Controller) -> Iterator[Path | None]:
    """A node that works: the file that names it to a controller; None where there is no nats-server."""
    if not server_program():
        yield None
        return
    folder = controller.hosts.directory / "node"
    folder.mkdir(mode=0o700)
    try:
        with broker_of(folder) as broker:
            networks = sorted(map(ip_network, controller.hosts.addresses.values()), key=str)
            mediamtx = f'mediamtx = ["{controller.engine.sha256}"]\n'
            nodes = broker.write_files(folder, CARRIER, networks, controller.hosts.ssh_key, mediamtx)
            program = Path(sys.executable).with_name("provisioner")
            kept = {name: controller.environment[name] for name in ("PATH", "XDG_RUNTIME_DIR")}
            with beside([program, "node", "run", folder / "node.toml"], folder / "log", environment=kept, patience=60):
                yield nodes
    finally:
        shutil.rmtree(folder, ignore_errors=True)
