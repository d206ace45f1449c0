"""Orders that bind a facility, and their deadlines. Pure.

`before` is strict, as in letter 1407/BTTTT-CVT ("trước ngày 10/5/2021"): before 10 May 2021 means until
2021-05-10T00:00+07:00, and that very moment is too late. The time zone is always Vietnam's.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol

from provisioner.base.text import aware, start_of
from provisioner.inventory.model.inventory import BaseInventory, InProvince
from provisioner.inventory.model.orders import DISTRICTS_ENDED, Instruction, ManagingBody
from provisioner.inventory.model.policy import ProvinceScheme


class Ordered(InProvince, Protocol):
    """A facility, or its outline."""

    @property
    def id(self) -> str:
        """The facility's id."""

    @property
    def managing_body(self) -> ManagingBody:
        """The body that manages it."""

    @property
    def opens_on(self) -> date | None:
        """The opening day."""


@dataclass(frozen=True, slots=True)
class Duty:
    """An order that binds a facility, with the facility's deadline."""

    order: Instruction
    before: date  #: The first day that is too late.
    place: tuple[str | int, ...]  #: Path of the order's day in instructions.yml.
    is_opening: bool = False  #: Whether `before` is the facility's opening day, which is later than the order's day.

    @property
    def deadline(self) -> datetime:
        """The first moment that is too late."""
        return start_of(self.before)

    def met_by(self, connected_at: datetime) -> bool:
        """Return whether a connection time is before the deadline."""
        return aware(connected_at) < self.deadline


class Timeliness(StrEnum):
    """State of a facility against its deadline."""

    NOT_BOUND = "not_bound"
    DUE = "due"
    ON_TIME = "on_time"
    LATE = "late"
    OVERDUE = "overdue"


class OrdersInForce:
    """The orders of an inventory, and the facilities that they bind.

    An order binds the managing bodies in its scope. If it names districts and is from their time, it also binds the
    communes that took over from them. A superseded order ends for the bodies of the superseding order, and stays in
    force for others. It is not revived if the superseding order is itself superseded.

    A facility's own day counts before its province's day, and that before the order's day. A facility without a day of
    its own that opens later has its opening as deadline.
    """

    def __init__(self, inventory: BaseInventory) -> None:
        self._inventory = inventory
        # A country's facilities are of few bodies and provinces: what holds for those is worked out once.
        self._in_force: dict[ManagingBody, list[tuple[int, Instruction]]] = {}
        self._by_place: dict[tuple[int, str, ProvinceScheme | None], Duty] = {}

    def duties_of(self, facility: Ordered) -> tuple[Duty, ...]:
        """Return a facility's duties, in the order of the file."""
        return tuple(
            [self._duty_by_order(facility, n, order) for n, order in self._orders_in_force(facility.managing_body)]
        )

    def _orders_in_force(self, body: ManagingBody) -> list[tuple[int, Instruction]]:
        if (binding := self._in_force.get(body)) is None:
            in_scope = [
                (index, order) for index, order in enumerate(self._inventory.instructions) if _is_in_scope(body, order)
            ]
            binding = self._in_force[body] = [
                (index, order) for index, order in in_scope if not _superseded(index, order, in_scope)
            ]
        return binding

    def _duty_by_order(self, facility: Ordered, index: int, order: Instruction) -> Duty:
        deadline = order.facilities.get(facility.id)
        if deadline is not None:
            return Duty(order, deadline, ("instructions", index, "facilities", facility.id))
        key = index, facility.province, facility.province_scheme
        if (duty := self._by_place.get(key)) is None:
            duty = self._by_place[key] = _duty_of_province(self._inventory, facility, index, order)
        return _opening(facility, duty)


def _is_in_scope(body: ManagingBody, order: Instruction) -> bool:
    if body in order.scope:
        return True
    of_districts = ManagingBody.UBND_HUYEN in order.scope and order.issued_on < DISTRICTS_ENDED
    return body is ManagingBody.UBND_XA and of_districts


def _superseded(index: int, order: Instruction, in_scope: list[tuple[int, Instruction]]) -> bool:
    # File order decides between orders of one day.
    issued = order.issued_on, index
    return any(order.ref in later.supersedes and issued < (later.issued_on, number) for number, later in in_scope)


def _opening(facility: Ordered, duty: Duty) -> Duty:
    if facility.opens_on is None or facility.opens_on <= duty.before:
        return duty
    return replace(duty, before=facility.opens_on, is_opening=True)


def _duty_of_province(inventory: BaseInventory, facility: Ordered, index: int, order: Instruction) -> Duty:
    """Return an order's duty by the province's day, or its own."""
    listed = order.provinces
    if inventory.scheme_of(order.province_scheme) == inventory.scheme_of(facility.province_scheme):
        # Of one list a province is in itself alone: the others need not be asked.
        listed = {facility.province: listed[facility.province]} if facility.province in listed else {}
    for slug, day in listed.items():
        if inventory.is_in(facility, slug, order.province_scheme):
            return Duty(order, day, ("instructions", index, "provinces", slug))
    return Duty(order, order.before, ("instructions", index, "before"))


def governing_duty(duties: tuple[Duty, ...]) -> Duty | None:
    """Return the duty with the earliest deadline, if any."""
    return min(duties, key=lambda duty: duty.before, default=None)


def timeliness(duty: Duty | None, connected_at: datetime | None, now: datetime) -> Timeliness:
    """Compare a facility's first connection (times with zone) with its governing duty."""
    if duty is None:
        return Timeliness.NOT_BOUND
    if connected_at is not None:
        return Timeliness.ON_TIME if duty.met_by(connected_at) else Timeliness.LATE
    return Timeliness.DUE if aware(now) < duty.deadline else Timeliness.OVERDUE
