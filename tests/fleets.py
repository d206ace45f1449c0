"""Factories of desired states: an inventory of plain values, allocated, with keys that are told by names."""

import base64
import hashlib
from collections.abc import Collection
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

from provisioner.base.certificate import new_certificate_key, self_signed
from provisioner.base.secret import Secret
from provisioner.base.text import VIETNAM
from provisioner.desired.render.host import RenderedFile, render_host
from provisioner.desired.render.site import Validity, valid_for
from provisioner.desired.render.templates import Templates, load_templates
from provisioner.desired.spec import DesiredState
from provisioner.desired.state import desired_state
from provisioner.inventory.allocation import allocate
from provisioner.inventory.model.devices import device_of
from provisioner.inventory.model.hosts import NextCertificate
from provisioner.inventory.model.inventory import Inventory
from provisioner.inventory.model.secrets import CarrierSecrets, Credentials, HubSecrets, NextPsk, Secrets
from provisioner.inventory.new_secrets import certified, recorded
from tests import inventories


@cache
def templates() -> Templates:
    """The project's own templates."""
    return load_templates()


#: The days of packages that nobody installs: the same at all times.
VALID = Validity(date(2021, 6, 12), date(2021, 7, 12))


def valid_now() -> Validity:
    """The days of a package that is made today."""
    return valid_for(datetime.now(VIETNAM).date(), 30)


def facility(name: str = "kcl-bg-001", count: int = 2, **changes: Any) -> dict[str, Any]:
    """A facility with so many cameras of its own, a key, and an agreed plan."""
    listed = [inventories.camera(f"cam-{n:02}", 10 + n) for n in range(1, count + 1)]
    plain = inventories.facility(name, cameras=listed)
    plain["gateway"] = plain["gateway"] | {"public_key": inventories.public_key(name)}
    return inventories.signed(plain | changes)


def routed(name: str, count: int = 2, **changes: Any) -> dict[str, Any]:
    """The same with a LAN of its own, as its number has it, to which the carrier's network leads by no tunnel."""
    plain = facility(name, count)
    number = int(name.rpartition("-")[2])
    plain["gateway"] = {"lan": f"10.120.{number}.0/24"}
    plain["plan"] = plain["plan"] | {"access": "routed"}
    plain |= changes
    for kind in ("cameras", "recorders"):
        devices = [one | _moved_to(one, number) for one in plain.get(kind, ())]
        plain[kind] = devices
    return inventories.signed(plain)


def _moved_to(device: dict[str, Any], number: int) -> dict[str, str]:
    last = str(device.get("address", "")).rpartition(".")[2]
    return {"address": f"10.120.{number}.{last}"} if last else {}


def pushing(name: str = "kcl-bg-001", count: int = 2, **changes: Any) -> dict[str, Any]:
    """The same with a Linux machine in its network that pushes to the relay; it has no key."""
    plain = inventories.facility(name)
    gateway = {"lan": plain["gateway"]["lan"]}
    return facility(name, count, **({"plan": plain["plan"] | {"access": "publish"}, "gateway": gateway} | changes))


def of_mode(mode: str, name: str = "kcl-bg-001", count: int = 2, **changes: Any) -> dict[str, Any]:
    """A facility that its relay reaches in an access mode."""
    if mode == "routed":
        return routed(name, count, **changes)
    if mode == "publish":
        return pushing(name, count, **changes)
    plan = inventories.facility(name)["plan"] | {"access": mode}
    return facility(name, count, **({"plan": plan} | changes))


def complete(inventory: Inventory, held: Collection[str] = ()) -> Inventory:
    """An inventory with addresses and host keys, as `allocate` and `keys init` would leave it."""
    lock = allocate(inventory, held)
    keys = {host: _keys(host) for host in (*lock.relays, *lock.centres)}
    for name, centre in inventory.centres.items():
        if centre.hub is None:
            keys[name] = {"public_key": keys[name]["public_key"]}
    whole = inventories.with_lock(inventory, recorded(lock, keys))
    hubs = any(centre.hub for centre in inventory.centres.values())
    encrypted = hubs or any(carrier.certificates for carrier in inventory.carriers.values())
    return inventories.with_lock(whole, certified(whole, secrets_of(whole), CERTIFIED_AT)) if encrypted else whole


def with_next_certificate(inventory: Inventory, relay: str) -> Inventory:
    """The same with another certificate that a relay is to show next, of a key of its own."""
    lock = inventory.allocations
    entry = lock.relays[relay]
    made = self_signed(certificate_key(f"the next one of {relay}"), relay, entry.tunnel_address, CERTIFIED_AT, 730)
    following = NextCertificate(certificates=(made,), since=CERTIFIED_AT.date())
    changed = entry.model_copy(update={"next_certificate": following})
    return inventories.with_lock(inventory, lock.model_copy(update={"relays": {**lock.relays, relay: changed}}))


CERTIFIED_AT = datetime(2021, 5, 1, tzinfo=UTC)  #: When the certificates of these inventories were made.


@cache
def certificate_key(_relay: str) -> Secret:
    """The key of a relay's certificate: the same one as long as the process lives."""
    return new_certificate_key()


def _keys(host: str) -> dict[str, str]:
    hashed = {name: "sha256:" + _digest(f"{host}/{name}") for name in ("api_hash", "probe_hash")}
    return {"public_key": inventories.public_key(host), **hashed}


def _digest(name: str) -> str:
    return base64.b64encode(hashlib.sha256(name.encode()).digest()).decode()


def secrets_of(inventory: Inventory, password: str = "mật khẩu@:/#?%$G1") -> Secrets:
    """Secrets that are told by names, one password for all cameras."""
    carriers = {
        carrier.id: CarrierSecrets(
            readers={centre: Secret(f"reader-{carrier.id}-{centre}") for centre in carrier.centres},
            certificate_keys={r.id: certificate_key(r.id) for r in carrier.relays if carrier.certificates},
            viewers={v.id: Secret(f"viewer-{carrier.id}-{v.id}") for v in inventory.viewers_of(carrier)},
            publish_keys={
                site.id: Secret(f"publish-{carrier.id}-{site.id}")
                for site in inventory.facilities.values()
                if any(plan.access.is_pushed for plan in (site.plan, site.successor) if plan)
            },
            site_psks={site: Secret(_digest(f"psk/{site}")) for site in inventory.allocations.sites},
            centre_psks={
                r.id: {c: Secret(_digest(f"psk/{r.id}/{c}")) for c in carrier.centres} for r in carrier.relays
            },
            next_psks={
                site.id: NextPsk(psk=Secret(_digest(f"psk/next/{site.id}")), follows=site.gateway.public_key)
                for site in inventory.facilities.values()
                if site.gateway and site.gateway.public_key and site.gateway.next_key
            },
        )
        for carrier in inventory.carriers.values()
    }
    logins = {
        site.id: {device_of(c): Credentials(username="admin", password=Secret(password)) for c in site.cameras}
        for site in inventory.facilities.values()
    }
    hubs = {
        centre.id: HubSecrets(
            viewers={v.id: Secret(f"viewer-{centre.id}-{v.id}") for v in centre.viewers},
            certificate_key=certificate_key(centre.id),
        )
        for centre in inventory.centres.values()
        if centre.hub
    }
    return Secrets(digest_key=Secret("digest-key"), cameras=logins, carriers=carriers, hubs=hubs)


def state_of(inventory: Inventory, password: str = "mật khẩu@:/#?%$G1") -> DesiredState:
    """The desired state of an inventory that lacks nothing but what this module adds."""
    whole = complete(inventory)
    return desired_state(whole, secrets_of(whole, password))


def files_of(state: DesiredState) -> dict[str, tuple[RenderedFile, ...]]:
    """Every host's rendered files."""
    return {host: render_host(spec, templates()) for host, spec in state.hosts.items()}
