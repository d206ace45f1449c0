"""Hosts that a change introduces: no pipeline may call them.

Otherwise a merge request could make a pipeline log in to a host that the target branch lacks.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Final

from provisioner.base.errors import HostError, InventoryError
from provisioner.desired.limit import HostLogin, host_logins
from provisioner.inventory.files.revision import tree_of
from provisioner.inventory.loader.load import load
from provisioner.inventory.model.inventory import Inventory

_WITHOUT_HOSTS: Final = frozenset({"facilities", "secrets", "allocations.lock.yml"})


def introduced_hosts(inventory: Inventory, root: Path, name: str, today: date) -> dict[str, HostError]:
    """Return an error for each host whose login differs from a revision.

    Address, user, host key and jump host each suffice to lead a login and its data to another machine. `name` is
    the trusted revision, e.g. `origin/main`; `today` is the date for designations.

    Raises:
        InventoryError: the revision's inventory is unreadable.
        UsageError: there is no such revision.
    """
    tree = tree_of(root, name)
    # A country's facilities take seconds to read, and have no SSH settings of hosts.
    with tree.laid_out([path for path in tree.objects if path.partition("/")[0] not in _WITHOUT_HOSTS]) as folder:
        base_inventory = load(folder, today=today).frame
        if base_inventory is None:
            hint = "name a revision whose carriers and centres can be read"
            raise InventoryError(f"the inventory of {name} cannot be read: no host is known by it", hint=hint)
        before = host_logins(base_inventory.with_facilities({}))
    now = host_logins(inventory)
    return {
        host: _changed_login_error(host, before.get(host), login, name)
        for host, login in now.items()
        if before.get(host) != login
    }


def _changed_login_error(host: str, before: HostLogin | None, login: HostLogin, name: str) -> HostError:
    hint = "a person merges it, and makes the first plan with it on that branch"
    if before is None:
        return HostError(f"{host} ({login.place}) is not in {name}: nobody logs in there", hint=hint, object=host)
    moved = [
        f"{field} was {old or 'none'} and is {new or 'none'}"
        for field, old, new in (
            ("its place", before.place, login.place),
            ("its host key", before.host_key, login.host_key),
            ("its jump host", before.jump, login.jump),
        )
        if old != new
    ]
    text = f"{host} is logged in to in another way than in {name}, so nobody does: {'; '.join(moved)}"
    return HostError(text, hint=hint, object=host)
