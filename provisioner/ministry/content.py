"""A controller's state as rows of a report. Pure.

The rows are made of the board that the role `ministry` gets. What that role may not see is on no board of its own, and
so in no report: evidence with addresses, hosts, runs, persons. Texts that people wrote into files stay out, but for a
facility's name.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from provisioner import __version__
from provisioner.base.roles import ReaderRole, ReaderScope
from provisioner.base.text import VIETNAM, start_of
from provisioner.inventory.model.facility import FacilityKind
from provisioner.inventory.model.orders import Instruction
from provisioner.inventory.outline import OutlinedInventory
from provisioner.inventory.signed import Worth
from provisioner.ministry import bundle
from provisioner.record.availability.measured import Measured, Span
from provisioner.record.lifecycle.evidence import Evidence
from provisioner.record.lifecycle.status import FacilityStatus
from provisioner.verify.result import Cause
from provisioner.web.board import Board, BoardPath, FacilityRow
from provisioner.web.readers import WebUser, scoped

MINISTRY: Final = WebUser(ReaderScope(ReaderRole.MINISTRY))
DAYS: Final = 30  #: The length of a report's span.
_SECOND: Final = 1_000_000


@dataclass(frozen=True)
class ReportBasis:
    """What a report is made of."""

    inventory: OutlinedInventory
    evidence: Evidence
    statuses: Sequence[FacilityStatus]
    board: Board  #: The board of the engineer or of the ministry.
    shares: Mapping[str, Measured]  #: The times of each facility in `span`.
    span: Span
    unread: Sequence[str]
    now: datetime


def span_before(now: datetime) -> Span:
    """Return the span of the availability: whole days before today."""
    until = start_of(now.astimezone(VIETNAM).date())
    return Span(until - timedelta(days=DAYS), until)


def rows_of(state: ReportBasis) -> list[bundle.ReportedFacility]:
    """Return the rows of all facilities, by id."""
    board = scoped(state.board, MINISTRY)
    rows = [
        _row(state, status, board.by_id[status.facility.id])
        for status in state.statuses
        if status.facility.id in board.by_id
    ]
    return sorted(rows, key=lambda row: row.id)


def report_of(
    state: ReportBasis,
    rows: Sequence[bundle.ReportedFacility],
    *,
    position: tuple[int, str | None],
    kind: bundle.ReportKind,
    removed: Iterable[str],
    content: str,
) -> bundle.ControllerReport:
    """Return a report; `position` is its number and its predecessor's hash."""
    settings, (sequence, previous) = state.inventory.settings, position
    orders = {duty.order.ref: duty.order for status in state.statuses for duty in status.duties}
    return bundle.ControllerReport(
        inventory=settings.id,
        software=f"provisioner {__version__}",
        scheme=settings.province_scheme,
        carriers=tuple(
            bundle.CarrierRow(id=carrier.id, name=carrier.name) for carrier in state.inventory.carriers.values()
        ),
        orders=tuple(_order(order) for _, order in sorted(orders.items())),
        sequence=sequence,
        previous=previous,
        kind=kind,
        at=state.now.replace(microsecond=0),
        verified_at=_whole(state.evidence.verified.observed.at if state.evidence.verified else None),
        span_begin=state.span.begin,
        span_until=state.span.until,
        runs=state.evidence.runs,
        unread=tuple(sorted(state.unread)),
        facilities=tuple(rows),
        removed=tuple(sorted(removed)),
        content=content,
    )


def _order(order: Instruction) -> bundle.OrderRow:
    return bundle.OrderRow(ref=order.ref, issuer=order.issuer, issued_on=order.issued_on, before=order.before)


def _row(state: ReportBasis, status: FacilityStatus, shown: FacilityRow) -> bundle.ReportedFacility:
    facility, progress, pictures = status.facility, status.standing, status.pictures
    worths = [proof.worth for proof in facility.plan.proofs] if facility.plan else []
    blocked, claim, look = status.blocked if status.is_blocked else None, status.claimed, pictures.look
    times = state.shares.get(facility.id)
    return bundle.ReportedFacility(
        id=facility.id,
        name=shown.name,
        province=facility.province,
        scheme=state.inventory.scheme_of(facility.province_scheme),
        kind=FacilityKind(shown.kind),
        managing_body=facility.managing_body,
        operating=facility.operating,
        opens_on=facility.opens_on,
        carrier=status.carrier or None,
        carriers=shown.carriers,
        state=progress.state,
        since=progress.since,
        steps=dict(progress.steps),
        connected_at=_whole(progress.connected_at),
        signed=worths.count(Worth.SIGNED),
        claimed=worths.count(Worth.CLAIMED),
        duty=bundle.DutyRow(status.duty.order.ref, status.duty.before) if status.duty else None,
        blocked=bundle.BlockedRow(blocked.reason, blocked.owner, blocked.since, blocked.due) if blocked else None,
        claim=bundle.ClaimRow(claim.connected_on, status.cameras_claimed) if claim else None,
        survey=bundle.SurveyRow(facility.survey_verdict, facility.present, facility.fit, facility.missing)
        if facility.survey_verdict
        else None,
        cameras=facility.cameras,
        recorders=facility.recorders,
        carried=pictures.carried,
        seen=bundle.CameraCount(pictures.up, pictures.down, look.at.replace(microsecond=0)) if look else None,
        last_proved=_whole(pictures.last_proved.at if pictures.last_proved else None),
        down_since=_whole(pictures.down_since.at if pictures.down_since else None),
        paths=_path_counts(shown.paths),
        checked_at=_whole(
            min((path.checked_at for path in shown.paths if path.verdict == "up" and path.checked_at), default=None)
        ),
        times=_times(times) if times else None,
    )


def _path_counts(paths: Iterable[BoardPath]) -> tuple[bundle.PathCount, ...]:
    """Count paths by verdict, cause and layer, without their objects."""
    groups: dict[tuple[str, Cause, str], list[BoardPath]] = defaultdict(list)
    for path in paths:
        groups[path.verdict, path.cause, path.layer or ""].append(path)
    return tuple(
        bundle.PathCount(
            verdict=verdict,
            paths=len(group),
            cause=cause,
            layer=group[0].layer,
            since=_whole(min((path.since for path in group if path.since), default=None)),
        )
        for (verdict, cause, _), group in sorted(groups.items())
    )


def _times(times: Measured) -> bundle.TimesRow:
    parts = ("up", "degraded", "down", "maintenance", "unmeasured")
    return bundle.TimesRow(**{part: getattr(times, part) // _SECOND for part in parts} | {"outages": times.outages})


def _whole(moment: datetime | None) -> datetime | None:
    return moment.replace(microsecond=0) if moment else None
