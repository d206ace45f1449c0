"""Which paths are checked, and by whom: `--limit` chooses paths here, not hosts. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from provisioner.base.errors import UsageError
from provisioner.desired.chosen import refuse_all_shut, refuse_held, refuse_shut
from provisioner.desired.limit import Limit
from provisioner.desired.spec import NEXT, SITE, DesiredState, HostKind, HostSpec, LeftOutHost, MediaPath

if TYPE_CHECKING:
    from provisioner.hosts.facts import HostFacts

_EVERYTHING = Limit()


@dataclass(frozen=True, slots=True)
class PathToCheck:
    """One path to check: the relay that serves it, and the centres that have to read it.

    `shut` are centres that have to read it as well, and cannot be asked: their secrets stayed shut.
    """

    relay: HostSpec
    path: MediaPath
    centres: tuple[HostSpec, ...]
    shut: tuple[LeftOutHost, ...] = ()

    @property
    def carrier(self) -> str:
        """The carrier of the path's relay."""
        return self.relay.carriers[0]

    @property
    def remembered_as(self) -> str:
        """What its memory is called: a path of two relays is one to each of them, with failures of its own."""
        return f"{self.relay.id}:{self.path.name}" if self.path.beside else self.path.name

    @property
    def peer_key(self) -> str:
        """The public key of the site's gateway."""
        return self._key_of(SITE)

    @property
    def next_peer_key(self) -> str:
        """The key that it is changing to; empty where it is changing to none."""
        return self._key_of(NEXT)

    def _key_of(self, kind: str) -> str:
        name = f"{kind}{self.path.facility}"
        return next((p.public_key for p in self.relay.tunnel.peers if p.name == name), "")


def with_logins_in_use(targets: Sequence[PathToCheck], facts: Mapping[str, HostFacts]) -> tuple[PathToCheck, ...]:
    """The paths as their relays pull them: where a login is under change, by the one that the relay has.

    Args:
        targets: the paths.
        facts: of the hosts that were read.
    """
    from provisioner.plan.diff import with_live_logins  # noqa: PLC0415 (what calls hosts is told them before)

    relays = with_live_logins({target.relay.id: target.relay for target in targets}.values(), facts)
    if not relays:
        return tuple(targets)
    paths = {host: {path.name: path for path in spec.paths} for host, spec in relays.items()}
    return tuple(
        replace(target, relay=relays[target.relay.id], path=paths[target.relay.id][target.path.name])
        if target.relay.id in relays
        else target
        for target in targets
    )


def select(state: DesiredState, limit: Limit = _EVERYTHING) -> tuple[PathToCheck, ...]:
    """The paths to check, in the order of names.

    `host` is the relay that serves a path, or a centre that reads it.

    Raises:
        UsageError: nothing is selected, so that nothing would be proved.
        SecretsError: all that is selected is of hosts whose secrets stayed shut, or there is no limit and there are
            such hosts.
        InventoryError: all that is selected is held.
    """
    refuse_shut(state, limit)
    shut: dict[str, tuple[LeftOutHost, ...]] = defaultdict(tuple)
    for left in state.left_out.values():
        for carrier in left.carriers if left.kind is HostKind.CENTRE else ():
            shut[carrier] += (left,)
    centres: dict[str, list[HostSpec]] = defaultdict(list)
    for host in sorted(state.hosts.values(), key=lambda h: h.id):
        if host.kind is HostKind.CENTRE:
            for carrier in host.carriers:
                centres[carrier].append(host)
    every = (_to_check(h, p, centres[h.carriers[0]], shut[h.carriers[0]]) for h, p in state.paths)
    chosen = tuple(sorted((w for w in every if _takes(limit, w)), key=lambda w: (w.path.name, w.relay.id)))
    if not chosen:
        refuse_all_shut(state, limit)
        refuse_held(state, limit)
        options = " ".join(f"--limit {k}={v}" for k, vs in sorted(limit.wanted.items()) for v in sorted(vs))
        message = f"{options} selects no path" if options else "the inventory has no path to check"
        hint = "only facilities that are open and whose plan is agreed have paths; see provisioner validate"
        raise UsageError(message, hint=hint)
    return chosen


def _to_check(
    relay: HostSpec, path: MediaPath, centres: Sequence[HostSpec], shut: tuple[LeftOutHost, ...]
) -> PathToCheck:
    """A path with those of its carrier's centres that may read it."""
    reading = tuple(centre for centre in centres if centre.may_read(path.name))
    return PathToCheck(relay, path, reading, tuple(centre for centre in shut if centre.may_read(path.name)))


def _takes(limit: Limit, target: PathToCheck) -> bool:
    named = limit.wanted.get("host", frozenset())
    if named & {c.id for c in target.centres}:
        limit = replace(limit, wanted={kind: names for kind, names in limit.wanted.items() if kind != "host"})
    return limit.takes_path(target.relay, target.path)
