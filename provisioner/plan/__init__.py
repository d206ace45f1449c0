"""The plan: changes of chosen hosts, digest, totals, documents. Pure."""

from __future__ import annotations

from provisioner.plan.document import (
    DRIFT_SCHEMA,
    SCHEMA,
    no_change,
    packages_by_cause,
    plan_document,
    plan_ending,
)
from provisioner.plan.plan import (
    Against,
    Basis,
    FrozenInPlan,
    HostItems,
    Plan,
    Totals,
    desired_digest,
    items_of,
    moved_items,
    totals_of,
)
from provisioner.plan.saved.file import (
    MAX_PLAN_BYTES,
    NOT_KNOWN,
    PlanMaker,
    Saved,
    WrittenPlan,
    moved_hosts,
    read_saved,
    refuse_other,
    saved_text,
    seal_key,
    written_plan,
)

__all__ = [
    "DRIFT_SCHEMA",
    "MAX_PLAN_BYTES",
    "NOT_KNOWN",
    "SCHEMA",
    "Against",
    "Basis",
    "FrozenInPlan",
    "HostItems",
    "Plan",
    "PlanMaker",
    "Saved",
    "Totals",
    "WrittenPlan",
    "desired_digest",
    "items_of",
    "moved_hosts",
    "moved_items",
    "no_change",
    "packages_by_cause",
    "plan_document",
    "plan_ending",
    "read_saved",
    "refuse_other",
    "saved_text",
    "seal_key",
    "totals_of",
    "written_plan",
]
