"""Orders, designations of carriers, and reach intents.

`instructions.yml` has orders and deadlines, `designations.yml` the carriers of provinces. `intents.yml` has required
and forbidden traffic, whatever a plan changes.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from provisioner.inventory.model.base import Day, Model, Slug, Text, Version
from provisioner.inventory.model.policy import ProvinceScheme

_ID = "[a-z0-9]+(-[a-z0-9]+)*"
DISTRICTS_ENDED = date(2025, 7, 1)
"""The first day without districts: provinces now have communes, wards and special zones."""


class ManagingBody(StrEnum):
    """Who runs the facility; the orders' scope is by this."""

    UBND_TINH = "ubnd_tinh"
    UBND_HUYEN = "ubnd_huyen"
    """People's Committees of districts, which ended with 2025-06-30."""
    UBND_XA = "ubnd_xa"
    """People's Committees of communes, wards and special zones."""
    QUAN_DOI = "quan_doi"
    CONG_AN = "cong_an"
    DOANH_NGHIEP = "doanh_nghiep"


class Instruction(Model):
    """An order: which facilities have to be connected, and before which day.

    `before` is strict, as letter 1407/BTTTT-CVT has it ("trước ngày 10/5/2021"): before 10 May means until
    the last moment of 9 May, Vietnam time.
    """

    ref: Text
    """The order's number, e.g. 1407/BTTTT-CVT."""
    issuer: Text
    """The body that issued it."""
    issued_on: Day
    """The day of issue."""
    before: Day
    """The first day that is too late, for every facility in scope without a day of its own."""
    scope: Annotated[tuple[ManagingBody, ...], Field(min_length=1)]
    """The managing bodies whose facilities the order binds."""
    extends: tuple[Text, ...] = ()
    """Refs of orders that stay in force beside this one, which adds facilities or detail."""
    supersedes: tuple[Text, ...] = ()
    """Refs of orders that count no longer where this one binds."""
    provinces: dict[Slug, Day] = {}
    """Days that a province set for itself, by its slug."""
    province_scheme: ProvinceScheme | None = None
    """The list that these slugs are of, where it is not the inventory's: an old order names old provinces."""
    facilities: dict[Slug, Day] = {}
    """Days that were set for single facilities, by id."""


class Instructions(Model):
    """`instructions.yml`: the orders that facilities are held against."""

    version: Version
    instructions: tuple[Instruction, ...]


class Designation(Model):
    """Which carrier serves a province, from when to when, and which document says so."""

    province: Slug
    """The province's slug."""
    province_scheme: ProvinceScheme | None = None
    """The list that the slug is of, where it is not the inventory's: an old document names an old province."""
    carrier: Slug
    """The carrier's id."""
    since: Day
    """The first day."""
    until: Day | None = None
    """The last day; open where it is left out."""
    source: Text
    """The document that designates."""


class Designations(Model):
    """`designations.yml`: one or more carriers a province; a province without one is an error, never a default."""

    version: Version
    designations: tuple[Designation, ...]


# --- intents -----------------------------------------------------------------------------------------


class Service(StrEnum):
    """What somebody may want to reach.

    `ssh`, `tunnel` (WireGuard), `video` (RTSP, with a login of MediaMTX), `publish` (the same, to push a path), `api`
    (MediaMTX's) and `other` (any other port) are a host's; `cameras`, `onvif` and `other` are a site's.
    """

    SSH = "ssh"
    TUNNEL = "tunnel"
    VIDEO = "video"
    PUBLISH = "publish"
    API = "api"
    CAMERAS = "cameras"
    ONVIF = "onvif"
    OTHER = "other"


class Program(StrEnum):
    """Whose programs on a relay or a centre send: MediaMTX's user, the one who reads for checks, anybody else."""

    RELAY = "relay"
    PROBE = "probe"
    OTHERS = "others"


FromPlace = Annotated[
    str,
    StringConstraints(
        pattern=rf"^(internet|management|centres|relays|sites|(management|centre|relay|site|province)/{_ID})$"
    ),
]
"""Source of traffic: `internet`, `management` or `management/<carrier or centre>`, `centres` or `centre/<id>`, `relays`
or `relay/<id>`, `sites`, `site/<facility>` or `province/<slug>` (its sites).
"""
ToPlace = Annotated[
    str, StringConstraints(pattern=rf"^(internet|centres|relays|sites|(centre|relay|site|province)/{_ID})$")
]
"""Target of traffic; no traffic to a management network is ours."""


class Traffic(Model):
    """Who reaches what, in an intent."""

    sources: Annotated[tuple[FromPlace, ...], Field(alias="from", min_length=1)]
    """Where it comes from; each of them is meant."""
    targets: Annotated[tuple[ToPlace, ...], Field(alias="to", min_length=1)]
    """Where it goes; each of them is meant."""
    services: tuple[Service, ...] = ()
    """What is reached there; all there is where nothing is written."""
    programs: tuple[Program, ...] = ()
    """Whose programs send, of relays and centres; anybody's where nothing is written."""


class ReachIntent(Model):
    """One statement: a plan by which it would not hold is refused."""

    id: Slug
    allow: Traffic | None = None
    """What has to be reached."""
    deny: Traffic | None = None
    """What must not be reached."""
    reason: Text | None = None
    """Why, for whoever meets it; no name of a person."""

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if (self.allow is None) == (self.deny is None):
            raise ValueError("an intent allows or denies: write one of the two")
        return self

    @property
    def traffic(self) -> Traffic:
        """Its traffic, allowed or denied."""
        about = self.allow or self.deny
        assert about is not None  # noqa: S101 (the validator has seen to it)
        return about


class Intents(Model):
    """`intents.yml`: the statements of an inventory."""

    version: Version
    intents: tuple[ReachIntent, ...] = ()
