"""Rules on provinces, designations, instructions, reach intents and maintenance windows.

A facility's province is part of its paths and frozen at registration. If the inventory moves to a newer list of
provinces, an older entry keeps its slug and names its list.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from functools import cache
from math import inf
from typing import Final

from provisioner.base.errors import Problem
from provisioner.base.text import is_between, local_time, msg, start_of
from provisioner.inventory import geography
from provisioner.inventory.files.positions import KeyPath
from provisioner.inventory.model.facility import MaintenanceWindow, Operating
from provisioner.inventory.model.inventory import InProvince
from provisioner.inventory.model.orders import DISTRICTS_ENDED, Designation, Instruction, ManagingBody, Service
from provisioner.inventory.model.policy import ProvinceScheme
from provisioner.inventory.outline import Outline
from provisioner.inventory.rules.view import View, overlapping_pairs

_OF_HOSTS = frozenset({Service.SSH, Service.TUNNEL, Service.VIDEO, Service.API, Service.OTHER})
_OF_SITES = frozenset({Service.CAMERAS, Service.ONVIF, Service.OTHER})
_SITES = ("sites", "site", "province")
_LONGEST_WINDOW: Final = timedelta(days=7)  #: A longer window is not maintenance.
_SINGULAR = {"facilities": "facility", "hosts": "host", "carriers": "carrier"}


def provinces_exist(view: View) -> Iterator[Problem]:
    """A province's slug is in its list; other lists mean other territory."""
    for index, order in enumerate(view.inventory.instructions):
        for slug in order.provinces:
            path: KeyPath = ("instructions", index, "provinces", slug)
            yield from _unknown_province_problems(view, "instructions", path, slug, order.province_scheme)
    for index, designation in enumerate(view.inventory.designations):
        path = ("designations", index, "province")
        yield from _unknown_province_problems(
            view, "designations", path, designation.province, designation.province_scheme
        )
    for owner, facility in view.facilities():
        yield from _unknown_province_problems(view, owner, ("province",), facility.province, facility.province_scheme)


def _unknown_province_problems(
    view: View, owner: str, path: KeyPath, slug: str, own_scheme: ProvinceScheme | None
) -> Iterator[Problem]:
    scheme = view.inventory.scheme_of(own_scheme)
    if slug in _slugs(scheme):
        return
    other_scheme = next((candidate for candidate in geography.SCHEMES if slug in _slugs(candidate)), None)
    hint = (
        _other_scheme_hint(slug, other_scheme, frozen=owner.startswith("facility/"))
        if other_scheme
        else view.did_you_mean(slug, _slugs(scheme), "write the province's slug, e.g. bac-giang", most=1)
    )
    message = msg("{slug} is not a province of the scheme {value}", repr(slug), scheme.value)
    yield view.problem(owner, path, "province-unknown", message, hint)


def _other_scheme_hint(slug: str, scheme: str, *, frozen: bool) -> str:
    key = msg("it is one of {scheme}: write province_scheme: {scheme_2} beside it", scheme, scheme)
    if frozen:
        return msg("{key} and leave it as it is: a facility's slug is frozen at registration", key)
    heir = geography.merged_into(geography.by_slug(slug, scheme)).slug
    return msg("{key}, or name the province of today, {heir}", key, heir) if heir != slug else key


@cache
def _slugs(scheme: str) -> frozenset[str]:
    return frozenset(province.slug for province in geography.provinces(scheme))


def facilities_have_a_province_today(view: View) -> Iterator[Problem]:
    """The inventory's list of provinces is not older than a facility's."""
    for owner, facility in view.facilities():
        province = view.province_today(facility)
        if isinstance(province, geography.AmbiguousProvinceError):  # provinces_are_known reports the others
            hint = msg(
                "write province_scheme: {schemes} in inventory.yml, or correct the facility's", geography.SCHEMES[-1]
            )
            yield view.problem(owner, ("province_scheme",), "province-scheme-newer", province.message, hint)


def managing_bodies_exist(view: View) -> Iterator[Problem]:
    """No district manages a facility if the list has no districts."""
    if view.inventory.scheme_of(None) is not ProvinceScheme.GSO_2025:
        return
    for owner, facility in view.facilities():
        if facility.managing_body is ManagingBody.UBND_HUYEN and facility.operating is not Operating.CLOSED:
            message = msg(
                "managing_body is ubnd_huyen, and there are no districts since {districts_ended}", DISTRICTS_ENDED
            )
            hint = "write who runs it now: ubnd_xa (commune, ward or special zone) or ubnd_tinh"
            yield view.warning(owner, ("managing_body",), "managing-body-ended", message, hint)


def province_name(view: View, facility: InProvince) -> str:
    """Return today's slug of a facility's province, with a different frozen one."""
    province = view.province_today(facility)
    if isinstance(province, geography.ProvinceError) or province.slug == facility.province:
        return facility.province
    return msg("{slug} (formerly {province})", province.slug, facility.province)


def designated_carriers_exist(view: View) -> Iterator[Problem]:
    """A designation's carrier has a file."""
    for index, designation in enumerate(view.inventory.designations):
        if not view.knows(f"carrier/{designation.carrier}"):
            message = msg("{province}: carrier {carrier} has no file", designation.province, designation.carrier)
            hint = msg("write carriers/{carrier}.yml, or correct the name", designation.carrier)
            yield view.problem("designations", ("designations", index, "carrier"), "carrier-unknown", message, hint)


def designations_are_periods(view: View) -> Iterator[Problem]:
    """Designations end after they begin, and do not overlap."""
    listed = list(enumerate(view.inventory.designations))
    for index, designation in listed:
        if designation.until and designation.until < designation.since:
            message = msg(
                "{province}, {carrier}: until {until} is before since {since}",
                designation.province,
                designation.carrier,
                designation.until,
                designation.since,
            )
            path = ("designations", index, "until")
            yield view.problem("designations", path, "designation-period", message, "correct one of the two days")
    spans = (
        ((one.province, one.province_scheme, one.carrier), one.since.toordinal(), _day_after(one), index)
        for index, one in listed
    )
    for _, index in overlapping_pairs(spans):
        later = listed[index][1]
        message = msg("{province} is designated to {carrier} twice for the same days", later.province, later.carrier)
        spot = ("designations", index)
        yield view.problem("designations", spot, "designation-duplicate", message, "leave one of the two out")


def _day_after(designation: Designation) -> float:
    return designation.until.toordinal() + 1 if designation.until else inf


def carriers_are_designated(view: View) -> Iterator[Problem]:
    """Facilities' carriers are designated for the province (letter 1407/BTTTT-CVT, item 4, annex).

    A change of carrier is make-before-break: a carrier whose designation has ended continues until the next carrier's
    connection is accepted. A closed facility keeps its file as a record.
    """
    if "designations" in view.broken:
        return
    for owner, key, facility, plan in view.plans():
        if facility.operating is Operating.CLOSED:
            continue
        designated = sorted(
            {d.carrier for d in view.designations_of(facility) if is_between(view.today, d.since, d.until)}
        )
        if plan.carrier in designated:
            continue
        if key == "plan" and designated and _ended(view, facility, plan.carrier):
            yield from _overdue_change(view, owner, facility, plan.carrier, designated)
            continue
        message = msg(
            "carrier {carrier} is not designated for {view} on {today} (designated: {held})",
            plan.carrier,
            province_name(view, facility),
            view.today,
            ", ".join(designated) or "none",
        )
        hint = msg("correct {key}.carrier, or add the ministry's designation to designations.yml with its source", key)
        yield view.problem(owner, (key, "carrier"), "carrier-not-designated", message, hint)


def _overdue_change(
    view: View, owner: str, facility: Outline, carrier: str, designated: list[str]
) -> Iterator[Problem]:
    """Warn that the facility still has its former carrier, uncut."""
    name = province_name(view, facility)
    message = msg(
        "carrier {carrier} is designated for {name} no longer (designated: {held})",
        carrier,
        name,
        ", ".join(designated),
    )
    hint = msg(
        "write a successor plan with {held}: both carriers serve until the new connection is accepted", designated[0]
    )
    if facility.successor and facility.successor.carrier in designated:
        hint = "when the successor's connection is accepted, make it the plan and remove successor"
    yield view.warning(owner, ("plan", "carrier"), "carrier-change-due", message, hint)


def _ended(view: View, facility: Outline, carrier: str) -> bool:
    designations = view.designations_of(facility)
    return any(d.carrier == carrier and d.until is not None and d.until < view.today for d in designations)


def instructions_are_distinct(view: View) -> Iterator[Problem]:
    """An order has a unique reference and a deadline after its date."""
    refs: set[str] = set()
    for index, order in enumerate(view.inventory.instructions):
        if order.ref in refs:
            message = msg("{ref} stands twice", order.ref)
            path: KeyPath = ("instructions", index, "ref")
            yield view.problem("instructions", path, "instruction-duplicate", message, "leave one of the two out")
        refs.add(order.ref)
        for path, before in _deadlines(index, order):
            if before <= order.issued_on:
                message = msg(
                    "{ref}: the deadline {before} is not after the day of issue {issued_on}",
                    order.ref,
                    before,
                    order.issued_on,
                )
                hint = "'before' is strict: before 2021-05-10 means until the last moment of 2021-05-09"
                yield view.problem("instructions", path, "instruction-deadline", message, hint)


def _deadlines(index: int, order: Instruction) -> Iterator[tuple[KeyPath, date]]:
    yield ("instructions", index, "before"), order.before
    for key, days in (("provinces", order.provinces), ("facilities", order.facilities)):
        yield from ((("instructions", index, key, name), day) for name, day in days.items())


def instructions_refer_to_existing_objects(view: View) -> Iterator[Problem]:
    """Orders refer to earlier orders and existing facilities."""
    # Of two orders of one day the later one in the file counts as later, as in `deadlines`.
    earlier: dict[str, tuple[date, int]] = {}
    for index, order in enumerate(view.inventory.instructions):
        earlier.setdefault(order.ref, (order.issued_on, index))
    for index, order in enumerate(view.inventory.instructions):
        for key, refs in (("extends", order.extends), ("supersedes", order.supersedes)):
            for number, ref in enumerate(refs):
                if ref not in earlier or earlier[ref] >= (order.issued_on, index):
                    message = msg("{ref} {key} {ref_2}, which is no earlier order here", order.ref, key, ref)
                    path: KeyPath = ("instructions", index, key, number)
                    hint = "add that order, correct the reference, or put the older of the two first"
                    yield view.problem("instructions", path, "instruction-unknown", message, hint)
        for name in order.facilities:
            if name not in view.outlines and f"facility/{name}" not in view.broken:
                message = msg("{ref}: facility {name} does not exist", order.ref, name)
                path = ("instructions", index, "facilities", name)
                removed = (name,) if view.once_here(name) else ()
                yield view.problem(
                    "instructions", path, "facility-unknown", message, "correct the id", concerns=removed
                )


def intents_have_their_own_ids(view: View) -> Iterator[Problem]:
    """Intents' ids are unique: refusals name them."""
    times = Counter(intent.id for intent in view.inventory.intents)
    for index, intent in enumerate(view.inventory.intents):
        if times[intent.id] > 1:
            message = msg("intent {id} is there {times} times", intent.id, times[intent.id])
            hint = "give each intent an id of its own"
            yield view.problem("intents", ("intents", index, "id"), "intent-twice", message, hint)


def intents_name_existing_objects(view: View) -> Iterator[Problem]:
    """Intents name existing objects; a misspelt intent would have no effect."""
    for index, intent in enumerate(view.inventory.intents):
        action = "allow" if intent.allow else "deny"
        for key, places in (("from", intent.traffic.sources), ("to", intent.traffic.targets)):
            for number, end in enumerate(places):
                kind, slash, name = end.partition("/")
                if slash and not _is_existing_place(view, kind, name):
                    message = msg("intent {id}: {kind} {of} does not exist", intent.id, kind, name)
                    hint = view.did_you_mean(name, _ids_of(view, kind), "correct the id, or leave it out")
                    path = ("intents", index, action, key, number)
                    yield view.problem("intents", path, "intent-name-unknown", message, hint)


def _ids_of(view: View, kind: str) -> set[str]:
    inventory = view.inventory
    ids: dict[str, set[str]] = {
        "site": set(view.outlines),
        "province": {outline.province for outline in view.outlines.values()},
        "relay": set(view.relays_by_id),
        "centre": set(inventory.centres),
        "management": {*inventory.carriers, *inventory.centres},
    }
    return ids[kind]


def _is_existing_place(view: View, kind: str, name: str) -> bool:
    if name in _ids_of(view, kind):
        return True
    # An unreadable file may have it.
    broken = {"site": "facility/", "province": "facility/", "relay": "carrier/", "centre": "centre/"}.get(kind, "c")
    return any(owner.startswith(broken) for owner in view.broken)


def intents_ask_for_possible_services(view: View) -> Iterator[Problem]:
    """At least one of an intent's targets can have its services."""
    for index, intent in enumerate(view.inventory.intents):
        action, traffic = "allow" if intent.allow else "deny", intent.traffic
        offered: set[Service] = set()
        for target in traffic.targets:
            kind = target.partition("/")[0]
            offered |= _OF_SITES if kind in _SITES else _OF_HOSTS if kind != "internet" else {Service.OTHER}
        for number, service in enumerate(traffic.services):
            if service not in offered:
                message = msg(
                    "intent {id}: {targets} has no service {value}",
                    intent.id,
                    ", ".join(traffic.targets),
                    service.value,
                )
                hint = msg("services there are {value}", ", ".join(sorted(available.value for available in offered)))
                path = ("intents", index, action, "services", number)
                yield view.problem("intents", path, "intent-service-unknown", message, hint)


def windows_have_an_end(view: View) -> Iterator[Problem]:
    """A window ends after it begins."""
    for index, window in enumerate(view.inventory.maintenance):
        if window.until <= window.begin:
            message = msg(
                "{index} ends at {until}, which is not after its beginning", _named(index), local_time(window.until)
            )
            path = ("windows", index, "until")
            yield view.problem(
                "maintenance", path, "maintenance-in-disorder", message, "correct one of the two moments"
            )


def windows_are_about_something(view: View) -> Iterator[Problem]:
    """A window names facilities, hosts or carriers, or explicitly everything."""
    for index, window in enumerate(view.inventory.maintenance):
        if not window.names and not window.everything:
            message = msg("{index} names no object, so that it has no effect", _named(index))
            hint = "write facilities, hosts or carriers with their ids, or `everything: true`"
            yield view.problem("maintenance", ("windows", index), "maintenance-of-nothing", message, hint)


def windows_name_existing_objects(view: View) -> Iterator[Problem]:
    """A window names existing objects; otherwise the work raises alarms."""
    # A warning only: an announced window must not block the removal of a facility or host.
    for index, window in enumerate(view.inventory.maintenance):
        if window.is_over(start_of(view.today)):
            continue
        for kind in ("facilities", "hosts", "carriers"):
            for number, name in enumerate(getattr(window, kind)):
                if not _is_existing_target(view, kind, name):
                    message = msg("{index}: {singular} {name} does not exist", _named(index), _SINGULAR[kind], name)
                    path = ("windows", index, kind, number)
                    hint = "correct the id, or leave it out"
                    yield view.warning("maintenance", path, "maintenance-name-unknown", message, hint)


def _is_existing_target(view: View, kind: str, name: str) -> bool:
    inventory = view.inventory
    if kind == "facilities":
        return name in view.outlines or f"facility/{name}" in view.broken
    if kind == "carriers":
        return name in inventory.carriers or f"carrier/{name}" in view.broken
    # A relay may be in any carrier's file.
    unread = any(owner.startswith("carrier/") for owner in view.broken)
    return name in view.relays_by_id or name in inventory.centres or f"centre/{name}" in view.broken or unread


def windows_are_short(view: View) -> Iterator[Problem]:
    """A window is at most a week long."""
    for index, window in enumerate(view.inventory.maintenance):
        if window.until - window.begin > _LONGEST_WINDOW and not window.is_over(start_of(view.today)):
            days = _LONGEST_WINDOW.days
            message = msg(
                "{index} is longer than {days} days: its paths raise no alarm for all that time", _named(index), days
            )
            hint = "announce the days on which somebody works; suspend or close a facility that is out of service"
            yield view.warning("maintenance", ("windows", index, "until"), "maintenance-too-long", message, hint)


def windows_are_removed(view: View) -> Iterator[Problem]:
    """A window that is over is removed."""
    for index, window in enumerate(view.inventory.maintenance):
        if window.begin < window.until and window.is_over(start_of(view.today)):
            message = msg("{index} was over at {until}", _named(index), local_time(window.until))
            path, hint = ("windows", index, "until"), "remove the entry; Git remembers it"
            yield view.warning("maintenance", path, "maintenance-over", message, hint)


def windows_do_not_overlap(view: View) -> Iterator[Problem]:
    """Windows of one object do not overlap."""
    windows = view.inventory.maintenance
    spans = (
        (name, window.begin.timestamp(), window.until.timestamp(), index)
        for index, window in enumerate(windows)
        for name in [*window.names, *(["everything"] if window.everything else [])]
    )
    for first, second in overlapping_pairs(spans):
        shared = _shared(windows[first], windows[second])
        message = msg("{second} overlaps with number {first} over {shared}", _named(second), first + 1, shared)
        hint = "make one window of the two, or correct their moments"
        yield view.warning("maintenance", ("windows", second, "from"), "maintenance-overlaps", message, hint)


def _shared(first: MaintenanceWindow, second: MaintenanceWindow) -> str:
    if first.everything and second.everything:
        return "everything"
    return ", ".join(name for _, name in sorted(first.names & second.names))


def _named(index: int) -> str:
    return msg("window number {index}", index + 1)


RULES: tuple[Callable[[View], Iterator[Problem]], ...] = (
    provinces_exist,
    facilities_have_a_province_today,
    managing_bodies_exist,
    designated_carriers_exist,
    designations_are_periods,
    carriers_are_designated,
    instructions_are_distinct,
    instructions_refer_to_existing_objects,
    windows_have_an_end,
    windows_are_about_something,
    windows_name_existing_objects,
    windows_are_short,
    windows_are_removed,
    windows_do_not_overlap,
    intents_have_their_own_ids,
    intents_name_existing_objects,
    intents_ask_for_possible_services,
)
