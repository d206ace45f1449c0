"""Laws of deadlines: the scope binds, the superseding order ends, the nearest day counts, before is strict."""

import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.base.text import VIETNAM, start_of
from provisioner.inventory.deadlines import Duty, OrdersInForce, Timeliness, governing_duty, timeliness
from provisioner.inventory.model.facility import Facility
from provisioner.inventory.model.inventory import Inventory
from provisioner.inventory.model.orders import Instructions, ManagingBody
from tests import inventories as make

DAYS = st.dates(date(2021, 5, 1), date(2021, 7, 1))
BODIES = [body.value for body in ManagingBody]
ZONES = st.integers(-12, 14).map(lambda hours: timezone(timedelta(hours=hours)))
MOMENTS = st.datetimes(datetime(2021, 4, 1), datetime(2021, 8, 1), timezones=ZONES)  # noqa: DTZ001 (timezones adds it)
BASE = make.inventory()
FEW = settings(max_examples=40)
TICK = timedelta(microseconds=1)


def _vietnam_day(moment: datetime) -> date:
    return moment.astimezone(VIETNAM).date()


@st.composite
def _orders(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Orders as a file has them: each may end earlier ones, and have days for provinces and facilities."""
    orders: list[dict[str, Any]] = []
    for number, issued_on in enumerate(sorted(draw(st.lists(DAYS, max_size=4)))):
        refs = [order["ref"] for order in orders]
        orders.append(
            {
                "ref": f"{number}/CV",
                "issuer": "invented",
                "issued_on": str(issued_on),
                "before": str(draw(DAYS)),
                "scope": draw(st.lists(st.sampled_from(BODIES), min_size=1, unique=True)),
                "supersedes": draw(st.lists(st.sampled_from(refs), unique=True)) if refs else [],
                "provinces": draw(st.dictionaries(st.sampled_from(["bac-giang", "quang-nam"]), DAYS.map(str))),
                "facilities": draw(st.dictionaries(st.sampled_from(["kcl-bg-001", "kcl-bg-002"]), DAYS.map(str))),
            }
        )
    return orders


def duties(orders: list[dict[str, Any]], body: str) -> tuple[Duty, ...]:
    inventory, facility = world(orders, body)
    return OrdersInForce(inventory).duties_of(facility)


def world(orders: list[dict[str, Any]], body: str) -> tuple[Inventory, Facility]:
    read = Instructions.model_validate_json(json.dumps({"version": 1, "instructions": orders}))
    facility = BASE.facilities["kcl-bg-001"].model_copy(update={"managing_body": ManagingBody(body)})
    return BASE.model_copy(update={"instructions": read.instructions}), facility


@FEW
@given(orders=_orders(), asked=st.lists(st.tuples(st.sampled_from(BODIES), st.integers(0, 3), st.none() | DAYS)))
def test_what_binds_one_of_many_is_what_binds_it_alone(orders: list[dict[str, Any]], asked: list[Any]) -> None:
    inventory, plain = world(orders, BODIES[0])
    together = OrdersInForce(inventory)
    for body, number, opens_on in asked:
        name, province = ("kcl-bg-001", "kcl-bg-009")[number % 2], ("bac-giang", "quang-nam")[number // 2]
        update = {"id": name, "province": province, "managing_body": ManagingBody(body), "opens_on": opens_on}
        facility = plain.model_copy(update=update)
        assert together.duties_of(facility) == OrdersInForce(inventory).duties_of(facility)


def names(scope: list[str], body: str) -> bool:
    """Tell whether a scope of the time of districts names a body: communes have taken over what was a district's."""
    return body in scope or (body == "ubnd_xa" and "ubnd_huyen" in scope)


@FEW
@given(orders=_orders(), body=st.sampled_from(BODIES))
def test_the_orders_in_scope_that_no_later_one_in_scope_ends_bind(orders: list[dict[str, Any]], body: str) -> None:
    in_scope = [order for order in orders if names(order["scope"], body)]
    ended = {ref for order in in_scope for ref in order["supersedes"]}
    bound = duties(orders, body)
    assert [duty.order.ref for duty in bound] == [o["ref"] for o in in_scope if o["ref"] not in ended]
    assert bool(bound) == bool(in_scope)


@FEW
@given(orders=_orders(), body=st.sampled_from(BODIES))
def test_an_order_for_other_bodies_changes_nothing(orders: list[dict[str, Any]], body: str) -> None:
    outside = {"ref": "x", "issuer": "x", "issued_on": "2021-07-02", "before": "2021-07-03"}
    others = [other for other in BODIES if not names([other], body)]
    added = [*orders, outside | {"scope": others, "supersedes": [order["ref"] for order in orders]}]
    assert duties(added, body) == duties(orders, body)


@FEW
@given(orders=_orders(), body=st.sampled_from(BODIES))
def test_the_nearest_day_counts_and_its_place_is_told(orders: list[dict[str, Any]], body: str) -> None:
    plain = {order["ref"]: order for order in orders}
    for duty in duties(orders, body):
        order = plain[duty.order.ref]
        before = order["facilities"].get("kcl-bg-001") or order["provinces"].get("bac-giang") or order["before"]
        assert str(duty.before) == before
        value: Any = {"instructions": orders}
        for key in duty.place:
            value = value[key]
        assert value == before


@FEW
@given(orders=_orders(), body=st.sampled_from(BODIES), opens_on=DAYS)
def test_a_day_of_opening_makes_no_deadline_earlier_and_moves_no_day_of_the_facility_s_own(
    orders: list[dict[str, Any]], body: str, opens_on: date
) -> None:
    inventory, facility = world(orders, body)
    plain = OrdersInForce(inventory).duties_of(facility)
    opening = OrdersInForce(inventory).duties_of(facility.model_copy(update={"opens_on": opens_on}))
    assert [(duty.order, duty.place) for duty in opening] == [(duty.order, duty.place) for duty in plain]
    for before, after in zip(plain, opening, strict=True):
        own = facility.id in before.order.facilities
        assert after.before == (before.before if own else max(before.before, opens_on))
        assert after.is_opening == (after.before != before.before)


@given(issued_on=st.dates(date(2025, 5, 1), date(2025, 9, 1)))
def test_an_order_to_districts_binds_communes_iff_there_were_districts(issued_on: date) -> None:
    order = {"ref": "1/CV", "issuer": "x", "issued_on": str(issued_on), "before": "2025-12-01", "scope": ["ubnd_huyen"]}
    assert bool(duties([order], "ubnd_xa")) == (issued_on < date(2025, 7, 1))
    assert duties([order], "ubnd_huyen")
    assert not duties([order | {"scope": ["ubnd_xa"]}], "ubnd_huyen")


@FEW
@given(orders=_orders(), body=st.sampled_from(BODIES))
def test_the_earliest_duty_governs(orders: list[dict[str, Any]], body: str) -> None:
    bound = duties(orders, body)
    duty = governing_duty(bound)
    assert (duty is None) == (not bound)
    assert duty is None or duty.deadline == min(one.deadline for one in bound)


@FEW
@given(orders=_orders(), connected_at=st.none() | MOMENTS, now=MOMENTS)
def test_in_time_is_strictly_before_the_deadline(
    orders: list[dict[str, Any]], connected_at: datetime | None, now: datetime
) -> None:
    duty = governing_duty(duties(orders, "ubnd_tinh"))
    verdict = timeliness(duty, connected_at, now)
    if duty is None:
        assert verdict is Timeliness.NOT_BOUND
        return
    moment = connected_at or now
    early = moment < duty.deadline
    assert early == (_vietnam_day(moment) < duty.before)
    expected = (Timeliness.ON_TIME, Timeliness.LATE) if connected_at else (Timeliness.DUE, Timeliness.OVERDUE)
    assert verdict is expected[0 if early else 1]


@FEW
@given(orders=_orders(), first=MOMENTS, second=MOMENTS, now=MOMENTS)
def test_who_is_connected_earlier_is_never_later(
    orders: list[dict[str, Any]], first: datetime, second: datetime, now: datetime
) -> None:
    duty = governing_duty(duties(orders, "ubnd_tinh"))
    early, late = sorted((first, second))
    if timeliness(duty, late, now) is Timeliness.ON_TIME:
        assert timeliness(duty, early, now) is Timeliness.ON_TIME


def letter() -> Duty:
    """The duty of the letter: complete before 10 May 2021."""
    order = {"ref": "1407/BTTTT-CVT", "issuer": "BTTTT", "issued_on": "2021-05-06", "before": "2021-05-10"}
    duty = governing_duty(duties([order | {"scope": ["ubnd_tinh"]}], "ubnd_tinh"))
    assert duty is not None
    return duty


def test_before_10_may_ends_with_the_last_moment_of_9_may_in_vietnam() -> None:
    duty = letter()
    assert duty.deadline.isoformat() == "2021-05-10T00:00:00+07:00"
    assert duty.met_by(duty.deadline - TICK)
    assert not duty.met_by(duty.deadline)
    assert duty.met_by(datetime(2021, 5, 9, 16, 59, 59, tzinfo=UTC))
    assert not duty.met_by(datetime(2021, 5, 9, 17, 0, 0, tzinfo=UTC))


@pytest.fixture
def zone(request: pytest.FixtureRequest) -> Iterator[str]:
    """Let the machine's own clock be of another zone."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = request.param
    time.tzset()
    yield request.param
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Pacific/Kiritimati", "Europe/Berlin"], indirect=True)
def test_the_machine_s_zone_moves_no_deadline(zone: str) -> None:
    assert zone
    assert letter().deadline == datetime(2021, 5, 9, 17, 0, tzinfo=UTC)
    assert start_of(date(2021, 5, 10)).utcoffset() == timedelta(hours=7)


@given(day=st.dates(date(1990, 1, 1), date(2100, 1, 1)))
def test_the_zone_is_the_same_all_year_and_every_year(day: date) -> None:
    assert start_of(day).utcoffset() == timedelta(hours=7)
    assert _vietnam_day(start_of(day)) == day
    assert _vietnam_day(start_of(day) - TICK) == day - timedelta(days=1)
    assert start_of(day).tzinfo is VIETNAM


def test_a_moment_without_a_zone_is_held_against_nothing() -> None:
    naive = datetime(2021, 5, 9, 12)  # noqa: DTZ001 (that is the point)
    with pytest.raises(ValueError, match="no zone"):
        letter().met_by(naive)
    with pytest.raises(ValueError, match="no zone"):
        timeliness(letter(), None, naive)
