"""Additions of `keys init`: public keys and hashes in the lock, secrets."""

import base64
import secrets as random
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime

from provisioner.base.secret import Secret, host_digest_key
from provisioner.inventory.model.facility import Operating
from provisioner.inventory.model.hosts import Allocations, CentreAllocation, RelayAllocation
from provisioner.inventory.model.inventory import Inventory
from provisioner.inventory.model.secrets import CarrierSecrets, HubSecrets, NextPsk, Secrets


def recorded(allocations: Allocations, made: Mapping[str, Mapping[str, object]]) -> Allocations:
    """Return the lock with the keys that hosts reported. Pure."""
    # A sealed key differs each time, so an existing one that fits stays.
    relays = {k: _with_new_keys(v, made[k]) if k in made else v for k, v in allocations.relays.items()}
    centres = {k: v.model_copy(update=dict(made[k])) if k in made else v for k, v in allocations.centres.items()}
    return allocations.model_copy(update={"relays": relays, "centres": centres})


def _with_new_keys(relay: RelayAllocation, made: Mapping[str, object]) -> RelayAllocation:
    new = relay.model_copy(update=dict(made))
    old, sealed = relay.sealed_key, new.sealed_key
    fits = old and sealed and (old.recovery, old.public_key) == (sealed.recovery, sealed.public_key)
    return new.model_copy(update={"sealed_key": old}) if fits else new


def completed(
    inventory: Inventory, secrets: Secrets, carriers_with_own_logins: Collection[str] = (), frozen: Collection[str] = ()
) -> Secrets:
    """Return the secrets with missing ones generated, except camera logins.

    An unopened file gets no new secrets, and secrets of frozen facilities (`frozen`) stay. Carriers with own logins get
    the keys of their hosts.
    """
    carriers = dict(secrets.carriers)
    digest_key = secrets.digest_key
    if digest_key is None and "secrets/inventory" not in secrets.shut:
        digest_key = _random()
    for carrier in inventory.carriers.values():
        if f"secrets/carriers/{carrier.id}" in secrets.shut:
            continue
        stored = carriers.get(carrier.id) or CarrierSecrets()
        sites = sorted(
            name
            for name, site in inventory.allocations.sites.items()
            if carrier.id in {site.carrier, site.successor.carrier if site.successor else None} and name not in frozen
        )
        pushing = sorted(name for name in _pushing_facilities(inventory, carrier.id) if name not in frozen)
        stored = tidied(stored, inventory)
        tls_relays = {relay.id for relay in carrier.relays if carrier.certificates}
        stored = with_host_keys(stored, inventory.allocations, tls_relays)
        frozen_psks = {name: psk for name, psk in stored.site_psks.items() if name in frozen}
        carriers[carrier.id] = CarrierSecrets(
            readers={c: stored.readers.get(c) or _random() for c in sorted(carrier.centres)},
            site_psks=frozen_psks | {s: stored.site_psks.get(s) or _psk() for s in sites},
            centre_psks={
                relay.id: {c: stored.centre_psks.get(relay.id, {}).get(c) or _psk() for c in sorted(carrier.centres)}
                for relay in carrier.relays
            },
            certificate_keys={r: stored.certificate_keys.get(r) or _certificate_key() for r in sorted(tls_relays)},
            next_certificate_keys={r: key for r, key in stored.next_certificate_keys.items() if r in tls_relays},
            viewers={v.id: stored.viewers.get(v.id) or _random() for v in inventory.viewers_of(carrier)},
            host_keys=_host_keys(
                inventory.hosts_of_carrier(carrier),
                stored,
                digest_key if carrier.id in carriers_with_own_logins else None,
            ),
            next_psks={name: psk for name, psk in stored.next_psks.items() if name in frozen or name in sites},
            publish_keys={name: key for name, key in stored.publish_keys.items() if name in frozen}
            | {name: stored.publish_keys.get(name) or _random() for name in pushing},
        )
    hubs = secrets.hubs if "secrets/inventory" in secrets.shut else _hub_secrets(inventory, secrets)
    return secrets.model_copy(update={"carriers": carriers, "digest_key": digest_key, "hubs": hubs})


def _pushing_facilities(inventory: Inventory, carrier: str) -> Iterator[str]:
    for facility in inventory.facilities.values():
        plans = () if facility.operating is Operating.CLOSED else (facility.plan, facility.successor)
        if any(plan and plan.access.is_pushed and plan.carrier == carrier for plan in plans):
            yield facility.id


def _hub_secrets(inventory: Inventory, secrets: Secrets) -> dict[str, HubSecrets]:
    hubs = {}
    for centre in inventory.centres.values():
        if centre.hub is not None:
            stored = secrets.hubs.get(centre.id) or HubSecrets()
            hubs[centre.id] = HubSecrets(
                viewers={v.id: stored.viewers.get(v.id) or _random() for v in centre.viewers},
                certificate_key=stored.certificate_key or _certificate_key(),
            )
    return hubs


def tidied(stored: CarrierSecrets, inventory: Inventory, facilities: Collection[str] | None = None) -> CarrierSecrets:
    """Make next pre-shared keys present after key changes; frozen facilities stay."""
    sites = inventory.facilities if facilities is None else facilities
    gateways = ((name, inventory.facilities[name].gateway) for name in sites if name in inventory.facilities)
    present = {name: gateway.public_key for name, gateway in gateways if gateway}
    finished = {name for name, psk in stored.next_psks.items() if (key := present.get(name)) and key != psk.follows}
    if not finished:
        return stored
    site_psks = stored.site_psks | {name: stored.next_psks[name].psk for name in sorted(finished)}
    following = {name: psk for name, psk in stored.next_psks.items() if name not in finished}
    return stored.model_copy(update={"site_psks": site_psks, "next_psks": following})


def with_next_psks(stored: CarrierSecrets, inventory: Inventory, facilities: Collection[str]) -> CarrierSecrets:
    """Generate missing pre-shared keys for the next keys of these gateways."""
    stored = tidied(stored, inventory, facilities)
    drawn = dict(stored.next_psks)
    for name in sorted(facilities):
        facility = inventory.facilities.get(name)
        gateway = facility.gateway if facility else None
        if gateway is not None and gateway.public_key and name not in drawn:
            drawn[name] = NextPsk(psk=_psk(), follows=gateway.public_key)
    return stored.model_copy(update={"next_psks": drawn})


def _host_keys(hosts: Iterable[str], stored: CarrierSecrets, digest_key: Secret | None) -> dict[str, Secret]:
    """Return the existing digest keys of a carrier's hosts."""
    # An unknown key is not generated: it would make the host's digests invalid.
    keys = {host: host_digest_key(digest_key, host) for host in hosts} if digest_key else {}
    return keys | {host: stored.host_keys[host] for host in hosts if host in stored.host_keys}


def with_host_keys(stored: CarrierSecrets, lock: Allocations, relays: Collection[str]) -> CarrierSecrets:
    """Make a next certificate's key present if the lock says so. Pure."""
    # Only the lock says which certificate is present, so the key is right whenever this runs.
    finished = {name: key for name in relays if (key := next_key_in_use(stored, lock.relays.get(name), name))}
    if not finished:
        return stored
    following = {name: key for name, key in stored.next_certificate_keys.items() if name not in finished}
    keys = {**stored.certificate_keys, **finished}
    return stored.model_copy(update={"certificate_keys": keys, "next_certificate_keys": following})


def next_key_in_use(stored: CarrierSecrets, entry: RelayAllocation | None, relay: str) -> Secret | None:
    """Return a relay's next key if its present certificate already uses it."""
    following = stored.next_certificate_keys.get(relay)
    return following if following is not None and entry is not None and _certificate_has_key(entry, following) else None


def certified(inventory: Inventory, secrets: Secrets, now: datetime) -> Allocations:
    """Return the lock with missing certificates of relays and hubs. Pure."""
    # An existing certificate of the same key stays, whoever signed it. A host whose key is unreadable is left out.
    from provisioner.base.certificate import self_signed  # noqa: PLC0415 (it takes time)

    lock = inventory.allocations
    relays = dict(lock.relays)
    for carrier in inventory.carriers.values():
        tls, carrier_secrets = carrier.certificates, secrets.carriers.get(carrier.id)
        for relay in carrier.relays if tls and carrier_secrets else ():
            entry, key = (
                relays.get(relay.id),
                carrier_secrets.certificate_keys.get(relay.id) if carrier_secrets else None,
            )
            if tls and entry and key and not _certificate_has_key(entry, key):
                certificate = self_signed(key, relay.id, entry.tunnel_address, now, tls.days)
                relays[relay.id] = entry.model_copy(update={"certificates": (certificate,)})
    centres = dict(lock.centres)
    for centre in inventory.centres.values():
        hub_secrets, hub, allocation = secrets.hubs.get(centre.id), centre.hub, centres.get(centre.id)
        if (
            hub
            and allocation
            and hub_secrets
            and hub_secrets.certificate_key
            and not _certificate_has_key(allocation, hub_secrets.certificate_key)
        ):
            certificate = self_signed(hub_secrets.certificate_key, centre.id, hub.address, now, hub.reader_tls.days)
            centres[centre.id] = allocation.model_copy(update={"certificates": (certificate,)})
    same = relays == lock.relays and centres == lock.centres
    return lock if same else lock.model_copy(update={"relays": relays, "centres": centres})


def _certificate_has_key(entry: RelayAllocation | CentreAllocation, key: Secret) -> bool:
    from provisioner.base.certificate import key_of, read_certificate  # noqa: PLC0415

    try:
        return entry.certificates is not None and read_certificate(entry.certificates[0]).key == key_of(key)
    except (IndexError, ValueError):
        return False


def _certificate_key() -> Secret:
    from provisioner.base.certificate import new_certificate_key  # noqa: PLC0415

    return new_certificate_key()


def _random() -> Secret:
    return Secret(random.token_urlsafe(32))


def _psk() -> Secret:
    return Secret(base64.b64encode(random.token_bytes(32)).decode())
