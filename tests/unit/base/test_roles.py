"""Who may see what: the table cell by cell, and laws of every reader."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.base.roles import BOUND_TO, MATRIX, Matter, Reach, ReaderRole, ReaderScope, Whereabouts

#: The project's table of who sees what, as it was agreed.
TABLE = """
            contacts    plans   site-network  live     status  operations
ministry    escalation  counts  nothing       all      all     nothing
steering    nothing     nothing nothing       all      counts  nothing
dic         own         own     presence      own      own     nothing
health      own         own     nothing       own      own     nothing
carrier     own         own     own           nothing  own     own
facility    own         own     own           own      own     nothing
"""

SLUGS = st.sampled_from(["bac-giang", "hai-duong", "viettel", "vnpt", "kcl-001", "kcl-002"])
PLACES = st.builds(Whereabouts, SLUGS, SLUGS, st.frozensets(SLUGS, max_size=2))
ROLES = st.sampled_from(list(ReaderRole))
READERS = ROLES.flatmap(lambda role: st.builds(ReaderScope, st.just(role), SLUGS if role in BOUND_TO else st.just("")))
MATTERS = st.sampled_from(list(Matter))


def cells() -> list[tuple[ReaderRole, Matter, Reach]]:
    """The table's cells."""
    header, *rows = TABLE.strip().splitlines()
    return [
        (ReaderRole(role), Matter(matter), Reach(reach))
        for role, *reaches in (row.split() for row in rows)
        for matter, reach in zip(header.split(), reaches, strict=True)
    ]


@pytest.mark.parametrize(("role", "matter", "reach"), cells(), ids="-".join)
def test_each_cell_is_as_it_was_agreed(role: ReaderRole, matter: Matter, reach: Reach) -> None:
    assert MATRIX[role][matter] is reach


def test_no_cell_is_missing_and_none_is_more() -> None:
    assert {(role, matter) for role, matter, _ in cells()} == {(r, m) for r, row in MATRIX.items() for m in row}
    assert len(cells()) == len(ReaderRole) * len(Matter)


@given(READERS, MATTERS, PLACES)
def test_a_role_never_sees_what_is_anothers(reader: ReaderScope, matter: Matter, place: Whereabouts) -> None:
    if reader.role in BOUND_TO and not reader.is_own(place):
        assert not reader.sees(matter, place)
        assert not reader.counts(matter, place)
        assert not reader.may_call(place)


@given(READERS, MATTERS, PLACES)
def test_who_sees_something_also_counts_it(reader: ReaderScope, matter: Matter, place: Whereabouts) -> None:
    if reader.sees(matter, place):
        assert reader.counts(matter, place)


@given(READERS, PLACES)
def test_nobody_but_carrier_and_facility_sees_a_sites_network(reader: ReaderScope, place: Whereabouts) -> None:
    if reader.role not in {ReaderRole.CARRIER, ReaderRole.FACILITY}:
        assert not reader.sees(Matter.SITE_NETWORK, place)


@given(PLACES)
def test_the_steering_committee_gets_numbers_and_calls_nobody(place: Whereabouts) -> None:
    reader = ReaderScope(ReaderRole.STEERING)
    assert not reader.sees(Matter.STATUS, place)
    assert reader.counts(Matter.STATUS, place)
    assert not reader.may_call(place)


@pytest.mark.parametrize(("role", "of"), [(ReaderRole.DIC, ""), (ReaderRole.CARRIER, ""), (ReaderRole.MINISTRY, "hn")])
def test_a_reader_of_nothing_or_of_too_much_is_refused(role: ReaderRole, of: str) -> None:
    with pytest.raises(ValueError, match=role.value):
        ReaderScope(role, of)
