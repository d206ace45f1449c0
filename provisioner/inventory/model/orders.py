"""`instructions.yml` and `designations.yml`: what was ordered, by when, and which carrier serves whom."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from provisioner.inventory.model.base import Day, Model, Slug, Text, Version
from provisioner.inventory.model.settings import ProvinceScheme

DISTRICTS_ENDED = date(2025, 7, 1)
"""The first day without districts: since then a province is made of communes, wards and special zones."""


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
