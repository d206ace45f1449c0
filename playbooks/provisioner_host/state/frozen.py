"""Frozen facilities: parts of the host's files that must stay.

A frozen facility's own files have errors: the controller cannot render it and may lack its secrets. The controller
renders the others and compares them with the host's files without the frozen parts. The host puts the frozen parts
back whenever it writes a file. Lines are moved as they are, never parsed and rewritten. Only the last section touches
the host.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from provisioner_host.machine import paths
from provisioner_host.machine.files import keyed_digest, write
from provisioner_host.machine.patterns import pattern
from provisioner_host.machine.shell import Failed
from provisioner_host.relay import quarantine
from provisioner_host.relay.relay import PATH_LINE, USERS_LINE, users_of
from provisioner_host.state import revocable_texts
from provisioner_host.state.revocable_texts import PeerBlock, Unclear

if TYPE_CHECKING:
    from provisioner_host.wire import ConfirmRequest, FrozenAnswer, RunningChange

Texts = Mapping[str, str]  #: File contents by path; missing files have no entry.

_RELAY, _TUNNEL, _PSKS = str(paths.MEDIAMTX_FILE), str(paths.WG_FILE), str(paths.PSK_FILE)
_RULES, _TRUST = str(paths.NFT_FILE), str(paths.TRUST_FILE)
FILES = (_RELAY, _TUNNEL, _PSKS, _RULES, _TRUST)  #: The files with content of single facilities.

_SITE, _NEXT = "site/", "next/"
_PUSHED = ': {"source": "publisher", "overridePublisher": false}\n'
_PARTS = 4  # province/facility/camera/stream
_SENTINEL = pattern(rf'^  "{paths.SENTINEL_PREFIX}[0-9a-f]+": .*\n?', re.MULTILINE)


class FrozenLine(NamedTuple):
    """A path's line and its facility."""

    line: str
    facility: str


class FrozenLines(NamedTuple):
    """Frozen lines, blocks, elements and users of some files."""

    paths: Mapping[str, FrozenLine] = {}
    peers: tuple[PeerBlock, ...] = ()
    psks: Mapping[str, str] = {}
    cameras: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    trust: Mapping[str, str] = {}
    ports: Mapping[str, int] = {}
    users: tuple[dict[str, Any], ...] = ()


def taken(texts: Texts, facilities: Collection[str], key: str) -> tuple[dict[str, str], FrozenLines]:
    """Split files into their text without frozen parts, and these parts.

    `key` digests the sentinel of a relay file. `Unclear` is raised if a file does not have our form.
    """
    without = dict(texts)
    blocks, other_peers = _frozen_peers(texts.get(_TUNNEL, ""), facilities)
    lines = _frozen_paths(texts.get(_RELAY, ""), facilities, blocks)
    users = _frozen_users(texts.get(_RELAY, ""), lines)
    keys = {peer.key for peer in blocks}
    psks = {k: psk for k, psk in revocable_texts.psk_lines(texts.get(_PSKS, "")) if k in keys}
    rules = _frozen_elements(texts.get(_RULES, ""), blocks, other_peers, lines)
    cameras, onvif = (rules.get(name, ()) for name in ("cameras", "onvif"))
    trust = _frozen_trust(texts.get(_TRUST, ""), facilities)
    ports = {name: port for name, port in _trust_part("ports", texts.get(_TRUST, "")).items() if name in facilities}
    if lines:
        without[_RELAY] = _with_paths(texts[_RELAY], lines, {}, key, users)
    if blocks:
        without[_TUNNEL] = revocable_texts.tunnel_of(texts[_TUNNEL], other_peers)
    if psks:
        without[_PSKS] = "".join(f"{k} {psk}\n" for k, psk in revocable_texts.psk_lines(texts[_PSKS]) if k not in keys)
    if cameras or onvif:
        without[_RULES] = _with_frozen_rules(texts[_RULES], {*cameras, *onvif}, (), ())
    if trust or ports:
        without[_TRUST] = _with_frozen_trust(texts[_TRUST], {*trust, *ports}, {}, {})
    return without, FrozenLines(lines, blocks, psks, cameras, onvif, trust, ports, users)


def put_back(texts: Texts, frozen: FrozenLines, key: str) -> dict[str, str]:
    """Return files with the frozen parts inserted; missing files stay missing.

    Raises:
        Failed: the name, key or address of a frozen part is taken.
        Unclear: a file does not have our form.
    """
    whole = dict(texts)
    if frozen.paths and _RELAY in whole:
        whole[_RELAY] = _with_paths(whole[_RELAY], {}, frozen.paths, key, frozen.users)
    if frozen.peers and _TUNNEL in whole:
        whole[_TUNNEL] = _with_frozen_peers(whole[_TUNNEL], frozen.peers)
        if _PSKS in whole:
            whole[_PSKS] = _with_frozen_psks(whole[_PSKS], frozen.psks, whole[_TUNNEL])
    if (frozen.cameras or frozen.asked) and _RULES in whole:
        whole[_RULES] = _with_frozen_rules(whole[_RULES], (), frozen.cameras, frozen.asked)
    if (frozen.trust or frozen.ports) and _TRUST in whole:
        whole[_TRUST] = _with_frozen_trust(whole[_TRUST], (), frozen.trust, frozen.ports)
    return whole


# --- MediaMTX's file ------------------------------------------------------------------------------
def _frozen_paths(text: str, facilities: Collection[str], peers: Iterable[PeerBlock]) -> dict[str, FrozenLine]:
    """Return frozen paths by name, or by a frozen peer's address."""
    owners = _owners(peers)
    frozen: dict[str, FrozenLine] = {}
    for name, line in _path_lines(text):
        parts = name.split("/")
        owner = parts[1] if len(parts) == _PARTS and parts[1] in facilities else ""
        if not owner and owners:
            address = _pulled_from(line)
            owner = next(
                (facility for network, facility in owners.items() if address is not None and address in network), ""
            )
        if owner:
            if name in frozen:
                raise Unclear("the relay's file has a path twice")
            frozen[name] = FrozenLine(line, owner)
    return frozen


def _owners(peers: Iterable[PeerBlock]) -> dict[IPv4Network, str]:
    return {n: peer.name.removeprefix(_SITE) for peer in peers for n in _parsed(peer.networks)}


def _pulled_from(line: str) -> IPv4Address | None:
    try:
        return next((IPv4Address(element.partition(" ")[0]) for element in _places(line)), None)
    except ValueError:
        return None


def _places(line: str) -> set[str]:
    try:
        return revocable_texts.places_of([line])
    except Unclear:
        return set()


def _path_lines(text: str) -> Iterator[tuple[str, str]]:
    for plain, line in zip(text.splitlines(), text.splitlines(keepends=True)):
        if path := PATH_LINE.match(plain):
            yield revocable_texts.name_in(path[1]), line if line != plain else f"{line}\n"


def _frozen_users(text: str, lines: Mapping[str, FrozenLine]) -> tuple[dict[str, Any], ...]:
    pushed = {name for name, line in lines.items() if line.line.endswith(_PUSHED)}
    if not pushed:
        return ()
    users = users_of(text)
    if users is None:
        raise Unclear("the relay's file has its users in another form than ours")
    return tuple(user for user in users if _pushed_path(user) in pushed)


def _pushed_path(user: Mapping[str, Any]) -> str:
    rights = user.get("permissions")
    right = rights[0] if isinstance(rights, list) and len(rights) == 1 else {}
    is_his = isinstance(right, dict) and right.get("action") == "publish"
    return str(right.get("path", "")) if is_his else ""


def _with_users(text: str, out: Collection[str], restored: tuple[dict[str, Any], ...]) -> str:
    """Remove or insert users who push paths, sorted by path."""
    users = users_of(text)
    if users is None:
        raise Unclear("the relay's file has its users in another form than ours")
    remaining = [user for user in users if _pushed_path(user) not in out]
    names = {user.get("user") for user in remaining}
    if twice := [user["user"] for user in restored if user.get("user") in names]:
        raise Failed(f"{twice[0]} is of what is held, and the new file has a user of that name")
    readers = [user for user in remaining if not _pushed_path(user)]
    pushing = sorted((user for user in (*remaining, *restored) if _pushed_path(user)), key=_pushed_path)
    line = USERS_LINE + json.dumps([*readers, *pushing], ensure_ascii=False)
    return "".join(
        line + "\n" if old_line.startswith(USERS_LINE) else old_line for old_line in text.splitlines(keepends=True)
    )


def _with_paths(
    text: str,
    out: Collection[str],
    restored: Mapping[str, FrozenLine],
    key: str,
    users: tuple[dict[str, Any], ...] = (),
) -> str:
    """Remove or insert paths and their `users`, sorted by name."""
    present = [(name, line) for name, line in _path_lines(text) if not _is_sentinel(line)]
    if twice := sorted({name for name, _ in present} & restored.keys()):
        raise Failed(f"{twice[0]} is held, and the new file has a path of that name")
    remaining = [(name, line) for name, line in present if name not in out]
    listed = (
        sorted([*remaining, *((name, frozen.line) for name, frozen in restored.items())]) if restored else remaining
    )
    first, rest = _lines_around_paths(text)
    result = "".join([*first, *(line for _, line in listed), *rest])
    if users:
        result = _with_users(result, out, users if restored else ())
    return _with_new_sentinel(text, result, key)


def _lines_around_paths(text: str) -> tuple[list[str], list[str]]:
    lines = text.splitlines(keepends=True)
    is_path = [bool(PATH_LINE.match(line)) and not _is_sentinel(line) for line in text.splitlines()]
    ends = (number for number, line in enumerate(lines) if is_path[number] or _is_sentinel(line))
    first = next(ends, len(lines))
    return lines[:first], [line for line, path in zip(lines[first:], is_path[first:]) if not path]


def _is_sentinel(line: str) -> bool:
    return bool(_SENTINEL.match(line))


def _with_new_sentinel(before: str, after: str, key: str) -> str:
    """Rename the sentinel after a change, if it was the file's own."""
    if _sentinel_in(before) != sentinel_of(before, key):
        return after
    return _SENTINEL.sub(lambda line: line[0].replace(_quoted(line[0]), f'"{sentinel_of(after, key)}"', 1), after)


def _sentinel_in(text: str) -> str:
    line = _SENTINEL.search(text)
    return _quoted(line[0]).strip('"') if line else ""


def _quoted(line: str) -> str:
    return line.strip().partition(":")[0]


def sentinel_of(text: str, key: str) -> str:
    """Return a relay file's sentinel name, a digest of the other lines."""
    return paths.SENTINEL_PREFIX + keyed_digest(key, _SENTINEL.sub("", text).encode()).rpartition(":")[2][:12]


# --- the tunnel -----------------------------------------------------------------------------------
def _frozen_peers(text: str, facilities: Collection[str]) -> tuple[tuple[PeerBlock, ...], tuple[PeerBlock, ...]]:
    peers = revocable_texts.peers_in(text) if text else []
    names = {f"{kind}{facility}" for facility in facilities for kind in (_SITE, _NEXT)}
    return tuple(p for p in peers if p.name in names), tuple(p for p in peers if p.name not in names)


def _with_frozen_peers(text: str, frozen: tuple[PeerBlock, ...]) -> str:
    peers = revocable_texts.peers_in(text)
    for frozen_peer in frozen:
        for file_peer in peers:
            if file_peer.key == frozen_peer.key or _networks([frozen_peer]) & _networks([file_peer]):
                raise Failed(f"{file_peer.name} has the key or the address of {frozen_peer.name}, which is held")
    hosts = [peer for peer in peers if not peer.name.startswith((_SITE, _NEXT))]
    sites = [peer for peer in (*peers, *frozen) if peer.name.startswith((_SITE, _NEXT))]
    return revocable_texts.tunnel_of(text, [*hosts, *sorted(sites, key=_by_site)])


def _by_site(peer: PeerBlock) -> tuple[str, str]:
    kind, _, facility = peer.name.partition("/")
    return facility, "" if f"{kind}/" == _SITE else kind


def _with_frozen_psks(text: str, frozen: Mapping[str, str], tunnel: str) -> str:
    psks = {**dict(revocable_texts.psk_lines(text)), **frozen}
    keys = [peer.key for peer in revocable_texts.peers_in(tunnel) if peer.key in psks]
    rest = [key for key in psks if key not in keys]
    return "".join(f"{key} {psks[key]}\n" for key in [*keys, *rest])


def _networks(peers: Iterable[PeerBlock]) -> set[str]:
    return {network for peer in peers for network in peer.networks}


# --- the rules, and what is trusted ---------------------------------------------------------------
def _frozen_elements(
    text: str, frozen_peers: Iterable[PeerBlock], other_peers: Iterable[PeerBlock], lines: Mapping[str, FrozenLine]
) -> dict[str, tuple[str, ...]]:
    """Return each device set's elements of frozen peers and paths."""
    own, foreign = _parsed(_networks(frozen_peers)), _parsed(_networks(other_peers))
    sources = {place for line in lines.values() for place in _places(line.line)}
    pulled = {place.partition(" ")[0] for place in sources}

    def is_frozen(element: str, name: str) -> bool:
        written = element.partition(" ")[0]
        address = IPv4Address(written)
        if any(address in network for network in own):
            return True
        # Beside a device's video is where it is asked: at the same address.
        is_pulled = element in sources if name == "cameras" else written in pulled
        return is_pulled and not any(address in network for network in foreign)

    sets = revocable_texts.elements_in(text) if text else {}
    devices = {name: sets.get(name, []) for name in ("cameras", "onvif")}
    return {name: tuple(element for element in listed if is_frozen(element, name)) for name, listed in devices.items()}


def _parsed(networks: Iterable[str]) -> list[IPv4Network]:
    try:
        return [IPv4Network(network) for network in networks]
    except ValueError:
        raise Unclear("the tunnel's file has a peer in another form than ours") from None


def _with_frozen_rules(text: str, out: Collection[str], cameras: Iterable[str], onvif: Iterable[str]) -> str:
    sets = revocable_texts.elements_in(text)

    def listed(name: str, restored: Iterable[str]) -> list[str]:
        return sorted({element for element in (*sets.get(name, ()), *restored) if element not in out}, key=_by_number)

    rest = "".join(revocable_texts.with_elements(text, {**sets, "cameras": listed("cameras", cameras)}))
    return revocable_texts.with_onvif_devices(rest, listed("onvif", onvif))


def _by_number(element: str) -> tuple[int, int]:
    address, _, port = element.partition(" . ")
    return int(IPv4Address(address)), int(port)


def _frozen_trust(text: str, facilities: Collection[str]) -> dict[str, str]:
    names = {f"{kind}{facility}" for facility in facilities for kind in (_SITE, _NEXT)}
    return {name: key for name, key in _trust_part("keys", text).items() if name in names}


def _trust_part(name: str, text: str) -> dict[str, Any]:
    try:
        document = json.loads(text or "{}")
    except ValueError:
        return {}
    below = document.get(name) if isinstance(document, dict) else None
    return below if isinstance(below, dict) else {}


def _with_frozen_trust(text: str, out: Collection[str], keys: Mapping[str, str], ports: Mapping[str, int]) -> str:
    document = json.loads(text)
    for name, restored in (("keys", keys), ("ports", ports)):
        entries = {key: value for key, value in _trust_part(name, text).items() if key not in out} | dict(restored)
        # Sites' ports are there where there are some.
        if entries or name == "keys":
            document[name] = entries
        else:
            document.pop(name, None)
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


def answer_of(texts: Texts, without: Texts, frozen: FrozenLines, key: str, unclear: str = "") -> FrozenAnswer:
    """Return the answer to the controller: names and keyed digests, no secrets."""
    changed = sorted(path for path, text in texts.items() if without[path] != text)
    return {
        "paths": {name: frozen.paths[name].facility for name in sorted(frozen.paths)},
        "peers": {peer.key: peer.name for peer in frozen.peers},
        "addresses": sorted(_networks(frozen.peers)),
        "cameras": list(frozen.cameras),
        "digests": {path: keyed_digest(key, _bytes(without[path])) for path in changed},
        "unclear": unclear,
    }


# --- on this host ---------------------------------------------------------------------------------
def live_texts() -> dict[str, str]:
    """Return the host's files, MediaMTX's including its quarantined paths."""
    return {path: quarantine.whole(text) for path in FILES if (text := _text(Path(path))) is not None}


def _text(path: Path) -> str | None:
    try:
        return path.read_bytes().decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return None


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


class FrozenParts:
    """The frozen facilities' parts on this host."""

    def __init__(self, facilities: Collection[str], key: str) -> None:
        self.key = key
        texts = live_texts() if facilities else {}
        self.unclear = ""
        try:
            self.without, self.parts = taken(texts, facilities, key)
        except Unclear as error:
            self.without, self.parts, self.unclear = texts, FrozenLines(), str(error)
        self._texts = texts
        self.whole_sentinel = _sentinel_in(texts.get(_RELAY, ""))
        self._changed = {path for path, text in texts.items() if self.without[path] != text}

    @property
    def answer(self) -> FrozenAnswer:
        """The answer to the controller."""
        return answer_of(self._texts, self.without, self.parts, self.key, self.unclear)

    @property
    def sentinel(self) -> str:
        """The whole relay file's sentinel, or empty without a frozen part."""
        return self.whole_sentinel if _RELAY in self._changed else ""

    def relay_file(self, content: bytes) -> bytes:
        """Return a relay file without its frozen part."""
        return _bytes(self.without[_RELAY]) if _RELAY in self._changed else quarantine.whole_content(content)

    def rules(self, intended: Path) -> Path:
        """Write rules with their frozen elements to a second file."""
        if not (self.parts.cameras or self.parts.asked) or not intended.exists():
            return intended
        with_frozen = intended.with_name(f"{intended.name}-held")
        with_frozen.write_text(put_back({_RULES: intended.read_text()}, self.parts, self.key)[_RULES])
        return with_frozen


def keep(change: RunningChange) -> None:
    """Insert the frozen parts into staged files, or raise `Failed`."""
    observe = change.request["observe"]
    frozen = FrozenParts(observe.get("held", ()), observe["digest_key"])
    if frozen.unclear:
        raise Failed(f"{frozen.unclear}: what in it is of a facility that is held cannot be told")
    staged = {path: change.staged(Path(path)) for path in FILES if path in change.wanted}
    wanted = {path: place.read_bytes().decode("utf-8", "surrogateescape") for path, place in staged.items()}
    try:
        whole = put_back(wanted, frozen.parts, frozen.key)
    except Unclear as error:
        raise Failed(str(error)) from None
    for path, text in whole.items():
        if text != wanted[path]:
            staged[path].write_bytes(_bytes(text))
    change.request["peers"] = [*change.request["peers"], *(peer.key for peer in frozen.parts.peers)]
    if _RELAY in whole and change.request["sentinel"]:
        change.request["sentinel"] = _sentinel_in(whole[_RELAY])


def keep_in(folder: Path, saved: Mapping[str, Path], facilities: Collection[str], key: str) -> None:
    """Put the host's frozen parts into a saved state, or raise `Failed`."""
    frozen = FrozenParts(facilities, key)
    if frozen.unclear:
        raise Failed(f"{frozen.unclear}: what in it is of a facility that is held cannot be told")
    copies = {path: saved[path] for path in FILES if path in saved}
    texts = {path: quarantine.whole(_text(place) or "") for path, place in copies.items()}
    try:
        whole = put_back(taken(texts, facilities, key)[0], frozen.parts, key)
    except Unclear as error:
        raise Failed(f"the state in {folder.name} cannot keep what is held: {error}") from None
    for path, text in whole.items():
        if text != texts[path]:
            write(copies[path], _bytes(text), mode=0o600)


def expected(request: ConfirmRequest) -> tuple[list[str], str]:
    """Return the expected peers and sentinel, including the frozen parts."""
    observe = request["observe"]
    if not observe.get("held"):
        return request["peers"], request["sentinel"]
    frozen = FrozenParts(observe["held"], observe["digest_key"])
    peers = [*request["peers"], *(peer.key for peer in frozen.parts.peers)]
    return peers, request["sentinel"] and frozen.whole_sentinel
