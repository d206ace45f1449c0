"""Orders, designations of carriers, and reach intents, which no plan changes."""

from datetime import date
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from provisioner.inventory.model.base import Day, Model, Slug, Text, Version
from provisioner.inventory.model.policy import ProvinceScheme

_ID = "[a-z0-9]+(-[a-z0-9]+)*"
#: The first day without districts: provinces now have communes, wards and special zones.
DISTRICTS_ENDED = date(2025, 7, 1)


class ManagingBody(StrEnum):
    """The body that runs the facility; orders bind facilities by it."""

    UBND_TINH = "ubnd_tinh"
    UBND_HUYEN = "ubnd_huyen"  #: People's Committees of districts, which ended with 2025-06-30.
    UBND_XA = "ubnd_xa"  #: People's Committees of communes, wards and special zones.
    QUAN_DOI = "quan_doi"
    CONG_AN = "cong_an"
    DOANH_NGHIEP = "doanh_nghiep"


class Instruction(Model):
    """An order, with the facilities that have to be connected and the day before which they have to be.

    `before` is strict, as letter 1407/BTTTT-CVT has it ("trước ngày 10/5/2021"): before 10 May means until
    the last moment of 9 May, Vietnam time.
    """

    ref: Text  #: The order's number, e.g. 1407/BTTTT-CVT.
    issuer: Text  #: The body that issued it.
    issued_on: Day  #: The day of issue.
    before: Day  #: The first day after the deadline, for every facility in scope without a day of its own.
    #: The managing bodies whose facilities the order binds.
    scope: Annotated[tuple[ManagingBody, ...], Field(min_length=1)]
    #: Refs of orders that stay in force beside this one, which adds facilities or detail.
    extends: tuple[Text, ...] = ()
    supersedes: tuple[Text, ...] = ()  #: Refs of orders that this one replaces for the facilities that it binds.
    provinces: dict[Slug, Day] = {}  #: Days that a province set itself, by its slug.
    #: The list with these slugs, if it is not the inventory's list: an old order names old provinces.
    province_scheme: ProvinceScheme | None = None
    facilities: dict[Slug, Day] = {}  #: Days set for single facilities, by id.


class Instructions(Model):
    """`instructions.yml`: the orders whose deadlines facilities have to keep."""

    version: Version
    instructions: tuple[Instruction, ...]


class Designation(Model):
    """A carrier that serves a province, with its first and last day and the document that says so."""

    province: Slug  #: The province's slug.
    #: The list with the slug, if it is not the inventory's list: an old document names an old province.
    province_scheme: ProvinceScheme | None = None
    carrier: Slug  #: The carrier's id.
    since: Day  #: The first day.
    until: Day | None = None  #: The last day; open if absent.
    source: Text  #: The document that designates.


class Designations(Model):
    """`designations.yml`: one or more carriers for each province. A province without a carrier is an error."""

    version: Version
    designations: tuple[Designation, ...]


# --- intents -----------------------------------------------------------------------------------------
class Service(StrEnum):
    """A service of a host or a site.

    Services of a host: `ssh`, `tunnel` (WireGuard), `video` (RTSP, with a login of MediaMTX), `publish` (the same, to
    push a path), `api` (MediaMTX's) and `other` (any other port). Services of a site: `cameras`, `onvif` and `other`.
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
    """The sending program on a relay or centre, by its user: MediaMTX, the probe's reader, or another user."""

    RELAY = "relay"
    PROBE = "probe"
    OTHERS = "others"


#: Source of traffic: `internet`, `management` or `management/<carrier or centre>`, `centres` or `centre/<id>`, `relays`
#: or `relay/<id>`, `sites`, `site/<facility>` or `province/<slug>` (its sites).
FromPlace = Annotated[
    str,
    StringConstraints(
        pattern=rf"^(internet|management|centres|relays|sites|(management|centre|relay|site|province)/{_ID})$"
    ),
]
#: Target of traffic; no traffic to a management network is ours.
ToPlace = Annotated[
    str, StringConstraints(pattern=rf"^(internet|centres|relays|sites|(centre|relay|site|province)/{_ID})$")
]


class Traffic(Model):
    """Traffic of an intent: sources, destinations and services."""

    #: Sources; the statement is about each of them.
    sources: Annotated[tuple[FromPlace, ...], Field(alias="from", min_length=1)]
    #: Destinations; the statement is about each of them.
    targets: Annotated[tuple[ToPlace, ...], Field(alias="to", min_length=1)]
    services: tuple[Service, ...] = ()  #: Services at the destinations; all services if absent.
    programs: tuple[Program, ...] = ()  #: Sending programs on relays and centres; any program if absent.


class ReachIntent(Model):
    """A statement. A plan that breaks it is refused."""

    id: Slug
    allow: Traffic | None = None  #: Traffic that has to pass.
    deny: Traffic | None = None  #: Traffic that must not pass.
    reason: Text | None = None  #: The reason, for a person whose plan is refused; no name of a person.

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
    """`intents.yml`: an inventory's statements about who has to reach what, and who must not."""

    version: Version
    intents: tuple[ReachIntent, ...] = ()
