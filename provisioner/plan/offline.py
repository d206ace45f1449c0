"""Two revisions of an inventory compared, with no host asked and no vault opened. Pure.

The older revision's hosts are taken to be as that revision says. So what comes out is what the edit means,
not what an apply would do: who watches, what drifted, and what is in encrypted files is not known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from provisioner.base.secret import Secret, keyed_digest
from provisioner.desired.spec import DesiredState, HostSpec
from provisioner.desired.units import UNIT_REVERT, units_of
from provisioner.hosts.facts import HostFacts
from provisioner.inventory.allocate import devices_of
from provisioner.inventory.model import CarrierSecrets, Credentials, Inventory, MediamtxArtefact, Secrets
from provisioner.plan.diff.relay_file import canonical, sentinel_of, settings_of, without_login
from provisioner.plan.guards.ruleset import Ruleset, parse_ruleset
from provisioner.render.files import MEDIAMTX_FILE, NFT_FILE, RenderedFile, program_path
from provisioner.render.media import path_settings

_NOTHING = Secret("not-known")
_PSK = Secret("A" * 43 + "=")


def placeholders(inventory: Inventory) -> Secrets:
    """Secrets that say nothing, the same ones for every revision: what is secret makes no difference then."""
    login = Credentials(username="not-known", password=_NOTHING)
    facilities = inventory.facilities
    return Secrets(
        digest_key=_NOTHING,
        cameras={name: dict.fromkeys(devices_of(facility), login) for name, facility in facilities.items()},
        carriers={
            carrier.id: CarrierSecrets(
                readers=dict.fromkeys(carrier.centres, _NOTHING),
                site_psks=dict.fromkeys(facilities, _PSK),
                centre_psks={relay.id: dict.fromkeys(carrier.centres, _PSK) for relay in carrier.relays},
            )
            for carrier in inventory.carriers.values()
        },
    )


# --- a host that is as a revision says ------------------------------------------------------------

Files = Mapping[str, tuple[RenderedFile, ...]]


def facts_of_revision(state: DesiredState, files: Files, new_files: Files) -> dict[str, HostFacts]:
    """The facts of every host of the new revision, as the older one would have left it.

    Args:
        state: of the older revision.
        files: the same, rendered.
        new_files: of the new revision: what a host says of its rules depends on what is asked.
    """
    return {
        host: _facts(state.hosts[host], files[host], wanted) if host in state.hosts else _bare(host, wanted)
        for host, wanted in new_files.items()
    }


def _bare(host: str, wanted: Sequence[RenderedFile]) -> HostFacts:
    """The facts of a host that the older revision does not have: nothing of ours is on it."""
    differences = _differences("", _content(wanted, NFT_FILE))
    return HostFacts(
        host=host,
        arch="",
        missing_packages=(),
        files={},
        manifest=None,
        units={},
        tunnel=None,
        firewall={"present": False, "differences": differences},
        keys={},
        armed=None,
        relay=None,
        runtime=None,
        program=None,
        live_digest="",
    )


def _facts(spec: HostSpec, files: Sequence[RenderedFile], wanted: Sequence[RenderedFile]) -> HostFacts:
    by_path = {file.path: file for file in files}
    running: dict[str, Any] = {"active": "active", "enabled": "enabled", "reload": False, "drop_ins": [], "pid": 0}
    facts = _bare(spec.id, wanted)
    rules = _content(files, NFT_FILE)
    facts = replace(
        facts,
        files={file.path: _described(spec, file) for file in files},
        manifest={"files": sorted(by_path)},
        units={n: running | ({"active": "inactive"} if n == UNIT_REVERT else {}) for n in units_of(spec)},
        tunnel=_tunnel(spec),
        firewall={"present": bool(rules), "differences": _differences(rules, _content(wanted, NFT_FILE))},
    )
    if spec.relay is None:
        return facts
    relay = _relay(spec, by_path[MEDIAMTX_FILE])
    runtime = {"version": spec.relay.artefact.version, "started": "", "sentinel": relay["sentinel"], "viewers": {}}
    return replace(facts, relay=relay, runtime=runtime, program=_program(spec.relay.artefact, wanted))


def _content(files: Sequence[RenderedFile], path: str) -> str:
    return next((file.content.decode() for file in files if file.path == path), "")


def _described(spec: HostSpec, file: RenderedFile) -> dict[str, Any]:
    digest = keyed_digest(spec.digest_key, file.content)
    return {"digest": digest, "mode": file.mode, "owner": file.owner, "group": file.group}


def _program(artefact: MediamtxArtefact, wanted: Sequence[RenderedFile]) -> dict[str, Any]:
    """What is known of MediaMTX's program: its unit names it, so the same unit has the same program."""
    path = program_path(artefact).encode()
    same = any(path in file.content for file in wanted if file.path.endswith(".service"))
    return {"present": same, "whole": same, "version": artefact.version if same else ""}


def _tunnel(spec: HostSpec) -> dict[str, Any]:
    tunnel = spec.tunnel
    peers = {
        peer.public_key: {
            "public_key": peer.public_key,
            "psk": keyed_digest(spec.digest_key, peer.psk.reveal().encode()),
            "endpoint": f"{peer.endpoint[0]}:{peer.endpoint[1]}" if peer.endpoint else None,
            "allowed_ips": sorted(str(network) for network in peer.allowed_ips),
            "keepalive_s": peer.keepalive_s,
        }
        for peer in tunnel.peers
    }
    return {
        "public_key": "",
        "listen_port": tunnel.listen_port,
        "addresses": [f"{tunnel.address}/32"],
        "routes": sorted(str(route) for route in tunnel.routes),
        "mtu": tunnel.mtu,
        "peers": peers,
    }


def _relay(spec: HostSpec, file: RenderedFile) -> dict[str, Any]:
    paths = {}
    for path in spec.paths:
        settings = path_settings(path)
        source = str(settings["source"])
        paths[path.name] = {
            "settings": settings | {"source": without_login(source)},
            "digest": keyed_digest(spec.digest_key, canonical(settings)),
            "source_digest": keyed_digest(spec.digest_key, source.encode()),
        }
    settings = settings_of(file.content, spec.digest_key)
    return {"settings": settings, "paths": paths, "sentinel": sentinel_of(file.content), "foreign": 0}


# --- rules ----------------------------------------------------------------------------------------


def _differences(old: str, new: str) -> list[dict[str, str]]:
    """What differs between two rendered rule files, named as hosts name it."""
    was, is_now = (dict(_items(parse_ruleset(text))) if text else {} for text in (old, new))
    found = []
    for name in sorted(was.keys() | is_now.keys()):
        if was.get(name) != is_now.get(name):
            action = "create" if name not in was else "delete" if name not in is_now else "update"
            found.append({"name": name, "action": action})
    return found


def _items(rules: Ruleset) -> Iterator[tuple[str, object]]:
    for name, elements in rules.sets.items():
        yield f"set {name}", ""
        yield from ((f"element {name} {element}", "") for element in elements)
    for name, chain in rules.chains.items():
        yield f"chain {name}", (chain.hook, chain.policy)
        for rule in chain.rules:
            yield f"{name}/{rule.comment or 'unnamed'}", (rule.matches, rule.verdict)


# --- what is not known ----------------------------------------------------------------------------


def not_known(old: Mapping[str, bytes], new: Mapping[str, bytes], left: Sequence[str]) -> Iterator[str]:
    """Say what a comparison without hosts and without the vault cannot know.

    Args:
        old: encrypted files of the older revision, by path.
        new: those of the new one.
        left: hosts that the new revision does not have any more.
    """
    yield "who watches, and whether hosts are as the older revision says: no host was asked"
    for path in sorted(old.keys() | new.keys()):
        if old.get(path) != new.get(path):
            change = "is new" if path not in old else "is gone" if path not in new else "changed"
            yield f"{path} {change}, and the vault was not opened: {_meaning(path)}"
    for host in left:
        yield f"{host} leaves the inventory: nothing is changed on it any more, and what is on it stays there"


def _meaning(path: str) -> str:
    parts = path.removesuffix(".yml").split("/")
    if parts[1:2] == ["cameras"]:
        return f"paths of {parts[-1]} whose login is another one reconnect, and only those"
    if parts[1:2] == ["carriers"]:
        return f"reader secrets or pre-shared keys of {parts[-1]} may be others, which cuts nobody who reads already"
    return "digests of files are made with another key: every host is to be applied anew"
