"""Edits of public keys: relays, gateways, SSH hosts, and recovery.

A change of a key is begun, told, ended or taken back in the lock and in files; as in `facilities`, an edit is shown
before it is written.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from difflib import unified_diff
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from provisioner.base.addresses import HostPlace
from provisioner.base.errors import InventoryError, PolicyError, SecretsError, UsageError
from provisioner.base.files import write_atomic
from provisioner.base.recovery_key import RecoveryPair, new_pair, vouched
from provisioner.base.text import did_you_mean, printable
from provisioner.base.vault import VaultPasswords
from provisioner.inventory.files.positions import KeyPath
from provisioner.inventory.loader.cache import cache_of
from provisioner.inventory.loader.load import Loaded, load
from provisioner.inventory.loader.secrets import read_secrets
from provisioner.inventory.model import (
    Allocations,
    Facility,
    Frame,
    Inventory,
    NextRelayKey,
    OwnKeyStage,
    PublicKey,
    Relay,
    RelayAllocation,
    Settings,
    Ssh,
)
from provisioner.inventory.model.hosts import JumpHost
from provisioner.inventory.rules.lock import unfit_port
from provisioner.operations.edit.file_edit import (
    Edits,
    EditsOfMany,
    FileEdit,
    all_held_against_rules,
    edit_file,
    edited_file,
    facility_file,
    facility_named,
    frame_of,
    text_of_file,
)

_NEXT_KEY: Final = ("gateway", "next_key")
_NAMED = 5
_KEY: Final = TypeAdapter(PublicKey)
_SHOWN_KEY: Final = 8
_SHOWN = 80


@dataclass(frozen=True, slots=True)
class OwnKeyOrder:
    """What is to become of the change of a relay's own key.

    Attributes:
        relay: the relay's id.
        port: the UDP port at which it is to answer with the next key; 0 where none is named.
        leaves: facilities that need not have moved.
    """

    relay: str
    port: int = 0
    leaves: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GatewayKey:
    """What became of a facility's file.

    Attributes:
        path: the file.
        key: the gateway's public key, as the file has it now.
        before: the key that it had; empty where there was none.
        diff: the lines that are others now, as `diff -U0` has them; none where the file had the key.
    """

    path: Path
    key: str
    before: str = ""
    diff: tuple[str, ...] = ()


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


@dataclass(frozen=True, slots=True)
class NewRecoveryKey:
    """A pair that was drawn, and the file as it will say its public half: nothing is written yet.

    Attributes:
        pair: the new pair.
        path: `inventory.yml`.
        before: the public half that stood there; empty where there was none.
        text: the file's new text.
    """

    pair: RecoveryPair
    path: Path
    before: str
    text: bytes = field(repr=False)

    def write(self, root: Path) -> None:
        """Write the file, once the private half was shown: a public half without it would be of no use.

        Raises:
            InventoryError: it cannot be written; the old one is untouched.
        """
        write_atomic(self.path, self.text.decode(), within=root)


def key_changes_written(
    edits: Edits, *, begins: Collection[str] = (), ends: Collection[str] = (), since: date
) -> EditsOfMany:
    """What begins changes of keys at some gateways, and ends them at others.

    Where one ends the next key stands in the present one's place, in one write: from then on the file says that the
    new pair counts, whatever else was written already.

    Args:
        edits: the inventory.
        begins: facilities whose gateways get a next key.
        ends: facilities whose gateways were seen with it.
        since: the day on which those that begin do.

    Raises:
        InventoryError: a file cannot be edited, or together they break a rule; nothing is written.
    """
    loaded = edits.load()
    changed = []
    for name in sorted({*begins, *ends}):
        site = loaded.facility(name)
        text = text_of_file(facility_file(edits.root, site))
        following = site.gateway.next_key if site.gateway else None
        if name in begins and following is None:
            after = text.with_values({_NEXT_KEY: {"since": since.isoformat()}})
        elif name in ends and following is not None and following.public_key:
            after = text.without(_NEXT_KEY).with_values({("gateway", "public_key"): following.public_key})
        else:
            continue
        changed.append(FileEdit(name, text.path, text.data, after.data))
    return all_held_against_rules(loaded, edits.root, changed, edits.today)


def key_changes_taken_back(edits: Edits, facilities: Iterable[str]) -> EditsOfMany:
    """What takes changes of keys back: the present keys stay.

    Raises:
        InventoryError: a file cannot be edited.
    """
    loaded = edits.load()
    changed = []
    for name in sorted(set(facilities)):
        text = text_of_file(facility_file(edits.root, loaded.facility(name)))
        changed.append(FileEdit(name, text.path, text.data, text.without(_NEXT_KEY).data))
    return all_held_against_rules(loaded, edits.root, changed, edits.today)


def with_next_key(edits: Edits, facility: str, key: str) -> FileEdit:
    """What notes the next key of a gateway whose key is changed.

    Raises:
        UsageError: that is no key, it is the present one, or no change of this gateway's key is under way.
        InventoryError: its file cannot be edited, or another peer has the key.
    """
    _refuse_no_key(key)
    opened = edits.open(facility)
    gateway = opened.site.gateway
    if gateway is None or gateway.next_key is None:
        hint = f"begin one: provisioner keys rotate {facility}"
        raise UsageError(f"no change of the key of {facility}'s gateway is under way", hint=hint, object=facility)
    if gateway.public_key == key:
        hint = "the next one is what change-key.sh prints, not install.sh"
        raise UsageError(f"this is the key that {facility}'s gateway has now", hint=hint, object=facility)
    return opened.edited(opened.text.with_values({(*_NEXT_KEY, "public_key"): key}))


def _refuse_no_key(key: str) -> None:
    try:
        _KEY.validate_python(key)
    except ValidationError:
        hint = "it is the last line that the package prints on the gateway: 44 characters that end in ="
        raise UsageError(
            "this is no WireGuard public key (not repeated here: it may be something secret)", hint=hint
        ) from None


def is_changing(facility: Facility) -> bool:
    """Whether a change of its gateway's key is under way, by its file."""
    return facility.gateway is not None and facility.gateway.next_key is not None


def relay_named(inventory: Inventory, name: str) -> Relay:
    """The relay of an id.

    Raises:
        UsageError: there is none.
    """
    if name not in inventory.relays:
        hint = did_you_mean(name, inventory.relays, f"relays are: {', '.join(sorted(inventory.relays)) or 'none'}")
        raise UsageError(f"there is no relay {printable(name, _SHOWN)}", hint=hint, object=name)
    return inventory.relays[name][1]


def refuse_begin(inventory: Inventory, relay: Relay, port: int) -> None:
    """Refuse a change of a relay's own key that cannot begin so.

    Args:
        inventory: the whole of it.
        relay: the relay.
        port: where it is to answer with the next key.

    Raises:
        UsageError: the port is none for it, or something else of it is just being changed.
    """
    hint = "name a UDP port that nothing has and gateways' lines pass, e.g. 51821; a firewall before it has to pass it"
    if why := unfit_port(relay, port):
        message = f"{relay.id} cannot answer with its next key at port {port}: {why}"
        raise UsageError(message, hint=hint, object=relay.id)
    at_one_place = (other for _, other in inventory.relays.values() if other.id != relay.id)
    for other in (one for one in at_one_place if one.wireguard_endpoint == relay.wireguard_endpoint):
        if port in other.tunnel_ports:
            message = f"port {port} of {relay.wireguard_endpoint} leads to {other.id}"
            raise UsageError(message, hint=hint, object=relay.id)
    _refuse_dialled(inventory, relay, port)
    if relay.drain_to or any(other.drain_to == relay.id for _, other in inventory.relays.values()):
        message = f"{relay.id} is just being emptied, or another relay onto it"
        raise UsageError(message, hint="finish that first: provisioner relay drain", object=relay.id)
    sites = sorted(c.facility.id for c in inventory.connections if c.relay == relay.id and is_changing(c.facility))
    if sites:
        message = f"gateways of {relay.id} are just changing their own keys: {_named(sites)}"
        raise UsageError(message, hint="finish that first: provisioner keys rotate --finish", object=relay.id)


def _refuse_dialled(inventory: Inventory, relay: Relay, port: int) -> None:
    """Until the change is over one port leads to the next key: a line that passes another one alone would be dark."""
    dialled = {
        c.facility.id: c.gateway.relay_port
        for c in inventory.connections
        if c.relay == relay.id and c.plan.access.has_tunnel and c.gateway.relay_port
    }
    of_port = sorted(name for name, own in dialled.items() if own == port)
    if of_port:
        message = f"gateways dial port {port} of {relay.id} now, and it would lead to a key that they do not know"
        hint = f"name a port that none of them dials: {_named(of_port)}"
        raise UsageError(message, hint=hint, object=relay.id)
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


def refuse_changing(lock: Allocations, relay: str, what: str) -> None:
    """Refuse something that cannot be done while a relay changes its own key.

    Args:
        lock: what is recorded.
        relay: the relay's id.
        what: what cannot be done, e.g. `be emptied`.

    Raises:
        PolicyError: it changes its own key.
    """
    known = lock.relays.get(relay)
    if known is not None and known.next_key is not None:
        since = known.next_key.since.isoformat()
        message = f"{relay} changes its own key since {since}, and cannot {what} before that is over"
        words = f"provisioner keys rotate --relay {relay}"
        raise PolicyError(message, hint=f"{words} --finish; or take it back: {words} --cancel", object=relay)


def with_own_next_key(lock: Allocations, relay: str, following: NextRelayKey | None) -> Allocations:
    """The lock with the next key of a relay, or without one."""
    return _with_entry(lock, relay, lock.relays[relay].model_copy(update={"next_key": following}))


def at_stage(lock: Allocations, relay: str, stage: OwnKeyStage) -> Allocations:
    """The lock with the change of a relay's own key at a stage; as it is where none is under way."""
    following = lock.relays[relay].next_key
    return with_own_next_key(lock, relay, following.model_copy(update={"stage": stage})) if following else lock


def with_key_taken(lock: Allocations, relay: str) -> Allocations:
    """The lock with a relay's next key in the place of its own one: the change is over."""
    known = lock.relays[relay]
    if known.next_key is None:
        return lock
    own = {"public_key": known.next_key.public_key, "sealed_key": known.next_key.sealed_key, "next_key": None}
    return _with_entry(lock, relay, known.model_copy(update=own))


def _with_entry(lock: Allocations, relay: str, entry: RelayAllocation) -> Allocations:
    return lock.model_copy(update={"relays": {**lock.relays, relay: entry}})


def port_taken(root: Path, inventory: Inventory, relay: str, port: int) -> FileEdit:
    """What lets a relay's carrier say that its WireGuard has another port: the next key's, with which the change ends.

    Raises:
        InventoryError: the file cannot be edited.
    """
    carrier, known = inventory.relays[relay]
    text = text_of_file(root / "carriers" / f"{carrier.id}.yml")
    at = ("relays", next(index for index, one in enumerate(carrier.relays) if one.id == relay))
    after = text.with_values({(*at, "wireguard_port"): port})
    if port in known.further_wireguard_ports:
        left = [one for one in known.further_wireguard_ports if one != port]
        place = (*at, "further_wireguard_ports")
        after = after.with_values({place: left}) if left else after.without(place)
    return FileEdit(relay, text.path, text.data, after.data)


def left_of(names: Iterable[str], leaves: Iterable[str]) -> tuple[str, ...]:
    """The peers that keep a change from its end: by their names, without the facilities that may be left."""
    free = {f"site/{name}" for name in leaves}
    return tuple(name for name in names if name not in free)


def set_gateway_key(
    root: Path, facility: str, key: str, *, replaces: bool, today: date, environment: Mapping[str, str]
) -> GatewayKey:
    """Write the key that a gateway's installation printed into its facility's file.

    Args:
        root: the inventory's folder.
        facility: the facility's id.
        key: 32 bytes in base64, as WireGuard prints them.
        replaces: whether another key may stand there: its tunnel ends with the next apply.
        today: the day on which designations have to hold.
        environment: the caller's environment (where the cache is).

    Raises:
        InventoryError: the file cannot be understood, edited or written.
        UsageError: that is no key, another peer has it, another one stands there, or the facility has no gateway.
    """
    _refuse_no_key(key)
    loaded = load(root, today=today, cache=cache_of(root, environment))
    site = facility_named(loaded, facility)
    if site.gateway is None:
        hint = "describe the router first: gateway: { lan: 192.168.1.0/24, lan_interface: br-lan }"
        raise UsageError(f"facility {facility} has no gateway", hint=hint, object=facility)
    for other, known in _keys_of_peers(loaded):
        if known == key and other != facility:
            hint = "a key is one gateway's: install the site's own package there, and note what that prints"
            raise UsageError(f"{other} has this key", hint=hint, object=facility)
    before = site.gateway.public_key or ""
    if site.gateway.next_key is not None and before != key:
        hint = f"note what change-key.sh prints with --next, or end the change first: provisioner keys keep {facility}"
        raise UsageError(f"the key of {facility}'s gateway is being changed", hint=hint, object=facility)
    if before and before != key and not replaces:
        message = f"facility {facility} has another key, {before[:_SHOWN_KEY]}…, and its tunnel would end"
        hint = "if its gateway was made anew add --replace"
        raise UsageError(message, hint=hint, object=facility)
    return _write_gateway_key(root, facility_file(root, site), key, before)


def _keys_of_peers(loaded: Loaded) -> Iterator[tuple[str, str]]:
    """Each peer with its public key: hosts, and the gateways of facilities."""
    if loaded.frame is not None:
        lock = loaded.frame.allocations
        for hosts in (lock.relays, lock.centres):
            yield from ((name, host.public_key) for name, host in hosts.items() if host.public_key)
    yield from ((name, outline.public_key) for name, outline in loaded.outlines.items() if outline.public_key)
    yield from ((name, outline.next_key) for name, outline in loaded.outlines.items() if outline.next_key)


def _write_gateway_key(root: Path, path: Path, key: str, before: str) -> GatewayKey:
    by_hand = f"write it by hand: gateway: {{ public_key: {key} }}"
    texts = edit_file(root, path, {("gateway", "public_key"): key}, by_hand)
    was, now = (text.decode("utf-8-sig").splitlines() for text in texts)
    lines = unified_diff(was, now, n=0, lineterm="")
    diff = tuple(line for line in lines if not line.startswith(("---", "+++", "@@")))
    return GatewayKey(path, key, before, diff)


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


def draw_recovery_key(
    root: Path, passwords: VaultPasswords, *, replaces: bool, today: date, environment: Mapping[str, str]
) -> NewRecoveryKey:
    """Draw a recovery key for an inventory, vouched for by its vault.

    Args:
        root: the inventory's folder.
        passwords: where the vault's passwords come from.
        replaces: whether another one may stand there: what is sealed to it is sealed anew by `keys init`.
        today: the day on which designations have to hold.
        environment: the caller's environment (where the cache is).

    Raises:
        InventoryError: `inventory.yml` cannot be understood or edited.
        SecretsError: the vault cannot be opened, or has no digest key.
        UsageError: there is one already.
    """
    loaded = load(root, today=today, cache=cache_of(root, environment))
    if loaded.frame is None:
        raise InventoryError(
            "the inventory cannot be read", hint="run `provisioner validate` and correct what it lists"
        )
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
    return NewRecoveryKey(pair, path, before, edited_file(path, changes, by_hand)[1])


def _recovery_changes(settings: Settings, pair: RecoveryPair, seal: str) -> dict[KeyPath, object]:
    values = {"public_key": pair.public_key, "vouched": seal}
    if settings.recovery is None:
        return {("recovery",): values}
    return {("recovery", name): value for name, value in values.items()}
