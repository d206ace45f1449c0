"""What is wrong with hosts themselves: only what is certain is said, and it degrades nobody."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.base.errors import UnreadableError
from provisioner.hosts.answers import read, wire
from provisioner.hosts.facts import Condition, findings
from provisioner.hosts.runner import CallOutcome, HostAnswer
from provisioner.report.verify_html import html_page
from provisioner.report.verify_text import text_report
from provisioner.verify.document import verify_document
from provisioner.verify.path_history import Timepiece
from provisioner.verify.paths import select
from provisioner.verify.result import Verdict, exit_code
from provisioner.verify.run import verify

from .world import FINISHED, RELAY, STARTED, RecordingRunner, answers, documents, observe_requests, state

NOON = datetime(2021, 5, 11, 12, 0, tzinfo=UTC)
GIB = 2**30
ROOMY: wire.DiskAnswer = {"folder": "/var/log", "size": 40 * GIB, "free": 9 * GIB, "inodes": True, "writable": True}
_WAITS = st.floats(0, 600)


def _said(off: float, there: float, works: float, back: float) -> tuple[Condition, ...]:
    """What is said of a host whose clock is off by so much, with the way there, the work and the way back."""
    began = NOON + timedelta(seconds=there)
    ended = began + timedelta(seconds=works)
    clock = (began.timestamp() + off, ended.timestamp() + off)
    found = findings([ROOMY], clock, NOON, ended + timedelta(seconds=back))
    return tuple(one.condition for one in found)


@given(st.floats(-30, 30), _WAITS, _WAITS, _WAITS)
def test_a_clock_within_half_a_minute_is_never_off_however_long_the_way(
    off: float, there: float, works: float, back: float
) -> None:
    assert _said(off, there, works, back) == ()


@given(st.floats(31, 1e6), st.booleans(), _WAITS, _WAITS, _WAITS)
def test_a_clock_that_is_off_by_more_than_the_way_explains_is_said(
    off: float, ahead: object, there: float, works: float, back: float
) -> None:
    by = off + (back if ahead else there)
    assert _said(by if ahead else -by, there, works, back) == (Condition.CLOCK_OFF,)


@pytest.mark.parametrize(
    ("disk", "full"),
    [
        (ROOMY, False),
        (ROOMY | {"size": 64 * 2**20, "free": 30 * 2**20}, False),
        (ROOMY | {"size": 4_000 * GIB, "free": GIB}, False),
        (ROOMY | {"free": 2**20}, True),
        (ROOMY | {"free": 0}, True),
        (ROOMY | {"inodes": False}, True),
        (ROOMY | {"writable": False}, True),
    ],
)
def test_a_disk_without_room_files_or_writing_is_full(disk: wire.DiskAnswer, full: object) -> None:
    assert [one.condition for one in findings([disk], None, NOON, NOON)] == ([Condition.DISK_FULL] if full else [])


@pytest.mark.parametrize("clock", [[1], [1, 2, 3], ["1", 2], [-1, 2], [1, 1e300], [None, 2], 7])
def test_a_clock_that_is_none_is_not_read(clock: object) -> None:
    with pytest.raises(UnreadableError):
        read(wire.ProbeAnswer, documents()[RELAY] | {"clock": clock})


def test_a_full_disk_a_wrong_clock_and_another_firewall_are_told_of_the_host_and_degrade_no_path() -> None:
    document: dict[str, Any] = documents()[RELAY]
    document["clock"] = [STARTED.timestamp() + 3600, FINISHED.timestamp() + 3600]
    document["disks"] = [{"folder": "/var/log", "size": 40 * GIB, "free": 0, "inodes": True, "writable": True}]
    document["facts"]["firewalls"] = ["firewalld"]
    times = [*[FINISHED] * 99, STARTED]
    result = verify(
        select(state()),
        RecordingRunner(answers({RELAY: document})),
        observe=observe_requests(),
        compare=lambda _: (),
        watch=Timepiece(times.pop, lambda _seconds: None),
    )
    assert {path.verdict for path in result.paths} == {Verdict.UP}
    assert exit_code(result) == 0
    assert [(i.object, i.cause.value, i.paths) for i in result.incidents] == [
        (RELAY, "disk full", ()),
        (RELAY, "clock off", ()),
        (RELAY, "another firewall", ()),
    ]
    told = next(host for host in verify_document(result).plain["hosts"] if host["host"] == RELAY)
    assert [one["cause"] for one in told["findings"]] == ["disk full", "clock off", "another firewall"]
    for page in (text_report(result), html_page(result)):
        assert "make room there" in page
        assert "firewalld filters beside our table" in page
        assert "60 minutes" in page or "58 minutes" in page


def test_a_host_that_says_nothing_of_its_disks_and_clock_is_not_blamed() -> None:
    answer = HostAnswer(RELAY, CallOutcome.UNREACHABLE, error="ssh: no route")
    times = [*[FINISHED] * 99, STARTED]
    result = verify(
        select(state()),
        RecordingRunner(answers() | {RELAY: answer}),
        observe=observe_requests(),
        compare=lambda _: (),
        watch=Timepiece(times.pop, lambda _seconds: None),
    )
    assert not [one for host in result.hosts for one in host.findings]
