"""Desired state from inventory and secrets. Pure, independent of the files' order."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from types import MappingProxyType
from typing import Final

from provisioner.base.errors import InventoryError, SecretsError
from provisioner.base.frozen import FrozenFacility
from provisioner.base.groups import grouped
from provisioner.base.roles import words_of_reading
from provisioner.desired.hosts import centre_host, relay_host
from provisioner.desired.limit import left_out_centre, left_out_relay
from provisioner.desired.readers import viewer_user
from provisioner.desired.required import with_owner
from provisioner.desired.sites import port_dialled
from provisioner.desired.spec import SITE, DesiredState, HostSpec, LeftOutHost
from provisioner.desired.trust import Trust, called_through, host_key_text, policy_of, program_words
from provisioner.inventory.model.inventory import Inventory
from provisioner.inventory.model.secrets import Secrets

NOTHING_HELD: Final[Mapping[str, FrozenFacility]] = MappingProxyType({})


def desired_state(
    inventory: Inventory,
    secrets: Secrets,
    frozen: Mapping[str, FrozenFacility] = NOTHING_HELD,
    today: date | None = None,
) -> DesiredState:
    """Return the desired state of all hosts, without frozen facilities.

    The inventory must be valid and complete (`rules`). Hosts whose secrets could not be opened are left out. `today`
    and errors are as of `hosts.relay_host`.
    """
    _refuse_unknown_moves(inventory)
    by_relay = grouped(inventory.connections, lambda connection: connection.relay)
    hosts: list[HostSpec] = []
    left_out: dict[str, LeftOutHost] = {}
    for carrier, relay in inventory.relays.values():
        served = by_relay.get(relay.id, ())
        try:
            hosts.append(relay_host(inventory, secrets, carrier, relay, served, today=today))
        except SecretsError:
            without = left_out_relay(inventory, secrets, carrier, relay, served)
            if without is None:
                raise
            left_out[relay.id] = without
    for centre in inventory.centres.values():
        try:
            hosts.append(centre_host(inventory, secrets, centre, inventory.connections if centre.hub else ()))
        except SecretsError:
            without = left_out_centre(inventory, secrets, centre)
            if without is None:
                raise
            left_out[centre.id] = without
    policy = policy_of(inventory)
    frozen_facilities = tuple(facility for _, facility in sorted(frozen.items()))
    trusted = (
        replace(
            with_owner(host, inventory, secrets),
            trust=_trust_in_host(inventory, host),
            policy=policy,
            held=frozen_facilities if host.media else (),
        )
        for host in hosts
    )
    by_id = {host.id: host for host in sorted(trusted, key=lambda h: h.id)}
    return DesiredState(by_id, dict(sorted(left_out.items())), dict(sorted(frozen.items())))


def _trust_in_host(inventory: Inventory, host: HostSpec) -> Trust:
    reading = _reading(inventory, host) if host.relay else _readers_at(inventory, host)
    firewall = host.firewall
    keys = {peer.name: " ".join((peer.public_key, *sorted(map(str, peer.allowed_ips)))) for peer in host.tunnel.peers}
    return Trust(
        address=str(host.address),
        port=host.ssh.port,
        user=host.ssh.user,
        host_key=host_key_text(host.ssh),
        program=program_words(inventory.settings.mediamtx) if host.media else "",
        ssh_from=tuple(map(str, firewall.management_networks)) if firewall else (),
        readers=tuple(sorted(reading)),
        keys=dict(sorted(keys.items())),
        jump=called_through(host.jump),
        endpoint=inventory.relays[host.id][1].named_endpoint if host.relay else "",
        ports=dict(sorted(_ports_dialled(inventory, host).items())) if host.relay else {},
        publishers=tuple(map(str, firewall.publishers)) if firewall else (),
    )


def _ports_dialled(inventory: Inventory, host: HostSpec) -> dict[str, int]:
    _, relay = inventory.relays[host.id]
    names = (peer.name.removeprefix(SITE) for peer in host.tunnel.peers if peer.name.startswith(SITE))
    dialled = {name: port_dialled(inventory.facilities[name], relay) for name in names}
    return {name: port for name, port in dialled.items() if port != relay.wireguard_port}


def _reading(inventory: Inventory, relay: HostSpec) -> Iterator[str]:
    for centre in (inventory.centres[name] for name in inventory.carriers[relay.carriers[0]].centres):
        yield from words_of_reading(centre.id, centre.reads)
        for viewer in centre.viewers if centre.hub is None else ():
            yield from words_of_reading(viewer_user(viewer.id), viewer.reads)


def _readers_at(inventory: Inventory, centre: HostSpec) -> Iterator[str]:
    yield from centre.carriers
    for viewer in inventory.centres[centre.id].viewers if centre.hub else ():
        yield from words_of_reading(viewer_user(viewer.id), viewer.reads)


def _refuse_unknown_moves(inventory: Inventory) -> None:
    """Refuse a move to an unknown device, which would lose old paths."""
    for move in inventory.settings.moved:
        _, name, *device = move.new.split("/")
        facility = inventory.facilities.get(name)
        devices = {c.id for c in facility.cameras} | {r.id for r in facility.recorders} if facility else set()
        if facility and device and device[0] not in devices:
            hint = "write the id that it has now under moved in inventory.yml, or remove the entry"
            raise InventoryError(f"moved: {move.new} is no device of {name}", hint=hint, object=name)
