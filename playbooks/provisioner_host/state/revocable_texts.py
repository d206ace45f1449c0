"""Parsing and editing of the host's files with revocable parts.

Pure. We write one path, users list, peer block or set in few fixed lines. A file in another form raises `Unclear`, and
its state is not restored.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Any, NamedTuple

from provisioner_host.machine.files import keyed_digest
from provisioner_host.machine.paths import SENTINEL_PREFIX
from provisioner_host.machine.patterns import pattern
from provisioner_host.relay.relay import PATH_LINE, USERS_LINE, users_of

if TYPE_CHECKING:
    from provisioner_host.wire import Tombstones


class Unclear(Exception):  # noqa: N818 (it reads as what is so)
    """A file does not have the form that we write."""


class RevocableTexts(NamedTuple):
    """MediaMTX's file, the tunnel's, pre-shared keys and rules; missing ones are empty."""

    relay: str = ""
    tunnel: str = ""
    psks: str = ""
    rules: str = ""


class PeerBlock(NamedTuple):
    """A peer's block: comment, key, allowed IPs as written, lines."""

    name: str
    key: str
    allowed: str
    lines: tuple[str, ...]

    @property
    def networks(self) -> tuple[str, ...]:
        """The allowed IPs; empty for a gateway's next peer."""
        return tuple(self.allowed.split(", ")) if self.allowed else ()

    def with_allowed(self, allowed: str) -> list[str]:
        """Return the lines with other allowed IPs."""
        lines = [line for line in self.lines if not line.startswith("AllowedIPs = ")]
        at = next(number for number, line in enumerate(lines) if _KEY.fullmatch(line)) + 1
        return [*lines[:at], *([f"AllowedIPs = {allowed}"] if allowed else []), *lines[at:]]


Names = Mapping[str, Mapping[str, str]]  #: Names in a state by kind (`peers`, `paths`, `users`); peers by key.

_KEY = pattern(r"PublicKey = (\S+)")
_PEER_LINE = pattern(r"|#.*|\[Peer\]|PublicKey = \S+|AllowedIPs = \S.*|Endpoint = \S+|PersistentKeepalive = \S+")
_HEAD_LINE = pattern(r"|#.*|\[Interface\]|ListenPort = \d+")
_SETTING = pattern(r"[A-Za-z][A-Za-z0-9]*: .*|paths:")
_SET = pattern(r"\tset (management|management_v6|centres|cameras|onvif|routed) \{")
_ELEMENTS = pattern(r"\t\telements = \{ (.*) \}")
_SET_LINE = pattern(r"\t\t(type|flags) [a-z0-9_ .]+")
# How a probe reaches what it asks by ONVIF: a set and a line, which are in no rules of a relay that asks nobody.
_ASKED_SET = pattern(r"\tset onvif \{\n(?:\t\t[^\n]*\n)*\t\}\n\n")
_ASKED_LINE = (
    '\t\tmeta skuid "provisioner-probe" oifname "wg-prov" ip daddr . tcp dport @onvif accept comment "probe-onvif"\n'
)
#: The same line if sites are reached without a tunnel.
_ASKED_ROUTED_LINE = (
    '\t\tmeta skuid "provisioner-probe" ip daddr @routed ip daddr . tcp dport @onvif accept comment "routed-onvif"\n'
)
_ROUTED_SET = "\tset routed {\n"
_BEFORE_ASKED_SET = pattern(r"\tset cameras \{\n(?:\t\t[^\n]*\n)*\t\}\n\n")
_AFTER_ASKED_LINE = '\t\tmeta skuid "provisioner-probe" counter drop comment "probe-elsewhere"\n'
# From where SSH may come over IPv6, and what a host that speaks it has to hear: in no rules where nobody does.
_SIX_SETS = pattern(r"\tset management_v6 \{\n(?:\t\t[^\n]*\n)*\t\}\n\n\tset new_ssh_v6 \{\n(?:\t\t[^\n]*\n)*\t\}\n\n")
_SIX_SSH = pattern(r'(?:\t\tip6 saddr @management_v6 tcp dport \d+ [^\n]* comment "ssh(?:-limit)?-v6"\n){2}')
_SIX_HEARD = pattern(r'\t\ticmpv6 type [^\n]* comment "groups-v6"\n\t\tip6 saddr [^\n]* comment "lease-v6"\n')
# On a shared centre, a third line: it tells the tables of the other sides.
_SIX_ADMIT = pattern(r'\t\tip6 saddr @management_v6 tcp dport \d+ meta mark set [^\n]* comment "admit-v6"\n')
_BEFORE_SIX_SETS = pattern(r"\tset management \{\n(?:\t\t[^\n]*\n)*\t\}\n\n")
_BEFORE_SIX_SSH = pattern(r'\t\tip saddr @management tcp dport (\d+) accept comment "ssh"\n')
_BEFORE_SIX_ADMIT = pattern(r'\t\tip saddr @management tcp dport \d+ meta mark set [^\n]* comment "admit"\n')
_BEFORE_SIX_HEARD = pattern(r'\t\ticmpv6 type [^\n]* accept comment "icmpv6"\n')
_SSH = pattern(r'^\t\tip saddr @management tcp dport (\d+) accept comment "ssh"$', re.MULTILINE)
_AT = pattern(r"://(?:[^/@]*@)?([0-9.]+)(?::(\d+))?(?:/|$)")
_RTSP = "554"


def holdings(texts: RevocableTexts) -> Names:
    """Return the revocable names in a state."""
    return {
        "peers": {peer.key: peer.name for peer in _head_and_peers(texts.tunnel)[1]},
        "paths": {name: name for name in _path_lines(texts.relay)},
        "users": {str(user.get("user")): str(user.get("user")) for user in _users_in(texts.relay)},
    }


def unwanted(saved: RevocableTexts, current: RevocableTexts, wanted: Mapping[str, str], key: str) -> Tombstones:
    """Return saved names that are neither live nor wanted with their secret.

    `wanted` has keyed digests of pre-shared keys, sources and hashes, by public key, path and user.
    """
    live_names, psks = holdings(current), dict(psk_lines(saved.psks))
    secret_of = {
        "peers": {peer.key: psks.get(peer.key, "") for peer in _head_and_peers(saved.tunnel)[1]},
        "paths": {
            name: _source_in(line) for name, line in _path_lines(saved.relay).items() if name not in live_names["paths"]
        },
        "users": {str(user.get("user")): str(user.get("pass")) for user in _users_in(saved.relay)},
    }

    def of(kind: str) -> dict[str, str]:
        absent = ((name, secret) for name, secret in secret_of[kind].items() if name not in live_names[kind])
        return {name: "" for name, secret in absent if wanted.get(name) != keyed_digest(key, secret.encode())}

    return {"peers": of("peers"), "paths": of("paths"), "users": of("users")}


def without(
    saved: RevocableTexts, current: RevocableTexts, tombstones: Tombstones
) -> tuple[RevocableTexts, dict[str, list[str]]]:
    """Return a saved state without revoked parts, and the changed names.

    `current` is the live state, whose secrets and addresses win; `tombstones` has the revoked names.
    """
    changed_names: dict[str, list[str]] = {}
    tunnel, names = _tunnel_without(saved.tunnel, current.tunnel, tombstones["peers"], changed_names)
    relay = _relay_without_revoked(saved.relay, current.relay, tombstones, changed_names)
    allowed = {ip for peer in _head_and_peers(tunnel)[1] for ip in peer.networks}
    same = relay == saved.relay and tunnel == saved.tunnel
    rules = _rules_without(saved.rules, current.rules, allowed, None if same else _sources(relay))
    return RevocableTexts(
        relay, tunnel, _psks_without_revoked(saved.psks, current.psks, names, changed_names), rules
    ), changed_names


# --- the tunnel -----------------------------------------------------------------------------------
def _head_and_peers(text: str) -> tuple[list[str], list[PeerBlock]]:
    head, *blocks = re.split(r"\n(?=\n# [^\n]*\n\[Peer\]\n)", text)
    if not all(_HEAD_LINE.fullmatch(line) for line in head.splitlines()):
        raise Unclear("the tunnel's file has a peer in another form than ours")
    return head.splitlines(), [_peer_block(block.strip("\n").splitlines()) for block in blocks]


def peers_in(text: str) -> list[PeerBlock]:
    """Return the peers of a tunnel's file."""
    return _head_and_peers(text)[1]


def tunnel_of(text: str, peers: Iterable[PeerBlock]) -> str:
    """Return a tunnel's file with other peers."""
    lines = [*_head_and_peers(text)[0], *(line for peer in peers for line in ("", *peer.lines))]
    return "\n".join(lines) + "\n"


def _peer_block(lines: list[str]) -> PeerBlock:
    keys = [match[1] for line in lines if (match := _KEY.fullmatch(line))]
    allowed = [line.partition(" = ")[2] for line in lines if line.startswith("AllowedIPs = ")]
    whole = all(_PEER_LINE.fullmatch(line) for line in lines) and lines.count("[Peer]") == 1
    name = lines[0].removeprefix("# ")
    if not whole or len(keys) != 1 or len(allowed) > 1 or not (allowed or name.startswith("next/")):
        raise Unclear("the tunnel's file has a peer in another form than ours")
    return PeerBlock(name, keys[0], allowed[0] if allowed else "", tuple(lines))


def _tunnel_without(
    text: str, current: str, revoked: Mapping[str, str], changed_names: dict[str, list[str]]
) -> tuple[str, dict[str, str]]:
    """Return the tunnel's file and its remaining peers' names by key."""
    lines, peers = _head_and_peers(text)
    live_peers = {peer.key: peer for peer in _head_and_peers(current)[1]}
    names: dict[str, str] = {}
    changed = False
    for peer in peers:
        live_peer = live_peers.get(peer.key)
        if live_peer is None and peer.key in revoked:
            _note(changed_names, "peers", peer.name)
            changed = True
            continue
        names[peer.key] = peer.name
        peer_lines = list(peer.lines)
        if live_peer is not None and live_peer.allowed != peer.allowed:
            peer_lines = peer.with_allowed(live_peer.allowed)
            _note(changed_names, "kept peers", peer.name)
            changed = True
        lines = [*lines, "", *peer_lines]
    return ("\n".join(lines) + "\n" if changed else text), names


def _psks_without_revoked(
    text: str, current: str, names: Mapping[str, str], changed_names: dict[str, list[str]]
) -> str:
    """Return saved pre-shared keys without revoked ones, in their live form."""
    live_psks = dict(psk_lines(current))
    result = ""
    for key, psk in psk_lines(text):
        if key not in names:
            continue
        if live_psks.get(key, psk) != psk:
            _note(changed_names, "kept peers", names[key])
        result += f"{key} {live_psks.get(key, psk)}\n"
    return result


def psk_lines(text: str) -> Iterator[tuple[str, str]]:
    """Yield public keys with their pre-shared keys."""
    for line in text.splitlines():
        fields = line.split()
        if len(fields) != 2:  # noqa: PLR2004 (a key and its pre-shared key)
            raise Unclear("the file of pre-shared keys has another form than ours")
        yield fields[0], fields[1]


# --- the relay ------------------------------------------------------------------------------------
def _relay_without_revoked(text: str, current: str, tombstones: Tombstones, changed_names: dict[str, list[str]]) -> str:
    """Return a saved relay file without revoked paths and users."""
    if not text:
        return text
    live_paths, _ = _path_lines(current), _path_lines(text)
    users = _users_without(text, current, tombstones["users"], changed_names)
    lines = []
    for line in text.splitlines():
        path = PATH_LINE.match(line)
        name = name_in(path[1]) if path else ""
        if line.startswith(USERS_LINE):
            lines.append(users)
        elif not path or name.startswith(SENTINEL_PREFIX) or line == live_paths.get(name):
            lines.append(line)
        elif name in live_paths and _login_and_endpoint(line) != _login_and_endpoint(live_paths[name]):
            _note(changed_names, "kept paths", name)
            lines.append(live_paths[name])
        elif name in live_paths or name not in tombstones["paths"]:
            lines.append(line)
        else:
            _note(changed_names, "paths", name)
    result = "\n".join(lines) + "\n"
    return text if lines == text.splitlines() else _with_own_sentinel(result)


def _with_own_sentinel(text: str) -> str:
    """Replace the sentinel: waiters must not accept the former file."""
    return re.sub(
        rf'^  "{SENTINEL_PREFIX}[0-9a-f]+": ',
        f'  "{SENTINEL_PREFIX}{secrets.token_hex(6)}": ',
        text,
        flags=re.MULTILINE,
    )


def _path_lines(text: str) -> dict[str, str]:
    lines: dict[str, str] = {}
    for line in text.splitlines():
        if path := PATH_LINE.match(line):
            name = name_in(path[1])
            if name in lines:
                raise Unclear("the relay's file has a path twice")
            if not name.startswith(SENTINEL_PREFIX):
                lines[name] = line
        elif line.strip() and not line.startswith("#") and not _SETTING.fullmatch(line):
            raise Unclear("the relay's file has lines that are not ours")
    return lines


def name_in(quoted: str) -> str:
    """Return a path's name from its quoted form."""
    # A relay may have ten thousand: a name without escapes is what stands between its quotes.
    if "\\" not in quoted:
        return quoted[1:-1]
    try:
        return str(json.loads(quoted))
    except ValueError:
        raise Unclear("the relay's file has a path in another form than ours") from None


def _source_in(line: str) -> str:
    path = PATH_LINE.match(line)
    try:
        return str(json.loads(path[2]).get("source", "")) if path else ""
    except ValueError:
        raise Unclear("the relay's file has a path in another form than ours") from None


def _login_and_endpoint(line: str) -> str:
    """Return login, address and port of a source: logins keep their destination."""
    return _source_in(line).partition("://")[2].partition("/")[0]


def _users_in(text: str) -> list[dict[str, Any]]:
    if not text:
        return []
    users = users_of(text)
    if users is None:
        raise Unclear("the relay's file has its users in another form than ours")
    return users


def _users_without(text: str, current: str, revoked: Mapping[str, str], changed_names: dict[str, list[str]]) -> str:
    """Return the users line, with the live form of live users."""
    live_users = {str(user.get("user")): user for user in _users_in(current)}
    saved, users = _users_in(text), []
    for user in saved:
        name = str(user.get("user"))
        if name in live_users:
            if live_users[name] != user:
                _note(changed_names, "kept users", name)
            users.append(live_users[name])
        elif name in revoked:
            _note(changed_names, "users", name)
        else:
            users.append(user)
    line = next(line for line in text.splitlines() if line.startswith(USERS_LINE))
    return line if users == saved else USERS_LINE + json.dumps(users)


def _sources(relay: str) -> set[str]:
    return places_of(_path_lines(relay).values())


def places_of(lines: Iterable[str]) -> set[str]:
    """Return the sources of path lines, as elements of the cameras set."""
    places = (_AT.search(_source_in(line)) for line in lines)
    return {f"{match[1]} . {match[2] or _RTSP}" for match in places if match}


# --- the rules ------------------------------------------------------------------------------------
def ssh_in(rules: str) -> tuple[int | None, list[str]]:
    """Return SSH's port (`None` in foreign rules) and allowed networks."""
    port, sets = _SSH.search(rules), elements_in(rules)
    return int(port[1]) if port else None, [*sets.get("management", []), *sets.get("management_v6", [])]


def _rules_without(text: str, current: str, allowed: set[str], sources: set[str] | None) -> str:
    """Return rules with live management networks and remaining centres and cameras.

    If `sources` is `None`, paths and peers are unchanged, and so are cameras and ONVIF devices.
    """
    if not text:
        return text
    text = with_ipv6_of(text, current) if current else text
    saved_sets = elements_in(text)
    routed = saved_sets.get("routed", [])
    is_reached = partial(_is_within, networks=_networks_by_length([*allowed, *routed]))
    if "onvif" in saved_sets and sources is not None:
        live_devices = set(elements_in(current).get("onvif", []))
        text = with_onvif_devices(text, [e for e in saved_sets["onvif"] if e in live_devices and is_reached(e)])
    keep = {
        "management": elements_in(current).get("management", []) if current else saved_sets.get("management", []),
        "centres": [e for e in saved_sets.get("centres", []) if f"{e}/32" in allowed],
        "cameras": [e for e in saved_sets.get("cameras", []) if sources is None or e in sources],
    }
    missing = set(filter(is_reached, sources or ())) - set(keep["cameras"])
    keep["cameras"] += sorted(missing & set(elements_in(current).get("cameras", [])))
    if all(keep[name] == saved_sets.get(name, []) for name in keep):
        return text
    return "".join(with_elements(text, keep))


def _networks_by_length(networks: Iterable[str]) -> dict[int, set[int]]:
    by_length: dict[int, set[int]] = {}
    for written in networks:
        try:
            network = IPv4Network(written)
        except ValueError:
            raise Unclear("the tunnel's file has a peer in another form than ours") from None
        by_length.setdefault(network.prefixlen, set()).add(int(network.network_address))
    return by_length


def _is_within(element: str, networks: Mapping[int, set[int]]) -> bool:
    try:
        address = int(IPv4Address(element.partition(" ")[0]))
    except ValueError:
        return False
    return any(address >> (32 - length) << (32 - length) in addresses for length, addresses in networks.items())


def with_elements(text: str, keep: Mapping[str, list[str]]) -> Iterator[str]:
    """Yield the rules' lines with new elements in the named sets."""
    name = ""
    for line in text.splitlines():
        if match := _SET.fullmatch(line):
            name = match[1]
        elif name in keep and line == "\t}":
            if keep[name]:
                yield f"\t\telements = {{ {', '.join(keep[name])} }}\n"
            name = ""
        if not (name in keep and _ELEMENTS.fullmatch(line)):
            yield f"{line}\n"


def with_ipv6_of(rules: str, current: str) -> str:
    """Return rules with the present rules' IPv6 parts.

    These are SSH's networks, multicast groups and DHCPv6 leases.
    """
    bare = _SIX_HEARD.sub("", _SIX_SSH.sub("", _SIX_SETS.sub("", _SIX_ADMIT.sub("", rules))))
    if "management_v6" in bare:
        raise Unclear("the rules have a set in another form than ours")
    port = _BEFORE_SIX_SSH.search(bare)
    parts = (
        (_SIX_SETS, _BEFORE_SIX_SETS),
        (_SIX_ADMIT, _BEFORE_SIX_ADMIT),
        (_SIX_SSH, _BEFORE_SIX_SSH),
        (_SIX_HEARD, _BEFORE_SIX_HEARD),
    )
    for part, anchor in parts:
        present = part.search(current)
        if present is None:
            continue
        before = anchor.search(bare)
        if before is None or port is None:
            raise Unclear("the rules have a set in another form than ours")
        added = re.sub(r"(?<=@management_v6 tcp dport )\d+", port[1], present[0])
        bare = bare[: before.end()] + added + bare[before.end() :]
    return bare


def with_onvif_devices(rules: str, elements: list[str]) -> str:
    """Return rules that let probes reach exactly these devices by ONVIF."""
    bare = _ASKED_SET.sub("", rules).replace(_ASKED_LINE, "").replace(_ASKED_ROUTED_LINE, "")
    if not elements:
        return bare
    anchor = _BEFORE_ASKED_SET.search(bare)
    if anchor is None or _AFTER_ASKED_LINE not in bare:
        raise Unclear("the rules have a set in another form than ours")
    names = f"\t\ttype ipv4_addr . inet_service\n\t\telements = {{ {', '.join(elements)} }}\n"
    text = f"{bare[: anchor.end()]}\tset onvif {{\n{names}\t}}\n\n{bare[anchor.end() :]}"
    lines = _ASKED_LINE + (_ASKED_ROUTED_LINE if _ROUTED_SET in bare else "")
    return text.replace(_AFTER_ASKED_LINE, lines + _AFTER_ASKED_LINE, 1)


def elements_in(rules: str) -> dict[str, list[str]]:
    """Return the elements of our sets."""
    sets: dict[str, list[str]] = {}
    name = ""
    for line in rules.splitlines():
        if match := _SET.fullmatch(line):
            name = match[1]
            sets[name] = []
        elif name and line == "\t}":
            name = ""
        elif name and (elements := _ELEMENTS.fullmatch(line)):
            sets[name] += elements[1].split(", ")
        elif name and not _SET_LINE.fullmatch(line):
            raise Unclear("the rules have a set in another form than ours")
    return sets


def _note(changed_names: dict[str, list[str]], kind: str, name: str) -> None:
    changed_names.setdefault(kind, []).append(name)
