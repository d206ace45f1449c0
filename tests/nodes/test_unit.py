"""Units and reports: what a controller packs is what a node reads, and nothing made up passes for one."""

import hashlib
import struct
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.base.text import HostName
from provisioner.desired.owner import Owner
from provisioner.hosts.runner import CallOutcome, HostAnswer, HostCall, ShellScript
from provisioner.inventory.model.hosts import JumpHost, Ssh
from provisioner.nodes.unit import UnitError, UnitReport, UnitState, pack_report, pack_unit, report_in, unit_in
from tests.hostile import NODE
from tests.nodes.carrying import HOST_KEY, host_of

CASES = Path(__file__).parents[1] / "cases/nodes"
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
documents = st.dictionaries(st.text(max_size=10), plain, max_size=4)
jumps = st.none() | st.builds(
    lambda port: JumpHost(address=HostName("jump.example.com"), ssh=Ssh(user="noc", port=port, host_key=HOST_KEY)),
    st.integers(1, 65_535),
)
calls = st.builds(
    lambda number, jump, request, files, switches, script: HostCall(
        host_of(number, jump=jump),
        request,
        files,
        shares=switches[0],
        unproved=switches[1],
        since="run-1" if switches[0] else "",
        script=script,
    ),
    st.integers(0, 200),
    jumps,
    documents,
    st.dictionaries(st.text(min_size=1, max_size=8), st.binary(max_size=50), max_size=3),
    st.tuples(st.booleans(), st.booleans()),
    st.none() | st.builds(ShellScript, st.text(max_size=30), st.booleans()),
)
owners = st.none() | st.builds(
    Owner, st.text(max_size=8), st.text(max_size=8), released=st.booleans(), shape=st.sampled_from(["", "alone"])
)
texts = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60)
answers = st.builds(
    HostAnswer,
    host=texts,
    outcome=st.sampled_from(CallOutcome),
    document=documents,
    error=texts,
    hint=texts,
    owner=owners,
    foreign=st.booleans(),
    bare=st.booleans(),
)


@given(st.lists(calls, min_size=1, max_size=4, unique_by=lambda call: call.spec.id), st.floats(0.1, 3600))
def test_a_node_reads_the_calls_that_were_packed(packed: list[HostCall], timeout_s: float) -> None:
    unit = unit_in(pack_unit("0.1.0", packed, timeout_s))
    assert (unit.version, unit.timeout_s) == ("0.1.0", timeout_s)
    assert [call.host_call(None) for call in unit.calls] == packed


def test_an_artefact_travels_once_however_many_hosts_get_it(tmp_path: Path) -> None:
    artefact = tmp_path / "mediamtx"
    artefact.write_bytes(bytes(100_000))
    packed = pack_unit("0.1.0", [HostCall(host_of(n), {}, artefact=artefact) for n in range(5)], 1)
    assert len(packed) < 120_000
    assert {call.content for call in unit_in(packed).calls} == {bytes(100_000)}


@given(st.builds(UnitReport, st.sampled_from(UnitState), st.lists(answers, max_size=3).map(tuple), texts, texts))
def test_a_controller_reads_the_report_that_was_packed(report: UnitReport) -> None:
    assert report_in(pack_report(report)) == report


@NODE
@given(st.binary(max_size=300), plain)
def test_what_is_made_up_is_neither_unit_nor_report(made_up: bytes, document: object) -> None:
    try:
        written = orjson.dumps(document)
    except TypeError:
        written = b"[]"
    for one in (made_up, struct.pack(">I", len(written)) + written + made_up):
        with pytest.raises(UnitError):
            unit_in(one)
    for one in (made_up, written):
        with pytest.raises(UnitError):
            report_in(one)


@NODE
def test_two_calls_to_one_host_are_no_unit() -> None:
    twice = [HostCall(host_of(1), {"operation": "observe"}), HostCall(host_of(1), {"operation": "apply"})]
    with pytest.raises(UnitError):
        unit_in(pack_unit("0.1.0", twice, 1))


def test_a_unit_of_another_form_is_refused_with_both_forms() -> None:
    document = orjson.dumps({"speaks": 2, "version": "9.0.0", "sizes": []})
    with pytest.raises(UnitError, match=r"form 2 \(provisioner 9.0.0\), and this node has 1"):
        unit_in(struct.pack(">I", len(document)) + document)


@NODE
def test_what_a_node_says_of_failures_is_printable() -> None:
    answer = HostAnswer("relay-1", CallOutcome.FAILED, error="\x1b[31mred\x1b[0m\r\n" + "x" * 9000)
    (came,) = report_in(pack_report(UnitReport(UnitState.OVER, (answer,), "\x1b]0;title\x07"))).answers
    assert came.error.isprintable()
    assert len(came.error) < 2100


# --- the release before -----------------------------------------------------------------------------
def test_a_node_of_now_reads_what_a_controller_of_before_packed() -> None:
    unit = unit_in((CASES / "unit-of-before.bin").read_bytes())
    first, second, third = unit.calls
    assert (unit.version, unit.timeout_s) == ("0.1.0", 60.0)
    assert (first.request, first.files, first.content) == (
        {"operation": "apply", "run": "run-1"},
        {"0": b"table", "nft": b"table"},
        b"program",
    )
    assert (first.shares, first.unproved, first.warrant) == (True, True, b"")
    assert first.artefact_sha256 == hashlib.sha256(b"program").hexdigest()
    assert second.spec.jump is not None
    assert (str(second.spec.jump.address), second.since) == ("jump.example.com", "run-1")
    assert third.script == ShellScript("true\n", as_root=True)


def test_a_controller_of_now_reads_what_a_node_of_before_said() -> None:
    report = report_in((CASES / "report-of-before.bin").read_bytes())
    assert (report.state, report.version, report.keeps, report.lacks) == (
        UnitState.OVER,
        "0.1.0",
        frozenset(),
        frozenset(),
    )
    first, second, third = report.answers
    assert (first.outcome, first.document) == (CallOutcome.ANSWERED, {"outcome": "armed"})
    assert second.owner is not None
    assert (second.outcome, second.owner.inventory, second.foreign) == (CallOutcome.UNPROVED, "other", True)
    assert (third.outcome, third.hint, third.bare) == (CallOutcome.UNREACHABLE, "look", True)


@pytest.mark.parametrize("name", ["unit-of-before.bin", "report-of-before.bin"])
def test_what_was_written_before_is_a_part_of_what_is_written_now(name: str) -> None:
    """Names that a release knew keep their meaning: an end of before finds all that it reads."""
    before = (CASES / name).read_bytes()
    now = pack_again(before) if name.startswith("unit") else pack_report(report_in(before))
    assert fields(before) <= fields(now)


def pack_again(before: bytes) -> bytes:
    unit = unit_in(before)
    return pack_unit(unit.version, [call.host_call(None) for call in unit.calls], unit.timeout_s)


def fields(packed: bytes) -> set[str]:
    """The names of all fields, by where they are."""
    (length,) = struct.unpack_from(">I", packed)
    whole = packed if packed[:1] == b"{" else packed[4 : 4 + length]
    return set(_fields(orjson.loads(whole), ""))


def _fields(value: object, place: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield f"{place}/{name}"
            yield from _fields(inner, f"{place}/{name}")
    elif isinstance(value, list):
        for inner in value:
            yield from _fields(inner, f"{place}[]")


def test_a_large_file_that_is_not_the_one_that_is_named_is_none(tmp_path: Path) -> None:
    artefact = tmp_path / "mediamtx"
    artefact.write_bytes(b"program")
    packed = pack_unit("0.1.0", [HostCall(host_of(1), {}, artefact=artefact)], 1)
    assert packed.count(b"program") == 1
    with pytest.raises(UnitError, match="not as units are"):
        unit_in(packed.replace(b"program", b"another"))
