"""What a plan saw on a host, item by item, so that a host that moved can say what moved. Pure; no secret is in it.

Files and pre-shared keys are here as the beginnings of keyed digests: enough to tell two apart, and nothing
that a password could be guessed from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from provisioner.hosts.facts import HostFacts

HostItems = Mapping[str, str]
"""Item to what it was, e.g. `unit provisioner-nft.service` to `active, enabled`; what is not there has no item."""

_SHORT = 12
_LISTED = 5


def seen_of(facts: HostFacts, names: Mapping[str, str] | None = None) -> HostItems:
    """What of a host's facts its live digest rests on, in words.

    Args:
        facts: what was read.
        names: peers by public key; one that is not in it is told by its key.
    """
    items = (*_files(facts), *_units(facts), *_tunnel(facts, names or {}), *_rules(facts), *_others(facts))
    return dict(sorted(items))


def moved_items(then: HostItems, now: HostItems) -> list[str]:
    """Name what moved, with what the plan had and what is there now."""
    moved = []
    for item in sorted(then.keys() | now.keys()):
        was, is_now = then.get(item), now.get(item)
        if was == is_now:
            continue
        if was is None:
            moved.append(f"{item} was not there and is {is_now}")
        elif is_now is None:
            moved.append(f"{item} was {was} and is gone")
        else:
            moved.append(f"{item} was {was} and is {is_now}")
    return moved


def first_few(items: list[str]) -> str:
    """A list as one text: the first few, and how many more there are."""
    more = f"; and {len(items) - _LISTED} more" if len(items) > _LISTED else ""
    return "; ".join(items[:_LISTED]) + more


def _short(digest: str) -> str:
    return digest.rpartition(":")[2][:_SHORT]


def _files(facts: HostFacts) -> Iterator[tuple[str, str]]:
    for path, file in facts.files.items():
        yield f"file {path}", f"content {_short(file.digest)}, {file.mode:04o} {file.owner}:{file.group}"


def _units(facts: HostFacts) -> Iterator[tuple[str, str]]:
    for name, unit in facts.units.items():
        words = [unit.active, unit.enabled]
        words += ["its file not read by systemd"] if unit.reload else []
        words += [f"overridden by {path}" for path in unit.drop_ins]
        yield f"unit {name}", ", ".join(words)


def _tunnel(facts: HostFacts, names: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    live = facts.tunnel
    if live is None:
        return
    routes = " ".join(live.routes) or "none"
    addresses = " ".join(live.addresses) or "none"
    yield "tunnel", f"{addresses}, MTU {live.mtu}, routes {routes}, key {live.public_key[:_SHORT]}"
    for key, peer in live.peers.items():
        psk = _short(peer.psk) if peer.psk else "none"
        allowed = " ".join(peer.allowed_ips) or "none"
        words = f"allowed IPs {allowed}, keepalive {peer.keepalive_s or 'off'}, pre-shared key {psk}"
        yield f"peer {names.get(key, f'unknown/{key}')}", words


def _rules(facts: HostFacts) -> Iterator[tuple[str, str]]:
    words = {"create": "missing", "update": "another one", "delete": "one that should not be there"}
    if facts.firewall.differences and not facts.firewall.present:
        yield "rule table inet provisioner", "missing"
        return
    for difference in facts.firewall.differences:
        yield f"rule {difference.name}", words[difference.action]


def _others(facts: HostFacts) -> Iterator[tuple[str, str]]:
    if facts.program is not None:
        state = "whole" if facts.program.whole else "not whole" if facts.program.present else "not installed"
        yield "program MediaMTX", f"{facts.program.version or 'no version'}, {state}"
    if facts.armed is not None:
        yield "change", f"waiting for the confirmation of run {facts.armed.run}"


def seen_in(document: Mapping[str, Mapping[str, object]]) -> dict[str, HostItems]:
    """What a saved plan saw, by host."""
    return {str(host): {str(k): str(v) for k, v in items.items()} for host, items in document.items()}
