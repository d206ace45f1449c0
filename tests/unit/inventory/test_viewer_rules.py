"""Who reads what, in the inventory: what is refused, with a place and a hint."""

from typing import Any

import pytest
from pydantic import ValidationError

from provisioner.inventory.new_secrets import completed
from provisioner.inventory.rules import logins
from tests import fleets
from tests import inventories as make

CODES = {"viewer-duplicate", "read-prefix-unknown", "read-prefix-twice", "viewer-beyond-centre"}
CODES |= {"facility-read-by-nobody"}


def viewer(name: str = "dic-bg", *reads: str) -> dict[str, Any]:
    return {"id": name, "reads": list(reads or ("bac-giang",))}


def problems(**changes: Any) -> list[tuple[str, str]]:
    found = make.check(fleets.complete(make.inventory(centres=[make.centre(**changes)])))
    return [(p.code, p.severity.value) for p in found if p.code in CODES]


def test_viewers_and_a_centre_that_reads_a_part_are_no_problem() -> None:
    assert problems(viewers=[viewer(), viewer("kcl", "bac-giang/kcl-bg-001", "hai-duong")]) == []
    assert problems(reads=["bac-giang"], viewers=[viewer("kcl", "bac-giang/kcl-bg-001")]) == []


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({"viewers": [viewer(), viewer()]}, ["viewer-duplicate"]),
        ({"viewers": [viewer("one", "bac-gang")]}, ["read-prefix-unknown"]),
        ({"viewers": [viewer("one", "bac-giang/kcl-bg-009")]}, ["read-prefix-unknown"]),
        ({"reads": ["bac-giang", "quang-namm"]}, ["read-prefix-unknown"]),
        ({"viewers": [viewer("one", "bac-giang", "bac-giang/kcl-bg-001")]}, ["read-prefix-twice"]),
        ({"reads": ["bac-giang"], "viewers": [viewer("one", "hai-duong")]}, ["viewer-beyond-centre"]),
        ({"reads": ["bac-giang/kcl-bg-001"], "viewers": [viewer()]}, ["viewer-beyond-centre"]),
        ({"reads": ["hai-duong"]}, ["facility-read-by-nobody"]),
    ],
)
def test_what_would_be_read_by_nobody_or_by_the_wrong_ones_is_told(changes: dict[str, Any], codes: list[str]) -> None:
    warnings = {"read-prefix-twice", "facility-read-by-nobody"}
    assert problems(**changes) == [(code, "warning" if code in warnings else "error") for code in codes]


@pytest.mark.parametrize("prefix", ["", "~^.*", "bac-giang/", "/bac-giang", "bac-giang/*", "a/b/c", "Bac-giang", "a|b"])
def test_a_prefix_is_ids_and_nothing_else(prefix: str) -> None:
    with pytest.raises(ValidationError):
        make.inventory(centres=[make.centre(viewers=[viewer("one", prefix)])])


def test_a_password_is_made_for_each_viewer_at_each_carrier_and_goes_with_it() -> None:
    centres = [make.centre(viewers=[viewer(), viewer("kcl", "bac-giang/kcl-bg-001")])]
    both = [make.carrier(), make.carrier("vnpt", 21)]
    inventory = fleets.complete(make.inventory(centres=centres, carriers=both))
    none = fleets.secrets_of(fleets.complete(make.inventory(carriers=both)))
    assert logins.SECRETS_MISSING  # what `validate` says until then
    made = completed(inventory, none)
    passwords = [one.reveal() for name in ("viettel", "vnpt") for one in made.carriers[name].viewers.values()]
    assert len(set(passwords)) == 4
    assert all(len(one) >= 43 for one in passwords)
    assert completed(inventory, made).carriers == made.carriers
    fewer = fleets.complete(make.inventory(centres=[make.centre(viewers=[viewer()])], carriers=both))
    assert list(completed(fewer, made).carriers["vnpt"].viewers) == ["dic-bg"]
