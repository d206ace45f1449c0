"""Which paths are checked: `--limit` filters paths here, never hosts of a change. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from provisioner.desired.spec import DesiredState, HostKind, HostSpec, MediaPath
from provisioner.errors import UsageError

_KEYS = ("carrier", "province", "facility", "host")


@dataclass(frozen=True, slots=True)
class Wanted:
    """One path to check: the relay that serves it, and the centres that have to read it."""

    relay: HostSpec
    path: MediaPath
    centres: tuple[HostSpec, ...]

    @property
    def carrier(self) -> str:
        """The carrier of the path's relay."""
        return self.relay.carriers[0]

    @property
    def peer_key(self) -> str:
        """The public key of the site's gateway."""
        name = f"site/{self.path.facility}"
        return next((p.public_key for p in self.relay.tunnel.peers if p.name == name), "")


def parse_limits(texts: Iterable[str]) -> dict[str, frozenset[str]]:
    """Give the values of `--limit key=value` by key.

    Raises:
        UsageError: a text is no such limit.
    """
    limits: dict[str, set[str]] = defaultdict(set)
    for text in texts:
        key, separator, value = text.partition("=")
        if key not in _KEYS or not separator or not value:
            hint = "write --limit " + "=… or --limit ".join(_KEYS) + "=…"
            raise UsageError(f"--limit {text} is no limit", hint=hint, object=text)
        limits[key].add(value)
    return {key: frozenset(values) for key, values in limits.items()}


def select(state: DesiredState, limits: dict[str, frozenset[str]]) -> tuple[Wanted, ...]:
    """Give the paths to check, in the order of names.

    Values of one key are alternatives; different keys have to hold together. `host` is the relay that
    serves a path or a centre that reads it.

    Raises:
        UsageError: nothing is selected, so that nothing would be proved.
    """
    centres: dict[str, list[HostSpec]] = defaultdict(list)
    for host in sorted(state.hosts.values(), key=lambda h: h.id):
        if host.kind is HostKind.CENTRE:
            for carrier in host.carriers:
                centres[carrier].append(host)
    every = (Wanted(h, p, tuple(centres[h.carriers[0]])) for h, p in state.paths)
    chosen = tuple(sorted((w for w in every if _within(w, limits)), key=lambda w: w.path.name))
    if not chosen:
        shown = " ".join(f"--limit {k}={v}" for k, vs in sorted(limits.items()) for v in sorted(vs))
        message = f"{shown} selects no path" if shown else "the inventory has no path to check"
        raise UsageError(
            message, hint="only facilities that are open and whose plan is agreed have paths; see provisioner validate"
        )
    return chosen


def _within(wanted: Wanted, limits: dict[str, frozenset[str]]) -> bool:
    has = {
        "carrier": {wanted.carrier},
        "province": {wanted.path.province},
        "facility": {wanted.path.facility},
        "host": {wanted.relay.id, *(c.id for c in wanted.centres)},
    }
    return all(values & has[key] for key, values in limits.items())
