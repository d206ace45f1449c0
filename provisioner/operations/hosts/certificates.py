"""Relays' certificates for readers: listed, renewed, or signed by a CA.

If sites push to a relay, a new certificate first becomes its next one. Their packages name both until the switch, since
sites refuse a certificate that their package does not name.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path
from types import MappingProxyType
from typing import NoReturn

from provisioner.base import certificate as x509
from provisioner.base.errors import InventoryError, PolicyError, UsageError
from provisioner.base.files import read_regular
from provisioner.base.secret import Secret
from provisioner.base.text import VIETNAM, did_you_mean
from provisioner.inventory.files.edit import write_lock
from provisioner.inventory.loader.frozen_secrets import valid_secrets
from provisioner.inventory.loader.secrets import write_carrier_secrets, write_inventory_secrets
from provisioner.inventory.model import hosts as host_models
from provisioner.inventory.model.inventory import Inventory
from provisioner.inventory.model.secrets import CarrierSecrets, HubSecrets, InventorySecrets, Secrets
from provisioner.inventory.new_secrets import with_host_keys
from provisioner.inventory.rules.lock import KEYS_MISSING
from provisioner.inventory.rules.logins import SECRETS_GAPS
from provisioner.operations.pipeline.session import Session

_BROKEN = "certificate-broken"
_MOST_BYTES = 64 * 1024
_RUN_KEYS = "run: provisioner keys init"


@dataclass(frozen=True, slots=True)
class RelayCertificate:
    """A relay's or hub's certificate."""

    relay: str
    carrier: str  #: Empty for a hub.
    shown: x509.ReaderCertificate | None
    warn_days: int  #: Days of warning before its end.
    following: x509.ReaderCertificate | None = None


@dataclass(frozen=True, slots=True)
class CertificateWritten:
    """A written certificate."""

    shown: x509.ReaderCertificate  #: In use from the next apply, or the next certificate.
    files: tuple[Path, ...]
    sites: tuple[str, ...] = ()  #: Pushing sites whose packages have to name a next certificate.


def recorded_certificates(inventory: Inventory) -> tuple[RelayCertificate, ...]:
    """Return certificates of relays and hubs that need one, sorted by id."""
    lock = inventory.allocations
    listed = [
        RelayCertificate(
            name,
            carrier.id,
            _certificate_in(lock.relays.get(name)),
            carrier.certificates.warn_days,
            _certificate_in(lock.relays[name].next_certificate if name in lock.relays else None),
        )
        for name, (carrier, _) in inventory.relays.items()
        if carrier.certificates is not None
    ]
    listed += [
        RelayCertificate(name, "", _certificate_in(lock.centres.get(name)), centre.hub.reader_tls.warn_days)
        for name, centre in inventory.centres.items()
        if centre.hub is not None
    ]
    return tuple(sorted(listed, key=lambda certificate: certificate.relay))


def _certificate_in(
    entry: host_models.RelayAllocation | host_models.CentreAllocation | host_models.NextCertificate | None,
) -> x509.ReaderCertificate | None:
    try:
        return x509.read_certificate(entry.certificates[0]) if entry and entry.certificates else None
    except ValueError:
        return None


def certificate_inventory(session: Session) -> Inventory:
    """Return the inventory; problems that certificates or `keys init` solve are tolerated."""
    return session.part(KEYS_MISSING | {_BROKEN}).inventory


def renew_certificate(
    session: Session, relay: str, now: datetime | None = None, *, at_once: bool = False
) -> CertificateWritten:
    """Make a key and self-signed certificate for a relay, or raise `UsageError`.

    Readers who know the former fingerprint need the new one; present readers are not cut. If sites push to the relay,
    it is the next certificate until `finish_certificate`, unless `at_once`.
    """
    target = _certificate_host(session, relay)
    target.refuse_next()
    moment = now or datetime.now(UTC)
    if not target.sites or at_once:
        key = x509.new_certificate_key()
        made = x509.self_signed(key, relay, target.address, moment, target.tls.days)
        # The key first: a certificate without its key is useless.
        vault = _store_key(session, target, key)
        return CertificateWritten(x509.read_certificate(made), (vault, _recorded(session, target, (made,))))
    # One that a call drew which was ended before it wrote the lock goes on.
    key = target.next_key or x509.new_certificate_key()
    made = x509.self_signed(key, relay, target.address, moment, target.tls.days)
    vault = _store_carrier_secrets(
        session, target, {"next_certificate_keys": {**target.tidied.next_certificate_keys, relay: key}}
    )
    lock = _recorded_next(session, target, (made,), moment)
    return CertificateWritten(x509.read_certificate(made), (vault, lock), target.sites)


#: Returns which of some facilities have the present package.
Carrying = Callable[[Session, Inventory, Collection[str]], Collection[str]]


def finish_certificate(
    session: Session, relay: str, carrying: Carrying, *, leaves: Collection[str] = ()
) -> CertificateWritten:
    """Make a relay's next certificate its present one, from the next apply.

    `leaves` are facilities that may lack a package with it. Raises `UsageError` without a next certificate,
    `PolicyError` if packages of some pushing sites, which are listed, may not name it, `StateError` for the record of
    packages.
    """
    target = _certificate_host(session, relay)
    after = target.following
    for name in leaves:
        if name not in target.inventory.facilities:
            raise UsageError(f"there is no facility {name} to be left", object=name)
    if after is None:
        if (
            target.entry.certificates and target.tidied != target.carrier_secrets
        ):  # a call was ended before it tidied the vault
            return CertificateWritten(
                x509.read_certificate(target.entry.certificates[0]), (_store_carrier_secrets(session, target),)
            )
        target.refuse_none()
    else:
        has_it = carrying(session, target.inventory, target.sites)
        if waiting := [name for name in target.sites if name not in has_it and name not in leaves]:
            message = f"{len(waiting)} of {relay} are not known to have a package with its next certificate:"
            hint = (
                "they would be refused when they come anew: hand packages out (provisioner site-package FACILITY --out"
                " DIR) and say which are installed (provisioner gateway installed FACILITY); a site that may be refused"
                " until somebody is there: --leave FACILITY"
            )
            raise PolicyError(f"{message} {', '.join(waiting)}", hint=hint, object=relay)
    chain = after.certificates if after else ()
    if x509.read_certificate(chain[0]).key not in {x509.key_of(key) for key in (target.next_key, target.key) if key}:
        hint = f"take it back, and draw another one: provisioner certificate renew {relay} --cancel"
        message = f"the vault has no key of the certificate that {relay} is to show next"
        raise InventoryError(message, hint=hint, object=relay)
    # The lock first: it says which certificate counts, and with it which key.
    files = [_recorded(session, target, chain)]
    tidied = with_host_keys(target.carrier_secrets, _with_entry(target, {"certificates": chain}), {relay})
    if tidied != target.carrier_secrets:
        files.append(_store_carrier_secrets(session, target, dict(tidied)))
    return CertificateWritten(x509.read_certificate(chain[0]), tuple(files))


def cancel_certificate(session: Session, relay: str) -> CertificateWritten:
    """Remove a relay's next certificate, or raise `UsageError`."""
    target = _certificate_host(session, relay)
    if target.following is None and target.next_key is None:
        target.refuse_none()
    present = x509.read_certificate(target.entry.certificates[0]) if target.entry.certificates else None
    if present is None:
        raise InventoryError(f"{relay} has no certificate yet", hint=_RUN_KEYS, object=relay)
    files = [_recorded(session, target, target.entry.certificates or ())] if target.following else []
    if target.next_key is not None:
        keys = {name: key for name, key in target.tidied.next_certificate_keys.items() if name != relay}
        files.append(_store_carrier_secrets(session, target, {"next_certificate_keys": keys}))
    return CertificateWritten(present, tuple(files), target.sites)


def certificate_request(session: Session, relay: str) -> str:
    """Return a signing request, also for a next key, or raise `UsageError`."""
    target = _certificate_host(session, relay)
    key = target.next_key if target.following else None
    return x509.signing_request(key or target.key, relay, target.address)


def set_certificate(
    session: Session, relay: str, file: Path, now: datetime | None = None, *, at_once: bool = False
) -> CertificateWritten:
    """Record a CA's chain (PEM), relay's own first; or raise `UsageError`."""
    target = _certificate_host(session, relay)
    following = target.next_key if target.following else None
    try:
        chain = x509.chain_in(read_regular(file, most=_MOST_BYTES))
        certificate = x509.read_certificate(chain[0])
        own_key = x509.key_of(following or target.key)
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}", hint="name a PEM file") from None
    except ValueError as error:
        hint = "name a PEM file with the relay's certificate first, and behind it those that signed it"
        raise UsageError(f"{file}: {error}", hint=hint) from None
    moment = now or datetime.now(UTC)
    refusal, hint = "", ""
    if certificate.key != own_key:
        refusal = f"its certificate is of another key than {relay}'s"
        hint = f"have this signed: provisioner certificate request {relay}"
    elif not certificate.since <= moment < certificate.until:
        refusal = (
            f"its certificate counts from {certificate.since:%Y-%m-%d} to {certificate.until:%Y-%m-%d}, and not now"
        )
        hint = "have another one signed"
    elif str(target.address) not in certificate.addresses:
        refusal = f"its certificate is not for {target.address}, where readers come to {relay}"
        hint = f"have this signed as it is: provisioner certificate request {relay}"
    if refusal:
        raise UsageError(f"{file}: {refusal}", hint=hint, object=relay)
    if target.sites and not at_once:
        return CertificateWritten(certificate, (_recorded_next(session, target, chain, moment),), target.sites)
    target.refuse_next()
    return CertificateWritten(certificate, (_recorded(session, target, chain),))


@dataclass(frozen=True)
class _CertificateHost:
    """A relay, or a hub if it has no carrier."""

    inventory: Inventory
    secrets: Secrets
    carrier: host_models.Carrier | None
    tls: host_models.ReaderTls
    entry: host_models.RelayAllocation | host_models.CentreAllocation
    address: IPv4Address
    host: str

    @property
    def carrier_secrets(self) -> CarrierSecrets:
        return (self.secrets.carriers.get(self.carrier.id) if self.carrier else None) or CarrierSecrets()

    @property
    def tidied(self) -> CarrierSecrets:
        """Known secrets, with the key of the present certificate in its place."""
        return with_host_keys(self.carrier_secrets, self.inventory.allocations, {self.host} if self.carrier else set())

    @property
    def following(self) -> host_models.NextCertificate | None:
        return self.entry.next_certificate if isinstance(self.entry, host_models.RelayAllocation) else None

    @property
    def next_key(self) -> Secret | None:
        return self.tidied.next_certificate_keys.get(self.host)

    @property
    def sites(self) -> tuple[str, ...]:
        """The facilities that push to the relay."""
        pushed = (c for c in self.inventory.connections if c.relay == self.host and c.plan.access.is_pushed)
        return tuple(sorted({connection.facility.id for connection in pushed}))

    def refuse_next(self) -> None:
        if self.following is not None:
            since, command = self.following.since.isoformat(), f"provisioner certificate renew {self.host}"
            message = f"{self.host} has a next certificate since {since}, which packages of sites that push name"
            raise UsageError(message, hint=f"{command} --finish; or take it back: {command} --cancel", object=self.host)

    def refuse_none(self) -> NoReturn:
        hint = f"draw one: provisioner certificate renew {self.host}"
        raise UsageError(f"{self.host} has no next certificate", hint=hint, object=self.host)

    @property
    def key(self) -> Secret:
        """The key of its certificate; `InventoryError` if missing."""
        if self.carrier:
            key = self.tidied.certificate_keys.get(self.host)
        else:
            hub = self.secrets.hubs.get(self.host)
            key = hub.certificate_key if hub else None
        if key is None:
            raise InventoryError(f"{self.host} has no key for a certificate yet", hint=_RUN_KEYS, object=self.host)
        return key


def _certificate_host(session: Session, host: str) -> _CertificateHost:
    part = session.part(KEYS_MISSING | {_BROKEN})
    inventory, lock = part.inventory, part.inventory.allocations
    names = {*inventory.relays, *(name for name, centre in inventory.centres.items() if centre.hub)}
    if host not in names:
        hint = did_you_mean(host, sorted(names), "name a relay of the inventory, or a hub")
        raise UsageError(f"there is no relay {host}, and no such hub", hint=hint, object=host)
    carrier = inventory.relays[host][0] if host in inventory.relays else None
    hub = None if carrier else inventory.centres[host].hub
    tls = carrier.certificates if carrier else hub.reader_tls if hub else None
    if tls is None:
        named = carrier.id if carrier else host
        hint = f"write reader_tls in carriers/{named}.yml, if readers are to come encrypted"
        raise UsageError(f"{host} shows readers no certificate: {named} has no reader_tls", hint=hint, object=host)
    _, secrets = valid_secrets(session.root, session.passwords, part, tolerate=SECRETS_GAPS)
    entry = lock.relays.get(host) or lock.centres.get(host)
    if entry is None:
        raise InventoryError(f"{host} has no tunnel address yet", hint="run: provisioner allocate", object=host)
    return _CertificateHost(inventory, secrets, carrier, tls, entry, hub.address if hub else entry.tunnel_address, host)


def _store_key(session: Session, target: _CertificateHost, key: Secret) -> Path:
    if target.carrier is not None:
        return _store_carrier_secrets(
            session, target, {"certificate_keys": {**target.tidied.certificate_keys, target.host: key}}
        )
    if target.secrets.digest_key is None:
        raise InventoryError("the vault holds no digest key", hint=_RUN_KEYS, object=target.host)
    of_hub = (target.secrets.hubs.get(target.host) or HubSecrets()).model_copy(update={"certificate_key": key})
    hubs = {**target.secrets.hubs, target.host: of_hub}
    new_secrets = InventorySecrets(digest_key=target.secrets.digest_key, hubs=hubs)
    write_inventory_secrets(session.root, new_secrets, session.passwords)
    return session.root / "secrets/inventory.yml"


def _store_carrier_secrets(
    session: Session, target: _CertificateHost, changes: Mapping[str, object] = MappingProxyType({})
) -> Path:
    name = target.carrier.id if target.carrier else ""
    write_carrier_secrets(session.root, name, target.tidied.model_copy(update=dict(changes)), session.passwords)
    return session.root / f"secrets/carriers/{name}.yml"


def _recorded(session: Session, target: _CertificateHost, chain: tuple[str, ...]) -> Path:
    nothing = {"next_certificate": None} if target.carrier else {}
    return _written(session, target, {"certificates": chain, **nothing})


def _recorded_next(session: Session, target: _CertificateHost, chain: tuple[str, ...], moment: datetime) -> Path:
    since = moment.astimezone(VIETNAM).date()
    return _written(session, target, {"next_certificate": host_models.NextCertificate(certificates=chain, since=since)})


def _written(session: Session, target: _CertificateHost, changes: Mapping[str, object]) -> Path:
    return write_lock(session.root, _with_entry(target, changes))


def _with_entry(target: _CertificateHost, changes: Mapping[str, object]) -> host_models.Allocations:
    lock = target.inventory.allocations
    entry = target.entry.model_copy(update=dict(changes))
    kind = "relays" if target.carrier else "centres"
    entries = {**getattr(lock, kind), target.host: entry}
    return lock.model_copy(update={kind: entries})
