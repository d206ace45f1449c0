"""`provisioner node upgrade`: another version on a node's own machine, proved or taken back."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from provisioner.base.errors import HostError, UsageError
from provisioner.base.printable import printable
from provisioner.cli.context import Invocation
from provisioner.cli.output import print_document, print_warning
from provisioner.cli.word import Place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from provisioner.nodes.upgrade_machine import DebianMachine
    from provisioner.nodes.upgrade_rules import NodeStanding

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
    from provisioner.nodes.upgrade import UpgradeOrders, upgrade  # noqa: PLC0415 (other commands go without)
    from provisioner.nodes.upgrade_machine import DebianMachine  # noqa: PLC0415
    from provisioner.nodes.upgrade_rules import refusal  # noqa: PLC0415

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
