"""`keys status`: how old keys are by what was recorded; what nobody recorded is said to be so."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.base.language import Language, translator
from provisioner.record.lifecycle.evidence import KeyAge, KeyKind, KeyOrigin, key_ages
from provisioner.report.facilities import key_age_lines, key_ages_document
from tests import fleets, inventories
from tests.unit.cli.test_keys_rotate import FINISH, NEXT, ROTATE, SITES, KeyTerminal, call

__all__ = ["call"]
NOW = datetime(2021, 6, 1, 3, tzinfo=UTC)
KEYS_OF_SITE = 2


def by_name(document: Any) -> dict[tuple[str, str], dict[str, Any]]:
    return {(key["of"], key["kind"]): key for key in document["keys"]}


def test_ages_come_from_git_and_history_and_from_nothing_else(call: KeyTerminal) -> None:
    code, document = call.document("keys", "status", vault=False)
    keys = by_name(document)
    assert (code, document["rotate_after_days"]) == (0, 365)
    gateway, psk, relay = keys[SITES[0], "gateway"], keys[SITES[0], "pre_shared"], keys["relay-viettel-1", "relay"]
    assert [one["origin"] for one in (gateway, psk, relay)] == ["site", "controller", "relay"]
    assert (gateway["age_days"], relay["age_days"], gateway["overdue"]) == (0, 0, False)
    assert (psk["since"], psk["age_days"], psk["due"], psk["overdue"]) == (None, None, None, False)
    out = call("keys", "status")[1]
    assert re.search(rf"{SITES[0]} +pre-shared key +drawn here, handed over +not recorded +not recorded", out)
    assert "age not recorded: " in out.splitlines()[-1]


def test_a_pre_shared_key_is_as_old_as_the_end_of_its_change(call: KeyTerminal) -> None:
    call(*ROTATE, SITES[0], "--yes")
    keys = by_name(call.document("keys", "status")[1])
    assert keys[SITES[0], "gateway"]["changing_since"] is not None
    assert f"1 site with a change of keys under way: {SITES[0]}" in call("keys", "status")[1]
    call.note(SITES[0])
    call(*FINISH)
    call.speak(SITES[0])
    assert call(*FINISH)[0] == 0
    keys = by_name(call.document("keys", "status")[1])
    assert keys[SITES[0], "pre_shared"]["age_days"] == 0
    assert keys[SITES[1], "pre_shared"]["age_days"] is None, "of another site nothing was recorded"
    assert keys[SITES[0], "gateway"]["public_key"] == NEXT[SITES[0]]
    assert keys[SITES[0], "gateway"]["since"] is None, "it is not committed yet"
    assert call("history")[1].count("keys-rotate") == 1


def test_an_overdue_key_is_named_and_the_period_is_the_policy_s(call: KeyTerminal) -> None:
    site = fleets.facility(SITES[0], 1)
    inventory = fleets.complete(inventories.inventory(facilities=[site]))
    key = site["gateway"]["public_key"]
    ages = key_ages(inventory, {key: NOW - timedelta(days=365)}, {SITES[0]: NOW - timedelta(days=364)})
    gateway, psk = ages[0], ages[1]
    today = date(2021, 6, 1)
    assert (gateway.due, gateway.is_overdue(today), psk.is_overdue(today)) == (today, True, False)
    lines = list(key_age_lines(ages, NOW))
    assert f"1 site with a key that is overdue: {SITES[0]}; change it: provisioner keys rotate {SITES[0]}" in lines
    vietnamese = "\n".join(key_age_lines(ages, NOW, translator(Language.VI)))
    assert "quá hạn" in vietnamese
    assert "overdue" not in vietnamese
    call.edit("inventory.yml", "policy:", "policy:\n  key_days: 30")
    assert call.document("keys", "status")[1]["rotate_after_days"] == 30


def test_of_a_site_that_pushes_the_key_of_its_logins_is_watched(call: KeyTerminal) -> None:
    call.edit("carriers/viettel.yml", "centres: [", "publishers: {}\ncentres: [")
    for words in (
        ("facility", "plan", SITES[0], "--access", "publish"),
        ("sign-off", SITES[0], "--all-parties", "--source", "5"),
        ("allocate",),
        ("keys", "init"),
    ):
        code, out, err = call(*words)
        assert code == 0, out + err
    code, document = call.document("keys", "status", vault=False)
    keys = by_name(document)
    assert [kind for of, kind in keys if of == SITES[0]] == ["publish"], "it has no tunnel"
    assert (keys[SITES[0], "publish"]["age_days"], keys[SITES[0], "publish"]["origin"]) == (0, "controller")
    assert document["counts"]["publish"] == 1
    # Keys that are there already stay, and so does their age.
    since = keys[SITES[0], "publish"]["since"]
    assert call("keys", "init")[0] == 0
    assert by_name(call.document("keys", "status")[1])[SITES[0], "publish"]["since"] == since


def test_logins_to_push_that_are_overdue_are_named_with_what_draws_others() -> None:
    inventory = fleets.complete(inventories.inventory(facilities=[fleets.pushing(SITES[0], 1)]))
    ages = key_ages(inventory, {}, {}, {SITES[0]: NOW - timedelta(days=366)})
    (own,) = [age for age in ages if age.owner == SITES[0]]
    assert (own.kind, own.is_overdue(date(2021, 6, 1))) == (KeyKind.PUBLISH, True)
    lines = list(key_age_lines([own], NOW))
    assert lines[-1].startswith(f"1 site with logins to push that are overdue: {SITES[0]}; ")
    assert lines[-1].endswith("provisioner keys init")
    assert "keys rotate" not in lines[-1], "it has no key of its own that would be changed so"


@given(st.none() | st.datetimes(datetime(2000, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_nothing_is_guessed(since: datetime | None) -> None:
    due = since.date() + timedelta(days=365) if since else None
    age = KeyAge("kcl-a", KeyKind.GATEWAY, KeyOrigin.SITE, "A" * 43 + "=", since, due)
    document = key_ages_document([age], NOW, 365).plain["keys"]
    assert isinstance(document, list)
    assert (document[0]["age_days"] is None) == (document[0]["since"] is None) == (since is None)
    assert age.days(NOW) is None or age.days(NOW) == max(0, (NOW - (since or NOW)).days)
    assert ("not recorded" in "\n".join(key_age_lines([age], NOW))) == (since is None)


@pytest.mark.parametrize("facilities", [0, 2])
def test_every_key_that_hosts_carry_has_a_line(facilities: int) -> None:
    sites = [fleets.facility(f"kcl-bg-00{n}", 1) for n in range(1, facilities + 1)]
    inventory = fleets.complete(inventories.inventory(facilities=sites))
    ages = key_ages(inventory, {}, {})
    assert len([age for age in ages if age.kind is not KeyKind.RELAY]) == facilities * KEYS_OF_SITE
    assert len(list(key_age_lines(ages, NOW))) >= len(ages) + 1
