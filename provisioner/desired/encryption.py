"""Encryption of readers' connections, from the certificate and its key. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from provisioner.base.errors import InventoryError
from provisioner.base.secret import Secret
from provisioner.desired.required import recorded
from provisioner.desired.spec import ReaderEncryption
from provisioner.inventory.model.hosts import ReaderTls

if TYPE_CHECKING:
    from provisioner.base.certificate import ReaderCertificate


def encryption_of(tls: ReaderTls, key: Secret, certificates: Sequence[str] | None, host: str) -> ReaderEncryption:
    """Return a host's encryption of readers' connections.

    `key` is from the vault, `certificates` are from the lock. A missing or invalid certificate raises `InventoryError`.
    """
    from provisioner.base.certificate import server_file  # noqa: PLC0415 (few hosts have certificates)

    served = served_certificate(certificates, host)
    server = server_file(key, certificates or ())
    return ReaderEncryption(tls.encryption == "strict", server, served.fingerprint, served.until, tls.warn_days)


def served_certificate(certificates: Sequence[str] | None, host: str) -> ReaderCertificate:
    """Return a host's present certificate in the lock, or raise `InventoryError`."""
    from provisioner.base.certificate import read_certificate  # noqa: PLC0415

    chain = recorded(certificates or None, "its certificate", host, "keys init")
    try:
        return read_certificate(chain[0])
    except ValueError as error:
        hint = f"take allocations.lock.yml back from Git, or run: provisioner certificate renew {host}"
        raise InventoryError(f"{host}: its certificate: {error}", hint=hint, object=host) from None
