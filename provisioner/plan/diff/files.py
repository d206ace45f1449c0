"""Changes of a host's files, firewall rules and units. Pure.

The firewall's file is one transaction, and packets of established connections are accepted first. So changed rules or
set elements affect only new connections. The host itself compares the intended file with the loaded rules.

Configuration of frozen facilities stays byte for byte and is no change.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from provisioner.base.errors import FrozenFacility
from provisioner.base.secret import keyed_digest
from provisioner.base.text import counted, msg
from provisioner.desired.names import UNITS, HostNames
from provisioner.desired.render.host import MEDIAMTX_FILE, READERS_FILE, RenderedFile, program_path
from provisioner.desired.spec import SITE, UNIT_MEDIAMTX, HostSpec, Peer, units_of
from provisioner.desired.trust import AppliedPolicy
from provisioner.hosts.answers import wire
from provisioner.hosts.facts import ElementSet, HostFacts, SetElement, element_of
from provisioner.plan.change import NOBODY, Action, Audience, Change, Impact, Resource
from provisioner.plan.diff.comparison import Comparison, owner_of_path, settings_of
from provisioner.plan.diff.paths import caution, impact_of_settings, with_hub_paths
from provisioner.plan.diff.users import USERS, adds_access, ended_by

NOT_A_FILE = "not-a-file"  #: A host's answer for a link or a folder at one of our paths.

_NEW = {
    (ElementSet.MANAGEMENT, Action.CREATE): "new SSH from it is to be accepted",
    (ElementSet.MANAGEMENT, Action.DELETE): "new SSH from it is to be refused",
    (ElementSet.MANAGEMENT_V6, Action.CREATE): "new SSH from it is to be accepted",
    (ElementSet.MANAGEMENT_V6, Action.DELETE): "new SSH from it is to be refused",
    (ElementSet.CENTRES, Action.CREATE): "new readers from it are to be accepted",
    (ElementSet.CENTRES, Action.DELETE): "new readers from it are to be refused; those of a user that goes are ended",
    (ElementSet.ROUTED, Action.CREATE): "sites in it are to be reached by the carrier's own network",
    (ElementSet.ROUTED, Action.DELETE): "no site in it is to be reached by the carrier's own network any more",
}
_CAMERAS = {
    Action.CREATE: "the relay is to reach {device}",
    Action.DELETE: "the relay reaches no device there any more",
}
_ASKING = {
    Action.CREATE: "its probe is to ask {device} about itself (ONVIF)",
    Action.DELETE: "its probe no longer asks devices there about themselves (ONVIF)",
}
_OTHER = {
    Action.CREATE: "the live table does not have it",
    Action.UPDATE: "the live table has another one",
    Action.DELETE: "the live table has it and should not",
}

_NAMED = 5


def file_changes(comparison: Comparison) -> Iterator[Change]:
    """Yield a change for each rendered or installed file, and for MediaMTX."""
    for path, file in comparison.files.items():
        yield _file_change(comparison, path, file)
    yield from _unlisted_deletions(comparison)
    if comparison.spec.media is not None:
        yield _program_change(comparison, program_path(comparison.spec.media.artefact))


def file_differences(spec: HostSpec, file: RenderedFile, live: wire.FileAnswer) -> list[str]:
    """Return a file's differences: `content`, `mode 0644 → 0640` and the like."""
    if live["digest"] == NOT_A_FILE:
        return ["it is no plain file", "content"]
    differing = [] if live["digest"] == keyed_digest(spec.digest_key, file.content) else ["content"]
    if live["mode"] != file.mode:
        differing.append(msg("mode {mode} → {mode_2}", f"{live['mode']:04o}", f"{file.mode:04o}"))
    if (live["owner"], live["group"]) != (file.owner, file.group):
        differing.append(
            msg("owner {owner}:{group} → {owner_2}:{group_2}", live["owner"], live["group"], file.owner, file.group)
        )
    return differing


def _file_change(comparison: Comparison, path: str, file: RenderedFile) -> Change:
    live = comparison.facts.files.get(path)
    if live is None:
        impact, cut = _unread(comparison) if path == MEDIAMTX_FILE else (Impact.NONE, NOBODY)
        return comparison.change(Resource.FILE, path, Action.CREATE, impact, "the host does not have it", cut=cut)
    differing = file_differences(comparison.spec, file, live)
    if not differing:
        return comparison.noop(Resource.FILE, path, "same content, mode and owner")
    if path == comparison.spec.names.policy_file and differing == ["content"]:
        # A host cannot notice a reverted edit that it does not remember.
        if reason := _policy_to_store(comparison):
            return comparison.change(Resource.FILE, path, Action.UPDATE, Impact.NONE, reason)
        return comparison.noop(
            Resource.FILE, path, "the policy that it was applied under; the next change writes the new one"
        )
    impact, cut, reason = Impact.NONE, NOBODY, _differ(differing)
    if path == MEDIAMTX_FILE and "content" in differing:
        impact, cut, reason = _relay_settings_change(comparison, file, reason)
    if path == READERS_FILE and comparison.spec.media is not None:
        # Measured on 1.20.1: the file is watched, and who reads at the moment goes on under the former one.
        impact = Impact.HOT
        reason = msg("{reason}: new clients get another certificate, present ones are not cut", reason)
        reason += caution(comparison.spec.media.artefact.version)
    change = comparison.change(Resource.FILE, path, Action.UPDATE, impact, reason, cut=cut)
    return change._replace(of_strangers=differing == ["content"] and _adds_access(comparison, path, file))


def _adds_access(comparison: Comparison, path: str, file: RenderedFile) -> bool:
    """Return whether a relay's live file differs only by added access."""
    live = comparison.facts.relay
    if path != MEDIAMTX_FILE or comparison.spec.relay is None or live is None or live["foreign"]:
        return False
    desired, present = settings_of(file.content, comparison.spec.digest_key), live["settings"]
    changed = {name for name in desired.keys() | present.keys() if desired.get(name) != present.get(name)}
    return changed == {USERS} and adds_access(present.get(USERS), desired.get(USERS))


def _policy_to_store(comparison: Comparison) -> str:
    remembered, desired = comparison.facts.policy or AppliedPolicy(), comparison.spec.policy or AppliedPolicy()
    if remembered.approvals != desired.approvals:
        return "who approves plans, and what, is to be remembered there"
    return "which Rego rules judge plans is to be remembered there" if remembered.rego != desired.rego else ""


def _differ(differing: list[str]) -> str:
    return "; ".join("content differs" if difference == "content" else difference for difference in differing)


def _unread(comparison: Comparison) -> tuple[Impact, Audience]:
    """Judge writing an unreadable file: a running relay may have anything."""
    return (Impact.ALL, comparison.served_here) if comparison.facts.runtime is not None else (Impact.NONE, NOBODY)


def _relay_settings_change(comparison: Comparison, file: RenderedFile, reason: str) -> tuple[Impact, Audience, str]:
    """Judge the relay's settings; paths are changes of their own."""
    live = comparison.facts.relay
    if live is None:
        return (*_unread(comparison), reason)
    if live["foreign"]:
        # A line that we would not write may be a setting of all paths.
        return (
            Impact.ALL,
            comparison.served_here,
            msg(
                "{reason}; what {foreign_lines} in it would do is not known",
                reason,
                counted(live["foreign"], "foreign line"),
            ),
        )
    desired = settings_of(file.content, comparison.spec.digest_key)
    names = desired.keys() | live["settings"].keys()
    changed = {name for name in names if desired.get(name) != live["settings"].get(name)}
    if not changed:
        same = (Impact.NONE, NOBODY, msg("{reason}; its settings do not, its paths are listed", reason))
        return with_hub_paths(comparison, same, settings_alike=True) if comparison.spec.hub else same
    of_settings = _settings_impact(comparison, changed, desired, live)
    return with_hub_paths(comparison, of_settings, settings_alike=False) if comparison.spec.hub else of_settings


def _settings_impact(
    comparison: Comparison, changed: set[str], desired: Mapping[str, object], live: wire.RelayAnswer
) -> tuple[Impact, Audience, str]:
    impact = impact_of_settings(changed, live["settings"])
    reason = msg("settings differ: {changed}", ", ".join(sorted(changed)))
    if impact is not Impact.HOT or comparison.spec.media is None:
        return impact, comparison.served_here, reason
    reason += caution(comparison.spec.media.artefact.version)
    if USERS not in changed:
        return impact, NOBODY, reason
    ended = ended_by(live["settings"].get(USERS), desired.get(USERS), comparison.facts.runtime)
    cut = comparison.served_here if ended.readers is None else comparison.audience(ended.readers)
    # Whether or not a viewer is present: the impact is reviewed, and the digest includes it.
    return (Impact.PATH if ended.takes_away else impact), cut, f"{reason}: {ended.reason}"


def _unlisted_deletions(comparison: Comparison) -> Iterator[Change]:
    for path in sorted(comparison.facts.installed - set(comparison.files)):
        if path in comparison.facts.files:
            reason, impact = "we installed it, and it is not desired any more", Impact.NONE
            if path == MEDIAMTX_FILE:
                reason, impact = "it is no hub any more: whoever reads there is cut", Impact.ALL
            yield comparison.change(Resource.FILE, path, Action.DELETE, impact, reason)


def _program_change(comparison: Comparison, path: str) -> Change:
    program = comparison.facts.program
    if program is None or not program["present"]:
        reason = "MediaMTX is not installed in this version"
        return comparison.change(Resource.FILE, path, Action.CREATE, Impact.NONE, reason)
    if not program["whole"]:
        reason = "it is not the program that we installed"
        return comparison.change(Resource.FILE, path, Action.UPDATE, Impact.NONE, reason)
    return comparison.noop(Resource.FILE, path, "it is the program that we installed")


def rule_changes(comparison: Comparison) -> Iterator[Change]:
    """Yield changes of chains, sets, elements and rules, or one no-op."""
    frozen = (
        {SetElement(ElementSet.CAMERAS, row).name for row in comparison.facts.held["cameras"]}
        if comparison.spec.held
        else set()
    )
    table = comparison.spec.names.listed_table
    differences = [row for row in comparison.facts.firewall["differences"] if row["name"] not in frozen]
    if comparison.spec.firewall is not None and not comparison.facts.firewall["present"]:
        reason = msg("the host does not have it (chains, sets, elements and rules: {differences})", len(differences))
        yield comparison.change(Resource.RULE, table, Action.CREATE, Impact.HOT, reason)
        return
    for difference in differences:
        yield _rule_change(comparison, difference)
    if comparison.spec.firewall is not None and not differences:
        yield comparison.noop(Resource.RULE, table, "the loaded rules equal the intended file")


def _rule_change(comparison: Comparison, difference: wire.DifferenceAnswer) -> Change:
    name, action = difference["name"], Action(difference["action"])
    where, reason = ("", ""), _OTHER[action]
    element = element_of(name)
    match element and (element.set, element.device):
        case (ElementSet.CAMERAS, (address, port)):
            where = comparison.site_at(address)
            reason = _CAMERAS.get(action, reason).format(device=_device(comparison, address, port))
        case (ElementSet.ONVIF, (address, port)):
            where = comparison.site_at(address)
            reason = _ASKING.get(action, reason).format(device=_onvif_device(comparison, address, port))
        case (element_set, None):
            reason = _NEW.get((element_set, action), reason)
    return comparison.change(Resource.RULE, name, action, Impact.HOT, reason, where=where)


def _device(comparison: Comparison, address: str, port: int) -> str:
    paths = comparison.desired_by_address.get(address, ())
    texts = (
        msg("{device} of {facility}", path.device, path.facility)
        for path in paths
        if path.source and path.source.port == port
    )
    return next(texts, msg("{address} port {port}", address, port))


def _onvif_device(comparison: Comparison, address: str, port: int) -> str:
    devices = comparison.spec.relay.asked if comparison.spec.relay else ()
    texts = (
        msg("{device} of {facility}", device.device, device.facility)
        for device in devices
        if (str(device.address), device.port) == (address, port)
    )
    return next(texts, msg("{address} port {port}", address, port))


def frozen_changes(comparison: Comparison) -> Iterator[Change]:
    """Yield a no-op for each frozen path and peer."""
    facilities = comparison.spec.frozen_names
    for name, facility in comparison.facts.held["paths"].items():
        if facility in facilities:
            where = owner_of_path(name)[0] or facilities[facility].province, facilities[facility].id
            yield comparison.noop(Resource.PATH, name, _reason(facilities[facility]), where)
    for name in sorted(comparison.facts.held["peers"].values()):
        facility = name.partition("/")[2]
        if facility in facilities:
            frozen = facilities[facility]
            yield comparison.noop(Resource.PEER, name, _reason(frozen), (frozen.province, frozen.id))


def _reason(facility: FrozenFacility) -> str:
    return msg("held: {reason}", facility.reason)


def frozen_on(spec: HostSpec, facts: HostFacts) -> frozenset[str]:
    """Return frozen facilities with configuration on a host."""
    frozen = spec.frozen_names
    owners = set(facts.held["paths"].values())
    owners |= {name.partition("/")[2] for name in facts.held["peers"].values()}
    return frozenset(frozen[owner].id for owner in owners if owner in frozen)


def unit_changes(comparison: Comparison) -> Iterator[Change]:
    """Yield a change for each unit."""
    for name in units_of(comparison.spec):
        yield _unit_change(comparison, name)


def _unit_change(comparison: Comparison, name: str) -> Change:
    names, state = comparison.spec.names, comparison.facts.units.get(name)
    path = f"{UNITS}/{name}"
    file = comparison.facts.files.get(path)
    if state is None or file is None:
        impact = Impact.ALL if name == names.unit_wg and _other_key(comparison) else Impact.HOT
        reason = "; ".join([*(_other_key(comparison) if name == names.unit_wg else ()), "the host does not have it"])
        return comparison.change(Resource.UNIT, name, Action.CREATE, impact, reason)
    hot: list[str] = _unit_faults(names, name, state)
    cutting: list[str] = []
    losing: tuple[Peer, ...] = ()
    if file_differences(comparison.spec, comparison.files[path], file):
        (cutting if name == UNIT_MEDIAMTX else hot).append("its file differs")
    if drop_ins := [path for path in state["drop_ins"] if overrides_ours(comparison.spec, path)]:
        (cutting if name == UNIT_MEDIAMTX else hot).append(msg("overridden by {own}", ", ".join(drop_ins)))
    if name == names.unit_wg:
        cutting += _interface_faults(comparison, state)
        hot += _link_faults(comparison)
        second_tunnel_faults, losing = _second_tunnel_faults(comparison)
        hot += second_tunnel_faults
    if name == UNIT_MEDIAMTX:
        cutting += _relay_faults(comparison)
    if not (hot or cutting):
        return comparison.noop(Resource.UNIT, name, _as_desired(names, name))
    everybody = comparison.served_here if name == UNIT_MEDIAMTX else comparison.everybody
    impact, cut = (Impact.ALL, everybody) if cutting else (Impact.HOT, NOBODY)
    if losing:
        impact, cut = Impact.ALL, comparison.everybody
    return comparison.change(Resource.UNIT, name, Action.UPDATE, impact, "; ".join([*cutting, *hot]), cut=cut)


def _second_tunnel_faults(comparison: Comparison) -> tuple[list[str], tuple[Peer, ...]]:
    """Return changes of the second tunnel, and centres that lose it."""
    live, desired = (
        comparison.facts.tunnel.get("following") if comparison.facts.tunnel else None,
        comparison.spec.tunnel.following,
    )
    if comparison.facts.tunnel is None or (live is None and desired is None):
        return [], ()
    if live is None:
        port = desired.port if desired else 0
        return [msg("the relay's next key answers beside the present one, at port {port}", port)], ()
    losing = tuple(peer for peer in comparison.peers_losing_key if not peer.name.startswith(SITE))
    without = [msg("without the relay until they are applied: {left}", _names(losing))] if losing else []
    if comparison.takes_next_key:
        port = live["listen_port"]
        return [msg("the relay's next key takes the place of the present one, at port {port}", port), *without], losing
    if desired is None:
        return ["the relay's next key goes", *without], losing
    if (live["public_key"], live["listen_port"]) != desired:
        return ["the relay's next key is another one", *without], losing
    link = (live["addresses"], live["mtu"]) == ([f"{comparison.spec.tunnel.address}/32"], comparison.spec.tunnel.mtu)
    return ([] if live["alike"] and link else ["the second tunnel is not as the first one is"]), ()


def _names(peers: Sequence[Peer]) -> str:
    more = ", …" if len(peers) > _NAMED else ""
    return ", ".join(peer.name for peer in peers[:_NAMED]) + more


def overrides_ours(spec: HostSpec, path: str) -> bool:
    """Return whether a drop-in overrides only our units, so apply removes it."""
    # The on-host program decides the same. A file in `service.d` is for all services, and no plan changes it.
    file, ours = PurePosixPath(path), f"{spec.names.ours}-"
    return file.parent.name.startswith(ours) or file.name.startswith(ours)


def _as_desired(names: HostNames, name: str) -> str:
    running = "enabled" if name == names.unit_revert else "active and enabled"
    return running + {
        names.unit_wg: ", with the same address, port, MTU and routes",
        UNIT_MEDIAMTX: ", and has read its file",
    }.get(name, "")


def _unit_faults(names: HostNames, name: str, state: wire.UnitAnswer) -> list[str]:
    faults = []
    if name != names.unit_revert and state["active"] != "active":
        faults.append(msg("it is {active}", state["active"]))
    if state["enabled"] != "enabled":
        faults.append(msg("it is {enabled}", state["enabled"]))
    if state["reload"]:
        faults.append("systemd has not read its file")
    return faults


def _interface_faults(comparison: Comparison, state: wire.UnitAnswer) -> list[str]:
    """Return changes that end all sessions: interface, address, port."""
    tunnel, live = comparison.spec.tunnel, comparison.facts.tunnel
    faults = _other_key(comparison)
    if live is None:
        # Restarted: and MediaMTX with it, which requires it.
        return [*faults, "the interface is not there"] if state["active"] == "active" else faults
    if live["addresses"] != [f"{tunnel.address}/32"]:
        faults.append(msg("address {addresses} → {address}/32", ", ".join(live["addresses"]) or "none", tunnel.address))
    if comparison.takes_next_key:
        return faults
    if tunnel.listen_port is not None and live["listen_port"] != tunnel.listen_port:
        faults.append(msg("port {listen_port} → {listen_port_2}", live["listen_port"], tunnel.listen_port))
    return faults


def _other_key(comparison: Comparison) -> list[str]:
    """Return the difference if the relay's key differs from its packages' key."""
    former = comparison.fleet.former_keys.get(comparison.spec.id)
    if former is None:
        return []
    text = msg("its public key {former} → another one", former)
    return [msg("{known}: no site of it connects before it has a new package", text)]


def _link_faults(comparison: Comparison) -> list[str]:
    """Return changes of the interface that keep sessions."""
    tunnel, live = comparison.spec.tunnel, comparison.facts.tunnel
    if live is None:
        return []
    faults = [] if live["mtu"] == tunnel.mtu else [msg("MTU {mtu} → {mtu_2}", live["mtu"], tunnel.mtu)]
    desired, routes = {str(route) for route in tunnel.routes}, set(live["routes"])
    faults += [msg("route {route} is missing", route) for route in sorted(desired - routes)]
    return faults + [msg("route {route} is not ours", route) for route in sorted(routes - desired)]


def is_silent(facts: HostFacts) -> bool:
    """Return whether MediaMTX is active but its Control API does not answer."""
    unit = facts.units.get(UNIT_MEDIAMTX)
    return unit is not None and unit["active"] == "active" and facts.relay is not None and facts.runtime is None


def restarts_silent(facts: HostFacts, changes: Iterable[Change]) -> bool:
    """Return whether a plan announces a restart of a silent MediaMTX."""
    return is_silent(facts) and any(
        c.resource is Resource.UNIT and c.name == UNIT_MEDIAMTX and c.pending and c.impact is Impact.ALL
        for c in changes
    )


def _relay_faults(comparison: Comparison) -> list[str]:
    facts = comparison.facts
    if is_silent(facts):
        return ["it runs and does not answer its Control API, so it is restarted"]
    if facts.relay is None or facts.runtime is None or facts.units[UNIT_MEDIAMTX]["active"] != "active":
        return []
    if facts.runtime["sentinel"] != facts.relay["sentinel"]:
        # It runs on another file than the one that its paths were compared with.
        return ["it has not read its file"]
    return []
