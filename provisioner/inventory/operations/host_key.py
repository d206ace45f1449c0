"""The SSH host key of one host, as the file of its carrier or centre names it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from provisioner.base.errors import InventoryError, UsageError
from provisioner.base.nearest import did_you_mean
from provisioner.base.printable import printable
from provisioner.inventory.files.positions import KeyPath
from provisioner.inventory.model import Frame, Ssh
from provisioner.inventory.model.addresses import HostPlace
from provisioner.inventory.model.hosts import JumpHost
from provisioner.inventory.operations.file_edit import Edits, FileEdit, frame_of, text_of_file

_SHOWN = 80


@dataclass(frozen=True, slots=True)
class KeyedHost:
    """A host, and where its key stands.

    Attributes:
        id: its id.
        carriers: those that it serves.
        address: where SSH goes.
        ssh: how it is logged in to.
        jump: through which host, where there is one.
        file: its carrier's or centre's file.
        place: where in it the key stands.
    """

    id: str
    carriers: tuple[str, ...]
    address: HostPlace
    ssh: Ssh
    jump: JumpHost | None
    file: Path
    place: KeyPath


def keyed_host(edits: Edits, host: str) -> KeyedHost:
    """The host of an id; its vault, and what is wrong elsewhere in the inventory, are no matter.

    Raises:
        UsageError: there is no such host.
        InventoryError: the inventory cannot be understood, or the host is known by who signs its keys.
    """
    frame = frame_of(edits.load())
    known = _relay(edits.root, frame, host) or _centre(edits.root, frame, host)
    if known is None:
        hosts = sorted({*frame.relays, *frame.centres})
        hint = did_you_mean(host, hosts, f"hosts are: {', '.join(hosts) or 'none'}")
        raise UsageError(f"{printable(host, _SHOWN)} is no host of this inventory", hint=hint, object=host)
    if known.ssh.host_key is None and known.ssh.host_ca is not None:
        hint = "nothing has to be compared: whoever signs the carrier's host keys signs this one, and ssh looks at that"
        raise InventoryError(f"{host} is known by host_ca, and not by a key of its own", hint=hint, object=host)
    return known


def _relay(root: Path, frame: Frame, host: str) -> KeyedHost | None:
    if host not in frame.relays:
        return None
    carrier, relay = frame.relays[host]
    index = next(index for index, one in enumerate(carrier.relays) if one.id == host)
    file, place = root / "carriers" / f"{carrier.id}.yml", ("relays", index, "ssh", "host_key")
    return KeyedHost(host, (carrier.id,), relay.address, carrier.ssh_to(relay), carrier.jump_to(relay), file, place)


def _centre(root: Path, frame: Frame, host: str) -> KeyedHost | None:
    if host not in frame.centres:
        return None
    centre, file = frame.centres[host], root / "centres" / f"{host}.yml"
    carriers = tuple(name for name, carrier in frame.carriers.items() if host in carrier.centres)
    return KeyedHost(host, carriers, centre.address, centre.ssh_to, centre.jump_to, file, ("ssh", "host_key"))


def with_host_key(known: KeyedHost, host_key: str) -> FileEdit:
    """The smallest edit that names another key of a host.

    Raises:
        InventoryError: the file cannot be edited.
    """
    text = text_of_file(known.file)
    return FileEdit(known.id, known.file, text.data, text.with_values({known.place: host_key}).data)
