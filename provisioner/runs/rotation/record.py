"""What is written down of keys, and what is known of their ages by it."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import closing
from datetime import datetime

from provisioner.history.place import StatePlace, state_place_of
from provisioner.history.records import Operation, of_facilities
from provisioner.inventory.files.key_history import keys_since
from provisioner.inventory.rules import GATEWAY_KEY_MISSING, HOST_KEYS_MISSING
from provisioner.lifecycle.key_ages import KeyAge, key_ages
from provisioner.pipeline.session import Session
from provisioner.runs.single.record import record_run


def record_rotated(session: Session, facilities: Collection[str]) -> str:
    """Record that gateways have new keys alone: why that could not be, empty where it could."""
    said = {
        "schema": "provisioner/keys-rotated",
        "version": 1,
        "drawn": dict.fromkeys(sorted(facilities), ""),
    }
    return record_run(session, Operation.ROTATE, of_facilities(facilities), said, session.secrets.digest_key)


def known_ages(session: Session) -> tuple[tuple[KeyAge, ...], int]:
    """How old every key is, by Git and by the history, and after how many days the next one is due.

    No host is asked, and no vault opened.

    Raises:
        InventoryError: the inventory cannot be read.
        StateError: there is a history, and it cannot be read.
    """
    inventory = session.part({GATEWAY_KEY_MISSING, HOST_KEYS_MISSING}).inventory
    psks, to_push = _drawn(state_place_of(session.environment, inventory.settings.id))
    return key_ages(inventory, keys_since(session.root), psks, to_push), inventory.settings.policy.key_days


def _drawn(place: StatePlace) -> tuple[dict[str, datetime], dict[str, datetime]]:
    if place.file and not place.file.exists():
        return {}, {}
    # The database's library takes as long to import as all the rest.
    from provisioner.history.store import find_history  # noqa: PLC0415

    history = find_history(place)
    if history is None:
        return {}, {}
    with closing(history):
        return dict(history.psks_drawn()), dict(history.publish_keys_drawn())
