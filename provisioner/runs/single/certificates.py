"""The certificates that relays show readers: which there are, another one, and those that a CA signed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from provisioner.base.certificate import (
    ReaderCertificate,
    chain_in,
    key_of,
    new_certificate_key,
    read_certificate,
    self_signed,
    signing_request,
)
from provisioner.base.errors import InventoryError, UsageError
from provisioner.base.nearest import did_you_mean
from provisioner.base.regular_file import read_regular
from provisioner.base.secret import Secret
from provisioner.inventory.files.lock import write_lock
from provisioner.inventory.loader.held_secrets import valid_secrets
from provisioner.inventory.loader.secrets import write_carrier_secrets
from provisioner.inventory.model import Carrier, Inventory, RelayAllocation, Secrets
from provisioner.inventory.rules import GATEWAY_KEY_MISSING, HOST_KEYS_MISSING
from provisioner.inventory.rules.logins import LOGIN_MISSING, SECRETS_MISSING
from provisioner.pipeline import Session

_BROKEN = "certificate-broken"
_MOST_BYTES = 64 * 1024
_RUN_KEYS = "run: provisioner keys init"


@dataclass(frozen=True, slots=True)
class RelayCertificate:
    """What a relay is to show readers.

    Attributes:
        relay: its id; `carrier` is its carrier's.
        shown: the certificate; None where none is recorded.
        warn_days: how many days before its end people are warned.
    """

    relay: str
    carrier: str
    shown: ReaderCertificate | None
    warn_days: int


@dataclass(frozen=True, slots=True)
class CertificateWritten:
    """What was written.

    Attributes:
        shown: the relay's certificate from now on.
        files: the files of the inventory that are other ones now.
    """

    shown: ReaderCertificate
    files: tuple[Path, ...]


def recorded_certificates(inventory: Inventory) -> tuple[RelayCertificate, ...]:
    """The certificates of all relays that have to show one, in the order of relays."""
    listed = []
    for name, (carrier, _) in sorted(inventory.relays.items()):
        if carrier.reader_tls is not None:
            entry = inventory.allocations.relays.get(name)
            listed.append(RelayCertificate(name, carrier.id, _shown(entry), carrier.reader_tls.warn_days))
    return tuple(listed)


def _shown(entry: RelayAllocation | None) -> ReaderCertificate | None:
    try:
        return read_certificate(entry.certificates[0]) if entry and entry.certificates else None
    except ValueError:
        return None


def certificate_inventory(session: Session) -> Inventory:
    """The inventory, valid but for what `keys init` and this are there to mend.

    Raises:
        InventoryError: it is invalid.
    """
    return session.part({HOST_KEYS_MISSING, GATEWAY_KEY_MISSING, _BROKEN}).inventory


def renew_certificate(session: Session, relay: str, now: datetime | None = None) -> CertificateWritten:
    """Draw another key for a relay, and have it sign its own certificate.

    Readers that know the former one by its fingerprint have to be told of the new one; nobody who reads is cut.

    Args:
        session: the inventory.
        relay: the relay's id.
        now: the moment; this one if left out.

    Raises:
        UsageError: there is no such relay, or its carrier's readers come without encryption.
        InventoryError, SecretsError: the inventory is invalid, or its vault cannot be opened.
    """
    asked = _asked(session, relay)
    days = asked.carrier.reader_tls.days if asked.carrier.reader_tls else 0
    key = new_certificate_key()
    made = self_signed(key, relay, asked.entry.tunnel_address, now or datetime.now(UTC), days)
    own = asked.secrets.carriers[asked.carrier.id]
    keys = {**own.certificate_keys, relay: key}
    # The key first: a certificate without its key would be one that nobody can show.
    renewed = own.model_copy(update={"certificate_keys": keys})
    write_carrier_secrets(session.root, asked.carrier.id, renewed, session.passwords)
    vault = session.root / f"secrets/carriers/{asked.carrier.id}.yml"
    return CertificateWritten(read_certificate(made), (vault, _recorded(session, asked, (made,))))


def certificate_request(session: Session, relay: str) -> str:
    """What a CA is asked to sign for a relay: a request with the relay's id and address, by the key in the vault.

    Raises:
        UsageError: there is no such relay, or its carrier's readers come without encryption.
        InventoryError, SecretsError: the inventory is invalid, or the vault cannot be opened or has no key.
    """
    asked = _asked(session, relay)
    return signing_request(asked.key, relay, asked.entry.tunnel_address)


def set_certificate(session: Session, relay: str, file: Path, now: datetime | None = None) -> CertificateWritten:
    """Record the certificate that a CA signed for a relay's key, with those behind it.

    Args:
        session: the inventory.
        relay: the relay's id.
        file: PEM, the relay's own certificate first.
        now: the moment; this one if left out.

    Raises:
        UsageError: there is no such relay, the file cannot be read, or holds what is not the relay's.
        InventoryError, SecretsError: the inventory is invalid, or its vault cannot be opened.
    """
    asked = _asked(session, relay)
    try:
        chain = chain_in(read_regular(file, most=_MOST_BYTES))
        shown = read_certificate(chain[0])
        own_key = key_of(asked.key)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}", hint="name a PEM file") from None
    except ValueError as error:
        hint = "name a PEM file with the relay's certificate first, and behind it those that signed it"
        raise UsageError(f"{file}: {error}", hint=hint) from None
    moment = now or datetime.now(UTC)
    refusal, hint = "", ""
    if shown.key != own_key:
        refusal = f"its certificate is of another key than {relay}'s"
        hint = f"have this signed: provisioner certificate request {relay}"
    elif not shown.since <= moment < shown.until:
        refusal = f"its certificate counts from {shown.since:%Y-%m-%d} to {shown.until:%Y-%m-%d}, and not now"
        hint = "have another one signed"
    elif str(asked.entry.tunnel_address) not in shown.addresses:
        refusal = f"its certificate is not for {asked.entry.tunnel_address}, where readers come to {relay}"
        hint = f"have this signed as it is: provisioner certificate request {relay}"
    if refusal:
        raise UsageError(f"{file}: {refusal}", hint=hint, object=relay)
    return CertificateWritten(shown, (_recorded(session, asked, chain),))


@dataclass(frozen=True)
class _Asked:
    inventory: Inventory
    secrets: Secrets
    carrier: Carrier
    entry: RelayAllocation
    relay: str

    @property
    def key(self) -> Secret:
        key = self.secrets.carriers[self.carrier.id].certificate_keys.get(self.relay)
        if key is None:
            raise InventoryError(f"{self.relay} has no key for a certificate yet", hint=_RUN_KEYS, object=self.relay)
        return key


def _asked(session: Session, relay: str) -> _Asked:
    part = session.part({HOST_KEYS_MISSING, GATEWAY_KEY_MISSING, _BROKEN})
    inventory = part.inventory
    if relay not in inventory.relays:
        hint = did_you_mean(relay, sorted(inventory.relays), "name a relay of the inventory")
        raise UsageError(f"there is no relay {relay}", hint=hint, object=relay)
    carrier, _ = inventory.relays[relay]
    if carrier.reader_tls is None:
        hint = f"write reader_tls in carriers/{carrier.id}.yml, if readers are to come encrypted"
        message = f"{relay} shows readers no certificate: {carrier.id} has no reader_tls"
        raise UsageError(message, hint=hint, object=relay)
    _, secrets = valid_secrets(session.root, session.passwords, part, tolerate={SECRETS_MISSING, LOGIN_MISSING})
    entry = inventory.allocations.relays.get(relay)
    if entry is None or carrier.id not in secrets.carriers:
        raise InventoryError(f"{relay} has no keys yet", hint=_RUN_KEYS, object=relay)
    return _Asked(inventory, secrets, carrier, entry, relay)


def _recorded(session: Session, asked: _Asked, chain: tuple[str, ...]) -> Path:
    lock = asked.inventory.allocations
    entry = asked.entry.model_copy(update={"certificates": chain})
    return write_lock(session.root, lock.model_copy(update={"relays": {**lock.relays, asked.relay: entry}}))
