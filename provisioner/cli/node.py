"""`provisioner node`: calls from a carrier's network, and their broker."""

from pathlib import Path
from typing import Final

import click

from provisioner.base.document import Printed, absent
from provisioner.base.errors import UsageError
from provisioner.base.text import printable
from provisioner.cli.support.commands import NamedGroup
from provisioner.cli.support.completion import carriers_like
from provisioner.cli.support.context import Invocation, ended_by_signal, log, now, show
from provisioner.cli.support.terminal import ValidPath
from provisioner.nodes.broker import BrokerRequest, write_broker_folder
from provisioner.nodes.envelope import is_carrier, make_exchange_key, read_exchange_key
from provisioner.nodes.settings import NodeService, node_settings

_MOST_DAYS: Final = 825
_DAYS: Final = 397


@click.group(cls=NamedGroup)
def node() -> None:
    """Call hosts from inside their carrier's network.

    A node is a process in that network. It dials out to a broker (NATS JetStream), takes units that a controller
    signed, and logs in to its carrier's hosts with a key that the controller never has. The controller's file,
    PROVISIONER_NODES, lists the carriers with a node.
    """


@node.command("run")
@click.argument("file", type=ValidPath(dir_okay=False), metavar="FILE")
@click.option("--check", "checks", is_flag=True, help="Check the file and the key, and exit.")
def run_node(invocation: Invocation, file: Path, *, checks: bool) -> None:
    """Take units from the broker and carry their calls, until a signal.

    FILE (TOML) has carrier = "ID", the broker and its certificates (broker, ca, certificate, certificate_key), key =
    "FILE" with this node's own keys, controllers = ["LINE"] whose units the node accepts, networks = ["NETWORK"] of the
    hosts, ssh_key = "FILE" for the login, state = "FOLDER" for units in progress.

    changes = false allows read-only units, whatever a controller signs. The node refuses hosts outside its networks. A
    first SIGINT, SIGTERM or SIGHUP ends the node after the units in progress, a second one at once.

    Example: provisioner node run /etc/provisioner-node/vnpt/node.toml
    """
    settings = node_settings(file)
    line = read_exchange_key(settings.key).public.line
    if checks:
        show(invocation, NodeKeyDocument(key=line, carrier=settings.rules.carrier), [line])
        return
    with ended_by_signal() as stop:
        NodeService(settings, invocation.env, log).run(stop)


class NodeKeyDocument(Printed, name="node-key", title="The public half of an end's keys"):
    """Output of `provisioner node key` and `node run --check` with `--output json`."""

    key: str
    carrier: str | None = absent()


class BrokerDocument(Printed, name="node-broker", title="A broker's folder"):
    """Output of `provisioner node broker --output json`."""

    written: tuple[str, ...]


@node.command("key")
@click.argument("file", type=ValidPath(dir_okay=False), metavar="FILE")
@click.option("--make", "makes", is_flag=True, help="Create the keys in FILE, if it does not exist.")
def node_key(invocation: Invocation, file: Path, *, makes: bool) -> None:
    """Print the public half of the keys of a node or controller.

    Each node and each controller has its own keys, in a file that only its user can read. The printed line goes to the
    other end: a node's line into the controller's file under [nodes], a controller's line into the node's file under
    controllers.

    Example: provisioner node key /etc/provisioner-node/vnpt/node.key --make
    """
    key = make_exchange_key(file) if makes else read_exchange_key(file)
    show(invocation, NodeKeyDocument(key=key.public.line), [key.public.line])


@node.command("broker")
@click.argument("folder", type=ValidPath(file_okay=False), metavar="FOLDER")
@click.option("--place", "places", multiple=True, required=True, help="A host name or address of the broker.")
@click.option(
    "--carrier",
    "carriers",
    multiple=True,
    required=True,
    shell_complete=carriers_like,
    help="A carrier that has a node.",
)
@click.option("--port", type=click.IntRange(1, 65_535), default=4222, show_default=True, help="The broker's port.")
@click.option(
    "--valid-days",
    "days",
    type=click.IntRange(1, _MOST_DAYS),
    default=_DAYS,
    show_default=True,
    help="The validity of new certificates in days.",
)
@click.option("--reports", is_flag=True, help="Let controllers send reports to the ministry's view over it.")
def node_broker(
    invocation: Invocation,
    /,
    folder: Path,
    places: tuple[str, ...],
    carriers: tuple[str, ...],
    *,
    reports: bool,
    **chosen: int,
) -> None:
    """Write the broker's configuration and the certificates of its clients.

    FOLDER gets its own CA (ca.pem, ca.key), certificates and keys of the broker, the controller and each carrier's
    node, and nats-server.conf with one account each. A node's account may read its own units and write its own reports
    only. Existing files stay, except certificates that end within 30 days. If you have a CA, let it sign the same
    names: CN=controller, CN=node-CARRIER.

    Example: provisioner node broker /etc/provisioner-broker --place broker.example.com --carrier vnpt
    """
    if unsound := [carrier for carrier in carriers if not is_carrier(carrier)]:
        hint = "write ids of the inventory, e.g. vnpt"
        raise UsageError(f"{printable(unsound[0], 80)} is no carrier's id", hint=hint)
    request = BrokerRequest(folder, places, tuple(sorted(set(carriers))), chosen["port"], chosen["days"], reports)
    written = write_broker_folder(request, now())
    lines = (f"written: {folder / name}{'' if '.' in name else '.pem and .key'}" for name in written)
    show(invocation, BrokerDocument(written=written), lines)
