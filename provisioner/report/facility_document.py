"""What every document says of one facility. Pure."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from provisioner.base.clock import local_iso
from provisioner.base.json_document import Document
from provisioner.inventory.deadlines import Duty
from provisioner.inventory.model import ClaimedConnection, Facility
from provisioner.inventory.signed import Worth, proofs_of
from provisioner.lifecycle.evidence import Shown
from provisioner.lifecycle.pictures import Pictures
from provisioner.lifecycle.states import Since
from provisioner.lifecycle.status import FacilityStatus


def facility_document(status: FacilityStatus) -> Document:
    """One facility: what its file says, where it stands, and how its pictures are now."""
    standing, facility = status.standing, status.facility
    return {
        "facility": facility.id,
        "name": facility.name,
        "province": facility.province,
        "managing_body": facility.managing_body.value,
        "carrier": status.carrier,
        "operating": facility.operating.value,
        "opens_on": str(facility.opens_on) if facility.opens_on else None,
        "state": standing.state.value,
        "since": since_document(standing.since),
        "reached": standing.reached.value,
        "connected": standing.is_connected,
        "connected_at": since_document(standing.connected_at),
        **_pictures(status.pictures),
        "claimed_connection": _claim(status.claimed) if status.claimed else None,
        "recorders": facility.recorder_count,
        "surveyed_cameras": _surveyed(facility),
        "deadline": duty_document(status.duty) if status.duty else None,
        "timeliness": status.timeliness.value,
        "blocked": _blocked(status),
        "sign_offs": _sign_offs(status),
        "warnings": _warnings(status),
        "next": status.next,
    }


def since_document(since: Since) -> str | None:
    """A moment with Vietnam's zone, a day as a day, None where nothing is known."""
    if isinstance(since, datetime):
        return local_iso(since)
    return str(since) if since else None


def duty_document(duty: Duty) -> Document:
    """An order that binds a facility, with the day that holds for it."""
    return {"order": duty.order.ref, "before": str(duty.before), "deadline": local_iso(duty.deadline)}


def _pictures(pictures: Pictures) -> Document:
    return {
        "cameras": pictures.cameras,
        "up_now": pictures.is_up,
        "cameras_up": pictures.up if pictures.look else None,
        "cameras_down": pictures.down if pictures.look else None,
        "cameras_unknown": pictures.unknown,
        "looked_at": _moment(pictures.look.shown if pictures.look else None),
        "last_proved": _moment(pictures.last_proved),
        "down_since": _moment(pictures.down_since),
    }


def _moment(shown: Shown | None) -> str | None:
    return local_iso(shown.at) if shown else None


def _claim(claim: ClaimedConnection) -> Document:
    return {
        "connected_on": str(claim.connected_on),
        "source": claim.source,
        "carrier": claim.carrier,
        "cameras": claim.cameras,
        "note": claim.note,
    }


def _surveyed(facility: Facility) -> Document | None:
    if facility.survey is None:
        return None
    counts = facility.survey.cameras
    return {"present": counts.present, "fit": counts.fit, "missing": counts.missing}


def _sign_offs(status: FacilityStatus) -> Document:
    """How many parties' agreement to the plan a key of theirs proves, and how many are claimed in the file."""
    facility = status.facility
    worths = Counter(proof.worth for proof in proofs_of(facility, facility.plan)) if facility.plan else Counter()
    return {"signed": worths[Worth.SIGNED], "claimed": worths[Worth.CLAIMED]}


def _warnings(status: FacilityStatus) -> list[Document]:
    opening = status.opening
    return [{"code": opening.risk.value, "text": opening.words}] if opening else []


def _blocked(status: FacilityStatus) -> Document | None:
    blocked = status.facility.blocked
    if blocked is None or not status.is_blocked:
        return None
    return {
        "reason": blocked.reason.value,
        "owner": blocked.owner.value,
        "since": str(blocked.since),
        "next_action": blocked.next_action,
        "due": str(blocked.due),
    }
