"""A host's trusted facts compared: a restriction changes no trust. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from ipaddress import ip_network

from provisioner.base.roles import had_right
from provisioner.base.text import counted, endpoint_text, msg
from provisioner.desired.owner import UNMARKED, Owner
from provisioner.desired.spec import NEXT, SITE, HostSpec
from provisioner.desired.trust import AppliedPolicy, ApprovalTerms, Trust
from provisioner.plan.change import FIRST, HOST, OWNER, Action, Change, Impact, Resource
from provisioner.plan.diff.comparison import Comparison


def trust_changes(comparison: Comparison) -> Iterator[Change]:
    """Yield one change for an unknown host, or each new trusted fact."""
    desired, live = comparison.spec.trust, comparison.facts.trust
    if desired is None:
        return
    before = _owner_before(comparison)
    found: list[tuple[str, Action, str]] = []
    if before is not None:
        reason = msg("{before} → this inventory{at}", _owner_words(before), _what_ends(comparison))
        found.append((OWNER, Action.UPDATE, reason))
    if comparison.facts.proved and live is None:
        found.append((FIRST, Action.CREATE, _host_text(desired)))
    elif comparison.facts.proved and live is not None:
        found += (*_trust_differences(live, desired), *_key_differences(live.keys, desired.keys))
    elif before is None:
        reason = msg("it has no proof that it was managed before: {desired}", _host_text(desired))
        found.append((HOST, Action.CREATE, reason))
    for name, action, reason in found:
        yield comparison.change(Resource.TRUST, name, action, Impact.NONE, reason)


def _owner_before(comparison: Comparison) -> Owner | None:
    """Return the owner before the next apply, if it is a takeover."""
    # A proved host without a mark is ours, as earlier versions left no mark, unless a takeover is recorded.
    mark, new_owner = comparison.facts.owner, comparison.spec.owner
    if new_owner is None or (mark is not None and mark.is_same(new_owner) and not mark.released):
        return None
    adopted = UNMARKED if comparison.spec.adopted is not None and comparison.facts.installed else None
    return mark if mark is not None and mark.inventory else adopted


def _owner_words(owner: Owner) -> str:
    return msg("released by {words}", owner.words) if owner.released else owner.words


def _what_ends(comparison: Comparison) -> str:
    """Return the former owner's paths and peers that end, in words."""
    live_peers = set(comparison.facts.tunnel["peers"]) if comparison.facts.tunnel else set()
    paths = set(comparison.live_paths) - {path.name for path in comparison.spec.paths}
    peers = live_peers - {peer.public_key for peer in comparison.spec.tunnel.peers}
    if not (paths or peers):
        return ""
    viewers = sum(number for path, number in comparison.facts.viewers.items() if path in paths)
    return "; " + msg(
        "it ends {paths} with {viewers} and {peers}",
        counted(len(paths), "path"),
        counted(viewers, "viewer"),
        counted(len(peers), "peer"),
    )


def _host_text(trust: Trust) -> str:
    parts = [f"{trust.user}@{endpoint_text(trust.address, trust.port)}", msg("host key {host_key}", trust.host_key)]
    parts += [msg("over the jump host {jump}", trust.jump)] if trust.jump else []
    parts += [trust.program] if trust.program else []
    parts += [msg("SSH from {ssh_from}", " ".join(trust.ssh_from))] if trust.ssh_from else []
    parts += [msg("sites push from {publishers}", " ".join(trust.publishers))] if trust.publishers else []
    parts += [msg("readers {readers}", " ".join(trust.readers))] if trust.readers else []
    return ", ".join(parts)


def _trust_differences(live: Trust, desired: Trust) -> Iterator[tuple[str, Action, str]]:
    """Yield wider trust: name, action, reason."""
    for name, before, now in (
        ("address", live.address, desired.address),
        ("SSH port", live.port, desired.port),
        ("SSH user", live.user, desired.user),
        ("host key", live.host_key, desired.host_key),
        ("jump host", live.jump, desired.jump),
        ("program", live.program, desired.program),
    ):
        if before != now and now:
            yield name, Action.UPDATE, f"{before or 'none'} → {now}"
    for network in desired.ssh_from:
        if not _is_within(network, live.ssh_from):
            yield msg("SSH from {network}", network), Action.CREATE, "new SSH could not come from there"
    for network in desired.publishers:
        if not _is_within(network, live.publishers):
            yield msg("sites push from {network}", network), Action.CREATE, "that network could not push"
    for reader in (candidate for candidate in sorted(desired.readers) if not had_right(candidate, live.readers)):
        yield msg("reader {reader}", reader), Action.CREATE, "it could not read, or hold these secrets, before"


def _key_differences(live: Mapping[str, str], desired: Mapping[str, str]) -> Iterator[tuple[str, Action, str]]:
    """Yield changed keys of peers: the holder gets all their traffic.

    The former holder of the name, and of the address, is known. A gateway's next key is trusted once the host knows it,
    and not again when it becomes the present one.
    """
    owners = {allowed: key for key, _, allowed in (value.partition(" ") for value in live.values()) if allowed}
    for name, value in desired.items():
        key, _, allowed = value.partition(" ")
        site = name.removeprefix(NEXT) if name.startswith(NEXT) else name.removeprefix(SITE)
        if f"{SITE}{site}" == name and live.get(f"{NEXT}{site}", "").partition(" ")[0] == key:
            continue
        present = live.get(f"{SITE}{site}", "") if name.startswith(NEXT) and name not in live else ""
        candidates = (live.get(name, "").partition(" ")[0], owners.get(allowed, ""), present.partition(" ")[0])
        old_keys = {old for old in candidates if old}
        if old_keys and old_keys != {key}:
            yield msg("key of {name}", name), Action.UPDATE, f"{' and '.join(sorted(old_keys - {key}))} → {key}"


def policy_changes(spec: HostSpec, live: AppliedPolicy | None, now: datetime) -> Iterator[Change]:
    """Yield changes that loosen the policy of a host's last apply.

    Each host stores the policy, so a lying or absent host cannot hide a change. An ended window (`now`) does not count.
    """
    if live is None or spec.policy is None:
        return
    for name, action, reason in _loosened_policy(live, spec.policy, now):
        yield Change(spec.id, Resource.TRUST, name, action, Impact.NONE, reason)


def _loosened_policy(live: AppliedPolicy, desired: AppliedPolicy, now: datetime) -> Iterator[tuple[str, Action, str]]:
    """Yield each part of the policy that allows more: name, action, reason."""
    for name, number in desired.limits.items():
        if name in live.limits and number > live.limits[name]:
            yield (
                msg("limit {name}", name),
                Action.UPDATE,
                msg("{limits} → {number}: a plan may do more", live.limits[name], number),
            )
    for window in live.freeze:
        if not _is_covered(window, desired.freeze, now):
            yield msg("freeze {window}", window), Action.DELETE, "changes were held back in this window"
    for mark in sorted(set(live.protected) - set(desired.protected)):
        yield msg("protected {mark}", mark), Action.DELETE, "it could not leave the inventory"
    for line in sorted(set(desired.signing) - set(live.signing)):
        yield (
            msg("signing: {line}", line),
            Action.CREATE,
            "whose word on a connection plan counts was decided without it",
        )
    for line in sorted(set(live.signing) - set(desired.signing)):
        yield msg("signing: {line}", line), Action.DELETE, "it decided whose word on a connection plan counts"

    yield from _other_terms(live.approvals, desired.approvals)
    yield from _other_rego(live.rego, desired.rego)


def _other_terms(live: ApprovalTerms | None, desired: ApprovalTerms | None) -> Iterator[tuple[str, Action, str]]:
    """Yield loosened approvals, without further rules and removed approvers."""
    if live is None:
        return
    rules = {rule.words for rule in desired.rules} if desired else set()
    approvers = {approver.words for approver in desired.approvers} if desired else set()
    for rule in live.rules:
        if rule.words not in rules:
            yield msg("approval: {words}", rule.words), Action.DELETE, "plans were not applied without it"
    for line in sorted(approvers - {approver.words for approver in live.approvers}):
        yield msg("approval: {line}", line), Action.CREATE, "who approves plans was decided without it"
    if desired and desired.valid_hours > live.valid_hours:
        yield "approval: valid hours", Action.UPDATE, f"{live.valid_hours} → {desired.valid_hours}"


def _other_rego(live: Sequence[str], desired: Sequence[str]) -> Iterator[tuple[str, Action, str]]:
    now = dict(line.partition(" ")[::2] for line in desired)
    for line in sorted(set(live) - set(desired)):
        file, _, digest = line.partition(" ")
        if file in now:
            reason = msg("{digest} → {now}: plans were held against it as it was", _short(digest), _short(now[file]))
            yield msg("Rego rules {file}", file), Action.UPDATE, reason
        else:
            yield msg("Rego rules {file}", file), Action.DELETE, "plans were held against them"


def _short(digest: str) -> str:
    return digest[: len("sha256:") + 12]


def _is_covered(window: str, windows: Iterable[str], now: datetime) -> bool:
    try:
        begin, until = map(datetime.fromisoformat, window.split("/"))
        periods = [tuple(map(datetime.fromisoformat, remaining.split("/"))) for remaining in windows]
        return until <= now or any(first <= begin and until <= last for first, last in periods)
    except (TypeError, ValueError):  # what a host made up
        return False


def _is_within(network: str, networks: Iterable[str]) -> bool:
    """Return whether a network is inside others, ignoring invalid ones."""
    new = ip_network(network)
    for candidate in networks:
        try:
            old = ip_network(candidate)
        except ValueError:
            continue
        if new.version == old.version and int(old[0]) <= int(new[0]) and int(new[-1]) <= int(old[-1]):
            return True
    return False
