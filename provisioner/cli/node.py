"""`provisioner node`: calls from a carrier's network, and their broker."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from provisioner.base.document import Printed, absent
from provisioner.base.errors import UsageError
from provisioner.base.text import local_time, printable
from provisioner.cli.support.commands import NamedGroup
from provisioner.cli.support.context import Invocation, now
from provisioner.cli.support.output import print_document
from provisioner.cli.support.question import ended_by_signal
from provisioner.cli.support.terminal import Place

if TYPE_CHECKING:
    from provisioner.nodes.settings import NodeSettings


_MOST_DAYS: Final = 825
_DAYS: Final = 397


@click.group(cls=NamedGroup)
def node() -> None:
    """Call hosts from inside their carrier's network.

    A node is a process there that dials out to a broker (NATS JetStream), takes what a controller signs for it, and
    logs in to its carrier's hosts with a key that the controller never sees. The controller's file, named by
    PROVISIONER_NODES, says which carriers have one.
    """


@node.command("run")
@click.argument("file", type=Place(path_type=Path, dir_okay=False), metavar="FILE")
@click.option("--check", "checks", is_flag=True, help="Read the file and the key, and do nothing.")
@click.pass_obj
def run_node(invocation: Invocation, file: Path, *, checks: bool) -> int:
    """Take units from the broker and carry their calls, until a signal.

    FILE (TOML) says what is carried: carrier = "ID", the broker and its certificates (broker, ca, certificate,
    certificate_key), key = "FILE" of this node's own keys, controllers = ["LINE"] whose units are taken, networks =
    ["NETWORK"] in which hosts are, ssh_key = "FILE" to log in with, state = "FOLDER" to remember what was begun.
    Whatever a controller signs, changes = false allows looks alone, and a host elsewhere is refused. A first SIGINT or
    SIGTERM ends it once what it has begun is over, a second at once.

    Example: provisioner node run /etc/provisioner-node/vnpt/node.toml
    """
    from provisioner.nodes.envelope import read_exchange_key  # noqa: PLC0415 (its libraries take their time)
    from provisioner.nodes.settings import NodeService, node_settings  # noqa: PLC0415

    settings = node_settings(file)
    line = read_exchange_key(settings.key).public.line
    if checks:
        _print(invocation, line, settings)
        return 0
    with ended_by_signal() as stop:
        NodeService(settings, invocation.env, _tell).run(stop)
    return 0


class NodeKeyDocument(Printed, name="node-key", title="The public half of an end's keys"):
    """What `provisioner node key` prints with `--output json`, and `node run --check`."""

    key: str
    carrier: str | None = absent()


class BrokerDocument(Printed, name="node-broker", title="A broker's folder"):
    """What `provisioner node broker --output json` prints."""

    written: tuple[str, ...]


def _print(invocation: Invocation, line: str, settings: NodeSettings | None = None) -> None:
    if invocation.json:
        carrier = settings.rules.carrier if settings else None
        print_document(NodeKeyDocument(key=line, carrier=carrier).plain)
    else:
        click.echo(line)


def _tell(line: str) -> None:
    click.echo(f"{local_time(now())}  {printable(line)}", err=True)


@node.command("key")
@click.argument("file", type=Place(path_type=Path, dir_okay=False), metavar="FILE")
@click.option("--make", "makes", is_flag=True, help="Draw the keys into FILE, where there is none.")
@click.pass_obj
def node_key(invocation: Invocation, file: Path, *, makes: bool) -> int:
    """Print the public half of an end's keys.

    A node and a controller each have keys of their own, in a file that only its user can read. The line that is printed
    goes to the other end: a node's into the controller's file under [nodes], a controller's into the node's file under
    controllers.

    Example: provisioner node key /etc/provisioner-node/vnpt/node.key --make
    """
    from provisioner.nodes.envelope import make_exchange_key, read_exchange_key  # noqa: PLC0415

    key = make_exchange_key(file) if makes else read_exchange_key(file)
    _print(invocation, key.public.line)
    return 0


@node.command("broker")
@click.argument("folder", type=Place(path_type=Path, file_okay=False), metavar="FOLDER")
@click.option("--place", "places", multiple=True, required=True, help="A host name or address of the broker.")
@click.option("--carrier", "carriers", multiple=True, required=True, help="A carrier that has a node.")
@click.option("--port", type=click.IntRange(1, 65_535), default=4222, show_default=True, help="Where it listens.")
@click.option(
    "--days",
    type=click.IntRange(1, _MOST_DAYS),
    default=_DAYS,
    show_default=True,
    help="How long new certificates count.",
)
@click.pass_obj
def node_broker(
    invocation: Invocation, /, folder: Path, places: tuple[str, ...], carriers: tuple[str, ...], **chosen: int
) -> int:
    """Write what the broker reads, and a certificate for everybody who dials in.

    FOLDER gets an authority of its own (ca.pem, ca.key), certificates and keys of the broker, of the controller, and of
    each carrier's node, and nats-server.conf with an account each: a node may take its own units and write its own
    reports, and nothing else. What is there stays, but for what ends within 30 days. Who has an authority already lets
    it sign the same names: CN=controller, CN=node-CARRIER.

    Example: provisioner node broker /etc/provisioner-broker --place broker.example.com --carrier vnpt
    """
    from provisioner.nodes.broker import BrokerOrders, write_broker_folder  # noqa: PLC0415
    from provisioner.nodes.envelope import is_carrier  # noqa: PLC0415

    if unsound := [one for one in carriers if not is_carrier(one)]:
        hint = "write ids of the inventory, e.g. vnpt"
        raise UsageError(f"{printable(unsound[0], 80)} is no carrier's id", hint=hint)
    orders = BrokerOrders(folder, places, tuple(sorted(set(carriers))), chosen["port"], chosen["days"])
    written = write_broker_folder(orders, now())
    if invocation.json:
        print_document(BrokerDocument(written=written).plain)
    else:
        for name in written:
            click.echo(f"written: {folder / name}{'' if '.' in name else '.pem and .key'}")
    return 0
