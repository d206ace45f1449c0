"""`maintenance.yml`: when work was announced, and on what, so that its outages raise no alarm."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from provisioner.inventory.model.base import Model, Slug, Text, Version
from provisioner.inventory.model.policy import Moment


class MaintenanceWindow(Model):
    """A time in which work is done on something: its paths are measured and shown, and raise no alarm."""

    begin: Moment = Field(alias="from")
    """Its first minute, in Vietnam's time unless a zone is written."""
    until: Moment
    """The first minute in which an outage is one again."""
    reason: Text
    """What is done, e.g. `new switch`; no name of a person."""
    facilities: tuple[Slug, ...] = ()
    """The facilities that it is about, by id."""
    hosts: tuple[Slug, ...] = ()
    """The relays and centres whose paths it is about, by id."""
    carriers: tuple[Slug, ...] = ()
    """The carriers all of whose paths it is about, by id."""
    everything: bool = False
    """Whether it is about every path."""

    @property
    def names(self) -> frozenset[tuple[str, str]]:
        """What it names, each with its kind."""
        kinds = {"facilities": self.facilities, "hosts": self.hosts, "carriers": self.carriers}
        return frozenset((kind, name) for kind, names in kinds.items() for name in names)

    def is_over(self, moment: datetime) -> bool:
        """Whether it has ended."""
        return self.until <= moment


class Maintenance(Model):
    """`maintenance.yml`: the maintenance windows of an inventory."""

    version: Version
    windows: tuple[MaintenanceWindow, ...] = ()
