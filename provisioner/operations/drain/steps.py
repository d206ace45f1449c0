"""The steps of a drain: files, new relay, old relay, proofs.

A site's pictures have to come over the new relay as they come over the old one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from provisioner.base.errors import HostError, LockedError, PolicyError, StateError
from provisioner.desired.limit import Limit
from provisioner.operations.apply.verification import record_verification, verify_with_memory
from provisioner.operations.drain.progress import refuse_cutting
from provisioner.operations.edit.file_edit import FileEdit
from provisioner.operations.pipeline.session import Session
from provisioner.operations.pipeline.stages import Planned, make_plan
from provisioner.verify.judge import LEVELS
from provisioner.verify.network import tunnel_check
from provisioner.verify.path_history import Orders
from provisioner.verify.result import PathVerdict, Verdict

_RANKS: Mapping[Verdict, int] = {Verdict.UP: 2, Verdict.DEGRADED: 1}
_UP = _RANKS[Verdict.UP]
_TUNNEL = next(level.number for level in LEVELS if level.check is tunnel_check)
_SHARES = (0.1, 0.5, 1.0)

Sessions = Callable[[], Session]
"""A new session: what was read of the inventory before an edit does not count after it."""


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


def write_all(root: Path, edits: Iterable[FileEdit]) -> None:
    """Write edits, one file after the other; what is written when one cannot be stays, and is valid by itself.

    Raises:
        LockedError, InventoryError: a file cannot be written.
    """
    for edit in edits:
        edit.write(root)


def put_back(root: Path, edits: Iterable[FileEdit]) -> None:
    """Let files say what they said before they were edited; those that somebody has edited since stay.

    Raises:
        InventoryError: a file cannot be written.
    """
    for edit in edits:
        if edit.before is not None:
            try:
                FileEdit(edit.facility, edit.path, edit.after, edit.before).write(root)
            except LockedError:
                continue


def plan_of_one(session: Session, relay: str, may_cut: Collection[str], allow: Mapping[str, int]) -> Planned:
    """The plan of one relay alone, which is to be applied as a step of a drain.

    Args:
        session: a session of the files as they are now.
        relay: the relay.
        may_cut: the facilities whose readers may be cut there.
        allow: limits of the policy that are raised.

    Raises:
        PolicyError: it is refused, would cut somebody else, or the relay is somebody else's.
        HostError: the relay cannot be read.
    """
    planned = make_plan(session, Limit({"host": frozenset({relay})}), allow=allow)
    planned.refuse_foreign()
    if relay in planned.unreadable:
        error = planned.unreadable[relay]
        raise HostError(error.message, hint=error.hint, object=relay)
    if planned.plan.refused:
        first = planned.plan.refused[0]
        raise PolicyError(first.message, hint=first.hint, object=first.host or relay)
    refuse_cutting(planned, relay, may_cut)
    return planned


def plan_letting_go(
    sessions: Sessions, relay: str, edits: Collection[FileEdit], may_cut: Collection[str], allow: Mapping[str, int]
) -> tuple[Session, Planned]:
    """Write the files by which a relay lets sites go, and make its plan; where that is refused they are as before.

    Raises:
        PolicyError, HostError: as `plan_of_one`; the files say again what they said.
        LockedError, InventoryError: a file cannot be written.
    """
    session = sessions()
    root = session.root
    try:
        write_all(root, edits)
        session = sessions()
        return session, plan_of_one(session, relay, may_cut, allow)
    except BaseException:
        put_back(root, edits)
        raise


def prove(session: Session, facilities: Collection[str], to: str, orders: Orders) -> tuple[dict[str, SiteProof], str]:
    """Verify sites over both relays, and record it: each site's proof, and why it could not be recorded, if so.

    Args:
        session: a session of the files as they are now.
        facilities: the sites.
        to: the new relay.
        orders: how far the verification goes.

    Raises:
        InventoryError, SecretsError, RenderError, UsageError: as for any verification.
    """
    limit = Limit({"facility": frozenset(facilities)})
    result = verify_with_memory(session, limit, orders)
    unrecorded = ""
    try:
        record_verification(session, result, tuple(f"facility={name}" for name in sorted(facilities)))
    except StateError as error:
        unrecorded = error.message
    return site_proofs(result.paths, facilities, to), unrecorded
