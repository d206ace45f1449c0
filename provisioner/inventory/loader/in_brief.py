"""Facilities in brief, out of their outlines: what earlier runs found is not held against the models once more."""

from __future__ import annotations

from typing import Final, TypeVar

from provisioner.inventory.model.brief import Counted, FacilityInBrief, InFile, PlanInBrief, PlanSummary
from provisioner.inventory.outline import Outline, PlanOutline

_Brief = TypeVar("_Brief", FacilityInBrief, PlanInBrief)
_NO_NAMES: Final[set[str]] = set()


def facility_in_brief(outline: Outline, in_file: InFile) -> FacilityInBrief:
    """A facility in brief.

    Args:
        outline: what is at hand.
        in_file: reads the rest.
    """
    known: dict[str, object] = {
        "id": outline.id,
        "province": outline.province,
        "province_scheme": outline.province_scheme,
        "managing_body": outline.managing_body,
        "operating": outline.operating,
        "opens_on": outline.opens_on,
        "closed_on": outline.closed_on,
        "contact_confirmed_on": outline.contact_confirmed_on,
        "plan": _plan_in_brief(outline, outline.plan, in_file, is_next=False),
        "successor": _plan_in_brief(outline, outline.successor, in_file, is_next=True),
        "protected": outline.protected,
        "in_file": in_file,
        "known": Counted(outline.recorders, outline.cameras, outline.surveyed_on, outline.has_gateway),
    }
    if not outline.remarks:
        known |= {"blocked": None, "claimed_connection": None}
    return _made(FacilityInBrief, known)


def _plan_in_brief(outline: Outline, plan: PlanOutline | None, in_file: InFile, *, is_next: bool) -> PlanInBrief | None:
    if plan is None:
        return None
    known: dict[str, object] = {
        "state": plan.state,
        "carrier": plan.carrier,
        "relay": plan.relay,
        "backup_relay": plan.backup_relay or None,
        "access": plan.access,
        "of": (outline.id, in_file),
        "is_next": is_next,
        "summary": PlanSummary(plan.content, plan.proofs, plan.agreed_on),
    }
    return _made(PlanInBrief, known)


def _made(model: type[_Brief], known: dict[str, object]) -> _Brief:
    """A value with what is known of it; `model_construct` asks for each field, which takes ten times as long."""
    made = model.__new__(model)
    object.__setattr__(made, "__dict__", known)
    object.__setattr__(made, "__pydantic_fields_set__", _NO_NAMES)
    object.__setattr__(made, "__pydantic_extra__", None)
    object.__setattr__(made, "__pydantic_private__", None)
    return made
