"""Devices whose login is under change: each relay asks with the one that it has until the device refuses that. Pure.

A relay's file has one login a path, and nobody tries two: cameras lock whoever does. So a relay goes on with the old
one, whose refusals its quarantine counts; once it is refused the new one is desired, and the next apply brings it. The
way back is closed: what refuses the new one as well stays quarantined.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from provisioner.base.secret import keyed_digest
from provisioner.desired.spec import HostSpec, LoginChange, MediaPath, StreamSource
from provisioner.hosts.facts import HostFacts
from provisioner.render.quote import source_head, source_url

_Device = tuple[str, str]
_Changing = Mapping[_Device, list[tuple[MediaPath, LoginChange]]]


def with_live_logins(hosts: Iterable[HostSpec], facts: Mapping[str, HostFacts]) -> dict[str, HostSpec]:
    """The hosts of which another login is desired than the old one, as they are desired then, by id.

    Args:
        hosts: what hosts should hold, with the old login wherever either is taken.
        facts: what those that were read hold.
    """
    changing = {spec.id: (spec, of) for spec in hosts if (of := _changing(spec))}
    if not changing:
        return {}
    # A device is one: what answers one relay by its new login does so to every other.
    taken = {
        device
        for host, (spec, devices) in changing.items()
        if host in facts
        for device, paths in devices.items()
        if any(_has_new(spec, facts[host], path, change) for path, change in paths)
        and not any(_refuses(spec, facts[host], path, change.new) for path, change in paths)
    }
    settled = {}
    for host, (spec, devices) in changing.items():
        done = {device for device, paths in devices.items() if _is_due(spec, facts.get(host), paths)}
        if by_new := (done | taken) & devices.keys():
            settled[host] = _by_new_login(spec, by_new)
    return settled


def _changing(spec: HostSpec) -> _Changing:
    devices: dict[_Device, list[tuple[MediaPath, LoginChange]]] = defaultdict(list)
    for path in spec.paths:
        if path.login_change is not None and not path.login_change.done:
            devices[path.facility, path.device].append((path, path.login_change))
    return devices


def _is_due(spec: HostSpec, facts: HostFacts | None, paths: Iterable[tuple[MediaPath, LoginChange]]) -> bool:
    """Whether a device is to be asked by its new login: it is already, or the old one is refused."""
    return facts is not None and any(
        _has_new(spec, facts, path, change) or _refuses(spec, facts, path, path.source) for path, change in paths
    )


def _has_new(spec: HostSpec, facts: HostFacts, path: MediaPath, change: LoginChange) -> bool:
    live = facts.relay.paths.get(path.name) if facts.relay else None
    return live is not None and live.source_digest == keyed_digest(spec.digest_key, source_url(change.new).encode())


def _refuses(spec: HostSpec, facts: HostFacts, path: MediaPath, source: StreamSource | None) -> bool:
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
