"""Laws of contacts: readers never fail, writings of one number are one number, what is written reads back."""

import json
import re
import unicodedata
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from provisioner.base.errors import Severity
from provisioner.base.language import Language
from provisioner.base.vietnamese import fold
from provisioner.importing.contacts import fields
from provisioner.importing.contacts.erasure import find, search_term
from provisioner.importing.contacts.fields import (
    FIELD_SENTENCES,
    FieldReading,
    read_email,
    read_line,
    read_name,
    read_phone,
)
from provisioner.importing.contacts.store import PERSONAL_FIELDS, Contact, ContactsFile, Role, render_contacts
from provisioner.inventory.files.yaml import parse

READERS: tuple[Callable[[object], FieldReading], ...] = (read_phone, read_email, read_name, read_line)
MOBILES = st.sampled_from(["32", "39", "52", "56", "70", "79", "81", "89", "91", "96", "98"])
AREAS = st.sampled_from(["204", "220", "235", "24", "28"])

numbers = st.builds(
    lambda prefix, rest: prefix + rest, MOBILES, st.text("0123456789", min_size=7, max_size=7)
) | st.builds(
    lambda area, rest: (area + "3" + rest)[: 9 if len(area) == 2 else 10].ljust(10, "1"),
    AREAS,
    st.text("0123456789", min_size=7, max_size=7),
)
cells = (
    st.text(max_size=60)
    | st.text("0123456789+-.,/;() oOeEx@màáẻ\u200b\u00a0\n", max_size=60)
    | st.integers()
    | st.floats()
    | st.none()
    | st.booleans()
    | st.binary(max_size=5)
    | st.lists(st.integers(), max_size=2)
)
words = st.text("abcđeêghiknoơuưyĐÊàáảãạ ắếộ", min_size=1, max_size=30).map(lambda t: "A" + " ".join(t.split()))


@settings(max_examples=400)
@given(cells)
@example("\x85ÐY")
def test_a_reader_never_fails_and_gives_a_value_or_one_error(cell: object) -> None:
    for read in READERS:
        reading = read(cell)
        errors = [p for p in reading.problems if p.severity is Severity.ERROR]
        assert (reading.value is None) == (len(errors) == 1)
        assert reading.value is None or read(reading.value.reveal()) == reading
        for problem in reading.problems:
            for language in Language:
                assert all(problem.wording(language))
            if problem.suggestion:
                assert read(problem.suggestion.reveal()).value == problem.suggestion


@given(st.text(max_size=20), st.text("0123456789@. ", max_size=20))
def test_nothing_of_a_cell_is_shown_by_what_a_reader_gives(before: str, after: str) -> None:
    for read in READERS:
        for reading in (read(f"{before}Kanarí{after}"), read(f"300777001{after}"), read(f"kanari@example.com{after}")):
            assert not re.search("kanar|300777001", repr(reading), re.IGNORECASE)
            for problem in reading.problems:
                assert all(
                    problem.wording(language) is FIELD_SENTENCES[language][problem.code] for language in Language
                )


def _grouped(digits: str, separator: str) -> str:
    return f"{digits[:-6]}{separator}{digits[-6:-3]}{separator}{digits[-3:]}"


@given(numbers)
def test_every_writing_of_one_number_is_that_number(national: str) -> None:
    expected = "+84" + national
    assume(read_phone(expected).value is not None)  # the numbering plan has holes
    zero = "0" + national
    spellings: list[object] = [
        zero,
        expected,
        "84" + national,
        "0084" + national,
        f"(+84) {national}",
        f"+84 (0){national}",
    ]
    spellings += [_grouped(zero, separator) for separator in " .-\u00a0\u2013"]
    spellings += [
        f"\u200e {zero}\u202c",
        f"\ufeff{zero}",
        int(national),
        float(national),
        national,
        national + ".0",
        zero + "\t",
    ]
    spellings.append("".join(chr(ord(digit) + 0xFEE0) for digit in zero))
    for spelling in spellings:
        value = read_phone(spelling).value
        assert value is not None, spelling
        assert value.reveal() == expected, spelling


@given(numbers, numbers, st.sampled_from(["/", " / ", "; ", "\n", " - ", ", ", " hoặc ", " và ", "|", "  "]))
def test_two_numbers_in_a_cell_are_never_taken_for_one(one: str, two: str, between: str) -> None:
    reading = read_phone(f"0{one}{between}0{two}")
    assert reading.value is None


@given(numbers, st.integers(0, 12), st.characters(categories=["L"]))
def test_a_letter_in_a_number_is_never_dropped(national: str, place: int, letter: str) -> None:
    zero = "0" + national
    reading = read_phone(zero[:place] + letter + zero[place:])
    assert reading.value is None


@given(st.emails(domains=st.just("example.com")))
def test_an_address_is_read_whatever_stands_around_it(address: str) -> None:
    expected = read_email(address)
    for spelling in (f"  {address}\u200b", f"mailto:{address}", f"Tên <{address}>", f"{address}; "):
        assert read_email(spelling) == expected


@given(words)
def test_a_name_is_one_name_composed_or_not(name: str) -> None:
    assert read_name(unicodedata.normalize("NFD", name)) == read_name(name)


@st.composite
def contacts(draw: st.DrawFn) -> Contact:
    """Draw a contact that has been through the readers, as all that is written has."""
    optional = st.none() | words
    plain = {
        "facility": draw(st.sampled_from(["kcl-bg-001", "kcl-bg-002", "010", "no"])),
        "role": draw(st.sampled_from([role.value for role in Role])),
        "full_name": draw(words),
        "title": draw(optional),
        "phone": draw(st.none() | numbers.map(lambda digits: f"+84{digits}")),
        "email": draw(st.none() | st.emails(domains=st.just("example.com"))),
        "valid_from": str(draw(st.dates(date(2021, 5, 1), date(2021, 5, 31)))),
        "valid_to": draw(st.none() | st.dates(date(2021, 6, 1), date(2021, 6, 30)).map(str)),
        "note": draw(st.none() | st.text(min_size=1, max_size=20)),
    }
    return Contact.model_validate_json(json.dumps({k: v for k, v in plain.items() if v is not None}))


@given(st.lists(contacts(), max_size=5))
def test_what_is_written_reads_back_as_it_was(listed: list[Contact]) -> None:
    document = parse(render_contacts("bac-giang", listed).encode())
    assert document.faults == ()
    reread = ContactsFile.model_validate_json(json.dumps(document.value))
    assert reread.contacts == tuple(listed)


@given(st.lists(contacts(), max_size=4), contacts())
def test_everybody_is_found_by_all_that_is_known_of_them(others: list[Contact], person: Contact) -> None:
    files = {"bac-giang": ContactsFile(version=1, province="bac-giang", contacts=(*others, person))}
    name = person.full_name.reveal()
    for text in (name, name.upper(), fold(name).replace("-", " "), unicodedata.normalize("NFD", name)):
        assert person in [one.contact for one in find(files, [search_term(text)], exact=True)]
    phone = person.phone and read_phone(person.phone.reveal()).value
    if phone:
        assert person in [one.contact for one in find(files, [search_term("0" + phone.reveal()[3:])], exact=True)]


@given(contacts())
def test_a_contact_shows_nothing_of_a_person_whatever_is_done_with_it(person: Contact) -> None:
    printed = f"{person} {person!r} {[person]} {person.model_copy()!r} {dict(person)}"
    for name in PERSONAL_FIELDS:
        secret = getattr(person, name)
        if secret and len(secret.reveal()) > 5:
            assert secret.reveal() not in printed
    with pytest.raises(Exception, match=r"Secret|serialize"):
        person.model_dump_json()


def test_the_catalogue_says_the_same_things_in_both_languages() -> None:
    assert set(FIELD_SENTENCES[Language.EN]) == set(FIELD_SENTENCES[Language.VI])
    for language in Language:
        for code, wording in FIELD_SENTENCES[language].items():
            assert wording.message, code
            assert wording.hint, code


def test_every_code_of_a_reader_is_in_the_catalogue() -> None:
    source = Path(fields.__file__).read_text(encoding="utf-8")
    unused = {code for code in FIELD_SENTENCES[Language.EN] if source.count(f'"{code}"') == len(FIELD_SENTENCES)}
    assert unused == {"phone-form", "email-form", "text-form"}  # those are reported by `check`
