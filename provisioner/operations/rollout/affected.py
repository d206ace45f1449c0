"""Undeclared effects of a plan: changed configuration and lost streams. Pure.

Configuration never changes by itself, so a difference outside the plan counts against the change. Cameras reconnect all
day: a lost stream counts only if it stays away without a cause of its own.
"""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

from provisioner.base.text import counted
from provisioner.desired.spec import MediaPath
from provisioner.hosts.answers import wire
from provisioner.operations.rollout.affected_paths import Touched, device_of
from provisioner.operations.rollout.answers import MOMENT_S, Absence, Watch

_Peers = Mapping[str, wire.PeerSessionAnswer]

# MediaMTX notices a silent camera after 10 s and dials again after 5 s: younger states are no evidence yet.
OWN_S = 30.0
# From when on what MediaMTX says of it is of tries after the switch.
_WORDS_S = 25.0
# Peers send a packet every 25 s, even an empty one.
_KEEPALIVE_S = 27.0
# Cameras of a bad day reconnect every twenty minutes. Relays whose own do so oftener are measured by them.
_RATE_A_MINUTE = 0.05
_YOUNG_S = 60.0
# No look before a switch is older than that at the first one after it.
_LONGEST_SWITCH_S = 60.0
# Below this probability of a loss by chance, the switch is its cause.
_CHANCE = 1e-5
_MOST_READERS_BY_THEMSELVES = 1
_REFUSED = "its device refuses the password: quarantined"


# --- configuration --------------------------------------------------------------------------------
def undeclared_changes(touched: Touched, watch: Watch) -> tuple[str, ...]:
    """Return differences outside the plan: relay restarts, paths, peers, rules."""
    before, after = watch.before.sessions, watch.last
    if before is None or after is None:
        return ()
    return (*_relay_changes(touched, watch, before, after), *_configuration_changes(touched, before, after))


def _relay_changes(
    touched: Touched, watch: Watch, before: wire.SessionsAnswer, after: wire.SessionsAnswer
) -> list[str]:
    if before["paths"] is None:
        return []
    if touched.everything:
        first = watch.first["started"] if watch.first else None
        is_restarted = first and after["started"] and first != after["started"]
        return ["the relay was restarted after the switch"] if is_restarted else []
    if after["paths"] is None:
        return ["the relay does not answer"]
    if before["started"] != after["started"]:
        return ["the relay was restarted"]
    old_paths, new_paths = (set(paths) - touched.named for paths in (before["paths"], after["paths"]))
    # The host itself removes paths with a refused password from the relay's file, at any time.
    removed = [f"path {name} is gone" for name in sorted(old_paths - new_paths - set(after["quarantined"]))]
    return removed + [
        f"path {name} is there, and was not" for name in sorted(new_paths - old_paths - set(before["quarantined"]))
    ]


def _configuration_changes(touched: Touched, before: wire.SessionsAnswer, after: wire.SessionsAnswer) -> list[str]:
    reset = [] if touched.everything else _reset(touched, before["peers"], after["peers"])
    if not touched.planned:
        return reset
    changed = [f"path {name} was changed" for name in sorted(set(after["changed"]) - touched.named)]
    peers = _peer_changes(touched, before["peers"], after["peers"])
    return [*changed, *reset, *peers, *_rule_changes(touched, before, after)]


def _reset(touched: Touched, before: _Peers, after: _Peers) -> list[str]:
    unnamed = (key for key in before if key in after and key not in touched.peers)
    reset = (key for key in unnamed if before[key]["handshake"] and not after[key]["handshake"])
    return [f"the session of peer {key} was reset" for key in sorted(reset)]


def _peer_changes(touched: Touched, before: _Peers, after: _Peers) -> list[str]:
    """Return changes of peers that should stay; unknown peers may go."""
    stay = (set(touched.served.peers.values()) & set(before)) - touched.peers
    changes = [f"peer {key} is gone" for key in sorted(stay - set(after))]
    named = stay & set(after) - touched.served.changing
    moved = (key for key in named if sorted(before[key]["allowed_ips"]) != sorted(after[key]["allowed_ips"]))
    return changes + [f"peer {key} may send from other addresses than before" for key in sorted(moved)]


def _rule_changes(touched: Touched, before: wire.SessionsAnswer, after: wire.SessionsAnswer) -> list[str]:
    old_rules, new_rules = before["rules"], after["rules"]
    if old_rules is None or new_rules is None:
        return []
    stay = (touched.served.devices & set(old_rules["cameras"])) - touched.devices
    changes = [f"the relay may not reach {device} any more" for device in sorted(stay - set(new_rules["cameras"]))]
    if old_rules["rest"] != new_rules["rest"] and not touched.bars:
        changes.append("the rules were changed")
    if old_rules["doors"] != new_rules["doors"] and not touched.rules:
        changes.append("who may come in by the rules was changed")
    return changes


# --- streams --------------------------------------------------------------------------------------
def unnamed_streams(touched: Touched, watch: Watch) -> dict[str, wire.SessionAnswer]:
    """Return the steady paths outside the change."""
    touches = touched.direct | touched.named
    return {name: path for name, path in watch.steady.items() if name not in touches}


def lost_at_switch(unnamed: Mapping[str, wire.SessionAnswer], watch: Watch) -> dict[str, Absence]:
    """Return those of the paths lost since the switch or soon after."""
    return {n: absence for n, absence in watch.absent.items() if n in unnamed and absence.at_switch}


def own_causes(touched: Touched, watch: Watch) -> dict[str, str]:
    """Return own causes of paths that stay away, if they have one.

    A refusal of the camera, or of its gateway, proves that rules and tunnel let packets through, unless other tables or
    routes of the relay changed with the switch. A silent device counts only if the change cannot be the cause: all
    between is unchanged, and the relay's other sites flow. MediaMTX's error about a reachable camera counts if the
    change does not touch its path, or if it failed long after the switch. Without an error MediaMTX does not try.
    """
    if not watch.absent:
        return {}
    served = touched.served.paths
    steady = Counter(served[name].facility for name in watch.steady)
    away = Counter(served[name].facility for name in watch.absent)
    other_sites = {site: (steady.total() - steady[site], away.total() - away[site]) for site in away}
    # At least half of them: a single site is no proof.
    flow = {site: flowing > 0 and 2 * absent <= flowing for site, (flowing, absent) in other_sites.items()}
    refused = set(watch.last["quarantined"]) if watch.last else set()
    causes = {
        name: _REFUSED
        if name in refused
        else _own_cause(absence, served[name], touched, watch, others_flow=flow[served[name].facility])
        for name, absence in watch.absent.items()
        if not absence.mute or name in refused
    }
    return {name: cause for name, cause in causes.items() if cause}


def _own_cause(absence: Absence, path: MediaPath, touched: Touched, watch: Watch, *, others_flow: bool) -> str:
    """Return why a path lost its source by itself, or empty."""
    is_separate = device_of(path) not in touched.shared or not absence.at_switch
    is_separate = is_separate and touched.planned and not touched.everything and not touched.link
    match absence.port:
        case "refused" if not _is_moved(watch):
            return "its device or gateway refuses connections"
        case "no-route" if not _is_moved(watch):
            return "its gateway has no way to it"
        case "timeout" if others_flow and is_separate and not touched.bars and _is_clear(watch):
            return "its device does not answer, and nothing between it and the relay was changed"
        case "timeout" if others_flow and touched.planned and _is_silent(path.facility, touched, watch):
            return "nothing comes from its site"
        case "ok" if is_separate and absence.said and absence.asked_s - absence.since_s >= _WORDS_S:
            return absence.said
        case _:
            return ""


def _is_clear(watch: Watch) -> bool:
    """Return whether other rules and routes are known to be unchanged."""
    before, after = watch.before.sessions, watch.last
    old_rules, new_rules = (before["rules"] if before else None), (after["rules"] if after else None)
    return old_rules is not None and new_rules is not None and old_rules["around"] == new_rules["around"]


def _is_moved(watch: Watch) -> bool:
    """Return whether other rules or routes are known to have changed."""
    before, after = watch.before.sessions, watch.last
    old_rules, new_rules = (before["rules"] if before else None), (after["rules"] if after else None)
    return old_rules is not None and new_rules is not None and old_rules["around"] != new_rules["around"]


def _is_silent(facility: str, touched: Touched, watch: Watch) -> bool:
    sign = watch.heard.get(touched.served.peers.get(facility, ""))
    return sign is not None and watch.asked_s is not None and watch.asked_s - sign.at_s >= _KEEPALIVE_S


# --- the moment -----------------------------------------------------------------------------------
def more_than_chance(unnamed: Mapping[str, wire.SessionAnswer], watch: Watch) -> str:
    """Return the loss at the switch that chance does not explain.

    Sites count, not paths: a restarted gateway or recorder takes all its cameras along.
    """
    served = watch.served.paths
    lost = (watch.dropped & unnamed.keys()) | lost_at_switch(unnamed, watch).keys()
    sites = {served[name].facility for name in lost}
    if len(sites) <= 1:
        return ""
    facilities = Counter(served[name].facility for name in unnamed)
    expected = expected_sites(facilities, _reconnection_rate(unnamed.values(), watch), _window_s(watch) / 60)
    if chance_of(len(sites), expected) >= _CHANCE:
        return ""
    listed = listed_paths(lost)
    return f"{counted(len(lost), 'path')} of {counted(len(sites), 'site')} lost the source with the switch: {listed}"


def _window_s(watch: Watch) -> float:
    """Return the time in which paths can have been lost by themselves."""
    before, first = watch.before.sessions, watch.first
    until = max(0.0, first["at"] - before["at"]) if first and before and first["at"] and before["at"] else MOMENT_S
    # By the host's own clock, which may have been set meanwhile: hours would explain any loss.
    until = min(until, _LONGEST_SWITCH_S)
    return until + 1 + min(watch.asked_s or 0.0, MOMENT_S)


def _reconnection_rate(paths: Iterable[wire.SessionAnswer], watch: Watch) -> float:
    """Return reconnections a minute and path, from sessions young before the switch."""
    at = watch.before.sessions["at"] if watch.before.sessions else 0.0
    ages = [at - _moment(path["since"]) for path in paths]
    # A session of the future says that the clock was set back, and not that it is young.
    young = sum(1 for age in ages if 0 <= age < _YOUNG_S)
    return max(_RATE_A_MINUTE, 2 * young / len(ages)) if ages else _RATE_A_MINUTE


def _moment(text: str) -> float:
    """Return a relay's time in seconds; an invalid one is long ago."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        return -math.inf


def expected_sites(paths_by_site: Mapping[str, int], rate: float, duration_min: float) -> float:
    """Return the expected number of sites that lose a path anyway."""
    return sum(-math.expm1(-rate * duration_min * paths) for paths in paths_by_site.values())


def chance_of(count: int, expected: float) -> float:
    """Return the Poisson probability of `count` or more."""
    term = below = math.exp(-expected)
    for number in range(1, count):
        term *= expected / number
        below += term
    return 1.0 if count == 0 else max(0.0, 1 - below)


def listed_paths(names: Collection[str]) -> str:
    """Return the first three paths and the number of others."""
    first = sorted(names)[:3]
    more = f" and {len(names) - len(first)} more" if len(names) > len(first) else ""
    return f"{', '.join(first)}{more}"


# --- readers --------------------------------------------------------------------------------------
def readers_left(touched: Touched, watch: Watch) -> tuple[int, bool]:
    """Return the readers lost on untouched paths, and whether all are gone."""
    before, after = watch.before.sessions, watch.last
    if touched.everything or before is None or after is None or not before["paths"] or not after["paths"]:
        return 0, False
    named = touched.named | touched.left | set(watch.absent) | watch.back
    untouched = [name for name in before["paths"] if name in after["paths"] and name not in named]
    earlier = {(name, reader) for name in untouched for reader in before["paths"][name]["readers"]}
    lost = {(name, reader) for name, reader in earlier if reader not in after["paths"][name]["readers"]}
    nobody = len(earlier) > _MOST_READERS_BY_THEMSELVES and not any(
        after["paths"][name]["readers"] for name in untouched
    )
    return len(lost), nobody
