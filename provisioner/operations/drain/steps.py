"""The steps of a drain: files, new relay, old relay, proofs.

Pictures over the new relay must be as good as over the old one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from provisioner.base.errors import LockedError, StateError
from provisioner.desired.limit import Limit
from provisioner.operations.apply.verification import record_verification, verify_with_memory
from provisioner.operations.drain.progress import refuse_cutting
from provisioner.operations.edit.file_edit import FileEdit
from provisioner.operations.pipeline.session import Session
from provisioner.operations.pipeline.stages import Planned, make_plan
from provisioner.verify.judge import LEVELS
from provisioner.verify.network import tunnel_check
from provisioner.verify.path_history import VerifyOptions
from provisioner.verify.result import PathVerdict, Verdict

_RANKS: Mapping[Verdict, int] = {Verdict.UP: 2, Verdict.DEGRADED: 1}
_UP = _RANKS[Verdict.UP]
_TUNNEL = next(level.number for level in LEVELS if level.check is tunnel_check)
_SHARES = (0.1, 0.5, 1.0)

Sessions = Callable[[], Session]
"""Makes a new session: an older one does not know later edits."""


@dataclass(frozen=True, slots=True)
class SiteProof:
    """Verification of a site over the new relay.

    Attributes:
        reached: whether its tunnel to the new relay works.
        worse: paths that are worse than over the old relay, with the cause.
        not_up: paths not up at either relay.
    """

    facility: str
    reached: bool
    worse: Mapping[str, str]
    not_up: tuple[str, ...] = ()

    @property
    def is_given(self) -> bool:
        """Whether the old relay can be cut without loss."""
        return self.reached and not self.worse

    def lost_since(self, before: SiteProof) -> tuple[str, ...]:
        """Return the paths that the cut made worse."""
        return tuple(path for path in self.worse if path not in before.worse and path not in before.not_up)


def site_proofs(verdicts: Iterable[PathVerdict], facilities: Collection[str], relay: str) -> dict[str, SiteProof]:
    """Return each site's proof.

    A path must be as good over the new relay as over the old one, or up if the old one is not asked. A site whose
    tunnel does not reach the new relay is not proved, however bad the old relay: it may be down now, and know the old
    relay alone.
    """
    before: dict[str, int] = {}
    after: dict[str, list[PathVerdict]] = {facility: [] for facility in facilities}
    for verdict in verdicts:
        if verdict.relay != relay:
            before[verdict.path] = _RANKS.get(verdict.without_window, 0)
        elif verdict.facility in after:
            after[verdict.facility].append(verdict)
    return {facility: _site_proof(facility, paths, before) for facility, paths in after.items()}


def _site_proof(facility: str, paths: Iterable[PathVerdict], before: Mapping[str, int]) -> SiteProof:
    """Compare a site's paths with their ranks before the move."""
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
    """Return the waves: the smallest site, then a tenth, a half, all."""
    ordered = sorted(paths, key=lambda site: (paths[site], site))
    waves, done = [], 0
    for until in (1, *(math.ceil(share * len(ordered)) for share in _SHARES)):
        if until > done and ordered:
            waves.append(tuple(ordered[done:until]))
            done = until
    return tuple(waves)


def write_all(root: Path, edits: Iterable[FileEdit]) -> None:
    """Write edits one by one; a failure leaves the earlier ones.

    Raises:
        LockedError, InventoryError: a file cannot be written.
    """
    for edit in edits:
        edit.write(root)


def put_back(root: Path, edits: Iterable[FileEdit]) -> None:
    """Restore files to their text before edits, unless edited since.

    Raises:
        InventoryError: a file cannot be written.
    """
    for edit in edits:
        if edit.before is not None:
            try:
                FileEdit(edit.facility, edit.path, edit.after, edit.before).write(root)
            except LockedError:
                continue


def plan_of_relay(session: Session, relay: str, may_cut: Collection[str], allow: Mapping[str, int]) -> Planned:
    """Plan one relay for a step of a drain.

    Raises:
        PolicyError: it is refused, would cut other readers, or another inventory owns the relay.
        HostError: the relay cannot be read.
    """
    planned = make_plan(session, Limit({"host": frozenset({relay})}), allow=allow)
    planned.refuse_host(relay)
    refuse_cutting(planned, relay, may_cut)
    return planned


def plan_letting_go(
    sessions: Sessions, relay: str, edits: Collection[FileEdit], may_cut: Collection[str], allow: Mapping[str, int]
) -> tuple[Session, Planned]:
    """Write files that cut sites at a relay, and plan it.

    Raises:
        PolicyError, HostError: as `plan_of_relay`; the files are restored.
        LockedError, InventoryError: a file cannot be written.
    """
    session = sessions()
    root = session.root
    try:
        write_all(root, edits)
        session = sessions()
        return session, plan_of_relay(session, relay, may_cut, allow)
    except BaseException:
        put_back(root, edits)
        raise


def prove(
    session: Session, facilities: Collection[str], relay: str, options: VerifyOptions
) -> tuple[dict[str, SiteProof], str]:
    """Verify sites over both relays; return proofs and a recording failure.

    Raises:
        InventoryError, SecretsError, RenderError, UsageError: as for any verification.
    """
    limit = Limit({"facility": frozenset(facilities)})
    result = verify_with_memory(session, limit, options)
    unrecorded = ""
    try:
        record_verification(session, result, tuple(f"facility={name}" for name in sorted(facilities)))
    except StateError as error:
        unrecorded = error.message
    return site_proofs(result.paths, facilities, relay), unrecorded
