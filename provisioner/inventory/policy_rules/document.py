"""The document that Rego rules see of a plan. Pure."""

from typing import Literal

from provisioner.base.document import Printed, Row

Impact = Literal["none", "hot", "path", "all"]  #: As a plan has it; plans stand above this.


class _Closed(Row, extra="forbid"):
    """Base of the parts: a name that stands for nothing is a fault of a rule."""


class RegoMoment(_Closed):
    """The time of the judgement, in Vietnam's zone."""

    at: str  #: e.g. 2021-05-20T19:30:00+07:00
    date: str  #: e.g. 2021-05-20; days compare as texts do
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
    viewers: int = 0  #: Live readers that are cut, each counted once.
    impact: Impact = "none"  #: The worst impact.


class _Counted(_Closed):
    counts: RegoCounts


class _Named(_Closed):
    id: str


class _OfHost(_Named):
    kind: Literal["relay", "centre"]
    carriers: tuple[str, ...]
    trust: int  #: Changes of trust.


class _OfProvince(_Named):
    facilities: int  #: The number of its facilities with changes.


class _OfFacility(_Named):
    province: str
    carriers: tuple[str, ...]  #: Carriers of the changing relays.
    cameras: int  #: The number of cameras in the inventory; 0 for a facility that left it.
    new: bool  #: Whether the inventory has it, but no host of the plan has a path of it yet.
    known: bool  #: Whether the inventory has it.


class RegoHost(_Counted, _OfHost):
    """A host that changes."""


class RegoCarrier(_Counted, _Named):
    """A carrier whose relays change."""


class RegoProvince(_Counted, _OfProvince):
    """A province of facilities with changes, by the slug in their paths."""


class RegoFacility(_Counted, _OfFacility):
    """A facility with changes."""


class RegoChange(_Closed):
    """A change."""

    host: str
    resource: Literal["trust", "path", "peer", "rule", "file", "unit"]
    name: str
    action: Literal["create", "update", "delete"]
    #: Affected readers: `hot` of no path, `path` of one path, `all` of the relay; `none` changes no running program.
    impact: Impact
    reason: str
    viewers: int  #: Live readers that the change cuts.
    carriers: tuple[str, ...]  #: Carriers of the host.
    province: str  #: Empty unless the change is of one facility.
    facility: str  #: Empty unless the change is of one facility.


class RegoInput(Printed, name="policy-input", title="Input of Rego rules", extra="forbid"):
    """The `input` of Rego rules that judge a plan; `provisioner policy input` prints it."""

    now: RegoMoment
    inventory: str  #: The inventory's id.
    offline: bool  #: Whether the plan compares two revisions without reading hosts. Then viewers are not known.
    summary: RegoCounts = RegoCounts()  #: Counts of the whole plan.
    hosts: tuple[RegoHost, ...] = ()
    carriers: tuple[RegoCarrier, ...] = ()
    provinces: tuple[RegoProvince, ...] = ()
    facilities: tuple[RegoFacility, ...] = ()
    changes: tuple[RegoChange, ...] = ()  #: Every change, without resources that are as desired.
