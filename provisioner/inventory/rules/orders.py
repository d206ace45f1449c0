"""Rules on provinces, designations and instructions: who is allowed to carry what, and since when."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from difflib import get_close_matches
from itertools import combinations

from provisioner.diagnostics import Problem
from provisioner.geography import provinces
from provisioner.inventory.model import Designation
from provisioner.inventory.rules.view import View


def provinces_are_known(view: View) -> Iterator[Problem]:
    """A province's slug is of the inventory's scheme: the same name means other territory in another one."""
    for index, designation in enumerate(view.inventory.designations):
        yield from _province(view, "designations", ("designations", index, "province"), designation.province)
    for owner, facility in view.facilities():
        yield from _province(view, owner, ("province",), facility.province)


def _province(view: View, owner: str, path: tuple[str | int, ...], slug: str) -> Iterator[Problem]:
    scheme = view.inventory.settings.province_scheme
    known = {province.slug for province in provinces(scheme)}
    if slug in known:
        return
    close = get_close_matches(slug, sorted(known), n=1)
    hint = f"did you mean {close[0]}?" if close else "write the province's slug, e.g. bac-giang"
    message = f"{slug!r} is not a province of the scheme {scheme.value}"
    yield view.problem(owner, path, "province-unknown", message, hint)


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
    if (one.province, one.carrier) != (other.province, other.carrier):
        return False
    return (one.until is None or other.since <= one.until) and (other.until is None or one.since <= other.until)


def carriers_are_designated(view: View) -> Iterator[Problem]:
    """A facility's carrier is designated for its province on the day (letter 1407/BTTTT-CVT, item 4 and annex).

    A closed facility keeps its file as a record: the province's designation may have moved on.
    """
    if "designations" in view.broken:
        return
    for owner, facility in view.facilities():
        if facility.operating.value == "closed":
            continue
        held = _designated(view, facility.province)
        if facility.plan.carrier not in held:
            message = (
                f"carrier {facility.plan.carrier} is not designated for {facility.province} on {view.today}"
                f" (designated: {', '.join(held) or 'none'})"
            )
            hint = "correct plan.carrier, or add the ministry's designation to designations.yml with its source"
            yield view.problem(owner, ("plan", "carrier"), "carrier-not-designated", message, hint)


def _designated(view: View, province: str) -> list[str]:
    return sorted(
        {
            d.carrier
            for d in view.inventory.designations
            if d.province == province and d.since <= view.today and (d.until is None or view.today <= d.until)
        }
    )


def instructions_are_distinct(view: View) -> Iterator[Problem]:
    """An order has a reference of its own and a deadline after its day."""
    seen: dict[str, int] = {}
    for index, order in enumerate(view.inventory.instructions):
        if order.ref in seen:
            message = f"{order.ref} stands twice"
            path = ("instructions", index, "ref")
            yield view.problem("instructions", path, "instruction-duplicate", message, "leave one of the two out")
        seen.setdefault(order.ref, index)
        if order.before <= order.issued_on:
            message = f"{order.ref}: the deadline {order.before} is not after the day of issue {order.issued_on}"
            path = ("instructions", index, "before")
            hint = "'before' is strict: before 2021-05-10 means until the last moment of 2021-05-09"
            yield view.problem("instructions", path, "instruction-deadline", message, hint)


RULES: tuple[Callable[[View], Iterator[Problem]], ...] = (
    provinces_are_known,
    designated_carriers_exist,
    designations_are_periods,
    carriers_are_designated,
    instructions_are_distinct,
)
