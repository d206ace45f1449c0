"""Changes of paths at relays and hubs, with quarantined paths. Pure.

The reload rules were read in MediaMTX 1.20.1's source (`closeResources` of internal/core/core.go,
`pathConfCanBeUpdated` of path_manager.go) and measured with readers on two paths. An unlisted setting counts as cutting
all readers: too much caution is better than unannounced cuts. A path cannot be renamed: under a new name it is a new
path.

A hub's paths are one sentence in its file's change, since the relays list the changes. A quarantined path is removed
from its relay's file after its device refused the password. It counts as desired until the password changes.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Annotated

from provisioner.base.document import UtcMoment, unprinted
from provisioner.base.private_text import address_without_login
from provisioner.base.secret import keyed_digest
from provisioner.base.text import local_time, msg
from provisioner.desired.render.host import hub_settings, path_settings
from provisioner.desired.render.quote import source_head
from provisioner.desired.spec import HostSpec, HubPath, MediaPath
from provisioner.hosts.answers import wire
from provisioner.hosts.facts import HostFacts, source_in
from provisioner.plan.change import NOBODY, Action, Audience, Change, Impact, Resource
from provisioner.plan.diff.comparison import Comparison, canonical, owner_of_path

READ = "1.20.1"  #: MediaMTX version of these rules.

# A path's only settings that change under its readers' feet without a reconnect.
_HOT_PATH_SETTINGS = frozenset(
    {
        *("forward", "record", "recordPath", "recordFormat", "recordDeleteAfter"),
        *("recordPartDuration", "recordMaxPartSize", "recordSegmentDuration"),
    }
)
_OF_HTTP = ("", "Address", "AllowOrigins", "Encryption", "ServerCert", "ServerKey", "TrustedProxies")
# Settings whose change restarts no server, or one without viewers.
_HOT_SETTINGS = frozenset(
    ["authInternalUsers", *(f"{server}{part}" for server in ("api", "playback", "pprof") for part in _OF_HTTP)]
)
# Servers of other protocols: each restarts alone, and cuts readers of that protocol only.
_OTHER_SERVERS = ("hls", "moq", "rtmp", "srt", "webrtc")
# These begin like one of them, and are not: `srtp…` belongs to RTSP.
_NOT_OF_SERVERS = ("srtp", "srtcp")

_SHOWN = frozenset({"rtspTransport", "sourceOnDemandStartTimeout", "sourceOnDemandCloseAfter"})
_SAME = "the relay's file has it with the same settings"

_Judged = tuple[Impact, Audience, str]  #: Impact, cut readers and reason.


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A path that is not pulled, since its device refused the password. It is not a change."""

    host: str
    path: str
    province: str
    facility: str
    device: str  #: The device's address and port in the tunnel.
    since: UtcMoment  #: Time by the host's clock.
    renewed: bool = False  #: Whether the inventory has another login by now; the next apply tries it.
    lifted: Annotated[bool, unprinted] = False  #: Whether the same login is to be tried again.
    #: The last day of both logins, if the other login is part of a change.
    until: Annotated[date | None, unprinted] = None

    @property
    def why(self) -> str:
        """The state in words."""
        return msg("quarantined since {since_text}: {device} refuses its password", local_time(self.since), self.device)

    @property
    def needs_password(self) -> bool:
        """Whether the next step is a corrected password."""
        return not (self.renewed or self.lifted)

    @property
    def next_step(self) -> str:
        """The next step for people."""
        if self.renewed and self.until:
            return msg("its login is under change until {until}: provisioner apply tries the new one", self.until)
        if self.renewed:
            return "the inventory has another login for it: provisioner apply brings it back"
        if self.lifted:
            return "it is asked again"
        return "correct the password in secrets/ and apply, or have it tried again: provisioner quarantine lift"


def impact_of_path_settings(changed: Collection[str]) -> Impact:
    """Return the impact of a path's changed settings: `hot`, or `path`."""
    return Impact.HOT if set(changed) <= _HOT_PATH_SETTINGS else Impact.PATH


def impact_of_settings(changed: Collection[str], live: Mapping[str, object]) -> Impact:
    """Return the impact of changed settings; `live` shows servers without readers."""
    return Impact.HOT if all(_setting_is_hot(name, live) for name in changed) else Impact.ALL


def _setting_is_hot(name: str, live: Mapping[str, object]) -> bool:
    if name in _HOT_SETTINGS:
        return True
    if name.startswith(_NOT_OF_SERVERS):
        return False
    # MediaMTX has each of them on unless its file says `false`.
    return any(name.startswith(server) and live.get(server) is False for server in _OTHER_SERVERS)


def caution(version: str) -> str:
    """Return a remark for a version whose rules are unknown, or empty."""
    return (
        ""
        if version == READ
        else (" " + msg("(by the reload rules of {read}; those of {version} are not known)", READ, version))
    )


def path_changes(comparison: Comparison) -> Iterator[Change]:
    """Yield a change for each desired or live path."""
    if comparison.spec.relay is None:
        return
    if comparison.same_relay_file:
        yield from _all_same(comparison)
        return
    for path in comparison.spec.paths:
        yield _path_change(comparison, path, comparison.live_paths.get(path.name))
    desired = {path.name for path in comparison.spec.paths}
    removed = sorted(set(comparison.live_paths) - desired)
    new_names = _new_names(comparison) if removed else {}
    for name in removed:
        yield _path_removal(comparison, name, new_names)


def _all_same(comparison: Comparison) -> Iterator[Change]:
    host, path, noop, none = comparison.spec.id, Resource.PATH, Action.NOOP, Impact.NONE
    for p in comparison.spec.paths:
        yield Change(host, path, p.name, noop, none, _SAME, NOBODY, p.province, p.facility)


def _path_change(comparison: Comparison, path: MediaPath, live: wire.PathAnswer | None) -> Change:
    where = (path.province, path.facility)
    if live is None:
        reason = "the relay's file does not have it"
        return comparison.change(Resource.PATH, path.name, Action.CREATE, Impact.HOT, reason, where=where)
    settings = path_settings(path)
    if live["digest"] == keyed_digest(comparison.spec.digest_key, canonical(settings)):
        pushed = comparison.pushes_changed.get(path.name)
        if pushed is None:
            return comparison.noop(Resource.PATH, path.name, _SAME, where)
        cut = comparison.watching(path.name)
        return comparison.change(
            Resource.PATH, path.name, Action.UPDATE, Impact.PATH, pushed.reason, cut=cut, where=where
        )
    changed = _changed_settings(comparison, settings, live)
    impact = impact_of_path_settings(changed)
    cut = comparison.watching(path.name) if impact is Impact.PATH else NOBODY
    reason = _update_reason(changed, settings, live)
    if impact is Impact.HOT and comparison.spec.relay is not None:
        reason += caution(comparison.spec.relay.artefact.version)
    return comparison.change(Resource.PATH, path.name, Action.UPDATE, impact, reason, cut=cut, where=where)


def _changed_settings(comparison: Comparison, desired: Mapping[str, object], live: wire.PathAnswer) -> set[str]:
    names = (set(desired) | set(live["settings"])) - {"source"}
    changed = {name for name in names if desired.get(name) != live["settings"].get(name)}
    if keyed_digest(comparison.spec.digest_key, str(desired.get("source", "")).encode()) != live["source_digest"]:
        changed.add("source")
    return changed or {"source"}


def _update_reason(changed: set[str], settings: Mapping[str, object], live: wire.PathAnswer) -> str:
    reasons = []
    for name in sorted(changed):
        if name != "source":
            old, desired = _value_text(name, live["settings"].get(name)), _value_text(name, settings.get(name))
            reasons.append(f"{name} {old} → {desired}")
            continue
        old, desired = source_in(live) or "none", address_without_login(str(settings["source"]))
        reasons.append(msg("source {was} → {desired}", old, desired) if desired != old else _hidden(desired))
    return "; ".join(reasons)


def _hidden(source: str) -> str:
    """Return the words for a hidden difference: the source has the login."""
    return "path or credentials of the source differ" if source.endswith("/***") else "credentials of the source differ"


def _value_text(name: str, value: object) -> str:
    """Return a known setting's value; others may contain a password."""
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)[:20] if name in _SHOWN else "set"


def _new_names(comparison: Comparison) -> dict[str, str]:
    """Return new paths' names by their sources without login."""
    new = (path for path in comparison.spec.paths if path.name not in comparison.live_paths)
    named = ((address_without_login(str(path_settings(path)["source"])), path.name) for path in new)
    # Shortened addresses may be equal if the path is hidden; pushed paths have no address.
    return {source: name for source, name in named if "://" in source and not source.endswith("/***")}


def _path_removal(comparison: Comparison, name: str, new_names: Mapping[str, str]) -> Change:
    other_relays = comparison.fleet.served_by(name)
    renamed = new_names.get(source_in(comparison.live_paths[name]) or "")
    reason = "no open facility with an agreed plan has it"
    if other_relays:
        reason = msg("{others} serves it from now on; it is no longer served here", ", ".join(other_relays))
    elif renamed:
        reason = msg(
            "its stream is {renamed} from now on; `moved` in inventory.yml would serve both names for a while", renamed
        )
    cut = comparison.watching(name)
    return comparison.change(
        Resource.PATH, name, Action.DELETE, Impact.PATH, reason, cut=cut, where=owner_of_path(name)
    )


def with_hub_paths(comparison: Comparison, of_settings: _Judged, *, settings_alike: bool) -> _Judged:
    """Combine the changes of a hub's settings and paths, without new ones."""
    desired = {path.name: path for path in (comparison.spec.hub.paths if comparison.spec.hub else ())}
    live = comparison.live_paths
    new, removed = desired.keys() - live.keys(), live.keys() - desired.keys()
    changed = {
        name for name, path in desired.items() if name in live and live[name]["digest"] != _digest(comparison, path)
    }
    if not (new or removed or changed):
        return of_settings
    reason = msg(
        "of the hub's paths: {new} new, {other} with another source, {gone} gone", len(new), len(changed), len(removed)
    )
    impact, cut = (Impact.PATH if changed or removed else Impact.HOT), comparison.watching(*sorted(changed | removed))
    if settings_alike:
        return impact, cut, reason
    settings_impact, settings_cut, settings_reason = of_settings
    readers = {host: {**cut.get(host, {}), **settings_cut.get(host, {})} for host in sorted({*settings_cut, *cut})}
    return max(settings_impact, impact, key=lambda candidate: candidate.rank), readers, f"{settings_reason}; {reason}"


def _digest(comparison: Comparison, path: HubPath) -> str:
    return keyed_digest(comparison.spec.digest_key, canonical(hub_settings(path)))


def quarantined_on(spec: HostSpec, facts: HostFacts) -> dict[str, Quarantined]:
    """Return the quarantined paths of a host, by name."""
    if not facts.quarantine:
        return {}
    wanted = {path.name: path for path in spec.paths if path.name in facts.quarantine}
    retried = {facts.quarantine[name].login for name in spec.lifted if name in facts.quarantine}
    listed = {}
    for name, entry in sorted(facts.quarantine.items()):
        path = wanted.get(name)
        province, facility = (path.province, path.facility) if path else owner_of_path(name)
        renewed = path is not None and _login_digest(spec, path) != entry.login
        lifted = not renewed and entry.login in retried
        change = path.login_change if path else None
        until = change.until if change and renewed else None
        listed[name] = Quarantined(spec.id, name, province, facility, entry.device, entry.since, renewed, lifted, until)
    return listed


def _login_digest(spec: HostSpec, path: MediaPath) -> str:
    if path.source is None:
        return ""
    return keyed_digest(spec.digest_key, source_head(path.source).partition("://")[2].encode())


def with_quarantine(comparison: Comparison, changes: Iterator[Change]) -> Iterator[Change]:
    """Adapt the changes of quarantined paths, which have no readers.

    A pending change keeps its reason and impact: a reviewed plan stays valid if a path is quarantined meanwhile.
    """
    by_name = quarantined_on(comparison.spec, comparison.facts)
    for change in changes:
        quarantined = by_name.get(change.name)
        yield change if quarantined is None else _quarantined_change(change, quarantined)


def _quarantined_change(change: Change, quarantined: Quarantined) -> Change:
    """Return the change of a quarantined path, with its next step."""
    if not change.pending and quarantined.lifted:
        reason = msg(
            "its quarantine since {since_text} is lifted: {device} is asked again with the same password",
            local_time(quarantined.since),
            quarantined.device,
        )
        return change._replace(action=Action.UPDATE, impact=Impact.HOT, reason=reason)
    if not change.pending:
        return change._replace(reason=f"{quarantined.why}; {quarantined.next_step}")
    return change._replace(cut=NOBODY)
