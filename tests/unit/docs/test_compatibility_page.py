"""docs/operate/compatibility.md says what was seen of real systems, and no more."""

import re
from pathlib import Path

import pytest

from tests.real.__main__ import version_in
from tests.real.seen import PAGE, Sight, page_with, stored, with_sight
from tests.real.systems import SYSTEMS

ROOT = Path(__file__).parents[3]


def test_the_page_has_the_stored_sights_and_no_other() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == page_with(page, stored()), "run `scripts/soak real`, or write the page's table from the file"


def test_a_sight_is_of_a_declared_system_and_no_two_have_a_name() -> None:
    declared = [one.name for one in SYSTEMS]
    assert len(declared) == len(set(declared))
    assert {one.system for one in stored()} <= set(declared)


def test_a_system_in_the_table_is_not_listed_as_not_run() -> None:
    left_out = PAGE.read_text(encoding="utf-8").partition("## Not run")[2]
    assert left_out
    named = re.findall(r"^- \*\*(.+?)\*\*", left_out, re.MULTILINE)
    assert named
    assert {one.system for one in stored()}.isdisjoint(named)


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda one: one.name)
def test_a_story_is_there(system: object) -> None:
    story = next(one for one in SYSTEMS if one is system).story
    files = [word.partition("::") for word in story if word.startswith("tests/")]
    assert files
    for name, _, test in files:
        assert f"def {test}" in (ROOT / name).read_text(encoding="utf-8"), name


@pytest.mark.parametrize(
    ("printed", "version"),
    [
        ("gst-launch-1.0 version 1.22.0\nGStreamer 1.22.0", "1.22.0"),
        ("nats-server: v2.9.10", "2.9.10"),
        ("unknown option -- V\nOpenSSH_9.2p1 Debian-2+deb12u10, OpenSSL 3.0.19", "9.2p1"),
        ("ffmpeg version 5.1.9-0+deb12u1 Copyright (c) 2000", "5.1.9"),
        ("12.11\n", "12.11"),
        ("no version", ""),
    ],
)
def test_a_version_is_found_in_what_a_program_prints(printed: str, version: str) -> None:
    assert version_in(printed) == version


def test_a_sight_takes_the_place_of_its_own_version_alone() -> None:
    old = Sight("NATS", "2.9", "carries", "tests", "2026-01-01", 3, 0)
    failed = Sight("NATS", "2.9", "carries", "tests", "2026-02-01", 2, 1)
    newer = Sight("NATS", "2.10", "carries", "tests", "2026-02-01", 0, 0)
    assert with_sight([old], failed) == [failed]
    assert len(with_sight([old], newer)) == 2
    assert [one.is_whole for one in (old, failed, newer)] == [True, False, False]
    page = "a\n\n| system | version | its story | tests | when |\n|---|---|---|---|---|\n| x |\n\nb\n"
    row = "| NATS | 2.9 | carries | **1 of 3 failed** | 2026-02-01 |\n"
    assert page_with(page, [failed]) == page.replace("| x |\n", row)
