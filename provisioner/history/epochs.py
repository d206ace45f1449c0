"""The epoch of a host: a number that each run takes before it changes the host, and that the host remembers.

A host takes no run with a lower number than the last, and none with the same number but that run itself: whoever was
taken over from, on a controller that hangs, or by a message that comes late, changes nothing there any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, bindparam, insert, select, update

from provisioner.history.tables import host_epochs


def take_epochs(
    connection: Connection, inventory: str, run: str, seen: Mapping[str, int], at: datetime
) -> dict[str, int]:
    """Take the next epoch of each host for a run; one that it has, and that nobody took another one after, stays.

    Args:
        connection: a transaction that no other writer of the inventory overlaps.
        inventory: whose hosts.
        run: the run that is about to change them.
        seen: by host, the epoch that was seen on it: 0 where none was. A record that was lost, or that another
            controller does not share, knows of none.
        at: now.
    """
    query = select(host_epochs.c.host, host_epochs.c.number, host_epochs.c.run)
    there = {
        host: (number, last)
        for host, number, last in connection.execute(query.where(host_epochs.c.inventory == inventory))
        if host in seen
    }
    taken: dict[str, int] = {}
    for host, floor in seen.items():
        number, last = there.get(host, (0, ""))
        taken[host] = number if last == run and number >= floor else max(number, floor) + 1
    new = [host for host in taken if host not in there]
    moved = [host for host in taken if host in there and there[host] != (taken[host], run)]
    rows = {host: {"number": taken[host], "run": run, "at": at} for host in taken}
    if new:
        connection.execute(insert(host_epochs), [{"inventory": inventory, "host": host} | rows[host] for host in new])
    if moved:
        of_host = host_epochs.c.inventory == inventory, host_epochs.c.host == bindparam("of_host")
        connection.execute(update(host_epochs).where(*of_host), [{"of_host": host} | rows[host] for host in moved])
    return taken
