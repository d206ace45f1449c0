"""One host: desired state and rendered files against facts, as changes. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address
from typing import Any

from provisioner.changes import Action, Change, Impact, Resource
from provisioner.desired.spec import HostSpec, Peer
from provisioner.facts import HostFacts
from provisioner.quoting import source_url
from provisioner.reload_rules import impact_of_path_settings, impact_of_settings
from provisioner.render import MEDIAMTX_FILE, SENTINEL_PREFIX, UNITS, RenderedFile, path_settings, program_path
from provisioner.secret import Secret, keyed_digest

UNIT_MEDIAMTX = "provisioner-mediamtx.service"
UNIT_NFT = "provisioner-nft.service"
UNIT_REVERT = "provisioner-revert.service"
UNIT_WG = "provisioner-wg.service"
_CANONICAL = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"))
_SETTING_LINE = re.compile(r"^([A-Za-z][A-Za-z0-9]*): (.*)$")
_SENTINEL_LINE = re.compile(rf'^  "({SENTINEL_PREFIX}[0-9a-f]+)": ', re.MULTILINE)


def changes_of(spec: HostSpec, files: Iterable[RenderedFile], facts: HostFacts) -> tuple[Change, ...]:
    """Give every change of a host, no-ops included, each with its reason and whom it cuts."""
    by_path = {file.path: file for file in files}
    found = [
        *_path_changes(spec, facts),
        *_peer_changes(spec, facts),
        *_rule_changes(spec, facts),
        *_file_changes(spec, by_path, facts),
        *_unit_changes(spec, by_path, facts),
    ]
    return tuple(found)


def units_of(spec: HostSpec) -> tuple[str, ...]:
    """Give the units that a host should have, in the order in which they start."""
    relay = (UNIT_NFT, UNIT_WG, UNIT_MEDIAMTX, UNIT_REVERT)
    return relay if spec.relay else (UNIT_WG, UNIT_REVERT)


def sentinel_of(content: bytes) -> str:
    """Give the sentinel's name out of a rendered relay file."""
    found = _SENTINEL_LINE.search(content.decode())
    return found[1] if found else ""


def canonical(document: object) -> bytes:
    """Give a document as JSON, byte for byte as the on-host program does."""
    return _CANONICAL.encode(document).encode()


# --- paths ----------------------------------------------------------------------------------------


def _path_changes(spec: HostSpec, facts: HostFacts) -> Iterator[Change]:
    live = dict(facts.relay["paths"]) if facts.relay else {}
    viewers = facts.viewers
    for path in spec.paths:
        settings = path_settings(path)
        found = live.pop(path.name, None)
        if found is None:
            yield Change(spec.id, Resource.PATH, path.name, Action.CREATE, Impact.HOT, "the relay does not have it")
        elif found["digest"] == keyed_digest(spec.digest_key, canonical(settings)):
            yield Change(spec.id, Resource.PATH, path.name, Action.NOOP, Impact.NONE, "as desired")
        else:
            changed = _changed_settings(spec.digest_key, settings, found)
            impact = impact_of_path_settings(changed)
            lost = viewers.get(path.name, 0) if impact is Impact.PATH else 0
            reason = _path_reason(changed, source_url(path.source), found)
            yield Change(spec.id, Resource.PATH, path.name, Action.UPDATE, impact, reason, lost)
    for name in sorted(live):
        reason = "no rendered facility has it"
        yield Change(spec.id, Resource.PATH, name, Action.DELETE, Impact.PATH, reason, viewers.get(name, 0))


def _changed_settings(key: Secret, wanted: dict[str, object], found: dict[str, Any]) -> set[str]:
    names = (set(wanted) | set(found["settings"])) - {"source"}
    changed = {name for name in names if wanted.get(name) != found["settings"].get(name)}
    if keyed_digest(key, str(wanted.get("source", "")).encode()) != found["source_digest"]:
        changed.add("source")
    return changed or {"source"}


def _path_reason(changed: set[str], source: str, found: dict[str, Any]) -> str:
    told = []
    for name in sorted(changed):
        if name != "source":
            told.append(f"{name} differs")
            continue
        wanted, live = _shown(source), str(found["settings"].get("source", "none"))
        told.append(f"source {live} → {wanted}" if wanted != live else "credentials of the source differ")
    return "; ".join(told)


def _shown(source: str) -> str:
    scheme, _, rest = source.partition("://")
    head, slash, tail = rest.partition("/")
    return f"{scheme}://{head.rpartition('@')[2]}{slash}{tail}"


# --- peers ----------------------------------------------------------------------------------------


def _peer_changes(spec: HostSpec, facts: HostFacts) -> Iterator[Change]:
    live = dict(facts.tunnel["peers"]) if facts.tunnel else {}
    for peer in spec.tunnel.peers:
        found = live.pop(peer.public_key, None)
        if found is None:
            yield Change(spec.id, Resource.PEER, peer.name, Action.CREATE, Impact.HOT, "the tunnel does not have it")
        elif differing := _peer_differences(spec, peer, found):
            reason = f"{', '.join(differing)} differ"
            yield Change(spec.id, Resource.PEER, peer.name, Action.UPDATE, Impact.HOT, reason)
        else:
            yield Change(spec.id, Resource.PEER, peer.name, Action.NOOP, Impact.NONE, "as desired")
    for public_key in sorted(live):
        name = f"unknown/{public_key}"
        yield Change(spec.id, Resource.PEER, name, Action.DELETE, Impact.PATH, "no site, centre or relay has this key")


def _peer_differences(spec: HostSpec, peer: Peer, found: dict[str, Any]) -> list[str]:
    wanted: dict[str, object] = {
        "allowed IPs": sorted(str(network) for network in peer.allowed_ips),
        "pre-shared key": keyed_digest(spec.digest_key, peer.psk.reveal().encode()),
        "keepalive": peer.keepalive_s,
    }
    live = {"allowed IPs": found["allowed_ips"], "pre-shared key": found["psk"], "keepalive": found["keepalive_s"]}
    if peer.endpoint is not None:
        wanted["endpoint"] = _endpoint(peer.endpoint)
        live["endpoint"] = found["endpoint"]
    return [name for name, value in wanted.items() if live[name] != value]


def _endpoint(endpoint: tuple[IPv4Address, int]) -> str:
    return f"{endpoint[0]}:{endpoint[1]}"


# --- rules ----------------------------------------------------------------------------------------


_TABLE = "table inet provisioner"


def _rule_changes(spec: HostSpec, facts: HostFacts) -> Iterator[Change]:
    if spec.firewall is not None and not facts.firewall["present"]:
        reason = f"the host does not have it ({len(facts.firewall['differences'])} chains, sets, elements and rules)"
        yield Change(spec.id, Resource.RULE, _TABLE, Action.CREATE, Impact.HOT, reason)
        return
    for item in facts.firewall["differences"]:
        action = Action(item["action"])
        reason = {
            Action.CREATE: "the live table does not have it",
            Action.DELETE: "the live table has it and should not",
        }.get(action, "the live table has another one")
        yield Change(spec.id, Resource.RULE, item["name"], action, Impact.HOT, reason)
    if spec.firewall is not None and not facts.firewall["differences"]:
        yield Change(spec.id, Resource.RULE, _TABLE, Action.NOOP, Impact.NONE, "the live table is as intended")


# --- files ----------------------------------------------------------------------------------------


def _file_changes(spec: HostSpec, files: dict[str, RenderedFile], facts: HostFacts) -> Iterator[Change]:
    for path, file in files.items():
        found = facts.files.get(path)
        if found is None:
            yield Change(spec.id, Resource.FILE, path, Action.CREATE, Impact.NONE, "the host does not have it")
            continue
        differing = _file_differences(spec, file, found)
        if not differing:
            yield Change(spec.id, Resource.FILE, path, Action.NOOP, Impact.NONE, "as desired")
            continue
        impact, reason, viewers = Impact.NONE, f"{', '.join(differing)} differ", 0
        if path == MEDIAMTX_FILE:
            impact, reason, viewers = _relay_file_impact(spec, file, facts, reason)
        yield Change(spec.id, Resource.FILE, path, Action.UPDATE, impact, reason, viewers)
    yield from _unlisted_files(spec, files, facts)
    if spec.relay is not None:
        yield _program_change(spec, program_path(spec.relay.artefact), facts)


def _unlisted_files(spec: HostSpec, files: dict[str, RenderedFile], facts: HostFacts) -> Iterator[Change]:
    """We delete only what our manifest on the host lists."""
    for path in sorted(set((facts.manifest or {}).get("files", ())) - set(files)):
        if facts.files.get(path) is not None:
            reason = "we installed it, and it is not desired any more"
            yield Change(spec.id, Resource.FILE, path, Action.DELETE, Impact.NONE, reason)


def _file_differences(spec: HostSpec, file: RenderedFile, found: dict[str, Any]) -> list[str]:
    wanted = {
        "content": keyed_digest(spec.digest_key, file.content),
        "mode": file.mode,
        "owner": file.owner,
        "group": file.group,
    }
    live = {"content": found["digest"], "mode": found["mode"], "owner": found["owner"], "group": found["group"]}
    return [name for name, value in wanted.items() if live[name] != value]


def _relay_file_impact(spec: HostSpec, file: RenderedFile, facts: HostFacts, reason: str) -> tuple[Impact, str, int]:
    """Paths are changes of their own; here only the relay's settings count."""
    if facts.relay is None:
        return Impact.NONE, reason, 0
    wanted, live = settings_of(file.content, spec.digest_key), facts.relay["settings"]
    changed = {name for name in set(wanted) | set(live) if wanted.get(name) != live.get(name)}
    if not changed and facts.relay["foreign"]:
        return Impact.NONE, f"{reason}; {facts.relay['foreign']} lines in it are not ours", 0
    if not changed:
        return Impact.NONE, f"{reason}; its settings do not", 0
    impact = impact_of_settings(changed)
    lost = sum(facts.viewers.values()) if impact is Impact.ALL else 0
    return impact, f"settings differ: {', '.join(sorted(changed))}", lost


def settings_of(content: bytes, key: Secret) -> dict[str, Any]:
    """Give a rendered relay file's settings as the on-host program describes them."""
    settings: dict[str, Any] = {}
    for line in content.decode().splitlines():
        found = _SETTING_LINE.match(line)
        if found is None:
            continue
        try:
            value = json.loads(found[2])
        except ValueError:
            value = found[2]
        if found[1] == "authInternalUsers":
            value = [{**user, "pass": keyed_digest(key, user["pass"].encode())} for user in value]
        settings[found[1]] = value
    return settings


def _program_change(spec: HostSpec, path: str, facts: HostFacts) -> Change:
    program = facts.program or {"present": False, "whole": False}
    if not program["present"]:
        return Change(spec.id, Resource.FILE, path, Action.CREATE, Impact.NONE, "MediaMTX is not installed")
    if not program["whole"]:
        return Change(spec.id, Resource.FILE, path, Action.UPDATE, Impact.NONE, "it is not the program we installed")
    return Change(spec.id, Resource.FILE, path, Action.NOOP, Impact.NONE, "as desired")


# --- units ----------------------------------------------------------------------------------------


def _unit_changes(spec: HostSpec, files: dict[str, RenderedFile], facts: HostFacts) -> Iterator[Change]:
    for name in units_of(spec):
        state = facts.units.get(name)
        path = f"{UNITS}/{name}"
        if state is None or facts.files.get(path) is None:
            yield Change(spec.id, Resource.UNIT, name, Action.CREATE, Impact.HOT, "the host does not have it")
            continue
        wrong = _unit_wrongs(name, state)
        if _file_differences(spec, files[path], facts.files[path] or {}):
            wrong.append("its file differs")
        if name == UNIT_WG:
            wrong += _tunnel_wrongs(spec, facts)
        if name == UNIT_MEDIAMTX:
            wrong += _relay_wrongs(facts)
        if not wrong:
            yield Change(spec.id, Resource.UNIT, name, Action.NOOP, Impact.NONE, "as desired")
            continue
        impact = _unit_impact(name, state, wrong)
        lost = sum(facts.viewers.values()) if impact is Impact.ALL else 0
        yield Change(spec.id, Resource.UNIT, name, Action.UPDATE, impact, "; ".join(wrong), lost)


def _unit_wrongs(name: str, state: dict[str, Any]) -> list[str]:
    wrong = []
    if name != UNIT_REVERT and state["active"] != "active":
        wrong.append(f"it is {state['active']}")
    if state["enabled"] != "enabled":
        wrong.append(f"it is {state['enabled']}")
    if state["drop_ins"]:
        wrong.append(f"overridden by {', '.join(state['drop_ins'])}")
    if state["reload"]:
        wrong.append("systemd has not read its file")
    return wrong


def _tunnel_wrongs(spec: HostSpec, facts: HostFacts) -> list[str]:
    tunnel, live = spec.tunnel, facts.tunnel
    if live is None:
        return ["the interface is not there"]
    wrong = []
    if live["addresses"] != [f"{tunnel.address}/32"]:
        wrong.append(f"address is {', '.join(live['addresses']) or 'none'}, not {tunnel.address}/32")
    if tunnel.listen_port is not None and live["listen_port"] != tunnel.listen_port:
        wrong.append(f"port is {live['listen_port']}, not {tunnel.listen_port}")
    if live["mtu"] != tunnel.mtu:
        wrong.append(f"MTU is {live['mtu']}, not {tunnel.mtu}")
    if set(live["routes"]) != {str(route) for route in tunnel.routes}:
        wrong.append("routes differ")
    return wrong


def _relay_wrongs(facts: HostFacts) -> list[str]:
    if facts.relay is None or facts.units[UNIT_MEDIAMTX]["active"] != "active":
        return []
    if facts.runtime is None:
        return ["its Control API does not answer"]
    if facts.runtime["sentinel"] != facts.relay["sentinel"]:
        return ["it has not read its file"]
    return []


def _unit_impact(name: str, state: dict[str, Any], wrong: list[str]) -> Impact:
    cut = name == UNIT_MEDIAMTX and ("its file differs" in wrong or state["drop_ins"])
    moved = name == UNIT_WG and any(w.startswith(("address", "port")) for w in wrong)
    return Impact.ALL if cut or moved else Impact.HOT
