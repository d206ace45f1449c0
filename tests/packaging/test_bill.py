"""The bill of materials: valid, complete, and the same for the same wheels."""

import json
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from scripts.packaging.bill import SystemPackage, bill_of
from scripts.packaging.tree import digest
from tests.packaging.small_wheels import for_all, program
from tests.packaging.test_python_files import MOMENT

GIT = SystemPackage("git", "1:2.39.5-0+deb12u2", "amd64")


@pytest.fixture
def wheels(tmp_path: Path) -> list[Path]:
    groups = for_all(tmp_path, "x86_64")
    return [program(tmp_path), *(wheel for group in groups.values() for wheel in group)]


def document(*arguments: Any, **words: Any) -> dict[str, Any]:
    text = bill_of(*arguments, **words)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    document: dict[str, Any] = json.loads(text)
    return document


def test_each_package_is_named_once_with_all_its_files(wheels: list[Path]) -> None:
    bill = document(wheels, MOMENT)
    components = {one["name"]: one for one in bill["components"]}
    assert set(components) == {"anywhere", "needed", "newer"}
    files = {one["url"]: one["hashes"][0]["content"] for one in components["needed"]["externalReferences"]}
    assert files == {wheel.name: digest(wheel) for wheel in wheels if wheel.name.startswith("needed")}
    assert len(components["anywhere"]["externalReferences"]) == 1
    assert components["needed"]["purl"] == "pkg:pypi/needed@1.2.0"
    assert components["needed"]["licenses"] == [{"license": {"id": "MIT"}}]


def test_it_is_about_the_program_and_says_what_that_needs(wheels: list[Path]) -> None:
    bill = document(wheels, MOMENT)
    assert bill["metadata"]["component"]["name"] == "provisioner"
    assert bill["metadata"]["timestamp"].startswith("2021-05-03T00:00:00")
    needs = {one["ref"]: one.get("dependsOn", []) for one in bill["dependencies"]}
    assert needs["pypi/provisioner"] == ["pypi/needed"]


def test_the_order_of_wheels_makes_no_difference_and_another_file_does(wheels: list[Path]) -> None:
    assert bill_of(wheels, MOMENT) == bill_of([*reversed(wheels), wheels[0]], MOMENT)
    fewer = document(wheels[:-1], MOMENT)
    assert fewer["serialNumber"] != document(wheels, MOMENT)["serialNumber"]


def test_what_an_image_has_beside_them_is_named_too(wheels: list[Path]) -> None:
    bill = document(wheels, MOMENT, system=(GIT,))
    (git,) = [one for one in bill["components"] if one["name"] == "git"]
    assert git["purl"] == "pkg:deb/debian/git@1:2.39.5-0%2Bdeb12u2?arch=amd64"
