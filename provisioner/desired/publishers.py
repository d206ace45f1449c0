"""Sites that push their streams: by which login each does, where, and how the relay is known there. Pure.

Each path has a user of its own, who may push that path and do nothing else. His password is made of the site's key in
the vault and of the path: so a camera more needs no new secret, and who learns one password learns no other one.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Network
from typing import NamedTuple

from provisioner.base.secret import Secret, mediamtx_hash
from provisioner.desired.encryption import shown_certificate
from provisioner.desired.paths import pulled_by_site
from provisioner.desired.required import carrier_secrets, relay_allocation, secret_of
from provisioner.desired.spec import ANYWHERE, RTSPS_PORT, MediaPath, PushedStream, PushEnd, User
from provisioner.desired.users import publisher_user
from provisioner.inventory.model import Carrier, CarrierSecrets, Connection, Facility, Inventory, Secrets
from provisioner.inventory.model.addresses import HostPlace

_PURPOSE = b"provisioner/publish/1\0"


def publish_password(key: Secret, path: str) -> Secret:
    """The password by which a site pushes a path: 256 bits, in letters that MediaMTX takes and an address carries."""
    made = hmac.new(key.reveal().encode(), _PURPOSE + path.encode(), hashlib.sha256).digest()
    return Secret(base64.urlsafe_b64encode(made).decode().rstrip("="))


def networks_of(carrier: Carrier) -> tuple[IPv4Network, ...]:
    """From where sites push to a carrier's relays; none where none may."""
    if carrier.publishers is None:
        return ()
    return tuple(sorted(set(carrier.publishers.networks))) or (ANYWHERE,)


def publishers(
    carrier: Carrier, secrets: CarrierSecrets, facilities: Mapping[str, Facility], paths: Iterable[MediaPath]
) -> Iterator[User]:
    """The users by whom sites push their paths to a relay, in the order of paths.

    Args:
        carrier: the relay's.
        secrets: the carrier's.
        facilities: those that the relay carries, by id.
        paths: the relay's paths, in order.

    Raises:
        SecretsError: the vault has no key of a site.
    """
    anywhere = tuple(map(str, carrier.publishers.networks)) if carrier.publishers else ()
    for path in paths:
        if path.access.is_pushed:
            gateway = facilities[path.facility].gateway
            addresses = tuple(map(str, gateway.public_addresses)) if gateway else ()
            password = publish_password(site_key(secrets, path.facility), path.name)
            name, hashed = publisher_user(path.name), mediamtx_hash(password)
            yield User(name, hashed, addresses or anywhere, "publish", publishes=path.name)


def site_key(secrets: CarrierSecrets, facility: str) -> Secret:
    """The key of which a site's passwords are made.

    Raises:
        SecretsError: the vault has none.
    """
    return secret_of(secrets.publish_keys, facility, "publish key")


class PushPlace(NamedTuple):
    """Where a site pushes, beside the login: a relay, its endpoint, and the certificate that it has to show.

    `following` is the certificate that it may show as well, as it is to be the next one; empty where there is none.
    """

    relay: str
    endpoint: tuple[HostPlace, int]
    fingerprint: str
    following: str = ""


def push_places(inventory: Inventory, facility: Facility) -> tuple[PushPlace, ...]:
    """The relays to which a facility pushes; none where hosts do not carry it, or it does not push.

    Raises:
        InventoryError: a relay has no certificate yet, or what is recorded is none.
    """
    pushed = (connection for connection in facility.connections if connection.plan.access.is_pushed)
    return tuple(_place(inventory, connection) for connection in pushed)


def _place(inventory: Inventory, connection: Connection) -> PushPlace:
    _, relay = inventory.relays[connection.relay]
    entry = relay_allocation(inventory, relay)
    shown, after = shown_certificate(entry.certificates, relay.id), entry.next_certificate
    following = shown_certificate(after.certificates, relay.id).fingerprint if after else ""
    return PushPlace(relay.id, (relay.wireguard_endpoint, RTSPS_PORT), shown.fingerprint, following)


def pushed_streams(inventory: Inventory, secrets: Secrets, facility: Facility) -> tuple[PushedStream, ...]:
    """What a site's gateway pulls from its devices and pushes, in the order of paths.

    While a province changes its carrier each stream is pushed to both relays.

    Raises:
        InventoryError: a relay has no certificate yet.
        SecretsError: a login, or the site's key, is missing from the vault.
    """
    connections = facility.connections
    carriers = [connection.plan.carrier for connection in connections]
    keys = [site_key(carrier_secrets(secrets, carrier), facility.id) for carrier in carriers]
    ends = list(zip(push_places(inventory, facility), keys, strict=True))
    return tuple(
        PushedStream(path, device, source, tuple(_end(place, key, path) for place, key in ends))
        for path, device, source in sorted(pulled_by_site(secrets, connections[0]))
    )


def _end(place: PushPlace, key: Secret, path: str) -> PushEnd:
    login = publisher_user(path), publish_password(key, path)
    return PushEnd(place.relay, place.endpoint, place.fingerprint, *login, place.following)
