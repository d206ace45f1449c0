"""Changes of logins: of readers at a relay, and at devices. Pure.

MediaMTX keeps sessions of removed and changed users; the host ends them after the reload
(`playbooks/provisioner_host/relay/sessions.py`). A session belongs to the user name that its reader typed.

A relay's file has one login a path, and no relay tries two: cameras would lock it out. So during a device's login
change a relay keeps the old login, and its quarantine counts refusals. After a refusal the new login is desired, and
the next apply writes it. There is no way back: a device that refuses the new login, too, stays quarantined.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network
from typing import Final, NamedTuple

from provisioner.base.groups import gathered
from provisioner.base.secret import keyed_digest
from provisioner.base.text import msg
from provisioner.desired.render.quote import source_head, source_url
from provisioner.desired.spec import HostSpec, LoginChange, MediaPath, StreamSource
from provisioner.hosts.answers import wire
from provisioner.hosts.facts import HostFacts

USERS: Final = "authInternalUsers"
_ANYBODY: Final = "any"
_MANY: Final = 5

Entries = Mapping[str, list[Mapping[str, object]]]

_RENEWED: Final = (
    "the login by which its site pushes is another one: its stream is cut until the site has the new package"
)
_NARROWED: Final = "its site may not push any more from everywhere: its stream is cut if it comes from there"

_Device = tuple[str, str]
_Changing = Mapping[_Device, list[tuple[MediaPath, LoginChange]]]


@dataclass(frozen=True, slots=True)
class EndedReaders:
    """Sessions that a change of users ends."""

    #: Number by path; `None` if the relay does not report readers, so that any may end.
    readers: Mapping[str, int] | None
    takes_away: bool  #: Whether a user loses rights or must log in again.
    reason: str


class PushChange(NamedTuple):
    """Effect of changed users on a pushed path, perhaps a new secret."""

    is_renewed: bool
    reason: str


def ended_by(live: object, desired: object, runtime: wire.RuntimeAnswer | None) -> EndedReaders:
    """Return the sessions that changed users (hashes as keyed digests) lose."""
    now, wanted = _users_by_name(live), _users_by_name(desired)
    changed = sorted(name for name in now.keys() | wanted.keys() if now.get(name) != wanted.get(name))
    texts = [_user_change_text(name, now.get(name), wanted.get(name)) for name in changed]
    reason = "; ".join(texts[:_MANY]) + (
        ("; " + msg("and {words} more", len(texts) - _MANY)) if len(texts) > _MANY else ""
    )
    takes_away = any(name in now and not _only_wider(now[name], wanted.get(name)) for name in changed) or not now
    if runtime is None:
        return EndedReaders({}, takes_away, reason)
    readers = runtime.get("readers")
    if readers is None:
        return EndedReaders(None if takes_away else {}, takes_away, reason)
    ended: Counter[str] = Counter()
    for reader in readers:
        if _ends_session(reader, now, wanted):
            ended[reader["path"]] += reader["readers"]
    return EndedReaders(dict(sorted(ended.items())), takes_away or bool(ended), reason)


def adds_access(live: object, desired: object) -> bool:
    """Return whether live users only have more than desired: strangers, rights, addresses."""
    # A second entry of a desired user counts as another password, which is no mere addition.
    now, wanted = _users_by_name(live), _users_by_name(desired)
    return all(
        len(now.get(name, ())) == len(entries) and all(map(_has_all, now[name], entries))
        for name, entries in wanted.items()
    )


def _has_all(live: Mapping[str, object], desired: Mapping[str, object]) -> bool:
    rights, had = desired.get("permissions"), live.get("permissions")
    keeps = isinstance(rights, list) and isinstance(had, list) and all(right in had for right in rights)
    others = ({k: v for k, v in entry.items() if k not in {"ips", "permissions"}} for entry in (live, desired))
    return keeps and _is_wider(desired.get("ips"), live.get("ips")) and next(others) == next(others)


def pushes_changed(live: object, desired: object) -> Mapping[str, PushChange]:
    """Return pushed paths cut by replaced logins (hashes as keyed digests)."""
    now, wanted = _users_by_name(live), _users_by_name(desired)
    changed: dict[str, PushChange] = {}
    for name, entries in wanted.items():
        had, path = now.get(name), _pushed_path(entries)
        if not path or had is None or had == entries or _only_wider(had, entries):
            continue
        renewed = _rights(had) != _rights(entries)
        changed[path] = PushChange(renewed, _RENEWED if renewed else _NARROWED)
    return changed


def _pushed_path(entries: list[Mapping[str, object]]) -> str:
    rights = entries[0].get("permissions")
    right = rights[0] if isinstance(rights, list) and rights else None
    is_his = isinstance(right, Mapping) and right.get("action") == "publish"
    return str(right.get("path", "")) if is_his and isinstance(right, Mapping) else ""


def _users_by_name(setting: object) -> Entries:
    users: dict[str, list[Mapping[str, object]]] = {}
    for user in setting if isinstance(setting, list | tuple) else ():
        if isinstance(user, Mapping):
            users.setdefault(str(user.get("user", "")), []).append(user)
    return users


def _user_change_text(
    name: str, now: list[Mapping[str, object]] | None, wanted: list[Mapping[str, object]] | None
) -> str:
    if wanted is None:
        return msg("{name} may not come any more", name)
    if now is None:
        return msg("{name} is new", name)
    if _rights(now) != _rights(wanted):
        return msg("the secret or the rights of {name}", name)
    return msg("where {name} may come from", name)


def _only_wider(now: list[Mapping[str, object]], wanted: list[Mapping[str, object]] | None) -> bool:
    if wanted is None or _rights(now) != _rights(wanted):
        return False
    return all(_is_wider(had.get("ips"), has.get("ips")) for had, has in zip(now, wanted, strict=True))


def _is_wider(now: object, wanted: object) -> bool:
    old, new = (set(map(str, ips)) if isinstance(ips, list | tuple) else set() for ips in (now, wanted))
    return not new or (bool(old) and old <= new)


def _ends_session(reader: wire.ReaderAnswer, now: Entries, wanted: Entries) -> bool:
    entries = wanted.get(reader["user"]) or wanted.get(_ANYBODY)
    if entries is None or _rights(now.get(reader["user"]) or now.get(_ANYBODY)) != _rights(entries):
        return True
    return not any(_comes_from(reader["address"], entry.get("ips")) for entry in entries)


def _rights(entries: list[Mapping[str, object]] | None) -> list[dict[str, object]] | None:
    return None if entries is None else [{k: v for k, v in entry.items() if k != "ips"} for entry in entries]


def _comes_from(address: str, networks: object) -> bool:
    listed = [str(network) for network in networks] if isinstance(networks, list | tuple) else []
    return not listed or any(_is_inside(address, network) for network in listed)


def _is_inside(address: str, network: str) -> bool:
    try:
        return ip_address(address) in ip_network(network, strict=False)
    except ValueError:
        return address == network


def with_live_logins(hosts: Iterable[HostSpec], facts: Mapping[str, HostFacts]) -> dict[str, HostSpec]:
    """Return hosts with devices' new logins, if they need them, by id."""
    changing = {spec.id: (spec, by_device) for spec in hosts if (by_device := _devices_changing_login(spec))}
    if not changing:
        return {}
    # A device is one: what answers one relay by its new login does so to every other.
    accepted = {
        device
        for host, (spec, devices) in changing.items()
        if host in facts
        for device, paths in devices.items()
        if any(_has_new(spec, facts[host], path, change) for path, change in paths)
        and not any(_refuses_login(spec, facts[host], path, change.new) for path, change in paths)
    }
    settled = {}
    for host, (spec, devices) in changing.items():
        done = {device for device, paths in devices.items() if _is_new_login_needed(spec, facts.get(host), paths)}
        if by_new := (done | accepted) & devices.keys():
            settled[host] = _by_new_login(spec, by_new)
    return settled


def _devices_changing_login(spec: HostSpec) -> _Changing:
    return gathered(
        ((path.facility, path.device), (path, path.login_change))
        for path in spec.paths
        if path.login_change is not None and not path.login_change.done
    )


def _is_new_login_needed(
    spec: HostSpec, facts: HostFacts | None, paths: Iterable[tuple[MediaPath, LoginChange]]
) -> bool:
    return facts is not None and any(
        _has_new(spec, facts, path, change) or _refuses_login(spec, facts, path, path.source) for path, change in paths
    )


def _has_new(spec: HostSpec, facts: HostFacts, path: MediaPath, change: LoginChange) -> bool:
    live = facts.relay["paths"].get(path.name) if facts.relay else None
    return live is not None and live["source_digest"] == keyed_digest(spec.digest_key, source_url(change.new).encode())


def _refuses_login(spec: HostSpec, facts: HostFacts, path: MediaPath, source: StreamSource | None) -> bool:
    refused = facts.quarantine.get(path.name)
    if source is None:
        return False
    login = source_head(source).partition("://")[2]
    return refused is not None and refused.login == keyed_digest(spec.digest_key, login.encode())


def _by_new_login(spec: HostSpec, devices: Collection[_Device]) -> HostSpec:
    if spec.relay is None:
        return spec
    paths = tuple(_renewed(path) if (path.facility, path.device) in devices else path for path in spec.relay.paths)
    return replace(spec, relay=replace(spec.relay, paths=paths))


def _renewed(path: MediaPath) -> MediaPath:
    change = path.login_change
    return path if change is None else path._replace(source=change.new, login_change=change._replace(done=True))
