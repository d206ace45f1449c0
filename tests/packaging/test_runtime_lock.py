"""The lock of what users get: all that the program needs, nothing more, and in step with the development one."""

import tomllib
from collections.abc import Iterable, Iterator
from importlib import metadata

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scripts.packaging.errors import RefusedError
from scripts.packaging.wheelhouse import MACHINES, NEWER, NEWER_LIBC, PYTHONS, Target, entry
from tests import audit
from tests.packaging.journey import ROOT

TEXT = (ROOT / "scripts/packaging/runtime.lock").read_text(encoding="utf-8")
RUNTIME = {one.name: one for one in audit.locked(TEXT)}
ALL = {one.name: one for one in audit.locked(audit.LOCK.read_text(encoding="utf-8"))}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def needed(requirements: Iterable[str], extra: str = "") -> Iterator[tuple[str, str]]:
    """The packages that some requirements ask for by themselves, each with an extra of it or none."""
    for text in requirements:
        asked = Requirement(text)
        if asked.marker is None or asked.marker.evaluate({"extra": extra}):
            yield from ((canonicalize_name(asked.name), one) for one in ("", *asked.extras))


def test_it_is_exactly_what_the_program_and_its_driver_for_postgresql_need() -> None:
    named = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["postgresql"]]
    known: set[tuple[str, str]] = set()
    waiting = list(needed(named))
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) not in known:
            known.add((name, extra))
            waiting += needed(metadata.requires(name) or (), extra)
    assert {name for name, _ in known} == set(RUNTIME)


def test_every_package_is_the_one_that_the_tests_ran_with() -> None:
    assert {name: ALL.get(name) for name in RUNTIME} == RUNTIME


def test_every_version_of_the_project_is_kept_to() -> None:
    for text in [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["postgresql"]]:
        asked = Requirement(text)
        assert RUNTIME[canonicalize_name(asked.name)].version in asked.specifier, text


def test_what_is_promised_is_what_the_lock_is_made_for() -> None:
    script = (ROOT / "scripts/lock").read_text(encoding="utf-8")
    assert f"for version in {' '.join(PYTHONS)}; do" in script
    assert f"for machine in {' '.join(MACHINES)}; do" in script
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert f"CPython {PYTHONS[0]} to {PYTHONS[-1]} on x86-64 and aarch64" in " ".join(page.split())


def test_an_entry_is_the_package_with_all_its_hashes() -> None:
    for name, package in RUNTIME.items():
        assert audit.locked(entry(TEXT, name)) == (package,)
    with pytest.raises(RefusedError, match="is not locked"):
        entry(TEXT, "pytest")


def test_a_target_takes_wheels_of_an_older_libc_and_of_no_newer_one() -> None:
    platforms = Target("3.12", "aarch64").platforms
    assert platforms[0] == "manylinux_2_28_aarch64"
    assert {"manylinux_2_17_aarch64", "manylinux2014_aarch64"} <= set(platforms)
    assert Target("3.12", "aarch64").tag == "cp312"
    assert Target("3.12", "aarch64", NEWER_LIBC).platforms[0] == "manylinux_2_34_aarch64"


def test_what_needs_a_newer_glibc_is_the_extra_and_needs_nothing_else() -> None:
    asked = PROJECT["optional-dependencies"]["rego"]
    assert [canonicalize_name(Requirement(one).name) for one in asked] == list(NEWER)
    for text in asked:
        name = canonicalize_name(Requirement(text).name)
        assert ALL[name].version in Requirement(text).specifier
        assert not list(needed(metadata.requires(name) or ()))
    assert f"lock requirements.lock requirements.lock {NEWER_LIBC} " in (ROOT / "scripts/lock").read_text(
        encoding="utf-8"
    )
