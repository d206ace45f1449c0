"""Epochs of hosts: each run that changes a host has a higher one than all before it, whoever takes them."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioner.record.state_folder import StateFolder
from provisioner.record.store import open_history
from tests import histories as make

HOSTS = ("relay-1", "relay-2", "centre-1")


def taken(place: StateFolder, run: str, **seen: int) -> dict[str, int]:
    with closing(open_history(place)) as history:
        return history.take_epochs(run, {host.replace("_", "-"): number for host, number in seen.items()}, make.START)


def test_each_run_has_the_next_one_of_each_of_its_hosts(place: StateFolder) -> None:
    assert taken(place, "a", relay_1=0, relay_2=0) == {"relay-1": 1, "relay-2": 1}
    assert taken(place, "b", relay_1=1) == {"relay-1": 2}
    assert taken(place, "c", relay_1=2, relay_2=1) == {"relay-1": 3, "relay-2": 2}


def test_a_run_that_goes_on_keeps_its_own_unless_another_one_began(place: StateFolder) -> None:
    assert taken(place, "a", relay_1=0, relay_2=0) == {"relay-1": 1, "relay-2": 1}
    assert taken(place, "a", relay_1=1, relay_2=0) == {"relay-1": 1, "relay-2": 1}
    taken(place, "b", relay_1=1)
    assert taken(place, "a", relay_1=2, relay_2=1) == {"relay-1": 3, "relay-2": 1}


def test_a_record_that_was_lost_goes_on_from_what_hosts_say(place: StateFolder) -> None:
    assert taken(place, "a", relay_1=41) == {"relay-1": 42}
    assert taken(place, "b", relay_1=0) == {"relay-1": 43}


def test_inventories_count_for_themselves(place: StateFolder) -> None:
    taken(place, "a", relay_1=0)
    assert taken(replace(place, inventory="other"), "b", relay_1=0) == {"relay-1": 1}


def test_of_several_that_take_at_once_none_has_the_same(place: StateFolder) -> None:
    open_history(place).close()
    with ThreadPoolExecutor(8) as several:
        numbers = list(several.map(lambda number: taken(place, f"run-{number}", relay_1=0)["relay-1"], range(16)))
    assert sorted(numbers) == list(range(1, 17))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(st.sampled_from("abcd"), st.dictionaries(st.sampled_from(HOSTS), st.integers(0, 5), min_size=1)),
        max_size=12,
    ),
    inventory=st.uuids(),
)
def test_no_run_ever_gets_less_than_what_was_taken_or_seen(
    place: StateFolder, steps: list[tuple[str, dict[str, int]]], inventory: object
) -> None:
    highest: dict[str, tuple[int, str]] = {}
    with closing(open_history(replace(place, inventory=str(inventory)))) as history:
        for run, seen in steps:
            for host, number in history.take_epochs(run, seen, make.START).items():
                before, last = highest.get(host, (0, ""))
                assert number > before or (number == before and last == run)
                assert number >= seen[host]
                highest[host] = (number, run)
