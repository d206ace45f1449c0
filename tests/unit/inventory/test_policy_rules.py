"""Rules on policy: freeze windows, protected objects, ids that became others."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from provisioner.base.errors import Problem, Severity
from provisioner.base.text import VIETNAM
from provisioner.inventory.files.positions import Places
from provisioner.inventory.model.inventory import Inventory
from provisioner.inventory.model.policy import Policy
from provisioner.inventory.rules import check
from provisioner.inventory.rules.lock import ALLOCATION_MISSING
from tests import fleets
from tests import inventories as make

OURS = (
    "freeze-in-disorder",
    "protected-removed",
    "move-unsound",
    "move-over",
    "relay-over-capacity",
    ALLOCATION_MISSING,
)


def problems(inventory: Inventory, today: date = make.TODAY) -> list[Problem]:
    return [problem for problem in check(inventory, Places({}), today) if problem.code in {*OURS, ALLOCATION_MISSING}]


def codes(inventory: Inventory, today: date = make.TODAY) -> list[str]:
    return [problem.code for problem in problems(inventory, today)]


def with_settings(**changes: Any) -> Inventory:
    return fleets.complete(make.inventory(settings=make.settings(**changes)))


# --- freeze ---------------------------------------------------------------------------------------
def window(begin: str, until: str) -> dict[str, str]:
    return {"from": begin, "until": until, "reason": "invented"}


def test_a_freeze_ends_after_it_begins() -> None:
    good = window("2021-05-22T00:00", "2021-05-24T06:00")
    assert codes(with_settings(policy={"freeze": [good]})) == []
    bad = window("2021-05-22T00:00", "2021-05-22T00:00")
    assert codes(with_settings(policy={"freeze": [good, bad]})) == ["freeze-in-disorder"]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2021-05-22T06:00", datetime(2021, 5, 22, 6, tzinfo=VIETNAM)),
        ("2021-05-22T06:00Z", datetime(2021, 5, 22, 6, tzinfo=UTC)),
        ("2021-05-22T06:00+09:00", datetime(2021, 5, 22, 4, tzinfo=VIETNAM)),
    ],
)
def test_a_moment_without_a_zone_is_vietnams(text: str, moment: datetime) -> None:
    policy = Policy.model_validate({"freeze": [window(text, "2021-06-01T00:00")]}, strict=False)
    assert policy.freeze[0].begin == moment
    assert policy.freeze[0].begin.tzinfo is not None


@pytest.mark.parametrize(
    "text", ["2021-05-22", "2021-05-22 06:00", "2021-05-22T6:00", "2021-05-22T25:00", "1621666800", ""]
)
def test_other_ways_to_write_a_moment_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"YYYY-MM-DDTHH:MM|hour must be"):
        Policy.model_validate({"freeze": [window(text, "2021-06-01T00:00")]}, strict=False)


# --- protected ------------------------------------------------------------------------------------
def protected(**changes: Any) -> Inventory:
    plain: dict[str, Any] = {
        "facilities": [fleets.facility(protected=True), fleets.facility("kcl-bg-002")],
        "carriers": [make.carrier(relays=[make.relay("relay-viettel-1", 11, protected=True)])],
        "centres": [make.centre(protected=True)],
    }
    return make.inventory(**(plain | changes))


MARKS = ("centre/centre", "facility/kcl-bg-001", "relay/relay-viettel-1")


def test_allocate_records_what_is_protected_and_the_rules_ask_for_it() -> None:
    whole = fleets.complete(protected())
    assert whole.allocations.protected == MARKS
    assert codes(whole) == []
    forgotten = whole.allocations.model_copy(update={"protected": ()})
    assert codes(make.with_lock(whole, forgotten)) == [ALLOCATION_MISSING] * 3


def test_a_block_that_is_deleted_stays_protected_and_allocate_does_not_forget_it() -> None:
    lock = fleets.complete(protected()).allocations
    without = make.with_lock(protected(facilities=[fleets.facility("kcl-bg-002")]), lock)
    later = fleets.complete(without)
    assert later.allocations.protected == MARKS
    (problem,) = problems(later)
    assert (problem.code, "facility kcl-bg-001 is protected" in problem.message) == ("protected-removed", True)
    assert "protected: false" in problem.hint


def test_what_is_unprotected_first_may_go() -> None:
    lock = fleets.complete(protected()).allocations
    open_again = [fleets.facility(), fleets.facility("kcl-bg-002")]
    unprotected = make.with_lock(protected(facilities=open_again), lock)
    assert codes(unprotected) == [ALLOCATION_MISSING]
    lock = fleets.complete(unprotected).allocations
    assert "facility/kcl-bg-001" not in lock.protected
    gone = fleets.complete(make.with_lock(protected(facilities=[fleets.facility("kcl-bg-002")]), lock))
    assert codes(gone) == []


def test_a_file_that_cannot_be_read_is_not_taken_for_a_deleted_one() -> None:
    lock = fleets.complete(protected()).allocations
    without = make.with_lock(protected(facilities=[fleets.facility("kcl-bg-002")]), lock)
    listed = check(without, Places({}), make.TODAY, frozenset({"facility/kcl-bg-001"}))
    assert [problem for problem in listed if problem.code == "protected-removed"] == []


# --- moved ----------------------------------------------------------------------------------------
def moved(old: str, new: str, until: str = "2021-07-01", **changes: Any) -> Inventory:
    entry = {"from": old, "to": new, "until": until}
    plain = make.inventory(settings=make.settings(moved=[entry]), **changes)
    return fleets.complete(plain)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("bac-giang/kcl-bg-009", "bac-giang/kcl-bg-001", ""),
        ("bac-ninh/kcl-bg-001", "bac-giang/kcl-bg-001", ""),
        ("bac-giang/kcl-bg-001/cam-09", "bac-giang/kcl-bg-001/cam-01", ""),
        ("bac-giang/kcl-bg-009", "bac-giang/kcl-bg-001/cam-01", "is not of the kind of"),
        ("bac-giang/kcl-bg-009/cam-01", "bac-giang/kcl-bg-001/cam-01", "is in another facility"),
        ("bac-giang/kcl-bg-009", "bac-giang/kcl-bg-008", "does not exist"),
        ("bac-giang/kcl-bg-009", "bac-ninh/kcl-bg-001", "facility kcl-bg-001 is in bac-giang"),
        ("bac-giang/kcl-bg-001/cam-01", "bac-giang/kcl-bg-001/cam-01", "is still there"),
    ],
)
def test_an_id_becomes_another_one_of_its_kind_that_is_there(old: str, new: str, said: str) -> None:
    listed = problems(moved(old, new, facilities=[fleets.facility(count=1)]))
    assert [problem.code for problem in listed] == (["move-unsound"] if said else [])
    assert all(said in problem.message for problem in listed)


def test_a_circle_and_a_second_entry_are_found() -> None:
    entries = [
        {"from": "bac-giang/kcl-bg-001", "to": "bac-giang/kcl-bg-002", "until": "2021-07-01"},
        {"from": "bac-giang/kcl-bg-002", "to": "bac-giang/kcl-bg-001", "until": "2021-07-01"},
    ]
    assert "move-unsound" in codes(fleets.complete(make.inventory(settings=make.settings(moved=entries))))
    twice = [entries[0] | {"from": f"bac-giang/kcl-bg-00{n}"} for n in (3, 4)]
    listed = [fleets.facility("kcl-bg-002")]
    second = problems(fleets.complete(make.inventory(settings=make.settings(moved=twice), facilities=listed)))
    assert [problem.code for problem in second] == ["move-unsound"] * 2


def test_an_entry_is_over_on_its_day_and_that_is_a_warning() -> None:
    inventory = moved("bac-giang/kcl-bg-009", "bac-giang/kcl-bg-001", "2021-05-10")
    assert codes(inventory, date(2021, 5, 9)) == []
    (problem,) = problems(inventory, date(2021, 5, 10))
    assert (problem.code, problem.severity) == ("move-over", Severity.WARNING)


def test_a_relay_has_to_hold_both_names() -> None:
    def relay(max_paths: int) -> list[str]:
        relays = [make.relay("relay-viettel-1", 11, max_paths=max_paths)]
        carriers = [make.carrier(relays=relays)]
        sites = [fleets.facility(count=3)]
        return codes(moved("bac-giang/kcl-bg-009", "bac-giang/kcl-bg-001", carriers=carriers, facilities=sites))

    assert relay(6) == []
    assert relay(5) == ["relay-over-capacity"]
    assert relay(2) == ["relay-over-capacity"], "told once, by the rule on relays"
