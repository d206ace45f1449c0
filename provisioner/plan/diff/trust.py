"""Trust: what the host last proved to be trusted for, against what it is to be trusted for now. Pure.

What is narrowed is no change of trust: it is the file's alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from ipaddress import ip_network

from provisioner.desired.spec import HostSpec
from provisioner.desired.trust import AppliedPolicy, Trust
from provisioner.hosts.facts import HostFacts
from provisioner.plan.changes import FIRST, HOST, Action, Change, Impact, Resource
from provisioner.plan.diff.comparison import Comparison


def trust_changes(at: Comparison) -> Iterator[Change]:
    """A change for all of a host that nothing is known of, or else for each thing that is trusted anew."""
    desired, live = at.spec.trust, at.facts.trust
    if desired is None:
        return
    if not at.facts.proved:
        yield _change(at, HOST, Action.CREATE, f"nothing proves that it was managed before: {_place(desired)}")
        return
    if live is None:
        yield _change(at, FIRST, Action.CREATE, _place(desired))
        return
    for name, action, reason in (*_differences(live, desired), *_peers(at)):
        yield _change(at, name, action, reason)


def _change(at: Comparison, name: str, action: Action, reason: str) -> Change:
    return Change(at.spec.id, Resource.TRUST, name, action, Impact.NONE, reason)


def _place(trust: Trust) -> str:
    program = f", {trust.program}" if trust.program else ""
    return f"{trust.user}@{trust.address}:{trust.port}, host key {trust.host_key}{program}"


def _differences(live: Trust, desired: Trust) -> Iterator[tuple[str, Action, str]]:
    for name, was, is_now in (
        ("address", live.address, desired.address),
        ("SSH port", live.port, desired.port),
        ("SSH user", live.user, desired.user),
        ("host key", live.host_key, desired.host_key),
        ("program", live.program, desired.program),
    ):
        if was != is_now and is_now:
            yield name, Action.UPDATE, f"{was or 'none'} → {is_now}"
    for network in desired.ssh_from:
        if not _within(network, live.ssh_from):
            yield f"SSH from {network}", Action.CREATE, "new SSH could not come from there"
    for reader in sorted(set(desired.readers) - set(live.readers)):
        yield f"reader {reader}", Action.CREATE, "it could not read, or hold these secrets, before"


def _peers(at: Comparison) -> Iterator[tuple[str, Action, str]]:
    """Peers whose key is another one: who holds the new key gets what the old one's holder got, camera logins too."""
    live = at.facts.tunnel.peers if at.facts.tunnel else {}
    wanted = {peer.public_key for peer in at.spec.tunnel.peers}
    replaced = {peer.allowed_ips: key for key, peer in live.items() if key not in wanted}
    for peer in at.spec.tunnel.peers:
        old = replaced.get(tuple(sorted(map(str, peer.allowed_ips))))
        if peer.public_key not in live and old is not None:
            yield f"key of {peer.name}", Action.UPDATE, f"{old} → {peer.public_key}"


def policy_changes(specs: Iterable[HostSpec], facts: Mapping[str, HostFacts], now: datetime) -> Iterator[Change]:
    """A change for each thing that would hold plans back less than when any host was applied last.

    Every host remembers the policy that it was applied under. What one of them knows already was allowed once; so a
    rise is a change of one host, the first that was read, and not of all.

    Args:
        specs: the hosts that were read.
        facts: theirs.
        now: the moment: a window that is over holds nothing back.
    """
    known = [(spec, policy) for spec in specs if (policy := facts[spec.id].policy) is not None]
    if not known or (desired := known[0][0].policy) is None:
        return
    host, policies = known[0][0].id, [policy for _, policy in known]
    for name, number in desired.limits.items():
        most = max(policy.limits.get(name, 0) for policy in policies)
        if number > most:
            reason = f"{most} → {number}: a plan may do more"
            yield Change(host, Resource.TRUST, f"limit {name}", Action.UPDATE, Impact.NONE, reason)
    for window in sorted(set.intersection(*(set(policy.freeze) for policy in policies))):
        if _is_kept(window, desired.freeze, now):
            continue
        reason = "changes were held back in this window"
        yield Change(host, Resource.TRUST, f"freeze {window}", Action.DELETE, Impact.NONE, reason)
    for name, action, reason in _signing(policies, desired):
        yield Change(host, Resource.TRUST, name, action, Impact.NONE, reason)


def _signing(policies: Sequence[AppliedPolicy], desired: AppliedPolicy) -> Iterator[tuple[str, Action, str]]:
    known = [set(policy.signing) for policy in policies]
    for line in sorted(set(desired.signing).difference(*known)):
        yield f"signing: {line}", Action.CREATE, "whose word on a connection plan counts was decided without it"
    for line in sorted(set.intersection(*known) - set(desired.signing)):
        yield f"signing: {line}", Action.DELETE, "it decided whose word on a connection plan counts"


def _is_kept(window: str, windows: Iterable[str], now: datetime) -> bool:
    """Whether a window is over, or lies within one that still holds."""
    try:
        begin, until = map(datetime.fromisoformat, window.split("/"))
        held = [tuple(map(datetime.fromisoformat, other.split("/"))) for other in windows]
        return until <= now or any(first <= begin and until <= last for first, last in held)
    except (TypeError, ValueError):  # what a host made up
        return False


def _within(network: str, networks: Iterable[str]) -> bool:
    """Whether a network is a part of one of others; what a host made up is none."""
    new = ip_network(network)
    for other in networks:
        try:
            old = ip_network(other)
        except ValueError:
            continue
        if new.version == old.version and int(old[0]) <= int(new[0]) and int(new[-1]) <= int(old[-1]):
            return True
    return False
