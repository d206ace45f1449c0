"""Entry for systemd units: a word for the installed program.

It imports only what these words need: arming waits for its start.
"""

from __future__ import annotations

import sys

from provisioner_host.firewall import firewall
from provisioner_host.machine.files import words_of
from provisioner_host.machine.shell import Failed, scrub
from provisioner_host.state import dead_man
from provisioner_host.tunnel import tunnel


def command(arguments: list[str]) -> int:
    """Run a unit's command; return the exit code."""
    actions = {
        "nft-up": firewall.load_installed,
        "wg-up": lambda: tunnel.up(in_unit=True),
        "wg-down": tunnel.down,
        "revert": dead_man.watch,
        "quarantine": _watch_quarantine,
    }
    if len(arguments) != 1 or arguments[0] not in actions:
        sys.stderr.write(f"usage: provisioner-host {{{'|'.join(actions)}}}\n")
        return 2
    try:
        actions[arguments[0]]()
    except (Failed, OSError) as error:
        sys.stderr.write(f"{arguments[0]}: {scrub(words_of(error))}\n")
        return 1
    return 0


def _watch_quarantine() -> None:
    from provisioner_host.change import quarantine_watch  # noqa: PLC0415 (the other words do without it)

    quarantine_watch.watch()
