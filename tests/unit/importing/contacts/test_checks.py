"""The rules of contacts: each is broken once, and no message holds a value."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from provisioner.base.errors import Severity
from provisioner.importing.contacts.checks import ContactsView, check_contacts
from provisioner.importing.contacts.store import Contact, ContactsFile, render_contacts
from provisioner.inventory.files.positions import Places, SourceFile
from tests import inventories

from . import book

TODAY = date(2021, 5, 9)
FOLDER = Path("contacts")
Codes = list[tuple[str, str]]


def view(*listed: Contact, facilities: list[dict[str, Any]] | None = None, **changes: Any) -> ContactsView:
    text = render_contacts("bac-giang", listed).encode()
    known = inventories.inventory(facilities=facilities or [inventories.facility()]).facilities
    plain: dict[str, Any] = {
        "files": {"bac-giang": ContactsFile(version=1, province="bac-giang", contacts=listed)},
        "facilities": known,
        "provinces": frozenset({"bac-giang"}),
        "places": Places({"contacts/bac-giang": SourceFile("contacts/bac-giang.yml", text)}),
        "broken": frozenset(),
        "today": TODAY,
        "folder": FOLDER,
    }
    return ContactsView(**(plain | changes))


def codes(judged: ContactsView) -> Codes:
    problems = check_contacts(judged)
    printed = repr(problems) + repr(judged)
    assert not [canary for canary in book.CANARIES if canary in printed]
    assert all(p.hint and p.file for p in problems)
    return [(p.code, f"{p.file}:{p.line}") for p in problems]


def test_a_complete_representative_is_enough() -> None:
    assert codes(view(book.contact(), book.other())) == []


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ([], [("representative-missing", ":0")]),
        ([book.other()], [("representative-missing", ":0")]),
        ([book.contact(valid_to="2021-05-08")], [("representative-missing", ":0")]),
        ([book.contact(valid_from="2021-05-10")], [("representative-missing", ":0")]),
        ([book.contact(valid_to="2021-05-09")], []),
        ([book.contact(valid_from="2021-05-09")], []),
        ([book.contact(email=None)], [("representative-incomplete", ":0")]),
        ([book.contact(email=None, full_name="Ai Canary"), book.contact()], []),
        ([book.contact(valid_from="2021-06-01", valid_to="2021-05-01")], ["", ("contact-days", ":13")]),
        ([book.contact(), book.other(facility="kcl-bg-009")], [("contact-facility-unknown", ":14")]),
        ([book.contact(), book.other(phone=None, email=None)], [("contact-unreachable", ":16")]),
        ([book.contact(), book.contact(title="Phó Canary")], [("contact-duplicate", ":16")]),
        ([book.contact(), book.contact(role="technician")], []),
        ([book.contact(), book.contact(valid_from="2021-01-01", valid_to="2021-05-06")], []),
        ([book.contact(phone="0300 777 001")], [("phone-form", ":10")]),
        ([book.contact(phone="0300777001/0300777002")], [("phone-several", ":10")]),
        ([book.contact(email="canary@example,com")], [("email-comma", ":11")]),
        ([book.contact(email="canary@Example.com")], [("email-form", ":11")]),
        ([book.contact(full_name="  Canary")], [("text-form", ":8")]),
        ([book.contact(title="HiÖu tr\u00adëng Canary")], [("text-garbled", ":9")]),
        ([book.contact(note="x" * 301)], [("text-too-long", ":13")]),
    ],
)
def test_each_rule_tells_its_place(listed: list[Contact], expected: list[Any]) -> None:
    if "" in expected:  # nobody is current then, either
        expected = [("representative-missing", ":0"), *expected[1:]]
    assert codes(view(*listed)) == [(code, f"contacts/bac-giang.yml{line}") for code, line in expected]


def test_a_message_names_facility_contact_and_field() -> None:
    (problem,) = check_contacts(view(book.contact(), book.other(phone="113")))
    assert problem.message == "contacts bac-giang: contact 2 (kcl-bg-001): phone: the phone number is too short"
    assert problem.hint == "add what is missing; landlines need their area code"
    (problem,) = check_contacts(view(book.contact(title=None, email=None)))
    assert problem.message == "facility kcl-bg-001: the representative lacks: title, e-mail"


def test_a_number_that_is_no_persons_is_a_warning() -> None:
    (problem,) = check_contacts(view(book.contact(phone="+8419001234")))
    assert (problem.code, problem.severity) == ("phone-service", Severity.WARNING)


def test_only_open_facilities_need_a_representative_and_closed_ones_should_have_none() -> None:
    closed = [inventories.facility(operating="closed")]
    assert codes(view(facilities=closed)) == []
    assert codes(view(facilities=[inventories.facility(operating="standby")])) == []
    (problem,) = check_contacts(view(book.contact(), facilities=closed))
    assert (problem.code, problem.severity) == ("contact-outlived", Severity.WARNING)


def test_a_facility_of_another_province_hears_where_it_belongs() -> None:
    away = [inventories.facility(), inventories.facility("kcl-qn-001", province="quang-nam")]
    (problem,) = check_contacts(view(book.contact(), book.other(facility="kcl-qn-001"), facilities=away))
    assert problem.code == "contact-facility-misplaced"
    assert problem.hint == "move the contact to contacts/quang-nam.yml"


def test_a_province_without_a_file_has_no_representative() -> None:
    assert codes(view(files={})) == [("representative-missing", "contacts/bac-giang.yml:0")]


def test_nothing_is_said_of_facilities_whose_contacts_could_not_be_understood() -> None:
    assert codes(view(files={}, broken=frozenset({"bac-giang"}))) == []
