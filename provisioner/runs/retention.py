"""What the history keeps for how long, by the inventory's policy, and the run in which what is older leaves."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from provisioner import __version__
from provisioner.base.errors import UsageError
from provisioner.history.place import state_place_of
from provisioner.history.records import Cut, Operation, Run
from provisioner.history.retention import HeldClass, held_classes, prune
from provisioner.history.who import who
from provisioner.inventory.loader.settings import load_settings
from provisioner.inventory.model import Retention
from provisioner.pipeline.session import Session
from provisioner.pipeline.stages import new_run_id
from provisioner.runs.journal import state_place

_HINT = "write policy.retention in inventory.yml: document_days, verdict_days"


def cut_at(retention: Retention, now: datetime) -> Cut:
    """What a policy lets leave at a moment."""
    days = retention.document_days, retention.verdict_days
    return Cut(*(None if number is None else now - timedelta(days=number) for number in days))


def would_leave(root: Path, environment: Mapping[str, str], now: datetime) -> tuple[Retention, tuple[HeldClass, ...]]:
    """The policy, what the history holds, and what would leave now; nothing is changed.

    Raises:
        InventoryError: the settings cannot be understood.
        StateError: there is a history, and it cannot be read.
    """
    settings = load_settings(root)
    retention = settings.policy.retention
    return retention, held_classes(state_place_of(environment, settings.id), cut_at(retention, now))


def let_leave(session: Session, now: datetime) -> tuple[HeldClass, ...]:
    """Let what is older than the policy says leave, and record that it did.

    Raises:
        UsageError: the policy lets nothing leave.
        SecretsError: the vault cannot be opened: the record of it has to be sealed.
        StateError: it cannot be written; nothing left.
        DamagedRecordError: something is not as it was recorded; nothing left.
    """
    retention = session.inventory.settings.policy.retention
    if retention == Retention():
        raise UsageError("the policy lets nothing leave", hint=_HINT)
    at = now.astimezone(UTC)
    run = Run(
        id=new_run_id(),
        operation=Operation.PRUNE,
        started=at,
        commit=session.commit,
        digest=session.digest,
        who=who(session.environment),
        tool=__version__,
    )
    return prune(state_place(session), run, at, cut_at(retention, at))
