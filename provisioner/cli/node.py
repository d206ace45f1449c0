"""`provisioner node`: calls from inside a carrier's network, and the broker over which they go.

`provisioner node upgrade`: another version on a node's own machine, proved or taken back.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from provisioner.base.errors import HostError, UsageError
from provisioner.base.text import local_time, printable
from provisioner.cli.support.commands import NamedGroup
from provisioner.cli.support.context import Invocation, now
from provisioner.cli.support.output import print_document, print_warning
from provisioner.cli.support.question import ended_by_signal
from provisioner.cli.support.terminal import Place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provisioner.nodes.settings import NodeSettings
    from provisioner.nodes.upgrade import NodeStanding
    from provisioner.nodes.upgrade_machine import DebianMachine


_STAY_S: Final = 20.0
_DEFAULT_S: Final = 120
_FEWEST_S, _MOST_S = 5, 600


@click.command("upgrade")
@click.argument("new", type=Place(path_type=Path, dir_okay=False), metavar="NEW.deb")
@click.option(
    "--back",
    type=Place(path_type=Path, dir_okay=False),
    required=True,
    metavar="OLD.deb",
    help="The package of the installed version, which comes back.",
)
@click.option("--check", "checks", is_flag=True, help="Look at all of it, and change nothing.")
@click.option(
    "--timeout",
    "timeout_s",
    type=click.IntRange(_FEWEST_S, _MOST_S),
    default=_DEFAULT_S,
    show_default=True,
    help="Seconds in which nodes have to reach the broker, once it is installed.",
)
@click.pass_obj
def upgrade_node(invocation: Invocation, /, new: Path, back: Path, *, checks: bool, timeout_s: int) -> int:
    """Exchange this machine's package, and keep it where its nodes reach their broker as they did.

    By root, on the node's own machine. First all is looked at that can be: both packages, dpkg, and whether the newer
    program takes the nodes' files. Then the machine is armed to bring OLD.deb back by itself, the newer one is
    installed, and its nodes are watched. Where they do not run, or do not reach the broker that they reached before,
    OLD.deb is brought back (7); so it is, by the machine, where this command is killed or the machine is started anew.

    Example: provisioner node upgrade provisioner_1.3.0-1~deb12_amd64.deb --back provisioner_1.2.0-1~deb12_amd64.deb
    """
    from provisioner.nodes.upgrade import (  # noqa: PLC0415 (other commands go without)
        UpgradeOrders,
        refusal,
        upgrade,
    )
    from provisioner.nodes.upgrade_machine import DebianMachine  # noqa: PLC0415

    if os.geteuid() != 0:
        raise UsageError("only root exchanges a package", hint="run it as root, on the node's own machine: sudo")
    machine = DebianMachine(invocation.env)
    with machine.alone():
        newer, older = machine.taken(new, back)
        if (error := refusal(newer, older, machine.state())) is not None:
            raise error
        before = _running(machine)
        for one in before:
            machine.check(newer, one.unit)
        machine.rehearse(newer)
        if not checks:
            stay_s, tell = min(_STAY_S, timeout_s / 2), partial(_told, invocation)
            upgrade(machine, UpgradeOrders(newer.version, older.version, before, timeout_s, stay_s, tell))
    unproved = [one.unit for one in before if one.reaches is False]
    if invocation.json:
        print_document(
            {
                "schema": "provisioner/node-upgrade",
                "version": 1,
                "from": older.version,
                "to": newer.version,
                "outcome": "checked" if checks else "upgraded",
                "nodes": [one.unit for one in before],
                "unproved": unproved,
            }
        )
    else:
        click.echo(_ending(older.version, newer.version, before, checks=checks))
    for unit in unproved:
        unsaid = f"{unit} did not reach its broker before: that {newer.version} would is not proved"
        print_warning(unsaid, "see its line once the broker is back: systemctl status", color=invocation.color)
    return 0


def _told(invocation: Invocation, line: str) -> None:
    if not invocation.json:
        click.echo(printable(line), err=True)


def _running(machine: DebianMachine) -> Sequence[NodeStanding]:
    if before := machine.nodes():
        return before
    hint = "start it first: systemctl start provisioner-node@CARRIER; where there is none, dpkg -i is enough"
    raise HostError("no node runs on this machine: nothing would prove the newer version", hint=hint)


def _ending(older: str, newer: str, before: Sequence[NodeStanding], *, checks: bool) -> str:
    done = f"{newer} may be installed in the place of {older}" if checks else f"upgraded from {older} to {newer}"
    return printable(f"{done}: {', '.join(one.unit for one in before)}")


_MOST_DAYS: Final = 825
_DAYS: Final = 397


@click.group(cls=NamedGroup)
def node() -> None:
    """Call hosts from inside their carrier's network.

    A node is a process there that dials out to a broker (NATS JetStream), takes what a controller signs for it, and
    logs in to its carrier's hosts with a key that the controller never sees. The controller's file, named by
    PROVISIONER_NODES, says which carriers have one.
    """


node.add_command(upgrade_node)


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


def _print(invocation: Invocation, line: str, settings: NodeSettings | None = None) -> None:
    if invocation.json:
        carrier = {"carrier": settings.rules.carrier} if settings else {}
        print_document({"schema": "provisioner/node-key", "version": 1, "key": line, **carrier})
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
        print_document({"schema": "provisioner/node-broker", "version": 1, "written": written})
    else:
        for name in written:
            click.echo(f"written: {folder / name}{'' if '.' in name else '.pem and .key'}")
    return 0
