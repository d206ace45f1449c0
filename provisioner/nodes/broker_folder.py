"""A folder with all that a broker needs: its file, an authority, and a certificate for everybody who dials in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from provisioner.base.atomic_file import replace_file, write_atomic
from provisioner.base.errors import UsageError
from provisioner.base.own_folder import make_own_folder
from provisioner.base.secret import Secret
from provisioner.nodes.authority import CertifiedKey, certificate_end, issued, new_authority
from provisioner.nodes.broker_file import BrokerFiles, broker_configuration
from provisioner.nodes.subjects import CONTROLLER, node_name

_AUTHORITY: Final = "ca"
_BROKER: Final = "broker"
_SOON_DAYS: Final = 30
"""A certificate that ends within so many days is made anew."""
_STORE: Final = "/var/lib/nats/provisioner"
CONFIGURATION: Final = "nats-server.conf"


@dataclass(frozen=True, slots=True)
class BrokerOrders:
    """What a broker's folder is to hold.

    Attributes:
        folder: it.
        places: the host names and addresses by which the broker is reached.
        carriers: those that have a node.
        port: where it listens.
        days: how long new certificates count.
    """

    folder: Path
    places: tuple[str, ...]
    carriers: tuple[str, ...]
    port: int
    days: int


def write_broker_folder(orders: BrokerOrders, now: datetime) -> list[str]:
    """Write what is not there yet or ends soon, and the broker's file: the names of what is new.

    Raises:
        UsageError: a file cannot be read or written.
    """
    try:
        make_own_folder(orders.folder)
        return list(_written(orders, now))
    except OSError as error:
        hint = "name a folder that you can write to, and nobody else"
        raise UsageError(f"{orders.folder} cannot be written: {error.strerror}", hint=hint) from None


def _written(orders: BrokerOrders, now: datetime) -> Iterator[str]:
    folder = orders.folder
    authority = _read(folder, _AUTHORITY)
    if authority is None:
        if any(folder.iterdir()):
            hint = "name an empty folder, or the one that this command has written, whole"
            raise UsageError(f"{folder} holds other files, and no authority", hint=hint)
        authority = new_authority(now)
        _write(folder, _AUTHORITY, authority)
        yield _AUTHORITY
    for name, places in _ends(orders):
        old = _read(folder, name)
        if old is None or certificate_end(old.certificate) < now + timedelta(days=_SOON_DAYS):
            _write(folder, name, _issued(authority, name, places, now, orders))
            yield name
    own = folder.absolute()
    files = BrokerFiles(str(own / "ca.pem"), str(own / "broker.pem"), str(own / "broker.key"), _STORE)
    text = broker_configuration(orders.carriers, files, f"[::]:{orders.port}")
    write_atomic(folder / CONFIGURATION, text, mode=0o600)
    yield CONFIGURATION


def _ends(orders: BrokerOrders) -> Iterator[tuple[str, Sequence[str]]]:
    yield _BROKER, orders.places
    yield CONTROLLER, ()
    yield from ((node_name(carrier), ()) for carrier in orders.carriers)


def _issued(
    authority: CertifiedKey, name: str, places: Sequence[str], now: datetime, orders: BrokerOrders
) -> CertifiedKey:
    try:
        return issued(authority, name, places, now, orders.days)
    except ValueError as error:
        hint = "its ca.pem and ca.key belong together; if they are lost, begin a new folder and hand all out anew"
        raise UsageError(f"{orders.folder}: {error}", hint=hint) from None


def _read(folder: Path, name: str) -> CertifiedKey | None:
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    if not certificate.exists() or not key.exists():
        return None
    try:
        return CertifiedKey(certificate.read_text(encoding="utf-8"), Secret(key.read_text(encoding="utf-8")))
    except UnicodeDecodeError:
        raise UsageError(f"{certificate} or its key is none", hint="take it away: it is made anew") from None


def _write(folder: Path, name: str, one: CertifiedKey) -> None:
    replace_file(folder / f"{name}.key", one.key.reveal().encode())
    replace_file(folder / f"{name}.pem", one.certificate.encode(), mode=0o644)
