"""The same apply, its hosts called by a node over a broker: both on this machine."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from pathlib import Path

from provisioner.nodes.exchange_key import make_exchange_key
from provisioner.nodes.subjects import CONTROLLER, node_name
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
            ours, its = make_exchange_key(folder / "controller.key"), make_exchange_key(folder / "node.key")
            dials = f'broker = "{broker.url}"\nca = "{broker.folder}/ca.pem"\n'
            own = '{0}certificate = "{1}/{2}.pem"\ncertificate_key = "{1}/{2}.key"\n'
            networks = sorted({str(ip_network(address)) for address in controller.hosts.addresses.values()})
            (folder / "node.toml").write_text(
                f"{own.format(dials, broker.folder, node_name(CARRIER))}"
                f'carrier = "{CARRIER}"\nkey = "node.key"\ncontrollers = ["{ours.public.line}"]\n'
                f'networks = {networks}\nssh_key = "{controller.hosts.ssh_key}"\nstate = "state"\n'
            )
            (folder / "nodes.toml").write_text(
                f"{own.format(dials, broker.folder, CONTROLLER)}"
                f'key = "controller.key"\n[nodes]\n{CARRIER} = "{its.public.line}"\n'
            )
            program = Path(sys.executable).with_name("provisioner")
            kept = {name: controller.environment[name] for name in ("PATH", "XDG_RUNTIME_DIR")}
            with beside([program, "node", "run", folder / "node.toml"], folder / "log", environment=kept, patience=60):
                yield folder / "nodes.toml"
    finally:
        shutil.rmtree(folder, ignore_errors=True)
