"""The document that Rego rules see of a plan. Pure."""

from __future__ import annotations

from typing import Literal

from provisioner.base.document import Printed, Row

Impact = Literal["none", "hot", "path", "all"]
"""As a plan has it; plans stand above this."""


class _Closed(Row, extra="forbid"):
    """Base of the parts: a name that stands for nothing is a fault of a rule."""


class RegoMoment(_Closed):
    """The moment in which the plan is judged, in Vietnam's time."""

    at: str
    """e.g. 2021-05-20T19:30:00+07:00"""
    date: str
    """e.g. 2021-05-20; days compare as texts do"""
    year: int
    month: int
    day: int
    hour: int
    minute: int
    weekday: Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


class RegoCounts(_Closed):
    """Changes, counted."""

    create: int = 0
    update: int = 0
    delete: int = 0
    viewers: int = 0
    """Live readers that are cut, nobody twice."""
    impact: Impact = "none"
    """The worst one."""


class _Counted(_Closed):
    counts: RegoCounts


class _Named(_Closed):
    id: str


class _OfHost(_Named):
    kind: Literal["relay", "centre"]
    carriers: tuple[str, ...]
    trust: int
    """Changes of who and what is trusted."""


class _OfProvince(_Named):
    facilities: int
    """How many of its facilities changes are about."""


class _OfFacility(_Named):
    province: str
    carriers: tuple[str, ...]
    """Of the relays that change."""
    cameras: int
    """By the inventory; 0 of one that it does not have any more."""
    new: bool
    """Whether the inventory has it, and no host of the plan has a path of it yet."""
    known: bool
    """Whether the inventory has it."""


class RegoHost(_Counted, _OfHost):
    """A host that changes."""


class RegoCarrier(_Counted, _Named):
    """A carrier whose relays change."""


class RegoProvince(_Counted, _OfProvince):
    """A province of facilities that changes are about, by the slug that their paths have."""


class RegoFacility(_Counted, _OfFacility):
    """A facility that changes are about."""


class RegoChange(_Closed):
    """A change."""

    host: str
    resource: Literal["trust", "path", "peer", "rule", "file", "unit"]
    name: str
    action: Literal["create", "update", "delete"]
    impact: Impact
    """Who notices: nothing running is touched, nobody, one path's readers, all readers of the relay."""
    reason: str
    viewers: int
    """Live readers that it cuts."""
    carriers: tuple[str, ...]
    """Of the host."""
    province: str
    """Empty where it is about no single facility."""
    facility: str
    """Empty where it is about no single facility."""


class RegoInput(Printed, name="policy-input", title="What rules see", extra="forbid"):
    """What Rego rules see of a plan as `input`, and `provisioner policy input` prints."""

    now: RegoMoment
    inventory: str
    """The inventory's id."""
    offline: bool
    """Whether two revisions are compared and no host was asked: who watches is not known then."""
    summary: RegoCounts = RegoCounts()
    """Of the whole plan."""
    hosts: tuple[RegoHost, ...] = ()
    carriers: tuple[RegoCarrier, ...] = ()
    provinces: tuple[RegoProvince, ...] = ()
    facilities: tuple[RegoFacility, ...] = ()
    changes: tuple[RegoChange, ...] = ()
    """Every change, without what is as desired."""
