"""`keys init`: keys that are born on hosts, and the secrets that only the vault holds. Writes the lock.

A host's private keys and passwords stay on it; what comes back are a public key and hashes.
"""

from __future__ import annotations

import base64
import secrets as random
from collections.abc import Mapping
from typing import Any

from provisioner.desired.spec import HostKind, HostSpec, Tunnel
from provisioner.errors import HostError, InventoryError
from provisioner.hosts import CallOutcome, HostCall, HostRunner, unreadable
from provisioner.inventory.model import Allocations, CarrierSecrets, Inventory, Secrets
from provisioner.secret import Secret

KEYS_TIMEOUT_S = 60.0


def key_hosts(inventory: Inventory) -> tuple[HostSpec, ...]:
    """Give the hosts whose keys are to be made, with no more than is needed to call them.

    Raises:
        InventoryError: a host has no tunnel address yet.
    """
    lock = inventory.allocations
    missing = sorted((set(inventory.relays) - set(lock.relays)) | (set(inventory.centres) - set(lock.centres)))
    if missing:
        raise InventoryError(f"{missing[0]} has no tunnel address", hint="run: provisioner allocate", object=missing[0])
    specs = [
        HostSpec(
            relay.id,
            HostKind.RELAY,
            (carrier.id,),
            relay.address,
            relay.ssh,
            Secret(""),
            Tunnel(lock.relays[relay.id].tunnel_address, relay.wireguard_port, (), ()),
        )
        for carrier, relay in inventory.relays.values()
    ]
    specs += [
        HostSpec(
            centre.id,
            HostKind.CENTRE,
            (),
            centre.address,
            centre.ssh,
            Secret(""),
            Tunnel(lock.centres[centre.id].tunnel_address, None, (), ()),
        )
        for centre in inventory.centres.values()
    ]
    return tuple(sorted(specs, key=lambda s: s.id))


def make_host_keys(
    specs: tuple[HostSpec, ...], runner: HostRunner
) -> tuple[dict[str, Mapping[str, Any]], dict[str, HostError]]:
    """Let hosts make what they lack; give what each tells, and the error of each that does not answer."""
    calls = [HostCall(s, {"operation": "keys", "relay": s.kind is HostKind.RELAY}) for s in specs]
    answers = runner.call(calls, timeout_s=KEYS_TIMEOUT_S)
    made, errors = {}, {}
    for spec in specs:
        answer = answers[spec.id]
        if answer.outcome is CallOutcome.ANSWERED:
            made[spec.id] = answer.document
        else:
            errors[spec.id] = unreadable(spec, answer)
    return made, errors


def recorded(allocations: Allocations, made: Mapping[str, Mapping[str, Any]]) -> Allocations:
    """Give the lock with what hosts told of their keys. Pure."""
    relays = {k: v.model_copy(update=dict(made[k])) if k in made else v for k, v in allocations.relays.items()}
    centres = {
        k: v.model_copy(update={"public_key": made[k]["public_key"]}) if k in made else v
        for k, v in allocations.centres.items()
    }
    return allocations.model_copy(update={"relays": relays, "centres": centres})


def completed(inventory: Inventory, secrets: Secrets) -> Secrets:
    """Give the vault's secrets with what is missing drawn; what is there stays. Camera logins are people's."""
    carriers = dict(secrets.carriers)
    for carrier in inventory.carriers.values():
        known = carriers.get(carrier.id) or CarrierSecrets()
        sites = sorted(
            name
            for name, site in inventory.allocations.sites.items()
            if carrier.id in {site.carrier, site.successor.carrier if site.successor else None}
        )
        carriers[carrier.id] = CarrierSecrets(
            readers={c: known.readers.get(c) or _random() for c in sorted(carrier.centres)},
            site_psks={s: known.site_psks.get(s) or _psk() for s in sites},
            centre_psks={
                relay.id: {c: known.centre_psks.get(relay.id, {}).get(c) or _psk() for c in sorted(carrier.centres)}
                for relay in carrier.relays
            },
        )
    return secrets.model_copy(update={"carriers": carriers, "digest_key": secrets.digest_key or _random()})


def _random() -> Secret:
    return Secret(random.token_urlsafe(32))


def _psk() -> Secret:
    return Secret(base64.b64encode(random.token_bytes(32)).decode())
