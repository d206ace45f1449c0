"""Rules on designations and instructions: who is allowed to carry what, and since when."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from itertools import combinations

from provisioner.base.clock import is_between
from provisioner.base.diagnostics import Problem, Severity
from provisioner.inventory.files.positions import KeyPath
from provisioner.inventory.model import Designation, Instruction, Operating
from provisioner.inventory.outline import Outline
from provisioner.inventory.rules.provinces import province_name
from provisioner.inventory.rules.view import View


def designated_carriers_exist(view: View) -> Iterator[Problem]:
    """A designation names a carrier that has a file."""
    for index, designation in enumerate(view.inventory.designations):
        if not view.knows(f"carrier/{designation.carrier}"):
            message = f"{designation.province}: carrier {designation.carrier} has no file"
            hint = f"write carriers/{designation.carrier}.yml, or correct the name"
            yield view.problem("designations", ("designations", index, "carrier"), "carrier-unknown", message, hint)


def designations_are_periods(view: View) -> Iterator[Problem]:
    """A designation ends after it began, and two of one carrier for one province do not overlap."""
    listed = list(enumerate(view.inventory.designations))
    for index, one in listed:
        if one.until and one.until < one.since:
            message = f"{one.province}, {one.carrier}: until {one.until} is before since {one.since}"
            path = ("designations", index, "until")
            yield view.problem("designations", path, "designation-period", message, "correct one of the two days")
    for (_, earlier), (index, other) in combinations(listed, 2):
        if _overlap(earlier, other):
            message = f"{other.province} is designated to {other.carrier} twice for the same days"
            spot = ("designations", index)
            yield view.problem("designations", spot, "designation-duplicate", message, "leave one of the two out")


def _overlap(one: Designation, other: Designation) -> bool:
    if (one.province, one.province_scheme, one.carrier) != (other.province, other.province_scheme, other.carrier):
        return False
    return (one.until is None or other.since <= one.until) and (other.until is None or one.since <= other.until)


def carriers_are_designated(view: View) -> Iterator[Problem]:
    """A facility's carrier is designated for its province on the day (letter 1407/BTTTT-CVT, item 4 and annex).

    A change of carrier is make-before-break: a carrier whose designation has ended serves on while the
    province has another one, until that one's connection is accepted. A closed facility keeps its file
    as a record.
    """
    if "designations" in view.broken:
        return
    for owner, key, facility, plan in view.plans():
        if facility.operating is Operating.CLOSED:
            continue
        held = _designated(view, facility)
        if plan.carrier in held:
            continue
        if key == "plan" and held and _ended(view, facility, plan.carrier):
            yield from _overdue_change(view, owner, facility, plan.carrier, held)
            continue
        message = (
            f"carrier {plan.carrier} is not designated for {province_name(view, facility)} on {view.today}"
            f" (designated: {', '.join(held) or 'none'})"
        )
        hint = f"correct {key}.carrier, or add the ministry's designation to designations.yml with its source"
        yield view.problem(owner, (key, "carrier"), "carrier-not-designated", message, hint)


def _overdue_change(view: View, owner: str, facility: Outline, carrier: str, held: list[str]) -> Iterator[Problem]:
    """Say that the carrier has changed and this facility has not: nothing is cut because a day has passed."""
    name = province_name(view, facility)
    message = f"carrier {carrier} is designated for {name} no longer (designated: {', '.join(held)})"
    hint = f"write a successor plan with {held[0]}: both carriers serve until the new connection is accepted"
    if facility.successor and facility.successor.carrier in held:
        hint = "when the successor's connection is accepted, make it the plan and remove successor"
    yield view.problem(owner, ("plan", "carrier"), "carrier-change-due", message, hint, severity=Severity.WARNING)


def _designated(view: View, facility: Outline) -> list[str]:
    return sorted({d.carrier for d in view.designations_of(facility) if is_between(view.today, d.since, d.until)})


def _ended(view: View, facility: Outline, carrier: str) -> bool:
    designations = view.designations_of(facility)
    return any(d.carrier == carrier and d.until is not None and d.until < view.today for d in designations)


def instructions_are_distinct(view: View) -> Iterator[Problem]:
    """An order has a reference of its own and a deadline after its day."""
    refs: set[str] = set()
    for index, order in enumerate(view.inventory.instructions):
        if order.ref in refs:
            message = f"{order.ref} stands twice"
            path: KeyPath = ("instructions", index, "ref")
            yield view.problem("instructions", path, "instruction-duplicate", message, "leave one of the two out")
        refs.add(order.ref)
        for path, before in _deadlines(index, order):
            if before <= order.issued_on:
                message = f"{order.ref}: the deadline {before} is not after the day of issue {order.issued_on}"
                hint = "'before' is strict: before 2021-05-10 means until the last moment of 2021-05-09"
                yield view.problem("instructions", path, "instruction-deadline", message, hint)


def _deadlines(index: int, order: Instruction) -> Iterator[tuple[KeyPath, date]]:
    yield ("instructions", index, "before"), order.before
    for key, days in (("provinces", order.provinces), ("facilities", order.facilities)):
        yield from ((("instructions", index, key, name), day) for name, day in days.items())


def instructions_refer_to_known_things(view: View) -> Iterator[Problem]:
    """Orders that are extended or superseded, and facilities with a day of their own, all exist.

    Of two orders of one day the later one in the file is later, as `deadlines` has it.
    """
    earlier: dict[str, tuple[date, int]] = {}
    for index, order in enumerate(view.inventory.instructions):
        earlier.setdefault(order.ref, (order.issued_on, index))
    for index, order in enumerate(view.inventory.instructions):
        for key, refs in (("extends", order.extends), ("supersedes", order.supersedes)):
            for number, ref in enumerate(refs):
                if ref not in earlier or earlier[ref] >= (order.issued_on, index):
                    message = f"{order.ref} {key} {ref}, which is no earlier order here"
                    path: KeyPath = ("instructions", index, key, number)
                    hint = "add that order, correct the reference, or put the older of the two first"
                    yield view.problem("instructions", path, "instruction-unknown", message, hint)
        for name in order.facilities:
            if name not in view.outlines and f"facility/{name}" not in view.broken:
                message = f"{order.ref}: facility {name} does not exist"
                path = ("instructions", index, "facilities", name)
                gone = (name,) if view.once_here(name) else ()
                yield view.problem("instructions", path, "facility-unknown", message, "correct the id", concerns=gone)


RULES: tuple[Callable[[View], Iterator[Problem]], ...] = (
    designated_carriers_exist,
    designations_are_periods,
    carriers_are_designated,
    instructions_are_distinct,
    instructions_refer_to_known_things,
)
