"""Comparison of two revisions, without hosts and without the vault. Pure.

The older revision's hosts are assumed to match it. So the result is the edit's meaning, not an apply's effect: readers,
drift, and contents of encrypted files are unknown.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from provisioner.base.private_text import address_without_login
from provisioner.base.secret import Secret, keyed_digest
from provisioner.base.text import endpoint_text, msg
from provisioner.desired.render.host import MEDIAMTX_FILE, RenderedFile, hub_settings, path_settings, program_path
from provisioner.desired.spec import DesiredState, HostSpec, Peer, units_of
from provisioner.hosts.answers import wire
from provisioner.hosts.facts import HostFacts, no_frozen_parts
from provisioner.inventory.allocation import devices_of
from provisioner.inventory.model.devices import Camera, StreamName
from provisioner.inventory.model.facility import path_name
from provisioner.inventory.model.inventory import Inventory
from provisioner.inventory.model.policy import MediamtxArtefact
from provisioner.inventory.model.secrets import CarrierSecrets, Credentials, HubSecrets, NextPsk, Secrets
from provisioner.plan.diff.comparison import canonical, sentinel_of, settings_of
from provisioner.plan.reach.packets import Ruleset, parse_ruleset

_NOTHING = Secret("not-known")
_PSK = Secret("A" * 43 + "=")


def placeholders(inventory: Inventory) -> Secrets:
    """Return the same secrets for every revision, so that they never differ."""
    login = Credentials(username="not-known", password=_NOTHING)
    facilities = inventory.facilities
    return Secrets(
        digest_key=_NOTHING,
        hubs={
            centre.id: HubSecrets(viewers={viewer.id: _NOTHING for viewer in centre.viewers}, certificate_key=_NOTHING)
            for centre in inventory.centres.values()
            if centre.hub
        },
        cameras={name: dict.fromkeys(devices_of(facility), login) for name, facility in facilities.items()},
        carriers={
            carrier.id: CarrierSecrets(
                readers=dict.fromkeys(carrier.centres, _NOTHING),
                certificate_keys={relay.id: _NOTHING for relay in carrier.relays if carrier.certificates},
                viewers={viewer.id: _NOTHING for viewer in inventory.viewers_of(carrier)},
                site_psks=dict.fromkeys(facilities, _PSK),
                publish_keys=dict.fromkeys(facilities, _NOTHING),
                centre_psks={relay.id: dict.fromkeys(carrier.centres, _PSK) for relay in carrier.relays},
                next_psks={
                    name: NextPsk(psk=_PSK, follows=site.gateway.public_key)
                    for name, site in facilities.items()
                    if site.gateway and site.gateway.public_key and site.gateway.next_key
                },
            )
            for carrier in inventory.carriers.values()
        },
    )


# --- a host that is as a revision says ------------------------------------------------------------
Files = Mapping[str, tuple[RenderedFile, ...]]


def facts_of_revision(state: DesiredState, files: Files, new_files: Files) -> dict[str, HostFacts]:
    """Return the new revision's hosts with the older revision's state."""
    return {
        host: _facts_from_files(state.hosts[host], files[host], new_files)
        if host in state.hosts and _are_called_alike(state.hosts[host], new_files)
        else _bare(host, new_files)
        for host, new_files in new_files.items()
    }


def without(inventory: Inventory, names: Collection[str]) -> Inventory:
    """Return an inventory without its frozen facilities, which cannot be compared."""
    facilities = {name: facility for name, facility in inventory.facilities.items() if name not in names}
    return inventory.model_copy(update={"facilities": facilities})


def with_frozen(facts: Mapping[str, HostFacts], inventory: Inventory, names: Collection[str]) -> dict[str, HostFacts]:
    """Return facts with the older configuration of frozen facilities."""
    paths: dict[str, dict[str, str]] = defaultdict(dict)
    peers: dict[str, dict[str, str]] = defaultdict(dict)
    for connection in inventory.connections:
        facility = connection.facility
        if facility.id not in names:
            continue
        relay = connection.relay
        streams = ((camera, name) for camera in facility.cameras for name in _streams(camera))
        paths[relay] |= {path_name(facility, camera, name): facility.id for camera, name in streams}
        if facility.gateway and facility.gateway.public_key and connection.plan.access.has_tunnel:
            peers[relay][facility.gateway.public_key] = f"site/{facility.id}"
            if facility.gateway.next_key and facility.gateway.next_key.public_key:
                peers[relay][facility.gateway.next_key.public_key] = f"next/{facility.id}"
    frozen_parts: dict[str, wire.FrozenAnswer] = {
        host: {**no_frozen_parts(), "paths": paths[host], "peers": peers[host]} for host in facts
    }
    return {host: replace(host_facts, held=frozen_parts[host]) for host, host_facts in facts.items()}


def _streams(camera: Camera) -> tuple[StreamName, ...]:
    return (StreamName.SUB, StreamName.MAIN) if camera.streams.main else (StreamName.SUB,)


def _are_called_alike(spec: HostSpec, new_files: Sequence[RenderedFile]) -> bool:
    return any(file.path == spec.names.host_program for file in new_files)


def _bare(host: str, new_files: Sequence[RenderedFile]) -> HostFacts:
    rules = next((file.content.decode() for file in new_files if file.path.endswith(".nft")), "")
    return HostFacts(host, firewall={"present": False, "differences": _rule_file_differences("", rules)})


def _facts_from_files(spec: HostSpec, files: Sequence[RenderedFile], new_files: Sequence[RenderedFile]) -> HostFacts:
    by_path = {file.path: file for file in files}
    rules = _content(files, spec.names.nft_file)
    facts = HostFacts(
        host=spec.id,
        files={file.path: _file(spec, file) for file in files},
        installed=frozenset(by_path),
        units={unit: _unit("inactive" if unit == spec.names.unit_revert else "active") for unit in units_of(spec)},
        tunnel=_tunnel_facts(spec),
        firewall={
            "present": bool(rules),
            "differences": _rule_file_differences(rules, _content(new_files, spec.names.nft_file)),
        },
        trust=spec.trust,
        policy=spec.policy,
    )
    if spec.media is None:
        return facts
    relay = _relay_facts(spec, by_path[MEDIAMTX_FILE])
    runtime: wire.RuntimeAnswer = {
        "version": spec.media.artefact.version,
        "started": "",
        "sentinel": relay["sentinel"],
        "viewers": {},
        "readers": [],
    }
    return replace(facts, relay=relay, runtime=runtime, program=_program_facts(spec.media.artefact, new_files))


def _content(files: Sequence[RenderedFile], path: str) -> str:
    return next((file.content.decode() for file in files if file.path == path), "")


def _file(spec: HostSpec, file: RenderedFile) -> wire.FileAnswer:
    digest = keyed_digest(spec.digest_key, file.content)
    return {"digest": digest, "mode": file.mode, "owner": file.owner, "group": file.group}


def _unit(active: str) -> wire.UnitAnswer:
    return {"active": active, "enabled": "enabled", "reload": False, "drop_ins": [], "pid": 0}


def _program_facts(artefact: MediamtxArtefact, new_files: Sequence[RenderedFile]) -> wire.ProgramAnswer:
    path = program_path(artefact).encode()
    same = any(path in file.content for file in new_files if file.path.endswith(".service"))
    return {"present": same, "whole": same, "version": artefact.version if same else ""}


def _tunnel_facts(spec: HostSpec) -> wire.TunnelAnswer:
    tunnel = spec.tunnel
    address, second = [f"{tunnel.address}/32"], tunnel.following
    live: wire.TunnelAnswer = {
        "public_key": "",
        "listen_port": tunnel.listen_port or 0,
        "addresses": address,
        "routes": sorted(str(route) for route in tunnel.routes),
        "mtu": tunnel.mtu,
        "peers": {peer.public_key: _peer(spec, peer) for peer in tunnel.peers},
    }
    if second is not None:
        # The tunnel of a relay's next key, as if all peers had moved; only the host knows which have not.
        live["following"] = {
            "public_key": second.public_key,
            "listen_port": second.port,
            "addresses": address,
            "mtu": tunnel.mtu,
            "alike": True,
            "moved": {peer.public_key: 1 for peer in tunnel.peers if peer.allowed_ips},
        }
    return live


def _peer(spec: HostSpec, peer: Peer) -> wire.PeerAnswer:
    return {
        "public_key": peer.public_key,
        "psk": keyed_digest(spec.digest_key, peer.psk.reveal().encode()),
        "endpoint": endpoint_text(*peer.endpoint) if peer.endpoint else None,
        "allowed_ips": sorted(str(network) for network in peer.allowed_ips),
        "keepalive_s": peer.keepalive_s,
        "handshake": 0,
        "received_bytes": 0,
        "sent_bytes": 0,
    }


def _relay_facts(spec: HostSpec, file: RenderedFile) -> wire.RelayAnswer:
    settings = settings_of(file.content, spec.digest_key)
    pulled = {path.name: _path(spec, path_settings(path)) for path in spec.paths}
    offered = {path.name: _path(spec, hub_settings(path)) for path in (spec.hub.paths if spec.hub else ())}
    return {"settings": settings, "paths": pulled | offered, "sentinel": sentinel_of(file.content), "foreign": 0}


def _path(spec: HostSpec, settings: dict[str, object]) -> wire.PathAnswer:
    source = str(settings["source"])
    return {
        "settings": settings | {"source": address_without_login(source)},
        "digest": keyed_digest(spec.digest_key, canonical(settings)),
        "source_digest": keyed_digest(spec.digest_key, source.encode()),
    }


# --- rules ----------------------------------------------------------------------------------------
def _rule_file_differences(old: str, new: str) -> list[wire.DifferenceAnswer]:
    old_items, new_items = (dict(_rule_items(parse_ruleset(text))) if text else {} for text in (old, new))
    differing = (
        name for name in sorted(old_items.keys() | new_items.keys()) if old_items.get(name) != new_items.get(name)
    )
    return [{"name": name, "action": _action(in_old=name in old_items, in_new=name in new_items)} for name in differing]


def _action(*, in_old: bool, in_new: bool) -> wire.RuleAction:
    if in_old and in_new:
        return "update"
    return "delete" if in_old else "create"


def _rule_items(rules: Ruleset) -> Iterator[tuple[str, object]]:
    for name, elements in rules.sets.items():
        yield f"set {name}", ""
        yield from ((f"element {name} {element}", "") for element in elements)
    for name, chain in rules.chains.items():
        yield f"chain {name}", (chain.hook, chain.policy)
        for rule in chain.rules:
            yield f"{name}/{rule.comment or 'unnamed'}", (rule.matches, rule.verdict)


# --- unknown facts --------------------------------------------------------------------------------
def comparison_gaps(old: Mapping[str, bytes], new: Mapping[str, bytes], leaving: Sequence[str]) -> Iterator[str]:
    """Yield the comparison's unknowns: encrypted files and leaving hosts."""
    yield "viewers and drift are not known: no host was called"
    for path in sorted(old.keys() | new.keys()):
        if old.get(path) != new.get(path):
            change = "is new" if path not in old else "is gone" if path not in new else "changed"
            yield msg(
                "{path} {change}, and the vault was not opened: {path_2}", path, change, _secret_file_meaning(path)
            )
    for host in leaving:
        yield msg("{host} leaves the inventory: it keeps its state, and gets no changes any more", host)


def _secret_file_meaning(path: str) -> str:
    parts = path.removesuffix(".yml").split("/")
    if parts[1:2] == ["cameras"]:
        return msg("paths of {parts} whose login is another one reconnect, and only those", parts[-1])
    if parts[1:2] == ["carriers"]:
        readers = "readers of a secret that was replaced are ended, and no others"
        return msg("reader secrets or pre-shared keys of {parts} may be others: {readers}", parts[-1], readers)
    return "digests of files are made with another key: every host is to be applied anew"
