"""Where gateways were seen last: what goes and comes back is called from here at once.

A peer that is taken out and put in anew has no endpoint, and its gateway goes on with a session that nobody has any
more: it makes a new one only when that is two minutes old. So a peer's endpoint is kept when it goes, and given back
when it comes: then the first packet to one of its cameras makes a handshake. A gateway that is elsewhere by then is not
reached by that, and comes by itself as before.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping

from provisioner_host import files, interface, paths

_KEY, _PLACE = "PublicKey = ", "Endpoint = "
# On tmpfs; what is older leads nowhere: gateways behind carriers' address translation move.
_KEPT_S = 7 * 86400
_MOST = 4096


def remember(present: Mapping[str, str], staying: frozenset[str], now: float | None = None) -> dict[str, str]:
    """Keep the endpoints of the live peers that go, and give those that are known: by public key.

    Args:
        present: where the live peers are, by public key.
        staying: the public keys of the peers that stay or come.
        now: this moment, in seconds since 1970.
    """
    at = time.time() if now is None else now
    known = {key: one for key, one in _read().items() if 0 <= at - one[1] <= _KEPT_S}
    going = {key: (place, at) for key, place in present.items() if key not in staying and place}
    listed = _newest(known | going)
    if going:
        _write(listed)
    return {key: place for key, (place, _) in listed.items()}


def _newest(known: Mapping[str, tuple[str, float]]) -> dict[str, tuple[str, float]]:
    return dict(sorted(known.items(), key=lambda entry: entry[1][1], reverse=True)[:_MOST])


def _write(known: Mapping[str, tuple[str, float]]) -> None:
    with contextlib.suppress(OSError):  # no room: it comes by itself, later
        paths.RUN.mkdir(mode=0o700, parents=True, exist_ok=True)
        files.write_json(paths.ENDPOINTS, {key: list(one) for key, one in _newest(known).items()})


def with_endpoints(conf: str, known: Mapping[str, str], present: Mapping[str, str]) -> str:
    """A tunnel's file with the endpoints of peers that come anew. Pure.

    Args:
        conf: the file, as `wg` takes it.
        known: endpoints by public key.
        present: the live peers: where those are the tunnel knows itself.
    """
    blocks = conf.split("[Peer]\n")
    whole = [blocks[0]]
    for block in blocks[1:]:
        key = next((line[len(_KEY) :] for line in block.splitlines() if line.startswith(_KEY)), "")
        has_one = key in present or any(line.startswith(_PLACE) for line in block.splitlines())
        whole.append(f"{_PLACE}{known[key]}\n{block}" if key in known and not has_one else block)
    return "[Peer]\n".join(whole)


def live() -> dict[str, str]:
    """Where each live peer was seen last, by public key; empty where it never was."""
    return interface.places(paths.TUNNEL)


def keep(places: Mapping[str, str], *, over: bool = True) -> None:
    """Keep where peers are that are about to be called anew.

    Args:
        places: endpoints by public key.
        over: whether they count more than what is kept already.
    """
    now = time.time()
    new = {key: (place, now) for key, place in places.items() if place}
    if new:
        _write((_read() | new) if over else (new | _read()))


def _read() -> dict[str, tuple[str, float]]:
    kept = files.read_json(paths.ENDPOINTS)
    if not isinstance(kept, dict):
        return {}
    entries = ((key, one) for key, one in kept.items() if isinstance(one, list) and len(one) == 2)  # noqa: PLR2004
    return {
        str(key): (str(one[0]), float(one[1]))
        for key, one in entries
        if isinstance(one[0], str) and isinstance(one[1], (int, float)) and not set(one[0]) & set(" \t\n")
    }
