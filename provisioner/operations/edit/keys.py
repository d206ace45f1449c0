"""Edits of public keys: relays, gateways, SSH hosts, and recovery.

A key change begins, ends or is cancelled in the lock and in files. An edit is shown before it is written.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from difflib import unified_diff
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from provisioner.base.errors import InventoryError, PolicyError, SecretsError, UsageError, raised_as
from provisioner.base.files import write_atomic
from provisioner.base.recovery_key import RecoveryPair, new_pair, vouched
from provisioner.base.text import did_you_mean, endpoint_text, host_address, msg, printable
from provisioner.base.vault import VaultPasswords
from provisioner.hosts.call_target import TargetHost
from provisioner.inventory.files.positions import KeyPath
from provisioner.inventory.loader.cache import cache_of
from provisioner.inventory.loader.load import Loaded, load
from provisioner.inventory.loader.secrets import read_secrets
from provisioner.inventory.model import hosts as host_models
from provisioner.inventory.model.base import PublicKey
from provisioner.inventory.model.facility import Facility
from provisioner.inventory.model.inventory import BaseInventory, Inventory
from provisioner.inventory.model.policy import Settings
from provisioner.inventory.rules.lock import unfit_port
from provisioner.operations.edit import file_edit

_NEXT_KEY: Final = ("gateway", "next_key")
_NAMED = 5
_KEY: Final = TypeAdapter(PublicKey)
_SHOWN_KEY: Final = 8
_SHOWN = 80


@dataclass(frozen=True, slots=True)
class OwnKeyRequest:
    """A requested change of a relay's own key."""

    relay: str
    port: int = 0  #: The UDP port for the next key; 0 if not named.
    leaves: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GatewayKey:
    """A written gateway key, and the changed lines as of `diff -U0`."""

    path: Path
    key: str
    before: str = ""
    diff: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyedHost(TargetHost):
    """A host, and its key's path in its carrier's or centre's file."""

    file: Path
    place: KeyPath


@dataclass(frozen=True, slots=True)
class NewRecoveryKey:
    """A new recovery key and its edit, not yet written."""

    pair: RecoveryPair
    path: Path
    before: str
    text: bytes = field(repr=False)

    def write(self, root: Path) -> None:
        """Write the file after the private half was shown, or raise `InventoryError`."""
        write_atomic(self.path, self.text.decode(), within=root)


def key_changes_written(
    edits: file_edit.Edits, *, begins: Collection[str] = (), ends: Collection[str] = (), since: date
) -> file_edit.EditsOfMany:
    """Return edits that begin and end key changes of gateways.

    An end replaces the present key by the next one in one write: from then on the file names the new pair, whatever
    else was written.
    """
    loaded = edits.load()
    changed = []
    for name in sorted({*begins, *ends}):
        site = loaded.facility(name)
        text = file_edit.text_of_file(file_edit.facility_file(edits.root, site))
        following = site.gateway.next_key if site.gateway else None
        if name in begins and following is None:
            after = text.with_values({_NEXT_KEY: {"since": since.isoformat()}})
        elif name in ends and following is not None and following.public_key:
            after = text.without(_NEXT_KEY).with_values({("gateway", "public_key"): following.public_key})
        else:
            continue
        changed.append(file_edit.FileEdit(name, text.path, text.data, after.data))
    return file_edit.all_checked_against_rules(loaded, edits.root, changed, edits.today)


def key_changes_taken_back(edits: file_edit.Edits, facilities: Iterable[str]) -> file_edit.EditsOfMany:
    """Return edits that cancel key changes, or raise `InventoryError`."""
    loaded = edits.load()
    changed = []
    for name in sorted(set(facilities)):
        text = file_edit.text_of_file(file_edit.facility_file(edits.root, loaded.facility(name)))
        changed.append(file_edit.FileEdit(name, text.path, text.data, text.without(_NEXT_KEY).data))
    return file_edit.all_checked_against_rules(loaded, edits.root, changed, edits.today)


def with_next_key(edits: file_edit.Edits, facility: str, key: str) -> file_edit.FileEdit:
    """Return an edit that records a gateway's next key.

    Raises `UsageError` if the key is invalid or the present one, or no change of it is in progress; `InventoryError` if
    the file cannot be edited, or another peer has the key.
    """
    _refuse_no_key(key)
    opened = edits.open(facility)
    gateway = opened.site.gateway
    if gateway is None or gateway.next_key is None:
        hint = msg("begin one: provisioner keys rotate {facility}", facility)
        message = msg("no change of the key of the gateway of {facility} is under way", facility)
        raise UsageError(message, hint=hint, object=facility)
    if gateway.public_key == key:
        hint = "the next one is what change-key.sh prints, not install.sh"
        raise UsageError(f"this is the key that {facility}'s gateway has now", hint=hint, object=facility)
    return opened.edited(opened.text.with_values({(*_NEXT_KEY, "public_key"): key}))


def _refuse_no_key(key: str) -> None:
    hint = "it is the last line that the package prints on the gateway: 44 characters that end in ="
    error = UsageError("this is no WireGuard public key (not repeated here: it may be something secret)", hint=hint)
    with raised_as(error, ValidationError):
        _KEY.validate_python(key)


def _is_changing(facility: Facility) -> bool:
    return facility.gateway is not None and facility.gateway.next_key is not None


def relay_named(inventory: Inventory, name: str) -> host_models.Relay:
    """Return the relay of an id, or raise `UsageError`."""
    carrier, index = file_edit.relay_named(inventory, name)
    return carrier.relays[index]


def refuse_begin(inventory: Inventory, relay: host_models.Relay, port: int) -> None:
    """Refuse a change of a relay's own key that cannot begin (`UsageError`)."""
    hint = "name a UDP port that nothing has and gateways' lines pass, e.g. 51821; a firewall before it has to pass it"
    if fault := unfit_port(relay, port):
        message = f"{relay.id} cannot answer with its next key at port {port}: {fault}"
        raise UsageError(message, hint=hint, object=relay.id)
    others = (other_relay for _, other_relay in inventory.relays.values() if other_relay.id != relay.id)
    for other_relay in (candidate for candidate in others if candidate.wireguard_endpoint == relay.wireguard_endpoint):
        if port in other_relay.tunnel_ports:
            message = f"port {port} of {relay.wireguard_endpoint} leads to {other_relay.id}"
            raise UsageError(message, hint=hint, object=relay.id)
    _refuse_dialled(inventory, relay, port)
    if relay.drain_to or any(other_relay.drain_to == relay.id for _, other_relay in inventory.relays.values()):
        message = f"{relay.id} is just being emptied, or another relay onto it"
        raise UsageError(message, hint="finish that first: provisioner relay drain", object=relay.id)
    sites = sorted(c.facility.id for c in inventory.connections if c.relay == relay.id and _is_changing(c.facility))
    if sites:
        message = f"gateways of {relay.id} are just changing their own keys: {_named(sites)}"
        raise UsageError(message, hint="finish that first: provisioner keys rotate --finish", object=relay.id)


def _refuse_dialled(inventory: Inventory, relay: host_models.Relay, port: int) -> None:
    """Refuse a next key's port that some gateways' lines may not pass."""
    dialled = {
        c.facility.id: c.gateway.relay_port
        for c in inventory.connections
        if c.relay == relay.id and c.plan.access.has_tunnel and c.gateway.relay_port
    }
    of_port = sorted(name for name, dialled_port in dialled.items() if dialled_port == port)
    if of_port:
        message = f"gateways dial port {port} of {relay.id} now, and it would lead to a key that they do not know"
        raise UsageError(message, hint=f"name a port that none of them dials: {_named(of_port)}", object=relay.id)
    if dialled and port not in relay.further_wireguard_ports:
        names = _named(sorted(dialled))
        message = f"lines of {relay.id} pass few ports, and nobody said that they pass {port}: {names}"
        hint = (
            f"find one that these lines pass, add it to further_wireguard_ports of {relay.id}, apply that, and name it"
            " here; or let them dial its wireguard_port first"
        )
        raise UsageError(message, hint=hint, object=relay.id)


def _named(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def refuse_changing(lock: host_models.Allocations, relay: str, action: str) -> None:
    """Refuse an action, e.g. `be emptied`, during a relay's key change (`PolicyError`)."""
    entry = lock.relays.get(relay)
    if entry is not None and entry.next_key is not None:
        since = entry.next_key.since.isoformat()
        message = f"{relay} changes its own key since {since}, and cannot {action} before that is over"
        command = f"provisioner keys rotate --relay {relay}"
        raise PolicyError(message, hint=f"{command} --finish; or take it back: {command} --cancel", object=relay)


def with_own_next_key(
    lock: host_models.Allocations, relay: str, following: host_models.NextRelayKey | None
) -> host_models.Allocations:
    """Return the lock with a relay's next key, or without one."""
    return _with_entry(lock, relay, lock.relays[relay].model_copy(update={"next_key": following}))


def at_stage(lock: host_models.Allocations, relay: str, stage: host_models.OwnKeyStage) -> host_models.Allocations:
    """Return the lock with a relay's current key change at a stage."""
    following = lock.relays[relay].next_key
    return with_own_next_key(lock, relay, following.model_copy(update={"stage": stage})) if following else lock


def with_key_taken(lock: host_models.Allocations, relay: str) -> host_models.Allocations:
    """Return the lock with a relay's next key as its own."""
    entry = lock.relays[relay]
    if entry.next_key is None:
        return lock
    fields = {"public_key": entry.next_key.public_key, "sealed_key": entry.next_key.sealed_key, "next_key": None}
    return _with_entry(lock, relay, entry.model_copy(update=fields))


def _with_entry(
    lock: host_models.Allocations, relay: str, entry: host_models.RelayAllocation
) -> host_models.Allocations:
    return lock.model_copy(update={"relays": {**lock.relays, relay: entry}})


def wireguard_port_edit(root: Path, inventory: Inventory, relay: str, port: int) -> file_edit.FileEdit:
    """Return the edit that sets `wireguard_port`, or raise `InventoryError`."""
    carrier, current = inventory.relays[relay]
    text = file_edit.text_of_file(root / "carriers" / f"{carrier.id}.yml")
    at = ("relays", next(index for index, entry in enumerate(carrier.relays) if entry.id == relay))
    after = text.with_values({(*at, "wireguard_port"): port})
    if port in current.further_wireguard_ports:
        remaining = [entry for entry in current.further_wireguard_ports if entry != port]
        key_path = (*at, "further_wireguard_ports")
        after = after.with_values({key_path: remaining}) if remaining else after.without(key_path)
    return file_edit.FileEdit(relay, text.path, text.data, after.data)


def blocking_peers(names: Iterable[str], leaves: Iterable[str]) -> tuple[str, ...]:
    """Return the peers that keep a change from its end, without `leaves`."""
    free = {f"site/{name}" for name in leaves}
    return tuple(name for name in names if name not in free)


def set_gateway_key(
    root: Path, facility: str, key: str, *, replaces: bool, today: date, environment: Mapping[str, str]
) -> GatewayKey:
    """Write a gateway's public key, from its installation, into its file.

    `replaces` allows to replace another key, whose tunnel ends with the next apply. Raises `InventoryError` for the
    file, `UsageError` for the key or a facility without gateway.
    """
    _refuse_no_key(key)
    loaded = load(root, today=today, cache=cache_of(root, environment))
    site = file_edit.facility_named(loaded, facility)
    if site.gateway is None:
        hint = "describe the router first: gateway: { lan: 192.168.1.0/24, lan_interface: br-lan }"
        raise UsageError(f"facility {facility} has no gateway", hint=hint, object=facility)
    for peer, peer_key in _keys_of_peers(loaded):
        if peer_key == key and peer != facility:
            hint = "a key is one gateway's: install the site's own package there, and note what that prints"
            raise UsageError(f"{peer} has this key", hint=hint, object=facility)
    before = site.gateway.public_key or ""
    if site.gateway.next_key is not None and before != key:
        hint = f"note what change-key.sh prints with --next, or end the change first: provisioner keys keep {facility}"
        raise UsageError(f"the key of {facility}'s gateway is being changed", hint=hint, object=facility)
    if before and before != key and not replaces:
        message = f"facility {facility} has another key, {before[:_SHOWN_KEY]}…, and its tunnel would end"
        raise UsageError(message, hint="if its gateway was made anew add --replace", object=facility)
    return _write_gateway_key(root, file_edit.facility_file(root, site), key, before)


def _keys_of_peers(loaded: Loaded) -> Iterator[tuple[str, str]]:
    if loaded.frame is not None:
        lock = loaded.frame.allocations
        for hosts in (lock.relays, lock.centres):
            yield from ((name, host.public_key) for name, host in hosts.items() if host.public_key)
    yield from ((name, outline.public_key) for name, outline in loaded.outlines.items() if outline.public_key)
    yield from ((name, outline.next_key) for name, outline in loaded.outlines.items() if outline.next_key)


def _write_gateway_key(root: Path, path: Path, key: str, before: str) -> GatewayKey:
    by_hand = f"write it by hand: gateway: {{ public_key: {key} }}"
    texts = file_edit.edit_file(root, path, {("gateway", "public_key"): key}, by_hand)
    old_lines, new_lines = (text.decode("utf-8-sig").splitlines() for text in texts)
    lines = unified_diff(old_lines, new_lines, n=0, lineterm="")
    diff = tuple(line for line in lines if not line.startswith(("---", "+++", "@@")))
    return GatewayKey(path, key, before, diff)


def keyed_host(edits: file_edit.Edits, host: str) -> KeyedHost:
    """Return a host for its key, without vault; or raise `InventoryError`."""
    base_inventory = file_edit.frame_of(edits.load())
    keyed = _keyed_relay(edits.root, base_inventory, host) or _keyed_centre(edits.root, base_inventory, host)
    if keyed is None:
        hosts = sorted({*base_inventory.relays, *base_inventory.centres})
        hint = did_you_mean(host, hosts, f"hosts are: {', '.join(hosts) or 'none'}")
        raise UsageError(f"{printable(host, _SHOWN)} is no host of this inventory", hint=hint, object=host)
    if keyed.ssh.host_key is None and keyed.ssh.host_ca is not None:
        hint = "nothing has to be compared: whoever signs the carrier's host keys signs this one, and ssh looks at that"
        raise InventoryError(f"{host} is known by host_ca, and not by a key of its own", hint=hint, object=host)
    return keyed


def _keyed_relay(root: Path, base_inventory: BaseInventory, host: str) -> KeyedHost | None:
    if host not in base_inventory.relays:
        return None
    carrier, relay = base_inventory.relays[host]
    index = next(index for index, candidate in enumerate(carrier.relays) if candidate.id == host)
    target = host, (carrier.id,), relay.address, carrier.ssh_to(relay), carrier.jump_to(relay)
    place = ("relays", index, "ssh", "host_key")
    return KeyedHost(*target, file=root / "carriers" / f"{carrier.id}.yml", place=place)


def _keyed_centre(root: Path, base_inventory: BaseInventory, host: str) -> KeyedHost | None:
    if host not in base_inventory.centres:
        return None
    centre, file = base_inventory.centres[host], root / "centres" / f"{host}.yml"
    carriers = tuple(name for name, carrier in base_inventory.carriers.items() if host in carrier.centres)
    target = host, carriers, centre.address, centre.ssh_to, centre.jump_to
    return KeyedHost(*target, file=file, place=("ssh", "host_key"))


def jump_host_of(edits: file_edit.Edits, relay: str, user: str, address: str, port: int) -> KeyedHost:
    """Return a relay's future jump host for its key, or raise `UsageError`."""
    carrier, index = file_edit.relay_named(file_edit.frame_of(edits.load()), relay)
    try:
        target = address, (carrier.id,), host_address(address.lower()), host_models.Ssh(user=user, port=port)
    except ValueError:
        hint = "write --jump USER@ADDRESS or USER@ADDRESS:PORT; none removes it"
        shown = printable(f"{user}@{endpoint_text(address, port)}", _SHOWN)
        raise UsageError(msg("no jump host can be called at {shown}", shown), hint=hint, object=relay) from None
    return KeyedHost(*target, None, file=edits.root / "carriers" / f"{carrier.id}.yml", place=("relays", index, "jump"))


def step_after_host_key(edits: file_edit.Edits, host: str) -> str:
    """Return the command that follows a host's new SSH key."""
    lock = file_edit.frame_of(edits.load()).allocations
    entry = lock.relays.get(host) or lock.centres.get(host)
    if entry is None:
        return "allocate"
    new = sum(known.public_key is None for known in (*lock.relays.values(), *lock.centres.values()))
    return f"plan --limit host={host}" if entry.public_key else f"keys init --allow trust={new}"


def with_host_key(keyed: KeyedHost, host_key: str) -> file_edit.FileEdit:
    """Return the edit of a host's SSH key, or raise `InventoryError`."""
    text = file_edit.text_of_file(keyed.file)
    return file_edit.FileEdit(keyed.id, keyed.file, text.data, text.with_values({keyed.place: host_key}).data)


def draw_recovery_key(
    root: Path, passwords: VaultPasswords, *, replaces: bool, today: date, environment: Mapping[str, str]
) -> NewRecoveryKey:
    """Generate a recovery key, vouched for by the vault.

    `replaces` allows to replace another key (else `UsageError`); `keys init` seals again what was sealed to it. Raises
    `InventoryError` for `inventory.yml`, `SecretsError` if the vault cannot be opened, or has no digest key.
    """
    loaded = load(root, today=today, cache=cache_of(root, environment))
    if loaded.frame is None:
        raise InventoryError("the inventory cannot be read", hint="run `provisioner validate` and correct each problem")
    settings = loaded.frame.settings
    before = settings.recovery.public_key if settings.recovery else ""
    if before and not replaces:
        message = f"inventory.yml has a recovery key, {before[:_SHOWN_KEY]}…"
        hint = "if its private half is lost or was seen, add --replace; to try it: provisioner keys recovery --check"
        raise UsageError(message, hint=hint, object="recovery")
    digest_key = read_secrets(root, passwords).secrets.digest_key
    if digest_key is None:
        message = "the vault's digest key, which vouches for a recovery key, is not there or stayed shut"
        hint = "run provisioner keys init first; where carriers have passwords of their own, add that of `secrets`"
        raise SecretsError(message, hint=hint, object="recovery")
    pair = new_pair()
    changes = _recovery_changes(settings, pair, vouched(digest_key, settings.id, pair.public_key))
    path = root / "inventory.yml"
    by_hand = "write the file as a mapping, a key a line, and run this again"
    return NewRecoveryKey(pair, path, before, file_edit.edited_file(path, changes, by_hand)[1])


def _recovery_changes(settings: Settings, pair: RecoveryPair, seal: str) -> dict[KeyPath, object]:
    values = {"public_key": pair.public_key, "vouched": seal}
    if settings.recovery is None:
        return {("recovery",): values}
    return {("recovery", name): value for name, value in values.items()}
