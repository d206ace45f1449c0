"""The traps of phone numbers, addresses and names as provinces write them, one by one."""

import pytest

from provisioner.base.language import Language
from provisioner.importing.contacts.fields import FieldReading, read_email, read_line, read_name, read_phone


def in_the_clear(reading: FieldReading) -> tuple[str | None, list[str], str | None]:
    """Value, codes and suggestion in the clear."""
    suggestions = [p.suggestion.reveal() for p in reading.problems if p.suggestion]
    value = reading.value.reveal() if reading.value else None
    return value, [p.code for p in reading.problems], suggestions[0] if suggestions else None


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("0300 777 001", "+84300777001"),
        ("(0204) 3854 123", "+842043854123"),
        ("0084 300-777-001", "+84300777001"),
        ("+84 (0) 300.777.001", "+84300777001"),
        (300777001, "+84300777001"),
        (300777001.0, "+84300777001"),
        ("300777001.0", "+84300777001"),
        ("0300,777,001", "+84300777001"),
        ("\u200e0300\u00a0777\u200b001\u202c", "+84300777001"),
    ],
)
def test_a_phone_number_is_read_as_it_is_written(cell: object, value: str) -> None:
    assert in_the_clear(read_phone(cell)) == (value, [], None)


@pytest.mark.parametrize(
    ("cell", "code", "suggestion"),
    [
        ("", "phone-empty", None),
        (None, "phone-empty", None),
        ("-", "phone-empty", None),
        ("0300777001/0300777002", "phone-several", None),
        ("0300777001 - 0300777002", "phone-several", None),
        ("0300777001 0300777002", "phone-several", None),
        ("0300777001\n0300777002", "phone-several", None),
        ("0300777001, 2", "phone-several", None),
        ("02043854123/4", "phone-several", None),
        ("+84300777001+84300777002", "phone-several", None),
        ("02043854123 máy lẻ 113", "phone-extension", "+842043854123"),
        ("02043854123 (lẻ 113)", "phone-extension", "+842043854123"),
        ("02043854123 ext. 113", "phone-extension", "+842043854123"),
        ("02043854123#113", "phone-extension", "+842043854123"),
        ("3.00E+08", "phone-scientific", None),
        ("3,00777E+8", "phone-scientific", None),
        ("O300777001", "phone-letter-o", "+84300777001"),
        ("03OO777oo1", "phone-letter-o", "+84300777001"),
        ("ĐT: 0300777001", "phone-letters", "+84300777001"),
        ("cô Ba 0300777001", "phone-letters", "+84300777001"),
        ("chưa có", "phone-letters", None),
        ("0300*777*001", "phone-signs", "+84300777001"),
        ("01620777001", "phone-old-mobile", "+84320777001"),
        ("+84 120 077 7001", "phone-old-mobile", "+84700777001"),
        ("0199 077 7001", "phone-old-mobile", "+84590777001"),
        ("113", "phone-short", None),
        ("1234567890123456", "phone-long", None),
        ("0240 3854 123", "phone-invalid", None),
        (True, "phone-not-text", None),
        (float("nan"), "phone-not-text", None),
        (10**30, "phone-not-text", None),
        (["0300777001"], "phone-not-text", None),
    ],
)
def test_what_is_not_one_phone_number_is_refused(cell: object, code: str, suggestion: str | None) -> None:
    assert in_the_clear(read_phone(cell)) == (None, [code], suggestion)


@pytest.mark.parametrize(
    ("cell", "value", "code"),
    [
        ("1900 1234", "+8419001234", "phone-service"),
        ("1800 1234", "+8418001234", "phone-service"),
        ("069 123 456", "+8469123456", "phone-unlisted"),
        ("+1 202 555 0123", "+12025550123", "phone-foreign"),
    ],
)
def test_a_number_that_is_no_persons_is_taken_with_a_warning(cell: str, value: str, code: str) -> None:
    assert in_the_clear(read_phone(cell)) == (value, [code], None)


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("  lien-he@example.com ", "lien-he@example.com"),
        ("Lien.He@Example.COM", "Lien.He@example.com"),
        ("mailto:lien-he@example.com", "lien-he@example.com"),
        ("Liên hệ <lien-he@example.com>", "lien-he@example.com"),
        ("lien-he@example.com;", "lien-he@example.com"),
    ],
)
def test_an_address_is_read_as_it_is_written(cell: str, value: str) -> None:
    assert in_the_clear(read_email(cell)) == (value, [], None)


@pytest.mark.parametrize(
    ("cell", "code", "suggestion"),
    [
        ("", "email-empty", None),
        (None, "email-empty", None),
        (5, "email-not-text", None),
        ("a@example.com; b@example.com", "email-several", None),
        ("a@example.com b@example.com", "email-several", None),
        ("a/b@example.com", "email-several", None),
        ("lien-he.example.com", "email-no-at", None),
        ("không có", "email-no-at", None),
        ("lien-he@example,com", "email-comma", "lien-he@example.com"),
        ("lien-he@example.com.", "email-dot", "lien-he@example.com"),
        ("lien he@example.com", "email-spaces", "lienhe@example.com"),
        ("lien-he@so.test", "email-reserved", None),
        ("lien-he@localhost", "email-reserved", None),
        ("lien-he@", "email-invalid", None),
        ("a" * 400 + "@example.com", "email-invalid", None),
    ],
)
def test_what_is_not_one_address_is_refused(cell: object, code: str, suggestion: str | None) -> None:
    assert in_the_clear(read_email(cell)) == (None, [code], suggestion)


def test_an_address_with_accents_is_taken_with_a_warning() -> None:
    assert in_the_clear(read_email("liên-hệ@example.com")) == ("liên-hệ@example.com", ["email-accents"], None)


@pytest.mark.parametrize(
    ("cell", "code", "suggestion"),
    [
        ("", "text-empty", None),
        (None, "text-empty", None),
        (12, "text-not-text", None),
        ("a\x07b", "text-control", None),
        ("x" * 301, "text-too-long", None),
        ("NguyÔn V¨n MÉu", "text-garbled", "Nguyễn Văn Mẫu"),
        ("Nguyá»…n VÄƒn Máº«u", "text-garbled", "Nguyễn Văn Mẫu"),
        ("0300777001", "name-no-letter", None),
    ],
)
def test_what_is_no_name_is_refused(cell: object, code: str, suggestion: str | None) -> None:
    assert in_the_clear(read_name(cell)) == (None, [code], suggestion)


def test_a_name_is_composed_and_loses_what_nobody_sees() -> None:
    assert in_the_clear(read_name(" Nguye\u0302\u0303n\u00a0 Va\u0306n\u200b Mâ\u0303u ")) == (
        "Nguyễn Văn Mẫu",
        [],
        None,
    )
    assert in_the_clear(read_line("Phòng 12\nnhà B")) == ("Phòng 12 nhà B", [], None)


def test_a_problem_is_reported_in_the_language_of_its_reader() -> None:
    (problem,) = read_phone("0300777001 / 0300777002").problems
    assert problem.wording().message == "this is more than one phone number"
    assert problem.wording(Language.VI).message == "Có nhiều hơn một số điện thoại"
