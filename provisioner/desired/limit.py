"""Hosts and paths of a command: limits, logins, keys. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from provisioner.base.errors import FrozenFacility, InventoryError, SecretsError, UsageError
from provisioner.base.secret import content_key, identity_key
from provisioner.base.text import HostPlace, did_you_mean, nearest, printable, which_was_meant
from provisioner.desired.names import side_of
from provisioner.desired.required import digest_key_of_host, with_owner
from provisioner.desired.spec import DesiredState, HostKind, HostSpec, LeftOutHost, LeftOutPath, Tunnel
from provisioner.desired.trust import called_through, host_key_text
from provisioner.inventory.geography import SCHEMES, parts_of
from provisioner.inventory.model.facility import Connection, Facility, path_name
from provisioner.inventory.model.hosts import Carrier, Centre, JumpHost, Relay, Ssh
from provisioner.inventory.model.inventory import InProvince, Inventory
from provisioner.inventory.model.secrets import Secrets
from provisioner.inventory.outline import OutlinedInventory
from provisioner.inventory.renamed_ids import old_names

if TYPE_CHECKING:
    from provisioner.desired.spec import MediaPath

KnownInventory = Inventory | OutlinedInventory  #: An inventory with facilities or their outlines.
KINDS = ("carrier", "province", "facility", "host")
#: The problem and the hint of an unknown name, by kind: whole, as other languages have other articles and plurals.
_UNKNOWN = {
    "carrier": ("there is no such carrier", "carriers here are: "),
    "province": ("there is no such province", "provinces here are: "),
    "facility": ("there is no such facility", "facilities here are: "),
    "host": ("there is no such host", "hosts here are: "),
}
_LISTED = 20
_LONGEST = 80


@dataclass(frozen=True, slots=True)
class Limit:
    """Wanted names by kind, joined by "or"; kinds are joined by "and"."""

    #: The names as typed, by kind; empty selects everything.
    wanted: dict[str, frozenset[str]] = field(default_factory=dict)
    parts: frozenset[str] = frozenset()  #: Provinces of 2021 in the wanted provinces, after `by`.

    def by(self, scheme: str) -> Limit:
        """Interpret names of provinces with an inventory's list."""
        # Paths keep frozen slugs; a province of today means all provinces inside it.
        named = self.wanted.get("province", ())
        return replace(self, parts=frozenset(part for slug in named for part in parts_of(slug, scheme)))

    def of(self, inventory: KnownInventory, *others: KnownInventory, also: Collection[str] = ()) -> Limit:
        """Check names and interpret provinces, or raise `UsageError` for unknown ones."""
        for kind, names in sorted(self.wanted.items()):
            listed = sorted({name for source in (inventory, *others) for name in _names(source, kind)})
            for name in sorted(names - {*listed, *also}):
                if kind != "province" or not any(parts_of(name, scheme) for scheme in SCHEMES):
                    raise _unknown_name(kind, name, listed)
        return self.by(inventory.settings.province_scheme)

    def takes(self, names: Mapping[str, Collection[str]]) -> bool:
        """Return whether these names are selected; kinds without names do not count."""
        return all(
            not (wanted | self.parts if kind == "province" else wanted).isdisjoint(names[kind])
            for kind, wanted in self.wanted.items()
            if kind in names
        )

    def takes_path(self, host: HostSpec | LeftOutHost, path: MediaPath | LeftOutPath) -> bool:
        """Return whether a path is selected."""
        return self.takes(
            {"carrier": host.carriers, "province": (path.province,), "facility": (path.facility,), "host": (host.id,)}
        )

    def takes_frozen(self, facility: FrozenFacility, hosts: Collection[str] = ()) -> bool:
        """Return whether a frozen facility is selected; `hosts` have parts of it."""
        names: dict[str, Collection[str]] = {"facility": facility.names or (facility.id,), "host": hosts}
        names |= {"province": (facility.province,)} if facility.province else {}
        return self.takes(names | ({"carrier": facility.carriers} if facility.carriers else {}))

    def takes_host(self, host: HostSpec) -> bool:
        """Return whether a host is selected, by its names or its paths."""
        if not self.takes({"carrier": host.carriers, "host": (host.id,)}):
            return False
        if self.by_site:
            return any(self.takes_path(host, path) for path in host.paths)
        return True

    @property
    def by_site(self) -> bool:
        """Whether the limit can select parts of hosts."""
        return bool({"province", "facility"} & set(self.wanted))


@dataclass(frozen=True, slots=True)
class HostLogin:
    """SSH login of a host (`user@address:port`), with host keys and jump host."""

    place: str
    host_key: str
    jump: str = ""


def names_of_frozen(frozen: Iterable[FrozenFacility]) -> frozenset[str]:
    """Return all names that can select frozen facilities."""
    return frozenset(name for facility in frozen for name in (facility.province, *facility.names, *facility.carriers))


def _names(inventory: KnownInventory, kind: str) -> Iterable[str]:
    match kind:
        case "carrier":
            return inventory.carriers
        case "facility":
            return inventory.facilities
        case "province":
            listed: Iterable[InProvince] = inventory.facilities.values()
            return {name for f in listed for name in (f.province, inventory.province_counted(f))}
    return [*inventory.centres, *(relay.id for carrier in inventory.carriers.values() for relay in carrier.relays)]


def _unknown_name(kind: str, name: str, names: Sequence[str]) -> UsageError:
    listed = ", ".join(names[:_LISTED]) + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "")
    problem, here = _UNKNOWN[kind]
    message = f"--limit {kind}={printable(name, _LONGEST)}: {problem}"
    return UsageError(message, hint=did_you_mean(name, names, f"{here}{listed or 'none'}"))


def parse_limits(texts: Iterable[str]) -> Limit:
    """Parse `carrier=…`, `province=…`, `facility=…`, `host=…`; others raise `UsageError`."""
    names_of: dict[str, frozenset[str]] = {}
    for text in texts:
        kind, equals, name = text.partition("=")
        if kind not in KINDS or not equals or not name:
            hint = f"write --limit KIND=NAME, KIND one of {', '.join(KINDS)}"
            raise UsageError(
                f"--limit {printable(text, _LONGEST)} is not understood",
                hint=f"{which_was_meant(nearest(kind, KINDS))} {hint}".lstrip()
                if equals and kind not in KINDS
                else hint,
            )
        names_of[kind] = names_of.get(kind, frozenset()) | {name}
    return Limit(names_of)


def chosen_hosts(state: DesiredState, limit: Limit) -> tuple[HostSpec, ...]:
    """Return the selected hosts, except those left out.

    An empty selection raises `UsageError`, one of frozen facilities `InventoryError`. If all selected hosts are
    left out, or any without a limit, `SecretsError` is raised.
    """
    refuse_shut(state, limit)
    chosen = tuple(host for host in state.hosts.values() if limit.takes_host(host))
    if not chosen:
        refuse_all_shut(state, limit)
        refuse_frozen(state, limit)
        raise UsageError("no host is chosen by --limit or the saved plan", hint=f"hosts are: {', '.join(state.hosts)}")
    return chosen


def shut_by(state: DesiredState, limit: Limit) -> tuple[LeftOutHost, ...]:
    """Return the selected hosts that are left out."""
    # A centre with carriers outside the limit does not count.
    return tuple(host for host in state.left_out.values() if _takes_left_out(limit, host))


def _takes_left_out(limit: Limit, host: LeftOutHost) -> bool:
    carriers = limit.wanted.get("carrier")
    if carriers is not None and not carriers.issuperset(host.carriers):
        return False
    if not limit.takes({"host": (host.id,)}):
        return False
    return not limit.by_site or any(limit.takes_path(host, path) for path in host.paths)


def refuse_shut(state: DesiredState, limit: Limit) -> None:
    """Refuse (`SecretsError`) an unlimited command if hosts are left out."""
    if not limit.wanted and state.left_out:
        raise _closed_vault(state, tuple(state.left_out.values()))


def refuse_all_shut(state: DesiredState, limit: Limit) -> None:
    """Refuse (`SecretsError`) a limit that selects hosts that are left out."""
    if shut := shut_by(state, limit):
        raise _closed_vault(state, shut)


def refuse_frozen(state: DesiredState, limit: Limit) -> None:
    """Refuse (`InventoryError`) a limit that selects frozen facilities."""
    frozen = [
        facility for facility in state.held.values() if limit.wanted and limit.takes_frozen(facility, state.hosts)
    ]
    if frozen:
        named = ", ".join(facility.id for facility in frozen)
        problems = tuple(sorted({problem for facility in frozen for problem in facility.problems}))
        message = f"--limit selects nothing but what is held: {named}; what hosts have of it stays as it is"
        raise InventoryError(message, problems=problems, hint="correct the places listed", object=frozen[0].id)


def _closed_vault(state: DesiredState, shut: Sequence[LeftOutHost]) -> SecretsError:
    files = sorted({file for host in shut for file in host.shut})
    named = ", ".join(host.id for host in shut)
    closed = {carrier for host in state.left_out.values() if host.kind is HostKind.RELAY for carrier in host.carriers}
    opened = {carrier for host in state.hosts.values() if host.kind is HostKind.RELAY for carrier in host.carriers}
    limits = " or ".join(f"--limit carrier={carrier}" for carrier in sorted(opened - closed))
    hint = "set a password for its vault id in ANSIBLE_VAULT_IDENTITY_LIST"
    return SecretsError(
        f"{', '.join(files)} stayed shut, and {named} cannot be worked on without",
        hint=f"{hint}, or leave it out: {limits}" if limits else hint,
        object=shut[0].id,
    )


# --- hosts that are left out -----------------------------------------------------------------------
def left_out_relay(
    inventory: Inventory, secrets: Secrets, carrier: Carrier, relay: Relay, connections: Iterable[Connection]
) -> LeftOutHost | None:
    """Return a relay as left out, if its secrets are unopened."""
    served = list(connections)
    needed = [
        *_of_host(secrets, (carrier.id,), relay.id),
        *sorted({owner for c in served if not c.plan.access.is_pushed for owner in _of_logins(carrier.id, c)}),
    ]
    shut = _shut(secrets, needed)
    if not shut:
        return None
    paths = tuple(path for connection in served for path in _left_out_paths(inventory, connection))
    return LeftOutHost(relay.id, HostKind.RELAY, (carrier.id,), shut, tuple(sorted(paths)))


def left_out_centre(inventory: Inventory, secrets: Secrets, centre: Centre) -> LeftOutHost | None:
    """Return a centre as left out, if its secrets are unopened."""
    carriers = tuple(sorted(c.id for c in inventory.carriers.values() if centre.id in c.centres))
    shut = _shut(secrets, _of_host(secrets, carriers, centre.id))
    return LeftOutHost(centre.id, HostKind.CENTRE, carriers, shut, reads=centre.reads) if shut else None


def shut_for_site(secrets: Secrets, facility: Facility) -> tuple[str, ...]:
    """Return the unopened files that a site's package needs."""
    needed = [f"secrets/carriers/{connection.plan.carrier}" for connection in facility.connections]
    for connection in facility.connections:
        if connection.plan.access.is_pushed:
            needed += _of_logins(connection.plan.carrier, connection)
    return _shut(secrets, needed)


def _of_host(secrets: Secrets, carriers: Iterable[str], host: str) -> Iterator[str]:
    yield from (f"secrets/carriers/{carrier}" for carrier in carriers)
    if not any(host in carrier_file.host_keys for carrier_file in secrets.carriers.values()):
        yield "secrets/inventory"


def _of_logins(carrier: str, connection: Connection) -> tuple[str, str]:
    province = connection.facility.province
    return f"secrets/cameras/{province}", f"secrets/cameras/{carrier}/{province}"


def _shut(secrets: Secrets, needed: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"{owner}.yml (vault id {secrets.shut[owner]})" for owner in needed if owner in secrets.shut)


def _left_out_paths(inventory: Inventory, connection: Connection) -> Iterator[LeftOutPath]:
    facility = connection.facility
    for camera in facility.cameras:
        for stream, _ in camera.streams.named:
            name = path_name(facility, camera, stream)
            for path in (name, *old_names(inventory.settings.moved, name)):
                yield LeftOutPath(path, facility.province, facility.id, camera.id)


# --- logins and keys -------------------------------------------------------------------------------
def host_logins(inventory: Inventory) -> dict[str, HostLogin]:
    """Return the logins of all relays and centres, by id."""
    relays = {
        relay.id: _login(relay.address, carrier.ssh_to(relay), carrier.jump_to(relay))
        for carrier, relay in inventory.relays.values()
    }
    centres = {
        centre.id: _login(centre.address, centre.ssh_to, centre.jump_to) for centre in inventory.centres.values()
    }
    return relays | centres


def _login(address: HostPlace, ssh: Ssh, jump: JumpHost | None) -> HostLogin:
    return HostLogin(ssh.login_at(address), host_key_text(ssh), called_through(jump))


def key_hosts(inventory: Inventory, secrets: Secrets) -> tuple[HostSpec, ...]:
    """Return minimal specs to make keys, or raise `InventoryError`, `SecretsError`."""
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
            carrier.ssh_to(relay),
            content_key(digest_key_of_host(secrets, relay.id)),
            Tunnel(lock.relays[relay.id].tunnel_address, lock.relays[relay.id].own_port(relay.wireguard_port), (), ()),
            identity=identity_key(digest_key_of_host(secrets, relay.id)),
            jump=carrier.jump_to(relay),
        )
        for carrier, relay in inventory.relays.values()
        if _is_open(secrets, relay.id)
    ]
    specs += [
        HostSpec(
            centre.id,
            HostKind.CENTRE,
            (),
            centre.address,
            centre.ssh_to,
            content_key(digest_key_of_host(secrets, centre.id)),
            Tunnel(lock.centres[centre.id].tunnel_address, None, (), ()),
            identity=identity_key(digest_key_of_host(secrets, centre.id)),
            jump=centre.jump_to,
            side=side_of(inventory.settings.id) if centre.shared else "",
            is_hub=centre.hub is not None,
        )
        for centre in inventory.centres.values()
        if _is_open(secrets, centre.id)
    ]
    return tuple(with_owner(spec, inventory, secrets) for spec in sorted(specs, key=lambda s: s.id))


def _is_open(secrets: Secrets, host: str) -> bool:
    has_own = any(host in carrier.host_keys for carrier in secrets.carriers.values())
    return has_own or secrets.digest_key is not None or not secrets.shut


def recorded_keys(inventory: Inventory) -> dict[str, str]:
    """Return recorded public keys with their host's id or gateway."""
    lock = inventory.allocations
    hosts = {
        entry.public_key: name
        for entries in (lock.relays, lock.centres)
        for name, entry in entries.items()
        if entry.public_key
    }
    hosts |= {entry.next_key.public_key: name for name, entry in lock.relays.items() if entry.next_key}
    gateways = ((facility.id, facility.gateway) for facility in inventory.facilities.values())
    return {
        gateway.public_key: f"the gateway of {name}" for name, gateway in gateways if gateway and gateway.public_key
    } | hosts
