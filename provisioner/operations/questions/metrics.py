"""Metrics of recorded verifications: the last full one, and partial ones since."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from provisioner.base.errors import InventoryError, ReportError, os_errors
from provisioner.base.files import replace_file
from provisioner.base.text import aware
from provisioner.integrations.alerting.metric_catalogue import MetricSheet
from provisioner.integrations.alerting.metrics import RecordedLook, night_sheet
from provisioner.inventory.loader.cache import cache_of
from provisioner.inventory.loader.load import load
from provisioner.inventory.model.inventory import BaseInventory
from provisioner.operations.nightly.night import last_night, night_file
from provisioner.operations.nightly.notices import verification_of
from provisioner.record.entries import Recorded, last_verifications
from provisioner.record.state_folder import StateFolder, state_folder_of
from provisioner.record.store import History, find_history

MOST_PARTS: Final = 500  #: Limit of newest runs to search for the last full verification.


def recorded_metrics(root: Path, environment: Mapping[str, str], now: datetime) -> "RecordedMetrics":
    """Return metrics of an inventory's history, whatever its errors."""
    return metrics_of(environment, _load_inventory(root, environment, now).settings.id)


def metrics_of(environment: Mapping[str, str], inventory: str) -> "RecordedMetrics":
    """Return metrics of the history of an inventory's id."""
    return RecordedMetrics(state_folder_of(environment, inventory), night_file(environment, inventory))


def write_metrics(file: Path, text: bytes) -> None:
    """Replace the exporter's file for all users, or raise `ReportError`."""
    hint = "make room, or name a file in a folder that is there and that you can write to; the old one stays"
    with os_errors(f"{file} cannot be written", hint, ReportError):
        replace_file(file, text, mode=0o644)


def carriers_of(root: Path, environment: Mapping[str, str], now: datetime) -> tuple[str, ...]:
    """Return the ids of an inventory's carriers."""
    return tuple(sorted(_load_inventory(root, environment, now).carriers))


def _load_inventory(root: Path, environment: Mapping[str, str], now: datetime) -> BaseInventory:
    base_inventory = load(root, today=now.date(), cache=cache_of(root, environment)).frame
    if base_inventory is None:
        raise InventoryError(f"the inventory {root} cannot be understood", hint="provisioner validate lists its errors")
    return base_inventory


@dataclass
class RecordedMetrics:
    """A history's metrics, made anew after each recorded verification."""

    place: StateFolder
    nights: Path
    _made_of: tuple[tuple[str, ...], Mapping[str, datetime]] | None = None
    _sheet: MetricSheet | None = field(default=None, repr=False)

    def sheet(self, now: datetime) -> MetricSheet:
        """Return the present metrics; an unreadable history raises `StateError`."""
        history, nights = find_history(self.place), _night_ends(self.nights)
        if history is None:
            return night_sheet(self.place.inventory, (), now, nights)
        with closing(history):
            newest = last_verifications(history.past(MOST_PARTS).runs)
            made_of = tuple(recorded.run.id for recorded in newest), nights
            if self._sheet is None or made_of != self._made_of:
                self._sheet = self._made(history, newest, now, nights)
                self._made_of = made_of
        return self._sheet

    def _made(
        self, history: History, newest: Sequence[Recorded], now: datetime, nights: Mapping[str, datetime]
    ) -> MetricSheet:
        looks = [look for recorded in newest if (look := _recorded_look(history, recorded)) is not None]
        return night_sheet(self.place.inventory, looks, now, nights)


def _night_ends(file: Path) -> dict[str, datetime]:
    """Return the ends of the last complete and the last partial night."""
    night = last_night(file)
    complete = night.get("last_complete")
    ended = {"complete": complete.get("finished_at") if isinstance(complete, dict) else None}
    ended["part"] = night.get("finished_at")
    return {extent: moment for extent, text in ended.items() if (moment := _moment(text)) is not None}


def _moment(text: object) -> datetime | None:
    try:
        return aware(datetime.fromisoformat(text)) if isinstance(text, str) else None
    except ValueError:
        return None


def _recorded_look(history: History, recorded: Recorded) -> RecordedLook | None:
    document, run = verification_of(history, recorded.run.id), recorded.run
    if document is None or recorded.finished is None:
        return None
    return RecordedLook(run.started, recorded.finished, not run.limit, document)
