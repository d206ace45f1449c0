"""Whether a site's pictures come over the new relay as they come over the old one. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from provisioner.verify.levels import LEVELS
from provisioner.verify.network import tunnel_check
from provisioner.verify.result import PathVerdict, Verdict

_RANKS: Mapping[Verdict, int] = {Verdict.UP: 2, Verdict.DEGRADED: 1}
_UP = _RANKS[Verdict.UP]
_TUNNEL = next(level.number for level in LEVELS if level.check is tunnel_check)
_SHARES = (0.1, 0.5, 1.0)


@dataclass(frozen=True, slots=True)
class SiteProof:
    """What a verification says of one site over the new relay.

    Attributes:
        facility: the site.
        reached: whether its gateway's tunnel to the new relay works now.
        worse: the paths that come worse there than over the old one, each with what is wrong.
        not_up: the paths that come no better over the old one, and are not up.
    """

    facility: str
    reached: bool
    worse: Mapping[str, str]
    not_up: tuple[str, ...] = ()

    @property
    def is_given(self) -> bool:
        """Whether nothing is lost by letting the old relay go."""
        return self.reached and not self.worse

    def lost_since(self, before: SiteProof) -> tuple[str, ...]:
        """The paths that are not up now, and came when the old relay still carried them."""
        return tuple(path for path in self.worse if path not in before.worse and path not in before.not_up)


def site_proofs(verdicts: Iterable[PathVerdict], facilities: Collection[str], to: str) -> dict[str, SiteProof]:
    """Each site's proof.

    A path must come over the new relay at least as well as over the old one; where the old one is not asked any more,
    it must be up. A site whose tunnel does not reach the new relay proves nothing, however little comes over the old
    one: it may be dark at this moment, and know the old relay alone.

    Args:
        verdicts: of both relays.
        facilities: the sites.
        to: the new relay.
    """
    before: dict[str, int] = {}
    after: dict[str, list[PathVerdict]] = {facility: [] for facility in facilities}
    for verdict in verdicts:
        if verdict.relay != to:
            before[verdict.path] = _RANKS.get(verdict.without_window, 0)
        elif verdict.facility in after:
            after[verdict.facility].append(verdict)
    return {facility: _proof(facility, paths, before) for facility, paths in after.items()}


def _proof(facility: str, paths: Iterable[PathVerdict], before: Mapping[str, int]) -> SiteProof:
    worse, not_up, reached = {}, [], False
    for path in paths:
        rank = _RANKS.get(path.without_window, 0)
        reached = reached or rank > 0 or _TUNNEL in path.passed
        if rank < before.get(path.path, _UP):
            worse[path.path] = f"{path.without_window.value}: {path.cause.value or 'unknown'}"
        elif rank < _UP:
            not_up.append(path.path)
    return SiteProof(facility, reached, dict(sorted(worse.items())), tuple(sorted(not_up)))


def waves_of_sites(paths: Mapping[str, int]) -> tuple[tuple[str, ...], ...]:
    """The waves in which sites are let go: the one with the fewest paths first, then a tenth, a half, and all.

    Args:
        paths: by site, how many paths it has.
    """
    ordered = sorted(paths, key=lambda site: (paths[site], site))
    waves, done = [], 0
    for until in (1, *(math.ceil(share * len(ordered)) for share in _SHARES)):
        if until > done and ordered:
            waves.append(tuple(ordered[done:until]))
            done = until
    return tuple(waves)
