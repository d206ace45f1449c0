"""The plan: every change of every chosen host, its digest, its totals, its documents. Pure."""

from __future__ import annotations

from provisioner.plan.basis import Basis, desired_digest
from provisioner.plan.document import DRIFT_SCHEMA, SCHEMA, compare_document, plan_document
from provisioner.plan.kept.saved import Saved, moved_hosts, read_saved, refuse_other, saved_text, seal_key
from provisioner.plan.kept.written import MAX_PLAN_BYTES, NOT_KNOWN, PlanMaker, WrittenPlan, written_plan
from provisioner.plan.last_lines import no_change, packages_by_cause, plan_ending
from provisioner.plan.model import Against, HeldInPlan, Plan
from provisioner.plan.seen import HostItems, moved_items, seen_of
from provisioner.plan.totals import Totals, totals_of

__all__ = [
    "DRIFT_SCHEMA",
    "MAX_PLAN_BYTES",
    "NOT_KNOWN",
    "SCHEMA",
    "Against",
    "Basis",
    "HeldInPlan",
    "HostItems",
    "Plan",
    "PlanMaker",
    "Saved",
    "Totals",
    "WrittenPlan",
    "compare_document",
    "desired_digest",
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
    "seen_of",
    "totals_of",
    "written_plan",
]
