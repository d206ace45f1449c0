"""Rules on relays and centres (one namespace), and on their jump hosts."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, time
from itertools import product
from typing import TYPE_CHECKING, Final

from provisioner.base.errors import Problem
from provisioner.base.text import HostName, HostPlace, counted, endpoint_text, msg, words_of_end
from provisioner.inventory.files.positions import KeyPath
from provisioner.inventory.model.facility import Operating
from provisioner.inventory.model.hosts import CentreAllocation, JumpHost, ReaderTls, RelayAllocation, Ssh
from provisioner.inventory.rules.lock import HOST_KEYS_MISSING, RUN_KEYS
from provisioner.inventory.rules.networks import pools_of
from provisioner.inventory.rules.view import OwnerPath, View

if TYPE_CHECKING:
    from provisioner.base.certificate import ReaderCertificate

_OF_MEDIAMTX: Final = {8554: "the relay's RTSP", 9997: "MediaMTX's Control API"}
_RTSPS: Final = 8322  #: As in `desired.spec`, which this module must not import.


def host_ids_are_unique(view: View) -> Iterator[Problem]:
    """Host ids are unique: relays and centres share one Ansible inventory."""
    places: dict[str, OwnerPath] = {}
    for owner, path, host in view.hosts():
        if host.id in places:
            first = view.where(places[host.id][0], *places[host.id][1], "id")
            message = msg("the host id {name} is used twice; first in {first}", host.id, first)
            yield view.problem(owner, (*path, "id"), "host-id-duplicate", message, "give one of the hosts another id")
        places.setdefault(host.id, (owner, path))


def host_addresses_are_unique(view: View) -> Iterator[Problem]:
    """Host addresses are unique: otherwise one host is configured twice."""
    hosts: dict[HostPlace, str] = {}
    for owner, path, host in view.hosts():
        first = hosts.setdefault(host.address, host.id)
        if first != host.id:
            message = msg("host {name}: {address} is also the address of {hosts}", host.id, host.address, first)
            yield view.problem(owner, (*path, "address"), "host-address-duplicate", message, "correct one of the two")


def wireguard_endpoints_are_unique(view: View) -> Iterator[Problem]:
    """WireGuard endpoints are unique: packets to one endpoint reach one relay."""
    relays: dict[tuple[HostPlace, int], tuple[str, HostPlace]] = {}
    for owner, path, _, relay in view.relays():
        for (key, host), port in product(relay.endpoints, relay.tunnel_ports):
            endpoint = (host, port)
            first_relay, address = relays.setdefault(endpoint, (relay.id, relay.address))
            # Of two hosts at one address the rule above says it.
            if first_relay != relay.id and address != relay.address:
                text = endpoint_text(*endpoint)
                message = msg(
                    "relay {id}: {at} is also where peers of {other} send WireGuard", relay.id, text, first_relay
                )
                hint = "write each relay's own endpoint, or another wireguard_port for one of the two"
                yield view.problem(owner, (*path, key), "relay-endpoint-duplicate", message, hint)


def ssh_has_a_port_of_its_own(view: View) -> Iterator[Problem]:
    """SSH does not use a port of MediaMTX, which would not start."""
    for owner, path, carrier, relay in view.relays():
        service = _OF_MEDIAMTX.get(relay.ssh.port)
        if relay.ssh.port == _RTSPS and carrier.certificates:
            service = "the relay's encrypted RTSP"
        if service:
            message = msg(
                "relay {id}: port {port} is that of {service}, so that SSH cannot have it",
                relay.id,
                relay.ssh.port,
                service,
            )
            hint = "let sshd listen on another port, and write that"
            yield view.problem(owner, (*path, "ssh", "port"), "ssh-port-taken", message, hint)


def hosts_have_a_recorded_key(view: View) -> Iterator[Problem]:
    """Hosts and jump hosts have a recorded SSH key or CA."""
    for (owner, path), name, ssh in _logins(view):
        if ssh.host_key is None and ssh.host_ca is None:
            message = msg("the SSH host key of {name} is missing", name)
            hint = (
                "write ssh.host_key, as its ssh_host_*_key.pub has it (hosts scan-key asks for it), or host_ca, the key"
                " of who signs hosts' keys"
            )
            yield view.problem(owner, (*path, "ssh"), "ssh-host-key-unknown", message, hint)


def _logins(view: View) -> Iterator[tuple[OwnerPath, str, Ssh]]:
    """Yield hosts and jump hosts: position, name, SSH settings."""
    yield from (((owner, path), relay.id, carrier.ssh_to(relay)) for owner, path, carrier, relay in view.relays())
    yield from (((owner, ()), centre.id, centre.ssh) for owner, centre in view.centres())
    for route in view.jump_routes():
        yield (route.owner, route.path), msg("the jump host of {id}", route.of), route.jump.ssh


def centres_exist(view: View) -> Iterator[Problem]:
    """A carrier's centres have files, and each is named once."""
    for carrier in view.inventory.carriers.values():
        named = set[str]()
        for index, centre in enumerate(carrier.centres):
            path = ("centres", index)
            if not view.knows(f"centre/{centre}"):
                message = msg("centre {centre} has no file", centre)
                hint = msg("write centres/{centre}.yml, or correct the name", centre)
                yield view.problem(f"carrier/{carrier.id}", path, "centre-unknown", message, hint)
            if centre in named:
                message = msg("centre {centre} is named twice", centre)
                yield view.problem(f"carrier/{carrier.id}", path, "centre-duplicate", message, "name it once")
            named.add(centre)


def centres_are_managed_from_somewhere(view: View) -> Iterator[Problem]:
    """A centre has management networks; its firewall blocks other SSH."""
    named = {centre for carrier in view.inventory.carriers.values() for centre in carrier.centres}
    # A carrier that cannot be read, or that misspells a centre, may be the one that means it.
    if any(owner.startswith("carrier/") for owner in view.broken) or not named <= view.inventory.centres.keys():
        return
    for centre in view.inventory.centres.values():
        if centre.id not in named and not centre.management_networks:
            message = "no carrier names it and it has no management_networks: no network could reach its SSH"
            hint = "name it under centres of a carrier, or write management_networks, where SSH to it comes from"
            yield view.problem(f"centre/{centre.id}", (), "centre-without-management", message, hint)


def plans_name_a_relay_of_their_carrier(view: View) -> Iterator[Problem]:
    """A plan's carrier exists and owns the plan's relay."""
    owners = {relay_id: carrier.id for relay_id, (carrier, _) in view.relays_by_id.items()}
    for owner, key, _, plan in view.plans():
        if not view.knows(f"carrier/{plan.carrier}"):
            message = msg("carrier {carrier} has no file", plan.carrier)
            hint = msg("write carriers/{carrier}.yml", plan.carrier)
            yield view.problem(owner, (key, "carrier"), "carrier-unknown", message, hint)
        elif owners.get(plan.relay, plan.carrier) != plan.carrier:
            message = msg(
                "relay {relay} belongs to {owners}, not to {carrier}", plan.relay, owners[plan.relay], plan.carrier
            )
            hint = msg("choose one of {carrier}'s relays: {view}", plan.carrier, _relays(view, plan.carrier))
            yield view.problem(owner, (key, "relay"), "relay-of-other-carrier", message, hint)
        elif plan.relay not in owners and f"carrier/{plan.carrier}" not in view.broken:
            message = msg("relay {relay} does not exist", plan.relay)
            hint = msg("choose one of {carrier}'s relays: {view}", plan.carrier, _relays(view, plan.carrier))
            yield view.problem(owner, (key, "relay"), "relay-unknown", message, hint)


def backups_are_other_relays_of_the_carrier(view: View) -> Iterator[Problem]:
    """A backup relay is another relay of the plan's carrier."""
    owners = {relay_id: carrier.id for relay_id, (carrier, _) in view.relays_by_id.items()}
    for owner, key, _, plan in view.plans():
        backup = plan.backup_relay
        if not backup or f"carrier/{plan.carrier}" in view.broken or not view.knows(f"carrier/{plan.carrier}"):
            continue
        if backup == plan.relay:
            message = msg("the backup relay is {backup} itself, over which it is connected", backup)
        elif backup not in owners:
            message = msg("the backup relay {backup} does not exist", backup)
        elif owners[backup] != plan.carrier:
            message = msg(
                "the backup relay {backup} belongs to {owners}, not to {carrier}", backup, owners[backup], plan.carrier
            )
        else:
            continue
        alternatives = ", ".join(
            sorted(name for name, holder in owners.items() if holder == plan.carrier and name != plan.relay)
        )
        hint = (
            msg("name another relay of {carrier}: {others}", plan.carrier, alternatives)
            if alternatives
            else "remove it: there is no other relay"
        )
        yield view.problem(owner, (key, "backup_relay"), "backup-relay-unfit", message, hint)


def _relays(view: View, carrier: str) -> str:
    entry = view.inventory.carriers.get(carrier)
    return ", ".join(relay.id for relay in entry.relays) if entry else "no readable entry"


def relays_hold_their_paths(view: View) -> Iterator[Problem]:
    """A relay has at most max_paths paths; one stream is one path."""
    load: Counter[str] = Counter()
    for _, facility in view.facilities():
        for relay_id in facility.relays:
            load[relay_id] += facility.paths
    for owner, path, _, relay in view.relays():
        if load[relay.id] > relay.max_paths:
            carried = counted(load[relay.id], "path")
            message = msg(
                "relay {id} would carry {carried}; its max_paths is {max_paths}", relay.id, carried, relay.max_paths
            )
            hint = "move facilities to another relay, or raise max_paths if the host was measured to bear it"
            yield view.problem(owner, (*path, "max_paths"), "relay-over-capacity", message, hint)


def certificates_last(view: View) -> Iterator[Problem]:
    """Certificates are renewed before readers refuse them."""
    lock = view.inventory.allocations
    for owner, path, carrier, relay in view.relays():
        entry = lock.relays.get(relay.id)
        if carrier.certificates and entry and not entry.certificates:
            message = msg("relay {id}: no certificate is recorded that it could show readers", relay.id)
            yield view.problem(owner, path, HOST_KEYS_MISSING, message, RUN_KEYS)
        elif carrier.certificates and entry:
            yield from _certificate_problems(view, "relays", relay.id, entry, carrier.certificates)
    for centre in view.inventory.centres.values():
        at = lock.centres.get(centre.id)
        if centre.hub and at:
            yield from _certificate_problems(view, "centres", centre.id, at, centre.hub.reader_tls)


def _certificate_problems(
    view: View, kind: str, host: str, entry: RelayAllocation | CentreAllocation, tls: ReaderTls
) -> Iterator[Problem]:
    path: KeyPath = (kind, host, "certificates")
    following = entry.next_certificate if isinstance(entry, RelayAllocation) else None
    if following and _certificate_or_none(following.certificates[0]) is None:
        message = msg("{host}: its recorded next certificate is invalid", host)
        hint = msg("take the file back from Git; or take it back: provisioner certificate renew {host} --cancel", host)
        yield view.problem("allocations", (kind, host, "next_certificate"), "certificate-broken", message, hint)
    certificate = _certificate_or_none(entry.certificates[0]) if entry.certificates else None
    if entry.certificates and certificate is None:
        message = msg("{host}: its recorded certificate is invalid", host)
        hint = "take the file back from Git: `provisioner keys init` and `provisioner certificate` write it"
        yield view.problem("allocations", path, "certificate-broken", message, hint)
        return
    noon = datetime.combine(view.today, time(12), UTC)
    if certificate and (end_text := words_of_end(certificate.until, tls.warn_days, noon)):
        message = msg("{host}: the certificate that it shows readers {words}", host, end_text)
        hint = msg("run `provisioner certificate renew {host}`, or have one signed, and apply", host)
        yield view.warning("allocations", path, "certificate-ends", message, hint)


def _certificate_or_none(text: str) -> "ReaderCertificate | None":
    from provisioner.base.certificate import read_certificate  # noqa: PLC0415 (few inventories have certificates)

    try:
        return read_certificate(text)
    except ValueError:
        return None


def drains_lead_to_a_relay(view: View) -> Iterator[Problem]:
    """A relay drains to another active relay of its carrier."""
    for carrier in view.inventory.carriers.values():
        targets = {relay.id: relay.drain_to for relay in carrier.relays}
        for index, relay in enumerate(carrier.relays):
            target = relay.drain_to
            if target is not None and (target not in targets or target == relay.id or targets[target]):
                fault = (
                    "is being emptied itself"
                    if targets.get(target) and target != relay.id
                    else "is no other relay of it"
                )
                message = msg("relay {id} is to be emptied onto {to}, which {what}", relay.id, target, fault)
                hint = msg("name another relay of {id} that goes on, or remove drain_to", carrier.id)
                path = ("relays", index, "drain_to")
                yield view.problem(f"carrier/{carrier.id}", path, "drain-leads-nowhere", message, hint)
    yield from _on_drained_relays(view)


def _on_drained_relays(view: View) -> Iterator[Problem]:
    drained = {name: relay.drain_to for name, (_, relay) in view.relays_by_id.items() if relay.drain_to}
    for owner, key, facility, plan in view.plans() if drained else ():
        to = drained.get(plan.relay)
        is_moving = key == "plan" and facility.successor is not None and facility.successor.relay != plan.relay
        if to and not is_moving and facility.operating is not Operating.CLOSED:
            message = msg("its {key} is over {relay}, which is being emptied onto {to}", key, plan.relay, to)
            hint = msg("run provisioner relay drain {relay} --to {to}", plan.relay, to)
            yield view.warning(owner, (key, "relay"), "plan-on-drained-relay", message, hint)
        if plan.backup_relay in drained and facility.operating is not Operating.CLOSED:
            onto = drained[plan.backup_relay]
            message = msg(
                "its backup relay is {backup_relay}, which is being emptied onto {onto}", plan.backup_relay, onto
            )
            hint = msg(
                "name another one, or remove it: provisioner facility plan {id} --backup-relay NAME", facility.id
            )
            yield view.warning(owner, (key, "backup_relay"), "plan-on-drained-relay", message, hint)


def public_keys_are_unique(view: View) -> Iterator[Problem]:
    """Public keys are unique: WireGuard identifies a peer by its key alone."""
    peers: dict[str, tuple[str, str]] = {}
    for key, owner, path, name in _public_keys(view):
        if key in peers:
            first_name, first_owner = peers[key]
            message = msg("the public key of {name} is also that of {other}", name, first_name)
            hint = "generate a new key on one of the two: a private key never leaves its host"
            named = tuple(party.partition("/")[2] for party in (first_owner, owner) if party.startswith("facility/"))
            yield view.problem(owner, path, "public-key-duplicate", message, hint, concerns=named)
        peers.setdefault(key, (name, owner))


def _public_keys(view: View) -> Iterator[tuple[str, str, KeyPath, str]]:
    """Yield each public key: key, owner, path, holder in words."""
    lock = view.inventory.allocations
    for kind, hosts in (("relays", lock.relays), ("centres", lock.centres)):
        for name, host in hosts.items():
            if host.public_key:
                yield host.public_key, "allocations", (kind, name, "public_key"), name
    for name, relay in lock.relays.items():
        # A call that was ended before its last write leaves the next key as the relay's own one, too.
        if relay.next_key and relay.next_key.public_key != relay.public_key:
            at: KeyPath = ("relays", name, "next_key", "public_key")
            yield relay.next_key.public_key, "allocations", at, msg("the next key of {name}", name)
    for owner, facility in view.facilities():
        if facility.public_key:
            yield facility.public_key, owner, ("gateway", "public_key"), msg("the gateway of {id}", facility.id)
        if facility.next_key:
            path = ("gateway", "next_key", "public_key")
            yield facility.next_key, owner, path, msg("the next key of the gateway of {id}", facility.id)


def next_keys_follow_one(view: View) -> Iterator[Problem]:
    """A gateway with a next key also has a present key."""
    for owner, facility in view.facilities():
        if facility.next_key is not None and facility.public_key is None:
            message = "the gateway has a next key but no present key"
            hint = msg(
                "remove next_key; its first key is noted with: provisioner gateway set-key {id} KEY", facility.id
            )
            yield view.problem(owner, ("gateway", "next_key"), "next-key-first", message, hint)


def jump_hosts_may_come_in(view: View) -> Iterator[Problem]:
    """Hosts let SSH in from their jump host, for the controller."""
    # Of a centre, a carrier that cannot be read may be the one whose networks let it in.
    unread = any(owner.startswith("carrier/") for owner in view.broken)
    for road in (candidate for candidate in view.jump_routes() if candidate.hosts):
        source, key = road.jump.ssh_source, "inside" if road.jump.inside else "address"
        if source is None:
            message = msg(
                "hosts see the jump host {address} come from an address, and their rules go by that, not by a name",
                road.jump.address,
            )
            hint = "write under jump.inside the address that they see it come from"
            yield view.problem(road.owner, (*road.path, "address"), "jump-without-inside", message, hint)
            continue
        if any(source in network for network in road.networks) or (unread and road.owner.startswith("centre/")):
            continue
        message = msg(
            "SSH comes from the jump host {seen}, which is in no management network of {named}: the "
            "first apply would lock it out",
            source,
            road.owner.partition("/")[2],
        )
        hint = msg(
            "add {seen}/{max_prefixlen} to management_networks, or write under jump.inside the "
            "address that hosts see it come from",
            source,
            source.max_prefixlen,
        )
        yield view.problem(road.owner, (*road.path, key), "jump-outside-management", message, hint)


def jump_hosts_stand_before_their_hosts(view: View) -> Iterator[Problem]:
    """A jump host is not its own host, nor in a pool."""
    pools = pools_of(view)
    for road in view.jump_routes():
        for host in road.hosts:
            if host.address in _addresses(road.jump):
                message = msg("the jump host {address} is {name} itself", host.address, host.id)
                hint = "write the host that SSH goes through"
                yield view.problem(road.owner, (*road.path, "address"), "jump-is-the-host", message, hint)
        for address in _addresses(road.jump):
            for name, _, pool in pools:
                if not isinstance(address, HostName) and address in pool:
                    message = msg("the jump host {address} lies in {name} {pool}", address, name, pool)
                    hint = "write its outer address: a tunnel cannot be the way to its own end"
                    yield view.problem(road.owner, (*road.path, "address"), "jump-in-pool", message, hint)


def _addresses(jump: JumpHost) -> Iterable[HostPlace]:
    return dict.fromkeys(address for address in (jump.address, jump.ssh_source) if address is not None)


RULES: tuple[Callable[[View], Iterator[Problem]], ...] = (
    host_ids_are_unique,
    host_addresses_are_unique,
    wireguard_endpoints_are_unique,
    ssh_has_a_port_of_its_own,
    hosts_have_a_recorded_key,
    centres_exist,
    centres_are_managed_from_somewhere,
    plans_name_a_relay_of_their_carrier,
    backups_are_other_relays_of_the_carrier,
    relays_hold_their_paths,
    drains_lead_to_a_relay,
    certificates_last,
    public_keys_are_unique,
    next_keys_follow_one,
    jump_hosts_may_come_in,
    jump_hosts_stand_before_their_hosts,
)
